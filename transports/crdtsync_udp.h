/*
 * crdtsync_udp - UDP between nodes, on POSIX systems: non-blocking, IPv4 and
 * IPv6, one thread, poll(2); peers in one network find each other.
 *
 *     #define CRDTSYNC_IMPLEMENTATION     // in one file, that of crdtsync.h;
 *     #include "crdtsync.h"               // adapters come behind it
 *     #include "crdtsync_udp.h"           // beside it: crdtsync_socket.h
 *
 * SYNOPSIS
 *
 *     crdt_udp_config config;
 *     crdt_transport udp;
 *     memset(&config, 0, sizeof config);   // zero means default
 *     config.listen = ":4711";
 *     config.discover = "239.192.47.11:4712";
 *     crdt_udp_new(&udp, &config);
 *     crdt_node_attach(node, &udp);        // the node closes it
 *
 * Messages go out as single datagrams, small enough for any path, and are
 * never fragmented; some may get lost, doubled or overtaken, which the engine
 * survives. A link begins with a greeting and ends with a word or by silence.
 *
 * DATAGRAMS
 *
 *     | c8 | version, kind | ... |     numbers little-endian
 *
 *     1 CALL    a, realm, zeros to 48 bytes     may we talk? a: my link id
 *     2 COOKIE  a, cookie                       yes, if you are there
 *     3 OPEN    a, realm, cookie, instance      I am
 *     4 OPENED  a, b, instance                  we talk; b: my link id
 *     5 DATA    id of the receiver, bytes
 *     6 PING    id of the receiver              nothing to say, but alive
 *     7 BYE     id of the receiver
 *     8 GONE    id of the receiver's DATA       I know no such link
 *     9 ANNOUNCE realm, instance                to the group: here I am
 *
 * Link ids are random and 64 bits: who does not see our traffic cannot guess
 * one, and so cannot end a link or speak in its name. Who does see it can: put
 * crdtsync_sealed.h around it where that matters.
 *
 * Nothing is kept for a caller, and nothing larger than its own call is sent
 * to it, before it has shown that it is where it says: the cookie is a SipHash
 * of its address, its call and the minute, under a key of our own.
 *
 * DISCOVERY
 *
 * `discover` is a multicast group, or a broadcast address, and a port. Who
 * has the same announces itself there and calls whom it hears, if the `realm`
 * is the same. Of two who hear each other one calls; the other does when
 * nothing has come of that after a while.
 */
#ifndef CRDTSYNC_UDP_H
#define CRDTSYNC_UDP_H

#ifndef CRDTSYNC_VERSION
#error "include crdtsync.h before crdtsync_udp.h"
#endif

#ifdef __cplusplus
extern "C" {
#endif

struct pollfd; /* of <poll.h> */

/* Zero means default. Tables and texts are copied. */
typedef struct crdt_udp_config {
    const crdt_alloc *alloc;
    const crdt_clock *clock;
    const crdt_random *random; /* of ids and cookies: must be secret */
    const crdt_log *log;       /* NULL: silent */
    const char *listen;        /* "host:port", "[v6]:port", ":port" for all
        interfaces; port 0: any, see crdt_udp_port. NULL: ":0" */
    const char *const *peers;  /* to be kept connected, as crdt_udp_add_peer */
    size_t peers_count;
    const char *discover; /* "239.192.47.11:4712", "[ff12::4711%eth0]:4712",
        "192.168.1.255:4712", "255.255.255.255:4712"; NULL: does not */
    const char *discover_from; /* IPv4 address of the interface to announce
        on, in digits; NULL: the system chooses */
    const char *realm;         /* only those with the same meet; NULL: "" */
    size_t peers_max;          /* links, and peers to be called; 0: 1,024 */
    size_t datagram_max;       /* bytes; 0: 1,200, which every path takes */
    size_t queue_max;          /* bytes waiting for one peer; 0: 256 KiB */
    uint32_t keepalive_ms;     /* of silence, and it says PING; 0: 2,000 */
    uint32_t silence_ms;  /* without a sound, and a peer is gone; 0: 10,000 */
    uint32_t announce_ms; /* 0: 5,000 */
    /* The n-th call in a row waits a random time between 0 and min * 2^n, at
     * most max. A link that lived for max ends the row. */
    uint32_t backoff_min_ms; /* 0: 100 */
    uint32_t backoff_max_ms; /* 0: 10,000 */
} crdt_udp_config;

/* Binds; calls from the first poll on. Give it to a node, or end it with
 * out->close(out->ctx). ARG (an address that is none, datagram_max below 576
 * or above 65,000), LIMIT (too many peers), IO (cannot bind, or no
 * randomness; the log says why), NOMEM. */
CRDT_API crdt_err crdt_udp_new(crdt_transport *out,
                               const crdt_udp_config *config);

/* The port that it is bound to; 0 when it is no UDP. */
CRDT_API unsigned crdt_udp_port(const crdt_transport *transport);

/* One more peer to keep connected; OK when it is one already. ARG, NOMEM,
 * LIMIT (peers_max). */
CRDT_API crdt_err crdt_udp_add_peer(const crdt_transport *transport,
                                    const char *address);
/* It is not called any more, and the link that came of it ends. ARG,
 * NOT_FOUND. */
CRDT_API crdt_err crdt_udp_remove_peer(const crdt_transport *transport,
                                       const char *address);

/* For a program with a loop of its own: what to wait for now. Fills at most
 * `max` and returns how many there are, three at most; ask before each wait,
 * not from within an upcall. When one is ready, or after `*timeout_ms` (-1:
 * whenever; may be NULL), poll the node with timeout 0. */
CRDT_API size_t crdt_udp_fds(const crdt_transport *transport,
                             struct pollfd *out, size_t max, int *timeout_ms);

/* Ends the wait of a poll, or the next one. Of all functions this one alone
 * may be called by any thread and by signal handlers, while the transport is
 * open. */
CRDT_API void crdt_udp_wake(const crdt_transport *transport);

#ifdef __cplusplus
}
#endif

#endif /* CRDTSYNC_UDP_H */

#if defined(CRDTSYNC_IMPLEMENTATION) && !defined(CRDTSYNC_UDP_IMPLEMENTED)
#define CRDTSYNC_UDP_IMPLEMENTED

#ifndef CRDTSYNC_IMPLEMENTED
#error "define CRDTSYNC_IMPLEMENTATION before including crdtsync.h"
#endif

#include "crdtsync_socket.h"

/* >>data ------------------------------------------------------------------ */

#define CRDTI_UDP_MAGIC 0xc8
#define CRDTI_UDP_VERSION 1
#define CRDTI_UDP_HEAD 10u /* magic, kind, link id */
#define CRDTI_UDP_CALL_SIZE 48u
#define CRDTI_UDP_WHY_MAX 80
#define CRDTI_UDP_BURST 98304u  /* bytes to a link in a millisecond */
#define CRDTI_UDP_COST 256u     /* bytes that a datagram costs besides */
#define CRDTI_UDP_READS_MAX 512 /* a poll */
#define CRDTI_UDP_IDLE_MS 1000  /* then empty queues give back memory */
#define CRDTI_UDP_LINGER_MS 1000
#define CRDTI_UDP_COOKIE_MS 60000u /* one is good for so long, or twice */
#define CRDTI_UDP_OPEN_TRIES 4u    /* with one cookie */
#define CRDTI_UDP_FOUND_TRIES 8u   /* of a peer that announced itself */
#define CRDTI_UDP_FOUND_MAX 64u    /* such peers without a link */
#define CRDTI_UDP_BUFFER (1 << 20) /* asked of the system */
#define CRDTI_UDP_NEVER UINT64_MAX

