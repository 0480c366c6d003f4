/*
 * Every type at every size: what an op costs where n elements are, here and at
 * the other replica, and what moving and keeping them costs. All of it is one
 * table of types (rows) times one list of measures:
 *
 *     fill                n elements from nothing, all growing included
 *     bytes_per_element   heap of the document then
 *     load                all of it into an empty document
 *     merge               all of it into one that wrote n elements meanwhile:
 *                         others in a set or map, else the same containers
 *     delta_1pct          taking out a delta of n / 100 ops
 *     add                 one more local op, and its commit
 *     apply               joining the delta of one op
 *     apply_1000          joining a delta of BENCH_BATCH ops
 *     merge_known_vv      taking out and joining such a delta
 *
 * All are nanoseconds per op or element, frames, checksums, decoding and
 * commits included, making what is written not. In a set or map the elements
 * are in one container, and an op adds one; what holds one value each is n
 * containers below one map, and an op writes to any of them. Ten million
 * containers are measured in one replica only: two would take 9 GB.
 *
 * Between two replicas that have the same, ops are written at one and joined
 * at the other. When they have grown by a quarter they are made anew.
 */
#include "bench.h"

#include <stdlib.h>

#define TEXT 16

struct item {
    crdt_obj at;
    crdt_bytes key;
    crdt_value value;
    char text[TEXT];
};

typedef crdt_err item_fn(const struct item *item);

enum shape { SET, MAP, MANY }; /* MANY: a container an element */
enum content { COUNTED, RANDOM, TEXTS };

struct row {
    crdt_type type;
    enum shape shape;
    enum content content; /* of a set */
    item_fn *fill, *op;
    int grows; /* elements that an op adds, or -1 */
};

/* >>rows ------------------------------------------------------------------- */

static crdt_err set_add(const struct item *item)
{
    return crdt_set_add(item->at, item->value);
}

static crdt_err set_remove(const struct item *item)
{
    return crdt_set_remove(item->at, item->value);
}

static crdt_err map_put(const struct item *item)
{
    return crdt_map_put(item->at, item->key, item->value);
}

static crdt_err map_remove(const struct item *item)
{
    return crdt_map_remove(item->at, item->key);
}

static crdt_err register_set(const struct item *item)
{
    return crdt_register_set(item->at, item->value);
}

static crdt_err max_set(const struct item *item)
{
    return crdt_max_set(item->at, item->value);
}

static crdt_err min_set(const struct item *item)
{
    return crdt_min_set(item->at, crdt_int(-item->value.as.integer));
}

static crdt_err counter_add(const struct item *item)
{
    return crdt_counter_add(item->at, 1);
}

static crdt_err bounded_add(const struct item *item)
{
    return crdt_bounded_add(item->at, 1);
}

static crdt_err flag_enable(const struct item *item)
{
    return crdt_flag_set(item->at, 1);
}

static crdt_err flag_set(const struct item *item)
{
    return crdt_flag_set(item->at, (int)(item->value.as.integer & 1));
}

enum {
    AW_SET,
    AW_SET_RANDOM,
    AW_SET_STRING,
    AW_SET_REMOVE,
    RW_SET,
    GSET,
    SET_2P,
    LWW_SET,
    LWW_SET_RM,
    MAP_PUT,
    MAP_NEW,
    MAP_REMOVE,
    REGISTER,
    COUNTER,
    GCOUNTER,
    BOUNDED,
    MAX,
    MIN,
    EW_FLAG,
    DW_FLAG
};

