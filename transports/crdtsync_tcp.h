/*
 * crdtsync_tcp - TCP and Unix sockets between nodes, on POSIX systems:
 * non-blocking, IPv4 and IPv6, one thread, poll(2).
 *
 *     #define CRDTSYNC_IMPLEMENTATION     // in one file, that of crdtsync.h;
 *     #include "crdtsync.h"               // adapters come behind it
 *     #include "crdtsync_tcp.h"           // beside it: crdtsync_socket.h
 *
 * SYNOPSIS
 *
 *     const char *peers[] = { "10.0.0.7:4711", "[::1]:4711", "box.lan:4711" };
 *     crdt_tcp_config config;
 *     crdt_transport tcp;
 *     memset(&config, 0, sizeof config);  // zero means default
 *     config.listen = ":4711";
 *     config.peers = peers;
 *     config.peers_count = 3;
 *     crdt_tcp_new(&tcp, &config);
 *     crdt_node_attach(node, &tcp);       // the node closes it
 *
 * A byte pipe, no more: frames, checksums, heartbeats and who is there are the
 * business of the node. Two nodes that dial each other get two links, and one
 * that dials itself gets both ends of one; the node uses one of the two, and
 * none to itself.
 *
 * WHAT BLOCKS
 *
 * Only the lookup of a name, once for each round of dialling its addresses; it
 * may take seconds when the resolver does not answer. Addresses in digits are
 * never looked up.
 *
 * OLD SYSTEMS, STRICT MODES
 *
 * It compiles with -std=c99 and no feature macros, where glibc hides some of
 * POSIX: see >>posix in crdtsync_socket.h.
 */
#ifndef CRDTSYNC_TCP_H
#define CRDTSYNC_TCP_H

#ifndef CRDTSYNC_VERSION
#error "include crdtsync.h before crdtsync_tcp.h"
#endif

#ifdef __cplusplus
extern "C" {
#endif

struct pollfd; /* of <poll.h> */

/* Zero means default. Tables and texts are copied. */
typedef struct crdt_tcp_config {
    const crdt_alloc *alloc;
    const crdt_clock *clock;
    const crdt_random *random; /* for jitter alone: need not be secret */
    const crdt_log *log;       /* NULL: silent */
    const char *listen;        /* "host:port", "[v6]:port", ":port" for all
        interfaces; port 0: any, see crdt_tcp_port; "unix:/path", which is
        removed again at the end. NULL: nobody can dial us */
    const char *const *peers;  /* to be kept connected, as crdt_tcp_add_peer */
    size_t peers_count;
    size_t peers_max; /* links and dialled peers at once; 0: 1,024. Who comes
        when all places are taken waits in the queue of the system */
    size_t queue_max; /* bytes queued for one peer; 0: 4 MiB */
    uint32_t connect_ms; /* given up after so long; 0: 5,000 */
    uint32_t linger_ms;  /* a dropped peer has so long to take what is queued
        for it; 0: 1,000 */
    /* The n-th attempt in a row waits a random time between 0 and
     * min * 2^n, at most max. A link that lived for max ends the row. */
    uint32_t backoff_min_ms; /* 0: 100 */
    uint32_t backoff_max_ms; /* 0: 10,000 */
} crdt_tcp_config;

/* Listens; dials from the first poll on. Give it to a node, or end it with
 * out->close(out->ctx). ARG (an address that is none), LIMIT (too many peers),
 * IO (cannot listen there; the log says why), NOMEM. */
CRDT_API crdt_err crdt_tcp_new(crdt_transport *out,
                               const crdt_tcp_config *config);

/* The port that it listens on; 0 when it does not, or is no TCP. */
CRDT_API unsigned crdt_tcp_port(const crdt_transport *transport);

/* One more peer to keep connected; OK when it is one already. ARG, NOMEM,
 * LIMIT (peers_max). */
CRDT_API crdt_err crdt_tcp_add_peer(const crdt_transport *transport,
                                    const char *address);
/* It is not dialled any more, and the link that came of it ends. ARG,
 * NOT_FOUND. */
CRDT_API crdt_err crdt_tcp_remove_peer(const crdt_transport *transport,
                                       const char *address);

/* For a program with a loop of its own: what to wait for now. Fills at most
 * `max` and returns how many there are; ask before each wait, not from within
 * an upcall. When one is ready, or after `*timeout_ms` (-1: whenever; may be
 * NULL), poll the node with timeout 0. */
CRDT_API size_t crdt_tcp_fds(const crdt_transport *transport,
                             struct pollfd *out, size_t max, int *timeout_ms);

/* Ends the wait of a poll, or the next one. Of all functions this one alone
 * may be called by any thread and by signal handlers, while the transport is
 * open. */
CRDT_API void crdt_tcp_wake(const crdt_transport *transport);

#ifdef __cplusplus
}
#endif

#endif /* CRDTSYNC_TCP_H */

#if defined(CRDTSYNC_IMPLEMENTATION) && !defined(CRDTSYNC_TCP_IMPLEMENTED)
#define CRDTSYNC_TCP_IMPLEMENTED

#ifndef CRDTSYNC_IMPLEMENTED
#error "define CRDTSYNC_IMPLEMENTATION before including crdtsync.h"
#endif

#include "crdtsync_socket.h"

#include <netinet/tcp.h>

/* A peer that is gone must be an error, not the signal SIGPIPE. */
#ifdef MSG_NOSIGNAL
#define CRDTI_TCP_NOSIGNAL MSG_NOSIGNAL
#elif defined(SO_NOSIGPIPE)
#define CRDTI_TCP_NOSIGNAL 0
#else
#error "neither MSG_NOSIGNAL nor SO_NOSIGPIPE: define what makes them visible"
#endif

/* >>data ------------------------------------------------------------------ */

#define CRDTI_TCP_WHY_MAX 80
#define CRDTI_TCP_READ_SIZE 65536u
#define CRDTI_TCP_READS_MAX 8    /* a link and poll: then it is others' turn */
#define CRDTI_TCP_ACCEPTS_MAX 64 /* a poll */
#define CRDTI_TCP_PAUSE_MS 100   /* no accepting while memory or fds lack */
#define CRDTI_TCP_IDLE_MS 1000   /* then empty queues give back their memory */
#define CRDTI_TCP_NO_SLOT SIZE_MAX
#define CRDTI_TCP_NEVER UINT64_MAX

