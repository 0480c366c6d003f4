/*
 * The network: lines between sites, and the transport table that a node sees.
 *
 *     send --> lost? twice? cut? late? --> inbox of the other end --> poll
 *
 * Reliable lines lose nothing, but what would be lost is late, and what comes
 * behind it too; nothing gets through a partition until it is over. Others
 * lose it. A line that was reliable says when an end has hung up, unless that
 * end has lost its memory and its power; on others that is found by silence.
 * Which line is to be, edges say: the first of the two sites dials again and
 * again.
 */
#ifndef NETWORK_H
#define NETWORK_H

#include "sim.h"

static inline void site_wake(sim *s, site *at, uint64_t when);

static inline uint64_t line_dice(const line *on, uint64_t a, uint64_t b)
{
    return dice_of(on->dice, a, b);
}

static inline line_end *other_end(const line_end *end)
{
    return &end->on->ends[end == &end->on->ends[0]];
}

static inline int end_side(const line_end *end)
{
    return end == &end->on->ends[1];
}

/* >>ends ------------------------------------------------------------------ */

/* There is something to be told at the next poll, which comes soon. */
static inline void end_ready(sim *s, line_end *end)
{
    if (end->is_dead)
        return;
    if (!end->is_ready) {
        end->is_ready = 1;
        end->next = NULL;
        *end->at->last_ready = end;
        end->at->last_ready = &end->next;
    }
    site_wake(s, end->at,
              s->now + line_dice(end->on, 1, s->now) % (s->o.tick + 1));
}

static inline line_end *end_find(const site *at, crdt_peer peer)
{
    return peer <= at->ends_len ? at->ends[peer] : NULL;
}

static inline void end_add(site *at, line_end *end)
{
    end->at = at;
    end->last = &end->first;
    if (at->ends_len + 1 >= at->ends_cap) {
        at->ends_cap = at->ends_cap ? 2 * at->ends_cap : 16;
        at->ends =
            (line_end **)realloc(at->ends, at->ends_cap * sizeof *at->ends);
        if (!at->ends)
            exit(1);
    }
    end->peer = ++at->ends_len;
    at->ends[end->peer] = end;
}

static inline void end_empty(line_end *end)
{
    packet *p, *next;
    for (p = end->first; p; p = next) {
        next = p->next;
        end->queued -= p->len;
        free(p);
    }
    end->first = NULL;
    end->last = &end->first;
}

/* Nothing is told here any more. */
static inline void end_die(line_end *end)
{
    end_empty(end);
    end->is_dead = 1;
    end->at->ends[end->peer] = NULL;
}

/* >>packets --------------------------------------------------------------- */

static inline packet *packet_new(line_end *to, crdt_bytes bytes)
{
    packet *p = (packet *)malloc(sizeof *p + bytes.len);
    if (!p)
        exit(1);
    memset(p, 0, sizeof *p);
    p->to = to;
    p->len = bytes.len;
    if (bytes.len)
        memcpy(p->bytes, bytes.ptr, bytes.len);
    return p;
}

static inline void packet_flip(sim *s, packet *p, uint64_t dice)
{
    if (!s->is_healed && dice % 10000 < s->o.corrupt && p->len)
        p->bytes[(dice >> 20) % p->len] ^= (uint8_t)(1 << (dice >> 60) % 8);
}

/* How long it is on its way. */
static inline uint64_t packet_delay(sim *s, const edge *e, uint64_t dice)
{
    uint64_t delay = 1 + dice % s->o.delay;
    if (s->o.reliable && !s->is_healed && (dice >> 16) % 100 < s->o.loss)
        delay += 200 + (dice >> 24) % 800;
    if (!s->o.reliable && !s->is_healed && (dice >> 16) % 100 < s->o.reorder)
        delay += (dice >> 24) % (10 * s->o.delay);
    if (s->now < e->clogged)
        delay += 500 + (dice >> 32) % 2500;
    return delay;
}

