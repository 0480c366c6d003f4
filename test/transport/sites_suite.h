/*
 * The part of the suite with the engine on top.
 */
#ifndef SITES_SUITE_H
#define SITES_SUITE_H

#include "sites.h"

/* >>tests ----------------------------------------------------------------- */

TEST(documents_become_equal_and_stay_so)
{
    size_t i;
    SITES_BEGIN(4);
    for (i = 0; i < 4; i++)
        site_put(i, i % 2 ? "odd" : "even", (int64_t)i);
    SITES_UNTIL(sites_are_equal() && site_get(3, "even") >= 0);
    for (i = 0; i < 100; i++) {
        site_put(i % 4, "live", (int64_t)i); /* relayed by site 0 */
        sites_poll();
    }
    SITES_UNTIL(sites_are_equal());
    sites_close();
}

/* A value of one mebibyte, in chunks where the transport is small. */
TEST(a_document_of_a_mebibyte)
{
    crdt_bytes got = { NULL, 0 };
    uint8_t *bytes = (uint8_t *)malloc(MIB);
    uint64_t dice = 9;
    size_t i;
    REQUIRE(bytes);
    for (i = 0; i < MIB; i++)
        bytes[i] = (uint8_t)test_random(&dice);
    SITES_BEGIN(2);
    CHECK_INT(crdt_map_put_bytes(crdt_root(sites[0].doc), CRDT_STR("large"),
                                 crdt_bytes_of(bytes, MIB)),
              CRDT_OK);
    CHECK_INT(crdt_commit(sites[0].doc), CRDT_OK);
    SITES_UNTIL(sites_are_equal());
    crdt_map_get_bytes(crdt_root(sites[1].doc), CRDT_STR("large"), &got);
    CHECK(crdt_bytes_equal(got, crdt_bytes_of(bytes, MIB)));
    sites_close();
    free(bytes);
}

TEST(a_node_comes_back_and_catches_up)
{
    SITES_BEGIN(3);
    site_put(1, "a", 1);
    SITES_UNTIL(sites_are_equal() && site_get(2, "a") == 1);
    site_close(1);
    site_put(2, "b", 2);
    site_put(1, "c", 3); /* offline */
    SITES_UNTIL(site_get(0, "b") == 2);
    REQUIRE(site_open(1));
    SITES_UNTIL(sites_are_equal() && site_get(2, "c") == 3);
    site_close(0); /* the middle */
    site_put(1, "d", 4);
    sites_poll();
    REQUIRE(site_open(0));
    SITES_UNTIL(sites_are_equal() && site_get(2, "d") == 4);
    sites_close();
}

/* Garbage, half a frame, a frame that claims to be huge, a HELLO repeated:
 * whoever sends it is put out, and others notice nothing. */
TEST(garbage_from_a_stranger)
{
    uint8_t bytes[1000];
    uint64_t dice = 5;
    int i;
    size_t j;
    if (!kit->stranger) {
        printf("skipped: there are no strangers\n");
        return;
    }
    SITES_BEGIN(2);
    site_put(1, "a", 1);
    SITES_UNTIL(sites_are_equal());
    for (i = 0; i < 50; i++) {
        for (j = 0; j < sizeof bytes; j++)
            bytes[j] = (uint8_t)test_random(&dice);
        if (i % 2)
            memcpy(bytes, "\xc7\x21\xff\xff\xff\xff\x7f", 7);
        kit->stranger(crdt_bytes_of(bytes, 1 + test_below(&dice, 1000)));
        sites_poll();
        site_put(1, "a", i);
    }
    SITES_UNTIL(sites_are_equal() && site_get(0, "a") == 49);
    sites_close();
}

/* >>torn ------------------------------------------------------------------
 * A decorator that hands the bytes of a stream on in two parts, cut after
 * `cut` bytes of the link; where messages stay whole, the first `cut` bytes of
 * each of the first messages come before the message, as a message. */

struct tearer {
    crdt_transport inner;
    const crdt_upcalls *up;
    crdt_upcalls mine;
    size_t cut, seen;
};

