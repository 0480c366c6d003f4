/*
 * Nodes linked by datagrams, or by streams of messages, on a clock that the
 * test turns: what is sent takes a while, and some of it is lost, comes twice
 * or late. One seed decides it all.
 *
 *     struct mesh *m = mesh_new(seed);
 *     m->loss = 10;                        // of a hundred datagrams
 *     mesh_add(m), mesh_add(m);            // nodes 0 and 1, sharing "d"
 *     mesh_link(m, 0, 1);
 *     ...
 *     mesh_run(m, 1000);                   // a second goes by
 *     mesh_free(m);
 *
 * crdtsync.h comes before this.
 */
#ifndef MESH_H
#define MESH_H

#include "test.h"

enum { MESH_NODES = 64, MESH_LINKS = 256 };

struct mesh;

struct mesh_link {
    int ends[2];
    crdt_peer peers[2]; /* as the ends call it */
    int is_up, redials; /* redials: when it was hung up on, not cut */
    int told[2];        /* that it is up; the end knows */
    int times;          /* that it was up */
    uint64_t bytes[2], messages[2]; /* sent by each */
    int is_cut[2];                  /* nothing that this one sends arrives */
};

struct mesh_packet {
    uint64_t at;
    int link, to;
    int time; /* the link was up for so many times */
    size_t len;
    uint8_t *bytes;
};

struct mesh_end {
    struct mesh *mesh;
    int number;
    crdt_peer peers;
    const crdt_upcalls *up;
};

struct mesh {
    uint64_t now_ms, dice;
    uint32_t loss, twice, late; /* of a hundred */
    uint64_t delay_ms;
    unsigned properties;
    size_t message_max;
    crdt_clock clock;
    crdt_random random;
    crdt_log log;
    crdt_node_config config; /* of nodes to come */
    char said[512];
    int count, links_len;
    struct mesh_end ends[MESH_NODES];
    crdt_doc *docs[MESH_NODES];
    crdt_node *nodes[MESH_NODES];
    struct mesh_link links[MESH_LINKS];
    struct mesh_packet *packets;
    size_t packets_len, packets_cap;
    uint64_t lost;
    uint64_t casts; /* sent to everyone at once */
};

static inline uint64_t mesh_ms(void *ctx)
{
    return ((struct mesh *)ctx)->now_ms;
}

static inline crdt_err mesh_fill(void *ctx, void *out, size_t len)
{
    uint8_t *at = (uint8_t *)out;
    while (len-- > 0)
        *at++ = (uint8_t)test_random(&((struct mesh *)ctx)->dice);
    return CRDT_OK;
}

static inline void mesh_line(void *ctx, const char *text)
{
    struct mesh *m = (struct mesh *)ctx;
    snprintf(m->said, sizeof m->said, "%s", text);
    if (getenv("MESH_LOG"))
        printf("%6d %s\n", (int)m->now_ms, text);
}

static inline struct mesh *mesh_new(uint64_t seed)
{
    struct mesh *m = (struct mesh *)calloc(1, sizeof *m);
    m->now_ms = 1000000;
    m->dice = seed;
    m->delay_ms = 10;
    m->message_max = 1200;
    m->clock.version = m->random.version = m->log.version = 1;
    m->clock.ctx = m->random.ctx = m->log.ctx = m;
    m->clock.wall_ms = m->clock.mono_ms = mesh_ms;
    m->random.fill = mesh_fill;
    m->log.line = mesh_line;
    m->config.clock = &m->clock;
    m->config.random = &m->random;
    m->config.log = &m->log;
    return m;
}

/* >>the transport --------------------------------------------------------- */

static inline crdt_err mesh_start(void *ctx, const crdt_upcalls *up)
{
    ((struct mesh_end *)ctx)->up = up;
    return CRDT_OK;
}

/* The link by which the end has that peer, and at which of its ends it is. */
static inline int mesh_find(const struct mesh_end *end, crdt_peer peer,
                            int *side)
{
    const struct mesh *m = end->mesh;
    int i;
    for (i = 0; i < m->links_len; i++)
        for (*side = 0; *side < 2; ++*side)
            if (m->links[i].ends[*side] == end->number &&
                m->links[i].peers[*side] == peer)
                return i;
    return -1;
}

