/*
 * Maps: an entry a key. A key holds plain values and CREATEs of containers;
 * containers hang below it, one a type.
 *
 *     entry "photo"   CREATE map by a.3
 *                     child  map { "size": 48213, "views": counter 7 }
 *
 * What is shown at a key: the winner by stamp of its VALUEs and CREATEs. A
 * container whose CREATE was removed while others wrote into it is visible
 * too, and yields to a winner.
 *
 * Iteration is by key bytes. The order is sorted when it is first needed after
 * the set of keys has changed, and kept.
 */
#ifndef CRDTI_MAP_H
#define CRDTI_MAP_H

#include "register.h"
#include "state.h"
#include "write.h"

/* The visible entries by key. */
typedef struct crdti_order {
    CRDTI_ARRAY(uint32_t) entries;
    size_t next; /* where the walk that came last will go on */
} crdti_order;

CRDTI_FN void crdti_map_drop(crdt_doc *doc, crdti_object *object)
{
    crdti_order *order = (crdti_order *)object->state;
    if (!order)
        return;
    crdti_array_free(&doc->alloc, &order->entries);
    crdti_free(&doc->alloc, order, sizeof *order);
    object->state = NULL;
}

/* The entry when something is visible there. */
CRDTI_FN crdt_err crdti_map_entry(crdt_obj map, crdt_bytes key,
                                  uint32_t *entry)
{
    crdt_err err = crdti_check(map, CRDT_MAP);
    if (err)
        return err;
    *entry = crdti_entry_find(map.doc, map.index, key);
    if (!*entry || !crdti_entry_at(map.doc, *entry)->visible)
        return CRDT_ERR_NOT_FOUND;
    return CRDT_OK;
}

/* >>containers ------------------------------------------------------------ */

/* The live CREATE of a container of that type, or 0. */
CRDTI_FN uint32_t crdti_entry_create(const crdt_doc *doc, uint32_t entry,
                                     uint8_t type)
{
    uint32_t at;
    for (at = crdti_entry_at(doc, entry)->ops; at;
         at = crdti_op_at(doc, at)->next) {
        const crdti_op *op = crdti_op_at(doc, at);
        if (op->kind == CRDTI_CREATE && op->form == type)
            return at;
    }
    return 0;
}

/* Whether the container is visible: created and not removed, or written to. */
CRDTI_FN int crdti_object_is_visible(const crdt_doc *doc, uint32_t index)
{
    const crdti_object *object = crdti_object_at(doc, index);
    return object->weight ||
           crdti_entry_create(doc, object->entry, object->type);
}

/* The visible container at the entry that comes first by type, or 0. */
CRDTI_FN uint32_t crdti_entry_container(const crdt_doc *doc, uint32_t entry)
{
    uint32_t best = 0, child = crdti_entry_at(doc, entry)->child;
    for (; child; child = crdti_object_at(doc, child)->sibling) {
        const crdti_object *object = crdti_object_at(doc, child);
        if (!crdti_object_is_visible(doc, child))
            continue;
        if (!best || object->type < crdti_object_at(doc, best)->type)
            best = child;
    }
    return best;
}

/* Writes the CREATE of a container that is not visible. */
CRDTI_FN crdt_err crdti_container_write(crdt_doc *doc, uint32_t object)
{
    crdti_op draft;
    crdti_zero(&draft, sizeof draft);
    draft.kind = CRDTI_CREATE;
    draft.form = crdti_object_at(doc, object)->type;
    draft.entry = crdti_object_at(doc, object)->entry;
    draft.as.value.stamp = crdti_write_stamp(doc);
    return crdti_write_scope(doc, &draft);
}

CRDTI_FN crdt_err crdti_container_get(crdt_doc *doc, uint32_t map,
                                      crdt_bytes key, crdt_type type,
                                      uint32_t *out)
{
    uint32_t entry, known;
    crdt_err err = crdti_entry_get(doc, map, key, &entry);
    if (err)
        return err;
    known = crdti_object_find(doc, entry, type);
    *out = known;
    if (known && crdti_object_is_visible(doc, known))
        return CRDT_OK;
    if (crdti_entry_container(doc, entry))
        return CRDT_ERR_TYPE;
    err = crdti_object_get(doc, entry, type, out);
    if (!err) {
        err = crdti_container_write(doc, *out);
        if (err && !known)
            crdti_object_undo(doc, *out);
    } else {
        crdti_entry_tidy(doc, entry);
    }
    return err;
}

CRDTI_FN crdt_obj crdti_obj(crdt_doc *doc, uint32_t index)
{
    crdt_obj obj;
    obj.doc = doc;
    obj.index = index;
    return obj;
}

