/*
 * Gossip: how rosters (roster.h) come to be the same.
 *
 *     ROSTER  doc  id  message               or in pieces:
 *             doc  id  total  offset  bytes
 *
 *     message flags from news ack hash       what it covers
 *             ids                            named by number from here on
 *             records                        those changed in (from, to]
 *
 * Each side numbers the changes of its own table and tells each peer what has
 * changed since what that one has, but for what came from there. `ack` says
 * up to where the peer's numbers have arrived; where links lose, what is not
 * acknowledged is said again. Whoever finds a gap asks. Two that meet begin
 * with their own record and a hash of the table, two that meet again with the
 * hash, and when the hashes are equal that was all. Records may come in any
 * order, and twice.
 */
#ifndef CRDTI_GOSSIP_H
#define CRDTI_GOSSIP_H

#include "bytes.h"
#include "message.h"
#include "roster.h"

#define CRDTI_GOSSIP_AGAIN_MS 250u /* when an acknowledgement is missing */
#define CRDTI_GOSSIP_FEW 4u        /* members that are told unasked */
#define CRDTI_GOSSIP_OVERHEAD (5 * CRDTI_VARINT_MAX)
#define CRDTI_GOSSIP_ASKS 1u
#define CRDTI_GOSSIP_OFF 2u
#define CRDTI_GOSSIP_TELLS 4u /* there are records */

/* What of a roster one peer knows, and we of its. */
typedef struct crdti_gossip {
    uint64_t told, acked; /* our changes, said and arrived */
    uint64_t heard;       /* theirs */
    uint64_t looked;      /* ours, and there was nothing for this peer */
    uint64_t said_at;
    crdt_buf out; /* message being cut into pieces */
    size_t out_at;
    uint64_t out_id;
    crdt_buf in; /* message being put together */
    uint64_t in_id, in_total;
    int has_said, owes, asks; /* began; is to acknowledge; lacks something */
} crdti_gossip;

/* The link that it goes over. */
typedef struct crdti_way {
    uint64_t nonce;
    int is_ordered; /* nothing gets lost or out of order */
    int is_known;   /* the peer was, before: then it may know us, too */
    uint32_t wait_ms;
} crdti_way;

CRDTI_FN void crdti_gossip_free(crdti_gossip *g)
{
    crdt_buf_free(&g->out);
    crdt_buf_free(&g->in);
}

/* >>records as bytes ------------------------------------------------------ */

/* An id by its place in the message's list. */
CRDTI_FN void crdti_put_place(crdti_writer *w, const crdt_vv *ids,
                              const crdt_id *id)
{
    crdti_put_varint(w, crdti_vv_place(ids, id));
}

CRDTI_FN void crdti_put_placed_vv(crdti_writer *w, const crdt_vv *ids,
                                  const crdt_vv *vv)
{
    size_t i, at = 0, next = 0;
    crdti_put_varint(w, vv->len);
    for (i = 0; i < vv->len; i++) {
        at = crdti_vv_place(ids, &vv->entries[i].replica);
        crdti_put_varint(w, at - next);
        crdti_put_varint(w, vv->entries[i].seq);
        next = at + 1;
    }
}

/* status 0-1, phase 2-3, strict 4, accepted 5, exact 6, done 7 */
CRDTI_FN uint8_t crdti_member_head(const crdti_member *m)
{
    const crdti_pact *pact = &m->pact;
    int accepted = pact->accepted.number != 0;
    return (uint8_t)(m->status | pact->phase << 2 | pact->is_strict << 4 |
                     accepted << 5 | pact->is_exact << 6 | pact->is_done << 7);
}

