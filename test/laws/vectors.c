/*
 * Merges that others got wrong, and mistakes of systems like ours: the vectors
 * V and M of the scenarios that maps, registers and counters are to pass.
 */
#define CRDTSYNC_IMPLEMENTATION
#include "crdtsync.h"

#include "../test.h"

static uint64_t now = 1000000;

static uint64_t clock_now(void *ctx)
{
    (void)ctx;
    return now;
}

static const crdt_clock stopped = { 1, NULL, clock_now, clock_now };

static crdt_doc *doc_new(void)
{
    crdt_config config;
    crdt_doc *doc = NULL;
    memset(&config, 0, sizeof config);
    config.clock = &stopped;
    CHECK(crdt_doc_new(&doc, &config) == CRDT_OK);
    return doc;
}

/* A new document under a given replica id. */
static crdt_doc *doc_as(crdt_id id)
{
    crdt_config config;
    crdt_doc *doc = NULL;
    memset(&config, 0, sizeof config);
    config.clock = &stopped;
    config.replica = &id;
    CHECK(crdt_doc_new(&doc, &config) == CRDT_OK);
    return doc;
}

/* What `from` has and `to` lacks; a null `to` lacks everything. */
static crdt_buf news(crdt_doc *from, const crdt_doc *to)
{
    crdt_buf out = CRDT_BUF_INIT;
    crdt_vv vv = CRDT_VV_INIT;
    if (to)
        CHECK(crdt_doc_vv(to, &vv) == CRDT_OK);
    CHECK(crdt_commit(from) == CRDT_OK);
    CHECK(crdt_delta(from, &vv, &out) == CRDT_OK);
    crdt_vv_free(&vv);
    return out;
}

/* `a` joins what `b` has. */
static crdt_err pull(crdt_doc *a, crdt_doc *b)
{
    crdt_buf delta = news(b, a);
    crdt_err err = crdt_join(a, crdt_buf_bytes(&delta));
    crdt_buf_free(&delta);
    return err;
}

static void meet(crdt_doc *a, crdt_doc *b)
{
    CHECK(pull(a, b) == CRDT_OK);
    CHECK(pull(b, a) == CRDT_OK);
}

static int same(crdt_doc *a, crdt_doc *b)
{
    crdt_buf x = CRDT_BUF_INIT, y = CRDT_BUF_INIT;
    crdt_digest p = crdt_doc_digest(a), q = crdt_doc_digest(b);
    int equal;
    CHECK(crdt_commit(a) == CRDT_OK && crdt_commit(b) == CRDT_OK);
    CHECK(crdt_canonical(a, &x) == CRDT_OK);
    CHECK(crdt_canonical(b, &y) == CRDT_OK);
    equal = crdt_bytes_equal(crdt_buf_bytes(&x), crdt_buf_bytes(&y)) &&
            p.hi == q.hi && p.lo == q.lo;
    crdt_buf_free(&x);
    crdt_buf_free(&y);
    return equal;
}

/* The keys of a map, one behind another. */
static const char *keys(crdt_obj map)
{
    static char text[256];
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    size_t len = 0;
    while (crdt_map_next(map, &cursor) == CRDT_OK) {
        if (len)
            text[len++] = ' ';
        memcpy(text + len, cursor.key.ptr, cursor.key.len);
        len += cursor.key.len;
    }
    text[len] = 0;
    return text;
}

static crdt_obj root_map(crdt_doc *doc, const char *key)
{
    return crdt_map_map(crdt_root(doc), crdt_str(key));
}

static int64_t get_int(crdt_obj map, const char *key)
{
    int64_t value = -1;
    CHECK(crdt_map_get_int(map, crdt_str(key), &value) == CRDT_OK);
    return value;
}

