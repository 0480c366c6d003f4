/* Pieces that lie one behind the other, against a look at each of them. */
#include "../../src/starts.h"

#include "../test.h"

#define PIECES 2000

static uint32_t starts[PIECES];

static uint32_t piece_of(uint32_t count, uint32_t number)
{
    uint32_t i = 0;
    while (i + 1 < count && starts[i + 1] <= number)
        i++;
    return i;
}

/* Of numbers in and around each piece, after every so many that were added. */
static void check_pieces(size_t cap, uint32_t count, uint32_t every)
{
    crdti_arena arena;
    crdti_starts s;
    uint32_t i, k;
    crdti_arena_init(&arena, crdti_alloc_or_default(NULL));
    CHECK(crdti_starts_init(&s, &arena, cap) == CRDT_OK);
    for (i = 0; i < count; i++) {
        crdti_starts_add(&s, starts[i]);
        for (k = 0; i % every == 0 && k <= i; k++) {
            CHECK(crdti_starts_find(&s, starts[k]) == k);
            CHECK(crdti_starts_find(&s, starts[k] + 7) ==
                  piece_of(i + 1, starts[k] + 7));
        }
    }
    CHECK(crdti_starts_find(&s, UINT32_MAX) == count - 1);
    CHECK(s.blocks_len <= s.cap);
    crdti_arena_free(&arena);
}

TEST(pieces_of_any_length_are_found)
{
    uint32_t round, i, seed = 1;
    for (round = 0; round < 12; round++) {
        starts[0] = round % 3 ? 1000 * round : 0;
        for (i = 1; i < PIECES; i++) {
            seed = seed * 1664525 + 1013904223;
            starts[i] = starts[i - 1] + 1 + (seed >> 8) % (1u << round);
        }
        check_pieces(PIECES, PIECES, 400);
    }
}

TEST(many_short_ones_stand_by_few_long_ones)
{
    uint32_t i;
    for (i = 0; i < PIECES; i++)
        starts[i] = i < PIECES / 2 ? i : i * 250000;
    check_pieces(PIECES, PIECES, 250);
    for (i = 0; i < PIECES; i++)
        starts[i] = i ? 500000000 + i : 0;
    check_pieces(PIECES, PIECES, 250);
}

TEST(there_may_be_just_one)
{
    starts[0] = 5;
    check_pieces(1, 1, 1);
    starts[1] = 1u << 29;
    check_pieces(2, 2, 1);
}

TEST_MAIN(CASE(pieces_of_any_length_are_found),
          CASE(many_short_ones_stand_by_few_long_ones),
          CASE(there_may_be_just_one))
