/* What chaos does, item by item: over loopback, on a clock that the test
 * turns. End 0 has it around, end 1 and 2 have not. */
#define CRDTSYNC_IMPLEMENTATION
#include "crdtsync.h"
#include "crdtsync_loopback.h"
#include "crdtsync_chaos.h"
#include "ends.h"

static crdt_loopback_hub *hub;
static crdt_transport inner_0;
static uint64_t clock_ms, tear_seed;
static const char *spec;

static uint64_t fake_ms(void *ctx)
{
    (void)ctx;
    return clock_ms;
}

static crdt_err make(crdt_transport *out, size_t number,
                     const crdt_alloc *alloc)
{
    crdt_loopback_config hub_config;
    crdt_chaos_config config;
    crdt_clock clock;
    crdt_err err = CRDT_OK;
    memset(&hub_config, 0, sizeof hub_config);
    memset(&config, 0, sizeof config);
    memset(&clock, 0, sizeof clock);
    clock.version = 1;
    clock.wall_ms = clock.mono_ms = fake_ms;
    config.alloc = hub_config.alloc = alloc;
    config.clock = &clock;
    config.log = said_log();
    config.queue_max = 100000;
    hub_config.manual = 1;
    hub_config.queue_max = 100000;
    hub_config.tear_seed = tear_seed;
    if (number == 0)
        err = crdt_loopback_hub_new(&hub, &hub_config);
    if (!err)
        err = crdt_loopback_new(out, hub);
    if (err || number > 0)
        return err ? err : crdt_loopback_link(&inner_0, out);
    inner_0 = *out;
    err = crdt_chaos_new(out, &inner_0, spec, &config);
    if (err)
        inner_0.close(inner_0.ctx);
    return err;
}

static void finish(void)
{
    crdt_loopback_hub_free(hub);
    hub = NULL;
}

static const struct kit chaos = { .make = make, .finish = finish };

/* >>a world of three ------------------------------------------------------ */

/* So many milliseconds pass. */
static void pass(uint64_t ms)
{
    for (;;) {
        size_t i;
        for (i = 0; i < 3; i++)
            CHECK_INT(end_poll(i, 0), CRDT_OK);
        if (!ms--)
            return;
        clock_ms++;
    }
}

static int begin(const char *text, uint64_t tear)
{
    kit = &chaos;
    ends_forget();
    clock_ms = 5000;
    spec = text;
    tear_seed = tear;
    said[0] = 0;
    if (!end_open(0, NULL) || !end_open(1, NULL) || !end_open(2, NULL))
        return 0;
    pass(0);
    return 1;
}

#define START(text, tear)                                                     \
    do {                                                                      \
        int started = begin(text, tear);                                      \
        if (!started)                                                         \
            ends_close();                                                     \
        REQUIRE(started);                                                     \
    } while (0)

static struct seen *to(size_t number)
{
    return &ends[0].seen[number - 1];
}

/* So many messages of 100 bytes to end 1. */
static void send_many(int count)
{
    for (; count > 0; count--) {
        CHECK_INT(send_message(&ends[0], to(1), 100), CRDT_OK);
        if (count % 100 == 0)
            pass(0);
    }
}

static void set(const char *text)
{
    char why[200] = "";
    CHECK_INT(crdt_chaos_set(&ends[0].t, text, why, sizeof why), CRDT_OK);
    CHECK_STR(why, "");
}

static crdt_chaos_stats stats(void)
{
    crdt_chaos_stats out;
    crdt_chaos_get_stats(&ends[0].t, &out);
    return out;
}

/* >>specs ----------------------------------------------------------------- */

TEST(specs_that_make_sense)
{
    static const char *const good[] = {
        "",
        "loss=10%",
        " loss = 0.5% , delay=1.5s ",
        "loss=0,dup=100%,reorder=0%",
        "delay=5ms,jitter=100us;10s:partition;1m:heal",
        "bandwidth=1.5M, seed=7",
        "mute=tcp:10.0.0.1|box, deaf",
        "1s: loss=1%; 1s: loss=2%;",
        "unreliable,unordered,corrupt=1%,tear=1%,cut=1%",
        "bandwidth=9600;;;"
    };
    char why[200];
    size_t i;
    for (i = 0; i < sizeof good / sizeof *good; i++) {
        if (crdt_chaos_check(good[i], why, sizeof why) != CRDT_OK)
            CHECK_STR(good[i], why);
        CHECK_STR(why, "");
    }
    CHECK_INT(crdt_chaos_check(NULL, NULL, 0), CRDT_OK);
}

