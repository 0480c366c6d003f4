/*
 * Grafts: what a delta brings to sequences, put where it belongs.
 *
 *     prepare   names that the edits use are looked up, authors made, memory
 *               taken for all that may happen
 *     apply     without a way to fail: insertions are integrated one by one,
 *               dead ones as such; deletions hide what is still visible
 *     context   own characters that the delta covers and does not show die
 *
 * Of an edit of which we have a part, the rest is taken.
 */
#ifndef CRDTI_GRAFT_H
#define CRDTI_GRAFT_H

#include "delta.h"
#include "edit.h"
#include "plant.h"
#include "replant.h"
#include "restore.h"
#include "sequence.h"
#include "text.h"

typedef struct crdti_graft {
    crdt_doc *doc;
    crdti_delta *delta;
    const uint64_t *have;    /* own seq by replica of the message */
    crdti_graft_need *needs; /* by replica of the message; zeros between two
                                sequences */
    /* Of the sequence at hand: */
    crdti_delta_sequence *d;
    crdti_sequence *s;
    const uint8_t *content; /* what is not taken yet */
    crdti_origins before;   /* of the last insertion; `end`: its name */
    size_t cuts, trees;     /* spans that may be cut in all, and where */
    size_t leaves, forks;   /* that lists will hold */
    uint32_t height;        /* of the highest tree */
    uint32_t *touched;      /* authors with news */
    size_t touched_len, touched_cap;
    size_t steps;  /* past other insertions, in all */
    int is_placed; /* all that is inserted */
} crdti_graft;

/* When insertions have walked as far as it takes to find all places anew. */
#ifndef CRDTI_STEPS_MAX
#define CRDTI_STEPS_MAX 64u
#endif

CRDTI_INLINE uint32_t crdti_edit_known(const crdti_graft *g,
                                       const crdti_edit *edit)
{
    return crdti_dots_known(g->have, edit);
}

CRDTI_FN uint32_t crdti_graft_author(const crdti_graft *g, uint32_t replica)
{
    return crdti_author_find(g->doc, g->s->object,
                             g->delta->replicas[replica].number);
}

/* >>prepare --------------------------------------------------------------- */

/* Takes the content of `len` characters off what is left. */
CRDTI_FN crdt_bytes crdti_graft_take(crdti_graft *g, uint32_t len)
{
    const crdt_bytes all = g->d->content;
    const uint8_t *from = g->content;
    size_t size = crdti_utf8_len(all, (size_t)(from - all.ptr), len);
    g->content = from + size;
    return crdt_bytes_of(from, size);
}

/* The next characters of an insertion, `at` on, that are all alive or all
 * dead: how many, and the bytes of the former. */
CRDTI_FN uint32_t crdti_graft_stretch(crdti_graft *g, uint32_t at,
                                      uint32_t most, crdt_bytes *bytes)
{
    uint32_t len = crdti_bits_run(g->d->dead, at, most);
    *bytes = crdti_no_key();
    if (!(g->d->dead[at / 64] >> at % 64 & 1))
        *bytes = crdti_graft_take(g, len);
    return len;
}

/* In how many insertions, here, are the characters of the delta from `from` up
 * to `end`? */
CRDTI_FN size_t crdti_graft_parts(const crdti_graft *g, uint32_t from,
                                  uint32_t end)
{
    size_t count = 0, insertions;
    while (from < end) {
        const crdti_edit *edit = crdti_edit_of(g->d, from);
        uint32_t known = crdti_edit_known(g, edit);
        uint32_t to = (uint32_t)crdti_min(end, edit->name + edit->len);
        if (from < edit->name + known) {
            to = (uint32_t)crdti_min(to, edit->name + known);
            crdti_author_count(
                crdti_author_at(g->doc, crdti_graft_author(g, edit->replica)),
                edit->seq + (from - edit->name),
                edit->seq + (to - edit->name) - 1, &insertions);
            count += insertions;
        } else {
            count++;
        }
        from = to;
    }
    return count;
}

/* How many deletions the edit becomes here, at most. */
CRDTI_FN size_t crdti_graft_stretches(const crdti_graft *g,
                                      const crdti_edit *edit)
{
    uint32_t more = edit->kind == CRDTI_BACKWARDS_EDIT ? edit->len - 1 : 0;
    const crdti_outside *outside;
    size_t insertions;
    if (!crdti_is_outside(edit->name))
        return crdti_graft_parts(g, edit->name - more,
                                 edit->name - more + edit->len);
    outside = &g->d->outside[edit->name & ~CRDTI_OUTSIDE];
    crdti_author_count(
        crdti_author_at(g->doc, crdti_graft_author(g, outside->replica)),
        outside->seq - more, outside->seq - more + edit->len - 1, &insertions);
    return insertions;
}

