/*
 * Places: what there is to read in a document. A place is a key of a map, an
 * element of a set or list, a list, or the one value of any other object. Before something is
 * done to a place for the first time since the watcher of the document was
 * told, what it reads is kept; so is what the keys above it read, as they
 * change when the object that they show appears or disappears.
 *
 *     born, dies --> touch (14, "views") before: 7
 *                          (3, "beach.jpg") before: map 14
 *                          (1, "images") before: map 3
 *                    tell  reads them again: event.h
 *
 * Without a watcher a touch is one comparison.
 */
#ifndef CRDTI_PLACE_H
#define CRDTI_PLACE_H

#include "arena.h"
#include "array.h"
#include "hash.h"
#include "state.h"

typedef struct crdti_place {
    uint32_t object;
    uint32_t actor; /* number of the replica that was at it last */
    crdt_bytes key; /* in the arena, as all bytes here */
    crdt_value before, now;
    uint32_t elements; /* of a list: its touched elements; place + 1 */
    uint32_t next;     /* of an element: among them */
    uint8_t had_before, has_now, is_changed;
} crdti_place;

struct crdti_watch {
    crdt_patch_fn *fn;
    void *ctx;
    CRDTI_ARRAY(crdti_place) places; /* touched since the last telling */
    crdti_hash_table index;          /* (object, key) -> place + 1 */
    crdti_arena arena;
    uint8_t is_lost; /* there was no memory for a place */
    uint8_t is_telling;
};

/* The touched place, or NULL. */
CRDTI_FN crdti_place *crdti_place_find(const crdti_watch *watch,
                                       uint32_t object, crdt_bytes key,
                                       uint64_t hash)
{
    size_t iter;
    uint32_t at = crdti_table_first(&watch->index, hash, &iter);
    for (; at; at = crdti_table_next(&watch->index, hash, &iter)) {
        crdti_place *place = &watch->places.ptr[at - 1];
        if (place->object == object && crdt_bytes_equal(place->key, key))
            return place;
    }
    return NULL;
}

/* Copies the bytes; NOMEM. */
CRDTI_FN crdt_err crdti_watch_keep(crdti_watch *watch, crdt_bytes *bytes)
{
    uint8_t *copy = (uint8_t *)crdti_arena_alloc(&watch->arena, bytes->len);
    if (!copy)
        return CRDT_ERR_NOMEM;
    crdti_copy(copy, bytes->ptr, bytes->len);
    bytes->ptr = copy;
    return CRDT_OK;
}

/* Adds the place with what it reads now. */
CRDTI_FN crdt_err crdti_place_add(crdt_doc *doc, uint32_t object,
                                  crdt_bytes key, uint64_t hash)
{
    crdti_watch *watch = doc->watch;
    const crdti_type *type = crdti_type_at(doc, crdti_object_at(doc, object));
    crdti_place *place;
    if (crdti_array_reserve(&doc->alloc, &watch->places, 1) ||
        crdti_table_reserve(&doc->alloc, &watch->index, 1) ||
        crdti_watch_keep(watch, &key))
        return CRDT_ERR_NOMEM;
    place = &watch->places.ptr[watch->places.len];
    crdti_zero(place, sizeof *place);
    place->object = object;
    place->actor = doc->actor;
    place->key = key;
    place->had_before = (uint8_t)type->read(doc, object, key, &place->before);
    if (place->had_before && type->shape != CRDTI_BY_ELEMENT &&
        (place->before.kind == CRDT_STRING ||
         place->before.kind == CRDT_BYTES) &&
        crdti_watch_keep(watch, &place->before.as.bytes))
        return CRDT_ERR_NOMEM;
    crdti_table_insert(&watch->index, hash, (uint32_t)++watch->places.len);
    return CRDT_OK;
}

/* The key of the place that is touched with that key. */
CRDTI_FN crdt_bytes crdti_place_key(const crdti_type *type, crdt_bytes key)
{
    if (type->shape == CRDTI_ONE_VALUE || type->shape == CRDTI_BY_STEPS ||
        (type->shape == CRDTI_BY_INDEX && key.len != CRDTI_ELEMENT_KEY))
        key.len = 0;
    return key;
}

/* Finds or adds the place. NULL: there is no memory. */
CRDTI_FN crdti_place *crdti_place_get(crdt_doc *doc, uint32_t object,
                                      crdt_bytes key, int *is_new)
{
    crdti_watch *watch = doc->watch;
    uint64_t hash = crdti_entry_hash(doc, object, key);
    crdti_place *place = crdti_place_find(watch, object, key, hash);
    *is_new = !place;
    if (place)
        return place;
    if (crdti_place_add(doc, object, key, hash)) {
        watch->is_lost = 1;
        return NULL;
    }
    return &watch->places.ptr[watch->places.len - 1];
}

/* The place, the list that it is an element of, and the keys above, as far as
 * they are not touched yet. */
CRDTI_FN void crdti_place_touch(crdt_doc *doc, uint32_t object, crdt_bytes key)
{
    crdti_watch *watch = doc->watch;
    uint32_t element = 0;
    int is_above = 0, is_new;
    while (!watch->is_lost) {
        const crdti_object *at = crdti_object_at(doc, object);
        const crdti_type *type = crdti_type_at(doc, at);
        const crdti_entry *entry;
        crdti_place *place;
        key = crdti_place_key(type, key);
        place = crdti_place_get(doc, object, key, &is_new);
        if (!place)
            return;
        if (!is_above)
            place->actor = doc->actor;
        if (element) {
            watch->places.ptr[element - 1].next = place->elements;
            place->elements = element;
            element = 0;
        }
        if (!is_new && (is_above || !key.len || type->shape != CRDTI_BY_INDEX))
            return;
        if (key.len && type->shape == CRDTI_BY_INDEX) {
            element = is_new ? (uint32_t)watch->places.len : 0;
            key.len = 0;
            continue;
        }
        if (!at->entry)
            return;
        entry = crdti_entry_at(doc, at->entry);
        object = entry->object;
        key = crdti_entry_key(entry);
        is_above = 1;
    }
}

/* Something is about to be done there, by doc->actor. */
CRDTI_INLINE void crdti_touch(crdt_doc *doc, uint32_t object, crdt_bytes key)
{
    if (CRDTI_UNLIKELY(doc->watch != NULL))
        crdti_place_touch(doc, object, key);
}

CRDTI_INLINE void crdti_touch_entry(crdt_doc *doc, const crdti_entry *entry)
{
    if (CRDTI_UNLIKELY(doc->watch != NULL))
        crdti_place_touch(doc, entry->object, crdti_entry_key(entry));
}

CRDTI_FN int crdti_is_telling(const crdt_doc *doc)
{
    return doc->watch && doc->watch->is_telling;
}

#endif
