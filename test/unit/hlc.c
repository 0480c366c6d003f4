/* The laws of the hybrid logical clock. */
#include "../../src/hlc.h"
#include "../test.h"

TEST(it_follows_the_wall_clock)
{
    crdti_hlc h = { 0 };
    CHECK(crdti_hlc_next(&h, 1000) == (uint64_t)1000 << 16);
    CHECK(crdti_hlc_next(&h, 1000) == ((uint64_t)1000 << 16 | 1));
    CHECK(crdti_hlc_next(&h, 998) == ((uint64_t)1000 << 16 | 2));
    CHECK(crdti_hlc_next(&h, 1001) == (uint64_t)1001 << 16);
}

TEST(the_logical_part_carries)
{
    crdti_hlc h = { 0 };
    uint64_t last = crdti_hlc_next(&h, 5), stamp;
    long i;
    for (i = 0; i < 70000; i++) {
        stamp = crdti_hlc_next(&h, 5);
        CHECK(stamp == last + 1);
        last = stamp;
    }
    CHECK(last >> 16 == 6);
    CHECK(crdti_hlc_next(&h, 6) == last + 1);
    CHECK(crdti_hlc_next(&h, 7) == (uint64_t)7 << 16);
}

/* Whatever the wall clock and the others do: each stamp is greater than all
 * given and seen before, not before the wall clock, and not far ahead of the
 * latest of both. */
TEST(stamps_always_rise)
{
    uint64_t seed = test_env("TEST_SEED", 1), wall = 1000000, latest = 0;
    crdti_hlc h = { 0 };
    int round;
    for (round = 0; round < 100000; round++) {
        uint64_t before = h.last, stamp;
        wall += test_below(&seed, 2000);
        wall -= test_below(&seed, 2000);
        latest = crdti_max(latest, wall);
        if (test_below(&seed, 4) == 0) {
            uint64_t remote = (wall - 500 + test_below(&seed, 1000)) << 16;
            crdti_hlc_see(&h, remote | test_below(&seed, 65536));
            CHECK(h.last >= remote && h.last >= before);
            latest = crdti_max(latest, remote >> 16);
        }
        before = h.last;
        stamp = crdti_hlc_next(&h, wall);
        CHECK(stamp > before && stamp >> 16 >= wall);
        CHECK(stamp >> 16 <= latest + 2);
    }
}

TEST(how_far_ahead)
{
    CHECK(crdti_hlc_ahead_ms((uint64_t)1000 << 16, 1000) == 0);
    CHECK(crdti_hlc_ahead_ms((uint64_t)1000 << 16 | 65535, 1000) == 0);
    CHECK(crdti_hlc_ahead_ms((uint64_t)1001 << 16, 1000) == 1);
    CHECK(crdti_hlc_ahead_ms((uint64_t)999 << 16, 1000) == 0);
    CHECK(crdti_hlc_ahead_ms(UINT64_MAX, 0) == CRDTI_HLC_MAX_MS);
    CHECK(crdti_hlc_ahead_ms(0, UINT64_MAX) == 0);
}

TEST(the_end_of_time)
{
    crdti_hlc h = { 0 };
    CHECK(crdti_hlc_next(&h, CRDTI_HLC_MAX_MS + 5) == CRDTI_HLC_MAX_MS << 16);
    CHECK(crdti_hlc_next(&h, UINT64_MAX) == (CRDTI_HLC_MAX_MS << 16 | 1));
    crdti_hlc_see(&h, UINT64_MAX);
    CHECK(crdti_hlc_next(&h, 5) == UINT64_MAX);
    CHECK(crdti_hlc_next(&h, UINT64_MAX) == UINT64_MAX);
}

TEST_MAIN(CASE(it_follows_the_wall_clock), CASE(the_logical_part_carries),
          CASE(stamps_always_rise), CASE(how_far_ahead), CASE(the_end_of_time))