static int64_t count_of(crdt_doc *doc, const char *key)
{
    crdt_obj counter =
        crdt_map_find(crdt_root(doc), crdt_str(key), CRDT_COUNTER);
    int64_t value = 0;
    if (!crdt_is_null(counter))
        CHECK(crdt_counter_get(counter, &value) == CRDT_OK);
    return value;
}

static void count_version(void *ctx, const crdt_version *version)
{
    (void)version;
    ++*(int *)ctx;
}

TEST(v4_writes_below_a_removed_key_survive_alone)
{
    crdt_doc *a = doc_new(), *b = doc_new();
    CHECK(!crdt_map_put_null(root_map(a, "X"), CRDT_STR("0")));
    CHECK(!pull(b, a));
    CHECK(!crdt_map_remove(crdt_root(a), CRDT_STR("X")));
    CHECK(!crdt_map_put_null(root_map(b, "X"), CRDT_STR("1")));
    CHECK(!pull(a, b));
    CHECK_STR(keys(root_map(a, "X")), "1");
    CHECK(!crdt_map_put_null(root_map(b, "X"), CRDT_STR("2")));
    CHECK(!pull(a, b));
    CHECK(!pull(a, b));
    CHECK_STR(keys(root_map(a, "X")), "1 2");
    meet(a, b);
    CHECK_STR(keys(root_map(b, "X")), "1 2");
    CHECK(same(a, b));
    crdt_doc_free(a);
    crdt_doc_free(b);
}

TEST(v5_remove_beside_a_write_below)
{
    crdt_doc *a = doc_new(), *b = doc_new();
    CHECK(!crdt_map_put_int(root_map(a, "101"), CRDT_STR("110"), 32));
    CHECK(!pull(b, a));
    CHECK(!crdt_map_remove(crdt_root(a), CRDT_STR("101")));
    CHECK(!crdt_map_put_int(root_map(b, "101"), CRDT_STR("220"), 5));
    meet(a, b);
    CHECK(same(a, b));
    CHECK_STR(keys(crdt_root(a)), "101");
    CHECK_STR(keys(root_map(a, "101")), "220");
    CHECK_INT(get_int(root_map(b, "101"), "220"), 5);
    crdt_doc_free(a);
    crdt_doc_free(b);
}

TEST(v8_one_id_on_two_copies)
{
    crdt_doc *a = doc_new(), *b = doc_as(crdt_doc_replica(a));
    crdt_doc *c = doc_new();
    crdt_digest before;
    CHECK(!crdt_map_put_int(crdt_root(a), CRDT_STR("x"), 1));
    CHECK(!crdt_map_put_int(crdt_root(b), CRDT_STR("y"), 2));
    before = crdt_doc_digest(a);
    CHECK(!pull(c, a));
    /* The same vector and another state: nobody joins, the digests tell. */
    CHECK(!pull(c, b));
    CHECK(crdt_map_has(crdt_root(c), CRDT_STR("x")));
    CHECK(!same(b, c));
    /* One of them goes on: it has written more than the other knows of. */
    CHECK(!crdt_map_put_int(crdt_root(b), CRDT_STR("z"), 3));
    CHECK_INT(pull(a, b), CRDT_ERR_FORK);
    CHECK(before.lo == crdt_doc_digest(a).lo);
    /* A third sees two changes of one name. */
    {
        crdt_buf all = news(b, NULL);
        CHECK_INT(crdt_join(c, crdt_buf_bytes(&all)), CRDT_ERR_FORK);
        crdt_buf_free(&all);
    }
    CHECK(!crdt_map_has(crdt_root(c), CRDT_STR("z")));
    CHECK(same(a, c));
    crdt_doc_free(a);
    crdt_doc_free(b);
    crdt_doc_free(c);
}