TEST(specs_that_do_not_and_why)
{
    static const char *const bad[][2] = {
        { "los=10%", "\"los=10%\": is none of loss, delay" },
        { "loss", "\"loss\": takes a share" },
        { "loss=10", "\"loss=10\": takes a share" },
        { "loss=101%", "from 0% to 100%" },
        { "loss=-1%", "from 0% to 100%" },
        { "loss=1.2.3%", "takes a share" },
        { "loss=0.1234567%", "takes a share" },
        { "loss=99999999999999999999%", "takes a share" },
        { "delay=50", "\"delay=50\": takes a time, as 50ms" },
        { "delay=ms", "takes a time" },
        { "delay=5 parsecs", "takes a time" },
        { "delay=99999999m", "takes a time" },
        { "bandwidth=fast", "takes bytes a second" },
        { "bandwidth=999999999999G", "takes bytes a second" },
        { "seed=x", "takes a number" },
        { "10s: loss=1%; 5s: loss=2%", "\"5s\": phases go forward" },
        { "soon: loss=1%", "\"soon\": a phase begins at a time" },
        { "unreliable=1", "is none of" },
        { "delay=1ms; loss=10%, dup", "\"dup\": takes a share" }
    };
    char why[200], tiny[8], longest[400], many[400];
    size_t i;
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_INT(crdt_chaos_check(bad[i][0], why, sizeof why), CRDT_ERR_ARG);
        if (!strstr(why, bad[i][1]))
            CHECK_STR(why, bad[i][1]);
    }
    CHECK_INT(crdt_chaos_check("los", tiny, sizeof tiny), CRDT_ERR_ARG);
    CHECK_STR(tiny, "\"los\": ");
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    CHECK_INT(crdt_chaos_check(longest, why, sizeof why), CRDT_ERR_ARG);
    memcpy(longest, "mute=", 5);
    CHECK_INT(crdt_chaos_check(longest, why, sizeof why), CRDT_ERR_ARG);
    CHECK(strstr(why, "too long"));
    memset(many, 0, sizeof many);
    for (i = 0; i < 65; i++)
        memcpy(many + 5 * i, "1s: ;", 5);
    CHECK_INT(crdt_chaos_check(many, why, sizeof why), CRDT_ERR_ARG);
    CHECK(strstr(why, "too many phases"));
}

/* >>promises -------------------------------------------------------------- */

static void check_properties(const char *text, uint64_t tear, unsigned want)
{
    START(text, tear);
    if (ends[0].t.properties != (want | CRDT_SEALED))
        printf("of \"%s\":\n", text);
    CHECK_INT(ends[0].t.properties, want | CRDT_SEALED);
    ends_close();
}

TEST(properties_are_honest)
{
    const unsigned r = CRDT_RELIABLE, o = CRDT_ORDERED, s = CRDT_STREAM;
    check_properties("delay=50ms,bandwidth=1k,cut=1%", 0, r | o);
    check_properties("loss=1%", 0, o);
    check_properties("corrupt=1%", 0, o);
    check_properties("tear=1%", 0, o);
    check_properties("10s: partition", 0, o);
    check_properties("mute=nobody", 0, o);
    check_properties("jitter=1ms", 0, r);
    check_properties("dup=1%", 0, r);
    check_properties("10s: reorder=1%; 20s: reorder=0", 0, r);
    check_properties("unreliable,unordered", 0, 0);
    check_properties("loss=1%,jitter=1ms,tear=1%; 1s: partition", 1,
                     r | o | s);
    check_properties("unreliable", 1, o | s);
}

TEST(a_stream_has_no_messages_to_double)
{
    kit = &chaos;
    spec = "dup=1%";
    tear_seed = 1;
    CHECK(!end_open(0, NULL));
    CHECK(strstr(said, "not of a stream"));
    finish();
    spec = "1s: reorder=1%";
    CHECK(!end_open(0, NULL));
    finish();
    spec = "lag=1s";
    CHECK(!end_open(0, NULL));
    CHECK(strstr(said, "\"lag=1s\": is none of"));
    finish();
}

