/* Memory runs out in a node with a store, at each request: the call says so,
 * nothing has changed, and the next try succeeds. */
#define CRDTSYNC_IMPLEMENTATION
#include "../../crdtsync.h"
#include "../../stores/crdtsync_file.h"
#include "../../transports/crdtsync_loopback.h"

#include "../failing_alloc.h"
#include "../test.h"

#include "../crash/disk.h"

static struct failing_alloc memory;
static struct disk disk;

/* Tries again as long as memory has run out. */
#define PATIENTLY(call)                                                       \
    do {                                                                      \
        crdt_err err_ = CRDT_ERR_NOMEM;                                       \
        int tries_;                                                           \
        for (tries_ = 0; err_ == CRDT_ERR_NOMEM && tries_ < 3; tries_++)      \
            err_ = (call);                                                    \
        CHECK_INT(err_, CRDT_OK);                                             \
    } while (0)

static crdt_err store_open(crdt_store *out)
{
    crdt_file_config config;
    crdt_file_io io;
    memset(&config, 0, sizeof config);
    disk_io(&disk, &io);
    config.io = &io;
    config.alloc = &memory.table;
    return crdt_file_new(out, &config);
}

struct program {
    crdt_store store;
    crdt_node *node;
    crdt_doc *doc;
    crdt_loopback_hub *hub;
};

static crdt_err doc_open(struct program *p)
{
    crdt_config config;
    memset(&config, 0, sizeof config);
    config.alloc = &memory.table;
    return crdt_doc_new(&p->doc, &config);
}

static crdt_err node_open(struct program *p)
{
    crdt_node_config config;
    memset(&config, 0, sizeof config);
    config.alloc = &memory.table;
    config.store = &p->store;
    return crdt_node_new(&p->node, &config);
}

/* After a share that failed the document is thrown away. */
static crdt_err share(struct program *p)
{
    crdt_err err = CRDT_OK;
    if (!p->doc)
        err = doc_open(p);
    if (!err)
        err = crdt_node_share(p->node, CRDT_STR("doc"), p->doc);
    if (err) {
        crdt_doc_free(p->doc);
        p->doc = NULL;
    }
    return err;
}

static crdt_err put(crdt_doc *doc, const char *key, int64_t value)
{
    crdt_err err = crdt_map_put_int(crdt_root(doc), crdt_str(key), value);
    return err ? err : crdt_commit(doc);
}

static crdt_err type(crdt_doc *doc)
{
    crdt_obj text = crdt_map_text(crdt_root(doc), CRDT_STR("text"));
    crdt_err err = crdt_is_null(text) ? crdt_doc_error(doc) : CRDT_OK;
    if (!err)
        err = crdt_text_insert(text, CRDT_CHARS,
                               crdt_text_len(text, CRDT_CHARS), CRDT_STR("x"));
    return err ? err : crdt_commit(doc);
}

/* A full sync with another, which has all the memory it wants: the table of
 * members is stored, and read back when the program is run again. */
static void meet(struct program *p)
{
    crdt_loopback_hub *hub = NULL;
    crdt_node *other = NULL;
    crdt_doc *doc = NULL;
    crdt_transport ends[2];
    crdt_epoch_info before, info;
    int i;
    CHECK_INT(crdt_loopback_hub_new(&hub, NULL), CRDT_OK);
    CHECK_INT(crdt_node_new(&other, NULL), CRDT_OK);
    CHECK_INT(crdt_doc_new(&doc, NULL), CRDT_OK);
    CHECK_INT(crdt_node_share(other, CRDT_STR("doc"), doc), CRDT_OK);
    CHECK_INT(crdt_node_epoch(p->node, CRDT_STR("doc"), &before), CRDT_OK);
    for (i = 0; i < 2; i++) {
        CHECK_INT(crdt_loopback_new(&ends[i], hub), CRDT_OK);
        PATIENTLY(crdt_node_attach(i ? other : p->node, &ends[i]));
    }
    for (i = 0; i < 30; i++) { /* a link that had to be dropped comes back */
        CHECK_INT(crdt_loopback_link(&ends[0], &ends[1]), CRDT_OK);
        PATIENTLY(crdt_node_poll(p->node, 0));
        PATIENTLY(crdt_node_poll(other, 0));
        if (i == 20)
            CHECK_INT(crdt_node_leave(other, CRDT_STR("doc")), CRDT_OK);
        if (i == 10)
            CHECK_INT(crdt_node_full_sync(p->node, CRDT_STR("doc"),
                                          CRDT_SYNC_OPEN, 0),
                      CRDT_OK);
    }
    CHECK_INT(crdt_node_epoch(p->node, CRDT_STR("doc"), &info), CRDT_OK);
    CHECK_INT(info.number, before.number + 1);
    crdt_node_free(other);
    crdt_doc_free(doc);
    for (i = 0; i < 3; i++)
        PATIENTLY(crdt_node_poll(p->node, 0));
    p->hub = hub;
}