TEST(v9_a_restored_copy_takes_a_new_name)
{
    crdt_doc *a = doc_new(), *peer = doc_new(), *back;
    crdt_id id = crdt_doc_replica(a), fresh;
    crdt_buf backup;
    CHECK(!crdt_map_put_int(crdt_root(a), CRDT_STR("old"), 1));
    backup = news(a, NULL);
    CHECK(!crdt_map_put_int(crdt_root(a), CRDT_STR("lost"), 2));
    CHECK(!pull(peer, a));
    crdt_doc_free(a);
    /* Under the old id the backup is refused: it could go on to reuse dots. */
    back = doc_as(id);
    CHECK_INT(crdt_join(back, crdt_buf_bytes(&backup)), CRDT_ERR_FORK);
    CHECK(!crdt_doc_reincarnate(back));
    fresh = crdt_doc_replica(back);
    CHECK(crdt_id_compare(&fresh, &id) != 0);
    CHECK(!crdt_join(back, crdt_buf_bytes(&backup)));
    CHECK(!crdt_map_put_int(crdt_root(back), CRDT_STR("new"), 3));
    meet(back, peer);
    CHECK(same(back, peer));
    CHECK_STR(keys(crdt_root(back)), "lost new old");
    crdt_buf_free(&backup);
    crdt_doc_free(back);
    crdt_doc_free(peer);
}

/* The dots were used again before anybody noticed. */
TEST(v9_reused_dots_are_found)
{
    crdt_doc *a = doc_new(), *b = doc_as(crdt_doc_replica(a));
    crdt_doc *peer = doc_new();
    crdt_err err;
    CHECK(!crdt_map_put_int(crdt_root(a), CRDT_STR("x"), 1));
    CHECK(!crdt_map_put_int(crdt_root(a), CRDT_STR("y"), 1));
    CHECK(!pull(peer, a));
    CHECK(!crdt_map_put_int(crdt_root(b), CRDT_STR("x"), 2));
    crdt_commit(b);
    /* The peer's delta since what b says it has builds on b's own future. */
    err = pull(b, peer);
    CHECK_INT(err, CRDT_ERR_FORK);
    CHECK_INT(get_int(crdt_root(b), "x"), 2);
    crdt_doc_free(a);
    crdt_doc_free(b);
    crdt_doc_free(peer);
}

/* A peer that was told of our later dots bases its delta on them. */
TEST(v9_a_base_beyond_our_own_dots_is_a_fork)
{
    crdt_doc *a = doc_new(), *b = doc_as(crdt_doc_replica(a));
    crdt_doc *peer = doc_new();
    crdt_buf delta;
    CHECK(!crdt_map_put_int(crdt_root(a), CRDT_STR("x"), 1));
    CHECK(!pull(peer, a));
    CHECK(!crdt_map_put_int(crdt_root(peer), CRDT_STR("y"), 1));
    delta = news(peer, a);
    CHECK_INT(crdt_join(b, crdt_buf_bytes(&delta)), CRDT_ERR_FORK);
    crdt_buf_free(&delta);
    crdt_doc_free(a);
    crdt_doc_free(b);
    crdt_doc_free(peer);
}

TEST(v10_erase_beside_an_addition)
{
    crdt_doc *a = doc_new(), *b = doc_new();
    CHECK(
        !crdt_counter_add(crdt_map_counter(crdt_root(a), CRDT_STR("n")), 10));
    CHECK(!pull(b, a));
    CHECK(!crdt_map_remove(crdt_root(a), CRDT_STR("n")));
    CHECK(!crdt_map_has(crdt_root(a), CRDT_STR("n")));
    CHECK(!crdt_counter_add(crdt_map_counter(crdt_root(b), CRDT_STR("n")), 5));
    CHECK_INT(count_of(b, "n"), 15);
    meet(a, b);
    CHECK(same(a, b));
    CHECK_INT(count_of(a, "n"), 5);
    CHECK_INT(count_of(b, "n"), 5);
    crdt_doc_free(a);
    crdt_doc_free(b);
}

