/*
 * Elements of sets as keys: a value in bytes whose order is the order of the
 * values, so that a set is a map that nobody sees the keys of.
 *
 *     null            00
 *     false, true     20, 21
 *     int             40 + 10 + n, n bytes        0 or more, n as few as do
 *                     40 + 10 - n, n bytes of ~   below 0, at least one
 *     double          60, 8 bytes                 sign bit flipped, or all
 *     string, bytes   80, the bytes; a0, the bytes
 *     time            c0 + 10 + n ..              as an int
 *
 * The upper three bits of the first byte are the kind. A small int takes two
 * bytes, and one of less than 57 bits fits into an entry.
 */
#ifndef CRDTI_ELEMENT_H
#define CRDTI_ELEMENT_H

#include "base.h"
#include "bytes.h"
#include "limits.h"
#include "op.h"

typedef struct crdti_element {
    size_t len;
    uint8_t bytes[CRDTSYNC_MAX_KEY];
} crdti_element;

CRDTI_FN crdt_bytes crdti_element_key(const crdti_element *element)
{
    return crdt_bytes_of(element->bytes, element->len);
}

/* Appends the lower `count` bytes of the number, the highest first. */
CRDTI_FN void crdti_element_number(crdti_element *out, uint64_t number,
                                   unsigned count)
{
    while (count-- > 0)
        out->bytes[out->len++] = (uint8_t)(number >> 8 * count);
}

CRDTI_FN void crdti_element_integer(crdti_element *out, int64_t integer)
{
    uint64_t size = integer < 0 ? ~(uint64_t)integer : (uint64_t)integer;
    unsigned count = integer < 0;
    while (count < 8 && size >> 8 * count)
        count++;
    out->bytes[0] |= (uint8_t)(integer < 0 ? 16 - count : 16 + count);
    crdti_element_number(out, (uint64_t)integer, count);
}

/* The bits of a double as a number of the same order. */
CRDTI_FN uint64_t crdti_double_rank(double number)
{
    /* + 0.0 makes 0.0 of -0.0. */
    uint64_t bits = crdti_double_bits(number + 0.0);
    return bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
}

CRDTI_FN double crdti_double_of_rank(uint64_t rank)
{
    return crdti_double_from(rank >> 63 ? rank ^ UINT64_C(1) << 63 : ~rank);
}

/* ARG for what is no plain value, LIMIT. */
CRDTI_FN crdt_err crdti_element_encode(const crdt_value *value,
                                       crdti_element *out)
{
    out->len = 1;
    out->bytes[0] = (uint8_t)((unsigned)value->kind << 5);
    switch (value->kind) {
    case CRDT_NULL:
        return CRDT_OK;
    case CRDT_BOOL:
        out->bytes[0] |= value->as.boolean != 0;
        return CRDT_OK;
    case CRDT_INT:
    case CRDT_TIME:
        crdti_element_integer(out, value->as.integer);
        return CRDT_OK;
    case CRDT_DOUBLE:
        crdti_element_number(out, crdti_double_rank(value->as.number), 8);
        return CRDT_OK;
    case CRDT_STRING:
    case CRDT_BYTES:
        break;
    case CRDT_OBJECT:
    default:
        return CRDT_ERR_ARG;
    }
    if (value->as.bytes.len >= CRDTSYNC_MAX_KEY)
        return CRDT_ERR_LIMIT;
    if (value->as.bytes.len && !value->as.bytes.ptr)
        return CRDT_ERR_ARG;
    out->len += value->as.bytes.len;
    if (value->as.bytes.len)
        crdti_copy(out->bytes + 1, value->as.bytes.ptr, value->as.bytes.len);
    return CRDT_OK;
}

/* How many bytes follow on the first one, where that says it. */
CRDTI_FN unsigned crdti_element_rest(uint8_t lead)
{
    unsigned kind = lead >> 5, count = lead & 31;
    if (kind == CRDT_DOUBLE)
        return 8;
    if (kind != CRDT_INT && kind != CRDT_TIME)
        return 0;
    return count < 16 ? 16 - count : count - 16;
}