CRDTI_FN void crdti_graft_count(crdti_graft *g, const crdti_edit *edit)
{
    crdti_graft_need *need = &g->needs[edit->replica];
    uint32_t known = crdti_edit_known(g, edit), at, len;
    if (edit->kind != CRDTI_INSERTION_EDIT) {
        size_t stretches =
            known < edit->len ? crdti_graft_stretches(g, edit) : 0;
        need->deletions += stretches;
        need->victims += edit->len - known;
        g->cuts += 2 * stretches;
        return;
    }
    for (at = 0; at < edit->len; at += len) {
        crdt_bytes bytes;
        if (at < known) {
            len = crdti_graft_stretch(g, edit->name + at, known - at, &bytes);
            g->cuts += 2;
            continue;
        }
        len = crdti_graft_stretch(g, edit->name + at, edit->len - at, &bytes);
        need->chars += len;
        need->bytes += bytes.len;
        do {
            if (bytes.len)
                crdti_piece_take(&bytes);
            need->insertions++;
            g->cuts += !g->s->is_list; /* that holds them */
        } while (bytes.len);
    }
}

/* What a character that is not here is answered with. */
CRDTI_FN crdt_err crdti_graft_absent(const crdti_graft *g,
                                     const crdti_outside *outside)
{
    uint32_t number = g->delta->replicas[outside->replica].number;
    return outside->seq <= g->doc->replicas.ptr[number].floor
               ? CRDT_ERR_FORGOTTEN
               : CRDT_ERR_CORRUPT;
}

/* Finds the characters that are not in the delta. CORRUPT: there is none.
 * FORGOTTEN: there is none any more. */
CRDTI_FN crdt_err crdti_graft_outside(crdti_graft *g)
{
    size_t i;
    for (i = 0; i < g->d->outside_len; i++) {
        crdti_outside *outside = &g->d->outside[i];
        uint32_t author = crdti_graft_author(g, outside->replica);
        outside->name = CRDTI_NO_CHAR;
        if (author)
            outside->name =
                crdti_seq_name(crdti_author_at(g->doc, author), outside->seq);
        if (outside->name == CRDTI_NO_CHAR)
            return crdti_graft_absent(g, outside);
    }
    return CRDT_OK;
}

/* Has here what we know of the insertions, where the delta says it is. */
CRDTI_FN crdt_err crdti_graft_restore(crdti_graft *g)
{
    crdti_restore b;
    crdt_err err;
    crdti_zero(&b, sizeof b);
    b.doc = g->doc;
    b.delta = g->delta;
    b.d = g->d;
    b.s = g->s;
    b.have = g->have;
    err = crdti_restore_all(&b);
    return err || !b.absent ? err : crdti_graft_outside(g);
}

/* Whether all that a deletion of others' characters takes is here. */
CRDTI_FN int crdti_graft_has_victims(const crdti_graft *g,
                                     const crdti_edit *edit)
{
    const crdti_outside *outside;
    const crdti_author *author;
    uint64_t low;
    size_t insertions;
    if (edit->kind == CRDTI_INSERTION_EDIT || !crdti_is_outside(edit->name))
        return 1;
    outside = &g->d->outside[edit->name & ~CRDTI_OUTSIDE];
    author = crdti_author_at(g->doc, crdti_graft_author(g, outside->replica));
    low = outside->seq;
    low -= edit->kind == CRDTI_BACKWARDS_EDIT ? edit->len - 1 : 0;
    return crdti_author_count(author, low, low + edit->len - 1, &insertions) ==
           edit->len;
}

/* Takes memory for one author. */
CRDTI_FN crdt_err crdti_graft_reserve(crdti_graft *g, uint32_t replica)
{
    crdti_graft_need *need = &g->needs[replica];
    crdti_author *author;
    uint32_t index;
    crdt_err err;
    if (!need->insertions && !need->deletions)
        return CRDT_OK;
    g->touched_cap++;
    err = crdti_author_get(g->doc, &g->s->authors, g->s->object,
                           g->delta->replicas[replica].number, &index);
    if (err)
        return err;
    author = crdti_author_at(g->doc, index);
    if (crdti_array_reserve(&g->doc->alloc, &author->deletions,
                            need->deletions))
        return CRDT_ERR_NOMEM;
    err = crdti_insertions_reserve(g->doc, g->s, index, need->insertions,
                                   need->chars, need->bytes);
    crdti_zero(need, sizeof *need);
    return err;
}