TEST(v10_two_resets_beside_an_addition)
{
    crdt_doc *d[3];
    int i;
    for (i = 0; i < 3; i++)
        d[i] = doc_new();
    CHECK(!crdt_counter_add(crdt_map_counter(crdt_root(d[0]), CRDT_STR("n")),
                            7));
    CHECK(!pull(d[1], d[0]) && !pull(d[2], d[0]));
    for (i = 0; i < 2; i++)
        CHECK(!crdt_counter_reset(
            crdt_map_counter(crdt_root(d[i]), CRDT_STR("n"))));
    CHECK(!crdt_counter_add(crdt_map_counter(crdt_root(d[2]), CRDT_STR("n")),
                            3));
    meet(d[0], d[1]);
    meet(d[1], d[2]);
    meet(d[2], d[0]);
    for (i = 0; i < 3; i++) {
        CHECK_INT(count_of(d[i], "n"), 3);
        CHECK(same(d[i], d[0]));
    }
    for (i = 0; i < 3; i++)
        crdt_doc_free(d[i]);
}

TEST(v11_equal_values_show_once_and_die_together)
{
    crdt_doc *a = doc_new(), *b = doc_new();
    crdt_obj reg = crdt_map_register(crdt_root(a), CRDT_STR("r"));
    crdt_value value;
    crdt_stats stats;
    int count = 0;
    CHECK(!pull(b, a));
    CHECK(!crdt_register_set(reg, crdt_string(CRDT_STR("same"))));
    CHECK(!crdt_register_set(crdt_map_register(crdt_root(b), CRDT_STR("r")),
                             crdt_string(CRDT_STR("same"))));
    CHECK(!crdt_map_put_int(crdt_root(a), CRDT_STR("k"), 4));
    CHECK(!crdt_map_put_int(crdt_root(b), CRDT_STR("k"), 4));
    meet(a, b);
    CHECK(!crdt_register_versions(reg, count_version, &count));
    CHECK_INT(count, 1);
    count = 0;
    CHECK(!crdt_map_versions(crdt_root(b), CRDT_STR("k"), count_version,
                             &count));
    CHECK_INT(count, 1);
    CHECK(!crdt_register_set(reg, crdt_int(2)));
    CHECK(!crdt_map_put_int(crdt_root(a), CRDT_STR("k"), 5));
    meet(a, b);
    CHECK(same(a, b));
    count = 0;
    reg = crdt_map_register(crdt_root(b), CRDT_STR("r"));
    CHECK(!crdt_register_versions(reg, count_version, &count));
    CHECK_INT(count, 1);
    CHECK(!crdt_register_get(reg, &value));
    CHECK(value.kind == CRDT_INT && value.as.integer == 2);
    CHECK_INT(get_int(crdt_root(b), "k"), 5);
    crdt_doc_stats(b, &stats);
    CHECK_INT(stats.ops, 3); /* the container and two values */
    crdt_doc_free(a);
    crdt_doc_free(b);
}

TEST(v13_one_container_made_twice)
{
    crdt_doc *a = doc_new(), *b = doc_new();
    CHECK(!crdt_map_put_int(root_map(a, "m"), CRDT_STR("a"), 1));
    CHECK(!crdt_map_put_int(root_map(b, "m"), CRDT_STR("b"), 2));
    CHECK(!crdt_counter_add(crdt_map_counter(crdt_root(a), CRDT_STR("n")), 1));
    CHECK(!crdt_counter_add(crdt_map_counter(crdt_root(b), CRDT_STR("n")), 2));
    CHECK(!crdt_register_set(crdt_map_register(crdt_root(a), CRDT_STR("r")),
                             crdt_int(1)));
    CHECK(!crdt_register_set(crdt_map_register(crdt_root(b), CRDT_STR("r")),
                             crdt_int(2)));
    meet(a, b);
    CHECK(same(a, b));
    CHECK_STR(keys(root_map(a, "m")), "a b");
    CHECK_INT(count_of(a, "n"), 3);
    CHECK_INT(crdt_map_size(crdt_root(a)), 3);
    {
        int count = 0;
        CHECK(!crdt_register_versions(
            crdt_map_register(crdt_root(b), CRDT_STR("r")), count_version,
            &count));
        CHECK_INT(count, 2);
        count = 0;
        CHECK(!crdt_map_versions(crdt_root(b), CRDT_STR("m"), count_version,
                                 &count));
        CHECK_INT(count, 1); /* one map, whoever created it */
    }
    /* Removed once, it is gone, though two had created it. */
    CHECK(!crdt_map_remove(crdt_root(a), CRDT_STR("m")));
    meet(a, b);
    CHECK(!crdt_map_has(crdt_root(b), CRDT_STR("m")));
    crdt_doc_free(a);
    crdt_doc_free(b);
}

