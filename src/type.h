/*
 * The type table. A new type is one file and one row here; its ops are rows of
 * op.h. Types know nothing of sync: the document files their ops, kills them
 * and ships them, and tells them only that one was born or died.
 */
#ifndef CRDTI_TYPE_H
#define CRDTI_TYPE_H

#include "bounded.h"
#include "counter.h"
#include "extreme.h"
#include "flag.h"
#include "list.h"
#include "map.h"
#include "register.h"
#include "set.h"
#include "state.h"
#include "text.h"

/* clang-format off */

/* Kinds of ops, a bit each. A REMOVE may stand anywhere: what is left of a
 * killer that died. */
#define CRDTI_TAKES(kind) (1u << (kind) | 1u << CRDTI_REMOVE)

/* What is told by keys and entries alone. */
#define CRDTI_MAP(name, kinds)                                                \
    { name, kinds, CRDTI_BY_KEY, 1, 0, 1, crdti_map_has_key, crdti_map_read,  \
      NULL, NULL, NULL, NULL, NULL, NULL, crdti_order_drop, NULL, NULL, NULL }
#define CRDTI_REGISTER(name, kinds, read)                                     \
    { name, kinds, CRDTI_ONE_VALUE, 1, 0, 0, NULL, read, NULL, NULL, NULL,    \
      NULL, NULL, NULL, NULL, NULL, NULL, NULL }
#define CRDTI_FLAG(name, kinds, visible)                                      \
    { name, kinds, CRDTI_ONE_VALUE, 1, 0, 1, NULL, crdti_flag_read, NULL,     \
      NULL, NULL, NULL, visible, NULL, NULL, NULL, NULL, NULL }
#define CRDTI_SET(name, kinds, has_rows, visible)                             \
    { name, kinds, CRDTI_BY_ELEMENT, 1, has_rows, 1, crdti_element_is_key,    \
      crdti_set_read, NULL, NULL, NULL, NULL, visible, NULL,                  \
      crdti_order_drop, NULL, NULL, NULL }
/* What is in it are no ops: see sequence.h. */
#define CRDTI_SEQUENCE(name, kinds, read)                                     \
    { name, kinds, CRDTI_BY_STEPS, 1, 0, 0, crdti_text_has_key, read, NULL,   \
      NULL, NULL, NULL, NULL, NULL, crdti_sequence_drop,                      \
      crdti_sequence_scope, NULL, NULL }
#define CRDTI_LIST(name, kinds)                                               \
    { name, kinds, CRDTI_BY_INDEX, 1, 0, 1, crdti_list_has_key,               \
      crdti_list_read, NULL, NULL, crdti_list_born, crdti_list_died,          \
      crdti_list_shows, NULL, crdti_sequence_drop, NULL, crdti_list_looked, \
      crdti_list_keeps }
/* What has a state of its own. */
#define CRDTI_COUNTER(name)                                                   \
    { name, CRDTI_TAKES(CRDTI_ADD) | 1u << CRDTI_RESET, CRDTI_ONE_VALUE, 0,   \
      0, 0, crdti_counter_has_key, crdti_counter_read, crdti_counter_reserve, \
      crdti_counter_reset_draft, crdti_counter_born, crdti_counter_died,      \
      NULL, crdti_counter_settle, crdti_counter_drop, NULL, NULL, NULL }
#define CRDTI_BOUNDED(name)                                                   \
    { name, CRDTI_TAKES(CRDTI_ADD), CRDTI_ONE_VALUE, 0, 0, 1,                 \
      crdti_bounded_has_key, crdti_bounded_read, crdti_bounded_reserve,       \
      crdti_bounded_reset_draft, crdti_bounded_born, crdti_bounded_died,      \
      NULL, NULL, crdti_bounded_drop, NULL, NULL, NULL }

/* By crdt_type. */
CRDTI_FN const crdti_type *crdti_type_table(void)
{
    enum {
        VALUE = CRDTI_TAKES(CRDTI_VALUE),
        IN = CRDTI_TAKES(CRDTI_IN),
        IN_OUT = IN | 1u << CRDTI_OUT,
        ANY = VALUE | 1u << CRDTI_CREATE,
        REMOVE = 1u << CRDTI_REMOVE
    };
    /* name, kinds, shape, is_scope, has_rows, is_keyed, has_key, read,
     * reserve, reset, born, died, visible, settle, drop, scope, looked,
     * keeps */
    static const crdti_type table[CRDT_TYPE_COUNT] = {
        { "none", 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
          NULL, NULL, NULL, NULL, NULL },
        CRDTI_MAP("map", ANY),
        CRDTI_REGISTER("register", VALUE, crdti_register_read),
        CRDTI_COUNTER("counter"),
        CRDTI_COUNTER("gcounter"),
        CRDTI_BOUNDED("bounded"),
        CRDTI_REGISTER("max", VALUE, crdti_extreme_read),
        CRDTI_REGISTER("min", VALUE, crdti_extreme_read),
        CRDTI_FLAG("ew-flag", IN, NULL),
        CRDTI_FLAG("dw-flag", IN_OUT, crdti_in_and_not_out),
        CRDTI_SET("aw-set", IN, 1, NULL),
        CRDTI_SET("rw-set", IN_OUT, 0, crdti_in_and_not_out),
        CRDTI_SET("gset", IN, 1, NULL),
        CRDTI_SET("2pset", IN_OUT, 0, crdti_in_and_not_out),
        CRDTI_SET("lww-set", VALUE, 0, crdti_latest_is_in),
        CRDTI_SET("lww-set-rm", VALUE, 0, crdti_latest_is_in),
        CRDTI_SEQUENCE("text", REMOVE, crdti_text_read),
        CRDTI_LIST("list", ANY | 1u << CRDTI_MOVE),
    };
    return table;
}

/* clang-format on */

CRDT_API const char *crdt_type_name(crdt_type type)
{
    int known = type > CRDT_NONE && type < CRDT_TYPE_COUNT;
    return crdti_type_table()[known ? type : CRDT_NONE].name;
}

/* Whether an op of that kind may stand in an object of that type. */
CRDTI_FN int crdti_type_takes(uint8_t type, uint8_t kind)
{
    return kind < CRDTI_KIND_COUNT &&
           crdti_type_table()[type].kinds >> kind & 1;
}

/* Whether an object of that type may have an entry of that key. */
CRDTI_FN int crdti_type_has_key(uint8_t type, crdt_bytes key)
{
    const crdti_type *row = &crdti_type_table()[type];
    return row->has_key ? row->has_key(key) : key.len == 0;
}

#endif
