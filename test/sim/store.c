/* Nodes with stores: what is acknowledged survives, nothing that is not
 * durable is heard of elsewhere, and no replica id is used by two. */
#define CRDTSYNC_IMPLEMENTATION
#include "../../crdtsync.h"
#include "../../transports/crdtsync_loopback.h"

#include "../test.h"

#include "../memory_store.h"

#define NODES 3

struct peer {
    struct memory_store disk;
    crdt_doc *doc;
    crdt_node *node;
    crdt_vv durable; /* what a flush has said to be */
};

struct world {
    uint64_t now_ms, dice, wall_ms;
    uint32_t store_ms, roster_ms;
    crdt_clock clock;
    crdt_random random;
    crdt_loopback_hub *hub;
    struct peer peers[NODES];
};

static uint64_t mono_ms(void *ctx)
{
    return ((struct world *)ctx)->now_ms;
}

static uint64_t wall_ms(void *ctx)
{
    return ((struct world *)ctx)->wall_ms;
}

static crdt_err fill(void *ctx, void *out, size_t len)
{
    uint8_t *at = (uint8_t *)out;
    size_t i;
    for (i = 0; i < len; i++)
        at[i] = (uint8_t)test_random(&((struct world *)ctx)->dice);
    return CRDT_OK;
}

static crdt_doc *doc_new(struct world *w)
{
    crdt_config config;
    crdt_doc *doc = NULL;
    memset(&config, 0, sizeof config);
    config.clock = &w->clock;
    config.random = &w->random;
    CHECK_INT(crdt_doc_new(&doc, &config), CRDT_OK);
    return doc;
}

static crdt_node *node_new(struct world *w, struct memory_store *disk)
{
    crdt_store store = memory_store_open(disk);
    crdt_node_config config;
    crdt_node *node = NULL;
    memset(&config, 0, sizeof config);
    config.clock = &w->clock;
    config.random = &w->random;
    config.store = &store;
    config.store_ms = w->store_ms;
    config.roster_ms = w->roster_ms;
    CHECK_INT(crdt_node_new(&node, &config), CRDT_OK);
    return node;
}

static void peer_start(struct world *w, int i, int is_linked)
{
    struct peer *p = &w->peers[i];
    crdt_transport end;
    p->doc = doc_new(w);
    p->node = node_new(w, &p->disk);
    CHECK_INT(crdt_node_share(p->node, CRDT_STR("d"), p->doc), CRDT_OK);
    if (!is_linked)
        return;
    CHECK_INT(crdt_loopback_new(&end, w->hub), CRDT_OK);
    CHECK_INT(crdt_node_attach(p->node, &end), CRDT_OK);
}

/* Frees memory, as the end of a process would; nothing reaches the disk. */
static void peer_kill(struct world *w, int i)
{
    struct peer *p = &w->peers[i];
    (void)w;
    p->disk.fails = CRDT_ERR_IO;
    crdt_node_free(p->node);
    crdt_doc_free(p->doc);
    p->disk.fails = CRDT_OK;
    p->node = NULL;
}

static void peer_stop(struct world *w, int i)
{
    (void)w;
    crdt_node_free(w->peers[i].node);
    crdt_doc_free(w->peers[i].doc);
    w->peers[i].node = NULL;
}

static void world_new(struct world *w, uint64_t seed, int is_linked)
{
    int i;
    memset(w, 0, sizeof *w);
    w->now_ms = 1000000;
    w->wall_ms = 1700000000000u;
    w->dice = seed;
    w->roster_ms = 100;
    w->clock.version = w->random.version = 1;
    w->clock.ctx = w->random.ctx = w;
    w->clock.wall_ms = wall_ms;
    w->clock.mono_ms = mono_ms;
    w->random.fill = fill;
    CHECK_INT(crdt_loopback_hub_new(&w->hub, NULL), CRDT_OK);
    for (i = 0; i < NODES; i++) {
        memory_store_init(&w->peers[i].disk, seed * NODES + (uint64_t)i);
        peer_start(w, i, is_linked);
    }
}

static void world_free(struct world *w)
{
    int i;
    for (i = 0; i < NODES; i++) {
        if (w->peers[i].node)
            peer_stop(w, i);
        memory_store_free(&w->peers[i].disk);
        crdt_vv_free(&w->peers[i].durable);
    }
    crdt_loopback_hub_free(w->hub);
}

static void world_run(struct world *w, int rounds)
{
    int i;
    for (; rounds > 0; rounds--) {
        for (i = 0; i < NODES; i++)
            if (w->peers[i].node)
                CHECK_INT(crdt_node_poll(w->peers[i].node, 0), CRDT_OK);
        w->now_ms += 5;
        w->wall_ms += 5;
    }
}

static int digests_equal(crdt_doc *a, crdt_doc *b)
{
    crdt_digest x = crdt_doc_digest(a), y = crdt_doc_digest(b);
    return x.hi == y.hi && x.lo == y.lo;
}

static void put(crdt_doc *doc, const char *key, int64_t value)
{
    CHECK_INT(crdt_map_put_int(crdt_root(doc), crdt_str(key), value), CRDT_OK);
    CHECK_INT(crdt_commit(doc), CRDT_OK);
}

static int64_t get(crdt_doc *doc, const char *key)
{
    int64_t value = -1;
    crdt_map_get_int(crdt_root(doc), crdt_str(key), &value);
    return value;
}