CRDTI_FN void crdti_put_pact(crdti_writer *w, const crdt_vv *ids,
                             const crdti_pact *pact)
{
    crdti_put_varint(w, pact->epoch);
    crdti_put_varint(w, pact->ballot.number);
    if (pact->ballot.number) {
        crdti_put_place(w, ids, &pact->ballot.proposer);
        crdti_put_varint(w, pact->lease_ms);
    }
    if (!pact->accepted.number)
        return;
    crdti_put_varint(w, pact->accepted.number);
    crdti_put_place(w, ids, &pact->accepted.proposer);
    crdti_put_placed_vv(w, ids, &pact->cut);
    if (pact->is_exact)
        crdti_put_digest(w, pact->digest);
}

CRDTI_FN void crdti_put_member(crdti_writer *w, const crdt_vv *ids,
                               const crdti_member *m)
{
    crdti_put_place(w, ids, &m->replica);
    crdti_put_raw(w, crdt_bytes_of(m->node.b, sizeof m->node.b));
    crdti_put_varint(w, m->counter);
    crdti_put_u8(w, crdti_member_head(m));
    if (m->status == CRDT_MEMBER_EVICTED)
        crdti_put_place(w, ids, &m->by);
    crdti_put_u64le(w, m->view);
    crdti_put_placed_vv(w, ids, &m->applied);
    crdti_put_placed_vv(w, ids, &m->floor);
    crdti_put_pact(w, ids, &m->pact);
}

/* Adds the ids that the record names. */
CRDTI_FN crdt_err crdti_member_ids(const crdti_member *m, crdt_vv *ids)
{
    crdt_err err = crdt_vv_merge(ids, &m->applied);
    if (!err)
        err = crdt_vv_merge(ids, &m->floor);
    if (!err)
        err = crdt_vv_merge(ids, &m->pact.cut);
    if (!err)
        err = crdt_vv_set(ids, &m->replica, 1);
    if (!err && m->status == CRDT_MEMBER_EVICTED)
        err = crdt_vv_set(ids, &m->by, 1);
    if (!err && m->pact.ballot.number)
        err = crdt_vv_set(ids, &m->pact.ballot.proposer, 1);
    if (!err && m->pact.accepted.number)
        err = crdt_vv_set(ids, &m->pact.accepted.proposer, 1);
    return err;
}

/* The list of ids of a message that is read. */
typedef struct crdti_ids {
    const uint8_t *ptr;
    size_t len;
} crdti_ids;

CRDTI_FN void crdti_get_ids(crdti_reader *r, crdti_ids *ids)
{
    size_t i;
    ids->len = crdti_get_count(r, CRDTSYNC_MAX_REPLICAS, 16);
    ids->ptr = crdti_get_raw(r, ids->len * 16).ptr;
    for (i = 1; i < ids->len && !r->err; i++)
        if (crdti_compare(ids->ptr + 16 * (i - 1), ids->ptr + 16 * i, 16) >= 0)
            crdti_reader_fail_at(r, ids->ptr + 16 * i, CRDT_ERR_CORRUPT);
}

CRDTI_FN void crdti_get_place(crdti_reader *r, const crdti_ids *ids,
                              crdt_id *id)
{
    uint64_t place = crdti_get_varint(r);
    if (place >= ids->len)
        crdti_reader_fail(r, CRDT_ERR_CORRUPT);
    else if (!r->err)
        crdti_copy(id->b, ids->ptr + 16 * place, 16);
}

/* A number from `least` up. */
CRDTI_FN uint64_t crdti_get_number(crdti_reader *r, uint64_t least)
{
    uint64_t number = crdti_get_varint(r);
    if (number < least)
        crdti_reader_fail(r, CRDT_ERR_CORRUPT);
    if (number > CRDTSYNC_MAX_SEQ)
        crdti_reader_fail(r, CRDT_ERR_LIMIT);
    return number;
}