static const struct row rows[] = {
    { CRDT_AW_SET, SET, COUNTED, set_add, set_add, 1 },
    { CRDT_AW_SET, SET, RANDOM, set_add, set_add, 1 },
    { CRDT_AW_SET, SET, TEXTS, set_add, set_add, 1 },
    { CRDT_AW_SET, SET, RANDOM, set_add, set_remove, -1 },
    { CRDT_RW_SET, SET, COUNTED, set_add, set_add, 1 },
    { CRDT_GSET, SET, COUNTED, set_add, set_add, 1 },
    { CRDT_2PSET, SET, COUNTED, set_add, set_add, 1 },
    { CRDT_LWW_SET, SET, COUNTED, set_add, set_add, 1 },
    { CRDT_LWW_SET_RM, SET, COUNTED, set_add, set_add, 1 },
    { CRDT_MAP, MAP, COUNTED, map_put, map_put, 0 },
    { CRDT_MAP, MAP, COUNTED, map_put, map_put, 1 },
    { CRDT_MAP, MAP, COUNTED, map_put, map_remove, -1 },
    { CRDT_REGISTER, MANY, COUNTED, register_set, register_set, 0 },
    { CRDT_COUNTER, MANY, COUNTED, counter_add, counter_add, 0 },
    { CRDT_GCOUNTER, MANY, COUNTED, counter_add, counter_add, 0 },
    { CRDT_BOUNDED, MANY, COUNTED, bounded_add, bounded_add, 0 },
    { CRDT_MAX, MANY, COUNTED, max_set, max_set, 0 },
    { CRDT_MIN, MANY, COUNTED, min_set, min_set, 0 },
    { CRDT_EW_FLAG, MANY, COUNTED, flag_enable, flag_set, 0 },
    { CRDT_DW_FLAG, MANY, COUNTED, flag_enable, flag_set, 0 },
};

/* >>items ------------------------------------------------------------------ */

/* Two replicas, and what the next batch writes. */
struct pair {
    const struct row *row;
    size_t n;
    crdt_doc *from, *to; /* NULL: to be made */
    uint32_t *containers;
    uint64_t ops; /* since it was filled */
    uint64_t tick;
    uint64_t random; /* of the case before: each writes to other elements */
    uint64_t memory; /* of `from` when it was filled */
    crdt_vv since;   /* what `to` has */
    crdt_buf deltas;
    size_t ends[BENCH_BATCH];
    struct item items[BENCH_BATCH];
};

/* A number of `bits` bits for each, no two the same, in no order. */
static uint64_t scatter(uint64_t i, unsigned bits)
{
    uint64_t mask = (UINT64_C(1) << bits) - 1;
    i = i * UINT64_C(0x9e3779b97f4a7c15) & mask;
    i ^= i >> bits / 2;
    i = i * UINT64_C(0xbf58476d1ce4e5b9) & mask;
    return i ^ i >> bits / 2;
}

static crdt_bytes hex(char out[TEXT], uint64_t number, size_t digits)
{
    size_t at;
    for (at = digits; at-- > 0; number >>= 4)
        out[at] = "0123456789abcdef"[number & 15];
    return crdt_bytes_of(out, digits);
}

static crdt_obj place_of(const struct row *row, crdt_doc *doc)
{
    return row->shape == SET
               ? crdt_map_object(crdt_root(doc), CRDT_STR("set"), row->type)
               : crdt_root(doc);
}

/* The i-th element, to be written at `at`. */
static void item_make(struct pair *p, struct item *item, crdt_obj at,
                      uint64_t i)
{
    item->at = at;
    item->key = hex(item->text, scatter(i, 32), 8);
    item->value = crdt_int((int64_t)++p->tick);
    if (p->row->shape != SET)
        return;
    item->value = crdt_int((int64_t)i);
    if (p->row->content == RANDOM)
        item->value = crdt_int((int64_t)scatter(i, 48));
    else if (p->row->content == TEXTS)
        item->value = crdt_string(hex(item->text, scatter(i, 48), TEXT));
}

/* What the next op is about. */
static void item_next(struct bench *b, struct pair *p, struct item *item,
                      crdt_obj place)
{
    uint64_t i = bench_below(b, p->n ? p->n : 1);
    if (p->row->grows > 0)
        i = p->n + p->ops;
    else if (p->row->grows < 0)
        i = p->ops * UINT64_C(2654435761) % p->n;
    if (p->row->shape == MANY)
        place.index = p->containers[i];
    item_make(p, item, place, i);
    p->ops++;
}

static void items_next(struct bench *b, struct pair *p, size_t count)
{
    crdt_obj place = place_of(p->row, p->from);
    size_t i;
    for (i = 0; i < count; i++)
        item_next(b, p, &p->items[i], place);
}

/* >>pairs ------------------------------------------------------------------ */

static void fill_batch(struct pair *p, crdt_obj place, uint32_t *containers,
                       size_t count)
{
    size_t i;
    for (i = 0; i < count; i++) {
        struct item *item = &p->items[i];
        if (p->row->shape == MANY) {
            item->at = crdt_map_object(place, item->key, p->row->type);
            containers[i] = item->at.index;
        }
        bench_must(p->row->fill(item));
        bench_must(crdt_commit(place.doc));
    }
}