typedef enum crdti_udp_kind {
    CRDTI_UDP_CALL = 1,
    CRDTI_UDP_COOKIE,
    CRDTI_UDP_OPEN,
    CRDTI_UDP_OPENED,
    CRDTI_UDP_DATA,
    CRDTI_UDP_PING,
    CRDTI_UDP_BYE,
    CRDTI_UDP_GONE,
    CRDTI_UDP_ANNOUNCE
} crdti_udp_kind;

/*
 *     CALLING --> OPENING --> UP --> LEAVING --> DEAD
 *                              '-----------------^
 *
 * CALLING and OPENING have no number and belong to a dial; the other side
 * begins with UP.
 */
typedef enum crdti_udp_state {
    CRDTI_UDP_CALLING,
    CRDTI_UDP_OPENING,
    CRDTI_UDP_UP,
    CRDTI_UDP_LEAVING, /* dropped: what is queued goes out, then BYE */
    CRDTI_UDP_DEAD
} crdti_udp_state;

/* Queued: the length of each datagram in two bytes, and then it.
 *
 *     drain [ sent ... | datagram | datagram ]  fill [ datagram ... ]
 *                      pos
 */
typedef struct crdti_udp_link {
    crdti_udp_state state;
    crdt_peer peer; /* 0: not yet told */
    crdti_sock_address address;
    uint64_t here, there; /* ids; the low 16 bits of `here` are the slot */
    uint64_t cookie, instance;
    struct crdti_udp_dial *dial; /* NULL: it called us */
    crdt_buf fill, drain;
    size_t pos;
    size_t refused;  /* bytes of the last send; 0: it was taken */
    unsigned budget; /* bytes that may go out now */
    uint64_t budget_ms;
    uint64_t heard_ms; /* by listened.ms */
    uint64_t said_ms;
    uint64_t up_ms, lived_ms, since_ms; /* since: LEAVING */
    char name[CRDTI_SOCK_NAME_MAX];
    char why[CRDTI_UDP_WHY_MAX];
} crdti_udp_link;

/* A peer to be kept connected; one that was found is forgotten again. */
typedef struct crdti_udp_dial {
    struct crdti_udp_dial *next_dial;
    char name[CRDTI_SOCK_NAME_MAX]; /* "udp:" and the address as given */
    crdti_sock_address addresses[CRDTI_SOCK_ADDRESSES_MAX];
    size_t count, next;
    crdti_udp_link *link;
    uint64_t retry_ms;
    uint64_t instance; /* of one that was found; else 0 */
    unsigned attempts; /* in a row */
    unsigned opens;    /* with this cookie */
    int complained;
    int is_removed; /* to be forgotten */
} crdti_udp_dial;

typedef struct crdti_udp {
    crdt_alloc alloc;
    crdt_clock clock;
    crdt_random random;
    crdt_log log;
    const crdt_upcalls *up;
    crdti_udp_link **slots; /* peers_max, NULL: free */
    size_t slots_end;       /* from here on all are */
    crdti_sock_index index;
    crdti_udp_dial *dials, **last_dial;
    size_t dials_count, found_count, links_count;
    crdti_sock_wake wake;
    int fd, finder; /* -1: none */
    int family;
    unsigned port;
    crdti_sock_address group; /* of announcements */
    uint64_t secret[2];       /* of cookies */
    uint64_t realm, instance;
    size_t peers_max, datagram_max, queue_max;
    uint32_t keepalive_ms, silence_ms, announce_ms;
    uint32_t backoff_min_ms, backoff_max_ms;
    uint64_t now_ms, announce_at_ms;
    crdti_sock_listened listened;
    uint64_t upcalls; /* made so far */
    uint8_t *bytes;   /* of one datagram, to read or to send */
    crdt_peer peers;  /* numbers given so far */
    crdt_err err;     /* of this poll */
    int is_full;      /* the system takes no more for now */
    int polling;
} crdti_udp;

CRDTI_FN void crdti_udp_tick(crdti_udp *u)
{
    u->now_ms = u->clock.mono_ms(u->clock.ctx);
}

CRDTI_FN void crdti_udp_log(crdti_udp *u, const char *name, const char *what,
                            const char *why)
{
    char line[CRDTI_SOCK_NAME_MAX + 160];
    if (!u->log.line)
        return;
    snprintf(line, sizeof line, "%s: %s: %s", name, what, why);
    u->log.line(u->log.ctx, line);
}

/* >>cookies --------------------------------------------------------------- */

CRDTI_FN uint64_t crdti_udp_rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

CRDTI_FN void crdti_udp_sip_rounds(uint64_t v[4], int rounds)
{
    while (rounds-- > 0) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = crdti_udp_rotate(v[1], 13) ^ v[0];
        v[3] = crdti_udp_rotate(v[3], 16) ^ v[2];
        v[0] = crdti_udp_rotate(v[0], 32) + v[3];
        v[2] += v[1];
        v[1] = crdti_udp_rotate(v[1], 17) ^ v[2];
        v[3] = crdti_udp_rotate(v[3], 21) ^ v[0];
        v[2] = crdti_udp_rotate(v[2], 32);
    }
}

/* SipHash-2-4 of whole words. (Aumasson and Bernstein 2012, "SipHash: a fast
 * short-input PRF") */
