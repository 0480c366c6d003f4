/* ZeroMQ alone: its kinds of endpoints, keys, connections that are mended
 * beneath a link, high-water marks, rendezvous; and what PUB and SUB would
 * have lost.
 * pkg-config: libzmq */
#define CRDTSYNC_IMPLEMENTATION
#include "crdtsync.h"
#include "crdtsync_zmq.h"
#include "../transport/zeromq.h"
#include "../transport/sites.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static crdt_zmq_config configs[4];
static const char *peer_of[4];

static crdt_err make(crdt_transport *out, size_t number,
                     const crdt_alloc *alloc)
{
    configs[number].alloc = alloc;
    configs[number].log = said_log();
    return crdt_zmq_new(out, &configs[number]);
}

static const struct kit by_hand = { .properties = CRDT_RELIABLE | CRDT_ORDERED,
                                    .make = make };

static void prepare(void)
{
    size_t i;
    kit = &by_hand;
    ends_forget();
    memset(configs, 0, sizeof configs);
    said[0] = 0;
    configs[0].listen = "tcp://127.0.0.1:*";
    for (i = 0; i < 4; i++) {
        configs[i].backoff_min_ms = 5;
        configs[i].backoff_max_ms = 20;
    }
}

static void dial(size_t number, const char *endpoint)
{
    peer_of[number] = endpoint;
    configs[number].peers = &peer_of[number];
    configs[number].peers_count = 1;
}

/* End 0 listens as it is told, end 1 dials it. */
#define LINKED()                                                              \
    do {                                                                      \
        OPEN(0);                                                              \
        dial(1, crdt_zmq_endpoint(&ends[0].t));                               \
        OPEN(1);                                                              \
        UNTIL(is_linked(0) && is_linked(1));                                  \
    } while (0)

/* >>endpoints ------------------------------------------------------------- */

TEST(over_ipc)
{
    char endpoint[80];
    prepare();
    snprintf(endpoint, sizeof endpoint, "ipc:///tmp/crdtsync-zmq-%ld",
             (long)getpid());
    configs[0].listen = endpoint;
    LINKED();
    CHECK_STR(last(1)->name, endpoint);
    CHECK_INT(send_message(&ends[0], last(0), 100000), CRDT_OK);
    UNTIL(last(1)->got == 1);
    CHECK(!last(1)->wrong);
    ends_close();
}

TEST(in_one_process)
{
    void *context = zmq_ctx_new();
    prepare();
    configs[0].context = configs[1].context = context;
    configs[0].listen = "inproc://here";
    LINKED();
    CHECK_INT(send_message(&ends[1], last(1), 1000), CRDT_OK);
    UNTIL(last(0)->got == 1);
    ends_close();
    zmq_ctx_term(context);
}

TEST(what_is_no_endpoint)
{
    crdt_transport t;
    prepare();
    configs[0].listen = "127.0.0.1:4711";
    CHECK_INT(make(&t, 0, NULL), CRDT_ERR_IO);
    CHECK(strstr(said, "127.0.0.1:4711: cannot listen: "));
    configs[0].listen = NULL;
    dial(0, "carrier://pigeon");
    CHECK_INT(make(&t, 0, NULL), CRDT_ERR_IO);
    CHECK(strstr(said, "carrier://pigeon: cannot dial: "));
    memset(&t, 0, sizeof t);
    CHECK_STR(crdt_zmq_endpoint(&t), "");
    CHECK_INT(crdt_zmq_add_peer(&t, "tcp://127.0.0.1:1"), CRDT_ERR_ARG);
    CHECK_INT(crdt_zmq_new(&t, NULL), CRDT_ERR_ARG);
}

/* >>links ----------------------------------------------------------------- */

/* The DEALER connects anew without our doing: for the ROUTER it is another,
 * and what was under way is lost. Then the link has ended too. */
