/*
 * What the tests of memory that runs out share. A scenario is calls to one
 * document, each in a STEP. It is run with the n-th request refused, for every
 * n until it is long enough; once that one alone, once all from it on. A
 * refused call answers CRDT_ERR_NOMEM, and the document is then what it was,
 * and usable; nothing may leak.
 *
 *     static void scenario(void)
 *     {
 *         if (!begin())
 *             return;
 *         STEP(doc, crdt_map_put_null(crdt_root(doc), CRDT_STR("k")));
 *     }
 *     TEST(every_request_is_refused) { run_out(scenario); }
 */
#ifndef REFUSED_H
#define REFUSED_H

#include "../../src/error.h"
#include "../../src/wire.h"
#include "../failing_alloc.h"
#include "../laws/check_doc.h"
#include "../test.h"

#include <setjmp.h>

#define WALL_MS UINT64_C(1700000000000)

static struct failing_alloc memory;
static jmp_buf out_of_memory;

static uint64_t wall_ms(void *ctx)
{
    (void)ctx;
    return WALL_MS;
}

static crdt_err fill(void *ctx, void *out, size_t len)
{
    memset(out, ++*(uint8_t *)ctx, len);
    return CRDT_OK;
}

static crdt_err doc_new(crdt_doc **doc, const crdt_alloc *alloc, uint8_t id)
{
    static uint8_t randoms;
    crdt_config config;
    crdt_clock clock;
    crdt_random random;
    crdt_id replica;
    memset(&config, 0, sizeof config);
    memset(replica.b, id, sizeof replica.b);
    clock.version = random.version = 1;
    clock.ctx = NULL;
    clock.wall_ms = clock.mono_ms = wall_ms;
    random.ctx = &randoms;
    random.fill = fill;
    randoms = 100;
    config.alloc = alloc;
    config.clock = &clock;
    config.random = &random;
    config.replica = &replica;
    return crdt_doc_new(doc, &config);
}

/* >>looking ----------------------------------------------------------------
 * A document encodes with its own memory. Looking must not use up the request
 * that is to fail, so nothing is counted meanwhile. */

struct pause {
    size_t fail_at, requests;
};

static struct pause pause_refusing(void)
{
    struct pause pause;
    pause.fail_at = memory.fail_at;
    pause.requests = memory.requests;
    memory.fail_at = 0;
    return pause;
}

static void go_on_refusing(struct pause pause)
{
    memory.fail_at = pause.fail_at;
    memory.requests = pause.requests;
}

struct picture {
    crdt_buf bytes;
    crdt_digest digest;
    crdt_stats stats;
    crdt_vv vv, floor;
    uint64_t written, hlc;
    const char *wrong;
};

static void look(struct picture *picture, crdt_doc *doc)
{
    struct pause pause = pause_refusing();
    uint64_t open = doc->replicas.ptr[doc->self].seq;
    picture->bytes.len = 0;
    picture->wrong = check_doc(doc);
    picture->digest = crdt_doc_digest(doc);
    crdt_doc_stats(doc, &picture->stats);
    picture->written = doc->written;
    picture->hlc = doc->hlc.last;
    if (crdt_doc_vv(doc, &picture->vv) || crdt_doc_floor(doc, &picture->floor))
        abort();
    /* As if it were committed: what is not is looked at too. */
    doc->replicas.ptr[doc->self].seq = doc->written;
#ifdef REFUSED_CANONICAL
    /* What is swept, and comes back, is no change of the document. */
    memset(&picture->stats, 0, sizeof picture->stats);
    if (crdt_canonical(doc, &picture->bytes))
        abort();
#else
    if (crdt_delta(doc, NULL, &picture->bytes))
        abort();
#endif
    doc->replicas.ptr[doc->self].seq = open;
    go_on_refusing(pause);
}

