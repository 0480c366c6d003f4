/*
 * Sequences: what texts and lists share. Where a character goes, and what dies.
 *
 * FugueMax. An insertion names the characters that its author saw left and
 * right of it, deleted ones included. Usually they still stand side by side
 * where it arrives, and it goes between them. Otherwise others inserted at the
 * same spot, and all replicas must put them in one order:
 *
 *     left  [ x.. ][ y.. ][ z.. ]  right       where among x, y, z?
 *
 *     o names something before left       ours is before it: stop
 *     o names left, as we do              the one whose right is further right
 *                                         comes first; of equals the smaller
 *                                         replica id, then the earlier
 *     o names something behind left       it goes with what it follows
 *
 * So insertions stay whole, typed forwards or backwards. (Weidner & Kleppmann
 * 2023; the scan is that of YjsMod: Gentle 2021)
 */
#ifndef CRDTI_SEQUENCE_H
#define CRDTI_SEQUENCE_H

#include "place.h"
#include "span.h"
#include "write.h"

/* >>making and ending ----------------------------------------------------- */

/* Below: where what is typed is filed. */
CRDTI_FN void crdti_typing_end(crdt_doc *doc);

/* Whoever looks at a sequence finds all of it filed: no reader can tell. */
CRDTI_INLINE void crdti_typing_file(const crdt_doc *doc)
{
    if (CRDTI_UNLIKELY(doc->typing != NULL))
        crdti_typing_end((crdt_doc *)(uintptr_t)doc);
}

CRDTI_INLINE crdti_sequence *crdti_sequence_at(const crdt_doc *doc,
                                               uint32_t object)
{
    crdti_typing_file(doc);
    return (crdti_sequence *)crdti_object_at(doc, object)->state;
}

/* Makes sure that the object has one. NOMEM, LIMIT. */
CRDTI_FN crdt_err crdti_sequence_get(crdt_doc *doc, uint32_t object,
                                     crdti_sequence **out)
{
    crdti_sequence *s = crdti_sequence_at(doc, object);
    *out = s;
    if (CRDTI_LIKELY(s != NULL))
        return CRDT_OK;
    if (crdti_nodes_reserve(doc, 1, 0))
        return CRDT_ERR_NOMEM;
    s = (crdti_sequence *)crdti_alloc(&doc->alloc, sizeof *s);
    if (!s)
        return CRDT_ERR_NOMEM;
    crdti_zero(s, sizeof *s);
    s->object = object;
    s->is_list = crdti_object_at(doc, object)->type == CRDT_LIST;
    s->root = s->first = crdti_pool_take(&doc->leaves);
    s->next_sequence = doc->sequences;
    if (doc->sequences)
        crdti_sequence_at(doc, doc->sequences)->prev_sequence = object;
    doc->sequences = object;
    crdti_object_at(doc, object)->state = s;
    *out = s;
    return CRDT_OK;
}

/* Gives back the tree: leaves and what is above them. What a list holds it
 * then has in hand, and the first leaf. */
CRDTI_FN void crdti_spans_free(crdt_doc *doc, crdti_sequence *s)
{
    uint32_t node = s->root, level = s->height, i;
    /* Always into the first child; a node without children goes. */
    while (node) {
        uint32_t up;
        if (level && crdti_fork_at(doc, node)->len) {
            crdti_fork *fork = crdti_fork_at(doc, node);
            for (i = 0; level == 1 && i < fork->len; i++)
                crdti_leaf_give(doc, s, fork->children[i]);
            if (level == 1) {
                fork->len = 0;
                continue;
            }
            node = fork->children[--fork->len];
            level--;
            continue;
        }
        up = crdti_parent(doc, level, node);
        if (level)
            crdti_fork_give(doc, s, node);
        else
            crdti_leaf_give(doc, s, node);
        node = up;
        level++;
    }
    s->root = s->first = s->height = 0;
}

