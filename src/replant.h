/*
 * Replants: the order of a sequence that is there already, found anew as that
 * of a plant, all at once. For joins whose insertions one by one would walk
 * past each other for too long: as many as insert at one spot.
 *
 *     records   of the authors; new ones are written down, but not placed
 *     order     plant.h: O(n log n)
 *     leaves    built anew; what was visible is so again
 *
 * It is only an acceleration: where there is no memory for it, they walk.
 */
#ifndef CRDTI_REPLANT_H
#define CRDTI_REPLANT_H

#include "plant.h"

CRDTI_FN void crdti_replant_begin(crdti_plant *p, crdti_delta_sequence *all,
                                  crdt_doc *doc, crdti_sequence *s)
{
    crdti_zero(all, sizeof *all);
    crdti_zero(p, sizeof *p);
    p->doc = doc;
    p->d = all;
    p->s = s;
    p->arena = &doc->scratch;
}

/* The insertions of all authors, by name. */
CRDTI_FN void crdti_replant_gather(crdti_plant *p)
{
    const crdti_extents *extents = &p->s->extents;
    crdti_delta_sequence *d = p->d;
    size_t i;
    for (i = 0; i < extents->len; i++) {
        const crdti_extent *extent = &extents->ptr[i];
        const crdti_author *author = crdti_author_at(p->doc, extent->author);
        const crdti_insertion *at = author->insertions.ptr;
        const crdti_insertion *end = at + author->insertions.len;
        if (author->insertions.len)
            at = crdti_insertion_of(author, extent->name);
        for (; at < end; at++) {
            crdti_edit *edit = &d->edits[d->edits_len];
            if (at->name < extent->name)
                continue;
            if (i + 1 < extents->len && at->name >= extent[1].name)
                break;
            edit->replica = author->replica;
            edit->name = edit->here = at->name;
            edit->len = at->len;
            edit->left = at->left;
            edit->right = at->right;
            d->inserts[d->edits_len] = (uint32_t)d->edits_len;
            d->edits_len++;
        }
    }
    d->inserts_len = d->edits_len;
}

/* Arrays for them, and what is not visible now. */
CRDTI_FN crdt_err crdti_replant_make(crdti_plant *p)
{
    crdti_delta_sequence *d = p->d;
    size_t count = 0, words = p->s->names_used / 64 + 1;
    uint32_t at;
    for (at = p->s->authors; at; at = crdti_author_at(p->doc, at)->next)
        count += crdti_author_at(p->doc, at)->insertions.len;
    d->chars = p->s->names_used;
    d->edits =
        (crdti_edit *)crdti_arena_alloc(p->arena, count * sizeof *d->edits);
    d->inserts = (uint32_t *)crdti_plant_array(p, count, 0);
    d->dead = (uint64_t *)crdti_plant_array(p, 2 * words, 1);
    if (!d->edits || !d->inserts || !d->dead)
        return CRDT_ERR_NOMEM;
    crdti_replant_gather(p);
    crdti_names_dead(p->doc, p->s, d->dead);
    return CRDT_OK;
}

/* Finds the order, and what it takes. Nothing is changed yet. */
CRDTI_FN crdt_err crdti_replant_prepare(crdti_plant *p)
{
    uint32_t len = 0, all = 0, i;
    crdt_err err = crdti_replant_make(p);
    if (!err)
        err = crdti_plant_cut(p);
    if (err)
        return err;
    crdti_plant_walk(p);
    for (i = 0; i < p->order_len; i++)
        len += crdti_piece_len(p, p->order[i]);
    for (i = 0; i < p->d->edits_len; i++)
        all += p->d->edits[i].len;
    if (len != all)
        return CRDT_ERR_CORRUPT;
    crdti_plant_size(p, p->d->edits_len);
    return CRDT_OK;
}

/* The new order takes the place of the old one. Cannot fail. */
CRDTI_FN void crdti_replant_apply(crdti_plant *p)
{
    crdti_sequence *s = p->s;
    crdti_widths_close(p->doc, s);
    crdti_spans_free(p->doc, s);
    crdti_homes_drop(&p->doc->alloc, &s->homes);
    crdti_zero(&s->cursor, sizeof s->cursor);
    crdti_zero(&s->total, sizeof s->total);
    s->root = s->first = crdti_leaf_take(p->doc, s);
    crdti_plant_leaves(p);
    crdti_plant_forks(p);
    s->cursor_is_known = 0;
    s->is_hashed = 0;
    s->changes++;
    crdti_homes_make(p->doc, s);
}

#endif
