/*
 * The changes of sequences as bytes: a section of a delta for each sequence
 * that has some. An *edit* is one insertion or deletion of one author. Edits
 * come in an order in which each stands behind those that inserted what it
 * names; characters inserted by them are numbered from 0 in that order.
 *
 *     edit   byte   lower 3 bits what, upper 5 bits length - 1; 31: see behind
 *       0 INSERT        behind the cursor
 *       1 INSERT_NEAR   behind the cursor + zigzag
 *       2 INSERT_AGAIN  behind the last target + zigzag
 *       3 BACK          delete the character at the cursor, and backwards
 *       4 DELETE_NEAR   delete from the cursor + zigzag on
 *       5 DELETE_AGAIN  delete from the last target + zigzag on
 *       6 BACK_NEAR     delete from the cursor + zigzag, and backwards
 *       7 more          by the upper bits, before an edit:
 *           0 AUTHOR    the following are of another, or seqs are left out
 *           1 RIGHT     the right origin of the next is not the expected
 *           2 OUTSIDE   the target of the next is none of this delta
 *
 * The cursor is the last character inserted, or that before what was deleted.
 * So a keystroke that follows on the one before is one byte and its character,
 * and a jump two or three more.
 *
 * The right origin that is expected is what one author alone would see: the
 * latest insertion behind the same character, else what follows that in its
 * own insertion, else the right origin of that. (A sequential history holds
 * no other.)
 */
#ifndef CRDTI_EDIT_H
#define CRDTI_EDIT_H

#include "bits.h"
#include "bytes.h"
#include "delta.h"
#include "list.h"
#include "sequence.h"
#include "starts.h"
#include "text.h"

/* Where one in so many of the names that there are is told, or more, what is
 * alive is found for all of them at once. */
#define CRDTI_SHOWN_SHARE 16

enum {
    CRDTI_EDIT_INSERT = 0,
    CRDTI_EDIT_INSERT_NEAR = 1,
    CRDTI_EDIT_INSERT_AGAIN = 2,
    CRDTI_EDIT_BACK = 3,
    CRDTI_EDIT_DELETE_NEAR = 4,
    CRDTI_EDIT_DELETE_AGAIN = 5,
    CRDTI_EDIT_BACK_NEAR = 6,
    CRDTI_EDIT_MORE = 7,
    CRDTI_MORE_AUTHOR = 0,
    CRDTI_MORE_RIGHT = 1,
    CRDTI_MORE_OUTSIDE = 2,
    CRDTI_EDIT_LONG = 31
};

/* >>reading: what all parts of a delta share ------------------------------ */

/* An array of the arena; a failed reader gets none. */
CRDTI_FN void *crdti_get_array(crdti_reader *r, crdti_arena *arena,
                               size_t count, size_t size)
{
    void *array;
    if (r->err)
        return NULL;
    array = crdti_arena_alloc(arena, crdti_mul_size(count + 1, size));
    if (!array)
        crdti_reader_fail(r, CRDT_ERR_NOMEM);
    else
        crdti_zero(array, count * size);
    return array;
}

/* A seq, or the sum of one and what is read. */
CRDTI_FN uint64_t crdti_get_seq(crdti_reader *r, uint64_t from)
{
    const uint8_t *at = r->ptr;
    uint64_t more = crdti_get_varint(r);
    if (more > CRDTSYNC_MAX_SEQ - from)
        crdti_reader_fail_at(r, at, CRDT_ERR_LIMIT);
    return r->err ? 0 : from + more;
}

/* The number of something told before, of which there are `count`. */
CRDTI_FN uint32_t crdti_get_index(crdti_reader *r, size_t count)
{
    const uint8_t *at = r->ptr;
    uint64_t index = crdti_get_varint(r);
    if (index >= count)
        crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
    return r->err ? 0 : (uint32_t)index;
}

/* >>who names whom -------------------------------------------------------- */

/* The insertion of the delta that a character came with. */
CRDTI_INLINE const crdti_edit *crdti_edit_of(const crdti_delta_sequence *d,
                                             uint32_t name)
{
    return &d->edits[d->inserts[crdti_starts_find(&d->starts, name)]];
}

/* The same, of one that may be none of the delta: NULL. */
CRDTI_INLINE const crdti_edit *crdti_edit_at(const crdti_delta_sequence *d,
                                             uint32_t name)
{
    return name < d->chars ? crdti_edit_of(d, name) : NULL;
}

/* The latest insertion behind each character of the message, to foretell right
 * origins: a hash table of a size that never changes. Who sends the message
 * chooses the keys, and knows no seed: that is where the table lies. */
typedef struct crdti_child {
    uint32_t key;  /* the character + 2; 0: free */
    uint32_t name; /* the first of the insertion */
} crdti_child;

typedef struct crdti_children {
    crdti_child *slots;
    uint64_t seed;
    uint32_t mask;
} crdti_children;

CRDTI_FN crdt_err crdti_children_init(crdti_children *children,
                                      crdti_arena *arena, size_t edits)
{
    size_t cap = 8;
    while (cap <= edits)
        cap *= 2;
    children->mask = (uint32_t)(cap - 1);
    children->slots =
        (crdti_child *)crdti_arena_alloc(arena, cap * sizeof *children->slots);
    if (!children->slots)
        return CRDT_ERR_NOMEM;
    children->seed =
        crdti_mix((uintptr_t)children->slots ^ CRDTI_HASH_1, CRDTI_HASH_2);
    crdti_zero(children->slots, cap * sizeof *children->slots);
    return CRDT_OK;
}

/* Its slot, taken or free. */
CRDTI_INLINE crdti_child *crdti_child_of(const crdti_children *children,
                                         uint32_t left)
{
    uint32_t at =
        (uint32_t)crdti_mix(left ^ children->seed, children->seed | 1);
    while (children->slots[at &= children->mask].key &&
           children->slots[at].key != left + 2)
        at++;
    return &children->slots[at];
}

CRDTI_INLINE void crdti_child_set(crdti_child *child, uint32_t left,
                                  uint32_t name)
{
    child->key = left + 2;
    child->name = name;
}

/* The right origin to expect of an insertion behind `left`, which came with
 * `insert`; NULL: it is the beginning. */
CRDTI_INLINE uint32_t crdti_right_expected(const crdti_child *latest,
                                           const crdti_edit *insert,
                                           uint32_t left)
{
    if (latest->key)
        return latest->name;
    if (!insert)
        return CRDTI_NO_CHAR;
    return left + 1 < insert->name + insert->len ? left + 1 : insert->right;
}

/* The cursor behind a deletion: before the lowest character that it took, which
 * came with `insert`; NULL: it is outside. */
