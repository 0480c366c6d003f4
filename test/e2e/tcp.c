/* TCP alone, over the loopback interface: upcalls are made by hand, there is
 * no node. Strangers are plain sockets. Whatever takes time is waited for with
 * a deadline far beyond what it needs. */
#define CRDTSYNC_IMPLEMENTATION
#include "crdtsync.h"
#include "crdtsync_tcp.h"
#include "../failing_alloc.h"
#include "../test.h"

#include <dirent.h>
#include <sys/resource.h>

#define DEADLINE_MS 20000
#define MIB ((size_t)1 << 20)

/* What a host has of one peer. The n-th byte of all that is sent is
 * pattern(n), unless the test says otherwise. */
struct seen {
    crdt_peer peer;
    size_t len;  /* received */
    size_t sent; /* to it */
    size_t upcalls;
    int wrong; /* bytes that are not the pattern */
    int writable, down;
    char name[64], why[64];
};

struct host {
    crdt_transport t;
    crdt_upcalls up;
    struct seen seen[256];
    size_t peers, downs;
    int echo; /* gives back what comes */
    int drop_all;
    char log[1024];
    crdt_log log_table;
};

static uint8_t pattern(size_t at)
{
    return (uint8_t)(at * 31 + (at >> 8) * 7 + (at >> 16));
}

/* >>upcalls */

static struct seen *seen_of(struct host *h, crdt_peer peer)
{
    size_t i;
    for (i = 0; i < h->peers; i++)
        if (h->seen[i].peer == peer)
            return &h->seen[i];
    printf("an upcall for peer %u, which there is not\n", (unsigned)peer);
    abort();
}

static void on_up(void *ctx, crdt_peer peer, const char *name)
{
    struct host *h = (struct host *)ctx;
    struct seen *s = &h->seen[h->peers];
    CHECK(peer > 0 && (h->peers == 0 || s[-1].peer < peer));
    memset(s, 0, sizeof *s);
    s->peer = peer;
    snprintf(s->name, sizeof s->name, "%s", name);
    if (h->peers < 255)
        h->peers++;
    if (h->drop_all)
        h->t.drop(h->t.ctx, peer, "not wanted");
}

static void on_down(void *ctx, crdt_peer peer, const char *why)
{
    struct host *h = (struct host *)ctx;
    struct seen *s = seen_of(h, peer);
    CHECK(!s->down);
    s->down = 1;
    h->downs++;
    snprintf(s->why, sizeof s->why, "%s", why);
    CHECK_INT(h->t.send(h->t.ctx, peer, CRDT_STR("x")), CRDT_ERR_CLOSED);
}

static void on_received(void *ctx, crdt_peer peer, crdt_bytes bytes)
{
    struct host *h = (struct host *)ctx;
    struct seen *s = seen_of(h, peer);
    size_t i;
    CHECK(!s->down && bytes.len > 0);
    s->upcalls++;
    for (i = 0; i < bytes.len; i++)
        s->wrong += bytes.ptr[i] != pattern(s->len++);
    if (h->echo)
        CHECK_INT(h->t.send(h->t.ctx, peer, bytes), CRDT_OK);
}

static void on_writable(void *ctx, crdt_peer peer)
{
    seen_of((struct host *)ctx, peer)->writable++;
}

static void on_line(void *ctx, const char *text)
{
    struct host *h = (struct host *)ctx;
    size_t len = strlen(h->log);
    CHECK(!strchr(text, '\n'));
    snprintf(h->log + len, sizeof h->log - len, "%s\n", text);
}

/* >>hosts */

static void host_prepare(struct host *h, crdt_tcp_config *config)
{
    memset(h, 0, sizeof *h);
    memset(config, 0, sizeof *config);
    h->up.version = 1;
    h->up.ctx = h;
    h->up.peer_up = on_up;
    h->up.peer_down = on_down;
    h->up.received = on_received;
    h->up.writable = on_writable;
    h->log_table.version = 1;
    h->log_table.ctx = h;
    h->log_table.line = on_line;
    config->log = &h->log_table;
    config->backoff_min_ms = 1;
    config->backoff_max_ms = 50;
}

static int host_open(struct host *h, const crdt_tcp_config *config)
{
    if (crdt_tcp_new(&h->t, config) != CRDT_OK) {
        printf("%s", h->log);
        return 0;
    }
    CHECK_INT(h->t.start(h->t.ctx, &h->up), CRDT_OK);
    return 1;
}

static int host_listen(struct host *h, const char *address)
{
    crdt_tcp_config config;
    host_prepare(h, &config);
    config.listen = address;
    return host_open(h, &config);
}

/* One that dials `to`, an address whose port is that number. */
static int host_dial(struct host *h, const char *to, unsigned port)
{
    crdt_tcp_config config;
    char text[64];
    const char *peers[1];
    snprintf(text, sizeof text, "%s:%u", to, port);
    peers[0] = text;
    host_prepare(h, &config);
    config.peers = peers;
    config.peers_count = 1;
    return host_open(h, &config);
}

static void host_close(struct host *h)
{
    if (h->t.close)
        h->t.close(h->t.ctx);
    h->t.close = NULL;
}

static void host_poll(struct host *h, int timeout_ms)
{
    if (h->t.close)
        CHECK_INT(h->t.poll(h->t.ctx, timeout_ms), CRDT_OK);
}

static uint64_t now_ms(void)
{
    return crdti_mono_ms(NULL);
}

/* Polls both until the condition holds; ends the test when it never does. */
#define UNTIL(a, b, cond)                                                     \
    do {                                                                      \
        uint64_t give_up_ms = now_ms() + DEADLINE_MS;                         \
        while (!(cond) && now_ms() < give_up_ms) {                            \
            host_poll(a, 1);                                                  \
            host_poll(b, 1);                                                  \
        }                                                                     \
        REQUIRE(cond);                                                        \
    } while (0)

/* The next `len` bytes of the pattern, as one message. */
static crdt_err host_send(struct host *h, struct seen *s, size_t len)
{
    uint8_t *bytes = (uint8_t *)malloc(len + 1);
    crdt_err err;
    size_t i;
    for (i = 0; i < len; i++)
        bytes[i] = pattern(s->sent + i);
    err = h->t.send(h->t.ctx, s->peer, crdt_bytes_of(bytes, len));
    if (err == CRDT_OK)
        s->sent += len;
    free(bytes);
    return err;
}

