/*
 * Steps: how a text reads differently since the watcher was told, as what to
 * retain, insert and delete from its beginning on.
 *
 *     names born since   40..44           in the order of the text:
 *     names died since    7..9, 42        retain 7, delete 3, retain 5,
 *                                         insert "ab", insert "de"
 *
 * What was born and died since is nothing. What remains is looked up in the
 * tree, piece by piece. O(pieces x log n).
 */
#ifndef CRDTI_STEP_H
#define CRDTI_STEP_H

#include "sort.h"
#include "text.h"

/* Characters side by side, all inserted or all deleted since. */
typedef struct crdti_step_piece {
    crdti_spot spot;
    uint32_t name, len;
    int is_born;
} crdti_step_piece;

typedef struct crdti_steps {
    crdt_doc *doc;
    crdti_sequence *s;
    CRDTI_ARRAY(crdti_step_piece) pieces;
    CRDTI_ARRAY(uint32_t) order; /* of pieces in the text */
} crdti_steps;

/* Cuts a run of names into pieces: of one span and one insertion each. */
CRDTI_FN crdt_err crdti_steps_cut(crdti_steps *t, crdti_run run, int is_born)
{
    uint64_t at = run.lo;
    while (at <= run.hi) {
        uint32_t name = (uint32_t)at, rest;
        crdti_step_piece *piece;
        crdti_origins origins = crdti_origins_of(t->doc, t->s, name);
        if (crdti_array_reserve(&t->doc->alloc, &t->pieces, 1) ||
            crdti_array_reserve(&t->doc->alloc, &t->order, 1))
            return CRDT_ERR_NOMEM;
        piece = &t->pieces.ptr[t->pieces.len];
        piece->spot = crdti_spot_of(t->doc, t->s, name);
        rest = crdti_span_len(crdti_leaf_at(t->doc, piece->spot.leaf),
                              piece->spot.at) -
               piece->spot.off;
        rest = (uint32_t)crdti_min(rest, origins.end - name);
        piece->name = name;
        piece->len = (uint32_t)crdti_min(rest, run.hi - at + 1);
        piece->is_born = is_born;
        at += piece->len;
        t->order.ptr[t->order.len++] = (uint32_t)t->pieces.len++;
    }
    return CRDT_OK;
}

CRDTI_FN int crdti_piece_order(const void *ctx, uint32_t a, uint32_t b)
{
    const crdti_steps *t = (const crdti_steps *)ctx;
    return crdti_spot_order(t->doc, t->pieces.ptr[a].spot,
                            t->pieces.ptr[b].spot);
}

/* Collects the pieces and puts them in the order of the text. */
CRDTI_FN crdt_err crdti_steps_collect(crdti_steps *t)
{
    crdti_ivset born = { NULL, 0, 0 };
    size_t i;
    crdt_err err = crdti_ivset_union(&t->doc->alloc, &born, &t->s->born);
    if (!err)
        err = crdti_ivset_subtract(&t->doc->alloc, &born, &t->s->died);
    if (!err)
        err = crdti_ivset_subtract(&t->doc->alloc, &t->s->died, &t->s->born);
    crdti_homes_make(t->doc, t->s);
    for (i = 0; i < born.len && !err; i++)
        err = crdti_steps_cut(t, born.ptr[i], 1);
    for (i = 0; i < t->s->died.len && !err; i++)
        err = crdti_steps_cut(t, t->s->died.ptr[i], 0);
    crdti_ivset_free(&t->doc->alloc, &born);
    if (!err)
        crdti_sort(crdti_piece_order, t, t->order.ptr, t->order.len);
    return err;
}

CRDTI_FN void crdti_step_put(crdt_step **step, crdt_step_kind kind,
                             crdti_width width, crdt_bytes text)
{
    (*step)->kind = kind;
    (*step)->chars = width.chars;
    (*step)->bytes = crdti_width_in(width, CRDT_UTF8);
    (*step)->utf16 = crdti_width_in(width, CRDT_UTF16);
    (*step)->text = text;
    ++*step;
}

/* Writes the steps; there is room for two of each piece. */
CRDTI_FN size_t crdti_steps_write(const crdti_steps *t, crdt_step *out)
{
    crdt_step *step = out;
    crdti_width done;
    size_t i;
    crdti_zero(&done, sizeof done);
    for (i = 0; i < t->order.len; i++) {
        const crdti_step_piece *piece = &t->pieces.ptr[t->order.ptr[i]];
        crdti_width before = crdti_spot_rank(t->doc, t->s, piece->spot);
        crdti_width width =
            crdti_name_width(t->doc, t->s, piece->name, piece->len);
        crdti_width_subtract(&before, done);
        if (before.chars)
            crdti_step_put(&step, CRDT_STEP_RETAIN, before, crdti_no_key());
        crdti_width_add(&done, before);
        if (!piece->is_born) {
            crdti_step_put(&step, CRDT_STEP_DELETE, width, crdti_no_key());
            continue;
        }
        crdti_step_put(
            &step, CRDT_STEP_INSERT, width,
            crdti_span_bytes(t->doc, t->s,
                             crdti_leaf_at(t->doc, piece->spot.leaf),
                             piece->spot.at, piece->spot.off, piece->len));
        crdti_width_add(&done, width);
    }
    return (size_t)(step - out);
}

/* The steps of a text, in the arena. NOMEM. */
CRDTI_FN crdt_err crdti_steps_make(crdt_doc *doc, uint32_t text,
                                   crdti_arena *arena, const crdt_step **out,
                                   size_t *len)
{
    crdti_steps t;
    crdt_step *steps;
    crdt_err err;
    crdti_zero(&t, sizeof t);
    t.doc = doc;
    t.s = crdti_sequence_at(doc, text);
    *len = 0;
    if (!t.s || (!t.s->born.len && !t.s->died.len))
        return CRDT_OK;
    err = crdti_steps_collect(&t);
    if (!err) {
        steps = (crdt_step *)crdti_arena_alloc(arena, t.pieces.len * 2 *
                                                          sizeof *steps);
        err = steps ? CRDT_OK : CRDT_ERR_NOMEM;
        if (steps)
            *len = crdti_steps_write(&t, steps);
        *out = steps;
    }
    crdti_array_free(&doc->alloc, &t.pieces);
    crdti_array_free(&doc->alloc, &t.order);
    return err;
}

#endif
