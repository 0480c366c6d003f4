/*
 * A node: documents, peers, transports and timers; what a program opens.
 *
 *     program --> poll --+--> store   what is new becomes durable; only then
 *                        +--> push    what was committed goes to each link
 *                        +--> transports poll --> upcalls --> sessions
 *                        +--> timers  heartbeat, silence, anti-entropy
 *
 * A link is one connection of a transport, with its session. Two links to one
 * node (both dialled) are both kept, but only one is used; which one, both
 * sides read from the nonces of the HELLOs. When it dies the other takes over.
 *
 * Sessions only fill their buffers; a push empties them. As all that was
 * joined and committed is stored right before, nothing that is not durable is
 * ever sent, nor acknowledged.
 */
#ifndef CRDTI_NODE_H
#define CRDTI_NODE_H

#include "array.h"
#include "cast.h"
#include "keep.h"
#include "push.h"
#include "session.h"
#include "system.h"
#include "tend.h"

#define CRDTI_HEARTBEAT_MS 2000u
#define CRDTI_SYNC_MS 30000u
#define CRDTI_SILENT_BEATS 3u /* without a sound, and a peer is dead */
#define CRDTI_LINK_NAME 80u
#define CRDTI_PARCELS 65536u /* ids of parcels of one link */
#define CRDTI_LINE 200u

struct crdti_port;

typedef struct crdti_link {
    struct crdti_port *port;
    crdt_peer peer;
    uint32_t id;
    crdti_session session;
    char name[CRDTI_LINK_NAME];
    int is_blocked; /* the transport's queue is full */
    int is_doomed;  /* to be dropped: nothing more is heard */
    int is_dropped; /* the transport has been told */
    int is_aboard;  /* of what is cast right now */
    uint64_t said_at, sync_at, retry_at;
    uint64_t born_at, heard_at; /* by the time that the node was awake, */
    uint64_t frame_at; /* also when a frame ended, or none was there */
    uint64_t sent_bytes, received_bytes, received_frames;
} crdti_link;

/* A transport, and what it calls up. */
typedef struct crdti_port {
    crdt_node *node;
    crdt_transport transport;
    crdt_upcalls upcalls;
} crdti_port;

struct crdt_node {
    crdt_alloc alloc;
    crdt_clock clock;
    crdt_random random;
    crdt_log log;
    crdt_id id;
    uint8_t name[CRDTSYNC_MAX_NAME];
    size_t name_len;
    uint32_t heartbeat_ms, sync_ms;
    crdti_tend tend;
    int no_members;
    uint32_t last_id;
    uint64_t awake_at, awake_ms; /* polled last; and for how long in all */
    uint64_t dice;               /* for jitter */
    crdt_shipping shipping;
    crdti_shares shares;
    crdti_presences presences;
    crdti_parking parking;
    uint64_t parcels; /* ids that were given to links */
    uint64_t casts;
    crdt_store store; /* append NULL: none */
    uint32_t store_ms;
    CRDTI_ARRAY(crdti_keep) keeps; /* by number of the share */
    crdt_buf record;               /* scratch */
    int is_dirty;                  /* something is not durable */
    int is_full;                   /* the last sync said so */
    int is_held;                   /* nothing is sent until it stores again */
    uint64_t dirty_at;             /* since when */
    uint64_t damaged;
    CRDTI_ARRAY(crdti_port *) ports;
    CRDTI_ARRAY(crdti_link *) links;
    crdt_node_stats gone; /* of links that are no more */
    uint64_t alarms_said;
    int is_busy; /* something happened in this round */
};

CRDTI_FN uint64_t crdti_node_now(const crdt_node *node)
{
    return node->clock.mono_ms(node->clock.ctx);
}

/* How long the node has been awake. While it did not listen nobody was silent:
 * more than a heartbeat between two polls is sleep. */
CRDTI_FN uint64_t crdti_node_awake(const crdt_node *node)
{
    return node->awake_ms + crdti_min(crdti_node_now(node) - node->awake_at,
                                      node->heartbeat_ms);
}

/* About `ms`: three quarters to five quarters of it, so that what began at
 * once does not go on at once. */
CRDTI_FN uint64_t crdti_node_jitter(crdt_node *node, uint64_t ms)
{
    node->dice = crdti_mix(node->dice ^ UINT64_C(0x2d358dccaa6c78a5),
                           UINT64_C(0x9e3779b97f4a7c15));
    return ms - ms / 4 + node->dice % (ms / 2 + 1);
}

/* >>log ------------------------------------------------------------------- */

CRDTI_FN size_t crdti_line_add(char *line, size_t at, const char *text,
                               size_t len)
{
    len = crdti_min_size(len, CRDTI_LINE - 1 - at);
    crdti_copy(line + at, text, len);
    line[at + len] = 0;
    return at + len;
}

/* "NAME (LINK): what" */
CRDTI_FN void crdti_node_say(crdt_node *node, const crdti_link *link,
                             const char *what)
{
    char line[CRDTI_LINE];
    size_t at = 0;
    if (!node->log.line)
        return;
    line[0] = 0;
    if (link) {
        at = crdti_line_add(line, at, (const char *)link->session.name,
                            link->session.name_len);
        at = crdti_line_add(line, at, " (", 2);
        at = crdti_line_add(line, at, link->name, crdt_str(link->name).len);
        at = crdti_line_add(line, at, "): ", 3);
    }
    crdti_line_add(line, at, what, crdt_str(what).len);
    node->log.line(node->log.ctx, line);
}

/* >>links ----------------------------------------------------------------- */

