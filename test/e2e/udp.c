/* UDP alone, over the loopback interface: what its datagrams say, to whom it
 * answers, who finds whom. Strangers are plain sockets; some tests turn the
 * clock themselves. */
#define CRDTSYNC_IMPLEMENTATION
#include "crdtsync.h"
#include "crdtsync_udp.h"
#include "../transport/ends.h"

/* >>ends whose configuration the test writes ------------------------------ */

static crdt_udp_config configs[4];
static const char *peer_of[4];
static uint64_t turned_ms; /* 0: the clock of the system */

static uint64_t fake_ms(void *ctx)
{
    (void)ctx;
    return turned_ms ? turned_ms : now_ms();
}

static crdt_err make(crdt_transport *out, size_t number,
                     const crdt_alloc *alloc)
{
    static crdt_clock clock;
    clock.version = 1;
    clock.wall_ms = clock.mono_ms = fake_ms;
    configs[number].alloc = alloc;
    configs[number].clock = &clock;
    configs[number].log = said_log();
    return crdt_udp_new(out, &configs[number]);
}

static const struct kit by_hand = { .make = make };

static void prepare(void)
{
    size_t i;
    kit = &by_hand;
    ends_forget();
    memset(configs, 0, sizeof configs);
    said[0] = 0;
    turned_ms = 0;
    for (i = 0; i < 4; i++) {
        configs[i].listen = "127.0.0.1:0";
        configs[i].backoff_min_ms = 1;
        configs[i].backoff_max_ms = 20;
    }
}

static void call(size_t number, const char *address)
{
    peer_of[number] = address;
    configs[number].peers = &peer_of[number];
    configs[number].peers_count = 1;
}

static unsigned port_of(size_t number)
{
    return crdt_udp_port(&ends[number].t);
}

/* >>strangers ------------------------------------------------------------- */

