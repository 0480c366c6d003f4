/* What a network may do to nodes, on real sockets: a test for each. The same
 * happens to them in the simulator, on a clock of its own. */

/* Those that never greet are put out sooner than by default. */
#define CRDTSYNC_HANDSHAKE_MS 400u

#define CRDTSYNC_IMPLEMENTATION
#include "crdtsync.h"
#include "crdtsync_tcp.h"
#include "crdtsync_udp.h"
#include "crdtsync_chaos.h"
#include "../failing_alloc.h"
#include "../transport/tcp.h"
#include "../transport/udp.h"
#include "../transport/spoilt.h"
#include "../transport/sites.h"

/* Around every end, when it says something. */
static const char *spec;

static crdt_err make_tcp(crdt_transport *out, size_t number,
                         const crdt_alloc *alloc)
{
    return spoil(out, tcp_make(out, number, alloc), spec, number, alloc);
}

static crdt_err make_udp(crdt_transport *out, size_t number,
                         const crdt_alloc *alloc)
{
    return spoil(out, udp_make(out, number, alloc), spec, number, alloc);
}

static const struct kit tcp = { .make = make_tcp, .finish = tcp_finish };
static const struct kit udp = { .make = make_udp, .finish = udp_finish };

static void over(const struct kit *which, const char *chaos)
{
    kit = which;
    spec = chaos;
}

static void set(size_t number, const char *items)
{
    char why[200] = "";
    if (crdt_chaos_set(&sites[number].t, items, why, sizeof why))
        CHECK_STR(why, "");
}

static void sites_poll_for(uint64_t ms)
{
    uint64_t until_ms = now_ms() + ms;
    while (now_ms() < until_ms)
        sites_poll();
}

static size_t peers_of(size_t number)
{
    crdt_peer_info info;
    size_t count = 0;
    while (!crdt_node_peer(sites[number].node, count, &info))
        count++;
    return count;
}

/* All write at once, again and again, and end equal. */
static void everyone_writes(size_t count, int rounds)
{
    char key[16];
    int i;
    size_t j;
    for (i = 0; i < rounds; i++) {
        for (j = 0; j < count; j++) {
            snprintf(key, sizeof key, "k%d", (i * 7 + (int)j) % 20);
            site_put(j, key, i);
        }
        sites_poll();
    }
}

static void survives(const struct kit *which, const char *chaos)
{
    over(which, chaos);
    SITES_BEGIN(4);
    everyone_writes(4, 50);
    SITES_UNTIL(sites_are_equal());
    sites_close();
}

/* >>trust ----------------------------------------------------------------- */

/* What is refused stays the caller's, who may say it then. */
TEST(nobody_is_trusted_before_the_program_says_so)
{
    crdt_node *node;
    crdt_transport t;
    over(&tcp, NULL);
    REQUIRE(!crdt_node_new(&node, NULL));
    REQUIRE(!kit->make(&t, 0, NULL));
    CHECK_INT(crdt_node_attach(node, &t), CRDT_ERR_TRUST);
    t.properties |= CRDT_TRUSTED_PEERS;
    CHECK_INT(crdt_node_attach(node, &t), CRDT_OK);
    crdt_node_free(node);
    kit->finish();
}

/* >>1 to 5 ---------------------------------------------------------------- */

TEST(s1_loss)
{
    survives(&udp, "loss=10%");
    survives(&udp, "loss=20%,delay=1ms");
    survives(&udp, "loss=30%");
    survives(&tcp, "loss=30%");
}

TEST(s2_duplication)
{
    survives(&udp, "dup=20%");
    survives(&udp, "dup=50%,jitter=3ms");
}

TEST(s3_reorder)
{
    survives(&udp, "reorder=30%,delay=1ms");
    survives(&udp, "jitter=5ms");
}

static void partition(const struct kit *which, const char *items)
{
    over(which, "unreliable");
    SITES_BEGIN(3);
    site_put(0, "a", 1);
    SITES_UNTIL(sites_are_equal() && site_get(2, "a") == 1);
    set(1, items);
    site_put(0, "b", 1);
    site_put(1, "c", 1);
    everyone_writes(3, 20);
    SITES_UNTIL(site_get(2, "b") == 1); /* the others go on */
    sites_poll_for(300);
    CHECK(!sites_are_equal());
    CHECK(strcmp(items, "partition") != 0 || site_get(0, "c") < 0);
    set(1, "heal");
    SITES_UNTIL(sites_are_equal());
    sites_close();
}

TEST(s4_partition_with_both_sides_writing)
{
    partition(&tcp, "partition");
    partition(&udp, "partition");
}

TEST(s5_one_way_partition)
{
    partition(&tcp, "mute");
    partition(&udp, "mute");
    partition(&tcp, "deaf");
    partition(&udp, "deaf");
}

