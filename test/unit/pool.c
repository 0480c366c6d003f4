/* The pool of records, against a slow model. */
#include "../../src/pool.h"
#include "../failing_alloc.h"
#include "../test.h"

struct record {
    uint32_t number;
    char text[9];
};

static struct record *at(const crdti_pool *p, uint32_t index)
{
    return (struct record *)crdti_pool_at(p, index);
}

TEST(an_empty_one_takes_no_memory)
{
    crdti_pool p;
    crdti_pool_init(&p, sizeof(struct record));
    CHECK(p.base == NULL && p.live == 0);
    CHECK_INT(crdti_pool_reserve(NULL, &p, 0), CRDT_OK);
    CHECK(p.base == NULL);
    crdti_pool_free(NULL, &p);
}

TEST(indices_begin_at_one_and_come_again)
{
    crdti_pool p;
    crdti_pool_init(&p, sizeof(struct record));
    REQUIRE(crdti_pool_reserve(NULL, &p, 3) == CRDT_OK);
    CHECK_INT(crdti_pool_take(&p), 1);
    CHECK_INT(crdti_pool_take(&p), 2);
    CHECK_INT(crdti_pool_take(&p), 3);
    crdti_pool_give(&p, 2);
    crdti_pool_give(&p, 1);
    CHECK_INT(p.live, 1);
    CHECK_INT(crdti_pool_take(&p), 1);
    CHECK_INT(crdti_pool_take(&p), 2);
    CHECK_INT(p.live, 3);
    crdti_pool_free(NULL, &p);
    CHECK_INT(p.live, 0);
    REQUIRE(crdti_pool_reserve(NULL, &p, 1) == CRDT_OK);
    CHECK_INT(crdti_pool_take(&p), 1);
    crdti_pool_free(NULL, &p);
}

TEST(records_are_taken_empty)
{
    crdti_pool p;
    static const struct record none;
    uint32_t i;
    crdti_pool_init(&p, sizeof(struct record));
    REQUIRE(crdti_pool_reserve(NULL, &p, 1) == CRDT_OK);
    i = crdti_pool_take(&p);
    memset(at(&p, i), 0xff, sizeof(struct record));
    crdti_pool_give(&p, i);
    CHECK_INT(crdti_pool_take(&p), i);
    CHECK(memcmp(at(&p, i), &none, sizeof none) == 0);
    crdti_pool_free(NULL, &p);
}

TEST(what_is_reserved_does_not_fail)
{
    struct failing_alloc memory;
    crdti_pool p;
    uint32_t i;
    failing_alloc_init(&memory);
    crdti_pool_init(&p, 4);
    CHECK_INT(crdti_pool_reserve(&memory.table, &p, 1000), CRDT_OK);
    for (i = 1; i <= 1000; i++)
        CHECK_INT(crdti_pool_take(&p), i);
    for (i = 1; i <= 500; i++)
        crdti_pool_give(&p, i * 2);
    CHECK_INT(crdti_pool_reserve(&memory.table, &p, 500), CRDT_OK);
    CHECK_INT(memory.requests, 1);
    for (i = 1; i <= 500; i++)
        crdti_pool_take(&p);
    CHECK_INT(p.used, 1001);
    crdti_pool_free(&memory.table, &p);
    CHECK(failing_alloc_clean(&memory));
}

TEST(beyond_32_bits_is_refused)
{
    struct failing_alloc memory;
    crdti_pool p;
    failing_alloc_init(&memory);
    crdti_pool_init(&p, 4);
    CHECK_INT(crdti_pool_reserve(&memory.table, &p, SIZE_MAX), CRDT_ERR_LIMIT);
    CHECK_INT(crdti_pool_reserve(&memory.table, &p, UINT32_MAX),
              CRDT_ERR_LIMIT);
    CHECK_INT(memory.requests, 0);
}

TEST(growth_slows_down)
{
    struct failing_alloc memory;
    crdti_pool p;
    uint32_t i;
    failing_alloc_init(&memory);
    crdti_pool_init(&p, 64);
    for (i = 1; i <= 100000; i++) {
        REQUIRE(crdti_pool_reserve(&memory.table, &p, 1) == CRDT_OK);
        CHECK_INT(crdti_pool_take(&p), i);
        CHECK(p.cap <= 8 || p.cap <= i * 2);
        CHECK(p.cap <= 16384 || p.cap <= i / 2 * 3 + 3); /* over 1 MiB */
    }
    CHECK(memory.requests < 30);
    crdti_pool_free(&memory.table, &p);
    CHECK(failing_alloc_clean(&memory));
}

TEST(it_does_what_the_model_does)
{
    enum { MAX = 500 };
    static uint32_t index[MAX], number[MAX];
    uint64_t seed = test_env("TEST_SEED", 1);
    crdti_pool p;
    uint32_t len = 0, i, j;
    int round;
    crdti_pool_init(&p, sizeof(struct record));
    for (round = 0; round < 20000; round++) {
        if (len < MAX && test_below(&seed, 100) < 51) {
            REQUIRE(crdti_pool_reserve(NULL, &p, 1) == CRDT_OK);
            index[len] = crdti_pool_take(&p);
            number[len] = (uint32_t)test_random(&seed);
            CHECK(index[len] != 0 && at(&p, index[len])->number == 0);
            at(&p, index[len])->number = number[len];
            len++;
        } else if (len > 0) {
            i = test_below(&seed, len);
            crdti_pool_give(&p, index[i]);
            len--;
            index[i] = index[len];
            number[i] = number[len];
        }
        CHECK_INT(p.live, len);
        for (i = round % 16 ? len - len / 32 : 0; i < len; i++)
            CHECK(at(&p, index[i])->number == number[i]);
    }
    for (i = 0; i < len; i++)
        for (j = 0; j < i; j++)
            CHECK(index[i] != index[j]);
    crdti_pool_free(NULL, &p);
}

TEST_MAIN(CASE(an_empty_one_takes_no_memory),
          CASE(indices_begin_at_one_and_come_again),
          CASE(records_are_taken_empty), CASE(what_is_reserved_does_not_fail),
          CASE(beyond_32_bits_is_refused), CASE(growth_slows_down),
          CASE(it_does_what_the_model_does))
