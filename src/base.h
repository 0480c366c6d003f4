/*
 * The ground floor: what the compiler and the machine are like, said once, so
 * that everything above is plain C99 that is also C++11.
 *
 *     glue      CRDTI_FN, CRDTI_INLINE, CRDTI_HOT, CRDTI_LIKELY, CRDTI_ASSERT
 *     memory    copy, move, zero, equal, compare: string.h, or nothing
 *     numbers   min, max, little-endian loads and stores
 *     hashing   mix (two words into one), hash (bytes into a word)
 *
 * With CRDTSYNC_FREESTANDING no header is used that a bare compiler lacks. Gcc
 * and clang want memcpy, memmove, memset and memcmp even there, whatever the
 * source says, so using their builtins asks for nothing more.
 */
#ifndef CRDTI_BASE_H
#define CRDTI_BASE_H

#include "api.h"

#ifndef CRDTSYNC_FREESTANDING
#include <assert.h>
#include <string.h>
#endif

/* >>glue ------------------------------------------------------------------ */

/* Every internal function: nothing leaves the object file, and a program that
 * uses half of the modules hears no complaint about the other half. */
#define CRDTI_FN CRDTI_UNUSED static
#define CRDTI_INLINE CRDTI_UNUSED static inline

/* Hot, but with more in it than a call: inline, unless -Os asks for the call.
 * Clang would still inline it there, and the core grow by a fifth. */
#if defined(__OPTIMIZE_SIZE__) && defined(__clang__)
#define CRDTI_HOT CRDTI_UNUSED static __attribute__((noinline))
#else
#define CRDTI_HOT CRDTI_INLINE
#endif

/* Not hot, beside what is. */
#if defined(__GNUC__) || defined(__clang__)
#define CRDTI_SLOW CRDTI_UNUSED static __attribute__((noinline))
#else
#define CRDTI_SLOW CRDTI_FN
#endif

#if defined(__GNUC__) || defined(__clang__)
#define CRDTI_LIKELY(cond) __builtin_expect(!!(cond), 1)
#define CRDTI_UNLIKELY(cond) __builtin_expect(!!(cond), 0)
#define CRDTI_PREFETCH(at) __builtin_prefetch(at)
#else
#define CRDTI_LIKELY(cond) (cond)
#define CRDTI_UNLIKELY(cond) (cond)
#define CRDTI_PREFETCH(at) ((void)(at))
#endif

/* What our own code must hold; never said of bytes from outside. Switched off
 * it still looks at the names, or a variable made for it would be unused. */
#ifdef CRDTSYNC_ASSERT
#define CRDTI_ASSERT(cond) CRDTSYNC_ASSERT(cond)
#elif defined(CRDTSYNC_FREESTANDING) || defined(NDEBUG)
#define CRDTI_ASSERT(cond) ((void)sizeof((cond) ? 1 : 0))
#else
#define CRDTI_ASSERT(cond) assert(cond)
#endif

/* The rules that a test takes out one at a time, to show that none is there
 * for nothing. */
#ifndef CRDTI_RULE
#define CRDTI_RULE(name) 1
#endif

/* >>memory ----------------------------------------------------------------
 * As in string.h, but NULL with length 0 is allowed: crdt_bytes may be that,
 * and the C standard calls it undefined. The test costs nothing where the
 * length is a constant. */

#ifndef CRDTSYNC_FREESTANDING
#define CRDTI_MEM(name) mem##name
#elif defined(__GNUC__) || defined(__clang__)
#define CRDTI_MEM(name) __builtin_mem##name
#else
#define CRDTI_MEM(name) crdti_plain_##name

CRDTI_FN void crdti_plain_move(void *to, const void *from, size_t len)
{
    uint8_t *t = (uint8_t *)to;
    const uint8_t *f = (const uint8_t *)from;
    size_t i;
    if ((uintptr_t)t <= (uintptr_t)f)
        for (i = 0; i < len; i++)
            t[i] = f[i];
    else
        for (i = len; i > 0; i--)
            t[i - 1] = f[i - 1];
}

CRDTI_FN void crdti_plain_cpy(void *to, const void *from, size_t len)
{
    crdti_plain_move(to, from, len);
}

CRDTI_FN void crdti_plain_set(void *to, int byte, size_t len)
{
    uint8_t *t = (uint8_t *)to;
    size_t i;
    for (i = 0; i < len; i++)
        t[i] = (uint8_t)byte;
}

CRDTI_FN int crdti_plain_cmp(const void *a, const void *b, size_t len)
{
    const uint8_t *x = (const uint8_t *)a, *y = (const uint8_t *)b;
    size_t i;
    for (i = 0; i < len; i++)
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    return 0;
}
#endif

CRDTI_INLINE void crdti_copy(void *to, const void *from, size_t len)
{
    if (len)
        CRDTI_MEM(cpy)(to, from, len);
}

/* As crdti_copy; the two may overlap. */
CRDTI_INLINE void crdti_move(void *to, const void *from, size_t len)
{
    if (len)
        CRDTI_MEM(move)(to, from, len);
}

CRDTI_INLINE void crdti_zero(void *to, size_t len)
{
    if (len)
        CRDTI_MEM(set)(to, 0, len);
}

CRDTI_INLINE int crdti_equal(const void *a, const void *b, size_t len)
{
    return len == 0 || CRDTI_MEM(cmp)(a, b, len) == 0;
}

/* Below, at or above 0, as a is before, the same as or behind b. */
CRDTI_INLINE int crdti_compare(const void *a, const void *b, size_t len)
{
    return len == 0 ? 0 : CRDTI_MEM(cmp)(a, b, len);
}

