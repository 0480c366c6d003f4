/*
 * All data servers as their askers see them: who is asked for a chunk first.
 */
#ifndef ALBUM_FLEET_H
#define ALBUM_FLEET_H

#include "talk.h"

typedef struct fleet {
    int epoll;
    roll roll;
    ring ring;             /* of those that stay */
    talk *talks[ROLL_MAX]; /* as in the roll */
    pass bearer;           /* shown to all */
    uint64_t changes;      /* of the roll: what is known of indexes is over */
} fleet;

/* 0: no descriptor is left. */
int fleet_open(fleet *f);
void fleet_close(fleet *f);

/* Takes the roll; who is on it already keeps its connection. Questions to
 * others are LOST. 0: no memory, and nothing has changed. */
int fleet_set(fleet *f, const roll *r);
void fleet_show(fleet *f, const pass *bearer);

/* Whom to ask for the chunk, as indexes: those that are to keep it, then those
 * that come after them, then those that are leaving. Answers how many. */
size_t fleet_order(const fleet *f, const chunk_hash *name,
                   size_t out[ROLL_MAX]);
/* How many are to keep a chunk. */
size_t fleet_copies(const fleet *f);
/* Just these, as indexes. */
size_t fleet_keepers(const fleet *f, const chunk_hash *name,
                     uint8_t out[ROLL_COPIES_MAX]);

int fleet_is_ready(fleet *f, size_t at);
int fleet_ask(fleet *f, size_t at, const talk_question *q);
void fleet_forget(fleet *f, const void *ctx);
int fleet_step(fleet *f);

#endif