CRDTI_FN crdti_link *crdti_link_find(const crdti_port *port, crdt_peer peer,
                                     size_t *place)
{
    const crdt_node *node = port->node;
    size_t i;
    for (i = 0; i < node->links.len; i++) {
        crdti_link *link = node->links.ptr[i];
        if (link->peer != peer || link->port != port)
            continue;
        *place = i;
        return link;
    }
    return NULL;
}

CRDTI_FN void crdti_link_doom(crdt_node *node, crdti_link *link,
                              const char *why)
{
    if (link->is_doomed)
        return;
    crdti_node_say(node, link, why);
    crdti_say_bye(&link->session, why);
    link->is_doomed = 1;
    node->is_busy = 1;
}

/* Of two links, the one that both sides use. */
CRDTI_FN int crdti_link_beats(const crdti_link *a, const crdti_link *b)
{
    return (a->session.nonce ^ a->session.their_nonce) <
           (b->session.nonce ^ b->session.their_nonce);
}

CRDTI_FN void crdti_link_use(crdti_link *link, int use)
{
    size_t i;
    if (link->session.is_spare && use)
        for (i = 0; i < link->session.tracks.len; i++) {
            link->session.tracks.ptr[i].wants_state = 1;
            link->session.tracks.ptr[i].state_asks = 1;
        }
    link->session.is_spare = !use;
}

/* Chooses anew which link to the node of that id is used. */
CRDTI_FN void crdti_node_elect(crdt_node *node, const crdt_id *id)
{
    crdti_link *best = NULL;
    int is_self = crdti_id_equal(id, &node->id);
    size_t i;
    for (i = 0; i < node->links.len && !is_self; i++) {
        crdti_link *link = node->links.ptr[i];
        if (link->session.is_greeted && !link->is_doomed &&
            crdti_id_equal(&link->session.node, id) &&
            (!best || crdti_link_beats(link, best)))
            best = link;
    }
    for (i = 0; i < node->links.len; i++) {
        crdti_link *link = node->links.ptr[i];
        if (link->session.is_greeted &&
            crdti_id_equal(&link->session.node, id))
            crdti_link_use(link, link == best);
    }
}

CRDTI_FN void crdti_link_free(crdt_node *node, crdti_link *link)
{
    node->gone.sent_bytes += link->sent_bytes;
    node->gone.sent_frames += link->session.sent_frames;
    node->gone.received_bytes += link->received_bytes;
    node->gone.received_frames += link->received_frames;
    node->gone.deltas_sent += link->session.sent_deltas;
    node->gone.delta_bytes += link->session.delta_bytes;
    node->gone.news_bytes += link->session.news_bytes;
    crdti_session_free(&link->session);
    crdti_free(&node->alloc, link, sizeof *link);
}

CRDTI_FN crdt_err crdti_link_new(crdti_port *port, crdt_peer peer,
                                 const char *name)
{
    crdt_node *node = port->node;
    crdti_link *link;
    uint64_t now = crdti_node_now(node);
    crdt_bytes text = crdt_str(name);
    crdt_err err;
    if (node->links.len >= CRDTSYNC_MAX_LINKS)
        return CRDT_ERR_LIMIT;
    if (crdti_array_reserve(&node->alloc, &node->links, 1))
        return CRDT_ERR_NOMEM;
    link = (crdti_link *)crdti_alloc(&node->alloc, sizeof *link);
    if (!link)
        return CRDT_ERR_NOMEM;
    crdti_zero(link, sizeof *link);
    link->port = port;
    link->peer = peer;
    link->id = ++node->last_id;
    crdti_copy(link->name, text.ptr,
               crdti_min_size(text.len, sizeof link->name - 1));
    link->said_at = now;
    link->born_at = link->heard_at = link->frame_at = crdti_node_awake(node);
    link->sync_at = now + crdti_node_jitter(node, node->sync_ms);
    crdti_session_init(&link->session, &node->alloc, &node->shares);
    link->session.presences = &node->presences;
    link->session.parking = &node->parking;
    link->session.parcel.id = node->parcels += CRDTI_PARCELS;
    link->session.self = node->id;
    link->session.roster_ms = node->tend.roster_ms;
    link->session.self_name = crdt_bytes_of(node->name, node->name_len);
    link->session.is_ordered =
        (port->transport.properties & CRDT_RELIABLE) != 0 &&
        (port->transport.properties & CRDT_ORDERED) != 0;
    err = node->random.fill(node->random.ctx, &link->session.nonce,
                            sizeof link->session.nonce);
    if (!err)
        err = crdti_say_hello(&link->session);
    if (err)
        crdti_link_free(node, link);
    else
        node->links.ptr[node->links.len++] = link;
    return err;
}

/* >>upcalls --------------------------------------------------------------- */

CRDTI_FN void crdti_node_up(void *ctx, crdt_peer peer, const char *name)
{
    crdti_port *port = (crdti_port *)ctx;
    crdt_err err = crdti_link_new(port, peer, name);
    port->node->is_busy = 1;
    if (!err)
        return;
    crdti_node_say(port->node, NULL, crdt_err_text(err));
    port->transport.drop(port->transport.ctx, peer, crdt_err_name(err));
}

CRDTI_FN void crdti_node_down(void *ctx, crdt_peer peer, const char *why)
{
    crdti_port *port = (crdti_port *)ctx;
    crdt_node *node = port->node;
    size_t place, i;
    crdti_link *link = crdti_link_find(port, peer, &place);
    crdt_id id;
    if (!link)
        return;
    if (!link->is_doomed)
        crdti_node_say(node, link, why ? why : "gone");
    id = link->session.node;
    crdti_session_park(&link->session, crdti_node_now(node));
    crdti_link_free(node, link);
    node->links.len--;
    for (i = place; i < node->links.len; i++)
        node->links.ptr[i] = node->links.ptr[i + 1];
    crdti_node_elect(node, &id);
    node->is_busy = 1;
}

