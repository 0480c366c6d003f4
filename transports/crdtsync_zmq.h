/*
 * crdtsync_zmq - ZeroMQ between nodes (libzmq 4.2 or newer): ROUTER where it
 * listens, one DEALER for each peer that it dials.
 *
 *     #define CRDTSYNC_IMPLEMENTATION     // in one file, that of crdtsync.h;
 *     #include "crdtsync.h"               // adapters come behind it
 *     #include "crdtsync_zmq.h"           // cc ... -lzmq, on POSIX; beside
 *                                         // it: crdtsync_socket.h
 *
 * SYNOPSIS
 *
 *     const char *peers[] = { "tcp://10.0.0.7:4711" };
 *     crdt_zmq_config config;
 *     crdt_transport zmq;
 *     memset(&config, 0, sizeof config);  // zero means default
 *     config.listen = "tcp://0.0.0.0:4711";
 *     config.peers = peers;
 *     config.peers_count = 1;
 *     crdt_zmq_new(&zmq, &config);
 *     crdt_node_attach(node, &zmq);       // the node closes it
 *
 * Endpoints are those of ZeroMQ: tcp://, ipc://, inproc:// (the last with one
 * `context` for all ends).
 *
 * LINKS
 *
 * ZeroMQ mends connections in silence, and what was under way is lost then.
 * Here a link ends when that happens, and begins anew. So links are greeted,
 * as messages with a head of their own:
 *
 *     | kind: 1 | link id: 8 | ... |     numbers little-endian
 *
 *     1 OPEN    a, endpoint    to a ROUTER; a: link id of the DEALER;
 *                              endpoint: where the sender can be dialled
 *     2 OPENED  a, b           b: link id of the ROUTER
 *     3 DATA    id of the receiver; messages, each behind its length: 4
 *     4 PING    id of the receiver
 *     5 BYE     id of the receiver
 *     6 GONE    id of the receiver of what came: there is no such link
 *     7 PEER    id of the receiver, endpoint of somebody else
 *     8 FEED    id of the receiver, feed, endpoint    what I publish, and where
 *     9 HEARS   id of the receiver, feed              I hear what you publish
 *
 * A link belongs to one connection of ZeroMQ: what comes over another is told
 * GONE. Over one connection nothing is lost: at the high-water mark a send is
 * refused (CRDT_ERR_AGAIN), never dropped.
 *
 * RENDEZVOUS
 *
 * Who says where it can be dialled (`advertise`) is made known by those that
 * it dials to all others that they know; who wants to (`meet`) dials these.
 *
 * PUBLISHING
 *
 * With `publish`, what goes to everybody goes out once, over a PUB socket:
 *
 *     | feed: 8 | messages, each behind its length: 4; none: a sign of life |
 *
 * The feed is a random number, and the topic. A link is told of it, subscribes,
 * and says when it hears something; to those that have not, the same is sent
 * as to each alone. PUB drops in silence what a subscriber is too slow for:
 * such a transport promises neither CRDT_RELIABLE nor CRDT_ORDERED, and the
 * node notices what is missing and sends it again.
 */
#ifndef CRDTSYNC_ZMQ_H
#define CRDTSYNC_ZMQ_H

#ifndef CRDTSYNC_VERSION
#error "include crdtsync.h before crdtsync_zmq.h"
#endif

#ifdef __cplusplus
extern "C" {
#endif

struct pollfd; /* of <poll.h> */

/* Zero means default. Tables and texts are copied. */
typedef struct crdt_zmq_config {
    const crdt_alloc *alloc; /* libzmq has its own besides */
    const crdt_clock *clock;
    const crdt_random *random; /* of link ids */
    const crdt_log *log;       /* NULL: silent */
    void *context; /* of zmq_ctx_new, must outlive us; NULL: one of its own */
    const char *listen;       /* endpoint; "tcp://127.0.0.1:*": see
        crdt_zmq_endpoint. NULL: nobody can dial us */
    const char *const *peers; /* endpoints, to be kept connected */
    size_t peers_count;
    const char *advertise;  /* endpoint where others can dial us; or NULL */
    int meet;               /* dials who advertises itself */
    const char *publish;    /* endpoint of a PUB socket: CRDT_BROADCAST; NULL:
        there is none. Pays when many peers lack the same */
    const char *publish_as; /* as others dial it; NULL: as it is bound */
    int subscribe;          /* hears what those publish that it has links with;
        with CURVE, those that it dials */
    size_t peers_max;       /* links, and peers to be dialled; 0: 1,024 */
    size_t message_max;     /* bytes; 0: 1,052,672, a frame of 1 MiB */
    int hwm; /* messages that may wait for a peer, here and there; 0: 256 */
    uint32_t keepalive_ms; /* of silence, and it says PING; 0: 2,000 */
    uint32_t silence_ms;   /* without a sound, and a peer is gone; 0: 10,000 */
    uint32_t linger_ms;    /* closing waits as long, at most, for what has not
        gone out; 0: 100 */
    /* ZeroMQ's own. Dialled again after min, then twice as long, at most max.
     */
    uint32_t backoff_min_ms; /* 0: 100 */
    uint32_t backoff_max_ms; /* 0: 10,000 */
    /* CURVE: keys of 40 characters (Z85), as zmq_curve_keypair makes them.
     * With own keys all links are encrypted; who listens takes peers with one
     * of the `clients`, or with any key when there are none: then it is not
     * CRDT_SEALED. */
    const char *public_key, *secret_key; /* own; NULL: no CURVE */
    const char *server_key;              /* of those that we dial */
    const char *const *clients;
    size_t clients_count;
} crdt_zmq_config;

/* Listens and dials. Give it to a node, or end it with out->close(out->ctx).
 * ARG (keys), LIMIT (too many peers), IO (an endpoint that is none, or cannot
 * be listened at; no randomness; the log says why), NOMEM. */
CRDT_API crdt_err crdt_zmq_new(crdt_transport *out,
                               const crdt_zmq_config *config);

/* Where it listens, with the port that the system chose; "" when it does not,
 * or is no ZeroMQ. Valid until close. */
CRDT_API const char *crdt_zmq_endpoint(const crdt_transport *transport);

/* One more peer to keep connected; OK when it is one already. ARG, NOMEM,
 * LIMIT (peers_max), IO (an endpoint that is none). ARG also with own keys and
 * no server_key. */
CRDT_API crdt_err crdt_zmq_add_peer(const crdt_transport *transport,
                                    const char *endpoint);
/* It is not dialled any more, and the link that came of it ends. ARG,
 * NOT_FOUND. */
CRDT_API crdt_err crdt_zmq_remove_peer(const crdt_transport *transport,
                                       const char *endpoint);

/* For a program with a loop of its own: what to wait for now. Fills at most
 * `max` and returns how many there are; ask before each wait, not from within
 * an upcall: ZeroMQ tells of each thing once. When one is ready, or after
 * `*timeout_ms` (-1: whenever; may be NULL), poll the node with timeout 0. */
CRDT_API size_t crdt_zmq_fds(const crdt_transport *transport,
                             struct pollfd *out, size_t max, int *timeout_ms);

/* Ends the wait of a poll, or the next one. Of all functions this one alone
 * may be called by any thread and by signal handlers, while the transport is
 * open. */
CRDT_API void crdt_zmq_wake(const crdt_transport *transport);

#ifdef __cplusplus
}
#endif

#endif /* CRDTSYNC_ZMQ_H */

#if defined(CRDTSYNC_IMPLEMENTATION) && !defined(CRDTSYNC_ZMQ_IMPLEMENTED)
#define CRDTSYNC_ZMQ_IMPLEMENTED

#ifndef CRDTSYNC_IMPLEMENTED
#error "define CRDTSYNC_IMPLEMENTATION before including crdtsync.h"
#endif

#include "crdtsync_socket.h"

#include <zmq.h>

/* >>data ------------------------------------------------------------------ */

#define CRDTI_ZMQ_HEAD 9u
#define CRDTI_ZMQ_LENGTH 4u
#define CRDTI_ZMQ_BATCH 16384u /* bytes of small messages sent as one */
#define CRDTI_ZMQ_TEXT_MAX 256 /* of an endpoint */
#define CRDTI_ZMQ_WHY_MAX 80
#define CRDTI_ZMQ_IDENTITY_MAX 16 /* ROUTER makes them of 5 bytes */
#define CRDTI_ZMQ_READS_MAX 256   /* a socket and poll */
#define CRDTI_ZMQ_OPEN_MS 250     /* then OPEN is said again */
#define CRDTI_ZMQ_FOUND_MAX 64u   /* peers that others told of */
#define CRDTI_ZMQ_BEAT_MS 50 /* signs of life of a feed, while somebody who */
#define CRDTI_ZMQ_BEATS_MAX 40 /* knows it does not hear it: as many at most */
#define CRDTI_ZMQ_NEVER UINT64_MAX
#define CRDTI_ZMQ_KEY 41 /* with the NUL */

