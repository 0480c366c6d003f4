/*
 * What the operating system gives: time and randomness, as the tables that a
 * document takes when its program has none of its own. Freestanding and on
 * Windows there are none yet: the program brings them, or gets CRDT_ERR_ARG.
 *
 *     wall_ms    clock_gettime(CLOCK_REALTIME), else gettimeofday
 *     mono_ms    clock_gettime(CLOCK_MONOTONIC), else times
 *     fill       getrandom, else /dev/urandom
 *
 * Why two clocks each: with -std=c99 (not gnu99) glibc and musl hide what is
 * POSIX, clock_gettime included, unless _POSIX_C_SOURCE was defined before the
 * first system header, and that is not ours to say: this header may come late.
 * Declaring it ourselves would bind the wrong symbol where time_t has two
 * widths (32-bit machines). gettimeofday and times are never hidden. The first
 * is as fast and fine enough. The second is a system call and ticks only every
 * 10 ms, which timers bear; on 32 bits it wraps after months. Whoever minds
 * defines _POSIX_C_SOURCE 200112L.
 */
#ifndef CRDTI_SYSTEM_H
#define CRDTI_SYSTEM_H

#include "base.h"

#if !defined(CRDTSYNC_FREESTANDING) && !defined(_WIN32)
#define CRDTI_HAS_SYSTEM
#endif

#ifdef CRDTI_HAS_SYSTEM
#include <errno.h>
#include <stdio.h>
#include <time.h>

/* >>clock ----------------------------------------------------------------- */

#ifdef CLOCK_MONOTONIC
/* The kernel is not entered: some 20 ns. */
CRDTI_FN uint64_t crdti_gettime_ms(clockid_t clock)
{
    struct timespec t;
    if (clock_gettime(clock, &t) != 0)
        return 0;
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

CRDTI_FN uint64_t crdti_wall_ms(void *ctx)
{
    (void)ctx;
    return crdti_gettime_ms(CLOCK_REALTIME);
}

CRDTI_FN uint64_t crdti_mono_ms(void *ctx)
{
    (void)ctx;
    return crdti_gettime_ms(CLOCK_MONOTONIC);
}
#else
#include <sys/time.h>
#include <sys/times.h>
#include <unistd.h>

CRDTI_FN uint64_t crdti_wall_ms(void *ctx)
{
    struct timeval t;
    (void)ctx;
    if (gettimeofday(&t, NULL) != 0)
        return 0;
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_usec / 1000;
}

CRDTI_FN uint64_t crdti_mono_ms(void *ctx)
{
    struct tms unused;
    uint64_t ticks = (unsigned long)times(&unused);
    uint64_t per_second = (uint64_t)sysconf(_SC_CLK_TCK);
    (void)ctx;
    return ticks / per_second * 1000 + ticks % per_second * 1000 / per_second;
}
#endif

/* >>random ---------------------------------------------------------------- */

#if defined(__linux__) && defined(__has_include)
#if __has_include(<sys/random.h>)
#define CRDTI_HAS_GETRANDOM
#include <sys/random.h>
#endif
#endif

/* Whether the whole of it could be filled without a file: that works also
 * where there is no /dev, or no file descriptor left. */
CRDTI_FN int crdti_getrandom(uint8_t *out, size_t len)
{
#ifdef CRDTI_HAS_GETRANDOM
    while (len > 0) {
        ssize_t got = getrandom(out, len, 0);
        if (got < 0 && errno != EINTR)
            return 0;
        if (got > 0) {
            out += got;
            len -= (size_t)got;
        }
    }
    return 1;
#else
    (void)out;
    return len == 0;
#endif
}

CRDTI_FN crdt_err crdti_random_fill(void *ctx, void *out, size_t len)
{
    FILE *file;
    size_t got;
    (void)ctx;
    if (crdti_getrandom((uint8_t *)out, len))
        return CRDT_OK;
    file = fopen("/dev/urandom", "rb");
    if (!file)
        return CRDT_ERR_IO;
    setvbuf(file, NULL, _IONBF, 0); /* or it would fetch 4,096 bytes */
    got = fread(out, 1, len, file);
    fclose(file);
    return got == len ? CRDT_OK : CRDT_ERR_IO;
}
#endif

/* The table, or that of the system; NULL when there is neither. */
CRDTI_INLINE const crdt_clock *crdti_clock_or_default(const crdt_clock *clock)
{
#ifdef CRDTI_HAS_SYSTEM
    static const crdt_clock crdti_system_clock = { 1, NULL, crdti_wall_ms,
                                                   crdti_mono_ms };
    return clock ? clock : &crdti_system_clock;
#else
    return clock;
#endif
}

CRDTI_INLINE const crdt_random *crdti_random_or_default(
    const crdt_random *random)
{
#ifdef CRDTI_HAS_SYSTEM
    static const crdt_random crdti_system_random = { 1, NULL,
                                                     crdti_random_fill };
    return random ? random : &crdti_system_random;
#else
    return random;
#endif
}

#endif
