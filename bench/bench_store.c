/*
 * Stores: what it costs to have every commit durable, how fast what is stored
 * is read again, and how long the longest commit waits. In time of the wall,
 * since that is what waiting for a disk takes, and beside what the disk itself
 * takes in the same run. TMPDIR says on which disk.
 */
#if !defined(_POSIX_C_SOURCE)
#define _POSIX_C_SOURCE 200809L
#endif

#include "bench.h"

#include "crdtsync_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DOCS_MAX 64
#define DIR_MAX 200

struct subject {
    char dir[DIR_MAX];
    crdt_store store;
    crdt_node *node;
    crdt_doc *docs[DOCS_MAX];
    crdt_obj counters[DOCS_MAX], texts[DOCS_MAX];
    int docs_len;
    int bare; /* file for plain writes */
    off_t bare_at;
    uint64_t *times;
    size_t times_len;
};

static uint64_t wall_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* >>a store and its node --------------------------------------------------- */

static void doc_open(struct subject *s, int i)
{
    char name[16];
    snprintf(name, sizeof name, "doc%d", i);
    s->docs[i] = bench_doc((unsigned)i + 1);
    bench_must(crdt_node_share(s->node, crdt_str(name), s->docs[i]));
    s->counters[i] =
        crdt_map_counter(crdt_root(s->docs[i]), CRDT_STR("counter"));
    s->texts[i] = crdt_map_text(crdt_root(s->docs[i]), CRDT_STR("text"));
}

static void subject_open(struct subject *s, uint32_t store_ms, int docs)
{
    crdt_file_config files;
    crdt_node_config config;
    int i;
    memset(&files, 0, sizeof files);
    memset(&config, 0, sizeof config);
    files.dir = s->dir;
    bench_must(crdt_file_new(&s->store, &files));
    config.store = &s->store;
    config.store_ms = store_ms;
    bench_must(crdt_node_new(&s->node, &config));
    s->docs_len = docs;
    for (i = 0; i < docs; i++)
        doc_open(s, i);
}

static void subject_close(struct subject *s)
{
    int i;
    crdt_node_free(s->node);
    for (i = 0; i < s->docs_len; i++)
        crdt_doc_free(s->docs[i]);
}

static struct subject *subject_new(void)
{
    struct subject *s = (struct subject *)bench_memory(sizeof *s);
    const char *tmp = getenv("TMPDIR");
    char path[DIR_MAX + 8];
    snprintf(s->dir, sizeof s->dir, "%.100s/crdt-bench-XXXXXX",
             tmp ? tmp : "/tmp");
    if (!mkdtemp(s->dir))
        bench_fail("there is no place for a store");
    snprintf(path, sizeof path, "%s.bare", s->dir);
    s->bare = open(path, O_RDWR | O_CREAT | O_TRUNC, 0666);
    if (s->bare < 0)
        bench_fail("cannot write");
    return s;
}

static void remove_all(const char *path)
{
    char file[DIR_MAX + 300];
    const struct dirent *entry;
    DIR *dir = opendir(path);
    while (dir && (entry = readdir(dir)) != NULL) {
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        unlink(file);
    }
    if (dir)
        closedir(dir);
    rmdir(path);
    snprintf(file, sizeof file, "%s.bare", path);
    unlink(file);
}

static void end(struct bench *b)
{
    struct subject *s = (struct subject *)b->state;
    if (s->node)
        subject_close(s);
    close(s->bare);
    remove_all(s->dir);
    free(s->times);
    free(s);
}

static uint64_t written(const struct subject *s)
{
    crdt_file_stats stats;
    crdt_file_get_stats(&s->store, &stats);
    return stats.written_bytes;
}

/* >>commits ---------------------------------------------------------------- */

static void setup_every(struct bench *b)
{
    struct subject *s = subject_new();
    subject_open(s, b->is->which == 1 ? CRDT_STORE_LAZY : 0, (int)b->n);
    b->state = s;
}

static void write_one(struct subject *s, int i)
{
    crdt_counter_add(s->counters[i], 1);
    crdt_commit(s->docs[i]);
}

/* Each document writes once, and then all of it is made durable. */
static void commits_run(struct bench *b, uint64_t ops)
{
    struct subject *s = (struct subject *)b->state;
    uint64_t began = wall_ns(), at = 0;
    while (at < ops) {
        int i;
        for (i = 0; i < s->docs_len && at < ops; i++, at++)
            write_one(s, i);
        bench_must(crdt_node_flush(s->node));
    }
    b->ns = wall_ns() - began;
}

static void bare_write(struct subject *s, size_t len)
{
    static uint8_t bytes[65536];
    if (pwrite(s->bare, bytes, len, s->bare_at) != (ssize_t)len ||
        fdatasync(s->bare))
        bench_fail("cannot write");
    s->bare_at += (off_t)len;
}