/* Lays the sequence out at once, where that can be; what it shows is told when
 * the delta is applied. */
CRDTI_FN crdt_err crdti_graft_plant(crdti_graft *g)
{
    crdti_plant p;
    uint32_t at;
    crdt_err err;
    crdti_zero(&p, sizeof p);
    p.doc = g->doc;
    p.delta = g->delta;
    p.d = g->d;
    p.s = g->s;
    p.needs = g->needs;
    p.arena = &g->doc->scratch;
    crdti_homes_drop(&g->doc->alloc, &g->s->homes);
    err = crdti_plant_sequence(&p, &g->d->is_planted);
    for (at = g->s->authors; at && !err;
         at = crdti_author_at(g->doc, at)->next)
        g->touched_cap++;
    if (err)
        crdti_sequence_clear(g->doc, g->s);
    g->s->is_bare = g->d->is_planted && g->s->is_list;
    return err;
}

/* Whether none of it was seen before, as it was where a text is empty because
 * all in it has been forgotten. */
CRDTI_FN int crdti_graft_is_new(const crdti_graft *g)
{
    size_t i = 0;
    while (i < g->d->edits_len && !crdti_edit_known(g, &g->d->edits[i]))
        i++;
    return i == g->d->edits_len;
}

CRDTI_FN crdt_err crdti_graft_prepare_one(crdti_graft *g)
{
    const crdti_delta_sequence *d = g->d;
    crdt_err err;
    size_t i;
    uint32_t number = g->delta->objects[d->object].number, chars = 0;
    err = crdti_sequence_get(g->doc, number, &g->s);
    if (err)
        return err;
    if (g->s->is_met)
        return CRDT_ERR_CORRUPT; /* two sections of one sequence */
    g->s->is_met = 1;
    if (!g->s->names_used && crdti_graft_is_new(g))
        err = crdti_graft_plant(g);
    if (!err && !g->d->is_planted)
        err = crdti_graft_outside(g);
    if (!err && !g->d->is_planted && g->d->is_laid_out)
        err = CRDT_ERR_UNSUPPORTED;
    if (!err && !g->d->is_planted)
        err = crdti_graft_restore(g);
    if (err || g->d->is_planted)
        return err;
    g->content = d->content.ptr;
    for (i = 0; i < d->edits_len; i++)
        if (!crdti_graft_has_victims(g, &d->edits[i]))
            return crdti_graft_absent(
                g, &d->outside[d->edits[i].name & ~CRDTI_OUTSIDE]);
    for (i = 0; i < d->edits_len; i++)
        crdti_graft_count(g, &d->edits[i]);
    for (i = 0; i < d->edits_len; i++)
        if (g->needs[d->edits[i].replica].victims >
            g->s->names_used + d->chars)
            return CRDT_ERR_CORRUPT; /* nobody deletes a character twice */
    for (i = 0; i < d->edits_len; i++)
        chars += d->edits[i].len - crdti_edit_known(g, &d->edits[i]);
    if (g->s->is_list) {
        g->leaves += crdti_leaves_more(g->s, chars);
        g->forks += crdti_forks_more(g->s, chars);
    }
    for (i = 0; i < d->edits_len && !err; i++)
        err = crdti_graft_reserve(g, d->edits[i].replica);
    crdti_homes_make(g->doc, g->s);
    return err;
}

/* Characters of own that the marks of killers, or the context, may cut. */
CRDTI_FN void crdti_graft_count_rest(crdti_graft *g)
{
    const crdti_delta *d = g->delta;
    size_t i, k;
    if (!g->doc->sequences)
        return;
    for (i = 0; i < d->ops_len; i++)
        for (k = 0; k < d->ops[i].kills_len; k++)
            g->cuts += g->doc->replicas
                           .ptr[d->replicas[d->ops[i].kills[k].replica].number]
                           .authors;
    for (i = 0; i < d->replicas_len; i++)
        if (d->replicas[i].base < g->have[i])
            g->cuts += 2 * g->doc->replicas.ptr[d->replicas[i].number].authors;
    g->trees += g->doc->authors.live;
}

