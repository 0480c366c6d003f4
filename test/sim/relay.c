/* Meshes: what a change costs until all have it, how soon that is, and that
 * it comes everywhere whatever breaks. */
#define CRDTSYNC_IMPLEMENTATION
#include "../../crdtsync.h"
#include "../mesh.h"

enum { NODES = 15 };

/* A ring in random order, and another: four links each. */
static struct mesh *mesh_of(uint64_t seed, int ordered)
{
    struct mesh *m = mesh_new(seed);
    int order[NODES], ring, i, k;
    m->properties = ordered ? CRDT_RELIABLE | CRDT_ORDERED : 0;
    m->message_max = ordered ? 1u << 20 : 1200;
    m->delay_ms = 10;
    for (i = 0; i < NODES; i++)
        order[mesh_add(m)] = i;
    for (ring = 0; ring < 2; ring++) {
        for (i = NODES - 1; i > 0; i--) {
            int at = (int)test_below(&m->dice, (uint32_t)i + 1);
            k = order[i];
            order[i] = order[at];
            order[at] = k;
        }
        for (i = 0; i < NODES; i++)
            mesh_link(m, order[i], order[(i + 1) % NODES]);
    }
    return m;
}

struct bill {
    uint64_t deltas, news, sent;
};

static struct bill bill_of(const struct mesh *m)
{
    struct bill b = { 0, 0, 0 };
    int i;
    for (i = 0; i < m->count; i++) {
        b.deltas += mesh_stats(m, i).delta_bytes;
        b.news += mesh_stats(m, i).news_bytes;
    }
    b.sent = mesh_sent(m);
    return b;
}

static void add(struct mesh *m, int node, int step)
{
    char key[32];
    snprintf(key, sizeof key, "%d of %d", step, node);
    mesh_put(m, node, key, step);
}

/* Every node writes every so often; then what of the deltas was news. */
static double redundancy(uint64_t seed, int ordered, uint32_t pause_ms,
                         int steps)
{
    struct mesh *m = mesh_of(seed, ordered);
    struct bill before, after;
    int step, i;
    double ratio;
    mesh_run(m, 500);
    before = bill_of(m);
    for (step = 0; step < steps; step++)
        for (i = 0; i < NODES; i++) {
            add(m, i, step);
            mesh_run(m, test_below(&m->dice, 2 * pause_ms / NODES + 1));
        }
    CHECK(mesh_settle(m, 10000) < 2000);
    mesh_run(m, 500);
    after = bill_of(m);
    ratio = (double)(after.deltas - before.deltas) /
            (double)(after.news - before.news);
    printf("every %u ms: deltas %.2f times the news, all bytes %.2f times\n",
           (unsigned)pause_ms, ratio,
           (double)(after.sent - before.sent) /
               (double)(after.news - before.news));
    mesh_free(m);
    return ratio;
}

TEST(a_mesh_hardly_repeats_itself)
{
    CHECK(redundancy(1, 1, 100, 100) < 1.5);
    CHECK(redundancy(2, 0, 100, 100) < 1.5);
    if (test_env("CRDT_STRIDE", 1) > 1)
        return;
    CHECK(redundancy(3, 1, 30, 100) < 1.5);
    CHECK(redundancy(4, 1, 1000, 30) < 1.5);
    CHECK(redundancy(5, 0, 1000, 30) < 1.5);
}

/* All have the document when one more comes, linked to four of them: it is
 * sent once. */
TEST(a_newcomer_is_told_by_one)
{
    int ordered, i, link;
    for (ordered = 0; ordered < 2; ordered++) {
        struct mesh *m = mesh_of(6, ordered);
        crdt_node_stats stats;
        mesh_run(m, 500);
        for (i = 0; i < 2000; i++)
            add(m, 0, i);
        CHECK(mesh_settle(m, 10000) < 10000);
        mesh_run(m, 1000);
        i = mesh_add(m);
        for (link = 0; link < 4; link++)
            mesh_link(m, link * 3, i);
        CHECK(mesh_settle(m, 10000) < 10000);
        mesh_run(m, 3000);
        stats = mesh_stats(m, i);
        CHECK(stats.news_bytes > 20000);
        CHECK(stats.delta_bytes < stats.news_bytes + 1000);
        add(m, 0, 2000); /* it is linked with all four */
        add(m, i, 2001);
        CHECK(mesh_settle(m, 10000) < 500);
        mesh_free(m);
    }
}