/* Frees all that is in it. */
CRDTI_FN void crdti_sequence_empty(crdt_doc *doc, crdti_sequence *s)
{
    uint32_t at, next;
    for (at = s->authors; at; at = next) {
        next = crdti_author_at(doc, at)->next;
        crdti_author_free(doc, at);
    }
    s->authors = s->own = 0;
    crdti_spans_free(doc, s);
    doc->held_leaves -= s->is_list; /* the first one */
    crdti_positions_release(doc, s);
    crdti_homes_drop(&doc->alloc, &s->homes);
    crdti_array_free(&doc->alloc, &s->extents);
    crdti_news_clear(&doc->alloc, s);
    crdti_old_forget(doc, s);
}

/* Makes it one that nothing was ever written to, as it was before a join that
 * failed. The leaf that it takes is one that it gave. */
CRDTI_FN void crdti_sequence_clear(crdt_doc *doc, crdti_sequence *s)
{
    crdti_sequence_empty(doc, s);
    s->names_used = 0;
    s->is_hashed = s->is_bare = 0;
    crdti_zero(&s->total, sizeof s->total);
    s->root = s->first = crdti_pool_take(&doc->leaves);
}

/* For the type table. */
CRDTI_FN void crdti_sequence_drop(crdt_doc *doc, crdti_object *object)
{
    crdti_sequence *s;
    crdti_typing_file(doc);
    s = (crdti_sequence *)object->state;
    if (!s)
        return;
    if (s->prev_sequence)
        crdti_sequence_at(doc, s->prev_sequence)->next_sequence =
            s->next_sequence;
    else
        doc->sequences = s->next_sequence;
    if (s->next_sequence)
        crdti_sequence_at(doc, s->next_sequence)->prev_sequence =
            s->prev_sequence;
    crdti_sequence_empty(doc, s);
    crdti_digest_subtract(&doc->digest, s->digest);
    crdti_free(&doc->alloc, s, sizeof *s);
    object->state = NULL;
}

/* >>integrating ----------------------------------------------------------- */

/* What an insertion is placed by. */
typedef struct crdti_origins {
    uint32_t left, right;
    uint32_t replica;
    uint32_t end; /* the name behind the insertion's last; 0: it is new */
} crdti_origins;

/* The spot behind a character; of NO_CHAR the beginning. */
CRDTI_FN crdti_spot crdti_spot_behind(const crdt_doc *doc,
                                      const crdti_sequence *s, uint32_t name)
{
    crdti_spot spot = { 0, 0, 0 };
    spot.leaf = s->first;
    if (name == CRDTI_NO_CHAR)
        return spot;
    spot = crdti_spot_of(doc, s, name);
    spot.off++;
    return spot;
}

/* The origins of the character. */
CRDTI_FN crdti_origins crdti_origins_of(const crdt_doc *doc,
                                        const crdti_sequence *s, uint32_t name)
{
    const crdti_author *author =
        crdti_author_at(doc, crdti_name_author(&s->extents, name));
    const crdti_insertion *at = crdti_insertion_of(author, name);
    crdti_origins origins;
    origins.left = name == at->name ? at->left : name - 1;
    origins.right = at->right;
    origins.replica = author->replica;
    origins.end = at->name + at->len;
    return origins;
}

/* The dot of a character, in a document that knows its replica: of a list,
 * where an element may stand. */
typedef struct crdti_position {
    uint32_t replica;
    uint64_t seq;
} crdti_position;

CRDTI_FN crdti_position crdti_name_position(const crdt_doc *doc,
                                            const crdti_sequence *s,
                                            uint32_t name)
{
    const crdti_author *author =
        crdti_author_at(doc, crdti_name_author(&s->extents, name));
    const crdti_insertion *at = crdti_insertion_of(author, name);
    crdti_position position;
    position.replica = author->replica;
    position.seq = at->seq + (name - at->name);
    return position;
}

/* The character, or NO_CHAR. */
CRDTI_FN uint32_t crdti_position_name(const crdt_doc *doc, uint32_t object,
                                      crdti_position at)
{
    uint32_t author = crdti_author_find(doc, object, at.replica);
    return author ? crdti_seq_name(crdti_author_at(doc, author), at.seq)
                  : CRDTI_NO_CHAR;
}

