/*
 * Tells of peers as they come and go, and how a file is getting on.
 */
#ifndef COUNTER_NOTICES_H
#define COUNTER_NOTICES_H

#include "app.h"

/* After each poll. */
void notices_update(app *a);
/* Of the file being loaded: now and then, and `is_last` at its end. */
void notices_progress(app *a, int is_last);
/* Stores what is new, and tells when that cannot be, or can again. */
crdt_err notices_store(app *a);
/* The engine's log: for --verbose, and why a peer has gone. */
void notices_log(void *ctx, const char *line);

#endif
