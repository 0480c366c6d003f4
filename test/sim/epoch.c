/* Full syncs among nodes: whatever message is lost, and whoever crashes,
 * joins or leaves whenever, all are back at work within the lease, with the
 * same value, and no epoch has two cuts. */
#define CRDTSYNC_IMPLEMENTATION
#include "../../crdtsync.h"
#include "../../transports/crdtsync_loopback.h"

#include "../test.h"
#include "band.h"

#define LEASE_MS 3000
#define STEP_MS 20

/* All cases, or of them an evenly spread part. */
static int is_chosen(void)
{
    static uint64_t number;
    uint64_t part = test_env("CRDT_SEEDS", 0) < 100000 ? 23 : 1;
    return number++ % part == 0;
}

/* Nodes that know each other, have written, and have the same. */
static void begin(struct band *b, int count, int shape, uint64_t seed)
{
    int i;
    band_new(b, count, seed);
    if (shape)
        band_chain(b);
    else
        band_mesh(b);
    for (i = 0; i < count; i++)
        CHECK_INT(band_write(b, i, 1 << i), CRDT_OK);
    band_run(b, 60, STEP_MS);
    CHECK(band_is_equal(b));
    /* And again, so that there is something to be brought to the cut. */
    for (i = 0; i < count; i++)
        CHECK_INT(band_write(b, i, 1 << (i + 8)), CRDT_OK);
}

static int64_t total(int count)
{
    int64_t ones = (1 << count) - 1;
    return ones + (ones << 8);
}

static void ask(struct band *b, int i, crdt_sync_mode mode)
{
    CHECK_INT(crdt_node_full_sync(b->nodes[i], band_name, mode, LEASE_MS),
              CRDT_OK);
}

/* Runs the length of a lease; then all must be at work, and soon equal. */
static void finish(struct band *b)
{
    band_run(b, LEASE_MS / STEP_MS + 25, STEP_MS);
    CHECK(band_is_in(b, CRDT_PHASE_WORK));
    CHECK(band_is_equal(b));
}

/* One more full sync: all have the number, whatever came before. */
static void conclude(struct band *b, int from)
{
    uint64_t number = 0;
    int i;
    for (i = 0; i < b->count; i++)
        if (b->nodes[i] && band_epoch(b, i).number > number)
            number = band_epoch(b, i).number;
    ask(b, from, CRDT_SYNC_OPEN);
    finish(b);
    for (i = 0; i < b->count; i++)
        if (b->nodes[i] && !b->is_gone[i])
            CHECK(band_epoch(b, i).number > number);
}

/* How many digests were compared, by who saw most. */
static uint64_t compared(struct band *b)
{
    uint64_t most = 0;
    int i;
    for (i = 0; i < b->count; i++)
        if (band_epoch(b, i).compared > most)
            most = band_epoch(b, i).compared;
    return most;
}

static int say_case(int count, int shape, int mode, uint64_t at, int who)
{
    if (test_failures_in_case)
        printf("%d nodes, shape %d, mode %d, at %d, node %d\n", count, shape,
               mode, (int)at, who);
    return test_failures_in_case;
}

TEST(all_agree_on_a_cut)
{
    int count, shape, mode, i;
    for (count = 1; count <= 5; count++)
        for (shape = 0; shape < 2; shape++)
            for (mode = 0; mode < 2; mode++) {
                struct band b;
                begin(&b, count, shape, 1);
                ask(&b, 0, (crdt_sync_mode)mode);
                band_run(&b, 50, STEP_MS); /* long before the lease is over */
                for (i = 0; i < count; i++) {
                    crdt_epoch_info info = band_epoch(&b, i);
                    CHECK_INT(info.number, 1);
                    CHECK_INT(info.phase, CRDT_PHASE_WORK);
                    CHECK_INT(info.waiting, 0);
                    CHECK_INT(info.members, count);
                    CHECK_INT(band_value(&b, i), total(count));
                    REQUIRE(info.cut != NULL);
                    CHECK_INT(info.cut->len, count);
                }
                CHECK_INT(compared(&b), count);
                band_free(&b);
                REQUIRE(!say_case(count, shape, mode, 0, 0));
            }
}

