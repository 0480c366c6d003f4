/*
 * crdtsync_sealed - around any transport: only known peers, and nobody else
 * reads, changes, repeats or inserts anything (libsodium).
 *
 *     #define CRDTSYNC_IMPLEMENTATION     // in one file, that of crdtsync.h;
 *     #include "crdtsync.h"               // adapters come behind it
 *     #include "crdtsync_tcp.h"
 *     #include "crdtsync_sealed.h"        // cc ... -lsodium
 *
 * SYNOPSIS
 *
 *     uint8_t group[32] = { ... };        // the same at all members
 *     crdt_sealed_config config;
 *     memset(&config, 0, sizeof config);  // zero means default
 *     config.group_key = group;
 *     crdt_tcp_new(&tcp, &tcp_config);
 *     crdt_sealed_new(&sealed, &tcp, &config);
 *     crdt_node_attach(node, &sealed);    // the node closes both
 *
 * With a group key whoever has it is let in. With key pairs (Ed25519, of
 * crypto_sign_keypair) whoever is on the list, and has proven to be it; with
 * both, both.
 *
 * ON THE WIRE
 *
 *     HELLO  | 1 | version | ephemeral key: 32 |         both at once
 *     AUTH   | 2 | number: 8 | sealed: flag, key: 32, signature: 64 |
 *     DATA   | 3 | number: 8 | sealed: message |
 *
 * of a stream with the length before it (4 bytes, little-endian). Both sides
 * make an ephemeral X25519 pair for each link; what they have in common, with
 * both HELLOs and the group key, is hashed (BLAKE2b) into a key for each way.
 * AUTH signs the two HELLOs, so it cannot be taken elsewhere (SIGMA: Krawczyk
 * 2003). Sealed is ChaCha20-Poly1305 with the number as nonce; numbers only
 * grow, and none is taken twice: of a stream each must be the next, of
 * datagrams the last 1,024 are remembered. Every 2^20 messages the key is
 * hashed into the next one, and the old one forgotten.
 *
 * What is not hidden: who talks to whom, when, and how much.
 */
#ifndef CRDTSYNC_SEALED_H
#define CRDTSYNC_SEALED_H

#ifndef CRDTSYNC_VERSION
#error "include crdtsync.h before crdtsync_sealed.h"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Zero means default. Keys are copied. */
typedef struct crdt_sealed_config {
    const crdt_alloc *alloc;
    const crdt_clock *clock;
    const uint8_t *group_key;  /* 32 bytes, or NULL */
    const uint8_t *secret_key; /* 64 bytes, of Ed25519: ours; or NULL */
    const uint8_t *allowed;    /* 32 bytes each: public keys of others */
    size_t allowed_count;
    uint32_t handshake_ms; /* to prove who it is; 0: 5,000 */
    uint32_t rotate_every; /* messages under one key; 0: 1,048,576 */
} crdt_sealed_config;

/* Takes the inner transport over: `out` closes it; on failure it stays the
 * caller's. ARG (neither key; a list without a secret key, or that without a
 * list), LIMIT (messages of the inner are too short), IO (libsodium does not
 * start), NOMEM. */
CRDT_API crdt_err crdt_sealed_new(crdt_transport *out,
                                  const crdt_transport *inner,
                                  const crdt_sealed_config *config);

/* One more key that is let in; OK when it is already. ARG, NOMEM. */
CRDT_API crdt_err crdt_sealed_allow(const crdt_transport *sealed,
                                    const uint8_t public_key[32]);
/* That key is let in no more, and its links end. ARG, NOT_FOUND. */
CRDT_API crdt_err crdt_sealed_refuse(const crdt_transport *sealed,
                                     const uint8_t public_key[32]);
/* From now on the group key is this one: all links end, and who has not the
 * new one does not come in again. ARG (there was none). */
CRDT_API crdt_err crdt_sealed_rekey(const crdt_transport *sealed,
                                    const uint8_t group_key[32]);

/* For a program with a loop of its own: milliseconds until something is to be
 * done, -1 when nothing is. Then poll the node. */
CRDT_API int crdt_sealed_due_ms(const crdt_transport *sealed);

#ifdef __cplusplus
}
#endif

#endif /* CRDTSYNC_SEALED_H */

#if defined(CRDTSYNC_IMPLEMENTATION) && !defined(CRDTSYNC_SEALED_IMPLEMENTED)
#define CRDTSYNC_SEALED_IMPLEMENTED