static int id_equal(crdt_id a, crdt_id b)
{
    return crdt_id_compare(&a, &b) == 0;
}

/* >>one node -------------------------------------------------------------- */

TEST(a_clean_stop_keeps_the_replica_id)
{
    struct world w;
    crdt_id id;
    world_new(&w, 1, 0);
    id = crdt_doc_replica(w.peers[0].doc);
    put(w.peers[0].doc, "x", 1);
    peer_stop(&w, 0);
    peer_start(&w, 0, 0);
    CHECK_INT(get(w.peers[0].doc, "x"), 1);
    CHECK(id_equal(crdt_doc_replica(w.peers[0].doc), id));
    put(w.peers[0].doc, "x", 2);
    peer_stop(&w, 0);
    peer_start(&w, 0, 0);
    CHECK_INT(get(w.peers[0].doc, "x"), 2);
    CHECK(id_equal(crdt_doc_replica(w.peers[0].doc), id));
    world_free(&w);
}

TEST(a_document_that_the_store_has_let_go_has_another_id)
{
    struct world w;
    crdt_id id;
    world_new(&w, 2, 0);
    id = crdt_doc_replica(w.peers[0].doc);
    put(w.peers[0].doc, "x", 1);
    crdt_node_free(w.peers[0].node);
    CHECK(!id_equal(crdt_doc_replica(w.peers[0].doc), id));
    CHECK_INT(get(w.peers[0].doc, "x"), 1);
    crdt_doc_free(w.peers[0].doc);
    peer_start(&w, 0, 0);
    CHECK(id_equal(crdt_doc_replica(w.peers[0].doc), id));
    world_free(&w);
}

TEST(a_crash_is_the_end_of_the_replica_id) /* V9 */
{
    struct world w;
    crdt_id id;
    world_new(&w, 3, 0);
    id = crdt_doc_replica(w.peers[0].doc);
    put(w.peers[0].doc, "x", 1);
    CHECK_INT(crdt_node_flush(w.peers[0].node), CRDT_OK);
    peer_kill(&w, 0);
    peer_start(&w, 0, 0);
    CHECK_INT(get(w.peers[0].doc, "x"), 1);
    CHECK(!id_equal(crdt_doc_replica(w.peers[0].doc), id));
    /* And so it is when it is stopped cleanly without a word written. */
    peer_stop(&w, 0);
    peer_start(&w, 0, 0);
    CHECK(!id_equal(crdt_doc_replica(w.peers[0].doc), id));
    world_free(&w);
}

TEST(what_is_open_at_the_end_makes_it_unclean)
{
    struct world w;
    crdt_id id;
    world_new(&w, 4, 0);
    id = crdt_doc_replica(w.peers[0].doc);
    put(w.peers[0].doc, "x", 1);
    crdt_map_put_int(crdt_root(w.peers[0].doc), CRDT_STR("y"), 1);
    peer_stop(&w, 0);
    peer_start(&w, 0, 0);
    CHECK_INT(get(w.peers[0].doc, "y"), -1);
    CHECK(!id_equal(crdt_doc_replica(w.peers[0].doc), id));
    world_free(&w);
}

TEST(a_document_with_content_gets_what_is_stored)
{
    struct world w;
    crdt_doc *doc;
    crdt_obj text;
    int i;
    world_new(&w, 5, 0);
    put(w.peers[0].doc, "x", 1);
    text = crdt_map_text(crdt_root(w.peers[0].doc), CRDT_STR("t"));
    for (i = 0; i < 20; i++) { /* a record each, some of them strokes */
        CHECK_INT(crdt_text_insert(text, CRDT_CHARS, (size_t)i, CRDT_STR("a")),
                  CRDT_OK);
        crdt_commit(w.peers[0].doc);
        CHECK_INT(crdt_node_flush(w.peers[0].node), CRDT_OK);
    }
    peer_stop(&w, 0);
    doc = w.peers[0].doc = doc_new(&w);
    put(doc, "y", 2);
    w.peers[0].node = node_new(&w, &w.peers[0].disk);
    crdt_map_put_int(crdt_root(doc), CRDT_STR("open"), 1);
    CHECK_INT(crdt_node_share(w.peers[0].node, CRDT_STR("d"), doc),
              CRDT_ERR_UNCOMMITTED);
    crdt_commit(doc);
    CHECK_INT(crdt_node_share(w.peers[0].node, CRDT_STR("d"), doc), CRDT_OK);
    CHECK_INT(get(doc, "x"), 1);
    CHECK_INT(get(doc, "y"), 2);
    peer_stop(&w, 0);
    peer_start(&w, 0, 0);
    CHECK_INT(get(w.peers[0].doc, "x"), 1);
    CHECK_INT(get(w.peers[0].doc, "y"), 2);
    text = crdt_map_text(crdt_root(w.peers[0].doc), CRDT_STR("t"));
    CHECK_INT(crdt_text_len(text, CRDT_CHARS), 20);
    world_free(&w);
}

TEST(a_clock_set_back_by_years_does_not_lock_us_out) /* 26 */
{
    struct world w;
    world_new(&w, 6, 0);
    put(w.peers[0].doc, "x", 1);
    peer_stop(&w, 0);
    w.wall_ms -= UINT64_C(300000000000);
    peer_start(&w, 0, 0);
    CHECK_INT(get(w.peers[0].doc, "x"), 1);
    put(w.peers[0].doc, "x", 2); /* later than all that it has seen */
    peer_stop(&w, 0);
    peer_start(&w, 0, 0);
    CHECK_INT(get(w.peers[0].doc, "x"), 2);
    world_free(&w);
}

