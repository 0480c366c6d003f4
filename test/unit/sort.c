/* Sorting numbers by what they stand for. */
#include "../../src/sort.h"

#include "../test.h"

enum { MOST = 300 };

struct keys {
    int of[MOST];
};

static int by_key(const void *ctx, uint32_t a, uint32_t b)
{
    const struct keys *keys = (const struct keys *)ctx;
    return keys->of[a] - keys->of[b];
}

/* Sorted, and each number still there once. */
static void sorted(struct keys *keys, const uint32_t *order, size_t len)
{
    uint32_t items[MOST];
    uint8_t seen[MOST];
    size_t i;
    memcpy(items, order, len * sizeof *items);
    memset(seen, 0, sizeof seen);
    crdti_sort(by_key, keys, items, len);
    for (i = 0; i < len; i++) {
        CHECK(items[i] < len && !seen[items[i]]);
        seen[items[i]] = 1;
        CHECK(i == 0 || keys->of[items[i - 1]] <= keys->of[items[i]]);
    }
}

TEST(nothing_and_one)
{
    uint32_t items[2] = { 41, 42 };
    struct keys keys;
    memset(&keys, 0, sizeof keys);
    crdti_sort(by_key, &keys, items, 0);
    crdti_sort(by_key, &keys, items, 1);
    CHECK(items[0] == 41 && items[1] == 42);
}

TEST(every_order_of_five)
{
    static const int place[] = { 1, 5, 25, 125, 625 };
    int n, i;
    for (n = 0; n < 3125; n++) { /* equal keys too */
        uint32_t items[5] = { 0, 1, 2, 3, 4 };
        struct keys keys;
        for (i = 0; i < 5; i++)
            keys.of[i] = n / place[i] % 5;
        sorted(&keys, items, 5);
    }
}

TEST(any_order_of_many)
{
    uint64_t chance = 1;
    uint32_t items[MOST];
    struct keys keys;
    int round;
    size_t i, len;
    for (round = 0; round < 200; round++) {
        len = test_below(&chance, MOST + 1);
        for (i = 0; i < len; i++) {
            items[i] = (uint32_t)i;
            keys.of[i] = (int)test_below(&chance, round % 2 ? 8 : 100000);
        }
        sorted(&keys, items, len);
    }
}

TEST(up_and_down)
{
    uint32_t items[MOST];
    struct keys keys;
    size_t i;
    for (i = 0; i < MOST; i++) {
        items[i] = (uint32_t)i;
        keys.of[i] = (int)i;
    }
    sorted(&keys, items, MOST);
    for (i = 0; i < MOST; i++)
        keys.of[i] = (int)(MOST - i);
    sorted(&keys, items, MOST);
    for (i = 0; i < MOST; i++)
        keys.of[i] = 3;
    sorted(&keys, items, MOST);
}

TEST_MAIN(CASE(nothing_and_one), CASE(every_order_of_five),
          CASE(any_order_of_many), CASE(up_and_down))