#ifndef CRDTSYNC_IMPLEMENTED
#error "define CRDTSYNC_IMPLEMENTATION before including crdtsync.h"
#endif

#include <sodium.h>
#include <stdio.h>
#include <string.h>

/* >>data ------------------------------------------------------------------ */

#define CRDTI_SEAL_VERSION 1
#define CRDTI_SEAL_LENGTH 4u /* of a stream */
#define CRDTI_SEAL_HEAD 9u   /* kind, number */
#define CRDTI_SEAL_TAG 16u
#define CRDTI_SEAL_HELLO_SIZE 34u
#define CRDTI_SEAL_AUTH_SIZE 97u /* flag, key, signature */
#define CRDTI_SEAL_OVERHEAD                                                   \
    (CRDTI_SEAL_LENGTH + CRDTI_SEAL_HEAD + CRDTI_SEAL_TAG)
#define CRDTI_SEAL_MESSAGE_MAX 1052672u /* a frame of 1 MiB */
#define CRDTI_SEAL_WINDOW 1024u         /* numbers remembered */
#define CRDTI_SEAL_RETRY_MS 250u /* what may have been lost is said again */
#define CRDTI_SEAL_NAME_MAX 100
#define CRDTI_SEAL_CONTEXT "crdtsync sealed 1"

typedef enum crdti_seal_kind {
    CRDTI_SEAL_HELLO = 1,
    CRDTI_SEAL_AUTH,
    CRDTI_SEAL_DATA
} crdti_seal_kind;

/* The keys of one way. */
typedef struct crdti_seal_way {
    uint8_t key[32], before[32]; /* of `epoch`, and of the one before */
    uint64_t epoch;
    uint64_t number; /* sent last, or received: the highest */
    uint64_t seen[CRDTI_SEAL_WINDOW / 64];
} crdti_seal_way;

typedef struct crdti_seal_link {
    struct crdti_seal_link *next;
    crdt_peer peer;
    uint8_t secret[32], own[32], theirs[32]; /* ephemeral */
    uint8_t key[32];                         /* of the peer, once proven */
    uint8_t transcript[32];
    crdti_seal_way to, from;
    uint64_t since_ms, retry_ms;
    crdt_buf in;     /* of a stream: not yet a frame */
    int is_lower;    /* our HELLO is the lesser of the two */
    int has_hello;   /* theirs */
    int is_proven;   /* they are who they say: the node has been told */
    int is_believed; /* they have said that we are */
    int is_dropped;
    char name[CRDTI_SEAL_NAME_MAX];
} crdti_seal_link;

typedef struct crdti_seal {
    crdt_alloc alloc;
    crdt_clock clock;
    crdt_transport inner;
    crdt_upcalls mine;
    const crdt_upcalls *up;
    crdti_seal_link *links;
    uint8_t group_key[32], secret_key[64], public_key[32];
    int has_group, has_secret;
    uint8_t *allowed;
    size_t allowed_count;
    /* A frame that goes out, and a message that came: an upcall may send. */
    uint8_t *scratch, *opened;
    size_t message_max;
    uint32_t handshake_ms, rotate_every;
    uint64_t upcalls;
    crdt_err err;            /* of this poll */
    int is_stream, is_exact; /* exact: each number is the next */
} crdti_seal;

CRDTI_FN uint64_t crdti_seal_now(const crdti_seal *s)
{
    return s->clock.mono_ms(s->clock.ctx);
}

CRDTI_FN crdti_seal_link *crdti_seal_find(const crdti_seal *s, crdt_peer peer)
{
    crdti_seal_link *link;
    for (link = s->links; link; link = link->next)
        if (link->peer == peer)
            return link;
    return NULL;
}

CRDTI_FN void crdti_seal_drop_link(crdti_seal *s, crdti_seal_link *link,
                                   const char *why)
{
    if (!link->is_dropped)
        s->inner.drop(s->inner.ctx, link->peer, why);
    link->is_dropped = 1;
}

/* >>sealing --------------------------------------------------------------- */

CRDTI_FN void crdti_seal_nonce(uint8_t out[12], uint64_t number)
{
    crdti_zero(out, 4);
    crdti_store64(out + 4, number);
}

CRDTI_FN void crdti_seal_next_key(uint8_t out[32], const uint8_t key[32])
{
    static const uint8_t word[] = { 'n', 'e', 'x', 't' };
    (void)crypto_generichash(out, 32, word, sizeof word, key, 32);
}

