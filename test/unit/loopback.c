/* The loopback transport alone: upcalls are made by hand, there is no node. */
#define CRDTSYNC_IMPLEMENTATION
#include "crdtsync.h"
#include "crdtsync_loopback.h"
#include "../failing_alloc.h"
#include "../test.h"

/* An endpoint, and all that it was told, one letter an upcall: U(p), D(own),
 * W(ritable), r(eceived). */
struct end {
    crdt_transport t;
    crdt_upcalls up;
    crdt_buf got;
    char story[4096];
    char name[32], why[64];
    size_t told, longest;
    crdt_peer last;      /* the peer of the last upcall */
    int echo;            /* sends back what it receives */
    int drop_on_receipt; /* and wants no more */
    const struct end *relay;
};

static void tell(struct end *e, crdt_peer peer, char what)
{
    e->last = peer;
    if (e->told + 1 < sizeof e->story)
        e->story[e->told++] = what;
    e->story[e->told] = 0;
}

static void on_up(void *ctx, crdt_peer peer, const char *name)
{
    struct end *e = (struct end *)ctx;
    tell(e, peer, 'U');
    snprintf(e->name, sizeof e->name, "%s", name);
}

static void on_down(void *ctx, crdt_peer peer, const char *why)
{
    struct end *e = (struct end *)ctx;
    tell(e, peer, 'D');
    snprintf(e->why, sizeof e->why, "%s", why);
}

static void on_received(void *ctx, crdt_peer peer, crdt_bytes bytes)
{
    struct end *e = (struct end *)ctx;
    crdti_writer w;
    tell(e, peer, 'r');
    crdti_writer_init(&w, &e->got);
    crdti_put_raw(&w, bytes);
    if (bytes.len > e->longest)
        e->longest = bytes.len;
    if (e->echo)
        CHECK_INT(e->t.send(e->t.ctx, peer, bytes), CRDT_OK);
    if (e->relay)
        CHECK_INT(e->relay->t.send(e->relay->t.ctx, 1, bytes), CRDT_OK);
    if (e->drop_on_receipt)
        e->t.drop(e->t.ctx, peer, "enough");
}

static void on_writable(void *ctx, crdt_peer peer)
{
    tell((struct end *)ctx, peer, 'W');
}

static int join(struct end *e, crdt_loopback_hub *hub)
{
    memset(e, 0, sizeof *e);
    e->up.version = 1;
    e->up.ctx = e;
    e->up.peer_up = on_up;
    e->up.peer_down = on_down;
    e->up.received = on_received;
    e->up.writable = on_writable;
    if (crdt_loopback_new(&e->t, hub) != CRDT_OK)
        return 0;
    CHECK_INT(e->t.start(e->t.ctx, &e->up), CRDT_OK);
    return 1;
}

static void quit(struct end *e)
{
    if (e->t.close)
        e->t.close(e->t.ctx);
    crdt_buf_free(&e->got);
}

static crdt_err send_text(struct end *e, crdt_peer peer, const char *text)
{
    return e->t.send(e->t.ctx, peer, crdt_str(text));
}

static void poll_end(struct end *e)
{
    CHECK_INT(e->t.poll(e->t.ctx, 0), CRDT_OK);
}

static int got(const struct end *e, const char *text)
{
    return crdt_bytes_equal(crdt_buf_bytes(&e->got), crdt_str(text));
}

