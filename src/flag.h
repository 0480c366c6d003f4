/*
 * Flags: one entry with the empty key. What the types disagree about is the
 * reading of concurrent writes.
 *
 *                  enable      disable     true when there is
 *     EW flag      IN          REMOVE      an IN
 *     DW flag      IN          OUT         an IN and no OUT
 *
 * Each write kills all it has seen, so one op is left of those that were not
 * concurrent.
 */
#ifndef CRDTI_FLAG_H
#define CRDTI_FLAG_H

#include "register.h"
#include "state.h"
#include "write.h"

#define CRDTI_FLAGS (UINT32_C(1) << CRDT_EW_FLAG | UINT32_C(1) << CRDT_DW_FLAG)

/* What an OUT hides: for disable-wins flags and remove-wins sets. */
CRDTI_FN int crdti_in_and_not_out(const crdt_doc *doc,
                                  const crdti_entry *entry)
{
    uint32_t at;
    for (at = entry->ops; at; at = crdti_op_at(doc, at)->next)
        if (crdti_op_at(doc, at)->kind == CRDTI_OUT)
            return 0;
    return entry->shows != 0;
}

/* Writes an IN or OUT over all that is seen at the key. */
CRDTI_FN crdt_err crdti_mark_write(crdt_doc *doc, uint32_t object,
                                   crdt_bytes key, uint8_t kind)
{
    crdti_op draft;
    crdt_err err;
    crdti_zero(&draft, sizeof draft);
    draft.kind = kind;
    err = crdti_entry_get(doc, object, key, &draft.entry);
    if (err)
        return err;
    err = crdti_write_scope(doc, &draft);
    if (err)
        crdti_entry_tidy(doc, draft.entry);
    return err;
}

CRDT_API crdt_err crdt_flag_set(crdt_obj flag, int on)
{
    crdt_err err = crdti_check_among(flag, CRDTI_FLAGS);
    uint32_t entry;
    if (err)
        return err;
    if (on || crdt_type_of(flag) == CRDT_DW_FLAG)
        return crdti_mark_write(flag.doc, flag.index, crdti_no_key(),
                                on ? CRDTI_IN : CRDTI_OUT);
    entry = crdti_entry_find(flag.doc, flag.index, crdti_no_key());
    if (!entry || !crdti_entry_at(flag.doc, entry)->ops)
        return CRDT_OK;
    return crdti_value_remove(flag.doc, entry);
}

/* For the type table. */
CRDTI_FN int crdti_flag_read(crdt_doc *doc, uint32_t flag, crdt_bytes key,
                             crdt_value *out)
{
    (void)key;
    *out = crdt_bool(crdti_object_at(doc, flag)->weight != 0);
    return 1;
}

CRDT_API crdt_err crdt_flag_get(crdt_obj flag, int *out)
{
    crdt_err err = crdti_check_among(flag, CRDTI_FLAGS);
    if (!err)
        *out = crdti_object_at(flag.doc, flag.index)->weight != 0;
    return err;
}

#endif