TEST(a_keystroke_takes_few_bytes)
{
    struct world w;
    struct memory_store *disk;
    crdt_obj text;
    uint64_t before;
    size_t i;
    world_new(&w, 7, 0);
    disk = &w.peers[0].disk;
    text = crdt_map_text(crdt_root(w.peers[0].doc), CRDT_STR("t"));
    for (i = 0; i < 101; i++) {
        if (i == 1)
            before = disk->bytes;
        crdt_text_insert(text, CRDT_CHARS, i, CRDT_STR("a"));
        crdt_commit(w.peers[0].doc);
        CHECK_INT(crdt_node_flush(w.peers[0].node), CRDT_OK);
    }
    CHECK(disk->bytes - before < 100 * 11);
    world_free(&w);
}

/* Of a counter that counts a million times no more is stored than of one that
 * did so ten times, but for the records since the snapshot. */
TEST(what_is_overtaken_is_compacted)
{
    struct world w;
    struct memory_doc *stored;
    size_t size = 0, i;
    world_new(&w, 8, 0);
    for (i = 0; i < 5000; i++) {
        put(w.peers[0].doc, "x", (int64_t)i);
        CHECK_INT(crdt_node_flush(w.peers[0].node), CRDT_OK);
    }
    stored = &w.peers[0].disk.docs[0];
    for (i = 0; i < stored->len; i++)
        size += stored->records[i].len;
    CHECK(size < 6000);
    world_free(&w);
}

TEST(floors_are_stored)
{
    struct world w;
    crdt_vv all = CRDT_VV_INIT, floor = CRDT_VV_INIT;
    world_new(&w, 9, 0);
    put(w.peers[0].doc, "x", 1);
    CHECK_INT(crdt_node_flush(w.peers[0].node), CRDT_OK);
    crdt_map_remove(crdt_root(w.peers[0].doc), CRDT_STR("x"));
    crdt_commit(w.peers[0].doc);
    CHECK_INT(crdt_node_flush(w.peers[0].node), CRDT_OK);
    crdt_doc_vv(w.peers[0].doc, &all);
    CHECK_INT(crdt_truncate(w.peers[0].doc, &all), CRDT_OK);
    CHECK_INT(crdt_node_flush(w.peers[0].node), CRDT_OK);
    peer_kill(&w, 0);
    peer_start(&w, 0, 0);
    crdt_doc_floor(w.peers[0].doc, &floor);
    CHECK_INT(crdt_vv_compare(&all, &floor), CRDT_EQUAL);
    crdt_vv_free(&all);
    crdt_vv_free(&floor);
    world_free(&w);
}

TEST(a_damaged_record_ends_what_is_read)
{
    struct world w;
    struct memory_doc *stored;
    crdt_node_stats stats;
    crdt_id id;
    world_new(&w, 10, 0);
    put(w.peers[0].doc, "x", 1);
    CHECK_INT(crdt_node_flush(w.peers[0].node), CRDT_OK);
    put(w.peers[0].doc, "y", 1);
    CHECK_INT(crdt_node_flush(w.peers[0].node), CRDT_OK);
    put(w.peers[0].doc, "z", 1);
    id = crdt_doc_replica(w.peers[0].doc);
    peer_stop(&w, 0);
    stored = &w.peers[0].disk.docs[0];
    CHECK_INT(stored->len, 3);
    stored->records[1].ptr[5] ^= 1;
    peer_start(&w, 0, 0);
    CHECK_INT(get(w.peers[0].doc, "x"), 1);
    CHECK_INT(get(w.peers[0].doc, "y"), -1);
    CHECK_INT(get(w.peers[0].doc, "z"), -1);
    CHECK(!id_equal(crdt_doc_replica(w.peers[0].doc), id));
    crdt_node_get_stats(w.peers[0].node, &stats);
    CHECK_INT(stats.damaged, 1);
    CHECK_INT(crdt_node_flush(w.peers[0].node), CRDT_OK);
    CHECK_INT(stored->len, 1); /* the rest is one snapshot */
    world_free(&w);
}

/* >>several nodes --------------------------------------------------------- */

TEST(own_writes_of_a_lost_life_come_back_from_peers) /* 29 */
{
    struct world w;
    struct memory_doc *stored;
    crdt_node_stats stats;
    world_new(&w, 11, 1);
    put(w.peers[0].doc, "x", 1);
    world_run(&w, 10);
    put(w.peers[0].doc, "y", 2);
    world_run(&w, 10);
    CHECK_INT(get(w.peers[1].doc, "y"), 2);
    peer_kill(&w, 0);
    stored = &w.peers[0].disk.docs[0]; /* back to a copy of before */
    memory_drop(stored, 1);
    stored->durable = 1;
    peer_start(&w, 0, 1);
    CHECK_INT(get(w.peers[0].doc, "y"), -1);
    put(w.peers[0].doc, "z", 3);
    world_run(&w, 20);
    CHECK_INT(get(w.peers[0].doc, "y"), 2);
    CHECK_INT(get(w.peers[1].doc, "z"), 3);
    crdt_node_get_stats(w.peers[1].node, &stats);
    CHECK_INT(stats.alarms, 0);
    world_free(&w);
}