CRDTI_INLINE uint32_t crdti_cursor_before(const crdti_edit *insert,
                                          uint32_t name)
{
    if (insert && name > insert->name)
        return name - 1;
    return !insert || crdti_is_outside(insert->left) ? CRDTI_NO_CHAR
                                                     : insert->left;
}

/* >>how an edit tells its target ------------------------------------------ */

CRDTI_INLINE uint64_t crdti_edit_distance(uint32_t from, uint32_t to)
{
    int64_t by = (int64_t)(int32_t)to - (int32_t)from;
    return (uint64_t)(by < 0 ? -by : by);
}

/* The one way for an edit of that kind: nothing else is written or read. */
CRDTI_FN unsigned crdti_edit_choice(uint32_t cursor, uint32_t target,
                                    uint32_t told, uint8_t kind, uint32_t len)
{
    int inserts = kind == CRDTI_INSERTION_EDIT;
    int back = kind == CRDTI_BACKWARDS_EDIT;
    if (!crdti_is_outside(told) && told == cursor) {
        if (inserts)
            return CRDTI_EDIT_INSERT;
        if (back || len == 1)
            return CRDTI_EDIT_BACK;
    }
    if (back)
        return CRDTI_EDIT_BACK_NEAR;
    if (!crdti_is_outside(told) &&
        crdti_edit_distance(target, told) < crdti_edit_distance(cursor, told))
        return inserts ? CRDTI_EDIT_INSERT_AGAIN : CRDTI_EDIT_DELETE_AGAIN;
    return inserts ? CRDTI_EDIT_INSERT_NEAR : CRDTI_EDIT_DELETE_NEAR;
}

/* >>what is dead ---------------------------------------------------------- */

/* Marks the names of a sequence that are not shown; all bits are 0. */
CRDTI_FN void crdti_names_dead(const crdt_doc *doc, const crdti_sequence *s,
                               uint64_t *dead)
{
    uint32_t i, words = s->names_used / 64, rest = s->names_used % 64;
    crdti_names_shown(doc, s, dead);
    for (i = 0; i < words; i++)
        dead[i] = ~dead[i];
    if (rest)
        dead[words] ^= ((uint64_t)1 << rest) - 1;
}

/* >>decoding -------------------------------------------------------------- */

/* What is known while edits are read. */
typedef struct crdti_edit_reader {
    crdti_reader *r;
    const crdti_delta *delta;
    crdti_delta_sequence *d;
    crdti_children children;
    uint64_t *next; /* seq, by replica */
    uint32_t replica;
    uint32_t cursor, target;
    uint32_t right;   /* told for the next insertion, when has_right */
    uint32_t outside; /* target told for the next edit, when has_outside */
    int has_author, has_right, has_outside;
    unsigned more; /* what may still be told before the edit */
} crdti_edit_reader;

/* A dot that is not in the delta, as a reference. */
CRDTI_FN uint32_t crdti_get_outside(crdti_edit_reader *e, uint32_t replica)
{
    crdti_delta_sequence *d = e->d;
    const uint8_t *at = e->r->ptr;
    uint64_t back = crdti_get_varint(e->r);
    if (e->r->err)
        return 0;
    if (replica >= e->delta->replicas_len ||
        back >= e->delta->replicas[replica].base ||
        d->outside_len == d->outside_cap) {
        crdti_reader_fail_at(e->r, at, CRDT_ERR_CORRUPT);
        return 0;
    }
    d->outside[d->outside_len].replica = replica;
    d->outside[d->outside_len].seq = e->delta->replicas[replica].base - back;
    return CRDTI_OUTSIDE | (uint32_t)d->outside_len++;
}

CRDTI_FN void crdti_get_right(crdti_edit_reader *e)
{
    const uint8_t *at = e->r->ptr;
    uint64_t what = crdti_get_varint(e->r);
    e->has_right = 1;
    if (!what)
        e->right = CRDTI_NO_CHAR;
    else if (what & 1 && what / 2 < e->d->chars)
        e->right = (uint32_t)(what / 2);
    else if (!(what & 1) && what / 2 - 1 < e->delta->replicas_len)
        e->right = crdti_get_outside(e, (uint32_t)(what / 2 - 1));
    else
        crdti_reader_fail_at(e->r, at, CRDT_ERR_CORRUPT);
}

CRDTI_FN void crdti_get_more(crdti_edit_reader *e, unsigned what)
{
    const uint8_t *at = e->r->ptr;
    uint64_t replica;
    int64_t gap;
    if (what < e->more) { /* in this order, each once */
        crdti_reader_fail_at(e->r, at - 1, CRDT_ERR_CORRUPT);
        return;
    }
    e->more = what + 1;
    if (what == CRDTI_MORE_RIGHT) {
        crdti_get_right(e);
    } else if (what == CRDTI_MORE_OUTSIDE) {
        replica = crdti_get_varint(e->r);
        e->outside =
            crdti_get_outside(e, (uint32_t)crdti_min(replica, CRDTI_OUTSIDE));
        e->has_outside = 1;
    } else if (what == CRDTI_MORE_AUTHOR) {
        replica = crdti_get_varint(e->r);
        gap = crdti_get_zigzag(e->r);
        if (replica >= e->delta->replicas_len ||
            (e->has_author && replica == e->replica && !gap) ||
            gap > (int64_t)CRDTSYNC_MAX_SEQ ||
            gap < (e->d->is_laid_out ? -(int64_t)CRDTSYNC_MAX_SEQ : 0) ||
            (int64_t)e->next[replica] + gap <= 0 ||
            (uint64_t)((int64_t)e->next[replica] + gap) >
                e->delta->replicas[replica].top) {
            crdti_reader_fail_at(e->r, at, CRDT_ERR_CORRUPT);
            return;
        }
        e->has_author = 1;
        e->replica = (uint32_t)replica;
        e->next[replica] += (uint64_t)gap;
    } else {
        crdti_reader_fail_at(e->r, at - 1, CRDT_ERR_VERSION);
    }
}

/* A character of the message, or NO_CHAR where that may be. */
CRDTI_FN uint32_t crdti_get_near(crdti_edit_reader *e, uint32_t from)
{
    const uint8_t *at = e->r->ptr;
    int64_t by = crdti_get_zigzag(e->r);
    int64_t to = (int64_t)(int32_t)from + by;
    if (by < -(int64_t)CRDTI_NAMES_MAX || by > (int64_t)CRDTI_NAMES_MAX ||
        to < -1 || to >= (int64_t)e->d->chars) {
        crdti_reader_fail_at(e->r, at, CRDT_ERR_CORRUPT);
        return 0;
    }
    return (uint32_t)(int32_t)to;
}

