/* The growable array. */
#include "../../src/array.h"
#include "../failing_alloc.h"
#include "../test.h"

struct odd {
    char text[5];
};

TEST(it_grows_and_keeps_what_it_holds)
{
    struct failing_alloc memory;
    CRDTI_ARRAY(uint32_t) list = { NULL, 0, 0 };
    uint32_t i;
    failing_alloc_init(&memory);
    for (i = 0; i < 10000; i++) {
        REQUIRE(crdti_array_reserve(&memory.table, &list, 1) == CRDT_OK);
        list.ptr[list.len++] = i;
    }
    CHECK(memory.requests < 15);
    for (i = 0; i < 10000; i++)
        CHECK(list.ptr[i] == i);
    crdti_array_free(&memory.table, &list);
    CHECK(list.ptr == NULL && list.len == 0 && list.cap == 0);
    crdti_array_free(&memory.table, &list);
    CHECK(failing_alloc_clean(&memory));
}

TEST(room_is_for_as_many_as_asked)
{
    CRDTI_ARRAY(struct odd) list = { NULL, 0, 0 };
    struct odd *before;
    CHECK_INT(crdti_array_reserve(NULL, &list, 0), CRDT_OK);
    CHECK(list.ptr == NULL);
    CHECK_INT(crdti_array_reserve(NULL, &list, 1000), CRDT_OK);
    CHECK(list.cap >= 1000);
    before = list.ptr;
    list.len = 990;
    CHECK_INT(crdti_array_reserve(NULL, &list, 10), CRDT_OK);
    CHECK(list.ptr == before);
    crdti_array_free(NULL, &list);
}

TEST(sizes_that_overflow_are_refused)
{
    CRDTI_ARRAY(uint64_t) list = { NULL, 0, 0 };
    CHECK_INT(crdti_array_reserve(NULL, &list, SIZE_MAX), CRDT_ERR_NOMEM);
    CHECK_INT(crdti_array_reserve(NULL, &list, SIZE_MAX / 8 + 2),
              CRDT_ERR_NOMEM);
    CHECK_INT(crdti_array_reserve(NULL, &list, 1), CRDT_OK);
    list.len = 1;
    CHECK_INT(crdti_array_reserve(NULL, &list, SIZE_MAX), CRDT_ERR_NOMEM);
    CHECK(list.len == 1 && list.cap == 8);
    crdti_array_free(NULL, &list);
}

TEST_MAIN(CASE(it_grows_and_keeps_what_it_holds),
          CASE(room_is_for_as_many_as_asked),
          CASE(sizes_that_overflow_are_refused))
