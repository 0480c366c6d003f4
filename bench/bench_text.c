/*
 * Texts, by recorded editing sessions: every trace in the directory that the
 * environment names as TRACES (test/trace.h says what they look like), or one
 * made up of the same character when it names none. Of each trace
 *
 *     local              one call per edit, one commit
 *     gapbuffer          the same edits in a bare gap buffer: the floor
 *     local_ratio        the one by the other
 *     remote_keystrokes  each edit committed, sent by a session, joined by that
 *                        of a second document, and the answer heard
 *     keystroke_bytes    what the first session sends of each, all that is
 *                        around it included. Answers go the other way: they
 *                        are another stream
 *     delta_keystrokes   each edit committed, taken out as a delta and joined
 *                        by a second document: without sessions
 *     catch_up           the last hundredth of the edits taken out and joined
 *                        by one who has all before them
 *     catch_up_bytes     their update
 *     remote_whole       joining one update of everything into an empty
 *                        document
 *     open               the same, and then an edit in the middle
 *     save               making the bytes that `open` reads
 *     size_saved         their number; the bytes of deleted text are not there
 *     size_forgotten     that of the canonical form, which knows no history
 *     .._gz              through gzip -9
 *     memory             heap of the document that was opened
 *
 * The edits of concurrent traces are made off the clock, each by its author
 * in a document that has seen what that author had seen. What is joined then
 * is the update of each author's document, where authors are few, or that of
 * the document that all was merged into. Texts are compared with what the
 * trace says they become, off the clock.
 */
#if !defined(_POSIX_C_SOURCE)
#define _POSIX_C_SOURCE 200809L
#endif

#include "made_traces.h"
#include "plain.h"
#include "replay.h"

#include <dirent.h>

#define TRACES_MAX 32

static void check(int ok, const char *what)
{
    if (!ok)
        bench_fail(what);
}

/* >>documents -------------------------------------------------------------- */

/* A document with what the trace begins with. */
static crdt_doc *begin_doc(const struct trace *t)
{
    crdt_doc *doc = bench_doc(1);
    bench_must(
        crdt_text_insert(text_of(doc), CRDT_CHARS, 0, bytes_of(t, t->start)));
    bench_must(crdt_commit(doc));
    return doc;
}

static void check_text(crdt_doc *doc, const struct trace *t)
{
    crdt_buf text = CRDT_BUF_INIT;
    bench_must(crdt_text_get(text_of(doc), &text));
    check(crdt_bytes_equal(crdt_buf_bytes(&text), bytes_of(t, t->end)),
          "a document does not read what its trace says");
    crdt_buf_free(&text);
}

static void check_bytes(crdt_bytes whole, const struct trace *t)
{
    crdt_doc *doc = bench_doc(2);
    bench_must(crdt_join(doc, whole));
    check_text(doc, t);
    crdt_doc_free(doc);
}

/* >>subjects --------------------------------------------------------------- */

/* A trace, and what came of it, made when it is asked for first. */
struct subject {
    char name[64];
    int is_sequence;
    size_t edit_count;
    void (*make)(struct trace_file *file); /* NULL: it was read */
    struct trace_file file;
    crdt_buf updates[AUTHORS_FEW], saved, forgotten;
    size_t update_count;
};

static struct subject subjects[TRACES_MAX];
static size_t subject_count;

static struct subject *subject_at(int which)
{
    struct subject *s = &subjects[which];
    if (s->file.count == 0) {
        if (s->make == make_synthetic)
            fputs("bench: no TRACES=DIR: texts are edited as a made-up trace "
                  "says\n",
                  stderr);
        s->make(&s->file);
    }
    return s;
}

static struct subject *subject_of(const struct bench *b)
{
    return subject_at(b->is->which);
}

static const struct trace *trace_of(const struct bench *b)
{
    return subject_of(b)->file.traces;
}

static void add_update(struct subject *s, crdt_doc *doc)
{
    bench_must(crdt_delta(doc, NULL, &s->updates[s->update_count++]));
}

static crdt_doc *write_sequence(struct subject *s)
{
    const struct trace *t = s->file.traces;
    crdt_doc *doc = begin_doc(t);
    edit_all(text_of(doc), t, all_edits(t));
    bench_must(crdt_commit(doc));
    add_update(s, doc);
    return doc;
}