static inline void mesh_post(struct mesh *m, int link, int side,
                             crdt_bytes bytes, uint64_t delay_ms)
{
    struct mesh_packet *p;
    if (m->packets_len == m->packets_cap) {
        m->packets_cap = m->packets_cap ? 2 * m->packets_cap : 64;
        m->packets = (struct mesh_packet *)realloc(
            m->packets, m->packets_cap * sizeof *m->packets);
    }
    p = &m->packets[m->packets_len++];
    p->at = m->now_ms + delay_ms;
    p->link = link;
    p->to = m->links[link].ends[!side];
    p->time = m->links[link].times;
    p->len = bytes.len;
    p->bytes = (uint8_t *)malloc(bytes.len);
    memcpy(p->bytes, bytes.ptr, bytes.len);
}

static inline void mesh_carry(struct mesh *m, int link, int side,
                              crdt_bytes bytes)
{
    int copies;
    copies = 1 + (test_below(&m->dice, 100) < m->twice);
    for (; copies > 0; copies--) {
        uint64_t delay = m->delay_ms;
        if (test_below(&m->dice, 100) < m->late)
            delay += test_below(&m->dice, 5 * (uint32_t)m->delay_ms);
        if (test_below(&m->dice, 100) < m->loss || m->links[link].is_cut[side])
            m->lost++;
        else
            mesh_post(m, link, side, bytes, delay);
    }
}

static inline crdt_err mesh_cast(struct mesh_end *end, crdt_bytes bytes)
{
    struct mesh *m = end->mesh;
    int i, side;
    m->casts++;
    for (i = 0; i < m->links_len; i++)
        for (side = 0; side < 2; side++)
            if (m->links[i].ends[side] == end->number && m->links[i].is_up)
                mesh_carry(m, i, side, bytes);
    return CRDT_OK;
}

static inline crdt_err mesh_send(void *ctx, crdt_peer peer, crdt_bytes bytes)
{
    struct mesh_end *end = (struct mesh_end *)ctx;
    struct mesh *m = end->mesh;
    int side, link = mesh_find(end, peer, &side);
    if (bytes.len > m->message_max)
        return CRDT_ERR_LIMIT;
    if (!peer && m->properties & CRDT_BROADCAST)
        return mesh_cast(end, bytes);
    if (link < 0 || !m->links[link].is_up)
        return CRDT_ERR_CLOSED;
    m->links[link].bytes[side] += bytes.len;
    m->links[link].messages[side]++;
    mesh_carry(m, link, side, bytes);
    return CRDT_OK;
}

/* The packet that is next to arrive there by now, or -1. */
static inline int mesh_next(const struct mesh *m, int to)
{
    int best = -1;
    size_t i;
    for (i = 0; i < m->packets_len; i++)
        if (m->packets[i].to == to && m->packets[i].at <= m->now_ms &&
            (best < 0 || m->packets[i].at < m->packets[best].at))
            best = (int)i;
    return best;
}

static inline void mesh_tell(struct mesh_end *end)
{
    struct mesh *m = end->mesh;
    int i, side;
    for (i = 0; i < m->links_len; i++)
        for (side = 0; side < 2; side++) {
            struct mesh_link *l = &m->links[i];
            if (l->ends[side] != end->number || l->told[side] == l->is_up)
                continue;
            l->told[side] = l->is_up;
            if (l->is_up)
                end->up->peer_up(end->up->ctx, l->peers[side] = ++end->peers,
                                 "mesh");
            else
                end->up->peer_down(end->up->ctx, l->peers[side], "cut");
        }
}

static inline crdt_err mesh_poll(void *ctx, int timeout_ms)
{
    struct mesh_end *end = (struct mesh_end *)ctx;
    struct mesh *m = end->mesh;
    int i;
    (void)timeout_ms;
    mesh_tell(end);
    while ((i = mesh_next(m, end->number)) >= 0) {
        struct mesh_packet p = m->packets[i];
        memmove(&m->packets[i], &m->packets[i + 1],
                (--m->packets_len - (size_t)i) * sizeof p);
        if (m->links[p.link].is_up && m->links[p.link].times == p.time)
            end->up->received(
                end->up->ctx,
                m->links[p.link]
                    .peers[m->links[p.link].ends[1] == end->number],
                crdt_bytes_of(p.bytes, p.len));
        free(p.bytes);
    }
    return CRDT_OK;
}

static inline void mesh_drop(void *ctx, crdt_peer peer, const char *why)
{
    struct mesh_end *end = (struct mesh_end *)ctx;
    int side, link = mesh_find(end, peer, &side);
    (void)why;
    if (link >= 0)
        end->mesh->links[link].is_up = 0;
}

static inline void mesh_close(void *ctx)
{
    (void)ctx;
}

/* >>nodes and links ------------------------------------------------------- */

