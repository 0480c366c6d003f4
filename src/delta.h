/*
 * Deltas: what turns any replica that has at least v into one that has at
 * least us. Two forms: a `cut` names the ops of a document that a delta is
 * made of; a `crdti_delta` is one that came as bytes and has been looked over.
 *
 *     base   v    a.10  b.3         what the receiver must have
 *     top    V    a.12  b.3  c.7    what it has afterwards
 *     floor  F    a.4               kill records up to here are gone
 *     ops         live ops behind v, and killers behind v
 *     kills       of each killer behind v, what it killed: also dots that the
 *                 receiver never saw, as a third replica may hold those
 *
 * For a v below F kill records may be missing, so the delta is a snapshot:
 * that of the empty v. Its joiner finds what is dead by what is not there.
 */
#ifndef CRDTI_DELTA_H
#define CRDTI_DELTA_H

#include "arena.h"
#include "array.h"
#include "list.h"
#include "row.h"
#include "sequence.h"
#include "sort.h"
#include "starts.h"
#include "state.h"

#define CRDTI_NOT_NAMED UINT32_MAX /* by the delta: a replica's place in it */

/* >>items: live ops in either form ---------------------------------------- */

/* The op of that name; of a row, one made up in `room`. */
CRDTI_INLINE const crdti_op *crdti_item_op(const crdt_doc *doc, uint32_t item,
                                           crdti_op *room)
{
    if (CRDTI_LIKELY(!(item & CRDTI_ROW_BIT)))
        return crdti_op_at(doc, item);
    crdti_row_op(doc, item, room);
    return room;
}

CRDTI_INLINE uint32_t crdti_item_object(const crdt_doc *doc, uint32_t item)
{
    if (item & CRDTI_ROW_BIT)
        return crdti_row_block(doc, item)->object;
    return crdti_entry_at(doc, crdti_op_at(doc, item)->entry)->object;
}

CRDTI_INLINE crdt_bytes crdti_item_key(const crdt_doc *doc, uint32_t item,
                                       uint8_t room[CRDTI_ROW_KEY])
{
    if (item & CRDTI_ROW_BIT)
        return crdti_row_key(doc, item, room);
    return crdti_entry_key(crdti_entry_at(doc, crdti_op_at(doc, item)->entry));
}

/* >>cut ------------------------------------------------------------------- */

typedef struct crdti_cut {
    int is_snapshot;
    int is_canonical;               /* without kills and floor */
    CRDTI_ARRAY(uint32_t) replicas; /* that it tells of, by id */
    CRDTI_ARRAY(uint64_t) base;     /* by place in `replicas` */
    CRDTI_ARRAY(uint32_t) ops;      /* and rows, by replica and seq */
    CRDTI_ARRAY(uint32_t) rows;     /* of one replica: scratch */
    CRDTI_ARRAY(uint32_t) objects;  /* that ops are in; parents first */
    CRDTI_ARRAY(uint32_t)
    authors; /* of edits; by sequence, when made. Of a
                                       canonical one sequences */
} crdti_cut;

CRDTI_FN void crdti_cut_free(crdt_doc *doc, crdti_cut *cut)
{
    size_t i;
    for (i = 0; i < cut->objects.len; i++)
        crdti_object_at(doc, cut->objects.ptr[i])->wire = 0;
    crdti_array_free(&doc->alloc, &cut->replicas);
    crdti_array_free(&doc->alloc, &cut->base);
    crdti_array_free(&doc->alloc, &cut->ops);
    crdti_array_free(&doc->alloc, &cut->rows);
    crdti_array_free(&doc->alloc, &cut->objects);
    crdti_array_free(&doc->alloc, &cut->authors);
}

/* Numbers the replicas and finds the base. Both lists are sorted by id. */
CRDTI_FN crdt_err crdti_cut_replicas(crdt_doc *doc, const crdt_vv *since,
                                     crdti_cut *cut)
{
    size_t i, at = 0;
    if (crdti_array_reserve(&doc->alloc, &cut->replicas, doc->by_id.len) ||
        crdti_array_reserve(&doc->alloc, &cut->base, doc->by_id.len))
        return CRDT_ERR_NOMEM;
    for (i = 0; i < doc->by_id.len; i++) {
        crdti_replica *replica = &doc->replicas.ptr[doc->by_id.ptr[i]];
        uint64_t base = 0;
        if (!replica->seq)
            continue;
        if (since)
            base = crdti_vv_next(since, &at, &replica->id);
        replica->wire = (uint32_t)cut->replicas.len;
        cut->replicas.ptr[cut->replicas.len++] = doc->by_id.ptr[i];
        cut->base.ptr[cut->base.len++] = crdti_min(base, replica->seq);
    }
    return CRDT_OK;
}

