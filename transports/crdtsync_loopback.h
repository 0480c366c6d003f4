/*
 * crdtsync_loopback - a transport between nodes of one process: for tests, and
 * for programs that keep several documents in step by themselves.
 *
 *     #define CRDTSYNC_IMPLEMENTATION     // in one file, that of crdtsync.h;
 *     #include "crdtsync.h"               // adapters come behind it
 *     #include "crdtsync_loopback.h"
 *
 * SYNOPSIS
 *
 *     crdt_loopback_hub *hub;
 *     crdt_transport a, b;
 *     crdt_loopback_hub_new(&hub, NULL);
 *     crdt_loopback_new(&a, hub);
 *     crdt_loopback_new(&b, hub);         // linked with a
 *     crdt_node_attach(one, &a);
 *     crdt_node_attach(other, &b);
 *     while (...) {
 *         crdt_node_poll(one, 0);
 *         crdt_node_poll(other, 0);
 *     }
 *     crdt_loopback_hub_free(hub);        // when you like
 *
 * A link has two ports, each with the bytes under way to it:
 *
 *     endpoint a                            endpoint b
 *     port {peer 1} <---------------------> port {peer 1}
 *     port {peer 2} <---------.             ...
 *                              '----------> endpoint c, port {peer 1}
 *
 * Nothing happens but in poll, and poll never waits, as nothing could come
 * meanwhile. All endpoints of a hub belong to one thread at a time. The same
 * calls in the same order do the same, also when torn.
 */
#ifndef CRDTSYNC_LOOPBACK_H
#define CRDTSYNC_LOOPBACK_H

#ifndef CRDTSYNC_VERSION
#error "include crdtsync.h before crdtsync_loopback.h"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* What its endpoints have in common. */
typedef struct crdt_loopback_hub crdt_loopback_hub;

/* Zero means default. */
typedef struct crdt_loopback_config {
    const crdt_alloc *alloc; /* copied */
    size_t queue_max; /* bytes under way on a link, each way; 0: 4 MiB */
    int manual;       /* 1: only crdt_loopback_link links */
    /* Not 0: the transport is a CRDT_STREAM whose bytes come cut and joined
     * at places chosen by this seed, some only in a later poll. */
    uint64_t tear_seed;
} crdt_loopback_config;

/* `config` may be NULL. ARG (queue_max below 16), NOMEM. */
CRDT_API crdt_err crdt_loopback_hub_new(crdt_loopback_hub **out,
                                        const crdt_loopback_config *config);
/* The last endpoint to be closed takes the memory along; until then they go
 * on. NULL is allowed. */
CRDT_API void crdt_loopback_hub_free(crdt_loopback_hub *hub);

/* One more endpoint, linked with all others unless the hub is manual: both
 * hear peer_up in their next poll. Close it (or the node that it was given
 * to) and the others get what is under way, then peer_down. NOMEM. */
CRDT_API crdt_err crdt_loopback_new(crdt_transport *out,
                                    crdt_loopback_hub *hub);

/* Links two endpoints of one hub; OK when they are. ARG, NOMEM. */
CRDT_API crdt_err crdt_loopback_link(const crdt_transport *a,
                                     const crdt_transport *b);
/* Cuts the link; what is under way is lost. ARG, NOT_FOUND. */
CRDT_API crdt_err crdt_loopback_unlink(const crdt_transport *a,
                                       const crdt_transport *b);

/* Bytes sent and not yet received, on all links. */
CRDT_API size_t crdt_loopback_under_way(const crdt_loopback_hub *hub);

#ifdef __cplusplus
}
#endif

#endif /* CRDTSYNC_LOOPBACK_H */

#if defined(CRDTSYNC_IMPLEMENTATION) && !defined(CRDTSYNC_LOOPBACK_IMPLEMENTED)
#define CRDTSYNC_LOOPBACK_IMPLEMENTED

#ifndef CRDTSYNC_IMPLEMENTED
#error "define CRDTSYNC_IMPLEMENTATION before including crdtsync.h"
#endif

/* Before each message, where messages stay whole: its length. */
#define CRDTI_LOOP_HEAD 8u
#define CRDTI_LOOP_WHY_MAX 64

/* One side of a link. Senders fill `fill`; poll delivers from `drain`, and
 * exchanges the two when it is empty: what is being delivered never moves.
 *
 *     fill   [ message | message | ..... ]
 *     drain  [ delivered ... | message | message ]
 *                            pos
 */
