/* Documents through the public face: commits, deltas, clocks, identities. */
#define CRDTSYNC_MAX_COMMIT_OPS 100u
#define CRDTSYNC_MAX_REPLICAS 8u
#define CRDTSYNC_IMPLEMENTATION
#include "crdtsync.h"

#include "../failing_alloc.h"
#include "../test.h"

#define KEY(text) CRDT_STR(text)

struct hand {
    uint64_t wall;
};

static uint64_t hand_wall(void *ctx)
{
    return ((struct hand *)ctx)->wall;
}

/* A document whose clock is set by hand. */
static crdt_doc *doc_at(struct hand *hand)
{
    crdt_clock clock;
    crdt_config config;
    crdt_doc *doc = NULL;
    clock.version = 1;
    clock.ctx = hand;
    clock.wall_ms = clock.mono_ms = hand_wall;
    memset(&config, 0, sizeof config);
    config.clock = &clock;
    CHECK(crdt_doc_new(&doc, &config) == CRDT_OK);
    return doc;
}

static crdt_doc *doc_new(void)
{
    crdt_doc *doc = NULL;
    CHECK(crdt_doc_new(&doc, NULL) == CRDT_OK);
    return doc;
}

static void put(crdt_doc *doc, const char *key, int64_t value)
{
    CHECK(crdt_map_put_int(crdt_root(doc), crdt_str(key), value) == CRDT_OK);
}

static int64_t get(crdt_doc *doc, const char *key)
{
    int64_t value = -1;
    crdt_map_get_int(crdt_root(doc), crdt_str(key), &value);
    return value;
}

/* What `from` has, and `to` (or nobody) lacks. */
static crdt_buf news(crdt_doc *from, const crdt_doc *to)
{
    crdt_buf out = CRDT_BUF_INIT;
    crdt_vv vv = CRDT_VV_INIT;
    if (to)
        CHECK(!crdt_doc_vv(to, &vv));
    CHECK(!crdt_commit(from));
    CHECK(!crdt_delta(from, &vv, &out));
    crdt_vv_free(&vv);
    return out;
}

static crdt_err pull(crdt_doc *a, crdt_doc *b)
{
    crdt_buf delta = news(b, a);
    crdt_err err = crdt_join(a, crdt_buf_bytes(&delta));
    crdt_buf_free(&delta);
    return err;
}

static int same_digest(crdt_digest a, crdt_digest b)
{
    return a.hi == b.hi && a.lo == b.lo;
}

/* >>making ---------------------------------------------------------------- */

TEST(made_and_freed)
{
    struct failing_alloc memory;
    crdt_config config;
    crdt_doc *doc = NULL;
    crdt_id id, got;
    int i;
    failing_alloc_init(&memory);
    memset(&config, 0, sizeof config);
    config.alloc = &memory.table;
    for (i = 0; i < 16; i++)
        id.b[i] = (uint8_t)i;
    config.replica = &id;
    CHECK(!crdt_doc_new(&doc, &config));
    got = crdt_doc_replica(doc);
    CHECK(crdt_id_compare(&got, &id) == 0);
    put(doc, "a key of some length", 1);
    put(doc, "k", 2);
    CHECK(!crdt_map_put_str(crdt_root(doc), KEY("s"), KEY("text")));
    CHECK(!crdt_counter_add(crdt_map_counter(crdt_root(doc), KEY("c")), 1));
    CHECK(!crdt_counter_reset(crdt_map_counter(crdt_root(doc), KEY("c"))));
    {
        crdt_cursor cursor = CRDT_CURSOR_INIT;
        CHECK(!crdt_map_next(crdt_root(doc), &cursor));
    }
    crdt_doc_free(doc);
    CHECK(failing_alloc_clean(&memory));
    crdt_doc_free(NULL);
    CHECK_INT(crdt_doc_new(NULL, NULL), CRDT_ERR_ARG);
}