typedef enum crdti_zmq_kind {
    CRDTI_ZMQ_OPEN = 1,
    CRDTI_ZMQ_OPENED,
    CRDTI_ZMQ_DATA,
    CRDTI_ZMQ_PING,
    CRDTI_ZMQ_BYE,
    CRDTI_ZMQ_GONE,
    CRDTI_ZMQ_PEER,
    CRDTI_ZMQ_FEED,
    CRDTI_ZMQ_HEARS
} crdti_zmq_kind;

/* As it came: the kind, an id, and what is behind them. */
typedef struct crdti_zmq_note {
    crdti_zmq_kind kind;
    uint64_t id;
    crdt_bytes rest;
} crdti_zmq_note;

/* Where something comes from, or goes: a socket, and on a ROUTER whose. */
typedef struct crdti_zmq_place {
    void *socket;
    uint8_t identity[CRDTI_ZMQ_IDENTITY_MAX];
    size_t identity_len; /* 0: a DEALER */
} crdti_zmq_place;

typedef enum crdti_zmq_state {
    CRDTI_ZMQ_OPENING, /* of a dial: OPEN was said */
    CRDTI_ZMQ_UP,
    CRDTI_ZMQ_LEAVING, /* dropped: what is pending goes out, then BYE */
    CRDTI_ZMQ_DEAD
} crdti_zmq_state;

typedef struct crdti_zmq_link {
    crdti_zmq_state state;
    crdt_peer peer; /* 0: not yet told */
    crdti_zmq_place place;
    uint64_t here, there; /* ids; the low 16 bits of `here` are the slot */
    struct crdti_zmq_dial *dial; /* NULL: it dialled us */
    zmq_msg_t pending;           /* did not fit any more: goes first */
    int is_pending;
    crdt_buf batch;    /* behind it: small messages, until the next poll */
    int refused;       /* the last send was */
    uint64_t heard_ms; /* by listened.ms */
    uint64_t said_ms, since_ms;
    uint64_t feed;  /* that it publishes, and we subscribed to; 0: none */
    int hears;      /* it does what we publish */
    int beats;      /* in vain */
    int told_hears; /* that we hear its feed */
    char feed_at[CRDTI_ZMQ_TEXT_MAX];
    char endpoint[CRDTI_ZMQ_TEXT_MAX]; /* that it advertises; or "" */
    char name[CRDTI_ZMQ_TEXT_MAX];
    char why[CRDTI_ZMQ_WHY_MAX];
} crdti_zmq_link;

typedef struct crdti_zmq_dial {
    struct crdti_zmq_dial *next;
    void *socket;  /* a DEALER */
    void *monitor; /* tells when its connection breaks; or NULL */
    crdti_zmq_link *link;
    uint64_t retry_ms;
    int waits;      /* OPEN could not be said: nobody is there yet */
    int is_found;   /* others told of it */
    int is_removed; /* to be forgotten */
    char endpoint[CRDTI_ZMQ_TEXT_MAX];
} crdti_zmq_dial;

typedef struct crdti_zmq {
    crdt_alloc alloc;
    crdt_clock clock;
    crdt_random random;
    crdt_log log;
    const crdt_upcalls *up;
    void *context, *router, *gate; /* gate: who may come in, by key */
    void *pub, *sub;
    uint64_t feed; /* of `pub` */
    uint64_t beat_ms;
    uint64_t casts, heard; /* published; and what others did */
    int owns_context;
    crdti_zmq_link **slots; /* peers_max, NULL: free */
    size_t slots_end;       /* from here on all are */
    crdti_sock_index index;
    crdti_zmq_dial *dials, **last_dial;
    size_t dials_count, found_count, links_count;
    zmq_pollitem_t *items; /* what wakes, the gate, the router, the feeds, and
        two of each dial, of which monitors come last */
    size_t monitors_at;
    crdti_sock_wake wake;
    char listening[CRDTI_ZMQ_TEXT_MAX], advertise[CRDTI_ZMQ_TEXT_MAX];
    char publishing[CRDTI_ZMQ_TEXT_MAX]; /* as others dial it */
    char public_key[CRDTI_ZMQ_KEY], secret_key[CRDTI_ZMQ_KEY],
        server_key[CRDTI_ZMQ_KEY];
    uint8_t *clients; /* keys of 32 bytes */
    size_t clients_count;
    size_t peers_max, message_max;
    int hwm, meet;
    uint32_t keepalive_ms, silence_ms, linger_ms;
    uint32_t backoff_min_ms, backoff_max_ms;
    uint64_t now_ms;
    crdti_sock_listened listened;
    uint64_t upcalls; /* made so far */
    crdt_peer peers;  /* numbers given so far */
    crdt_err err;     /* of this poll */
    int polling;
} crdti_zmq;

CRDTI_FN void crdti_zmq_tick(crdti_zmq *z)
{
    z->now_ms = z->clock.mono_ms(z->clock.ctx);
}

CRDTI_FN void crdti_zmq_log(crdti_zmq *z, const char *endpoint,
                            const char *what)
{
    char line[CRDTI_ZMQ_TEXT_MAX + 160];
    if (!z->log.line)
        return;
    snprintf(line, sizeof line, "%s: %s: %s", endpoint, what,
             zmq_strerror(zmq_errno()));
    z->log.line(z->log.ctx, line);
}

/* >>messages -------------------------------------------------------------- */

/* 0: no memory. */
CRDTI_FN int crdti_zmq_message(zmq_msg_t *out, crdti_zmq_kind kind,
                               uint64_t id, crdt_bytes bytes)
{
    uint8_t *at;
    if (zmq_msg_init_size(out, CRDTI_ZMQ_HEAD + bytes.len))
        return 0;
    at = (uint8_t *)zmq_msg_data(out);
    at[0] = (uint8_t)kind;
    crdti_store64(at + 1, id);
    crdti_copy(at + CRDTI_ZMQ_HEAD, bytes.ptr, bytes.len);
    return 1;
}

/* 0 and the message is gone, or why not: EAGAIN, or there is nobody. The part
 * that names the peer of a ROUTER meets the high-water mark first; behind it
 * the message itself is always taken. */
