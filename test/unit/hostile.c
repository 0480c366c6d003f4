/*
 * Deltas that are well-formed and that no honest replica writes, and every
 * limit that a delta can touch, at one below, at it, and at one above.
 */
#include "../../src/error.h"
#include "../build_delta.h"
#include "../failing_alloc.h"
#include "../fuzz/doc.h"
#include "../test.h"

#include <time.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Joins what was built. Refused: without a trace. Joined: sound, and a
 * document that others can have. */
static crdt_err join(crdt_doc *doc, const struct build_delta *d)
{
    static struct fuzz_look before, after;
    crdt_buf buf = CRDT_BUF_INIT;
    crdt_err err;
    fuzz_look(&before, doc, 1);
    build_frame(d, &buf);
    err = crdt_join(doc, crdt_buf_bytes(&buf));
    fuzz_look(&after, doc, 1);
    crdt_buf_free(&buf);
    if (err)
        CHECK(fuzz_same(&before, &after, 1));
    fuzz_sound(doc);
    fuzz_reproduces(doc);
    return err;
}

/* Into an empty document. */
static crdt_err join_empty(const struct build_delta *d)
{
    crdt_doc *doc = fuzz_doc_new(FUZZ_SELF);
    crdt_err err = join(doc, d);
    crdt_doc_free(doc);
    return err;
}

#define CHECK_ERR(got, want) CHECK_STR(crdt_err_name(got), #want)

/* One replica, ids 1 and up, that tells all it ever did. */
static struct build_replica all(int n, uint64_t top)
{
    struct build_replica r;
    memset(&r, 0, sizeof r);
    r.id = fuzz_id(n);
    r.top = top;
    return r;
}

static struct build_op op(uint32_t replica, uint64_t seq, uint32_t object,
                          int kind)
{
    struct build_op o;
    memset(&o, 0, sizeof o);
    o.replica = replica;
    o.seq = seq;
    o.object = object;
    o.kind = (uint8_t)kind;
    o.stamp = FUZZ_WALL_MS << 16;
    o.key = CRDT_STR("k");
    if (kind == CRDTI_CREATE)
        o.form = CRDT_MAP;
    return o;
}

static struct build_op killer(struct build_op o,
                              const struct build_pair *kills, size_t len)
{
    o.kills = kills;
    o.kills_len = len;
    return o;
}

static struct build_delta delta(const struct build_replica *replicas,
                                size_t replicas_len,
                                const struct build_op *ops, size_t ops_len)
{
    struct build_delta d;
    memset(&d, 0, sizeof d);
    d.flags = CRDTI_DELTA_SNAPSHOT;
    d.replicas = replicas;
    d.replicas_len = replicas_len;
    d.ops = ops;
    d.ops_len = ops_len;
    return d;
}

/* One op of one replica. */
static crdt_err join_one(struct build_op o)
{
    struct build_replica r = all(1, o.seq);
    struct build_delta d = delta(&r, 1, &o, 1);
    return join_empty(&d);
}

/* >>limits ---------------------------------------------------------------- */

static crdt_err join_replicas(size_t count)
{
    struct build_replica *replicas =
        (struct build_replica *)calloc(count, sizeof *replicas);
    struct build_delta d = delta(replicas, count, NULL, 0);
    crdt_buf buf = CRDT_BUF_INIT;
    crdt_doc *doc = fuzz_doc_new(FUZZ_SELF);
    crdt_stats stats;
    crdt_err err;
    size_t i;
    for (i = 0; i < count; i++) {
        replicas[i].id = build_id((uint32_t)i + 1);
        replicas[i].top = 1;
    }
    build_frame(&d, &buf);
    err = crdt_join(doc, crdt_buf_bytes(&buf));
    crdt_doc_stats(doc, &stats);
    CHECK_INT(stats.replicas, err ? 1 : count + 1);
    fuzz_sound(doc);
    crdt_doc_free(doc);
    crdt_buf_free(&buf);
    free(replicas);
    return err;
}

/* The document itself is one of them. */
TEST(replicas_up_to_the_limit)
{
    CHECK_ERR(join_replicas(CRDTSYNC_MAX_REPLICAS - 2), CRDT_OK);
    CHECK_ERR(join_replicas(CRDTSYNC_MAX_REPLICAS - 1), CRDT_OK);
    CHECK_ERR(join_replicas(CRDTSYNC_MAX_REPLICAS), CRDT_ERR_LIMIT);
    CHECK_ERR(join_replicas(CRDTSYNC_MAX_REPLICAS + 1), CRDT_ERR_LIMIT);
}

static crdt_err join_key(size_t len, int of_object)
{
    static uint8_t key[CRDTSYNC_MAX_KEY + 1];
    struct build_op o = op(0, 1, (uint32_t)of_object, CRDTI_VALUE);
    struct build_replica r = all(1, 1);
    struct build_object object = { 0, CRDT_MAP, { key, len } };
    struct build_delta d = delta(&r, 1, &o, 1);
    if (!of_object)
        o.key = object.key;
    d.objects = &object;
    d.objects_len = (size_t)of_object;
    return join_empty(&d);
}

