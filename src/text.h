/*
 * Texts: sequences of characters with bytes. What is done at a position here
 * becomes insertions and deletions there (sequence.h).
 *
 *     insert "héllo" at 3     1. where: from the cursor, or from the root
 *                             2. pieces: all ASCII, or wide and short
 *                             3. memory for all of it
 *                             4. each piece with its author, and in a span
 *
 * Each character takes a dot, inserted or deleted.
 */
#ifndef CRDTI_TEXT_H
#define CRDTI_TEXT_H

#include "map.h"
#include "sequence.h"
#include "utf8.h"

/* What stands in an ASCII text between two others counts as one of its own
 * only from this length on: short ones ride with what is wide. */
#define CRDTI_PLAIN_MIN 32u

CRDT_API crdt_obj crdt_map_text(crdt_obj map, crdt_bytes key)
{
    return crdti_map_container(map, key, CRDT_TEXT);
}

CRDTI_FN int crdti_text_has_key(crdt_bytes key)
{
    (void)key;
    return 0;
}

/* >>pieces ---------------------------------------------------------------- */

/* Takes the next piece off the text: all ASCII, or short. */
CRDTI_FN crdti_piece crdti_piece_take(crdt_bytes *text)
{
    crdti_piece piece;
    size_t at = crdti_ascii_len(*text, 0);
    if (at < text->len && at < CRDTI_PLAIN_MIN) {
        crdti_zero(&piece, sizeof piece);
        for (at = 0;
             at < text->len && piece.width.chars < CRDTI_WIDE_MAX;
             at += crdti_utf8_size(text->ptr[at])) {
            crdti_width_add(&piece.width, crdti_utf8_width(text->ptr[at]));
            if (piece.width.chars % CRDTI_PLAIN_MIN == 0 &&
                crdti_ascii_len(*text, at) >= CRDTI_PLAIN_MIN)
                break;
        }
        if (at < text->len && piece.width.chars < CRDTI_WIDE_MAX)
            at += crdti_utf8_size(text->ptr[at]);
    } else {
        crdti_zero(&piece, sizeof piece);
        piece.width.chars = (uint32_t)at;
    }
    piece.bytes = crdt_bytes_of(text->ptr, at);
    *text = crdt_bytes_of(text->ptr + at, text->len - at);
    return piece;
}

/* How many pieces it makes at most. */
CRDTI_FN size_t crdti_pieces_count(crdt_bytes text, crdti_width width)
{
    size_t count = 0;
    if (!width.more_bytes)
        return 1;
    while (text.len) {
        crdti_piece_take(&text);
        count++;
    }
    return count;
}

/* >>writing --------------------------------------------------------------- */

/* The author of own changes. */
CRDTI_FN crdt_err crdti_text_own(crdt_doc *doc, crdti_sequence *s)
{
    crdt_err err;
    if (CRDTI_LIKELY(s->own && s->own_replica == doc->self))
        return CRDT_OK;
    err = crdti_author_get(doc, &s->authors, s->object, doc->self, &s->own);
    if (!err)
        s->own_replica = doc->self;
    return err;
}

CRDTI_INLINE void crdti_text_move_cursor(crdti_sequence *s, crdti_spot spot,
                                         uint32_t chars)
{
    s->cursor = spot;
    s->cursor_chars = chars;
    s->cursor_is_known = 1;
    s->room = 0;
}

/* Takes all memory for an insertion. */
CRDTI_FN crdt_err crdti_text_reserve(crdt_doc *doc, crdti_sequence *s,
                                     crdt_bytes utf8, crdti_width width)
{
    size_t count = crdti_pieces_count(utf8, width);
    crdt_err err = crdti_write_check(doc, 1);
    if (!err && utf8.len > CRDTI_NAMES_MAX)
        err = CRDT_ERR_LIMIT;
    if (!err)
        err = crdti_text_own(doc, s);
    if (!err)
        err = crdti_spans_reserve(doc, s, count);
    return err ? err
               : crdti_insertions_reserve(doc, s, s->own, count, width.chars,
                                          utf8.len);
}