typedef struct crdti_loop_port {
    struct crdti_loop_end *end;    /* whose it is */
    struct crdti_loop_port *other; /* NULL: the link has ended */
    struct crdti_loop_port *next;  /* of the same endpoint */
    crdt_peer peer;
    crdt_buf fill, drain;
    size_t pos;
    size_t refused; /* what the last send would have taken; 0: it did */
    int told;       /* peer_up was */
    int dropped;    /* nothing is wanted any more */
    int dead;       /* peer_down was told */
    char name[24];  /* of the other endpoint */
    char why[CRDTI_LOOP_WHY_MAX];
} crdti_loop_port;

typedef struct crdti_loop_end {
    struct crdt_loopback_hub *hub;
    struct crdti_loop_end *next;
    crdti_loop_port *ports, **last;
    const crdt_upcalls *up;
    crdt_peer peers; /* numbers given so far */
    uint32_t number; /* in the hub, for people */
    int polling;
} crdti_loop_end;

struct crdt_loopback_hub {
    crdt_alloc alloc;
    crdti_loop_end *ends, **last;
    size_t queue_max;
    uint64_t random;
    uint32_t joined;
    int torn; /* the transport is a stream */
    int manual;
    int freed; /* by its owner: goes with the last endpoint */
};

/* >>ports ----------------------------------------------------------------- */