CRDTI_FN void crdti_get_placed_vv(crdti_reader *r, const crdti_ids *ids,
                                  crdt_vv *vv)
{
    size_t i, count = crdti_get_count(r, ids->len, 2);
    uint64_t at = 0;
    vv->len = 0;
    if (!r->err && crdti_vv_reserve(vv, count))
        crdti_reader_fail(r, CRDT_ERR_NOMEM);
    for (i = 0; i < count && !r->err; i++) {
        uint64_t gap = crdti_get_varint(r), seq = crdti_get_number(r, 1);
        if (gap >= ids->len || at + gap >= ids->len)
            crdti_reader_fail(r, CRDT_ERR_CORRUPT);
        if (r->err)
            break;
        at += gap;
        crdti_copy(vv->entries[i].replica.b, ids->ptr + 16 * at, 16);
        vv->entries[i].seq = seq;
        vv->len = i + 1;
        at++;
    }
}

CRDTI_FN void crdti_get_pact(crdti_reader *r, const crdti_ids *ids,
                             uint8_t head, crdti_pact *pact)
{
    uint64_t lease;
    pact->epoch = crdti_get_number(r, 0);
    pact->ballot.number = crdti_get_number(r, 0);
    if (pact->ballot.number) {
        crdti_get_place(r, ids, &pact->ballot.proposer);
        lease = crdti_get_varint(r);
        pact->lease_ms = (uint32_t)lease;
        if (lease > UINT32_MAX)
            crdti_reader_fail(r, CRDT_ERR_LIMIT);
    }
    pact->phase = head >> 2 & 3;
    pact->is_strict = head >> 4 & 1;
    pact->is_exact = head >> 6 & 1;
    pact->is_done = head >> 7;
    if (pact->phase > CRDT_PHASE_READY ||
        (!pact->ballot.number && (pact->phase || pact->is_strict)) ||
        (!(head & 32) && (pact->is_exact || pact->is_done)))
        crdti_reader_fail(r, CRDT_ERR_CORRUPT);
    if (!(head & 32))
        return;
    pact->accepted.number = crdti_get_number(r, 1);
    crdti_get_place(r, ids, &pact->accepted.proposer);
    crdti_get_placed_vv(r, ids, &pact->cut);
    if (pact->is_exact)
        pact->digest = crdti_get_digest(r);
}

/* Into a member that may hold another record; it keeps its memory. */
CRDTI_FN void crdti_get_member(crdti_reader *r, const crdti_ids *ids,
                               crdti_member *m)
{
    crdti_member old = *m;
    uint8_t head;
    crdti_member_init(m, old.applied.alloc);
    m->applied = old.applied;
    m->floor = old.floor;
    m->pact.cut = old.pact.cut;
    m->pact.cut.len = 0;
    crdti_get_place(r, ids, &m->replica);
    m->node = crdti_get_id(r);
    m->counter = crdti_get_number(r, 1);
    if (m->counter > CRDTSYNC_MAX_SEQ / 2) /* the member could not go on */
        crdti_reader_fail(r, CRDT_ERR_LIMIT);
    head = crdti_get_u8(r);
    m->status = head & 3;
    if (m->status > CRDT_MEMBER_LEFT)
        crdti_reader_fail(r, CRDT_ERR_CORRUPT);
    if (m->status == CRDT_MEMBER_EVICTED)
        crdti_get_place(r, ids, &m->by);
    m->view = crdti_get_u64le(r);
    crdti_get_placed_vv(r, ids, &m->applied);
    crdti_get_placed_vv(r, ids, &m->floor);
    crdti_get_pact(r, ids, head, &m->pact);
}

/* >>messages -------------------------------------------------------------- */

typedef struct crdti_gossip_head {
    uint8_t flags;
    uint64_t from, to, ack, hash;
} crdti_gossip_head;

CRDTI_FN void crdti_put_gossip_head(crdti_writer *w,
                                    const crdti_gossip_head *head)
{
    crdti_put_u8(w, head->flags);
    crdti_put_varint(w, head->from);
    crdti_put_varint(w, head->to - head->from);
    crdti_put_varint(w, head->ack);
    crdti_put_u64le(w, head->hash);
}

