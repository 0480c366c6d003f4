/*
 * Max and min registers: one entry with the empty key, and the greatest (least)
 * of the VALUEs that are alive is shown.
 *
 *     max   VALUE 7 by a.3, VALUE 12 by b.9      shows 12
 *
 * A value that is not greater than what is shown is not written, so a writer
 * kills only what is less. (Stamps are there, and mean nothing.)
 */
#ifndef CRDTI_EXTREME_H
#define CRDTI_EXTREME_H

#include "element.h"
#include "register.h"
#include "state.h"

/* Whether a is further out than b. */
CRDTI_FN int crdti_is_further(crdt_type type, const crdt_value *a,
                              const crdt_value *b)
{
    int order = crdti_value_order(a, b);
    return type == CRDT_MAX ? order > 0 : order < 0;
}

CRDTI_FN crdt_err crdti_extreme_get(crdt_obj obj, crdt_type type,
                                    crdt_value *out)
{
    uint32_t entry, at;
    crdt_value value;
    crdt_err err = crdti_check(obj, type);
    if (err)
        return err;
    entry = crdti_entry_find(obj.doc, obj.index, crdti_no_key());
    at = entry ? crdti_entry_at(obj.doc, entry)->ops : 0;
    if (!at)
        return CRDT_ERR_NOT_FOUND;
    *out = crdti_op_value(crdti_op_at(obj.doc, at));
    while ((at = crdti_op_at(obj.doc, at)->next) != 0) {
        value = crdti_op_value(crdti_op_at(obj.doc, at));
        if (CRDTI_RULE(EXTREME_IS_SHOWN) &&
            crdti_is_further(type, &value, out))
            *out = value;
    }
    return CRDT_OK;
}

CRDTI_FN crdt_err crdti_extreme_set(crdt_obj obj, crdt_type type,
                                    const crdt_value *value)
{
    crdt_value shown;
    crdt_err err, found = crdti_extreme_get(obj, type, &shown);
    if (found && found != CRDT_ERR_NOT_FOUND)
        return found;
    err = crdti_value_check(value);
    if (err)
        return err;
    if (!found && CRDTI_RULE(EXTREME_STAYS) &&
        !crdti_is_further(type, value, &shown))
        return CRDT_OK;
    return crdti_value_write(obj.doc, obj.index, crdti_no_key(), value);
}

CRDT_API crdt_err crdt_max_set(crdt_obj max, crdt_value value)
{
    return crdti_extreme_set(max, CRDT_MAX, &value);
}

CRDT_API crdt_err crdt_min_set(crdt_obj min, crdt_value value)
{
    return crdti_extreme_set(min, CRDT_MIN, &value);
}

CRDT_API crdt_err crdt_max_get(crdt_obj max, crdt_value *out)
{
    return crdti_extreme_get(max, CRDT_MAX, out);
}

CRDT_API crdt_err crdt_min_get(crdt_obj min, crdt_value *out)
{
    return crdti_extreme_get(min, CRDT_MIN, out);
}

/* For the type table. */
CRDTI_FN int crdti_extreme_read(crdt_doc *doc, uint32_t index, crdt_bytes key,
                                crdt_value *out)
{
    crdt_type type = (crdt_type)crdti_object_at(doc, index)->type;
    (void)key;
    return !crdti_extreme_get(crdti_obj(doc, index), type, out);
}

#endif
