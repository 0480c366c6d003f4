/* The algebra on real documents against its oracle: algebra.h. */
#include "algebra.h"

#include "seeds.h"

TEST(documents_equal_the_oracle)
{
    CHECK(run_seeds(100000) == 0);
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