TEST(keys_up_to_the_limit)
{
    int of_object;
    for (of_object = 0; of_object < 2; of_object++) {
        CHECK_ERR(join_key(CRDTSYNC_MAX_KEY - 1, of_object), CRDT_OK);
        CHECK_ERR(join_key(CRDTSYNC_MAX_KEY, of_object), CRDT_OK);
        CHECK_ERR(join_key(CRDTSYNC_MAX_KEY + 1, of_object), CRDT_ERR_LIMIT);
    }
}

static crdt_err join_value(size_t len, int form)
{
    uint8_t *bytes = (uint8_t *)calloc(1, len);
    struct build_op o = op(0, 1, 0, CRDTI_VALUE);
    crdt_err err;
    o.form = (uint8_t)form;
    o.bytes = crdt_bytes_of(bytes, len);
    err = join_one(o);
    free(bytes);
    return err;
}

TEST(values_up_to_the_limit)
{
    CHECK_ERR(join_value(CRDTSYNC_MAX_VALUE - 1, CRDT_STRING), CRDT_OK);
    CHECK_ERR(join_value(CRDTSYNC_MAX_VALUE, CRDT_BYTES), CRDT_OK);
    CHECK_ERR(join_value(CRDTSYNC_MAX_VALUE + 1, CRDT_STRING), CRDT_ERR_LIMIT);
    CHECK_ERR(join_value(CRDTSYNC_MAX_VALUE + 1, CRDT_BYTES), CRDT_ERR_LIMIT);
}

/* Maps inside maps, with a value or a CREATE in the last. */
static crdt_err join_depth(size_t depth, int kind)
{
    static struct build_object objects[CRDTSYNC_MAX_DEPTH + 1];
    struct build_op o = op(0, 1, (uint32_t)depth, kind);
    struct build_replica r = all(1, 1);
    struct build_delta d = delta(&r, 1, &o, 1);
    size_t i;
    for (i = 0; i < depth; i++) {
        objects[i].parent = (uint32_t)i;
        objects[i].type = CRDT_MAP;
        objects[i].key = CRDT_STR("k");
    }
    d.objects = objects;
    d.objects_len = depth;
    return join_empty(&d);
}

TEST(depth_up_to_the_limit)
{
    CHECK_ERR(join_depth(CRDTSYNC_MAX_DEPTH - 1, CRDTI_VALUE), CRDT_OK);
    CHECK_ERR(join_depth(CRDTSYNC_MAX_DEPTH, CRDTI_VALUE), CRDT_OK);
    CHECK_ERR(join_depth(CRDTSYNC_MAX_DEPTH + 1, CRDTI_VALUE), CRDT_ERR_LIMIT);
    CHECK_ERR(join_depth(CRDTSYNC_MAX_DEPTH - 2, CRDTI_CREATE), CRDT_OK);
    CHECK_ERR(join_depth(CRDTSYNC_MAX_DEPTH - 1, CRDTI_CREATE), CRDT_OK);
    CHECK_ERR(join_depth(CRDTSYNC_MAX_DEPTH, CRDTI_CREATE), CRDT_ERR_LIMIT);
}

TEST(seqs_up_to_the_limit)
{
    struct build_replica r = all(1, CRDTSYNC_MAX_SEQ);
    struct build_delta d = delta(&r, 1, NULL, 0);
    CHECK_ERR(join_one(op(0, CRDTSYNC_MAX_SEQ - 1, 0, CRDTI_VALUE)), CRDT_OK);
    CHECK_ERR(join_one(op(0, CRDTSYNC_MAX_SEQ, 0, CRDTI_VALUE)), CRDT_OK);
    CHECK_ERR(join_one(op(0, CRDTSYNC_MAX_SEQ + 1, 0, CRDTI_VALUE)),
              CRDT_ERR_LIMIT);
    CHECK_ERR(join_one(op(0, UINT64_MAX, 0, CRDTI_VALUE)), CRDT_ERR_LIMIT);
    d.flags = CRDTI_DELTA_FLOOR;
    r.floor = CRDTSYNC_MAX_SEQ;
    CHECK_ERR(join_empty(&d), CRDT_OK);
    r.floor++;
    CHECK_ERR(join_empty(&d), CRDT_ERR_LIMIT);
    r.floor = 0;
    r.base = UINT64_MAX; /* top is a sum that would overflow */
    r.top = UINT64_MAX;
    CHECK_ERR(join_empty(&d), CRDT_ERR_LIMIT);
    r.base = CRDTSYNC_MAX_SEQ;
    CHECK_ERR(join_empty(&d), CRDT_ERR_LIMIT);
    r.top = CRDTSYNC_MAX_SEQ;
    CHECK_ERR(join_empty(&d), CRDT_ERR_CAUSAL);
}

static crdt_err join_stamp(uint64_t stamp)
{
    struct build_op o = op(0, 1, 0, CRDTI_VALUE);
    o.stamp = stamp;
    return join_one(o);
}

TEST(stamps_up_to_the_limit)
{
    uint64_t edge = FUZZ_WALL_MS + CRDTSYNC_MAX_SKEW_MS;
    CHECK_ERR(join_stamp((edge - 1) << 16), CRDT_OK);
    CHECK_ERR(join_stamp(edge << 16 | 0xffff), CRDT_OK);
    CHECK_ERR(join_stamp((edge + 1) << 16), CRDT_ERR_SKEW);
    CHECK_ERR(join_stamp(UINT64_MAX), CRDT_ERR_SKEW);
    CHECK_ERR(join_stamp(0), CRDT_OK);
}