TEST(fresh_ids_differ)
{
    crdt_doc *a = doc_new(), *b = doc_new();
    crdt_id x = crdt_doc_replica(a), y = crdt_doc_replica(b);
    CHECK(crdt_id_compare(&x, &y) != 0);
    crdt_doc_free(a);
    crdt_doc_free(b);
}

static crdt_err no_random(void *ctx, void *out, size_t len)
{
    (void)ctx;
    (void)out;
    (void)len;
    return CRDT_ERR_IO;
}

TEST(without_randomness_there_is_no_document)
{
    static const crdt_random broken = { 1, NULL, no_random };
    struct failing_alloc memory;
    crdt_config config;
    crdt_doc *doc = NULL;
    failing_alloc_init(&memory);
    memset(&config, 0, sizeof config);
    config.alloc = &memory.table;
    config.random = &broken;
    CHECK_INT(crdt_doc_new(&doc, &config), CRDT_ERR_IO);
    CHECK(!doc);
    CHECK(failing_alloc_clean(&memory));
}

/* >>commits --------------------------------------------------------------- */

TEST(uncommitted_changes_stay_at_home)
{
    crdt_doc *a = doc_new(), *b = doc_new();
    crdt_buf out = CRDT_BUF_INIT;
    crdt_vv vv = CRDT_VV_INIT;
    CHECK(!crdt_doc_uncommitted(a));
    CHECK(!crdt_commit(a));
    put(a, "x", 1);
    CHECK(crdt_doc_uncommitted(a));
    CHECK_INT(get(a, "x"), 1);
    CHECK(!crdt_doc_vv(a, &vv));
    CHECK_INT(vv.len, 0);
    CHECK_INT(crdt_delta(a, NULL, &out), CRDT_ERR_UNCOMMITTED);
    CHECK_INT(crdt_canonical(a, &out), CRDT_ERR_UNCOMMITTED);
    CHECK_INT(crdt_doc_reincarnate(a), CRDT_ERR_UNCOMMITTED);
    CHECK_INT(out.len, 0);
    put(a, "y", 2);
    CHECK(!crdt_commit(a));
    CHECK(!crdt_doc_uncommitted(a));
    CHECK(!crdt_doc_vv(a, &vv));
    CHECK_INT(vv.entries[0].seq, 2);
    CHECK(!pull(b, a));
    CHECK_INT(get(b, "x") + get(b, "y"), 3);
    CHECK_INT(crdt_commit(NULL), CRDT_ERR_ARG);
    crdt_vv_free(&vv);
    crdt_buf_free(&out);
    crdt_doc_free(a);
    crdt_doc_free(b);
}

TEST(a_join_in_the_middle_of_a_commit)
{
    crdt_doc *a = doc_new(), *b = doc_new();
    crdt_buf delta;
    put(b, "b", 1);
    put(b, "both", 1);
    put(a, "a", 1);
    CHECK(!pull(a, b));
    CHECK(crdt_doc_uncommitted(a));
    CHECK_INT(get(a, "b"), 1);
    put(a, "both", 2); /* over what has just come */
    CHECK(!crdt_commit(a));
    CHECK(!pull(b, a));
    CHECK_INT(get(b, "both"), 2);
    CHECK(same_digest(crdt_doc_digest(a), crdt_doc_digest(b)));
    /* What comes removes what is not committed? It has not seen it. */
    CHECK(!crdt_map_remove(crdt_root(b), KEY("a")));
    delta = news(b, a);
    put(a, "a", 3);
    CHECK(!crdt_join(a, crdt_buf_bytes(&delta)));
    CHECK_INT(get(a, "a"), 3);
    CHECK(!crdt_commit(a) && !pull(b, a));
    CHECK_INT(get(b, "a"), 3);
    CHECK(same_digest(crdt_doc_digest(a), crdt_doc_digest(b)));
    crdt_buf_free(&delta);
    crdt_doc_free(a);
    crdt_doc_free(b);
}