TEST(m1_the_same_delta_twice_counts_once)
{
    crdt_doc *a = doc_new(), *b = doc_new();
    crdt_buf delta;
    int i;
    CHECK(!crdt_counter_add(crdt_map_counter(crdt_root(a), CRDT_STR("n")), 5));
    delta = news(a, b);
    for (i = 0; i < 3; i++)
        CHECK(!crdt_join(b, crdt_buf_bytes(&delta)));
    CHECK_INT(count_of(b, "n"), 5);
    crdt_buf_free(&delta);
    crdt_doc_free(a);
    crdt_doc_free(b);
}

TEST(m2_removed_and_added_again_is_visible)
{
    crdt_doc *a = doc_new(), *b = doc_new();
    int i;
    for (i = 0; i < 3; i++) {
        CHECK(!crdt_map_put_int(root_map(a, "m"), CRDT_STR("x"), i));
        meet(a, b);
        CHECK(crdt_map_has(crdt_root(b), CRDT_STR("m")));
        CHECK_INT(get_int(root_map(b, "m"), "x"), i);
        CHECK(!crdt_map_remove(crdt_root(b), CRDT_STR("m")));
        meet(a, b);
        CHECK(!crdt_map_has(crdt_root(a), CRDT_STR("m")));
        CHECK_INT(crdt_map_size(crdt_root(a)), 0);
    }
    CHECK(same(a, b));
    crdt_doc_free(a);
    crdt_doc_free(b);
}

TEST(m3_equal_stamps_end_in_one_value)
{
    int round;
    for (round = 0; round < 20; round++) {
        crdt_doc *a = doc_new(), *b = doc_new();
        CHECK(!crdt_map_put_int(crdt_root(a), CRDT_STR("k"), 1));
        CHECK(!crdt_map_put_int(crdt_root(b), CRDT_STR("k"), 7));
        meet(a, b);
        CHECK_INT(get_int(crdt_root(a), "k"), get_int(crdt_root(b), "k"));
        CHECK(same(a, b));
        crdt_doc_free(a);
        crdt_doc_free(b);
    }
}

TEST(m6_nothing_is_left_of_what_is_gone)
{
    crdt_doc *a = doc_new(), *b = doc_new();
    crdt_buf all = CRDT_BUF_INIT;
    crdt_stats stats;
    crdt_vv vv = CRDT_VV_INIT;
    char key[32];
    int i;
    for (i = 0; i < 1000; i++) {
        crdt_doc *who = i % 2 ? a : b;
        snprintf(key, sizeof key, "a key that is long %d", i);
        CHECK(!crdt_map_put_int(crdt_root(who), crdt_str(key), i));
        if (i % 7 == 0)
            meet(a, b);
        CHECK(!crdt_map_remove(crdt_root(who), crdt_str(key)));
    }
    meet(a, b);
    CHECK_INT(crdt_map_size(crdt_root(a)), 0);
    CHECK(!crdt_doc_vv(a, &vv));
    CHECK(!crdt_truncate(a, &vv));
    crdt_doc_stats(a, &stats);
    CHECK_INT(stats.ops, 0);
    CHECK_INT(stats.removals, 0);
    CHECK_INT(stats.kills, 0);
    CHECK_INT(stats.entries, 0);
    CHECK_INT(stats.objects, 1);
    CHECK(!crdt_delta(a, NULL, &all));
    CHECK(all.len < 100);
    all.len = 0;
    CHECK(!crdt_canonical(a, &all));
    CHECK(all.len < 100);
    CHECK(same(a, b)); /* which still remembers */
    crdt_vv_free(&vv);
    crdt_buf_free(&all);
    crdt_doc_free(a);
    crdt_doc_free(b);
}

