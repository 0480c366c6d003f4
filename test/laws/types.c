/*
 * The laws of merging, for counters, registers and maps nested in each other:
 * random histories, through the public face alone.
 *
 *     commutative   a+b = b+a             idempotent    a+b+b = a+b
 *     associative   (a+b)+c = a+(b+c)     delta = state
 *     the same changes, by whatever way they came, are the same bytes
 */
#define CRDTSYNC_IMPLEMENTATION
#include "crdtsync.h"

#include "../test.h"

enum { REPLICAS = 5, OPS = 200, DEPTH = 3 };

static uint64_t chance;

static uint64_t random_clock(void *ctx)
{
    (void)ctx;
    return 1000000 + test_below(&chance, 1000);
}

static crdt_err random_fill(void *ctx, void *out, size_t len)
{
    uint8_t *bytes = (uint8_t *)out;
    size_t i;
    (void)ctx;
    for (i = 0; i < len; i++)
        bytes[i] = (uint8_t)test_random(&chance);
    return CRDT_OK;
}

static crdt_doc *doc_new(void)
{
    static const crdt_clock clock = { 1, NULL, random_clock, random_clock };
    static const crdt_random random = { 1, NULL, random_fill };
    crdt_config config;
    crdt_doc *doc = NULL;
    memset(&config, 0, sizeof config);
    config.clock = &clock;
    config.random = &random;
    CHECK(crdt_doc_new(&doc, &config) == CRDT_OK);
    return doc;
}

/* >>random histories ------------------------------------------------------ */

static crdt_value random_value(void)
{
    static const char text[] = "some bytes of text";
    int64_t number = (int64_t)test_below(&chance, 5) - 2;
    crdt_bytes bytes = crdt_bytes_of(text, test_below(&chance, sizeof text));
    switch (test_below(&chance, 7)) {
    case 0:
        return crdt_null();
    case 1:
        return crdt_bool(number > 0);
    case 2:
        return crdt_double((double)number / 4);
    case 3:
        return crdt_string(bytes);
    case 4:
        return crdt_blob(bytes);
    case 5:
        return crdt_time(number);
    default:
        return crdt_int(number * (INT64_C(1) << test_below(&chance, 60)));
    }
}

/* One change in the map, or further down. */
static void random_change(crdt_obj map, int depth)
{
    static const char *const names[] = { "a", "b", "c", "a key beyond 8" };
    crdt_bytes key = crdt_str(names[test_below(&chance, 4)]);
    crdt_obj obj;
    switch (test_below(&chance, 10)) {
    case 0:
    case 1:
        CHECK(crdt_map_put(map, key, random_value()) == CRDT_OK);
        break;
    case 2:
        crdt_map_remove(map, key);
        break;
    case 3:
    case 4:
        obj = crdt_map_counter(map, key);
        if (!crdt_is_null(obj))
            crdt_counter_add(obj, (int64_t)test_below(&chance, 9) - 4);
        break;
    case 5:
        obj = crdt_map_counter(map, key);
        if (!crdt_is_null(obj))
            CHECK(crdt_counter_reset(obj) == CRDT_OK);
        break;
    case 6:
        obj = crdt_map_register(map, key);
        if (!crdt_is_null(obj))
            CHECK(crdt_register_set(obj, random_value()) == CRDT_OK);
        break;
    case 7:
        if (test_below(&chance, 8) == 0)
            CHECK(crdt_map_clear(map) == CRDT_OK);
        break;
    default:
        obj = crdt_map_map(map, key);
        if (!crdt_is_null(obj) && depth < DEPTH)
            random_change(obj, depth + 1);
        break;
    }
}

static crdt_buf news(crdt_doc *from, const crdt_vv *since)
{
    crdt_buf out = CRDT_BUF_INIT;
    CHECK(crdt_commit(from) == CRDT_OK);
    CHECK(crdt_delta(from, since, &out) == CRDT_OK);
    return out;
}

static void pull(crdt_doc *a, crdt_doc *b)
{
    crdt_vv vv = CRDT_VV_INIT;
    crdt_buf delta;
    CHECK(crdt_doc_vv(a, &vv) == CRDT_OK);
    delta = news(b, &vv);
    CHECK(crdt_join(a, crdt_buf_bytes(&delta)) == CRDT_OK);
    crdt_buf_free(&delta);
    crdt_vv_free(&vv);
}

