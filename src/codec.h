/*
 * Deltas as bytes, in columns: like stands by like, and runs of equal values
 * are told once. docs/wire-format.md shows it byte by byte.
 *
 *     flags     1 snapshot, 2 has a floor
 *     replicas  count, ids ascending, [base], top - base, [floor]
 *     objects   count, (parent, type, key) each; 0 is the root
 *     ops       count, then columns
 *                 replica  runs      step of seq  runs
 *                 object   runs      kind         runs (bit 7: it kills)
 *                 stamp    of VALUE, CREATE, MOVE: difference to the one before
 *                 key      of ops in maps, and of REMOVEs; in lists none
 *                          where it is the dot of the op itself
 *                 content  by kind
 *                 kills    of killers: count, (replica, last) each
 *
 * A run is (value, length). Every op costs its sender two bytes at least, so
 * counts are checked against the bytes left before anything is allocated.
 */
#ifndef CRDTI_CODEC_H
#define CRDTI_CODEC_H

#include "bytes.h"
#include "delta.h"
#include "edit.h"
#include "type.h"

enum {
    CRDTI_DELTA_SNAPSHOT = 1,
    CRDTI_DELTA_FLOOR = 2,
    CRDTI_DELTA_SEQUENCES = 4,
    CRDTI_DELTA_FLAGS = 7,
    CRDTI_KILLS_BIT = 0x80,
    CRDTI_OP_MIN = 2 /* bytes: a VALUE that is null, an ADD */
};

/* >>runs ------------------------------------------------------------------ */

typedef struct crdti_column_run {
    uint64_t value, len;
    const uint8_t *at; /* where it was read, to point at */
} crdti_column_run;

CRDTI_FN void crdti_run_end(crdti_writer *w, crdti_column_run *run)
{
    if (!run->len)
        return;
    crdti_put_varint(w, run->value);
    crdti_put_varint(w, run->len);
    run->len = 0;
}

CRDTI_INLINE void crdti_run_put(crdti_writer *w, crdti_column_run *run,
                                uint64_t value)
{
    if (run->len && run->value != value)
        crdti_run_end(w, run);
    run->value = value;
    run->len++;
}

/* The next value of the column; `left` values are still to come, this one
 * included, so no run may be longer. Neighbours must differ: one form only. */
CRDTI_INLINE uint64_t crdti_run_get(crdti_reader *r, crdti_column_run *run,
                                    uint64_t left, int is_first)
{
    if (CRDTI_UNLIKELY(!run->len)) {
        const uint8_t *at = r->ptr;
        uint64_t value = crdti_get_varint(r);
        uint64_t len = crdti_get_varint(r);
        if (len == 0 || len > left || (!is_first && value == run->value))
            crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
        if (r->err)
            return 0;
        run->value = value;
        run->len = len;
        run->at = at;
    }
    run->len--;
    return run->value;
}

/* >>encoding -------------------------------------------------------------- */

CRDTI_FN crdti_replica *crdti_cut_replica(crdt_doc *doc, const crdti_cut *cut,
                                          size_t place)
{
    return &doc->replicas.ptr[cut->replicas.ptr[place]];
}

CRDTI_FN void crdti_put_replicas(crdti_writer *w, crdt_doc *doc,
                                 const crdti_cut *cut)
{
    size_t i, len = cut->replicas.len;
    int floor = 0;
    for (i = 0; i < len && !cut->is_canonical; i++)
        floor |= crdti_cut_replica(doc, cut, i)->floor != 0;
    crdti_put_u8(w, (uint8_t)((cut->is_snapshot ? CRDTI_DELTA_SNAPSHOT : 0) |
                              (floor ? CRDTI_DELTA_FLOOR : 0) |
                              (cut->authors.len ? CRDTI_DELTA_SEQUENCES : 0)));
    crdti_put_varint(w, len);
    for (i = 0; i < len; i++)
        crdti_put_raw(w, crdt_bytes_of(crdti_cut_replica(doc, cut, i)->id.b,
                                       sizeof(crdt_id)));
    for (i = 0; i < len && !cut->is_snapshot; i++)
        crdti_put_varint(w, cut->base.ptr[i]);
    for (i = 0; i < len; i++)
        crdti_put_varint(w, crdti_cut_replica(doc, cut, i)->seq -
                                cut->base.ptr[i]);
    for (i = 0; i < len && floor; i++)
        crdti_put_varint(w, crdti_cut_replica(doc, cut, i)->floor);
}

