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
 */
#ifndef CRDTI_MAP_H
#define CRDTI_MAP_H

#include "order.h"
#include "register.h"
#include "state.h"
#include "write.h"

/* The entry when something is visible there. */
CRDTI_FN crdt_err crdti_map_entry(crdt_obj map, crdt_bytes key,
                                  uint32_t *entry)
{
    crdt_err err = crdti_check(map, CRDT_MAP);
    if (err)
        return err;
    *entry = crdti_entry_find(map.doc, map.index, key);
    if (!*entry || !crdti_entry_at(map.doc, *entry)->is_visible)
        return CRDT_ERR_NOT_FOUND;
    return CRDT_OK;
}

CRDTI_FN int crdti_map_has_key(crdt_bytes key)
{
    (void)key;
    return 1;
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

CRDT_API crdt_obj crdt_map_object(crdt_obj map, crdt_bytes key, crdt_type type)
{
    if (type > CRDT_NONE && type < CRDT_TYPE_COUNT)
        return crdti_map_container(map, key, type);
    if (map.doc)
        map.doc->error = CRDT_ERR_ARG;
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
        if (crdti_entry_at(map.doc, at)->is_visible)
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

/* For the type table. */
CRDTI_FN int crdti_map_read(crdt_doc *doc, uint32_t map, crdt_bytes key,
                            crdt_value *out)
{
    return !crdt_map_get(crdti_obj(doc, map), key, out);
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
    for (type = CRDT_NONE + 1; type < CRDT_TYPE_COUNT; type++) {
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

CRDT_API crdt_err crdt_map_next(crdt_obj map, crdt_cursor *cursor)
{
    uint32_t entry;
    crdt_err err = crdti_check(map, CRDT_MAP);
    if (!err)
        err = crdti_order_next(map, cursor, &entry);
    if (!err)
        cursor->value = crdti_entry_value(map.doc, entry);
    return err;
}

#endif