/* How many characters may be typed before memory or a limit must be looked at
 * again. */
CRDTI_FN uint32_t crdti_text_room(const crdt_doc *doc,
                                  const crdti_sequence *s)
{
    const crdti_author *author = crdti_author_at(doc, s->own);
    const crdti_insertion *last =
        author->insertions.ptr + author->insertions.len - 1;
    uint64_t open = doc->written - doc->replicas.ptr[doc->self].seq;
    uint64_t room = author->end_name - author->free_name;
    if (last->more_bytes || last->content == CRDTI_CONTENT_GONE ||
        open - doc->unmetered >= CRDTSYNC_MAX_COMMIT_OPS)
        return 0;
    room = crdti_min(room, author->content.cap - author->content.len);
    return (uint32_t)crdti_min(room, CRDTSYNC_MAX_COMMIT_OPS -
                                         (open - doc->unmetered));
}

/* Inserts at the spot, before which `chars` are visible. Memory is taken. */
CRDTI_FN void crdti_text_put(crdt_doc *doc, crdti_sequence *s, crdti_spot spot,
                             uint32_t chars, crdt_bytes utf8,
                             crdti_width width)
{
    crdti_origins origins;
    crdti_touch(doc, s->object, crdti_no_key());
    origins.left = CRDTI_NO_CHAR;
    if (spot.off)
        origins.left =
            crdti_leaf_at(doc, spot.leaf)->names[spot.at] + spot.off - 1;
    origins.right = crdti_right_origin(doc, spot);
    doc->unmetered += width.chars - 1;
    while (utf8.len) {
        crdti_piece piece = crdti_piece_take(&utf8);
        crdti_insertion_put(doc, s, s->own, doc->written + 1, &origins, &piece,
                            &spot);
        doc->written += piece.width.chars;
        chars += piece.width.chars;
        origins.left = crdti_author_at(doc, s->own)->free_name - 1;
    }
    crdti_author_list(doc, s->own);
    crdti_text_move_cursor(s, spot, chars);
    s->room = crdti_text_room(doc, s);
    s->typed = doc->written;
    crdti_sequence_weigh(doc, s);
}

/* How many spans the next `count` visible characters are in. */
CRDTI_FN size_t crdti_text_spans(const crdt_doc *doc, crdti_spot spot,
                                 uint32_t count)
{
    size_t spans = 0;
    while (count && crdti_spot_next_shown(doc, &spot)) {
        const crdti_leaf *leaf = crdti_leaf_at(doc, spot.leaf);
        uint32_t rest = crdti_span_len(leaf, spot.at) - spot.off;
        count -= (uint32_t)crdti_min(count, rest);
        spot.off += rest;
        spans++;
    }
    return spans;
}

CRDTI_FN crdt_err crdti_text_cut_reserve(crdt_doc *doc, crdti_sequence *s,
                                         crdti_spot spot, uint32_t count,
                                         size_t pieces)
{
    size_t spans = count == 1 ? 1 : crdti_text_spans(doc, spot, count);
    crdt_err err = crdti_write_check(doc, 1);
    if (!err && count > CRDTSYNC_MAX_SEQ - doc->written)
        err = CRDT_ERR_LIMIT;
    if (!err)
        err = crdti_text_own(doc, s);
    if (!err)
        err = crdti_spans_reserve(doc, s, pieces + 2);
    return err ? err
               : crdti_array_reserve(&doc->alloc,
                                     &crdti_author_at(doc, s->own)->deletions,
                                     spans);
}

/* Deletes `count` visible characters behind the spot. Memory is taken. */
CRDTI_FN void crdti_text_cut(crdt_doc *doc, crdti_sequence *s,
                             crdti_spot spot, uint32_t chars, uint32_t count)
{
    crdti_author *author = crdti_author_at(doc, s->own);
    crdti_touch(doc, s->object, crdti_no_key());
    doc->unmetered += count - 1;
    while (count) {
        uint32_t name, died;
        crdti_spot_next_shown(doc, &spot);
        name = crdti_leaf_at(doc, spot.leaf)->names[spot.at] + spot.off;
        died = crdti_span_hide(doc, s, &spot, count);
        crdti_deletion_add(author, doc->written + 1, name, died, 0);
        doc->written += died;
        count -= died;
    }
    crdti_author_list(doc, s->own);
    crdti_text_move_cursor(s, spot, chars);
    crdti_sequence_weigh(doc, s);
}

