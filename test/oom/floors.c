/*
 * Memory that runs out, for every structure of the lower floors: a scenario is
 * run with the n-th request refused, for every n until it is long enough; once
 * that one alone, once all from it on. Each refused call must answer
 * CRDT_ERR_NOMEM and leave the structure as it was; nothing may leak.
 */
#include "../../src/arena.h"
#include "../../src/array.h"
#include "../../src/bytes.h"
#include "../../src/ctx.h"
#include "../../src/hash.h"
#include "../../src/ivset.h"
#include "../../src/pool.h"
#include "../../src/vv.h"
#include "../failing_alloc.h"
#include "../test.h"

static struct failing_alloc memory;

/* What a structure holds, as bytes; room for the largest scenario. */
struct picture {
    size_t len;
    uint8_t bytes[65536];
};
typedef void paint_fn(struct picture *picture, const void *thing);

static void paint(struct picture *picture, const void *ptr, size_t len)
{
    if (len > sizeof picture->bytes - picture->len)
        abort();
    if (len)
        memcpy(picture->bytes + picture->len, ptr, len);
    picture->len += len;
}

static struct picture before, after;

static void look(struct picture *picture, paint_fn *fn, const void *thing)
{
    picture->len = 0;
    fn(picture, thing);
}

static int unchanged(void)
{
    return before.len == after.len &&
           memcmp(before.bytes, after.bytes, before.len) == 0;
}

/* Makes the call. When it is refused: checks, and makes it once more. Leaves
 * the scenario when memory does not come back. */
#define STEP(fn, thing, call)                                                 \
    do {                                                                      \
        crdt_err step_err;                                                    \
        look(&before, fn, thing);                                             \
        step_err = (call);                                                    \
        if (step_err) {                                                       \
            CHECK_INT(step_err, CRDT_ERR_NOMEM);                              \
            look(&after, fn, thing);                                          \
            CHECK(unchanged());                                               \
            if (memory.from_then_on)                                          \
                goto out;                                                     \
            CHECK_INT((call), CRDT_OK);                                       \
        }                                                                     \
    } while (0)

static void run_out(void (*scenario)(void))
{
    size_t n, requests;
    int mode;
    failing_alloc_init(&memory);
    scenario();
    requests = memory.requests;
    CHECK(requests >= 2 && failing_alloc_clean(&memory));
    for (mode = 0; mode < 2; mode++) {
        for (n = 1; n <= requests; n++) {
            failing_alloc_init(&memory);
            memory.fail_at = n;
            memory.from_then_on = mode;
            scenario();
            CHECK_INT(memory.failures > 0, 1);
            CHECK(failing_alloc_clean(&memory));
        }
    }
}

/* >>buf and writer */

static void paint_buf(struct picture *picture, const void *thing)
{
    const crdt_buf *buf = (const crdt_buf *)thing;
    paint(picture, &buf->ptr, sizeof buf->ptr);
    paint(picture, &buf->cap, sizeof buf->cap);
    paint(picture, buf->ptr, buf->len);
}

static void buf_scenario(void)
{
    crdt_buf buf = CRDT_BUF_INIT;
    int i;
    buf.alloc = &memory.table;
    for (i = 0; i < 300; i++) {
        STEP(paint_buf, &buf, crdti_buf_reserve(&buf, 5));
        memset(buf.ptr + buf.len, i & 255, 5);
        buf.len += 5;
    }
out:
    crdt_buf_free(&buf);
}

static crdt_err put_some(crdt_buf *buf, int i)
{
    static const uint8_t raw[50] = { 1, 2, 3 };
    size_t len = buf->len;
    crdti_writer w;
    crdti_writer_init(&w, buf);
    crdti_put_u8(&w, (uint8_t)i);
    crdti_put_u32le(&w, 1);
    crdti_put_u64le(&w, 2);
    crdti_put_varint(&w, 3);
    crdti_put_zigzag(&w, -4);
    crdti_put_bytes(&w, crdt_bytes_of(raw, sizeof raw));
    buf->len = w.err ? len : buf->len;
    return w.err;
}

static void paint_written(struct picture *picture, const void *thing)
{
    const crdt_buf *buf = (const crdt_buf *)thing;
    paint(picture, buf->ptr, buf->len);
}

static void writer_scenario(void)
{
    crdt_buf buf = CRDT_BUF_INIT;
    int i;
    buf.alloc = &memory.table;
    for (i = 0; i < 50; i++)
        STEP(paint_written, &buf, put_some(&buf, i));
out:
    crdt_buf_free(&buf);
}

TEST(buffers)
{
    run_out(buf_scenario);
}

