/*
 * A band of nodes that share the document "d", each over an endpoint of a
 * loopback hub, on a clock that the test turns. What tells members of each
 * other may get lost, and nodes crash, come back, join and leave, when so
 * many messages of that kind have been sent:
 *
 *     struct band b;
 *     band_new(&b, 3, seed);       // three nodes
 *     band_mesh(&b);
 *     b.lose = b.told + 4;         // the fourth from now does not arrive
 *     band_run(&b, 100, 20);       // 100 rounds of 20 ms
 *     band_free(&b);
 *
 * After each round it looks whether any floor is above what a member has that
 * is waited for, and whether an epoch has two cuts.
 */
#ifndef BAND_H
#define BAND_H

#define BAND_MAX 8
#define BAND_EPOCHS 64
#define BAND_ROSTER 12 /* kind of frame */

struct band;

/* A transport around that of the hub. */
struct band_end {
    struct band *band;
    crdt_transport inner;
};

struct band {
    uint64_t now_ms, dice;
    crdt_clock clock;
    crdt_random random;
    crdt_loopback_hub *hub;
    crdt_node_config config;
    int count, lossy;
    int is_lax; /* who is active is evicted, and that as it comes */
    crdt_doc *docs[BAND_MAX];
    crdt_node *nodes[BAND_MAX]; /* NULL: crashed */
    crdt_transport ends[BAND_MAX];
    struct band_end wraps[BAND_MAX];
    int is_gone[BAND_MAX]; /* 1: has left, or is evicted; 2: has just come */
    int linked[BAND_MAX][BAND_MAX];
    uint64_t told, lose;     /* messages about members; the one to be lost */
    uint64_t said, lose_any; /* the same of messages of any kind */
    uint64_t said_by[BAND_MAX];
    int dies;         /* a node that is dead from its so-many-th message on: */
    uint64_t dies_at; /* 0: none; */
    int is_dead;      /* and now it is */
    uint32_t loss;    /* of 1000 such messages, at random */
    crdt_vv cuts[BAND_EPOCHS]; /* by epoch */
    uint64_t cuts_seen;
};

static const crdt_bytes band_name = { (const uint8_t *)"d", 1 };

static inline uint64_t band_ms(void *ctx)
{
    return ((struct band *)ctx)->now_ms;
}

static inline crdt_err band_fill(void *ctx, void *out, size_t len)
{
    uint8_t *at = (uint8_t *)out;
    size_t i;
    for (i = 0; i < len; i++)
        at[i] = (uint8_t)test_random(&((struct band *)ctx)->dice);
    return CRDT_OK;
}

/* >>the transport --------------------------------------------------------- */

static inline crdt_err band_start(void *ctx, const crdt_upcalls *up)
{
    struct band_end *end = (struct band_end *)ctx;
    return end->inner.start(end->inner.ctx, up);
}

static inline crdt_err band_send(void *ctx, crdt_peer peer, crdt_bytes bytes)
{
    struct band_end *end = (struct band_end *)ctx;
    struct band *b = end->band;
    int i = (int)(end - b->wraps);
    b->said_by[i]++;
    b->is_dead |= b->dies_at && i == b->dies && b->said_by[i] >= b->dies_at;
    if (++b->said == b->lose_any || (b->is_dead && i == b->dies))
        return CRDT_OK;
    if (bytes.len > 1 && (bytes.ptr[1] & 31) == BAND_ROSTER) {
        b->told++;
        if (b->told == b->lose || test_below(&b->dice, 1000) < b->loss)
            return CRDT_OK;
    }
    return end->inner.send(end->inner.ctx, peer, bytes);
}

static inline crdt_err band_poll(void *ctx, int timeout_ms)
{
    struct band_end *end = (struct band_end *)ctx;
    return end->inner.poll(end->inner.ctx, timeout_ms);
}

static inline void band_drop(void *ctx, crdt_peer peer, const char *why)
{
    struct band_end *end = (struct band_end *)ctx;
    end->inner.drop(end->inner.ctx, peer, why);
}

static inline void band_close(void *ctx)
{
    struct band_end *end = (struct band_end *)ctx;
    end->inner.close(end->inner.ctx);
}

/* >>nodes ----------------------------------------------------------------- */

