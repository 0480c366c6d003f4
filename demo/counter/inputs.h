/*
 * Commands as they come: from the keyboard, a pipe, a file at a given rate.
 * Nothing here blocks; a source that is to wait is held.
 */
#ifndef COUNTER_INPUTS_H
#define COUNTER_INPUTS_H

#include "app.h"

void inputs_start(app *a);
void inputs_stop(app *a);

/* Begins to read the file; 0: it cannot, errno says why. */
int inputs_load(app *a, const char *path, double rate);

/* Does what is due, ends holds. Answers for how many milliseconds nothing
 * more will be. Sets quits when all input has ended. */
int inputs_step(app *a);
/* The descriptor that is worth reading from now, or -1. */
int inputs_fd(const app *a);
/* It can be read: what poll(2) says of it. */
void inputs_ready(app *a, int events);

/* Lets the source wait, without end when `seconds` is negative: the answer to
 * `command` is given at the end; of HOLD_FROZEN it is then done anew. */
void inputs_hold(const app *a, source *from, hold_kind kind, double seconds,
                 const char *command);
/* Ctrl-C: ends a hold of the terminal. 0: there was none. */
int inputs_release(app *a);

/* The mode has changed: the prompt shows it. */
void inputs_prompt(app *a);

#endif
