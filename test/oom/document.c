/*
 * Memory that runs out under every call of the public document, and of maps,
 * registers and counters.
 */
#include "refused.h"

/* >>the others ------------------------------------------------------------
 * Made once, without failures: deltas that are rich. */

enum { DELTAS = 5 };
static crdt_buf deltas[DELTAS];

static void other_writes(crdt_doc *other, int n)
{
    crdt_obj root = crdt_root(other), deep, map;
    char key[40];
    int i;
    map = crdt_map_map(root, CRDT_STR("shared"));
    deep = crdt_map_map(map, CRDT_STR("a deep one with a long name"));
    crdt_counter_add(crdt_map_counter(map, CRDT_STR("count")), 10 + n);
    crdt_counter_add(crdt_map_counter(deep, CRDT_STR("count")), -n);
    crdt_register_set(crdt_map_register(deep, CRDT_STR("reg")),
                      crdt_string(CRDT_STR("from another")));
    for (i = 0; i < 12; i++) {
        snprintf(key, sizeof key, "key %d of some length by %d", i, n % 3);
        crdt_map_put_str(i % 2 ? map : deep, crdt_str(key), crdt_str(key));
    }
    crdt_map_put_str(map, CRDT_STR("both at once"), crdt_str(key));
    crdt_map_map(root, crdt_str(key));
    if (n % 2)
        crdt_map_remove(map, CRDT_STR("a deep one with a long name"));
    if (n > 1)
        crdt_counter_reset(crdt_map_counter(map, CRDT_STR("count")));
    crdt_commit(other);
}

/* Since what the delta before brought; the last two are snapshots. */
static void make_deltas(void)
{
    crdt_doc *a, *b;
    crdt_vv vv = CRDT_VV_INIT;
    crdt_buf buf = CRDT_BUF_INIT;
    int i;
    if (deltas[0].len)
        return;
    if (doc_new(&a, NULL, 10) || doc_new(&b, NULL, 30))
        abort();
    for (i = 0; i < DELTAS; i++) {
        other_writes(i % 2 ? a : b, i);
        other_writes(i % 2 ? b : a, i + 1);
        buf.len = 0;
        if (crdt_delta(b, NULL, &buf) || crdt_join(a, crdt_buf_bytes(&buf)))
            abort();
        buf.len = 0;
        if (crdt_delta(a, NULL, &buf) || crdt_join(b, crdt_buf_bytes(&buf)))
            abort();
        if (crdt_delta(a, i < 3 ? &vv : NULL, &deltas[i]) ||
            crdt_doc_vv(a, &vv))
            abort();
        if (i == 3 && crdt_truncate(a, &vv))
            abort();
    }
    crdt_buf_free(&buf);
    crdt_vv_free(&vv);
    crdt_doc_free(a);
    crdt_doc_free(b);
}

/* >>scenarios ------------------------------------------------------------- */

static void count_version(void *ctx, const crdt_version *version)
{
    (void)version;
    ++*(int *)ctx;
}

static void write_values(crdt_obj map)
{
    crdt_bytes longer = CRDT_STR("a text that does not fit anywhere inside");
    int versions = 0;
    crdt_value value;
    STEP(doc, crdt_map_put_null(map, CRDT_STR("null")));
    STEP(doc, crdt_map_put_bool(map, CRDT_STR("bool"), 1));
    STEP(doc, crdt_map_put_int(map, CRDT_STR("int"), -1));
    STEP(doc, crdt_map_put_double(map, CRDT_STR("double"), 0.5));
    STEP(doc, crdt_map_put_str(map, longer, longer));
    STEP(doc, crdt_map_put_bytes(map, CRDT_STR("bytes"), longer));
    STEP(doc, crdt_map_put_str(map, CRDT_STR("bytes"), longer));
    STEP(doc, crdt_map_put(map, CRDT_STR("time"), crdt_time(5)));
    STEP(doc, crdt_map_get(map, longer, &value));
    STEP(doc, crdt_map_versions(map, longer, count_version, &versions));
    STEP(doc, crdt_map_remove(map, CRDT_STR("null")));
    CHECK_INT(versions, 1);
    CHECK_INT(iterate(crdt_map_next, map), crdt_map_size(map));
}

