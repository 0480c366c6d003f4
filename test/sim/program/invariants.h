/*
 * What must be so after every step, at the site that it happened at:
 *
 *     its vector has grown, and ends where commits do     each time
 *     whoever had the same changes had the same digest     each time
 *     nothing new was written too far in the future        each time
 *     memory is below its cap; no alarm was raised         each time
 *     what census.h says of members                        each time
 *     it reads what the model says; the parts agree        of some states
 *     saved and opened again it is the same                of some states
 *
 * A state is looked through no more than once, at whichever site it is first.
 */
#ifndef INVARIANTS_H
#define INVARIANTS_H

#include "census.h"

static inline uint64_t bits_hash(const bits *b)
{
    uint64_t hash = 1;
    size_t i;
    for (i = 0; i < MODEL_WORDS; i++)
        hash = dice_of(hash, b->w[i], i);
    return hash;
}

/* What was known of that set of events; *is_new: nothing. */
static inline known_state *state_of(sim *s, const bits *done, int *is_new)
{
    uint64_t hash = bits_hash(done), run = s->runs, i;
    for (i = hash; s->states[i % STATES].seed == run; i++)
        if (s->states[i % STATES].hash == hash)
            break;
    *is_new = s->states[i % STATES].seed != run;
    s->states[i % STATES].seed = run;
    s->states[i % STATES].hash = hash;
    return &s->states[i % STATES];
}

/* Late enough for any stamp to be believed. */
static inline uint64_t check_wall(void *ctx)
{
    return SITE_EPOCH_MS + ((const sim *)ctx)->now + 86400000;
}

/* Canonical bytes of it, opened: the same again. */
static inline void check_opened(sim *s, crdt_doc *doc)
{
    world *w = s->w;
    crdt_doc *copy = doc_new_in(w, NULL);
    copy->clock.wall_ms = check_wall;
    copy->clock.ctx = s;
    w->a.len = 0;
    SIM_EXPECT(!crdt_canonical(doc, &w->a));
    SIM_EXPECT(!crdt_join(copy, crdt_buf_bytes(&w->a)));
    check_same(w, doc, copy);
    crdt_doc_free(copy);
}

static inline void check_state(sim *s, site *at)
{
    world *w = s->w;
    s->n.models++;
    read_document(w, at->m.doc, at->m.held, &at->m.seen);
    check_inside(w, at->m.doc);
    if (!crdt_doc_uncommitted(at->m.doc))
        check_opened(s, at->m.doc);
}

static inline void check_digest(sim *s, site *at)
{
    crdt_digest digest = crdt_doc_digest(at->m.doc);
    int is_new;
    known_state *known;
    if (s->n.states >= STATES / 2)
        return;
    known = state_of(s, &at->m.done, &is_new);
    trace_add(&s->t, digest.lo);
    if (!is_new) {
        SIM_EXPECT(known->digest.lo == digest.lo &&
                   known->digest.hi == digest.hi);
        return;
    }
    known->digest = digest;
    if (s->n.states++ % s->o.check == 0)
        check_state(s, at);
}

static inline void check_growth(sim *s, const crdt_vv *before,
                                const crdt_vv *now)
{
    crdt_order order = crdt_vv_compare(before, now);
    SIM_EXPECT(order == CRDT_BEFORE || order == CRDT_EQUAL);
}

/* Whether somebody went on from there: it may be dead, and not be told. */
static inline int is_overtaken(const sim *s, const bits *done, int number)
{
    int i;
    FOR_BITS(i, done)
    if (bits_has(&s->w->m.events[i].past, number))
        return 1;
    return 0;
}

/* What is new, by the clock of the site. */
static inline void check_skew(sim *s, const site *at, const bits *before)
{
    bits news = bits_without(&at->m.done, before);
    uint64_t last =
        at->m.doc->clock.wall_ms(at->m.doc->clock.ctx) + CRDTSYNC_MAX_SKEW_MS;
    int i;
    FOR_BITS(i, &news)
    {
        const event *e = &s->w->m.events[i];
        SIM_EXPECT(e->stamp >> 16 <= last || e->author == at->m.author ||
                   is_overtaken(s, &at->m.done, i));
    }
}

/* The document has changed: what it has now. */
static inline void site_read(sim *s, site *at)
{
    member *m = &at->m;
    crdt_vv vv = CRDT_VV_INIT;
    bits open = bits_without(&m->seen, &m->done), before = m->done;
    SIM_EXPECT(!crdt_doc_vv(m->doc, &vv));
    check_growth(s, &at->vv, &vv);
    crdt_vv_free(&at->vv);
    at->vv = vv;
    m->done = history_read(s, &vv);
    check_skew(s, at, &before);
    m->seen = m->done;
    bits_join(&m->seen, &open);
}

static inline void site_look(sim *s, site *at)
{
    SIM_EXPECT(!at->mem.is_over);
    SIM_EXPECT(!crdti_node_alarms(at->node));
    if (s->w->wrong || !s->has_model)
        return;
    if (at->changes == at->m.doc->changes) {
        site_census(s, at);
        return;
    }
    at->changes = at->m.doc->changes;
    site_read(s, at);
    site_census(s, at);
    if (!s->w->wrong && !crdt_doc_uncommitted(at->m.doc))
        check_digest(s, at);
}

#endif
