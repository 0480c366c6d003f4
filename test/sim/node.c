/* Nodes over the loopback transport, on a clock that the test turns: greeting,
 * exchange, relay, torn streams, broken links, hostile and silent peers. */
#define CRDTSYNC_IMPLEMENTATION
#include "../../crdtsync.h"
#include "../../transports/crdtsync_loopback.h"

#include "../test.h"

#define NODES_MAX 6

struct world {
    uint64_t now_ms, dice;
    crdt_clock clock;
    crdt_random random;
    crdt_log log;
    crdt_loopback_hub *hub;
    int count;
    crdt_doc *docs[NODES_MAX];
    crdt_node *nodes[NODES_MAX];
    crdt_transport ends[NODES_MAX];
    char said[256];
};

static uint64_t world_ms(void *ctx)
{
    return ((struct world *)ctx)->now_ms;
}

static crdt_err world_fill(void *ctx, void *out, size_t len)
{
    uint8_t *at = (uint8_t *)out;
    size_t i;
    for (i = 0; i < len; i++)
        at[i] = (uint8_t)test_random(&((struct world *)ctx)->dice);
    return CRDT_OK;
}

static void world_line(void *ctx, const char *text)
{
    struct world *w = (struct world *)ctx;
    snprintf(w->said, sizeof w->said, "%s", text);
}

static void world_new(struct world *w, uint64_t seed, int manual, int torn)
{
    crdt_loopback_config config;
    memset(w, 0, sizeof *w);
    memset(&config, 0, sizeof config);
    w->now_ms = 1000000;
    w->dice = seed;
    w->clock.version = w->random.version = w->log.version = 1;
    w->clock.ctx = w->random.ctx = w->log.ctx = w;
    w->clock.wall_ms = w->clock.mono_ms = world_ms;
    w->random.fill = world_fill;
    w->log.line = world_line;
    config.manual = manual;
    config.tear_seed = torn ? seed + 1 : 0;
    CHECK_INT(crdt_loopback_hub_new(&w->hub, &config), CRDT_OK);
}

/* One more node, sharing a document under the name "d". */
static int world_add(struct world *w, const crdt_id *replica)
{
    int i = w->count++;
    crdt_config doc_config;
    crdt_node_config config;
    char name[2];
    memset(&doc_config, 0, sizeof doc_config);
    memset(&config, 0, sizeof config);
    name[0] = (char)('a' + i);
    name[1] = 0;
    doc_config.clock = config.clock = &w->clock;
    doc_config.random = config.random = &w->random;
    doc_config.replica = replica;
    config.name = crdt_str(name);
    config.log = &w->log;
    CHECK_INT(crdt_doc_new(&w->docs[i], &doc_config), CRDT_OK);
    CHECK_INT(crdt_node_new(&w->nodes[i], &config), CRDT_OK);
    CHECK_INT(crdt_node_share(w->nodes[i], CRDT_STR("d"), w->docs[i]),
              CRDT_OK);
    CHECK_INT(crdt_loopback_new(&w->ends[i], w->hub), CRDT_OK);
    CHECK_INT(crdt_node_attach(w->nodes[i], &w->ends[i]), CRDT_OK);
    return i;
}

static void world_free(struct world *w)
{
    int i;
    for (i = 0; i < w->count; i++) {
        crdt_node_free(w->nodes[i]);
        crdt_doc_free(w->docs[i]);
    }
    crdt_loopback_hub_free(w->hub);
}

static void world_run(struct world *w, int rounds, uint64_t step_ms)
{
    int i;
    for (; rounds > 0; rounds--) {
        for (i = 0; i < w->count; i++)
            if (w->nodes[i])
                CHECK_INT(crdt_node_poll(w->nodes[i], 0), CRDT_OK);
        w->now_ms += step_ms;
    }
}

static int world_is_equal(const struct world *w)
{
    int i;
    for (i = 1; i < w->count; i++) {
        crdt_digest a = crdt_doc_digest(w->docs[0]);
        crdt_digest b = crdt_doc_digest(w->docs[i]);
        if (a.hi != b.hi || a.lo != b.lo)
            return 0;
    }
    return 1;
}

static void put(struct world *w, int node, const char *key, int64_t value)
{
    CHECK_INT(crdt_map_put_int(crdt_root(w->docs[node]), crdt_str(key), value),
              CRDT_OK);
    CHECK_INT(crdt_commit(w->docs[node]), CRDT_OK);
}

static int64_t get(struct world *w, int node, const char *key)
{
    int64_t value = -1;
    crdt_map_get_int(crdt_root(w->docs[node]), crdt_str(key), &value);
    return value;
}

