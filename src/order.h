/*
 * The visible entries of an object in the order of their keys, for walking
 * maps and sets. It is sorted when it is first needed after the set of keys
 * has changed, and kept. A walk remembers its last key, not a place, so it goes
 * on right behind it whatever has changed meanwhile.
 */
#ifndef CRDTI_ORDER_H
#define CRDTI_ORDER_H

#include "array.h"
#include "state.h"

/* The visible entries by key. */
typedef struct crdti_order {
    CRDTI_ARRAY(uint32_t) entries;
    size_t next; /* where the walk that came last will go on */
} crdti_order;

CRDTI_FN void crdti_order_drop(crdt_doc *doc, crdti_object *object)
{
    crdti_order *order = (crdti_order *)object->state;
    if (!order)
        return;
    crdti_array_free(&doc->alloc, &order->entries);
    crdti_free(&doc->alloc, order, sizeof *order);
    object->state = NULL;
}

/* Heap sort: in place, no recursion, no bad case. */
CRDTI_FN void crdti_order_sift(const crdt_doc *doc, uint32_t *heap,
                               size_t root, size_t len)
{
    for (;;) {
        size_t child = 2 * root + 1;
        uint32_t swapped;
        if (child >= len)
            return;
        if (child + 1 < len &&
            crdti_bytes_order(
                crdti_entry_key(crdti_entry_at(doc, heap[child])),
                crdti_entry_key(crdti_entry_at(doc, heap[child + 1]))) < 0)
            child++;
        if (crdti_bytes_order(
                crdti_entry_key(crdti_entry_at(doc, heap[root])),
                crdti_entry_key(crdti_entry_at(doc, heap[child]))) >= 0)
            return;
        swapped = heap[root];
        heap[root] = heap[child];
        heap[child] = swapped;
        root = child;
    }
}

CRDTI_FN void crdti_order_sort(const crdt_doc *doc, uint32_t *entries,
                               size_t len)
{
    size_t i;
    for (i = len / 2; i > 0; i--)
        crdti_order_sift(doc, entries, i - 1, len);
    for (i = len; i > 1; i--) {
        uint32_t greatest = entries[0];
        entries[0] = entries[i - 1];
        entries[i - 1] = greatest;
        crdti_order_sift(doc, entries, 0, i - 1);
    }
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
    order->entries.len = 0;
    if (crdti_array_reserve(&doc->alloc, &order->entries, object->weight))
        return CRDT_ERR_NOMEM;
    for (at = object->entries; at; at = crdti_entry_at(doc, at)->next)
        if (crdti_entry_at(doc, at)->is_visible)
            order->entries.ptr[order->entries.len++] = at;
    crdti_order_sort(doc, order->entries.ptr, order->entries.len);
    object->keys_changed = 0;
    return CRDT_OK;
}

CRDTI_FN crdt_bytes crdti_order_key(const crdt_doc *doc,
                                    const crdti_order *order, size_t place)
{
    return crdti_entry_key(crdti_entry_at(doc, order->entries.ptr[place]));
}

/* The first place whose key is behind the cursor's: mostly the next one. */
CRDTI_FN size_t crdti_order_behind(const crdt_doc *doc,
                                   const crdti_order *order, crdt_bytes key)
{
    size_t low = 0, high = order->entries.len, next = order->next;
    if (next && next <= high &&
        crdt_bytes_equal(crdti_order_key(doc, order, next - 1), key))
        return next;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (crdti_bytes_order(crdti_order_key(doc, order, middle), key) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The next visible entry; the cursor's value is the caller's to set.
 * NOT_FOUND at the end, NOMEM. */
CRDTI_FN crdt_err crdti_order_next(crdt_obj obj, crdt_cursor *cursor,
                                   uint32_t *entry)
{
    crdti_order *order;
    crdt_bytes key;
    size_t place = 0;
    crdt_err err = crdti_order_get(obj.doc, obj.index, &order);
    if (err)
        return err;
    if (cursor->started)
        place = crdti_order_behind(obj.doc, order, cursor->key);
    if (place == order->entries.len)
        return CRDT_ERR_NOT_FOUND;
    order->next = place + 1;
    *entry = order->entries.ptr[place];
    key = crdti_entry_key(crdti_entry_at(obj.doc, *entry));
    crdti_copy(cursor->key_copy, key.ptr, key.len);
    cursor->started = 1;
    cursor->key = crdt_bytes_of(cursor->key_copy, key.len);
    return CRDT_OK;
}

#endif