CRDTI_FN crdt_obj crdti_map_container(crdt_obj map, crdt_bytes key,
                                      crdt_type type)
{
    uint32_t index = 0;
    crdt_err err = crdti_check(map, CRDT_MAP);
    if (!err)
        err = crdti_container_get(map.doc, map.index, key, type, &index);
    if (!err)
        return crdti_obj(map.doc, index);
    if (map.doc && map.index)
        map.doc->error = err;
    return crdti_obj(map.doc, 0);
}

CRDT_API crdt_obj crdt_map_map(crdt_obj map, crdt_bytes key)
{
    return crdti_map_container(map, key, CRDT_MAP);
}

CRDT_API crdt_obj crdt_map_register(crdt_obj map, crdt_bytes key)
{
    return crdti_map_container(map, key, CRDT_REGISTER);
}

CRDT_API crdt_obj crdt_map_counter(crdt_obj map, crdt_bytes key)
{
    return crdti_map_container(map, key, CRDT_COUNTER);
}

CRDT_API crdt_obj crdt_map_find(crdt_obj map, crdt_bytes key, crdt_type type)
{
    uint32_t entry, found = 0;
    if (!crdti_map_entry(map, key, &entry))
        found = crdti_object_find(map.doc, entry, type);
    if (found && !crdti_object_is_visible(map.doc, found))
        found = 0;
    return crdti_obj(map.doc, found);
}

/* >>writing --------------------------------------------------------------- */

CRDT_API crdt_err crdt_map_put(crdt_obj map, crdt_bytes key, crdt_value value)
{
    crdt_err err = crdti_check(map, CRDT_MAP);
    if (err)
        return err;
    return crdti_value_write(map.doc, map.index, key, &value);
}

CRDT_API crdt_err crdt_map_put_null(crdt_obj map, crdt_bytes key)
{
    return crdt_map_put(map, key, crdt_null());
}

CRDT_API crdt_err crdt_map_put_bool(crdt_obj map, crdt_bytes key, int value)
{
    return crdt_map_put(map, key, crdt_bool(value));
}

CRDT_API crdt_err crdt_map_put_int(crdt_obj map, crdt_bytes key, int64_t value)
{
    return crdt_map_put(map, key, crdt_int(value));
}

CRDT_API crdt_err crdt_map_put_double(crdt_obj map, crdt_bytes key,
                                      double value)
{
    return crdt_map_put(map, key, crdt_double(value));
}

CRDT_API crdt_err crdt_map_put_str(crdt_obj map, crdt_bytes key,
                                   crdt_bytes value)
{
    return crdt_map_put(map, key, crdt_string(value));
}

CRDT_API crdt_err crdt_map_put_bytes(crdt_obj map, crdt_bytes key,
                                     crdt_bytes value)
{
    return crdt_map_put(map, key, crdt_blob(value));
}

CRDT_API crdt_err crdt_map_remove(crdt_obj map, crdt_bytes key)
{
    uint32_t entry;
    crdt_err err = crdti_map_entry(map, key, &entry);
    return err ? err : crdti_value_remove(map.doc, entry);
}

CRDT_API crdt_err crdt_map_clear(crdt_obj map)
{
    uint32_t at, next;
    crdt_err err = crdti_check(map, CRDT_MAP);
    if (err)
        return err;
    for (at = crdti_object_at(map.doc, map.index)->entries; at && !err;
         at = next) {
        next = crdti_entry_at(map.doc, at)->next;
        if (crdti_entry_at(map.doc, at)->visible)
            err = crdti_value_remove(map.doc, at);
    }
    return err;
}

/* >>reading --------------------------------------------------------------- */

/* What a visible entry shows. */
CRDTI_FN crdt_value crdti_entry_value(crdt_doc *doc, uint32_t entry)
{
    uint32_t winner = crdti_entry_winner(doc, entry);
    crdt_value value;
    if (winner)
        return crdti_op_version(doc, crdti_op_at(doc, winner)).value;
    value.kind = CRDT_OBJECT;
    value.as.object = crdti_obj(doc, crdti_entry_container(doc, entry));
    return value;
}

CRDT_API crdt_err crdt_map_get(crdt_obj map, crdt_bytes key, crdt_value *out)
{
    uint32_t entry;
    crdt_err err = crdti_map_entry(map, key, &entry);
    if (!err)
        *out = crdti_entry_value(map.doc, entry);
    return err;
}

CRDTI_FN crdt_err crdti_map_get_kind(crdt_obj map, crdt_bytes key,
                                     crdt_kind kind, crdt_value *out)
{
    crdt_value value;
    crdt_err err = crdt_map_get(map, key, &value);
    if (err)
        return err;
    if (value.kind != kind)
        return CRDT_ERR_TYPE;
    *out = value;
    return CRDT_OK;
}

CRDT_API crdt_err crdt_map_get_bool(crdt_obj map, crdt_bytes key, int *out)
{
    crdt_value value;
    crdt_err err = crdti_map_get_kind(map, key, CRDT_BOOL, &value);
    if (!err)
        *out = value.as.boolean;
    return err;
}

