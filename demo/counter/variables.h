/*
 * The shared document: its root map holds a counter a variable. Every change
 * here is one commit.
 */
#ifndef COUNTER_VARIABLES_H
#define COUNTER_VARIABLES_H

#include <stdint.h>

#include "crdtsync.h"

/* The names that a variable may have: 1 to CRDTSYNC_MAX_KEY bytes, no blanks,
 * not beginning as a number or command. NULL when fine, else what is wrong. */
const char *variable_bad_name(const char *name);

/* The counter of that name, or the null object. */
crdt_obj variable_find(crdt_doc *doc, const char *name);
/* For one that is not there: as crdt_map_counter. */
crdt_err variable_create(crdt_doc *doc, const char *name);
/* As crdt_counter_add. */
crdt_err variable_add(crdt_doc *doc, crdt_obj counter, int64_t amount);

/* Walks the variables in the order of their names: NOT_FOUND is the end. */
crdt_err variable_next(crdt_doc *doc, crdt_cursor *cursor, crdt_obj *counter);

#endif
