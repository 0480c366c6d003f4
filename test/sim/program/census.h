/*
 * Members and full syncs: what must be so of them after every step, whatever
 * each site knows of the others.
 *
 *     nobody is the first to forget what one lacks that all wait for
 *     an epoch has one cut, but of groups that have nobody in common
 *     who commits has all of the cut, and so have all who take part
 *     who is in a strict full sync is frozen, and nobody else
 *     a full sync goes on no longer than its lease
 */
#ifndef CENSUS_H
#define CENSUS_H

#include "history.h"

/* Where the document is among those of the node: every other site shares them
 * in another order. */
static inline crdti_roster *site_roster(const site *at)
{
    return &at->node->shares.ptr[at->number % 2].roster;
}

static inline const crdti_pact *site_pact(const site *at)
{
    return &crdti_roster_self(site_roster(at))->pact;
}

/* >>who is waited for ----------------------------------------------------- */

static inline int is_counted(const site *by, const site *who)
{
    const crdti_member *m = crdti_roster_find(site_roster(by), &who->member);
    return m && crdti_is_active(m);
}

static inline int is_given_up(const site *by, const site *who)
{
    const crdti_member *m = crdti_roster_find(site_roster(by), &who->member);
    return m && !crdti_is_active(m);
}

/* Whether all have it among the members, and it has what they have forgotten
 * of; and so have those who are waited for, of whom it knows. */
static inline int is_in(const sim *s, const site *who)
{
    uint32_t i;
    if (who->state != SITE_UP)
        return 0;
    for (i = 0; i < s->sites_len; i++) {
        const site *other = &s->sites[i];
        if (other->is_in &&
            (other->state != SITE_UP || !is_counted(who, other)))
            return 0;
        if (other->state == SITE_UP &&
            (!is_counted(other, who) ||
             crdt_doc_floor(other->m.doc, &s->w->vv) ||
             !crdti_vv_is_in(&s->w->vv, &who->vv)))
            return 0;
    }
    return 1;
}

static inline int is_out(const sim *s, const site *who)
{
    uint32_t i;
    for (i = 0; i < s->sites_len; i++)
        if (s->sites[i].state == SITE_UP && is_given_up(&s->sites[i], who))
            return 1;
    return 0;
}

/* Somebody knows something else than before. */
static inline void count_members(sim *s)
{
    uint32_t i;
    for (i = 0; i < s->sites_len; i++) {
        site *at = &s->sites[i];
        if (at->state == SITE_GONE || is_out(s, at))
            at->is_in = 0;
        else if (!at->is_in)
            at->is_in = is_in(s, at);
    }
}

/* Whether it has what they forgot who were the first to do so. */
static inline int has_forgotten(const sim *s, const crdt_vv *floor,
                                const site *other)
{
    size_t i;
    for (i = 0; i < floor->len; i++) {
        const crdt_dot *e = &floor->entries[i];
        if (e->seq > crdt_vv_get(&s->forgotten, &e->replica) &&
            e->seq > crdt_vv_get(&other->vv, &e->replica))
            return 0;
    }
    return 1;
}

/* The site has forgotten something. When others had before, it was told in a
 * snapshot. Who has just come need not know all; who is down comes back with
 * what it had, or as somebody else. */
static inline void check_floor(sim *s, const site *at)
{
    uint32_t i;
    SIM_EXPECT(!crdt_doc_floor(at->m.doc, &s->w->vv));
    s->n.forgotten++;
    for (i = 0; i < s->sites_len && !s->is_lax; i++) {
        const site *other = &s->sites[i];
        if (other->is_in && (at->is_in || is_counted(at, other)) &&
            !has_forgotten(s, &s->w->vv, other))
            sim_fail(s, "it was forgotten what a member lacks");
    }
    SIM_EXPECT(!crdt_vv_merge(&s->forgotten, &s->w->vv));
}

/* >>epochs ---------------------------------------------------------------- */

static inline committed *committed_add(sim *s)
{
    if (s->epochs_len == s->epochs_cap) {
        s->epochs_cap = s->epochs_cap ? 2 * s->epochs_cap : 16;
        s->epochs =
            (committed *)realloc(s->epochs, s->epochs_cap * sizeof *s->epochs);
        if (!s->epochs)
            exit(1);
    }
    memset(&s->epochs[s->epochs_len], 0, sizeof *s->epochs);
    return &s->epochs[s->epochs_len++];
}