CRDTI_FN int crdti_zmq_put(const crdti_zmq_place *to, zmq_msg_t *message)
{
    if (to->identity_len &&
        zmq_send(to->socket, to->identity, to->identity_len,
                 ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0)
        return zmq_errno();
    return zmq_msg_send(message, to->socket, ZMQ_DONTWAIT) < 0 ? zmq_errno()
                                                               : 0;
}

/* Whether it was; if it cannot be sent now it is as good as lost. */
CRDTI_FN int crdti_zmq_say(const crdti_zmq_place *to, crdti_zmq_kind kind,
                           uint64_t id, crdt_bytes bytes)
{
    zmq_msg_t message;
    if (!crdti_zmq_message(&message, kind, id, bytes))
        return 0;
    if (!crdti_zmq_put(to, &message))
        return 1;
    (void)zmq_msg_close(&message);
    return 0;
}

CRDTI_FN void crdti_zmq_tell(crdti_zmq *z, crdti_zmq_link *link,
                             crdti_zmq_kind kind, crdt_bytes bytes)
{
    (void)crdti_zmq_say(&link->place, kind, link->there, bytes);
    link->said_ms = z->now_ms;
}

/* >>links ----------------------------------------------------------------- */

CRDTI_FN uint64_t crdti_zmq_chance(crdti_zmq *z)
{
    uint64_t out = 0;
    if (z->random.fill(z->random.ctx, &out, sizeof out) != CRDT_OK)
        z->err = CRDT_ERR_IO;
    return out;
}

/* In a free slot; NULL: no memory, no randomness, or too many. */
CRDTI_FN crdti_zmq_link *crdti_zmq_link_new(crdti_zmq *z,
                                            const crdti_zmq_place *place)
{
    crdti_zmq_link *link;
    uint64_t chance;
    size_t slot;
    for (slot = 0; slot < z->peers_max && z->slots[slot]; slot++)
        continue;
    if (slot == z->peers_max || z->peers == UINT32_MAX)
        return NULL;
    chance = crdti_zmq_chance(z);
    link =
        chance ? (crdti_zmq_link *)crdti_alloc(&z->alloc, sizeof *link) : NULL;
    if (!link) {
        z->err = chance ? CRDT_ERR_NOMEM : CRDT_ERR_IO;
        return NULL;
    }
    crdti_zero(link, sizeof *link);
    link->place = *place;
    link->batch.alloc = &z->alloc;
    link->here = (chance & ~UINT64_C(0xffff)) | slot;
    link->heard_ms = z->listened.ms;
    link->said_ms = link->since_ms = z->now_ms;
    z->slots[slot] = link;
    z->slots_end = crdti_max_size(z->slots_end, slot + 1);
    z->links_count++;
    return link;
}

/* >>feeds of others -------------------------------------------------------
 * One SUB socket for all; two links to one node have the same feed. */

CRDTI_FN int crdti_zmq_follows(const crdti_zmq *z, uint64_t feed)
{
    size_t i;
    for (i = 0; i < z->slots_end; i++)
        if (z->slots[i] && z->slots[i]->feed == feed)
            return 1;
    return 0;
}

CRDTI_FN void crdti_zmq_follow(crdti_zmq *z, crdti_zmq_link *link,
                               crdt_bytes told)
{
    uint64_t feed = told.len > 8 ? crdti_load64(told.ptr) : 0;
    int is_new = feed && !crdti_zmq_follows(z, feed);
    if (!z->sub || !feed || link->feed || told.len - 8 >= CRDTI_ZMQ_TEXT_MAX ||
        (z->secret_key[0] && !link->dial))
        return;
    crdti_copy(link->feed_at, told.ptr + 8, told.len - 8);
    link->feed_at[told.len - 8] = 0;
    if (is_new && (zmq_setsockopt(z->sub, ZMQ_SUBSCRIBE, told.ptr, 8) ||
                   zmq_connect(z->sub, link->feed_at)))
        crdti_zmq_log(z, link->feed_at, "cannot subscribe");
    else
        link->feed = feed;
}

CRDTI_FN void crdti_zmq_unfollow(crdti_zmq *z, crdti_zmq_link *link)
{
    uint8_t topic[8];
    crdti_store64(topic, link->feed);
    link->feed = 0;
    if (crdti_zmq_follows(z, crdti_load64(topic)))
        return;
    (void)zmq_setsockopt(z->sub, ZMQ_UNSUBSCRIBE, topic, 8);
    (void)zmq_disconnect(z->sub, link->feed_at);
}

/* >>links, ending --------------------------------------------------------- */

CRDTI_FN void crdti_zmq_link_free(crdti_zmq *z, crdti_zmq_link *link)
{
    if (link->feed)
        crdti_zmq_unfollow(z, link);
    if (link->peer)
        crdti_sock_index_remove(&z->index, link->peer);
    z->slots[link->here & 0xffff] = NULL;
    while (z->slots_end && !z->slots[z->slots_end - 1])
        z->slots_end--;
    z->links_count--;
    if (link->dial)
        link->dial->link = NULL;
    if (link->is_pending)
        (void)zmq_msg_close(&link->pending);
    crdt_buf_free(&link->batch);
    crdti_free(&z->alloc, link, sizeof *link);
}

CRDTI_FN int crdti_zmq_same(const crdti_zmq_place *a, const crdti_zmq_place *b)
{
    return a->socket == b->socket && a->identity_len == b->identity_len &&
           crdti_equal(a->identity, b->identity, a->identity_len);
}

/* By an id of ours, and where it comes from. */
CRDTI_FN crdti_zmq_link *crdti_zmq_link_of(const crdti_zmq *z, uint64_t here,
                                           const crdti_zmq_place *from)
{
    size_t slot = (size_t)(here & 0xffff);
    crdti_zmq_link *link = slot < z->peers_max ? z->slots[slot] : NULL;
    if (!link || link->here != here || !crdti_zmq_same(&link->place, from))
        return NULL;
    return link;
}

/* By an id of theirs. */
CRDTI_FN crdti_zmq_link *crdti_zmq_link_from(const crdti_zmq *z,
                                             uint64_t there,
                                             const crdti_zmq_place *from)
{
    size_t i;
    for (i = 0; i < z->slots_end; i++)
        if (z->slots[i] && z->slots[i]->there == there &&
            crdti_zmq_same(&z->slots[i]->place, from))
            return z->slots[i];
    return NULL;
}

CRDTI_FN crdti_zmq_link *crdti_zmq_find(const crdti_zmq *z, crdt_peer peer)
{
    const crdti_sock_entry *entry = crdti_sock_index_at(&z->index, peer);
    return peer && entry->peer ? z->slots[entry->slot] : NULL;
}

CRDTI_FN void crdti_zmq_die(crdti_zmq *z, crdti_zmq_link *link,
                            const char *why)
{
    if (link->state == CRDTI_ZMQ_DEAD)
        return;
    if (link->state != CRDTI_ZMQ_LEAVING)
        crdti_sock_text(link->why, sizeof link->why, why);
    link->state = CRDTI_ZMQ_DEAD;
    link->since_ms = z->now_ms;
}

/* Where we publish. */
CRDTI_FN void crdti_zmq_tell_feed(crdti_zmq *z, crdti_zmq_link *link)
{
    uint8_t bytes[8 + CRDTI_ZMQ_TEXT_MAX];
    crdt_bytes at = crdt_str(z->publishing);
    crdti_store64(bytes, z->feed);
    crdti_copy(bytes + 8, at.ptr, at.len);
    crdti_zmq_tell(z, link, CRDTI_ZMQ_FEED, crdt_bytes_of(bytes, 8 + at.len));
    z->beat_ms = z->now_ms + CRDTI_ZMQ_BEAT_MS;
}

CRDTI_FN void crdti_zmq_link_up(crdti_zmq *z, crdti_zmq_link *link)
{
    link->state = CRDTI_ZMQ_UP;
    link->since_ms = z->now_ms;
    link->heard_ms = z->listened.ms;
    link->peer = ++z->peers;
    crdti_sock_index_add(&z->index, link->peer,
                         (uint32_t)(link->here & 0xffff));
    if (z->pub)
        crdti_zmq_tell_feed(z, link);
    z->upcalls++;
    z->up->peer_up(z->up->ctx, link->peer, link->name);
}

/* What did not fit when it was sent. */
CRDTI_FN void crdti_zmq_flush_pending(crdti_zmq *z, crdti_zmq_link *link)
{
    int error;
    if (!link->is_pending)
        return;
    error = crdti_zmq_put(&link->place, &link->pending);
    if (error == EAGAIN || error == EINTR)
        return;
    if (error) {
        (void)zmq_msg_close(&link->pending);
        crdti_zmq_die(z, link, zmq_strerror(error));
    }
    link->is_pending = 0;
    link->said_ms = z->now_ms;
}

/* All that waits, as far as it goes. */
CRDTI_FN void crdti_zmq_flush(crdti_zmq *z, crdti_zmq_link *link)
{
    crdti_zmq_flush_pending(z, link);
    if (link->is_pending || !link->batch.len || link->state == CRDTI_ZMQ_DEAD)
        return;
    if (!crdti_zmq_message(&link->pending, CRDTI_ZMQ_DATA, link->there,
                           crdt_buf_bytes(&link->batch))) {
        z->err = CRDT_ERR_NOMEM;
        return;
    }
    link->batch.len = 0;
    link->is_pending = 1;
    crdti_zmq_flush_pending(z, link);
}

/* >>dialling -------------------------------------------------------------- */

CRDTI_FN int crdti_zmq_is_silent(const crdti_zmq *z,
                                 const crdti_zmq_link *link)
{
    return z->listened.ms - link->heard_ms >= z->silence_ms;
}

/* Over a new connection: this one may be dead without knowing. */
CRDTI_FN void crdti_zmq_redial(crdti_zmq *z, crdti_zmq_link *link)
{
    crdti_zmq_dial *dial = link->dial;
    if (!dial || !crdti_zmq_is_silent(z, link))
        return;
    link->heard_ms = z->listened.ms;
    (void)zmq_disconnect(dial->socket, dial->endpoint);
    if (zmq_connect(dial->socket, dial->endpoint))
        crdti_zmq_log(z, dial->endpoint, "cannot dial");
}

CRDTI_FN void crdti_zmq_dial_step(crdti_zmq *z, crdti_zmq_dial *dial)
{
    crdti_zmq_place place;
    if (dial->is_removed ||
        (dial->link && dial->link->state != CRDTI_ZMQ_OPENING) ||
        (z->now_ms < dial->retry_ms && !(dial->link && dial->waits)))
        return;
    dial->retry_ms = z->now_ms + CRDTI_ZMQ_OPEN_MS;
    crdti_zero(&place, sizeof place);
    place.socket = dial->socket;
    if (!dial->link)
        dial->link = crdti_zmq_link_new(z, &place);
    if (!dial->link)
        return;
    dial->link->dial = dial;
    crdti_zmq_redial(z, dial->link);
    crdti_sock_text(dial->link->name, sizeof dial->link->name, dial->endpoint);
    dial->waits = !crdti_zmq_say(&place, CRDTI_ZMQ_OPEN, dial->link->here,
                                 crdt_str(z->advertise));
}

CRDTI_FN void crdti_zmq_option(void *socket, int option, int value)
{
    (void)zmq_setsockopt(socket, option, &value, sizeof value);
}

CRDTI_FN int crdti_zmq_key(void *socket, int option, const char *key)
{
    return !key[0] || zmq_setsockopt(socket, option, key, strlen(key)) == 0;
}

/* A socket with all that both kinds have in common, or NULL. Without
 * ZMQ_HEARTBEAT_IVL: it takes a slow reader for a dead peer, and libzmq may
 * abort then (zeromq/libzmq#3937). Our PINGs find those who are silent. */
CRDTI_FN void *crdti_zmq_socket(crdti_zmq *z, int type)
{
    const int seconds = (int)(z->silence_ms / 1000 + 1);
    void *socket = zmq_socket(z->context, type);
    int64_t most = (int64_t)(z->message_max + CRDTI_ZMQ_HEAD +
                             CRDTI_ZMQ_LENGTH + CRDTI_ZMQ_BATCH);
    if (!socket)
        return NULL;
    crdti_zmq_option(socket, ZMQ_SNDHWM, z->hwm);
    crdti_zmq_option(socket, ZMQ_RCVHWM, z->hwm);
    crdti_zmq_option(socket, ZMQ_LINGER, (int)z->linger_ms);
    crdti_zmq_option(socket, ZMQ_IPV6, 1);
    crdti_zmq_option(socket, ZMQ_RECONNECT_IVL, (int)z->backoff_min_ms);
    crdti_zmq_option(socket, ZMQ_RECONNECT_IVL_MAX, (int)z->backoff_max_ms);
    crdti_zmq_option(socket, ZMQ_HANDSHAKE_IVL, CRDTSYNC_HANDSHAKE_MS);
    crdti_zmq_option(socket, ZMQ_TCP_KEEPALIVE, 1);
    crdti_zmq_option(socket, ZMQ_TCP_KEEPALIVE_IDLE, seconds);
    crdti_zmq_option(socket, ZMQ_TCP_KEEPALIVE_INTVL, seconds);
    crdti_zmq_option(socket, ZMQ_TCP_KEEPALIVE_CNT, 1);
    (void)zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &most, sizeof most);
    if (crdti_zmq_key(socket, ZMQ_CURVE_PUBLICKEY, z->public_key) &&
        crdti_zmq_key(socket, ZMQ_CURVE_SECRETKEY, z->secret_key))
        return socket;
    (void)zmq_close(socket);
    return NULL;
}