/* An image of a disk, restored where nothing tells it from the disk as it was:
 * the replica id goes on, until a peer knows better. */
TEST(an_image_that_seems_to_be_the_disk_is_found_out) /* 29, 30 */
{
    struct world w;
    struct memory_doc *stored;
    crdt_id id;
    int i;
    world_new(&w, 21, 1);
    put(w.peers[0].doc, "x", 1);
    world_run(&w, 10);
    id = crdt_doc_replica(w.peers[0].doc);
    put(w.peers[0].doc, "y", 2);
    world_run(&w, 10);
    peer_stop(&w, 0);
    stored = &w.peers[0].disk.docs[0];
    memory_drop(stored, 1);
    stored->durable = 1;
    peer_start(&w, 0, 1);
    CHECK(id_equal(crdt_doc_replica(w.peers[0].doc), id));
    world_run(&w, 20);
    CHECK(!id_equal(crdt_doc_replica(w.peers[0].doc), id));
    for (i = 0; i < 40; i++) { /* peers try again after half a minute */
        world_run(&w, 1);
        w.now_ms += 1000;
    }
    CHECK_INT(get(w.peers[0].doc, "y"), 2);
    put(w.peers[0].doc, "z", 3);
    world_run(&w, 20);
    CHECK_INT(get(w.peers[1].doc, "z"), 3);
    CHECK(digests_equal(w.peers[0].doc, w.peers[1].doc));
    world_free(&w);
}

/* Two that go on under one id, both writing: nobody merges that in silence. */
TEST(twins_are_found_out) /* 30 */
{
    struct world w;
    crdt_node_stats stats;
    uint64_t alarms = 0;
    int i;
    world_new(&w, 22, 0);
    put(w.peers[0].doc, "x", 1);
    peer_stop(&w, 0);
    peer_stop(&w, 1);
    memory_store_free(&w.peers[1].disk);
    w.peers[1].disk = w.peers[0].disk;
    w.peers[1].disk.docs[0].records[0].ptr =
        (uint8_t *)malloc(w.peers[0].disk.docs[0].records[0].len);
    memcpy(w.peers[1].disk.docs[0].records[0].ptr,
           w.peers[0].disk.docs[0].records[0].ptr,
           w.peers[0].disk.docs[0].records[0].len);
    CHECK_INT(w.peers[0].disk.docs[0].len, 1);
    peer_start(&w, 0, 0);
    peer_start(&w, 1, 0);
    CHECK(id_equal(crdt_doc_replica(w.peers[0].doc),
                   crdt_doc_replica(w.peers[1].doc)));
    put(w.peers[0].doc, "here", 1);
    put(w.peers[1].doc, "there", 1);
    for (i = 0; i < 2; i++) {
        crdt_transport end;
        CHECK_INT(crdt_loopback_new(&end, w.hub), CRDT_OK);
        CHECK_INT(crdt_node_attach(w.peers[i].node, &end), CRDT_OK);
    }
    world_run(&w, 20);
    for (i = 0; i < 2; i++) {
        crdt_node_get_stats(w.peers[i].node, &stats);
        alarms += stats.alarms;
    }
    CHECK(alarms > 0);
    world_free(&w);
}

TEST(nothing_is_sent_before_it_is_durable) /* 32 */
{
    struct world w;
    world_new(&w, 12, 1);
    world_run(&w, 10);
    w.peers[0].disk.fails = CRDT_ERR_FULL;
    put(w.peers[0].doc, "x", 1);
    CHECK_INT(crdt_node_poll(w.peers[0].node, 0), CRDT_ERR_FULL);
    CHECK_INT(crdt_node_poll(w.peers[0].node, 0), CRDT_ERR_FULL);
    CHECK_INT(crdt_node_poll(w.peers[1].node, 0), CRDT_OK);
    CHECK_INT(get(w.peers[1].doc, "x"), -1);
    CHECK_INT(get(w.peers[0].doc, "x"), 1);
    /* Nor is acknowledged what comes. */
    put(w.peers[1].doc, "y", 1);
    CHECK_INT(crdt_node_poll(w.peers[1].node, 0), CRDT_OK);
    CHECK_INT(crdt_node_poll(w.peers[0].node, 0), CRDT_ERR_FULL);
    CHECK_INT(crdt_node_poll(w.peers[1].node, 0), CRDT_OK);
    CHECK_INT(get(w.peers[0].doc, "y"), 1);
    {
        crdt_id self = crdt_doc_replica(w.peers[1].doc);
        crdt_vv acked = CRDT_VV_INIT;
        w.peers[2].disk.fails = CRDT_ERR_FULL;
        crdt_node_acked(w.peers[1].node, CRDT_STR("d"), &acked);
        CHECK_INT(crdt_vv_get(&acked, &self), 0);
        crdt_vv_free(&acked);
        w.peers[2].disk.fails = CRDT_OK;
    }
    /* There is room again (20). */
    w.peers[0].disk.fails = CRDT_OK;
    world_run(&w, 10);
    CHECK_INT(get(w.peers[1].doc, "x"), 1);
    world_free(&w);
}

