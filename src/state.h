/*
 * The state of a document: objects, entries, live ops, kill records.
 *
 *     object  a map, register or counter; named by (entry, type)
 *       |
 *       +-- entry   a key of a map; a register has one, with the empty key, a
 *             |     counter two: "" for additions, "r" for resets
 *             +-- ops      what is alive here, newest first
 *             +-- kills    what is dead here: see kill.h
 *             +-- child    the containers at this key, one a type
 *
 *     replica  +-- journal  its ops by seq, oldest .. newest
 *              +-- blocks   the same for rows, the short form of some: row.h
 *
 * All of them are records in pools, and refer to each other by number, so a
 * document is a handful of blocks. An entry is found in one hash probe by
 * (object, key). It goes as soon as it holds nothing; an object stays, as
 * handles may name it.
 */
#ifndef CRDTI_STATE_H
#define CRDTI_STATE_H

#include "alloc.h"
#include "arena.h"
#include "array.h"
#include "base.h"
#include "bytes.h"
#include "dot.h"
#include "hash.h"
#include "hlc.h"
#include "op.h"
#include "pool.h"
#include "vv.h"

#define CRDTI_ROOT 1u
#define CRDTI_INLINE_KEY 8
#define CRDTI_BLOCK_ROWS 16
#define CRDTI_ROW_KEY 9      /* bytes of an element that fits into a row */
#define CRDTI_ELEMENT_KEY 24 /* of one of a list: list.h */
#define CRDTI_KEY_GONE UINT16_MAX /* length of the key of a freed entry */
#if CRDTSYNC_MAX_KEY >= 65535
#error "CRDTSYNC_MAX_KEY must be less than 65535"
#endif

typedef struct crdti_replica {
    crdt_id id;
    uint64_t name;  /* hash of the id, for digests */
    uint64_t seq;   /* applied; of the own replica: committed */
    uint64_t floor; /* kill records of its ops up to here are forgotten */
    uint64_t mark;  /* scratch of a join: kill up to here */
    uint32_t oldest, newest; /* journal */
    uint32_t oldest_block, newest_block;
    uint32_t newest_author; /* of sequences: author.h */
    uint32_t authors;       /* how many there are */
    uint32_t wire;          /* scratch of an encoder: number in the message */
} crdti_replica;

typedef struct crdti_object {
    uint32_t entry;   /* where it hangs; 0: the root */
    uint32_t sibling; /* the next container at the same key */
    uint32_t entries; /* list */
    uint32_t weight;  /* how much of it is visible */
    uint32_t wire;    /* scratch of an encoder */
    uint32_t stale;   /* the next that is to be settled */
    uint8_t type, depth, keys_changed, is_stale;
    uint32_t blocks; /* of a set: rows (row.h) */
    uint64_t name;   /* hash of the path, for digests */
    void *state;     /* the type's own */
} crdti_object;

typedef struct crdti_entry {
    uint32_t object;
    uint32_t prev, next; /* among the entries of the object */
    uint32_t ops, kills, child;
    uint32_t shows; /* ops that are shown, children with weight */
    uint16_t key_len;
    uint8_t is_visible;
    uint64_t name; /* hash of path and key, for digests */
    union {
        uint8_t inside[CRDTI_INLINE_KEY];
        uint8_t *outside;
    } key;
} crdti_entry;

/* "Of `replica`, what is up to `last` in this entry is dead", as `killer` says,
 * who may have taken the record over from the dot that said it first: who has
 * seen that dot need not be told. See kill.h. */
typedef struct crdti_kill {
    uint32_t next, replica, killer;
    uint32_t said_replica; /* number of the replica */
    uint64_t said_seq;
    uint64_t last;
} crdti_kill;

/* Rows of one set and replica: see row.h. */
typedef struct crdti_block {
    uint32_t object, replica;
    uint32_t prev, next;              /* among the blocks of the set */
    uint32_t older, newer;            /* among those of the replica */
    uint64_t base;                    /* seq of the first row */
    uint8_t len, used;                /* places taken; rows that are alive */
    uint8_t is_listed;                /* among those of the replica */
    uint8_t leads[CRDTI_BLOCK_ROWS];  /* the first byte of the element */
    uint16_t steps[CRDTI_BLOCK_ROWS]; /* seq - base */
    uint64_t rests[CRDTI_BLOCK_ROWS]; /* the other bytes, as a number */
} crdti_block;