static crdt_peer_info peer(struct world *w, int node, size_t index)
{
    crdt_peer_info info;
    memset(&info, 0, sizeof info);
    CHECK_INT(crdt_node_peer(w->nodes[node], index, &info), CRDT_OK);
    return info;
}

static crdt_node_stats stats(struct world *w, int node)
{
    crdt_node_stats out;
    crdt_node_get_stats(w->nodes[node], &out);
    return out;
}

TEST(two_meet_and_have_the_same)
{
    struct world w;
    crdt_peer_info info;
    world_new(&w, 1, 0, 0);
    world_add(&w, NULL);
    world_add(&w, NULL);
    put(&w, 0, "x", 1);
    put(&w, 1, "y", 2);
    world_run(&w, 6, 1);
    CHECK(world_is_equal(&w));
    CHECK_INT(get(&w, 0, "y"), 2);
    CHECK_INT(get(&w, 1, "x"), 1);
    info = peer(&w, 0, 0);
    CHECK_INT(info.state, CRDT_PEER_SYNCED);
    CHECK_INT(info.unacked, 0);
    CHECK_INT(info.lag, 0);
    CHECK(crdt_bytes_equal(info.name, CRDT_STR("b")));
    CHECK_INT(crdt_node_peer(w.nodes[0], 1, &info), CRDT_ERR_NOT_FOUND);
    world_free(&w);
}

/* Two empty vectors are equal, but nobody has said so yet. */
TEST(who_has_said_nothing_is_not_synced)
{
    struct world w;
    int i, synced = 0;
    world_new(&w, 14, 0, 0);
    world_add(&w, NULL);
    world_add(&w, NULL);
    put(&w, 0, "x", 1);
    for (i = 0; i < 12 && !synced; i++) {
        crdt_peer_info info;
        world_run(&w, 1, 1);
        if (crdt_node_peer(w.nodes[1], 0, &info) == CRDT_OK)
            synced = info.state == CRDT_PEER_SYNCED;
    }
    CHECK(synced);
    CHECK_INT(get(&w, 1, "x"), 1);
    world_free(&w);
}

TEST(commits_are_pushed_and_acknowledged)
{
    struct world w;
    crdt_vv acked = CRDT_VV_INIT;
    crdt_id self;
    world_new(&w, 2, 0, 0);
    world_add(&w, NULL);
    world_add(&w, NULL);
    world_run(&w, 6, 1);
    put(&w, 0, "x", 1);
    CHECK_INT(peer(&w, 0, 0).state, CRDT_PEER_SYNCING);
    CHECK_INT(peer(&w, 0, 0).unacked, 1);
    world_run(&w, 3, 1);
    CHECK_INT(get(&w, 1, "x"), 1);
    CHECK_INT(peer(&w, 0, 0).state, CRDT_PEER_SYNCED);
    /* HELLO, ROSTER, STATE, and CHUNK or ANSWER */
    CHECK_INT(peer(&w, 0, 0).sent_frames, 4);
    CHECK_INT(peer(&w, 1, 0).received_frames, 4);
    CHECK_INT(stats(&w, 1).sent_frames, 4);
    self = crdt_doc_replica(w.docs[0]);
    CHECK_INT(crdt_node_acked(w.nodes[0], CRDT_STR("d"), &acked), CRDT_OK);
    CHECK_INT(crdt_vv_get(&acked, &self), 1);
    crdt_vv_free(&acked);
    world_free(&w);
}

/* However many replicas there have been: a delta that follows names only those
 * that it is about. */
TEST(a_live_change_is_short)
{
    struct world w;
    uint64_t before;
    int i;
    world_new(&w, 18, 0, 0);
    world_add(&w, NULL);
    world_add(&w, NULL);
    for (i = 0; i < 20; i++) {
        put(&w, 0, "x", i);
        CHECK_INT(crdt_doc_reincarnate(w.docs[0]), CRDT_OK);
    }
    world_run(&w, 6, 1);
    put(&w, 0, "x", 100);
    world_run(&w, 3, 1);
    before = stats(&w, 0).sent_bytes;
    put(&w, 0, "x", 101); /* in place of the one before: the same replica */
    world_run(&w, 3, 1);
    CHECK_INT(get(&w, 1, "x"), 101);
    CHECK(stats(&w, 0).sent_bytes - before < 70);
    CHECK(world_is_equal(&w));
    world_free(&w);
}