/* n elements from `first`, all but making their values timed. */
static void fill(struct bench *b, struct pair *p, crdt_doc *doc,
                 uint64_t first)
{
    crdt_obj place = place_of(p->row, doc);
    size_t i, at, count;
    for (at = 0; at < p->n; at += count) {
        count = p->n - at < BENCH_BATCH ? p->n - at : BENCH_BATCH;
        for (i = 0; i < count; i++)
            item_make(p, &p->items[i], place, first + at + i);
        bench_start(b);
        fill_batch(p, place, p->containers + at, count);
        bench_stop(b);
    }
}

static void from_make(struct bench *b, struct pair *p)
{
    uint64_t before;
    crdt_doc_free(p->from);
    crdt_doc_free(p->to);
    p->to = NULL;
    p->ops = 0;
    before = bench_alloc_bytes();
    p->from = bench_doc(1);
    fill(b, p, p->from, 0);
    bench_must(crdt_commit(p->from));
    p->memory = bench_alloc_bytes() - before;
}

static size_t size_of(const struct pair *p, crdt_doc *doc)
{
    return p->row->shape == SET ? crdt_set_size(place_of(p->row, doc))
                                : crdt_map_size(crdt_root(doc));
}

static size_t size_expected(const struct pair *p)
{
    return (size_t)((int64_t)p->n + p->row->grows * (int64_t)p->ops);
}

static void check(int holds)
{
    if (!holds)
        bench_fail("the documents are not what they should be");
}

/* Both have the same, and what they should. */
static void pair_check(const struct pair *p)
{
    crdt_digest from = crdt_doc_digest(p->from), to = crdt_doc_digest(p->to);
    check(size_of(p, p->from) == size_expected(p));
    check(size_of(p, p->to) == size_expected(p));
    check(from.hi == to.hi && from.lo == to.lo);
}

/* `to` gets what it lacks. */
static void pair_level(struct pair *p)
{
    p->deltas.len = 0;
    if (!p->to)
        p->to = bench_doc(2);
    bench_must(crdt_doc_vv(p->to, &p->since));
    bench_must(crdt_delta(p->from, &p->since, &p->deltas));
    bench_must(crdt_join(p->to, crdt_buf_bytes(&p->deltas)));
    bench_must(crdt_doc_vv(p->from, &p->since));
    pair_check(p);
}

/* Makes `from` anew where `count` more ops would change its size too much. */
static void from_ready(struct bench *b, struct pair *p, uint64_t count)
{
    uint64_t ns = b->ns, allocs = b->allocs;
    uint64_t most = count > p->n / 4 ? count : p->n / 4;
    if (!p->from || (p->row->grows && p->ops + count > most))
        from_make(b, p);
    b->ns = ns;
    b->allocs = allocs;
}

static void pair_ready(struct bench *b, struct pair *p, uint64_t count)
{
    from_ready(b, p, count);
    pair_level(p);
}

/* How many ops at once, when each is a delta or commit of its own. */
static size_t batch(const struct pair *p, uint64_t ops)
{
    size_t most = p->row->grows && p->n ? p->n / 4 : BENCH_BATCH;
    if (most > BENCH_BATCH)
        most = BENCH_BATCH;
    return ops < most ? (size_t)ops : most;
}

static void pair_free(struct pair *p)
{
    crdt_doc_free(p->from);
    crdt_doc_free(p->to);
    free(p->containers);
    crdt_vv_free(&p->since);
    crdt_buf_free(&p->deltas);
    free(p);
}

/* The pair of the last case serves the next, if that is of the same type and
 * size. */
static struct pair *kept;

static void pair_setup(struct bench *b)
{
    const struct row *row = &rows[b->is->which];
    b->state = kept;
    if (kept && kept->row == row && kept->n == b->n) {
        b->random = kept->random;
        return;
    }
    if (kept)
        pair_free(kept);
    kept = (struct pair *)bench_memory(sizeof *kept);
    kept->row = row;
    kept->n = b->n;
    kept->containers =
        (uint32_t *)bench_memory((b->n + 1) * sizeof *kept->containers);
    b->state = kept;
}

