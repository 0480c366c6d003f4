/*
 * What the nodes call themselves, whoever tells: a peer in its greeting, one
 * further away by its presence. Replicas keep the name of their node, also
 * when they are gone.
 */
#ifndef COUNTER_NAMES_H
#define COUNTER_NAMES_H

#include "app.h"

/* After each poll. */
void names_update(app *a);
/* The name, or the first digits of the id; in a static buffer. */
const char *names_replica(app *a, const crdt_id *replica);
/* The member that goes by that name, or by that id. 0: there is none. */
int names_find(app *a, const char *name, crdt_id *replica);

#endif
