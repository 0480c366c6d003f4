/* Random histories of all types against the model: histories.h. */
#include "histories.h"

enum { SLOW_EVERY = 64 };

TEST(documents_equal_the_model)
{
    uint64_t first = test_env("CRDT_SEED", 0);
    uint64_t count = test_env("CRDT_SEEDS", first ? 1 : 20000), i;
    uint64_t failed = 0;
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
    CHECK(failed == 0);
}

TEST_MAIN(CASE(documents_equal_the_model))