/* How many messages a full sync takes, no matter what happens: about members,
 * of any kind, and the most of one node. */
struct messages {
    uint64_t told, said, by_one;
};

static struct messages messages(int count, int shape, int mode)
{
    struct band b;
    struct messages m;
    uint64_t before[BAND_MAX];
    int i;
    begin(&b, count, shape, 1);
    m.told = b.told;
    m.said = b.said;
    m.by_one = 0;
    memcpy(before, b.said_by, sizeof before);
    ask(&b, 0, (crdt_sync_mode)mode);
    band_run(&b, 40, STEP_MS);
    m.told = b.told - m.told;
    m.said = b.said - m.said;
    for (i = 0; i < count; i++)
        if (b.said_by[i] - before[i] > m.by_one)
            m.by_one = b.said_by[i] - before[i];
    band_free(&b);
    return m;
}

TEST(any_message_may_be_lost)
{
    int count, shape, mode, i;
    for (count = 3; count <= 5; count += 2)
        for (shape = 0; shape < 2; shape++)
            for (mode = 0; mode < 2; mode++) {
                uint64_t at, most = messages(count, shape, mode).said;
                for (at = 1; at <= most; at++) {
                    struct band b;
                    if (!is_chosen())
                        continue;
                    begin(&b, count, shape, 1);
                    b.lose_any = b.said + at;
                    ask(&b, 0, (crdt_sync_mode)mode);
                    finish(&b);
                    for (i = 0; i < count; i++) {
                        CHECK_INT(band_epoch(&b, i).number, 1);
                        CHECK_INT(band_value(&b, i), total(count));
                    }
                    band_free(&b);
                    REQUIRE(!say_case(count, shape, mode, at, 0));
                }
            }
}

TEST(a_third_of_all_messages_may_be_lost)
{
    uint64_t seed;
    int i;
    for (seed = 1; seed <= 20; seed++) {
        struct band b;
        begin(&b, 3 + (int)(seed % 3), (int)(seed & 1), seed);
        b.loss = 333;
        ask(&b, 0, (crdt_sync_mode)(seed & 1));
        band_run(&b, 2 * LEASE_MS / STEP_MS, STEP_MS);
        CHECK(band_is_in(&b, CRDT_PHASE_WORK));
        b.loss = 0;
        finish(&b);
        conclude(&b, 1);
        for (i = 0; i < b.count; i++)
            CHECK_INT(band_value(&b, i), total(b.count));
        band_free(&b);
        REQUIRE(!say_case(3, 0, 0, seed, 0));
    }
}

/* Runs until so many messages have been told since then. */
static void run_until(struct band *b, uint64_t told)
{
    int rounds;
    for (rounds = 0; b->told < told && rounds < 60; rounds++)
        band_round(b, STEP_MS);
}

/* What happens to a node in the middle. */
enum { CRASH, CRASH_EVICTED, LEAVE, JOIN, DEAF, HAPPENINGS };

static void happen(struct band *b, int what, int who, crdt_buf *memory)
{
    crdt_id id = band_id(b, who);
    int i, other = who ? 0 : 1;
    switch (what) {
    case CRASH:
    case CRASH_EVICTED:
        CHECK_INT(crdt_node_members_save(b->nodes[who], band_name, memory),
                  CRDT_OK);
        band_crash(b, who);
        if (what == CRASH)
            break;
        band_run(b, 20, STEP_MS); /* what is under way shows that it lives */
        b->is_gone[who] = 1;
        CHECK_INT(crdt_node_evict(b->nodes[other], band_name, &id), CRDT_OK);
        break;
    case LEAVE:
        b->is_gone[who] = 1;
        CHECK_INT(crdt_node_leave(b->nodes[who], band_name), CRDT_OK);
        break;
    case JOIN:
        i = band_add(b);
        CHECK_INT(band_write(b, i, 1 << 20), CRDT_OK);
        band_link(b, i, who, 1);
        break;
    default: /* cut off, but alive */
        for (i = 0; i < b->count; i++)
            if (i != who)
                band_link(b, who, i, 0);
    }
}