/* What is held back comes when the clock gets there, and only an error says
 * how far ahead it was. */
TEST(skew_is_told_and_nothing_else)
{
    struct build_op o = op(0, 1, 0, CRDTI_VALUE);
    struct build_replica r = all(1, 1);
    struct build_delta d = delta(&r, 1, &o, 1);
    crdt_doc *doc = fuzz_doc_new(FUZZ_SELF);
    crdt_stats stats;
    o.stamp = (FUZZ_WALL_MS + 1000) << 16;
    CHECK_ERR(join(doc, &d), CRDT_OK);
    crdt_doc_stats(doc, &stats);
    CHECK_INT(stats.held_back_ms, 0);
    o.stamp = (FUZZ_WALL_MS + 1000000) << 16;
    o.seq = r.top = 2;
    CHECK_ERR(join(doc, &d), CRDT_ERR_SKEW);
    crdt_doc_stats(doc, &stats);
    CHECK_INT(stats.held_back_ms, 1000000);
    crdt_doc_free(doc);
}

static crdt_err join_counter(struct build_op o)
{
    struct build_replica r = all(1, 3);
    struct build_object object = { 0, CRDT_COUNTER, { NULL, 0 } };
    struct build_delta d = delta(&r, 1, &o, 1);
    d.objects = &object;
    d.objects_len = 1;
    return join_empty(&d);
}

TEST(totals_up_to_the_limit)
{
    struct build_op add = op(0, 1, 1, CRDTI_ADD);
    struct build_op reset = op(0, 1, 1, CRDTI_RESET);
    struct build_pair voids = { 0, INT64_MAX, INT64_MAX };
    add.plus = add.minus = INT64_MAX;
    CHECK_ERR(join_counter(add), CRDT_OK);
    add.minus++;
    CHECK_ERR(join_counter(add), CRDT_ERR_CORRUPT);
    add.minus = 0;
    add.plus = UINT64_MAX;
    CHECK_ERR(join_counter(add), CRDT_ERR_CORRUPT);
    reset.voids = &voids;
    reset.voids_len = 1;
    CHECK_ERR(join_counter(reset), CRDT_OK);
    voids.b++;
    CHECK_ERR(join_counter(reset), CRDT_ERR_CORRUPT);
}

/* No more is taken than a fixed multiple of what was sent. */
TEST(counts_are_checked_before_memory_is_taken)
{
    /* flags, then a count of replicas, objects, ops, voids or kills that is
     * far too large for what follows */
    static const char *const heads[] = { "\0", "\0\0", "\0\0\0" };
    uint64_t counts[] = { 3, 65535, 65536, 65537, UINT32_MAX, UINT64_MAX };
    struct failing_alloc memory;
    size_t i, k;
    for (i = 0; i < COUNT(heads); i++) {
        for (k = 0; k < COUNT(counts); k++) {
            crdt_buf buf = CRDT_BUF_INIT;
            crdt_config config;
            crdt_doc *doc;
            crdti_writer w;
            size_t offset = 0, requests;
            crdt_err err;
            failing_alloc_init(&memory);
            memset(&config, 0, sizeof config);
            config.alloc = &memory.table;
            REQUIRE(crdt_doc_new(&doc, &config) == CRDT_OK);
            crdti_writer_init(&w, &buf);
            crdti_put_raw(&w, crdt_bytes_of(heads[i], i + 1));
            crdti_put_varint(&w, counts[k]);
            crdti_put_u8(&w, 0);
            requests = memory.requests;
            err = crdti_payload_join(doc, crdt_buf_bytes(&buf), &offset, NULL);
            CHECK(err == CRDT_ERR_LIMIT || err == CRDT_ERR_TRUNCATED);
            CHECK_INT(offset, i + 1);
            CHECK(memory.live_bytes < 8192);
            CHECK(memory.requests <= requests + 2);
            crdt_doc_free(doc);
            crdt_buf_free(&buf);
            CHECK(failing_alloc_clean(&memory));
        }
    }
}

/* >>kills ----------------------------------------------------------------- */

TEST(a_live_op_that_another_kills_at_once)
{
    struct build_pair kills[2] = { { 0, 2, 0 }, { 1, 1, 0 } };
    struct build_replica replicas[2];
    struct build_op ops[4];
    struct build_delta d = delta(replicas, 2, ops, COUNT(ops));
    replicas[0] = all(1, 3);
    replicas[1] = all(2, 2);
    ops[0] = op(0, 1, 0, CRDTI_CREATE);
    ops[1] = killer(op(0, 2, 0, CRDTI_VALUE), kills, 1);
    ops[1].kills = &kills[1];
    ops[2] = op(1, 1, 0, CRDTI_VALUE);
    ops[3] = killer(op(1, 2, 0, CRDTI_VALUE), kills, 1);
    CHECK_ERR(join_empty(&d), CRDT_OK);
    ops[3].kind = CRDTI_REMOVE;
    CHECK_ERR(join_empty(&d), CRDT_OK);
    /* Each other. */
    ops[3].kills_len = 2;
    CHECK_ERR(join_empty(&d), CRDT_OK);
}