/* The order in the text; `last` is where NO_CHAR is: 0 the beginning, 1 the
 * end. */
CRDTI_FN int crdti_name_order(const crdt_doc *doc, const crdti_sequence *s,
                              uint32_t a, uint32_t b, int last)
{
    if (a == b)
        return 0;
    if (a == CRDTI_NO_CHAR)
        return last ? 1 : -1;
    if (b == CRDTI_NO_CHAR)
        return last ? -1 : 1;
    return crdti_spot_order(doc, crdti_spot_of(doc, s, a),
                            crdti_spot_of(doc, s, b));
}

/* Whether ours belongs before that with the other origins, which stands where
 * ours might go. `*passing`: the question is put off to behind it. */
CRDTI_FN int crdti_goes_before(const crdt_doc *doc, const crdti_sequence *s,
                               const crdti_origins *ours,
                               const crdti_origins *theirs, int *passing)
{
    int order = crdti_name_order(doc, s, theirs->left, ours->left, 0);
    if (order)
        return order < 0;
    if (CRDTI_RULE(RIGHT_ORIGINS))
        order = crdti_name_order(doc, s, theirs->right, ours->right, 1);
    *passing = order < 0;
    if (order)
        return 0;
    /* One replica does that only where it has passed over old ones. */
    if (ours->replica == theirs->replica)
        return ours->end && ours->end < theirs->end;
    return crdti_id_order(&doc->replicas.ptr[ours->replica].id,
                          &doc->replicas.ptr[theirs->replica].id) < 0;
}

/* The spot where an insertion belongs, which is not before `spot`. O(log n)
 * when nobody else inserted there; else in as many steps, which are counted. */
CRDTI_FN crdti_spot crdti_integrate(const crdt_doc *doc,
                                    const crdti_sequence *s,
                                    const crdti_origins *ours, crdti_spot spot,
                                    size_t *steps)
{
    crdti_spot at = spot;
    int passing = 0;
    for (; crdti_spot_next(doc, &at); ++*steps) {
        const crdti_leaf *leaf = crdti_leaf_at(doc, at.leaf);
        uint32_t other = leaf->names[at.at] + at.off;
        uint32_t rest = crdti_span_len(leaf, at.at) - at.off;
        crdti_origins theirs;
        if (other == ours->right)
            break;
        theirs = crdti_origins_of(doc, s, other);
        if (crdti_goes_before(doc, s, ours, &theirs, &passing))
            break;
        /* Those behind it in its insertion follow it; as long as ours is not
         * to go before one of them. */
        rest = (uint32_t)crdti_min(rest, theirs.end - other);
        at.off += (uint32_t)crdti_min(rest, ours->right - other);
        if (!passing)
            spot = at;
    }
    return spot;
}

/* >>inserting ------------------------------------------------------------- */

/* What the replica inserts at the spot names as its origins. Among old
 * characters, which are passed over, it goes where all others will put it. */
CRDTI_FN crdti_origins crdti_origins_at(crdt_doc *doc, crdti_sequence *s,
                                        crdti_spot *spot)
{
    crdti_origins origins;
    size_t steps = 0;
    int passes;
    crdti_zero(&origins, sizeof origins);
    origins.replica = doc->self;
    origins.left = CRDTI_NO_CHAR;
    if (spot->off)
        origins.left =
            crdti_leaf_at(doc, spot->leaf)->names[spot->at] + spot->off - 1;
    origins.right = crdti_right_origin(doc, s, *spot, &passes);
    if (passes) {
        crdti_homes_make(doc, s);
        *spot = crdti_integrate(doc, s, &origins, *spot, &steps);
    }
    return origins;
}

/* >>writing down ---------------------------------------------------------- */

/* What an insertion is to hold: whole, checked, wide or all ASCII. */
typedef struct crdti_piece {
    crdt_bytes bytes; /* none: hidden, unless it shows */
    crdti_width width;
    int shows; /* of a list, whose characters have no bytes */
} crdti_piece;