CRDTI_FN void crdti_node_received(void *ctx, crdt_peer peer, crdt_bytes bytes)
{
    crdti_port *port = (crdti_port *)ctx;
    crdt_node *node = port->node;
    size_t place;
    crdti_link *link = crdti_link_find(port, peer, &place);
    uint64_t frames;
    int was_greeted;
    crdt_err err;
    if (!link || link->is_doomed)
        return;
    was_greeted = link->session.is_greeted;
    frames = link->received_frames;
    link->heard_at = crdti_node_awake(node);
    link->received_bytes += bytes.len;
    err = crdti_session_receive(&link->session, bytes, crdti_node_now(node),
                                &link->received_frames);
    if (!link->session.in.len || link->received_frames > frames)
        link->frame_at = link->heard_at;
    /* The rest of what came whole will not come. */
    if (!err && link->session.in.len &&
        !(port->transport.properties & CRDT_STREAM))
        err = CRDT_ERR_TRUNCATED;
    if (link->session.is_greeted && !was_greeted) {
        crdti_session_unpark(&link->session);
        crdti_node_elect(node, &link->session.node);
        if (!link->session.is_spare)
            crdti_node_say(node, link, "connected");
    }
    if (err)
        crdti_link_doom(node, link,
                        link->session.complaint ? link->session.complaint
                                                : crdt_err_text(err));
    node->is_busy = 1;
}

CRDTI_FN void crdti_node_writable(void *ctx, crdt_peer peer)
{
    crdti_port *port = (crdti_port *)ctx;
    size_t place;
    crdti_link *link = crdti_link_find(port, peer, &place);
    if (link)
        link->is_blocked = 0;
    port->node->is_busy = 1;
}

/* >>storing --------------------------------------------------------------- */

/* Adds what is new of each document. *open: how many cannot tell it yet. */
CRDTI_FN crdt_err crdti_node_add(crdt_node *node, uint64_t now, size_t *open)
{
    crdt_err err = CRDT_OK;
    int added = 0;
    size_t i;
    for (i = 0; i < node->keeps.len && !err; i++) {
        crdti_keep *keep = &node->keeps.ptr[i];
        const crdti_share *share = &node->shares.ptr[i];
        /* From when anybody may hear of it. */
        keep->roster =
            keep->promises || (node->links.len && share->roster.members.len)
                ? &share->roster
                : NULL;
        err = crdti_keep_add(keep, &node->store, crdti_share_name(share),
                             &node->record, &added);
        if (err != CRDT_ERR_UNCOMMITTED)
            continue;
        err = CRDT_OK;
        ++*open;
    }
    if (added && !node->is_dirty)
        node->dirty_at = now;
    node->is_dirty |= added;
    return err;
}

/* Stores what is new; durably when it is time, or when forced. *ready: all
 * that a push may send is as safe as it is to be. */
CRDTI_FN crdt_err crdti_node_store(crdt_node *node, uint64_t now, int force,
                                   int *ready)
{
    size_t open = 0;
    int is_lazy = node->store_ms == CRDT_STORE_LAZY && !force;
    int is_due;
    crdt_err err = CRDT_OK;
    *ready = 1;
    if (!node->store.append)
        return CRDT_OK;
    /* On a full disk nothing is added to what waits for room. */
    if (node->is_full)
        err = node->store.sync(node->store.ctx, 0);
    node->is_full = err == CRDT_ERR_FULL;
    if (!err)
        err = crdti_node_add(node, now, &open);
    is_due = force || (!is_lazy && now - node->dirty_at >= node->store_ms);
    if (!err && node->is_dirty) {
        err = node->store.sync(node->store.ctx, is_due);
        node->is_full = err == CRDT_ERR_FULL;
        node->is_dirty = err || !is_due;
    }
    *ready = !err && !open &&
             (is_lazy || !node->is_dirty || !CRDTI_RULE(STORED_FIRST));
    return err;
}

/* What a document is stored as comes first. */
CRDTI_FN crdt_err crdti_node_load(crdt_node *node, crdt_bytes name,
                                  crdt_doc *doc)
{
    crdti_keep *keep;
    crdt_err err;
    if (!node->store.append)
        return CRDT_OK;
    if (crdti_array_reserve(&node->alloc, &node->keeps, 1))
        return CRDT_ERR_NOMEM;
    keep = &node->keeps.ptr[node->keeps.len];
    crdti_keep_init(keep, doc, &node->alloc);
    err = crdti_keep_load(keep, &node->store, name);
    if (err) {
        crdti_keep_free(keep);
        return err;
    }
    node->keeps.len++;
    if (keep->is_damaged) {
        node->damaged++;
        crdti_node_say(node, NULL,
                       "a part of a stored document was lost and is set "
                       "aside; peers may have it");
    }
    return CRDT_OK;
}

/* Takes back the last load. */
CRDTI_FN void crdti_node_unload(crdt_node *node)
{
    if (node->keeps.len > node->shares.len)
        crdti_keep_free(&node->keeps.ptr[--node->keeps.len]);
}

/* The replica ids stay with the store, for who opens it next. */
CRDTI_FN void crdti_node_store_end(crdt_node *node)
{
    int ready = 0, is_clean;
    size_t i;
    crdt_err err;
    if (!node->store.append)
        return;
    err = crdti_node_store(node, crdti_node_now(node), 1, &ready);
    is_clean = !err && ready;
    for (i = 0; i < node->keeps.len; i++) {
        crdti_keep *keep = &node->keeps.ptr[i];
        is_clean &= crdt_doc_reincarnate(keep->doc) == CRDT_OK;
        crdti_keep_free(keep);
    }
    node->store.close(node->store.ctx, is_clean);
    crdti_array_free(&node->alloc, &node->keeps);
    crdt_buf_free(&node->record);
}

