/*
 * What goes over the network, beside what bench_sizes.c measures of every
 * type: what a delta of one op costs its sender and weighs, and joining it
 * where the history of the document matters.
 *
 * Joins are measured on pairs of documents with the same n live ops: one
 * writes BENCH_BATCH ops and makes a delta of each, off the clock; then the
 * other joins them.
 *
 *     put   over any key of a map of n keys that were written once
 *     hot   over one of a thousand of these keys
 *     old   over any key, after each was overwritten once in random order:
 *           with kill records, and journal neighbours far apart
 *     add   to one counter beside n keys
 */
#include "bench.h"

#include <stdlib.h>

#define SMALL 1000u
#define LARGE 1000000u

enum kind { PUT, HOT, OLD, ADD };

struct pair {
    crdt_doc *from, *to;
    struct bench_keys keys;
    crdt_vv since;
    crdt_buf deltas;
    size_t ends[BENCH_BATCH];
};

/* >>pairs ------------------------------------------------------------------ */

/* `to` gets what `from` has and it has not. */
static void pair_sync(struct pair *p)
{
    p->deltas.len = 0;
    bench_must(crdt_commit(p->from));
    bench_must(crdt_doc_vv(p->to, &p->since));
    bench_must(crdt_delta(p->from, &p->since, &p->deltas));
    bench_must(crdt_join(p->to, crdt_buf_bytes(&p->deltas)));
    bench_must(crdt_doc_vv(p->from, &p->since));
}

static void pair_put_all(struct pair *p, size_t n)
{
    size_t i;
    for (i = 0; i < n; i++) {
        bench_must(crdt_map_put_int(crdt_root(p->from),
                                    bench_keys_at(&p->keys, i), (int64_t)i));
        if (i % 1024 == 0)
            bench_must(crdt_commit(p->from));
    }
}

static void pair_setup(struct bench *b)
{
    struct pair *p = (struct pair *)bench_memory(sizeof *p);
    p->from = bench_doc(1);
    p->to = bench_doc(2);
    bench_keys_make(b, &p->keys, b->n);
    pair_put_all(p, b->n);
    pair_sync(p);
    if (b->is->which == OLD) {
        struct bench_keys written = p->keys;
        bench_keys_make(b, &p->keys, b->n);
        pair_put_all(p, b->n);
        bench_keys_free(&p->keys);
        p->keys = written;
        pair_sync(p);
    }
    b->state = p;
}

static void pair_end(struct bench *b)
{
    struct pair *p = (struct pair *)b->state;
    if (crdt_doc_digest(p->from).lo != crdt_doc_digest(p->to).lo)
        bench_fail("the two documents differ");
    crdt_doc_free(p->from);
    crdt_doc_free(p->to);
    bench_keys_free(&p->keys);
    crdt_vv_free(&p->since);
    crdt_buf_free(&p->deltas);
    free(p);
}

/* >>join ------------------------------------------------------------------- */

static void pair_write(struct bench *b, struct pair *p)
{
    crdt_obj root = crdt_root(p->from);
    size_t among = b->is->which == HOT ? SMALL : b->n;
    if (b->is->which == ADD)
        bench_must(
            crdt_counter_add(crdt_map_counter(root, CRDT_STR("hits")), 1));
    else
        bench_must(crdt_map_put_int(
            root, bench_keys_at(&p->keys, bench_below(b, among)),
            (int64_t)bench_below(b, 1000000)));
}

static void pair_write_batch(struct bench *b, struct pair *p, size_t count)
{
    size_t i;
    p->deltas.len = 0;
    for (i = 0; i < count; i++) {
        pair_write(b, p);
        bench_must(crdt_commit(p->from));
        bench_must(crdt_delta(p->from, &p->since, &p->deltas));
        bench_must(crdt_doc_vv(p->from, &p->since));
        p->ends[i] = p->deltas.len;
    }
}

static void join_run(struct bench *b, uint64_t ops)
{
    struct pair *p = (struct pair *)b->state;
    while (ops > 0) {
        size_t count = ops < BENCH_BATCH ? (size_t)ops : BENCH_BATCH;
        size_t i, start = 0;
        pair_write_batch(b, p, count);
        bench_start(b);
        for (i = 0; i < count; i++) {
            bench_must(crdt_join(p->to, crdt_bytes_of(p->deltas.ptr + start,
                                                      p->ends[i] - start)));
            start = p->ends[i];
        }
        bench_stop(b);
        ops -= count;
    }
}