/* Size, has, get and the walk tell the same at every moment. */
static void check_agrees(crdt_obj map, int universe)
{
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    size_t walked = 0, had = 0;
    char key[16], last[16] = "";
    int i;
    while (crdt_map_next(map, &cursor) == CRDT_OK) {
        crdt_value value;
        memcpy(key, cursor.key.ptr, cursor.key.len);
        key[cursor.key.len] = 0;
        CHECK(strcmp(last, key) < 0);
        memcpy(last, key, sizeof key);
        CHECK(crdt_map_has(map, cursor.key));
        CHECK(crdt_map_get(map, cursor.key, &value) == CRDT_OK);
        CHECK(value.kind == cursor.value.kind);
        walked++;
    }
    for (i = 0; i < universe; i++) {
        snprintf(key, sizeof key, "%02d", i);
        had += crdt_map_has(map, crdt_str(key)) != 0;
    }
    CHECK_INT(walked, crdt_map_size(map));
    CHECK_INT(had, crdt_map_size(map));
}

TEST(m7_contains_and_list_never_disagree)
{
    enum { UNIVERSE = 12 };
    uint64_t random = 7;
    crdt_doc *d[2];
    char key[16];
    int i;
    d[0] = doc_new();
    d[1] = doc_new();
    for (i = 0; i < 3000; i++) {
        crdt_doc *who = d[test_below(&random, 2)];
        crdt_obj map = crdt_root(who);
        snprintf(key, sizeof key, "%02d", (int)test_below(&random, UNIVERSE));
        switch (test_below(&random, 6)) {
        case 0:
            CHECK(!crdt_map_put_int(map, crdt_str(key), i));
            break;
        case 1:
            crdt_map_remove(map, crdt_str(key));
            break;
        case 2:
            crdt_map_map(map, crdt_str(key));
            break;
        case 3:
            map = crdt_map_map(map, crdt_str(key));
            if (!crdt_is_null(map))
                CHECK(!crdt_map_put_int(map, crdt_str(key), i));
            break;
        case 4:
            map = crdt_map_counter(map, crdt_str(key));
            if (!crdt_is_null(map))
                CHECK(!crdt_counter_add(map, 1));
            break;
        default:
            CHECK(!pull(who, who == d[0] ? d[1] : d[0]));
            break;
        }
        check_agrees(crdt_root(who), UNIVERSE);
    }
    crdt_doc_free(d[0]);
    crdt_doc_free(d[1]);
}

TEST_MAIN(CASE(v4_writes_below_a_removed_key_survive_alone),
          CASE(v5_remove_beside_a_write_below), CASE(v8_one_id_on_two_copies),
          CASE(v9_a_restored_copy_takes_a_new_name),
          CASE(v9_reused_dots_are_found),
          CASE(v9_a_base_beyond_our_own_dots_is_a_fork),
          CASE(v10_erase_beside_an_addition),
          CASE(v10_two_resets_beside_an_addition),
          CASE(v11_equal_values_show_once_and_die_together),
          CASE(v13_one_container_made_twice),
          CASE(m1_the_same_delta_twice_counts_once),
          CASE(m2_removed_and_added_again_is_visible),
          CASE(m3_equal_stamps_end_in_one_value),
          CASE(m6_nothing_is_left_of_what_is_gone),
          CASE(m7_contains_and_list_never_disagree))
