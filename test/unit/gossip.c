/* Rosters as bytes: what a message is made of, what is refused, what comes in
 * pieces, how many members there may be, and memory that runs out. */
#define CRDTSYNC_MAX_MEMBERS 4u
#define CRDTSYNC_MAX_ROSTER 1000u
#include "../../src/epoch.h"
#include "../../src/gossip.h"
#include "../failing_alloc.h"
#include "../replicas.h"

/* A roster of its own, of a document that has nothing but its id. */
struct side {
    crdt_doc *doc;
    crdti_roster roster;
    crdti_gossip gossip; /* with the one peer */
};

static const crdti_way lossy = { 7, 0, 0, 1000 };
static const crdti_way ordered = { 7, 1, 0, 1000 };

static void side_new(struct side *s, uint8_t number, const crdt_alloc *alloc)
{
    crdt_id node = replica_id((uint8_t)(number + 100));
    memset(s, 0, sizeof *s);
    s->doc = replica(number);
    s->roster.alloc = alloc;
    s->gossip.out.alloc = s->gossip.in.alloc = alloc;
    CHECK_INT(crdti_roster_enter(&s->roster, s->doc, &node), CRDT_OK);
}

static void side_free(struct side *s)
{
    crdti_roster_free(&s->roster);
    crdti_gossip_free(&s->gossip);
    done(s->doc);
}

/* The other hears a message in pieces of `room`, but for the `lost`-th. How
 * many pieces it was. */
static int pass(struct side *from, struct side *to, const crdti_way *way,
                size_t room, uint64_t now, int lost)
{
    int pieces = 0;
    for (;;) {
        crdt_buf out = CRDT_BUF_INIT;
        crdti_writer w;
        crdti_reader r;
        crdti_writer_init(&w, &out);
        crdti_gossip_say(&from->roster, &from->gossip, way, room, now, &w);
        CHECK_INT(w.err, CRDT_OK);
        crdti_reader_init(&r, crdt_buf_bytes(&out));
        if (out.len && ++pieces != lost)
            crdti_gossip_hear(&to->roster, &to->gossip, way, &r);
        CHECK_INT(r.err, CRDT_OK);
        crdt_buf_free(&out);
        if (!from->gossip.out.len)
            return pieces;
    }
}

static int is_same(const struct side *a, const struct side *b)
{
    return crdti_roster_hash(&a->roster) == crdti_roster_hash(&b->roster);
}

/* Whether b has all records of a. */
static int has_all(const struct side *a, const struct side *b)
{
    size_t i;
    for (i = 0; i < a->roster.members.len; i++) {
        const crdti_member *m = &a->roster.members.ptr[i];
        const crdti_member *same = crdti_roster_find(&b->roster, &m->replica);
        if (!same || same->counter != m->counter ||
            crdt_vv_compare(&same->floor, &m->floor) != CRDT_EQUAL)
            return 0;
    }
    return 1;
}

/* Members 3, 4, ... of a busy life. */
static void populate(struct side *s, uint8_t first, uint8_t count)
{
    for (; count > 0; count--, first++) {
        crdti_member m;
        crdt_id id = replica_id(first);
        crdti_member_init(&m, s->roster.alloc);
        m.replica = id;
        m.node = replica_id((uint8_t)(first + 100));
        m.counter = first;
        m.pact.epoch = 2;
        m.pact.ballot.number = 9;
        m.pact.ballot.proposer = id;
        m.pact.lease_ms = 300;
        m.pact.phase = CRDT_PHASE_READY;
        m.pact.accepted = m.pact.ballot;
        m.pact.is_exact = 1;
        m.pact.digest.lo = 5;
        CHECK(!crdt_vv_set(&m.applied, &id, 300));
        CHECK(!crdt_vv_set(&m.floor, &id, 200));
        CHECK(!crdt_vv_set(&m.pact.cut, &id, 250));
        CHECK_INT(crdti_roster_join(&s->roster, &m, 1), CRDT_OK);
        crdti_member_free(&m);
    }
}