static inline int mesh_add(struct mesh *m)
{
    int i = m->count++;
    struct mesh_end *end = &m->ends[i];
    crdt_config config;
    crdt_transport transport;
    memset(&config, 0, sizeof config);
    memset(&transport, 0, sizeof transport);
    config.clock = &m->clock;
    config.random = &m->random;
    CHECK_INT(crdt_doc_new(&m->docs[i], &config), CRDT_OK);
    CHECK_INT(crdt_node_new(&m->nodes[i], &m->config), CRDT_OK);
    CHECK_INT(crdt_node_share(m->nodes[i], CRDT_STR("d"), m->docs[i]),
              CRDT_OK);
    end->mesh = m;
    end->number = i;
    transport.version = 1;
    transport.ctx = end;
    transport.properties = m->properties | CRDT_SEALED;
    transport.message_max = m->message_max;
    transport.start = mesh_start;
    transport.send = mesh_send;
    transport.poll = mesh_poll;
    transport.drop = mesh_drop;
    transport.close = mesh_close;
    CHECK_INT(crdt_node_attach(m->nodes[i], &transport), CRDT_OK);
    return i;
}

/* Links them, or links them again. */
static inline struct mesh_link *mesh_link(struct mesh *m, int a, int b)
{
    struct mesh_link *l;
    int i;
    for (i = 0; i < m->links_len; i++) {
        l = &m->links[i];
        if (l->ends[0] == a && l->ends[1] == b)
            break;
    }
    l = &m->links[i];
    m->links_len += i == m->links_len;
    l->ends[0] = a;
    l->ends[1] = b;
    l->times += !l->is_up;
    l->is_up = l->redials = 1;
    return l;
}

static inline void mesh_cut(struct mesh *m, int link)
{
    m->links[link].is_up = m->links[link].redials = 0;
}

static inline void mesh_redial(struct mesh *m)
{
    int i;
    for (i = 0; i < m->links_len; i++) {
        struct mesh_link *l = &m->links[i];
        if (l->is_up || !l->redials || l->told[0] || l->told[1])
            continue;
        l->is_up = 1;
        l->times++;
    }
}

static inline void mesh_run(struct mesh *m, uint64_t ms)
{
    uint64_t until = m->now_ms + ms;
    int i;
    for (; m->now_ms < until; m->now_ms++) {
        mesh_redial(m);
        for (i = 0; i < m->count; i++)
            CHECK_INT(crdt_node_poll(m->nodes[i], 0), CRDT_OK);
    }
}

static inline int mesh_is_equal(const struct mesh *m)
{
    int i;
    for (i = 1; i < m->count; i++) {
        crdt_digest a = crdt_doc_digest(m->docs[0]);
        crdt_digest b = crdt_doc_digest(m->docs[i]);
        if (a.hi != b.hi || a.lo != b.lo)
            return 0;
    }
    return 1;
}

/* Until all are equal, or so much time has gone by; how much it was. */
static inline uint64_t mesh_settle(struct mesh *m, uint64_t ms_max)
{
    uint64_t start = m->now_ms;
    while (!mesh_is_equal(m) && m->now_ms - start < ms_max)
        mesh_run(m, 1);
    return m->now_ms - start;
}

static inline uint64_t mesh_sent(const struct mesh *m)
{
    uint64_t sum = 0;
    int i;
    for (i = 0; i < m->links_len; i++)
        sum += m->links[i].bytes[0] + m->links[i].bytes[1];
    return sum;
}

static inline crdt_node_stats mesh_stats(const struct mesh *m, int node)
{
    crdt_node_stats out;
    crdt_node_get_stats(m->nodes[node], &out);
    return out;
}

static inline void mesh_put(struct mesh *m, int node, const char *key,
                            int64_t value)
{
    CHECK_INT(crdt_map_put_int(crdt_root(m->docs[node]), crdt_str(key), value),
              CRDT_OK);
    CHECK_INT(crdt_commit(m->docs[node]), CRDT_OK);
}

static inline int64_t mesh_get(const struct mesh *m, int node, const char *key)
{
    int64_t value = -1;
    crdt_map_get_int(crdt_root(m->docs[node]), crdt_str(key), &value);
    return value;
}

static inline void mesh_free(struct mesh *m)
{
    int i;
    size_t p;
    for (i = 0; i < m->count; i++) {
        CHECK_INT(mesh_stats(m, i).alarms, 0);
        crdt_node_free(m->nodes[i]);
        crdt_doc_free(m->docs[i]);
    }
    for (p = 0; p < m->packets_len; p++)
        free(m->packets[p].bytes);
    free(m->packets);
    free(m);
}

#endif