CRDTI_FN void crdti_seal_turn(crdti_seal_way *way)
{
    crdti_copy(way->before, way->key, 32);
    crdti_seal_next_key(way->key, way->before);
    way->epoch++;
}

/* Length (of a stream), kind, number, sealed bytes: into the scratch. What
 * the inner transport answers; a number is used only if it took it. */
CRDTI_FN crdt_err crdti_seal_put(crdti_seal *s, crdti_seal_link *link,
                                 crdti_seal_kind kind, crdt_bytes bytes)
{
    uint64_t number = link->to.number + 1;
    uint8_t nonce[12], *at = s->scratch;
    size_t len = CRDTI_SEAL_HEAD + bytes.len + CRDTI_SEAL_TAG;
    crdt_err err;
    if (number / s->rotate_every > link->to.epoch)
        crdti_seal_turn(&link->to);
    if (s->is_stream) {
        crdti_store32(at, (uint32_t)len);
        at += CRDTI_SEAL_LENGTH;
    }
    at[0] = (uint8_t)kind;
    crdti_store64(at + 1, number);
    crdti_seal_nonce(nonce, number);
    (void)crypto_aead_chacha20poly1305_ietf_encrypt(
        at + CRDTI_SEAL_HEAD, NULL, bytes.ptr, bytes.len, at, CRDTI_SEAL_HEAD,
        NULL, nonce, link->to.key);
    len += (size_t)(at - s->scratch);
    err = s->inner.send(s->inner.ctx, link->peer,
                        crdt_bytes_of(s->scratch, len));
    if (!err)
        link->to.number = number;
    return err;
}

CRDTI_FN int crdti_seal_is_old(const crdti_seal *s, const crdti_seal_way *way,
                               uint64_t number)
{
    if (s->is_exact)
        return number != way->number + 1;
    if (number > way->number)
        return 0;
    return way->number - number >= CRDTI_SEAL_WINDOW ||
           (way->seen[number % CRDTI_SEAL_WINDOW / 64] >> number % 64 & 1);
}

CRDTI_FN void crdti_seal_note(crdti_seal_way *way, uint64_t number)
{
    uint64_t at = way->number;
    if (number > at + CRDTI_SEAL_WINDOW)
        at = number - CRDTI_SEAL_WINDOW;
    while (at < number) {
        at++;
        way->seen[at % CRDTI_SEAL_WINDOW / 64] &= ~((uint64_t)1 << at % 64);
    }
    way->number = crdti_max(way->number, number);
    way->seen[number % CRDTI_SEAL_WINDOW / 64] |= (uint64_t)1 << number % 64;
}

/* Whether it is genuine and new; then what was in it is in `out`. */
CRDTI_FN int crdti_seal_open(crdti_seal *s, crdti_seal_link *link,
                             crdt_bytes frame, uint8_t *out)
{
    crdti_seal_way *way = &link->from;
    uint64_t number, epoch;
    uint8_t nonce[12], next[32];
    const uint8_t *key = way->key;
    if (frame.len < CRDTI_SEAL_HEAD + CRDTI_SEAL_TAG)
        return 0;
    number = crdti_load64(frame.ptr + 1);
    epoch = number / s->rotate_every;
    if (!number || crdti_seal_is_old(s, way, number))
        return 0;
    if (epoch == way->epoch + 1) {
        crdti_seal_next_key(next, way->key);
        key = next;
    } else if (epoch + 1 == way->epoch) {
        key = way->before;
    } else if (epoch != way->epoch) {
        return 0;
    }
    crdti_seal_nonce(nonce, number);
    if (crypto_aead_chacha20poly1305_ietf_decrypt(
            out, NULL, NULL, frame.ptr + CRDTI_SEAL_HEAD,
            frame.len - CRDTI_SEAL_HEAD, frame.ptr, CRDTI_SEAL_HEAD, nonce,
            key))
        return 0;
    if (epoch > way->epoch)
        crdti_seal_turn(way);
    crdti_seal_note(way, number);
    return 1;
}

/* >>greeting -------------------------------------------------------------- */

CRDTI_FN crdt_err crdti_seal_say_hello(crdti_seal *s, crdti_seal_link *link)
{
    uint8_t bytes[CRDTI_SEAL_LENGTH + CRDTI_SEAL_HELLO_SIZE], *at = bytes;
    if (s->is_stream) {
        crdti_store32(at, CRDTI_SEAL_HELLO_SIZE);
        at += CRDTI_SEAL_LENGTH;
    }
    at[0] = CRDTI_SEAL_HELLO;
    at[1] = CRDTI_SEAL_VERSION;
    crdti_copy(at + 2, link->own, 32);
    return s->inner.send(
        s->inner.ctx, link->peer,
        crdt_bytes_of(bytes, (size_t)(at - bytes) + CRDTI_SEAL_HELLO_SIZE));
}

