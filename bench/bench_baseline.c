/*
 * What the machine does without us: ratios to these say more than times.
 *
 *     memcpy    1 MiB within the second or third cache
 *     malloc    64 bytes, freed again 100 later
 *     clock     what the default clock of a document reads
 *     miss      loads from all over 256 MiB, each waiting for the one before
 */
#include "bench.h"

#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

static void memcpy_setup(struct bench *b)
{
    b->state = bench_memory(2 * b->n);
}

static void memory_end(struct bench *b)
{
    free(b->state);
}

static void memcpy_run(struct bench *b, uint64_t ops)
{
    uint8_t *half = (uint8_t *)b->state;
    uint64_t i;
    bench_start(b);
    for (i = 0; i < ops; i++) {
        half[i & 1023] = (uint8_t)i;
        memcpy(half + b->n, half, b->n);
        bench_keep(half[b->n + (i & 1023)]);
    }
    bench_stop(b);
    b->bytes = ops * b->n;
}

static void malloc_run(struct bench *b, uint64_t ops)
{
    void *ring[100] = { NULL };
    size_t at = 0;
    bench_start(b);
    for (; ops > 0; ops--) {
        free(ring[at]);
        ring[at] = malloc(b->n);
        if (!ring[at])
            bench_fail("out of memory");
        *(volatile char *)ring[at] = 1;
        at = at == 99 ? 0 : at + 1;
    }
    bench_stop(b);
    for (at = 0; at < 100; at++)
        free(ring[at]);
}

static void clock_run(struct bench *b, uint64_t ops)
{
    struct timeval t;
    uint64_t sum = 0;
    bench_start(b);
    for (; ops > 0; ops--) {
        gettimeofday(&t, NULL);
        sum += (uint64_t)t.tv_usec;
    }
    bench_stop(b);
    bench_keep(sum);
}

/* One cycle through all cache lines, in random order (Sattolo 1986). */
static void miss_setup(struct bench *b)
{
    size_t i, lines = b->n / 64;
    uint32_t *next = (uint32_t *)bench_memory(b->n);
    for (i = 0; i < lines; i++)
        next[i * 16] = (uint32_t)i;
    for (i = lines - 1; i > 0; i--) {
        size_t other = bench_below(b, i);
        uint32_t swapped = next[i * 16];
        next[i * 16] = next[other * 16];
        next[other * 16] = swapped;
    }
    b->state = next;
}

/* Goes on where the run before stopped: from the start again it would be in
 * the cache. */
static void miss_run(struct bench *b, uint64_t ops)
{
    uint32_t *next = (uint32_t *)b->state;
    size_t at = next[1];
    bench_start(b);
    for (; ops > 0; ops--)
        at = next[at * 16];
    bench_stop(b);
    next[1] = (uint32_t)at;
}

const struct bench_case bench_baseline[] = {
    { "baseline.memcpy", BENCH_RATE, 1 << 20, 0, memcpy_setup, memcpy_run,
      memory_end, NULL, NULL },
    { "baseline.malloc", BENCH_NS, 64, 0, NULL, malloc_run, NULL, NULL, NULL },
    { "baseline.clock", BENCH_NS, 1, 0, NULL, clock_run, NULL, NULL, NULL },
    { "baseline.miss", BENCH_NS, 256 << 20, 0, miss_setup, miss_run,
      memory_end, NULL, NULL },
    BENCH_END
};