/* The target of an edit whose kind and length are known. */
CRDTI_FN uint32_t crdti_get_target(crdti_edit_reader *e, unsigned what,
                                   const crdti_edit *edit)
{
    const uint8_t *at = e->r->ptr;
    uint32_t told = e->cursor, last = e->target;
    int again =
        what == CRDTI_EDIT_INSERT_AGAIN || what == CRDTI_EDIT_DELETE_AGAIN;
    if (e->has_outside)
        told = e->outside;
    else if (what != CRDTI_EDIT_INSERT && what != CRDTI_EDIT_BACK)
        told = e->target = crdti_get_near(e, again ? e->target : e->cursor);
    if (what !=
        crdti_edit_choice(e->cursor, last, told, edit->kind, edit->len))
        crdti_reader_fail_at(e->r, at - 1, CRDT_ERR_CORRUPT);
    e->has_outside = 0;
    return told;
}

/* Whether all that a deletion names is there, all of it outside or all of it
 * of the one insertion: so it is cheap, however many say the same. */
CRDTI_FN int crdti_edit_has_victims(const crdti_delta *delta,
                                    const crdti_delta_sequence *d,
                                    const crdti_edit *edit,
                                    const crdti_edit *insert)
{
    uint64_t first = edit->name, room;
    if (edit->name == CRDTI_NO_CHAR)
        return 0;
    if (!insert) {
        const crdti_outside *outside =
            &d->outside[edit->name & ~CRDTI_OUTSIDE];
        first = outside->seq - 1;
        room = delta->replicas[outside->replica].base - first;
    } else {
        first -= insert->name;
        room = insert->len - first;
    }
    return edit->len <=
           (edit->kind == CRDTI_BACKWARDS_EDIT ? first + 1 : room);
}

/* Whether both are one character, of the delta or outside. */
CRDTI_FN int crdti_is_same_told(const crdti_delta_sequence *d, uint32_t a,
                                uint32_t b)
{
    const crdti_outside *x, *y;
    if (!crdti_is_outside(a) || !crdti_is_outside(b))
        return a == b;
    x = &d->outside[a & ~CRDTI_OUTSIDE];
    y = &d->outside[b & ~CRDTI_OUTSIDE];
    return x->replica == y->replica && x->seq == y->seq;
}

CRDTI_FN void crdti_get_insert(crdti_edit_reader *e, unsigned what,
                               crdti_edit *edit, uint32_t place)
{
    crdti_delta_sequence *d = e->d;
    crdti_child *latest = NULL;
    uint32_t expected = CRDTI_OUTSIDE;
    edit->kind = CRDTI_INSERTION_EDIT;
    edit->left = crdti_get_target(e, what, edit);
    if (edit->len > CRDTI_NAMES_MAX - d->chars - e->delta->chars) {
        crdti_reader_fail(e->r, CRDT_ERR_LIMIT);
        return;
    }
    if (!crdti_is_outside(edit->left)) {
        latest = crdti_child_of(&e->children, edit->left);
        expected = crdti_right_expected(latest, crdti_edit_at(d, edit->left),
                                        edit->left);
    }
    edit->right = e->has_right ? e->right : expected;
    /* It is told where it must be, and only there: one form. */
    if (crdti_is_outside(edit->left)
            ? !e->has_right
            : e->has_right && crdti_is_same_told(d, e->right, expected))
        crdti_reader_fail(e->r, CRDT_ERR_CORRUPT);
    e->has_right = 0;
    edit->name = d->chars;
    crdti_starts_add(&d->starts, d->chars);
    d->chars += edit->len;
    d->inserts[d->inserts_len++] = place;
    if (latest)
        crdti_child_set(latest, edit->left, edit->name);
    e->cursor = d->chars - 1;
}

CRDTI_FN void crdti_get_delete(crdti_edit_reader *e, unsigned what,
                               crdti_edit *edit)
{
    crdti_delta_sequence *d = e->d;
    int back = what == CRDTI_EDIT_BACK || what == CRDTI_EDIT_BACK_NEAR;
    const crdti_edit *insert;
    edit->kind = back ? CRDTI_BACKWARDS_EDIT : CRDTI_FORWARDS_EDIT;
    edit->name = crdti_get_target(e, what, edit);
    if (e->r->err)
        return;
    insert = crdti_edit_at(d, edit->name);
    if (e->has_right || !crdti_edit_has_victims(e->delta, d, edit, insert)) {
        crdti_reader_fail(e->r, CRDT_ERR_CORRUPT);
        return;
    }
    e->cursor = crdti_cursor_before(insert, back ? edit->name - (edit->len - 1)
                                                 : edit->name);
}

CRDTI_FN void crdti_get_edit(crdti_edit_reader *e, crdti_edit *edit,
                             uint32_t place)
{
    const uint8_t *at = e->r->ptr;
    uint8_t head = crdti_get_u8(e->r);
    uint64_t len, top;
    unsigned what;
    e->more = 0;
    while ((head & 7) == CRDTI_EDIT_MORE && !e->r->err) {
        crdti_get_more(e, head >> 3);
        head = crdti_get_u8(e->r);
    }
    what = head & 7;
    len = (head >> 3) + UINT64_C(1);
    if (len > CRDTI_EDIT_LONG)
        len += crdti_get_varint(e->r);
    if (e->r->err)
        return;
    top = e->delta->replicas[e->replica].top;
    if (!e->has_author || e->next[e->replica] > top ||
        len > top - e->next[e->replica] + 1 || len > CRDTI_NAMES_MAX) {
        crdti_reader_fail_at(e->r, at, CRDT_ERR_CORRUPT);
        return;
    }
    edit->seq = e->next[e->replica];
    edit->replica = e->replica;
    edit->len = (uint32_t)len;
    e->next[e->replica] += len;
    if (e->d->is_laid_out &&
        (what != CRDTI_EDIT_INSERT || e->has_outside || e->has_right)) {
        crdti_reader_fail_at(e->r, at, CRDT_ERR_CORRUPT);
        return;
    }
    if (what > CRDTI_EDIT_INSERT_AGAIN && e->d->is_list) {
        crdti_reader_fail_at(e->r, at, CRDT_ERR_CORRUPT);
        return;
    }
    if (what <= CRDTI_EDIT_INSERT_AGAIN)
        crdti_get_insert(e, what, edit, place);
    else
        crdti_get_delete(e, what, edit);
}

/* Whether nothing has said yet that one of them is dead. */
CRDTI_FN int crdti_are_alive(const crdti_delta_sequence *d, uint32_t from,
                             uint32_t len)
{
    return !(d->dead[from / 64] >> from % 64 & 1) &&
           crdti_bits_run(d->dead, from, len) == len;
}

