/*
 * Which of several servers keep what: consistent hashing (Karger et al. 1997)
 * with virtual nodes. Each server stands at RING_POINTS places of a circle of
 * 2^128 positions; a key stands at some too, and what it names is kept by the
 * server that is next clockwise, its copies by the next others behind it:
 *
 *          b   a                 the servers of k, in order: c, a, b
 *       a         c   <- k
 *        c       b               without c: a, b; nothing else moves
 *          b   a
 *
 * Positions are hashes of names (BLAKE2b) and of nothing else: who has the
 * same names agrees on every key, wherever and in whatever order they came.
 *
 * Places at random leave a server 6 % (standard deviation) from its share at
 * 256 of them. So a key has RING_PROBES places, and how close a server stands
 * to any of them is what counts (Appleton & O'Reilly 2015): of n probes the
 * deviation is 1/sqrt(2n - 1) of that, 2.4 % with four.
 */
#ifndef DEMO_RING_H
#define DEMO_RING_H

#include <stddef.h>
#include <stdint.h>

enum {
    RING_POINTS = 256,
    RING_PROBES = 4,
    RING_NAME_MAX = 63,
    RING_SERVERS_MAX = 1024
};

typedef struct ring_place {
    uint64_t high, low;
} ring_place;

typedef struct ring_server {
    char name[RING_NAME_MAX + 1];
} ring_server;

typedef struct ring_point {
    ring_place at;
    const ring_server *server;
} ring_point;

typedef struct ring {
    ring_server **servers; /* by name */
    ring_point *points;    /* by place */
    size_t count, points_count;
} ring;

#define RING_INIT                                                             \
    {                                                                         \
        NULL, NULL, 0, 0                                                      \
    }

void ring_free(ring *r);

typedef enum ring_err {
    RING_OK,
    RING_ARG,   /* no name, or too long */
    RING_LIMIT, /* as many as may be */
    RING_NOMEM  /* nothing has changed */
} ring_err;

/* One that is there already stays, and is OK. */
ring_err ring_add(ring *r, const char *name);
/* 0: it was not there. */
int ring_remove(ring *r, const char *name);
int ring_has(const ring *r, const char *name);

/* The servers to keep `key`, the first first; those behind the copies are the
 * ones to go to when a server does not answer. Answers how many: `max`, or
 * all. The names are valid until the ring is changed. */
size_t ring_find(const ring *r, const void *key, size_t len,
                 const char **names, size_t max);

#endif
