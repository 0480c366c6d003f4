/*
 * Transports, each beside the bare thing doing the same in the same run: two
 * processes of this machine, over the loopback interface.
 *
 *     build/bench-net [PATTERN]
 *
 *     tcp/64      messages/s and bytes/s, one way, until all have arrived
 *                 round trip, median and 99th percentile
 *     deltas      counter changes a second, committed at one node and seen at
 *                 another
 *     fan-out     what a change costs an author with 20 peers over ZeroMQ,
 *                 with a PUB socket and without
 *
 * Times are of the wall, as two processes and the system share the work; the
 * median of RUNS.
 */
#define _POSIX_C_SOURCE 200809L

#define CRDTSYNC_IMPLEMENTATION
#include "crdtsync.h"
#include "crdtsync_tcp.h"
#include "crdtsync_udp.h"
#ifdef BENCH_ZMQ
#include "crdtsync_zmq.h"
#endif

#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <sys/wait.h>

enum { RUNS = 3, PINGS = 2000, BYTES = 64 << 20, COUNT_MAX = 400000 };

/* >>a link of any kind ---------------------------------------------------- */

/* One end: `send` until it is taken; `receive` waits at most so long and
 * answers how many bytes came, `got` in all. */
struct end {
    const struct kind *kind;
    int fd;                 /* bare sockets */
    void *context, *socket; /* bare ZeroMQ */
    crdt_transport t;       /* ours */
    crdt_upcalls up;
    crdt_peer peer;
    size_t got;
    uint8_t first[8]; /* of what came last */
};

struct kind {
    const char *name;
    void (*open)(struct end *e, int is_server, unsigned port);
    void (*send)(struct end *e, const uint8_t *bytes, size_t len);
    void (*receive)(struct end *e, int timeout_ms);
    size_t most; /* bytes a message; 0: any */
    int loses;
};