static void heal(struct band *b, int what, int shape, int who,
                 const crdt_buf *memory)
{
    if (what == CRASH || what == CRASH_EVICTED)
        band_return(b, who, memory);
    if (what == DEAF && shape)
        band_chain(b);
    else if (what == DEAF)
        band_mesh(b);
}

/* Something happens to a node when so many messages have been told. */
static void upset(int count, int shape, int mode, int what, uint64_t at,
                  int who)
{
    struct band b;
    crdt_buf memory = CRDT_BUF_INIT;
    int64_t want = total(count) + (what == JOIN ? 1 << 20 : 0);
    int i, is_cut = shape && what != LEAVE && what != JOIN;
    begin(&b, count, shape, 1);
    ask(&b, 0, (crdt_sync_mode)mode);
    run_until(&b, b.told + at);
    happen(&b, what, who, &memory);
    band_run(&b, LEASE_MS / STEP_MS + 25, STEP_MS);
    CHECK(band_is_in(&b, CRDT_PHASE_WORK));
    if (!is_cut && what != DEAF)
        CHECK(band_is_equal(&b));
    if (!is_cut && (what == JOIN || (who && what != CRASH && what != DEAF)))
        CHECK_INT(band_epoch(&b, 0).number, 1);
    heal(&b, what, shape, who, &memory);
    finish(&b);
    conclude(&b, count - 1 == who ? 0 : count - 1);
    for (i = 0; i < b.count; i++)
        if (!b.is_gone[i])
            CHECK_INT(band_value(&b, i), want);
    crdt_buf_free(&memory);
    band_free(&b);
}

static void upset_all(int what)
{
    int count, shape, mode, who;
    for (count = 3; count <= 5; count += 2)
        for (shape = 0; shape < 2; shape++)
            for (mode = 0; mode < 2; mode++) {
                uint64_t at, most = messages(count, shape, mode).told;
                for (at = 0; at <= most; at++)
                    for (who = 0; who < count; who += count == 3 ? 1 : 2) {
                        if (!is_chosen())
                            continue;
                        upset(count, shape, mode, what, at, who);
                        REQUIRE(!say_case(count, shape, mode, at, who));
                    }
            }
}

TEST(anyone_may_crash_at_any_message)
{
    upset_all(CRASH);
}

TEST(anyone_may_crash_and_be_evicted_at_any_message)
{
    upset_all(CRASH_EVICTED);
}

TEST(anyone_may_leave_at_any_message)
{
    upset_all(LEAVE);
}

TEST(one_may_join_at_any_message)
{
    upset_all(JOIN);
}

TEST(anyone_may_be_cut_off_at_any_message)
{
    upset_all(DEAF);
}

/* A node dies when it says its at-th message, which is lost, and comes back
 * with what it knew, or without. */
static void die(int count, int shape, int mode, uint64_t at, int who)
{
    struct band b;
    crdt_buf memory = CRDT_BUF_INIT;
    int i, rounds;
    begin(&b, count, shape, 1);
    b.dies = who;
    b.dies_at = b.said_by[who] + at;
    ask(&b, 0, (crdt_sync_mode)mode);
    for (rounds = 0; rounds < 60 && !b.is_dead; rounds++)
        band_round(&b, STEP_MS);
    happen(&b, CRASH, who, &memory);
    band_run(&b, LEASE_MS / STEP_MS + 25, STEP_MS);
    CHECK(band_is_in(&b, CRDT_PHASE_WORK));
    b.dies_at = 0;
    b.is_dead = 0;
    band_return(&b, who, at & 1 ? &memory : NULL);
    finish(&b);
    conclude(&b, count - 1 == who ? 0 : count - 1);
    for (i = 0; i < count; i++)
        CHECK_INT(band_value(&b, i), total(count));
    crdt_buf_free(&memory);
    band_free(&b);
}

