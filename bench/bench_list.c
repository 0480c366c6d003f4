/*
 * Lists of ints: written at the end and anywhere, read, moved and joined whole.
 * Each run begins with a list of n elements, of which the first and the last
 * are looked at when it is over.
 */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

#define SIZE 100000u

struct lists {
    crdt_doc *doc;
    crdt_obj list;
    crdt_buf saved; /* all of it, as a delta */
};

static crdt_obj list_of(crdt_doc *doc)
{
    return crdt_map_list(crdt_root(doc), CRDT_STR("list"));
}

static void fill(crdt_doc *doc, size_t n)
{
    crdt_obj list = list_of(doc);
    size_t i;
    for (i = 0; i < n; i++)
        bench_must(crdt_list_insert(list, i, crdt_int((int64_t)i)));
    bench_must(crdt_commit(doc));
}

static void lists_setup(struct bench *b)
{
    struct lists *l = (struct lists *)bench_memory(sizeof *l);
    l->doc = bench_doc(1);
    l->list = list_of(l->doc);
    fill(l->doc, b->n);
    bench_must(crdt_delta(l->doc, NULL, &l->saved));
    b->state = l;
}

static void lists_end(struct bench *b)
{
    struct lists *l = (struct lists *)b->state;
    crdt_buf_free(&l->saved);
    crdt_doc_free(l->doc);
    free(l);
}

static void must_hold(crdt_obj list, size_t len, size_t at, int64_t want)
{
    crdt_value value;
    if (crdt_list_len(list) != len || crdt_list_get(list, at, &value) ||
        value.kind != CRDT_INT || value.as.integer != want)
        bench_fail("a list is not what it should be");
}

/* n in a new document, a commit after each; again until there are `ops`. */
static void append_run(struct bench *b, uint64_t ops)
{
    uint64_t done;
    for (done = 0; done < ops; done += b->n) {
        crdt_doc *doc = bench_doc(1);
        crdt_obj list = list_of(doc);
        size_t i;
        bench_start(b);
        for (i = 0; i < b->n; i++) {
            bench_must(crdt_list_insert(list, i, crdt_int((int64_t)i)));
            bench_must(crdt_commit(doc));
        }
        bench_stop(b);
        must_hold(list, b->n, b->n - 1, (int64_t)b->n - 1);
        crdt_doc_free(doc);
    }
    b->ops = done;
}

/* The same at any index. */
static void insert_run(struct bench *b, uint64_t ops)
{
    uint64_t done;
    for (done = 0; done < ops; done += b->n) {
        crdt_doc *doc = bench_doc(1);
        crdt_obj list = list_of(doc);
        size_t i, at = 0;
        bench_start(b);
        for (i = 0; i < b->n; i++) {
            at = bench_below(b, i + 1);
            bench_must(crdt_list_insert(list, at, crdt_int((int64_t)i)));
            bench_must(crdt_commit(doc));
        }
        bench_stop(b);
        must_hold(list, b->n, at, (int64_t)b->n - 1);
        crdt_doc_free(doc);
    }
    b->ops = done;
}

/* And that in a plain array: the floor, which grows with n. */
static void array_run(struct bench *b, uint64_t ops)
{
    int64_t *array = (int64_t *)bench_memory(b->n * sizeof *array);
    uint64_t done;
    for (done = 0; done < ops; done += b->n) {
        size_t i, at;
        bench_start(b);
        for (i = 0; i < b->n; i++) {
            at = bench_below(b, i + 1);
            memmove(array + at + 1, array + at, (i - at) * sizeof *array);
            array[at] = (int64_t)i;
        }
        bench_stop(b);
        bench_keep((uint64_t)array[b->n / 2]);
    }
    b->ops = done;
    free(array);
}