CRDTI_FN uint64_t crdti_udp_sip(const uint64_t key[2], const uint64_t *words,
                                size_t count)
{
    uint64_t v[4], last = (uint64_t)count << 59;
    size_t i;
    v[0] = key[0] ^ UINT64_C(0x736f6d6570736575);
    v[1] = key[1] ^ UINT64_C(0x646f72616e646f6d);
    v[2] = key[0] ^ UINT64_C(0x6c7967656e657261);
    v[3] = key[1] ^ UINT64_C(0x7465646279746573);
    for (i = 0; i <= count; i++) {
        uint64_t word = i < count ? words[i] : last;
        v[3] ^= word;
        crdti_udp_sip_rounds(v, 2);
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    crdti_udp_sip_rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* An address as three words; IPv4 as it is mapped into IPv6. */
CRDTI_FN void crdti_udp_words(const crdti_sock_address *address,
                              uint64_t out[3])
{
    uint8_t bytes[16] = {
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0
    };
    const void *of = &address->of;
    if (address->of.ss_family == AF_INET6)
        crdti_copy(bytes, &((const struct sockaddr_in6 *)of)->sin6_addr, 16);
    else
        crdti_copy(bytes + 12, &((const struct sockaddr_in *)of)->sin_addr, 4);
    out[0] = crdti_load64(bytes);
    out[1] = crdti_load64(bytes + 8);
    out[2] = crdti_sock_port(address);
}

CRDTI_FN int crdti_udp_same(const crdti_sock_address *a,
                            const crdti_sock_address *b)
{
    uint64_t x[3], y[3];
    crdti_udp_words(a, x);
    crdti_udp_words(b, y);
    return x[0] == y[0] && x[1] == y[1] && x[2] == y[2];
}

/* Good in the minute that it is made in (`ago` 0) and the next (1). */
CRDTI_FN uint64_t crdti_udp_cookie(const crdti_udp *u,
                                   const crdti_sock_address *from, uint64_t id,
                                   uint64_t ago)
{
    uint64_t words[5];
    crdti_udp_words(from, words);
    words[3] = id;
    words[4] = u->now_ms / CRDTI_UDP_COOKIE_MS - ago;
    return crdti_udp_sip(u->secret, words, 5);
}

/* >>sending --------------------------------------------------------------- */

/* IPv4 goes through a socket of IPv6 in its mapped form. 0: cannot be. */
CRDTI_FN int crdti_udp_fit(const crdti_udp *u, crdti_sock_address *address)
{
    uint64_t words[3];
    crdti_sock_address mapped;
    void *of = &mapped.of;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)of;
    if (address->of.ss_family == u->family)
        return 1;
    if (address->of.ss_family != AF_INET || u->family != AF_INET6)
        return 0;
    crdti_udp_words(address, words);
    crdti_zero(&mapped, sizeof mapped);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons((uint16_t)words[2]);
    crdti_store64(v6->sin6_addr.s6_addr, words[0]);
    crdti_store64(v6->sin6_addr.s6_addr + 8, words[1]);
    mapped.len = sizeof *v6;
    *address = mapped;
    return 1;
}

/* Whether the system took it, or will never; 0: later. */
CRDTI_FN int crdti_udp_put(crdti_udp *u, const crdti_sock_address *to,
                           const uint8_t *bytes, size_t len)
{
    ssize_t sent;
    do
        sent = sendto(u->fd, bytes, len, 0, crdti_sock_generic(to), to->len);
    while (sent < 0 && errno == EINTR);
    if (sent < 0 && crdti_sock_would_block(errno)) {
        u->is_full = 1;
        return 0;
    }
    return 1;
}

CRDTI_FN uint8_t *crdti_udp_head(uint8_t *out, crdti_udp_kind kind,
                                 uint64_t id)
{
    out[0] = CRDTI_UDP_MAGIC;
    out[1] = (uint8_t)(CRDTI_UDP_VERSION << 4 | (int)kind);
    crdti_store64(out + 2, id);
    return out + CRDTI_UDP_HEAD;
}

/* A datagram of a head and so many words, padded with zeros to `size`. If it
 * gets lost it is as good as sent. */
CRDTI_FN void crdti_udp_say(crdti_udp *u, const crdti_sock_address *to,
                            crdti_udp_kind kind, uint64_t id,
                            const uint64_t *words, size_t count, size_t size)
{
    uint8_t bytes[CRDTI_UDP_CALL_SIZE], *at;
    size_t i, len;
    crdti_zero(bytes, sizeof bytes);
    at = crdti_udp_head(bytes, kind, id);
    for (i = 0; i < count; i++, at += 8)
        crdti_store64(at, words[i]);
    len = (size_t)(at - bytes);
    (void)crdti_udp_put(u, to, bytes, len < size ? size : len);
}

CRDTI_FN void crdti_udp_tell(crdti_udp *u, crdti_udp_link *link,
                             crdti_udp_kind kind)
{
    crdti_udp_say(u, &link->address, kind, link->there, NULL, 0, 0);
    link->said_ms = u->now_ms;
}

/* >>links ----------------------------------------------------------------- */

CRDTI_FN uint64_t crdti_udp_chance(crdti_udp *u)
{
    uint64_t out = 0;
    if (u->random.fill(u->random.ctx, &out, sizeof out) != CRDT_OK)
        u->err = CRDT_ERR_IO;
    return out;
}

/* In a free slot; NULL: no memory, no randomness, or too many. */
CRDTI_FN crdti_udp_link *crdti_udp_link_new(crdti_udp *u)
{
    crdti_udp_link *link;
    uint64_t chance;
    size_t slot;
    for (slot = 0; slot < u->peers_max && u->slots[slot]; slot++)
        continue;
    if (slot == u->peers_max)
        return NULL;
    chance = crdti_udp_chance(u);
    link =
        chance ? (crdti_udp_link *)crdti_alloc(&u->alloc, sizeof *link) : NULL;
    if (!link) {
        u->err = chance ? CRDT_ERR_NOMEM : CRDT_ERR_IO;
        return NULL;
    }
    crdti_zero(link, sizeof *link);
    link->here = (chance & ~UINT64_C(0xffff)) | slot;
    link->fill.alloc = link->drain.alloc = &u->alloc;
    link->heard_ms = u->listened.ms;
    link->said_ms = link->since_ms = u->now_ms;
    link->budget_ms = u->now_ms;
    link->budget = CRDTI_UDP_BURST;
    u->slots[slot] = link;
    u->slots_end = crdti_max_size(u->slots_end, slot + 1);
    u->links_count++;
    return link;
}

CRDTI_FN void crdti_udp_link_free(crdti_udp *u, crdti_udp_link *link)
{
    if (link->peer)
        crdti_sock_index_remove(&u->index, link->peer);
    u->slots[link->here & 0xffff] = NULL;
    while (u->slots_end && !u->slots[u->slots_end - 1])
        u->slots_end--;
    u->links_count--;
    if (link->dial)
        link->dial->link = NULL;
    crdt_buf_free(&link->fill);
    crdt_buf_free(&link->drain);
    crdti_free(&u->alloc, link, sizeof *link);
}

/* By an id of ours, and where it comes from. */
CRDTI_FN crdti_udp_link *crdti_udp_link_of(const crdti_udp *u, uint64_t here,
                                           const crdti_sock_address *from)
{
    size_t slot = (size_t)(here & 0xffff);
    crdti_udp_link *link = slot < u->peers_max ? u->slots[slot] : NULL;
    if (!link || link->here != here || !crdti_udp_same(&link->address, from))
        return NULL;
    return link;
}

/* By an id of theirs. */
CRDTI_FN crdti_udp_link *crdti_udp_link_from(const crdti_udp *u,
                                             uint64_t there,
                                             const crdti_sock_address *from)
{
    size_t i;
    for (i = 0; i < u->slots_end; i++)
        if (u->slots[i] && u->slots[i]->there == there &&
            crdti_udp_same(&u->slots[i]->address, from))
            return u->slots[i];
    return NULL;
}

CRDTI_FN crdti_udp_link *crdti_udp_find(const crdti_udp *u, crdt_peer peer)
{
    const crdti_sock_entry *entry = crdti_sock_index_at(&u->index, peer);
    return peer && entry->peer ? u->slots[entry->slot] : NULL;
}

CRDTI_FN size_t crdti_udp_queued(const crdti_udp_link *link)
{
    return link->fill.len + link->drain.len - link->pos;
}

CRDTI_FN void crdti_udp_die(crdti_udp *u, crdti_udp_link *link,
                            const char *why)
{
    if (link->state == CRDTI_UDP_DEAD)
        return;
    if (link->state != CRDTI_UDP_LEAVING)
        crdti_sock_text(link->why, sizeof link->why, why);
    link->state = CRDTI_UDP_DEAD;
    link->lived_ms = u->now_ms - link->up_ms;
}

CRDTI_FN void crdti_udp_link_up(crdti_udp *u, crdti_udp_link *link)
{
    link->state = CRDTI_UDP_UP;
    link->up_ms = u->now_ms;
    link->heard_ms = u->listened.ms;
    link->peer = ++u->peers;
    crdti_sock_index_add(&u->index, link->peer,
                         (uint32_t)(link->here & 0xffff));
    u->upcalls++;
    u->up->peer_up(u->up->ctx, link->peer, link->name);
}

/* >>the queue ------------------------------------------------------------- */

/* So that a burst does not overflow the buffers on the way. */
CRDTI_FN int crdti_udp_may_send(crdti_udp *u, crdti_udp_link *link)
{
    uint64_t passed = u->now_ms - link->budget_ms;
    if (passed) {
        link->budget = (unsigned)crdti_min(
            2 * CRDTI_UDP_BURST,
            link->budget + crdti_min(passed, 2) * CRDTI_UDP_BURST);
        link->budget_ms = u->now_ms;
    }
    return link->budget > 0 && !u->is_full;
}

CRDTI_FN void crdti_udp_exchange(crdti_udp_link *link)
{
    crdt_buf empty = link->drain;
    link->drain = link->fill;
    link->fill = empty;
    link->fill.len = link->pos = 0;
}

CRDTI_FN void crdti_udp_flush(crdti_udp *u, crdti_udp_link *link)
{
    while (crdti_udp_queued(link) > 0 && crdti_udp_may_send(u, link)) {
        const uint8_t *at;
        size_t len;
        if (link->pos == link->drain.len)
            crdti_udp_exchange(link);
        at = link->drain.ptr + link->pos;
        len = (size_t)at[0] | (size_t)at[1] << 8;
        if (!crdti_udp_put(u, &link->address, at + 2, len))
            return;
        link->pos += 2 + len;
        link->budget -=
            (unsigned)crdti_min(link->budget, len + CRDTI_UDP_COST);
        link->said_ms = u->now_ms;
    }
}

/* Buffers that were large once are not kept for ever. */
CRDTI_FN void crdti_udp_rest(crdti_udp *u, crdti_udp_link *link)
{
    if (crdti_udp_queued(link) || !(link->fill.cap + link->drain.cap) ||
        u->now_ms - link->said_ms < CRDTI_UDP_IDLE_MS)
        return;
    crdt_buf_free(&link->fill);
    crdt_buf_free(&link->drain);
    link->pos = 0;
}

/* >>calling --------------------------------------------------------------- */

/* The n-th time in a row waits so much longer. */
CRDTI_FN void crdti_udp_wait(crdti_udp *u, crdti_udp_dial *dial, unsigned n)
{
    dial->retry_ms =
        u->now_ms + crdti_sock_backoff_ms(&u->random, u->backoff_min_ms,
                                          u->backoff_max_ms, n);
}

CRDTI_FN void crdti_udp_later(crdti_udp *u, crdti_udp_dial *dial)
{
    crdti_udp_wait(u, dial, dial->attempts);
    if (dial->attempts < 32)
        dial->attempts++;
}

/* The addresses of the name, anew when all have been tried. 0: none. */
CRDTI_FN int crdti_udp_resolve(crdti_udp *u, crdti_udp_dial *dial)
{
    const char *why = NULL;
    if (dial->next < dial->count)
        return 1;
    dial->next = 0;
    if (dial->instance)
        return 1; /* it is known by its address alone */
    why = crdti_sock_resolve(dial->name + 4, SOCK_DGRAM, 0, dial->addresses,
                             CRDTI_SOCK_ADDRESSES_MAX, &dial->count);
    crdti_udp_tick(u); /* that may have taken a while */
    if (why && !dial->complained)
        crdti_udp_log(u, dial->name, "cannot call, will go on trying", why);
    dial->complained |= why != NULL;
    return !why;
}

CRDTI_FN void crdti_udp_call(crdti_udp *u, crdti_udp_dial *dial)
{
    crdti_udp_link *link = dial->link;
    if (!crdti_udp_resolve(u, dial))
        return;
    if (!link) {
        link = crdti_udp_link_new(u);
        if (!link)
            return;
        link->dial = dial;
        crdti_sock_text(link->name, sizeof link->name, dial->name);
        dial->link = link;
    }
    link->state = CRDTI_UDP_CALLING;
    link->address = dial->addresses[dial->next++];
    if (crdti_udp_fit(u, &link->address))
        crdti_udp_say(u, &link->address, CRDTI_UDP_CALL, link->here, &u->realm,
                      1, CRDTI_UDP_CALL_SIZE);
}

CRDTI_FN void crdti_udp_open(crdti_udp *u, crdti_udp_dial *dial)
{
    crdti_udp_link *link = dial->link;
    uint64_t words[3];
    words[0] = u->realm;
    words[1] = link->cookie;
    words[2] = u->instance;
    crdti_udp_say(u, &link->address, CRDTI_UDP_OPEN, link->here, words, 3, 0);
    crdti_udp_wait(u, dial, dial->opens++);
}

CRDTI_FN int crdti_udp_is_linked(const crdti_udp_dial *dial)
{
    return dial->link && dial->link->state >= CRDTI_UDP_UP;
}

CRDTI_FN void crdti_udp_dial_step(crdti_udp *u, crdti_udp_dial *dial)
{
    if (crdti_udp_is_linked(dial) || u->now_ms < dial->retry_ms)
        return;
    if (dial->link && dial->link->state == CRDTI_UDP_OPENING &&
        dial->opens < CRDTI_UDP_OPEN_TRIES) {
        crdti_udp_open(u, dial);
        return;
    }
    crdti_udp_call(u, dial);
    crdti_udp_later(u, dial);
}

/* >>discovery ------------------------------------------------------------- */

CRDTI_FN int crdti_udp_has_instance(const crdti_udp *u, uint64_t instance)
{
    size_t i;
    for (i = 0; i < u->slots_end; i++)
        if (u->slots[i] && u->slots[i]->state == CRDTI_UDP_UP &&
            u->slots[i]->instance == instance)
            return 1;
    return 0;
}

CRDTI_FN crdti_udp_dial *crdti_udp_dial_new(crdti_udp *u, const char *name)
{
    crdti_udp_dial *dial =
        (crdti_udp_dial *)crdti_alloc(&u->alloc, sizeof *dial);
    if (!dial)
        return NULL;
    crdti_zero(dial, sizeof *dial);
    crdti_sock_text(dial->name, sizeof dial->name, name);
    dial->retry_ms = u->now_ms;
    *u->last_dial = dial;
    u->last_dial = &dial->next_dial;
    u->dials_count++;
    return dial;
}

/* One of two calls at once, the other when nothing comes of that. */
CRDTI_FN void crdti_udp_found(crdti_udp *u, uint64_t instance,
                              const crdti_sock_address *from)
{
    crdti_udp_dial *dial;
    char name[CRDTI_SOCK_NAME_MAX];
    if (instance == u->instance || !instance ||
        u->found_count >= CRDTI_UDP_FOUND_MAX ||
        crdti_udp_has_instance(u, instance))
        return;
    for (dial = u->dials; dial; dial = dial->next_dial)
        if (dial->instance == instance)
            return;
    if (u->dials_count >= u->peers_max)
        return;
    crdti_sock_name(name, "udp", from);
    dial = crdti_udp_dial_new(u, name);
    if (!dial) {
        u->err = CRDT_ERR_NOMEM;
        return;
    }
    dial->instance = instance;
    dial->addresses[0] = *from;
    dial->count = 1;
    if (instance > u->instance)
        dial->retry_ms = u->now_ms + 2 * u->announce_ms;
    u->found_count++;
}

/* One that was found is given up when it does not answer, or has called us.
 * It will announce itself again. */
CRDTI_FN int crdti_udp_is_idle(const crdti_udp *u, const crdti_udp_dial *dial)
{
    if (crdti_udp_is_linked(dial))
        return 0;
    return dial->is_removed ||
           (dial->instance && (dial->attempts > CRDTI_UDP_FOUND_TRIES ||
                               crdti_udp_has_instance(u, dial->instance)));
}

CRDTI_FN void crdti_udp_leave(crdti_udp *u, crdti_udp_link *link,
                              const char *why)
{
    if (link->state != CRDTI_UDP_UP)
        return;
    crdti_sock_text(link->why, sizeof link->why, why);
    crdti_udp_tick(u);
    link->state = CRDTI_UDP_LEAVING;
    link->since_ms = u->now_ms;
}

CRDTI_FN void crdti_udp_forget(crdti_udp *u)
{
    crdti_udp_dial **at = &u->dials, *dial;
    while ((dial = *at) != NULL) {
        if (dial->is_removed && dial->link)
            crdti_udp_leave(u, dial->link, "not wanted any more");
        if (!crdti_udp_is_idle(u, dial)) {
            at = &dial->next_dial;
            continue;
        }
        *at = dial->next_dial;
        if (dial->link)
            crdti_udp_link_free(u, dial->link);
        u->dials_count--;
        u->found_count -= dial->instance != 0;
        crdti_free(&u->alloc, dial, sizeof *dial);
    }
    u->last_dial = at;
}

/* More often at first: the first few in a second. */
CRDTI_FN void crdti_udp_announce(crdti_udp *u)
{
    uint64_t wait = u->announce_ms;
    if (u->finder < 0 || u->now_ms < u->announce_at_ms)
        return;
    crdti_udp_say(u, &u->group, CRDTI_UDP_ANNOUNCE, u->realm, &u->instance, 1,
                  0);
    wait = wait - wait / 4 + crdti_udp_chance(u) % (wait / 2 + 1);
    u->announce_at_ms = u->now_ms + wait;
}

/* >>receiving ------------------------------------------------------------- */

/* Each `take` gets what is behind the head, and the id in it. */

CRDTI_FN void crdti_udp_take_call(crdti_udp *u, uint64_t id, crdt_bytes rest,
                                  const crdti_sock_address *from)
{
    uint64_t cookie;
    if (rest.len + CRDTI_UDP_HEAD < CRDTI_UDP_CALL_SIZE ||
        crdti_load64(rest.ptr) != u->realm)
        return;
    cookie = crdti_udp_cookie(u, from, id, 0);
    crdti_udp_say(u, from, CRDTI_UDP_COOKIE, id, &cookie, 1, 0);
}

CRDTI_FN void crdti_udp_take_cookie(crdti_udp *u, uint64_t id, crdt_bytes rest,
                                    const crdti_sock_address *from)
{
    crdti_udp_link *link = crdti_udp_link_of(u, id, from);
    if (!link || rest.len < 8 || link->state != CRDTI_UDP_CALLING)
        return;
    link->state = CRDTI_UDP_OPENING;
    link->cookie = crdti_load64(rest.ptr);
    link->dial->opens = 0;
    crdti_udp_open(u, link->dial);
}

CRDTI_FN void crdti_udp_answer_open(crdti_udp *u, crdti_udp_link *link)
{
    uint64_t words[2];
    words[0] = link->here;
    words[1] = u->instance;
    crdti_udp_say(u, &link->address, CRDTI_UDP_OPENED, link->there, words, 2,
                  0);
}

/* The same OPEN again, since our answer was lost, gets the same answer. */
CRDTI_FN void crdti_udp_take_open(crdti_udp *u, uint64_t id, crdt_bytes rest,
                                  const crdti_sock_address *from)
{
    crdti_udp_link *link;
    uint64_t cookie;
    if (rest.len < 24 || crdti_load64(rest.ptr) != u->realm)
        return;
    cookie = crdti_load64(rest.ptr + 8);
    if (cookie != crdti_udp_cookie(u, from, id, 0) &&
        cookie != crdti_udp_cookie(u, from, id, 1))
        return;
    link = crdti_udp_link_from(u, id, from);
    if (link && link->state == CRDTI_UDP_UP)
        crdti_udp_answer_open(u, link);
    if (link || u->peers == UINT32_MAX)
        return;
    link = crdti_udp_link_new(u);
    if (!link)
        return;
    link->address = *from;
    link->there = id;
    link->instance = crdti_load64(rest.ptr + 16);
    crdti_sock_name(link->name, "udp", from);
    crdti_udp_answer_open(u, link);
    crdti_udp_link_up(u, link);
}

CRDTI_FN void crdti_udp_take_opened(crdti_udp *u, uint64_t id, crdt_bytes rest,
                                    const crdti_sock_address *from)
{
    crdti_udp_link *link = crdti_udp_link_of(u, id, from);
    if (!link || rest.len < 16 || link->state != CRDTI_UDP_OPENING ||
        u->peers == UINT32_MAX)
        return;
    link->there = crdti_load64(rest.ptr);
    link->instance = crdti_load64(rest.ptr + 8);
    link->dial->complained = 0;
    crdti_udp_link_up(u, link);
}

/* To a link that is there: DATA, PING, BYE. Others are told that it is not,
 * in fewer bytes than they sent. */
CRDTI_FN void crdti_udp_take_linked(crdti_udp *u, crdti_udp_kind kind,
                                    uint64_t id, crdt_bytes rest,
                                    const crdti_sock_address *from)
{
    crdti_udp_link *link = crdti_udp_link_of(u, id, from);
    if (!link || !link->peer) {
        if (kind != CRDTI_UDP_BYE && !link)
            crdti_udp_say(u, from, CRDTI_UDP_GONE, id, NULL, 0, 0);
        return;
    }
    if (link->state == CRDTI_UDP_DEAD)
        return;
    link->heard_ms = u->listened.ms;
    if (kind == CRDTI_UDP_BYE) {
        crdti_udp_die(u, link, "closed by the peer");
    } else if (kind == CRDTI_UDP_DATA && rest.len &&
               link->state == CRDTI_UDP_UP) {
        u->upcalls++;
        u->up->received(u->up->ctx, link->peer, rest);
    }
}

CRDTI_FN void crdti_udp_take_gone(crdti_udp *u, uint64_t id,
                                  const crdti_sock_address *from)
{
    crdti_udp_link *link = crdti_udp_link_from(u, id, from);
    if (link && link->peer)
        crdti_udp_die(u, link, "the peer knows nothing of us any more");
}

CRDTI_FN void crdti_udp_take(crdti_udp *u, crdt_bytes bytes,
                             const crdti_sock_address *from)
{
    crdti_udp_kind kind;
    crdt_bytes rest;
    uint64_t id;
    if (bytes.len < CRDTI_UDP_HEAD || bytes.ptr[0] != CRDTI_UDP_MAGIC ||
        bytes.ptr[1] >> 4 != CRDTI_UDP_VERSION)
        return;
    kind = (crdti_udp_kind)(bytes.ptr[1] & 15);
    id = crdti_load64(bytes.ptr + 2);
    rest =
        crdt_bytes_of(bytes.ptr + CRDTI_UDP_HEAD, bytes.len - CRDTI_UDP_HEAD);
    if (kind == CRDTI_UDP_CALL)
        crdti_udp_take_call(u, id, rest, from);
    else if (kind == CRDTI_UDP_COOKIE)
        crdti_udp_take_cookie(u, id, rest, from);
    else if (kind == CRDTI_UDP_OPEN)
        crdti_udp_take_open(u, id, rest, from);
    else if (kind == CRDTI_UDP_OPENED)
        crdti_udp_take_opened(u, id, rest, from);
    else if (kind == CRDTI_UDP_GONE)
        crdti_udp_take_gone(u, id, from);
    else if (kind >= CRDTI_UDP_DATA && kind <= CRDTI_UDP_BYE)
        crdti_udp_take_linked(u, kind, id, rest, from);
    else if (kind == CRDTI_UDP_ANNOUNCE && id == u->realm && rest.len >= 8 &&
             u->finder >= 0)
        crdti_udp_found(u, crdti_load64(rest.ptr), from);
}

CRDTI_FN void crdti_udp_read(crdti_udp *u, int fd)
{
    crdti_sock_address from;
    void *of = &from.of;
    int count;
    for (count = 0; count < CRDTI_UDP_READS_MAX; count++) {
        ssize_t len;
        crdti_zero(&from, sizeof from);
        from.len = sizeof from.of;
        len = recvfrom(fd, u->bytes, u->datagram_max, 0, (struct sockaddr *)of,
                       &from.len);
        if (len < 0 && crdti_sock_would_block(errno))
            return;
        if (len > 0 &&
            (from.of.ss_family == AF_INET || from.of.ss_family == AF_INET6))
            crdti_udp_take(u, crdt_bytes_of(u->bytes, (size_t)len), &from);
    }
}

/* >>time ------------------------------------------------------------------ */

/* There is room for what was refused, and not just for that. */
CRDTI_FN int crdti_udp_has_room(const crdti_udp *u, const crdti_udp_link *link)
{
    return link->state == CRDTI_UDP_UP && link->refused > 0 &&
           crdti_udp_queued(link) <= u->queue_max / 2;
}

CRDTI_FN void crdti_udp_link_step(crdti_udp *u, crdti_udp_link *link)
{
    if (link->state != CRDTI_UDP_UP && link->state != CRDTI_UDP_LEAVING)
        return;
    crdti_udp_flush(u, link);
    if (u->listened.ms - link->heard_ms >= u->silence_ms)
        crdti_udp_die(u, link, "silent for too long");
    else if (link->state == CRDTI_UDP_UP &&
             u->now_ms - link->said_ms >= u->keepalive_ms)
        crdti_udp_tell(u, link, CRDTI_UDP_PING);
    if (link->state == CRDTI_UDP_LEAVING &&
        (!crdti_udp_queued(link) ||
         u->now_ms - link->since_ms >= CRDTI_UDP_LINGER_MS)) {
        crdti_udp_tell(u, link, CRDTI_UDP_BYE);
        crdti_udp_die(u, link, "");
    }
    crdti_udp_rest(u, link);
    if (!crdti_udp_has_room(u, link))
        return;
    link->refused = 0;
    u->upcalls++;
    u->up->writable(u->up->ctx, link->peer);
}

CRDTI_FN void crdti_udp_bury(crdti_udp *u, crdti_udp_link *link)
{
    crdt_peer peer = link->peer;
    char why[CRDTI_UDP_WHY_MAX];
    crdti_sock_text(why, sizeof why, link->why);
    if (link->dial && link->lived_ms >= u->backoff_max_ms)
        link->dial->attempts = 0;
    if (link->dial)
        crdti_udp_later(u, link->dial);
    crdti_udp_link_free(u, link);
    u->upcalls++;
    u->up->peer_down(u->up->ctx, peer, why);
}

/* Upcalls may send, drop and add peers: none of that frees or makes links. */
CRDTI_FN void crdti_udp_steps(crdti_udp *u)
{
    crdti_udp_dial *dial;
    size_t i;
    crdti_udp_tick(u);
    crdti_sock_listen_on(&u->listened, u->now_ms, u->keepalive_ms);
    u->is_full = 0;
    crdti_udp_forget(u);
    for (dial = u->dials; dial; dial = dial->next_dial)
        crdti_udp_dial_step(u, dial);
    for (i = 0; i < u->slots_end && u->links_count; i++)
        if (u->slots[i])
            crdti_udp_link_step(u, u->slots[i]);
    for (i = 0; i < u->slots_end && u->links_count; i++)
        if (u->slots[i] && u->slots[i]->state == CRDTI_UDP_DEAD)
            crdti_udp_bury(u, u->slots[i]);
    crdti_udp_announce(u);
}

CRDTI_FN uint64_t crdti_udp_link_due(const crdti_udp *u,
                                     const crdti_udp_link *link)
{
    uint64_t due;
    if (link->state != CRDTI_UDP_UP && link->state != CRDTI_UDP_LEAVING)
        return link->state == CRDTI_UDP_DEAD ? 0 : CRDTI_UDP_NEVER;
    due =
        crdti_min(u->now_ms + link->heard_ms + u->silence_ms - u->listened.ms,
                  link->said_ms + u->keepalive_ms);
    if (crdti_udp_queued(link))
        due = link->budget && !u->is_full ? 0 : u->now_ms + 1;
    if (link->state == CRDTI_UDP_LEAVING)
        due = crdti_min(due, link->since_ms + CRDTI_UDP_LINGER_MS);
    return crdti_udp_has_room(u, link) ? 0 : due;
}

CRDTI_FN uint64_t crdti_udp_due(const crdti_udp *u)
{
    uint64_t due = u->finder >= 0 ? u->announce_at_ms : CRDTI_UDP_NEVER;
    const crdti_udp_dial *dial;
    size_t i, left = u->links_count;
    for (dial = u->dials; dial; dial = dial->next_dial)
        if (!crdti_udp_is_linked(dial))
            due = crdti_min(due, dial->retry_ms);
    for (i = 0; i < u->slots_end && left; i++) {
        if (!u->slots[i])
            continue;
        left--;
        due = crdti_min(due, crdti_udp_link_due(u, u->slots[i]));
    }
    return due;
}

CRDTI_FN int crdti_udp_timeout(const crdti_udp *u, uint64_t most_ms)
{
    uint64_t due = crdti_udp_due(u);
    if (due <= u->now_ms)
        return 0;
    return (int)crdti_min(most_ms, crdti_min(due - u->now_ms, INT32_MAX));
}

/* The descriptors: to be read, all of them. */
CRDTI_FN size_t crdti_udp_collect(const crdti_udp *u, struct pollfd *fds,
                                  size_t max)
{
    int all[3];
    size_t i, count = u->finder >= 0 ? 3 : 2;
    all[0] = u->fd;
    all[1] = u->wake.reader;
    all[2] = u->finder;
    for (i = 0; i < count && i < max; i++) {
        fds[i].fd = all[i];
        fds[i].events = POLLIN;
        fds[i].revents = 0;
    }
    return count;
}

/* >>table ----------------------------------------------------------------- */

CRDTI_FN crdt_err crdti_udp_start(void *ctx, const crdt_upcalls *up)
{
    crdti_udp *u = (crdti_udp *)ctx;
    if (!up || up->version < 1 || u->up)
        return CRDT_ERR_ARG;
    u->up = up;
    return CRDT_OK;
}

/* Only queues: the next poll sends. */
CRDTI_FN crdt_err crdti_udp_send(void *ctx, crdt_peer peer, crdt_bytes bytes)
{
    crdti_udp *u = (crdti_udp *)ctx;
    crdti_udp_link *link = crdti_udp_find(u, peer);
    size_t len = CRDTI_UDP_HEAD + bytes.len;
    uint8_t *at;
    if (!link || link->state != CRDTI_UDP_UP)
        return CRDT_ERR_CLOSED;
    if (len > u->datagram_max)
        return CRDT_ERR_LIMIT;
    if (crdti_udp_queued(link) + 2 + len > u->queue_max) {
        link->refused = len;
        return CRDT_ERR_AGAIN;
    }
    if (crdti_buf_reserve(&link->fill, 2 + len) != CRDT_OK)
        return CRDT_ERR_NOMEM;
    at = link->fill.ptr + link->fill.len;
    at[0] = (uint8_t)len;
    at[1] = (uint8_t)(len >> 8);
    at = crdti_udp_head(at + 2, CRDTI_UDP_DATA, link->there);
    crdti_copy(at, bytes.ptr, bytes.len);
    link->fill.len += 2 + len;
    return CRDT_OK;
}

CRDTI_FN crdt_err crdti_udp_poll(void *ctx, int timeout_ms)
{
    crdti_udp *u = (crdti_udp *)ctx;
    uint64_t upcalls = u->upcalls;
    struct pollfd fds[3];
    size_t count;
    int wait_ms, ready;
    if (!u->up || u->polling)
        return CRDT_ERR_ARG;
    u->polling = 1;
    u->err = CRDT_OK;
    crdti_udp_steps(u);
    count = crdti_udp_collect(u, fds, 3);
    wait_ms = crdti_udp_timeout(u, timeout_ms > 0 ? (uint64_t)timeout_ms : 0);
    if (u->upcalls != upcalls)
        wait_ms = 0; /* something has happened */
    ready = poll(fds, (nfds_t)count, wait_ms);
    if (ready < 0 && errno != EINTR)
        u->err = CRDT_ERR_IO;
    crdti_udp_tick(u);
    if (ready > 0 && fds[0].revents)
        crdti_udp_read(u, u->fd);
    if (ready > 0 && fds[1].revents)
        crdti_sock_wake_clear(&u->wake);
    if (ready > 0 && count > 2 && fds[2].revents)
        crdti_udp_read(u, u->finder);
    crdti_udp_steps(u);
    u->polling = 0;
    return u->err;
}

CRDTI_FN void crdti_udp_drop(void *ctx, crdt_peer peer, const char *why)
{
    crdti_udp *u = (crdti_udp *)ctx;
    crdti_udp_link *link = crdti_udp_find(u, peer);
    if (link)
        crdti_udp_leave(u, link, why ? why : "");
}

CRDTI_FN void crdti_udp_free(crdti_udp *u)
{
    crdt_alloc alloc = u->alloc;
    crdti_udp_dial *dial;
    size_t i;
    for (i = 0; u->slots && i < u->slots_end; i++)
        if (u->slots[i])
            crdti_udp_link_free(u, u->slots[i]);
    while ((dial = u->dials) != NULL) {
        u->dials = dial->next_dial;
        crdti_free(&alloc, dial, sizeof *dial);
    }
    crdti_sock_shut(u->fd);
    crdti_sock_shut(u->finder);
    crdti_sock_wake_close(&u->wake);
    crdti_free(&alloc, u->slots, u->peers_max * sizeof(void *));
    crdti_sock_index_free(&u->index, &alloc);
    crdti_free(&alloc, u->bytes, u->datagram_max);
    crdti_free(&alloc, u, sizeof *u);
}

/* What the system takes now still goes out. */
CRDTI_FN void crdti_udp_close(void *ctx)
{
    crdti_udp *u = (crdti_udp *)ctx;
    size_t i;
    CRDTI_ASSERT(!u->polling);
    for (i = 0; i < u->slots_end; i++) {
        crdti_udp_link *link = u->slots[i];
        if (!link ||
            (link->state != CRDTI_UDP_UP && link->state != CRDTI_UDP_LEAVING))
            continue;
        crdti_udp_flush(u, link);
        crdti_udp_tell(u, link, CRDTI_UDP_BYE);
    }
    crdti_udp_free(u);
}

/* >>opening --------------------------------------------------------------- */

/* The transport behind a table, or NULL when it is of another adapter. */
CRDTI_FN crdti_udp *crdti_udp_of(const crdt_transport *transport)
{
    if (!transport || transport->close != crdti_udp_close)
        return NULL;
    return (crdti_udp *)transport->ctx;
}

/* A datagram is not cut into fragments on its way: it would be lost more
 * often, and fragments are a nuisance to firewalls. */
CRDTI_FN void crdti_udp_tune(int fd, int family)
{
    crdti_sock_option(fd, SOL_SOCKET, SO_RCVBUF, CRDTI_UDP_BUFFER);
    crdti_sock_option(fd, SOL_SOCKET, SO_SNDBUF, CRDTI_UDP_BUFFER);
    crdti_sock_option(fd, SOL_SOCKET, SO_BROADCAST, 1);
#ifdef IPV6_V6ONLY
    if (family == AF_INET6)
        crdti_sock_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
#endif
#ifdef IP_PMTUDISC_DO
    crdti_sock_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
#endif
#ifdef IPV6_PMTUDISC_DO
    if (family == AF_INET6)
        crdti_sock_option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER,
                          IPV6_PMTUDISC_DO);
#endif
}