/* What is signed: both HELLOs, and which of the two one said. */
CRDTI_FN void crdti_seal_statement(const crdti_seal_link *link, int is_lower,
                                   uint8_t out[sizeof CRDTI_SEAL_CONTEXT + 32])
{
    const size_t len = sizeof CRDTI_SEAL_CONTEXT - 1;
    crdti_copy(out, CRDTI_SEAL_CONTEXT, len);
    out[len] = (uint8_t)(is_lower != 0);
    crdti_copy(out + len + 1, link->transcript, 32);
}

CRDTI_FN crdt_err crdti_seal_say_auth(crdti_seal *s, crdti_seal_link *link)
{
    uint8_t statement[sizeof CRDTI_SEAL_CONTEXT + 32];
    uint8_t bytes[CRDTI_SEAL_AUTH_SIZE];
    crdti_zero(bytes, sizeof bytes);
    bytes[0] = (uint8_t)link->is_proven;
    if (s->has_secret) {
        crdti_copy(bytes + 1, s->public_key, 32);
        crdti_seal_statement(link, link->is_lower, statement);
        (void)crypto_sign_detached(bytes + 33, NULL, statement,
                                   sizeof statement, s->secret_key);
    }
    return crdti_seal_put(s, link, CRDTI_SEAL_AUTH,
                          crdt_bytes_of(bytes, sizeof bytes));
}

/* Both HELLOs are there: the keys of both ways. 0: that key is no key. */
CRDTI_FN int crdti_seal_agree(crdti_seal *s, crdti_seal_link *link)
{
    uint8_t material[96], keys[64];
    int order = crdti_compare(link->own, link->theirs, 32);
    const uint8_t *lower = order < 0 ? link->own : link->theirs;
    const uint8_t *upper = order < 0 ? link->theirs : link->own;
    if (!order || crypto_scalarmult(material, link->secret, link->theirs))
        return 0;
    link->is_lower = order < 0;
    crdti_copy(material + 32, lower, 32);
    crdti_copy(material + 64, upper, 32);
    (void)crypto_generichash(link->transcript, 32, material + 32, 64, NULL, 0);
    (void)crypto_generichash(keys, 64, material, 96,
                             s->has_group ? s->group_key : NULL,
                             s->has_group ? 32 : 0);
    crdti_copy(link->is_lower ? link->to.key : link->from.key, keys, 32);
    crdti_copy(link->is_lower ? link->from.key : link->to.key, keys + 32, 32);
    sodium_memzero(material, sizeof material);
    sodium_memzero(keys, sizeof keys);
    sodium_memzero(link->secret, sizeof link->secret);
    return 1;
}

CRDTI_FN uint8_t *crdti_seal_allowed(const crdti_seal *s, const uint8_t *key)
{
    size_t i;
    for (i = 0; i < s->allowed_count; i++)
        if (crdti_equal(s->allowed + 32 * i, key, 32))
            return s->allowed + 32 * i;
    return NULL;
}

/* NULL, or why not. Whoever can seal has the group key. */
CRDTI_FN const char *crdti_seal_doubt(const crdti_seal *s,
                                      const crdti_seal_link *link,
                                      const uint8_t *auth)
{
    uint8_t statement[sizeof CRDTI_SEAL_CONTEXT + 32];
    if (!s->has_secret)
        return NULL;
    if (!crdti_seal_allowed(s, auth + 1))
        return "its key is not on the list";
    crdti_seal_statement(link, !link->is_lower, statement);
    if (crypto_sign_verify_detached(auth + 33, statement, sizeof statement,
                                    auth + 1))
        return "its signature is wrong";
    return NULL;
}

/* >>receiving ------------------------------------------------------------- */

/* What cannot be right ends a stream; among datagrams it is a stranger's. */
CRDTI_FN void crdti_seal_bad(crdti_seal *s, crdti_seal_link *link)
{
    if (s->is_exact)
        crdti_seal_drop_link(s, link, "what came is not genuine");
}