/* Replicas that have written and met at random. */
static int random_history(crdt_doc **docs)
{
    int count = 2 + (int)test_below(&chance, REPLICAS - 1), i;
    int ops = (int)test_below(&chance, OPS);
    for (i = 0; i < count; i++)
        docs[i] = doc_new();
    for (i = 0; i < ops; i++) {
        crdt_doc *who = docs[test_below(&chance, (uint32_t)count)];
        crdt_doc *other = docs[test_below(&chance, (uint32_t)count)];
        random_change(crdt_root(who), 0);
        CHECK(crdt_commit(who) == CRDT_OK);
        if (test_below(&chance, 6) == 0 && who != other)
            pull(who, other);
    }
    return count;
}

/* >>states ---------------------------------------------------------------- */

/* The whole state of a document, to be joined by others. */
static crdt_buf state_of(crdt_doc *doc)
{
    return news(doc, NULL);
}

static crdt_doc *joined(const crdt_buf *const *states, int count)
{
    crdt_doc *doc = doc_new();
    int i;
    for (i = 0; i < count; i++)
        CHECK(crdt_join(doc, crdt_buf_bytes(states[i])) == CRDT_OK);
    return doc;
}

static int same(crdt_doc *a, crdt_doc *b)
{
    crdt_buf x = CRDT_BUF_INIT, y = CRDT_BUF_INIT;
    crdt_vv v = CRDT_VV_INIT, w = CRDT_VV_INIT;
    crdt_digest p = crdt_doc_digest(a), q = crdt_doc_digest(b);
    int equal;
    CHECK(crdt_canonical(a, &x) == CRDT_OK);
    CHECK(crdt_canonical(b, &y) == CRDT_OK);
    CHECK(crdt_doc_vv(a, &v) == CRDT_OK && crdt_doc_vv(b, &w) == CRDT_OK);
    equal = crdt_bytes_equal(crdt_buf_bytes(&x), crdt_buf_bytes(&y));
    CHECK(equal == (p.hi == q.hi && p.lo == q.lo));
    equal &= crdt_vv_compare(&v, &w) == CRDT_EQUAL;
    crdt_buf_free(&x);
    crdt_buf_free(&y);
    crdt_vv_free(&v);
    crdt_vv_free(&w);
    return equal;
}

/* >>what is read ---------------------------------------------------------- */

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t len)
{
    const uint8_t *p = (const uint8_t *)bytes;
    size_t i;
    for (i = 0; i < len; i++)
        hash = (hash ^ p[i]) * 1099511628211u;
    return hash;
}

static uint64_t hash_value(uint64_t hash, const crdt_value *value)
{
    hash = hash_bytes(hash, &value->kind, sizeof value->kind);
    switch (value->kind) {
    case CRDT_BOOL:
        return hash_bytes(hash, &value->as.boolean, sizeof(int));
    case CRDT_DOUBLE:
        return hash_bytes(hash, &value->as.number, sizeof(double));
    case CRDT_STRING:
    case CRDT_BYTES:
        return hash_bytes(hash, value->as.bytes.ptr, value->as.bytes.len);
    case CRDT_INT:
    case CRDT_TIME:
        return hash_bytes(hash, &value->as.integer, sizeof(int64_t));
    case CRDT_NULL:
    case CRDT_OBJECT:
    default:
        return hash;
    }
}

/* A hash of all that the public face shows. */
static uint64_t read_all(crdt_obj obj)
{
    uint64_t hash = crdt_type_of(obj);
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    crdt_value value;
    int64_t count;
    if (crdt_type_of(obj) == CRDT_COUNTER) {
        CHECK(crdt_counter_get(obj, &count) == CRDT_OK);
        return hash_bytes(hash, &count, sizeof count);
    }
    if (crdt_type_of(obj) == CRDT_REGISTER)
        return crdt_register_get(obj, &value) == CRDT_OK
                   ? hash_value(hash, &value)
                   : hash;
    while (crdt_map_next(obj, &cursor) == CRDT_OK) {
        int type;
        hash = hash_bytes(hash, cursor.key.ptr, cursor.key.len);
        hash = hash_value(hash, &cursor.value);
        for (type = CRDT_MAP; type <= CRDT_COUNTER; type++) {
            crdt_obj child = crdt_map_find(obj, cursor.key, (crdt_type)type);
            if (!crdt_is_null(child))
                hash = hash * 31 + read_all(child);
        }
    }
    return hash;
}