/* Without it silence tells in the end. */
CRDTI_FN void crdti_zmq_monitor(crdti_zmq *z, crdti_zmq_dial *dial)
{
    char name[40];
    snprintf(name, sizeof name, "inproc://crdtsync-%p", (void *)dial);
    if (zmq_socket_monitor(dial->socket, name, ZMQ_EVENT_DISCONNECTED))
        return;
    dial->monitor = zmq_socket(z->context, ZMQ_PAIR);
    if (dial->monitor)
        (void)zmq_connect(dial->monitor, name);
}

CRDTI_FN void crdti_zmq_hang_up(crdti_zmq_dial *dial)
{
    (void)zmq_close(dial->socket);
    if (dial->monitor)
        (void)zmq_close(dial->monitor);
}

/* A connection that is not there takes no messages (ZMQ_IMMEDIATE): none of
 * an old link comes out of a new one. But when one breaks, ZeroMQ drops what it
 * has read and we have not, the last words of the peer among them. */
CRDTI_FN crdt_err crdti_zmq_connect(crdti_zmq *z, crdti_zmq_dial *dial)
{
    dial->socket = crdti_zmq_socket(z, ZMQ_DEALER);
    if (!dial->socket)
        return CRDT_ERR_NOMEM;
    crdti_zmq_option(dial->socket, ZMQ_IMMEDIATE, 1);
    crdti_zmq_monitor(z, dial);
    if (crdti_zmq_key(dial->socket, ZMQ_CURVE_SERVERKEY, z->server_key) &&
        zmq_connect(dial->socket, dial->endpoint) == 0)
        return CRDT_OK;
    crdti_zmq_log(z, dial->endpoint, "cannot dial");
    crdti_zmq_hang_up(dial);
    return CRDT_ERR_IO;
}

CRDTI_FN void crdti_zmq_leave(crdti_zmq *z, crdti_zmq_link *link,
                              const char *why)
{
    if (link->state != CRDTI_ZMQ_UP)
        return;
    crdti_sock_text(link->why, sizeof link->why, why);
    crdti_zmq_tick(z);
    link->state = CRDTI_ZMQ_LEAVING;
    link->since_ms = z->now_ms;
}

/* Those that were removed, as soon as they have no link. */
CRDTI_FN void crdti_zmq_forget(crdti_zmq *z)
{
    crdti_zmq_dial **at = &z->dials, *dial;
    while ((dial = *at) != NULL) {
        if (dial->is_removed && dial->link)
            crdti_zmq_leave(z, dial->link, "not wanted any more");
        if (!dial->is_removed ||
            (dial->link && dial->link->state != CRDTI_ZMQ_OPENING)) {
            at = &dial->next;
            continue;
        }
        *at = dial->next;
        if (dial->link)
            crdti_zmq_link_free(z, dial->link);
        crdti_zmq_hang_up(dial);
        z->dials_count--;
        z->found_count -= dial->is_found != 0;
        crdti_free(&z->alloc, dial, sizeof *dial);
    }
    z->last_dial = at;
}

CRDTI_FN crdti_zmq_dial *crdti_zmq_dial_find(const crdti_zmq *z,
                                             const char *endpoint)
{
    crdti_zmq_dial *dial;
    for (dial = z->dials; dial; dial = dial->next)
        if (strcmp(dial->endpoint, endpoint) == 0)
            return dial;
    return NULL;
}

CRDTI_FN crdt_err crdti_zmq_dial_add(crdti_zmq *z, const char *endpoint)
{
    crdti_zmq_dial *dial;
    crdt_err err;
    if (!endpoint || strlen(endpoint) >= sizeof dial->endpoint ||
        (z->secret_key[0] && !z->server_key[0]))
        return CRDT_ERR_ARG;
    dial = crdti_zmq_dial_find(z, endpoint);
    if (dial) {
        dial->is_removed = 0;
        return CRDT_OK;
    }
    if (z->dials_count >= z->peers_max)
        return CRDT_ERR_LIMIT;
    dial = (crdti_zmq_dial *)crdti_alloc(&z->alloc, sizeof *dial);
    if (!dial)
        return CRDT_ERR_NOMEM;
    crdti_zero(dial, sizeof *dial);
    crdti_sock_text(dial->endpoint, sizeof dial->endpoint, endpoint);
    err = crdti_zmq_connect(z, dial);
    if (err) {
        crdti_free(&z->alloc, dial, sizeof *dial);
        return err;
    }
    *z->last_dial = dial;
    z->last_dial = &dial->next;
    z->dials_count++;
    return CRDT_OK;
}

/* >>rendezvous ------------------------------------------------------------ */

/* The newcomer hears of all, and all of it. */
CRDTI_FN void crdti_zmq_introduce(crdti_zmq *z, crdti_zmq_link *link)
{
    size_t i;
    for (i = 0; i < z->slots_end; i++) {
        crdti_zmq_link *other = z->slots[i];
        if (!other || other == link || other->state != CRDTI_ZMQ_UP)
            continue;
        if (other->endpoint[0])
            crdti_zmq_tell(z, link, CRDTI_ZMQ_PEER, crdt_str(other->endpoint));
        if (link->endpoint[0])
            crdti_zmq_tell(z, other, CRDTI_ZMQ_PEER, crdt_str(link->endpoint));
    }
}

CRDTI_FN void crdti_zmq_take_peer(crdti_zmq *z, crdt_bytes endpoint)
{
    char text[CRDTI_ZMQ_TEXT_MAX];
    crdt_err err;
    if (!z->meet || !endpoint.len || endpoint.len >= sizeof text ||
        z->found_count >= CRDTI_ZMQ_FOUND_MAX)
        return;
    crdti_copy(text, endpoint.ptr, endpoint.len);
    text[endpoint.len] = 0;
    if (strcmp(text, z->advertise) == 0 || crdti_zmq_dial_find(z, text))
        return;
    err = crdti_zmq_dial_add(z, text);
    if (err == CRDT_ERR_NOMEM)
        z->err = err;
    if (err)
        return;
    crdti_zmq_dial_find(z, text)->is_found = 1;
    z->found_count++;
}

/* >>receiving ------------------------------------------------------------- */

CRDTI_FN void crdti_zmq_take_open(crdti_zmq *z, const crdti_zmq_note *note,
                                  const crdti_zmq_place *from)
{
    crdti_zmq_link *link = crdti_zmq_link_from(z, note->id, from);
    uint8_t here[8];
    int is_new = !link;
    if (!from->identity_len || note->rest.len >= sizeof link->endpoint)
        return;
    if (is_new)
        link = crdti_zmq_link_new(z, from);
    if (!link || (!is_new && link->state != CRDTI_ZMQ_UP))
        return;
    link->there = note->id;
    crdti_store64(here, link->here);
    crdti_zmq_tell(z, link, CRDTI_ZMQ_OPENED, crdt_bytes_of(here, 8));
    if (!is_new)
        return;
    crdti_copy(link->endpoint, note->rest.ptr, note->rest.len);
    crdti_sock_text(link->name, sizeof link->name,
                    link->endpoint[0] ? link->endpoint : z->listening);
    crdti_zmq_link_up(z, link);
    crdti_zmq_introduce(z, link);
}

CRDTI_FN void crdti_zmq_take_opened(crdti_zmq *z, const crdti_zmq_note *note,
                                    const crdti_zmq_place *from)
{
    crdti_zmq_link *link = crdti_zmq_link_of(z, note->id, from);
    if (!link || note->rest.len < 8 || link->state != CRDTI_ZMQ_OPENING)
        return;
    link->there = crdti_load64(note->rest.ptr);
    crdti_zmq_link_up(z, link);
}

