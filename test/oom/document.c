/*
 * Memory that runs out under every call of the public document. The scenario
 * is run with the n-th request refused, for every n until it is long enough;
 * once that one alone, once all from it on. A refused call answers
 * CRDT_ERR_NOMEM, and the document is then what it was, and usable; nothing
 * may leak.
 */
#include "../../src/error.h"
#include "../../src/wire.h"
#include "../failing_alloc.h"
#include "../laws/check_doc.h"
#include "../test.h"

#include <setjmp.h>

#define WALL_MS UINT64_C(1700000000000)

static struct failing_alloc memory;
static jmp_buf out_of_memory;

static uint64_t wall_ms(void *ctx)
{
    (void)ctx;
    return WALL_MS;
}

static crdt_err fill(void *ctx, void *out, size_t len)
{
    memset(out, ++*(uint8_t *)ctx, len);
    return CRDT_OK;
}

static crdt_err doc_new(crdt_doc **doc, const crdt_alloc *alloc, uint8_t id)
{
    static uint8_t randoms;
    crdt_config config;
    crdt_clock clock;
    crdt_random random;
    crdt_id replica;
    memset(&config, 0, sizeof config);
    memset(replica.b, id, sizeof replica.b);
    clock.version = random.version = 1;
    clock.ctx = NULL;
    clock.wall_ms = clock.mono_ms = wall_ms;
    random.ctx = &randoms;
    random.fill = fill;
    randoms = 100;
    config.alloc = alloc;
    config.clock = &clock;
    config.random = &random;
    config.replica = &replica;
    return crdt_doc_new(doc, &config);
}

/* >>looking ------------------------------------------------------------
 * A document encodes with its own memory. Looking must not use up the request
 * that is to fail, so nothing is counted meanwhile. */

struct picture {
    crdt_buf bytes;
    crdt_digest digest;
    crdt_stats stats;
    crdt_vv vv, floor;
    uint64_t written, hlc;
    const char *wrong;
};

static void look(struct picture *picture, crdt_doc *doc)
{
    size_t fail_at = memory.fail_at, requests = memory.requests;
    uint64_t open = doc->replicas.ptr[doc->self].seq;
    memory.fail_at = 0;
    picture->bytes.len = 0;
    picture->wrong = check_doc(doc);
    picture->digest = crdt_doc_digest(doc);
    crdt_doc_stats(doc, &picture->stats);
    picture->written = doc->written;
    picture->hlc = doc->hlc.last;
    if (crdt_doc_vv(doc, &picture->vv) || crdt_doc_floor(doc, &picture->floor))
        abort();
    /* As if it were committed: what is not is looked at too. */
    doc->replicas.ptr[doc->self].seq = doc->written;
    if (crdt_delta(doc, NULL, &picture->bytes))
        abort();
    doc->replicas.ptr[doc->self].seq = open;
    memory.fail_at = fail_at;
    memory.requests = requests;
}

static int same(const struct picture *a, const struct picture *b)
{
    return crdt_bytes_equal(crdt_buf_bytes(&a->bytes),
                            crdt_buf_bytes(&b->bytes)) &&
           a->digest.hi == b->digest.hi && a->digest.lo == b->digest.lo &&
           a->written == b->written &&
           memcmp(&a->stats, &b->stats, sizeof a->stats) == 0 &&
           crdt_vv_compare(&a->vv, &b->vv) == CRDT_EQUAL &&
           crdt_vv_compare(&a->floor, &b->floor) == CRDT_EQUAL;
}

static struct picture before, after;

/* Judges a refused call. Leaves the scenario when memory stays away. */
static void refused(crdt_doc *doc, crdt_err err, const char *call)
{
    look(&after, doc);
    if (err != CRDT_ERR_NOMEM || !same(&before, &after) || after.wrong)
        printf("%s, request %lu: %s, %s\n", call,
               (unsigned long)memory.fail_at, crdt_err_name(err),
               after.wrong ? after.wrong : "changed");
    CHECK(err == CRDT_ERR_NOMEM && same(&before, &after) && !after.wrong);
    if (memory.from_then_on)
        longjmp(out_of_memory, 1);
}