CRDTI_FN void crdti_seal_take_hello(crdti_seal *s, crdti_seal_link *link,
                                    crdt_bytes frame)
{
    if (frame.len < CRDTI_SEAL_HELLO_SIZE ||
        frame.ptr[1] != CRDTI_SEAL_VERSION ||
        (link->has_hello && !crdti_equal(link->theirs, frame.ptr + 2, 32))) {
        crdti_seal_bad(s, link);
        return;
    }
    if (link->has_hello)
        return;
    crdti_copy(link->theirs, frame.ptr + 2, 32);
    if (!crdti_seal_agree(s, link)) {
        crdti_zero(link->theirs, 32);
        crdti_seal_bad(s, link);
        return;
    }
    link->has_hello = 1;
    (void)crdti_seal_say_auth(s, link);
}

CRDTI_FN void crdti_seal_take_auth(crdti_seal *s, crdti_seal_link *link,
                                   const uint8_t *auth)
{
    const char *doubt;
    link->is_believed |= auth[0];
    if (link->is_proven) {
        if (!auth[0])
            (void)crdti_seal_say_auth(s, link);
        return;
    }
    doubt = crdti_seal_doubt(s, link, auth);
    if (doubt) {
        crdti_seal_drop_link(s, link, doubt);
        return;
    }
    link->is_proven = 1;
    crdti_copy(link->key, auth + 1, 32);
    if (!s->is_exact)
        (void)crdti_seal_say_auth(s, link);
    s->upcalls++;
    s->up->peer_up(s->up->ctx, link->peer, link->name);
}

CRDTI_FN void crdti_seal_take(crdti_seal *s, crdti_seal_link *link,
                              crdt_bytes frame)
{
    int kind = frame.len ? frame.ptr[0] : 0;
    size_t len;
    if (kind == CRDTI_SEAL_HELLO) {
        crdti_seal_take_hello(s, link, frame);
        return;
    }
    if (!link->has_hello ||
        frame.len > s->message_max + CRDTI_SEAL_HEAD + CRDTI_SEAL_TAG ||
        !crdti_seal_open(s, link, frame, s->opened)) {
        crdti_seal_bad(s, link);
        return;
    }
    len = frame.len - CRDTI_SEAL_HEAD - CRDTI_SEAL_TAG;
    if (kind == CRDTI_SEAL_AUTH && len == CRDTI_SEAL_AUTH_SIZE) {
        crdti_seal_take_auth(s, link, s->opened);
    } else if (kind == CRDTI_SEAL_DATA && link->is_proven) {
        link->is_believed = 1;
        s->upcalls++;
        s->up->received(s->up->ctx, link->peer, crdt_bytes_of(s->opened, len));
    }
}

/* As many frames as are whole. Before somebody has proven who it is, no more
 * than a greeting is kept for it. */
CRDTI_FN void crdti_seal_take_stream(crdti_seal *s, crdti_seal_link *link)
{
    size_t at = 0, most, len;
    while (!link->is_dropped && link->in.len - at >= CRDTI_SEAL_LENGTH) {
        len = crdti_load32(link->in.ptr + at);
        most = link->is_proven ? s->message_max : CRDTI_SEAL_AUTH_SIZE;
        if (len > most + CRDTI_SEAL_HEAD + CRDTI_SEAL_TAG) {
            crdti_seal_bad(s, link);
            return;
        }
        if (len > link->in.len - at - CRDTI_SEAL_LENGTH)
            break;
        at += CRDTI_SEAL_LENGTH;
        crdti_seal_take(s, link, crdt_bytes_of(link->in.ptr + at, len));
        at += len;
    }
    if (at == 0)
        return;
    crdti_move(link->in.ptr, link->in.ptr + at, link->in.len - at);
    link->in.len -= at;
    if (!link->in.len)
        crdt_buf_free(&link->in);
}

/* >>upcalls --------------------------------------------------------------- */

/* A new one: the link says HELLO, and is told when it is proven. */
CRDTI_FN void crdti_seal_up(void *ctx, crdt_peer peer, const char *name)
{
    crdti_seal *s = (crdti_seal *)ctx;
    crdti_seal_link *link =
        (crdti_seal_link *)crdti_alloc(&s->alloc, sizeof *link);
    if (!link) {
        s->err = CRDT_ERR_NOMEM;
        s->inner.drop(s->inner.ctx, peer, "no memory");
        return;
    }
    crdti_zero(link, sizeof *link);
    link->peer = peer;
    link->in.alloc = &s->alloc;
    link->since_ms = crdti_seal_now(s);
    link->retry_ms = link->since_ms + CRDTI_SEAL_RETRY_MS;
    snprintf(link->name, sizeof link->name, "sealed:%s", name);
    randombytes_buf(link->secret, sizeof link->secret);
    (void)crypto_scalarmult_base(link->own, link->secret);
    link->next = s->links;
    s->links = link;
    (void)crdti_seal_say_hello(s, link);
}

