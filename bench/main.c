/*
 * build/bench [--json] [--list] [--big] [--runs N] [--ops N] [--plain DIR]
 *             [--help] [PATTERN]
 *
 * Measures every case whose name holds PATTERN and prints its median, as a
 * table or as one JSON object a line, beside its target if it has one. Timings
 * are for a quiet machine; where it is noisy, hold them against those of
 * `baseline`.
 */
#if !defined(_POSIX_C_SOURCE)
#define _POSIX_C_SOURCE 200809L
#endif

#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RUNS_MIN 5
#define RUNS_MAX 101
#define RUN_NS (BENCH_RUN_MS * UINT64_C(1000000))
#define RUNS_FEW 3 /* of a case that takes longer than CASE_NS in all */
#define CASE_NS (UINT64_C(80) * 1000000u)
#define CASE_MAX_NS (UINT64_C(1) * 1000000000u) /* no further runs */
#define CASES_MAX 512

static const struct bench_case *const subjects[] = {
    bench_baseline, bench_core, bench_types,   bench_delta,
    bench_sizes,    bench_text, bench_list,    bench_sync,
    bench_store,    bench_big,  bench_sync_big
};
#define SUBJECTS (sizeof subjects / sizeof *subjects)

/* What cases of that name are to stay below (or at); all those that begin so
 * when it ends with a slash. */
static const struct target {
    const char *name;
    double most;
} targets[] = {
    { "aw_set.add.flat/", 2 },
    { "aw_set.add/", 100 },
    { "aw_set.apply.flat/", 2 },
    { "aw_set.apply/", 100 },
    { "aw_set.apply_1000.flat/", 2 },
    { "aw_set.apply_1000/", 100 },
    { "aw_set.bytes_per_element/", 40 },
    { "aw_set_random.bytes_per_element/", 40 },
    { "aw_set.merge_known_vv.ratio_1M_to_alone", 2 },
    { "map.put/", 100 },
    { "map.add/", 100 },
    { "sync.overhead/delta.1k", 1.1 },
    { "sync.overhead/delta.all", 1.1 },
    { "text.local/automerge-paper", 10 },
    { "text.local_ratio/automerge-paper", 2.5 },
    { "text.local_ratio/friendsforever_flat", 3 },
    { "text.local_ratio/rustcode", 3 },
    { "text.remote_keystrokes/automerge-paper", 250 },
    { "text.keystroke_bytes/automerge-paper", 12 },
    { "text.remote_whole/automerge-paper", 1 },
    { "text.remote_whole/friendsforever", 0.4 },
    { "text.remote_whole/git-makefile", 6 },
    { "text.open/automerge-paper", 1 },
    { "text.size_saved/automerge-paper", 130000 },
    { "text.size_saved_gz/automerge-paper", 58000 },
    { "text.size_forgotten_gz/automerge-paper", 45000 },
    { "text.memory/automerge-paper", 1000000 },
    { "text.random_1M/", 1000 },
    { "store.commit.to_bare", 1.25 },
    { "store.commit.64_at_once.to_bare", 0.1 },
};
#define TARGETS (sizeof targets / sizeof *targets)

/* By enum bench_unit. */
static const char *const bench_units[] = { "ns/op",     "ms/op",     "B/s",
                                           "allocs/op", "B/element", "B",
                                           "x" };

struct result {
    int is_known;
    double value, min, max;
    int runs;
};

struct options {
    int json, list, big, runs;
    uint64_t ops; /* 0: as many as it takes to be measured */
    const char *pattern, *plain;
};

/* >>time, luck and memory -------------------------------------------------- */

/* Of the processor, not of the wall: what others run on it does not count. */
static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void bench_start(struct bench *b)
{
    b->began_allocs = bench_alloc_requests();
    b->began_ns = now_ns();
}

void bench_stop(struct bench *b)
{
    b->ns += now_ns() - b->began_ns;
    b->allocs += bench_alloc_requests() - b->began_allocs;
}

void bench_fail(const char *why)
{
    fprintf(stderr, "bench: %s\n", why);
    exit(1);
}

void bench_keep(uint64_t number)
{
    static volatile uint64_t sink;
    sink = sink + number;
}