static void pair_end(struct bench *b)
{
    struct pair *p = (struct pair *)b->state;
    p->random = b->random;
    if (p->to)
        pair_level(p);
}

/* >>measures --------------------------------------------------------------- */

static uint64_t whole(struct bench *b, uint64_t ops, size_t unit)
{
    uint64_t rounds = (ops + unit - 1) / unit;
    b->ops = rounds * unit;
    return rounds;
}

static void fill_run(struct bench *b, uint64_t ops)
{
    struct pair *p = (struct pair *)b->state;
    uint64_t rounds = whole(b, ops, b->n);
    for (; rounds > 0; rounds--)
        from_make(b, p);
    check(size_of(p, p->from) == b->n);
}

static void memory_run(struct bench *b, uint64_t ops)
{
    struct pair *p = (struct pair *)b->state;
    (void)ops;
    from_ready(b, p, 0);
    b->bytes = p->memory;
}

/* All of `from` in `deltas`. */
static void take_all(struct bench *b, struct pair *p)
{
    from_ready(b, p, 0);
    p->deltas.len = 0;
    bench_must(crdt_delta(p->from, NULL, &p->deltas));
}

static void load_run(struct bench *b, uint64_t ops)
{
    struct pair *p = (struct pair *)b->state;
    uint64_t rounds = whole(b, ops, b->n);
    take_all(b, p);
    for (; rounds > 0; rounds--) {
        crdt_doc_free(p->to);
        p->to = bench_doc(2);
        bench_start(b);
        bench_must(crdt_join(p->to, crdt_buf_bytes(&p->deltas)));
        bench_stop(b);
    }
    pair_check(p);
}

static void merge_run(struct bench *b, uint64_t ops)
{
    struct pair *p = (struct pair *)b->state;
    uint64_t ns = 0, rounds = whole(b, ops, b->n);
    uint64_t other = p->row->shape == MANY ? 0 : UINT64_C(1) << 31;
    size_t size = other ? 2 * b->n : b->n;
    take_all(b, p);
    for (; rounds > 0; rounds--) {
        crdt_doc_free(p->to);
        p->to = bench_doc(2);
        fill(b, p, p->to, other);
        b->ns = ns;
        bench_start(b);
        bench_must(crdt_join(p->to, crdt_buf_bytes(&p->deltas)));
        bench_stop(b);
        ns = b->ns;
        check(size_of(p, p->to) == size);
    }
    crdt_doc_free(p->to);
    p->to = NULL;
}

static void write_one(struct pair *p, const struct item *item)
{
    bench_must(p->row->op(item));
    bench_must(crdt_commit(p->from));
}

static void add_run(struct bench *b, uint64_t ops)
{
    struct pair *p = (struct pair *)b->state;
    while (ops > 0) {
        size_t i, count = batch(p, ops);
        from_ready(b, p, count);
        items_next(b, p, count);
        bench_start(b);
        for (i = 0; i < count; i++)
            write_one(p, &p->items[i]);
        bench_stop(b);
        ops -= count;
    }
    check(size_of(p, p->from) == size_expected(p));
}

static void apply_run(struct bench *b, uint64_t ops)
{
    struct pair *p = (struct pair *)b->state;
    while (ops > 0) {
        size_t i, start = 0, count = batch(p, ops);
        pair_ready(b, p, count);
        items_next(b, p, count);
        p->deltas.len = 0;
        for (i = 0; i < count; i++) {
            write_one(p, &p->items[i]);
            bench_must(crdt_delta(p->from, &p->since, &p->deltas));
            bench_must(crdt_doc_vv(p->from, &p->since));
            p->ends[i] = p->deltas.len;
        }
        bench_start(b);
        for (i = 0; i < count; i++) {
            bench_must(crdt_join(p->to, crdt_bytes_of(p->deltas.ptr + start,
                                                      p->ends[i] - start)));
            start = p->ends[i];
        }
        bench_stop(b);
        pair_check(p);
        ops -= count;
    }
}

/* Ops that `to` has not, committed as one. */
static void write_many(struct bench *b, struct pair *p, size_t count)
{
    size_t i, done;
    pair_ready(b, p, count);
    for (; count > 0; count -= done) {
        done = count < BENCH_BATCH ? count : BENCH_BATCH;
        items_next(b, p, done);
        for (i = 0; i < done; i++)
            bench_must(p->row->op(&p->items[i]));
    }
    bench_must(crdt_commit(p->from));
    p->deltas.len = 0;
}