/* What there is to read in an object: places, see place.h. */
enum {
    CRDTI_ONE_VALUE,
    CRDTI_BY_KEY,     /* a value, or container, at each key */
    CRDTI_BY_ELEMENT, /* whether it is there, of each element */
    CRDTI_BY_STEPS,   /* a text */
    CRDTI_BY_INDEX    /* a list, and a value, or container, of each element */
};

/* What a type must say of itself: a row of the type table (type.h). */
typedef struct crdti_type {
    const char *name;
    unsigned kinds; /* of ops that it takes, a bit each */
    int shape;
    /* Whether its entries die with what is above it. If not, a removal above
     * writes a reset into it. */
    int is_scope;
    /* Whether an IN that kills nothing may be a row (row.h). */
    int has_rows;
    /* Whether deltas tell the keys of its ops; if not, the kind says them. */
    int is_keyed;
    /* Whether it may have an entry of the key. NULL: only the empty one. */
    int (*has_key)(crdt_bytes key);
    /* Whether there is something to read at the key, and what: *out is
     * borrowed, and nothing for elements. */
    int (*read)(crdt_doc *doc, uint32_t object, crdt_bytes key,
                crdt_value *out);
    /* Takes all memory that `born` of this op will need. NULL: none. */
    crdt_err (*reserve)(crdt_doc *doc, uint32_t object, const crdti_op *op);
    /* Where it is no scope: the draft of an op that voids what is visible,
     * entry included. */
    crdt_err (*reset)(crdt_doc *doc, uint32_t object, crdti_op *draft);
    /* A live op came, or is about to go. NULL: nothing to do. */
    void (*born)(crdt_doc *doc, uint32_t object, uint32_t op);
    void (*died)(crdt_doc *doc, uint32_t object, uint32_t op);
    /* Whether the entry is visible; asked after each birth and death. NULL:
     * what is shown is visible. */
    int (*visible)(const crdt_doc *doc, const crdti_entry *entry);
    /* After deaths that asked for it (crdti_stale), once for all of them. */
    void (*settle)(crdt_doc *doc, uint32_t object);
    /* Frees `state`. */
    void (*drop)(crdt_doc *doc, crdti_object *object);
    /* Of a sequence: what is in it dies by the hand of a killer above, or by
     * the marks of the replicas; or lowers the marks (CRDTI_SCOPE_...). */
    void (*scope)(crdt_doc *doc, uint32_t object, uint32_t killer, int how);
    /* An entry has become visible, or is no longer. NULL: nothing to do. */
    void (*looked)(crdt_doc *doc, const crdti_entry *entry);
    /* Of a list: whether that position is shown, or may be again. */
    int (*keeps)(const crdt_doc *doc, uint32_t object, uint32_t replica,
                 uint64_t seq);
} crdti_type;

enum { CRDTI_SCOPE_KILL, CRDTI_SCOPE_KILL_MARKED, CRDTI_SCOPE_LOWER };

#define CRDTI_NOBODY UINT32_MAX /* as the number of a replica */

typedef struct crdti_watch crdti_watch;

struct crdt_doc {
    crdt_alloc alloc;
    crdt_clock clock;
    crdt_random random;
    const crdti_type *types;
    CRDTI_ARRAY(crdti_replica) replicas;
    CRDTI_ARRAY(uint32_t) by_id; /* replica numbers, sorted by id */
    crdti_pool objects, entries, ops, kills, blocks;
    crdti_pool leaves, forks, authors; /* of sequences */
    crdti_hash_table names;            /* (object, key) -> entry */
    crdti_hash_table rows;             /* (set, element) -> row */
    crdti_hash_table open_blocks;      /* (set, replica) -> block */
    crdti_hash_table author_table;     /* (sequence, replica) -> author */
    crdti_hash_table moves;            /* (list, dot) -> MOVE */
    size_t held_leaves, held_forks;    /* for lists: span.h */
    uint32_t sequences;                /* objects that have one: list */
    struct crdti_sequence *typing;     /* with keystrokes not filed: text.h */
    uint32_t self;                     /* own replica */
    uint32_t removals;                 /* REMOVE records */
    uint32_t unborn;                   /* rows that a join has made so far */
    uint32_t stale;     /* the first object that is to be settled */
    uint32_t actor;     /* who does what is being done; or nobody */
    uint64_t written;   /* own seq, uncommitted changes included */
    uint64_t unmetered; /* of the uncommitted: characters but the first of an
                           edit; a commit is limited in edits */
    uint64_t changes;   /* how often the version vector has grown */
    uint32_t floors;    /* and the floor */
    uint32_t restored;  /* and what was swept, by coming back (restore.h) */
    int is_loading;     /* what comes is our own: stamps are not in doubt */
    uint64_t seed;      /* of the hash table, against chosen keys */
    uint64_t ahead_ms;
    crdti_hlc hlc;
    crdti_arena scratch; /* of one delta at a time; its block stays */
    crdt_digest digest;
    crdt_err error;
    int is_frozen;                /* nothing is to be written here: epoch.h */
    crdti_watch *watch;           /* or NULL: place.h */
    void (*committed)(void *ctx); /* or NULL: after each commit */
    void *committed_ctx;
};

