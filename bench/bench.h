/*
 * The benchmark harness: one C file is one subject, a row of its table is one
 * measurement.
 *
 *     static void add_run(struct bench *b, uint64_t ops)
 *     {
 *         bench_start(b);
 *         for (; ops > 0; ops--)
 *             ... what is measured ...
 *         bench_stop(b);
 *     }
 *
 *     const struct bench_case bench_mine[] = {
 *         { "mine.add", BENCH_NS, 1000, 0, add_setup, add_run, add_end,
 *           NULL, NULL },
 *         BENCH_END
 *     };
 *
 * The harness makes the state once (setup), looks for a number of ops that
 * takes BENCH_RUN_MS, runs that once to warm up and then several times, and
 * tells the median; what takes long runs three times or once, not warmed up.
 * What a run does between bench_stop and bench_start is not measured, so ops
 * may be prepared in batches. Seeds are fixed: every run of the program does
 * the same.
 *
 * A new subject: a table here, and a line in `subjects` of main.c.
 */
#ifndef BENCH_H
#define BENCH_H

#include "../crdtsync.h"

#define BENCH_SEED UINT64_C(20260101)
#define BENCH_RUN_MS 10   /* a run is at least that long */
#define BENCH_BATCH 1000u /* ops that are prepared before they are timed */

/* What a value is; the unit of the same number is in bench_units (main.c). */
enum bench_unit {
    BENCH_NS,     /* per op */
    BENCH_MS,     /* per op */
    BENCH_RATE,   /* bytes a second; a run adds to `bytes` */
    BENCH_ALLOCS, /* requests to the allocator per op */
    BENCH_MEMORY, /* bytes of heap per element; a run sets `bytes` */
    BENCH_BYTES,  /* the same, but not divided */
    BENCH_RATIO   /* of the values of two other cases */
};

struct bench_case;

/* One measurement under way. */
struct bench {
    const struct bench_case *is;
    size_t n;        /* of the case */
    uint64_t random; /* state of bench_random; set anew before setup */
    void *state;     /* what setup made */
    uint64_t ops; /* done by the run, which may set it, by default as asked */
    uint64_t bytes;
    uint64_t ns, began_ns;
    uint64_t allocs, began_allocs;
};

struct bench_case {
    const char *name;
    enum bench_unit unit;
    size_t n;                       /* elements in the subject */
    int which;                      /* what else setup or run must know */
    void (*setup)(struct bench *b); /* may be NULL, like end */
    void (*run)(struct bench *b, uint64_t ops);
    void (*end)(struct bench *b);
    const char *of, *to; /* BENCH_RATIO: value of `of` / value of `to`, or
                            NULL and a run that sets `ns` and `ops` */
};

#define BENCH_END                                                             \
    {                                                                         \
        NULL, BENCH_NS, 0, 0, NULL, NULL, NULL, NULL, NULL                    \
    }

extern const struct bench_case bench_baseline[];
extern const struct bench_case bench_core[];
extern const struct bench_case bench_types[];
extern const struct bench_case bench_delta[];
extern const struct bench_case bench_sizes[];
extern const struct bench_case bench_list[];
extern const struct bench_case bench_sync[];
extern const struct bench_case bench_store[];
extern struct bench_case bench_text[];      /* see bench_text_find */
extern const struct bench_case bench_big[]; /* only when asked for */
extern const struct bench_case bench_sync_big[];

/* Makes the cases of bench_text, by the traces there are. */
void bench_text_find(void);

/* Writes the traces as DIR/NAME.json, for other engines (plain.h). */
void bench_text_plain(const char *dir);

/* >>for the subjects: main.c ---------------------------------------------- */

void bench_start(struct bench *b);
void bench_stop(struct bench *b);

/* Ends the program: a benchmark that fails measures nothing. */
void bench_fail(const char *why);

static inline void bench_must(crdt_err err)
{
    if (err)
        bench_fail(crdt_err_name(err));
}

/* Makes the compiler believe that the number is needed. */
void bench_keep(uint64_t number);

/* malloc that counts: requests so far, bytes that are live. */
const crdt_alloc *bench_alloc(void);
uint64_t bench_alloc_requests(void);
uint64_t bench_alloc_bytes(void);

/* Memory or the end. */
void *bench_memory(size_t size);

/* A document with the default clock, the counting allocator and that replica
 * id, or one of which `number` is the beginning. */
crdt_doc *bench_doc_of(const crdt_id *id);
crdt_doc *bench_doc(unsigned number);

/* Two sessions back to back, as two nodes have them on an ordered transport:
 * what the one document commits is said, heard, joined, answered, and that is
 * heard. In bench_core.c. */
struct bench_link;
struct bench_link *bench_link_new(crdt_doc *from, crdt_doc *to);
void bench_link_send(struct bench_link *link);
uint64_t bench_link_sent(const struct bench_link *link); /* bytes */
void bench_link_free(struct bench_link *link);

/* splitmix64, and a number below `bound`. */
uint64_t bench_random(struct bench *b);
size_t bench_below(struct bench *b, size_t bound);

#define BENCH_KEY 8 /* "k" and 7 digits, as short keys mostly are */

/* The keys of `n` elements in random order, side by side, so that finding the
 * next one costs nothing. */
struct bench_keys {
    char (*text)[BENCH_KEY];
    size_t n;
};

crdt_bytes bench_key(char out[BENCH_KEY], size_t i);
void bench_keys_make(struct bench *b, struct bench_keys *keys, size_t n);
crdt_bytes bench_keys_at(const struct bench_keys *keys, size_t i);
void bench_keys_free(struct bench_keys *keys);

#endif