TEST(anyone_may_die_at_any_word)
{
    int count, shape, mode, who;
    for (count = 3; count <= 5; count += 2)
        for (shape = 0; shape < 2; shape++)
            for (mode = 0; mode < 2; mode++) {
                uint64_t at, most = messages(count, shape, mode).by_one;
                for (at = 1; at <= most; at++)
                    for (who = 0; who < count; who++) {
                        if (!is_chosen())
                            continue;
                        die(count, shape, mode, at, who);
                        REQUIRE(!say_case(count, shape, mode, at, who));
                    }
            }
}

/* Its greeting, what it is told of members and changes, what it tells. */
TEST(one_may_join_and_any_message_be_lost)
{
    int shape;
    uint64_t join, at;
    for (shape = 0; shape < 2; shape++)
        for (join = 0; join < 12; join++)
            for (at = 1; at < 80; at++) {
                struct band b;
                crdt_buf none = CRDT_BUF_INIT;
                if (!is_chosen())
                    continue;
                begin(&b, 3, shape, 1);
                ask(&b, 0, (crdt_sync_mode)(at & 1));
                run_until(&b, b.told + join);
                b.lose_any = b.said + at;
                happen(&b, JOIN, 2, &none);
                finish(&b);
                conclude(&b, 3);
                CHECK_INT(band_value(&b, 3), total(3) + (1 << 20));
                band_free(&b);
                REQUIRE(!say_case(3, shape, (int)join, at, 2));
            }
}

TEST(two_who_ask_at_once_get_one)
{
    int count, shape, i, who;
    for (count = 2; count <= 5; count++)
        for (shape = 0; shape < 2; shape++)
            for (who = 1; who < count; who++) {
                struct band b;
                begin(&b, count, shape, 2);
                ask(&b, 0, CRDT_SYNC_STRICT);
                ask(&b, who, CRDT_SYNC_OPEN);
                finish(&b);
                for (i = 0; i < count; i++)
                    CHECK_INT(band_epoch(&b, i).number, 1);
                /* Again right after: another one, and that is all. */
                ask(&b, who, CRDT_SYNC_OPEN);
                finish(&b);
                for (i = 0; i < count; i++)
                    CHECK_INT(band_epoch(&b, i).number, 2);
                band_free(&b);
                REQUIRE(!say_case(count, shape, 0, 0, who));
            }
}

/* A lease of one and a lease of the other: the ballots go up, no more. */
TEST(all_ask_all_the_time)
{
    struct band b;
    int i, round;
    begin(&b, 5, 1, 3);
    for (round = 0; round < 100; round++) {
        i = (int)test_below(&b.dice, 5);
        ask(&b, i, (crdt_sync_mode)(round & 1));
        (void)band_write(&b, i, 0);
        band_run(&b, (int)test_below(&b.dice, 8), STEP_MS);
    }
    finish(&b);
    CHECK(band_epoch(&b, 0).number > 20);
    for (i = 1; i < 5; i++)
        CHECK_INT(band_epoch(&b, i).number, band_epoch(&b, 0).number);
    CHECK_INT(b.cuts_seen, band_epoch(&b, 0).number);
    band_free(&b);
}

/* The band falls apart when the first one is READY, for longer than a lease;
 * both sides work on. */
TEST(it_may_fall_apart_in_ready)
{
    int count, mode, i, j, half;
    for (count = 3; count <= 5; count++)
        for (mode = 0; mode < 2; mode++)
            for (half = 1; half < count; half++) {
                struct band b;
                int rounds = 0, ready = 0;
                begin(&b, count, 0, 4);
                ask(&b, 0, (crdt_sync_mode)mode);
                while (!ready && rounds++ < 50) {
                    band_round(&b, STEP_MS);
                    for (i = 0; i < count; i++)
                        ready |= band_epoch(&b, i).phase == CRDT_PHASE_READY;
                }
                CHECK(ready);
                for (i = 0; i < half; i++)
                    for (j = half; j < count; j++)
                        band_link(&b, i, j, 0);
                band_run(&b, LEASE_MS / STEP_MS + 25, STEP_MS);
                CHECK(band_is_in(&b, CRDT_PHASE_WORK));
                for (i = 0; i < count; i++)
                    CHECK_INT(band_write(&b, i, 1 << 20), CRDT_OK);
                band_mesh(&b);
                finish(&b);
                conclude(&b, half);
                for (i = 0; i < count; i++)
                    CHECK_INT(band_value(&b, i),
                              total(count) + ((int64_t)count << 20));
                band_free(&b);
                REQUIRE(!say_case(count, 0, mode, 0, half));
            }
}