static void write_objects(crdt_obj root)
{
    crdt_obj map, inner, reg, counter, deep;
    crdt_value value;
    int64_t count = 0;
    int versions = 0;
    STEP(doc, made(doc, &map, crdt_map_map(root, CRDT_STR("a longer key"))));
    STEP(doc, made(doc, &inner, crdt_map_map(map, CRDT_STR("inner"))));
    STEP(doc, made(doc, &reg, crdt_map_register(inner, CRDT_STR("reg"))));
    STEP(doc, made(doc, &counter, crdt_map_counter(inner, CRDT_STR("n"))));
    STEP(doc, made(doc, &deep, crdt_map_counter(map, CRDT_STR("m"))));
    STEP(doc, crdt_register_set(reg, crdt_string(CRDT_STR("one"))));
    STEP(doc, crdt_register_set(reg, crdt_blob(CRDT_STR("another"))));
    STEP(doc, crdt_register_get(reg, &value));
    STEP(doc, crdt_register_versions(reg, count_version, &versions));
    STEP(doc, crdt_register_clear(reg));
    STEP(doc, crdt_register_set(reg, crdt_int(3)));
    STEP(doc, crdt_counter_add(counter, 5));
    STEP(doc, crdt_counter_add(counter, -2));
    STEP(doc, crdt_counter_add(deep, 1));
    STEP(doc, crdt_counter_get(counter, &count));
    CHECK_INT(count, 3);
    STEP(doc, crdt_counter_reset(counter));
    STEP(doc, crdt_counter_add(counter, 4));
    STEP(doc, crdt_commit(doc));
    /* A subtree with two counters, a register and values. */
    STEP(doc, crdt_map_remove(root, CRDT_STR("a longer key")));
    STEP(doc, crdt_counter_add(counter, 6));
    STEP(doc, crdt_map_put_int(inner, CRDT_STR("again"), 1));
    STEP(doc, crdt_map_put_int(root, CRDT_STR("a longer key"), 1));
    STEP(doc, made(doc, &map, crdt_map_map(root, CRDT_STR("a longer key"))));
    STEP(doc, crdt_map_put_int(map, CRDT_STR("x"), 1));
    STEP(doc, crdt_counter_add(deep, 1));
    STEP(doc, crdt_commit(doc));
}

static void exchange(void)
{
    int i;
    size_t len;
    for (i = 0; i < DELTAS; i++)
        STEP(doc, crdt_join(doc, crdt_buf_bytes(&deltas[i])));
    STEP(doc, crdt_doc_vv(doc, &vector));
    STEP(doc, crdt_delta(doc, NULL, &sent));
    len = sent.len;
    STEP(doc, crdt_delta(doc, &vector, &sent));
    STEP(doc, crdt_canonical(doc, &sent));
    CHECK(sent.len > len);
    STEP(doc, crdt_delta_range(crdt_buf_bytes(&deltas[1]), &vector, NULL));
    STEP(doc, crdt_doc_floor(doc, &vector));
    STEP(doc, crdt_doc_vv(doc, &vector));
}

static void live(void)
{
    if (!begin())
        return;
    write_values(crdt_root(doc));
    write_objects(crdt_root(doc));
    exchange();
    write_objects(crdt_root(doc));
    STEP(doc, crdt_doc_reincarnate(doc));
    write_objects(crdt_root(doc));
    STEP(doc, crdt_truncate(doc, &vector));
    CHECK_INT(iterate(crdt_map_next, crdt_root(doc)),
              crdt_map_size(crdt_root(doc)));
    clear(crdt_map_clear, crdt_root(doc));
    CHECK_INT(crdt_map_size(crdt_root(doc)), 0);
    STEP(doc, crdt_commit(doc));
}

/* Straight into an empty document, snapshots included. */
static void arrive(void)
{
    int i;
    if (!begin())
        return;
    for (i = DELTAS; i > 0; i--)
        if (i > 3 || i == 1)
            STEP(doc, crdt_join(doc, crdt_buf_bytes(&deltas[i - 1])));
}

TEST(every_request_of_a_life_is_refused)
{
    make_deltas();
    run_out(live);
}

TEST(every_request_of_joins_into_an_empty_document_is_refused)
{
    make_deltas();
    run_out(arrive);
}

TEST_MAIN(CASE(every_request_of_a_life_is_refused),
          CASE(every_request_of_joins_into_an_empty_document_is_refused))