static int same(const struct picture *a, const struct picture *b)
{
    return crdt_bytes_equal(crdt_buf_bytes(&a->bytes),
                            crdt_buf_bytes(&b->bytes)) &&
           a->digest.hi == b->digest.hi && a->digest.lo == b->digest.lo &&
           a->written == b->written &&
           memcmp(&a->stats, &b->stats, sizeof a->stats) == 0 &&
           crdt_vv_compare(&a->vv, &b->vv) == CRDT_EQUAL &&
           crdt_vv_compare(&a->floor, &b->floor) == CRDT_EQUAL;
}

static struct picture before, after;

/* >>calls that find all pools full ----------------------------------------
 * Pools grow so seldom that a call might never be the one that asks. So before
 * each call its document's pools are made to be full: what is free in them is
 * hidden, and the rest given back, but for what is held for lists. */

enum { POOLS = 8 };

struct hidden {
    uint32_t first[POOLS], count[POOLS];
};

static crdti_pool *pool_of(crdt_doc *doc, int i)
{
    crdti_pool *pools[POOLS];
    pools[0] = &doc->objects;
    pools[1] = &doc->entries;
    pools[2] = &doc->ops;
    pools[3] = &doc->kills;
    pools[4] = &doc->blocks;
    pools[5] = &doc->leaves;
    pools[6] = &doc->forks;
    pools[7] = &doc->authors;
    return pools[i];
}

static size_t held_of(const crdt_doc *doc, int i)
{
    return i == 5 ? doc->held_leaves : i == 6 ? doc->held_forks : 0;
}

static struct hidden fill_pools(crdt_doc *doc)
{
    struct pause pause = pause_refusing();
    struct hidden hidden;
    int i;
    for (i = 0; i < POOLS; i++) {
        crdti_pool *p = pool_of(doc, i);
        hidden.first[i] = p->free_list;
        hidden.count[i] = p->used - 1 - p->live;
        p->free_list = 0;
        p->live = p->used - 1;
        if (p->used + held_of(doc, i) != p->cap) {
            size_t cap = p->used + held_of(doc, i);
            p->base = (uint8_t *)crdti_realloc(
                &doc->alloc, p->base, (size_t)p->cap * p->size, cap * p->size);
            p->cap = (uint32_t)cap;
        }
    }
    go_on_refusing(pause);
    return hidden;
}

/* Puts what was hidden behind what has become free since. */
static void unhide(crdt_doc *doc, const struct hidden *hidden)
{
    int i;
    for (i = 0; i < POOLS; i++) {
        crdti_pool *p = pool_of(doc, i);
        uint32_t at = p->free_list, next = at;
        p->live -= hidden->count[i];
        for (; next; crdti_copy(&next, crdti_pool_at(p, at), 4))
            at = next;
        if (at)
            crdti_copy(crdti_pool_at(p, at), &hidden->first[i], 4);
        else
            p->free_list = hidden->first[i];
    }
}

/* >>judging --------------------------------------------------------------- */

/* Judges a refused call. Leaves the scenario when memory stays away. */
static void refused(crdt_doc *doc, crdt_err err, const char *call)
{
    look(&after, doc);
    if (err != CRDT_ERR_NOMEM || !same(&before, &after) || after.wrong)
        printf("%s, request %lu: %s, %s\n", call,
               (unsigned long)memory.fail_at, crdt_err_name(err),
               after.wrong ? after.wrong : "changed");
    CHECK(err == CRDT_ERR_NOMEM && same(&before, &after) && !after.wrong);
    if (memory.from_then_on)
        longjmp(out_of_memory, 1);
}

/* Makes a call; when it is refused, once more, which must then work. Where it
 * `goes_on`, it may also be made without the memory. */