/* >>sending --------------------------------------------------------------- */

/* The bytes that the next send may take: what fits on a stream, otherwise as
 * many whole frames. */
CRDTI_FN crdt_bytes crdti_link_next(const crdti_link *link)
{
    const crdt_buf *out = &link->session.out;
    crdt_bytes rest = crdt_bytes_of(out->ptr + link->session.out_at,
                                    out->len - link->session.out_at);
    size_t max = link->port->transport.message_max, len = 0;
    crdti_frame frame;
    if (link->port->transport.properties & CRDT_STREAM || rest.len <= max) {
        rest.len = crdti_min_size(rest.len, max);
        return rest;
    }
    while (!crdti_frame_get(crdt_bytes_of(rest.ptr + len, rest.len - len),
                            SIZE_MAX, &frame, NULL) &&
           (!len || frame.size <= max - len))
        len += frame.size;
    rest.len = len;
    return rest;
}

/* Hands what is in `out` to the transport, as far as it takes it. */
CRDTI_FN crdt_err crdti_link_send(crdt_node *node, crdti_link *link)
{
    crdt_transport *transport = &link->port->transport;
    crdt_buf *out = &link->session.out;
    while (link->session.out_at < out->len && !link->is_blocked) {
        crdt_bytes next = crdti_link_next(link);
        crdt_err err = transport->send(transport->ctx, link->peer, next);
        if (err == CRDT_ERR_AGAIN)
            link->is_blocked = 1;
        if (err)
            return err == CRDT_ERR_IO ? err : CRDT_OK;
        link->session.out_at += next.len;
        link->sent_bytes += next.len;
        link->said_at = crdti_node_now(node);
    }
    if (link->session.out_at < out->len)
        return CRDT_OK;
    link->session.out_at = out->len = 0;
    if (out->cap > 2 * CRDTSYNC_MAX_FRAME)
        crdt_buf_free(out);
    return CRDT_OK;
}

/* Pushes until there is nothing more, or the queue is full. */
CRDTI_FN crdt_err crdti_link_push(crdt_node *node, crdti_link *link,
                                  uint64_t now)
{
    crdt_err err = CRDT_OK;
    while (!err && !link->is_blocked) {
        if (!link->session.out.len && !link->is_doomed)
            err = crdti_session_push(&link->session,
                                     link->port->transport.message_max, now);
        if (err || !link->session.out.len)
            break;
        err = crdti_link_send(node, link);
        if (link->session.out.len)
            break;
    }
    if (link->is_doomed && !link->is_dropped) {
        link->is_dropped = 1;
        link->port->transport.drop(link->port->transport.ctx, link->peer,
                                   "dropped");
    }
    return err;
}

/* >>casting --------------------------------------------------------------- */

/* Those of the port that lack the same as `first`, and what they all have. */
CRDTI_FN size_t crdti_port_gather(crdti_port *port, const crdti_link *first,
                                  size_t number, crdt_vv *certain,
                                  uint64_t now)
{
    const crdt_vv *sent = &first->session.tracks.ptr[number].sent;
    size_t i, count = 0;
    for (i = 0; i < port->node->links.len; i++) {
        crdti_link *link = port->node->links.ptr[i];
        link->is_aboard = link->port == port && !link->is_doomed &&
                          !link->is_blocked &&
                          crdti_cast_suits(&link->session, number, sent, now);
        if (!link->is_aboard)
            continue;
        crdti_vv_meet(certain, &link->session.tracks.ptr[number].known);
        count++;
    }
    return count;
}

/* Says it once, to all that are aboard. What the transport does not take goes
 * to each by itself. */
CRDTI_FN crdt_err crdti_port_say(crdti_port *port, crdti_link *first,
                                 size_t number, const crdt_vv *certain,
                                 uint64_t now)
{
    crdt_transport *transport = &port->transport;
    crdti_session *s = &first->session;
    uint64_t id = CRDTI_CAST_ID + ++port->node->casts;
    crdt_err err = crdti_cast_say(
        s, number, id, certain, transport->message_max - CRDTI_FRAME_OVERHEAD);
    size_t size = s->out.len, i;
    s->out.len = 0;
    if (err || !size)
        return err;
    err = transport->send(transport->ctx, 0, crdt_bytes_of(s->out.ptr, size));
    if (err)
        return err == CRDT_ERR_IO ? err : CRDT_OK;
    first->sent_bytes += size;
    for (i = 0; i < port->node->links.len; i++) {
        crdti_link *link = port->node->links.ptr[i];
        if (link->is_aboard)
            crdti_cast_depart(&link->session, number, id, size, now);
    }
    return CRDT_OK;
}

CRDTI_FN crdt_err crdti_port_cast_as(crdti_port *port, crdti_link *first,
                                     size_t number, uint64_t now)
{
    crdti_share *share = &port->node->shares.ptr[number];
    const crdti_track *track = &first->session.tracks.ptr[number];
    crdt_err err = crdti_share_look(share);
    crdt_vv certain;
    if (err || crdti_vv_is_in(&share->vv, &track->sent))
        return err;
    crdti_vv_start(&certain, &port->node->alloc);
    err = crdt_vv_copy(&certain, &track->known);
    if (!err && crdti_port_gather(port, first, number, &certain, now) > 1)
        err = crdti_port_say(port, first, number, &certain, now);
    crdt_vv_free(&certain);
    return err;
}

/* What several links lack alike of a document; some tries, as the first may
 * be one that lacks more. */