/* Memory for so many nodes, and all that is to come. */
CRDTI_FN crdt_err crdti_graft_nodes(crdti_graft *g, size_t leaves,
                                    size_t forks)
{
    crdt_doc *doc = g->doc;
    crdt_err err;
    doc->held_leaves += leaves += g->leaves;
    doc->held_forks += forks += g->forks;
    err = crdti_spans_reserve_at(doc, g->height + 2, g->trees, g->cuts);
    doc->held_leaves -= leaves;
    doc->held_forks -= forks;
    return err;
}

CRDTI_FN crdt_err crdti_graft_prepare(crdti_graft *g)
{
    size_t i;
    crdt_err err = CRDT_OK;
    for (i = 0; i < g->delta->sequences_len && !err; i++) {
        g->d = &g->delta->sequences[i];
        err = crdti_graft_prepare_one(g);
        if (!err && g->s->height > g->height)
            g->height = g->s->height;
    }
    if (err)
        return err;
    crdti_graft_count_rest(g);
    g->touched = (uint32_t *)crdti_arena_alloc(
        &g->doc->scratch, g->touched_cap * sizeof *g->touched);
    return g->touched ? crdti_graft_nodes(g, 0, 0) : CRDT_ERR_NOMEM;
}

/* Names of an author that goes were used by nobody. */
CRDTI_FN void crdti_names_forget(crdti_extents *extents, uint32_t author)
{
    size_t i, kept = 0;
    for (i = 0; i < extents->len; i++)
        if (extents->ptr[i].author != author)
            extents->ptr[kept++] = extents->ptr[i];
    extents->len = kept;
}

/* Takes back the authors that came with what is not to be. */
CRDTI_FN void crdti_graft_undo(crdti_graft *g)
{
    size_t i;
    for (i = 0; i < g->delta->sequences_len; i++) {
        uint32_t number =
            g->delta->objects[g->delta->sequences[i].object].number;
        crdti_sequence *s = number ? crdti_sequence_at(g->doc, number) : NULL;
        if (s)
            s->is_met = 0;
        if (s && g->delta->sequences[i].is_planted)
            crdti_sequence_clear(g->doc, s);
        while (s && s->authors) {
            uint32_t at = s->authors;
            crdti_author *author = crdti_author_at(g->doc, at);
            if (author->last)
                break;
            s->authors = author->next;
            if (s->own == at)
                s->own = 0;
            crdti_names_forget(&s->extents, at);
            crdti_author_free(g->doc, at);
        }
    }
}

/* >>apply ----------------------------------------------------------------- */

/* The name of a character that the edits name. */
CRDTI_FN uint32_t crdti_graft_name(const crdti_graft *g, uint32_t told)
{
    const crdti_delta_sequence *d = g->d;
    const crdti_edit *edit;
    uint32_t known;
    if (told == CRDTI_NO_CHAR)
        return told;
    if (told & CRDTI_OUTSIDE)
        return d->outside[told & ~CRDTI_OUTSIDE].name;
    edit = crdti_edit_of(d, told);
    known = crdti_edit_known(g, edit);
    if (told - edit->name >= known)
        return edit->here + (told - edit->name - known);
    return crdti_seq_name(
        crdti_author_at(g->doc, crdti_graft_author(g, edit->replica)),
        edit->seq + (told - edit->name));
}

/* Writes down `len` characters, alive with those bytes or dead, and puts them
 * at the spot, if there is one. */
CRDTI_FN void crdti_graft_put(crdti_graft *g, uint32_t author, uint64_t *seq,
                              crdti_origins *origins, crdti_spot *spot,
                              uint32_t len, crdt_bytes bytes)
{
    do {
        crdti_author *at = crdti_author_at(g->doc, author);
        crdti_piece piece;
        crdti_zero(&piece, sizeof piece);
        piece.width.chars = len;
        if (bytes.len)
            piece = crdti_piece_take(&bytes);
        if (spot)
            crdti_insertion_put(g->doc, g->s, author, *seq, origins, &piece,
                                spot);
        else
            crdti_insertion_write(g->doc, g->s, author, *seq, origins, &piece);
        *seq += piece.width.chars;
        origins->left = at->free_name - 1;
    } while (bytes.len);
}

/* From where on to look for the place of an insertion: behind its left origin.
 * But if the one before has the same origins, it is not before that one: many
 * at one spot would be a walk of them all for each. */