/* A killer cannot have seen what its replica did later, nor itself. */
TEST(kills_reach_only_what_can_have_been_seen)
{
    struct build_pair kill = { 0, 4, 0 };
    struct build_replica replicas[2];
    struct build_op o = killer(op(0, 5, 0, CRDTI_VALUE), &kill, 1);
    struct build_delta d = delta(replicas, 2, &o, 1);
    replicas[0] = all(1, 9);
    replicas[1] = all(2, 7);
    CHECK_ERR(join_empty(&d), CRDT_OK);
    kill.a = 5;
    CHECK_ERR(join_empty(&d), CRDT_ERR_CORRUPT);
    kill.a = 0;
    CHECK_ERR(join_empty(&d), CRDT_ERR_CORRUPT);
    kill.replica = 1;
    CHECK_ERR(join_empty(&d), CRDT_ERR_CORRUPT);
    kill.a = 7;
    CHECK_ERR(join_empty(&d), CRDT_OK);
    kill.a = 8;
    CHECK_ERR(join_empty(&d), CRDT_ERR_CORRUPT);
    kill.a = UINT64_MAX;
    CHECK_ERR(join_empty(&d), CRDT_ERR_CORRUPT);
    kill.replica = 2;
    CHECK_ERR(join_empty(&d), CRDT_ERR_CORRUPT);
}

/* The greatest counts, in whatever order they come. */
TEST(the_same_replica_twice_among_the_kills)
{
    struct build_pair kills[2] = { { 0, 3, 0 }, { 0, 1, 0 } };
    struct build_replica replicas[2];
    struct build_op ops[3];
    struct build_delta d = delta(replicas, 2, ops, COUNT(ops));
    crdt_doc *doc = fuzz_doc_new(FUZZ_SELF);
    crdt_stats stats;
    replicas[0] = all(1, 3);
    replicas[1] = all(2, 1);
    ops[0] = op(0, 1, 0, CRDTI_VALUE);
    ops[1] = op(0, 3, 0, CRDTI_VALUE);
    ops[2] = killer(op(1, 1, 0, CRDTI_REMOVE), kills, 2);
    CHECK_ERR(join(doc, &d), CRDT_OK);
    crdt_doc_stats(doc, &stats);
    CHECK_INT(stats.ops, 0);
    CHECK_INT(stats.kills, 1);
    crdt_doc_free(doc);
}

/* Killers of many replicas cost what they are, not their square. */
TEST(kills_of_many_replicas)
{
    enum { MANY = 40000, KILLERS = 3 };
    struct build_replica *replicas =
        (struct build_replica *)calloc(MANY, sizeof *replicas);
    struct build_pair *kills =
        (struct build_pair *)calloc(MANY, sizeof *kills);
    struct build_op ops[KILLERS];
    struct build_delta d = delta(replicas, MANY, ops, KILLERS);
    crdt_buf buf = CRDT_BUF_INIT;
    crdt_doc *doc = fuzz_doc_new(FUZZ_SELF);
    crdt_stats stats;
    uint32_t i;
    for (i = 0; i < MANY; i++) {
        replicas[i].id = build_id(i + 1);
        replicas[i].top = 10;
        kills[i].replica = i;
        kills[i].a = 5;
    }
    for (i = 0; i < KILLERS; i++)
        ops[i] = killer(op(i, 9, 0, CRDTI_REMOVE), kills, MANY);
    build_frame(&d, &buf);
    CHECK_ERR(crdt_join(doc, crdt_buf_bytes(&buf)), CRDT_OK);
    crdt_doc_stats(doc, &stats);
    CHECK_INT(stats.kills, MANY);
    CHECK_INT(stats.removals, 1);
    crdt_doc_free(doc);
    crdt_buf_free(&buf);
    free(replicas);
    free(kills);
}

/* The map "k" of both tests below, with a value by replica 1 at "k" in it. */
static const struct build_object map_k[2] = {
    { 0, CRDT_MAP, { (const uint8_t *)"k", 1 } },
    { 1, CRDT_MAP, { (const uint8_t *)"k", 1 } },
};

static crdt_doc *with_value_below(void)
{
    struct build_replica r = all(4, 1);
    struct build_op o = op(0, 1, 1, CRDTI_VALUE);
    struct build_delta d = delta(&r, 1, &o, 1);
    crdt_doc *doc = fuzz_doc_new(FUZZ_SELF);
    d.objects = map_k;
    d.objects_len = 1;
    CHECK_ERR(join(doc, &d), CRDT_OK);
    return doc;
}

/* Two replicas remove the same thing at once, one of them from above: the
 * entry must not go before the second has noted its kill there. Honest. */
TEST(a_removal_below_a_removal)
{
    struct build_pair kill = { 2, 1, 0 };
    struct build_replica replicas[3];
    struct build_op ops[2];
    struct build_delta d = delta(replicas, 3, ops, COUNT(ops));
    crdt_doc *doc = with_value_below();
    crdt_stats stats;
    replicas[0] = all(1, 1);
    replicas[1] = all(2, 1);
    replicas[2] = all(4, 1);
    replicas[2].base = 1;
    d.flags = 0;
    d.objects = map_k;
    d.objects_len = 1;
    ops[0] = killer(op(0, 1, 0, CRDTI_REMOVE), &kill, 1);
    ops[1] = killer(op(1, 1, 1, CRDTI_REMOVE), &kill, 1);
    CHECK_ERR(join(doc, &d), CRDT_OK);
    crdt_doc_stats(doc, &stats);
    CHECK_INT(stats.removals, 2);
    CHECK_INT(stats.kills, 2);
    crdt_doc_free(doc);
}

