/*
 * Sets: an entry an element, whose key is the element in bytes. What the types
 * disagree about is what a remove writes, and the reading of concurrent writes.
 *
 *                  add             remove          it is in when there is
 *     G-set        IN, if not in   -               an IN
 *     2P-set       IN, if not in   OUT             an IN and no OUT
 *     AW set       IN              REMOVE          an IN
 *     RW set       IN              OUT             an IN and no OUT
 *     LWW set      VALUE true      VALUE false     true in the latest VALUE
 *
 * Each write kills all it has seen of the element: one op is left of those
 * that were not concurrent, and of a REMOVE what remembers it until everyone
 * has it. OUTs stay until the next add, and those of a 2P-set for ever.
 */
#ifndef CRDTI_SET_H
#define CRDTI_SET_H

#include "element.h"
#include "flag.h"
#include "order.h"
#include "register.h"
#include "state.h"

#define CRDTI_LWW_SETS                                                        \
    (UINT32_C(1) << CRDT_LWW_SET | UINT32_C(1) << CRDT_LWW_SET_RM)
#define CRDTI_SETS                                                            \
    (CRDTI_LWW_SETS | UINT32_C(1) << CRDT_AW_SET |                            \
     UINT32_C(1) << CRDT_RW_SET | UINT32_C(1) << CRDT_GSET |                  \
     UINT32_C(1) << CRDT_2PSET)

CRDTI_FN int crdti_set_is(const crdti_object *set, uint32_t types)
{
    return (int)(types >> set->type & 1);
}

/* LWW: the latest stamp says it, and the bias where latest stamps are equal:
 * there the replica id has no say. */
CRDTI_FN int crdti_latest_is_in(const crdt_doc *doc, const crdti_entry *entry)
{
    int bias =
        crdti_object_at(doc, entry->object)->type == (uint8_t)CRDT_LWW_SET;
    uint64_t latest = 0;
    int is_in = 0;
    uint32_t at;
    for (at = entry->ops; at; at = crdti_op_at(doc, at)->next) {
        const crdti_op *op = crdti_op_at(doc, at);
        int says = op->form == CRDT_BOOL && op->as.value.as.integer;
        if (at == entry->ops || op->as.value.stamp > latest) {
            latest = op->as.value.stamp;
            is_in = says;
        } else if (op->as.value.stamp == latest && says == bias) {
            is_in = says;
        }
    }
    return is_in;
}

/* The entry of the element, 0 when there is none. ARG, LIMIT, TYPE. */
CRDTI_FN crdt_err crdti_set_find(crdt_obj set, const crdt_value *value,
                                 crdti_element *element, uint32_t *entry)
{
    crdt_err err = crdti_check_among(set, CRDTI_SETS);
    if (!err)
        err = crdti_element_encode(value, element);
    if (!err)
        *entry =
            crdti_entry_find(set.doc, set.index, crdti_element_key(element));
    return err;
}

CRDTI_FN int crdti_set_is_in(const crdt_doc *doc, uint32_t entry)
{
    return entry && crdti_entry_at(doc, entry)->is_visible;
}

/* Whether the element was removed for good. */
CRDTI_FN int crdti_set_is_gone(const crdt_doc *doc, uint32_t entry)
{
    uint32_t at = entry ? crdti_entry_at(doc, entry)->ops : 0;
    while (at && crdti_op_at(doc, at)->kind != CRDTI_OUT)
        at = crdti_op_at(doc, at)->next;
    return at != 0;
}

/* An add or remove of an LWW set. */
CRDTI_FN crdt_err crdti_set_say(crdt_obj set, crdt_bytes key, int is_in)
{
    crdt_value value = crdt_bool(is_in);
    return crdti_value_write(set.doc, set.index, key, &value);
}

CRDT_API crdt_err crdt_set_add(crdt_obj set, crdt_value value)
{
    crdti_element element;
    const crdti_object *object;
    uint32_t entry;
    crdt_err err = crdti_set_find(set, &value, &element, &entry);
    if (err)
        return err;
    object = crdti_object_at(set.doc, set.index);
    if (crdti_set_is(object, CRDTI_LWW_SETS))
        return crdti_set_say(set, crdti_element_key(&element), 1);
    if (object->type == CRDT_2PSET && crdti_set_is_gone(set.doc, entry))
        return CRDT_ERR_GONE;
    if ((object->type == CRDT_2PSET || object->type == CRDT_GSET) &&
        crdti_set_is_in(set.doc, entry))
        return CRDT_OK;
    return crdti_mark_write(set.doc, set.index, crdti_element_key(&element),
                            CRDTI_IN);
}

/* Removes the element of the key; `entry` is its entry or 0. */
CRDTI_FN crdt_err crdti_set_take(crdt_obj set, crdt_bytes key, uint32_t entry)
{
    const crdti_object *object = crdti_object_at(set.doc, set.index);
    if (object->type == CRDT_GSET)
        return CRDT_ERR_TYPE;
    if (crdti_set_is(object, CRDTI_LWW_SETS))
        return crdti_set_say(set, key, 0);
    if (object->type == CRDT_RW_SET)
        return crdti_mark_write(set.doc, set.index, key, CRDTI_OUT);
    if (!crdti_set_is_in(set.doc, entry))
        return CRDT_ERR_NOT_FOUND;
    if (object->type == CRDT_2PSET)
        return crdti_mark_write(set.doc, set.index, key, CRDTI_OUT);
    return crdti_value_remove(set.doc, entry);
}

CRDT_API crdt_err crdt_set_remove(crdt_obj set, crdt_value value)
{
    crdti_element element;
    uint32_t entry;
    crdt_err err = crdti_set_find(set, &value, &element, &entry);
    if (err)
        return err;
    return crdti_set_take(set, crdti_element_key(&element), entry);
}

CRDT_API crdt_err crdt_set_clear(crdt_obj set)
{
    uint32_t at, next;
    crdt_err err = crdti_check_among(set, CRDTI_SETS);
    if (err)
        return err;
    at = crdti_object_at(set.doc, set.index)->entries;
    for (; at && !err; at = next) {
        crdti_entry entry = *crdti_entry_at(set.doc, at);
        next = entry.next;
        if (entry.is_visible)
            err = crdti_set_take(set, crdti_entry_key(&entry), at);
    }
    return err;
}

CRDT_API int crdt_set_has(crdt_obj set, crdt_value value)
{
    crdti_element element;
    uint32_t entry;
    if (crdti_set_find(set, &value, &element, &entry))
        return 0;
    return crdti_set_is_in(set.doc, entry);
}

CRDT_API size_t crdt_set_size(crdt_obj set)
{
    if (crdti_check_among(set, CRDTI_SETS))
        return 0;
    return crdti_object_at(set.doc, set.index)->weight;
}

CRDT_API crdt_err crdt_set_next(crdt_obj set, crdt_cursor *cursor)
{
    uint32_t entry;
    crdt_err err = crdti_check_among(set, CRDTI_SETS);
    if (!err)
        err = crdti_order_next(set, cursor, &entry);
    if (!err)
        cursor->value = crdti_element_decode(cursor->key);
    return err;
}

#endif