/* A node for the document, which is there already. */
static inline void band_start_node(struct band *b, int i)
{
    crdt_transport wrap;
    CHECK_INT(crdt_node_new(&b->nodes[i], &b->config), CRDT_OK);
    CHECK_INT(crdt_node_share(b->nodes[i], band_name, b->docs[i]), CRDT_OK);
    CHECK_INT(crdt_loopback_new(&b->ends[i], b->hub), CRDT_OK);
    b->wraps[i].band = b;
    b->wraps[i].inner = b->ends[i];
    wrap = b->ends[i];
    wrap.ctx = &b->wraps[i];
    wrap.start = band_start;
    wrap.send = band_send;
    wrap.poll = band_poll;
    wrap.drop = band_drop;
    wrap.close = band_close;
    if (b->lossy)
        wrap.properties &= ~(unsigned)(CRDT_RELIABLE | CRDT_ORDERED);
    CHECK_INT(crdt_node_attach(b->nodes[i], &wrap), CRDT_OK);
}

static inline int band_add(struct band *b)
{
    crdt_config config;
    memset(&config, 0, sizeof config);
    config.clock = &b->clock;
    config.random = &b->random;
    CHECK_INT(crdt_doc_new(&b->docs[b->count], &config), CRDT_OK);
    band_start_node(b, b->count);
    b->is_gone[b->count] = 2;
    return b->count++;
}

static inline void band_new(struct band *b, int count, uint64_t seed)
{
    crdt_loopback_config config;
    memset(b, 0, sizeof *b);
    memset(&config, 0, sizeof config);
    b->now_ms = 1000000;
    b->dice = seed;
    b->clock.version = b->random.version = 1;
    b->clock.ctx = b->random.ctx = b;
    b->clock.wall_ms = b->clock.mono_ms = band_ms;
    b->random.fill = band_fill;
    b->config.clock = &b->clock;
    b->config.random = &b->random;
    b->config.roster_ms = 200;
    b->config.sync_ms = 5000;
    b->lossy = 1;
    config.manual = 1;
    CHECK_INT(crdt_loopback_hub_new(&b->hub, &config), CRDT_OK);
    while (count-- > 0)
        band_add(b);
}

static inline void band_link(struct band *b, int i, int j, int on)
{
    b->linked[i][j] = b->linked[j][i] = on;
    if (!b->nodes[i] || !b->nodes[j])
        return;
    if (on)
        crdt_loopback_link(&b->ends[i], &b->ends[j]);
    else
        crdt_loopback_unlink(&b->ends[i], &b->ends[j]);
}

static inline void band_mesh(struct band *b)
{
    int i, j;
    for (i = 0; i < b->count; i++)
        for (j = 0; j < i; j++)
            band_link(b, i, j, 1);
}

static inline void band_chain(struct band *b)
{
    int i;
    for (i = 1; i < b->count; i++)
        band_link(b, i - 1, i, 1);
}

/* It is gone without a word; its document is on disk. */
static inline void band_crash(struct band *b, int i)
{
    int j;
    for (j = 0; j < b->count; j++)
        if (j != i && b->nodes[j])
            crdt_loopback_unlink(&b->ends[i], &b->ends[j]);
    if (b->nodes[i])
        crdt_node_free(b->nodes[i]);
    b->nodes[i] = NULL;
}

/* It is back, with what it had told of itself or, but for the document,
 * without a memory. */
static inline void band_return(struct band *b, int i, const crdt_buf *memory)
{
    int j;
    band_start_node(b, i);
    b->is_gone[i] = b->is_gone[i] ? 2 : 0;
    if (memory)
        CHECK_INT(crdt_node_members_load(b->nodes[i], band_name,
                                         crdt_buf_bytes(memory)),
                  CRDT_OK);
    for (j = 0; j < b->count; j++)
        if (b->linked[i][j])
            band_link(b, i, j, 1);
}

static inline void band_free(struct band *b)
{
    int i;
    for (i = 0; i < b->count; i++) {
        if (b->nodes[i])
            crdt_node_free(b->nodes[i]);
        crdt_doc_free(b->docs[i]);
    }
    for (i = 0; i < BAND_EPOCHS; i++)
        crdt_vv_free(&b->cuts[i]);
    crdt_loopback_hub_free(b->hub);
}

/* >>what must always be so ------------------------------------------------ */

static inline int band_has(const crdt_vv *a, const crdt_vv *b)
{
    crdt_order order = crdt_vv_compare(a, b);
    return order == CRDT_EQUAL || order == CRDT_AFTER;
}

/* Whether that node has what all floors cover. */
static inline int band_is_above(const struct band *b, int node)
{
    crdt_vv floor = CRDT_VV_INIT, vv = CRDT_VV_INIT;
    int i, is_above = 1;
    crdt_doc_vv(b->docs[node], &vv);
    for (i = 0; i < b->count; i++) {
        crdt_doc_floor(b->docs[i], &floor);
        is_above &= band_has(&vv, &floor);
    }
    crdt_vv_free(&floor);
    crdt_vv_free(&vv);
    return is_above;
}