CRDTI_FN crdt_err crdti_port_cast(crdti_port *port, size_t number,
                                  uint64_t now)
{
    crdt_node *node = port->node;
    crdt_err err = CRDT_OK;
    size_t i;
    int tries = 0;
    for (i = 0; i < node->links.len && !err && tries < CRDTI_CAST_TRIES; i++) {
        crdti_link *link = node->links.ptr[i];
        if (link->port != port || link->is_doomed || link->is_blocked ||
            !crdti_cast_suits(&link->session, number, NULL, now))
            continue;
        err = crdti_port_cast_as(port, link, number, now);
        tries++;
    }
    return err;
}

CRDTI_FN crdt_err crdti_node_cast(crdt_node *node, uint64_t now)
{
    crdt_err err = CRDT_OK;
    size_t i, number;
    for (i = 0; i < node->ports.len; i++)
        for (number = 0; number < node->shares.len && !err; number++)
            if (node->ports.ptr[i]->transport.properties & CRDT_BROADCAST)
                err = crdti_port_cast(node->ports.ptr[i], number, now);
    return err;
}

CRDT_API crdt_err crdt_node_flush(crdt_node *node)
{
    uint64_t now;
    size_t i;
    int ready;
    crdt_err first;
    if (!node)
        return CRDT_ERR_ARG;
    now = crdti_node_now(node);
    first = crdti_node_store(node, now, 0, &ready);
    node->is_held = !ready;
    if (!first && ready)
        first = crdti_node_cast(node, now);
    for (i = 0; i < node->links.len && ready; i++) {
        crdt_err err = crdti_link_push(node, node->links.ptr[i], now);
        first = first ? first : err;
    }
    return first;
}

/* >>forks ----------------------------------------------------------------- */

/* Whether a peer has said that it knows more of our replica than we do. */
CRDTI_FN int crdti_node_is_behind(const crdt_node *node, size_t number)
{
    const crdt_doc *doc = node->shares.ptr[number].doc;
    crdt_id self = crdt_doc_replica(doc);
    size_t i;
    for (i = 0; i < node->links.len; i++) {
        const crdti_session *s = &node->links.ptr[i]->session;
        if (number < s->tracks.len &&
            crdt_vv_get(&s->tracks.ptr[number].known, &self) > doc->written)
            return 1;
    }
    return 0;
}

/* The store is an image of before, or one that has a twin, though it could not
 * know: from now on under another id. What we lack of the old one comes from
 * who has it. */
CRDTI_FN void crdti_node_forks(crdt_node *node)
{
    size_t i;
    for (i = 0; i < node->keeps.len; i++) {
        crdti_keep *keep = &node->keeps.ptr[i];
        if (keep->alarms == node->shares.ptr[i].alarms ||
            crdt_doc_uncommitted(keep->doc))
            continue;
        keep->alarms = node->shares.ptr[i].alarms;
        if (crdti_node_is_behind(node, i) && !crdt_doc_reincarnate(keep->doc))
            crdti_node_say(node, NULL,
                           "a stored document is older than what peers have "
                           "of it: it goes on under a new replica id");
    }
}

/* >>timers ---------------------------------------------------------------- */

CRDTI_FN crdt_err crdti_link_sync(crdt_node *node, crdti_link *link)
{
    size_t i;
    crdt_err err = CRDT_OK;
    for (i = 0; i < link->session.tracks.len && !err; i++) {
        crdti_track *track = &link->session.tracks.ptr[i];
        if (track->theirs == CRDTI_NO_DOC || track->flights_len ||
            crdt_doc_uncommitted(node->shares.ptr[i].doc))
            continue;
        err = crdti_say_digest(&link->session, i);
    }
    return err;
}

CRDTI_FN crdt_err crdti_link_tick(crdt_node *node, crdti_link *link,
                                  uint64_t now)
{
    uint64_t silence = (uint64_t)node->heartbeat_ms * CRDTI_SILENT_BEATS;
    uint64_t awake = node->awake_ms;
    crdt_err err = CRDT_OK;
    if (link->is_doomed)
        return CRDT_OK;
    if (!link->session.is_greeted &&
        awake - link->born_at > CRDTSYNC_HANDSHAKE_MS)
        crdti_link_doom(node, link, "did not greet in time");
    else if (awake - link->heard_at > silence)
        crdti_link_doom(node, link, "silent for too long");
    else if (link->session.in.len &&
             awake - link->frame_at > CRDTSYNC_FRAME_MS)
        crdti_link_doom(node, link, "says what does not end");
    if (link->is_doomed || link->session.out.len)
        return CRDT_OK;
    err = crdti_session_retry(&link->session, now >= link->retry_at, now);
    if (now >= link->retry_at)
        link->retry_at = now + CRDTI_RETRY_MS;
    if (!err && now >= link->sync_at && link->session.is_greeted &&
        !link->session.is_spare) {
        link->sync_at = now + crdti_node_jitter(node, node->sync_ms);
        err = crdti_link_sync(node, link);
    }
    if (!err && now - link->said_at >= node->heartbeat_ms)
        err = crdti_say_alive(&link->session);
    return err;
}

CRDTI_FN uint64_t crdti_node_alarms(const crdt_node *node)
{
    uint64_t alarms = 0;
    size_t i;
    for (i = 0; i < node->shares.len; i++)
        alarms +=
            node->shares.ptr[i].alarms + node->shares.ptr[i].roster.alarms;
    return alarms;
}