/* Below the floor only a snapshot helps. */
CRDTI_FN void crdti_cut_choose(const crdt_doc *doc, crdti_cut *cut)
{
    size_t i;
    int below = 0, any = 0;
    for (i = 0; i < cut->replicas.len; i++) {
        const crdti_replica *replica =
            &doc->replicas.ptr[cut->replicas.ptr[i]];
        below |= replica->floor > cut->base.ptr[i];
        any |= cut->base.ptr[i] != 0;
    }
    cut->is_snapshot = !any || (below && CRDTI_RULE(SNAPSHOT_BELOW_FLOOR));
    if (cut->is_snapshot)
        crdti_zero(cut->base.ptr, cut->base.len * sizeof *cut->base.ptr);
}

/* Names the object and, before it, those above it that have no name yet. The
 * root is 0 on the wire, and so is what has no name. */
CRDTI_FN crdt_err crdti_cut_object(crdt_doc *doc, crdti_cut *cut,
                                   uint32_t object)
{
    uint32_t path[CRDTSYNC_MAX_DEPTH + 1];
    size_t depth = 0;
    while (object != CRDTI_ROOT && !crdti_object_at(doc, object)->wire) {
        path[depth++] = object;
        object =
            crdti_entry_at(doc, crdti_object_at(doc, object)->entry)->object;
    }
    if (crdti_array_reserve(&doc->alloc, &cut->objects, depth))
        return CRDT_ERR_NOMEM;
    while (depth > 0) {
        object = path[--depth];
        cut->objects.ptr[cut->objects.len++] = object;
        crdti_object_at(doc, object)->wire = (uint32_t)cut->objects.len;
    }
    return CRDT_OK;
}

/* Whether who has the base has seen the dot. */
CRDTI_FN int crdti_cut_covers(const crdt_doc *doc, const crdti_cut *cut,
                              uint32_t replica, uint64_t seq)
{
    uint32_t place = doc->replicas.ptr[replica].wire;
    return place == CRDTI_NOT_NAMED || seq <= cut->base.ptr[place];
}

/* How far the record tells: all of it, though the receiver never saw some of
 * the dead; or 0, when the receiver has been told. */
CRDTI_FN uint64_t crdti_cut_last(const crdt_doc *doc, const crdti_cut *cut,
                                 const crdti_kill *kill)
{
    if (crdti_cut_covers(doc, cut, kill->said_replica, kill->said_seq))
        return 0;
    if (CRDTI_RULE(KILLS_TRAVEL))
        return kill->last;
    return crdti_min(kill->last,
                     cut->base.ptr[doc->replicas.ptr[kill->replica].wire]);
}

/* How many kill records go with the op. */
CRDTI_FN uint32_t crdti_cut_kills(const crdt_doc *doc, const crdti_cut *cut,
                                  uint32_t index)
{
    const crdti_op *op;
    uint32_t at, count = 0;
    if (index & CRDTI_ROW_BIT)
        return 0;
    op = crdti_op_at(doc, index);
    if (cut->is_canonical || !op->kills)
        return 0;
    for (at = crdti_entry_at(doc, op->entry)->kills; at;
         at = crdti_kill_at(doc, at)->next)
        count += crdti_kill_at(doc, at)->killer == index &&
                 crdti_cut_last(doc, cut, crdti_kill_at(doc, at)) > 0;
    return count;
}

CRDTI_FN int crdti_row_order(const void *ctx, uint32_t a, uint32_t b)
{
    const crdt_doc *doc = (const crdt_doc *)ctx;
    uint64_t x = crdti_row_seq(doc, a), y = crdti_row_seq(doc, b);
    return (x > y) - (x < y);
}

/* Collects the replica's rows behind the base, by seq: of one set they lie so,
 * and of several they are sorted. */
