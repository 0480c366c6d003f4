/*
 * What the fuzz targets for deltas share: a document with something of
 * everything in it, and the look at it before and after.
 */
#ifndef FUZZ_DOC_H
#define FUZZ_DOC_H

#include "../../src/sweep.h"
#include "../../src/wire.h"
#include "../laws/check_doc.h"

#include <stdio.h>

#define FUZZ_WALL_MS UINT64_C(1700000000000)
enum { FUZZ_SELF = 3, FUZZ_OTHERS = 5, FUZZ_ROUNDS = 64 };

#define FUZZ_CHECK(cond)                                                      \
    do {                                                                      \
        if (!(cond)) {                                                        \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__,        \
                    #cond);                                                   \
            abort();                                                          \
        }                                                                     \
    } while (0)

static inline uint64_t fuzz_wall_ms(void *ctx)
{
    (void)ctx;
    return FUZZ_WALL_MS;
}

static inline crdt_err fuzz_fill(void *ctx, void *out, size_t len)
{
    uint8_t *count = (uint8_t *)ctx;
    memset(out, 0xf0 + ++*count % 16, len);
    return CRDT_OK;
}

/* Replica n: 16 bytes n, which a fuzzer can write too. */
static inline crdt_id fuzz_id(int n)
{
    crdt_id id;
    memset(id.b, n, sizeof id.b);
    return id;
}

static inline crdt_doc *fuzz_doc_new(int replica)
{
    static uint8_t count;
    crdt_config config;
    crdt_clock clock;
    crdt_random random;
    crdt_doc *doc = NULL;
    crdt_id id = fuzz_id(replica);
    memset(&config, 0, sizeof config);
    clock.version = random.version = 1;
    clock.ctx = NULL;
    clock.wall_ms = clock.mono_ms = fuzz_wall_ms;
    count = 0;
    random.ctx = &count;
    random.fill = fuzz_fill;
    config.clock = &clock;
    config.random = &random;
    config.replica = &id;
    FUZZ_CHECK(crdt_doc_new(&doc, &config) == CRDT_OK);
    return doc;
}

/* to := what `from` has and it lacks. */
static inline void fuzz_pull(crdt_doc *to, crdt_doc *from)
{
    crdt_vv vv = CRDT_VV_INIT;
    crdt_buf buf = CRDT_BUF_INIT;
    FUZZ_CHECK(crdt_doc_vv(to, &vv) == CRDT_OK);
    FUZZ_CHECK(crdt_delta(from, &vv, &buf) == CRDT_OK);
    FUZZ_CHECK(crdt_join(to, crdt_buf_bytes(&buf)) == CRDT_OK);
    crdt_buf_free(&buf);
    crdt_vv_free(&vv);
}

/* What replicas do in maps, registers and counters. */
static inline void fuzz_write_map(crdt_doc *doc, unsigned n)
{
    static const char *const keys[] = { "k", "map", "a key too long to inline",
                                        "" };
    crdt_obj root = crdt_root(doc);
    crdt_bytes key = crdt_str(keys[n / 32 % 4]);
    crdt_obj map = crdt_map_map(root, CRDT_STR("map"));
    crdt_obj counter = crdt_map_counter(map, CRDT_STR("n"));
    crdt_obj reg = crdt_map_register(map, CRDT_STR("r"));
    switch (n % 16) {
    case 0:
        (void)crdt_map_put_str(root, key, CRDT_STR("a string"));
        break;
    case 1:
        (void)crdt_map_put_int(map, key, -5);
        break;
    case 2:
        (void)crdt_counter_add(counter, 7);
        break;
    case 3:
        (void)crdt_counter_add(counter, -3);
        break;
    case 4:
        (void)crdt_counter_reset(counter);
        break;
    case 5:
        (void)crdt_map_remove(root, key);
        break;
    case 6:
        (void)crdt_map_remove(map, key);
        break;
    case 7:
        (void)crdt_register_set(reg, crdt_double(0.5));
        break;
    case 8:
        (void)crdt_register_clear(reg);
        break;
    case 9:
        (void)crdt_map_map(crdt_map_map(map, key), CRDT_STR("deep"));
        break;
    case 10:
        (void)crdt_map_put_bool(root, key, 1);
        break;
    case 11:
        (void)crdt_counter_add(crdt_map_counter(root, key), 1);
        break;
    case 12:
        (void)crdt_register_set(crdt_map_register(root, key),
                                crdt_blob(CRDT_STR("\0\1")));
        break;
    case 13:
        (void)crdt_map_put_null(map, key);
        break;
    case 14:
        (void)crdt_map_put(root, key, crdt_time(1));
        break;
    default:
        (void)crdt_map_clear(map);
        break;
    }
}

