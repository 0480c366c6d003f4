/* Sealed, against those who have another key, change, repeat, reorder or send
 * back what was said. The network in between is chaos.
 * pkg-config: libsodium */
#define CRDTSYNC_IMPLEMENTATION
#include "crdtsync.h"
#include "crdtsync_tcp.h"
#include "crdtsync_udp.h"
#include "crdtsync_chaos.h"
#include "crdtsync_sealed.h"
#include "../transport/tcp.h"
#include "../transport/udp.h"

static crdt_sealed_config configs[4];
static const char *spec; /* of the chaos beneath; NULL: none */
static int over_udp;
static uint8_t group[32], other_group[32];
static uint8_t public_keys[4][32], secret_keys[4][64];

static crdt_err make(crdt_transport *out, size_t number,
                     const crdt_alloc *alloc)
{
    crdt_transport inner, bad;
    crdt_err err = over_udp ? udp_make(&inner, number, alloc)
                            : tcp_make(&inner, number, alloc);
    if (err)
        return err;
    bad = inner;
    if (spec)
        err = crdt_chaos_new(&bad, &inner, spec, NULL);
    if (!err)
        err = crdt_sealed_new(out, &bad, &configs[number]);
    if (err)
        bad.close(bad.ctx);
    return err;
}

static void finish(void)
{
    tcp_finish();
    udp_finish();
}

static const struct kit sealed_udp = { .make = make,
                                       .finish = finish,
                                       .stranger = udp_stranger };
static const struct kit sealed_tcp = { .properties =
                                           CRDT_RELIABLE | CRDT_ORDERED,
                                       .make = make,
                                       .finish = finish,
                                       .stranger = tcp_stranger };

/* All have the group's key. */
static void prepare(int udp, const char *chaos)
{
    size_t i;
    kit = udp ? &sealed_udp : &sealed_tcp;
    over_udp = udp;
    spec = chaos;
    ends_forget();
    memset(configs, 0, sizeof configs);
    memset(group, 7, sizeof group);
    memset(other_group, 8, sizeof other_group);
    for (i = 0; i < 4; i++) {
        configs[i].group_key = group;
        configs[i].handshake_ms = 1000;
        CHECK(sodium_init() >= 0);
        crypto_sign_keypair(public_keys[i], secret_keys[i]);
    }
}

static void use_keys(size_t number, const uint8_t *allowed, size_t count)
{
    configs[number].group_key = NULL;
    configs[number].secret_key = secret_keys[number];
    configs[number].allowed = allowed;
    configs[number].allowed_count = count;
}

/* >>who comes in ---------------------------------------------------------- */

static void only_the_group(int udp)
{
    prepare(udp, NULL);
    configs[2].group_key = other_group;
    OPEN(0);
    OPEN(1);
    OPEN(2);
    UNTIL(links(0) == 1 && is_linked(1));
    CHECK(strncmp(last(0)->name, "sealed:", 7) == 0);
    ends_poll_for(200);
    CHECK_INT(ends[0].count, 1);
    CHECK_INT(ends[2].count, 0);
    CHECK_INT(send_message(&ends[0], last(0), 1000), CRDT_OK);
    UNTIL(last(1)->got == 1);
    ends_close();
}

TEST(who_has_not_the_group_key_stays_outside)
{
    only_the_group(0);
    only_the_group(1);
}

static void only_the_list(int udp)
{
    prepare(udp, NULL);
    use_keys(0, public_keys[1], 2); /* those of 1 and 2 */
    use_keys(1, public_keys[0], 1);
    use_keys(2, public_keys[3], 1); /* which expects another */
    use_keys(3, public_keys[0], 1); /* which is not expected */
    OPEN(0);
    OPEN(1);
    OPEN(2);
    OPEN(3);
    UNTIL(is_linked(1) && links(0) >= 1);
    ends_poll_for(200);
    CHECK_INT(ends[2].count, 0);
    CHECK(!is_linked(3) || !send_message(&ends[3], last(3), 100));
    CHECK_INT(ends[0].seen[0].got, 0);
    CHECK_INT(send_message(&ends[1], last(1), 1000), CRDT_OK);
    ends_poll_for(100);
    ends_close();
}