CRDTI_FN void crdti_put_objects(crdti_writer *w, crdt_doc *doc,
                                const crdti_cut *cut)
{
    size_t i;
    crdti_put_varint(w, cut->objects.len);
    for (i = 0; i < cut->objects.len; i++) {
        const crdti_object *object = crdti_object_at(doc, cut->objects.ptr[i]);
        const crdti_entry *entry = crdti_entry_at(doc, object->entry);
        crdti_put_varint(w, crdti_object_at(doc, entry->object)->wire);
        crdti_put_u8(w, object->type);
        crdti_put_bytes(w, crdti_entry_key(entry));
    }
}

/* Whether the op's key is told: elsewhere kind and type say it. */
CRDTI_FN int crdti_has_key(uint8_t type, uint8_t kind)
{
    return crdti_type_table()[type].is_keyed || kind == CRDTI_REMOVE;
}

typedef uint64_t crdti_column_fn(const crdt_doc *doc, const crdti_cut *cut,
                                 uint32_t index, uint64_t *before);

CRDTI_FN uint64_t crdti_column_replica(const crdt_doc *doc,
                                       const crdti_cut *cut, uint32_t index,
                                       uint64_t *before)
{
    crdti_op room;
    (void)cut;
    (void)before;
    return doc->replicas.ptr[crdti_item_op(doc, index, &room)->replica].wire;
}

/* `before` holds replica + 1, then seq, of the op before. */
CRDTI_FN uint64_t crdti_column_step(const crdt_doc *doc, const crdti_cut *cut,
                                    uint32_t index, uint64_t *before)
{
    crdti_op room;
    const crdti_op *op = crdti_item_op(doc, index, &room);
    uint32_t wire = doc->replicas.ptr[op->replica].wire;
    uint64_t from =
        before[0] == wire + UINT64_C(1) ? before[1] : cut->base.ptr[wire];
    before[0] = wire + UINT64_C(1);
    before[1] = op->seq;
    return op->seq - from;
}

CRDTI_FN uint64_t crdti_column_object(const crdt_doc *doc,
                                      const crdti_cut *cut, uint32_t index,
                                      uint64_t *before)
{
    (void)cut;
    (void)before;
    return crdti_object_at(doc, crdti_item_object(doc, index))->wire;
}

CRDTI_FN uint64_t crdti_column_kind(const crdt_doc *doc, const crdti_cut *cut,
                                    uint32_t index, uint64_t *before)
{
    crdti_op room;
    int kills = crdti_cut_kills(doc, cut, index) != 0;
    (void)before;
    return crdti_item_op(doc, index, &room)->kind |
           (kills ? (unsigned)CRDTI_KILLS_BIT : 0u);
}

CRDTI_FN void crdti_put_column(crdti_writer *w, const crdt_doc *doc,
                               const crdti_cut *cut, crdti_column_fn *column)
{
    crdti_column_run run = { 0, 0, NULL };
    uint64_t before[2] = { 0, 0 };
    size_t i;
    for (i = 0; i < cut->ops.len; i++)
        crdti_run_put(w, &run, column(doc, cut, cut->ops.ptr[i], before));
    crdti_run_end(w, &run);
}

CRDTI_FN void crdti_put_stamps(crdti_writer *w, const crdt_doc *doc,
                               const crdti_cut *cut)
{
    crdti_op room;
    uint64_t before = 0;
    size_t i;
    for (i = 0; i < cut->ops.len; i++) {
        const crdti_op *op = crdti_item_op(doc, cut->ops.ptr[i], &room);
        if (!crdti_has_stamp(op->kind))
            continue;
        crdti_put_zigzag(w, (int64_t)(op->as.value.stamp - before));
        before = op->as.value.stamp;
    }
}

CRDTI_FN void crdti_put_keys(crdti_writer *w, const crdt_doc *doc,
                             const crdti_cut *cut)
{
    crdti_op room;
    uint8_t key_room[CRDTI_ROW_KEY];
    size_t i;
    for (i = 0; i < cut->ops.len; i++) {
        uint32_t item = cut->ops.ptr[i];
        const crdti_op *op = crdti_item_op(doc, item, &room);
        uint32_t object = crdti_item_object(doc, item);
        crdt_bytes key = crdti_item_key(doc, item, key_room);
        uint8_t type = crdti_object_at(doc, object)->type;
        if (type == CRDT_LIST && crdti_is_first_of(doc, op, key))
            crdti_put_bytes(w, crdti_no_key());
        else if (crdti_has_key(type, op->kind))
            crdti_put_bytes(w, key);
    }
}