TEST(writers)
{
    run_out(writer_scenario);
}

/* >>array */

typedef struct number_list {
    uint32_t *ptr;
    size_t len, cap;
} number_list;

static void paint_list(struct picture *picture, const void *thing)
{
    const number_list *list = (const number_list *)thing;
    paint(picture, list, sizeof *list);
    paint(picture, list->ptr, list->len * sizeof *list->ptr);
}

static void array_scenario(void)
{
    number_list list = { NULL, 0, 0 };
    uint32_t i;
    for (i = 0; i < 1000; i++) {
        STEP(paint_list, &list, crdti_array_reserve(&memory.table, &list, 1));
        list.ptr[list.len++] = i;
    }
out:
    crdti_array_free(&memory.table, &list);
}

TEST(arrays)
{
    run_out(array_scenario);
}

/* >>hash table */

static void paint_table(struct picture *picture, const void *thing)
{
    const crdti_hash_table *t = (const crdti_hash_table *)thing;
    paint(picture, &t->slots, sizeof t->slots);
    paint(picture, &t->len, sizeof t->len);
    paint(picture, t->slots, t->cap * sizeof *t->slots);
}

static void table_scenario(void)
{
    crdti_hash_table t = { NULL, 0, 0 };
    uint64_t seed = 1, hash[700];
    uint32_t i;
    for (i = 0; i < 700; i++) {
        STEP(paint_table, &t, crdti_table_reserve(&memory.table, &t, 1));
        crdti_table_insert(&t, hash[i] = test_random(&seed), i + 1);
        if (i % 3 == 2)
            CHECK(crdti_table_remove(&t, hash[i - 1], i));
    }
out:
    crdti_table_free(&memory.table, &t);
}

TEST(hash_tables)
{
    run_out(table_scenario);
}

/* >>pool */

static void paint_pool(struct picture *picture, const void *thing)
{
    const crdti_pool *p = (const crdti_pool *)thing;
    paint(picture, p, sizeof *p);
    if (p->base)
        paint(picture, p->base + p->size, (p->used - 1) * (size_t)p->size);
}

static void pool_scenario(void)
{
    crdti_pool p;
    uint32_t i, last = 0;
    crdti_pool_init(&p, 12);
    for (i = 0; i < 1000; i++) {
        STEP(paint_pool, &p, crdti_pool_reserve(&memory.table, &p, 1));
        if (last && i % 7 == 0)
            crdti_pool_give(&p, last);
        last = crdti_pool_take(&p);
        memset(crdti_pool_at(&p, last), (int)(i & 255), 12);
    }
out:
    crdti_pool_free(&memory.table, &p);
}

TEST(pools)
{
    run_out(pool_scenario);
}

/* >>arena */

static void paint_arena(struct picture *picture, const void *thing)
{
    const crdti_arena *arena = (const crdti_arena *)thing;
    const crdti_arena_block *block = arena->top;
    paint(picture, &arena->top, sizeof arena->top);
    if (block) /* the others are checked with a mark of their own */
        paint(picture, block, block->used < 9000 ? block->used : 9000);
}

static crdt_err arena_fill(crdti_arena *arena, size_t size)
{
    void *part = crdti_arena_alloc(arena, size);
    if (part)
        memset(part, 0x11, size);
    return part ? CRDT_OK : CRDT_ERR_NOMEM;
}

static void arena_scenario(void)
{
    crdti_arena arena;
    crdti_arena_mark mark;
    size_t i;
    crdti_arena_init(&arena, &memory.table);
    STEP(paint_arena, &arena, arena_fill(&arena, 100));
    mark = crdti_arena_here(&arena);
    for (i = 0; i < 200; i++)
        STEP(paint_arena, &arena, arena_fill(&arena, i * 10));
    crdti_arena_reset(&arena, mark);
    for (i = 0; i < 3; i++)
        STEP(paint_arena, &arena, arena_fill(&arena, 300000));
out:
    crdti_arena_free(&arena);
}

TEST(arenas)
{
    run_out(arena_scenario);
}

/* >>interval set */

static void paint_ivset(struct picture *picture, const void *thing)
{
    const crdti_ivset *set = (const crdti_ivset *)thing;
    paint(picture, set, sizeof *set);
    paint(picture, set->ptr, set->len * sizeof *set->ptr);
}