/* docs/wire-format.md goes through these byte by byte. */
TEST(a_message_has_these_bytes)
{
    static const char want[] =
        "\4\0\1\0" /* there are records; from 0, 1 more, heard nothing */
        "\x76\x9f\xe2\xb7\xf6\x64\x14\x11" /* hash */
        "\1"                               /* one id */
        "\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1"
        "\1\0"                             /* one record, of id 0 */
        "eeeeeeeeeeeeeeee"                 /* node */
        "\1\0"                             /* counter 1; active, at work */
        "\xb8\x51\xed\xc7\xac\x6f\x47\x3a" /* view */
        "\1\0\3"                           /* has applied 3 changes of id 0 */
        "\0\0\0";                          /* no floor, epoch 0, no ballot */
    struct side a;
    crdt_id node = replica_id('e');
    crdt_doc *doc = replica(1);
    int i;
    memset(&a, 0, sizeof a);
    a.doc = doc;
    for (i = 0; i < 3; i++)
        CHECK_INT(crdt_map_put_int(crdt_root(doc), CRDT_STR("x"), i), CRDT_OK);
    CHECK_INT(crdt_commit(doc), CRDT_OK);
    CHECK_INT(crdti_roster_enter(&a.roster, doc, &node), CRDT_OK);
    CHECK_INT(crdti_gossip_compose(&a.roster, &a.gossip, &lossy, 0), CRDT_OK);
    CHECK_INT(a.gossip.out.len, sizeof want - 1);
    if (getenv("CRDT_SHOW"))
        for (i = 0; i < (int)a.gossip.out.len; i++)
            printf("%02x ", a.gossip.out.ptr[i]);
    CHECK(a.gossip.out.len == sizeof want - 1 &&
          !memcmp(a.gossip.out.ptr, want, sizeof want - 1));
    side_free(&a);
}

TEST(two_tell_each_other)
{
    struct side a, b;
    int is_ordered;
    for (is_ordered = 0; is_ordered < 2; is_ordered++) {
        const crdti_way *way = is_ordered ? &ordered : &lossy;
        side_new(&a, 1, NULL), side_new(&b, 2, NULL);
        populate(&a, 3, 2);
        CHECK_INT(pass(&a, &b, way, 1000, 0, 0), 1);
        CHECK(has_all(&a, &b));
        CHECK_INT(crdti_roster_active(&b.roster), 4);
        CHECK_INT(b.roster.members.ptr[2].pact.phase, CRDT_PHASE_READY);
        CHECK_INT(b.roster.members.ptr[2].pact.cut.entries[0].seq, 250);
        CHECK_INT(pass(&b, &a, way, 1000, 0, 0), 1);
        CHECK(is_same(&a, &b));
        CHECK_INT(a.gossip.acked, a.roster.changes);
        CHECK_INT(pass(&a, &b, way, 1000, 0, 0), !is_ordered); /* it came */
        CHECK_INT(pass(&a, &b, way, 1000, 10000, 0), 0);
        CHECK_INT(pass(&b, &a, way, 1000, 10000, 0), 0);
        side_free(&a), side_free(&b);
    }
}

/* Whichever is lost, all is said again. */
TEST(pieces_may_be_lost)
{
    struct side a, b;
    int lost, pieces = 1;
    for (lost = 1; lost <= pieces; lost++) {
        side_new(&a, 1, NULL), side_new(&b, 2, NULL);
        populate(&a, 3, 2);
        pieces = pass(&a, &b, &lossy, 20, 0, lost);
        CHECK(pieces > 10);
        CHECK(!has_all(&a, &b));
        CHECK_INT(pass(&a, &b, &lossy, 20, 100, 0), 0); /* not yet */
        CHECK_INT(pass(&a, &b, &lossy, 20, 250, 0), pieces);
        CHECK(has_all(&a, &b));
        side_free(&a), side_free(&b);
    }
}

/* Every message of which a bit is wrong, or the end is missing: the table is
 * as it was, or as a true message would have made it. */
TEST(hostile_messages_are_refused)
{
    struct side a, b;
    crdti_reader r;
    size_t len, bit;
    uint64_t before;
    side_new(&a, 1, NULL), side_new(&b, 2, NULL);
    populate(&a, 3, 2);
    CHECK_INT(crdti_gossip_compose(&a.roster, &a.gossip, &lossy, 0), CRDT_OK);
    before = crdti_roster_hash(&b.roster);
    for (len = 0; len < a.gossip.out.len; len++) {
        crdti_reader_init(&r, crdt_bytes_of(a.gossip.out.ptr, len));
        crdti_gossip_take(&b.roster, &b.gossip, &lossy, &r);
        CHECK_INT(r.err, CRDT_ERR_TRUNCATED);
        CHECK_INT(crdti_roster_hash(&b.roster), before);
    }
    for (bit = 0; bit < 8 * a.gossip.out.len; bit++) {
        struct side c;
        side_new(&c, 5, NULL);
        before = crdti_roster_hash(&c.roster);
        a.gossip.out.ptr[bit / 8] ^= (uint8_t)(1 << bit % 8);
        crdti_reader_init(&r, crdt_buf_bytes(&a.gossip.out));
        crdti_gossip_take(&c.roster, &c.gossip, &lossy, &r);
        CHECK(!r.err || crdti_roster_hash(&c.roster) == before);
        CHECK(c.roster.members.len <= CRDTSYNC_MAX_MEMBERS);
        a.gossip.out.ptr[bit / 8] ^= (uint8_t)(1 << bit % 8);
        side_free(&c);
    }
    side_free(&a), side_free(&b);
}