static void fail(const char *why)
{
    fprintf(stderr, "bench-net: %s: %s\n", why, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct sockaddr_in local(unsigned port)
{
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/* One that is free now, and that no system gives to who connects: dialling
 * it before somebody listens must not meet itself. */
static unsigned free_port(void)
{
    static unsigned next;
    for (;;) {
        struct sockaddr_in address;
        void *generic = &address;
        unsigned port = 20000 + ((unsigned)getpid() + next++ * 2) % 10000;
        int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1, failed;
        address = local(port);
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        failed = bind(fd, (struct sockaddr *)generic, sizeof address);
        close(fd);
        if (!failed)
            return port;
    }
}

static void note(struct end *e, const uint8_t *bytes, size_t len)
{
    e->got += len;
    if (len >= 8)
        memcpy(e->first, bytes, 8);
}

/* >>bare sockets ---------------------------------------------------------- */

static void bare_tcp_open(struct end *e, int is_server, unsigned port)
{
    struct sockaddr_in address = local(port);
    void *generic = &address;
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    e->fd = listener;
    if (is_server) {
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (bind(listener, (struct sockaddr *)generic, sizeof address) < 0 ||
            listen(listener, 1) < 0 ||
            (e->fd = accept(listener, NULL, NULL)) < 0)
            fail("bare tcp");
        close(listener);
    } else {
        while (connect(e->fd, (struct sockaddr *)generic, sizeof address) <
               0) {
            close(e->fd);
            e->fd = socket(AF_INET, SOCK_STREAM, 0);
        }
    }
    setsockopt(e->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static void bare_udp_open(struct end *e, int is_server, unsigned port)
{
    struct sockaddr_in here = local(is_server ? port : port + 1);
    struct sockaddr_in there = local(is_server ? port + 1 : port);
    void *generic = &here, *other = &there;
    int size = 1 << 20;
    e->fd = socket(AF_INET, SOCK_DGRAM, 0);
    setsockopt(e->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (bind(e->fd, (struct sockaddr *)generic, sizeof here) < 0 ||
        connect(e->fd, (struct sockaddr *)other, sizeof there) < 0)
        fail("bare udp");
    if (is_server) /* until the other is there */
        (void)!recv(e->fd, &size, 1, 0);
    else
        while (send(e->fd, "", 1, 0) < 0 || send(e->fd, "", 1, 0) < 0)
            poll(NULL, 0, 1);
}

static void bare_send(struct end *e, const uint8_t *bytes, size_t len)
{
    while (len) {
        ssize_t sent = send(e->fd, bytes, len, MSG_NOSIGNAL);
        if (sent < 0 && errno != ECONNREFUSED)
            fail("send");
        if (sent < 0)
            sent = (ssize_t)len; /* a datagram to nobody */
        bytes += sent;
        len -= (size_t)sent;
    }
}

static void bare_receive(struct end *e, int timeout_ms)
{
    static uint8_t bytes[65536];
    struct pollfd fds;
    ssize_t len;
    fds.fd = e->fd;
    fds.events = POLLIN;
    if (poll(&fds, 1, timeout_ms) <= 0)
        return;
    len = recv(e->fd, bytes, sizeof bytes, 0);
    if (len > 0)
        note(e, bytes, (size_t)len);
}

/* >>ours ------------------------------------------------------------------ */

static void on_up(void *ctx, crdt_peer peer, const char *name)
{
    (void)name;
    ((struct end *)ctx)->peer = peer;
}

static void on_down(void *ctx, crdt_peer peer, const char *why)
{
    (void)peer, (void)why;
    ((struct end *)ctx)->peer = 0;
}

static void on_received(void *ctx, crdt_peer peer, crdt_bytes bytes)
{
    (void)peer;
    note((struct end *)ctx, bytes.ptr, bytes.len);
}

static void on_writable(void *ctx, crdt_peer peer)
{
    (void)ctx, (void)peer;
}

static void our_start(struct end *e)
{
    e->up.version = 1;
    e->up.ctx = e;
    e->up.peer_up = on_up;
    e->up.peer_down = on_down;
    e->up.received = on_received;
    e->up.writable = on_writable;
    e->t.start(e->t.ctx, &e->up);
    while (!e->peer)
        e->t.poll(e->t.ctx, 100);
}

static void our_tcp_make(crdt_transport *out, int is_server,
                         const char *address)
{
    crdt_tcp_config config;
    memset(&config, 0, sizeof config);
    if (is_server)
        config.listen = address;
    config.peers = &address;
    config.peers_count = !is_server;
    config.backoff_max_ms = 5;
    if (crdt_tcp_new(out, &config))
        fail("tcp");
}

static void our_tcp_open(struct end *e, int is_server, unsigned port)
{
    char address[40];
    snprintf(address, sizeof address, "127.0.0.1:%u", port);
    our_tcp_make(&e->t, is_server, address);
    our_start(e);
}

static void our_unix_open(struct end *e, int is_server, unsigned port)
{
    char address[60];
    snprintf(address, sizeof address, "unix:/tmp/crdtsync-bench-%u", port);
    our_tcp_make(&e->t, is_server, address);
    our_start(e);
}

static void our_udp_open(struct end *e, int is_server, unsigned port)
{
    crdt_udp_config config;
    char address[40];
    const char *peer = address;
    memset(&config, 0, sizeof config);
    snprintf(address, sizeof address, "127.0.0.1:%u", port);
    config.listen = is_server ? address : "127.0.0.1:0";
    config.peers = &peer;
    config.peers_count = !is_server;
    config.backoff_max_ms = 5;
    if (crdt_udp_new(&e->t, &config))
        fail("udp");
    our_start(e);
}

static void our_send(struct end *e, const uint8_t *bytes, size_t len)
{
    while (e->peer && e->t.send(e->t.ctx, e->peer, crdt_bytes_of(bytes, len)))
        e->t.poll(e->t.ctx, 1);
}

static void our_receive(struct end *e, int timeout_ms)
{
    e->t.poll(e->t.ctx, timeout_ms);
}

/* >>ZeroMQ ---------------------------------------------------------------- */

#ifdef BENCH_ZMQ
static void bare_zmq_open(struct end *e, int is_server, unsigned port)
{
    char endpoint[60];
    snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%u", port);
    e->context = zmq_ctx_new();
    e->socket = zmq_socket(e->context, ZMQ_DEALER);
    if (is_server ? zmq_bind(e->socket, endpoint)
                  : zmq_connect(e->socket, endpoint))
        fail("bare zmq");
}

static void bare_zmq_send(struct end *e, const uint8_t *bytes, size_t len)
{
    zmq_send(e->socket, bytes, len, 0);
}

static void bare_zmq_receive(struct end *e, int timeout_ms)
{
    static uint8_t bytes[65536];
    int len;
    zmq_setsockopt(e->socket, ZMQ_RCVTIMEO, &timeout_ms, sizeof timeout_ms);
    len = zmq_recv(e->socket, bytes, sizeof bytes, 0);
    if (len > 0)
        note(e, bytes, (size_t)len);
}

static void our_zmq_open(struct end *e, int is_server, unsigned port)
{
    crdt_zmq_config config;
    char endpoint[60];
    const char *peer = endpoint;
    snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%u", port);
    memset(&config, 0, sizeof config);
    if (is_server)
        config.listen = endpoint;
    config.peers = &peer;
    config.peers_count = !is_server;
    config.hwm = 1000; /* as bare ZeroMQ */
    config.backoff_min_ms = 5;
    if (crdt_zmq_new(&e->t, &config))
        fail("zmq");
    our_start(e);
}
#endif

/* A bare one, and behind it ours. */
static const struct kind kinds[] = {
    { "bare tcp", bare_tcp_open, bare_send, bare_receive, 0, 0 },
    { "tcp", our_tcp_open, our_send, our_receive, 0, 0 },
    { "unix", our_unix_open, our_send, our_receive, 0, 0 },
    { "bare udp", bare_udp_open, bare_send, bare_receive, 1024, 1 },
    { "udp", our_udp_open, our_send, our_receive, 1024, 1 },
#ifdef BENCH_ZMQ
    { "bare zmq", bare_zmq_open, bare_zmq_send, bare_zmq_receive, 0, 0 },
    { "zmq", our_zmq_open, our_send, our_receive, 0, 0 },
#endif
};

/* >>what is measured ------------------------------------------------------ */

static uint8_t message[65536];

static size_t count_of(size_t size)
{
    return BYTES / size < COUNT_MAX ? BYTES / size : COUNT_MAX;
}

/* The child: gives back each message; or takes all and then says how many
 * bytes came. Ends when it is killed. */
static void serve(struct end *e, size_t size, int is_ping)
{
    size_t all = size * count_of(size), quiet = 0, before;
    uint8_t answer[8];
    while (is_ping) {
        e->kind->receive(e, 1000); /* ours sends first what waits */
        for (; e->got >= size; e->got -= size)
            e->kind->send(e, message, size);
    }
    while (e->got < all && !quiet) {
        before = e->got;
        e->kind->receive(e, 200);
        quiet = e->kind->loses && before && e->got == before;
    }
    crdti_store64(answer, e->got);
    for (;;) {
        e->kind->send(e, answer, 8);
        e->kind->receive(e, 50);
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Messages a second that arrived, in the time of all, or, where some are lost,
 * in that of sending. */
static double measure_rate(struct end *e, size_t size)
{
    size_t count = count_of(size), i;
    uint64_t from = now_ns(), ns;
    for (i = 0; i < count; i++)
        e->kind->send(e, message, size);
    ns = now_ns() - from;
    while (e->got < 8)
        e->kind->receive(e, 1000);
    if (!e->kind->loses)
        ns = now_ns() - from;
    return (double)(crdti_load64(e->first) / size) * 1e9 / (double)ns;
}

static void measure_trips(struct end *e, size_t size, double out[2])
{
    static double us[PINGS];
    int i;
    for (i = 0; i < PINGS; i++) {
        uint64_t from = now_ns();
        e->got = 0;
        e->kind->send(e, message, size);
        while (e->got < size) {
            e->kind->receive(e, e->kind->loses ? 50 : 1000);
            if (e->got < size && e->kind->loses)
                e->kind->send(e, message, size);
        }
        us[i] = (double)(now_ns() - from) / 1000;
    }
    qsort(us, PINGS, sizeof *us, compare);
    out[0] = us[PINGS / 2];
    out[1] = us[PINGS * 99 / 100];
}

/* The other process, which serves. */
static int begin(struct end *e, const struct kind *kind, size_t size,
                 int is_ping)
{
    unsigned port = free_port();
    int pid = fork();
    memset(e, 0, sizeof *e);
    e->kind = kind;
    if (pid < 0)
        fail("fork");
    kind->open(e, pid != 0, port);
    if (!pid)
        serve(e, size, is_ping);
    return pid;
}

static void end(struct end *e, int pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    if (e->t.close)
        e->t.close(e->t.ctx);
    else if (!e->socket)
        close(e->fd);
#ifdef BENCH_ZMQ
    if (e->socket) {
        int none = 0;
        zmq_setsockopt(e->socket, ZMQ_LINGER, &none, sizeof none);
        zmq_close(e->socket);
        zmq_ctx_term(e->context);
    }
#endif
}

static double run_rate(const struct kind *kind, size_t size)
{
    double rates[RUNS];
    struct end e;
    int i, pid;
    for (i = 0; i < RUNS; i++) {
        pid = begin(&e, kind, size, 0);
        rates[i] = measure_rate(&e, size);
        end(&e, pid);
    }
    qsort(rates, RUNS, sizeof *rates, compare);
    return rates[RUNS / 2];
}

static void run(const struct kind *kind, size_t size, double bare)
{
    double rate = run_rate(kind, size), trips[2];
    struct end e;
    int pid = begin(&e, kind, size, 1);
    char of[16] = "";
    measure_trips(&e, size, trips);
    end(&e, pid);
    if (bare > 0)
        snprintf(of, sizeof of, "%5.2f x", rate / bare);
    printf("%-9s %6lu B  %9.0f/s  %8.1f MB/s  %7s  %7.1f us  %7.1f us\n",
           kind->name, (unsigned long)size, rate, rate * (double)size / 1e6,
           of, trips[0], trips[1]);
    fflush(stdout);
}

/* >>deltas ---------------------------------------------------------------- */

static crdt_node *site(crdt_doc **doc, int is_server, const char *address)
{
    crdt_transport t;
    crdt_node *node = NULL;
    if (crdt_doc_new(doc, NULL) || crdt_node_new(&node, NULL) ||
        crdt_node_share(node, CRDT_STR("d"), *doc))
        fail("node");
    our_tcp_make(&t, is_server, address);
    t.properties |= CRDT_TRUSTED_PEERS;
    if (crdt_node_attach(node, &t))
        fail("node");
    return node;
}

static int64_t sum_of(crdt_doc *doc)
{
    int64_t sum = 0;
    crdt_counter_get(crdt_map_counter(crdt_root(doc), CRDT_STR("n")), &sum);
    return sum;
}

/* Adds one by one, each a commit of its own that is pushed at once; until the
 * other node has confirmed all. */
static void deltas(void)
{
    const int64_t all = 100000;
    char address[40];
    crdt_doc *doc;
    crdt_node *node;
    crdt_peer_info info;
    uint64_t from;
    int64_t i;
    int pid;
    snprintf(address, sizeof address, "127.0.0.1:%u", free_port());
    pid = fork();
    node = site(&doc, pid != 0, address);
    while (!pid)
        crdt_node_poll(node, 1000);
    while (crdt_node_peer(node, 0, &info) || info.state != CRDT_PEER_SYNCED)
        crdt_node_poll(node, 10);
    from = now_ns();
    for (i = 0; i < all; i++) {
        crdt_counter_add(crdt_map_counter(crdt_root(doc), CRDT_STR("n")), 1);
        crdt_commit(doc);
        crdt_node_poll(node, 0);
    }
    do
        crdt_node_poll(node, 10);
    while (!crdt_node_peer(node, 0, &info) && info.unacked);
    printf("deltas, end to end over tcp: %.0f/s (%ld commits, %llu frames)\n",
           (double)all * 1e9 / (double)(now_ns() - from), (long)sum_of(doc),
           (unsigned long long)info.sent_frames);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    crdt_node_free(node);
    crdt_doc_free(doc);
}

/* >>fan-out: one author, many who lack the same --------------------------- */

#ifdef BENCH_ZMQ
enum { SUBSCRIBERS = 20, CHANGES = 1000 };

static crdt_node *zmq_site(crdt_doc **doc, const char *listen,
                           const char *peer, int publishes)
{
    crdt_zmq_config config;
    crdt_transport t;
    crdt_node *node = NULL;
    memset(&config, 0, sizeof config);
    config.listen = listen;
    config.peers = &peer;
    config.peers_count = peer != NULL;
    config.publish = publishes ? "tcp://127.0.0.1:*" : NULL;
    config.subscribe = publishes;
    if (crdt_doc_new(doc, NULL) || crdt_node_new(&node, NULL) ||
        crdt_node_share(node, CRDT_STR("d"), *doc) ||
        crdt_zmq_new(&t, &config))
        fail("zmq");
    t.properties |= CRDT_TRUSTED_PEERS;
    if (crdt_node_attach(node, &t))
        fail("zmq");
    return node;
}

static uint64_t thread_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* What the author's own thread spends until all have answered, and how many
 * messages it says. */
static void fan_out(int publishes)
{
    crdt_doc *docs[SUBSCRIBERS + 1];
    crdt_node *nodes[SUBSCRIBERS + 1];
    crdt_node_stats before, after;
    char endpoint[60];
    uint64_t spent = 0, from, until;
    int i, k;
    snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%u", free_port());
    nodes[0] = zmq_site(&docs[0], endpoint, NULL, publishes);
    for (k = 1; k <= SUBSCRIBERS; k++)
        nodes[k] = zmq_site(&docs[k], NULL, endpoint, publishes);
    for (until = now_ns() + 3000000000u; now_ns() < until;)
        for (k = 0; k <= SUBSCRIBERS; k++)
            crdt_node_poll(nodes[k], 0);
    crdt_node_get_stats(nodes[0], &before);
    for (i = 0; i < CHANGES; i++) {
        crdt_counter_add(crdt_map_counter(crdt_root(docs[0]), CRDT_STR("n")),
                         1);
        crdt_commit(docs[0]);
        from = thread_ns();
        crdt_node_poll(nodes[0], 0);
        spent += thread_ns() - from;
        for (k = 1; k <= SUBSCRIBERS; k++)
            crdt_node_poll(nodes[k], 0);
    }
    crdt_node_get_stats(nodes[0], &after);
    printf(
        "one change for %d over zmq%s: %.1f us of the author's thread, %.1f "
        "messages\n",
        (int)SUBSCRIBERS, publishes ? ", published" : "",
        (double)spent / 1e3 / CHANGES,
        (double)(after.sent_frames - before.sent_frames) / CHANGES);
    for (k = SUBSCRIBERS; k >= 0; k--) {
        crdt_node_free(nodes[k]);
        crdt_doc_free(docs[k]);
    }
}
#endif

int main(int argc, char **argv)
{
    static const size_t sizes[] = { 64, 1024, 65536 };
    const char *pattern = argc > 1 ? argv[1] : "";
    size_t i, k;
    double bare = 0;
    signal(SIGPIPE, SIG_IGN);
    printf("%-9s %8s  %11s  %13s  %7s  %10s  %10s\n", "", "", "messages",
           "bytes", "to bare", "trip p50", "p99");
    for (i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (k = 0; k < sizeof kinds / sizeof *kinds; k++) {
            int is_bare = strncmp(kinds[k].name, "bare", 4) == 0;
            if ((kinds[k].most && sizes[i] > kinds[k].most) ||
                !strstr(kinds[k].name, pattern))
                continue;
            if (is_bare)
                bare = run_rate(&kinds[k], sizes[i]);
            run(&kinds[k], sizes[i], is_bare ? 0 : bare);
        }
    if (strstr("deltas", pattern))
        deltas();
#ifdef BENCH_ZMQ
    for (i = 0; strstr("fan-out", pattern) && i < 2; i++)
        fan_out((int)i);
#endif
    return 0;
}