CRDTI_FN void crdti_seal_link_free(crdti_seal *s, crdti_seal_link *link)
{
    crdt_buf_free(&link->in);
    sodium_memzero(link, sizeof *link);
    crdti_free(&s->alloc, link, sizeof *link);
}

CRDTI_FN void crdti_seal_down(void *ctx, crdt_peer peer, const char *why)
{
    crdti_seal *s = (crdti_seal *)ctx;
    crdti_seal_link **at = &s->links, *link;
    int was_told;
    while (*at && (*at)->peer != peer)
        at = &(*at)->next;
    link = *at;
    if (!link)
        return;
    was_told = link->is_proven;
    *at = link->next;
    crdti_seal_link_free(s, link);
    if (!was_told)
        return;
    s->upcalls++;
    s->up->peer_down(s->up->ctx, peer, why);
}

CRDTI_FN void crdti_seal_received(void *ctx, crdt_peer peer, crdt_bytes bytes)
{
    crdti_seal *s = (crdti_seal *)ctx;
    crdti_seal_link *link = crdti_seal_find(s, peer);
    crdti_writer w;
    if (!link || link->is_dropped)
        return;
    if (!s->is_stream) {
        crdti_seal_take(s, link, bytes);
        return;
    }
    crdti_writer_init(&w, &link->in);
    crdti_put_raw(&w, bytes);
    if (w.err) {
        s->err = CRDT_ERR_NOMEM;
        crdti_seal_drop_link(s, link, "no memory");
        return;
    }
    crdti_seal_take_stream(s, link);
}

CRDTI_FN void crdti_seal_writable(void *ctx, crdt_peer peer)
{
    crdti_seal *s = (crdti_seal *)ctx;
    const crdti_seal_link *link = crdti_seal_find(s, peer);
    if (!link || !link->is_proven || link->is_dropped)
        return;
    s->upcalls++;
    s->up->writable(s->up->ctx, peer);
}

/* >>table ----------------------------------------------------------------- */

CRDTI_FN crdt_err crdti_seal_start(void *ctx, const crdt_upcalls *up)
{
    crdti_seal *s = (crdti_seal *)ctx;
    if (!up || up->version < 1 || s->up)
        return CRDT_ERR_ARG;
    s->up = up;
    return s->inner.start(s->inner.ctx, &s->mine);
}

CRDTI_FN crdt_err crdti_seal_send(void *ctx, crdt_peer peer, crdt_bytes bytes)
{
    crdti_seal *s = (crdti_seal *)ctx;
    crdti_seal_link *link = crdti_seal_find(s, peer);
    if (!link || !link->is_proven || link->is_dropped)
        return CRDT_ERR_CLOSED;
    if (bytes.len > s->message_max)
        return CRDT_ERR_LIMIT;
    return crdti_seal_put(s, link, CRDTI_SEAL_DATA, bytes);
}

/* Where greetings may be lost they are said again. */
CRDTI_FN void crdti_seal_step(crdti_seal *s, crdti_seal_link *link,
                              uint64_t now)
{
    if (link->is_dropped)
        return;
    if (!link->is_proven && now - link->since_ms >= s->handshake_ms) {
        crdti_seal_drop_link(s, link, "did not prove who it is");
        return;
    }
    if (s->is_exact || now < link->retry_ms ||
        (link->is_proven && link->is_believed))
        return;
    link->retry_ms = now + CRDTI_SEAL_RETRY_MS;
    if (!link->is_proven)
        (void)crdti_seal_say_hello(s, link);
    if (link->has_hello)
        (void)crdti_seal_say_auth(s, link);
}

/* Until something is to be said again, or somebody's time is over. */
CRDTI_FN int crdti_seal_patience(const crdti_seal *s, int timeout_ms,
                                 uint64_t now)
{
    const crdti_seal_link *link;
    for (link = s->links; link; link = link->next) {
        uint64_t due = link->since_ms + s->handshake_ms;
        if (link->is_dropped || (link->is_proven && link->is_believed) ||
            (link->is_proven && s->is_exact))
            continue;
        if (!s->is_exact)
            due = crdti_min(due, link->retry_ms);
        if (due < now + (uint64_t)timeout_ms)
            timeout_ms = due > now ? (int)(due - now) : 0;
    }
    return timeout_ms;
}