/* A removal whose kills are all known already leaves no record; meanwhile its
 * entry may have been let go by a killer above. Honest. */
TEST(a_removal_that_comes_too_late_below_a_removal)
{
    struct build_pair kill = { 0, 1, 0 },
                      both[2] = { { 2, 1, 0 }, { 3, 1, 0 } };
    struct build_replica replicas[4], late = all(5, 1);
    struct build_op first, ops[2];
    struct build_delta d = delta(replicas, 4, ops, COUNT(ops)), before;
    crdt_doc *doc = with_value_below();
    struct build_replica two[2];
    crdt_stats stats;
    d.flags = 0;
    d.objects = map_k;
    d.objects_len = 1;
    /* Replica 5 overwrites the value of 4. */
    two[0] = all(4, 1);
    two[0].base = 1;
    two[1] = late;
    first = killer(op(1, 1, 1, CRDTI_VALUE), &kill, 1);
    before = d;
    before.replicas = two;
    before.replicas_len = 2;
    before.ops = &first;
    before.ops_len = 1;
    CHECK_ERR(join(doc, &before), CRDT_OK);
    /* 2 removes the value of 4; 1 removes the map with what 5 wrote. */
    replicas[0] = all(1, 1);
    replicas[1] = all(2, 1);
    replicas[2] = two[0];
    replicas[3] = late;
    replicas[3].base = 1;
    ops[0] = killer(op(0, 1, 0, CRDTI_REMOVE), both, 2);
    ops[1] = killer(op(1, 1, 1, CRDTI_REMOVE), both, 1);
    CHECK_ERR(join(doc, &d), CRDT_OK);
    crdt_doc_stats(doc, &stats);
    CHECK_INT(stats.ops, 0);
    CHECK_INT(stats.removals, 1);
    CHECK_INT(stats.kills, 2);
    crdt_doc_free(doc);
}

/* b.1 says it killed a.9, and a.2 says it killed b.1, and so that it knew of
 * a.9: a record that no delta could tell. */
TEST(an_heir_gets_no_record_of_its_own_future)
{
    struct build_pair by_a = { 1, 1, 0 }, by_b = { 0, 9, 0 };
    struct build_replica replicas[2];
    struct build_op ops[2];
    struct build_delta d = delta(replicas, 2, ops, COUNT(ops));
    int below;
    d.objects = map_k;
    for (below = 0; below < 2; below++) {
        replicas[0] = all(1, 9);
        replicas[1] = all(2, 1);
        ops[0] = killer(op(0, 2, 0, CRDTI_VALUE), &by_a, 1);
        ops[1] = killer(op(1, 1, (uint32_t)below, CRDTI_VALUE), &by_b, 1);
        d.objects_len = (size_t)below;
        CHECK_ERR(join_empty(&d), CRDT_OK);
    }
}

/* A killer takes over, for its wider scope, a record that is true only of the
 * narrower one of its victim. */
TEST(an_heir_gets_no_record_that_is_not_true)
{
    struct build_pair narrow = { 2, 3, 0 }, wide = { 1, 1, 0 };
    struct build_pair again = { 0, 1, 0 };
    struct build_replica replicas[4];
    struct build_op ops[5];
    struct build_delta d = delta(replicas, 4, ops, COUNT(ops));
    d.objects = map_k;
    d.objects_len = 1;
    replicas[0] = all(1, 1);
    replicas[1] = all(2, 1);
    replicas[2] = all(4, 3);
    replicas[3] = all(5, 1);
    ops[0] = killer(op(0, 1, 0, CRDTI_VALUE), &wide, 1);
    ops[1] = killer(op(1, 1, 1, CRDTI_VALUE), &narrow, 1);
    ops[2] = op(2, 2, 0, CRDTI_VALUE); /* alive beside ops[0] */
    ops[3] = op(2, 3, 1, CRDTI_VALUE); /* killed by ops[1] */
    /* An heir of the heir. */
    ops[4] = killer(op(3, 1, 0, CRDTI_VALUE), &again, 1);
    CHECK_ERR(join_empty(&d), CRDT_OK);
    d.ops_len = 4;
    CHECK_ERR(join_empty(&d), CRDT_OK);
}

/* >>counters -------------------------------------------------------------- */

/* One replica's ADDs stand for each other: only the last counts, whatever is
 * killed later. */
