/*
 * Deltas that travel by themselves, as a program with a network of its own
 * would send them: late, twice, out of order, or not at all. What builds on
 * what is not there must be refused, and nothing else.
 */
#ifndef LETTERS_H
#define LETTERS_H

#include "site.h"

typedef struct {
    uint32_t to;
    bits brings, base;
    size_t len;
    uint8_t bytes[1];
} letter_on_its_way;

/* Since nothing, since what the other has now, or since the last one. */
static inline const crdt_vv *letter_since(const site *from, const site *to,
                                          uint64_t dice, bits *known)
{
    *known = dice % 10 ? from->posted_done : bits_none();
    if (dice % 10 == 0)
        return NULL;
    if (dice % 10 < 8)
        return &from->posted;
    *known = to->m.done;
    return &to->vv;
}

static inline void letter_post(sim *s, site *from, site *to, uint64_t dice)
{
    world *w = s->w;
    bits known;
    const crdt_vv *since = letter_since(from, to, dice, &known);
    crdt_vv base = CRDT_VV_INIT;
    letter_on_its_way *l;
    uint64_t late = dice_of(dice, 1, 0) % 3000;
    w->a.len = 0;
    SIM_EXPECT(!crdt_delta(from->m.doc, since, &w->a));
    SIM_EXPECT(!crdt_delta_range(crdt_buf_bytes(&w->a), &base, NULL));
    l = (letter_on_its_way *)malloc(sizeof *l + w->a.len);
    if (!l)
        exit(1);
    l->to = to->number;
    l->brings = from->m.done;
    l->base = base.len ? bits_both(&known, &from->m.done) : bits_none();
    l->len = w->a.len;
    memcpy(l->bytes, w->a.ptr, w->a.len);
    crdt_vv_free(&base);
    queue_put(&s->q, s->now + late, A_LETTER, to->number, l);
    from->posted_done = from->m.done;
    SIM_EXPECT(!crdt_vv_copy(&from->posted, &from->vv));
}

static inline void letter_join(sim *s, site *at, const letter_on_its_way *l)
{
    crdt_err err = crdt_join(at->m.doc, crdt_bytes_of(l->bytes, l->len));
    crdt_err want =
        bits_cover(&at->m.done, &l->base) ? CRDT_OK : CRDT_ERR_CAUSAL;
    s->n.letters++;
    if (err == CRDT_ERR_FORGOTTEN && bits_any(&l->base) && s->w->has_swept)
        return; /* what it names was swept here */
    if (err == CRDT_ERR_SKEW && want == CRDT_OK && s->o.counts[ACT_clock])
        return;
    if (err != want)
        sim_fail(s, "a letter is taken otherwise than it must be");
    if (err)
        return;
    site_look(s, at);
    SIM_EXPECT(bits_cover(&at->m.done, &l->brings));
    site_wake(s, at, s->now);
}

/* It may be lost, and it may come again. */
static inline void letter_arrives(sim *s, const moment *m)
{
    letter_on_its_way *l = (letter_on_its_way *)m->what;
    site *at = &s->sites[l->to];
    uint64_t dice = dice_of(s->o.seed, 16, m->order);
    if (at->state == SITE_UP && dice % 100 >= 20)
        letter_join(s, at, l);
    if (dice / 100 % 100 < 20 && !s->is_healed)
        queue_put(&s->q, s->now + dice / 10000 % 3000, A_LETTER, l->to, l);
    else
        free(l);
}

#endif