/* An element of each kind, some of which fit into rows. */
static inline crdt_value fuzz_element(unsigned n)
{
    switch (n % 8) {
    case 0:
        return crdt_int(7);
    case 1:
        return crdt_int(-300);
    case 2:
        return crdt_string(CRDT_STR("an element"));
    case 3:
        return crdt_null();
    case 4:
        return crdt_double(0.5);
    case 5:
        return crdt_bool(1);
    case 6:
        return crdt_blob(CRDT_STR("\0"));
    default:
        return crdt_time(1);
    }
}

/* The map of containers of the types that fuzz_write_map does not know. */
static inline crdt_obj fuzz_types(crdt_doc *doc)
{
    return crdt_map_map(crdt_root(doc), CRDT_STR("types"));
}

static inline crdt_obj fuzz_object(crdt_doc *doc, crdt_type type)
{
    return crdt_map_object(fuzz_types(doc), crdt_str(crdt_type_name(type)),
                           type);
}

/* One of them goes, or all. */
static inline void fuzz_remove_typed(crdt_doc *doc, unsigned n)
{
    crdt_type type = (crdt_type)(CRDT_GCOUNTER + n * 5 % 12);
    if (n == 7)
        (void)crdt_map_remove(crdt_root(doc), CRDT_STR("types"));
    else
        (void)crdt_map_remove(fuzz_types(doc), crdt_str(crdt_type_name(type)));
}

static inline void fuzz_write_sets(crdt_doc *doc, unsigned n, int clear)
{
    int type;
    for (type = CRDT_AW_SET; type < CRDT_TYPE_COUNT; type++) {
        crdt_obj set = fuzz_object(doc, (crdt_type)type);
        if (clear)
            (void)crdt_set_clear(set);
        else
            (void)crdt_set_remove(set, fuzz_element(n / 32));
    }
}

/* More than fit into one block. */
static inline void fuzz_write_rows(crdt_doc *doc, unsigned n)
{
    crdt_obj set = fuzz_object(doc, CRDT_AW_SET);
    int i;
    for (i = 0; i < CRDTI_BLOCK_ROWS + 4; i++)
        (void)crdt_set_add(set, crdt_int((int)n + i));
}

/* What they do in containers of all other types. */
static inline void fuzz_write_typed(crdt_doc *doc, unsigned n)
{
    crdt_obj bounded = fuzz_object(doc, CRDT_BOUNDED);
    crdt_id to = fuzz_id(1 + (int)(n / 32 % FUZZ_OTHERS));
    switch (n % 16) {
    case 0:
        (void)crdt_counter_add(fuzz_object(doc, CRDT_GCOUNTER), 3);
        break;
    case 1:
        (void)crdt_bounded_add(bounded, 5);
        break;
    case 2:
        (void)crdt_bounded_take(bounded, 2);
        break;
    case 3:
        (void)crdt_bounded_transfer(bounded, &to, 1);
        break;
    case 4:
        (void)crdt_max_set(fuzz_object(doc, CRDT_MAX), fuzz_element(n / 32));
        (void)crdt_min_set(fuzz_object(doc, CRDT_MIN), fuzz_element(n / 32));
        break;
    case 5:
    case 6:
        (void)crdt_flag_set(fuzz_object(doc, CRDT_EW_FLAG), n % 2);
        (void)crdt_flag_set(fuzz_object(doc, CRDT_DW_FLAG), n % 2);
        break;
    case 7:
        fuzz_write_sets(doc, n, 0);
        break;
    case 8:
        if (n / 32 % 4 == 1)
            fuzz_write_rows(doc, n);
        else
            fuzz_write_sets(doc, n, n / 32 == 0);
        break;
    case 9:
        fuzz_remove_typed(doc, n / 32);
        break;
    default:
        (void)crdt_set_add(fuzz_object(doc, (crdt_type)(CRDT_AW_SET + n % 6)),
                           fuzz_element(n / 32));
        break;
    }
}