/* NULL, or what went wrong. */
CRDTI_FN const char *crdti_udp_bind(crdti_udp *u,
                                    const crdti_sock_address *address)
{
    crdti_sock_address here;
    int fd = crdti_sock_open(address->of.ss_family, SOCK_DGRAM);
    if (fd < 0)
        return strerror(errno);
    crdti_udp_tune(fd, address->of.ss_family);
    if (bind(fd, crdti_sock_generic(address), address->len) < 0) {
        crdti_sock_shut(fd);
        return strerror(errno);
    }
    crdti_sock_end(fd, 0, &here);
    u->fd = fd;
    u->family = address->of.ss_family;
    u->port = crdti_sock_port(&here);
    return NULL;
}

/* At the first address that does; IPv6 first, which takes IPv4 along. */
CRDTI_FN crdt_err crdti_udp_listen(crdti_udp *u, const char *address)
{
    crdti_sock_address found[CRDTI_SOCK_ADDRESSES_MAX];
    char host[256], port[6], name[CRDTI_SOCK_NAME_MAX];
    const char *why;
    size_t i, count;
    int pass;
    if (!crdti_sock_split(address, host, port))
        return CRDT_ERR_ARG;
    why = crdti_sock_resolve(address, SOCK_DGRAM, 1, found,
                             CRDTI_SOCK_ADDRESSES_MAX, &count);
    for (pass = 0; pass < 2; pass++)
        for (i = 0; i < count && u->fd < 0; i++)
            if ((found[i].of.ss_family == AF_INET6) == (pass == 0))
                why = crdti_udp_bind(u, &found[i]);
    if (u->fd >= 0)
        return CRDT_OK;
    snprintf(name, sizeof name, "udp:%s", address);
    crdti_udp_log(u, name, "cannot bind", why);
    return CRDT_ERR_IO;
}