/*
 *     CONNECTING --> UP --> LEAVING --> DEAD
 *          '-------- '------------------^
 *
 * CONNECTING has no number and is known to its dial alone; UP, LEAVING and
 * DEAD are in crdti_tcp.links until peer_down is told.
 */
typedef enum crdti_tcp_state {
    CRDTI_TCP_CONNECTING,
    CRDTI_TCP_UP,
    CRDTI_TCP_LEAVING, /* dropped: flushes, says so, waits for the end */
    CRDTI_TCP_DEAD
} crdti_tcp_state;

/* Senders fill `fill`; what is written comes from `drain` first, and the two
 * are exchanged when that is through. So nothing is ever moved, and one call
 * writes all that was queued:
 *
 *     drain [ written ... | 1111 2222 33 ]  fill [ 33 4444 5555 ]
 *                         pos
 */
typedef struct crdti_tcp_link {
    int fd;
    crdti_tcp_state state;
    crdt_peer peer;
    struct crdti_tcp_dial *dial; /* NULL: accepted */
    crdt_buf fill, drain;
    size_t pos;
    size_t refused;    /* bytes of the last send; 0: it was taken */
    size_t slot;       /* in crdti_tcp.fds */
    uint64_t since_ms; /* in this state */
    uint64_t up_ms;    /* since when it was up */
    uint64_t used_ms;  /* when something was queued last */
    int finished;      /* our end was said */
    char name[CRDTI_SOCK_NAME_MAX];
    char why[CRDTI_TCP_WHY_MAX];
} crdti_tcp_link;

/* A peer to be kept connected: waits until retry_ms, or has a link. */
typedef struct crdti_tcp_dial {
    char name[CRDTI_SOCK_NAME_MAX]; /* "tcp:" and the address as given, or
        that as it is: "unix:/path" */
    crdti_sock_address addresses[CRDTI_SOCK_ADDRESSES_MAX];
    size_t count, next; /* addresses; the next to be tried */
    crdti_tcp_link *link;
    uint64_t retry_ms;
    unsigned attempts; /* in a row */
    int complained;    /* in the log, of this row */
    int is_removed;    /* to be forgotten */
} crdti_tcp_dial;

/* The arrays have room for peers_max (fds: two more) from the start: nothing
 * but links, queues and dials is allocated later. */
typedef struct crdti_tcp {
    crdt_alloc alloc;
    crdt_clock clock;
    crdt_random random;
    crdt_log log;
    const crdt_upcalls *up;
    crdti_tcp_link **links; /* by number, which is the order of coming */
    size_t links_count;
    crdti_tcp_dial **dials;
    size_t dials_count;
    struct pollfd *fds;
    uint8_t *bytes; /* CRDTI_TCP_READ_SIZE */
    size_t peers_max, queue_max;
    uint32_t connect_ms, linger_ms, backoff_min_ms, backoff_max_ms;
    uint64_t now_ms;
    uint64_t accept_ms;      /* not before */
    uint64_t upcalls;        /* made so far */
    crdt_peer peers;         /* numbers given so far */
    crdt_err err;            /* of this poll */
    int listener;            /* or -1 */
    crdti_sock_address path; /* of the listener; len 0: none, not AF_UNIX */
    crdti_sock_wake wake;
    unsigned port;
    int complained; /* that nothing can be accepted */
    int polling;
} crdti_tcp;

/* >>text ------------------------------------------------------------------ */

CRDTI_FN void crdti_tcp_log(crdti_tcp *t, const char *name, const char *what,
                            const char *why)
{
    char line[CRDTI_SOCK_NAME_MAX + 160];
    if (!t->log.line)
        return;
    snprintf(line, sizeof line, "%s: %s: %s", name, what, why);
    t->log.line(t->log.ctx, line);
}

/* What was given as an address. */
CRDTI_FN const char *crdti_tcp_given(const char *name)
{
    return crdti_sock_unix_path(name) ? name : name + 4;
}

CRDTI_FN void crdti_tcp_name(char out[CRDTI_SOCK_NAME_MAX],
                             const char *address)
{
    snprintf(out, CRDTI_SOCK_NAME_MAX, "%s%s",
             crdti_sock_unix_path(address) ? "" : "tcp:", address);
}

/* Whether one can listen there, or dial it. */
CRDTI_FN int crdti_tcp_is_address(const char *address, int to_dial)
{
    crdti_sock_address local;
    char host[256], port[6];
    const char *path = crdti_sock_unix_path(address);
    if (path)
        return crdti_sock_unix_address(path, &local);
    return crdti_sock_split(address, host, port) &&
           (!to_dial || (host[0] && strcmp(port, "0") != 0));
}

/* >>sockets --------------------------------------------------------------- */

/* Messages go out when we say, not when Nagle's algorithm thinks best. */
CRDTI_FN void crdti_tcp_tune(int fd)
{
    crdti_sock_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    crdti_sock_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
#ifdef SO_NOSIGPIPE
    crdti_sock_option(fd, SOL_SOCKET, SO_NOSIGPIPE, 1);
#endif
}

/* Two sockets cannot both be one end: a port dialled while nobody listens may
 * be given to the dialler itself, which then talks to itself. */
CRDTI_FN int crdti_tcp_is_itself(int fd)
{
    crdti_sock_address here, there;
    char here_name[CRDTI_SOCK_NAME_MAX], there_name[CRDTI_SOCK_NAME_MAX];
    crdti_sock_end(fd, 0, &here);
    crdti_sock_end(fd, 1, &there);
    if (!here.of.ss_family ||
        crdti_sock_port(&here) != crdti_sock_port(&there))
        return 0;
    crdti_sock_name(here_name, "tcp", &here);
    crdti_sock_name(there_name, "tcp", &there);
    return strcmp(here_name, there_name) == 0;
}

CRDTI_FN void crdti_tcp_tick(crdti_tcp *t)
{
    t->now_ms = t->clock.mono_ms(t->clock.ctx);
}

/* >>links ----------------------------------------------------------------- */

CRDTI_FN crdti_tcp_link *crdti_tcp_link_new(crdti_tcp *t)
{
    crdti_tcp_link *link =
        (crdti_tcp_link *)crdti_alloc(&t->alloc, sizeof *link);
    if (!link) {
        t->err = CRDT_ERR_NOMEM;
        return NULL;
    }
    crdti_zero(link, sizeof *link);
    link->fd = -1;
    link->slot = CRDTI_TCP_NO_SLOT;
    link->since_ms = link->used_ms = t->now_ms;
    link->fill.alloc = link->drain.alloc = &t->alloc;
    return link;
}

