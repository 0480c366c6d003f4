/*
 * Restores: characters that were swept here (sweep.h), and that somebody names
 * who had them still, come back before the delta that has them is joined: dead,
 * and where they were, as their origins say. So whatever was swept where, and
 * when, all replicas order alike what is there.
 */
#ifndef CRDTI_RESTORE_H
#define CRDTI_RESTORE_H

#include "remake.h"
#include "replant.h"

/* Insertions that have walked so far, to find their places one by one. */
#define CRDTI_RESTORE_STEPS 4096u

typedef struct crdti_restore {
    crdt_doc *doc;
    const crdti_delta *delta;
    crdti_delta_sequence *d;
    crdti_sequence *s;
    const uint64_t *have; /* own seq by replica of the message */
    crdti_absent *absent; /* NULL: they are counted */
    uint32_t absent_len;
    size_t steps;
} crdti_restore;

/* How many dots of the edit we have. */
CRDTI_INLINE uint32_t crdti_dots_known(const uint64_t *have,
                                       const crdti_edit *edit)
{
    uint64_t seq = have[edit->replica];
    if (seq < edit->seq)
        return 0;
    return (uint32_t)crdti_min(edit->len, seq - edit->seq + 1);
}

/* >>what is absent -------------------------------------------------------- */

/* Characters of an edit that we had once: below the floor, or there are two
 * that use one replica id. */
CRDTI_FN crdt_err crdti_restore_add(crdti_restore *b, uint32_t author,
                                    uint32_t edit, uint64_t first,
                                    uint64_t end)
{
    const crdti_edit *of = &b->d->edits[edit];
    uint32_t number = b->delta->replicas[of->replica].number;
    crdti_absent *to;
    if (first == end)
        return CRDT_OK;
    if (end - 1 > b->doc->replicas.ptr[number].floor)
        return CRDT_ERR_FORK;
    if (b->absent) {
        to = &b->absent[b->absent_len];
        crdti_zero(to, sizeof *to);
        to->seq = first;
        to->author = author;
        to->len = (uint32_t)(end - first);
        to->edit = edit;
        to->offset = (uint32_t)(first - of->seq);
    }
    b->absent_len++;
    return CRDT_OK;
}

/* Those of the edit, of which `known` are known, that are not here. */
CRDTI_FN crdt_err crdti_restore_look(crdti_restore *b, uint32_t index,
                                     uint32_t known)
{
    const crdti_edit *edit = &b->d->edits[index];
    uint32_t number = b->delta->replicas[edit->replica].number;
    uint32_t author = crdti_author_find(b->doc, b->s->object, number);
    uint64_t next = edit->seq, end = edit->seq + known;
    crdt_err err = CRDT_OK;
    size_t i;
    if (author) {
        const crdti_author *by = crdti_author_at(b->doc, author);
        for (i = crdti_insertion_place(by, next);
             i < by->insertions.len && !err; i++) {
            const crdti_insertion *at = &by->insertions.ptr[i];
            if (at->seq >= end)
                break;
            if (at->seq > next)
                err = crdti_restore_add(b, author, index, next, at->seq);
            next = crdti_min(at->seq + at->len, end);
        }
    }
    return err ? err : crdti_restore_add(b, author, index, next, end);
}

/* Whether we know that character, as of what we know all origins are. */
CRDTI_FN int crdti_restore_knows(const crdti_restore *b, uint32_t told)
{
    const crdti_edit *edit;
    if (told == CRDTI_NO_CHAR || crdti_is_outside(told))
        return 1;
    edit = crdti_edit_of(b->d, told);
    return told - edit->name < crdti_dots_known(b->have, edit);
}

CRDTI_FN crdt_err crdti_restore_find(crdti_restore *b)
{
    uint32_t i;
    crdt_err err = CRDT_OK;
    b->absent_len = 0;
    for (i = 0; i < b->d->edits_len && !err; i++) {
        const crdti_edit *edit = &b->d->edits[i];
        uint32_t known = crdti_dots_known(b->have, edit),
                 before = b->absent_len;
        if (!known || edit->kind != CRDTI_INSERTION_EDIT)
            continue;
        err = crdti_restore_look(b, i, known);
        if (b->absent_len > before && (!crdti_restore_knows(b, edit->left) ||
                                       !crdti_restore_knows(b, edit->right)))
            return CRDT_ERR_CORRUPT;
    }
    return err;
}

/* Those whom we have nothing of, in this sequence, are authors of it again. */
CRDTI_FN crdt_err crdti_restore_authors(crdti_restore *b)
{
    uint32_t i;
    crdt_err err = CRDT_OK;
    for (i = 0; i < b->absent_len && !err; i++) {
        crdti_absent *absent = &b->absent[i];
        const crdti_edit *edit = &b->d->edits[absent->edit];
        err = crdti_author_get(b->doc, &b->s->authors, b->s->object,
                               b->delta->replicas[edit->replica].number,
                               &absent->author);
    }
    return err;
}

/* >>places ---------------------------------------------------------------- */