/* struct ip_mreq, which glibc hides without feature macros. */
typedef struct crdti_udp_member {
    struct in_addr group, interface;
} crdti_udp_member;

/* Joins the group with the socket that listens, and sends to it on the right
 * interface. Whether that worked; broadcasts need nothing of the kind. */
CRDTI_FN int crdti_udp_join(crdti_udp *u, int fd, struct in_addr interface)
{
    const void *of = &u->group.of;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)of;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)of;
    crdti_udp_member member;
    struct ipv6_mreq member6;
    if (u->group.of.ss_family == AF_INET6) {
        unsigned scope = v6->sin6_scope_id;
        if (v6->sin6_addr.s6_addr[0] != 0xff)
            return 1;
        crdti_zero(&member6, sizeof member6);
        member6.ipv6mr_multiaddr = v6->sin6_addr;
        member6.ipv6mr_interface = scope;
        if (scope)
            (void)setsockopt(u->fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &scope,
                             sizeof scope);
        return setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &member6,
                          sizeof member6) == 0;
    }
    if (ntohl(v4->sin_addr.s_addr) >> 28 != 14)
        return 1;
    member.group = v4->sin_addr;
    member.interface = interface;
    if (interface.s_addr)
        (void)setsockopt(u->fd, IPPROTO_IP, IP_MULTICAST_IF, &interface,
                         sizeof interface);
    return setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &member,
                      sizeof member) == 0;
}

