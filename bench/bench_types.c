/*
 * Reads, and writes beside those of bench_sizes.c: to one object, without a
 * commit after each, and how often they allocate. With the default clock.
 */
#include "bench.h"

#include <stdlib.h>

#define SMALL 1000u
#define LARGE 1000000u

/* A document with n elements; which of them comes next. */
struct types {
    crdt_doc *doc;
    struct bench_keys keys;
    crdt_obj *objs; /* counters or registers, in the order of the keys */
    size_t at;
};

static struct types *types_new(struct bench *b)
{
    struct types *t = (struct types *)bench_memory(sizeof *t);
    t->doc = bench_doc(1);
    bench_keys_make(b, &t->keys, b->n);
    b->state = t;
    return t;
}

static void types_end(struct bench *b)
{
    struct types *t = (struct types *)b->state;
    crdt_doc_free(t->doc);
    bench_keys_free(&t->keys);
    free(t->objs);
    free(t);
}

static size_t types_next(struct types *t)
{
    size_t at = t->at;
    t->at = at + 1 == t->keys.n ? 0 : at + 1;
    return at;
}

/* >>counter ---------------------------------------------------------------- */

static void counters_setup(struct bench *b)
{
    struct types *t = types_new(b);
    size_t i;
    t->objs = (crdt_obj *)bench_memory(b->n * sizeof *t->objs);
    for (i = 0; i < b->n; i++) {
        t->objs[i] =
            crdt_map_counter(crdt_root(t->doc), bench_keys_at(&t->keys, i));
        bench_must(crdt_counter_add(t->objs[i], 1));
        bench_must(crdt_commit(t->doc));
    }
}

/* `which`: a commit after so many. */
static void counter_add_run(struct bench *b, uint64_t ops)
{
    struct types *t = (struct types *)b->state;
    uint64_t per_commit = (uint64_t)b->is->which, open = 0;
    bench_start(b);
    for (; ops > 0; ops--) {
        bench_must(crdt_counter_add(t->objs[types_next(t)], 1));
        if (++open < per_commit)
            continue;
        bench_must(crdt_commit(t->doc));
        open = 0;
    }
    bench_must(crdt_commit(t->doc));
    bench_stop(b);
}

static void counter_get_run(struct bench *b, uint64_t ops)
{
    struct types *t = (struct types *)b->state;
    int64_t value, sum = 0;
    bench_start(b);
    for (; ops > 0; ops--) {
        bench_must(crdt_counter_get(t->objs[types_next(t)], &value));
        sum += value;
    }
    bench_stop(b);
    bench_keep((uint64_t)sum);
}

/* >>map -------------------------------------------------------------------- */

static void map_fill(struct types *t)
{
    size_t i;
    for (i = 0; i < t->keys.n; i++) {
        bench_must(crdt_map_put_int(crdt_root(t->doc),
                                    bench_keys_at(&t->keys, i), 1));
        bench_must(crdt_commit(t->doc));
    }
}

static void map_setup(struct bench *b)
{
    map_fill(types_new(b));
}

static void map_put_run(struct bench *b, uint64_t ops)
{
    struct types *t = (struct types *)b->state;
    crdt_obj map = crdt_root(t->doc);
    bench_start(b);
    for (; ops > 0; ops--) {
        bench_must(crdt_map_put_int(
            map, bench_keys_at(&t->keys, types_next(t)), (int64_t)ops));
        bench_must(crdt_commit(t->doc));
    }
    bench_stop(b);
}

/* Whole documents of n keys from nothing, the growing included. */
static void map_new_run(struct bench *b, uint64_t ops)
{
    struct types *t = (struct types *)b->state;
    uint64_t rounds = (ops + b->n - 1) / b->n;
    b->ops = rounds * b->n;
    for (; rounds > 0; rounds--) {
        crdt_doc_free(t->doc);
        t->doc = bench_doc(1);
        bench_start(b);
        map_fill(t);
        bench_stop(b);
    }
}

static void map_get_run(struct bench *b, uint64_t ops)
{
    struct types *t = (struct types *)b->state;
    crdt_obj map = crdt_root(t->doc);
    int64_t value, sum = 0;
    bench_start(b);
    for (; ops > 0; ops--) {
        bench_must(crdt_map_get_int(
            map, bench_keys_at(&t->keys, types_next(t)), &value));
        sum += value;
    }
    bench_stop(b);
    bench_keep((uint64_t)sum);
}

/* An op is one step; every walk sees all keys. */
static void map_next_run(struct bench *b, uint64_t ops)
{
    struct types *t = (struct types *)b->state;
    crdt_obj map = crdt_root(t->doc);
    uint64_t rounds = (ops + b->n - 1) / b->n, sum = 0;
    b->ops = rounds * b->n;
    bench_start(b);
    for (; rounds > 0; rounds--) {
        crdt_cursor cursor = CRDT_CURSOR_INIT;
        while (crdt_map_next(map, &cursor) == CRDT_OK)
            sum += (uint64_t)cursor.value.as.integer + cursor.key.len;
    }
    bench_stop(b);
    bench_keep(sum);
}

/* >>register --------------------------------------------------------------- */

static void registers_setup(struct bench *b)
{
    struct types *t = types_new(b);
    size_t i;
    t->objs = (crdt_obj *)bench_memory(b->n * sizeof *t->objs);
    for (i = 0; i < b->n; i++)
        t->objs[i] =
            crdt_map_register(crdt_root(t->doc), bench_keys_at(&t->keys, i));
    bench_must(crdt_commit(t->doc));
}

static void register_set_run(struct bench *b, uint64_t ops)
{
    struct types *t = (struct types *)b->state;
    bench_start(b);
    for (; ops > 0; ops--) {
        bench_must(
            crdt_register_set(t->objs[types_next(t)], crdt_int((int64_t)ops)));
        bench_must(crdt_commit(t->doc));
    }
    bench_stop(b);
}

#define CASE(name, unit, n, which, setup, run)                                \
    {                                                                         \
        name, unit, n, which, setup, run, types_end, NULL, NULL               \
    }
#define COUNTER(name, unit, n, per_commit)                                    \
    CASE(name, unit, n, per_commit, counters_setup, counter_add_run)

const struct bench_case bench_types[] = {
    COUNTER("counter.add.one", BENCH_NS, 1, 1),
    COUNTER("counter.add.per_1000_commit", BENCH_NS, 1, 1000),
    COUNTER("counter.add.allocs", BENCH_ALLOCS, 1, 1),
    CASE("counter.get", BENCH_NS, 1, 0, counters_setup, counter_get_run),
    CASE("map.put.one", BENCH_NS, 1, 0, map_setup, map_put_run),
    CASE("map.put.allocs", BENCH_ALLOCS, SMALL, 0, map_setup, map_put_run),
    CASE("map.add.allocs", BENCH_ALLOCS, 100 * SMALL, 0, map_setup,
         map_new_run),
    CASE("map.get/1k", BENCH_NS, SMALL, 0, map_setup, map_get_run),
    CASE("map.get/1M", BENCH_NS, LARGE, 0, map_setup, map_get_run),
    CASE("map.next/1k", BENCH_NS, SMALL, 0, map_setup, map_next_run),
    CASE("map.next/1M", BENCH_NS, LARGE, 0, map_setup, map_next_run),
    CASE("register.set.one", BENCH_NS, 1, 0, registers_setup,
         register_set_run),
    CASE("register.set.allocs", BENCH_ALLOCS, 1, 0, registers_setup,
         register_set_run),
    BENCH_END
};
