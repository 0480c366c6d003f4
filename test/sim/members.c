/* Members over nodes: who knows whom and what, what is stable and forgotten,
 * leaving, eviction and return; nothing is resurrected and nothing lost. */
#define CRDTSYNC_IMPLEMENTATION
#include "../../crdtsync.h"
#include "../../transports/crdtsync_loopback.h"

#include "../test.h"
#include "band.h"

#define STEP_MS 20

/* The record of j at i. */
static crdt_member_info of(struct band *b, int i, int j)
{
    crdt_member_info info;
    crdt_id id = band_id(b, j);
    size_t k;
    for (k = 0; crdt_node_member(b->nodes[i], band_name, k, &info) == CRDT_OK;
         k++)
        if (crdt_id_compare(&info.replica, &id) == 0)
            return info;
    memset(&info, 0, sizeof info);
    info.status = (crdt_member_status)-1;
    return info;
}

static crdt_obj set_of(struct band *b, int i)
{
    return crdt_map_object(crdt_root(b->docs[i]), CRDT_STR("s"), CRDT_AW_SET);
}

static void add(struct band *b, int i, int64_t element)
{
    CHECK_INT(crdt_set_add(set_of(b, i), crdt_int(element)), CRDT_OK);
    CHECK_INT(crdt_commit(b->docs[i]), CRDT_OK);
}

static void drop(struct band *b, int i, int64_t element)
{
    CHECK_INT(crdt_set_remove(set_of(b, i), crdt_int(element)), CRDT_OK);
    CHECK_INT(crdt_commit(b->docs[i]), CRDT_OK);
}

static int has(struct band *b, int i, int64_t element)
{
    crdt_obj set =
        crdt_map_find(crdt_root(b->docs[i]), CRDT_STR("s"), CRDT_AW_SET);
    return crdt_set_has(set, crdt_int(element));
}

static uint64_t stable(struct band *b, int i, int of_whom)
{
    crdt_vv vv = CRDT_VV_INIT;
    crdt_id id = band_id(b, of_whom);
    uint64_t seq;
    CHECK_INT(crdt_node_stable(b->nodes[i], band_name, &vv), CRDT_OK);
    seq = crdt_vv_get(&vv, &id);
    crdt_vv_free(&vv);
    return seq;
}

static uint64_t floor_of(const struct band *b, int i, int of_whom)
{
    crdt_vv vv = CRDT_VV_INIT;
    crdt_id id = band_id(b, of_whom);
    uint64_t seq;
    CHECK_INT(crdt_doc_floor(b->docs[i], &vv), CRDT_OK);
    seq = crdt_vv_get(&vv, &id);
    crdt_vv_free(&vv);
    return seq;
}

static size_t size_of(const struct band *b, int i)
{
    crdt_buf out = CRDT_BUF_INIT;
    size_t size;
    CHECK_INT(crdt_delta(b->docs[i], NULL, &out), CRDT_OK);
    size = out.len;
    crdt_buf_free(&out);
    return size;
}

TEST(all_know_all)
{
    int count, shape, lossy, i, j;
    for (count = 1; count <= BAND_MAX; count++)
        for (shape = 0; shape < 2; shape++)
            for (lossy = 0; lossy < 2; lossy++) {
                struct band b;
                crdt_vv floors = CRDT_VV_INIT;
                band_new(&b, 0, 1);
                b.lossy = lossy;
                b.loss = lossy ? 200 : 0;
                while (b.count < count)
                    band_add(&b);
                if (shape)
                    band_chain(&b);
                else
                    band_mesh(&b);
                for (i = 0; i < count; i++)
                    CHECK_INT(band_write(&b, i, 1), CRDT_OK);
                band_run(&b, 300, STEP_MS);
                for (i = 0; i < count; i++)
                    for (j = 0; j < count; j++) {
                        crdt_member_info info = of(&b, i, j);
                        CHECK_INT(info.status, CRDT_MEMBER_ACTIVE);
                        CHECK_INT(info.is_self, i == j);
                        CHECK_INT(info.unacked, 0);
                        CHECK_INT(info.missing, 0);
                        CHECK_INT(info.lag, 0);
                        CHECK_INT(stable(&b, i, j), 2);
                        CHECK_INT(floor_of(&b, i, j), 2);
                    }
                CHECK_INT(crdt_node_floors(b.nodes[0], band_name, &floors),
                          CRDT_OK);
                CHECK_INT(floors.len, count);
                CHECK_INT(crdt_node_stable(b.nodes[0], CRDT_STR("e"), &floors),
                          CRDT_ERR_NOT_FOUND);
                crdt_vv_free(&floors);
                band_free(&b);
                REQUIRE(!test_failures_in_case);
            }
}