TEST(both_hear_of_each_other_and_talk)
{
    crdt_loopback_hub *hub;
    struct end a, b;
    REQUIRE(crdt_loopback_hub_new(&hub, NULL) == CRDT_OK);
    REQUIRE(join(&a, hub) && join(&b, hub));
    CHECK_INT(a.t.properties, CRDT_RELIABLE | CRDT_ORDERED | CRDT_SEALED);
    CHECK_INT(send_text(&a, 1, "early "), CRDT_OK);
    CHECK_STR(a.story, ""); /* nothing is said but in poll */
    poll_end(&a);
    CHECK_STR(a.name, "loopback:2");
    poll_end(&b);
    CHECK_STR(b.name, "loopback:1");
    CHECK_STR(b.story, "Ur");
    CHECK_INT(send_text(&a, 1, "one "), CRDT_OK);
    CHECK_INT(send_text(&a, 1, ""), CRDT_OK);
    CHECK_INT(send_text(&a, 1, "two"), CRDT_OK);
    CHECK_INT(send_text(&b, 1, "back"), CRDT_OK);
    CHECK(crdt_loopback_under_way(hub) > 0);
    poll_end(&b);
    poll_end(&a);
    CHECK_STR(b.story, "Urrrr"); /* messages stay whole, empty ones too */
    CHECK(got(&b, "early one two") && got(&a, "back"));
    CHECK_INT(crdt_loopback_under_way(hub), 0);
    CHECK_INT(send_text(&a, 2, "nobody"), CRDT_ERR_CLOSED);
    CHECK_INT(send_text(&a, 0, "nobody"), CRDT_ERR_CLOSED);
    CHECK_INT(a.t.start(a.t.ctx, &a.up), CRDT_ERR_ARG);
    crdt_loopback_hub_free(hub); /* before the others: allowed */
    quit(&a);
    quit(&b);
}

TEST(an_answer_from_within_received)
{
    crdt_loopback_hub *hub;
    struct end a, b;
    int i;
    REQUIRE(crdt_loopback_hub_new(&hub, NULL) == CRDT_OK);
    REQUIRE(join(&a, hub) && join(&b, hub));
    b.echo = 1;
    for (i = 0; i < 5; i++)
        CHECK_INT(send_text(&a, 1, "ping"), CRDT_OK);
    poll_end(&b);
    poll_end(&a);
    CHECK(got(&a, "pingpingpingpingping"));
    a.echo = 1; /* for ever, but one lot a poll */
    CHECK_INT(send_text(&b, 1, "x"), CRDT_OK);
    for (i = 0; i < 10; i++) {
        poll_end(&a);
        poll_end(&b);
    }
    CHECK_INT(b.got.len, 5 * 4 + 10);
    quit(&a);
    quit(&b);
    crdt_loopback_hub_free(hub);
}

/* What is being delivered does not move, whatever comes meanwhile. */
TEST(bytes_come_to_an_endpoint_while_it_receives)
{
    crdt_loopback_hub *hub;
    struct end a, b;
    size_t i;
    REQUIRE(crdt_loopback_hub_new(&hub, NULL) == CRDT_OK);
    REQUIRE(join(&a, hub) && join(&b, hub));
    b.relay = &a; /* a sends b what b receives */
    for (i = 0; i < 100; i++)
        CHECK_INT(send_text(&a, 1, "0123456789"), CRDT_OK);
    for (i = 1; i <= 5; i++) {
        poll_end(&b);
        CHECK_INT(b.got.len, i * 1000);
    }
    quit(&a);
    quit(&b);
    crdt_loopback_hub_free(hub);
}

TEST(the_queue_is_bounded_per_link)
{
    crdt_loopback_config config = { NULL, 1000, 0, 0 };
    crdt_loopback_hub *hub;
    struct end a, b, c;
    char text[301];
    memset(text, 'x', 300);
    text[300] = 0;
    REQUIRE(crdt_loopback_hub_new(&hub, &config) == CRDT_OK);
    REQUIRE(join(&a, hub) && join(&b, hub) && join(&c, hub));
    poll_end(&a);
    CHECK_INT(a.t.message_max, 992);
    CHECK_INT(send_text(&a, 1, text), CRDT_OK);
    CHECK_INT(send_text(&a, 1, text), CRDT_OK);
    CHECK_INT(send_text(&a, 1, text), CRDT_OK);
    CHECK_INT(send_text(&a, 1, text), CRDT_ERR_AGAIN);
    CHECK_INT(send_text(&a, 2, text), CRDT_OK); /* others have theirs */
    poll_end(&a);
    CHECK_STR(a.story, "UU"); /* not writable yet */
    poll_end(&b);
    poll_end(&a);
    CHECK_STR(a.story, "UUW");
    CHECK_INT(a.last, 1);
    CHECK_INT(send_text(&a, 1, text), CRDT_OK);
    poll_end(&a);
    CHECK_STR(a.story, "UUW"); /* told once */
    CHECK_INT(a.t.send(a.t.ctx, 2, crdt_bytes_of(text, 993)), CRDT_ERR_LIMIT);
    quit(&a);
    quit(&b);
    quit(&c);
    crdt_loopback_hub_free(hub);
}