/* Message by message, while they are wanted. */
CRDTI_FN void crdti_zmq_take_data(crdti_zmq *z, crdti_zmq_link *link,
                                  crdt_bytes rest)
{
    while (rest.len >= CRDTI_ZMQ_LENGTH && link->state == CRDTI_ZMQ_UP) {
        size_t len = crdti_load32(rest.ptr);
        rest = crdt_bytes_of(rest.ptr + CRDTI_ZMQ_LENGTH,
                             rest.len - CRDTI_ZMQ_LENGTH);
        if (len > rest.len)
            return;
        if (len) {
            z->upcalls++;
            z->up->received(z->up->ctx, link->peer,
                            crdt_bytes_of(rest.ptr, len));
        }
        rest = crdt_bytes_of(rest.ptr + len, rest.len - len);
    }
}

/* To a link that is there, others are told that it is not. */
CRDTI_FN void crdti_zmq_take_linked(crdti_zmq *z, const crdti_zmq_note *note,
                                    const crdti_zmq_place *from)
{
    crdti_zmq_link *link = crdti_zmq_link_of(z, note->id, from);
    if (!link || !link->peer) {
        if (note->kind != CRDTI_ZMQ_BYE)
            (void)crdti_zmq_say(from, CRDTI_ZMQ_GONE, note->id,
                                crdt_bytes_of(NULL, 0));
        return;
    }
    if (link->state == CRDTI_ZMQ_DEAD)
        return;
    link->heard_ms = z->listened.ms;
    if (note->kind == CRDTI_ZMQ_BYE) {
        crdti_zmq_die(z, link, "closed by the peer");
    } else if (note->kind == CRDTI_ZMQ_PEER) {
        crdti_zmq_take_peer(z, note->rest);
    } else if (note->kind == CRDTI_ZMQ_FEED) {
        crdti_zmq_follow(z, link, note->rest);
    } else if (note->kind == CRDTI_ZMQ_HEARS) {
        link->hears |=
            note->rest.len >= 8 && crdti_load64(note->rest.ptr) == z->feed;
    } else if (note->kind == CRDTI_ZMQ_DATA) {
        crdti_zmq_take_data(z, link, note->rest);
    }
}

/* What was published: it counts as if each link to that node had said it. */
CRDTI_FN void crdti_zmq_take_cast(crdti_zmq *z, crdt_bytes bytes)
{
    uint64_t feed = bytes.len >= 8 ? crdti_load64(bytes.ptr) : 0;
    size_t i;
    z->heard += bytes.len > 8;
    for (i = 0; feed && i < z->slots_end; i++) {
        crdti_zmq_link *link = z->slots[i];
        if (!link || link->feed != feed || link->state != CRDTI_ZMQ_UP)
            continue;
        link->heard_ms = z->listened.ms;
        if (!link->told_hears)
            crdti_zmq_tell(z, link, CRDTI_ZMQ_HEARS,
                           crdt_bytes_of(bytes.ptr, 8));
        link->told_hears = 1;
        crdti_zmq_take_data(z, link,
                            crdt_bytes_of(bytes.ptr + 8, bytes.len - 8));
    }
}

CRDTI_FN void crdti_zmq_take(crdti_zmq *z, crdt_bytes bytes,
                             const crdti_zmq_place *from)
{
    crdti_zmq_note note;
    crdti_zmq_link *link;
    if (bytes.len < CRDTI_ZMQ_HEAD || bytes.ptr[0] < CRDTI_ZMQ_OPEN ||
        bytes.ptr[0] > CRDTI_ZMQ_HEARS)
        return;
    note.kind = (crdti_zmq_kind)bytes.ptr[0];
    note.id = crdti_load64(bytes.ptr + 1);
    note.rest =
        crdt_bytes_of(bytes.ptr + CRDTI_ZMQ_HEAD, bytes.len - CRDTI_ZMQ_HEAD);
    if (note.kind == CRDTI_ZMQ_OPEN) {
        crdti_zmq_take_open(z, &note, from);
    } else if (note.kind == CRDTI_ZMQ_OPENED) {
        crdti_zmq_take_opened(z, &note, from);
    } else if (note.kind == CRDTI_ZMQ_GONE) {
        link = crdti_zmq_link_from(z, note.id, from);
        if (link && link->peer)
            crdti_zmq_die(z, link, "the connection was another");
    } else {
        crdti_zmq_take_linked(z, &note, from);
    }
}

/* One part of a message. 0: there is none. */
CRDTI_FN int crdti_zmq_part(void *socket, zmq_msg_t *part)
{
    (void)zmq_msg_init(part);
    if (zmq_msg_recv(part, socket, ZMQ_DONTWAIT) >= 0)
        return 1;
    (void)zmq_msg_close(part);
    return 0;
}

/* Of more parts than there should be, the last counts. */
CRDTI_FN int crdti_zmq_read_one(crdti_zmq *z, void *socket)
{
    crdti_zmq_place from;
    zmq_msg_t part;
    int is_first = 1, is_last;
    crdti_zero(&from, sizeof from);
    from.socket = socket;
    do {
        if (!crdti_zmq_part(socket, &part))
            return 0;
        is_last = !zmq_msg_more(&part);
        if (is_first && socket == z->router &&
            zmq_msg_size(&part) <= sizeof from.identity) {
            from.identity_len = zmq_msg_size(&part);
            crdti_copy(from.identity, zmq_msg_data(&part),
                       zmq_msg_size(&part));
        } else if (is_last && socket == z->sub) {
            crdti_zmq_take_cast(
                z, crdt_bytes_of(zmq_msg_data(&part), zmq_msg_size(&part)));
        } else if (is_last) {
            crdti_zmq_take(
                z, crdt_bytes_of(zmq_msg_data(&part), zmq_msg_size(&part)),
                &from);
        }
        is_first = 0;
        (void)zmq_msg_close(&part);
    } while (!is_last);
    return 1;
}

CRDTI_FN void crdti_zmq_read(crdti_zmq *z, void *socket)
{
    int count;
    for (count = 0; count < CRDTI_ZMQ_READS_MAX; count++)
        if (!crdti_zmq_read_one(z, socket))
            return;
}

/* What its monitor has to say: that the connection broke. */
CRDTI_FN void crdti_zmq_watch(crdti_zmq *z, crdti_zmq_dial *dial)
{
    zmq_msg_t part;
    int broke = 0;
    while (dial->monitor && crdti_zmq_part(dial->monitor, &part)) {
        broke = 1;
        (void)zmq_msg_close(&part);
    }
    if (broke && dial->link && dial->link->peer)
        crdti_zmq_die(z, dial->link, "the connection broke");
}

/* >>who may come in -------------------------------------------------------
 * libzmq asks whoever has bound inproc://zeromq.zap.01 (RFC 27): version,
 * request id, domain, address, identity, mechanism, and the key of the client.
 * Answered in poll, without a thread. */

CRDTI_FN int crdti_zmq_may_enter(const crdti_zmq *z, const uint8_t *key,
                                 size_t len)
{
    size_t i;
    for (i = 0; len == 32 && i < z->clients_count; i++)
        if (crdti_equal(z->clients + 32 * i, key, 32))
            return 1;
    return 0;
}

CRDTI_FN void crdti_zmq_gate_answer(crdti_zmq *z, const char *id, size_t len,
                                    int ok)
{
    const char *code = ok ? "200" : "400";
    (void)zmq_send(z->gate, "1.0", 3, ZMQ_SNDMORE);
    (void)zmq_send(z->gate, id, len, ZMQ_SNDMORE);
    (void)zmq_send(z->gate, code, 3, ZMQ_SNDMORE);
    (void)zmq_send(z->gate, "", 0, ZMQ_SNDMORE);
    (void)zmq_send(z->gate, "", 0, ZMQ_SNDMORE);
    (void)zmq_send(z->gate, "", 0, 0);
}

CRDTI_FN void crdti_zmq_gate_serve(crdti_zmq *z)
{
    zmq_msg_t part;
    char id[64];
    size_t id_len = 0, at = 0;
    int ok = 0, more = 1;
    while (more && crdti_zmq_part(z->gate, &part)) {
        const uint8_t *bytes = (const uint8_t *)zmq_msg_data(&part);
        size_t len = zmq_msg_size(&part);
        if (at == 1 && len <= sizeof id) {
            crdti_copy(id, bytes, len);
            id_len = len;
        }
        if (at == 6)
            ok = crdti_zmq_may_enter(z, bytes, len);
        at++;
        more = zmq_msg_more(&part);
        (void)zmq_msg_close(&part);
    }
    if (at > 0)
        crdti_zmq_gate_answer(z, id, id_len, ok);
}

/* >>time ------------------------------------------------------------------ */

