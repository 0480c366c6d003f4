/*
 * Planted bugs: the simulator must find each one within 20,000 seeds, those of
 * a type when the seeds are about that type.
 */
#include "program/batch.h"

/* What the seed says of it. */
static const char *try_with(sim *s, const bug *b, uint64_t seed)
{
    crdti_type table[CRDT_TYPE_COUNT];
    const char *wrong;
    options_choose(&s->o, seed, 60);
    bug_narrow(b, &s->o);
    bug_plant(s, table, b);
    wrong = sim_run(s);
    bug_plant(s, table, NULL);
    return wrong;
}

/* How many seeds it took, 0 for none of them. What finds it must be content
 * with what is right. */
static uint64_t hunt(sim *s, const bug *b, uint64_t most)
{
    uint64_t seed;
    for (seed = 0; seed < most; seed++) {
        if (!try_with(s, b, seed))
            continue;
        CHECK(!sim_run(s));
        (void)try_with(s, b, seed); /* to tell what it said */
        return seed + 1;
    }
    return 0;
}

static void must_be_found(sim *s, const bug *b, const char *name)
{
    uint64_t found = hunt(s, b, test_env("CRDT_RULE_SEEDS", 20000));
    printf("%-14s %-40s %5llu  %s\n", name, b->what, (unsigned long long)found,
           found ? s->w->wrong : "NOT FOUND");
    CHECK(found);
}

TEST(the_bugs_of_the_scenarios_are_found)
{
    sim *s = sim_new();
    size_t i;
    for (i = 0; i < NAMED_BUGS; i++)
        must_be_found(s, &named_bugs[i].is, named_bugs[i].name);
    sim_free(s);
}

TEST(so_are_those_of_each_type)
{
    sim *s = sim_new();
    size_t i;
    for (i = 0; i < BUGS; i++)
        must_be_found(s, &bugs[i], crdt_type_name(bugs[i].type));
    sim_free(s);
}

TEST_MAIN(CASE(the_bugs_of_the_scenarios_are_found),
          CASE(so_are_those_of_each_type))