TEST(the_largest_message_fits_and_waits_for_all_the_room)
{
    static uint8_t large[992];
    crdt_loopback_config config = { NULL, 1000, 0, 0 };
    crdt_loopback_hub *hub;
    struct end a, b;
    REQUIRE(crdt_loopback_hub_new(&hub, &config) == CRDT_OK);
    REQUIRE(join(&a, hub) && join(&b, hub));
    poll_end(&a);
    CHECK_INT(send_text(&a, 1, "x"), CRDT_OK);
    CHECK_INT(a.t.send(a.t.ctx, 1, crdt_bytes_of(large, 992)), CRDT_ERR_AGAIN);
    poll_end(&a);
    CHECK_STR(a.story, "U"); /* below half, but not enough */
    poll_end(&b);
    poll_end(&a);
    CHECK_STR(a.story, "UW");
    CHECK_INT(a.t.send(a.t.ctx, 1, crdt_bytes_of(large, 992)), CRDT_OK);
    poll_end(&b);
    CHECK_INT(b.longest, 992);
    quit(&a);
    quit(&b);
    crdt_loopback_hub_free(hub);
}

TEST(who_closes_is_missed_after_what_it_said)
{
    crdt_loopback_hub *hub;
    struct end a, b, c;
    REQUIRE(crdt_loopback_hub_new(&hub, NULL) == CRDT_OK);
    REQUIRE(join(&a, hub) && join(&b, hub) && join(&c, hub));
    poll_end(&b);
    CHECK_INT(send_text(&a, 1, "last words"), CRDT_OK);
    quit(&a);
    CHECK_INT(send_text(&b, 1, "too late"), CRDT_ERR_CLOSED);
    poll_end(&b);
    CHECK(got(&b, "last words"));
    CHECK_STR(b.story, "UUrD");
    CHECK_INT(b.last, 1);
    CHECK_STR(b.why, "closed by the peer");
    poll_end(&c); /* it had not even heard of a */
    CHECK_STR(c.story, "UDU");
    poll_end(&b);
    CHECK_STR(b.story, "UUrD");
    CHECK_INT(send_text(&b, 2, "still"), CRDT_OK);
    poll_end(&c);
    CHECK(got(&c, "still"));
    REQUIRE(join(&a, hub)); /* back: under a new number */
    poll_end(&b);
    CHECK_INT(b.last, 3);
    quit(&a); /* the last that joined */
    REQUIRE(join(&a, hub));
    poll_end(&b);
    CHECK_INT(b.last, 4);
    quit(&a);
    quit(&b);
    quit(&c);
    crdt_loopback_hub_free(hub);
}

TEST(who_drops_hears_no_more)
{
    crdt_loopback_hub *hub;
    struct end a, b;
    REQUIRE(crdt_loopback_hub_new(&hub, NULL) == CRDT_OK);
    REQUIRE(join(&a, hub) && join(&b, hub));
    poll_end(&a);
    poll_end(&b);
    b.drop_on_receipt = 1;
    CHECK_INT(send_text(&a, 1, "one"), CRDT_OK);
    CHECK_INT(send_text(&a, 1, "two"), CRDT_OK);
    CHECK_INT(send_text(&b, 1, "bye"), CRDT_OK);
    poll_end(&b);
    CHECK(got(&b, "one"));
    CHECK_STR(b.story, "UrD");
    CHECK_STR(b.why, "enough");
    CHECK_INT(send_text(&b, 1, "?"), CRDT_ERR_CLOSED);
    poll_end(&a);
    CHECK_STR(a.story, "UrD"); /* what was under way still came */
    CHECK(got(&a, "bye"));
    a.t.drop(a.t.ctx, 1, "again"); /* nothing to drop: no harm */
    a.t.drop(a.t.ctx, 7, "never there");
    poll_end(&a);
    CHECK_STR(a.story, "UrD");
    quit(&a);
    quit(&b);
    crdt_loopback_hub_free(hub);
}