static void program_run(struct program *p)
{
    crdt_vv all = CRDT_VV_INIT;
    int i;
    memset(p, 0, sizeof *p);
    PATIENTLY(store_open(&p->store));
    PATIENTLY(node_open(p));
    PATIENTLY(share(p));
    if (!p->doc)
        return;
    for (i = 0; i < 3; i++) {
        PATIENTLY(type(p->doc));
        PATIENTLY(crdt_node_flush(p->node));
        PATIENTLY(put(p->doc, i % 2 ? "x" : "y", i));
        PATIENTLY(crdt_node_poll(p->node, 0));
    }
    CHECK_INT(crdt_doc_vv(p->doc, &all), CRDT_OK);
    PATIENTLY(crdt_truncate(p->doc, &all));
    PATIENTLY(crdt_node_flush(p->node));
    crdt_vv_free(&all);
    meet(p);
}

static void program_end(struct program *p)
{
    crdt_node_free(p->node);
    crdt_doc_free(p->doc);
    crdt_loopback_hub_free(p->hub);
}

static void disk_new(void)
{
    disk_free(&disk);
    disk_init(&disk, 1);
}

TEST(each_request_may_fail)
{
    struct program p;
    size_t at, all = SIZE_MAX;
    for (at = 1; at <= all && !test_failures_in_case; at++) {
        int64_t x = 0;
        int again;
        disk_new();
        failing_alloc_init(&memory);
        memory.fail_at = at;
        for (again = 0; again < 2; again++) { /* new, and as it was left */
            program_run(&p);
            if (!p.doc)
                break;
            crdt_map_get_int(crdt_root(p.doc), CRDT_STR("x"), &x);
            CHECK_INT(x, 1);
            program_end(&p);
        }
        all = memory.requests;
        CHECK(failing_alloc_clean(&memory));
        if (test_failures_in_case)
            printf("request %lu of %lu\n", (unsigned long)at,
                   (unsigned long)all);
    }
    CHECK(all > 100);
    disk_free(&disk);
}

/* Once it is out, it is out: no call succeeds by halves, nothing leaks, and
 * what was acknowledged is on the disk. */
TEST(from_then_on)
{
    size_t at;
    for (at = 1; at < 400 && !test_failures_in_case; at++) {
        struct program p;
        crdt_err err;
        int64_t acked = -1, x = -1;
        int i;
        disk_new();
        failing_alloc_init(&memory);
        memory.fail_at = at;
        memory.from_then_on = 1;
        memset(&p, 0, sizeof p);
        err = store_open(&p.store);
        if (!err && (err = node_open(&p)) != CRDT_OK)
            p.store.close(p.store.ctx, 0);
        if (!err)
            err = share(&p);
        for (i = 0; i < 20 && !err; i++) {
            err = put(p.doc, "x", i);
            if (!err)
                err = crdt_node_flush(p.node);
            if (!err)
                acked = i;
        }
        CHECK(!err || err == CRDT_ERR_NOMEM);
        crdt_node_free(p.node);
        crdt_doc_free(p.doc);
        CHECK(failing_alloc_clean(&memory));
        failing_alloc_init(&memory);
        disk_power_off(&disk);
        memset(&p, 0, sizeof p);
        CHECK_INT(store_open(&p.store), CRDT_OK);
        CHECK_INT(node_open(&p), CRDT_OK);
        CHECK_INT(share(&p), CRDT_OK);
        crdt_map_get_int(crdt_root(p.doc), CRDT_STR("x"), &x);
        CHECK(x >= acked);
        program_end(&p);
    }
    disk_free(&disk);
}

TEST_MAIN(CASE(each_request_may_fail), CASE(from_then_on))