CRDTI_FN crdt_err crdti_cut_rows(crdt_doc *doc, crdti_cut *cut, size_t place)
{
    uint64_t base = cut->base.ptr[place];
    uint32_t at = crdti_block_after(doc, cut->replicas.ptr[place], base);
    unsigned i;
    cut->rows.len = 0;
    for (; at; at = crdti_block_at(doc, at)->newer) {
        const crdti_block *block = crdti_block_at(doc, at);
        if (crdti_array_reserve(&doc->alloc, &cut->rows, CRDTI_BLOCK_ROWS))
            return CRDT_ERR_NOMEM;
        for (i = 0; i < CRDTI_BLOCK_ROWS; i++)
            if (crdti_row_is_alive(block, i) &&
                block->base + block->steps[i] > base)
                cut->rows.ptr[cut->rows.len++] = crdti_row_name(at, i);
    }
    crdti_sort(crdti_row_order, doc, cut->rows.ptr, cut->rows.len);
    return CRDT_OK;
}

CRDTI_FN crdt_err crdti_cut_item(crdt_doc *doc, crdti_cut *cut, uint32_t item)
{
    crdt_err err = crdti_array_reserve(&doc->alloc, &cut->ops, 1);
    if (!err)
        err = crdti_cut_object(doc, cut, crdti_item_object(doc, item));
    if (!err)
        cut->ops.ptr[cut->ops.len++] = item;
    return err;
}

/* Merges rows and ops of one replica. */
CRDTI_FN crdt_err crdti_cut_ops(crdt_doc *doc, crdti_cut *cut, size_t place)
{
    uint32_t at = crdti_journal_after(doc, cut->replicas.ptr[place],
                                      cut->base.ptr[place]);
    size_t row = 0;
    crdt_err err = crdti_cut_rows(doc, cut, place);
    while (!err && (at || row < cut->rows.len)) {
        const crdti_op *op = at ? crdti_op_at(doc, at) : NULL;
        if (!op || (row < cut->rows.len &&
                    crdti_row_seq(doc, cut->rows.ptr[row]) < op->seq)) {
            err = crdti_cut_item(doc, cut, cut->rows.ptr[row++]);
            continue;
        }
        if (crdti_op_is_alive(op) || crdti_cut_kills(doc, cut, at))
            err = crdti_cut_item(doc, cut, at);
        at = op->newer;
    }
    return err;
}

/* Collects the authors with edits behind the base. */
CRDTI_FN crdt_err crdti_cut_authors(crdt_doc *doc, crdti_cut *cut,
                                    size_t place)
{
    uint32_t at = doc->replicas.ptr[cut->replicas.ptr[place]].newest_author;
    crdt_err err = CRDT_OK;
    while (at && !err &&
           crdti_author_at(doc, at)->last > cut->base.ptr[place]) {
        err = crdti_array_reserve(&doc->alloc, &cut->authors, 1);
        if (!err)
            err = crdti_cut_object(doc, cut, crdti_author_at(doc, at)->object);
        if (!err)
            cut->authors.ptr[cut->authors.len++] = at;
        at = crdti_author_at(doc, at)->older;
    }
    return err;
}

CRDTI_FN int crdti_path_order(const void *ctx, uint32_t a, uint32_t b)
{
    const crdt_doc *doc = (const crdt_doc *)ctx;
    uint64_t x = crdti_object_at(doc, a)->name;
    uint64_t y = crdti_object_at(doc, b)->name;
    return (x > y) - (x < y);
}

/* Collects the sequences that show something, in an order that is the same
 * everywhere. */
CRDTI_FN crdt_err crdti_cut_sequences(crdt_doc *doc, crdti_cut *cut)
{
    uint32_t at = doc->sequences;
    crdt_err err = CRDT_OK;
    size_t i;
    for (; at; at = crdti_sequence_at(doc, at)->next_sequence) {
        if (!crdti_sequence_at(doc, at)->total.chars)
            continue;
        if (crdti_array_reserve(&doc->alloc, &cut->authors, 1))
            return CRDT_ERR_NOMEM;
        cut->authors.ptr[cut->authors.len++] = at;
    }
    crdti_sort(crdti_path_order, doc, cut->authors.ptr, cut->authors.len);
    for (i = 0; i < cut->authors.len && !err; i++)
        err = crdti_cut_object(doc, cut, cut->authors.ptr[i]);
    return err;
}

/* Sequences in the order in which they are named; authors by id. */
CRDTI_FN int crdti_author_order(const void *ctx, uint32_t a, uint32_t b)
{
    const crdt_doc *doc = (const crdt_doc *)ctx;
    const crdti_author *x = crdti_author_at(doc, a);
    const crdti_author *y = crdti_author_at(doc, b);
    uint32_t first = crdti_object_at(doc, x->object)->wire;
    uint32_t second = crdti_object_at(doc, y->object)->wire;
    if (first != second)
        return first < second ? -1 : 1;
    first = doc->replicas.ptr[x->replica].wire;
    second = doc->replicas.ptr[y->replica].wire;
    return (first > second) - (first < second);
}