TEST(a_chosen_topology)
{
    crdt_loopback_config config = { NULL, 0, 1, 0 };
    crdt_loopback_hub *hub, *other;
    struct end a, b, c, stranger;
    REQUIRE(crdt_loopback_hub_new(&hub, &config) == CRDT_OK);
    REQUIRE(crdt_loopback_hub_new(&other, &config) == CRDT_OK);
    REQUIRE(join(&a, hub) && join(&b, hub) && join(&c, hub));
    REQUIRE(join(&stranger, other));
    poll_end(&a);
    CHECK_STR(a.story, "");
    CHECK_INT(crdt_loopback_link(&a.t, &b.t), CRDT_OK);
    CHECK_INT(crdt_loopback_link(&b.t, &a.t), CRDT_OK); /* is there */
    CHECK_INT(crdt_loopback_link(&b.t, &c.t), CRDT_OK);
    CHECK_INT(crdt_loopback_link(&a.t, &a.t), CRDT_ERR_ARG);
    CHECK_INT(crdt_loopback_link(&a.t, &stranger.t), CRDT_ERR_ARG);
    CHECK_INT(crdt_loopback_unlink(&a.t, &c.t), CRDT_ERR_NOT_FOUND);
    poll_end(&a);
    poll_end(&b);
    CHECK_STR(a.story, "U");
    CHECK_STR(b.story, "UU");
    CHECK_INT(send_text(&a, 1, "lost"), CRDT_OK);
    CHECK_INT(crdt_loopback_unlink(&a.t, &b.t), CRDT_OK);
    CHECK_INT(send_text(&a, 1, "x"), CRDT_ERR_CLOSED);
    poll_end(&a);
    poll_end(&b);
    CHECK_STR(a.story, "UD");
    CHECK_STR(b.story, "UUD");
    CHECK_INT(crdt_loopback_link(&a.t, &b.t), CRDT_OK);
    poll_end(&a);
    CHECK_STR(a.story, "UDU");
    CHECK_INT(a.last, 2);
    quit(&stranger);
    quit(&a);
    quit(&b);
    quit(&c);
    crdt_loopback_hub_free(hub);
    crdt_loopback_hub_free(other);
}

/* One run of the same sends; returns what the story of b was, as a hash. */
static uint64_t torn_run(uint64_t seed, int *later, int *cut)
{
    crdt_loopback_config config = { NULL, 0, 0, seed };
    crdt_loopback_hub *hub;
    struct end a, b;
    uint64_t state = 7, hash;
    crdt_buf want = CRDT_BUF_INIT;
    crdti_writer w;
    uint8_t bytes[3000];
    int i, polls = 0;
    crdt_loopback_hub_new(&hub, &config);
    CHECK(join(&a, hub) && join(&b, hub));
    CHECK_INT(a.t.properties,
              CRDT_RELIABLE | CRDT_ORDERED | CRDT_STREAM | CRDT_SEALED);
    crdti_writer_init(&w, &want);
    for (i = 0; i < 50; i++) {
        crdt_bytes piece =
            crdt_bytes_of(bytes, test_below(&state, sizeof bytes));
        memset(bytes, i + 1, sizeof bytes);
        CHECK_INT(a.t.send(a.t.ctx, 1, piece), CRDT_OK);
        crdti_put_raw(&w, piece);
        if (i % 10 == 0)
            poll_end(&b);
    }
    quit(&a); /* what is under way comes before peer_down */
    for (; !strchr(b.story, 'D') && polls < 100000; polls++)
        poll_end(&b);
    CHECK(b.longest > 3000); /* some were joined */
    *later += polls > 1;
    *cut += strlen(b.story) > 51;
    CHECK(crdt_bytes_equal(crdt_buf_bytes(&b.got), crdt_buf_bytes(&want)));
    hash = crdti_hash(b.story, strlen(b.story), b.longest);
    crdt_buf_free(&want);
    quit(&b);
    crdt_loopback_hub_free(hub);
    return hash;
}

