/*
 * One wait for the network, the input and signals: the heart of a program with
 * a node and a prompt.
 */
#ifndef DEMO_LOOP_H
#define DEMO_LOOP_H

#include "crdtsync.h"

/* From now on SIGINT, SIGTERM and SIGHUP only end a wait. */
void loop_signals(void);
/* Whether one has come since last asked. */
int loop_interrupted(void);
/* Whether the terminal has another size since last asked. */
int loop_resized(void);

/* Waits at most timeout_ms until something comes over the network or `fd` (-1:
 * none) can be read, and lets the node do its work. Answers whether `fd` can
 * be read. */
int loop_poll(crdt_node *node, const crdt_transport *tcp, int fd,
              int timeout_ms);

#endif
