/*
 * Programs started by a program: with pipes to their input and from their
 * output, and never left behind. A child dies with its parent whatever the
 * parent dies of (PR_SET_PDEATHSIG), and children_end is called at exit.
 */
#ifndef DEMO_CHILD_H
#define DEMO_CHILD_H

#include <stdio.h>
#include <sys/types.h>

#include "reader.h"

typedef struct child {
    pid_t pid;  /* 0: not running */
    int input;  /* where to write, or -1 */
    reader out; /* what it writes */
    FILE *log;  /* a copy of both goes there, or NULL */
    int status; /* as waitpid told, when it has ended */
} child;

/* argv[0] is the path of the program. 0: it could not be started. */
int child_start(child *c, const char *const argv[]);
/* Writes a line to its input. 0: it takes no more. */
int child_say(child *c, const char *line);
/* Sends the signal. */
void child_signal(const child *c, int number);
/* Waits until it has ended, closes the pipes; after seconds_max kills it. */
void child_wait(child *c, double seconds_max);

/* Kills all that are running. Also called at exit and on a fatal signal, once
 * child_start has been called. */
void children_end(void);
/* On a fatal signal also calls this, which may do only what a signal handler
 * may. */
void children_on_signal(void (*call)(void));

#endif
