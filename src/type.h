/*
 * The type table. A new type is one file and one row here; its ops are rows of
 * op.h. Types know nothing of sync: the document files their ops, kills them
 * and ships them, and tells them only that one was born or died.
 */
#ifndef CRDTI_TYPE_H
#define CRDTI_TYPE_H

#include "counter.h"
#include "map.h"
#include "register.h"
#include "state.h"

/* By crdt_type. */
CRDTI_FN const crdti_type *crdti_type_table(void)
{
    static const crdti_type table[CRDTI_TYPE_COUNT] = {
        /* name, is_scope, reserve, reset, born, died, settle, drop */
        { "none", 0, NULL, NULL, NULL, NULL, NULL, NULL },
        { "map", 1, NULL, NULL, NULL, NULL, NULL, crdti_map_drop },
        { "register", 1, NULL, NULL, NULL, NULL, NULL, NULL },
        { "counter", 0, crdti_counter_reserve, crdti_counter_reset_draft,
          crdti_counter_born, crdti_counter_died, crdti_counter_settle,
          crdti_counter_drop },
    };
    return table;
}

/* Whether an op of that kind may stand in an object of that type. */
CRDTI_FN int crdti_type_takes(uint8_t type, uint8_t kind)
{
    static const uint8_t kinds[CRDTI_TYPE_COUNT] = {
        0,
        1u << CRDTI_VALUE | 1u << CRDTI_CREATE | 1u << CRDTI_REMOVE,
        1u << CRDTI_VALUE | 1u << CRDTI_REMOVE,
        1u << CRDTI_ADD | 1u << CRDTI_RESET | 1u << CRDTI_REMOVE,
    };
    return kind < CRDTI_KIND_COUNT && kinds[type] >> kind & 1;
}

/* Whether an object of that type may have an entry of that key. */
CRDTI_FN int crdti_type_has_key(uint8_t type, crdt_bytes key)
{
    if (type == CRDT_MAP || key.len == 0)
        return 1;
    return type == CRDT_COUNTER && crdt_bytes_equal(key, crdti_reset_key());
}

#endif