static int reads_same(crdt_doc *a, crdt_doc *b)
{
    return read_all(crdt_root(a)) == read_all(crdt_root(b));
}

/* >>laws ------------------------------------------------------------------ */

#define MUST_EQUAL(a, b)                                                      \
    do {                                                                      \
        CHECK(same(a, b));                                                    \
        CHECK(reads_same(a, b));                                              \
        crdt_doc_free(a);                                                     \
    } while (0)

static void check_orders(const crdt_buf *s, int count)
{
    const crdt_buf *in[2 * REPLICAS];
    crdt_doc *want, *doc, *part;
    crdt_buf half;
    int i;
    for (i = 0; i < count; i++)
        in[i] = in[count + i] = &s[i];
    want = joined(in, count);
    doc = joined(in, 2 * count); /* idempotent */
    MUST_EQUAL(doc, want);
    for (i = 0; i < count; i++)
        in[i] = &s[count - 1 - i];
    doc = joined(in, count); /* commutative */
    MUST_EQUAL(doc, want);
    for (i = 0; i < count; i++)
        in[i] = &s[i];
    part = joined(in + 1, count - 1); /* associative */
    half = state_of(part);
    in[1] = &half;
    doc = joined(in, 2);
    MUST_EQUAL(doc, want);
    crdt_buf_free(&half);
    crdt_doc_free(part);
    crdt_doc_free(want);
}

/* From wherever one starts: the delta since there does what the state does. */
static void check_deltas(crdt_doc *const *docs, const crdt_buf *s, int count)
{
    int from, to;
    for (from = 0; from < count; from++)
        for (to = 0; to < count; to++) {
            const crdt_buf *in[2];
            crdt_doc *by_state, *by_delta;
            in[0] = &s[to];
            in[1] = &s[from];
            by_state = joined(in, 2);
            by_delta = joined(in, 1);
            pull(by_delta, docs[from]);
            MUST_EQUAL(by_delta, by_state);
            crdt_doc_free(by_state);
        }
}

/* The canonical bytes are a state like any other, for one who has nothing. */
static void check_canonical(crdt_doc *doc)
{
    crdt_buf bytes = CRDT_BUF_INIT;
    crdt_doc *copy = doc_new();
    CHECK(crdt_canonical(doc, &bytes) == CRDT_OK);
    CHECK(crdt_join(copy, crdt_buf_bytes(&bytes)) == CRDT_OK);
    MUST_EQUAL(copy, doc);
    crdt_buf_free(&bytes);
}

/* Everyone meets everyone, and all are the same. */
static void check_end(crdt_doc *const *docs, int count)
{
    int i, k;
    for (i = 0; i < 2 * count; i++)
        for (k = 0; k < count; k++)
            if (i % count != k)
                pull(docs[k], docs[i % count]);
    for (i = 1; i < count; i++)
        CHECK(same(docs[i], docs[0]) && reads_same(docs[i], docs[0]));
}

static void run(uint64_t seed)
{
    crdt_doc *docs[REPLICAS];
    crdt_buf states[REPLICAS];
    int count, i;
    chance = seed;
    count = random_history(docs);
    for (i = 0; i < count; i++) {
        states[i] = state_of(docs[i]);
        check_canonical(docs[i]);
    }
    check_orders(states, count);
    check_deltas(docs, states, count);
    check_end(docs, count);
    for (i = 0; i < count; i++) {
        crdt_buf_free(&states[i]);
        crdt_doc_free(docs[i]);
    }
}

TEST(merging_keeps_its_laws)
{
    uint64_t first = test_env("CRDT_SEED", 0), i;
    uint64_t count = test_env("CRDT_SEEDS", first ? 1 : 2000);
    for (i = 0; i < count && !test_failures_in_case; i++) {
        run(first + i);
        if (test_failures_in_case)
            printf("seed %llu; replay with CRDT_SEED=%llu\n",
                   (unsigned long long)(first + i),
                   (unsigned long long)(first + i));
    }
    printf("%llu seeds\n", (unsigned long long)i);
}

TEST_MAIN(CASE(merging_keeps_its_laws))