TEST(what_is_sent_waits_for_the_time_to_sync)
{
    struct world w;
    uint64_t syncs;
    int i;
    world_new(&w, 13, 0);
    peer_stop(&w, 0);
    peer_stop(&w, 1);
    w.store_ms = 50;
    peer_start(&w, 0, 1);
    peer_start(&w, 1, 1);
    world_run(&w, 40);
    syncs = w.peers[0].disk.syncs;
    for (i = 0; i < 9; i++) {
        put(w.peers[0].doc, "x", i);
        world_run(&w, 1); /* 5 ms */
        CHECK_INT(get(w.peers[1].doc, "x"), -1);
    }
    /* Nor does anybody spin until then: here it is the 45 ms that are over. */
    CHECK_INT(crdti_node_patience(w.peers[0].node, 1000), 5);
    w.peers[0].disk.fails = CRDT_ERR_FULL;
    w.now_ms += 5;
    CHECK_INT(crdt_node_poll(w.peers[0].node, 0), CRDT_ERR_FULL);
    CHECK(crdti_node_patience(w.peers[0].node, 1000) > 100);
    w.peers[0].disk.fails = CRDT_OK;
    world_run(&w, 3);
    CHECK_INT(w.peers[0].disk.syncs, syncs + 1);
    CHECK_INT(get(w.peers[1].doc, "x"), 8);
    world_free(&w);
}

TEST(a_lazy_store_never_waits)
{
    struct world w;
    crdt_id id;
    world_new(&w, 14, 0);
    peer_stop(&w, 0);
    peer_stop(&w, 1);
    w.store_ms = CRDT_STORE_LAZY;
    peer_start(&w, 0, 1);
    peer_start(&w, 1, 1);
    w.peers[0].disk.syncs = 0;
    put(w.peers[0].doc, "x", 1);
    world_run(&w, 10);
    CHECK_INT(get(w.peers[1].doc, "x"), 1);
    CHECK_INT(w.peers[0].disk.syncs, 0);
    id = crdt_doc_replica(w.peers[0].doc);
    peer_stop(&w, 0); /* which syncs, and is clean */
    CHECK_INT(w.peers[0].disk.syncs, 1);
    peer_start(&w, 0, 1);
    CHECK(id_equal(crdt_doc_replica(w.peers[0].doc), id));
    /* The machine stops: what others have heard of is lost, but not reused. */
    put(w.peers[0].doc, "x", 2);
    world_run(&w, 10);
    CHECK_INT(get(w.peers[1].doc, "x"), 2);
    peer_kill(&w, 0);
    memory_drop(&w.peers[0].disk.docs[0], w.peers[0].disk.docs[0].durable);
    peer_start(&w, 0, 1);
    CHECK_INT(get(w.peers[0].doc, "x"), 1);
    world_run(&w, 10);
    CHECK_INT(get(w.peers[0].doc, "x"), 2);
    world_free(&w);
}

/* >>members --------------------------------------------------------------- */

#define LEASE_MS 1000

static crdt_epoch_info epoch_of(struct world *w, int i)
{
    crdt_epoch_info info;
    memset(&info, 0, sizeof info);
    CHECK_INT(crdt_node_epoch(w->peers[i].node, CRDT_STR("d"), &info),
              CRDT_OK);
    return info;
}

static void ask(struct world *w, int i, crdt_sync_mode mode)
{
    CHECK_INT(
        crdt_node_full_sync(w->peers[i].node, CRDT_STR("d"), mode, LEASE_MS),
        CRDT_OK);
}

/* Who is that at the i-th node? */
static int status_of(struct world *w, int i, crdt_id replica)
{
    crdt_member_info info;
    size_t k;
    for (k = 0; !crdt_node_member(w->peers[i].node, CRDT_STR("d"), k, &info);
         k++)
        if (id_equal(info.replica, replica))
            return (int)info.status;
    return -1;
}

static const crdti_pact *pact_of(struct world *w, int i)
{
    return &crdti_roster_self(&w->peers[i].node->shares.ptr[0].roster)->pact;
}

/* All have written and have the same. */
static void world_of_members(struct world *w, uint64_t seed)
{
    static const char *const keys[] = { "a", "b", "c" };
    int i;
    world_new(w, seed, 1);
    for (i = 0; i < NODES; i++)
        put(w->peers[i].doc, keys[i], i);
    world_run(w, 60);
    for (i = 0; i < NODES; i++)
        CHECK_INT(epoch_of(w, i).members, NODES);
}

static void kill_all(struct world *w)
{
    int i;
    for (i = 0; i < NODES; i++) {
        peer_kill(w, i);
        memory_store_crash(&w->peers[i].disk);
    }
}

