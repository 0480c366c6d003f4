/*
 * Live operations: what the state of a document is made of.
 *
 * Every local change is an op and takes a dot. An op that is alive is one
 * record, filed twice: in the list of its entry (what is at this key?) and in
 * the journal of its replica (what is new since seq n?).
 *
 *     kind      what it says                     who kills it
 *     VALUE     this plain value is here         any later write of the key
 *     CREATE    this container is here           the same
 *     ADD       my additions so far: plus, minus my next ADD
 *     RESET     additions up to here are void    a later RESET that saw it
 *     REMOVE    what I saw here is gone          never alive: kept while its
 *                                                kill records are
 *     IN        this element, or flag, is set    any later write of it
 *     OUT       this element, or flag, is not    the same
 *     MOVE      this element of a list stands    any later MOVE of it
 *               where that dot is
 *
 * The content of a dot never changes, so its share of the digest is a pure
 * function of it.
 */
#ifndef CRDTI_OP_H
#define CRDTI_OP_H

#include "alloc.h"
#include "base.h"
#include "dot.h"
#include "limits.h"

/* The numbers are part of the wire format. */
enum {
    CRDTI_VALUE = 1,
    CRDTI_CREATE = 2,
    CRDTI_ADD = 3,
    CRDTI_RESET = 4,
    CRDTI_REMOVE = 5,
    CRDTI_IN = 6,
    CRDTI_OUT = 7,
    CRDTI_MOVE = 8,
    CRDTI_KIND_COUNT = 9
};

/* What a RESET voids of one replica's additions. */
typedef struct crdti_void {
    uint64_t plus, minus;
    uint32_t replica;
} crdti_void;

/* One cache line. */
typedef struct crdti_op {
    uint32_t entry;   /* where it is filed */
    uint32_t replica; /* with seq: its dot */
    uint64_t seq;
    uint32_t prev, next;   /* among the live ops of the entry */
    uint32_t older, newer; /* in the journal of the replica */
    uint32_t kills;        /* kill records that name it as the killer */
    uint32_t len;          /* of bytes, or of voids */
    uint8_t kind;
    uint8_t form; /* VALUE: crdt_kind; CREATE: crdt_type */
    union {
        struct {
            uint64_t stamp;
            union {
                int64_t integer;
                double number;
                uint8_t *bytes;
            } as;
        } value; /* VALUE; CREATE and MOVE have just the stamp */
        struct {
            uint64_t plus, minus;
        } add;
        crdti_void *voids; /* RESET, by replica number */
    } as;
} crdti_op;

CRDTI_FN int crdti_op_is_alive(const crdti_op *op)
{
    return op->kind != CRDTI_REMOVE;
}

CRDTI_FN int crdti_has_stamp(uint8_t kind)
{
    return kind == CRDTI_VALUE || kind == CRDTI_CREATE || kind == CRDTI_MOVE;
}

/* Whether it makes its entry visible, where the type does not know better. */
CRDTI_FN int crdti_op_is_shown(const crdti_op *op)
{
    return op->kind == CRDTI_VALUE || op->kind == CRDTI_CREATE ||
           op->kind == CRDTI_IN;
}

CRDTI_FN int crdti_op_has_bytes(const crdti_op *op)
{
    return op->kind == CRDTI_VALUE &&
           (op->form == CRDT_STRING || op->form == CRDT_BYTES);
}

CRDTI_FN crdt_bytes crdti_op_bytes(const crdti_op *op)
{
    return crdt_bytes_of(op->as.value.as.bytes, op->len);
}

/* Frees what the record owns, not the record. */
CRDTI_FN void crdti_op_drop(const crdt_alloc *alloc, crdti_op *op)
{
    if (crdti_op_has_bytes(op))
        crdti_free(alloc, op->as.value.as.bytes, op->len);
    else if (op->kind == CRDTI_RESET)
        crdti_free(alloc, op->as.voids, op->len * sizeof(crdti_void));
}

/* The bits of a double, with one pattern for all NaNs: the same number must
 * be the same bytes on every replica. */
CRDTI_FN uint64_t crdti_double_bits(double number)
{
    uint64_t bits;
    if (number != number)
        return UINT64_C(0x7ff8000000000000);
    crdti_copy(&bits, &number, sizeof bits);
    return bits;
}

CRDTI_FN double crdti_double_from(uint64_t bits)
{
    double number;
    crdti_copy(&number, &bits, sizeof number);
    return number;
}

/* The value for reading; bytes are borrowed from the op. */
CRDTI_FN crdt_value crdti_op_value(const crdti_op *op)
{
    crdt_value value;
    value.kind = (crdt_kind)op->form;
    if (crdti_op_has_bytes(op))
        value.as.bytes = crdti_op_bytes(op);
    else if (value.kind == CRDT_DOUBLE)
        value.as.number = op->as.value.as.number;
    else if (value.kind == CRDT_BOOL)
        value.as.boolean = (int)op->as.value.as.integer;
    else
        value.as.integer = op->as.value.as.integer;
    return value;
}

/* Whether it is a plain value that can be written. ARG, LIMIT. */
CRDTI_FN crdt_err crdti_value_check(const crdt_value *value)
{
    int has_bytes = value->kind == CRDT_STRING || value->kind == CRDT_BYTES;
    if ((unsigned)value->kind >= CRDT_OBJECT ||
        (has_bytes && value->as.bytes.len && !value->as.bytes.ptr))
        return CRDT_ERR_ARG;
    if (has_bytes && value->as.bytes.len > CRDTSYNC_MAX_VALUE)
        return CRDT_ERR_LIMIT;
    return CRDT_OK;
}

/* Fills the op from a value, copying bytes. ARG, LIMIT, NOMEM. */
CRDTI_FN crdt_err crdti_op_set_value(const crdt_alloc *alloc, crdti_op *op,
                                     const crdt_value *value)
{
    crdt_err err = crdti_value_check(value);
    if (err)
        return err;
    op->kind = CRDTI_VALUE;
    op->form = (uint8_t)value->kind;
    op->as.value.as.integer = 0;
    switch (value->kind) {
    case CRDT_NULL:
        return CRDT_OK;
    case CRDT_BOOL:
        op->as.value.as.integer = value->as.boolean != 0;
        return CRDT_OK;
    case CRDT_INT:
    case CRDT_TIME:
        op->as.value.as.integer = value->as.integer;
        return CRDT_OK;
    case CRDT_DOUBLE:
        op->as.value.as.number =
            crdti_double_from(crdti_double_bits(value->as.number));
        return CRDT_OK;
    case CRDT_STRING:
    case CRDT_BYTES:
    case CRDT_OBJECT:
    default:
        break;
    }
    op->as.value.as.bytes = NULL;
    op->len = (uint32_t)value->as.bytes.len;
    if (op->len == 0)
        return CRDT_OK;
    op->as.value.as.bytes = (uint8_t *)crdti_alloc(alloc, op->len);
    if (!op->as.value.as.bytes)
        return CRDT_ERR_NOMEM;
    crdti_copy(op->as.value.as.bytes, value->as.bytes.ptr, op->len);
    return CRDT_OK;
}

/* Last writer wins: the later stamp, then the greater dot. Stamps of different
 * replicas may be equal; replica ids never are. */
CRDTI_FN int crdti_op_is_later(const crdti_op *a, const crdt_id *a_id,
                               const crdti_op *b, const crdt_id *b_id)
{
    int order;
    if (a->as.value.stamp != b->as.value.stamp)
        return a->as.value.stamp > b->as.value.stamp;
    order = crdti_id_order(a_id, b_id);
    return order ? order > 0 : a->seq > b->seq;
}

#endif