TEST(who_is_not_on_the_list_stays_outside)
{
    only_the_list(0);
    only_the_list(1);
}

TEST(lists_change)
{
    prepare(0, NULL);
    use_keys(0, public_keys[1], 1);
    use_keys(1, public_keys[0], 1);
    use_keys(2, public_keys[0], 1);
    OPEN(0);
    OPEN(1);
    OPEN(2);
    UNTIL(links(0) == 1 && is_linked(1));
    CHECK_INT(crdt_sealed_allow(&ends[0].t, public_keys[2]), CRDT_OK);
    CHECK_INT(crdt_sealed_allow(&ends[0].t, public_keys[2]), CRDT_OK);
    UNTIL(links(0) == 2);
    CHECK_INT(crdt_sealed_refuse(&ends[0].t, public_keys[1]), CRDT_OK);
    CHECK_INT(crdt_sealed_refuse(&ends[0].t, public_keys[1]),
              CRDT_ERR_NOT_FOUND);
    UNTIL(links(0) == 1);
    CHECK_STR(ends[0].seen[0].why, "its key is refused now");
    ends_poll_for(100);
    CHECK_INT(links(0), 1);
    ends_close();
}

TEST(the_group_takes_another_key)
{
    prepare(0, NULL);
    OPEN(0);
    OPEN(1);
    OPEN(2);
    UNTIL(links(0) == 2 && is_linked(1) && is_linked(2));
    CHECK_INT(crdt_sealed_rekey(&ends[0].t, other_group), CRDT_OK);
    CHECK_INT(crdt_sealed_rekey(&ends[1].t, other_group), CRDT_OK);
    UNTIL(links(0) == 0);
    UNTIL(links(0) == 1 && is_linked(1));
    ends_poll_for(200);
    CHECK_INT(links(0), 1);
    CHECK_INT(send_message(&ends[0], last(0), 1000), CRDT_OK);
    UNTIL(last(1)->got == 1);
    CHECK_INT(crdt_sealed_rekey(&ends[0].t, NULL), CRDT_ERR_ARG);
    ends_close();
}