TEST(a_mended_connection_is_another_link)
{
    crdti_zmq_dial *d;
    char endpoint[80];
    int i;
    prepare();
    LINKED();
    snprintf(endpoint, sizeof endpoint, "%s", crdt_zmq_endpoint(&ends[0].t));
    for (i = 0; i < 3; i++) {
        size_t downs = ends[1].downs;
        d = ((crdti_zmq *)ends[1].t.ctx)->dials;
        CHECK_INT(zmq_disconnect(d->socket, endpoint), 0);
        CHECK_INT(zmq_connect(d->socket, endpoint), 0);
        (void)send_message(&ends[1], last(1), 100);
        UNTIL(ends[1].downs == downs + 1 && is_linked(1));
        CHECK_INT(send_message(&ends[1], last(1), 100), CRDT_OK);
        UNTIL(is_linked(0) && last(0)->got == 1);
        CHECK(!last(0)->early && !last(0)->wrong);
    }
    ends_close();
}

/* Silence would tell too late. */
TEST(a_broken_connection_is_noticed_at_once)
{
    prepare();
    configs[1].silence_ms = 1000000;
    LINKED();
    end_close(0);
    UNTIL(ends[1].downs == 1);
    CHECK(last(1)->why[0]);
    ends_close();
}

/* >>a wire that can be cut, without either side being told ---------------- */

static struct {
    int listener;
    int fds[8][2];
    size_t count, cut; /* connections; the first so many carry nothing */
} wire;

static int local_socket(const char *path, struct sockaddr_un *of)
{
    memset(of, 0, sizeof *of);
    of->sun_family = AF_UNIX;
    snprintf(of->sun_path, sizeof of->sun_path, "%s", path);
    return socket(AF_UNIX, SOCK_STREAM, 0);
}

static int wire_open(const char *path)
{
    struct sockaddr_un at;
    void *generic = &at;
    memset(&wire, 0, sizeof wire);
    wire.listener = local_socket(path, &at);
    unlink(path);
    return bind(wire.listener, (struct sockaddr *)generic, sizeof at) == 0 &&
           listen(wire.listener, 8) == 0 &&
           fcntl(wire.listener, F_SETFL, O_NONBLOCK) == 0;
}

static void wire_accept(const char *far)
{
    struct sockaddr_un at;
    void *generic = &at;
    int *pair = wire.fds[wire.count % 8];
    pair[0] = accept(wire.listener, NULL, NULL);
    if (pair[0] < 0)
        return;
    pair[1] = local_socket(far, &at);
    CHECK_INT(connect(pair[1], (struct sockaddr *)generic, sizeof at), 0);
    wire.count++;
}

static void wire_carry(int from, int to)
{
    char bytes[4096];
    ssize_t len = recv(from, bytes, sizeof bytes, MSG_DONTWAIT);
    if (len > 0)
        CHECK_INT(send(to, bytes, (size_t)len, MSG_NOSIGNAL), len);
}

static void wire_poll(const char *far)
{
    size_t i;
    wire_accept(far);
    for (i = wire.cut; i < wire.count && i < 8; i++) {
        wire_carry(wire.fds[i][0], wire.fds[i][1]);
        wire_carry(wire.fds[i][1], wire.fds[i][0]);
    }
    ends_poll();
}

static void wire_close(const char *path)
{
    size_t i;
    for (i = 0; i < wire.count && i < 8; i++) {
        close(wire.fds[i][0]);
        close(wire.fds[i][1]);
    }
    close(wire.listener);
    unlink(path);
}

/* Neither side is told, and nothing that is sent comes back refused. */
TEST(a_connection_that_died_unheard_is_dialled_anew)
{
    uint64_t until_ms = now_ms() + DEADLINE_MS;
    char far[60], far_url[80], near[60], near_url[80];
    prepare();
    snprintf(far, sizeof far, "/tmp/crdtsync-far-%ld", (long)getpid());
    snprintf(near, sizeof near, "/tmp/crdtsync-near-%ld", (long)getpid());
    snprintf(far_url, sizeof far_url, "ipc://%s", far);
    snprintf(near_url, sizeof near_url, "ipc://%s", near);
    configs[0].listen = far_url;
    configs[0].keepalive_ms = configs[1].keepalive_ms = 50;
    configs[0].silence_ms = configs[1].silence_ms = 300;
    REQUIRE(wire_open(near));
    OPEN(0);
    dial(1, near_url);
    OPEN(1);
    while (!(is_linked(0) && is_linked(1)) && now_ms() < until_ms)
        wire_poll(far);
    CHECK_INT(ends[1].downs, 0);
    wire.cut = wire.count;
    while (!(ends[1].downs && is_linked(0) && is_linked(1)) &&
           now_ms() < until_ms)
        wire_poll(far);
    CHECK(is_linked(0) && is_linked(1) && wire.count > wire.cut);
    CHECK_INT(ends[1].downs, 1);
    CHECK_STR(ends[1].seen[0].why, "silent for too long");
    ends_close();
    wire_close(near);
}