TEST(what_is_not_committed_is_not_sent)
{
    struct world w;
    crdt_obj root;
    world_new(&w, 3, 0, 0);
    world_add(&w, NULL);
    world_add(&w, NULL);
    world_run(&w, 6, 1);
    root = crdt_root(w.docs[0]);
    CHECK_INT(crdt_map_put_int(root, CRDT_STR("x"), 1), CRDT_OK);
    CHECK_INT(crdt_map_put_int(root, CRDT_STR("y"), 2), CRDT_OK);
    put(&w, 1, "z", 3);
    world_run(&w, 6, 1);
    CHECK_INT(get(&w, 1, "x"), -1);
    CHECK_INT(get(&w, 0, "z"), 3); /* but joins go on */
    CHECK_INT(crdt_commit(w.docs[0]), CRDT_OK);
    world_run(&w, 6, 1);
    CHECK_INT(get(&w, 1, "x"), 1);
    CHECK(world_is_equal(&w));
    world_free(&w);
}

TEST(a_chain_relays)
{
    struct world w;
    int i;
    world_new(&w, 4, 1, 0);
    for (i = 0; i < 4; i++)
        world_add(&w, NULL);
    for (i = 0; i < 3; i++)
        CHECK_INT(crdt_loopback_link(&w.ends[i], &w.ends[i + 1]), CRDT_OK);
    put(&w, 0, "x", 1);
    put(&w, 3, "y", 2);
    world_run(&w, 20, 1);
    CHECK(world_is_equal(&w));
    CHECK_INT(get(&w, 3, "x"), 1);
    CHECK_INT(get(&w, 0, "y"), 2);
    world_free(&w);
}

/* Random writes on a torn mesh whose links break and heal: in the end all are
 * equal, and nobody holds less than it wrote. */
static int storm(uint64_t seed)
{
    struct world w;
    int i, j, step, quiet, links = 2 + (int)(seed % (NODES_MAX - 1));
    int64_t total = 0, got;
    world_new(&w, seed, 1, (int)(seed & 1));
    for (i = 0; i < links; i++)
        world_add(&w, NULL);
    for (step = 0; step < 60; step++) {
        i = (int)test_below(&w.dice, (uint32_t)w.count);
        j = (int)test_below(&w.dice, (uint32_t)w.count);
        switch (test_below(&w.dice, 4)) {
        case 0:
            if (i != j)
                crdt_loopback_link(&w.ends[i], &w.ends[j]);
            break;
        case 1:
            if (i != j)
                crdt_loopback_unlink(&w.ends[i], &w.ends[j]);
            break;
        default:
            crdt_counter_add(
                crdt_map_counter(crdt_root(w.docs[i]), CRDT_STR("n")), step);
            total += step;
            put(&w, i, "k", step);
        }
        world_run(&w, (int)test_below(&w.dice, 4), 3);
    }
    for (i = 1; i < w.count; i++)
        crdt_loopback_link(&w.ends[i - 1], &w.ends[i]);
    for (quiet = 0; quiet < 400 && !world_is_equal(&w); quiet++)
        world_run(&w, 1, 5);
    for (i = 0; i < w.count; i++) {
        got = -1;
        crdt_counter_get(
            crdt_map_find(crdt_root(w.docs[i]), CRDT_STR("n"), CRDT_COUNTER),
            &got);
        CHECK_INT(got, total);
        CHECK_INT(stats(&w, i).alarms, 0);
    }
    i = world_is_equal(&w);
    world_free(&w);
    return i;
}

TEST(a_mesh_survives_broken_links_and_torn_streams)
{
    uint64_t seed, seeds = test_env("CRDT_SEEDS", 100000) / 500 + 20;
    for (seed = 1; seed <= seeds; seed++) {
        if (!storm(seed))
            printf("seed %d\n", (int)seed);
        REQUIRE(!test_failures_in_case);
    }
}

TEST(a_large_document_travels_in_chunks)
{
    struct world w;
    char *text = (char *)malloc(700000);
    char key[2] = "a";
    crdt_obj root;
    world_new(&w, 5, 0, 1);
    world_add(&w, NULL);
    world_add(&w, NULL);
    memset(text, 'x', 700000);
    root = crdt_root(w.docs[0]);
    for (; key[0] <= 'e'; key[0]++)
        CHECK_INT(
            crdt_map_put_str(root, crdt_str(key), crdt_bytes_of(text, 700000)),
            CRDT_OK);
    CHECK_INT(crdt_commit(w.docs[0]), CRDT_OK);
    world_run(&w, 400, 1);
    CHECK(world_is_equal(&w));
    CHECK(stats(&w, 0).sent_bytes > 3500000);
    CHECK(stats(&w, 0).sent_bytes < 3600000);
    free(text);
    world_free(&w);
}

TEST(idle_costs_little)
{
    struct world w;
    uint64_t before;
    world_new(&w, 6, 0, 0);
    world_add(&w, NULL);
    world_add(&w, NULL);
    put(&w, 0, "x", 1);
    world_run(&w, 10, 1);
    before = stats(&w, 0).sent_bytes;
    world_run(&w, 60, 1000); /* a minute: 30 beats, 2 digests */
    CHECK(stats(&w, 0).sent_bytes - before < 40 * 7 + 3 * 30);
    CHECK_INT(peer(&w, 0, 0).state, CRDT_PEER_SYNCED);
    world_free(&w);
}