/* Two hosts with a link: `a` listens, `b` has dialled. */
static int link_up(struct host *a, struct host *b)
{
    uint64_t until_ms = now_ms() + DEADLINE_MS;
    if (!host_listen(a, "127.0.0.1:0") ||
        !host_dial(b, "127.0.0.1", crdt_tcp_port(&a->t)))
        return 0;
    while ((!a->peers || !b->peers) && now_ms() < until_ms) {
        host_poll(a, 1);
        host_poll(b, 1);
    }
    return a->peers && b->peers;
}

static void both_close(struct host *a, struct host *b)
{
    host_close(a);
    host_close(b);
}

/* >>strangers: plain sockets, blocking */

static struct sockaddr_in local(unsigned port)
{
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/* Bound, not listening: nobody else gets the port, and dialling it fails. */
static int stranger_bind(unsigned *port)
{
    struct sockaddr_in address = local(0);
    socklen_t len = sizeof address;
    void *generic = &address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(fd, (struct sockaddr *)generic, len) < 0 ||
        getsockname(fd, (struct sockaddr *)generic, &len) < 0)
        abort();
    *port = ntohs(address.sin_port);
    return fd;
}

static int stranger_dial(unsigned port)
{
    struct sockaddr_in address = local(port);
    void *generic = &address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)generic, sizeof address) < 0)
        abort();
    return fd;
}

/* The other side hears of a reset, as when a machine has been restarted. */
static void stranger_reset(int fd)
{
    struct linger at_once = { 1, 0 };
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
}

static size_t open_fds(void)
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return 0;
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

/* >>exchange */

static void exchange_over(const char *host, const char *listen)
{
    static struct host a, b;
    char name[64];
    REQUIRE(host_listen(&a, listen));
    CHECK(crdt_tcp_port(&a.t) > 0);
    CHECK_INT(a.t.properties, CRDT_RELIABLE | CRDT_ORDERED | CRDT_STREAM);
    REQUIRE(host_dial(&b, host, crdt_tcp_port(&a.t)));
    CHECK_INT(crdt_tcp_port(&b.t), 0);
    UNTIL(&a, &b, a.peers == 1 && b.peers == 1);
    snprintf(name, sizeof name, "tcp:%s:%u", host, crdt_tcp_port(&a.t));
    CHECK_STR(b.seen[0].name, name);
    CHECK_INT(host_send(&a, &a.seen[0], 5), CRDT_OK);
    CHECK_INT(host_send(&b, &b.seen[0], 7), CRDT_OK);
    CHECK_INT(host_send(&b, &b.seen[0], 0), CRDT_OK); /* no harm */
    CHECK_INT(a.seen[0].len + b.seen[0].len, 0);      /* only in poll */
    UNTIL(&a, &b, a.seen[0].len == 7 && b.seen[0].len == 5);
    CHECK(!a.seen[0].wrong && !b.seen[0].wrong);
    both_close(&a, &b);
}

TEST(exchange_both_ways)
{
    static struct host a, b;
    exchange_over("127.0.0.1", "127.0.0.1:0");
    REQUIRE(link_up(&a, &b));
    CHECK(strncmp(a.seen[0].name, "tcp:127.0.0.1:", 14) == 0);
    both_close(&a, &b);
}

TEST(exchange_over_ipv6)
{
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 address;
    void *generic = &address;
    int available;
    memset(&address, 0, sizeof address);
    address.sin6_family = AF_INET6;
    address.sin6_addr.s6_addr[15] = 1;
    available =
        fd >= 0 && bind(fd, (struct sockaddr *)generic, sizeof address) == 0;
    if (fd >= 0)
        close(fd);
    if (available)
        exchange_over("[::1]", "[::1]:0");
    else
        printf("skipped: there is no ::1 here\n");
}

/* From the file, as asking a name server could take long. */
static int localhost_is_known(void)
{
    char line[256];
    int known = 0;
    FILE *hosts = fopen("/etc/hosts", "r");
    while (hosts && fgets(line, sizeof line, hosts))
        known |= line[0] != '#' && strstr(line, "localhost") != NULL;
    if (hosts)
        fclose(hosts);
    return known;
}

/* Two addresses, one of which may have no listener. */
TEST(exchange_by_name_and_on_all_interfaces)
{
    if (localhost_is_known()) {
        exchange_over("localhost", ":0");
        exchange_over("localhost", "127.0.0.1:0");
    } else {
        printf("skipped: the name localhost is not in /etc/hosts\n");
    }
    exchange_over("127.0.0.1", "*:0");
}

TEST(a_large_message)
{
    static struct host a, b;
    REQUIRE(link_up(&a, &b));
    CHECK_INT(host_send(&b, &b.seen[0], MIB), CRDT_OK);
    CHECK_INT(host_send(&a, &a.seen[0], MIB), CRDT_OK);
    UNTIL(&a, &b, a.seen[0].len == MIB && b.seen[0].len == MIB);
    CHECK(!a.seen[0].wrong && !b.seen[0].wrong);
    CHECK_INT(host_send(&b, &b.seen[0], b.t.message_max), CRDT_OK);
    CHECK_INT(host_send(&b, &b.seen[0], b.t.message_max + 1), CRDT_ERR_LIMIT);
    UNTIL(&a, &b, a.seen[0].len == b.seen[0].sent);
    CHECK(!a.seen[0].wrong);
    both_close(&a, &b);
}

TEST(many_small_messages_in_order_and_complete)
{
    static struct host a, b;
    uint64_t state = 1;
    int count = 0;
    REQUIRE(link_up(&a, &b));
    a.echo = 1;
    while (count < 50000) {
        crdt_err err = host_send(&b, &b.seen[0], 1 + test_below(&state, 100));
        CHECK(err == CRDT_OK || err == CRDT_ERR_AGAIN);
        count += err == CRDT_OK;
        if (err || count % 1000 == 0) {
            host_poll(&b, 0);
            host_poll(&a, 0);
        }
    }
    UNTIL(&a, &b, b.seen[0].len == b.seen[0].sent);
    CHECK(!a.seen[0].wrong && !b.seen[0].wrong);
    both_close(&a, &b);
}

TEST(small_messages_go_out_together)
{
    static struct host a, b;
    int i;
    REQUIRE(link_up(&a, &b));
    for (i = 0; i < 2000; i++)
        CHECK_INT(host_send(&b, &b.seen[0], 10), CRDT_OK);
    host_poll(&b, 0);
    UNTIL(&a, &b, a.seen[0].len == 20000);
    CHECK(a.seen[0].upcalls <= 4); /* 2,000 when each went alone */
    both_close(&a, &b);
}

