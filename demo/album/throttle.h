/*
 * Who fails too often waits: a bucket a name, which holds THROTTLE_BURST
 * attempts and fills at one every THROTTLE_MS. The table is bounded; when it
 * is full, the bucket that is fullest makes room.
 */
#ifndef ALBUM_THROTTLE_H
#define ALBUM_THROTTLE_H

#include <stdint.h>

enum { THROTTLE_BURST = 8, THROTTLE_MS = 5000, THROTTLE_MAX = 1024 };

typedef struct throttle {
    struct {
        uint64_t name;
        uint64_t full_ms; /* when it is full again */
    } rows[THROTTLE_MAX];
} throttle;

/* Takes one attempt. Answers 0, or for how many ms there is none. */
uint64_t throttle_take(throttle *t, const char *name, uint64_t now_ms);
/* Gives it back: it was no failure. */
void throttle_give(throttle *t, const char *name, uint64_t now_ms);

#endif