static crdt_doc *write_history(struct subject *s)
{
    struct history history;
    crdt_doc *doc;
    size_t i;
    check(s->file.traces->start.count == 0, "a history begins with a text");
    history_play(&history, s->file.traces);
    doc = history_merged(&history);
    if (history.doc_count > AUTHORS_FEW ||
        history.doc_count > s->file.traces->agent_count)
        add_update(s, doc);
    else
        for (i = 0; i < history.doc_count; i++)
            add_update(s, history.authors[i].doc);
    history_free(&history);
    return doc;
}

/* Updates, and the document as it is saved; made by the first that asks. */
static void write_setup(struct bench *b)
{
    struct subject *s = subject_of(b);
    crdt_doc *doc;
    b->state = s;
    if (s->update_count > 0)
        return;
    doc = s->is_sequence ? write_sequence(s) : write_history(s);
    check_text(doc, s->file.traces);
    bench_must(crdt_delta(doc, NULL, &s->saved));
    bench_must(crdt_canonical(doc, &s->forgotten));
    check_bytes(crdt_buf_bytes(&s->saved), s->file.traces);
    check_bytes(crdt_buf_bytes(&s->forgotten), s->file.traces);
    crdt_doc_free(doc);
}

static const struct subject *written(const struct bench *b)
{
    return (const struct subject *)b->state;
}

/* >>local ------------------------------------------------------------------ */

/* How often the whole trace is to be done. */
static uint64_t rounds_of(struct bench *b, uint64_t ops)
{
    uint64_t n = trace_of(b)->edit_count, rounds = (ops + n - 1) / n;
    b->ops = rounds * n;
    return rounds;
}

static void local_round(struct bench *b, const struct trace *t)
{
    crdt_doc *doc = begin_doc(t);
    crdt_obj text = text_of(doc);
    bench_start(b);
    edit_all(text, t, all_edits(t));
    bench_must(crdt_commit(doc));
    bench_stop(b);
    check_text(doc, t);
    crdt_doc_free(doc);
}

static void local_run(struct bench *b, uint64_t ops)
{
    uint64_t rounds = rounds_of(b, ops);
    for (; rounds > 0; rounds--)
        local_round(b, trace_of(b));
}

static void gap_round(struct bench *b, const struct trace *t)
{
    struct gap gap = { NULL, 0, 0, 0, 0, 0 };
    size_t i;
    gap_insert(&gap, t->text + t->start.from, t->start.count);
    bench_start(b);
    for (i = 0; i < t->edit_count; i++)
        gap_edit(&gap, t, &t->edits[i]);
    bench_stop(b);
    check(crdt_bytes_equal(gap_text(&gap), bytes_of(t, t->end)),
          "the gap buffer is wrong");
    free(gap.text);
}

static void gap_run(struct bench *b, uint64_t ops)
{
    uint64_t rounds = rounds_of(b, ops);
    for (; rounds > 0; rounds--)
        gap_round(b, trace_of(b));
}

/* In turns, so that what else the machine does slows down both. */
static void ratio_run(struct bench *b, uint64_t ops)
{
    uint64_t rounds = rounds_of(b, ops);
    struct bench floor = *b;
    for (; rounds > 0; rounds--) {
        local_round(b, trace_of(b));
        gap_round(&floor, trace_of(b));
    }
    b->ops = floor.ns;
}

/* >>remote ----------------------------------------------------------------- */

/* Each edit goes to a second document by sessions. */
static void keystrokes_run(struct bench *b, uint64_t ops)
{
    const struct trace *t = trace_of(b);
    uint64_t rounds = rounds_of(b, ops);
    for (; rounds > 0; rounds--) {
        crdt_doc *from = begin_doc(t), *to = bench_doc(2);
        struct bench_link *link = bench_link_new(from, to);
        crdt_obj text = text_of(from);
        size_t i;
        bench_start(b);
        for (i = 0; i < t->edit_count; i++) {
            edit_text(text, t, &t->edits[i]);
            bench_must(crdt_commit(from));
            bench_link_send(link);
        }
        bench_stop(b);
        b->bytes = bench_link_sent(link);
        check_text(to, t);
        bench_link_free(link);
        crdt_doc_free(from);
        crdt_doc_free(to);
    }
}

