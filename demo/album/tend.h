/*
 * What a data server does for its chunks by and by: it goes through them, in
 * the order of their names, and sees that those who are to keep each have it.
 *
 *     for each chunk here, ask all who are to keep it: HAS
 *         the first of them that has it gives it to those that lack it;
 *         when none has it, who has it though he need not gives it
 *     not ours to keep, and all who are have it: removed here
 *     no file names it, for longer than the album server's patience: gone
 *
 * So a server that comes gets just what is its own, from one giver each; what
 * a dead one had is made up for; and of one that leaves nothing is lost, for
 * nothing is removed but what all of those had at that time, by the same roll:
 * who has another answers UNSURE.
 *
 * A chunk that is found damaged is got again from the others.
 */
#ifndef ALBUM_TEND_H
#define ALBUM_TEND_H

#include "errand.h"

enum {
    TEND_BATCH = 64,       /* chunks asked about at once */
    TEND_WANTED_MAX = 256, /* damaged ones that are to be got again */
    TEND_AGAIN_MS = 500    /* when something was left to do; or ten times as
                              long as it took */
};

typedef enum tend_phase { TEND_IDLE, TEND_ASKS, TEND_GIVES } tend_phase;

/* A chunk of the batch: who is to keep it, and what they said, in order. */
typedef struct tend_chunk {
    uint8_t keepers[ROLL_COPIES_MAX]; /* indexes into the roll */
    uint8_t has[ROLL_COPIES_MAX];
    uint8_t count, are_we, is_gone;
} tend_chunk;

typedef struct tend {
    chunks *store;
    fleet *fleet;
    talk *registry;   /* the album server, that knows which are named */
    const char *self; /* our name */
    unsigned settle_ms, every_ms;
    tend_phase phase;
    int is_scrub, wants_scrub; /* this pass reads every chunk; the next */
    uint64_t changes;          /* of the fleet, that all below is of */
    uint64_t begun_ms, due_ms; /* this pass; the next */
    unsigned first;            /* the folder */
    chunk_hash *names;         /* what is in it */
    size_t count, at, batch;   /* the batch is names[at .. at + batch) */
    tend_chunk chunks[TEND_BATCH];
    uint8_t asked[ROLL_MAX]; /* which servers */
    uint8_t asked_names;     /* the registry */
    size_t index;            /* in the batch: to be given */
    int gives;               /* it is under way */
    int is_unfinished;       /* something is left for another pass */
    uint8_t *bytes;          /* two chunks: one to give, one to get */
    errand errand;           /* gets a wanted one */
    chunk_hash wanted[TEND_WANTED_MAX];
    size_t wanted_count;
    uint64_t passes, given, removed, fetched, deleted; /* for `status` */
} tend;

/* 0: no memory. */
int tend_open(tend *t, chunks *store, fleet *f, talk *registry,
              const char *self);
void tend_close(tend *t);

/* A pass is to begin soon, though the roll is the same. */
void tend_soon(tend *t);
/* The next pass reads all there is. */
void tend_scrub(tend *t);
/* It was found damaged, and is set aside. */
void tend_want(tend *t, const chunk_hash *name);
/* Whether the last pass found everything where it belongs. */
int tend_is_done(const tend *t);

/* A little of it; answers the ms until the next call. */
int tend_step(tend *t);

#endif