TEST(nothing_new_is_nothing_sent)
{
    struct band b;
    uint64_t before;
    int lossy;
    for (lossy = 0; lossy < 2; lossy++) {
        band_new(&b, 0, 2);
        b.lossy = lossy;
        while (b.count < 5)
            band_add(&b);
        band_mesh(&b);
        CHECK_INT(band_write(&b, 0, 1), CRDT_OK);
        band_run(&b, 400, STEP_MS);
        before = b.told;
        band_run(&b, 100, 1000);
        CHECK_INT(b.told - before, 0);
        CHECK_INT(band_write(&b, 0, 1), CRDT_OK);
        band_run(&b, 400, STEP_MS);
        CHECK(b.told > before);
        band_free(&b);
    }
}

/* One that is away keeps what it needs; what it lacks is known. */
TEST(who_is_away_is_waited_for)
{
    struct band b;
    int i;
    band_new(&b, 3, 3);
    band_mesh(&b);
    for (i = 0; i < 10; i++)
        add(&b, 0, i);
    band_run(&b, 200, STEP_MS);
    CHECK_INT(stable(&b, 0, 0), 11);
    band_crash(&b, 2);
    for (i = 0; i < 10; i++)
        drop(&b, 1, i);
    band_run(&b, 400, STEP_MS);
    CHECK_INT(stable(&b, 0, 1), 0);
    CHECK_INT(floor_of(&b, 0, 1), 0);
    CHECK_INT(of(&b, 1, 2).unacked, 10);
    CHECK_INT(of(&b, 0, 2).unacked, 0);
    CHECK_INT(of(&b, 0, 2).missing, 10);
    CHECK(of(&b, 0, 2).silent_ms > 5000);
    CHECK(of(&b, 0, 1).silent_ms < 3000);
    band_return(&b, 2, NULL);
    band_run(&b, 400, STEP_MS);
    CHECK_INT(floor_of(&b, 0, 1), 10);
    CHECK(band_is_equal(&b));
    band_free(&b);
}

TEST(who_has_left_is_not)
{
    struct band b;
    crdt_epoch_info info;
    band_new(&b, 3, 4);
    band_chain(&b);
    CHECK_INT(band_write(&b, 2, 1), CRDT_OK);
    band_run(&b, 100, STEP_MS);
    CHECK_INT(crdt_node_leave(b.nodes[2], CRDT_STR("x")), CRDT_ERR_NOT_FOUND);
    CHECK_INT(crdt_node_leave(b.nodes[2], band_name), CRDT_OK);
    b.is_gone[2] = 1;
    CHECK_INT(crdt_node_full_sync(b.nodes[2], band_name, CRDT_SYNC_OPEN, 0),
              CRDT_ERR_UNSUPPORTED);
    band_run(&b, 10, STEP_MS);
    band_crash(&b, 2);
    CHECK_INT(band_write(&b, 0, 1), CRDT_OK);
    band_run(&b, 200, STEP_MS);
    CHECK_INT(of(&b, 0, 2).status, CRDT_MEMBER_LEFT);
    CHECK_INT(stable(&b, 0, 0), 1);
    /* It writes again: it is back, and gets all by a snapshot. */
    band_return(&b, 2, NULL);
    CHECK_INT(band_write(&b, 2, 1), CRDT_OK);
    band_run(&b, 200, STEP_MS);
    CHECK_INT(of(&b, 0, 2).status, CRDT_MEMBER_ACTIVE);
    CHECK_INT(band_value(&b, 2), 3);
    CHECK_INT(band_value(&b, 0), 3);
    info = band_epoch(&b, 0);
    CHECK_INT(info.members, 3);
    band_free(&b);
}