/* Whether every other node that is up counts it as active. */
static inline int band_is_known(const struct band *b, int node)
{
    crdt_id id = crdt_doc_replica(b->docs[node]);
    crdt_member_info info;
    size_t k;
    int i, known = 0, up = 0;
    for (i = 0; i < b->count; i++) {
        if (!b->nodes[i])
            continue;
        up++;
        for (k = 0; !crdt_node_member(b->nodes[i], band_name, k, &info); k++)
            known += info.status == CRDT_MEMBER_ACTIVE &&
                     crdt_id_compare(&info.replica, &id) == 0;
    }
    return known == up;
}

/* Nobody has forgotten what one needs that is waited for. Who comes gets a
 * snapshot, and is waited for from then on. */
static inline void band_check_floors(struct band *b)
{
    int i;
    for (i = 0; i < b->count; i++) {
        if (b->is_gone[i] == 2 && band_is_above(b, i) && band_is_known(b, i))
            b->is_gone[i] = 0;
        CHECK(b->is_lax || b->is_gone[i] || band_is_above(b, i));
    }
}

/* No epoch has two cuts. */
static inline void band_check_cuts(struct band *b)
{
    crdt_epoch_info info;
    int i;
    for (i = 0; i < b->count && !b->is_lax; i++) {
        if (!b->nodes[i] ||
            crdt_node_epoch(b->nodes[i], band_name, &info) != CRDT_OK ||
            !info.cut || info.number >= BAND_EPOCHS)
            continue;
        if (!b->cuts[info.number].len) {
            crdt_vv_copy(&b->cuts[info.number], info.cut);
            b->cuts_seen++;
        }
        CHECK_INT(crdt_vv_compare(&b->cuts[info.number], info.cut),
                  CRDT_EQUAL);
    }
}

static inline void band_round(struct band *b, uint64_t step_ms)
{
    int i;
    for (i = 0; i < b->count; i++)
        if (b->nodes[i])
            CHECK_INT(crdt_node_poll(b->nodes[i], 0), CRDT_OK);
    b->now_ms += step_ms;
    band_check_floors(b);
    band_check_cuts(b);
}

static inline void band_run(struct band *b, int rounds, uint64_t step_ms)
{
    for (; rounds > 0; rounds--)
        band_round(b, step_ms);
}

/* >>asking ---------------------------------------------------------------- */

static inline crdt_epoch_info band_epoch(struct band *b, int i)
{
    crdt_epoch_info info;
    memset(&info, 0, sizeof info);
    CHECK_INT(crdt_node_epoch(b->nodes[i], band_name, &info), CRDT_OK);
    return info;
}

static inline crdt_member_info band_member(struct band *b, int i, size_t index)
{
    crdt_member_info info;
    memset(&info, 0, sizeof info);
    CHECK_INT(crdt_node_member(b->nodes[i], band_name, index, &info), CRDT_OK);
    return info;
}

static inline int band_is_equal(const struct band *b)
{
    int i, first = -1;
    for (i = 0; i < b->count; i++) {
        crdt_digest x, y;
        if (!b->nodes[i] || b->is_gone[i] == 1)
            continue;
        first = first < 0 ? i : first;
        x = crdt_doc_digest(b->docs[first]);
        y = crdt_doc_digest(b->docs[i]);
        if (x.hi != y.hi || x.lo != y.lo)
            return 0;
    }
    return 1;
}

/* Whether all that are up are in that phase. */
static inline int band_is_in(struct band *b, crdt_phase phase)
{
    int i;
    for (i = 0; i < b->count; i++)
        if (b->nodes[i] && band_epoch(b, i).phase != phase)
            return 0;
    return 1;
}

static inline crdt_err band_write(struct band *b, int i, int64_t by)
{
    crdt_obj n = crdt_map_counter(crdt_root(b->docs[i]), CRDT_STR("n"));
    crdt_err err =
        crdt_is_null(n) ? crdt_doc_error(b->docs[i]) : crdt_counter_add(n, by);
    return err ? err : crdt_commit(b->docs[i]);
}

static inline int64_t band_value(struct band *b, int i)
{
    int64_t value = 0;
    crdt_counter_get(
        crdt_map_find(crdt_root(b->docs[i]), CRDT_STR("n"), CRDT_COUNTER),
        &value);
    return value;
}

static inline crdt_id band_id(const struct band *b, int i)
{
    return crdt_doc_replica(b->docs[i]);
}

#endif