CRDTI_FN void crdti_tcp_link_free(crdti_tcp *t, crdti_tcp_link *link)
{
    crdti_sock_shut(link->fd);
    crdt_buf_free(&link->fill);
    crdt_buf_free(&link->drain);
    crdti_free(&t->alloc, link, sizeof *link);
}

/* Numbers only grow, and so do they in the array. */
CRDTI_FN crdti_tcp_link *crdti_tcp_find(const crdti_tcp *t, crdt_peer peer)
{
    size_t low = 0, high = t->links_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (t->links[mid]->peer < peer)
            low = mid + 1;
        else
            high = mid;
    }
    return low < t->links_count && t->links[low]->peer == peer ? t->links[low]
                                                               : NULL;
}

CRDTI_FN size_t crdti_tcp_queued(const crdti_tcp_link *link)
{
    return link->drain.len - link->pos + link->fill.len;
}

CRDTI_FN void crdti_tcp_state_set(crdti_tcp *t, crdti_tcp_link *link,
                                  crdti_tcp_state state)
{
    link->state = state;
    link->since_ms = t->now_ms;
}

/* It is told and buried when the poll has no one else in hand. */
CRDTI_FN void crdti_tcp_die(crdti_tcp *t, crdti_tcp_link *link,
                            const char *why)
{
    CRDTI_ASSERT(link->state != CRDTI_TCP_CONNECTING);
    if (link->state == CRDTI_TCP_DEAD)
        return;
    if (link->state == CRDTI_TCP_UP)
        crdti_sock_text(link->why, sizeof link->why, why);
    crdti_tcp_state_set(t, link, CRDTI_TCP_DEAD);
}

/* The link is there: it gets its number, and the node hears of it. */
CRDTI_FN void crdti_tcp_link_up(crdti_tcp *t, crdti_tcp_link *link)
{
    CRDTI_ASSERT(t->links_count < t->peers_max);
    crdti_tcp_state_set(t, link, CRDTI_TCP_UP);
    crdti_tcp_tune(link->fd);
    link->slot = CRDTI_TCP_NO_SLOT;
    link->up_ms = t->now_ms;
    link->peer = ++t->peers;
    t->links[t->links_count++] = link;
    t->upcalls++;
    t->up->peer_up(t->up->ctx, link->peer, link->name);
}

/* >>writing --------------------------------------------------------------- */

CRDTI_FN void crdti_tcp_exchange(crdti_tcp_link *link)
{
    crdt_buf empty = link->drain;
    link->drain = link->fill;
    link->fill = empty;
    link->fill.len = link->pos = 0;
}

CRDTI_FN void crdti_tcp_written(crdti_tcp_link *link, size_t len)
{
    size_t first = crdti_min_size(len, link->drain.len - link->pos);
    CRDTI_ASSERT(len <= crdti_tcp_queued(link));
    link->pos += first;
    if (link->pos < link->drain.len)
        return;
    crdti_tcp_exchange(link);
    link->pos = len - first;
    if (link->pos == link->drain.len)
        link->pos = link->drain.len = 0;
}

/* One call for all that is queued; the bytes written, or -1 and errno. */
CRDTI_FN ssize_t crdti_tcp_write(crdti_tcp_link *link)
{
    struct iovec parts[2];
    struct msghdr message;
    if (link->pos == link->drain.len)
        crdti_tcp_exchange(link);
    parts[0].iov_base = link->drain.ptr + link->pos;
    parts[0].iov_len = link->drain.len - link->pos;
    parts[1].iov_base = link->fill.ptr;
    parts[1].iov_len = link->fill.len;
    crdti_zero(&message, sizeof message);
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    return sendmsg(link->fd, &message, CRDTI_TCP_NOSIGNAL);
}

/* As much as the system takes. When it takes none ever again, the queue is
 * given up; what the peer said before it went is still read, and then it is
 * down: see crdti_tcp_read. */
CRDTI_FN void crdti_tcp_flush(crdti_tcp *t, crdti_tcp_link *link)
{
    size_t queued = crdti_tcp_queued(link);
    ssize_t len;
    if (!queued || link->finished)
        return;
    do
        len = crdti_tcp_write(link);
    while (len < 0 && errno == EINTR);
    if (len >= 0) {
        crdti_tcp_written(link, (size_t)len);
    } else if (!crdti_sock_would_block(errno)) {
        if (link->state == CRDTI_TCP_UP)
            crdti_sock_text(link->why, sizeof link->why, strerror(errno));
        link->fill.len = link->drain.len = link->pos = 0;
        link->finished = 1;
    }
    link->used_ms = t->now_ms;
}

/* There is room for what was refused, and not just for that. */
CRDTI_FN int crdti_tcp_has_room(const crdti_tcp *t, const crdti_tcp_link *link)
{
    size_t queued = crdti_tcp_queued(link);
    return link->state == CRDTI_TCP_UP && !link->finished &&
           link->refused > 0 && queued <= t->queue_max / 2 &&
           link->refused <= t->queue_max - queued;
}

CRDTI_FN void crdti_tcp_tell_writable(crdti_tcp *t, crdti_tcp_link *link)
{
    if (!crdti_tcp_has_room(t, link))
        return;
    link->refused = 0;
    t->upcalls++;
    t->up->writable(t->up->ctx, link->peer);
}

/* >>leaving ---------------------------------------------------------------
 * Closing a socket with bytes unread resets the connection, and what we sent
 * last may be lost on the other side. So a dropped link writes what is queued,
 * says that this was all, and reads and forgets until the other side ends
 * too, or its time is over. */

CRDTI_FN void crdti_tcp_leave(crdti_tcp *t, crdti_tcp_link *link,
                              const char *why)
{
    if (link->state != CRDTI_TCP_UP)
        return;
    crdti_sock_text(link->why, sizeof link->why, why);
    crdti_tcp_tick(t);
    crdti_tcp_state_set(t, link, CRDTI_TCP_LEAVING);
}

CRDTI_FN void crdti_tcp_leave_step(crdti_tcp *t, crdti_tcp_link *link)
{
    if (link->state != CRDTI_TCP_LEAVING)
        return;
    if (!crdti_tcp_queued(link) && !link->finished) {
        link->finished = 1;
        (void)shutdown(link->fd, SHUT_WR);
    }
    if (t->now_ms - link->since_ms >= t->linger_ms)
        crdti_tcp_die(t, link, "");
}