CRDTI_FN void crdti_get_gossip_head(crdti_reader *r, crdti_gossip_head *head)
{
    head->flags = crdti_get_u8(r);
    if (head->flags > 7)
        crdti_reader_fail(r, CRDT_ERR_CORRUPT);
    head->from = crdti_get_number(r, 0);
    head->to = head->from + crdti_get_number(r, 0);
    head->ack = crdti_get_number(r, 0);
    head->hash = crdti_get_u64le(r);
}

/* Whether a message tells the i-th record: to begin with, ours, to those who do
 * not know it. */
CRDTI_FN int crdti_gossip_tells(const crdti_roster *r, size_t i,
                                const crdti_gossip *g, const crdti_way *way,
                                int begins)
{
    const crdti_member *m = &r->members.ptr[i];
    return begins ? i == 0 && !way->is_known
                  : m->stamp > g->told && m->from != way->nonce;
}

/* Whether there is something to tell. */
CRDTI_FN int crdti_gossip_has_news(const crdti_roster *r, crdti_gossip *g,
                                   const crdti_way *way)
{
    size_t i;
    if (r->is_off)
        return r->changes > g->told;
    if (g->looked == r->changes)
        return 0;
    for (i = 0; i < r->members.len; i++)
        if (crdti_gossip_tells(r, i, g, way, 0))
            return 1;
    g->looked = r->changes;
    return 0;
}

CRDTI_FN void crdti_put_records(crdti_writer *w, const crdti_roster *r,
                                const crdti_gossip *g, const crdti_way *way,
                                int begins)
{
    crdt_vv ids;
    size_t i, count = 0;
    crdti_zero(&ids, sizeof ids);
    ids.alloc = r->alloc;
    for (i = 0; i < r->members.len && !w->err; i++) {
        if (!crdti_gossip_tells(r, i, g, way, begins))
            continue;
        w->err = crdti_member_ids(&r->members.ptr[i], &ids);
        count++;
    }
    crdti_put_varint(w, ids.len);
    for (i = 0; i < ids.len; i++)
        crdti_put_raw(w, crdt_bytes_of(ids.entries[i].replica.b, 16));
    crdti_put_varint(w, count);
    for (i = 0; i < r->members.len && !w->err; i++)
        if (crdti_gossip_tells(r, i, g, way, begins))
            crdti_put_member(w, &ids, &r->members.ptr[i]);
    crdt_vv_free(&ids);
}

/* All of the table, we first; also of one that was given up. */
CRDTI_FN void crdti_put_table(crdti_writer *w, const crdti_roster *r)
{
    crdti_gossip all;
    crdti_way way;
    crdti_zero(&all, sizeof all);
    crdti_zero(&way, sizeof way);
    way.nonce = UINT64_MAX; /* it all comes from elsewhere */
    crdti_put_records(w, r, &all, &way, 0);
}

/* What to do with records: look whether they can be read; join them; or join
 * those that we had ourselves before a restart. */
typedef enum crdti_take { CRDTI_LOOK, CRDTI_TAKE, CRDTI_RECALL } crdti_take;

/* Records are joined as they are read; they have all been looked at before,
 * so only memory can fail, and then what was joined is none the worse. */
CRDTI_FN void crdti_join_records(crdti_reader *r, crdti_roster *roster,
                                 uint64_t from, crdti_take take)
{
    int is_first = 1;
    crdti_member m;
    crdti_ids ids;
    size_t count;
    crdti_get_ids(r, &ids);
    count = crdti_get_count(r, CRDTSYNC_MAX_MEMBERS, 30);
    crdti_member_init(&m, roster->alloc);
    for (; count > 0 && !r->err; count--) {
        crdt_err err = CRDT_OK;
        crdti_get_member(r, &ids, &m);
        if (take == CRDTI_RECALL && is_first && !r->err)
            crdti_roster_recall(roster, &m);
        if (take != CRDTI_LOOK && !r->err)
            err = crdti_roster_join(roster, &m, from);
        is_first = 0;
        if (err)
            crdti_reader_fail(r, err);
    }
    crdti_member_free(&m);
    crdti_get_end(r);
}

