/*
 * What is done about a mismatch: a full sync at which all have the same
 * changes, and not the same values.
 *
 *     WORK    who differs from most (the engine says so) sees to it that
 *             another has all that it has, and leaves
 *     WAITS     |
 *               v  its directory is set aside; a new replica, and an empty
 *     FETCHES   |  document
 *               v
 *     WORK    it has all again, and asks for the full sync again
 *
 * If there is a mismatch again, it is told, and nothing more is done: nobody
 * forgets the history, and all can be looked at.
 */
#ifndef COUNTER_REPAIR_H
#define COUNTER_REPAIR_H

#include "app.h"

/* The engine has raised an alarm. */
void repair_alarm(app *a);
/* A full sync was done. */
void repair_over(app *a);
/* After each poll. 0: it cannot go on, and has said why. */
int repair_step(app *a);
/* Whether commands are to wait for it. */
int repair_holds(const app *a);

#endif