/* >>single keystrokes -------------------------------------------------------
 * Most of what is ever written: one character behind the last one, or the one
 * before it gone. Here is the short way for them; what it finds unusual it
 * leaves to the long one. */

/* One ASCII character at the cursor, that goes on with the last span and the
 * last insertion. Whether it was that. */
CRDTI_INLINE int crdti_text_type(crdt_doc *doc, crdti_sequence *s, size_t at,
                                 crdt_bytes utf8)
{
    crdti_author *author;
    crdti_leaf *leaf;
    if (!s->room || at != s->cursor_chars || doc->written != s->typed ||
        utf8.len != 1 || !utf8.ptr || utf8.ptr[0] >= 0x80 || doc->watch)
        return 0;
    author = crdti_author_at(doc, s->own);
    leaf = crdti_leaf_at(doc, s->cursor.leaf);
    author->content.ptr[author->content.len++] = utf8.ptr[0];
    author->insertions.ptr[author->insertions.len - 1].len++;
    author->free_name++;
    author->last++;
    leaf->lens[s->cursor.at]++;
    crdti_widths_open(doc, s, s->cursor.leaf);
    s->open.chars++;
    s->total.chars++;
    s->cursor.off++;
    s->cursor_chars++;
    s->room--;
    s->typed = ++doc->written;
    return 1;
}

/* One character next to the cursor, at an end of its span, where what is
 * deleted beside it goes on. Whether it was that. */
CRDTI_INLINE int crdti_text_erase(crdt_doc *doc, crdti_sequence *s, size_t at)
{
    crdti_author *author;
    crdti_leaf *leaf;
    crdti_spot spot;
    uint32_t name, i;
    if (at >= s->total.chars || !s->cursor_is_known || doc->watch ||
        !s->own || s->own_replica != doc->self || s->total.chars == 1 ||
        !crdti_seek_near(doc, s, (uint32_t)at + 1, &spot))
        return 0;
    author = crdti_author_at(doc, s->own);
    leaf = crdti_leaf_at(doc, spot.leaf);
    i = spot.at;
    name = leaf->names[i] + spot.off - 1;
    if (author->deletions.len == author->deletions.cap ||
        leaf->lens[i] == 1 || leaf->lens[i] & CRDTI_WIDE ||
        crdti_write_check(doc, 1))
        return 0;
    if (spot.off == leaf->lens[i] && i + 1u < leaf->len &&
        leaf->names[i + 1] == name + 1 && leaf->lens[i + 1] & CRDTI_HIDDEN &&
        !(leaf->lens[i + 1] & CRDTI_OLD)) {
        leaf->names[i + 1]--;
        leaf->lens[i + 1]++;
        leaf->lens[i]--;
        spot.off--;
    } else if (spot.off == 1 && i > 0 && leaf->lens[i - 1] & CRDTI_HIDDEN &&
               !(leaf->lens[i - 1] & CRDTI_OLD) &&
               leaf->names[i - 1] + crdti_span_len(leaf, i - 1) == name) {
        leaf->lens[i - 1]++;
        leaf->names[i]++;
        leaf->lens[i]--;
        spot.off = 0;
    } else {
        return 0;
    }
    crdti_deletion_add(author, ++doc->written, name, 1, 0);
    crdti_author_list(doc, s->own);
    crdti_widths_open(doc, s, spot.leaf);
    s->open.chars--;
    s->total.chars--;
    s->cursor = spot;
    s->cursor_chars = (uint32_t)at;
    s->room = 0;
    return 1;
}

/* The sequence of a text, made when there is none. */
CRDTI_FN crdt_err crdti_text_begin(crdt_obj text, crdti_sequence **s)
{
    crdt_err err = crdti_check(text, CRDT_TEXT);
    return err ? err : crdti_sequence_get(text.doc, text.index, s);
}