static crdt_err type(struct band *b, int i, const char *what)
{
    crdt_obj text = crdt_map_text(crdt_root(b->docs[i]), CRDT_STR("t"));
    crdt_err err = crdt_text_insert(
        text, CRDT_UTF8, crdt_text_len(text, CRDT_UTF8), crdt_str(what));
    return err ? err : crdt_commit(b->docs[i]);
}

/* The proposer dies while it waits for one that is dead; when both are evicted
 * another goes on with it, and in time. */
TEST(another_takes_over)
{
    struct band b;
    int i;
    begin(&b, 4, 0, 11);
    band_crash(&b, 3);
    ask(&b, 0, CRDT_SYNC_STRICT);
    band_run(&b, 10, STEP_MS);
    band_crash(&b, 0);
    for (i = 0; i < 4; i += 3) {
        crdt_id id = band_id(&b, i);
        CHECK_INT(band_epoch(&b, 1).phase, CRDT_PHASE_SYNC);
        CHECK_INT(crdt_node_evict(b.nodes[1], band_name, &id), CRDT_OK);
        b.is_gone[i] = 1;
    }
    band_run(&b, 20, STEP_MS);
    for (i = 1; i < 3; i++) {
        crdt_id gone = band_id(&b, 0);
        crdt_epoch_info info = band_epoch(&b, i);
        CHECK_INT(info.number, 1);
        CHECK_INT(info.phase, CRDT_PHASE_WORK);
        CHECK(crdt_id_compare(&info.proposer, &gone) != 0);
        CHECK_INT(band_write(&b, i, 1), CRDT_OK);
    }
    band_free(&b);
}

static void look_away(void *ctx, crdt_doc *doc, const crdt_patch *patches,
                      size_t count)
{
    (void)ctx, (void)doc, (void)patches, (void)count;
}

/* One is dead and nobody has said so: nobody writes, until the lease is over.
 * Not even one keystroke more, watched or not. */
static void freeze(int is_watched)
{
    struct band b;
    crdt_epoch_info info;
    crdt_id dead;
    int i;
    begin(&b, 3, 0, 5);
    band_run(&b, 30, STEP_MS); /* from here on nothing is joined */
    if (is_watched)
        CHECK_INT(crdt_doc_watch(b.docs[0], look_away, NULL), CRDT_OK);
    for (i = 0; i < 5; i++)
        CHECK_INT(type(&b, 0, "a"), CRDT_OK);
    band_crash(&b, 2);
    dead = band_id(&b, 2);
    ask(&b, 0, CRDT_SYNC_STRICT);
    band_run(&b, 10, STEP_MS);
    info = band_epoch(&b, 0);
    CHECK_INT(info.phase, CRDT_PHASE_SYNC);
    CHECK(info.is_strict);
    CHECK_INT(info.waiting, 1);
    CHECK_INT(crdt_id_compare(&info.waiting_for, &dead), 0);
    CHECK(info.left_ms < LEASE_MS && info.left_ms > LEASE_MS - 500);
    for (i = 0; i < 2; i++)
        CHECK_INT(band_write(&b, i, 1), CRDT_ERR_FROZEN);
    CHECK_INT(type(&b, 0, "b"), CRDT_ERR_FROZEN);
    CHECK_INT(band_value(&b, 0), total(3));
    finish(&b);
    for (i = 0; i < 2; i++)
        CHECK_INT(band_write(&b, i, 1), CRDT_OK);
    CHECK_INT(type(&b, 0, "b"), CRDT_OK);
    band_free(&b);
}

TEST(a_strict_one_freezes_and_thaws)
{
    freeze(0);
    freeze(1);
}