TEST(garbage_is_bytes)
{
    static struct host a, b;
    uint8_t bytes[8192];
    uint64_t state = 5;
    size_t i;
    int fd;
    REQUIRE(host_listen(&a, "127.0.0.1:0"));
    memset(&b, 0, sizeof b);
    fd = stranger_dial(crdt_tcp_port(&a.t));
    for (i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)test_random(&state);
    CHECK(send(fd, bytes, sizeof bytes, 0) == (ssize_t)sizeof bytes);
    UNTIL(&a, &b, a.peers && a.seen[0].len == sizeof bytes);
    CHECK(a.seen[0].wrong > 0);
    CHECK(!a.seen[0].down);
    host_close(&a);
    close(fd);
}

/* >>many */

TEST(a_hundred_peers)
{
    static struct host hub, peers[100];
    uint64_t until_ms = now_ms() + DEADLINE_MS;
    size_t i, done = 0;
    REQUIRE(host_listen(&hub, "127.0.0.1:0"));
    hub.echo = 1;
    for (i = 0; i < 100; i++)
        REQUIRE(host_dial(&peers[i], "127.0.0.1", crdt_tcp_port(&hub.t)));
    while (done < 100 && now_ms() < until_ms) {
        host_poll(&hub, 0);
        for (i = done = 0; i < 100; i++) {
            struct seen *s = &peers[i].seen[0];
            host_poll(&peers[i], 0);
            if (peers[i].peers && !s->sent)
                CHECK_INT(host_send(&peers[i], s, 1000), CRDT_OK);
            done += s->len == 1000 && !s->wrong;
        }
    }
    CHECK_INT(done, 100);
    CHECK_INT(hub.peers, 100);
    for (i = 0; i < 100; i++)
        host_close(&peers[i]);
    UNTIL(&hub, &peers[0], hub.downs == 100);
    host_close(&hub);
}

TEST(no_more_than_peers_max_are_let_in)
{
    static struct host a, peers[3];
    crdt_tcp_config config;
    uint64_t until_ms;
    size_t i;
    host_prepare(&a, &config);
    config.listen = "127.0.0.1:0";
    config.peers_max = 2;
    config.linger_ms = 20;
    REQUIRE(host_open(&a, &config));
    for (i = 0; i < 3; i++)
        REQUIRE(host_dial(&peers[i], "127.0.0.1", crdt_tcp_port(&a.t)));
    until_ms = now_ms() + 100;
    while (now_ms() < until_ms || a.peers < 2) {
        host_poll(&a, 1);
        for (i = 0; i < 3; i++)
            host_poll(&peers[i], 0);
    }
    CHECK_INT(a.peers, 2);
    CHECK_INT(crdt_tcp_add_peer(&a.t, "127.0.0.1:1"), CRDT_ERR_LIMIT);
    a.t.drop(a.t.ctx, a.seen[0].peer, "make room");
    UNTIL(&a, &peers[2], a.peers >= 3);
    for (i = 0; i < 3; i++)
        host_close(&peers[i]);
    host_close(&a);
}

TEST(dialling_oneself_gives_both_ends)
{
    static struct host a, none;
    char address[64];
    REQUIRE(host_listen(&a, "127.0.0.1:0"));
    memset(&none, 0, sizeof none);
    snprintf(address, sizeof address, "127.0.0.1:%u", crdt_tcp_port(&a.t));
    CHECK_INT(crdt_tcp_add_peer(&a.t, address), CRDT_OK);
    CHECK_INT(crdt_tcp_add_peer(&a.t, address), CRDT_OK); /* is one */
    UNTIL(&a, &none, a.peers == 2);
    CHECK_INT(host_send(&a, &a.seen[0], 100), CRDT_OK);
    UNTIL(&a, &none, a.seen[1].len == 100);
    host_close(&a);
}

/* >>backpressure */

/* Sends until it is refused, which takes what the system takes as well. */
static crdt_err host_fill(struct host *h, struct seen *s)
{
    uint64_t until_ms = now_ms() + DEADLINE_MS;
    crdt_err err = CRDT_OK;
    while (err == CRDT_OK && now_ms() < until_ms) {
        err = host_send(h, s, 60000);
        if (s->sent % 1200000 == 0)
            host_poll(h, 0);
    }
    return err;
}

TEST(a_slow_reader_stops_nobody_else)
{
    static struct host a, b;
    static uint8_t bytes[65536];
    size_t total = 0, wrong = 0, i;
    struct pollfd fds[4];
    struct seen *slow;
    int fd, refused;
    REQUIRE(link_up(&a, &b));
    fd = stranger_dial(crdt_tcp_port(&a.t));
    UNTIL(&a, &b, a.peers == 2);
    slow = &a.seen[1];
    REQUIRE(host_fill(&a, slow) == CRDT_ERR_AGAIN);
    CHECK_INT(host_send(&a, &a.seen[0], MIB), CRDT_OK);
    UNTIL(&a, &b, b.seen[0].len == MIB);
    REQUIRE(host_fill(&a, slow) == CRDT_ERR_AGAIN);
    CHECK_INT(host_send(&a, slow, 60000), CRDT_ERR_AGAIN);
    refused = slow->writable;
    CHECK_INT(crdt_tcp_fds(&a.t, fds, 4, NULL), 4); /* the slow one is last */
    CHECK(fds[2].events == POLLIN && fds[3].events == (POLLIN | POLLOUT));
    while (total < slow->sent) {
        ssize_t len = recv(fd, bytes, sizeof bytes, 0);
        REQUIRE(len > 0);
        for (i = 0; i < (size_t)len; i++)
            wrong += bytes[i] != pattern(total++);
        host_poll(&a, 0);
    }
    CHECK_INT(wrong, 0);
    UNTIL(&a, &b, slow->writable > refused);
    CHECK_INT(slow->writable, refused + 1); /* once for both refusals */
    CHECK_INT(host_send(&a, slow, 60000), CRDT_OK);
    close(fd);
    both_close(&a, &b);
}

/* >>coming and going */

TEST(a_peer_killed_and_back)
{
    static struct host a, b;
    char address[64];
    REQUIRE(link_up(&a, &b));
    snprintf(address, sizeof address, "127.0.0.1:%u", crdt_tcp_port(&a.t));
    host_close(&a);
    UNTIL(&a, &b, b.downs == 1);
    CHECK_STR(b.seen[0].why, "closed by the peer");
    REQUIRE(host_listen(&a, address));
    UNTIL(&a, &b, b.peers == 2 && a.peers == 1);
    CHECK(b.seen[1].peer > b.seen[0].peer);
    CHECK_INT(host_send(&b, &b.seen[1], 100), CRDT_OK);
    UNTIL(&a, &b, a.seen[0].len == 100);
    both_close(&a, &b);
}

