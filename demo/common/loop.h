/*
 * One wait for the network, the input and signals: the heart of a program with
 * a node and a prompt.
 */
#ifndef DEMO_LOOP_H
#define DEMO_LOOP_H

#include <poll.h>

#include "crdtsync.h"

#include "network.h"

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

/* As poll(2) on these, at most so long. */
int loop_wait(struct pollfd *fds, size_t count, int timeout_ms);

/* For a program with several nodes or networks: what to wait for, gathered
 * anew before each wait.
 *
 *     loop_begin(&set, 500);
 *     loop_add(&set, STDIN_FILENO, POLLIN);
 *     loop_add_network(&set, &net);
 *     loop_wait_for(&set);
 */
enum { LOOP_FDS_MAX = 4096 };

typedef struct loop_set {
    struct pollfd fds[LOOP_FDS_MAX];
    size_t count;
    int timeout_ms;
} loop_set;

void loop_begin(loop_set *set, int timeout_ms);
/* At most so long, when it is not negative. */
void loop_patience(loop_set *set, int timeout_ms);
/* A negative descriptor is passed over; what is too much too. */
void loop_add(loop_set *set, int fd, short events);
void loop_add_network(loop_set *set, const network *net);
void loop_wait_for(loop_set *set);

#endif