TEST(torn_bytes_come_all_and_in_order)
{
    int later = 0, cut = 0;
    uint64_t seed;
    for (seed = 1; seed <= 50; seed++)
        CHECK(torn_run(seed, &later, &cut) == torn_run(seed, &later, &cut));
    CHECK(torn_run(1, &later, &cut) != torn_run(2, &later, &cut));
    CHECK(later > 50 && cut > 50); /* of 102 */
}

TEST(what_makes_no_sense_is_refused)
{
    crdt_loopback_config config = { NULL, 15, 0, 0 };
    crdt_loopback_hub *hub;
    crdt_transport t;
    CHECK_INT(crdt_loopback_hub_new(&hub, &config), CRDT_ERR_ARG);
    CHECK_INT(crdt_loopback_hub_new(NULL, NULL), CRDT_ERR_ARG);
    REQUIRE(crdt_loopback_hub_new(&hub, NULL) == CRDT_OK);
    CHECK_INT(crdt_loopback_new(NULL, hub), CRDT_ERR_ARG);
    CHECK_INT(crdt_loopback_new(&t, NULL), CRDT_ERR_ARG);
    CHECK_INT(crdt_loopback_new(&t, hub), CRDT_OK);
    CHECK_INT(t.poll(t.ctx, 0), CRDT_ERR_ARG); /* not started */
    CHECK_INT(t.start(t.ctx, NULL), CRDT_ERR_ARG);
    CHECK_INT(crdt_loopback_link(&t, NULL), CRDT_ERR_ARG);
    t.close(t.ctx); /* started or not */
    crdt_loopback_hub_free(hub);
    crdt_loopback_hub_free(NULL);
}

/* A short life with every kind of call; whether nothing failed in it. */
static int life(const crdt_alloc *alloc)
{
    crdt_loopback_config config = { NULL, 0, 0, 0 };
    crdt_loopback_hub *hub = NULL;
    struct end e[3];
    int i, ok;
    memset(e, 0, sizeof e);
    config.alloc = alloc;
    ok = crdt_loopback_hub_new(&hub, &config) == CRDT_OK;
    for (i = 0; i < 3 && hub; i++)
        ok &= join(&e[i], hub);
    for (i = 0; i < 3; i++) {
        if (!e[i].t.ctx)
            continue;
        poll_end(&e[i]);
        if (e[i].told > 0)
            ok &= send_text(&e[i], 1, "hello") == CRDT_OK;
        poll_end(&e[i]);
    }
    if (ok) {
        CHECK_INT(crdt_loopback_unlink(&e[0].t, &e[1].t), CRDT_OK);
        ok = crdt_loopback_link(&e[0].t, &e[1].t) == CRDT_OK;
    }
    for (i = 0; i < 3; i++)
        quit(&e[i]);
    crdt_loopback_hub_free(hub);
    return ok;
}

TEST(every_allocation_fails_once_and_from_then_on)
{
    struct failing_alloc memory;
    size_t n;
    int on, ok;
    for (on = 0; on < 2; on++) {
        for (n = 1, ok = 0; !ok && n < 1000; n++) {
            failing_alloc_init(&memory);
            memory.fail_at = n;
            memory.from_then_on = on;
            ok = life(&memory.table);
            CHECK(ok == (memory.failures == 0));
            CHECK(failing_alloc_clean(&memory));
        }
        CHECK(ok && n > 10);
    }
}

TEST_MAIN(CASE(both_hear_of_each_other_and_talk),
          CASE(an_answer_from_within_received),
          CASE(bytes_come_to_an_endpoint_while_it_receives),
          CASE(the_queue_is_bounded_per_link),
          CASE(the_largest_message_fits_and_waits_for_all_the_room),
          CASE(who_closes_is_missed_after_what_it_said),
          CASE(who_drops_hears_no_more), CASE(a_chosen_topology),
          CASE(torn_bytes_come_all_and_in_order),
          CASE(what_makes_no_sense_is_refused),
          CASE(every_allocation_fails_once_and_from_then_on))