/* Buffers that were large once are not kept for ever. */
CRDTI_FN void crdti_tcp_rest(crdti_tcp *t, crdti_tcp_link *link)
{
    if (crdti_tcp_queued(link) || !(link->fill.cap + link->drain.cap) ||
        t->now_ms - link->used_ms < CRDTI_TCP_IDLE_MS)
        return;
    crdt_buf_free(&link->fill);
    crdt_buf_free(&link->drain);
}

/* >>dialling -------------------------------------------------------------- */

/* The dial has no link (any more): it comes back later. */
CRDTI_FN void crdti_tcp_dial_later(crdti_tcp *t, crdti_tcp_dial *dial)
{
    dial->link = NULL;
    dial->next = 0;
    dial->retry_ms =
        t->now_ms + crdti_sock_backoff_ms(&t->random, t->backoff_min_ms,
                                          t->backoff_max_ms, dial->attempts);
    if (dial->attempts < 32)
        dial->attempts++;
}

/* All addresses have failed, the last for this reason. A name is looked up
 * anew the next time: its address may be another by then. */
CRDTI_FN void crdti_tcp_dial_failed(crdti_tcp *t, crdti_tcp_dial *dial,
                                    const char *why)
{
    if (!dial->complained)
        crdti_tcp_log(t, dial->name, "cannot connect, will go on trying", why);
    dial->complained = 1;
    dial->count = 0;
    crdti_tcp_dial_later(t, dial);
}

/* The link that was CONNECTING is connected. */
CRDTI_FN void crdti_tcp_dial_done(crdti_tcp *t, crdti_tcp_dial *dial)
{
    dial->complained = 0;
    crdti_tcp_link_up(t, dial->link);
}

/* A socket on its way to the address, or -1 and errno. */
CRDTI_FN int crdti_tcp_connect(const crdti_sock_address *address)
{
    int fd = crdti_sock_open(address->of.ss_family, SOCK_STREAM);
    if (fd < 0)
        return -1;
    if (connect(fd, crdti_sock_generic(address), address->len) == 0 ||
        errno == EINPROGRESS || errno == EINTR)
        return fd;
    crdti_sock_shut(fd);
    return -1;
}

/* Goes on to the next address that can be tried. That it is connected is seen
 * in a poll, also when it is so at once. */
CRDTI_FN void crdti_tcp_dial_next(crdti_tcp *t, crdti_tcp_dial *dial,
                                  const char *why)
{
    crdti_tcp_link *link;
    int fd = -1;
    while (fd < 0 && dial->next < dial->count) {
        fd = crdti_tcp_connect(&dial->addresses[dial->next++]);
        if (fd < 0)
            why = strerror(errno);
    }
    if (fd < 0) {
        crdti_tcp_dial_failed(t, dial, why);
        return;
    }
    link = crdti_tcp_link_new(t);
    if (!link) {
        crdti_sock_shut(fd);
        crdti_tcp_dial_failed(t, dial, crdt_err_text(CRDT_ERR_NOMEM));
        return;
    }
    link->fd = fd;
    link->dial = dial;
    crdti_sock_text(link->name, sizeof link->name, dial->name);
    dial->link = link;
}

CRDTI_FN void crdti_tcp_dial_begin(crdti_tcp *t, crdti_tcp_dial *dial)
{
    const char *why = NULL;
    dial->next = 0;
    if (!dial->count)
        why = crdti_sock_resolve(crdti_tcp_given(dial->name), SOCK_STREAM, 0,
                                 dial->addresses, CRDTI_SOCK_ADDRESSES_MAX,
                                 &dial->count);
    crdti_tcp_tick(t); /* that may have taken a while */
    if (why)
        crdti_tcp_dial_failed(t, dial, why);
    else
        crdti_tcp_dial_next(t, dial, "");
}

/* This address did not do; the next one at once. */
CRDTI_FN void crdti_tcp_dial_miss(crdti_tcp *t, crdti_tcp_dial *dial,
                                  const char *why)
{
    crdti_tcp_link_free(t, dial->link);
    dial->link = NULL;
    crdti_tcp_dial_next(t, dial, why);
}

/* The system has something to say about the connection. */
CRDTI_FN void crdti_tcp_dial_ready(crdti_tcp *t, crdti_tcp_dial *dial)
{
    int fd = dial->link->fd, error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        error = errno;
    if (error)
        crdti_tcp_dial_miss(t, dial, strerror(error));
    else if (crdti_tcp_is_itself(fd))
        crdti_tcp_dial_miss(t, dial, "nobody is there");
    else
        crdti_tcp_dial_done(t, dial);
}

CRDTI_FN int crdti_tcp_is_connecting(const crdti_tcp_dial *dial)
{
    return dial->link && dial->link->state == CRDTI_TCP_CONNECTING;
}

CRDTI_FN int crdti_tcp_is_linked(const crdti_tcp_dial *dial)
{
    return dial->link && dial->link->state != CRDTI_TCP_CONNECTING;
}

/* When the dial next wants to be seen to. */
CRDTI_FN uint64_t crdti_tcp_dial_due(const crdti_tcp *t,
                                     const crdti_tcp_dial *dial)
{
    if (dial->is_removed)
        return crdti_tcp_is_linked(dial) ? CRDTI_TCP_NEVER : 0;
    if (!dial->link)
        return t->peers < UINT32_MAX ? dial->retry_ms : CRDTI_TCP_NEVER;
    if (crdti_tcp_is_connecting(dial))
        return dial->link->since_ms + t->connect_ms;
    return CRDTI_TCP_NEVER;
}

CRDTI_FN void crdti_tcp_dial_step(crdti_tcp *t, crdti_tcp_dial *dial)
{
    if (t->now_ms < crdti_tcp_dial_due(t, dial))
        return;
    if (dial->link)
        crdti_tcp_dial_miss(t, dial, "it takes too long");
    else
        crdti_tcp_dial_begin(t, dial);
}

/* >>accepting ------------------------------------------------------------- */

/* Dialled peers have their places even while they are not connected. */
CRDTI_FN size_t crdti_tcp_places_taken(const crdti_tcp *t)
{
    size_t i, taken = t->links_count;
    for (i = 0; i < t->dials_count; i++)
        taken += !t->dials[i]->link || crdti_tcp_is_connecting(t->dials[i]);
    return taken;
}