/* The same by deltas. */
static void deltas_run(struct bench *b, uint64_t ops)
{
    const struct trace *t = trace_of(b);
    uint64_t rounds = rounds_of(b, ops);
    for (; rounds > 0; rounds--) {
        crdt_doc *from = begin_doc(t), *to = bench_doc(2);
        crdt_obj text = text_of(from);
        crdt_vv since = CRDT_VV_INIT;
        crdt_buf delta = CRDT_BUF_INIT;
        size_t i;
        bench_must(crdt_delta(from, NULL, &delta));
        bench_must(crdt_join(to, crdt_buf_bytes(&delta)));
        bench_start(b);
        for (i = 0; i < t->edit_count; i++) {
            delta.len = 0;
            bench_must(crdt_doc_vv(from, &since));
            edit_text(text, t, &t->edits[i]);
            bench_must(crdt_commit(from));
            bench_must(crdt_delta(from, &since, &delta));
            bench_must(crdt_join(to, crdt_buf_bytes(&delta)));
        }
        bench_stop(b);
        check_text(to, t);
        crdt_vv_free(&since);
        crdt_buf_free(&delta);
        crdt_doc_free(from);
        crdt_doc_free(to);
    }
}

/* `known`: what a document has that lacks the last hundredth. */
static crdt_doc *catch_up_doc(const struct trace *t, crdt_buf *known)
{
    struct trace_part edits = all_edits(t);
    crdt_doc *doc = begin_doc(t);
    uint32_t news = edits.count / 100;
    edits.count -= news;
    edit_all(text_of(doc), t, edits);
    bench_must(crdt_commit(doc));
    bench_must(crdt_delta(doc, NULL, known));
    edits.from = edits.count;
    edits.count = news;
    edit_all(text_of(doc), t, edits);
    bench_must(crdt_commit(doc));
    return doc;
}

static void catch_up_run(struct bench *b, uint64_t ops)
{
    crdt_buf known = CRDT_BUF_INIT, delta = CRDT_BUF_INIT;
    crdt_doc *from = catch_up_doc(trace_of(b), &known);
    crdt_vv since = CRDT_VV_INIT;
    for (; ops > 0; ops--) {
        crdt_doc *to = bench_doc(2);
        bench_must(crdt_join(to, crdt_buf_bytes(&known)));
        delta.len = 0;
        bench_start(b);
        bench_must(crdt_doc_vv(to, &since));
        bench_must(crdt_delta(from, &since, &delta));
        bench_must(crdt_join(to, crdt_buf_bytes(&delta)));
        bench_stop(b);
        b->bytes = delta.len;
        check_text(to, trace_of(b));
        crdt_doc_free(to);
    }
    crdt_vv_free(&since);
    crdt_buf_free(&known);
    crdt_buf_free(&delta);
    crdt_doc_free(from);
}

static void whole_run(struct bench *b, uint64_t ops)
{
    const struct subject *s = written(b);
    size_t i;
    for (; ops > 0; ops--) {
        crdt_doc *doc = bench_doc(2);
        bench_start(b);
        for (i = 0; i < s->update_count; i++)
            bench_must(crdt_join(doc, crdt_buf_bytes(&s->updates[i])));
        bench_stop(b);
        check_text(doc, trace_of(b));
        crdt_doc_free(doc);
    }
}

/* >>saved ------------------------------------------------------------------ */

static void open_run(struct bench *b, uint64_t ops)
{
    const struct subject *s = written(b);
    for (; ops > 0; ops--) {
        crdt_doc *doc;
        crdt_obj text;
        size_t middle;
        bench_start(b);
        doc = bench_doc(2);
        bench_must(crdt_join(doc, crdt_buf_bytes(&s->saved)));
        text = text_of(doc);
        middle = crdt_text_len(text, CRDT_CHARS) / 2;
        bench_must(crdt_text_insert(text, CRDT_CHARS, middle, CRDT_STR("x")));
        bench_must(crdt_commit(doc));
        bench_stop(b);
        bench_must(crdt_text_delete(text, CRDT_CHARS, middle, 1));
        check_text(doc, trace_of(b));
        crdt_doc_free(doc);
    }
}

static void save_run(struct bench *b, uint64_t ops)
{
    const struct subject *s = written(b);
    crdt_doc *doc = bench_doc(2);
    crdt_buf out = CRDT_BUF_INIT;
    bench_must(crdt_join(doc, crdt_buf_bytes(&s->saved)));
    bench_start(b);
    for (; ops > 0; ops--) {
        out.len = 0;
        bench_must(crdt_delta(doc, NULL, &out));
    }
    bench_stop(b);
    check_bytes(crdt_buf_bytes(&out), trace_of(b));
    crdt_buf_free(&out);
    crdt_doc_free(doc);
}