CRDTI_FN uint32_t crdti_piece_flags(const crdti_piece *piece)
{
    if (!piece->bytes.len)
        return piece->shows ? 0 : CRDTI_HIDDEN;
    return piece->width.more_bytes ? CRDTI_WIDE : 0;
}

/* Whether the author's latest insertion may hold the piece too. */
CRDTI_FN int crdti_insertion_takes(const crdti_author *author,
                                   const crdti_insertion *last,
                                   const crdti_piece *piece)
{
    if (!piece->bytes.len || last->content == CRDTI_CONTENT_GONE)
        return !piece->bytes.len && last->content == CRDTI_CONTENT_GONE;
    if (last->content + last->len + last->more_bytes != author->content.len)
        return 0;
    if (!last->more_bytes)
        return !piece->width.more_bytes;
    return last->len + piece->width.chars <= CRDTI_WIDE_MAX;
}

/* Whether what comes goes on with the author's latest insertion. */
CRDTI_FN int crdti_insertion_goes_on(const crdti_author *author, uint64_t seq,
                                     uint32_t left, uint32_t right,
                                     const crdti_piece *piece)
{
    const crdti_insertion *last =
        author->insertions.ptr + author->insertions.len - 1;
    return author->insertions.len && last->seq + last->len == seq &&
           last->name + last->len - 1 == left && last->right == right &&
           last->name + last->len == author->free_name &&
           crdti_insertion_takes(author, last, piece);
}

/* Memory for `count` insertions of that author, with `chars` characters and
 * `bytes` in all. LIMIT, NOMEM. */
CRDTI_FN crdt_err crdti_insertions_reserve(crdt_doc *doc, crdti_sequence *s,
                                           uint32_t index, size_t count,
                                           size_t chars, size_t bytes)
{
    crdti_author *author = crdti_author_at(doc, index);
    if (bytes >= UINT32_MAX - author->content.len)
        return CRDT_ERR_LIMIT;
    if (crdti_array_reserve(&doc->alloc, &author->insertions, count) ||
        crdti_array_reserve(&doc->alloc, &author->content, bytes))
        return CRDT_ERR_NOMEM;
    return crdti_names_reserve(doc, &s->extents, &s->names_used, index, chars);
}

/* Writes the insertion down with its author. Whether it goes on with the
 * latest. */
CRDTI_FN int crdti_insertion_add(crdti_author *author, uint64_t seq,
                                 uint32_t left, uint32_t right,
                                 const crdti_piece *piece)
{
    crdti_insertion *at = author->insertions.ptr + author->insertions.len;
    int goes_on = crdti_insertion_goes_on(author, seq, left, right, piece);
    if (goes_on) {
        at--;
    } else {
        author->insertions.len++;
        crdti_zero(at, sizeof *at);
        at->seq = seq;
        at->name = author->free_name;
        at->left = left;
        at->right = right;
        at->content = piece->bytes.len ? (uint32_t)author->content.len
                                       : CRDTI_CONTENT_GONE;
    }
    at->len += piece->width.chars;
    at->more_bytes = (uint16_t)(at->more_bytes + piece->width.more_bytes);
    at->more_units = (uint16_t)(at->more_units + piece->width.more_units);
    if (piece->bytes.len)
        crdti_copy(author->content.ptr + author->content.len, piece->bytes.ptr,
                   piece->bytes.len);
    author->content.len += piece->bytes.len;
    author->free_name += piece->width.chars;
    return goes_on;
}

/* The same for the sequence. */
CRDTI_FN int crdti_insertion_write(crdt_doc *doc, crdti_sequence *s,
                                   uint32_t index, uint64_t seq,
                                   const crdti_origins *origins,
                                   const crdti_piece *piece)
{
    crdti_author *author = crdti_author_at(doc, index);
    if (s->is_list)
        crdti_positions_hold(doc, s, piece->width.chars);
    crdti_old_named(s, origins->left);
    crdti_old_named(s, origins->right);
    author->last = seq + piece->width.chars - 1;
    return crdti_insertion_add(author, seq, origins->left, origins->right,
                               piece);
}