CRDTI_FN crdti_spot crdti_graft_start(const crdti_graft *g,
                                      const crdti_origins *ours)
{
    const crdti_origins *before = &g->before;
    const crdti_replica *replicas = g->doc->replicas.ptr;
    if (before->end != CRDTI_NO_CHAR && before->left == ours->left &&
        before->right == ours->right &&
        crdti_id_order(&replicas[before->replica].id,
                       &replicas[ours->replica].id) <= 0)
        return crdti_spot_of(g->doc, g->s, before->end);
    return crdti_spot_behind(g->doc, g->s, ours->left);
}

/* The author changes the sequence. (Lists were touched before.) */
CRDTI_FN void crdti_graft_touch(crdti_graft *g, uint32_t author)
{
    crdti_author *at = crdti_author_at(g->doc, author);
    if (!g->s->is_list) {
        g->doc->actor = at->replica;
        crdti_touch(g->doc, g->s->object, crdti_no_key());
    }
    if (at->is_touched)
        return;
    at->is_touched = 1;
    g->touched[g->touched_len++] = author;
}

CRDTI_FN int crdti_touched_order(const void *ctx, uint32_t a, uint32_t b)
{
    const crdt_doc *doc = (const crdt_doc *)ctx;
    uint64_t x = crdti_author_at(doc, a)->last;
    uint64_t y = crdti_author_at(doc, b)->last;
    return (x > y) - (x < y);
}

/* Those of one replica must be listed in the order of their latest seqs, of
 * all sequences together. */
CRDTI_FN void crdti_graft_list(crdti_graft *g)
{
    size_t i;
    crdti_sort(crdti_touched_order, g->doc, g->touched, g->touched_len);
    for (i = 0; i < g->touched_len; i++) {
        crdti_author_at(g->doc, g->touched[i])->is_touched = 0;
        crdti_author_list(g->doc, g->touched[i]);
    }
}

/* Has those of the positions visible, which are hidden, where elements stand.
 */
CRDTI_FN void crdti_graft_look(crdti_graft *g, const crdti_edit *edit)
{
    crdti_names_look(g->doc, g->s, edit->here,
                     edit->len - crdti_edit_known(g, edit));
}

/* Takes what is new of the insertion; `is_placed`: to where it belongs. */
CRDTI_FN void crdti_graft_insert(crdti_graft *g, crdti_edit *edit,
                                 int is_placed)
{
    uint32_t known = crdti_edit_known(g, edit), at, len, author;
    uint64_t seq = edit->seq + known;
    crdti_origins origins;
    crdti_spot spot = { 0, 0, 0 };
    crdt_bytes bytes;
    author = crdti_graft_author(g, edit->replica);
    for (at = 0; at < known; at += len)
        len = crdti_graft_stretch(g, edit->name + at, known - at, &bytes);
    if (known)
        crdti_author_at(g->doc, author)->party += known;
    if (known == edit->len)
        return;
    crdti_graft_touch(g, author);
    origins.left = known ? crdti_graft_name(g, edit->name + known - 1)
                         : crdti_graft_name(g, edit->left);
    origins.right = crdti_graft_name(g, edit->right);
    origins.replica = g->delta->replicas[edit->replica].number;
    origins.end = 0;
    if (is_placed)
        spot = crdti_integrate(g->doc, g->s, &origins,
                               crdti_graft_start(g, &origins), &g->steps);
    edit->here = crdti_author_at(g->doc, author)->free_name;
    g->before = origins;
    g->before.end = edit->here;
    for (at = known; at < edit->len; at += len) {
        len = crdti_graft_stretch(g, edit->name + at, edit->len - at, &bytes);
        crdti_graft_put(g, author, &seq, &origins, is_placed ? &spot : NULL,
                        len, bytes);
    }
    if (!is_placed)
        return;
    g->s->cursor = spot;
    if (g->s->is_list)
        crdti_graft_look(g, edit);
}

/* >>many at one spot ------------------------------------------------------ */

/* Of an insertion that is written down: has all that is alive visible. */
CRDTI_FN void crdti_graft_reveal(crdti_graft *g, crdti_plant *p,
                                 const crdti_edit *edit)
{
    const crdti_author *author =
        crdti_author_at(g->doc, crdti_graft_author(g, edit->replica));
    uint32_t len = edit->len - crdti_edit_known(g, edit);
    const crdti_insertion *at;
    if (!len)
        return;
    for (at = crdti_insertion_of(author, edit->here);
         at < author->insertions.ptr + author->insertions.len &&
         at->name < edit->here + len;
         at++) {
        uint32_t from = (uint32_t)crdti_max(at->name, edit->here);
        uint32_t to =
            (uint32_t)crdti_min(at->name + at->len, edit->here + len);
        if (at->content == CRDTI_CONTENT_GONE)
            continue;
        crdti_bits_clear(p->d->dead, from, to - from);
        crdti_news_born(g->doc, g->s, from, to - from);
    }
}

