/*
 * Lists: a map of elements, and a sequence of the positions where they stand.
 *
 *     sequence   a.1  a.2  b.7  a.3         a.2 and b.7 are hidden: nobody
 *                 |         :    |          stands there, or no longer
 *     elements   a.1 VALUE "x"  a.3 VALUE "z"  a.2 VALUE "y"
 *     moves      a.2p MOVE b.7, a.9         the later one wins: a.9
 *
 * An element is named by the dot that inserted it, which is its value and its
 * first position at once. Its value is an entry of that key, as of a map; a
 * *move* gives it another position, again named by the dot of the MOVE, in an
 * entry with a "p" behind the key. So of concurrent moves one wins, an element
 * never stands twice, and a value written meanwhile moves along.
 *
 * A position is visible when its element is and stands there. Positions are
 * shown and hidden as entries and MOVEs come and go, with memory that the list
 * holds for that (span.h).
 */
#ifndef CRDTI_LIST_H
#define CRDTI_LIST_H

#include "map.h"
#include "old.h"
#include "sequence.h"
#include "text.h"

/* The key of an element: replica, seq with the highest byte first. */
#define CRDTI_MOVES_KEY (CRDTI_ELEMENT_KEY + 1) /* and CRDTI_MOVES */
#define CRDTI_MOVES 'p'

CRDT_API crdt_obj crdt_map_list(crdt_obj map, crdt_bytes key)
{
    return crdti_map_container(map, key, CRDT_LIST);
}

/* >>names of elements ----------------------------------------------------- */

/* Writes both keys: that of the value is the first part of that of the moves.
 */
CRDTI_FN void crdti_element_put(const crdt_id *replica, uint64_t seq,
                                uint8_t key[CRDTI_MOVES_KEY])
{
    size_t i;
    crdti_copy(key, replica->b, sizeof replica->b);
    for (i = CRDTI_ELEMENT_KEY; i > sizeof replica->b; seq >>= 8)
        key[--i] = (uint8_t)seq;
    key[CRDTI_ELEMENT_KEY] = CRDTI_MOVES;
}

CRDTI_FN crdt_dot crdti_element_dot(const uint8_t *key)
{
    crdt_dot dot;
    size_t i = sizeof dot.replica.b;
    crdti_copy(dot.replica.b, key, sizeof dot.replica.b);
    for (dot.seq = 0; i < CRDTI_ELEMENT_KEY; i++)
        dot.seq = dot.seq << 8 | key[i];
    return dot;
}

/* The first position of the element; 0: its replica is not known. */
CRDTI_FN int crdti_element_get(const crdt_doc *doc, const uint8_t *key,
                               crdti_position *out)
{
    crdt_dot dot = crdti_element_dot(key);
    out->replica = crdti_replica_find(doc, &dot.replica);
    out->seq = dot.seq;
    return out->replica != UINT32_MAX;
}

/* Whether the op inserted the element of that key. */
CRDTI_FN int crdti_is_first_of(const crdt_doc *doc, const crdti_op *op,
                               crdt_bytes key)
{
    uint8_t own[CRDTI_MOVES_KEY];
    crdti_element_put(&doc->replicas.ptr[op->replica].id, op->seq, own);
    return crdt_bytes_equal(key, crdt_bytes_of(own, CRDTI_ELEMENT_KEY));
}

/* For the type table. */
CRDTI_FN int crdti_list_has_key(crdt_bytes key)
{
    return key.len == CRDTI_ELEMENT_KEY ||
           (key.len == CRDTI_MOVES_KEY &&
            key.ptr[CRDTI_ELEMENT_KEY] == CRDTI_MOVES);
}

/* >>moves ----------------------------------------------------------------- */

CRDTI_FN uint64_t crdti_move_hash(const crdt_doc *doc, uint32_t list,
                                  crdti_position at)
{
    return crdti_mix(doc->seed ^ ((uint64_t)list << 32 | at.replica), at.seq);
}

