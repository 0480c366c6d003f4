/*
 * No rule of the algebra is there for nothing: with any one left out, the
 * driver of algebra.h finds a seed at which a document is wrong.
 */
#include "rule_names.h"

#include "algebra.h"

/* The first seed that fails, or -1. */
static long long first_failure(int rule, uint64_t seeds)
{
    world *w = world_new();
    long long found = -1;
    uint64_t seed;
    left_out = rule;
    for (seed = 0; seed < seeds && found < 0; seed++)
        if (run_seed(w, seed, 0))
            found = (long long)seed;
    left_out = NO_RULE;
    world_free(w);
    return found;
}

static void must_be_missed(int rule, const char *name)
{
    long long seed = first_failure(rule, test_env("CRDT_RULE_SEEDS", 20000));
    if (seed >= 0)
        printf("without %s: seed %lld fails\n", name, seed);
    CHECK(seed >= 0);
}

TEST(without_kills_of_dots_outside_the_base)
{
    must_be_missed(KILLS_TRAVEL, "KILLS_TRAVEL");
}

TEST(without_death_by_context)
{
    must_be_missed(CONTEXT_KILLS, "CONTEXT_KILLS");
}

TEST(without_raising_the_floor)
{
    must_be_missed(FLOOR_RAISED, "FLOOR_RAISED");
}

TEST(without_snapshots_below_the_floor)
{
    must_be_missed(SNAPSHOT_BELOW_FLOOR, "SNAPSHOT_BELOW_FLOOR");
}

TEST(with_all_rules_nothing_fails)
{
    uint64_t seeds = test_env("CRDT_SEEDS", 5000);
    CHECK_INT(first_failure(NO_RULE, seeds < 5000 ? seeds : 5000), -1);
}

TEST_MAIN(CASE(without_kills_of_dots_outside_the_base),
          CASE(without_death_by_context), CASE(without_raising_the_floor),
          CASE(without_snapshots_below_the_floor),
          CASE(with_all_rules_nothing_fails))