static uint64_t zipped(const crdt_buf *bytes)
{
    enum { GZIP = 16 + 15 };
    z_stream z;
    uint8_t *out;
    memset(&z, 0, sizeof z);
    check(deflateInit2(&z, 9, Z_DEFLATED, GZIP, 8, Z_DEFAULT_STRATEGY) == Z_OK,
          "zlib does not begin");
    z.avail_out = (uInt)deflateBound(&z, (uLong)bytes->len);
    z.next_out = out = (uint8_t *)bench_memory(z.avail_out);
    z.next_in = bytes->ptr;
    z.avail_in = (uInt)bytes->len;
    check(deflate(&z, Z_FINISH) == Z_STREAM_END, "zlib does not end");
    deflateEnd(&z);
    free(out);
    return z.total_out;
}

static void saved_run(struct bench *b, uint64_t ops)
{
    (void)ops;
    b->bytes = written(b)->saved.len;
}

static void saved_gz_run(struct bench *b, uint64_t ops)
{
    (void)ops;
    b->bytes = zipped(&written(b)->saved);
}

static void forgotten_run(struct bench *b, uint64_t ops)
{
    (void)ops;
    b->bytes = written(b)->forgotten.len;
}

static void forgotten_gz_run(struct bench *b, uint64_t ops)
{
    (void)ops;
    b->bytes = zipped(&written(b)->forgotten);
}

static void memory_run(struct bench *b, uint64_t ops)
{
    const struct subject *s = written(b);
    uint64_t before = bench_alloc_bytes();
    crdt_doc *doc = bench_doc(2);
    (void)ops;
    bench_must(crdt_join(doc, crdt_buf_bytes(&s->saved)));
    check(crdt_text_len(text_of(doc), CRDT_UTF8) == trace_of(b)->end.count,
          "a document has another length than its trace says");
    b->bytes = bench_alloc_bytes() - before;
    crdt_doc_free(doc);
}

/* >>cases ------------------------------------------------------------------ */

enum kind { ANY, SEQUENCE };

static const struct measure {
    const char *name;
    enum bench_unit unit;
    enum kind kind;
    void (*setup)(struct bench *b);
    void (*run)(struct bench *b, uint64_t ops);
} measures[] = {
    { "local", BENCH_NS, SEQUENCE, NULL, local_run },
    { "gapbuffer", BENCH_NS, SEQUENCE, NULL, gap_run },
    { "local_ratio", BENCH_RATIO, SEQUENCE, NULL, ratio_run },
    { "remote_keystrokes", BENCH_NS, SEQUENCE, NULL, keystrokes_run },
    { "keystroke_bytes", BENCH_MEMORY, SEQUENCE, NULL, keystrokes_run },
    { "delta_keystrokes", BENCH_NS, SEQUENCE, NULL, deltas_run },
    { "catch_up", BENCH_MS, SEQUENCE, NULL, catch_up_run },
    { "catch_up_bytes", BENCH_BYTES, SEQUENCE, NULL, catch_up_run },
    { "remote_whole", BENCH_MS, ANY, write_setup, whole_run },
    { "open", BENCH_MS, ANY, write_setup, open_run },
    { "save", BENCH_MS, ANY, write_setup, save_run },
    { "size_saved", BENCH_BYTES, ANY, write_setup, saved_run },
    { "size_saved_gz", BENCH_BYTES, ANY, write_setup, saved_gz_run },
    { "size_forgotten", BENCH_BYTES, ANY, write_setup, forgotten_run },
    { "size_forgotten_gz", BENCH_BYTES, ANY, write_setup, forgotten_gz_run },
    { "memory", BENCH_BYTES, ANY, write_setup, memory_run },
};
#define MEASURES (sizeof measures / sizeof *measures)

/* For each trace its measures, then random edits; all else is the end. */
struct bench_case bench_text[TRACES_MAX * MEASURES + 2];
static size_t case_count;

static const char *case_name(const char *measure, const struct subject *s)
{
    size_t size = strlen(measure) + sizeof s->name + sizeof "text./";
    char *name = (char *)bench_memory(size);
    snprintf(name, size, "text.%s/%s", measure, s->name);
    return name;
}