/* Several programs of one machine share the port of the group. */
CRDTI_FN int crdti_udp_finder_open(crdti_udp *u, struct in_addr interface)
{
    crdti_sock_address any = u->group;
    void *of = &any.of;
    int fd = crdti_sock_open(any.of.ss_family, SOCK_DGRAM);
    if (fd < 0)
        return -1;
    crdti_sock_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
#if defined(SO_REUSEPORT) && !defined(__linux__)
    crdti_sock_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
#endif
    if (any.of.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)of)->sin6_addr = in6addr_any;
    else
        ((struct sockaddr_in *)of)->sin_addr.s_addr = htonl(INADDR_ANY);
    if (bind(fd, crdti_sock_generic(&any), any.len) == 0 &&
        crdti_udp_join(u, fd, interface))
        return fd;
    crdti_sock_shut(fd);
    return -1;
}

CRDTI_FN crdt_err crdti_udp_discover(crdti_udp *u, const crdt_udp_config *c)
{
    char name[CRDTI_SOCK_NAME_MAX];
    struct in_addr interface;
    const char *why;
    size_t count;
    interface.s_addr = htonl(INADDR_ANY);
    if (c->discover_from &&
        inet_pton(AF_INET, c->discover_from, &interface) != 1)
        return CRDT_ERR_ARG;
    snprintf(name, sizeof name, "udp:%s", c->discover);
    why = crdti_sock_resolve(c->discover, SOCK_DGRAM, 0, &u->group, 1, &count);
    if (!why) {
        u->finder = crdti_udp_finder_open(u, interface);
        if (u->finder >= 0 && crdti_udp_fit(u, &u->group))
            return CRDT_OK;
        why = u->finder < 0 ? strerror(errno) : "the families do not fit";
    }
    crdti_udp_log(u, name, "cannot discover", why);
    return CRDT_ERR_IO;
}