/* Where `len` units from `at` on begin, and how many characters they are. */
CRDTI_FN crdt_err crdti_text_range(crdt_doc *doc, crdti_sequence *s,
                                   crdt_unit unit, size_t at, size_t len,
                                   crdti_spot *spot, uint32_t *chars,
                                   uint32_t *count)
{
    crdti_spot end;
    uint32_t to;
    crdt_err err;
    if ((unsigned)unit > CRDT_UTF16)
        return CRDT_ERR_ARG;
    if (len > crdti_width_in(s->total, unit) ||
        at > crdti_width_in(s->total, unit) - len)
        return CRDT_ERR_RANGE;
    err = crdti_seek(doc, s, unit, at, spot, chars);
    *count = (uint32_t)len;
    if (err || unit == CRDT_CHARS || !s->total.more_bytes)
        return err;
    err = crdti_seek(doc, s, unit, at + len, &end, &to);
    *count = to - *chars;
    return err;
}

CRDTI_FN crdt_err crdti_text_edit(crdt_doc *doc, crdti_sequence *s,
                                  crdt_unit unit, size_t at, size_t len,
                                  crdt_bytes utf8)
{
    crdti_spot spot;
    crdti_width width;
    uint32_t chars, count;
    crdt_err err;
    if ((utf8.len && !utf8.ptr) || !crdti_utf8_measure(utf8, &width))
        return CRDT_ERR_ARG;
    err = crdti_text_range(doc, s, unit, at, len, &spot, &chars, &count);
    if (!err && utf8.len)
        err = crdti_text_reserve(doc, s, utf8, width);
    if (!err && count)
        err = crdti_text_cut_reserve(doc, s, spot, count,
                                     crdti_pieces_count(utf8, width));
    if (err)
        return err;
    if (count)
        crdti_text_cut(doc, s, spot, chars, count);
    if (!utf8.len)
        return CRDT_OK;
    if (count) /* from the cursor: cannot fail */
        err = crdti_seek(doc, s, CRDT_CHARS, chars, &spot, &chars);
    crdti_text_put(doc, s, spot, chars, utf8, width);
    return err;
}

/* The sequence of a text that has one, or NULL: for the short ways. */
CRDTI_INLINE crdti_sequence *crdti_text_of(crdt_obj text, crdt_unit unit)
{
    const crdti_object *object;
    crdti_sequence *s;
    if (!text.doc || !text.index)
        return NULL;
    object = crdti_object_at(text.doc, text.index);
    if (object->type != CRDT_TEXT)
        return NULL;
    s = (crdti_sequence *)object->state;
    return s && (unit == CRDT_CHARS || (!s->total.more_bytes &&
                                        (unsigned)unit <= CRDT_UTF16))
               ? s
               : NULL;
}

CRDT_API crdt_err crdt_text_replace(crdt_obj text, crdt_unit unit, size_t at,
                                    size_t len, crdt_bytes utf8)
{
    crdti_sequence *s = crdti_text_of(text, unit);
    crdt_err err;
    if (s && len == 1 && !utf8.len && crdti_text_erase(text.doc, s, at))
        return CRDT_OK;
    err = crdti_text_begin(text, &s);
    return err ? err : crdti_text_edit(text.doc, s, unit, at, len, utf8);
}

CRDT_API crdt_err crdt_text_insert(crdt_obj text, crdt_unit unit, size_t at,
                                   crdt_bytes utf8)
{
    crdti_sequence *s = crdti_text_of(text, unit);
    crdt_err err;
    if (s && crdti_text_type(text.doc, s, at, utf8))
        return CRDT_OK;
    err = crdti_text_begin(text, &s);
    return err ? err : crdti_text_edit(text.doc, s, unit, at, 0, utf8);
}

CRDT_API crdt_err crdt_text_delete(crdt_obj text, crdt_unit unit, size_t at,
                                   size_t len)
{
    return crdt_text_replace(text, unit, at, len, crdti_no_key());
}

/* >>reading --------------------------------------------------------------- */