/* Puts an insertion that is written down where it belongs. */
CRDTI_FN void crdti_graft_place(crdti_graft *g, const crdti_edit *edit)
{
    const crdti_author *author =
        crdti_author_at(g->doc, crdti_graft_author(g, edit->replica));
    uint32_t name = edit->here, len;
    uint32_t end = name + (edit->len - crdti_edit_known(g, edit));
    crdti_origins origins;
    crdti_spot spot;
    if (name == end)
        return;
    origins = crdti_origins_of(g->doc, g->s, name);
    spot = crdti_integrate(g->doc, g->s, &origins,
                           crdti_spot_behind(g->doc, g->s, origins.left),
                           &g->steps);
    for (; name < end; name += len) {
        const crdti_insertion *at = crdti_insertion_of(author, name);
        uint32_t flags = at->content == CRDTI_CONTENT_GONE ? CRDTI_HIDDEN
                         : at->more_bytes                  ? CRDTI_WIDE
                                                           : 0;
        len = (uint32_t)crdti_min(at->name + at->len, end) - name;
        crdti_span_put(g->doc, g->s, &spot, name, len | flags, 0);
    }
    g->s->cursor = spot;
}

/* Takes what is inserted from the i-th edit on, all at once. */
CRDTI_FN void crdti_graft_replant(crdti_graft *g, size_t i)
{
    crdti_arena_mark mark = crdti_arena_here(&g->doc->scratch);
    crdti_delta_sequence all;
    crdti_plant p;
    size_t k;
    crdt_err err;
    for (k = i; k < g->d->edits_len; k++)
        if (g->d->edits[k].kind == CRDTI_INSERTION_EDIT)
            crdti_graft_insert(g, &g->d->edits[k], 0);
    crdti_replant_begin(&p, &all, g->doc, g->s);
    err = crdti_replant_prepare(&p);
    if (!err && !g->s->is_list) /* that holds what it may need */
        err = crdti_graft_nodes(g, 2 * p.leaves, 2 * p.forks + p.leaves / 14);
    for (k = i; k < g->d->edits_len; k++) {
        if (g->d->edits[k].kind != CRDTI_INSERTION_EDIT)
            continue;
        if (err)
            crdti_graft_place(g, &g->d->edits[k]);
        else
            crdti_graft_reveal(g, &p, &g->d->edits[k]);
    }
    if (!err)
        crdti_replant_apply(&p);
    crdti_arena_reset(&g->doc->scratch, mark);
    for (k = i; k < g->d->edits_len && g->s->is_list; k++)
        crdti_graft_look(g, &g->d->edits[k]);
    g->is_placed = 1;
}

/* Hides what is visible of `len` names from `name` on. `killer`: the author to
 * remember it with, from `seq` on, or 0. */
CRDTI_FN void crdti_graft_hide(crdti_graft *g, uint32_t name, uint32_t len)
{
    while (len) {
        crdti_spot spot = crdti_spot_of(g->doc, g->s, name);
        const crdti_leaf *leaf = crdti_leaf_at(g->doc, spot.leaf);
        uint32_t done = crdti_span_len(leaf, spot.at) - spot.off;
        if (done > len)
            done = len;
        if (!(leaf->lens[spot.at] & CRDTI_HIDDEN)) {
            done = crdti_span_hide(g->doc, g->s, &spot, done);
            g->s->cursor = spot;
        }
        name += done;
        len -= done;
    }
}

/* How many of the characters told, from `told` on or back, have names here
 * that follow on each other: those of one insertion here, or new ones of one
 * edit. *name is the first of them told. */