/* Those that are dead without an edit that says so. */
CRDTI_FN void crdti_get_dead(crdti_reader *r, crdti_delta_sequence *d)
{
    size_t i, len = crdti_get_count(r, d->chars, 2);
    uint64_t from = 0;
    for (i = 0; i < len && !r->err; i++) {
        const uint8_t *at = r->ptr;
        uint64_t gap = crdti_get_varint(r), count = crdti_get_varint(r);
        if (r->err)
            return;
        if (gap > d->chars - from || !count || count > d->chars - from - gap ||
            (i && !gap) ||
            !crdti_are_alive(d, (uint32_t)(from + gap), (uint32_t)count)) {
            crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
            return;
        }
        crdti_bits_set(d->dead, (uint32_t)(from + gap), (uint32_t)count);
        from += gap + count;
    }
}

/* How many characters are not dead: as many must be in the content. */
CRDTI_FN uint32_t crdti_count_alive(const crdti_delta_sequence *d)
{
    uint32_t at = 0, alive = 0, run;
    for (; at < d->chars; at += run) {
        run = crdti_bits_run(d->dead, at, d->chars - at);
        if (!(d->dead[at / 64] >> at % 64 & 1))
            alive += run;
    }
    return alive;
}

CRDTI_FN void crdti_get_content_of(crdti_reader *r, crdti_arena *arena,
                                   crdti_delta_sequence *d)
{
    const uint8_t *at;
    crdti_width width;
    size_t i;
    d->dead = (uint64_t *)crdti_get_array(r, arena, d->chars / 64 + 1,
                                          sizeof *d->dead);
    if (r->err)
        return;
    for (i = 0; i < d->edits_len; i++) {
        const crdti_edit *edit = &d->edits[i];
        if (edit->kind == CRDTI_FORWARDS_EDIT && !(edit->name & CRDTI_OUTSIDE))
            crdti_bits_set(d->dead, edit->name, edit->len);
        else if (edit->kind == CRDTI_BACKWARDS_EDIT &&
                 !(edit->name & CRDTI_OUTSIDE))
            crdti_bits_set(d->dead, edit->name - (edit->len - 1), edit->len);
    }
    crdti_get_dead(r, d);
    at = r->ptr;
    d->content = crdti_get_bytes(r, UINT32_MAX);
    if (r->err)
        return;
    if (d->is_list) {
        if (d->content.len || crdti_count_alive(d) != d->chars)
            crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
        crdti_bits_set(d->dead, 0, d->chars);
        return;
    }
    d->alive = crdti_count_alive(d);
    if (!crdti_utf8_measure(d->content, &width) || width.chars != d->alive)
        crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
}

/* The origins of what is laid out, as if it had been written one after the
 * other, of two the one with the lesser seq first: behind and before the next
 * ones, to either side, that were there already. So the order is the same
 * again, whoever joins it, and nothing builds on what comes later. */
CRDTI_FN int crdti_layout_is_earlier(const crdti_edit *a, const crdti_edit *b)
{
    return a->seq != b->seq ? a->seq < b->seq : a->replica < b->replica;
}

CRDTI_FN void crdti_layout_origins(crdti_reader *r, crdti_arena *arena,
                                   crdti_delta_sequence *d)
{
    /* Insertions so far that are not behind a later one with an earlier seq. */
    uint32_t *stack =
        (uint32_t *)crdti_get_array(r, arena, d->edits_len, sizeof *stack);
    size_t i, len = 0;
    for (i = 0; i < d->edits_len && !r->err; i++) {
        crdti_edit *edit = &d->edits[i];
        edit->right = CRDTI_NO_CHAR;
        while (len && crdti_layout_is_earlier(edit, &d->edits[stack[len - 1]]))
            d->edits[stack[--len]].right = edit->name;
        edit->left = CRDTI_NO_CHAR;
        if (len)
            edit->left = d->edits[stack[len - 1]].name +
                         d->edits[stack[len - 1]].len - 1;
        stack[len++] = (uint32_t)i;
    }
}

/* One section. */
CRDTI_FN void crdti_get_sequence(crdti_reader *r, crdti_arena *arena,
                                 const crdti_delta *delta, uint64_t *next,
                                 crdti_delta_sequence *d)
{
    crdti_edit_reader e;
    const uint8_t *at = r->ptr;
    size_t i;
    crdti_zero(&e, sizeof e);
    e.r = r;
    e.delta = delta;
    e.d = d;
    e.cursor = e.target = CRDTI_NO_CHAR;
    e.next = next;
    d->object = crdti_get_index(r, delta->objects_len);
    if (r->err)
        return;
    d->is_list = delta->objects[d->object].type == CRDT_LIST;
    if (!d->is_list && delta->objects[d->object].type != CRDT_TEXT)
        crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
    d->is_laid_out = crdti_get_u8(r);
    if (d->is_laid_out > 1)
        crdti_reader_fail_at(r, at, CRDT_ERR_VERSION);
    d->edits_len = crdti_get_count(r, UINT32_MAX / 2, 1);
    if (!r->err && !d->edits_len)
        crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
    d->outside_cap = crdti_get_count(r, CRDTI_OUTSIDE - 2, 2);
    d->edits = (crdti_edit *)crdti_get_array(r, arena, d->edits_len,
                                             sizeof *d->edits);
    d->inserts =
        (uint32_t *)crdti_get_array(r, arena, d->edits_len, sizeof(uint32_t));
    d->outside = (crdti_outside *)crdti_get_array(r, arena, d->outside_cap,
                                                  sizeof *d->outside);
    if (!r->err && (crdti_starts_init(&d->starts, arena, d->edits_len) ||
                    crdti_children_init(&e.children, arena, d->edits_len)))
        crdti_reader_fail(r, CRDT_ERR_NOMEM);
    for (i = 0; i < delta->replicas_len && !r->err; i++)
        next[i] = delta->replicas[i].base + 1;
    for (i = 0; i < d->edits_len && !r->err; i++)
        crdti_get_edit(&e, &d->edits[i], (uint32_t)i);
    if (!r->err && d->is_laid_out)
        crdti_layout_origins(r, arena, d);
    if (!r->err && d->outside_len != d->outside_cap)
        crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
    if (!r->err)
        crdti_get_content_of(r, arena, d);
}

CRDTI_FN void crdti_get_sequences(crdti_reader *r, crdti_arena *arena,
                                  crdti_delta *d)
{
    const uint8_t *at = r->ptr;
    size_t i, len = crdti_get_count(r, UINT32_MAX, 6);
    uint64_t *next;
    if (!r->err && !len)
        crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
    d->sequences = (crdti_delta_sequence *)crdti_get_array(
        r, arena, len, sizeof *d->sequences);
    next =
        (uint64_t *)crdti_get_array(r, arena, d->replicas_len, sizeof *next);
    for (i = 0; i < len && !r->err; i++) {
        at = r->ptr;
        crdti_get_sequence(r, arena, d, next, &d->sequences[i]);
        if (i && !d->sequences[i].is_laid_out && /* those are by path */
            d->sequences[i].object <= d->sequences[i - 1].object)
            crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
        d->chars += d->sequences[i].chars;
    }
    d->sequences_len = len;
}