static void apply_1000_run(struct bench *b, uint64_t ops)
{
    struct pair *p = (struct pair *)b->state;
    uint64_t rounds = whole(b, ops, BENCH_BATCH);
    for (; rounds > 0; rounds--) {
        write_many(b, p, BENCH_BATCH);
        bench_must(crdt_delta(p->from, &p->since, &p->deltas));
        bench_start(b);
        bench_must(crdt_join(p->to, crdt_buf_bytes(&p->deltas)));
        bench_stop(b);
        pair_check(p);
    }
}

static void known_vv_run(struct bench *b, uint64_t ops)
{
    struct pair *p = (struct pair *)b->state;
    uint64_t rounds = whole(b, ops, BENCH_BATCH);
    for (; rounds > 0; rounds--) {
        write_many(b, p, BENCH_BATCH);
        bench_start(b);
        bench_must(crdt_doc_vv(p->to, &p->since));
        bench_must(crdt_delta(p->from, &p->since, &p->deltas));
        bench_must(crdt_join(p->to, crdt_buf_bytes(&p->deltas)));
        bench_stop(b);
        b->bytes = p->deltas.len;
        pair_check(p);
    }
}

/* One hundredth is written once a run, and taken out again and again. */
static void delta_run(struct bench *b, uint64_t ops)
{
    struct pair *p = (struct pair *)b->state;
    size_t count = b->n / 100;
    uint64_t rounds = whole(b, ops, count);
    write_many(b, p, count);
    for (; rounds > 0; rounds--) {
        p->deltas.len = 0;
        bench_start(b);
        bench_must(crdt_delta(p->from, &p->since, &p->deltas));
        bench_stop(b);
    }
    bench_must(crdt_join(p->to, crdt_buf_bytes(&p->deltas)));
    pair_check(p);
}

/* >>cases ------------------------------------------------------------------ */

#define CASE(name, unit, n, which, run)                                       \
    {                                                                         \
        name, unit, n, which, pair_setup, run, pair_end, NULL, NULL           \
    }
#define NS(name, n, which, run) CASE(name, BENCH_NS, n, which, run)
#define RATIO(name, of, to)                                                   \
    {                                                                         \
        name, BENCH_RATIO, 1, 0, NULL, NULL, NULL, of, to                     \
    }
/* What fills a document comes first: load and merge want n elements. */
#define FILL(type, size, n, which)                                            \
    NS(type ".fill/" size, n, which, fill_run),                               \
        CASE(type ".bytes_per_element/" size, BENCH_MEMORY, n, which,         \
             memory_run)
#define ROW(type, size, n, which)                                             \
    FILL(type, size, n, which), NS(type ".load/" size, n, which, load_run),   \
        NS(type ".merge/" size, n, which, merge_run),                         \
        NS(type ".delta_1pct/" size, n, which, delta_run),                    \
        NS(type ".add/" size, n, which, add_run),                             \
        NS(type ".apply/" size, n, which, apply_run),                         \
        NS(type ".apply_1000/" size, n, which, apply_1000_run)
/* What one replica does alone. */
#define ROW_ALONE(type, size, n, which)                                       \
    FILL(type, size, n, which), NS(type ".add/" size, n, which, add_run)
/* Only what an op of another kind is about. */
#define OPS(type, size, n, which)                                             \
    NS(type "/" size, n, which, add_run),                                     \
        NS(type ".apply/" size, n, which, apply_run),                         \
        NS(type ".apply_1000/" size, n, which, apply_1000_run)

#define SMALL(type, which)                                                    \
    ROW(type, "1k", 1000, which), ROW(type, "100k", 100000, which)
#define LARGE(type, which) ROW(type, "1M", 1000000, which)
#define HUGE(type, which) ROW(type, "10M", 10000000, which)
#define HUGE_ALONE(type, which) ROW_ALONE(type, "10M", 10000000, which)
#define SMALL_OPS(type, which)                                                \
    OPS(type, "1k", 1000, which), OPS(type, "100k", 100000, which)
#define LARGE_OPS(type, which) OPS(type, "1M", 1000000, which)
#define HUGE_OPS(type, which) OPS(type, "10M", 10000000, which)

