/*
 * Traces as documents: edits made in one, and histories in as many as it takes.
 *
 * An agent writes its next txn in its document after joining what the txn's
 * parents had seen. If the document has seen anything else, as where an agent
 * is concurrent with itself, or if the agent wrote anything in between, it
 * goes on in a new one. So ids that begin with the agent and go on with its
 * count of events are in the order of agents and their events.
 */
#ifndef REPLAY_H
#define REPLAY_H

#include "bench.h"
#include "../test/trace.h"

/* >>edits ------------------------------------------------------------------ */

static inline crdt_obj text_of(crdt_doc *doc)
{
    return crdt_map_text(crdt_root(doc), CRDT_STR("text"));
}

static inline crdt_bytes bytes_of(const struct trace *t,
                                  struct trace_part part)
{
    return crdt_bytes_of(t->text + part.from, part.count);
}

static inline void edit_text(crdt_obj text, const struct trace *t,
                             const struct trace_edit *edit)
{
    crdt_bytes inserted = bytes_of(t, edit->inserted);
    if (inserted.len == 0)
        bench_must(
            crdt_text_delete(text, CRDT_CHARS, edit->at, edit->deleted));
    else if (edit->deleted == 0)
        bench_must(crdt_text_insert(text, CRDT_CHARS, edit->at, inserted));
    else
        bench_must(crdt_text_replace(text, CRDT_CHARS, edit->at, edit->deleted,
                                     inserted));
}

static inline void edit_all(crdt_obj text, const struct trace *t,
                            struct trace_part edits)
{
    const struct trace_edit *edit = t->edits + edits.from;
    const struct trace_edit *end = edit + edits.count;
    for (; edit < end; edit++)
        edit_text(text, t, edit);
}

static inline struct trace_part all_edits(const struct trace *t)
{
    struct trace_part all = { 0, 0 };
    all.count = (uint32_t)t->edit_count;
    return all;
}

/* >>histories -------------------------------------------------------------- */

struct author {
    crdt_doc *doc;
    uint32_t next_seq;
};

struct history {
    const struct trace *trace;
    struct author *authors;       /* an agent */
    size_t doc_count;             /* there have been */
    crdt_vv *after;               /* a txn */
    crdt_buf *deltas;             /* of a txn alone */
    uint32_t *needed, *needed_by; /* txns to join; the last that needed one */
};

static inline int is_within(const crdt_vv *a, const crdt_vv *b)
{
    crdt_order order = crdt_vv_compare(a, b);
    return order == CRDT_EQUAL || order == CRDT_BEFORE;
}

static inline void put_number(uint8_t out[4], uint32_t number)
{
    out[0] = (uint8_t)(number >> 24);
    out[1] = (uint8_t)(number >> 16);
    out[2] = (uint8_t)(number >> 8);
    out[3] = (uint8_t)number;
}

static inline int author_goes_on(const struct author *author, uint32_t seq,
                                 const crdt_vv *seen)
{
    crdt_vv vv = CRDT_VV_INIT;
    int goes_on;
    if (!author->doc || author->next_seq != seq)
        return 0;
    bench_must(crdt_doc_vv(author->doc, &vv));
    goes_on = is_within(&vv, seen);
    crdt_vv_free(&vv);
    return goes_on;
}

/* The document of the txn's agent, which has seen nothing beyond `seen`. */
static inline crdt_doc *history_doc(struct history *h,
                                    const struct trace_txn *txn,
                                    const crdt_vv *seen)
{
    struct author *author = &h->authors[txn->agent];
    if (!author_goes_on(author, txn->seq, seen)) {
        crdt_id id;
        memset(&id, 0x5a, sizeof id);
        put_number(id.b, txn->agent);
        put_number(id.b + 4, txn->seq);
        crdt_doc_free(author->doc);
        author->doc = bench_doc_of(&id);
        h->doc_count++;
    }
    author->next_seq = txn->seq + trace_txn_events(h->trace, txn);
    return author->doc;
}

/* Notes the parents of a txn that `vv` does not cover, once for each `by`. */
static inline size_t history_need(struct history *h, size_t txn, size_t by,
                                  const crdt_vv *vv, size_t count)
{
    const struct trace *t = h->trace;
    size_t i;
    for (i = 0; i < t->txns[txn].parents.count; i++) {
        uint32_t parent = t->parents[t->txns[txn].parents.from + i];
        if (h->needed_by[parent] != by && !is_within(&h->after[parent], vv)) {
            h->needed_by[parent] = (uint32_t)by;
            h->needed[count++] = parent;
        }
    }
    return count;
}

static inline int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The document joins what the parents of the txn have seen. */
static inline void history_join(struct history *h, crdt_doc *doc, size_t txn)
{
    crdt_vv vv = CRDT_VV_INIT;
    size_t i, count;
    bench_must(crdt_doc_vv(doc, &vv));
    count = history_need(h, txn, txn, &vv, 0);
    for (i = 0; i < count; i++)
        count = history_need(h, h->needed[i], txn, &vv, count);
    qsort(h->needed, count, sizeof *h->needed, by_number);
    for (i = 0; i < count; i++)
        bench_must(crdt_join(doc, crdt_buf_bytes(&h->deltas[h->needed[i]])));
    crdt_vv_free(&vv);
}

static inline void history_write(struct history *h, size_t at)
{
    const struct trace *t = h->trace;
    const struct trace_txn *txn = &t->txns[at];
    crdt_vv seen = CRDT_VV_INIT;
    crdt_doc *doc;
    size_t i;
    for (i = 0; i < txn->parents.count; i++)
        bench_must(crdt_vv_merge(
            &seen, &h->after[t->parents[txn->parents.from + i]]));
    doc = history_doc(h, txn, &seen);
    history_join(h, doc, at);
    edit_all(text_of(doc), t, txn->edits);
    bench_must(crdt_commit(doc));
    bench_must(crdt_doc_vv(doc, &h->after[at]));
    bench_must(crdt_delta(doc, &seen, &h->deltas[at]));
    crdt_vv_free(&seen);
}

static inline void history_play(struct history *h, const struct trace *t)
{
    size_t i;
    memset(h, 0, sizeof *h);
    h->trace = t;
    h->authors =
        (struct author *)bench_memory(t->agent_count * sizeof *h->authors);
    h->after = (crdt_vv *)bench_memory(t->txn_count * sizeof *h->after);
    h->deltas = (crdt_buf *)bench_memory(t->txn_count * sizeof *h->deltas);
    h->needed = (uint32_t *)bench_memory(t->txn_count * sizeof *h->needed);
    h->needed_by =
        (uint32_t *)bench_memory(t->txn_count * sizeof *h->needed_by);
    for (i = 0; i < t->txn_count; i++)
        history_write(h, i);
}

/* A document that all of it was merged into. */
static inline crdt_doc *history_merged(const struct history *h)
{
    crdt_doc *doc = bench_doc(0xffff);
    size_t i;
    for (i = 0; i < h->trace->txn_count; i++)
        bench_must(crdt_join(doc, crdt_buf_bytes(&h->deltas[i])));
    return doc;
}

static inline void history_free(struct history *h)
{
    size_t i;
    for (i = 0; i < h->trace->agent_count; i++)
        crdt_doc_free(h->authors[i].doc);
    for (i = 0; i < h->trace->txn_count; i++) {
        crdt_vv_free(&h->after[i]);
        crdt_buf_free(&h->deltas[i]);
    }
    free(h->authors);
    free(h->after);
    free(h->deltas);
    free(h->needed);
    free(h->needed_by);
}

#endif
