/*
 * Recorded editing sessions, from gzipped JSON as in the collection
 * josephg/editing-traces to plain structs. Who includes this says
 *     pkg-config: zlib
 *
 * A trace is a history: txns, causes before what they caused. A txn is edits
 * that one agent made one after the other, beginning with the merge of its
 * parents; positions count code points of what the agent saw then.
 *
 *     { "startContent": "..", "endContent": "..", "txns": [
 *         { "patches": [[position, deleted, "inserted"], ..],
 *           "agent": 0, "parents": [0, ..] }, .. ] }
 *
 * A txn without "parents" begins with the one before it. In the other form,
 *
 *         { "ops": [[..], ..], "span": [first, end],
 *           "agent": "a", "seqStart": 0, "parents": [379, ..] }
 *
 * each code point deleted or inserted is an event, and parents are events: a
 * txn that another begins within is cut in two there, so that parents are txns
 * in both. Agents are numbers or names; in `agent` each is its rank among
 * them. A file holds one trace or an array of them.
 */
#ifndef TRACE_H
#define TRACE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* Some of an array: of bytes, edits or parents. */
struct trace_part {
    uint32_t from, count;
};

struct trace_edit {
    uint32_t at, deleted;       /* code points */
    struct trace_part inserted; /* of the text */
};

struct trace_txn {
    uint32_t agent, seq; /* its first event is its agent's seq-th, from 0 */
    struct trace_part edits, parents;
};

struct trace {
    const char *text; /* UTF-8 of all parts */
    struct trace_edit *edits;
    struct trace_txn *txns;
    uint32_t *parents; /* txns */
    size_t edit_count, txn_count, parent_count, agent_count;
    struct trace_part start, end; /* what the document is before and after */
};

struct trace_file {
    struct trace *traces;
    size_t count;
    char *text;
    char error[160]; /* why loading failed */
};

/* >>memory ----------------------------------------------------------------- */

static inline void *trace_must(void *ptr)
{
    if (!ptr) {
        fputs("trace: out of memory\n", stderr);
        exit(1);
    }
    return ptr;
}

/* An array that grows when it is full and its length a power of two. */
static inline void *trace_room(void *array, size_t len, size_t size)
{
    if (len & (len - 1))
        return array;
    return trace_must(realloc(array, (len ? 2 * len : 1) * size));
}

static inline void trace_free(struct trace_file *file)
{
    size_t i;
    for (i = 0; i < file->count; i++) {
        free(file->traces[i].edits);
        free(file->traces[i].txns);
        free(file->traces[i].parents);
    }
    free(file->traces);
    free(file->text);
    memset(file, 0, sizeof *file);
}

/* All bytes of the file, and a zero behind them; NULL: it cannot be read. */
static inline char *trace_unzip(const char *path, size_t *len)
{
    gzFile from = gzopen(path, "rb");
    size_t cap = (size_t)1 << 20;
    char *bytes;
    int got;
    if (!from)
        return NULL;
    bytes = (char *)trace_must(malloc(cap));
    *len = 0;
    while ((got = gzread(from, bytes + *len, (unsigned)(cap - *len))) > 0) {
        *len += (size_t)got;
        if (*len == cap)
            bytes = (char *)trace_must(realloc(bytes, cap *= 2));
    }
    gzclose(from);
    if (got < 0 || *len > UINT32_MAX) {
        free(bytes);
        return NULL;
    }
    bytes[*len] = 0;
    return bytes;
}

/* >>JSON ----------------------------------------------------------------------
 * Strings are written to the front of the buffer that they are read from: none
 * is longer than its JSON. */

struct trace_name {
    const char *text;
    uint32_t len, number, txn;
};

struct trace_reader {
    struct trace_file *file;
    struct trace *trace;      /* that is being read, the last of the file */
    struct trace_name *names; /* a txn's agent */
    struct trace_part *spans; /* a txn's events */
    size_t span_count;
    char *at, *end, *out; /* `end` is a zero */
};