/* 27: its clock is ahead. */
TEST(what_lies_in_the_future_waits)
{
    struct world w;
    crdt_clock ahead;
    struct world future;
    world_new(&w, 7, 0, 0);
    world_add(&w, NULL);
    world_add(&w, NULL);
    world_run(&w, 6, 1);
    /* Node b's document gets a clock that is 20 minutes ahead. */
    future = w;
    future.now_ms += 20 * 60 * 1000;
    ahead = w.clock;
    ahead.ctx = &future;
    w.docs[1]->clock = ahead;
    put(&w, 1, "x", 1);
    world_run(&w, 20, 100);
    CHECK_INT(get(&w, 0, "x"), -1);
    CHECK_INT(stats(&w, 0).waiting, 1);
    put(&w, 0, "y", 2); /* the other way is open */
    world_run(&w, 20, 100);
    CHECK_INT(get(&w, 1, "y"), 2);
    world_run(&w, 800, 1000);
    CHECK_INT(get(&w, 0, "x"), 1);
    CHECK_INT(stats(&w, 0).waiting, 0);
    CHECK(world_is_equal(&w));
    world_free(&w);
}

TEST(a_replica_id_used_twice_is_an_alarm)
{
    struct world w;
    crdt_id id;
    memset(&id, 7, sizeof id);
    world_new(&w, 8, 0, 0);
    world_add(&w, &id);
    world_add(&w, &id);
    put(&w, 0, "x", 1);
    world_run(&w, 20, 100);
    CHECK(stats(&w, 0).alarms + stats(&w, 1).alarms > 0);
    CHECK_INT(get(&w, 1, "x"), -1); /* never silently merged */
    world_free(&w);
}

/* Two links between the same two nodes: one is used, the other takes over. */
TEST(of_two_links_one_is_used)
{
    int cut;
    for (cut = 0; cut < 2; cut++) {
        struct world w;
        crdt_loopback_config config;
        crdt_loopback_hub *second;
        crdt_transport ends[2];
        crdt_peer_info info;
        uint64_t sent;
        int i;
        world_new(&w, 16, 1, 0);
        memset(&config, 0, sizeof config);
        config.manual = 1;
        CHECK_INT(crdt_loopback_hub_new(&second, &config), CRDT_OK);
        for (i = 0; i < 2; i++) {
            world_add(&w, NULL);
            CHECK_INT(crdt_loopback_new(&ends[i], second), CRDT_OK);
            CHECK_INT(crdt_node_attach(w.nodes[i], &ends[i]), CRDT_OK);
        }
        CHECK_INT(crdt_loopback_link(&w.ends[0], &w.ends[1]), CRDT_OK);
        CHECK_INT(crdt_loopback_link(&ends[0], &ends[1]), CRDT_OK);
        world_run(&w, 10, 1);
        CHECK_INT(crdt_node_peer(w.nodes[0], 1, &info), CRDT_ERR_NOT_FOUND);
        sent = stats(&w, 0).deltas_sent;
        put(&w, 0, "x", 1);
        world_run(&w, 10, 1);
        CHECK_INT(stats(&w, 0).deltas_sent - sent, 1);
        if (cut)
            CHECK_INT(crdt_loopback_unlink(&ends[0], &ends[1]), CRDT_OK);
        else
            CHECK_INT(crdt_loopback_unlink(&w.ends[0], &w.ends[1]), CRDT_OK);
        put(&w, 1, "y", 2);
        world_run(&w, 10, 1);
        CHECK(world_is_equal(&w));
        CHECK_INT(get(&w, 0, "y"), 2);
        CHECK_INT(peer(&w, 1, 0).state, CRDT_PEER_SYNCED);
        world_free(&w);
        crdt_loopback_hub_free(second);
    }
}

