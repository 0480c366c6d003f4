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
 * has it. OUTs stay until the next add, and those of a 2P-set for ever. An IN
 * that kills nothing is a row where the type has them (row.h).
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

/* Looks at the handle and encodes the element. ARG, LIMIT, TYPE. */
CRDTI_FN crdt_err crdti_set_check(crdt_obj set, const crdt_value *value,
                                  crdti_element *element)
{
    crdt_err err = crdti_check_among(set, CRDTI_SETS);
    return err ? err : crdti_element_encode(value, element);
}

/* Whether the element was removed for good. */
CRDTI_FN int crdti_set_is_gone(const crdt_doc *doc, uint32_t set,
                               crdt_bytes key)
{
    uint32_t entry = crdti_entry_find(doc, set, key);
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

/* Whether it is in, as it is seen. */
CRDTI_FN int crdti_set_shows(crdt_obj set, crdt_bytes key)
{
    return crdti_element_is_in(set.doc, set.index, key,
                               crdti_entry_hash(set.doc, set.index, key));
}

/* Writes an IN as a row, unless the element is in already: then *done is 0.
 * The row is made first, while the place where it will be looked up is on its
 * way from memory: in large sets that takes longer than all the rest. */
CRDTI_FN crdt_err crdti_set_add_row(crdt_obj set, crdt_bytes key, int *done)
{
    crdt_doc *doc = set.doc;
    uint64_t hash = crdti_entry_hash(doc, set.index, key);
    crdt_digest digest;
    uint32_t row;
    crdt_err err = crdti_write_check(doc, 1);
    crdti_warm_slot(&doc->rows, hash);
    if (!err)
        err = crdti_row_make(doc, set.index, doc->self, doc->written + 1, key,
                             &row);
    if (err)
        return err;
    digest = crdti_row_digest(doc, row, key);
    *done = !crdti_element_is_in(doc, set.index, key, hash);
    if (!*done) {
        crdti_row_unmake(doc, row);
        return CRDT_OK;
    }
    doc->written++;
    crdti_row_file(doc, row, key, digest, hash, 0);
    return CRDT_OK;
}

CRDT_API crdt_err crdt_set_add(crdt_obj set, crdt_value value)
{
    crdti_element element;
    crdt_bytes key;
    uint8_t type;
    int done = 0;
    crdt_err err = crdti_set_check(set, &value, &element);
    if (err)
        return err;
    key = crdti_element_key(&element);
    type = crdti_object_at(set.doc, set.index)->type;
    if (crdti_row_fits(set.doc, set.index, key))
        err = crdti_set_add_row(set, key, &done);
    if (err || done)
        return err;
    if (CRDTI_LWW_SETS >> type & 1)
        return crdti_set_say(set, key, 1);
    if (type == CRDT_2PSET && crdti_set_is_gone(set.doc, set.index, key))
        return CRDT_ERR_GONE;
    if ((type == CRDT_2PSET || type == CRDT_GSET) && crdti_set_shows(set, key))
        return CRDT_OK;
    return crdti_mark_write(set.doc, set.index, key, CRDTI_IN);
}

CRDTI_FN crdt_err crdti_set_take(crdt_obj set, crdt_bytes key)
{
    const crdti_object *object = crdti_object_at(set.doc, set.index);
    uint8_t kind = CRDTI_OUT;
    if (object->type == CRDT_GSET)
        return CRDT_ERR_TYPE;
    if (crdti_set_is(object, CRDTI_LWW_SETS))
        return crdti_set_say(set, key, 0);
    if (object->type != CRDT_RW_SET && !crdti_set_shows(set, key))
        return CRDT_ERR_NOT_FOUND;
    if (object->type == CRDT_AW_SET)
        kind = CRDTI_REMOVE;
    return crdti_mark_write(set.doc, set.index, key, kind);
}

CRDT_API crdt_err crdt_set_remove(crdt_obj set, crdt_value value)
{
    crdti_element element;
    crdt_err err = crdti_set_check(set, &value, &element);
    return err ? err : crdti_set_take(set, crdti_element_key(&element));
}

/* Walks a copy of the order: each removal changes it. */
CRDT_API crdt_err crdt_set_clear(crdt_obj set)
{
    crdti_order *order, all;
    uint8_t room[CRDTI_ROW_KEY];
    size_t i;
    crdt_err err = crdti_check_among(set, CRDTI_SETS);
    if (!err && crdt_type_of(set) == CRDT_GSET)
        err = CRDT_ERR_TYPE;
    if (!err)
        err = crdti_order_get(set.doc, set.index, &order);
    if (err)
        return err;
    all = *order;
    crdti_zero(order, sizeof *order);
    for (i = 0; i < all.slots.len && !err; i++)
        err = crdti_set_take(set,
                             crdti_slot_key(set.doc, all.slots.ptr[i], room));
    crdti_array_free(&set.doc->alloc, &all.slots);
    crdti_object_at(set.doc, set.index)->keys_changed = 1;
    return err;
}

/* For the type table. */
CRDTI_FN int crdti_set_read(crdt_doc *doc, uint32_t set, crdt_bytes key,
                            crdt_value *out)
{
    (void)out;
    return crdti_element_is_in(doc, set, key, crdti_entry_hash(doc, set, key));
}

CRDT_API int crdt_set_has(crdt_obj set, crdt_value value)
{
    crdti_element element;
    if (crdti_set_check(set, &value, &element))
        return 0;
    return crdti_set_shows(set, crdti_element_key(&element));
}

CRDT_API size_t crdt_set_size(crdt_obj set)
{
    if (crdti_check_among(set, CRDTI_SETS))
        return 0;
    return crdti_object_at(set.doc, set.index)->weight;
}

CRDT_API crdt_err crdt_set_next(crdt_obj set, crdt_cursor *cursor)
{
    uint32_t slot;
    crdt_err err = crdti_check_among(set, CRDTI_SETS);
    if (!err)
        err = crdti_order_next(set, cursor, &slot);
    if (!err)
        cursor->value = crdti_element_decode(cursor->key);
    return err;
}

#endif
