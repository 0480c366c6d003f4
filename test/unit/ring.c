/*
 * Consistent hashing: everyone agrees, everyone has his share, and only what
 * has to move moves.
 */
/* pkg-config: libsodium */
#include "../../demo/common/ring.c"

#include "../test.h"

enum { KEYS = 50000, SERVERS_MAX = 32, COPIES = 3 };

static ring ring_of(uint64_t salt, size_t count)
{
    ring r = RING_INIT;
    size_t i;
    for (i = 0; i < count; i++) {
        char name[RING_NAME_MAX + 1];
        snprintf(name, sizeof name, "%016llx-%u", (unsigned long long)salt,
                 (unsigned)i);
        CHECK_INT(ring_add(&r, name), RING_OK);
    }
    return r;
}

static size_t find(const ring *r, uint64_t key, const char **names, size_t max)
{
    return ring_find(r, &key, sizeof key, names, max);
}

static size_t index_of(const ring *r, const char *name)
{
    return lower_bound(r, name);
}

/* Of the copies 0 .. copies - 1 of all keys. */
static void count_load(const ring *r, size_t copies, size_t *load)
{
    uint64_t key;
    memset(load, 0, SERVERS_MAX * sizeof *load);
    for (key = 0; key < KEYS; key++) {
        const char *names[COPIES];
        size_t i;
        CHECK_INT(find(r, key, names, copies), copies);
        for (i = 0; i < copies; i++)
            load[index_of(r, names[i])]++;
    }
}

/* Of 256 virtual nodes each, and any names: 10 % is four deviations away. */
static void check_balance(size_t servers, size_t copies, uint64_t salt)
{
    ring r = ring_of(salt, servers);
    size_t load[SERVERS_MAX], share = KEYS * copies / servers, i;
    count_load(&r, copies, load);
    for (i = 0; i < servers; i++) {
        CHECK(load[i] >= share - share / 10);
        CHECK(load[i] <= share + share / 10);
    }
    ring_free(&r);
}

TEST(everyone_has_his_share)
{
    static const size_t sizes[] = { 2, 3, 5, 8, 10 };
    uint64_t salt = test_env("CRDT_SEED", 0);
    size_t i;
    for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        check_balance(sizes[i], 1, salt);
        check_balance(sizes[i], 2, salt);
    }
}

/* What one more server moves goes to it, and is hardly more than its share,
 * copies included. */
TEST(one_more_moves_its_share)
{
    ring before = ring_of(7, 9), after = ring_of(7, 10);
    size_t moved = 0, share = KEYS * COPIES / 10;
    const char *added = "0000000000000007-9";
    uint64_t key;
    for (key = 0; key < KEYS; key++) {
        const char *was[COPIES], *is[COPIES];
        size_t i, j, kept = 0, came = 0;
        find(&before, key, was, COPIES);
        find(&after, key, is, COPIES);
        for (i = 0; i < COPIES; i++) {
            came += strcmp(is[i], added) == 0;
            for (j = 0; j < COPIES; j++)
                kept += strcmp(is[i], was[j]) == 0;
        }
        CHECK_INT(kept + came, COPIES);
        moved += came;
    }
    CHECK(moved <= share + share / 5);
    CHECK(moved >= share - share / 5);
    ring_free(&before);
    ring_free(&after);
}

/* Those behind the one that goes move up, and nothing else changes. */
TEST(one_less_moves_what_it_had)
{
    ring before = ring_of(3, 8), after = ring_of(3, 8);
    const char *gone = "0000000000000003-5";
    uint64_t key;
    CHECK(ring_remove(&after, gone));
    CHECK(!ring_has(&after, gone));
    CHECK(!ring_remove(&after, gone));
    for (key = 0; key < KEYS / 10; key++) {
        const char *was[COPIES + 1], *is[COPIES];
        size_t i, j = 0;
        find(&before, key, was, COPIES + 1);
        find(&after, key, is, COPIES);
        for (i = 0; i < COPIES; i++, j++) {
            j += strcmp(was[j], gone) == 0;
            CHECK_STR(is[i], was[j]);
        }
    }
    ring_free(&before);
    ring_free(&after);
}

/* Scenario M4: whatever the order they came in, and who was there before. */
TEST(two_machines_agree)
{
    ring a = RING_INIT, b = RING_INIT;
    static const char *const names[] = { "ana", "ben", "cleo", "dora" };
    uint64_t key;
    size_t i;
    for (i = 0; i < 4; i++) {
        CHECK_INT(ring_add(&a, names[i]), RING_OK);
        CHECK_INT(ring_add(&b, names[3 - i]), RING_OK);
        CHECK_INT(ring_add(&b, names[0]), RING_OK);
    }
    CHECK_INT(ring_add(&b, "emil"), RING_OK);
    CHECK(ring_remove(&b, "emil"));
    for (key = 0; key < KEYS / 10; key++) {
        const char *of_a[8], *of_b[8];
        CHECK_INT(find(&a, key, of_a, 8), 4);
        CHECK_INT(find(&b, key, of_b, 8), 4);
        for (i = 0; i < 4; i++)
            CHECK_STR(of_a[i], of_b[i]);
    }
    ring_free(&a);
    ring_free(&b);
}

/* And always will: who is there already has chunks at these places. */
TEST(places_stay)
{
    ring r = RING_INIT;
    const char *names[3];
    CHECK_INT(ring_add(&r, "ana"), RING_OK);
    CHECK_INT(ring_add(&r, "ben"), RING_OK);
    CHECK_INT(ring_add(&r, "cleo"), RING_OK);
    CHECK_INT(ring_find(&r, "apples", 6, names, 3), 3);
    CHECK_STR(names[0], "cleo");
    CHECK_STR(names[1], "ana");
    CHECK_STR(names[2], "ben");
    CHECK_INT(ring_find(&r, "pears", 5, names, 1), 1);
    CHECK_STR(names[0], "ana");
    ring_free(&r);
}

TEST(limits_are_answered)
{
    ring r = RING_INIT;
    char name[RING_NAME_MAX + 2];
    const char *names[1];
    CHECK_INT(find(&r, 1, names, 1), 0);
    memset(name, 'x', sizeof name);
    name[RING_NAME_MAX + 1] = 0;
    CHECK_INT(ring_add(&r, name), RING_ARG);
    CHECK_INT(ring_add(&r, ""), RING_ARG);
    name[RING_NAME_MAX] = 0;
    CHECK_INT(ring_add(&r, name), RING_OK);
    CHECK_INT(find(&r, 1, names, 0), 0);
    CHECK_INT(find(&r, 1, names, 1), 1);
    ring_free(&r);
}

TEST_MAIN(CASE(everyone_has_his_share), CASE(one_more_moves_its_share),
          CASE(one_less_moves_what_it_had), CASE(two_machines_agree),
          CASE(places_stay), CASE(limits_are_answered))