/* One has shared it all along, the other only now: in either order. */
TEST(a_document_shared_late_is_found)
{
    int late;
    for (late = 0; late < 2; late++) {
        struct world w;
        crdt_config config;
        crdt_doc *docs[2];
        int i;
        world_new(&w, 15, 0, 0);
        memset(&config, 0, sizeof config);
        config.clock = &w.clock;
        config.random = &w.random;
        for (i = 0; i < 2; i++) {
            world_add(&w, NULL);
            CHECK_INT(crdt_doc_new(&docs[i], &config), CRDT_OK);
            crdt_map_put_int(crdt_root(docs[i]), CRDT_STR("ab"), i);
            crdt_map_put_int(crdt_root(docs[i]),
                             i ? CRDT_STR("b") : CRDT_STR("a"), i);
            crdt_commit(docs[i]);
        }
        CHECK_INT(crdt_node_share(w.nodes[!late], CRDT_STR("e"), docs[!late]),
                  CRDT_OK);
        world_run(&w, 8, 1);
        CHECK_INT(crdt_node_share(w.nodes[late], CRDT_STR("e"), docs[late]),
                  CRDT_OK);
        world_run(&w, 8, 1);
        for (i = 0; i < 2; i++) {
            CHECK_INT(crdt_map_size(crdt_root(docs[i])), 3);
            CHECK_INT(peer(&w, i, 0).state, CRDT_PEER_SYNCED);
        }
        world_free(&w);
        for (i = 0; i < 2; i++)
            crdt_doc_free(docs[i]);
    }
}

TEST(each_document_goes_its_own_way)
{
    struct world w;
    crdt_doc *more[3];
    int i;
    crdt_config config;
    world_new(&w, 9, 0, 0);
    memset(&config, 0, sizeof config);
    config.clock = &w.clock;
    config.random = &w.random;
    world_add(&w, NULL);
    world_add(&w, NULL);
    world_run(&w, 4, 1);
    for (i = 0; i < 3; i++)
        CHECK_INT(crdt_doc_new(&more[i], &config), CRDT_OK);
    /* Shared late, in another order, one only here. */
    CHECK_INT(crdt_node_share(w.nodes[0], CRDT_STR("only"), more[2]), CRDT_OK);
    CHECK_INT(crdt_node_share(w.nodes[0], CRDT_STR("e"), more[0]), CRDT_OK);
    CHECK_INT(crdt_node_share(w.nodes[1], CRDT_STR("e"), more[1]), CRDT_OK);
    CHECK_INT(crdt_node_share(w.nodes[1], CRDT_STR("e"), more[1]),
              CRDT_ERR_ARG);
    crdt_map_put_int(crdt_root(more[0]), CRDT_STR("k"), 4);
    crdt_commit(more[0]);
    put(&w, 1, "x", 1);
    world_run(&w, 10, 1);
    CHECK(crdt_map_has(crdt_root(more[1]), CRDT_STR("k")));
    CHECK_INT(get(&w, 0, "x"), 1);
    world_free(&w);
    for (i = 0; i < 3; i++)
        crdt_doc_free(more[i]);
}

/* >>peers that are not nodes ---------------------------------------------- */

struct stranger {
    crdt_transport end;
    crdt_upcalls up;
    crdt_peer peer;
    int downs;
    uint8_t heard[4096];
    size_t heard_len;
};

static void stranger_up(void *ctx, crdt_peer id, const char *name)
{
    (void)name;
    ((struct stranger *)ctx)->peer = id;
}

static void stranger_down(void *ctx, crdt_peer id, const char *why)
{
    (void)id;
    (void)why;
    ((struct stranger *)ctx)->downs++;
}

static void stranger_received(void *ctx, crdt_peer id, crdt_bytes bytes)
{
    struct stranger *s = (struct stranger *)ctx;
    size_t room = sizeof s->heard - s->heard_len;
    (void)id;
    if (bytes.len > room)
        bytes.len = room;
    memcpy(s->heard + s->heard_len, bytes.ptr, bytes.len);
    s->heard_len += bytes.len;
}

static void stranger_writable(void *ctx, crdt_peer id)
{
    (void)ctx;
    (void)id;
}

static void stranger_join(struct stranger *s, struct world *w)
{
    memset(s, 0, sizeof *s);
    s->up.version = 1;
    s->up.ctx = s;
    s->up.peer_up = stranger_up;
    s->up.peer_down = stranger_down;
    s->up.received = stranger_received;
    s->up.writable = stranger_writable;
    CHECK_INT(crdt_loopback_new(&s->end, w->hub), CRDT_OK);
    CHECK_INT(s->end.start(s->end.ctx, &s->up), CRDT_OK);
}

static void stranger_run(struct stranger *s, struct world *w, int rounds,
                         uint64_t step_ms)
{
    for (; rounds > 0; rounds--) {
        s->end.poll(s->end.ctx, 0);
        world_run(w, 1, step_ms);
    }
}

/* The stranger says these bytes first. Returns whether it was hung up on. */
static int stranger_says(const void *bytes, size_t len)
{
    struct world w;
    struct stranger s;
    int downs;
    world_new(&w, 10, 0, 0);
    world_add(&w, NULL);
    stranger_join(&s, &w);
    stranger_run(&s, &w, 3, 1);
    CHECK(s.peer != 0);
    CHECK_INT(s.end.send(s.end.ctx, s.peer, crdt_bytes_of(bytes, len)),
              CRDT_OK);
    stranger_run(&s, &w, 5, 1);
    downs = s.downs;
    put(&w, 0, "x", 1); /* the node is none the worse */
    s.end.close(s.end.ctx);
    world_run(&w, 3, 1);
    world_free(&w);
    return downs;
}