static void ivset_scenario(void)
{
    const crdt_alloc *alloc = &memory.table;
    crdti_ivset a = { NULL, 0, 0 }, b = { NULL, 0, 0 };
    uint64_t i;
    for (i = 0; i < 40; i++)
        STEP(paint_ivset, &a,
             crdti_ivset_add(alloc, &a, i * 100, i * 100 + 50));
    for (i = 0; i < 60; i++)
        STEP(paint_ivset, &a,
             crdti_ivset_remove(alloc, &a, i * 60 + 20, i * 60 + 22));
    for (i = 0; i < 100; i++)
        STEP(paint_ivset, &b, crdti_ivset_add(alloc, &b, i * 33, i * 33 + 3));
    STEP(paint_ivset, &a, crdti_ivset_subtract(alloc, &a, &b));
out:
    crdti_ivset_free(alloc, &a);
    crdti_ivset_free(alloc, &b);
}

TEST(interval_sets)
{
    run_out(ivset_scenario);
}

/* >>version vector */

static crdt_id id_of(uint32_t n)
{
    crdt_id id = { { 0 } };
    crdti_store32(id.b, n * 2654435761u);
    return id;
}

static void paint_vv(struct picture *picture, const void *thing)
{
    const crdt_vv *vv = (const crdt_vv *)thing;
    paint(picture, vv, sizeof *vv);
    paint(picture, vv->entries, vv->len * sizeof *vv->entries);
}

static void vv_scenario(void)
{
    crdt_vv a = CRDT_VV_INIT, b = CRDT_VV_INIT, c = CRDT_VV_INIT;
    crdt_buf buf = CRDT_BUF_INIT;
    uint32_t i;
    a.alloc = b.alloc = c.alloc = buf.alloc = &memory.table;
    for (i = 0; i < 60; i++) {
        crdt_id x = id_of(i), y = id_of(i + 30);
        STEP(paint_vv, &a, crdt_vv_set(&a, &x, i + 1));
        STEP(paint_vv, &b, crdt_vv_set(&b, &y, 31));
    }
    STEP(paint_vv, &c, crdt_vv_copy(&c, &a));
    STEP(paint_vv, &c, crdt_vv_merge(&c, &b));
    CHECK_INT(c.len, 90);
    STEP(paint_buf, &buf, crdt_vv_encode(&c, &buf));
    STEP(paint_vv, &a, crdt_vv_decode(&a, crdt_buf_bytes(&buf)));
    CHECK_INT(crdt_vv_compare(&a, &c), CRDT_EQUAL);
out:
    crdt_vv_free(&a);
    crdt_vv_free(&b);
    crdt_vv_free(&c);
    crdt_buf_free(&buf);
}

TEST(version_vectors)
{
    run_out(vv_scenario);
}

/* >>causal context */

static void paint_ctx(struct picture *picture, const void *thing)
{
    const crdt_ctx *ctx = (const crdt_ctx *)thing;
    size_t i;
    paint(picture, ctx->vv.entries, ctx->vv.len * sizeof *ctx->vv.entries);
    for (i = 0; i < ctx->clouds.len; i++) {
        const crdti_cloud *cloud = &ctx->clouds.ptr[i];
        paint(picture, &cloud->replica, sizeof cloud->replica);
        paint(picture, cloud->runs.ptr,
              cloud->runs.len * sizeof *cloud->runs.ptr);
    }
}

static void paint_nothing(struct picture *picture, const void *thing)
{
    const crdt_ctx *const *out = (const crdt_ctx *const *)thing;
    paint(picture, out, sizeof *out);
}

static void ctx_scenario(void)
{
    crdt_ctx *ctx = NULL;
    uint64_t seed = 5;
    int i;
    STEP(paint_nothing, &ctx, crdt_ctx_new(&ctx, &memory.table));
    for (i = 0; i < 400; i++) {
        crdt_id id = id_of(test_below(&seed, 20));
        uint64_t first = 1 + test_below(&seed, 100);
        uint64_t last = first + test_below(&seed, 3);
        STEP(paint_ctx, ctx, crdt_ctx_add(ctx, &id, first, last));
    }
    for (i = 100; i < 140; i++) { /* the vector grows over a cloud */
        crdt_id id = id_of((uint32_t)i);
        STEP(paint_ctx, ctx, crdt_ctx_add(ctx, &id, 2, 3));
        STEP(paint_ctx, ctx, crdt_ctx_add(ctx, &id, 1, 1));
        CHECK_INT(crdt_ctx_missing(ctx, &id), 4);
    }
out:
    crdt_ctx_free(ctx);
}

TEST(causal_contexts)
{
    run_out(ctx_scenario);
}

TEST_MAIN(CASE(buffers), CASE(writers), CASE(arrays), CASE(hash_tables),
          CASE(pools), CASE(arenas), CASE(interval_sets),
          CASE(version_vectors), CASE(causal_contexts))