static void get_run(struct bench *b, uint64_t ops)
{
    struct lists *l = (struct lists *)b->state;
    crdt_value value;
    int64_t wrong = 0;
    uint64_t i;
    bench_start(b);
    for (i = 0; i < ops; i++) {
        size_t at = bench_below(b, b->n);
        bench_must(crdt_list_get(l->list, at, &value));
        wrong |= value.as.integer ^ (int64_t)at;
    }
    bench_stop(b);
    if (wrong)
        bench_fail("got another element");
}

/* Walks the whole list; per element. */
static void next_run(struct bench *b, uint64_t ops)
{
    struct lists *l = (struct lists *)b->state;
    uint64_t done = 0;
    while (done < ops) {
        crdt_list_cursor at = CRDT_LIST_CURSOR_INIT;
        int64_t sum = 0;
        bench_start(b);
        while (!crdt_list_next(l->list, &at)) {
            sum += at.value.as.integer;
            done++;
        }
        bench_stop(b);
        if (sum != (int64_t)(b->n * (b->n - 1) / 2))
            bench_fail("the walk left something out");
    }
    b->ops = done;
}

/* Any element to any place, a commit after each. */
static void move_run(struct bench *b, uint64_t ops)
{
    struct lists *l = (struct lists *)b->state;
    crdt_value before, after;
    uint64_t i;
    for (i = 0; i < ops; i++) {
        size_t from = bench_below(b, b->n), to = bench_below(b, b->n);
        bench_must(crdt_list_get(l->list, from, &before));
        bench_start(b);
        bench_must(crdt_list_move(l->list, from, to));
        bench_must(crdt_commit(l->doc));
        bench_stop(b);
        bench_must(crdt_list_get(l->list, to, &after));
        if (before.as.integer != after.as.integer)
            bench_fail("moved another element");
    }
}

/* All of it into an empty document; ms. */
static void load_run(struct bench *b, uint64_t ops)
{
    struct lists *l = (struct lists *)b->state;
    uint64_t i;
    for (i = 0; i < ops; i++) {
        crdt_doc *doc = bench_doc(2);
        bench_start(b);
        bench_must(crdt_join(doc, crdt_buf_bytes(&l->saved)));
        bench_stop(b);
        must_hold(list_of(doc), b->n, b->n / 2, (int64_t)b->n / 2);
        crdt_doc_free(doc);
    }
}

static void saved_run(struct bench *b, uint64_t ops)
{
    struct lists *l = (struct lists *)b->state;
    b->bytes = l->saved.len;
    b->ops = ops;
}

/* What the document has from its allocator after `load`. */
static void memory_run(struct bench *b, uint64_t ops)
{
    struct lists *l = (struct lists *)b->state;
    uint64_t before = bench_alloc_bytes();
    crdt_doc *doc = bench_doc(2);
    bench_must(crdt_join(doc, crdt_buf_bytes(&l->saved)));
    must_hold(list_of(doc), b->n, 0, 0);
    b->bytes = bench_alloc_bytes() - before;
    b->ops = ops;
    crdt_doc_free(doc);
}

#define CASE(name, unit, run)                                                 \
    {                                                                         \
        name, unit, SIZE, 0, lists_setup, run, lists_end, NULL, NULL          \
    }
#define ALONE(name, run)                                                      \
    {                                                                         \
        name, BENCH_NS, SIZE, 0, NULL, run, NULL, NULL, NULL                  \
    }

const struct bench_case bench_list[] = {
    ALONE("list.append/100k", append_run),
    ALONE("list.insert/100k", insert_run),
    ALONE("list.array_insert/100k", array_run),
    CASE("list.get/100k", BENCH_NS, get_run),
    CASE("list.next/100k", BENCH_NS, next_run),
    CASE("list.load/100k", BENCH_MS, load_run),
    CASE("list.size_saved/100k", BENCH_BYTES, saved_run),
    CASE("list.bytes_per_element/100k", BENCH_MEMORY, memory_run),
    CASE("list.move/100k", BENCH_NS, move_run),
    BENCH_END
};
