/*
 * Sets of small numbers as bits of 64-bit words: characters that are dead, or
 * old, by name.
 */
#ifndef CRDTI_BITS_H
#define CRDTI_BITS_H

#include "base.h"

CRDTI_INLINE int crdti_bit_is_set(const uint64_t *bits, uint32_t at)
{
    return (int)(bits[at / 64] >> at % 64 & 1);
}

CRDTI_INLINE uint32_t crdti_bits_count(uint64_t word)
{
    word -= word >> 1 & UINT64_C(0x5555555555555555);
    word = (word & UINT64_C(0x3333333333333333)) +
           (word >> 2 & UINT64_C(0x3333333333333333));
    word = (word + (word >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (uint32_t)(word * UINT64_C(0x0101010101010101) >> 56);
}

/* The place of the lowest bit; there is one. */
CRDTI_INLINE uint32_t crdti_bit_lowest(uint64_t word)
{
#if defined(__GNUC__)
    return (uint32_t)__builtin_ctzll(word);
#else
    return crdti_bits_count((word & (0 - word)) - 1);
#endif
}

CRDTI_FN void crdti_bits_set(uint64_t *bits, uint32_t from, uint32_t len)
{
    uint32_t end = from + len;
    while (from < end) {
        uint32_t bit = from % 64, count = 64 - bit;
        if (count > end - from)
            count = end - from;
        bits[from / 64] |=
            (count == 64 ? UINT64_MAX : ((UINT64_C(1) << count) - 1)) << bit;
        from += count;
    }
}

CRDTI_FN void crdti_bits_clear(uint64_t *bits, uint32_t from, uint32_t len)
{
    uint32_t end = from + len;
    while (from < end) {
        uint32_t bit = from % 64, count = 64 - bit;
        if (count > end - from)
            count = end - from;
        bits[from / 64] &= ~((UINT64_MAX >> (64 - count)) << bit);
        from += count;
    }
}

/* How many bits from `from` on, `most` at most, are as the first one. */
CRDTI_INLINE uint32_t crdti_bits_run(const uint64_t *bits, uint32_t from,
                                     uint32_t most)
{
    uint64_t flip = 0 - (bits[from / 64] >> from % 64 & 1);
    uint64_t word = (bits[from / 64] ^ flip) >> from % 64;
    uint32_t len;
    if (CRDTI_LIKELY(word != 0)) {
        len = crdti_bit_lowest(word);
        return len < most ? len : most;
    }
    for (len = 64 - from % 64; len < most; len += 64) {
        word = bits[(from + len) / 64] ^ flip;
        if (word) {
            len += crdti_bit_lowest(word);
            break;
        }
    }
    return len < most ? len : most;
}

/* How many bits from `from` on it takes until behind the last that is set; 0:
 * none of the `len` is. */
CRDTI_FN uint32_t crdti_bits_reach(const uint64_t *bits, uint32_t from,
                                   uint32_t len)
{
    while (len && !crdti_bit_is_set(bits, from + len - 1)) {
        uint32_t bit = (from + len - 1) % 64;
        /* The rest of a word at once, when it is empty. */
        if (bit < len && !(bits[(from + len - 1) / 64] << (63 - bit)))
            len -= bit + 1;
        else
            len--;
    }
    return len;
}

#endif
