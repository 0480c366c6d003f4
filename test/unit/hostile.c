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

static struct build_delta delta(struct build_replica *replicas,
                                size_t replicas_len, struct build_op *ops,
                                size_t ops_len)
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

/* A replica is named once, in whatever order they come. */
TEST(the_same_replica_twice_among_the_kills)
{
    struct build_pair kills[3] = { { 0, 3, 0 }, { 0, 1, 0 }, { 1, 1, 0 } };
    struct build_replica replicas[2];
    struct build_op ops[4];
    struct build_delta d = delta(replicas, 2, ops, COUNT(ops));
    replicas[0] = all(1, 3);
    replicas[1] = all(2, 3);
    ops[0] = op(0, 1, 0, CRDTI_VALUE);
    ops[1] = op(0, 3, 0, CRDTI_VALUE);
    ops[2] = killer(op(1, 2, 0, CRDTI_REMOVE), kills, 2);
    ops[3] = killer(op(1, 3, 0, CRDTI_REMOVE), kills + 1, 2);
    CHECK_ERR(join_empty(&d), CRDT_ERR_CORRUPT);
    kills[1].a = 3;
    CHECK_ERR(join_empty(&d), CRDT_ERR_CORRUPT);
    kills[0] = kills[2]; /* 2 then 1 in one, 1 then 2 in the other */
    CHECK_ERR(join_empty(&d), CRDT_OK);
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

/* >>types ----------------------------------------------------------------- */

/* What docs/wire-format.md says may be in each type; of texts and lists see
 * hostile_list.c, and test/fuzz. */
static const char *const kinds_of[CRDT_TEXT] = {
    "",   "125", "15", "345", "345", "35",  "15", "15",
    "56", "567", "56", "567", "56",  "567", "15", "15",
};

static const crdt_type sets[] = { CRDT_AW_SET, CRDT_RW_SET,  CRDT_GSET,
                                  CRDT_2PSET,  CRDT_LWW_SET, CRDT_LWW_SET_RM };

static int is_set(crdt_type type)
{
    return type >= CRDT_AW_SET && type <= CRDT_LWW_SET_RM;
}

/* The kind of op that adds to a set. */
static int kind_of_add(crdt_type set)
{
    return strchr(kinds_of[set], '6') ? CRDTI_IN : CRDTI_VALUE;
}

/* An op with a key that the type may have, and something to kill. */
static struct build_op typed(crdt_type type, int kind)
{
    static const struct build_pair pair = { 0, 1, 0 };
    struct build_op o = op(0, 2, 1, kind);
    o.form = kind == CRDTI_VALUE ? CRDT_BOOL : o.form;
    o.voids = o.kills = &pair;
    o.voids_len = 1;
    o.kills_len = kind == CRDTI_REMOVE;
    if (type != CRDT_MAP)
        o.key = is_set(type) ? CRDT_STR("\x51\x05") : CRDT_STR("");
    return o;
}

/* The op in an object of that type, into a document of all types: from a
 * replica that has done nothing there. */
static crdt_err join_typed(int type, struct build_op o)
{
    struct build_replica r = all(FUZZ_OTHERS, 3);
    struct build_object object = { 0, 0, { (const uint8_t *)"c", 1 } };
    struct build_delta d = delta(&r, 1, &o, 1);
    crdt_doc *doc = fuzz_doc();
    crdt_err err;
    object.type = (uint8_t)type;
    d.objects = &object;
    d.objects_len = 1;
    err = join(doc, &d);
    crdt_doc_free(doc);
    return err;
}

TEST(each_type_takes_its_kinds_of_ops_and_no_other)
{
    int type, kind;
    for (type = CRDT_MAP; type < CRDT_TEXT; type++)
        for (kind = 0; kind < 128; kind++) {
            crdt_err want = kind >= CRDTI_KIND_COUNT ? CRDT_ERR_VERSION
                            : kind && strchr(kinds_of[type], '0' + kind)
                                ? CRDT_OK
                                : CRDT_ERR_CORRUPT;
            crdt_err err = join_typed(type, typed((crdt_type)type, kind));
            if (err != want)
                printf("kind %d in a %s: ", kind,
                       crdt_type_name((crdt_type)type));
            CHECK_STR(crdt_err_name(err), crdt_err_name(want));
        }
}

TEST(types_that_there_are_not)
{
    struct build_op create = op(0, 2, 0, CRDTI_CREATE);
    int type;
    CHECK_ERR(join_typed(CRDT_NONE, typed(CRDT_MAP, CRDTI_VALUE)),
              CRDT_ERR_CORRUPT);
    create.form = CRDT_NONE;
    CHECK_ERR(join_typed(CRDT_MAP, create), CRDT_ERR_CORRUPT);
    for (type = CRDT_TYPE_COUNT; type < 256; type++) {
        CHECK_ERR(join_typed(type, typed(CRDT_MAP, CRDTI_VALUE)),
                  CRDT_ERR_VERSION);
        create.form = (uint8_t)type;
        CHECK_ERR(join_typed(CRDT_MAP, create), CRDT_ERR_VERSION);
    }
}

/* Only maps have anything below them. */
TEST(containers_in_what_is_no_map)
{
    struct build_object objects[2] = { { 0, 0, { NULL, 0 } },
                                       { 1, CRDT_AW_SET, { NULL, 0 } } };
    struct build_replica r = all(1, 1);
    struct build_delta d = delta(&r, 1, NULL, 0);
    int type;
    d.objects = objects;
    d.objects_len = 2;
    for (type = CRDT_MAP; type < CRDT_TYPE_COUNT; type++) {
        objects[0].type = (uint8_t)type;
        CHECK(join_empty(&d) ==
              (type == CRDT_MAP ? CRDT_OK : CRDT_ERR_CORRUPT));
    }
}

/* A newer version may say more with it. */
TEST(an_in_or_out_has_no_content_yet)
{
    int type, kind, content;
    for (type = CRDT_EW_FLAG; type <= CRDT_2PSET; type++)
        for (kind = CRDTI_IN; kind <= CRDTI_OUT; kind++)
            for (content = 1; content < 256; content += 127) {
                struct build_op o = typed((crdt_type)type, kind);
                o.form = (uint8_t)content;
                if (strchr(kinds_of[type], '0' + kind))
                    CHECK_ERR(join_typed(type, o), CRDT_ERR_VERSION);
            }
}

/* In or out is all that there is to say. */
TEST(values_in_lww_sets_are_bools)
{
    struct build_op o = typed(CRDT_LWW_SET, CRDTI_VALUE);
    int type, form;
    for (type = CRDT_LWW_SET; type <= CRDT_LWW_SET_RM; type++)
        for (form = CRDT_NULL; form < 256; form++) {
            crdt_err want = form == CRDT_BOOL    ? CRDT_OK
                            : form < CRDT_OBJECT ? CRDT_ERR_CORRUPT
                                                 : CRDT_ERR_VERSION;
            o.form = (uint8_t)form;
            CHECK_STR(crdt_err_name(join_typed(type, o)), crdt_err_name(want));
        }
}

static crdt_err join_key_of(crdt_type type, int kind, crdt_bytes key)
{
    struct build_op o = typed(type, kind);
    o.key = key;
    return join_typed((int)type, o);
}

/* A flag has one entry, and a bounded counter names owners. */
TEST(keys_that_a_type_cannot_have)
{
    static const uint8_t key[CRDTSYNC_MAX_KEY + 1];
    static const crdt_type types[] = { CRDT_EW_FLAG, CRDT_DW_FLAG,
                                       CRDT_BOUNDED };
    size_t i, len;
    for (i = 0; i < COUNT(types); i++)
        for (len = 0; len <= sizeof key; len += len < 18 ? 1 : 503) {
            crdt_bytes bytes = crdt_bytes_of(key, len);
            int live = types[i] == CRDT_BOUNDED ? CRDTI_ADD : CRDTI_IN;
            int may = !len || (live == CRDTI_ADD && len == 16);
            crdt_err want = len > CRDTSYNC_MAX_KEY ? CRDT_ERR_LIMIT
                            : may                  ? CRDT_OK
                                                   : CRDT_ERR_CORRUPT;
            CHECK(join_key_of(types[i], live, bytes) == want);
            CHECK(join_key_of(types[i], CRDTI_REMOVE, bytes) == want);
        }
}

/* >>elements -------------------------------------------------------------- */

/* clang-format off */
#define KEY(literal) { (const uint8_t *)(literal), sizeof(literal) - 1 }

static const crdt_bytes elements[] = {
    KEY("\0"), KEY("\x20"), KEY("\x21"),            /* null, false, true */
    KEY("\x50"), KEY("\x51\1"), KEY("\x51\xff"),    /* 0, 1, 255 */
    KEY("\x52\1\0"), KEY("\x57\1\0\0\0\0\0\0"),     /* 256, 2^48 */
    KEY("\x58\x7f\xff\xff\xff\xff\xff\xff\xff"),    /* the greatest int */
    KEY("\x4f\xff"), KEY("\x4f\0"),                 /* -1, -256 */
    KEY("\x4e\xfe\xff"),                            /* -257 */
    KEY("\x48\x80\0\0\0\0\0\0\0"),                  /* the least int */
    KEY("\x60\x80\0\0\0\0\0\0\0"),                  /* 0.0 */
    KEY("\x60\x80\0\0\0\0\0\0\1"),                  /* the next one */
    KEY("\x60\xff\xf0\0\0\0\0\0\0"),                /* infinity */
    KEY("\x60\0\x0f\xff\xff\xff\xff\xff\xff"),      /* -infinity */
    KEY("\x60\xff\xf8\0\0\0\0\0\0"),                /* NaN */
    KEY("\x80"), KEY("\x80\0"), KEY("\x80\xff"),    /* strings */
    KEY("\xa0"), KEY("\xa0\0\0"),                   /* bytes */
    KEY("\xd0"), KEY("\xd1\1"), KEY("\xcf\xff"),    /* times */
};

static const crdt_bytes no_elements[] = {
    KEY(""),
    KEY("\1"), KEY("\x1f"), KEY("\0\0"),            /* more than null */
    KEY("\x22"), KEY("\x3f"), KEY("\x20\0"), KEY("\x21\1"),
    KEY("\x51"), KEY("\x52\1"), KEY("\x58"),        /* too short */
    KEY("\x4f"), KEY("\x4e\xfe"), KEY("\x60"), KEY("\x60\x80\0\0\0\0\0\0"),
    KEY("\x50\0"), KEY("\x51\1\0"), KEY("\x4f\xff\xff"), /* too long */
    KEY("\x58\1\0\0\0\0\0\0\0\0"), KEY("\x60\x80\0\0\0\0\0\0\0\0"),
    KEY("\x51\0"), KEY("\x52\0\1"), KEY("\x52\0\xff"),   /* zeros ahead */
    KEY("\x58\0\1\0\0\0\0\0\0"),
    KEY("\x4e\xff\xff"), KEY("\x4e\xff\0"),         /* ones ahead */
    KEY("\x48\xff\xff\xff\xff\xff\xff\xff\xff"),
    KEY("\x58\x80\0\0\0\0\0\0\0"),                  /* 2^63 */
    KEY("\x48\x7f\xff\xff\xff\xff\xff\xff\xff"),    /* -2^63 - 1 */
    KEY("\x59\1\0\0\0\0\0\0\0\0"), KEY("\x47\xfe\0\0\0\0\0\0\0\0"),
    KEY("\x40"), KEY("\x5f"),
    KEY("\x60\x7f\xff\xff\xff\xff\xff\xff\xff"),    /* -0.0 */
    KEY("\x60\xff\xf8\0\0\0\0\0\1"),                /* other NaNs */
    KEY("\x60\xff\xf0\0\0\0\0\0\1"),                /* and one more */
    KEY("\x60\xff\xff\xff\xff\xff\xff\xff\xff"),    /* and one more */
    KEY("\x60\0\7\xff\xff\xff\xff\xff\xff"), KEY("\x60\0\0\0\0\0\0\0\0"),
    KEY("\x61\x80\0\0\0\0\0\0\0"), KEY("\x68\x80\0\0\0\0\0\0\0"),
    KEY("\x81"), KEY("\x9f" "a"), KEY("\xa1"), KEY("\xbf" "a"),
    KEY("\xd1"), KEY("\xd1\0"), KEY("\xc0"), KEY("\xdf"), KEY("\xce\xff\xff"),
    KEY("\xe0"), KEY("\xe1\0"), KEY("\xff"),        /* no kind */
};
/* clang-format on */

/* Else one element could be in a set twice. */
TEST(an_element_has_one_key)
{
    size_t i, k;
    for (i = 0; i < COUNT(sets); i++) {
        int add = kind_of_add(sets[i]);
        for (k = 0; k < COUNT(elements); k++) {
            CHECK_ERR(join_key_of(sets[i], add, elements[k]), CRDT_OK);
            CHECK_ERR(join_key_of(sets[i], CRDTI_REMOVE, elements[k]),
                      CRDT_OK);
        }
        for (k = 0; k < COUNT(no_elements); k++) {
            crdt_err err = join_key_of(sets[i], add, no_elements[k]);
            if (err != CRDT_ERR_CORRUPT)
                printf("no_elements[%d]: ", (int)k);
            CHECK_ERR(err, CRDT_ERR_CORRUPT);
            CHECK_ERR(join_key_of(sets[i], CRDTI_REMOVE, no_elements[k]),
                      CRDT_ERR_CORRUPT);
        }
    }
}

/* Every key of one byte and of two: of those that are elements, each is
 * another one, and all lie in the order of their bytes. */
TEST(short_keys_are_in_the_order_of_their_elements)
{
    uint8_t bytes[2];
    crdt_value value, before = crdt_null();
    unsigned first, second;
    int ones = 0, twos = 0;
    for (first = 0; first < 256; first++)
        for (second = 0; second <= 256; second++) {
            crdt_bytes key = crdt_bytes_of(bytes, 1 + (second > 0));
            bytes[0] = (uint8_t)first;
            bytes[1] = (uint8_t)(second - 1);
            if (!crdti_element_is_key(key))
                continue;
            ones += key.len == 1;
            twos += key.len == 2;
            value = crdti_element_decode(key);
            CHECK(ones + twos == 1 || crdti_value_order(&before, &value) < 0);
            before = value;
            if (value.kind == CRDT_STRING || value.kind == CRDT_BYTES)
                before.as.bytes.len = 0; /* the bytes change under it */
        }
    CHECK_INT(ones, 7);
    CHECK_INT(twos, 2 * (255 + 256) + 2 * 256);
}

TEST(elements_up_to_the_limit)
{
    static uint8_t key[CRDTSYNC_MAX_KEY + 1];
    size_t i;
    key[0] = CRDT_STRING << 5;
    for (i = 0; i < COUNT(sets); i++) {
        int add = kind_of_add(sets[i]);
        crdt_bytes bytes = crdt_bytes_of(key, CRDTSYNC_MAX_KEY);
        CHECK_ERR(join_key_of(sets[i], add, bytes), CRDT_OK);
        bytes.len++;
        CHECK_ERR(join_key_of(sets[i], add, bytes), CRDT_ERR_LIMIT);
    }
}

/* >>rows ------------------------------------------------------------------ */

enum { ROWS = 40 };
static const struct build_object set_c[2] = {
    { 0, CRDT_AW_SET, { (const uint8_t *)"c", 1 } },
    { 0, CRDT_AW_SET, { (const uint8_t *)"c", 1 } },
};

/* The int n from 1 to 255 as an element. */
static crdt_bytes element(int n)
{
    static uint8_t keys[256][2];
    keys[n][0] = 0x51;
    keys[n][1] = (uint8_t)n;
    return crdt_bytes_of(keys[n], 2);
}

static struct build_op in(uint32_t replica, uint64_t seq, int n)
{
    struct build_op o = op(replica, seq, 1, CRDTI_IN);
    o.key = element(n);
    return o;
}

/* A set in which replica 1 has added 1 to ROWS. */
static crdt_doc *with_rows(void)
{
    struct build_replica r = all(1, ROWS);
    struct build_op ops[ROWS];
    struct build_delta d = delta(&r, 1, ops, ROWS);
    crdt_doc *doc = fuzz_doc_new(FUZZ_SELF);
    int i;
    for (i = 0; i < ROWS; i++)
        ops[i] = in(0, (uint64_t)i + 1, i + 1);
    d.objects = set_c;
    d.objects_len = 1;
    CHECK_ERR(join(doc, &d), CRDT_OK);
    return doc;
}

static int size_of_c(crdt_doc *doc)
{
    return (int)crdt_set_size(
        crdt_map_find(crdt_root(doc), CRDT_STR("c"), CRDT_AW_SET));
}

/* What is left of the rows when replica 2 does this. */
static crdt_err join_killer(struct build_op o, uint64_t last, int *left)
{
    struct build_pair kill = { 0, 0, 0 };
    struct build_replica replicas[2];
    struct build_delta d = delta(replicas, 2, &o, 1);
    crdt_doc *doc = with_rows();
    crdt_err err;
    kill.a = last;
    o.kills = &kill;
    o.kills_len = 1;
    replicas[0] = all(1, ROWS);
    replicas[0].base = ROWS;
    replicas[1] = all(2, 1);
    d.flags = 0;
    d.objects = set_c;
    d.objects_len = 1;
    err = join(doc, &d);
    *left = size_of_c(doc);
    crdt_doc_free(doc);
    return err;
}

TEST(kills_of_rows)
{
    struct build_op removal = in(1, 1, 5), again = in(1, 1, 5);
    struct build_op above = op(1, 1, 0, CRDTI_REMOVE);
    int left;
    removal.kind = CRDTI_REMOVE;
    above.key = CRDT_STR("c");
    CHECK_ERR(join_killer(removal, 4, &left), CRDT_OK);
    CHECK_INT(left, ROWS);
    CHECK_ERR(join_killer(removal, ROWS, &left), CRDT_OK);
    CHECK_INT(left, ROWS - 1);
    CHECK_ERR(join_killer(again, ROWS, &left), CRDT_OK);
    CHECK_INT(left, ROWS);
    CHECK_ERR(join_killer(above, 17, &left), CRDT_OK);
    CHECK_INT(left, ROWS - 17);
    CHECK_ERR(join_killer(above, ROWS, &left), CRDT_OK);
    CHECK_INT(left, 0);
    CHECK_ERR(join_killer(removal, ROWS + 1, &left), CRDT_ERR_CORRUPT);
    CHECK_ERR(join_killer(above, UINT64_MAX, &left), CRDT_ERR_CORRUPT);
    CHECK_INT(left, ROWS);
}

/* An honest replica's second add kills its first. The set is told twice too.
 * It is in once, and one remove takes it. */
TEST(one_replica_adds_an_element_again_and_again)
{
    struct build_replica r = all(1, 3);
    struct build_op ops[3];
    struct build_delta d = delta(&r, 1, ops, 3);
    crdt_doc *doc = fuzz_doc_new(FUZZ_SELF);
    int i;
    for (i = 0; i < 3; i++)
        ops[i] = in(0, (uint64_t)i + 1, 7);
    ops[2].object = 2;
    d.objects = set_c;
    d.objects_len = 2;
    CHECK_ERR(join(doc, &d), CRDT_OK);
    CHECK_INT(size_of_c(doc), 1);
    CHECK_ERR(crdt_set_remove(
                  crdt_map_find(crdt_root(doc), CRDT_STR("c"), CRDT_AW_SET),
                  crdt_int(7)),
              CRDT_OK);
    crdt_commit(doc);
    CHECK_INT(size_of_c(doc), 0);
    fuzz_sound(doc);
    crdt_doc_free(doc);
}

/* Each step of a seq that no block can hold, and those around it. */
TEST(rows_far_apart)
{
    static const uint64_t steps[] = { 1,     65534, 65535,      65536,
                                      65537, 1,     UINT32_MAX, 1 };
    struct build_replica r = all(1, CRDTSYNC_MAX_SEQ);
    struct build_op ops[200];
    struct build_delta d = delta(&r, 1, ops, COUNT(ops));
    crdt_doc *doc = fuzz_doc_new(FUZZ_SELF);
    uint64_t seq = 0;
    size_t i;
    for (i = 0; i < COUNT(ops); i++) {
        seq += steps[i % COUNT(steps)];
        ops[i] = in(0, seq, (int)i + 1);
    }
    d.objects = set_c;
    d.objects_len = 1;
    CHECK_ERR(join(doc, &d), CRDT_OK);
    CHECK_INT(size_of_c(doc), COUNT(ops));
    crdt_doc_free(doc);
}

/* Rows that each need a block cost a fixed multiple of their bytes. */
TEST(memory_of_rows_that_are_alone)
{
    enum { MANY = 20000, STEP = 65536, MULTIPLE = 80 };
    struct build_replica r = all(1, (uint64_t)MANY * STEP);
    struct build_op *ops = (struct build_op *)calloc(MANY, sizeof *ops);
    struct build_delta d = delta(&r, 1, ops, MANY);
    crdt_buf buf = CRDT_BUF_INIT;
    struct failing_alloc memory;
    crdt_config config;
    crdt_doc *doc;
    size_t i;
    failing_alloc_init(&memory);
    memset(&config, 0, sizeof config);
    config.alloc = &memory.table;
    REQUIRE(crdt_doc_new(&doc, &config) == CRDT_OK);
    for (i = 0; i < MANY; i++)
        ops[i] = in(0, (i + 1) * STEP, (int)(i % 255) + 1);
    d.objects = set_c;
    d.objects_len = 1;
    build_frame(&d, &buf);
    CHECK_ERR(crdt_join(doc, crdt_buf_bytes(&buf)), CRDT_OK);
    CHECK(memory.live_bytes < MULTIPLE * buf.len);
    crdt_doc_free(doc);
    CHECK(failing_alloc_clean(&memory));
    crdt_buf_free(&buf);
    free(ops);
}

/* Dots ascend in the only way there is to tell them. */
TEST(dots_told_twice_or_out_of_order)
{
    struct build_replica replicas[2];
    struct build_op ops[2];
    struct build_delta d = delta(replicas, 2, ops, 2);
    replicas[0] = all(1, 9);
    replicas[1] = all(2, 9);
    d.objects = set_c;
    d.objects_len = 1;
    ops[0] = in(0, 3, 1);
    ops[1] = in(0, 4, 2);
    CHECK_ERR(join_empty(&d), CRDT_OK);
    ops[1].seq = 3;
    CHECK_ERR(join_empty(&d), CRDT_ERR_CORRUPT);
    ops[1] = ops[0];
    CHECK_ERR(join_empty(&d), CRDT_ERR_CORRUPT);
    ops[1].seq = 2;
    CHECK_ERR(join_empty(&d), CRDT_ERR_CORRUPT);
    ops[1].seq = 10;
    CHECK_ERR(join_empty(&d), CRDT_ERR_CORRUPT);
    ops[1].seq = 4;
    ops[0].replica = 1;
    CHECK_ERR(join_empty(&d), CRDT_ERR_CORRUPT);
}

/* >>what one replica says again ------------------------------------------- */

/* The n-th op of replica 1 in one entry, in turn of each kind that the type
 * takes. Every third kills what 2 said there, so that it is no row, and none
 * kills the one before, as an honest one would. */
static struct build_op said(crdt_type type, crdt_bytes key, uint64_t n)
{
    static const struct build_pair kill = { 1, 1, 0 };
    const char *kinds = kinds_of[type] + (*kinds_of[type] == '5');
    struct build_op o;
    o = typed(type, kinds[n % strcspn(kinds, "45")] - '0');
    o.seq = n;
    o.key = key;
    o.plus = n;
    o.integer = (int64_t)(n % 2);
    if (o.kind == CRDTI_CREATE)
        o.form = (uint8_t)(CRDT_MAP + n % 3);
    o.kills = &kill;
    o.kills_len = o.kind != CRDTI_ADD && n % 3 == 0;
    return o;
}

/* Joins what it said after `base`, up to `top`, without the first `skip`. */
static void join_said(crdt_doc *doc, crdt_type type, crdt_bytes key,
                      uint64_t base, uint64_t top, uint64_t skip)
{
    size_t len = (size_t)(top - base - skip), i;
    struct build_op *ops = (struct build_op *)calloc(len, sizeof *ops);
    struct build_object object = { 0, 0, { (const uint8_t *)"c", 1 } };
    struct build_replica replicas[2];
    struct build_delta d = delta(replicas, 2, ops, len);
    crdt_buf buf = CRDT_BUF_INIT;
    replicas[0] = all(1, top);
    replicas[0].base = base;
    replicas[1] = all(2, 1);
    replicas[1].base = base != 0;
    d.flags = base ? 0 : CRDTI_DELTA_SNAPSHOT;
    object.type = (uint8_t)type;
    d.objects = &object;
    d.objects_len = 1;
    for (i = 0; i < len; i++)
        ops[i] = said(type, key, base + skip + i + 1);
    build_frame(&d, &buf);
    CHECK_ERR(crdt_join(doc, crdt_buf_bytes(&buf)), CRDT_OK);
    crdt_buf_free(&buf);
    free(ops);
}

static crdt_bytes key_of(crdt_type type, int is_long)
{
    if (is_set(type))
        return is_long ? CRDT_STR("\x80"
                                  "a string")
                       : CRDT_STR("\x51\x05");
    return CRDT_STR("");
}

/* The next op of a replica stands for those before it in the entry, be they
 * killed or not. So what is alive there is bounded by the replicas, and to
 * walk it costs no square. */
TEST(only_the_last_that_a_replica_says_is_alive)
{
    enum { MANY = 40000 };
    int type, is_long;
    for (type = CRDT_MAP; type < CRDT_TEXT; type++)
        for (is_long = 0; is_long < 1 + is_set((crdt_type)type); is_long++) {
            crdt_doc *doc = fuzz_doc_new(FUZZ_SELF);
            crdt_stats stats;
            join_said(doc, (crdt_type)type, key_of((crdt_type)type, is_long),
                      0, MANY, 0);
            crdt_doc_stats(doc, &stats);
            CHECK_INT(stats.ops, 1);
            CHECK(stats.entries <= 2); /* that of "c" is one */
            CHECK(doc->rows.len <= 1);
            fuzz_sound(doc);
            crdt_doc_free(doc);
        }
}

/* At once, in two parts, bit by bit, or only the last: it is the same. */
static void check_said(crdt_type type, uint64_t top)
{
    enum { WAYS = 4 };
    static struct fuzz_look looks[WAYS];
    crdt_bytes key = key_of(type, 0);
    crdt_doc *docs[WAYS];
    uint64_t i;
    for (i = 0; i < WAYS; i++)
        docs[i] = fuzz_doc_new(FUZZ_SELF);
    join_said(docs[0], type, key, 0, top, top - 1);
    join_said(docs[1], type, key, 0, top, 0);
    join_said(docs[2], type, key, 0, top / 2, 0);
    join_said(docs[2], type, key, top / 2, top, 0);
    for (i = 0; i < top; i++)
        join_said(docs[3], type, key, i, i + 1, 0);
    for (i = 0; i < WAYS; i++) {
        fuzz_sound(docs[i]);
        fuzz_reproduces(docs[i]);
        fuzz_look(&looks[i], docs[i], 1);
        CHECK_INT(looks[i].stats.ops, 1);
        CHECK(fuzz_same_state(&looks[0], &looks[i], 1));
        crdt_doc_free(docs[i]);
    }
}

TEST(what_was_said_before_leaves_nothing)
{
    enum { FEW = 12 };
    uint64_t top;
    int type;
    for (type = CRDT_MAP; type < CRDT_TEXT; type++)
        for (top = 2; top <= FEW; top++)
            check_said((crdt_type)type, top);
}

/* The REMOVE of a replica leaves what it says beside it. */
TEST(what_a_replica_says_is_not_lost_by_its_removal)
{
    struct build_pair kill = { 1, 1, 0 };
    struct build_replica replicas[2];
    struct build_op ops[2];
    struct build_delta d = delta(replicas, 2, ops, 2);
    crdt_doc *doc = fuzz_doc_new(FUZZ_SELF);
    replicas[0] = all(1, 2);
    replicas[1] = all(2, 1);
    ops[0] = op(0, 1, 0, CRDTI_VALUE);
    ops[1] = killer(op(0, 2, 0, CRDTI_REMOVE), &kill, 1);
    CHECK_ERR(join(doc, &d), CRDT_OK);
    CHECK(crdt_map_has(crdt_root(doc), CRDT_STR("k")));
    crdt_doc_free(doc);
}

/* >>amounts --------------------------------------------------------------- */

static crdt_err join_amounts(crdt_type type, crdt_bytes key, uint64_t plus,
                             uint64_t minus)
{
    struct build_op o = typed(type, CRDTI_ADD);
    o.key = key;
    o.plus = plus;
    o.minus = minus;
    return join_typed((int)type, o);
}

TEST(amounts_that_a_counter_cannot_have)
{
    const uint64_t most = INT64_MAX;
    const crdt_bytes none = { NULL, 0 };
    const crdt_bytes owner = CRDT_STR("sixteen bytes id");
    CHECK_ERR(join_amounts(CRDT_GCOUNTER, none, most, 0), CRDT_OK);
    CHECK_ERR(join_amounts(CRDT_GCOUNTER, none, 1, 1), CRDT_ERR_CORRUPT);
    CHECK_ERR(join_amounts(CRDT_GCOUNTER, none, most + 1, 0),
              CRDT_ERR_CORRUPT);
    CHECK_ERR(join_amounts(CRDT_BOUNDED, none, most, most), CRDT_OK);
    CHECK_ERR(join_amounts(CRDT_BOUNDED, none, most + 1, 0), CRDT_ERR_CORRUPT);
    CHECK_ERR(join_amounts(CRDT_BOUNDED, none, 0, most + 1), CRDT_ERR_CORRUPT);
    CHECK_ERR(join_amounts(CRDT_BOUNDED, owner, most, 0), CRDT_OK);
    CHECK_ERR(join_amounts(CRDT_BOUNDED, owner, UINT64_MAX, 0),
              CRDT_ERR_CORRUPT);
    /* What is handed on is not taken back. */
    CHECK_ERR(join_amounts(CRDT_BOUNDED, owner, 1, 1), CRDT_ERR_CORRUPT);
    CHECK_ERR(join_amounts(CRDT_BOUNDED, owner, 0, 1), CRDT_ERR_CORRUPT);
}

/* Replica 1 hands on to so many that there never were. It has a share too. */
static crdt_err join_owners(size_t count)
{
    struct build_op *ops = (struct build_op *)calloc(count, sizeof *ops);
    crdt_id *owners = (crdt_id *)calloc(count, sizeof *owners);
    struct build_replica r = all(1, count);
    struct build_object object = { 0, CRDT_BOUNDED, { NULL, 0 } };
    struct build_delta d = delta(&r, 1, ops, count);
    crdt_buf buf = CRDT_BUF_INIT;
    crdt_doc *doc = fuzz_doc_new(FUZZ_SELF);
    crdt_stats stats;
    crdt_err err;
    size_t i;
    for (i = 0; i < count; i++) {
        owners[i] = build_id((uint32_t)i + 1);
        ops[i] = op(0, i + 1, 1, CRDTI_ADD);
        ops[i].key = crdt_bytes_of(owners[i].b, sizeof owners[i].b);
        ops[i].plus = 1;
    }
    d.objects = &object;
    d.objects_len = 1;
    build_frame(&d, &buf);
    err = crdt_join(doc, crdt_buf_bytes(&buf));
    crdt_doc_stats(doc, &stats);
    CHECK_INT(stats.ops, err ? 0 : count);
    crdt_doc_free(doc);
    crdt_buf_free(&buf);
    free(ops);
    free(owners);
    return err;
}

TEST(owners_up_to_the_limit)
{
    CHECK_ERR(join_owners(CRDTSYNC_MAX_REPLICAS - 2), CRDT_OK);
    CHECK_ERR(join_owners(CRDTSYNC_MAX_REPLICAS - 1), CRDT_OK);
    CHECK_ERR(join_owners(CRDTSYNC_MAX_REPLICAS), CRDT_ERR_LIMIT);
    CHECK_ERR(join_owners(CRDTSYNC_MAX_REPLICAS + 1), CRDT_ERR_LIMIT);
}

/* A bounded counter as two replicas say it: 1 by ops[0], 2 by ops[1]. */
static crdt_obj with_bounded(crdt_doc *doc, struct build_op *ops)
{
    struct build_replica replicas[2];
    struct build_object object = { 0,
                                   CRDT_BOUNDED,
                                   { (const uint8_t *)"c", 1 } };
    struct build_delta d = delta(replicas, 2, ops, 2);
    replicas[0] = all(1, 2);
    replicas[1] = all(2, 2);
    d.objects = &object;
    d.objects_len = 1;
    CHECK_ERR(join(doc, &d), CRDT_OK);
    return crdt_map_object(crdt_root(doc), CRDT_STR("c"), CRDT_BOUNDED);
}

/* Who takes what is not his cannot be told from who was handed it by someone
 * whose change is still to come. Nobody else loses by it. */
TEST(a_bounded_counter_below_zero)
{
    struct build_op ops[2];
    crdt_id one = fuzz_id(1), self = fuzz_id(FUZZ_SELF);
    crdt_doc *doc = fuzz_doc_new(FUZZ_SELF);
    crdt_obj counter;
    int64_t value = 0;
    ops[0] = typed(CRDT_BOUNDED, CRDTI_ADD);
    ops[0].minus = INT64_MAX;
    ops[1] = ops[0];
    ops[1].replica = 1;
    counter = with_bounded(doc, ops);
    CHECK_ERR(crdt_bounded_get(counter, &value), CRDT_ERR_OVERFLOW);
    CHECK(value == INT64_MIN);
    CHECK_ERR(crdt_bounded_rights(counter, &one, &value), CRDT_OK);
    CHECK(value == -INT64_MAX);
    CHECK_ERR(crdt_bounded_take(counter, 1), CRDT_ERR_RIGHTS);
    CHECK_ERR(crdt_bounded_transfer(counter, &one, 1), CRDT_ERR_RIGHTS);
    CHECK_ERR(crdt_bounded_rights(counter, &self, &value), CRDT_OK);
    CHECK_INT(value, 0);
    crdt_commit(doc);
    fuzz_sound(doc);
    crdt_doc_free(doc);
}

/* Both hand more than all there can be to the third, and to themselves. */
TEST(rights_beyond_what_fits)
{
    struct build_op ops[2];
    crdt_id self = fuzz_id(FUZZ_SELF), one = fuzz_id(1);
    crdt_doc *doc = fuzz_doc_new(FUZZ_SELF);
    crdt_obj counter;
    int64_t value = 0;
    ops[0] = typed(CRDT_BOUNDED, CRDTI_ADD);
    ops[0].key = crdt_bytes_of(self.b, sizeof self.b);
    ops[0].plus = INT64_MAX;
    ops[1] = ops[0];
    ops[1].replica = 1;
    counter = with_bounded(doc, ops);
    CHECK_ERR(crdt_bounded_get(counter, &value), CRDT_OK);
    CHECK_INT(value, 0);
    CHECK_ERR(crdt_bounded_rights(counter, &self, &value), CRDT_ERR_OVERFLOW);
    CHECK(value == INT64_MAX);
    CHECK_ERR(crdt_bounded_take(counter, INT64_MAX), CRDT_OK);
    CHECK_ERR(crdt_bounded_take(counter, 1), CRDT_ERR_OVERFLOW);
    CHECK_ERR(crdt_bounded_transfer(counter, &one, INT64_MAX), CRDT_OK);
    CHECK_ERR(crdt_map_remove(crdt_root(doc), CRDT_STR("c")), CRDT_OK);
    crdt_commit(doc);
    fuzz_sound(doc);
    crdt_doc_free(doc);
}

/* >>objects --------------------------------------------------------------- */

TEST(a_create_without_its_container)
{
    struct build_op o = op(0, 1, 0, CRDTI_CREATE);
    int type;
    for (type = CRDT_MAP; type < CRDT_TEXT; type++) {
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

/* A row has no record to compare, and yet is told from all else. */
TEST(one_dot_that_is_a_row_and_something_else)
{
    struct build_object objects[2];
    struct build_replica r = all(1, ROWS + 1);
    struct build_op same = in(0, 1, 1), other = in(0, 1, 2), o;
    struct build_delta d = delta(&r, 1, &o, 1);
    crdt_doc *doc = with_rows();
    objects[0] = objects[1] = set_c[0];
    objects[1].key = CRDT_STR("d");
    d.objects = objects;
    d.objects_len = 2;
    o = other;
    CHECK_ERR(join(doc, &d), CRDT_ERR_FORK);
    o = same;
    o.object = 2;
    CHECK_ERR(join(doc, &d), CRDT_ERR_FORK);
    o = same;
    o.key = CRDT_STR("\x80");
    CHECK_ERR(join(doc, &d), CRDT_ERR_FORK);
    o = op(0, 1, 0, CRDTI_VALUE);
    CHECK_ERR(join(doc, &d), CRDT_ERR_FORK);
    CHECK_INT(size_of_c(doc), ROWS);
    /* That all the others are gone is no fork. */
    o = same;
    CHECK_ERR(join(doc, &d), CRDT_OK);
    CHECK_INT(size_of_c(doc), 1);
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
          CASE(each_type_takes_its_kinds_of_ops_and_no_other),
          CASE(types_that_there_are_not), CASE(containers_in_what_is_no_map),
          CASE(an_in_or_out_has_no_content_yet),
          CASE(values_in_lww_sets_are_bools),
          CASE(keys_that_a_type_cannot_have), CASE(an_element_has_one_key),
          CASE(short_keys_are_in_the_order_of_their_elements),
          CASE(elements_up_to_the_limit), CASE(kills_of_rows),
          CASE(one_replica_adds_an_element_again_and_again),
          CASE(rows_far_apart), CASE(memory_of_rows_that_are_alone),
          CASE(dots_told_twice_or_out_of_order),
          CASE(only_the_last_that_a_replica_says_is_alive),
          CASE(what_was_said_before_leaves_nothing),
          CASE(what_a_replica_says_is_not_lost_by_its_removal),
          CASE(amounts_that_a_counter_cannot_have),
          CASE(owners_up_to_the_limit), CASE(a_bounded_counter_below_zero),
          CASE(rights_beyond_what_fits), CASE(a_create_without_its_container),
          CASE(objects_that_make_no_sense), CASE(ops_where_they_cannot_be),
          CASE(one_dot_with_two_contents),
          CASE(one_dot_that_is_a_row_and_something_else))