/* The MOVE to that position, or 0. */
CRDTI_FN uint32_t crdti_move_find(const crdt_doc *doc, uint32_t list,
                                  crdti_position at)
{
    uint64_t hash;
    size_t iter;
    uint32_t found;
    if (!doc->moves.len)
        return 0;
    hash = crdti_move_hash(doc, list, at);
    found = crdti_table_first(&doc->moves, hash, &iter);
    for (; found; found = crdti_table_next(&doc->moves, hash, &iter)) {
        const crdti_op *op = crdti_op_at(doc, found);
        if (op->replica == at.replica && op->seq == at.seq &&
            crdti_entry_at(doc, op->entry)->object == list)
            return found;
    }
    return 0;
}

CRDTI_FN crdti_position crdti_op_position(const crdt_doc *doc, uint32_t index)
{
    const crdti_op *op = crdti_op_at(doc, index);
    crdti_position at;
    at.replica = op->replica;
    at.seq = op->seq;
    return at;
}

/* The key of the moves of the element of that key. */
CRDTI_FN crdt_bytes crdti_moves_key(const uint8_t *key,
                                    uint8_t moves[CRDTI_MOVES_KEY])
{
    crdti_copy(moves, key, CRDTI_ELEMENT_KEY);
    moves[CRDTI_ELEMENT_KEY] = CRDTI_MOVES;
    return crdt_bytes_of(moves, CRDTI_MOVES_KEY);
}

/* The entry of the moves of that element, if one of them is alive, or 0. */
CRDTI_FN uint32_t crdti_element_moves(const crdt_doc *doc, uint32_t list,
                                      const uint8_t *key)
{
    uint8_t moves[CRDTI_MOVES_KEY];
    uint32_t entry;
    if (!doc->moves.len)
        return 0;
    entry = crdti_entry_find(doc, list, crdti_moves_key(key, moves));
    return entry && crdti_entry_at(doc, entry)->ops ? entry : 0;
}

/* Where the element stands, or would if one of its moves were not. 0: that is
 * not known. */
CRDTI_FN int crdti_element_position(const crdt_doc *doc, uint32_t list,
                                    const uint8_t *key, uint32_t except,
                                    crdti_position *out)
{
    uint32_t entry = crdti_element_moves(doc, list, key);
    uint32_t latest = entry ? crdti_entry_latest(doc, entry, except) : 0;
    if (!latest)
        return crdti_element_get(doc, key, out);
    *out = crdti_op_position(doc, latest);
    return 1;
}

/* >>what is visible ------------------------------------------------------- */

/* The entry of the element that the position belongs to, or 0; and the MOVE to
 * it, or 0. */
CRDTI_FN uint32_t crdti_position_element(const crdt_doc *doc, uint32_t list,
                                         crdti_position at, uint32_t *move)
{
    uint8_t own[CRDTI_MOVES_KEY];
    const uint8_t *key = own;
    *move = crdti_move_find(doc, list, at);
    if (*move)
        key = crdti_entry_key(
                  crdti_entry_at(doc, crdti_op_at(doc, *move)->entry))
                  .ptr;
    else
        crdti_element_put(&doc->replicas.ptr[at.replica].id, at.seq, own);
    return crdti_entry_find(doc, list, crdt_bytes_of(key, CRDTI_ELEMENT_KEY));
}

/* Whether its element is visible: it stands there, or did once and may come
 * back, when its moves go. */
CRDTI_FN int crdti_position_lives(const crdt_doc *doc, uint32_t list,
                                  crdti_position at)
{
    uint32_t move, entry = crdti_position_element(doc, list, at, &move);
    return entry && crdti_entry_at(doc, entry)->is_visible;
}

/* Whether anything is known of its element, or of a move to it: then it may
 * come to be visible. */
CRDTI_FN int crdti_list_keeps(const crdt_doc *doc, uint32_t list,
                              uint32_t replica, uint64_t seq)
{
    crdti_position at;
    uint32_t move;
    at.replica = replica;
    at.seq = seq;
    return crdti_position_element(doc, list, at, &move) || move;
}

/* Whether its element is visible and stands there. */
CRDTI_FN int crdti_position_shows(const crdt_doc *doc, uint32_t list,
                                  crdti_position at)
{
    uint32_t move, moves;
    uint32_t entry = crdti_position_element(doc, list, at, &move);
    if (!entry || !crdti_entry_at(doc, entry)->is_visible)
        return 0;
    moves = crdti_element_moves(
        doc, list, crdti_entry_key(crdti_entry_at(doc, entry)).ptr);
    return move == (moves ? crdti_entry_winner(doc, moves) : 0);
}