TEST(only_who_opened_the_link_speaks_in_its_name)
{
    crdti_zmq *z;
    uint64_t here, there;
    crdti_zmq_place place;
    prepare();
    LINKED();
    dial(2, crdt_zmq_endpoint(&ends[0].t));
    OPEN(2);
    UNTIL(links(0) == 2 && is_linked(2));
    here = ((crdti_zmq *)ends[1].t.ctx)->dials->link->there;
    there = ((crdti_zmq *)ends[1].t.ctx)->dials->link->here;
    z = (crdti_zmq *)ends[2].t.ctx;
    memset(&place, 0, sizeof place);
    place.socket = z->dials->socket;
    crdti_zmq_say(&place, CRDTI_ZMQ_DATA, here, CRDT_STR("12345678"));
    crdti_zmq_say(&place, CRDTI_ZMQ_BYE, here, crdt_bytes_of(NULL, 0));
    crdti_zmq_say(&place, CRDTI_ZMQ_GONE, there, crdt_bytes_of(NULL, 0));
    crdti_zmq_say(&place, CRDTI_ZMQ_DATA, 1, CRDT_STR("12345678"));
    ends_poll_for(50);
    CHECK(links(0) == 2 && !ends[0].seen[0].got && !ends[0].seen[0].wrong);
    ends_close();
}

/* Asking takes the word of what has come from its descriptor. */
TEST(what_has_come_is_told_until_it_is_read)
{
    int timeout_ms = -1, i;
    uint64_t until_ms = now_ms() + DEADLINE_MS;
    prepare();
    configs[0].keepalive_ms = configs[1].keepalive_ms = 1000000;
    configs[0].silence_ms = configs[1].silence_ms = 1000000;
    LINKED();
    CHECK_INT(send_message(&ends[1], last(1), 100), CRDT_OK);
    CHECK_INT(end_poll(1, 0), CRDT_OK);
    while (timeout_ms && now_ms() < until_ms)
        crdt_zmq_fds(&ends[0].t, NULL, 0, &timeout_ms);
    for (i = 0; i < 3; i++) {
        timeout_ms = -1;
        crdt_zmq_fds(&ends[0].t, NULL, 0, &timeout_ms);
        CHECK_INT(timeout_ms, 0);
    }
    CHECK_INT(end_poll(0, 0), CRDT_OK);
    CHECK_INT(last(0)->got, 1);
    crdt_zmq_fds(&ends[0].t, NULL, 0, &timeout_ms);
    CHECK(timeout_ms != 0);
    ends_close();
}

/* >>keys ------------------------------------------------------------------ */

