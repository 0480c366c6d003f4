/*
 * What the engine tells of itself, its peers and what is at whom.
 */
#ifndef COUNTER_REPORT_H
#define COUNTER_REPORT_H

#include "app.h"

/* Own changes: made, and of these confirmed to be at some other node. */
uint64_t report_own(const app *a);
uint64_t report_acked(const app *a);

/* Whether all connected peers have all, and we what they have; else `why`
 * says what is missing. Having nobody counts when nothing is only here. */
int report_synced(const app *a, char *why, size_t why_size);
size_t report_connected(const app *a);

/* Each adds to the answer under way. */
void report_peers(app *a);
void report_vv(app *a);
void report_digest(app *a);
void report_status(app *a);

#endif