/* Writes it down and puts it at the spot, which is behind it then. */
CRDTI_FN void crdti_insertion_put(crdt_doc *doc, crdti_sequence *s,
                                  uint32_t index, uint64_t seq,
                                  const crdti_origins *origins,
                                  const crdti_piece *piece, crdti_spot *spot)
{
    uint32_t name = crdti_author_at(doc, index)->free_name;
    uint32_t flags = crdti_piece_flags(piece);
    const crdti_leaf *leaf = crdti_leaf_at(doc, spot->leaf);
    int goes_on = crdti_insertion_write(doc, s, index, seq, origins, piece);
    goes_on = goes_on && spot->off == crdti_span_len(leaf, spot->at) &&
              leaf->names[spot->at] + spot->off == name &&
              (leaf->lens[spot->at] & ~CRDTI_SPAN_LEN) == flags;
    crdti_span_put(doc, s, spot, name, piece->width.chars | flags, goes_on);
}

/* That `count` characters, from `name` on or back from it, were deleted by the
 * dots from `seq` on. Room for one deletion more is reserved. */
CRDTI_FN void crdti_deletion_add(crdti_author *author, uint64_t seq,
                                 uint32_t name, uint32_t count,
                                 uint32_t direction)
{
    crdti_deletion *at = author->deletions.ptr + author->deletions.len;
    crdti_deletion *last = author->deletions.len ? at - 1 : NULL;
    uint32_t len = last ? crdti_deletion_len(last) : 0;
    author->last = crdti_max(author->last, seq + count - 1);
    if (last && last->seq + len == seq) {
        if (name == last->name + len && !direction &&
            !(last->len & CRDTI_BACKWARDS)) {
            last->len += count;
            return;
        }
        if (name == last->name - len && (direction || count == 1) &&
            (last->len & CRDTI_BACKWARDS || len == 1)) {
            last->len = (len + count) | CRDTI_BACKWARDS;
            return;
        }
    }
    at->seq = seq;
    at->name = name;
    at->len = count | (count > 1 ? direction : 0);
    author->deletions.len++;
}

/* >>keystrokes ------------------------------------------------------------ */

CRDTI_FN void crdti_typed_file(crdt_doc *doc, crdti_sequence *s, uint32_t n)
{
    crdti_author *author = crdti_author_at(doc, s->own);
    crdti_width width = { 0, 0, 0 };
    uint32_t name = author->free_name;
    author->free_name += n;
    author->content.len += n;
    author->insertions.ptr[author->insertions.len - 1].len += n;
    author->last += n;
    crdti_leaf_at(doc, s->cursor.leaf)->lens[s->cursor.at] += n;
    s->cursor.off += n;
    width.chars = n;
    crdti_widths_grow(doc, s, s->cursor.leaf, width);
    crdti_home_set(&doc->alloc, &s->homes, name, n, s->cursor.leaf);
}

CRDTI_FN void crdti_erased_file(crdt_doc *doc, crdti_sequence *s, uint32_t n)
{
    const crdti_leaf *leaf = crdti_leaf_at(doc, s->cursor.leaf);
    uint32_t name = leaf->names[s->cursor.at] + s->cursor.off - 1;
    s->cursor.off -= n;
    crdti_span_hide(doc, s, &s->cursor, n);
    crdti_deletion_add(crdti_author_at(doc, s->own), s->typed - n + 1, name, n,
                       CRDTI_BACKWARDS);
}

CRDTI_FN void crdti_ahead_file(crdt_doc *doc, crdti_sequence *s, uint32_t n)
{
    crdti_spot spot = s->cursor;
    const crdti_leaf *leaf;
    uint32_t name;
    crdti_spot_next_shown(doc, &spot);
    leaf = crdti_leaf_at(doc, spot.leaf);
    name = leaf->names[spot.at] + spot.off;
    crdti_span_hide(doc, s, &spot, n);
    s->cursor = spot;
    s->ahead = 0;
    crdti_deletion_add(crdti_author_at(doc, s->own), s->typed - n + 1, name, n,
                       0);
}