/* >>encoding -------------------------------------------------------------- */

/* One author's part of a message. */
typedef struct crdti_party {
    uint32_t author, wire;
    uint32_t insertion, deletion; /* the next that are not written yet */
    uint32_t first_insertion;
    uint64_t base;       /* seq: what is left out */
    uint64_t told;       /* seq that follows in the message */
    crdti_edit *inserts; /* by insertion; name NO_CHAR: not written yet */
    crdti_starts starts; /* where they begin, in the document */
    uint64_t limit;      /* how far it is to be written now */
    uint32_t waiting;    /* party that waits for it, + 1 */
} crdti_party;

typedef struct crdti_edit_writer {
    crdti_writer w; /* edits */
    crdt_buf edits, content;
    crdti_writer content_w;
    crdt_doc *doc;
    const crdti_cut *cut;
    crdti_sequence *s;
    crdti_party *parties;
    size_t parties_len;
    crdti_delta_sequence d; /* what a reader will know */
    crdti_children children;
    uint64_t *shown; /* by name, when much is to be told; or NULL */
    uint32_t cursor, target;
    uint32_t last; /* party + 1 */
} crdti_edit_writer;

CRDTI_FN crdti_party *crdti_party_of(const crdti_edit_writer *e, uint32_t name)
{
    uint32_t author = crdti_name_author(&e->s->extents, name);
    uint32_t party = crdti_author_at(e->doc, author)->party;
    return party ? &e->parties[party - 1] : NULL;
}

/* The insertion of the message that the character comes with; or NULL. */
CRDTI_FN const crdti_edit *crdti_insert_of(const crdti_edit_writer *e,
                                           uint32_t name)
{
    const crdti_party *party =
        name == CRDTI_NO_CHAR ? NULL : crdti_party_of(e, name);
    const crdti_edit *edit;
    if (!party || !party->starts.len)
        return NULL;
    edit = &party->inserts[crdti_starts_find(&party->starts, name)];
    return name - edit->here < edit->len ? edit : NULL;
}

/* The number in the message; OUTSIDE and the name, when it is not in it. */
CRDTI_INLINE uint32_t crdti_name_told(const crdti_edit *insert, uint32_t name)
{
    if (name == CRDTI_NO_CHAR)
        return name;
    return insert ? insert->name + (name - insert->here)
                  : CRDTI_OUTSIDE | name;
}

/* Whose edits must come first, and up to which seq; 0: nobody's. */
CRDTI_FN uint64_t crdti_name_awaited(const crdti_edit_writer *e, uint32_t name,
                                     crdti_party **party)
{
    const crdti_edit *insert = crdti_insert_of(e, name);
    if (!insert || insert->name != CRDTI_NO_CHAR)
        return 0;
    *party = crdti_party_of(e, name);
    return insert->seq + (name - insert->here);
}

CRDTI_FN void crdti_put_head(crdti_edit_writer *e, unsigned what, uint32_t len)
{
    uint32_t field = (uint32_t)crdti_min(len - 1, CRDTI_EDIT_LONG);
    crdti_put_u8(&e->w, (uint8_t)(what | field << 3));
    if (field == CRDTI_EDIT_LONG)
        crdti_put_varint(&e->w, len - 1 - CRDTI_EDIT_LONG);
}

CRDTI_FN void crdti_put_more(crdti_edit_writer *e, unsigned what)
{
    crdti_put_u8(&e->w, (uint8_t)(CRDTI_EDIT_MORE | what << 3));
}

/* Of a character that is not in the message: how far behind its author's base.
 * Replicas that have nothing new are named in the message too. */
CRDTI_FN void crdti_put_outside(crdti_edit_writer *e, uint32_t name,
                                uint64_t step, uint64_t plus)
{
    crdti_position dot = crdti_name_position(e->doc, e->s, name);
    uint32_t wire = e->doc->replicas.ptr[dot.replica].wire;
    crdti_put_varint(&e->w, wire * step + plus);
    crdti_put_varint(&e->w, e->cut->base.ptr[wire] - dot.seq);
    e->d.outside_len++;
}

/* Who writes the next, where that is not clear. */
CRDTI_FN void crdti_put_author(crdti_edit_writer *e, crdti_party *party,
                               uint64_t seq, uint32_t len)
{
    uint32_t number = (uint32_t)(party - e->parties) + 1;
    if (e->last != number || party->told != seq) {
        crdti_put_more(e, CRDTI_MORE_AUTHOR);
        crdti_put_varint(&e->w, party->wire);
        crdti_put_zigzag(&e->w, (int64_t)(seq - party->told));
    }
    e->last = number;
    party->told = seq + len;
}

/* Head and target of an edit. */
CRDTI_FN void crdti_put_target(crdti_edit_writer *e, uint32_t name,
                               uint32_t told, uint8_t kind, uint32_t len)
{
    unsigned what = crdti_edit_choice(e->cursor, e->target, told, kind, len);
    int again =
        what == CRDTI_EDIT_INSERT_AGAIN || what == CRDTI_EDIT_DELETE_AGAIN;
    if (crdti_is_outside(told)) {
        crdti_put_more(e, CRDTI_MORE_OUTSIDE);
        crdti_put_outside(e, name, 1, 0);
    }
    crdti_put_head(e, what, len);
    if (crdti_is_outside(told) || what == CRDTI_EDIT_INSERT ||
        what == CRDTI_EDIT_BACK)
        return;
    crdti_put_zigzag(&e->w, (int64_t)(int32_t)told -
                                (int32_t)(again ? e->target : e->cursor));
    e->target = told;
}

/* How many characters from `name` on, `most` at most, are alike: alive or
 * not. */
CRDTI_FN uint32_t crdti_alive_run(const crdti_edit_writer *e, uint32_t name,
                                  uint32_t most, int *are_alive)
{
    crdti_spot spot;
    const crdti_leaf *leaf;
    if (e->shown) {
        *are_alive = crdti_bit_is_set(e->shown, name);
        return crdti_bits_run(e->shown, name, most);
    }
    spot = crdti_spot_of(e->doc, e->s, name);
    leaf = crdti_leaf_at(e->doc, spot.leaf);
    *are_alive = !(leaf->lens[spot.at] & CRDTI_HIDDEN);
    return (uint32_t)crdti_min(crdti_span_len(leaf, spot.at) - spot.off, most);
}

