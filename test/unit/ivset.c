/* Interval sets, against a bit for each number. */
#include "../../src/ivset.h"
#include "../failing_alloc.h"
#include "../test.h"

#define SPAN 120

/* The model holds 0 .. SPAN-1; `base` says where they lie in 64 bits. */
static void check_same(const crdti_ivset *set, const uint8_t *model,
                       uint64_t base)
{
    uint64_t i, count = 0, gap = SPAN;
    size_t r;
    for (r = 0; r < set->len; r++) {
        CHECK(set->ptr[r].lo <= set->ptr[r].hi);
        CHECK(r == 0 || set->ptr[r - 1].hi + 1 < set->ptr[r].lo);
    }
    for (i = 0; i < SPAN; i++) {
        CHECK_INT(crdti_ivset_has(set, base + i), model[i]);
        count += model[i];
    }
    CHECK(crdti_ivset_count(set) == count);
    for (i = SPAN; i > 0; i--) {
        gap = model[i - 1] ? gap : i - 1;
        CHECK(crdti_ivset_gap(set, base + i - 1) == base + gap);
    }
}

static void random_run(uint64_t *seed, uint64_t *lo, uint64_t *hi)
{
    *lo = test_below(seed, SPAN);
    *hi = *lo + test_below(seed, test_below(seed, 2) ? 3 : 30);
    *hi = crdti_min(*hi, SPAN - 1);
}

static void change(crdti_ivset *set, uint8_t *model, uint64_t *seed,
                   uint64_t base, uint32_t add_percent)
{
    uint64_t lo, hi, i;
    int add = test_below(seed, 100) < add_percent;
    random_run(seed, &lo, &hi);
    for (i = lo; i <= hi; i++)
        model[i] = (uint8_t)add;
    CHECK(!(add ? crdti_ivset_add(NULL, set, base + lo, base + hi)
                : crdti_ivset_remove(NULL, set, base + lo, base + hi)));
}

/* base + SPAN wraps to 0 at the upper end: also there nothing is special. */
static const uint64_t bases[] = { 0, 1, 1000, ((uint64_t)1 << 63) - 60,
                                  UINT64_MAX - SPAN + 1 };

TEST(adding_and_removing_do_what_the_model_does)
{
    uint64_t seed = test_env("TEST_SEED", 1);
    size_t b;
    for (b = 0; b < 5; b++) {
        crdti_ivset set = { NULL, 0, 0 };
        uint8_t model[SPAN] = { 0 };
        int round;
        for (round = 0; round < 3000; round++) {
            change(&set, model, &seed, bases[b], round % 200 < 100 ? 60 : 40);
            check_same(&set, model, bases[b]);
        }
        crdti_ivset_free(NULL, &set);
        CHECK(set.ptr == NULL && set.len == 0);
    }
}

static void whole(uint64_t *seed, uint64_t base)
{
    crdti_ivset x = { NULL, 0, 0 }, y = { NULL, 0, 0 };
    uint8_t mx[SPAN] = { 0 }, my[SPAN] = { 0 };
    uint32_t i, n = test_below(seed, 12), m = test_below(seed, 12);
    for (i = 0; i < n; i++)
        change(&x, mx, seed, base, 80);
    for (i = 0; i < m; i++)
        change(&y, my, seed, base, 80);
    for (i = 0; i < SPAN; i++)
        mx[i] = mx[i] && !my[i];
    CHECK(!crdti_ivset_subtract(NULL, &x, &y));
    check_same(&x, mx, base);
    check_same(&y, my, base);
    crdti_ivset_free(NULL, &x);
    crdti_ivset_free(NULL, &y);
}

TEST(subtract_does_what_the_model_does)
{
    uint64_t seed = test_env("TEST_SEED", 1);
    int round;
    for (round = 0; round < 5000; round++)
        whole(&seed, bases[round % 5]);
}

TEST(with_itself)
{
    crdti_ivset set = { NULL, 0, 0 };
    CHECK(!crdti_ivset_subtract(NULL, &set, &set));
    CHECK(!crdti_ivset_add(NULL, &set, 3, 9));
    CHECK(!crdti_ivset_add(NULL, &set, 12, 12));
    CHECK(set.len == 2 && crdti_ivset_count(&set) == 8);
    CHECK(!crdti_ivset_subtract(NULL, &set, &set));
    CHECK_INT(set.len, 0);
    crdti_ivset_free(NULL, &set);
}

TEST(all_numbers)
{
    crdti_ivset set = { NULL, 0, 0 };
    CHECK(!crdti_ivset_add(NULL, &set, 0, UINT64_MAX));
    CHECK(set.len == 1 && crdti_ivset_count(&set) == UINT64_MAX);
    CHECK(crdti_ivset_gap(&set, 0) == 0 && crdti_ivset_gap(&set, 7) == 0);
    CHECK(crdti_ivset_has(&set, 0) && crdti_ivset_has(&set, UINT64_MAX));
    CHECK(!crdti_ivset_remove(NULL, &set, 5, 5));
    CHECK(set.len == 2 && crdti_ivset_count(&set) == UINT64_MAX);
    CHECK(!crdti_ivset_add(NULL, &set, 5, UINT64_MAX));
    CHECK(set.len == 1 && set.ptr[0].hi == UINT64_MAX);
    CHECK(!crdti_ivset_remove(NULL, &set, 1, UINT64_MAX));
    CHECK(set.len == 1 && set.ptr[0].hi == 0);
    CHECK(!crdti_ivset_remove(NULL, &set, 0, 0));
    CHECK_INT(set.len, 0);
    crdti_ivset_free(NULL, &set);
}

/* ctx.h counts on it. */
TEST(removing_from_0_on_takes_no_memory)
{
    struct failing_alloc memory;
    crdti_ivset set = { NULL, 0, 0 };
    uint64_t i;
    failing_alloc_init(&memory);
    for (i = 1; i <= 8; i++)
        CHECK(!crdti_ivset_add(&memory.table, &set, i * 10, i * 10 + 5));
    CHECK(set.len == 8 && set.cap == 8);
    memory.fail_at = 1;
    memory.from_then_on = 1;
    CHECK(!crdti_ivset_remove(&memory.table, &set, 0, 12));
    CHECK(set.len == 8 && set.ptr[0].lo == 13);
    CHECK(crdti_ivset_remove(&memory.table, &set, 22, 23) == CRDT_ERR_NOMEM);
    CHECK_INT(memory.failures, 1);
    crdti_ivset_free(&memory.table, &set);
    CHECK(failing_alloc_clean(&memory));
}

TEST(the_drawing_in_the_head)
{
    crdti_ivset set = { NULL, 0, 0 };
    CHECK(!crdti_ivset_add(NULL, &set, 12, 40));
    CHECK(!crdti_ivset_add(NULL, &set, 9, 9));
    CHECK(!crdti_ivset_add(NULL, &set, 3, 5));
    CHECK_INT(set.len, 3);
    CHECK(!crdti_ivset_add(NULL, &set, 6, 8));
    CHECK(set.len == 2 && set.ptr[0].lo == 3 && set.ptr[0].hi == 9);
    CHECK(!crdti_ivset_remove(NULL, &set, 20, 30));
    CHECK(set.len == 3 && set.ptr[1].hi == 19 && set.ptr[2].lo == 31);
    crdti_ivset_free(NULL, &set);
}

TEST_MAIN(CASE(adding_and_removing_do_what_the_model_does),
          CASE(subtract_does_what_the_model_does), CASE(with_itself),
          CASE(all_numbers), CASE(removing_from_0_on_takes_no_memory),
          CASE(the_drawing_in_the_head))