TEST(a_dead_port_is_tried_until_it_lives)
{
    static struct host a, b;
    unsigned port;
    int fd = stranger_bind(&port), i;
    memset(&a, 0, sizeof a);
    REQUIRE(host_dial(&b, "127.0.0.1", port));
    for (i = 0; i < 20; i++)
        host_poll(&b, 5);
    CHECK_INT(b.peers, 0);
    CHECK(strstr(b.log, "cannot connect") && strstr(b.log, "refused"));
    CHECK(strchr(b.log, '\n')[1] == 0); /* one line, whatever the tries */
    CHECK_INT(listen(fd, 5), 0);
    UNTIL(&a, &b, b.peers == 1);
    close(fd); /* with the link in its queue: a reset */
    UNTIL(&a, &b, b.downs == 1);
    host_close(&b);
}

/* A name with three addresses: the first refuses, the second is of a family
 * that this system does not know, the third is alive. */
TEST(each_address_of_a_name_is_tried)
{
    static struct host a, b;
    struct sockaddr_in dead, live;
    unsigned port;
    int fd = stranger_bind(&port);
    crdti_tcp_dial *dial;
    REQUIRE(host_listen(&a, "127.0.0.1:0"));
    REQUIRE(host_dial(&b, "127.0.0.1", port));
    dead = local(port);
    live = local(crdt_tcp_port(&a.t));
    dial = ((crdti_tcp *)b.t.ctx)->dials[0];
    memcpy(&dial->addresses[0].of, &dead, sizeof dead);
    dial->addresses[1].of.ss_family = 12345;
    memcpy(&dial->addresses[2].of, &live, sizeof live);
    dial->addresses[0].len = dial->addresses[2].len = sizeof dead;
    dial->count = 3;
    UNTIL(&a, &b, a.peers == 1 && b.peers == 1);
    CHECK_STR(b.log, "");
    both_close(&a, &b);
    close(fd);
}

/* Nobody listens, and the port that the dialler got is the one it dials. */
TEST(a_socket_that_met_itself_is_told_apart)
{
    static struct host a, b;
    unsigned port;
    int fd = stranger_bind(&port);
    struct sockaddr_in address = local(port);
    void *generic = &address;
    REQUIRE(connect(fd, (struct sockaddr *)generic, sizeof address) == 0);
    CHECK(crdti_tcp_is_itself(fd));
    close(fd);
    REQUIRE(link_up(&a, &b));
    CHECK(!crdti_tcp_is_itself(((crdti_tcp *)a.t.ctx)->links[0]->fd));
    CHECK(!crdti_tcp_is_itself(((crdti_tcp *)b.t.ctx)->links[0]->fd));
    both_close(&a, &b);
}

TEST(a_name_without_address_is_tried_again)
{
    static struct host a, b;
    memset(&a, 0, sizeof a);
    REQUIRE(host_dial(&b, "999.999.999.999", 1));
    UNTIL(&a, &b, strstr(b.log, "cannot connect"));
    host_poll(&b, 1);
    CHECK_INT(b.peers, 0);
    host_close(&b);
}

TEST(a_reset_is_down_and_no_signal)
{
    static struct host a, none;
    int fd, i;
    REQUIRE(host_listen(&a, "127.0.0.1:0"));
    memset(&none, 0, sizeof none);
    for (i = 0; i < 20; i++) {
        fd = stranger_dial(crdt_tcp_port(&a.t));
        UNTIL(&a, &none, a.peers == (size_t)i + 1);
        stranger_reset(fd);
        CHECK_INT(host_send(&a, &a.seen[i], 1000), CRDT_OK);
        if (i % 2)
            a.t.drop(a.t.ctx, a.seen[i].peer, "dropped");
        UNTIL(&a, &none, a.downs == (size_t)i + 1);
        if (i % 2)
            CHECK_STR(a.seen[i].why, "dropped");
        else
            CHECK(a.seen[i].why[0]);
    }
    host_close(&a);
}

/* It writes to a closed socket, is reset, and still reads the last words. */
TEST(last_words_are_heard)
{
    static struct host a, none;
    uint8_t bytes[1000];
    size_t i;
    int fd;
    REQUIRE(host_listen(&a, "127.0.0.1:0"));
    memset(&none, 0, sizeof none);
    for (i = 0; i < sizeof bytes; i++)
        bytes[i] = pattern(i);
    fd = stranger_dial(crdt_tcp_port(&a.t));
    UNTIL(&a, &none, a.peers == 1);
    CHECK(send(fd, bytes, sizeof bytes, 0) == (ssize_t)sizeof bytes);
    close(fd);
    CHECK_INT(host_send(&a, &a.seen[0], 1000), CRDT_OK);
    UNTIL(&a, &none, a.downs == 1);
    CHECK_INT(a.seen[0].len, sizeof bytes);
    CHECK(!a.seen[0].wrong);
    host_close(&a);
}

/* The same where the system says EPIPE, which comes with a signal unless it is
 * told not to; and the other side does not even end. */
TEST(a_broken_pipe_is_down_and_no_signal)
{
    static struct host a, none;
    crdti_tcp *t;
    int fd;
    REQUIRE(host_listen(&a, "127.0.0.1:0"));
    memset(&none, 0, sizeof none);
    fd = stranger_dial(crdt_tcp_port(&a.t));
    UNTIL(&a, &none, a.peers == 1);
    t = (crdti_tcp *)a.t.ctx;
    shutdown(t->links[0]->fd, SHUT_WR);
    CHECK(send(fd, "\0", 1, 0) == 1); /* pattern(0) */
    CHECK_INT(host_send(&a, &a.seen[0], 1000), CRDT_OK);
    UNTIL(&a, &none, a.downs == 1);
    CHECK(a.seen[0].len == 1 && !a.seen[0].wrong);
    CHECK_STR(a.seen[0].why, strerror(EPIPE));
    host_close(&a);
    close(fd);
}

TEST(who_is_dropped_gets_all_that_was_queued)
{
    static struct host a, b;
    crdt_tcp_config config;
    host_prepare(&a, &config);
    config.listen = "127.0.0.1:0";
    config.linger_ms = 2 * DEADLINE_MS; /* it ends when the other ends */
    REQUIRE(host_open(&a, &config));
    REQUIRE(host_dial(&b, "127.0.0.1", crdt_tcp_port(&a.t)));
    UNTIL(&a, &b, a.peers == 1 && b.peers == 1);
    CHECK_INT(host_send(&b, &b.seen[0], 100), CRDT_OK); /* never read */
    host_poll(&b, 0);
    CHECK_INT(host_send(&a, &a.seen[0], 3 * MIB), CRDT_OK);
    a.t.drop(a.t.ctx, a.seen[0].peer, "enough");
    CHECK_INT(host_send(&a, &a.seen[0], 1), CRDT_ERR_CLOSED);
    UNTIL(&a, &b, a.downs == 1 && b.downs == 1);
    CHECK_INT(b.seen[0].len, 3 * MIB);
    CHECK(!b.seen[0].wrong);
    CHECK_STR(a.seen[0].why, "enough");
    CHECK_INT(a.seen[0].len, 0);
    both_close(&a, &b);
}