TEST(commits_of_every_size)
{
    crdt_doc *doc = doc_new(), *other = doc_new();
    unsigned i, max = CRDTSYNC_MAX_COMMIT_OPS;
    for (i = 0; i < max - 1; i++)
        put(doc, "k", i);
    CHECK(!crdt_commit(doc));
    for (i = 0; i < max; i++)
        put(doc, "k", i);
    CHECK_INT(crdt_map_put_int(crdt_root(doc), KEY("k"), 7), CRDT_ERR_LIMIT);
    CHECK_INT(crdt_map_put_int(crdt_root(doc), KEY("new"), 7), CRDT_ERR_LIMIT);
    CHECK_INT(crdt_map_remove(crdt_root(doc), KEY("k")), CRDT_ERR_LIMIT);
    CHECK(crdt_is_null(crdt_map_map(crdt_root(doc), KEY("m"))));
    CHECK_INT(crdt_doc_error(doc), CRDT_ERR_LIMIT);
    CHECK_INT(get(doc, "k"), max - 1);
    CHECK_INT(crdt_map_size(crdt_root(doc)), 1);
    CHECK(!pull(other, doc)); /* and with it a commit */
    put(doc, "k", 7);
    CHECK(!pull(other, doc));
    CHECK_INT(get(other, "k"), 7);
    crdt_doc_free(doc);
    crdt_doc_free(other);
}

/* A removal of a map with counters is several changes, or none. */
TEST(a_removal_fits_into_a_commit_whole_or_not)
{
    crdt_doc *doc = doc_new();
    crdt_obj map = crdt_map_map(crdt_root(doc), KEY("m"));
    crdt_obj one = crdt_map_counter(map, KEY("1"));
    crdt_obj two = crdt_map_counter(map, KEY("2"));
    unsigned i;
    int64_t value;
    crdt_digest before;
    CHECK(!crdt_counter_add(one, 1) && !crdt_counter_add(two, 2));
    crdt_commit(doc);
    for (i = 0; i < CRDTSYNC_MAX_COMMIT_OPS - 2; i++)
        put(doc, "k", i);
    before = crdt_doc_digest(doc);
    CHECK_INT(crdt_map_remove(crdt_root(doc), KEY("m")), CRDT_ERR_LIMIT);
    CHECK(same_digest(before, crdt_doc_digest(doc)));
    CHECK(!crdt_counter_get(one, &value) && value == 1);
    CHECK_INT(crdt_map_size(map), 2);
    crdt_commit(doc);
    CHECK(!crdt_map_remove(crdt_root(doc), KEY("m")));
    CHECK_INT(crdt_map_size(map), 0);
    crdt_doc_free(doc);
}

/* >>deltas ---------------------------------------------------------------- */

TEST(a_delta_waits_for_its_causes)
{
    crdt_doc *a = doc_new(), *b = doc_new();
    crdt_buf first, second;
    crdt_vv vv = CRDT_VV_INIT;
    crdt_digest before = crdt_doc_digest(b);
    put(a, "x", 1);
    first = news(a, NULL);
    CHECK(!crdt_doc_vv(a, &vv));
    put(a, "y", 2);
    crdt_commit(a);
    memset(&second, 0, sizeof second);
    CHECK(!crdt_delta(a, &vv, &second));
    CHECK_INT(crdt_join(b, crdt_buf_bytes(&second)), CRDT_ERR_CAUSAL);
    CHECK(same_digest(before, crdt_doc_digest(b)));
    CHECK_INT(crdt_map_size(crdt_root(b)), 0);
    CHECK(!crdt_doc_vv(b, &vv));
    CHECK_INT(vv.len, 0);
    CHECK(!crdt_join(b, crdt_buf_bytes(&first)));
    CHECK(!crdt_join(b, crdt_buf_bytes(&second)));
    CHECK(!crdt_join(b, crdt_buf_bytes(&first)));
    CHECK(!crdt_join(a, crdt_buf_bytes(&second))); /* its own */
    CHECK_INT(get(b, "x") + get(b, "y"), 3);
    CHECK(same_digest(crdt_doc_digest(a), crdt_doc_digest(b)));
    crdt_vv_free(&vv);
    crdt_buf_free(&first);
    crdt_buf_free(&second);
    crdt_doc_free(a);
    crdt_doc_free(b);
}