/* Evicted by mistake: it says that it is there, though it writes nothing. */
TEST(who_lives_is_back)
{
    struct band b;
    crdt_id id;
    int i;
    band_new(&b, 3, 13);
    band_chain(&b);
    CHECK_INT(band_write(&b, 0, 1), CRDT_OK);
    band_run(&b, 200, STEP_MS);
    id = band_id(&b, 2);
    CHECK_INT(crdt_node_evict(b.nodes[0], band_name, &id), CRDT_OK);
    CHECK_INT(of(&b, 0, 2).status, CRDT_MEMBER_EVICTED);
    band_run(&b, 50, STEP_MS);
    for (i = 0; i < 3; i++)
        CHECK_INT(of(&b, i, 2).status, CRDT_MEMBER_ACTIVE);
    band_free(&b);
}

/* Scenario 44. What was removed and forgotten while a replica was evicted does
 * not come back with it; what it wrote meanwhile does. */
TEST(a_stale_replica_resurrects_nothing)
{
    int shape, remembers;
    for (shape = 0; shape < 2; shape++)
        for (remembers = 0; remembers < 2; remembers++) {
            struct band b;
            crdt_buf memory = CRDT_BUF_INIT;
            crdt_id id;
            int i;
            band_new(&b, 4, 5);
            if (shape)
                band_chain(&b);
            else
                band_mesh(&b);
            for (i = 0; i < 400; i++)
                add(&b, i % 4, i);
            band_run(&b, 100, STEP_MS);
            CHECK(has(&b, 3, 0));
            id = band_id(&b, 3);
            CHECK_INT(crdt_node_members_save(b.nodes[3], band_name, &memory),
                      CRDT_OK);
            band_crash(&b, 3);
            CHECK_INT(crdt_node_evict(b.nodes[0], band_name, &id), CRDT_OK);
            CHECK_INT(crdt_node_evict(b.nodes[0], band_name, &id), CRDT_OK);
            b.is_gone[3] = 1;
            for (i = 0; i < 399; i++)
                drop(&b, i % 3, i);
            band_run(&b, 200, STEP_MS);
            CHECK_INT(of(&b, 2, 3).status, CRDT_MEMBER_EVICTED);
            CHECK(floor_of(&b, 0, 0) > 200);
            add(&b, 3, 1000);
            drop(&b, 3, 399);
            band_return(&b, 3, remembers ? &memory : NULL);
            band_run(&b, 200, STEP_MS);
            for (i = 0; i < 4; i++) {
                CHECK_INT(of(&b, i, 3).status, CRDT_MEMBER_ACTIVE);
                CHECK_INT(crdt_set_size(set_of(&b, i)), 1);
                CHECK(has(&b, i, 1000));
            }
            CHECK_INT(floor_of(&b, 0, 3), floor_of(&b, 3, 3));
            crdt_buf_free(&memory);
            band_free(&b);
            REQUIRE(!test_failures_in_case);
        }
}

/* M6 */
TEST(an_empty_set_is_small)
{
    struct band b;
    int i;
    band_new(&b, 3, 6);
    band_chain(&b);
    for (i = 0; i < 1000; i++) {
        add(&b, i % 3, i);
        if (i % 10 == 9)
            band_run(&b, 2, STEP_MS);
    }
    band_run(&b, 20, STEP_MS);
    for (i = 0; i < 1000; i++) {
        drop(&b, (i + 1) % 3, i);
        if (i % 10 == 9)
            band_run(&b, 2, STEP_MS);
    }
    band_run(&b, 200, STEP_MS);
    for (i = 0; i < 3; i++) {
        crdt_stats stats;
        crdt_doc_stats(b.docs[i], &stats);
        CHECK_INT(crdt_set_size(set_of(&b, i)), 0);
        CHECK_INT(stats.removals, 0);
        CHECK(size_of(&b, i) < 200);
    }
    band_free(&b);
}

/* All type and delete all the time, and yet all sweep, again and again: nobody
 * truncates on before the others are where it is. */
static void keep_busy(int is_chain)
{
    struct band b;
    uint64_t swept[5] = { 0 }, sweeps[5] = { 0 };
    int i, round;
    band_new(&b, 5, 14);
    if (is_chain)
        band_chain(&b);
    else
        band_mesh(&b);
    for (round = 0; round < 600; round++) {
        for (i = 0; i < 5; i++) {
            crdt_obj text = crdt_map_text(crdt_root(b.docs[i]), CRDT_STR("t"));
            CHECK_INT(
                crdt_text_insert(text, CRDT_CHARS,
                                 (size_t)(round * 7 + i) %
                                     (crdt_text_len(text, CRDT_CHARS) + 1),
                                 CRDT_STR("some")),
                CRDT_OK);
            CHECK_INT(crdt_text_delete(text, CRDT_CHARS, 0, 4), CRDT_OK);
            CHECK_INT(crdt_commit(b.docs[i]), CRDT_OK);
        }
        band_run(&b, 1, STEP_MS);
        for (i = 0; i < 5; i++) {
            uint64_t now = b.nodes[i]->shares.ptr[0].roster.swept;
            sweeps[i] += now > swept[i];
            swept[i] = now;
        }
    }
    for (i = 0; i < 5; i++) {
        CHECK(size_of(&b, i) < 8000);
        CHECK(sweeps[i] >= 5);
    }
    band_free(&b);
}

