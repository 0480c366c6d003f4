/*
 * The simulator on many seeds: whole nodes on a network that breaks in every
 * way, with all types, against the model. program/ is how it is done, and
 * docs/testing.md how to see a seed again.
 */
#include "program/batch.h"

static int run_seeds_from(uint64_t first, uint64_t count, int twice)
{
    sim *s = sim_new();
    options *o = (options *)malloc(sizeof *o);
    tally t;
    uint64_t i;
    memset(&t, 0, sizeof t);
    for (i = 0; o && i < count && t.failed < 5; i++) {
        options_choose(o, first + i, 60);
        batch_run(s, o, twice, NULL, &t);
    }
    tally_print(&t, 0);
    free(o);
    sim_free(s);
    return t.failed == 0 && t.seeds == count;
}

/* CRDT_SEED: from there on, one or CRDT_SEEDS of them. */
TEST(all_are_equal_after_the_storm)
{
    uint64_t first = test_env("CRDT_SEED", 0);
    CHECK(run_seeds_from(first, test_env("CRDT_SEEDS", first ? 1 : 2000), 0));
}

TEST(the_same_seed_does_the_same)
{
    CHECK(run_seeds_from(500000, 50, 1));
}

/* What the simulator has found stays found. */
static const char *const found[] = {
    /* A flipped bit in the length of a frame, and the session waited for the
     * rest for ever. */
    "seed=17662 replicas=2 time=60 topology=chain reliable=1 stream=0 tear=0 "
    "loss=0 dup=0 reorder=0 corrupt=17 delay=1 tick=1 queue=29755 "
    "message=28204 heartbeat=811 sync=3401 write=115",
    /* No memory to look at the own vector, and the digest was compared with
     * that of an old one: a false alarm. */
    "seed=9478 replicas=3 time=60 topology=chain reliable=1 stream=0 tear=0 "
    "loss=0 dup=0 reorder=0 corrupt=0 delay=22 tick=20 queue=1042130 "
    "message=44991 heartbeat=867 sync=2460 write=42,61,72,92 crash=1 nomem=1",
    /* What waits over the limit: the oldest was refused, and those behind it
     * waited for it for ever. */
    "seed=43849 replicas=2 time=60 topology=chain reliable=1 stream=0 "
    "tear=0 loss=0 dup=0 reorder=0 corrupt=0 delay=1 tick=30 queue=206754 "
    "message=1448 heartbeat=1036 sync=7319 store=1 store_ms=4294967295 "
    "shipping=1 write=2-4,10,17,19,21,24-26,29,32-34,61,87,103-104 "
    "bulk=2-3,7-9,12-14 stop=0-2 slow=0 clock=1",
    /* No memory for a piece: it was thought to be said. */
    "seed=48800 replicas=5 time=60 topology=chain reliable=1 stream=0 "
    "tear=0 loss=0 dup=0 reorder=0 corrupt=0 delay=1 tick=1 queue=898730 "
    "message=1296 heartbeat=1258 sync=15866 store=0 store_ms=0 shipping=1 "
    "write=77,81,120,122 bulk=2-3,6-7 partition=0 nomem=1",
    /* No memory for an answer: it was never said. */
    "seed=30119 replicas=3 time=60 topology=star reliable=1 stream=0 "
    "tear=0 loss=0 dup=0 reorder=0 corrupt=0 delay=187 tick=12 "
    "queue=53504 message=51285 heartbeat=1580 sync=10731 store=0 "
    "store_ms=0 shipping=0 write=10,14,30,33,35,37,42 bulk=0,2-7 stop=0-1 "
    "cut=0-2 slow=0 clock=1 nomem=0",
    /* A character that came back, and its author out of order. */
    "seed=17141 replicas=5 time=60 topology=star reliable=1 stream=0 "
    "tear=0 loss=0 dup=0 reorder=0 corrupt=0 delay=1 tick=1 queue=477897 "
    "message=37648 heartbeat=1077 sync=10488 store=0 store_ms=0 "
    "shipping=0 write=15,17,47,49,51,69 type=0 commit=12 truncate=3 "
    "stop=1",
    /* What came back was in no record of the store. */
    "seed=3695 replicas=5 time=60 topology=chain reliable=1 stream=0 "
    "tear=0 loss=0 dup=0 reorder=0 corrupt=0 delay=1 tick=1 queue=382429 "
    "message=845 heartbeat=1409 sync=14035 store=1 store_ms=0 shipping=0 "
    "write=25,28-29,31,34-36,38-39,43,46-47,53,56,58,60,64-65,68,70-71,73,76-"
    "77,85,160-162,164-167,170,172,174-175 "
    "letter=21,28 truncate=2-3 crash=2",
    /* Shown again, and still passed over as if it were old. */
    "seed=10302272 replicas=2 time=60 topology=chain reliable=0 "
    "stream=0 tear=0 loss=0 dup=50 reorder=14 corrupt=0 delay=22 "
    "tick=28 queue=12116 message=10165 heartbeat=1708 sync=19223 "
    "store=0 store_ms=0 shipping=2 roster=6347 evict=29522 "
    "history=0 table=1 check=4 types=4294967295 "
    "write=3,5,8,16-17,19,27,42,45,47,54-56,65,73,78,87-88,93,97,"
    "119,125,129,138,140-141,143,146,161-162,165-166,168-170,175,"
    "177-178 commit=16 truncate=0,2-3,5 sweep=1 reincarnate=1 "
    "sync=1 storm=1 nomem=0",
};

TEST(what_was_found_is_mended)
{
    sim *s = sim_new();
    size_t i;
    for (i = 0; i < sizeof found / sizeof *found; i++) {
        const char *wrong = options_read(&s->o, found[i]);
        CHECK(!wrong);
        wrong = sim_run(s);
        if (wrong)
            printf("%s\n  build/sim --trace --replay '%s'\n", wrong, found[i]);
        CHECK(!wrong);
    }
    sim_free(s);
}

TEST_MAIN(CASE(all_are_equal_after_the_storm),
          CASE(the_same_seed_does_the_same), CASE(what_was_found_is_mended))