CRDTI_FN crdt_err crdti_seal_poll(void *ctx, int timeout_ms)
{
    crdti_seal *s = (crdti_seal *)ctx;
    crdti_seal_link *link;
    uint64_t now = crdti_seal_now(s);
    crdt_err err;
    if (!s->up)
        return CRDT_ERR_ARG;
    s->err = CRDT_OK;
    for (link = s->links; link; link = link->next)
        crdti_seal_step(s, link, now);
    if (timeout_ms > 0)
        timeout_ms = crdti_seal_patience(s, timeout_ms, now);
    err = s->inner.poll(s->inner.ctx, timeout_ms);
    return err ? err : s->err;
}

CRDTI_FN void crdti_seal_drop(void *ctx, crdt_peer peer, const char *why)
{
    crdti_seal *s = (crdti_seal *)ctx;
    crdti_seal_link *link = crdti_seal_find(s, peer);
    if (link && link->is_proven)
        crdti_seal_drop_link(s, link, why);
}

CRDTI_FN void crdti_seal_free(crdti_seal *s)
{
    crdt_alloc alloc = s->alloc;
    crdti_free(&alloc, s->allowed, 32 * s->allowed_count);
    crdti_free(&alloc, s->scratch, s->message_max + CRDTI_SEAL_OVERHEAD);
    crdti_free(&alloc, s->opened, s->message_max);
    sodium_memzero(s, sizeof *s);
    crdti_free(&alloc, s, sizeof *s);
}

CRDTI_FN void crdti_seal_close(void *ctx)
{
    crdti_seal *s = (crdti_seal *)ctx;
    crdti_seal_link *link;
    s->inner.close(s->inner.ctx);
    while ((link = s->links) != NULL) {
        s->links = link->next;
        crdti_seal_link_free(s, link);
    }
    crdti_seal_free(s);
}

/* >>public ---------------------------------------------------------------- */

CRDTI_FN void crdti_seal_configure(crdti_seal *s, const crdt_transport *inner,
                                   const crdt_sealed_config *c)
{
    const unsigned exact = CRDT_RELIABLE | CRDT_ORDERED;
    crdti_zero(s, sizeof *s);
    s->alloc = *crdti_alloc_or_default(c->alloc);
    s->clock = *crdti_clock_or_default(c->clock);
    s->inner = *inner;
    s->is_stream = (inner->properties & CRDT_STREAM) != 0;
    s->is_exact = s->is_stream || (inner->properties & exact) == exact;
    s->message_max = crdti_min_size(inner->message_max - CRDTI_SEAL_OVERHEAD,
                                    CRDTI_SEAL_MESSAGE_MAX);
    s->handshake_ms = c->handshake_ms ? c->handshake_ms : 5000;
    s->rotate_every = c->rotate_every ? c->rotate_every : 1u << 20;
    s->has_group = c->group_key != NULL;
    s->has_secret = c->secret_key != NULL;
    if (c->group_key)
        crdti_copy(s->group_key, c->group_key, 32);
    if (c->secret_key)
        crdti_copy(s->secret_key, c->secret_key, 64);
    if (c->secret_key) /* its second half */
        crdti_copy(s->public_key, c->secret_key + 32, 32);
}

/* Memory for the list and the scratch. */
CRDTI_FN crdt_err crdti_seal_begin(crdti_seal *s, const crdt_sealed_config *c)
{
    s->scratch = (uint8_t *)crdti_alloc(&s->alloc,
                                        s->message_max + CRDTI_SEAL_OVERHEAD);
    s->opened = (uint8_t *)crdti_alloc(&s->alloc, s->message_max);
    if (!s->scratch || !s->opened)
        return CRDT_ERR_NOMEM;
    if (!c->allowed_count)
        return CRDT_OK;
    s->allowed = (uint8_t *)crdti_alloc(&s->alloc,
                                        crdti_mul_size(32, c->allowed_count));
    if (!s->allowed)
        return CRDT_ERR_NOMEM;
    s->allowed_count = c->allowed_count;
    crdti_copy(s->allowed, c->allowed, 32 * c->allowed_count);
    return CRDT_OK;
}

