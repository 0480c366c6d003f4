/* Memory through a table, and the allocator that tests use. */
#include "../../src/alloc.h"
#include "../failing_alloc.h"
#include "../test.h"

TEST(null_means_malloc)
{
    uint8_t *p = (uint8_t *)crdti_alloc(NULL, 10);
    REQUIRE(p);
    memset(p, 5, 10);
    p = (uint8_t *)crdti_realloc(NULL, p, 10, 100000);
    REQUIRE(p);
    CHECK(p[0] == 5 && p[9] == 5);
    crdti_free(NULL, p, 100000);
    crdti_free(NULL, NULL, 0);
}

TEST(a_given_table_is_used)
{
    struct failing_alloc memory;
    void *p;
    failing_alloc_init(&memory);
    CHECK(crdti_alloc_or_default(&memory.table) == &memory.table);
    p = crdti_alloc(&memory.table, 10);
    REQUIRE(p);
    CHECK_INT(memory.live_blocks, 1);
    CHECK_INT(memory.live_bytes, 10);
    p = crdti_realloc(&memory.table, p, 10, 30);
    CHECK_INT(memory.live_bytes, 30);
    crdti_free(&memory.table, p, 30);
    CHECK(failing_alloc_clean(&memory));
}

TEST(half_the_address_space_is_refused_unasked)
{
    struct failing_alloc memory;
    failing_alloc_init(&memory);
    CHECK(!crdti_alloc(&memory.table, SIZE_MAX / 2 + 1));
    CHECK(!crdti_alloc(&memory.table, SIZE_MAX));
    CHECK(!crdti_alloc(NULL, SIZE_MAX));
    CHECK_INT(memory.requests, 0);
}

TEST(products_that_do_not_fit_are_never_granted)
{
    CHECK(crdti_mul_size(0, SIZE_MAX) == 0);
    CHECK(crdti_mul_size(SIZE_MAX, 0) == 0);
    CHECK(crdti_mul_size(SIZE_MAX, 1) == SIZE_MAX);
    CHECK(crdti_mul_size(SIZE_MAX / 2 + 1, 2) == SIZE_MAX);
    CHECK(crdti_mul_size(SIZE_MAX / 2, 2) == SIZE_MAX - 1);
    CHECK(crdti_mul_size(7, 6) == 42);
}

TEST(failing_once_and_from_then_on)
{
    struct failing_alloc memory;
    void *p;
    failing_alloc_init(&memory);
    memory.fail_at = 2;
    p = crdti_alloc(&memory.table, 8);
    CHECK(p && !crdti_realloc(&memory.table, p, 8, 16));
    p = crdti_realloc(&memory.table, p, 8, 16);
    CHECK(p && memory.failures == 1);
    memory.fail_at = 4;
    memory.from_then_on = 1;
    CHECK(!crdti_alloc(&memory.table, 8) && !crdti_alloc(&memory.table, 8));
    crdti_free(&memory.table, p, 16);
    CHECK(failing_alloc_clean(&memory));
}

TEST(a_wrong_old_size_is_noticed)
{
    struct failing_alloc memory;
    void *p;
    failing_alloc_init(&memory);
    p = crdti_alloc(&memory.table, 8);
    printf("(the next two lines are as they should be:)\n");
    CHECK(!crdti_realloc(&memory.table, p, 9, 16));
    CHECK_INT(memory.misuses, 1);
    CHECK(!failing_alloc_clean(&memory));
    crdti_free(&memory.table, p, 8);
    memory.misuses = 0;
    CHECK(failing_alloc_clean(&memory));
}

TEST_MAIN(CASE(null_means_malloc), CASE(a_given_table_is_used),
          CASE(half_the_address_space_is_refused_unasked),
          CASE(products_that_do_not_fit_are_never_granted),
          CASE(failing_once_and_from_then_on),
          CASE(a_wrong_old_size_is_noticed))