CRDTI_FN int crdti_tcp_may_accept(const crdti_tcp *t)
{
    return t->listener >= 0 && t->now_ms >= t->accept_ms &&
           t->peers < UINT32_MAX && crdti_tcp_places_taken(t) < t->peers_max;
}

/* Of a listener that cannot give, poll would tell without end. */
CRDTI_FN void crdti_tcp_accept_failed(crdti_tcp *t, int error)
{
    if (error != EMFILE && error != ENFILE && error != ENOMEM &&
        error != ENOBUFS)
        return;
    t->accept_ms = t->now_ms + CRDTI_TCP_PAUSE_MS;
    if (!t->complained)
        crdti_tcp_log(t, "tcp", "cannot accept, will go on trying",
                      strerror(error));
    t->complained = 1;
}

/* Whether there may be more. */
CRDTI_FN int crdti_tcp_accept_one(crdti_tcp *t)
{
    crdti_sock_address from;
    crdti_tcp_link *link = crdti_tcp_link_new(t);
    if (!link) {
        crdti_tcp_accept_failed(t, ENOMEM);
        return 0;
    }
    link->fd = accept(t->listener, NULL, NULL);
    if (link->fd >= 0 && crdti_sock_prepare(link->fd)) {
        crdti_sock_end(link->fd, 1, &from);
        crdti_sock_name(link->name, "tcp", &from);
        t->complained = 0;
        crdti_tcp_link_up(t, link);
        return 1;
    }
    if (link->fd < 0)
        crdti_tcp_accept_failed(t, errno);
    crdti_tcp_link_free(t, link);
    return 0;
}

CRDTI_FN void crdti_tcp_accept(crdti_tcp *t)
{
    int count;
    for (count = 0; count < CRDTI_TCP_ACCEPTS_MAX; count++)
        if (!crdti_tcp_may_accept(t) || !crdti_tcp_accept_one(t))
            return;
}

/* >>reading --------------------------------------------------------------- */

CRDTI_FN void crdti_tcp_take(crdti_tcp *t, crdti_tcp_link *link, size_t len)
{
    if (link->state != CRDTI_TCP_UP)
        return; /* it was dropped: we want no more */
    t->upcalls++;
    t->up->received(t->up->ctx, link->peer, crdt_bytes_of(t->bytes, len));
}

/* Whether there may be more. A peer that can be written to no longer may have
 * said something before: it is down when that has been read. */
CRDTI_FN int crdti_tcp_read_one(crdti_tcp *t, crdti_tcp_link *link)
{
    ssize_t len;
    do
        len = recv(link->fd, t->bytes, CRDTI_TCP_READ_SIZE, 0);
    while (len < 0 && errno == EINTR);
    if (len > 0) {
        crdti_tcp_take(t, link, (size_t)len);
        return link->finished || len == (ssize_t)CRDTI_TCP_READ_SIZE;
    }
    if (len == 0)
        crdti_tcp_die(t, link, "closed by the peer");
    else if (!crdti_sock_would_block(errno))
        crdti_tcp_die(t, link, strerror(errno));
    else if (link->finished && link->state == CRDTI_TCP_UP)
        crdti_tcp_die(t, link, link->why);
    return 0;
}

CRDTI_FN void crdti_tcp_read(crdti_tcp *t, crdti_tcp_link *link)
{
    int count;
    for (count = 0; count < CRDTI_TCP_READS_MAX; count++)
        if (link->state == CRDTI_TCP_DEAD || !crdti_tcp_read_one(t, link))
            return;
}

/* >>waiting --------------------------------------------------------------- */

CRDTI_FN size_t crdti_tcp_fds_add(struct pollfd *fds, size_t count, size_t max,
                                  int fd, int events)
{
    if (count < max) {
        fds[count].fd = fd;
        fds[count].events = (short)events;
        fds[count].revents = 0;
    }
    return count + 1;
}

CRDTI_FN int crdti_tcp_link_events(const crdti_tcp_link *link)
{
    if (link->state == CRDTI_TCP_CONNECTING)
        return POLLOUT;
    return crdti_tcp_queued(link) > 0 ? POLLIN | POLLOUT : POLLIN;
}

/* In this order: what wakes, the listener, links, links that are not yet up.
 */
CRDTI_FN size_t crdti_tcp_collect(const crdti_tcp *t, struct pollfd *fds,
                                  size_t max)
{
    size_t i, count = crdti_tcp_fds_add(fds, 0, max, t->wake.reader, POLLIN);
    if (crdti_tcp_may_accept(t))
        count = crdti_tcp_fds_add(fds, count, max, t->listener, POLLIN);
    for (i = 0; i < t->links_count; i++) {
        t->links[i]->slot = count;
        count = crdti_tcp_fds_add(fds, count, max, t->links[i]->fd,
                                  crdti_tcp_link_events(t->links[i]));
    }
    for (i = 0; i < t->dials_count; i++) {
        if (!crdti_tcp_is_connecting(t->dials[i]))
            continue;
        t->dials[i]->link->slot = count;
        count =
            crdti_tcp_fds_add(fds, count, max, t->dials[i]->link->fd, POLLOUT);
    }
    return count;
}

/* When time alone makes something happen. */
CRDTI_FN uint64_t crdti_tcp_due(const crdti_tcp *t)
{
    uint64_t due = CRDTI_TCP_NEVER;
    size_t i;
    if (t->listener >= 0 && t->now_ms < t->accept_ms)
        due = t->accept_ms;
    for (i = 0; i < t->dials_count; i++)
        due = crdti_min(due, crdti_tcp_dial_due(t, t->dials[i]));
    for (i = 0; i < t->links_count; i++) {
        const crdti_tcp_link *link = t->links[i];
        if (link->state == CRDTI_TCP_LEAVING)
            due = crdti_min(due, link->since_ms + t->linger_ms);
        else if (link->state == CRDTI_TCP_DEAD || link->finished ||
                 crdti_tcp_has_room(t, link))
            due = 0;
    }
    return due;
}

CRDTI_FN int crdti_tcp_timeout(const crdti_tcp *t, uint64_t most_ms)
{
    uint64_t due = crdti_tcp_due(t);
    if (due <= t->now_ms)
        return 0;
    return (int)crdti_min(most_ms, crdti_min(due - t->now_ms, INT32_MAX));
}

