/*
 * A trace as JSON for the other engines (bench/peers), which a program without
 * any notion of histories can replay:
 *
 *     { "name": "..", "is_sequence": true, "start": "..", "end": "..",
 *       "txns": [{ "doc": 0, "id": 0, "base": 0, "joins": [0, ..],
 *                  "edits": [[at, deleted, "inserted"], ..] }, ..],
 *       "finals": [0, 1] }
 *
 * A txn is written in document `doc`, after that has joined what the txns of
 * `joins` wrote. It is a new one when the author's last has seen what this txn
 * had not; then it may begin with all that the document of txn `base` had when
 * that was written. Engines that put what is concurrent in order by the ids of
 * its authors make of it what the trace says when they take `id` for that of
 * the document.
 * `finals`: the authors' last documents, whose updates make the whole; none
 * when there are too many authors, or one worked in several documents: then
 * the whole is the update of a document that has joined all.
 *
 * Peers count in UTF-8 or UTF-16. So that positions mean the same to all, a
 * character beyond ASCII is written as "?"; there is none in the final texts.
 */
#ifndef PLAIN_H
#define PLAIN_H

#include "bench.h"
#include "../test/trace.h"

#define AUTHORS_FEW 8u /* each may send its whole document */

/* >>sets of txns ----------------------------------------------------------- */

/* An author's last document. */
struct plain_author {
    const uint64_t *has;
    uint64_t id; /* agent, event */
    uint32_t doc, next_seq;
};

struct plain {
    const struct trace *trace;
    size_t words;      /* of a set */
    uint64_t **before; /* a txn: all that it had seen */
    struct plain_author *authors;
    uint32_t doc_count;
};

static inline uint64_t *plain_set(const struct plain *p)
{
    return (uint64_t *)bench_memory(p->words * sizeof(uint64_t));
}

static inline void plain_add(uint64_t *set, size_t txn)
{
    set[txn / 64] |= UINT64_C(1) << (txn % 64);
}

static inline int plain_has(const uint64_t *set, size_t txn)
{
    return (int)(set[txn / 64] >> (txn % 64) & 1);
}

static inline void plain_merge(const struct plain *p, uint64_t *set,
                               const uint64_t *other)
{
    size_t i;
    for (i = 0; i < p->words; i++)
        set[i] |= other[i];
}

static inline int plain_is_within(const struct plain *p, const uint64_t *set,
                                  const uint64_t *other)
{
    size_t i;
    for (i = 0; i < p->words; i++)
        if (set[i] & ~other[i])
            return 0;
    return 1;
}

static inline void plain_before(struct plain *p, size_t at)
{
    const struct trace_txn *txn = &p->trace->txns[at];
    size_t i;
    p->before[at] = plain_set(p);
    for (i = 0; i < txn->parents.count; i++) {
        uint32_t parent = p->trace->parents[txn->parents.from + i];
        plain_merge(p, p->before[at], p->before[parent]);
        plain_add(p->before[at], parent);
    }
}

static inline uint64_t *plain_after(const struct plain *p, size_t at)
{
    uint64_t *set = plain_set(p);
    plain_merge(p, set, p->before[at]);
    plain_add(set, at);
    return set;
}

/* >>writing ---------------------------------------------------------------- */

static inline void plain_text(FILE *out, const struct trace *t,
                              struct trace_part part)
{
    const char *at = t->text + part.from, *end = at + part.count;
    putc('"', out);
    for (; at < end; at++) {
        unsigned char c = (unsigned char)*at;
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            fprintf(out, "\\u%04x", c);
        else if (c < 0x80)
            putc(c, out);
        else if (c >= 0xc0)
            putc('?', out);
    }
    putc('"', out);
}

static inline void plain_edits(FILE *out, const struct trace *t,
                               struct trace_part edits)
{
    uint32_t i;
    fprintf(out, "\"edits\":[");
    for (i = 0; i < edits.count; i++) {
        const struct trace_edit *edit = &t->edits[edits.from + i];
        fprintf(out, "%s[%lu,%lu,", i ? "," : "", (unsigned long)edit->at,
                (unsigned long)edit->deleted);
        plain_text(out, t, edit->inserted);
        putc(']', out);
    }
    fprintf(out, "]}");
}