static inline void packet_send(sim *s, packet *p, uint64_t dice)
{
    line_end *to = p->to;
    uint64_t at = s->now + packet_delay(s, to->on->of, dice);
    if (s->o.reliable || !s->o.reorder) {
        at = at > to->last_at ? at : to->last_at;
        to->last_at = at;
    }
    packet_flip(s, p, dice_of(dice, 2, 0));
    to->queued += p->len;
    queue_put(&s->q, at, A_PACKET, to->at->number, p);
}

/* The last word of a reliable line. */
static inline void end_hang_up(sim *s, line_end *end)
{
    line_end *to = other_end(end);
    packet *p;
    if (!s->o.reliable)
        return;
    p = packet_new(to, crdt_bytes_of(NULL, 0));
    p->is_end = 1;
    packet_send(s, p, line_dice(end->on, 3, s->now));
}

/* It has come as far as the door: it goes in, stays out, or waits. */
static inline void packet_arrives(sim *s, const moment *m)
{
    packet *p = (packet *)m->what;
    line_end *to = p->to;
    uint64_t until = to->on->of->blocked[end_side(to)];
    if (s->o.reliable && (until > s->now || to->held > s->now)) {
        moment again = *m;
        again.at = to->held = crdti_max(until, to->held);
        queue_put_again(&s->q, &again);
        return;
    }
    if (to->is_dead || to->is_dropped || until > s->now) {
        /* Where a process was, another says that it is no more. */
        if (to->is_dead && to->at->state == SITE_UP && !p->is_end)
            end_hang_up(s, to);
        to->queued -= p->len;
        free(p);
        return;
    }
    *to->last = p;
    to->last = &p->next;
    end_ready(s, to);
}

/* >>the transport table --------------------------------------------------- */

static inline crdt_err net_start(void *ctx, const crdt_upcalls *up)
{
    ((site *)ctx)->up = up;
    return CRDT_OK;
}

/* A stream: in some pieces. */
static inline void send_cut(sim *s, line_end *to, crdt_bytes bytes,
                            uint64_t dice)
{
    int pieces = (int)(dice >> 40) % 3 + 2;
    for (; bytes.len; pieces--) {
        size_t len = bytes.len;
        if (pieces > 1)
            len = 1 + (size_t)(dice_of(dice, 4, (uint64_t)pieces) % len);
        packet_send(s, packet_new(to, crdt_bytes_of(bytes.ptr, len)),
                    dice_of(dice, 5, (uint64_t)pieces));
        bytes = crdt_bytes_of(bytes.ptr + len, bytes.len - len);
    }
}

/* Messages: each is lost, or comes once or twice. */
static inline void send_loose(sim *s, line_end *to, crdt_bytes bytes,
                              uint64_t dice)
{
    int copies = 1 + (!s->is_healed && (dice >> 8) % 100 < s->o.dup), i;
    if (!s->is_healed && dice % 100 < s->o.loss) {
        s->n.lost++;
        return;
    }
    for (i = 0; i < copies; i++)
        packet_send(s, packet_new(to, bytes), dice_of(dice, 6, (uint64_t)i));
}

static inline crdt_err net_send(void *ctx, crdt_peer peer, crdt_bytes bytes)
{
    site *at = (site *)ctx;
    sim *s = at->s;
    line_end *end = end_find(at, peer), *to;
    uint64_t dice;
    if (!end || end->is_dropped || end->is_ended)
        return CRDT_ERR_CLOSED;
    if (bytes.len > s->o.message)
        return CRDT_ERR_LIMIT;
    to = other_end(end);
    if (s->o.reliable && to->queued + bytes.len > s->o.queue) {
        end->refused = bytes.len;
        s->n.refused++;
        return CRDT_ERR_AGAIN;
    }
    s->n.sent++;
    s->n.bytes += bytes.len;
    trace_add(&s->t, (uint64_t)at->number << 32 | peer);
    if (s->has_model)
        trace_bytes(&s->t, bytes.ptr, bytes.len);
    dice = line_dice(end->on, 7 + (uint64_t)end_side(to), ++to->packets);
    if (!s->o.reliable)
        send_loose(s, to, bytes, dice);
    else if (s->o.stream && dice_of(dice, 9, 0) % 100 < s->o.tear)
        send_cut(s, to, bytes, dice);
    else
        packet_send(s, packet_new(to, bytes), dice);
    return CRDT_OK;
}

