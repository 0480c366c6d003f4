/*
 * Diffs: a new whole text as few small edits of the old one.
 *
 * What is equal at the beginning and at the end is left alone. What is between
 * is compared by Myers' greedy algorithm: the furthest that one gets with d
 * characters deleted or inserted, for d = 0, 1, 2 ... on each diagonal:
 *
 *             o l d  t e x t
 *           +--------------->        right: delete a character
 *         n |\                       down:  insert one
 *         e |  \_                    diagonal: both are equal
 *         w v
 *
 * Beyond CRDTI_DIFF_MAX differences it is replaced as a whole: it is another
 * text. (Myers 1986)
 */
#ifndef CRDTI_DIFF_H
#define CRDTI_DIFF_H

#include "text.h"

#define CRDTI_DIFF_MAX 512

/* One edit: at a character of the old text, how many go, and where in the new
 * text stands what comes. */
typedef struct crdti_diff_edit {
    uint32_t at, deleted;
    uint32_t from, inserted;
} crdti_diff_edit;

typedef struct crdti_diff {
    crdti_arena arena;
    const uint32_t *old_text, *new_text; /* code points */
    uint32_t old_len, new_len;
    int32_t *reached[CRDTI_DIFF_MAX + 1]; /* by d: x of diagonal -d..d */
    uint32_t edits_len;
    crdti_diff_edit *edits; /* from the end of the text */
} crdti_diff;

/* The code points of a text that was looked over. NULL: no memory. */
CRDTI_FN const uint32_t *crdti_diff_points(crdti_arena *arena, crdt_bytes text,
                                           uint32_t len)
{
    const uint8_t *at = text.ptr;
    uint32_t *points = (uint32_t *)crdti_arena_alloc(
        arena, (len + (size_t)1) * sizeof *points);
    uint32_t i;
    for (i = 0; points && i < len; i++, at += crdti_utf8_size(*at))
        points[i] = crdti_utf8_decode(at);
    return points;
}

/* Goes on along the diagonal k with d differences. How far in the old text. */
CRDTI_FN int32_t crdti_diff_reach(const crdti_diff *diff, int32_t d, int32_t k)
{
    const int32_t *before = d ? diff->reached[d - 1] + (d - 1) : NULL;
    int32_t x = 0;
    if (d && (k == -d || (k != d && before[k - 1] < before[k + 1])))
        x = before[k + 1]; /* an insertion */
    else if (d)
        x = before[k - 1] + 1; /* a deletion */
    while (x < (int32_t)diff->old_len && x - k < (int32_t)diff->new_len &&
           diff->old_text[x] == diff->new_text[x - k])
        x++;
    return x;
}

/* How many differences there are, or more than the most: -1. -2: no memory. */
CRDTI_FN int32_t crdti_diff_search(crdti_diff *diff)
{
    int32_t d, k;
    for (d = 0; d <= CRDTI_DIFF_MAX; d++) {
        int32_t *row = (int32_t *)crdti_arena_alloc(
            &diff->arena, (2 * (size_t)d + 1) * sizeof *row);
        if (!row)
            return -2;
        diff->reached[d] = row;
        row += d;
        for (k = -d; k <= d; k += 2) {
            row[k] = crdti_diff_reach(diff, d, k);
            if (row[k] >= (int32_t)diff->old_len &&
                row[k] - k >= (int32_t)diff->new_len)
                return d;
        }
    }
    return -1;
}

/* Notes one difference before the last noted; neighbours are one edit. */
CRDTI_FN void crdti_diff_note(crdti_diff *diff, uint32_t at, uint32_t from,
                              int deletes)
{
    crdti_diff_edit *last = diff->edits + diff->edits_len;
    if (diff->edits_len && last[-1].at == at + (deletes != 0) &&
        last[-1].from == from + (deletes == 0)) {
        last--;
    } else {
        crdti_zero(last, sizeof *last);
        diff->edits_len++;
    }
    last->at = at;
    last->from = from;
    last->deleted += deletes != 0;
    last->inserted += deletes == 0;
}

/* Follows the way back from the end. */
CRDTI_FN void crdti_diff_trace(crdti_diff *diff, int32_t d)
{
    int32_t x = (int32_t)diff->old_len, k = x - (int32_t)diff->new_len;
    for (; d > 0; d--) {
        const int32_t *before = diff->reached[d - 1] + (d - 1);
        int inserts = k == -d || (k != d && before[k - 1] < before[k + 1]);
        k += inserts ? 1 : -1;
        x = before[k];
        crdti_diff_note(diff, (uint32_t)x, (uint32_t)(x - k), !inserts);
    }
}

/* Finds the edits between what is not equal at either end. NOMEM. */
CRDTI_FN crdt_err crdti_diff_make(crdti_diff *diff)
{
    int32_t d = diff->old_len && diff->new_len ? crdti_diff_search(diff) : -1;
    size_t most = d > 0 ? (size_t)d : 1;
    if (d == -2)
        return CRDT_ERR_NOMEM;
    diff->edits = (crdti_diff_edit *)crdti_arena_alloc(
        &diff->arena, most * sizeof *diff->edits);
    if (!diff->edits)
        return CRDT_ERR_NOMEM;
    if (d >= 0) {
        crdti_diff_trace(diff, d);
        return CRDT_OK;
    }
    crdti_zero(diff->edits, sizeof *diff->edits);
    diff->edits[0].deleted = diff->old_len;
    diff->edits[0].inserted = diff->new_len;
    diff->edits_len = diff->old_len || diff->new_len;
    return CRDT_OK;
}

