/* The arena. */
#include "../../src/arena.h"
#include "../failing_alloc.h"
#include "../test.h"

TEST(parts_are_aligned_and_apart)
{
    struct failing_alloc memory;
    crdti_arena arena;
    uint64_t seed = test_env("TEST_SEED", 1);
    static uint8_t *part[3000];
    static size_t size[3000];
    size_t i, j;
    failing_alloc_init(&memory);
    crdti_arena_init(&arena, &memory.table);
    CHECK_INT(memory.requests, 0);
    for (i = 0; i < 3000; i++) {
        size[i] = test_below(&seed, i % 100 ? 200 : 20000);
        part[i] = (uint8_t *)crdti_arena_alloc(&arena, size[i]);
        REQUIRE(part[i]);
        CHECK((uintptr_t)part[i] % 16 == 0);
        memset(part[i], (int)(i & 255), size[i]);
    }
    for (i = 0; i < 3000; i++)
        for (j = 0; j < size[i]; j++)
            CHECK(part[i][j] == (i & 255));
    CHECK(memory.requests < 20);
    crdti_arena_free(&arena);
    CHECK(arena.top == NULL);
    crdti_arena_free(&arena);
    CHECK(failing_alloc_clean(&memory));
}

TEST(large_parts_fit)
{
    struct failing_alloc memory;
    crdti_arena arena;
    failing_alloc_init(&memory);
    crdti_arena_init(&arena, &memory.table);
    CHECK(crdti_arena_alloc(&arena, 10000000));
    CHECK(memory.live_bytes < 10000000 + 64);
    CHECK(crdti_arena_alloc(&arena, 10));
    CHECK(memory.live_bytes < 10000000 + 64 + CRDTI_ARENA_LAST);
    CHECK(!crdti_arena_alloc(&arena, SIZE_MAX));
    CHECK(!crdti_arena_alloc(&arena, SIZE_MAX - 8));
    crdti_arena_free(&arena);
    CHECK(failing_alloc_clean(&memory));
}

TEST(reset_goes_back_to_the_mark)
{
    struct failing_alloc memory;
    crdti_arena arena;
    crdti_arena_mark start, mark;
    void *first, *second;
    size_t bytes;
    int i;
    failing_alloc_init(&memory);
    crdti_arena_init(&arena, &memory.table);
    start = crdti_arena_here(&arena);
    first = crdti_arena_alloc(&arena, 100);
    memset(first, 7, 100);
    mark = crdti_arena_here(&arena);
    bytes = memory.live_bytes;
    second = crdti_arena_alloc(&arena, 100);
    for (i = 0; i < 1000; i++)
        CHECK(crdti_arena_alloc(&arena, 100));
    crdti_arena_reset(&arena, mark);
    CHECK_INT(memory.live_bytes, bytes);
    CHECK(crdti_arena_alloc(&arena, 100) == second);
    CHECK(((uint8_t *)first)[99] == 7);
    crdti_arena_reset(&arena, start);
    CHECK(failing_alloc_clean(&memory));
}

TEST_MAIN(CASE(parts_are_aligned_and_apart), CASE(large_parts_fit),
          CASE(reset_goes_back_to_the_mark))