TEST(members_are_remembered_over_a_crash)
{
    struct world w;
    crdt_id ids[NODES], now;
    int i;
    world_of_members(&w, 31);
    for (i = 0; i < NODES; i++)
        ids[i] = crdt_doc_replica(w.peers[i].doc);
    ask(&w, 0, CRDT_SYNC_OPEN);
    world_run(&w, 60);
    CHECK_INT(crdt_node_evict(w.peers[0].node, CRDT_STR("d"), &ids[2]),
              CRDT_OK);
    CHECK_INT(crdt_node_flush(w.peers[0].node), CRDT_OK);
    kill_all(&w);
    peer_start(&w, 0, 1);
    now = crdt_doc_replica(w.peers[0].doc);
    CHECK(!id_equal(now, ids[0]));
    CHECK_INT(status_of(&w, 0, now), CRDT_MEMBER_ACTIVE);
    CHECK_INT(status_of(&w, 0, ids[0]), CRDT_MEMBER_LEFT);
    CHECK_INT(status_of(&w, 0, ids[1]), CRDT_MEMBER_ACTIVE);
    CHECK_INT(status_of(&w, 0, ids[2]), CRDT_MEMBER_EVICTED);
    CHECK_INT(epoch_of(&w, 0).number, 1);
    CHECK_INT(epoch_of(&w, 0).members, 2);
    CHECK(epoch_of(&w, 0).cut != NULL);
    /* The others wake, too, as new ones: who they were is waited for no more,
     * but by nobody's word but their own. */
    peer_start(&w, 1, 1);
    peer_start(&w, 2, 1);
    world_run(&w, 100);
    for (i = 0; i < NODES; i++) {
        CHECK_INT(epoch_of(&w, i).members, NODES);
        CHECK_INT(status_of(&w, i, ids[1]), CRDT_MEMBER_LEFT);
        CHECK_INT(status_of(&w, i, ids[2]), CRDT_MEMBER_LEFT);
    }
    ask(&w, 1, CRDT_SYNC_OPEN);
    world_run(&w, 60);
    CHECK_INT(epoch_of(&w, 2).number, 2);
    world_free(&w);
}

TEST(a_clean_stop_keeps_the_member)
{
    struct world w;
    crdt_id id;
    int round;
    world_of_members(&w, 32);
    id = crdt_doc_replica(w.peers[0].doc);
    for (round = 0; round < 3; round++) {
        peer_stop(&w, 0);
        world_run(&w, 20);
        CHECK_INT(status_of(&w, 1, id), CRDT_MEMBER_ACTIVE);
        peer_start(&w, 0, 1);
        CHECK(id_equal(crdt_doc_replica(w.peers[0].doc), id));
        CHECK_INT(epoch_of(&w, 0).members, NODES);
        world_run(&w, 60);
        CHECK_INT(epoch_of(&w, 1).members, NODES);
        ask(&w, 0, CRDT_SYNC_STRICT);
        world_run(&w, 60);
        CHECK_INT(epoch_of(&w, 2).number, round + 1);
    }
    world_free(&w);
}

/* One that only reads is nobody else after a clean stop. */
TEST(a_reader_keeps_its_replica_id)
{
    struct world w;
    crdt_id id;
    world_new(&w, 33, 1);
    put(w.peers[1].doc, "x", 1);
    world_run(&w, 60);
    id = crdt_doc_replica(w.peers[0].doc);
    peer_stop(&w, 0);
    peer_start(&w, 0, 1);
    CHECK(id_equal(crdt_doc_replica(w.peers[0].doc), id));
    world_run(&w, 60);
    CHECK_INT(epoch_of(&w, 1).members, NODES);
    peer_kill(&w, 0);
    peer_start(&w, 0, 1);
    CHECK(!id_equal(crdt_doc_replica(w.peers[0].doc), id));
    world_run(&w, 60);
    CHECK_INT(epoch_of(&w, 1).members, NODES);
    CHECK_INT(status_of(&w, 1, id), CRDT_MEMBER_LEFT);
    world_free(&w);
}

TEST(a_promise_is_durable_before_it_is_told)
{
    struct world w;
    int i;
    world_of_members(&w, 34);
    w.peers[0].disk.fails = CRDT_ERR_FULL;
    ask(&w, 0, CRDT_SYNC_OPEN);
    for (i = 0; i < 10; i++) {
        int j;
        CHECK_INT(crdt_node_poll(w.peers[0].node, 0), CRDT_ERR_FULL);
        for (j = 1; j < NODES; j++) {
            CHECK_INT(crdt_node_poll(w.peers[j].node, 0), CRDT_OK);
            CHECK_INT(epoch_of(&w, j).phase, CRDT_PHASE_WORK);
        }
        w.now_ms += 5;
    }
    CHECK_INT(epoch_of(&w, 0).phase, CRDT_PHASE_SYNC);
    w.peers[0].disk.fails = CRDT_OK;
    world_run(&w, 60);
    CHECK_INT(epoch_of(&w, 2).number, 1);
    world_free(&w);
}

/* What was accepted is not disowned by who comes back as another. */
TEST(an_accepted_cut_outlives_a_crash)
{
    struct world w;
    crdt_vv cut = CRDT_VV_INIT;
    crdti_ballot accepted;
    int rounds = 0;
    world_of_members(&w, 35);
    ask(&w, 0, CRDT_SYNC_OPEN);
    while (pact_of(&w, 0)->phase != CRDT_PHASE_READY && rounds++ < 150)
        CHECK_INT(crdt_node_poll(w.peers[rounds % NODES].node, 0), CRDT_OK);
    CHECK_INT(crdt_node_poll(w.peers[2].node, 0), CRDT_OK);
    CHECK_INT(pact_of(&w, 2)->phase, CRDT_PHASE_READY);
    accepted = pact_of(&w, 2)->accepted;
    CHECK_INT(crdt_vv_copy(&cut, &pact_of(&w, 2)->cut), CRDT_OK);
    kill_all(&w);
    peer_start(&w, 2, 0);
    CHECK_INT(pact_of(&w, 2)->phase, CRDT_PHASE_WORK);
    CHECK_INT(crdti_ballot_order(&pact_of(&w, 2)->accepted, &accepted), 0);
    CHECK_INT(crdti_ballot_order(&pact_of(&w, 2)->ballot, &accepted), 0);
    CHECK_INT(crdt_vv_compare(&pact_of(&w, 2)->cut, &cut), CRDT_EQUAL);
    crdt_vv_free(&cut);
    world_free(&w);
}