/* A HELLO that speaks versions `oldest` to `newest`, in a buffer of ours. */
static size_t make_hello(uint8_t *out, uint64_t oldest, uint64_t newest,
                         size_t extra)
{
    crdt_buf buf = CRDT_BUF_INIT;
    crdti_writer w;
    crdti_hello hello;
    size_t len;
    memset(&hello, 0, sizeof hello);
    hello.oldest = oldest;
    hello.newest = newest;
    hello.node.b[0] = 9;
    hello.can = UINT64_MAX;
    hello.frame_max = hello.window = 100000;
    hello.name = CRDT_STR("stranger");
    hello.docs = 1;
    crdti_writer_init(&w, &buf);
    crdti_put_hello(&w, &hello);
    for (; extra > 0; extra--)
        crdti_put_u8(&w, 0xee);
    crdti_frame_wrap(&w, CRDTI_HELLO, 0);
    len = buf.len;
    crdti_put_varint(&w, 0);
    crdti_put_bytes(&w, CRDT_STR("d"));
    crdti_put_u64le(&w, 1);
    crdti_frame_wrap(&w, CRDTI_DOCS, len);
    CHECK_INT(w.err, CRDT_OK);
    len = buf.len;
    memcpy(out, buf.ptr, len);
    crdt_buf_free(&buf);
    return len;
}

TEST(garbage_and_other_versions_are_refused)
{
    uint8_t hello[256];
    size_t len;
    CHECK_INT(stranger_says("GET / HTTP/1.1\r\n\r\n", 18), 1);
    CHECK_INT(stranger_says("\xc7\x22\xff\xff\xff\xff\xff\xff\xff\x7f", 10),
              1);
    len = make_hello(hello, 1, 1, 0);
    CHECK_INT(stranger_says(hello, len), 0);
    len = make_hello(hello, 1, 9, 0); /* newer, but speaks ours */
    CHECK_INT(stranger_says(hello, len), 0);
    len = make_hello(hello, 1, 9, 40); /* with fields that we do not know */
    CHECK_INT(stranger_says(hello, len), 0);
    len = make_hello(hello, 2, 9, 0);
    CHECK_INT(stranger_says(hello, len), 1);
    len = make_hello(hello, 1, 1, 0);
    hello[len - 6] ^= 1; /* a flipped bit */
    CHECK_INT(stranger_says(hello, len), 1);
}

TEST(who_does_not_greet_is_dropped_in_time)
{
    struct world w;
    struct stranger s;
    world_new(&w, 11, 0, 0);
    world_add(&w, NULL);
    stranger_join(&s, &w);
    stranger_run(&s, &w, 4, 1000);
    CHECK_INT(s.downs, 0);
    stranger_run(&s, &w, 4, 1000);
    CHECK_INT(s.downs, 1);
    CHECK(strstr(w.said, "did not greet") != NULL);
    s.end.close(s.end.ctx);
    world_free(&w);
}

TEST(who_falls_silent_is_dropped)
{
    struct world w;
    struct stranger s;
    uint8_t hello[256];
    size_t len = make_hello(hello, 1, 1, 0);
    world_new(&w, 12, 0, 0);
    world_add(&w, NULL);
    stranger_join(&s, &w);
    stranger_run(&s, &w, 2, 1);
    s.end.send(s.end.ctx, s.peer, crdt_bytes_of(hello, len));
    stranger_run(&s, &w, 5, 1000);
    CHECK_INT(s.downs, 0);
    stranger_run(&s, &w, 5, 1000);
    CHECK_INT(s.downs, 1);
    CHECK(strstr(w.said, "silent") != NULL);
    s.end.close(s.end.ctx);
    world_free(&w);
}

/* 28: eight hours, in which nobody could hear anybody. */
TEST(a_long_sleep_is_no_silence)
{
    struct world w;
    world_new(&w, 33, 0, 0);
    world_add(&w, NULL);
    world_add(&w, NULL);
    world_run(&w, 6, 1);
    w.now_ms += 8 * 3600 * 1000;
    put(&w, 0, "x", 1);
    world_run(&w, 6, 1);
    CHECK_INT(get(&w, 1, "x"), 1);
    CHECK_INT(peer(&w, 0, 0).state, CRDT_PEER_SYNCED);
    CHECK_INT(peer(&w, 0, 0).id, 1);
    world_free(&w);
}