/* >>access ---------------------------------------------------------------- */

CRDTI_FN crdti_object *crdti_object_at(const crdt_doc *doc, uint32_t index)
{
    return CRDTI_POOL_AT(crdti_object, &doc->objects, index);
}

CRDTI_FN crdti_entry *crdti_entry_at(const crdt_doc *doc, uint32_t index)
{
    return CRDTI_POOL_AT(crdti_entry, &doc->entries, index);
}

CRDTI_FN crdti_op *crdti_op_at(const crdt_doc *doc, uint32_t index)
{
    return CRDTI_POOL_AT(crdti_op, &doc->ops, index);
}

CRDTI_FN crdti_kill *crdti_kill_at(const crdt_doc *doc, uint32_t index)
{
    return CRDTI_POOL_AT(crdti_kill, &doc->kills, index);
}

CRDTI_FN crdti_block *crdti_block_at(const crdt_doc *doc, uint32_t index)
{
    return CRDTI_POOL_AT(crdti_block, &doc->blocks, index);
}

CRDTI_FN const crdti_type *crdti_type_at(const crdt_doc *doc,
                                         const crdti_object *object)
{
    return &doc->types[object->type];
}

CRDTI_FN crdt_bytes crdti_entry_key(const crdti_entry *entry)
{
    int inside = entry->key_len <= CRDTI_INLINE_KEY;
    return crdt_bytes_of(inside ? entry->key.inside : entry->key.outside,
                         entry->key_len);
}

CRDTI_FN crdt_obj crdti_obj(crdt_doc *doc, uint32_t index)
{
    crdt_obj obj;
    obj.doc = doc;
    obj.index = index;
    return obj;
}

/* >>replicas -------------------------------------------------------------- */