/* >>numbers --------------------------------------------------------------- */

CRDTI_INLINE uint64_t crdti_min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

CRDTI_INLINE uint64_t crdti_max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

CRDTI_INLINE size_t crdti_min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

CRDTI_INLINE size_t crdti_max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Loads and stores at any address. Little-endian machines do them in one
 * instruction; others byte by byte, which their compilers turn into one. */
#if defined(__BYTE_ORDER__) && defined(__ORDER_LITTLE_ENDIAN__)
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define CRDTI_LITTLE_ENDIAN
#endif
#elif defined(_WIN32)
#define CRDTI_LITTLE_ENDIAN
#endif

CRDTI_INLINE uint32_t crdti_load32(const void *from)
{
#ifdef CRDTI_LITTLE_ENDIAN
    uint32_t word;
    crdti_copy(&word, from, sizeof word);
    return word;
#else
    const uint8_t *b = (const uint8_t *)from;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 |
           (uint32_t)b[3] << 24;
#endif
}

CRDTI_INLINE uint64_t crdti_load64(const void *from)
{
#ifdef CRDTI_LITTLE_ENDIAN
    uint64_t word;
    crdti_copy(&word, from, sizeof word);
    return word;
#else
    const uint8_t *b = (const uint8_t *)from;
    return (uint64_t)crdti_load32(b) | (uint64_t)crdti_load32(b + 4) << 32;
#endif
}

CRDTI_INLINE void crdti_store32(void *to, uint32_t word)
{
#ifdef CRDTI_LITTLE_ENDIAN
    crdti_copy(to, &word, sizeof word);
#else
    uint8_t *b = (uint8_t *)to;
    b[0] = (uint8_t)word;
    b[1] = (uint8_t)(word >> 8);
    b[2] = (uint8_t)(word >> 16);
    b[3] = (uint8_t)(word >> 24);
#endif
}

CRDTI_INLINE void crdti_store64(void *to, uint64_t word)
{
    uint8_t *b = (uint8_t *)to;
    crdti_store32(b, (uint32_t)word);
    crdti_store32(b + 4, (uint32_t)(word >> 32));
}

/* The order of these numbers is the order of the bytes: for comparing. Gcc and
 * clang make it a load and a byte swap. */
CRDTI_INLINE uint64_t crdti_load64_be(const void *from)
{
    const uint8_t *b = (const uint8_t *)from;
    return (uint64_t)b[0] << 56 | (uint64_t)b[1] << 48 | (uint64_t)b[2] << 40 |
           (uint64_t)b[3] << 32 | (uint64_t)b[4] << 24 | (uint64_t)b[5] << 16 |
           (uint64_t)b[6] << 8 | (uint64_t)b[7];
}

/* >>hashing ---------------------------------------------------------------
 * Multiply two words to 128 bits and fold the halves: each bit of the result
 * hangs on every bit of both. 4 cycles. (wyhash: Wang Yi 2019) */

#ifdef __SIZEOF_INT128__
__extension__ typedef unsigned __int128 crdti_u128;

CRDTI_HOT uint64_t crdti_mix(uint64_t a, uint64_t b)
{
    crdti_u128 product = (crdti_u128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}
#else
CRDTI_HOT uint64_t crdti_mix(uint64_t a, uint64_t b)
{
    uint64_t al = (uint32_t)a, ah = a >> 32, bl = (uint32_t)b, bh = b >> 32;
    uint64_t low = al * bl, high = ah * bh;
    uint64_t mid = ah * bl + (low >> 32); /* cannot overflow */
    uint64_t mid2 = al * bh + (uint32_t)mid;
    high += (mid >> 32) + (mid2 >> 32);
    return (mid2 << 32 | (uint32_t)low) ^ high;
}
#endif

/* The first digits of pi, behind the point: no reason to suspect them. */
#define CRDTI_HASH_1 0x243f6a8885a308d3u
#define CRDTI_HASH_2 0x13198a2e03707344u
#define CRDTI_HASH_3 0xa4093822299f31d0u

/* The bytes below a block of 16, spread over two words. The two loads overlap,
 * so that each length takes one branch instead of a loop. */
CRDTI_INLINE void crdti_hash_tail(const uint8_t *p, size_t len, uint64_t *a,
                                  uint64_t *b)
{
    *a = *b = 0;
    if (len >= 8) {
        *a = crdti_load64(p);
        *b = crdti_load64(p + len - 8);
    } else if (len >= 4) {
        *a = crdti_load32(p);
        *b = crdti_load32(p + len - 4);
    } else if (len) {
        *a = (uint64_t)p[0] << 16 | (uint64_t)p[len / 2] << 8 | p[len - 1];
    }
}

/* A 64-bit hash of bytes, the same on every machine. Measured: 2 ns for a short
 * key, 10 GB/s for a long one. A seed that is random and secret keeps others
 * from choosing bytes that collide: both factors of each step are masked with
 * something made from it, so that no known bytes make a factor 0. */
CRDTI_FN uint64_t crdti_hash(const void *bytes, size_t len, uint64_t seed)
{
    const uint8_t *p = (const uint8_t *)bytes;
    uint64_t mask = crdti_mix(seed ^ CRDTI_HASH_1, CRDTI_HASH_2);
    uint64_t hash = seed ^ CRDTI_HASH_3, a, b;
    size_t left = len;
    for (; left > 16; left -= 16, p += 16)
        hash = crdti_mix(crdti_load64(p) ^ mask, crdti_load64(p + 8) ^ hash);
    crdti_hash_tail(p, left, &a, &b);
    return crdti_mix(crdti_mix(a ^ mask, b ^ hash), CRDTI_HASH_2 ^ len);
}

#endif
