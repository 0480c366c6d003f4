/*
 * What it costs to bring a peer up to date: bytes on the wire, both ways, all
 * included, and time of the processor. Two nodes over a transport of this
 * file, on a clock that goes a millisecond a round; their documents have the
 * same n keys to begin with. Then one writes, a commit for each change, and
 * both are polled until they are equal.
 *
 *     sync.bytes/MODE.CHANGES      MODE     delta, ops, state
 *     sync.cpu/MODE.CHANGES        CHANGES  1, 1k: scattered, of 1 M keys
 *     sync.overhead/MODE.CHANGES            all: 100 k, all keys there are
 *                                           none: greeting, nothing to say
 *                                           lossy: 1k, over datagrams of which
 *                                           three in ten get lost; of ten times
 *                                           the mean
 *     sync.curve/MODE.CHANGES      bytes, of 100 k keys: for the plot
 *     sync.curve_ms/delta.CHANGES  the same as processor time, commits included
 *     sync.authors/N               time for one change, of as many keys, each
 *                                  written by another replica
 *
 * In mode ops the nodes are polled after each commit, or several would go
 * together.
 */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

enum { NODES = 2, LOST = 30, TIMES = 10, MESSAGE = 65536, DATAGRAM = 1200 };

/* `which` of a case: the mode, how many changes, and what is odd. */
enum { MODE = 3, ENCODED = 4, LOSSY = 8, FRESH = 16, AUTHORS = 32, SHIFT = 6 };

struct packet {
    struct packet *next;
    size_t len;
    int link;
};

struct end {
    struct wire *wire;
    const crdt_upcalls *up;
    struct packet *first, **last;
    int told; /* which link it knows of */
};

struct wire {
    struct end ends[NODES];
    crdt_doc *docs[NODES];
    crdt_node *nodes[NODES];
    uint64_t now_ms, random, bytes, encoded, mean, ns;
    int lossy, link;
    struct bench_keys keys;
    size_t written;
};

/* >>the transport ---------------------------------------------------------- */

static uint64_t wire_ms(void *ctx)
{
    return ((struct wire *)ctx)->now_ms;
}

static uint64_t wire_random(struct wire *w)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    return w->random ^= w->random << 17;
}

static crdt_err wire_fill(void *ctx, void *out, size_t len)
{
    uint8_t *at = (uint8_t *)out;
    while (len-- > 0)
        *at++ = (uint8_t)wire_random((struct wire *)ctx);
    return CRDT_OK;
}

static crdt_err wire_start(void *ctx, const crdt_upcalls *up)
{
    ((struct end *)ctx)->up = up;
    return CRDT_OK;
}

static crdt_err wire_send(void *ctx, crdt_peer peer, crdt_bytes bytes)
{
    struct end *from = (struct end *)ctx;
    struct wire *w = from->wire;
    struct end *to = &w->ends[from == w->ends];
    struct packet *packet;
    if ((int)peer != w->link)
        return CRDT_ERR_CLOSED;
    w->bytes += bytes.len;
    if (w->lossy && wire_random(w) % 100 < LOST)
        return CRDT_OK;
    packet = (struct packet *)bench_memory(sizeof *packet + bytes.len);
    packet->next = NULL;
    packet->len = bytes.len;
    packet->link = w->link;
    memcpy(packet + 1, bytes.ptr, bytes.len);
    *to->last = packet;
    to->last = &packet->next;
    return CRDT_OK;
}

static void end_tell(struct end *end)
{
    if (end->told == end->wire->link)
        return;
    if (end->told)
        end->up->peer_down(end->up->ctx, (crdt_peer)end->told, "cut");
    end->told = end->wire->link;
    end->up->peer_up(end->up->ctx, (crdt_peer)end->told, "bench");
}

/* What is there now: what this makes others say comes in the next round. */
static crdt_err wire_poll(void *ctx, int timeout_ms)
{
    struct end *end = (struct end *)ctx;
    struct packet *packet = end->first, *next;
    (void)timeout_ms;
    end_tell(end);
    end->first = NULL;
    end->last = &end->first;
    for (; packet; packet = next) {
        if (packet->link == end->told) /* else it was cut on its way */
            end->up->received(end->up->ctx, (crdt_peer)end->told,
                              crdt_bytes_of(packet + 1, packet->len));
        next = packet->next;
        free(packet);
    }
    return CRDT_OK;
}

static void wire_drop(void *ctx, crdt_peer peer, const char *why)
{
    (void)ctx;
    (void)peer;
    bench_fail(why);
}

static void wire_close(void *ctx)
{
    (void)ctx;
}

/* >>two nodes -------------------------------------------------------------- */