/* Where the id stands in `by_id`, or where it belongs. */
CRDTI_FN size_t crdti_replica_place(const crdt_doc *doc, const crdt_id *id)
{
    size_t low = 0, high = doc->by_id.len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const crdti_replica *replica =
            &doc->replicas.ptr[doc->by_id.ptr[middle]];
        if (crdti_id_order(&replica->id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Its number, or UINT32_MAX. O(log replicas). */
CRDTI_FN uint32_t crdti_replica_find(const crdt_doc *doc, const crdt_id *id)
{
    size_t place = crdti_replica_place(doc, id);
    uint32_t found;
    if (place == doc->by_id.len)
        return UINT32_MAX;
    found = doc->by_id.ptr[place];
    if (crdti_id_order(&doc->replicas.ptr[found].id, id) != 0)
        return UINT32_MAX;
    return found;
}

/* Adds a replica that is not there yet. NOMEM, LIMIT. */
CRDTI_FN crdt_err crdti_replica_add(crdt_doc *doc, const crdt_id *id,
                                    uint32_t *out)
{
    size_t place = crdti_replica_place(doc, id);
    crdti_replica *replica;
    if (doc->replicas.len >= CRDTSYNC_MAX_REPLICAS)
        return CRDT_ERR_LIMIT;
    if (crdti_array_reserve(&doc->alloc, &doc->replicas, 1) ||
        crdti_array_reserve(&doc->alloc, &doc->by_id, 1))
        return CRDT_ERR_NOMEM;
    replica = &doc->replicas.ptr[doc->replicas.len];
    crdti_zero(replica, sizeof *replica);
    replica->id = *id;
    replica->name = crdti_hash(id->b, sizeof id->b, 0);
    *out = (uint32_t)doc->replicas.len++;
    crdti_move(doc->by_id.ptr + place + 1, doc->by_id.ptr + place,
               (doc->by_id.len - place) * sizeof *doc->by_id.ptr);
    doc->by_id.ptr[place] = *out;
    doc->by_id.len++;
    return CRDT_OK;
}

/* Takes back the replicas from number `count` on: a join that failed. */
CRDTI_FN void crdti_replicas_trim(crdt_doc *doc, size_t count)
{
    size_t from, to = 0;
    for (from = 0; from < doc->by_id.len; from++)
        if (doc->by_id.ptr[from] < count)
            doc->by_id.ptr[to++] = doc->by_id.ptr[from];
    doc->by_id.len = to;
    doc->replicas.len = count;
}

/* >>entries --------------------------------------------------------------- */

CRDTI_FN uint64_t crdti_entry_hash(const crdt_doc *doc, uint32_t object,
                                   crdt_bytes key)
{
    return crdti_hash(key.ptr, key.len,
                      doc->seed + object * UINT64_C(0x9e3779b97f4a7c15));
}

CRDTI_FN uint32_t crdti_entry_probe(const crdt_doc *doc, uint32_t object,
                                    crdt_bytes key, uint64_t hash)
{
    size_t iter;
    uint32_t found = crdti_table_first(&doc->names, hash, &iter);
    for (; found; found = crdti_table_next(&doc->names, hash, &iter)) {
        const crdti_entry *entry = crdti_entry_at(doc, found);
        if (entry->object == object && entry->key_len == key.len &&
            crdti_equal(crdti_entry_key(entry).ptr, key.ptr, key.len))
            return found;
    }
    return 0;
}

/* The entry of the key, or 0. */
CRDTI_FN uint32_t crdti_entry_find(const crdt_doc *doc, uint32_t object,
                                   crdt_bytes key)
{
    return crdti_entry_probe(doc, object, key,
                             crdti_entry_hash(doc, object, key));
}

CRDTI_FN void crdti_entry_attach(crdt_doc *doc, uint32_t index)
{
    crdti_entry *entry = crdti_entry_at(doc, index);
    crdti_object *object = crdti_object_at(doc, entry->object);
    entry->next = object->entries;
    if (entry->next)
        crdti_entry_at(doc, entry->next)->prev = index;
    object->entries = index;
}

/* Finds or makes the entry. LIMIT (key), NOMEM. */
CRDTI_FN crdt_err crdti_entry_get(crdt_doc *doc, uint32_t object,
                                  crdt_bytes key, uint32_t *out)
{
    uint64_t hash = crdti_entry_hash(doc, object, key);
    crdti_entry *entry;
    uint8_t *outside = NULL;
    *out = crdti_entry_probe(doc, object, key, hash);
    if (*out)
        return CRDT_OK;
    if (key.len > CRDTSYNC_MAX_KEY)
        return CRDT_ERR_LIMIT;
    if (crdti_table_reserve(&doc->alloc, &doc->names, 1) ||
        crdti_pool_reserve(&doc->alloc, &doc->entries, 1))
        return CRDT_ERR_NOMEM;
    if (key.len > CRDTI_INLINE_KEY) {
        outside = (uint8_t *)crdti_alloc(&doc->alloc, key.len);
        if (!outside)
            return CRDT_ERR_NOMEM;
    }
    *out = crdti_pool_take(&doc->entries);
    entry = crdti_entry_at(doc, *out);
    entry->object = object;
    entry->key_len = (uint16_t)key.len;
    entry->key.outside = outside;
    if (key.len)
        crdti_copy(outside ? outside : entry->key.inside, key.ptr, key.len);
    entry->name =
        crdti_hash(key.ptr, key.len, crdti_object_at(doc, object)->name);
    crdti_entry_attach(doc, *out);
    crdti_table_insert(&doc->names, hash, *out);
    return CRDT_OK;
}

/* Lets the entry go when it holds nothing. Several ops of one join may ask for
 * that, so an entry that has gone already stays so. */
CRDTI_FN void crdti_entry_tidy(crdt_doc *doc, uint32_t index)
{
    crdti_entry *entry = crdti_entry_at(doc, index);
    crdti_object *object;
    if (entry->ops || entry->kills || entry->child ||
        entry->key_len == CRDTI_KEY_GONE)
        return;
    object = crdti_object_at(doc, entry->object);
    crdti_table_remove(
        &doc->names,
        crdti_entry_hash(doc, entry->object, crdti_entry_key(entry)), index);
    if (entry->prev)
        crdti_entry_at(doc, entry->prev)->next = entry->next;
    else
        object->entries = entry->next;
    if (entry->next)
        crdti_entry_at(doc, entry->next)->prev = entry->prev;
    if (entry->key_len > CRDTI_INLINE_KEY)
        crdti_free(&doc->alloc, entry->key.outside, entry->key_len);
    entry->key_len = CRDTI_KEY_GONE;
    crdti_pool_give(&doc->entries, index);
}

/* >>warming -----------------------------------------------------------------
 * The records of a large document are not in the cache, and a miss takes as
 * long as a whole write to a small one. Whoever knows beforehand which entries
 * will be needed has them fetched, in steps that each need the one before:
 *
 *     hash -> slot -> entry -> its newest op, its first kill
 */

CRDTI_INLINE void crdti_warm(const crdti_pool *pool, uint32_t index)
{
    const uint8_t *at = pool->base + (size_t)index * pool->size;
    CRDTI_PREFETCH(at);
    CRDTI_PREFETCH(at + pool->size - 1); /* mostly in the next line */
}

CRDTI_INLINE void crdti_warm_slot(const crdti_hash_table *table, uint64_t hash)
{
    if (table->cap)
        CRDTI_PREFETCH(table->slots +
                       (crdti_table_tag(hash) & (table->cap - 1)));
}

/* The first candidate; it is hardly ever another's. */
CRDTI_INLINE uint32_t crdti_warm_entry(const crdt_doc *doc, uint64_t hash)
{
    size_t iter;
    uint32_t entry = crdti_table_first(&doc->names, hash, &iter);
    if (entry)
        crdti_warm(&doc->entries, entry);
    return entry;
}

CRDTI_INLINE void crdti_warm_ops(const crdt_doc *doc, uint32_t index)
{
    const crdti_entry *entry = crdti_entry_at(doc, index);
    if (entry->ops)
        crdti_warm(&doc->ops, entry->ops);
    if (entry->kills)
        crdti_warm(&doc->kills, entry->kills);
}

/* >>objects --------------------------------------------------------------- */

/* The container of that type at the entry, or 0. */
CRDTI_FN uint32_t crdti_object_find(const crdt_doc *doc, uint32_t entry,
                                    crdt_type type)
{
    uint32_t child = crdti_entry_at(doc, entry)->child;
    while (child && crdti_object_at(doc, child)->type != (uint8_t)type)
        child = crdti_object_at(doc, child)->sibling;
    return child;
}

/* Finds or makes it. LIMIT (depth), NOMEM. */
CRDTI_FN crdt_err crdti_object_get(crdt_doc *doc, uint32_t entry,
                                   crdt_type type, uint32_t *out)
{
    crdti_entry *at = crdti_entry_at(doc, entry);
    uint8_t depth = crdti_object_at(doc, at->object)->depth;
    crdti_object *object;
    *out = crdti_object_find(doc, entry, type);
    if (*out)
        return CRDT_OK;
    if (depth >= CRDTSYNC_MAX_DEPTH)
        return CRDT_ERR_LIMIT;
    if (crdti_pool_reserve(&doc->alloc, &doc->objects, 1))
        return CRDT_ERR_NOMEM;
    *out = crdti_pool_take(&doc->objects);
    object = crdti_object_at(doc, *out);
    object->entry = entry;
    object->type = (uint8_t)type;
    object->depth = (uint8_t)(depth + 1);
    object->name =
        crdti_mix(at->name ^ (uint64_t)type, UINT64_C(0xd6e8feb86659fd93));
    object->sibling = at->child;
    at->child = *out;
    return CRDT_OK;
}

/* Takes back an object that was just made and holds nothing. */
CRDTI_FN void crdti_object_undo(crdt_doc *doc, uint32_t index)
{
    crdti_object *object = crdti_object_at(doc, index);
    uint32_t *link = &crdti_entry_at(doc, object->entry)->child;
    uint32_t entry = object->entry;
    CRDTI_ASSERT(!object->entries && !object->weight);
    while (*link != index)
        link = &crdti_object_at(doc, *link)->sibling;
    *link = object->sibling;
    if (crdti_type_at(doc, object)->drop)
        crdti_type_at(doc, object)->drop(doc, object);
    object->type = CRDT_NONE;
    crdti_pool_give(&doc->objects, index);
    crdti_entry_tidy(doc, entry);
}

/* >>digest ---------------------------------------------------------------- */

/* Neither factor is all zeros or all ones where values are small: it would
 * hide the other. */
CRDTI_FN uint64_t crdti_op_content_hash(const crdt_doc *doc,
                                        const crdti_op *op)
{
    uint64_t hash = (uint64_t)op->kind << 8 | op->form;
    uint32_t i;
    if (op->kind == CRDTI_ADD)
        return crdti_mix(hash ^ op->as.add.plus ^ CRDTI_HASH_1,
                         op->as.add.minus ^ CRDTI_HASH_2);
    if (op->kind == CRDTI_RESET) {
        for (i = 0; i < op->len; i++) {
            const crdti_void *v = &op->as.voids[i];
            hash += crdti_mix(doc->replicas.ptr[v->replica].name ^ v->plus,
                              v->minus ^ CRDTI_HASH_2);
        }
        return hash;
    }
    hash = crdti_mix(hash, op->as.value.stamp ^ UINT64_C(0xa0761d6478bd642f));
    if (op->kind == CRDTI_CREATE)
        return hash;
    if (crdti_op_has_bytes(op))
        return crdti_hash(op->as.value.as.bytes, op->len, hash);
    if (op->form == CRDT_DOUBLE)
        return crdti_mix(hash, crdti_double_bits(op->as.value.as.number) ^
                                   CRDTI_HASH_2);
    return crdti_mix(hash, (uint64_t)op->as.value.as.integer ^ CRDTI_HASH_2);
}

/* The op's share of the digest: place, dot and content, each bit of it. */
CRDTI_FN crdt_digest crdti_digest_of(const crdt_doc *doc, const crdti_op *op,
                                     uint64_t place)
{
    uint64_t dot = crdti_mix(doc->replicas.ptr[op->replica].name,
                             op->seq ^ UINT64_C(0xe7037ed1a0b428db));
    uint64_t content = crdti_op_content_hash(doc, op) ^ place;
    crdt_digest digest;
    digest.lo = crdti_mix(dot ^ UINT64_C(0x8ebc6af09c88c6e3), content);
    digest.hi = crdti_mix(dot, content ^ UINT64_C(0x589965cc75374cc3));
    return digest;
}

CRDTI_FN crdt_digest crdti_op_digest(const crdt_doc *doc, const crdti_op *op)
{
    return crdti_digest_of(doc, op, crdti_entry_at(doc, op->entry)->name);
}

/* Addition modulo 2^128: order does not matter, and subtraction undoes it. */
CRDTI_FN void crdti_digest_add(crdt_digest *sum, crdt_digest share)
{
    sum->lo += share.lo;
    sum->hi += share.hi + (sum->lo < share.lo);
}

CRDTI_FN void crdti_digest_subtract(crdt_digest *sum, crdt_digest share)
{
    uint64_t borrow = sum->lo < share.lo;
    sum->lo -= share.lo;
    sum->hi -= share.hi + borrow;
}

/* >>journal --------------------------------------------------------------- */

/* Appends; seqs of one replica only ever come in order. */
CRDTI_FN void crdti_journal_append(crdt_doc *doc, uint32_t index)
{
    crdti_op *op = crdti_op_at(doc, index);
    crdti_replica *replica = &doc->replicas.ptr[op->replica];
    op->older = replica->newest;
    op->newer = 0;
    if (op->older) {
        crdti_op *older = crdti_op_at(doc, op->older);
        CRDTI_ASSERT(older->seq < op->seq);
        older->newer = index;
    } else {
        replica->oldest = index;
    }
    replica->newest = index;
}

CRDTI_FN void crdti_journal_remove(crdt_doc *doc, const crdti_op *op)
{
    crdti_replica *replica = &doc->replicas.ptr[op->replica];
    if (op->older)
        crdti_op_at(doc, op->older)->newer = op->newer;
    else
        replica->oldest = op->newer;
    if (op->newer)
        crdti_op_at(doc, op->newer)->older = op->older;
    else
        replica->newest = op->older;
}

/* The first op of the replica behind `seq`, or 0. Walks from both ends at
 * once, so what is new costs what is new, and so does what is old. */
CRDTI_FN uint32_t crdti_journal_after(const crdt_doc *doc, uint32_t replica,
                                      uint64_t seq)
{
    uint32_t low = doc->replicas.ptr[replica].oldest;
    uint32_t high = doc->replicas.ptr[replica].newest;
    if (!high || crdti_op_at(doc, high)->seq <= seq)
        return 0;
    for (;;) {
        const crdti_op *first = crdti_op_at(doc, low);
        const crdti_op *last = crdti_op_at(doc, high);
        if (first->seq > seq)
            return low;
        low = first->newer;
        if (!last->older || crdti_op_at(doc, last->older)->seq <= seq)
            return high;
        high = last->older;
    }
}

#endif