TEST(what_was_promised_stays)
{
    char why[200];
    START("delay=1ms", 0);
    CHECK_INT(crdt_chaos_set(&ends[0].t, "loss=1%", why, sizeof why),
              CRDT_ERR_ARG);
    CHECK(strstr(why, "promised better"));
    CHECK_INT(crdt_chaos_set(&ends[0].t, "1s: delay=1ms", NULL, 0),
              CRDT_ERR_ARG);
    CHECK_INT(crdt_chaos_set(&ends[0].t, "delay=1ms; delay=2ms", NULL, 0),
              CRDT_ERR_ARG);
    CHECK_INT(crdt_chaos_set(&ends[1].t, "delay=1ms", NULL, 0), CRDT_ERR_ARG);
    ends_close();
    START("unreliable", 0);
    set("loss=100%");
    send_many(10);
    pass(10);
    CHECK_INT(ends[1].seen[0].got, 0);
    ends_close();
}

/* >>messages -------------------------------------------------------------- */

TEST(a_share_is_lost_and_the_seed_says_which)
{
    uint32_t got[3];
    int i;
    for (i = 0; i < 3; i++) {
        START(i < 2 ? "loss=10%,seed=1" : "loss=10%,seed=2", 0);
        send_many(5000);
        pass(1);
        got[i] = ends[1].seen[0].got;
        CHECK(got[i] > 4350 && got[i] < 4650);
        CHECK_INT(got[i] + stats().lost, 5000);
        CHECK(!ends[1].seen[0].wrong);
        ends_close();
    }
    CHECK_INT(got[0], got[1]);
    CHECK(got[0] != got[2]);
}

TEST(some_come_twice)
{
    START("dup=20%", 0);
    send_many(1000);
    pass(1);
    CHECK_INT(ends[1].seen[0].got, 1000);
    CHECK(stats().doubled > 150 && stats().doubled < 250);
    CHECK_INT(ends[1].upcalls, 1 + 1000 + stats().doubled);
    ends_close();
}

TEST(some_are_overtaken)
{
    int i;
    START("reorder=20%", 0);
    for (i = 0; i < 1000; i++) {
        send_many(1);
        pass(1);
    }
    pass(50);
    CHECK_INT(ends[1].seen[0].got, 1000);
    CHECK(ends[1].seen[0].early > 100);
    CHECK(stats().reordered > 150 && stats().reordered < 250);
    ends_close();
}

TEST(delay_and_jitter_are_kept_to)
{
    START("delay=50ms", 0);
    send_many(1);
    CHECK_INT(crdt_chaos_due_ms(&ends[0].t), 50);
    pass(49);
    CHECK_INT(ends[1].seen[0].got, 0);
    pass(1);
    CHECK_INT(ends[1].seen[0].got, 1);
    CHECK_INT(crdt_chaos_due_ms(&ends[0].t), -1);
    ends_close();
    START("delay=50ms,jitter=20ms", 0);
    send_many(500);
    pass(49);
    CHECK_INT(ends[1].seen[0].got, 0);
    pass(10);
    CHECK(ends[1].seen[0].got > 150 && ends[1].seen[0].got < 350);
    pass(11);
    CHECK_INT(ends[1].seen[0].got, 500);
    CHECK(ends[1].seen[0].early > 100);
    ends_close();
}

TEST(a_narrow_link_takes_its_time_and_refuses_when_full)
{
    crdt_err err = CRDT_OK;
    START("bandwidth=10k", 0);
    send_many(10); /* 1,000 bytes: 100 ms */
    pass(99);
    CHECK_INT(ends[1].seen[0].got, 9);
    pass(1);
    CHECK_INT(ends[1].seen[0].got, 10);
    while (!err)
        err = send_message(&ends[0], to(1), 100);
    CHECK_INT(err, CRDT_ERR_AGAIN);
    CHECK_INT(to(1)->sent, 10 + 1000); /* 100,000 bytes */
    CHECK_INT(send_message(&ends[0], to(2), 100), CRDT_OK);
    pass(10);
    CHECK_INT(ends[2].seen[0].got, 1); /* each link has its own */
    CHECK_INT(to(1)->writable, 0);
    pass(5000);
    CHECK_INT(to(1)->writable, 1); /* half of it is through */
    pass(5000);
    CHECK_INT(ends[1].seen[0].got, 10 + 1000);
    ends_close();
}

