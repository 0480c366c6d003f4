/*
 * A command that has been typed, on its way to what does it.
 */
#ifndef COUNTER_CALL_H
#define COUNTER_CALL_H

#include "app.h"

enum { WORDS_MAX = 8 };

typedef struct call {
    app *a;
    source *from;
    int words; /* with the command */
    char *word[WORDS_MAX + 1];
    const char *line;
} call;

/* values.c: what is about variables. */
void run_create(call *c);
void run_get(call *c);
void run_variables(call *c);
void run_add(call *c);
void run_sign(call *c); /* +5 NAME, -5 NAME */
void run_populate(call *c);
/* One batch of a populate under way. 1: it has been answered. */
int populate_step(app *a, source *from);
/* It is not to go on: answers how far it came. */
void populate_stop(app *a, const source *from);

/* The variable, or the null object, having said so. */
crdt_obj values_need(call *c, const char *name);
/* "x = 5" */
void values_show(app *a, const char *key, size_t len, crdt_obj counter,
                 cJSON *object);

/* past.c: what has been. */
void run_history(call *c);
void run_before(call *c);

#endif