static struct sockaddr_in local(unsigned port)
{
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static int stranger(void)
{
    struct sockaddr_in address = local(0);
    void *generic = &address;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (bind(fd, (struct sockaddr *)generic, sizeof address) < 0)
        abort();
    return fd;
}

static void stranger_send(int fd, const void *bytes, size_t len)
{
    struct sockaddr_in address = local(port_of(0));
    void *generic = &address;
    if (sendto(fd, bytes, len, 0, (struct sockaddr *)generic, sizeof address) <
        0)
        abort();
}

/* What end 0 answers, or 0: nothing. It answers in order: when somebody else,
 * who asks for a cookie afterwards, has it, there is no answer to wait for. */
static size_t answer(int fd, uint8_t out[2048])
{
    uint8_t call[48] = { 0 }, cookie[64];
    uint64_t until_ms = now_ms() + DEADLINE_MS;
    int other = stranger();
    ssize_t len;
    crdti_store64(crdti_udp_head(call, CRDTI_UDP_CALL, 1),
                  crdti_udp_realm(NULL));
    stranger_send(other, call, sizeof call);
    while (recv(other, cookie, sizeof cookie, MSG_DONTWAIT) < 0 &&
           now_ms() < until_ms)
        CHECK_INT(end_poll(0, turned_ms ? 0 : 2), CRDT_OK);
    close(other);
    len = recv(fd, out, 2048, MSG_DONTWAIT);
    return len > 0 ? (size_t)len : 0;
}

static size_t say(int fd, crdti_udp_kind kind, uint64_t id,
                  const uint64_t *words, size_t count, size_t size,
                  uint8_t out[2048])
{
    uint8_t bytes[128] = { 0 }, *at = crdti_udp_head(bytes, kind, id);
    size_t i;
    for (i = 0; i < count; i++, at += 8)
        crdti_store64(at, words[i]);
    if (!size)
        size = (size_t)(at - bytes);
    stranger_send(fd, bytes, size);
    return answer(fd, out);
}

/* A cookie for that id, or 0. */
static uint64_t ask(int fd, uint64_t id)
{
    uint64_t realm = crdti_udp_realm(NULL);
    uint8_t bytes[2048];
    size_t len = say(fd, CRDTI_UDP_CALL, id, &realm, 1, 48, bytes);
    if (!len)
        return 0;
    CHECK_INT(len, 18);
    CHECK_INT(bytes[0], 0xc8);
    CHECK_INT(bytes[1], 0x12);
    CHECK(crdti_load64(bytes + 2) == id);
    return crdti_load64(bytes + 10);
}

/* Whether it is let in; then its id there. */
static uint64_t enter(int fd, uint64_t id, uint64_t cookie)
{
    uint64_t words[3];
    uint8_t bytes[2048];
    size_t len;
    words[0] = crdti_udp_realm(NULL);
    words[1] = cookie;
    words[2] = 77;
    len = say(fd, CRDTI_UDP_OPEN, id, words, 3, 0, bytes);
    if (!len)
        return 0;
    CHECK_INT(len, 26);
    CHECK_INT(bytes[1], 0x14);
    CHECK(crdti_load64(bytes + 2) == id);
    return crdti_load64(bytes + 10);
}

/* >>cookies --------------------------------------------------------------- */

/* From the reference implementation of SipHash-2-4. */
TEST(siphash_is_siphash)
{
    uint8_t bytes[16];
    uint64_t key[2], words[2];
    int i;
    for (i = 0; i < 16; i++)
        bytes[i] = (uint8_t)i;
    key[0] = words[0] = crdti_load64(bytes);
    key[1] = words[1] = crdti_load64(bytes + 8);
    CHECK(crdti_udp_sip(key, words, 0) == UINT64_C(0x726fdb47dd0e0e31));
    CHECK(crdti_udp_sip(key, words, 1) == UINT64_C(0x93f5f5799a932462));
    CHECK(crdti_udp_sip(key, words, 2) == UINT64_C(0x3f2acc7f57c29bdb));
}

/* Nothing is kept and little is said before an address is proven. */
TEST(a_caller_gets_a_cookie_and_nothing_else)
{
    uint64_t realm = crdti_udp_realm(NULL), other = crdti_udp_realm("other");
    uint8_t bytes[2048];
    int fd = stranger();
    size_t i;
    prepare();
    OPEN(0);
    for (i = 1; i < 1000; i++)
        CHECK(ask(fd, i) != 0);
    CHECK_INT(((crdti_udp *)ends[0].t.ctx)->links_count, 0);
    CHECK_INT(ends[0].upcalls, 0);
    CHECK(ask(fd, 5) == ask(fd, 5));
    CHECK(ask(fd, 5) != ask(fd, 6));
    CHECK_INT(say(fd, CRDTI_UDP_CALL, 5, &realm, 1, 47, bytes), 0);
    CHECK_INT(say(fd, CRDTI_UDP_CALL, 5, &other, 1, 48, bytes), 0);
    close(fd);
    ends_close();
}

TEST(a_cookie_is_good_for_one_address_and_some_time)
{
    int fd = stranger(), other = stranger();
    uint64_t cookie, here;
    prepare();
    turned_ms = 600000;
    OPEN(0);
    cookie = ask(fd, 5);
    CHECK(enter(fd, 5, cookie ^ 1) == 0);
    CHECK(enter(fd, 6, cookie) == 0);
    CHECK(enter(other, 5, cookie) == 0);
    CHECK(enter(fd, 5, 0) == 0);
    turned_ms += 120000;
    CHECK(enter(fd, 5, cookie) == 0);
    CHECK_INT(ends[0].count, 0);
    cookie = ask(fd, 5);
    turned_ms += 60000;
    here = enter(fd, 5, cookie);
    CHECK(here != 0);
    CHECK_INT(ends[0].count, 1);
    CHECK(enter(fd, 5, cookie) == here); /* the answer was lost */
    CHECK_INT(ends[0].count, 1);
    CHECK_INT(((crdti_udp *)ends[0].t.ctx)->links_count, 1);
    close(fd);
    close(other);
    ends_close();
}

/* 20,000 datagrams of any bytes, many with a right beginning. */
TEST(garbage_gets_less_than_it_costs)
{
    uint8_t bytes[2048], out[2048];
    uint64_t dice = test_env("CRDT_SEED", 1);
    size_t sent = 0, answered = 0;
    int fd = stranger(), i;
    prepare();
    turned_ms = 1000;
    OPEN(0);
    for (i = 0; i < 20000; i++) {
        size_t len = 1 + test_below(&dice, 100), j;
        ssize_t got;
        for (j = 0; j < len; j++)
            bytes[j] = (uint8_t)test_random(&dice);
        if (i % 4) {
            bytes[0] = 0xc8;
            bytes[1] = (uint8_t)(0x10 | test_below(&dice, 16));
        }
        stranger_send(fd, bytes, len);
        sent += len;
        CHECK_INT(end_poll(0, 0), CRDT_OK);
        while ((got = recv(fd, out, sizeof out, MSG_DONTWAIT)) > 0)
            answered += (size_t)got;
        CHECK(answered <= sent);
    }
    CHECK_INT(ends[0].upcalls, 0);
    close(fd);
    ends_close();
}

/* >>links ----------------------------------------------------------------- */

TEST(only_who_knows_the_id_speaks_in_its_name)
{
    int fd = stranger(), other = stranger();
    uint8_t bytes[2048];
    uint64_t here, data[12] = { 0 };
    prepare();
    OPEN(0);
    here = enter(fd, 5, ask(fd, 5));
    REQUIRE(here != 0 && ends[0].count == 1);
    crdti_store32(data, 1);
    crdti_store32((uint8_t *)data + 4, HEAD); /* a message of end.h */
    CHECK_INT(say(fd, CRDTI_UDP_DATA, here, data, 1, 0, bytes), 0);
    CHECK_INT(last(0)->got, 1);
    CHECK_INT(say(fd, CRDTI_UDP_DATA, here ^ 1 << 20, data, 1, 0, bytes), 10);
    CHECK_INT(bytes[1], 0x18); /* GONE */
    CHECK_INT(say(other, CRDTI_UDP_DATA, here, data, 1, 0, bytes), 10);
    CHECK_INT(say(other, CRDTI_UDP_BYE, here, NULL, 0, 0, bytes), 0);
    CHECK_INT(say(other, CRDTI_UDP_GONE, 5, NULL, 0, 0, bytes), 0);
    CHECK_INT(say(fd, CRDTI_UDP_BYE, here ^ 1, NULL, 0, 0, bytes), 0);
    CHECK(!last(0)->down && last(0)->got == 1);
    CHECK_INT(say(fd, CRDTI_UDP_GONE, 5, NULL, 0, 0, bytes), 0);
    CHECK(last(0)->down);
    close(fd);
    close(other);
    ends_close();
}

TEST(silence_ends_a_link)
{
    int fd = stranger();
    uint8_t bytes[2048];
    int pings = 0, i;
    prepare();
    turned_ms = 1000;
    OPEN(0);
    REQUIRE(enter(fd, 5, ask(fd, 5)) != 0);
    for (i = 0; i < 9999; i += 10) {
        turned_ms += 10;
        end_poll(0, 0);
        while (recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) == 10)
            pings += bytes[1] == 0x16 && crdti_load64(bytes + 2) == 5;
    }
    CHECK(!last(0)->down || turned_ms >= 11000);
    CHECK(pings == 4 || pings == 5);
    turned_ms += 10;
    end_poll(0, 0);
    CHECK(last(0)->down);
    CHECK_STR(last(0)->why, "silent for too long");
    close(fd);
    ends_close();
}