/* While something is open, what is promised is stored all the same, and the
 * table is in the snapshot. */
TEST(the_table_is_stored_beside_what_is_open)
{
    struct world w;
    struct memory_doc *stored;
    int i;
    world_of_members(&w, 36);
    crdt_map_put_int(crdt_root(w.peers[0].doc), CRDT_STR("open"), 1);
    ask(&w, 0, CRDT_SYNC_OPEN);
    world_run(&w, 60);
    CHECK_INT(epoch_of(&w, 1).number, 1);
    stored = &w.peers[0].disk.docs[0];
    crdt_commit(w.peers[0].doc);
    for (i = 0; i < 500; i++) {
        put(w.peers[0].doc, "x", i);
        CHECK_INT(crdt_node_flush(w.peers[0].node), CRDT_OK);
    }
    CHECK(stored->len < 300);
    kill_all(&w);
    peer_start(&w, 0, 0);
    CHECK_INT(epoch_of(&w, 0).number, 1);
    CHECK_INT(epoch_of(&w, 0).members, NODES);
    CHECK_INT(get(w.peers[0].doc, "x"), 499);
    world_free(&w);
}

/* Nothing is told, nothing is stored. */
TEST(who_is_alone_stores_no_table)
{
    struct world w;
    world_new(&w, 37, 0);
    CHECK_INT(crdt_node_poll(w.peers[0].node, 0), CRDT_OK);
    CHECK_INT(w.peers[0].disk.calls, 0);
    world_free(&w);
}

/* One round; who cannot store any more crashes and is back at once. */
static void mortal_round(struct world *w)
{
    int i;
    for (i = 0; i < NODES; i++) {
        if (!crdt_node_poll(w->peers[i].node, 0))
            continue;
        peer_kill(w, i);
        memory_store_crash(&w->peers[i].disk);
        w->peers[i].disk.dies_at = 0;
        peer_start(w, i, 1);
    }
    w->now_ms += 5;
    w->wall_ms += 5;
}

/* Nobody knows another cut of the same epoch. */
static void check_cuts(struct world *w)
{
    int i, j;
    for (i = 0; i < NODES; i++)
        for (j = 0; j < i; j++) {
            crdt_epoch_info a = epoch_of(w, i), b = epoch_of(w, j);
            if (a.number == b.number && a.cut && b.cut)
                CHECK_INT(crdt_vv_compare(a.cut, b.cut), CRDT_EQUAL);
        }
}

/* A full sync in which that node dies with its at-th write. Whether it did. */
static int one_crash(uint64_t at, int who, crdt_sync_mode mode)
{
    struct world w;
    uint64_t number = 0;
    int i, rounds, died;
    world_of_members(&w, at * NODES + (uint64_t)who);
    w.peers[who].disk.dies_of = CRDT_ERR_IO;
    w.peers[who].disk.dies_at = w.peers[who].disk.calls + at;
    put(w.peers[2].doc, "x", 1);
    ask(&w, 1, mode);
    for (rounds = 0; rounds < (LEASE_MS + 100) / 5; rounds++) {
        mortal_round(&w);
        check_cuts(&w);
    }
    died = !w.peers[who].disk.dies_at;
    for (i = 0; i < NODES; i++) {
        CHECK_INT(epoch_of(&w, i).phase, CRDT_PHASE_WORK);
        CHECK_INT(epoch_of(&w, i).members, NODES);
        CHECK(digests_equal(w.peers[0].doc, w.peers[i].doc));
        if (epoch_of(&w, i).number > number)
            number = epoch_of(&w, i).number;
    }
    w.peers[who].disk.dies_at = 0;
    ask(&w, 0, mode);
    for (rounds = 0; rounds < 60; rounds++)
        mortal_round(&w);
    for (i = 0; i < NODES; i++)
        CHECK(epoch_of(&w, i).number > number);
    check_cuts(&w);
    world_free(&w);
    if (test_failures_in_case)
        printf("write %d, node %d, mode %d\n", (int)at, who, (int)mode);
    return died;
}

TEST(anyone_may_crash_at_any_write_of_a_full_sync)
{
    int who, mode;
    for (who = 0; who < NODES; who++)
        for (mode = 0; mode < 2; mode++) {
            uint64_t at = 1;
            while (one_crash(at, who, (crdt_sync_mode)mode))
                at++;
            REQUIRE(!test_failures_in_case);
            CHECK(at > 4);
        }
}

/* >>random ---------------------------------------------------------------- */