static void wire_attach(struct wire *w, int i, crdt_shipping shipping)
{
    struct end *end = &w->ends[i];
    crdt_transport transport;
    crdt_node_config config;
    crdt_clock clock;
    crdt_random random;
    memset(&transport, 0, sizeof transport);
    memset(&config, 0, sizeof config);
    clock.version = random.version = transport.version = 1;
    clock.ctx = random.ctx = w;
    clock.wall_ms = clock.mono_ms = wire_ms;
    random.fill = wire_fill;
    config.clock = &clock;
    config.random = &random;
    config.shipping = shipping;
    config.alloc = bench_alloc();
    config.heartbeat_ms = 100000; /* what is said of itself is not counted */
    bench_must(crdt_node_new(&w->nodes[i], &config));
    bench_must(crdt_node_share(w->nodes[i], CRDT_STR("d"), w->docs[i]));
    end->wire = w;
    end->last = &end->first;
    transport.ctx = end;
    transport.properties = CRDT_SEALED;
    if (!w->lossy)
        transport.properties |= CRDT_RELIABLE | CRDT_ORDERED;
    transport.message_max = w->lossy ? DATAGRAM : MESSAGE;
    transport.start = wire_start;
    transport.send = wire_send;
    transport.poll = wire_poll;
    transport.drop = wire_drop;
    transport.close = wire_close;
    bench_must(crdt_node_attach(w->nodes[i], &transport));
}

static void wire_round(struct wire *w)
{
    int i;
    for (i = 0; i < NODES; i++)
        bench_must(crdt_node_poll(w->nodes[i], 0));
    w->now_ms++;
}

static int wire_is_equal(const struct wire *w)
{
    crdt_peer_info info;
    int i;
    for (i = 0; i < NODES; i++)
        if (crdt_node_peer(w->nodes[i], 0, &info) ||
            info.state != CRDT_PEER_SYNCED)
            return 0;
    return 1;
}

/* Until both know that they are equal. */
static void wire_settle(struct wire *w)
{
    uint64_t start = w->now_ms;
    do
        wire_round(w);
    while (!wire_is_equal(w) && w->now_ms - start < 600000);
    if (crdt_doc_digest(w->docs[0]).lo != crdt_doc_digest(w->docs[1]).lo)
        bench_fail("the two documents differ");
}

static void wire_write(struct wire *w, size_t i)
{
    bench_must(crdt_map_put_int(crdt_root(w->docs[0]),
                                bench_keys_at(&w->keys, i),
                                (int64_t)(w->written++ % 1000000)));
}

static void wire_write_all(struct bench *b, struct wire *w)
{
    size_t i;
    for (i = 0; i < b->n; i++) {
        wire_write(w, i);
        if (!(b->is->which & AUTHORS))
            continue;
        bench_must(crdt_commit(w->docs[0]));
        bench_must(crdt_doc_reincarnate(w->docs[0]));
    }
}

static void sync_setup(struct bench *b)
{
    struct wire *w = (struct wire *)bench_memory(sizeof *w);
    crdt_buf all = CRDT_BUF_INIT;
    size_t i;
    memset(w, 0, sizeof *w);
    w->random = BENCH_SEED;
    w->now_ms = 1000;
    w->lossy = (b->is->which & LOSSY) != 0;
    for (i = 0; i < NODES; i++)
        w->docs[i] = bench_doc((unsigned)i + 1);
    bench_keys_make(b, &w->keys, b->n);
    if (!(b->is->which & FRESH))
        wire_write_all(b, w);
    bench_must(crdt_commit(w->docs[0]));
    bench_must(crdt_delta(w->docs[0], NULL, &all));
    bench_must(crdt_join(w->docs[1], crdt_buf_bytes(&all)));
    crdt_buf_free(&all);
    for (i = 0; i < NODES; i++)
        wire_attach(w, (int)i, (crdt_shipping)(b->is->which & MODE));
    w->link = 1;
    wire_settle(w);
    b->state = w;
}

static void sync_end(struct bench *b)
{
    struct wire *w = (struct wire *)b->state;
    struct packet *packet;
    int i;
    for (i = 0; i < NODES; i++)
        crdt_node_free(w->nodes[i]); /* says goodbye */
    for (i = 0; i < NODES; i++) {
        while ((packet = w->ends[i].first) != NULL) {
            w->ends[i].first = packet->next;
            free(packet);
        }
        crdt_doc_free(w->docs[i]);
    }
    bench_keys_free(&w->keys);
    free(w);
}

/* >>what is measured ------------------------------------------------------- */

/* The changes, and the delta that holds just them. */
static void sync_change(struct bench *b, struct wire *w, size_t changes)
{
    crdt_vv since = CRDT_VV_INIT;
    crdt_buf delta = CRDT_BUF_INIT;
    size_t i;
    bench_must(crdt_doc_vv(w->docs[1], &since));
    for (i = 0; i < changes; i++) {
        wire_write(w, b->is->which & FRESH ? i : bench_below(b, b->n));
        bench_start(b);
        bench_must(crdt_commit(w->docs[0]));
        if ((b->is->which & MODE) == CRDT_SHIP_OPS)
            wire_round(w);
        bench_stop(b);
    }
    bench_must(crdt_delta(w->docs[0], &since, &delta));
    w->encoded = delta.len;
    crdt_vv_free(&since);
    crdt_buf_free(&delta);
}