CRDTI_FN void crdti_zmq_link_step(crdti_zmq *z, crdti_zmq_link *link)
{
    if (link->state != CRDTI_ZMQ_UP && link->state != CRDTI_ZMQ_LEAVING)
        return;
    crdti_zmq_flush(z, link);
    if (crdti_zmq_is_silent(z, link))
        crdti_zmq_die(z, link, "silent for too long");
    if (link->state == CRDTI_ZMQ_LEAVING &&
        ((!link->is_pending && !link->batch.len) ||
         z->now_ms - link->since_ms >= z->silence_ms)) {
        crdti_zmq_tell(z, link, CRDTI_ZMQ_BYE, crdt_bytes_of(NULL, 0));
        crdti_zmq_die(z, link, "");
    }
    if (link->state != CRDTI_ZMQ_UP || link->is_pending)
        return;
    if (z->now_ms - link->said_ms >= z->keepalive_ms)
        crdti_zmq_tell(z, link, CRDTI_ZMQ_PING, crdt_bytes_of(NULL, 0));
    if (!link->refused)
        return;
    link->refused = 0;
    z->upcalls++;
    z->up->writable(z->up->ctx, link->peer);
}

CRDTI_FN void crdti_zmq_bury(crdti_zmq *z, crdti_zmq_link *link)
{
    crdt_peer peer = link->peer;
    char why[CRDTI_ZMQ_WHY_MAX];
    crdti_sock_text(why, sizeof why, link->why);
    if (link->dial)
        link->dial->retry_ms = z->now_ms + z->backoff_min_ms;
    crdti_zmq_redial(z, link);
    crdti_zmq_link_free(z, link);
    z->upcalls++;
    z->up->peer_down(z->up->ctx, peer, why);
}

/* Publishes the bytes, with their length; none: a sign of life. 0: no memory.
 */
CRDTI_FN int crdti_zmq_publish(crdti_zmq *z, crdt_bytes bytes)
{
    const size_t head = 8 + (bytes.len ? CRDTI_ZMQ_LENGTH : 0);
    zmq_msg_t message;
    uint8_t *at;
    if (zmq_msg_init_size(&message, head + bytes.len))
        return 0;
    at = (uint8_t *)zmq_msg_data(&message);
    crdti_store64(at, z->feed);
    if (bytes.len)
        crdti_store32(at + 8, (uint32_t)bytes.len);
    crdti_copy(at + head, bytes.ptr, bytes.len);
    if (zmq_msg_send(&message, z->pub, ZMQ_DONTWAIT) < 0)
        (void)zmq_msg_close(&message); /* as good as lost */
    return 1;
}

/* It knows our feed, and we do not know that it hears it. */
CRDTI_FN int crdti_zmq_is_deaf(const crdti_zmq_link *link)
{
    return link && link->state == CRDTI_ZMQ_UP && !link->hears &&
           link->beats < CRDTI_ZMQ_BEATS_MAX;
}

CRDTI_FN int crdti_zmq_has_deaf(const crdti_zmq *z)
{
    size_t i;
    for (i = 0; z->pub && i < z->slots_end; i++)
        if (crdti_zmq_is_deaf(z->slots[i]))
            return 1;
    return 0;
}

CRDTI_FN void crdti_zmq_beat(crdti_zmq *z)
{
    size_t i;
    if (z->now_ms < z->beat_ms || !crdti_zmq_has_deaf(z))
        return;
    z->beat_ms = z->now_ms + CRDTI_ZMQ_BEAT_MS;
    for (i = 0; i < z->slots_end; i++)
        if (crdti_zmq_is_deaf(z->slots[i]))
            z->slots[i]->beats++;
    (void)crdti_zmq_publish(z, crdt_bytes_of(NULL, 0));
}

/* Upcalls may send, drop and add peers: none of that frees or makes links. */
CRDTI_FN void crdti_zmq_steps(crdti_zmq *z)
{
    crdti_zmq_dial *dial;
    size_t i;
    crdti_zmq_tick(z);
    crdti_sock_listen_on(&z->listened, z->now_ms, z->keepalive_ms);
    crdti_zmq_forget(z);
    for (dial = z->dials; dial; dial = dial->next)
        crdti_zmq_dial_step(z, dial);
    for (i = 0; i < z->slots_end && z->links_count; i++)
        if (z->slots[i])
            crdti_zmq_link_step(z, z->slots[i]);
    for (i = 0; i < z->slots_end && z->links_count; i++)
        if (z->slots[i] && z->slots[i]->state == CRDTI_ZMQ_DEAD)
            crdti_zmq_bury(z, z->slots[i]);
    crdti_zmq_beat(z);
}

CRDTI_FN uint64_t crdti_zmq_link_due(const crdti_zmq *z,
                                     const crdti_zmq_link *link)
{
    uint64_t due = z->now_ms + link->heard_ms + z->silence_ms - z->listened.ms;
    if (link->state == CRDTI_ZMQ_DEAD || link->state == CRDTI_ZMQ_OPENING)
        return link->state == CRDTI_ZMQ_DEAD ? 0 : CRDTI_ZMQ_NEVER;
    if (link->is_pending) /* nothing tells when a ROUTER has room again */
        return z->now_ms + 1;
    if (link->refused || link->batch.len || link->state == CRDTI_ZMQ_LEAVING)
        return 0;
    return crdti_min(due, link->said_ms + z->keepalive_ms);
}

CRDTI_FN uint64_t crdti_zmq_due(const crdti_zmq *z)
{
    uint64_t due = crdti_zmq_has_deaf(z) ? z->beat_ms : CRDTI_ZMQ_NEVER;
    const crdti_zmq_dial *dial;
    size_t i;
    for (dial = z->dials; dial; dial = dial->next)
        if (!dial->link || dial->link->state == CRDTI_ZMQ_OPENING)
            due = crdti_min(due, dial->retry_ms);
    for (i = 0; i < z->slots_end && z->links_count; i++)
        if (z->slots[i])
            due = crdti_min(due, crdti_zmq_link_due(z, z->slots[i]));
    return due;
}

CRDTI_FN int crdti_zmq_timeout(const crdti_zmq *z, uint64_t most_ms)
{
    uint64_t due = crdti_zmq_due(z);
    if (due <= z->now_ms)
        return 0;
    return (int)crdti_min(most_ms, crdti_min(due - z->now_ms, INT32_MAX));
}

CRDTI_FN size_t crdti_zmq_items_max(const crdti_zmq *z)
{
    return 2 * z->peers_max + 4;
}

CRDTI_FN size_t crdti_zmq_collect(crdti_zmq *z)
{
    crdti_zmq_dial *dial;
    size_t count = 1, i;
    crdti_zero(z->items, crdti_zmq_items_max(z) * sizeof *z->items);
    z->items[0].fd = z->wake.reader;
    if (z->gate)
        z->items[count++].socket = z->gate;
    if (z->router)
        z->items[count++].socket = z->router;
    if (z->sub)
        z->items[count++].socket = z->sub;
    for (dial = z->dials; dial; dial = dial->next) {
        if (dial->waits && dial->link)
            z->items[count].events = ZMQ_POLLOUT;
        z->items[count++].socket = dial->socket;
    }
    z->monitors_at = count;
    for (dial = z->dials; dial; dial = dial->next)
        if (dial->monitor)
            z->items[count++].socket = dial->monitor;
    for (i = 0; i < count; i++)
        z->items[i].events |= ZMQ_POLLIN;
    return count;
}

/* >>table ----------------------------------------------------------------- */

CRDTI_FN crdt_err crdti_zmq_start(void *ctx, const crdt_upcalls *up)
{
    crdti_zmq *z = (crdti_zmq *)ctx;
    if (!up || up->version < 1 || z->up)
        return CRDT_ERR_ARG;
    z->up = up;
    return CRDT_OK;
}

/* A large message goes by itself, and at once. */
CRDTI_FN crdt_err crdti_zmq_send_large(crdti_zmq *z, crdti_zmq_link *link,
                                       crdt_bytes bytes)
{
    const size_t head = CRDTI_ZMQ_HEAD + CRDTI_ZMQ_LENGTH;
    uint8_t *at;
    if (zmq_msg_init_size(&link->pending, head + bytes.len))
        return CRDT_ERR_NOMEM;
    at = (uint8_t *)zmq_msg_data(&link->pending);
    at[0] = CRDTI_ZMQ_DATA;
    crdti_store64(at + 1, link->there);
    crdti_store32(at + CRDTI_ZMQ_HEAD, (uint32_t)bytes.len);
    crdti_copy(at + head, bytes.ptr, bytes.len);
    link->is_pending = 1;
    crdti_zmq_flush_pending(z, link);
    return link->state == CRDTI_ZMQ_UP ? CRDT_OK : CRDT_ERR_CLOSED;
}

/* Small ones gather until the next poll: each message of ZeroMQ costs. */
CRDTI_FN crdt_err crdti_zmq_gather(crdti_zmq_link *link, crdt_bytes bytes)
{
    uint8_t *at;
    if (crdti_buf_reserve(&link->batch, CRDTI_ZMQ_LENGTH + bytes.len))
        return CRDT_ERR_NOMEM;
    at = link->batch.ptr + link->batch.len;
    crdti_store32(at, (uint32_t)bytes.len);
    crdti_copy(at + CRDTI_ZMQ_LENGTH, bytes.ptr, bytes.len);
    link->batch.len += CRDTI_ZMQ_LENGTH + bytes.len;
    return CRDT_OK;
}

/* libzmq has the queue. One message more than it takes is kept here, so that
 * what was taken is never lost, and there is something to try again with. */