/* What the document that goes on has seen; NULL: a new one begins. */
static inline const uint64_t *plain_doc(struct plain *p, size_t at)
{
    const struct trace_txn *txn = &p->trace->txns[at];
    struct plain_author *author = &p->authors[txn->agent];
    const uint64_t *has = author->has;
    if (!has || author->next_seq != txn->seq ||
        !plain_is_within(p, has, p->before[at])) {
        has = NULL;
        author->doc = p->doc_count++;
        author->id = (uint64_t)txn->agent << 24 | txn->seq;
    }
    author->next_seq = txn->seq + trace_txn_events(p->trace, txn);
    author->has = plain_after(p, at);
    return has;
}

/* The document of a txn that a new one begins with; -1: with nothing. */
static inline long plain_base(const struct plain *p, size_t at)
{
    struct trace_part parents = p->trace->txns[at].parents;
    long base = -1;
    size_t i;
    for (i = 0; i < parents.count; i++) {
        long parent = (long)p->trace->parents[parents.from + i];
        base = parent > base ? parent : base;
    }
    return base;
}

static inline void plain_joins(FILE *out, const struct plain *p, size_t at,
                               const uint64_t *has)
{
    const char *comma = "";
    size_t i;
    fprintf(out, "\"joins\":[");
    for (i = 0; i < at; i++)
        if (plain_has(p->before[at], i) && !(has && plain_has(has, i))) {
            fprintf(out, "%s%lu", comma, (unsigned long)i);
            comma = ",";
        }
    fprintf(out, "],");
}

static inline void plain_txn(FILE *out, struct plain *p, size_t at)
{
    const struct trace_txn *txn = &p->trace->txns[at];
    const struct plain_author *author = &p->authors[txn->agent];
    const uint64_t *has;
    long base;
    plain_before(p, at);
    has = plain_doc(p, at);
    base = has ? -1 : plain_base(p, at);
    fprintf(out, "%s{\"doc\":%lu,\"id\":%llu,", at ? ",\n" : "\n",
            (unsigned long)author->doc, (unsigned long long)author->id);
    if (base >= 0) {
        fprintf(out, "\"base\":%ld,", base);
        has = plain_after(p, (size_t)base);
    }
    plain_joins(out, p, at, has);
    plain_edits(out, p->trace, txn->edits);
}

static inline void plain_history(FILE *out, const struct trace *t)
{
    struct plain p;
    size_t i, agents = t->agent_count;
    memset(&p, 0, sizeof p);
    p.trace = t;
    p.words = (t->txn_count + 63) / 64;
    p.before = (uint64_t **)bench_memory(t->txn_count * sizeof *p.before);
    p.authors =
        (struct plain_author *)bench_memory(agents * sizeof *p.authors);
    for (i = 0; i < t->txn_count; i++)
        plain_txn(out, &p, i);
    fprintf(out, "],\n\"finals\":[");
    if (p.doc_count <= AUTHORS_FEW && p.doc_count <= agents)
        for (i = 0; i < agents; i++)
            fprintf(out, "%s%lu", i ? "," : "",
                    (unsigned long)p.authors[i].doc);
}

/* One txn is as good as many that follow each other. */
static inline void plain_sequence(FILE *out, const struct trace *t)
{
    struct trace_part all = { 0, 0 };
    all.count = (uint32_t)t->edit_count;
    fprintf(out, "\n{\"doc\":0,\"id\":0,\"joins\":[],");
    plain_edits(out, t, all);
    fprintf(out, "],\n\"finals\":[0");
}

/* What the plan takes goes with the process. */
static inline void plain_write(FILE *out, const struct trace *t,
                               const char *name)
{
    int is_sequence = trace_is_sequence(t);
    fprintf(out, "{\"name\":\"%s\",\"is_sequence\":%s,\n\"start\":", name,
            is_sequence ? "true" : "false");
    plain_text(out, t, t->start);
    fprintf(out, ",\n\"end\":");
    plain_text(out, t, t->end);
    fprintf(out, ",\n\"txns\":[");
    if (is_sequence)
        plain_sequence(out, t);
    else
        plain_history(out, t);
    fprintf(out, "]}\n");
}

#endif
