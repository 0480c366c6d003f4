/*
 * A store in memory, as simple as can be: lists of records, how many of each
 * would survive a power failure, and what the next calls are to answer. With
 * it go the tests of what a node does with a store; those of real stores are
 * in test/crash.
 *
 *     struct memory_store disk;
 *     memory_store_init(&disk, seed);
 *     crdt_store store = memory_store_open(&disk);
 *     ... crdt_node_new(&node, { ..., &store }) ...
 *     memory_store_crash(&disk);   // what is not synced goes, in parts
 */
#ifndef MEMORY_STORE_H
#define MEMORY_STORE_H

#include "test.h"

#define MEMORY_DOCS 8
#define MEMORY_RECORDS 512

struct memory_record {
    uint8_t *ptr;
    size_t len;
};

struct memory_doc {
    char name[CRDTSYNC_MAX_NAME + 1];
    struct memory_record records[MEMORY_RECORDS];
    size_t len, durable;
};

struct memory_store {
    struct memory_doc docs[MEMORY_DOCS];
    size_t docs_len;
    crdt_id life;
    uint64_t dice;
    int is_clean;
    crdt_err fails;          /* what every change answers; OK: none fails */
    uint64_t calls, dies_at; /* changes so far; from that one on */
    crdt_err dies_of;        /* they answer this */
    uint64_t syncs, bytes;
};

static inline crdt_bytes memory_text(const char *text)
{
    return crdt_bytes_of(text, strlen(text));
}

static inline struct memory_doc *memory_doc_find(struct memory_store *s,
                                                 crdt_bytes name, int make)
{
    struct memory_doc *doc;
    size_t i;
    for (i = 0; i < s->docs_len; i++)
        if (crdt_bytes_equal(memory_text(s->docs[i].name), name))
            return &s->docs[i];
    if (!make || s->docs_len == MEMORY_DOCS)
        return NULL;
    doc = &s->docs[s->docs_len++];
    memcpy(doc->name, name.ptr, name.len);
    return doc;
}

static inline void memory_drop(struct memory_doc *doc, size_t from)
{
    while (doc->len > from)
        free(doc->records[--doc->len].ptr);
}

static inline crdt_err memory_change(struct memory_store *s)
{
    if (++s->calls == s->dies_at)
        s->fails = s->dies_of;
    return s->fails;
}

/* Behind the others, or instead of them. */
static inline crdt_err memory_put(struct memory_store *s, crdt_bytes name,
                                  crdt_bytes record, int replaces)
{
    struct memory_doc *doc = memory_doc_find(s, name, 1);
    struct memory_record *r;
    crdt_err err = memory_change(s);
    if (err)
        return err;
    if (!doc || (doc->len == MEMORY_RECORDS && !replaces))
        return CRDT_ERR_LIMIT;
    if (replaces)
        memory_drop(doc, 0);
    r = &doc->records[doc->len++];
    r->len = record.len;
    r->ptr = (uint8_t *)malloc(record.len + 1);
    memcpy(r->ptr, record.ptr, record.len);
    s->bytes += record.len;
    if (replaces)
        doc->durable = doc->len;
    return CRDT_OK;
}

static inline crdt_err memory_append(void *ctx, crdt_bytes name,
                                     crdt_bytes record)
{
    return memory_put((struct memory_store *)ctx, name, record, 0);
}

static inline crdt_err memory_sync(void *ctx, int durably)
{
    struct memory_store *s = (struct memory_store *)ctx;
    size_t i;
    crdt_err err = memory_change(s);
    if (err)
        return err;
    for (i = 0; i < s->docs_len && durably; i++)
        s->docs[i].durable = s->docs[i].len;
    s->syncs += durably != 0;
    return CRDT_OK;
}

/* Durable at once: the other outcomes are those of the crash before it. */
static inline crdt_err memory_snapshot(void *ctx, crdt_bytes name,
                                       crdt_bytes record)
{
    return memory_put((struct memory_store *)ctx, name, record, 1);
}

static inline crdt_err memory_load(void *ctx, crdt_bytes name,
                                   crdt_bytes_fn *fn, void *to)
{
    struct memory_doc *doc =
        memory_doc_find((struct memory_store *)ctx, name, 0);
    size_t i;
    crdt_err err = CRDT_OK;
    for (i = 0; doc && i < doc->len && !err; i++)
        err = fn(to, crdt_bytes_of(doc->records[i].ptr, doc->records[i].len));
    if (err == CRDT_ERR_CORRUPT)
        memory_drop(doc, i - 1);
    return err;
}

static inline crdt_err memory_list(void *ctx, crdt_bytes_fn *fn, void *to)
{
    struct memory_store *s = (struct memory_store *)ctx;
    size_t i;
    crdt_err err = CRDT_OK;
    for (i = 0; i < s->docs_len && !err; i++)
        err = fn(to, memory_text(s->docs[i].name));
    return err;
}

static inline void memory_close(void *ctx, int cleanly)
{
    struct memory_store *s = (struct memory_store *)ctx;
    s->is_clean = cleanly && !s->fails;
}

static inline crdt_store memory_store_open(struct memory_store *s)
{
    crdt_store store;
    size_t i;
    for (i = 0; i < sizeof s->life.b && !s->is_clean; i++)
        s->life.b[i] = (uint8_t)test_random(&s->dice);
    s->is_clean = 0;
    store.version = 1;
    store.ctx = s;
    store.life = s->life;
    store.append = memory_append;
    store.sync = memory_sync;
    store.snapshot = memory_snapshot;
    store.load = memory_load;
    store.list = memory_list;
    store.close = memory_close;
    return store;
}

static inline void memory_store_init(struct memory_store *s, uint64_t seed)
{
    memset(s, 0, sizeof *s);
    s->dice = seed;
}

/* Of each document, any number of the records that are not durable goes. */
static inline void memory_store_crash(struct memory_store *s)
{
    size_t i;
    for (i = 0; i < s->docs_len; i++) {
        struct memory_doc *doc = &s->docs[i];
        size_t loose = doc->len - doc->durable;
        memory_drop(doc,
                    doc->durable + test_below(&s->dice, (uint32_t)loose + 1));
        doc->durable = doc->len;
    }
    s->is_clean = 0;
}

static inline void memory_store_free(struct memory_store *s)
{
    size_t i;
    for (i = 0; i < s->docs_len; i++)
        memory_drop(&s->docs[i], 0);
}

#endif