TEST(two_additions_of_one_replica)
{
    struct build_pair kill = { 0, 2, 0 };
    struct build_replica r = all(1, 2);
    struct build_object object = { 0, CRDT_COUNTER, { NULL, 0 } };
    struct build_op ops[2];
    struct build_delta d = delta(&r, 1, ops, 2);
    crdt_doc *doc = fuzz_doc_new(FUZZ_SELF);
    crdt_obj counter;
    int64_t value = 0;
    crdt_stats stats;
    d.objects = &object;
    d.objects_len = 1;
    ops[0] = op(0, 1, 1, CRDTI_ADD);
    ops[0].plus = 5;
    ops[1] = op(0, 2, 1, CRDTI_ADD);
    ops[1].plus = 7;
    CHECK_ERR(join(doc, &d), CRDT_OK);
    crdt_doc_stats(doc, &stats);
    CHECK_INT(stats.ops, 1);
    counter = crdt_map_find(crdt_root(doc), crdt_str(""), CRDT_COUNTER);
    CHECK_ERR(crdt_counter_get(counter, &value), CRDT_OK);
    CHECK_INT(value, 7);
    r.base = 2;
    r.top = 3;
    d.flags = 0;
    d.ops_len = 1;
    ops[0] = killer(op(0, 3, 1, CRDTI_REMOVE), &kill, 1);
    ops[0].key = crdt_str("");
    CHECK_ERR(join(doc, &d), CRDT_OK);
    CHECK_ERR(crdt_counter_get(counter, &value), CRDT_OK);
    CHECK_INT(value, 0);
    crdt_doc_free(doc);
}

TEST(an_addition_kills_only_those_of_its_replica)
{
    struct build_pair kill = { 1, 1, 0 };
    struct build_replica replicas[2];
    struct build_object object = { 0, CRDT_COUNTER, { NULL, 0 } };
    struct build_op o = killer(op(0, 2, 1, CRDTI_ADD), &kill, 1);
    struct build_delta d = delta(replicas, 2, &o, 1);
    replicas[0] = all(1, 2);
    replicas[1] = all(2, 2);
    d.objects = &object;
    d.objects_len = 1;
    CHECK_ERR(join_empty(&d), CRDT_ERR_CORRUPT);
    kill.replica = 0;
    CHECK_ERR(join_empty(&d), CRDT_OK);
}

/* More is void than was ever added; then the counter is used on. */
TEST(a_reset_with_absurd_voids)
{
    struct build_pair voids[2] = { { 0, INT64_MAX, 3 }, { 1, 0, INT64_MAX } };
    struct build_replica replicas[2];
    struct build_object object = { 0, CRDT_COUNTER, { NULL, 0 } };
    struct build_op ops[3];
    struct build_delta d = delta(replicas, 2, ops, 3);
    crdt_doc *doc = fuzz_doc_new(FUZZ_SELF);
    crdt_obj counter;
    int64_t value = 1;
    replicas[0] = all(1, 2);
    replicas[1] = all(2, 1);
    d.objects = &object;
    d.objects_len = 1;
    ops[0] = op(0, 1, 1, CRDTI_ADD);
    ops[0].plus = 5;
    ops[1] = op(0, 2, 1, CRDTI_RESET);
    ops[1].voids = voids;
    ops[1].voids_len = 2;
    ops[2] = op(1, 1, 1, CRDTI_ADD);
    ops[2].minus = 9;
    CHECK_ERR(join(doc, &d), CRDT_OK);
    counter = crdt_map_counter(crdt_root(doc), crdt_str(""));
    CHECK_ERR(crdt_counter_get(counter, &value), CRDT_OK);
    CHECK_INT(value, 0);
    CHECK_ERR(crdt_counter_add(counter, -4), CRDT_OK);
    CHECK_ERR(crdt_counter_get(counter, &value), CRDT_OK);
    CHECK_INT(value, -4);
    CHECK_ERR(crdt_counter_reset(counter), CRDT_OK);
    crdt_commit(doc);
    fuzz_sound(doc);
    fuzz_reproduces(doc);
    voids[1].replica = 0;
    CHECK_ERR(join_empty(&d), CRDT_ERR_CORRUPT);
    ops[1].voids_len = 0;
    CHECK_ERR(join_empty(&d), CRDT_ERR_CORRUPT);
    ops[1].voids_len = 1;
    voids[0].replica = 2;
    CHECK_ERR(join_empty(&d), CRDT_ERR_CORRUPT);
    crdt_doc_free(doc);
}

/* A later reset that voids less than the one it kills: what counts is what is
 * alive, not what once was. */
TEST(a_reset_that_takes_a_reset_back)
{
    struct build_pair voids = { 0, 10, 0 }, kill = { 1, 1, 0 };
    struct build_replica replicas[3];
    struct build_object object = { 0, CRDT_COUNTER, { NULL, 0 } };
    struct build_op ops[2];
    struct build_delta d = delta(replicas, 2, ops, 2);
    crdt_doc *doc = fuzz_doc_new(FUZZ_SELF);
    crdt_obj counter;
    int64_t value = 1;
    replicas[0] = all(1, 1);
    replicas[1] = all(2, 1);
    replicas[2] = all(4, 1);
    d.objects = &object;
    d.objects_len = 1;
    ops[0] = op(0, 1, 1, CRDTI_ADD);
    ops[0].plus = 10;
    ops[1] = op(1, 1, 1, CRDTI_RESET);
    ops[1].voids = &voids;
    ops[1].voids_len = 1;
    CHECK_ERR(join(doc, &d), CRDT_OK);
    counter = crdt_map_counter(crdt_root(doc), crdt_str(""));
    CHECK_ERR(crdt_counter_get(counter, &value), CRDT_OK);
    CHECK_INT(value, 0);
    crdt_commit(doc);
    d.replicas_len = 3;
    d.flags = 0;
    replicas[0].base = replicas[1].base = 1;
    d.ops_len = 1;
    voids.a = 3;
    ops[0] = killer(op(2, 1, 1, CRDTI_RESET), &kill, 1);
    ops[0].voids = &voids;
    ops[0].voids_len = 1;
    CHECK_ERR(join(doc, &d), CRDT_OK);
    CHECK_ERR(crdt_counter_get(counter, &value), CRDT_OK);
    CHECK_INT(value, 7);
    fuzz_sound(doc);
    crdt_doc_free(doc);
}

