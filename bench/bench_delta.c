/*
 * What goes over the network: taking deltas out of a document and joining
 * them, framing, checksum and decoding included.
 *
 * Joins are measured on pairs of documents with the same n live ops: one
 * writes BENCH_BATCH ops and makes a delta of each, off the clock; then the
 * other joins them. Keys are random, so that with a million of them hardly
 * anything of the state is in a cache.
 *
 *     put   over a key of a map of n keys that were written once
 *     hot   over one of a thousand of these keys
 *     old   over any key, after each was overwritten once in random order:
 *           with kill records, and journal neighbours far apart
 *     new   a key that is not in the map yet
 *     add   to one counter beside n keys
 *     any   to any of n / 2 counters (each is two live ops: CREATE and ADD)
 */
#include "bench.h"

#include <stdlib.h>

#define SMALL 1000u
#define LARGE 1000000u

enum kind { PUT, HOT, OLD, NEW, ADD, ANY };

struct pair {
    crdt_doc *from, *to;
    struct bench_keys keys; /* of what is there, then of what will be new */
    crdt_obj *counters;     /* ADD: one, ANY: n / 2 */
    size_t counters_len;
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

static void pair_count_all(struct pair *p, size_t n)
{
    size_t i;
    p->counters = (crdt_obj *)bench_memory(n * sizeof *p->counters);
    p->counters_len = n;
    for (i = 0; i < n; i++) {
        p->counters[i] =
            n == 1 ? crdt_map_counter(crdt_root(p->from), CRDT_STR("hits"))
                   : crdt_map_counter(crdt_root(p->from),
                                      bench_keys_at(&p->keys, i));
        bench_must(crdt_counter_add(p->counters[i], 1));
        if (i % 1024 == 0)
            bench_must(crdt_commit(p->from));
    }
}

static void pair_setup(struct bench *b)
{
    struct pair *p = (struct pair *)bench_memory(sizeof *p);
    p->from = bench_doc(1);
    p->to = bench_doc(2);
    bench_keys_make(b, &p->keys, b->n + BENCH_BATCH);
    if (b->is->which == ANY)
        pair_count_all(p, b->n / 2);
    else
        pair_put_all(p, b->n);
    if (b->is->which == ADD)
        pair_count_all(p, 1);
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
    free(p->counters);
    crdt_vv_free(&p->since);
    crdt_buf_free(&p->deltas);
    free(p);
}

/* >>join ------------------------------------------------------------------- */

/* The i-th op of a batch. */
static void pair_write(struct bench *b, struct pair *p, size_t i)
{
    size_t at;
    switch ((enum kind)b->is->which) {
    case ADD:
    case ANY:
        at = bench_below(b, p->counters_len);
        bench_must(crdt_counter_add(p->counters[at], 1));
        break;
    case NEW:
        bench_must(crdt_map_put_int(crdt_root(p->from),
                                    bench_keys_at(&p->keys, b->n + i), 1));
        break;
    case PUT:
    case HOT:
    case OLD:
    default:
        at = bench_below(b, b->is->which == HOT ? SMALL : b->n);
        bench_must(crdt_map_put_int(crdt_root(p->from),
                                    bench_keys_at(&p->keys, at),
                                    (int64_t)bench_below(b, 1000000)));
    }
}

static void pair_write_batch(struct bench *b, struct pair *p, size_t count)
{
    size_t i;
    p->deltas.len = 0;
    for (i = 0; i < count; i++) {
        pair_write(b, p, i);
        bench_must(crdt_commit(p->from));
        bench_must(crdt_delta(p->from, &p->since, &p->deltas));
        bench_must(crdt_doc_vv(p->from, &p->since));
        p->ends[i] = p->deltas.len;
    }
}

/* What was new goes, so that the next batch is new again. */
static void pair_forget(struct bench *b, struct pair *p, size_t count)
{
    size_t i;
    for (i = 0; i < count; i++)
        bench_must(crdt_map_remove(crdt_root(p->from),
                                   bench_keys_at(&p->keys, b->n + i)));
    pair_sync(p);
    bench_must(crdt_truncate(p->from, &p->since));
    bench_must(crdt_truncate(p->to, &p->since));
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
        if (b->is->which == NEW)
            pair_forget(b, p, count);
        ops -= count;
    }
}

