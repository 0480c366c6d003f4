/*
 * Remakes: a sequence written anew, with fewer characters or with more. What
 * goes is swept (sweep.h); what comes was swept here and is named by somebody
 * who still had it (restore.h). What is visible does not change.
 *
 *     authors   a 0..4 hello   5..6 ly        '4' and '3' go
 *     anew      a 0..2 hel     3..4 ly        names follow on each other again
 *
 * All of it is made beside the old one, which stays when there is no memory.
 */
#ifndef CRDTI_REMAKE_H
#define CRDTI_REMAKE_H

#include "plant.h"

/* Characters that come. Those of one author are in the order of their seqs. */
typedef struct crdti_absent {
    uint64_t seq;
    uint32_t author, len;
    uint32_t next;   /* of the author, + 1 */
    uint32_t edit;   /* of the delta that has them, */
    uint32_t offset; /* from that character of it on */
    uint32_t name;   /* that the first gets */
} crdti_absent;

/* An author as it is to be. */
typedef struct crdti_remade {
    uint32_t author;
    uint32_t absent; /* the first that comes, + 1 */
    uint32_t *names; /* of the first character, by old insertion */
    crdti_author made;
} crdti_remade;

typedef struct crdti_remake {
    crdt_doc *doc;
    crdti_sequence *s;
    const uint64_t *old; /* a bit by name: they go; or NULL */
    crdti_absent *absent;
    uint32_t absent_len;
    uint32_t more; /* characters in all of them */
    crdti_remade *authors;
    size_t authors_len;
    crdti_extents extents;
    uint32_t names_used, chars;
    crdti_plant plant; /* leaves are laid out as those of one */
    size_t spans;
    uint32_t end, flags; /* of the span at hand */
    int is_counting;
} crdti_remake;

/* How many of so many characters of an insertion stay: those that go are its
 * last. */
CRDTI_FN uint32_t crdti_remake_stay(const crdti_remake *r, uint32_t name,
                                    uint32_t len)
{
    if (!r->old)
        return len;
    return crdti_bit_is_set(r->old, name) ? 0
                                          : crdti_bits_run(r->old, name, len);
}

CRDTI_FN uint32_t crdti_remake_len(const crdti_remake *r,
                                   const crdti_insertion *at)
{
    return crdti_remake_stay(r, at->name, at->len);
}

/* What the character is called then; it stays. */
CRDTI_FN uint32_t crdti_remake_name(const crdti_remake *r, uint32_t name)
{
    const crdti_author *author;
    const crdti_insertion *at;
    if (name == CRDTI_NO_CHAR)
        return name;
    author = crdti_author_at(r->doc, crdti_name_author(&r->s->extents, name));
    at = crdti_insertion_of(author, name);
    return r->authors[author->party - 1].names[at - author->insertions.ptr] +
           (name - at->name);
}

/* >>authors --------------------------------------------------------------- */

CRDTI_FN void crdti_remake_absent(crdti_remake *r, crdti_author *made,
                                  crdti_absent *absent)
{
    crdti_insertion *to = made->insertions.ptr + made->insertions.len++;
    crdti_zero(to, sizeof *to);
    to->seq = absent->seq;
    to->name = absent->name = r->names_used;
    to->len = absent->len;
    to->left = to->right = CRDTI_NO_CHAR; /* told later */
    to->content = CRDTI_CONTENT_GONE;
    r->names_used += absent->len;
}

/* Origins are told later too, when all names are known. */
CRDTI_FN void crdti_remake_insertion(crdti_remake *r, const crdti_author *from,
                                     crdti_author *made,
                                     const crdti_insertion *at)
{
    crdti_insertion *to;
    uint32_t len = crdti_remake_len(r, at);
    crdti_width width;
    if (!len)
        return;
    to = &made->insertions.ptr[made->insertions.len++];
    *to = *at;
    to->name = r->names_used;
    to->len = len;
    r->names_used += len;
    if (at->content == CRDTI_CONTENT_GONE)
        return;
    width = crdti_content_width(from, at, at->name, len);
    to->more_bytes = (uint16_t)width.more_bytes;
    to->more_units = (uint16_t)width.more_units;
    to->content = (uint32_t)made->content.len;
    crdti_copy(made->content.ptr + made->content.len,
               from->content.ptr + at->content,
               crdti_width_in(width, CRDT_UTF8));
    made->content.len += crdti_width_in(width, CRDT_UTF8);
}

