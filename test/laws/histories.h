/*
 * Histories of all types against the model of model.h: replicas write, send
 * each other what they lack, what they lacked once, or everything; letters are
 * lost, repeated, late and out of order; removals are forgotten, and documents
 * replaced by copies of others. Whatever happens, the replica that it happened
 * to must show what the model says of what it has seen.
 *
 *     world    the model, and what is on its way
 *     member   a document, and which events it has seen
 *     letter   bytes, and which events they bring
 *
 * What can go wrong is told once, as w->wrong.
 */
#ifndef HISTORIES_H
#define HISTORIES_H

#include "reads.h"
#include "world.h"
#include "writes.h"

/* >>exchanging ------------------------------------------------------------ */

/* A letter since what `since` names, of which the events are `known`. */
static inline letter *write_letter(world *w, member *m, int to,
                                   const crdt_vv *since, const bits *known)
{
    letter *l = &w->letters[w->letters_len];
    crdt_vv from = CRDT_VV_INIT;
    l->base = *known; /* they may be our own, before the commit */
    do_commit(w, m);
    l->to = to;
    l->bytes.len = 0;
    l->brings = m->done;
    EXPECT(crdt_delta(m->doc, since, &l->bytes) == CRDT_OK);
    EXPECT(!crdt_delta_range(crdt_buf_bytes(&l->bytes), &from, NULL));
    l->base = from.len ? bits_both(&l->base, &m->done) : bits_none();
    crdt_vv_free(&from);
    return l;
}

/* What the other has now, what it had once, or nothing. */
static inline letter *letter_to(world *w, member *m, int to, uint32_t dice)
{
    member *other = &w->members[to];
    bits none = bits_none();
    if (dice < 15)
        return write_letter(w, m, to, NULL, &none);
    if (dice < 55)
        return write_letter(w, m, to, &other->told_vv, &other->told);
    EXPECT(!crdt_doc_vv(other->doc, &w->vv));
    return write_letter(w, m, to, &w->vv, &other->done);
}

static inline void do_send(world *w, member *m)
{
    int to = (int)below(w, (uint32_t)w->members_len);
    if (w->letters_len == MAX_LETTERS)
        return;
    letter_to(w, m, to, below(w, 100));
    w->letters_len++;
}

static inline void do_join(world *w, member *m, const letter *l)
{
    crdt_err err = crdt_join(m->doc, crdt_buf_bytes(&l->bytes));
    crdt_err want = bits_cover(&m->done, &l->base) ? CRDT_OK : CRDT_ERR_CAUSAL;
    bits none = bits_none();
    if (err == CRDT_ERR_FORGOTTEN && !bits_equal(&l->base, &none) && !want)
        return; /* what it names was swept: in all there is it comes back */
    if (err != want)
        say(w, crdt_err_name(err));
    if (err)
        return;
    bits_join(&m->seen, &l->brings);
    bits_join(&m->done, &l->brings);
}

/* One arrives, whichever; it may come again. */
static inline member *do_receive(world *w)
{
    int at = (int)below(w, (uint32_t)w->letters_len);
    letter l = w->letters[at];
    member *m = &w->members[l.to];
    do_join(w, m, &l);
    m->told = m->done;
    EXPECT(!crdt_doc_vv(m->doc, &m->told_vv));
    if (percent(w, 70)) {
        w->letters[at] = w->letters[--w->letters_len];
        w->letters[w->letters_len] = l; /* its buffer is used again */
    }
    return m;
}

static inline void do_lose(world *w)
{
    int at = (int)below(w, (uint32_t)w->letters_len);
    letter l = w->letters[at];
    w->letters[at] = w->letters[--w->letters_len];
    w->letters[w->letters_len] = l;
}

/* Forgets up to what all have; or only most of them, so that somebody is left
 * behind. */