TEST(who_is_busy_sweeps)
{
    keep_busy(0);
    keep_busy(1);
}

TEST(history_is_kept_when_asked)
{
    struct band b;
    int i;
    band_new(&b, 0, 7);
    b.config.keeps_history = 1;
    band_add(&b);
    band_add(&b);
    band_mesh(&b);
    for (i = 0; i < 500; i++)
        add(&b, 0, i);
    for (i = 0; i < 500; i++)
        drop(&b, 0, i);
    band_run(&b, 300, STEP_MS);
    CHECK_INT(stable(&b, 1, 0), 1001);
    CHECK_INT(floor_of(&b, 1, 0), 0);
    band_free(&b);
}

/* Of those who are cut off from each other, only most of them evict. */
TEST(the_silent_are_evicted_by_most)
{
    int count, away, i, j;
    for (count = 2; count <= 5; count++)
        for (away = 1; away < count; away++) {
            struct band b;
            band_new(&b, 0, 8);
            b.config.evict_ms = 4000;
            while (b.count < count)
                band_add(&b);
            band_mesh(&b);
            for (i = 0; i < count; i++)
                CHECK_INT(band_write(&b, i, 1), CRDT_OK);
            band_run(&b, 500, STEP_MS);
            for (i = 0; i < count; i++)
                for (j = 0; j < count; j++)
                    CHECK_INT(of(&b, i, j).status, CRDT_MEMBER_ACTIVE);
            for (i = 0; i < away; i++)
                for (j = away; j < count; j++)
                    band_link(&b, i, j, 0);
            for (i = 0; 2 * away < count && i < away; i++)
                b.is_gone[i] = 1;
            for (i = away; 2 * away > count && i < count; i++)
                b.is_gone[i] = 1;
            band_run(&b, 500, STEP_MS);
            for (i = 0; i < count; i++)
                for (j = 0; j < count; j++) {
                    int mine = i < away ? away : count - away;
                    int apart = (i < away) != (j < away);
                    CHECK_INT(of(&b, i, j).status, apart && 2 * mine > count
                                                       ? CRDT_MEMBER_EVICTED
                                                       : CRDT_MEMBER_ACTIVE);
                }
            for (i = 0; i < count; i++)
                CHECK_INT(band_write(&b, i, 1), CRDT_OK);
            for (i = 0; i < count; i++)
                b.is_gone[i] = b.is_gone[i] ? 2 : 0;
            band_mesh(&b);
            band_run(&b, 200, STEP_MS);
            for (i = 0; i < count; i++) {
                CHECK_INT(band_value(&b, i), 2 * count);
                for (j = 0; j < count; j++)
                    CHECK_INT(of(&b, i, j).status, CRDT_MEMBER_ACTIVE);
            }
            band_free(&b);
            REQUIRE(!test_failures_in_case);
        }
}

/* After a night nobody is silent but we. */
TEST(a_sleeper_evicts_nobody)
{
    struct band b;
    int i;
    band_new(&b, 0, 9);
    b.config.evict_ms = 4000;
    while (b.count < 3)
        band_add(&b);
    band_mesh(&b);
    band_run(&b, 100, STEP_MS);
    b.now_ms += 8 * 3600 * 1000;
    band_run(&b, 100, STEP_MS);
    for (i = 0; i < 3; i++)
        CHECK_INT(of(&b, 0, i).status, CRDT_MEMBER_ACTIVE);
    band_free(&b);
}