/* The bytes of what is alive of the insertion, and that the rest is not. */
CRDTI_FN void crdti_put_alive(crdti_edit_writer *e, const crdti_author *author,
                              const crdti_insertion *at,
                              const crdti_edit *edit)
{
    uint32_t done = 0, len;
    int are_alive;
    for (; done < edit->len; done += len) {
        uint32_t name = edit->here + done;
        len = crdti_alive_run(e, name, edit->len - done, &are_alive);
        if (are_alive)
            crdti_put_raw(&e->content_w,
                          crdti_content_bytes(author, at, name, len));
        else
            crdti_bits_set(e->d.dead, edit->name + done, len);
    }
}

CRDTI_FN void crdti_put_right(crdti_edit_writer *e, uint32_t name,
                              uint32_t told)
{
    crdti_put_more(e, CRDTI_MORE_RIGHT);
    if (told == CRDTI_NO_CHAR)
        crdti_put_varint(&e->w, 0);
    else if (crdti_is_outside(told))
        crdti_put_outside(e, name, 2, 2);
    else
        crdti_put_varint(&e->w, told * UINT64_C(2) + 1);
}

CRDTI_FN void crdti_put_insertion(crdti_edit_writer *e, crdti_party *party)
{
    const crdti_author *author = crdti_author_at(e->doc, party->author);
    const crdti_insertion *at = &author->insertions.ptr[party->insertion];
    crdti_edit *edit =
        &party->inserts[party->insertion++ - party->first_insertion];
    uint32_t left = edit->here > at->name ? edit->here - 1 : at->left;
    const crdti_edit *behind = crdti_insert_of(e, left);
    crdti_child *latest = NULL;
    uint32_t expected = CRDTI_OUTSIDE;
    edit->left = crdti_name_told(behind, left);
    edit->right = crdti_name_told(crdti_insert_of(e, at->right), at->right);
    crdti_put_author(e, party, edit->seq, edit->len);
    if (!crdti_is_outside(edit->left)) {
        latest = crdti_child_of(&e->children, edit->left);
        expected = crdti_right_expected(latest, behind, edit->left);
    }
    if (edit->right != expected || !latest)
        crdti_put_right(e, at->right, edit->right);
    crdti_put_target(e, left, edit->left, CRDTI_INSERTION_EDIT, edit->len);
    edit->name = e->d.chars;
    if (latest)
        crdti_child_set(latest, edit->left, edit->name);
    if (!e->d.is_list)
        crdti_put_alive(e, author, at, edit);
    e->d.chars += edit->len;
    e->d.edits_len++;
    e->cursor = e->d.chars - 1;
}

/* How many characters, that one included, lie to that side of one that is not
 * in the message, in its insertion and not in the message either. */
CRDTI_FN uint32_t crdti_outside_room(const crdti_edit_writer *e, uint32_t name,
                                     int back)
{
    const crdti_party *party = crdti_party_of(e, name);
    const crdti_insertion *at = crdti_insertion_of(
        crdti_author_at(e->doc, crdti_name_author(&e->s->extents, name)),
        name);
    uint32_t len = at->len;
    if (party)
        len = (uint32_t)crdti_min(len, party->base - at->seq + 1);
    return back ? name - at->name + 1 : at->name + len - name;
}

/* One edit: of a deletion as far as it takes characters of one insertion, and
 * all in the message or none. */
CRDTI_FN uint32_t crdti_put_deletion_of(crdti_edit_writer *e,
                                        crdti_party *party, uint64_t seq,
                                        uint32_t name, uint32_t len, int back)
{
    const crdti_edit *insert = crdti_insert_of(e, name);
    uint32_t told = crdti_name_told(insert, name), room;
    uint8_t kind = back ? CRDTI_BACKWARDS_EDIT : CRDTI_FORWARDS_EDIT;
    if (!insert)
        room = crdti_outside_room(e, name, back);
    else
        room =
            back ? told - insert->name + 1 : insert->name + insert->len - told;
    len = len < room ? len : room;
    crdti_put_author(e, party, seq, len);
    crdti_put_target(e, name, told, kind, len);
    e->d.edits_len++;
    told -= back ? len - 1 : 0;
    if (insert)
        crdti_bits_clear(e->d.dead, told, len);
    e->cursor = crdti_cursor_before(insert, told);
    return len;
}

CRDTI_FN void crdti_put_deletion(crdti_edit_writer *e, crdti_party *party)
{
    const crdti_deletion *at =
        crdti_author_at(e->doc, party->author)->deletions.ptr +
        party->deletion++;
    uint32_t skip =
        party->base < at->seq ? 0 : (uint32_t)(party->base - at->seq + 1);
    uint32_t len = crdti_deletion_len(at);
    int back = (at->len & CRDTI_BACKWARDS) != 0;
    while (skip < len && !e->w.err)
        skip += crdti_put_deletion_of(e, party, at->seq + skip,
                                      back ? at->name - skip : at->name + skip,
                                      len - skip, back);
}

/* >>the order of edits ---------------------------------------------------- */

/* Whether the party's next edit is an insertion; its seq, or 0: no more. */
CRDTI_FN uint64_t crdti_party_next(const crdti_edit_writer *e,
                                   const crdti_party *party, int *inserts)
{
    const crdti_author *author = crdti_author_at(e->doc, party->author);
    uint64_t insertion = UINT64_MAX, deletion = UINT64_MAX;
    if (party->insertion < author->insertions.len)
        insertion = author->insertions.ptr[party->insertion].seq;
    if (party->deletion < author->deletions.len)
        deletion = author->deletions.ptr[party->deletion].seq;
    *inserts = insertion < deletion;
    return *inserts ? insertion : deletion == UINT64_MAX ? 0 : deletion;
}

/* The party that must go on before that can, and how far. */
CRDTI_FN uint64_t crdti_party_awaits(const crdti_edit_writer *e,
                                     const crdti_party *party, int inserts,
                                     crdti_party **other)
{
    const crdti_author *author = crdti_author_at(e->doc, party->author);
    const crdti_insertion *insertion;
    uint64_t seq;
    if (!inserts) {
        const crdti_deletion *deletion =
            &author->deletions.ptr[party->deletion];
        uint32_t more = deletion->len & CRDTI_BACKWARDS
                            ? 0
                            : crdti_deletion_len(deletion) - 1;
        return crdti_name_awaited(e, deletion->name + more, other);
    }
    insertion = &author->insertions.ptr[party->insertion];
    seq = crdti_name_awaited(e, insertion->left, other);
    return seq ? seq : crdti_name_awaited(e, insertion->right, other);
}

/* Writes the party's edits, and first those of others that they build on. Of
 * what builds on each other in a circle there is nothing: it was seen. */