CRDTI_FN void crdti_put_value(crdti_writer *w, const crdti_op *op)
{
    crdti_put_u8(w, op->form);
    if (crdti_op_has_bytes(op))
        crdti_put_bytes(w, crdti_op_bytes(op));
    else if (op->form == CRDT_DOUBLE)
        crdti_put_u64le(w, crdti_double_bits(op->as.value.as.number));
    else if (op->form == CRDT_BOOL)
        crdti_put_u8(w, (uint8_t)op->as.value.as.integer);
    else if (op->form != CRDT_NULL)
        crdti_put_zigzag(w, op->as.value.as.integer);
}

/* Voids in the order of the ids, so that equal ops are equal bytes: the marks
 * sort them in one pass over the replicas. */
CRDTI_FN void crdti_put_voids(crdti_writer *w, crdt_doc *doc,
                              const crdti_cut *cut, const crdti_op *op)
{
    size_t i;
    crdti_put_varint(w, op->len);
    for (i = 0; i < op->len; i++)
        doc->replicas.ptr[op->as.voids[i].replica].mark = i + 1;
    for (i = 0; i < cut->replicas.len; i++) {
        crdti_replica *replica = crdti_cut_replica(doc, cut, i);
        const crdti_void *v = op->as.voids + replica->mark - 1;
        if (!replica->mark)
            continue;
        crdti_put_varint(w, i);
        crdti_put_varint(w, v->plus);
        crdti_put_varint(w, v->minus);
        replica->mark = 0;
    }
}

CRDTI_FN void crdti_put_contents(crdti_writer *w, crdt_doc *doc,
                                 const crdti_cut *cut)
{
    crdti_op room;
    size_t i;
    for (i = 0; i < cut->ops.len; i++) {
        const crdti_op *op = crdti_item_op(doc, cut->ops.ptr[i], &room);
        switch (op->kind) {
        case CRDTI_VALUE:
            crdti_put_value(w, op);
            break;
        case CRDTI_CREATE:
            crdti_put_u8(w, op->form);
            break;
        case CRDTI_ADD:
            crdti_put_varint(w, op->as.add.plus);
            crdti_put_varint(w, op->as.add.minus);
            break;
        case CRDTI_RESET:
            crdti_put_voids(w, doc, cut, op);
            break;
        case CRDTI_IN:
        case CRDTI_OUT:
            crdti_put_u8(w, 0); /* so that no op is free: see CRDTI_OP_MIN */
            break;
        default: /* REMOVE has none */
            break;
        }
    }
}

/* How far back a kill goes: of the killer's own replica from just before it,
 * of others from the top, as kills are mostly of what is recent. */
CRDTI_FN void crdti_put_kills_of(crdti_writer *w, crdt_doc *doc,
                                 const crdti_cut *cut, uint32_t index)
{
    const crdti_op *op = crdti_op_at(doc, index);
    uint32_t at = crdti_entry_at(doc, op->entry)->kills;
    for (; at; at = crdti_kill_at(doc, at)->next) {
        const crdti_kill *kill = crdti_kill_at(doc, at);
        const crdti_replica *replica = &doc->replicas.ptr[kill->replica];
        uint64_t last = crdti_cut_last(doc, cut, kill);
        if (kill->killer != index || !last)
            continue;
        crdti_put_varint(w, replica->wire);
        crdti_put_varint(w, kill->replica == op->replica
                                ? op->seq - 1 - last
                                : replica->seq - last);
    }
}

CRDTI_FN void crdti_put_kills(crdti_writer *w, crdt_doc *doc,
                              const crdti_cut *cut)
{
    size_t i;
    for (i = 0; i < cut->ops.len; i++) {
        uint32_t count = crdti_cut_kills(doc, cut, cut->ops.ptr[i]);
        if (!count)
            continue;
        crdti_put_varint(w, count);
        crdti_put_kills_of(w, doc, cut, cut->ops.ptr[i]);
    }
}