/* Files the keystrokes that were not filed yet; memory was taken before. What
 * is typed goes on. */
CRDTI_FN void crdti_typing_write(crdt_doc *doc)
{
    crdti_sequence *s = doc->typing;
    uint32_t from;
    if (!s)
        return;
    from = s->cursor_chars;
    s->cursor_chars = s->type_at;
    if (s->type_at > from)
        crdti_typed_file(doc, s, s->type_at - from);
    else if (s->type_at < from)
        crdti_erased_file(doc, s, from - s->type_at);
    else if (s->ahead)
        crdti_ahead_file(doc, s, s->ahead);
    if (s->type_to)
        return;
    doc->typing = NULL;
    s->room = 0;
}

/* Files them, and that is all of them. */
CRDTI_FN void crdti_typing_end(crdt_doc *doc)
{
    crdti_sequence *s = doc->typing;
    crdti_typing_write(doc);
    doc->typing = NULL;
    s->room = 0;
}

/* >>visibility ------------------------------------------------------------ */

/* After changes: whether the object has appeared or disappeared. What a list
 * weighs its elements say. */
CRDTI_FN void crdti_sequence_weigh(crdt_doc *doc, const crdti_sequence *s)
{
    crdti_object *object = crdti_object_at(doc, s->object);
    uint32_t weight = s->total.chars != 0;
    if (CRDTI_LIKELY(object->weight == weight) || s->is_list)
        return;
    object->weight = weight;
    crdti_climb(doc, s->object, weight != 0);
}

/* >>deaths by what is above ----------------------------------------------- */

/* What of the span dies by the hand of `killer`, or by the marks; or the marks
 * are lowered to what is alive. */
CRDTI_FN void crdti_span_scope(crdt_doc *doc, crdti_sequence *s,
                               crdti_spot *spot, uint32_t killer, int how)
{
    const crdti_leaf *leaf = crdti_leaf_at(doc, spot->leaf);
    uint32_t name = leaf->names[spot->at] + spot->off;
    uint32_t len = crdti_span_len(leaf, spot->at) - spot->off;
    const crdti_author *author =
        crdti_author_at(doc, crdti_name_author(&s->extents, name));
    const crdti_insertion *at = crdti_insertion_of(author, name);
    uint64_t seq = at->seq + (name - at->name);
    uint64_t *mark = &doc->replicas.ptr[author->replica].mark;
    if (how == CRDTI_SCOPE_LOWER) {
        *mark = crdti_min(*mark, seq - 1);
        len = 0;
    } else if (how == CRDTI_SCOPE_KILL) {
        crdti_kill_note(doc, killer, author->replica, seq + len - 1);
    } else {
        len = seq > *mark ? 0 : (uint32_t)crdti_min(len, *mark - seq + 1);
    }
    if (len)
        len = crdti_span_hide(doc, s, spot, len);
    leaf = crdti_leaf_at(doc, spot->leaf);
    /* Behind what was looked at: what died, and what is to live. */
    spot->off += len;
    if (spot->at < leaf->len && !(leaf->lens[spot->at] & CRDTI_HIDDEN))
        spot->off = crdti_span_len(leaf, spot->at);
}

/* For the type table. */
CRDTI_FN void crdti_sequence_scope(crdt_doc *doc, uint32_t object,
                                   uint32_t killer, int how)
{
    crdti_sequence *s = crdti_sequence_at(doc, object);
    crdti_spot spot = { 0, 0, 0 };
    if (!s || !s->total.chars)
        return;
    if (how != CRDTI_SCOPE_LOWER) {
        crdti_touch(doc, object, crdti_no_key());
        s->cursor_is_known = 0;
        s->room = 0;
    }
    spot.leaf = s->first;
    while (crdti_spot_next_shown(doc, &spot))
        crdti_span_scope(doc, s, &spot, killer, how);
    crdti_sequence_weigh(doc, s);
}

