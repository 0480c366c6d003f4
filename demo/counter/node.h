/*
 * The document, the node that keeps it equal with others, its store and its
 * network: opened together and closed together.
 */
#ifndef COUNTER_NODE_H
#define COUNTER_NODE_H

#include "app.h"

/* By the settings, where it listened before if it did. 0: has said why. */
int node_open(app *a);
/* Says that nobody need wait for us in a full sync. */
void node_leave(app *a);
void node_close(app *a);

#endif