/* It was killed and is back on the same port: the other side need not wait
 * until the silence is too long. */
TEST(a_peer_that_began_anew_says_so)
{
    static char address[32];
    prepare();
    turned_ms = 0;
    OPEN(0);
    snprintf(address, sizeof address, "127.0.0.1:%u", port_of(0));
    call(1, address);
    OPEN(1);
    UNTIL(is_linked(0) && is_linked(1));
    crdti_udp_free((crdti_udp *)ends[0].t.ctx); /* without a word */
    ends[0].t.close = NULL;
    configs[0].listen = address;
    OPEN(0);
    CHECK_INT(send_message(&ends[1], last(1), 100), CRDT_OK);
    UNTIL(ends[1].downs == 1 && is_linked(1) && is_linked(0));
    CHECK(strstr(ends[1].seen[0].why, "knows nothing"));
    ends_close();
}

/* >>addresses ------------------------------------------------------------- */

static void exchange(const char *listen, const char *host)
{
    static char address[64];
    prepare();
    configs[0].listen = listen;
    configs[1].listen = NULL;
    OPEN(0);
    snprintf(address, sizeof address, "%s:%u", host, port_of(0));
    call(1, address);
    OPEN(1);
    UNTIL(is_linked(0) && is_linked(1));
    CHECK(strncmp(last(1)->name, "udp:", 4) == 0);
    CHECK_STR(last(1)->name + 4, address);
    CHECK_INT(send_message(&ends[0], last(0), 1190), CRDT_OK);
    CHECK_INT(send_message(&ends[0], last(0), 1191), CRDT_ERR_LIMIT);
    UNTIL(last(1)->got == 1);
    CHECK_INT(crdt_udp_add_peer(&ends[1].t, address), CRDT_OK); /* is one */
    ends_close();
}

