/*
 * What the program says: answers to commands and notices of its own, as lines
 * for people or as one JSON object a line.
 *
 *     say_begin(s, "get x", 0);
 *     json_int64(s->answer, "value", 5);   // NULL when nobody wants JSON
 *     say_line(s, "x = 5");                // nothing when JSON is wanted
 *     say_end(s);
 */
#ifndef DEMO_SAY_H
#define DEMO_SAY_H

#include <stdint.h>

#include "json.h"

typedef struct say {
    int json, colour;
    int has_screen;  /* a terminal that can draw over a line */
    int has_bar;     /* one is drawn there */
    uint64_t bar_ms; /* when it was, or begun; 0: there is none */
    /* of the command under way: */
    const char *command;
    const char *place; /* "file:12: " in front of complaints, or "" */
    int quiet;         /* success is not worth a line */
    int failed;
    cJSON *answer;
    int failures; /* of commands, ever */
} say;

void say_start(say *s, int json);

void say_begin(say *s, const char *command, const char *place, int quiet);
__attribute__((format(printf, 2, 3))) void say_line(say *s, const char *form,
                                                    ...);
/* What is wrong, and what to type instead (NULL: nothing comes to mind). */
__attribute__((format(printf, 3, 4))) void say_fail(say *s, const char *hint,
                                                    const char *form, ...);
void say_end(say *s);
/* The answer comes later, begun anew. */
void say_later(say *s);

/* A notice, between answers. Takes the event, which may be NULL; without
 * `form` it is for machines only. The prompt is drawn again. */
cJSON *say_event(const say *s, const char *event);
__attribute__((format(printf, 3, 4))) void say_notice(const say *s,
                                                      cJSON *event,
                                                      const char *form, ...);

/* How far long work is, drawn over itself at a terminal a few times a second:
 * "[=====.....] TEXT", or with a negative `part` of 1 just the text. Nothing
 * before a moment has passed. The next answer ends it. */
__attribute__((format(printf, 3, 4))) void say_bar(say *s, double part,
                                                   const char *form, ...);
void say_bar_end(say *s);

/* Escape sequences on a colour terminal, else empty. */
const char *say_dim(const say *s);
const char *say_bold(const say *s);
const char *say_red(const say *s);
const char *say_green(const say *s);
const char *say_plain(const say *s);

#endif