/* >>poll ------------------------------------------------------------------ */

/* Upcalls may send, drop and add peers. None of these frees a link or takes
 * one from the array, and new ones come behind. */

CRDTI_FN void crdti_tcp_flush_all(crdti_tcp *t)
{
    size_t i;
    for (i = 0; i < t->links_count; i++)
        if (t->links[i]->state != CRDTI_TCP_DEAD)
            crdti_tcp_flush(t, t->links[i]);
}

/* Those that were removed, as soon as they have no link. */
CRDTI_FN void crdti_tcp_forget(crdti_tcp *t)
{
    size_t i, kept = 0;
    for (i = 0; i < t->dials_count; i++) {
        crdti_tcp_dial *dial = t->dials[i];
        if (dial->is_removed && crdti_tcp_is_linked(dial))
            crdti_tcp_leave(t, dial->link, "not wanted any more");
        if (!dial->is_removed || crdti_tcp_is_linked(dial)) {
            t->dials[kept++] = dial;
            continue;
        }
        if (dial->link)
            crdti_tcp_link_free(t, dial->link);
        crdti_free(&t->alloc, dial, sizeof *dial);
    }
    t->dials_count = kept;
}

CRDTI_FN void crdti_tcp_step_all(crdti_tcp *t)
{
    size_t i;
    crdti_tcp_forget(t);
    for (i = 0; i < t->dials_count; i++)
        crdti_tcp_dial_step(t, t->dials[i]);
    for (i = 0; i < t->links_count; i++) {
        crdti_tcp_tell_writable(t, t->links[i]);
        crdti_tcp_leave_step(t, t->links[i]);
        crdti_tcp_rest(t, t->links[i]);
    }
}

CRDTI_FN void crdti_tcp_bury(crdti_tcp *t, size_t index)
{
    crdti_tcp_link *link = t->links[index];
    crdti_tcp_dial *dial = link->dial;
    uint64_t lived_ms = t->now_ms - link->up_ms;
    t->links_count--;
    crdti_move(t->links + index, t->links + index + 1,
               (t->links_count - index) * sizeof(void *));
    if (dial) {
        if (lived_ms >= t->backoff_max_ms)
            dial->attempts = 0;
        crdti_tcp_dial_later(t, dial);
    }
    t->upcalls++;
    t->up->peer_down(t->up->ctx, link->peer, link->why);
    crdti_tcp_link_free(t, link);
}

CRDTI_FN void crdti_tcp_bury_all(crdti_tcp *t)
{
    size_t i = 0;
    while (i < t->links_count)
        if (t->links[i]->state == CRDTI_TCP_DEAD)
            crdti_tcp_bury(t, i);
        else
            i++;
}

/* What poll(2) said of a link; 0 when it was not asked. */
CRDTI_FN int crdti_tcp_revents(const crdti_tcp *t, const crdti_tcp_link *link,
                               size_t asked)
{
    return link->slot < asked ? t->fds[link->slot].revents : 0;
}

CRDTI_FN void crdti_tcp_serve_all(crdti_tcp *t, size_t asked, int listening)
{
    size_t i, links = t->links_count;
    for (i = 0; i < links; i++) {
        crdti_tcp_link *link = t->links[i];
        int is = crdti_tcp_revents(t, link, asked);
        if (link->finished || (is & ~POLLOUT))
            crdti_tcp_read(t, link);
    }
    for (i = 0; i < t->dials_count; i++)
        if (crdti_tcp_is_connecting(t->dials[i]) &&
            crdti_tcp_revents(t, t->dials[i]->link, asked))
            crdti_tcp_dial_ready(t, t->dials[i]);
    if (listening && t->fds[1].revents)
        crdti_tcp_accept(t);
}

CRDTI_FN crdt_err crdti_tcp_poll(void *ctx, int timeout_ms)
{
    crdti_tcp *t = (crdti_tcp *)ctx;
    uint64_t upcalls = t->upcalls;
    size_t asked;
    int listening, ready, wait_ms;
    if (!t->up || t->polling)
        return CRDT_ERR_ARG;
    t->polling = 1;
    t->err = CRDT_OK;
    crdti_tcp_tick(t);
    crdti_tcp_flush_all(t);
    crdti_tcp_step_all(t);
    crdti_tcp_bury_all(t);
    listening = crdti_tcp_may_accept(t);
    asked = crdti_tcp_collect(t, t->fds, t->peers_max + 2);
    wait_ms = crdti_tcp_timeout(t, timeout_ms > 0 ? (uint64_t)timeout_ms : 0);
    if (t->upcalls != upcalls)
        wait_ms = 0; /* something has happened */
    ready = poll(t->fds, (nfds_t)asked, wait_ms);
    if (ready < 0 && errno != EINTR)
        t->err = CRDT_ERR_IO;
    if (ready > 0 && t->fds[0].revents)
        crdti_sock_wake_clear(&t->wake);
    crdti_tcp_tick(t);
    crdti_tcp_serve_all(t, ready > 0 ? asked : 0, ready > 0 && listening);
    crdti_tcp_flush_all(t);
    crdti_tcp_step_all(t);
    crdti_tcp_bury_all(t);
    t->polling = 0;
    return t->err;
}

/* >>table ----------------------------------------------------------------- */

CRDTI_FN crdt_err crdti_tcp_start(void *ctx, const crdt_upcalls *up)
{
    crdti_tcp *t = (crdti_tcp *)ctx;
    if (!up || up->version < 1 || t->up)
        return CRDT_ERR_ARG;
    t->up = up;
    return CRDT_OK;
}

/* Only queues: the next poll writes all that was sent until then at once. */
CRDTI_FN crdt_err crdti_tcp_send(void *ctx, crdt_peer peer, crdt_bytes bytes)
{
    crdti_tcp *t = (crdti_tcp *)ctx;
    crdti_tcp_link *link = crdti_tcp_find(t, peer);
    if (!link || link->state != CRDTI_TCP_UP || link->finished)
        return CRDT_ERR_CLOSED;
    if (bytes.len > t->queue_max)
        return CRDT_ERR_LIMIT;
    if (bytes.len > t->queue_max - crdti_tcp_queued(link)) {
        link->refused = bytes.len;
        return CRDT_ERR_AGAIN;
    }
    if (crdti_buf_reserve(&link->fill, bytes.len) != CRDT_OK)
        return CRDT_ERR_NOMEM;
    crdti_copy(link->fill.ptr + link->fill.len, bytes.ptr, bytes.len);
    link->fill.len += bytes.len;
    return CRDT_OK;
}