/* The name, now, of a character that we know. */
CRDTI_FN uint32_t crdti_restore_name(const crdti_restore *b, uint32_t told)
{
    const crdti_edit *edit;
    const crdti_outside *outside;
    uint32_t replica;
    uint64_t seq;
    if (told == CRDTI_NO_CHAR)
        return told;
    if (crdti_is_outside(told)) {
        outside = &b->d->outside[told & ~CRDTI_OUTSIDE];
        replica = outside->replica;
        seq = outside->seq;
    } else {
        edit = crdti_edit_of(b->d, told);
        replica = edit->replica;
        seq = edit->seq + (told - edit->name);
    }
    return crdti_seq_name(
        crdti_author_at(b->doc,
                        crdti_author_find(b->doc, b->s->object,
                                          b->delta->replicas[replica].number)),
        seq);
}

CRDTI_FN void crdti_restore_origins(crdti_restore *b,
                                    const crdti_absent *absent)
{
    const crdti_edit *edit = &b->d->edits[absent->edit];
    crdti_insertion *at = crdti_insertion_of(
        crdti_author_at(b->doc, absent->author), absent->name);
    at->left = crdti_restore_name(
        b, absent->offset ? edit->name + absent->offset - 1 : edit->left);
    at->right = crdti_restore_name(b, edit->right);
}

CRDTI_FN void crdti_restore_place(crdti_restore *b, const crdti_absent *absent)
{
    crdti_origins origins = crdti_origins_of(b->doc, b->s, absent->name);
    crdti_spot spot = crdti_integrate(
        b->doc, b->s, &origins, crdti_spot_behind(b->doc, b->s, origins.left),
        &b->steps);
    crdti_span_put(b->doc, b->s, &spot, absent->name,
                   absent->len | CRDTI_HIDDEN, 0);
}

/* All places at once. 0: there is no memory, and nothing has changed. */
CRDTI_FN int crdti_restore_replant(crdti_restore *b)
{
    crdti_arena_mark mark = crdti_arena_here(&b->doc->scratch);
    crdti_delta_sequence all;
    crdti_plant p;
    crdt_err err;
    crdti_replant_begin(&p, &all, b->doc, b->s);
    err = crdti_replant_prepare(&p);
    if (!err && !b->s->is_list)
        err = crdti_nodes_reserve(b->doc, p.leaves, p.forks);
    if (!err)
        crdti_replant_apply(&p);
    crdti_arena_reset(&b->doc->scratch, mark);
    return !err;
}

/* In the order of the delta: each behind what it names. */
CRDTI_FN void crdti_restore_places(crdti_restore *b)
{
    uint32_t i;
    int can_replant = 1;
    for (i = 0; i < b->absent_len; i++)
        crdti_restore_origins(b, &b->absent[i]);
    crdti_homes_make(b->doc, b->s);
    for (i = 0; i < b->absent_len; i++) {
        if (can_replant && b->steps > CRDTI_RESTORE_STEPS) {
            can_replant = 0;
            if (crdti_restore_replant(b))
                return;
        }
        crdti_restore_place(b, &b->absent[i]);
    }
}

/* Authors that had nothing, or nothing so late, are in the order of their
 * replica again. */
CRDTI_FN void crdti_restore_file(crdti_restore *b)
{
    uint32_t i;
    for (i = 0; i < b->absent_len; i++) {
        const crdti_absent *absent = &b->absent[i];
        crdti_author *author = crdti_author_at(b->doc, absent->author);
        uint64_t last = absent->seq + absent->len - 1;
        if (last <= author->last)
            continue;
        crdti_author_unlist(b->doc, absent->author);
        author->last = last;
    }
    for (i = 0; i < b->absent_len; i++)
        if (!crdti_author_at(b->doc, b->absent[i].author)->is_listed)
            crdti_author_file(b->doc, b->absent[i].author);
}

/* >>all of it ------------------------------------------------------------- */

CRDTI_FN crdt_err crdti_restore_remake(crdti_restore *b)
{
    crdti_remake r;
    crdt_err err = crdti_restore_authors(b);
    if (err)
        return err;
    crdti_remake_begin(&r, b->doc, b->s);
    r.absent = b->absent;
    r.absent_len = b->absent_len;
    err = crdti_remake_prepare(&r);
    if (!err)
        crdti_remake_apply(&r);
    crdti_remake_end(&r);
    if (err)
        return err;
    crdti_restore_file(b);
    crdti_restore_places(b);
    return CRDT_OK;
}

/* Has all characters of the section here that we know. What outside ones are
 * called changes. FORK, CORRUPT, LIMIT, NOMEM: nothing has changed. */
CRDTI_FN crdt_err crdti_restore_all(crdti_restore *b)
{
    crdti_sequence *s = b->s;
    crdt_err err = crdti_restore_find(b);
    if (err || !b->absent_len)
        return err;
    if (s->born.len || s->died.len) { /* those are names */
        b->doc->watch->is_lost = 1;
        crdti_news_clear(&b->doc->alloc, s);
    }
    b->absent = (crdti_absent *)crdti_arena_alloc(
        &b->doc->scratch, b->absent_len * sizeof *b->absent);
    if (!b->absent)
        return CRDT_ERR_NOMEM;
    crdti_restore_find(b);
    b->doc->restored++;
    return crdti_restore_remake(b);
}

#endif