/* Reads a table that was put, all or nothing but for NOMEM. */
CRDTI_FN crdt_err crdti_roster_load(crdti_roster *roster, crdt_bytes table)
{
    crdti_reader r, look;
    crdti_reader_init(&r, table);
    look = r;
    crdti_join_records(&look, roster, 0, CRDTI_LOOK);
    if (!look.err)
        crdti_join_records(&r, roster, 0, CRDTI_RECALL);
    return look.err ? look.err : r.err;
}

/* >>telling --------------------------------------------------------------- */

CRDTI_FN int crdti_gossip_is_due(const crdti_roster *r, crdti_gossip *g,
                                 const crdti_way *way, uint64_t now)
{
    if (!r->changes)
        return 0;
    if (!g->has_said || g->owes || g->asks)
        return 1;
    if (!way->is_ordered && g->told > g->acked &&
        now - g->said_at >= CRDTI_GOSSIP_AGAIN_MS) {
        g->told = g->acked;
        return 1;
    }
    return r->changes > g->told &&
           (r->urgent > g->told || now - g->said_at >= way->wait_ms) &&
           crdti_gossip_has_news(r, g, way);
}

/* When there may be something to tell that there is not now. */
CRDTI_FN uint64_t crdti_gossip_wakes(const crdti_roster *r,
                                     const crdti_gossip *g,
                                     const crdti_way *way)
{
    if (g->out.len)
        return 0;
    if (!way->is_ordered && g->told > g->acked)
        return g->said_at + CRDTI_GOSSIP_AGAIN_MS;
    return r->changes > g->told && g->looked != r->changes
               ? g->said_at + way->wait_ms
               : UINT64_MAX;
}

/* Makes the next message. Only acknowledging it may be. */
CRDTI_FN crdt_err crdti_gossip_compose(const crdti_roster *r, crdti_gossip *g,
                                       const crdti_way *way, uint64_t now)
{
    int begins =
        !g->has_said && (way->is_known || r->members.len > CRDTI_GOSSIP_FEW);
    int tells;
    crdti_gossip_head head;
    crdti_writer w;
    crdti_writer_init(&w, &g->out);
    g->looked = 0;
    tells = crdti_gossip_has_news(r, g, way);
    head.to = tells ? r->changes : g->told;
    tells = !r->is_off && (begins ? !way->is_known : tells);
    head.from = begins ? head.to : g->told;
    head.ack = g->heard;
    head.hash = crdti_roster_hash(r);
    head.flags = (uint8_t)((g->asks ? CRDTI_GOSSIP_ASKS : 0) |
                           (r->is_off ? CRDTI_GOSSIP_OFF : 0) |
                           (tells ? CRDTI_GOSSIP_TELLS : 0));
    crdti_put_gossip_head(&w, &head);
    if (tells)
        crdti_put_records(&w, r, g, way, begins);
    if (w.err) {
        g->out.len = 0;
        return w.err;
    }
    g->told = head.to;
    g->said_at = now;
    g->has_said = 1;
    g->owes = g->asks = 0;
    g->out_at = 0;
    g->out_id++;
    return CRDT_OK;
}

/* Puts the next piece, if there is something to tell. */
CRDTI_FN void crdti_gossip_say(crdti_roster *r, crdti_gossip *g,
                               const crdti_way *way, size_t room, uint64_t now,
                               crdti_writer *w)
{
    size_t len;
    if (!g->out.len && crdti_gossip_is_due(r, g, way, now)) {
        w->err = crdti_gossip_compose(r, g, way, now);
        if (w->err == CRDT_ERR_LIMIT || g->out.len > CRDTSYNC_MAX_ROSTER) {
            g->out.len = 0;
            w->err = CRDT_OK;
            crdti_roster_give_up(r);
        }
    }
    if (w->err || !g->out.len)
        return;
    len = crdti_min_size(room, g->out.len - g->out_at);
    crdti_put_varint(w, g->out_id << 1 | (len < g->out.len));
    if (len < g->out.len) {
        crdti_put_varint(w, g->out.len);
        crdti_put_varint(w, g->out_at);
    }
    crdti_put_raw(w, crdt_bytes_of(g->out.ptr + g->out_at, len));
    if (w->err)
        return;
    g->out_at += len;
    if (g->out_at == g->out.len)
        g->out.len = 0;
}

