/* The hash table, against a slow model. */
#include "../../src/hash.h"
#include "../failing_alloc.h"
#include "../test.h"

static int holds(const crdti_hash_table *t, uint64_t hash, uint32_t value)
{
    size_t iter;
    uint32_t v;
    int found = 0;
    for (v = crdti_table_first(t, hash, &iter); v;
         v = crdti_table_next(t, hash, &iter))
        found += v == value;
    return found;
}

TEST(an_empty_one_takes_no_memory)
{
    crdti_hash_table t = { NULL, 0, 0 };
    size_t iter;
    CHECK_INT(crdti_table_first(&t, 0, &iter), 0);
    CHECK_INT(crdti_table_first(&t, UINT64_MAX, &iter), 0);
    CHECK_INT(crdti_table_remove(&t, 1, 1), 0);
    CHECK_INT(crdti_table_reserve(NULL, &t, 0), CRDT_OK);
    CHECK(t.slots == NULL && t.cap == 0);
    crdti_table_free(NULL, &t);
}

TEST(it_is_at_most_three_quarters_full)
{
    crdti_hash_table t = { NULL, 0, 0 };
    uint64_t seed = 1;
    uint32_t i;
    for (i = 1; i < 5000; i++) {
        REQUIRE(crdti_table_reserve(NULL, &t, 1) == CRDT_OK);
        crdti_table_insert(&t, test_random(&seed), i);
        CHECK_INT(t.len, i);
        CHECK(t.len * 4 <= t.cap * 3 && (t.cap & (t.cap - 1)) == 0);
        CHECK(t.cap == 8 || t.len * 3 >= t.cap); /* nor much too large */
    }
    crdti_table_free(NULL, &t);
    CHECK(t.slots == NULL && t.len == 0);
}

TEST(what_is_reserved_does_not_fail)
{
    struct failing_alloc memory;
    crdti_hash_table t = { NULL, 0, 0 };
    uint64_t seed = 1;
    uint32_t i;
    failing_alloc_init(&memory);
    CHECK_INT(crdti_table_reserve(&memory.table, &t, 1000), CRDT_OK);
    for (i = 1; i <= 1000; i++)
        crdti_table_insert(&t, test_random(&seed), i);
    CHECK_INT(memory.requests, 1);
    CHECK_INT(t.len, 1000);
    CHECK_INT(crdti_table_reserve(&memory.table, &t, SIZE_MAX),
              CRDT_ERR_NOMEM);
    CHECK_INT(crdti_table_reserve(&memory.table, &t, SIZE_MAX / 4),
              CRDT_ERR_NOMEM);
    CHECK_INT(crdti_table_reserve(&memory.table, &t, SIZE_MAX / 4 - 1000),
              CRDT_ERR_NOMEM);
    CHECK_INT(memory.requests, 1);
    crdti_table_free(&memory.table, &t);
    CHECK(failing_alloc_clean(&memory));
}

TEST(equal_hashes_all_come_up)
{
    crdti_hash_table t = { NULL, 0, 0 };
    uint32_t i;
    REQUIRE(crdti_table_reserve(NULL, &t, 100) == CRDT_OK);
    for (i = 1; i <= 100; i++)
        crdti_table_insert(&t, UINT64_MAX, i); /* home: the last slot */
    for (i = 1; i <= 100; i++)
        CHECK_INT(holds(&t, UINT64_MAX, i), 1);
    for (i = 1; i <= 100; i += 2)
        CHECK(crdti_table_remove(&t, UINT64_MAX, i));
    for (i = 1; i <= 100; i++)
        CHECK_INT(holds(&t, UINT64_MAX, i), i % 2 == 0);
    CHECK(!crdti_table_remove(&t, UINT64_MAX, 1));
    CHECK_INT(t.len, 50);
    crdti_table_free(NULL, &t);
}

struct pair {
    uint64_t hash;
    uint32_t value;
};

/* Few different hashes near the edge of the table, so that runs are long and
 * wrap around. Each value must be found from home without an empty slot. */
static void churn(uint64_t seed, uint64_t hash_mask)
{
    static struct pair model[400];
    crdti_hash_table t = { NULL, 0, 0 };
    uint32_t len = 0, value = 0, i;
    int round;
    for (round = 0; round < 4000; round++) {
        if (len < 400 && test_below(&seed, 100) < 52) {
            uint64_t hash = test_random(&seed) & hash_mask;
            REQUIRE(crdti_table_reserve(NULL, &t, 1) == CRDT_OK);
            crdti_table_insert(&t, hash, ++value);
            model[len].hash = hash;
            model[len++].value = value;
        } else if (len > 0) {
            i = test_below(&seed, len);
            CHECK(crdti_table_remove(&t, model[i].hash, model[i].value));
            CHECK(!holds(&t, model[i].hash, model[i].value));
            model[i] = model[--len];
        }
        CHECK_INT(t.len, len);
        for (i = 0; i < len; i += round % 16 ? 37 : 1)
            CHECK_INT(holds(&t, model[i].hash, model[i].value), 1);
    }
    crdti_table_free(NULL, &t);
}

TEST(it_does_what_the_model_does)
{
    uint64_t seed = test_env("TEST_SEED", 1);
    churn(seed, UINT64_MAX);
    churn(seed + 1, (uint64_t)0x7 << 32);
    churn(seed + 2, (uint64_t)0x80000007u << 32);
    churn(seed + 3, 0);
}

TEST(removing_leaves_no_trace)
{
    crdti_hash_table t = { NULL, 0, 0 };
    uint64_t seed = test_env("TEST_SEED", 1), hash[96];
    uint32_t i, round;
    size_t slot;
    REQUIRE(crdti_table_reserve(NULL, &t, 96) == CRDT_OK);
    for (round = 0; round < 200; round++) {
        for (i = 0; i < 96; i++)
            crdti_table_insert(&t, hash[i] = test_random(&seed), i + 1);
        for (i = 96; i > 0; i--)
            CHECK(crdti_table_remove(&t, hash[i - 1], i));
        CHECK_INT(t.len, 0);
        for (slot = 0; slot < t.cap; slot++)
            CHECK(t.slots[slot].value == 0);
    }
    CHECK_INT(t.cap, 128);
    crdti_table_free(NULL, &t);
}

TEST_MAIN(CASE(an_empty_one_takes_no_memory),
          CASE(it_is_at_most_three_quarters_full),
          CASE(what_is_reserved_does_not_fail), CASE(equal_hashes_all_come_up),
          CASE(it_does_what_the_model_does), CASE(removing_leaves_no_trace))