/* All insertions of the author, new ones between, in the order of seqs. */
CRDTI_FN void crdti_remake_insertions(crdti_remake *r, crdti_remade *remade)
{
    const crdti_author *from = crdti_author_at(r->doc, remade->author);
    uint32_t begin = r->names_used, next = remade->absent;
    size_t i;
    for (i = 0; i < from->insertions.len; i++) {
        const crdti_insertion *at = &from->insertions.ptr[i];
        for (; next && r->absent[next - 1].seq < at->seq;
             next = r->absent[next - 1].next)
            crdti_remake_absent(r, &remade->made, &r->absent[next - 1]);
        remade->names[i] = r->names_used;
        crdti_remake_insertion(r, from, &remade->made, at);
    }
    for (; next; next = r->absent[next - 1].next)
        crdti_remake_absent(r, &remade->made, &r->absent[next - 1]);
    remade->made.free_name = remade->made.end_name = r->names_used;
    if (r->names_used == begin)
        return;
    r->extents.ptr[r->extents.len].name = begin;
    r->extents.ptr[r->extents.len++].author = remade->author;
    r->chars += r->names_used - begin;
    r->names_used++; /* names of two authors never follow on each other */
}

/* How many of the deletion, behind the first `done`, are of one insertion. */
CRDTI_FN uint32_t crdti_deletion_part(const crdti_remake *r,
                                      const crdti_deletion *at, uint32_t done,
                                      uint32_t *name)
{
    uint32_t rest = crdti_deletion_len(at) - done;
    int back = (at->len & CRDTI_BACKWARDS) != 0;
    const crdti_insertion *of;
    *name = back ? at->name - done : at->name + done;
    of = crdti_insertion_of(
        crdti_author_at(r->doc, crdti_name_author(&r->s->extents, *name)),
        *name);
    return (uint32_t)crdti_min(rest, back ? *name - of->name + 1
                                          : of->name + of->len - *name);
}

/* Writes the deletions of the author, or counts into how many they may fall.
 */
CRDTI_FN size_t crdti_remake_deletions(const crdti_remake *r,
                                       const crdti_author *from,
                                       crdti_author *made)
{
    size_t i, parts = 0;
    for (i = 0; i < from->deletions.len; i++) {
        const crdti_deletion *at = &from->deletions.ptr[i];
        uint32_t done, name, part;
        for (done = 0; done < crdti_deletion_len(at); done += part, parts++) {
            part = crdti_deletion_part(r, at, done, &name);
            if (made)
                crdti_deletion_add(made, at->seq + done,
                                   crdti_remake_name(r, name), part,
                                   at->len & CRDTI_BACKWARDS);
        }
    }
    return parts;
}

/* How many bytes stay of the insertion. */
CRDTI_FN size_t crdti_remake_bytes(const crdti_author *from,
                                   const crdti_insertion *at, uint32_t len)
{
    if (!len || at->content == CRDTI_CONTENT_GONE)
        return 0;
    return crdti_width_in(crdti_content_width(from, at, at->name, len),
                          CRDT_UTF8);
}

CRDTI_FN crdt_err crdti_remake_reserve(crdti_remake *r, crdti_remade *remade)
{
    const crdti_author *from = crdti_author_at(r->doc, remade->author);
    crdti_author *made = &remade->made;
    const crdt_alloc *alloc = &r->doc->alloc;
    uint32_t next = remade->absent;
    size_t i, insertions = 0, bytes = 0;
    for (; next; next = r->absent[next - 1].next)
        insertions++;
    for (i = 0; i < from->insertions.len; i++) {
        const crdti_insertion *at = &from->insertions.ptr[i];
        uint32_t len = crdti_remake_len(r, at);
        insertions += len != 0;
        bytes += crdti_remake_bytes(from, at, len);
    }
    remade->names = (uint32_t *)crdti_arena_alloc(
        &r->doc->scratch, (from->insertions.len + 1) * sizeof(uint32_t));
    if (!remade->names ||
        crdti_array_reserve(alloc, &made->insertions, insertions) ||
        crdti_array_reserve(alloc, &made->deletions,
                            crdti_remake_deletions(r, from, NULL)) ||
        crdti_array_reserve(alloc, &made->content, bytes))
        return CRDT_ERR_NOMEM;
    return CRDT_OK;
}

/* Now that all have their names. */
CRDTI_FN void crdti_remake_origins(crdti_remake *r, crdti_remade *remade)
{
    const crdti_author *from = crdti_author_at(r->doc, remade->author);
    crdti_insertion *to = remade->made.insertions.ptr;
    size_t i;
    for (i = 0; i < from->insertions.len; i++) {
        const crdti_insertion *at = &from->insertions.ptr[i];
        if (!crdti_remake_len(r, at))
            continue;
        while (to->seq < at->seq)
            to++;
        to->left = crdti_remake_name(r, at->left);
        to->right = crdti_remake_name(r, at->right);
    }
    crdti_remake_deletions(r, from, &remade->made);
}