CRDTI_FN int crdti_spot_shows(const crdt_doc *doc, crdti_spot spot)
{
    return !(crdti_leaf_at(doc, spot.leaf)->lens[spot.at] & CRDTI_HIDDEN);
}

/* Shows characters of one span again: none of them is old any more. */
CRDTI_FN void crdti_names_show(crdt_doc *doc, crdti_sequence *s,
                               crdti_spot *spot, uint32_t name, uint32_t len)
{
    uint32_t i;
    for (i = 0; i < len; i++)
        crdti_old_named(s, name + i);
    crdti_span_show(doc, s, spot, len);
}

/* Shows or hides characters behind the spot, up to `most` in one span, as they
 * should be. The spot is behind those looked at then. How many. */
CRDTI_FN uint32_t crdti_spot_look(crdt_doc *doc, crdti_sequence *s,
                                  crdti_spot *spot, uint32_t most)
{
    const crdti_leaf *leaf = crdti_leaf_at(doc, spot->leaf);
    uint32_t name = leaf->names[spot->at] + spot->off, len = 0;
    uint32_t rest = crdti_span_len(leaf, spot->at) - spot->off;
    int shows = 0;
    most = (uint32_t)crdti_min(most, rest);
    while (len < most) {
        int now = crdti_position_shows(
            doc, s->object, crdti_name_position(doc, s, name + len));
        if (len && now != shows)
            break;
        shows = now;
        len++;
    }
    if (shows != crdti_spot_shows(doc, *spot)) {
        if (shows)
            crdti_names_show(doc, s, spot, name, len);
        else
            crdti_span_hide(doc, s, spot, len);
        crdti_spot_next(doc, spot);
        s->cursor = *spot;
        s->cursor_is_known = 0;
    }
    spot->off += len;
    return len;
}

/* The same for characters whose names follow on each other. */
CRDTI_FN void crdti_names_look(crdt_doc *doc, crdti_sequence *s, uint32_t name,
                               uint32_t len)
{
    crdti_homes_make(doc, s);
    while (len) {
        crdti_spot spot = crdti_spot_of(doc, s, name);
        uint32_t done = crdti_spot_look(doc, s, &spot, len);
        name += done;
        len -= done;
    }
}

/* And for all of them. */
CRDTI_FN void crdti_list_look(crdt_doc *doc, crdti_sequence *s)
{
    crdti_spot spot = { 0, 0, 0 };
    spot.leaf = s->first;
    s->is_bare = 0;
    while (crdti_spot_next(doc, &spot))
        crdti_spot_look(doc, s, &spot, UINT32_MAX);
}

/* The character of the position where the element stands, or NO_CHAR. */
CRDTI_FN uint32_t crdti_element_name(const crdt_doc *doc, uint32_t list,
                                     const uint8_t *key)
{
    crdti_position at;
    return crdti_element_position(doc, list, key, 0, &at)
               ? crdti_position_name(doc, list, at)
               : CRDTI_NO_CHAR;
}

/* The index of the element; 0: it is not there. */
CRDTI_FN int crdti_element_index(crdt_doc *doc, uint32_t list,
                                 const uint8_t *key, uint32_t *index)
{
    crdti_sequence *s = crdti_sequence_at(doc, list);
    uint32_t name = s ? crdti_element_name(doc, list, key) : CRDTI_NO_CHAR;
    crdti_spot spot;
    if (name == CRDTI_NO_CHAR)
        return 0;
    crdti_homes_make(doc, s);
    spot = crdti_spot_of(doc, s, name);
    *index = crdti_spot_rank(doc, s, spot).chars;
    return crdti_spot_shows(doc, spot);
}

CRDTI_FN void crdti_position_look(crdt_doc *doc, uint32_t list,
                                  crdti_position at)
{
    crdti_sequence *s = crdti_sequence_at(doc, list);
    uint32_t name = CRDTI_NO_CHAR;
    if (s && !s->is_bare)
        name = crdti_position_name(doc, list, at);
    if (name != CRDTI_NO_CHAR) /* else it comes yet, and looks itself */
        crdti_names_look(doc, s, name, 1);
}