/* >>hearing --------------------------------------------------------------- */

CRDTI_FN void crdti_gossip_take(crdti_roster *roster, crdti_gossip *g,
                                const crdti_way *way, crdti_reader *r)
{
    crdti_gossip_head head;
    crdti_reader look;
    crdti_get_gossip_head(r, &head);
    look = *r;
    if (head.flags & CRDTI_GOSSIP_TELLS)
        crdti_join_records(&look, roster, way->nonce, CRDTI_LOOK);
    else
        crdti_get_end(&look);
    if (look.err) {
        *r = look;
        return;
    }
    if (head.flags & CRDTI_GOSSIP_OFF && !roster->is_off)
        crdti_roster_give_up(roster);
    g->acked = crdti_max(g->acked, crdti_min(head.ack, g->told));
    if (head.flags & CRDTI_GOSSIP_ASKS) {
        g->told = crdti_min(g->told, head.ack);
        g->owes = 1;
    }
    if (head.flags & CRDTI_GOSSIP_TELLS)
        crdti_join_records(r, roster, way->nonce, CRDTI_TAKE);
    if (r->err)
        return;
    if (head.hash == crdti_roster_hash(roster)) {
        /* They have what we have, too. */
        g->told = g->acked = roster->changes;
    } else if (head.from > g->heard) {
        g->asks = !roster->is_off;
        return;
    }
    g->heard = crdti_max(g->heard, head.to);
    if (!way->is_ordered && head.flags & ~CRDTI_GOSSIP_ASKS)
        g->owes = 1;
}

/* A piece, behind the number of the document. Pieces of what did not arrive
 * whole are forgotten: it will be said again. */
CRDTI_FN void crdti_gossip_hear(crdti_roster *roster, crdti_gossip *g,
                                const crdti_way *way, crdti_reader *r)
{
    uint64_t id = crdti_get_varint(r), total = 0, offset = 0;
    crdt_bytes bytes;
    crdti_reader whole;
    crdti_writer w;
    if (id & 1) {
        total = crdti_get_varint(r);
        offset = crdti_get_varint(r);
    }
    bytes = crdti_get_raw(r, crdti_reader_left(r));
    if (!(id & 1))
        total = bytes.len;
    if (total > CRDTSYNC_MAX_ROSTER)
        crdti_reader_fail(r, CRDT_ERR_LIMIT);
    if (!bytes.len || offset > total || bytes.len > total - offset ||
        (id & 1 && bytes.len == total))
        crdti_reader_fail(r, CRDT_ERR_CORRUPT);
    if (r->err)
        return;
    if (offset == 0) {
        g->in.len = 0;
        g->in_id = id;
        g->in_total = total;
    }
    if (id != g->in_id || total != g->in_total || offset != g->in.len)
        return;
    if (bytes.len < total) {
        crdti_writer_init(&w, &g->in);
        crdti_put_raw(&w, bytes);
        if (w.err)
            crdti_reader_fail(r, w.err);
        if (w.err || g->in.len < total)
            return;
        bytes = crdt_buf_bytes(&g->in);
    }
    crdti_reader_init(&whole, bytes);
    crdti_gossip_take(roster, g, way, &whole);
    if (whole.err)
        crdti_reader_fail(r, whole.err);
    g->in.len = 0;
    g->in_total = 0;
}

#endif
