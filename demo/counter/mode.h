/*
 * The modes Work -> Sync -> Ready -> Work: what the engine's full syncs look
 * like here. Tells of each step, asks for a full sync when it is time or the
 * history is long, and lets the history begin anew when one is committed.
 */
#ifndef COUNTER_MODE_H
#define COUNTER_MODE_H

#include "app.h"

void mode_start(app *a);
/* After each poll. */
void mode_update(app *a);
/* How long until mode_update has something to do by itself. */
int mode_patience(const app *a);

const char *mode_name(crdt_phase phase);
/* Whether nothing may be written now: a strict full sync. */
int mode_is_frozen(const app *a);

/* The document has been emptied: history goes back to the last cut. */
void mode_begin_anew(app *a);

/* Asks for a full sync. */
crdt_err mode_ask(app *a, crdt_sync_mode how);

#endif