TEST(a_delta_is_appended)
{
    crdt_doc *a = doc_new(), *b = doc_new();
    crdt_buf out = CRDT_BUF_INIT;
    size_t len;
    put(a, "x", 1);
    crdt_commit(a);
    CHECK(!crdt_delta(a, NULL, &out));
    len = out.len;
    CHECK(!crdt_delta(a, NULL, &out));
    CHECK_INT(out.len, 2 * len);
    CHECK(memcmp(out.ptr, out.ptr + len, len) == 0);
    /* One frame is a delta, two are none. */
    CHECK_INT(crdt_join(b, crdt_buf_bytes(&out)), CRDT_ERR_CORRUPT);
    CHECK(!crdt_join(b, crdt_bytes_of(out.ptr + len, len)));
    CHECK_INT(get(b, "x"), 1);
    crdt_buf_free(&out);
    crdt_doc_free(a);
    crdt_doc_free(b);
}

TEST(since_may_name_what_nobody_has)
{
    crdt_doc *a = doc_new(), *b = doc_new();
    crdt_id id = crdt_doc_replica(a), strange = crdt_doc_replica(b);
    crdt_vv since = CRDT_VV_INIT, from = CRDT_VV_INIT, to = CRDT_VV_INIT;
    crdt_buf out = CRDT_BUF_INIT;
    put(a, "x", 1);
    crdt_commit(a);
    CHECK(!crdt_vv_set(&since, &id, 77) && !crdt_vv_set(&since, &strange, 3));
    CHECK(!crdt_delta(a, &since, &out));
    CHECK(!crdt_delta_range(crdt_buf_bytes(&out), &from, &to));
    CHECK_INT(from.len, 1);
    CHECK_INT(crdt_vv_get(&from, &id), 1);
    CHECK_INT(crdt_vv_get(&to, &id), 1);
    CHECK(!crdt_join(a, crdt_buf_bytes(&out)));
    CHECK_INT(crdt_join(b, crdt_buf_bytes(&out)), CRDT_ERR_CAUSAL);
    CHECK(!crdt_delta_range(crdt_buf_bytes(&out), NULL, NULL));
    crdt_vv_free(&since);
    crdt_vv_free(&from);
    crdt_vv_free(&to);
    crdt_buf_free(&out);
    crdt_doc_free(a);
    crdt_doc_free(b);
}

/* Cut anywhere, or any byte changed: an error, and nothing has happened. */
TEST(broken_bytes_change_nothing)
{
    crdt_doc *a = doc_new(), *b = doc_new();
    crdt_buf all;
    crdt_digest before;
    size_t i, offset;
    put(a, "x", 1);
    CHECK(!crdt_counter_add(crdt_map_counter(crdt_root(a), KEY("c")), 4));
    CHECK(!crdt_counter_reset(crdt_map_counter(crdt_root(a), KEY("c"))));
    put(a, "x", 2);
    put(b, "mine", 1);
    all = news(a, NULL);
    before = crdt_doc_digest(b);
    for (i = 0; i < all.len; i++) {
        crdt_err err = crdt_join(b, crdt_bytes_of(all.ptr, i));
        CHECK_INT(err, CRDT_ERR_TRUNCATED);
        all.ptr[i] ^= 1;
        offset = SIZE_MAX;
        err = crdt_join_at(b, crdt_buf_bytes(&all), &offset);
        CHECK(err != CRDT_OK && offset <= all.len);
        all.ptr[i] ^= 1;
    }
    CHECK_INT(crdt_join(b, crdt_bytes_of(NULL, 0)), CRDT_ERR_TRUNCATED);
    CHECK_INT(crdt_join(b, crdt_bytes_of(NULL, 4)), CRDT_ERR_ARG);
    CHECK_INT(crdt_join(NULL, crdt_buf_bytes(&all)), CRDT_ERR_ARG);
    CHECK_INT(crdt_delta(NULL, NULL, &all), CRDT_ERR_ARG);
    CHECK_INT(crdt_delta(a, NULL, NULL), CRDT_ERR_ARG);
    CHECK(same_digest(before, crdt_doc_digest(b)));
    CHECK(!crdt_join(b, crdt_buf_bytes(&all)));
    CHECK_INT(get(b, "x"), 2);
    crdt_buf_free(&all);
    crdt_doc_free(a);
    crdt_doc_free(b);
}

