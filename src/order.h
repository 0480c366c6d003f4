/*
 * The visible entries of an object in the order of their keys, for walking
 * maps and sets. It is sorted when it is first needed after the set of keys
 * has changed, and kept. A walk remembers its last key, not a place, so it goes
 * on right behind it whatever has changed meanwhile.
 */
#ifndef CRDTI_ORDER_H
#define CRDTI_ORDER_H

#include "array.h"
#include "row.h"
#include "sort.h"
#include "state.h"

/* By key. */
typedef struct crdti_order {
    CRDTI_ARRAY(uint32_t) slots; /* entries, and of sets rows */
    size_t next;                 /* where the walk that came last will go on */
} crdti_order;

CRDTI_FN void crdti_order_drop(crdt_doc *doc, crdti_object *object)
{
    crdti_order *order = (crdti_order *)object->state;
    if (!order)
        return;
    crdti_array_free(&doc->alloc, &order->slots);
    crdti_free(&doc->alloc, order, sizeof *order);
    object->state = NULL;
}

/* The key of a visible entry or of a row. */
CRDTI_FN crdt_bytes crdti_slot_key(const crdt_doc *doc, uint32_t slot,
                                   uint8_t room[CRDTI_ROW_KEY])
{
    if (slot & CRDTI_ROW_BIT)
        return crdti_row_key(doc, slot, room);
    return crdti_entry_key(crdti_entry_at(doc, slot));
}

CRDTI_FN int crdti_slot_order(const void *doc, uint32_t a, uint32_t b)
{
    uint8_t room_a[CRDTI_ROW_KEY], room_b[CRDTI_ROW_KEY];
    return crdti_bytes_order(crdti_slot_key((const crdt_doc *)doc, a, room_a),
                             crdti_slot_key((const crdt_doc *)doc, b, room_b));
}

/* Adds the rows of a set. NOMEM. */
CRDTI_FN crdt_err crdti_order_rows(crdt_doc *doc, uint32_t at,
                                   crdti_order *order)
{
    unsigned i;
    for (; at; at = crdti_block_at(doc, at)->next) {
        if (crdti_array_reserve(&doc->alloc, &order->slots, CRDTI_BLOCK_ROWS))
            return CRDT_ERR_NOMEM;
        for (i = 0; i < CRDTI_BLOCK_ROWS; i++)
            if (crdti_row_is_alive(crdti_block_at(doc, at), i))
                order->slots.ptr[order->slots.len++] = crdti_row_name(at, i);
    }
    return CRDT_OK;
}

/* An element that is in by several of them shows once. */
CRDTI_FN void crdti_order_unique(const crdt_doc *doc, crdti_order *order)
{
    size_t i, to = 0;
    for (i = 0; i < order->slots.len; i++)
        if (to == 0 || crdti_slot_order(doc, order->slots.ptr[to - 1],
                                        order->slots.ptr[i]))
            order->slots.ptr[to++] = order->slots.ptr[i];
    order->slots.len = to;
}

/* The object's order, made anew when its keys have changed. */
CRDTI_FN crdt_err crdti_order_get(crdt_doc *doc, uint32_t index,
                                  crdti_order **out)
{
    crdti_object *object = crdti_object_at(doc, index);
    crdti_order *order = (crdti_order *)object->state;
    uint32_t at;
    if (!order) {
        order = (crdti_order *)crdti_alloc(&doc->alloc, sizeof *order);
        if (!order)
            return CRDT_ERR_NOMEM;
        crdti_zero(order, sizeof *order);
        object->state = order;
        object->keys_changed = 1;
    }
    *out = order;
    if (!object->keys_changed)
        return CRDT_OK;
    order->slots.len = 0;
    if (crdti_array_reserve(&doc->alloc, &order->slots, object->weight) ||
        crdti_order_rows(doc, object->blocks, order))
        return CRDT_ERR_NOMEM;
    for (at = object->entries; at; at = crdti_entry_at(doc, at)->next) {
        if (!crdti_entry_at(doc, at)->is_visible)
            continue;
        if (crdti_array_reserve(&doc->alloc, &order->slots, 1))
            return CRDT_ERR_NOMEM;
        order->slots.ptr[order->slots.len++] = at;
    }
    crdti_sort(crdti_slot_order, doc, order->slots.ptr, order->slots.len);
    if (object->blocks)
        crdti_order_unique(doc, order);
    object->keys_changed = 0;
    return CRDT_OK;
}

CRDTI_FN int crdti_order_compare(const crdt_doc *doc, uint32_t slot,
                                 crdt_bytes key)
{
    uint8_t room[CRDTI_ROW_KEY];
    return crdti_bytes_order(crdti_slot_key(doc, slot, room), key);
}

/* The first place whose key is behind the cursor's: mostly the next one. */
CRDTI_FN size_t crdti_order_behind(const crdt_doc *doc,
                                   const crdti_order *order, crdt_bytes key)
{
    size_t low = 0, high = order->slots.len, next = order->next;
    if (next && next <= high &&
        crdti_order_compare(doc, order->slots.ptr[next - 1], key) == 0)
        return next;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (crdti_order_compare(doc, order->slots.ptr[middle], key) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The next visible entry or row; the cursor's value is the caller's to set.
 * NOT_FOUND at the end, NOMEM. */
CRDTI_FN crdt_err crdti_order_next(crdt_obj obj, crdt_cursor *cursor,
                                   uint32_t *slot)
{
    crdti_order *order;
    uint8_t room[CRDTI_ROW_KEY];
    crdt_bytes key;
    size_t place = 0;
    crdt_err err = crdti_order_get(obj.doc, obj.index, &order);
    if (err)
        return err;
    if (cursor->started)
        place = crdti_order_behind(obj.doc, order, cursor->key);
    if (place == order->slots.len)
        return CRDT_ERR_NOT_FOUND;
    order->next = place + 1;
    *slot = order->slots.ptr[place];
    key = crdti_slot_key(obj.doc, *slot, room);
    crdti_copy(cursor->key_copy, key.ptr, key.len);
    cursor->started = 1;
    cursor->key = crdt_bytes_of(cursor->key_copy, key.len);
    return CRDT_OK;
}

#endif