static void write_something(struct world *w, crdt_doc *doc)
{
    crdt_obj root = crdt_root(doc);
    crdt_obj text = crdt_map_text(root, CRDT_STR("text"));
    crdt_obj list = crdt_map_list(root, CRDT_STR("list"));
    size_t len = crdt_text_len(text, CRDT_CHARS);
    size_t items = crdt_list_len(list);
    uint32_t at = test_below(&w->dice, (uint32_t)len + 1);
    char key[3] = { 'k', (char)('a' + test_below(&w->dice, 6)), 0 };
    switch (test_below(&w->dice, 9)) {
    case 0:
        crdt_map_put_int(root, crdt_str(key), test_below(&w->dice, 1000));
        break;
    case 1:
        crdt_map_remove(root, crdt_str(key));
        break;
    case 2:
        crdt_counter_add(crdt_map_counter(root, CRDT_STR("n")), 7);
        break;
    case 3:
        crdt_list_insert(list, test_below(&w->dice, (uint32_t)items + 1),
                         crdt_int(test_below(&w->dice, 99)));
        break;
    case 4:
        if (items)
            crdt_list_delete(list, test_below(&w->dice, (uint32_t)items), 1);
        break;
    case 5:
        if (at < len)
            crdt_text_delete(text, CRDT_CHARS, at, 1);
        break;
    default:
        crdt_text_insert(text, CRDT_CHARS, test_below(&w->dice, 3) ? len : at,
                         CRDT_STR("x"));
        break;
    }
}

static void round_of(struct world *w, int i)
{
    struct peer *p = &w->peers[i];
    int writes = (int)test_below(&w->dice, 4);
    for (; writes > 0; writes--) {
        write_something(w, p->doc);
        if (test_below(&w->dice, 2) == 0)
            crdt_commit(p->doc);
    }
    if (test_below(&w->dice, 8))
        crdt_commit(p->doc); /* else a poll finds open changes */
    CHECK_INT(crdt_node_poll(p->node, 0), CRDT_OK);
    crdt_commit(p->doc);
    if (test_below(&w->dice, 2)) {
        CHECK_INT(crdt_node_flush(p->node), CRDT_OK);
        if (!w->store_ms)
            CHECK_INT(crdt_doc_vv(p->doc, &p->durable), CRDT_OK);
    }
    w->now_ms += 3;
    w->wall_ms += 3;
}

static void crash_and_start(struct world *w, int i)
{
    struct peer *p = &w->peers[i];
    crdt_vv vv = CRDT_VV_INIT;
    crdt_order order;
    int is_clean = test_below(&w->dice, 3) == 0;
    if (is_clean) {
        peer_stop(w, i);
    } else {
        peer_kill(w, i);
        memory_store_crash(&p->disk);
    }
    peer_start(w, i, 1);
    crdt_doc_vv(p->doc, &vv);
    order = crdt_vv_compare(&vv, &p->durable);
    CHECK(order == CRDT_EQUAL || order == CRDT_AFTER);
    crdt_vv_free(&vv);
}

static void one_seed(uint64_t seed)
{
    struct world w;
    int failed = test_failures_in_case, i, steps = 60;
    uint64_t alarms = 0;
    world_new(&w, seed, 1);
    w.store_ms = seed % 3 == 0 ? 20 : 0;
    for (; steps > 0; steps--) {
        i = (int)test_below(&w.dice, NODES);
        if (test_below(&w.dice, 12) == 0)
            crash_and_start(&w, i);
        else
            round_of(&w, i);
    }
    for (i = 0; i < NODES; i++)
        crdt_commit(w.peers[i].doc);
    world_run(&w, 3000 / 5);
    for (i = 0; i < NODES; i++) {
        crdt_node_stats stats;
        crdt_node_get_stats(w.peers[i].node, &stats);
        alarms += stats.alarms + stats.damaged;
        CHECK(digests_equal(w.peers[0].doc, w.peers[i].doc));
    }
    CHECK_INT(alarms, 0);
    world_free(&w);
    if (test_failures_in_case > failed)
        printf("seed %llu\n", (unsigned long long)seed);
}

TEST(random_crashes)
{
    uint64_t seed = test_env("CRDT_SEED", 1);
    uint64_t seeds = test_env("CRDT_SEEDS", 500);
    for (; seeds > 0; seeds--)
        one_seed(seed++);
}

TEST_MAIN(
    CASE(a_clean_stop_keeps_the_replica_id),
    CASE(a_document_that_the_store_has_let_go_has_another_id),
    CASE(a_crash_is_the_end_of_the_replica_id),
    CASE(what_is_open_at_the_end_makes_it_unclean),
    CASE(a_document_with_content_gets_what_is_stored),
    CASE(a_clock_set_back_by_years_does_not_lock_us_out),
    CASE(a_keystroke_takes_few_bytes), CASE(what_is_overtaken_is_compacted),
    CASE(floors_are_stored), CASE(a_damaged_record_ends_what_is_read),
    CASE(own_writes_of_a_lost_life_come_back_from_peers),
    CASE(an_image_that_seems_to_be_the_disk_is_found_out),
    CASE(twins_are_found_out), CASE(nothing_is_sent_before_it_is_durable),
    CASE(what_is_sent_waits_for_the_time_to_sync),
    CASE(a_lazy_store_never_waits), CASE(members_are_remembered_over_a_crash),
    CASE(a_clean_stop_keeps_the_member), CASE(a_reader_keeps_its_replica_id),
    CASE(a_promise_is_durable_before_it_is_told),
    CASE(an_accepted_cut_outlives_a_crash),
    CASE(the_table_is_stored_beside_what_is_open),
    CASE(who_is_alone_stores_no_table),
    CASE(anyone_may_crash_at_any_write_of_a_full_sync), CASE(random_crashes))