CRDTI_FN crdt_err crdti_zmq_send_one(crdti_zmq *z, crdti_zmq_link *link,
                                     crdt_bytes bytes)
{
    size_t len = CRDTI_ZMQ_LENGTH + bytes.len;
    if (!link || link->state != CRDTI_ZMQ_UP)
        return CRDT_ERR_CLOSED;
    if (bytes.len > z->message_max)
        return CRDT_ERR_LIMIT;
    if (link->batch.len + len > CRDTI_ZMQ_BATCH)
        crdti_zmq_flush(z, link);
    if (link->state != CRDTI_ZMQ_UP)
        return CRDT_ERR_CLOSED;
    if (link->is_pending) {
        link->refused = 1;
        return CRDT_ERR_AGAIN;
    }
    if (link->batch.len + len <= CRDTI_ZMQ_BATCH)
        return crdti_zmq_gather(link, bytes);
    return link->batch.len ? CRDT_ERR_NOMEM
                           : crdti_zmq_send_large(z, link, bytes);
}

/* To all: once to those who hear our feed, and to each of the others. */
CRDTI_FN crdt_err crdti_zmq_send_all(crdti_zmq *z, crdt_bytes bytes)
{
    size_t i;
    if (!z->pub)
        return CRDT_ERR_CLOSED;
    if (bytes.len > z->message_max)
        return CRDT_ERR_LIMIT;
    if (!crdti_zmq_publish(z, bytes))
        return CRDT_ERR_NOMEM;
    z->casts++;
    for (i = 0; i < z->slots_end; i++)
        if (z->slots[i] && z->slots[i]->state == CRDTI_ZMQ_UP &&
            !z->slots[i]->hears)
            (void)crdti_zmq_send_one(z, z->slots[i], bytes);
    return CRDT_OK;
}

CRDTI_FN crdt_err crdti_zmq_send(void *ctx, crdt_peer peer, crdt_bytes bytes)
{
    crdti_zmq *z = (crdti_zmq *)ctx;
    return peer ? crdti_zmq_send_one(z, crdti_zmq_find(z, peer), bytes)
                : crdti_zmq_send_all(z, bytes);
}

CRDTI_FN crdt_err crdti_zmq_poll(void *ctx, int timeout_ms)
{
    crdti_zmq *z = (crdti_zmq *)ctx;
    uint64_t upcalls = z->upcalls;
    crdti_zmq_dial *dial;
    size_t count, i;
    int wait_ms, ready;
    if (!z->up || z->polling)
        return CRDT_ERR_ARG;
    z->polling = 1;
    z->err = CRDT_OK;
    crdti_zmq_steps(z);
    count = crdti_zmq_collect(z);
    wait_ms = crdti_zmq_timeout(z, timeout_ms > 0 ? (uint64_t)timeout_ms : 0);
    if (z->upcalls != upcalls)
        wait_ms = 0; /* something has happened */
    ready = zmq_poll(z->items, (int)count, wait_ms);
    if (ready < 0 && zmq_errno() != EINTR)
        z->err = CRDT_ERR_IO;
    crdti_zmq_tick(z);
    for (i = 0; ready > 0 && i < z->monitors_at; i++) {
        if (!(z->items[i].revents & ZMQ_POLLIN))
            continue;
        if (i == 0)
            crdti_sock_wake_clear(&z->wake);
        else if (z->items[i].socket == z->gate)
            crdti_zmq_gate_serve(z);
        else
            crdti_zmq_read(z, z->items[i].socket);
    }
    for (dial = z->dials; dial && ready > 0; dial = dial->next)
        crdti_zmq_watch(z, dial);
    crdti_zmq_steps(z);
    z->polling = 0;
    return z->err;
}

CRDTI_FN void crdti_zmq_drop(void *ctx, crdt_peer peer, const char *why)
{
    crdti_zmq *z = (crdti_zmq *)ctx;
    crdti_zmq_link *link = crdti_zmq_find(z, peer);
    if (link)
        crdti_zmq_leave(z, link, why ? why : "");
}

CRDTI_FN void crdti_zmq_free(crdti_zmq *z)
{
    crdt_alloc alloc = z->alloc;
    crdti_zmq_dial *dial;
    size_t i;
    for (i = 0; z->slots && i < z->slots_end; i++)
        if (z->slots[i])
            crdti_zmq_link_free(z, z->slots[i]);
    while ((dial = z->dials) != NULL) {
        z->dials = dial->next;
        crdti_zmq_hang_up(dial);
        crdti_free(&alloc, dial, sizeof *dial);
    }
    if (z->router)
        (void)zmq_close(z->router);
    if (z->pub)
        (void)zmq_close(z->pub);
    if (z->sub)
        (void)zmq_close(z->sub);
    if (z->gate)
        (void)zmq_close(z->gate);
    while (z->owns_context && zmq_ctx_term(z->context) < 0 &&
           zmq_errno() == EINTR)
        continue;
    crdti_free(&alloc, z->slots, z->peers_max * sizeof(void *));
    crdti_sock_index_free(&z->index, &alloc);
    crdti_sock_wake_close(&z->wake);
    crdti_free(&alloc, z->items, crdti_zmq_items_max(z) * sizeof *z->items);
    crdti_free(&alloc, z->clients, 32 * z->clients_count);
    crdti_free(&alloc, z, sizeof *z);
}

CRDTI_FN void crdti_zmq_close(void *ctx)
{
    crdti_zmq *z = (crdti_zmq *)ctx;
    size_t i;
    CRDTI_ASSERT(!z->polling);
    for (i = 0; i < z->slots_end; i++) {
        crdti_zmq_link *link = z->slots[i];
        if (!link ||
            (link->state != CRDTI_ZMQ_UP && link->state != CRDTI_ZMQ_LEAVING))
            continue;
        crdti_zmq_flush(z, link);
        crdti_zmq_tell(z, link, CRDTI_ZMQ_BYE, crdt_bytes_of(NULL, 0));
    }
    crdti_zmq_free(z);
}

/* >>opening --------------------------------------------------------------- */

/* The transport behind a table, or NULL when it is of another adapter. */
CRDTI_FN crdti_zmq *crdti_zmq_of(const crdt_transport *transport)
{
    if (!transport || transport->close != crdti_zmq_close)
        return NULL;
    return (crdti_zmq *)transport->ctx;
}

CRDTI_FN crdt_err crdti_zmq_gate_open(crdti_zmq *z)
{
    z->gate = zmq_socket(z->context, ZMQ_REP);
    if (z->gate && zmq_bind(z->gate, "inproc://zeromq.zap.01") == 0)
        return CRDT_OK;
    crdti_zmq_log(z, "zmq", "cannot ask for keys");
    return CRDT_ERR_IO;
}

CRDTI_FN crdt_err crdti_zmq_listen(crdti_zmq *z, const char *endpoint)
{
    size_t len = sizeof z->listening;
    z->router = crdti_zmq_socket(z, ZMQ_ROUTER);
    if (!z->router)
        return CRDT_ERR_NOMEM;
    crdti_zmq_option(z->router, ZMQ_ROUTER_MANDATORY, 1);
    if (z->secret_key[0])
        crdti_zmq_option(z->router, ZMQ_CURVE_SERVER, 1);
    if (zmq_bind(z->router, endpoint) == 0 &&
        zmq_getsockopt(z->router, ZMQ_LAST_ENDPOINT, z->listening, &len) == 0)
        return CRDT_OK;
    crdti_zmq_log(z, endpoint, "cannot listen");
    return CRDT_ERR_IO;
}

/* Binds the PUB socket; how others dial it. */
CRDTI_FN crdt_err crdti_zmq_publish_at(crdti_zmq *z, const char *endpoint,
                                       const char *as)
{
    size_t len = sizeof z->publishing;
    z->pub = crdti_zmq_socket(z, ZMQ_PUB);
    z->feed = crdti_zmq_chance(z);
    if (!z->pub || !z->feed)
        return z->pub ? CRDT_ERR_IO : CRDT_ERR_NOMEM;
    if (z->secret_key[0])
        crdti_zmq_option(z->pub, ZMQ_CURVE_SERVER, 1);
    if (zmq_bind(z->pub, endpoint) == 0 &&
        zmq_getsockopt(z->pub, ZMQ_LAST_ENDPOINT, z->publishing, &len) == 0) {
        if (as)
            crdti_sock_text(z->publishing, sizeof z->publishing, as);
        return CRDT_OK;
    }
    crdti_zmq_log(z, endpoint, "cannot publish");
    return CRDT_ERR_IO;
}

CRDTI_FN crdt_err crdti_zmq_subscribe(crdti_zmq *z)
{
    z->sub = crdti_zmq_socket(z, ZMQ_SUB);
    if (!z->sub)
        return CRDT_ERR_NOMEM;
    return crdti_zmq_key(z->sub, ZMQ_CURVE_SERVERKEY, z->server_key)
               ? CRDT_OK
               : CRDT_ERR_ARG;
}

CRDTI_FN uint32_t crdti_zmq_or(uint32_t value, uint32_t otherwise)
{
    return value ? value : otherwise;
}