CRDTI_FN void crdti_put_cut(crdti_writer *w, crdt_doc *doc,
                            const crdti_cut *cut)
{
    crdti_put_replicas(w, doc, cut);
    crdti_put_objects(w, doc, cut);
    crdti_put_varint(w, cut->ops.len);
    crdti_put_column(w, doc, cut, crdti_column_replica);
    crdti_put_column(w, doc, cut, crdti_column_step);
    crdti_put_column(w, doc, cut, crdti_column_object);
    crdti_put_column(w, doc, cut, crdti_column_kind);
    crdti_put_stamps(w, doc, cut);
    crdti_put_keys(w, doc, cut);
    crdti_put_contents(w, doc, cut);
    crdti_put_kills(w, doc, cut);
    if (cut->authors.len && cut->is_canonical)
        crdti_put_layouts(w, doc, cut);
    else if (cut->authors.len)
        crdti_put_sequences(w, doc, cut);
}

/* Appends Delta(since) without frame. `certain`: see crdti_cut_narrow. */
CRDTI_FN crdt_err crdti_delta_put(crdt_doc *doc, const crdt_vv *since,
                                  int purpose, const crdt_vv *certain,
                                  crdt_buf *out)
{
    crdti_cut cut;
    crdti_writer w;
    size_t start = out->len;
    crdti_writer_init(&w, out);
    w.err = crdti_cut_make(doc, since, purpose, certain, &cut);
    if (!w.err)
        crdti_put_cut(&w, doc, &cut);
    crdti_cut_free(doc, &cut);
    if (w.err)
        out->len = start;
    return w.err;
}

/* >>decoding -------------------------------------------------------------- */

CRDTI_FN void crdti_get_replicas(crdti_reader *r, crdti_arena *arena,
                                 crdti_delta *d)
{
    uint8_t flags = crdti_get_u8(r);
    size_t i, len;
    if (flags > CRDTI_DELTA_FLAGS)
        crdti_reader_fail_at(r, r->start, CRDT_ERR_VERSION);
    d->is_snapshot = flags & CRDTI_DELTA_SNAPSHOT;
    d->has_sequences = flags & CRDTI_DELTA_SEQUENCES;
    len = crdti_get_count(r, CRDTSYNC_MAX_REPLICAS, sizeof(crdt_id) + 1);
    d->replicas = (crdti_delta_replica *)crdti_get_array(r, arena, len,
                                                         sizeof *d->replicas);
    for (i = 0; i < len && !r->err; i++) {
        crdt_bytes id = crdti_get_raw(r, sizeof(crdt_id));
        if (id.len)
            crdti_copy(d->replicas[i].id.b, id.ptr, id.len);
        if (!r->err && i &&
            crdti_id_order(&d->replicas[i - 1].id, &d->replicas[i].id) >= 0)
            crdti_reader_fail_at(r, id.ptr, CRDT_ERR_CORRUPT);
    }
    for (i = 0; i < len && !r->err && !d->is_snapshot; i++)
        d->replicas[i].base = crdti_get_seq(r, 0);
    for (i = 0; i < len && !r->err; i++) {
        const uint8_t *at = r->ptr;
        d->replicas[i].top = crdti_get_seq(r, d->replicas[i].base);
        if (!d->replicas[i].top)
            crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
    }
    for (i = 0; i < len && !r->err && flags & CRDTI_DELTA_FLOOR; i++) {
        const uint8_t *at = r->ptr;
        d->replicas[i].floor = crdti_get_seq(r, 0);
        if (d->replicas[i].floor > d->replicas[i].top)
            crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
    }
    d->replicas_len = len;
}

/* Whether containers of that type hold others at such a key. */
CRDTI_FN int crdti_holds(uint8_t type, crdt_bytes key)
{
    return type == CRDT_MAP ||
           (type == CRDT_LIST && key.len == CRDTI_ELEMENT_KEY);
}

CRDTI_FN void crdti_get_object(crdti_reader *r, crdti_delta *d, size_t i)
{
    crdti_delta_object *object = &d->objects[i];
    const crdti_delta_object *parent;
    const uint8_t *at = r->ptr;
    object->parent = crdti_get_index(r, i);
    object->type = crdti_get_u8(r);
    object->key = crdti_get_bytes(r, CRDTSYNC_MAX_KEY);
    parent = &d->objects[object->parent];
    object->depth = (uint8_t)(parent->depth + 1);
    if (r->err)
        return;
    if (object->type == CRDT_NONE || !crdti_holds(parent->type, object->key))
        crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
    else if (object->type >= CRDT_TYPE_COUNT)
        crdti_reader_fail_at(r, at, CRDT_ERR_VERSION);
    else if (parent->depth >= CRDTSYNC_MAX_DEPTH)
        crdti_reader_fail_at(r, at, CRDT_ERR_LIMIT);
}