/* Makes a call; when it is refused, once more, which must then work. */
#define STEP(doc, call)                                                       \
    do {                                                                      \
        crdt_err step_err;                                                    \
        size_t step_failures = memory.failures;                               \
        look(&before, doc);                                                   \
        step_err = (call);                                                    \
        if (memory.failures > step_failures) {                                \
            refused(doc, step_err, #call);                                    \
            step_err = (call);                                                \
        }                                                                     \
        CHECK_INT(step_err, CRDT_OK);                                         \
    } while (0)

/* A creation helper: where it goes, and why it did not. */
static crdt_err made(crdt_doc *doc, crdt_obj *out, crdt_obj obj)
{
    *out = obj;
    return crdt_is_null(obj) ? crdt_doc_error(doc) : CRDT_OK;
}

/* >>the others ------------------------------------------------------------
 * Made once, without failures: deltas that are rich. */

enum { DELTAS = 5 };
static crdt_buf deltas[DELTAS];

static void other_writes(crdt_doc *doc, int n)
{
    crdt_obj root = crdt_root(doc), deep, map;
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
    crdt_commit(doc);
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

static crdt_doc *doc;
static crdt_buf sent;
static crdt_vv vector;

static void count_version(void *ctx, const crdt_version *version)
{
    (void)version;
    ++*(int *)ctx;
}

static void iterate(crdt_obj map)
{
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    crdt_err err = CRDT_OK;
    size_t keys = 0;
    for (;;) {
        size_t failures = memory.failures;
        look(&before, doc);
        err = crdt_map_next(map, &cursor);
        if (memory.failures > failures) {
            refused(doc, err, "crdt_map_next");
            continue;
        }
        if (err)
            break;
        keys++;
    }
    CHECK_INT(err, CRDT_ERR_NOT_FOUND);
    CHECK_INT(keys, crdt_map_size(map));
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
    iterate(map);
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

/* crdt_map_clear goes key by key, and says so: what it removed stays gone. */
static void clear(crdt_obj map)
{
    size_t failures = memory.failures;
    crdt_err err = crdt_map_clear(map);
    if (memory.failures > failures) {
        CHECK_INT(err, CRDT_ERR_NOMEM);
        look(&after, doc);
        CHECK(!after.wrong);
        if (memory.from_then_on)
            longjmp(out_of_memory, 1);
        err = crdt_map_clear(map);
    }
    CHECK_INT(err, CRDT_OK);
    CHECK_INT(crdt_map_size(map), 0);
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
    crdt_err err = doc_new(&doc, &memory.table, 20);
    if (err) {
        CHECK_INT(err, CRDT_ERR_NOMEM);
        CHECK(!doc && memory.failures);
        if (memory.from_then_on)
            return;
        REQUIRE(doc_new(&doc, &memory.table, 20) == CRDT_OK);
    }
    write_values(crdt_root(doc));
    write_objects(crdt_root(doc));
    exchange();
    write_objects(crdt_root(doc));
    STEP(doc, crdt_doc_reincarnate(doc));
    write_objects(crdt_root(doc));
    STEP(doc, crdt_truncate(doc, &vector));
    iterate(crdt_root(doc));
    clear(crdt_root(doc));
    STEP(doc, crdt_commit(doc));
}

/* Straight into an empty document, snapshots included. */
static void arrive(void)
{
    int i;
    if (doc_new(&doc, &memory.table, 20)) {
        if (memory.from_then_on)
            return;
        REQUIRE(doc_new(&doc, &memory.table, 20) == CRDT_OK);
    }
    for (i = DELTAS; i > 0; i--)
        if (i > 3 || i == 1)
            STEP(doc, crdt_join(doc, crdt_buf_bytes(&deltas[i - 1])));
}

static void run(void (*scenario)(void))
{
    doc = NULL;
    memset(&sent, 0, sizeof sent);
    memset(&vector, 0, sizeof vector);
    sent.alloc = vector.alloc = &memory.table;
    if (!setjmp(out_of_memory))
        scenario();
    crdt_doc_free(doc);
    crdt_buf_free(&sent);
    crdt_vv_free(&vector);
    CHECK(failing_alloc_clean(&memory));
}

static void run_out(void (*scenario)(void))
{
    size_t n;
    int mode, more;
    make_deltas();
    failing_alloc_init(&memory);
    run(scenario);
    CHECK(memory.requests > 20);
    for (mode = 0; mode < 2; mode++) {
        more = 1;
        for (n = 1; more && !test_failures_in_case; n++) {
            failing_alloc_init(&memory);
            memory.fail_at = n;
            memory.from_then_on = mode;
            run(scenario);
            more = memory.failures > 0;
        }
        CHECK(n > memory.requests);
    }
}

TEST(every_request_of_a_life_is_refused)
{
    run_out(live);
}

TEST(every_request_of_joins_into_an_empty_document_is_refused)
{
    run_out(arrive);
}

TEST_MAIN(CASE(every_request_of_a_life_is_refused),
          CASE(every_request_of_joins_into_an_empty_document_is_refused))