/* The silent side is given up in time, and nothing waits for it. */
TEST(s5_one_way_partition_times_out)
{
    over(&tcp, "unreliable");
    SITES_BEGIN(2);
    site_put(0, "a", 1);
    SITES_UNTIL(sites_are_equal() && peers_of(1) == 1);
    set(1, "mute");
    SITES_UNTIL(strstr(sites[0].said, "silent for too long"));
    SITES_UNTIL(peers_of(0) == 0);
    everyone_writes(2, 100);
    set(1, "heal");
    SITES_UNTIL(sites_are_equal());
    sites_close();
}

/* >>6 and 7 --------------------------------------------------------------- */

/* The other side is there for the system, and does nothing any more. */
TEST(s6_half_open_is_dead_by_heartbeat)
{
    uint64_t until_ms = now_ms() + DEADLINE_MS;
    over(&tcp, NULL);
    SITES_BEGIN(2);
    site_put(0, "a", 1);
    SITES_UNTIL(sites_are_equal());
    while (peers_of(0) && now_ms() < until_ms)
        CHECK_INT(crdt_node_poll(sites[0].node, 5), CRDT_OK);
    CHECK(strstr(sites[0].said, "silent for too long"));
    site_put(0, "b", 2);
    SITES_UNTIL(sites_are_equal() && site_get(1, "b") == 2); /* awake */
    sites_close();
}

/* One sleeps while 20 MB go by; the others have it at once. */
TEST(s7_a_slow_reader_stops_nobody_else)
{
    static uint8_t bytes[200000];
    uint64_t until_ms = now_ms() + DEADLINE_MS;
    int i;
    over(&tcp, NULL);
    SITES_BEGIN(3);
    SITES_UNTIL(peers_of(0) == 2);
    for (i = 0; i < 100; i++) {
        crdt_doc *doc = sites[0].doc;
        memset(bytes, i, sizeof bytes);
        CHECK_INT(crdt_map_put_bytes(crdt_root(doc), CRDT_STR("large"),
                                     crdt_bytes_of(bytes, sizeof bytes)),
                  CRDT_OK);
        CHECK_INT(crdt_map_put_int(crdt_root(doc), CRDT_STR("n"), i), CRDT_OK);
        CHECK_INT(crdt_commit(doc), CRDT_OK);
        while (site_get(1, "n") != i && now_ms() < until_ms) {
            CHECK_INT(crdt_node_poll(sites[1].node, 0), CRDT_OK);
            CHECK_INT(crdt_node_poll(sites[0].node, 0), CRDT_OK);
        }
    }
    CHECK_INT(site_get(1, "n"), 99);
    SITES_UNTIL(sites_are_equal()); /* it wakes up */
    sites_close();
}

/* >>8 to 10 --------------------------------------------------------------- */

TEST(s8_torn_streams)
{
    survives(&tcp, "tear=100%");
    survives(&tcp, "cut=2%"); /* half a frame, and a new link */
    survives(&udp, "tear=10%");
    survives(&udp, "corrupt=10%");
    survives(&tcp, "corrupt=1%"); /* noticed; a new link */
}

/* What somebody claims costs no memory before it is there. */
TEST(s9_huge_and_negative_lengths)
{
    static const char *const claims[] = {
        "\xc7\x22\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        "\xc7\x22\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        "\xc7\x22\x81\x80\x40", /* one more than a frame may have */
        "\xc7\x22\xff\xff\xff\xff\x0f"
    };
    struct failing_alloc memory;
    crdt_node_config config;
    crdt_node *node;
    crdt_transport t;
    size_t i, before;
    over(&tcp, NULL);
    failing_alloc_init(&memory);
    memset(&config, 0, sizeof config);
    config.alloc = &memory.table;
    REQUIRE(!crdt_node_new(&node, &config));
    REQUIRE(!kit->make(&t, 0, NULL));
    t.properties |= CRDT_TRUSTED_PEERS;
    REQUIRE(!crdt_node_attach(node, &t));
    crdt_node_poll(node, 0);
    before = memory.live_bytes;
    for (i = 0; i < 4 * sizeof claims / sizeof *claims; i++) {
        tcp_stranger(crdt_str(claims[i % 4]));
        crdt_node_poll(node, 5);
        CHECK(memory.live_bytes < before + 100000);
    }
    crdt_node_free(node);
    CHECK(failing_alloc_clean(&memory));
    kit->finish();
}

/* Of another version: told apart and put out; others notice nothing. */
TEST(s10_newer_and_older_versions)
{
    int version;
    over(&tcp, NULL);
    SITES_BEGIN(2);
    for (version = 0; version < 8; version++) {
        uint8_t bytes[8] = { 0xc7, 0, 0, 0, 0, 0, 0, 0 };
        if (version == 1)
            continue;
        bytes[1] = (uint8_t)(version << 5 | 2);
        tcp_stranger(crdt_bytes_of(bytes, sizeof bytes));
        sites_poll_for(10);
    }
    SITES_UNTIL(strstr(sites[0].said, crdt_err_text(CRDT_ERR_VERSION)));
    site_put(0, "a", 1);
    SITES_UNTIL(sites_are_equal() && site_get(1, "a") == 1);
    sites_close();
}