TEST(who_is_dropped_and_does_not_read_has_its_time)
{
    static struct host a, none;
    crdt_tcp_config config;
    uint64_t from_ms;
    int fd;
    memset(&none, 0, sizeof none);
    host_prepare(&a, &config);
    config.listen = "127.0.0.1:0";
    config.queue_max = 32 * MIB;
    config.linger_ms = 100;
    REQUIRE(host_open(&a, &config));
    fd = stranger_dial(crdt_tcp_port(&a.t));
    UNTIL(&a, &none, a.peers == 1);
    CHECK_INT(host_send(&a, &a.seen[0], 32 * MIB), CRDT_OK);
    from_ms = now_ms();
    a.t.drop(a.t.ctx, a.seen[0].peer, "enough");
    UNTIL(&a, &none, a.downs == 1);
    CHECK(now_ms() - from_ms >= 80); /* the clock may be coarse */
    host_close(&a);
    close(fd);
}

TEST(dropped_from_within_peer_up)
{
    static struct host a, b;
    REQUIRE(host_listen(&a, "127.0.0.1:0"));
    REQUIRE(host_dial(&b, "127.0.0.1", crdt_tcp_port(&a.t)));
    a.drop_all = 1;
    UNTIL(&a, &b, a.downs >= 3 && b.downs >= 3); /* it comes again */
    CHECK_STR(a.seen[0].why, "not wanted");
    both_close(&a, &b);
}

TEST(closed_while_sending)
{
    static struct host a, b;
    int i;
    for (i = 0; i < 4; i++) {
        REQUIRE(link_up(&a, &b));
        CHECK_INT(host_send(&a, &a.seen[0], 3 * MIB), CRDT_OK);
        CHECK_INT(host_send(&b, &b.seen[0], 3 * MIB), CRDT_OK);
        if (i & 1)
            UNTIL(&a, &b, a.seen[0].len > 0);
        host_close(i & 2 ? &a : &b);
        UNTIL(&a, &b, (i & 2 ? &b : &a)->downs == 1);
        CHECK(!a.seen[0].wrong && !b.seen[0].wrong);
        both_close(&a, &b);
    }
}

/* Goodbye: queued, and the transport closed at once. */
TEST(what_was_queued_at_closing_arrives)
{
    static struct host a, b;
    REQUIRE(link_up(&a, &b));
    CHECK_INT(host_send(&b, &b.seen[0], 500), CRDT_OK); /* unread by a */
    host_poll(&b, 0);
    CHECK_INT(host_send(&a, &a.seen[0], 1000), CRDT_OK);
    host_close(&a);
    UNTIL(&a, &b, b.downs == 1);
    CHECK_INT(b.seen[0].len, 1000);
    CHECK_STR(b.seen[0].why, "closed by the peer"); /* not reset */
    both_close(&a, &b);
}

/* More than the other side has taken yet: it is in the system, which forgets
 * it when a socket is closed with bytes unread. */
TEST(what_the_system_has_at_closing_arrives)
{
    static struct host a, b;
    size_t taken;
    int i;
    REQUIRE(link_up(&a, &b));
    CHECK_INT(host_send(&b, &b.seen[0], 500), CRDT_OK); /* unread by a */
    host_poll(&b, 0);
    CHECK_INT(host_send(&a, &a.seen[0], 4 * MIB), CRDT_OK);
    for (i = 0; i < 5; i++)
        crdti_tcp_flush_all((crdti_tcp *)a.t.ctx); /* without reading */
    taken = 4 * MIB - crdti_tcp_queued(((crdti_tcp *)a.t.ctx)->links[0]);
    host_close(&a);
    UNTIL(&a, &b, b.downs == 1);
    CHECK(taken > 0 && b.seen[0].len >= taken);
    both_close(&a, &b);
}

/* >>time: a clock and a random source that do as they are told */

struct fake {
    uint64_t ms;
    uint32_t random;
    int broken;
    crdt_clock clock;
    crdt_random source;
};

static uint64_t fake_ms(void *ctx)
{
    return ((struct fake *)ctx)->ms;
}

static crdt_err fake_fill(void *ctx, void *out, size_t len)
{
    struct fake *f = (struct fake *)ctx;
    CHECK_INT(len, sizeof f->random);
    memcpy(out, &f->random, len);
    return f->broken ? CRDT_ERR_IO : CRDT_OK;
}

static void fake_init(struct fake *f, crdt_tcp_config *config)
{
    memset(f, 0, sizeof *f);
    f->ms = 1000000;
    f->clock.version = f->source.version = 1;
    f->clock.ctx = f->source.ctx = f;
    f->clock.wall_ms = f->clock.mono_ms = fake_ms;
    f->source.fill = fake_fill;
    config->clock = &f->clock;
    config->random = &f->source;
}

/* Dials once more; how long it then wants to wait, or -1. */
static int one_attempt(struct host *h)
{
    uint64_t until_ms = now_ms() + DEADLINE_MS;
    int wait_ms = 0;
    while (now_ms() < until_ms) {
        host_poll(h, 1);
        if (crdt_tcp_fds(&h->t, NULL, 0, &wait_ms) == 1)
            return wait_ms;
    }
    return -1;
}

TEST(backoff_doubles_to_its_bound_with_full_jitter)
{
    static const int bounds[] = { 100,  200,  400,   800,   1600,
                                  3200, 6400, 10000, 10000, 10000 };
    static struct host h;
    crdt_tcp_config config;
    struct fake fake;
    char text[64];
    const char *peer = text;
    unsigned port;
    int fd = stranger_bind(&port);
    size_t i;
    host_prepare(&h, &config);
    fake_init(&fake, &config);
    snprintf(text, sizeof text, "127.0.0.1:%u", port);
    config.peers = &peer;
    config.peers_count = 1;
    config.backoff_min_ms = config.backoff_max_ms = 0; /* the defaults */
    REQUIRE(host_open(&h, &config));
    fake.random = UINT32_MAX;
    for (i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        CHECK_INT(one_attempt(&h), bounds[i]);
        fake.ms += (uint64_t)bounds[i] - 1;
        CHECK_INT(one_attempt(&h), 1); /* not yet */
        fake.ms += 1;
        fake.broken = i == 8; /* without randomness, the bound */
    }
    fake.random = 0x80000000u;
    CHECK_INT(one_attempt(&h), 5000);
    fake.ms += 5000;
    fake.random = 0x40000000u;
    CHECK_INT(one_attempt(&h), 2500);
    host_close(&h);
    close(fd);
}