CRDTI_FN void crdti_get_objects(crdti_reader *r, crdti_arena *arena,
                                crdti_delta *d)
{
    size_t i, len = crdti_get_count(r, UINT32_MAX - 1, 3) + 1;
    d->objects = (crdti_delta_object *)crdti_get_array(r, arena, len,
                                                       sizeof *d->objects);
    if (r->err)
        return;
    d->objects[0].type = CRDT_MAP;
    for (i = 1; i < len && !r->err; i++)
        crdti_get_object(r, d, i);
    d->objects_len = len;
}

/* Columns 1 to 4. */
CRDTI_FN void crdti_get_dots(crdti_reader *r, crdti_delta *d)
{
    crdti_column_run run = { 0, 0, NULL };
    uint64_t before = 0, step;
    size_t i, n = d->ops_len;
    for (i = 0; i < n && !r->err; i++) {
        uint64_t replica = crdti_run_get(r, &run, n - i, i == 0);
        if (replica >= d->replicas_len || replica < before)
            crdti_reader_fail_at(r, run.at, CRDT_ERR_CORRUPT);
        d->ops[i].op.replica = (uint32_t)replica;
        before = replica;
    }
    crdti_zero(&run, sizeof run);
    for (i = 0; i < n && !r->err; i++) {
        crdti_op *op = &d->ops[i].op;
        const crdti_delta_replica *replica = &d->replicas[op->replica];
        int goes_on = i && op[0].replica == d->ops[i - 1].op.replica;
        before = goes_on ? d->ops[i - 1].op.seq : replica->base;
        step = crdti_run_get(r, &run, n - i, i == 0);
        if (step == 0 || step > replica->top - before)
            crdti_reader_fail_at(r, run.at, CRDT_ERR_CORRUPT);
        op->seq = before + step;
    }
}

CRDTI_FN void crdti_get_places(crdti_reader *r, crdti_delta *d)
{
    crdti_column_run run = { 0, 0, NULL };
    size_t i, n = d->ops_len;
    for (i = 0; i < n && !r->err; i++) {
        uint64_t object = crdti_run_get(r, &run, n - i, i == 0);
        if (object >= d->objects_len)
            crdti_reader_fail_at(r, run.at, CRDT_ERR_CORRUPT);
        d->ops[i].object = (uint32_t)object;
    }
    crdti_zero(&run, sizeof run);
    for (i = 0; i < n && !r->err; i++) {
        crdti_delta_op *op = &d->ops[i];
        uint64_t kind = crdti_run_get(r, &run, n - i, i == 0);
        op->kills_len = kind >> 7 & 1;
        op->op.kind = (uint8_t)(kind & 0x7f);
        if (kind > 0xff || op->op.kind >= CRDTI_KIND_COUNT)
            crdti_reader_fail_at(r, run.at, CRDT_ERR_VERSION);
        else if (!crdti_type_takes(d->objects[op->object].type, op->op.kind) ||
                 (op->op.kind == CRDTI_REMOVE && !op->kills_len))
            crdti_reader_fail_at(r, run.at, CRDT_ERR_CORRUPT);
    }
}

CRDTI_FN void crdti_get_stamps(crdti_reader *r, crdti_delta *d)
{
    uint64_t before = 0;
    size_t i;
    for (i = 0; i < d->ops_len && !r->err; i++) {
        crdti_op *op = &d->ops[i].op;
        if (!crdti_has_stamp(op->kind))
            continue;
        before += (uint64_t)crdti_get_zigzag(r);
        op->as.value.stamp = before;
        d->last_stamp = crdti_max(d->last_stamp, before);
    }
}

/* The key of an op in a list. That of an element's first is its own dot, which
 * is told by no bytes. */