/* As after a flipped bit in the length of a frame. */
TEST(who_says_what_does_not_end_is_dropped)
{
    static const uint8_t head[] = { CRDTI_FRAME_MAGIC,
                                    CRDTI_FRAME_VERSION << 5 | CRDTI_ALIVE,
                                    0xc0, 0x84, 0x3d }; /* a million bytes */
    struct world w;
    struct stranger s;
    uint8_t hello[256];
    size_t len = make_hello(hello, 1, 1, 0), i;
    world_new(&w, 32, 0, 1);
    world_add(&w, NULL);
    stranger_join(&s, &w);
    stranger_run(&s, &w, 2, 1);
    s.end.send(s.end.ctx, s.peer, crdt_bytes_of(hello, len));
    stranger_run(&s, &w, 5, 1);
    s.end.send(s.end.ctx, s.peer, crdt_bytes_of(head, sizeof head));
    for (i = 0; i < 29; i++) {
        stranger_run(&s, &w, 1, 1000);
        s.end.send(s.end.ctx, s.peer, crdt_bytes_of(head, 1));
    }
    CHECK_INT(s.downs, 0);
    for (i = 0; i < 5; i++) {
        stranger_run(&s, &w, 1, 1000);
        s.end.send(s.end.ctx, s.peer, crdt_bytes_of(head, 1));
    }
    CHECK_INT(s.downs, 1);
    CHECK(strstr(w.said, "does not end") != NULL);
    s.end.close(s.end.ctx);
    world_free(&w);
}

/* It sends delta after delta and never reads: the answers must not pile up
 * for ever. */
TEST(who_sends_and_never_reads_is_dropped)
{
    struct world w;
    struct stranger s;
    uint8_t hello[256];
    size_t len = make_hello(hello, 1, 1, 0), i;
    crdt_buf chunks = CRDT_BUF_INIT;
    crdti_writer writer;
    world_new(&w, 17, 0, 0);
    world_add(&w, NULL);
    stranger_join(&s, &w);
    stranger_run(&s, &w, 2, 1);
    s.end.send(s.end.ctx, s.peer, crdt_bytes_of(hello, len));
    world_run(&w, 2, 1);
    /* Refused at once, as the delta is none: but answered. */
    crdti_writer_init(&writer, &chunks);
    for (i = 0; i < 1000; i++) {
        size_t start = chunks.len;
        crdti_put_varint(&writer, 0);
        crdti_put_varint(&writer, i + 1);
        crdti_put_u8(&writer, 0);
        crdti_put_raw(&writer, crdt_bytes_of("\1\0\0\0", 4));
        crdti_frame_wrap(&writer, CRDTI_UPDATE, start);
    }
    CHECK_INT(writer.err, CRDT_OK);
    for (i = 0; i < 2000 && !strstr(w.said, "does not read"); i++) {
        size_t at = 0;
        crdti_frame frame;
        while (
            at < chunks.len &&
            !crdti_frame_get(crdt_bytes_of(chunks.ptr + at, chunks.len - at),
                             1000, &frame, NULL)) {
            s.end.send(s.end.ctx, s.peer,
                       crdt_bytes_of(chunks.ptr + at, frame.size));
            at += frame.size;
        }
        world_run(&w, 1, 1);
    }
    CHECK(strstr(w.said, "does not read") != NULL);
    crdt_buf_free(&chunks);
    s.end.close(s.end.ctx);
    world_free(&w);
}

/* >>memory ---------------------------------------------------------------- */

/* An allocator that refuses one request in `odds`, while it is on. */
struct flaky {
    uint64_t dice;
    uint32_t odds;
    int is_on;
    int refusals;
};

static void *flaky_resize(void *ctx, void *ptr, size_t old, size_t size)
{
    struct flaky *f = (struct flaky *)ctx;
    (void)old;
    if (!size) {
        free(ptr);
        return NULL;
    }
    if (f->is_on && test_below(&f->dice, f->odds) == 0) {
        f->refusals++;
        return NULL;
    }
    return realloc(ptr, size);
}

/* Calls may answer NOMEM and links may break, but what was committed stays,
 * and when there is memory again all become equal. */
