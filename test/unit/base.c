/* The ground floor: memory, numbers, hashing. */
#include "../../src/base.h"
#include "../test.h"

TEST(memory_allows_null_with_length_zero)
{
    uint8_t byte = 7;
    crdti_copy(NULL, NULL, 0);
    crdti_move(NULL, NULL, 0);
    crdti_zero(NULL, 0);
    crdti_copy(&byte, NULL, 0);
    CHECK_INT(byte, 7);
    CHECK(crdti_equal(NULL, NULL, 0));
    CHECK(crdti_equal(&byte, NULL, 0));
    CHECK_INT(crdti_compare(NULL, &byte, 0), 0);
}

TEST(move_may_overlap)
{
    char text[] = "abcdef";
    crdti_move(text + 1, text, 5);
    CHECK_STR(text, "aabcde");
    crdti_move(text, text + 1, 5);
    CHECK_STR(text, "abcdee");
}

TEST(compare_is_unsigned)
{
    CHECK(crdti_compare("\x01", "\xff", 1) < 0);
    CHECK(crdti_compare("b", "a", 1) > 0);
    CHECK_INT(crdti_compare("ab", "ac", 1), 0);
    CHECK(!crdti_equal("ab", "ac", 2));
}

TEST(words_are_little_endian_at_any_address)
{
    uint8_t b[16];
    size_t at;
    for (at = 0; at < 8; at++) {
        memset(b, 0xee, sizeof b);
        crdti_store64(b + at, 0x0102030405060708u);
        CHECK_INT(b[at], 8);
        CHECK_INT(b[at + 7], 1);
        CHECK(crdti_load64(b + at) == 0x0102030405060708u);
        CHECK(crdti_load64_be(b + at) == 0x0807060504030201u);
        CHECK(crdti_load32(b + at) == 0x05060708u);
        crdti_store32(b + at, 0xfffefdfcu);
        CHECK_INT(b[at], 0xfc);
        CHECK_INT(b[at + 4], 4);
        CHECK(crdti_load32(b + at) == 0xfffefdfcu);
    }
}

TEST(min_and_max)
{
    CHECK(crdti_min(1, UINT64_MAX) == 1 && crdti_max(1, UINT64_MAX) + 1 == 0);
    CHECK(crdti_min_size(3, 2) == 2 && crdti_max_size(3, 2) == 3);
}

/* Slow and sure: bit by bit, 128 bits in two words. */
static uint64_t slow_mix(uint64_t a, uint64_t b)
{
    uint64_t low = 0, high = 0;
    int i;
    for (i = 0; i < 64; i++) {
        uint64_t part = b >> i & 1 ? a << i : 0;
        uint64_t carry = i && b >> i & 1 ? a >> (64 - i) : 0;
        low += part;
        high += carry + (low < part);
    }
    return low ^ high;
}

TEST(mix_is_the_folded_product)
{
    static const uint64_t edges[] = {
        0, 1, 2, 0xffffffffu, 0x100000000u, UINT64_MAX, (uint64_t)1 << 63
    };
    uint64_t seed = 1;
    size_t i, j;
    for (i = 0; i < 7; i++)
        for (j = 0; j < 7; j++)
            CHECK(crdti_mix(edges[i], edges[j]) ==
                  slow_mix(edges[i], edges[j]));
    for (i = 0; i < 1000; i++) {
        uint64_t a = test_random(&seed), b = test_random(&seed);
        CHECK(crdti_mix(a, b) == slow_mix(a, b));
    }
}

/* The value is part of digests: it must never change, on no machine. */
TEST(hash_is_the_same_everywhere)
{
    uint8_t b[40];
    size_t i;
    for (i = 0; i < sizeof b; i++)
        b[i] = (uint8_t)(i * 7);
    CHECK(crdti_hash(b, 0, 0) == 0xbb28a5ca38b99feeu);
    CHECK(crdti_hash(b, 3, 1) == 0x58b980a7ca0d4c05u);
    CHECK(crdti_hash(b, 7, 2) == 0xc2711d27e8c9f090u);
    CHECK(crdti_hash(b, 16, 3) == 0xf93a5935a720cafeu);
    CHECK(crdti_hash(b, 40, 4) == 0xde6de0ab2e441abdu);
}

static void check_every_bit(uint64_t seed)
{
    uint8_t b[70] = { 0 };
    size_t len, bit;
    for (len = 1; len < sizeof b; len++) {
        uint64_t whole = crdti_hash(b, len, seed);
        CHECK(whole != crdti_hash(b, len - 1, seed));
        CHECK(whole != crdti_hash(b, len, seed + 1));
        for (bit = 0; bit < len * 8; bit++) {
            b[bit / 8] ^= (uint8_t)(1 << bit % 8);
            CHECK(crdti_hash(b, len, seed) != whole);
            b[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
}

/* Once, seed 0 made a factor 0 for up to three bytes. */
TEST(hash_looks_at_every_bit)
{
    check_every_bit(0);
    check_every_bit(1);
    check_every_bit(UINT64_MAX);
}

TEST(hash_looks_at_no_more)
{
    uint8_t b[80], moved[81];
    size_t len;
    for (len = 0; len < sizeof b; len++) {
        memset(b, 0x55, sizeof b);
        memset(moved, 0xaa, sizeof moved);
        memset(moved + 1, 0x55, len);
        CHECK(crdti_hash(b, len, 3) == crdti_hash(moved + 1, len, 3));
    }
}

/* One bit in changes half of the bits out, each as often as not. */
TEST(hash_avalanches)
{
    uint64_t seed = test_env("TEST_SEED", 1);
    int flips[64] = { 0 }, rounds = 20000, round, i;
    for (round = 0; round < rounds; round++) {
        uint64_t word[3], before, after;
        size_t len = 1 + test_below(&seed, 24);
        uint32_t bit = test_below(&seed, (uint32_t)len * 8);
        word[0] = test_random(&seed);
        word[1] = test_random(&seed);
        word[2] = test_random(&seed);
        before = crdti_hash(word, len, 5);
        ((uint8_t *)word)[bit / 8] ^= (uint8_t)(1u << bit % 8);
        after = crdti_hash(word, len, 5);
        for (i = 0; i < 64; i++)
            flips[i] += (int)((before ^ after) >> i & 1);
    }
    for (i = 0; i < 64; i++)
        CHECK(flips[i] > rounds * 47 / 100 && flips[i] < rounds * 53 / 100);
}

/* Bytes that make a factor of the product 0 under one seed, known to others,
 * do not collide under a seed that is not. */
TEST(hash_has_no_known_collisions)
{
    uint8_t a[32] = { 0 }, b[32] = { 0 };
    uint64_t mask = crdti_mix(0 ^ CRDTI_HASH_1, CRDTI_HASH_2);
    crdti_store64(a, mask);
    crdti_store64(b, mask);
    b[8] = 1;
    CHECK(crdti_hash(a, 32, 0) == crdti_hash(b, 32, 0));
    CHECK(crdti_hash(a, 32, 1) != crdti_hash(b, 32, 1));
}

TEST_MAIN(CASE(memory_allows_null_with_length_zero), CASE(move_may_overlap),
          CASE(compare_is_unsigned),
          CASE(words_are_little_endian_at_any_address), CASE(min_and_max),
          CASE(mix_is_the_folded_product), CASE(hash_is_the_same_everywhere),
          CASE(hash_looks_at_every_bit), CASE(hash_looks_at_no_more),
          CASE(hash_avalanches), CASE(hash_has_no_known_collisions))