CRDTI_FN void crdti_cut_mark_name(crdt_doc *doc, const crdti_sequence *s,
                                  uint32_t name)
{
    if (name == CRDTI_NO_CHAR)
        return;
    name = crdti_author_at(doc, crdti_name_author(&s->extents, name))->replica;
    doc->replicas.ptr[name].mark = 1;
}

/* Marks the replicas that the author's edits behind the base name. */
CRDTI_FN void crdti_cut_mark_author(crdt_doc *doc, const crdti_cut *cut,
                                    uint32_t index)
{
    const crdti_author *author = crdti_author_at(doc, index);
    const crdti_sequence *s =
        (const crdti_sequence *)crdti_object_at(doc, author->object)->state;
    uint64_t first =
        cut->base.ptr[doc->replicas.ptr[author->replica].wire] + 1;
    size_t i = crdti_insertion_place(author, first);
    for (; i < author->insertions.len; i++) {
        crdti_cut_mark_name(doc, s, author->insertions.ptr[i].left);
        crdti_cut_mark_name(doc, s, author->insertions.ptr[i].right);
    }
    i = crdti_deletion_place(author, first);
    for (; i < author->deletions.len; i++)
        crdti_cut_mark_name(doc, s, author->deletions.ptr[i].name);
}

/* Marks the replicas that the op's kills and voids name. */
CRDTI_FN void crdti_cut_mark(crdt_doc *doc, const crdti_cut *cut,
                             uint32_t index)
{
    const crdti_op *op;
    uint32_t i, at;
    if (index & CRDTI_ROW_BIT)
        return;
    op = crdti_op_at(doc, index);
    at = op->kills ? crdti_entry_at(doc, op->entry)->kills : 0;
    for (; at; at = crdti_kill_at(doc, at)->next)
        if (crdti_kill_at(doc, at)->killer == index &&
            crdti_cut_last(doc, cut, crdti_kill_at(doc, at)))
            doc->replicas.ptr[crdti_kill_at(doc, at)->replica].mark = 1;
    for (i = 0; op->kind == CRDTI_RESET && i < op->len; i++)
        doc->replicas.ptr[op->as.voids[i].replica].mark = 1;
}

/* Leaves out the replicas that the delta has nothing to say of. What its joiner
 * has for `certain` (NULL: all of the base) need not be told it. */
CRDTI_FN void crdti_cut_narrow(crdt_doc *doc, crdti_cut *cut,
                               const crdt_vv *certain)
{
    size_t i, at = 0, to = 0;
    for (i = 0; i < cut->ops.len; i++)
        crdti_cut_mark(doc, cut, cut->ops.ptr[i]);
    for (i = 0; i < cut->authors.len; i++)
        crdti_cut_mark_author(doc, cut, cut->authors.ptr[i]);
    for (i = 0; i < cut->replicas.len; i++) {
        crdti_replica *replica = &doc->replicas.ptr[cut->replicas.ptr[i]];
        uint64_t base = cut->base.ptr[i];
        int named =
            replica->mark || replica->seq > base ||
            (certain && base > crdti_vv_next(certain, &at, &replica->id));
        replica->mark = 0;
        replica->wire = CRDTI_NOT_NAMED;
        if (!named)
            continue;
        replica->wire = (uint32_t)to;
        cut->replicas.ptr[to] = cut->replicas.ptr[i];
        cut->base.ptr[to++] = cut->base.ptr[i];
    }
    cut->replicas.len = cut->base.len = to;
}

/* What a delta is for. */
enum {
    CRDTI_FOR_ALL = 0,       /* says all that its joiner must have */
    CRDTI_FOR_FOLLOWER = 1,  /* joined only by who has `certain`, so it need
                                not name what has not changed */
    CRDTI_FOR_COMPARISON = 2 /* canonical */
};