static crdt_err hear(struct side *s, const char *bytes, size_t len)
{
    crdti_reader r;
    crdti_reader_init(&r, crdt_bytes_of(bytes, len));
    crdti_gossip_hear(&s->roster, &s->gossip, &lossy, &r);
    return r.err;
}

TEST(pieces_are_bounded)
{
    struct side a;
    struct failing_alloc memory;
    failing_alloc_init(&memory);
    side_new(&a, 1, &memory.table);
    memory.requests = 0;
    CHECK_INT(hear(&a, "\1\xe7\7\0x", 5), CRDT_OK); /* 999 in all */
    CHECK_INT(hear(&a, "\1\xe8\7\0x", 5), CRDT_OK);
    CHECK_INT(hear(&a, "\1\xe9\7\0x", 5), CRDT_ERR_LIMIT);
    CHECK_INT(hear(&a, "\1\2\3x", 4), CRDT_ERR_CORRUPT); /* behind the end */
    CHECK_INT(hear(&a, "\1\2\1xy", 5), CRDT_ERR_CORRUPT);
    CHECK_INT(hear(&a, "\1\1\0x", 4), CRDT_ERR_CORRUPT); /* is whole */
    CHECK_INT(hear(&a, "\0", 1), CRDT_ERR_CORRUPT);
    CHECK_INT(hear(&a, "\1\2\1x", 4), CRDT_OK); /* the first is missing */
    CHECK(memory.live_bytes < 1000);
    side_free(&a);
    CHECK(failing_alloc_clean(&memory));
}

/* One more than there may be: the table is given up, by all. */
TEST(members_are_limited)
{
    struct side a, b;
    side_new(&a, 1, NULL), side_new(&b, 2, NULL);
    populate(&a, 3, 2);
    CHECK_INT(a.roster.members.len, CRDTSYNC_MAX_MEMBERS - 1);
    pass(&b, &a, &ordered, 1000, 0, 0);
    CHECK_INT(a.roster.members.len, CRDTSYNC_MAX_MEMBERS);
    CHECK(!a.roster.is_off);
    /* One that has gone makes room. */
    crdti_roster_evict(&a.roster, &a.roster.members.ptr[1]);
    populate(&a, 7, 1);
    CHECK_INT(a.roster.members.len, CRDTSYNC_MAX_MEMBERS);
    CHECK(!a.roster.is_off);
    populate(&a, 8, 1);
    CHECK(a.roster.is_off);
    pass(&a, &b, &ordered, 1000, 0, 0);
    CHECK(b.roster.is_off);
    CHECK_INT(b.roster.members.len, 0);
    side_free(&a), side_free(&b);
}

/* A message of `len` bytes, of a member that has seen much. */
static void compose(struct side *s, size_t len)
{
    crdt_vv *vv = &crdti_roster_self(&s->roster)->applied;
    uint8_t i;
    for (i = 0; s->gossip.out.len < len && i < 250; i++) {
        crdt_id id = replica_id(i);
        uint64_t seq = 1;
        /* 18 bytes more, and up to the last one by bytes of the seq. */
        if (s->gossip.out.len + 36 > len && s->gossip.out.len)
            seq <<= 7 * (len - s->gossip.out.len - 18);
        CHECK(!crdt_vv_set(vv, &id, seq));
        s->gossip.out.len = s->gossip.told = 0;
        s->gossip.has_said = 0;
        crdti_roster_touch(&s->roster, s->roster.members.ptr, 0);
        CHECK_INT(crdti_gossip_compose(&s->roster, &s->gossip, &ordered, 0),
                  CRDT_OK);
    }
    CHECK_INT(s->gossip.out.len, len);
}

/* As long as may be, and one byte more: then the table is given up. */
TEST(what_is_told_is_limited)
{
    size_t len;
    for (len = CRDTSYNC_MAX_ROSTER - 1; len <= CRDTSYNC_MAX_ROSTER + 1;
         len++) {
        struct side a;
        crdt_buf out = CRDT_BUF_INIT;
        crdti_writer w;
        side_new(&a, 1, NULL);
        compose(&a, len);
        a.gossip.out.len = a.gossip.told = 0;
        a.gossip.has_said = 0;
        crdti_writer_init(&w, &out);
        crdti_gossip_say(&a.roster, &a.gossip, &ordered, 5000, 0, &w);
        CHECK_INT(a.roster.is_off, len > CRDTSYNC_MAX_ROSTER);
        CHECK_INT(out.len > 0, len <= CRDTSYNC_MAX_ROSTER);
        crdt_buf_free(&out);
        side_free(&a);
    }
}