CRDTI_FN crdti_udp_dial *crdti_udp_dial_find(const crdti_udp *u,
                                             const char *address)
{
    crdti_udp_dial *dial;
    for (dial = u->dials; dial; dial = dial->next_dial)
        if (!dial->instance && strcmp(dial->name + 4, address) == 0)
            return dial;
    return NULL;
}

CRDTI_FN crdt_err crdti_udp_dial_add(crdti_udp *u, const char *address)
{
    crdti_udp_dial *dial;
    char host[256], port[6], name[CRDTI_SOCK_NAME_MAX];
    if (!address || !crdti_sock_split(address, host, port) || !host[0] ||
        strcmp(port, "0") == 0)
        return CRDT_ERR_ARG;
    dial = crdti_udp_dial_find(u, address);
    if (dial) {
        dial->is_removed = 0;
        return CRDT_OK;
    }
    if (u->dials_count >= u->peers_max)
        return CRDT_ERR_LIMIT;
    crdti_udp_tick(u);
    snprintf(name, sizeof name, "udp:%s", address);
    return crdti_udp_dial_new(u, name) ? CRDT_OK : CRDT_ERR_NOMEM;
}

CRDTI_FN uint32_t crdti_udp_or(uint32_t value, uint32_t otherwise)
{
    return value ? value : otherwise;
}