CRDTI_FN void crdti_tcp_drop(void *ctx, crdt_peer peer, const char *why)
{
    crdti_tcp *t = (crdti_tcp *)ctx;
    crdti_tcp_link *link = crdti_tcp_find(t, peer);
    if (link)
        crdti_tcp_leave(t, link, why ? why : "");
}

CRDTI_FN void crdti_tcp_unlink(const crdti_sock_address *address)
{
    const void *of = &address->of;
    (void)unlink(((const struct sockaddr_un *)of)->sun_path);
}

CRDTI_FN void crdti_tcp_free(crdti_tcp *t)
{
    crdt_alloc alloc = t->alloc;
    size_t i, pointers = t->peers_max * sizeof(void *);
    for (i = 0; i < t->dials_count; i++) {
        if (crdti_tcp_is_connecting(t->dials[i]))
            crdti_tcp_link_free(t, t->dials[i]->link);
        crdti_free(&alloc, t->dials[i], sizeof **t->dials);
    }
    for (i = 0; i < t->links_count; i++) /* which dials look at */
        crdti_tcp_link_free(t, t->links[i]);
    crdti_sock_shut(t->listener);
    if (t->path.len)
        crdti_tcp_unlink(&t->path);
    crdti_sock_wake_close(&t->wake);
    crdti_free(&alloc, t->links, pointers);
    crdti_free(&alloc, t->dials, pointers);
    crdti_free(&alloc, t->fds, (t->peers_max + 2) * sizeof *t->fds);
    crdti_free(&alloc, t->bytes, CRDTI_TCP_READ_SIZE);
    crdti_free(&alloc, t, sizeof *t);
}

/* What the system takes now still goes out, also after we are gone; what has
 * come is read away, or closing would reset the connection. Never waits. */
CRDTI_FN void crdti_tcp_close(void *ctx)
{
    crdti_tcp *t = (crdti_tcp *)ctx;
    size_t i;
    int count;
    CRDTI_ASSERT(!t->polling);
    crdti_tcp_flush_all(t);
    for (i = 0; i < t->links_count; i++) {
        crdti_tcp_link *link = t->links[i];
        (void)shutdown(link->fd, SHUT_WR);
        for (count = 0; count < CRDTI_TCP_READS_MAX; count++)
            if (recv(link->fd, t->bytes, CRDTI_TCP_READ_SIZE, 0) <= 0)
                break;
    }
    crdti_tcp_free(t);
}

/* >>public ---------------------------------------------------------------- */

/* The transport behind a table, or NULL when it is of another adapter. */
CRDTI_FN crdti_tcp *crdti_tcp_of(const crdt_transport *transport)
{
    if (!transport || transport->close != crdti_tcp_close)
        return NULL;
    return (crdti_tcp *)transport->ctx;
}

/* A path of a program that was killed: nobody listens there any more. */
CRDTI_FN void crdti_tcp_unlink_dead(const crdti_sock_address *address)
{
    int fd = crdti_sock_open(AF_UNIX, SOCK_STREAM);
    if (fd >= 0 &&
        connect(fd, crdti_sock_generic(address), address->len) < 0 &&
        errno == ECONNREFUSED)
        crdti_tcp_unlink(address);
    crdti_sock_shut(fd);
}

CRDTI_FN void crdti_tcp_listen_options(int fd, int family)
{
    if (family == AF_UNIX)
        return;
    crdti_sock_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
#ifdef IPV6_V6ONLY
    if (family == AF_INET6)
        crdti_sock_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
#endif
}

/* NULL, or what went wrong. */
CRDTI_FN const char *crdti_tcp_listen_at(crdti_tcp *t,
                                         const crdti_sock_address *address)
{
    crdti_sock_address here;
    int family = address->of.ss_family;
    int fd = crdti_sock_open(family, SOCK_STREAM);
    if (fd < 0)
        return strerror(errno);
    crdti_tcp_listen_options(fd, family);
    if (family == AF_UNIX)
        crdti_tcp_unlink_dead(address);
    if (bind(fd, crdti_sock_generic(address), address->len) < 0 ||
        listen(fd, SOMAXCONN) < 0) {
        crdti_sock_shut(fd);
        return strerror(errno);
    }
    crdti_sock_end(fd, 0, &here);
    t->listener = fd;
    t->port = crdti_sock_port(&here);
    if (family == AF_UNIX)
        t->path = *address;
    return NULL;
}

/* At the first address that does. IPv6 is tried first: at "all interfaces" it
 * takes IPv4 along. */
CRDTI_FN crdt_err crdti_tcp_listen(crdti_tcp *t, const char *address)
{
    crdti_sock_address found[CRDTI_SOCK_ADDRESSES_MAX];
    char name[CRDTI_SOCK_NAME_MAX];
    const char *why;
    size_t i, count;
    int pass;
    if (!crdti_tcp_is_address(address, 0))
        return CRDT_ERR_ARG;
    why = crdti_sock_resolve(address, SOCK_STREAM, 1, found,
                             CRDTI_SOCK_ADDRESSES_MAX, &count);
    for (pass = 0; pass < 2; pass++)
        for (i = 0; i < count && t->listener < 0; i++)
            if ((found[i].of.ss_family == AF_INET6) == (pass == 0))
                why = crdti_tcp_listen_at(t, &found[i]);
    if (t->listener >= 0)
        return CRDT_OK;
    crdti_tcp_name(name, address);
    crdti_tcp_log(t, name, "cannot listen", why);
    return CRDT_ERR_IO;
}

CRDTI_FN crdti_tcp_dial *crdti_tcp_dial_find(const crdti_tcp *t,
                                             const char *address)
{
    size_t i;
    for (i = 0; i < t->dials_count; i++)
        if (strcmp(crdti_tcp_given(t->dials[i]->name), address) == 0)
            return t->dials[i];
    return NULL;
}