/* The link comes up, lives that long, is lost; the wait that follows. */
static int wait_after_life(uint64_t life_ms)
{
    static struct host h, none;
    crdt_tcp_config config;
    struct fake fake;
    char text[64];
    const char *peer = text;
    unsigned port;
    int fd = stranger_bind(&port), link, wait_ms = -1, i;
    uint64_t until_ms = now_ms() + DEADLINE_MS;
    host_prepare(&h, &config);
    memset(&none, 0, sizeof none);
    fake_init(&fake, &config);
    fake.random = UINT32_MAX;
    snprintf(text, sizeof text, "127.0.0.1:%u", port);
    config.peers = &peer;
    config.peers_count = 1;
    config.backoff_min_ms = 100;
    config.backoff_max_ms = 10000;
    if (!host_open(&h, &config))
        return -1;
    for (i = 0; i < 5; i++)
        fake.ms += (uint64_t)one_attempt(&h);
    listen(fd, 5);
    while (!h.peers && now_ms() < until_ms)
        host_poll(&h, 1);
    link = accept(fd, NULL, NULL);
    fake.ms += life_ms;
    close(link);
    close(fd);
    while (!h.downs && now_ms() < until_ms)
        host_poll(&h, 1);
    crdt_tcp_fds(&h.t, NULL, 0, &wait_ms);
    host_close(&h);
    return wait_ms;
}

TEST(a_link_that_lived_ends_the_row)
{
    CHECK_INT(wait_after_life(9999), 3200);
    CHECK_INT(wait_after_life(10000), 100);
}

/* Where the queue of a listener is full, Linux answers nothing at all. */
TEST(connecting_takes_its_time_at_most)
{
    static struct host h;
    crdt_tcp_config config;
    struct fake fake;
    char text[64];
    const char *peer = text;
    unsigned port;
    int fd = stranger_bind(&port), first, wait_ms, i;
    struct pollfd one;
    host_prepare(&h, &config);
    fake_init(&fake, &config);
    fake.random = UINT32_MAX;
    CHECK_INT(listen(fd, 0), 0);
    first = stranger_dial(port);
    snprintf(text, sizeof text, "127.0.0.1:%u", port);
    config.peers = &peer;
    config.peers_count = 1;
    config.connect_ms = 700;
    REQUIRE(host_open(&h, &config));
    for (i = 0; i < 20; i++)
        host_poll(&h, 1);
    if (h.peers) {
        printf("skipped: this system lets one in more\n");
    } else {
        CHECK_INT(crdt_tcp_fds(&h.t, &one, 1, &wait_ms), 2);
        CHECK_INT(wait_ms, 700);
        fake.ms += 699;
        host_poll(&h, 0);
        CHECK_STR(h.log, "");
        fake.ms += 1;
        host_poll(&h, 0);
        CHECK(strstr(h.log, "it takes too long"));
        CHECK_INT(crdt_tcp_fds(&h.t, &one, 1, &wait_ms), 1);
        CHECK_INT(wait_ms, 1);
    }
    host_close(&h);
    close(first);
    close(fd);
}

/* >>a loop of one's own */

TEST(poll_waits_no_longer_than_asked_and_not_in_vain)
{
    static struct host a, b;
    uint64_t from_ms;
    REQUIRE(link_up(&a, &b));
    from_ms = now_ms();
    host_poll(&a, 60);
    CHECK(now_ms() - from_ms >= 40);
    CHECK_INT(host_send(&b, &b.seen[0], 10), CRDT_OK);
    host_poll(&b, 0);
    from_ms = now_ms();
    host_poll(&a, DEADLINE_MS);
    CHECK(now_ms() - from_ms < DEADLINE_MS / 2);
    CHECK_INT(a.seen[0].len, 10);
    both_close(&a, &b);
}

/* What was due before the wait began is something that has happened. */
TEST(poll_does_not_wait_after_an_upcall)
{
    static struct host a, none;
    crdt_tcp_config config;
    struct fake fake;
    uint64_t from_ms;
    int fd;
    memset(&none, 0, sizeof none);
    host_prepare(&a, &config);
    fake_init(&fake, &config);
    config.listen = "127.0.0.1:0";
    REQUIRE(host_open(&a, &config));
    fd = stranger_dial(crdt_tcp_port(&a.t));
    UNTIL(&a, &none, a.peers == 1);
    a.t.drop(a.t.ctx, a.seen[0].peer, "");
    host_poll(&a, 0);
    fake.ms += 1000;
    from_ms = now_ms();
    host_poll(&a, DEADLINE_MS);
    CHECK(now_ms() - from_ms < DEADLINE_MS / 2);
    CHECK_INT(a.downs, 1);
    host_close(&a);
    close(fd);
}

static int option_of(int fd, int level, int option)
{
    int value = 0;
    socklen_t len = sizeof value;
    getsockopt(fd, level, option, &value, &len);
    return value;
}