TEST(as_many_replicas_as_allowed)
{
    crdt_doc *all = doc_new();
    unsigned i, max = CRDTSYNC_MAX_REPLICAS;
    crdt_stats stats;
    crdt_digest before;
    for (i = 1; i <= max; i++) {
        crdt_doc *one = doc_new();
        crdt_err err;
        put(one, "k", i);
        before = crdt_doc_digest(all);
        err = pull(all, one);
        CHECK_INT(err, i < max ? CRDT_OK : CRDT_ERR_LIMIT);
        if (err)
            CHECK(same_digest(before, crdt_doc_digest(all)));
        crdt_doc_free(one);
    }
    crdt_doc_stats(all, &stats);
    CHECK_INT(stats.replicas, max);
    CHECK_INT(stats.ops, max - 1);
    CHECK_INT(crdt_doc_reincarnate(all), CRDT_ERR_LIMIT);
    put(all, "k", 0);
    crdt_doc_free(all);
}

/* >>clocks ---------------------------------------------------------------- */

TEST(a_stamp_too_far_ahead_is_held_back)
{
    struct hand here = { 1000000 }, there = { 1000000 };
    crdt_doc *a = doc_at(&here), *b = doc_at(&there);
    crdt_stats stats;
    crdt_buf delta;
    there.wall = here.wall + CRDTSYNC_MAX_SKEW_MS - 1;
    put(b, "k", 1);
    CHECK_INT(pull(a, b), CRDT_OK);
    there.wall = here.wall + CRDTSYNC_MAX_SKEW_MS;
    put(b, "k", 2);
    CHECK_INT(pull(a, b), CRDT_OK);
    crdt_doc_stats(a, &stats);
    CHECK_INT(stats.held_back_ms, 0);
    there.wall = here.wall + CRDTSYNC_MAX_SKEW_MS + 5;
    put(b, "k", 3);
    delta = news(b, a);
    CHECK_INT(crdt_join(a, crdt_buf_bytes(&delta)), CRDT_ERR_SKEW);
    CHECK_INT(get(a, "k"), 2);
    crdt_doc_stats(a, &stats);
    CHECK_INT(stats.held_back_ms, CRDTSYNC_MAX_SKEW_MS + 5);
    here.wall += 4;
    CHECK_INT(crdt_join(a, crdt_buf_bytes(&delta)), CRDT_ERR_SKEW);
    here.wall += 1;
    CHECK_INT(crdt_join(a, crdt_buf_bytes(&delta)), CRDT_OK);
    CHECK_INT(get(a, "k"), 3);
    /* The writer whose clock is behind still writes later stamps. */
    put(a, "k", 4);
    CHECK(!pull(b, a));
    CHECK_INT(get(b, "k"), 4);
    crdt_buf_free(&delta);
    crdt_doc_free(a);
    crdt_doc_free(b);
}

TEST(a_clock_set_back_does_not_take_back_stamps)
{
    struct hand here = { 100 * CRDTSYNC_MAX_SKEW_MS }, there = here;
    crdt_doc *a = doc_at(&here), *b = doc_at(&there);
    int i;
    put(a, "k", 1);
    here.wall = 5; /* in 1970 */
    for (i = 2; i < 5; i++)
        put(a, "k", i);
    CHECK(!pull(b, a));
    CHECK_INT(get(b, "k"), 4);
    put(b, "other", 1);
    put(b, "k", 5);
    put(a, "k", 6); /* beside it, and of about the same time */
    crdt_commit(a);
    /* Strangers from the future wait, our own stamps that come back do not. */
    CHECK_INT(pull(a, b), CRDT_ERR_SKEW);
    here.wall = 99 * CRDTSYNC_MAX_SKEW_MS;
    CHECK(!pull(a, b) && !pull(b, a));
    CHECK_INT(get(a, "k"), get(b, "k"));
    crdt_doc_free(a);
    crdt_doc_free(b);
}

