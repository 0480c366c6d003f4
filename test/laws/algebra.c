/* The algebra on real documents against its oracle: algebra.h. */
#include "algebra.h"

enum { SLOW_EVERY = 64 };

TEST(documents_equal_the_oracle)
{
    uint64_t first = test_env("CRDT_SEED", 0);
    uint64_t count = test_env("CRDT_SEEDS", first ? 1 : 100000), i;
    world *w = world_new();
    uint64_t failed = 0;
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
    CHECK(failed == 0);
}

/* Seeds that found something once, checked slowly for ever. */
TEST(seeds_that_have_failed_before)
{
    static const uint64_t seeds[] = { 11, 59983, 211078, 1389513 };
    world *w = world_new();
    size_t i;
    for (i = 0; i < sizeof seeds / sizeof *seeds; i++) {
        const char *wrong = run_seed(w, seeds[i], 1);
        if (wrong)
            puts(wrong);
        CHECK(!wrong);
    }
    world_free(w);
}

TEST_MAIN(CASE(documents_equal_the_oracle),
          CASE(seeds_that_have_failed_before))