CRDTI_FN crdt_bytes crdti_get_element(crdti_reader *r, crdti_arena *arena,
                                      const crdti_delta *d, const crdti_op *op)
{
    const uint8_t *at = r->ptr;
    crdt_bytes key = crdti_get_bytes(r, CRDTI_MOVES_KEY);
    uint8_t own[CRDTI_MOVES_KEY], *copy;
    if (r->err)
        return key;
    crdti_element_put(&d->replicas[op->replica].id, op->seq, own);
    if (crdt_bytes_equal(key, crdt_bytes_of(own, CRDTI_ELEMENT_KEY)) ||
        (op->kind == CRDTI_MOVE && key.len != CRDTI_MOVES_KEY) ||
        (key.len == CRDTI_MOVES_KEY && op->kind != CRDTI_MOVE &&
         op->kind != CRDTI_REMOVE))
        crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
    if (key.len)
        return key;
    copy = (uint8_t *)crdti_get_array(r, arena, CRDTI_ELEMENT_KEY, 1);
    if (!copy)
        return key;
    crdti_copy(copy, own, CRDTI_ELEMENT_KEY);
    return crdt_bytes_of(copy, CRDTI_ELEMENT_KEY);
}

/* A key that is not told follows from the kind. */
CRDTI_FN void crdti_get_keys(crdti_reader *r, crdti_arena *arena,
                             crdti_delta *d)
{
    size_t i;
    for (i = 0; i < d->ops_len && !r->err; i++) {
        crdti_delta_op *op = &d->ops[i];
        uint8_t type = d->objects[op->object].type;
        const uint8_t *at = r->ptr;
        if (op->op.kind == CRDTI_RESET)
            op->key = crdti_reset_key();
        else if (type == CRDT_LIST)
            op->key = crdti_get_element(r, arena, d, &op->op);
        else if (crdti_has_key(type, op->op.kind))
            op->key = crdti_get_bytes(r, CRDTSYNC_MAX_KEY);
        if (!crdti_type_has_key(type, op->key))
            crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
    }
}

CRDTI_FN void crdti_get_value(crdti_reader *r, crdti_op *op)
{
    const uint8_t *at = r->ptr;
    crdt_bytes bytes;
    uint64_t bits;
    op->form = crdti_get_u8(r);
    switch (op->form) {
    case CRDT_NULL:
        break;
    case CRDT_BOOL:
        op->as.value.as.integer = crdti_get_u8(r);
        if (op->as.value.as.integer > 1)
            crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
        break;
    case CRDT_INT:
    case CRDT_TIME:
        op->as.value.as.integer = crdti_get_zigzag(r);
        break;
    case CRDT_DOUBLE:
        bits = crdti_get_u64le(r);
        op->as.value.as.number = crdti_double_from(bits);
        if (crdti_double_bits(op->as.value.as.number) != bits)
            crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT); /* another NaN */
        break;
    case CRDT_STRING:
    case CRDT_BYTES:
        bytes = crdti_get_bytes(r, CRDTSYNC_MAX_VALUE);
        op->len = (uint32_t)bytes.len;
        /* Borrowed, and only ever read, until the join makes a copy. */
        op->as.value.as.bytes = (uint8_t *)(uintptr_t)bytes.ptr;
        break;
    default:
        crdti_reader_fail_at(r, at, CRDT_ERR_VERSION);
    }
}

CRDTI_FN uint64_t crdti_get_total(crdti_reader *r)
{
    const uint8_t *at = r->ptr;
    uint64_t total = crdti_get_varint(r);
    if (total > CRDTI_COUNT_MAX)
        crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
    return total;
}

CRDTI_FN void crdti_get_voids(crdti_reader *r, crdti_arena *arena,
                              const crdti_delta *d, crdti_op *op)
{
    size_t i, len = crdti_get_count(r, d->replicas_len, 3);
    uint32_t before = 0;
    if (len == 0)
        crdti_reader_fail_at(r, r->ptr - 1, CRDT_ERR_CORRUPT);
    op->len = (uint32_t)len;
    op->as.voids =
        (crdti_void *)crdti_get_array(r, arena, len, sizeof(crdti_void));
    for (i = 0; i < len && !r->err; i++) {
        crdti_void *v = &op->as.voids[i];
        const uint8_t *at = r->ptr;
        v->replica = crdti_get_index(r, d->replicas_len);
        v->plus = crdti_get_total(r);
        v->minus = crdti_get_total(r);
        if (i && v->replica <= before)
            crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
        before = v->replica;
    }
}

