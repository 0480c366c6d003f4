/*
 * Homes: which leaf a name is in, against an array that says so for each.
 */
#include "../../src/home.h"

#include "../failing_alloc.h"
#include "../test.h"

enum { NAMES = 4000 };

static uint32_t model[NAMES];
static crdti_homes homes;
static const crdt_alloc *alloc;

static void begin(const crdt_alloc *with)
{
    alloc = with;
    memset(&homes, 0, sizeof homes);
    memset(model, 0, sizeof model);
    homes.is_known = crdti_home_push(alloc, &homes, 0, 0) == CRDT_OK;
}

static void set(uint32_t name, uint32_t len, uint32_t leaf)
{
    uint32_t i;
    crdti_home_set(alloc, &homes, name, len, leaf);
    for (i = name; i < name + len; i++)
        model[i] = leaf;
}

/* Entries ascend, no block is empty or too full. */
static int is_sound(void)
{
    uint32_t last = 0, at;
    size_t i, count = 0;
    for (i = 0; i < homes.blocks.len; i++) {
        const crdti_home_block *block = homes.blocks.ptr[i];
        if (!block->len || block->len > CRDTI_HOMES)
            return 0;
        for (at = 0; at < block->len; at++, count++) {
            if (count && block->names[at] <= last)
                return 0;
            last = block->names[at];
        }
    }
    return homes.blocks.len && homes.blocks.ptr[0]->names[0] == 0;
}

static int is_as_model(void)
{
    uint32_t i;
    for (i = 0; i < NAMES; i++)
        if (crdti_home_of(&homes, i) != model[i])
            return 0;
    return 1;
}

/* Short runs all over, or long ones; few leaves, so that neighbours are equal
 * now and then, or many. */
static void mix(uint64_t seed, uint32_t longest, uint32_t leaves, int rounds)
{
    int i;
    begin(NULL);
    for (i = 0; i < rounds && !test_failures_in_case; i++) {
        uint32_t name = test_below(&seed, NAMES);
        uint32_t len = 1 + test_below(&seed, longest);
        set(name, crdti_min_size(len, NAMES - name) & 0xffff,
            test_below(&seed, leaves));
        CHECK(is_sound());
        if (i % 16 == 0 || i + 1 == rounds)
            CHECK(is_as_model());
    }
    crdti_homes_drop(alloc, &homes);
}

TEST(runs_are_found_again)
{
    uint64_t seed;
    for (seed = 1; seed <= 20; seed++) {
        mix(seed, 3, 1000, 2000);
        mix(seed, 3, 2, 2000);
        mix(seed, 200, 50, 500);
        mix(seed, NAMES, 3, 300);
    }
}

/* As typing does, and as a leaf that splits over and over. */
TEST(what_is_added_at_the_end_fills_the_blocks)
{
    uint32_t i;
    begin(NULL);
    for (i = 0; i < NAMES; i++)
        set(i, 1, i % 2 + 1);
    CHECK(is_sound() && is_as_model());
    CHECK(homes.blocks.len <= NAMES / (CRDTI_HOMES - 1) + 1);
    set(0, NAMES, 7);
    CHECK(is_as_model());
    CHECK(homes.blocks.len <= 2); /* what is behind stays */
    crdti_homes_drop(alloc, &homes);
}

TEST(names_are_pushed_in_order)
{
    uint32_t i;
    begin(NULL);
    for (i = 0; i < NAMES; i += 4) {
        CHECK(crdti_home_push(alloc, &homes, i, i / 40) == CRDT_OK);
        memset(model + i, 0, 4 * sizeof *model);
        model[i] = model[i + 1] = model[i + 2] = model[i + 3] = i / 40;
    }
    CHECK(is_sound() && is_as_model());
    crdti_homes_drop(alloc, &homes);
}

/* Without memory they are forgotten, and that is all. */
TEST(without_memory_nothing_is_known)
{
    struct failing_alloc memory;
    size_t n;
    int refused = 1;
    for (n = 1; refused; n++) {
        uint64_t seed = 5;
        int i;
        failing_alloc_init(&memory);
        memory.fail_at = n;
        begin(&memory.table);
        if (!homes.is_known)
            crdti_homes_drop(alloc, &homes);
        for (i = 0; i < 1500 && homes.is_known; i++) {
            uint32_t name = test_below(&seed, NAMES - 3);
            set(name, 1 + test_below(&seed, 3), test_below(&seed, 300));
        }
        refused = memory.failures > 0;
        CHECK_INT(homes.is_known, !refused);
        CHECK(refused ? !homes.blocks.len : is_sound() && is_as_model());
        crdti_homes_drop(alloc, &homes);
        CHECK(failing_alloc_clean(&memory));
    }
    CHECK(n > 20);
}

TEST_MAIN(CASE(runs_are_found_again),
          CASE(what_is_added_at_the_end_fills_the_blocks),
          CASE(names_are_pushed_in_order),
          CASE(without_memory_nothing_is_known))
