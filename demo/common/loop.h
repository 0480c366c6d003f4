/*
 * One wait for the network, the input and signals: the heart of a program with
 * a node and a prompt.
 */
#ifndef DEMO_LOOP_H
#define DEMO_LOOP_H

#include "crdtsync.h"

typedef enum loop_signal {
    LOOP_INTERRUPTED, /* SIGINT, SIGTERM, SIGHUP */
    LOOP_RESIZED,     /* the terminal has another size */
    LOOP_CONTINUED,   /* after Ctrl-Z */
    LOOP_SIGNALS
} loop_signal;

/* From now on these only end a wait. */
void loop_signals(void);
/* Whether such a one has come since last asked. */
int loop_signalled(loop_signal which);

/* Waits at most timeout_ms until something comes over the network or `fd` (-1:
 * none) can be read, and lets the node do its work. Answers what poll(2)
 * says of `fd`: 0 when there is nothing to be read. */
int loop_poll(crdt_node *node, const crdt_transport *tcp, int fd,
              int timeout_ms);

#endif