static int has_ipv6(void)
{
    struct sockaddr_in6 address;
    void *generic = &address;
    int fd = socket(AF_INET6, SOCK_DGRAM, 0), has;
    memset(&address, 0, sizeof address);
    address.sin6_family = AF_INET6;
    address.sin6_addr.s6_addr[15] = 1;
    has = fd >= 0 && bind(fd, (struct sockaddr *)generic, sizeof address) == 0;
    if (fd >= 0)
        close(fd);
    return has;
}

TEST(over_ipv4_and_ipv6)
{
    exchange("127.0.0.1:0", "127.0.0.1");
    exchange(":0", "127.0.0.1");
    if (!has_ipv6()) {
        printf("skipped: there is no ::1 here\n");
        return;
    }
    exchange("[::1]:0", "[::1]");
    exchange(":0", "[::1]");
}

TEST(addresses_and_sizes_that_are_none)
{
    crdt_transport t;
    prepare();
    configs[0].listen = "127.0.0.1";
    CHECK_INT(make(&t, 0, NULL), CRDT_ERR_ARG);
    configs[0].listen = "192.0.2.1:0"; /* not ours: TEST-NET-1 */
    CHECK_INT(make(&t, 0, NULL), CRDT_ERR_IO);
    CHECK(strstr(said, "udp:192.0.2.1:0: cannot bind"));
    configs[0].listen = "127.0.0.1:0";
    configs[0].datagram_max = 500;
    CHECK_INT(make(&t, 0, NULL), CRDT_ERR_ARG);
    configs[0].datagram_max = 0;
    configs[0].discover = "239.192.47.11";
    CHECK_INT(make(&t, 0, NULL), CRDT_ERR_IO);
    configs[0].discover = "239.192.47.11:4712";
    configs[0].discover_from = "eth0";
    CHECK_INT(make(&t, 0, NULL), CRDT_ERR_ARG);
    configs[0].discover = NULL;
    call(0, "127.0.0.1:0");
    CHECK_INT(make(&t, 0, NULL), CRDT_ERR_ARG);
    CHECK_INT(crdt_udp_new(&t, NULL), CRDT_ERR_ARG);
    memset(&t, 0, sizeof t);
    CHECK_INT(crdt_udp_add_peer(&t, "127.0.0.1:1"), CRDT_ERR_ARG);
    CHECK_INT(crdt_udp_port(&t), 0);
    crdt_udp_wake(&t);
}