/* Programs that ours starts do not get the sockets. */
static void check_socket(int fd)
{
    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

TEST(sockets_are_what_they_should_be)
{
    static struct host a, b;
    const crdti_tcp *both[2];
    int i;
    REQUIRE(link_up(&a, &b));
    both[0] = (const crdti_tcp *)a.t.ctx;
    both[1] = (const crdti_tcp *)b.t.ctx;
    check_socket(both[0]->listener);
    for (i = 0; i < 2; i++) {
        int fd = both[i]->links[0]->fd;
        check_socket(fd);
        CHECK(option_of(fd, IPPROTO_TCP, TCP_NODELAY));
        CHECK(option_of(fd, SOL_SOCKET, SO_KEEPALIVE));
    }
    both_close(&a, &b);
}

/* >>unix sockets */

/* A path is removed at the end, taken over when nobody is behind it, and left
 * alone when somebody is. */
TEST(paths_of_unix_sockets)
{
    static struct host a, b, c;
    crdt_tcp_config config;
    char path[64], address[80], longest[300];
    const char *peer = address;
    int fd;
    snprintf(path, sizeof path, "/tmp/crdtsync-test-%ld.sock", (long)getpid());
    snprintf(address, sizeof address, "unix:%s", path);
    REQUIRE(host_listen(&a, address));
    CHECK_INT(crdt_tcp_port(&a.t), 0);
    host_prepare(&b, &config);
    config.peers = &peer;
    config.peers_count = 1;
    REQUIRE(host_open(&b, &config));
    UNTIL(&a, &b, a.peers == 1 && b.peers == 1);
    CHECK_STR(b.seen[0].name, address);
    CHECK(strncmp(a.seen[0].name, "unix:", 5) == 0);
    CHECK_INT(host_send(&b, &b.seen[0], 100000), CRDT_OK);
    UNTIL(&a, &b, a.seen[0].len == 100000);
    CHECK(!a.seen[0].wrong);
    host_prepare(&c, &config);
    config.listen = address;
    CHECK_INT(crdt_tcp_new(&c.t, &config), CRDT_ERR_IO);
    CHECK(strstr(c.log, address) && strstr(c.log, "in use"));
    fd = dup(((crdti_tcp *)a.t.ctx)->listener);
    host_close(&a);
    CHECK(access(path, F_OK) != 0);
    UNTIL(&a, &b, b.downs == 1);
    REQUIRE(host_listen(&a, address));
    UNTIL(&a, &b, b.peers == 2);
    close(fd);
    close(((crdti_tcp *)a.t.ctx)->listener); /* as when it is killed */
    ((crdti_tcp *)a.t.ctx)->listener = -1;
    REQUIRE(access(path, F_OK) == 0);
    REQUIRE(host_listen(&c, address)); /* takes over */
    both_close(&b, &c);
    host_close(&a);
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    memcpy(longest, "unix:", 5);
    host_prepare(&a, &config);
    config.listen = longest;
    CHECK_INT(crdt_tcp_new(&a.t, &config), CRDT_ERR_ARG);
    config.listen = "unix:";
    CHECK_INT(crdt_tcp_new(&a.t, &config), CRDT_ERR_ARG);
}

/* >>refusals */

TEST(a_port_that_is_taken_is_a_clear_error)
{
    static struct host a, b;
    crdt_tcp_config config;
    char address[64];
    REQUIRE(host_listen(&a, "127.0.0.1:0"));
    snprintf(address, sizeof address, "127.0.0.1:%u", crdt_tcp_port(&a.t));
    host_prepare(&b, &config);
    config.listen = address;
    CHECK_INT(crdt_tcp_new(&b.t, &config), CRDT_ERR_IO);
    CHECK(strstr(b.log, address) && strstr(b.log, "cannot listen"));
    CHECK(strstr(b.log, "in use"));
    host_close(&a);
}

TEST(addresses_that_are_none)
{
    static const char *const bad[] = {
        "",      "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536",
        "a:-1",  "::1:80",    "[]:80",      "a:123456789",
        "a:b",   "a: 80",     "a:80 ",      "[::1]80:80",
        "a:8e1", "[::1",      ":"
    };
    static struct host h;
    crdt_tcp_config config;
    char longest[300];
    size_t i;
    host_prepare(&h, &config);
    REQUIRE(host_open(&h, &config)); /* neither listens nor dials */
    CHECK_INT(crdt_tcp_port(&h.t), 0);
    for (i = 0; i < sizeof bad / sizeof *bad; i++)
        if (crdt_tcp_add_peer(&h.t, bad[i]) != CRDT_ERR_ARG)
            CHECK_STR(bad[i], "refused");
    CHECK_INT(crdt_tcp_add_peer(&h.t, ":80"), CRDT_ERR_ARG);
    CHECK_INT(crdt_tcp_add_peer(&h.t, "a:0"), CRDT_ERR_ARG);
    CHECK_INT(crdt_tcp_add_peer(&h.t, NULL), CRDT_ERR_ARG);
    memset(longest, 'a', sizeof longest);
    memcpy(longest + 256, ":80", 4);
    CHECK_INT(crdt_tcp_add_peer(&h.t, longest), CRDT_ERR_ARG);
    memcpy(longest + 255, ":80", 4);
    CHECK_INT(crdt_tcp_add_peer(&h.t, longest), CRDT_OK);
    host_close(&h);
    config.listen = "127.0.0.1";
    CHECK_INT(crdt_tcp_new(&h.t, &config), CRDT_ERR_ARG);
    config.listen = "192.0.2.1:0"; /* not ours: TEST-NET-1 */
    CHECK_INT(crdt_tcp_new(&h.t, &config), CRDT_ERR_IO);
    CHECK(strstr(h.log, "192.0.2.1"));
    CHECK_INT(crdt_tcp_new(NULL, &config), CRDT_ERR_ARG);
    CHECK_INT(crdt_tcp_new(&h.t, NULL), CRDT_ERR_ARG);
}

TEST(calls_out_of_order)
{
    static struct host h;
    crdt_tcp_config config;
    crdt_transport other;
    memset(&other, 0, sizeof other);
    host_prepare(&h, &config);
    REQUIRE(crdt_tcp_new(&h.t, &config) == CRDT_OK);
    CHECK_INT(h.t.poll(h.t.ctx, 0), CRDT_ERR_ARG);
    CHECK_INT(h.t.start(h.t.ctx, NULL), CRDT_ERR_ARG);
    CHECK_INT(h.t.start(h.t.ctx, &h.up), CRDT_OK);
    CHECK_INT(h.t.start(h.t.ctx, &h.up), CRDT_ERR_ARG);
    CHECK_INT(h.t.send(h.t.ctx, 1, CRDT_STR("x")), CRDT_ERR_CLOSED);
    h.t.drop(h.t.ctx, 1, "not there");
    CHECK_INT(crdt_tcp_add_peer(&other, "a:80"), CRDT_ERR_ARG);
    CHECK_INT(crdt_tcp_port(&other), 0);
    CHECK_INT(crdt_tcp_fds(&other, NULL, 0, NULL), 0);
    host_close(&h);
}

/* >>what runs out */

TEST(no_descriptor_left)
{
    static struct host a, none;
    struct rlimit old, few;
    uint64_t from_ms;
    size_t rounds;
    int fd;
    memset(&none, 0, sizeof none);
    REQUIRE(host_listen(&a, "127.0.0.1:0"));
    fd = stranger_dial(crdt_tcp_port(&a.t));
    REQUIRE(getrlimit(RLIMIT_NOFILE, &old) == 0);
    few = old;
    few.rlim_cur = (rlim_t)fd + 1; /* fd is the lowest that was free */
    REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
    from_ms = now_ms();
    for (rounds = 0; now_ms() - from_ms < 250; rounds++)
        host_poll(&a, 10000);
    CHECK(rounds < 20); /* it waits, it does not spin */
    CHECK(strstr(a.log, "cannot accept"));
    setrlimit(RLIMIT_NOFILE, &old);
    UNTIL(&a, &none, a.peers == 1);
    host_close(&a);
    close(fd);
}

/* Two hosts that live from one memory and find together; whether they did. When
 * an allocation has failed, they may not, and have 60 rounds. */
static int life(const struct failing_alloc *memory)
{
    static struct host a, b;
    const crdt_alloc *alloc = &memory->table;
    uint64_t until_ms = now_ms() + DEADLINE_MS;
    crdt_tcp_config config;
    struct fake fake;
    char text[64];
    const char *peer = text;
    int i, ok;
    host_prepare(&a, &config);
    fake_init(&fake, &config);
    config.alloc = alloc;
    config.listen = "127.0.0.1:0";
    ok = crdt_tcp_new(&a.t, &config) == CRDT_OK;
    snprintf(text, sizeof text, "127.0.0.1:%u", ok ? crdt_tcp_port(&a.t) : 1);
    host_prepare(&b, &config);
    fake_init(&fake, &config);
    config.alloc = alloc;
    config.peers = &peer;
    config.peers_count = 1;
    ok = ok && crdt_tcp_new(&b.t, &config) == CRDT_OK;
    if (ok) {
        a.t.start(a.t.ctx, &a.up);
        b.t.start(b.t.ctx, &b.up);
    }
    for (i = 0; ok && b.seen[0].len < 100; i++) {
        crdt_err one = a.t.poll(a.t.ctx, 1), two = b.t.poll(b.t.ctx, 1);
        CHECK(one == CRDT_OK || one == CRDT_ERR_NOMEM);
        CHECK(two == CRDT_OK || two == CRDT_ERR_NOMEM);
        if (a.peers && !a.seen[0].sent) {
            one = host_send(&a, &a.seen[0], 100);
            CHECK(one == CRDT_OK || one == CRDT_ERR_NOMEM);
        }
        fake.ms += 50;
        if (memory->failures ? i > 60 : now_ms() > until_ms)
            break;
    }
    both_close(&a, &b);
    return b.seen[0].len == 100 && !b.seen[0].wrong;
}

TEST(every_allocation_fails_once_and_from_then_on)
{
    struct failing_alloc memory;
    size_t n, fds = open_fds(), recovered = 0;
    int on, ok, clean;
    for (on = 0; on < 2; on++) {
        clean = 0;
        for (n = 1; !clean && n < 1000; n++) {
            failing_alloc_init(&memory);
            memory.fail_at = n;
            memory.from_then_on = on;
            ok = life(&memory);
            clean = memory.failures == 0;
            CHECK(ok || !clean);
            recovered += ok && !clean;
            CHECK(failing_alloc_clean(&memory));
        }
        CHECK(clean && n > 10);
    }
    CHECK(recovered > 0); /* a link that could not be had is tried again */
    CHECK_INT(open_fds(), fds);
}

TEST(idle_links_give_their_memory_back)
{
    static struct host a, b;
    crdt_tcp_config config;
    struct failing_alloc memory;
    struct fake fake;
    size_t before;
    failing_alloc_init(&memory);
    host_prepare(&a, &config);
    fake_init(&fake, &config);
    config.listen = "127.0.0.1:0";
    config.alloc = &memory.table;
    REQUIRE(host_open(&a, &config));
    REQUIRE(host_dial(&b, "127.0.0.1", crdt_tcp_port(&a.t)));
    UNTIL(&a, &b, a.peers == 1 && b.peers == 1);
    before = memory.live_bytes;
    CHECK_INT(host_send(&a, &a.seen[0], 3 * MIB), CRDT_OK);
    UNTIL(&a, &b, b.seen[0].len == 3 * MIB);
    CHECK(memory.live_bytes >= before + 3 * MIB);
    fake.ms += 1000;
    host_poll(&a, 0);
    CHECK_INT(memory.live_bytes, before);
    both_close(&a, &b);
    CHECK(failing_alloc_clean(&memory));
}

TEST(no_descriptor_leaks)
{
    static struct host a, b;
    size_t before = open_fds();
    unsigned port;
    int fd = stranger_bind(&port), i;
    char dead[64];
    snprintf(dead, sizeof dead, "127.0.0.1:%u", port);
    for (i = 0; i < 10; i++) {
        REQUIRE(link_up(&a, &b));
        CHECK_INT(crdt_tcp_add_peer(&b.t, dead), CRDT_OK);
        UNTIL(&a, &b, strstr(b.log, "refused"));
        a.t.drop(a.t.ctx, a.seen[0].peer, "");
        UNTIL(&a, &b, a.downs == 1 && b.downs == 1);
        both_close(&a, &b);
    }
    close(fd);
    CHECK_INT(open_fds(), before);
}

TEST_MAIN(CASE(exchange_both_ways), CASE(exchange_over_ipv6),
          CASE(exchange_by_name_and_on_all_interfaces), CASE(a_large_message),
          CASE(many_small_messages_in_order_and_complete),
          CASE(small_messages_go_out_together), CASE(garbage_is_bytes),
          CASE(a_hundred_peers), CASE(no_more_than_peers_max_are_let_in),
          CASE(dialling_oneself_gives_both_ends),
          CASE(a_slow_reader_stops_nobody_else), CASE(a_peer_killed_and_back),
          CASE(a_dead_port_is_tried_until_it_lives),
          CASE(each_address_of_a_name_is_tried),
          CASE(a_socket_that_met_itself_is_told_apart),
          CASE(a_name_without_address_is_tried_again),
          CASE(a_reset_is_down_and_no_signal), CASE(last_words_are_heard),
          CASE(a_broken_pipe_is_down_and_no_signal),
          CASE(who_is_dropped_gets_all_that_was_queued),
          CASE(who_is_dropped_and_does_not_read_has_its_time),
          CASE(dropped_from_within_peer_up), CASE(closed_while_sending),
          CASE(what_was_queued_at_closing_arrives),
          CASE(what_the_system_has_at_closing_arrives),
          CASE(backoff_doubles_to_its_bound_with_full_jitter),
          CASE(a_link_that_lived_ends_the_row),
          CASE(connecting_takes_its_time_at_most),
          CASE(poll_waits_no_longer_than_asked_and_not_in_vain),
          CASE(poll_does_not_wait_after_an_upcall),
          CASE(paths_of_unix_sockets), CASE(sockets_are_what_they_should_be),
          CASE(a_port_that_is_taken_is_a_clear_error),
          CASE(addresses_that_are_none), CASE(calls_out_of_order),
          CASE(no_descriptor_left),
          CASE(every_allocation_fails_once_and_from_then_on),
          CASE(idle_links_give_their_memory_back), CASE(no_descriptor_leaks))