/* What is known already: a peer that repeats itself. */
static void join_known_run(struct bench *b, uint64_t ops)
{
    struct pair *p = (struct pair *)b->state;
    pair_write_batch(b, p, 1);
    bench_must(crdt_join(p->to, crdt_buf_bytes(&p->deltas)));
    bench_start(b);
    for (; ops > 0; ops--)
        bench_must(crdt_join(p->to, crdt_buf_bytes(&p->deltas)));
    bench_stop(b);
}

/* >>extract ---------------------------------------------------------------- */

/* One op since, over and over: right after it was written. */
static void extract_run(struct bench *b, uint64_t ops)
{
    struct pair *p = (struct pair *)b->state;
    uint64_t sum = 0;
    pair_sync(p);
    pair_write(b, p);
    bench_must(crdt_commit(p->from));
    bench_start(b);
    for (; ops > 0; ops--) {
        p->deltas.len = 0;
        bench_must(crdt_delta(p->from, &p->since, &p->deltas));
        sum += p->deltas.len;
    }
    bench_stop(b);
    bench_keep(sum);
    pair_sync(p);
}

/* All of it. */
static void snapshot_run(struct bench *b, uint64_t ops)
{
    struct pair *p = (struct pair *)b->state;
    uint64_t rounds = (ops + b->n - 1) / b->n, sum = 0;
    b->ops = rounds * b->n;
    bench_start(b);
    for (; rounds > 0; rounds--) {
        p->deltas.len = 0;
        bench_must(crdt_delta(p->from, NULL, &p->deltas));
        sum += p->deltas.len;
    }
    bench_stop(b);
    bench_keep(sum);
}

/* Bytes of the delta of one op, frame included. */
static void bytes_run(struct bench *b, uint64_t ops)
{
    struct pair *p = (struct pair *)b->state;
    (void)ops;
    pair_write_batch(b, p, 1);
    bench_must(crdt_join(p->to, crdt_buf_bytes(&p->deltas)));
    b->bytes = p->deltas.len;
}

#define CASE(name, unit, n, which, run)                                       \
    {                                                                         \
        name, unit, n, which, pair_setup, run, pair_end, NULL, NULL           \
    }
#define RATIO(name, of, to)                                                   \
    {                                                                         \
        name, BENCH_RATIO, LARGE, 0, NULL, NULL, NULL, of, to                 \
    }
#define JOINS(name, kind)                                                     \
    CASE("delta.join." name ".1k", BENCH_NS, SMALL, kind, join_run),          \
        CASE("delta.join." name ".1M", BENCH_NS, LARGE, kind, join_run),      \
        RATIO("delta.join." name ".ratio_1M_to_1k", "delta.join." name ".1M", \
              "delta.join." name ".1k"),                                      \
        CASE("delta.join." name ".allocs", BENCH_ALLOCS, SMALL, kind,         \
             join_run)

const struct bench_case bench_delta[] = {
    CASE("delta.extract.1op.1k", BENCH_NS, SMALL, PUT, extract_run),
    CASE("delta.extract.1op.1M", BENCH_NS, LARGE, PUT, extract_run),
    RATIO("delta.extract.ratio_1M_to_1k", "delta.extract.1op.1M",
          "delta.extract.1op.1k"),
    CASE("delta.extract.allocs", BENCH_ALLOCS, SMALL, PUT, extract_run),
    CASE("delta.extract.snapshot.100k", BENCH_NS, 100000, PUT, snapshot_run),
    CASE("delta.bytes.put", BENCH_BYTES, SMALL, PUT, bytes_run),
    CASE("delta.bytes.add", BENCH_BYTES, SMALL, ADD, bytes_run),
    JOINS("hot", HOT),
    JOINS("old", OLD),
    JOINS("add", ADD),
    CASE("delta.join.known", BENCH_NS, SMALL, PUT, join_known_run),
    BENCH_END
};