/* In the open form those who write meanwhile have no digest to compare. */
TEST(an_open_one_lets_all_write)
{
    struct band b;
    int i, round;
    begin(&b, 4, 1, 6);
    ask(&b, 1, CRDT_SYNC_OPEN);
    for (round = 0; round < 40; round++) {
        for (i = 0; i < 4; i++)
            CHECK_INT(band_write(&b, i, 1), CRDT_OK);
        band_run(&b, 1, STEP_MS);
    }
    for (i = 0; i < 4; i++)
        CHECK_INT(band_epoch(&b, i).number, 1);
    CHECK(compared(&b) < 4);
    finish(&b);
    CHECK_INT(band_value(&b, 0), total(4) + 160);
    band_free(&b);
}

TEST(what_is_not_committed_delays_a_strict_one)
{
    struct band b;
    crdt_obj n;
    begin(&b, 3, 0, 7);
    n = crdt_map_find(crdt_root(b.docs[1]), CRDT_STR("n"), CRDT_COUNTER);
    CHECK_INT(crdt_counter_add(n, 1 << 20), CRDT_OK);
    ask(&b, 0, CRDT_SYNC_STRICT);
    band_run(&b, 20, STEP_MS);
    CHECK_INT(band_epoch(&b, 0).phase, CRDT_PHASE_SYNC);
    CHECK_INT(band_epoch(&b, 1).phase, CRDT_PHASE_WORK);
    CHECK_INT(crdt_counter_add(n, 1 << 20), CRDT_OK);
    CHECK_INT(crdt_commit(b.docs[1]), CRDT_OK);
    band_run(&b, 20, STEP_MS);
    CHECK_INT(band_epoch(&b, 2).number, 1);
    CHECK_INT(compared(&b), 3);
    CHECK_INT(band_value(&b, 2), total(3) + (1 << 21));
    band_free(&b);
}

/* As bad memory does it: a value is another, and nothing has been written. */
static void spoil(crdt_doc *doc)
{
    const crdti_replica *self = &doc->replicas.ptr[doc->self];
    crdti_op_at(doc, self->newest)->as.add.plus ^= 1 << 20;
}

/* Whether that one is odd, as another sees it. */
static int is_odd(struct band *b, int by, int who)
{
    crdt_id id = band_id(b, who);
    crdt_member_info info = band_member(b, by, 0);
    size_t k = 0;
    while (crdt_id_compare(&id, &info.replica) != 0)
        info = band_member(b, by, ++k);
    return info.is_odd;
}

/* The one that differs from most, and of two who differ from each other the
 * greater replica, is odd: so all say alike. */
static void check_odd(struct band *b, int who)
{
    int i, j;
    crdt_id one = band_id(b, 0), other = band_id(b, 1);
    if (b->count == 2)
        who = crdt_id_compare(&one, &other) > 0 ? 0 : 1;
    for (i = 0; i < b->count; i++) {
        CHECK_INT(band_epoch(b, i).alarms, 1);
        for (j = 0; j < b->count; j++)
            CHECK_INT(is_odd(b, i, j), j == who);
    }
}

/* One document is not what it should be: all hear of it, and who it is, and
 * there is no new epoch. */
TEST(unequal_digests_are_an_alarm)
{
    int count, mode, i, who;
    for (count = 2; count <= 4; count++)
        for (mode = 0; mode < 2; mode++)
            for (who = 0; who < count; who++) {
                struct band b;
                begin(&b, count, 1, 8);
                band_run(&b, 20, STEP_MS);
                spoil(b.docs[who]);
                ask(&b, 0, (crdt_sync_mode)mode);
                band_run(&b, 40, STEP_MS);
                CHECK(band_is_in(&b, CRDT_PHASE_WORK));
                for (i = 0; i < count; i++)
                    CHECK_INT(band_epoch(&b, i).number, 0);
                check_odd(&b, who);
                /* As it should be again. */
                spoil(b.docs[who]);
                ask(&b, 0, (crdt_sync_mode)mode);
                finish(&b);
                CHECK_INT(band_epoch(&b, count - 1).number, 1);
                CHECK(!is_odd(&b, 0, who));
                band_free(&b);
                REQUIRE(!say_case(count, 1, mode, 0, who));
            }
}

/* One cannot be heard when two have said what they have, and differ: an alarm
 * when the lease is over; but who is odd is not known by that. */