static void sync_run(struct bench *b, uint64_t ops)
{
    struct wire *w = (struct wire *)b->state;
    int is_fresh = b->is->which & FRESH;
    size_t changes = (size_t)b->is->which >> SHIFT;
    uint64_t bytes = 0;
    if (b->is->unit == BENCH_BYTES)
        ops = b->is->which & LOSSY ? TIMES : 1;
    b->ops = is_fresh ? 1 : ops;
    if (is_fresh && w->ns) /* keys are new only once */
        b->ns = w->ns;
    for (ops = b->ns ? 0 : b->ops; ops > 0; ops--) {
        w->bytes = 0;
        w->link += !changes;
        sync_change(b, w, changes);
        bench_start(b);
        wire_settle(w);
        bench_stop(b);
        bytes += b->is->which & ENCODED ? w->encoded : w->bytes;
    }
    if (bytes)
        w->mean = bytes / b->ops;
    w->ns = b->ns;
    b->bytes = w->mean;
}

#define CASE(name, unit, n, which)                                            \
    {                                                                         \
        name, unit, n, which, sync_setup, sync_run, sync_end, NULL, NULL      \
    }
#define OVERHEAD(mode, what)                                                  \
    {                                                                         \
        "sync.overhead/" mode "." what, BENCH_RATIO, 0, 0, NULL, NULL, NULL,  \
            "sync.bytes/" mode "." what, "sync.encoded/" what                 \
    }
#define CASES(mode, what, n, which)                                           \
    CASE("sync.bytes/" mode "." what, BENCH_BYTES, n, which),                 \
        CASE("sync.cpu/" mode "." what, BENCH_MS, n, which)
#define SHIPPED(mode, what, n, which)                                         \
    CASES(mode, what, n, which), OVERHEAD(mode, what)
#define DELTAS(what, n, which)                                                \
    CASE("sync.encoded/" what, BENCH_BYTES, n, (which) | ENCODED),            \
        SHIPPED("delta", what, n, (which) | CRDT_SHIP_DELTA)
#define OTHERS(what, n, which)                                                \
    SHIPPED("ops", what, n, (which) | CRDT_SHIP_OPS),                         \
        SHIPPED("state", what, n, (which) | CRDT_SHIP_STATE)
#define BY_AUTHORS(what, n)                                                   \
    CASE("sync.authors/" what, BENCH_NS, n,                                   \
         1 << SHIFT | AUTHORS | CRDT_SHIP_DELTA)
#define CURVE(what, changes)                                                  \
    CASE("sync.curve/delta." what, BENCH_BYTES, 100000,                       \
         (changes) << SHIFT | CRDT_SHIP_DELTA),                               \
        CASE("sync.curve/ops." what, BENCH_BYTES, 100000,                     \
             (changes) << SHIFT | CRDT_SHIP_OPS),                             \
        CASE("sync.curve/state." what, BENCH_BYTES, 100000,                   \
             (changes) << SHIFT | CRDT_SHIP_STATE),                           \
        CASE("sync.curve_ms/delta." what, BENCH_MS, 100000,                   \
             (changes) << SHIFT | CRDT_SHIP_DELTA)

const struct bench_case bench_sync[] = {
    CASES("delta", "none", 1000000, CRDT_SHIP_DELTA),
    DELTAS("1", 1000000, 1 << SHIFT),
    DELTAS("1k", 1000000, 1000 << SHIFT),
    DELTAS("all", 100000, 100000 << SHIFT | FRESH),
    OTHERS("all", 100000, 100000 << SHIFT | FRESH),
    DELTAS("lossy", 1000000, 1000 << SHIFT | LOSSY),
    CURVE("1", 1),
    CURVE("3", 3),
    CURVE("10", 10),
    CURVE("30", 30),
    CURVE("100", 100),
    CURVE("300", 300),
    CURVE("1000", 1000),
    CURVE("3000", 3000),
    CURVE("10000", 10000),
    CURVE("30000", 30000),
    CURVE("100000", 100000),
    BY_AUTHORS("2", 2),
    BY_AUTHORS("10", 10),
    BY_AUTHORS("100", 100),
    BY_AUTHORS("1000", 1000),
    BY_AUTHORS("10000", 10000),
    BENCH_END
};

const struct bench_case bench_sync_big[] = {
    CASES("ops", "none", 1000000, CRDT_SHIP_OPS),
    CASES("state", "none", 1000000, CRDT_SHIP_STATE),
    OTHERS("1", 1000000, 1 << SHIFT),
    OTHERS("1k", 1000000, 1000 << SHIFT),
    OTHERS("lossy", 1000000, 1000 << SHIFT | LOSSY),
    BENCH_END
};
