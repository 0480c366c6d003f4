/*
 * Many seeds of a program that has a world and its run_seed, both included
 * before this. CRDT_SEED is the first of them, by itself unless CRDT_SEEDS
 * says how many.
 */
#ifndef SEEDS_H
#define SEEDS_H

#include "../test.h"

enum { SLOW_EVERY = 64 };

/* Says of each that fails, up to ten, how to see it again. How many did. */
static int run_seeds(uint64_t many)
{
    uint64_t first = test_env("CRDT_SEED", 0);
    uint64_t count = test_env("CRDT_SEEDS", first ? 1 : many), i;
    int failed = 0;
    world *w = world_new();
    for (i = 0; i < count && failed < 10; i++) {
        uint64_t seed = first + i;
        int slow = seed % SLOW_EVERY == 0 || count == 1;
        const char *wrong = run_seed(w, seed, slow);
        if (!wrong)
            continue;
        failed++;
        printf("%s; replay with CRDT_SEED=%llu\n", wrong,
               (unsigned long long)seed);
        fflush(stdout);
    }
    world_free(w);
    printf("%llu seeds\n", (unsigned long long)i);
    return failed;
}

#endif