/* Only the first reason counts; there is nothing to be read behind it. */
static inline void trace_fail(struct trace_reader *r, const char *why)
{
    if (!r->file->error[0])
        snprintf(r->file->error, sizeof r->file->error, "byte %lu: %s",
                 (unsigned long)(r->at - r->file->text), why);
    r->at = r->end;
}

/* The next character that is no space; 0 at the end. */
static inline int trace_peek(struct trace_reader *r)
{
    while (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t')
        r->at++;
    return *r->at;
}

static inline int trace_take(struct trace_reader *r, char c)
{
    if (trace_peek(r) != c)
        return 0;
    r->at++;
    return 1;
}

static inline int trace_want(struct trace_reader *r, char c)
{
    char why[] = "expected ' '";
    if (r->at < r->end && trace_take(r, c))
        return 1;
    why[sizeof why - 3] = c;
    trace_fail(r, why);
    return 0;
}

/* while (trace_next(r, "[]", &begun)) reads one element, or member of "{}". */
static inline int trace_next(struct trace_reader *r, const char *brackets,
                             int *begun)
{
    if (*begun)
        return !trace_take(r, brackets[1]) && trace_want(r, ',');
    *begun = 1;
    return trace_want(r, brackets[0]) && !trace_take(r, brackets[1]);
}

static inline uint32_t trace_number(struct trace_reader *r)
{
    uint64_t number = 0;
    if (trace_peek(r) < '0' || *r->at > '9')
        trace_fail(r, "expected a number");
    for (; *r->at >= '0' && *r->at <= '9' && number <= UINT32_MAX; r->at++)
        number = 10 * number + (uint64_t)(*r->at - '0');
    if (number > UINT32_MAX)
        trace_fail(r, "a number above 32 bits");
    return (uint32_t)number;
}

/* Four hex digits. */
static inline uint32_t trace_unit(struct trace_reader *r)
{
    uint32_t unit = 0;
    int i;
    for (i = 0; i < 4; i++, r->at++) {
        const char *digits = "0123456789abcdef0123456789ABCDEF";
        const char *digit = *r->at ? strchr(digits, *r->at) : NULL;
        if (!digit) {
            trace_fail(r, "expected a hex digit");
            return 0;
        }
        unit = unit << 4 | ((uint32_t)(digit - digits) & 15);
    }
    return unit;
}

static inline void trace_put_utf8(struct trace_reader *r, uint32_t c)
{
    int rest = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const uint8_t lead[] = { 0, 0xc0, 0xe0, 0xf0 };
    *r->out++ = (char)(lead[rest] | c >> 6 * rest);
    while (rest-- > 0)
        *r->out++ = (char)(0x80 | (c >> 6 * rest & 0x3f));
}

/* Behind a backslash and u. */
static inline void trace_put_escaped(struct trace_reader *r)
{
    uint32_t c = trace_unit(r), low;
    if (c >= 0xd800 && c < 0xe000) {
        if (r->at[0] != '\\' || r->at[1] != 'u') {
            trace_fail(r, "half a surrogate pair");
            return;
        }
        r->at += 2;
        low = trace_unit(r);
        if (c >= 0xdc00 || low < 0xdc00 || low >= 0xe000) {
            trace_fail(r, "no surrogate pair");
            return;
        }
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    trace_put_utf8(r, c);
}

/* Behind a backslash. */
static inline void trace_escape(struct trace_reader *r)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *found = *r->at ? strchr(from, *r->at) : NULL;
    if (found)
        *r->out++ = to[found - from];
    else if (*r->at != 'u')
        trace_fail(r, "no such escape");
    if (r->at < r->end && *r->at++ == 'u')
        trace_put_escaped(r);
}

static inline struct trace_part trace_string(struct trace_reader *r)
{
    struct trace_part part;
    char *first = r->out;
    if (!trace_want(r, '"'))
        r->at = r->end;
    while (*r->at && *r->at != '"')
        if (*r->at != '\\') {
            *r->out++ = *r->at++;
        } else {
            r->at++;
            trace_escape(r);
        }
    trace_want(r, '"');
    part.from = (uint32_t)(first - r->file->text);
    part.count = (uint32_t)(r->out - first);
    return part;
}

/* Any value, unread. */
static inline void trace_skip(struct trace_reader *r)
{
    char *out = r->out;
    int depth = 0;
    do {
        int c = trace_peek(r);
        if (c == 0)
            trace_fail(r, "expected a value");
        else if (c == '"')
            trace_string(r);
        else if (strchr("[]{},:", c))
            r->at++;
        else
            r->at += strcspn(r->at, "[]{},: \n\r\t\"");
        depth += (c == '[' || c == '{') - (c == ']' || c == '}');
    } while (depth > 0 && r->at < r->end);
    r->out = out;
}

/* The name of a member; it is gone when the next string is read. */
static inline const char *trace_key(struct trace_reader *r)
{
    char *out = r->out;
    struct trace_part part = trace_string(r);
    trace_want(r, ':');
    if (r->at < r->end)
        r->file->text[part.from + part.count] = 0;
    r->out = out;
    return out;
}
/* >>a trace ---------------------------------------------------------------- */

static inline struct trace_txn *trace_begin_txn(struct trace *t,
                                                uint32_t agent, uint32_t seq)
{
    struct trace_txn *txn;
    t->txns =
        (struct trace_txn *)trace_room(t->txns, t->txn_count, sizeof *t->txns);
    txn = &t->txns[t->txn_count++];
    txn->agent = agent;
    txn->seq = seq;
    txn->edits.from = (uint32_t)t->edit_count;
    txn->parents.from = (uint32_t)t->parent_count;
    txn->edits.count = txn->parents.count = 0;
    return txn;
}

static inline void trace_add_parent(struct trace *t, uint32_t parent)
{
    t->parents = (uint32_t *)trace_room(t->parents, t->parent_count,
                                        sizeof *t->parents);
    t->parents[t->parent_count++] = parent;
    t->txns[t->txn_count - 1].parents.count++;
}

static inline void trace_add_edit(struct trace *t, struct trace_edit edit)
{
    t->edits = (struct trace_edit *)trace_room(t->edits, t->edit_count,
                                               sizeof *t->edits);
    t->edits[t->edit_count++] = edit;
    t->txns[t->txn_count - 1].edits.count++;
}

static inline void trace_read_edits(struct trace_reader *r)
{
    int begun = 0;
    while (trace_next(r, "[]", &begun)) {
        struct trace_edit edit;
        trace_want(r, '[');
        edit.at = trace_number(r);
        trace_want(r, ',');
        edit.deleted = trace_number(r);
        trace_want(r, ',');
        edit.inserted = trace_string(r);
        trace_want(r, ']');
        trace_add_edit(r->trace, edit);
    }
}

static inline void trace_read_parents(struct trace_reader *r)
{
    int begun = 0;
    while (trace_next(r, "[]", &begun))
        trace_add_parent(r->trace, trace_number(r));
}

static inline void trace_read_span(struct trace_reader *r)
{
    struct trace_part span;
    trace_want(r, '[');
    span.from = trace_number(r);
    trace_want(r, ',');
    span.count = trace_number(r) - span.from;
    trace_want(r, ']');
    r->spans =
        (struct trace_part *)trace_room(r->spans, r->span_count, sizeof span);
    r->spans[r->span_count++] = span;
}

static inline void trace_read_agent(struct trace_reader *r)
{
    struct trace_name *name = &r->names[r->trace->txn_count - 1];
    if (trace_peek(r) == '"') {
        struct trace_part part = trace_string(r);
        name->text = r->file->text + part.from;
        name->len = part.count;
    } else {
        name->number = trace_number(r);
    }
}

static inline void trace_read_txn(struct trace_reader *r)
{
    struct trace *t = r->trace;
    uint32_t at = (uint32_t)t->txn_count;
    struct trace_name name = { "", 0, 0, 0 };
    int begun = 0, has_parents = 0;
    name.txn = at;
    r->names = (struct trace_name *)trace_room(r->names, at, sizeof name);
    r->names[at] = name;
    trace_begin_txn(t, 0, 0);
    while (trace_next(r, "{}", &begun)) {
        const char *key = trace_key(r);
        if (strcmp(key, "patches") == 0 || strcmp(key, "ops") == 0)
            trace_read_edits(r);
        else if (strcmp(key, "parents") == 0 && (has_parents = 1))
            trace_read_parents(r);
        else if (strcmp(key, "span") == 0)
            trace_read_span(r);
        else if (strcmp(key, "agent") == 0)
            trace_read_agent(r);
        else if (strcmp(key, "seqStart") == 0)
            t->txns[at].seq = trace_number(r);
        else
            trace_skip(r);
    }
    if (!has_parents && at > 0)
        trace_add_parent(t, at - 1);
}

static inline void trace_read_txns(struct trace_reader *r)
{
    int begun = 0;
    while (trace_next(r, "[]", &begun))
        trace_read_txn(r);
}

static inline int trace_name_order(const void *a, const void *b)
{
    const struct trace_name *x = (const struct trace_name *)a;
    const struct trace_name *y = (const struct trace_name *)b;
    int order = memcmp(x->text, y->text, x->len < y->len ? x->len : y->len);
    if (order == 0)
        order = (x->len > y->len) - (x->len < y->len);
    if (order == 0)
        order = (x->number > y->number) - (x->number < y->number);
    return order;
}

static inline void trace_rank_agents(struct trace_reader *r)
{
    struct trace *t = r->trace;
    uint32_t rank = 0;
    size_t i;
    if (t->txn_count > 0)
        qsort(r->names, t->txn_count, sizeof *r->names, trace_name_order);
    for (i = 0; i < t->txn_count; i++) {
        if (i > 0 && trace_name_order(&r->names[i - 1], &r->names[i]) != 0)
            rank++;
        t->txns[r->names[i].txn].agent = rank;
        t->agent_count = rank + 1;
    }
}

/* Whether parents, if they are txns, are above. */
static inline int trace_parents_fit(const struct trace *t)
{
    size_t i, p;
    for (i = 0; i < t->txn_count; i++)
        for (p = 0; p < t->txns[i].parents.count; p++)
            if (t->parents[t->txns[i].parents.from + p] >= i)
                return 0;
    return 1;
}

/* Who comes first where agents insert at one place is decided by their names.
 * In the recording of git's Makefile these became numbers, in the order in
 * which they appear; with these agents first it ends as it says. */
static inline void trace_order_agents(struct trace *t)
{
    static const uint32_t first[] = { 39, 0,   129, 259, 79, 261,
                                      5,  225, 175, 249, 29, 62,
                                      20, 4,   59,  224, 2,  76 };
    const uint32_t count = (uint32_t)(sizeof first / sizeof *first);
    size_t i;
    uint32_t k;
    for (i = 0; i < t->txn_count; i++) {
        uint32_t agent = t->txns[i].agent, before = 0, rank = count;
        for (k = 0; k < count; k++) {
            before += first[k] < agent;
            if (first[k] == agent)
                rank = k;
        }
        t->txns[i].agent = rank < count ? rank : count + agent - before;
    }
}

/* >>from events to txns ---------------------------------------------------- */

/* Bytes of the first `chars` code points. */
static inline uint32_t trace_bytes(const struct trace *t,
                                   struct trace_part part, uint32_t chars)
{
    uint32_t i;
    for (i = 0; i < part.count; i++)
        if ((t->text[part.from + i] & 0xc0) != 0x80 && chars-- == 0)
            break;
    return i;
}

static inline uint32_t trace_chars(const struct trace *t,
                                   struct trace_part part)
{
    uint32_t i, chars = 0;
    for (i = 0; i < part.count; i++)
        chars += (t->text[part.from + i] & 0xc0) != 0x80;
    return chars;
}

static inline uint32_t trace_events(const struct trace *t,
                                    const struct trace_edit *edit)
{
    return edit->deleted + trace_chars(t, edit->inserted);
}

static inline uint32_t trace_txn_events(const struct trace *t,
                                        const struct trace_txn *txn)
{
    uint32_t i, events = 0;
    for (i = 0; i < txn->edits.count; i++)
        events += trace_events(t, &t->edits[txn->edits.from + i]);
    return events;
}

/* Takes the first events off an edit: deletions come first. */
static inline struct trace_edit trace_take_events(const struct trace *t,
                                                  struct trace_edit *edit,
                                                  uint32_t events)
{
    struct trace_edit first = *edit;
    if (events < first.deleted)
        first.deleted = events;
    events -= first.deleted;
    first.inserted.count = trace_bytes(t, first.inserted, events);
    edit->deleted -= first.deleted;
    edit->at += events;
    edit->inserted.from += first.inserted.count;
    edit->inserted.count -= first.inserted.count;
    return first;
}

/* Where no seqs are given. */
static inline void trace_count_seqs(struct trace *t)
{
    uint32_t *next =
        (uint32_t *)trace_must(calloc(t->agent_count + 1, sizeof *next));
    size_t i;
    for (i = 0; i < t->txn_count; i++) {
        struct trace_txn *txn = &t->txns[i];
        txn->seq = next[txn->agent];
        next[txn->agent] += trace_txn_events(t, txn);
    }
    free(next);
}

/* `cuts` is not 0 for events that a txn begins at, and for their end; then it
 * is how many begin up to there. */
static inline void trace_cut_txn(struct trace *t, const struct trace *whole,
                                 size_t at, uint32_t event,
                                 const uint32_t *cuts)
{
    const struct trace_txn *txn = &whole->txns[at];
    uint32_t i, n, count, from = event;
    trace_begin_txn(t, txn->agent, txn->seq);
    for (i = 0; i < txn->parents.count; i++)
        trace_add_parent(t,
                         cuts[whole->parents[txn->parents.from + i] + 1] - 2);
    for (i = 0; i < txn->edits.count; i++) {
        struct trace_edit edit = whole->edits[txn->edits.from + i];
        while ((count = trace_events(t, &edit)) > 0) {
            if (cuts[event] && event != from) {
                trace_begin_txn(t, txn->agent, txn->seq + (event - from));
                trace_add_parent(t, (uint32_t)t->txn_count - 2);
            }
            for (n = 1; n < count && !cuts[event + n]; n++)
                ;
            trace_add_edit(t, trace_take_events(t, &edit, n));
            event += n;
        }
    }
}

/* Spans follow on each other and say how many events there are; parents are
 * above. */
static inline int trace_spans_fit(struct trace_reader *r)
{
    const struct trace *t = r->trace;
    uint32_t i, event = 0;
    size_t at;
    if (r->span_count != t->txn_count)
        return 0;
    for (at = 0; at < t->txn_count; at++) {
        const struct trace_txn *txn = &t->txns[at];
        uint32_t from = event;
        event += trace_txn_events(t, txn);
        if (event == from || r->spans[at].from != from ||
            r->spans[at].count != event - from)
            return 0;
        for (i = 0; i < txn->parents.count; i++)
            if (t->parents[txn->parents.from + i] >= from)
                return 0;
    }
    return 1;
}

static inline void trace_cut(struct trace_reader *r)
{
    struct trace whole = *r->trace, *t = r->trace;
    struct trace_part last = r->spans[r->span_count - 1];
    size_t i, end = (size_t)last.from + last.count;
    uint32_t begun = 0;
    uint32_t *cuts = (uint32_t *)trace_must(calloc(end + 1, sizeof *cuts));
    for (i = 0; i < r->span_count; i++)
        cuts[r->spans[i].from] = 1;
    for (i = 0; i < t->parent_count; i++)
        cuts[t->parents[i] + 1] = 1;
    cuts[end] = 1;
    for (i = 0; i <= end; i++)
        if (cuts[i])
            cuts[i] = ++begun;
    t->edits = NULL;
    t->txns = NULL;
    t->parents = NULL;
    t->edit_count = t->txn_count = t->parent_count = 0;
    for (i = 0; i < whole.txn_count; i++)
        trace_cut_txn(t, &whole, i, r->spans[i].from, cuts);
    free(cuts);
    free(whole.edits);
    free(whole.txns);
    free(whole.parents);
}

/* >>a file ----------------------------------------------------------------- */

static inline void trace_read(struct trace_reader *r)
{
    int begun = 0;
    while (trace_next(r, "{}", &begun)) {
        const char *key = trace_key(r);
        if (strcmp(key, "txns") == 0)
            trace_read_txns(r);
        else if (strcmp(key, "startContent") == 0)
            r->trace->start = trace_string(r);
        else if (strcmp(key, "endContent") == 0)
            r->trace->end = trace_string(r);
        else
            trace_skip(r);
    }
    trace_rank_agents(r);
    if (r->span_count == 0 ? !trace_parents_fit(r->trace)
                           : !trace_spans_fit(r))
        trace_fail(r, "the parents or spans of this trace make no sense");
    else if (r->span_count > 0)
        trace_cut(r);
    else
        trace_count_seqs(r->trace);
    r->span_count = 0;
}

static inline void trace_add(struct trace_reader *r)
{
    struct trace_file *file = r->file;
    file->traces = (struct trace *)trace_room(file->traces, file->count,
                                              sizeof *file->traces);
    r->trace = &file->traces[file->count++];
    memset(r->trace, 0, sizeof *r->trace);
    r->trace->text = file->text;
    trace_read(r);
}

static inline void trace_read_all(struct trace_reader *r)
{
    int begun = 0;
    if (trace_peek(r) == '{')
        trace_add(r);
    else
        while (trace_next(r, "[]", &begun))
            trace_add(r);
    if (trace_peek(r) != 0)
        trace_fail(r, "expected the end");
}

/* 0, or -1 and `error`. To be freed only when it is 0. */
static inline int trace_load(struct trace_file *file, const char *path)
{
    struct trace_reader r;
    char error[sizeof file->error];
    size_t len = 0;
    memset(file, 0, sizeof *file);
    memset(&r, 0, sizeof r);
    r.file = file;
    r.at = r.out = file->text = trace_unzip(path, &len);
    if (!file->text) {
        strcpy(file->error, "cannot be read");
        return -1;
    }
    r.end = r.at + len;
    trace_read_all(&r);
    free(r.names);
    free(r.spans);
    if (!file->error[0]) {
        if (strstr(path, "git-makefile.json.gz") && file->count == 1)
            trace_order_agents(file->traces);
        return 0;
    }
    memcpy(error, file->error, sizeof error);
    trace_free(file);
    memcpy(file->error, error, sizeof error);
    return -1;
}

/* Whether each txn begins with the one before it, and nothing else. */
static inline int trace_is_sequence(const struct trace *t)
{
    size_t i;
    for (i = 0; i < t->txn_count; i++) {
        struct trace_part parents = t->txns[i].parents;
        if (parents.count != (i > 0) ||
            (i > 0 && t->parents[parents.from] != i - 1))
            return 0;
    }
    return 1;
}

#endif
