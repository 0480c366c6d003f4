/*
 * A data server without its command line: chunks on a disk, given and taken
 * over the network, and its place among the others.
 *
 *     clients --> serve --> chunks <-- tend --> fleet --> other data servers
 *                                                ^
 *                       registry <-- REGISTER ---+   once a second
 */
#ifndef ALBUM_SHELF_H
#define ALBUM_SHELF_H

#include "serve.h"
#include "tend.h"

enum { SHELF_REGISTER_MS = 1000, SHELF_HAS_MAX = 1024 /* names at once */ };

typedef enum shelf_stay {
    SHELF_STAYS,
    SHELF_LEAVES,
    SHELF_GOES,
    SHELF_GONE
} shelf_stay;

typedef struct shelf {
    chunks store;
    serve serve;
    fleet fleet;
    tend tend;
    talk registry;
    pass bearer; /* what we show to others */
    char name[RING_NAME_MAX + 1];
    char address[ROLL_ADDRESS_MAX + 1];
    shelf_stay stay;
    int is_asked;          /* REGISTER is under way */
    uint64_t register_ms;  /* the next */
    wire_reply registered; /* what was answered; LOST: nothing yet */
    uint8_t *bytes;        /* a chunk on its way out */
    uint64_t gets, puts;   /* answered with OK */
} shelf;

/* How it is to be; texts are copied. */
typedef struct shelf_config {
    const char *dir, *listen, *registry;
    const char *address; /* for others; NULL: as listen, with the real port */
    const char *name;
    pass_key key;
    uint64_t bytes_max;
    unsigned settle_ms, every_ms; /* 0: as they are */
} shelf_config;

/* 0: `why` says it. */
int shelf_open(shelf *s, const shelf_config *config, char *why, size_t size);
void shelf_close(shelf *s);

/* Keeps nothing more: gives all it has to the others, then is gone. */
void shelf_leave(shelf *s);

/* Does what can be done; answers the ms until the next call, or until one of
 * serve.epoll and fleet.epoll is readable. */
int shelf_step(shelf *s);

#endif