TEST(who_has_no_key_does_not_come_in)
{
    char server[2][41], clients[3][41], secrets[3][41];
    const char *allowed[2];
    int i;
    if (!zmq_has("curve")) {
        printf("skipped: this libzmq has no CURVE\n");
        return;
    }
    prepare();
    zmq_curve_keypair(server[0], server[1]);
    for (i = 0; i < 3; i++)
        zmq_curve_keypair(clients[i], secrets[i]);
    allowed[0] = clients[0];
    allowed[1] = clients[1];
    configs[0].public_key = server[0];
    configs[0].secret_key = server[1];
    OPEN(0);
    CHECK(!(ends[0].t.properties & CRDT_SEALED)); /* anybody may come in */
    end_close(0);
    configs[0].clients = allowed;
    configs[0].clients_count = 2;
    OPEN(0);
    CHECK(ends[0].t.properties & CRDT_SEALED);
    for (i = 1; i < 4; i++) { /* the third is not on the list */
        dial((size_t)i, crdt_zmq_endpoint(&ends[0].t));
        configs[i].public_key = clients[i - 1];
        configs[i].secret_key = secrets[i - 1];
        configs[i].server_key = server[0];
        OPEN((size_t)i);
        CHECK(ends[i].t.properties & CRDT_SEALED);
    }
    UNTIL(is_linked(1) && is_linked(2));
    CHECK_INT(send_message(&ends[1], last(1), 100), CRDT_OK);
    UNTIL(ends[0].seen[0].got + ends[0].seen[1].got == 1);
    ends_poll_for(100);
    CHECK_INT(links(0), 2);
    CHECK_INT(ends[3].count, 0);
    end_close(3);
    configs[3].public_key = configs[3].secret_key = NULL; /* in the open */
    configs[3].server_key = NULL;
    OPEN(3);
    ends_poll_for(100);
    CHECK_INT(ends[3].count, 0);
    end_close(1);
    configs[1].server_key = clients[2]; /* a wrong server */
    OPEN(1);
    ends_poll_for(100);
    CHECK_INT(ends[1].count, 0);
    ends_close();
}

TEST(keys_that_are_none)
{
    crdt_transport t;
    prepare();
    configs[0].public_key = configs[0].secret_key = "too short";
    CHECK_INT(make(&t, 0, NULL), CRDT_ERR_ARG);
    configs[0].public_key = NULL;
    configs[0].secret_key = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";
    CHECK_INT(make(&t, 0, NULL), CRDT_ERR_ARG); /* one without the other */
    configs[0].secret_key = NULL;
    configs[0].server_key = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";
    CHECK_INT(make(&t, 0, NULL), CRDT_ERR_ARG);
    configs[0].public_key = configs[0].secret_key = configs[0].server_key;
    configs[0].server_key = NULL;
    dial(0, "tcp://127.0.0.1:1"); /* whose key? */
    CHECK_INT(make(&t, 0, NULL), CRDT_ERR_ARG);
}

/* >>M10 ------------------------------------------------------------------- */

/* What plain PUB and SUB do: measured here, so that it is known what would be
 * lost. A burst beyond the high-water mark, to one who reads later. */