TEST(nobody_is_odd_before_all_have_spoken)
{
    struct band b;
    int i, rounds = 0;
    begin(&b, 3, 0, 13);
    band_run(&b, 20, STEP_MS);
    spoil(b.docs[1]);
    ask(&b, 0, CRDT_SYNC_OPEN);
    while (band_epoch(&b, 0).phase != CRDT_PHASE_READY && rounds++ < 50)
        band_round(&b, STEP_MS);
    band_link(&b, 0, 2, 0);
    band_link(&b, 1, 2, 0);
    band_run(&b, LEASE_MS / STEP_MS + 25, STEP_MS);
    CHECK_INT(band_epoch(&b, 0).alarms, 1);
    CHECK_INT(band_epoch(&b, 0).number, 0);
    for (i = 0; i < 3; i++)
        CHECK(!is_odd(&b, 0, i));
    band_free(&b);
}

/* Of one that is odd and one that is not, as of a tie, the least replica would
 * count; but it was judged when there was a third, which was like the other. */
TEST(who_is_odd_stays_so_when_others_leave)
{
    int i, who;
    for (who = 0; who < 3; who++) {
        struct band b;
        int gone = (who + 1) % 3;
        begin(&b, 3, 0, 14);
        band_run(&b, 20, STEP_MS);
        spoil(b.docs[who]);
        ask(&b, who, CRDT_SYNC_OPEN);
        band_run(&b, 40, STEP_MS);
        b.is_gone[gone] = 1;
        CHECK_INT(crdt_node_leave(b.nodes[gone], band_name), CRDT_OK);
        band_run(&b, 20, STEP_MS);
        for (i = 0; i < 3; i++) {
            CHECK_INT(band_epoch(&b, i).alarms, 1);
            CHECK(is_odd(&b, i, who));
            CHECK(!is_odd(&b, i, 3 - who - gone));
        }
        band_free(&b);
        REQUIRE(!say_case(3, 0, 0, 0, who));
    }
}

/* The odd one begins anew: an empty document under another id. */
static void renew(struct band *b, int who)
{
    crdt_config config;
    memset(&config, 0, sizeof config);
    config.clock = &b->clock;
    config.random = &b->random;
    CHECK_INT(crdt_node_leave(b->nodes[who], band_name), CRDT_OK);
    band_run(b, 5, STEP_MS);
    band_crash(b, who);
    crdt_doc_free(b->docs[who]);
    CHECK_INT(crdt_doc_new(&b->docs[who], &config), CRDT_OK);
    b->is_gone[who] = 2;
    band_return(b, who, NULL);
}

/* So all of it comes from the others, also what it had written. */
TEST(who_is_odd_begins_anew)
{
    int count, mode, who;
    for (count = 3; count <= 4; count++)
        for (mode = 0; mode < 2; mode++)
            for (who = 0; who < count; who++) {
                struct band b;
                begin(&b, count, 0, 11);
                band_run(&b, 20, STEP_MS);
                spoil(b.docs[who]);
                ask(&b, 0, (crdt_sync_mode)mode);
                band_run(&b, 40, STEP_MS);
                renew(&b, who);
                band_run(&b, 60, STEP_MS);
                ask(&b, who, (crdt_sync_mode)mode);
                finish(&b);
                CHECK(band_epoch(&b, 0).number > 0);
                CHECK_INT(band_epoch(&b, 0).alarms, who == 0 ? 0 : 1);
                CHECK_INT(band_value(&b, who), total(count));
                band_free(&b);
                REQUIRE(!say_case(count, 0, mode, 0, who));
            }
}

/* It was by the seqs of the old one that it would have been fulfilled. */
TEST(a_wish_outlives_a_reincarnation)
{
    struct band b;
    int i;
    band_new(&b, 1, 12);
    for (i = 0; i < 5; i++)
        CHECK_INT(band_write(&b, 0, 1), CRDT_OK);
    band_run(&b, 2, STEP_MS);
    ask(&b, 0, CRDT_SYNC_OPEN);
    CHECK_INT(crdt_doc_reincarnate(b.docs[0]), CRDT_OK);
    band_run(&b, 2, STEP_MS);
    CHECK_INT(band_epoch(&b, 0).number, 1);
    band_free(&b);
}