/* Deltas of BENCH_BATCH ops each. */
static void join_batch_run(struct bench *b, uint64_t ops)
{
    struct pair *p = (struct pair *)b->state;
    uint64_t rounds = (ops + BENCH_BATCH - 1) / BENCH_BATCH;
    b->ops = rounds * BENCH_BATCH;
    for (; rounds > 0; rounds--) {
        size_t i;
        for (i = 0; i < BENCH_BATCH; i++)
            pair_write(b, p, i);
        bench_must(crdt_commit(p->from));
        p->deltas.len = 0;
        bench_must(crdt_delta(p->from, &p->since, &p->deltas));
        bench_must(crdt_doc_vv(p->from, &p->since));
        bench_start(b);
        bench_must(crdt_join(p->to, crdt_buf_bytes(&p->deltas)));
        bench_stop(b);
    }
}

/* All of it into an empty document. */
static void join_snapshot_run(struct bench *b, uint64_t ops)
{
    struct pair *p = (struct pair *)b->state;
    uint64_t rounds = (ops + b->n - 1) / b->n;
    b->ops = rounds * b->n;
    p->deltas.len = 0;
    bench_must(crdt_delta(p->from, NULL, &p->deltas));
    for (; rounds > 0; rounds--) {
        crdt_doc_free(p->to);
        p->to = bench_doc(2);
        bench_start(b);
        bench_must(crdt_join(p->to, crdt_buf_bytes(&p->deltas)));
        bench_stop(b);
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

/* `which` ops since, over and over: right after they were written. */
static void extract_run(struct bench *b, uint64_t ops)
{
    struct pair *p = (struct pair *)b->state;
    size_t count = (size_t)b->is->which, i;
    uint64_t rounds = (ops + count - 1) / count, sum = 0;
    b->ops = rounds * count;
    pair_sync(p);
    for (i = 0; i < count; i++)
        bench_must(crdt_map_put_int(
            crdt_root(p->from), bench_keys_at(&p->keys, bench_below(b, b->n)),
            (int64_t)i));
    bench_must(crdt_commit(p->from));
    bench_start(b);
    for (; rounds > 0; rounds--) {
        p->deltas.len = 0;
        bench_must(crdt_delta(p->from, &p->since, &p->deltas));
        sum += p->deltas.len;
    }
    bench_stop(b);
    bench_keep(sum);
    pair_sync(p);
}

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
    CASE("delta.extract.1op.1k", BENCH_NS, SMALL, 1, extract_run),
    CASE("delta.extract.1op.1M", BENCH_NS, LARGE, 1, extract_run),
    RATIO("delta.extract.ratio_1M_to_1k", "delta.extract.1op.1M",
          "delta.extract.1op.1k"),
    CASE("delta.extract.allocs", BENCH_ALLOCS, SMALL, 1, extract_run),
    CASE("delta.extract.1000ops.1M", BENCH_NS, LARGE, 1000, extract_run),
    CASE("delta.extract.snapshot.100k", BENCH_NS, 100000, PUT, snapshot_run),
    CASE("delta.bytes.put", BENCH_BYTES, SMALL, PUT, bytes_run),
    CASE("delta.bytes.add", BENCH_BYTES, SMALL, ADD, bytes_run),
    JOINS("put", PUT),
    JOINS("hot", HOT),
    JOINS("old", OLD),
    JOINS("new", NEW),
    JOINS("add", ADD),
    JOINS("any", ANY),
    CASE("delta.join.known", BENCH_NS, SMALL, PUT, join_known_run),
    CASE("delta.join.batch.1k", BENCH_NS, SMALL, PUT, join_batch_run),
    CASE("delta.join.batch.1M", BENCH_NS, LARGE, PUT, join_batch_run),
    CASE("delta.join.snapshot.100k", BENCH_NS, 100000, PUT, join_snapshot_run),
    BENCH_END
};