CRDTI_FN void crdti_put_party(crdti_edit_writer *e, crdti_party *party)
{
    party->limit = UINT64_MAX;
    party->waiting = 0;
    while (party && !e->w.err) {
        int inserts;
        uint64_t seq = crdti_party_next(e, party, &inserts), awaited = 0;
        crdti_party *other = NULL;
        if (!seq || seq > party->limit) {
            party = party->waiting ? &e->parties[party->waiting - 1] : NULL;
            continue;
        }
        if (e->parties_len > 1)
            awaited = crdti_party_awaits(e, party, inserts, &other);
        if (awaited && other != party) {
            other->limit = awaited;
            other->waiting = (uint32_t)(party - e->parties) + 1;
            party = other;
            continue;
        }
        if (inserts)
            crdti_put_insertion(e, party);
        else
            crdti_put_deletion(e, party);
    }
}

CRDTI_FN void crdti_put_dead(crdti_writer *w, const crdti_delta_sequence *d)
{
    uint32_t pass, at, run, count = 0, from = 0;
    for (pass = 0; pass < 2; pass++) {
        for (at = 0; at < d->chars; at += run) {
            run = crdti_bits_run(d->dead, at, d->chars - at);
            if (!(d->dead[at / 64] >> at % 64 & 1))
                continue;
            if (pass == 0) {
                count++;
                continue;
            }
            crdti_put_varint(w, at - from);
            crdti_put_varint(w, run);
            from = at + run;
        }
        if (pass == 0)
            crdti_put_varint(w, count);
    }
}

/* What the party inserts; nothing of it is written yet. */
CRDTI_FN crdt_err crdti_party_inserts(crdti_edit_writer *e, crdti_arena *arena,
                                      crdti_party *party, size_t *chars)
{
    const crdti_author *author = crdti_author_at(e->doc, party->author);
    size_t first = party->first_insertion, i;
    size_t len = author->insertions.len - first;
    if (!len)
        return CRDT_OK;
    party->inserts =
        (crdti_edit *)crdti_arena_alloc(arena, len * sizeof(crdti_edit));
    if (!party->inserts || crdti_starts_init(&party->starts, arena, len))
        return CRDT_ERR_NOMEM;
    for (i = 0; i < len; i++) {
        const crdti_insertion *at = &author->insertions.ptr[first + i];
        crdti_edit *edit = &party->inserts[i];
        uint32_t skip =
            party->base < at->seq ? 0 : (uint32_t)(party->base - at->seq + 1);
        edit->seq = at->seq + skip;
        edit->len = at->len - skip;
        edit->here = at->name + skip;
        edit->name = CRDTI_NO_CHAR;
        crdti_starts_add(&party->starts, edit->here);
        *chars += edit->len;
    }
    return CRDT_OK;
}

/* The parties of one sequence, from a list of authors. */
CRDTI_FN crdt_err crdti_parties_make(crdti_edit_writer *e, crdti_arena *arena,
                                     const crdti_cut *cut,
                                     const uint32_t *authors, size_t len,
                                     size_t *chars)
{
    size_t i, insertions = 0;
    e->parties =
        (crdti_party *)crdti_arena_alloc(arena, len * sizeof *e->parties);
    if (!e->parties)
        return CRDT_ERR_NOMEM;
    crdti_zero(e->parties, len * sizeof *e->parties);
    e->parties_len = len;
    for (i = 0; i < len; i++) {
        crdti_party *party = &e->parties[i];
        crdti_author *author = crdti_author_at(e->doc, authors[i]);
        party->author = authors[i];
        party->wire = e->doc->replicas.ptr[author->replica].wire;
        party->base = cut->base.ptr[party->wire];
        party->told = party->base + 1;
        party->insertion = party->first_insertion =
            (uint32_t)crdti_insertion_place(author, party->base + 1);
        party->deletion =
            (uint32_t)crdti_deletion_place(author, party->base + 1);
        author->party = (uint32_t)i + 1;
        if (crdti_party_inserts(e, arena, party, chars))
            return CRDT_ERR_NOMEM;
        insertions += party->starts.len;
    }
    return crdti_children_init(&e->children, arena, insertions);
}

/* Makes known what is alive. Where much is told, that is found in the order
 * of the text, once for all. */
CRDTI_FN crdt_err crdti_alive_make(crdti_edit_writer *e, crdti_arena *arena,
                                   size_t chars)
{
    size_t shown = ((size_t)e->s->names_used / 64 + 1) * sizeof(uint64_t);
    size_t dead = (chars / 64 + 1) * sizeof(uint64_t);
    e->d.dead = (uint64_t *)crdti_arena_alloc(arena, dead);
    if (!e->d.dead)
        return CRDT_ERR_NOMEM;
    crdti_zero(e->d.dead, dead);
    if (e->d.is_list)
        return CRDT_OK;
    if (chars < e->s->names_used / CRDTI_SHOWN_SHARE) {
        crdti_homes_make(e->doc, e->s);
        return CRDT_OK;
    }
    e->shown = (uint64_t *)crdti_arena_alloc(arena, shown);
    if (!e->shown)
        return CRDT_ERR_NOMEM;
    crdti_zero(e->shown, shown);
    crdti_names_shown(e->doc, e->s, e->shown);
    return CRDT_OK;
}

/* Appends the section of one sequence; `authors` are those with news. */
CRDTI_FN void crdti_put_sequence(crdti_writer *w, crdt_doc *doc,
                                 const crdti_cut *cut, uint32_t object,
                                 const uint32_t *authors, size_t len)
{
    crdti_edit_writer e;
    crdti_arena arena;
    size_t i, chars = 0;
    crdti_zero(&e, sizeof e);
    crdti_arena_init(&arena, &doc->alloc);
    e.doc = doc;
    e.cut = cut;
    e.s = crdti_sequence_at(doc, object);
    e.d.is_list = crdti_object_at(doc, object)->type == CRDT_LIST;
    e.edits.alloc = e.content.alloc = &doc->alloc;
    crdti_writer_init(&e.w, &e.edits);
    crdti_writer_init(&e.content_w, &e.content);
    e.cursor = e.target = CRDTI_NO_CHAR;
    e.w.err = crdti_parties_make(&e, &arena, cut, authors, len, &chars);
    if (!e.w.err)
        e.w.err = crdti_alive_make(&e, &arena, chars);
    for (i = 0; i < len && !e.w.err; i++)
        crdti_put_party(&e, &e.parties[i]);
    if (!w->err)
        w->err = e.w.err ? e.w.err : e.content_w.err;
    crdti_put_varint(w, crdti_object_at(doc, object)->wire);
    crdti_put_u8(w, 0);
    crdti_put_varint(w, e.d.edits_len);
    crdti_put_varint(w, e.d.outside_len);
    crdti_put_raw(w, crdt_buf_bytes(&e.edits));
    if (!w->err)
        crdti_put_dead(w, &e.d);
    crdti_put_bytes(w, crdt_buf_bytes(&e.content));
    for (i = 0; i < len; i++)
        crdti_author_at(doc, authors[i])->party = 0;
    crdt_buf_free(&e.edits);
    crdt_buf_free(&e.content);
    crdti_arena_free(&arena);
}

