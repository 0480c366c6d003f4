/* Clocks and randomness of the system. */
#include "../../src/system.h"
#include "../test.h"

TEST(the_wall_clock_is_the_clock_on_the_wall)
{
    const crdt_clock *clock = crdti_clock_or_default(NULL);
    uint64_t before, ms, after;
    REQUIRE(clock);
    before = (uint64_t)time(NULL);
    ms = clock->wall_ms(clock->ctx);
    after = (uint64_t)time(NULL);
    CHECK(ms / 1000 + 1 >= before && ms / 1000 <= after + 1);
    CHECK(ms > 1700000000000u);
}

TEST(the_other_clock_never_goes_back_but_goes)
{
    const crdt_clock *clock = crdti_clock_or_default(NULL);
    uint64_t start, last, rounds = 0, wall;
    REQUIRE(clock);
    start = last = clock->mono_ms(clock->ctx);
    wall = clock->wall_ms(clock->ctx);
    while (last < start + 50 && rounds++ < 100000000) {
        uint64_t now = clock->mono_ms(clock->ctx);
        REQUIRE(now >= last);
        last = now;
    }
    CHECK(last >= start + 50);
    wall = clock->wall_ms(clock->ctx) - wall;
    CHECK(wall >= 30 && wall < 5000); /* it counts milliseconds */
}

TEST(random_bytes_differ)
{
    const crdt_random *random = crdti_random_or_default(NULL);
    uint8_t a[64] = { 0 }, b[64] = { 0 }, big[5000];
    size_t i, zeros = 0;
    REQUIRE(random);
    CHECK_INT(random->fill(random->ctx, a, sizeof a), CRDT_OK);
    CHECK_INT(random->fill(random->ctx, b, sizeof b), CRDT_OK);
    CHECK(memcmp(a, b, sizeof a) != 0);
    CHECK_INT(random->fill(random->ctx, b, 0), CRDT_OK);
    CHECK_INT(random->fill(random->ctx, big, sizeof big), CRDT_OK);
    for (i = 0; i < sizeof big; i++)
        zeros += big[i] == 0;
    CHECK(zeros > 0 && zeros < 60); /* 20 are to be expected */
}

TEST(what_is_given_is_taken)
{
    static const crdt_clock clock = { 1, NULL, NULL, NULL };
    static const crdt_random random = { 1, NULL, NULL };
    CHECK(crdti_clock_or_default(&clock) == &clock);
    CHECK(crdti_random_or_default(&random) == &random);
}

TEST_MAIN(CASE(the_wall_clock_is_the_clock_on_the_wall),
          CASE(the_other_clock_never_goes_back_but_goes),
          CASE(random_bytes_differ), CASE(what_is_given_is_taken))