TEST(what_we_have_is_not_held_back_again)
{
    struct hand here = { 100 * CRDTSYNC_MAX_SKEW_MS }, there = here;
    crdt_doc *a = doc_at(&here), *b = doc_at(&there);
    crdt_buf all;
    put(a, "k", 1);
    CHECK(!pull(b, a));
    here.wall = 5;
    CHECK(!crdt_counter_add(crdt_map_counter(crdt_root(b), KEY("c")), 1));
    crdt_commit(b);
    CHECK(!crdt_map_remove(crdt_root(b), KEY("c")));
    all = news(b, NULL); /* holds "k" too, which is ours */
    CHECK_INT(crdt_join(a, crdt_buf_bytes(&all)), CRDT_OK);
    crdt_buf_free(&all);
    crdt_doc_free(a);
    crdt_doc_free(b);
}

/* A stamp of the end of time is refused, and never becomes ours. */
TEST(stamps_of_the_far_future)
{
    struct hand here = { 1000000 }, there = { UINT64_MAX };
    crdt_doc *a = doc_at(&here), *b = doc_at(&there);
    put(b, "k", 1);
    put(b, "k", 2);
    CHECK_INT(get(b, "k"), 2);
    CHECK_INT(pull(a, b), CRDT_ERR_SKEW);
    crdt_doc_free(a);
    crdt_doc_free(b);
}

/* >>identity -------------------------------------------------------------- */

TEST(reincarnation_keeps_what_was_written)
{
    crdt_doc *a = doc_new(), *b = doc_new();
    crdt_id before = crdt_doc_replica(a), after;
    crdt_vv vv = CRDT_VV_INIT;
    put(a, "k", 1);
    crdt_commit(a);
    CHECK(!crdt_doc_reincarnate(a));
    after = crdt_doc_replica(a);
    CHECK(crdt_id_compare(&before, &after) != 0);
    CHECK_INT(get(a, "k"), 1);
    put(a, "k", 2);
    put(a, "l", 3);
    CHECK(!pull(b, a));
    CHECK(!crdt_doc_vv(b, &vv));
    CHECK_INT(vv.len, 2);
    CHECK_INT(crdt_vv_get(&vv, &before), 1);
    CHECK_INT(crdt_vv_get(&vv, &after), 2);
    CHECK_INT(get(b, "k"), 2);
    CHECK(same_digest(crdt_doc_digest(a), crdt_doc_digest(b)));
    crdt_vv_free(&vv);
    crdt_doc_free(a);
    crdt_doc_free(b);
}

/* >>truncation ------------------------------------------------------------ */