/* One reset that kills those of 40,000 replicas: one recount, not 40,000. */
TEST(a_reset_of_many_resets)
{
    enum { MANY = 40000 };
    struct build_pair voids = { 0, 1, 0 };
    struct build_pair *kills =
        (struct build_pair *)calloc(MANY, sizeof *kills);
    struct build_replica *replicas =
        (struct build_replica *)calloc(MANY + 1, sizeof *replicas);
    struct build_op *ops = (struct build_op *)calloc(MANY, sizeof *ops);
    struct build_object object = { 0, CRDT_COUNTER, { NULL, 0 } };
    struct build_delta d = delta(replicas, MANY, ops, MANY);
    crdt_buf first = CRDT_BUF_INIT, second = CRDT_BUF_INIT;
    crdt_doc *doc = fuzz_doc_new(FUZZ_SELF);
    crdt_stats stats;
    clock_t begin;
    uint32_t i;
    d.objects = &object;
    d.objects_len = 1;
    for (i = 0; i < MANY; i++) {
        replicas[i].id = build_id(i + 1);
        replicas[i].top = 1;
        kills[i].replica = i;
        kills[i].a = 1;
        ops[i] = op(i, 1, 1, CRDTI_RESET);
        ops[i].voids = &voids;
        ops[i].voids_len = 1;
    }
    build_frame(&d, &first);
    CHECK_ERR(crdt_join(doc, crdt_buf_bytes(&first)), CRDT_OK);
    for (i = 0; i < MANY; i++)
        replicas[i].base = 1;
    replicas[MANY].id = build_id(MANY + 1);
    replicas[MANY].top = 1;
    d.replicas_len = MANY + 1;
    d.flags = 0;
    d.ops_len = 1;
    ops[0] = killer(op(MANY, 1, 1, CRDTI_RESET), kills, MANY);
    ops[0].voids = &voids;
    ops[0].voids_len = 1;
    build_frame(&d, &second);
    begin = clock();
    CHECK_ERR(crdt_join(doc, crdt_buf_bytes(&second)), CRDT_OK);
    CHECK(clock() - begin < CLOCKS_PER_SEC);
    crdt_doc_stats(doc, &stats);
    CHECK_INT(stats.ops, 1);
    crdt_doc_free(doc);
    crdt_buf_free(&first);
    crdt_buf_free(&second);
    free(replicas);
    free(kills);
    free(ops);
}

/* In a counter there are additions and resets, and nothing else to remove. */
TEST(a_removal_in_a_counter_names_one_of_its_two_lists)
{
    struct build_pair kill = { 0, 1, 0 };
    struct build_op o = killer(op(0, 3, 1, CRDTI_REMOVE), &kill, 1);
    o.key = crdt_str("");
    CHECK_ERR(join_counter(o), CRDT_OK);
    o.key = CRDT_STR("r");
    CHECK_ERR(join_counter(o), CRDT_OK);
    o.key = CRDT_STR("x");
    CHECK_ERR(join_counter(o), CRDT_ERR_CORRUPT);
}

/* Many resets cost what they are, not their square. */
TEST(many_resets_of_one_counter)
{
    enum { MANY = 20000 };
    struct build_pair voids = { 0, 1, 0 };
    struct build_replica r = all(1, MANY);
    struct build_object object = { 0, CRDT_COUNTER, { NULL, 0 } };
    struct build_op *ops = (struct build_op *)calloc(MANY, sizeof *ops);
    struct build_delta d = delta(&r, 1, ops, MANY);
    crdt_buf buf = CRDT_BUF_INIT;
    crdt_doc *doc = fuzz_doc_new(FUZZ_SELF);
    size_t i;
    d.objects = &object;
    d.objects_len = 1;
    for (i = 0; i < MANY; i++) {
        ops[i] = op(0, i + 1, 1, CRDTI_RESET);
        ops[i].voids = &voids;
        ops[i].voids_len = 1;
    }
    build_frame(&d, &buf);
    CHECK_ERR(crdt_join(doc, crdt_buf_bytes(&buf)), CRDT_OK);
    crdt_doc_free(doc);
    crdt_buf_free(&buf);
    free(ops);
}

/* >>objects --------------------------------------------------------------- */

TEST(a_create_without_its_container)
{
    struct build_op o = op(0, 1, 0, CRDTI_CREATE);
    int type;
    for (type = CRDT_MAP; type <= CRDT_COUNTER; type++) {
        o.form = (uint8_t)type;
        CHECK_ERR(join_one(o), CRDT_OK);
    }
    o.form = CRDT_NONE;
    CHECK_ERR(join_one(o), CRDT_ERR_CORRUPT);
    o.form = CRDT_TYPE_COUNT;
    CHECK_ERR(join_one(o), CRDT_ERR_VERSION);
}