#define FLAT(name, size) RATIO(name ".flat/" size, name "/" size, name "/1k")

const struct bench_case bench_sizes[] = {
    SMALL("aw_set", AW_SET),
    LARGE("aw_set", AW_SET),
    NS("aw_set.merge_known_vv/1M", 1000000, AW_SET, known_vv_run),
    NS("aw_set.merge_known_vv/1000_alone", 0, AW_SET, known_vv_run),
    RATIO("aw_set.merge_known_vv.ratio_1M_to_alone",
          "aw_set.merge_known_vv/1M", "aw_set.merge_known_vv/1000_alone"),
    FLAT("aw_set.add", "1M"),
    FLAT("aw_set.apply", "1M"),
    FLAT("aw_set.apply_1000", "1M"),
    SMALL("aw_set_random", AW_SET_RANDOM),
    SMALL("aw_set_string", AW_SET_STRING),
    SMALL_OPS("aw_set.remove", AW_SET_REMOVE),
    SMALL("rw_set", RW_SET),
    SMALL("gset", GSET),
    SMALL("2pset", SET_2P),
    SMALL("lww_set", LWW_SET),
    SMALL("lww_set_rm", LWW_SET_RM),
    SMALL("map", MAP_NEW),
    LARGE("map", MAP_NEW),
    NS("map.merge_known_vv/100k", 100000, MAP_NEW, known_vv_run),
    CASE("map.known_vv_bytes/100k", BENCH_BYTES, 100000, MAP_NEW,
         known_vv_run),
    SMALL_OPS("map.put", MAP_PUT),
    LARGE_OPS("map.put", MAP_PUT),
    SMALL_OPS("map.remove", MAP_REMOVE),
    SMALL("register", REGISTER),
    SMALL("counter", COUNTER),
    SMALL("gcounter", GCOUNTER),
    SMALL("bounded", BOUNDED),
    SMALL("max", MAX),
    SMALL("min", MIN),
    SMALL("ew_flag", EW_FLAG),
    SMALL("dw_flag", DW_FLAG),
    BENCH_END
};

const struct bench_case bench_big[] = {
    HUGE("aw_set", AW_SET),
    FLAT("aw_set.add", "10M"),
    FLAT("aw_set.apply", "10M"),
    FLAT("aw_set.apply_1000", "10M"),
    LARGE("aw_set_random", AW_SET_RANDOM),
    HUGE("aw_set_random", AW_SET_RANDOM),
    LARGE("aw_set_string", AW_SET_STRING),
    HUGE("aw_set_string", AW_SET_STRING),
    LARGE_OPS("aw_set.remove", AW_SET_REMOVE),
    HUGE_OPS("aw_set.remove", AW_SET_REMOVE),
    LARGE("rw_set", RW_SET),
    HUGE("rw_set", RW_SET),
    LARGE("gset", GSET),
    HUGE("gset", GSET),
    LARGE("2pset", SET_2P),
    HUGE("2pset", SET_2P),
    LARGE("lww_set", LWW_SET),
    HUGE("lww_set", LWW_SET),
    LARGE("lww_set_rm", LWW_SET_RM),
    HUGE("lww_set_rm", LWW_SET_RM),
    HUGE("map", MAP_NEW),
    HUGE_OPS("map.put", MAP_PUT),
    LARGE_OPS("map.remove", MAP_REMOVE),
    HUGE_OPS("map.remove", MAP_REMOVE),
    LARGE("register", REGISTER),
    HUGE_ALONE("register", REGISTER),
    LARGE("counter", COUNTER),
    HUGE_ALONE("counter", COUNTER),
    LARGE("gcounter", GCOUNTER),
    HUGE_ALONE("gcounter", GCOUNTER),
    LARGE("bounded", BOUNDED),
    HUGE_ALONE("bounded", BOUNDED),
    LARGE("max", MAX),
    HUGE_ALONE("max", MAX),
    LARGE("min", MIN),
    HUGE_ALONE("min", MIN),
    LARGE("ew_flag", EW_FLAG),
    HUGE_ALONE("ew_flag", EW_FLAG),
    LARGE("dw_flag", DW_FLAG),
    HUGE_ALONE("dw_flag", DW_FLAG),
    BENCH_END
};