static int plain_publish(int count)
{
    void *context = zmq_ctx_new();
    void *pub = zmq_socket(context, ZMQ_PUB);
    void *sub = zmq_socket(context, ZMQ_SUB);
    char endpoint[80], byte = 0;
    size_t len = sizeof endpoint;
    int hwm = 10, got = 0, i, linger = 0, wait_ms = 200;
    zmq_setsockopt(pub, ZMQ_SNDHWM, &hwm, sizeof hwm);
    zmq_setsockopt(sub, ZMQ_RCVHWM, &hwm, sizeof hwm);
    zmq_setsockopt(pub, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(sub, ZMQ_RCVTIMEO, &wait_ms, sizeof wait_ms);
    zmq_bind(pub, "tcp://127.0.0.1:*");
    zmq_getsockopt(pub, ZMQ_LAST_ENDPOINT, endpoint, &len);
    zmq_setsockopt(sub, ZMQ_SUBSCRIBE, "", 0);
    zmq_connect(sub, endpoint);
    zmq_poll(NULL, 0, 100); /* it subscribes */
    for (i = 0; i < count; i++)
        zmq_send(pub, &byte, 1, ZMQ_DONTWAIT);
    while (zmq_recv(sub, &byte, 1, 0) >= 0)
        got++;
    zmq_close(pub);
    zmq_close(sub);
    zmq_ctx_term(context);
    return got;
}

TEST(m10_nothing_is_dropped_at_the_high_water_mark)
{
    const uint32_t all = 10000;
    uint64_t until_ms = now_ms() + DEADLINE_MS;
    uint32_t refused = 0;
    prepare();
    configs[0].hwm = configs[1].hwm = 10;
    LINKED();
    while (last(0)->sent < all && now_ms() < until_ms) {
        crdt_err err = send_message(&ends[0], last(0), 100);
        CHECK(!err || err == CRDT_ERR_AGAIN);
        refused += err != CRDT_OK;
        if (err)
            ends_poll();
    }
    UNTIL(last(1)->got == all);
    CHECK(!last(1)->early && !last(1)->wrong && refused > 0);
    ends_close();
    CHECK(plain_publish(50000) < 50000);
}

/* >>publishing ------------------------------------------------------------ */

static crdti_zmq *zmq_of(size_t number)
{
    return (crdti_zmq *)sites[number].t.ctx;
}

static int all_hear(size_t count)
{
    const crdti_zmq *z = zmq_of(0);
    size_t i, hear = 0;
    for (i = 0; i < z->peers_max; i++)
        hear += z->slots[i] && z->slots[i]->hears;
    return hear == count;
}

static uint64_t frames_of_0(void)
{
    crdt_node_stats stats;
    crdt_node_get_stats(sites[0].node, &stats);
    return stats.sent_frames;
}

/* Of each change one message goes out, however many lack it. */
TEST(one_author_and_twenty_subscribers)
{
    uint64_t casts, frames;
    int i;
    kit = &zmq_pub_kit;
    SITES_BEGIN(21);
    site_put(0, "a", 1);
    SITES_UNTIL(all_hear(20) && sites_are_equal());
    casts = zmq_of(0)->casts;
    frames = frames_of_0();
    for (i = 0; i < 100; i++) {
        site_put(0, "a", i);
        SITES_UNTIL(sites_are_equal());
    }
    casts = zmq_of(0)->casts - casts;
    frames = frames_of_0() - frames;
    printf("100 changes for 20: %lu messages to all, %lu to one\n",
           (unsigned long)casts, (unsigned long)(frames - casts));
    CHECK(casts > 50); /* the others are heartbeats, or were overdue */
    sites_close();
}

static void site_put_text(size_t number, const char *key, const char *text)
{
    crdt_doc *doc = sites[number].doc;
    CHECK_INT(crdt_map_put_str(crdt_root(doc), crdt_str(key), crdt_str(text)),
              CRDT_OK);
    CHECK_INT(crdt_commit(doc), CRDT_OK);
}

/* Site 3 sleeps while more goes out than waits for it anywhere: PUB drops the
 * rest in silence. It has all of it in the end. */
TEST(m10_what_is_dropped_at_the_high_water_mark_is_repaired)
{
    char text[900] = "", key[16];
    int none = 1024, i;
    kit = &zmq_pub_kit;
    SITES_BEGIN(4);
    zmq_setsockopt(zmq_of(3)->sub, ZMQ_RCVBUF, &none, sizeof none);
    memset(text, 'x', sizeof text - 1);
    site_put(0, "a", 0);
    SITES_UNTIL(all_hear(3) && sites_are_equal());
    for (i = 0; i < 6000; i++) {
        snprintf(key, sizeof key, "%d", i % 10);
        snprintf(text, 8, "%07d", i);
        text[7] = 'x';
        site_put_text(0, key, text);
        CHECK_INT(crdt_node_poll(sites[0].node, 0), CRDT_OK);
        CHECK_INT(crdt_node_poll(sites[1].node, 0), CRDT_OK);
        CHECK_INT(crdt_node_poll(sites[2].node, 0), CRDT_OK);
    }
    SITES_UNTIL(sites_are_equal());
    printf("%lu published, %lu heard by the sleeper\n",
           (unsigned long)zmq_of(0)->casts, (unsigned long)zmq_of(3)->heard);
    CHECK(zmq_of(3)->heard < zmq_of(0)->casts);
    sites_close();
}

/* It is not a subscriber yet when something is published; and it is later. */
TEST(m10_who_joins_late_has_all_of_it)
{
    uint64_t casts;
    int i;
    kit = &zmq_pub_kit;
    SITES_BEGIN(3);
    site_put(0, "a", 0);
    SITES_UNTIL(all_hear(2) && sites_are_equal());
    REQUIRE(site_open(3));
    casts = zmq_of(0)->casts;
    for (i = 0; i < 100; i++) {
        site_put(0, "a", i);
        sites_poll();
    }
    CHECK(zmq_of(0)->casts > casts);
    SITES_UNTIL(site_get(3, "a") == 99 && sites_are_equal() && all_hear(3));
    casts = zmq_of(3)->heard;
    site_put(0, "a", 1000);
    SITES_UNTIL(site_get(3, "a") == 1000 && sites_are_equal());
    CHECK(zmq_of(3)->heard > casts);
    sites_close();
}

/* >>memory ---------------------------------------------------------------- */

/* Of this process, in the machine; libzmq has no allocator of ours. 0: this
 * system does not tell. */
static size_t resident(void)
{
    unsigned long all = 0, here = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file)
        return 0;
    if (fscanf(file, "%lu %lu", &all, &here) != 2)
        here = 0;
    fclose(file);
    return here * (size_t)sysconf(_SC_PAGESIZE);
}