/* >>applying -------------------------------------------------------------- */

/* Takes memory for all edits together, so that none of them can fail. */
CRDTI_FN crdt_err crdti_diff_reserve(crdt_doc *doc, crdti_sequence *s,
                                     const crdti_diff *diff, crdt_bytes utf8,
                                     crdti_width width)
{
    size_t edits = diff->edits_len;
    crdti_spot start = { 0, 0, 0 };
    crdt_err err = crdti_write_check(doc, edits);
    start.leaf = s->first;
    if (!err)
        err = crdti_text_own(doc, s);
    if (!err)
        err = crdti_spans_reserve(doc, s,
                                  edits * 3 + crdti_pieces_count(utf8, width));
    if (!err)
        err = crdti_insertions_reserve(doc, s, s->own,
                                       edits + crdti_pieces_count(utf8, width),
                                       width.chars, utf8.len);
    /* Each of them takes at least one span of those there are. */
    if (!err)
        err = crdti_array_reserve(
            &doc->alloc, &crdti_author_at(doc, s->own)->deletions,
            edits + crdti_text_spans(doc, start, s->total.chars));
    return err;
}

/* From the end of the text, so that what is before stays where it is. `first`
 * characters at the beginning are equal; `utf8` is what is new behind them. */
CRDTI_FN crdt_err crdti_diff_apply(crdt_doc *doc, crdti_sequence *s,
                                   const crdti_diff *diff, uint32_t first,
                                   crdt_bytes utf8)
{
    crdt_err err = CRDT_OK;
    uint32_t i;
    for (i = 0; i < diff->edits_len && !err; i++) {
        const crdti_diff_edit *edit = &diff->edits[i];
        size_t from = crdti_utf8_len(utf8, 0, edit->from);
        size_t len = crdti_utf8_len(utf8, from, edit->inserted);
        err = crdti_text_edit(doc, s, CRDT_CHARS, first + edit->at,
                              edit->deleted,
                              crdt_bytes_of(utf8.ptr + from, len));
    }
    return err;
}

/* Takes off what is equal at both ends, in whole characters. How many bytes at
 * the beginning. */
CRDTI_FN size_t crdti_diff_trim(crdt_bytes *a, crdt_bytes *b)
{
    size_t first = 0, most = crdti_min_size(a->len, b->len), last = 0;
    if (!most)
        return 0;
    while (first < most && a->ptr[first] == b->ptr[first])
        first++;
    while (first > 0 && ((first < a->len && (a->ptr[first] & 0xc0) == 0x80) ||
                         (first < b->len && (b->ptr[first] & 0xc0) == 0x80)))
        first--;
    while (last < most - first &&
           a->ptr[a->len - 1 - last] == b->ptr[b->len - 1 - last])
        last++;
    while (last > 0 && (a->ptr[a->len - last] & 0xc0) == 0x80)
        last--;
    *a = crdt_bytes_of(a->ptr + first, a->len - first - last);
    *b = crdt_bytes_of(b->ptr + first, b->len - first - last);
    return first;
}

CRDTI_FN crdt_err crdti_text_become(crdt_doc *doc, crdti_sequence *s,
                                    crdt_bytes now, crdt_bytes utf8)
{
    crdti_diff diff;
    crdti_width start, before, after;
    crdt_bytes head = now;
    crdt_err err = CRDT_OK;
    if (crdt_bytes_equal(now, utf8))
        return CRDT_OK;
    head.len = crdti_diff_trim(&now, &utf8);
    crdti_utf8_measure(head, &start);
    crdti_utf8_measure(now, &before);
    crdti_utf8_measure(utf8, &after);
    crdti_zero(&diff, sizeof diff);
    crdti_arena_init(&diff.arena, &doc->alloc);
    diff.old_len = before.chars;
    diff.new_len = after.chars;
    diff.old_text = crdti_diff_points(&diff.arena, now, before.chars);
    diff.new_text = crdti_diff_points(&diff.arena, utf8, after.chars);
    if (!diff.old_text || !diff.new_text)
        err = CRDT_ERR_NOMEM;
    if (!err)
        err = crdti_diff_make(&diff);
    if (!err)
        err = crdti_diff_reserve(doc, s, &diff, utf8, after);
    if (!err)
        err = crdti_diff_apply(doc, s, &diff, start.chars, utf8);
    crdti_arena_free(&diff.arena);
    return err;
}

CRDT_API crdt_err crdt_text_set(crdt_obj text, crdt_bytes utf8)
{
    crdti_sequence *s;
    crdti_width width;
    crdt_buf now = CRDT_BUF_INIT;
    crdt_err err = crdti_text_begin(text, &s);
    if (err)
        return err;
    if ((utf8.len && !utf8.ptr) || !crdti_utf8_measure(utf8, &width))
        return CRDT_ERR_ARG;
    if (utf8.len > CRDTI_NAMES_MAX)
        return CRDT_ERR_LIMIT;
    now.alloc = &text.doc->alloc;
    err = crdt_text_get(text, &now);
    if (!err)
        err = crdti_text_become(text.doc, s, crdt_buf_bytes(&now), utf8);
    crdt_buf_free(&now);
    return err;
}

#endif