CRDTI_FN void crdti_get_content(crdti_reader *r, crdti_arena *arena,
                                const crdti_delta *d, crdti_delta_op *op)
{
    const uint8_t *at = r->ptr;
    switch (op->op.kind) {
    case CRDTI_VALUE:
        crdti_get_value(r, &op->op);
        if (op->op.form != CRDT_BOOL &&
            1u << d->objects[op->object].type & CRDTI_LWW_SETS)
            crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
        break;
    case CRDTI_CREATE:
        op->op.form = crdti_get_u8(r);
        if (op->op.form == CRDT_NONE)
            crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
        else if (op->op.form >= CRDT_TYPE_COUNT)
            crdti_reader_fail_at(r, at, CRDT_ERR_VERSION);
        else if (d->objects[op->object].depth >= CRDTSYNC_MAX_DEPTH)
            crdti_reader_fail_at(r, at, CRDT_ERR_LIMIT);
        break;
    case CRDTI_ADD:
        op->op.as.add.plus = crdti_get_total(r);
        op->op.as.add.minus = crdti_get_total(r);
        if (op->op.as.add.minus &&
            (d->objects[op->object].type == CRDT_GCOUNTER || op->key.len))
            crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
        break;
    case CRDTI_RESET:
        crdti_get_voids(r, arena, d, &op->op);
        break;
    case CRDTI_IN:
    case CRDTI_OUT:
        if (crdti_get_u8(r))
            crdti_reader_fail_at(r, at, CRDT_ERR_VERSION);
        break;
    default:
        break;
    }
}

/* One kill, and that its dot is one that the killer can have seen. `mark` is
 * the killer's own: it names a replica once. */
CRDTI_FN void crdti_get_kill(crdti_reader *r, const crdti_delta *d,
                             const crdti_op *killer, uint32_t mark,
                             crdti_delta_kill *kill)
{
    const uint8_t *at = r->ptr;
    uint64_t from, back;
    uint32_t *named;
    kill->replica = crdti_get_index(r, d->replicas_len);
    back = crdti_get_varint(r);
    if (r->err)
        return;
    from = kill->replica == killer->replica ? killer->seq - 1
                                            : d->replicas[kill->replica].top;
    named = &d->replicas[kill->replica].number;
    if (back >= from || *named == mark ||
        (killer->kind == CRDTI_ADD && kill->replica != killer->replica))
        crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
    kill->last = from - back;
    *named = mark;
}

CRDTI_FN void crdti_get_kills(crdti_reader *r, crdti_arena *arena,
                              crdti_delta *d, crdti_delta_op *op)
{
    size_t i, len = crdti_get_count(r, d->replicas_len, 2);
    uint32_t mark = (uint32_t)(op - d->ops) + 1;
    if (len == 0)
        crdti_reader_fail_at(r, r->ptr - 1, CRDT_ERR_CORRUPT);
    op->kills =
        (crdti_delta_kill *)crdti_get_array(r, arena, len, sizeof *op->kills);
    op->kills_len = (uint32_t)len;
    d->kills_len += len;
    for (i = 0; i < len && !r->err; i++)
        crdti_get_kill(r, d, &op->op, mark, &op->kills[i]);
}

/* Reads a whole delta; the bytes must outlive it, the arena must too. Errors
 * are on the reader. */
CRDTI_FN void crdti_get_delta(crdti_reader *r, crdti_arena *arena,
                              crdti_delta *d)
{
    size_t i;
    crdti_zero(d, sizeof *d);
    crdti_get_replicas(r, arena, d);
    crdti_get_objects(r, arena, d);
    d->ops_len = crdti_get_count(r, UINT32_MAX - 1, CRDTI_OP_MIN);
    d->ops = (crdti_delta_op *)crdti_get_array(r, arena, d->ops_len,
                                               sizeof *d->ops);
    crdti_get_dots(r, d);
    crdti_get_places(r, d);
    crdti_get_stamps(r, d);
    crdti_get_keys(r, arena, d);
    for (i = 0; i < d->ops_len && !r->err; i++)
        crdti_get_content(r, arena, d, &d->ops[i]);
    for (i = 0; i < d->ops_len && !r->err; i++)
        if (d->ops[i].kills_len)
            crdti_get_kills(r, arena, d, &d->ops[i]);
    if (!r->err && d->has_sequences)
        crdti_get_sequences(r, arena, d);
    if (!r->err && r->ptr != r->end)
        crdti_reader_fail(r, CRDT_ERR_CORRUPT);
}

#endif