CRDTI_FN crdt_err crdti_tcp_dial_add(crdti_tcp *t, const char *address)
{
    crdti_tcp_dial *dial;
    if (!address || !crdti_tcp_is_address(address, 1))
        return CRDT_ERR_ARG;
    dial = crdti_tcp_dial_find(t, address);
    if (dial) {
        dial->is_removed = 0;
        return CRDT_OK;
    }
    if (crdti_tcp_places_taken(t) >= t->peers_max)
        return CRDT_ERR_LIMIT;
    dial = (crdti_tcp_dial *)crdti_alloc(&t->alloc, sizeof *dial);
    if (!dial)
        return CRDT_ERR_NOMEM;
    crdti_zero(dial, sizeof *dial);
    crdti_tcp_name(dial->name, address);
    t->dials[t->dials_count++] = dial;
    return CRDT_OK;
}

CRDT_API crdt_err crdt_tcp_add_peer(const crdt_transport *transport,
                                    const char *address)
{
    crdti_tcp *t = crdti_tcp_of(transport);
    return t ? crdti_tcp_dial_add(t, address) : CRDT_ERR_ARG;
}

CRDT_API crdt_err crdt_tcp_remove_peer(const crdt_transport *transport,
                                       const char *address)
{
    crdti_tcp *t = crdti_tcp_of(transport);
    crdti_tcp_dial *dial =
        t && address ? crdti_tcp_dial_find(t, address) : NULL;
    if (!dial || dial->is_removed)
        return t && address ? CRDT_ERR_NOT_FOUND : CRDT_ERR_ARG;
    dial->is_removed = 1;
    if (crdti_tcp_is_linked(dial))
        crdti_tcp_leave(t, dial->link, "not wanted any more");
    return CRDT_OK;
}

CRDT_API unsigned crdt_tcp_port(const crdt_transport *transport)
{
    const crdti_tcp *t = crdti_tcp_of(transport);
    return t ? t->port : 0;
}

CRDT_API size_t crdt_tcp_fds(const crdt_transport *transport,
                             struct pollfd *out, size_t max, int *timeout_ms)
{
    crdti_tcp *t = crdti_tcp_of(transport);
    if (!t || t->polling)
        return 0;
    crdti_tcp_tick(t);
    if (timeout_ms)
        *timeout_ms = crdti_tcp_due(t) == CRDTI_TCP_NEVER
                          ? -1
                          : crdti_tcp_timeout(t, INT32_MAX);
    return crdti_tcp_collect(t, out, max);
}

CRDT_API void crdt_tcp_wake(const crdt_transport *transport)
{
    const crdti_tcp *t = crdti_tcp_of(transport);
    if (t)
        crdti_sock_wake_up(&t->wake);
}

CRDTI_FN uint32_t crdti_tcp_or(uint32_t value, uint32_t otherwise)
{
    return value ? value : otherwise;
}

/* Everything but the arrays. */
CRDTI_FN void crdti_tcp_configure(crdti_tcp *t, const crdt_tcp_config *c)
{
    crdti_zero(t, sizeof *t);
    t->alloc = *crdti_alloc_or_default(c->alloc);
    t->clock = *crdti_clock_or_default(c->clock);
    t->random = *crdti_random_or_default(c->random);
    if (c->log)
        t->log = *c->log;
    t->listener = t->wake.reader = t->wake.writer = -1;
    t->peers_max = c->peers_max ? c->peers_max : 1024;
    t->queue_max = c->queue_max ? c->queue_max : (size_t)4 << 20;
    t->connect_ms = crdti_tcp_or(c->connect_ms, 5000);
    t->linger_ms = crdti_tcp_or(c->linger_ms, 1000);
    t->backoff_min_ms = crdti_tcp_or(c->backoff_min_ms, 100);
    t->backoff_max_ms = crdti_tcp_or(c->backoff_max_ms, 10000);
}

CRDTI_FN void *crdti_tcp_array_new(crdti_tcp *t, size_t count, size_t size)
{
    size_t bytes = crdti_mul_size(count, size);
    void *array = crdti_alloc(&t->alloc, bytes);
    if (array)
        crdti_zero(array, bytes);
    return array;
}

CRDTI_FN crdt_err crdti_tcp_arrays_new(crdti_tcp *t)
{
    size_t max = t->peers_max;
    t->links = (crdti_tcp_link **)crdti_tcp_array_new(t, max, sizeof(void *));
    t->dials = (crdti_tcp_dial **)crdti_tcp_array_new(t, max, sizeof(void *));
    t->fds = (struct pollfd *)crdti_tcp_array_new(t, max + 2, sizeof *t->fds);
    t->bytes = (uint8_t *)crdti_tcp_array_new(t, CRDTI_TCP_READ_SIZE, 1);
    return t->links && t->dials && t->fds && t->bytes ? CRDT_OK
                                                      : CRDT_ERR_NOMEM;
}

/* After crdti_tcp_configure: what can fail. */
CRDTI_FN crdt_err crdti_tcp_open(crdti_tcp *t, const crdt_tcp_config *c)
{
    crdt_err err = crdti_tcp_arrays_new(t);
    size_t i;
    if (!err && !crdti_sock_wake_open(&t->wake))
        err = CRDT_ERR_IO;
    if (!err && c->listen)
        err = crdti_tcp_listen(t, c->listen);
    for (i = 0; !err && i < c->peers_count; i++)
        err = crdti_tcp_dial_add(t, c->peers[i]);
    return err;
}

CRDT_API crdt_err crdt_tcp_new(crdt_transport *out,
                               const crdt_tcp_config *config)
{
    const crdt_alloc *alloc;
    crdti_tcp *t;
    crdt_err err;
    if (!out || !config || config->peers_max > INT32_MAX ||
        (config->peers_count && !config->peers))
        return CRDT_ERR_ARG;
    alloc = crdti_alloc_or_default(config->alloc);
    t = (crdti_tcp *)crdti_alloc(alloc, sizeof *t);
    if (!t)
        return CRDT_ERR_NOMEM;
    crdti_tcp_configure(t, config);
    err = crdti_tcp_open(t, config);
    if (err) {
        crdti_tcp_free(t);
        return err;
    }
    crdti_zero(out, sizeof *out);
    out->version = 1;
    out->ctx = t;
    out->properties = CRDT_RELIABLE | CRDT_ORDERED | CRDT_STREAM;
    out->message_max = t->queue_max;
    out->start = crdti_tcp_start;
    out->send = crdti_tcp_send;
    out->poll = crdti_tcp_poll;
    out->drop = crdti_tcp_drop;
    out->close = crdti_tcp_close;
    return CRDT_OK;
}

#endif /* CRDTSYNC_IMPLEMENTATION */