CRDTI_FN crdt_err crdti_node_tick(crdt_node *node)
{
    uint64_t now = crdti_node_now(node);
    size_t i;
    crdt_err first = CRDT_OK;
    node->awake_ms = crdti_node_awake(node);
    node->awake_at = now;
    crdti_parking_sweep(&node->alloc, &node->parking, now);
    for (i = 0; i < node->links.len; i++) {
        crdt_err err = crdti_link_tick(node, node->links.ptr[i], now);
        first = first ? first : err;
    }
    crdti_node_forks(node);
    for (i = 0; i < node->shares.len; i++) {
        crdti_share *share = &node->shares.ptr[i];
        crdt_err err;
        share->roster.awake_ms = node->awake_ms;
        err = crdti_tend_roster(&share->roster, share->doc, &node->tend,
                                crdti_node_jitter(node, node->tend.roster_ms),
                                now);
        first = first ? first : err;
    }
    if (crdti_node_alarms(node) > node->alarms_said) {
        node->alarms_said = crdti_node_alarms(node);
        crdti_node_say(node, NULL,
                       "alarm: replicas that should be equal differ, or a "
                       "replica id has been used twice");
    }
    return first;
}

/* >>polling --------------------------------------------------------------- */

CRDTI_FN crdt_err crdti_node_ports(crdt_node *node, int timeout_ms)
{
    size_t i;
    crdt_err first = CRDT_OK;
    for (i = 0; i < node->ports.len; i++) {
        crdt_transport *transport = &node->ports.ptr[i]->transport;
        crdt_err err = transport->poll(transport->ctx, timeout_ms);
        first = first ? first : err;
    }
    return first;
}

/* How long to wait, so that no heartbeat is late, nor a link that waits for an
 * answer or has held something back, nor what is to be synced. */
CRDTI_FN int crdti_node_patience(const crdt_node *node, int timeout_ms)
{
    uint64_t now = crdti_node_now(node), wait = INT32_MAX;
    uint64_t sync_at = node->dirty_at + node->store_ms;
    size_t i;
    if (node->links.len)
        wait = crdti_min(node->heartbeat_ms / 2 + 1, 1000);
    for (i = 0; i < node->links.len && !node->is_held; i++) {
        uint64_t due = node->links.ptr[i]->session.due;
        if (!node->links.ptr[i]->is_blocked)
            wait = crdti_min(wait, due - crdti_min(due, now));
    }
    if (node->is_dirty && !node->is_full && node->store_ms != CRDT_STORE_LAZY)
        wait = crdti_min(wait, sync_at - crdti_min(sync_at, now));
    if (timeout_ms >= 0)
        wait = crdti_min(wait, (uint64_t)timeout_ms);
    /* With several transports, each gets a part of the time. */
    return node->ports.len > 1 && (int)wait > 10 ? 10 : (int)wait;
}

CRDT_API crdt_err crdt_node_poll(crdt_node *node, int timeout_ms)
{
    uint64_t until;
    crdt_err err, other;
    if (!node)
        return CRDT_ERR_ARG;
    until = crdti_node_now(node) + (uint64_t)(timeout_ms > 0 ? timeout_ms : 0);
    node->is_busy = 0;
    for (;;) {
        uint64_t now;
        err = crdt_node_flush(node);
        other = crdti_node_ports(node, crdti_node_patience(node, timeout_ms));
        err = err ? err : other;
        other = crdti_node_tick(node);
        err = err ? err : other;
        other = crdt_node_flush(node);
        err = err ? err : other;
        now = crdti_node_now(node);
        if (err || node->is_busy || now >= until || !node->ports.len)
            return err;
        timeout_ms = (int)crdti_min(until - now, INT32_MAX);
    }
}

/* >>making and ending ----------------------------------------------------- */

CRDTI_FN crdt_err crdti_node_tables(crdt_node *node,
                                    const crdt_node_config *config)
{
    const crdt_clock *clock =
        crdti_clock_or_default(config ? config->clock : NULL);
    const crdt_random *random =
        crdti_random_or_default(config ? config->random : NULL);
    crdt_err err;
    if (!clock || !random)
        return CRDT_ERR_ARG;
    node->clock = *clock;
    node->random = *random;
    if (config && config->log)
        node->log = *config->log;
    if (config)
        node->store_ms = config->store_ms;
    node->heartbeat_ms = config && config->heartbeat_ms ? config->heartbeat_ms
                                                        : CRDTI_HEARTBEAT_MS;
    node->sync_ms =
        config && config->sync_ms ? config->sync_ms : CRDTI_SYNC_MS;
    node->tend.roster_ms =
        config && config->roster_ms ? config->roster_ms : CRDTI_ROSTER_MS;
    node->tend.evict_ms = config ? config->evict_ms : 0;
    node->tend.forgets = !config || !config->keeps_history;
    node->no_members = config && config->no_members;
    node->shipping = config ? config->shipping : CRDT_SHIP_DELTA;
    err = random->fill(random->ctx, node->id.b, sizeof node->id.b);
    if (err)
        return err;
    node->awake_at = crdti_node_now(node);
    return random->fill(random->ctx, &node->dice, sizeof node->dice);
}

CRDT_API crdt_err crdt_node_new(crdt_node **out,
                                const crdt_node_config *config)
{
    const crdt_alloc *alloc =
        crdti_alloc_or_default(config ? config->alloc : NULL);
    crdt_node *node;
    crdt_err err;
    if (!out || !alloc)
        return CRDT_ERR_ARG;
    if (config && config->name.len > CRDTSYNC_MAX_NAME)
        return CRDT_ERR_LIMIT;
    node = (crdt_node *)crdti_alloc(alloc, sizeof *node);
    if (!node)
        return CRDT_ERR_NOMEM;
    crdti_zero(node, sizeof *node);
    node->alloc = *alloc;
    err = crdti_node_tables(node, config);
    if (err) {
        crdti_free(alloc, node, sizeof *node);
        return err;
    }
    if (config) {
        node->name_len = config->name.len;
        crdti_copy(node->name, config->name.ptr, config->name.len);
        if (config->store)
            node->store = *config->store;
        crdti_buf_start(&node->record, &node->alloc);
    }
    *out = node;
    return CRDT_OK;
}

