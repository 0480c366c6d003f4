/* A thousand peers of one node, over TCP: all in this process, each with a
 * node, a document and sockets of its own. */
#define CRDTSYNC_IMPLEMENTATION
#include "crdtsync.h"
#include "crdtsync_tcp.h"
#include "../failing_alloc.h"
#include "../test.h"

#include <sys/resource.h>

enum { PEERS = 1000, DEADLINE_MS = 60000 };

struct site {
    crdt_node *node;
    crdt_doc *doc;
};

static struct site hub, peers[PEERS];
static char address[32];

static int open_site(struct site *site, const crdt_alloc *alloc, int listens)
{
    crdt_node_config config;
    crdt_config doc_config;
    crdt_tcp_config tcp;
    crdt_transport t;
    const char *dialled = address;
    memset(&config, 0, sizeof config);
    memset(&doc_config, 0, sizeof doc_config);
    memset(&tcp, 0, sizeof tcp);
    config.alloc = doc_config.alloc = tcp.alloc = alloc;
    config.heartbeat_ms = 20000;
    tcp.peers_max = listens ? PEERS + 8 : 1;
    if (listens) {
        tcp.listen = "127.0.0.1:0";
    } else {
        tcp.peers = &dialled;
        tcp.peers_count = 1;
    }
    if (crdt_doc_new(&site->doc, &doc_config) ||
        crdt_node_new(&site->node, &config) ||
        crdt_node_share(site->node, CRDT_STR("d"), site->doc) ||
        crdt_tcp_new(&t, &tcp))
        return 0;
    if (listens)
        snprintf(address, sizeof address, "127.0.0.1:%u", crdt_tcp_port(&t));
    t.properties |= CRDT_TRUSTED_PEERS;
    return crdt_node_attach(site->node, &t) == CRDT_OK;
}

static void close_site(struct site *site)
{
    crdt_node_free(site->node);
    crdt_doc_free(site->doc);
}

/* How many have what the hub has. */
static int equal(void)
{
    crdt_digest a = crdt_doc_digest(hub.doc);
    int i, count = 0;
    for (i = 0; i < PEERS; i++) {
        crdt_digest b = crdt_doc_digest(peers[i].doc);
        count += a.hi == b.hi && a.lo == b.lo;
    }
    return count;
}

static void poll_all(void)
{
    int i;
    CHECK_INT(crdt_node_poll(hub.node, 0), CRDT_OK);
    for (i = 0; i < PEERS; i++)
        CHECK_INT(crdt_node_poll(peers[i].node, 0), CRDT_OK);
}

static void put(struct site *site, int64_t value)
{
    CHECK_INT(crdt_map_put_int(crdt_root(site->doc), CRDT_STR("n"), value),
              CRDT_OK);
    CHECK_INT(crdt_commit(site->doc), CRDT_OK);
}

/* Descriptors: a listener or a link, and the pipe that wakes. */
static int has_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        return 0;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_max >= 4 * PEERS + 64;
}

TEST(a_thousand_peers_and_what_they_weigh)
{
    struct failing_alloc memory;
    uint64_t until_ms = crdti_mono_ms(NULL) + DEADLINE_MS;
    size_t before;
    int i;
    if (!has_descriptors()) {
        printf("skipped: too few descriptors, see ulimit -n\n");
        return;
    }
    failing_alloc_init(&memory);
    REQUIRE(open_site(&hub, &memory.table, 1));
    before = memory.live_bytes;
    put(&hub, 1);
    for (i = 0; i < PEERS; i++)
        REQUIRE(open_site(&peers[i], NULL, 0));
    while (equal() < PEERS && crdti_mono_ms(NULL) < until_ms)
        poll_all();
    CHECK_INT(equal(), PEERS);
    put(&peers[17], 2); /* from one to all, by the hub */
    while (equal() < PEERS && crdti_mono_ms(NULL) < until_ms)
        poll_all();
    CHECK_INT(equal(), PEERS);
    until_ms = crdti_mono_ms(NULL) + 1200; /* queues give back memory */
    while (crdti_mono_ms(NULL) < until_ms)
        poll_all();
    printf("an idle peer: %lu bytes\n",
           (unsigned long)((memory.live_bytes - before) / PEERS));
    CHECK((memory.live_bytes - before) / PEERS < 100000);
    for (i = 0; i < PEERS; i++)
        close_site(&peers[i]);
    close_site(&hub);
    CHECK(failing_alloc_clean(&memory));
}

TEST_MAIN(CASE(a_thousand_peers_and_what_they_weigh))
