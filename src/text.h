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
#include "old.h"
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
    int is_plain = 0; /* what follows is, and longer */
    if (at < text->len && at < CRDTI_PLAIN_MIN) {
        crdti_zero(&piece, sizeof piece);
        at = 0;
        while (at < text->len && piece.width.chars < CRDTI_WIDE_MAX &&
               !is_plain) {
            crdti_width_add(&piece.width, crdti_utf8_width(text->ptr[at]));
            is_plain = piece.width.chars % CRDTI_PLAIN_MIN == 0 &&
                       crdti_ascii_len(*text, at) >= CRDTI_PLAIN_MIN;
            at += crdti_utf8_size(text->ptr[at]);
        }
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

/* >>keystrokes --------------------------------------------------------------
 * Most of what is ever written: one character behind the last one, or the one
 * before it gone. That needs no more than to be counted, until somebody looks
 * (crdti_typing_end in sequence.h). */

/* How many keystrokes fit into this commit. */
CRDTI_FN uint64_t crdti_commit_room(const crdt_doc *doc)
{
    uint64_t open = doc->written - doc->replicas.ptr[doc->self].seq;
    return CRDTSYNC_MAX_COMMIT_OPS - (open - doc->unmetered);
}

/* From now on they are counted; `room` of them may be, or `ahead`. */
CRDTI_FN void crdti_typing_begin(crdt_doc *doc, crdti_sequence *s,
                                 uint64_t room, uint64_t ahead, uint8_t *to)
{
    uint64_t most = crdti_commit_room(doc);
    s->room = (uint32_t)crdti_min(room, most);
    s->room_ahead = (uint32_t)crdti_min(ahead, most);
    s->ahead = 0;
    s->type_at = s->cursor_chars;
    s->type_to = to;
    s->typed = doc->written;
    if (!doc->watch)
        doc->typing = s;
}

/* After an insertion: what is typed behind it. */
CRDTI_FN void crdti_typing_begin_after(crdt_doc *doc, crdti_sequence *s)
{
    const crdti_author *author = crdti_author_at(doc, s->own);
    uint64_t room = crdti_min(author->end_name - author->free_name,
                              author->content.cap - author->content.len);
    if (!author->insertions.ptr[author->insertions.len - 1].more_bytes)
        crdti_typing_begin(doc, s, room, 0,
                           author->content.ptr + author->content.len);
}

/* How many characters of the first visible span behind the cursor there are,
 * when that is in the same leaf. */
CRDTI_FN uint32_t crdti_cursor_ahead(const crdt_doc *doc,
                                     const crdti_sequence *s)
{
    const crdti_leaf *leaf = crdti_leaf_at(doc, s->cursor.leaf);
    uint32_t at = s->cursor.at, off = s->cursor.off;
    for (; at < leaf->len; at++, off = 0)
        if (crdti_span_shown(leaf, at) > off)
            return crdti_span_shown(leaf, at) - off;
    return 0;
}

/* After a deletion: what is deleted before it or behind it, as far as the span
 * there goes. */
CRDTI_FN void crdti_erasing_begin(crdt_doc *doc, crdti_sequence *s)
{
    const crdti_leaf *leaf = crdti_leaf_at(doc, s->cursor.leaf);
    uint64_t room = s->cursor.off, last = s->total.chars - UINT64_C(1);
    if (leaf->lens[s->cursor.at] & CRDTI_HIDDEN)
        room = 0;
    if (!s->total.chars)
        return;
    /* One is left, so the text does not disappear. */
    crdti_typing_begin(doc, s, crdti_min(room, last),
                       crdti_min(crdti_cursor_ahead(doc, s), last), NULL);
}

/* One ASCII character that goes on with the last insertion. Whether it is. */
CRDTI_INLINE int crdti_text_type(crdt_doc *doc, crdti_sequence *s, size_t at,
                                 crdt_bytes utf8)
{
    if (at != s->type_at || utf8.len != 1 || !s->room || !utf8.ptr ||
        utf8.ptr[0] >= 0x80 || doc->written != s->typed || !s->type_to)
        return 0;
    *s->type_to++ = utf8.ptr[0];
    s->type_at++;
    s->room--;
    s->typed = ++doc->written;
    return 1;
}

/* The character before the last one deleted, or behind it; but all of them on
 * one side. Whether it is that. */
CRDTI_INLINE int crdti_text_erase(crdt_doc *doc, crdti_sequence *s, size_t at)
{
    if (doc->written != s->typed || s->type_to)
        return 0;
    if (at + 1 == s->type_at && s->room) {
        s->type_at--;
        s->room--;
        s->room_ahead = 0;
    } else if (at == s->type_at && s->room_ahead) {
        s->ahead++;
        s->room_ahead--;
        s->room = 0;
    } else {
        return 0;
    }
    s->typed = ++doc->written;
    return 1;
}

/* >>writing what is not that ---------------------------------------------- */

/* Inserts at the spot, before which `chars` are visible. Memory is taken. */
CRDTI_FN void crdti_text_put(crdt_doc *doc, crdti_sequence *s, crdti_spot spot,
                             uint32_t chars, crdt_bytes utf8,
                             crdti_width width)
{
    crdti_origins origins;
    doc->actor = doc->self;
    crdti_touch(doc, s->object, crdti_no_key());
    origins = crdti_origins_at(doc, s, &spot);
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
    crdti_sequence_weigh(doc, s);
    crdti_typing_begin_after(doc, s);
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

/* Deletes `count` visible characters behind the spot. Memory is taken. */
CRDTI_FN void crdti_text_cut(crdt_doc *doc, crdti_sequence *s, crdti_spot spot,
                             uint32_t chars, uint32_t count)
{
    crdti_author *author = crdti_author_at(doc, s->own);
    doc->actor = doc->self;
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

/* The sequence of a text, made when there is none. */
CRDTI_FN crdt_err crdti_text_begin(crdt_obj text, crdti_sequence **s)
{
    crdt_err err = crdti_check(text, CRDT_TEXT);
    return err ? err : crdti_sequence_get(text.doc, text.index, s);
}

/* How many characters are before unit `at`, and in the `len` from there on. */
CRDTI_FN crdt_err crdti_text_range(crdt_doc *doc, crdti_sequence *s,
                                   crdt_unit unit, size_t at, size_t len,
                                   uint32_t *chars, uint32_t *count)
{
    crdti_spot spot;
    uint32_t end = 0;
    crdt_err err;
    if ((unsigned)unit > CRDT_UTF16)
        return CRDT_ERR_ARG;
    if (len > crdti_width_in(s->total, unit) ||
        at > crdti_width_in(s->total, unit) - len)
        return CRDT_ERR_RANGE;
    *chars = (uint32_t)at;
    *count = (uint32_t)len;
    if (unit == CRDT_CHARS || !s->total.more_bytes)
        return CRDT_OK;
    err = crdti_seek(doc, s, unit, at, &spot, chars);
    if (!err)
        err = crdti_seek(doc, s, unit, at + len, &spot, &end);
    *count = end - *chars;
    return err;
}

/* The spot before the character, and so behind what is deleted before it. */
CRDTI_FN crdti_spot crdti_text_before(crdt_doc *doc, crdti_sequence *s,
                                      uint32_t chars)
{
    crdti_spot spot;
    crdti_seek(doc, s, CRDT_CHARS, (size_t)chars + 1, &spot, &chars);
    spot.off--;
    return spot;
}

/* Takes all memory for an edit, and for the keystrokes that go on with it. */
CRDTI_FN crdt_err crdti_text_prepare(crdt_doc *doc, crdti_sequence *s,
                                     crdti_spot first, uint32_t count,
                                     crdt_bytes utf8, crdti_width width)
{
    size_t pieces = utf8.len ? crdti_pieces_count(utf8, width) : 0;
    size_t spans = count > 1 ? crdti_text_spans(doc, first, count) : count;
    crdt_err err =
        crdti_write_check(doc, (size_t)(utf8.len != 0) + (size_t)(count != 0));
    if (!err && utf8.len > CRDTI_NAMES_MAX)
        err = CRDT_ERR_LIMIT;
    if (!err)
        err = crdti_text_own(doc, s);
    if (!err)
        err = crdti_spans_reserve(doc, s, pieces + 3);
    if (!err && count)
        err = crdti_array_reserve(
            &doc->alloc, &crdti_author_at(doc, s->own)->deletions, spans + 1);
    if (!err && utf8.len)
        err = crdti_old_know(doc, s);
    if (!err && utf8.len)
        err = crdti_insertions_reserve(doc, s, s->own, pieces, width.chars,
                                       utf8.len);
    return err;
}

CRDTI_FN crdt_err crdti_text_edit(crdt_doc *doc, crdti_sequence *s,
                                  crdt_unit unit, size_t at, size_t len,
                                  crdt_bytes utf8)
{
    crdti_spot spot = { 0, 0, 0 };
    crdti_width width;
    uint32_t chars, count;
    crdt_err err;
    crdti_typing_file(doc);
    if ((utf8.len && !utf8.ptr) || !crdti_utf8_measure(utf8, &width))
        return CRDT_ERR_ARG;
    err = crdti_text_range(doc, s, unit, at, len, &chars, &count);
    if (!err && !count && !utf8.len)
        return crdti_write_check(doc, 0);
    if (!err && count)
        spot = crdti_text_before(doc, s, chars);
    if (!err)
        err = crdti_text_prepare(doc, s, spot, count, utf8, width);
    if (err)
        return err;
    if (count)
        crdti_text_cut(doc, s, spot, chars, count);
    if (utf8.len) {
        crdti_seek(doc, s, CRDT_CHARS, chars, &spot, &chars);
        crdti_text_put(doc, s, spot, chars, utf8, width);
    } else if (count) {
        crdti_erasing_begin(doc, s);
    }
    return CRDT_OK;
}

/* The sequence of a text at which keystrokes are counted, or NULL. */
CRDTI_INLINE crdti_sequence *crdti_text_typing(crdt_obj text, crdt_unit unit)
{
    crdti_sequence *s = text.doc ? text.doc->typing : NULL;
    return s && s->object == text.index && unit == CRDT_CHARS ? s : NULL;
}

/* Not inlined, so that a keystroke saves no registers for it. */
CRDTI_SLOW crdt_err crdti_text_replace(crdt_obj text, crdt_unit unit,
                                       size_t at, size_t len, crdt_bytes utf8)
{
    crdti_sequence *s;
    crdt_err err = crdti_text_begin(text, &s);
    return err ? err : crdti_text_edit(text.doc, s, unit, at, len, utf8);
}

CRDT_API crdt_err crdt_text_replace(crdt_obj text, crdt_unit unit, size_t at,
                                    size_t len, crdt_bytes utf8)
{
    crdti_sequence *s = crdti_text_typing(text, unit);
    if (s && (len ? len == 1 && !utf8.len && crdti_text_erase(text.doc, s, at)
                  : crdti_text_type(text.doc, s, at, utf8)))
        return CRDT_OK;
    return crdti_text_replace(text, unit, at, len, utf8);
}

CRDT_API crdt_err crdt_text_insert(crdt_obj text, crdt_unit unit, size_t at,
                                   crdt_bytes utf8)
{
    crdti_sequence *s = crdti_text_typing(text, unit);
    if (s && crdti_text_type(text.doc, s, at, utf8))
        return CRDT_OK;
    return crdti_text_replace(text, unit, at, 0, utf8);
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
    return crdti_content_bytes(author, crdti_insertion_of(author, name), name,
                               len);
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
        crdti_put_raw(&w,
                      crdti_span_bytes(doc, s, leaf, spot.at, spot.off, len));
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
    err = crdti_text_range(text.doc, s, unit, at, len, &chars, &count);
    if (err)
        return err;
    crdti_seek(text.doc, s, CRDT_CHARS, chars, &spot, &chars);
    return crdti_text_copy(text.doc, s, spot, count, out);
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
    err = crdti_text_range(text.doc, s, from, at, 0, &chars, &count);
    if (err)
        return err;
    crdti_seek(text.doc, s, CRDT_CHARS, chars, &spot, &chars);
    *out = crdti_width_in(crdti_spot_rank(text.doc, s, spot), to);
    return CRDT_OK;
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
    crdti_position dot;
    crdti_spot spot;
    uint32_t chars, count, name;
    crdt_err err = crdti_text_begin(text, &s);
    if (err)
        return err;
    err = crdti_text_range(text.doc, s, unit, at, 0, &chars, &count);
    if (err)
        return err;
    crdti_seek(text.doc, s, CRDT_CHARS, chars, &spot, &chars);
    crdti_zero(out, sizeof *out);
    out->side = side;
    if (side == CRDT_RIGHT ? !crdti_spot_next_shown(text.doc, &spot)
                           : !spot.off)
        return CRDT_OK;
    name = crdti_leaf_at(text.doc, spot.leaf)->names[spot.at] + spot.off -
           (side == CRDT_LEFT);
    dot = crdti_name_position(text.doc, s, name);
    out->dot.replica = text.doc->replicas.ptr[dot.replica].id;
    out->dot.seq = dot.seq;
    return CRDT_OK;
}

CRDT_API crdt_err crdt_text_find(crdt_obj text, const crdt_anchor *anchor,
                                 crdt_unit unit, size_t *out)
{
    crdti_sequence *s;
    crdti_spot spot;
    crdti_position dot;
    uint32_t name = CRDTI_NO_CHAR;
    crdt_err err = crdti_text_begin(text, &s);
    if (!err && (!anchor || (unsigned)unit > CRDT_UTF16))
        err = CRDT_ERR_ARG;
    if (err)
        return err;
    if (!anchor->dot.seq) {
        *out = anchor->side == CRDT_RIGHT ? crdti_width_in(s->total, unit) : 0;
        return CRDT_OK;
    }
    dot.replica = crdti_replica_find(text.doc, &anchor->dot.replica);
    dot.seq = anchor->dot.seq;
    if (dot.replica != UINT32_MAX)
        name = crdti_position_name(text.doc, text.index, dot);
    if (name == CRDTI_NO_CHAR)
        return CRDT_ERR_NOT_FOUND;
    crdti_homes_make(text.doc, s);
    spot = crdti_spot_of(text.doc, s, name);
    spot.off += anchor->side == CRDT_LEFT;
    *out = crdti_width_in(crdti_spot_rank(text.doc, s, spot), unit);
    return CRDT_OK;
}

#endif
