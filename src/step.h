/*
 * Steps: how a text or list reads differently since the watcher was told, as
 * what to retain, insert and delete from its beginning on; and what of a list
 * is another value, where it was.
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

#include "list.h"
#include "place.h"
#include "sort.h"
#include "text.h"

/* Characters side by side, all inserted, deleted or set since. */
typedef struct crdti_step_piece {
    crdti_spot spot;
    uint32_t name, len;
    crdt_step_kind kind;
} crdti_step_piece;

typedef struct crdti_steps {
    crdt_doc *doc;
    crdti_sequence *s;
    CRDTI_ARRAY(crdti_step_piece) pieces;
    CRDTI_ARRAY(uint32_t) order; /* of pieces in the text */
} crdti_steps;

CRDTI_FN crdt_err crdti_steps_add(crdti_steps *t,
                                  const crdti_step_piece *piece)
{
    if (crdti_array_reserve(&t->doc->alloc, &t->pieces, 1) ||
        crdti_array_reserve(&t->doc->alloc, &t->order, 1))
        return CRDT_ERR_NOMEM;
    t->pieces.ptr[t->pieces.len] = *piece;
    t->order.ptr[t->order.len++] = (uint32_t)t->pieces.len++;
    return CRDT_OK;
}

/* Cuts a run of names into pieces: of one span and one insertion each. What
 * is gone again, or there again, is none. */
CRDTI_FN crdt_err crdti_steps_cut(crdti_steps *t, uint64_t at, uint64_t last,
                                  crdt_step_kind kind)
{
    crdt_err err = CRDT_OK;
    for (; at <= last && !err;) {
        uint32_t name = (uint32_t)at, rest;
        const crdti_leaf *leaf;
        crdti_step_piece piece;
        piece.kind = kind;
        piece.name = name;
        piece.spot = crdti_spot_of(t->doc, t->s, name);
        leaf = crdti_leaf_at(t->doc, piece.spot.leaf);
        rest = crdti_span_len(leaf, piece.spot.at) - piece.spot.off;
        rest = (uint32_t)crdti_min(
            rest, crdti_origins_of(t->doc, t->s, name).end - name);
        piece.len = (uint32_t)crdti_min(rest, last - at + 1);
        at += piece.len;
        if (!(leaf->lens[piece.spot.at] & CRDTI_HIDDEN) ==
            (kind != CRDT_STEP_DELETE))
            err = crdti_steps_add(t, &piece);
    }
    return err;
}

/* What the element reads is another value than before. */
CRDTI_FN crdt_err crdti_steps_set(crdti_steps *t, const crdti_place *element)
{
    uint32_t name;
    if (!element->is_changed || !element->had_before || !element->has_now)
        return CRDT_OK; /* it came or went */
    name = crdti_element_name(t->doc, element->object, element->key.ptr);
    if (name == CRDTI_NO_CHAR || crdti_ivset_has(&t->s->born, name))
        return CRDT_OK; /* it was moved here */
    return crdti_steps_cut(t, name, name, CRDT_STEP_SET);
}

CRDTI_FN int crdti_piece_order(const void *ctx, uint32_t a, uint32_t b)
{
    const crdti_steps *t = (const crdti_steps *)ctx;
    return crdti_spot_order(t->doc, t->pieces.ptr[a].spot,
                            t->pieces.ptr[b].spot);
}

/* Collects the pieces and puts them in the order of the text. */
CRDTI_FN crdt_err crdti_steps_collect(crdti_steps *t, uint32_t element)
{
    const crdti_ivset *born = &t->s->born, *died = &t->s->died;
    size_t i;
    crdt_err err = crdti_ivset_subtract(&t->doc->alloc, &t->s->died, born);
    crdti_homes_make(t->doc, t->s);
    for (i = 0; i < born->len && !err; i++)
        err = crdti_steps_cut(t, born->ptr[i].lo, born->ptr[i].hi,
                              CRDT_STEP_INSERT);
    for (i = 0; i < died->len && !err; i++)
        err = crdti_steps_cut(t, died->ptr[i].lo, died->ptr[i].hi,
                              CRDT_STEP_DELETE);
    for (; element && !err;
         element = t->doc->watch->places.ptr[element - 1].next)
        err = crdti_steps_set(t, &t->doc->watch->places.ptr[element - 1]);
    if (!err)
        crdti_sort(crdti_piece_order, t, t->order.ptr, t->order.len);
    return err;
}

/* Writes a step, or makes the last one longer where it goes on with it: with
 * what is deleted too, or kept right behind. Where the next one goes. */
CRDTI_FN crdt_step *crdti_step_put(const crdt_step *first, crdt_step *step,
                                   crdt_step_kind kind, crdti_width width,
                                   crdt_bytes text)
{
    crdt_step *last = step - (step != first);
    if (step == first || last->kind != kind ||
        (text.len && last->text.ptr + last->text.len != text.ptr)) {
        last = step++;
        crdti_zero(last, sizeof *last);
        last->kind = kind;
        last->text.ptr = text.ptr;
    }
    last->chars += width.chars;
    last->bytes += crdti_width_in(width, CRDT_UTF8);
    last->utf16 += crdti_width_in(width, CRDT_UTF16);
    last->text.len += text.len;
    return step;
}

/* What was inserted in a text stands in its span. */
CRDTI_FN crdt_bytes crdti_piece_bytes(const crdti_steps *t,
                                      const crdti_step_piece *piece)
{
    if (piece->kind != CRDT_STEP_INSERT || t->s->is_list)
        return crdti_no_key();
    return crdti_span_bytes(t->doc, t->s,
                            crdti_leaf_at(t->doc, piece->spot.leaf),
                            piece->spot.at, piece->spot.off, piece->len);
}

/* Writes the steps; there is room for two of each piece. How many. */
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
        crdti_width_add(&done, before);
        if (before.chars)
            step = crdti_step_put(out, step, CRDT_STEP_RETAIN, before,
                                  crdti_no_key());
        step = crdti_step_put(out, step, piece->kind, width,
                              crdti_piece_bytes(t, piece));
        if (piece->kind != CRDT_STEP_DELETE)
            crdti_width_add(&done, width);
    }
    return (size_t)(step - out);
}

/* The steps of the place, a text or list, in the arena. NOMEM. */
CRDTI_FN crdt_err crdti_steps_make(crdt_doc *doc, const crdti_place *place,
                                   crdti_arena *arena, const crdt_step **out,
                                   size_t *len)
{
    crdti_steps t;
    crdt_step *steps;
    crdt_err err;
    crdti_zero(&t, sizeof t);
    t.doc = doc;
    t.s = crdti_sequence_at(doc, place->object);
    *len = 0;
    if (!t.s)
        return CRDT_OK;
    err = crdti_steps_collect(&t, place->elements);
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