CRDTI_FN void crdti_loop_name(char out[24], uint32_t number)
{
    char digits[10];
    size_t len = 0, at = 9;
    crdti_copy(out, "loopback:", 9);
    do {
        digits[len++] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    while (len > 0)
        out[at++] = digits[--len];
    out[at] = 0;
}

CRDTI_FN void crdti_loop_why(crdti_loop_port *port, const char *why)
{
    size_t i;
    if (!why)
        why = "";
    for (i = 0; i < CRDTI_LOOP_WHY_MAX - 1 && why[i]; i++)
        port->why[i] = why[i];
    port->why[i] = 0;
}

CRDTI_FN crdti_loop_port *crdti_loop_port_new(crdti_loop_end *end,
                                              uint32_t other_number)
{
    crdti_loop_port *port =
        (crdti_loop_port *)crdti_alloc(&end->hub->alloc, sizeof *port);
    if (!port)
        return NULL;
    crdti_zero(port, sizeof *port);
    port->end = end;
    port->fill.alloc = port->drain.alloc = &end->hub->alloc;
    crdti_loop_name(port->name, other_number);
    return port;
}

CRDTI_FN void crdti_loop_port_free(crdti_loop_port *port)
{
    crdt_buf_free(&port->fill);
    crdt_buf_free(&port->drain);
    crdti_free(&port->end->hub->alloc, port, sizeof *port);
}

/* Both ports, not yet in any list; NULL means no memory. */
CRDTI_FN crdti_loop_port *crdti_loop_pair_new(crdti_loop_end *a,
                                              crdti_loop_end *b)
{
    crdti_loop_port *here = crdti_loop_port_new(a, b->number);
    if (!here)
        return NULL;
    here->other = crdti_loop_port_new(b, a->number);
    if (!here->other) {
        crdti_loop_port_free(here);
        return NULL;
    }
    here->other->other = here;
    return here;
}

CRDTI_FN void crdti_loop_add(crdti_loop_port *port)
{
    crdti_loop_end *end = port->end;
    port->peer = ++end->peers;
    port->next = NULL;
    *end->last = port;
    end->last = &port->next;
}

CRDTI_FN size_t crdti_loop_queued(const crdti_loop_port *port)
{
    return port->fill.len + port->drain.len - port->pos;
}

CRDTI_FN void crdti_loop_empty(crdti_loop_port *port)
{
    port->fill.len = port->drain.len = port->pos = 0;
}

/* The link ends here; the other side hears of it. */
CRDTI_FN void crdti_loop_leave(crdti_loop_port *port, const char *why)
{
    crdti_loop_port *other = port->other;
    if (!other)
        return;
    crdti_loop_why(other, why);
    other->other = NULL;
    port->other = NULL;
}

CRDTI_FN crdti_loop_port *crdti_loop_find(const crdti_loop_end *end,
                                          crdt_peer peer)
{
    crdti_loop_port *port;
    for (port = end->ports; port; port = port->next)
        if (port->peer == peer)
            return port;
    return NULL;
}

/* >>delivery -------------------------------------------------------------- */

/* splitmix64 */
CRDTI_FN uint32_t crdti_loop_random(crdt_loopback_hub *hub)
{
    uint64_t z = (hub->random += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)(z >> 32);
}

/* Single bytes, small pieces, large ones and all of it: each is as likely. */
CRDTI_FN size_t crdti_loop_tear(crdt_loopback_hub *hub, size_t left)
{
    static const size_t bounds[4] = { 1, 8, 256, SIZE_MAX };
    size_t bound = crdti_min_size(left, bounds[crdti_loop_random(hub) % 4]);
    return 1 + crdti_loop_random(hub) % bound;
}

CRDTI_FN void crdti_loop_exchange(crdti_loop_port *port)
{
    crdt_buf empty = port->drain;
    port->drain = port->fill;
    port->fill = empty;
    port->fill.len = port->pos = 0;
}

/* The next piece, in place. */
CRDTI_FN crdt_bytes crdti_loop_next(crdt_loopback_hub *hub,
                                    crdti_loop_port *port)
{
    crdt_bytes piece;
    size_t left = port->drain.len - port->pos;
    CRDTI_ASSERT(left > 0);
    if (hub->torn) {
        piece.len = crdti_loop_tear(hub, left);
    } else {
        piece.len = (size_t)crdti_load64(port->drain.ptr + port->pos);
        port->pos += CRDTI_LOOP_HEAD;
    }
    piece.ptr = port->drain.ptr + port->pos;
    port->pos += piece.len;
    return piece;
}

/* All that was there when it began; torn, sometimes not quite all. */
CRDTI_FN void crdti_loop_deliver(crdti_loop_end *end, crdti_loop_port *port)
{
    crdt_loopback_hub *hub = end->hub;
    if (port->pos == port->drain.len)
        crdti_loop_exchange(port);
    while (port->pos < port->drain.len) { /* drop empties it */
        end->up->received(end->up->ctx, port->peer,
                          crdti_loop_next(hub, port));
        if (hub->torn && crdti_loop_random(hub) % 8 == 0)
            return;
    }
}

/* There is room for what was refused. */
CRDTI_FN int crdti_loop_has_room(const crdti_loop_port *port)
{
    return port->refused > 0 && port->other &&
           port->refused <=
               port->end->hub->queue_max - crdti_loop_queued(port->other);
}

CRDTI_FN void crdti_loop_serve(crdti_loop_end *end, crdti_loop_port *port)
{
    const crdt_upcalls *up = end->up;
    if (!port->told) {
        port->told = 1;
        up->peer_up(up->ctx, port->peer, port->name);
    }
    if (!port->dropped)
        crdti_loop_deliver(end, port);
    if (!port->dropped && crdti_loop_has_room(port)) {
        port->refused = 0;
        up->writable(up->ctx, port->peer);
    }
    if (port->dropped || (!port->other && !crdti_loop_queued(port))) {
        port->dead = 1;
        up->peer_down(up->ctx, port->peer, port->why);
    }
}

/* Frees the ports of which the last word has been said. */
CRDTI_FN void crdti_loop_bury(crdti_loop_end *end)
{
    crdti_loop_port **at = &end->ports, *port;
    while ((port = *at) != NULL) {
        if (!port->dead) {
            at = &port->next;
            continue;
        }
        *at = port->next;
        crdti_loop_port_free(port);
    }
    end->last = at;
}

/* >>table ----------------------------------------------------------------- */

CRDTI_FN crdt_err crdti_loop_start(void *ctx, const crdt_upcalls *up)
{
    crdti_loop_end *end = (crdti_loop_end *)ctx;
    if (!up || up->version < 1 || end->up)
        return CRDT_ERR_ARG;
    end->up = up;
    return CRDT_OK;
}

CRDTI_FN crdt_err crdti_loop_send(void *ctx, crdt_peer peer, crdt_bytes bytes)
{
    crdti_loop_end *end = (crdti_loop_end *)ctx;
    crdti_loop_port *port = crdti_loop_find(end, peer), *to;
    size_t head = end->hub->torn ? 0 : CRDTI_LOOP_HEAD;
    if (!port || port->dropped || !port->other)
        return CRDT_ERR_CLOSED;
    if (bytes.len > end->hub->queue_max - CRDTI_LOOP_HEAD)
        return CRDT_ERR_LIMIT;
    to = port->other;
    if (head + bytes.len > end->hub->queue_max - crdti_loop_queued(to)) {
        port->refused = head + bytes.len;
        return CRDT_ERR_AGAIN;
    }
    if (crdti_buf_reserve(&to->fill, head + bytes.len) != CRDT_OK)
        return CRDT_ERR_NOMEM;
    if (head)
        crdti_store64(to->fill.ptr + to->fill.len, bytes.len);
    crdti_copy(to->fill.ptr + to->fill.len + head, bytes.ptr, bytes.len);
    to->fill.len += head + bytes.len;
    return CRDT_OK;
}

/* Upcalls may send, drop, join and close others: ports are only added behind
 * this one, and freed only here. */
CRDTI_FN crdt_err crdti_loop_poll(void *ctx, int timeout_ms)
{
    crdti_loop_end *end = (crdti_loop_end *)ctx;
    crdti_loop_port *port;
    (void)timeout_ms;
    if (!end->up || end->polling)
        return CRDT_ERR_ARG;
    end->polling = 1;
    for (port = end->ports; port; port = port->next)
        crdti_loop_serve(end, port);
    crdti_loop_bury(end);
    end->polling = 0;
    return CRDT_OK;
}

CRDTI_FN void crdti_loop_drop(void *ctx, crdt_peer peer, const char *why)
{
    crdti_loop_port *port = crdti_loop_find((crdti_loop_end *)ctx, peer);
    if (!port || port->dropped || port->dead)
        return;
    port->dropped = 1;
    crdti_loop_why(port, why);
    crdti_loop_empty(port);
    crdti_loop_leave(port, "closed by the peer");
}

CRDTI_FN void crdti_loop_hub_release(crdt_loopback_hub *hub)
{
    crdt_alloc alloc = hub->alloc;
    if (hub->freed && !hub->ends)
        crdti_free(&alloc, hub, sizeof *hub);
}

CRDTI_FN void crdti_loop_close(void *ctx)
{
    crdti_loop_end *end = (crdti_loop_end *)ctx, **at;
    crdt_loopback_hub *hub = end->hub;
    crdti_loop_port *port, *next;
    CRDTI_ASSERT(!end->polling);
    for (port = end->ports; port; port = next) {
        next = port->next;
        crdti_loop_leave(port, "closed by the peer");
        crdti_loop_port_free(port);
    }
    for (at = &hub->ends; *at != end; at = &(*at)->next)
        CRDTI_ASSERT(*at);
    *at = end->next;
    if (!*at)
        hub->last = at;
    crdti_free(&hub->alloc, end, sizeof *end);
    crdti_loop_hub_release(hub);
}

/* >>public ---------------------------------------------------------------- */

CRDT_API crdt_err crdt_loopback_hub_new(crdt_loopback_hub **out,
                                        const crdt_loopback_config *config)
{
    static const crdt_loopback_config defaults = { NULL, 0, 0, 0 };
    const crdt_loopback_config *c = config ? config : &defaults;
    const crdt_alloc *alloc = crdti_alloc_or_default(c->alloc);
    crdt_loopback_hub *hub;
    if (!out || !alloc || (c->queue_max && c->queue_max < 16))
        return CRDT_ERR_ARG;
    hub = (crdt_loopback_hub *)crdti_alloc(alloc, sizeof *hub);
    if (!hub)
        return CRDT_ERR_NOMEM;
    crdti_zero(hub, sizeof *hub);
    hub->alloc = *alloc;
    hub->last = &hub->ends;
    hub->queue_max = c->queue_max ? c->queue_max : (size_t)4 << 20;
    hub->manual = c->manual;
    hub->random = c->tear_seed;
    hub->torn = c->tear_seed != 0;
    *out = hub;
    return CRDT_OK;
}

CRDT_API void crdt_loopback_hub_free(crdt_loopback_hub *hub)
{
    if (!hub)
        return;
    hub->freed = 1;
    crdti_loop_hub_release(hub);
}

/* Links to all that are there, chained by `next`; or none and NOMEM. */
CRDTI_FN crdt_err crdti_loop_links_new(crdti_loop_end *end,
                                       crdti_loop_port **out)
{
    crdti_loop_port *first = NULL, **last = &first, *next;
    crdti_loop_end *other;
    for (other = end->hub->ends; other; other = other->next) {
        *last = crdti_loop_pair_new(end, other);
        if (!*last)
            break;
        last = &(*last)->next;
    }
    if (!other) {
        *out = first;
        return CRDT_OK;
    }
    for (; first; first = next) {
        next = first->next;
        crdti_loop_port_free(first->other);
        crdti_loop_port_free(first);
    }
    return CRDT_ERR_NOMEM;
}

CRDTI_FN void crdti_loop_table(crdt_transport *out, crdti_loop_end *end)
{
    crdti_zero(out, sizeof *out);
    out->version = 1;
    out->ctx = end;
    out->properties = CRDT_RELIABLE | CRDT_ORDERED | CRDT_SEALED;
    if (end->hub->torn)
        out->properties |= CRDT_STREAM;
    out->message_max = end->hub->queue_max - CRDTI_LOOP_HEAD;
    out->start = crdti_loop_start;
    out->send = crdti_loop_send;
    out->poll = crdti_loop_poll;
    out->drop = crdti_loop_drop;
    out->close = crdti_loop_close;
}

CRDT_API crdt_err crdt_loopback_new(crdt_transport *out,
                                    crdt_loopback_hub *hub)
{
    crdti_loop_port *links = NULL, *next;
    crdti_loop_end *end;
    if (!out || !hub)
        return CRDT_ERR_ARG;
    end = (crdti_loop_end *)crdti_alloc(&hub->alloc, sizeof *end);
    if (!end)
        return CRDT_ERR_NOMEM;
    crdti_zero(end, sizeof *end);
    end->hub = hub;
    end->last = &end->ports;
    end->number = hub->joined + 1;
    if (!hub->manual && crdti_loop_links_new(end, &links) != CRDT_OK) {
        crdti_free(&hub->alloc, end, sizeof *end);
        return CRDT_ERR_NOMEM;
    }
    for (; links; links = next) {
        next = links->next;
        crdti_loop_add(links->other);
        crdti_loop_add(links);
    }
    hub->joined++;
    *hub->last = end;
    hub->last = &end->next;
    crdti_loop_table(out, end);
    return CRDT_OK;
}

/* The endpoint behind a table, or NULL when it is of another adapter. */
CRDTI_FN crdti_loop_end *crdti_loop_end_of(const crdt_transport *transport)
{
    if (!transport || transport->close != crdti_loop_close)
        return NULL;
    return (crdti_loop_end *)transport->ctx;
}

CRDTI_FN crdti_loop_port *crdti_loop_between(const crdti_loop_end *a,
                                             const crdti_loop_end *b)
{
    crdti_loop_port *port;
    for (port = a->ports; port; port = port->next)
        if (port->other && port->other->end == b)
            return port;
    return NULL;
}

CRDT_API crdt_err crdt_loopback_link(const crdt_transport *a,
                                     const crdt_transport *b)
{
    crdti_loop_end *x = crdti_loop_end_of(a), *y = crdti_loop_end_of(b);
    crdti_loop_port *port;
    if (!x || !y || x == y || x->hub != y->hub)
        return CRDT_ERR_ARG;
    if (crdti_loop_between(x, y))
        return CRDT_OK;
    port = crdti_loop_pair_new(x, y);
    if (!port)
        return CRDT_ERR_NOMEM;
    crdti_loop_add(port);
    crdti_loop_add(port->other);
    return CRDT_OK;
}

CRDT_API crdt_err crdt_loopback_unlink(const crdt_transport *a,
                                       const crdt_transport *b)
{
    crdti_loop_end *x = crdti_loop_end_of(a), *y = crdti_loop_end_of(b);
    crdti_loop_port *port;
    if (!x || !y || x == y || x->hub != y->hub)
        return CRDT_ERR_ARG;
    port = crdti_loop_between(x, y);
    if (!port)
        return CRDT_ERR_NOT_FOUND;
    crdti_loop_empty(port->other);
    crdti_loop_empty(port);
    crdti_loop_why(port, "the link was cut");
    crdti_loop_leave(port, "the link was cut");
    return CRDT_OK;
}

CRDT_API size_t crdt_loopback_under_way(const crdt_loopback_hub *hub)
{
    const crdti_loop_end *end;
    const crdti_loop_port *port;
    size_t sum = 0;
    for (end = hub->ends; end; end = end->next)
        for (port = end->ports; port; port = port->next)
            sum += crdti_loop_queued(port);
    return sum;
}

#endif /* CRDTSYNC_IMPLEMENTATION */