static inline void do_truncate(world *w, member *m, uint32_t chance)
{
    crdt_vv other = CRDT_VV_INIT;
    size_t k;
    int i;
    EXPECT(!crdt_doc_vv(m->doc, &w->vv));
    for (i = 0; i < w->members_len; i++) {
        if (!percent(w, chance))
            continue;
        EXPECT(!crdt_doc_vv(w->members[i].doc, &other));
        for (k = 0; k < w->vv.len; k++)
            w->vv.entries[k].seq =
                crdti_min(w->vv.entries[k].seq,
                          crdt_vv_get(&other, &w->vv.entries[k].replica));
    }
    EXPECT(crdt_truncate(m->doc, &w->vv) == CRDT_OK);
    crdt_vv_free(&other);
}

/* Sweeps, though the others may not have truncated as far. */
static inline void do_sweep(world *w, member *m)
{
    EXPECT(crdt_doc_floor(m->doc, &w->vv) == CRDT_OK);
    EXPECT(crdt_sweep(m->doc, &w->vv) == CRDT_OK);
    w->has_swept = 1;
}

/* >>members --------------------------------------------------------------- */

static inline void member_begin(world *w, member *m)
{
    m->doc = doc_new(w);
    m->author = w->m.authors++;
    w->m.ids[m->author] = crdt_doc_replica(m->doc);
    m->seen = m->done = m->told = bits_none();
    crdt_vv_clear(&m->told_vv);
    memset(m->held, 0, sizeof m->held);
}

/* The document is replaced by a copy of another's: a new one under an id of
 * its own that joins the state. What only the old one had is lost. */
static inline void do_copy(world *w, member *m, member *from)
{
    letter *l;
    bits none = bits_none();
    if (w->m.authors == MODEL_AUTHORS || w->letters_len == MAX_LETTERS ||
        m == from)
        return;
    l = write_letter(w, from, 0, NULL, &none);
    doc_free(w, m->doc);
    member_begin(w, m);
    do_join(w, m, l);
}

/* Goes on under another id. */
static inline void do_reincarnate(world *w, member *m)
{
    if (w->m.authors == MODEL_AUTHORS)
        return;
    do_commit(w, m);
    EXPECT(crdt_doc_reincarnate(m->doc) == CRDT_OK);
    m->author = w->m.authors++;
    w->m.ids[m->author] = crdt_doc_replica(m->doc);
}

/* >>checking -------------------------------------------------------------- */

static inline int same_digest(const crdt_doc *a, const crdt_doc *b)
{
    crdt_digest x = crdt_doc_digest(a), y = crdt_doc_digest(b);
    return x.hi == y.hi && x.lo == y.lo;
}

static inline void check_same(world *w, crdt_doc *a, crdt_doc *b)
{
    w->a.len = w->b.len = 0;
    EXPECT(crdt_canonical(a, &w->a) == CRDT_OK);
    EXPECT(crdt_canonical(b, &w->b) == CRDT_OK);
    EXPECT(crdt_bytes_equal(crdt_buf_bytes(&w->a), crdt_buf_bytes(&w->b)));
    EXPECT(same_digest(a, b));
}

static inline void check_inside(world *w, const crdt_doc *doc)
{
    const char *wrong = check_doc(doc);
    if (wrong)
        say(w, wrong);
}

static inline void check_member(world *w, const member *m)
{
    int i;
    read_document(w, m->doc, m->held, &m->seen);
    if (w->slow)
        check_inside(w, m->doc);
    for (i = 0; i < w->members_len; i++) {
        const member *other = &w->members[i];
        if (other != m && bits_equal(&other->seen, &m->seen))
            EXPECT(same_digest(m->doc, other->doc));
    }
}

/* >>laws ------------------------------------------------------------------ */

/* A document that joins the states of the members, in that order. */
static inline crdt_doc *joined(world *w, const crdt_buf *states,
                               const int *order, int len)
{
    crdt_doc *doc = doc_new(w);
    int i;
    for (i = 0; i < len; i++)
        EXPECT(crdt_join(doc, crdt_buf_bytes(&states[order[i]])) == CRDT_OK);
    return doc;
}

static inline void check_against(world *w, crdt_doc *doc, crdt_doc *want)
{
    check_same(w, doc, want);
    doc_free(w, doc);
}

