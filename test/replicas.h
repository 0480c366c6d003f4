/*
 * Documents that meet, for tests of what a type does: replicas by number, so
 * that their order is known, and one clock, which the test turns. A document
 * is looked through when it goes (check_doc.h).
 *
 *     crdt_doc *a = replica(1), *b = replica(2);
 *     ...
 *     meet(a, b);                 // both have what either wrote
 *     done(a), done(b);
 */
#ifndef REPLICAS_H
#define REPLICAS_H

#include "../src/error.h"
#include "../src/wire.h"
#include "laws/check_doc.h"
#include "test.h"

static uint64_t replicas_now = UINT64_C(1700000000000);

static inline uint64_t replicas_clock(void *ctx)
{
    (void)ctx;
    return replicas_now;
}

/* What is written next has a later stamp than all before; and what two
 * replicas write first has the same. */
static inline void later(void)
{
    replicas_now++;
}

static inline crdt_id replica_id(uint8_t number)
{
    crdt_id id;
    memset(id.b, number, sizeof id.b);
    return id;
}

static inline crdt_doc *replica(uint8_t number)
{
    static const crdt_clock clock = { 1, NULL, replicas_clock,
                                      replicas_clock };
    crdt_id id = replica_id(number);
    crdt_config config;
    crdt_doc *doc = NULL;
    memset(&config, 0, sizeof config);
    config.clock = &clock;
    config.replica = &id;
    CHECK(crdt_doc_new(&doc, &config) == CRDT_OK);
    return doc;
}

/* Everything that is kept twice agrees. */
static inline int is_sound(const crdt_doc *doc)
{
    const char *wrong = check_doc(doc);
    if (wrong)
        printf("unsound: %s\n", wrong);
    return !wrong;
}

static inline void done(crdt_doc *doc)
{
    CHECK(is_sound(doc));
    crdt_doc_free(doc);
}

/* What `from` has and `to` lacks. */
static inline crdt_buf news(crdt_doc *from, const crdt_doc *to)
{
    crdt_buf out = CRDT_BUF_INIT;
    crdt_vv vv = CRDT_VV_INIT;
    CHECK(crdt_doc_vv(to, &vv) == CRDT_OK);
    CHECK(crdt_commit(from) == CRDT_OK);
    CHECK(crdt_delta(from, &vv, &out) == CRDT_OK);
    crdt_vv_free(&vv);
    return out;
}

/* `to` joins what `from` has. */
static inline void pull(crdt_doc *to, crdt_doc *from)
{
    crdt_buf delta = news(from, to);
    CHECK_INT(crdt_commit(to), CRDT_OK);
    CHECK_INT(crdt_join(to, crdt_buf_bytes(&delta)), CRDT_OK);
    crdt_buf_free(&delta);
}

/* Whether two documents that have seen the same are the same. */
static inline int same(crdt_doc *a, crdt_doc *b)
{
    crdt_buf x = CRDT_BUF_INIT, y = CRDT_BUF_INIT;
    crdt_digest p = crdt_doc_digest(a), q = crdt_doc_digest(b);
    int equal;
    CHECK(crdt_canonical(a, &x) == CRDT_OK);
    CHECK(crdt_canonical(b, &y) == CRDT_OK);
    equal = crdt_bytes_equal(crdt_buf_bytes(&x), crdt_buf_bytes(&y)) &&
            p.hi == q.hi && p.lo == q.lo;
    crdt_buf_free(&x);
    crdt_buf_free(&y);
    return equal;
}

static inline void meet(crdt_doc *a, crdt_doc *b)
{
    pull(a, b);
    pull(b, a);
    CHECK(same(a, b));
}

/* The container of that type at the key of the root, made when missing. */
static inline crdt_obj at_root(crdt_doc *doc, crdt_type type)
{
    crdt_obj obj = crdt_map_object(crdt_root(doc), CRDT_STR("it"), type);
    CHECK(!crdt_is_null(obj));
    return obj;
}

/* A handle that leads to nothing. */
static inline crdt_obj nowhere(crdt_doc *doc)
{
    crdt_obj obj = crdt_root(doc);
    obj.index = 0;
    return obj;
}

#endif
