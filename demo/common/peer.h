/*
 * A peer of a node, for people and programs.
 */
#ifndef DEMO_PEER_H
#define DEMO_PEER_H

#include <cJSON.h>

#include "crdtsync.h"

/* "synced" */
const char *peer_state(crdt_peer_state state);
/* Adds it to the list. */
void peer_json(cJSON *list, const crdt_peer_info *peer);

#endif