/* >>layouts: what is visible, in the order of the text -------------------- */

typedef struct crdti_layout {
    crdti_edit_writer e;
    uint64_t *next; /* seq that follows, by replica of the message */
    uint32_t wire;
    uint64_t seq;
    uint32_t len;
    uint32_t author; /* of what was put last, + 1 */
} crdti_layout;

/* Puts what has been gathered: characters of one author, whose seqs follow on
 * each other as they do in the text. */
CRDTI_FN void crdti_layout_end(crdti_layout *l)
{
    if (!l->len)
        return;
    if (l->author != l->wire + 1 || l->next[l->wire] != l->seq) {
        crdti_put_more(&l->e, CRDTI_MORE_AUTHOR);
        crdti_put_varint(&l->e.w, l->wire);
        crdti_put_zigzag(&l->e.w, (int64_t)(l->seq - l->next[l->wire]));
    }
    crdti_put_head(&l->e, CRDTI_EDIT_INSERT, l->len);
    l->e.d.edits_len++;
    l->author = l->wire + 1;
    l->next[l->wire] = l->seq + l->len;
    l->len = 0;
}

/* Takes up what is behind the spot, as far as it is of one insertion. How many
 * characters. */
CRDTI_FN uint32_t crdti_layout_span(crdti_layout *l, const crdti_spot *spot)
{
    crdt_doc *doc = l->e.doc;
    const crdti_leaf *leaf = crdti_leaf_at(doc, spot->leaf);
    uint32_t name = leaf->names[spot->at] + spot->off;
    uint32_t len = crdti_span_len(leaf, spot->at) - spot->off;
    const crdti_author *author =
        crdti_author_at(doc, crdti_name_author(&l->e.s->extents, name));
    const crdti_insertion *at = crdti_insertion_of(author, name);
    uint32_t wire = doc->replicas.ptr[author->replica].wire;
    uint64_t seq = at->seq + (name - at->name);
    len = (uint32_t)crdti_min(len, at->name + at->len - name);
    if (leaf->lens[spot->at] & CRDTI_HIDDEN)
        len = 1;
    if (l->len && (l->wire != wire || l->seq + l->len != seq))
        crdti_layout_end(l);
    if (!l->len)
        l->seq = seq;
    l->wire = wire;
    l->len += len;
    if (!l->e.d.is_list)
        crdti_put_raw(
            &l->e.content_w,
            crdti_span_bytes(doc, l->e.s, leaf, spot->at, spot->off, len));
    return len;
}

/* Moves the spot to before what is laid out next: what is visible, and in a
 * list also what may yet become so. 0: there is none. */
CRDTI_FN int crdti_layout_next(const crdti_layout *l, crdti_spot *spot)
{
    const crdt_doc *doc = l->e.doc;
    const crdti_sequence *s = l->e.s;
    if (!l->e.d.is_list)
        return crdti_spot_next_shown(doc, spot);
    for (; crdti_spot_next(doc, spot); spot->off++) {
        const crdti_leaf *leaf = crdti_leaf_at(doc, spot->leaf);
        uint32_t name = leaf->names[spot->at] + spot->off;
        if (!(leaf->lens[spot->at] & CRDTI_HIDDEN) ||
            crdti_position_lives(doc, s->object,
                                 crdti_name_position(doc, s, name)))
            return 1;
    }
    return 0;
}

CRDTI_FN void crdti_put_layout(crdti_writer *w, crdt_doc *doc, uint32_t object,
                               uint64_t *next, size_t replicas)
{
    crdti_layout l;
    crdti_spot spot = { 0, 0, 0 };
    size_t i;
    crdti_zero(&l, sizeof l);
    l.e.doc = doc;
    l.e.s = crdti_sequence_at(doc, object);
    l.e.edits.alloc = l.e.content.alloc = &doc->alloc;
    crdti_writer_init(&l.e.w, &l.e.edits);
    crdti_writer_init(&l.e.content_w, &l.e.content);
    l.next = next;
    for (i = 0; i < replicas; i++)
        next[i] = 1;
    spot.leaf = l.e.s->first;
    l.e.d.is_list = crdti_object_at(doc, object)->type == CRDT_LIST;
    while (crdti_layout_next(&l, &spot))
        spot.off += crdti_layout_span(&l, &spot);
    crdti_layout_end(&l);
    if (!w->err)
        w->err = l.e.w.err ? l.e.w.err : l.e.content_w.err;
    crdti_put_varint(w, crdti_object_at(doc, object)->wire);
    crdti_put_u8(w, 1);
    crdti_put_varint(w, l.e.d.edits_len);
    crdti_put_varint(w, 0); /* nothing outside */
    crdti_put_raw(w, crdt_buf_bytes(&l.e.edits));
    crdti_put_varint(w, 0); /* nothing dead */
    crdti_put_bytes(w, crdt_buf_bytes(&l.e.content));
    crdt_buf_free(&l.e.edits);
    crdt_buf_free(&l.e.content);
}

CRDTI_FN void crdti_put_layouts(crdti_writer *w, crdt_doc *doc,
                                const crdti_cut *cut)
{
    size_t size = cut->replicas.len * sizeof(uint64_t), i;
    uint64_t *next = (uint64_t *)crdti_alloc(&doc->alloc, size + 1);
    if (!next) {
        w->err = CRDT_ERR_NOMEM;
        return;
    }
    crdti_put_varint(w, cut->authors.len);
    for (i = 0; i < cut->authors.len; i++)
        crdti_put_layout(w, doc, cut->authors.ptr[i], next, cut->replicas.len);
    crdti_free(&doc->alloc, next, size + 1);
}

CRDTI_FN void crdti_put_sequences(crdti_writer *w, crdt_doc *doc,
                                  const crdti_cut *cut)
{
    const uint32_t *authors = cut->authors.ptr;
    size_t i, end, count = 0;
    for (i = 0; i < cut->authors.len; i++)
        count += i == 0 || crdti_author_at(doc, authors[i])->object !=
                               crdti_author_at(doc, authors[i - 1])->object;
    crdti_put_varint(w, count);
    for (i = 0; i < cut->authors.len; i = end) {
        uint32_t object = crdti_author_at(doc, authors[i])->object;
        for (end = i; end < cut->authors.len &&
                      crdti_author_at(doc, authors[end])->object == object;
             end++)
            continue;
        crdti_put_sequence(w, doc, cut, object, authors + i, end - i);
    }
}

#endif