/* A record for each author, with what comes of it. */
CRDTI_FN crdt_err crdti_remake_list(crdti_remake *r)
{
    uint32_t at, i;
    for (at = r->s->authors; at; at = crdti_author_at(r->doc, at)->next)
        r->authors_len++;
    r->authors = (crdti_remade *)crdti_arena_alloc(
        &r->doc->scratch, (r->authors_len + 1) * sizeof *r->authors);
    if (!r->authors)
        return CRDT_ERR_NOMEM;
    crdti_zero(r->authors, r->authors_len * sizeof *r->authors);
    for (at = r->s->authors, i = 0; at; i++) {
        crdti_author *author = crdti_author_at(r->doc, at);
        r->authors[i].author = at;
        author->party = i + 1;
        at = author->next;
    }
    for (i = r->absent_len; i > 0; i--) {
        crdti_absent *absent = &r->absent[i - 1];
        uint32_t party = crdti_author_at(r->doc, absent->author)->party;
        absent->next = r->authors[party - 1].absent;
        r->authors[party - 1].absent = i;
        r->more += absent->len;
    }
    return crdti_array_reserve(&r->doc->alloc, &r->extents,
                               r->authors_len + 1);
}

CRDTI_FN crdt_err crdti_remake_authors(crdti_remake *r)
{
    size_t i;
    crdt_err err = crdti_remake_list(r);
    if (!err && r->more + (uint64_t)r->s->names_used + r->authors_len >=
                    CRDTI_NAMES_MAX)
        err = CRDT_ERR_LIMIT;
    for (i = 0; i < r->authors_len && !err; i++) {
        err = crdti_remake_reserve(r, &r->authors[i]);
        if (!err)
            crdti_remake_insertions(r, &r->authors[i]);
    }
    for (i = 0; i < r->authors_len && !err; i++)
        crdti_remake_origins(r, &r->authors[i]);
    return err;
}

/* >>leaves ---------------------------------------------------------------- */

/* Appends characters of an old span, or counts the spans that come of it. */
CRDTI_FN void crdti_remake_span(crdti_remake *r, uint32_t name, uint32_t len,
                                uint32_t flags, int goes_on)
{
    int joins = name == r->end && flags == r->flags &&
                (flags & CRDTI_HIDDEN || (goes_on && !(flags & CRDTI_WIDE)));
    r->end = name + len;
    r->flags = flags;
    r->spans += !joins;
    if (r->is_counting)
        return;
    if (joins) {
        crdti_leaf *leaf = crdti_leaf_at(r->doc, r->plant.leaf);
        leaf->lens[leaf->len - 1] += len;
    } else {
        crdti_plant_span(&r->plant, name, len | flags);
    }
}

CRDTI_FN void crdti_remake_old_span(crdti_remake *r, uint32_t name,
                                    uint32_t len, uint32_t flags)
{
    const crdti_author *author =
        crdti_author_at(r->doc, crdti_name_author(&r->s->extents, name));
    const crdti_insertion *at = crdti_insertion_of(author, name);
    int goes_on = 0;
    for (; len; at++) {
        uint32_t part = (uint32_t)crdti_min(len, at->len - (name - at->name));
        uint32_t stay = crdti_remake_stay(r, name, part);
        if (stay) {
            crdti_remake_span(r, crdti_remake_name(r, name), stay, flags,
                              goes_on);
            goes_on = 1;
        }
        name += part;
        len -= part;
    }
}

/* All spans, in the order of the text. */
CRDTI_FN void crdti_remake_spans(crdti_remake *r, uint32_t leaf)
{
    uint32_t i;
    r->end = CRDTI_NO_CHAR;
    for (; leaf; leaf = crdti_leaf_at(r->doc, leaf)->next)
        for (i = 0; i < crdti_leaf_at(r->doc, leaf)->len; i++) {
            const crdti_leaf *at = crdti_leaf_at(r->doc, leaf);
            crdti_remake_old_span(r, at->names[i], crdti_span_len(at, i),
                                  at->lens[i] & ~CRDTI_SPAN_LEN);
        }
}