/* Who comes back without a memory of its promises, or is new, is told. */
TEST(the_number_is_learned)
{
    struct band b;
    int i;
    begin(&b, 3, 0, 9);
    for (i = 0; i < 3; i++) {
        ask(&b, i, CRDT_SYNC_OPEN);
        finish(&b);
    }
    band_crash(&b, 0);
    band_return(&b, 0, NULL);
    i = band_add(&b);
    band_link(&b, i, 2, 1);
    CHECK_INT(band_epoch(&b, 0).number, 0);
    band_run(&b, 40, STEP_MS);
    CHECK_INT(band_epoch(&b, 0).number, 3);
    CHECK_INT(band_epoch(&b, i).number, 3);
    conclude(&b, i);
    CHECK_INT(band_epoch(&b, 1).number, 4);
    band_free(&b);
}

/* All but one have committed and are gone. The one that is left, and one that
 * is new, can only commit the same cut for that epoch. */
TEST(a_cut_that_was_accepted_is_not_disowned)
{
    struct band b;
    crdt_vv cut = CRDT_VV_INIT;
    int i, rounds = 0;
    begin(&b, 3, 0, 10);
    band_link(&b, 1, 2, 0);
    ask(&b, 0, CRDT_SYNC_OPEN);
    while (band_epoch(&b, 2).phase != CRDT_PHASE_READY && rounds++ < 50)
        band_round(&b, STEP_MS);
    band_link(&b, 0, 2, 0);
    crdt_vv_copy(
        &cut, &crdti_roster_self(&b.nodes[2]->shares.ptr[0].roster)->pact.cut);
    band_run(&b, LEASE_MS / STEP_MS + 25, STEP_MS);
    CHECK_INT(band_epoch(&b, 2).number, 0);
    for (i = 0; i < 2; i++) {
        crdt_id id = band_id(&b, i);
        CHECK_INT(crdt_node_evict(b.nodes[2], band_name, &id), CRDT_OK);
        b.is_gone[i] = 1;
    }
    CHECK_INT(band_write(&b, 2, 1), CRDT_OK);
    i = band_add(&b);
    band_link(&b, 2, i, 1);
    band_run(&b, 40, STEP_MS);
    ask(&b, 2, CRDT_SYNC_OPEN);
    band_run(&b, 100, STEP_MS);
    /* That one again, and then the one that was asked for. */
    CHECK_INT(band_epoch(&b, 2).number, 2);
    CHECK_INT(crdt_vv_compare(&b.cuts[1], &cut), CRDT_EQUAL);
    CHECK_INT(crdt_vv_compare(&b.cuts[2], &cut), CRDT_AFTER);
    crdt_vv_free(&cut);
    band_free(&b);
}

TEST_MAIN(CASE(all_agree_on_a_cut), CASE(any_message_may_be_lost),
          CASE(a_third_of_all_messages_may_be_lost),
          CASE(anyone_may_crash_at_any_message),
          CASE(anyone_may_crash_and_be_evicted_at_any_message),
          CASE(anyone_may_leave_at_any_message),
          CASE(one_may_join_at_any_message),
          CASE(anyone_may_be_cut_off_at_any_message),
          CASE(anyone_may_die_at_any_word),
          CASE(one_may_join_and_any_message_be_lost),
          CASE(two_who_ask_at_once_get_one), CASE(all_ask_all_the_time),
          CASE(it_may_fall_apart_in_ready), CASE(another_takes_over),
          CASE(a_strict_one_freezes_and_thaws),
          CASE(an_open_one_lets_all_write),
          CASE(what_is_not_committed_delays_a_strict_one),
          CASE(unequal_digests_are_an_alarm),
          CASE(nobody_is_odd_before_all_have_spoken),
          CASE(who_is_odd_stays_so_when_others_leave),
          CASE(who_is_odd_begins_anew), CASE(a_wish_outlives_a_reincarnation),
          CASE(the_number_is_learned),
          CASE(a_cut_that_was_accepted_is_not_disowned))