CRDTI_FN void crdti_seal_table(crdt_transport *out, crdti_seal *s)
{
    const unsigned gone = CRDT_STREAM | CRDT_BROADCAST;
    crdti_zero(out, sizeof *out);
    out->version = 1;
    out->ctx = s;
    out->properties = (s->inner.properties & ~gone) | CRDT_SEALED;
    out->message_max = s->message_max;
    out->start = crdti_seal_start;
    out->send = crdti_seal_send;
    out->poll = crdti_seal_poll;
    out->drop = crdti_seal_drop;
    out->close = crdti_seal_close;
    s->mine.version = 1;
    s->mine.ctx = s;
    s->mine.peer_up = crdti_seal_up;
    s->mine.peer_down = crdti_seal_down;
    s->mine.received = crdti_seal_received;
    s->mine.writable = crdti_seal_writable;
}

CRDT_API crdt_err crdt_sealed_new(crdt_transport *out,
                                  const crdt_transport *inner,
                                  const crdt_sealed_config *config)
{
    crdti_seal *s;
    crdt_err err;
    if (!out || !inner || !config ||
        (!config->group_key && !config->secret_key) ||
        (config->allowed_count && !config->allowed) ||
        !config->secret_key != !config->allowed_count)
        return CRDT_ERR_ARG;
    if (inner->message_max < 512 + CRDTI_SEAL_OVERHEAD)
        return CRDT_ERR_LIMIT;
    if (sodium_init() < 0)
        return CRDT_ERR_IO;
    s = (crdti_seal *)crdti_alloc(config->alloc, sizeof *s);
    if (!s)
        return CRDT_ERR_NOMEM;
    crdti_seal_configure(s, inner, config);
    err = crdti_seal_begin(s, config);
    if (err)
        crdti_seal_free(s);
    else
        crdti_seal_table(out, s);
    return err;
}

CRDTI_FN crdti_seal *crdti_seal_of(const crdt_transport *transport)
{
    if (!transport || transport->close != crdti_seal_close)
        return NULL;
    return (crdti_seal *)transport->ctx;
}

CRDT_API crdt_err crdt_sealed_allow(const crdt_transport *sealed,
                                    const uint8_t public_key[32])
{
    crdti_seal *s = crdti_seal_of(sealed);
    uint8_t *more;
    if (!s || !s->has_secret || !public_key)
        return CRDT_ERR_ARG;
    if (crdti_seal_allowed(s, public_key))
        return CRDT_OK;
    more =
        (uint8_t *)crdti_realloc(&s->alloc, s->allowed, 32 * s->allowed_count,
                                 32 * (s->allowed_count + 1));
    if (!more)
        return CRDT_ERR_NOMEM;
    crdti_copy(more + 32 * s->allowed_count++, public_key, 32);
    s->allowed = more;
    return CRDT_OK;
}

/* Its place in the list becomes a key that nobody can have: all zeros. */
CRDT_API crdt_err crdt_sealed_refuse(const crdt_transport *sealed,
                                     const uint8_t public_key[32])
{
    crdti_seal *s = crdti_seal_of(sealed);
    crdti_seal_link *link;
    uint8_t *at;
    if (!s || !public_key)
        return CRDT_ERR_ARG;
    at = crdti_seal_allowed(s, public_key);
    if (!at)
        return CRDT_ERR_NOT_FOUND;
    crdti_zero(at, 32);
    for (link = s->links; link; link = link->next)
        if (link->is_proven && crdti_equal(link->key, public_key, 32))
            crdti_seal_drop_link(s, link, "its key is refused now");
    return CRDT_OK;
}

CRDT_API crdt_err crdt_sealed_rekey(const crdt_transport *sealed,
                                    const uint8_t group_key[32])
{
    crdti_seal *s = crdti_seal_of(sealed);
    crdti_seal_link *link;
    if (!s || !s->has_group || !group_key)
        return CRDT_ERR_ARG;
    crdti_copy(s->group_key, group_key, 32);
    for (link = s->links; link; link = link->next)
        crdti_seal_drop_link(s, link, "the group has another key now");
    return CRDT_OK;
}

CRDT_API int crdt_sealed_due_ms(const crdt_transport *sealed)
{
    const crdti_seal *s = crdti_seal_of(sealed);
    int due_ms = INT32_MAX;
    if (s)
        due_ms = crdti_seal_patience(s, due_ms, crdti_seal_now(s));
    return due_ms == INT32_MAX ? -1 : due_ms;
}

#endif /* CRDTSYNC_IMPLEMENTATION */