/* What it hears from us it says again: no key comes of that. */
TEST(an_echo_is_nobody)
{
    struct sockaddr_in to;
    void *generic = &to;
    uint8_t bytes[1000];
    uint64_t until_ms;
    int fd;
    prepare(0, NULL);
    OPEN(0);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    memset(&to, 0, sizeof to);
    to.sin_family = AF_INET;
    to.sin_port = htons((uint16_t)tcp_port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(!connect(fd, (struct sockaddr *)generic, sizeof to));
    for (until_ms = now_ms() + 100; now_ms() < until_ms;) {
        ssize_t len = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
        ends_poll();
        if (len > 0)
            (void)!send(fd, bytes, (size_t)len, MSG_NOSIGNAL);
    }
    CHECK_INT(ends[0].count, 0);
    close(fd);
    ends_close();
}

/* Says nothing: it had its time. */
TEST(who_proves_nothing_has_its_time)
{
    prepare(0, NULL);
    OPEN(0);
    kit->stranger(CRDT_STR("\x22\0\0\0\1\1"));
    ends_poll_for(20);
    CHECK(((crdti_seal *)ends[0].t.ctx)->upcalls == 0);
    UNTIL(!((crdti_seal *)ends[0].t.ctx)->links);
    ends_close();
}

/* >>what comes in --------------------------------------------------------- */

/* Whatever datagrams do, a message comes once, whole, or not at all. */
static void datagrams(const char *chaos, int loses)
{
    int i;
    prepare(1, chaos);
    configs[0].rotate_every = configs[1].rotate_every = 50;
    OPEN(0);
    OPEN(1);
    UNTIL(is_linked(0) && is_linked(1));
    for (i = 0; i < 1000; i++) {
        CHECK_INT(send_message(&ends[0], last(0), 8 + (size_t)i), CRDT_OK);
        ends_poll();
    }
    UNTIL(last(1)->got >= (loses ? 500 : 1000));
    ends_poll_for(50);
    CHECK_INT(last(1)->wrong, 0);
    /* Every upcall but peer_up was a message that had not come before. */
    CHECK_INT(ends[1].upcalls, 1 + last(1)->got);
    ends_close();
}

TEST(datagrams_lost_doubled_and_reordered)
{
    datagrams(NULL, 0);
    datagrams("dup=50%,jitter=3ms", 0);
    datagrams("dup=30%,reorder=30%,loss=20%", 1);
}

TEST(datagrams_changed)
{
    datagrams("corrupt=20%", 1);
    datagrams("tear=20%", 1);
}

TEST(a_stream_that_was_changed_ends)
{
    int i;
    prepare(0, "corrupt=10%,seed=3");
    OPEN(0);
    OPEN(1);
    for (i = 0; i < 300; i++) {
        if (is_linked(0))
            (void)send_message(&ends[0], last(0), 100);
        ends_poll();
    }
    CHECK(ends[0].downs + ends[1].downs > 0);
    for (i = 0; i < (int)ends[1].count; i++)
        CHECK(!ends[1].seen[i].wrong && !ends[1].seen[i].early);
    ends_close();
}

TEST(nothing_is_to_be_read_on_the_wire)
{
    const char *text = "nobody is to read this, or so one hopes";
    const crdti_seal *s;
    size_t i, len = strlen(text);
    prepare(0, NULL);
    OPEN(0);
    OPEN(1);
    UNTIL(is_linked(0) && is_linked(1));
    s = (const crdti_seal *)ends[0].t.ctx;
    CHECK_INT(ends[0].t.send(ends[0].t.ctx, last(0)->peer, crdt_str(text)),
              CRDT_OK);
    for (i = 0; i < 100; i++)
        CHECK(memcmp(s->scratch + i, text + 1, 8) != 0);
    CHECK_INT(crdti_load32(s->scratch), 9 + len + 16);
    ends_close();
}

/* The keys change with every fifty messages, on both sides at once. */
TEST(keys_turn)
{
    uint8_t before[32];
    const crdti_seal_link *link;
    int i;
    prepare(0, NULL);
    configs[0].rotate_every = configs[1].rotate_every = 50;
    OPEN(0);
    OPEN(1);
    UNTIL(is_linked(0) && is_linked(1));
    link = ((const crdti_seal *)ends[0].t.ctx)->links;
    memcpy(before, link->to.key, 32);
    for (i = 0; i < 200; i++)
        CHECK_INT(send_message(&ends[0], last(0), 100), CRDT_OK);
    UNTIL(last(1)->got == 200);
    CHECK_INT(link->to.epoch, 4);
    CHECK(memcmp(before, link->to.key, 32) != 0);
    ends_close();
}

TEST(configurations_that_make_no_sense)
{
    crdt_transport t, inner;
    prepare(0, NULL);
    REQUIRE(!tcp_make(&inner, 0, NULL));
    configs[0].group_key = NULL;
    CHECK_INT(crdt_sealed_new(&t, &inner, &configs[0]), CRDT_ERR_ARG);
    configs[0].secret_key = secret_keys[0];
    CHECK_INT(crdt_sealed_new(&t, &inner, &configs[0]), CRDT_ERR_ARG);
    configs[0].group_key = group;
    configs[0].secret_key = NULL;
    configs[0].allowed = public_keys[0];
    configs[0].allowed_count = 1;
    CHECK_INT(crdt_sealed_new(&t, &inner, &configs[0]), CRDT_ERR_ARG);
    CHECK_INT(crdt_sealed_allow(&inner, public_keys[0]), CRDT_ERR_ARG);
    configs[0].allowed_count = 0;
    inner.message_max = 530;
    CHECK_INT(crdt_sealed_new(&t, &inner, &configs[0]), CRDT_ERR_LIMIT);
    inner.close(inner.ctx);
    finish();
}

TEST_MAIN(CASE(who_has_not_the_group_key_stays_outside),
          CASE(who_is_not_on_the_list_stays_outside), CASE(lists_change),
          CASE(the_group_takes_another_key), CASE(an_echo_is_nobody),
          CASE(who_proves_nothing_has_its_time),
          CASE(datagrams_lost_doubled_and_reordered), CASE(datagrams_changed),
          CASE(a_stream_that_was_changed_ends),
          CASE(nothing_is_to_be_read_on_the_wire), CASE(keys_turn),
          CASE(configurations_that_make_no_sense))