/* The bytes behind the first, up to eight, as a number. */
CRDTI_FN uint64_t crdti_element_read(crdt_bytes key)
{
    uint64_t number = 0;
    size_t i;
    for (i = 1; i < key.len && i < 9; i++)
        number = number << 8 | key.ptr[i];
    return number;
}

CRDTI_FN int64_t crdti_element_read_integer(crdt_bytes key)
{
    uint64_t number = crdti_element_read(key);
    int negative = (key.ptr[0] & 31) < 16;
    if (negative && key.len - 1 < 8)
        number |= UINT64_MAX << 8 * (key.len - 1);
    return number >> 63 ? -(int64_t)(~number) - 1 : (int64_t)number;
}

/* The value of a key that `encode` wrote, borrowed from it; of other bytes
 * some value. */
CRDTI_FN crdt_value crdti_element_decode(crdt_bytes key)
{
    crdt_value value;
    crdti_zero(&value, sizeof value);
    value.kind = (crdt_kind)(key.ptr[0] >> 5);
    switch (value.kind) {
    case CRDT_BOOL:
        value.as.boolean = key.ptr[0] & 1;
        break;
    case CRDT_INT:
    case CRDT_TIME:
        value.as.integer = crdti_element_read_integer(key);
        break;
    case CRDT_DOUBLE:
        value.as.number = crdti_double_of_rank(crdti_element_read(key));
        break;
    case CRDT_STRING:
    case CRDT_BYTES:
        value.as.bytes = crdt_bytes_of(key.ptr + 1, key.len - 1);
        break;
    case CRDT_NULL:
    case CRDT_OBJECT:
    default:
        break;
    }
    return value;
}

/* Of an integer: as many bytes as it says, and fewer would not do. */
CRDTI_FN int crdti_element_is_integer(crdt_bytes key)
{
    unsigned negative = (key.ptr[0] & 31) < 16;
    unsigned rest = crdti_element_rest(key.ptr[0]);
    if (rest > 8 || rest < negative || key.len != rest + 1u)
        return 0;
    if (rest == 8 && key.ptr[1] >> 7 != negative)
        return 0; /* beyond 64 bits */
    return rest == negative || key.ptr[1] != (negative ? 0xff : 0);
}

/* Whether the bytes are what `encode` writes: each element has one key. */
CRDTI_FN int crdti_element_is_key(crdt_bytes key)
{
    crdti_element again;
    crdt_value value;
    if (!key.len || key.len > CRDTSYNC_MAX_KEY)
        return 0;
    if (key.ptr[0] >> 5 == CRDT_INT || key.ptr[0] >> 5 == CRDT_TIME)
        return crdti_element_is_integer(key);
    value = crdti_element_decode(key);
    return !crdti_element_encode(&value, &again) &&
           crdt_bytes_equal(crdti_element_key(&again), key);
}

/* The order of values that elements have too: less than 0, 0, or greater. */
CRDTI_FN int crdti_value_order(const crdt_value *a, const crdt_value *b)
{
    uint64_t x, y;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    switch (a->kind) {
    case CRDT_BOOL:
        return (a->as.boolean != 0) - (b->as.boolean != 0);
    case CRDT_INT:
    case CRDT_TIME:
        return (a->as.integer > b->as.integer) -
               (a->as.integer < b->as.integer);
    case CRDT_DOUBLE:
        x = crdti_double_rank(a->as.number);
        y = crdti_double_rank(b->as.number);
        return (x > y) - (x < y);
    case CRDT_STRING:
    case CRDT_BYTES:
        return crdti_bytes_order(a->as.bytes, b->as.bytes);
    case CRDT_NULL:
    case CRDT_OBJECT:
    default:
        return 0;
    }
}

#endif