TEST(some_are_spoilt_or_torn)
{
    START("corrupt=10%,tear=10%", 0);
    send_many(1000);
    pass(1);
    CHECK(stats().corrupted > 60 && stats().corrupted < 140);
    CHECK(stats().torn > 60 && stats().torn < 140);
    CHECK_INT(ends[1].upcalls, 1001); /* all came, somehow */
    CHECK(ends[1].seen[0].wrong > 120);
    CHECK(ends[1].seen[0].wrong <= (int)(stats().corrupted + stats().torn));
    ends_close();
}

TEST(links_are_cut)
{
    START("cut=100%", 0);
    send_many(1);
    pass(2);
    CHECK(ends[1].seen[0].down && to(1)->down && !to(2)->down);
    CHECK_INT(ends[1].seen[0].wrong, 1); /* the half that came */
    CHECK_STR(to(1)->why, "cut");
    CHECK_INT(stats().cut, 1);
    ends_close();
}

/* >>partitions ------------------------------------------------------------ */

static void say_everywhere(void)
{
    CHECK_INT(send_message(&ends[0], to(1), 100), CRDT_OK);
    CHECK_INT(send_message(&ends[0], to(2), 100), CRDT_OK);
    CHECK_INT(send_message(&ends[1], &ends[1].seen[0], 100), CRDT_OK);
    CHECK_INT(send_message(&ends[2], &ends[2].seen[0], 100), CRDT_OK);
    pass(2);
}

/* Received so far: at 1 and 2, and from 1 and 2 at 0. */
static void check_got(uint32_t at_1, uint32_t at_2, uint32_t from_1,
                      uint32_t from_2)
{
    CHECK_INT(ends[1].seen[0].got, at_1);
    CHECK_INT(ends[2].seen[0].got, at_2);
    CHECK_INT(to(1)->got, from_1);
    CHECK_INT(to(2)->got, from_2);
}

TEST(cut_off_one_way_or_both_from_all_or_some)
{
    START("unreliable", 0);
    say_everywhere();
    check_got(1, 1, 1, 1);
    set("mute");
    say_everywhere();
    check_got(1, 1, 2, 2);
    set("heal,deaf");
    say_everywhere();
    check_got(2, 2, 2, 2);
    set("partition");
    say_everywhere();
    check_got(2, 2, 2, 2);
    set("heal,partition=loopback:3");
    say_everywhere();
    check_got(3, 2, 3, 2);
    set("mute=loopback:2|loopback:3,deaf=:2");
    say_everywhere();
    check_got(3, 2, 3, 3);
    set("heal");
    say_everywhere();
    check_got(4, 3, 4, 4); /* what was lost stays lost */
    CHECK(!to(1)->down && !to(2)->down);
    ends_close();
}

TEST(phases_come_when_they_are_due)
{
    START("delay=0;1s:partition;2s:heal,delay=10ms", 0);
    say_everywhere();
    CHECK_INT(crdt_chaos_due_ms(&ends[0].t), 998);
    pass(997);
    say_everywhere();
    check_got(2, 2, 2, 1 + 1);
    say_everywhere();
    check_got(2, 2, 2, 2);
    pass(1000);
    say_everywhere();
    check_got(2, 2, 3, 3);
    pass(10);
    check_got(3, 3, 3, 3);
    ends_close();
}

/* A stream comes late, and whole. */
TEST(a_stream_waits_for_the_end_of_a_partition)
{
    crdt_err err = CRDT_OK;
    START("partition=loopback:2", 1);
    CHECK_INT(ends[0].count, 1); /* the other is not told yet */
    set("heal");
    pass(1);
    CHECK_INT(ends[0].count, 2);
    set("partition=loopback:2");
    while (!err)
        err = send_message(&ends[0], last(0), 1000);
    CHECK_INT(err, CRDT_ERR_AGAIN);
    CHECK_INT(send_message(&ends[1], &ends[1].seen[0], 1000), CRDT_OK);
    pass(100);
    CHECK_INT(ends[1].seen[0].got + last(0)->got, 0);
    set("heal");
    pass(100);
    CHECK_INT(ends[1].seen[0].got, last(0)->sent);
    CHECK_INT(last(0)->got, 1);
    CHECK_INT(last(0)->writable, 1);
    CHECK(!ends[1].seen[0].wrong && !last(0)->wrong);
    ends_close();
}