/* All have accepted the cut, but one of them knew of more who take part. */
TEST(who_differs_about_the_members_does_not_commit)
{
    int differs;
    for (differs = 0; differs < 2; differs++) {
        struct side a;
        crdti_member *m, *self;
        side_new(&a, 1, NULL);
        populate(&a, 3, 1);
        self = crdti_roster_self(&a.roster);
        m = &a.roster.members.ptr[1];
        m->floor.len = m->applied.len = m->pact.cut.len = 0;
        m->pact.is_exact = 0;
        m->view = a.roster.view + (uint64_t)differs;
        self->pact.epoch = m->pact.epoch;
        CHECK_INT(crdti_epoch_step(&a.roster, a.doc, 1000), CRDT_OK);
        CHECK_INT(self->pact.phase,
                  differs ? CRDT_PHASE_READY : CRDT_PHASE_WORK);
        CHECK_INT(self->pact.epoch, differs ? 2 : 3);
        side_free(&a);
    }
}

/* In the middle of a word. */
TEST(nothing_is_typed_while_frozen)
{
    crdt_doc *doc = replica(1);
    crdt_obj text = crdt_map_text(crdt_root(doc), CRDT_STR("t"));
    size_t at;
    for (at = 0; at < 10; at++)
        CHECK_INT(crdt_text_insert(text, CRDT_CHARS, at, CRDT_STR("a")),
                  CRDT_OK);
    CHECK_INT(crdt_commit(doc), CRDT_OK);
    CHECK(doc->typing != NULL);
    crdti_doc_freeze(doc);
    CHECK_INT(crdt_text_insert(text, CRDT_CHARS, at, CRDT_STR("b")),
              CRDT_ERR_FROZEN);
    CHECK_INT(crdt_text_delete(text, CRDT_CHARS, 0, 1), CRDT_ERR_FROZEN);
    CHECK(!crdt_doc_uncommitted(doc));
    doc->is_frozen = 0;
    CHECK_INT(crdt_text_insert(text, CRDT_CHARS, at, CRDT_STR("b")), CRDT_OK);
    CHECK_INT(crdt_text_len(text, CRDT_CHARS), at + 1);
    CHECK_INT(crdt_commit(doc), CRDT_OK);
    done(doc);
}

TEST(memory_may_run_out)
{
    struct failing_alloc memory;
    struct side a, b;
    size_t at;
    int done_at_last = 0;
    side_new(&a, 1, NULL);
    populate(&a, 3, 2);
    for (at = 1; !done_at_last; at++) {
        crdti_reader r;
        size_t before;
        failing_alloc_init(&memory);
        side_new(&b, 2, &memory.table);
        a.gossip.told = a.gossip.looked = 0;
        a.gossip.out.len = 0;
        CHECK_INT(crdti_gossip_compose(&a.roster, &a.gossip, &lossy, 0),
                  CRDT_OK);
        before = memory.requests;
        memory.fail_at = before + at;
        crdti_reader_init(&r, crdt_buf_bytes(&a.gossip.out));
        crdti_gossip_take(&b.roster, &b.gossip, &lossy, &r);
        CHECK(!r.err || r.err == CRDT_ERR_NOMEM);
        CHECK_INT(b.gossip.heard, r.err ? 0 : a.roster.changes);
        done_at_last = !memory.failures;
        memory.fail_at = 0;
        crdti_reader_init(&r, crdt_buf_bytes(&a.gossip.out));
        crdti_gossip_take(&b.roster, &b.gossip, &lossy, &r);
        CHECK_INT(r.err, CRDT_OK);
        CHECK(has_all(&a, &b));
        side_free(&b);
        CHECK(failing_alloc_clean(&memory));
    }
    CHECK(at > 5);
    side_free(&a);
}

TEST_MAIN(CASE(a_message_has_these_bytes), CASE(two_tell_each_other),
          CASE(pieces_may_be_lost), CASE(hostile_messages_are_refused),
          CASE(pieces_are_bounded), CASE(members_are_limited),
          CASE(what_is_told_is_limited),
          CASE(who_differs_about_the_members_does_not_commit),
          CASE(nothing_is_typed_while_frozen), CASE(memory_may_run_out))