TEST(truncation_forgets_up_to_what_we_have)
{
    crdt_doc *a = doc_new(), *b = doc_new();
    crdt_id id = crdt_doc_replica(a), strange = crdt_doc_replica(b);
    crdt_vv cut = CRDT_VV_INIT, floor = CRDT_VV_INIT;
    crdt_stats stats;
    put(a, "x", 1);
    CHECK(!pull(b, a));
    CHECK(!crdt_map_remove(crdt_root(a), KEY("x")));
    crdt_commit(a);
    crdt_doc_stats(a, &stats);
    CHECK_INT(stats.removals, 1);
    CHECK_INT(stats.kills, 1);
    CHECK_INT(crdt_truncate(a, NULL), CRDT_ERR_ARG);
    CHECK_INT(crdt_truncate(NULL, &cut), CRDT_ERR_ARG);
    CHECK(!crdt_truncate(a, &cut)); /* nothing */
    CHECK(!crdt_doc_floor(a, &floor));
    CHECK_INT(floor.len, 0);
    CHECK(!crdt_vv_set(&cut, &id, 1000) && !crdt_vv_set(&cut, &strange, 5));
    CHECK(!crdt_truncate(a, &cut));
    CHECK(!crdt_doc_floor(a, &floor));
    CHECK_INT(floor.len, 1);
    CHECK_INT(crdt_vv_get(&floor, &id), 2);
    crdt_doc_stats(a, &stats);
    CHECK_INT(stats.removals + stats.kills + stats.ops + stats.entries, 0);
    /* One who was left behind still learns of the removal. */
    CHECK(crdt_map_has(crdt_root(b), KEY("x")));
    put(b, "mine", 1);
    CHECK(!pull(b, a));
    CHECK(!crdt_map_has(crdt_root(b), KEY("x")));
    CHECK_INT(get(b, "mine"), 1);
    CHECK(!crdt_doc_floor(b, &floor));
    CHECK_INT(crdt_vv_get(&floor, &id), 2);
    /* A floor never sinks. */
    CHECK(!crdt_vv_set(&cut, &id, 1));
    CHECK(!crdt_truncate(a, &cut));
    CHECK(!crdt_doc_floor(a, &floor));
    CHECK_INT(crdt_vv_get(&floor, &id), 2);
    crdt_vv_free(&cut);
    crdt_vv_free(&floor);
    crdt_doc_free(a);
    crdt_doc_free(b);
}

/* Uncommitted removals are not forgotten: nobody has them. */
TEST(truncation_in_the_middle_of_a_commit)
{
    crdt_doc *a = doc_new(), *b = doc_new();
    crdt_id id = crdt_doc_replica(a);
    crdt_vv cut = CRDT_VV_INIT;
    put(a, "x", 1);
    CHECK(!pull(b, a));
    CHECK(!crdt_map_remove(crdt_root(a), KEY("x")));
    CHECK(!crdt_vv_set(&cut, &id, 1000));
    CHECK(!crdt_truncate(a, &cut));
    CHECK(!crdt_commit(a) && !pull(b, a));
    CHECK(!crdt_map_has(crdt_root(b), KEY("x")));
    crdt_vv_free(&cut);
    crdt_doc_free(a);
    crdt_doc_free(b);
}

TEST(the_digest_is_of_what_is_live)
{
    crdt_doc *a = doc_new();
    crdt_digest empty = crdt_doc_digest(a), one, two;
    CHECK(empty.hi == 0 && empty.lo == 0);
    put(a, "x", 1);
    one = crdt_doc_digest(a);
    CHECK(!same_digest(empty, one));
    put(a, "x", 1); /* the same value, but another change */
    two = crdt_doc_digest(a);
    CHECK(!same_digest(one, two));
    CHECK(!crdt_map_remove(crdt_root(a), KEY("x")));
    CHECK(same_digest(crdt_doc_digest(a), empty));
    crdt_doc_free(a);
}

TEST_MAIN(CASE(made_and_freed), CASE(fresh_ids_differ),
          CASE(without_randomness_there_is_no_document),
          CASE(uncommitted_changes_stay_at_home),
          CASE(a_join_in_the_middle_of_a_commit), CASE(commits_of_every_size),
          CASE(a_removal_fits_into_a_commit_whole_or_not),
          CASE(a_delta_waits_for_its_causes), CASE(a_delta_is_appended),
          CASE(since_may_name_what_nobody_has),
          CASE(broken_bytes_change_nothing), CASE(as_many_replicas_as_allowed),
          CASE(a_stamp_too_far_ahead_is_held_back),
          CASE(a_clock_set_back_does_not_take_back_stamps),
          CASE(what_we_have_is_not_held_back_again),
          CASE(stamps_of_the_far_future),
          CASE(reincarnation_keeps_what_was_written),
          CASE(truncation_forgets_up_to_what_we_have),
          CASE(truncation_in_the_middle_of_a_commit),
          CASE(the_digest_is_of_what_is_live))