/* >>digest ---------------------------------------------------------------- */

/* A polynomial of what is visible, in order: so the share of a leaf is kept
 * until something in it changes. */
#define CRDTI_DIGEST_BASE UINT64_C(0x9fb21c651e98df25)

CRDTI_FN uint64_t crdti_span_hash(const crdt_doc *doc, const crdti_sequence *s,
                                  uint32_t name, uint32_t len, uint64_t hash)
{
    const crdti_author *author =
        crdti_author_at(doc, crdti_name_author(&s->extents, name));
    const crdti_insertion *at = crdti_insertion_of(author, name);
    uint64_t who = doc->replicas.ptr[author->replica].name;
    uint64_t seq = at->seq + (name - at->name);
    const uint8_t *bytes;
    if (at->content == CRDTI_CONTENT_GONE) { /* a list: no bytes */
        for (; len > 0; len--, name++) {
            at += name == at->name + at->len; /* it may go on in the next */
            seq = at->seq + (name - at->name);
            hash = hash * CRDTI_DIGEST_BASE + crdti_mix(who ^ seq, 1);
        }
        return hash;
    }
    bytes = crdti_content_at(author, at, name);
    for (; len > 0; len--, bytes += crdti_utf8_size(*bytes))
        hash = hash * CRDTI_DIGEST_BASE +
               crdti_mix(who ^ seq++, crdti_utf8_decode(bytes) ^
                                          UINT64_C(0xe7037ed1a0b428db));
    return hash;
}

CRDTI_FN uint64_t crdti_leaf_hash(crdt_doc *doc, const crdti_sequence *s,
                                  uint32_t index, uint32_t *chars)
{
    crdti_leaf *leaf = crdti_leaf_at(doc, index);
    uint64_t hash = 0;
    uint32_t i;
    *chars = 0;
    for (i = 0; i < leaf->len; i++) {
        uint32_t shown = crdti_span_shown(leaf, i);
        *chars += shown;
        if (!leaf->is_hashed && shown)
            hash = crdti_span_hash(doc, s, leaf->names[i], shown, hash);
    }
    if (leaf->is_hashed)
        return leaf->hash;
    leaf->is_hashed = 1;
    leaf->hash = hash;
    return hash;
}

CRDTI_FN uint64_t crdti_power(uint64_t base, uint32_t exponent)
{
    uint64_t power = 1;
    for (; exponent; exponent >>= 1, base *= base)
        if (exponent & 1)
            power *= base;
    return power;
}

/* Brings the share of the document's digest up to date. O(leaves), and the
 * characters of those that changed. */
CRDTI_FN void crdti_sequence_digest(crdt_doc *doc, crdti_sequence *s)
{
    uint64_t hash = 0, place = crdti_object_at(doc, s->object)->name;
    uint32_t leaf, chars;
    if (s->is_hashed)
        return;
    for (leaf = s->first; leaf; leaf = crdti_leaf_at(doc, leaf)->next) {
        uint64_t share = crdti_leaf_hash(doc, s, leaf, &chars);
        hash = hash * crdti_power(CRDTI_DIGEST_BASE, chars) + share;
    }
    crdti_digest_subtract(&doc->digest, s->digest);
    crdti_zero(&s->digest, sizeof s->digest);
    if (s->total.chars) {
        s->digest.lo = crdti_mix(hash ^ place, s->total.chars);
        s->digest.hi = crdti_mix(hash, place);
    }
    crdti_digest_add(&doc->digest, s->digest);
    s->is_hashed = 1;
}

/* For crdt_doc_digest, which is asked seldom next to how often is written. */
CRDTI_FN void crdti_sequences_digest(crdt_doc *doc)
{
    uint32_t at;
    for (at = doc->sequences; at;
         at = crdti_sequence_at(doc, at)->next_sequence)
        crdti_sequence_digest(doc, crdti_sequence_at(doc, at));
}

#endif