/* >>11 to 14 -------------------------------------------------------------- */

/* Long against any stall of the machine that tests. */
#define STORM_MS 3600000u

static crdti_tcp *tcp_of(size_t number)
{
    return (crdti_tcp *)ends[number].t.ctx;
}

/* How many dial again within a quarter of the time, from when this one does. */
static size_t dial_with(size_t number)
{
    uint64_t from_ms = tcp_of(number)->dials[0]->retry_ms;
    size_t i, count = 0;
    for (i = 1; i <= 100; i++) {
        uint64_t at_ms = tcp_of(i)->dials[0]->retry_ms;
        count += at_ms >= from_ms && at_ms < from_ms + STORM_MS / 4;
    }
    return count;
}

/* A hundred lose their server at once, and do not come back at once: of the
 * time within which they dial again, no quarter has most of them. */
TEST(s11_reconnect_storm)
{
    size_t i;
    over(&tcp, NULL);
    BEGIN();
    for (i = 1; i <= 100; i++)
        REQUIRE(end_open(i, NULL));
    UNTIL(links(0) == 100);
    for (i = 1; i <= 100; i++)
        tcp_of(i)->backoff_min_ms = tcp_of(i)->backoff_max_ms = STORM_MS;
    end_close(0);
    for (i = 1; i <= 100; i++)
        UNTIL(!is_linked(i));
    for (i = 1; i <= 100; i++)
        CHECK(dial_with(i) < 65);
    for (i = 1; i <= 100; i++)
        tcp_of(i)->dials[0]->retry_ms = 0; /* the time is over */
    REQUIRE(end_open(0, NULL));
    UNTIL(links(0) == 100);
    ends_close();
}

/* Connects and says nothing, or a byte now and then. */
TEST(s12_a_handshake_that_never_ends)
{
    struct sockaddr_in to;
    void *generic = &to;
    uint64_t until_ms;
    int fds[20], i;
    char byte = (char)0xc7;
    over(&tcp, NULL);
    SITES_BEGIN(2);
    SITES_UNTIL(peers_of(0) == 1);
    memset(&to, 0, sizeof to);
    to.sin_family = AF_INET;
    to.sin_port = htons((uint16_t)tcp_port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (i = 0; i < 20; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        REQUIRE(!connect(fds[i], (struct sockaddr *)generic, sizeof to));
    }
    SITES_UNTIL(peers_of(0) > 15);
    until_ms = now_ms() + DEADLINE_MS;
    while (peers_of(0) > 1 && now_ms() < until_ms) {
        for (i = 0; i < 20; i += 2)
            (void)!send(fds[i], &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        byte = (char)0x21;
        sites_poll_for(20);
    }
    SITES_UNTIL(peers_of(0) == 1);
    site_put(1, "a", 1);
    SITES_UNTIL(sites_are_equal() && site_get(0, "a") == 1);
    for (i = 0; i < 20; i++)
        close(fds[i]);
    sites_close();
}

/* s13, no large answer to an unproven address, is in udp.c. */

static void waves(const struct kit *which)
{
    int i;
    over(which, "unreliable");
    SITES_BEGIN(4);
    for (i = 0; i < 6; i++) {
        set((size_t)i % 4, i % 2 ? "partition" : "bandwidth=2k");
        set((size_t)(i + 1) % 4, "loss=50%");
        everyone_writes(4, 20);
        sites_poll_for(50);
        set((size_t)i % 4, "heal,loss=0,bandwidth=100M");
        set((size_t)(i + 1) % 4, "loss=0");
        sites_poll_for(50);
    }
    for (i = 0; i < 4; i++)
        set((size_t)i, "heal,loss=0,bandwidth=100M");
    SITES_UNTIL(sites_are_equal());
    sites_close();
}

TEST(s14_clog_and_heal_in_waves)
{
    waves(&tcp);
    waves(&udp);
}

TEST_MAIN(CASE(nobody_is_trusted_before_the_program_says_so), CASE(s1_loss),
          CASE(s2_duplication), CASE(s3_reorder),
          CASE(s4_partition_with_both_sides_writing),
          CASE(s5_one_way_partition), CASE(s5_one_way_partition_times_out),
          CASE(s6_half_open_is_dead_by_heartbeat),
          CASE(s7_a_slow_reader_stops_nobody_else), CASE(s8_torn_streams),
          CASE(s9_huge_and_negative_lengths),
          CASE(s10_newer_and_older_versions), CASE(s11_reconnect_storm),
          CASE(s12_a_handshake_that_never_ends),
          CASE(s14_clog_and_heal_in_waves))