TEST(the_old_incarnation_has_left)
{
    struct band b;
    crdt_id old;
    crdt_member_info info;
    size_t k;
    int found = 0;
    band_new(&b, 3, 10);
    band_chain(&b);
    CHECK_INT(band_write(&b, 2, 1), CRDT_OK);
    band_run(&b, 50, STEP_MS);
    old = band_id(&b, 2);
    CHECK_INT(crdt_doc_reincarnate(b.docs[2]), CRDT_OK);
    CHECK_INT(band_write(&b, 2, 1), CRDT_OK);
    band_run(&b, 200, STEP_MS);
    for (k = 0; crdt_node_member(b.nodes[0], band_name, k, &info) == CRDT_OK;
         k++)
        if (crdt_id_compare(&info.replica, &old) == 0) {
            CHECK_INT(info.status, CRDT_MEMBER_LEFT);
            found++;
        }
    CHECK_INT(found, 1);
    CHECK_INT(k, 4);
    CHECK_INT(of(&b, 0, 2).status, CRDT_MEMBER_ACTIVE);
    CHECK_INT(stable(&b, 0, 2), 1);
    band_free(&b);
}

/* What is read back after a restart: who is away is waited for. */
TEST(members_are_remembered)
{
    struct band b;
    crdt_buf memory = CRDT_BUF_INIT;
    int i;
    size_t len;
    band_new(&b, 3, 11);
    band_mesh(&b);
    CHECK_INT(band_write(&b, 0, 1), CRDT_OK);
    band_run(&b, 100, STEP_MS);
    CHECK_INT(crdt_node_members_save(b.nodes[0], band_name, &memory), CRDT_OK);
    for (i = 0; i < 3; i++)
        band_crash(&b, i);
    band_return(&b, 0, &memory);
    CHECK_INT(of(&b, 0, 2).status, CRDT_MEMBER_ACTIVE);
    CHECK_INT(band_write(&b, 0, 1), CRDT_OK);
    band_run(&b, 200, STEP_MS);
    CHECK_INT(stable(&b, 0, 0), 2);
    /* Each of them in turn short, or with one bit wrong. */
    for (len = 0; len < memory.len; len++) {
        crdt_bytes bytes = crdt_bytes_of(memory.ptr, len);
        CHECK(crdt_node_members_load(b.nodes[0], band_name, bytes));
        memory.ptr[len] ^= 4;
        CHECK(crdt_node_members_load(b.nodes[0], band_name,
                                     crdt_buf_bytes(&memory)));
        memory.ptr[len] ^= 4;
    }
    crdt_buf_free(&memory);
    band_free(&b);
}

/* One that keeps no table: nobody does, all else goes on. */
TEST(without_members)
{
    struct band b;
    crdt_epoch_info info;
    int i;
    band_new(&b, 3, 12);
    band_chain(&b);
    band_run(&b, 20, STEP_MS);
    b.config.no_members = 1;
    band_link(&b, band_add(&b), 2, 1);
    for (i = 0; i < 4; i++)
        CHECK_INT(band_write(&b, i, 1), CRDT_OK);
    band_run(&b, 200, STEP_MS);
    for (i = 0; i < 4; i++) {
        CHECK_INT(band_value(&b, i), 4);
        CHECK_INT(crdt_node_epoch(b.nodes[i], band_name, &info),
                  CRDT_ERR_LIMIT);
        CHECK_INT(
            crdt_node_full_sync(b.nodes[i], band_name, CRDT_SYNC_OPEN, 0),
            CRDT_ERR_LIMIT);
    }
    CHECK_INT(floor_of(&b, 0, 0), 0);
    band_free(&b);
}

/* >>storm ----------------------------------------------------------------- */

#define THINGS 120

/* Elements are added once and removed once. */
struct storm {
    struct band b;
    int added[THINGS], dropped[THINGS];
    int seen[BAND_MAX][THINGS]; /* 1: is there; 2: and is no more */
    int64_t sum;
};

static void storm_write(struct storm *s, int i)
{
    int e = (int)test_below(&s->b.dice, THINGS);
    int64_t by = test_below(&s->b.dice, 100);
    if (!s->added[e]) {
        add(&s->b, i, e);
        s->added[e] = 1;
    } else if (has(&s->b, i, e)) {
        drop(&s->b, i, e);
        s->dropped[e] = 1;
    }
    CHECK_INT(band_write(&s->b, i, by), CRDT_OK);
    s->sum += by;
    if (s->b.is_gone[i] == 1)
        s->b.is_gone[i] = 2;
}