#define ATTEMPT(doc, call, goes_on)                                           \
    do {                                                                      \
        crdt_err step_err;                                                    \
        size_t step_failures = memory.failures;                               \
        struct hidden step_hidden;                                            \
        look(&before, doc);                                                   \
        step_hidden = fill_pools(doc);                                        \
        step_err = (call);                                                    \
        unhide(doc, &step_hidden);                                            \
        if (memory.failures > step_failures && (step_err || !(goes_on))) {    \
            refused(doc, step_err, #call);                                    \
            step_err = (call);                                                \
        }                                                                     \
        CHECK_INT(step_err, CRDT_OK);                                         \
    } while (0)

/* When there is no memory to tell a watcher, a call is made all the same. */
#define STEP(doc, call) ATTEMPT(doc, call, (doc)->watch)
/* So is one that only lacks memory to be fast. */
#define TRY(doc, call) ATTEMPT(doc, call, 1)

/* A creation helper: where it goes, and why it did not. */
static inline crdt_err made(crdt_doc *doc, crdt_obj *out, crdt_obj obj)
{
    *out = obj;
    return crdt_is_null(obj) ? crdt_doc_error(doc) : CRDT_OK;
}

/* >>running --------------------------------------------------------------- */

static crdt_doc *doc;
static crdt_buf sent;
static crdt_vv vector;
static void (*at_end)(void); /* when memory is back; or NULL */

/* The document of the scenario; 0 when there is no memory for one. */
static int begin(void)
{
    crdt_err err = doc_new(&doc, &memory.table, 20);
    if (!err)
        return 1;
    CHECK_INT(err, CRDT_ERR_NOMEM);
    CHECK(!doc && memory.failures);
    return !memory.from_then_on && doc_new(&doc, &memory.table, 20) == CRDT_OK;
}

/* A clear goes one by one, and says so: what it removed stays gone. */
static inline void clear(crdt_err (*call)(crdt_obj), crdt_obj obj)
{
    size_t failures = memory.failures;
    crdt_err err = call(obj);
    if (memory.failures > failures) {
        CHECK_INT(err, CRDT_ERR_NOMEM);
        look(&after, doc);
        CHECK(!after.wrong);
        if (memory.from_then_on)
            longjmp(out_of_memory, 1);
        err = call(obj);
    }
    CHECK_INT(err, CRDT_OK);
}

/* Walks with crdt_map_next or crdt_set_next; returns how many there are. */
static inline size_t iterate(crdt_err (*next)(crdt_obj, crdt_cursor *),
                             crdt_obj obj)
{
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    crdt_err err = CRDT_OK;
    size_t count = 0;
    while (!err) {
        size_t failures = memory.failures;
        look(&before, doc);
        err = next(obj, &cursor);
        if (memory.failures > failures) {
            refused(doc, err, "next");
            err = CRDT_OK;
        } else
            count += !err;
    }
    CHECK_INT(err, CRDT_ERR_NOT_FOUND);
    return count;
}

static void end(void)
{
    struct pause pause = pause_refusing();
    if (doc && at_end)
        at_end();
    go_on_refusing(pause);
}

static void run(void (*scenario)(void))
{
    doc = NULL;
    memset(&sent, 0, sizeof sent);
    memset(&vector, 0, sizeof vector);
    sent.alloc = vector.alloc = &memory.table;
    if (!setjmp(out_of_memory))
        scenario();
    end();
    crdt_doc_free(doc);
    crdt_buf_free(&sent);
    crdt_vv_free(&vector);
    CHECK(failing_alloc_clean(&memory));
}

/* Of many requests every so many-th: sanitizers take their time. */
static size_t stride;

static void run_out(void (*scenario)(void))
{
    size_t n;
    int mode, more;
    failing_alloc_init(&memory);
    run(scenario);
    CHECK(memory.requests > 0);
    stride = memory.requests > 100 ? (size_t)test_env("CRDT_STRIDE", 1) : 1;
    for (mode = 0; mode < 2; mode++) {
        more = 1;
        for (n = 1; more && !test_failures_in_case; n += stride) {
            failing_alloc_init(&memory);
            memory.fail_at = n;
            memory.from_then_on = mode;
            run(scenario);
            more = memory.failures > 0;
        }
        CHECK(n > memory.requests);
    }
}

#endif