TEST(larger_datagrams_where_one_says_so)
{
    static char address[32];
    prepare();
    configs[0].datagram_max = configs[1].datagram_max = 9000;
    OPEN(0);
    snprintf(address, sizeof address, "127.0.0.1:%u", port_of(0));
    call(1, address);
    OPEN(1);
    UNTIL(is_linked(0) && is_linked(1));
    CHECK_INT(send_message(&ends[0], last(0), 8990), CRDT_OK);
    UNTIL(last(1)->got == 1);
    ends_close();
}

/* >>discovery ------------------------------------------------------------- */

/* Four in one realm, of which one is elsewhere; the port is that of a test
 * that is not likely to run twice at once. */
static void discover(const char *group, const char *from)
{
    size_t i;
    prepare();
    for (i = 0; i < 4; i++) {
        configs[i].discover = group;
        configs[i].discover_from = from;
        configs[i].listen = "0.0.0.0:0";
        configs[i].announce_ms = 50;
        configs[i].realm = i == 3 ? "elsewhere" : "here";
        OPEN(i);
    }
    UNTIL(links(0) >= 2 && links(1) >= 2 && links(2) >= 2);
    ends_poll_for(300);
    for (i = 0; i < 3; i++)
        CHECK_INT(links(i), 2); /* no link twice */
    CHECK_INT(links(3), 0);
    for (i = 0; i < 2; i++)
        CHECK_INT(send_message(&ends[0], &ends[0].seen[i], 100), CRDT_OK);
    UNTIL(ends[1].seen[0].got + ends[1].seen[1].got == 1 &&
          ends[2].seen[0].got + ends[2].seen[1].got == 1);
    end_close(2);
    UNTIL(links(0) == 1 && links(1) == 1);
    OPEN(2);
    UNTIL(links(0) == 2 && links(1) == 2 && links(2) == 2);
    ends_close();
}

TEST(peers_find_each_other_by_multicast)
{
    discover("239.192.47.11:47121", "127.0.0.1");
}

TEST(peers_find_each_other_by_broadcast)
{
    discover("127.255.255.255:47122", NULL);
}

/* >>numbers --------------------------------------------------------------- */

/* Against a table as long as there are numbers; they come in turn, and go in
 * any order. */
TEST(the_index_of_numbers)
{
    static uint8_t is_there[4000];
    uint64_t dice = test_env("CRDT_SEED", 1);
    crdti_sock_index index;
    crdt_peer peer, next = 0;
    uint32_t there = 0, i;
    REQUIRE(!crdti_sock_index_new(&index, crdti_alloc_or_default(NULL), 20));
    while (next < 3999) {
        peer = 1 + test_below(&dice, next + 1);
        if (there < 20 && test_below(&dice, 2)) {
            is_there[++next] = 1;
            there++;
            crdti_sock_index_add(&index, next, next);
        } else if (peer <= next && is_there[peer]) {
            is_there[peer] = 0;
            there--;
            crdti_sock_index_remove(&index, peer);
        }
        for (i = next > 200 ? next - 200 : 1; i <= next; i++) {
            const crdti_sock_entry *entry = crdti_sock_index_at(&index, i);
            CHECK(is_there[i] == (entry->peer == i));
            CHECK(!is_there[i] || entry->slot == i);
        }
    }
    crdti_sock_index_free(&index, crdti_alloc_or_default(NULL));
}

TEST_MAIN(CASE(the_index_of_numbers), CASE(siphash_is_siphash),
          CASE(a_caller_gets_a_cookie_and_nothing_else),
          CASE(a_cookie_is_good_for_one_address_and_some_time),
          CASE(garbage_gets_less_than_it_costs),
          CASE(only_who_knows_the_id_speaks_in_its_name),
          CASE(silence_ends_a_link), CASE(a_peer_that_began_anew_says_so),
          CASE(over_ipv4_and_ipv6), CASE(addresses_and_sizes_that_are_none),
          CASE(larger_datagrams_where_one_says_so),
          CASE(peers_find_each_other_by_multicast),
          CASE(peers_find_each_other_by_broadcast))