CRDT_API void crdt_node_free(crdt_node *node)
{
    crdt_alloc alloc;
    size_t i;
    if (!node)
        return;
    for (i = 0; i < node->links.len; i++)
        crdti_say_bye(&node->links.ptr[i]->session, "goodbye");
    if (node->store_ms != CRDT_STORE_LAZY)
        node->store_ms = 0; /* nothing is to wait any more */
    crdt_node_flush(node);
    crdti_node_store_end(node);
    for (i = 0; i < node->ports.len; i++) {
        crdti_port *port = node->ports.ptr[i];
        port->transport.close(port->transport.ctx);
        crdti_free(&node->alloc, port, sizeof *port);
    }
    for (i = 0; i < node->links.len; i++)
        crdti_link_free(node, node->links.ptr[i]);
    for (i = 0; i < node->shares.len; i++) {
        if (node->shares.ptr[i].doc->committed_ctx == node)
            node->shares.ptr[i].doc->committed = NULL;
        node->shares.ptr[i].doc->is_frozen = 0;
        crdti_share_free(&node->shares.ptr[i]);
    }
    alloc = node->alloc;
    crdti_array_free(&alloc, &node->presences.all);
    while (node->parking.len)
        crdti_parking_drop(&alloc, &node->parking, 0);
    crdti_array_free(&alloc, &node->ports);
    crdti_array_free(&alloc, &node->links);
    crdti_array_free(&alloc, &node->shares);
    crdti_free(&alloc, node, sizeof *node);
}

CRDTI_FN crdti_share *crdti_node_find(const crdt_node *node, crdt_bytes name)
{
    size_t i;
    for (i = 0; i < node->shares.len; i++) {
        crdti_share *share = &node->shares.ptr[i];
        if (crdt_bytes_equal(name, crdti_share_name(share)))
            return share;
    }
    return NULL;
}

/* Shipping of ops: makes a delta of the commit at once, to be sent when the
 * node is polled. What fails here is made good then. */
CRDTI_FN void crdti_node_committed(void *ctx)
{
    crdt_node *node = (crdt_node *)ctx;
    uint64_t now = crdti_node_now(node);
    size_t i, number;
    for (i = 0; i < node->links.len; i++) {
        crdti_session *s = &node->links.ptr[i]->session;
        for (number = 0; number < s->tracks.len; number++)
            if (s->is_greeted && !s->is_spare && s->room &&
                s->tracks.ptr[number].theirs != CRDTI_NO_DOC)
                (void)crdti_track_prepare(s, number, now);
    }
}

/* Who takes part: we do, and whoever is in the table that was stored. */
CRDTI_FN crdt_err crdti_node_enroll(crdt_node *node, crdti_share *share)
{
    crdt_buf *table = NULL;
    crdt_err err;
    if (node->no_members) {
        crdti_roster_give_up(&share->roster);
        return CRDT_OK;
    }
    share->roster.awake_ms = node->awake_ms;
    err = crdti_roster_enter(&share->roster, share->doc, &node->id);
    if (node->store.append)
        table = &node->keeps.ptr[node->keeps.len - 1].table;
    if (!err && table && table->len)
        err = crdti_roster_load(&share->roster, crdt_buf_bytes(table));
    if (!err && table)
        crdt_buf_free(table);
    return err;
}

CRDT_API crdt_err crdt_node_share(crdt_node *node, crdt_bytes name,
                                  crdt_doc *doc)
{
    crdti_share *share;
    size_t i;
    crdt_err err;
    if (!node || !doc || crdti_node_find(node, name))
        return CRDT_ERR_ARG;
    if (name.len > CRDTSYNC_MAX_NAME ||
        node->shares.len >= CRDTSYNC_MAX_SHARED)
        return CRDT_ERR_LIMIT;
    if (crdti_array_reserve(&node->alloc, &node->shares, 1))
        return CRDT_ERR_NOMEM;
    err = crdti_node_load(node, name, doc);
    if (err)
        return err;
    share = &node->shares.ptr[node->shares.len];
    crdti_share_init(share, &node->alloc, doc, name);
    err = crdti_node_enroll(node, share);
    if (err) {
        crdti_share_free(share);
        crdti_node_unload(node);
        return err;
    }
    node->shares.len++;
    share->shipping = node->shipping;
    if (share->shipping == CRDT_SHIP_OPS) {
        doc->committed = crdti_node_committed;
        doc->committed_ctx = node;
    }
    for (i = 0; i < node->links.len; i++)
        node->links.ptr[i]->session.wants_hello = 1;
    return CRDT_OK;
}

CRDT_API crdt_err crdt_node_attach(crdt_node *node,
                                   const crdt_transport *transport)
{
    crdti_port *port;
    crdt_err err;
    if (!node || !transport)
        return CRDT_ERR_ARG;
    if (!(transport->properties & (CRDT_SEALED | CRDT_TRUSTED_PEERS)))
        return CRDT_ERR_TRUST;
    if (transport->message_max < 512)
        return CRDT_ERR_LIMIT;
    if (crdti_array_reserve(&node->alloc, &node->ports, 1))
        return CRDT_ERR_NOMEM;
    port = (crdti_port *)crdti_alloc(&node->alloc, sizeof *port);
    if (!port)
        return CRDT_ERR_NOMEM;
    crdti_zero(port, sizeof *port);
    port->node = node;
    port->transport = *transport;
    port->upcalls.version = 1;
    port->upcalls.ctx = port;
    port->upcalls.peer_up = crdti_node_up;
    port->upcalls.peer_down = crdti_node_down;
    port->upcalls.received = crdti_node_received;
    port->upcalls.writable = crdti_node_writable;
    err = transport->start(transport->ctx, &port->upcalls);
    if (err)
        crdti_free(&node->alloc, port, sizeof *port);
    else
        node->ports.ptr[node->ports.len++] = port;
    return err;
}