CRDT_API size_t crdt_text_len(crdt_obj text, crdt_unit unit)
{
    const crdti_sequence *s;
    if (crdti_check(text, CRDT_TEXT))
        return 0;
    s = crdti_sequence_at(text.doc, text.index);
    return s ? crdti_width_in(s->total, unit) : 0;
}

/* The bytes of a visible span from `off` on, `len` characters. */
CRDTI_FN crdt_bytes crdti_span_bytes(const crdt_doc *doc,
                                     const crdti_sequence *s,
                                     const crdti_leaf *leaf, uint32_t at,
                                     uint32_t off, uint32_t len)
{
    uint32_t name = leaf->names[at] + off;
    const crdti_author *author =
        crdti_author_at(doc, crdti_name_author(&s->extents, name));
    const crdti_insertion *insertion = crdti_insertion_of(author, name);
    crdti_width width = crdti_content_width(author, insertion, name, len);
    return crdt_bytes_of(crdti_content_at(author, insertion, name),
                         crdti_width_in(width, CRDT_UTF8));
}

/* Appends `count` characters from the spot on. NOMEM. */
CRDTI_FN crdt_err crdti_text_copy(const crdt_doc *doc, const crdti_sequence *s,
                                  crdti_spot spot, uint32_t count,
                                  crdt_buf *out)
{
    crdti_writer w;
    size_t start = out->len;
    crdti_writer_init(&w, out);
    while (count && !w.err && crdti_spot_next_shown(doc, &spot)) {
        const crdti_leaf *leaf = crdti_leaf_at(doc, spot.leaf);
        uint32_t len = crdti_span_len(leaf, spot.at) - spot.off;
        len = (uint32_t)crdti_min(len, count);
        crdti_put_raw(&w, crdti_span_bytes(doc, s, leaf, spot.at, spot.off,
                                           len));
        spot.off += len;
        count -= len;
    }
    if (w.err)
        out->len = start;
    return w.err;
}

CRDT_API crdt_err crdt_text_read(crdt_obj text, crdt_unit unit, size_t at,
                                 size_t len, crdt_buf *out)
{
    crdti_sequence *s;
    crdti_spot spot;
    uint32_t chars, count;
    crdt_err err = crdti_check(text, CRDT_TEXT);
    if (!err && !out)
        err = CRDT_ERR_ARG;
    if (err)
        return err;
    s = crdti_sequence_at(text.doc, text.index);
    if (!s)
        return at || len ? CRDT_ERR_RANGE : CRDT_OK;
    err = crdti_text_range(text.doc, s, unit, at, len, &spot, &chars, &count);
    return err ? err : crdti_text_copy(text.doc, s, spot, count, out);
}

CRDT_API crdt_err crdt_text_get(crdt_obj text, crdt_buf *out)
{
    size_t len = crdt_text_len(text, CRDT_UTF8);
    crdt_err err = crdti_check(text, CRDT_TEXT);
    if (!err && out)
        err = crdti_buf_reserve(out, len);
    return err ? err : crdt_text_read(text, CRDT_UTF8, 0, len, out);
}

CRDT_API crdt_err crdt_text_convert(crdt_obj text, crdt_unit from, size_t at,
                                    crdt_unit to, size_t *out)
{
    crdti_sequence *s;
    crdti_spot spot;
    uint32_t chars, count;
    crdt_err err = crdti_check(text, CRDT_TEXT);
    if (!err && (unsigned)to > CRDT_UTF16)
        err = CRDT_ERR_ARG;
    if (err)
        return err;
    s = crdti_sequence_at(text.doc, text.index);
    *out = 0;
    if (!s)
        return at ? CRDT_ERR_RANGE : CRDT_OK;
    err = crdti_text_range(text.doc, s, from, at, 0, &spot, &chars, &count);
    if (!err)
        *out = crdti_width_in(crdti_spot_rank(text.doc, s, spot), to);
    return err;
}