static void add_case(const struct measure *m, const struct subject *s)
{
    struct bench_case *is = &bench_text[case_count++];
    is->name = case_name(m->name, s);
    is->unit = m->unit;
    is->n = s->edit_count;
    is->which = (int)(s - subjects);
    is->setup = m->setup;
    is->run = m->run;
}

static void add_cases(const struct subject *s)
{
    size_t i;
    for (i = 0; i < MEASURES; i++)
        if (measures[i].kind == ANY || s->is_sequence)
            add_case(&measures[i], s);
}

static struct subject *add_subject(const char *name, size_t name_len)
{
    struct subject *s = &subjects[subject_count++];
    check(subject_count < TRACES_MAX && name_len < sizeof s->name,
          "too many traces, or the name of one is too long");
    memcpy(s->name, name, name_len);
    s->is_sequence = 1;
    return s;
}

static const struct subject *add_made(const char *name, size_t edits,
                                      void (*make)(struct trace_file *file))
{
    struct subject *s = add_subject(name, strlen(name));
    s->edit_count = edits;
    s->make = make;
    return s;
}

/* >>finding traces --------------------------------------------------------- */

/* A gap buffer does not look where it is told to edit. */
static int is_in_bounds(const struct trace *t)
{
    size_t i, len = trace_chars(t, t->start);
    for (i = 0; i < t->edit_count; i++) {
        const struct trace_edit *edit = &t->edits[i];
        if (edit->at > len || edit->deleted > len - edit->at)
            return 0;
        len += trace_chars(t, edit->inserted) - edit->deleted;
    }
    return 1;
}

static void add_file(const char *dir, const char *name, size_t name_len)
{
    struct subject *s = add_subject(name, name_len);
    size_t size = strlen(dir) + strlen(name) + sizeof "/";
    char *path = (char *)bench_memory(size);
    snprintf(path, size, "%s/%s", dir, name);
    if (trace_load(&s->file, path) != 0) {
        fprintf(stderr, "bench: %s: %s\n", path, s->file.error);
        exit(1);
    }
    check(s->file.count == 1, "a file holds several traces");
    s->edit_count = s->file.traces->edit_count;
    s->is_sequence = trace_is_sequence(s->file.traces);
    check(!s->is_sequence || is_in_bounds(s->file.traces),
          "a trace edits beyond the end");
    free(path);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_files(const char *dir)
{
    static const char suffix[] = ".json.gz";
    char *names[TRACES_MAX];
    size_t i, count = 0;
    struct dirent *entry;
    DIR *in = opendir(dir);
    check(in != NULL, "TRACES is no directory");
    while ((entry = readdir(in)) != NULL && count < TRACES_MAX) {
        const char *end = strstr(entry->d_name, suffix);
        if (end && strcmp(end, suffix) == 0)
            names[count++] = strdup(entry->d_name);
    }
    closedir(in);
    check(count > 0, "there are no traces in TRACES");
    qsort(names, count, sizeof *names, by_name);
    for (i = 0; i < count; i++) {
        add_file(dir, names[i], strlen(names[i]) - strlen(suffix));
        free(names[i]);
    }
}

void bench_text_find(void)
{
    const char *dir = getenv("TRACES");
    const struct measure random = { "random_1M", BENCH_NS, SEQUENCE, NULL,
                                    local_run };
    size_t i;
    if (dir && *dir)
        add_files(dir);
    else
        add_made("synthetic", SYNTHETIC_EDITS, make_synthetic);
    for (i = 0; i < subject_count; i++)
        add_cases(&subjects[i]);
    add_case(&random, add_made("10MB", RANDOM_EDITS + 1, make_random));
}

/* Not that of random edits, which no peer is asked to do. */
void bench_text_plain(const char *dir)
{
    char path[512];
    size_t i;
    for (i = 0; i < subject_count && subjects[i].make != make_random; i++) {
        struct subject *s = subject_at((int)i);
        FILE *out;
        snprintf(path, sizeof path, "%s/%s.json", dir, s->name);
        out = fopen(path, "w");
        check(out != NULL, "a trace cannot be written");
        plain_write(out, s->file.traces, s->name);
        check(fclose(out) == 0, "a trace cannot be written");
    }
}