/* A key of 40 characters, or none. */
CRDTI_FN int crdti_zmq_key_set(char out[CRDTI_ZMQ_KEY], const char *key)
{
    uint8_t bytes[32];
    if (!key)
        return 1;
    if (strlen(key) != CRDTI_ZMQ_KEY - 1 || !zmq_z85_decode(bytes, key))
        return 0;
    crdti_copy(out, key, CRDTI_ZMQ_KEY);
    return 1;
}

CRDTI_FN crdt_err crdti_zmq_keys(crdti_zmq *z, const crdt_zmq_config *c)
{
    size_t i;
    if (!crdti_zmq_key_set(z->public_key, c->public_key) ||
        !crdti_zmq_key_set(z->secret_key, c->secret_key) ||
        !crdti_zmq_key_set(z->server_key, c->server_key) ||
        !c->public_key != !c->secret_key ||
        ((c->server_key || c->clients_count) && !c->secret_key))
        return CRDT_ERR_ARG;
    if (!c->clients_count)
        return CRDT_OK;
    z->clients = (uint8_t *)crdti_alloc(&z->alloc,
                                        crdti_mul_size(32, c->clients_count));
    if (!z->clients)
        return CRDT_ERR_NOMEM;
    z->clients_count = c->clients_count;
    for (i = 0; i < c->clients_count; i++)
        if (strlen(c->clients[i]) != CRDTI_ZMQ_KEY - 1 ||
            !zmq_z85_decode(z->clients + 32 * i, c->clients[i]))
            return CRDT_ERR_ARG;
    return CRDT_OK;
}

CRDTI_FN void crdti_zmq_configure(crdti_zmq *z, const crdt_zmq_config *c)
{
    crdti_zero(z, sizeof *z);
    z->alloc = *crdti_alloc_or_default(c->alloc);
    z->clock = *crdti_clock_or_default(c->clock);
    z->random = *crdti_random_or_default(c->random);
    if (c->log)
        z->log = *c->log;
    z->context = c->context;
    z->wake.reader = z->wake.writer = -1;
    z->last_dial = &z->dials;
    z->peers_max = c->peers_max ? c->peers_max : 1024;
    z->message_max = c->message_max ? c->message_max : 1052672;
    z->hwm = c->hwm > 0 ? c->hwm : 256;
    z->meet = c->meet;
    z->keepalive_ms = crdti_zmq_or(c->keepalive_ms, 2000);
    z->silence_ms = crdti_zmq_or(c->silence_ms, 10000);
    z->linger_ms = crdti_zmq_or(c->linger_ms, 100);
    z->backoff_min_ms = crdti_zmq_or(c->backoff_min_ms, 100);
    z->backoff_max_ms = crdti_zmq_or(c->backoff_max_ms, 10000);
    if (c->advertise)
        crdti_sock_text(z->advertise, sizeof z->advertise, c->advertise);
    crdti_zmq_tick(z);
}

/* After crdti_zmq_configure: what can fail. */
CRDTI_FN crdt_err crdti_zmq_begin(crdti_zmq *z, const crdt_zmq_config *c)
{
    size_t i;
    crdt_err err = CRDT_OK;
    z->slots = (crdti_zmq_link **)crdti_alloc(&z->alloc,
                                              z->peers_max * sizeof(void *));
    if (z->slots)
        crdti_zero(z->slots, z->peers_max * sizeof(void *));
    z->items = (zmq_pollitem_t *)crdti_alloc(
        &z->alloc, crdti_zmq_items_max(z) * sizeof *z->items);
    if (!z->context) {
        z->context = zmq_ctx_new();
        z->owns_context = z->context != NULL;
    }
    if (!z->slots || !z->items || !z->context ||
        crdti_sock_index_new(&z->index, &z->alloc, z->peers_max))
        return CRDT_ERR_NOMEM;
    if (z->owns_context)
        (void)zmq_ctx_set(z->context, ZMQ_MAX_SOCKETS,
                          (int)crdti_max(1024, 2 * z->peers_max));
    if (!crdti_sock_wake_open(&z->wake))
        return CRDT_ERR_IO;
    err = crdti_zmq_keys(z, c);
    if (!err && z->clients_count)
        err = crdti_zmq_gate_open(z);
    if (!err && c->listen)
        err = crdti_zmq_listen(z, c->listen);
    if (!err && c->publish)
        err = crdti_zmq_publish_at(z, c->publish, c->publish_as);
    if (!err && c->subscribe)
        err = crdti_zmq_subscribe(z);
    for (i = 0; !err && i < c->peers_count; i++)
        err = crdti_zmq_dial_add(z, c->peers[i]);
    return err;
}

CRDT_API crdt_err crdt_zmq_new(crdt_transport *out,
                               const crdt_zmq_config *config)
{
    const crdt_alloc *alloc;
    crdti_zmq *z;
    crdt_err err;
    if (!out || !config || config->peers_max > 0xffff ||
        (config->peers_count && !config->peers) ||
        (config->clients_count && !config->clients) ||
        (config->advertise && strlen(config->advertise) >= CRDTI_ZMQ_TEXT_MAX))
        return CRDT_ERR_ARG;
    alloc = crdti_alloc_or_default(config->alloc);
    z = (crdti_zmq *)crdti_alloc(alloc, sizeof *z);
    if (!z)
        return CRDT_ERR_NOMEM;
    crdti_zmq_configure(z, config);
    err = crdti_zmq_begin(z, config);
    if (err) {
        crdti_zmq_free(z);
        return err;
    }
    crdti_zero(out, sizeof *out);
    out->version = 1;
    out->ctx = z;
    if (!z->pub && !z->sub)
        out->properties = CRDT_RELIABLE | CRDT_ORDERED;
    if (z->pub)
        out->properties |= CRDT_BROADCAST;
    if (z->secret_key[0] && (!z->router || z->clients_count))
        out->properties |= CRDT_SEALED;
    out->message_max = z->message_max;
    out->start = crdti_zmq_start;
    out->send = crdti_zmq_send;
    out->poll = crdti_zmq_poll;
    out->drop = crdti_zmq_drop;
    out->close = crdti_zmq_close;
    return CRDT_OK;
}

CRDT_API const char *crdt_zmq_endpoint(const crdt_transport *transport)
{
    const crdti_zmq *z = crdti_zmq_of(transport);
    return z ? z->listening : "";
}

CRDT_API crdt_err crdt_zmq_add_peer(const crdt_transport *transport,
                                    const char *endpoint)
{
    crdti_zmq *z = crdti_zmq_of(transport);
    return z ? crdti_zmq_dial_add(z, endpoint) : CRDT_ERR_ARG;
}

CRDT_API crdt_err crdt_zmq_remove_peer(const crdt_transport *transport,
                                       const char *endpoint)
{
    crdti_zmq *z = crdti_zmq_of(transport);
    crdti_zmq_dial *dial =
        z && endpoint ? crdti_zmq_dial_find(z, endpoint) : NULL;
    if (!dial || dial->is_removed)
        return z && endpoint ? CRDT_ERR_NOT_FOUND : CRDT_ERR_ARG;
    dial->is_removed = 1;
    dial->retry_ms = 0;
    if (dial->link)
        crdti_zmq_leave(z, dial->link, "not wanted any more");
    return CRDT_OK;
}

/* What poll(2) is to ask of one of the items. Of what has come already the
 * descriptor may not tell again: *ready. */
CRDTI_FN int crdti_zmq_item_fd(const zmq_pollitem_t *item, int *ready)
{
    int fd = -1, events = 0;
    size_t len = sizeof fd;
    if (!item->socket)
        return item->fd;
    (void)zmq_getsockopt(item->socket, ZMQ_FD, &fd, &len);
    len = sizeof events;
    (void)zmq_getsockopt(item->socket, ZMQ_EVENTS, &events, &len);
    *ready |= (events & item->events) != 0;
    return fd;
}

CRDT_API size_t crdt_zmq_fds(const crdt_transport *transport,
                             struct pollfd *out, size_t max, int *timeout_ms)
{
    crdti_zmq *z = crdti_zmq_of(transport);
    size_t i, count;
    int ready = 0;
    if (!z || z->polling)
        return 0;
    crdti_zmq_tick(z);
    count = crdti_zmq_collect(z);
    for (i = 0; i < count; i++) {
        int fd = crdti_zmq_item_fd(&z->items[i], &ready);
        if (i >= max)
            continue;
        out[i].fd = fd;
        out[i].events = POLLIN;
        out[i].revents = 0;
    }
    if (!timeout_ms)
        return count;
    *timeout_ms = crdti_zmq_due(z) == CRDTI_ZMQ_NEVER
                      ? -1
                      : crdti_zmq_timeout(z, INT32_MAX);
    if (ready)
        *timeout_ms = 0;
    return count;
}

CRDT_API void crdt_zmq_wake(const crdt_transport *transport)
{
    const crdti_zmq *z = crdti_zmq_of(transport);
    if (z)
        crdti_sock_wake_up(&z->wake);
}

#endif /* CRDTSYNC_IMPLEMENTATION */
