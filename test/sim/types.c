/*
 * Every type over a network that breaks: nodes in a mesh whose streams are
 * torn and whose links are cut and tied at random, each writing all there is
 * to write. When the links hold again all become the same; two of them are
 * watched, and what they tell of makes a copy that reads the same.
 *
 *     write  write  cut  poll  write  tie  poll ...  tie all  poll until equal
 */
#define CRDTSYNC_IMPLEMENTATION
#include "../../crdtsync.h"
#include "../../transports/crdtsync_loopback.h"

#include "../fuzz/doc.h"
#include "../mirror.h"
#include "../test.h"

enum { NODES_MAX = 6, WATCHED = 2, STEPS = 150 };

typedef struct {
    uint64_t now_ms, dice;
    crdt_clock clock;
    crdt_random random;
    crdt_loopback_hub *hub;
    int count;
    crdt_doc *docs[NODES_MAX];
    crdt_node *nodes[NODES_MAX];
    crdt_transport ends[NODES_MAX];
    mirror mirrors[WATCHED];
} world;

static uint64_t world_ms(void *ctx)
{
    return ((world *)ctx)->now_ms;
}

static crdt_err world_fill(void *ctx, void *out, size_t len)
{
    uint8_t *at = (uint8_t *)out;
    size_t i;
    for (i = 0; i < len; i++)
        at[i] = (uint8_t)test_random(&((world *)ctx)->dice);
    return CRDT_OK;
}

static uint32_t below(world *w, uint32_t bound)
{
    return test_below(&w->dice, bound);
}

/* Replica ids are those that fuzz_write hands rights to. */
static void world_add(world *w)
{
    int i = w->count++;
    crdt_id id = fuzz_id(i + 1);
    crdt_config doc_config;
    crdt_node_config config;
    memset(&doc_config, 0, sizeof doc_config);
    memset(&config, 0, sizeof config);
    doc_config.clock = config.clock = &w->clock;
    doc_config.random = config.random = &w->random;
    doc_config.replica = &id;
    CHECK_INT(crdt_doc_new(&w->docs[i], &doc_config), CRDT_OK);
    CHECK_INT(crdt_node_new(&w->nodes[i], &config), CRDT_OK);
    CHECK_INT(crdt_node_share(w->nodes[i], CRDT_STR("d"), w->docs[i]),
              CRDT_OK);
    CHECK_INT(crdt_loopback_new(&w->ends[i], w->hub), CRDT_OK);
    CHECK_INT(crdt_node_attach(w->nodes[i], &w->ends[i]), CRDT_OK);
    if (i < WATCHED)
        CHECK_INT(mirror_watch(&w->mirrors[i], w->docs[i]), CRDT_OK);
}

static void world_new(world *w, uint64_t seed)
{
    crdt_loopback_config config;
    uint32_t nodes;
    memset(w, 0, sizeof *w);
    memset(&config, 0, sizeof config);
    w->now_ms = FUZZ_WALL_MS;
    w->dice = seed;
    w->clock.version = w->random.version = 1;
    w->clock.ctx = w->random.ctx = w;
    w->clock.wall_ms = w->clock.mono_ms = world_ms;
    w->random.fill = world_fill;
    config.manual = 1;
    config.tear_seed = seed & 1 ? seed : 0;
    CHECK_INT(crdt_loopback_hub_new(&w->hub, &config), CRDT_OK);
    for (nodes = 2 + below(w, NODES_MAX - 1); nodes > 0; nodes--)
        world_add(w);
}

static void world_free(world *w)
{
    int i;
    for (i = 0; i < w->count; i++) {
        crdt_node_free(w->nodes[i]);
        crdt_doc_free(w->docs[i]);
    }
    for (i = 0; i < WATCHED; i++)
        mirror_end(&w->mirrors[i]);
    crdt_loopback_hub_free(w->hub);
}

/* >>what happens ---------------------------------------------------------- */

static void run(world *w, uint32_t rounds)
{
    int i;
    for (; rounds > 0; rounds--) {
        for (i = 0; i < w->count; i++)
            CHECK_INT(crdt_node_poll(w->nodes[i], 0), CRDT_OK);
        w->now_ms += 5;
    }
}