/* Both ends of a link and a context of ZeroMQ for each are in here, after
 * something has gone both ways. */
TEST(an_idle_peer_takes_less_than_a_mebibyte)
{
    enum { COUNT = 40 };
    size_t before = resident(), i;
    if (!before || getenv("ASAN_OPTIONS")) {
        printf("skipped: no /proc/self/statm, or a sanitizer, which weighs\n");
        return;
    }
    kit = &zmq_kit;
    BEGIN();
    ends[0].echo = 1;
    for (i = 1; i <= COUNT; i++)
        OPEN(i);
    UNTIL(links(0) == COUNT);
    for (i = 1; i <= COUNT; i++) {
        UNTIL(is_linked(i));
        CHECK_INT(send_message(&ends[i], last(i), 100000), CRDT_OK);
    }
    for (i = 1; i <= COUNT; i++)
        UNTIL(last(i)->got == 1);
    printf("an idle peer: %lu bytes\n",
           (unsigned long)((resident() - before) / COUNT));
    CHECK((resident() - before) / COUNT < MIB);
    ends_close();
}

/* >>rendezvous ------------------------------------------------------------ */

/* Three know the first alone, and meet through it. */
TEST(those_who_meet_at_a_rendezvous)
{
    static char endpoints[4][80];
    size_t i;
    prepare();
    for (i = 1; i < 4; i++) {
        snprintf(endpoints[i], sizeof endpoints[i],
                 "ipc:///tmp/crdtsync-meet-%ld-%d", (long)getpid(), (int)i);
        configs[i].listen = configs[i].advertise = endpoints[i];
        configs[i].meet = i != 3; /* this one dials nobody it hears of */
    }
    OPEN(0);
    for (i = 1; i < 4; i++) {
        dial(i, crdt_zmq_endpoint(&ends[0].t));
        OPEN(i);
    }
    UNTIL(links(0) == 3 && links(1) >= 3 && links(2) >= 3 && links(3) == 3);
    ends_poll_for(100);
    CHECK_INT(links(0), 3);
    CHECK_INT(links(3), 3); /* the rendezvous, and two that dialled it */
    ends_close();
}

TEST_MAIN(CASE(over_ipc), CASE(in_one_process), CASE(what_is_no_endpoint),
          CASE(a_mended_connection_is_another_link),
          CASE(a_broken_connection_is_noticed_at_once),
          CASE(a_connection_that_died_unheard_is_dialled_anew),
          CASE(only_who_opened_the_link_speaks_in_its_name),
          CASE(what_has_come_is_told_until_it_is_read),
          CASE(who_has_no_key_does_not_come_in), CASE(keys_that_are_none),
          CASE(m10_nothing_is_dropped_at_the_high_water_mark),
          CASE(one_author_and_twenty_subscribers),
          CASE(m10_what_is_dropped_at_the_high_water_mark_is_repaired),
          CASE(m10_who_joins_late_has_all_of_it),
          CASE(an_idle_peer_takes_less_than_a_mebibyte),
          CASE(those_who_meet_at_a_rendezvous))
