#include "../common/posix.h"

#include "throttle.h"

#include <stddef.h>

/* Fowler, Noll & Vo: FNV-1a. Two names that share a bucket only share it. */
static uint64_t hash_of(const char *name)
{
    uint64_t hash = 14695981039346656037u;
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 1099511628211u;
    return hash ? hash : 1;
}

static size_t row_of(throttle *t, const char *name)
{
    uint64_t hash = hash_of(name);
    size_t i, fullest = 0;
    for (i = 0; i < THROTTLE_MAX; i++) {
        if (t->rows[i].name == hash)
            return i;
        if (t->rows[i].full_ms < t->rows[fullest].full_ms)
            fullest = i;
    }
    t->rows[fullest].name = hash;
    t->rows[fullest].full_ms = 0;
    return fullest;
}

uint64_t throttle_take(throttle *t, const char *name, uint64_t now_ms)
{
    const uint64_t deep = (uint64_t)THROTTLE_BURST * THROTTLE_MS;
    size_t i = row_of(t, name);
    uint64_t full_ms = t->rows[i].full_ms;
    if (full_ms < now_ms)
        full_ms = now_ms;
    full_ms += THROTTLE_MS;
    if (full_ms - now_ms > deep)
        return full_ms - now_ms - deep;
    t->rows[i].full_ms = full_ms;
    return 0;
}

void throttle_give(throttle *t, const char *name, uint64_t now_ms)
{
    size_t i = row_of(t, name);
    if (t->rows[i].full_ms >= now_ms + THROTTLE_MS)
        t->rows[i].full_ms -= THROTTLE_MS;
    else
        t->rows[i].full_ms = now_ms;
}