static struct tearer tearers[SITES_MAX];
static size_t tear_at;

static inline void tear_up(void *ctx, crdt_peer peer, const char *name)
{
    struct tearer *t = (struct tearer *)ctx;
    t->seen = 0;
    t->up->peer_up(t->up->ctx, peer, name);
}

static inline void tear_down(void *ctx, crdt_peer peer, const char *why)
{
    struct tearer *t = (struct tearer *)ctx;
    t->up->peer_down(t->up->ctx, peer, why);
}

static inline void tear_received(void *ctx, crdt_peer peer, crdt_bytes bytes)
{
    struct tearer *t = (struct tearer *)ctx;
    size_t first = 0;
    if (t->cut > t->seen && t->cut < t->seen + bytes.len)
        first = t->cut - t->seen;
    t->seen += bytes.len;
    if (first)
        t->up->received(t->up->ctx, peer, crdt_bytes_of(bytes.ptr, first));
    bytes = crdt_bytes_of(bytes.ptr + first, bytes.len - first);
    t->up->received(t->up->ctx, peer, bytes);
}

static inline void tear_writable(void *ctx, crdt_peer peer)
{
    struct tearer *t = (struct tearer *)ctx;
    t->up->writable(t->up->ctx, peer);
}

static inline crdt_err tear_start(void *ctx, const crdt_upcalls *up)
{
    struct tearer *t = (struct tearer *)ctx;
    t->up = up;
    return t->inner.start(t->inner.ctx, &t->mine);
}

static inline crdt_err tear_send(void *ctx, crdt_peer peer, crdt_bytes bytes)
{
    struct tearer *t = (struct tearer *)ctx;
    return t->inner.send(t->inner.ctx, peer, bytes);
}

static inline crdt_err tear_poll(void *ctx, int timeout_ms)
{
    struct tearer *t = (struct tearer *)ctx;
    return t->inner.poll(t->inner.ctx, timeout_ms);
}

static inline void tear_drop(void *ctx, crdt_peer peer, const char *why)
{
    struct tearer *t = (struct tearer *)ctx;
    t->inner.drop(t->inner.ctx, peer, why);
}

static inline void tear_close(void *ctx)
{
    struct tearer *t = (struct tearer *)ctx;
    t->inner.close(t->inner.ctx);
}

static inline void tear_wrap(crdt_transport *out, size_t number)
{
    struct tearer *t = &tearers[number];
    memset(t, 0, sizeof *t);
    t->inner = *out;
    t->cut = tear_at;
    t->mine.version = 1;
    t->mine.ctx = t;
    t->mine.peer_up = tear_up;
    t->mine.peer_down = tear_down;
    t->mine.received = tear_received;
    t->mine.writable = tear_writable;
    out->ctx = t;
    out->start = tear_start;
    out->send = tear_send;
    out->poll = tear_poll;
    out->drop = tear_drop;
    out->close = tear_close;
}

/* The two nodes say some 200 bytes to each other until they are equal. */
TEST(frames_torn_at_every_byte)
{
    size_t cut;
    if (!(kit->properties & CRDT_STREAM)) {
        printf("skipped: messages stay whole\n");
        return;
    }
    for (cut = 1; cut < 300; cut++) {
        tear_at = cut;
        site_wrap = tear_wrap;
        SITES_BEGIN(2);
        site_put(0, "a", 1);
        site_put(1, "b", 2);
        SITES_UNTIL(sites_are_equal());
        CHECK(!strstr(sites[0].said, "damaged"));
        if (cut == 1)
            CHECK(tearers[0].seen > 100 && tearers[1].seen > 100);
        sites_close();
    }
}

#define SITES_SUITE                                                           \
    CASE(documents_become_equal_and_stay_so), CASE(a_document_of_a_mebibyte), \
        CASE(a_node_comes_back_and_catches_up),                               \
        CASE(garbage_from_a_stranger), CASE(frames_torn_at_every_byte)

#endif
