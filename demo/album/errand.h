/*
 * One chunk to be brought to as many servers as are to keep it, or to be got
 * from any that has it; whichever servers fail meanwhile.
 *
 * Brought: of those who can be reached the first `copies` are asked, which
 * keeps it from being deleted there, and given it if they lack it; who fails
 * or refuses is made up for by the next. Got: one after the other is asked,
 * until one gives what the name says.
 */
#ifndef ALBUM_ERRAND_H
#define ALBUM_ERRAND_H

#include "fleet.h"

enum {
    ERRAND_ROUNDS_MAX = 6, /* to ask all for a chunk: it may just be moving */
    ERRAND_ROUND_MS = 500  /* between them */
};

#define ERRAND_ANY_LEN ((size_t)-1)

typedef enum errand_state {
    ERRAND_NONE,
    ERRAND_RUNS,
    ERRAND_WAITS, /* for servers, until one helps: see why */
    ERRAND_DONE,
    ERRAND_FAILED
} errand_state;

typedef struct errand {
    errand_state state;
    int is_store;
    chunk_hash name;
    uint8_t *bytes; /* the caller's: to be stored, or to be filled */
    size_t len;
    int travelled; /* stored: somebody lacked it */
    const char *why;
    uint8_t voices[ROLL_MAX]; /* what each server has said */
    uint64_t changes;         /* of the fleet, that they are of */
    wire_reply last;          /* why one refused */
    unsigned rounds;
    uint64_t again_ms;
} errand;

void errand_store(errand *e, const chunk_hash *name, uint8_t *bytes,
                  size_t len);
/* `len` is what it must have; or ERRAND_ANY_LEN, and it becomes that. */
void errand_fetch(errand *e, const chunk_hash *name, uint8_t *bytes,
                  size_t len);
/* Goes on. Answers the ms until the next call, -1: when the fleet hears. */
int errand_step(errand *e, fleet *f);
void errand_end(errand *e, fleet *f);

#endif