CRDT_API crdt_err crdt_text_next(crdt_obj text, crdt_text_cursor *cursor)
{
    const crdti_sequence *s;
    const crdti_leaf *leaf;
    crdti_spot spot = { 0, 0, 0 };
    crdt_err err = crdti_check(text, CRDT_TEXT);
    if (err)
        return err;
    s = crdti_sequence_at(text.doc, text.index);
    if (!s)
        return CRDT_ERR_NOT_FOUND;
    spot.leaf = s->first;
    if (cursor->started) {
        if (cursor->changes != s->changes)
            return CRDT_ERR_AGAIN;
        spot.leaf = cursor->leaf;
        spot.at = cursor->at;
        spot.off = crdti_span_len(crdti_leaf_at(text.doc, spot.leaf), spot.at);
    }
    if (!crdti_spot_next_shown(text.doc, &spot))
        return CRDT_ERR_NOT_FOUND;
    leaf = crdti_leaf_at(text.doc, spot.leaf);
    cursor->started = 1;
    cursor->changes = s->changes;
    cursor->leaf = spot.leaf;
    cursor->at = spot.at;
    cursor->piece = crdti_span_bytes(text.doc, s, leaf, spot.at, 0,
                                     crdti_span_len(leaf, spot.at));
    return CRDT_OK;
}

/* For the type table. */
CRDTI_FN int crdti_text_read(crdt_doc *doc, uint32_t text, crdt_bytes key,
                             crdt_value *out)
{
    const crdti_sequence *s = crdti_sequence_at(doc, text);
    (void)key;
    crdti_zero(out, sizeof *out);
    out->kind = CRDT_INT;
    out->as.integer = s ? (int64_t)s->changes : 0;
    return 1;
}

/* >>stable positions ------------------------------------------------------ */

CRDT_API crdt_err crdt_text_anchor(crdt_obj text, crdt_unit unit, size_t at,
                                   crdt_side side, crdt_anchor *out)
{
    crdti_sequence *s;
    const crdti_author *author;
    const crdti_insertion *insertion;
    crdti_spot spot;
    uint32_t chars, count, name;
    crdt_err err = crdti_text_begin(text, &s);
    if (err)
        return err;
    err = crdti_text_range(text.doc, s, unit, at, 0, &spot, &chars, &count);
    if (err)
        return err;
    crdti_zero(out, sizeof *out);
    out->side = side;
    if (side == CRDT_RIGHT ? !crdti_spot_next_shown(text.doc, &spot)
                            : !spot.off)
        return CRDT_OK;
    name = crdti_leaf_at(text.doc, spot.leaf)->names[spot.at] + spot.off -
           (side == CRDT_LEFT);
    author = crdti_author_at(text.doc, crdti_name_author(&s->extents, name));
    insertion = crdti_insertion_of(author, name);
    out->dot.replica = text.doc->replicas.ptr[author->replica].id;
    out->dot.seq = insertion->seq + (name - insertion->name);
    return CRDT_OK;
}

CRDT_API crdt_err crdt_text_find(crdt_obj text, const crdt_anchor *anchor,
                                 crdt_unit unit, size_t *out)
{
    crdti_sequence *s;
    crdti_spot spot;
    uint32_t replica, author, name = CRDTI_NO_CHAR;
    crdt_err err = crdti_text_begin(text, &s);
    if (!err && (!anchor || (unsigned)unit > CRDT_UTF16))
        err = CRDT_ERR_ARG;
    if (err)
        return err;
    if (!anchor->dot.seq) {
        *out = anchor->side == CRDT_RIGHT ? crdti_width_in(s->total, unit)
                                           : 0;
        return CRDT_OK;
    }
    replica = crdti_replica_find(text.doc, &anchor->dot.replica);
    author = replica == UINT32_MAX
                 ? 0
                 : crdti_author_find(text.doc, text.index, replica);
    if (author)
        name = crdti_seq_name(crdti_author_at(text.doc, author),
                             anchor->dot.seq);
    if (name == CRDTI_NO_CHAR)
        return CRDT_ERR_NOT_FOUND;
    crdti_homes_make(text.doc, s);
    spot = crdti_spot_of(text.doc, s, name);
    spot.off += anchor->side == CRDT_LEFT;
    *out = crdti_width_in(crdti_spot_rank(text.doc, s, spot), unit);
    return CRDT_OK;
}

#endif