static inline void epochs_end(sim *s)
{
    while (s->epochs_len > 0)
        crdt_vv_free(&s->epochs[--s->epochs_len].cut);
    crdt_vv_clear(&s->forgotten);
}

/* The authors that the site takes for members; they all have the cut. */
static inline bits committed_by(sim *s, const site *at, const crdt_vv *cut)
{
    const crdti_roster *r = site_roster(at);
    bits by = bits_none();
    uint32_t i;
    size_t k;
    for (k = 0; k < r->members.len; k++) {
        int author = author_of(s, &r->members.ptr[k].replica);
        if (crdti_is_active(&r->members.ptr[k]) && author >= 0)
            bits_add(&by, author);
    }
    for (i = 0; i < s->sites_len; i++)
        if (s->sites[i].state == SITE_UP && is_counted(at, &s->sites[i]))
            SIM_EXPECT(crdti_vv_is_in(cut, &s->sites[i].vv));
    return by;
}

/* Who was alone may have forgotten it since, and nobody else knows. */
static inline int is_alone(const bits *by)
{
    int first = bits_next(by, 0);
    return bits_next(by, first + 1) == MODEL_EVENTS;
}

/* The site has come to a new epoch. */
static inline void check_cut(sim *s, const site *at, const crdti_pact *pact)
{
    committed *c;
    bits by;
    size_t i;
    for (i = 0; i < s->epochs_len; i++)
        if (s->epochs[i].number == pact->epoch &&
            crdt_vv_compare(&s->epochs[i].cut, &pact->cut) == CRDT_EQUAL)
            return;
    by = committed_by(s, at, &pact->cut);
    for (i = 0; i < s->epochs_len; i++) {
        bits both = bits_both(&by, &s->epochs[i].by);
        if (s->epochs[i].number == pact->epoch && bits_any(&both) &&
            !is_alone(&by) && !is_alone(&s->epochs[i].by))
            sim_fail(s, "an epoch has two cuts");
    }
    c = committed_add(s);
    c->number = pact->epoch;
    c->by = by;
    SIM_EXPECT(!crdt_vv_copy(&c->cut, &pact->cut));
    s->n.epochs++;
    trace_line(&s->t, s->now, at->number, "epoch %llu",
               (unsigned long long)pact->epoch);
}

/* A poll that went well has ended what is over. */
static inline void check_lease(sim *s, const site *at)
{
    const crdti_roster *r = site_roster(at);
    uint64_t now = crdti_node_now(at->node);
    if (r->members.len && site_pact(at)->phase)
        SIM_EXPECT(r->lease_until > now &&
                   r->lease_until - now <= s->lease_ms);
}

static inline void tell_phase(sim *s, site *at, const crdti_pact *pact)
{
    static const char *const names[] = { "WORK", "SYNC", "READY" };
    if (at->phase == pact->phase)
        return;
    at->phase = pact->phase;
    trace_line(&s->t, s->now, at->number, "%s, ballot %llu%s",
               names[pact->phase], (unsigned long long)pact->ballot.number,
               pact->is_strict ? ", strict" : "");
}

/* >>all of it ------------------------------------------------------------- */

static inline void site_census(sim *s, site *at)
{
    const crdti_roster *r = site_roster(at);
    const crdti_pact *pact;
    crdt_id id = crdt_doc_replica(at->m.doc);
    if (!s->has_model || !r->members.len)
        return;
    pact = site_pact(at);
    if (memcmp(&id, &at->member, sizeof id)) {
        at->member = id;
        at->is_in = 0;
    }
    if (at->tabled != r->changes) {
        at->tabled = r->changes;
        count_members(s);
    }
    if (at->floors != at->m.doc->floors) {
        at->floors = at->m.doc->floors;
        check_floor(s, at);
    }
    if (pact->epoch > at->epoch && pact->is_done)
        check_cut(s, at, pact);
    at->epoch = pact->epoch;
    tell_phase(s, at, pact);
    SIM_EXPECT(pact->phase ? !pact->is_strict || at->m.doc->is_frozen
                           : !at->m.doc->is_frozen);
}

#endif