/* Where the element stands, or would if one of its moves were not. */
CRDTI_FN void crdti_element_look(crdt_doc *doc, uint32_t list,
                                 const uint8_t *key, uint32_t except)
{
    crdti_position at;
    if (crdti_element_position(doc, list, key, except, &at))
        crdti_position_look(doc, list, at);
}

/* >>for the type table ---------------------------------------------------- */

/* Room for the move is reserved. The one that won before stands there no
 * longer when this one does. */
CRDTI_FN void crdti_list_born(crdt_doc *doc, uint32_t list, uint32_t op)
{
    crdti_position at = crdti_op_position(doc, op);
    uint32_t entry = crdti_op_at(doc, op)->entry;
    if (crdti_op_at(doc, op)->kind != CRDTI_MOVE)
        return;
    crdti_table_insert(&doc->moves, crdti_move_hash(doc, list, at), op);
    if (crdti_entry_winner(doc, entry) == op)
        crdti_element_look(
            doc, list, crdti_entry_key(crdti_entry_at(doc, entry)).ptr, op);
    crdti_position_look(doc, list, at);
}

CRDTI_FN void crdti_list_died(crdt_doc *doc, uint32_t list, uint32_t op)
{
    crdti_position at = crdti_op_position(doc, op);
    uint32_t entry = crdti_op_at(doc, op)->entry;
    if (crdti_op_at(doc, op)->kind != CRDTI_MOVE)
        return;
    crdti_table_remove(&doc->moves, crdti_move_hash(doc, list, at), op);
    crdti_position_look(doc, list, at);
    crdti_element_look(doc, list,
                       crdti_entry_key(crdti_entry_at(doc, entry)).ptr, 0);
}

/* Whether the entry is visible: moves alone make nothing so. */
CRDTI_FN int crdti_list_shows(const crdt_doc *doc, const crdti_entry *entry)
{
    (void)doc;
    return entry->key_len == CRDTI_ELEMENT_KEY && entry->shows;
}

/* An element has appeared or disappeared. */
CRDTI_FN void crdti_list_looked(crdt_doc *doc, const crdti_entry *entry)
{
    crdti_element_look(doc, entry->object, crdti_entry_key(entry).ptr, 0);
}

CRDTI_FN int crdti_list_read(crdt_doc *doc, uint32_t list, crdt_bytes key,
                             crdt_value *out)
{
    uint32_t entry = crdti_entry_find(doc, list, key);
    if (!entry || !crdti_entry_at(doc, entry)->is_visible)
        return 0;
    *out = crdti_entry_value(doc, entry);
    return 1;
}

/* >>by index -------------------------------------------------------------- */

/* The list's sequence, which says what is visible; or NULL. */
CRDTI_FN crdt_err crdti_list_begin(crdt_obj list, crdti_sequence **s)
{
    crdt_err err = crdti_check(list, CRDT_LIST);
    if (!err)
        *s = crdti_sequence_at(list.doc, list.index);
    return err;
}

/* The entry of the element whose position that character is, or 0. */
CRDTI_FN uint32_t crdti_name_element(const crdt_doc *doc,
                                     const crdti_sequence *s, uint32_t name)
{
    uint32_t move;
    return crdti_position_element(doc, s->object,
                                  crdti_name_position(doc, s, name), &move);
}

/* The entry of the element at the index. RANGE. */
CRDTI_FN crdt_err crdti_list_entry(crdt_obj list, size_t at, uint32_t *entry)
{
    crdti_sequence *s;
    crdti_spot spot;
    uint32_t chars;
    crdt_err err = crdti_list_begin(list, &s);
    if (!err && (!s || at >= s->total.chars))
        err = CRDT_ERR_RANGE;
    if (!err)
        err = crdti_seek(list.doc, s, CRDT_CHARS, at + 1, &spot, &chars);
    if (err)
        return err;
    crdti_text_move_cursor(s, spot, chars);
    *entry = crdti_name_element(
        list.doc, s,
        crdti_leaf_at(list.doc, spot.leaf)->names[spot.at] + spot.off - 1);
    return *entry ? CRDT_OK : CRDT_ERR_NOT_FOUND;
}

