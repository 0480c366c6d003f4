/*
 * What programs ask for about members: full syncs, by one or two at once; that
 * one who is gone, or is not, be waited for no longer; to leave, and to come
 * back. And what they show of themselves.
 */
#ifndef MEMBERSHIP_H
#define MEMBERSHIP_H

#include "site.h"

/* >>full syncs ------------------------------------------------------------ */

static inline void ask_for_sync(sim *s, site *at, uint64_t dice)
{
    uint32_t lease = 300 + (uint32_t)(dice >> 8) % 8000;
    crdt_err err = crdt_node_full_sync(
        at->node, CRDT_STR("d"), dice & 1 ? CRDT_SYNC_STRICT : CRDT_SYNC_OPEN,
        lease);
    SIM_EXPECT(!err || err == CRDT_ERR_UNSUPPORTED); /* it has left */
    s->lease_ms = s->lease_ms > lease ? s->lease_ms : lease;
    s->n.asked++;
    site_wake(s, at, s->now);
}

/* By one, or by two at once. */
static inline void act_sync(sim *s, site *at, uint64_t dice)
{
    site *other = &s->sites[dice_of(dice, 6, 0) % s->sites_len];
    ask_for_sync(s, at, dice);
    if (dice >> 40 & 1 && other->state == SITE_UP)
        ask_for_sync(s, other, dice_of(dice, 10, 0));
}

/* Whether nothing can be written, which then changes nothing. */
static inline int site_is_frozen(sim *s, const site *at)
{
    crdt_doc *doc = at->m.doc;
    uint64_t before = doc->changes;
    if (!doc->is_frozen)
        return 0;
    SIM_EXPECT(crdt_map_put_int(crdt_root(doc), CRDT_STR("frozen"), 1) ==
               CRDT_ERR_FROZEN);
    SIM_EXPECT(doc->changes == before && !crdt_doc_uncommitted(doc));
    return 1;
}

/* >>members --------------------------------------------------------------- */

static inline int is_dead(const sim *s, const crdt_id *id)
{
    uint32_t i;
    for (i = 0; i < s->sites_len; i++)
        if (s->sites[i].state != SITE_GONE &&
            !memcmp(&s->sites[i].member, id, sizeof *id))
            return 0;
    return 1;
}

/* The first at or behind that place of the table, and around, that is dead, or
 * whoever; not ourselves. */
static inline int find_member(const sim *s, const site *at, size_t from,
                              int dead, crdt_id *out)
{
    const crdti_roster *r = site_roster(at);
    size_t i;
    for (i = 0; i < r->members.len; i++) {
        size_t k = (from + i) % r->members.len;
        *out = r->members.ptr[k].replica;
        if (k && crdti_is_active(&r->members.ptr[k]) &&
            (!dead || is_dead(s, out)))
            return 1;
    }
    return 0;
}

static inline void site_evicts(sim *s, site *at, const crdt_id *id)
{
    crdt_err err = crdt_node_evict(at->node, CRDT_STR("d"), id);
    SIM_EXPECT(!err || err == CRDT_ERR_NOT_FOUND);
    s->n.evictions += !err;
    site_look(s, at);
    site_wake(s, at, s->now);
}

/* Mostly one who does not come back. */
static inline void act_evict(sim *s, site *at, uint64_t dice)
{
    crdt_id id;
    if (find_member(s, at, (size_t)(dice >> 8), dice % 4 != 0, &id))
        site_evicts(s, at, &id);
}

/* It is cut off, evicted, writes, and is back. */
static inline void act_exile(sim *s, site *at, uint64_t dice)
{
    uint64_t until = s->now + 1000 + dice % 10000;
    uint32_t judge = (uint32_t)(dice >> 20) % s->sites_len, i;
    for (i = 0; i < s->edges_len; i++) {
        edge *e = s->edges[i];
        if (e->sites[0] != at->number && e->sites[1] != at->number)
            continue;
        edge_block(e, 0, until);
        edge_block(e, 1, until);
    }
    queue_put(&s->q, (s->now + until) / 2, A_VERDICT, judge << 16 | at->number,
              NULL);
}

/* It may write again, and then takes part again. */
static inline void act_retire(sim *s, site *at, uint64_t dice)
{
    (void)dice;
    SIM_EXPECT(!crdt_node_leave(at->node, CRDT_STR("d")));
    site_look(s, at);
    site_wake(s, at, s->now);
}

static inline void act_present(sim *s, site *at, uint64_t dice)
{
    site_show(s, at, 500 + (uint32_t)(dice % 30000));
    site_wake(s, at, s->now);
}

#endif