static void link_all(world *w)
{
    int i;
    for (i = 1; i < w->count; i++)
        (void)crdt_loopback_link(&w->ends[i - 1], &w->ends[i]);
}

static void write_some(world *w, crdt_doc *doc)
{
    uint32_t writes = 1 + below(w, 4);
    for (; writes > 0; writes--)
        fuzz_write(doc, below(w, 256));
    if (below(w, 8))
        CHECK_INT(crdt_commit(doc), CRDT_OK);
}

/* Forgets removals that another knows of. */
static void forget_some(crdt_doc *doc, const crdt_doc *other)
{
    crdt_vv vv = CRDT_VV_INIT;
    CHECK_INT(crdt_doc_vv(other, &vv), CRDT_OK);
    CHECK_INT(crdt_truncate(doc, &vv), CRDT_OK);
    crdt_vv_free(&vv);
}

static void step(world *w)
{
    uint32_t count = (uint32_t)w->count, i = below(w, count);
    uint32_t other = (i + 1 + below(w, count - 1)) % count;
    switch (below(w, 16)) {
    case 0:
        forget_some(w->docs[i], w->docs[other]);
        break;
    case 1:
    case 2:
    case 3:
        (void)crdt_loopback_link(&w->ends[i], &w->ends[other]);
        break;
    case 4:
    case 5:
    case 6:
        (void)crdt_loopback_unlink(&w->ends[i], &w->ends[other]);
        break;
    default:
        write_some(w, w->docs[i]);
        break;
    }
    run(w, below(w, 4));
}

/* >>what must be so ------------------------------------------------------- */

static int is_same(crdt_doc *a, crdt_doc *b)
{
    static struct fuzz_look x, y;
    fuzz_look(&x, a, 1);
    fuzz_look(&y, b, 1);
    return fuzz_same_state(&x, &y, 1);
}

static int is_equal(const world *w)
{
    int i;
    for (i = 1; i < w->count; i++)
        if (!is_same(w->docs[0], w->docs[i]))
            return 0;
    return 1;
}

static void check_end(world *w)
{
    int i;
    crdt_node_stats stats;
    CHECK(is_equal(w));
    for (i = 0; i < w->count; i++) {
        crdt_node_get_stats(w->nodes[i], &stats);
        CHECK_INT(stats.alarms, 0);
        CHECK(!check_doc(w->docs[i]));
    }
}

static void check_mirrors(const world *w)
{
    int i;
    for (i = 0; i < WATCHED; i++)
        if (!crdt_doc_uncommitted(w->docs[i])) {
            CHECK(mirror_is_right(&w->mirrors[i]));
            CHECK_INT(w->mirrors[i].lost, 0);
        }
}

/* Returns how often the watchers were told. */
static unsigned storm(uint64_t seed)
{
    static world w;
    int i, quiet;
    unsigned told;
    world_new(&w, seed);
    for (i = 0; i < STEPS; i++) {
        step(&w);
        check_mirrors(&w);
    }
    for (i = 0; i < w.count; i++)
        CHECK_INT(crdt_commit(w.docs[i]), CRDT_OK);
    link_all(&w);
    for (quiet = 0; quiet < 400 && !is_equal(&w); quiet += 5)
        run(&w, 5);
    check_end(&w);
    check_mirrors(&w);
    told = w.mirrors[0].told + w.mirrors[1].told;
    world_free(&w);
    return told;
}

TEST(all_types_survive_broken_links_and_torn_streams)
{
    uint64_t first = test_env("CRDT_SEED", 0), i;
    uint64_t count = test_env("CRDT_SEEDS", 50000) / 500 + 1;
    uint64_t told = 0;
    if (first)
        count = 1;
    for (i = 0; i < count && !test_failures_in_case; i++) {
        told += storm(first + i + !first);
        if (test_failures_in_case)
            printf("replay with CRDT_SEED=%llu\n",
                   (unsigned long long)(first + i + !first));
    }
    printf("%llu seeds, told %llu times\n", (unsigned long long)i,
           (unsigned long long)told);
    CHECK(told > 10 * count);
}

TEST_MAIN(CASE(all_types_survive_broken_links_and_torn_streams))