uint64_t bench_random(struct bench *b)
{
    uint64_t z = (b->random += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

size_t bench_below(struct bench *b, size_t bound)
{
    return (size_t)(((bench_random(b) >> 32) * (uint64_t)bound) >> 32);
}

static uint64_t requests, live_bytes;

static void *counting_resize(void *ctx, void *ptr, size_t old_size,
                             size_t size)
{
    (void)ctx;
    live_bytes += size - old_size;
    if (size == 0) {
        free(ptr);
        return NULL;
    }
    requests++;
    ptr = realloc(ptr, size);
    if (!ptr)
        bench_fail("out of memory");
    return ptr;
}

const crdt_alloc *bench_alloc(void)
{
    static const crdt_alloc table = { 1, NULL, counting_resize };
    return &table;
}

uint64_t bench_alloc_requests(void)
{
    return requests;
}

uint64_t bench_alloc_bytes(void)
{
    return live_bytes;
}

void *bench_memory(size_t size)
{
    void *ptr = calloc(1, size);
    if (!ptr)
        bench_fail("out of memory");
    return ptr;
}

crdt_doc *bench_doc_of(const crdt_id *id)
{
    crdt_config config = { NULL, NULL, NULL, NULL };
    crdt_doc *doc = NULL;
    config.alloc = bench_alloc();
    config.replica = id;
    bench_must(crdt_doc_new(&doc, &config));
    return doc;
}

crdt_doc *bench_doc(unsigned number)
{
    crdt_id id;
    memset(&id, 0x5a, sizeof id);
    id.b[0] = (uint8_t)(number >> 8);
    id.b[1] = (uint8_t)number;
    return bench_doc_of(&id);
}

crdt_bytes bench_key(char out[BENCH_KEY], size_t i)
{
    int at;
    for (at = BENCH_KEY - 1; at > 0; at--, i /= 10)
        out[at] = (char)('0' + i % 10);
    out[0] = 'k';
    return crdt_bytes_of(out, BENCH_KEY);
}

void bench_keys_make(struct bench *b, struct bench_keys *keys, size_t n)
{
    size_t i;
    keys->n = n;
    keys->text = (char(*)[BENCH_KEY])bench_memory(n * BENCH_KEY);
    for (i = 0; i < n; i++) {
        size_t other = bench_below(b, i + 1);
        memcpy(keys->text[i], keys->text[other], BENCH_KEY);
        bench_key(keys->text[other], i);
    }
}

crdt_bytes bench_keys_at(const struct bench_keys *keys, size_t i)
{
    return crdt_bytes_of(keys->text[i], BENCH_KEY);
}

void bench_keys_free(struct bench_keys *keys)
{
    free(keys->text);
}

/* >>measuring -------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void run(struct bench *b, uint64_t ops)
{
    b->ns = b->allocs = b->bytes = 0;
    b->ops = ops;
    b->is->run(b, ops);
}

/* How many ops a run needs to be long enough. */
static uint64_t calibrate(struct bench *b)
{
    const uint64_t enough = RUN_NS;
    uint64_t ops = 1;
    for (;;) {
        run(b, ops);
        if (b->ns >= enough)
            return ops;
        /* Short runs are mostly cold caches: trust them little. */
        if (b->ns > enough / 20)
            return (uint64_t)((double)ops * (double)enough * 1.1 /
                              (double)b->ns) +
                   1;
        ops *= 4;
    }
}

static double value_of(const struct bench *b)
{
    switch (b->is->unit) {
    case BENCH_MS:
        return (double)b->ns / (double)b->ops / 1e6;
    case BENCH_RATE:
        return (double)b->bytes * 1e9 / (double)b->ns;
    case BENCH_ALLOCS:
        return (double)b->allocs / (double)b->ops;
    case BENCH_MEMORY:
        return (double)b->bytes / (double)b->n;
    case BENCH_BYTES:
        return (double)b->bytes;
    case BENCH_NS:
    case BENCH_RATIO:
    default:
        return (double)b->ns / (double)b->ops;
    }
}

static const struct target *target_of(const struct bench_case *is)
{
    size_t i;
    for (i = 0; i < TARGETS; i++) {
        const char *name = targets[i].name;
        size_t len = strlen(name);
        if (strncmp(is->name, name, len) == 0 &&
            (!is->name[len] || name[len - 1] == '/'))
            return &targets[i];
    }
    return NULL;
}

/* Counts do not vary: one run, after one that lets buffers grow. */
static int is_count(enum bench_unit unit)
{
    return unit == BENCH_ALLOCS || unit == BENCH_MEMORY || unit == BENCH_BYTES;
}

static int is_enough(int done, int wanted, uint64_t took)
{
    return done >= wanted || (done >= RUNS_FEW && took > CASE_NS) ||
           (done > 0 && took > CASE_MAX_NS);
}

static void measure(const struct bench_case *is, int runs,
                    struct result *result)
{
    double values[RUNS_MAX];
    struct bench b;
    uint64_t ops = 10 * BENCH_BATCH, began, took;
    int i = 0;
    memset(&b, 0, sizeof b);
    b.is = is;
    b.n = is->n;
    b.random = BENCH_SEED;
    if (is->setup)
        is->setup(&b);
    began = now_ns();
    if (is_count(is->unit))
        runs = 1;
    else
        ops = calibrate(&b);
    if (is->unit == BENCH_MEMORY || is->unit == BENCH_BYTES)
        ops = 1; /* sizes are those of any run */
    took = now_ns() - began;
    if (took < CASE_NS || is_count(is->unit))
        run(&b, ops);
    else if (b.ns >= RUN_NS)
        values[i++] = value_of(&b);
    while (!is_enough(i, runs, took)) {
        run(&b, ops);
        values[i++] = value_of(&b);
        took = now_ns() - began;
    }
    runs = i;
    if (is->end)
        is->end(&b);
    qsort(values, (size_t)runs, sizeof *values, by_size);
    result->value = (values[(runs - 1) / 2] + values[runs / 2]) / 2;
    result->min = values[0];
    result->max = values[runs - 1];
    result->runs = runs;
}

/* That many ops, once, for tools that count what is done: tools/instructions
 * subtracts those of two such runs. */
static void do_ops(const struct bench_case *is, uint64_t ops)
{
    struct bench b;
    memset(&b, 0, sizeof b);
    b.is = is;
    b.n = is->n;
    b.random = BENCH_SEED;
    if (is->setup)
        is->setup(&b);
    run(&b, ops);
    if (is->end)
        is->end(&b);
}

/* >>results ---------------------------------------------------------------- */

static struct result results[SUBJECTS][CASES_MAX];

static const struct result *result_of(size_t subject, size_t at, int runs);

static const struct result *result_named(const char *name, int runs)
{
    size_t s, i;
    for (s = 0; s < SUBJECTS; s++)
        for (i = 0; subjects[s][i].name; i++)
            if (strcmp(subjects[s][i].name, name) == 0)
                return result_of(s, i, runs);
    bench_fail("a ratio of what does not exist");
    return NULL;
}

/* Measured when asked for first: a ratio may come before its parts. */
static const struct result *result_of(size_t subject, size_t at, int runs)
{
    const struct bench_case *is = &subjects[subject][at];
    struct result *result = &results[subject][at];
    if (result->is_known)
        return result;
    if (is->of) {
        const struct result *of = result_named(is->of, runs);
        const struct result *to = result_named(is->to, runs);
        result->value = of->value / to->value;
        result->min = of->min / to->max;
        result->max = of->max / to->min;
        result->runs = of->runs;
    } else {
        measure(is, runs, result);
    }
    result->is_known = 1;
    return result;
}

static void print_json(const struct bench_case *is, const struct result *r)
{
    const struct target *target = target_of(is);
    printf("{\"name\":\"%s\",\"value\":%.6g,\"unit\":\"%s\",\"n\":%lu,"
           "\"seed\":%lu,\"min\":%.6g,\"max\":%.6g,\"runs\":%d",
           is->name, r->value, bench_units[is->unit], (unsigned long)is->n,
           (unsigned long)BENCH_SEED, r->min, r->max, r->runs);
    if (target)
        printf(",\"target\":%g", target->most);
    puts("}");
}

/* Three digits or so: 12.3, 456, 7.89 G. */
static void print_number(double value)
{
    const char *scale = "";
    int digits;
    if (value >= 1e9) {
        value /= 1e9;
        scale = "G";
    } else if (value >= 1e6) {
        value /= 1e6;
        scale = "M";
    } else if (value >= 1e4) {
        value /= 1e3;
        scale = "k";
    }
    digits = value < 1 ? 3 : value < 10 ? 2 : value < 100;
    printf(" %8.*f%1s", digits, value, scale);
}

static void print_row(const struct bench_case *is, const struct result *r)
{
    const struct target *target = target_of(is);
    printf("%-42s %9lu", is->name, (unsigned long)is->n);
    print_number(r->value);
    print_number(r->min);
    print_number(r->max);
    printf("  %s", bench_units[is->unit]);
    if (target)
        printf("  %s: at most %g", r->value <= target->most ? "met" : "MISSED",
               target->most);
    puts("");
}

static void print_head(void)
{
    printf("%-42s %9s %8s  %8s  %8s   %s\n", "name", "n", "median", "min",
           "max", "unit");
}

/* >>what is asked ---------------------------------------------------------- */

static void print_help(void)
{
    puts("bench [--json] [--list] [--big] [--runs N] [--plain DIR] [PATTERN]\n"
         "  PATTERN   only cases whose name holds it\n"
         "  --json    one object a line: name, value, unit, n, seed, min, "
         "max,\n"
         "            runs, and target if it has one\n"
         "  --list    names, sizes and units; nothing is measured\n"
         "  --big     also 1 M and 10 M elements of every type, and all ways "
         "of "
         "shipping 1 M: ten minutes "
         "and\n"
         "            6 GB of memory, instead of two minutes and 1 GB\n"
         "  --runs N  runs of each, 5 to 101 (5); slow cases get 3, or 1\n"
         "  --ops N    does N ops of each once and measures nothing\n"
         "  --plain DIR  writes the traces there as other engines read them\n"
         "  --help    this\n"
         "The environment's TRACES names a directory of recorded editing "
         "sessions for\n"
         "the cases of text.*; without it they use one that is made up.\n"
         "Times are of the processor: the median, least and most of the runs. "
         "A case\n"
         "that has a target says whether the median meets it. "
         "docs/benchmarks.md says\n"
         "what the cases do.");
}

static int usage(const char *what)
{
    fprintf(stderr, "bench: %s (see --help)\n", what);
    return 2;
}

/* 0: go on; else the exit status + 1. */
static int parse(int argc, char **argv, struct options *options)
{
    int i;
    for (i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            options->json = 1;
        } else if (strcmp(argv[i], "--list") == 0) {
            options->list = 1;
        } else if (strcmp(argv[i], "--big") == 0) {
            options->big = 1;
        } else if (strcmp(argv[i], "--help") == 0) {
            print_help();
            return 1;
        } else if (strcmp(argv[i], "--runs") == 0 && i + 1 < argc) {
            options->runs = atoi(argv[++i]);
            if (options->runs < RUNS_MIN || options->runs > RUNS_MAX)
                return usage("--runs wants 5 to 101") + 1;
        } else if (strcmp(argv[i], "--ops") == 0 && i + 1 < argc) {
            options->ops = strtoul(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--plain") == 0 && i + 1 < argc) {
            options->plain = argv[++i];
        } else if (argv[i][0] == '-') {
            return usage("unknown option") + 1;
        } else {
            options->pattern = argv[i];
        }
    }
    return 0;
}

static void show(size_t subject, size_t at, const struct options *options)
{
    const struct bench_case *is = &subjects[subject][at];
    if (at >= CASES_MAX)
        bench_fail("too many cases in a table");
    if (options->list) {
        printf("%-42s %9lu  %s\n", is->name, (unsigned long)is->n,
               bench_units[is->unit]);
        return;
    }
    if (options->ops) {
        do_ops(is, options->ops);
        return;
    }
    if (options->json)
        print_json(is, result_of(subject, at, options->runs));
    else
        print_row(is, result_of(subject, at, options->runs));
    fflush(stdout);
}

/* Asked for by --big. */
static int is_big(const struct bench_case *subject)
{
    return subject == bench_big || subject == bench_sync_big;
}

int main(int argc, char **argv)
{
    struct options options = { 0, 0, 0, 5, 0, "", NULL };
    int shown = 0, status = parse(argc, argv, &options);
    size_t s, i;
    if (status)
        return status - 1;
    bench_text_find();
    if (options.plain) {
        bench_text_plain(options.plain);
        return 0;
    }
    if (!options.json && !options.list && !options.ops)
        print_head();
    for (s = 0; s < SUBJECTS; s++)
        for (i = 0; subjects[s][i].name; i++) {
            if (!strstr(subjects[s][i].name, options.pattern) ||
                (is_big(subjects[s]) && !options.big))
                continue;
            show(s, i, &options);
            shown++;
        }
    return shown ? 0 : usage("no case has such a name");
}