/* Memory for the tree, beside the old one. */
CRDTI_FN crdt_err crdti_remake_nodes(crdti_remake *r)
{
    size_t leaves, forks;
    r->is_counting = 1;
    crdti_remake_spans(r, r->s->first);
    r->is_counting = 0;
    leaves = r->spans / CRDTI_PLANT_FILL + 1;
    forks = leaves / (CRDTI_PLANT_FILL - 1) + 4;
    r->plant.doc = r->doc;
    r->plant.s = r->s;
    r->plant.stack = (uint32_t *)crdti_arena_alloc(
        &r->doc->scratch, (forks + 1) * sizeof(uint32_t));
    if (!r->plant.stack)
        return CRDT_ERR_NOMEM;
    if (r->s->is_list) { /* it holds those for what it has */
        leaves += crdti_leaves_more(r->s, r->more);
        forks += crdti_forks_more(r->s, r->more);
    } else {
        leaves += r->absent_len; /* each may split one */
        forks += r->absent_len / CRDTI_LEAF_LEAST + r->s->height + 4;
    }
    return crdti_nodes_reserve(r->doc, leaves, forks);
}

/* >>all of it ------------------------------------------------------------- */

CRDTI_FN void crdti_remake_begin(crdti_remake *r, crdt_doc *doc,
                                 crdti_sequence *s)
{
    crdti_zero(r, sizeof *r);
    r->doc = doc;
    r->s = s;
}

/* Takes all memory and makes what is to be. */
CRDTI_FN crdt_err crdti_remake_prepare(crdti_remake *r)
{
    crdt_err err = crdti_remake_authors(r);
    return err ? err : crdti_remake_nodes(r);
}

/* The author has what was made of it; what it had is freed with the rest. */
CRDTI_FN void crdti_remake_swap(crdti_remake *r, crdti_remade *remade)
{
    crdti_author *author = crdti_author_at(r->doc, remade->author);
    crdti_author was = *author, *made = &remade->made;
    author->free_name = made->free_name;
    author->end_name = made->end_name;
    author->insertions = made->insertions;
    author->deletions = made->deletions;
    author->content = made->content;
    made->insertions = was.insertions;
    made->deletions = was.deletions;
    made->content = was.content;
}

/* The tree of leaves that have been laid out, `first` on. */
CRDTI_FN void crdti_remake_tree(crdti_remake *r, uint32_t first)
{
    crdti_sequence *s = r->s;
    s->root = s->first = first;
    s->height = 0;
    crdti_zero(&s->total, sizeof s->total);
    crdti_plant_forks(&r->plant);
    if (s->is_list) {
        crdti_positions_release(r->doc, s);
        crdti_positions_hold(r->doc, s, r->chars);
    }
    crdti_homes_drop(&r->doc->alloc, &s->homes);
    crdti_zero(&s->cursor, sizeof s->cursor);
    s->cursor_is_known = 0;
    s->room = 0;
    s->changes++;
}

/* Authors of whom nothing is left go. */
CRDTI_FN void crdti_remake_leave(crdti_remake *r)
{
    uint32_t *link = &r->s->authors, at;
    while ((at = *link) != 0) {
        crdti_author *author = crdti_author_at(r->doc, at);
        if (author->insertions.len || author->deletions.len) {
            link = &author->next;
            continue;
        }
        *link = author->next;
        if (r->s->own == at)
            r->s->own = 0;
        crdti_author_free(r->doc, at);
    }
}

/* What is to be becomes so. Cannot fail. */
CRDTI_FN void crdti_remake_apply(crdti_remake *r)
{
    crdti_sequence *s = r->s;
    crdti_extents was = s->extents;
    uint32_t first;
    size_t i;
    crdti_widths_close(r->doc, s);
    r->plant.leaf = first = crdti_leaf_take(r->doc, s);
    crdti_remake_spans(r, s->first);
    crdti_spans_free(r->doc, s);
    for (i = 0; i < r->authors_len; i++)
        crdti_remake_swap(r, &r->authors[i]);
    s->extents = r->extents;
    r->extents = was;
    s->names_used = r->names_used;
    crdti_remake_tree(r, first);
    crdti_old_forget(r->doc, s);
}

/* Frees what is not needed any more. */
CRDTI_FN void crdti_remake_end(crdti_remake *r)
{
    size_t i;
    for (i = 0; r->authors && i < r->authors_len; i++) {
        crdti_author *made = &r->authors[i].made;
        crdti_author_at(r->doc, r->authors[i].author)->party = 0;
        crdti_array_free(&r->doc->alloc, &made->insertions);
        crdti_array_free(&r->doc->alloc, &made->deletions);
        crdti_array_free(&r->doc->alloc, &made->content);
    }
    crdti_array_free(&r->doc->alloc, &r->extents);
}

#endif