/* The other side may go on. */
static inline void end_drained(sim *s, line_end *end)
{
    line_end *from = other_end(end);
    if (!from->refused || end->queued + from->refused > s->o.queue)
        return;
    from->refused = 0;
    from->has_room = 1;
    end_ready(s, from);
}

static inline void edge_dial(sim *s, edge *e);

static inline void end_serve(sim *s, line_end *end)
{
    const crdt_upcalls *up = end->at->up;
    char name[16];
    if (!end->is_told) {
        end->is_told = 1;
        snprintf(name, sizeof name, "sim:%u", other_end(end)->at->number);
        up->peer_up(up->ctx, end->peer, name);
    }
    while (end->first && !end->is_dropped) {
        packet *p = end->first;
        end->first = p->next;
        if (!end->first)
            end->last = &end->first;
        end->queued -= p->len;
        end->is_ended |= (uint8_t)p->is_end;
        if (p->len)
            up->received(up->ctx, end->peer, crdt_bytes_of(p->bytes, p->len));
        free(p);
    }
    end_drained(s, end);
    if (end->has_room && !end->is_dropped) {
        end->has_room = 0;
        up->writable(up->ctx, end->peer);
    }
    if (!end->is_dropped && !end->is_ended)
        return;
    trace_line(&s->t, s->now, end->at->number, "line to %u ends",
               other_end(end)->at->number);
    up->peer_down(up->ctx, end->peer, "the line has ended");
    end_die(end);
    if (end == &end->on->ends[0])
        edge_dial(s, end->on->of);
}

static inline crdt_err net_poll(void *ctx, int timeout_ms)
{
    site *at = (site *)ctx;
    line_end *end;
    (void)timeout_ms;
    while ((end = at->ready) != NULL) {
        at->ready = end->next;
        if (!at->ready)
            at->last_ready = &at->ready;
        end->is_ready = 0;
        if (!end->is_dead)
            end_serve(at->s, end);
    }
    return CRDT_OK;
}

static inline void net_drop(void *ctx, crdt_peer peer, const char *why)
{
    site *at = (site *)ctx;
    line_end *end = end_find(at, peer);
    (void)why;
    if (!end || end->is_dropped)
        return;
    end_empty(end);
    end->is_dropped = 1;
    end_hang_up(at->s, end);
    end_ready(at->s, end);
}

/* A node that is freed says goodbye; what it said is on its way. */
static inline void net_close(void *ctx)
{
    site *at = (site *)ctx;
    crdt_peer peer;
    for (peer = 1; peer <= at->ends_len; peer++)
        if (at->ends[peer]) {
            end_hang_up(at->s, at->ends[peer]);
            end_die(at->ends[peer]);
        }
    at->ready = NULL;
    at->last_ready = &at->ready;
    at->up = NULL;
}

static inline crdt_transport net_table(sim *s, site *at)
{
    crdt_transport t;
    memset(&t, 0, sizeof t);
    t.version = 1;
    t.ctx = at;
    t.properties = CRDT_SEALED;
    t.properties |= s->o.reliable ? CRDT_RELIABLE | CRDT_ORDERED : 0;
    t.properties |= s->o.reliable && s->o.stream ? CRDT_STREAM : 0;
    t.message_max = s->o.message;
    t.start = net_start;
    t.send = net_send;
    t.poll = net_poll;
    t.drop = net_drop;
    t.close = net_close;
    return t;
}

/* >>edges ----------------------------------------------------------------- */

/* The first of its sites dials, after a while. */
static inline void edge_dial(sim *s, edge *e)
{
    uint64_t dice = dice_of(s->o.seed, 10 + e->number, ++e->dials);
    uint64_t most = s->is_healed ? 200 : 1500;
    if (!e->is_gone)
        queue_put(&s->q, s->now + 50 + dice % most, A_DIAL, e->number, NULL);
}

static inline int edge_is_open(const sim *s, const edge *e)
{
    return s->sites[e->sites[0]].state == SITE_UP &&
           s->sites[e->sites[1]].state == SITE_UP &&
           s->sites[e->sites[0]].slow_until <= s->now &&
           s->sites[e->sites[1]].slow_until <= s->now &&
           e->blocked[0] <= s->now && e->blocked[1] <= s->now;
}