/* The n-th thing of 256 that a replica does; all of it together is a rich
 * document. */
static inline void fuzz_write(crdt_doc *doc, unsigned n)
{
    n %= 256;
    if (n % 32 < 16)
        fuzz_write_map(doc, n);
    else
        fuzz_write_typed(doc, n);
    (void)crdt_doc_error(doc);
}

/* Three replicas that write, and hear of each other now and then. */
static inline void fuzz_history(crdt_doc *docs[3], unsigned rounds)
{
    static const int ids[3] = { 1, 2, 4 };
    unsigned i;
    for (i = 0; i < 3; i++)
        docs[i] = fuzz_doc_new(ids[i]);
    for (i = 0; i < rounds; i++) {
        fuzz_write(docs[i % 3], i * 7 + i / 16);
        crdt_commit(docs[i % 3]);
        if (i % 4 == 3)
            fuzz_pull(docs[i / 4 % 3], docs[(i / 4 + 1) % 3]);
    }
}

/* The document of FUZZ_SELF that every input starts from. */
static inline crdt_doc *fuzz_doc(void)
{
    static crdt_buf snapshot = CRDT_BUF_INIT;
    crdt_doc *docs[3], *doc;
    unsigned i;
    if (!snapshot.len) {
        fuzz_history(docs, FUZZ_ROUNDS);
        fuzz_pull(docs[0], docs[1]);
        fuzz_pull(docs[0], docs[2]);
        FUZZ_CHECK(crdt_delta(docs[0], NULL, &snapshot) == CRDT_OK);
        for (i = 0; i < 3; i++)
            crdt_doc_free(docs[i]);
    }
    doc = fuzz_doc_new(FUZZ_SELF);
    FUZZ_CHECK(crdt_join(doc, crdt_buf_bytes(&snapshot)) == CRDT_OK);
    for (i = 0; i < 4; i++)
        fuzz_write(doc, 1 + i * 5);
    crdt_commit(doc);
    return doc;
}

/* >>forgetting ------------------------------------------------------------ */

/* All that it can, as if all others had. */
static inline void fuzz_forget(crdt_doc *doc, int sweeps)
{
    crdt_vv vv = CRDT_VV_INIT;
    FUZZ_CHECK(crdt_doc_vv(doc, &vv) == CRDT_OK);
    FUZZ_CHECK(crdt_truncate(doc, &vv) == CRDT_OK);
    if (sweeps)
        FUZZ_CHECK(crdt_sweep(doc, &vv) == CRDT_OK);
    crdt_vv_free(&vv);
}

/* >>looking --------------------------------------------------------------- */

struct fuzz_look {
    crdt_buf bytes;
    crdt_digest digest;
    crdt_stats stats;
    crdt_vv vv, floor;
};

/* With the canonical bytes, or without. */
static inline void fuzz_look(struct fuzz_look *look, crdt_doc *doc, int whole)
{
    look->bytes.len = 0;
    if (whole)
        FUZZ_CHECK(crdt_canonical(doc, &look->bytes) == CRDT_OK);
    FUZZ_CHECK(crdt_doc_vv(doc, &look->vv) == CRDT_OK);
    FUZZ_CHECK(crdt_doc_floor(doc, &look->floor) == CRDT_OK);
    look->digest = crdt_doc_digest(doc);
    crdt_doc_stats(doc, &look->stats);
}