/* >>what it says of itself ------------------------------------------------ */

CRDTI_FN crdt_peer_state crdti_link_state(crdti_link *link)
{
    if (!link->session.is_greeted)
        return CRDT_PEER_GREETING;
    return crdti_session_is_synced(&link->session) ? CRDT_PEER_SYNCED
                                                   : CRDT_PEER_SYNCING;
}

CRDTI_FN void crdti_link_lag(crdti_link *link, crdt_peer_info *out)
{
    crdti_session *s = &link->session;
    size_t i;
    for (i = 0; i < s->tracks.len; i++) {
        crdti_share *share = &s->shares->ptr[i];
        const crdt_vv *known = &s->tracks.ptr[i].known;
        crdt_id self = crdt_doc_replica(share->doc);
        uint64_t own;
        if (s->tracks.ptr[i].theirs == CRDTI_NO_DOC || crdti_share_look(share))
            continue;
        own = crdt_vv_get(&share->vv, &self);
        out->unacked += own - crdti_min(own, crdt_vv_get(known, &self));
        out->lag += crdti_vv_excess(known, &share->vv);
    }
}

CRDT_API crdt_err crdt_node_peer(const crdt_node *node, size_t index,
                                 crdt_peer_info *out)
{
    size_t i;
    for (i = 0; i < node->links.len; i++) {
        crdti_link *link = node->links.ptr[i];
        if (link->session.is_spare || link->is_doomed || index-- > 0)
            continue;
        crdti_zero(out, sizeof *out);
        out->id = link->id;
        out->node = link->session.node;
        out->name = crdt_bytes_of(link->session.name, link->session.name_len);
        out->link = link->name;
        out->state = crdti_link_state(link);
        out->sent_bytes = link->sent_bytes;
        out->sent_frames = link->session.sent_frames;
        out->received_bytes = link->received_bytes;
        out->received_frames = link->received_frames;
        out->silent_ms = crdti_node_awake(node) - link->heard_at;
        crdti_link_lag(link, out);
        return CRDT_OK;
    }
    return CRDT_ERR_NOT_FOUND;
}

CRDT_API crdt_err crdt_node_acked(const crdt_node *node, crdt_bytes name,
                                  crdt_vv *out)
{
    const crdti_share *share = crdti_node_find(node, name);
    return share ? crdt_vv_copy(out, &share->acked) : CRDT_ERR_NOT_FOUND;
}

CRDT_API crdt_err crdt_node_set_presence(crdt_node *node, crdt_bytes name,
                                         crdt_bytes value, uint32_t ttl_ms)
{
    crdti_told_presence told;
    const crdti_share *share;
    if (!node || (!value.ptr && value.len))
        return CRDT_ERR_ARG;
    share = crdti_node_find(node, name);
    if (!share)
        return CRDT_ERR_NOT_FOUND;
    if (value.len > CRDTSYNC_MAX_PRESENCE || ttl_ms > CRDTSYNC_MAX_PRESENCE_MS)
        return CRDT_ERR_LIMIT;
    told.origin = node->id;
    told.counter = node->presences.counter + 1;
    told.ttl_ms = ttl_ms;
    told.value = value;
    node->presences.counter++;
    return crdti_presences_take(&node->alloc, &node->presences,
                                (size_t)(share - node->shares.ptr), &told, 0,
                                crdti_node_now(node));
}

CRDT_API crdt_err crdt_node_presence(const crdt_node *node, crdt_bytes name,
                                     size_t index, crdt_presence *out)
{
    const crdti_share *share = crdti_node_find(node, name);
    uint64_t now = crdti_node_now(node);
    size_t i;
    for (i = 0; share && i < node->presences.all.len; i++) {
        const crdti_present *p = &node->presences.all.ptr[i];
        if (&node->shares.ptr[p->number] != share || !p->len ||
            now >= p->expires_at || crdti_id_equal(&p->origin, &node->id) ||
            index-- > 0)
            continue;
        out->node = p->origin;
        out->value = crdt_bytes_of(p->value, p->len);
        out->ttl_ms = p->expires_at - now;
        return CRDT_OK;
    }
    return CRDT_ERR_NOT_FOUND;
}

CRDT_API void crdt_node_get_stats(const crdt_node *node, crdt_node_stats *out)
{
    size_t i;
    *out = node->gone;
    for (i = 0; i < node->links.len; i++) {
        const crdti_link *link = node->links.ptr[i];
        out->sent_bytes += link->sent_bytes;
        out->sent_frames += link->session.sent_frames;
        out->received_bytes += link->received_bytes;
        out->received_frames += link->received_frames;
        out->deltas_sent += link->session.sent_deltas;
        out->delta_bytes += link->session.delta_bytes;
        out->news_bytes += link->session.news_bytes;
        out->waiting += link->session.waiting;
    }
    for (i = 0; i < node->shares.len; i++) {
        out->deltas_joined += node->shares.ptr[i].joined;
        out->deltas_refused += node->shares.ptr[i].refused;
    }
    out->alarms = crdti_node_alarms(node);
    out->damaged = node->damaged;
}

#endif
