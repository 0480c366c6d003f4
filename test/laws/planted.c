/*
 * Planted bugs, those of planted.h: histories.h must find every one.
 *
 *     a type is wrong -> histories about that type are run until one fails
 */
#include "planted.h"

#include "histories.h"

/* The i-th of the seeds whose histories are about the type. */
static uint64_t seed_about(crdt_type type, uint64_t i)
{
    return type ? (2 * i + 1) * MODEL_TYPES + (uint64_t)type - 1 : i;
}

/* The seed that found it, and after how many; or NULL. */
static const char *hunt(world *w, const bug *b, uint64_t *tried)
{
    crdti_type table[CRDT_TYPE_COUNT];
    uint64_t most = test_env("CRDT_RULE_SEEDS", b->type ? 500 : 20000);
    const char *found = NULL;
    plant(table, b);
    w->types = table;
    for (*tried = 0; *tried < most && !found; ++*tried)
        found = run_seed(w, seed_about(b->type, *tried), 0);
    w->types = NULL;
    left_out = NO_RULE;
    return found;
}

TEST(every_planted_bug_is_found)
{
    world *w = world_new();
    int i;
    for (i = 0; i < BUGS; i++) {
        uint64_t tried;
        const char *found = hunt(w, &bugs[i], &tried);
        printf("%-10s %-34s %4d  %s\n", crdt_type_name(bugs[i].type),
               bugs[i].what, (int)tried, found ? found : "NOT FOUND");
        CHECK(found);
    }
    world_free(w);
}

TEST(each_type_has_three)
{
    int counts[CRDT_TYPE_COUNT] = { 0 }, i;
    for (i = 0; i < BUGS; i++)
        counts[bugs[i].type]++;
    for (i = 1; i < CRDT_TYPE_COUNT; i++)
        CHECK(counts[i] >= 3);
}

TEST_MAIN(CASE(every_planted_bug_is_found), CASE(each_type_has_three))