CRDT_API crdt_err crdt_map_get_int(crdt_obj map, crdt_bytes key, int64_t *out)
{
    crdt_value value;
    crdt_err err = crdti_map_get_kind(map, key, CRDT_INT, &value);
    if (!err)
        *out = value.as.integer;
    return err;
}

CRDT_API crdt_err crdt_map_get_double(crdt_obj map, crdt_bytes key,
                                      double *out)
{
    crdt_value value;
    crdt_err err = crdti_map_get_kind(map, key, CRDT_DOUBLE, &value);
    if (!err)
        *out = value.as.number;
    return err;
}

CRDT_API crdt_err crdt_map_get_str(crdt_obj map, crdt_bytes key,
                                   crdt_bytes *out)
{
    crdt_value value;
    crdt_err err = crdti_map_get_kind(map, key, CRDT_STRING, &value);
    if (!err)
        *out = value.as.bytes;
    return err;
}

CRDT_API crdt_err crdt_map_get_bytes(crdt_obj map, crdt_bytes key,
                                     crdt_bytes *out)
{
    crdt_value value;
    crdt_err err = crdti_map_get_kind(map, key, CRDT_BYTES, &value);
    if (!err)
        *out = value.as.bytes;
    return err;
}

/* Calls fn with the containers that outlived their CREATE, by type: nobody's
 * dot and no stamp stand for them. */
CRDTI_FN void crdti_entry_orphans(crdt_doc *doc, uint32_t entry,
                                  crdt_version_fn *fn, void *ctx)
{
    int type;
    for (type = CRDT_NONE + 1; type < CRDTI_TYPE_COUNT; type++) {
        uint32_t child = crdti_object_find(doc, entry, (crdt_type)type);
        crdt_version version;
        if (!child || !crdti_object_at(doc, child)->weight ||
            crdti_entry_create(doc, entry, (uint8_t)type))
            continue;
        crdti_zero(&version, sizeof version);
        version.value.kind = CRDT_OBJECT;
        version.value.as.object = crdti_obj(doc, child);
        fn(ctx, &version);
    }
}

CRDT_API crdt_err crdt_map_versions(crdt_obj map, crdt_bytes key,
                                    crdt_version_fn *fn, void *ctx)
{
    uint32_t entry;
    crdt_err err = crdti_map_entry(map, key, &entry);
    if (err)
        return err;
    crdti_entry_versions(map.doc, entry, fn, ctx);
    crdti_entry_orphans(map.doc, entry, fn, ctx);
    return CRDT_OK;
}

CRDT_API int crdt_map_has(crdt_obj map, crdt_bytes key)
{
    uint32_t entry;
    return crdti_map_entry(map, key, &entry) == CRDT_OK;
}

CRDT_API size_t crdt_map_size(crdt_obj map)
{
    if (crdti_check(map, CRDT_MAP))
        return 0;
    return crdti_object_at(map.doc, map.index)->weight;
}

/* >>iteration ------------------------------------------------------------- */

CRDTI_FN int crdti_key_order(crdt_bytes a, crdt_bytes b)
{
    int order = crdti_compare(a.ptr, b.ptr, crdti_min_size(a.len, b.len));
    return order ? order : (a.len > b.len) - (a.len < b.len);
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
            crdti_key_order(
                crdti_entry_key(crdti_entry_at(doc, heap[child])),
                crdti_entry_key(crdti_entry_at(doc, heap[child + 1]))) < 0)
            child++;
        if (crdti_key_order(
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

/* The map's order, made anew when its keys have changed. */
CRDTI_FN crdt_err crdti_map_order(crdt_doc *doc, uint32_t map,
                                  crdti_order **out)
{
    crdti_object *object = crdti_object_at(doc, map);
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
        if (crdti_entry_at(doc, at)->visible)
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
        if (crdti_key_order(crdti_order_key(doc, order, middle), key) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

CRDT_API crdt_err crdt_map_next(crdt_obj map, crdt_cursor *cursor)
{
    crdti_order *order;
    crdt_bytes key;
    size_t place = 0;
    uint32_t entry;
    crdt_err err = crdti_check(map, CRDT_MAP);
    if (!err)
        err = crdti_map_order(map.doc, map.index, &order);
    if (err)
        return err;
    if (cursor->started)
        place = crdti_order_behind(map.doc, order, cursor->key);
    if (place == order->entries.len)
        return CRDT_ERR_NOT_FOUND;
    order->next = place + 1;
    entry = order->entries.ptr[place];
    key = crdti_entry_key(crdti_entry_at(map.doc, entry));
    crdti_copy(cursor->key_copy, key.ptr, key.len);
    cursor->started = 1;
    cursor->key = crdt_bytes_of(cursor->key_copy, key.len);
    cursor->value = crdti_entry_value(map.doc, entry);
    return CRDT_OK;
}

#endif