/* What is sent to us while we are deaf is kept, but not without end. */
TEST(a_deaf_stream_is_given_up_in_the_end)
{
    int i;
    START("deaf", 1);
    CHECK_INT(ends[0].count, 0);
    set("heal");
    pass(1);
    set("deaf");
    for (i = 0; i < 100; i++) {
        (void)send_message(&ends[1], &ends[1].seen[0], 2000);
        pass(1);
    }
    CHECK(ends[1].seen[0].down); /* the inner link has been ended */
    CHECK(!to(1)->down);         /* how should we know */
    set("heal");
    pass(2);
    CHECK(to(1)->down);
    CHECK_STR(to(1)->why, "cut off for too long");
    ends_close();
}

/* The other side hears of it when it can. */
TEST(dropped_in_a_partition)
{
    START("unreliable", 0);
    set("partition");
    ends[0].t.drop(ends[0].t.ctx, to(1)->peer, "silent for too long");
    pass(1100);
    CHECK(to(1)->down && !ends[1].seen[0].down);
    CHECK_STR(to(1)->why, "silent for too long");
    CHECK_INT(send_message(&ends[1], &ends[1].seen[0], 100), CRDT_OK);
    pass(1);
    end_close(2); /* of which we do not hear */
    pass(10);
    CHECK(!to(2)->down);
    set("heal");
    pass(3);
    CHECK(to(2)->down && ends[1].seen[0].down);
    ends_close();
}

/* >>streams --------------------------------------------------------------- */

TEST(loss_makes_a_stream_wait)
{
    int i;
    START("loss=20%", 1);
    for (i = 0; i < 200; i++) {
        send_many(1);
        pass(1);
    }
    CHECK(stats().lost > 20 && stats().lost < 80);
    CHECK(ends[1].seen[0].got < 200);
    pass(1000);
    CHECK_INT(ends[1].seen[0].got, 200);
    CHECK(!ends[1].seen[0].wrong && !ends[1].seen[0].early);
    ends_close();
}

TEST(a_stream_is_torn_on_its_way_in)
{
    int i;
    START("tear=100%", 1);
    for (i = 0; i < 100; i++) {
        CHECK_INT(send_message(&ends[1], &ends[1].seen[0], 1000), CRDT_OK);
        pass(1);
    }
    pass(50);
    CHECK_INT(to(1)->got, 100);
    CHECK(!to(1)->wrong && stats().torn >= 100);
    ends_close();
}

/* What is late when it is closed goes out all the same. */
TEST(closing_is_no_loss)
{
    START("delay=10s", 0);
    send_many(5);
    pass(5);
    end_close(0);
    pass(1);
    CHECK_INT(ends[1].seen[0].got, 5);
    CHECK(ends[1].seen[0].down);
    ends_close();
}

TEST_MAIN(CASE(specs_that_make_sense), CASE(specs_that_do_not_and_why),
          CASE(properties_are_honest),
          CASE(a_stream_has_no_messages_to_double),
          CASE(what_was_promised_stays),
          CASE(a_share_is_lost_and_the_seed_says_which), CASE(some_come_twice),
          CASE(some_are_overtaken), CASE(delay_and_jitter_are_kept_to),
          CASE(a_narrow_link_takes_its_time_and_refuses_when_full),
          CASE(some_are_spoilt_or_torn), CASE(links_are_cut),
          CASE(cut_off_one_way_or_both_from_all_or_some),
          CASE(phases_come_when_they_are_due),
          CASE(a_stream_waits_for_the_end_of_a_partition),
          CASE(a_deaf_stream_is_given_up_in_the_end),
          CASE(dropped_in_a_partition), CASE(loss_makes_a_stream_wait),
          CASE(a_stream_is_torn_on_its_way_in), CASE(closing_is_no_loss))