static void bare_run(struct bench *b, uint64_t ops)
{
    struct subject *s = (struct subject *)b->state;
    uint64_t began = wall_ns();
    for (; ops > 0; ops--)
        bare_write(s, 64);
    b->ns = wall_ns() - began;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* How long a commit takes, as a multiple of writing and syncing the same
 * bytes, which is done in turns with it. Medians: disks stall now and then. */
static void ratio_run(struct bench *b, uint64_t ops)
{
    enum { TURNS = 201 };
    static uint64_t commits[TURNS], bare[TURNS];
    struct subject *s = (struct subject *)b->state;
    size_t turn;
    (void)ops;
    for (turn = 0; turn < TURNS; turn++) {
        uint64_t before = written(s), began = wall_ns();
        int i;
        for (i = 0; i < s->docs_len; i++)
            write_one(s, i);
        bench_must(crdt_node_flush(s->node));
        commits[turn] = wall_ns() - began;
        began = wall_ns();
        bare_write(s, (size_t)(written(s) - before));
        bare[turn] = wall_ns() - began;
    }
    qsort(commits, TURNS, sizeof *commits, by_size);
    qsort(bare, TURNS, sizeof *bare, by_size);
    b->ns =
        commits[TURNS / 2] * 1000; /* for so many commits, and bare is the */
    b->ops = bare[TURNS / 2] * 1000 * (uint64_t)s->docs_len; /* unit of time */
}

/* Bytes written for one commit, files that are compacted included. */
static void bytes_run(struct bench *b, uint64_t ops)
{
    struct subject *s = (struct subject *)b->state;
    uint64_t before = written(s), i;
    (void)ops;
    for (i = 0; i < 20000; i++) {
        if (b->is->which == 1)
            write_one(s, 0);
        else
            crdt_text_insert(s->texts[0], CRDT_CHARS, i, CRDT_STR("x"));
        crdt_commit(s->docs[0]);
        bench_must(crdt_node_flush(s->node));
    }
    b->bytes = (written(s) - before) / 20000;
}

/* >>pauses ----------------------------------------------------------------- */

/* A document of n bytes, written over key by key, so that it is compacted
 * again and again: how long one in a hundred commits takes, or the longest. */
static void pause_setup(struct bench *b)
{
    struct subject *s = subject_new();
    subject_open(s, CRDT_STORE_LAZY, 1);
    s->times = (uint64_t *)bench_memory(100000 * sizeof *s->times);
    b->state = s;
}

static void pause_run(struct bench *b, uint64_t ops)
{
    struct subject *s = (struct subject *)b->state;
    static char value[1000];
    size_t keys = b->n / sizeof value, i, count = 4 * keys;
    (void)ops;
    count = count > 100000 ? 100000 : count;
    memset(value, 'v', sizeof value);
    for (i = 0; i < count; i++) {
        char key[BENCH_KEY];
        uint64_t began;
        crdt_map_put_str(crdt_root(s->docs[0]), bench_key(key, i % keys),
                         crdt_bytes_of(value, sizeof value));
        crdt_commit(s->docs[0]);
        began = wall_ns();
        bench_must(crdt_node_flush(s->node));
        s->times[i] = wall_ns() - began;
    }
    qsort(s->times, count, sizeof *s->times, by_size);
    b->ns = s->times[b->is->which ? count - 1 : count - 1 - count / 100];
    /* Once is enough, however short it was. */
    b->ops = BENCH_RUN_MS * UINT64_C(1000000);
    b->ns *= b->ops;
}

/* >>recovery --------------------------------------------------------------- */

static uint64_t dir_bytes(const struct subject *s)
{
    crdt_file_stats stats;
    crdt_file_get_stats(&s->store, &stats);
    return stats.bytes;
}

/* which 0: keystrokes, a record each; 1: large values; 2: a snapshot. */
static void recover_setup(struct bench *b)
{
    struct subject *s = subject_new();
    static char value[1000];
    size_t i;
    memset(value, 'v', sizeof value);
    subject_open(s, CRDT_STORE_LAZY, 1);
    for (i = 0; i < b->n; i++) {
        char key[BENCH_KEY];
        if (b->is->which)
            crdt_map_put_str(crdt_root(s->docs[0]), bench_key(key, i),
                             crdt_bytes_of(value, sizeof value));
        else
            crdt_text_insert(s->texts[0], CRDT_CHARS, i, CRDT_STR("x"));
        if (b->is->which == 2 && i + 1 < b->n)
            continue;
        crdt_commit(s->docs[0]);
        bench_must(crdt_node_flush(s->node));
    }
    subject_close(s);
    s->node = NULL;
    b->state = s;
}

static void recover_run(struct bench *b, uint64_t ops)
{
    struct subject *s = (struct subject *)b->state;
    uint64_t began = wall_ns();
    ops = ops > 20 ? 20 : ops;
    b->ops = ops;
    for (; ops > 0; ops--) {
        subject_open(s, 0, 1);
        b->bytes += dir_bytes(s);
        b->ns += wall_ns() - began;
        subject_close(s);
        began = wall_ns();
    }
    s->node = NULL;
}

/* Without documents: reading, checking and indexing alone. */
static void scan_run(struct bench *b, uint64_t ops)
{
    struct subject *s = (struct subject *)b->state;
    crdt_file_config files;
    uint64_t began = wall_ns();
    memset(&files, 0, sizeof files);
    files.dir = s->dir;
    ops = ops > 20 ? 20 : ops;
    b->ops = ops;
    for (; ops > 0; ops--) {
        bench_must(crdt_file_new(&s->store, &files));
        b->bytes += dir_bytes(s);
        b->ns += wall_ns() - began;
        s->store.close(s->store.ctx, 1);
        began = wall_ns();
    }
}

/* Memory of an open store, a document of one small record each. */
static void index_run(struct bench *b, uint64_t ops)
{
    struct subject *s = (struct subject *)b->state;
    crdt_file_config files;
    uint64_t before = bench_alloc_bytes();
    size_t i;
    (void)ops;
    memset(&files, 0, sizeof files);
    files.dir = s->dir;
    files.alloc = bench_alloc();
    bench_must(crdt_file_new(&s->store, &files));
    for (i = 0; i < b->n; i++) {
        char name[BENCH_KEY];
        bench_must(s->store.append(s->store.ctx, bench_key(name, i),
                                   CRDT_STR("a small document, as it were, "
                                            "of less than 100 bytes")));
    }
    bench_must(s->store.sync(s->store.ctx, 1));
    b->bytes = bench_alloc_bytes() - before;
    s->store.close(s->store.ctx, 1);
    remove_all(s->dir);
}

static void bare_setup(struct bench *b)
{
    b->state = subject_new();
}

/* >>table ------------------------------------------------------------------ */

const struct bench_case bench_store[] = {
    { "store.bare_write", BENCH_NS, 1, 0, bare_setup, bare_run, end, NULL,
      NULL },
    { "store.commit", BENCH_NS, 1, 0, setup_every, commits_run, end, NULL,
      NULL },
    { "store.commit.lazy", BENCH_NS, 1, 1, setup_every, commits_run, end, NULL,
      NULL },
    { "store.commit.64_at_once", BENCH_NS, 64, 0, setup_every, commits_run,
      end, NULL, NULL },
    { "store.commit.to_bare", BENCH_RATIO, 1, 0, setup_every, ratio_run, end,
      NULL, NULL },
    { "store.commit.64_at_once.to_bare", BENCH_RATIO, 64, 0, setup_every,
      ratio_run, end, NULL, NULL },
    { "store.bytes.add", BENCH_BYTES, 1, 1, setup_every, bytes_run, end, NULL,
      NULL },
    { "store.bytes.keystroke", BENCH_BYTES, 1, 0, setup_every, bytes_run, end,
      NULL, NULL },
    { "store.pause_p99/1MB", BENCH_MS, 1000000, 0, pause_setup, pause_run, end,
      NULL, NULL },
    { "store.pause_p99/20MB", BENCH_MS, 20000000, 0, pause_setup, pause_run,
      end, NULL, NULL },
    { "store.pause_max/1MB", BENCH_MS, 1000000, 1, pause_setup, pause_run, end,
      NULL, NULL },
    { "store.pause_max/20MB", BENCH_MS, 20000000, 1, pause_setup, pause_run,
      end, NULL, NULL },
    { "store.scan.keystrokes", BENCH_RATE, 1000000, 0, recover_setup, scan_run,
      end, NULL, NULL },
    { "store.scan.values", BENCH_RATE, 20000, 1, recover_setup, scan_run, end,
      NULL, NULL },
    { "store.open.keystrokes", BENCH_RATE, 1000000, 0, recover_setup,
      recover_run, end, NULL, NULL },
    { "store.open.values", BENCH_RATE, 20000, 1, recover_setup, recover_run,
      end, NULL, NULL },
    { "store.open.snapshot", BENCH_RATE, 20000, 2, recover_setup, recover_run,
      end, NULL, NULL },
    { "store.index/100k", BENCH_MEMORY, 100000, 0, bare_setup, index_run, end,
      NULL, NULL },
    BENCH_END
};