/* Collects Delta(since); crdti_cut_free also when it fails. */
CRDTI_FN crdt_err crdti_cut_make(crdt_doc *doc, const crdt_vv *since,
                                 int purpose, const crdt_vv *certain,
                                 crdti_cut *cut)
{
    size_t i;
    crdt_err err;
    crdti_typing_file(doc);
    crdti_zero(cut, sizeof *cut);
    cut->is_canonical = purpose == CRDTI_FOR_COMPARISON;
    if (crdt_doc_uncommitted(doc))
        return CRDT_ERR_UNCOMMITTED;
    err = crdti_cut_replicas(doc, since, cut);
    if (err)
        return err;
    crdti_cut_choose(doc, cut);
    for (i = 0; i < cut->replicas.len && !err; i++)
        err = crdti_cut_ops(doc, cut, i);
    if (!err && cut->is_canonical)
        return crdti_cut_sequences(doc, cut);
    for (i = 0; i < cut->replicas.len && !err; i++)
        err = crdti_cut_authors(doc, cut, i);
    if (!err)
        crdti_sort(crdti_author_order, doc, cut->authors.ptr,
                   cut->authors.len);
    if (!err && purpose == CRDTI_FOR_FOLLOWER && !cut->is_snapshot)
        crdti_cut_narrow(doc, cut, certain);
    return err;
}

/* >>delta ----------------------------------------------------------------- */

typedef struct crdti_delta_kill {
    uint32_t replica;
    uint64_t last;
} crdti_delta_kill;

/* Replica and object numbers are those of the message, until a join maps
 * them. Bytes are borrowed from the message, voids and kills are the arena's:
 * a copy of them is made for what is new. */
typedef struct crdti_delta_op {
    crdti_op op;
    crdt_bytes key;
    crdti_delta_kill *kills;
    uint32_t kills_len;
    uint32_t object;
    uint64_t hash; /* of place and key in the document, when warming */
} crdti_delta_op;

typedef struct crdti_delta_replica {
    crdt_id id;
    uint64_t base, top, floor;
    uint32_t number; /* in the document; a mark while it is read */
} crdti_delta_replica;

typedef struct crdti_delta_object {
    uint32_t parent;
    uint8_t type, depth;
    crdt_bytes key;
    uint32_t number; /* in the document */
} crdti_delta_object;

/* An insertion, or a deletion, of a sequence. Characters are numbered as the
 * delta inserts them; one that it does not insert is CRDTI_OUTSIDE and its
 * place among those. */
enum {
    CRDTI_INSERTION_EDIT = 0,
    CRDTI_FORWARDS_EDIT = 1, /* deletes `name` and on, */
    CRDTI_BACKWARDS_EDIT = 2 /* or `name` and back */
};
#define CRDTI_OUTSIDE 0x80000000u

typedef struct crdti_edit {
    uint64_t seq;
    uint32_t replica, len;
    uint32_t name;        /* of the first character */
    uint32_t left, right; /* of an insertion */
    uint32_t here;        /* of the first new character, in the document */
    uint8_t kind;
} crdti_edit;

typedef struct crdti_outside {
    uint32_t replica;
    uint32_t name; /* in the document */
    uint64_t seq;
} crdti_outside;

/* What one replica adds to one sequence. */
typedef struct crdti_graft_need {
    size_t insertions, deletions, chars, bytes, victims;
    uint32_t author;
} crdti_graft_need;

typedef struct crdti_delta_sequence {
    uint32_t object;
    uint32_t chars;  /* that are inserted */
    uint32_t alive;  /* how many of them */
    int is_laid_out; /* insertions in the order of the text; no deletions */
    int is_planted;  /* by this join */
    int is_list;     /* all are inserted hidden: their elements show them */
    size_t edits_len, inserts_len, outside_len, outside_cap;
    crdti_edit *edits;
    uint32_t *inserts;   /* places of insertions in `edits` */
    crdti_starts starts; /* of those, where characters begin */
    crdti_outside *outside;
    uint64_t *dead;     /* a bit for each character */
    crdt_bytes content; /* of those that are alive */
} crdti_delta_sequence;

CRDTI_INLINE int crdti_is_outside(uint32_t name)
{
    return name & CRDTI_OUTSIDE && name != CRDTI_NO_CHAR;
}

/* What a joiner gets by a delta. */
typedef struct crdti_gain {
    uint64_t dots, news; /* that it tells of; that the joiner had not */
    crdt_dot missing;    /* what it builds on and the joiner lacks; seq 0 */
} crdti_gain;

typedef struct crdti_delta {
    crdti_gain gain; /* as join.h finds it */
    int is_snapshot, has_sequences;
    uint64_t last_stamp;
    size_t replicas_len, objects_len, ops_len;
    size_t kills_len; /* of all ops */
    size_t sequences_len;
    uint32_t chars; /* inserted in all of them */
    crdti_delta_sequence *sequences;
    crdti_delta_replica *replicas; /* by id */
    crdti_delta_object *objects;   /* [0] is the root */
    crdti_delta_op *ops;           /* by replica and seq */
} crdti_delta;

#endif