/* >>writing --------------------------------------------------------------- */

/* Memory for a position at the index. RANGE, LIMIT, NOMEM. */
CRDTI_FN crdt_err crdti_list_reserve(crdt_obj list, size_t at,
                                     crdti_sequence **out)
{
    crdti_sequence *s;
    crdt_err err = crdti_check(list, CRDT_LIST);
    if (!err)
        err = crdti_sequence_get(list.doc, list.index, &s);
    if (err)
        return err;
    *out = s;
    if (at > s->total.chars)
        return CRDT_ERR_RANGE;
    err = crdti_write_check(list.doc, 1);
    if (!err)
        err = crdti_text_own(list.doc, s);
    if (!err)
        err = crdti_old_know(list.doc, s);
    if (!err)
        err = crdti_insertions_reserve(list.doc, s, s->own, 1, 1, 0);
    return err ? err : crdti_positions_reserve(list.doc, s, 1);
}

/* Puts the position of the last change at the index, where it is visible. */
CRDTI_FN void crdti_list_put(crdt_doc *doc, crdti_sequence *s, size_t at)
{
    crdti_origins origins;
    crdti_piece piece;
    crdti_spot spot;
    uint32_t chars;
    crdt_err err = crdti_seek(doc, s, CRDT_CHARS, at, &spot, &chars);
    CRDTI_ASSERT(!err);
    (void)err;
    crdti_zero(&piece, sizeof piece);
    piece.width.chars = 1;
    piece.shows = 1;
    origins = crdti_origins_at(doc, s, &spot);
    crdti_insertion_put(doc, s, s->own, doc->written, &origins, &piece, &spot);
    crdti_author_list(doc, s->own);
    crdti_text_move_cursor(s, spot, chars + 1);
}

/* The key of the element that the next change will insert. */
CRDTI_FN crdt_bytes crdti_list_next_key(const crdt_doc *doc,
                                        uint8_t key[CRDTI_MOVES_KEY])
{
    crdti_element_put(&doc->replicas.ptr[doc->self].id, doc->written + 1, key);
    return crdt_bytes_of(key, CRDTI_ELEMENT_KEY);
}

CRDT_API crdt_err crdt_list_insert(crdt_obj list, size_t at, crdt_value value)
{
    uint8_t key[CRDTI_MOVES_KEY];
    crdti_sequence *s;
    crdt_err err = crdti_list_reserve(list, at, &s);
    if (!err)
        err = crdti_value_write(list.doc, list.index,
                                crdti_list_next_key(list.doc, key), &value);
    if (!err)
        crdti_list_put(list.doc, s, at);
    return err;
}

CRDT_API crdt_obj crdt_list_insert_object(crdt_obj list, size_t at,
                                          crdt_type type)
{
    uint8_t key[CRDTI_MOVES_KEY];
    crdti_sequence *s;
    uint32_t index = 0;
    crdt_err err =
        type > CRDT_NONE && type < CRDT_TYPE_COUNT ? CRDT_OK : CRDT_ERR_ARG;
    if (!err)
        err = crdti_list_reserve(list, at, &s);
    if (!err)
        err = crdti_container_get(list.doc, list.index,
                                  crdti_list_next_key(list.doc, key), type,
                                  &index);
    if (!err) {
        crdti_list_put(list.doc, s, at);
        return crdti_obj(list.doc, index);
    }
    if (list.doc && list.index)
        list.doc->error = err;
    return crdti_obj(list.doc, 0);
}

CRDT_API crdt_err crdt_list_set(crdt_obj list, size_t at, crdt_value value)
{
    uint32_t entry;
    crdt_err err = crdti_list_entry(list, at, &entry);
    return err ? err
               : crdti_value_write(
                     list.doc, list.index,
                     crdti_entry_key(crdti_entry_at(list.doc, entry)), &value);
}