/* Along the tree a change goes as fast as the links are. */
TEST(what_a_neighbour_writes_comes_at_once)
{
    struct mesh *m = mesh_new(7);
    int i;
    mesh_add(m), mesh_add(m), mesh_add(m);
    m->properties = CRDT_RELIABLE | CRDT_ORDERED;
    mesh_link(m, 0, 1);
    mesh_link(m, 1, 2);
    mesh_link(m, 2, 0);
    mesh_run(m, 100);
    for (i = 0; i < 20; i++) {
        uint64_t ms;
        add(m, i % 3, i);
        ms = mesh_settle(m, 1000);
        CHECK(ms <= 25); /* two links of 10 ms */
        mesh_run(m, 300);
    }
    CHECK(mesh_stats(m, 0).delta_bytes + mesh_stats(m, 1).delta_bytes +
              mesh_stats(m, 2).delta_bytes <
          20 * 2 * 100);
    mesh_free(m);
}

/* Links of the tree are cut: the lazy ones take over within the time that
 * they hold things back. Cut one way only, nobody notices at first. */
TEST(a_broken_tree_heals)
{
    uint64_t seed, seeds = test_env("CRDT_SEEDS", 20000) / 2000, slow = 0;
    for (seed = 1; seed <= seeds; seed++) {
        struct mesh *m = mesh_of(seed, (int)(seed & 1));
        int i, step;
        uint64_t ms;
        mesh_run(m, 500);
        for (step = 0; step < 12; step++) {
            for (i = 0; i < NODES; i++)
                add(m, i, step);
            CHECK(mesh_settle(m, 10000) < 2000);
            mesh_run(m, 300);
            i = (int)test_below(&m->dice, 2 * NODES);
            /* One of the rings stays whole, or a way round it. */
            if (i >= NODES && step % 2)
                mesh_cut(m, i);
            else if (i >= NODES && !(seed & 1))
                m->links[i].is_cut[step % 4 / 2] = 1;
        }
        add(m, 0, step);
        ms = mesh_settle(m, 10000);
        if (ms >= 2000)
            printf("seed %d: %d ms\n", (int)seed, (int)ms);
        CHECK(ms < 2000);
        /* Soon it is a tree again, unless links are half dead. */
        for (i = 0; i < 4 * NODES; i++) {
            add(m, i % NODES, step + i);
            ms = mesh_settle(m, 10000);
            slow += seed & 1 && i >= 2 * NODES && ms > 200;
            mesh_run(m, 200);
        }
        mesh_free(m);
    }
    CHECK_INT(slow, 0);
}

/* Everything at once: in the end all are equal. */
static void storm(uint64_t seed)
{
    struct mesh *m = mesh_of(seed, (int)(seed % 3 == 0));
    int step, i;
    uint64_t ms;
    m->loss = seed % 3 ? test_below(&m->dice, 31) : 0;
    m->twice = seed % 3 ? test_below(&m->dice, 31) : 0;
    m->late = seed % 3 ? test_below(&m->dice, 51) : 0;
    for (step = 0; step < 60; step++) {
        int link = (int)test_below(&m->dice, 2 * NODES);
        if (test_below(&m->dice, 4))
            add(m, (int)test_below(&m->dice, NODES), step);
        else if (m->links[link].is_up)
            mesh_cut(m, link);
        else
            mesh_link(m, m->links[link].ends[0], m->links[link].ends[1]);
        if (step == 20) /* two halves */
            for (i = 0; i < 2 * NODES; i++)
                if (m->links[i].ends[0] % 2 != m->links[i].ends[1] % 2)
                    mesh_cut(m, i);
        mesh_run(m, test_below(&m->dice, 60));
    }
    for (i = 0; i < 2 * NODES; i++)
        if (!m->links[i].is_up)
            mesh_link(m, m->links[i].ends[0], m->links[i].ends[1]);
    ms = mesh_settle(m, 20000);
    if (ms >= 20000)
        printf("seed %d\n", (int)seed);
    CHECK(ms < 20000);
    mesh_free(m);
}

TEST(a_mesh_survives_loss_and_partitions)
{
    uint64_t seed, seeds = test_env("CRDT_SEEDS", 20000) / 1000;
    for (seed = 1; seed <= seeds; seed++)
        storm(seed);
}