/* Told twice, told for nothing, in what is no map, below what comes later. */
TEST(objects_that_make_no_sense)
{
    struct build_object objects[3] = { { 0, CRDT_MAP, { NULL, 0 } },
                                       { 0, CRDT_MAP, { NULL, 0 } },
                                       { 1, CRDT_COUNTER, { NULL, 0 } } };
    struct build_replica r = all(1, 2);
    struct build_op ops[2];
    struct build_delta d = delta(&r, 1, ops, 2);
    ops[0] = op(0, 1, 1, CRDTI_VALUE);
    ops[1] = op(0, 2, 2, CRDTI_VALUE);
    d.objects = objects;
    d.objects_len = 3;
    CHECK_ERR(join_empty(&d), CRDT_OK);
    objects[2].parent = 3;
    CHECK_ERR(join_empty(&d), CRDT_ERR_CORRUPT);
    objects[2].parent = 1;
    objects[1].parent = 2;
    CHECK_ERR(join_empty(&d), CRDT_ERR_CORRUPT);
    objects[1].parent = 0;
    objects[0].type = CRDT_COUNTER;
    CHECK_ERR(join_empty(&d), CRDT_ERR_CORRUPT);
    objects[0].type = CRDT_TYPE_COUNT;
    CHECK_ERR(join_empty(&d), CRDT_ERR_VERSION);
    objects[0].type = CRDT_NONE;
    CHECK_ERR(join_empty(&d), CRDT_ERR_CORRUPT);
}

TEST(ops_where_they_cannot_be)
{
    static const uint8_t bad[][2] = {
        { CRDT_MAP, CRDTI_ADD },         { CRDT_MAP, CRDTI_RESET },
        { CRDT_REGISTER, CRDTI_CREATE }, { CRDT_REGISTER, CRDTI_ADD },
        { CRDT_COUNTER, CRDTI_VALUE },   { CRDT_COUNTER, CRDTI_CREATE },
        { CRDT_MAP, CRDTI_REMOVE },      { CRDT_MAP, 0 },
    };
    struct build_object object = { 0, CRDT_MAP, { NULL, 0 } };
    struct build_replica r = all(1, 1);
    struct build_op o = op(0, 1, 1, CRDTI_VALUE);
    struct build_delta d = delta(&r, 1, &o, 1);
    size_t i;
    d.objects = &object;
    d.objects_len = 1;
    for (i = 0; i < COUNT(bad); i++) {
        object.type = bad[i][0];
        o.kind = bad[i][1];
        CHECK_ERR(join_empty(&d), CRDT_ERR_CORRUPT);
    }
    o.kind = CRDTI_KIND_COUNT;
    CHECK_ERR(join_empty(&d), CRDT_ERR_VERSION);
    o.kind = CRDTI_VALUE;
    object.type = CRDT_MAP;
    o.object = 2;
    CHECK_ERR(join_empty(&d), CRDT_ERR_CORRUPT);
    o.object = 1;
    o.replica = 1;
    CHECK_ERR(join_empty(&d), CRDT_ERR_CORRUPT);
}

/* >>forks ----------------------------------------------------------------- */

TEST(one_dot_with_two_contents)
{
    struct build_replica r = all(1, 1);
    struct build_op o = op(0, 1, 0, CRDTI_VALUE);
    struct build_delta d = delta(&r, 1, &o, 1);
    crdt_doc *doc = fuzz_doc_new(FUZZ_SELF);
    struct build_replica own = all(FUZZ_SELF, 1);
    o.form = CRDT_INT;
    CHECK_ERR(join(doc, &d), CRDT_OK);
    o.integer = 1;
    CHECK_ERR(join(doc, &d), CRDT_OK); /* nothing new: not looked at */
    r.top = 2;
    CHECK_ERR(join(doc, &d), CRDT_ERR_FORK);
    o.integer = 0;
    CHECK_ERR(join(doc, &d), CRDT_OK);
    d.replicas = &own;
    CHECK_ERR(join(doc, &d), CRDT_ERR_FORK);
    crdt_doc_free(doc);
}

TEST_MAIN(CASE(replicas_up_to_the_limit), CASE(keys_up_to_the_limit),
          CASE(values_up_to_the_limit), CASE(depth_up_to_the_limit),
          CASE(seqs_up_to_the_limit), CASE(stamps_up_to_the_limit),
          CASE(skew_is_told_and_nothing_else), CASE(totals_up_to_the_limit),
          CASE(counts_are_checked_before_memory_is_taken),
          CASE(a_live_op_that_another_kills_at_once),
          CASE(kills_reach_only_what_can_have_been_seen),
          CASE(the_same_replica_twice_among_the_kills),
          CASE(kills_of_many_replicas), CASE(a_removal_below_a_removal),
          CASE(a_removal_that_comes_too_late_below_a_removal),
          CASE(an_heir_gets_no_record_of_its_own_future),
          CASE(an_heir_gets_no_record_that_is_not_true),
          CASE(two_additions_of_one_replica),
          CASE(an_addition_kills_only_those_of_its_replica),
          CASE(a_reset_with_absurd_voids),
          CASE(a_reset_that_takes_a_reset_back), CASE(a_reset_of_many_resets),
          CASE(a_removal_in_a_counter_names_one_of_its_two_lists),
          CASE(many_resets_of_one_counter),
          CASE(a_create_without_its_container),
          CASE(objects_that_make_no_sense), CASE(ops_where_they_cannot_be),
          CASE(one_dot_with_two_contents))