/* Adds a REMOVE of all that is seen in the entry. There is room. */
CRDTI_FN void crdti_draft_remove(crdti_op_array *drafts, uint32_t entry)
{
    crdti_op *draft = &drafts->ptr[drafts->len++];
    crdti_zero(draft, sizeof *draft);
    draft->kind = CRDTI_REMOVE;
    draft->entry = entry;
}

/* Drafts the removal of the elements; and of their moves, of which nothing is
 * seen then. A move that somebody makes meanwhile survives that of its
 * element, unseen. It costs an op next to a position that stays anyway, shows
 * again with an element that somebody sets meanwhile, and goes with what is
 * above the list. */
CRDTI_FN crdt_err crdti_list_draft(crdt_obj list, size_t at, size_t len,
                                   crdti_op_array *drafts)
{
    crdt_err err = CRDT_OK;
    for (; len > 0 && !err; at++, len--) {
        uint32_t entry, moves;
        err = crdti_list_entry(list, at, &entry);
        if (!err)
            err = crdti_array_reserve(&list.doc->alloc, drafts, 2);
        if (err)
            break;
        crdti_draft_remove(drafts, entry);
        moves = crdti_element_moves(
            list.doc, list.index,
            crdti_entry_key(crdti_entry_at(list.doc, entry)).ptr);
        if (moves && CRDTI_RULE(MOVES_GO))
            crdti_draft_remove(drafts, moves);
    }
    return err;
}

CRDT_API crdt_err crdt_list_delete(crdt_obj list, size_t at, size_t len)
{
    crdti_op_array drafts = { NULL, 0, 0 };
    size_t most;
    crdt_err err = crdti_check(list, CRDT_LIST);
    if (err)
        return err;
    most = crdt_list_len(list);
    if (len > most || at > most - len)
        return CRDT_ERR_RANGE;
    err = crdti_write_check(list.doc, len);
    if (!err)
        err = crdti_list_draft(list, at, len, &drafts);
    if (!err)
        err = crdti_write_scopes(list.doc, drafts.ptr, drafts.len);
    crdti_array_free(&list.doc->alloc, &drafts);
    return err;
}

/* Writes the MOVE of the element. */
CRDTI_FN crdt_err crdti_element_move(crdt_doc *doc, uint32_t entry)
{
    uint8_t key[CRDTI_MOVES_KEY];
    uint32_t list = crdti_entry_at(doc, entry)->object;
    crdt_bytes moves;
    crdti_op draft;
    crdt_err err;
    crdti_zero(&draft, sizeof draft);
    moves =
        crdti_moves_key(crdti_entry_key(crdti_entry_at(doc, entry)).ptr, key);
    if (crdti_table_reserve(&doc->alloc, &doc->moves, 1))
        return CRDT_ERR_NOMEM;
    err = crdti_entry_get(doc, list, moves, &draft.entry);
    if (err)
        return err;
    draft.kind = CRDTI_MOVE;
    draft.as.value.stamp = crdti_write_stamp(doc);
    err = crdti_write_scope(doc, &draft);
    if (err)
        crdti_entry_tidy(doc, draft.entry);
    return err;
}

CRDT_API crdt_err crdt_list_move(crdt_obj list, size_t from, size_t to)
{
    crdti_sequence *s;
    uint32_t entry;
    crdt_err err = crdti_list_entry(list, from, &entry);
    if (!err && to >= crdti_sequence_at(list.doc, list.index)->total.chars)
        err = CRDT_ERR_RANGE;
    if (err || from == to)
        return err;
    err = crdti_list_reserve(list, to, &s);
    if (!err)
        err = crdti_element_move(list.doc, entry);
    if (!err)
        crdti_list_put(list.doc, s, to);
    return err;
}

/* >>reading --------------------------------------------------------------- */

CRDT_API size_t crdt_list_len(crdt_obj list)
{
    crdti_sequence *s;
    return crdti_list_begin(list, &s) || !s ? 0 : s->total.chars;
}

CRDT_API crdt_err crdt_list_get(crdt_obj list, size_t at, crdt_value *out)
{
    uint32_t entry;
    crdt_err err = crdti_list_entry(list, at, &entry);
    if (!err)
        *out = crdti_entry_value(list.doc, entry);
    return err;
}