static inline int fuzz_same_state(const struct fuzz_look *a,
                                  const struct fuzz_look *b, int whole)
{
    return (!whole || crdt_bytes_equal(crdt_buf_bytes(&a->bytes),
                                       crdt_buf_bytes(&b->bytes))) &&
           a->digest.hi == b->digest.hi && a->digest.lo == b->digest.lo &&
           crdt_vv_compare(&a->vv, &b->vv) == CRDT_EQUAL &&
           a->stats.ops == b->stats.ops;
}

/* All but the time that was held back, which an error may tell. */
static inline int fuzz_same(const struct fuzz_look *a,
                            const struct fuzz_look *b, int whole)
{
    return fuzz_same_state(a, b, whole) &&
           crdt_vv_compare(&a->floor, &b->floor) == CRDT_EQUAL &&
           a->stats.removals == b->stats.removals &&
           a->stats.kills == b->stats.kills &&
           a->stats.objects == b->stats.objects &&
           a->stats.entries == b->stats.entries &&
           a->stats.replicas == b->stats.replicas;
}

/* Whether another live op, or row, of its replica is in the op's entry. */
static inline int fuzz_has_twin(const crdt_doc *doc, uint32_t index)
{
    const crdti_op *op = crdti_op_at(doc, index);
    const crdti_entry *entry = crdti_entry_at(doc, op->entry);
    crdt_bytes key = crdti_entry_key(entry);
    crdti_row_walk walk;
    uint32_t at = op->next;
    while (at && crdti_op_at(doc, at)->replica != op->replica)
        at = crdti_op_at(doc, at)->next;
    if (at || !crdti_row_fits(doc, entry->object, key))
        return at != 0;
    at = crdti_row_first(doc, entry->object, key, &walk);
    while (at && crdti_row_block(doc, at)->replica != op->replica)
        at = crdti_row_next(doc, &walk);
    return at != 0;
}

/* Whatever came, of each replica one op is alive in an entry at most. */
static inline int fuzz_has_twins(const crdt_doc *doc)
{
    size_t i;
    for (i = 0; i < doc->replicas.len; i++) {
        uint32_t at = crdti_journal_after(doc, (uint32_t)i, 0);
        for (; at; at = crdti_op_at(doc, at)->newer)
            if (crdti_op_is_alive(crdti_op_at(doc, at)) &&
                fuzz_has_twin(doc, at))
                return 1;
    }
    return 0;
}

static inline void fuzz_sound(crdt_doc *doc)
{
    const char *wrong = check_doc(doc);
    if (!wrong && fuzz_has_twins(doc))
        wrong = "two live ops of one replica in one entry";
    if (!wrong)
        return;
    fprintf(stderr, "unsound: %s\n", wrong);
    abort();
}

/* All that the document is goes into an empty one. */
static inline void fuzz_reproduces(crdt_doc *doc)
{
    static struct fuzz_look ours, theirs;
    crdt_doc *fresh = fuzz_doc_new(99);
    crdt_buf buf = CRDT_BUF_INIT;
    FUZZ_CHECK(crdt_delta(doc, NULL, &buf) == CRDT_OK);
    FUZZ_CHECK(crdt_join(fresh, crdt_buf_bytes(&buf)) == CRDT_OK);
    fuzz_sound(fresh);
    fuzz_look(&ours, doc, 1);
    fuzz_look(&theirs, fresh, 1);
    FUZZ_CHECK(fuzz_same_state(&ours, &theirs, 1));
    FUZZ_CHECK(ours.stats.kills == theirs.stats.kills);
    FUZZ_CHECK(ours.stats.removals == theirs.stats.removals);
    crdt_buf_free(&buf);
    crdt_doc_free(fresh);
}

#endif