static inline void edge_dialled(sim *s, edge *e)
{
    line *on;
    int side;
    if (e->is_gone || (e->now && !e->now->ends[0].is_dead))
        return;
    if (!edge_is_open(s, e)) {
        if (s->sites[e->sites[0]].state == SITE_UP)
            edge_dial(s, e);
        return;
    }
    on = (line *)calloc(1, sizeof *on);
    if (!on)
        exit(1);
    on->of = e;
    on->next = s->lines;
    on->dice = dice_of(s->o.seed, 11, (uint64_t)e->number << 32 | e->dials);
    s->lines = e->now = on;
    s->n.lines++;
    for (side = 0; side < 2; side++) {
        on->ends[side].on = on;
        end_add(&s->sites[e->sites[side]], &on->ends[side]);
        end_ready(s, &on->ends[side]);
    }
    trace_line(&s->t, s->now, e->sites[0], "line to %u", e->sites[1]);
}

static inline edge *edge_add(sim *s, uint32_t a, uint32_t b)
{
    edge *e = (edge *)calloc(1, sizeof *e);
    if (s->edges_len == s->edges_cap) {
        s->edges_cap = s->edges_cap ? 2 * s->edges_cap : 16;
        s->edges = (edge **)realloc(s->edges, s->edges_cap * sizeof e);
    }
    if (!e || !s->edges)
        exit(1);
    e->number = s->edges_len;
    e->sites[0] = a;
    e->sites[1] = b;
    s->edges[s->edges_len++] = e;
    queue_put(&s->q, s->now, A_DIAL, e->number, NULL);
    return e;
}

/* Both ends are told. */
static inline void edge_cut(sim *s, const edge *e)
{
    int side;
    for (side = 0; e->now && side < 2; side++) {
        line_end *end = &e->now->ends[side];
        if (end->is_dead)
            continue;
        end->is_ended = 1;
        end_ready(s, end);
    }
}

static inline void edge_block(edge *e, int side, uint64_t until)
{
    if (e->blocked[side] < until)
        e->blocked[side] = until;
}

/* >>topologies ------------------------------------------------------------ */

static inline void mesh_of_four(sim *s)
{
    uint32_t n = s->sites_len, i;
    for (i = 0; i < n; i++) {
        edge_add(s, i, (i + 1) % n);
        edge_add(s, i,
                 (i + 2 + (uint32_t)(dice_of(s->o.seed, 12, i) % (n - 3))) %
                     n);
    }
}

static inline uint32_t neighbour(sim *s, uint32_t i)
{
    return s->o.topology == STAR ? 0
           : s->o.topology == CHAIN
               ? i - 1
               : (uint32_t)(dice_of(s->o.seed, 13, i) % i);
}

static inline void network_begin(sim *s)
{
    uint32_t i, k, n = s->sites_len;
    if (s->o.topology == MESH4 && n > 4) {
        mesh_of_four(s);
        return;
    }
    for (i = 1; i < n; i++) {
        if (s->o.topology == MESH || s->o.topology == MESH4)
            for (k = 0; k < i; k++)
                edge_add(s, i, k);
        else
            edge_add(s, i, s->o.topology == RING ? i - 1 : neighbour(s, i));
    }
    if ((s->o.topology == RING || s->o.topology == RANDOM) && n > 2)
        edge_add(s, 0, n - 1);
}

static inline void network_end(sim *s)
{
    line *on, *next;
    uint32_t i;
    int side;
    for (on = s->lines; on; on = next) {
        next = on->next;
        for (side = 0; side < 2; side++)
            end_empty(&on->ends[side]);
        free(on);
    }
    s->lines = NULL;
    for (i = 0; i < s->edges_len; i++)
        free(s->edges[i]);
    s->edges_len = 0;
    for (; s->q.len > 0; s->q.len--)
        if (s->q.ptr[s->q.len - 1].kind == A_PACKET ||
            s->q.ptr[s->q.len - 1].kind == A_LETTER)
            free(s->q.ptr[s->q.len - 1].what);
}

#endif