CRDTI_FN uint32_t crdti_graft_victims(const crdti_graft *g, uint32_t told,
                                      uint32_t most, int back, uint32_t *name)
{
    const crdti_insertion *at;
    const crdti_edit *edit;
    uint32_t room, known;
    *name = crdti_graft_name(g, told);
    at = crdti_insertion_of(
        crdti_author_at(g->doc, crdti_name_author(&g->s->extents, *name)),
        *name);
    room = back ? *name - at->name + 1 : at->name + at->len - *name;
    if (!crdti_is_outside(told)) {
        edit = crdti_edit_of(g->d, told);
        known = crdti_edit_known(g, edit);
        if (told - edit->name >= known)
            room = back ? told - edit->name - known + 1
                        : edit->name + edit->len - told;
        else
            room = (uint32_t)crdti_min(room, back ? told - edit->name + 1
                                                  : edit->name + known - told);
    }
    return room < most ? room : most;
}

/* A dot that is not in the delta, `by` further on or back. */
CRDTI_FN uint32_t crdti_graft_step(crdti_graft *g, uint32_t told, uint32_t by,
                                   int back)
{
    crdti_outside *outside;
    uint32_t author;
    if (!crdti_is_outside(told))
        return back ? told - by : told + by;
    outside = &g->d->outside[told & ~CRDTI_OUTSIDE];
    author = crdti_graft_author(g, outside->replica);
    outside->seq = back ? outside->seq - by : outside->seq + by;
    outside->name =
        crdti_seq_name(crdti_author_at(g->doc, author), outside->seq);
    return told;
}

CRDTI_FN void crdti_graft_delete(crdti_graft *g, const crdti_edit *edit)
{
    uint32_t done = crdti_edit_known(g, edit), told = edit->name, name, count;
    uint32_t author = crdti_graft_author(g, edit->replica);
    int back = edit->kind == CRDTI_BACKWARDS_EDIT;
    if (done == edit->len)
        return;
    crdti_graft_touch(g, author);
    if (done)
        told = crdti_graft_step(g, told, done, back);
    while (done < edit->len) {
        count = crdti_graft_victims(g, told, edit->len - done, back, &name);
        crdti_graft_hide(g, back ? name - (count - 1) : name, count);
        crdti_deletion_add(crdti_author_at(g->doc, author), edit->seq + done,
                           name, count, back ? CRDTI_BACKWARDS : 0);
        done += count;
        if (done < edit->len)
            told = crdti_graft_step(g, told, count, back);
    }
}

/* What we have and the delta shows dead, without saying by whom. */
CRDTI_FN void crdti_graft_dead(crdti_graft *g, const crdti_edit *edit)
{
    uint32_t known = crdti_edit_known(g, edit), at, len;
    for (at = 0; at < known; at += len) {
        uint32_t told = edit->name + at, i, done, name;
        len = crdti_bits_run(g->d->dead, told, known - at);
        if (!(g->d->dead[told / 64] >> told % 64 & 1))
            continue;
        g->doc->actor = CRDTI_NOBODY; /* that is not told */
        crdti_touch(g->doc, g->s->object, crdti_no_key());
        for (i = 0; i < len; i += done) {
            done = crdti_graft_victims(g, told + i, len - i, 0, &name);
            crdti_graft_hide(g, name, done);
        }
    }
}

/* All that is visible has just appeared. */
CRDTI_FN void crdti_graft_tell(crdti_graft *g)
{
    crdti_spot spot = { 0, 0, 0 };
    spot.leaf = g->s->first;
    while (crdti_spot_next_shown(g->doc, &spot)) {
        const crdti_leaf *leaf = crdti_leaf_at(g->doc, spot.leaf);
        spot.off = crdti_span_len(leaf, spot.at);
        crdti_news_born(g->doc, g->s, leaf->names[spot.at], spot.off);
    }
}

/* What was laid out becomes part of the document. */
CRDTI_FN void crdti_graft_show(crdti_graft *g)
{
    uint32_t at;
    for (at = g->s->authors; at; at = crdti_author_at(g->doc, at)->next) {
        if (!crdti_author_at(g->doc, at)->last)
            continue; /* one of ours that has not written yet */
        crdti_graft_touch(g, at);
    }
    if (g->s->is_list)
        crdti_list_look(g->doc, g->s);
    else if (g->doc->watch)
        crdti_graft_tell(g);
    g->s->changes++;
    g->s->is_hashed = 0;
    crdti_sequence_weigh(g->doc, g->s);
}

/* Lists change by their elements; of what those do the author is told. */
CRDTI_FN void crdti_graft_touch_lists(crdti_graft *g)
{
    size_t i;
    for (i = 0; i < g->delta->sequences_len; i++) {
        const crdti_delta_sequence *d = &g->delta->sequences[i];
        if (!d->is_list)
            continue;
        g->doc->actor = g->delta->replicas[d->edits[0].replica].number;
        crdti_touch(g->doc, g->delta->objects[d->object].number,
                    crdti_no_key());
    }
}