static void run_out_of_memory(uint64_t seed, uint32_t odds)
{
    struct world w;
    struct flaky flaky;
    int i, step, stored = 0;
    world_new(&w, seed, 1, (int)(seed & 1));
    memset(&flaky, 0, sizeof flaky);
    flaky.dice = seed;
    flaky.odds = odds;
    for (i = 0; i < 3; i++) {
        world_add(&w, NULL);
        w.docs[i]->alloc.ctx = w.nodes[i]->alloc.ctx = &flaky;
        w.docs[i]->alloc.resize = w.nodes[i]->alloc.resize = flaky_resize;
    }
    for (step = 0; step < 300; step++) {
        crdt_obj n;
        flaky.is_on = 1;
        i = step % 3;
        if (step % 10 == 0)
            crdt_loopback_link(&w.ends[i], &w.ends[(i + 1) % 3]);
        n = crdt_map_counter(crdt_root(w.docs[i]), CRDT_STR("n"));
        if (!crdt_is_null(n) && crdt_counter_add(n, 1) == CRDT_OK)
            stored++;
        crdt_commit(w.docs[i]);
        for (i = 0; i < 3; i++)
            crdt_node_poll(w.nodes[i], 0);
        flaky.is_on = 0;
        w.now_ms += 50;
    }
    for (i = 0; i < 3; i++)
        crdt_loopback_link(&w.ends[i], &w.ends[(i + 1) % 3]);
    world_run(&w, 300, 100);
    CHECK(flaky.refusals > 3);
    CHECK(world_is_equal(&w));
    for (i = 0; i < 3; i++) {
        int64_t got = -1;
        crdt_counter_get(
            crdt_map_find(crdt_root(w.docs[i]), CRDT_STR("n"), CRDT_COUNTER),
            &got);
        CHECK_INT(got, stored);
    }
    world_free(&w);
}

TEST(running_out_of_memory_only_delays)
{
    uint64_t seed;
    for (seed = 1; seed <= 60; seed++) {
        run_out_of_memory(seed, seed % 3 == 0 ? 3 : seed % 3 == 1 ? 15 : 100);
        if (test_failures_in_case)
            printf("seed %d\n", (int)seed);
        REQUIRE(!test_failures_in_case);
    }
}

/* What names text that was swept elsewhere is sent again with all there is. */
TEST(what_was_swept_comes_back_through_sessions)
{
    struct world w;
    crdt_vv floor = CRDT_VV_INIT;
    crdt_obj texts[2];
    crdt_buf is = CRDT_BUF_INIT;
    world_new(&w, 31, 0, 0);
    world_add(&w, NULL);
    world_add(&w, NULL);
    texts[0] = crdt_map_text(crdt_root(w.docs[0]), CRDT_STR("t"));
    CHECK_INT(crdt_text_insert(texts[0], CRDT_CHARS, 0, CRDT_STR("one two")),
              CRDT_OK);
    CHECK_INT(crdt_text_delete(texts[0], CRDT_CHARS, 3, 4), CRDT_OK);
    CHECK_INT(crdt_commit(w.docs[0]), CRDT_OK);
    world_run(&w, 6, 1);
    texts[1] = crdt_map_text(crdt_root(w.docs[1]), CRDT_STR("t"));
    CHECK_INT(crdt_text_insert(texts[1], CRDT_CHARS, 3, CRDT_STR(", three")),
              CRDT_OK);
    CHECK_INT(crdt_commit(w.docs[1]), CRDT_OK);
    CHECK_INT(crdt_doc_vv(w.docs[0], &floor), CRDT_OK);
    CHECK_INT(crdt_truncate(w.docs[0], &floor), CRDT_OK);
    CHECK_INT(crdt_sweep(w.docs[0], &floor), CRDT_OK);
    world_run(&w, 12, 1);
    CHECK(world_is_equal(&w));
    CHECK_INT(crdt_text_get(texts[0], &is), CRDT_OK);
    CHECK(crdt_bytes_equal(crdt_buf_bytes(&is), CRDT_STR("one, three")));
    CHECK_INT(stats(&w, 0).deltas_refused, 1);
    crdt_buf_free(&is);
    crdt_vv_free(&floor);
    world_free(&w);
}

TEST_MAIN(CASE(two_meet_and_have_the_same),
          CASE(who_has_said_nothing_is_not_synced),
          CASE(commits_are_pushed_and_acknowledged),
          CASE(a_live_change_is_short),
          CASE(what_is_not_committed_is_not_sent), CASE(a_chain_relays),
          CASE(a_mesh_survives_broken_links_and_torn_streams),
          CASE(a_large_document_travels_in_chunks), CASE(idle_costs_little),
          CASE(what_lies_in_the_future_waits),
          CASE(a_replica_id_used_twice_is_an_alarm),
          CASE(of_two_links_one_is_used),
          CASE(a_document_shared_late_is_found),
          CASE(each_document_goes_its_own_way),
          CASE(garbage_and_other_versions_are_refused),
          CASE(who_does_not_greet_is_dropped_in_time),
          CASE(who_falls_silent_is_dropped), CASE(a_long_sleep_is_no_silence),
          CASE(who_says_what_does_not_end_is_dropped),
          CASE(who_sends_and_never_reads_is_dropped),
          CASE(running_out_of_memory_only_delays),
          CASE(what_was_swept_comes_back_through_sessions))