/* >>casting --------------------------------------------------------------- */

enum { SUBSCRIBERS = 20 };

static struct mesh *star(uint64_t seed, unsigned properties)
{
    struct mesh *m = mesh_new(seed);
    int i;
    m->properties = CRDT_BROADCAST | properties;
    mesh_add(m);
    for (i = 1; i <= SUBSCRIBERS; i++) {
        mesh_add(m);
        mesh_link(m, 0, i);
    }
    return m;
}

/* Messages that node 0 has said to one peer each. */
static uint64_t said_by_0(const struct mesh *m)
{
    uint64_t sum = 0;
    int i;
    for (i = 0; i < m->links_len; i++)
        sum += m->links[i].messages[0];
    return sum;
}

TEST(what_all_lack_is_sent_once)
{
    struct mesh *m = star(1, 0);
    uint64_t said, casts;
    int i;
    mesh_put(m, 0, "a", 1);
    mesh_settle(m, 20000);
    mesh_run(m, 2000);
    said = said_by_0(m);
    casts = m->casts;
    for (i = 0; i < 100; i++) {
        add(m, 0, i);
        mesh_run(m, 20);
    }
    CHECK(mesh_is_equal(m));
    CHECK_INT(m->casts - casts, 100);
    printf("100 changes to %d: %d messages to all, %d to one\n",
           (int)SUBSCRIBERS, (int)(m->casts - casts),
           (int)(said_by_0(m) - said));
    CHECK(said_by_0(m) - said < 200); /* heartbeats, members */
    mesh_free(m);
}

/* All write; what is cast is lost to some, comes twice, late, and to those who
 * came a moment ago. */
TEST(who_does_not_hear_a_cast_is_told_by_himself)
{
    uint64_t seed, seeds = test_env("CRDT_SEEDS", 10000) / 1000;
    for (seed = 1; seed <= seeds; seed++) {
        struct mesh *m = star(seed, 0);
        int i;
        m->loss = (uint32_t)(seed % 3 * 10);
        m->twice = m->late = 20;
        for (i = 0; i < 100; i++) {
            add(m, i % 2 ? 0 : (int)test_below(&m->dice, SUBSCRIBERS + 1), i);
            if (i % 10 == 0) {
                int link = (int)test_below(&m->dice, SUBSCRIBERS);
                mesh_cut(m, link);
                mesh_run(m, test_below(&m->dice, 100));
                mesh_link(m, 0, link + 1);
            }
            mesh_run(m, test_below(&m->dice, 20));
        }
        CHECK(m->casts > 20);
        m->loss = 0;
        mesh_settle(m, 60000);
        if (!mesh_is_equal(m))
            printf("seed %d\n", (int)seed);
        CHECK(mesh_is_equal(m));
        mesh_free(m);
    }
}

/* Where nothing is lost keystrokes are told in short; not what is cast, and
 * not right after that. */
TEST(casts_among_keystrokes)
{
    struct mesh *m = star(7, CRDT_RELIABLE | CRDT_ORDERED);
    int i;
    for (i = 0; i < 300; i++) {
        int node = i / 10 % 3 ? 0 : (int)test_below(&m->dice, SUBSCRIBERS + 1);
        crdt_obj text = crdt_map_text(crdt_root(m->docs[node]), CRDT_STR("t"));
        crdt_text_insert(text, CRDT_CHARS, crdt_text_len(text, CRDT_CHARS),
                         CRDT_STR("x"));
        crdt_commit(m->docs[node]);
        mesh_run(m, test_below(&m->dice, 20));
    }
    CHECK(m->casts > 20);
    mesh_settle(m, 20000);
    CHECK(mesh_is_equal(m));
    for (i = 0; i < m->count; i++)
        CHECK_INT(mesh_stats(m, i).deltas_refused, 0);
    mesh_free(m);
}

TEST_MAIN(CASE(casts_among_keystrokes), CASE(what_all_lack_is_sent_once),
          CASE(who_does_not_hear_a_cast_is_told_by_himself),
          CASE(a_mesh_hardly_repeats_itself), CASE(a_newcomer_is_told_by_one),
          CASE(what_a_neighbour_writes_comes_at_once),
          CASE(a_broken_tree_heals), CASE(a_mesh_survives_loss_and_partitions))