/* Any text, as a number; that of "" is not 0. */
CRDTI_FN uint64_t crdti_udp_realm(const char *text)
{
    uint64_t key[2] = { 1, 2 }, word = 0;
    for (; text && *text; text++) {
        word = word << 8 | (uint8_t)*text;
        word = crdti_udp_sip(key, &word, 1);
    }
    return crdti_udp_sip(key, &word, 1);
}

CRDTI_FN void crdti_udp_configure(crdti_udp *u, const crdt_udp_config *c)
{
    crdti_zero(u, sizeof *u);
    u->alloc = *crdti_alloc_or_default(c->alloc);
    u->clock = *crdti_clock_or_default(c->clock);
    u->random = *crdti_random_or_default(c->random);
    if (c->log)
        u->log = *c->log;
    u->fd = u->finder = u->wake.reader = u->wake.writer = -1;
    u->last_dial = &u->dials;
    u->peers_max = c->peers_max ? c->peers_max : 1024;
    u->datagram_max = c->datagram_max ? c->datagram_max : 1200;
    u->queue_max = c->queue_max ? c->queue_max : (size_t)256 << 10;
    u->keepalive_ms = crdti_udp_or(c->keepalive_ms, 2000);
    u->silence_ms = crdti_udp_or(c->silence_ms, 10000);
    u->announce_ms = crdti_udp_or(c->announce_ms, 5000);
    u->backoff_min_ms = crdti_udp_or(c->backoff_min_ms, 100);
    u->backoff_max_ms = crdti_udp_or(c->backoff_max_ms, 10000);
    u->realm = crdti_udp_realm(c->realm);
    crdti_udp_tick(u);
    u->announce_at_ms = u->now_ms;
}

/* After crdti_udp_configure: what can fail. */
CRDTI_FN crdt_err crdti_udp_begin(crdti_udp *u, const crdt_udp_config *c)
{
    size_t size = u->peers_max * sizeof(void *), i;
    crdt_err err;
    u->slots = (crdti_udp_link **)crdti_alloc(&u->alloc, size);
    u->bytes = (uint8_t *)crdti_alloc(&u->alloc, u->datagram_max);
    if (!u->slots || !u->bytes) {
        if (u->slots)
            crdti_zero(u->slots, size);
        return CRDT_ERR_NOMEM;
    }
    crdti_zero(u->slots, size);
    if (crdti_sock_index_new(&u->index, &u->alloc, u->peers_max))
        return CRDT_ERR_NOMEM;
    u->instance = crdti_udp_chance(u);
    u->secret[0] = crdti_udp_chance(u);
    u->secret[1] = crdti_udp_chance(u);
    err = u->err;
    if (!err && !crdti_sock_wake_open(&u->wake))
        err = CRDT_ERR_IO;
    if (!err)
        err = crdti_udp_listen(u, c->listen ? c->listen : ":0");
    if (!err && c->discover)
        err = crdti_udp_discover(u, c);
    for (i = 0; !err && i < c->peers_count; i++)
        err = crdti_udp_dial_add(u, c->peers[i]);
    return err;
}

CRDTI_FN void crdti_udp_table(crdt_transport *out, crdti_udp *u)
{
    crdti_zero(out, sizeof *out);
    out->version = 1;
    out->ctx = u;
    out->message_max = u->datagram_max - CRDTI_UDP_HEAD;
    out->start = crdti_udp_start;
    out->send = crdti_udp_send;
    out->poll = crdti_udp_poll;
    out->drop = crdti_udp_drop;
    out->close = crdti_udp_close;
}

CRDT_API crdt_err crdt_udp_new(crdt_transport *out,
                               const crdt_udp_config *config)
{
    const crdt_alloc *alloc;
    crdti_udp *u;
    crdt_err err;
    if (!out || !config || config->peers_max > 0xffff ||
        (config->peers_count && !config->peers) ||
        (config->datagram_max &&
         (config->datagram_max < 576 || config->datagram_max > 65000)))
        return CRDT_ERR_ARG;
    alloc = crdti_alloc_or_default(config->alloc);
    u = (crdti_udp *)crdti_alloc(alloc, sizeof *u);
    if (!u)
        return CRDT_ERR_NOMEM;
    crdti_udp_configure(u, config);
    err = u->queue_max < 2 * u->datagram_max ? CRDT_ERR_ARG
                                             : crdti_udp_begin(u, config);
    if (err)
        crdti_udp_free(u);
    else
        crdti_udp_table(out, u);
    return err;
}

CRDT_API unsigned crdt_udp_port(const crdt_transport *transport)
{
    const crdti_udp *u = crdti_udp_of(transport);
    return u ? u->port : 0;
}

CRDT_API crdt_err crdt_udp_add_peer(const crdt_transport *transport,
                                    const char *address)
{
    crdti_udp *u = crdti_udp_of(transport);
    return u ? crdti_udp_dial_add(u, address) : CRDT_ERR_ARG;
}

CRDT_API crdt_err crdt_udp_remove_peer(const crdt_transport *transport,
                                       const char *address)
{
    crdti_udp *u = crdti_udp_of(transport);
    crdti_udp_dial *dial =
        u && address ? crdti_udp_dial_find(u, address) : NULL;
    if (!dial || dial->is_removed)
        return u && address ? CRDT_ERR_NOT_FOUND : CRDT_ERR_ARG;
    dial->is_removed = 1;
    dial->retry_ms = 0;
    if (dial->link)
        crdti_udp_leave(u, dial->link, "not wanted any more");
    return CRDT_OK;
}

CRDT_API size_t crdt_udp_fds(const crdt_transport *transport,
                             struct pollfd *out, size_t max, int *timeout_ms)
{
    crdti_udp *u = crdti_udp_of(transport);
    if (!u || u->polling)
        return 0;
    crdti_udp_tick(u);
    if (timeout_ms)
        *timeout_ms = crdti_udp_due(u) == CRDTI_UDP_NEVER
                          ? -1
                          : crdti_udp_timeout(u, INT32_MAX);
    return crdti_udp_collect(u, out, max);
}

CRDT_API void crdt_udp_wake(const crdt_transport *transport)
{
    const crdti_udp *u = crdti_udp_of(transport);
    if (u)
        crdti_sock_wake_up(&u->wake);
}

#endif /* CRDTSYNC_IMPLEMENTATION */