static void storm_look(struct storm *s)
{
    int i, e;
    for (i = 0; i < s->b.count; i++)
        for (e = 0; e < THINGS; e++) {
            int is = has(&s->b, i, e);
            CHECK(!is || s->seen[i][e] < 2);
            if (is || s->seen[i][e])
                s->seen[i][e] = is ? 1 : 2;
        }
}

static void storm_member(struct storm *s, int i, int j)
{
    crdt_id id = band_id(&s->b, j);
    crdt_err err;
    switch (test_below(&s->b.dice, 5)) {
    case 0: /* crash, or return */
        if (s->b.nodes[i])
            band_crash(&s->b, i);
        else
            band_return(&s->b, i, NULL);
        break;
    case 1:
        if (s->b.nodes[i] && i != j) {
            err = crdt_node_evict(s->b.nodes[i], band_name, &id);
            s->b.is_gone[j] = err ? s->b.is_gone[j] : 2;
        }
        break;
    case 2:
        if (s->b.nodes[i]) {
            CHECK_INT(crdt_node_leave(s->b.nodes[i], band_name), CRDT_OK);
            s->b.is_gone[i] = 1;
        }
        break;
    case 3:
        if (s->b.count < BAND_MAX)
            band_link(&s->b, band_add(&s->b), j, 1);
        break;
    default:
        if (s->b.nodes[i])
            (void)crdt_node_full_sync(s->b.nodes[i], band_name, CRDT_SYNC_OPEN,
                                      1000);
    }
}

static void storm_end(struct storm *s)
{
    int i, e;
    for (i = 0; i < s->b.count; i++)
        if (!s->b.nodes[i])
            band_return(&s->b, i, NULL);
    for (i = 0; i < s->b.count; i++)
        CHECK_INT(band_write(&s->b, i, 1), CRDT_OK);
    s->sum += s->b.count;
    s->b.loss = 0;
    band_chain(&s->b);
    for (i = 0; i < 40; i++) {
        band_run(&s->b, 10, 100);
        storm_look(s);
    }
    CHECK(band_is_equal(&s->b));
    for (i = 0; i < s->b.count; i++) {
        CHECK_INT(band_value(&s->b, i), s->sum);
        for (e = 0; e < THINGS; e++)
            CHECK_INT(has(&s->b, i, e), s->added[e] && !s->dropped[e]);
    }
}

static void storm(uint64_t seed)
{
    struct storm s;
    int step;
    memset(&s, 0, sizeof s);
    band_new(&s.b, 2 + (int)(seed % 4), seed);
    s.b.loss = (uint32_t)(seed % 3) * 150;
    s.b.is_lax = 1;
    band_chain(&s.b);
    for (step = 0; step < 150; step++) {
        int i = (int)test_below(&s.b.dice, (uint32_t)s.b.count);
        int j = (int)test_below(&s.b.dice, (uint32_t)s.b.count);
        uint32_t what = test_below(&s.b.dice, 10);
        if (what < 6)
            storm_write(&s, i);
        else if (what < 8 && i != j)
            band_link(&s.b, i, j, what == 6);
        else if (what == 9)
            storm_member(&s, i, j);
        band_run(&s.b, (int)test_below(&s.b.dice, 4), 40);
        storm_look(&s);
    }
    storm_end(&s);
    band_free(&s.b);
}

TEST(nothing_is_resurrected_or_lost)
{
    uint64_t seeds = test_env("CRDT_SEEDS", 100000) / 1000 + 1;
    uint64_t first = test_env("CRDT_SEED", 1), seed;
    for (seed = first; seed < first + seeds; seed++) {
        storm(seed);
        if (test_failures_in_case)
            printf("seed %d\n", (int)seed);
        REQUIRE(!test_failures_in_case);
    }
}

TEST_MAIN(CASE(all_know_all), CASE(nothing_new_is_nothing_sent),
          CASE(who_is_away_is_waited_for), CASE(who_has_left_is_not),
          CASE(who_lives_is_back), CASE(a_stale_replica_resurrects_nothing),
          CASE(an_empty_set_is_small), CASE(who_is_busy_sweeps),
          CASE(history_is_kept_when_asked),
          CASE(the_silent_are_evicted_by_most), CASE(a_sleeper_evicts_nobody),
          CASE(the_old_incarnation_has_left), CASE(members_are_remembered),
          CASE(without_members), CASE(nothing_is_resurrected_or_lost))