/* (b + c) joined by a, as a state. */
static inline crdt_doc *joined_in_parts(world *w, const crdt_buf *states)
{
    static const int b_c[] = { 1, 2 }, a[] = { 0 };
    crdt_doc *part = joined(w, states, b_c, 2), *doc = joined(w, states, a, 1);
    w->a.len = 0;
    EXPECT(crdt_delta(part, NULL, &w->a) == CRDT_OK);
    EXPECT(crdt_join(doc, crdt_buf_bytes(&w->a)) == CRDT_OK);
    doc_free(w, part);
    return doc;
}

/* a, and of b and c what is new. */
static inline crdt_doc *joined_by_delta(world *w, const crdt_buf *states,
                                        member *const *from)
{
    static const int a[] = { 0 };
    crdt_doc *doc = joined(w, states, a, 1);
    crdt_err err;
    int i;
    for (i = 1; i < 3; i++) {
        w->a.len = 0;
        EXPECT(crdt_doc_vv(doc, &w->vv) == CRDT_OK);
        EXPECT(crdt_delta(from[i]->doc, &w->vv, &w->a) == CRDT_OK);
        err = crdt_join(doc, crdt_buf_bytes(&w->a));
        EXPECT(err == CRDT_OK || (err == CRDT_ERR_FORGOTTEN && w->has_swept));
        if (err)
            EXPECT(crdt_join(doc, crdt_buf_bytes(&states[i])) == CRDT_OK);
    }
    return doc;
}

/* Opened from canonical bytes. */
static inline crdt_doc *reopened(world *w, crdt_doc *from)
{
    crdt_doc *doc = doc_new(w);
    w->a.len = 0;
    EXPECT(crdt_canonical(from, &w->a) == CRDT_OK);
    EXPECT(crdt_join(doc, crdt_buf_bytes(&w->a)) == CRDT_OK);
    if (w->slow)
        check_inside(w, doc);
    return doc;
}

/* Commutative, associative, idempotent; delta = state; so are canonical bytes:
 * on copies of three
 * members that differ as they may. */
static inline void check_laws(world *w)
{
    static const int forth[] = { 0, 1, 2 }, back[] = { 2, 1, 0 };
    static const int again[] = { 1, 0, 1, 2, 0, 2, 2 };
    crdt_buf states[3] = { CRDT_BUF_INIT, CRDT_BUF_INIT, CRDT_BUF_INIT };
    member *from[3];
    crdt_doc *want;
    bits seen = bits_none();
    int i;
    for (i = 0; i < 3; i++) {
        from[i] = &w->members[below(w, (uint32_t)w->members_len)];
        do_commit(w, from[i]);
        bits_join(&seen, &from[i]->seen);
        EXPECT(crdt_delta(from[i]->doc, NULL, &states[i]) == CRDT_OK);
    }
    want = joined(w, states, forth, 3);
    read_document(w, want, NULL, &seen);
    check_against(w, joined(w, states, back, 3), want);
    check_against(w, joined(w, states, again, 7), want);
    check_against(w, joined_in_parts(w, states), want);
    check_against(w, joined_by_delta(w, states, from), want);
    check_against(w, reopened(w, want), want);
    doc_free(w, want);
    for (i = 0; i < 3; i++)
        crdt_buf_free(&states[i]);
}

/* >>a history ------------------------------------------------------------- */

/* The last type of a history. */
#ifndef HISTORY_TYPES
#define HISTORY_TYPES (CRDT_TYPE_COUNT - 1)
#endif
enum { MODEL_TYPES = HISTORY_TYPES };

/* Half of them are about one type, beside and below a map; the others nest
 * whatever comes. Seeds next to each other are about different types. */
static inline void choose_nodes(world *w)
{
    model *m = &w->m;
    int type = 1 + (int)(w->seed % MODEL_TYPES), i, count, up;
    if (w->seed / MODEL_TYPES % 2) {
        model_node_get(m, model_node_get(m, 0, 2, CRDT_MAP), 1,
                       (crdt_type)type);
        model_node_get(m, 0, 1, (crdt_type)type);
        return;
    }
    count = 2 + (int)below(w, MODEL_NODES - 2);
    for (i = 1; i < count; i++) {
        do
            up = (int)below(w, (uint32_t)m->nodes_len);
        while (m->nodes[up].type != CRDT_MAP);
        type = percent(w, 30) ? CRDT_MAP : 1 + (int)below(w, MODEL_TYPES);
        model_node_get(m, up, (int)below(w, MODEL_KEYS), (crdt_type)type);
    }
}