CRDTI_FN void crdti_graft_apply(crdti_graft *g)
{
    size_t i, k, most = CRDTI_STEPS_MAX * (size_t)(g->doc->leaves.live + 1);
    for (i = 0; i < g->delta->sequences_len; i++) {
        crdti_delta_sequence *d = g->d = &g->delta->sequences[i];
        uint32_t number = g->delta->objects[d->object].number;
        g->s = crdti_sequence_at(g->doc, number);
        g->s->cursor_is_known = 0;
        g->s->room = 0;
        g->s->is_met = 0;
        g->is_placed = 0;
        g->content = d->content.ptr;
        g->before.end = CRDTI_NO_CHAR;
        if (d->is_planted) {
            crdti_graft_show(g);
            continue;
        }
        for (k = 0; k < d->edits_len; k++) {
            crdti_edit *edit = &d->edits[k];
            if (edit->kind != CRDTI_INSERTION_EDIT)
                crdti_graft_delete(g, edit);
            else if (!g->is_placed && g->steps >= most)
                crdti_graft_replant(g, k);
            else if (!g->is_placed)
                crdti_graft_insert(g, edit, 1);
        }
        for (k = 0; k < d->inserts_len && !d->is_list; k++)
            crdti_graft_dead(g, &d->edits[d->inserts[k]]);
        crdti_sequence_weigh(g->doc, g->s);
    }
    crdti_graft_list(g);
}

/* >>context --------------------------------------------------------------- */

/* Hides the author's characters with seqs from `first` to `last`. */
CRDTI_FN void crdti_graft_vanish(crdti_graft *g, uint32_t index,
                                 uint64_t first, uint64_t last)
{
    const crdti_author *author = crdti_author_at(g->doc, index);
    size_t i = crdti_insertion_place(author, first);
    for (; i < author->insertions.len; i++) {
        const crdti_insertion *at = &author->insertions.ptr[i];
        uint64_t from = crdti_max(at->seq, first);
        uint64_t to = crdti_min(at->seq + at->len - 1, last);
        if (at->seq > last)
            return;
        if (from <= to)
            crdti_graft_hide(g, at->name + (uint32_t)(from - at->seq),
                             (uint32_t)(to - from + 1));
    }
}

/* One of our authors, of replica `place` of the delta, in what that covers. */
CRDTI_FN void crdti_graft_context_author(crdti_graft *g, size_t place,
                                         uint32_t index)
{
    const crdti_delta_replica *replica = &g->delta->replicas[place];
    crdti_author *author = crdti_author_at(g->doc, index);
    uint64_t last = crdti_min(replica->top, g->have[place]);
    uint64_t next = replica->base + 1, shown = author->party;
    size_t i, k, insertions;
    author->party = 0;
    if (crdti_sequence_at(g->doc, author->object)->is_list ||
        crdti_author_count(author, next, last, &insertions) == shown ||
        !CRDTI_RULE(CONTEXT_KILLS))
        return;
    crdti_touch(g->doc, author->object, crdti_no_key());
    g->s = crdti_sequence_at(g->doc, author->object);
    for (i = 0; i < g->delta->sequences_len; i++) {
        crdti_delta_sequence *d = &g->delta->sequences[i];
        if (g->delta->objects[d->object].number != author->object)
            continue;
        for (k = 0; k < d->inserts_len; k++) {
            const crdti_edit *edit = &d->edits[d->inserts[k]];
            if (edit->replica != place || edit->seq > last)
                continue;
            if (edit->seq > next)
                crdti_graft_vanish(g, index, next, edit->seq - 1);
            next = edit->seq + edit->len;
        }
    }
    if (next <= last)
        crdti_graft_vanish(g, index, next, last);
    g->s->cursor_is_known = 0;
    g->s->room = 0;
    crdti_sequence_weigh(g->doc, g->s);
}

CRDTI_FN void crdti_graft_context(crdti_graft *g, size_t place)
{
    const crdti_delta_replica *replica = &g->delta->replicas[place];
    uint32_t at = g->doc->replicas.ptr[replica->number].newest_author;
    if (replica->base >= g->have[place])
        return;
    for (; at && crdti_author_at(g->doc, at)->last > replica->base;
         at = crdti_author_at(g->doc, at)->older)
        crdti_graft_context_author(g, place, at);
}

#endif