CRDT_API crdt_obj crdt_list_object(crdt_obj list, size_t at)
{
    crdt_value value;
    crdt_err err = crdt_list_get(list, at, &value);
    if (!err && value.kind == CRDT_OBJECT)
        return value.as.object;
    if (list.doc && list.index)
        list.doc->error = err ? err : CRDT_ERR_TYPE;
    return crdti_obj(list.doc, 0);
}

CRDT_API crdt_err crdt_list_versions(crdt_obj list, size_t at,
                                     crdt_version_fn *fn, void *ctx)
{
    uint32_t entry;
    crdt_err err = crdti_list_entry(list, at, &entry);
    if (err)
        return err;
    crdti_entry_versions(list.doc, entry, fn, ctx);
    crdti_entry_orphans(list.doc, entry, fn, ctx);
    return CRDT_OK;
}

CRDT_API crdt_err crdt_list_next(crdt_obj list, crdt_list_cursor *cursor)
{
    crdti_sequence *s;
    const crdti_leaf *leaf;
    crdti_spot spot = { 0, 0, 0 };
    crdt_err err = crdti_list_begin(list, &s);
    if (!err && !s)
        err = CRDT_ERR_NOT_FOUND;
    if (err)
        return err;
    spot.leaf = s->first;
    if (cursor->started) {
        if (cursor->changes != s->changes)
            return CRDT_ERR_AGAIN;
        spot.leaf = cursor->leaf;
        spot.at = cursor->span;
        spot.off = cursor->off + 1;
    }
    if (!crdti_spot_next_shown(list.doc, &spot))
        return CRDT_ERR_NOT_FOUND;
    leaf = crdti_leaf_at(list.doc, spot.leaf);
    cursor->at += cursor->started != 0;
    cursor->started = 1;
    cursor->changes = s->changes;
    cursor->leaf = spot.leaf;
    cursor->span = spot.at;
    cursor->off = spot.off;
    cursor->value = crdti_entry_value(
        list.doc,
        crdti_name_element(list.doc, s, leaf->names[spot.at] + spot.off));
    return CRDT_OK;
}

/* >>stable positions ------------------------------------------------------ */

CRDT_API crdt_err crdt_list_anchor(crdt_obj list, size_t at, crdt_side side,
                                   crdt_anchor *out)
{
    uint32_t entry;
    size_t beside = side == CRDT_LEFT ? at - 1 : at;
    crdt_err err = crdti_check(list, CRDT_LIST);
    size_t len = crdt_list_len(list);
    if (!err && at > len)
        err = CRDT_ERR_RANGE;
    if (err)
        return err;
    if (beside >= len) { /* also in front of the first */
        crdti_zero(out, sizeof *out);
        out->side = side;
        return CRDT_OK;
    }
    err = crdti_list_entry(list, beside, &entry);
    if (err)
        return err;
    crdti_zero(out, sizeof *out);
    out->side = side;
    out->dot = crdti_element_dot(
        crdti_entry_key(crdti_entry_at(list.doc, entry)).ptr);
    return CRDT_OK;
}

CRDT_API crdt_err crdt_list_find(crdt_obj list, const crdt_anchor *anchor,
                                 size_t *out)
{
    uint8_t key[CRDTI_MOVES_KEY];
    crdti_sequence *s;
    crdti_spot spot;
    uint32_t name;
    crdt_err err = crdti_list_begin(list, &s);
    if (!err && !anchor)
        err = CRDT_ERR_ARG;
    if (err)
        return err;
    if (!anchor->dot.seq) {
        *out = anchor->side == CRDT_RIGHT ? crdt_list_len(list) : 0;
        return CRDT_OK;
    }
    crdti_element_put(&anchor->dot.replica, anchor->dot.seq, key);
    name = crdti_element_name(list.doc, list.index, key);
    if (name == CRDTI_NO_CHAR)
        return CRDT_ERR_NOT_FOUND;
    crdti_homes_make(list.doc, s);
    spot = crdti_spot_of(list.doc, s, name);
    spot.off += anchor->side == CRDT_LEFT;
    *out = crdti_spot_rank(list.doc, s, spot).chars;
    return CRDT_OK;
}

#endif