static inline void begin(world *w, uint64_t seed, int slow)
{
    w->seed = seed;
    w->random = seed * 2 + 1;
    w->ids = ~seed;
    w->slow = slow;
    w->step = w->letters_len = w->has_swept = 0;
    w->wrong = NULL;
    w->now = w->skew = 0;
    w->block_used = 0;
    w->members_len = 0;
    model_begin(&w->m);
    choose_values(w);
}

static inline void add_members(world *w, int count)
{
    for (; w->members_len < count; w->members_len++)
        member_begin(w, &w->members[w->members_len]);
}

static inline void end(world *w)
{
    int i;
    for (i = 0; i < w->members_len; i++)
        doc_free(w, w->members[i].doc);
}

static inline void one_step(world *w)
{
    member *m = &w->members[below(w, (uint32_t)w->members_len)];
    uint32_t dice = below(w, 1000);
    w->now++;
    w->skew = below(w, 3);
    if (dice < 450)
        do_write(w, m);
    else if (dice < 650)
        do_send(w, m);
    else if (dice < 910 && w->letters_len)
        m = do_receive(w);
    else if (dice < 930 && w->letters_len)
        do_lose(w);
    else if (dice < 960)
        do_truncate(w, m, 100);
    else if (dice < 980)
        do_truncate(w, m, 75);
    else if (dice < 985)
        do_sweep(w, m);
    else if (dice < 992)
        do_copy(w, m, &w->members[below(w, (uint32_t)w->members_len)]);
    else
        do_reincarnate(w, m);
    if (!w->wrong)
        check_member(w, m);
}

/* Everyone tells everyone, in any order, twice: all are equal. */
static inline void do_meet(world *w)
{
    int pairs[MAX_MEMBERS * MAX_MEMBERS], len = w->members_len, count = 0, i;
    w->letters_len = 0;
    for (i = 0; i < 2 * len * len; i++) {
        int at, pair;
        if (count == 0)
            for (; count < len * len; count++)
                pairs[count] = count;
        at = (int)below(w, (uint32_t)count);
        pair = pairs[at];
        pairs[at] = pairs[--count];
        if (pair / len == pair % len || w->wrong)
            continue;
        do_join(w, &w->members[pair % len],
                letter_to(w, &w->members[pair / len], pair % len, 99));
        do_join(w, &w->members[pair % len],
                letter_to(w, &w->members[pair / len], pair % len, 0));
    }
}

/* In the end all are equal; and when all know that, there is nothing left to
 * remember but what is live. */
static inline void finish(world *w)
{
    crdt_stats stats;
    int i;
    do_meet(w);
    for (i = 0; i < w->members_len && !w->wrong; i++) {
        member *m = &w->members[i];
        EXPECT(bits_equal(&m->seen, &w->members[0].seen));
        check_member(w, m);
        check_same(w, m->doc, w->members[0].doc);
        do_truncate(w, m, 100);
        crdt_doc_stats(m->doc, &stats);
        EXPECT(stats.kills == 0 && stats.removals == 0);
        do_sweep(w, m);
        check_inside(w, m->doc);
        check_same(w, m->doc, w->members[0].doc);
    }
}

/* Mostly short, sometimes long. */
static inline int choose_steps(world *w)
{
    return 10 + (int)below(w, percent(w, 95) ? 60 : MAX_STEPS);
}

/* NULL, or what is wrong. */
static inline const char *run_seed(world *w, uint64_t seed, int slow)
{
    int steps;
    begin(w, seed, slow);
    choose_nodes(w);
    add_members(w, 2 + (int)below(w, MAX_MEMBERS - 1));
    steps = choose_steps(w);
    for (; w->step < steps && !w->wrong; w->step++)
        one_step(w);
    if (!w->wrong)
        check_laws(w);
    if (!w->wrong)
        finish(w);
    end(w);
    return w->wrong;
}

#endif
