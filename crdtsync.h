/* Generated from src/ by tools/amalgamate.c; edit there. */
/* >> api.h */
/*
 * crdtsync 0.1.0 - data that is always writable, merges without conflicts and
 * converges over any network. One C99 header, no dependencies. MIT license.
 *
 *     #define CRDTSYNC_IMPLEMENTATION     // in exactly one C or C++ file
 *     #include "crdtsync.h"
 *
 * SYNOPSIS
 *
 *     crdt_doc *doc;
 *     crdt_doc_new(&doc, NULL);           // NULL: malloc, OS clock, OS random
 *     crdt_obj photo = crdt_map_map(crdt_root(doc), CRDT_STR("beach.jpg"));
 *     crdt_map_put_int(photo, CRDT_STR("size"), 48213);
 *     crdt_counter_add(crdt_map_counter(photo, CRDT_STR("views")), 1);
 *     crdt_commit(doc);                   // seen by others whole or not at all
 *
 *     crdt_buf news = CRDT_BUF_INIT;
 *     crdt_delta(doc, seen_by_the_other, &news);     // what the other lacks
 *     crdt_join(other_doc, crdt_buf_bytes(&news));   // any order, any number
 *     crdt_buf_free(&news);
 *
 * CONTENTS
 *     1 conventions    2 errors     3 bytes     4 tables    5 dots, versions
 *     6 documents      7 objects    8 maps      9 registers 10 counters
 *     11 flags         12 sets      13 texts      14 lists
 *     15 events and paths           16 deltas     17 nodes
 *     18 members  19 full syncs     20 settings (limits.h)
 *
 * >>1 CONVENTIONS
 *
 * Errors     Every fallible call returns crdt_err; CRDT_OK is 0. On any error
 *            the object is as it was before the call. Out-parameters are
 *            written only on CRDT_OK unless said otherwise.
 * NULL       A pointer parameter must not be NULL unless said otherwise;
 *            where a call can tell it answers CRDT_ERR_ARG.
 * Memory     From the crdt_alloc given to the constructor. Any allocation may
 *            fail; that is CRDT_ERR_NOMEM, and nothing has changed.
 * Threads    No globals and no locks: one document, with the node that holds
 *            it, belongs to one thread at a time. Different ones are free.
 * Lifetime   Bytes handed in are copied. Bytes handed out (crdt_value, keys)
 *            are borrowed: valid until the next call that changes the
 *            document.
 * Names      crdt_ public, CRDT_ constants, CRDTSYNC_ settings.
 */
#ifndef CRDTI_API_H
#define CRDTI_API_H

#include <stddef.h>
#include <stdint.h>

/* >> limits.h */
/*
 * Every limit has a name. To change one, define it before crdtsync.h, and the
 * same in each file that includes it. All members of a group should agree on
 * those that guard what arrives, or one sends what another refuses
 * (CRDT_ERR_LIMIT).
 *
 *     what arrives   frame -> delta -> ops -> keys, values, nesting
 *     what it costs  buffered bytes, replicas, links, deltas under way
 *     time           skew of clocks, length of a handshake
 */
#ifndef CRDTI_LIMITS_H
#define CRDTI_LIMITS_H

#include <stdint.h>

/* Bytes of one frame on the wire; a larger delta travels in several. */
#ifndef CRDTSYNC_MAX_FRAME
#define CRDTSYNC_MAX_FRAME 1048576u
#endif

/* Changes in one commit, which others must take whole. */
#ifndef CRDTSYNC_MAX_COMMIT_OPS
#define CRDTSYNC_MAX_COMMIT_OPS 1048576u
#endif

/* Replica ids a document has ever seen: the length of a version vector. */
#ifndef CRDTSYNC_MAX_REPLICAS
#define CRDTSYNC_MAX_REPLICAS 65536u
#endif

/* Bytes of one map key. */
#ifndef CRDTSYNC_MAX_KEY
#define CRDTSYNC_MAX_KEY 1024u
#endif

/* Bytes of one value. */
#ifndef CRDTSYNC_MAX_VALUE
#define CRDTSYNC_MAX_VALUE 1048576u
#endif

/* Characters, and places of lists, of which one delta tells that they are dead:
 * a few bytes may stand for many. What that takes is 40 MiB. */
#ifndef CRDTSYNC_MAX_DEAD
#define CRDTSYNC_MAX_DEAD 134217728u
#endif

/* Containers inside containers, the root not counted. */
#ifndef CRDTSYNC_MAX_DEPTH
#define CRDTSYNC_MAX_DEPTH 64u
#endif

/* Bytes a peer may make us hold until what they build on has arrived. */
#ifndef CRDTSYNC_MAX_BUFFERED
#define CRDTSYNC_MAX_BUFFERED 1048576u
#endif

/* How far a stamp may lie ahead of our clock (CRDT_ERR_SKEW): ten minutes. */
#ifndef CRDTSYNC_MAX_SKEW_MS
#define CRDTSYNC_MAX_SKEW_MS 600000u
#endif

/* Bytes of one delta between nodes, which the receiver must stage whole. */
#ifndef CRDTSYNC_MAX_TRANSFER
#define CRDTSYNC_MAX_TRANSFER 268435456u
#endif

/* Deltas sent to a peer and not answered yet; further changes then gather in
 * the next one. */
#ifndef CRDTSYNC_MAX_IN_FLIGHT
#define CRDTSYNC_MAX_IN_FLIGHT 8u
#endif

/* Bytes of deltas that a peer may send us before we have answered any. */
#ifndef CRDTSYNC_MAX_WINDOW
#define CRDTSYNC_MAX_WINDOW 1048576u
#endif

/* Documents of one node, its links, and the bytes of a name of either. */
#ifndef CRDTSYNC_MAX_SHARED
#define CRDTSYNC_MAX_SHARED 1024u
#endif
#ifndef CRDTSYNC_MAX_LINKS
#define CRDTSYNC_MAX_LINKS 4096u
#endif
#ifndef CRDTSYNC_MAX_NAME
#define CRDTSYNC_MAX_NAME 64u
#endif

/* Members of a document whose versions are kept track of; with more that are
 * active nothing is forgotten by itself. Bytes of what is told of them. */
#ifndef CRDTSYNC_MAX_MEMBERS
#define CRDTSYNC_MAX_MEMBERS 128u
#endif
#ifndef CRDTSYNC_MAX_ROSTER
#define CRDTSYNC_MAX_ROSTER 1048576u
#endif

/* Presence: bytes of one value, values that are kept for one node (over all
 * its documents), and how long one may live. */
#ifndef CRDTSYNC_MAX_PRESENCE
#define CRDTSYNC_MAX_PRESENCE 256u
#endif
#ifndef CRDTSYNC_MAX_PRESENT
#define CRDTSYNC_MAX_PRESENT 1024u
#endif
#ifndef CRDTSYNC_MAX_PRESENCE_MS
#define CRDTSYNC_MAX_PRESENCE_MS 600000u
#endif

/* How long a new peer may take to introduce itself. */
#ifndef CRDTSYNC_HANDSHAKE_MS
#define CRDTSYNC_HANDSHAKE_MS 5000u
#endif

/* How long a frame may take to come whole, once it has begun: bytes that go on
 * without an end are no sign of life. */
#ifndef CRDTSYNC_FRAME_MS
#define CRDTSYNC_FRAME_MS 30000u
#endif

/* Changes of one replica: far beyond reach, and sums of two never overflow. */
#ifndef CRDTSYNC_MAX_SEQ
#define CRDTSYNC_MAX_SEQ ((uint64_t)1 << 62)
#endif

#endif

/* Semantic: before 1.0.0 each minor version may change this interface. */
#define CRDTSYNC_VERSION_MAJOR 0
#define CRDTSYNC_VERSION_MINOR 1
#define CRDTSYNC_VERSION_PATCH 0
#define CRDTSYNC_VERSION "0.1.0"

/* CRDTSYNC_STATIC makes every public function static, for a program of one
 * file that wants the compiler to drop what it does not call. */
#if defined(__GNUC__) || defined(__clang__)
#define CRDTI_UNUSED __attribute__((unused))
#else
#define CRDTI_UNUSED
#endif
#ifdef CRDTSYNC_STATIC
#define CRDT_API CRDTI_UNUSED static
#else
#define CRDT_API extern
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* >>2 ERRORS -------------------------------------------------------------- */

/* X(name, what it says to a person) */
#define CRDT_ERRORS(X)                                                        \
    X(OK, "no error")                                                         \
    X(ERR_NOMEM, "out of memory; nothing has changed")                        \
    X(ERR_ARG, "an argument is missing or makes no sense")                    \
    X(ERR_RANGE, "the number is out of range")                                \
    X(ERR_OVERFLOW, "the counter cannot count that far")                      \
    X(ERR_LIMIT, "a limit of crdtsync would be exceeded")                     \
    X(ERR_TYPE, "there is something of another type")                         \
    X(ERR_NOT_FOUND, "there is nothing there")                                \
    X(ERR_UNCOMMITTED, "there are changes that are not committed yet")        \
    X(ERR_CAUSAL, "this builds on changes that have not arrived yet")         \
    X(ERR_SKEW, "a time stamp lies too far in the future")                    \
    X(ERR_FORK, "one replica id has been used by two replicas")               \
    X(ERR_CORRUPT, "the bytes are not what crdtsync writes")                  \
    X(ERR_TRUNCATED, "the bytes end too early")                               \
    X(ERR_CHECKSUM, "the checksum does not match")                            \
    X(ERR_VERSION, "written by a version that this one does not know")        \
    X(ERR_AGAIN, "not now; try again later")                                  \
    X(ERR_CLOSED, "it has been closed")                                       \
    X(ERR_IO, "the system reported an input or output error")                 \
    X(ERR_UNSUPPORTED, "this build or system does not have that")             \
    X(ERR_RIGHTS, "this replica does not own enough of the counter")          \
    X(ERR_GONE, "the element has been removed for good")                      \
    X(ERR_FORGOTTEN, "this names what is forgotten here; send all there is")  \
    X(ERR_LOCKED, "another has it open")                                      \
    X(ERR_FULL, "there is no room left on the disk")                          \
    X(ERR_FROZEN, "a strict full sync is under way; nothing can be written")  \
    X(ERR_TRUST, "anybody may be there: seal it, or say CRDT_TRUSTED_PEERS")

/* What CRDT_ERRORS lists: CRDT_OK, CRDT_ERR_NOMEM ... */
typedef enum crdt_err {
/* clang-format off */
#define CRDTI_X(name, text) CRDT_##name,
    CRDT_ERRORS(CRDTI_X)
#undef CRDTI_X
    CRDT_ERR_COUNT
    /* clang-format on */
} crdt_err;

/* The name ("CRDT_ERR_NOMEM") and the sentence of an error; never NULL. */
CRDT_API const char *crdt_err_name(crdt_err err);
CRDT_API const char *crdt_err_text(crdt_err err);

/* CRDTSYNC_VERSION of the implementation that is linked: whether that is of
 * the header that the caller sees. */
CRDT_API const char *crdt_library_version(void);

/* >>3 BYTES --------------------------------------------------------------- */

/* Borrowed bytes; ptr may be NULL when len is 0. */
typedef struct crdt_bytes {
    const uint8_t *ptr;
    size_t len;
} crdt_bytes;

/* Those at `ptr`; those of a text, without its final zero; whether two have
 * the same. Nothing is copied. */
CRDT_API crdt_bytes crdt_bytes_of(const void *ptr, size_t len);
CRDT_API crdt_bytes crdt_str(const char *zero_terminated);
CRDT_API int crdt_bytes_equal(crdt_bytes a, crdt_bytes b);

/* The bytes of a string literal, without its final zero. */
#define CRDT_STR(literal) crdt_bytes_of("" literal, sizeof(literal) - 1)

struct crdt_alloc;

/* A growable buffer that calls append to. Start with CRDT_BUF_INIT (or set
 * `alloc` for an allocator of your own), end with crdt_buf_free. */
typedef struct crdt_buf {
    uint8_t *ptr;
    size_t len, cap;
    const struct crdt_alloc *alloc; /* NULL: malloc */
} crdt_buf;

/* clang-format off */
/* An empty buffer, with malloc. */
#define CRDT_BUF_INIT { NULL, 0, 0, NULL }
/* clang-format on */

/* What is in it, borrowed until it grows; frees that and empties it. */
CRDT_API crdt_bytes crdt_buf_bytes(const crdt_buf *buf);
CRDT_API void crdt_buf_free(crdt_buf *buf);

/* >>4 TABLES: what the program injects ------------------------------------
 * `version` is the number of the table's layout: set it to 1. New members
 * come only at the end, with a new number. `ctx` is passed to each function.
 */

/* Memory. resize(ctx, ptr, old, size): ptr NULL allocates, size 0 frees and
 * returns NULL, else the block moves or stays. NULL means failure, the old
 * block is then untouched. `old` is always the size last asked for. Blocks are
 * aligned for any type. It must not call back into crdtsync. */
typedef struct crdt_alloc {
    int version;
    void *ctx;
    void *(*resize)(void *ctx, void *ptr, size_t old_size, size_t size);
} crdt_alloc;

/* Time. wall_ms: Unix time in milliseconds, for last-writer-wins stamps; it
 * may jump. mono_ms: milliseconds from any start, never backwards, for
 * timers. Both are cheap and never block. */
typedef struct crdt_clock {
    int version;
    void *ctx;
    uint64_t (*wall_ms)(void *ctx);
    uint64_t (*mono_ms)(void *ctx);
} crdt_clock;

/* Unpredictable bytes, for replica ids and hash seeds. CRDT_ERR_IO when there
 * are none: the constructor that asked then fails. */
typedef struct crdt_random {
    int version;
    void *ctx;
    crdt_err (*fill)(void *ctx, void *out, size_t len);
} crdt_random;

/* Where a node says what happened; `text` is one line, without newline. */
typedef struct crdt_log {
    int version;
    void *ctx;
    void (*line)(void *ctx, const char *text);
} crdt_log;

/* >>5 DOTS AND VERSION VECTORS -------------------------------------------- */

/* A replica: one incarnation of one copy of one document. */
typedef struct crdt_id {
    uint8_t b[16];
} crdt_id;

/* Below 0, 0 or above, by the bytes. */
CRDT_API int crdt_id_compare(const crdt_id *a, const crdt_id *b);
/* Writes 32 hex digits and a zero. */
CRDT_API void crdt_id_text(const crdt_id *id, char out[33]);

/* The name of one change: the seq-th of its replica, from 1 without gaps. */
typedef struct crdt_dot {
    crdt_id replica;
    uint64_t seq;
} crdt_dot;

/* A version vector: for each replica, how many of its changes are covered.
 * Entries are sorted by replica and never 0. Owned by the caller: start with
 * CRDT_VV_INIT, end with crdt_vv_free. Reading `entries[0..len)` is allowed.
 *
 *     { {a, 12}, {c, 3} }   covers a.1 to a.12 and c.1 to c.3
 *
 * get: O(log n); set: O(n); merge, compare: O(n). (Parker et al. 1983) */
typedef struct crdt_vv {
    crdt_dot *entries;
    size_t len, cap;
    const crdt_alloc *alloc; /* NULL: malloc */
} crdt_vv;

/* clang-format off */
/* An empty vector, with malloc. */
#define CRDT_VV_INIT { NULL, 0, 0, NULL }
/* clang-format on */

/* What a is to b, in causality. */
typedef enum crdt_order {
    CRDT_EQUAL,
    CRDT_BEFORE,    /* a is covered by b */
    CRDT_AFTER,     /* a covers b */
    CRDT_CONCURRENT /* neither */
} crdt_order;

/* Both leave it empty; clear keeps the memory. */
CRDT_API void crdt_vv_free(crdt_vv *vv);
CRDT_API void crdt_vv_clear(crdt_vv *vv);
/* How many changes of the replica are covered; 0 for one it does not know. */
CRDT_API uint64_t crdt_vv_get(const crdt_vv *vv, const crdt_id *replica);
/* Sets an entry, also downwards; 0 removes it. NOMEM, LIMIT. */
CRDT_API crdt_err crdt_vv_set(crdt_vv *vv, const crdt_id *replica,
                              uint64_t seq);
/* a := pointwise maximum of a and b. NOMEM, LIMIT. */
CRDT_API crdt_err crdt_vv_merge(crdt_vv *a, const crdt_vv *b);
/* a := b. NOMEM. */
CRDT_API crdt_err crdt_vv_copy(crdt_vv *a, const crdt_vv *b);
/* What a is to b; whether the dot is covered. */
CRDT_API crdt_order crdt_vv_compare(const crdt_vv *a, const crdt_vv *b);
CRDT_API int crdt_vv_covers(const crdt_vv *vv, const crdt_dot *dot);
/* Appends the canonical bytes; reads them back, refusing anything else:
 * CORRUPT, TRUNCATED, LIMIT, NOMEM. docs/wire-format.md says what they are. */
CRDT_API crdt_err crdt_vv_encode(const crdt_vv *vv, crdt_buf *out);
CRDT_API crdt_err crdt_vv_decode(crdt_vv *vv, crdt_bytes bytes);

/* A causal context: a version vector and the dots beyond its gaps, as what
 * waits in a causal buffer leaves it. Adding dots that fill a gap moves them
 * into the vector. (Preguiça et al. 2012, dotted version vectors) */
typedef struct crdt_ctx crdt_ctx;

/* An empty one; `alloc` NULL: malloc. NOMEM. */
CRDT_API crdt_err crdt_ctx_new(crdt_ctx **out, const crdt_alloc *alloc);
CRDT_API void crdt_ctx_free(crdt_ctx *ctx); /* NULL is allowed */
/* Adds the dots (replica, first) .. (replica, last). ARG, NOMEM, LIMIT. */
CRDT_API crdt_err crdt_ctx_add(crdt_ctx *ctx, const crdt_id *replica,
                               uint64_t first, uint64_t last);
/* Whether the dot is in it. */
CRDT_API int crdt_ctx_has(const crdt_ctx *ctx, const crdt_dot *dot);
/* The part without gaps; borrowed until the context changes. */
CRDT_API const crdt_vv *crdt_ctx_vv(const crdt_ctx *ctx);
/* The first dot of the replica that is missing. */
CRDT_API uint64_t crdt_ctx_missing(const crdt_ctx *ctx,
                                   const crdt_id *replica);

/* >>6 DOCUMENTS ----------------------------------------------------------- */

/* A root map with all below it, and what is remembered of its history. */
typedef struct crdt_doc crdt_doc;

/* Zero means default, so `crdt_config c = {0}` changes nothing. The tables
 * are copied; what their ctx points to must outlive the document. */
typedef struct crdt_config {
    const crdt_alloc *alloc;
    const crdt_clock *clock;
    const crdt_random *random;
    const crdt_id *replica; /* NULL: a fresh random one, as it should be.
        An id must never be used by two copies, nor again after changes made
        under it were lost. */
} crdt_config;

/* A document with an empty root map. NOMEM; IO when there is no randomness;
 * ARG when freestanding and a table is missing. */
CRDT_API crdt_err crdt_doc_new(crdt_doc **out, const crdt_config *config);
CRDT_API void crdt_doc_free(crdt_doc *doc); /* NULL is allowed */

/* Makes the changes since the last commit one unit that others see whole or
 * not at all. Never fails for a valid document; without changes it does
 * nothing. Local reads see changes at once, deltas only committed ones. */
CRDT_API crdt_err crdt_commit(crdt_doc *doc);
/* Whether there are any. */
CRDT_API int crdt_doc_uncommitted(const crdt_doc *doc);

/* The error that made a creation helper (crdt_map_map and its kin) return the
 * null object, or that an operation on a null object answered; reset by
 * reading it. */
CRDT_API crdt_err crdt_doc_error(crdt_doc *doc);

/* The id that its next changes get. */
CRDT_API crdt_id crdt_doc_replica(const crdt_doc *doc);

/* Goes on under a fresh replica id: after CRDT_ERR_FORK, or when the document
 * was copied. Earlier changes keep the old id. UNCOMMITTED, IO, NOMEM,
 * LIMIT. */
CRDT_API crdt_err crdt_doc_reincarnate(crdt_doc *doc);

/* What the document has applied, committed changes only, as a version vector;
 * `out` is overwritten. NOMEM. */
CRDT_API crdt_err crdt_doc_vv(const crdt_doc *doc, crdt_vv *out);
/* The cut up to which removals are no longer remembered (crdt_truncate). */
CRDT_API crdt_err crdt_doc_floor(const crdt_doc *doc, crdt_vv *out);

/* 128 bits over everything that is live, kept up to date by every change:
 * equal version vectors have equal digests, or something is wrong. O(1). */
typedef struct crdt_digest {
    uint64_t hi, lo;
} crdt_digest;
CRDT_API crdt_digest crdt_doc_digest(const crdt_doc *doc);

/* How much there is of what. O(1). */
typedef struct crdt_stats {
    uint64_t ops;      /* live changes: what the state is made of */
    uint64_t removals; /* remembered removals without a live change */
    uint64_t kills;    /* remembered kill records */
    uint64_t objects, entries, replicas;
    uint64_t held_back_ms; /* of the last CRDT_ERR_SKEW: how far ahead */
} crdt_stats;

/* Fills `out`. */
CRDT_API void crdt_doc_stats(const crdt_doc *doc, crdt_stats *out);

/* >>7 OBJECTS AND VALUES -------------------------------------------------- */

/* The types of containers. The numbers are part of the wire format. */
typedef enum crdt_type {
    CRDT_NONE = 0,
    CRDT_MAP = 1,
    CRDT_REGISTER = 2,
    CRDT_COUNTER = 3,  /* PN-counter */
    CRDT_GCOUNTER = 4, /* only grows */
    CRDT_BOUNDED = 5,  /* never below 0 */
    CRDT_MAX = 6,
    CRDT_MIN = 7,
    CRDT_EW_FLAG = 8,     /* enable wins */
    CRDT_DW_FLAG = 9,     /* disable wins */
    CRDT_AW_SET = 10,     /* OR-set, add wins */
    CRDT_RW_SET = 11,     /* OR-set, remove wins */
    CRDT_GSET = 12,       /* only grows */
    CRDT_2PSET = 13,      /* what is removed never comes back */
    CRDT_LWW_SET = 14,    /* the later stamp wins; of equal ones the add */
    CRDT_LWW_SET_RM = 15, /* the same, of equal ones the remove */
    CRDT_TEXT = 16,
    CRDT_LIST = 17,
    CRDT_TYPE_COUNT = 18
} crdt_type;

/* "map", "counter", ...; "none" for what is no type. */
CRDT_API const char *crdt_type_name(crdt_type type);

/* A handle: copy it freely. It stays valid as long as the document, also when
 * the object is removed; writing to it then makes it visible again. */
typedef struct crdt_obj {
    crdt_doc *doc;
    uint32_t index;
} crdt_obj;

CRDT_API crdt_obj crdt_root(crdt_doc *doc); /* a map, always there */
/* Whether it is no object at all; and of which type, CRDT_NONE then. */
CRDT_API int crdt_is_null(crdt_obj obj);
CRDT_API crdt_type crdt_type_of(crdt_obj obj);

/* The kinds of values. The numbers are part of the wire format. */
typedef enum crdt_kind {
    CRDT_NULL = 0,
    CRDT_BOOL = 1,
    CRDT_INT = 2,
    CRDT_DOUBLE = 3,
    CRDT_STRING = 4, /* UTF-8, not checked; may hold zeros */
    CRDT_BYTES = 5,
    CRDT_TIME = 6,  /* milliseconds since 1970, signed */
    CRDT_OBJECT = 7 /* a container: in reading only */
} crdt_kind;

/* Bytes are borrowed: of the document when it was read, of the caller when it
 * is to be written. */
typedef struct crdt_value {
    crdt_kind kind;
    union {
        int boolean;
        int64_t integer; /* CRDT_INT, CRDT_TIME */
        double number;
        crdt_bytes bytes; /* CRDT_STRING, CRDT_BYTES */
        crdt_obj object;
    } as; /* by its kind */
} crdt_value;

/* Values of each kind that can be written. */
CRDT_API crdt_value crdt_null(void);
CRDT_API crdt_value crdt_bool(int value);
CRDT_API crdt_value crdt_int(int64_t value);
CRDT_API crdt_value crdt_double(double value);
CRDT_API crdt_value crdt_string(crdt_bytes value);
CRDT_API crdt_value crdt_blob(crdt_bytes value);
CRDT_API crdt_value crdt_time(int64_t unix_ms);

/* One of several concurrent values, with who wrote it and when. */
typedef struct crdt_version {
    crdt_value value;
    crdt_dot dot;
    uint64_t stamp; /* hybrid logical clock: ms << 16 | logical */
} crdt_version;
typedef void crdt_version_fn(void *ctx, const crdt_version *version);

/* >>8 MAPS ------------------------------------------------------------------
 * Keys are any bytes up to CRDTSYNC_MAX_KEY. A key holds a plain value or a
 * container, nested up to CRDTSYNC_MAX_DEPTH.
 *
 * Concurrent: put and put, the later stamp wins and the other stays readable
 * until the next put; container and container of one type, one merged
 * container; put and container, the later wins, both stay; remove and
 * anything, the remove takes what it had seen and the rest survives, so what
 * others wrote below the key meanwhile is still there with just that.
 *
 * Cost: O(1) for a key; put over or remove of a container: O(what is below).
 * (OR-map with observed reset: Almeida et al. 2018; Weidner et al. 2020.) */

/* Get the container at the key, or create it. When a put value is there, the
 * container replaces it, unless it is there too, having survived the put: then
 * it is answered as it is, and the value stays what is shown. When a container
 * of another type is there, it fails.
 * On failure the result is null and crdt_doc_error says why: NOMEM, LIMIT
 * (key, depth), TYPE, ARG. */
CRDT_API crdt_obj crdt_map_object(crdt_obj map, crdt_bytes key,
                                  crdt_type type);
CRDT_API crdt_obj crdt_map_map(crdt_obj map, crdt_bytes key);
CRDT_API crdt_obj crdt_map_register(crdt_obj map, crdt_bytes key);
CRDT_API crdt_obj crdt_map_counter(crdt_obj map, crdt_bytes key);

/* Puts a plain value; it replaces all that is seen at the key. NOMEM, LIMIT
 * (key, value), TYPE (no map), ARG. */
CRDT_API crdt_err crdt_map_put(crdt_obj map, crdt_bytes key, crdt_value value);
CRDT_API crdt_err crdt_map_put_null(crdt_obj map, crdt_bytes key);
CRDT_API crdt_err crdt_map_put_bool(crdt_obj map, crdt_bytes key, int value);
CRDT_API crdt_err crdt_map_put_int(crdt_obj map, crdt_bytes key,
                                   int64_t value);
CRDT_API crdt_err crdt_map_put_double(crdt_obj map, crdt_bytes key,
                                      double value);
CRDT_API crdt_err crdt_map_put_str(crdt_obj map, crdt_bytes key,
                                   crdt_bytes value);
CRDT_API crdt_err crdt_map_put_bytes(crdt_obj map, crdt_bytes key,
                                     crdt_bytes value);

/* Removes the key with all below it. NOT_FOUND when there is nothing. */
CRDT_API crdt_err crdt_map_remove(crdt_obj map, crdt_bytes key);
/* Removes every key, one by one. */
CRDT_API crdt_err crdt_map_clear(crdt_obj map);

/* What is at the key: a value, or CRDT_OBJECT. NOT_FOUND. */
CRDT_API crdt_err crdt_map_get(crdt_obj map, crdt_bytes key, crdt_value *out);
/* The same for one kind; TYPE when it is of another: nothing is coerced. */
CRDT_API crdt_err crdt_map_get_bool(crdt_obj map, crdt_bytes key, int *out);
CRDT_API crdt_err crdt_map_get_int(crdt_obj map, crdt_bytes key, int64_t *out);
CRDT_API crdt_err crdt_map_get_double(crdt_obj map, crdt_bytes key,
                                      double *out);
CRDT_API crdt_err crdt_map_get_str(crdt_obj map, crdt_bytes key,
                                   crdt_bytes *out);
CRDT_API crdt_err crdt_map_get_bytes(crdt_obj map, crdt_bytes key,
                                     crdt_bytes *out);
/* The container of that type at the key, visible, not created: or null. */
CRDT_API crdt_obj crdt_map_find(crdt_obj map, crdt_bytes key, crdt_type type);
/* Calls fn with every concurrent value at the key (containers included), the
 * one that crdt_map_get shows first. A container that was removed while others
 * wrote into it comes last, with stamp 0 and dot 0, as its creation is gone.
 * Writing inside fn is not allowed. */
CRDT_API crdt_err crdt_map_versions(crdt_obj map, crdt_bytes key,
                                    crdt_version_fn *fn, void *ctx);
/* Whether the key is visible. */
CRDT_API int crdt_map_has(crdt_obj map, crdt_bytes key);
/* How many keys are visible. O(1). */
CRDT_API size_t crdt_map_size(crdt_obj map);

/* Walks the keys in the order of their bytes: start with an empty cursor and
 * go on while it answers CRDT_OK; NOT_FOUND is the end. The map may change
 * meanwhile: the walk goes on behind the last key. The first step after the
 * set of keys has changed costs O(n log n), the others O(log n). NOMEM. */
typedef struct crdt_cursor {
    crdt_bytes key;   /* valid as long as the cursor stays where it is */
    crdt_value value; /* borrowed */
    int started;
    uint8_t key_copy[CRDTSYNC_MAX_KEY];
} crdt_cursor;
/* clang-format off */
/* Before the first. */
#define CRDT_CURSOR_INIT { { NULL, 0 }, { CRDT_NULL, { 0 } }, 0, { 0 } }
/* clang-format on */
CRDT_API crdt_err crdt_map_next(crdt_obj map, crdt_cursor *cursor);

/* >>9 REGISTERS -----------------------------------------------------------
 * One value. Concurrent sets are all kept: crdt_register_get shows that of
 * the greatest (stamp, replica), last-writer-wins; crdt_register_versions
 * shows each, multi-value. The next set replaces those it has seen. O(1) with
 * no concurrent values. (Shapiro et al. 2011) */
/* ARG (object), LIMIT, TYPE, NOMEM. */
CRDT_API crdt_err crdt_register_set(crdt_obj reg, crdt_value value);
/* Back to no value, as far as seen. NOT_FOUND when there is none. */
CRDT_API crdt_err crdt_register_clear(crdt_obj reg);
/* What is shown, and all there are. NOT_FOUND when there is none. */
CRDT_API crdt_err crdt_register_get(crdt_obj reg, crdt_value *out);
CRDT_API crdt_err crdt_register_versions(crdt_obj reg, crdt_version_fn *fn,
                                         void *ctx);

/* Max and min registers: the greatest (least) value ever set and seen. Values
 * of all kinds are ordered as set elements are (section 12). A set that would
 * not change the value writes nothing. */
CRDT_API crdt_err crdt_max_set(crdt_obj max, crdt_value value);
CRDT_API crdt_err crdt_min_set(crdt_obj min, crdt_value value);
/* NOT_FOUND when nothing was ever set, or all has been cleared. */
CRDT_API crdt_err crdt_max_get(crdt_obj max, crdt_value *out);
CRDT_API crdt_err crdt_min_get(crdt_obj min, crdt_value *out);

/* >>10 COUNTERS -------------------------------------------------------------
 * A number that everyone may change at once: the sum of all additions. A reset
 * (or the removal of a key above) takes back exactly what it had seen: a
 * concurrent +5 leaves 5. Adding is O(1), also in memory: one live change per
 * replica that ever added. Adding 0 does nothing.
 * (PN-counter: Shapiro et al. 2011; reset: Weidner & Almeida 2022) */
/* OVERFLOW when the value, or all this replica ever added, would leave the
 * int64 range; RANGE for less than 0 to a CRDT_GCOUNTER; TYPE, NOMEM. */
CRDT_API crdt_err crdt_counter_add(crdt_obj counter, int64_t amount);
/* TYPE for a CRDT_GCOUNTER, which only grows. */
CRDT_API crdt_err crdt_counter_reset(crdt_obj counter);
/* OVERFLOW when concurrent additions left the range: *out is then the nearest
 * int64. */
CRDT_API crdt_err crdt_counter_get(crdt_obj counter, int64_t *out);

/* Bounded counters: never below 0, whoever takes at once, without asking
 * anyone. What a replica adds it owns, and may take or hand on; what it does
 * not own it cannot take (RIGHTS). To bound at another number, count from
 * there. The removal of a key above takes what the remover owns; the rest
 * belongs to others and stays. Amounts are 0 or more (RANGE); OVERFLOW, TYPE,
 * NOMEM. O(log replicas). (Balegas et al. 2015) */
CRDT_API crdt_err crdt_bounded_add(crdt_obj counter, int64_t amount);
CRDT_API crdt_err crdt_bounded_take(crdt_obj counter, int64_t amount);
/* Makes `amount` of what this replica owns the other's. */
CRDT_API crdt_err crdt_bounded_transfer(crdt_obj counter, const crdt_id *to,
                                        int64_t amount);
/* What all own together. */
CRDT_API crdt_err crdt_bounded_get(crdt_obj counter, int64_t *out);
/* What the replica owns. */
CRDT_API crdt_err crdt_bounded_rights(crdt_obj counter, const crdt_id *who,
                                      int64_t *out);

/* >>11 FLAGS ----------------------------------------------------------------
 * True or false, false at first. Set and cleared concurrently, a CRDT_EW_FLAG
 * is true and a CRDT_DW_FLAG false; the next write replaces all it has seen.
 * O(1). (Preguica 2018) */
/* TYPE, NOMEM. */
CRDT_API crdt_err crdt_flag_set(crdt_obj flag, int on);
CRDT_API crdt_err crdt_flag_get(crdt_obj flag, int *out);

/* >>12 SETS -----------------------------------------------------------------
 * Of plain values of any kind, CRDTSYNC_MAX_KEY bytes at most. 1 and 1.0 are
 * two elements; -0.0 is 0.0; a string is not the same as bytes.
 *
 *     type              add and remove of one element at once
 *     CRDT_AW_SET       it is in
 *     CRDT_RW_SET       it is out
 *     CRDT_LWW_SET      the later stamp; of equal stamps the add
 *     CRDT_LWW_SET_RM   the later stamp; of equal stamps the remove
 *     CRDT_2PSET        it is out, for good
 *     CRDT_GSET         there is no remove
 *
 * The order is by kind, then by value: null, false, true, ints, doubles (NaN
 * last), strings, bytes (both by bytes, the shorter first), times.
 * O(1) for an element. (Shapiro et al. 2011; Bieniusa et al. 2012) */
/* GONE when it was removed from a CRDT_2PSET; LIMIT, ARG (object), TYPE,
 * NOMEM. */
CRDT_API crdt_err crdt_set_add(crdt_obj set, crdt_value element);
/* NOT_FOUND when it is not in, and the type is AW or 2P: there is nothing that
 * a remove could take. On the others it is written: it may win over adds that
 * have not arrived. TYPE for a CRDT_GSET. */
CRDT_API crdt_err crdt_set_remove(crdt_obj set, crdt_value element);
/* Removes every element, one by one. TYPE for a CRDT_GSET. O(n). */
CRDT_API crdt_err crdt_set_clear(crdt_obj set);
/* Whether it is in. O(1). */
CRDT_API int crdt_set_has(crdt_obj set, crdt_value element);
/* How many elements are in. O(1). */
CRDT_API size_t crdt_set_size(crdt_obj set);
/* Walks the elements in order, as crdt_map_next walks keys; cursor->value is
 * the element, valid as long as the cursor stays where it is. */
CRDT_API crdt_err crdt_set_next(crdt_obj set, crdt_cursor *cursor);

/* >>13 TEXTS ----------------------------------------------------------------
 * UTF-8 that several people edit at once. A position counts the units that
 * stand before it; each call says which, as programs differ: code points,
 * bytes of UTF-8, or units of UTF-16 (JavaScript, Java, Windows).
 *
 * Concurrent: what is inserted stays, beside the character that it was typed
 * behind, and runs typed at one spot by several people follow on each other
 * and never mix, typed forwards or backwards; what is deleted is what the
 * deleter had seen, so an insertion within a deleted range stays, at its
 * place. Equal insertions are two.
 *
 * An edit next to the last one costs no search; others O(log n) of the runs of
 * the text. Memory: a run that was typed or deleted at a stretch is one record
 * however long, here and after a join; the bytes of what is deleted go with
 * the next saving.
 * (FugueMax: Weidner & Kleppmann 2023; spans: eg. Nicolaescu et al. 2016) */
/* What positions count. */
typedef enum crdt_unit {
    CRDT_CHARS = 0, /* Unicode code points */
    CRDT_UTF8 = 1,  /* bytes */
    CRDT_UTF16 = 2  /* a code point above U+FFFF is two */
} crdt_unit;

/* As crdt_map_object. */
CRDT_API crdt_obj crdt_map_text(crdt_obj map, crdt_bytes key);

/* ARG when the bytes are no UTF-8 (overlong forms, surrogates and what is
 * above U+10FFFF are none) and when a position lies within a character; RANGE
 * when it lies behind the end; LIMIT, TYPE, NOMEM: nothing has changed. Zero
 * bytes are characters like others. */
CRDT_API crdt_err crdt_text_insert(crdt_obj text, crdt_unit unit, size_t at,
                                   crdt_bytes utf8);
CRDT_API crdt_err crdt_text_delete(crdt_obj text, crdt_unit unit, size_t at,
                                   size_t len);
/* Deletes `len` units and inserts in their place. */
CRDT_API crdt_err crdt_text_replace(crdt_obj text, crdt_unit unit, size_t at,
                                    size_t len, crdt_bytes utf8);
/* Makes the whole text read `utf8` by few small edits, found by comparing:
 * what is equal stays, and with it what others write there meanwhile. O(n +
 * d^2) for d differences; where they are many, what lies between the equal
 * beginning and end is replaced as a whole. */
CRDT_API crdt_err crdt_text_set(crdt_obj text, crdt_bytes utf8);

/* How long it is. O(1). 0 for what is no text. */
CRDT_API size_t crdt_text_len(crdt_obj text, crdt_unit unit);
/* Appends what stands there to `out`. Errors as of crdt_text_insert. */
CRDT_API crdt_err crdt_text_read(crdt_obj text, crdt_unit unit, size_t at,
                                 size_t len, crdt_buf *out);
/* Appends all of it. */
CRDT_API crdt_err crdt_text_get(crdt_obj text, crdt_buf *out);
/* The same place counted in other units. */
CRDT_API crdt_err crdt_text_convert(crdt_obj text, crdt_unit from, size_t at,
                                    crdt_unit to, size_t *out);

/* Walks the text piece by piece without copying: begin with zeros, and go on
 * while it answers CRDT_OK; NOT_FOUND is the end. A piece is whole characters,
 * borrowed until the text changes; then the walk is over: AGAIN. */
typedef struct crdt_text_cursor {
    crdt_bytes piece;
    uint64_t changes;
    uint32_t leaf, at;
    int started;
} crdt_text_cursor;
/* clang-format off */
/* Before the first piece. */
#define CRDT_TEXT_CURSOR_INIT { { NULL, 0 }, 0, 0, 0, 0 }
/* clang-format on */
CRDT_API crdt_err crdt_text_next(crdt_obj text, crdt_text_cursor *cursor);

/* A stable position: beside a character, on the side that it stays on when
 * something is inserted just there. It means the same on every replica that
 * has the character, and may be stored and sent. When the character is
 * deleted, it is where that was. A dot of zeros: the beginning of the text
 * (CRDT_LEFT) or its end (CRDT_RIGHT). */
typedef enum crdt_side {
    CRDT_LEFT = 0, /* with the character on its left */
    CRDT_RIGHT = 1 /* with the character on its right */
} crdt_side;

/* Plain data: what it names is in the document. */
typedef struct crdt_anchor {
    crdt_dot dot;
    crdt_side side;
} crdt_anchor;

/* O(log n). Errors as of crdt_text_insert. */
CRDT_API crdt_err crdt_text_anchor(crdt_obj text, crdt_unit unit, size_t at,
                                   crdt_side side, crdt_anchor *out);
/* Where that is now. NOT_FOUND: the character has not arrived, or has been
 * forgotten. */
CRDT_API crdt_err crdt_text_find(crdt_obj text, const crdt_anchor *anchor,
                                 crdt_unit unit, size_t *out);

/* >>14 LISTS ----------------------------------------------------------------
 * Elements in an order: plain values and containers, by index from 0. An
 * element keeps its name whatever happens around it, so a change made at its
 * index is a change of that element on every replica.
 *
 * Concurrent: what is inserted stays, beside the elements that it was inserted
 * between, and runs inserted at one spot by several people follow on each
 * other; set and set, the later stamp wins and the other stays readable; set,
 * or a change within a container, and delete: the element stays, with just
 * that, where it was inserted or is moved meanwhile; move and move, the later
 * stamp wins: an element is never there twice; move and set, both; move and
 * delete, it is gone.
 *
 * O(log n) for an index. Memory: a few dozen bytes for each element and move,
 * also for those that are gone: their places are remembered.
 * (FugueMax: Weidner & Kleppmann 2023; moves: Kleppmann 2020) */
/* As crdt_map_object. */
CRDT_API crdt_obj crdt_map_list(crdt_obj map, crdt_bytes key);

/* How many elements there are. O(1). 0 for what is no list. */
CRDT_API size_t crdt_list_len(crdt_obj list);
/* RANGE when there is no such index; an insertion may be at the very end.
 * TYPE, LIMIT, ARG, NOMEM: nothing has changed. */
CRDT_API crdt_err crdt_list_insert(crdt_obj list, size_t at, crdt_value value);
/* Replaces what is seen of the element, containers included. */
CRDT_API crdt_err crdt_list_set(crdt_obj list, size_t at, crdt_value value);
/* Deletes `len` elements with all below them. */
CRDT_API crdt_err crdt_list_delete(crdt_obj list, size_t at, size_t len);
/* Takes the element out and puts it where it has the index `to` then. */
CRDT_API crdt_err crdt_list_move(crdt_obj list, size_t from, size_t to);
/* Inserts an empty container. On failure the result is null, and
 * crdt_doc_error says why. */
CRDT_API crdt_obj crdt_list_insert_object(crdt_obj list, size_t at,
                                          crdt_type type);

/* A value, or CRDT_OBJECT; as with maps. */
CRDT_API crdt_err crdt_list_get(crdt_obj list, size_t at, crdt_value *out);
/* The container that is shown at the index. Null when there is none, and
 * crdt_doc_error says why: TYPE for a plain value, RANGE. */
CRDT_API crdt_obj crdt_list_object(crdt_obj list, size_t at);
/* As crdt_map_versions. */
CRDT_API crdt_err crdt_list_versions(crdt_obj list, size_t at,
                                     crdt_version_fn *fn, void *ctx);

/* Walks the elements: begin with an empty cursor, and go on while it answers
 * CRDT_OK; NOT_FOUND is the end. When elements come, go or move meanwhile the
 * walk is over: AGAIN. O(1) a step. */
typedef struct crdt_list_cursor {
    crdt_value value; /* borrowed */
    size_t at;
    uint64_t changes;
    uint32_t leaf, span, off;
    int started;
} crdt_list_cursor;
/* clang-format off */
/* Before the first element. */
#define CRDT_LIST_CURSOR_INIT { { CRDT_NULL, { 0 } }, 0, 0, 0, 0, 0, 0 }
/* clang-format on */
CRDT_API crdt_err crdt_list_next(crdt_obj list, crdt_list_cursor *cursor);

/* Stable positions: beside an element, wherever that is moved. As those of
 * texts otherwise. O(log n). */
CRDT_API crdt_err crdt_list_anchor(crdt_obj list, size_t at, crdt_side side,
                                   crdt_anchor *out);
CRDT_API crdt_err crdt_list_find(crdt_obj list, const crdt_anchor *anchor,
                                 size_t *out);

/* >>15 EVENTS AND PATHS -----------------------------------------------------
 * After each commit, and after each join that changed something, one call with
 * the list of what reads differently than at the call before: one patch for
 * each place, however many changes led there. (Changes that are not committed
 * when a join comes are told with it.)
 *
 * A container that appears under a key, or disappears, is one patch, that of
 * the key: what is in it is there to be read, and has no patches of its own.
 * Nor has what is hidden: changes in a container that its key does not show.
 * The same goes for the elements of lists.
 *
 * Patches of lists come first, outer ones before those within: so the indices
 * in paths, which are those of now, fit what has been patched so far.
 */

/* What has happened at a place. */
typedef enum crdt_patch_kind {
    CRDT_PATCH_PUT = 1,    /* a place holds `now`: a key, a register, a flag,
                              a counter; `before` when had_before */
    CRDT_PATCH_REMOVE = 2, /* it held `before` and holds nothing */
    CRDT_PATCH_ADD = 3,    /* `now` is in the set */
    CRDT_PATCH_DROP = 4,   /* `before` is no longer in the set */
    CRDT_PATCH_LOST = 5,   /* there was no memory to tell: read anew */
    CRDT_PATCH_TEXT = 6,   /* a text reads differently: `steps` */
    CRDT_PATCH_LIST = 7    /* a list does: `steps` */
} crdt_patch_kind;

/* From the text or list as it was to what it is, from the beginning on. What
 * follows on the last step stays. An element that was moved is deleted and
 * inserted. */
typedef enum crdt_step_kind {
    CRDT_STEP_RETAIN = 1, /* so much stays */
    CRDT_STEP_INSERT = 2, /* `text`, or so many elements, are new here */
    CRDT_STEP_DELETE = 3, /* so much of what was there is gone */
    CRDT_STEP_SET = 4     /* so many elements stay and are other values */
} crdt_step_kind;

/* One of the steps of a patch. */
typedef struct crdt_step {
    crdt_step_kind kind;
    size_t chars, bytes, utf16; /* how much, in each unit; or elements, all
                                   three: crdt_list_get tells their values */
    crdt_bytes text;            /* of an insertion into a text */
} crdt_step;

/* Borrowed for the call, all of it. */
typedef struct crdt_patch {
    crdt_patch_kind kind;
    crdt_obj object; /* that it happened in */
    crdt_bytes path; /* of the object, for crdt_at; the root's is empty */
    crdt_bytes key;  /* in a map; else empty */
    int had_before;  /* flags and counters read false and 0 from the start */
    crdt_value before, now;
    /* Whose change is shown now, or removed it. Zero: nobody's; what removed
     * it is forgotten already. */
    crdt_id author;
    int is_local;
    const crdt_step *steps; /* of CRDT_PATCH_TEXT and CRDT_PATCH_LIST */
    size_t steps_len;
} crdt_patch;

/* It may read the document, but a write, commit or join from within is
 * refused (AGAIN); it must not free the document, nor poll its node. */
typedef void crdt_patch_fn(void *ctx, crdt_doc *doc, const crdt_patch *patches,
                           size_t len);
/* One callback a document; NULL ends it. It costs a comparison a change when
 * there is none, else O(places changed x depth), in time and memory. AGAIN
 * (from within), NOMEM. UNCOMMITTED: changes are open. */
CRDT_API crdt_err crdt_doc_watch(crdt_doc *doc, crdt_patch_fn *fn, void *ctx);

/* What is at a path of keys, "images/beach.jpg/size", and of indices where it
 * leads through lists, "images/0/size": a value or an object. In a key "~1"
 * stands for "/" and "~0" for "~", and a "/" in front may stand or not, as in
 * a JSON pointer (RFC 6901); only where the first key is empty it must. The
 * empty path is the root. NOT_FOUND; TYPE when a step leads through what is no
 * map or list; ARG for another "~"; LIMIT (key). O(length); O(log n) for an
 * index. */
CRDT_API crdt_err crdt_at(crdt_doc *doc, crdt_bytes path, crdt_value *out);
/* Appends the path of the object, as crdt_at takes it. Indices are those of
 * now; for an element that is not there now it has a "-", where crdt_at finds
 * nothing. ARG (null), NOMEM. */
CRDT_API crdt_err crdt_path(crdt_obj obj, crdt_buf *out);

/* >>16 DELTAS ---------------------------------------------------------------
 * For a program with a network of its own; a node does all this by itself.
 *
 * Delta(v) turns a replica that has applied at least v into one that has
 * applied at least what we have. Joining is commutative, associative and
 * idempotent, and never loses what the joiner wrote itself. */

/* Appends to `out` what a replica at `since` lacks; NULL or an empty vector:
 * everything. When removals that it would need are no longer remembered, it
 * is everything too. `since` may name what we do not have: that much is not
 * assumed. O(result + replicas). UNCOMMITTED, NOMEM. */
CRDT_API crdt_err crdt_delta(crdt_doc *doc, const crdt_vv *since,
                             crdt_buf *out);

/* Joins a delta, all or nothing. CAUSAL when it builds on what we lack: ask
 * for a delta since our own vector. SKEW: try again later, it is not lost.
 * FORK: our replica id, or a dot, has been used twice; see
 * crdt_doc_reincarnate. FORGOTTEN: it names deleted text that was swept here
 * (crdt_sweep): ask for the whole state. CORRUPT, TRUNCATED, VERSION,
 * CHECKSUM, LIMIT, NOMEM. O(delta x log n). */
CRDT_API crdt_err crdt_join(crdt_doc *doc, crdt_bytes delta);
/* As crdt_join; when the bytes are at fault, `*offset` is where. */
CRDT_API crdt_err crdt_join_at(crdt_doc *doc, crdt_bytes delta,
                               size_t *offset);

/* What a delta is based on and brings its joiner to, without joining. Either
 * may be NULL. */
CRDT_API crdt_err crdt_delta_range(crdt_bytes delta, crdt_vv *since,
                                   crdt_vv *top);

/* Forgets removals that `cut` covers: allowed when every member has applied
 * `cut`. A replica that had not, still gets right, by way of the whole state.
 * What `cut` names beyond our own vector is ignored. The bytes of deleted text
 * go too. O(removals + length of texts). NOMEM. */
CRDT_API crdt_err crdt_truncate(crdt_doc *doc, const crdt_vv *cut);

/* Drops deleted characters of texts, and places of lists, that nobody can name
 * any more. `floor` is how far all members have truncated: the least of their
 * crdt_doc_floor, of each replica; and all that they had written by then must
 * have been joined. AGAIN: that is not as far as this document has truncated.
 * Anchors to what has gone are NOT_FOUND. If a member names it all the same,
 * its delta is FORGOTTEN here, but the delta of all it has is not. NOMEM:
 * only part of it has gone. O(n log n). */
CRDT_API crdt_err crdt_sweep(crdt_doc *doc, const crdt_vv *floor);

/* Appends the state in canonical form: replicas that have applied the same
 * changes write the same bytes, whatever the order and whatever is forgotten.
 * Joinable like a delta, but only where nothing else will be: removals are
 * not in it. UNCOMMITTED, NOMEM. O(n log replicas). */
CRDT_API crdt_err crdt_canonical(crdt_doc *doc, crdt_buf *out);

/* >>17 NODES ----------------------------------------------------------------
 * A node keeps documents equal with those of its peers over injected
 * transports. It is a step machine: it does something only inside
 * crdt_node_poll and crdt_node_flush, and never blocks longer than asked.
 */

/* A link as its transport numbers it: from 1, never used again by that
 * transport. */
typedef uint32_t crdt_peer;

/* What the node gives to a transport. A transport calls these only from
 * within its own poll, never from send, drop or close. Bytes and texts are
 * borrowed for the call. */
typedef struct crdt_upcalls {
    int version;
    void *ctx;
    /* A link is up; `name` says who is there, for people. */
    void (*peer_up)(void *ctx, crdt_peer peer, const char *name);
    /* It is gone; `why` is for people. The number is not used again. */
    void (*peer_down)(void *ctx, crdt_peer peer, const char *why);
    /* Bytes came: whole messages, or of a CRDT_STREAM any piece. */
    void (*received)(void *ctx, crdt_peer peer, crdt_bytes bytes);
    /* After a send answered CRDT_ERR_AGAIN: there is room again. */
    void (*writable)(void *ctx, crdt_peer peer);
} crdt_upcalls;

enum {
    CRDT_RELIABLE = 1,  /* nothing is lost while the link is up */
    CRDT_ORDERED = 2,   /* bytes arrive in the order of sending */
    CRDT_BROADCAST = 4, /* peer 0 reaches everyone */
    CRDT_STREAM = 8,    /* bytes may arrive cut or joined differently */
    CRDT_SEALED = 16,   /* only known peers come in, and nobody else reads or
                           changes anything */
    /* No adapter says this, but the program, of a transport that is not
     * sealed: whoever can reach it may read and write the documents.
     *
     *     tcp.properties |= CRDT_TRUSTED_PEERS;
     *     crdt_node_attach(node, &tcp);
     */
    CRDT_TRUSTED_PEERS = 32
};

/* A transport, made by an adapter's constructor. The node that it is given to
 * owns it and closes it. All functions are called from the node's thread. */
typedef struct crdt_transport {
    int version;
    void *ctx;
    unsigned properties; /* CRDT_RELIABLE | ... */
    size_t message_max;  /* the most that one send may carry */
    /* Called once, before all others. `up` stays valid until close. */
    crdt_err (*start)(void *ctx, const crdt_upcalls *up);
    /* Takes a copy of the bytes, or refuses: AGAIN when the queue of the peer
     * is full, CLOSED when the peer is gone, LIMIT above message_max, NOMEM,
     * IO. Must not block. */
    crdt_err (*send)(void *ctx, crdt_peer peer, crdt_bytes bytes);
    /* Waits at most timeout_ms (0: not at all) for something to happen and
     * does it, upcalls included. */
    crdt_err (*poll)(void *ctx, int timeout_ms);
    /* The node wants no more of this peer: ends the link after what is queued
     * has had a chance. peer_down follows from a later poll. */
    void (*drop)(void *ctx, crdt_peer peer, const char *why);
    void (*close)(void *ctx); /* frees ctx too */
} crdt_transport;

/* Hears of one thing after another. Bytes are borrowed for the call; any error
 * ends the walk. */
typedef crdt_err crdt_bytes_fn(void *ctx, crdt_bytes bytes);

/* A store, made by an adapter's constructor: where a node keeps its documents.
 * It knows nothing of CRDTs: a record is bytes, and a document is the name of
 * a list of records. The node that it is given to owns it and closes it. All
 * functions are called from the node's thread, may wait for the disk, and must
 * not call back into the node.
 *
 *     append a.1  append b.1  sync  append a.2  | crash
 *     a: a.1, maybe a.2     b: b.1                never a.2 without a.1
 *
 * IO is for good: what is on the disk is not known any more, so all that
 * follows answers IO too, and the store is to be opened anew. After FULL and
 * NOMEM nothing has changed: try again when there is room. */
typedef struct crdt_store {
    int version;
    void *ctx;
    /* Random. The same one when a store is opened as it was closed: cleanly,
     * and in its own place. After a crash, damage, a restored backup, or in a
     * copy, it is a new one, and documents take new replica ids. */
    crdt_id life;
    /* Adds a record behind those of the document, which may be new. Copies the
     * bytes; names have at most CRDTSYNC_MAX_NAME. Not durable before a sync.
     * LIMIT, NOMEM, FULL, IO. */
    crdt_err (*append)(void *ctx, crdt_bytes doc, crdt_bytes record);
    /* With `durably`, all that was appended will be there after a power
     * failure; without, after the end of the process. FULL, IO. */
    crdt_err (*sync)(void *ctx, int durably);
    /* A record that holds all that those of the document do takes their
     * place: at once, or after any number of syncs, but in one. Until then the
     * others are told. Otherwise as append. */
    crdt_err (*snapshot)(void *ctx, crdt_bytes doc, crdt_bytes record);
    /* Tells all records of the document in order; none when there is no such
     * document. CORRUPT: some are missing or damaged. Those before were told;
     * those behind are set aside, also that for which fn answered CORRUPT,
     * and the next that is added must be a snapshot. Any other error of fn is
     * passed on and changes nothing. NOMEM, IO. */
    crdt_err (*load)(void *ctx, crdt_bytes doc, crdt_bytes_fn *fn, void *to);
    /* Tells the name of each document, in any order; fn must not use the
     * store. */
    crdt_err (*list)(void *ctx, crdt_bytes_fn *fn, void *to);
    /* Frees ctx too. `cleanly`: all that the documents hold is in here and
     * durable, and nobody goes on under their replica ids. */
    void (*close)(void *ctx, int cleanly);
} crdt_store;

/* Documents, peers, transports, timers, and maybe a store. */
typedef struct crdt_node crdt_node;

/* What goes out when something has changed. How it is joined is the same. */
typedef enum crdt_shipping {
    CRDT_SHIP_DELTA = 0, /* what the peer lacks, all of it in one delta */
    CRDT_SHIP_OPS = 1,   /* each commit at once in a delta of its own, up to
                            CRDTSYNC_MAX_IN_FLIGHT; what else a peer lacks
                            goes as above */
    CRDT_SHIP_STATE = 2  /* the whole document, each time: for comparison */
} crdt_shipping;

/* For store_ms: never waits for the disk. What was sent survives the end of
 * this process, not that of the machine. */
#define CRDT_STORE_LAZY UINT32_MAX

/* Zero means default, as of crdt_config. Tables are copied. */
typedef struct crdt_node_config {
    const crdt_alloc *alloc;
    const crdt_clock *clock;
    const crdt_random *random;
    const crdt_log *log;   /* NULL: silent */
    crdt_bytes name;       /* shown to peers; at most 64 bytes */
    uint32_t heartbeat_ms; /* 0: 2,000. A peer silent for three is dropped */
    uint32_t sync_ms;      /* 0: 30,000. Anti-entropy: digests are compared
                              this often though nothing seems to be missing */
    crdt_shipping shipping;
    const crdt_store *store; /* NULL: nothing outlives the process. Copied */
    /* 0: what is committed is made durable before anything more is sent. N:
     * so only every N ms, and what is to be sent waits for that; fewer syncs
     * for more delay. Or CRDT_STORE_LAZY. */
    uint32_t store_ms;
    uint32_t roster_ms; /* 0: 10,000. Members tell what they have at most
                              this often */
    uint32_t evict_ms;  /* Members silent for so long are evicted; 0: never.
                              The same at all nodes, and some roster_ms */
    int keeps_history;  /* 1: forgets nothing by itself */
    int no_members;     /* 1: keeps no table of members, and so none is kept
                              by its peers either: nothing is forgotten, and
                              there are no full syncs */
} crdt_node_config;

/* Takes over the store; on failure it stays the caller's. NOMEM, IO (no
 * randomness), ARG, LIMIT (name). */
CRDT_API crdt_err crdt_node_new(crdt_node **out,
                                const crdt_node_config *config);
/* Stores what is committed, says goodbye, closes transports and store;
 * documents stay the caller's. The replica ids of those that were stored stay
 * with the store: they go on under fresh ones. NULL is allowed. */
CRDT_API void crdt_node_free(crdt_node *node);

/* From now on keeps `doc` equal with every peer's document of that name. The
 * document must outlive the node. ARG (name twice, too long), LIMIT, NOMEM.
 *
 * With a store, what is stored under that name comes first, and what is
 * committed or joined from now on is stored. A document that is still empty
 * takes its replica id from the store when that is safe, and a fresh one when
 * it is not. What is damaged is set aside (crdt_node_stats.damaged) and comes
 * back from peers. UNCOMMITTED; IO, VERSION and what else load or a join
 * answers: the document may then hold a part, so throw it away. */
CRDT_API crdt_err crdt_node_share(crdt_node *node, crdt_bytes name,
                                  crdt_doc *doc);

/* Hands a transport over; on failure it stays the caller's. The table is
 * copied. TRUST (neither CRDT_SEALED nor CRDT_TRUSTED_PEERS), what its start()
 * answers, NOMEM, LIMIT. */
CRDT_API crdt_err crdt_node_attach(crdt_node *node,
                                   const crdt_transport *transport);

/* One round: receives, joins, answers, stores and pushes what has been
 * committed, runs timers; waits at most timeout_ms when there is nothing to
 * do. NOMEM and IO leave the node usable: call again.
 *
 * Errors of the store: nothing is sent until it stores again. FULL: that may
 * be when there is room. IO: never; read what you need, free the node, and
 * begin with a new one. While changes are uncommitted and others have come,
 * nothing is sent either. */
CRDT_API crdt_err crdt_node_poll(crdt_node *node, int timeout_ms);
/* Only stores and pushes what has been committed. With a store and store_ms 0,
 * CRDT_OK says that all that is committed is durable. */
CRDT_API crdt_err crdt_node_flush(crdt_node *node);

/* Where we are with a peer. */
typedef enum crdt_peer_state {
    CRDT_PEER_GREETING, /* HELLO is on its way */
    CRDT_PEER_SYNCING,  /* something is not yet at one of us */
    CRDT_PEER_SYNCED    /* both have said that they have the same */
} crdt_peer_state;

/* A peer as it is now. */
typedef struct crdt_peer_info {
    uint32_t id;      /* for this node; never used again */
    crdt_id node;     /* zero while greeting */
    crdt_bytes name;  /* what the peer calls itself */
    const char *link; /* what the transport calls it */
    crdt_peer_state state;
    uint64_t unacked; /* own changes of ours that it has not confirmed */
    uint64_t lag;     /* changes it has and we lack, as far as it told */
    uint64_t sent_bytes, sent_frames;
    uint64_t received_bytes, received_frames;
    uint64_t silent_ms; /* since something came */
} crdt_peer_info;

/* Fills `out` for the index-th peer; NOT_FOUND behind the last. Borrowed until
 * the next poll. */
CRDT_API crdt_err crdt_node_peer(const crdt_node *node, size_t index,
                                 crdt_peer_info *out);
/* What is confirmed to be at some other node, of the document of that name:
 * the least that survives when this one dies now. Overwrites `out`.
 * NOT_FOUND, NOMEM. */
CRDT_API crdt_err crdt_node_acked(const crdt_node *node, crdt_bytes name,
                                  crdt_vv *out);

/* Presence: what others of the group see of this node for a while, such as
 * where its cursor is: at most 256 bytes for each document, never stored and
 * no part of it. It goes wherever changes go, also through nodes that know
 * nothing of it, and is gone after `ttl_ms` (at most ten minutes) unless it is
 * set again; and from the start when `value` is empty. Over links that lose
 * things it is told three times, and may be lost all the same: set it now and
 * then. NOT_FOUND (document), LIMIT, NOMEM. */
CRDT_API crdt_err crdt_node_set_presence(crdt_node *node, crdt_bytes name,
                                         crdt_bytes value, uint32_t ttl_ms);

/* What one other node shows. */
typedef struct crdt_presence {
    crdt_id node; /* whose it is */
    crdt_bytes value;
    uint64_t ttl_ms; /* that it still has */
} crdt_presence;

/* Fills `out` for the index-th other node that is present, in no order;
 * NOT_FOUND behind the last. Borrowed until the next poll. O(all presences). */
CRDT_API crdt_err crdt_node_presence(const crdt_node *node, crdt_bytes name,
                                     size_t index, crdt_presence *out);

/* >>18 MEMBERS -------------------------------------------------------------
 * Who takes part in a document, known to all who do, however they are linked;
 * docs/membership.md. `name` is that of the document; a call that does not
 * know it answers NOT_FOUND, and LIMIT when there is no table of members: more
 * than CRDTSYNC_MAX_MEMBERS are active, or some node keeps none.
 */

/* Whether a member takes part. */
typedef enum crdt_member_status {
    CRDT_MEMBER_ACTIVE,
    CRDT_MEMBER_EVICTED, /* as another said; it comes back when it is heard */
    CRDT_MEMBER_LEFT     /* as itself said */
} crdt_member_status;

/* Where a member is in a full sync. */
typedef enum crdt_phase {
    CRDT_PHASE_WORK, /* in none */
    CRDT_PHASE_SYNC, /* has said what it has */
    CRDT_PHASE_READY /* has all of the cut */
} crdt_phase;

/* A member as we know it. */
typedef struct crdt_member_info {
    crdt_id replica, node;
    crdt_member_status status;
    crdt_id evicted_by; /* zero unless evicted */
    crdt_phase phase;
    int is_self;
    uint64_t unacked;   /* own changes of ours that it has not confirmed */
    uint64_t missing;   /* changes of anyone that we have and it has not */
    uint64_t lag;       /* changes it has and we lack, as far as it told */
    uint64_t silent_ms; /* since we last knew that it lives */
    /* The last full sync ended in an alarm, all have said what they have, and
     * most had another digest than it; of two that as many had, the one counts
     * that the least replica had. */
    int is_odd;
} crdt_member_info;

/* Fills `out` for the index-th member; the first is we. NOT_FOUND behind the
 * last. What it says of others is what they last said of themselves. */
CRDT_API crdt_err crdt_node_member(const crdt_node *node, crdt_bytes name,
                                   size_t index, crdt_member_info *out);

/* What all active members have applied; at most what we have told of us.
 * Overwrites `out`. NOMEM. */
CRDT_API crdt_err crdt_node_stable(const crdt_node *node, crdt_bytes name,
                                   crdt_vv *out);
/* The least floor of all active members: what is dead below it nobody names
 * any more. AGAIN while not all members know the same ones, or we lack
 * something that one of them had written. Overwrites `out`. NOMEM. */
CRDT_API crdt_err crdt_node_floors(const crdt_node *node, crdt_bytes name,
                                   crdt_vv *out);

/* Says that we take part no longer: nobody waits for us. Poll until the peers
 * have heard. Writing takes part again. Ends a full sync here. */
CRDT_API crdt_err crdt_node_leave(crdt_node *node, crdt_bytes name);
/* Has all others no longer wait for a member. When it is heard again it is
 * back, and nothing that it wrote is lost. NOT_FOUND; ARG: ourselves. */
CRDT_API crdt_err crdt_node_evict(crdt_node *node, crdt_bytes name,
                                  const crdt_id *replica);

/* >>19 FULL SYNCS ----------------------------------------------------------
 * All active members agree on a cut that each has, compare their documents
 * there, and begin a new epoch; removals below the cut are forgotten.
 */

/* What may be written during a full sync. */
typedef enum crdt_sync_mode {
    CRDT_SYNC_OPEN, /* writing goes on; who writes meanwhile does not compare */
    CRDT_SYNC_STRICT /* writes answer CRDT_ERR_FROZEN until it is over */
} crdt_sync_mode;

/* Asks for a full sync; the coming polls do it. After `lease_ms` (0: 10,000)
 * it is given up, and everyone who took part is back in WORK, also those cut
 * off. When one is under way it stands for this one. A strict one waits for
 * crdt_commit. ARG, UNSUPPORTED (we have left). */
CRDT_API crdt_err crdt_node_full_sync(crdt_node *node, crdt_bytes name,
                                      crdt_sync_mode mode, uint32_t lease_ms);

/* The full sync that is under way, and the last one. */
typedef struct crdt_epoch_info {
    crdt_phase phase;    /* ours */
    int is_strict;       /* that of the sync under way */
    uint64_t number;     /* epochs committed */
    crdt_id proposer;    /* of the sync under way, or of the last one */
    size_t members;      /* active */
    size_t waiting;      /* of these, who have yet to answer, or to be there */
    crdt_id waiting_for; /* the first of them */
    uint64_t left_ms;    /* of the lease */
    uint64_t compared;   /* digests that were equal, at the last commit that
                            we saw ourselves */
    uint64_t alarms;     /* how often digests differed */
    const crdt_vv *cut;  /* of the last epoch; NULL: not known here. Borrowed
                            until the next poll */
} crdt_epoch_info;

/* Fills `out`. */
CRDT_API crdt_err crdt_node_epoch(const crdt_node *node, crdt_bytes name,
                                  crdt_epoch_info *out);

/* For nodes without a store, which keeps this by itself: appends what is known
 * of members and epochs, and reads it back after a restart, before the first
 * poll. Who keeps the document on disk keeps this beside it, or the members
 * that are away are not waited for any more, and what was promised in a full
 * sync is only known to the others. NOMEM; CORRUPT, TRUNCATED, CHECKSUM,
 * VERSION. */
CRDT_API crdt_err crdt_node_members_save(const crdt_node *node,
                                         crdt_bytes name, crdt_buf *out);
CRDT_API crdt_err crdt_node_members_load(crdt_node *node, crdt_bytes name,
                                         crdt_bytes bytes);

/* What there was since the node was made. */
typedef struct crdt_node_stats {
    uint64_t sent_bytes, sent_frames, received_bytes, received_frames;
    uint64_t deltas_sent, deltas_joined, deltas_refused;
    uint64_t waiting; /* deltas held back: clock ahead, or causes missing */
    uint64_t alarms;  /* equal vectors with unequal digests, forks */
    uint64_t delta_bytes, news_bytes; /* of deltas received; of them, by share
                                         of changes, what was new */
    uint64_t damaged; /* documents of which the store had lost a part */
} crdt_node_stats;

/* Fills `out`. */
CRDT_API void crdt_node_get_stats(const crdt_node *node, crdt_node_stats *out);

#ifdef __cplusplus
}
#endif

#endif

#if defined(CRDTSYNC_IMPLEMENTATION) && !defined(CRDTSYNC_IMPLEMENTED)
#define CRDTSYNC_IMPLEMENTED

/* 1 base */
/* >> base.h */
/*
 * The ground floor: what the compiler and the machine are like, said once, so
 * that everything above is plain C99 that is also C++11.
 *
 *     glue      CRDTI_FN, CRDTI_INLINE, CRDTI_HOT, CRDTI_LIKELY, CRDTI_ASSERT
 *     memory    copy, move, zero, equal, compare: string.h, or nothing
 *     numbers   min, max, little-endian loads and stores
 *     hashing   mix (two words into one), hash (bytes into a word)
 *
 * With CRDTSYNC_FREESTANDING no header is used that a bare compiler lacks. Gcc
 * and clang want memcpy, memmove, memset and memcmp even there, whatever the
 * source says, so using their builtins asks for nothing more.
 */
#ifndef CRDTI_BASE_H
#define CRDTI_BASE_H


#ifndef CRDTSYNC_FREESTANDING
#include <assert.h>
#include <string.h>
#endif

/* >>glue ------------------------------------------------------------------ */

/* Every internal function: nothing leaves the object file, and a program that
 * uses half of the modules hears no complaint about the other half. */
#define CRDTI_FN CRDTI_UNUSED static
#define CRDTI_INLINE CRDTI_UNUSED static inline

/* Hot, but with more in it than a call: inline, unless -Os asks for the call.
 * Clang would still inline it there, and the core grow by a fifth. */
#if defined(__OPTIMIZE_SIZE__) && defined(__clang__)
#define CRDTI_HOT CRDTI_UNUSED static __attribute__((noinline))
#else
#define CRDTI_HOT CRDTI_INLINE
#endif

/* Not hot, beside what is. */
#if defined(__GNUC__) || defined(__clang__)
#define CRDTI_SLOW CRDTI_UNUSED static __attribute__((noinline))
#else
#define CRDTI_SLOW CRDTI_FN
#endif

#if defined(__GNUC__) || defined(__clang__)
#define CRDTI_LIKELY(cond) __builtin_expect(!!(cond), 1)
#define CRDTI_UNLIKELY(cond) __builtin_expect(!!(cond), 0)
#define CRDTI_PREFETCH(at) __builtin_prefetch(at)
#else
#define CRDTI_LIKELY(cond) (cond)
#define CRDTI_UNLIKELY(cond) (cond)
#define CRDTI_PREFETCH(at) ((void)(at))
#endif

/* What our own code must hold; never said of bytes from outside. Switched off
 * it still looks at the names, or a variable made for it would be unused. */
#ifdef CRDTSYNC_ASSERT
#define CRDTI_ASSERT(cond) CRDTSYNC_ASSERT(cond)
#elif defined(CRDTSYNC_FREESTANDING) || defined(NDEBUG)
#define CRDTI_ASSERT(cond) ((void)sizeof((cond) ? 1 : 0))
#else
#define CRDTI_ASSERT(cond) assert(cond)
#endif

/* The rules that a test takes out one at a time, to show that none is there
 * for nothing. */
#ifndef CRDTI_RULE
#define CRDTI_RULE(name) 1
#endif

/* >>memory ----------------------------------------------------------------
 * As in string.h, but NULL with length 0 is allowed: crdt_bytes may be that,
 * and the C standard calls it undefined. The test costs nothing where the
 * length is a constant. */

#ifndef CRDTSYNC_FREESTANDING
#define CRDTI_MEM(name) mem##name
#elif defined(__GNUC__) || defined(__clang__)
#define CRDTI_MEM(name) __builtin_mem##name
#else
#define CRDTI_MEM(name) crdti_plain_##name

CRDTI_FN void crdti_plain_move(void *to, const void *from, size_t len)
{
    uint8_t *t = (uint8_t *)to;
    const uint8_t *f = (const uint8_t *)from;
    size_t i;
    if ((uintptr_t)t <= (uintptr_t)f)
        for (i = 0; i < len; i++)
            t[i] = f[i];
    else
        for (i = len; i > 0; i--)
            t[i - 1] = f[i - 1];
}

CRDTI_FN void crdti_plain_cpy(void *to, const void *from, size_t len)
{
    crdti_plain_move(to, from, len);
}

CRDTI_FN void crdti_plain_set(void *to, int byte, size_t len)
{
    uint8_t *t = (uint8_t *)to;
    size_t i;
    for (i = 0; i < len; i++)
        t[i] = (uint8_t)byte;
}

CRDTI_FN int crdti_plain_cmp(const void *a, const void *b, size_t len)
{
    const uint8_t *x = (const uint8_t *)a, *y = (const uint8_t *)b;
    size_t i;
    for (i = 0; i < len; i++)
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    return 0;
}
#endif

CRDTI_INLINE void crdti_copy(void *to, const void *from, size_t len)
{
    if (len)
        CRDTI_MEM(cpy)(to, from, len);
}

/* As crdti_copy; the two may overlap. */
CRDTI_INLINE void crdti_move(void *to, const void *from, size_t len)
{
    if (len)
        CRDTI_MEM(move)(to, from, len);
}

CRDTI_INLINE void crdti_zero(void *to, size_t len)
{
    if (len)
        CRDTI_MEM(set)(to, 0, len);
}

CRDTI_INLINE int crdti_equal(const void *a, const void *b, size_t len)
{
    return len == 0 || CRDTI_MEM(cmp)(a, b, len) == 0;
}

/* Below, at or above 0, as a is before, the same as or behind b. */
CRDTI_INLINE int crdti_compare(const void *a, const void *b, size_t len)
{
    return len == 0 ? 0 : CRDTI_MEM(cmp)(a, b, len);
}

/* >>numbers --------------------------------------------------------------- */

CRDTI_INLINE uint64_t crdti_min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

CRDTI_INLINE uint64_t crdti_max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

CRDTI_INLINE size_t crdti_min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

CRDTI_INLINE size_t crdti_max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Loads and stores at any address. Little-endian machines do them in one
 * instruction; others byte by byte, which their compilers turn into one. */
#if defined(__BYTE_ORDER__) && defined(__ORDER_LITTLE_ENDIAN__)
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define CRDTI_LITTLE_ENDIAN
#endif
#elif defined(_WIN32)
#define CRDTI_LITTLE_ENDIAN
#endif

CRDTI_INLINE uint32_t crdti_load32(const void *from)
{
#ifdef CRDTI_LITTLE_ENDIAN
    uint32_t word;
    crdti_copy(&word, from, sizeof word);
    return word;
#else
    const uint8_t *b = (const uint8_t *)from;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 |
           (uint32_t)b[3] << 24;
#endif
}

CRDTI_INLINE uint64_t crdti_load64(const void *from)
{
#ifdef CRDTI_LITTLE_ENDIAN
    uint64_t word;
    crdti_copy(&word, from, sizeof word);
    return word;
#else
    const uint8_t *b = (const uint8_t *)from;
    return (uint64_t)crdti_load32(b) | (uint64_t)crdti_load32(b + 4) << 32;
#endif
}

CRDTI_INLINE void crdti_store32(void *to, uint32_t word)
{
#ifdef CRDTI_LITTLE_ENDIAN
    crdti_copy(to, &word, sizeof word);
#else
    uint8_t *b = (uint8_t *)to;
    b[0] = (uint8_t)word;
    b[1] = (uint8_t)(word >> 8);
    b[2] = (uint8_t)(word >> 16);
    b[3] = (uint8_t)(word >> 24);
#endif
}

CRDTI_INLINE void crdti_store64(void *to, uint64_t word)
{
    uint8_t *b = (uint8_t *)to;
    crdti_store32(b, (uint32_t)word);
    crdti_store32(b + 4, (uint32_t)(word >> 32));
}

/* The order of these numbers is the order of the bytes: for comparing. Gcc and
 * clang make it a load and a byte swap. */
CRDTI_INLINE uint64_t crdti_load64_be(const void *from)
{
    const uint8_t *b = (const uint8_t *)from;
    return (uint64_t)b[0] << 56 | (uint64_t)b[1] << 48 | (uint64_t)b[2] << 40 |
           (uint64_t)b[3] << 32 | (uint64_t)b[4] << 24 | (uint64_t)b[5] << 16 |
           (uint64_t)b[6] << 8 | (uint64_t)b[7];
}

/* >>hashing ---------------------------------------------------------------
 * Multiply two words to 128 bits and fold the halves: each bit of the result
 * hangs on every bit of both. 4 cycles. (wyhash: Wang Yi 2019) */

#ifdef __SIZEOF_INT128__
__extension__ typedef unsigned __int128 crdti_u128;

CRDTI_HOT uint64_t crdti_mix(uint64_t a, uint64_t b)
{
    crdti_u128 product = (crdti_u128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}
#else
CRDTI_HOT uint64_t crdti_mix(uint64_t a, uint64_t b)
{
    uint64_t al = (uint32_t)a, ah = a >> 32, bl = (uint32_t)b, bh = b >> 32;
    uint64_t low = al * bl, high = ah * bh;
    uint64_t mid = ah * bl + (low >> 32); /* cannot overflow */
    uint64_t mid2 = al * bh + (uint32_t)mid;
    high += (mid >> 32) + (mid2 >> 32);
    return (mid2 << 32 | (uint32_t)low) ^ high;
}
#endif

/* The first digits of pi, behind the point: no reason to suspect them. */
#define CRDTI_HASH_1 0x243f6a8885a308d3u
#define CRDTI_HASH_2 0x13198a2e03707344u
#define CRDTI_HASH_3 0xa4093822299f31d0u

/* The bytes below a block of 16, spread over two words. The two loads overlap,
 * so that each length takes one branch instead of a loop. */
CRDTI_INLINE void crdti_hash_tail(const uint8_t *p, size_t len, uint64_t *a,
                                  uint64_t *b)
{
    *a = *b = 0;
    if (len >= 8) {
        *a = crdti_load64(p);
        *b = crdti_load64(p + len - 8);
    } else if (len >= 4) {
        *a = crdti_load32(p);
        *b = crdti_load32(p + len - 4);
    } else if (len) {
        *a = (uint64_t)p[0] << 16 | (uint64_t)p[len / 2] << 8 | p[len - 1];
    }
}

/* A 64-bit hash of bytes, the same on every machine. Measured: 2 ns for a short
 * key, 10 GB/s for a long one. A seed that is random and secret keeps others
 * from choosing bytes that collide: both factors of each step are masked with
 * something made from it, so that no known bytes make a factor 0. */
CRDTI_FN uint64_t crdti_hash(const void *bytes, size_t len, uint64_t seed)
{
    const uint8_t *p = (const uint8_t *)bytes;
    uint64_t mask = crdti_mix(seed ^ CRDTI_HASH_1, CRDTI_HASH_2);
    uint64_t hash = seed ^ CRDTI_HASH_3, a, b;
    size_t left = len;
    for (; left > 16; left -= 16, p += 16)
        hash = crdti_mix(crdti_load64(p) ^ mask, crdti_load64(p + 8) ^ hash);
    crdti_hash_tail(p, left, &a, &b);
    return crdti_mix(crdti_mix(a ^ mask, b ^ hash), CRDTI_HASH_2 ^ len);
}

#endif
/* >> alloc.h */
/*
 * Memory, always through a crdt_alloc table. The size of a block is known by
 * its holder, who says it again on resizing and freeing: an allocator need not
 * remember it.
 *
 *     crdti_alloc(a, 64) -> block        resize(ctx, NULL, 0, 64)
 *     crdti_realloc(a, block, 64, 128)   resize(ctx, block, 64, 128)
 *     crdti_free(a, block, 128)          resize(ctx, block, 128, 0)
 *
 * A NULL table is malloc; freestanding there is none, and nothing is granted.
 */
#ifndef CRDTI_ALLOC_H
#define CRDTI_ALLOC_H


#ifndef CRDTSYNC_FREESTANDING
#include <stdlib.h>

CRDTI_FN void *crdti_malloc_resize(void *ctx, void *ptr, size_t old_size,
                                   size_t size)
{
    (void)ctx;
    (void)old_size;
    if (size)
        return realloc(ptr, size);
    free(ptr); /* realloc to 0 may do this, or may not */
    return NULL;
}
#endif

/* The table, or malloc; NULL when freestanding and there is none. */
CRDTI_INLINE const crdt_alloc *crdti_alloc_or_default(const crdt_alloc *a)
{
#ifndef CRDTSYNC_FREESTANDING
    static const crdt_alloc crdti_malloc = { 1, NULL, crdti_malloc_resize };
    return a ? a : &crdti_malloc;
#else
    return a;
#endif
}

/* a * b, or SIZE_MAX when that does not fit, which is never granted. */
CRDTI_INLINE size_t crdti_mul_size(size_t a, size_t b)
{
    return b && a > SIZE_MAX / b ? SIZE_MAX : a * b;
}

/* NULL means no memory; the old block is then as it was. Half of the address
 * space is refused here, since differences of pointers could not span it. */
CRDTI_FN void *crdti_realloc(const crdt_alloc *a, void *ptr, size_t old_size,
                             size_t size)
{
    CRDTI_ASSERT(size > 0 && !ptr == !old_size);
    a = crdti_alloc_or_default(a);
    if (!a || size > SIZE_MAX / 2)
        return NULL;
    return a->resize(a->ctx, ptr, old_size, size);
}

CRDTI_FN void *crdti_alloc(const crdt_alloc *a, size_t size)
{
    return crdti_realloc(a, NULL, 0, size);
}

/* NULL is allowed. */
CRDTI_FN void crdti_free(const crdt_alloc *a, void *ptr, size_t size)
{
    if (!ptr)
        return;
    CRDTI_ASSERT(size > 0);
    a = crdti_alloc_or_default(a);
    a->resize(a->ctx, ptr, size, 0);
}

#endif
/* >> bytes.h */
/*
 * Bytes: borrowed (crdt_bytes), growing (crdt_buf), written (crdti_writer) and
 * read (crdti_reader). Writer and reader keep their first error and from then
 * on do nothing, so that code puts or gets field after field and looks at
 * `err` once, at the end.
 *
 *     crdt_buf      ptr [ written .......... | free ........ ]
 *                        0                    len            cap
 *
 *     crdti_reader  [ read ......... | left ......... ]
 *                   start             ptr             end
 *
 * Numbers are varints: 7 bits a byte, the low ones first, the top bit says
 * that more follow. Each number has one form, the shortest; others are
 * refused, or equal data could have unequal bytes.
 *
 *     300 = 1 0010 1100  ->  1.0101100  0.0000010  ->  ac 02
 *
 * Signed numbers are folded first (zigzag): 0, -1, 1, -2 become 0, 1, 2, 3.
 */
#ifndef CRDTI_BYTES_H
#define CRDTI_BYTES_H


#define CRDTI_VARINT_MAX 10 /* bytes of 64 bits, 7 at a time */

/* >>bytes ----------------------------------------------------------------- */

CRDT_API crdt_bytes crdt_bytes_of(const void *ptr, size_t len)
{
    crdt_bytes bytes;
    bytes.ptr = (const uint8_t *)ptr;
    bytes.len = len;
    return bytes;
}

CRDT_API crdt_bytes crdt_str(const char *zero_terminated)
{
    size_t len = 0;
    while (zero_terminated && zero_terminated[len])
        len++;
    return crdt_bytes_of(zero_terminated, len);
}

/* The empty key: of an object with one place. */
CRDTI_FN crdt_bytes crdti_no_key(void)
{
    return crdt_bytes_of(NULL, 0);
}

CRDT_API int crdt_bytes_equal(crdt_bytes a, crdt_bytes b)
{
    return a.len == b.len && crdti_equal(a.ptr, b.ptr, a.len);
}

/* By bytes; of two that begin alike the shorter first. */
CRDTI_FN int crdti_bytes_order(crdt_bytes a, crdt_bytes b)
{
    int order = crdti_compare(a.ptr, b.ptr, crdti_min_size(a.len, b.len));
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* >>buf ------------------------------------------------------------------- */

CRDT_API crdt_bytes crdt_buf_bytes(const crdt_buf *buf)
{
    return crdt_bytes_of(buf->ptr, buf->len);
}

CRDT_API void crdt_buf_free(crdt_buf *buf)
{
    if (!buf)
        return;
    crdti_free(buf->alloc, buf->ptr, buf->cap);
    buf->ptr = NULL;
    buf->len = buf->cap = 0;
}

CRDTI_FN crdt_err crdti_buf_grow(crdt_buf *buf, size_t extra)
{
    size_t cap = crdti_max_size(64, crdti_mul_size(buf->cap, 2));
    void *ptr;
    if (extra > SIZE_MAX - buf->len)
        return CRDT_ERR_NOMEM;
    cap = crdti_max_size(cap, buf->len + extra);
    ptr = crdti_realloc(buf->alloc, buf->ptr, buf->cap, cap);
    if (!ptr)
        return CRDT_ERR_NOMEM;
    buf->ptr = (uint8_t *)ptr;
    buf->cap = cap;
    return CRDT_OK;
}

/* Room for `extra` bytes behind those written. Amortised O(1) a byte. */
CRDTI_INLINE crdt_err crdti_buf_reserve(crdt_buf *buf, size_t extra)
{
    if (CRDTI_LIKELY(extra <= buf->cap - buf->len))
        return CRDT_OK;
    return crdti_buf_grow(buf, extra);
}

/* >>writer ---------------------------------------------------------------- */

typedef struct crdti_writer {
    crdt_buf *buf;
    crdt_err err;
} crdti_writer;

CRDTI_INLINE void crdti_writer_init(crdti_writer *w, crdt_buf *buf)
{
    w->buf = buf;
    w->err = CRDT_OK;
}

/* Where the next `len` bytes go, or NULL, also for none; the caller adds to
 * buf->len. */
CRDTI_INLINE uint8_t *crdti_put_room(crdti_writer *w, size_t len)
{
    if (CRDTI_UNLIKELY(w->err || !len))
        return NULL;
    w->err = crdti_buf_reserve(w->buf, len);
    return w->err ? NULL : w->buf->ptr + w->buf->len;
}

CRDTI_HOT void crdti_put_u8(crdti_writer *w, uint8_t byte)
{
    uint8_t *p = crdti_put_room(w, 1);
    if (!p)
        return;
    *p = byte;
    w->buf->len += 1;
}

CRDTI_HOT void crdti_put_u32le(crdti_writer *w, uint32_t word)
{
    uint8_t *p = crdti_put_room(w, 4);
    if (!p)
        return;
    crdti_store32(p, word);
    w->buf->len += 4;
}

CRDTI_HOT void crdti_put_u64le(crdti_writer *w, uint64_t word)
{
    uint8_t *p = crdti_put_room(w, 8);
    if (!p)
        return;
    crdti_store64(p, word);
    w->buf->len += 8;
}

/* Behind its last byte. */
CRDTI_INLINE uint8_t *crdti_varint_store(uint8_t *p, uint64_t number)
{
    for (; number >= 0x80; number >>= 7)
        *p++ = (uint8_t)(number | 0x80);
    *p++ = (uint8_t)number;
    return p;
}

/* Room is checked once for the longest form, not for every byte. */
CRDTI_HOT void crdti_put_varint(crdti_writer *w, uint64_t number)
{
    uint8_t *p = crdti_put_room(w, CRDTI_VARINT_MAX);
    if (p)
        w->buf->len = (size_t)(crdti_varint_store(p, number) - w->buf->ptr);
}

CRDTI_INLINE uint64_t crdti_zigzag_fold(int64_t number)
{
    uint64_t twice = (uint64_t)number << 1;
    return number < 0 ? ~twice : twice;
}

CRDTI_INLINE int64_t crdti_zigzag_unfold(uint64_t number)
{
    int64_t half = (int64_t)(number >> 1);
    return number & 1 ? -half - 1 : half;
}

CRDTI_HOT void crdti_put_zigzag(crdti_writer *w, int64_t number)
{
    crdti_put_varint(w, crdti_zigzag_fold(number));
}

CRDTI_HOT void crdti_put_raw(crdti_writer *w, crdt_bytes bytes)
{
    uint8_t *p = crdti_put_room(w, bytes.len);
    if (!p)
        return;
    crdti_copy(p, bytes.ptr, bytes.len);
    w->buf->len += bytes.len;
}

/* The length, then the bytes. */
CRDTI_HOT void crdti_put_bytes(crdti_writer *w, crdt_bytes bytes)
{
    crdti_put_varint(w, bytes.len);
    crdti_put_raw(w, bytes);
}

CRDTI_FN size_t crdti_varint_size(uint64_t number)
{
    size_t size = 1;
    for (; number >= 0x80; number >>= 7)
        size++;
    return size;
}

/* >>reader ----------------------------------------------------------------
 * An error moves `ptr` to `end`: to the fast paths a failed reader is one that
 * has come to the end, and they need no second test. */

typedef struct crdti_reader {
    const uint8_t *start, *ptr, *end;
    crdt_err err;
    size_t err_at; /* where the field that is at fault begins */
} crdti_reader;

CRDTI_INLINE void crdti_reader_init(crdti_reader *r, crdt_bytes bytes)
{
    /* Not NULL, so that differences and sums with it are defined. */
    static const uint8_t crdti_nothing[1] = { 0 };
    r->start = bytes.len ? bytes.ptr : crdti_nothing;
    r->ptr = r->start;
    r->end = r->start + bytes.len;
    r->err = CRDT_OK;
    r->err_at = 0;
}

/* How many bytes are left; 0 after an error. */
CRDTI_INLINE size_t crdti_reader_left(const crdti_reader *r)
{
    return (size_t)(r->end - r->ptr);
}

/* The first error stays. */
CRDTI_FN void crdti_reader_fail_at(crdti_reader *r, const uint8_t *at,
                                   crdt_err err)
{
    if (r->err)
        return;
    r->err = err;
    r->err_at = (size_t)(at - r->start);
    r->ptr = r->end;
}

CRDTI_FN void crdti_reader_fail(crdti_reader *r, crdt_err err)
{
    crdti_reader_fail_at(r, r->ptr, err);
}

/* The next `len` bytes, borrowed; empty when they are not all there. */
CRDTI_HOT crdt_bytes crdti_get_raw(crdti_reader *r, size_t len)
{
    crdt_bytes bytes = { NULL, 0 };
    if (CRDTI_UNLIKELY(len > crdti_reader_left(r))) {
        crdti_reader_fail(r, CRDT_ERR_TRUNCATED);
        return bytes;
    }
    bytes.ptr = r->ptr;
    bytes.len = len;
    r->ptr += len;
    return bytes;
}

CRDTI_HOT uint8_t crdti_get_u8(crdti_reader *r)
{
    crdt_bytes b = crdti_get_raw(r, 1);
    return b.len ? b.ptr[0] : 0;
}

CRDTI_HOT uint32_t crdti_get_u32le(crdti_reader *r)
{
    crdt_bytes b = crdti_get_raw(r, 4);
    return b.len ? crdti_load32(b.ptr) : 0;
}

CRDTI_HOT uint64_t crdti_get_u64le(crdti_reader *r)
{
    crdt_bytes b = crdti_get_raw(r, 8);
    return b.len ? crdti_load64(b.ptr) : 0;
}

/* A varint of several bytes. Not canonical: a last byte of 0, which adds
 * nothing, and a tenth byte with more than the one bit that is left. */
CRDTI_FN uint64_t crdti_get_varint_long(crdti_reader *r)
{
    size_t i, left = crdti_reader_left(r);
    uint64_t number = 0;
    for (i = 0; i < CRDTI_VARINT_MAX && i < left; i++) {
        uint8_t byte = r->ptr[i];
        number |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte >= 0x80)
            continue;
        if ((byte == 0 && i > 0) || (byte > 1 && i == CRDTI_VARINT_MAX - 1))
            break;
        r->ptr += i + 1;
        return number;
    }
    crdti_reader_fail(r, i == left && i < CRDTI_VARINT_MAX ? CRDT_ERR_TRUNCATED
                                                           : CRDT_ERR_CORRUPT);
    return 0;
}

CRDTI_HOT uint64_t crdti_get_varint(crdti_reader *r)
{
    if (CRDTI_LIKELY(r->ptr < r->end && *r->ptr < 0x80))
        return *r->ptr++;
    return crdti_get_varint_long(r);
}

CRDTI_HOT int64_t crdti_get_zigzag(crdti_reader *r)
{
    return crdti_zigzag_unfold(crdti_get_varint(r));
}

/* A number of things that follow: LIMIT above `max`, TRUNCATED when the bytes
 * left cannot hold that many of `bytes_each`. So whoever allocates for them
 * takes no more than a fixed multiple of what was really sent. */
CRDTI_HOT size_t crdti_get_count(crdti_reader *r, size_t max,
                                 size_t bytes_each)
{
    const uint8_t *at = r->ptr;
    uint64_t count = crdti_get_varint(r);
    if (count > max)
        crdti_reader_fail_at(r, at, CRDT_ERR_LIMIT);
    else if (bytes_each && count > crdti_reader_left(r) / bytes_each)
        crdti_reader_fail_at(r, at, CRDT_ERR_TRUNCATED);
    return r->err ? 0 : (size_t)count;
}

/* A length, at most `max`, and that many bytes. */
CRDTI_HOT crdt_bytes crdti_get_bytes(crdti_reader *r, size_t max)
{
    return crdti_get_raw(r, crdti_get_count(r, max, 1));
}

#endif
/* >> utf8.h */
/*
 * UTF-8, and how long a text is in each of the units that programs count in.
 *
 *     "aé😀"       61   c3 a9   f0 9f 98 80
 *     chars        1    1       1              3
 *     bytes        1    2       4              7   = chars + more_bytes
 *     UTF-16       1    1       2              4   = chars + more_units
 *
 * Both "more" are 0 where all is ASCII, which is mostly so.
 */
#ifndef CRDTI_UTF8_H
#define CRDTI_UTF8_H


typedef struct crdti_width {
    uint32_t chars, more_bytes, more_units;
} crdti_width;

/* Sums and differences wrap: what is subtracted was added before. */
CRDTI_INLINE void crdti_width_add(crdti_width *sum, crdti_width more)
{
    sum->chars += more.chars;
    sum->more_bytes += more.more_bytes;
    sum->more_units += more.more_units;
}

CRDTI_INLINE void crdti_width_subtract(crdti_width *sum, crdti_width less)
{
    sum->chars -= less.chars;
    sum->more_bytes -= less.more_bytes;
    sum->more_units -= less.more_units;
}

CRDTI_INLINE size_t crdti_width_in(crdti_width width, crdt_unit unit)
{
    size_t more = unit == CRDT_UTF8    ? width.more_bytes
                  : unit == CRDT_UTF16 ? width.more_units
                                       : 0;
    return width.chars + more;
}

/* Bytes of the character that begins so, in bytes that were looked over. */
CRDTI_INLINE uint32_t crdti_utf8_size(uint8_t lead)
{
    return lead < 0x80 ? 1u : lead < 0xe0 ? 2u : lead < 0xf0 ? 3u : 4u;
}

CRDTI_INLINE crdti_width crdti_utf8_width(uint8_t lead)
{
    crdti_width width;
    width.chars = 1;
    width.more_bytes = crdti_utf8_size(lead) - 1;
    width.more_units = lead >= 0xf0;
    return width;
}

/* Whether byte `at` is one that goes on with a character, and in low..high. */
CRDTI_INLINE int crdti_utf8_goes_on(crdt_bytes text, size_t at, uint8_t low,
                                    uint8_t high)
{
    return at < text.len && text.ptr[at] >= low && text.ptr[at] <= high;
}

/* Bytes of the character at `at`, or 0: there is none. The second byte says
 * whether it is overlong, a surrogate or too large (RFC 3629). */
CRDTI_FN uint32_t crdti_utf8_look(crdt_bytes text, size_t at)
{
    uint8_t lead = text.ptr[at], low = 0x80, high = 0xbf;
    uint32_t size = crdti_utf8_size(lead), i;
    if (lead < 0x80)
        return 1;
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    if (lead == 0xe0)
        low = 0xa0;
    else if (lead == 0xed)
        high = 0x9f;
    else if (lead == 0xf0)
        low = 0x90;
    else if (lead == 0xf4)
        high = 0x8f;
    for (i = 1; i < size; i++, low = 0x80, high = 0xbf)
        if (!crdti_utf8_goes_on(text, at + i, low, high))
            return 0;
    return size;
}

/* How many bytes from `at` on are ASCII: eight at a time. */
CRDTI_FN size_t crdti_ascii_len(crdt_bytes text, size_t at)
{
    size_t from = at;
    while (text.len - at >= 8 &&
           !(crdti_load64(text.ptr + at) & UINT64_C(0x8080808080808080)))
        at += 8;
    while (at < text.len && text.ptr[at] < 0x80)
        at++;
    return at - from;
}

/* Looks the text over; 0 when it is none. Of more than 2^32 characters the
 * width is wrong; a text holds fewer (CRDTI_NAMES_MAX). */
CRDTI_FN int crdti_utf8_measure(crdt_bytes text, crdti_width *out)
{
    size_t at = 0;
    crdti_zero(out, sizeof *out);
    for (;;) {
        size_t plain = crdti_ascii_len(text, at);
        uint32_t size;
        out->chars += (uint32_t)plain;
        at += plain;
        if (at == text.len)
            return 1;
        size = crdti_utf8_look(text, at);
        if (!size)
            return 0;
        crdti_width_add(out, crdti_utf8_width(text.ptr[at]));
        at += size;
    }
}

/* How many bytes `chars` characters are, from byte `at` on, in bytes that were
 * looked over. */
CRDTI_FN size_t crdti_utf8_len(crdt_bytes text, size_t at, uint32_t chars)
{
    size_t len;
    if (!chars)
        return 0; /* nor need there be a text */
    len = crdti_ascii_len(
        crdt_bytes_of(text.ptr + at, crdti_min_size(chars, text.len - at)), 0);
    for (chars -= (uint32_t)len; chars > 0; chars--)
        len += crdti_utf8_size(text.ptr[at + len]);
    return len;
}

CRDTI_FN uint32_t crdti_utf8_decode(const uint8_t *at)
{
    uint32_t size = crdti_utf8_size(*at), i;
    uint32_t point = size == 1 ? *at : *at & (0x7fu >> size);
    for (i = 1; i < size; i++)
        point = point << 6 | (at[i] & 0x3fu);
    return point;
}

#endif
/* >> crc32c.h */
/*
 * CRC-32C (Castagnoli), which finds what the network or a disk has changed by
 * accident: every burst up to 32 bits, all else but one in 2^32. It is no
 * protection against intent.
 *
 *     crc = crdti_crc32c(0, first);
 *     crc = crdti_crc32c(crc, second);     as if both were one
 *
 * x86 with SSE4.2 and ARM with the CRC extension have an instruction for it:
 * 8 bytes in 3 cycles (measured: 10.6 GB/s, against 1.1 of the portable form).
 * Three interleaved streams would be thrice as fast again, but joining them
 * takes tables, and frames are short. (RFC 3720, appendix B.4)
 */
#ifndef CRDTI_CRC32C_H
#define CRDTI_CRC32C_H


/* >>portable --------------------------------------------------------------
 * Eight lookups, none of which waits for another, for 4 bytes. The nibble
 * that k others follow is looked up in row k, where each entry is that nibble
 * with 4 * (k + 1) zero bits behind it. 512 bytes: it stays in the cache. */

CRDTI_FN uint32_t crdti_crc32c_row(unsigned row, uint32_t nibble)
{
    /* clang-format off */
    static const uint32_t table[8][16] = {
        { 0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
          0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
          0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
          0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75 },
        { 0x00000000, 0xf26b8303, 0xe13b70f7, 0x1350f3f4,
          0xc79a971f, 0x35f1141c, 0x26a1e7e8, 0xd4ca64eb,
          0x8ad958cf, 0x78b2dbcc, 0x6be22838, 0x9989ab3b,
          0x4d43cfd0, 0xbf284cd3, 0xac78bf27, 0x5e133c24 },
        { 0x00000000, 0x3fc5f181, 0x7f8be302, 0x404e1283,
          0xff17c604, 0xc0d23785, 0x809c2506, 0xbf59d487,
          0xfbc3faf9, 0xc4060b78, 0x844819fb, 0xbb8de87a,
          0x04d43cfd, 0x3b11cd7c, 0x7b5fdfff, 0x449a2e7e },
        { 0x00000000, 0x13a29877, 0x274530ee, 0x34e7a899,
          0x4e8a61dc, 0x5d28f9ab, 0x69cf5132, 0x7a6dc945,
          0x9d14c3b8, 0x8eb65bcf, 0xba51f356, 0xa9f36b21,
          0xd39ea264, 0xc03c3a13, 0xf4db928a, 0xe7790afd },
        { 0x00000000, 0x70a27d8a, 0xe144fb14, 0x91e6869e,
          0xc76580d9, 0xb7c7fd53, 0x26217bcd, 0x56830647,
          0x8b277743, 0xfb850ac9, 0x6a638c57, 0x1ac1f1dd,
          0x4c42f79a, 0x3ce08a10, 0xad060c8e, 0xdda47104 },
        { 0x00000000, 0xa541927e, 0x4f6f520d, 0xea2ec073,
          0x9edea41a, 0x3b9f3664, 0xd1b1f617, 0x74f06469,
          0x38513ec5, 0x9d10acbb, 0x773e6cc8, 0xd27ffeb6,
          0xa68f9adf, 0x03ce08a1, 0xe9e0c8d2, 0x4ca15aac },
        { 0x00000000, 0xe964b13d, 0xd725148b, 0x3e41a5b6,
          0xaba65fe7, 0x42c2eeda, 0x7c834b6c, 0x95e7fa51,
          0x52a0c93f, 0xbbc47802, 0x8585ddb4, 0x6ce16c89,
          0xf90696d8, 0x106227e5, 0x2e238253, 0xc747336e },
        { 0x00000000, 0xdd45aab8, 0xbf672381, 0x62228939,
          0x7b2231f3, 0xa6679b4b, 0xc4451272, 0x1900b8ca,
          0xf64463e6, 0x2b01c95e, 0x49234067, 0x9466eadf,
          0x8d665215, 0x5023f8ad, 0x32017194, 0xef44db2c },
    };
    /* clang-format on */
    return table[row][nibble & 15];
}

CRDTI_FN uint32_t crdti_crc32c_portable(uint32_t crc, crdt_bytes bytes)
{
    const uint8_t *p = bytes.ptr;
    size_t left = bytes.len;
    crc = ~crc;
    for (; left >= 4; left -= 4, p += 4) {
        uint32_t x = crc ^ crdti_load32(p);
        crc = crdti_crc32c_row(7, x) ^ crdti_crc32c_row(6, x >> 4) ^
              crdti_crc32c_row(5, x >> 8) ^ crdti_crc32c_row(4, x >> 12) ^
              crdti_crc32c_row(3, x >> 16) ^ crdti_crc32c_row(2, x >> 20) ^
              crdti_crc32c_row(1, x >> 24) ^ crdti_crc32c_row(0, x >> 28);
    }
    for (; left > 0; left--) {
        uint32_t x = crc ^ *p++;
        crc = crdti_crc32c_row(1, x) ^ crdti_crc32c_row(0, x >> 4) ^ (x >> 8);
    }
    return ~crc;
}

/* >>hardware --------------------------------------------------------------
 * One loop for all, over three steps that the machine has or has not. On x86
 * the function alone is compiled for SSE4.2 and whether it may be called is
 * asked at run time, one load and one test; freestanding there may be no one
 * to ask (libgcc), so that it must have been compiled in. */

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__)) &&       \
    (defined(__SSE4_2__) || !defined(CRDTSYNC_FREESTANDING))
#define CRDTI_CRC32C_TARGET __attribute__((target("sse4.2")))
#define CRDTI_CRC32C_1(crc, x) __builtin_ia32_crc32qi(crc, x)
#define CRDTI_CRC32C_8(crc, x) ((uint32_t)__builtin_ia32_crc32di(crc, x))
#ifdef __SSE4_2__
#define CRDTI_CRC32C_HAS 1
#else
#define CRDTI_CRC32C_HAS __builtin_cpu_supports("sse4.2")
#endif

#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#define CRDTI_CRC32C_TARGET
#define CRDTI_CRC32C_1(crc, x) __crc32cb(crc, x)
#define CRDTI_CRC32C_8(crc, x) __crc32cd(crc, x)
#define CRDTI_CRC32C_HAS 1
#endif

#ifdef CRDTI_CRC32C_TARGET
CRDTI_CRC32C_TARGET
CRDTI_FN uint32_t crdti_crc32c_hardware(uint32_t crc, crdt_bytes bytes)
{
    const uint8_t *p = bytes.ptr;
    size_t left = bytes.len;
    crc = ~crc;
    for (; left >= 8; left -= 8, p += 8)
        crc = CRDTI_CRC32C_8(crc, crdti_load64(p));
    for (; left > 0; left--)
        crc = CRDTI_CRC32C_1(crc, *p++);
    return ~crc;
}
#endif

/* The checksum of what went before (0: nothing) and of these bytes. */
CRDTI_FN uint32_t crdti_crc32c(uint32_t crc, crdt_bytes bytes)
{
#ifdef CRDTI_CRC32C_TARGET
    if (CRDTI_CRC32C_HAS)
        return crdti_crc32c_hardware(crc, bytes);
#endif
    return crdti_crc32c_portable(crc, bytes);
}

#endif
/* >> error.h */
/*
 * What errors are called and what they say: the list in api.h, read twice.
 */
#ifndef CRDTI_ERROR_H
#define CRDTI_ERROR_H


CRDT_API const char *crdt_err_name(crdt_err err)
{
    switch (err) {
#define CRDTI_X(name, text)                                                   \
    case CRDT_##name:                                                         \
        return "CRDT_" #name;
        CRDT_ERRORS(CRDTI_X)
#undef CRDTI_X
    case CRDT_ERR_COUNT:
        break;
    }
    return "CRDT_ERR_?";
}

CRDT_API const char *crdt_err_text(crdt_err err)
{
    switch (err) {
#define CRDTI_X(name, text)                                                   \
    case CRDT_##name:                                                         \
        return text;
        CRDT_ERRORS(CRDTI_X)
#undef CRDTI_X
    case CRDT_ERR_COUNT:
        break;
    }
    return "an error that this version does not know";
}

CRDT_API const char *crdt_library_version(void)
{
    return CRDTSYNC_VERSION;
}

#endif
/* >> system.h */
/*
 * What the operating system gives: time and randomness, as the tables that a
 * document takes when its program has none of its own. Freestanding and on
 * Windows there are none yet: the program brings them, or gets CRDT_ERR_ARG.
 *
 *     wall_ms    clock_gettime(CLOCK_REALTIME), else gettimeofday
 *     mono_ms    clock_gettime(CLOCK_MONOTONIC), else times
 *     fill       getrandom, else /dev/urandom
 *
 * Why two clocks each: with -std=c99 (not gnu99) glibc and musl hide what is
 * POSIX, clock_gettime included, unless _POSIX_C_SOURCE was defined before the
 * first system header, and that is not ours to say: this header may come late.
 * Declaring it ourselves would bind the wrong symbol where time_t has two
 * widths (32-bit machines). gettimeofday and times are never hidden. The first
 * is as fast and fine enough. The second is a system call and ticks only every
 * 10 ms, which timers bear; on 32 bits it wraps after months. Whoever minds
 * defines _POSIX_C_SOURCE 200112L.
 */
#ifndef CRDTI_SYSTEM_H
#define CRDTI_SYSTEM_H


#if !defined(CRDTSYNC_FREESTANDING) && !defined(_WIN32)
#define CRDTI_HAS_SYSTEM
#endif

#ifdef CRDTI_HAS_SYSTEM
#include <errno.h>
#include <stdio.h>
#include <time.h>

/* >>clock ----------------------------------------------------------------- */

#ifdef CLOCK_MONOTONIC
/* The kernel is not entered: some 20 ns. */
CRDTI_FN uint64_t crdti_gettime_ms(clockid_t clock)
{
    struct timespec t;
    if (clock_gettime(clock, &t) != 0)
        return 0;
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

CRDTI_FN uint64_t crdti_wall_ms(void *ctx)
{
    (void)ctx;
    return crdti_gettime_ms(CLOCK_REALTIME);
}

CRDTI_FN uint64_t crdti_mono_ms(void *ctx)
{
    (void)ctx;
    return crdti_gettime_ms(CLOCK_MONOTONIC);
}
#else
#include <sys/time.h>
#include <sys/times.h>
#include <unistd.h>

CRDTI_FN uint64_t crdti_wall_ms(void *ctx)
{
    struct timeval t;
    (void)ctx;
    if (gettimeofday(&t, NULL) != 0)
        return 0;
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_usec / 1000;
}

CRDTI_FN uint64_t crdti_mono_ms(void *ctx)
{
    struct tms unused;
    uint64_t ticks = (unsigned long)times(&unused);
    uint64_t per_second = (uint64_t)sysconf(_SC_CLK_TCK);
    (void)ctx;
    return ticks / per_second * 1000 + ticks % per_second * 1000 / per_second;
}
#endif

/* >>random ---------------------------------------------------------------- */

#if defined(__linux__) && defined(__has_include)
#if __has_include(<sys/random.h>)
#define CRDTI_HAS_GETRANDOM
#include <sys/random.h>
#endif
#endif

/* Whether the whole of it could be filled without a file: that works also
 * where there is no /dev, or no file descriptor left. */
CRDTI_FN int crdti_getrandom(uint8_t *out, size_t len)
{
#ifdef CRDTI_HAS_GETRANDOM
    while (len > 0) {
        ssize_t got = getrandom(out, len, 0);
        if (got < 0 && errno != EINTR)
            return 0;
        if (got > 0) {
            out += got;
            len -= (size_t)got;
        }
    }
    return 1;
#else
    (void)out;
    return len == 0;
#endif
}

CRDTI_FN crdt_err crdti_random_fill(void *ctx, void *out, size_t len)
{
    FILE *file;
    size_t got;
    (void)ctx;
    if (crdti_getrandom((uint8_t *)out, len))
        return CRDT_OK;
    file = fopen("/dev/urandom", "rb");
    if (!file)
        return CRDT_ERR_IO;
    setvbuf(file, NULL, _IONBF, 0); /* or it would fetch 4,096 bytes */
    got = fread(out, 1, len, file);
    fclose(file);
    return got == len ? CRDT_OK : CRDT_ERR_IO;
}
#endif

/* The table, or that of the system; NULL when there is neither. */
CRDTI_INLINE const crdt_clock *crdti_clock_or_default(const crdt_clock *clock)
{
#ifdef CRDTI_HAS_SYSTEM
    static const crdt_clock crdti_system_clock = { 1, NULL, crdti_wall_ms,
                                                   crdti_mono_ms };
    return clock ? clock : &crdti_system_clock;
#else
    return clock;
#endif
}

CRDTI_INLINE const crdt_random *crdti_random_or_default(
    const crdt_random *random)
{
#ifdef CRDTI_HAS_SYSTEM
    static const crdt_random crdti_system_random = { 1, NULL,
                                                     crdti_random_fill };
    return random ? random : &crdti_system_random;
#else
    return random;
#endif
}

#endif
/* 2 containers */
/* >> array.h */
/*
 * A growable array of any type: reserve, then write behind `len` and count it.
 *
 *     CRDTI_ARRAY(uint32_t) list = { NULL, 0, 0 };
 *     err = crdti_array_reserve(alloc, &list, 1);
 *     if (!err)
 *         list.ptr[list.len++] = 7;
 *     crdti_array_free(alloc, &list);
 *
 *     ptr [ 7 |   |   |   |   |   |   |   ]   len 1, cap 8
 *
 * It doubles, so appending is O(1) amortised, and with room it costs one
 * comparison. Growing moves the elements: hold indices, not pointers.
 */
#ifndef CRDTI_ARRAY_H
#define CRDTI_ARRAY_H


#define CRDTI_ARRAY(T)                                                        \
    struct {                                                                  \
        T *ptr;                                                               \
        size_t len, cap;                                                      \
    }

/* `ptr_at` is the address of a pointer of whatever type: it is read and
 * written as bytes, since a T ** may not be taken for a void **. */
CRDTI_FN crdt_err crdti_array_grow(const crdt_alloc *alloc, void *ptr_at,
                                   size_t len, size_t *cap, size_t size,
                                   size_t extra)
{
    /* A cache line of small elements to begin with, one of large ones: most
     * arrays that belong to a record stay short. */
    size_t first = crdti_max_size(1, 64 / size);
    size_t want = crdti_max_size(first, crdti_mul_size(*cap, 2));
    void *ptr;
    if (extra > SIZE_MAX - len)
        return CRDT_ERR_NOMEM;
    want = crdti_max_size(want, len + extra);
    crdti_copy(&ptr, ptr_at, sizeof ptr);
    ptr = crdti_realloc(alloc, ptr, *cap * size, crdti_mul_size(want, size));
    if (!ptr)
        return CRDT_ERR_NOMEM;
    crdti_copy(ptr_at, &ptr, sizeof ptr);
    *cap = want;
    return CRDT_OK;
}

CRDTI_INLINE crdt_err crdti_array_room(const crdt_alloc *alloc, void *ptr_at,
                                       size_t len, size_t *cap, size_t size,
                                       size_t extra)
{
    if (CRDTI_LIKELY(extra <= *cap - len))
        return CRDT_OK;
    return crdti_array_grow(alloc, ptr_at, len, cap, size, extra);
}

CRDTI_FN void crdti_array_drop(const crdt_alloc *alloc, void *ptr_at,
                               size_t *len, size_t *cap, size_t size)
{
    void *ptr;
    crdti_copy(&ptr, ptr_at, sizeof ptr);
    crdti_free(alloc, ptr, *cap * size);
    ptr = NULL;
    crdti_copy(ptr_at, &ptr, sizeof ptr);
    *len = *cap = 0;
}

/* crdt_err: room for `extra` more elements. */
#define crdti_array_reserve(alloc, arr, extra)                                \
    crdti_array_room(alloc, &(arr)->ptr, (arr)->len, &(arr)->cap,             \
                     sizeof *(arr)->ptr, extra)

/* Frees the elements; the array is then empty and may be used again. */
#define crdti_array_free(alloc, arr)                                          \
    crdti_array_drop(alloc, &(arr)->ptr, &(arr)->len, &(arr)->cap,            \
                     sizeof *(arr)->ptr)

#endif
/* >> sort.h */
/*
 * Sorting numbers of records by what the records say. Heap sort: in place, no
 * recursion, no bad case. (Williams 1964)
 */
#ifndef CRDTI_SORT_H
#define CRDTI_SORT_H


/* Less than 0, 0, or greater, as a comes before b, with it, or behind. */
typedef int crdti_order_fn(const void *ctx, uint32_t a, uint32_t b);

CRDTI_FN void crdti_sort_swap(uint32_t *items, size_t a, size_t b)
{
    uint32_t item = items[a];
    items[a] = items[b];
    items[b] = item;
}

CRDTI_FN void crdti_sort_sift(crdti_order_fn *order, const void *ctx,
                              uint32_t *heap, size_t root, size_t len)
{
    for (;;) {
        size_t child = 2 * root + 1;
        if (child >= len)
            return;
        if (child + 1 < len && order(ctx, heap[child], heap[child + 1]) < 0)
            child++;
        if (order(ctx, heap[root], heap[child]) >= 0)
            return;
        crdti_sort_swap(heap, root, child);
        root = child;
    }
}

CRDTI_FN void crdti_sort(crdti_order_fn *order, const void *ctx,
                         uint32_t *items, size_t len)
{
    size_t i;
    for (i = 1; i < len && order(ctx, items[i - 1], items[i]) <= 0; i++)
        continue;
    if (i >= len)
        return; /* sorted already, as mostly */
    for (i = len / 2; i > 0; i--)
        crdti_sort_sift(order, ctx, items, i - 1, len);
    for (i = len; i > 1; i--) {
        crdti_sort_swap(items, 0, i - 1);
        crdti_sort_sift(order, ctx, items, 0, i - 1);
    }
}

#endif
/* >> hash.h */
/*
 * A hash table from a 64-bit hash to a number that is not 0, mostly the index
 * of a record. It does not know keys: it offers the candidates, and the caller
 * looks whether one is meant.
 *
 *     slot    0       1       2       3       4       5       6       7
 *         [ tag,7 ][   0   ][ tag,9 ][ tag,4 ][ tag,2 ][   0   ] ...
 *                             home 2   home 2   home 4
 *
 * Open addressing with linear probing: a value lies in its home slot, or right
 * behind it without an empty slot (value 0) between. The tag is the upper half
 * of the hash, and its low bits are the home: so growing and removing need not
 * ask the caller for hashes, and slots are 8 bytes, 8 to a cache line. At most
 * 3/4 are filled: 1.5 probes for a hit that lies first, one cache miss mostly.
 *
 *     for (v = crdti_table_first(t, hash, &i); v;
 *          v = crdti_table_next(t, hash, &i))
 *         if (equal(records[v], key))
 *             break;
 *
 * A table of zeros is an empty one, without memory. (Knuth 1973, 6.4 R)
 */
#ifndef CRDTI_HASH_H
#define CRDTI_HASH_H


typedef struct crdti_hash_slot {
    uint32_t tag;
    uint32_t value;
} crdti_hash_slot;

typedef struct crdti_hash_table {
    crdti_hash_slot *slots;
    size_t cap; /* a power of two, or 0 */
    size_t len;
} crdti_hash_table;

CRDTI_INLINE uint32_t crdti_table_tag(uint64_t hash)
{
    return (uint32_t)(hash >> 32);
}

/* The first value from slot `*at` on that has the tag, leaving `*at` behind
 * it; 0 when an empty slot comes first. There always is one. */
CRDTI_HOT uint32_t crdti_table_scan(const crdti_hash_table *t, uint32_t tag,
                                    size_t *at)
{
    size_t mask = t->cap - 1, i = *at;
    for (;; i++) {
        const crdti_hash_slot *slot = &t->slots[i & mask];
        if (!slot->value || slot->tag == tag) {
            *at = i + 1;
            return slot->value;
        }
    }
}

CRDTI_HOT uint32_t crdti_table_first(const crdti_hash_table *t, uint64_t hash,
                                     size_t *iter)
{
    uint32_t tag = crdti_table_tag(hash);
    *iter = tag & (t->cap - 1);
    return t->len ? crdti_table_scan(t, tag, iter) : 0;
}

/* Not to be called after a 0. The table must not have changed meanwhile. */
CRDTI_INLINE uint32_t crdti_table_next(const crdti_hash_table *t,
                                       uint64_t hash, size_t *iter)
{
    return crdti_table_scan(t, crdti_table_tag(hash), iter);
}

CRDTI_INLINE void crdti_table_place(crdti_hash_table *t, uint32_t tag,
                                    uint32_t value)
{
    size_t mask = t->cap - 1, i = tag & mask;
    while (t->slots[i].value)
        i = (i + 1) & mask;
    t->slots[i].tag = tag;
    t->slots[i].value = value;
}

CRDTI_FN crdt_err crdti_table_resize(const crdt_alloc *alloc,
                                     crdti_hash_table *t, size_t cap)
{
    size_t size = crdti_mul_size(cap, sizeof *t->slots), i;
    crdti_hash_table grown;
    grown.slots = (crdti_hash_slot *)crdti_alloc(alloc, size);
    if (!grown.slots)
        return CRDT_ERR_NOMEM;
    crdti_zero(grown.slots, size);
    grown.cap = cap;
    grown.len = t->len;
    for (i = 0; i < t->cap; i++)
        if (t->slots[i].value)
            crdti_table_place(&grown, t->slots[i].tag, t->slots[i].value);
    crdti_free(alloc, t->slots, t->cap * sizeof *t->slots);
    *t = grown;
    return CRDT_OK;
}

/* The next `extra` insertions will not fail. */
CRDTI_FN crdt_err crdti_table_reserve(const crdt_alloc *alloc,
                                      crdti_hash_table *t, size_t extra)
{
    size_t cap = t->cap ? t->cap : 8;
    if (CRDTI_LIKELY(extra <= t->cap - t->cap / 4 - t->len))
        return CRDT_OK;
    if (extra > SIZE_MAX / 4 - t->len)
        return CRDT_ERR_NOMEM;
    while (extra > cap - cap / 4 - t->len)
        cap *= 2;
    return crdti_table_resize(alloc, t, cap);
}

/* Room must have been reserved. The same hash may come with several values. */
CRDTI_FN void crdti_table_insert(crdti_hash_table *t, uint64_t hash,
                                 uint32_t value)
{
    CRDTI_ASSERT(value != 0 && t->len < t->cap - t->cap / 4);
    crdti_table_place(t, crdti_table_tag(hash), value);
    t->len++;
}

/* Empties a slot, and moves up those behind it that may lie there, until an
 * empty one: nobody is cut off from home, and no tombstone stays. */
CRDTI_FN void crdti_table_close_gap(crdti_hash_table *t, size_t gap)
{
    size_t mask = t->cap - 1, i = gap;
    for (;;) {
        crdti_hash_slot slot;
        i = (i + 1) & mask;
        slot = t->slots[i];
        if (!slot.value)
            break;
        if (((i - slot.tag) & mask) < ((i - gap) & mask))
            continue; /* its home lies behind the gap */
        t->slots[gap] = slot;
        gap = i;
    }
    t->slots[gap].tag = t->slots[gap].value = 0;
}

/* Whether it was there. */
CRDTI_FN int crdti_table_remove(crdti_hash_table *t, uint64_t hash,
                                uint32_t value)
{
    size_t i;
    uint32_t v = crdti_table_first(t, hash, &i);
    while (v && v != value)
        v = crdti_table_next(t, hash, &i);
    if (!v)
        return 0;
    crdti_table_close_gap(t, (i - 1) & (t->cap - 1));
    t->len--;
    return 1;
}

CRDTI_FN void crdti_table_free(const crdt_alloc *alloc, crdti_hash_table *t)
{
    crdti_free(alloc, t->slots, t->cap * sizeof *t->slots);
    t->slots = NULL;
    t->cap = t->len = 0;
}

#endif
/* >> pool.h */
/*
 * Records of one size, named by a 32-bit index instead of a pointer: half the
 * size, and still right after the block has moved.
 *
 *     index    0        1        2        3        4        5
 *          [ none ][ record ][ next 4 ][ record ][ next 0 ][ fresh ]
 *                              ^                             ^
 *                              free_list                     used      cap 8
 *
 * Index 0 is nobody. Given-back records form a list through their first four
 * bytes and are taken again first; else the next fresh one is. So all records
 * lie in one block, and taking and giving cost a few instructions each.
 */
#ifndef CRDTI_POOL_H
#define CRDTI_POOL_H


typedef struct crdti_pool {
    uint8_t *base;
    uint32_t size;      /* of a record, in bytes */
    uint32_t used;      /* records below it have been taken once */
    uint32_t cap;       /* records in the block */
    uint32_t free_list; /* the first of the given-back ones, or 0 */
    uint32_t live;      /* records that are taken */
} crdti_pool;

/* `size` is the sizeof a struct of at least four bytes. */
CRDTI_FN void crdti_pool_init(crdti_pool *p, size_t size)
{
    CRDTI_ASSERT(size >= 4 && size < 65536);
    p->base = NULL;
    p->size = (uint32_t)size;
    p->used = 1;
    p->cap = 0;
    p->free_list = 0;
    p->live = 0;
}

CRDTI_INLINE void *crdti_pool_at_of(const crdti_pool *p, uint32_t index,
                                    size_t size)
{
    CRDTI_ASSERT(index > 0 && index < p->used && size == p->size);
    return p->base + index * size;
}

/* Valid until the pool grows. */
CRDTI_INLINE void *crdti_pool_at(const crdti_pool *p, uint32_t index)
{
    return crdti_pool_at_of(p, index, p->size);
}

/* The same where the type is known, and so how to multiply by its size. */
#define CRDTI_POOL_AT(T, p, index) ((T *)crdti_pool_at_of(p, index, sizeof(T)))

/* Doubles while small; a large block grows by a quarter: it is mostly mapped
 * anew, not copied, and half of it unused would weigh more. */
CRDTI_FN crdt_err crdti_pool_grow(const crdt_alloc *alloc, crdti_pool *p,
                                  uint64_t need)
{
    uint64_t cap = p->cap;
    size_t old_size = (size_t)p->cap * p->size;
    void *base;
    cap += old_size < 262144 ? cap : cap / 4;
    cap = crdti_min(crdti_max(cap, crdti_max(need, 8)), INT32_MAX);
    if (need > INT32_MAX)
        return CRDT_ERR_LIMIT;
    base = crdti_realloc(alloc, p->base, old_size,
                         crdti_mul_size((size_t)cap, p->size));
    if (!base)
        return CRDT_ERR_NOMEM;
    p->base = (uint8_t *)base;
    p->cap = (uint32_t)cap;
    return CRDT_OK;
}

/* The next `n` takes will not fail. LIMIT beyond 2^31 records. */
CRDTI_HOT crdt_err crdti_pool_reserve(const crdt_alloc *alloc, crdti_pool *p,
                                      size_t n)
{
    uint64_t need = (uint64_t)p->live + 1 + crdti_min(n, UINT32_MAX);
    if (CRDTI_LIKELY(need <= p->cap || n == 0))
        return CRDT_OK;
    return crdti_pool_grow(alloc, p, need);
}

/* A record of zeros. It must have been reserved. */
CRDTI_HOT uint32_t crdti_pool_take(crdti_pool *p)
{
    uint32_t index = p->free_list;
    if (index)
        crdti_copy(&p->free_list, crdti_pool_at(p, index), 4);
    else
        index = p->used++;
    CRDTI_ASSERT(p->used <= p->cap);
    p->live++;
    crdti_zero(crdti_pool_at(p, index), p->size);
    return index;
}

CRDTI_HOT void crdti_pool_give(crdti_pool *p, uint32_t index)
{
    CRDTI_ASSERT(p->live > 0);
    crdti_copy(crdti_pool_at(p, index), &p->free_list, 4);
    p->free_list = index;
    p->live--;
}

/* Frees all records; the pool is then empty and may be used again. */
CRDTI_FN void crdti_pool_free(const crdt_alloc *alloc, crdti_pool *p)
{
    crdti_free(alloc, p->base, (size_t)p->cap * p->size);
    crdti_pool_init(p, p->size);
}

#endif
/* >> arena.h */
/*
 * Memory for a piece of work that ends as a whole: taken in small parts, given
 * back all at once, or down to a mark.
 *
 *     top -> [ head | part | part | mark > part | free ]     8 KiB
 *              |
 *              v below
 *            [ head | part | part | ........... | rest ]     4 KiB
 *              |
 *              v NULL
 *
 * Taking is an addition and a comparison. Parts never move. Blocks double up
 * to 256 KiB; a part larger than that gets a block of its own size.
 */
#ifndef CRDTI_ARENA_H
#define CRDTI_ARENA_H


#define CRDTI_ARENA_ALIGN 16
#define CRDTI_ARENA_FIRST 4096u
#define CRDTI_ARENA_LAST 262144u

typedef struct crdti_arena_block {
    struct crdti_arena_block *below;
    size_t size; /* all of it, this head included */
    size_t used; /* likewise */
} crdti_arena_block;

typedef struct crdti_arena {
    const crdt_alloc *alloc;
    crdti_arena_block *top;
} crdti_arena;

typedef struct crdti_arena_mark {
    crdti_arena_block *top;
    size_t used;
} crdti_arena_mark;

CRDTI_INLINE void crdti_arena_init(crdti_arena *arena, const crdt_alloc *alloc)
{
    arena->alloc = alloc;
    arena->top = NULL;
}

CRDTI_INLINE size_t crdti_arena_round(size_t size)
{
    return (size + CRDTI_ARENA_ALIGN - 1) & ~(size_t)(CRDTI_ARENA_ALIGN - 1);
}

CRDTI_FN crdti_arena_block *crdti_arena_push(crdti_arena *arena, size_t size)
{
    size_t head = crdti_arena_round(sizeof(crdti_arena_block));
    size_t block_size =
        arena->top ? crdti_min_size(arena->top->size * 2, CRDTI_ARENA_LAST)
                   : CRDTI_ARENA_FIRST;
    crdti_arena_block *block;
    block_size = crdti_max_size(block_size, head + size);
    block = (crdti_arena_block *)crdti_alloc(arena->alloc, block_size);
    if (!block)
        return NULL;
    block->below = arena->top;
    block->size = block_size;
    block->used = head;
    arena->top = block;
    return block;
}

/* Memory aligned for any type, not cleared; NULL when there is none. */
CRDTI_INLINE void *crdti_arena_alloc(crdti_arena *arena, size_t size)
{
    crdti_arena_block *block = arena->top;
    uint8_t *part;
    if (size > SIZE_MAX / 4)
        return NULL;
    size = crdti_arena_round(size);
    if (CRDTI_UNLIKELY(!block || size > block->size - block->used))
        block = crdti_arena_push(arena, size);
    if (!block)
        return NULL;
    part = (uint8_t *)block + block->used;
    block->used += size;
    return part;
}

CRDTI_INLINE crdti_arena_mark crdti_arena_here(const crdti_arena *arena)
{
    crdti_arena_mark mark;
    mark.top = arena->top;
    mark.used = arena->top ? arena->top->used : 0;
    return mark;
}

/* Gives back all that was taken since the mark. */
CRDTI_FN void crdti_arena_reset(crdti_arena *arena, crdti_arena_mark mark)
{
    while (arena->top != mark.top) {
        crdti_arena_block *block = arena->top;
        arena->top = block->below;
        crdti_free(arena->alloc, block, block->size);
    }
    if (mark.top)
        mark.top->used = mark.used;
}

/* Gives back everything; the arena is then empty and may be used again. */
CRDTI_FN void crdti_arena_free(crdti_arena *arena)
{
    crdti_arena_mark bottom = { NULL, 0 };
    crdti_arena_reset(arena, bottom);
}

#endif
/* >> starts.h */
/*
 * Starts: in which of many pieces that lie one behind the other a number is,
 * in a few steps, however many there are.
 *
 *     starts   0 4 5 6 | 9 | | 30 ...         pieces 0, 1, 2, 3, 4, 5
 *     blocks   [ 0 | 3 | 4 | 4 | 5 ]          of 8 numbers each
 *
 * A block says which piece its first number is in, so that a number is in that
 * one, in that of the next block, or between. There is room for as many blocks
 * as pieces: few pieces to a block. When numbers outgrow that, blocks double.
 */
#ifndef CRDTI_STARTS_H
#define CRDTI_STARTS_H


typedef struct crdti_starts {
    uint32_t *starts, *blocks; /* numbers; pieces */
    uint32_t first;            /* number */
    uint32_t len, blocks_len, cap, shift;
} crdti_starts;

/* For up to `cap` pieces, at least 1. */
CRDTI_FN crdt_err crdti_starts_init(crdti_starts *s, crdti_arena *arena,
                                    size_t cap)
{
    crdti_zero(s, sizeof *s);
    s->starts = (uint32_t *)crdti_arena_alloc(
        arena, crdti_mul_size(cap, 2 * sizeof *s->starts));
    if (!s->starts)
        return CRDT_ERR_NOMEM;
    s->blocks = s->starts + cap;
    s->cap = (uint32_t)cap;
    return CRDT_OK;
}

/* Every other block goes: the ones before them take them in. */
CRDTI_FN void crdti_starts_widen(crdti_starts *s)
{
    uint32_t i;
    for (i = 0; i < s->blocks_len; i += 2)
        s->blocks[i / 2] = s->blocks[i];
    s->blocks_len = (s->blocks_len + 1) / 2;
    s->shift++;
}

/* The next piece begins at that number, above those before; below 2^30. */
CRDTI_INLINE void crdti_starts_add(crdti_starts *s, uint32_t start)
{
    uint32_t from;
    if (!s->len)
        s->first = start;
    from = start - s->first;
    while (CRDTI_UNLIKELY(from >> s->shift >= s->cap))
        crdti_starts_widen(s);
    while (s->blocks_len << s->shift < from)
        s->blocks[s->blocks_len++] = s->len - 1;
    if (s->blocks_len << s->shift == from)
        s->blocks[s->blocks_len++] = s->len;
    s->starts[s->len++] = start;
}

/* The piece that begins at or before that number; of those before the first,
 * any. There is one. */
CRDTI_INLINE uint32_t crdti_starts_find(const crdti_starts *s, uint32_t number)
{
    uint32_t block = (number - s->first) >> s->shift, low, high = s->len - 1;
    if (block < s->blocks_len - 1)
        high = s->blocks[block + 1];
    else
        block = s->blocks_len - 1;
    for (low = s->blocks[block]; low < high;) {
        uint32_t middle = high - (high - low) / 2;
        if (s->starts[middle] <= number)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

#endif
/* 3 causality */
/* >> dot.h */
/*
 * Replica ids and dots: the names of who changed, and of each change.
 *
 *     crdt_id    16 bytes, ordered as bytes
 *     crdt_dot   ( replica id, seq )       "the 5th change of b": b.5
 */
#ifndef CRDTI_DOT_H
#define CRDTI_DOT_H


CRDTI_INLINE int crdti_id_equal(const crdt_id *a, const crdt_id *b)
{
    return crdti_load64(a->b) == crdti_load64(b->b) &&
           crdti_load64(a->b + 8) == crdti_load64(b->b + 8);
}

/* -1, 0 or 1. Two words at once: a third of the time of memcmp, and every
 * search in a version vector is made of it. */
CRDTI_HOT int crdti_id_order(const crdt_id *a, const crdt_id *b)
{
    uint64_t x = crdti_load64_be(a->b), y = crdti_load64_be(b->b);
    if (x == y) { /* hardly ever: ids are random */
        x = crdti_load64_be(a->b + 8);
        y = crdti_load64_be(b->b + 8);
    }
    return (x > y) - (x < y);
}

CRDT_API int crdt_id_compare(const crdt_id *a, const crdt_id *b)
{
    return crdti_id_order(a, b);
}

CRDT_API void crdt_id_text(const crdt_id *id, char out[33])
{
    static const char digits[] = "0123456789abcdef";
    int i;
    for (i = 0; i < 16; i++) {
        out[2 * i] = digits[id->b[i] >> 4];
        out[2 * i + 1] = digits[id->b[i] & 15];
    }
    out[32] = 0;
}

#endif
/* >> ivset.h */
/*
 * Interval sets: numbers kept as runs, for what has arrived with gaps, and for
 * which dots a removal took.
 *
 *     runs    [3..5]  [9..9]  [12..40]          sorted, apart, not touching
 *
 *     add 6..8       [3..9]  [12..40]           3 and 9 were touching: merged
 *     remove 20..30  [3..9]  [12..19]  [31..40] one was split
 *
 * Finding is O(log n), at the end O(1); a change in the middle moves what is
 * behind it; subtract is one pass over both. A set of zeros is an
 * empty one. On CRDT_ERR_NOMEM, the only error, the set is as it was.
 */
#ifndef CRDTI_IVSET_H
#define CRDTI_IVSET_H


typedef struct crdti_run {
    uint64_t lo, hi; /* both are in it */
} crdti_run;

typedef struct crdti_ivset {
    crdti_run *ptr;
    size_t len, cap;
} crdti_ivset;

CRDTI_FN void crdti_ivset_free(const crdt_alloc *alloc, crdti_ivset *set)
{
    crdti_array_free(alloc, set);
}

/* >>reading --------------------------------------------------------------- */

/* The first run that does not end below n. */
CRDTI_FN size_t crdti_ivset_place(const crdti_ivset *set, uint64_t n)
{
    size_t low = 0, high = set->len;
    if (high && n >= set->ptr[high - 1].lo) /* mostly */
        return n > set->ptr[high - 1].hi ? high : high - 1;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (set->ptr[mid].hi < n)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* The first run that begins above n. */
CRDTI_FN size_t crdti_ivset_behind(const crdti_ivset *set, uint64_t n)
{
    size_t place = crdti_ivset_place(set, n);
    return place + (place < set->len && set->ptr[place].lo <= n);
}

CRDTI_FN int crdti_ivset_has(const crdti_ivset *set, uint64_t n)
{
    size_t place = crdti_ivset_place(set, n);
    return place < set->len && set->ptr[place].lo <= n;
}

/* The first number from n on that is not in the set; 0 if all of them are. */
CRDTI_FN uint64_t crdti_ivset_gap(const crdti_ivset *set, uint64_t n)
{
    size_t place = crdti_ivset_place(set, n);
    if (place == set->len || set->ptr[place].lo > n)
        return n;
    return set->ptr[place].hi + 1; /* the next run does not touch this one */
}

/* How many numbers; UINT64_MAX also for all 2^64. O(n). */
CRDTI_FN uint64_t crdti_ivset_count(const crdti_ivset *set)
{
    uint64_t above_runs = 0;
    size_t i;
    for (i = 0; i < set->len; i++)
        above_runs += set->ptr[i].hi - set->ptr[i].lo;
    return set->len > UINT64_MAX - above_runs ? UINT64_MAX
                                              : above_runs + set->len;
}

/* >>adding and removing ---------------------------------------------------
 * Both put zero to two runs in the place of those they touch. */

CRDTI_FN crdt_err crdti_ivset_splice(const crdt_alloc *alloc, crdti_ivset *set,
                                     size_t from, size_t to,
                                     const crdti_run *with, size_t count)
{
    size_t gone = to - from;
    crdt_err err =
        count > gone ? crdti_array_reserve(alloc, set, count - gone) : CRDT_OK;
    if (err || count + gone == 0)
        return err;
    crdti_move(set->ptr + from + count, set->ptr + to,
               (set->len - to) * sizeof *with);
    crdti_copy(set->ptr + from, with, count * sizeof *with);
    set->len = set->len - gone + count;
    return CRDT_OK;
}

/* Adds lo..hi. Runs that end right before lo or begin right behind hi are
 * touched too; 0 and UINT64_MAX have no neighbour on one side. */
CRDTI_FN crdt_err crdti_ivset_add(const crdt_alloc *alloc, crdti_ivset *set,
                                  uint64_t lo, uint64_t hi)
{
    size_t from = crdti_ivset_place(set, lo - (lo > 0));
    size_t to = crdti_ivset_behind(set, hi + (hi < UINT64_MAX));
    crdti_run run;
    CRDTI_ASSERT(lo <= hi && from <= to && (from == to || set->ptr));
    run.lo = from < to ? crdti_min(lo, set->ptr[from].lo) : lo;
    run.hi = from < to ? crdti_max(hi, set->ptr[to - 1].hi) : hi;
    return crdti_ivset_splice(alloc, set, from, to, &run, 1);
}

/* Removes lo..hi. Takes memory only where it splits a run, so never when lo
 * is 0. */
CRDTI_FN crdt_err crdti_ivset_remove(const crdt_alloc *alloc, crdti_ivset *set,
                                     uint64_t lo, uint64_t hi)
{
    size_t from = crdti_ivset_place(set, lo);
    size_t to = crdti_ivset_behind(set, hi), count = 0;
    crdti_run rest[2];
    CRDTI_ASSERT(lo <= hi && from <= to);
    if (from < to && set->ptr[from].lo < lo) {
        rest[count].lo = set->ptr[from].lo;
        rest[count++].hi = lo - 1;
    }
    if (from < to && set->ptr[to - 1].hi > hi) {
        rest[count].lo = hi + 1;
        rest[count++].hi = set->ptr[to - 1].hi;
    }
    return crdti_ivset_splice(alloc, set, from, to, rest, count);
}

/* >>whole sets ------------------------------------------------------------
 * The runs of a first move up by as many places as b has runs. Then the
 * result is written from the front: it has at most as many runs as have been
 * read of both, so that it never reaches what is still unread.
 *
 *     a, b of 2     [ a0 | a1 | a2 |    |    ]
 *     moved up      [    |    | a0 | a1 | a2 ]
 *     written       [ r0 | r1 |  .   a1 | a2 ]   a0 and one of b are read
 */

/* Returns where the runs of a are now; their old places count as unwritten.
 * SIZE_MAX: no memory. */
CRDTI_FN size_t crdti_ivset_shift(const crdt_alloc *alloc, crdti_ivset *a,
                                  size_t by)
{
    if (crdti_array_reserve(alloc, a, by))
        return SIZE_MAX;
    crdti_move(a->ptr + by, a->ptr, a->len * sizeof *a->ptr);
    a->len = 0;
    return by;
}

/* Appends a run that does not begin before the last one. */
CRDTI_FN void crdti_ivset_push(crdti_ivset *set, uint64_t lo, uint64_t hi)
{
    crdti_run *last = set->len ? &set->ptr[set->len - 1] : NULL;
    if (last && (lo <= last->hi || lo - 1 == last->hi)) {
        last->hi = crdti_max(last->hi, hi);
        return;
    }
    set->ptr[set->len].lo = lo;
    set->ptr[set->len++].hi = hi;
}

/* Pushes what b leaves of the run; returns the first run of b that may reach
 * the next one. */
CRDTI_FN size_t crdti_ivset_push_rest(crdti_ivset *a, crdti_run run,
                                      const crdti_ivset *b, size_t j)
{
    while (j < b->len && b->ptr[j].hi < run.lo)
        j++;
    for (; j < b->len && b->ptr[j].lo <= run.hi; j++) {
        if (b->ptr[j].lo > run.lo)
            crdti_ivset_push(a, run.lo, b->ptr[j].lo - 1);
        if (b->ptr[j].hi >= run.hi)
            return j;
        run.lo = b->ptr[j].hi + 1;
    }
    crdti_ivset_push(a, run.lo, run.hi);
    return j;
}

/* a := a without b. */
CRDTI_FN crdt_err crdti_ivset_subtract(const crdt_alloc *alloc, crdti_ivset *a,
                                       const crdti_ivset *b)
{
    size_t i, end = a->len + b->len, j = 0;
    if (a == b)
        a->len = 0;
    if (a->len == 0 || b->len == 0)
        return CRDT_OK;
    i = crdti_ivset_shift(alloc, a, b->len);
    if (i == SIZE_MAX)
        return CRDT_ERR_NOMEM;
    while (i < end) {
        crdti_run run = a->ptr[i++];
        j = crdti_ivset_push_rest(a, run, b, j);
    }
    return CRDT_OK;
}

#endif
/* >> vv.h */
/*
 * Version vectors: for each replica, up to which of its changes something
 * goes. They say what a document has applied, what a delta builds on, what a
 * peer lacks.
 *
 *     entries  [ a,12 | c,3 | f,40 ]     sorted by id, no seq is 0
 *
 *     bytes    03  aa..aa 0c  cc..cc 03  ff..ff 28
 *              count, then id (16 bytes) and seq (varint) of each
 *
 * A sorted array and no tree: 24 bytes an entry, found by halving, merged and
 * compared in one pass from memory that lies in a row. New ids are rare.
 */
#ifndef CRDTI_VV_H
#define CRDTI_VV_H


#define CRDTI_VV_ENTRY_MIN 17 /* bytes of an entry at least */
#define CRDTI_VV_ENTRY_MAX 26 /* and at most */

CRDT_API void crdt_vv_free(crdt_vv *vv)
{
    if (!vv)
        return;
    crdti_free(vv->alloc, vv->entries, vv->cap * sizeof *vv->entries);
    vv->entries = NULL;
    vv->len = vv->cap = 0;
}

CRDT_API void crdt_vv_clear(crdt_vv *vv)
{
    vv->len = 0;
}

CRDTI_FN crdt_err crdti_vv_reserve(crdt_vv *vv, size_t extra)
{
    if (extra > CRDTSYNC_MAX_REPLICAS ||
        vv->len > CRDTSYNC_MAX_REPLICAS - extra)
        return CRDT_ERR_LIMIT;
    if (extra <= vv->cap - vv->len)
        return CRDT_OK;
    return crdti_array_grow(vv->alloc, &vv->entries, vv->len, &vv->cap,
                            sizeof *vv->entries, extra);
}

/* Where the entry of the replica is, or would be. O(log n). */
CRDTI_FN size_t crdti_vv_place(const crdt_vv *vv, const crdt_id *replica)
{
    size_t low = 0, high = vv->len;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (crdti_id_order(&vv->entries[mid].replica, replica) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

CRDTI_INLINE int crdti_vv_is_at(const crdt_vv *vv, size_t place,
                                const crdt_id *replica)
{
    return place < vv->len &&
           crdti_id_equal(&vv->entries[place].replica, replica);
}

/* The seq of a replica, when all are asked for by id: *at goes along. */
CRDTI_INLINE uint64_t crdti_vv_next(const crdt_vv *vv, size_t *at,
                                    const crdt_id *replica)
{
    while (*at < vv->len &&
           crdti_id_order(&vv->entries[*at].replica, replica) < 0)
        ++*at;
    return crdti_vv_is_at(vv, *at, replica) ? vv->entries[*at].seq : 0;
}

CRDT_API uint64_t crdt_vv_get(const crdt_vv *vv, const crdt_id *replica)
{
    size_t place = crdti_vv_place(vv, replica);
    return crdti_vv_is_at(vv, place, replica) ? vv->entries[place].seq : 0;
}

CRDT_API int crdt_vv_covers(const crdt_vv *vv, const crdt_dot *dot)
{
    return dot->seq <= crdt_vv_get(vv, &dot->replica);
}

CRDTI_FN void crdti_vv_remove_at(crdt_vv *vv, size_t place)
{
    crdt_dot *entry = vv->entries + place;
    vv->len--;
    crdti_move(entry, entry + 1, (vv->len - place) * sizeof *entry);
}

CRDTI_FN crdt_err crdti_vv_insert_at(crdt_vv *vv, size_t place,
                                     const crdt_id *replica, uint64_t seq)
{
    crdt_err err = crdti_vv_reserve(vv, 1);
    crdt_dot *entry;
    if (err)
        return err;
    entry = vv->entries + place;
    crdti_move(entry + 1, entry, (vv->len - place) * sizeof *entry);
    entry->replica = *replica; /* not in what moved: it was not in there */
    entry->seq = seq;
    vv->len++;
    return CRDT_OK;
}

CRDT_API crdt_err crdt_vv_set(crdt_vv *vv, const crdt_id *replica,
                              uint64_t seq)
{
    size_t place;
    if (!vv || !replica)
        return CRDT_ERR_ARG;
    if (seq > CRDTSYNC_MAX_SEQ)
        return CRDT_ERR_LIMIT;
    place = crdti_vv_place(vv, replica);
    if (!crdti_vv_is_at(vv, place, replica))
        return seq ? crdti_vv_insert_at(vv, place, replica, seq) : CRDT_OK;
    if (seq)
        vv->entries[place].seq = seq;
    else
        crdti_vv_remove_at(vv, place);
    return CRDT_OK;
}

/* The same, unless it has as much already. `*place` is where it may well be;
 * vectors of one document have their entries at the same places. */
CRDTI_FN crdt_err crdti_vv_raise(crdt_vv *vv, const crdt_dot *dot,
                                 size_t *place)
{
    if (!crdti_vv_is_at(vv, *place, &dot->replica))
        *place = crdti_vv_place(vv, &dot->replica);
    if (!crdti_vv_is_at(vv, *place, &dot->replica))
        return crdti_vv_insert_at(vv, *place, &dot->replica, dot->seq);
    if (vv->entries[*place].seq < dot->seq)
        vv->entries[*place].seq = dot->seq;
    return CRDT_OK;
}

/* The one replica of which `after` has more than `before`, or NULL. */
CRDTI_FN const crdt_dot *crdti_vv_grown(const crdt_vv *before,
                                        const crdt_vv *after)
{
    const crdt_dot *grown = NULL;
    size_t i, j = 0;
    for (i = 0; i < after->len; i++) {
        const crdt_dot *dot = &after->entries[i];
        if (crdti_vv_next(before, &j, &dot->replica) >= dot->seq)
            continue;
        if (grown)
            return NULL;
        grown = dot;
    }
    return grown;
}

/* How many replicas of b are not in a. */
CRDTI_FN size_t crdti_vv_fresh(const crdt_vv *a, const crdt_vv *b)
{
    size_t i = 0, j, fresh = 0;
    for (j = 0; j < b->len; j++) {
        int order = 1;
        while (i < a->len &&
               (order = crdti_id_order(&a->entries[i].replica,
                                       &b->entries[j].replica)) < 0)
            i++;
        fresh += i == a->len || order != 0;
    }
    return fresh;
}

/* From the end, so that it needs no second array: the write position is never
 * below the read position of a, and meets it when b has no more new ids. */
CRDTI_FN void crdti_vv_merge_reserved(crdt_vv *a, const crdt_vv *b,
                                      size_t fresh)
{
    size_t i = a->len, j = b->len, to = a->len + fresh;
    a->len = to;
    while (j > 0) {
        const crdt_dot *y = &b->entries[j - 1];
        int order =
            i ? crdti_id_order(&a->entries[i - 1].replica, &y->replica) : -1;
        crdt_dot *out = &a->entries[--to];
        uint64_t least = order == 0 ? y->seq : 0;
        *out = order < 0 ? *y : a->entries[i - 1];
        out->seq = crdti_max(out->seq, least);
        i -= order >= 0;
        j -= order <= 0;
    }
}

CRDT_API crdt_err crdt_vv_merge(crdt_vv *a, const crdt_vv *b)
{
    size_t fresh;
    crdt_err err;
    if (!a || !b)
        return CRDT_ERR_ARG;
    fresh = crdti_vv_fresh(a, b);
    err = crdti_vv_reserve(a, fresh);
    if (!err)
        crdti_vv_merge_reserved(a, b, fresh);
    return err;
}

/* a := pointwise minimum of a and b. */
CRDTI_FN void crdti_vv_meet(crdt_vv *a, const crdt_vv *b)
{
    size_t i, j = 0, len = 0;
    for (i = 0; i < a->len; i++) {
        crdt_dot dot = a->entries[i];
        dot.seq = crdti_min(dot.seq, crdti_vv_next(b, &j, &dot.replica));
        if (dot.seq)
            a->entries[len++] = dot;
    }
    a->len = len;
}

/* How many changes of `a` are not in `b`. */
CRDTI_FN uint64_t crdti_vv_excess(const crdt_vv *a, const crdt_vv *b)
{
    uint64_t excess = 0;
    size_t i, j = 0;
    for (i = 0; i < a->len; i++) {
        uint64_t seq = crdti_vv_next(b, &j, &a->entries[i].replica);
        if (a->entries[i].seq > seq)
            excess += a->entries[i].seq - seq;
    }
    return excess;
}

/* How many changes it covers. */
CRDTI_FN uint64_t crdti_vv_sum(const crdt_vv *vv)
{
    uint64_t sum = 0;
    size_t i;
    for (i = 0; i < vv->len; i++)
        sum += vv->entries[i].seq;
    return sum;
}

/* Whether b covers all that a does. */
CRDTI_FN int crdti_vv_is_in(const crdt_vv *a, const crdt_vv *b)
{
    crdt_order order = crdt_vv_compare(a, b);
    return order == CRDT_EQUAL || order == CRDT_BEFORE;
}

CRDT_API crdt_err crdt_vv_copy(crdt_vv *a, const crdt_vv *b)
{
    crdt_err err;
    if (!a || !b)
        return CRDT_ERR_ARG;
    err = b->len > a->len ? crdti_vv_reserve(a, b->len - a->len) : CRDT_OK;
    if (err)
        return err;
    crdti_move(a->entries, b->entries, b->len * sizeof *b->entries);
    a->len = b->len;
    return CRDT_OK;
}

CRDT_API crdt_order crdt_vv_compare(const crdt_vv *a, const crdt_vv *b)
{
    size_t i = 0, j = 0;
    int a_more = 0, b_more = 0;
    while (i < a->len && j < b->len) {
        const crdt_dot *x = &a->entries[i], *y = &b->entries[j];
        int order = crdti_id_order(&x->replica, &y->replica);
        a_more |= order < 0 || (order == 0 && x->seq > y->seq);
        b_more |= order > 0 || (order == 0 && x->seq < y->seq);
        i += order <= 0;
        j += order >= 0;
    }
    a_more |= i < a->len;
    b_more |= j < b->len;
    if (a_more)
        return b_more ? CRDT_CONCURRENT : CRDT_AFTER;
    return b_more ? CRDT_BEFORE : CRDT_EQUAL;
}

/* >>as bytes -------------------------------------------------------------- */

CRDTI_FN void crdti_put_vv(crdti_writer *w, const crdt_vv *vv)
{
    size_t i;
    crdti_put_varint(w, vv->len);
    for (i = 0; i < vv->len; i++) {
        const crdt_dot *entry = &vv->entries[i];
        crdti_put_raw(w, crdt_bytes_of(entry->replica.b, 16));
        crdti_put_varint(w, entry->seq);
    }
}

/* Reads `count` entries into `out`, or only looks at them when that is NULL. */
CRDTI_FN void crdti_get_vv_entries(crdti_reader *r, crdt_dot *out,
                                   size_t count)
{
    const uint8_t *before = NULL;
    for (; count > 0; count--) {
        const uint8_t *at = r->ptr;
        const uint8_t *id = crdti_get_raw(r, 16).ptr;
        uint64_t seq = crdti_get_varint(r);
        if (r->err)
            return;
        if (before && crdti_compare(before, id, 16) >= 0)
            crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
        if (seq == 0 || seq > CRDTSYNC_MAX_SEQ)
            crdti_reader_fail_at(r, at + 16,
                                 seq ? CRDT_ERR_LIMIT : CRDT_ERR_CORRUPT);
        before = id;
        if (!out)
            continue;
        crdti_copy(out->replica.b, id, 16);
        out->seq = seq;
        out++;
    }
}

/* Reads past a vector, checking all of it; how many entries it has. */
CRDTI_FN size_t crdti_skip_vv(crdti_reader *r)
{
    size_t count =
        crdti_get_count(r, CRDTSYNC_MAX_REPLICAS, CRDTI_VV_ENTRY_MIN);
    crdti_get_vv_entries(r, NULL, count);
    return count;
}

/* vv := the vector at `from`, which has been checked. */
CRDTI_FN crdt_err crdti_vv_load(crdt_vv *vv, crdti_reader from, size_t count)
{
    crdt_err err =
        count > vv->len ? crdti_vv_reserve(vv, count - vv->len) : CRDT_OK;
    if (err)
        return err;
    (void)crdti_get_varint(&from);
    crdti_get_vv_entries(&from, vv->entries, count);
    CRDTI_ASSERT(!from.err);
    vv->len = count;
    return CRDT_OK;
}

/* Reads a vector into vv, which is as it was when the reader fails. */
CRDTI_FN void crdti_get_vv(crdti_reader *r, crdt_vv *vv)
{
    crdti_reader from = *r;
    size_t count = crdti_skip_vv(r);
    crdt_err err = r->err ? r->err : crdti_vv_load(vv, from, count);
    if (err)
        crdti_reader_fail_at(r, from.ptr, err);
}

CRDT_API crdt_err crdt_vv_encode(const crdt_vv *vv, crdt_buf *out)
{
    crdti_writer w;
    if (!vv || !out)
        return CRDT_ERR_ARG;
    crdti_writer_init(&w, out);
    w.err = crdti_buf_reserve(out,
                              CRDTI_VARINT_MAX + vv->len * CRDTI_VV_ENTRY_MAX);
    crdti_put_vv(&w, vv);
    return w.err;
}

CRDT_API crdt_err crdt_vv_decode(crdt_vv *vv, crdt_bytes bytes)
{
    crdti_reader r, from;
    size_t count;
    if (!vv || (!bytes.ptr && bytes.len))
        return CRDT_ERR_ARG;
    crdti_reader_init(&r, bytes);
    from = r;
    count = crdti_skip_vv(&r);
    if (crdti_reader_left(&r) > 0)
        crdti_reader_fail(&r, CRDT_ERR_CORRUPT);
    return r.err ? r.err : crdti_vv_load(vv, from, count);
}

#endif
/* >> ctx.h */
/*
 * Causal contexts: a version vector, and behind its gaps the dots that came
 * too early.
 *
 *     vv       a,12            c,3
 *     clouds   a: [15..17]     f: [2..2] [7..9]
 *
 *     add a.13 to a.14: the gap is closed, so vv a,17 and a's cloud is gone
 *
 * A cloud is never empty, and never touches what its vector covers.
 */
#ifndef CRDTI_CTX_H
#define CRDTI_CTX_H


typedef struct crdti_cloud {
    crdt_id replica;
    crdti_ivset runs;
} crdti_cloud;

struct crdt_ctx {
    crdt_alloc alloc;
    crdt_vv vv;
    CRDTI_ARRAY(crdti_cloud) clouds; /* sorted by replica */
};

CRDT_API crdt_err crdt_ctx_new(crdt_ctx **out, const crdt_alloc *alloc)
{
    crdt_ctx *ctx;
    alloc = crdti_alloc_or_default(alloc);
    if (!out || !alloc)
        return CRDT_ERR_ARG;
    ctx = (crdt_ctx *)crdti_alloc(alloc, sizeof *ctx);
    if (!ctx)
        return CRDT_ERR_NOMEM;
    crdti_zero(ctx, sizeof *ctx);
    ctx->alloc = *alloc;
    ctx->vv.alloc = &ctx->alloc;
    *out = ctx;
    return CRDT_OK;
}

CRDT_API void crdt_ctx_free(crdt_ctx *ctx)
{
    crdt_alloc alloc;
    size_t i;
    if (!ctx)
        return;
    for (i = 0; i < ctx->clouds.len; i++)
        crdti_ivset_free(&ctx->alloc, &ctx->clouds.ptr[i].runs);
    crdti_array_free(&ctx->alloc, &ctx->clouds);
    crdt_vv_free(&ctx->vv);
    alloc = ctx->alloc; /* it lies in what it frees */
    crdti_free(&alloc, ctx, sizeof *ctx);
}

/* Where the cloud of the replica is, or would be. O(log n). */
CRDTI_FN size_t crdti_ctx_place(const crdt_ctx *ctx, const crdt_id *replica)
{
    size_t low = 0, high = ctx->clouds.len;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (crdti_id_order(&ctx->clouds.ptr[mid].replica, replica) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

CRDTI_FN int crdti_ctx_is_at(const crdt_ctx *ctx, size_t place,
                             const crdt_id *replica)
{
    return place < ctx->clouds.len &&
           crdti_id_equal(&ctx->clouds.ptr[place].replica, replica);
}

CRDTI_FN crdt_err crdti_ctx_insert_cloud(crdt_ctx *ctx, size_t place,
                                         const crdt_id *replica,
                                         crdti_ivset runs)
{
    crdti_cloud *cloud;
    if (ctx->clouds.len >= CRDTSYNC_MAX_REPLICAS)
        return CRDT_ERR_LIMIT;
    if (crdti_array_reserve(&ctx->alloc, &ctx->clouds, 1))
        return CRDT_ERR_NOMEM;
    cloud = ctx->clouds.ptr + place;
    crdti_move(cloud + 1, cloud, (ctx->clouds.len - place) * sizeof *cloud);
    ctx->clouds.len++;
    cloud->replica = *replica;
    cloud->runs = runs;
    return CRDT_OK;
}

CRDTI_FN void crdti_ctx_remove_cloud(crdt_ctx *ctx, size_t place)
{
    crdti_cloud *cloud = ctx->clouds.ptr + place;
    crdti_ivset_free(&ctx->alloc, &cloud->runs);
    ctx->clouds.len--;
    crdti_move(cloud, cloud + 1, (ctx->clouds.len - place) * sizeof *cloud);
}

/* Dots behind a gap. */
CRDTI_FN crdt_err crdti_ctx_add_early(crdt_ctx *ctx, size_t place,
                                      const crdt_id *replica, uint64_t first,
                                      uint64_t last)
{
    crdti_ivset runs = { NULL, 0, 0 };
    crdt_err err;
    if (crdti_ctx_is_at(ctx, place, replica))
        return crdti_ivset_add(&ctx->alloc, &ctx->clouds.ptr[place].runs,
                               first, last);
    err = crdti_ivset_add(&ctx->alloc, &runs, first, last);
    if (!err)
        err = crdti_ctx_insert_cloud(ctx, place, replica, runs);
    if (err)
        crdti_ivset_free(&ctx->alloc, &runs);
    return err;
}

/* Dots that follow on the vector: it goes up to `last`, and on over what it
 * touches in the cloud. Only the vector may need memory, so it comes first. */
CRDTI_FN crdt_err crdti_ctx_add_next(crdt_ctx *ctx, size_t place,
                                     const crdt_id *replica, uint64_t last)
{
    crdti_ivset *runs = crdti_ctx_is_at(ctx, place, replica)
                            ? &ctx->clouds.ptr[place].runs
                            : NULL;
    uint64_t top = runs ? crdti_ivset_gap(runs, last + 1) - 1 : last;
    crdt_err err = crdt_vv_set(&ctx->vv, replica, top);
    if (err || !runs)
        return err;
    err = crdti_ivset_remove(&ctx->alloc, runs, 0, top);
    CRDTI_ASSERT(!err); /* from 0 on, nothing is split */
    if (runs->len == 0)
        crdti_ctx_remove_cloud(ctx, place);
    return err;
}

CRDT_API crdt_err crdt_ctx_add(crdt_ctx *ctx, const crdt_id *replica,
                               uint64_t first, uint64_t last)
{
    uint64_t top;
    size_t place;
    if (!ctx || !replica || first == 0 || first > last)
        return CRDT_ERR_ARG;
    if (last > CRDTSYNC_MAX_SEQ)
        return CRDT_ERR_LIMIT;
    top = crdt_vv_get(&ctx->vv, replica);
    if (last <= top)
        return CRDT_OK;
    place = crdti_ctx_place(ctx, replica);
    if (first > top + 1)
        return crdti_ctx_add_early(ctx, place, replica, first, last);
    return crdti_ctx_add_next(ctx, place, replica, last);
}

CRDT_API int crdt_ctx_has(const crdt_ctx *ctx, const crdt_dot *dot)
{
    size_t place;
    if (crdt_vv_covers(&ctx->vv, dot))
        return 1;
    place = crdti_ctx_place(ctx, &dot->replica);
    return crdti_ctx_is_at(ctx, place, &dot->replica) &&
           crdti_ivset_has(&ctx->clouds.ptr[place].runs, dot->seq);
}

CRDT_API const crdt_vv *crdt_ctx_vv(const crdt_ctx *ctx)
{
    return &ctx->vv;
}

CRDT_API uint64_t crdt_ctx_missing(const crdt_ctx *ctx, const crdt_id *replica)
{
    return crdt_vv_get(&ctx->vv, replica) + 1;
}

#endif
/* >> hlc.h */
/*
 * A hybrid logical clock: time stamps that are near the wall clock, yet later
 * than everything this replica has seen. They decide which of two concurrent
 * writes is shown, and nothing else.
 *
 *     stamp   [ milliseconds since 1970: 48 bits | logical: 16 bits ]
 *
 *     wall       1000    1000    998 (set back)    1001
 *     stamp      1000,0  1000,1  1000,2            1001,0
 *
 * As one number: the larger of `last + 1` and the wall clock. 65,536 stamps in
 * a millisecond carry into the next by themselves. (Kulkarni et al. 2014)
 */
#ifndef CRDTI_HLC_H
#define CRDTI_HLC_H


#define CRDTI_HLC_MAX_MS (((uint64_t)1 << 48) - 1) /* in the year 10889 */

typedef struct crdti_hlc {
    uint64_t last; /* no stamp given or seen is greater */
} crdti_hlc;

/* A stamp greater than all before. At the end of time it stays there. */
CRDTI_INLINE uint64_t crdti_hlc_next(crdti_hlc *h, uint64_t wall_ms)
{
    uint64_t wall = crdti_min(wall_ms, CRDTI_HLC_MAX_MS) << 16;
    uint64_t after = h->last == UINT64_MAX ? UINT64_MAX : h->last + 1;
    h->last = crdti_max(wall, after);
    return h->last;
}

/* A stamp of another replica, which must have been found credible. */
CRDTI_INLINE void crdti_hlc_see(crdti_hlc *h, uint64_t remote)
{
    h->last = crdti_max(h->last, remote);
}

/* How far the stamp is in the future of the wall clock, or 0. */
CRDTI_INLINE uint64_t crdti_hlc_ahead_ms(uint64_t stamp, uint64_t wall_ms)
{
    uint64_t ms = stamp >> 16;
    return ms > wall_ms ? ms - wall_ms : 0;
}

#endif
/* 4 state */
/* >> op.h */
/*
 * Live operations: what the state of a document is made of.
 *
 * Every local change is an op and takes a dot. An op that is alive is one
 * record, filed twice: in the list of its entry (what is at this key?) and in
 * the journal of its replica (what is new since seq n?).
 *
 *     kind      what it says                     who kills it
 *     VALUE     this plain value is here         any later write of the key
 *     CREATE    this container is here           the same
 *     ADD       my additions so far: plus, minus my next ADD
 *     RESET     additions up to here are void    a later RESET that saw it
 *     REMOVE    what I saw here is gone          never alive: kept while its
 *                                                kill records are
 *     IN        this element, or flag, is set    any later write of it
 *     OUT       this element, or flag, is not    the same
 *     MOVE      this element of a list stands    any later MOVE of it
 *               where that dot is
 *
 * The content of a dot never changes, so its share of the digest is a pure
 * function of it.
 */
#ifndef CRDTI_OP_H
#define CRDTI_OP_H


/* The numbers are part of the wire format. */
enum {
    CRDTI_VALUE = 1,
    CRDTI_CREATE = 2,
    CRDTI_ADD = 3,
    CRDTI_RESET = 4,
    CRDTI_REMOVE = 5,
    CRDTI_IN = 6,
    CRDTI_OUT = 7,
    CRDTI_MOVE = 8,
    CRDTI_KIND_COUNT = 9
};

/* What a RESET voids of one replica's additions. */
typedef struct crdti_void {
    uint64_t plus, minus;
    uint32_t replica;
} crdti_void;

/* One cache line. */
typedef struct crdti_op {
    uint32_t entry;   /* where it is filed */
    uint32_t replica; /* with seq: its dot */
    uint64_t seq;
    uint32_t prev, next;   /* among the live ops of the entry */
    uint32_t older, newer; /* in the journal of the replica */
    uint32_t kills;        /* kill records that name it as the killer */
    uint32_t len;          /* of bytes, or of voids */
    uint8_t kind;
    uint8_t form; /* VALUE: crdt_kind; CREATE: crdt_type */
    union {
        struct {
            uint64_t stamp;
            union {
                int64_t integer;
                double number;
                uint8_t *bytes;
            } as;
        } value; /* VALUE; CREATE and MOVE have just the stamp */
        struct {
            uint64_t plus, minus;
        } add;
        crdti_void *voids; /* RESET, by replica number */
    } as;
} crdti_op;

CRDTI_FN int crdti_op_is_alive(const crdti_op *op)
{
    return op->kind != CRDTI_REMOVE;
}

CRDTI_FN int crdti_has_stamp(uint8_t kind)
{
    return kind == CRDTI_VALUE || kind == CRDTI_CREATE || kind == CRDTI_MOVE;
}

/* Whether it makes its entry visible, where the type does not know better. */
CRDTI_FN int crdti_op_is_shown(const crdti_op *op)
{
    return op->kind == CRDTI_VALUE || op->kind == CRDTI_CREATE ||
           op->kind == CRDTI_IN;
}

CRDTI_FN int crdti_op_has_bytes(const crdti_op *op)
{
    return op->kind == CRDTI_VALUE &&
           (op->form == CRDT_STRING || op->form == CRDT_BYTES);
}

CRDTI_FN crdt_bytes crdti_op_bytes(const crdti_op *op)
{
    return crdt_bytes_of(op->as.value.as.bytes, op->len);
}

/* Frees what the record owns, not the record. */
CRDTI_FN void crdti_op_drop(const crdt_alloc *alloc, crdti_op *op)
{
    if (crdti_op_has_bytes(op))
        crdti_free(alloc, op->as.value.as.bytes, op->len);
    else if (op->kind == CRDTI_RESET)
        crdti_free(alloc, op->as.voids, op->len * sizeof(crdti_void));
}

/* The bits of a double, with one pattern for all NaNs: the same number must
 * be the same bytes on every replica. */
CRDTI_FN uint64_t crdti_double_bits(double number)
{
    uint64_t bits;
    if (number != number)
        return UINT64_C(0x7ff8000000000000);
    crdti_copy(&bits, &number, sizeof bits);
    return bits;
}

CRDTI_FN double crdti_double_from(uint64_t bits)
{
    double number;
    crdti_copy(&number, &bits, sizeof number);
    return number;
}

/* The value for reading; bytes are borrowed from the op. */
CRDTI_FN crdt_value crdti_op_value(const crdti_op *op)
{
    crdt_value value;
    value.kind = (crdt_kind)op->form;
    if (crdti_op_has_bytes(op))
        value.as.bytes = crdti_op_bytes(op);
    else if (value.kind == CRDT_DOUBLE)
        value.as.number = op->as.value.as.number;
    else if (value.kind == CRDT_BOOL)
        value.as.boolean = (int)op->as.value.as.integer;
    else
        value.as.integer = op->as.value.as.integer;
    return value;
}

/* Whether it is a plain value that can be written. ARG, LIMIT. */
CRDTI_FN crdt_err crdti_value_check(const crdt_value *value)
{
    int has_bytes = value->kind == CRDT_STRING || value->kind == CRDT_BYTES;
    if ((unsigned)value->kind >= CRDT_OBJECT ||
        (has_bytes && value->as.bytes.len && !value->as.bytes.ptr))
        return CRDT_ERR_ARG;
    if (has_bytes && value->as.bytes.len > CRDTSYNC_MAX_VALUE)
        return CRDT_ERR_LIMIT;
    return CRDT_OK;
}

/* Fills the op from a value, copying bytes. ARG, LIMIT, NOMEM. */
CRDTI_FN crdt_err crdti_op_set_value(const crdt_alloc *alloc, crdti_op *op,
                                     const crdt_value *value)
{
    crdt_err err = crdti_value_check(value);
    if (err)
        return err;
    op->kind = CRDTI_VALUE;
    op->form = (uint8_t)value->kind;
    op->as.value.as.integer = 0;
    switch (value->kind) {
    case CRDT_NULL:
        return CRDT_OK;
    case CRDT_BOOL:
        op->as.value.as.integer = value->as.boolean != 0;
        return CRDT_OK;
    case CRDT_INT:
    case CRDT_TIME:
        op->as.value.as.integer = value->as.integer;
        return CRDT_OK;
    case CRDT_DOUBLE:
        op->as.value.as.number =
            crdti_double_from(crdti_double_bits(value->as.number));
        return CRDT_OK;
    case CRDT_STRING:
    case CRDT_BYTES:
    case CRDT_OBJECT:
    default:
        break;
    }
    op->as.value.as.bytes = NULL;
    op->len = (uint32_t)value->as.bytes.len;
    if (op->len == 0)
        return CRDT_OK;
    op->as.value.as.bytes = (uint8_t *)crdti_alloc(alloc, op->len);
    if (!op->as.value.as.bytes)
        return CRDT_ERR_NOMEM;
    crdti_copy(op->as.value.as.bytes, value->as.bytes.ptr, op->len);
    return CRDT_OK;
}

/* Last writer wins: the later stamp, then the greater dot. Stamps of different
 * replicas may be equal; replica ids never are. */
CRDTI_FN int crdti_op_is_later(const crdti_op *a, const crdt_id *a_id,
                               const crdti_op *b, const crdt_id *b_id)
{
    int order;
    if (a->as.value.stamp != b->as.value.stamp)
        return a->as.value.stamp > b->as.value.stamp;
    order = crdti_id_order(a_id, b_id);
    return order ? order > 0 : a->seq > b->seq;
}

#endif
/* >> element.h */
/*
 * Elements of sets as keys: a value in bytes whose order is the order of the
 * values, so that a set is a map that nobody sees the keys of.
 *
 *     null            00
 *     false, true     20, 21
 *     int             40 + 10 + n, n bytes        0 or more, n as few as do
 *                     40 + 10 - n, n bytes of ~   below 0, at least one
 *     double          60, 8 bytes                 sign bit flipped, or all
 *     string, bytes   80, the bytes; a0, the bytes
 *     time            c0 + 10 + n ..              as an int
 *
 * The upper three bits of the first byte are the kind. A small int takes two
 * bytes, and one of less than 57 bits fits into an entry.
 */
#ifndef CRDTI_ELEMENT_H
#define CRDTI_ELEMENT_H


typedef struct crdti_element {
    size_t len;
    uint8_t bytes[CRDTSYNC_MAX_KEY];
} crdti_element;

CRDTI_FN crdt_bytes crdti_element_key(const crdti_element *element)
{
    return crdt_bytes_of(element->bytes, element->len);
}

/* Appends the lower `count` bytes of the number, the highest first. */
CRDTI_FN void crdti_element_number(crdti_element *out, uint64_t number,
                                   unsigned count)
{
    while (count-- > 0)
        out->bytes[out->len++] = (uint8_t)(number >> 8 * count);
}

CRDTI_FN void crdti_element_integer(crdti_element *out, int64_t integer)
{
    uint64_t size = integer < 0 ? ~(uint64_t)integer : (uint64_t)integer;
    unsigned count = integer < 0;
    while (count < 8 && size >> 8 * count)
        count++;
    out->bytes[0] |= (uint8_t)(integer < 0 ? 16 - count : 16 + count);
    crdti_element_number(out, (uint64_t)integer, count);
}

/* The bits of a double as a number of the same order. */
CRDTI_FN uint64_t crdti_double_rank(double number)
{
    /* + 0.0 makes 0.0 of -0.0. */
    uint64_t bits = crdti_double_bits(number + 0.0);
    return bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
}

CRDTI_FN double crdti_double_of_rank(uint64_t rank)
{
    return crdti_double_from(rank >> 63 ? rank ^ UINT64_C(1) << 63 : ~rank);
}

/* ARG for what is no plain value, LIMIT. */
CRDTI_FN crdt_err crdti_element_encode(const crdt_value *value,
                                       crdti_element *out)
{
    out->len = 1;
    out->bytes[0] = (uint8_t)((unsigned)value->kind << 5);
    switch (value->kind) {
    case CRDT_NULL:
        return CRDT_OK;
    case CRDT_BOOL:
        out->bytes[0] |= value->as.boolean != 0;
        return CRDT_OK;
    case CRDT_INT:
    case CRDT_TIME:
        crdti_element_integer(out, value->as.integer);
        return CRDT_OK;
    case CRDT_DOUBLE:
        crdti_element_number(out, crdti_double_rank(value->as.number), 8);
        return CRDT_OK;
    case CRDT_STRING:
    case CRDT_BYTES:
        break;
    case CRDT_OBJECT:
    default:
        return CRDT_ERR_ARG;
    }
    if (value->as.bytes.len >= CRDTSYNC_MAX_KEY)
        return CRDT_ERR_LIMIT;
    if (value->as.bytes.len && !value->as.bytes.ptr)
        return CRDT_ERR_ARG;
    out->len += value->as.bytes.len;
    if (value->as.bytes.len)
        crdti_copy(out->bytes + 1, value->as.bytes.ptr, value->as.bytes.len);
    return CRDT_OK;
}

/* How many bytes follow on the first one, where that says it. */
CRDTI_FN unsigned crdti_element_rest(uint8_t lead)
{
    unsigned kind = lead >> 5, count = lead & 31;
    if (kind == CRDT_DOUBLE)
        return 8;
    if (kind != CRDT_INT && kind != CRDT_TIME)
        return 0;
    return count < 16 ? 16 - count : count - 16;
}

/* The bytes behind the first, up to eight, as a number. */
CRDTI_FN uint64_t crdti_element_read(crdt_bytes key)
{
    uint64_t number = 0;
    size_t i;
    for (i = 1; i < key.len && i < 9; i++)
        number = number << 8 | key.ptr[i];
    return number;
}

CRDTI_FN int64_t crdti_element_read_integer(crdt_bytes key)
{
    uint64_t number = crdti_element_read(key);
    int negative = (key.ptr[0] & 31) < 16;
    if (negative && key.len - 1 < 8)
        number |= UINT64_MAX << 8 * (key.len - 1);
    return number >> 63 ? -(int64_t)(~number) - 1 : (int64_t)number;
}

/* The value of a key that `encode` wrote, borrowed from it; of other bytes
 * some value. */
CRDTI_FN crdt_value crdti_element_decode(crdt_bytes key)
{
    crdt_value value;
    crdti_zero(&value, sizeof value);
    value.kind = (crdt_kind)(key.ptr[0] >> 5);
    switch (value.kind) {
    case CRDT_BOOL:
        value.as.boolean = key.ptr[0] & 1;
        break;
    case CRDT_INT:
    case CRDT_TIME:
        value.as.integer = crdti_element_read_integer(key);
        break;
    case CRDT_DOUBLE:
        value.as.number = crdti_double_of_rank(crdti_element_read(key));
        break;
    case CRDT_STRING:
    case CRDT_BYTES:
        value.as.bytes = crdt_bytes_of(key.ptr + 1, key.len - 1);
        break;
    case CRDT_NULL:
    case CRDT_OBJECT:
    default:
        break;
    }
    return value;
}

/* Of an integer: as many bytes as it says, and fewer would not do. */
CRDTI_FN int crdti_element_is_integer(crdt_bytes key)
{
    unsigned negative = (key.ptr[0] & 31) < 16;
    unsigned rest = crdti_element_rest(key.ptr[0]);
    if (rest > 8 || rest < negative || key.len != rest + 1u)
        return 0;
    if (rest == 8 && key.ptr[1] >> 7 != negative)
        return 0; /* beyond 64 bits */
    return rest == negative || key.ptr[1] != (negative ? 0xff : 0);
}

/* Whether the bytes are what `encode` writes: each element has one key. */
CRDTI_FN int crdti_element_is_key(crdt_bytes key)
{
    crdti_element again;
    crdt_value value;
    if (!key.len || key.len > CRDTSYNC_MAX_KEY)
        return 0;
    if (key.ptr[0] >> 5 == CRDT_INT || key.ptr[0] >> 5 == CRDT_TIME)
        return crdti_element_is_integer(key);
    value = crdti_element_decode(key);
    return !crdti_element_encode(&value, &again) &&
           crdt_bytes_equal(crdti_element_key(&again), key);
}

/* The order of values that elements have too: less than 0, 0, or greater. */
CRDTI_FN int crdti_value_order(const crdt_value *a, const crdt_value *b)
{
    uint64_t x, y;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    switch (a->kind) {
    case CRDT_BOOL:
        return (a->as.boolean != 0) - (b->as.boolean != 0);
    case CRDT_INT:
    case CRDT_TIME:
        return (a->as.integer > b->as.integer) -
               (a->as.integer < b->as.integer);
    case CRDT_DOUBLE:
        x = crdti_double_rank(a->as.number);
        y = crdti_double_rank(b->as.number);
        return (x > y) - (x < y);
    case CRDT_STRING:
    case CRDT_BYTES:
        return crdti_bytes_order(a->as.bytes, b->as.bytes);
    case CRDT_NULL:
    case CRDT_OBJECT:
    default:
        return 0;
    }
}

#endif
/* >> state.h */
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
/* >> row.h */
/*
 * Rows: live INs in little space. An IN that killed nothing needs no entry and
 * no links: its set, its dot and its element say all. So the elements of a set
 * that were added once, which is most of them, lie in blocks, in the order in
 * which their replica added them.
 *
 *     set      blocks of it
 *     replica  blocks of it, that with its latest row last
 *     block    base 40   step   0    1    3    7         seq 40, 41, 43, 47
 *                        lead   51   52   -    50        "-": no longer there
 *                        rest   7    300  .    0         elements 7, 300, 0
 *
 * A row is named by its block and its place there, and found in a table of its
 * own by (set, element): 14 to 17 bytes, and 11 to 21 in the table. It is not
 * the only form of an IN: one that kills has an entry and an op like any other
 * (op.h), and a set may hold both, even of one element.
 *
 * Strings and bytes do not fit, and are ops always.
 */
#ifndef CRDTI_ROW_H
#define CRDTI_ROW_H


#define CRDTI_ROW_BIT 0x80000000u /* tells the name of a row from an op's */
#define CRDTI_ROW_DEAD 255        /* as lead */
#define CRDTI_ROW_UNMADE 254

/* Whether an IN of that element that kills nothing is a row. */
CRDTI_FN int crdti_row_fits(const crdt_doc *doc, uint32_t object,
                            crdt_bytes key)
{
    unsigned kind = key.len ? key.ptr[0] >> 5 : CRDT_STRING;
    return crdti_type_at(doc, crdti_object_at(doc, object))->has_rows &&
           kind != CRDT_STRING && kind != CRDT_BYTES;
}

CRDTI_INLINE crdti_block *crdti_row_block(const crdt_doc *doc, uint32_t row)
{
    return CRDTI_POOL_AT(crdti_block, &doc->blocks,
                         (row & ~CRDTI_ROW_BIT) / CRDTI_BLOCK_ROWS);
}

CRDTI_INLINE unsigned crdti_row_place(uint32_t row)
{
    return row % CRDTI_BLOCK_ROWS;
}

CRDTI_INLINE uint32_t crdti_row_name(uint32_t block, unsigned place)
{
    return CRDTI_ROW_BIT | (block * CRDTI_BLOCK_ROWS + place);
}

CRDTI_FN uint64_t crdti_row_seq(const crdt_doc *doc, uint32_t row)
{
    const crdti_block *block = crdti_row_block(doc, row);
    return block->base + block->steps[crdti_row_place(row)];
}

CRDTI_FN uint64_t crdti_block_last(const crdti_block *block)
{
    return block->base + block->steps[block->len - 1];
}

CRDTI_INLINE int crdti_row_is_alive(const crdti_block *block, unsigned place)
{
    return place < block->len && block->leads[place] < CRDTI_ROW_UNMADE;
}

/* The element as a key, in `room`. */
CRDTI_FN crdt_bytes crdti_row_key(const crdt_doc *doc, uint32_t row,
                                  uint8_t room[CRDTI_ROW_KEY])
{
    const crdti_block *block = crdti_row_block(doc, row);
    unsigned place = crdti_row_place(row);
    uint8_t lead = block->leads[place];
    unsigned i, rest = crdti_element_rest(lead);
    room[0] = lead;
    for (i = 0; i < rest; i++)
        room[1 + i] = (uint8_t)(block->rests[place] >> 8 * (rest - 1 - i));
    return crdt_bytes_of(room, 1 + rest);
}

/* As an op, which has no entry. */
CRDTI_FN void crdti_row_op(const crdt_doc *doc, uint32_t row, crdti_op *op)
{
    crdti_zero(op, sizeof *op);
    op->kind = CRDTI_IN;
    op->replica = crdti_row_block(doc, row)->replica;
    op->seq = crdti_row_seq(doc, row);
}

/* >>finding --------------------------------------------------------------- */

/* A walk through the rows of one element: one of each replica at most that
 * added it concurrently. A row that goes ends the walk. */
typedef struct crdti_row_walk {
    uint64_t hash, rest;
    size_t iter;
    uint32_t object;
    uint8_t lead;
} crdti_row_walk;

/* The first that is meant, `at` or behind it. */
CRDTI_FN uint32_t crdti_row_meant(const crdt_doc *doc, crdti_row_walk *walk,
                                  uint32_t at)
{
    for (; at; at = crdti_table_next(&doc->rows, walk->hash, &walk->iter)) {
        const crdti_block *block = crdti_row_block(doc, at);
        unsigned place = crdti_row_place(at);
        if (block->rests[place] == walk->rest &&
            block->leads[place] == walk->lead && block->object == walk->object)
            return at;
    }
    return 0;
}

/* `hash` is crdti_entry_hash of set and element. */
CRDTI_FN uint32_t crdti_row_probe(const crdt_doc *doc, uint32_t object,
                                  crdt_bytes key, uint64_t hash,
                                  crdti_row_walk *walk)
{
    walk->hash = hash;
    walk->rest = crdti_element_read(key);
    walk->lead = key.ptr[0];
    walk->object = object;
    return crdti_row_meant(
        doc, walk, crdti_table_first(&doc->rows, walk->hash, &walk->iter));
}

CRDTI_FN uint32_t crdti_row_first(const crdt_doc *doc, uint32_t object,
                                  crdt_bytes key, crdti_row_walk *walk)
{
    if (!crdti_object_at(doc, object)->blocks || key.len == 0)
        return 0;
    return crdti_row_probe(doc, object, key,
                           crdti_entry_hash(doc, object, key), walk);
}

CRDTI_FN uint32_t crdti_row_next(const crdt_doc *doc, crdti_row_walk *walk)
{
    return crdti_row_meant(
        doc, walk, crdti_table_next(&doc->rows, walk->hash, &walk->iter));
}

CRDTI_FN int crdti_row_any(const crdt_doc *doc, uint32_t object,
                           crdt_bytes key)
{
    crdti_row_walk walk;
    return crdti_row_first(doc, object, key, &walk) != 0;
}

/* The first block with rows of the replica behind `seq`, or 0. */
CRDTI_FN uint32_t crdti_block_after(const crdt_doc *doc, uint32_t replica,
                                    uint64_t seq)
{
    uint32_t at = doc->replicas.ptr[replica].newest_block, found = 0;
    while (at && crdti_block_last(crdti_block_at(doc, at)) > seq) {
        found = at;
        at = crdti_block_at(doc, at)->older;
    }
    return found;
}

/* >>blocks ---------------------------------------------------------------- */

CRDTI_FN uint64_t crdti_block_hash(const crdt_doc *doc, uint32_t object,
                                   uint32_t replica)
{
    return crdti_mix(doc->seed ^ object, replica + UINT64_C(1));
}

CRDTI_FN int crdti_block_takes(const crdti_block *block, uint64_t seq)
{
    return block->len < CRDTI_BLOCK_ROWS && seq - block->base <= UINT16_MAX;
}

/* The block that rows of that set and replica go into, or 0. The next one is
 * `seq`. */
CRDTI_FN uint32_t crdti_block_open(const crdt_doc *doc, uint32_t object,
                                   uint32_t replica, uint64_t seq)
{
    uint32_t at = doc->replicas.ptr[replica].newest_block;
    uint64_t hash;
    size_t iter;
    if (at && crdti_block_at(doc, at)->object == object &&
        crdti_block_takes(crdti_block_at(doc, at), seq))
        return at; /* mostly */
    hash = crdti_block_hash(doc, object, replica);
    at = crdti_table_first(&doc->open_blocks, hash, &iter);
    while (at && (crdti_block_at(doc, at)->object != object ||
                  crdti_block_at(doc, at)->replica != replica))
        at = crdti_table_next(&doc->open_blocks, hash, &iter);
    return at;
}

/* Takes it out of the order of its replica. */
CRDTI_FN void crdti_block_unlist(crdt_doc *doc, uint32_t index)
{
    crdti_block *block = crdti_block_at(doc, index);
    crdti_replica *replica = &doc->replicas.ptr[block->replica];
    if (!block->is_listed)
        return;
    if (block->older)
        crdti_block_at(doc, block->older)->newer = block->newer;
    else
        replica->oldest_block = block->newer;
    if (block->newer)
        crdti_block_at(doc, block->newer)->older = block->older;
    else
        replica->newest_block = block->older;
    block->is_listed = 0;
}

/* Its last row is the replica's latest. */
CRDTI_FN void crdti_block_list(crdt_doc *doc, uint32_t index)
{
    crdti_block *block = crdti_block_at(doc, index);
    crdti_replica *replica = &doc->replicas.ptr[block->replica];
    if (replica->newest_block == index)
        return;
    crdti_block_unlist(doc, index);
    block->older = replica->newest_block;
    block->newer = 0;
    if (block->older)
        crdti_block_at(doc, block->older)->newer = index;
    else
        replica->oldest_block = index;
    replica->newest_block = index;
    block->is_listed = 1;
}

/* An empty one in the place of `full`, if there is one. NOMEM. */
CRDTI_FN crdt_err crdti_block_new(crdt_doc *doc, uint32_t object,
                                  uint32_t replica, uint32_t full,
                                  uint32_t *out)
{
    uint64_t hash = crdti_block_hash(doc, object, replica);
    crdti_block *block;
    crdt_err err = crdti_pool_reserve(&doc->alloc, &doc->blocks, 1);
    if (!err)
        err = crdti_table_reserve(&doc->alloc, &doc->open_blocks, 1);
    if (err)
        return err;
    if (doc->blocks.cap > CRDTI_ROW_BIT / CRDTI_BLOCK_ROWS)
        return CRDT_ERR_LIMIT;
    *out = crdti_pool_take(&doc->blocks);
    block = crdti_block_at(doc, *out);
    block->object = object;
    block->replica = replica;
    block->next = crdti_object_at(doc, object)->blocks;
    if (block->next)
        crdti_block_at(doc, block->next)->prev = *out;
    crdti_object_at(doc, object)->blocks = *out;
    if (full)
        crdti_table_remove(&doc->open_blocks, hash, full);
    crdti_table_insert(&doc->open_blocks, hash, *out);
    return CRDT_OK;
}

CRDTI_FN void crdti_block_free(crdt_doc *doc, uint32_t index)
{
    crdti_block *block = crdti_block_at(doc, index);
    crdti_block_unlist(doc, index);
    if (block->prev)
        crdti_block_at(doc, block->prev)->next = block->next;
    else
        crdti_object_at(doc, block->object)->blocks = block->next;
    if (block->next)
        crdti_block_at(doc, block->next)->prev = block->prev;
    crdti_table_remove(&doc->open_blocks,
                       crdti_block_hash(doc, block->object, block->replica),
                       index);
    crdti_pool_give(&doc->blocks, index);
}

/* >>rows ------------------------------------------------------------------ */

/* A row that is not born yet: all memory is taken. The dot is later than any
 * row of its replica. LIMIT, NOMEM. */
CRDTI_FN crdt_err crdti_row_make(crdt_doc *doc, uint32_t object,
                                 uint32_t replica, uint64_t seq,
                                 crdt_bytes key, uint32_t *out)
{
    uint32_t at = crdti_block_open(doc, object, replica, seq);
    crdti_block *block = at ? crdti_block_at(doc, at) : NULL;
    crdt_err err =
        crdti_table_reserve(&doc->alloc, &doc->rows, doc->unborn + 1);
    if (!err && (!block || !crdti_block_takes(block, seq)))
        err = crdti_block_new(doc, object, replica, at, &at);
    if (err)
        return err;
    block = crdti_block_at(doc, at);
    if (!block->len)
        block->base = seq;
    block->steps[block->len] = (uint16_t)(seq - block->base);
    block->leads[block->len] = key.ptr[0];
    block->rests[block->len] = crdti_element_read(key);
    *out = crdti_row_name(at, block->len++);
    doc->unborn++;
    return CRDT_OK;
}

/* Takes back rows that were not born. All of them are to be taken back, so
 * that what is left ends with a row that was. */
CRDTI_FN void crdti_row_unmake(crdt_doc *doc, uint32_t row)
{
    crdti_block *block = crdti_row_block(doc, row);
    block->leads[crdti_row_place(row)] = CRDTI_ROW_UNMADE;
    while (block->len && block->leads[block->len - 1] == CRDTI_ROW_UNMADE)
        block->len--;
    doc->unborn--;
    if (!block->len)
        crdti_block_free(doc, (row & ~CRDTI_ROW_BIT) / CRDTI_BLOCK_ROWS);
}

/* Makes it one of the set's. */
CRDTI_FN void crdti_row_enter(crdt_doc *doc, uint32_t row, uint64_t hash)
{
    crdti_block *block = crdti_row_block(doc, row);
    crdti_table_insert(&doc->rows, hash, row);
    block->used++;
    doc->unborn--;
    crdti_block_list(doc, (row & ~CRDTI_ROW_BIT) / CRDTI_BLOCK_ROWS);
}

/* Its place stays empty, until the block is. */
CRDTI_FN void crdti_row_leave(crdt_doc *doc, uint32_t row, uint64_t hash)
{
    crdti_block *block = crdti_row_block(doc, row);
    crdti_table_remove(&doc->rows, hash, row);
    block->leads[crdti_row_place(row)] = CRDTI_ROW_DEAD;
    if (--block->used == 0)
        crdti_block_free(doc, (row & ~CRDTI_ROW_BIT) / CRDTI_BLOCK_ROWS);
}

#endif
/* >> place.h */
/*
 * Places: what there is to read in a document. A place is a key of a map, an
 * element of a set or list, a list, or the one value of any other object.
 * Before something is done to a place for the first time since the watcher of
 * the document was told, what it reads is kept; so is what the keys above it
 * read, as they change when the object that they show appears or disappears.
 *
 *     born, dies --> touch (14, "views") before: 7
 *                          (3, "beach.jpg") before: map 14
 *                          (1, "images") before: map 3
 *                    tell  reads them again: event.h
 *
 * Without a watcher a touch is one comparison.
 */
#ifndef CRDTI_PLACE_H
#define CRDTI_PLACE_H


typedef struct crdti_place {
    uint32_t object;
    uint32_t actor; /* number of the replica that was at it last */
    crdt_bytes key; /* in the arena, as all bytes here */
    crdt_value before, now;
    uint32_t elements; /* of a list: its touched elements; place + 1 */
    uint32_t next;     /* of an element: among them */
    uint8_t had_before, has_now, is_changed;
} crdti_place;

struct crdti_watch {
    crdt_patch_fn *fn;
    void *ctx;
    CRDTI_ARRAY(crdti_place) places; /* touched since the last telling */
    crdti_hash_table index;          /* (object, key) -> place + 1 */
    crdti_arena arena;
    uint8_t is_lost; /* there was no memory for a place */
    uint8_t is_telling;
};

/* The touched place, or NULL. */
CRDTI_FN crdti_place *crdti_place_find(const crdti_watch *watch,
                                       uint32_t object, crdt_bytes key,
                                       uint64_t hash)
{
    size_t iter;
    uint32_t at = crdti_table_first(&watch->index, hash, &iter);
    for (; at; at = crdti_table_next(&watch->index, hash, &iter)) {
        crdti_place *place = &watch->places.ptr[at - 1];
        if (place->object == object && crdt_bytes_equal(place->key, key))
            return place;
    }
    return NULL;
}

/* Copies the bytes; NOMEM. */
CRDTI_FN crdt_err crdti_watch_keep(crdti_watch *watch, crdt_bytes *bytes)
{
    uint8_t *copy = (uint8_t *)crdti_arena_alloc(&watch->arena, bytes->len);
    if (!copy)
        return CRDT_ERR_NOMEM;
    crdti_copy(copy, bytes->ptr, bytes->len);
    bytes->ptr = copy;
    return CRDT_OK;
}

/* Adds the place with what it reads now. */
CRDTI_FN crdt_err crdti_place_add(crdt_doc *doc, uint32_t object,
                                  crdt_bytes key, uint64_t hash)
{
    crdti_watch *watch = doc->watch;
    const crdti_type *type = crdti_type_at(doc, crdti_object_at(doc, object));
    crdti_place *place;
    if (crdti_array_reserve(&doc->alloc, &watch->places, 1) ||
        crdti_table_reserve(&doc->alloc, &watch->index, 1) ||
        crdti_watch_keep(watch, &key))
        return CRDT_ERR_NOMEM;
    place = &watch->places.ptr[watch->places.len];
    crdti_zero(place, sizeof *place);
    place->object = object;
    place->actor = doc->actor;
    place->key = key;
    place->had_before = (uint8_t)type->read(doc, object, key, &place->before);
    if (place->had_before && type->shape != CRDTI_BY_ELEMENT &&
        (place->before.kind == CRDT_STRING ||
         place->before.kind == CRDT_BYTES) &&
        crdti_watch_keep(watch, &place->before.as.bytes))
        return CRDT_ERR_NOMEM;
    crdti_table_insert(&watch->index, hash, (uint32_t)++watch->places.len);
    return CRDT_OK;
}

/* The key of the place that is touched with that key. */
CRDTI_FN crdt_bytes crdti_place_key(const crdti_type *type, crdt_bytes key)
{
    if (type->shape == CRDTI_ONE_VALUE || type->shape == CRDTI_BY_STEPS ||
        (type->shape == CRDTI_BY_INDEX && key.len != CRDTI_ELEMENT_KEY))
        key.len = 0;
    return key;
}

/* Finds or adds the place. NULL: there is no memory. */
CRDTI_FN crdti_place *crdti_place_get(crdt_doc *doc, uint32_t object,
                                      crdt_bytes key, int *is_new)
{
    crdti_watch *watch = doc->watch;
    uint64_t hash = crdti_entry_hash(doc, object, key);
    crdti_place *place = crdti_place_find(watch, object, key, hash);
    *is_new = !place;
    if (place)
        return place;
    if (crdti_place_add(doc, object, key, hash)) {
        watch->is_lost = 1;
        return NULL;
    }
    return &watch->places.ptr[watch->places.len - 1];
}

/* The place, the list that it is an element of, and the keys above, as far as
 * they are not touched yet. */
CRDTI_FN void crdti_place_touch(crdt_doc *doc, uint32_t object, crdt_bytes key)
{
    crdti_watch *watch = doc->watch;
    uint32_t element = 0;
    int is_above = 0, is_new;
    while (!watch->is_lost) {
        const crdti_object *at = crdti_object_at(doc, object);
        const crdti_type *type = crdti_type_at(doc, at);
        const crdti_entry *entry;
        crdti_place *place;
        key = crdti_place_key(type, key);
        place = crdti_place_get(doc, object, key, &is_new);
        if (!place)
            return;
        if (!is_above)
            place->actor = doc->actor;
        if (element) {
            watch->places.ptr[element - 1].next = place->elements;
            place->elements = element;
            element = 0;
        }
        if (!is_new && (is_above || !key.len || type->shape != CRDTI_BY_INDEX))
            return;
        if (key.len && type->shape == CRDTI_BY_INDEX) {
            element = is_new ? (uint32_t)watch->places.len : 0;
            key.len = 0;
            continue;
        }
        if (!at->entry)
            return;
        entry = crdti_entry_at(doc, at->entry);
        object = entry->object;
        key = crdti_entry_key(entry);
        is_above = 1;
    }
}

/* Something is about to be done there, by doc->actor. */
CRDTI_INLINE void crdti_touch(crdt_doc *doc, uint32_t object, crdt_bytes key)
{
    if (CRDTI_UNLIKELY(doc->watch != NULL))
        crdti_place_touch(doc, object, key);
}

CRDTI_INLINE void crdti_touch_entry(crdt_doc *doc, const crdti_entry *entry)
{
    if (CRDTI_UNLIKELY(doc->watch != NULL))
        crdti_place_touch(doc, entry->object, crdti_entry_key(entry));
}

CRDTI_FN int crdti_is_telling(const crdt_doc *doc)
{
    return doc->watch && doc->watch->is_telling;
}

#endif
/* >> life.h */
/*
 * Births and deaths of live ops, and what they change: the entry's list, the
 * journal, the digest, and what is visible.
 *
 * What is *visible*: an entry with a live VALUE, CREATE or IN, or with a child
 * that has weight, unless the type says otherwise (an OUT may hide an IN); the
 * weight of an object is the number of its visible entries (a counter says for
 * itself). So the size of a map or set is its weight, and a change climbs only
 * as far as something appears or disappears.
 */
#ifndef CRDTI_LIFE_H
#define CRDTI_LIFE_H


/* >>visibility ------------------------------------------------------------ */

/* The entry's visibility anew. Whether its object appeared or disappeared. */
CRDTI_FN int crdti_entry_look(crdt_doc *doc, crdti_entry *entry)
{
    crdti_object *object = crdti_object_at(doc, entry->object);
    const crdti_type *type = crdti_type_at(doc, object);
    int now = type->visible ? type->visible(doc, entry) : entry->shows != 0;
    int had_weight = object->weight != 0;
    if (now == entry->is_visible)
        return 0;
    entry->is_visible = (uint8_t)now;
    object->keys_changed = 1;
    if (type->looked)
        type->looked(doc, entry);
    if (crdti_row_any(doc, entry->object, crdti_entry_key(entry)))
        return 0; /* it is in by that, before and after */
    object->weight += now ? 1u : UINT32_MAX;
    return had_weight != (object->weight != 0);
}

/* An object appears or disappears; its weight is already changed. */
CRDTI_FN void crdti_climb(crdt_doc *doc, uint32_t object, int appears)
{
    crdti_entry *entry;
    do {
        object = crdti_object_at(doc, object)->entry;
        if (!object)
            return;
        entry = crdti_entry_at(doc, object);
        entry->shows += appears ? 1u : UINT32_MAX;
        object = entry->object;
    } while (crdti_entry_look(doc, entry));
}

/* A live op of the entry came (1) or went (0). */
CRDTI_FN void crdti_show(crdt_doc *doc, const crdti_op *op, int came)
{
    crdti_entry *entry = crdti_entry_at(doc, op->entry);
    if (crdti_op_is_shown(op))
        entry->shows += came ? 1u : UINT32_MAX;
    if (crdti_entry_look(doc, entry))
        crdti_climb(doc, entry->object,
                    crdti_object_at(doc, entry->object)->weight != 0);
}

/* >>settling -------------------------------------------------------------- */

/* The object's state is to be worked out anew when all that dies is dead: many
 * deaths at once then cost one such work. */
CRDTI_FN void crdti_stale(crdt_doc *doc, uint32_t index)
{
    crdti_object *object = crdti_object_at(doc, index);
    if (object->is_stale)
        return;
    object->is_stale = 1;
    object->stale = doc->stale;
    doc->stale = index;
}

CRDTI_FN void crdti_settle(crdt_doc *doc)
{
    while (doc->stale) {
        uint32_t index = doc->stale;
        crdti_object *object = crdti_object_at(doc, index);
        doc->stale = object->stale;
        object->is_stale = 0;
        crdti_type_at(doc, object)->settle(doc, index);
    }
}

/* >>birth and death ------------------------------------------------------- */

/* Files a record whose dot, entry and content are set. Cannot fail. */
CRDTI_FN void crdti_op_born(crdt_doc *doc, uint32_t index)
{
    crdti_op *op = crdti_op_at(doc, index);
    crdti_entry *entry = crdti_entry_at(doc, op->entry);
    const crdti_type *type;
    doc->actor = op->replica;
    crdti_touch_entry(doc, entry);
    crdti_journal_append(doc, index);
    if (!crdti_op_is_alive(op)) {
        doc->removals++;
        return;
    }
    op->prev = 0;
    op->next = entry->ops;
    if (op->next)
        crdti_op_at(doc, op->next)->prev = index;
    entry->ops = index;
    crdti_digest_add(&doc->digest, crdti_op_digest(doc, op));
    type = crdti_type_at(doc, crdti_object_at(doc, entry->object));
    if (type->born)
        type->born(doc, entry->object, index);
    if (op->kind != CRDTI_ADD && op->kind != CRDTI_RESET)
        crdti_show(doc, op, 1);
}

/* Takes a live op out of its entry, out of the digest and out of sight. */
CRDTI_FN void crdti_op_unfile(crdt_doc *doc, uint32_t index)
{
    crdti_op *op = crdti_op_at(doc, index);
    crdti_entry *entry = crdti_entry_at(doc, op->entry);
    const crdti_type *type =
        crdti_type_at(doc, crdti_object_at(doc, entry->object));
    crdti_touch_entry(doc, entry);
    crdti_digest_subtract(&doc->digest, crdti_op_digest(doc, op));
    if (op->prev)
        crdti_op_at(doc, op->prev)->next = op->next;
    else
        entry->ops = op->next;
    if (op->next)
        crdti_op_at(doc, op->next)->prev = op->prev;
    if (op->kind != CRDTI_ADD && op->kind != CRDTI_RESET)
        crdti_show(doc, op, 0);
    if (type->died)
        type->died(doc, entry->object, index);
    crdti_op_drop(&doc->alloc, op);
}

/* >>rows ------------------------------------------------------------------ */

CRDTI_FN crdt_digest crdti_row_digest(const crdt_doc *doc, uint32_t row,
                                      crdt_bytes key)
{
    const crdti_block *block = crdti_row_block(doc, row);
    uint64_t place = crdti_object_at(doc, block->object)->name;
    crdti_op op;
    crdti_row_op(doc, row, &op);
    return crdti_digest_of(doc, &op, crdti_hash(key.ptr, key.len, place));
}

/* Whether the element is in by anything that is filed. `hash` is
 * crdti_entry_hash of set and element. */
CRDTI_FN int crdti_element_is_in(const crdt_doc *doc, uint32_t set,
                                 crdt_bytes key, uint64_t hash)
{
    const crdti_object *object = crdti_object_at(doc, set);
    crdti_row_walk walk;
    uint32_t entry;
    if (object->blocks && crdti_row_probe(doc, set, key, hash, &walk))
        return 1;
    if (!object->entries)
        return 0;
    entry = crdti_entry_probe(doc, set, key, hash);
    return entry && crdti_entry_at(doc, entry)->is_visible;
}

/* A row came or went; was the element in without it? */
CRDTI_FN void crdti_set_weigh(crdt_doc *doc, uint32_t set, int is_in,
                              int appears)
{
    crdti_object *object = crdti_object_at(doc, set);
    int had_weight = object->weight != 0;
    object->keys_changed = 1;
    if (is_in)
        return;
    object->weight += appears ? 1u : UINT32_MAX;
    if (had_weight != (object->weight != 0))
        crdti_climb(doc, set, appears);
}

/* Files a row that was made, of an element that was in or not. */
CRDTI_FN void crdti_row_file(crdt_doc *doc, uint32_t row, crdt_bytes key,
                             crdt_digest digest, uint64_t hash, int was_in)
{
    const crdti_block *block = crdti_row_block(doc, row);
    doc->actor = block->replica;
    crdti_touch(doc, block->object, key);
    crdti_digest_add(&doc->digest, digest);
    crdti_row_enter(doc, row, hash);
    crdti_set_weigh(doc, block->object, was_in, 1);
}

/* `hash` is crdti_entry_hash of set and element. Whether that was in already.
 */
CRDTI_FN int crdti_row_born(crdt_doc *doc, uint32_t row, uint64_t hash)
{
    uint8_t room[CRDTI_ROW_KEY];
    crdt_bytes key = crdti_row_key(doc, row, room);
    uint32_t set = crdti_row_block(doc, row)->object;
    int was_in = crdti_element_is_in(doc, set, key, hash);
    crdti_row_file(doc, row, key, crdti_row_digest(doc, row, key), hash,
                   was_in);
    return was_in;
}

CRDTI_FN void crdti_row_die(crdt_doc *doc, uint32_t row)
{
    uint8_t room[CRDTI_ROW_KEY];
    crdt_bytes key = crdti_row_key(doc, row, room);
    uint32_t set = crdti_row_block(doc, row)->object;
    uint64_t hash = crdti_entry_hash(doc, set, key);
    crdti_touch(doc, set, key);
    crdti_digest_subtract(&doc->digest, crdti_row_digest(doc, row, key));
    crdti_row_leave(doc, row, hash);
    crdti_set_weigh(doc, set, crdti_element_is_in(doc, set, key, hash), 0);
}

#endif
/* >> kill.h */
/*
 * Kills: how ops die, and how that is remembered.
 *
 * Death has one cause: a later op that had seen the victim. Every killer takes
 * *all* it has seen in one scope (its entry, with the maps and registers below
 * it), so what it killed there is, per replica, a prefix:
 *
 *     entry "title"     ops    c.7
 *                       kills  a <= 12 by c.7     "of a, up to 12 is dead,
 *                              b <=  3 by c.7      says c.7"
 *
 * One record a replica and entry, then, however often the entry was written:
 * a later killer just raises `last`, and takes the record over. That a record
 * is raised past one of another killer loses nothing: whoever has seen the
 * raising killer knows the deaths that both tell of, and whoever has not will
 * be sent it.
 *
 * Absorption: when an op that is itself a killer dies, its records become its
 * own killer's, who had seen all that it had; but they remember the dot that
 * said them first, and are not sent again to who has seen that. If they come
 * from further down, they widen to the killer's scope: all that it saw there is
 * dead.
 *
 * A killer that makes nothing live (REMOVE) keeps a record in the journal as
 * long as it has kill records. Records at or below the floor are dropped.
 */
#ifndef CRDTI_KILL_H
#define CRDTI_KILL_H


/* A join may still hold the number: kind 0 tells it. */
CRDTI_FN void crdti_op_release(crdt_doc *doc, uint32_t index)
{
    crdti_op_at(doc, index)->kind = 0;
    crdti_pool_give(&doc->ops, index);
}

/* Lets a killer go that is not alive and has no records left. */
CRDTI_FN void crdti_removal_tidy(crdt_doc *doc, uint32_t index)
{
    crdti_op *op = crdti_op_at(doc, index);
    if (crdti_op_is_alive(op) || op->kills)
        return;
    crdti_journal_remove(doc, op);
    crdti_op_release(doc, index);
    doc->removals--;
}

CRDTI_FN void crdti_kill_release(crdt_doc *doc, uint32_t index)
{
    crdti_kill_at(doc, index)->killer = 0; /* so a walk of the pool skips it */
    crdti_pool_give(&doc->kills, index);
}

/* One of the killer's records is gone or taken over. */
CRDTI_FN void crdti_kill_disown(crdt_doc *doc, uint32_t killer)
{
    crdti_op_at(doc, killer)->kills--;
    crdti_removal_tidy(doc, killer);
}

/* The entry's record for the replica, moved to the front; or 0. */
CRDTI_FN uint32_t crdti_kill_find(crdt_doc *doc, crdti_entry *entry,
                                  uint32_t replica)
{
    uint32_t *link = &entry->kills;
    while (*link) {
        uint32_t found = *link;
        crdti_kill *kill = crdti_kill_at(doc, found);
        if (kill->replica == replica) {
            *link = kill->next;
            kill->next = entry->kills;
            entry->kills = found;
            return found;
        }
        link = &kill->next;
    }
    return 0;
}

/* The killer says it, with its own dot. */
CRDTI_FN void crdti_kill_say(crdt_doc *doc, crdti_kill *kill, uint32_t killer,
                             uint64_t last)
{
    const crdti_op *op = crdti_op_at(doc, killer);
    kill->killer = killer;
    kill->said_replica = op->replica;
    kill->said_seq = op->seq;
    kill->last = last;
}

/* Makes a record where the entry has none for the replica yet. */
CRDTI_FN void crdti_kill_add(crdt_doc *doc, uint32_t killer, uint32_t replica,
                             uint64_t last)
{
    crdti_op *op = crdti_op_at(doc, killer);
    crdti_entry *entry = crdti_entry_at(doc, op->entry);
    uint32_t index = crdti_pool_take(&doc->kills);
    crdti_kill *kill = crdti_kill_at(doc, index);
    kill->replica = replica;
    crdti_kill_say(doc, kill, killer, last);
    kill->next = entry->kills;
    entry->kills = index;
    op->kills++;
}

/* Notes that, of `replica`, what is up to `last` in the killer's entry is
 * dead. A record must be reserved. */
CRDTI_FN void crdti_kill_note(crdt_doc *doc, uint32_t killer, uint32_t replica,
                              uint64_t last)
{
    crdti_op *op = crdti_op_at(doc, killer);
    crdti_entry *entry = crdti_entry_at(doc, op->entry);
    uint32_t found = crdti_kill_find(doc, entry, replica);
    crdti_kill *kill;
    if (!found) {
        crdti_kill_add(doc, killer, replica, last);
        return;
    }
    kill = crdti_kill_at(doc, found);
    if (kill->last >= last)
        return;
    op->kills++;
    crdti_kill_disown(doc, kill->killer);
    crdti_kill_say(doc, kill, killer, last);
}

/* The entry's records that the replicas' marks raise become the killer's, and
 * those marks 0: one pass, where noting one by one would be a search each. */
CRDTI_FN void crdti_kill_note_marks(crdt_doc *doc, uint32_t killer)
{
    crdti_op *op = crdti_op_at(doc, killer);
    uint32_t at = crdti_entry_at(doc, op->entry)->kills;
    for (; at; at = crdti_kill_at(doc, at)->next) {
        crdti_kill *kill = crdti_kill_at(doc, at);
        uint64_t *mark = &doc->replicas.ptr[kill->replica].mark;
        if (kill->last < *mark) {
            op->kills++;
            crdti_kill_disown(doc, kill->killer);
            crdti_kill_say(doc, kill, killer, *mark);
        }
        *mark = 0;
    }
}

/* Of its own replica a killer has seen what is before it; bytes from outside
 * may let it absorb more. */
CRDTI_FN uint64_t crdti_kill_seen(const crdti_op *killer, uint32_t replica,
                                  uint64_t last)
{
    return replica == killer->replica ? crdti_min(last, killer->seq - 1)
                                      : last;
}

/* Gives the dying op's records to its killer. */
CRDTI_FN void crdti_kill_absorb(crdt_doc *doc, uint32_t victim,
                                uint32_t killer)
{
    crdti_op *dying = crdti_op_at(doc, victim);
    crdti_op *heir = crdti_op_at(doc, killer);
    uint32_t *link = &crdti_entry_at(doc, dying->entry)->kills;
    while (dying->kills) {
        uint32_t index = *link, replica;
        crdti_kill *kill = crdti_kill_at(doc, index);
        uint64_t last;
        CRDTI_ASSERT(index);
        if (kill->killer != victim) {
            link = &kill->next;
            continue;
        }
        dying->kills--;
        replica = kill->replica;
        last = crdti_kill_seen(heir, replica, kill->last);
        if (last && dying->entry == heir->entry) {
            kill->killer = killer;
            kill->last = last;
            heir->kills++;
            link = &kill->next;
            continue;
        }
        /* The freed record is the one that the note may need. */
        *link = kill->next;
        crdti_kill_release(doc, index);
        if (last)
            crdti_kill_note(doc, killer, replica, last);
    }
}

/* A live op dies by the hand of `killer`. */
CRDTI_FN void crdti_op_die(crdt_doc *doc, uint32_t victim, uint32_t killer)
{
    crdti_op_unfile(doc, victim);
    crdti_kill_absorb(doc, victim, killer);
    crdti_journal_remove(doc, crdti_op_at(doc, victim));
    crdti_op_release(doc, victim);
}

/* A live op dies and its killer is no longer remembered by those who told us.
 * What it killed itself stays remembered. */
CRDTI_FN void crdti_op_vanish(crdt_doc *doc, uint32_t victim)
{
    crdti_op *op = crdti_op_at(doc, victim);
    crdti_op_unfile(doc, victim);
    op->kind = CRDTI_REMOVE;
    doc->removals++;
    crdti_removal_tidy(doc, victim);
}

/* >>scope: an entry, and the entries of maps and registers below it ------- */

/* The first entry of this container or of those beside it, or 0. */
CRDTI_FN uint32_t crdti_scope_enter(const crdt_doc *doc, uint32_t object)
{
    for (; object; object = crdti_object_at(doc, object)->sibling) {
        const crdti_object *at = crdti_object_at(doc, object);
        if (at->entries && crdti_type_at(doc, at)->is_scope)
            return at->entries;
    }
    return 0;
}

/* The entry behind `at` in a walk of the scope of `top`, or 0. */
CRDTI_FN uint32_t crdti_scope_next(const crdt_doc *doc, uint32_t top,
                                   uint32_t at)
{
    uint32_t next = crdti_scope_enter(doc, crdti_entry_at(doc, at)->child);
    while (!next && at != top) {
        const crdti_entry *entry = crdti_entry_at(doc, at);
        const crdti_object *object = crdti_object_at(doc, entry->object);
        next = entry->next;
        if (!next)
            next = crdti_scope_enter(doc, object->sibling);
        at = object->entry;
    }
    return next;
}

/* >>what is in the scope without an entry of its own ----------------------- */

CRDTI_FN int crdti_row_kill(crdt_doc *doc, uint32_t killer, uint32_t row)
{
    uint32_t replica = crdti_row_block(doc, row)->replica;
    crdti_kill_note(doc, killer, replica, crdti_row_seq(doc, row));
    crdti_row_die(doc, row);
    return 1;
}

CRDTI_FN int crdti_row_kill_marked(crdt_doc *doc, uint32_t killer,
                                   uint32_t row)
{
    uint32_t replica = crdti_row_block(doc, row)->replica;
    (void)killer;
    if (crdti_row_seq(doc, row) > doc->replicas.ptr[replica].mark)
        return 0;
    crdti_row_die(doc, row);
    return 1;
}

CRDTI_FN int crdti_row_lower_mark(crdt_doc *doc, uint32_t killer, uint32_t row)
{
    uint64_t *mark =
        &doc->replicas.ptr[crdti_row_block(doc, row)->replica].mark;
    (void)killer;
    *mark = crdti_min(*mark, crdti_row_seq(doc, row) - 1);
    return 0;
}

/* What to do with a row in the scope. Whether it has died. */
typedef int crdti_row_fn(crdt_doc *doc, uint32_t killer, uint32_t row);

CRDTI_FN void crdti_element_rows(crdt_doc *doc, uint32_t entry,
                                 uint32_t killer, crdti_row_fn *fn)
{
    const crdti_entry *at = crdti_entry_at(doc, entry);
    crdt_bytes key = crdti_entry_key(at);
    crdti_row_walk walk;
    uint32_t row = crdti_row_first(doc, at->object, key, &walk);
    while (row)
        row = fn(doc, killer, row)
                  ? crdti_row_first(doc, at->object, key, &walk)
                  : crdti_row_next(doc, &walk);
}

CRDTI_FN void crdti_set_rows(crdt_doc *doc, uint32_t set, uint32_t killer,
                             crdti_row_fn *fn)
{
    uint32_t block, next;
    unsigned i;
    for (block = crdti_object_at(doc, set)->blocks; block; block = next) {
        next = crdti_block_at(doc, block)->next; /* it goes with its rows */
        for (i = 0; i < CRDTI_BLOCK_ROWS; i++)
            if (crdti_row_is_alive(crdti_block_at(doc, block), i))
                fn(doc, killer, crdti_row_name(block, i));
    }
}

/* What is in the scope and belongs to one of its entries: the rows of the
 * element, where it is the killer's own, and those of the sets at it; and the
 * sequences at it. */
CRDTI_FN void crdti_scope_rest(crdt_doc *doc, uint32_t at, uint32_t killer,
                               int how)
{
    static crdti_row_fn *const fns[] = { crdti_row_kill, crdti_row_kill_marked,
                                         crdti_row_lower_mark };
    uint32_t child = crdti_entry_at(doc, at)->child;
    if (crdti_op_at(doc, killer)->entry == at)
        crdti_element_rows(doc, at, killer, fns[how]);
    for (; child; child = crdti_object_at(doc, child)->sibling) {
        const crdti_type *type =
            crdti_type_at(doc, crdti_object_at(doc, child));
        crdti_set_rows(doc, child, killer, fns[how]);
        if (type->scope)
            type->scope(doc, child, killer, how);
    }
}

/* Whether the object holds what has no entries. */
CRDTI_FN int crdti_object_has_rest(const crdt_doc *doc,
                                   const crdti_object *object)
{
    return object->blocks ||
           (crdti_type_at(doc, object)->scope && object->weight);
}

/* How many records a kill of all in the scope needs at most. */
CRDTI_FN size_t crdti_scope_count(const crdt_doc *doc, uint32_t top)
{
    size_t count = 0, most = doc->replicas.len;
    uint32_t at, op, child;
    if (crdti_object_at(doc, crdti_entry_at(doc, top)->object)->blocks)
        return most;
    for (at = top; at && count < most; at = crdti_scope_next(doc, top, at)) {
        const crdti_entry *entry = crdti_entry_at(doc, at);
        for (op = entry->ops; op; op = crdti_op_at(doc, op)->next)
            count++;
        for (child = entry->child; child;
             child = crdti_object_at(doc, child)->sibling)
            if (crdti_object_has_rest(doc, crdti_object_at(doc, child)))
                return most;
    }
    return crdti_min_size(count, most);
}

/* A local op kills all in its scope but itself. Records are reserved. */
CRDTI_FN void crdti_kill_all(crdt_doc *doc, uint32_t killer)
{
    uint32_t top = crdti_op_at(doc, killer)->entry, at = top;
    doc->actor = crdti_op_at(doc, killer)->replica;
    while (at) {
        uint32_t op = crdti_entry_at(doc, at)->ops, next;
        for (; op; op = next) {
            const crdti_op *victim = crdti_op_at(doc, op);
            next = CRDTI_RULE(KILLS_ALL_SEEN) ? victim->next : 0;
            if (op == killer)
                continue;
            crdti_kill_note(doc, killer, victim->replica, victim->seq);
            crdti_op_die(doc, op, killer);
        }
        crdti_scope_rest(doc, at, killer, CRDTI_SCOPE_KILL);
        next = crdti_scope_next(doc, top, at);
        if (at != top)
            crdti_entry_tidy(doc, at);
        at = next;
    }
}

/* Whether the op came with the join that is under way. */
CRDTI_FN int crdti_op_is_new(const crdt_doc *doc, const crdti_op *op)
{
    return op->seq > doc->replicas.ptr[op->replica].seq;
}

/* A remote op kills in its scope what its replicas' marks cover. Whether there
 * were killers among that further down, whose records have widened; or new
 * ones, as none of an honest delta dies with it, whose records may have. */
CRDTI_FN int crdti_kill_marked(crdt_doc *doc, uint32_t killer)
{
    uint32_t top = crdti_op_at(doc, killer)->entry, at = top;
    int widened = 0;
    doc->actor = crdti_op_at(doc, killer)->replica;
    while (at) {
        uint32_t op = crdti_entry_at(doc, at)->ops, next;
        for (; op; op = next) {
            const crdti_op *victim = crdti_op_at(doc, op);
            next = victim->next;
            if (op == killer ||
                victim->seq > doc->replicas.ptr[victim->replica].mark)
                continue;
            widened |=
                victim->kills && (at != top || crdti_op_is_new(doc, victim));
            crdti_op_die(doc, op, killer);
        }
        crdti_scope_rest(doc, at, killer, CRDTI_SCOPE_KILL_MARKED);
        next = crdti_scope_next(doc, top, at);
        if (at != top)
            crdti_entry_tidy(doc, at);
        at = next;
    }
    return widened;
}

/* Lowers the marks to what is not alive in the scope of the killer. */
CRDTI_FN void crdti_kill_lower_marks(crdt_doc *doc, uint32_t killer)
{
    uint32_t top = crdti_op_at(doc, killer)->entry, at, op;
    for (at = top; at; at = crdti_scope_next(doc, top, at)) {
        for (op = crdti_entry_at(doc, at)->ops; op;
             op = crdti_op_at(doc, op)->next) {
            const crdti_op *alive = crdti_op_at(doc, op);
            uint64_t *mark = &doc->replicas.ptr[alive->replica].mark;
            if (op != killer)
                *mark = crdti_min(*mark, alive->seq - 1);
        }
        crdti_scope_rest(doc, at, killer, CRDTI_SCOPE_LOWER);
    }
}

/* What was absorbed from further down says that all it covers is dead in the
 * wider scope too. An honest killer saw what its victims had seen, so that is
 * true. Where it is not, the record must not say so. */
CRDTI_FN void crdti_kill_settle(crdt_doc *doc, uint32_t killer)
{
    crdti_op *op = crdti_op_at(doc, killer);
    uint32_t entry = op->entry, at;
    uint32_t *link = &crdti_entry_at(doc, entry)->kills;
    for (at = *link; at; at = crdti_kill_at(doc, at)->next) {
        const crdti_kill *kill = crdti_kill_at(doc, at);
        if (kill->killer == killer)
            doc->replicas.ptr[kill->replica].mark = kill->last;
    }
    crdti_kill_lower_marks(doc, killer);
    while (*link) {
        uint32_t index = *link;
        crdti_kill *kill = crdti_kill_at(doc, index);
        uint64_t *mark = &doc->replicas.ptr[kill->replica].mark;
        if (kill->killer == killer) {
            kill->last = *mark;
            *mark = 0;
        }
        if (kill->last) {
            link = &kill->next;
            continue;
        }
        *link = kill->next;
        crdti_kill_release(doc, index);
        op->kills--;
    }
    crdti_removal_tidy(doc, killer);
    crdti_entry_tidy(doc, entry);
}

/* >>floor ----------------------------------------------------------------- */

CRDTI_FN int crdti_is_below_floor(const crdt_doc *doc, const crdti_op *op)
{
    return op->seq <= doc->replicas.ptr[op->replica].floor;
}

/* Drops the records of one killer. */
CRDTI_FN void crdti_kill_forget(crdt_doc *doc, uint32_t killer)
{
    crdti_op *op = crdti_op_at(doc, killer);
    uint32_t entry = op->entry;
    uint32_t *link = &crdti_entry_at(doc, entry)->kills;
    while (op->kills) {
        uint32_t index = *link;
        crdti_kill *kill = crdti_kill_at(doc, index);
        CRDTI_ASSERT(index);
        if (kill->killer == killer) {
            *link = kill->next;
            crdti_kill_release(doc, index);
            op->kills--;
        } else {
            link = &kill->next;
        }
    }
    crdti_removal_tidy(doc, killer);
    crdti_entry_tidy(doc, entry);
}

/* Drops every record at or below the floors. O(records). */
CRDTI_FN void crdti_kills_truncate(crdt_doc *doc)
{
    uint32_t index, killer;
    for (index = 1; index < doc->kills.used; index++) {
        killer = crdti_kill_at(doc, index)->killer;
        if (killer && crdti_is_below_floor(doc, crdti_op_at(doc, killer)))
            crdti_kill_forget(doc, killer);
    }
}

#endif
/* >> write.h */
/*
 * Local writes: one op, filed under the next dot of the own replica.
 *
 * A write is prepared (all memory taken, all limits checked) and then done
 * without a way to fail. The new op is filed before the old ones die, so a key
 * that is overwritten never disappears in between.
 *
 * Killing what is below a key is the same for all types but counters: a
 * concurrent addition must survive with just what the remover had not seen, so
 * each visible counter below gets a RESET of its own first; and of a bounded
 * one the remover takes what it owns.
 */
#ifndef CRDTI_WRITE_H
#define CRDTI_WRITE_H


typedef CRDTI_ARRAY(crdti_op) crdti_op_array;

/* Whether `count` more ops fit into this commit. */
CRDTI_FN crdt_err crdti_write_check(const crdt_doc *doc, size_t count)
{
    uint64_t open =
        doc->written - doc->replicas.ptr[doc->self].seq - doc->unmetered;
    if (crdti_is_telling(doc))
        return CRDT_ERR_AGAIN;
    if (doc->is_frozen)
        return CRDT_ERR_FROZEN;
    if (count > CRDTSYNC_MAX_COMMIT_OPS - open ||
        count > CRDTSYNC_MAX_SEQ - doc->written)
        return CRDT_ERR_LIMIT;
    return CRDT_OK;
}

/* The stamp of the next local op. */
CRDTI_FN uint64_t crdti_write_stamp(crdt_doc *doc)
{
    return crdti_hlc_next(&doc->hlc, doc->clock.wall_ms(doc->clock.ctx));
}

/* Files `draft` (kind, content and entry set) as the next local op, taking
 * what it owns. A record is reserved. */
CRDTI_FN uint32_t crdti_write_file(crdt_doc *doc, const crdti_op *draft)
{
    uint32_t index = crdti_pool_take(&doc->ops);
    crdti_op *op = crdti_op_at(doc, index);
    *op = *draft;
    op->replica = doc->self;
    op->seq = ++doc->written;
    crdti_op_born(doc, index);
    return index;
}

/* The own live op of the entry, or 0: of ADDs there is one at most. */
CRDTI_FN uint32_t crdti_own_op(const crdt_doc *doc, uint32_t entry)
{
    uint32_t at = crdti_entry_at(doc, entry)->ops;
    while (at && crdti_op_at(doc, at)->replica != doc->self)
        at = crdti_op_at(doc, at)->next;
    return at;
}

/* Files the draft in place of the own op of the entry. */
CRDTI_FN void crdti_write_own(crdt_doc *doc, const crdti_op *draft)
{
    uint32_t before = crdti_own_op(doc, draft->entry);
    uint32_t index = crdti_write_file(doc, draft);
    if (!before)
        return;
    crdti_kill_note(doc, index, doc->self, crdti_op_at(doc, before)->seq);
    crdti_op_die(doc, before, index);
}

/* Files the draft and kills all that is in its scope. */
CRDTI_FN void crdti_write_over(crdt_doc *doc, const crdti_op *draft)
{
    uint32_t index = crdti_write_file(doc, draft);
    crdti_kill_all(doc, index);
    crdti_removal_tidy(doc, index);
    crdti_settle(doc);
}

/* Takes memory for one op that kills at most `victims`. */
CRDTI_FN crdt_err crdti_write_reserve(crdt_doc *doc, size_t ops,
                                      size_t victims)
{
    if (crdti_pool_reserve(&doc->alloc, &doc->ops, ops) ||
        crdti_pool_reserve(&doc->alloc, &doc->kills, victims))
        return CRDT_ERR_NOMEM;
    return CRDT_OK;
}

/* >>resets: drafts for the counters below an entry ------------------------ */

CRDTI_FN void crdti_drafts_drop(crdt_doc *doc, crdti_op_array *drafts)
{
    size_t i;
    for (i = 0; i < drafts->len; i++) {
        crdti_op_drop(&doc->alloc, &drafts->ptr[i]);
        crdti_entry_tidy(doc, drafts->ptr[i].entry);
    }
    crdti_array_free(&doc->alloc, drafts);
}

/* Adds a draft for each visible container at the entry that is no scope, and
 * has something to take. */
CRDTI_FN crdt_err crdti_drafts_at(crdt_doc *doc, uint32_t entry,
                                  crdti_op_array *drafts)
{
    uint32_t child = crdti_entry_at(doc, entry)->child;
    for (; child; child = crdti_object_at(doc, child)->sibling) {
        const crdti_object *object = crdti_object_at(doc, child);
        crdt_err err;
        if (!object->weight || crdti_type_at(doc, object)->is_scope)
            continue;
        if (crdti_array_reserve(&doc->alloc, drafts, 1))
            return CRDT_ERR_NOMEM;
        err = crdti_type_at(doc, object)
                  ->reset(doc, child, &drafts->ptr[drafts->len]);
        if (err)
            return err;
        drafts->len += drafts->ptr[drafts->len].kind != 0;
    }
    return CRDT_OK;
}

CRDTI_FN crdt_err crdti_drafts_below(crdt_doc *doc, uint32_t top,
                                     crdti_op_array *drafts)
{
    uint32_t at;
    for (at = top; at; at = crdti_scope_next(doc, top, at)) {
        crdt_err err = crdti_drafts_at(doc, at, drafts);
        if (err) {
            crdti_drafts_drop(doc, drafts);
            return err;
        }
    }
    return CRDT_OK;
}

/* Writes each draft over all that is in its scope, counters below included;
 * no scope is within another. LIMIT, NOMEM: nothing has happened, and the
 * drafts are still the caller's. */
CRDTI_FN crdt_err crdti_write_scopes(crdt_doc *doc, const crdti_op *drafts,
                                     size_t len)
{
    crdti_op_array resets = { NULL, 0, 0 };
    size_t i, victims = 0;
    crdt_err err = CRDT_OK;
    for (i = 0; i < len && !err; i++) {
        victims += crdti_scope_count(doc, drafts[i].entry);
        if (crdti_entry_at(doc, drafts[i].entry)->child)
            err = crdti_drafts_below(doc, drafts[i].entry, &resets);
    }
    if (err)
        return err;
    for (i = 0; i < resets.len; i++)
        victims += crdti_scope_count(doc, resets.ptr[i].entry);
    err = crdti_write_check(doc, resets.len + len);
    if (!err)
        err = crdti_write_reserve(doc, resets.len + len, victims);
    if (err) {
        crdti_drafts_drop(doc, &resets);
        return err;
    }
    for (i = 0; i < resets.len; i++)
        if (resets.ptr[i].kind == CRDTI_ADD)
            crdti_write_own(doc, &resets.ptr[i]);
        else
            crdti_write_over(doc, &resets.ptr[i]);
    crdti_array_free(&doc->alloc, &resets);
    for (i = 0; i < len; i++)
        crdti_write_over(doc, &drafts[i]);
    return CRDT_OK;
}

CRDTI_FN crdt_err crdti_write_scope(crdt_doc *doc, const crdti_op *draft)
{
    return crdti_write_scopes(doc, draft, 1);
}

#endif
/* 4 sequences */
/* >> bits.h */
/*
 * Sets of small numbers as bits of 64-bit words: characters that are dead, or
 * old, by name.
 */
#ifndef CRDTI_BITS_H
#define CRDTI_BITS_H


CRDTI_INLINE int crdti_bit_is_set(const uint64_t *bits, uint32_t at)
{
    return (int)(bits[at / 64] >> at % 64 & 1);
}

CRDTI_INLINE uint32_t crdti_bits_count(uint64_t word)
{
    word -= word >> 1 & UINT64_C(0x5555555555555555);
    word = (word & UINT64_C(0x3333333333333333)) +
           (word >> 2 & UINT64_C(0x3333333333333333));
    word = (word + (word >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (uint32_t)(word * UINT64_C(0x0101010101010101) >> 56);
}

/* The place of the lowest bit; there is one. */
CRDTI_INLINE uint32_t crdti_bit_lowest(uint64_t word)
{
#if defined(__GNUC__)
    return (uint32_t)__builtin_ctzll(word);
#else
    return crdti_bits_count((word & (0 - word)) - 1);
#endif
}

CRDTI_FN void crdti_bits_set(uint64_t *bits, uint32_t from, uint32_t len)
{
    uint32_t end = from + len;
    while (from < end) {
        uint32_t bit = from % 64, count = 64 - bit;
        if (count > end - from)
            count = end - from;
        bits[from / 64] |=
            (count == 64 ? UINT64_MAX : ((UINT64_C(1) << count) - 1)) << bit;
        from += count;
    }
}

CRDTI_FN void crdti_bits_clear(uint64_t *bits, uint32_t from, uint32_t len)
{
    uint32_t end = from + len;
    while (from < end) {
        uint32_t bit = from % 64, count = 64 - bit;
        if (count > end - from)
            count = end - from;
        bits[from / 64] &= ~((UINT64_MAX >> (64 - count)) << bit);
        from += count;
    }
}

/* How many bits from `from` on, `most` at most, are as the first one. */
CRDTI_INLINE uint32_t crdti_bits_run(const uint64_t *bits, uint32_t from,
                                     uint32_t most)
{
    uint64_t flip = 0 - (bits[from / 64] >> from % 64 & 1);
    uint64_t word = (bits[from / 64] ^ flip) >> from % 64;
    uint32_t len;
    if (CRDTI_LIKELY(word != 0)) {
        len = crdti_bit_lowest(word);
        return len < most ? len : most;
    }
    for (len = 64 - from % 64; len < most; len += 64) {
        word = bits[(from + len) / 64] ^ flip;
        if (word) {
            len += crdti_bit_lowest(word);
            break;
        }
    }
    return len < most ? len : most;
}

/* How many bits from `from` on it takes until behind the last that is set; 0:
 * none of the `len` is. */
CRDTI_FN uint32_t crdti_bits_reach(const uint64_t *bits, uint32_t from,
                                   uint32_t len)
{
    while (len && !crdti_bit_is_set(bits, from + len - 1)) {
        uint32_t bit = (from + len - 1) % 64;
        /* The rest of a word at once, when it is empty. */
        if (bit < len && !(bits[(from + len - 1) / 64] << (63 - bit)))
            len -= bit + 1;
        else
            len--;
    }
    return len;
}

#endif
/* >> author.h */
/*
 * Authors: what one replica wrote in one sequence (a text or a list), and how
 * the characters of a sequence are named.
 *
 *     author   insertions   seq 1..5  name 0  left -  right -   "hello"
 *                           seq 8     name 5  left 2  right 3   "y"
 *              deletions    seq 6..7  of names 4, 3               backwards
 *              content      h e l l o y
 *
 * A *name* is a number for a character that only this copy of the document
 * knows: half the size of a dot. Authors take names in extents, so what one
 * typed at a stretch is one insertion here, whoever else typed meanwhile, and
 * in an author names ascend with seqs:
 *
 *     extents   0..63 a   64..127 b   128..255 a
 *
 * In an insertion each character but the first has the one before it as its
 * left origin; the right origin is the same for all of them.
 */
#ifndef CRDTI_AUTHOR_H
#define CRDTI_AUTHOR_H


#define CRDTI_NO_CHAR                                                         \
    UINT32_MAX /* as left: the beginning; as right: the end */
#define CRDTI_NAMES_MAX 0x20000000u
#define CRDTI_EXTENT_FIRST 64u
#define CRDTI_WIDE_MAX 128u /* characters of an insertion that is not ASCII */
#define CRDTI_CONTENT_GONE UINT32_MAX
#define CRDTI_BACKWARDS 0x80000000u

typedef struct crdti_insertion {
    uint64_t seq;
    uint32_t name, len;
    uint32_t left, right;
    uint32_t content;                /* where in the author's, or GONE */
    uint16_t more_bytes, more_units; /* 0: all ASCII */
} crdti_insertion;

/* The i-th dot deletes name + i, or name - i. */
typedef struct crdti_deletion {
    uint64_t seq;
    uint32_t name, len; /* and CRDTI_BACKWARDS */
} crdti_deletion;

typedef struct crdti_author {
    uint32_t object, replica;
    uint32_t next;                    /* author of the sequence */
    uint32_t older, newer, is_listed; /* in the journal of the replica */
    uint32_t free_name, end_name;     /* what is left of its latest extent */
    uint32_t extent;                  /* how long that was */
    uint32_t party;                   /* scratch of an encoder: edit.h */
    uint32_t is_touched;              /* scratch of a join: graft.h */
    uint64_t last;                    /* its latest seq in this sequence */
    CRDTI_ARRAY(crdti_insertion) insertions;
    CRDTI_ARRAY(crdti_deletion) deletions;
    CRDTI_ARRAY(uint8_t) content;
} crdti_author;

typedef struct crdti_extent {
    uint32_t name, author;
} crdti_extent;

typedef CRDTI_ARRAY(crdti_extent) crdti_extents;

CRDTI_INLINE crdti_author *crdti_author_at(const crdt_doc *doc, uint32_t index)
{
    return CRDTI_POOL_AT(crdti_author, &doc->authors, index);
}

/* >>authors --------------------------------------------------------------- */

CRDTI_FN uint64_t crdti_author_hash(const crdt_doc *doc, uint32_t object,
                                    uint32_t replica)
{
    return crdti_mix(doc->seed ^ object, replica + UINT64_C(1));
}

CRDTI_FN uint32_t crdti_author_find(const crdt_doc *doc, uint32_t object,
                                    uint32_t replica)
{
    uint64_t hash = crdti_author_hash(doc, object, replica);
    size_t iter;
    uint32_t at = crdti_table_first(&doc->author_table, hash, &iter);
    for (; at; at = crdti_table_next(&doc->author_table, hash, &iter)) {
        const crdti_author *author = crdti_author_at(doc, at);
        if (author->object == object && author->replica == replica)
            return at;
    }
    return 0;
}

/* Finds or makes it. `list` is the first of the sequence. NOMEM, LIMIT. */
CRDTI_FN crdt_err crdti_author_get(crdt_doc *doc, uint32_t *list,
                                   uint32_t object, uint32_t replica,
                                   uint32_t *out)
{
    crdti_author *author;
    crdt_err err;
    *out = crdti_author_find(doc, object, replica);
    if (*out)
        return CRDT_OK;
    err = crdti_pool_reserve(&doc->alloc, &doc->authors, 1);
    if (!err)
        err = crdti_table_reserve(&doc->alloc, &doc->author_table, 1);
    if (err)
        return err;
    *out = crdti_pool_take(&doc->authors);
    author = crdti_author_at(doc, *out);
    author->object = object;
    author->replica = replica;
    author->next = *list;
    *list = *out;
    doc->replicas.ptr[replica].authors++;
    crdti_table_insert(&doc->author_table,
                       crdti_author_hash(doc, object, replica), *out);
    return CRDT_OK;
}

/* Takes it out of the order of its replica. */
CRDTI_FN void crdti_author_unlist(crdt_doc *doc, uint32_t index)
{
    crdti_author *author = crdti_author_at(doc, index);
    crdti_replica *replica = &doc->replicas.ptr[author->replica];
    if (!author->is_listed)
        return;
    if (author->older)
        crdti_author_at(doc, author->older)->newer = author->newer;
    if (author->newer)
        crdti_author_at(doc, author->newer)->older = author->older;
    else
        replica->newest_author = author->older;
    author->is_listed = 0;
}

/* It has the replica's latest seq: so of each replica the authors stand in the
 * order of their `last`, and what is new is found first. */
CRDTI_FN void crdti_author_list(crdt_doc *doc, uint32_t index)
{
    crdti_author *author = crdti_author_at(doc, index);
    crdti_replica *replica = &doc->replicas.ptr[author->replica];
    if (replica->newest_author == index)
        return;
    crdti_author_unlist(doc, index);
    author->older = replica->newest_author;
    author->newer = 0;
    author->is_listed = 1;
    if (author->older)
        crdti_author_at(doc, author->older)->newer = index;
    replica->newest_author = index;
}

/* Puts it where its `last` belongs. O(authors of the replica). */
CRDTI_FN void crdti_author_file(crdt_doc *doc, uint32_t index)
{
    crdti_author *author = crdti_author_at(doc, index);
    crdti_replica *replica = &doc->replicas.ptr[author->replica];
    author->newer = 0;
    author->older = replica->newest_author;
    while (author->older &&
           crdti_author_at(doc, author->older)->last > author->last) {
        author->newer = author->older;
        author->older = crdti_author_at(doc, author->older)->older;
    }
    if (author->older)
        crdti_author_at(doc, author->older)->newer = index;
    if (author->newer)
        crdti_author_at(doc, author->newer)->older = index;
    else
        replica->newest_author = index;
    author->is_listed = 1;
}

/* Frees the author, which is no longer, or not yet, in a list of authors. */
CRDTI_FN void crdti_author_free(crdt_doc *doc, uint32_t index)
{
    crdti_author *author = crdti_author_at(doc, index);
    crdti_author_unlist(doc, index);
    doc->replicas.ptr[author->replica].authors--;
    crdti_table_remove(&doc->author_table,
                       crdti_author_hash(doc, author->object, author->replica),
                       index);
    crdti_array_free(&doc->alloc, &author->insertions);
    crdti_array_free(&doc->alloc, &author->deletions);
    crdti_array_free(&doc->alloc, &author->content);
    crdti_pool_give(&doc->authors, index);
}

/* >>names ----------------------------------------------------------------- */

/* The next `n` names that the author takes follow on each other. `used` is how
 * many names the sequence has given away. LIMIT, NOMEM. */
CRDTI_FN crdt_err crdti_names_reserve(crdt_doc *doc, crdti_extents *extents,
                                      uint32_t *used, uint32_t index, size_t n)
{
    crdti_author *author = crdti_author_at(doc, index);
    uint32_t size, room = CRDTI_NAMES_MAX - 1 - *used;
    if (CRDTI_LIKELY(n <= author->end_name - author->free_name))
        return CRDT_OK;
    if (*used >= CRDTI_NAMES_MAX || n > room)
        return CRDT_ERR_LIMIT;
    size = (uint32_t)crdti_min(
        room, crdti_max(n, crdti_max(CRDTI_EXTENT_FIRST,
                                     author->extent * UINT64_C(2))));
    author->extent = size;
    if (extents->len && extents->ptr[extents->len - 1].author == index) {
        *used += size; /* the latest is its own: that grows */
        author->end_name = *used - 1;
        return CRDT_OK;
    }
    if (crdti_array_reserve(&doc->alloc, extents, 1))
        return CRDT_ERR_NOMEM;
    extents->ptr[extents->len].name = *used;
    extents->ptr[extents->len++].author = index;
    author->free_name = *used;
    author->end_name = *used + size;
    *used += size + 1; /* names of two authors never follow on each other */
    return CRDT_OK;
}

/* Whose character that is. O(log extents). */
CRDTI_FN uint32_t crdti_name_author(const crdti_extents *extents,
                                    uint32_t name)
{
    size_t low = 0, high = extents->len;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (extents->ptr[middle].name <= name)
            low = middle;
        else
            high = middle;
    }
    return extents->ptr[low].author;
}

/* The insertion that the character came with; it is the author's. */
CRDTI_FN crdti_insertion *crdti_insertion_of(const crdti_author *author,
                                             uint32_t name)
{
    size_t low = 0, high = author->insertions.len;
    if (author->insertions.ptr[high - 1].name <= name) /* often the latest */
        return &author->insertions.ptr[high - 1];
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (author->insertions.ptr[middle].name <= name)
            low = middle;
        else
            high = middle;
    }
    return &author->insertions.ptr[low];
}

/* The place of the first insertion that ends at or behind `seq`. */
CRDTI_FN size_t crdti_insertion_place(const crdti_author *author, uint64_t seq)
{
    const crdti_insertion *ptr = author->insertions.ptr;
    size_t low = 0, high = author->insertions.len;
    if (high && ptr[high - 1].seq <= seq)
        return high - (ptr[high - 1].seq + ptr[high - 1].len > seq);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ptr[middle].seq + ptr[middle].len <= seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

CRDTI_INLINE uint32_t crdti_deletion_len(const crdti_deletion *deletion)
{
    return deletion->len & ~CRDTI_BACKWARDS;
}

/* The place of the first deletion that ends at or behind `seq`. */
CRDTI_FN size_t crdti_deletion_place(const crdti_author *author, uint64_t seq)
{
    const crdti_deletion *ptr = author->deletions.ptr;
    size_t low = 0, high = author->deletions.len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ptr[middle].seq + crdti_deletion_len(&ptr[middle]) <= seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The name of the character of that seq, or NO_CHAR. */
CRDTI_FN uint32_t crdti_seq_name(const crdti_author *author, uint64_t seq)
{
    size_t place = crdti_insertion_place(author, seq);
    const crdti_insertion *at;
    if (place == author->insertions.len)
        return CRDTI_NO_CHAR;
    at = &author->insertions.ptr[place];
    if (at->seq > seq)
        return CRDTI_NO_CHAR;
    return at->name + (uint32_t)(seq - at->seq);
}

/* How many characters the author has with seqs from `first` to `last`, and in
 * how many insertions. */
CRDTI_FN uint64_t crdti_author_count(const crdti_author *author,
                                     uint64_t first, uint64_t last,
                                     size_t *insertions)
{
    size_t start = crdti_insertion_place(author, first), i = start;
    uint64_t count = 0;
    for (; i < author->insertions.len; i++) {
        const crdti_insertion *at = &author->insertions.ptr[i];
        if (at->seq > last)
            break;
        count += crdti_min(at->seq + at->len - 1, last) -
                 crdti_max(at->seq, first) + 1;
    }
    *insertions = i - start;
    return count;
}

/* >>content --------------------------------------------------------------- */

/* Where the bytes of a character begin that is not gone. O(1) in ASCII; at
 * most CRDTI_WIDE_MAX steps elsewhere. */
CRDTI_FN const uint8_t *crdti_content_at(const crdti_author *author,
                                         const crdti_insertion *insertion,
                                         uint32_t name)
{
    const uint8_t *at = author->content.ptr + insertion->content;
    uint32_t skip = name - insertion->name;
    if (!insertion->more_bytes)
        return at + skip;
    for (; skip > 0; skip--)
        at += crdti_utf8_size(*at);
    return at;
}

/* How wide `len` characters of one insertion are, from `name` on. */
CRDTI_FN crdti_width crdti_content_width(const crdti_author *author,
                                         const crdti_insertion *insertion,
                                         uint32_t name, uint32_t len)
{
    crdti_width width;
    const uint8_t *at;
    uint32_t i;
    crdti_zero(&width, sizeof width);
    width.chars = len;
    if (!insertion->more_bytes)
        return width;
    width.more_bytes = insertion->more_bytes;
    width.more_units = insertion->more_units;
    if (len == insertion->len)
        return width;
    crdti_zero(&width, sizeof width);
    at = crdti_content_at(author, insertion, name);
    for (i = 0; i < len; i++, at += crdti_utf8_size(*at))
        crdti_width_add(&width, crdti_utf8_width(*at));
    return width;
}

/* The bytes of `len` characters of one insertion that are not gone. */
CRDTI_FN crdt_bytes crdti_content_bytes(const crdti_author *author,
                                        const crdti_insertion *insertion,
                                        uint32_t name, uint32_t len)
{
    return crdt_bytes_of(
        crdti_content_at(author, insertion, name),
        crdti_width_in(crdti_content_width(author, insertion, name, len),
                       CRDT_UTF8));
}

#endif
/* >> home.h */
/*
 * Homes: in which leaf of the span tree (span.h) a character is, by its name.
 *
 *     names   0..511   leaf 3        [ 0:3 | 512:7 | 530:3 | ... ]   a block
 *             512..529 leaf 7        [ 900:4 | ...               ]   the next
 *             530..    leaf 3
 *
 * An entry goes up to the next one. Entries lie in blocks, and the blocks in
 * one list, all of it sorted: finding is two binary searches, a change moves
 * one block at most.
 *
 * It is kept only where somebody needs it: edits by position do not. And it is
 * only an acceleration: where there is no memory for it, it is dropped, and
 * leaves are searched one by one until there is.
 */
#ifndef CRDTI_HOME_H
#define CRDTI_HOME_H


#define CRDTI_HOMES 62

typedef struct crdti_home_block {
    uint32_t len;
    uint32_t names[CRDTI_HOMES], leaves[CRDTI_HOMES];
} crdti_home_block;

typedef struct crdti_homes {
    CRDTI_ARRAY(crdti_home_block *) blocks; /* none is empty */
    uint8_t is_known;
} crdti_homes;

typedef struct crdti_home_at {
    size_t block;
    uint32_t at;
} crdti_home_at;

CRDTI_FN void crdti_homes_drop(const crdt_alloc *alloc, crdti_homes *homes)
{
    size_t i;
    for (i = 0; i < homes->blocks.len; i++)
        crdti_free(alloc, homes->blocks.ptr[i], sizeof(crdti_home_block));
    crdti_array_free(alloc, &homes->blocks);
    homes->is_known = 0;
}

/* The entry that the name belongs to. */
CRDTI_FN crdti_home_at crdti_home_find(const crdti_homes *homes, uint32_t name)
{
    size_t low = 0, high = homes->blocks.len;
    const crdti_home_block *last = homes->blocks.ptr[high - 1];
    uint32_t from = 0, to;
    crdti_home_at found;
    if (last->names[last->len - 1] <= name) { /* as when one types */
        found.block = high - 1;
        found.at = last->len - 1;
        return found;
    }
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (homes->blocks.ptr[middle]->names[0] <= name)
            low = middle;
        else
            high = middle;
    }
    to = homes->blocks.ptr[low]->len;
    while (to - from > 1) {
        uint32_t middle = from + (to - from) / 2;
        if (homes->blocks.ptr[low]->names[middle] <= name)
            from = middle;
        else
            to = middle;
    }
    found.block = low;
    found.at = from;
    return found;
}

CRDTI_FN uint32_t crdti_home_of(const crdti_homes *homes, uint32_t name)
{
    crdti_home_at found = crdti_home_find(homes, name);
    return homes->blocks.ptr[found.block]->leaves[found.at];
}

/* An empty block behind the i-th, or as the first. */
CRDTI_FN crdti_home_block *crdti_home_block_add(const crdt_alloc *alloc,
                                                crdti_homes *homes, size_t i)
{
    crdti_home_block *block;
    if (crdti_array_reserve(alloc, &homes->blocks, 1))
        return NULL;
    block = (crdti_home_block *)crdti_alloc(alloc, sizeof *block);
    if (!block)
        return NULL;
    block->len = 0;
    crdti_move(homes->blocks.ptr + i + 1, homes->blocks.ptr + i,
               (homes->blocks.len - i) * sizeof *homes->blocks.ptr);
    homes->blocks.ptr[i] = block;
    homes->blocks.len++;
    return block;
}

/* Moves the upper half of a full block into a new one; at the very end, where
 * most is added, only the last entry. */
CRDTI_FN crdt_err crdti_home_split(const crdt_alloc *alloc, crdti_homes *homes,
                                   crdti_home_at *at)
{
    int is_end = at->block + 1 == homes->blocks.len && at->at == CRDTI_HOMES;
    uint32_t keep = is_end ? CRDTI_HOMES - 1 : CRDTI_HOMES / 2;
    crdti_home_block *low, *high;
    high = crdti_home_block_add(alloc, homes, at->block + 1);
    if (!high)
        return CRDT_ERR_NOMEM;
    low = homes->blocks.ptr[at->block];
    high->len = low->len - keep;
    low->len = keep;
    crdti_copy(high->names, low->names + keep, high->len * sizeof(uint32_t));
    crdti_copy(high->leaves, low->leaves + keep, high->len * sizeof(uint32_t));
    if (at->at >= keep) {
        at->block++;
        at->at -= keep;
    }
    return CRDT_OK;
}

/* Puts an entry before that at `at`, which may be behind the last of a block;
 * `at` is then its place. */
CRDTI_FN crdt_err crdti_home_insert(const crdt_alloc *alloc,
                                    crdti_homes *homes, crdti_home_at *at,
                                    uint32_t name, uint32_t leaf)
{
    crdti_home_block *block = homes->blocks.ptr[at->block];
    uint32_t behind;
    if (block->len == CRDTI_HOMES) {
        if (crdti_home_split(alloc, homes, at))
            return CRDT_ERR_NOMEM;
        block = homes->blocks.ptr[at->block];
    }
    behind = block->len - at->at;
    crdti_move(block->names + at->at + 1, block->names + at->at,
               behind * sizeof(uint32_t));
    crdti_move(block->leaves + at->at + 1, block->leaves + at->at,
               behind * sizeof(uint32_t));
    block->names[at->at] = name;
    block->leaves[at->at] = leaf;
    block->len++;
    return CRDT_OK;
}

CRDTI_FN void crdti_home_remove(const crdt_alloc *alloc, crdti_homes *homes,
                                crdti_home_at at)
{
    crdti_home_block *block = homes->blocks.ptr[at.block];
    uint32_t behind = --block->len - at.at;
    if (block->len) {
        crdti_move(block->names + at.at, block->names + at.at + 1,
                   behind * sizeof(uint32_t));
        crdti_move(block->leaves + at.at, block->leaves + at.at + 1,
                   behind * sizeof(uint32_t));
        return;
    }
    crdti_free(alloc, block, sizeof *block);
    homes->blocks.len--;
    crdti_move(homes->blocks.ptr + at.block, homes->blocks.ptr + at.block + 1,
               (homes->blocks.len - at.block) * sizeof *homes->blocks.ptr);
}

/* The entry behind `at`; whether there is one. */
CRDTI_FN int crdti_home_next(const crdti_homes *homes, crdti_home_at *at)
{
    if (at->at + 1 < homes->blocks.ptr[at->block]->len) {
        at->at++;
        return 1;
    }
    if (at->block + 1 == homes->blocks.len)
        return 0;
    at->block++;
    at->at = 0;
    return 1;
}

/* The names from `name` up to `end` are in that leaf now. */
CRDTI_FN crdt_err crdti_home_change(const crdt_alloc *alloc,
                                    crdti_homes *homes, uint32_t name,
                                    uint32_t end, uint32_t leaf)
{
    crdti_home_at at = crdti_home_find(homes, name), next = at;
    const crdti_home_block *block = homes->blocks.ptr[at.block];
    uint32_t behind = block->leaves[at.at];
    int has_end = 0;
    /* What begins in between goes; the last of it may go on behind the end. */
    while (crdti_home_next(homes, &next)) {
        block = homes->blocks.ptr[next.block];
        has_end = block->names[next.at] == end;
        if (block->names[next.at] >= end)
            break;
        behind = block->leaves[next.at];
        crdti_home_remove(alloc, homes, next);
        next = at;
    }
    block = homes->blocks.ptr[at.block];
    if (block->names[at.at] == name && at.at &&
        block->leaves[at.at - 1] == leaf) {
        /* The entry before goes on, as when one types. */
        if (has_end || behind == leaf) {
            crdti_home_remove(alloc, homes, at);
        } else {
            homes->blocks.ptr[at.block]->names[at.at] = end;
            homes->blocks.ptr[at.block]->leaves[at.at] = behind;
        }
        return CRDT_OK;
    }
    if (block->names[at.at] == name) {
        homes->blocks.ptr[at.block]->leaves[at.at] = leaf;
    } else if (block->leaves[at.at] != leaf) {
        at.at++;
        if (crdti_home_insert(alloc, homes, &at, name, leaf))
            return CRDT_ERR_NOMEM;
    }
    if (has_end || behind == leaf)
        return CRDT_OK;
    at.at++;
    return crdti_home_insert(alloc, homes, &at, end, behind);
}

/* Whether they go on with the last entry, as when one types. */
CRDTI_INLINE int crdti_home_goes_on(const crdti_homes *homes, uint32_t name,
                                    uint32_t leaf)
{
    const crdti_home_block *last = homes->blocks.ptr[homes->blocks.len - 1];
    uint32_t at = last->len - 1;
    return last->names[at] <= name && last->leaves[at] == leaf;
}

/* The same, for who can go on without. */
CRDTI_FN void crdti_home_set(const crdt_alloc *alloc, crdti_homes *homes,
                             uint32_t name, uint32_t len, uint32_t leaf)
{
    if (!homes->is_known || crdti_home_goes_on(homes, name, leaf))
        return;
    if (crdti_home_change(alloc, homes, name, name + len, leaf))
        crdti_homes_drop(alloc, homes);
}

/* Appends: names must come in order. */
CRDTI_FN crdt_err crdti_home_push(const crdt_alloc *alloc, crdti_homes *homes,
                                  uint32_t name, uint32_t leaf)
{
    size_t count = homes->blocks.len;
    crdti_home_block *block = count ? homes->blocks.ptr[count - 1] : NULL;
    if (block && block->leaves[block->len - 1] == leaf)
        return CRDT_OK;
    if (!block || block->len == CRDTI_HOMES)
        block = crdti_home_block_add(alloc, homes, count);
    if (!block)
        return CRDT_ERR_NOMEM;
    block->names[block->len] = name;
    block->leaves[block->len++] = leaf;
    return CRDT_OK;
}

/* >>all at once ----------------------------------------------------------- */

typedef struct crdti_home_entry {
    uint32_t name, leaf;
} crdti_home_entry;

enum { CRDTI_HOME_DIGIT = 8 };

/* By name, all of them up to `most`, through `spare`, which has as much room:
 * digit by digit, as comparing would take longer than all the rest. Where they
 * are then. */
CRDTI_FN crdti_home_entry *crdti_home_sort(crdti_home_entry *entries,
                                           crdti_home_entry *spare, size_t len,
                                           uint32_t most)
{
    uint32_t ends[1u << CRDTI_HOME_DIGIT], shift, digit, sum, count;
    size_t i;
    for (shift = 0; shift < 32 && most >> shift; shift += CRDTI_HOME_DIGIT) {
        crdti_home_entry *sorted = spare;
        const uint32_t mask = (1u << CRDTI_HOME_DIGIT) - 1;
        crdti_zero(ends, sizeof ends);
        for (i = 0; i < len; i++)
            ends[entries[i].name >> shift & mask]++;
        for (digit = sum = 0; digit <= mask; digit++) {
            count = ends[digit];
            ends[digit] = sum;
            sum += count;
        }
        for (i = 0; i < len; i++)
            sorted[ends[entries[i].name >> shift & mask]++] = entries[i];
        spare = entries;
        entries = sorted;
    }
    return entries;
}

#endif
/* >> span.h */
/*
 * The order of a sequence: spans of characters in a B-tree.
 *
 *     fork           [ 57 | 31 ]            how much of it is visible
 *                     /      \
 *     leaf   [ 5..9 | 40..99 | -10..12 ]  [ 0..4 | ... ]
 *
 * A span is characters whose names follow on each other, of one author, that
 * stand side by side; "-": hidden, which is deleted. So it is 8 bytes; what
 * else there is to know of characters (whose, after which, their bytes) is
 * with the authors (author.h), once for what was typed at a stretch.
 *
 * Visible spans do not cross insertions where they are *wide* (not ASCII), so
 * that the widest step to take in one is CRDTI_WIDE_MAX.
 *
 * Changes of width in one leaf are *open*: they are taken up into the forks
 * when another leaf changes, or the forks are asked. So typing climbs once for
 * many characters.
 */
#ifndef CRDTI_SPAN_H
#define CRDTI_SPAN_H


#define CRDTI_LEAF_SPANS 29
#define CRDTI_FORK_SLOTS 30

#define CRDTI_HIDDEN 0x80000000u
#define CRDTI_WIDE 0x40000000u
#define CRDTI_SPAN_LEN 0x1fffffffu

typedef struct crdti_leaf {
    uint32_t parent, prev, next;
    uint16_t len;
    uint8_t is_hashed;
    uint64_t hash; /* of what is visible, when is_hashed */
    uint32_t names[CRDTI_LEAF_SPANS];
    uint32_t lens[CRDTI_LEAF_SPANS]; /* and flags */
} crdti_leaf;

typedef struct crdti_fork {
    uint32_t parent, len;
    uint32_t children[CRDTI_FORK_SLOTS];
    crdti_width widths[CRDTI_FORK_SLOTS];
} crdti_fork;

/* A place between characters: behind `off` characters of span `at`. */
typedef struct crdti_spot {
    uint32_t leaf, at, off;
} crdti_spot;

typedef struct crdti_sequence {
    uint32_t object;
    uint32_t authors; /* list */
    uint32_t own;     /* author of own changes, of that replica */
    uint32_t own_replica;
    crdti_extents extents;
    uint32_t names_used;
    uint32_t root, height; /* 0: the root is a leaf */
    uint32_t first;        /* leaf */
    crdti_width total;     /* visible */
    uint32_t open_leaf;    /* whose forks lack `open` */
    crdti_width open;
    crdti_homes homes;
    crdti_spot cursor;     /* where the last edit was */
    uint32_t cursor_chars; /* visible before it */
    uint8_t cursor_is_known;
    /* Keystrokes at the cursor that go on with the last insertion, or with the
     * last deletion backwards, are filed together, when something else is
     * asked (text.h): */
    uint32_t room;       /* how many more there may be, */
    uint32_t room_ahead; /* how many deletions forwards instead, */
    uint32_t ahead;      /* how many of these there were, */
    uint32_t type_at;    /* where the cursor is with them, in characters, */
    uint8_t *type_to; /* where the next goes in the content; NULL: deletions */
    uint64_t typed;   /* as long as the document has written that much */
    uint8_t is_met;   /* by the delta that is joined */
    uint8_t is_hashed;
    uint8_t is_list;
    uint8_t is_bare; /* a list that a join has laid out and not shown yet */
    uint32_t held;   /* of a list: positions that leaves are held for */
    uint64_t changes;
    crdti_ivset born, died; /* names, since the watcher was told */
    uint64_t *old;          /* a bit by name: see old.h; NULL: none */
    size_t old_words;
    uint32_t old_floors; /* doc->floors when they were found */
    uint32_t prev_sequence, next_sequence; /* of the document */
    crdt_digest digest; /* its share of the document's, when is_hashed */
} crdti_sequence;

CRDTI_INLINE crdti_leaf *crdti_leaf_at(const crdt_doc *doc, uint32_t index)
{
    return CRDTI_POOL_AT(crdti_leaf, &doc->leaves, index);
}

CRDTI_INLINE crdti_fork *crdti_fork_at(const crdt_doc *doc, uint32_t index)
{
    return CRDTI_POOL_AT(crdti_fork, &doc->forks, index);
}

CRDTI_INLINE uint32_t crdti_span_len(const crdti_leaf *leaf, uint32_t at)
{
    return leaf->lens[at] & CRDTI_SPAN_LEN;
}

/* How many characters of it are visible: all, or none. */
CRDTI_INLINE uint32_t crdti_span_shown(const crdti_leaf *leaf, uint32_t at)
{
    uint32_t len = leaf->lens[at];
    return len & CRDTI_HIDDEN ? 0 : len & CRDTI_SPAN_LEN;
}

/* >>widths ---------------------------------------------------------------- */

CRDTI_FN crdti_width crdti_name_width(const crdt_doc *doc,
                                      const crdti_sequence *s, uint32_t name,
                                      uint32_t len)
{
    const crdti_author *author =
        crdti_author_at(doc, crdti_name_author(&s->extents, name));
    return crdti_content_width(author, crdti_insertion_of(author, name), name,
                               len);
}

/* Of `len` characters with those flags. */
CRDTI_INLINE crdti_width crdti_width_of(const crdt_doc *doc,
                                        const crdti_sequence *s, uint32_t name,
                                        uint32_t len, uint32_t flags)
{
    crdti_width width;
    if (CRDTI_UNLIKELY((flags & (CRDTI_WIDE | CRDTI_HIDDEN)) == CRDTI_WIDE))
        return crdti_name_width(doc, s, name, len);
    crdti_zero(&width, sizeof width);
    width.chars = flags & CRDTI_HIDDEN ? 0 : len;
    return width;
}

CRDTI_FN crdti_width crdti_span_width(const crdt_doc *doc,
                                      const crdti_sequence *s,
                                      const crdti_leaf *leaf, uint32_t at)
{
    return crdti_width_of(doc, s, leaf->names[at], crdti_span_len(leaf, at),
                          leaf->lens[at]);
}

CRDTI_FN crdti_width crdti_leaf_width(const crdt_doc *doc,
                                      const crdti_sequence *s,
                                      const crdti_leaf *leaf)
{
    crdti_width sum;
    uint32_t i;
    crdti_zero(&sum, sizeof sum);
    for (i = 0; i < leaf->len; i++)
        crdti_width_add(&sum, crdti_span_width(doc, s, leaf, i));
    return sum;
}

CRDTI_FN uint32_t crdti_fork_slot(const crdti_fork *fork, uint32_t child)
{
    uint32_t i = 0;
    while (fork->children[i] != child)
        i++;
    return i;
}

/* Takes up into the forks what is open. */
CRDTI_FN void crdti_widths_close(crdt_doc *doc, crdti_sequence *s)
{
    uint32_t child = s->open_leaf, at;
    if (!child)
        return;
    s->open_leaf = 0;
    for (at = crdti_leaf_at(doc, child)->parent; at;
         child = at, at = crdti_fork_at(doc, at)->parent) {
        crdti_fork *fork = crdti_fork_at(doc, at);
        crdti_width_add(&fork->widths[crdti_fork_slot(fork, child)], s->open);
    }
    crdti_zero(&s->open, sizeof s->open);
}

/* The width of the leaf has changed by so much. */
CRDTI_INLINE void crdti_widths_open(crdt_doc *doc, crdti_sequence *s,
                                    uint32_t leaf)
{
    crdti_leaf_at(doc, leaf)->is_hashed = 0;
    s->is_hashed = 0;
    s->changes++;
    if (CRDTI_LIKELY(s->open_leaf == leaf))
        return;
    crdti_widths_close(doc, s);
    s->open_leaf = leaf;
}

CRDTI_INLINE void crdti_widths_grow(crdt_doc *doc, crdti_sequence *s,
                                    uint32_t leaf, crdti_width by)
{
    crdti_widths_open(doc, s, leaf);
    crdti_width_add(&s->open, by);
    crdti_width_add(&s->total, by);
}

CRDTI_INLINE void crdti_widths_shrink(crdt_doc *doc, crdti_sequence *s,
                                      uint32_t leaf, crdti_width by)
{
    crdti_widths_open(doc, s, leaf);
    crdti_width_subtract(&s->open, by);
    crdti_width_subtract(&s->total, by);
}

/* >>for the watcher ------------------------------------------------------- */

CRDTI_FN void crdti_news_add(crdt_doc *doc, crdti_ivset *news, uint32_t name,
                             uint32_t len)
{
    if (crdti_ivset_add(&doc->alloc, news, name, name + UINT64_C(0) + len - 1))
        doc->watch->is_lost = 1;
}

/* Characters appear, or disappear. In lists that may be again and again, one
 * at a time: `born` says that it was not there at first. */
CRDTI_INLINE void crdti_news_born(crdt_doc *doc, crdti_sequence *s,
                                  uint32_t name, uint32_t len)
{
    if (CRDTI_UNLIKELY(doc->watch != NULL) && !crdti_ivset_has(&s->died, name))
        crdti_news_add(doc, &s->born, name, len);
}

CRDTI_INLINE void crdti_news_died(crdt_doc *doc, crdti_sequence *s,
                                  uint32_t name, uint32_t len)
{
    if (CRDTI_UNLIKELY(doc->watch != NULL))
        crdti_news_add(doc, &s->died, name, len);
}

CRDTI_FN void crdti_news_clear(const crdt_alloc *alloc, crdti_sequence *s)
{
    crdti_ivset_free(alloc, &s->born);
    crdti_ivset_free(alloc, &s->died);
}

/* >>holding ---------------------------------------------------------------
 * What a list shows changes with its elements, wherever and by whomever those
 * are written, and then nothing may fail. So a list holds memory for all the
 * leaves that it may ever be cut into: a leaf is split when it is full, and all
 * of them but the last then have CRDTI_LEAF_LEAST spans, which is as many
 * positions; and a position stays in its leaf. */

#define CRDTI_LEAF_LEAST 14u
#define CRDTI_LEAF_ONLY 26u /* positions that are one leaf for certain */

/* How many leaves besides the first, and how many forks. All but the last of
 * each level have half of their children at least. */
CRDTI_FN size_t crdti_leaves_most(uint32_t positions)
{
    return positions > CRDTI_LEAF_ONLY ? positions / CRDTI_LEAF_LEAST : 0;
}

CRDTI_FN size_t crdti_forks_most(size_t leaves)
{
    size_t most = 0;
    while (leaves) {
        leaves /= CRDTI_FORK_SLOTS / 2;
        most += leaves + 1;
    }
    return most;
}

/* What more is to be held for `count` positions more. */
CRDTI_FN size_t crdti_leaves_more(const crdti_sequence *s, uint32_t count)
{
    return crdti_leaves_most(s->held + count) - crdti_leaves_most(s->held);
}

CRDTI_FN size_t crdti_forks_more(const crdti_sequence *s, uint32_t count)
{
    return crdti_forks_most(crdti_leaves_most(s->held + count)) -
           crdti_forks_most(crdti_leaves_most(s->held));
}

/* Memory for so many beside what is held. */
CRDTI_FN crdt_err crdti_nodes_reserve(crdt_doc *doc, size_t leaves,
                                      size_t forks)
{
    crdt_err err = crdti_pool_reserve(&doc->alloc, &doc->leaves,
                                      doc->held_leaves + leaves);
    return err ? err
               : crdti_pool_reserve(&doc->alloc, &doc->forks,
                                    doc->held_forks + forks);
}

/* Memory for positions of a list, and to show and hide them ever after. */
CRDTI_FN crdt_err crdti_positions_reserve(crdt_doc *doc,
                                          const crdti_sequence *s,
                                          uint32_t count)
{
    return crdti_nodes_reserve(doc, crdti_leaves_more(s, count),
                               crdti_forks_more(s, count));
}

/* Positions come; that is reserved. */
CRDTI_FN void crdti_positions_hold(crdt_doc *doc, crdti_sequence *s,
                                   uint32_t count)
{
    doc->held_leaves += crdti_leaves_more(s, count);
    doc->held_forks += crdti_forks_more(s, count);
    s->held += count;
}

CRDTI_FN uint32_t crdti_leaf_take(crdt_doc *doc, const crdti_sequence *s)
{
    doc->held_leaves -= s->is_list;
    return crdti_pool_take(&doc->leaves);
}

CRDTI_FN uint32_t crdti_fork_take(crdt_doc *doc, const crdti_sequence *s)
{
    doc->held_forks -= s->is_list;
    return crdti_pool_take(&doc->forks);
}

CRDTI_FN void crdti_leaf_give(crdt_doc *doc, const crdti_sequence *s,
                              uint32_t leaf)
{
    doc->held_leaves += s->is_list;
    crdti_pool_give(&doc->leaves, leaf);
}

CRDTI_FN void crdti_fork_give(crdt_doc *doc, const crdti_sequence *s,
                              uint32_t fork)
{
    doc->held_forks += s->is_list;
    crdti_pool_give(&doc->forks, fork);
}

/* Nothing is held any more: all leaves are given back but the first, which is
 * not one of those. */
CRDTI_FN void crdti_positions_release(crdt_doc *doc, crdti_sequence *s)
{
    size_t leaves = crdti_leaves_most(s->held);
    doc->held_leaves -= leaves;
    doc->held_forks -= crdti_forks_most(leaves);
    s->held = 0;
}

/* >>splitting ------------------------------------------------------------- */

/* Memory for `count` calls, in that many trees of that height, of
 * crdti_span_put or crdti_span_hide; of the latter only those that cut a span
 * count. What splits is half full then, and takes half a dozen of them before
 * it splits again. */
CRDTI_FN crdt_err crdti_spans_reserve_at(crdt_doc *doc, uint32_t height,
                                         size_t trees, size_t count)
{
    size_t leaves = crdti_min_size(count, doc->leaves.live + count / 6 + 1);
    size_t forks = crdti_min_size(leaves * (height + 1),
                                  doc->forks.live + leaves / 14 + 1) +
                   crdti_min_size(trees, count) * 2;
    return crdti_nodes_reserve(doc, leaves + 1, forks + height + 1);
}

CRDTI_INLINE crdt_err crdti_spans_reserve(crdt_doc *doc,
                                          const crdti_sequence *s,
                                          size_t count)
{
    return crdti_spans_reserve_at(doc, s->height, 1, count);
}

CRDTI_FN void crdti_set_parent(crdt_doc *doc, uint32_t level, uint32_t child,
                               uint32_t parent)
{
    if (level)
        crdti_fork_at(doc, child)->parent = parent;
    else
        crdti_leaf_at(doc, child)->parent = parent;
}

CRDTI_FN uint32_t crdti_parent(const crdt_doc *doc, uint32_t level,
                               uint32_t child)
{
    return level ? crdti_fork_at(doc, child)->parent
                 : crdti_leaf_at(doc, child)->parent;
}

/* A new root above the old one. */
CRDTI_FN void crdti_root_raise(crdt_doc *doc, crdti_sequence *s)
{
    uint32_t index = crdti_fork_take(doc, s);
    crdti_fork *root = crdti_fork_at(doc, index);
    root->len = 1;
    root->children[0] = s->root;
    root->widths[0] = s->total;
    crdti_set_parent(doc, s->height, s->root, index);
    s->root = index;
    s->height++;
}

/* Moves the upper part of a full fork into a new one and returns it. */
CRDTI_FN uint32_t crdti_fork_split(crdt_doc *doc, const crdti_sequence *s,
                                   uint32_t level, uint32_t index,
                                   uint32_t keep, crdti_width *moved)
{
    uint32_t other = crdti_fork_take(doc, s), i;
    crdti_fork *low = crdti_fork_at(doc, index);
    crdti_fork *high = crdti_fork_at(doc, other);
    high->len = low->len - keep;
    low->len = keep;
    crdti_zero(moved, sizeof *moved);
    for (i = 0; i < high->len; i++) {
        high->children[i] = low->children[keep + i];
        high->widths[i] = low->widths[keep + i];
        crdti_width_add(moved, high->widths[i]);
        crdti_set_parent(doc, level - 1, high->children[i], other);
    }
    return other;
}

/* Files `other`, which has taken over `moved` of `child`, behind it. */
CRDTI_FN void crdti_fork_put(crdt_doc *doc, crdti_sequence *s, uint32_t level,
                             uint32_t child, uint32_t other, crdti_width moved,
                             int is_end)
{
    uint32_t parent, place;
    crdti_fork *fork;
    if (level == s->height)
        crdti_root_raise(doc, s);
    parent = crdti_parent(doc, level, child);
    fork = crdti_fork_at(doc, parent);
    place = crdti_fork_slot(fork, child);
    if (fork->len == CRDTI_FORK_SLOTS) {
        crdti_width up;
        /* At the very end, where documents grow, the rest stays full. */
        uint32_t keep = is_end ? fork->len - 1 : fork->len / 2;
        uint32_t high = crdti_fork_split(doc, s, level + 1, parent, keep, &up);
        crdti_fork_put(doc, s, level + 1, parent, high, up, is_end);
        if (place >= keep) {
            place -= keep;
            parent = high;
        }
        fork = crdti_fork_at(doc, parent);
    }
    crdti_move(fork->children + place + 2, fork->children + place + 1,
               (fork->len - place - 1) * sizeof *fork->children);
    crdti_move(fork->widths + place + 2, fork->widths + place + 1,
               (fork->len - place - 1) * sizeof *fork->widths);
    fork->len++;
    fork->children[place + 1] = other;
    fork->widths[place + 1] = moved;
    crdti_width_subtract(&fork->widths[place], moved);
    crdti_set_parent(doc, level, other, parent);
}

/* Makes room for two spans at the spot, which moves along. */
CRDTI_FN void crdti_leaf_split(crdt_doc *doc, crdti_sequence *s,
                               crdti_spot *spot)
{
    uint32_t other = crdti_leaf_take(doc, s), i;
    crdti_leaf *low = crdti_leaf_at(doc, spot->leaf);
    crdti_leaf *high = crdti_leaf_at(doc, other);
    uint32_t keep =
        !low->next && spot->at + 1 >= low->len ? low->len - 2u : low->len / 2u;
    high->len = (uint16_t)(low->len - keep);
    low->len = (uint16_t)keep;
    crdti_copy(high->names, low->names + keep, high->len * sizeof(uint32_t));
    crdti_copy(high->lens, low->lens + keep, high->len * sizeof(uint32_t));
    high->prev = spot->leaf;
    high->next = low->next;
    low->next = other;
    low->is_hashed = 0;
    if (high->next)
        crdti_leaf_at(doc, high->next)->prev = other;
    for (i = 0; s->homes.is_known && i < high->len; i++)
        crdti_home_set(&doc->alloc, &s->homes, high->names[i],
                       crdti_span_len(high, i), other);
    crdti_widths_close(doc, s);
    crdti_fork_put(doc, s, 0, spot->leaf, other,
                   crdti_leaf_width(doc, s, high), !high->next);
    if (spot->at >= keep) {
        spot->leaf = other;
        spot->at -= keep;
    }
}

CRDTI_INLINE void crdti_leaf_room(crdt_doc *doc, crdti_sequence *s,
                                  crdti_spot *spot)
{
    if (crdti_leaf_at(doc, spot->leaf)->len > CRDTI_LEAF_SPANS - 2)
        crdti_leaf_split(doc, s, spot);
}

CRDTI_INLINE void crdti_leaf_shift(crdti_leaf *leaf, uint32_t from,
                                   uint32_t to)
{
    uint32_t behind = leaf->len - from;
    crdti_move(leaf->names + to, leaf->names + from,
               behind * sizeof(uint32_t));
    crdti_move(leaf->lens + to, leaf->lens + from, behind * sizeof(uint32_t));
    leaf->len = (uint16_t)(leaf->len + to - from);
}

/* Puts new characters at the spot, which is behind them then. `goes_on`: they
 * go on with the span that ends there. Cannot fail. */
CRDTI_FN void crdti_span_put(crdt_doc *doc, crdti_sequence *s,
                             crdti_spot *spot, uint32_t name, uint32_t lens,
                             int goes_on)
{
    uint32_t len = lens & CRDTI_SPAN_LEN, whole;
    crdti_leaf *leaf;
    crdti_leaf_room(doc, s, spot);
    leaf = crdti_leaf_at(doc, spot->leaf);
    whole = leaf->len ? crdti_span_len(leaf, spot->at) : 0;
    if (goes_on) {
        leaf->lens[spot->at] += len;
        spot->off += len;
    } else {
        if (spot->off > 0 && spot->off < whole) {
            uint32_t flags = leaf->lens[spot->at] & ~CRDTI_SPAN_LEN;
            crdti_leaf_shift(leaf, spot->at, spot->at + 2);
            leaf->names[spot->at] = leaf->names[spot->at + 2];
            leaf->lens[spot->at] = spot->off | flags;
            leaf->names[spot->at + 2] += spot->off;
            leaf->lens[spot->at + 2] -= spot->off;
            spot->at++;
        } else {
            spot->at += spot->off > 0;
            crdti_leaf_shift(leaf, spot->at, spot->at + 1);
        }
        leaf->names[spot->at] = name;
        leaf->lens[spot->at] = lens;
        spot->off = len;
    }
    crdti_home_set(&doc->alloc, &s->homes, name, len, spot->leaf);
    crdti_widths_grow(doc, s, spot->leaf,
                      crdti_width_of(doc, s, name, len, lens));
    if (!(lens & CRDTI_HIDDEN))
        crdti_news_born(doc, s, name, len);
}

/* >>hiding ---------------------------------------------------------------- */

/* Whether span at + 1 is hidden too and goes on with span `at`. */
CRDTI_FN int crdti_hidden_goes_on(const crdti_leaf *leaf, uint32_t at)
{
    return at + 1u < leaf->len && leaf->lens[at] & CRDTI_HIDDEN &&
           leaf->lens[at + 1] & CRDTI_HIDDEN &&
           leaf->names[at] + crdti_span_len(leaf, at) == leaf->names[at + 1];
}

/* Merges a hidden span with the hidden one behind it where they go on. */
CRDTI_FN void crdti_hidden_merge(crdti_leaf *leaf, uint32_t at)
{
    if (!crdti_hidden_goes_on(leaf, at))
        return;
    leaf->lens[at] += crdti_span_len(leaf, at + 1);
    crdti_leaf_shift(leaf, at + 2, at + 1);
}

/* Cuts the span so that one begins `off` behind its beginning. */
CRDTI_FN void crdti_span_cut(crdti_leaf *leaf, uint32_t at, uint32_t off)
{
    uint32_t flags = leaf->lens[at] & ~CRDTI_SPAN_LEN;
    crdti_leaf_shift(leaf, at, at + 1);
    leaf->lens[at] = off | flags;
    leaf->names[at + 1] += off;
    leaf->lens[at + 1] -= off;
}

/* Hides up to `most` visible characters behind the spot, as far as the span
 * goes; the spot stays before them. How many. Cannot fail. */
CRDTI_FN uint32_t crdti_span_hide(crdt_doc *doc, crdti_sequence *s,
                                  crdti_spot *spot, uint32_t most)
{
    crdti_leaf *leaf;
    uint32_t at, off = spot->off;
    uint32_t count =
        crdti_span_len(crdti_leaf_at(doc, spot->leaf), spot->at) - off;
    if (off > 0 || count > most) /* a whole span takes no room */
        crdti_leaf_room(doc, s, spot);
    leaf = crdti_leaf_at(doc, spot->leaf);
    at = spot->at;
    if (count > most)
        count = most;
    crdti_widths_shrink(
        doc, s, spot->leaf,
        crdti_width_of(doc, s, leaf->names[at] + off, count, leaf->lens[at]));
    crdti_news_died(doc, s, leaf->names[at] + off, count);
    if (off + count < crdti_span_len(leaf, at))
        crdti_span_cut(leaf, at, off + count);
    if (off > 0)
        crdti_span_cut(leaf, at++, off);
    leaf->lens[at] = count | CRDTI_HIDDEN;
    crdti_hidden_merge(leaf, at);
    if (off == 0 && at > 0 && crdti_hidden_goes_on(leaf, at - 1)) {
        spot->at = at - 1;
        spot->off = crdti_span_len(leaf, at - 1);
        crdti_hidden_merge(leaf, at - 1);
    }
    return count;
}

/* Merges a visible span with the visible one behind it where they go on, as
 * only those of lists may: none of them is wide. */
CRDTI_FN void crdti_shown_merge(crdti_leaf *leaf, uint32_t at)
{
    if (at + 1u >= leaf->len ||
        (leaf->lens[at] | leaf->lens[at + 1]) & ~CRDTI_SPAN_LEN ||
        leaf->names[at] + leaf->lens[at] != leaf->names[at + 1])
        return;
    leaf->lens[at] += leaf->lens[at + 1];
    crdti_leaf_shift(leaf, at + 2, at + 1);
}

/* Shows up to `most` hidden characters behind the spot, as far as the span
 * goes: of a list, never of a text. The spot stays before them. How many.
 * Cannot fail. */
CRDTI_FN uint32_t crdti_span_show(crdt_doc *doc, crdti_sequence *s,
                                  crdti_spot *spot, uint32_t most)
{
    crdti_leaf *leaf;
    crdti_width width = { 0, 0, 0 };
    crdti_leaf_room(doc, s, spot);
    leaf = crdti_leaf_at(doc, spot->leaf);
    width.chars = crdti_span_len(leaf, spot->at) - spot->off;
    width.chars = (uint32_t)crdti_min(width.chars, most);
    crdti_news_born(doc, s, leaf->names[spot->at] + spot->off, width.chars);
    if (spot->off + width.chars < crdti_span_len(leaf, spot->at))
        crdti_span_cut(leaf, spot->at, spot->off + width.chars);
    if (spot->off > 0)
        crdti_span_cut(leaf, spot->at++, spot->off);
    spot->off = 0;
    leaf->lens[spot->at] = width.chars;
    crdti_shown_merge(leaf, spot->at);
    if (spot->at > 0) {
        uint32_t len = leaf->len, before = leaf->lens[spot->at - 1];
        crdti_shown_merge(leaf, spot->at - 1);
        if (leaf->len < len) {
            spot->at--;
            spot->off = before;
        }
    }
    crdti_widths_grow(doc, s, spot->leaf, width);
    return width.chars;
}

/* >>finding --------------------------------------------------------------- */

CRDTI_INLINE uint32_t crdti_width_of_unit(crdti_width width, crdt_unit unit)
{
    return (uint32_t)crdti_width_in(width, unit);
}

/* The span of the leaf with that character in it. */
CRDTI_INLINE int crdti_leaf_find(const crdti_leaf *leaf, uint32_t name,
                                 crdti_spot *spot)
{
    uint32_t i;
    for (i = 0; i < leaf->len; i++)
        if (name - leaf->names[i] < crdti_span_len(leaf, i)) {
            spot->at = i;
            spot->off = name - leaf->names[i];
            return 1;
        }
    return 0;
}

/* The spot before a character that is there. O(log n); without the homes
 * O(n). */
CRDTI_FN crdti_spot crdti_spot_of(const crdt_doc *doc, const crdti_sequence *s,
                                  uint32_t name)
{
    crdti_spot spot = { 0, 0, 0 };
    spot.leaf = s->cursor.leaf; /* often near the last one */
    if (spot.leaf &&
        crdti_leaf_find(crdti_leaf_at(doc, spot.leaf), name, &spot))
        return spot;
    spot.leaf = s->homes.is_known ? crdti_home_of(&s->homes, name) : s->first;
    while (!crdti_leaf_find(crdti_leaf_at(doc, spot.leaf), name, &spot))
        spot.leaf = crdti_leaf_at(doc, spot.leaf)->next;
    return spot;
}

CRDTI_FN size_t crdti_spans_count(const crdt_doc *doc, const crdti_sequence *s)
{
    size_t count = 0;
    uint32_t leaf;
    for (leaf = s->first; leaf; leaf = crdti_leaf_at(doc, leaf)->next)
        count += crdti_leaf_at(doc, leaf)->len;
    return count;
}

/* Homes for all spans, of which there are `count`; of `entries` there is room
 * for twice as many. */
CRDTI_FN crdt_err crdti_homes_fill(crdt_doc *doc, crdti_sequence *s,
                                   crdti_home_entry *entries, size_t count)
{
    size_t len = 0;
    uint32_t leaf, i;
    crdt_err err = CRDT_OK;
    for (leaf = s->first; leaf; leaf = crdti_leaf_at(doc, leaf)->next)
        for (i = 0; i < crdti_leaf_at(doc, leaf)->len; i++) {
            entries[len].name = crdti_leaf_at(doc, leaf)->names[i];
            entries[len++].leaf = leaf;
        }
    entries = crdti_home_sort(entries, entries + count, count, s->names_used);
    if (!count || entries[0].name)
        err = crdti_home_push(&doc->alloc, &s->homes, 0, s->first);
    for (len = 0; len < count && !err; len++)
        err = crdti_home_push(&doc->alloc, &s->homes, entries[len].name,
                              entries[len].leaf);
    return err;
}

/* Has the homes known. NOMEM: they are not, and all is slower. */
CRDTI_FN void crdti_homes_make(crdt_doc *doc, crdti_sequence *s)
{
    crdti_home_entry *entries;
    size_t count, size;
    if (s->homes.is_known)
        return;
    count = crdti_spans_count(doc, s);
    size = crdti_mul_size(count + 1, 2 * sizeof *entries);
    entries = (crdti_home_entry *)crdti_alloc(&doc->alloc, size);
    s->homes.is_known = entries && !crdti_homes_fill(doc, s, entries, count);
    crdti_free(&doc->alloc, entries, size);
    if (!s->homes.is_known)
        crdti_homes_drop(&doc->alloc, &s->homes);
}

/* >>seeking --------------------------------------------------------------- */

/* The child of the fork that unit `*left` ends in; what is before it goes off
 * `*left` and on `*before`. */
CRDTI_INLINE uint32_t crdti_fork_seek(const crdti_fork *fork, crdt_unit unit,
                                      uint32_t *left, uint32_t *before)
{
    uint32_t i = 0;
    if (unit == CRDT_CHARS) {
        uint32_t from = *left;
        while (i + 1 < fork->len && fork->widths[i].chars < *left)
            *left -= fork->widths[i++].chars;
        *before += from - *left;
        return fork->children[i];
    }
    for (; i + 1 < fork->len; i++) {
        uint32_t width = crdti_width_of_unit(fork->widths[i], unit);
        if (width >= *left)
            break;
        *left -= width;
        *before += fork->widths[i].chars;
    }
    return fork->children[i];
}

/* How many characters of the span make `units` of its units; *left is what
 * does not come out even. */
CRDTI_FN uint32_t crdti_span_seek(const crdt_doc *doc, const crdti_sequence *s,
                                  const crdti_leaf *leaf, uint32_t at,
                                  crdt_unit unit, uint32_t *left)
{
    uint32_t name = leaf->names[at], off = 0;
    const crdti_author *author;
    const uint8_t *bytes;
    if (unit == CRDT_CHARS || !(leaf->lens[at] & CRDTI_WIDE)) {
        off = *left;
        *left = 0;
        return off;
    }
    author = crdti_author_at(doc, crdti_name_author(&s->extents, name));
    bytes = crdti_content_at(author, crdti_insertion_of(author, name), name);
    for (; *left; off++, bytes += crdti_utf8_size(*bytes)) {
        uint32_t width = crdti_width_of_unit(crdti_utf8_width(*bytes), unit);
        if (width > *left)
            break;
        *left -= width;
    }
    return off;
}

/* In a leaf: the spot behind the character that ends at unit `left`, which is
 * not 0. ARG: that is within one. */
CRDTI_FN crdt_err crdti_leaf_seek(const crdt_doc *doc, const crdti_sequence *s,
                                  crdt_unit unit, uint32_t left,
                                  crdti_spot *spot, uint32_t *before)
{
    const crdti_leaf *leaf = crdti_leaf_at(doc, spot->leaf);
    uint32_t i = 0;
    if (unit == CRDT_CHARS) {
        *before += left;
        while (crdti_span_shown(leaf, i) < left)
            left -= crdti_span_shown(leaf, i++);
        spot->at = i;
        spot->off = left;
        return CRDT_OK;
    }
    for (;; i++) {
        crdti_width width = crdti_span_width(doc, s, leaf, i);
        uint32_t units = crdti_width_of_unit(width, unit);
        if (units >= left)
            break;
        left -= units;
        *before += width.chars;
    }
    spot->at = i;
    spot->off = crdti_span_seek(doc, s, leaf, i, unit, &left);
    *before += spot->off;
    return left ? CRDT_ERR_ARG : CRDT_OK;
}

/* From the cursor, within its leaf. Whether it was found. */
CRDTI_FN int crdti_seek_near(const crdt_doc *doc, const crdti_sequence *s,
                             uint32_t chars, crdti_spot *spot)
{
    const crdti_leaf *leaf = crdti_leaf_at(doc, s->cursor.leaf);
    uint32_t i = s->cursor.at, start = s->cursor_chars;
    if (i < leaf->len && !(leaf->lens[i] & CRDTI_HIDDEN))
        start -= s->cursor.off;
    spot->leaf = s->cursor.leaf;
    for (; i < leaf->len && chars > start; i++) {
        uint32_t shown = crdti_span_shown(leaf, i);
        if (chars - start <= shown) {
            spot->at = i;
            spot->off = chars - start;
            return 1;
        }
        start += shown;
    }
    if (chars > start)
        return 0;
    while (i-- > 0) {
        start -= crdti_span_shown(leaf, i);
        if (chars > start) {
            spot->at = i;
            spot->off = chars - start;
            return 1;
        }
    }
    return 0;
}

/* The spot behind the visible character that ends at `at`; for 0 the very
 * beginning. `*chars` is how many characters are before it. RANGE, ARG. */
CRDTI_FN crdt_err crdti_seek(crdt_doc *doc, crdti_sequence *s, crdt_unit unit,
                             size_t at, crdti_spot *spot, uint32_t *chars)
{
    uint32_t level, left = (uint32_t)at, node;
    if (at > crdti_width_in(s->total, unit))
        return CRDT_ERR_RANGE;
    if (!s->total.more_bytes)
        unit = CRDT_CHARS;
    if (unit == CRDT_CHARS && s->cursor_is_known && at &&
        crdti_seek_near(doc, s, left, spot)) {
        *chars = left;
        return CRDT_OK;
    }
    *chars = 0;
    spot->leaf = s->first;
    spot->at = spot->off = 0;
    if (!at)
        return CRDT_OK;
    crdti_widths_close(doc, s);
    node = s->root;
    for (level = s->height; level; level--)
        node = crdti_fork_seek(crdti_fork_at(doc, node), unit, &left, chars);
    spot->leaf = node;
    return crdti_leaf_seek(doc, s, unit, left, spot, chars);
}

/* How much of the text is visible before the spot. */
CRDTI_FN crdti_width crdti_spot_rank(crdt_doc *doc, crdti_sequence *s,
                                     crdti_spot spot)
{
    const crdti_leaf *leaf = crdti_leaf_at(doc, spot.leaf);
    uint32_t i, child = spot.leaf, at = leaf->parent;
    crdti_width sum;
    crdti_zero(&sum, sizeof sum);
    for (i = 0; i < spot.at; i++)
        crdti_width_add(&sum, crdti_span_width(doc, s, leaf, i));
    if (spot.off)
        crdti_width_add(&sum, crdti_width_of(doc, s, leaf->names[spot.at],
                                             spot.off, leaf->lens[spot.at]));
    crdti_widths_close(doc, s);
    for (; at; child = at, at = crdti_fork_at(doc, at)->parent) {
        const crdti_fork *fork = crdti_fork_at(doc, at);
        for (i = 0; fork->children[i] != child; i++)
            crdti_width_add(&sum, fork->widths[i]);
    }
    return sum;
}

/* The order of two spots: less than 0, 0 or greater. */
CRDTI_FN int crdti_spot_order(const crdt_doc *doc, crdti_spot a, crdti_spot b)
{
    uint32_t level = 0, x = a.leaf, y = b.leaf, up_x, up_y;
    if (x == y) {
        if (a.at != b.at)
            return a.at < b.at ? -1 : 1;
        return (a.off > b.off) - (a.off < b.off);
    }
    for (;; level++) {
        up_x = crdti_parent(doc, level, x);
        up_y = crdti_parent(doc, level, y);
        if (up_x == up_y)
            break;
        x = up_x;
        y = up_y;
    }
    return crdti_fork_slot(crdti_fork_at(doc, up_x), x) <
                   crdti_fork_slot(crdti_fork_at(doc, up_x), y)
               ? -1
               : 1;
}

/* Moves the spot to before the next character, hidden or not; 0: the end. */
CRDTI_FN int crdti_spot_next(const crdt_doc *doc, crdti_spot *spot)
{
    const crdti_leaf *leaf = crdti_leaf_at(doc, spot->leaf);
    while (spot->at >= leaf->len ||
           spot->off >= crdti_span_len(leaf, spot->at)) {
        if (spot->at + 1 < leaf->len) {
            spot->at++;
        } else if (leaf->next) {
            spot->leaf = leaf->next;
            spot->at = 0;
            leaf = crdti_leaf_at(doc, spot->leaf);
        } else {
            return 0;
        }
        spot->off = 0;
    }
    return 1;
}

/* Moves it to before the next visible character; 0: there is none. */
CRDTI_FN int crdti_spot_next_shown(const crdt_doc *doc, crdti_spot *spot)
{
    while (crdti_spot_next(doc, spot)) {
        const crdti_leaf *leaf = crdti_leaf_at(doc, spot->leaf);
        if (!(leaf->lens[spot->at] & CRDTI_HIDDEN))
            return 1;
        spot->off = crdti_span_len(leaf, spot->at);
    }
    return 0;
}

/* Marks the names of what is shown. */
CRDTI_FN void crdti_names_shown(const crdt_doc *doc, const crdti_sequence *s,
                                uint64_t *shown)
{
    crdti_spot spot = { 0, 0, 0 };
    spot.leaf = s->first;
    while (crdti_spot_next_shown(doc, &spot)) {
        const crdti_leaf *leaf = crdti_leaf_at(doc, spot.leaf);
        spot.off = crdti_span_len(leaf, spot.at);
        crdti_bits_set(shown, leaf->names[spot.at], spot.off);
    }
}

/* >>old ones -------------------------------------------------------------- */

CRDTI_FN void crdti_old_forget(crdt_doc *doc, crdti_sequence *s)
{
    crdti_free(&doc->alloc, s->old, s->old_words * sizeof *s->old);
    s->old = NULL;
    s->old_words = 0;
    s->old_floors = 0;
}

CRDTI_INLINE int crdti_name_is_old(const crdti_sequence *s, uint32_t name)
{
    return name / 64 < s->old_words && crdti_bit_is_set(s->old, name);
}

/* Another names it: which are old is to be found anew. */
CRDTI_INLINE void crdti_old_named(crdti_sequence *s, uint32_t name)
{
    if (CRDTI_UNLIKELY(s->old != NULL) && crdti_name_is_old(s, name))
        s->old_floors = 0;
}

/* The right origin of what is inserted at the spot: old ones are passed over,
 * so that nothing new names them. Whether there were any. */
CRDTI_FN uint32_t crdti_right_origin(const crdt_doc *doc,
                                     const crdti_sequence *s, crdti_spot spot,
                                     int *passes)
{
    *passes = 0;
    while (crdti_spot_next(doc, &spot)) {
        const crdti_leaf *leaf = crdti_leaf_at(doc, spot.leaf);
        uint32_t name = leaf->names[spot.at] + spot.off;
        if (!crdti_name_is_old(s, name))
            return name;
        *passes = 1;
        spot.off += crdti_bits_run(s->old, name,
                                   crdti_span_len(leaf, spot.at) - spot.off);
    }
    return CRDTI_NO_CHAR;
}

#endif
/* >> sequence.h */
/*
 * Sequences: what texts and lists share. Where a character goes, and what dies.
 *
 * FugueMax. An insertion names the characters that its author saw left and
 * right of it, deleted ones included. Usually they still stand side by side
 * where it arrives, and it goes between them. Otherwise others inserted at the
 * same spot, and all replicas must put them in one order:
 *
 *     left  [ x.. ][ y.. ][ z.. ]  right       where among x, y, z?
 *
 *     o names something before left       ours is before it: stop
 *     o names left, as we do              the one whose right is further right
 *                                         comes first; of equals the smaller
 *                                         replica id, then the earlier
 *     o names something behind left       it goes with what it follows
 *
 * So insertions stay whole, typed forwards or backwards. (Weidner & Kleppmann
 * 2023; the scan is that of YjsMod: Gentle 2021)
 */
#ifndef CRDTI_SEQUENCE_H
#define CRDTI_SEQUENCE_H


/* >>making and ending ----------------------------------------------------- */

/* Below: where what is typed is filed. */
CRDTI_FN void crdti_typing_end(crdt_doc *doc);

/* Whoever looks at a sequence finds all of it filed: no reader can tell. */
CRDTI_INLINE void crdti_typing_file(const crdt_doc *doc)
{
    if (CRDTI_UNLIKELY(doc->typing != NULL))
        crdti_typing_end((crdt_doc *)(uintptr_t)doc);
}

CRDTI_INLINE crdti_sequence *crdti_sequence_at(const crdt_doc *doc,
                                               uint32_t object)
{
    crdti_typing_file(doc);
    return (crdti_sequence *)crdti_object_at(doc, object)->state;
}

/* Makes sure that the object has one. NOMEM, LIMIT. */
CRDTI_FN crdt_err crdti_sequence_get(crdt_doc *doc, uint32_t object,
                                     crdti_sequence **out)
{
    crdti_sequence *s = crdti_sequence_at(doc, object);
    *out = s;
    if (CRDTI_LIKELY(s != NULL))
        return CRDT_OK;
    if (crdti_nodes_reserve(doc, 1, 0))
        return CRDT_ERR_NOMEM;
    s = (crdti_sequence *)crdti_alloc(&doc->alloc, sizeof *s);
    if (!s)
        return CRDT_ERR_NOMEM;
    crdti_zero(s, sizeof *s);
    s->object = object;
    s->is_list = crdti_object_at(doc, object)->type == CRDT_LIST;
    s->root = s->first = crdti_pool_take(&doc->leaves);
    s->next_sequence = doc->sequences;
    if (doc->sequences)
        crdti_sequence_at(doc, doc->sequences)->prev_sequence = object;
    doc->sequences = object;
    crdti_object_at(doc, object)->state = s;
    *out = s;
    return CRDT_OK;
}

/* Gives back the tree: leaves and what is above them. What a list holds it
 * then has in hand, and the first leaf. */
CRDTI_FN void crdti_spans_free(crdt_doc *doc, crdti_sequence *s)
{
    uint32_t node = s->root, level = s->height, i;
    /* Always into the first child; a node without children goes. */
    while (node) {
        uint32_t up;
        if (level && crdti_fork_at(doc, node)->len) {
            crdti_fork *fork = crdti_fork_at(doc, node);
            for (i = 0; level == 1 && i < fork->len; i++)
                crdti_leaf_give(doc, s, fork->children[i]);
            if (level == 1) {
                fork->len = 0;
                continue;
            }
            node = fork->children[--fork->len];
            level--;
            continue;
        }
        up = crdti_parent(doc, level, node);
        if (level)
            crdti_fork_give(doc, s, node);
        else
            crdti_leaf_give(doc, s, node);
        node = up;
        level++;
    }
    s->root = s->first = s->height = 0;
}

/* Frees all that is in it. */
CRDTI_FN void crdti_sequence_empty(crdt_doc *doc, crdti_sequence *s)
{
    uint32_t at, next;
    for (at = s->authors; at; at = next) {
        next = crdti_author_at(doc, at)->next;
        crdti_author_free(doc, at);
    }
    s->authors = s->own = 0;
    crdti_spans_free(doc, s);
    doc->held_leaves -= s->is_list; /* the first one */
    crdti_positions_release(doc, s);
    crdti_homes_drop(&doc->alloc, &s->homes);
    crdti_array_free(&doc->alloc, &s->extents);
    crdti_news_clear(&doc->alloc, s);
    crdti_old_forget(doc, s);
}

/* Makes it one that nothing was ever written to, as it was before a join that
 * failed. The leaf that it takes is one that it gave. */
CRDTI_FN void crdti_sequence_clear(crdt_doc *doc, crdti_sequence *s)
{
    crdti_sequence_empty(doc, s);
    s->names_used = 0;
    s->is_hashed = s->is_bare = 0;
    crdti_zero(&s->total, sizeof s->total);
    s->root = s->first = crdti_pool_take(&doc->leaves);
}

/* For the type table. */
CRDTI_FN void crdti_sequence_drop(crdt_doc *doc, crdti_object *object)
{
    crdti_sequence *s;
    crdti_typing_file(doc);
    s = (crdti_sequence *)object->state;
    if (!s)
        return;
    if (s->prev_sequence)
        crdti_sequence_at(doc, s->prev_sequence)->next_sequence =
            s->next_sequence;
    else
        doc->sequences = s->next_sequence;
    if (s->next_sequence)
        crdti_sequence_at(doc, s->next_sequence)->prev_sequence =
            s->prev_sequence;
    crdti_sequence_empty(doc, s);
    crdti_digest_subtract(&doc->digest, s->digest);
    crdti_free(&doc->alloc, s, sizeof *s);
    object->state = NULL;
}

/* >>integrating ----------------------------------------------------------- */

/* What an insertion is placed by. */
typedef struct crdti_origins {
    uint32_t left, right;
    uint32_t replica;
    uint32_t end; /* the name behind the insertion's last; 0: it is new */
} crdti_origins;

/* The spot behind a character; of NO_CHAR the beginning. */
CRDTI_FN crdti_spot crdti_spot_behind(const crdt_doc *doc,
                                      const crdti_sequence *s, uint32_t name)
{
    crdti_spot spot = { 0, 0, 0 };
    spot.leaf = s->first;
    if (name == CRDTI_NO_CHAR)
        return spot;
    spot = crdti_spot_of(doc, s, name);
    spot.off++;
    return spot;
}

/* The origins of the character. */
CRDTI_FN crdti_origins crdti_origins_of(const crdt_doc *doc,
                                        const crdti_sequence *s, uint32_t name)
{
    const crdti_author *author =
        crdti_author_at(doc, crdti_name_author(&s->extents, name));
    const crdti_insertion *at = crdti_insertion_of(author, name);
    crdti_origins origins;
    origins.left = name == at->name ? at->left : name - 1;
    origins.right = at->right;
    origins.replica = author->replica;
    origins.end = at->name + at->len;
    return origins;
}

/* The dot of a character, in a document that knows its replica: of a list,
 * where an element may stand. */
typedef struct crdti_position {
    uint32_t replica;
    uint64_t seq;
} crdti_position;

CRDTI_FN crdti_position crdti_name_position(const crdt_doc *doc,
                                            const crdti_sequence *s,
                                            uint32_t name)
{
    const crdti_author *author =
        crdti_author_at(doc, crdti_name_author(&s->extents, name));
    const crdti_insertion *at = crdti_insertion_of(author, name);
    crdti_position position;
    position.replica = author->replica;
    position.seq = at->seq + (name - at->name);
    return position;
}

/* The character, or NO_CHAR. */
CRDTI_FN uint32_t crdti_position_name(const crdt_doc *doc, uint32_t object,
                                      crdti_position at)
{
    uint32_t author = crdti_author_find(doc, object, at.replica);
    return author ? crdti_seq_name(crdti_author_at(doc, author), at.seq)
                  : CRDTI_NO_CHAR;
}

/* The order in the text; `last` is where NO_CHAR is: 0 the beginning, 1 the
 * end. */
CRDTI_FN int crdti_name_order(const crdt_doc *doc, const crdti_sequence *s,
                              uint32_t a, uint32_t b, int last)
{
    if (a == b)
        return 0;
    if (a == CRDTI_NO_CHAR)
        return last ? 1 : -1;
    if (b == CRDTI_NO_CHAR)
        return last ? -1 : 1;
    return crdti_spot_order(doc, crdti_spot_of(doc, s, a),
                            crdti_spot_of(doc, s, b));
}

/* Whether ours belongs before that with the other origins, which stands where
 * ours might go. `*passing`: the question is put off to behind it. */
CRDTI_FN int crdti_goes_before(const crdt_doc *doc, const crdti_sequence *s,
                               const crdti_origins *ours,
                               const crdti_origins *theirs, int *passing)
{
    int order = crdti_name_order(doc, s, theirs->left, ours->left, 0);
    if (order)
        return order < 0;
    if (CRDTI_RULE(RIGHT_ORIGINS))
        order = crdti_name_order(doc, s, theirs->right, ours->right, 1);
    *passing = order < 0;
    if (order)
        return 0;
    /* One replica does that only where it has passed over old ones. */
    if (ours->replica == theirs->replica)
        return ours->end && ours->end < theirs->end;
    return crdti_id_order(&doc->replicas.ptr[ours->replica].id,
                          &doc->replicas.ptr[theirs->replica].id) < 0;
}

/* The spot where an insertion belongs, which is not before `spot`. O(log n)
 * when nobody else inserted there; else in as many steps, which are counted. */
CRDTI_FN crdti_spot crdti_integrate(const crdt_doc *doc,
                                    const crdti_sequence *s,
                                    const crdti_origins *ours, crdti_spot spot,
                                    size_t *steps)
{
    crdti_spot at = spot;
    int passing = 0;
    for (; crdti_spot_next(doc, &at); ++*steps) {
        const crdti_leaf *leaf = crdti_leaf_at(doc, at.leaf);
        uint32_t other = leaf->names[at.at] + at.off;
        uint32_t rest = crdti_span_len(leaf, at.at) - at.off;
        crdti_origins theirs;
        if (other == ours->right)
            break;
        theirs = crdti_origins_of(doc, s, other);
        if (crdti_goes_before(doc, s, ours, &theirs, &passing))
            break;
        /* Those behind it in its insertion follow it; as long as ours is not
         * to go before one of them. */
        rest = (uint32_t)crdti_min(rest, theirs.end - other);
        at.off += (uint32_t)crdti_min(rest, ours->right - other);
        if (!passing)
            spot = at;
    }
    return spot;
}

/* >>inserting ------------------------------------------------------------- */

/* What the replica inserts at the spot names as its origins. Among old
 * characters, which are passed over, it goes where all others will put it. */
CRDTI_FN crdti_origins crdti_origins_at(crdt_doc *doc, crdti_sequence *s,
                                        crdti_spot *spot)
{
    crdti_origins origins;
    size_t steps = 0;
    int passes;
    crdti_zero(&origins, sizeof origins);
    origins.replica = doc->self;
    origins.left = CRDTI_NO_CHAR;
    if (spot->off)
        origins.left =
            crdti_leaf_at(doc, spot->leaf)->names[spot->at] + spot->off - 1;
    origins.right = crdti_right_origin(doc, s, *spot, &passes);
    if (passes) {
        crdti_homes_make(doc, s);
        *spot = crdti_integrate(doc, s, &origins, *spot, &steps);
    }
    return origins;
}

/* >>writing down ---------------------------------------------------------- */

/* What an insertion is to hold: whole, checked, wide or all ASCII. */
typedef struct crdti_piece {
    crdt_bytes bytes; /* none: hidden, unless it shows */
    crdti_width width;
    int shows; /* of a list, whose characters have no bytes */
} crdti_piece;

CRDTI_FN uint32_t crdti_piece_flags(const crdti_piece *piece)
{
    if (!piece->bytes.len)
        return piece->shows ? 0 : CRDTI_HIDDEN;
    return piece->width.more_bytes ? CRDTI_WIDE : 0;
}

/* Whether the author's latest insertion may hold the piece too. */
CRDTI_FN int crdti_insertion_takes(const crdti_author *author,
                                   const crdti_insertion *last,
                                   const crdti_piece *piece)
{
    if (!piece->bytes.len || last->content == CRDTI_CONTENT_GONE)
        return !piece->bytes.len && last->content == CRDTI_CONTENT_GONE;
    if (last->content + last->len + last->more_bytes != author->content.len)
        return 0;
    if (!last->more_bytes)
        return !piece->width.more_bytes;
    return last->len + piece->width.chars <= CRDTI_WIDE_MAX;
}

/* Whether what comes goes on with the author's latest insertion. */
CRDTI_FN int crdti_insertion_goes_on(const crdti_author *author, uint64_t seq,
                                     uint32_t left, uint32_t right,
                                     const crdti_piece *piece)
{
    const crdti_insertion *last =
        author->insertions.ptr + author->insertions.len - 1;
    return author->insertions.len && last->seq + last->len == seq &&
           last->name + last->len - 1 == left && last->right == right &&
           last->name + last->len == author->free_name &&
           crdti_insertion_takes(author, last, piece);
}

/* Memory for `count` insertions of that author, with `chars` characters and
 * `bytes` in all. LIMIT, NOMEM. */
CRDTI_FN crdt_err crdti_insertions_reserve(crdt_doc *doc, crdti_sequence *s,
                                           uint32_t index, size_t count,
                                           size_t chars, size_t bytes)
{
    crdti_author *author = crdti_author_at(doc, index);
    if (bytes >= UINT32_MAX - author->content.len)
        return CRDT_ERR_LIMIT;
    if (crdti_array_reserve(&doc->alloc, &author->insertions, count) ||
        crdti_array_reserve(&doc->alloc, &author->content, bytes))
        return CRDT_ERR_NOMEM;
    return crdti_names_reserve(doc, &s->extents, &s->names_used, index, chars);
}

/* Writes the insertion down with its author. Whether it goes on with the
 * latest. */
CRDTI_FN int crdti_insertion_add(crdti_author *author, uint64_t seq,
                                 uint32_t left, uint32_t right,
                                 const crdti_piece *piece)
{
    crdti_insertion *at = author->insertions.ptr + author->insertions.len;
    int goes_on = crdti_insertion_goes_on(author, seq, left, right, piece);
    if (goes_on) {
        at--;
    } else {
        author->insertions.len++;
        crdti_zero(at, sizeof *at);
        at->seq = seq;
        at->name = author->free_name;
        at->left = left;
        at->right = right;
        at->content = piece->bytes.len ? (uint32_t)author->content.len
                                       : CRDTI_CONTENT_GONE;
    }
    at->len += piece->width.chars;
    at->more_bytes = (uint16_t)(at->more_bytes + piece->width.more_bytes);
    at->more_units = (uint16_t)(at->more_units + piece->width.more_units);
    if (piece->bytes.len)
        crdti_copy(author->content.ptr + author->content.len, piece->bytes.ptr,
                   piece->bytes.len);
    author->content.len += piece->bytes.len;
    author->free_name += piece->width.chars;
    return goes_on;
}

/* The same for the sequence. */
CRDTI_FN int crdti_insertion_write(crdt_doc *doc, crdti_sequence *s,
                                   uint32_t index, uint64_t seq,
                                   const crdti_origins *origins,
                                   const crdti_piece *piece)
{
    crdti_author *author = crdti_author_at(doc, index);
    if (s->is_list)
        crdti_positions_hold(doc, s, piece->width.chars);
    crdti_old_named(s, origins->left);
    crdti_old_named(s, origins->right);
    author->last = seq + piece->width.chars - 1;
    return crdti_insertion_add(author, seq, origins->left, origins->right,
                               piece);
}

/* Writes it down and puts it at the spot, which is behind it then. */
CRDTI_FN void crdti_insertion_put(crdt_doc *doc, crdti_sequence *s,
                                  uint32_t index, uint64_t seq,
                                  const crdti_origins *origins,
                                  const crdti_piece *piece, crdti_spot *spot)
{
    uint32_t name = crdti_author_at(doc, index)->free_name;
    uint32_t flags = crdti_piece_flags(piece);
    const crdti_leaf *leaf = crdti_leaf_at(doc, spot->leaf);
    int goes_on = crdti_insertion_write(doc, s, index, seq, origins, piece);
    goes_on = goes_on && spot->off == crdti_span_len(leaf, spot->at) &&
              leaf->names[spot->at] + spot->off == name &&
              (leaf->lens[spot->at] & ~CRDTI_SPAN_LEN) == flags;
    crdti_span_put(doc, s, spot, name, piece->width.chars | flags, goes_on);
}

/* That `count` characters, from `name` on or back from it, were deleted by the
 * dots from `seq` on. Room for one deletion more is reserved. */
CRDTI_FN void crdti_deletion_add(crdti_author *author, uint64_t seq,
                                 uint32_t name, uint32_t count,
                                 uint32_t direction)
{
    crdti_deletion *at = author->deletions.ptr + author->deletions.len;
    crdti_deletion *last = author->deletions.len ? at - 1 : NULL;
    uint32_t len = last ? crdti_deletion_len(last) : 0;
    author->last = crdti_max(author->last, seq + count - 1);
    if (last && last->seq + len == seq) {
        if (name == last->name + len && !direction &&
            !(last->len & CRDTI_BACKWARDS)) {
            last->len += count;
            return;
        }
        if (name == last->name - len && (direction || count == 1) &&
            (last->len & CRDTI_BACKWARDS || len == 1)) {
            last->len = (len + count) | CRDTI_BACKWARDS;
            return;
        }
    }
    at->seq = seq;
    at->name = name;
    at->len = count | (count > 1 ? direction : 0);
    author->deletions.len++;
}

/* >>keystrokes ------------------------------------------------------------ */

CRDTI_FN void crdti_typed_file(crdt_doc *doc, crdti_sequence *s, uint32_t n)
{
    crdti_author *author = crdti_author_at(doc, s->own);
    crdti_width width = { 0, 0, 0 };
    uint32_t name = author->free_name;
    author->free_name += n;
    author->content.len += n;
    author->insertions.ptr[author->insertions.len - 1].len += n;
    author->last += n;
    crdti_leaf_at(doc, s->cursor.leaf)->lens[s->cursor.at] += n;
    s->cursor.off += n;
    width.chars = n;
    crdti_widths_grow(doc, s, s->cursor.leaf, width);
    crdti_home_set(&doc->alloc, &s->homes, name, n, s->cursor.leaf);
}

CRDTI_FN void crdti_erased_file(crdt_doc *doc, crdti_sequence *s, uint32_t n)
{
    const crdti_leaf *leaf = crdti_leaf_at(doc, s->cursor.leaf);
    uint32_t name = leaf->names[s->cursor.at] + s->cursor.off - 1;
    s->cursor.off -= n;
    crdti_span_hide(doc, s, &s->cursor, n);
    crdti_deletion_add(crdti_author_at(doc, s->own), s->typed - n + 1, name, n,
                       CRDTI_BACKWARDS);
}

CRDTI_FN void crdti_ahead_file(crdt_doc *doc, crdti_sequence *s, uint32_t n)
{
    crdti_spot spot = s->cursor;
    const crdti_leaf *leaf;
    uint32_t name;
    crdti_spot_next_shown(doc, &spot);
    leaf = crdti_leaf_at(doc, spot.leaf);
    name = leaf->names[spot.at] + spot.off;
    crdti_span_hide(doc, s, &spot, n);
    s->cursor = spot;
    s->ahead = 0;
    crdti_deletion_add(crdti_author_at(doc, s->own), s->typed - n + 1, name, n,
                       0);
}

/* Files the keystrokes that were not filed yet; memory was taken before. What
 * is typed goes on. */
CRDTI_FN void crdti_typing_write(crdt_doc *doc)
{
    crdti_sequence *s = doc->typing;
    uint32_t from;
    if (!s)
        return;
    from = s->cursor_chars;
    s->cursor_chars = s->type_at;
    if (s->type_at > from)
        crdti_typed_file(doc, s, s->type_at - from);
    else if (s->type_at < from)
        crdti_erased_file(doc, s, from - s->type_at);
    else if (s->ahead)
        crdti_ahead_file(doc, s, s->ahead);
    if (s->type_to)
        return;
    doc->typing = NULL;
    s->room = 0;
}

/* Files them, and that is all of them. */
CRDTI_FN void crdti_typing_end(crdt_doc *doc)
{
    crdti_sequence *s = doc->typing;
    crdti_typing_write(doc);
    doc->typing = NULL;
    s->room = 0;
}

/* >>visibility ------------------------------------------------------------ */

/* After changes: whether the object has appeared or disappeared. What a list
 * weighs its elements say. */
CRDTI_FN void crdti_sequence_weigh(crdt_doc *doc, const crdti_sequence *s)
{
    crdti_object *object = crdti_object_at(doc, s->object);
    uint32_t weight = s->total.chars != 0;
    if (CRDTI_LIKELY(object->weight == weight) || s->is_list)
        return;
    object->weight = weight;
    crdti_climb(doc, s->object, weight != 0);
}

/* >>deaths by what is above ----------------------------------------------- */

/* What of the span dies by the hand of `killer`, or by the marks; or the marks
 * are lowered to what is alive. */
CRDTI_FN void crdti_span_scope(crdt_doc *doc, crdti_sequence *s,
                               crdti_spot *spot, uint32_t killer, int how)
{
    const crdti_leaf *leaf = crdti_leaf_at(doc, spot->leaf);
    uint32_t name = leaf->names[spot->at] + spot->off;
    uint32_t len = crdti_span_len(leaf, spot->at) - spot->off;
    const crdti_author *author =
        crdti_author_at(doc, crdti_name_author(&s->extents, name));
    const crdti_insertion *at = crdti_insertion_of(author, name);
    uint64_t seq = at->seq + (name - at->name);
    uint64_t *mark = &doc->replicas.ptr[author->replica].mark;
    if (how == CRDTI_SCOPE_LOWER) {
        *mark = crdti_min(*mark, seq - 1);
        len = 0;
    } else if (how == CRDTI_SCOPE_KILL) {
        crdti_kill_note(doc, killer, author->replica, seq + len - 1);
    } else {
        len = seq > *mark ? 0 : (uint32_t)crdti_min(len, *mark - seq + 1);
    }
    if (len)
        len = crdti_span_hide(doc, s, spot, len);
    leaf = crdti_leaf_at(doc, spot->leaf);
    /* Behind what was looked at: what died, and what is to live. */
    spot->off += len;
    if (spot->at < leaf->len && !(leaf->lens[spot->at] & CRDTI_HIDDEN))
        spot->off = crdti_span_len(leaf, spot->at);
}

/* For the type table. */
CRDTI_FN void crdti_sequence_scope(crdt_doc *doc, uint32_t object,
                                   uint32_t killer, int how)
{
    crdti_sequence *s = crdti_sequence_at(doc, object);
    crdti_spot spot = { 0, 0, 0 };
    if (!s || !s->total.chars)
        return;
    if (how != CRDTI_SCOPE_LOWER) {
        crdti_touch(doc, object, crdti_no_key());
        s->cursor_is_known = 0;
        s->room = 0;
    }
    spot.leaf = s->first;
    while (crdti_spot_next_shown(doc, &spot))
        crdti_span_scope(doc, s, &spot, killer, how);
    crdti_sequence_weigh(doc, s);
}

/* >>digest ---------------------------------------------------------------- */

/* A polynomial of what is visible, in order: so the share of a leaf is kept
 * until something in it changes. */
#define CRDTI_DIGEST_BASE UINT64_C(0x9fb21c651e98df25)

CRDTI_FN uint64_t crdti_span_hash(const crdt_doc *doc, const crdti_sequence *s,
                                  uint32_t name, uint32_t len, uint64_t hash)
{
    const crdti_author *author =
        crdti_author_at(doc, crdti_name_author(&s->extents, name));
    const crdti_insertion *at = crdti_insertion_of(author, name);
    uint64_t who = doc->replicas.ptr[author->replica].name;
    uint64_t seq = at->seq + (name - at->name);
    const uint8_t *bytes;
    if (at->content == CRDTI_CONTENT_GONE) { /* a list: no bytes */
        for (; len > 0; len--, name++) {
            at += name == at->name + at->len; /* it may go on in the next */
            seq = at->seq + (name - at->name);
            hash = hash * CRDTI_DIGEST_BASE + crdti_mix(who ^ seq, 1);
        }
        return hash;
    }
    bytes = crdti_content_at(author, at, name);
    for (; len > 0; len--, bytes += crdti_utf8_size(*bytes))
        hash = hash * CRDTI_DIGEST_BASE +
               crdti_mix(who ^ seq++, crdti_utf8_decode(bytes) ^
                                          UINT64_C(0xe7037ed1a0b428db));
    return hash;
}

CRDTI_FN uint64_t crdti_leaf_hash(crdt_doc *doc, const crdti_sequence *s,
                                  uint32_t index, uint32_t *chars)
{
    crdti_leaf *leaf = crdti_leaf_at(doc, index);
    uint64_t hash = 0;
    uint32_t i;
    *chars = 0;
    for (i = 0; i < leaf->len; i++) {
        uint32_t shown = crdti_span_shown(leaf, i);
        *chars += shown;
        if (!leaf->is_hashed && shown)
            hash = crdti_span_hash(doc, s, leaf->names[i], shown, hash);
    }
    if (leaf->is_hashed)
        return leaf->hash;
    leaf->is_hashed = 1;
    leaf->hash = hash;
    return hash;
}

CRDTI_FN uint64_t crdti_power(uint64_t base, uint32_t exponent)
{
    uint64_t power = 1;
    for (; exponent; exponent >>= 1, base *= base)
        if (exponent & 1)
            power *= base;
    return power;
}

/* Brings the share of the document's digest up to date. O(leaves), and the
 * characters of those that changed. */
CRDTI_FN void crdti_sequence_digest(crdt_doc *doc, crdti_sequence *s)
{
    uint64_t hash = 0, place = crdti_object_at(doc, s->object)->name;
    uint32_t leaf, chars;
    if (s->is_hashed)
        return;
    for (leaf = s->first; leaf; leaf = crdti_leaf_at(doc, leaf)->next) {
        uint64_t share = crdti_leaf_hash(doc, s, leaf, &chars);
        hash = hash * crdti_power(CRDTI_DIGEST_BASE, chars) + share;
    }
    crdti_digest_subtract(&doc->digest, s->digest);
    crdti_zero(&s->digest, sizeof s->digest);
    if (s->total.chars) {
        s->digest.lo = crdti_mix(hash ^ place, s->total.chars);
        s->digest.hi = crdti_mix(hash, place);
    }
    crdti_digest_add(&doc->digest, s->digest);
    s->is_hashed = 1;
}

/* For crdt_doc_digest, which is asked seldom next to how often is written. */
CRDTI_FN void crdti_sequences_digest(crdt_doc *doc)
{
    uint32_t at;
    for (at = doc->sequences; at;
         at = crdti_sequence_at(doc, at)->next_sequence)
        crdti_sequence_digest(doc, crdti_sequence_at(doc, at));
}

#endif
/* >> old.h */
/*
 * Old characters: deleted, and never to be named again.
 *
 *     H e l l o          'o' is deleted below the floor, and no character has
 *     H e l [l o] p      it as an origin: it is old. The second 'l' is an
 *                        origin of 'o' only, so it is old with it.
 *
 * What is not old:
 *
 *     visible     also what may be so again: places of a list
 *     remembered  a deletion above the floor, or a removal above, took it
 *     an origin   of what is not old, at any remove
 *
 * What is inserted names no old characters (crdti_right_origin). So once every
 * member has truncated as far, and all that they had written until then has
 * come, nobody can name one, and they may be swept (sweep.h). As nothing but
 * old ones names them, those that stay are in the same order without them.
 */
#ifndef CRDTI_OLD_H
#define CRDTI_OLD_H


typedef struct crdti_old {
    const crdt_doc *doc;
    const crdti_sequence *s;
    uint64_t *kept;  /* by name: those that are not old by themselves */
    uint32_t *reach; /* of each insertion: how many are not, from the first */
    uint32_t *stack; /* origins of kept ones, to be kept */
    size_t stack_len;
} crdti_old;

CRDTI_FN size_t crdti_names_words(const crdti_sequence *s)
{
    return (size_t)s->names_used / 64 + 1;
}

/* >>by themselves --------------------------------------------------------- */

/* What deletions say of which is remembered; those below the floor are not. */
CRDTI_FN void crdti_old_keep_deleted(crdti_old *o, const crdti_author *author)
{
    size_t i;
    for (i = 0; i < author->deletions.len; i++) {
        const crdti_deletion *at = &author->deletions.ptr[i];
        uint32_t len = crdti_deletion_len(at);
        uint32_t back = at->len & CRDTI_BACKWARDS ? len - 1 : 0;
        crdti_bits_set(o->kept, at->name - back, len);
    }
}

/* What may be shown again: elements of a list that are not forgotten. */
CRDTI_FN void crdti_old_keep_places(crdti_old *o, const crdti_author *author)
{
    const crdti_type *type =
        crdti_type_at(o->doc, crdti_object_at(o->doc, o->s->object));
    uint32_t k;
    size_t i;
    for (i = 0; type->keeps && i < author->insertions.len; i++) {
        const crdti_insertion *at = &author->insertions.ptr[i];
        for (k = 0; k < at->len; k++)
            if (type->keeps(o->doc, o->s->object, author->replica,
                            at->seq + k))
                crdti_bits_set(o->kept, at->name + k, 1);
    }
}

/* What removals above may have taken, up to `dead`, and what is not below the
 * floor. */
CRDTI_FN void crdti_old_keep_recent(crdti_old *o, const crdti_author *author,
                                    uint64_t dead, uint64_t floor)
{
    size_t i;
    for (i = 0; i < author->insertions.len; i++) {
        const crdti_insertion *at = &author->insertions.ptr[i];
        uint64_t last = at->seq + at->len - 1;
        if (at->seq <= dead)
            crdti_bits_set(o->kept, at->name,
                           (uint32_t)(crdti_min(last, dead) - at->seq + 1));
        if (last > floor)
            crdti_bits_set(o->kept, at->name, at->len);
    }
}

/* Marks how far removals have killed that are remembered: in what is above the
 * sequence, and of a list in what it holds. Or clears the marks. */
CRDTI_FN void crdti_old_mark(const crdt_doc *doc, uint32_t entry, int raise)
{
    uint32_t at = crdti_entry_at(doc, entry)->kills;
    for (; at; at = crdti_kill_at(doc, at)->next) {
        const crdti_kill *kill = crdti_kill_at(doc, at);
        uint64_t *mark = &doc->replicas.ptr[kill->replica].mark;
        *mark = raise ? crdti_max(*mark, kill->last) : 0;
    }
}

CRDTI_FN void crdti_old_marks(const crdti_old *o, int raise)
{
    const crdti_object *object = crdti_object_at(o->doc, o->s->object);
    uint32_t entry = object->entries;
    for (; entry; entry = crdti_entry_at(o->doc, entry)->next)
        crdti_old_mark(o->doc, entry, raise);
    while (object->entry) {
        crdti_old_mark(o->doc, object->entry, raise);
        object = crdti_object_at(
            o->doc, crdti_entry_at(o->doc, object->entry)->object);
    }
}

/* >>by what names them ---------------------------------------------------- */

/* Of an insertion, what is before one that is kept is kept: `len` of it. */
CRDTI_FN void crdti_old_keep(crdti_old *o, const crdti_author *author,
                             const crdti_insertion *at, uint32_t len)
{
    uint32_t *reach =
        &o->reach[author->party + (size_t)(at - author->insertions.ptr)];
    if (!*reach && len) {
        if (at->left != CRDTI_NO_CHAR)
            o->stack[o->stack_len++] = at->left;
        if (at->right != CRDTI_NO_CHAR)
            o->stack[o->stack_len++] = at->right;
    }
    if (*reach < len)
        *reach = len;
}

CRDTI_FN void crdti_old_keep_origins(crdti_old *o)
{
    uint32_t index;
    size_t i;
    for (index = o->s->authors; index;
         index = crdti_author_at(o->doc, index)->next) {
        const crdti_author *author = crdti_author_at(o->doc, index);
        for (i = 0; i < author->insertions.len; i++) {
            const crdti_insertion *at = &author->insertions.ptr[i];
            crdti_old_keep(o, author, at,
                           crdti_bits_reach(o->kept, at->name, at->len));
        }
    }
    while (o->stack_len) {
        uint32_t name = o->stack[--o->stack_len];
        const crdti_author *author =
            crdti_author_at(o->doc, crdti_name_author(&o->s->extents, name));
        const crdti_insertion *at = crdti_insertion_of(author, name);
        crdti_old_keep(o, author, at, name - at->name + 1);
    }
}

/* >>all of it ------------------------------------------------------------- */

/* Memory, and zeros, for all names and insertions. An author's `party` is
 * where its insertions are. */
CRDTI_FN crdt_err crdti_old_begin(crdti_old *o, crdt_doc *doc,
                                  const crdti_sequence *s)
{
    size_t words = crdti_names_words(s), insertions = 0, size;
    uint32_t at;
    for (at = s->authors; at; at = crdti_author_at(doc, at)->next) {
        crdti_author_at(doc, at)->party = (uint32_t)insertions;
        insertions += crdti_author_at(doc, at)->insertions.len;
    }
    size = crdti_mul_size(insertions + 1, sizeof(uint32_t));
    o->doc = doc;
    o->s = s;
    o->stack_len = 0;
    o->kept =
        (uint64_t *)crdti_arena_alloc(&doc->scratch, words * sizeof *o->kept);
    o->reach = (uint32_t *)crdti_arena_alloc(&doc->scratch, size);
    o->stack =
        (uint32_t *)crdti_arena_alloc(&doc->scratch, crdti_mul_size(size, 2));
    if (!o->kept || !o->reach || !o->stack)
        return CRDT_ERR_NOMEM;
    crdti_zero(o->kept, words * sizeof *o->kept);
    crdti_zero(o->reach, size);
    return CRDT_OK;
}

CRDTI_FN void crdti_old_end(const crdti_old *o)
{
    uint32_t at;
    for (at = o->s->authors; at; at = crdti_author_at(o->doc, at)->next)
        crdti_author_at(o->doc, at)->party = 0;
}

CRDTI_FN void crdti_old_keep_all(crdti_old *o)
{
    uint32_t at;
    crdti_names_shown(o->doc, o->s, o->kept);
    crdti_old_marks(o, 1);
    for (at = o->s->authors; at; at = crdti_author_at(o->doc, at)->next) {
        const crdti_author *author = crdti_author_at(o->doc, at);
        const crdti_replica *replica = &o->doc->replicas.ptr[author->replica];
        crdti_old_keep_deleted(o, author);
        crdti_old_keep_places(o, author);
        crdti_old_keep_recent(o, author, replica->mark, replica->floor);
    }
    crdti_old_marks(o, 0);
    crdti_old_keep_origins(o);
}

/* Sets the bits of those that are old, unless there are none to set. How many
 * there are. */
CRDTI_FN uint32_t crdti_old_tell(const crdti_old *o, uint64_t *old)
{
    uint32_t at, count = 0, reach;
    size_t i;
    for (at = o->s->authors; at; at = crdti_author_at(o->doc, at)->next) {
        const crdti_author *author = crdti_author_at(o->doc, at);
        for (i = 0; i < author->insertions.len; i++) {
            const crdti_insertion *of = &author->insertions.ptr[i];
            reach = o->reach[author->party + i];
            count += of->len - reach;
            if (old && reach < of->len)
                crdti_bits_set(old, of->name + reach, of->len - reach);
        }
    }
    return count;
}

/* Which are old, by name; NULL: none. The caller frees that many words.
 * O(n log n). */
CRDTI_FN crdt_err crdti_old_find(crdt_doc *doc, const crdti_sequence *s,
                                 uint64_t **out)
{
    crdti_arena_mark mark = crdti_arena_here(&doc->scratch);
    size_t size = crdti_names_words(s) * sizeof(uint64_t);
    crdti_old o;
    crdt_err err = crdti_old_begin(&o, doc, s);
    *out = NULL;
    if (!err)
        crdti_old_keep_all(&o);
    if (!err && crdti_old_tell(&o, NULL)) {
        *out = (uint64_t *)crdti_alloc(&doc->alloc, size);
        if (*out) {
            crdti_zero(*out, size);
            crdti_old_tell(&o, *out);
        } else {
            err = CRDT_ERR_NOMEM;
        }
    }
    crdti_old_end(&o);
    crdti_arena_reset(&doc->scratch, mark);
    return err;
}

/* Has them known, for what is to be inserted: that costs as much once after
 * the floor has risen, or another has named one that was old. */
CRDTI_FN crdt_err crdti_old_know(crdt_doc *doc, crdti_sequence *s)
{
    uint64_t *old;
    crdt_err err;
    if (CRDTI_LIKELY(s->old_floors == doc->floors))
        return CRDT_OK;
    err = crdti_old_find(doc, s, &old);
    if (err)
        return err;
    crdti_old_forget(doc, s);
    s->old = old;
    s->old_words = old ? crdti_names_words(s) : 0;
    s->old_floors = doc->floors;
    return CRDT_OK;
}

#endif
/* 5 types */
/* >> register.h */
/*
 * Registers: one value, the greatest (stamp, replica) of those written
 * concurrently. A map key is one; so is a register object, whose one entry has
 * the empty key. What the map and the register share is here.
 *
 *     entry   VALUE "blue" by b.4 at 17:01   <- shown
 *             VALUE "red"  by a.9 at 17:00      a concurrent version
 */
#ifndef CRDTI_REGISTER_H
#define CRDTI_REGISTER_H


/* Whether the handle is of one of the types (a bit each), or an error. In a
 * chain of calls the error that made the handle null is the one to tell. */
CRDTI_FN crdt_err crdti_check_among(crdt_obj obj, uint32_t types)
{
    if (!obj.doc)
        return CRDT_ERR_ARG;
    if (!obj.index) {
        if (!obj.doc->error)
            obj.doc->error = CRDT_ERR_ARG;
        return CRDT_ERR_ARG;
    }
    if (!(types >> crdti_object_at(obj.doc, obj.index)->type & 1))
        return CRDT_ERR_TYPE;
    return CRDT_OK;
}

CRDTI_FN crdt_err crdti_check(crdt_obj obj, crdt_type type)
{
    return crdti_check_among(obj, UINT32_C(1) << type);
}

/* The op that wins among the entry's, `except` left out, or 0. */
CRDTI_FN uint32_t crdti_entry_latest(const crdt_doc *doc, uint32_t entry,
                                     uint32_t except)
{
    uint32_t best = 0, at = crdti_entry_at(doc, entry)->ops;
    for (; at; at = crdti_op_at(doc, at)->next) {
        const crdti_op *op = crdti_op_at(doc, at);
        const crdti_op *other;
        if (at == except)
            continue;
        if (!best) {
            best = at;
            continue;
        }
        other = crdti_op_at(doc, best);
        if (CRDTI_RULE(LATEST_WINS) &&
            crdti_op_is_later(op, &doc->replicas.ptr[op->replica].id, other,
                              &doc->replicas.ptr[other->replica].id))
            best = at;
    }
    return best;
}

/* The op that wins among the VALUEs and CREATEs of the entry, or among its
 * MOVEs; or 0. */
CRDTI_FN uint32_t crdti_entry_winner(const crdt_doc *doc, uint32_t entry)
{
    return crdti_entry_latest(doc, entry, 0);
}

/* Writes a value over all that is seen at the key. */
CRDTI_FN crdt_err crdti_value_write(crdt_doc *doc, uint32_t object,
                                    crdt_bytes key, const crdt_value *value)
{
    crdti_op draft;
    crdt_err err;
    crdti_zero(&draft, sizeof draft);
    err = crdti_op_set_value(&doc->alloc, &draft, value);
    if (err)
        return err;
    err = crdti_entry_get(doc, object, key, &draft.entry);
    if (!err) {
        draft.as.value.stamp = crdti_write_stamp(doc);
        err = crdti_write_scope(doc, &draft);
        if (err)
            crdti_entry_tidy(doc, draft.entry);
    }
    if (err)
        crdti_op_drop(&doc->alloc, &draft);
    return err;
}

/* Removes all that is seen in the entry and below. */
CRDTI_FN crdt_err crdti_value_remove(crdt_doc *doc, uint32_t entry)
{
    crdti_op draft;
    crdti_zero(&draft, sizeof draft);
    draft.kind = CRDTI_REMOVE;
    draft.entry = entry;
    return crdti_write_scope(doc, &draft);
}

/* The version as the reader sees it; a CREATE shows its container. */
CRDTI_FN crdt_version crdti_op_version(crdt_doc *doc, const crdti_op *op)
{
    crdt_version version;
    version.dot.replica = doc->replicas.ptr[op->replica].id;
    version.dot.seq = op->seq;
    version.stamp = op->as.value.stamp;
    if (op->kind == CRDTI_VALUE) {
        version.value = crdti_op_value(op);
        return version;
    }
    version.value.kind = CRDT_OBJECT;
    version.value.as.object.doc = doc;
    version.value.as.object.index =
        crdti_object_find(doc, op->entry, (crdt_type)op->form);
    return version;
}

CRDTI_FN int crdti_same_content(const crdti_op *a, const crdti_op *b)
{
    if (a->kind != b->kind || a->form != b->form)
        return 0;
    if (a->kind == CRDTI_CREATE)
        return 1;
    if (crdti_op_has_bytes(a))
        return crdt_bytes_equal(crdti_op_bytes(a), crdti_op_bytes(b));
    return a->as.value.as.integer == b->as.value.as.integer;
}

/* Equal values that were written concurrently show once. */
CRDTI_FN int crdti_version_is_repeated(const crdt_doc *doc, uint32_t winner,
                                       uint32_t at)
{
    const crdti_op *op = crdti_op_at(doc, at);
    uint32_t before = crdti_entry_at(doc, op->entry)->ops;
    if (at != winner && crdti_same_content(op, crdti_op_at(doc, winner)))
        return 1;
    for (; before != at; before = crdti_op_at(doc, before)->next)
        if (crdti_same_content(op, crdti_op_at(doc, before)))
            return 1;
    return 0;
}

/* Calls fn with the winner first, then with the others. */
CRDTI_FN void crdti_entry_versions(crdt_doc *doc, uint32_t entry,
                                   crdt_version_fn *fn, void *ctx)
{
    uint32_t winner = crdti_entry_winner(doc, entry), at;
    crdt_version version;
    if (!winner)
        return;
    version = crdti_op_version(doc, crdti_op_at(doc, winner));
    fn(ctx, &version);
    for (at = crdti_entry_at(doc, entry)->ops; at;
         at = crdti_op_at(doc, at)->next) {
        if (at == winner || crdti_version_is_repeated(doc, winner, at))
            continue;
        version = crdti_op_version(doc, crdti_op_at(doc, at));
        fn(ctx, &version);
    }
}

/* >>registers as objects -------------------------------------------------- */

CRDT_API crdt_err crdt_register_set(crdt_obj reg, crdt_value value)
{
    crdt_err err = crdti_check(reg, CRDT_REGISTER);
    if (err)
        return err;
    return crdti_value_write(reg.doc, reg.index, crdti_no_key(), &value);
}

/* The register's entry with something alive in it. */
CRDTI_FN crdt_err crdti_register_entry(crdt_obj reg, uint32_t *entry)
{
    crdt_err err = crdti_check(reg, CRDT_REGISTER);
    if (err)
        return err;
    *entry = crdti_entry_find(reg.doc, reg.index, crdti_no_key());
    if (!*entry || !crdti_entry_at(reg.doc, *entry)->ops)
        return CRDT_ERR_NOT_FOUND;
    return CRDT_OK;
}

CRDT_API crdt_err crdt_register_clear(crdt_obj reg)
{
    uint32_t entry;
    crdt_err err = crdti_register_entry(reg, &entry);
    return err ? err : crdti_value_remove(reg.doc, entry);
}

CRDT_API crdt_err crdt_register_get(crdt_obj reg, crdt_value *out)
{
    uint32_t entry;
    crdt_err err = crdti_register_entry(reg, &entry);
    if (err)
        return err;
    *out = crdti_op_value(
        crdti_op_at(reg.doc, crdti_entry_winner(reg.doc, entry)));
    return CRDT_OK;
}

/* For the type table. */
CRDTI_FN int crdti_register_read(crdt_doc *doc, uint32_t reg, crdt_bytes key,
                                 crdt_value *out)
{
    (void)key;
    return !crdt_register_get(crdti_obj(doc, reg), out);
}

CRDT_API crdt_err crdt_register_versions(crdt_obj reg, crdt_version_fn *fn,
                                         void *ctx)
{
    uint32_t entry;
    crdt_err err = crdti_register_entry(reg, &entry);
    if (!err)
        crdti_entry_versions(reg.doc, entry, fn, ctx);
    return err;
}

#endif
/* >> order.h */
/*
 * The visible entries of an object in the order of their keys, for walking
 * maps and sets. It is sorted when it is first needed after the set of keys
 * has changed, and kept. A walk remembers its last key, not a place, so it goes
 * on right behind it whatever has changed meanwhile.
 */
#ifndef CRDTI_ORDER_H
#define CRDTI_ORDER_H


/* By key. */
typedef struct crdti_order {
    CRDTI_ARRAY(uint32_t) slots; /* entries, and of sets rows */
    size_t next;                 /* where the walk that came last will go on */
} crdti_order;

CRDTI_FN void crdti_order_drop(crdt_doc *doc, crdti_object *object)
{
    crdti_order *order = (crdti_order *)object->state;
    if (!order)
        return;
    crdti_array_free(&doc->alloc, &order->slots);
    crdti_free(&doc->alloc, order, sizeof *order);
    object->state = NULL;
}

/* The key of a visible entry or of a row. */
CRDTI_FN crdt_bytes crdti_slot_key(const crdt_doc *doc, uint32_t slot,
                                   uint8_t room[CRDTI_ROW_KEY])
{
    if (slot & CRDTI_ROW_BIT)
        return crdti_row_key(doc, slot, room);
    return crdti_entry_key(crdti_entry_at(doc, slot));
}

CRDTI_FN int crdti_slot_order(const void *doc, uint32_t a, uint32_t b)
{
    uint8_t room_a[CRDTI_ROW_KEY], room_b[CRDTI_ROW_KEY];
    return crdti_bytes_order(crdti_slot_key((const crdt_doc *)doc, a, room_a),
                             crdti_slot_key((const crdt_doc *)doc, b, room_b));
}

/* Adds the rows of a set. NOMEM. */
CRDTI_FN crdt_err crdti_order_rows(crdt_doc *doc, uint32_t at,
                                   crdti_order *order)
{
    unsigned i;
    for (; at; at = crdti_block_at(doc, at)->next) {
        if (crdti_array_reserve(&doc->alloc, &order->slots, CRDTI_BLOCK_ROWS))
            return CRDT_ERR_NOMEM;
        for (i = 0; i < CRDTI_BLOCK_ROWS; i++)
            if (crdti_row_is_alive(crdti_block_at(doc, at), i))
                order->slots.ptr[order->slots.len++] = crdti_row_name(at, i);
    }
    return CRDT_OK;
}

/* An element that is in by several of them shows once. */
CRDTI_FN void crdti_order_unique(const crdt_doc *doc, crdti_order *order)
{
    size_t i, to = 0;
    for (i = 0; i < order->slots.len; i++)
        if (to == 0 || crdti_slot_order(doc, order->slots.ptr[to - 1],
                                        order->slots.ptr[i]))
            order->slots.ptr[to++] = order->slots.ptr[i];
    order->slots.len = to;
}

/* The object's order, made anew when its keys have changed. */
CRDTI_FN crdt_err crdti_order_get(crdt_doc *doc, uint32_t index,
                                  crdti_order **out)
{
    crdti_object *object = crdti_object_at(doc, index);
    crdti_order *order = (crdti_order *)object->state;
    uint32_t at;
    if (!order) {
        order = (crdti_order *)crdti_alloc(&doc->alloc, sizeof *order);
        if (!order)
            return CRDT_ERR_NOMEM;
        crdti_zero(order, sizeof *order);
        object->state = order;
        object->keys_changed = 1;
    }
    *out = order;
    if (!object->keys_changed)
        return CRDT_OK;
    order->slots.len = 0;
    if (crdti_array_reserve(&doc->alloc, &order->slots, object->weight) ||
        crdti_order_rows(doc, object->blocks, order))
        return CRDT_ERR_NOMEM;
    for (at = object->entries; at; at = crdti_entry_at(doc, at)->next) {
        if (!crdti_entry_at(doc, at)->is_visible)
            continue;
        if (crdti_array_reserve(&doc->alloc, &order->slots, 1))
            return CRDT_ERR_NOMEM;
        order->slots.ptr[order->slots.len++] = at;
    }
    crdti_sort(crdti_slot_order, doc, order->slots.ptr, order->slots.len);
    if (object->blocks)
        crdti_order_unique(doc, order);
    object->keys_changed = 0;
    return CRDT_OK;
}

CRDTI_FN int crdti_order_compare(const crdt_doc *doc, uint32_t slot,
                                 crdt_bytes key)
{
    uint8_t room[CRDTI_ROW_KEY];
    return crdti_bytes_order(crdti_slot_key(doc, slot, room), key);
}

/* The first place whose key is behind the cursor's: mostly the next one. */
CRDTI_FN size_t crdti_order_behind(const crdt_doc *doc,
                                   const crdti_order *order, crdt_bytes key)
{
    size_t low = 0, high = order->slots.len, next = order->next;
    if (next && next <= high &&
        crdti_order_compare(doc, order->slots.ptr[next - 1], key) == 0)
        return next;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (crdti_order_compare(doc, order->slots.ptr[middle], key) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The next visible entry or row; the cursor's value is the caller's to set.
 * NOT_FOUND at the end, NOMEM. */
CRDTI_FN crdt_err crdti_order_next(crdt_obj obj, crdt_cursor *cursor,
                                   uint32_t *slot)
{
    crdti_order *order;
    uint8_t room[CRDTI_ROW_KEY];
    crdt_bytes key;
    size_t place = 0;
    crdt_err err = crdti_order_get(obj.doc, obj.index, &order);
    if (err)
        return err;
    if (cursor->started)
        place = crdti_order_behind(obj.doc, order, cursor->key);
    if (place == order->slots.len)
        return CRDT_ERR_NOT_FOUND;
    order->next = place + 1;
    *slot = order->slots.ptr[place];
    key = crdti_slot_key(obj.doc, *slot, room);
    crdti_copy(cursor->key_copy, key.ptr, key.len);
    cursor->started = 1;
    cursor->key = crdt_bytes_of(cursor->key_copy, key.len);
    return CRDT_OK;
}

#endif
/* >> counter.h */
/*
 * Counters. Each replica has at most one live ADD, which tells all it ever
 * added and took; a RESET tells up to where additions are void.
 *
 *     entry ""    ADD a.9: +15 -0    ADD b.4: +3 -1
 *     entry "r"   RESET c.2: a +10 -0, b +3 -1       "this is what I saw"
 *
 *     replica   plus  minus   void plus  void minus   counts
 *        a       15     0        10          0           5
 *        b        3     1         3          1           0
 *                                              value     5
 *
 * The totals only grow, so a RESET that saw a's 10 takes 10 from every later
 * total too, and a concurrent +5 leaves exactly 5. The table is kept per
 * counter, with its sum, so reading is one load. A G-counter is one whose
 * minus stays 0.
 */
#ifndef CRDTI_COUNTER_H
#define CRDTI_COUNTER_H


#define CRDTI_COUNT_MAX ((uint64_t)INT64_MAX) /* of each total */
#define CRDTI_COUNTERS                                                        \
    (UINT32_C(1) << CRDT_COUNTER | UINT32_C(1) << CRDT_GCOUNTER)

/* A sum that cannot overflow: 65,536 replicas of 2^63 are 2^79. */
typedef struct crdti_wide {
    uint64_t lo, hi; /* two's complement */
} crdti_wide;

typedef struct crdti_part {
    uint64_t plus, minus;           /* of the live ADD */
    uint64_t void_plus, void_minus; /* greatest of the live RESETs */
    uint32_t replica, op;           /* op 0: no ADD is alive */
} crdti_part;

typedef struct crdti_counter {
    CRDTI_ARRAY(crdti_part) parts; /* by replica number */
    crdti_wide value;
} crdti_counter;

CRDTI_FN crdti_counter *crdti_counter_at(const crdt_doc *doc, uint32_t object)
{
    return (crdti_counter *)crdti_object_at(doc, object)->state;
}

CRDTI_FN size_t crdti_part_place(const crdti_counter *counter,
                                 uint32_t replica)
{
    size_t low = 0, high = counter->parts.len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (counter->parts.ptr[middle].replica < replica)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The part of the replica, or NULL. */
CRDTI_FN crdti_part *crdti_part_find(const crdti_counter *counter,
                                     uint32_t replica)
{
    size_t place = crdti_part_place(counter, replica);
    if (place == counter->parts.len ||
        counter->parts.ptr[place].replica != replica)
        return NULL;
    return &counter->parts.ptr[place];
}

/* The part of the replica, made when missing; room is reserved. */
CRDTI_FN crdti_part *crdti_part_get(crdti_counter *counter, uint32_t replica)
{
    size_t place = crdti_part_place(counter, replica);
    crdti_part *part = counter->parts.ptr + place;
    if (place < counter->parts.len && part->replica == replica)
        return part;
    CRDTI_ASSERT(counter->parts.len < counter->parts.cap);
    crdti_move(part + 1, part, (counter->parts.len - place) * sizeof *part);
    crdti_zero(part, sizeof *part);
    part->replica = replica;
    counter->parts.len++;
    return part;
}

/* >>what a part counts ---------------------------------------------------- */

CRDTI_FN uint64_t crdti_less(uint64_t total, uint64_t voided)
{
    return total > voided ? total - voided : 0;
}

CRDTI_FN int crdti_part_is_visible(const crdti_part *part)
{
    return part->op &&
           (part->plus > part->void_plus || part->minus > part->void_minus);
}

CRDTI_FN void crdti_wide_add(crdti_wide *sum, uint64_t amount)
{
    sum->lo += amount;
    sum->hi += sum->lo < amount;
}

CRDTI_FN void crdti_wide_subtract(crdti_wide *sum, uint64_t amount)
{
    sum->hi -= sum->lo < amount;
    sum->lo -= amount;
}

/* Takes the part out of the sum, or puts it in. */
CRDTI_FN void crdti_part_count(crdt_doc *doc, uint32_t object,
                               const crdti_part *part, int in)
{
    crdti_counter *counter = crdti_counter_at(doc, object);
    crdti_object *at = crdti_object_at(doc, object);
    uint64_t up, down;
    if (!crdti_part_is_visible(part))
        return;
    up = crdti_less(part->plus, part->void_plus);
    down = crdti_less(part->minus, part->void_minus);
    crdti_wide_add(&counter->value, in ? up : down);
    crdti_wide_subtract(&counter->value, in ? down : up);
    at->weight += in ? 1u : UINT32_MAX;
}

/* Climbs when the counter appeared or disappeared since it had `weight`. */
CRDTI_FN void crdti_counter_climb(crdt_doc *doc, uint32_t object,
                                  uint32_t weight)
{
    uint32_t now = crdti_object_at(doc, object)->weight;
    if (!weight != !now)
        crdti_climb(doc, object, now != 0);
}

/* >>birth and death ------------------------------------------------------- */

/* Without the climb. O(voids x log parts). */
CRDTI_FN void crdti_voids_raise(crdt_doc *doc, uint32_t object,
                                const crdti_op *reset)
{
    uint32_t i;
    for (i = 0; i < reset->len; i++) {
        const crdti_void *v = &reset->as.voids[i];
        crdti_part *part =
            crdti_part_get(crdti_counter_at(doc, object), v->replica);
        crdti_part_count(doc, object, part, 0);
        part->void_plus = crdti_max(part->void_plus, v->plus);
        part->void_minus = crdti_max(part->void_minus, v->minus);
        crdti_part_count(doc, object, part, 1);
    }
}

CRDTI_FN void crdti_add_set(crdt_doc *doc, uint32_t object, uint32_t replica,
                            uint32_t op, uint64_t plus, uint64_t minus)
{
    uint32_t weight = crdti_object_at(doc, object)->weight;
    crdti_part *part = crdti_part_get(crdti_counter_at(doc, object), replica);
    crdti_part_count(doc, object, part, 0);
    part->op = op;
    part->plus = plus;
    part->minus = minus;
    crdti_part_count(doc, object, part, 1);
    crdti_counter_climb(doc, object, weight);
}

/* An ADD takes the place of the one before it of the same replica, whether it
 * says so or not: two of them would be counted by chance. */
CRDTI_FN void crdti_add_born(crdt_doc *doc, uint32_t object, uint32_t index)
{
    const crdti_op *op = crdti_op_at(doc, index);
    uint32_t before =
        crdti_part_find(crdti_counter_at(doc, object), op->replica)->op;
    crdti_add_set(doc, object, op->replica, index, op->as.add.plus,
                  op->as.add.minus);
    if (before)
        crdti_op_die(doc, before, index);
}

CRDTI_FN void crdti_counter_born(crdt_doc *doc, uint32_t object,
                                 uint32_t index)
{
    const crdti_op *op = crdti_op_at(doc, index);
    uint32_t weight = crdti_object_at(doc, object)->weight;
    if (op->kind == CRDTI_ADD) {
        crdti_add_born(doc, object, index);
        return;
    }
    crdti_voids_raise(doc, object, op);
    crdti_counter_climb(doc, object, weight);
}

CRDTI_FN void crdti_counter_died(crdt_doc *doc, uint32_t object,
                                 uint32_t index)
{
    const crdti_op *op = crdti_op_at(doc, index);
    if (op->kind == CRDTI_RESET)
        crdti_stale(doc, object);
    else if (crdti_part_find(crdti_counter_at(doc, object), op->replica)->op ==
             index)
        crdti_add_set(doc, object, op->replica, 0, 0, 0);
}

CRDTI_FN crdt_bytes crdti_reset_key(void)
{
    return CRDT_STR("r");
}

CRDTI_FN int crdti_counter_has_key(crdt_bytes key)
{
    return key.len == 0 || crdt_bytes_equal(key, crdti_reset_key());
}

/* RESETs have died: what is void, anew from those that live. */
CRDTI_FN void crdti_counter_settle(crdt_doc *doc, uint32_t object)
{
    crdti_counter *counter = crdti_counter_at(doc, object);
    uint32_t weight = crdti_object_at(doc, object)->weight;
    uint32_t at = crdti_entry_find(doc, object, crdti_reset_key());
    size_t i;
    for (i = 0; i < counter->parts.len; i++) {
        crdti_part *part = &counter->parts.ptr[i];
        crdti_part_count(doc, object, part, 0);
        part->void_plus = part->void_minus = 0;
        crdti_part_count(doc, object, part, 1);
    }
    for (at = at ? crdti_entry_at(doc, at)->ops : 0; at;
         at = crdti_op_at(doc, at)->next)
        crdti_voids_raise(doc, object, crdti_op_at(doc, at));
    crdti_counter_climb(doc, object, weight);
}

/* The counter's table, made when missing. */
CRDTI_FN crdti_counter *crdti_counter_get(crdt_doc *doc, uint32_t object)
{
    crdti_object *at = crdti_object_at(doc, object);
    crdti_counter *counter = (crdti_counter *)at->state;
    if (counter)
        return counter;
    counter = (crdti_counter *)crdti_alloc(&doc->alloc, sizeof *counter);
    if (counter)
        crdti_zero(counter, sizeof *counter);
    at->state = counter;
    return counter;
}

/* Makes the parts that the op will fill: an empty one counts nothing. */
CRDTI_FN crdt_err crdti_counter_reserve(crdt_doc *doc, uint32_t object,
                                        const crdti_op *op)
{
    crdti_counter *counter = crdti_counter_get(doc, object);
    uint32_t i;
    if (!counter ||
        crdti_array_reserve(&doc->alloc, &counter->parts,
                            op->kind == CRDTI_RESET ? op->len : 1u))
        return CRDT_ERR_NOMEM;
    if (op->kind == CRDTI_ADD)
        crdti_part_get(counter, op->replica);
    for (i = 0; op->kind == CRDTI_RESET && i < op->len; i++)
        crdti_part_get(counter, op->as.voids[i].replica);
    return CRDT_OK;
}

CRDTI_FN void crdti_counter_drop(crdt_doc *doc, crdti_object *object)
{
    crdti_counter *counter = (crdti_counter *)object->state;
    if (!counter)
        return;
    crdti_array_free(&doc->alloc, &counter->parts);
    crdti_free(&doc->alloc, counter, sizeof *counter);
    object->state = NULL;
}

/* >>reset ----------------------------------------------------------------- */

/* What a RESET must say of the part; 0 when there is nothing to void. */
CRDTI_FN int crdti_part_void(const crdti_part *part, crdti_void *out)
{
    crdti_zero(out, sizeof *out);
    out->replica = part->replica;
    out->plus = crdti_max(part->plus, part->void_plus);
    out->minus = crdti_max(part->minus, part->void_minus);
    return out->plus || out->minus;
}

/* A draft that voids all that is seen, and all that is void already. */
CRDTI_FN crdt_err crdti_counter_reset_draft(crdt_doc *doc, uint32_t object,
                                            crdti_op *draft)
{
    const crdti_counter *counter = crdti_counter_at(doc, object);
    crdti_void v;
    size_t i;
    crdt_err err;
    crdti_zero(draft, sizeof *draft);
    draft->kind = CRDTI_RESET;
    for (i = 0; i < counter->parts.len; i++)
        draft->len += crdti_part_void(&counter->parts.ptr[i], &v) != 0;
    draft->as.voids = (crdti_void *)crdti_alloc(
        &doc->alloc, draft->len * sizeof(crdti_void));
    if (!draft->as.voids)
        return CRDT_ERR_NOMEM;
    draft->len = 0;
    for (i = 0; i < counter->parts.len; i++)
        if (crdti_part_void(&counter->parts.ptr[i], &v))
            draft->as.voids[draft->len++] = v;
    err = crdti_entry_get(doc, object, crdti_reset_key(), &draft->entry);
    if (err)
        crdti_op_drop(&doc->alloc, draft);
    return err;
}

CRDT_API crdt_err crdt_counter_reset(crdt_obj counter)
{
    crdti_op draft;
    crdt_err err = crdti_check(counter, CRDT_COUNTER);
    if (err || !crdti_object_at(counter.doc, counter.index)->weight)
        return err;
    err = crdti_counter_reset_draft(counter.doc, counter.index, &draft);
    if (err)
        return err;
    err = crdti_write_scope(counter.doc, &draft);
    if (!err)
        return CRDT_OK;
    crdti_op_drop(&counter.doc->alloc, &draft);
    crdti_entry_tidy(counter.doc, draft.entry);
    return err;
}

/* >>add and get ----------------------------------------------------------- */

/* The sum as an int64, or the nearest and an error. */
CRDTI_FN crdt_err crdti_wide_get(const crdti_wide *sum, int64_t *out)
{
    int negative = sum->hi >> 63 != 0;
    int fits = negative ? sum->hi == UINT64_MAX && sum->lo >> 63
                        : sum->hi == 0 && !(sum->lo >> 63);
    if (!fits) {
        *out = negative ? INT64_MIN : INT64_MAX;
        return CRDT_ERR_OVERFLOW;
    }
    *out = negative ? -(int64_t)(~sum->lo) - 1 : (int64_t)sum->lo;
    return CRDT_OK;
}

CRDT_API crdt_err crdt_counter_get(crdt_obj counter, int64_t *out)
{
    const crdti_counter *at;
    crdt_err err = crdti_check_among(counter, CRDTI_COUNTERS);
    if (err)
        return err;
    at = crdti_counter_at(counter.doc, counter.index);
    *out = 0;
    return at ? crdti_wide_get(&at->value, out) : CRDT_OK;
}

/* For the type table: at the end of the range, the end. */
CRDTI_FN int crdti_counter_read(crdt_doc *doc, uint32_t counter,
                                crdt_bytes key, crdt_value *out)
{
    (void)key;
    *out = crdt_int(0);
    (void)crdt_counter_get(crdti_obj(doc, counter), &out->as.integer);
    return 1;
}

CRDTI_FN uint64_t crdti_magnitude(int64_t amount)
{
    return amount < 0 ? ~(uint64_t)amount + 1 : (uint64_t)amount;
}

/* The totals after the addition. OVERFLOW. */
CRDTI_FN crdt_err crdti_add_totals(const crdti_counter *counter, uint32_t self,
                                   int64_t amount, crdti_op *draft)
{
    const crdti_part *part = crdti_part_find(counter, self);
    crdti_wide value = counter->value;
    uint64_t size = crdti_magnitude(amount);
    uint64_t *total = amount < 0 ? &draft->as.add.minus : &draft->as.add.plus;
    crdti_void so_far;
    int64_t edge;
    if (part && crdti_part_void(part, &so_far)) {
        draft->as.add.plus = so_far.plus;
        draft->as.add.minus = so_far.minus;
    }
    if (amount < 0)
        crdti_wide_subtract(&value, size);
    else
        crdti_wide_add(&value, size);
    if (size > CRDTI_COUNT_MAX - *total)
        return CRDT_ERR_OVERFLOW;
    /* Concurrent additions may have left the range: the way back is open. */
    if (crdti_wide_get(&value, &edge) && (edge < 0) == (amount < 0))
        return CRDT_ERR_OVERFLOW;
    *total += size;
    return CRDT_OK;
}

/* Files the ADD in place of the own one before. Memory is reserved. */
CRDTI_FN void crdti_add_file(crdt_doc *doc, uint32_t object,
                             const crdti_op *draft)
{
    const crdti_part *part =
        crdti_part_find(crdti_counter_at(doc, object), doc->self);
    uint64_t before = part && part->op ? crdti_op_at(doc, part->op)->seq : 0;
    uint32_t index = crdti_write_file(doc, draft);
    if (before)
        crdti_kill_note(doc, index, doc->self, before);
}

CRDT_API crdt_err crdt_counter_add(crdt_obj counter, int64_t amount)
{
    crdt_doc *doc = counter.doc;
    crdti_op draft;
    crdt_err err = crdti_check_among(counter, CRDTI_COUNTERS);
    if (err || amount == 0)
        return err;
    if (amount < 0 && crdt_type_of(counter) == CRDT_GCOUNTER)
        return CRDT_ERR_RANGE;
    crdti_zero(&draft, sizeof draft);
    draft.kind = CRDTI_ADD;
    draft.replica = doc->self;
    err = crdti_write_check(doc, 1);
    if (!err)
        err = crdti_counter_reserve(doc, counter.index, &draft);
    if (!err)
        err = crdti_add_totals(crdti_counter_at(doc, counter.index), doc->self,
                               amount, &draft);
    if (!err)
        err = crdti_write_reserve(doc, 1, 1);
    if (!err)
        err =
            crdti_entry_get(doc, counter.index, crdti_no_key(), &draft.entry);
    if (!err)
        crdti_add_file(doc, counter.index, &draft);
    return err;
}

#endif
/* >> bounded.h */
/*
 * Bounded counters: never below 0, though nobody asks anybody. Each unit that
 * is in the counter belongs to a replica, which alone may take it, or hand it
 * on. Each replica says what it ever did in ADDs of its own:
 *
 *     entry ""       ADD a.9: +10 -3      a added 10 and took 3
 *     entry b's id   ADD a.7: +4          a handed 4 to b
 *
 *     rights   a: 10 - 3 - 4 = 3,  b: 4,  value 7
 *
 * Totals only grow, and only their owner writes them, so what a replica sees of
 * its own rights is exact or too little. A reset by others would void what the
 * owner is taking meanwhile; so a removal above takes the remover's rights and
 * no more. (Balegas et al. 2015)
 */
#ifndef CRDTI_BOUNDED_H
#define CRDTI_BOUNDED_H


typedef struct crdti_share_of {
    crdt_id owner;
    crdti_wide rights;
} crdti_share_of;

typedef struct crdti_bounded {
    CRDTI_ARRAY(crdti_share_of) shares; /* by owner */
    crdti_wide value;
} crdti_bounded;

CRDTI_FN crdti_bounded *crdti_bounded_at(const crdt_doc *doc, uint32_t object)
{
    return (crdti_bounded *)crdti_object_at(doc, object)->state;
}

CRDTI_FN size_t crdti_share_place(const crdti_bounded *counter,
                                  const crdt_id *owner)
{
    size_t low = 0, high = counter->shares.len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (crdti_id_order(&counter->shares.ptr[middle].owner, owner) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The share of the owner, or NULL. */
CRDTI_FN crdti_share_of *crdti_share_find(const crdti_bounded *counter,
                                          const crdt_id *owner)
{
    size_t place = counter ? crdti_share_place(counter, owner) : 0;
    if (!counter || place == counter->shares.len ||
        crdti_id_order(&counter->shares.ptr[place].owner, owner))
        return NULL;
    return &counter->shares.ptr[place];
}

/* Makes one that is missing; room is reserved. */
CRDTI_FN void crdti_share_make(crdti_bounded *counter, const crdt_id *owner)
{
    size_t place = crdti_share_place(counter, owner);
    crdti_share_of *share = counter->shares.ptr + place;
    crdti_move(share + 1, share,
               (counter->shares.len - place) * sizeof *share);
    crdti_zero(share, sizeof *share);
    share->owner = *owner;
    counter->shares.len++;
}

/* >>birth and death ------------------------------------------------------- */

CRDTI_FN int crdti_wide_is_zero(const crdti_wide *sum)
{
    return !sum->lo && !sum->hi;
}

/* Counts rights in (or out) of the owner's share, which is there. The weight
 * is the number of owners that have any. */
CRDTI_FN void crdti_share_count(crdt_doc *doc, uint32_t object,
                                const crdt_id *owner, uint64_t amount, int in)
{
    crdti_wide *rights =
        &crdti_share_find(crdti_bounded_at(doc, object), owner)->rights;
    crdti_object *at = crdti_object_at(doc, object);
    at->weight -= !crdti_wide_is_zero(rights);
    if (in)
        crdti_wide_add(rights, amount);
    else
        crdti_wide_subtract(rights, amount);
    at->weight += !crdti_wide_is_zero(rights);
}

CRDTI_FN int crdti_bounded_has_key(crdt_bytes key)
{
    return key.len == 0 || key.len == sizeof(crdt_id);
}

/* The owner of the share that a handing-on is to. */
CRDTI_FN crdt_id crdti_share_owner(crdt_bytes key)
{
    crdt_id id;
    crdti_copy(id.b, key.ptr, sizeof id.b);
    return id;
}

/* Counts an op in or out. */
CRDTI_FN void crdti_bounded_count(crdt_doc *doc, uint32_t object,
                                  uint32_t index, int in)
{
    crdti_bounded *counter = crdti_bounded_at(doc, object);
    const crdti_op *op = crdti_op_at(doc, index);
    const crdt_id *author = &doc->replicas.ptr[op->replica].id;
    crdt_bytes key = crdti_entry_key(crdti_entry_at(doc, op->entry));
    uint32_t weight = crdti_object_at(doc, object)->weight;
    if (key.len) {
        crdt_id to = crdti_share_owner(key);
        crdti_share_count(doc, object, &to, op->as.add.plus, in);
        crdti_share_count(doc, object, author, op->as.add.plus, !in);
    } else {
        crdti_share_count(doc, object, author, op->as.add.plus, in);
        crdti_share_count(doc, object, author, op->as.add.minus, !in);
        crdti_wide_add(&counter->value,
                       in ? op->as.add.plus : op->as.add.minus);
        crdti_wide_subtract(&counter->value,
                            in ? op->as.add.minus : op->as.add.plus);
    }
    crdti_counter_climb(doc, object, weight);
}

CRDTI_FN void crdti_bounded_born(crdt_doc *doc, uint32_t object,
                                 uint32_t index)
{
    crdti_bounded_count(doc, object, index, 1);
}

CRDTI_FN void crdti_bounded_died(crdt_doc *doc, uint32_t object,
                                 uint32_t index)
{
    crdti_bounded_count(doc, object, index, 0);
}

/* Makes the owner's share when it is missing. Anybody may hand on to ids that
 * nobody has, so there is a limit. LIMIT, NOMEM. */
CRDTI_FN crdt_err crdti_share_get(crdt_doc *doc, crdti_bounded *counter,
                                  const crdt_id *owner)
{
    if (crdti_share_find(counter, owner))
        return CRDT_OK;
    if (counter->shares.len == CRDTSYNC_MAX_REPLICAS)
        return CRDT_ERR_LIMIT;
    if (crdti_array_reserve(&doc->alloc, &counter->shares, 1))
        return CRDT_ERR_NOMEM;
    crdti_share_make(counter, owner);
    return CRDT_OK;
}

CRDTI_FN crdt_err crdti_bounded_reserve(crdt_doc *doc, uint32_t object,
                                        const crdti_op *op)
{
    crdti_object *at = crdti_object_at(doc, object);
    crdti_bounded *counter = (crdti_bounded *)at->state;
    crdt_bytes key = crdti_entry_key(crdti_entry_at(doc, op->entry));
    crdt_id to;
    crdt_err err;
    if (!counter) {
        counter = (crdti_bounded *)crdti_alloc(&doc->alloc, sizeof *counter);
        if (!counter)
            return CRDT_ERR_NOMEM;
        crdti_zero(counter, sizeof *counter);
        at->state = counter;
    }
    err = crdti_share_get(doc, counter, &doc->replicas.ptr[op->replica].id);
    if (err || !key.len)
        return err;
    to = crdti_share_owner(key);
    return crdti_share_get(doc, counter, &to);
}

CRDTI_FN void crdti_bounded_drop(crdt_doc *doc, crdti_object *object)
{
    crdti_bounded *counter = (crdti_bounded *)object->state;
    if (!counter)
        return;
    crdti_array_free(&doc->alloc, &counter->shares);
    crdti_free(&doc->alloc, counter, sizeof *counter);
    object->state = NULL;
}

/* >>writing --------------------------------------------------------------- */

/* What the replica owns, as far as it fits. OVERFLOW, with the nearest. */
CRDTI_FN crdt_err crdti_bounded_own(const crdt_doc *doc, uint32_t object,
                                    const crdt_id *owner, int64_t *out)
{
    const crdti_share_of *share =
        crdti_share_find(crdti_bounded_at(doc, object), owner);
    *out = 0;
    return share ? crdti_wide_get(&share->rights, out) : CRDT_OK;
}

/* The draft of the own ADD in the entry of the key, with totals as they are.
 * LIMIT, NOMEM. */
CRDTI_FN crdt_err crdti_bounded_draft(crdt_doc *doc, uint32_t object,
                                      crdt_bytes key, crdti_op *draft)
{
    uint32_t at;
    crdt_err err;
    crdti_zero(draft, sizeof *draft);
    draft->kind = CRDTI_ADD;
    draft->replica = doc->self;
    err = crdti_entry_get(doc, object, key, &draft->entry);
    if (err)
        return err;
    at = crdti_own_op(doc, draft->entry);
    if (at)
        draft->as.add = crdti_op_at(doc, at)->as.add;
    return CRDT_OK;
}

/* Adds to the totals of the own ADD at the key, and writes it. */
CRDTI_FN crdt_err crdti_bounded_write(crdt_obj counter, crdt_bytes key,
                                      uint64_t plus, uint64_t minus)
{
    crdt_doc *doc = counter.doc;
    crdti_op draft;
    crdt_err err = crdti_bounded_draft(doc, counter.index, key, &draft);
    if (err)
        return err;
    if (plus > CRDTI_COUNT_MAX - draft.as.add.plus ||
        minus > CRDTI_COUNT_MAX - draft.as.add.minus)
        err = CRDT_ERR_OVERFLOW;
    draft.as.add.plus += plus;
    draft.as.add.minus += minus;
    if (!err)
        err = crdti_write_check(doc, 1);
    if (!err)
        err = crdti_bounded_reserve(doc, counter.index, &draft);
    if (!err)
        err = crdti_write_reserve(doc, 1, 1);
    if (err)
        crdti_entry_tidy(doc, draft.entry);
    else
        crdti_write_own(doc, &draft);
    return err;
}

/* What every call looks at first. TYPE, RANGE; RIGHTS when it needs them. */
CRDTI_FN crdt_err crdti_bounded_check(crdt_obj counter, int64_t amount,
                                      int needs_rights)
{
    crdt_err err = crdti_check(counter, CRDT_BOUNDED);
    crdt_id self;
    int64_t own;
    if (err)
        return err;
    if (amount < 0)
        return CRDT_ERR_RANGE;
    self = crdt_doc_replica(counter.doc);
    (void)crdti_bounded_own(counter.doc, counter.index, &self, &own);
    return needs_rights && amount > own ? CRDT_ERR_RIGHTS : CRDT_OK;
}

CRDT_API crdt_err crdt_bounded_add(crdt_obj counter, int64_t amount)
{
    int64_t value;
    crdt_err err = crdti_bounded_check(counter, amount, 0);
    if (!err)
        err = crdt_bounded_get(counter, &value);
    if (!err && value > 0 && amount > INT64_MAX - value)
        err = CRDT_ERR_OVERFLOW;
    if (err || amount == 0)
        return err;
    return crdti_bounded_write(counter, crdti_no_key(), (uint64_t)amount, 0);
}

CRDT_API crdt_err crdt_bounded_take(crdt_obj counter, int64_t amount)
{
    crdt_err err = crdti_bounded_check(counter, amount, 1);
    if (err || amount == 0)
        return err;
    return crdti_bounded_write(counter, crdti_no_key(), 0, (uint64_t)amount);
}

CRDT_API crdt_err crdt_bounded_transfer(crdt_obj counter, const crdt_id *to,
                                        int64_t amount)
{
    crdt_err err = crdti_bounded_check(counter, amount, 1);
    crdt_id self;
    if (!err && !to)
        err = CRDT_ERR_ARG;
    if (err || amount == 0)
        return err;
    self = crdt_doc_replica(counter.doc);
    if (!crdti_id_order(to, &self))
        return CRDT_OK;
    return crdti_bounded_write(counter, crdt_bytes_of(to->b, sizeof to->b),
                               (uint64_t)amount, 0);
}

CRDT_API crdt_err crdt_bounded_get(crdt_obj counter, int64_t *out)
{
    const crdti_bounded *at;
    crdt_err err = crdti_check(counter, CRDT_BOUNDED);
    if (err)
        return err;
    at = crdti_bounded_at(counter.doc, counter.index);
    *out = 0;
    return at ? crdti_wide_get(&at->value, out) : CRDT_OK;
}

/* For the type table: at the end of the range, the end. */
CRDTI_FN int crdti_bounded_read(crdt_doc *doc, uint32_t counter,
                                crdt_bytes key, crdt_value *out)
{
    (void)key;
    *out = crdt_int(0);
    (void)crdt_bounded_get(crdti_obj(doc, counter), &out->as.integer);
    return 1;
}

CRDT_API crdt_err crdt_bounded_rights(crdt_obj counter, const crdt_id *who,
                                      int64_t *out)
{
    crdt_err err = crdti_check(counter, CRDT_BOUNDED);
    return err ? err : crdti_bounded_own(counter.doc, counter.index, who, out);
}

/* >>removal above --------------------------------------------------------- */

/* A draft that takes what the remover owns; of kind 0 when that is nothing. Who
 * owns something has a share, so there is nothing to reserve. */
CRDTI_FN crdt_err crdti_bounded_reset_draft(crdt_doc *doc, uint32_t object,
                                            crdti_op *draft)
{
    crdt_id self = crdt_doc_replica(doc);
    uint64_t amount;
    int64_t own;
    crdt_err err;
    (void)crdti_bounded_own(doc, object, &self, &own);
    draft->kind = 0;
    if (own <= 0)
        return CRDT_OK;
    err = crdti_bounded_draft(doc, object, crdti_no_key(), draft);
    if (err)
        return err;
    amount = crdti_min((uint64_t)own, CRDTI_COUNT_MAX - draft->as.add.minus);
    draft->as.add.minus += amount;
    return CRDT_OK;
}

#endif
/* >> extreme.h */
/*
 * Max and min registers: one entry with the empty key, and the greatest (least)
 * of the VALUEs that are alive is shown.
 *
 *     max   VALUE 7 by a.3, VALUE 12 by b.9      shows 12
 *
 * A value that is not greater than what is shown is not written, so a writer
 * kills only what is less. (Stamps are there, and mean nothing.)
 */
#ifndef CRDTI_EXTREME_H
#define CRDTI_EXTREME_H


/* Whether a is further out than b. */
CRDTI_FN int crdti_is_further(crdt_type type, const crdt_value *a,
                              const crdt_value *b)
{
    int order = crdti_value_order(a, b);
    return type == CRDT_MAX ? order > 0 : order < 0;
}

CRDTI_FN crdt_err crdti_extreme_get(crdt_obj obj, crdt_type type,
                                    crdt_value *out)
{
    uint32_t entry, at;
    crdt_value value;
    crdt_err err = crdti_check(obj, type);
    if (err)
        return err;
    entry = crdti_entry_find(obj.doc, obj.index, crdti_no_key());
    at = entry ? crdti_entry_at(obj.doc, entry)->ops : 0;
    if (!at)
        return CRDT_ERR_NOT_FOUND;
    *out = crdti_op_value(crdti_op_at(obj.doc, at));
    while ((at = crdti_op_at(obj.doc, at)->next) != 0) {
        value = crdti_op_value(crdti_op_at(obj.doc, at));
        if (CRDTI_RULE(EXTREME_IS_SHOWN) &&
            crdti_is_further(type, &value, out))
            *out = value;
    }
    return CRDT_OK;
}

CRDTI_FN crdt_err crdti_extreme_set(crdt_obj obj, crdt_type type,
                                    const crdt_value *value)
{
    crdt_value shown;
    crdt_err err, found = crdti_extreme_get(obj, type, &shown);
    if (found && found != CRDT_ERR_NOT_FOUND)
        return found;
    err = crdti_value_check(value);
    if (err)
        return err;
    if (!found && CRDTI_RULE(EXTREME_STAYS) &&
        !crdti_is_further(type, value, &shown))
        return CRDT_OK;
    return crdti_value_write(obj.doc, obj.index, crdti_no_key(), value);
}

CRDT_API crdt_err crdt_max_set(crdt_obj max, crdt_value value)
{
    return crdti_extreme_set(max, CRDT_MAX, &value);
}

CRDT_API crdt_err crdt_min_set(crdt_obj min, crdt_value value)
{
    return crdti_extreme_set(min, CRDT_MIN, &value);
}

CRDT_API crdt_err crdt_max_get(crdt_obj max, crdt_value *out)
{
    return crdti_extreme_get(max, CRDT_MAX, out);
}

CRDT_API crdt_err crdt_min_get(crdt_obj min, crdt_value *out)
{
    return crdti_extreme_get(min, CRDT_MIN, out);
}

/* For the type table. */
CRDTI_FN int crdti_extreme_read(crdt_doc *doc, uint32_t index, crdt_bytes key,
                                crdt_value *out)
{
    crdt_type type = (crdt_type)crdti_object_at(doc, index)->type;
    (void)key;
    return !crdti_extreme_get(crdti_obj(doc, index), type, out);
}

#endif
/* >> flag.h */
/*
 * Flags: one entry with the empty key. What the types disagree about is the
 * reading of concurrent writes.
 *
 *                  enable      disable     true when there is
 *     EW flag      IN          REMOVE      an IN
 *     DW flag      IN          OUT         an IN and no OUT
 *
 * Each write kills all it has seen, so one op is left of those that were not
 * concurrent.
 */
#ifndef CRDTI_FLAG_H
#define CRDTI_FLAG_H


#define CRDTI_FLAGS (UINT32_C(1) << CRDT_EW_FLAG | UINT32_C(1) << CRDT_DW_FLAG)

/* What an OUT hides: for disable-wins flags and remove-wins sets. */
CRDTI_FN int crdti_in_and_not_out(const crdt_doc *doc,
                                  const crdti_entry *entry)
{
    uint32_t at;
    for (at = entry->ops; at; at = crdti_op_at(doc, at)->next)
        if (crdti_op_at(doc, at)->kind == CRDTI_OUT)
            return 0;
    return entry->shows != 0;
}

/* Writes an IN or OUT over all that is seen at the key. */
CRDTI_FN crdt_err crdti_mark_write(crdt_doc *doc, uint32_t object,
                                   crdt_bytes key, uint8_t kind)
{
    crdti_op draft;
    crdt_err err;
    crdti_zero(&draft, sizeof draft);
    draft.kind = kind;
    err = crdti_entry_get(doc, object, key, &draft.entry);
    if (err)
        return err;
    err = crdti_write_scope(doc, &draft);
    if (err)
        crdti_entry_tidy(doc, draft.entry);
    return err;
}

CRDT_API crdt_err crdt_flag_set(crdt_obj flag, int on)
{
    crdt_err err = crdti_check_among(flag, CRDTI_FLAGS);
    uint32_t entry;
    if (err)
        return err;
    if (on || crdt_type_of(flag) == CRDT_DW_FLAG)
        return crdti_mark_write(flag.doc, flag.index, crdti_no_key(),
                                on ? CRDTI_IN : CRDTI_OUT);
    entry = crdti_entry_find(flag.doc, flag.index, crdti_no_key());
    if (!entry || !crdti_entry_at(flag.doc, entry)->ops)
        return CRDT_OK;
    return crdti_value_remove(flag.doc, entry);
}

/* For the type table. */
CRDTI_FN int crdti_flag_read(crdt_doc *doc, uint32_t flag, crdt_bytes key,
                             crdt_value *out)
{
    (void)key;
    *out = crdt_bool(crdti_object_at(doc, flag)->weight != 0);
    return 1;
}

CRDT_API crdt_err crdt_flag_get(crdt_obj flag, int *out)
{
    crdt_err err = crdti_check_among(flag, CRDTI_FLAGS);
    if (!err)
        *out = crdti_object_at(flag.doc, flag.index)->weight != 0;
    return err;
}

#endif
/* >> set.h */
/*
 * Sets: an entry an element, whose key is the element in bytes. What the types
 * disagree about is what a remove writes, and the reading of concurrent writes.
 *
 *                  add             remove          it is in when there is
 *     G-set        IN, if not in   -               an IN
 *     2P-set       IN, if not in   OUT             an IN and no OUT
 *     AW set       IN              REMOVE          an IN
 *     RW set       IN              OUT             an IN and no OUT
 *     LWW set      VALUE true      VALUE false     true in the latest VALUE
 *
 * Each write kills all it has seen of the element: one op is left of those
 * that were not concurrent, and of a REMOVE what remembers it until everyone
 * has it. OUTs stay until the next add, and those of a 2P-set for ever. An IN
 * that kills nothing is a row where the type has them (row.h).
 */
#ifndef CRDTI_SET_H
#define CRDTI_SET_H


#define CRDTI_LWW_SETS                                                        \
    (UINT32_C(1) << CRDT_LWW_SET | UINT32_C(1) << CRDT_LWW_SET_RM)
#define CRDTI_SETS                                                            \
    (CRDTI_LWW_SETS | UINT32_C(1) << CRDT_AW_SET |                            \
     UINT32_C(1) << CRDT_RW_SET | UINT32_C(1) << CRDT_GSET |                  \
     UINT32_C(1) << CRDT_2PSET)

CRDTI_FN int crdti_set_is(const crdti_object *set, uint32_t types)
{
    return (int)(types >> set->type & 1);
}

/* LWW: the latest stamp says it, and the bias where latest stamps are equal:
 * there the replica id has no say. */
CRDTI_FN int crdti_latest_is_in(const crdt_doc *doc, const crdti_entry *entry)
{
    int bias =
        crdti_object_at(doc, entry->object)->type == (uint8_t)CRDT_LWW_SET;
    uint64_t latest = 0;
    int is_in = 0;
    uint32_t at;
    for (at = entry->ops; at; at = crdti_op_at(doc, at)->next) {
        const crdti_op *op = crdti_op_at(doc, at);
        int says = op->form == CRDT_BOOL && op->as.value.as.integer;
        if (at == entry->ops || op->as.value.stamp > latest) {
            latest = op->as.value.stamp;
            is_in = says;
        } else if (op->as.value.stamp == latest && says == bias) {
            is_in = says;
        }
    }
    return is_in;
}

/* Looks at the handle and encodes the element. ARG, LIMIT, TYPE. */
CRDTI_FN crdt_err crdti_set_check(crdt_obj set, const crdt_value *value,
                                  crdti_element *element)
{
    crdt_err err = crdti_check_among(set, CRDTI_SETS);
    return err ? err : crdti_element_encode(value, element);
}

/* Whether the element was removed for good. */
CRDTI_FN int crdti_set_is_gone(const crdt_doc *doc, uint32_t set,
                               crdt_bytes key)
{
    uint32_t entry = crdti_entry_find(doc, set, key);
    uint32_t at = entry ? crdti_entry_at(doc, entry)->ops : 0;
    while (at && crdti_op_at(doc, at)->kind != CRDTI_OUT)
        at = crdti_op_at(doc, at)->next;
    return at != 0;
}

/* An add or remove of an LWW set. */
CRDTI_FN crdt_err crdti_set_say(crdt_obj set, crdt_bytes key, int is_in)
{
    crdt_value value = crdt_bool(is_in);
    return crdti_value_write(set.doc, set.index, key, &value);
}

/* Whether it is in, as it is seen. */
CRDTI_FN int crdti_set_shows(crdt_obj set, crdt_bytes key)
{
    return crdti_element_is_in(set.doc, set.index, key,
                               crdti_entry_hash(set.doc, set.index, key));
}

/* Writes an IN as a row, unless the element is in already: then *done is 0.
 * The row is made first, while the place where it will be looked up is on its
 * way from memory: in large sets that takes longer than all the rest. */
CRDTI_FN crdt_err crdti_set_add_row(crdt_obj set, crdt_bytes key, int *done)
{
    crdt_doc *doc = set.doc;
    uint64_t hash = crdti_entry_hash(doc, set.index, key);
    crdt_digest digest;
    uint32_t row;
    crdt_err err = crdti_write_check(doc, 1);
    crdti_warm_slot(&doc->rows, hash);
    if (!err)
        err = crdti_row_make(doc, set.index, doc->self, doc->written + 1, key,
                             &row);
    if (err)
        return err;
    digest = crdti_row_digest(doc, row, key);
    *done = !crdti_element_is_in(doc, set.index, key, hash);
    if (!*done) {
        crdti_row_unmake(doc, row);
        return CRDT_OK;
    }
    doc->written++;
    crdti_row_file(doc, row, key, digest, hash, 0);
    return CRDT_OK;
}

CRDT_API crdt_err crdt_set_add(crdt_obj set, crdt_value value)
{
    crdti_element element;
    crdt_bytes key;
    uint8_t type;
    int done = 0;
    crdt_err err = crdti_set_check(set, &value, &element);
    if (err)
        return err;
    key = crdti_element_key(&element);
    type = crdti_object_at(set.doc, set.index)->type;
    if (crdti_row_fits(set.doc, set.index, key))
        err = crdti_set_add_row(set, key, &done);
    if (err || done)
        return err;
    if (CRDTI_LWW_SETS >> type & 1)
        return crdti_set_say(set, key, 1);
    if (type == CRDT_2PSET && crdti_set_is_gone(set.doc, set.index, key))
        return CRDT_ERR_GONE;
    if ((type == CRDT_2PSET || type == CRDT_GSET) && crdti_set_shows(set, key))
        return CRDT_OK;
    return crdti_mark_write(set.doc, set.index, key, CRDTI_IN);
}

CRDTI_FN crdt_err crdti_set_take(crdt_obj set, crdt_bytes key)
{
    const crdti_object *object = crdti_object_at(set.doc, set.index);
    uint8_t kind = CRDTI_OUT;
    if (object->type == CRDT_GSET)
        return CRDT_ERR_TYPE;
    if (crdti_set_is(object, CRDTI_LWW_SETS))
        return crdti_set_say(set, key, 0);
    if (object->type != CRDT_RW_SET && !crdti_set_shows(set, key))
        return CRDT_ERR_NOT_FOUND;
    if (object->type == CRDT_AW_SET)
        kind = CRDTI_REMOVE;
    return crdti_mark_write(set.doc, set.index, key, kind);
}

CRDT_API crdt_err crdt_set_remove(crdt_obj set, crdt_value value)
{
    crdti_element element;
    crdt_err err = crdti_set_check(set, &value, &element);
    return err ? err : crdti_set_take(set, crdti_element_key(&element));
}

/* Walks a copy of the order: each removal changes it. */
CRDT_API crdt_err crdt_set_clear(crdt_obj set)
{
    crdti_order *order, all;
    uint8_t room[CRDTI_ROW_KEY];
    size_t i;
    crdt_err err = crdti_check_among(set, CRDTI_SETS);
    if (!err && crdt_type_of(set) == CRDT_GSET)
        err = CRDT_ERR_TYPE;
    if (!err)
        err = crdti_order_get(set.doc, set.index, &order);
    if (err)
        return err;
    all = *order;
    crdti_zero(order, sizeof *order);
    for (i = 0; i < all.slots.len && !err; i++)
        err = crdti_set_take(set,
                             crdti_slot_key(set.doc, all.slots.ptr[i], room));
    crdti_array_free(&set.doc->alloc, &all.slots);
    crdti_object_at(set.doc, set.index)->keys_changed = 1;
    return err;
}

/* For the type table. */
CRDTI_FN int crdti_set_read(crdt_doc *doc, uint32_t set, crdt_bytes key,
                            crdt_value *out)
{
    (void)out;
    return crdti_element_is_in(doc, set, key, crdti_entry_hash(doc, set, key));
}

CRDT_API int crdt_set_has(crdt_obj set, crdt_value value)
{
    crdti_element element;
    if (crdti_set_check(set, &value, &element))
        return 0;
    return crdti_set_shows(set, crdti_element_key(&element));
}

CRDT_API size_t crdt_set_size(crdt_obj set)
{
    if (crdti_check_among(set, CRDTI_SETS))
        return 0;
    return crdti_object_at(set.doc, set.index)->weight;
}

CRDT_API crdt_err crdt_set_next(crdt_obj set, crdt_cursor *cursor)
{
    uint32_t slot;
    crdt_err err = crdti_check_among(set, CRDTI_SETS);
    if (!err)
        err = crdti_order_next(set, cursor, &slot);
    if (!err)
        cursor->value = crdti_element_decode(cursor->key);
    return err;
}

#endif
/* >> map.h */
/*
 * Maps: an entry a key. A key holds plain values and CREATEs of containers;
 * containers hang below it, one a type.
 *
 *     entry "photo"   CREATE map by a.3
 *                     child  map { "size": 48213, "views": counter 7 }
 *
 * What is shown at a key: the winner by stamp of its VALUEs and CREATEs. A
 * container whose CREATE was removed while others wrote into it is visible
 * too, and yields to a winner.
 */
#ifndef CRDTI_MAP_H
#define CRDTI_MAP_H


/* The entry when something is visible there. */
CRDTI_FN crdt_err crdti_map_entry(crdt_obj map, crdt_bytes key,
                                  uint32_t *entry)
{
    crdt_err err = crdti_check(map, CRDT_MAP);
    if (err)
        return err;
    *entry = crdti_entry_find(map.doc, map.index, key);
    if (!*entry || !crdti_entry_at(map.doc, *entry)->is_visible)
        return CRDT_ERR_NOT_FOUND;
    return CRDT_OK;
}

CRDTI_FN int crdti_map_has_key(crdt_bytes key)
{
    (void)key;
    return 1;
}

/* >>containers ------------------------------------------------------------ */

/* The live CREATE of a container of that type, or 0. */
CRDTI_FN uint32_t crdti_entry_create(const crdt_doc *doc, uint32_t entry,
                                     uint8_t type)
{
    uint32_t at;
    for (at = crdti_entry_at(doc, entry)->ops; at;
         at = crdti_op_at(doc, at)->next) {
        const crdti_op *op = crdti_op_at(doc, at);
        if (op->kind == CRDTI_CREATE && op->form == type)
            return at;
    }
    return 0;
}

/* Whether the container is visible: created and not removed, or written to. */
CRDTI_FN int crdti_object_is_visible(const crdt_doc *doc, uint32_t index)
{
    const crdti_object *object = crdti_object_at(doc, index);
    return object->weight ||
           crdti_entry_create(doc, object->entry, object->type);
}

/* The visible container at the entry that comes first by type, or 0. */
CRDTI_FN uint32_t crdti_entry_container(const crdt_doc *doc, uint32_t entry)
{
    uint32_t best = 0, child = crdti_entry_at(doc, entry)->child;
    for (; child; child = crdti_object_at(doc, child)->sibling) {
        const crdti_object *object = crdti_object_at(doc, child);
        if (!crdti_object_is_visible(doc, child))
            continue;
        if (!best || object->type < crdti_object_at(doc, best)->type)
            best = child;
    }
    return best;
}

/* Writes the CREATE of a container that is not visible. */
CRDTI_FN crdt_err crdti_container_write(crdt_doc *doc, uint32_t object)
{
    crdti_op draft;
    crdti_zero(&draft, sizeof draft);
    draft.kind = CRDTI_CREATE;
    draft.form = crdti_object_at(doc, object)->type;
    draft.entry = crdti_object_at(doc, object)->entry;
    draft.as.value.stamp = crdti_write_stamp(doc);
    return crdti_write_scope(doc, &draft);
}

CRDTI_FN crdt_err crdti_container_get(crdt_doc *doc, uint32_t map,
                                      crdt_bytes key, crdt_type type,
                                      uint32_t *out)
{
    uint32_t entry, known;
    crdt_err err = crdti_entry_get(doc, map, key, &entry);
    if (err)
        return err;
    known = crdti_object_find(doc, entry, type);
    *out = known;
    if (known && crdti_object_is_visible(doc, known))
        return CRDT_OK;
    if (crdti_entry_container(doc, entry))
        return CRDT_ERR_TYPE;
    err = crdti_object_get(doc, entry, type, out);
    if (!err) {
        err = crdti_container_write(doc, *out);
        if (err && !known)
            crdti_object_undo(doc, *out);
    } else {
        crdti_entry_tidy(doc, entry);
    }
    return err;
}

CRDTI_FN crdt_obj crdti_map_container(crdt_obj map, crdt_bytes key,
                                      crdt_type type)
{
    uint32_t index = 0;
    crdt_err err = crdti_check(map, CRDT_MAP);
    if (!err)
        err = crdti_container_get(map.doc, map.index, key, type, &index);
    if (!err)
        return crdti_obj(map.doc, index);
    if (map.doc && map.index)
        map.doc->error = err;
    return crdti_obj(map.doc, 0);
}

CRDT_API crdt_obj crdt_map_object(crdt_obj map, crdt_bytes key, crdt_type type)
{
    if (type > CRDT_NONE && type < CRDT_TYPE_COUNT)
        return crdti_map_container(map, key, type);
    if (map.doc)
        map.doc->error = CRDT_ERR_ARG;
    return crdti_obj(map.doc, 0);
}

CRDT_API crdt_obj crdt_map_map(crdt_obj map, crdt_bytes key)
{
    return crdti_map_container(map, key, CRDT_MAP);
}

CRDT_API crdt_obj crdt_map_register(crdt_obj map, crdt_bytes key)
{
    return crdti_map_container(map, key, CRDT_REGISTER);
}

CRDT_API crdt_obj crdt_map_counter(crdt_obj map, crdt_bytes key)
{
    return crdti_map_container(map, key, CRDT_COUNTER);
}

CRDT_API crdt_obj crdt_map_find(crdt_obj map, crdt_bytes key, crdt_type type)
{
    uint32_t entry, found = 0;
    if (!crdti_map_entry(map, key, &entry))
        found = crdti_object_find(map.doc, entry, type);
    if (found && !crdti_object_is_visible(map.doc, found))
        found = 0;
    return crdti_obj(map.doc, found);
}

/* >>writing --------------------------------------------------------------- */

CRDT_API crdt_err crdt_map_put(crdt_obj map, crdt_bytes key, crdt_value value)
{
    crdt_err err = crdti_check(map, CRDT_MAP);
    if (err)
        return err;
    return crdti_value_write(map.doc, map.index, key, &value);
}

CRDT_API crdt_err crdt_map_put_null(crdt_obj map, crdt_bytes key)
{
    return crdt_map_put(map, key, crdt_null());
}

CRDT_API crdt_err crdt_map_put_bool(crdt_obj map, crdt_bytes key, int value)
{
    return crdt_map_put(map, key, crdt_bool(value));
}

CRDT_API crdt_err crdt_map_put_int(crdt_obj map, crdt_bytes key, int64_t value)
{
    return crdt_map_put(map, key, crdt_int(value));
}

CRDT_API crdt_err crdt_map_put_double(crdt_obj map, crdt_bytes key,
                                      double value)
{
    return crdt_map_put(map, key, crdt_double(value));
}

CRDT_API crdt_err crdt_map_put_str(crdt_obj map, crdt_bytes key,
                                   crdt_bytes value)
{
    return crdt_map_put(map, key, crdt_string(value));
}

CRDT_API crdt_err crdt_map_put_bytes(crdt_obj map, crdt_bytes key,
                                     crdt_bytes value)
{
    return crdt_map_put(map, key, crdt_blob(value));
}

CRDT_API crdt_err crdt_map_remove(crdt_obj map, crdt_bytes key)
{
    uint32_t entry;
    crdt_err err = crdti_map_entry(map, key, &entry);
    return err ? err : crdti_value_remove(map.doc, entry);
}

CRDT_API crdt_err crdt_map_clear(crdt_obj map)
{
    uint32_t at, next;
    crdt_err err = crdti_check(map, CRDT_MAP);
    if (err)
        return err;
    for (at = crdti_object_at(map.doc, map.index)->entries; at && !err;
         at = next) {
        next = crdti_entry_at(map.doc, at)->next;
        if (crdti_entry_at(map.doc, at)->is_visible)
            err = crdti_value_remove(map.doc, at);
    }
    return err;
}

/* >>reading --------------------------------------------------------------- */

/* What a visible entry shows. */
CRDTI_FN crdt_value crdti_entry_value(crdt_doc *doc, uint32_t entry)
{
    uint32_t winner = crdti_entry_winner(doc, entry);
    crdt_value value;
    if (winner)
        return crdti_op_version(doc, crdti_op_at(doc, winner)).value;
    value.kind = CRDT_OBJECT;
    value.as.object = crdti_obj(doc, crdti_entry_container(doc, entry));
    return value;
}

/* For the type table. */
CRDTI_FN int crdti_map_read(crdt_doc *doc, uint32_t map, crdt_bytes key,
                            crdt_value *out)
{
    return !crdt_map_get(crdti_obj(doc, map), key, out);
}

CRDT_API crdt_err crdt_map_get(crdt_obj map, crdt_bytes key, crdt_value *out)
{
    uint32_t entry;
    crdt_err err = crdti_map_entry(map, key, &entry);
    if (!err)
        *out = crdti_entry_value(map.doc, entry);
    return err;
}

CRDTI_FN crdt_err crdti_map_get_kind(crdt_obj map, crdt_bytes key,
                                     crdt_kind kind, crdt_value *out)
{
    crdt_value value;
    crdt_err err = crdt_map_get(map, key, &value);
    if (err)
        return err;
    if (value.kind != kind)
        return CRDT_ERR_TYPE;
    *out = value;
    return CRDT_OK;
}

CRDT_API crdt_err crdt_map_get_bool(crdt_obj map, crdt_bytes key, int *out)
{
    crdt_value value;
    crdt_err err = crdti_map_get_kind(map, key, CRDT_BOOL, &value);
    if (!err)
        *out = value.as.boolean;
    return err;
}

CRDT_API crdt_err crdt_map_get_int(crdt_obj map, crdt_bytes key, int64_t *out)
{
    crdt_value value;
    crdt_err err = crdti_map_get_kind(map, key, CRDT_INT, &value);
    if (!err)
        *out = value.as.integer;
    return err;
}

CRDT_API crdt_err crdt_map_get_double(crdt_obj map, crdt_bytes key,
                                      double *out)
{
    crdt_value value;
    crdt_err err = crdti_map_get_kind(map, key, CRDT_DOUBLE, &value);
    if (!err)
        *out = value.as.number;
    return err;
}

CRDT_API crdt_err crdt_map_get_str(crdt_obj map, crdt_bytes key,
                                   crdt_bytes *out)
{
    crdt_value value;
    crdt_err err = crdti_map_get_kind(map, key, CRDT_STRING, &value);
    if (!err)
        *out = value.as.bytes;
    return err;
}

CRDT_API crdt_err crdt_map_get_bytes(crdt_obj map, crdt_bytes key,
                                     crdt_bytes *out)
{
    crdt_value value;
    crdt_err err = crdti_map_get_kind(map, key, CRDT_BYTES, &value);
    if (!err)
        *out = value.as.bytes;
    return err;
}

/* Calls fn with the containers that outlived their CREATE, by type: nobody's
 * dot and no stamp stand for them. */
CRDTI_FN void crdti_entry_orphans(crdt_doc *doc, uint32_t entry,
                                  crdt_version_fn *fn, void *ctx)
{
    int type;
    for (type = CRDT_NONE + 1; type < CRDT_TYPE_COUNT; type++) {
        uint32_t child = crdti_object_find(doc, entry, (crdt_type)type);
        crdt_version version;
        if (!child || !crdti_object_at(doc, child)->weight ||
            crdti_entry_create(doc, entry, (uint8_t)type))
            continue;
        crdti_zero(&version, sizeof version);
        version.value.kind = CRDT_OBJECT;
        version.value.as.object = crdti_obj(doc, child);
        fn(ctx, &version);
    }
}

CRDT_API crdt_err crdt_map_versions(crdt_obj map, crdt_bytes key,
                                    crdt_version_fn *fn, void *ctx)
{
    uint32_t entry;
    crdt_err err = crdti_map_entry(map, key, &entry);
    if (err)
        return err;
    crdti_entry_versions(map.doc, entry, fn, ctx);
    crdti_entry_orphans(map.doc, entry, fn, ctx);
    return CRDT_OK;
}

CRDT_API int crdt_map_has(crdt_obj map, crdt_bytes key)
{
    uint32_t entry;
    return crdti_map_entry(map, key, &entry) == CRDT_OK;
}

CRDT_API size_t crdt_map_size(crdt_obj map)
{
    if (crdti_check(map, CRDT_MAP))
        return 0;
    return crdti_object_at(map.doc, map.index)->weight;
}

CRDT_API crdt_err crdt_map_next(crdt_obj map, crdt_cursor *cursor)
{
    uint32_t entry;
    crdt_err err = crdti_check(map, CRDT_MAP);
    if (!err)
        err = crdti_order_next(map, cursor, &entry);
    if (!err)
        cursor->value = crdti_entry_value(map.doc, entry);
    return err;
}

#endif
/* >> text.h */
/*
 * Texts: sequences of characters with bytes. What is done at a position here
 * becomes insertions and deletions there (sequence.h).
 *
 *     insert "héllo" at 3     1. where: from the cursor, or from the root
 *                             2. pieces: all ASCII, or wide and short
 *                             3. memory for all of it
 *                             4. each piece with its author, and in a span
 *
 * Each character takes a dot, inserted or deleted.
 */
#ifndef CRDTI_TEXT_H
#define CRDTI_TEXT_H


/* What stands in an ASCII text between two others counts as one of its own
 * only from this length on: short ones ride with what is wide. */
#define CRDTI_PLAIN_MIN 32u

CRDT_API crdt_obj crdt_map_text(crdt_obj map, crdt_bytes key)
{
    return crdti_map_container(map, key, CRDT_TEXT);
}

CRDTI_FN int crdti_text_has_key(crdt_bytes key)
{
    (void)key;
    return 0;
}

/* >>pieces ---------------------------------------------------------------- */

/* Takes the next piece off the text: all ASCII, or short. */
CRDTI_FN crdti_piece crdti_piece_take(crdt_bytes *text)
{
    crdti_piece piece;
    size_t at = crdti_ascii_len(*text, 0);
    int is_plain = 0; /* what follows is, and longer */
    if (at < text->len && at < CRDTI_PLAIN_MIN) {
        crdti_zero(&piece, sizeof piece);
        at = 0;
        while (at < text->len && piece.width.chars < CRDTI_WIDE_MAX &&
               !is_plain) {
            crdti_width_add(&piece.width, crdti_utf8_width(text->ptr[at]));
            is_plain = piece.width.chars % CRDTI_PLAIN_MIN == 0 &&
                       crdti_ascii_len(*text, at) >= CRDTI_PLAIN_MIN;
            at += crdti_utf8_size(text->ptr[at]);
        }
    } else {
        crdti_zero(&piece, sizeof piece);
        piece.width.chars = (uint32_t)at;
    }
    piece.bytes = crdt_bytes_of(text->ptr, at);
    *text = crdt_bytes_of(text->ptr + at, text->len - at);
    return piece;
}

/* How many pieces it makes at most. */
CRDTI_FN size_t crdti_pieces_count(crdt_bytes text, crdti_width width)
{
    size_t count = 0;
    if (!width.more_bytes)
        return 1;
    while (text.len) {
        crdti_piece_take(&text);
        count++;
    }
    return count;
}

/* >>writing --------------------------------------------------------------- */

/* The author of own changes. */
CRDTI_FN crdt_err crdti_text_own(crdt_doc *doc, crdti_sequence *s)
{
    crdt_err err;
    if (CRDTI_LIKELY(s->own && s->own_replica == doc->self))
        return CRDT_OK;
    err = crdti_author_get(doc, &s->authors, s->object, doc->self, &s->own);
    if (!err)
        s->own_replica = doc->self;
    return err;
}

CRDTI_INLINE void crdti_text_move_cursor(crdti_sequence *s, crdti_spot spot,
                                         uint32_t chars)
{
    s->cursor = spot;
    s->cursor_chars = chars;
    s->cursor_is_known = 1;
    s->room = 0;
}

/* >>keystrokes --------------------------------------------------------------
 * Most of what is ever written: one character behind the last one, or the one
 * before it gone. That needs no more than to be counted, until somebody looks
 * (crdti_typing_end in sequence.h). */

/* How many keystrokes fit into this commit. */
CRDTI_FN uint64_t crdti_commit_room(const crdt_doc *doc)
{
    uint64_t open = doc->written - doc->replicas.ptr[doc->self].seq;
    return CRDTSYNC_MAX_COMMIT_OPS - (open - doc->unmetered);
}

/* From now on they are counted; `room` of them may be, or `ahead`. */
CRDTI_FN void crdti_typing_begin(crdt_doc *doc, crdti_sequence *s,
                                 uint64_t room, uint64_t ahead, uint8_t *to)
{
    uint64_t most = crdti_commit_room(doc);
    s->room = (uint32_t)crdti_min(room, most);
    s->room_ahead = (uint32_t)crdti_min(ahead, most);
    s->ahead = 0;
    s->type_at = s->cursor_chars;
    s->type_to = to;
    s->typed = doc->written;
    if (!doc->watch)
        doc->typing = s;
}

/* After an insertion: what is typed behind it. */
CRDTI_FN void crdti_typing_begin_after(crdt_doc *doc, crdti_sequence *s)
{
    const crdti_author *author = crdti_author_at(doc, s->own);
    uint64_t room = crdti_min(author->end_name - author->free_name,
                              author->content.cap - author->content.len);
    if (!author->insertions.ptr[author->insertions.len - 1].more_bytes)
        crdti_typing_begin(doc, s, room, 0,
                           author->content.ptr + author->content.len);
}

/* How many characters of the first visible span behind the cursor there are,
 * when that is in the same leaf. */
CRDTI_FN uint32_t crdti_cursor_ahead(const crdt_doc *doc,
                                     const crdti_sequence *s)
{
    const crdti_leaf *leaf = crdti_leaf_at(doc, s->cursor.leaf);
    uint32_t at = s->cursor.at, off = s->cursor.off;
    for (; at < leaf->len; at++, off = 0)
        if (crdti_span_shown(leaf, at) > off)
            return crdti_span_shown(leaf, at) - off;
    return 0;
}

/* After a deletion: what is deleted before it or behind it, as far as the span
 * there goes. */
CRDTI_FN void crdti_erasing_begin(crdt_doc *doc, crdti_sequence *s)
{
    const crdti_leaf *leaf = crdti_leaf_at(doc, s->cursor.leaf);
    uint64_t room = s->cursor.off, last = s->total.chars - UINT64_C(1);
    if (leaf->lens[s->cursor.at] & CRDTI_HIDDEN)
        room = 0;
    if (!s->total.chars)
        return;
    /* One is left, so the text does not disappear. */
    crdti_typing_begin(doc, s, crdti_min(room, last),
                       crdti_min(crdti_cursor_ahead(doc, s), last), NULL);
}

/* One ASCII character that goes on with the last insertion. Whether it is. */
CRDTI_INLINE int crdti_text_type(crdt_doc *doc, crdti_sequence *s, size_t at,
                                 crdt_bytes utf8)
{
    if (at != s->type_at || utf8.len != 1 || !s->room || !utf8.ptr ||
        utf8.ptr[0] >= 0x80 || doc->written != s->typed || !s->type_to)
        return 0;
    *s->type_to++ = utf8.ptr[0];
    s->type_at++;
    s->room--;
    s->typed = ++doc->written;
    return 1;
}

/* The character before the last one deleted, or behind it; but all of them on
 * one side. Whether it is that. */
CRDTI_INLINE int crdti_text_erase(crdt_doc *doc, crdti_sequence *s, size_t at)
{
    if (doc->written != s->typed || s->type_to)
        return 0;
    if (at + 1 == s->type_at && s->room) {
        s->type_at--;
        s->room--;
        s->room_ahead = 0;
    } else if (at == s->type_at && s->room_ahead) {
        s->ahead++;
        s->room_ahead--;
        s->room = 0;
    } else {
        return 0;
    }
    s->typed = ++doc->written;
    return 1;
}

/* >>writing what is not that ---------------------------------------------- */

/* Inserts at the spot, before which `chars` are visible. Memory is taken. */
CRDTI_FN void crdti_text_put(crdt_doc *doc, crdti_sequence *s, crdti_spot spot,
                             uint32_t chars, crdt_bytes utf8,
                             crdti_width width)
{
    crdti_origins origins;
    doc->actor = doc->self;
    crdti_touch(doc, s->object, crdti_no_key());
    origins = crdti_origins_at(doc, s, &spot);
    doc->unmetered += width.chars - 1;
    while (utf8.len) {
        crdti_piece piece = crdti_piece_take(&utf8);
        crdti_insertion_put(doc, s, s->own, doc->written + 1, &origins, &piece,
                            &spot);
        doc->written += piece.width.chars;
        chars += piece.width.chars;
        origins.left = crdti_author_at(doc, s->own)->free_name - 1;
    }
    crdti_author_list(doc, s->own);
    crdti_text_move_cursor(s, spot, chars);
    crdti_sequence_weigh(doc, s);
    crdti_typing_begin_after(doc, s);
}

/* How many spans the next `count` visible characters are in. */
CRDTI_FN size_t crdti_text_spans(const crdt_doc *doc, crdti_spot spot,
                                 uint32_t count)
{
    size_t spans = 0;
    while (count && crdti_spot_next_shown(doc, &spot)) {
        const crdti_leaf *leaf = crdti_leaf_at(doc, spot.leaf);
        uint32_t rest = crdti_span_len(leaf, spot.at) - spot.off;
        count -= (uint32_t)crdti_min(count, rest);
        spot.off += rest;
        spans++;
    }
    return spans;
}

/* Deletes `count` visible characters behind the spot. Memory is taken. */
CRDTI_FN void crdti_text_cut(crdt_doc *doc, crdti_sequence *s, crdti_spot spot,
                             uint32_t chars, uint32_t count)
{
    crdti_author *author = crdti_author_at(doc, s->own);
    doc->actor = doc->self;
    crdti_touch(doc, s->object, crdti_no_key());
    doc->unmetered += count - 1;
    while (count) {
        uint32_t name, died;
        crdti_spot_next_shown(doc, &spot);
        name = crdti_leaf_at(doc, spot.leaf)->names[spot.at] + spot.off;
        died = crdti_span_hide(doc, s, &spot, count);
        crdti_deletion_add(author, doc->written + 1, name, died, 0);
        doc->written += died;
        count -= died;
    }
    crdti_author_list(doc, s->own);
    crdti_text_move_cursor(s, spot, chars);
    crdti_sequence_weigh(doc, s);
}

/* The sequence of a text, made when there is none. */
CRDTI_FN crdt_err crdti_text_begin(crdt_obj text, crdti_sequence **s)
{
    crdt_err err = crdti_check(text, CRDT_TEXT);
    return err ? err : crdti_sequence_get(text.doc, text.index, s);
}

/* How many characters are before unit `at`, and in the `len` from there on. */
CRDTI_FN crdt_err crdti_text_range(crdt_doc *doc, crdti_sequence *s,
                                   crdt_unit unit, size_t at, size_t len,
                                   uint32_t *chars, uint32_t *count)
{
    crdti_spot spot;
    uint32_t end = 0;
    crdt_err err;
    if ((unsigned)unit > CRDT_UTF16)
        return CRDT_ERR_ARG;
    if (len > crdti_width_in(s->total, unit) ||
        at > crdti_width_in(s->total, unit) - len)
        return CRDT_ERR_RANGE;
    *chars = (uint32_t)at;
    *count = (uint32_t)len;
    if (unit == CRDT_CHARS || !s->total.more_bytes)
        return CRDT_OK;
    err = crdti_seek(doc, s, unit, at, &spot, chars);
    if (!err)
        err = crdti_seek(doc, s, unit, at + len, &spot, &end);
    *count = end - *chars;
    return err;
}

/* The spot before the character, and so behind what is deleted before it. */
CRDTI_FN crdti_spot crdti_text_before(crdt_doc *doc, crdti_sequence *s,
                                      uint32_t chars)
{
    crdti_spot spot;
    crdti_seek(doc, s, CRDT_CHARS, (size_t)chars + 1, &spot, &chars);
    spot.off--;
    return spot;
}

/* Takes all memory for an edit, and for the keystrokes that go on with it. */
CRDTI_FN crdt_err crdti_text_prepare(crdt_doc *doc, crdti_sequence *s,
                                     crdti_spot first, uint32_t count,
                                     crdt_bytes utf8, crdti_width width)
{
    size_t pieces = utf8.len ? crdti_pieces_count(utf8, width) : 0;
    size_t spans = count > 1 ? crdti_text_spans(doc, first, count) : count;
    crdt_err err =
        crdti_write_check(doc, (size_t)(utf8.len != 0) + (size_t)(count != 0));
    if (!err && utf8.len > CRDTI_NAMES_MAX)
        err = CRDT_ERR_LIMIT;
    if (!err)
        err = crdti_text_own(doc, s);
    if (!err)
        err = crdti_spans_reserve(doc, s, pieces + 3);
    if (!err && count)
        err = crdti_array_reserve(
            &doc->alloc, &crdti_author_at(doc, s->own)->deletions, spans + 1);
    if (!err && utf8.len)
        err = crdti_old_know(doc, s);
    if (!err && utf8.len)
        err = crdti_insertions_reserve(doc, s, s->own, pieces, width.chars,
                                       utf8.len);
    return err;
}

CRDTI_FN crdt_err crdti_text_edit(crdt_doc *doc, crdti_sequence *s,
                                  crdt_unit unit, size_t at, size_t len,
                                  crdt_bytes utf8)
{
    crdti_spot spot = { 0, 0, 0 };
    crdti_width width;
    uint32_t chars, count;
    crdt_err err;
    crdti_typing_file(doc);
    if ((utf8.len && !utf8.ptr) || !crdti_utf8_measure(utf8, &width))
        return CRDT_ERR_ARG;
    err = crdti_text_range(doc, s, unit, at, len, &chars, &count);
    if (!err && !count && !utf8.len)
        return crdti_write_check(doc, 0);
    if (!err && count)
        spot = crdti_text_before(doc, s, chars);
    if (!err)
        err = crdti_text_prepare(doc, s, spot, count, utf8, width);
    if (err)
        return err;
    if (count)
        crdti_text_cut(doc, s, spot, chars, count);
    if (utf8.len) {
        crdti_seek(doc, s, CRDT_CHARS, chars, &spot, &chars);
        crdti_text_put(doc, s, spot, chars, utf8, width);
    } else if (count) {
        crdti_erasing_begin(doc, s);
    }
    return CRDT_OK;
}

/* The sequence of a text at which keystrokes are counted, or NULL. */
CRDTI_INLINE crdti_sequence *crdti_text_typing(crdt_obj text, crdt_unit unit)
{
    crdti_sequence *s = text.doc ? text.doc->typing : NULL;
    return s && s->object == text.index && unit == CRDT_CHARS ? s : NULL;
}

/* Not inlined, so that a keystroke saves no registers for it. */
CRDTI_SLOW crdt_err crdti_text_replace(crdt_obj text, crdt_unit unit,
                                       size_t at, size_t len, crdt_bytes utf8)
{
    crdti_sequence *s;
    crdt_err err = crdti_text_begin(text, &s);
    return err ? err : crdti_text_edit(text.doc, s, unit, at, len, utf8);
}

CRDT_API crdt_err crdt_text_replace(crdt_obj text, crdt_unit unit, size_t at,
                                    size_t len, crdt_bytes utf8)
{
    crdti_sequence *s = crdti_text_typing(text, unit);
    if (s && (len ? len == 1 && !utf8.len && crdti_text_erase(text.doc, s, at)
                  : crdti_text_type(text.doc, s, at, utf8)))
        return CRDT_OK;
    return crdti_text_replace(text, unit, at, len, utf8);
}

CRDT_API crdt_err crdt_text_insert(crdt_obj text, crdt_unit unit, size_t at,
                                   crdt_bytes utf8)
{
    crdti_sequence *s = crdti_text_typing(text, unit);
    if (s && crdti_text_type(text.doc, s, at, utf8))
        return CRDT_OK;
    return crdti_text_replace(text, unit, at, 0, utf8);
}

CRDT_API crdt_err crdt_text_delete(crdt_obj text, crdt_unit unit, size_t at,
                                   size_t len)
{
    return crdt_text_replace(text, unit, at, len, crdti_no_key());
}

/* >>reading --------------------------------------------------------------- */

CRDT_API size_t crdt_text_len(crdt_obj text, crdt_unit unit)
{
    const crdti_sequence *s;
    if (crdti_check(text, CRDT_TEXT))
        return 0;
    s = crdti_sequence_at(text.doc, text.index);
    return s ? crdti_width_in(s->total, unit) : 0;
}

/* The bytes of a visible span from `off` on, `len` characters. */
CRDTI_FN crdt_bytes crdti_span_bytes(const crdt_doc *doc,
                                     const crdti_sequence *s,
                                     const crdti_leaf *leaf, uint32_t at,
                                     uint32_t off, uint32_t len)
{
    uint32_t name = leaf->names[at] + off;
    const crdti_author *author =
        crdti_author_at(doc, crdti_name_author(&s->extents, name));
    return crdti_content_bytes(author, crdti_insertion_of(author, name), name,
                               len);
}

/* Appends `count` characters from the spot on. NOMEM. */
CRDTI_FN crdt_err crdti_text_copy(const crdt_doc *doc, const crdti_sequence *s,
                                  crdti_spot spot, uint32_t count,
                                  crdt_buf *out)
{
    crdti_writer w;
    size_t start = out->len;
    crdti_writer_init(&w, out);
    while (count && !w.err && crdti_spot_next_shown(doc, &spot)) {
        const crdti_leaf *leaf = crdti_leaf_at(doc, spot.leaf);
        uint32_t len = crdti_span_len(leaf, spot.at) - spot.off;
        len = (uint32_t)crdti_min(len, count);
        crdti_put_raw(&w,
                      crdti_span_bytes(doc, s, leaf, spot.at, spot.off, len));
        spot.off += len;
        count -= len;
    }
    if (w.err)
        out->len = start;
    return w.err;
}

CRDT_API crdt_err crdt_text_read(crdt_obj text, crdt_unit unit, size_t at,
                                 size_t len, crdt_buf *out)
{
    crdti_sequence *s;
    crdti_spot spot;
    uint32_t chars, count;
    crdt_err err = crdti_check(text, CRDT_TEXT);
    if (!err && !out)
        err = CRDT_ERR_ARG;
    if (err)
        return err;
    s = crdti_sequence_at(text.doc, text.index);
    if (!s)
        return at || len ? CRDT_ERR_RANGE : CRDT_OK;
    err = crdti_text_range(text.doc, s, unit, at, len, &chars, &count);
    if (err)
        return err;
    crdti_seek(text.doc, s, CRDT_CHARS, chars, &spot, &chars);
    return crdti_text_copy(text.doc, s, spot, count, out);
}

CRDT_API crdt_err crdt_text_get(crdt_obj text, crdt_buf *out)
{
    size_t len = crdt_text_len(text, CRDT_UTF8);
    crdt_err err = crdti_check(text, CRDT_TEXT);
    if (!err && out)
        err = crdti_buf_reserve(out, len);
    return err ? err : crdt_text_read(text, CRDT_UTF8, 0, len, out);
}

CRDT_API crdt_err crdt_text_convert(crdt_obj text, crdt_unit from, size_t at,
                                    crdt_unit to, size_t *out)
{
    crdti_sequence *s;
    crdti_spot spot;
    uint32_t chars, count;
    crdt_err err = crdti_check(text, CRDT_TEXT);
    if (!err && (unsigned)to > CRDT_UTF16)
        err = CRDT_ERR_ARG;
    if (err)
        return err;
    s = crdti_sequence_at(text.doc, text.index);
    *out = 0;
    if (!s)
        return at ? CRDT_ERR_RANGE : CRDT_OK;
    err = crdti_text_range(text.doc, s, from, at, 0, &chars, &count);
    if (err)
        return err;
    crdti_seek(text.doc, s, CRDT_CHARS, chars, &spot, &chars);
    *out = crdti_width_in(crdti_spot_rank(text.doc, s, spot), to);
    return CRDT_OK;
}

CRDT_API crdt_err crdt_text_next(crdt_obj text, crdt_text_cursor *cursor)
{
    const crdti_sequence *s;
    const crdti_leaf *leaf;
    crdti_spot spot = { 0, 0, 0 };
    crdt_err err = crdti_check(text, CRDT_TEXT);
    if (err)
        return err;
    s = crdti_sequence_at(text.doc, text.index);
    if (!s)
        return CRDT_ERR_NOT_FOUND;
    spot.leaf = s->first;
    if (cursor->started) {
        if (cursor->changes != s->changes)
            return CRDT_ERR_AGAIN;
        spot.leaf = cursor->leaf;
        spot.at = cursor->at;
        spot.off = crdti_span_len(crdti_leaf_at(text.doc, spot.leaf), spot.at);
    }
    if (!crdti_spot_next_shown(text.doc, &spot))
        return CRDT_ERR_NOT_FOUND;
    leaf = crdti_leaf_at(text.doc, spot.leaf);
    cursor->started = 1;
    cursor->changes = s->changes;
    cursor->leaf = spot.leaf;
    cursor->at = spot.at;
    cursor->piece = crdti_span_bytes(text.doc, s, leaf, spot.at, 0,
                                     crdti_span_len(leaf, spot.at));
    return CRDT_OK;
}

/* For the type table. */
CRDTI_FN int crdti_text_read(crdt_doc *doc, uint32_t text, crdt_bytes key,
                             crdt_value *out)
{
    const crdti_sequence *s = crdti_sequence_at(doc, text);
    (void)key;
    crdti_zero(out, sizeof *out);
    out->kind = CRDT_INT;
    out->as.integer = s ? (int64_t)s->changes : 0;
    return 1;
}

/* >>stable positions ------------------------------------------------------ */

CRDT_API crdt_err crdt_text_anchor(crdt_obj text, crdt_unit unit, size_t at,
                                   crdt_side side, crdt_anchor *out)
{
    crdti_sequence *s;
    crdti_position dot;
    crdti_spot spot;
    uint32_t chars, count, name;
    crdt_err err = crdti_text_begin(text, &s);
    if (err)
        return err;
    err = crdti_text_range(text.doc, s, unit, at, 0, &chars, &count);
    if (err)
        return err;
    crdti_seek(text.doc, s, CRDT_CHARS, chars, &spot, &chars);
    crdti_zero(out, sizeof *out);
    out->side = side;
    if (side == CRDT_RIGHT ? !crdti_spot_next_shown(text.doc, &spot)
                           : !spot.off)
        return CRDT_OK;
    name = crdti_leaf_at(text.doc, spot.leaf)->names[spot.at] + spot.off -
           (side == CRDT_LEFT);
    dot = crdti_name_position(text.doc, s, name);
    out->dot.replica = text.doc->replicas.ptr[dot.replica].id;
    out->dot.seq = dot.seq;
    return CRDT_OK;
}

CRDT_API crdt_err crdt_text_find(crdt_obj text, const crdt_anchor *anchor,
                                 crdt_unit unit, size_t *out)
{
    crdti_sequence *s;
    crdti_spot spot;
    crdti_position dot;
    uint32_t name = CRDTI_NO_CHAR;
    crdt_err err = crdti_text_begin(text, &s);
    if (!err && (!anchor || (unsigned)unit > CRDT_UTF16))
        err = CRDT_ERR_ARG;
    if (err)
        return err;
    if (!anchor->dot.seq) {
        *out = anchor->side == CRDT_RIGHT ? crdti_width_in(s->total, unit) : 0;
        return CRDT_OK;
    }
    dot.replica = crdti_replica_find(text.doc, &anchor->dot.replica);
    dot.seq = anchor->dot.seq;
    if (dot.replica != UINT32_MAX)
        name = crdti_position_name(text.doc, text.index, dot);
    if (name == CRDTI_NO_CHAR)
        return CRDT_ERR_NOT_FOUND;
    crdti_homes_make(text.doc, s);
    spot = crdti_spot_of(text.doc, s, name);
    spot.off += anchor->side == CRDT_LEFT;
    *out = crdti_width_in(crdti_spot_rank(text.doc, s, spot), unit);
    return CRDT_OK;
}

#endif
/* >> list.h */
/*
 * Lists: a map of elements, and a sequence of the positions where they stand.
 *
 *     sequence   a.1  a.2  b.7  a.3         a.2 and b.7 are hidden: nobody
 *                 |         :    |          stands there, or no longer
 *     elements   a.1 VALUE "x"  a.3 VALUE "z"  a.2 VALUE "y"
 *     moves      a.2p MOVE b.7, a.9         the later one wins: a.9
 *
 * An element is named by the dot that inserted it, which is its value and its
 * first position at once. Its value is an entry of that key, as of a map; a
 * *move* gives it another position, again named by the dot of the MOVE, in an
 * entry with a "p" behind the key. So of concurrent moves one wins, an element
 * never stands twice, and a value written meanwhile moves along.
 *
 * A position is visible when its element is and stands there. Positions are
 * shown and hidden as entries and MOVEs come and go, with memory that the list
 * holds for that (span.h).
 */
#ifndef CRDTI_LIST_H
#define CRDTI_LIST_H


/* The key of an element: replica, seq with the highest byte first. */
#define CRDTI_MOVES_KEY (CRDTI_ELEMENT_KEY + 1) /* and CRDTI_MOVES */
#define CRDTI_MOVES 'p'

CRDT_API crdt_obj crdt_map_list(crdt_obj map, crdt_bytes key)
{
    return crdti_map_container(map, key, CRDT_LIST);
}

/* >>names of elements ----------------------------------------------------- */

/* Writes both keys: that of the value is the first part of that of the moves.
 */
CRDTI_FN void crdti_element_put(const crdt_id *replica, uint64_t seq,
                                uint8_t key[CRDTI_MOVES_KEY])
{
    size_t i;
    crdti_copy(key, replica->b, sizeof replica->b);
    for (i = CRDTI_ELEMENT_KEY; i > sizeof replica->b; seq >>= 8)
        key[--i] = (uint8_t)seq;
    key[CRDTI_ELEMENT_KEY] = CRDTI_MOVES;
}

CRDTI_FN crdt_dot crdti_element_dot(const uint8_t *key)
{
    crdt_dot dot;
    size_t i = sizeof dot.replica.b;
    crdti_copy(dot.replica.b, key, sizeof dot.replica.b);
    for (dot.seq = 0; i < CRDTI_ELEMENT_KEY; i++)
        dot.seq = dot.seq << 8 | key[i];
    return dot;
}

/* The first position of the element; 0: its replica is not known. */
CRDTI_FN int crdti_element_get(const crdt_doc *doc, const uint8_t *key,
                               crdti_position *out)
{
    crdt_dot dot = crdti_element_dot(key);
    out->replica = crdti_replica_find(doc, &dot.replica);
    out->seq = dot.seq;
    return out->replica != UINT32_MAX;
}

/* Whether the op inserted the element of that key. */
CRDTI_FN int crdti_is_first_of(const crdt_doc *doc, const crdti_op *op,
                               crdt_bytes key)
{
    uint8_t own[CRDTI_MOVES_KEY];
    crdti_element_put(&doc->replicas.ptr[op->replica].id, op->seq, own);
    return crdt_bytes_equal(key, crdt_bytes_of(own, CRDTI_ELEMENT_KEY));
}

/* For the type table. */
CRDTI_FN int crdti_list_has_key(crdt_bytes key)
{
    return key.len == CRDTI_ELEMENT_KEY ||
           (key.len == CRDTI_MOVES_KEY &&
            key.ptr[CRDTI_ELEMENT_KEY] == CRDTI_MOVES);
}

/* >>moves ----------------------------------------------------------------- */

CRDTI_FN uint64_t crdti_move_hash(const crdt_doc *doc, uint32_t list,
                                  crdti_position at)
{
    return crdti_mix(doc->seed ^ ((uint64_t)list << 32 | at.replica), at.seq);
}

/* The MOVE to that position, or 0. */
CRDTI_FN uint32_t crdti_move_find(const crdt_doc *doc, uint32_t list,
                                  crdti_position at)
{
    uint64_t hash;
    size_t iter;
    uint32_t found;
    if (!doc->moves.len)
        return 0;
    hash = crdti_move_hash(doc, list, at);
    found = crdti_table_first(&doc->moves, hash, &iter);
    for (; found; found = crdti_table_next(&doc->moves, hash, &iter)) {
        const crdti_op *op = crdti_op_at(doc, found);
        if (op->replica == at.replica && op->seq == at.seq &&
            crdti_entry_at(doc, op->entry)->object == list)
            return found;
    }
    return 0;
}

CRDTI_FN crdti_position crdti_op_position(const crdt_doc *doc, uint32_t index)
{
    const crdti_op *op = crdti_op_at(doc, index);
    crdti_position at;
    at.replica = op->replica;
    at.seq = op->seq;
    return at;
}

/* The key of the moves of the element of that key. */
CRDTI_FN crdt_bytes crdti_moves_key(const uint8_t *key,
                                    uint8_t moves[CRDTI_MOVES_KEY])
{
    crdti_copy(moves, key, CRDTI_ELEMENT_KEY);
    moves[CRDTI_ELEMENT_KEY] = CRDTI_MOVES;
    return crdt_bytes_of(moves, CRDTI_MOVES_KEY);
}

/* The entry of the moves of that element, if one of them is alive, or 0. */
CRDTI_FN uint32_t crdti_element_moves(const crdt_doc *doc, uint32_t list,
                                      const uint8_t *key)
{
    uint8_t moves[CRDTI_MOVES_KEY];
    uint32_t entry;
    if (!doc->moves.len)
        return 0;
    entry = crdti_entry_find(doc, list, crdti_moves_key(key, moves));
    return entry && crdti_entry_at(doc, entry)->ops ? entry : 0;
}

/* Where the element stands, or would if one of its moves were not. 0: that is
 * not known. */
CRDTI_FN int crdti_element_position(const crdt_doc *doc, uint32_t list,
                                    const uint8_t *key, uint32_t except,
                                    crdti_position *out)
{
    uint32_t entry = crdti_element_moves(doc, list, key);
    uint32_t latest = entry ? crdti_entry_latest(doc, entry, except) : 0;
    if (!latest)
        return crdti_element_get(doc, key, out);
    *out = crdti_op_position(doc, latest);
    return 1;
}

/* >>what is visible ------------------------------------------------------- */

/* The entry of the element that the position belongs to, or 0; and the MOVE to
 * it, or 0. */
CRDTI_FN uint32_t crdti_position_element(const crdt_doc *doc, uint32_t list,
                                         crdti_position at, uint32_t *move)
{
    uint8_t own[CRDTI_MOVES_KEY];
    const uint8_t *key = own;
    *move = crdti_move_find(doc, list, at);
    if (*move)
        key = crdti_entry_key(
                  crdti_entry_at(doc, crdti_op_at(doc, *move)->entry))
                  .ptr;
    else
        crdti_element_put(&doc->replicas.ptr[at.replica].id, at.seq, own);
    return crdti_entry_find(doc, list, crdt_bytes_of(key, CRDTI_ELEMENT_KEY));
}

/* Whether its element is visible: it stands there, or did once and may come
 * back, when its moves go. */
CRDTI_FN int crdti_position_lives(const crdt_doc *doc, uint32_t list,
                                  crdti_position at)
{
    uint32_t move, entry = crdti_position_element(doc, list, at, &move);
    return entry && crdti_entry_at(doc, entry)->is_visible;
}

/* Whether anything is known of its element, or of a move to it: then it may
 * come to be visible. */
CRDTI_FN int crdti_list_keeps(const crdt_doc *doc, uint32_t list,
                              uint32_t replica, uint64_t seq)
{
    crdti_position at;
    uint32_t move;
    at.replica = replica;
    at.seq = seq;
    return crdti_position_element(doc, list, at, &move) || move;
}

/* Whether its element is visible and stands there. */
CRDTI_FN int crdti_position_shows(const crdt_doc *doc, uint32_t list,
                                  crdti_position at)
{
    uint32_t move, moves;
    uint32_t entry = crdti_position_element(doc, list, at, &move);
    if (!entry || !crdti_entry_at(doc, entry)->is_visible)
        return 0;
    moves = crdti_element_moves(
        doc, list, crdti_entry_key(crdti_entry_at(doc, entry)).ptr);
    return move == (moves ? crdti_entry_winner(doc, moves) : 0);
}

CRDTI_FN int crdti_spot_shows(const crdt_doc *doc, crdti_spot spot)
{
    return !(crdti_leaf_at(doc, spot.leaf)->lens[spot.at] & CRDTI_HIDDEN);
}

/* Shows characters of one span again: none of them is old any more. */
CRDTI_FN void crdti_names_show(crdt_doc *doc, crdti_sequence *s,
                               crdti_spot *spot, uint32_t name, uint32_t len)
{
    uint32_t i;
    for (i = 0; i < len; i++)
        crdti_old_named(s, name + i);
    crdti_span_show(doc, s, spot, len);
}

/* Shows or hides characters behind the spot, up to `most` in one span, as they
 * should be. The spot is behind those looked at then. How many. */
CRDTI_FN uint32_t crdti_spot_look(crdt_doc *doc, crdti_sequence *s,
                                  crdti_spot *spot, uint32_t most)
{
    const crdti_leaf *leaf = crdti_leaf_at(doc, spot->leaf);
    uint32_t name = leaf->names[spot->at] + spot->off, len = 0;
    uint32_t rest = crdti_span_len(leaf, spot->at) - spot->off;
    int shows = 0;
    most = (uint32_t)crdti_min(most, rest);
    while (len < most) {
        int now = crdti_position_shows(
            doc, s->object, crdti_name_position(doc, s, name + len));
        if (len && now != shows)
            break;
        shows = now;
        len++;
    }
    if (shows != crdti_spot_shows(doc, *spot)) {
        if (shows)
            crdti_names_show(doc, s, spot, name, len);
        else
            crdti_span_hide(doc, s, spot, len);
        crdti_spot_next(doc, spot);
        s->cursor = *spot;
        s->cursor_is_known = 0;
    }
    spot->off += len;
    return len;
}

/* The same for characters whose names follow on each other. */
CRDTI_FN void crdti_names_look(crdt_doc *doc, crdti_sequence *s, uint32_t name,
                               uint32_t len)
{
    crdti_homes_make(doc, s);
    while (len) {
        crdti_spot spot = crdti_spot_of(doc, s, name);
        uint32_t done = crdti_spot_look(doc, s, &spot, len);
        name += done;
        len -= done;
    }
}

/* And for all of them. */
CRDTI_FN void crdti_list_look(crdt_doc *doc, crdti_sequence *s)
{
    crdti_spot spot = { 0, 0, 0 };
    spot.leaf = s->first;
    s->is_bare = 0;
    while (crdti_spot_next(doc, &spot))
        crdti_spot_look(doc, s, &spot, UINT32_MAX);
}

/* The character of the position where the element stands, or NO_CHAR. */
CRDTI_FN uint32_t crdti_element_name(const crdt_doc *doc, uint32_t list,
                                     const uint8_t *key)
{
    crdti_position at;
    return crdti_element_position(doc, list, key, 0, &at)
               ? crdti_position_name(doc, list, at)
               : CRDTI_NO_CHAR;
}

/* The index of the element; 0: it is not there. */
CRDTI_FN int crdti_element_index(crdt_doc *doc, uint32_t list,
                                 const uint8_t *key, uint32_t *index)
{
    crdti_sequence *s = crdti_sequence_at(doc, list);
    uint32_t name = s ? crdti_element_name(doc, list, key) : CRDTI_NO_CHAR;
    crdti_spot spot;
    if (name == CRDTI_NO_CHAR)
        return 0;
    crdti_homes_make(doc, s);
    spot = crdti_spot_of(doc, s, name);
    *index = crdti_spot_rank(doc, s, spot).chars;
    return crdti_spot_shows(doc, spot);
}

CRDTI_FN void crdti_position_look(crdt_doc *doc, uint32_t list,
                                  crdti_position at)
{
    crdti_sequence *s = crdti_sequence_at(doc, list);
    uint32_t name = CRDTI_NO_CHAR;
    if (s && !s->is_bare)
        name = crdti_position_name(doc, list, at);
    if (name != CRDTI_NO_CHAR) /* else it comes yet, and looks itself */
        crdti_names_look(doc, s, name, 1);
}

/* Where the element stands, or would if one of its moves were not. */
CRDTI_FN void crdti_element_look(crdt_doc *doc, uint32_t list,
                                 const uint8_t *key, uint32_t except)
{
    crdti_position at;
    if (crdti_element_position(doc, list, key, except, &at))
        crdti_position_look(doc, list, at);
}

/* >>for the type table ---------------------------------------------------- */

/* Room for the move is reserved. The one that won before stands there no
 * longer when this one does. */
CRDTI_FN void crdti_list_born(crdt_doc *doc, uint32_t list, uint32_t op)
{
    crdti_position at = crdti_op_position(doc, op);
    uint32_t entry = crdti_op_at(doc, op)->entry;
    if (crdti_op_at(doc, op)->kind != CRDTI_MOVE)
        return;
    crdti_table_insert(&doc->moves, crdti_move_hash(doc, list, at), op);
    if (crdti_entry_winner(doc, entry) == op)
        crdti_element_look(
            doc, list, crdti_entry_key(crdti_entry_at(doc, entry)).ptr, op);
    crdti_position_look(doc, list, at);
}

CRDTI_FN void crdti_list_died(crdt_doc *doc, uint32_t list, uint32_t op)
{
    crdti_position at = crdti_op_position(doc, op);
    uint32_t entry = crdti_op_at(doc, op)->entry;
    if (crdti_op_at(doc, op)->kind != CRDTI_MOVE)
        return;
    crdti_table_remove(&doc->moves, crdti_move_hash(doc, list, at), op);
    crdti_position_look(doc, list, at);
    crdti_element_look(doc, list,
                       crdti_entry_key(crdti_entry_at(doc, entry)).ptr, 0);
}

/* Whether the entry is visible: moves alone make nothing so. */
CRDTI_FN int crdti_list_shows(const crdt_doc *doc, const crdti_entry *entry)
{
    (void)doc;
    return entry->key_len == CRDTI_ELEMENT_KEY && entry->shows;
}

/* An element has appeared or disappeared. */
CRDTI_FN void crdti_list_looked(crdt_doc *doc, const crdti_entry *entry)
{
    crdti_element_look(doc, entry->object, crdti_entry_key(entry).ptr, 0);
}

CRDTI_FN int crdti_list_read(crdt_doc *doc, uint32_t list, crdt_bytes key,
                             crdt_value *out)
{
    uint32_t entry = crdti_entry_find(doc, list, key);
    if (!entry || !crdti_entry_at(doc, entry)->is_visible)
        return 0;
    *out = crdti_entry_value(doc, entry);
    return 1;
}

/* >>by index -------------------------------------------------------------- */

/* The list's sequence, which says what is visible; or NULL. */
CRDTI_FN crdt_err crdti_list_begin(crdt_obj list, crdti_sequence **s)
{
    crdt_err err = crdti_check(list, CRDT_LIST);
    if (!err)
        *s = crdti_sequence_at(list.doc, list.index);
    return err;
}

/* The entry of the element whose position that character is, or 0. */
CRDTI_FN uint32_t crdti_name_element(const crdt_doc *doc,
                                     const crdti_sequence *s, uint32_t name)
{
    uint32_t move;
    return crdti_position_element(doc, s->object,
                                  crdti_name_position(doc, s, name), &move);
}

/* The entry of the element at the index. RANGE. */
CRDTI_FN crdt_err crdti_list_entry(crdt_obj list, size_t at, uint32_t *entry)
{
    crdti_sequence *s;
    crdti_spot spot;
    uint32_t chars;
    crdt_err err = crdti_list_begin(list, &s);
    if (!err && (!s || at >= s->total.chars))
        err = CRDT_ERR_RANGE;
    if (!err)
        err = crdti_seek(list.doc, s, CRDT_CHARS, at + 1, &spot, &chars);
    if (err)
        return err;
    crdti_text_move_cursor(s, spot, chars);
    *entry = crdti_name_element(
        list.doc, s,
        crdti_leaf_at(list.doc, spot.leaf)->names[spot.at] + spot.off - 1);
    return *entry ? CRDT_OK : CRDT_ERR_NOT_FOUND;
}

/* >>writing --------------------------------------------------------------- */

/* Memory for a position at the index. RANGE, LIMIT, NOMEM. */
CRDTI_FN crdt_err crdti_list_reserve(crdt_obj list, size_t at,
                                     crdti_sequence **out)
{
    crdti_sequence *s;
    crdt_err err = crdti_check(list, CRDT_LIST);
    if (!err)
        err = crdti_sequence_get(list.doc, list.index, &s);
    if (err)
        return err;
    *out = s;
    if (at > s->total.chars)
        return CRDT_ERR_RANGE;
    err = crdti_write_check(list.doc, 1);
    if (!err)
        err = crdti_text_own(list.doc, s);
    if (!err)
        err = crdti_old_know(list.doc, s);
    if (!err)
        err = crdti_insertions_reserve(list.doc, s, s->own, 1, 1, 0);
    return err ? err : crdti_positions_reserve(list.doc, s, 1);
}

/* Puts the position of the last change at the index, where it is visible. */
CRDTI_FN void crdti_list_put(crdt_doc *doc, crdti_sequence *s, size_t at)
{
    crdti_origins origins;
    crdti_piece piece;
    crdti_spot spot;
    uint32_t chars;
    crdt_err err = crdti_seek(doc, s, CRDT_CHARS, at, &spot, &chars);
    CRDTI_ASSERT(!err);
    (void)err;
    crdti_zero(&piece, sizeof piece);
    piece.width.chars = 1;
    piece.shows = 1;
    origins = crdti_origins_at(doc, s, &spot);
    crdti_insertion_put(doc, s, s->own, doc->written, &origins, &piece, &spot);
    crdti_author_list(doc, s->own);
    crdti_text_move_cursor(s, spot, chars + 1);
}

/* The key of the element that the next change will insert. */
CRDTI_FN crdt_bytes crdti_list_next_key(const crdt_doc *doc,
                                        uint8_t key[CRDTI_MOVES_KEY])
{
    crdti_element_put(&doc->replicas.ptr[doc->self].id, doc->written + 1, key);
    return crdt_bytes_of(key, CRDTI_ELEMENT_KEY);
}

CRDT_API crdt_err crdt_list_insert(crdt_obj list, size_t at, crdt_value value)
{
    uint8_t key[CRDTI_MOVES_KEY];
    crdti_sequence *s;
    crdt_err err = crdti_list_reserve(list, at, &s);
    if (!err)
        err = crdti_value_write(list.doc, list.index,
                                crdti_list_next_key(list.doc, key), &value);
    if (!err)
        crdti_list_put(list.doc, s, at);
    return err;
}

CRDT_API crdt_obj crdt_list_insert_object(crdt_obj list, size_t at,
                                          crdt_type type)
{
    uint8_t key[CRDTI_MOVES_KEY];
    crdti_sequence *s;
    uint32_t index = 0;
    crdt_err err =
        type > CRDT_NONE && type < CRDT_TYPE_COUNT ? CRDT_OK : CRDT_ERR_ARG;
    if (!err)
        err = crdti_list_reserve(list, at, &s);
    if (!err)
        err = crdti_container_get(list.doc, list.index,
                                  crdti_list_next_key(list.doc, key), type,
                                  &index);
    if (!err) {
        crdti_list_put(list.doc, s, at);
        return crdti_obj(list.doc, index);
    }
    if (list.doc && list.index)
        list.doc->error = err;
    return crdti_obj(list.doc, 0);
}

CRDT_API crdt_err crdt_list_set(crdt_obj list, size_t at, crdt_value value)
{
    uint32_t entry;
    crdt_err err = crdti_list_entry(list, at, &entry);
    return err ? err
               : crdti_value_write(
                     list.doc, list.index,
                     crdti_entry_key(crdti_entry_at(list.doc, entry)), &value);
}

/* Adds a REMOVE of all that is seen in the entry. There is room. */
CRDTI_FN void crdti_draft_remove(crdti_op_array *drafts, uint32_t entry)
{
    crdti_op *draft = &drafts->ptr[drafts->len++];
    crdti_zero(draft, sizeof *draft);
    draft->kind = CRDTI_REMOVE;
    draft->entry = entry;
}

/* Drafts the removal of the elements; and of their moves, of which nothing is
 * seen then. A move that somebody makes meanwhile survives that of its
 * element, unseen. It costs an op next to a position that stays anyway, shows
 * again with an element that somebody sets meanwhile, and goes with what is
 * above the list. */
CRDTI_FN crdt_err crdti_list_draft(crdt_obj list, size_t at, size_t len,
                                   crdti_op_array *drafts)
{
    crdt_err err = CRDT_OK;
    for (; len > 0 && !err; at++, len--) {
        uint32_t entry, moves;
        err = crdti_list_entry(list, at, &entry);
        if (!err)
            err = crdti_array_reserve(&list.doc->alloc, drafts, 2);
        if (err)
            break;
        crdti_draft_remove(drafts, entry);
        moves = crdti_element_moves(
            list.doc, list.index,
            crdti_entry_key(crdti_entry_at(list.doc, entry)).ptr);
        if (moves && CRDTI_RULE(MOVES_GO))
            crdti_draft_remove(drafts, moves);
    }
    return err;
}

CRDT_API crdt_err crdt_list_delete(crdt_obj list, size_t at, size_t len)
{
    crdti_op_array drafts = { NULL, 0, 0 };
    size_t most;
    crdt_err err = crdti_check(list, CRDT_LIST);
    if (err)
        return err;
    most = crdt_list_len(list);
    if (len > most || at > most - len)
        return CRDT_ERR_RANGE;
    err = crdti_write_check(list.doc, len);
    if (!err)
        err = crdti_list_draft(list, at, len, &drafts);
    if (!err)
        err = crdti_write_scopes(list.doc, drafts.ptr, drafts.len);
    crdti_array_free(&list.doc->alloc, &drafts);
    return err;
}

/* Writes the MOVE of the element. */
CRDTI_FN crdt_err crdti_element_move(crdt_doc *doc, uint32_t entry)
{
    uint8_t key[CRDTI_MOVES_KEY];
    uint32_t list = crdti_entry_at(doc, entry)->object;
    crdt_bytes moves;
    crdti_op draft;
    crdt_err err;
    crdti_zero(&draft, sizeof draft);
    moves =
        crdti_moves_key(crdti_entry_key(crdti_entry_at(doc, entry)).ptr, key);
    if (crdti_table_reserve(&doc->alloc, &doc->moves, 1))
        return CRDT_ERR_NOMEM;
    err = crdti_entry_get(doc, list, moves, &draft.entry);
    if (err)
        return err;
    draft.kind = CRDTI_MOVE;
    draft.as.value.stamp = crdti_write_stamp(doc);
    err = crdti_write_scope(doc, &draft);
    if (err)
        crdti_entry_tidy(doc, draft.entry);
    return err;
}

CRDT_API crdt_err crdt_list_move(crdt_obj list, size_t from, size_t to)
{
    crdti_sequence *s;
    uint32_t entry;
    crdt_err err = crdti_list_entry(list, from, &entry);
    if (!err && to >= crdti_sequence_at(list.doc, list.index)->total.chars)
        err = CRDT_ERR_RANGE;
    if (err || from == to)
        return err;
    err = crdti_list_reserve(list, to, &s);
    if (!err)
        err = crdti_element_move(list.doc, entry);
    if (!err)
        crdti_list_put(list.doc, s, to);
    return err;
}

/* >>reading --------------------------------------------------------------- */

CRDT_API size_t crdt_list_len(crdt_obj list)
{
    crdti_sequence *s;
    return crdti_list_begin(list, &s) || !s ? 0 : s->total.chars;
}

CRDT_API crdt_err crdt_list_get(crdt_obj list, size_t at, crdt_value *out)
{
    uint32_t entry;
    crdt_err err = crdti_list_entry(list, at, &entry);
    if (!err)
        *out = crdti_entry_value(list.doc, entry);
    return err;
}

CRDT_API crdt_obj crdt_list_object(crdt_obj list, size_t at)
{
    crdt_value value;
    crdt_err err = crdt_list_get(list, at, &value);
    if (!err && value.kind == CRDT_OBJECT)
        return value.as.object;
    if (list.doc && list.index)
        list.doc->error = err ? err : CRDT_ERR_TYPE;
    return crdti_obj(list.doc, 0);
}

CRDT_API crdt_err crdt_list_versions(crdt_obj list, size_t at,
                                     crdt_version_fn *fn, void *ctx)
{
    uint32_t entry;
    crdt_err err = crdti_list_entry(list, at, &entry);
    if (err)
        return err;
    crdti_entry_versions(list.doc, entry, fn, ctx);
    crdti_entry_orphans(list.doc, entry, fn, ctx);
    return CRDT_OK;
}

CRDT_API crdt_err crdt_list_next(crdt_obj list, crdt_list_cursor *cursor)
{
    crdti_sequence *s;
    const crdti_leaf *leaf;
    crdti_spot spot = { 0, 0, 0 };
    crdt_err err = crdti_list_begin(list, &s);
    if (!err && !s)
        err = CRDT_ERR_NOT_FOUND;
    if (err)
        return err;
    spot.leaf = s->first;
    if (cursor->started) {
        if (cursor->changes != s->changes)
            return CRDT_ERR_AGAIN;
        spot.leaf = cursor->leaf;
        spot.at = cursor->span;
        spot.off = cursor->off + 1;
    }
    if (!crdti_spot_next_shown(list.doc, &spot))
        return CRDT_ERR_NOT_FOUND;
    leaf = crdti_leaf_at(list.doc, spot.leaf);
    cursor->at += cursor->started != 0;
    cursor->started = 1;
    cursor->changes = s->changes;
    cursor->leaf = spot.leaf;
    cursor->span = spot.at;
    cursor->off = spot.off;
    cursor->value = crdti_entry_value(
        list.doc,
        crdti_name_element(list.doc, s, leaf->names[spot.at] + spot.off));
    return CRDT_OK;
}

/* >>stable positions ------------------------------------------------------ */

CRDT_API crdt_err crdt_list_anchor(crdt_obj list, size_t at, crdt_side side,
                                   crdt_anchor *out)
{
    uint32_t entry;
    size_t beside = side == CRDT_LEFT ? at - 1 : at;
    crdt_err err = crdti_check(list, CRDT_LIST);
    size_t len = crdt_list_len(list);
    if (!err && at > len)
        err = CRDT_ERR_RANGE;
    if (err)
        return err;
    if (beside >= len) { /* also in front of the first */
        crdti_zero(out, sizeof *out);
        out->side = side;
        return CRDT_OK;
    }
    err = crdti_list_entry(list, beside, &entry);
    if (err)
        return err;
    crdti_zero(out, sizeof *out);
    out->side = side;
    out->dot = crdti_element_dot(
        crdti_entry_key(crdti_entry_at(list.doc, entry)).ptr);
    return CRDT_OK;
}

CRDT_API crdt_err crdt_list_find(crdt_obj list, const crdt_anchor *anchor,
                                 size_t *out)
{
    uint8_t key[CRDTI_MOVES_KEY];
    crdti_sequence *s;
    crdti_spot spot;
    uint32_t name;
    crdt_err err = crdti_list_begin(list, &s);
    if (!err && !anchor)
        err = CRDT_ERR_ARG;
    if (err)
        return err;
    if (!anchor->dot.seq) {
        *out = anchor->side == CRDT_RIGHT ? crdt_list_len(list) : 0;
        return CRDT_OK;
    }
    crdti_element_put(&anchor->dot.replica, anchor->dot.seq, key);
    name = crdti_element_name(list.doc, list.index, key);
    if (name == CRDTI_NO_CHAR)
        return CRDT_ERR_NOT_FOUND;
    crdti_homes_make(list.doc, s);
    spot = crdti_spot_of(list.doc, s, name);
    spot.off += anchor->side == CRDT_LEFT;
    *out = crdti_spot_rank(list.doc, s, spot).chars;
    return CRDT_OK;
}

#endif
/* >> diff.h */
/*
 * Diffs: a new whole text as few small edits of the old one.
 *
 * What is equal at the beginning and at the end is left alone. What is between
 * is compared by Myers' greedy algorithm: the furthest that one gets with d
 * characters deleted or inserted, for d = 0, 1, 2 ... on each diagonal:
 *
 *             o l d  t e x t
 *           +--------------->        right: delete a character
 *         n |\                       down:  insert one
 *         e |  \_                    diagonal: both are equal
 *         w v
 *
 * Beyond CRDTI_DIFF_MAX differences it is replaced as a whole: it is another
 * text. (Myers 1986)
 */
#ifndef CRDTI_DIFF_H
#define CRDTI_DIFF_H


#define CRDTI_DIFF_MAX 512

/* One edit: at a character of the old text, how many go, and where in the new
 * text stands what comes. */
typedef struct crdti_diff_edit {
    uint32_t at, deleted;
    uint32_t from, inserted;
} crdti_diff_edit;

typedef struct crdti_diff {
    crdti_arena arena;
    const uint32_t *old_text, *new_text; /* code points */
    uint32_t old_len, new_len;
    int32_t *reached[CRDTI_DIFF_MAX + 1]; /* by d: x of diagonal -d..d */
    uint32_t edits_len;
    crdti_diff_edit *edits; /* from the end of the text */
} crdti_diff;

/* The code points of a text that was looked over. NULL: no memory. */
CRDTI_FN const uint32_t *crdti_diff_points(crdti_arena *arena, crdt_bytes text,
                                           uint32_t len)
{
    const uint8_t *at = text.ptr;
    uint32_t *points = (uint32_t *)crdti_arena_alloc(
        arena, (len + (size_t)1) * sizeof *points);
    uint32_t i;
    for (i = 0; points && i < len; i++, at += crdti_utf8_size(*at))
        points[i] = crdti_utf8_decode(at);
    return points;
}

/* Goes on along the diagonal k with d differences. How far in the old text. */
CRDTI_FN int32_t crdti_diff_reach(const crdti_diff *diff, int32_t d, int32_t k)
{
    const int32_t *before = d ? diff->reached[d - 1] + (d - 1) : NULL;
    int32_t x = 0;
    if (d && (k == -d || (k != d && before[k - 1] < before[k + 1])))
        x = before[k + 1]; /* an insertion */
    else if (d)
        x = before[k - 1] + 1; /* a deletion */
    while (x < (int32_t)diff->old_len && x - k < (int32_t)diff->new_len &&
           diff->old_text[x] == diff->new_text[x - k])
        x++;
    return x;
}

/* How many differences there are, or more than the most: -1. -2: no memory. */
CRDTI_FN int32_t crdti_diff_search(crdti_diff *diff)
{
    int32_t d, k;
    for (d = 0; d <= CRDTI_DIFF_MAX; d++) {
        int32_t *row = (int32_t *)crdti_arena_alloc(
            &diff->arena, (2 * (size_t)d + 1) * sizeof *row);
        if (!row)
            return -2;
        diff->reached[d] = row;
        row += d;
        for (k = -d; k <= d; k += 2) {
            row[k] = crdti_diff_reach(diff, d, k);
            if (row[k] >= (int32_t)diff->old_len &&
                row[k] - k >= (int32_t)diff->new_len)
                return d;
        }
    }
    return -1;
}

/* Notes one difference before the last noted; neighbours are one edit. */
CRDTI_FN void crdti_diff_note(crdti_diff *diff, uint32_t at, uint32_t from,
                              int deletes)
{
    crdti_diff_edit *last = diff->edits + diff->edits_len;
    if (diff->edits_len && last[-1].at == at + (deletes != 0) &&
        last[-1].from == from + (deletes == 0)) {
        last--;
    } else {
        crdti_zero(last, sizeof *last);
        diff->edits_len++;
    }
    last->at = at;
    last->from = from;
    last->deleted += deletes != 0;
    last->inserted += deletes == 0;
}

/* Follows the way back from the end. */
CRDTI_FN void crdti_diff_trace(crdti_diff *diff, int32_t d)
{
    int32_t x = (int32_t)diff->old_len, k = x - (int32_t)diff->new_len;
    for (; d > 0; d--) {
        const int32_t *before = diff->reached[d - 1] + (d - 1);
        int inserts = k == -d || (k != d && before[k - 1] < before[k + 1]);
        k += inserts ? 1 : -1;
        x = before[k];
        crdti_diff_note(diff, (uint32_t)x, (uint32_t)(x - k), !inserts);
    }
}

/* Finds the edits between what is not equal at either end. NOMEM. */
CRDTI_FN crdt_err crdti_diff_make(crdti_diff *diff)
{
    int32_t d = diff->old_len && diff->new_len ? crdti_diff_search(diff) : -1;
    size_t most = d > 0 ? (size_t)d : 1;
    if (d == -2)
        return CRDT_ERR_NOMEM;
    diff->edits = (crdti_diff_edit *)crdti_arena_alloc(
        &diff->arena, most * sizeof *diff->edits);
    if (!diff->edits)
        return CRDT_ERR_NOMEM;
    if (d >= 0) {
        crdti_diff_trace(diff, d);
        return CRDT_OK;
    }
    crdti_zero(diff->edits, sizeof *diff->edits);
    diff->edits[0].deleted = diff->old_len;
    diff->edits[0].inserted = diff->new_len;
    diff->edits_len = diff->old_len || diff->new_len;
    return CRDT_OK;
}

/* >>applying -------------------------------------------------------------- */

/* Takes memory for all edits together, so that none of them can fail. */
CRDTI_FN crdt_err crdti_diff_reserve(crdt_doc *doc, crdti_sequence *s,
                                     const crdti_diff *diff, crdt_bytes utf8,
                                     crdti_width width)
{
    size_t edits = diff->edits_len;
    crdti_spot start = { 0, 0, 0 };
    crdt_err err = crdti_write_check(doc, edits);
    start.leaf = s->first;
    if (!err)
        err = crdti_text_own(doc, s);
    if (!err)
        err = crdti_spans_reserve(doc, s,
                                  edits * 3 + crdti_pieces_count(utf8, width));
    if (!err)
        err = crdti_insertions_reserve(doc, s, s->own,
                                       edits + crdti_pieces_count(utf8, width),
                                       width.chars, utf8.len);
    /* Each of them takes at least one span of those there are. */
    if (!err)
        err = crdti_array_reserve(
            &doc->alloc, &crdti_author_at(doc, s->own)->deletions,
            edits + crdti_text_spans(doc, start, s->total.chars));
    return err;
}

/* From the end of the text, so that what is before stays where it is. `first`
 * characters at the beginning are equal; `utf8` is what is new behind them. */
CRDTI_FN crdt_err crdti_diff_apply(crdt_doc *doc, crdti_sequence *s,
                                   const crdti_diff *diff, uint32_t first,
                                   crdt_bytes utf8)
{
    crdt_err err = CRDT_OK;
    uint32_t i;
    for (i = 0; i < diff->edits_len && !err; i++) {
        const crdti_diff_edit *edit = &diff->edits[i];
        size_t from = crdti_utf8_len(utf8, 0, edit->from);
        size_t len = crdti_utf8_len(utf8, from, edit->inserted);
        err = crdti_text_edit(
            doc, s, CRDT_CHARS, first + edit->at, edit->deleted,
            crdt_bytes_of(len ? utf8.ptr + from : NULL, len));
    }
    return err;
}

/* Takes off what is equal at both ends, in whole characters. How many bytes at
 * the beginning. */
CRDTI_FN size_t crdti_diff_trim(crdt_bytes *a, crdt_bytes *b)
{
    size_t first = 0, most = crdti_min_size(a->len, b->len), last = 0;
    if (!most)
        return 0;
    while (first < most && a->ptr[first] == b->ptr[first])
        first++;
    while (first > 0 && ((first < a->len && (a->ptr[first] & 0xc0) == 0x80) ||
                         (first < b->len && (b->ptr[first] & 0xc0) == 0x80)))
        first--;
    while (last < most - first &&
           a->ptr[a->len - 1 - last] == b->ptr[b->len - 1 - last])
        last++;
    while (last > 0 && (a->ptr[a->len - last] & 0xc0) == 0x80)
        last--;
    *a = crdt_bytes_of(a->ptr + first, a->len - first - last);
    *b = crdt_bytes_of(b->ptr + first, b->len - first - last);
    return first;
}

CRDTI_FN crdt_err crdti_text_become(crdt_doc *doc, crdti_sequence *s,
                                    crdt_bytes now, crdt_bytes utf8)
{
    crdti_diff diff;
    crdti_width start, before, after;
    crdt_bytes head = now;
    crdt_err err = CRDT_OK;
    if (crdt_bytes_equal(now, utf8))
        return CRDT_OK;
    head.len = crdti_diff_trim(&now, &utf8);
    crdti_utf8_measure(head, &start);
    crdti_utf8_measure(now, &before);
    crdti_utf8_measure(utf8, &after);
    crdti_zero(&diff, sizeof diff);
    crdti_arena_init(&diff.arena, &doc->alloc);
    diff.old_len = before.chars;
    diff.new_len = after.chars;
    diff.old_text = crdti_diff_points(&diff.arena, now, before.chars);
    diff.new_text = crdti_diff_points(&diff.arena, utf8, after.chars);
    if (!diff.old_text || !diff.new_text)
        err = CRDT_ERR_NOMEM;
    if (!err)
        err = crdti_diff_make(&diff);
    if (!err)
        err = crdti_diff_reserve(doc, s, &diff, utf8, after);
    if (!err)
        err = crdti_diff_apply(doc, s, &diff, start.chars, utf8);
    crdti_arena_free(&diff.arena);
    return err;
}

CRDT_API crdt_err crdt_text_set(crdt_obj text, crdt_bytes utf8)
{
    crdti_sequence *s;
    crdti_width width;
    crdt_buf now = CRDT_BUF_INIT;
    crdt_err err = crdti_text_begin(text, &s);
    if (err)
        return err;
    if ((utf8.len && !utf8.ptr) || !crdti_utf8_measure(utf8, &width))
        return CRDT_ERR_ARG;
    if (utf8.len > CRDTI_NAMES_MAX)
        return CRDT_ERR_LIMIT;
    now.alloc = &text.doc->alloc;
    err = crdt_text_get(text, &now);
    if (!err)
        err = crdti_text_become(text.doc, s, crdt_buf_bytes(&now), utf8);
    crdt_buf_free(&now);
    return err;
}

#endif
/* >> type.h */
/*
 * The type table. A new type is one file and one row here; its ops are rows of
 * op.h. Types know nothing of sync: the document files their ops, kills them
 * and ships them, and tells them only that one was born or died.
 */
#ifndef CRDTI_TYPE_H
#define CRDTI_TYPE_H


/* clang-format off */

/* Kinds of ops, a bit each. A REMOVE may stand anywhere: what is left of a
 * killer that died. */
#define CRDTI_TAKES(kind) (1u << (kind) | 1u << CRDTI_REMOVE)

/* What is told by keys and entries alone. */
#define CRDTI_MAP(name, kinds)                                                \
    { name, kinds, CRDTI_BY_KEY, 1, 0, 1, crdti_map_has_key, crdti_map_read,  \
      NULL, NULL, NULL, NULL, NULL, NULL, crdti_order_drop, NULL, NULL, NULL }
#define CRDTI_REGISTER(name, kinds, read)                                     \
    { name, kinds, CRDTI_ONE_VALUE, 1, 0, 0, NULL, read, NULL, NULL, NULL,    \
      NULL, NULL, NULL, NULL, NULL, NULL, NULL }
#define CRDTI_FLAG(name, kinds, visible)                                      \
    { name, kinds, CRDTI_ONE_VALUE, 1, 0, 1, NULL, crdti_flag_read, NULL,     \
      NULL, NULL, NULL, visible, NULL, NULL, NULL, NULL, NULL }
#define CRDTI_SET(name, kinds, has_rows, visible)                             \
    { name, kinds, CRDTI_BY_ELEMENT, 1, has_rows, 1, crdti_element_is_key,    \
      crdti_set_read, NULL, NULL, NULL, NULL, visible, NULL,                  \
      crdti_order_drop, NULL, NULL, NULL }
/* What is in it are no ops: see sequence.h. */
#define CRDTI_SEQUENCE(name, kinds, read)                                     \
    { name, kinds, CRDTI_BY_STEPS, 1, 0, 0, crdti_text_has_key, read, NULL,   \
      NULL, NULL, NULL, NULL, NULL, crdti_sequence_drop,                      \
      crdti_sequence_scope, NULL, NULL }
#define CRDTI_LIST(name, kinds)                                               \
    { name, kinds, CRDTI_BY_INDEX, 1, 0, 1, crdti_list_has_key,               \
      crdti_list_read, NULL, NULL, crdti_list_born, crdti_list_died,          \
      crdti_list_shows, NULL, crdti_sequence_drop, NULL, crdti_list_looked, \
      crdti_list_keeps }
/* What has a state of its own. */
#define CRDTI_COUNTER(name)                                                   \
    { name, CRDTI_TAKES(CRDTI_ADD) | 1u << CRDTI_RESET, CRDTI_ONE_VALUE, 0,   \
      0, 0, crdti_counter_has_key, crdti_counter_read, crdti_counter_reserve, \
      crdti_counter_reset_draft, crdti_counter_born, crdti_counter_died,      \
      NULL, crdti_counter_settle, crdti_counter_drop, NULL, NULL, NULL }
#define CRDTI_BOUNDED(name)                                                   \
    { name, CRDTI_TAKES(CRDTI_ADD), CRDTI_ONE_VALUE, 0, 0, 1,                 \
      crdti_bounded_has_key, crdti_bounded_read, crdti_bounded_reserve,       \
      crdti_bounded_reset_draft, crdti_bounded_born, crdti_bounded_died,      \
      NULL, NULL, crdti_bounded_drop, NULL, NULL, NULL }

/* By crdt_type. */
CRDTI_FN const crdti_type *crdti_type_table(void)
{
    enum {
        VALUE = CRDTI_TAKES(CRDTI_VALUE),
        IN = CRDTI_TAKES(CRDTI_IN),
        IN_OUT = IN | 1u << CRDTI_OUT,
        ANY = VALUE | 1u << CRDTI_CREATE,
        REMOVE = 1u << CRDTI_REMOVE
    };
    /* name, kinds, shape, is_scope, has_rows, is_keyed, has_key, read,
     * reserve, reset, born, died, visible, settle, drop, scope, looked,
     * keeps */
    static const crdti_type table[CRDT_TYPE_COUNT] = {
        { "none", 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
          NULL, NULL, NULL, NULL, NULL },
        CRDTI_MAP("map", ANY),
        CRDTI_REGISTER("register", VALUE, crdti_register_read),
        CRDTI_COUNTER("counter"),
        CRDTI_COUNTER("gcounter"),
        CRDTI_BOUNDED("bounded"),
        CRDTI_REGISTER("max", VALUE, crdti_extreme_read),
        CRDTI_REGISTER("min", VALUE, crdti_extreme_read),
        CRDTI_FLAG("ew-flag", IN, NULL),
        CRDTI_FLAG("dw-flag", IN_OUT, crdti_in_and_not_out),
        CRDTI_SET("aw-set", IN, 1, NULL),
        CRDTI_SET("rw-set", IN_OUT, 0, crdti_in_and_not_out),
        CRDTI_SET("gset", IN, 1, NULL),
        CRDTI_SET("2pset", IN_OUT, 0, crdti_in_and_not_out),
        CRDTI_SET("lww-set", VALUE, 0, crdti_latest_is_in),
        CRDTI_SET("lww-set-rm", VALUE, 0, crdti_latest_is_in),
        CRDTI_SEQUENCE("text", REMOVE, crdti_text_read),
        CRDTI_LIST("list", ANY | 1u << CRDTI_MOVE),
    };
    return table;
}

/* clang-format on */

CRDT_API const char *crdt_type_name(crdt_type type)
{
    int known = type > CRDT_NONE && type < CRDT_TYPE_COUNT;
    return crdti_type_table()[known ? type : CRDT_NONE].name;
}

/* Whether an op of that kind may stand in an object of that type. */
CRDTI_FN int crdti_type_takes(uint8_t type, uint8_t kind)
{
    return kind < CRDTI_KIND_COUNT &&
           crdti_type_table()[type].kinds >> kind & 1;
}

/* Whether an object of that type may have an entry of that key. */
CRDTI_FN int crdti_type_has_key(uint8_t type, crdt_bytes key)
{
    const crdti_type *row = &crdti_type_table()[type];
    return row->has_key ? row->has_key(key) : key.len == 0;
}

#endif
/* 6 document */
/* >> path.h */
/*
 * Paths: keys from the root down, as text; of lists, indices.
 *
 *     images/beach.jpg/size      ~1 stands for a "/" in a key, ~0 for a "~"
 *     images/0/size              below the first element of a list
 *     /                          the empty key of the root
 *
 * With a "/" in front it is a JSON pointer (RFC 6901); without one it is the
 * same, and only a path whose first key is empty needs it.
 */
#ifndef CRDTI_PATH_H
#define CRDTI_PATH_H


/* >>from an object to its path -------------------------------------------- */

#define CRDTI_INDEX_DIGITS 10

/* The key as the path says it; of a list the index of the element, or "-"
 * when that is not there. */
CRDTI_FN crdt_bytes crdti_path_key(crdt_doc *doc, uint32_t entry,
                                   uint8_t room[CRDTI_INDEX_DIGITS])
{
    const crdti_entry *at = crdti_entry_at(doc, entry);
    crdt_bytes key = crdti_entry_key(at);
    size_t i = CRDTI_INDEX_DIGITS;
    uint32_t index;
    if (crdti_object_at(doc, at->object)->type != CRDT_LIST)
        return key;
    if (!crdti_element_index(doc, at->object, key.ptr, &index))
        return crdt_str("-");
    do
        room[--i] = (uint8_t)('0' + index % 10);
    while ((index /= 10) != 0);
    return crdt_bytes_of(room + i, CRDTI_INDEX_DIGITS - i);
}

/* How long the key is, escaped. */
CRDTI_FN size_t crdti_path_key_len(crdt_bytes key)
{
    size_t i, len = key.len;
    for (i = 0; i < key.len; i++)
        len += key.ptr[i] == '~' || key.ptr[i] == '/';
    return len;
}

/* Writes the escaped key so that it ends before `end`. */
CRDTI_FN uint8_t *crdti_path_put_key(uint8_t *end, crdt_bytes key)
{
    size_t i = key.len;
    while (i-- > 0) {
        int is_escaped = key.ptr[i] == '~' || key.ptr[i] == '/';
        *--end =
            is_escaped ? (uint8_t)('0' + (key.ptr[i] == '/')) : key.ptr[i];
        if (is_escaped)
            *--end = '~';
    }
    return end;
}

/* Whether it takes a "/" in front: where its first key is empty. */
CRDTI_FN int crdti_path_is_led(const crdt_doc *doc, uint32_t entry)
{
    const crdti_entry *at = crdti_entry_at(doc, entry);
    return at->object == CRDTI_ROOT && at->key_len == 0;
}

CRDTI_FN size_t crdti_path_len(crdt_doc *doc, uint32_t object)
{
    uint8_t room[CRDTI_INDEX_DIGITS];
    uint32_t entry = crdti_object_at(doc, object)->entry;
    size_t len = 0;
    while (entry) {
        const crdti_entry *at = crdti_entry_at(doc, entry);
        uint32_t above = crdti_object_at(doc, at->object)->entry;
        len += crdti_path_key_len(crdti_path_key(doc, entry, room)) +
               (above || crdti_path_is_led(doc, entry));
        entry = above;
    }
    return len;
}

/* Writes it to where there is just room for it. */
CRDTI_FN void crdti_path_put(crdt_doc *doc, uint32_t object, uint8_t *out)
{
    uint8_t room[CRDTI_INDEX_DIGITS];
    uint8_t *end = out + crdti_path_len(doc, object);
    uint32_t entry = crdti_object_at(doc, object)->entry;
    while (entry) {
        const crdti_entry *at = crdti_entry_at(doc, entry);
        end = crdti_path_put_key(end, crdti_path_key(doc, entry, room));
        if (end > out)
            *--end = '/';
        entry = crdti_object_at(doc, at->object)->entry;
    }
}

CRDT_API crdt_err crdt_path(crdt_obj obj, crdt_buf *out)
{
    size_t len;
    crdt_err err;
    if (crdt_is_null(obj) || !out)
        return CRDT_ERR_ARG;
    len = crdti_path_len(obj.doc, obj.index);
    err = crdti_buf_reserve(out, len);
    if (err || !len)
        return err;
    crdti_path_put(obj.doc, obj.index, out->ptr + out->len);
    out->len += len;
    return CRDT_OK;
}

/* >>from a path to what is there ------------------------------------------ */

/* Takes the first key off the path, unescaped, and says whether there are
 * more. ARG for a "~" that stands for nothing; LIMIT. */
CRDTI_FN crdt_err crdti_path_step(crdt_bytes *path, int *more, uint8_t *key,
                                  size_t *len)
{
    size_t i = 0;
    *len = 0;
    for (; i < path->len && path->ptr[i] != '/'; i++) {
        uint8_t c = path->ptr[i];
        if (*len == CRDTSYNC_MAX_KEY)
            return CRDT_ERR_LIMIT;
        if (c == '~') {
            if (++i == path->len || (path->ptr[i] | 1) != '1')
                return CRDT_ERR_ARG;
            c = path->ptr[i] == '0' ? '~' : '/';
        }
        key[(*len)++] = c;
    }
    *more = i < path->len;
    i += *more != 0;
    *path = crdt_bytes_of(path->ptr + i, path->len - i);
    return CRDT_OK;
}

/* The number that the key is, or SIZE_MAX: digits, and no 0 in front. */
CRDTI_FN size_t crdti_path_index(crdt_bytes key)
{
    size_t i, index = 0;
    if (!key.len || key.len > CRDTI_INDEX_DIGITS - 1 ||
        (key.ptr[0] == '0' && key.len > 1))
        return SIZE_MAX;
    for (i = 0; i < key.len; i++) {
        if (key.ptr[i] < '0' || key.ptr[i] > '9')
            return SIZE_MAX;
        index = index * 10 + (size_t)(key.ptr[i] - '0');
    }
    return index;
}

/* What is there in the object. NOT_FOUND, TYPE. */
CRDTI_FN crdt_err crdti_path_get(crdt_obj obj, crdt_bytes key, crdt_value *out)
{
    crdt_err err;
    if (crdt_type_of(obj) != CRDT_LIST)
        return crdt_map_get(obj, key, out);
    err = crdt_list_get(obj, crdti_path_index(key), out);
    return err == CRDT_ERR_RANGE ? CRDT_ERR_NOT_FOUND : err;
}

CRDT_API crdt_err crdt_at(crdt_doc *doc, crdt_bytes path, crdt_value *out)
{
    uint8_t key[CRDTSYNC_MAX_KEY];
    crdt_value value;
    crdt_err err = CRDT_OK;
    size_t len;
    int more;
    if (!doc || !out || (path.len && !path.ptr))
        return CRDT_ERR_ARG;
    value.kind = CRDT_OBJECT;
    value.as.object = crdt_root(doc);
    more = path.len != 0;
    if (more && path.ptr[0] == '/')
        path = crdt_bytes_of(path.ptr + 1, path.len - 1);
    while (more && !err) {
        err = crdti_path_step(&path, &more, key, &len);
        if (!err && value.kind != CRDT_OBJECT)
            err = CRDT_ERR_TYPE;
        if (!err)
            err = crdti_path_get(value.as.object, crdt_bytes_of(key, len),
                                 &value);
    }
    if (!err)
        *out = value;
    return err;
}

#endif
/* >> step.h */
/*
 * Steps: how a text or list reads differently since the watcher was told, as
 * what to retain, insert and delete from its beginning on; and what of a list
 * is another value, where it was.
 *
 *     names born since   40..44           in the order of the text:
 *     names died since    7..9, 42        retain 7, delete 3, retain 5,
 *                                         insert "ab", insert "de"
 *
 * What was born and died since is nothing. What remains is looked up in the
 * tree, piece by piece. O(pieces x log n).
 */
#ifndef CRDTI_STEP_H
#define CRDTI_STEP_H


/* Characters side by side, all inserted, deleted or set since. */
typedef struct crdti_step_piece {
    crdti_spot spot;
    uint32_t name, len;
    crdt_step_kind kind;
} crdti_step_piece;

typedef struct crdti_steps {
    crdt_doc *doc;
    crdti_sequence *s;
    CRDTI_ARRAY(crdti_step_piece) pieces;
    CRDTI_ARRAY(uint32_t) order; /* of pieces in the text */
} crdti_steps;

CRDTI_FN crdt_err crdti_steps_add(crdti_steps *t,
                                  const crdti_step_piece *piece)
{
    if (crdti_array_reserve(&t->doc->alloc, &t->pieces, 1) ||
        crdti_array_reserve(&t->doc->alloc, &t->order, 1))
        return CRDT_ERR_NOMEM;
    t->pieces.ptr[t->pieces.len] = *piece;
    t->order.ptr[t->order.len++] = (uint32_t)t->pieces.len++;
    return CRDT_OK;
}

/* Cuts a run of names into pieces: of one span and one insertion each. What
 * is gone again, or there again, is none. */
CRDTI_FN crdt_err crdti_steps_cut(crdti_steps *t, uint64_t at, uint64_t last,
                                  crdt_step_kind kind)
{
    crdt_err err = CRDT_OK;
    for (; at <= last && !err;) {
        uint32_t name = (uint32_t)at, rest;
        const crdti_leaf *leaf;
        crdti_step_piece piece;
        piece.kind = kind;
        piece.name = name;
        piece.spot = crdti_spot_of(t->doc, t->s, name);
        leaf = crdti_leaf_at(t->doc, piece.spot.leaf);
        rest = crdti_span_len(leaf, piece.spot.at) - piece.spot.off;
        rest = (uint32_t)crdti_min(
            rest, crdti_origins_of(t->doc, t->s, name).end - name);
        piece.len = (uint32_t)crdti_min(rest, last - at + 1);
        at += piece.len;
        if (!(leaf->lens[piece.spot.at] & CRDTI_HIDDEN) ==
            (kind != CRDT_STEP_DELETE))
            err = crdti_steps_add(t, &piece);
    }
    return err;
}

/* What the element reads is another value than before. */
CRDTI_FN crdt_err crdti_steps_set(crdti_steps *t, const crdti_place *element)
{
    uint32_t name;
    if (!element->is_changed || !element->had_before || !element->has_now)
        return CRDT_OK; /* it came or went */
    name = crdti_element_name(t->doc, element->object, element->key.ptr);
    if (name == CRDTI_NO_CHAR || crdti_ivset_has(&t->s->born, name))
        return CRDT_OK; /* it was moved here */
    return crdti_steps_cut(t, name, name, CRDT_STEP_SET);
}

CRDTI_FN int crdti_piece_order(const void *ctx, uint32_t a, uint32_t b)
{
    const crdti_steps *t = (const crdti_steps *)ctx;
    return crdti_spot_order(t->doc, t->pieces.ptr[a].spot,
                            t->pieces.ptr[b].spot);
}

/* Collects the pieces and puts them in the order of the text. */
CRDTI_FN crdt_err crdti_steps_collect(crdti_steps *t, uint32_t element)
{
    const crdti_ivset *born = &t->s->born, *died = &t->s->died;
    size_t i;
    crdt_err err = crdti_ivset_subtract(&t->doc->alloc, &t->s->died, born);
    crdti_homes_make(t->doc, t->s);
    for (i = 0; i < born->len && !err; i++)
        err = crdti_steps_cut(t, born->ptr[i].lo, born->ptr[i].hi,
                              CRDT_STEP_INSERT);
    for (i = 0; i < died->len && !err; i++)
        err = crdti_steps_cut(t, died->ptr[i].lo, died->ptr[i].hi,
                              CRDT_STEP_DELETE);
    for (; element && !err;
         element = t->doc->watch->places.ptr[element - 1].next)
        err = crdti_steps_set(t, &t->doc->watch->places.ptr[element - 1]);
    if (!err)
        crdti_sort(crdti_piece_order, t, t->order.ptr, t->order.len);
    return err;
}

/* Writes a step, or makes the last one longer where it goes on with it: with
 * what is deleted too, or kept right behind. Where the next one goes. */
CRDTI_FN crdt_step *crdti_step_put(const crdt_step *first, crdt_step *step,
                                   crdt_step_kind kind, crdti_width width,
                                   crdt_bytes text)
{
    crdt_step *last = step - (step != first);
    if (step == first || last->kind != kind ||
        (text.len && last->text.ptr + last->text.len != text.ptr)) {
        last = step++;
        crdti_zero(last, sizeof *last);
        last->kind = kind;
        last->text.ptr = text.ptr;
    }
    last->chars += width.chars;
    last->bytes += crdti_width_in(width, CRDT_UTF8);
    last->utf16 += crdti_width_in(width, CRDT_UTF16);
    last->text.len += text.len;
    return step;
}

/* What was inserted in a text stands in its span. */
CRDTI_FN crdt_bytes crdti_piece_bytes(const crdti_steps *t,
                                      const crdti_step_piece *piece)
{
    if (piece->kind != CRDT_STEP_INSERT || t->s->is_list)
        return crdti_no_key();
    return crdti_span_bytes(t->doc, t->s,
                            crdti_leaf_at(t->doc, piece->spot.leaf),
                            piece->spot.at, piece->spot.off, piece->len);
}

/* Writes the steps; there is room for two of each piece. How many. */
CRDTI_FN size_t crdti_steps_write(const crdti_steps *t, crdt_step *out)
{
    crdt_step *step = out;
    crdti_width done;
    size_t i;
    crdti_zero(&done, sizeof done);
    for (i = 0; i < t->order.len; i++) {
        const crdti_step_piece *piece = &t->pieces.ptr[t->order.ptr[i]];
        crdti_width before = crdti_spot_rank(t->doc, t->s, piece->spot);
        crdti_width width =
            crdti_name_width(t->doc, t->s, piece->name, piece->len);
        crdti_width_subtract(&before, done);
        crdti_width_add(&done, before);
        if (before.chars)
            step = crdti_step_put(out, step, CRDT_STEP_RETAIN, before,
                                  crdti_no_key());
        step = crdti_step_put(out, step, piece->kind, width,
                              crdti_piece_bytes(t, piece));
        if (piece->kind != CRDT_STEP_DELETE)
            crdti_width_add(&done, width);
    }
    return (size_t)(step - out);
}

/* The steps of the place, a text or list, in the arena. NOMEM. */
CRDTI_FN crdt_err crdti_steps_make(crdt_doc *doc, const crdti_place *place,
                                   crdti_arena *arena, const crdt_step **out,
                                   size_t *len)
{
    crdti_steps t;
    crdt_step *steps;
    crdt_err err;
    crdti_zero(&t, sizeof t);
    t.doc = doc;
    t.s = crdti_sequence_at(doc, place->object);
    *len = 0;
    if (!t.s)
        return CRDT_OK;
    err = crdti_steps_collect(&t, place->elements);
    if (!err) {
        steps = (crdt_step *)crdti_arena_alloc(arena, t.pieces.len * 2 *
                                                          sizeof *steps);
        err = steps ? CRDT_OK : CRDT_ERR_NOMEM;
        if (steps)
            *len = crdti_steps_write(&t, steps);
        *out = steps;
    }
    crdti_array_free(&doc->alloc, &t.pieces);
    crdti_array_free(&doc->alloc, &t.order);
    return err;
}

#endif
/* >> event.h */
/*
 * Events: what is different since the watcher was told last, as patches.
 *
 *     touched places      read again      told
 *     "size"    7         9               PUT 7 -> 9
 *     "name"    "a"       "a"             -
 *     "photo"   -         map 3           PUT map 3
 *     (3, "x")  -         1               -  inside what has appeared
 *     (5, "y")  2         -               -  inside what is shown no longer
 *
 * Lists come first, the outer ones before those within: the indices in paths
 * are those of now.
 *
 * Telling is after commits and joins, when nothing is under way; while it goes
 * on, writes are refused.
 */
#ifndef CRDTI_EVENT_H
#define CRDTI_EVENT_H


/* Whether a reader sees no difference; of NaNs none does. */
CRDTI_FN int crdti_value_same(const crdt_value *a, const crdt_value *b)
{
    if (a->kind != b->kind)
        return 0;
    if (a->kind == CRDT_OBJECT)
        return a->as.object.index == b->as.object.index;
    if (a->kind == CRDT_DOUBLE)
        return crdti_double_bits(a->as.number) ==
               crdti_double_bits(b->as.number);
    return crdti_value_order(a, b) == 0;
}

/* >>which places are told ------------------------------------------------- */

CRDTI_FN void crdti_place_look(crdt_doc *doc, crdti_place *place)
{
    const crdti_type *type =
        crdti_type_at(doc, crdti_object_at(doc, place->object));
    place->has_now =
        (uint8_t)type->read(doc, place->object, place->key, &place->now);
    place->is_changed = place->has_now != place->had_before ||
                        (place->has_now && type->shape != CRDTI_BY_ELEMENT &&
                         !crdti_value_same(&place->now, &place->before));
}

/* Whether an element that is shown stands where it did. One that was moved is
 * an inserted one. */
CRDTI_FN int crdti_element_stayed(const crdt_doc *doc, uint32_t list,
                                  const uint8_t *key)
{
    const crdti_sequence *s = crdti_sequence_at(doc, list);
    uint32_t name = crdti_element_name(doc, list, key);
    return s && name != CRDTI_NO_CHAR && !crdti_ivset_has(&s->born, name);
}

/* Whether the keys above show the object, and did before. */
CRDTI_FN int crdti_object_was_shown(crdt_doc *doc, uint32_t object)
{
    while (object != CRDTI_ROOT) {
        uint32_t at = crdti_object_at(doc, object)->entry;
        const crdti_entry *entry = crdti_entry_at(doc, at);
        crdt_bytes key = crdti_entry_key(entry);
        const crdti_place *above =
            crdti_place_find(doc->watch, entry->object, key,
                             crdti_entry_hash(doc, entry->object, key));
        const crdti_type *type =
            crdti_type_at(doc, crdti_object_at(doc, entry->object));
        crdt_value shown;
        if (above && above->is_changed)
            return 0;
        if (!type->read(doc, entry->object, key, &shown) ||
            shown.kind != CRDT_OBJECT || shown.as.object.index != object)
            return 0;
        if (type->shape == CRDTI_BY_INDEX &&
            !crdti_element_stayed(doc, entry->object, key.ptr))
            return 0;
        object = entry->object;
    }
    return 1;
}

/* >>patches --------------------------------------------------------------- */

/* Who wrote what a key or register shows; otherwise who was there last, or
 * nobody. */
CRDTI_FN uint32_t crdti_place_author(const crdt_doc *doc,
                                     const crdti_place *place)
{
    uint32_t entry = crdti_entry_find(doc, place->object, place->key);
    uint8_t type = crdti_object_at(doc, place->object)->type;
    uint32_t winner = 0;
    if (entry && (type == CRDT_MAP || type == CRDT_REGISTER))
        winner = crdti_entry_winner(doc, entry);
    return winner ? crdti_op_at(doc, winner)->replica : place->actor;
}

CRDTI_FN crdt_err crdti_patch_path(crdt_doc *doc, uint32_t object,
                                   crdt_bytes *out)
{
    size_t len = crdti_path_len(doc, object);
    uint8_t *path = (uint8_t *)crdti_arena_alloc(&doc->watch->arena, len);
    if (!path)
        return CRDT_ERR_NOMEM;
    crdti_path_put(doc, object, path);
    *out = crdt_bytes_of(path, len);
    return CRDT_OK;
}

/* Fills the patch but for its path. */
CRDTI_FN void crdti_patch_fill(crdt_doc *doc, const crdti_place *place,
                               crdt_patch *out)
{
    int shape = crdti_type_at(doc, crdti_object_at(doc, place->object))->shape;
    uint32_t author = crdti_place_author(doc, place);
    out->kind = place->has_now ? CRDT_PATCH_PUT : CRDT_PATCH_REMOVE;
    out->object = crdti_obj(doc, place->object);
    out->had_before = place->had_before;
    out->before = place->before;
    out->now = place->now;
    if (shape == CRDTI_BY_STEPS || shape == CRDTI_BY_INDEX) {
        out->kind =
            shape == CRDTI_BY_STEPS ? CRDT_PATCH_TEXT : CRDT_PATCH_LIST;
        out->had_before = 0;
        out->before = out->now = crdt_null();
    }
    if (shape == CRDTI_BY_KEY)
        out->key = place->key;
    if (shape == CRDTI_BY_ELEMENT) {
        out->kind = place->has_now ? CRDT_PATCH_ADD : CRDT_PATCH_DROP;
        *(place->has_now ? &out->now : &out->before) =
            crdti_element_decode(place->key);
    }
    if (author != CRDTI_NOBODY)
        out->author = doc->replicas.ptr[author].id;
    out->is_local = author == doc->self;
}

/* Adds the patch of the place, if there is one to tell. NOMEM. */
CRDTI_FN crdt_err crdti_patch_make(crdt_doc *doc, const crdti_place *place,
                                   crdt_patch *first, size_t *len)
{
    crdti_watch *watch = doc->watch;
    crdt_patch *patch = first + *len, *before = patch - (*len != 0);
    if (!crdti_object_was_shown(doc, place->object))
        return CRDT_OK;
    if (*len && before->object.index == place->object)
        patch->path = before->path;
    else if (crdti_patch_path(doc, place->object, &patch->path))
        return CRDT_ERR_NOMEM;
    crdti_patch_fill(doc, place, patch);
    if (patch->kind >= CRDT_PATCH_TEXT) {
        if (crdti_steps_make(doc, place, &watch->arena, &patch->steps,
                             &patch->steps_len))
            return CRDT_ERR_NOMEM;
        if (!patch->steps_len) {
            crdti_zero(patch, sizeof *patch);
            return CRDT_OK;
        }
    }
    ++*len;
    return CRDT_OK;
}

/* How deep the list is, when the place is one; or -1. */
CRDTI_FN int crdti_place_depth(const crdt_doc *doc, const crdti_place *place)
{
    const crdti_object *object = crdti_object_at(doc, place->object);
    int is_list = crdti_type_at(doc, object)->shape == CRDTI_BY_INDEX;
    return is_list && !place->key.len ? object->depth : -1;
}

/* The patches of lists, the outer ones first. */
CRDTI_FN crdt_err crdti_patches_lists(crdt_doc *doc, crdt_patch *first,
                                      size_t *len)
{
    const crdti_watch *watch = doc->watch;
    int depth, deepest = -1;
    size_t i;
    crdt_err err = CRDT_OK;
    for (i = 0; i < watch->places.len; i++) {
        depth = crdti_place_depth(doc, &watch->places.ptr[i]);
        deepest = depth > deepest ? depth : deepest;
    }
    for (depth = 0; depth <= deepest; depth++)
        for (i = 0; i < watch->places.len && !err; i++)
            if (crdti_place_depth(doc, &watch->places.ptr[i]) == depth)
                err = crdti_patch_make(doc, &watch->places.ptr[i], first, len);
    return err;
}

/* All of them: lists, then the others in the order in which places were
 * touched; in the arena. */
CRDTI_FN crdt_err crdti_patches_make(crdt_doc *doc, crdt_patch **out,
                                     size_t *len)
{
    crdti_watch *watch = doc->watch;
    size_t i, size = watch->places.len * sizeof **out;
    crdt_err err;
    *len = 0;
    *out = (crdt_patch *)crdti_arena_alloc(&watch->arena, size);
    if (!*out)
        return CRDT_ERR_NOMEM;
    crdti_zero(*out, size);
    for (i = 0; i < watch->places.len; i++)
        crdti_place_look(doc, &watch->places.ptr[i]);
    err = crdti_patches_lists(doc, *out, len);
    for (i = 0; i < watch->places.len && !err; i++) {
        const crdti_place *place = &watch->places.ptr[i];
        const crdti_object *object = crdti_object_at(doc, place->object);
        if (place->is_changed &&
            crdti_type_at(doc, object)->shape != CRDTI_BY_INDEX)
            err = crdti_patch_make(doc, place, *out, len);
    }
    return err;
}

/* >>telling --------------------------------------------------------------- */

/* Forgets what is new in texts and lists. Where places are lost, any may be
 * new. */
CRDTI_FN void crdti_watch_clear_news(crdt_doc *doc)
{
    const crdti_watch *watch = doc->watch;
    uint32_t at = watch->is_lost ? doc->sequences : 0;
    size_t i;
    for (; at; at = crdti_sequence_at(doc, at)->next_sequence)
        crdti_news_clear(&doc->alloc, crdti_sequence_at(doc, at));
    for (i = 0; i < watch->places.len; i++) {
        const crdti_object *object =
            crdti_object_at(doc, watch->places.ptr[i].object);
        if (crdti_type_at(doc, object)->shape >= CRDTI_BY_STEPS &&
            object->state)
            crdti_news_clear(&doc->alloc, (crdti_sequence *)object->state);
    }
}

/* Forgets the touched places, and gives back memory that was much. */
CRDTI_FN void crdti_watch_clear(crdt_doc *doc)
{
    enum { MUCH = 1024 };
    crdti_watch *watch = doc->watch;
    const crdt_alloc *alloc = &doc->alloc;
    crdti_watch_clear_news(doc);
    crdti_arena_free(&watch->arena);
    if (watch->places.cap > MUCH)
        crdti_array_free(alloc, &watch->places);
    if (watch->index.cap > MUCH)
        crdti_table_free(alloc, &watch->index);
    crdti_zero(watch->index.slots,
               watch->index.cap * sizeof *watch->index.slots);
    watch->index.len = 0;
    watch->places.len = 0;
    watch->is_lost = 0;
}

/* Tells the watcher, when there is one and there is something to tell. */
CRDTI_FN void crdti_tell(crdt_doc *doc)
{
    crdti_watch *watch = doc->watch;
    crdt_patch lost, *patches = &lost;
    size_t len = 1;
    if (!watch || (!watch->places.len && !watch->is_lost))
        return;
    if (watch->is_lost || crdti_patches_make(doc, &patches, &len)) {
        crdti_zero(&lost, sizeof lost);
        lost.kind = CRDT_PATCH_LOST;
        lost.object = crdt_root(doc);
        patches = &lost;
        len = 1;
    }
    watch->is_telling = 1;
    if (len)
        watch->fn(watch->ctx, doc, patches, len);
    watch->is_telling = 0;
    crdti_watch_clear(doc);
}

/* >>watching -------------------------------------------------------------- */

CRDTI_FN void crdti_watch_end(crdt_doc *doc)
{
    crdti_watch *watch = doc->watch;
    if (!watch)
        return;
    crdti_watch_clear_news(doc);
    crdti_arena_free(&watch->arena);
    crdti_array_free(&doc->alloc, &watch->places);
    crdti_table_free(&doc->alloc, &watch->index);
    crdti_free(&doc->alloc, watch, sizeof *watch);
    doc->watch = NULL;
}

CRDT_API crdt_err crdt_doc_watch(crdt_doc *doc, crdt_patch_fn *fn, void *ctx)
{
    crdti_watch *watch;
    if (!doc)
        return CRDT_ERR_ARG;
    if (crdti_is_telling(doc))
        return CRDT_ERR_AGAIN;
    if (!fn) {
        crdti_watch_end(doc);
        return CRDT_OK;
    }
    if (crdt_doc_uncommitted(doc))
        return CRDT_ERR_UNCOMMITTED;
    crdti_typing_file(doc);
    watch = doc->watch;
    if (!watch) {
        watch = (crdti_watch *)crdti_alloc(&doc->alloc, sizeof *watch);
        if (!watch)
            return CRDT_ERR_NOMEM;
        crdti_zero(watch, sizeof *watch);
        crdti_arena_init(&watch->arena, &doc->alloc);
        doc->watch = watch;
    }
    watch->fn = fn;
    watch->ctx = ctx;
    return CRDT_OK;
}

#endif
/* >> doc.h */
/*
 * Documents: making and ending them, commits, and what they say of themselves.
 *
 * Local changes take dots at once and are seen by local reads; others are told
 * of them only when they are committed:
 *
 *     seq     1 2 3 | 4 5 | 6 7        written 7
 *             commit  commit  open     replicas[self].seq 5 until the commit
 *
 * So every version vector that leaves the document lies on a boundary of
 * commits, and so does every delta.
 */
#ifndef CRDTI_DOC_H
#define CRDTI_DOC_H


/* >>making and ending ----------------------------------------------------- */

CRDTI_FN crdt_err crdti_doc_tables(crdt_doc *doc, const crdt_config *config)
{
    const crdt_clock *clock =
        crdti_clock_or_default(config ? config->clock : NULL);
    const crdt_random *random =
        crdti_random_or_default(config ? config->random : NULL);
    if (!clock || !random)
        return CRDT_ERR_ARG;
    doc->clock = *clock;
    doc->random = *random;
    return doc->random.fill(doc->random.ctx, &doc->seed, sizeof doc->seed);
}

/* A replica id that no one else has, as the next own one. */
CRDTI_FN crdt_err crdti_doc_become(crdt_doc *doc, const crdt_id *given)
{
    crdt_id id;
    crdt_err err = CRDT_OK;
    if (given)
        id = *given;
    else
        err = doc->random.fill(doc->random.ctx, id.b, sizeof id.b);
    if (!err)
        err = crdti_replica_add(doc, &id, &doc->self);
    if (!err)
        doc->written = 0;
    return err;
}

CRDTI_FN crdt_err crdti_doc_root(crdt_doc *doc)
{
    crdti_object *root;
    if (crdti_pool_reserve(&doc->alloc, &doc->objects, 1))
        return CRDT_ERR_NOMEM;
    root = crdti_object_at(doc, crdti_pool_take(&doc->objects));
    root->type = CRDT_MAP;
    root->name = UINT64_C(0x9ae16a3b2f90404f);
    return CRDT_OK;
}

CRDT_API crdt_err crdt_doc_new(crdt_doc **out, const crdt_config *config)
{
    const crdt_alloc *alloc =
        crdti_alloc_or_default(config ? config->alloc : NULL);
    crdt_doc *doc;
    crdt_err err;
    if (!out || !alloc)
        return CRDT_ERR_ARG;
    doc = (crdt_doc *)crdti_alloc(alloc, sizeof *doc);
    if (!doc)
        return CRDT_ERR_NOMEM;
    crdti_zero(doc, sizeof *doc);
    doc->alloc = *alloc;
    doc->changes = 1; /* 0 is for those who have not looked yet */
    doc->types = crdti_type_table();
    crdti_pool_init(&doc->objects, sizeof(crdti_object));
    crdti_pool_init(&doc->entries, sizeof(crdti_entry));
    crdti_pool_init(&doc->ops, sizeof(crdti_op));
    crdti_pool_init(&doc->kills, sizeof(crdti_kill));
    crdti_pool_init(&doc->blocks, sizeof(crdti_block));
    crdti_pool_init(&doc->leaves, sizeof(crdti_leaf));
    crdti_pool_init(&doc->forks, sizeof(crdti_fork));
    crdti_pool_init(&doc->authors, sizeof(crdti_author));
    crdti_arena_init(&doc->scratch, &doc->alloc);
    err = crdti_doc_tables(doc, config);
    if (!err)
        err = crdti_doc_root(doc);
    if (!err)
        err = crdti_doc_become(doc, config ? config->replica : NULL);
    if (err)
        crdt_doc_free(doc);
    else
        *out = doc;
    return err;
}

/* What the ops own: every live op is in the journal of its replica. */
CRDTI_FN void crdti_doc_free_ops(crdt_doc *doc)
{
    size_t i;
    for (i = 0; i < doc->replicas.len; i++) {
        uint32_t at = doc->replicas.ptr[i].oldest;
        for (; at; at = crdti_op_at(doc, at)->newer)
            crdti_op_drop(&doc->alloc, crdti_op_at(doc, at));
    }
}

CRDTI_FN void crdti_doc_free_entries(crdt_doc *doc, crdti_object *object)
{
    uint32_t at;
    for (at = object->entries; at; at = crdti_entry_at(doc, at)->next) {
        crdti_entry *entry = crdti_entry_at(doc, at);
        if (entry->key_len > CRDTI_INLINE_KEY)
            crdti_free(&doc->alloc, entry->key.outside, entry->key_len);
    }
    if (crdti_type_at(doc, object)->drop)
        crdti_type_at(doc, object)->drop(doc, object);
}

CRDT_API void crdt_doc_free(crdt_doc *doc)
{
    crdt_alloc alloc;
    uint32_t i;
    if (!doc)
        return;
    crdti_doc_free_ops(doc);
    for (i = 1; i < doc->objects.used; i++)
        if (crdti_object_at(doc, i)->type)
            crdti_doc_free_entries(doc, crdti_object_at(doc, i));
    crdti_watch_end(doc);
    alloc = doc->alloc;
    crdti_arena_free(&doc->scratch);
    crdti_array_free(&alloc, &doc->replicas);
    crdti_array_free(&alloc, &doc->by_id);
    crdti_pool_free(&alloc, &doc->objects);
    crdti_pool_free(&alloc, &doc->entries);
    crdti_pool_free(&alloc, &doc->ops);
    crdti_pool_free(&alloc, &doc->kills);
    crdti_pool_free(&alloc, &doc->blocks);
    crdti_pool_free(&alloc, &doc->leaves);
    crdti_pool_free(&alloc, &doc->forks);
    crdti_pool_free(&alloc, &doc->authors);
    crdti_table_free(&alloc, &doc->author_table);
    crdti_table_free(&alloc, &doc->moves);
    crdti_table_free(&alloc, &doc->names);
    crdti_table_free(&alloc, &doc->rows);
    crdti_table_free(&alloc, &doc->open_blocks);
    crdti_free(&alloc, doc, sizeof *doc);
}

CRDT_API crdt_err crdt_doc_reincarnate(crdt_doc *doc)
{
    if (crdti_is_telling(doc))
        return CRDT_ERR_AGAIN;
    if (crdt_doc_uncommitted(doc))
        return CRDT_ERR_UNCOMMITTED;
    return crdti_doc_become(doc, NULL);
}

/* >>commits --------------------------------------------------------------- */

CRDT_API crdt_err crdt_commit(crdt_doc *doc)
{
    if (!doc)
        return CRDT_ERR_ARG;
    if (crdti_is_telling(doc))
        return CRDT_ERR_AGAIN;
    if (crdt_doc_uncommitted(doc))
        doc->changes++;
    doc->replicas.ptr[doc->self].seq = doc->written;
    doc->unmetered = 0;
    if (doc->committed)
        doc->committed(doc->committed_ctx);
    crdti_tell(doc);
    return CRDT_OK;
}

CRDT_API int crdt_doc_uncommitted(const crdt_doc *doc)
{
    return doc->written != doc->replicas.ptr[doc->self].seq;
}

/* >>what it says of itself ------------------------------------------------ */

CRDT_API crdt_obj crdt_root(crdt_doc *doc)
{
    return crdti_obj(doc, CRDTI_ROOT);
}

CRDT_API int crdt_is_null(crdt_obj obj)
{
    return !obj.doc || !obj.index;
}

CRDT_API crdt_type crdt_type_of(crdt_obj obj)
{
    if (crdt_is_null(obj))
        return CRDT_NONE;
    return (crdt_type)crdti_object_at(obj.doc, obj.index)->type;
}

CRDT_API crdt_err crdt_doc_error(crdt_doc *doc)
{
    crdt_err err = doc->error;
    doc->error = CRDT_OK;
    return err;
}

CRDT_API crdt_id crdt_doc_replica(const crdt_doc *doc)
{
    return doc->replicas.ptr[doc->self].id;
}

/* What changes in the document here is no state of it: only how far sums that
 * are made when asked for are made. */
CRDT_API crdt_digest crdt_doc_digest(const crdt_doc *doc)
{
    crdt_doc *own = (crdt_doc *)(uintptr_t)doc;
    crdti_sequences_digest(own);
    return doc->digest;
}

/* The vector of `seq` or of `floor`; they are sorted already. */
CRDTI_FN crdt_err crdti_doc_vector(const crdt_doc *doc, int floor,
                                   crdt_vv *out)
{
    size_t i;
    if (!doc || !out)
        return CRDT_ERR_ARG;
    if (doc->by_id.len > out->len &&
        crdti_vv_reserve(out, doc->by_id.len - out->len))
        return CRDT_ERR_NOMEM;
    out->len = 0;
    for (i = 0; i < doc->by_id.len; i++) {
        const crdti_replica *replica = &doc->replicas.ptr[doc->by_id.ptr[i]];
        crdt_dot *entry = &out->entries[out->len];
        uint64_t seq = floor ? replica->floor : replica->seq;
        if (!seq)
            continue;
        entry->replica = replica->id;
        entry->seq = seq;
        out->len++;
    }
    return CRDT_OK;
}

CRDT_API crdt_err crdt_doc_vv(const crdt_doc *doc, crdt_vv *out)
{
    return crdti_doc_vector(doc, 0, out);
}

CRDT_API crdt_err crdt_doc_floor(const crdt_doc *doc, crdt_vv *out)
{
    return crdti_doc_vector(doc, 1, out);
}

CRDT_API void crdt_doc_stats(const crdt_doc *doc, crdt_stats *out)
{
    out->ops = doc->ops.live - doc->removals + doc->rows.len;
    out->removals = doc->removals;
    out->kills = doc->kills.live;
    out->objects = doc->objects.live;
    out->entries = doc->entries.live;
    out->replicas = doc->replicas.len;
    out->held_back_ms = doc->ahead_ms;
}

/* >>values ---------------------------------------------------------------- */

CRDTI_FN crdt_value crdti_value_of(crdt_kind kind)
{
    crdt_value value;
    crdti_zero(&value, sizeof value);
    value.kind = kind;
    return value;
}

CRDT_API crdt_value crdt_null(void)
{
    return crdti_value_of(CRDT_NULL);
}

CRDT_API crdt_value crdt_bool(int truth)
{
    crdt_value value = crdti_value_of(CRDT_BOOL);
    value.as.boolean = truth != 0;
    return value;
}

CRDT_API crdt_value crdt_int(int64_t number)
{
    crdt_value value = crdti_value_of(CRDT_INT);
    value.as.integer = number;
    return value;
}

CRDT_API crdt_value crdt_double(double number)
{
    crdt_value value = crdti_value_of(CRDT_DOUBLE);
    value.as.number = number;
    return value;
}

CRDT_API crdt_value crdt_string(crdt_bytes bytes)
{
    crdt_value value = crdti_value_of(CRDT_STRING);
    value.as.bytes = bytes;
    return value;
}

CRDT_API crdt_value crdt_blob(crdt_bytes bytes)
{
    crdt_value value = crdti_value_of(CRDT_BYTES);
    value.as.bytes = bytes;
    return value;
}

CRDT_API crdt_value crdt_time(int64_t unix_ms)
{
    crdt_value value = crdti_value_of(CRDT_TIME);
    value.as.integer = unix_ms;
    return value;
}

#endif
/* >> audit.h */
/*
 * An audit: the digest of what a document holds, added up anew.
 *
 *     digest    follows what is born and what dies
 *     audit     looks at all that is alive
 *
 * They differ where a value has changed by itself, as by bad memory or an
 * error here. Nothing else would see that before somebody reads it.
 */
#ifndef CRDTI_AUDIT_H
#define CRDTI_AUDIT_H


CRDTI_FN void crdti_audit_rows(const crdt_doc *doc, uint32_t at,
                               crdt_digest *sum)
{
    uint8_t room[CRDTI_ROW_KEY];
    unsigned i;
    for (; at; at = crdti_block_at(doc, at)->newer)
        for (i = 0; i < crdti_block_at(doc, at)->len; i++) {
            uint32_t row = crdti_row_name(at, i);
            if (crdti_row_is_alive(crdti_block_at(doc, at), i))
                crdti_digest_add(
                    sum,
                    crdti_row_digest(doc, row, crdti_row_key(doc, row, room)));
        }
}

CRDTI_FN void crdti_audit_ops(const crdt_doc *doc, uint32_t at,
                              crdt_digest *sum)
{
    for (; at; at = crdti_op_at(doc, at)->newer)
        if (crdti_op_is_alive(crdti_op_at(doc, at)))
            crdti_digest_add(sum, crdti_op_digest(doc, crdti_op_at(doc, at)));
}

/* What is said of it from now on is looked at. */
CRDTI_FN void crdti_audit_sequence(crdt_doc *doc, crdti_sequence *s)
{
    uint32_t leaf;
    for (leaf = s->first; leaf; leaf = crdti_leaf_at(doc, leaf)->next)
        crdti_leaf_at(doc, leaf)->is_hashed = 0;
    s->is_hashed = 0;
    crdti_zero(&s->digest, sizeof s->digest);
}

/* O(document). */
CRDTI_FN crdt_digest crdti_audit(crdt_doc *doc)
{
    crdt_digest sum = { 0, 0 };
    uint32_t at;
    size_t i;
    for (i = 0; i < doc->replicas.len; i++) {
        crdti_audit_ops(doc, doc->replicas.ptr[i].oldest, &sum);
        crdti_audit_rows(doc, doc->replicas.ptr[i].oldest_block, &sum);
    }
    doc->digest = sum;
    for (at = doc->sequences; at;
         at = crdti_sequence_at(doc, at)->next_sequence)
        crdti_audit_sequence(doc, crdti_sequence_at(doc, at));
    crdti_sequences_digest(doc);
    return doc->digest;
}

#endif
/* >> delta.h */
/*
 * Deltas: what turns any replica that has at least v into one that has at
 * least us. Two forms: a `cut` names the ops of a document that a delta is
 * made of; a `crdti_delta` is one that came as bytes and has been looked over.
 *
 *     base   v    a.10  b.3         what the receiver must have
 *     top    V    a.12  b.3  c.7    what it has afterwards
 *     floor  F    a.4               kill records up to here are gone
 *     ops         live ops behind v, and killers behind v
 *     kills       of each killer behind v, what it killed: also dots that the
 *                 receiver never saw, as a third replica may hold those
 *
 * For a v below F kill records may be missing, so the delta is a snapshot:
 * that of the empty v. Its joiner finds what is dead by what is not there.
 */
#ifndef CRDTI_DELTA_H
#define CRDTI_DELTA_H


#define CRDTI_NOT_NAMED UINT32_MAX /* by the delta: a replica's place in it */

/* >>items: live ops in either form ---------------------------------------- */

/* The op of that name; of a row, one made up in `room`. */
CRDTI_INLINE const crdti_op *crdti_item_op(const crdt_doc *doc, uint32_t item,
                                           crdti_op *room)
{
    if (CRDTI_LIKELY(!(item & CRDTI_ROW_BIT)))
        return crdti_op_at(doc, item);
    crdti_row_op(doc, item, room);
    return room;
}

CRDTI_INLINE uint32_t crdti_item_object(const crdt_doc *doc, uint32_t item)
{
    if (item & CRDTI_ROW_BIT)
        return crdti_row_block(doc, item)->object;
    return crdti_entry_at(doc, crdti_op_at(doc, item)->entry)->object;
}

CRDTI_INLINE crdt_bytes crdti_item_key(const crdt_doc *doc, uint32_t item,
                                       uint8_t room[CRDTI_ROW_KEY])
{
    if (item & CRDTI_ROW_BIT)
        return crdti_row_key(doc, item, room);
    return crdti_entry_key(crdti_entry_at(doc, crdti_op_at(doc, item)->entry));
}

/* >>cut ------------------------------------------------------------------- */

typedef struct crdti_cut {
    int is_snapshot;
    int is_canonical;               /* without kills and floor */
    CRDTI_ARRAY(uint32_t) replicas; /* that it tells of, by id */
    CRDTI_ARRAY(uint64_t) base;     /* by place in `replicas` */
    CRDTI_ARRAY(uint32_t) ops;      /* and rows, by replica and seq */
    CRDTI_ARRAY(uint32_t) rows;     /* of one replica: scratch */
    CRDTI_ARRAY(uint32_t) objects;  /* that ops are in; parents first */
    CRDTI_ARRAY(uint32_t)
    authors; /* of edits; by sequence, when made. Of a
                                       canonical one sequences */
} crdti_cut;

CRDTI_FN void crdti_cut_free(crdt_doc *doc, crdti_cut *cut)
{
    size_t i;
    for (i = 0; i < cut->objects.len; i++)
        crdti_object_at(doc, cut->objects.ptr[i])->wire = 0;
    crdti_array_free(&doc->alloc, &cut->replicas);
    crdti_array_free(&doc->alloc, &cut->base);
    crdti_array_free(&doc->alloc, &cut->ops);
    crdti_array_free(&doc->alloc, &cut->rows);
    crdti_array_free(&doc->alloc, &cut->objects);
    crdti_array_free(&doc->alloc, &cut->authors);
}

/* Numbers the replicas and finds the base. Both lists are sorted by id. */
CRDTI_FN crdt_err crdti_cut_replicas(crdt_doc *doc, const crdt_vv *since,
                                     crdti_cut *cut)
{
    size_t i, at = 0;
    if (crdti_array_reserve(&doc->alloc, &cut->replicas, doc->by_id.len) ||
        crdti_array_reserve(&doc->alloc, &cut->base, doc->by_id.len))
        return CRDT_ERR_NOMEM;
    for (i = 0; i < doc->by_id.len; i++) {
        crdti_replica *replica = &doc->replicas.ptr[doc->by_id.ptr[i]];
        uint64_t base = 0;
        if (!replica->seq)
            continue;
        if (since)
            base = crdti_vv_next(since, &at, &replica->id);
        replica->wire = (uint32_t)cut->replicas.len;
        cut->replicas.ptr[cut->replicas.len++] = doc->by_id.ptr[i];
        cut->base.ptr[cut->base.len++] = crdti_min(base, replica->seq);
    }
    return CRDT_OK;
}

/* Below the floor only a snapshot helps. */
CRDTI_FN void crdti_cut_choose(const crdt_doc *doc, crdti_cut *cut)
{
    size_t i;
    int below = 0, any = 0;
    for (i = 0; i < cut->replicas.len; i++) {
        const crdti_replica *replica =
            &doc->replicas.ptr[cut->replicas.ptr[i]];
        below |= replica->floor > cut->base.ptr[i];
        any |= cut->base.ptr[i] != 0;
    }
    cut->is_snapshot = !any || (below && CRDTI_RULE(SNAPSHOT_BELOW_FLOOR));
    if (cut->is_snapshot)
        crdti_zero(cut->base.ptr, cut->base.len * sizeof *cut->base.ptr);
}

/* Names the object and, before it, those above it that have no name yet. The
 * root is 0 on the wire, and so is what has no name. */
CRDTI_FN crdt_err crdti_cut_object(crdt_doc *doc, crdti_cut *cut,
                                   uint32_t object)
{
    uint32_t path[CRDTSYNC_MAX_DEPTH + 1];
    size_t depth = 0;
    while (object != CRDTI_ROOT && !crdti_object_at(doc, object)->wire) {
        path[depth++] = object;
        object =
            crdti_entry_at(doc, crdti_object_at(doc, object)->entry)->object;
    }
    if (crdti_array_reserve(&doc->alloc, &cut->objects, depth))
        return CRDT_ERR_NOMEM;
    while (depth > 0) {
        object = path[--depth];
        cut->objects.ptr[cut->objects.len++] = object;
        crdti_object_at(doc, object)->wire = (uint32_t)cut->objects.len;
    }
    return CRDT_OK;
}

/* Whether who has the base has seen the dot. */
CRDTI_FN int crdti_cut_covers(const crdt_doc *doc, const crdti_cut *cut,
                              uint32_t replica, uint64_t seq)
{
    uint32_t place = doc->replicas.ptr[replica].wire;
    return place == CRDTI_NOT_NAMED || seq <= cut->base.ptr[place];
}

/* How far the record tells: all of it, though the receiver never saw some of
 * the dead; or 0, when the receiver has been told. */
CRDTI_FN uint64_t crdti_cut_last(const crdt_doc *doc, const crdti_cut *cut,
                                 const crdti_kill *kill)
{
    if (crdti_cut_covers(doc, cut, kill->said_replica, kill->said_seq))
        return 0;
    if (CRDTI_RULE(KILLS_TRAVEL))
        return kill->last;
    return crdti_min(kill->last,
                     cut->base.ptr[doc->replicas.ptr[kill->replica].wire]);
}

/* How many kill records go with the op. */
CRDTI_FN uint32_t crdti_cut_kills(const crdt_doc *doc, const crdti_cut *cut,
                                  uint32_t index)
{
    const crdti_op *op;
    uint32_t at, count = 0;
    if (index & CRDTI_ROW_BIT)
        return 0;
    op = crdti_op_at(doc, index);
    if (cut->is_canonical || !op->kills)
        return 0;
    for (at = crdti_entry_at(doc, op->entry)->kills; at;
         at = crdti_kill_at(doc, at)->next)
        count += crdti_kill_at(doc, at)->killer == index &&
                 crdti_cut_last(doc, cut, crdti_kill_at(doc, at)) > 0;
    return count;
}

CRDTI_FN int crdti_row_order(const void *ctx, uint32_t a, uint32_t b)
{
    const crdt_doc *doc = (const crdt_doc *)ctx;
    uint64_t x = crdti_row_seq(doc, a), y = crdti_row_seq(doc, b);
    return (x > y) - (x < y);
}

/* Collects the replica's rows behind the base, by seq: of one set they lie so,
 * and of several they are sorted. */
CRDTI_FN crdt_err crdti_cut_rows(crdt_doc *doc, crdti_cut *cut, size_t place)
{
    uint64_t base = cut->base.ptr[place];
    uint32_t at = crdti_block_after(doc, cut->replicas.ptr[place], base);
    unsigned i;
    cut->rows.len = 0;
    for (; at; at = crdti_block_at(doc, at)->newer) {
        const crdti_block *block = crdti_block_at(doc, at);
        if (crdti_array_reserve(&doc->alloc, &cut->rows, CRDTI_BLOCK_ROWS))
            return CRDT_ERR_NOMEM;
        for (i = 0; i < CRDTI_BLOCK_ROWS; i++)
            if (crdti_row_is_alive(block, i) &&
                block->base + block->steps[i] > base)
                cut->rows.ptr[cut->rows.len++] = crdti_row_name(at, i);
    }
    crdti_sort(crdti_row_order, doc, cut->rows.ptr, cut->rows.len);
    return CRDT_OK;
}

CRDTI_FN crdt_err crdti_cut_item(crdt_doc *doc, crdti_cut *cut, uint32_t item)
{
    crdt_err err = crdti_array_reserve(&doc->alloc, &cut->ops, 1);
    if (!err)
        err = crdti_cut_object(doc, cut, crdti_item_object(doc, item));
    if (!err)
        cut->ops.ptr[cut->ops.len++] = item;
    return err;
}

/* Merges rows and ops of one replica. */
CRDTI_FN crdt_err crdti_cut_ops(crdt_doc *doc, crdti_cut *cut, size_t place)
{
    uint32_t at = crdti_journal_after(doc, cut->replicas.ptr[place],
                                      cut->base.ptr[place]);
    size_t row = 0;
    crdt_err err = crdti_cut_rows(doc, cut, place);
    while (!err && (at || row < cut->rows.len)) {
        const crdti_op *op = at ? crdti_op_at(doc, at) : NULL;
        if (!op || (row < cut->rows.len &&
                    crdti_row_seq(doc, cut->rows.ptr[row]) < op->seq)) {
            err = crdti_cut_item(doc, cut, cut->rows.ptr[row++]);
            continue;
        }
        if (crdti_op_is_alive(op) || crdti_cut_kills(doc, cut, at))
            err = crdti_cut_item(doc, cut, at);
        at = op->newer;
    }
    return err;
}

/* Collects the authors with edits behind the base. */
CRDTI_FN crdt_err crdti_cut_authors(crdt_doc *doc, crdti_cut *cut,
                                    size_t place)
{
    uint32_t at = doc->replicas.ptr[cut->replicas.ptr[place]].newest_author;
    crdt_err err = CRDT_OK;
    while (at && !err &&
           crdti_author_at(doc, at)->last > cut->base.ptr[place]) {
        err = crdti_array_reserve(&doc->alloc, &cut->authors, 1);
        if (!err)
            err = crdti_cut_object(doc, cut, crdti_author_at(doc, at)->object);
        if (!err)
            cut->authors.ptr[cut->authors.len++] = at;
        at = crdti_author_at(doc, at)->older;
    }
    return err;
}

CRDTI_FN int crdti_path_order(const void *ctx, uint32_t a, uint32_t b)
{
    const crdt_doc *doc = (const crdt_doc *)ctx;
    uint64_t x = crdti_object_at(doc, a)->name;
    uint64_t y = crdti_object_at(doc, b)->name;
    return (x > y) - (x < y);
}

/* Collects the sequences that show something, in an order that is the same
 * everywhere. */
CRDTI_FN crdt_err crdti_cut_sequences(crdt_doc *doc, crdti_cut *cut)
{
    uint32_t at = doc->sequences;
    crdt_err err = CRDT_OK;
    size_t i;
    for (; at; at = crdti_sequence_at(doc, at)->next_sequence) {
        if (!crdti_sequence_at(doc, at)->total.chars)
            continue;
        if (crdti_array_reserve(&doc->alloc, &cut->authors, 1))
            return CRDT_ERR_NOMEM;
        cut->authors.ptr[cut->authors.len++] = at;
    }
    crdti_sort(crdti_path_order, doc, cut->authors.ptr, cut->authors.len);
    for (i = 0; i < cut->authors.len && !err; i++)
        err = crdti_cut_object(doc, cut, cut->authors.ptr[i]);
    return err;
}

/* Sequences in the order in which they are named; authors by id. */
CRDTI_FN int crdti_author_order(const void *ctx, uint32_t a, uint32_t b)
{
    const crdt_doc *doc = (const crdt_doc *)ctx;
    const crdti_author *x = crdti_author_at(doc, a);
    const crdti_author *y = crdti_author_at(doc, b);
    uint32_t first = crdti_object_at(doc, x->object)->wire;
    uint32_t second = crdti_object_at(doc, y->object)->wire;
    if (first != second)
        return first < second ? -1 : 1;
    first = doc->replicas.ptr[x->replica].wire;
    second = doc->replicas.ptr[y->replica].wire;
    return (first > second) - (first < second);
}

CRDTI_FN void crdti_cut_mark_name(crdt_doc *doc, const crdti_sequence *s,
                                  uint32_t name)
{
    if (name == CRDTI_NO_CHAR)
        return;
    name = crdti_author_at(doc, crdti_name_author(&s->extents, name))->replica;
    doc->replicas.ptr[name].mark = 1;
}

/* Marks the replicas that the author's edits behind the base name. */
CRDTI_FN void crdti_cut_mark_author(crdt_doc *doc, const crdti_cut *cut,
                                    uint32_t index)
{
    const crdti_author *author = crdti_author_at(doc, index);
    const crdti_sequence *s =
        (const crdti_sequence *)crdti_object_at(doc, author->object)->state;
    uint64_t first =
        cut->base.ptr[doc->replicas.ptr[author->replica].wire] + 1;
    size_t i = crdti_insertion_place(author, first);
    for (; i < author->insertions.len; i++) {
        crdti_cut_mark_name(doc, s, author->insertions.ptr[i].left);
        crdti_cut_mark_name(doc, s, author->insertions.ptr[i].right);
    }
    i = crdti_deletion_place(author, first);
    for (; i < author->deletions.len; i++)
        crdti_cut_mark_name(doc, s, author->deletions.ptr[i].name);
}

/* Marks the replicas that the op's kills and voids name. */
CRDTI_FN void crdti_cut_mark(crdt_doc *doc, const crdti_cut *cut,
                             uint32_t index)
{
    const crdti_op *op;
    uint32_t i, at;
    if (index & CRDTI_ROW_BIT)
        return;
    op = crdti_op_at(doc, index);
    at = op->kills ? crdti_entry_at(doc, op->entry)->kills : 0;
    for (; at; at = crdti_kill_at(doc, at)->next)
        if (crdti_kill_at(doc, at)->killer == index &&
            crdti_cut_last(doc, cut, crdti_kill_at(doc, at)))
            doc->replicas.ptr[crdti_kill_at(doc, at)->replica].mark = 1;
    for (i = 0; op->kind == CRDTI_RESET && i < op->len; i++)
        doc->replicas.ptr[op->as.voids[i].replica].mark = 1;
}

/* Leaves out the replicas that the delta has nothing to say of. What its joiner
 * has for `certain` (NULL: all of the base) need not be told it. */
CRDTI_FN void crdti_cut_narrow(crdt_doc *doc, crdti_cut *cut,
                               const crdt_vv *certain)
{
    size_t i, at = 0, to = 0;
    for (i = 0; i < cut->ops.len; i++)
        crdti_cut_mark(doc, cut, cut->ops.ptr[i]);
    for (i = 0; i < cut->authors.len; i++)
        crdti_cut_mark_author(doc, cut, cut->authors.ptr[i]);
    for (i = 0; i < cut->replicas.len; i++) {
        crdti_replica *replica = &doc->replicas.ptr[cut->replicas.ptr[i]];
        uint64_t base = cut->base.ptr[i];
        int named =
            replica->mark || replica->seq > base ||
            (certain && base > crdti_vv_next(certain, &at, &replica->id));
        replica->mark = 0;
        replica->wire = CRDTI_NOT_NAMED;
        if (!named)
            continue;
        replica->wire = (uint32_t)to;
        cut->replicas.ptr[to] = cut->replicas.ptr[i];
        cut->base.ptr[to++] = cut->base.ptr[i];
    }
    cut->replicas.len = cut->base.len = to;
}

/* What a delta is for. */
enum {
    CRDTI_FOR_ALL = 0,       /* says all that its joiner must have */
    CRDTI_FOR_FOLLOWER = 1,  /* joined only by who has `certain`, so it need
                                not name what has not changed */
    CRDTI_FOR_COMPARISON = 2 /* canonical */
};

/* Collects Delta(since); crdti_cut_free also when it fails. */
CRDTI_FN crdt_err crdti_cut_make(crdt_doc *doc, const crdt_vv *since,
                                 int purpose, const crdt_vv *certain,
                                 crdti_cut *cut)
{
    size_t i;
    crdt_err err;
    crdti_typing_file(doc);
    crdti_zero(cut, sizeof *cut);
    cut->is_canonical = purpose == CRDTI_FOR_COMPARISON;
    if (crdt_doc_uncommitted(doc))
        return CRDT_ERR_UNCOMMITTED;
    err = crdti_cut_replicas(doc, since, cut);
    if (err)
        return err;
    crdti_cut_choose(doc, cut);
    for (i = 0; i < cut->replicas.len && !err; i++)
        err = crdti_cut_ops(doc, cut, i);
    if (!err && cut->is_canonical)
        return crdti_cut_sequences(doc, cut);
    for (i = 0; i < cut->replicas.len && !err; i++)
        err = crdti_cut_authors(doc, cut, i);
    if (!err)
        crdti_sort(crdti_author_order, doc, cut->authors.ptr,
                   cut->authors.len);
    if (!err && purpose == CRDTI_FOR_FOLLOWER && !cut->is_snapshot)
        crdti_cut_narrow(doc, cut, certain);
    return err;
}

/* >>delta ----------------------------------------------------------------- */

typedef struct crdti_delta_kill {
    uint32_t replica;
    uint64_t last;
} crdti_delta_kill;

/* Replica and object numbers are those of the message, until a join maps
 * them. Bytes are borrowed from the message, voids and kills are the arena's:
 * a copy of them is made for what is new. */
typedef struct crdti_delta_op {
    crdti_op op;
    crdt_bytes key;
    crdti_delta_kill *kills;
    uint32_t kills_len;
    uint32_t object;
    uint64_t hash; /* of place and key in the document, when warming */
} crdti_delta_op;

typedef struct crdti_delta_replica {
    crdt_id id;
    uint64_t base, top, floor;
    uint32_t number; /* in the document; a mark while it is read */
} crdti_delta_replica;

typedef struct crdti_delta_object {
    uint32_t parent;
    uint8_t type, depth;
    crdt_bytes key;
    uint32_t number; /* in the document */
} crdti_delta_object;

/* An insertion, or a deletion, of a sequence. Characters are numbered as the
 * delta inserts them; one that it does not insert is CRDTI_OUTSIDE and its
 * place among those. */
enum {
    CRDTI_INSERTION_EDIT = 0,
    CRDTI_FORWARDS_EDIT = 1, /* deletes `name` and on, */
    CRDTI_BACKWARDS_EDIT = 2 /* or `name` and back */
};
#define CRDTI_OUTSIDE 0x80000000u

typedef struct crdti_edit {
    uint64_t seq;
    uint32_t replica, len;
    uint32_t name;        /* of the first character */
    uint32_t left, right; /* of an insertion */
    uint32_t here;        /* of the first new character, in the document */
    uint8_t kind;
} crdti_edit;

typedef struct crdti_outside {
    uint32_t replica;
    uint32_t name; /* in the document */
    uint64_t seq;
} crdti_outside;

/* What one replica adds to one sequence. */
typedef struct crdti_graft_need {
    size_t insertions, deletions, chars, bytes, victims;
    uint32_t author;
} crdti_graft_need;

typedef struct crdti_delta_sequence {
    uint32_t object;
    uint32_t chars;  /* that are inserted */
    uint32_t alive;  /* how many of them */
    int is_laid_out; /* insertions in the order of the text; no deletions */
    int is_planted;  /* by this join */
    int is_list;     /* all are inserted hidden: their elements show them */
    size_t edits_len, inserts_len, outside_len, outside_cap;
    crdti_edit *edits;
    uint32_t *inserts;   /* places of insertions in `edits` */
    crdti_starts starts; /* of those, where characters begin */
    crdti_outside *outside;
    uint64_t *dead;     /* a bit for each character */
    crdt_bytes content; /* of those that are alive */
} crdti_delta_sequence;

CRDTI_INLINE int crdti_is_outside(uint32_t name)
{
    return name & CRDTI_OUTSIDE && name != CRDTI_NO_CHAR;
}

/* What a joiner gets by a delta. */
typedef struct crdti_gain {
    uint64_t dots, news; /* that it tells of; that the joiner had not */
    crdt_dot missing;    /* what it builds on and the joiner lacks; seq 0 */
} crdti_gain;

typedef struct crdti_delta {
    crdti_gain gain; /* as join.h finds it */
    int is_snapshot, has_sequences;
    uint64_t last_stamp;
    size_t replicas_len, objects_len, ops_len;
    size_t kills_len; /* of all ops */
    size_t sequences_len;
    uint32_t chars; /* inserted in all of them */
    crdti_delta_sequence *sequences;
    crdti_delta_replica *replicas; /* by id */
    crdti_delta_object *objects;   /* [0] is the root */
    crdti_delta_op *ops;           /* by replica and seq */
} crdti_delta;

#endif
/* >> edit.h */
/*
 * The changes of sequences as bytes: a section of a delta for each sequence
 * that has some. An *edit* is one insertion or deletion of one author. Edits
 * come in an order in which each stands behind those that inserted what it
 * names; characters inserted by them are numbered from 0 in that order.
 *
 *     edit   byte   lower 3 bits what, upper 5 bits length - 1; 31: see behind
 *       0 INSERT        behind the cursor
 *       1 INSERT_NEAR   behind the cursor + zigzag
 *       2 INSERT_AGAIN  behind the last target + zigzag
 *       3 BACK          delete the character at the cursor, and backwards
 *       4 DELETE_NEAR   delete from the cursor + zigzag on
 *       5 DELETE_AGAIN  delete from the last target + zigzag on
 *       6 BACK_NEAR     delete from the cursor + zigzag, and backwards
 *       7 more          by the upper bits, before an edit:
 *           0 AUTHOR    the following are of another, or seqs are left out
 *           1 RIGHT     the right origin of the next is not the expected
 *           2 OUTSIDE   the target of the next is none of this delta
 *
 * The cursor is the last character inserted, or that before what was deleted.
 * So a keystroke that follows on the one before is one byte and its character,
 * and a jump two or three more.
 *
 * The right origin that is expected is what one author alone would see: the
 * latest insertion behind the same character, else what follows that in its
 * own insertion, else the right origin of that. (A sequential history holds
 * no other.)
 */
#ifndef CRDTI_EDIT_H
#define CRDTI_EDIT_H


/* Where one in so many of the names that there are is told, or more, what is
 * alive is found for all of them at once. */
#define CRDTI_SHOWN_SHARE 16

enum {
    CRDTI_EDIT_INSERT = 0,
    CRDTI_EDIT_INSERT_NEAR = 1,
    CRDTI_EDIT_INSERT_AGAIN = 2,
    CRDTI_EDIT_BACK = 3,
    CRDTI_EDIT_DELETE_NEAR = 4,
    CRDTI_EDIT_DELETE_AGAIN = 5,
    CRDTI_EDIT_BACK_NEAR = 6,
    CRDTI_EDIT_MORE = 7,
    CRDTI_MORE_AUTHOR = 0,
    CRDTI_MORE_RIGHT = 1,
    CRDTI_MORE_OUTSIDE = 2,
    CRDTI_EDIT_LONG = 31
};

/* >>reading: what all parts of a delta share ------------------------------ */

/* An array of the arena; a failed reader gets none. */
CRDTI_FN void *crdti_get_array(crdti_reader *r, crdti_arena *arena,
                               size_t count, size_t size)
{
    void *array;
    if (r->err)
        return NULL;
    array = crdti_arena_alloc(arena, crdti_mul_size(count + 1, size));
    if (!array)
        crdti_reader_fail(r, CRDT_ERR_NOMEM);
    else
        crdti_zero(array, count * size);
    return array;
}

/* A seq, or the sum of one and what is read. */
CRDTI_FN uint64_t crdti_get_seq(crdti_reader *r, uint64_t from)
{
    const uint8_t *at = r->ptr;
    uint64_t more = crdti_get_varint(r);
    if (more > CRDTSYNC_MAX_SEQ - from)
        crdti_reader_fail_at(r, at, CRDT_ERR_LIMIT);
    return r->err ? 0 : from + more;
}

/* The number of something told before, of which there are `count`. */
CRDTI_FN uint32_t crdti_get_index(crdti_reader *r, size_t count)
{
    const uint8_t *at = r->ptr;
    uint64_t index = crdti_get_varint(r);
    if (index >= count)
        crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
    return r->err ? 0 : (uint32_t)index;
}

/* >>who names whom -------------------------------------------------------- */

/* The insertion of the delta that a character came with. */
CRDTI_INLINE const crdti_edit *crdti_edit_of(const crdti_delta_sequence *d,
                                             uint32_t name)
{
    return &d->edits[d->inserts[crdti_starts_find(&d->starts, name)]];
}

/* The same, of one that may be none of the delta: NULL. */
CRDTI_INLINE const crdti_edit *crdti_edit_at(const crdti_delta_sequence *d,
                                             uint32_t name)
{
    return name < d->chars ? crdti_edit_of(d, name) : NULL;
}

/* The latest insertion behind each character of the message, to foretell right
 * origins: a hash table of a size that never changes. Who sends the message
 * chooses the keys, and knows no seed: that is where the table lies. */
typedef struct crdti_child {
    uint32_t key;  /* the character + 2; 0: free */
    uint32_t name; /* the first of the insertion */
} crdti_child;

typedef struct crdti_children {
    crdti_child *slots;
    uint64_t seed;
    uint32_t mask;
} crdti_children;

CRDTI_FN crdt_err crdti_children_init(crdti_children *children,
                                      crdti_arena *arena, size_t edits)
{
    size_t cap = 8;
    while (cap <= edits)
        cap *= 2;
    children->mask = (uint32_t)(cap - 1);
    children->slots =
        (crdti_child *)crdti_arena_alloc(arena, cap * sizeof *children->slots);
    if (!children->slots)
        return CRDT_ERR_NOMEM;
    children->seed =
        crdti_mix((uintptr_t)children->slots ^ CRDTI_HASH_1, CRDTI_HASH_2);
    crdti_zero(children->slots, cap * sizeof *children->slots);
    return CRDT_OK;
}

/* Its slot, taken or free. */
CRDTI_INLINE crdti_child *crdti_child_of(const crdti_children *children,
                                         uint32_t left)
{
    uint32_t at =
        (uint32_t)crdti_mix(left ^ children->seed, children->seed | 1);
    while (children->slots[at &= children->mask].key &&
           children->slots[at].key != left + 2)
        at++;
    return &children->slots[at];
}

CRDTI_INLINE void crdti_child_set(crdti_child *child, uint32_t left,
                                  uint32_t name)
{
    child->key = left + 2;
    child->name = name;
}

/* The right origin to expect of an insertion behind `left`, which came with
 * `insert`; NULL: it is the beginning. */
CRDTI_INLINE uint32_t crdti_right_expected(const crdti_child *latest,
                                           const crdti_edit *insert,
                                           uint32_t left)
{
    if (latest->key)
        return latest->name;
    if (!insert)
        return CRDTI_NO_CHAR;
    return left + 1 < insert->name + insert->len ? left + 1 : insert->right;
}

/* The cursor behind a deletion: before the lowest character that it took, which
 * came with `insert`; NULL: it is outside. */
CRDTI_INLINE uint32_t crdti_cursor_before(const crdti_edit *insert,
                                          uint32_t name)
{
    if (insert && name > insert->name)
        return name - 1;
    return !insert || crdti_is_outside(insert->left) ? CRDTI_NO_CHAR
                                                     : insert->left;
}

/* >>how an edit tells its target ------------------------------------------ */

CRDTI_INLINE uint64_t crdti_edit_distance(uint32_t from, uint32_t to)
{
    int64_t by = (int64_t)(int32_t)to - (int32_t)from;
    return (uint64_t)(by < 0 ? -by : by);
}

/* The one way for an edit of that kind: nothing else is written or read. */
CRDTI_FN unsigned crdti_edit_choice(uint32_t cursor, uint32_t target,
                                    uint32_t told, uint8_t kind, uint32_t len)
{
    int inserts = kind == CRDTI_INSERTION_EDIT;
    int back = kind == CRDTI_BACKWARDS_EDIT;
    if (!crdti_is_outside(told) && told == cursor) {
        if (inserts)
            return CRDTI_EDIT_INSERT;
        if (back || len == 1)
            return CRDTI_EDIT_BACK;
    }
    if (back)
        return CRDTI_EDIT_BACK_NEAR;
    if (!crdti_is_outside(told) &&
        crdti_edit_distance(target, told) < crdti_edit_distance(cursor, told))
        return inserts ? CRDTI_EDIT_INSERT_AGAIN : CRDTI_EDIT_DELETE_AGAIN;
    return inserts ? CRDTI_EDIT_INSERT_NEAR : CRDTI_EDIT_DELETE_NEAR;
}

/* >>what is dead ---------------------------------------------------------- */

/* Marks the names of a sequence that are not shown; all bits are 0. */
CRDTI_FN void crdti_names_dead(const crdt_doc *doc, const crdti_sequence *s,
                               uint64_t *dead)
{
    uint32_t i, words = s->names_used / 64, rest = s->names_used % 64;
    crdti_names_shown(doc, s, dead);
    for (i = 0; i < words; i++)
        dead[i] = ~dead[i];
    if (rest)
        dead[words] ^= ((uint64_t)1 << rest) - 1;
}

/* >>decoding -------------------------------------------------------------- */

/* What is known while edits are read. */
typedef struct crdti_edit_reader {
    crdti_reader *r;
    const crdti_delta *delta;
    crdti_delta_sequence *d;
    crdti_children children;
    uint64_t *next; /* seq, by replica */
    uint32_t replica;
    uint32_t cursor, target;
    uint32_t right;   /* told for the next insertion, when has_right */
    uint32_t outside; /* target told for the next edit, when has_outside */
    int has_author, has_right, has_outside;
    unsigned more; /* what may still be told before the edit */
} crdti_edit_reader;

/* A dot that is not in the delta, as a reference. */
CRDTI_FN uint32_t crdti_get_outside(crdti_edit_reader *e, uint32_t replica)
{
    crdti_delta_sequence *d = e->d;
    const uint8_t *at = e->r->ptr;
    uint64_t back = crdti_get_varint(e->r);
    if (e->r->err)
        return 0;
    if (replica >= e->delta->replicas_len ||
        back >= e->delta->replicas[replica].base ||
        d->outside_len == d->outside_cap) {
        crdti_reader_fail_at(e->r, at, CRDT_ERR_CORRUPT);
        return 0;
    }
    d->outside[d->outside_len].replica = replica;
    d->outside[d->outside_len].seq = e->delta->replicas[replica].base - back;
    return CRDTI_OUTSIDE | (uint32_t)d->outside_len++;
}

CRDTI_FN void crdti_get_right(crdti_edit_reader *e)
{
    const uint8_t *at = e->r->ptr;
    uint64_t what = crdti_get_varint(e->r);
    e->has_right = 1;
    if (!what)
        e->right = CRDTI_NO_CHAR;
    else if (what & 1 && what / 2 < e->d->chars)
        e->right = (uint32_t)(what / 2);
    else if (!(what & 1) && what / 2 - 1 < e->delta->replicas_len)
        e->right = crdti_get_outside(e, (uint32_t)(what / 2 - 1));
    else
        crdti_reader_fail_at(e->r, at, CRDT_ERR_CORRUPT);
}

CRDTI_FN void crdti_get_more(crdti_edit_reader *e, unsigned what)
{
    const uint8_t *at = e->r->ptr;
    uint64_t replica;
    int64_t gap;
    if (what < e->more) { /* in this order, each once */
        crdti_reader_fail_at(e->r, at - 1, CRDT_ERR_CORRUPT);
        return;
    }
    e->more = what + 1;
    if (what == CRDTI_MORE_RIGHT) {
        crdti_get_right(e);
    } else if (what == CRDTI_MORE_OUTSIDE) {
        replica = crdti_get_varint(e->r);
        e->outside =
            crdti_get_outside(e, (uint32_t)crdti_min(replica, CRDTI_OUTSIDE));
        e->has_outside = 1;
    } else if (what == CRDTI_MORE_AUTHOR) {
        replica = crdti_get_varint(e->r);
        gap = crdti_get_zigzag(e->r);
        if (replica >= e->delta->replicas_len ||
            (e->has_author && replica == e->replica && !gap) ||
            gap > (int64_t)CRDTSYNC_MAX_SEQ ||
            gap < (e->d->is_laid_out ? -(int64_t)CRDTSYNC_MAX_SEQ : 0) ||
            (int64_t)e->next[replica] + gap <= 0 ||
            (uint64_t)((int64_t)e->next[replica] + gap) >
                e->delta->replicas[replica].top) {
            crdti_reader_fail_at(e->r, at, CRDT_ERR_CORRUPT);
            return;
        }
        e->has_author = 1;
        e->replica = (uint32_t)replica;
        e->next[replica] += (uint64_t)gap;
    } else {
        crdti_reader_fail_at(e->r, at - 1, CRDT_ERR_VERSION);
    }
}

/* A character of the message, or NO_CHAR where that may be. */
CRDTI_FN uint32_t crdti_get_near(crdti_edit_reader *e, uint32_t from)
{
    const uint8_t *at = e->r->ptr;
    int64_t by = crdti_get_zigzag(e->r);
    int64_t to = (int64_t)(int32_t)from + by;
    if (by < -(int64_t)CRDTI_NAMES_MAX || by > (int64_t)CRDTI_NAMES_MAX ||
        to < -1 || to >= (int64_t)e->d->chars) {
        crdti_reader_fail_at(e->r, at, CRDT_ERR_CORRUPT);
        return 0;
    }
    return (uint32_t)(int32_t)to;
}

/* The target of an edit whose kind and length are known. */
CRDTI_FN uint32_t crdti_get_target(crdti_edit_reader *e, unsigned what,
                                   const crdti_edit *edit)
{
    const uint8_t *at = e->r->ptr;
    uint32_t told = e->cursor, last = e->target;
    int again =
        what == CRDTI_EDIT_INSERT_AGAIN || what == CRDTI_EDIT_DELETE_AGAIN;
    if (e->has_outside)
        told = e->outside;
    else if (what != CRDTI_EDIT_INSERT && what != CRDTI_EDIT_BACK)
        told = e->target = crdti_get_near(e, again ? e->target : e->cursor);
    if (what !=
        crdti_edit_choice(e->cursor, last, told, edit->kind, edit->len))
        crdti_reader_fail_at(e->r, at - 1, CRDT_ERR_CORRUPT);
    e->has_outside = 0;
    return told;
}

/* Whether all that a deletion names is there, all of it outside or all of it
 * of the one insertion: so it is cheap, however many say the same. */
CRDTI_FN int crdti_edit_has_victims(const crdti_delta *delta,
                                    const crdti_delta_sequence *d,
                                    const crdti_edit *edit,
                                    const crdti_edit *insert)
{
    uint64_t first = edit->name, room;
    if (edit->name == CRDTI_NO_CHAR)
        return 0;
    if (!insert) {
        const crdti_outside *outside =
            &d->outside[edit->name & ~CRDTI_OUTSIDE];
        first = outside->seq - 1;
        room = delta->replicas[outside->replica].base - first;
    } else {
        first -= insert->name;
        room = insert->len - first;
    }
    return edit->len <=
           (edit->kind == CRDTI_BACKWARDS_EDIT ? first + 1 : room);
}

/* Whether both are one character, of the delta or outside. */
CRDTI_FN int crdti_is_same_told(const crdti_delta_sequence *d, uint32_t a,
                                uint32_t b)
{
    const crdti_outside *x, *y;
    if (!crdti_is_outside(a) || !crdti_is_outside(b))
        return a == b;
    x = &d->outside[a & ~CRDTI_OUTSIDE];
    y = &d->outside[b & ~CRDTI_OUTSIDE];
    return x->replica == y->replica && x->seq == y->seq;
}

CRDTI_FN void crdti_get_insert(crdti_edit_reader *e, unsigned what,
                               crdti_edit *edit, uint32_t place)
{
    crdti_delta_sequence *d = e->d;
    crdti_child *latest = NULL;
    uint32_t expected = CRDTI_OUTSIDE;
    edit->kind = CRDTI_INSERTION_EDIT;
    edit->left = crdti_get_target(e, what, edit);
    if (edit->len > CRDTI_NAMES_MAX - d->chars - e->delta->chars) {
        crdti_reader_fail(e->r, CRDT_ERR_LIMIT);
        return;
    }
    if (!crdti_is_outside(edit->left)) {
        latest = crdti_child_of(&e->children, edit->left);
        expected = crdti_right_expected(latest, crdti_edit_at(d, edit->left),
                                        edit->left);
    }
    edit->right = e->has_right ? e->right : expected;
    /* It is told where it must be, and only there: one form. */
    if (crdti_is_outside(edit->left)
            ? !e->has_right
            : e->has_right && crdti_is_same_told(d, e->right, expected))
        crdti_reader_fail(e->r, CRDT_ERR_CORRUPT);
    e->has_right = 0;
    edit->name = d->chars;
    crdti_starts_add(&d->starts, d->chars);
    d->chars += edit->len;
    d->inserts[d->inserts_len++] = place;
    if (latest)
        crdti_child_set(latest, edit->left, edit->name);
    e->cursor = d->chars - 1;
}

CRDTI_FN void crdti_get_delete(crdti_edit_reader *e, unsigned what,
                               crdti_edit *edit)
{
    crdti_delta_sequence *d = e->d;
    int back = what == CRDTI_EDIT_BACK || what == CRDTI_EDIT_BACK_NEAR;
    const crdti_edit *insert;
    edit->kind = back ? CRDTI_BACKWARDS_EDIT : CRDTI_FORWARDS_EDIT;
    edit->name = crdti_get_target(e, what, edit);
    if (e->r->err)
        return;
    insert = crdti_edit_at(d, edit->name);
    if (e->has_right || !crdti_edit_has_victims(e->delta, d, edit, insert)) {
        crdti_reader_fail(e->r, CRDT_ERR_CORRUPT);
        return;
    }
    e->cursor = crdti_cursor_before(insert, back ? edit->name - (edit->len - 1)
                                                 : edit->name);
}

CRDTI_FN void crdti_get_edit(crdti_edit_reader *e, crdti_edit *edit,
                             uint32_t place)
{
    const uint8_t *at = e->r->ptr;
    uint8_t head = crdti_get_u8(e->r);
    uint64_t len, top;
    unsigned what;
    e->more = 0;
    while ((head & 7) == CRDTI_EDIT_MORE && !e->r->err) {
        crdti_get_more(e, head >> 3);
        head = crdti_get_u8(e->r);
    }
    what = head & 7;
    len = (head >> 3) + UINT64_C(1);
    if (len > CRDTI_EDIT_LONG)
        len += crdti_get_varint(e->r);
    if (e->r->err)
        return;
    top = e->delta->replicas[e->replica].top;
    if (!e->has_author || e->next[e->replica] > top ||
        len > top - e->next[e->replica] + 1 || len > CRDTI_NAMES_MAX) {
        crdti_reader_fail_at(e->r, at, CRDT_ERR_CORRUPT);
        return;
    }
    edit->seq = e->next[e->replica];
    edit->replica = e->replica;
    edit->len = (uint32_t)len;
    e->next[e->replica] += len;
    if (e->d->is_laid_out &&
        (what != CRDTI_EDIT_INSERT || e->has_outside || e->has_right)) {
        crdti_reader_fail_at(e->r, at, CRDT_ERR_CORRUPT);
        return;
    }
    if (what > CRDTI_EDIT_INSERT_AGAIN && e->d->is_list) {
        crdti_reader_fail_at(e->r, at, CRDT_ERR_CORRUPT);
        return;
    }
    if (what <= CRDTI_EDIT_INSERT_AGAIN)
        crdti_get_insert(e, what, edit, place);
    else
        crdti_get_delete(e, what, edit);
}

/* Whether nothing has said yet that one of them is dead. */
CRDTI_FN int crdti_are_alive(const crdti_delta_sequence *d, uint32_t from,
                             uint32_t len)
{
    return !(d->dead[from / 64] >> from % 64 & 1) &&
           crdti_bits_run(d->dead, from, len) == len;
}

/* Those that are dead without an edit that says so. */
CRDTI_FN void crdti_get_dead(crdti_reader *r, crdti_delta_sequence *d)
{
    size_t i, len = crdti_get_count(r, d->chars, 2);
    uint64_t from = 0;
    for (i = 0; i < len && !r->err; i++) {
        const uint8_t *at = r->ptr;
        uint64_t gap = crdti_get_varint(r), count = crdti_get_varint(r);
        if (r->err)
            return;
        if (gap > d->chars - from || !count || count > d->chars - from - gap ||
            (i && !gap) ||
            !crdti_are_alive(d, (uint32_t)(from + gap), (uint32_t)count)) {
            crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
            return;
        }
        crdti_bits_set(d->dead, (uint32_t)(from + gap), (uint32_t)count);
        from += gap + count;
    }
}

/* How many characters are not dead: as many must be in the content. */
CRDTI_FN uint32_t crdti_count_alive(const crdti_delta_sequence *d)
{
    uint32_t at = 0, alive = 0, run;
    for (; at < d->chars; at += run) {
        run = crdti_bits_run(d->dead, at, d->chars - at);
        if (!(d->dead[at / 64] >> at % 64 & 1))
            alive += run;
    }
    return alive;
}

CRDTI_FN void crdti_get_content_of(crdti_reader *r, crdti_arena *arena,
                                   crdti_delta_sequence *d)
{
    const uint8_t *at;
    crdti_width width;
    size_t i;
    d->dead = (uint64_t *)crdti_get_array(r, arena, d->chars / 64 + 1,
                                          sizeof *d->dead);
    if (r->err)
        return;
    for (i = 0; i < d->edits_len; i++) {
        const crdti_edit *edit = &d->edits[i];
        if (edit->kind == CRDTI_FORWARDS_EDIT && !(edit->name & CRDTI_OUTSIDE))
            crdti_bits_set(d->dead, edit->name, edit->len);
        else if (edit->kind == CRDTI_BACKWARDS_EDIT &&
                 !(edit->name & CRDTI_OUTSIDE))
            crdti_bits_set(d->dead, edit->name - (edit->len - 1), edit->len);
    }
    crdti_get_dead(r, d);
    at = r->ptr;
    d->content = crdti_get_bytes(r, UINT32_MAX);
    if (r->err)
        return;
    if (d->is_list) {
        if (d->content.len || crdti_count_alive(d) != d->chars)
            crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
        crdti_bits_set(d->dead, 0, d->chars);
        return;
    }
    d->alive = crdti_count_alive(d);
    if (!crdti_utf8_measure(d->content, &width) || width.chars != d->alive)
        crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
}

/* The origins of what is laid out, as if it had been written one after the
 * other, of two the one with the lesser seq first: behind and before the next
 * ones, to either side, that were there already. So the order is the same
 * again, whoever joins it, and nothing builds on what comes later. */
CRDTI_FN int crdti_layout_is_earlier(const crdti_edit *a, const crdti_edit *b)
{
    return a->seq != b->seq ? a->seq < b->seq : a->replica < b->replica;
}

CRDTI_FN void crdti_layout_origins(crdti_reader *r, crdti_arena *arena,
                                   crdti_delta_sequence *d)
{
    /* Insertions so far that are not behind a later one with an earlier seq. */
    uint32_t *stack =
        (uint32_t *)crdti_get_array(r, arena, d->edits_len, sizeof *stack);
    size_t i, len = 0;
    for (i = 0; i < d->edits_len && !r->err; i++) {
        crdti_edit *edit = &d->edits[i];
        edit->right = CRDTI_NO_CHAR;
        while (len && crdti_layout_is_earlier(edit, &d->edits[stack[len - 1]]))
            d->edits[stack[--len]].right = edit->name;
        edit->left = CRDTI_NO_CHAR;
        if (len)
            edit->left = d->edits[stack[len - 1]].name +
                         d->edits[stack[len - 1]].len - 1;
        stack[len++] = (uint32_t)i;
    }
}

/* One section. */
CRDTI_FN void crdti_get_sequence(crdti_reader *r, crdti_arena *arena,
                                 const crdti_delta *delta, uint64_t *next,
                                 crdti_delta_sequence *d)
{
    crdti_edit_reader e;
    const uint8_t *at = r->ptr;
    size_t i;
    crdti_zero(&e, sizeof e);
    e.r = r;
    e.delta = delta;
    e.d = d;
    e.cursor = e.target = CRDTI_NO_CHAR;
    e.next = next;
    d->object = crdti_get_index(r, delta->objects_len);
    if (r->err)
        return;
    d->is_list = delta->objects[d->object].type == CRDT_LIST;
    if (!d->is_list && delta->objects[d->object].type != CRDT_TEXT)
        crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
    d->is_laid_out = crdti_get_u8(r);
    if (d->is_laid_out > 1)
        crdti_reader_fail_at(r, at, CRDT_ERR_VERSION);
    d->edits_len = crdti_get_count(r, UINT32_MAX / 2, 1);
    if (!r->err && !d->edits_len)
        crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
    d->outside_cap = crdti_get_count(r, CRDTI_OUTSIDE - 2, 2);
    d->edits = (crdti_edit *)crdti_get_array(r, arena, d->edits_len,
                                             sizeof *d->edits);
    d->inserts =
        (uint32_t *)crdti_get_array(r, arena, d->edits_len, sizeof(uint32_t));
    d->outside = (crdti_outside *)crdti_get_array(r, arena, d->outside_cap,
                                                  sizeof *d->outside);
    if (!r->err && (crdti_starts_init(&d->starts, arena, d->edits_len) ||
                    crdti_children_init(&e.children, arena, d->edits_len)))
        crdti_reader_fail(r, CRDT_ERR_NOMEM);
    for (i = 0; i < delta->replicas_len && !r->err; i++)
        next[i] = delta->replicas[i].base + 1;
    for (i = 0; i < d->edits_len && !r->err; i++)
        crdti_get_edit(&e, &d->edits[i], (uint32_t)i);
    if (!r->err && d->is_laid_out)
        crdti_layout_origins(r, arena, d);
    if (!r->err && d->outside_len != d->outside_cap)
        crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
    if (!r->err)
        crdti_get_content_of(r, arena, d);
}

CRDTI_FN void crdti_get_sequences(crdti_reader *r, crdti_arena *arena,
                                  crdti_delta *d)
{
    const uint8_t *at = r->ptr;
    size_t i, len = crdti_get_count(r, UINT32_MAX, 6);
    uint64_t *next;
    if (!r->err && !len)
        crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
    d->sequences = (crdti_delta_sequence *)crdti_get_array(
        r, arena, len, sizeof *d->sequences);
    next =
        (uint64_t *)crdti_get_array(r, arena, d->replicas_len, sizeof *next);
    for (i = 0; i < len && !r->err; i++) {
        at = r->ptr;
        crdti_get_sequence(r, arena, d, next, &d->sequences[i]);
        if (i && !d->sequences[i].is_laid_out && /* those are by path */
            d->sequences[i].object <= d->sequences[i - 1].object)
            crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
        d->chars += d->sequences[i].chars;
    }
    d->sequences_len = len;
}

/* >>encoding -------------------------------------------------------------- */

/* One author's part of a message. */
typedef struct crdti_party {
    uint32_t author, wire;
    uint32_t insertion, deletion; /* the next that are not written yet */
    uint32_t first_insertion;
    uint64_t base;       /* seq: what is left out */
    uint64_t told;       /* seq that follows in the message */
    crdti_edit *inserts; /* by insertion; name NO_CHAR: not written yet */
    crdti_starts starts; /* where they begin, in the document */
    uint64_t limit;      /* how far it is to be written now */
    uint32_t waiting;    /* party that waits for it, + 1 */
} crdti_party;

typedef struct crdti_edit_writer {
    crdti_writer w; /* edits */
    crdt_buf edits, content;
    crdti_writer content_w;
    crdt_doc *doc;
    const crdti_cut *cut;
    crdti_sequence *s;
    crdti_party *parties;
    size_t parties_len;
    crdti_delta_sequence d; /* what a reader will know */
    crdti_children children;
    uint64_t *shown; /* by name, when much is to be told; or NULL */
    uint32_t cursor, target;
    uint32_t last; /* party + 1 */
} crdti_edit_writer;

CRDTI_FN crdti_party *crdti_party_of(const crdti_edit_writer *e, uint32_t name)
{
    uint32_t author = crdti_name_author(&e->s->extents, name);
    uint32_t party = crdti_author_at(e->doc, author)->party;
    return party ? &e->parties[party - 1] : NULL;
}

/* The insertion of the message that the character comes with; or NULL. */
CRDTI_FN const crdti_edit *crdti_insert_of(const crdti_edit_writer *e,
                                           uint32_t name)
{
    const crdti_party *party =
        name == CRDTI_NO_CHAR ? NULL : crdti_party_of(e, name);
    const crdti_edit *edit;
    if (!party || !party->starts.len)
        return NULL;
    edit = &party->inserts[crdti_starts_find(&party->starts, name)];
    return name - edit->here < edit->len ? edit : NULL;
}

/* The number in the message; OUTSIDE and the name, when it is not in it. */
CRDTI_INLINE uint32_t crdti_name_told(const crdti_edit *insert, uint32_t name)
{
    if (name == CRDTI_NO_CHAR)
        return name;
    return insert ? insert->name + (name - insert->here)
                  : CRDTI_OUTSIDE | name;
}

/* Whose edits must come first, and up to which seq; 0: nobody's. */
CRDTI_FN uint64_t crdti_name_awaited(const crdti_edit_writer *e, uint32_t name,
                                     crdti_party **party)
{
    const crdti_edit *insert = crdti_insert_of(e, name);
    if (!insert || insert->name != CRDTI_NO_CHAR)
        return 0;
    *party = crdti_party_of(e, name);
    return insert->seq + (name - insert->here);
}

CRDTI_FN void crdti_put_head(crdti_edit_writer *e, unsigned what, uint32_t len)
{
    uint32_t field = (uint32_t)crdti_min(len - 1, CRDTI_EDIT_LONG);
    crdti_put_u8(&e->w, (uint8_t)(what | field << 3));
    if (field == CRDTI_EDIT_LONG)
        crdti_put_varint(&e->w, len - 1 - CRDTI_EDIT_LONG);
}

CRDTI_FN void crdti_put_more(crdti_edit_writer *e, unsigned what)
{
    crdti_put_u8(&e->w, (uint8_t)(CRDTI_EDIT_MORE | what << 3));
}

/* Of a character that is not in the message: how far behind its author's base.
 * Replicas that have nothing new are named in the message too. */
CRDTI_FN void crdti_put_outside(crdti_edit_writer *e, uint32_t name,
                                uint64_t step, uint64_t plus)
{
    crdti_position dot = crdti_name_position(e->doc, e->s, name);
    uint32_t wire = e->doc->replicas.ptr[dot.replica].wire;
    crdti_put_varint(&e->w, wire * step + plus);
    crdti_put_varint(&e->w, e->cut->base.ptr[wire] - dot.seq);
    e->d.outside_len++;
}

/* Who writes the next, where that is not clear. */
CRDTI_FN void crdti_put_author(crdti_edit_writer *e, crdti_party *party,
                               uint64_t seq, uint32_t len)
{
    uint32_t number = (uint32_t)(party - e->parties) + 1;
    if (e->last != number || party->told != seq) {
        crdti_put_more(e, CRDTI_MORE_AUTHOR);
        crdti_put_varint(&e->w, party->wire);
        crdti_put_zigzag(&e->w, (int64_t)(seq - party->told));
    }
    e->last = number;
    party->told = seq + len;
}

/* Head and target of an edit. */
CRDTI_FN void crdti_put_target(crdti_edit_writer *e, uint32_t name,
                               uint32_t told, uint8_t kind, uint32_t len)
{
    unsigned what = crdti_edit_choice(e->cursor, e->target, told, kind, len);
    int again =
        what == CRDTI_EDIT_INSERT_AGAIN || what == CRDTI_EDIT_DELETE_AGAIN;
    if (crdti_is_outside(told)) {
        crdti_put_more(e, CRDTI_MORE_OUTSIDE);
        crdti_put_outside(e, name, 1, 0);
    }
    crdti_put_head(e, what, len);
    if (crdti_is_outside(told) || what == CRDTI_EDIT_INSERT ||
        what == CRDTI_EDIT_BACK)
        return;
    crdti_put_zigzag(&e->w, (int64_t)(int32_t)told -
                                (int32_t)(again ? e->target : e->cursor));
    e->target = told;
}

/* How many characters from `name` on, `most` at most, are alike: alive or
 * not. */
CRDTI_FN uint32_t crdti_alive_run(const crdti_edit_writer *e, uint32_t name,
                                  uint32_t most, int *are_alive)
{
    crdti_spot spot;
    const crdti_leaf *leaf;
    if (e->shown) {
        *are_alive = crdti_bit_is_set(e->shown, name);
        return crdti_bits_run(e->shown, name, most);
    }
    spot = crdti_spot_of(e->doc, e->s, name);
    leaf = crdti_leaf_at(e->doc, spot.leaf);
    *are_alive = !(leaf->lens[spot.at] & CRDTI_HIDDEN);
    return (uint32_t)crdti_min(crdti_span_len(leaf, spot.at) - spot.off, most);
}

/* The bytes of what is alive of the insertion, and that the rest is not. */
CRDTI_FN void crdti_put_alive(crdti_edit_writer *e, const crdti_author *author,
                              const crdti_insertion *at,
                              const crdti_edit *edit)
{
    uint32_t done = 0, len;
    int are_alive;
    for (; done < edit->len; done += len) {
        uint32_t name = edit->here + done;
        len = crdti_alive_run(e, name, edit->len - done, &are_alive);
        if (are_alive)
            crdti_put_raw(&e->content_w,
                          crdti_content_bytes(author, at, name, len));
        else
            crdti_bits_set(e->d.dead, edit->name + done, len);
    }
}

CRDTI_FN void crdti_put_right(crdti_edit_writer *e, uint32_t name,
                              uint32_t told)
{
    crdti_put_more(e, CRDTI_MORE_RIGHT);
    if (told == CRDTI_NO_CHAR)
        crdti_put_varint(&e->w, 0);
    else if (crdti_is_outside(told))
        crdti_put_outside(e, name, 2, 2);
    else
        crdti_put_varint(&e->w, told * UINT64_C(2) + 1);
}

CRDTI_FN void crdti_put_insertion(crdti_edit_writer *e, crdti_party *party)
{
    const crdti_author *author = crdti_author_at(e->doc, party->author);
    const crdti_insertion *at = &author->insertions.ptr[party->insertion];
    crdti_edit *edit =
        &party->inserts[party->insertion++ - party->first_insertion];
    uint32_t left = edit->here > at->name ? edit->here - 1 : at->left;
    const crdti_edit *behind = crdti_insert_of(e, left);
    crdti_child *latest = NULL;
    uint32_t expected = CRDTI_OUTSIDE;
    edit->left = crdti_name_told(behind, left);
    edit->right = crdti_name_told(crdti_insert_of(e, at->right), at->right);
    crdti_put_author(e, party, edit->seq, edit->len);
    if (!crdti_is_outside(edit->left)) {
        latest = crdti_child_of(&e->children, edit->left);
        expected = crdti_right_expected(latest, behind, edit->left);
    }
    if (edit->right != expected || !latest)
        crdti_put_right(e, at->right, edit->right);
    crdti_put_target(e, left, edit->left, CRDTI_INSERTION_EDIT, edit->len);
    edit->name = e->d.chars;
    if (latest)
        crdti_child_set(latest, edit->left, edit->name);
    if (!e->d.is_list)
        crdti_put_alive(e, author, at, edit);
    e->d.chars += edit->len;
    e->d.edits_len++;
    e->cursor = e->d.chars - 1;
}

/* How many characters, that one included, lie to that side of one that is not
 * in the message, in its insertion and not in the message either. */
CRDTI_FN uint32_t crdti_outside_room(const crdti_edit_writer *e, uint32_t name,
                                     int back)
{
    const crdti_party *party = crdti_party_of(e, name);
    const crdti_insertion *at = crdti_insertion_of(
        crdti_author_at(e->doc, crdti_name_author(&e->s->extents, name)),
        name);
    uint32_t len = at->len;
    if (party)
        len = (uint32_t)crdti_min(len, party->base - at->seq + 1);
    return back ? name - at->name + 1 : at->name + len - name;
}

/* One edit: of a deletion as far as it takes characters of one insertion, and
 * all in the message or none. */
CRDTI_FN uint32_t crdti_put_deletion_of(crdti_edit_writer *e,
                                        crdti_party *party, uint64_t seq,
                                        uint32_t name, uint32_t len, int back)
{
    const crdti_edit *insert = crdti_insert_of(e, name);
    uint32_t told = crdti_name_told(insert, name), room;
    uint8_t kind = back ? CRDTI_BACKWARDS_EDIT : CRDTI_FORWARDS_EDIT;
    if (!insert)
        room = crdti_outside_room(e, name, back);
    else
        room =
            back ? told - insert->name + 1 : insert->name + insert->len - told;
    len = len < room ? len : room;
    crdti_put_author(e, party, seq, len);
    crdti_put_target(e, name, told, kind, len);
    e->d.edits_len++;
    told -= back ? len - 1 : 0;
    if (insert)
        crdti_bits_clear(e->d.dead, told, len);
    e->cursor = crdti_cursor_before(insert, told);
    return len;
}

CRDTI_FN void crdti_put_deletion(crdti_edit_writer *e, crdti_party *party)
{
    const crdti_deletion *at =
        crdti_author_at(e->doc, party->author)->deletions.ptr +
        party->deletion++;
    uint32_t skip =
        party->base < at->seq ? 0 : (uint32_t)(party->base - at->seq + 1);
    uint32_t len = crdti_deletion_len(at);
    int back = (at->len & CRDTI_BACKWARDS) != 0;
    while (skip < len && !e->w.err)
        skip += crdti_put_deletion_of(e, party, at->seq + skip,
                                      back ? at->name - skip : at->name + skip,
                                      len - skip, back);
}

/* >>the order of edits ---------------------------------------------------- */

/* Whether the party's next edit is an insertion; its seq, or 0: no more. */
CRDTI_FN uint64_t crdti_party_next(const crdti_edit_writer *e,
                                   const crdti_party *party, int *inserts)
{
    const crdti_author *author = crdti_author_at(e->doc, party->author);
    uint64_t insertion = UINT64_MAX, deletion = UINT64_MAX;
    if (party->insertion < author->insertions.len)
        insertion = author->insertions.ptr[party->insertion].seq;
    if (party->deletion < author->deletions.len)
        deletion = author->deletions.ptr[party->deletion].seq;
    *inserts = insertion < deletion;
    return *inserts ? insertion : deletion == UINT64_MAX ? 0 : deletion;
}

/* The party that must go on before that can, and how far. */
CRDTI_FN uint64_t crdti_party_awaits(const crdti_edit_writer *e,
                                     const crdti_party *party, int inserts,
                                     crdti_party **other)
{
    const crdti_author *author = crdti_author_at(e->doc, party->author);
    const crdti_insertion *insertion;
    uint64_t seq;
    if (!inserts) {
        const crdti_deletion *deletion =
            &author->deletions.ptr[party->deletion];
        uint32_t more = deletion->len & CRDTI_BACKWARDS
                            ? 0
                            : crdti_deletion_len(deletion) - 1;
        return crdti_name_awaited(e, deletion->name + more, other);
    }
    insertion = &author->insertions.ptr[party->insertion];
    seq = crdti_name_awaited(e, insertion->left, other);
    return seq ? seq : crdti_name_awaited(e, insertion->right, other);
}

/* Writes the party's edits, and first those of others that they build on. Of
 * what builds on each other in a circle there is nothing: it was seen. */
CRDTI_FN void crdti_put_party(crdti_edit_writer *e, crdti_party *party)
{
    party->limit = UINT64_MAX;
    party->waiting = 0;
    while (party && !e->w.err) {
        int inserts;
        uint64_t seq = crdti_party_next(e, party, &inserts), awaited = 0;
        crdti_party *other = NULL;
        if (!seq || seq > party->limit) {
            party = party->waiting ? &e->parties[party->waiting - 1] : NULL;
            continue;
        }
        if (e->parties_len > 1)
            awaited = crdti_party_awaits(e, party, inserts, &other);
        if (awaited && other != party) {
            other->limit = awaited;
            other->waiting = (uint32_t)(party - e->parties) + 1;
            party = other;
            continue;
        }
        if (inserts)
            crdti_put_insertion(e, party);
        else
            crdti_put_deletion(e, party);
    }
}

CRDTI_FN void crdti_put_dead(crdti_writer *w, const crdti_delta_sequence *d)
{
    uint32_t pass, at, run, count = 0, from = 0;
    for (pass = 0; pass < 2; pass++) {
        for (at = 0; at < d->chars; at += run) {
            run = crdti_bits_run(d->dead, at, d->chars - at);
            if (!(d->dead[at / 64] >> at % 64 & 1))
                continue;
            if (pass == 0) {
                count++;
                continue;
            }
            crdti_put_varint(w, at - from);
            crdti_put_varint(w, run);
            from = at + run;
        }
        if (pass == 0)
            crdti_put_varint(w, count);
    }
}

/* What the party inserts; nothing of it is written yet. */
CRDTI_FN crdt_err crdti_party_inserts(crdti_edit_writer *e, crdti_arena *arena,
                                      crdti_party *party, size_t *chars)
{
    const crdti_author *author = crdti_author_at(e->doc, party->author);
    size_t first = party->first_insertion, i;
    size_t len = author->insertions.len - first;
    if (!len)
        return CRDT_OK;
    party->inserts =
        (crdti_edit *)crdti_arena_alloc(arena, len * sizeof(crdti_edit));
    if (!party->inserts || crdti_starts_init(&party->starts, arena, len))
        return CRDT_ERR_NOMEM;
    for (i = 0; i < len; i++) {
        const crdti_insertion *at = &author->insertions.ptr[first + i];
        crdti_edit *edit = &party->inserts[i];
        uint32_t skip =
            party->base < at->seq ? 0 : (uint32_t)(party->base - at->seq + 1);
        edit->seq = at->seq + skip;
        edit->len = at->len - skip;
        edit->here = at->name + skip;
        edit->name = CRDTI_NO_CHAR;
        crdti_starts_add(&party->starts, edit->here);
        *chars += edit->len;
    }
    return CRDT_OK;
}

/* The parties of one sequence, from a list of authors. */
CRDTI_FN crdt_err crdti_parties_make(crdti_edit_writer *e, crdti_arena *arena,
                                     const crdti_cut *cut,
                                     const uint32_t *authors, size_t len,
                                     size_t *chars)
{
    size_t i, insertions = 0;
    e->parties =
        (crdti_party *)crdti_arena_alloc(arena, len * sizeof *e->parties);
    if (!e->parties)
        return CRDT_ERR_NOMEM;
    crdti_zero(e->parties, len * sizeof *e->parties);
    e->parties_len = len;
    for (i = 0; i < len; i++) {
        crdti_party *party = &e->parties[i];
        crdti_author *author = crdti_author_at(e->doc, authors[i]);
        party->author = authors[i];
        party->wire = e->doc->replicas.ptr[author->replica].wire;
        party->base = cut->base.ptr[party->wire];
        party->told = party->base + 1;
        party->insertion = party->first_insertion =
            (uint32_t)crdti_insertion_place(author, party->base + 1);
        party->deletion =
            (uint32_t)crdti_deletion_place(author, party->base + 1);
        author->party = (uint32_t)i + 1;
        if (crdti_party_inserts(e, arena, party, chars))
            return CRDT_ERR_NOMEM;
        insertions += party->starts.len;
    }
    return crdti_children_init(&e->children, arena, insertions);
}

/* Makes known what is alive. Where much is told, that is found in the order
 * of the text, once for all. */
CRDTI_FN crdt_err crdti_alive_make(crdti_edit_writer *e, crdti_arena *arena,
                                   size_t chars)
{
    size_t shown = ((size_t)e->s->names_used / 64 + 1) * sizeof(uint64_t);
    size_t dead = (chars / 64 + 1) * sizeof(uint64_t);
    e->d.dead = (uint64_t *)crdti_arena_alloc(arena, dead);
    if (!e->d.dead)
        return CRDT_ERR_NOMEM;
    crdti_zero(e->d.dead, dead);
    if (e->d.is_list)
        return CRDT_OK;
    if (chars < e->s->names_used / CRDTI_SHOWN_SHARE) {
        crdti_homes_make(e->doc, e->s);
        return CRDT_OK;
    }
    e->shown = (uint64_t *)crdti_arena_alloc(arena, shown);
    if (!e->shown)
        return CRDT_ERR_NOMEM;
    crdti_zero(e->shown, shown);
    crdti_names_shown(e->doc, e->s, e->shown);
    return CRDT_OK;
}

/* Appends the section of one sequence; `authors` are those with news. */
CRDTI_FN void crdti_put_sequence(crdti_writer *w, crdt_doc *doc,
                                 const crdti_cut *cut, uint32_t object,
                                 const uint32_t *authors, size_t len)
{
    crdti_edit_writer e;
    crdti_arena arena;
    size_t i, chars = 0;
    crdti_zero(&e, sizeof e);
    crdti_arena_init(&arena, &doc->alloc);
    e.doc = doc;
    e.cut = cut;
    e.s = crdti_sequence_at(doc, object);
    e.d.is_list = crdti_object_at(doc, object)->type == CRDT_LIST;
    e.edits.alloc = e.content.alloc = &doc->alloc;
    crdti_writer_init(&e.w, &e.edits);
    crdti_writer_init(&e.content_w, &e.content);
    e.cursor = e.target = CRDTI_NO_CHAR;
    e.w.err = crdti_parties_make(&e, &arena, cut, authors, len, &chars);
    if (!e.w.err)
        e.w.err = crdti_alive_make(&e, &arena, chars);
    for (i = 0; i < len && !e.w.err; i++)
        crdti_put_party(&e, &e.parties[i]);
    if (!w->err)
        w->err = e.w.err ? e.w.err : e.content_w.err;
    crdti_put_varint(w, crdti_object_at(doc, object)->wire);
    crdti_put_u8(w, 0);
    crdti_put_varint(w, e.d.edits_len);
    crdti_put_varint(w, e.d.outside_len);
    crdti_put_raw(w, crdt_buf_bytes(&e.edits));
    if (!w->err)
        crdti_put_dead(w, &e.d);
    crdti_put_bytes(w, crdt_buf_bytes(&e.content));
    for (i = 0; i < len; i++)
        crdti_author_at(doc, authors[i])->party = 0;
    crdt_buf_free(&e.edits);
    crdt_buf_free(&e.content);
    crdti_arena_free(&arena);
}

/* >>layouts: what is visible, in the order of the text -------------------- */

typedef struct crdti_layout {
    crdti_edit_writer e;
    uint64_t *next; /* seq that follows, by replica of the message */
    uint32_t wire;
    uint64_t seq;
    uint32_t len;
    uint32_t author; /* of what was put last, + 1 */
} crdti_layout;

/* Puts what has been gathered: characters of one author, whose seqs follow on
 * each other as they do in the text. */
CRDTI_FN void crdti_layout_end(crdti_layout *l)
{
    if (!l->len)
        return;
    if (l->author != l->wire + 1 || l->next[l->wire] != l->seq) {
        crdti_put_more(&l->e, CRDTI_MORE_AUTHOR);
        crdti_put_varint(&l->e.w, l->wire);
        crdti_put_zigzag(&l->e.w, (int64_t)(l->seq - l->next[l->wire]));
    }
    crdti_put_head(&l->e, CRDTI_EDIT_INSERT, l->len);
    l->e.d.edits_len++;
    l->author = l->wire + 1;
    l->next[l->wire] = l->seq + l->len;
    l->len = 0;
}

/* Takes up what is behind the spot, as far as it is of one insertion. How many
 * characters. */
CRDTI_FN uint32_t crdti_layout_span(crdti_layout *l, const crdti_spot *spot)
{
    crdt_doc *doc = l->e.doc;
    const crdti_leaf *leaf = crdti_leaf_at(doc, spot->leaf);
    uint32_t name = leaf->names[spot->at] + spot->off;
    uint32_t len = crdti_span_len(leaf, spot->at) - spot->off;
    const crdti_author *author =
        crdti_author_at(doc, crdti_name_author(&l->e.s->extents, name));
    const crdti_insertion *at = crdti_insertion_of(author, name);
    uint32_t wire = doc->replicas.ptr[author->replica].wire;
    uint64_t seq = at->seq + (name - at->name);
    len = (uint32_t)crdti_min(len, at->name + at->len - name);
    if (leaf->lens[spot->at] & CRDTI_HIDDEN)
        len = 1;
    if (l->len && (l->wire != wire || l->seq + l->len != seq))
        crdti_layout_end(l);
    if (!l->len)
        l->seq = seq;
    l->wire = wire;
    l->len += len;
    if (!l->e.d.is_list)
        crdti_put_raw(
            &l->e.content_w,
            crdti_span_bytes(doc, l->e.s, leaf, spot->at, spot->off, len));
    return len;
}

/* Moves the spot to before what is laid out next: what is visible, and in a
 * list also what may yet become so. 0: there is none. */
CRDTI_FN int crdti_layout_next(const crdti_layout *l, crdti_spot *spot)
{
    const crdt_doc *doc = l->e.doc;
    const crdti_sequence *s = l->e.s;
    if (!l->e.d.is_list)
        return crdti_spot_next_shown(doc, spot);
    for (; crdti_spot_next(doc, spot); spot->off++) {
        const crdti_leaf *leaf = crdti_leaf_at(doc, spot->leaf);
        uint32_t name = leaf->names[spot->at] + spot->off;
        if (!(leaf->lens[spot->at] & CRDTI_HIDDEN) ||
            crdti_position_lives(doc, s->object,
                                 crdti_name_position(doc, s, name)))
            return 1;
    }
    return 0;
}

CRDTI_FN void crdti_put_layout(crdti_writer *w, crdt_doc *doc, uint32_t object,
                               uint64_t *next, size_t replicas)
{
    crdti_layout l;
    crdti_spot spot = { 0, 0, 0 };
    size_t i;
    crdti_zero(&l, sizeof l);
    l.e.doc = doc;
    l.e.s = crdti_sequence_at(doc, object);
    l.e.edits.alloc = l.e.content.alloc = &doc->alloc;
    crdti_writer_init(&l.e.w, &l.e.edits);
    crdti_writer_init(&l.e.content_w, &l.e.content);
    l.next = next;
    for (i = 0; i < replicas; i++)
        next[i] = 1;
    spot.leaf = l.e.s->first;
    l.e.d.is_list = crdti_object_at(doc, object)->type == CRDT_LIST;
    while (crdti_layout_next(&l, &spot))
        spot.off += crdti_layout_span(&l, &spot);
    crdti_layout_end(&l);
    if (!w->err)
        w->err = l.e.w.err ? l.e.w.err : l.e.content_w.err;
    crdti_put_varint(w, crdti_object_at(doc, object)->wire);
    crdti_put_u8(w, 1);
    crdti_put_varint(w, l.e.d.edits_len);
    crdti_put_varint(w, 0); /* nothing outside */
    crdti_put_raw(w, crdt_buf_bytes(&l.e.edits));
    crdti_put_varint(w, 0); /* nothing dead */
    crdti_put_bytes(w, crdt_buf_bytes(&l.e.content));
    crdt_buf_free(&l.e.edits);
    crdt_buf_free(&l.e.content);
}

CRDTI_FN void crdti_put_layouts(crdti_writer *w, crdt_doc *doc,
                                const crdti_cut *cut)
{
    size_t size = cut->replicas.len * sizeof(uint64_t), i;
    uint64_t *next = (uint64_t *)crdti_alloc(&doc->alloc, size + 1);
    if (!next) {
        w->err = CRDT_ERR_NOMEM;
        return;
    }
    crdti_put_varint(w, cut->authors.len);
    for (i = 0; i < cut->authors.len; i++)
        crdti_put_layout(w, doc, cut->authors.ptr[i], next, cut->replicas.len);
    crdti_free(&doc->alloc, next, size + 1);
}

CRDTI_FN void crdti_put_sequences(crdti_writer *w, crdt_doc *doc,
                                  const crdti_cut *cut)
{
    const uint32_t *authors = cut->authors.ptr;
    size_t i, end, count = 0;
    for (i = 0; i < cut->authors.len; i++)
        count += i == 0 || crdti_author_at(doc, authors[i])->object !=
                               crdti_author_at(doc, authors[i - 1])->object;
    crdti_put_varint(w, count);
    for (i = 0; i < cut->authors.len; i = end) {
        uint32_t object = crdti_author_at(doc, authors[i])->object;
        for (end = i; end < cut->authors.len &&
                      crdti_author_at(doc, authors[end])->object == object;
             end++)
            continue;
        crdti_put_sequence(w, doc, cut, object, authors + i, end - i);
    }
}

#endif
/* >> truncate.h */
/*
 * Truncation: what is forgotten when every member has it.
 *
 *     removals    the kill records of killers below the floor
 *     deletions   of texts and lists, the same: who deleted a character; that
 *                 it is dead is known by its span
 *     content     of what is deleted, whoever has seen that
 *
 * Deleted characters themselves stay, with their names and origins: another
 * may insert beside them until all members have truncated; then they may be
 * swept (sweep.h).
 */
#ifndef CRDTI_TRUNCATE_H
#define CRDTI_TRUNCATE_H


/* Bytes of content worth the two insertions more that leave them out. */
#define CRDTI_SHED_MIN 64u

/* >>deletions ------------------------------------------------------------- */

CRDTI_FN void crdti_deletions_truncate(crdt_doc *doc, crdti_author *author)
{
    uint64_t floor = doc->replicas.ptr[author->replica].floor;
    size_t first = crdti_deletion_place(author, floor + 1);
    if (!first)
        return;
    author->deletions.len -= first;
    crdti_move(author->deletions.ptr, author->deletions.ptr + first,
               author->deletions.len * sizeof *author->deletions.ptr);
    if (!author->deletions.len)
        crdti_array_free(&doc->alloc, &author->deletions);
}

/* >>content --------------------------------------------------------------- */

/* An author's insertions and content as they are to be; without memory for
 * them they are only counted. */
typedef struct crdti_shed {
    uint32_t author;
    const crdti_author *from; /* the same */
    const uint64_t *dead;     /* by name */
    crdti_insertion *insertions;
    uint8_t *content;
    size_t len, bytes;
    crdti_insertion last; /* not put yet, unless it is empty */
} crdti_shed;

CRDTI_FN void crdti_shed_flush(crdti_shed *shed)
{
    if (!shed->last.len)
        return;
    if (shed->insertions)
        shed->insertions[shed->len] = shed->last;
    shed->len++;
    shed->last.len = 0;
}

/* `len` characters of an insertion, from name `at` on, with their bytes or
 * without. */
CRDTI_FN void crdti_shed_put(crdti_shed *shed, const crdti_insertion *of,
                             uint32_t at, uint32_t len, int keeps)
{
    crdti_insertion *last = &shed->last;
    uint32_t left = at == of->name ? of->left : at - 1;
    crdti_width width = { 0, 0, 0 };
    size_t bytes = 0;
    if (!keeps && last->len && last->content == CRDTI_CONTENT_GONE &&
        last->name + last->len == at && left == at - 1 &&
        last->seq + last->len == of->seq + (at - of->name) &&
        last->right == of->right) {
        last->len += len;
        return;
    }
    crdti_shed_flush(shed);
    *last = *of;
    last->seq += at - of->name;
    last->name = at;
    last->len = len;
    last->left = left;
    last->content = CRDTI_CONTENT_GONE;
    if (keeps) {
        width = crdti_content_width(shed->from, of, at, len);
        bytes = crdti_width_in(width, CRDT_UTF8);
        last->content = (uint32_t)shed->bytes;
        if (shed->content)
            crdti_copy(shed->content + shed->bytes,
                       crdti_content_at(shed->from, of, at), bytes);
    }
    last->more_bytes = (uint16_t)width.more_bytes;
    last->more_units = (uint16_t)width.more_units;
    shed->bytes += bytes;
}

/* Whether the bytes of a stretch stay: they are shown, or too few. */
CRDTI_FN int crdti_shed_keeps(const crdti_shed *shed,
                              const crdti_insertion *of, uint32_t at,
                              uint32_t len)
{
    if (of->content == CRDTI_CONTENT_GONE)
        return 0;
    if (!(shed->dead[at / 64] >> at % 64 & 1))
        return 1;
    return len < of->len && len < CRDTI_SHED_MIN;
}

CRDTI_FN void crdti_shed_insertion(crdti_shed *shed, const crdti_insertion *of)
{
    uint32_t end = of->name + of->len, from = of->name, at = from, run;
    int keeps = -1;
    for (; at < end; at += run) {
        int now;
        run = crdti_bits_run(shed->dead, at, end - at);
        now = crdti_shed_keeps(shed, of, at, run);
        if (keeps >= 0 && now != keeps) {
            crdti_shed_put(shed, of, from, at - from, keeps);
            from = at;
        }
        keeps = now;
    }
    crdti_shed_put(shed, of, from, end - from, keeps);
}

CRDTI_FN void crdti_shed_all(crdti_shed *shed)
{
    size_t i;
    shed->len = shed->bytes = 0;
    shed->last.len = 0;
    for (i = 0; i < shed->from->insertions.len; i++)
        crdti_shed_insertion(shed, &shed->from->insertions.ptr[i]);
    crdti_shed_flush(shed);
}

typedef CRDTI_ARRAY(crdti_shed) crdti_sheds;

/* Makes the author anew without what is dead, where that saves memory. */
CRDTI_FN crdt_err crdti_author_shed(crdt_doc *doc, uint32_t index,
                                    const uint64_t *dead, crdti_sheds *sheds)
{
    const crdti_author *author = crdti_author_at(doc, index);
    crdti_shed *shed;
    size_t size, more;
    if (crdti_array_reserve(&doc->alloc, sheds, 1))
        return CRDT_ERR_NOMEM;
    shed = &sheds->ptr[sheds->len];
    crdti_zero(shed, sizeof *shed);
    shed->author = index;
    shed->from = author;
    shed->dead = dead;
    crdti_shed_all(shed);
    size = shed->len * sizeof *shed->insertions;
    more = shed->len - crdti_min_size(shed->len, author->insertions.len);
    if (author->content.cap <
        shed->bytes + CRDTI_SHED_MIN + more * sizeof *shed->insertions)
        return CRDT_OK;
    sheds->len++;
    shed->insertions = (crdti_insertion *)crdti_alloc(&doc->alloc, size);
    if (shed->bytes)
        shed->content = (uint8_t *)crdti_alloc(&doc->alloc, shed->bytes);
    if (!shed->insertions || (shed->bytes && !shed->content))
        return CRDT_ERR_NOMEM;
    crdti_shed_all(shed);
    return CRDT_OK;
}

/* The authors give what they have for what was made; or, when there is no
 * memory to do all of it, keep it. */
CRDTI_FN void crdti_sheds_end(crdt_doc *doc, crdti_sheds *sheds, int keep)
{
    size_t i;
    for (i = 0; i < sheds->len; i++) {
        crdti_shed *shed = &sheds->ptr[i];
        crdti_author *author = crdti_author_at(doc, shed->author);
        if (keep) {
            crdti_free(&doc->alloc, shed->insertions,
                       shed->len * sizeof *shed->insertions);
            crdti_free(&doc->alloc, shed->content, shed->bytes);
            continue;
        }
        crdti_array_free(&doc->alloc, &author->insertions);
        crdti_array_free(&doc->alloc, &author->content);
        author->insertions.ptr = shed->insertions;
        author->insertions.len = author->insertions.cap = shed->len;
        author->content.ptr = shed->content;
        author->content.len = author->content.cap = shed->bytes;
    }
    crdti_array_free(&doc->alloc, sheds);
}

/* But how wide that was which has died is yet to be told. */
CRDTI_FN crdt_err crdti_sequence_shed(crdt_doc *doc, crdti_sequence *s,
                                      crdti_sheds *sheds)
{
    size_t size = ((size_t)s->names_used / 64 + 1) * sizeof(uint64_t);
    uint64_t *dead;
    uint32_t at = s->authors;
    crdt_err err = CRDT_OK;
    if (s->is_list || s->died.len)
        return CRDT_OK;
    dead = (uint64_t *)crdti_alloc(&doc->alloc, size);
    if (!dead)
        return CRDT_ERR_NOMEM;
    crdti_zero(dead, size);
    crdti_names_dead(doc, s, dead);
    for (; at && !err; at = crdti_author_at(doc, at)->next)
        if (crdti_author_at(doc, at)->content.len)
            err = crdti_author_shed(doc, at, dead, sheds);
    crdti_free(&doc->alloc, dead, size);
    return err;
}

/* >>all of it ------------------------------------------------------------- */

/* Forgets what the floors allow. O(what there is). */
CRDTI_FN void crdti_forget(crdt_doc *doc)
{
    uint32_t at, author;
    doc->floors++;
    crdti_kills_truncate(doc);
    for (at = doc->sequences; at;
         at = crdti_sequence_at(doc, at)->next_sequence)
        for (author = crdti_sequence_at(doc, at)->authors; author;
             author = crdti_author_at(doc, author)->next)
            crdti_deletions_truncate(doc, crdti_author_at(doc, author));
}

CRDT_API crdt_err crdt_truncate(crdt_doc *doc, const crdt_vv *cut)
{
    crdti_sheds sheds;
    size_t i;
    uint32_t at;
    crdt_err err = CRDT_OK;
    if (!doc || !cut)
        return CRDT_ERR_ARG;
    if (crdti_is_telling(doc))
        return CRDT_ERR_AGAIN;
    crdti_zero(&sheds, sizeof sheds);
    for (at = doc->sequences; at && !err;
         at = crdti_sequence_at(doc, at)->next_sequence)
        err = crdti_sequence_shed(doc, crdti_sequence_at(doc, at), &sheds);
    crdti_sheds_end(doc, &sheds, err != CRDT_OK);
    if (err)
        return err;
    for (i = 0; i < cut->len; i++) {
        uint32_t number = crdti_replica_find(doc, &cut->entries[i].replica);
        crdti_replica *replica;
        if (number == UINT32_MAX)
            continue;
        replica = &doc->replicas.ptr[number];
        replica->floor = crdti_max(
            replica->floor, crdti_min(cut->entries[i].seq, replica->seq));
    }
    crdti_forget(doc);
    return CRDT_OK;
}

#endif
/* >> plant.h */
/*
 * Plants: a whole sequence laid out at once, where there is none of it yet:
 * opening, and the first join of a text. Nothing is searched; the order comes
 * from the tree that the origins make (Fugue; Weidner & Kleppmann 2023):
 *
 *     left child     of its right origin, if both stand behind the same
 *     right child    of its left origin, else
 *
 *     in order       left children, itself, right children; left ones by
 *                    replica id, right ones by how far right their right
 *                    origins are, the furthest first, then by replica id
 *
 * Insertions are cut into pieces where others have children between. The tree
 * is walked from the end of the text to its beginning: what right origins are
 * compared by is known then.
 *
 *     "hello", "y" behind "hell"     pieces  0 hell  1 o  2 y
 *                                    1: right child of 0   2: left child of 1
 */
#ifndef CRDTI_PLANT_H
#define CRDTI_PLANT_H


/* Spans of a leaf, and children of a fork. */
#define CRDTI_PLANT_FILL CRDTI_LEAF_ONLY
/* Dead characters between others keep a byte each, when they are as few: that
 * is less than two records more. */
#define CRDTI_FILLER_MAX 64u

typedef struct crdti_plant {
    crdt_doc *doc;
    const crdti_delta *delta; /* NULL: edits tell replicas of the document */
    crdti_delta_sequence *d;
    crdti_sequence *s;
    crdti_arena *arena;
    crdti_graft_need *needs; /* by replica of the message; zeros */
    int is_ascii;
    size_t leaves, forks; /* that the tree takes */
    int is_lost;          /* a right origin is where no honest one can be */
    uint32_t leaf;        /* the last one so far */
    uint64_t *starts;     /* a bit where a piece begins */
    uint32_t *counts;     /* pieces that begin before a word of them */
    uint32_t pieces_len;
    uint32_t *pieces;         /* first character of each; one more: the end */
    uint32_t *edits;          /* insertion of each piece */
    uint32_t *lefts, *rights; /* children of each piece: edit + 1, or 0 */
    uint32_t *next;           /* among the children of a piece, by edit */
    uint32_t *ranks;          /* of pieces from the end, from 1; 0: not yet */
    uint32_t *order;          /* pieces from the end */
    uint32_t order_len, stack_len;
    uint32_t *stack; /* pieces to visit, or to emit: EMIT */
} crdti_plant;

#define CRDTI_PLANT_EMIT 0x80000000u

/* >>pieces ---------------------------------------------------------------- */

/* The piece that the character is in. */
CRDTI_INLINE uint32_t crdti_piece_of(const crdti_plant *p, uint32_t name)
{
    uint64_t word = p->starts[name / 64] << (63 - name % 64);
    return p->counts[name / 64] + crdti_bits_count(word) - 1;
}

CRDTI_FN void *crdti_plant_array(crdti_plant *p, size_t count, int zeros)
{
    void *array = crdti_arena_alloc(p->arena, count * sizeof(uint32_t));
    if (array && zeros)
        crdti_zero(array, count * sizeof(uint32_t));
    return array;
}

/* Cuts the insertions. */
CRDTI_FN crdt_err crdti_plant_cut(crdti_plant *p)
{
    const crdti_delta_sequence *d = p->d;
    size_t words = d->chars / 64 + 1, i;
    uint32_t count = 0, at, edit;
    p->starts = (uint64_t *)crdti_plant_array(p, 2 * words, 1);
    p->counts = (uint32_t *)crdti_plant_array(p, words, 0);
    if (!p->starts || !p->counts)
        return CRDT_ERR_NOMEM;
    for (i = 0; i < d->inserts_len; i++) {
        const crdti_edit *insert = &d->edits[d->inserts[i]];
        uint32_t left = insert->left + 1; /* 0 for the beginning */
        p->starts[insert->name / 64] |= UINT64_C(1) << insert->name % 64;
        if (left < d->chars)
            p->starts[left / 64] |= UINT64_C(1) << left % 64;
    }
    for (i = 0; i < words; i++) {
        p->counts[i] = count;
        count += crdti_bits_count(p->starts[i]);
    }
    p->pieces_len = count;
    p->pieces = (uint32_t *)crdti_plant_array(p, count + 1, 0);
    p->edits = (uint32_t *)crdti_plant_array(p, count, 0);
    p->lefts = (uint32_t *)crdti_plant_array(p, count, 1);
    p->rights = (uint32_t *)crdti_plant_array(p, count, 1);
    p->ranks = (uint32_t *)crdti_plant_array(p, count, 1);
    p->order = (uint32_t *)crdti_plant_array(p, count, 0);
    p->next = (uint32_t *)crdti_plant_array(p, d->edits_len, 0);
    p->stack = (uint32_t *)crdti_plant_array(p, 2 * (size_t)count + 2, 0);
    if (!p->pieces || !p->edits || !p->lefts || !p->rights || !p->ranks ||
        !p->order || !p->next || !p->stack)
        return CRDT_ERR_NOMEM;
    for (i = 0, count = 0; i < words; i++) {
        uint64_t word = p->starts[i];
        for (; word; word &= word - 1)
            p->pieces[count++] = (uint32_t)i * 64 + crdti_bit_lowest(word);
    }
    p->pieces[count] = d->chars;
    for (at = 0, i = 0; i < d->inserts_len; i++) {
        edit = d->inserts[i];
        for (; p->pieces[at] < d->edits[edit].name + d->edits[edit].len; at++)
            p->edits[at] = edit;
    }
    return CRDT_OK;
}

/* The left origin of a character of the delta. */
CRDTI_INLINE uint32_t crdti_plant_left(const crdti_plant *p, uint32_t name)
{
    const crdti_edit *edit = &p->d->edits[p->edits[crdti_piece_of(p, name)]];
    return name == edit->name ? edit->left : name - 1;
}

/* Hangs the insertion below its origin; `*first` takes those behind the very
 * beginning. */
CRDTI_FN void crdti_plant_hang(crdti_plant *p, uint32_t edit, uint32_t *first)
{
    const crdti_edit *at = &p->d->edits[edit];
    uint32_t *list = first;
    if (at->right != CRDTI_NO_CHAR &&
        crdti_plant_left(p, at->right) == at->left)
        list = &p->lefts[crdti_piece_of(p, at->right)];
    else if (at->left != CRDTI_NO_CHAR)
        list = &p->rights[crdti_piece_of(p, at->left)];
    p->next[edit] = *list;
    *list = edit + 1;
}

/* >>order ----------------------------------------------------------------- */

/* How far from the end that is: 0 is the end. NO_CHAR: not known, which cannot
 * be in an honest delta. */
CRDTI_FN uint64_t crdti_plant_rank(const crdti_plant *p, uint32_t right)
{
    uint32_t piece, rank;
    if (right == CRDTI_NO_CHAR)
        return 0;
    piece = crdti_piece_of(p, right);
    rank = p->ranks[piece];
    if (!rank)
        return UINT64_MAX;
    return (uint64_t)rank << 32 | (p->pieces[piece + 1] - right);
}

CRDTI_INLINE uint32_t crdti_plant_replica(const crdti_plant *p,
                                          const crdti_edit *edit)
{
    return p->delta ? p->delta->replicas[edit->replica].number : edit->replica;
}

/* The order in the text of two pieces that are children of one, on the same
 * side. */
CRDTI_FN int crdti_plant_order(const void *ctx, uint32_t a, uint32_t b)
{
    const crdti_plant *p = (const crdti_plant *)ctx;
    const crdti_edit *x = &p->d->edits[p->edits[a]];
    const crdti_edit *y = &p->d->edits[p->edits[b]];
    uint64_t x_rank = crdti_plant_rank(p, x->right);
    uint64_t y_rank = crdti_plant_rank(p, y->right);
    const crdti_replica *replicas = p->doc->replicas.ptr;
    int order;
    if (x_rank != y_rank)
        return x_rank < y_rank ? -1 : 1;
    order = crdti_id_order(&replicas[crdti_plant_replica(p, x)].id,
                           &replicas[crdti_plant_replica(p, y)].id);
    return order ? order : (x->name > y->name) - (x->name < y->name);
}

/* Puts children on the stack, the last in the text on top; `more` is one of
 * them, or NO_CHAR. Hardly ever more than one. */
CRDTI_FN void crdti_plant_push(crdti_plant *p, uint32_t list, uint32_t more)
{
    uint32_t from = p->stack_len;
    for (; list; list = p->next[list - 1]) {
        const crdti_edit *edit = &p->d->edits[list - 1];
        p->stack[p->stack_len++] = crdti_piece_of(p, edit->name);
        p->is_lost |= crdti_plant_rank(p, edit->right) == UINT64_MAX;
    }
    if (more != CRDTI_NO_CHAR)
        p->stack[p->stack_len++] = more;
    if (p->stack_len - from > 1)
        crdti_sort(crdti_plant_order, p, p->stack + from, p->stack_len - from);
}

/* The piece that goes on with the insertion of piece `at`, or NO_CHAR. */
CRDTI_FN uint32_t crdti_plant_more(const crdti_plant *p, uint32_t at)
{
    return at + 1 < p->pieces_len && p->edits[at + 1] == p->edits[at]
               ? at + 1
               : CRDTI_NO_CHAR;
}

/* The order of all pieces, from the end. */
CRDTI_FN void crdti_plant_walk(crdti_plant *p)
{
    uint32_t first = 0, at;
    size_t i;
    for (i = 0; i < p->d->inserts_len; i++)
        crdti_plant_hang(p, p->d->inserts[i], &first);
    crdti_plant_push(p, first, CRDTI_NO_CHAR);
    while (p->stack_len) {
        at = p->stack[--p->stack_len];
        if (at & CRDTI_PLANT_EMIT) {
            at &= ~CRDTI_PLANT_EMIT;
            p->order[p->order_len++] = at;
            p->ranks[at] = p->order_len;
            crdti_plant_push(p, p->lefts[at], CRDTI_NO_CHAR);
            continue;
        }
        p->stack[p->stack_len++] = at | CRDTI_PLANT_EMIT;
        crdti_plant_push(p, p->rights[at], crdti_plant_more(p, at));
    }
}

/* >>authors --------------------------------------------------------------- */

/* What of an insertion goes into one record: alive characters, with short
 * stretches of dead ones between; or dead ones alone, without content. */
typedef struct crdti_plant_part {
    uint32_t len;
    size_t bytes;      /* of content, filler included */
    crdti_width width; /* how much more than ASCII */
} crdti_plant_part;

/* As many as are wide, and alive. */
CRDTI_FN crdti_plant_part crdti_plant_take_wide(uint32_t most,
                                                const uint8_t **content)
{
    crdti_plant_part part;
    crdti_zero(&part, sizeof part);
    if (most > CRDTI_WIDE_MAX)
        most = CRDTI_WIDE_MAX;
    for (; part.len < most; part.len++) {
        uint32_t size = crdti_utf8_size(**content);
        crdti_width_add(&part.width, crdti_utf8_width(**content));
        part.bytes += size;
        *content += size;
    }
    return part;
}

/* Takes the next part; `*content` goes on behind its content. */
CRDTI_FN crdti_plant_part crdti_plant_take(const crdti_plant *p, uint32_t name,
                                           uint32_t most,
                                           const uint8_t **content)
{
    crdti_plant_part part;
    uint32_t alive = 0;
    crdti_zero(&part, sizeof part);
    while (part.len < most) {
        uint32_t at = name + part.len;
        uint32_t run = crdti_bits_run(p->d->dead, at, most - part.len);
        if (p->d->dead[at / 64] >> at % 64 & 1) {
            if (run > CRDTI_FILLER_MAX && part.len)
                break;
            part.len += run;
            if (run > CRDTI_FILLER_MAX)
                break;
            continue;
        }
        /* There are at least as many bytes as characters. */
        if (!p->is_ascii &&
            crdti_ascii_len(crdt_bytes_of(*content, run), 0) < run) {
            if (part.len)
                break;
            return crdti_plant_take_wide(run, content);
        }
        *content += run;
        alive += run;
        part.len += run;
    }
    part.bytes = alive ? part.len : 0;
    return part;
}

CRDTI_FN void crdti_plant_count(crdti_plant *p)
{
    const uint8_t *content = p->d->content.ptr;
    size_t i;
    for (i = 0; i < p->d->edits_len; i++) {
        const crdti_edit *edit = &p->d->edits[i];
        crdti_graft_need *need = &p->needs[edit->replica];
        uint32_t done = 0;
        if (edit->kind != CRDTI_INSERTION_EDIT) {
            need->deletions++; /* they are of one insertion */
            continue;
        }
        need->chars += edit->len;
        while (done < edit->len) {
            crdti_plant_part part = crdti_plant_take(
                p, edit->name + done, edit->len - done, &content);
            need->insertions++;
            need->bytes += part.bytes;
            done += part.len;
        }
    }
}

/* Copies the content of a part, with filler for the dead. */
CRDTI_FN void crdti_plant_copy(const crdti_plant *p, crdti_author *author,
                               uint32_t name, const crdti_plant_part *part,
                               const uint8_t *content)
{
    uint8_t *to = author->content.ptr + author->content.len;
    uint32_t done, run;
    author->content.len += part->bytes;
    if (part->width.more_bytes) {
        crdti_copy(to, content, part->bytes);
        return;
    }
    for (done = 0; done < part->len; done += run, to += run) {
        uint32_t at = name + done;
        run = crdti_bits_run(p->d->dead, at, part->len - done);
        if (p->d->dead[at / 64] >> at % 64 & 1) {
            crdti_zero(to, run);
            continue;
        }
        crdti_copy(to, content, run);
        content += run;
    }
}

/* The name in the document of a character of the delta. */
CRDTI_INLINE uint32_t crdti_plant_name(const crdti_plant *p, uint32_t told)
{
    const crdti_edit *edit;
    if (told == CRDTI_NO_CHAR)
        return told;
    edit = &p->d->edits[p->edits[crdti_piece_of(p, told)]];
    return edit->here + (told - edit->name);
}

CRDTI_FN void crdti_plant_insert(crdti_plant *p, crdti_author *author,
                                 crdti_edit *edit, const uint8_t **content)
{
    uint32_t left = crdti_plant_name(p, edit->left), done = 0;
    uint32_t right = crdti_plant_name(p, edit->right);
    edit->here = author->free_name;
    while (done < edit->len) {
        crdti_insertion *at =
            author->insertions.ptr + author->insertions.len++;
        const uint8_t *from = *content;
        uint32_t name = edit->name + done;
        crdti_plant_part part =
            crdti_plant_take(p, name, edit->len - done, content);
        at->seq = edit->seq + done;
        at->name = author->free_name;
        at->len = part.len;
        at->left = left;
        at->right = right;
        at->more_bytes = (uint16_t)part.width.more_bytes;
        at->more_units = (uint16_t)part.width.more_units;
        at->content =
            part.bytes ? (uint32_t)author->content.len : CRDTI_CONTENT_GONE;
        if (part.bytes)
            crdti_plant_copy(p, author, name, &part, from);
        author->free_name += part.len;
        left = author->free_name - 1;
        done += part.len;
    }
}

/* Of insertions in the order of the text: by replica and seq. */
CRDTI_FN int crdti_edit_order(const void *ctx, uint32_t a, uint32_t b)
{
    const crdti_delta_sequence *d = (const crdti_delta_sequence *)ctx;
    const crdti_edit *x = &d->edits[a], *y = &d->edits[b];
    if (x->replica != y->replica)
        return x->replica < y->replica ? -1 : 1;
    return (x->seq > y->seq) - (x->seq < y->seq);
}

/* Whether no dot comes twice. Leaves the order by seq in `inserts`. */
CRDTI_FN int crdti_plant_sort_layout(crdti_plant *p)
{
    crdti_delta_sequence *d = p->d;
    size_t i;
    crdti_sort(crdti_edit_order, d, d->inserts, d->inserts_len);
    for (i = 1; i < d->inserts_len; i++) {
        const crdti_edit *a = &d->edits[d->inserts[i - 1]];
        const crdti_edit *b = &d->edits[d->inserts[i]];
        if (a->replica == b->replica && a->seq + a->len > b->seq)
            return 0;
    }
    return 1;
}

/* The same for insertions in the order of the text, where those of one author
 * have to be by seq: first all names, then the rest. */
CRDTI_FN void crdti_plant_write_layout(crdti_plant *p)
{
    crdti_delta_sequence *d = p->d;
    size_t i, at = 0;
    for (i = 0; i < d->edits_len; i++) { /* by place in the text */
        p->next[i] = (uint32_t)at;
        if (!d->is_list)
            at += crdti_utf8_len(d->content, at, d->edits[i].len);
    }
    for (i = 0; i < d->edits_len; i++) {
        crdti_edit *edit = &d->edits[d->inserts[i]];
        crdti_author *author =
            crdti_author_at(p->doc, p->needs[edit->replica].author);
        edit->here = author->free_name;
        author->free_name += edit->len;
    }
    for (i = 0; i < d->edits_len; i++) {
        crdti_edit *edit = &d->edits[d->inserts[i]];
        const uint8_t *content = d->content.ptr + p->next[d->inserts[i]];
        crdti_author *author =
            crdti_author_at(p->doc, p->needs[edit->replica].author);
        author->free_name = edit->here;
        author->last = edit->seq + edit->len - 1;
        crdti_plant_insert(p, author, edit, &content);
    }
}

/* Writes down who did what. */
CRDTI_FN void crdti_plant_write(crdti_plant *p)
{
    const uint8_t *content = p->d->content.ptr;
    size_t i;
    for (i = 0; i < p->d->edits_len; i++) {
        crdti_edit *edit = &p->d->edits[i];
        crdti_author *author =
            crdti_author_at(p->doc, p->needs[edit->replica].author);
        author->last = edit->seq + edit->len - 1;
        if (edit->kind == CRDTI_INSERTION_EDIT)
            crdti_plant_insert(p, author, edit, &content);
        else
            crdti_deletion_add(
                author, edit->seq, crdti_plant_name(p, edit->name), edit->len,
                edit->kind == CRDTI_BACKWARDS_EDIT ? CRDTI_BACKWARDS : 0);
    }
}

/* >>leaves and forks ------------------------------------------------------ */

/* Appends a span, in a new leaf when that at hand is full. */
CRDTI_FN void crdti_plant_span(crdti_plant *p, uint32_t name, uint32_t lens)
{
    crdt_doc *doc = p->doc;
    crdti_leaf *leaf = crdti_leaf_at(doc, p->leaf);
    uint32_t last = leaf->len - 1u;
    if (leaf->len && lens & leaf->lens[last] & CRDTI_HIDDEN &&
        leaf->names[last] + crdti_span_len(leaf, last) == name) {
        leaf->lens[last] += lens & CRDTI_SPAN_LEN;
        return;
    }
    if (leaf->len == CRDTI_PLANT_FILL) {
        uint32_t next = crdti_leaf_take(doc, p->s);
        leaf->next = next;
        crdti_leaf_at(doc, next)->prev = p->leaf;
        p->leaf = next;
        leaf = crdti_leaf_at(doc, next);
    }
    leaf->names[leaf->len] = name;
    leaf->lens[leaf->len++] = lens;
}

/* Appends visible characters: one span, or one of each insertion where they
 * are wide. */
CRDTI_FN void crdti_plant_shown(crdti_plant *p, uint32_t name, uint32_t len)
{
    const crdti_author *author;
    if (p->is_ascii) {
        crdti_plant_span(p, name, len);
        return;
    }
    author = crdti_author_at(p->doc, crdti_name_author(&p->s->extents, name));
    while (len) {
        const crdti_insertion *at = crdti_insertion_of(author, name);
        uint32_t part = (uint32_t)crdti_min(len, at->name + at->len - name);
        crdti_plant_span(p, name, part | (at->more_bytes ? CRDTI_WIDE : 0));
        name += part;
        len -= part;
    }
}

/* How many characters of its insertion are in the piece. (Between insertions
 * of the document there may be names that nobody uses.) */
CRDTI_INLINE uint32_t crdti_piece_len(const crdti_plant *p, uint32_t piece)
{
    const crdti_edit *edit = &p->d->edits[p->edits[piece]];
    return (uint32_t)crdti_min(p->pieces[piece + 1], edit->name + edit->len) -
           p->pieces[piece];
}

CRDTI_FN void crdti_plant_leaves(crdti_plant *p)
{
    const uint64_t *dead = p->d->dead;
    uint32_t i, done, run;
    p->leaf = p->s->first;
    crdti_leaf_at(p->doc, p->leaf)->is_hashed = 0;
    for (i = p->order_len; i > 0; i--) {
        uint32_t piece = p->order[i - 1], told = p->pieces[piece];
        uint32_t len = crdti_piece_len(p, piece);
        const crdti_edit *edit = &p->d->edits[p->edits[piece]];
        uint32_t name = edit->here + (told - edit->name);
        for (done = 0; done < len; done += run) {
            uint32_t at = told + done;
            run = crdti_bits_run(dead, at, len - done);
            if (dead[at / 64] >> at % 64 & 1)
                crdti_plant_span(p, name + done, run | CRDTI_HIDDEN);
            else
                crdti_plant_shown(p, name + done, run);
        }
    }
}

/* Appends a child to the fork at hand, or to a new one; `*first` is the first
 * of its level. */
CRDTI_FN void crdti_plant_child(crdti_plant *p, uint32_t level, uint32_t child,
                                crdti_width width, uint32_t *fork)
{
    crdti_fork *at;
    if (!*fork || crdti_fork_at(p->doc, *fork)->len == CRDTI_PLANT_FILL) {
        *fork = crdti_fork_take(p->doc, p->s);
        p->stack[p->stack_len++] = *fork;
    }
    at = crdti_fork_at(p->doc, *fork);
    at->children[at->len] = child;
    at->widths[at->len++] = width;
    crdti_set_parent(p->doc, level, child, *fork);
}

CRDTI_FN crdti_width crdti_fork_width(const crdti_fork *fork)
{
    crdti_width sum;
    uint32_t i;
    crdti_zero(&sum, sizeof sum);
    for (i = 0; i < fork->len; i++)
        crdti_width_add(&sum, fork->widths[i]);
    return sum;
}

/* Builds level upon level, until there is one node. */
CRDTI_FN void crdti_plant_forks(crdti_plant *p)
{
    crdti_sequence *s = p->s;
    uint32_t fork = 0, from = 0, end, at, only = s->first;
    p->stack_len = 0;
    for (at = s->first; at; at = crdti_leaf_at(p->doc, at)->next) {
        crdti_width width =
            crdti_leaf_width(p->doc, s, crdti_leaf_at(p->doc, at));
        crdti_width_add(&s->total, width);
        if (s->first != p->leaf)
            crdti_plant_child(p, 0, at, width, &fork);
    }
    for (s->height = 0; from < p->stack_len; from = end) {
        end = p->stack_len;
        only = p->stack[from];
        s->height++;
        fork = 0;
        if (end - from == 1)
            break;
        for (at = from; at < end; at++)
            crdti_plant_child(
                p, s->height, p->stack[at],
                crdti_fork_width(crdti_fork_at(p->doc, p->stack[at])), &fork);
    }
    s->root = only;
}

/* >>all of it ------------------------------------------------------------- */

/* What the tree takes; each change from dead to alive makes a span, and where
 * they are wide each of the insertions. */
CRDTI_FN void crdti_plant_size(crdti_plant *p, size_t insertions)
{
    const uint64_t *dead = p->d->dead;
    size_t spans = p->pieces_len + (p->is_ascii ? 0 : insertions);
    size_t words = p->d->chars / 64 + 1, i;
    uint64_t before = 0;
    for (i = 0; i < words; i++) {
        spans += crdti_bits_count(dead[i] ^ (dead[i] << 1 | before));
        before = dead[i] >> 63;
    }
    p->leaves = spans / CRDTI_PLANT_FILL + 1;
    p->forks = p->leaves / (CRDTI_PLANT_FILL - 1) + 4;
}

/* Memory for that. */
CRDTI_FN crdt_err crdti_plant_reserve(crdti_plant *p, size_t insertions)
{
    crdt_err err;
    if (!p->s->is_list) {
        crdti_plant_size(p, insertions);
        return crdti_nodes_reserve(p->doc, p->leaves, p->forks);
    }
    err = crdti_positions_reserve(p->doc, p->s, p->d->chars);
    if (!err)
        crdti_positions_hold(p->doc, p->s, p->d->chars);
    return err;
}

CRDTI_FN crdt_err crdti_plant_authors(crdti_plant *p)
{
    size_t i;
    crdt_err err = CRDT_OK;
    for (i = 0; i < p->delta->replicas_len && !err; i++) {
        crdti_graft_need *need = &p->needs[i];
        if (!need->insertions && !need->deletions)
            continue;
        err = crdti_author_get(p->doc, &p->s->authors, p->s->object,
                               p->delta->replicas[i].number, &need->author);
        if (!err)
            err = crdti_insertions_reserve(p->doc, p->s, need->author,
                                           need->insertions, need->chars,
                                           need->bytes);
        if (!err)
            err = crdti_array_reserve(
                &p->doc->alloc,
                &crdti_author_at(p->doc, need->author)->deletions,
                need->deletions);
    }
    return err;
}

/* Lays out the sequence, which has nothing yet. `*done` 0: it has to be
 * grafted, edit by edit. NOMEM, LIMIT: crdti_sequence_clear must follow. */
CRDTI_FN crdt_err crdti_plant_sequence(crdti_plant *p, int *done)
{
    crdt_err err;
    size_t insertions = 0, i;
    *done = 0;
    if (p->d->outside_len || !p->d->chars)
        return CRDT_OK;
    err = crdti_plant_cut(p);
    if (err)
        return err;
    crdti_plant_walk(p);
    if (p->is_lost)
        return CRDT_OK;
    p->is_ascii = p->d->content.len == p->d->alive;
    crdti_plant_count(p);
    if (p->d->is_laid_out && !crdti_plant_sort_layout(p))
        return CRDT_ERR_CORRUPT;
    for (i = 0; i < p->delta->replicas_len; i++)
        insertions += p->needs[i].insertions;
    err = crdti_plant_authors(p);
    if (!err)
        err = crdti_plant_reserve(p, insertions);
    if (!err) {
        if (p->d->is_laid_out)
            crdti_plant_write_layout(p);
        else
            crdti_plant_write(p);
        crdti_plant_leaves(p);
        crdti_plant_forks(p);
        *done = 1;
    }
    crdti_zero(p->needs, p->delta->replicas_len * sizeof *p->needs);
    return err;
}

#endif
/* >> remake.h */
/*
 * Remakes: a sequence written anew, with fewer characters or with more. What
 * goes is swept (sweep.h); what comes was swept here and is named by somebody
 * who still had it (restore.h). What is visible does not change.
 *
 *     authors   a 0..4 hello   5..6 ly        '4' and '3' go
 *     anew      a 0..2 hel     3..4 ly        names follow on each other again
 *
 * All of it is made beside the old one, which stays when there is no memory.
 */
#ifndef CRDTI_REMAKE_H
#define CRDTI_REMAKE_H


/* Characters that come. Those of one author are in the order of their seqs. */
typedef struct crdti_absent {
    uint64_t seq;
    uint32_t author, len;
    uint32_t next;   /* of the author, + 1 */
    uint32_t edit;   /* of the delta that has them, */
    uint32_t offset; /* from that character of it on */
    uint32_t name;   /* that the first gets */
} crdti_absent;

/* An author as it is to be. */
typedef struct crdti_remade {
    uint32_t author;
    uint32_t absent; /* the first that comes, + 1 */
    uint32_t *names; /* of the first character, by old insertion */
    crdti_author made;
} crdti_remade;

typedef struct crdti_remake {
    crdt_doc *doc;
    crdti_sequence *s;
    const uint64_t *old; /* a bit by name: they go; or NULL */
    crdti_absent *absent;
    uint32_t absent_len;
    uint32_t more; /* characters in all of them */
    crdti_remade *authors;
    size_t authors_len;
    crdti_extents extents;
    uint32_t names_used, chars;
    crdti_plant plant; /* leaves are laid out as those of one */
    size_t spans;
    uint32_t end, flags; /* of the span at hand */
    int is_counting;
} crdti_remake;

/* How many of so many characters of an insertion stay: those that go are its
 * last. */
CRDTI_FN uint32_t crdti_remake_stay(const crdti_remake *r, uint32_t name,
                                    uint32_t len)
{
    if (!r->old)
        return len;
    return crdti_bit_is_set(r->old, name) ? 0
                                          : crdti_bits_run(r->old, name, len);
}

CRDTI_FN uint32_t crdti_remake_len(const crdti_remake *r,
                                   const crdti_insertion *at)
{
    return crdti_remake_stay(r, at->name, at->len);
}

/* What the character is called then; it stays. */
CRDTI_FN uint32_t crdti_remake_name(const crdti_remake *r, uint32_t name)
{
    const crdti_author *author;
    const crdti_insertion *at;
    if (name == CRDTI_NO_CHAR)
        return name;
    author = crdti_author_at(r->doc, crdti_name_author(&r->s->extents, name));
    at = crdti_insertion_of(author, name);
    return r->authors[author->party - 1].names[at - author->insertions.ptr] +
           (name - at->name);
}

/* >>authors --------------------------------------------------------------- */

CRDTI_FN void crdti_remake_absent(crdti_remake *r, crdti_author *made,
                                  crdti_absent *absent)
{
    crdti_insertion *to = made->insertions.ptr + made->insertions.len++;
    crdti_zero(to, sizeof *to);
    to->seq = absent->seq;
    to->name = absent->name = r->names_used;
    to->len = absent->len;
    to->left = to->right = CRDTI_NO_CHAR; /* told later */
    to->content = CRDTI_CONTENT_GONE;
    r->names_used += absent->len;
}

/* Origins are told later too, when all names are known. */
CRDTI_FN void crdti_remake_insertion(crdti_remake *r, const crdti_author *from,
                                     crdti_author *made,
                                     const crdti_insertion *at)
{
    crdti_insertion *to;
    uint32_t len = crdti_remake_len(r, at);
    crdti_width width;
    if (!len)
        return;
    to = &made->insertions.ptr[made->insertions.len++];
    *to = *at;
    to->name = r->names_used;
    to->len = len;
    r->names_used += len;
    if (at->content == CRDTI_CONTENT_GONE)
        return;
    width = crdti_content_width(from, at, at->name, len);
    to->more_bytes = (uint16_t)width.more_bytes;
    to->more_units = (uint16_t)width.more_units;
    to->content = (uint32_t)made->content.len;
    crdti_copy(made->content.ptr + made->content.len,
               from->content.ptr + at->content,
               crdti_width_in(width, CRDT_UTF8));
    made->content.len += crdti_width_in(width, CRDT_UTF8);
}

/* All insertions of the author, new ones between, in the order of seqs. */
CRDTI_FN void crdti_remake_insertions(crdti_remake *r, crdti_remade *remade)
{
    const crdti_author *from = crdti_author_at(r->doc, remade->author);
    uint32_t begin = r->names_used, next = remade->absent;
    size_t i;
    for (i = 0; i < from->insertions.len; i++) {
        const crdti_insertion *at = &from->insertions.ptr[i];
        for (; next && r->absent[next - 1].seq < at->seq;
             next = r->absent[next - 1].next)
            crdti_remake_absent(r, &remade->made, &r->absent[next - 1]);
        remade->names[i] = r->names_used;
        crdti_remake_insertion(r, from, &remade->made, at);
    }
    for (; next; next = r->absent[next - 1].next)
        crdti_remake_absent(r, &remade->made, &r->absent[next - 1]);
    remade->made.free_name = remade->made.end_name = r->names_used;
    if (r->names_used == begin)
        return;
    r->extents.ptr[r->extents.len].name = begin;
    r->extents.ptr[r->extents.len++].author = remade->author;
    r->chars += r->names_used - begin;
    r->names_used++; /* names of two authors never follow on each other */
}

/* How many of the deletion, behind the first `done`, are of one insertion. */
CRDTI_FN uint32_t crdti_deletion_part(const crdti_remake *r,
                                      const crdti_deletion *at, uint32_t done,
                                      uint32_t *name)
{
    uint32_t rest = crdti_deletion_len(at) - done;
    int back = (at->len & CRDTI_BACKWARDS) != 0;
    const crdti_insertion *of;
    *name = back ? at->name - done : at->name + done;
    of = crdti_insertion_of(
        crdti_author_at(r->doc, crdti_name_author(&r->s->extents, *name)),
        *name);
    return (uint32_t)crdti_min(rest, back ? *name - of->name + 1
                                          : of->name + of->len - *name);
}

/* Writes the deletions of the author, or counts into how many they may fall.
 */
CRDTI_FN size_t crdti_remake_deletions(const crdti_remake *r,
                                       const crdti_author *from,
                                       crdti_author *made)
{
    size_t i, parts = 0;
    for (i = 0; i < from->deletions.len; i++) {
        const crdti_deletion *at = &from->deletions.ptr[i];
        uint32_t done, name, part;
        for (done = 0; done < crdti_deletion_len(at); done += part, parts++) {
            part = crdti_deletion_part(r, at, done, &name);
            if (made)
                crdti_deletion_add(made, at->seq + done,
                                   crdti_remake_name(r, name), part,
                                   at->len & CRDTI_BACKWARDS);
        }
    }
    return parts;
}

/* How many bytes stay of the insertion. */
CRDTI_FN size_t crdti_remake_bytes(const crdti_author *from,
                                   const crdti_insertion *at, uint32_t len)
{
    if (!len || at->content == CRDTI_CONTENT_GONE)
        return 0;
    return crdti_width_in(crdti_content_width(from, at, at->name, len),
                          CRDT_UTF8);
}

CRDTI_FN crdt_err crdti_remake_reserve(crdti_remake *r, crdti_remade *remade)
{
    const crdti_author *from = crdti_author_at(r->doc, remade->author);
    crdti_author *made = &remade->made;
    const crdt_alloc *alloc = &r->doc->alloc;
    uint32_t next = remade->absent;
    size_t i, insertions = 0, bytes = 0;
    for (; next; next = r->absent[next - 1].next)
        insertions++;
    for (i = 0; i < from->insertions.len; i++) {
        const crdti_insertion *at = &from->insertions.ptr[i];
        uint32_t len = crdti_remake_len(r, at);
        insertions += len != 0;
        bytes += crdti_remake_bytes(from, at, len);
    }
    remade->names = (uint32_t *)crdti_arena_alloc(
        &r->doc->scratch, (from->insertions.len + 1) * sizeof(uint32_t));
    if (!remade->names ||
        crdti_array_reserve(alloc, &made->insertions, insertions) ||
        crdti_array_reserve(alloc, &made->deletions,
                            crdti_remake_deletions(r, from, NULL)) ||
        crdti_array_reserve(alloc, &made->content, bytes))
        return CRDT_ERR_NOMEM;
    return CRDT_OK;
}

/* Now that all have their names. */
CRDTI_FN void crdti_remake_origins(crdti_remake *r, crdti_remade *remade)
{
    const crdti_author *from = crdti_author_at(r->doc, remade->author);
    crdti_insertion *to = remade->made.insertions.ptr;
    size_t i;
    for (i = 0; i < from->insertions.len; i++) {
        const crdti_insertion *at = &from->insertions.ptr[i];
        if (!crdti_remake_len(r, at))
            continue;
        while (to->seq < at->seq)
            to++;
        to->left = crdti_remake_name(r, at->left);
        to->right = crdti_remake_name(r, at->right);
    }
    crdti_remake_deletions(r, from, &remade->made);
}

/* A record for each author, with what comes of it. */
CRDTI_FN crdt_err crdti_remake_list(crdti_remake *r)
{
    uint32_t at, i;
    for (at = r->s->authors; at; at = crdti_author_at(r->doc, at)->next)
        r->authors_len++;
    r->authors = (crdti_remade *)crdti_arena_alloc(
        &r->doc->scratch, (r->authors_len + 1) * sizeof *r->authors);
    if (!r->authors)
        return CRDT_ERR_NOMEM;
    crdti_zero(r->authors, r->authors_len * sizeof *r->authors);
    for (at = r->s->authors, i = 0; at; i++) {
        crdti_author *author = crdti_author_at(r->doc, at);
        r->authors[i].author = at;
        author->party = i + 1;
        at = author->next;
    }
    for (i = r->absent_len; i > 0; i--) {
        crdti_absent *absent = &r->absent[i - 1];
        uint32_t party = crdti_author_at(r->doc, absent->author)->party;
        absent->next = r->authors[party - 1].absent;
        r->authors[party - 1].absent = i;
        r->more += absent->len;
    }
    return crdti_array_reserve(&r->doc->alloc, &r->extents,
                               r->authors_len + 1);
}

CRDTI_FN crdt_err crdti_remake_authors(crdti_remake *r)
{
    size_t i;
    crdt_err err = crdti_remake_list(r);
    if (!err && r->more + (uint64_t)r->s->names_used + r->authors_len >=
                    CRDTI_NAMES_MAX)
        err = CRDT_ERR_LIMIT;
    for (i = 0; i < r->authors_len && !err; i++) {
        err = crdti_remake_reserve(r, &r->authors[i]);
        if (!err)
            crdti_remake_insertions(r, &r->authors[i]);
    }
    for (i = 0; i < r->authors_len && !err; i++)
        crdti_remake_origins(r, &r->authors[i]);
    return err;
}

/* >>leaves ---------------------------------------------------------------- */

/* Appends characters of an old span, or counts the spans that come of it. */
CRDTI_FN void crdti_remake_span(crdti_remake *r, uint32_t name, uint32_t len,
                                uint32_t flags, int goes_on)
{
    int joins = name == r->end && flags == r->flags &&
                (flags & CRDTI_HIDDEN || (goes_on && !(flags & CRDTI_WIDE)));
    r->end = name + len;
    r->flags = flags;
    r->spans += !joins;
    if (r->is_counting)
        return;
    if (joins) {
        crdti_leaf *leaf = crdti_leaf_at(r->doc, r->plant.leaf);
        leaf->lens[leaf->len - 1] += len;
    } else {
        crdti_plant_span(&r->plant, name, len | flags);
    }
}

CRDTI_FN void crdti_remake_old_span(crdti_remake *r, uint32_t name,
                                    uint32_t len, uint32_t flags)
{
    const crdti_author *author =
        crdti_author_at(r->doc, crdti_name_author(&r->s->extents, name));
    const crdti_insertion *at = crdti_insertion_of(author, name);
    int goes_on = 0;
    for (; len; at++) {
        uint32_t part = (uint32_t)crdti_min(len, at->len - (name - at->name));
        uint32_t stay = crdti_remake_stay(r, name, part);
        if (stay) {
            crdti_remake_span(r, crdti_remake_name(r, name), stay, flags,
                              goes_on);
            goes_on = 1;
        }
        name += part;
        len -= part;
    }
}

/* All spans, in the order of the text. */
CRDTI_FN void crdti_remake_spans(crdti_remake *r, uint32_t leaf)
{
    uint32_t i;
    r->end = CRDTI_NO_CHAR;
    for (; leaf; leaf = crdti_leaf_at(r->doc, leaf)->next)
        for (i = 0; i < crdti_leaf_at(r->doc, leaf)->len; i++) {
            const crdti_leaf *at = crdti_leaf_at(r->doc, leaf);
            crdti_remake_old_span(r, at->names[i], crdti_span_len(at, i),
                                  at->lens[i] & ~CRDTI_SPAN_LEN);
        }
}

/* Memory for the tree, beside the old one. */
CRDTI_FN crdt_err crdti_remake_nodes(crdti_remake *r)
{
    size_t leaves, forks;
    r->is_counting = 1;
    crdti_remake_spans(r, r->s->first);
    r->is_counting = 0;
    leaves = r->spans / CRDTI_PLANT_FILL + 1;
    forks = leaves / (CRDTI_PLANT_FILL - 1) + 4;
    r->plant.doc = r->doc;
    r->plant.s = r->s;
    r->plant.stack = (uint32_t *)crdti_arena_alloc(
        &r->doc->scratch, (forks + 1) * sizeof(uint32_t));
    if (!r->plant.stack)
        return CRDT_ERR_NOMEM;
    if (r->s->is_list) { /* it holds those for what it has */
        leaves += crdti_leaves_more(r->s, r->more);
        forks += crdti_forks_more(r->s, r->more);
    } else {
        leaves += r->absent_len; /* each may split one */
        forks += r->absent_len / CRDTI_LEAF_LEAST + r->s->height + 4;
    }
    return crdti_nodes_reserve(r->doc, leaves, forks);
}

/* >>all of it ------------------------------------------------------------- */

CRDTI_FN void crdti_remake_begin(crdti_remake *r, crdt_doc *doc,
                                 crdti_sequence *s)
{
    crdti_zero(r, sizeof *r);
    r->doc = doc;
    r->s = s;
}

/* Takes all memory and makes what is to be. */
CRDTI_FN crdt_err crdti_remake_prepare(crdti_remake *r)
{
    crdt_err err = crdti_remake_authors(r);
    return err ? err : crdti_remake_nodes(r);
}

/* The author has what was made of it; what it had is freed with the rest. */
CRDTI_FN void crdti_remake_swap(crdti_remake *r, crdti_remade *remade)
{
    crdti_author *author = crdti_author_at(r->doc, remade->author);
    crdti_author was = *author, *made = &remade->made;
    author->free_name = made->free_name;
    author->end_name = made->end_name;
    author->insertions = made->insertions;
    author->deletions = made->deletions;
    author->content = made->content;
    made->insertions = was.insertions;
    made->deletions = was.deletions;
    made->content = was.content;
}

/* The tree of leaves that have been laid out, `first` on. */
CRDTI_FN void crdti_remake_tree(crdti_remake *r, uint32_t first)
{
    crdti_sequence *s = r->s;
    s->root = s->first = first;
    s->height = 0;
    crdti_zero(&s->total, sizeof s->total);
    crdti_plant_forks(&r->plant);
    if (s->is_list) {
        crdti_positions_release(r->doc, s);
        crdti_positions_hold(r->doc, s, r->chars);
    }
    crdti_homes_drop(&r->doc->alloc, &s->homes);
    crdti_zero(&s->cursor, sizeof s->cursor);
    s->cursor_is_known = 0;
    s->room = 0;
    s->changes++;
}

/* Authors of whom nothing is left go. */
CRDTI_FN void crdti_remake_leave(crdti_remake *r)
{
    uint32_t *link = &r->s->authors, at;
    while ((at = *link) != 0) {
        crdti_author *author = crdti_author_at(r->doc, at);
        if (author->insertions.len || author->deletions.len) {
            link = &author->next;
            continue;
        }
        *link = author->next;
        if (r->s->own == at)
            r->s->own = 0;
        crdti_author_free(r->doc, at);
    }
}

/* What is to be becomes so. Cannot fail. */
CRDTI_FN void crdti_remake_apply(crdti_remake *r)
{
    crdti_sequence *s = r->s;
    crdti_extents was = s->extents;
    uint32_t first;
    size_t i;
    crdti_widths_close(r->doc, s);
    r->plant.leaf = first = crdti_leaf_take(r->doc, s);
    crdti_remake_spans(r, s->first);
    crdti_spans_free(r->doc, s);
    for (i = 0; i < r->authors_len; i++)
        crdti_remake_swap(r, &r->authors[i]);
    s->extents = r->extents;
    r->extents = was;
    s->names_used = r->names_used;
    crdti_remake_tree(r, first);
    crdti_old_forget(r->doc, s);
}

/* Frees what is not needed any more. */
CRDTI_FN void crdti_remake_end(crdti_remake *r)
{
    size_t i;
    for (i = 0; r->authors && i < r->authors_len; i++) {
        crdti_author *made = &r->authors[i].made;
        crdti_author_at(r->doc, r->authors[i].author)->party = 0;
        crdti_array_free(&r->doc->alloc, &made->insertions);
        crdti_array_free(&r->doc->alloc, &made->deletions);
        crdti_array_free(&r->doc->alloc, &made->content);
    }
    crdti_array_free(&r->doc->alloc, &r->extents);
}

#endif
/* >> sweep.h */
/*
 * The sweep: old characters go (old.h), when every member has truncated as far
 * as this replica has.
 *
 * It is never wrong, only early: if somebody names one that is gone all the
 * same, the change is refused (FORGOTTEN) until it comes with the whole state,
 * in which what it names comes back (restore.h).
 */
#ifndef CRDTI_SWEEP_H
#define CRDTI_SWEEP_H


CRDTI_FN crdt_err crdti_sweep_remake(crdt_doc *doc, crdti_sequence *s,
                                     const uint64_t *old)
{
    crdti_arena_mark mark = crdti_arena_here(&doc->scratch);
    crdti_remake r;
    crdt_err err;
    crdti_remake_begin(&r, doc, s);
    r.old = old;
    err = crdti_remake_prepare(&r);
    if (!err)
        crdti_remake_apply(&r);
    crdti_remake_end(&r);
    if (!err)
        crdti_remake_leave(&r);
    crdti_arena_reset(&doc->scratch, mark);
    return err;
}

/* But not while it is yet to be told what has changed, by name. */
CRDTI_FN crdt_err crdti_sequence_sweep(crdt_doc *doc, crdti_sequence *s)
{
    size_t words = crdti_names_words(s);
    uint64_t *old;
    crdt_err err;
    if (s->born.len || s->died.len)
        return CRDT_OK;
    err = crdti_old_find(doc, s, &old);
    if (!err && old)
        err = crdti_sweep_remake(doc, s, old);
    crdti_free(&doc->alloc, old, words * sizeof *old);
    return err;
}

CRDT_API crdt_err crdt_sweep(crdt_doc *doc, const crdt_vv *floor)
{
    size_t i;
    uint32_t at;
    crdt_err err = CRDT_OK;
    if (!doc || !floor)
        return CRDT_ERR_ARG;
    if (crdti_is_telling(doc))
        return CRDT_ERR_AGAIN;
    for (i = 0; i < doc->replicas.len; i++)
        if (doc->replicas.ptr[i].floor >
            crdt_vv_get(floor, &doc->replicas.ptr[i].id))
            return CRDT_ERR_AGAIN;
    for (at = doc->floors ? doc->sequences : 0; at && !err;
         at = crdti_sequence_at(doc, at)->next_sequence)
        err = crdti_sequence_sweep(doc, crdti_sequence_at(doc, at));
    return err;
}

#endif
/* >> replant.h */
/*
 * Replants: the order of a sequence that is there already, found anew as that
 * of a plant, all at once. For joins whose insertions one by one would walk
 * past each other for too long: as many as insert at one spot.
 *
 *     records   of the authors; new ones are written down, but not placed
 *     order     plant.h: O(n log n)
 *     leaves    built anew; what was visible is so again
 *
 * It is only an acceleration: where there is no memory for it, they walk.
 */
#ifndef CRDTI_REPLANT_H
#define CRDTI_REPLANT_H


CRDTI_FN void crdti_replant_begin(crdti_plant *p, crdti_delta_sequence *all,
                                  crdt_doc *doc, crdti_sequence *s)
{
    crdti_zero(all, sizeof *all);
    crdti_zero(p, sizeof *p);
    p->doc = doc;
    p->d = all;
    p->s = s;
    p->arena = &doc->scratch;
}

/* The insertions of all authors, by name. */
CRDTI_FN void crdti_replant_gather(crdti_plant *p)
{
    const crdti_extents *extents = &p->s->extents;
    crdti_delta_sequence *d = p->d;
    size_t i;
    for (i = 0; i < extents->len; i++) {
        const crdti_extent *extent = &extents->ptr[i];
        const crdti_author *author = crdti_author_at(p->doc, extent->author);
        const crdti_insertion *at = author->insertions.ptr;
        const crdti_insertion *end = at + author->insertions.len;
        if (author->insertions.len)
            at = crdti_insertion_of(author, extent->name);
        for (; at < end; at++) {
            crdti_edit *edit = &d->edits[d->edits_len];
            if (at->name < extent->name)
                continue;
            if (i + 1 < extents->len && at->name >= extent[1].name)
                break;
            edit->replica = author->replica;
            edit->name = edit->here = at->name;
            edit->len = at->len;
            edit->left = at->left;
            edit->right = at->right;
            d->inserts[d->edits_len] = (uint32_t)d->edits_len;
            d->edits_len++;
        }
    }
    d->inserts_len = d->edits_len;
}

/* Arrays for them, and what is not visible now. */
CRDTI_FN crdt_err crdti_replant_make(crdti_plant *p)
{
    crdti_delta_sequence *d = p->d;
    size_t count = 0, words = p->s->names_used / 64 + 1;
    uint32_t at;
    for (at = p->s->authors; at; at = crdti_author_at(p->doc, at)->next)
        count += crdti_author_at(p->doc, at)->insertions.len;
    d->chars = p->s->names_used;
    d->edits =
        (crdti_edit *)crdti_arena_alloc(p->arena, count * sizeof *d->edits);
    d->inserts = (uint32_t *)crdti_plant_array(p, count, 0);
    d->dead = (uint64_t *)crdti_plant_array(p, 2 * words, 1);
    if (!d->edits || !d->inserts || !d->dead)
        return CRDT_ERR_NOMEM;
    crdti_replant_gather(p);
    crdti_names_dead(p->doc, p->s, d->dead);
    return CRDT_OK;
}

/* Finds the order, and what it takes. Nothing is changed yet. */
CRDTI_FN crdt_err crdti_replant_prepare(crdti_plant *p)
{
    uint32_t len = 0, all = 0, i;
    crdt_err err = crdti_replant_make(p);
    if (!err)
        err = crdti_plant_cut(p);
    if (err)
        return err;
    crdti_plant_walk(p);
    for (i = 0; i < p->order_len; i++)
        len += crdti_piece_len(p, p->order[i]);
    for (i = 0; i < p->d->edits_len; i++)
        all += p->d->edits[i].len;
    if (len != all)
        return CRDT_ERR_CORRUPT;
    crdti_plant_size(p, p->d->edits_len);
    return CRDT_OK;
}

/* The new order takes the place of the old one. Cannot fail. */
CRDTI_FN void crdti_replant_apply(crdti_plant *p)
{
    crdti_sequence *s = p->s;
    crdti_widths_close(p->doc, s);
    crdti_spans_free(p->doc, s);
    crdti_homes_drop(&p->doc->alloc, &s->homes);
    crdti_zero(&s->cursor, sizeof s->cursor);
    crdti_zero(&s->total, sizeof s->total);
    s->root = s->first = crdti_leaf_take(p->doc, s);
    crdti_plant_leaves(p);
    crdti_plant_forks(p);
    s->cursor_is_known = 0;
    s->is_hashed = 0;
    s->changes++;
    crdti_homes_make(p->doc, s);
}

#endif
/* >> restore.h */
/*
 * Restores: characters that were swept here (sweep.h), and that somebody names
 * who had them still, come back before the delta that has them is joined: dead,
 * and where they were, as their origins say. So whatever was swept where, and
 * when, all replicas order alike what is there.
 */
#ifndef CRDTI_RESTORE_H
#define CRDTI_RESTORE_H


/* Insertions that have walked so far, to find their places one by one. */
#define CRDTI_RESTORE_STEPS 4096u

typedef struct crdti_restore {
    crdt_doc *doc;
    const crdti_delta *delta;
    crdti_delta_sequence *d;
    crdti_sequence *s;
    const uint64_t *have; /* own seq by replica of the message */
    crdti_absent *absent; /* NULL: they are counted */
    uint32_t absent_len;
    size_t steps;
} crdti_restore;

/* How many dots of the edit we have. */
CRDTI_INLINE uint32_t crdti_dots_known(const uint64_t *have,
                                       const crdti_edit *edit)
{
    uint64_t seq = have[edit->replica];
    if (seq < edit->seq)
        return 0;
    return (uint32_t)crdti_min(edit->len, seq - edit->seq + 1);
}

/* >>what is absent -------------------------------------------------------- */

/* Characters of an edit that we had once: below the floor, or there are two
 * that use one replica id. */
CRDTI_FN crdt_err crdti_restore_add(crdti_restore *b, uint32_t author,
                                    uint32_t edit, uint64_t first,
                                    uint64_t end)
{
    const crdti_edit *of = &b->d->edits[edit];
    uint32_t number = b->delta->replicas[of->replica].number;
    crdti_absent *to;
    if (first == end)
        return CRDT_OK;
    if (end - 1 > b->doc->replicas.ptr[number].floor)
        return CRDT_ERR_FORK;
    if (b->absent) {
        to = &b->absent[b->absent_len];
        crdti_zero(to, sizeof *to);
        to->seq = first;
        to->author = author;
        to->len = (uint32_t)(end - first);
        to->edit = edit;
        to->offset = (uint32_t)(first - of->seq);
    }
    b->absent_len++;
    return CRDT_OK;
}

/* Those of the edit, of which `known` are known, that are not here. */
CRDTI_FN crdt_err crdti_restore_look(crdti_restore *b, uint32_t index,
                                     uint32_t known)
{
    const crdti_edit *edit = &b->d->edits[index];
    uint32_t number = b->delta->replicas[edit->replica].number;
    uint32_t author = crdti_author_find(b->doc, b->s->object, number);
    uint64_t next = edit->seq, end = edit->seq + known;
    crdt_err err = CRDT_OK;
    size_t i;
    if (author) {
        const crdti_author *by = crdti_author_at(b->doc, author);
        for (i = crdti_insertion_place(by, next);
             i < by->insertions.len && !err; i++) {
            const crdti_insertion *at = &by->insertions.ptr[i];
            if (at->seq >= end)
                break;
            if (at->seq > next)
                err = crdti_restore_add(b, author, index, next, at->seq);
            next = crdti_min(at->seq + at->len, end);
        }
    }
    return err ? err : crdti_restore_add(b, author, index, next, end);
}

/* Whether we know that character, as of what we know all origins are. */
CRDTI_FN int crdti_restore_knows(const crdti_restore *b, uint32_t told)
{
    const crdti_edit *edit;
    if (told == CRDTI_NO_CHAR || crdti_is_outside(told))
        return 1;
    edit = crdti_edit_of(b->d, told);
    return told - edit->name < crdti_dots_known(b->have, edit);
}

CRDTI_FN crdt_err crdti_restore_find(crdti_restore *b)
{
    uint32_t i;
    crdt_err err = CRDT_OK;
    b->absent_len = 0;
    for (i = 0; i < b->d->edits_len && !err; i++) {
        const crdti_edit *edit = &b->d->edits[i];
        uint32_t known = crdti_dots_known(b->have, edit),
                 before = b->absent_len;
        if (!known || edit->kind != CRDTI_INSERTION_EDIT)
            continue;
        err = crdti_restore_look(b, i, known);
        if (b->absent_len > before && (!crdti_restore_knows(b, edit->left) ||
                                       !crdti_restore_knows(b, edit->right)))
            return CRDT_ERR_CORRUPT;
    }
    return err;
}

/* Those whom we have nothing of, in this sequence, are authors of it again. */
CRDTI_FN crdt_err crdti_restore_authors(crdti_restore *b)
{
    uint32_t i;
    crdt_err err = CRDT_OK;
    for (i = 0; i < b->absent_len && !err; i++) {
        crdti_absent *absent = &b->absent[i];
        const crdti_edit *edit = &b->d->edits[absent->edit];
        err = crdti_author_get(b->doc, &b->s->authors, b->s->object,
                               b->delta->replicas[edit->replica].number,
                               &absent->author);
    }
    return err;
}

/* >>places ---------------------------------------------------------------- */

/* The name, now, of a character that we know. */
CRDTI_FN uint32_t crdti_restore_name(const crdti_restore *b, uint32_t told)
{
    const crdti_edit *edit;
    const crdti_outside *outside;
    uint32_t replica;
    uint64_t seq;
    if (told == CRDTI_NO_CHAR)
        return told;
    if (crdti_is_outside(told)) {
        outside = &b->d->outside[told & ~CRDTI_OUTSIDE];
        replica = outside->replica;
        seq = outside->seq;
    } else {
        edit = crdti_edit_of(b->d, told);
        replica = edit->replica;
        seq = edit->seq + (told - edit->name);
    }
    return crdti_seq_name(
        crdti_author_at(b->doc,
                        crdti_author_find(b->doc, b->s->object,
                                          b->delta->replicas[replica].number)),
        seq);
}

CRDTI_FN void crdti_restore_origins(crdti_restore *b,
                                    const crdti_absent *absent)
{
    const crdti_edit *edit = &b->d->edits[absent->edit];
    crdti_insertion *at = crdti_insertion_of(
        crdti_author_at(b->doc, absent->author), absent->name);
    at->left = crdti_restore_name(
        b, absent->offset ? edit->name + absent->offset - 1 : edit->left);
    at->right = crdti_restore_name(b, edit->right);
}

CRDTI_FN void crdti_restore_place(crdti_restore *b, const crdti_absent *absent)
{
    crdti_origins origins = crdti_origins_of(b->doc, b->s, absent->name);
    crdti_spot spot = crdti_integrate(
        b->doc, b->s, &origins, crdti_spot_behind(b->doc, b->s, origins.left),
        &b->steps);
    crdti_span_put(b->doc, b->s, &spot, absent->name,
                   absent->len | CRDTI_HIDDEN, 0);
}

/* All places at once. 0: there is no memory, and nothing has changed. */
CRDTI_FN int crdti_restore_replant(crdti_restore *b)
{
    crdti_arena_mark mark = crdti_arena_here(&b->doc->scratch);
    crdti_delta_sequence all;
    crdti_plant p;
    crdt_err err;
    crdti_replant_begin(&p, &all, b->doc, b->s);
    err = crdti_replant_prepare(&p);
    if (!err && !b->s->is_list)
        err = crdti_nodes_reserve(b->doc, p.leaves, p.forks);
    if (!err)
        crdti_replant_apply(&p);
    crdti_arena_reset(&b->doc->scratch, mark);
    return !err;
}

/* In the order of the delta: each behind what it names. */
CRDTI_FN void crdti_restore_places(crdti_restore *b)
{
    uint32_t i;
    int can_replant = 1;
    for (i = 0; i < b->absent_len; i++)
        crdti_restore_origins(b, &b->absent[i]);
    crdti_homes_make(b->doc, b->s);
    for (i = 0; i < b->absent_len; i++) {
        if (can_replant && b->steps > CRDTI_RESTORE_STEPS) {
            can_replant = 0;
            if (crdti_restore_replant(b))
                return;
        }
        crdti_restore_place(b, &b->absent[i]);
    }
}

/* Authors that had nothing, or nothing so late, are in the order of their
 * replica again. */
CRDTI_FN void crdti_restore_file(crdti_restore *b)
{
    uint32_t i;
    for (i = 0; i < b->absent_len; i++) {
        const crdti_absent *absent = &b->absent[i];
        crdti_author *author = crdti_author_at(b->doc, absent->author);
        uint64_t last = absent->seq + absent->len - 1;
        if (last <= author->last)
            continue;
        crdti_author_unlist(b->doc, absent->author);
        author->last = last;
    }
    for (i = 0; i < b->absent_len; i++)
        if (!crdti_author_at(b->doc, b->absent[i].author)->is_listed)
            crdti_author_file(b->doc, b->absent[i].author);
}

/* >>all of it ------------------------------------------------------------- */

CRDTI_FN crdt_err crdti_restore_remake(crdti_restore *b)
{
    crdti_remake r;
    crdt_err err = crdti_restore_authors(b);
    if (err)
        return err;
    crdti_remake_begin(&r, b->doc, b->s);
    r.absent = b->absent;
    r.absent_len = b->absent_len;
    err = crdti_remake_prepare(&r);
    if (!err)
        crdti_remake_apply(&r);
    crdti_remake_end(&r);
    if (err)
        return err;
    crdti_restore_file(b);
    crdti_restore_places(b);
    return CRDT_OK;
}

/* Has all characters of the section here that we know. What outside ones are
 * called changes. FORK, CORRUPT, LIMIT, NOMEM: nothing has changed. */
CRDTI_FN crdt_err crdti_restore_all(crdti_restore *b)
{
    crdti_sequence *s = b->s;
    crdt_err err = crdti_restore_find(b);
    if (err || !b->absent_len)
        return err;
    if (s->born.len || s->died.len) { /* those are names */
        b->doc->watch->is_lost = 1;
        crdti_news_clear(&b->doc->alloc, s);
    }
    b->absent = (crdti_absent *)crdti_arena_alloc(
        &b->doc->scratch, b->absent_len * sizeof *b->absent);
    if (!b->absent)
        return CRDT_ERR_NOMEM;
    crdti_restore_find(b);
    b->doc->restored++;
    return crdti_restore_remake(b);
}

#endif
/* >> graft.h */
/*
 * Grafts: what a delta brings to sequences, put where it belongs.
 *
 *     prepare   names that the edits use are looked up, authors made, memory
 *               taken for all that may happen
 *     apply     without a way to fail: insertions are integrated one by one,
 *               dead ones as such; deletions hide what is still visible
 *     context   own characters that the delta covers and does not show die
 *
 * Of an edit of which we have a part, the rest is taken.
 */
#ifndef CRDTI_GRAFT_H
#define CRDTI_GRAFT_H


typedef struct crdti_graft {
    crdt_doc *doc;
    crdti_delta *delta;
    const uint64_t *have;    /* own seq by replica of the message */
    crdti_graft_need *needs; /* by replica of the message; zeros between two
                                sequences */
    /* Of the sequence at hand: */
    crdti_delta_sequence *d;
    crdti_sequence *s;
    const uint8_t *content; /* what is not taken yet */
    crdti_origins before;   /* of the last insertion; `end`: its name */
    size_t cuts, trees;     /* spans that may be cut in all, and where */
    size_t leaves, forks;   /* that lists will hold */
    uint32_t height;        /* of the highest tree */
    uint32_t *touched;      /* authors with news */
    size_t touched_len, touched_cap;
    size_t steps;  /* past other insertions, in all */
    int is_placed; /* all that is inserted */
} crdti_graft;

/* When insertions have walked as far as it takes to find all places anew. */
#ifndef CRDTI_STEPS_MAX
#define CRDTI_STEPS_MAX 64u
#endif

CRDTI_INLINE uint32_t crdti_edit_known(const crdti_graft *g,
                                       const crdti_edit *edit)
{
    return crdti_dots_known(g->have, edit);
}

CRDTI_FN uint32_t crdti_graft_author(const crdti_graft *g, uint32_t replica)
{
    return crdti_author_find(g->doc, g->s->object,
                             g->delta->replicas[replica].number);
}

/* >>prepare --------------------------------------------------------------- */

/* Takes the content of `len` characters off what is left. */
CRDTI_FN crdt_bytes crdti_graft_take(crdti_graft *g, uint32_t len)
{
    const crdt_bytes all = g->d->content;
    const uint8_t *from = g->content;
    size_t size = crdti_utf8_len(all, (size_t)(from - all.ptr), len);
    g->content = from + size;
    return crdt_bytes_of(from, size);
}

/* The next characters of an insertion, `at` on, that are all alive or all
 * dead: how many, and the bytes of the former. */
CRDTI_FN uint32_t crdti_graft_stretch(crdti_graft *g, uint32_t at,
                                      uint32_t most, crdt_bytes *bytes)
{
    uint32_t len = crdti_bits_run(g->d->dead, at, most);
    *bytes = crdti_no_key();
    if (!(g->d->dead[at / 64] >> at % 64 & 1))
        *bytes = crdti_graft_take(g, len);
    return len;
}

/* In how many insertions, here, are the characters of the delta from `from` up
 * to `end`? */
CRDTI_FN size_t crdti_graft_parts(const crdti_graft *g, uint32_t from,
                                  uint32_t end)
{
    size_t count = 0, insertions;
    while (from < end) {
        const crdti_edit *edit = crdti_edit_of(g->d, from);
        uint32_t known = crdti_edit_known(g, edit);
        uint32_t to = (uint32_t)crdti_min(end, edit->name + edit->len);
        if (from < edit->name + known) {
            to = (uint32_t)crdti_min(to, edit->name + known);
            crdti_author_count(
                crdti_author_at(g->doc, crdti_graft_author(g, edit->replica)),
                edit->seq + (from - edit->name),
                edit->seq + (to - edit->name) - 1, &insertions);
            count += insertions;
        } else {
            count++;
        }
        from = to;
    }
    return count;
}

/* How many deletions the edit becomes here, at most. */
CRDTI_FN size_t crdti_graft_stretches(const crdti_graft *g,
                                      const crdti_edit *edit)
{
    uint32_t more = edit->kind == CRDTI_BACKWARDS_EDIT ? edit->len - 1 : 0;
    const crdti_outside *outside;
    size_t insertions;
    if (!crdti_is_outside(edit->name))
        return crdti_graft_parts(g, edit->name - more,
                                 edit->name - more + edit->len);
    outside = &g->d->outside[edit->name & ~CRDTI_OUTSIDE];
    crdti_author_count(
        crdti_author_at(g->doc, crdti_graft_author(g, outside->replica)),
        outside->seq - more, outside->seq - more + edit->len - 1, &insertions);
    return insertions;
}

CRDTI_FN void crdti_graft_count(crdti_graft *g, const crdti_edit *edit)
{
    crdti_graft_need *need = &g->needs[edit->replica];
    uint32_t known = crdti_edit_known(g, edit), at, len;
    if (edit->kind != CRDTI_INSERTION_EDIT) {
        size_t stretches =
            known < edit->len ? crdti_graft_stretches(g, edit) : 0;
        need->deletions += stretches;
        need->victims += edit->len - known;
        g->cuts += 2 * stretches;
        return;
    }
    for (at = 0; at < edit->len; at += len) {
        crdt_bytes bytes;
        if (at < known) {
            len = crdti_graft_stretch(g, edit->name + at, known - at, &bytes);
            g->cuts += 2;
            continue;
        }
        len = crdti_graft_stretch(g, edit->name + at, edit->len - at, &bytes);
        need->chars += len;
        need->bytes += bytes.len;
        do {
            if (bytes.len)
                crdti_piece_take(&bytes);
            need->insertions++;
            g->cuts += !g->s->is_list; /* that holds them */
        } while (bytes.len);
    }
}

/* What a character that is not here is answered with. */
CRDTI_FN crdt_err crdti_graft_absent(const crdti_graft *g,
                                     const crdti_outside *outside)
{
    uint32_t number = g->delta->replicas[outside->replica].number;
    return outside->seq <= g->doc->replicas.ptr[number].floor
               ? CRDT_ERR_FORGOTTEN
               : CRDT_ERR_CORRUPT;
}

/* Finds the characters that are not in the delta. CORRUPT: there is none.
 * FORGOTTEN: there is none any more. */
CRDTI_FN crdt_err crdti_graft_outside(crdti_graft *g)
{
    size_t i;
    for (i = 0; i < g->d->outside_len; i++) {
        crdti_outside *outside = &g->d->outside[i];
        uint32_t author = crdti_graft_author(g, outside->replica);
        outside->name = CRDTI_NO_CHAR;
        if (author)
            outside->name =
                crdti_seq_name(crdti_author_at(g->doc, author), outside->seq);
        if (outside->name == CRDTI_NO_CHAR)
            return crdti_graft_absent(g, outside);
    }
    return CRDT_OK;
}

/* Has here what we know of the insertions, where the delta says it is. */
CRDTI_FN crdt_err crdti_graft_restore(crdti_graft *g)
{
    crdti_restore b;
    crdt_err err;
    crdti_zero(&b, sizeof b);
    b.doc = g->doc;
    b.delta = g->delta;
    b.d = g->d;
    b.s = g->s;
    b.have = g->have;
    err = crdti_restore_all(&b);
    return err || !b.absent ? err : crdti_graft_outside(g);
}

/* Whether all that a deletion of others' characters takes is here. */
CRDTI_FN int crdti_graft_has_victims(const crdti_graft *g,
                                     const crdti_edit *edit)
{
    const crdti_outside *outside;
    const crdti_author *author;
    uint64_t low;
    size_t insertions;
    if (edit->kind == CRDTI_INSERTION_EDIT || !crdti_is_outside(edit->name))
        return 1;
    outside = &g->d->outside[edit->name & ~CRDTI_OUTSIDE];
    author = crdti_author_at(g->doc, crdti_graft_author(g, outside->replica));
    low = outside->seq;
    low -= edit->kind == CRDTI_BACKWARDS_EDIT ? edit->len - 1 : 0;
    return crdti_author_count(author, low, low + edit->len - 1, &insertions) ==
           edit->len;
}

/* Takes memory for one author. */
CRDTI_FN crdt_err crdti_graft_reserve(crdti_graft *g, uint32_t replica)
{
    crdti_graft_need *need = &g->needs[replica];
    crdti_author *author;
    uint32_t index;
    crdt_err err;
    if (!need->insertions && !need->deletions)
        return CRDT_OK;
    g->touched_cap++;
    err = crdti_author_get(g->doc, &g->s->authors, g->s->object,
                           g->delta->replicas[replica].number, &index);
    if (err)
        return err;
    author = crdti_author_at(g->doc, index);
    if (crdti_array_reserve(&g->doc->alloc, &author->deletions,
                            need->deletions))
        return CRDT_ERR_NOMEM;
    err = crdti_insertions_reserve(g->doc, g->s, index, need->insertions,
                                   need->chars, need->bytes);
    crdti_zero(need, sizeof *need);
    return err;
}

/* Lays the sequence out at once, where that can be; what it shows is told when
 * the delta is applied. */
CRDTI_FN crdt_err crdti_graft_plant(crdti_graft *g)
{
    crdti_plant p;
    uint32_t at;
    crdt_err err;
    crdti_zero(&p, sizeof p);
    p.doc = g->doc;
    p.delta = g->delta;
    p.d = g->d;
    p.s = g->s;
    p.needs = g->needs;
    p.arena = &g->doc->scratch;
    crdti_homes_drop(&g->doc->alloc, &g->s->homes);
    err = crdti_plant_sequence(&p, &g->d->is_planted);
    for (at = g->s->authors; at && !err;
         at = crdti_author_at(g->doc, at)->next)
        g->touched_cap++;
    if (err)
        crdti_sequence_clear(g->doc, g->s);
    g->s->is_bare = g->d->is_planted && g->s->is_list;
    return err;
}

/* Whether none of it was seen before, as it was where a text is empty because
 * all in it has been forgotten. */
CRDTI_FN int crdti_graft_is_new(const crdti_graft *g)
{
    size_t i = 0;
    while (i < g->d->edits_len && !crdti_edit_known(g, &g->d->edits[i]))
        i++;
    return i == g->d->edits_len;
}

CRDTI_FN crdt_err crdti_graft_prepare_one(crdti_graft *g)
{
    const crdti_delta_sequence *d = g->d;
    crdt_err err;
    size_t i;
    uint32_t number = g->delta->objects[d->object].number, chars = 0;
    err = crdti_sequence_get(g->doc, number, &g->s);
    if (err)
        return err;
    if (g->s->is_met)
        return CRDT_ERR_CORRUPT; /* two sections of one sequence */
    g->s->is_met = 1;
    if (!g->s->names_used && crdti_graft_is_new(g))
        err = crdti_graft_plant(g);
    if (!err && !g->d->is_planted)
        err = crdti_graft_outside(g);
    if (!err && !g->d->is_planted && g->d->is_laid_out)
        err = CRDT_ERR_UNSUPPORTED;
    if (!err && !g->d->is_planted)
        err = crdti_graft_restore(g);
    if (err || g->d->is_planted)
        return err;
    g->content = d->content.ptr;
    for (i = 0; i < d->edits_len; i++)
        if (!crdti_graft_has_victims(g, &d->edits[i]))
            return crdti_graft_absent(
                g, &d->outside[d->edits[i].name & ~CRDTI_OUTSIDE]);
    for (i = 0; i < d->edits_len; i++)
        crdti_graft_count(g, &d->edits[i]);
    for (i = 0; i < d->edits_len; i++)
        if (g->needs[d->edits[i].replica].victims >
            g->s->names_used + d->chars)
            return CRDT_ERR_CORRUPT; /* nobody deletes a character twice */
    for (i = 0; i < d->edits_len; i++)
        chars += d->edits[i].len - crdti_edit_known(g, &d->edits[i]);
    if (g->s->is_list) {
        g->leaves += crdti_leaves_more(g->s, chars);
        g->forks += crdti_forks_more(g->s, chars);
    }
    for (i = 0; i < d->edits_len && !err; i++)
        err = crdti_graft_reserve(g, d->edits[i].replica);
    crdti_homes_make(g->doc, g->s);
    return err;
}

/* Characters of own that the marks of killers, or the context, may cut. */
CRDTI_FN void crdti_graft_count_rest(crdti_graft *g)
{
    const crdti_delta *d = g->delta;
    size_t i, k;
    if (!g->doc->sequences)
        return;
    for (i = 0; i < d->ops_len; i++)
        for (k = 0; k < d->ops[i].kills_len; k++)
            g->cuts += g->doc->replicas
                           .ptr[d->replicas[d->ops[i].kills[k].replica].number]
                           .authors;
    for (i = 0; i < d->replicas_len; i++)
        if (d->replicas[i].base < g->have[i])
            g->cuts += 2 * g->doc->replicas.ptr[d->replicas[i].number].authors;
    g->trees += g->doc->authors.live;
}

/* Memory for so many nodes, and all that is to come. */
CRDTI_FN crdt_err crdti_graft_nodes(crdti_graft *g, size_t leaves,
                                    size_t forks)
{
    crdt_doc *doc = g->doc;
    crdt_err err;
    doc->held_leaves += leaves += g->leaves;
    doc->held_forks += forks += g->forks;
    err = crdti_spans_reserve_at(doc, g->height + 2, g->trees, g->cuts);
    doc->held_leaves -= leaves;
    doc->held_forks -= forks;
    return err;
}

CRDTI_FN crdt_err crdti_graft_prepare(crdti_graft *g)
{
    size_t i;
    crdt_err err = CRDT_OK;
    for (i = 0; i < g->delta->sequences_len && !err; i++) {
        g->d = &g->delta->sequences[i];
        err = crdti_graft_prepare_one(g);
        if (!err && g->s->height > g->height)
            g->height = g->s->height;
    }
    if (err)
        return err;
    crdti_graft_count_rest(g);
    g->touched = (uint32_t *)crdti_arena_alloc(
        &g->doc->scratch, g->touched_cap * sizeof *g->touched);
    return g->touched ? crdti_graft_nodes(g, 0, 0) : CRDT_ERR_NOMEM;
}

/* Names of an author that goes were used by nobody. */
CRDTI_FN void crdti_names_forget(crdti_extents *extents, uint32_t author)
{
    size_t i, kept = 0;
    for (i = 0; i < extents->len; i++)
        if (extents->ptr[i].author != author)
            extents->ptr[kept++] = extents->ptr[i];
    extents->len = kept;
}

/* Takes back the authors that came with what is not to be. */
CRDTI_FN void crdti_graft_undo(crdti_graft *g)
{
    size_t i;
    for (i = 0; i < g->delta->sequences_len; i++) {
        uint32_t number =
            g->delta->objects[g->delta->sequences[i].object].number;
        crdti_sequence *s = number ? crdti_sequence_at(g->doc, number) : NULL;
        if (s)
            s->is_met = 0;
        if (s && g->delta->sequences[i].is_planted)
            crdti_sequence_clear(g->doc, s);
        while (s && s->authors) {
            uint32_t at = s->authors;
            crdti_author *author = crdti_author_at(g->doc, at);
            if (author->last)
                break;
            s->authors = author->next;
            if (s->own == at)
                s->own = 0;
            crdti_names_forget(&s->extents, at);
            crdti_author_free(g->doc, at);
        }
    }
}

/* >>apply ----------------------------------------------------------------- */

/* The name of a character that the edits name. */
CRDTI_FN uint32_t crdti_graft_name(const crdti_graft *g, uint32_t told)
{
    const crdti_delta_sequence *d = g->d;
    const crdti_edit *edit;
    uint32_t known;
    if (told == CRDTI_NO_CHAR)
        return told;
    if (told & CRDTI_OUTSIDE)
        return d->outside[told & ~CRDTI_OUTSIDE].name;
    edit = crdti_edit_of(d, told);
    known = crdti_edit_known(g, edit);
    if (told - edit->name >= known)
        return edit->here + (told - edit->name - known);
    return crdti_seq_name(
        crdti_author_at(g->doc, crdti_graft_author(g, edit->replica)),
        edit->seq + (told - edit->name));
}

/* Writes down `len` characters, alive with those bytes or dead, and puts them
 * at the spot, if there is one. */
CRDTI_FN void crdti_graft_put(crdti_graft *g, uint32_t author, uint64_t *seq,
                              crdti_origins *origins, crdti_spot *spot,
                              uint32_t len, crdt_bytes bytes)
{
    do {
        crdti_author *at = crdti_author_at(g->doc, author);
        crdti_piece piece;
        crdti_zero(&piece, sizeof piece);
        piece.width.chars = len;
        if (bytes.len)
            piece = crdti_piece_take(&bytes);
        if (spot)
            crdti_insertion_put(g->doc, g->s, author, *seq, origins, &piece,
                                spot);
        else
            crdti_insertion_write(g->doc, g->s, author, *seq, origins, &piece);
        *seq += piece.width.chars;
        origins->left = at->free_name - 1;
    } while (bytes.len);
}

/* From where on to look for the place of an insertion: behind its left origin.
 * But if the one before has the same origins, it is not before that one: many
 * at one spot would be a walk of them all for each. */
CRDTI_FN crdti_spot crdti_graft_start(const crdti_graft *g,
                                      const crdti_origins *ours)
{
    const crdti_origins *before = &g->before;
    const crdti_replica *replicas = g->doc->replicas.ptr;
    if (before->end != CRDTI_NO_CHAR && before->left == ours->left &&
        before->right == ours->right &&
        crdti_id_order(&replicas[before->replica].id,
                       &replicas[ours->replica].id) <= 0)
        return crdti_spot_of(g->doc, g->s, before->end);
    return crdti_spot_behind(g->doc, g->s, ours->left);
}

/* The author changes the sequence. (Lists were touched before.) */
CRDTI_FN void crdti_graft_touch(crdti_graft *g, uint32_t author)
{
    crdti_author *at = crdti_author_at(g->doc, author);
    if (!g->s->is_list) {
        g->doc->actor = at->replica;
        crdti_touch(g->doc, g->s->object, crdti_no_key());
    }
    if (at->is_touched)
        return;
    at->is_touched = 1;
    g->touched[g->touched_len++] = author;
}

CRDTI_FN int crdti_touched_order(const void *ctx, uint32_t a, uint32_t b)
{
    const crdt_doc *doc = (const crdt_doc *)ctx;
    uint64_t x = crdti_author_at(doc, a)->last;
    uint64_t y = crdti_author_at(doc, b)->last;
    return (x > y) - (x < y);
}

/* Those of one replica must be listed in the order of their latest seqs, of
 * all sequences together. */
CRDTI_FN void crdti_graft_list(crdti_graft *g)
{
    size_t i;
    crdti_sort(crdti_touched_order, g->doc, g->touched, g->touched_len);
    for (i = 0; i < g->touched_len; i++) {
        crdti_author_at(g->doc, g->touched[i])->is_touched = 0;
        crdti_author_list(g->doc, g->touched[i]);
    }
}

/* Has those of the positions visible, which are hidden, where elements stand.
 */
CRDTI_FN void crdti_graft_look(crdti_graft *g, const crdti_edit *edit)
{
    crdti_names_look(g->doc, g->s, edit->here,
                     edit->len - crdti_edit_known(g, edit));
}

/* Takes what is new of the insertion; `is_placed`: to where it belongs. */
CRDTI_FN void crdti_graft_insert(crdti_graft *g, crdti_edit *edit,
                                 int is_placed)
{
    uint32_t known = crdti_edit_known(g, edit), at, len, author;
    uint64_t seq = edit->seq + known;
    crdti_origins origins;
    crdti_spot spot = { 0, 0, 0 };
    crdt_bytes bytes;
    author = crdti_graft_author(g, edit->replica);
    for (at = 0; at < known; at += len)
        len = crdti_graft_stretch(g, edit->name + at, known - at, &bytes);
    if (known)
        crdti_author_at(g->doc, author)->party += known;
    if (known == edit->len)
        return;
    crdti_graft_touch(g, author);
    origins.left = known ? crdti_graft_name(g, edit->name + known - 1)
                         : crdti_graft_name(g, edit->left);
    origins.right = crdti_graft_name(g, edit->right);
    origins.replica = g->delta->replicas[edit->replica].number;
    origins.end = 0;
    if (is_placed)
        spot = crdti_integrate(g->doc, g->s, &origins,
                               crdti_graft_start(g, &origins), &g->steps);
    edit->here = crdti_author_at(g->doc, author)->free_name;
    g->before = origins;
    g->before.end = edit->here;
    for (at = known; at < edit->len; at += len) {
        len = crdti_graft_stretch(g, edit->name + at, edit->len - at, &bytes);
        crdti_graft_put(g, author, &seq, &origins, is_placed ? &spot : NULL,
                        len, bytes);
    }
    if (!is_placed)
        return;
    g->s->cursor = spot;
    if (g->s->is_list)
        crdti_graft_look(g, edit);
}

/* >>many at one spot ------------------------------------------------------ */

/* Of an insertion that is written down: has all that is alive visible. */
CRDTI_FN void crdti_graft_reveal(crdti_graft *g, crdti_plant *p,
                                 const crdti_edit *edit)
{
    const crdti_author *author =
        crdti_author_at(g->doc, crdti_graft_author(g, edit->replica));
    uint32_t len = edit->len - crdti_edit_known(g, edit);
    const crdti_insertion *at;
    if (!len)
        return;
    for (at = crdti_insertion_of(author, edit->here);
         at < author->insertions.ptr + author->insertions.len &&
         at->name < edit->here + len;
         at++) {
        uint32_t from = (uint32_t)crdti_max(at->name, edit->here);
        uint32_t to =
            (uint32_t)crdti_min(at->name + at->len, edit->here + len);
        if (at->content == CRDTI_CONTENT_GONE)
            continue;
        crdti_bits_clear(p->d->dead, from, to - from);
        crdti_news_born(g->doc, g->s, from, to - from);
    }
}

/* Puts an insertion that is written down where it belongs. */
CRDTI_FN void crdti_graft_place(crdti_graft *g, const crdti_edit *edit)
{
    const crdti_author *author =
        crdti_author_at(g->doc, crdti_graft_author(g, edit->replica));
    uint32_t name = edit->here, len;
    uint32_t end = name + (edit->len - crdti_edit_known(g, edit));
    crdti_origins origins;
    crdti_spot spot;
    if (name == end)
        return;
    origins = crdti_origins_of(g->doc, g->s, name);
    spot = crdti_integrate(g->doc, g->s, &origins,
                           crdti_spot_behind(g->doc, g->s, origins.left),
                           &g->steps);
    for (; name < end; name += len) {
        const crdti_insertion *at = crdti_insertion_of(author, name);
        uint32_t flags = at->content == CRDTI_CONTENT_GONE ? CRDTI_HIDDEN
                         : at->more_bytes                  ? CRDTI_WIDE
                                                           : 0;
        len = (uint32_t)crdti_min(at->name + at->len, end) - name;
        crdti_span_put(g->doc, g->s, &spot, name, len | flags, 0);
    }
    g->s->cursor = spot;
}

/* Takes what is inserted from the i-th edit on, all at once. */
CRDTI_FN void crdti_graft_replant(crdti_graft *g, size_t i)
{
    crdti_arena_mark mark = crdti_arena_here(&g->doc->scratch);
    crdti_delta_sequence all;
    crdti_plant p;
    size_t k;
    crdt_err err;
    for (k = i; k < g->d->edits_len; k++)
        if (g->d->edits[k].kind == CRDTI_INSERTION_EDIT)
            crdti_graft_insert(g, &g->d->edits[k], 0);
    crdti_replant_begin(&p, &all, g->doc, g->s);
    err = crdti_replant_prepare(&p);
    if (!err && !g->s->is_list) /* that holds what it may need */
        err = crdti_graft_nodes(g, 2 * p.leaves, 2 * p.forks + p.leaves / 14);
    for (k = i; k < g->d->edits_len; k++) {
        if (g->d->edits[k].kind != CRDTI_INSERTION_EDIT)
            continue;
        if (err)
            crdti_graft_place(g, &g->d->edits[k]);
        else
            crdti_graft_reveal(g, &p, &g->d->edits[k]);
    }
    if (!err)
        crdti_replant_apply(&p);
    crdti_arena_reset(&g->doc->scratch, mark);
    for (k = i; k < g->d->edits_len && g->s->is_list; k++)
        crdti_graft_look(g, &g->d->edits[k]);
    g->is_placed = 1;
}

/* Hides what is visible of `len` names from `name` on. `killer`: the author to
 * remember it with, from `seq` on, or 0. */
CRDTI_FN void crdti_graft_hide(crdti_graft *g, uint32_t name, uint32_t len)
{
    while (len) {
        crdti_spot spot = crdti_spot_of(g->doc, g->s, name);
        const crdti_leaf *leaf = crdti_leaf_at(g->doc, spot.leaf);
        uint32_t done = crdti_span_len(leaf, spot.at) - spot.off;
        if (done > len)
            done = len;
        if (!(leaf->lens[spot.at] & CRDTI_HIDDEN)) {
            done = crdti_span_hide(g->doc, g->s, &spot, done);
            g->s->cursor = spot;
        }
        name += done;
        len -= done;
    }
}

/* How many of the characters told, from `told` on or back, have names here
 * that follow on each other: those of one insertion here, or new ones of one
 * edit. *name is the first of them told. */
CRDTI_FN uint32_t crdti_graft_victims(const crdti_graft *g, uint32_t told,
                                      uint32_t most, int back, uint32_t *name)
{
    const crdti_insertion *at;
    const crdti_edit *edit;
    uint32_t room, known;
    *name = crdti_graft_name(g, told);
    at = crdti_insertion_of(
        crdti_author_at(g->doc, crdti_name_author(&g->s->extents, *name)),
        *name);
    room = back ? *name - at->name + 1 : at->name + at->len - *name;
    if (!crdti_is_outside(told)) {
        edit = crdti_edit_of(g->d, told);
        known = crdti_edit_known(g, edit);
        if (told - edit->name >= known)
            room = back ? told - edit->name - known + 1
                        : edit->name + edit->len - told;
        else
            room = (uint32_t)crdti_min(room, back ? told - edit->name + 1
                                                  : edit->name + known - told);
    }
    return room < most ? room : most;
}

/* A dot that is not in the delta, `by` further on or back. */
CRDTI_FN uint32_t crdti_graft_step(crdti_graft *g, uint32_t told, uint32_t by,
                                   int back)
{
    crdti_outside *outside;
    uint32_t author;
    if (!crdti_is_outside(told))
        return back ? told - by : told + by;
    outside = &g->d->outside[told & ~CRDTI_OUTSIDE];
    author = crdti_graft_author(g, outside->replica);
    outside->seq = back ? outside->seq - by : outside->seq + by;
    outside->name =
        crdti_seq_name(crdti_author_at(g->doc, author), outside->seq);
    return told;
}

CRDTI_FN void crdti_graft_delete(crdti_graft *g, const crdti_edit *edit)
{
    uint32_t done = crdti_edit_known(g, edit), told = edit->name, name, count;
    uint32_t author = crdti_graft_author(g, edit->replica);
    int back = edit->kind == CRDTI_BACKWARDS_EDIT;
    if (done == edit->len)
        return;
    crdti_graft_touch(g, author);
    if (done)
        told = crdti_graft_step(g, told, done, back);
    while (done < edit->len) {
        count = crdti_graft_victims(g, told, edit->len - done, back, &name);
        crdti_graft_hide(g, back ? name - (count - 1) : name, count);
        crdti_deletion_add(crdti_author_at(g->doc, author), edit->seq + done,
                           name, count, back ? CRDTI_BACKWARDS : 0);
        done += count;
        if (done < edit->len)
            told = crdti_graft_step(g, told, count, back);
    }
}

/* What we have and the delta shows dead, without saying by whom. */
CRDTI_FN void crdti_graft_dead(crdti_graft *g, const crdti_edit *edit)
{
    uint32_t known = crdti_edit_known(g, edit), at, len;
    for (at = 0; at < known; at += len) {
        uint32_t told = edit->name + at, i, done, name;
        len = crdti_bits_run(g->d->dead, told, known - at);
        if (!(g->d->dead[told / 64] >> told % 64 & 1))
            continue;
        g->doc->actor = CRDTI_NOBODY; /* that is not told */
        crdti_touch(g->doc, g->s->object, crdti_no_key());
        for (i = 0; i < len; i += done) {
            done = crdti_graft_victims(g, told + i, len - i, 0, &name);
            crdti_graft_hide(g, name, done);
        }
    }
}

/* All that is visible has just appeared. */
CRDTI_FN void crdti_graft_tell(crdti_graft *g)
{
    crdti_spot spot = { 0, 0, 0 };
    spot.leaf = g->s->first;
    while (crdti_spot_next_shown(g->doc, &spot)) {
        const crdti_leaf *leaf = crdti_leaf_at(g->doc, spot.leaf);
        spot.off = crdti_span_len(leaf, spot.at);
        crdti_news_born(g->doc, g->s, leaf->names[spot.at], spot.off);
    }
}

/* What was laid out becomes part of the document. */
CRDTI_FN void crdti_graft_show(crdti_graft *g)
{
    uint32_t at;
    for (at = g->s->authors; at; at = crdti_author_at(g->doc, at)->next) {
        if (!crdti_author_at(g->doc, at)->last)
            continue; /* one of ours that has not written yet */
        crdti_graft_touch(g, at);
    }
    if (g->s->is_list)
        crdti_list_look(g->doc, g->s);
    else if (g->doc->watch)
        crdti_graft_tell(g);
    g->s->changes++;
    g->s->is_hashed = 0;
    crdti_sequence_weigh(g->doc, g->s);
}

/* Lists change by their elements; of what those do the author is told. */
CRDTI_FN void crdti_graft_touch_lists(crdti_graft *g)
{
    size_t i;
    for (i = 0; i < g->delta->sequences_len; i++) {
        const crdti_delta_sequence *d = &g->delta->sequences[i];
        if (!d->is_list)
            continue;
        g->doc->actor = g->delta->replicas[d->edits[0].replica].number;
        crdti_touch(g->doc, g->delta->objects[d->object].number,
                    crdti_no_key());
    }
}

CRDTI_FN void crdti_graft_apply(crdti_graft *g)
{
    size_t i, k, most = CRDTI_STEPS_MAX * (size_t)(g->doc->leaves.live + 1);
    for (i = 0; i < g->delta->sequences_len; i++) {
        crdti_delta_sequence *d = g->d = &g->delta->sequences[i];
        uint32_t number = g->delta->objects[d->object].number;
        g->s = crdti_sequence_at(g->doc, number);
        g->s->cursor_is_known = 0;
        g->s->room = 0;
        g->s->is_met = 0;
        g->is_placed = 0;
        g->content = d->content.ptr;
        g->before.end = CRDTI_NO_CHAR;
        if (d->is_planted) {
            crdti_graft_show(g);
            continue;
        }
        for (k = 0; k < d->edits_len; k++) {
            crdti_edit *edit = &d->edits[k];
            if (edit->kind != CRDTI_INSERTION_EDIT)
                crdti_graft_delete(g, edit);
            else if (!g->is_placed && g->steps >= most)
                crdti_graft_replant(g, k);
            else if (!g->is_placed)
                crdti_graft_insert(g, edit, 1);
        }
        for (k = 0; k < d->inserts_len && !d->is_list; k++)
            crdti_graft_dead(g, &d->edits[d->inserts[k]]);
        crdti_sequence_weigh(g->doc, g->s);
    }
    crdti_graft_list(g);
}

/* >>context --------------------------------------------------------------- */

/* Hides the author's characters with seqs from `first` to `last`. */
CRDTI_FN void crdti_graft_vanish(crdti_graft *g, uint32_t index,
                                 uint64_t first, uint64_t last)
{
    const crdti_author *author = crdti_author_at(g->doc, index);
    size_t i = crdti_insertion_place(author, first);
    for (; i < author->insertions.len; i++) {
        const crdti_insertion *at = &author->insertions.ptr[i];
        uint64_t from = crdti_max(at->seq, first);
        uint64_t to = crdti_min(at->seq + at->len - 1, last);
        if (at->seq > last)
            return;
        if (from <= to)
            crdti_graft_hide(g, at->name + (uint32_t)(from - at->seq),
                             (uint32_t)(to - from + 1));
    }
}

/* One of our authors, of replica `place` of the delta, in what that covers. */
CRDTI_FN void crdti_graft_context_author(crdti_graft *g, size_t place,
                                         uint32_t index)
{
    const crdti_delta_replica *replica = &g->delta->replicas[place];
    crdti_author *author = crdti_author_at(g->doc, index);
    uint64_t last = crdti_min(replica->top, g->have[place]);
    uint64_t next = replica->base + 1, shown = author->party;
    size_t i, k, insertions;
    author->party = 0;
    if (crdti_sequence_at(g->doc, author->object)->is_list ||
        crdti_author_count(author, next, last, &insertions) == shown ||
        !CRDTI_RULE(CONTEXT_KILLS))
        return;
    crdti_touch(g->doc, author->object, crdti_no_key());
    g->s = crdti_sequence_at(g->doc, author->object);
    for (i = 0; i < g->delta->sequences_len; i++) {
        crdti_delta_sequence *d = &g->delta->sequences[i];
        if (g->delta->objects[d->object].number != author->object)
            continue;
        for (k = 0; k < d->inserts_len; k++) {
            const crdti_edit *edit = &d->edits[d->inserts[k]];
            if (edit->replica != place || edit->seq > last)
                continue;
            if (edit->seq > next)
                crdti_graft_vanish(g, index, next, edit->seq - 1);
            next = edit->seq + edit->len;
        }
    }
    if (next <= last)
        crdti_graft_vanish(g, index, next, last);
    g->s->cursor_is_known = 0;
    g->s->room = 0;
    crdti_sequence_weigh(g->doc, g->s);
}

CRDTI_FN void crdti_graft_context(crdti_graft *g, size_t place)
{
    const crdti_delta_replica *replica = &g->delta->replicas[place];
    uint32_t at = g->doc->replicas.ptr[replica->number].newest_author;
    if (replica->base >= g->have[place])
        return;
    for (; at && crdti_author_at(g->doc, at)->last > replica->base;
         at = crdti_author_at(g->doc, at)->older)
        crdti_graft_context_author(g, place, at);
}

#endif
/* >> join.h */
/*
 * Join: one function for op, delta and state.
 *
 *     look over    do we have the base? is anything new? is it credible?
 *     prepare      take all memory, make replicas, objects, entries, records
 *     apply        without a way to fail:
 *                    new live ops are filed
 *                    new killers kill, and their kills are remembered
 *                    own live ops that the delta covers and does not show die
 *                    VV := max, floor raised when kill records were missing
 *
 * What fails before `apply` is undone: nothing has changed.
 */
#ifndef CRDTI_JOIN_H
#define CRDTI_JOIN_H


typedef struct crdti_join {
    crdt_doc *doc;
    crdti_delta *delta;
    uint64_t *have;      /* own seq by replica of the message */
    uint32_t *made;      /* record of each new op; 0: not new */
    uint8_t *new_object; /* made by this join, by number in the message */
    uint8_t *new_child;  /* the same for what CREATEs create, by op */
    uint8_t *widens;     /* records that it absorbed have widened, by op */
    uint8_t *doubtful;   /* whether it takes another's place, by op */
    int in_doubt;        /* one of them */
    int replaced;        /* something new was, before it could kill */
    crdti_graft graft;
    size_t replicas_before;
} crdti_join;

#define CRDTI_JOIN_STEP 8    /* ops between two steps of warming */
#define CRDTI_JOIN_COLD 4096 /* entries and rows of a document worth it */

/* >>look over ------------------------------------------------------------- */

/* The latest stamp of what is new: the others were believed once, and are not
 * in doubt again because our clock was set back. */
CRDTI_FN uint64_t crdti_join_last_stamp(const crdti_join *j)
{
    uint64_t last = 0;
    size_t i;
    for (i = 0; i < j->delta->ops_len; i++) {
        const crdti_op *op = &j->delta->ops[i].op;
        if (crdti_has_stamp(op->kind) && op->seq > j->have[op->replica])
            last = crdti_max(last, op->as.value.stamp);
    }
    return last;
}

CRDTI_FN crdt_err crdti_join_skew(const crdti_join *j)
{
    crdt_doc *doc = j->doc;
    uint64_t wall, ahead_ms;
    if (!j->delta->last_stamp || doc->is_loading)
        return CRDT_OK; /* nor need the clock be read */
    wall = doc->clock.wall_ms(doc->clock.ctx);
    ahead_ms = crdti_hlc_ahead_ms(j->delta->last_stamp, wall);
    if (ahead_ms > CRDTSYNC_MAX_SKEW_MS)
        ahead_ms = crdti_hlc_ahead_ms(crdti_join_last_stamp(j), wall);
    if (ahead_ms <= CRDTSYNC_MAX_SKEW_MS)
        return CRDT_OK;
    doc->ahead_ms = ahead_ms;
    return CRDT_ERR_SKEW;
}

/* Of a list all places come dead; those that are not have an op each. */
CRDTI_FN crdt_err crdti_join_dead(const crdti_join *j)
{
    const crdti_delta *d = j->delta;
    uint64_t dead = 0;
    size_t i;
    for (i = 0; i < d->sequences_len; i++)
        dead += d->sequences[i].chars - d->sequences[i].alive;
    return dead > (uint64_t)CRDTSYNC_MAX_DEAD + d->ops_len &&
                   !j->doc->is_loading
               ? CRDT_ERR_LIMIT
               : CRDT_OK;
}

CRDTI_FN void crdti_join_gain(crdti_gain *gain,
                              const crdti_delta_replica *replica,
                              uint64_t have)
{
    gain->dots += replica->top - replica->base;
    gain->news += replica->top - crdti_min(have, replica->top);
    if (replica->base <= have)
        return;
    gain->missing.replica = replica->id;
    gain->missing.seq = replica->base;
}

/* OK with *news 0: we have it all, and as the state is a function of the
 * version vector there is nothing to do. */
CRDTI_FN crdt_err crdti_join_look(crdti_join *j, int *news)
{
    crdt_doc *doc = j->doc;
    crdt_err err = CRDT_OK;
    size_t i;
    *news = 0;
    for (i = 0; i < j->delta->replicas_len; i++) {
        crdti_delta_replica *replica = &j->delta->replicas[i];
        replica->number = crdti_replica_find(doc, &replica->id);
        j->have[i] = replica->number == UINT32_MAX
                         ? 0
                         : doc->replicas.ptr[replica->number].seq;
        crdti_join_gain(&j->delta->gain, replica, j->have[i]);
        /* No waiting helps where others know more of us than we do. */
        if (replica->number == doc->self && replica->top > j->have[i])
            return CRDT_ERR_FORK;
        if (replica->base > j->have[i] &&
            (replica->top > replica->base ? CRDTI_RULE(GAPS_REFUSED)
                                          : CRDTI_RULE(CAUSES_FIRST)))
            err = CRDT_ERR_CAUSAL;
        *news |= replica->top > j->have[i];
    }
    return err || !*news ? err : crdti_join_skew(j);
}

/* Whether it is the key of an element that we are yet to insert. */
CRDTI_FN int crdti_join_is_foretold(const crdti_join *j, uint32_t object,
                                    crdt_bytes key)
{
    const crdti_replica *self = &j->doc->replicas.ptr[j->doc->self];
    return j->delta->objects[object].type == CRDT_LIST && key.len &&
           crdti_equal(key.ptr, self->id.b, sizeof self->id.b) &&
           crdti_element_dot(key.ptr).seq > self->seq;
}

/* Nobody can know of those. */
CRDTI_FN crdt_err crdti_join_elements(const crdti_join *j)
{
    const crdti_delta *d = j->delta;
    size_t i;
    for (i = 1; i < d->objects_len; i++)
        if (crdti_join_is_foretold(j, d->objects[i].parent, d->objects[i].key))
            return CRDT_ERR_CORRUPT;
    for (i = 0; i < d->ops_len; i++)
        if (crdti_join_is_foretold(j, d->ops[i].object, d->ops[i].key))
            return CRDT_ERR_CORRUPT;
    return CRDT_OK;
}

/* The same dot in both: whether it says the same. Resets are told apart by
 * the digest, when the vectors are equal. */
CRDTI_FN int crdti_join_same(const crdti_join *j, const crdti_delta_op *theirs,
                             uint32_t item)
{
    uint32_t object = j->delta->objects[theirs->object].number;
    crdti_op row;
    const crdti_op *ours = crdti_item_op(j->doc, item, &row);
    uint8_t room[CRDTI_ROW_KEY];
    if (theirs->op.kind == CRDTI_REMOVE)
        return 1;
    if (theirs->op.kind != ours->kind || theirs->op.form != ours->form ||
        theirs->op.len != ours->len ||
        crdti_item_object(j->doc, item) != object ||
        !crdt_bytes_equal(crdti_item_key(j->doc, item, room), theirs->key))
        return 0;
    if (ours->kind == CRDTI_RESET)
        return 1;
    if (ours->kind == CRDTI_ADD)
        return theirs->op.as.add.plus == ours->as.add.plus &&
               theirs->op.as.add.minus == ours->as.add.minus;
    if (theirs->op.as.value.stamp != ours->as.value.stamp)
        return 0;
    if (crdti_op_has_bytes(ours))
        return crdt_bytes_equal(crdti_op_bytes(ours),
                                crdti_op_bytes(&theirs->op));
    return ours->kind == CRDTI_CREATE ||
           ours->as.value.as.integer == theirs->op.as.value.as.integer;
}

/* Walks own live ops that the context (base, top] covers, beside those that
 * the delta shows. Either looks for forks, or lets die what is not shown. */
CRDTI_FN crdt_err crdti_join_context(crdti_join *j, size_t place, size_t *at,
                                     int apply)
{
    crdt_doc *doc = j->doc;
    const crdti_delta *d = j->delta;
    const crdti_delta_replica *replica = &d->replicas[place];
    uint64_t last = crdti_min(replica->top, j->have[place]);
    uint32_t op =
        replica->base < j->have[place]
            ? crdti_journal_after(doc, replica->number, replica->base)
            : 0;
    while (op && crdti_op_at(doc, op)->seq <= last) {
        const crdti_op *ours = crdti_op_at(doc, op);
        uint32_t newer = ours->newer, entry = ours->entry;
        int alive = crdti_op_is_alive(ours), shown;
        while (*at < d->ops_len && d->ops[*at].op.replica == place &&
               d->ops[*at].op.seq < ours->seq)
            ++*at;
        shown = *at < d->ops_len && d->ops[*at].op.replica == place &&
                d->ops[*at].op.seq == ours->seq;
        if (!apply && alive && shown && !crdti_join_same(j, &d->ops[*at], op))
            return CRDT_ERR_FORK;
        if (apply && alive &&
            (!shown || !crdti_op_is_alive(&d->ops[*at].op))) {
            crdti_op_vanish(doc, op);
            crdti_entry_tidy(doc, entry);
        }
        op = newer;
    }
    return CRDT_OK;
}

/* The op of the delta with that dot, from place `low` on, or NULL. */
CRDTI_FN const crdti_delta_op *crdti_join_find(const crdti_join *j, size_t low,
                                               size_t replica, uint64_t seq)
{
    const crdti_delta_op *ops = j->delta->ops;
    size_t high = j->delta->ops_len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const crdti_op *op = &ops[middle].op;
        if (op->replica < replica || (op->replica == replica && op->seq < seq))
            low = middle + 1;
        else
            high = middle;
    }
    return low < j->delta->ops_len && ops[low].op.replica == replica &&
                   ops[low].op.seq == seq
               ? &ops[low]
               : NULL;
}

/* The same for the rows of a block: in no order of their own. */
CRDTI_FN crdt_err crdti_join_context_block(crdti_join *j, size_t place,
                                           size_t from, uint32_t block,
                                           int apply)
{
    const crdti_delta_replica *replica = &j->delta->replicas[place];
    uint64_t last = crdti_min(replica->top, j->have[place]);
    unsigned i;
    for (i = 0; i < CRDTI_BLOCK_ROWS; i++) {
        const crdti_block *at = crdti_block_at(j->doc, block);
        uint64_t seq = at->base + at->steps[i];
        const crdti_delta_op *shown;
        if (!crdti_row_is_alive(at, i) || seq <= replica->base || seq > last)
            continue;
        shown = crdti_join_find(j, from, place, seq);
        if (!apply && shown &&
            !crdti_join_same(j, shown, crdti_row_name(block, i)))
            return CRDT_ERR_FORK;
        if (apply && (!shown || !crdti_op_is_alive(&shown->op)))
            crdti_row_die(j->doc, crdti_row_name(block, i));
    }
    return CRDT_OK;
}

CRDTI_FN crdt_err crdti_join_context_rows(crdti_join *j, size_t place,
                                          size_t from, int apply)
{
    const crdti_delta_replica *replica = &j->delta->replicas[place];
    uint32_t block = 0, newer;
    crdt_err err = CRDT_OK;
    if (replica->base < j->have[place])
        block = crdti_block_after(j->doc, replica->number, replica->base);
    for (; block && !err; block = newer) {
        newer = crdti_block_at(j->doc, block)->newer; /* it may go */
        err = crdti_join_context_block(j, place, from, block, apply);
    }
    return err;
}

CRDTI_FN crdt_err crdti_join_contexts(crdti_join *j, int apply)
{
    size_t i, at = 0;
    crdt_err err = CRDT_OK;
    j->doc->actor = CRDTI_NOBODY; /* that is not told */
    for (i = 0; i < j->delta->replicas_len && !err; i++) {
        while (at < j->delta->ops_len && j->delta->ops[at].op.replica < i)
            at++;
        if (!apply || CRDTI_RULE(CONTEXT_KILLS)) {
            err = crdti_join_context_rows(j, i, at, apply);
            if (!err)
                err = crdti_join_context(j, i, &at, apply);
        }
        if (apply)
            crdti_graft_context(&j->graft, i);
    }
    return err;
}

/* >>prepare --------------------------------------------------------------- */

CRDTI_FN crdt_err crdti_join_replicas(crdti_join *j)
{
    size_t i;
    for (i = 0; i < j->delta->replicas_len; i++) {
        crdti_delta_replica *replica = &j->delta->replicas[i];
        crdt_err err;
        if (replica->number != UINT32_MAX)
            continue;
        err = crdti_replica_add(j->doc, &replica->id, &replica->number);
        if (err)
            return err;
    }
    return CRDT_OK;
}

CRDTI_FN crdt_err crdti_join_objects(crdti_join *j)
{
    crdti_delta_object *objects = j->delta->objects;
    size_t i;
    objects[0].number = CRDTI_ROOT;
    for (i = 1; i < j->delta->objects_len; i++) {
        uint32_t entry;
        size_t before = j->doc->objects.live;
        crdt_err err = crdti_entry_get(
            j->doc, objects[objects[i].parent].number, objects[i].key, &entry);
        if (err)
            return err;
        err = crdti_object_get(j->doc, entry, (crdt_type)objects[i].type,
                               &objects[i].number);
        if (err) {
            crdti_entry_tidy(j->doc, entry);
            return err;
        }
        j->new_object[i] = j->doc->objects.live > before;
    }
    return CRDT_OK;
}

/* Copies what the record must own. The caller frees it when this fails. */
CRDTI_FN crdt_err crdti_join_own(crdti_join *j, const crdti_delta_op *from,
                                 crdti_op *op)
{
    uint32_t i;
    if (crdti_op_has_bytes(op)) {
        op->as.value.as.bytes =
            op->len ? (uint8_t *)crdti_alloc(&j->doc->alloc, op->len) : NULL;
        if (op->len && !op->as.value.as.bytes)
            return CRDT_ERR_NOMEM;
        crdti_copy(op->as.value.as.bytes, from->op.as.value.as.bytes, op->len);
    }
    if (op->kind != CRDTI_RESET)
        return CRDT_OK;
    op->as.voids = (crdti_void *)crdti_alloc(&j->doc->alloc,
                                             op->len * sizeof(crdti_void));
    for (i = 0; op->as.voids && i < op->len; i++) {
        crdti_void *v = &op->as.voids[i];
        *v = from->op.as.voids[i];
        v->replica = j->delta->replicas[v->replica].number;
    }
    return op->as.voids ? CRDT_OK : CRDT_ERR_NOMEM;
}

/* The container that a CREATE creates, empty as it may be. */
CRDTI_FN crdt_err crdti_join_child(crdti_join *j, size_t i, const crdti_op *op)
{
    size_t before = j->doc->objects.live;
    uint32_t child;
    crdt_err err =
        crdti_object_get(j->doc, op->entry, (crdt_type)op->form, &child);
    j->new_child[i] = j->doc->objects.live > before;
    return err;
}

/* Whether the op is to be a row. */
CRDTI_FN int crdti_join_is_row(const crdti_join *j, const crdti_delta_op *from)
{
    return from->op.kind == CRDTI_IN && !from->kills_len &&
           crdti_row_fits(j->doc, j->delta->objects[from->object].number,
                          from->key);
}

/* Makes the record of a new op, not yet filed. */
CRDTI_FN crdt_err crdti_join_make(crdti_join *j, size_t i)
{
    crdt_doc *doc = j->doc;
    const crdti_delta_op *from = &j->delta->ops[i];
    uint32_t object = j->delta->objects[from->object].number;
    const crdti_type *type = crdti_type_at(doc, crdti_object_at(doc, object));
    crdti_op op = from->op;
    crdt_err err;
    if (crdti_join_is_row(j, from))
        return crdti_row_make(doc, object,
                              j->delta->replicas[op.replica].number, op.seq,
                              from->key, &j->made[i]);
    err = crdti_pool_reserve(&doc->alloc, &doc->ops, 1);
    if (!err)
        err = crdti_entry_get(doc, object, from->key, &op.entry);
    if (err)
        return err;
    op.replica = j->delta->replicas[op.replica].number;
    err = crdti_join_own(j, from, &op);
    if (err) {
        crdti_entry_tidy(doc, op.entry);
        return err;
    }
    j->made[i] = crdti_pool_take(&doc->ops);
    *crdti_op_at(doc, j->made[i]) = op;
    if (op.kind == CRDTI_CREATE)
        return crdti_join_child(j, i, &op);
    return crdti_op_is_alive(&op) && type->reserve
               ? type->reserve(doc, object, &op)
               : CRDT_OK;
}

CRDTI_FN uint64_t crdti_join_hash(const crdti_join *j,
                                  const crdti_delta_op *op)
{
    return crdti_entry_hash(j->doc, j->delta->objects[op->object].number,
                            op->key);
}

/* Has what op i will need fetched, and follows what was fetched for those
 * before it. What lies beyond either end of the delta is left alone: below 0
 * the numbers are very large. */
CRDTI_FN void crdti_join_warm(crdti_join *j, size_t i)
{
    crdti_delta_op *ops = j->delta->ops;
    size_t n = j->delta->ops_len;
    if (i < n && !crdti_join_is_row(j, &ops[i])) {
        ops[i].hash = crdti_join_hash(j, &ops[i]);
        crdti_warm_slot(&j->doc->names, ops[i].hash);
    }
    i -= CRDTI_JOIN_STEP;
    if (i < n && ops[i].hash)
        ops[i].op.entry = crdti_warm_entry(j->doc, ops[i].hash);
    i -= CRDTI_JOIN_STEP;
    if (i < n && ops[i].op.entry)
        crdti_warm_ops(j->doc, ops[i].op.entry);
}

/* Whether that pays: what is small is in the cache. */
CRDTI_FN int crdti_join_is_cold(const crdti_join *j)
{
    return j->delta->ops_len > CRDTI_JOIN_STEP &&
           j->doc->entries.live + j->doc->rows.len > CRDTI_JOIN_COLD;
}

/* How many ops there are of that kind: room for rows, or moves, is made once.
 */
CRDTI_FN size_t crdti_join_count(const crdti_join *j, uint8_t kind)
{
    size_t i, count = 0;
    for (i = 0; i < j->delta->ops_len; i++)
        count += j->delta->ops[i].op.kind == kind;
    return count;
}

CRDTI_FN crdt_err crdti_join_ops(crdti_join *j)
{
    crdt_doc *doc = j->doc;
    const crdti_delta *d = j->delta;
    size_t i, ahead = 3 * CRDTI_JOIN_STEP;
    int cold = crdti_join_is_cold(j);
    if (crdti_table_reserve(&doc->alloc, &doc->rows,
                            crdti_join_count(j, CRDTI_IN)) ||
        crdti_table_reserve(&doc->alloc, &doc->moves,
                            crdti_join_count(j, CRDTI_MOVE)) ||
        crdti_pool_reserve(&doc->alloc, &doc->kills, d->kills_len))
        return CRDT_ERR_NOMEM;
    for (i = 0; cold && i < ahead; i++)
        crdti_join_warm(j, i);
    for (i = 0; i < d->ops_len; i++) {
        crdt_err err;
        if (cold)
            crdti_join_warm(j, i + ahead);
        if (d->ops[i].op.seq <= j->have[d->ops[i].op.replica])
            continue;
        err = crdti_join_make(j, i);
        if (err)
            return err;
    }
    return CRDT_OK;
}

/* Whether the element of that key was swept with its place (sweep.h), and
 * nothing of the delta has brought it back. Moves of it may live on without. */
CRDTI_FN int crdti_join_is_swept(const crdti_join *j, uint32_t object,
                                 crdt_bytes key)
{
    const crdti_delta_object *in = &j->delta->objects[object];
    crdti_position at;
    return in->type == CRDT_LIST && key.len == CRDTI_ELEMENT_KEY &&
           crdti_element_get(j->doc, key.ptr, &at) &&
           at.seq <= j->doc->replicas.ptr[at.replica].floor &&
           crdti_position_name(j->doc, in->number, at) == CRDTI_NO_CHAR;
}

/* Whether the object is in such an element, however deep. */
CRDTI_FN int crdti_join_is_below_swept(const crdti_join *j, uint32_t object)
{
    const crdti_delta_object *objects = j->delta->objects;
    for (; object; object = objects[object].parent)
        if (crdti_join_is_swept(j, objects[object].parent,
                                objects[object].key))
            return 1;
    return 0;
}

/* What is new and lives has a place. */
CRDTI_FN crdt_err crdti_join_places(const crdti_join *j)
{
    const crdti_delta *d = j->delta;
    size_t i;
    for (i = 0; i < d->ops_len && j->doc->floors; i++) {
        const crdti_delta_op *op = &d->ops[i];
        if (j->made[i] && crdti_op_is_alive(&op->op) &&
            (crdti_join_is_swept(j, op->object, op->key) ||
             crdti_join_is_below_swept(j, op->object)))
            return CRDT_ERR_FORGOTTEN;
    }
    for (i = 0; i < d->sequences_len && j->doc->floors; i++)
        if (crdti_join_is_below_swept(j, d->sequences[i].object))
            return CRDT_ERR_FORGOTTEN;
    return CRDT_OK;
}

CRDTI_FN void crdti_join_unmake(crdti_join *j, size_t i)
{
    crdt_doc *doc = j->doc;
    crdti_op *op;
    if (j->made[i] & CRDTI_ROW_BIT) {
        crdti_row_unmake(doc, j->made[i]);
        return;
    }
    op = crdti_op_at(doc, j->made[i]);
    if (j->new_child[i])
        crdti_object_undo(
            doc, crdti_object_find(doc, op->entry, (crdt_type)op->form));
    else
        crdti_entry_tidy(doc, op->entry);
    crdti_op_drop(&doc->alloc, op);
    crdti_pool_give(&doc->ops, j->made[i]);
}

CRDTI_FN void crdti_join_undo(crdti_join *j)
{
    crdt_doc *doc = j->doc;
    size_t i;
    crdti_graft_undo(&j->graft);
    for (i = 0; i < j->delta->ops_len; i++)
        if (j->made[i])
            crdti_join_unmake(j, i);
    for (i = j->delta->objects_len; i > 0; i--)
        if (j->new_object[i - 1])
            crdti_object_undo(doc, j->delta->objects[i - 1].number);
    crdti_replicas_trim(doc, j->replicas_before);
}

/* >>apply ----------------------------------------------------------------- */

/* Whether a new op has not been killed in this very join, as none of an honest
 * delta is. */
CRDTI_FN int crdti_join_has(const crdti_join *j, size_t i)
{
    return j->made[i] && crdti_op_at(j->doc, j->made[i])->kind;
}

/* >>one live op of each replica at each place ----------------------------- */

/* What is written takes the place of what its replica wrote there before,
 * whether it says so or not, as honest ones do. So what walks an entry has an
 * end, and bytes from outside cannot make it long. */

CRDTI_FN uint32_t crdti_join_row_before(const crdt_doc *doc, uint32_t object,
                                        crdt_bytes key, const crdti_op *own)
{
    crdti_row_walk walk;
    uint32_t at = 0;
    if (crdti_row_fits(doc, object, key))
        at = crdti_row_first(doc, object, key, &walk);
    while (at && (crdti_row_block(doc, at)->replica != own->replica ||
                  crdti_row_seq(doc, at) >= own->seq))
        at = crdti_row_next(doc, &walk);
    return at;
}

/* What the replica of the item wrote in its place before, and still lives; or
 * 0. Where there are several, the latest of those that are new. */
CRDTI_FN uint32_t crdti_join_before(const crdt_doc *doc, uint32_t item)
{
    uint8_t room[CRDTI_ROW_KEY];
    crdti_op row;
    const crdti_op *own = crdti_item_op(doc, item, &row);
    uint32_t object = crdti_item_object(doc, item), at;
    crdt_bytes key = crdti_item_key(doc, item, room);
    if (!own->entry) {
        at = crdti_join_row_before(doc, object, key, own);
        if (at)
            return at;
    }
    at = own->entry ? own->entry : crdti_entry_find(doc, object, key);
    at = at ? crdti_entry_at(doc, at)->ops : 0;
    while (at && (crdti_op_at(doc, at)->replica != own->replica ||
                  crdti_op_at(doc, at)->seq >= own->seq))
        at = crdti_op_at(doc, at)->next;
    return at || !own->entry ? at
                             : crdti_join_row_before(doc, object, key, own);
}

CRDTI_FN void crdti_join_replace(crdti_join *j, uint32_t item)
{
    crdti_op *op;
    uint32_t entry;
    if (item & CRDTI_ROW_BIT) {
        crdti_row_die(j->doc, item);
        return;
    }
    op = crdti_op_at(j->doc, item);
    entry = op->entry;
    if (!crdti_op_is_new(j->doc, op)) {
        crdti_op_vanish(j->doc, item);
        crdti_entry_tidy(j->doc, entry);
        return;
    }
    /* It may have to kill yet. */
    crdti_op_unfile(j->doc, item);
    op->kind = CRDTI_REMOVE;
    j->doc->removals++;
    j->replaced = 1;
}

/* Whether it is an op, and there is nothing beside it. */
CRDTI_FN int crdti_join_is_alone(const crdt_doc *doc, uint32_t item)
{
    const crdti_op *op;
    const crdti_entry *entry;
    if (item & CRDTI_ROW_BIT)
        return 0;
    op = crdti_op_at(doc, item);
    entry = crdti_entry_at(doc, op->entry);
    return !op->prev && !op->next &&
           !crdti_object_at(doc, entry->object)->blocks;
}

/* Old ones may yet die by this very join. But of two that are new one goes at
 * once, lest a long list of them be walked for each; what that one doubted is
 * in doubt still. A replica that has nothing is not looked for. */
CRDTI_FN void crdti_join_doubt(crdti_join *j, size_t i)
{
    const crdti_delta_op *from = &j->delta->ops[i];
    crdti_op row;
    uint32_t before;
    if (crdti_join_is_alone(j->doc, j->made[i]) ||
        (!j->have[from->op.replica] &&
         (i == 0 || from[-1].op.replica != from->op.replica)))
        return;
    before = crdti_join_before(j->doc, j->made[i]);
    if (!before)
        return;
    if (crdti_op_is_new(j->doc, crdti_item_op(j->doc, before, &row)))
        crdti_join_replace(j, before);
    j->in_doubt = j->doubtful[i] = 1;
}

CRDTI_FN int crdti_join_is_alive(const crdti_join *j, size_t i)
{
    uint32_t item = j->made[i];
    if (item & CRDTI_ROW_BIT)
        return crdti_row_is_alive(crdti_row_block(j->doc, item),
                                  crdti_row_place(item));
    return crdti_join_has(j, i) &&
           crdti_op_is_alive(crdti_op_at(j->doc, item));
}

/* When all that was to die has died. */
CRDTI_FN void crdti_join_decide(crdti_join *j)
{
    size_t i;
    for (i = 0; j->in_doubt && i < j->delta->ops_len; i++) {
        uint32_t before;
        while (j->doubtful[i] && crdti_join_is_alive(j, i) &&
               (before = crdti_join_before(j->doc, j->made[i])) != 0)
            crdti_join_replace(j, before);
    }
    for (i = 0; j->replaced && i < j->delta->ops_len; i++)
        if (!(j->made[i] & CRDTI_ROW_BIT) && crdti_join_has(j, i))
            crdti_removal_tidy(j->doc, j->made[i]);
}

/* >>kills ----------------------------------------------------------------- */

/* A new killer does its work, and what it killed is remembered. */
CRDTI_FN void crdti_join_kill(crdti_join *j, size_t i)
{
    crdt_doc *doc = j->doc;
    const crdti_delta_op *from = &j->delta->ops[i];
    uint32_t killer = j->made[i], entry = crdti_op_at(doc, killer)->entry, k;
    for (k = 0; k < from->kills_len; k++) {
        const crdti_delta_kill *kill = &from->kills[k];
        uint64_t *mark =
            &doc->replicas.ptr[j->delta->replicas[kill->replica].number].mark;
        *mark = crdti_max(*mark, kill->last);
    }
    j->widens[i] = (uint8_t)crdti_kill_marked(doc, killer);
    if (from->kills_len > 1)
        crdti_kill_note_marks(doc, killer);
    for (k = 0; k < from->kills_len; k++) {
        uint32_t replica = j->delta->replicas[from->kills[k].replica].number;
        uint64_t *mark = &doc->replicas.ptr[replica].mark;
        if (from->kills_len == 1)
            crdti_kill_note(doc, killer, replica, *mark);
        else if (*mark)
            crdti_kill_add(doc, killer, replica, *mark);
        *mark = 0;
    }
    if (crdti_op_is_alive(crdti_op_at(doc, killer)))
        crdti_join_doubt(j, i);
    /* A removal whose kills were all known already needs no record. */
    crdti_removal_tidy(doc, killer);
    crdti_entry_tidy(doc, entry);
}

/* Those deepest down come first. An entry in which a REMOVE has not noted its
 * kills yet looks empty, and a killer above would tidy it away under it. */
CRDTI_FN void crdti_join_kills(crdti_join *j)
{
    const crdti_delta *d = j->delta;
    int depth, deepest = -1;
    size_t i;
    for (i = 0; i < d->ops_len; i++) {
        depth = d->objects[d->ops[i].object].depth;
        if (d->ops[i].kills_len && depth > deepest)
            deepest = depth;
    }
    for (depth = deepest; depth >= 0; depth--)
        for (i = 0; i < d->ops_len; i++)
            if (d->ops[i].kills_len &&
                d->objects[d->ops[i].object].depth == depth &&
                crdti_join_has(j, i))
                crdti_join_kill(j, i);
}

/* One that kills is asked about others of its replica when it has killed;
 * unless that one is new, which is next to it then. */
CRDTI_FN void crdti_join_op_born(crdti_join *j, size_t i)
{
    const crdti_op *op = crdti_op_at(j->doc, j->made[i]), *next;
    crdti_op_born(j->doc, j->made[i]);
    next = op->next ? crdti_op_at(j->doc, op->next) : NULL;
    if (crdti_op_is_alive(op) && (!j->delta->ops[i].kills_len ||
                                  (next && next->replica == op->replica &&
                                   crdti_op_is_new(j->doc, next))))
        crdti_join_doubt(j, i);
}

/* Has the slot fetched where row i will be looked up. */
CRDTI_FN void crdti_join_warm_row(crdti_join *j, size_t i)
{
    if (i >= j->delta->ops_len || !(j->made[i] & CRDTI_ROW_BIT))
        return;
    j->delta->ops[i].hash = crdti_join_hash(j, &j->delta->ops[i]);
    crdti_warm_slot(&j->doc->rows, j->delta->ops[i].hash);
}

CRDTI_FN void crdti_join_row_born(crdti_join *j, size_t i)
{
    if (crdti_row_born(j->doc, j->made[i], j->delta->ops[i].hash))
        crdti_join_doubt(j, i);
}

CRDTI_FN void crdti_join_file(crdti_join *j)
{
    size_t i, ahead = crdti_min_size(2 * CRDTI_JOIN_STEP, j->delta->ops_len);
    crdti_graft_touch_lists(&j->graft);
    for (i = 0; i < ahead; i++)
        crdti_join_warm_row(j, i);
    for (i = 0; i < j->delta->ops_len; i++) {
        crdti_join_warm_row(j, i + ahead);
        if (j->made[i] & CRDTI_ROW_BIT)
            crdti_join_row_born(j, i);
        else if (j->made[i])
            crdti_join_op_born(j, i);
    }
    crdti_graft_apply(&j->graft); /* positions look for their elements */
    crdti_join_kills(j);
}

/* When all that dies is dead: whether what was absorbed holds. */
CRDTI_FN void crdti_join_settle(crdti_join *j)
{
    size_t i;
    for (i = 0; i < j->delta->ops_len; i++)
        if (j->widens[i] && crdti_join_has(j, i))
            crdti_kill_settle(j->doc, j->made[i]);
}

/* Kill records that the sender had dropped were not in the delta: whoever is
 * to have them must get a snapshot from us too. */
CRDTI_FN void crdti_join_floor(crdti_join *j)
{
    const crdti_delta *d = j->delta;
    size_t i;
    int missing = d->is_snapshot, raised = 0;
    for (i = 0; i < d->replicas_len; i++)
        missing |= d->replicas[i].floor > d->replicas[i].base;
    if (!missing || !CRDTI_RULE(FLOOR_RAISED))
        return;
    for (i = 0; i < d->replicas_len; i++) {
        crdti_replica *own = &j->doc->replicas.ptr[d->replicas[i].number];
        raised |= d->replicas[i].floor > own->floor;
        own->floor = crdti_max(own->floor, d->replicas[i].floor);
    }
    if (raised)
        crdti_forget(j->doc);
}

CRDTI_FN void crdti_join_apply(crdti_join *j)
{
    const crdti_delta *d = j->delta;
    size_t i;
    crdti_join_file(j);
    crdti_join_contexts(j, 1);
    crdti_join_decide(j);
    crdti_settle(j->doc);
    for (i = 0; i < d->replicas_len; i++) {
        crdti_replica *own = &j->doc->replicas.ptr[d->replicas[i].number];
        own->seq = crdti_max(own->seq, d->replicas[i].top);
    }
    j->doc->changes++;
    crdti_join_settle(j);
    crdti_join_floor(j);
    crdti_hlc_see(&j->doc->hlc, d->last_stamp);
}

/* >>all of it ------------------------------------------------------------- */

/* Working arrays, zeroed; one block. */
CRDTI_FN crdt_err crdti_join_begin(crdti_join *j, crdt_doc *doc,
                                   crdti_delta *delta)
{
    size_t have = delta->replicas_len * sizeof *j->have;
    size_t made = delta->ops_len * sizeof *j->made;
    size_t needs = delta->sequences_len
                       ? delta->replicas_len * sizeof *j->graft.needs
                       : 0;
    size_t size =
        needs + have + made + delta->objects_len + 3 * delta->ops_len;
    uint8_t *block = (uint8_t *)crdti_arena_alloc(&doc->scratch, size);
    if (!block)
        return CRDT_ERR_NOMEM;
    crdti_zero(block, size);
    crdti_typing_file(doc);
    crdti_zero(&j->graft, sizeof j->graft);
    j->graft.doc = j->doc = doc;
    j->graft.delta = j->delta = delta;
    j->graft.needs = (crdti_graft_need *)(void *)block;
    block += needs;
    j->graft.have = j->have = (uint64_t *)(void *)block;
    j->made = (uint32_t *)(void *)(block + have);
    j->new_object = block + have + made;
    j->new_child = j->new_object + delta->objects_len;
    j->widens = j->new_child + delta->ops_len;
    j->doubtful = j->widens + delta->ops_len;
    j->in_doubt = j->replaced = 0;
    j->replicas_before = doc->replicas.len;
    return CRDT_OK;
}

CRDTI_FN crdt_err crdti_delta_join(crdt_doc *doc, crdti_delta *delta)
{
    crdti_join j;
    int news;
    crdt_err err = crdti_join_begin(&j, doc, delta);
    if (!err)
        err = crdti_join_look(&j, &news);
    if (err || !news)
        return err;
    err = crdti_join_elements(&j);
    if (!err)
        err = crdti_join_dead(&j);
    if (!err)
        err = crdti_join_replicas(&j);
    if (!err)
        err = crdti_join_objects(&j);
    if (!err)
        err = crdti_join_contexts(&j, 0);
    if (!err)
        err = crdti_join_ops(&j);
    if (!err)
        err = crdti_graft_prepare(&j.graft);
    if (!err)
        err = crdti_join_places(&j);
    if (err)
        crdti_join_undo(&j);
    else
        crdti_join_apply(&j);
    if (!err)
        crdti_tell(doc);
    return err;
}

#endif
/* >> stroke.h */
/*
 * Strokes: the short form of a delta, for what goes on where the last one
 * ended. A keystroke is 4 bytes, where a delta has to say again whose it is,
 * in which text, and what stands beside it.
 *
 *     delta     a.1..2 of the text "t": "he"     (the trail: a, "t", after a.2)
 *     strokes   TYPE "l"                  a.3    behind the one before it
 *     strokes   BACK 1 from the cursor    a.4    a.3 goes; the cursor is there
 *     strokes   INSERT "y" left -1        a.5    behind a.2
 *
 * Both ends of a link keep the *trail*: the replica that wrote last, its text,
 * its latest seq, and the cursor: the character that it wrote or deleted last.
 * Both read it from the same change, so it is the same; and whoever has not
 * just what a stroke goes on with refuses it (CAUSAL), for a delta to follow.
 *
 *     strokes   low byte of the trail's seq, then until the end:
 *     stroke    n << 2 | kind   TYPE    n bytes of UTF-8
 *                               INSERT  left, right, n bytes
 *                               BACK    victim: n characters back from there
 *                               FORTH   victim: n characters from there on
 *     dot       0: none; else 1 + (distance << 1 | own), the distance in
 *               zigzag: from the cursor, or of an own one from the latest
 *
 * No dot is one of a stroke of the same frame.
 */
#ifndef CRDTI_STROKE_H
#define CRDTI_STROKE_H


#define CRDTI_STROKES_MAX 16
#define CRDTI_STROKE_MAX 255 /* bytes, or characters deleted */

enum { CRDTI_TYPE, CRDTI_INSERT, CRDTI_BACK, CRDTI_FORTH };

/* `text` 0: there is nothing to go on with. */
typedef struct crdti_trail {
    uint32_t text, replica;
    uint64_t seq;
    crdti_position cursor;
} crdti_trail;

/* >>the trail ------------------------------------------------------------- */

/* The i-th character that the deletion takes. */
CRDTI_FN uint32_t crdti_deletion_name(const crdti_deletion *at, uint64_t i)
{
    return at->len & CRDTI_BACKWARDS ? at->name - (uint32_t)i
                                     : at->name + (uint32_t)i;
}

/* The character that the author's dot inserted or deleted. */
CRDTI_FN uint32_t crdti_edited_name(const crdti_author *author, uint64_t seq)
{
    uint32_t name = crdti_seq_name(author, seq);
    size_t place = crdti_deletion_place(author, seq);
    const crdti_deletion *at;
    if (name != CRDTI_NO_CHAR || place == author->deletions.len)
        return name;
    at = &author->deletions.ptr[place];
    return at->seq <= seq ? crdti_deletion_name(at, seq - at->seq) : name;
}

/* After a change that ended with that dot: where the trail is now. */
CRDTI_FN void crdti_trail_start(const crdt_doc *doc, uint32_t replica,
                                uint64_t seq, crdti_trail *trail)
{
    uint32_t at, name;
    const crdti_author *author;
    crdti_typing_file(doc);
    trail->text = 0;
    at = doc->replicas.ptr[replica].newest_author;
    if (!at)
        return;
    author = crdti_author_at(doc, at);
    name = crdti_edited_name(author, seq);
    if (name == CRDTI_NO_CHAR ||
        crdti_object_at(doc, author->object)->type != CRDT_TEXT)
        return;
    trail->text = author->object;
    trail->replica = replica;
    trail->seq = seq;
    trail->cursor =
        crdti_name_position(doc, crdti_sequence_at(doc, author->object), name);
}

/* After n dots more, the last of which was about that character. */
CRDTI_FN void crdti_trail_go(crdti_trail *trail, uint64_t n, uint32_t replica,
                             uint64_t seq)
{
    trail->seq += n;
    trail->cursor.replica = replica;
    trail->cursor.seq = seq;
}

/* >>writing --------------------------------------------------------------- */

typedef struct crdti_stroke_writer {
    const crdt_doc *doc;
    const crdti_sequence *s;
    const crdti_author *author;
    crdti_trail trail;
    uint64_t first; /* of the dots that are told */
    crdti_writer *w;
    size_t strokes;
    int fails; /* it cannot be told so */
} crdti_stroke_writer;

CRDTI_FN void crdti_put_stroke_dot(crdti_stroke_writer *k, uint32_t name)
{
    crdti_position dot;
    uint64_t from, told;
    int is_own;
    if (name == CRDTI_NO_CHAR) {
        crdti_put_varint(k->w, 0);
        return;
    }
    dot = crdti_name_position(k->doc, k->s, name);
    is_own = dot.replica != k->trail.cursor.replica;
    k->fails |= dot.replica == k->trail.replica ? dot.seq >= k->first : is_own;
    from = is_own ? k->trail.seq : k->trail.cursor.seq;
    told = crdti_zigzag_fold((int64_t)(dot.seq - from));
    crdti_put_varint(k->w, 1 + (told << 1 | (unsigned)is_own));
}

CRDTI_FN void crdti_put_stroke_head(crdti_stroke_writer *k, size_t n,
                                    unsigned kind)
{
    k->fails |= ++k->strokes > CRDTI_STROKES_MAX || n > CRDTI_STROKE_MAX;
    crdti_put_varint(k->w, (uint64_t)n << 2 | kind);
}

/* Whether the insertion only goes on with the one before it, which could not
 * hold both. */
CRDTI_FN int crdti_insertion_follows(const crdti_author *author,
                                     const crdti_insertion *at)
{
    const crdti_insertion *before = at - 1;
    return at > author->insertions.ptr && at->left == at->name - 1 &&
           at->left == before->name + before->len - 1 &&
           at->seq == before->seq + before->len &&
           at->right == before->right &&
           at->content == before->content + before->len + before->more_bytes;
}

/* All that was inserted at a stretch, from that insertion on. */
CRDTI_FN void crdti_put_typed(crdti_stroke_writer *k,
                              const crdti_insertion *at)
{
    const crdti_insertion *end =
        k->author->insertions.ptr + k->author->insertions.len;
    uint32_t done = (uint32_t)(k->trail.seq + 1 - at->seq);
    uint32_t name = at->name + done, left = at->left, right = at->right;
    const uint8_t *from;
    uint64_t seq;
    int goes_on =
        done || (!k->strokes && crdti_insertion_follows(k->author, at));
    size_t len;
    if (at->content == CRDTI_CONTENT_GONE) {
        k->fails = 1;
        return;
    }
    from = crdti_content_at(k->author, at, name);
    while (at + 1 < end && crdti_insertion_follows(k->author, at + 1))
        at++;
    len = (size_t)(k->author->content.ptr + at->content + at->len +
                   at->more_bytes - from);
    crdti_put_stroke_head(k, len, goes_on ? CRDTI_TYPE : CRDTI_INSERT);
    if (!goes_on) {
        crdti_put_stroke_dot(k, left);
        crdti_put_stroke_dot(k, right);
    }
    if (k->fails)
        return;
    crdti_put_raw(k->w, crdt_bytes_of(from, len));
    seq = at->seq + at->len - 1;
    crdti_trail_go(&k->trail, seq - k->trail.seq, k->trail.replica, seq);
}

/* What was deleted of one insertion. */
CRDTI_FN void crdti_put_erased(crdti_stroke_writer *k,
                               const crdti_deletion *deletion)
{
    uint64_t done = k->trail.seq + 1 - deletion->seq;
    uint64_t n = crdti_deletion_len(deletion) - done, seq;
    uint32_t name = crdti_deletion_name(deletion, done);
    const crdti_author *author =
        crdti_author_at(k->doc, crdti_name_author(&k->s->extents, name));
    const crdti_insertion *at = crdti_insertion_of(author, name);
    int back = n == 1 || deletion->len & CRDTI_BACKWARDS;
    n = crdti_min(n, back ? name - at->name + 1 : at->name + at->len - name);
    crdti_put_stroke_head(k, (size_t)n, back ? CRDTI_BACK : CRDTI_FORTH);
    crdti_put_stroke_dot(k, name);
    seq = at->seq + (name - at->name);
    /* The last of them, too, must have been there before. */
    k->fails |=
        !back && author->replica == k->trail.replica && seq + n > k->first;
    crdti_trail_go(&k->trail, n, author->replica,
                   back ? seq - (n - 1) : seq + (n - 1));
}

CRDTI_FN void crdti_put_stroke(crdti_stroke_writer *k)
{
    uint64_t seq = k->trail.seq + 1;
    const crdti_author *author = k->author;
    size_t place = crdti_insertion_place(author, seq);
    if (place < author->insertions.len &&
        author->insertions.ptr[place].seq <= seq) {
        crdti_put_typed(k, &author->insertions.ptr[place]);
        return;
    }
    place = crdti_deletion_place(author, seq);
    if (place < author->deletions.len &&
        author->deletions.ptr[place].seq <= seq)
        crdti_put_erased(k, &author->deletions.ptr[place]);
    else
        k->fails = 1; /* something else was written */
}

/* Appends the strokes that lead from the trail to the replica's dot `top`; the
 * trail goes with them. 0: they cannot be told so; nothing has changed. */
CRDTI_FN int crdti_strokes_put(crdt_doc *doc, crdti_trail *trail, uint64_t top,
                               crdti_writer *w)
{
    crdti_stroke_writer k;
    size_t start = w->buf->len;
    uint32_t author;
    crdti_typing_write(doc);
    author =
        trail->text ? crdti_author_find(doc, trail->text, trail->replica) : 0;
    if (!author)
        return 0;
    k.doc = doc;
    k.s = (const crdti_sequence *)crdti_object_at(doc, trail->text)->state;
    k.author = crdti_author_at(doc, author);
    k.trail = *trail;
    k.first = trail->seq + 1;
    k.w = w;
    k.strokes = 0;
    k.fails = 0;
    crdti_put_u8(w, (uint8_t)trail->seq);
    while (!k.fails && k.trail.seq < top)
        crdti_put_stroke(&k);
    if (k.fails || w->err)
        w->buf->len = start;
    else
        *trail = k.trail;
    return !k.fails && !w->err;
}

/* >>reading --------------------------------------------------------------- */

typedef struct crdti_stroke {
    unsigned kind;
    uint32_t n;                 /* characters */
    crdti_position left, right; /* seq 0: none; or the first victim */
    crdti_origins origins;
    crdt_bytes bytes;
    crdti_width width;
} crdti_stroke;

typedef struct crdti_strokes {
    crdt_doc *doc;
    crdti_graft graft; /* for what it shares with one */
    crdti_trail trail; /* behind what was read */
    uint64_t first;
    uint32_t author;
    size_t len;
    crdti_stroke strokes[CRDTI_STROKES_MAX];
    size_t pieces, chars, bytes, parts; /* memory it takes */
} crdti_strokes;

CRDTI_FN crdti_position crdti_get_stroke_dot(crdti_reader *r,
                                             const crdti_strokes *k)
{
    const uint8_t *at = r->ptr;
    uint64_t told = crdti_get_varint(r) - 1;
    crdti_position dot = { 0, 0 };
    if (r->err || told == UINT64_MAX)
        return dot;
    dot.replica = told & 1 ? k->trail.replica : k->trail.cursor.replica;
    dot.seq = told & 1 ? k->trail.seq : k->trail.cursor.seq;
    dot.seq += (uint64_t)crdti_zigzag_unfold(told >> 1);
    if (!dot.seq || dot.seq > CRDTSYNC_MAX_SEQ ||
        (dot.replica == k->trail.replica && dot.seq >= k->first))
        crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
    return dot;
}

CRDTI_FN void crdti_get_typed(crdti_reader *r, crdti_strokes *k,
                              crdti_stroke *stroke, size_t n)
{
    const uint8_t *at = r->ptr;
    if (stroke->kind == CRDTI_INSERT) {
        stroke->left = crdti_get_stroke_dot(r, k);
        stroke->right = crdti_get_stroke_dot(r, k);
    }
    stroke->bytes = crdti_get_raw(r, n);
    if (!crdti_utf8_measure(stroke->bytes, &stroke->width) ||
        (stroke->kind == CRDTI_TYPE && k->len))
        crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
    stroke->n = stroke->width.chars;
    crdti_trail_go(&k->trail, stroke->n, k->trail.replica,
                   k->trail.seq + stroke->n);
    k->chars += stroke->n;
    k->bytes += n;
    if (!r->err)
        k->pieces += crdti_pieces_count(stroke->bytes, stroke->width);
}

/* The victim of the lowest seq. */
CRDTI_FN uint64_t crdti_stroke_low(const crdti_stroke *stroke)
{
    return stroke->kind == CRDTI_BACK ? stroke->left.seq - (stroke->n - 1)
                                      : stroke->left.seq;
}

CRDTI_FN void crdti_get_erased(crdti_reader *r, crdti_strokes *k,
                               crdti_stroke *stroke, size_t n)
{
    const uint8_t *at = r->ptr;
    uint64_t seq;
    stroke->n = (uint32_t)n;
    stroke->left = crdti_get_stroke_dot(r, k);
    seq = stroke->left.seq;
    if (!seq ||
        (stroke->kind == CRDTI_BACK ? n > seq : n > CRDTSYNC_MAX_SEQ - seq))
        crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
    crdti_trail_go(&k->trail, n, stroke->left.replica,
                   stroke->kind == CRDTI_BACK ? seq - (n - 1) : seq + (n - 1));
}

CRDTI_FN void crdti_get_strokes(crdti_reader *r, crdti_strokes *k)
{
    const uint8_t *at = r->ptr;
    if (crdti_get_u8(r) != (uint8_t)k->trail.seq)
        crdti_reader_fail_at(r, at, CRDT_ERR_CAUSAL);
    while (!r->err && r->ptr < r->end) {
        crdti_stroke *stroke = &k->strokes[k->len];
        uint64_t head;
        at = r->ptr;
        head = crdti_get_varint(r);
        if (head < 4 || head >> 2 > CRDTI_STROKE_MAX ||
            k->len == CRDTI_STROKES_MAX) {
            crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
            return;
        }
        stroke->kind = head & 3;
        if (stroke->kind <= CRDTI_INSERT)
            crdti_get_typed(r, k, stroke, (size_t)(head >> 2));
        else
            crdti_get_erased(r, k, stroke, (size_t)(head >> 2));
        k->len++;
    }
    if (!r->err && !k->len)
        crdti_reader_fail(r, CRDT_ERR_TRUNCATED);
    if (k->trail.seq > CRDTSYNC_MAX_SEQ)
        crdti_reader_fail(r, CRDT_ERR_LIMIT);
}

/* >>joining --------------------------------------------------------------- */

/* Looks up what the stroke names. CAUSAL: we have not all of it. */
CRDTI_FN crdt_err crdti_stroke_look(crdti_strokes *k, crdti_stroke *stroke)
{
    const crdti_author *author = crdti_author_at(k->doc, k->author);
    crdti_origins *origins = &stroke->origins;
    size_t parts;
    uint32_t text = k->trail.text;
    if (stroke->kind == CRDTI_TYPE) {
        const crdti_insertion *last;
        if (!author->insertions.len)
            return CRDT_ERR_CAUSAL;
        last = author->insertions.ptr + author->insertions.len - 1;
        if (last->seq + last->len != k->first)
            return CRDT_ERR_CAUSAL;
        origins->left = last->name + last->len - 1;
        origins->right = last->right;
    } else if (stroke->kind == CRDTI_INSERT) {
        origins->left = crdti_position_name(k->doc, text, stroke->left);
        origins->right = crdti_position_name(k->doc, text, stroke->right);
        if ((stroke->left.seq && origins->left == CRDTI_NO_CHAR) ||
            (stroke->right.seq && origins->right == CRDTI_NO_CHAR))
            return CRDT_ERR_CAUSAL;
    } else {
        uint64_t low = crdti_stroke_low(stroke);
        uint32_t at = crdti_author_find(k->doc, text, stroke->left.replica);
        if (!at ||
            crdti_author_count(crdti_author_at(k->doc, at), low,
                               low + stroke->n - 1, &parts) != stroke->n)
            return CRDT_ERR_CAUSAL;
        k->parts += parts;
    }
    origins->replica = k->trail.replica;
    origins->end = 0;
    return CRDT_OK;
}

/* Whether the strokes go on with what we have: that they are of that text and
 * replica, and no others have come from elsewhere. */
CRDTI_FN crdt_err crdti_strokes_look(crdti_strokes *k)
{
    uint64_t have = k->doc->replicas.ptr[k->trail.replica].seq;
    k->author = crdti_author_find(k->doc, k->trail.text, k->trail.replica);
    if (have + 1 != k->first || !k->author ||
        crdti_author_at(k->doc, k->author)->last != have)
        return CRDT_ERR_CAUSAL;
    return k->trail.replica == k->doc->self ? CRDT_ERR_FORK : CRDT_OK;
}

CRDTI_FN crdt_err crdti_strokes_reserve(crdti_strokes *k)
{
    crdt_doc *doc = k->doc;
    crdti_sequence *s = k->graft.s;
    crdt_err err = CRDT_OK;
    if (k->pieces)
        err = crdti_insertions_reserve(doc, s, k->author, k->pieces, k->chars,
                                       k->bytes);
    if (!err && k->parts)
        err = crdti_array_reserve(&doc->alloc,
                                  &crdti_author_at(doc, k->author)->deletions,
                                  k->parts);
    return err ? err : crdti_spans_reserve(doc, s, k->pieces + 2 * k->parts);
}

CRDTI_FN void crdti_stroke_insert(crdti_strokes *k, crdti_stroke *stroke,
                                  uint64_t *seq)
{
    crdti_spot spot = crdti_integrate(
        k->doc, k->graft.s, &stroke->origins,
        crdti_spot_behind(k->doc, k->graft.s, stroke->origins.left),
        &k->graft.steps); /* which are few: so are strokes */
    crdti_graft_put(&k->graft, k->author, seq, &stroke->origins, &spot,
                    stroke->n, stroke->bytes);
    k->graft.s->cursor = spot;
}

CRDTI_FN void crdti_stroke_delete(crdti_strokes *k, const crdti_stroke *stroke,
                                  uint64_t *seq)
{
    crdti_position at = stroke->left;
    int back = stroke->kind == CRDTI_BACK;
    uint32_t left = stroke->n, count;
    for (; left > 0; left -= count) {
        uint32_t name = crdti_position_name(k->doc, k->trail.text, at);
        const crdti_insertion *of = crdti_insertion_of(
            crdti_author_at(k->doc,
                            crdti_name_author(&k->graft.s->extents, name)),
            name);
        count = back ? name - of->name + 1 : of->name + of->len - name;
        count = count < left ? count : left;
        crdti_graft_hide(&k->graft, back ? name - (count - 1) : name, count);
        crdti_deletion_add(crdti_author_at(k->doc, k->author), *seq, name,
                           count, back ? CRDTI_BACKWARDS : 0);
        *seq += count;
        at.seq = back ? at.seq - count : at.seq + count;
    }
}

CRDTI_FN void crdti_strokes_apply(crdti_strokes *k)
{
    crdt_doc *doc = k->doc;
    crdti_sequence *s = k->graft.s;
    uint64_t seq = k->first;
    size_t i;
    doc->actor = k->trail.replica;
    crdti_touch(doc, k->trail.text, crdti_no_key());
    s->cursor_is_known = 0;
    for (i = 0; i < k->len; i++) {
        if (k->strokes[i].kind <= CRDTI_INSERT)
            crdti_stroke_insert(k, &k->strokes[i], &seq);
        else
            crdti_stroke_delete(k, &k->strokes[i], &seq);
    }
    crdti_author_list(doc, k->author);
    crdti_sequence_weigh(doc, s);
    doc->replicas.ptr[k->trail.replica].seq = k->trail.seq;
    doc->changes++;
    crdti_tell(doc);
}

/* Joins strokes that go on with the trail, which goes with them. CAUSAL, FORK,
 * LIMIT, NOMEM, or what a reader says: nothing has changed. */
CRDTI_FN crdt_err crdti_strokes_join(crdt_doc *doc, crdti_trail *trail,
                                     crdti_reader *r)
{
    crdti_strokes k;
    crdt_err err;
    size_t i;
    if (crdti_is_telling(doc))
        return CRDT_ERR_AGAIN;
    if (!trail->text)
        return CRDT_ERR_CAUSAL;
    k.doc = k.graft.doc = doc;
    k.trail = *trail;
    k.first = trail->seq + 1;
    k.graft.steps = 0;
    k.len = k.pieces = k.chars = k.bytes = k.parts = 0;
    crdti_get_strokes(r, &k);
    err = r->err;
    if (!err && k.trail.seq > doc->replicas.ptr[trail->replica].seq) {
        k.graft.s = NULL;
        err = crdti_strokes_look(&k);
        if (!err)
            k.graft.s = crdti_sequence_at(doc, trail->text);
        for (i = 0; i < k.len && !err; i++)
            err = crdti_stroke_look(&k, &k.strokes[i]);
        if (!err)
            err = crdti_strokes_reserve(&k);
        if (!err) {
            crdti_homes_make(doc, k.graft.s);
            crdti_strokes_apply(&k);
        }
    }
    if (!err)
        *trail = k.trail;
    return err;
}

#endif
/* 7 wire */
/* >> codec.h */
/*
 * Deltas as bytes, in columns: like stands by like, and runs of equal values
 * are told once. docs/wire-format.md shows it byte by byte.
 *
 *     flags     1 snapshot, 2 has a floor
 *     replicas  count, ids ascending, [base], top - base, [floor]
 *     objects   count, (parent, type, key) each; 0 is the root
 *     ops       count, then columns
 *                 replica  runs      step of seq  runs
 *                 object   runs      kind         runs (bit 7: it kills)
 *                 stamp    of VALUE, CREATE, MOVE: difference to the one before
 *                 key      of ops in maps, and of REMOVEs; in lists none
 *                          where it is the dot of the op itself
 *                 content  by kind
 *                 kills    of killers: count, (replica, last) each
 *
 * A run is (value, length). Every op costs its sender two bytes at least, so
 * counts are checked against the bytes left before anything is allocated.
 */
#ifndef CRDTI_CODEC_H
#define CRDTI_CODEC_H


enum {
    CRDTI_DELTA_SNAPSHOT = 1,
    CRDTI_DELTA_FLOOR = 2,
    CRDTI_DELTA_SEQUENCES = 4,
    CRDTI_DELTA_FLAGS = 7,
    CRDTI_KILLS_BIT = 0x80,
    CRDTI_OP_MIN = 2 /* bytes: a VALUE that is null, an ADD */
};

/* >>runs ------------------------------------------------------------------ */

typedef struct crdti_column_run {
    uint64_t value, len;
    const uint8_t *at; /* where it was read, to point at */
} crdti_column_run;

CRDTI_FN void crdti_run_end(crdti_writer *w, crdti_column_run *run)
{
    if (!run->len)
        return;
    crdti_put_varint(w, run->value);
    crdti_put_varint(w, run->len);
    run->len = 0;
}

CRDTI_INLINE void crdti_run_put(crdti_writer *w, crdti_column_run *run,
                                uint64_t value)
{
    if (run->len && run->value != value)
        crdti_run_end(w, run);
    run->value = value;
    run->len++;
}

/* The next value of the column; `left` values are still to come, this one
 * included, so no run may be longer. Neighbours must differ: one form only. */
CRDTI_INLINE uint64_t crdti_run_get(crdti_reader *r, crdti_column_run *run,
                                    uint64_t left, int is_first)
{
    if (CRDTI_UNLIKELY(!run->len)) {
        const uint8_t *at = r->ptr;
        uint64_t value = crdti_get_varint(r);
        uint64_t len = crdti_get_varint(r);
        if (len == 0 || len > left || (!is_first && value == run->value))
            crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
        if (r->err)
            return 0;
        run->value = value;
        run->len = len;
        run->at = at;
    }
    run->len--;
    return run->value;
}

/* >>encoding -------------------------------------------------------------- */

CRDTI_FN crdti_replica *crdti_cut_replica(crdt_doc *doc, const crdti_cut *cut,
                                          size_t place)
{
    return &doc->replicas.ptr[cut->replicas.ptr[place]];
}

CRDTI_FN void crdti_put_replicas(crdti_writer *w, crdt_doc *doc,
                                 const crdti_cut *cut)
{
    size_t i, len = cut->replicas.len;
    int floor = 0;
    for (i = 0; i < len && !cut->is_canonical; i++)
        floor |= crdti_cut_replica(doc, cut, i)->floor != 0;
    crdti_put_u8(w, (uint8_t)((cut->is_snapshot ? CRDTI_DELTA_SNAPSHOT : 0) |
                              (floor ? CRDTI_DELTA_FLOOR : 0) |
                              (cut->authors.len ? CRDTI_DELTA_SEQUENCES : 0)));
    crdti_put_varint(w, len);
    for (i = 0; i < len; i++)
        crdti_put_raw(w, crdt_bytes_of(crdti_cut_replica(doc, cut, i)->id.b,
                                       sizeof(crdt_id)));
    for (i = 0; i < len && !cut->is_snapshot; i++)
        crdti_put_varint(w, cut->base.ptr[i]);
    for (i = 0; i < len; i++)
        crdti_put_varint(w, crdti_cut_replica(doc, cut, i)->seq -
                                cut->base.ptr[i]);
    for (i = 0; i < len && floor; i++)
        crdti_put_varint(w, crdti_cut_replica(doc, cut, i)->floor);
}

CRDTI_FN void crdti_put_objects(crdti_writer *w, crdt_doc *doc,
                                const crdti_cut *cut)
{
    size_t i;
    crdti_put_varint(w, cut->objects.len);
    for (i = 0; i < cut->objects.len; i++) {
        const crdti_object *object = crdti_object_at(doc, cut->objects.ptr[i]);
        const crdti_entry *entry = crdti_entry_at(doc, object->entry);
        crdti_put_varint(w, crdti_object_at(doc, entry->object)->wire);
        crdti_put_u8(w, object->type);
        crdti_put_bytes(w, crdti_entry_key(entry));
    }
}

/* Whether the op's key is told: elsewhere kind and type say it. */
CRDTI_FN int crdti_has_key(uint8_t type, uint8_t kind)
{
    return crdti_type_table()[type].is_keyed || kind == CRDTI_REMOVE;
}

typedef uint64_t crdti_column_fn(const crdt_doc *doc, const crdti_cut *cut,
                                 uint32_t index, uint64_t *before);

CRDTI_FN uint64_t crdti_column_replica(const crdt_doc *doc,
                                       const crdti_cut *cut, uint32_t index,
                                       uint64_t *before)
{
    crdti_op room;
    (void)cut;
    (void)before;
    return doc->replicas.ptr[crdti_item_op(doc, index, &room)->replica].wire;
}

/* `before` holds replica + 1, then seq, of the op before. */
CRDTI_FN uint64_t crdti_column_step(const crdt_doc *doc, const crdti_cut *cut,
                                    uint32_t index, uint64_t *before)
{
    crdti_op room;
    const crdti_op *op = crdti_item_op(doc, index, &room);
    uint32_t wire = doc->replicas.ptr[op->replica].wire;
    uint64_t from =
        before[0] == wire + UINT64_C(1) ? before[1] : cut->base.ptr[wire];
    before[0] = wire + UINT64_C(1);
    before[1] = op->seq;
    return op->seq - from;
}

CRDTI_FN uint64_t crdti_column_object(const crdt_doc *doc,
                                      const crdti_cut *cut, uint32_t index,
                                      uint64_t *before)
{
    (void)cut;
    (void)before;
    return crdti_object_at(doc, crdti_item_object(doc, index))->wire;
}

CRDTI_FN uint64_t crdti_column_kind(const crdt_doc *doc, const crdti_cut *cut,
                                    uint32_t index, uint64_t *before)
{
    crdti_op room;
    int kills = crdti_cut_kills(doc, cut, index) != 0;
    (void)before;
    return crdti_item_op(doc, index, &room)->kind |
           (kills ? (unsigned)CRDTI_KILLS_BIT : 0u);
}

CRDTI_FN void crdti_put_column(crdti_writer *w, const crdt_doc *doc,
                               const crdti_cut *cut, crdti_column_fn *column)
{
    crdti_column_run run = { 0, 0, NULL };
    uint64_t before[2] = { 0, 0 };
    size_t i;
    for (i = 0; i < cut->ops.len; i++)
        crdti_run_put(w, &run, column(doc, cut, cut->ops.ptr[i], before));
    crdti_run_end(w, &run);
}

CRDTI_FN void crdti_put_stamps(crdti_writer *w, const crdt_doc *doc,
                               const crdti_cut *cut)
{
    crdti_op room;
    uint64_t before = 0;
    size_t i;
    for (i = 0; i < cut->ops.len; i++) {
        const crdti_op *op = crdti_item_op(doc, cut->ops.ptr[i], &room);
        if (!crdti_has_stamp(op->kind))
            continue;
        crdti_put_zigzag(w, (int64_t)(op->as.value.stamp - before));
        before = op->as.value.stamp;
    }
}

CRDTI_FN void crdti_put_keys(crdti_writer *w, const crdt_doc *doc,
                             const crdti_cut *cut)
{
    crdti_op room;
    uint8_t key_room[CRDTI_ROW_KEY];
    size_t i;
    for (i = 0; i < cut->ops.len; i++) {
        uint32_t item = cut->ops.ptr[i];
        const crdti_op *op = crdti_item_op(doc, item, &room);
        uint32_t object = crdti_item_object(doc, item);
        crdt_bytes key = crdti_item_key(doc, item, key_room);
        uint8_t type = crdti_object_at(doc, object)->type;
        if (type == CRDT_LIST && crdti_is_first_of(doc, op, key))
            crdti_put_bytes(w, crdti_no_key());
        else if (crdti_has_key(type, op->kind))
            crdti_put_bytes(w, key);
    }
}

CRDTI_FN void crdti_put_value(crdti_writer *w, const crdti_op *op)
{
    crdti_put_u8(w, op->form);
    if (crdti_op_has_bytes(op))
        crdti_put_bytes(w, crdti_op_bytes(op));
    else if (op->form == CRDT_DOUBLE)
        crdti_put_u64le(w, crdti_double_bits(op->as.value.as.number));
    else if (op->form == CRDT_BOOL)
        crdti_put_u8(w, (uint8_t)op->as.value.as.integer);
    else if (op->form != CRDT_NULL)
        crdti_put_zigzag(w, op->as.value.as.integer);
}

/* Voids in the order of the ids, so that equal ops are equal bytes: the marks
 * sort them in one pass over the replicas. */
CRDTI_FN void crdti_put_voids(crdti_writer *w, crdt_doc *doc,
                              const crdti_cut *cut, const crdti_op *op)
{
    size_t i;
    crdti_put_varint(w, op->len);
    for (i = 0; i < op->len; i++)
        doc->replicas.ptr[op->as.voids[i].replica].mark = i + 1;
    for (i = 0; i < cut->replicas.len; i++) {
        crdti_replica *replica = crdti_cut_replica(doc, cut, i);
        const crdti_void *v = op->as.voids + replica->mark - 1;
        if (!replica->mark)
            continue;
        crdti_put_varint(w, i);
        crdti_put_varint(w, v->plus);
        crdti_put_varint(w, v->minus);
        replica->mark = 0;
    }
}

CRDTI_FN void crdti_put_contents(crdti_writer *w, crdt_doc *doc,
                                 const crdti_cut *cut)
{
    crdti_op room;
    size_t i;
    for (i = 0; i < cut->ops.len; i++) {
        const crdti_op *op = crdti_item_op(doc, cut->ops.ptr[i], &room);
        switch (op->kind) {
        case CRDTI_VALUE:
            crdti_put_value(w, op);
            break;
        case CRDTI_CREATE:
            crdti_put_u8(w, op->form);
            break;
        case CRDTI_ADD:
            crdti_put_varint(w, op->as.add.plus);
            crdti_put_varint(w, op->as.add.minus);
            break;
        case CRDTI_RESET:
            crdti_put_voids(w, doc, cut, op);
            break;
        case CRDTI_IN:
        case CRDTI_OUT:
            crdti_put_u8(w, 0); /* so that no op is free: see CRDTI_OP_MIN */
            break;
        default: /* REMOVE has none */
            break;
        }
    }
}

/* How far back a kill goes: of the killer's own replica from just before it,
 * of others from the top, as kills are mostly of what is recent. */
CRDTI_FN void crdti_put_kills_of(crdti_writer *w, crdt_doc *doc,
                                 const crdti_cut *cut, uint32_t index)
{
    const crdti_op *op = crdti_op_at(doc, index);
    uint32_t at = crdti_entry_at(doc, op->entry)->kills;
    for (; at; at = crdti_kill_at(doc, at)->next) {
        const crdti_kill *kill = crdti_kill_at(doc, at);
        const crdti_replica *replica = &doc->replicas.ptr[kill->replica];
        uint64_t last = crdti_cut_last(doc, cut, kill);
        if (kill->killer != index || !last)
            continue;
        crdti_put_varint(w, replica->wire);
        crdti_put_varint(w, kill->replica == op->replica
                                ? op->seq - 1 - last
                                : replica->seq - last);
    }
}

CRDTI_FN void crdti_put_kills(crdti_writer *w, crdt_doc *doc,
                              const crdti_cut *cut)
{
    size_t i;
    for (i = 0; i < cut->ops.len; i++) {
        uint32_t count = crdti_cut_kills(doc, cut, cut->ops.ptr[i]);
        if (!count)
            continue;
        crdti_put_varint(w, count);
        crdti_put_kills_of(w, doc, cut, cut->ops.ptr[i]);
    }
}

CRDTI_FN void crdti_put_cut(crdti_writer *w, crdt_doc *doc,
                            const crdti_cut *cut)
{
    crdti_put_replicas(w, doc, cut);
    crdti_put_objects(w, doc, cut);
    crdti_put_varint(w, cut->ops.len);
    crdti_put_column(w, doc, cut, crdti_column_replica);
    crdti_put_column(w, doc, cut, crdti_column_step);
    crdti_put_column(w, doc, cut, crdti_column_object);
    crdti_put_column(w, doc, cut, crdti_column_kind);
    crdti_put_stamps(w, doc, cut);
    crdti_put_keys(w, doc, cut);
    crdti_put_contents(w, doc, cut);
    crdti_put_kills(w, doc, cut);
    if (cut->authors.len && cut->is_canonical)
        crdti_put_layouts(w, doc, cut);
    else if (cut->authors.len)
        crdti_put_sequences(w, doc, cut);
}

/* Appends Delta(since) without frame. `certain`: see crdti_cut_narrow. */
CRDTI_FN crdt_err crdti_delta_put(crdt_doc *doc, const crdt_vv *since,
                                  int purpose, const crdt_vv *certain,
                                  crdt_buf *out)
{
    crdti_cut cut;
    crdti_writer w;
    size_t start = out->len;
    crdti_writer_init(&w, out);
    w.err = crdti_cut_make(doc, since, purpose, certain, &cut);
    if (!w.err)
        crdti_put_cut(&w, doc, &cut);
    crdti_cut_free(doc, &cut);
    if (w.err)
        out->len = start;
    return w.err;
}

/* >>decoding -------------------------------------------------------------- */

CRDTI_FN void crdti_get_replicas(crdti_reader *r, crdti_arena *arena,
                                 crdti_delta *d)
{
    uint8_t flags = crdti_get_u8(r);
    size_t i, len;
    if (flags > CRDTI_DELTA_FLAGS)
        crdti_reader_fail_at(r, r->start, CRDT_ERR_VERSION);
    d->is_snapshot = flags & CRDTI_DELTA_SNAPSHOT;
    d->has_sequences = flags & CRDTI_DELTA_SEQUENCES;
    len = crdti_get_count(r, CRDTSYNC_MAX_REPLICAS, sizeof(crdt_id) + 1);
    d->replicas = (crdti_delta_replica *)crdti_get_array(r, arena, len,
                                                         sizeof *d->replicas);
    for (i = 0; i < len && !r->err; i++) {
        crdt_bytes id = crdti_get_raw(r, sizeof(crdt_id));
        if (id.len)
            crdti_copy(d->replicas[i].id.b, id.ptr, id.len);
        if (!r->err && i &&
            crdti_id_order(&d->replicas[i - 1].id, &d->replicas[i].id) >= 0)
            crdti_reader_fail_at(r, id.ptr, CRDT_ERR_CORRUPT);
    }
    for (i = 0; i < len && !r->err && !d->is_snapshot; i++)
        d->replicas[i].base = crdti_get_seq(r, 0);
    for (i = 0; i < len && !r->err; i++) {
        const uint8_t *at = r->ptr;
        d->replicas[i].top = crdti_get_seq(r, d->replicas[i].base);
        if (!d->replicas[i].top)
            crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
    }
    for (i = 0; i < len && !r->err && flags & CRDTI_DELTA_FLOOR; i++) {
        const uint8_t *at = r->ptr;
        d->replicas[i].floor = crdti_get_seq(r, 0);
        if (d->replicas[i].floor > d->replicas[i].top)
            crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
    }
    d->replicas_len = len;
}

/* Whether containers of that type hold others at such a key. */
CRDTI_FN int crdti_holds(uint8_t type, crdt_bytes key)
{
    return type == CRDT_MAP ||
           (type == CRDT_LIST && key.len == CRDTI_ELEMENT_KEY);
}

CRDTI_FN void crdti_get_object(crdti_reader *r, crdti_delta *d, size_t i)
{
    crdti_delta_object *object = &d->objects[i];
    const crdti_delta_object *parent;
    const uint8_t *at = r->ptr;
    object->parent = crdti_get_index(r, i);
    object->type = crdti_get_u8(r);
    object->key = crdti_get_bytes(r, CRDTSYNC_MAX_KEY);
    parent = &d->objects[object->parent];
    object->depth = (uint8_t)(parent->depth + 1);
    if (r->err)
        return;
    if (object->type == CRDT_NONE || !crdti_holds(parent->type, object->key))
        crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
    else if (object->type >= CRDT_TYPE_COUNT)
        crdti_reader_fail_at(r, at, CRDT_ERR_VERSION);
    else if (parent->depth >= CRDTSYNC_MAX_DEPTH)
        crdti_reader_fail_at(r, at, CRDT_ERR_LIMIT);
}

CRDTI_FN void crdti_get_objects(crdti_reader *r, crdti_arena *arena,
                                crdti_delta *d)
{
    size_t i, len = crdti_get_count(r, UINT32_MAX - 1, 3) + 1;
    d->objects = (crdti_delta_object *)crdti_get_array(r, arena, len,
                                                       sizeof *d->objects);
    if (r->err)
        return;
    d->objects[0].type = CRDT_MAP;
    for (i = 1; i < len && !r->err; i++)
        crdti_get_object(r, d, i);
    d->objects_len = len;
}

/* Columns 1 to 4. */
CRDTI_FN void crdti_get_dots(crdti_reader *r, crdti_delta *d)
{
    crdti_column_run run = { 0, 0, NULL };
    uint64_t before = 0, step;
    size_t i, n = d->ops_len;
    for (i = 0; i < n && !r->err; i++) {
        uint64_t replica = crdti_run_get(r, &run, n - i, i == 0);
        if (replica >= d->replicas_len || replica < before)
            crdti_reader_fail_at(r, run.at, CRDT_ERR_CORRUPT);
        d->ops[i].op.replica = (uint32_t)replica;
        before = replica;
    }
    crdti_zero(&run, sizeof run);
    for (i = 0; i < n && !r->err; i++) {
        crdti_op *op = &d->ops[i].op;
        const crdti_delta_replica *replica = &d->replicas[op->replica];
        int goes_on = i && op[0].replica == d->ops[i - 1].op.replica;
        before = goes_on ? d->ops[i - 1].op.seq : replica->base;
        step = crdti_run_get(r, &run, n - i, i == 0);
        if (step == 0 || step > replica->top - before)
            crdti_reader_fail_at(r, run.at, CRDT_ERR_CORRUPT);
        op->seq = before + step;
    }
}

CRDTI_FN void crdti_get_places(crdti_reader *r, crdti_delta *d)
{
    crdti_column_run run = { 0, 0, NULL };
    size_t i, n = d->ops_len;
    for (i = 0; i < n && !r->err; i++) {
        uint64_t object = crdti_run_get(r, &run, n - i, i == 0);
        if (object >= d->objects_len)
            crdti_reader_fail_at(r, run.at, CRDT_ERR_CORRUPT);
        d->ops[i].object = (uint32_t)object;
    }
    crdti_zero(&run, sizeof run);
    for (i = 0; i < n && !r->err; i++) {
        crdti_delta_op *op = &d->ops[i];
        uint64_t kind = crdti_run_get(r, &run, n - i, i == 0);
        op->kills_len = kind >> 7 & 1;
        op->op.kind = (uint8_t)(kind & 0x7f);
        if (kind > 0xff || op->op.kind >= CRDTI_KIND_COUNT)
            crdti_reader_fail_at(r, run.at, CRDT_ERR_VERSION);
        else if (!crdti_type_takes(d->objects[op->object].type, op->op.kind) ||
                 (op->op.kind == CRDTI_REMOVE && !op->kills_len))
            crdti_reader_fail_at(r, run.at, CRDT_ERR_CORRUPT);
    }
}

CRDTI_FN void crdti_get_stamps(crdti_reader *r, crdti_delta *d)
{
    uint64_t before = 0;
    size_t i;
    for (i = 0; i < d->ops_len && !r->err; i++) {
        crdti_op *op = &d->ops[i].op;
        if (!crdti_has_stamp(op->kind))
            continue;
        before += (uint64_t)crdti_get_zigzag(r);
        op->as.value.stamp = before;
        d->last_stamp = crdti_max(d->last_stamp, before);
    }
}

/* The key of an op in a list. That of an element's first is its own dot, which
 * is told by no bytes. */
CRDTI_FN crdt_bytes crdti_get_element(crdti_reader *r, crdti_arena *arena,
                                      const crdti_delta *d, const crdti_op *op)
{
    const uint8_t *at = r->ptr;
    crdt_bytes key = crdti_get_bytes(r, CRDTI_MOVES_KEY);
    uint8_t own[CRDTI_MOVES_KEY], *copy;
    if (r->err)
        return key;
    crdti_element_put(&d->replicas[op->replica].id, op->seq, own);
    if (crdt_bytes_equal(key, crdt_bytes_of(own, CRDTI_ELEMENT_KEY)) ||
        (op->kind == CRDTI_MOVE && key.len != CRDTI_MOVES_KEY) ||
        (key.len == CRDTI_MOVES_KEY && op->kind != CRDTI_MOVE &&
         op->kind != CRDTI_REMOVE))
        crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
    if (key.len)
        return key;
    copy = (uint8_t *)crdti_get_array(r, arena, CRDTI_ELEMENT_KEY, 1);
    if (!copy)
        return key;
    crdti_copy(copy, own, CRDTI_ELEMENT_KEY);
    return crdt_bytes_of(copy, CRDTI_ELEMENT_KEY);
}

/* A key that is not told follows from the kind. */
CRDTI_FN void crdti_get_keys(crdti_reader *r, crdti_arena *arena,
                             crdti_delta *d)
{
    size_t i;
    for (i = 0; i < d->ops_len && !r->err; i++) {
        crdti_delta_op *op = &d->ops[i];
        uint8_t type = d->objects[op->object].type;
        const uint8_t *at = r->ptr;
        if (op->op.kind == CRDTI_RESET)
            op->key = crdti_reset_key();
        else if (type == CRDT_LIST)
            op->key = crdti_get_element(r, arena, d, &op->op);
        else if (crdti_has_key(type, op->op.kind))
            op->key = crdti_get_bytes(r, CRDTSYNC_MAX_KEY);
        if (!crdti_type_has_key(type, op->key))
            crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
    }
}

CRDTI_FN void crdti_get_value(crdti_reader *r, crdti_op *op)
{
    const uint8_t *at = r->ptr;
    crdt_bytes bytes;
    uint64_t bits;
    op->form = crdti_get_u8(r);
    switch (op->form) {
    case CRDT_NULL:
        break;
    case CRDT_BOOL:
        op->as.value.as.integer = crdti_get_u8(r);
        if (op->as.value.as.integer > 1)
            crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
        break;
    case CRDT_INT:
    case CRDT_TIME:
        op->as.value.as.integer = crdti_get_zigzag(r);
        break;
    case CRDT_DOUBLE:
        bits = crdti_get_u64le(r);
        op->as.value.as.number = crdti_double_from(bits);
        if (crdti_double_bits(op->as.value.as.number) != bits)
            crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT); /* another NaN */
        break;
    case CRDT_STRING:
    case CRDT_BYTES:
        bytes = crdti_get_bytes(r, CRDTSYNC_MAX_VALUE);
        op->len = (uint32_t)bytes.len;
        /* Borrowed, and only ever read, until the join makes a copy. */
        op->as.value.as.bytes = (uint8_t *)(uintptr_t)bytes.ptr;
        break;
    default:
        crdti_reader_fail_at(r, at, CRDT_ERR_VERSION);
    }
}

CRDTI_FN uint64_t crdti_get_total(crdti_reader *r)
{
    const uint8_t *at = r->ptr;
    uint64_t total = crdti_get_varint(r);
    if (total > CRDTI_COUNT_MAX)
        crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
    return total;
}

CRDTI_FN void crdti_get_voids(crdti_reader *r, crdti_arena *arena,
                              const crdti_delta *d, crdti_op *op)
{
    size_t i, len = crdti_get_count(r, d->replicas_len, 3);
    uint32_t before = 0;
    if (len == 0)
        crdti_reader_fail_at(r, r->ptr - 1, CRDT_ERR_CORRUPT);
    op->len = (uint32_t)len;
    op->as.voids =
        (crdti_void *)crdti_get_array(r, arena, len, sizeof(crdti_void));
    for (i = 0; i < len && !r->err; i++) {
        crdti_void *v = &op->as.voids[i];
        const uint8_t *at = r->ptr;
        v->replica = crdti_get_index(r, d->replicas_len);
        v->plus = crdti_get_total(r);
        v->minus = crdti_get_total(r);
        if (i && v->replica <= before)
            crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
        before = v->replica;
    }
}

CRDTI_FN void crdti_get_content(crdti_reader *r, crdti_arena *arena,
                                const crdti_delta *d, crdti_delta_op *op)
{
    const uint8_t *at = r->ptr;
    switch (op->op.kind) {
    case CRDTI_VALUE:
        crdti_get_value(r, &op->op);
        if (op->op.form != CRDT_BOOL &&
            1u << d->objects[op->object].type & CRDTI_LWW_SETS)
            crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
        break;
    case CRDTI_CREATE:
        op->op.form = crdti_get_u8(r);
        if (op->op.form == CRDT_NONE)
            crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
        else if (op->op.form >= CRDT_TYPE_COUNT)
            crdti_reader_fail_at(r, at, CRDT_ERR_VERSION);
        else if (d->objects[op->object].depth >= CRDTSYNC_MAX_DEPTH)
            crdti_reader_fail_at(r, at, CRDT_ERR_LIMIT);
        break;
    case CRDTI_ADD:
        op->op.as.add.plus = crdti_get_total(r);
        op->op.as.add.minus = crdti_get_total(r);
        if (op->op.as.add.minus &&
            (d->objects[op->object].type == CRDT_GCOUNTER || op->key.len))
            crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
        break;
    case CRDTI_RESET:
        crdti_get_voids(r, arena, d, &op->op);
        break;
    case CRDTI_IN:
    case CRDTI_OUT:
        if (crdti_get_u8(r))
            crdti_reader_fail_at(r, at, CRDT_ERR_VERSION);
        break;
    default:
        break;
    }
}

/* One kill, and that its dot is one that the killer can have seen. `mark` is
 * the killer's own: it names a replica once. */
CRDTI_FN void crdti_get_kill(crdti_reader *r, const crdti_delta *d,
                             const crdti_op *killer, uint32_t mark,
                             crdti_delta_kill *kill)
{
    const uint8_t *at = r->ptr;
    uint64_t from, back;
    uint32_t *named;
    kill->replica = crdti_get_index(r, d->replicas_len);
    back = crdti_get_varint(r);
    if (r->err)
        return;
    from = kill->replica == killer->replica ? killer->seq - 1
                                            : d->replicas[kill->replica].top;
    named = &d->replicas[kill->replica].number;
    if (back >= from || *named == mark ||
        (killer->kind == CRDTI_ADD && kill->replica != killer->replica))
        crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
    kill->last = from - back;
    *named = mark;
}

CRDTI_FN void crdti_get_kills(crdti_reader *r, crdti_arena *arena,
                              crdti_delta *d, crdti_delta_op *op)
{
    size_t i, len = crdti_get_count(r, d->replicas_len, 2);
    uint32_t mark = (uint32_t)(op - d->ops) + 1;
    if (len == 0)
        crdti_reader_fail_at(r, r->ptr - 1, CRDT_ERR_CORRUPT);
    op->kills =
        (crdti_delta_kill *)crdti_get_array(r, arena, len, sizeof *op->kills);
    op->kills_len = (uint32_t)len;
    d->kills_len += len;
    for (i = 0; i < len && !r->err; i++)
        crdti_get_kill(r, d, &op->op, mark, &op->kills[i]);
}

/* Reads a whole delta; the bytes must outlive it, the arena must too. Errors
 * are on the reader. */
CRDTI_FN void crdti_get_delta(crdti_reader *r, crdti_arena *arena,
                              crdti_delta *d)
{
    size_t i;
    crdti_zero(d, sizeof *d);
    crdti_get_replicas(r, arena, d);
    crdti_get_objects(r, arena, d);
    d->ops_len = crdti_get_count(r, UINT32_MAX - 1, CRDTI_OP_MIN);
    d->ops = (crdti_delta_op *)crdti_get_array(r, arena, d->ops_len,
                                               sizeof *d->ops);
    crdti_get_dots(r, d);
    crdti_get_places(r, d);
    crdti_get_stamps(r, d);
    crdti_get_keys(r, arena, d);
    for (i = 0; i < d->ops_len && !r->err; i++)
        crdti_get_content(r, arena, d, &d->ops[i]);
    for (i = 0; i < d->ops_len && !r->err; i++)
        if (d->ops[i].kills_len)
            crdti_get_kills(r, arena, d, &d->ops[i]);
    if (!r->err && d->has_sequences)
        crdti_get_sequences(r, arena, d);
    if (!r->err && r->ptr != r->end)
        crdti_reader_fail(r, CRDT_ERR_CORRUPT);
}

#endif
/* >> frame.h */
/*
 * Frames: how a message stands in a stream, in a datagram or in a file.
 *
 *     +------+-------------+-----------+---------+-----------+
 *     | c7   | version<<5  | length    | payload | CRC32C of |
 *     |      |   | kind    | (varint)  |         | all before|
 *     +------+-------------+-----------+---------+-----------+
 *      1      1             1..10       length    4, little-endian
 *
 * 7 bytes around a short payload. A decoder says how much it still needs, so a
 * stream may be cut anywhere; a length is refused before anything is kept for
 * it.
 */
#ifndef CRDTI_FRAME_H
#define CRDTI_FRAME_H


#define CRDTI_FRAME_MAGIC 0xc7
#define CRDTI_FRAME_VERSION 1
#define CRDTI_FRAME_OVERHEAD (2 + CRDTI_VARINT_MAX + 4)

/* The numbers are part of the wire format. 1 is used in files and by programs
 * with a network of their own; the others between nodes (message.h). */
enum { CRDTI_FRAME_DELTA = 1 };

/* Writes what stands before the payload. Where that begins. */
CRDTI_INLINE uint8_t *crdti_frame_head(uint8_t *p, uint8_t kind, size_t len)
{
    p[0] = CRDTI_FRAME_MAGIC;
    p[1] = (uint8_t)(CRDTI_FRAME_VERSION << 5 | kind);
    return crdti_varint_store(p + 2, len);
}

/* Ends the frame that started at `start`. */
CRDTI_FN void crdti_frame_end(crdti_writer *w, size_t start)
{
    if (!w->err)
        crdti_put_u32le(w,
                        crdti_crc32c(0, crdt_bytes_of(w->buf->ptr + start,
                                                      w->buf->len - start)));
}

/* Puts a frame around the payload that stands from `start` on: for those
 * whose length is known only when they are written. */
CRDTI_FN void crdti_frame_wrap(crdti_writer *w, uint8_t kind, size_t start)
{
    size_t len, head;
    if (w->err)
        return;
    len = w->buf->len - start;
    head = 2 + crdti_varint_size(len);
    if (!crdti_put_room(w, head))
        return;
    crdti_move(w->buf->ptr + start + head, w->buf->ptr + start, len);
    crdti_frame_head(w->buf->ptr + start, kind, len);
    w->buf->len += head;
    crdti_frame_end(w, start);
}

typedef struct crdti_frame {
    uint8_t kind;
    crdt_bytes payload; /* borrowed */
    size_t size;        /* of the whole frame */
} crdti_frame;

/* Looks at the front of `bytes`. TRUNCATED: more must come. Others: CORRUPT,
 * VERSION, LIMIT (payload above `max`), CHECKSUM. `*offset` is where, when
 * not NULL. */
CRDTI_FN crdt_err crdti_frame_get(crdt_bytes bytes, size_t max,
                                  crdti_frame *out, size_t *offset)
{
    crdti_reader r;
    uint8_t magic, kind;
    uint64_t len;
    crdti_reader_init(&r, bytes);
    magic = crdti_get_u8(&r);
    if (!r.err && magic != CRDTI_FRAME_MAGIC)
        crdti_reader_fail_at(&r, r.start, CRDT_ERR_CORRUPT);
    kind = crdti_get_u8(&r);
    if (!r.err && kind >> 5 != CRDTI_FRAME_VERSION)
        crdti_reader_fail_at(&r, r.start + 1, CRDT_ERR_VERSION);
    len = crdti_get_varint(&r);
    if (len > max)
        crdti_reader_fail_at(&r, r.start + 2, CRDT_ERR_LIMIT);
    out->kind = kind & 31;
    out->payload = crdti_get_raw(&r, (size_t)len);
    out->size = (size_t)(r.ptr - r.start) + 4;
    if (!r.err && crdti_reader_left(&r) >= 4 && CRDTI_RULE(TORN_REFUSED) &&
        crdti_crc32c(0, crdt_bytes_of(r.start, out->size - 4)) !=
            crdti_load32(r.ptr))
        crdti_reader_fail(&r, CRDT_ERR_CHECKSUM);
    crdti_get_u32le(&r);
    if (offset)
        *offset = r.err_at;
    return r.err;
}

#endif
/* >> wire.h */
/*
 * The public face of deltas: one frame of bytes each, joinable anywhere.
 */
#ifndef CRDTI_WIRE_H
#define CRDTI_WIRE_H


CRDTI_FN crdt_err crdti_delta_framed(crdt_doc *doc, const crdt_vv *since,
                                     int purpose, crdt_buf *out)
{
    crdti_writer w;
    size_t start;
    if (!doc || !out)
        return CRDT_ERR_ARG;
    start = out->len;
    crdti_writer_init(&w, out);
    w.err = crdti_delta_put(doc, since, purpose, NULL, out);
    crdti_frame_wrap(&w, CRDTI_FRAME_DELTA, start);
    if (w.err)
        out->len = start;
    return w.err;
}

CRDT_API crdt_err crdt_delta(crdt_doc *doc, const crdt_vv *since,
                             crdt_buf *out)
{
    return crdti_delta_framed(doc, since, CRDTI_FOR_ALL, out);
}

CRDT_API crdt_err crdt_canonical(crdt_doc *doc, crdt_buf *out)
{
    return crdti_delta_framed(doc, NULL, CRDTI_FOR_COMPARISON, out);
}

/* The payload of a frame that must hold just one delta. */
CRDTI_FN crdt_err crdti_delta_unframe(crdt_bytes bytes, crdt_bytes *payload,
                                      size_t *offset)
{
    crdti_frame frame;
    crdt_err err = crdti_frame_get(bytes, SIZE_MAX, &frame, offset);
    if (err)
        return err;
    if (frame.kind != CRDTI_FRAME_DELTA) {
        *offset = 1;
        return CRDT_ERR_VERSION;
    }
    if (frame.size != bytes.len) {
        *offset = frame.size;
        return CRDT_ERR_CORRUPT;
    }
    *payload = frame.payload;
    return CRDT_OK;
}

CRDTI_FN crdt_err crdti_range_put(const crdti_delta *d, int top, crdt_vv *out)
{
    size_t i;
    crdt_err err = CRDT_OK;
    if (!out)
        return CRDT_OK;
    crdt_vv_clear(out);
    for (i = 0; i < d->replicas_len && !err; i++)
        err = crdt_vv_set(out, &d->replicas[i].id,
                          top ? d->replicas[i].top : d->replicas[i].base);
    return err;
}

/* Where a delta leaves the trail: at what the one replica wrote of which it
 * has anything new. */
CRDTI_FN void crdti_delta_trail(const crdt_doc *doc, const crdti_delta *d,
                                crdti_trail *trail)
{
    const crdti_delta_replica *grown = NULL;
    size_t i;
    trail->text = 0;
    for (i = 0; i < d->replicas_len; i++) {
        if (d->replicas[i].top == d->replicas[i].base)
            continue;
        if (grown)
            return;
        grown = &d->replicas[i];
    }
    if (grown)
        crdti_trail_start(doc, grown->number, grown->top, trail);
}

/* What a delta brings its joiner to. */
typedef struct crdti_reach {
    crdt_vv top;
    crdti_trail trail;
    crdti_gain gain;
} crdti_reach;

/* Decodes and joins a payload. `*offset` is where a decoder stopped; `reach`
 * may be NULL. */
CRDTI_FN crdt_err crdti_payload_join(crdt_doc *doc, crdt_bytes payload,
                                     size_t *offset, crdti_reach *reach)
{
    crdti_delta delta;
    crdti_reader r;
    crdti_arena_mark start;
    crdt_err err;
    if (crdti_is_telling(doc))
        return CRDT_ERR_AGAIN;
    /* The first block stays from join to join. */
    if (!doc->scratch.top && !crdti_arena_alloc(&doc->scratch, 1))
        return CRDT_ERR_NOMEM;
    start = crdti_arena_here(&doc->scratch);
    crdti_reader_init(&r, payload);
    crdti_get_delta(&r, &doc->scratch, &delta);
    *offset = r.err_at;
    err = r.err;
    if (!err)
        err = crdti_delta_join(doc, &delta);
    if (reach)
        reach->gain = delta.gain;
    if (!err && reach)
        err = crdti_range_put(&delta, 1, &reach->top);
    if (!err && reach)
        crdti_delta_trail(doc, &delta, &reach->trail);
    crdti_arena_reset(&doc->scratch, start);
    return err;
}

CRDT_API crdt_err crdt_join_at(crdt_doc *doc, crdt_bytes delta, size_t *offset)
{
    crdt_bytes payload;
    crdt_err err;
    *offset = 0;
    if (!doc || (!delta.ptr && delta.len))
        return CRDT_ERR_ARG;
    err = crdti_delta_unframe(delta, &payload, offset);
    if (err)
        return err;
    err = crdti_payload_join(doc, payload, offset, NULL);
    if (err)
        *offset += (size_t)(payload.ptr - delta.ptr);
    return err;
}

CRDT_API crdt_err crdt_join(crdt_doc *doc, crdt_bytes delta)
{
    size_t offset;
    return crdt_join_at(doc, delta, &offset);
}

/* What a payload is based on and brings to; reads no further than that. */
CRDTI_FN crdt_err crdti_payload_range(crdt_bytes payload,
                                      const crdt_alloc *alloc, crdt_vv *since,
                                      crdt_vv *top)
{
    crdti_reader r;
    crdti_arena arena;
    crdti_delta d;
    crdt_err err;
    crdti_zero(&d, sizeof d);
    crdti_reader_init(&r, payload);
    crdti_arena_init(&arena, alloc);
    crdti_get_replicas(&r, &arena, &d);
    err = r.err;
    if (!err)
        err = crdti_range_put(&d, 0, since);
    if (!err)
        err = crdti_range_put(&d, 1, top);
    crdti_arena_free(&arena);
    return err;
}

CRDT_API crdt_err crdt_delta_range(crdt_bytes delta, crdt_vv *since,
                                   crdt_vv *top)
{
    crdt_bytes payload;
    size_t offset;
    const crdt_alloc *alloc = since ? since->alloc : top ? top->alloc : NULL;
    crdt_err err = crdti_delta_unframe(delta, &payload, &offset);
    return err ? err : crdti_payload_range(payload, alloc, since, top);
}

#endif
/* 8 sync */
/* >> message.h */
/*
 * Messages between two nodes: the payload of a frame, one kind each.
 *
 *     HELLO    who I am, what I speak, how much I take
 *     DOCS     which documents I share, and a print of each
 *     STATE    my version vector and digest of a document; `asks`: and yours?
 *     DIGEST   my print of a document: silence means yours is the same
 *     UPDATE   a delta
 *     STROKES  a delta that goes on where the last one ended, in short
 *     ANSWER   your delta is joined, or why not
 *     HAVE     what I have got and do not send, as others will
 *     PIECE    a part of a message that is too long for one frame
 *     GOT      which parts of it have come
 *     PRESENCE a value of a node that lives for a while
 *     ROSTER   what has changed in my table of members: gossip.h
 *     ALIVE    nothing; so that silence means death
 *     BYE      why I hang up
 *
 * Documents go by their number in the list of the sender, which only grows.
 * What stands behind the known fields of a HELLO, and kinds that are not
 * known, come from a newer version and are skipped.
 */
#ifndef CRDTI_MESSAGE_H
#define CRDTI_MESSAGE_H


#define CRDTI_PROTOCOL_MIN 1u
#define CRDTI_PROTOCOL_MAX 1u
#define CRDTI_FRAME_MIN 1024u /* payload that everyone takes */

/* The numbers are part of the wire format, and go on from frame.h. */
enum {
    CRDTI_HELLO = 2,
    CRDTI_STATE = 3,
    CRDTI_DIGEST = 4,
    CRDTI_UPDATE = 5,
    CRDTI_ANSWER = 6,
    CRDTI_ALIVE = 7,
    CRDTI_BYE = 8,
    CRDTI_STROKES = 9,
    CRDTI_DOCS = 10,
    CRDTI_PIECE = 11,
    CRDTI_ROSTER = 12,
    CRDTI_GOT = 16,
    CRDTI_HAVE = 17,
    CRDTI_PRESENCE = 18
};

/* What a node can do beyond what every one can. Both use what both can. */
enum {
    CRDTI_CAN_STROKES = 1,
    CRDTI_CAN_HAVE = 2,
    CRDTI_CAN_PRESENCE = 4,
    CRDTI_CAN_ROSTER = 8,
    CRDTI_CAN = 15
};

typedef struct crdti_hello {
    uint64_t oldest, newest; /* protocol versions spoken */
    crdt_id node;
    uint64_t nonce;      /* of this link, drawn by the sender */
    uint64_t heard;      /* the nonce of the other side, or 0 */
    uint64_t can;        /* bits; those that we do not know are cleared */
    uint64_t frame_max;  /* bytes of payload the sender takes at once, */
    uint64_t window;     /* and unanswered */
    uint64_t docs;       /* how many it shares, */
    uint64_t docs_heard; /* and has heard that the other side does */
    crdt_bytes name;
} crdti_hello;

CRDTI_FN void crdti_put_hello(crdti_writer *w, const crdti_hello *hello)
{
    crdti_put_varint(w, hello->oldest);
    crdti_put_varint(w, hello->newest);
    crdti_put_raw(w, crdt_bytes_of(hello->node.b, sizeof hello->node.b));
    crdti_put_u64le(w, hello->nonce);
    crdti_put_u64le(w, hello->heard);
    crdti_put_varint(w, hello->can);
    crdti_put_varint(w, hello->frame_max);
    crdti_put_varint(w, hello->window);
    crdti_put_varint(w, hello->docs);
    crdti_put_varint(w, hello->docs_heard);
    crdti_put_bytes(w, hello->name);
}

CRDTI_FN crdt_id crdti_get_id(crdti_reader *r)
{
    crdt_id id;
    crdt_bytes raw = crdti_get_raw(r, sizeof id.b);
    crdti_zero(&id, sizeof id);
    if (raw.len)
        crdti_copy(id.b, raw.ptr, raw.len);
    return id;
}

CRDTI_FN void crdti_get_hello(crdti_reader *r, crdti_hello *hello)
{
    crdti_zero(hello, sizeof *hello);
    hello->oldest = crdti_get_varint(r);
    hello->newest = crdti_get_varint(r);
    if (!r->err && (hello->oldest > CRDTI_PROTOCOL_MAX ||
                    hello->newest < CRDTI_PROTOCOL_MIN))
        crdti_reader_fail(r, CRDT_ERR_VERSION);
    hello->node = crdti_get_id(r);
    hello->nonce = crdti_get_u64le(r);
    hello->heard = crdti_get_u64le(r);
    hello->can = crdti_get_varint(r) & CRDTI_CAN;
    hello->frame_max = crdti_get_varint(r);
    hello->window = crdti_get_varint(r);
    hello->docs = crdti_get_count(r, CRDTSYNC_MAX_SHARED, 0);
    hello->docs_heard = crdti_get_varint(r);
    hello->name = crdti_get_bytes(r, CRDTSYNC_MAX_NAME);
}

/* A delta; its bytes go to the end of the message. */
typedef struct crdti_update {
    uint64_t doc;
    uint64_t id; /* of the delta; from 1, one by one */
    uint8_t how; /* CRDTI_FOLLOWS | CRDTI_LATE */
    crdt_bytes delta;
} crdti_update;

#define CRDTI_CAST_ID ((uint64_t)1 << 32) /* and above: said to all at once */

enum {
    CRDTI_FOLLOWS = 1, /* to be joined right after the one before */
    CRDTI_LATE = 2     /* held back in vain: nobody else brought it */
};

CRDTI_FN void crdti_get_update(crdti_reader *r, crdti_update *update)
{
    update->doc = crdti_get_varint(r);
    update->id = crdti_get_varint(r);
    update->how = crdti_get_u8(r);
    update->delta = crdti_get_raw(r, crdti_reader_left(r));
}

/* The result of a delta that was joined, and held nothing new. */
#define CRDTI_KNEW 64u

/* A part of the message whose payload has `total` bytes. */
typedef struct crdti_parcel_piece {
    uint64_t id;  /* of the message; from 1 */
    uint8_t asks; /* say what you have got of it */
    uint8_t kind; /* of the message: UPDATE or STATE */
    uint64_t total, offset;
    crdt_bytes bytes;
} crdti_parcel_piece;

#define CRDTI_PIECE_HEAD (3 * CRDTI_VARINT_MAX + 2)

CRDTI_FN void crdti_put_piece(crdti_writer *w, const crdti_parcel_piece *piece)
{
    crdti_put_varint(w, piece->id);
    crdti_put_u8(w, piece->asks);
    crdti_put_u8(w, piece->kind);
    crdti_put_varint(w, piece->total);
    crdti_put_varint(w, piece->offset);
    crdti_put_raw(w, piece->bytes);
}

CRDTI_FN void crdti_get_piece(crdti_reader *r, crdti_parcel_piece *piece)
{
    piece->id = crdti_get_varint(r);
    piece->asks = crdti_get_u8(r);
    piece->kind = crdti_get_u8(r);
    piece->total = crdti_get_varint(r);
    if (piece->total > CRDTSYNC_MAX_TRANSFER)
        crdti_reader_fail(r, CRDT_ERR_LIMIT);
    piece->offset = crdti_get_varint(r);
    piece->bytes = crdti_get_raw(r, crdti_reader_left(r));
    if (!r->err &&
        (!piece->id || !piece->bytes.len || piece->offset > piece->total ||
         piece->bytes.len > piece->total - piece->offset ||
         (piece->kind != CRDTI_UPDATE && piece->kind != CRDTI_STATE)))
        crdti_reader_fail(r, CRDT_ERR_CORRUPT);
}

/* What has come of the message, as runs of bytes; `end` is that of the piece
 * which asked. Where there are too many, those before it: the others have been
 * told, or will be. */
#define CRDTI_RUNS_TOLD 40u

CRDTI_FN void crdti_put_got(crdti_writer *w, uint64_t id, uint64_t end,
                            const crdti_ivset *have)
{
    size_t i, last = crdti_min_size(
                  have->len, crdti_max_size(crdti_ivset_behind(have, end),
                                            CRDTI_RUNS_TOLD));
    uint64_t at = 0;
    crdti_put_varint(w, id);
    crdti_put_varint(w, end);
    for (i = last - crdti_min_size(last, CRDTI_RUNS_TOLD); i < last; i++) {
        crdti_put_varint(w, have->ptr[i].lo - at);
        crdti_put_varint(w, have->ptr[i].hi - have->ptr[i].lo);
        at = have->ptr[i].hi + 1;
    }
}

CRDTI_FN void crdti_put_digest(crdti_writer *w, crdt_digest digest)
{
    crdti_put_u64le(w, digest.lo);
    crdti_put_u64le(w, digest.hi);
}

CRDTI_FN crdt_digest crdti_get_digest(crdti_reader *r)
{
    crdt_digest digest;
    digest.lo = crdti_get_u64le(r);
    digest.hi = crdti_get_u64le(r);
    return digest;
}

CRDTI_FN int crdti_digest_equal(crdt_digest a, crdt_digest b)
{
    return a.lo == b.lo && a.hi == b.hi;
}

/* One word for a vector and a digest. */
CRDTI_FN uint64_t crdti_print_of(const crdt_vv *vv, crdt_digest digest)
{
    uint64_t print =
        crdti_mix(digest.lo ^ CRDTI_HASH_1, digest.hi ^ CRDTI_HASH_2);
    size_t i;
    for (i = 0; i < vv->len; i++) {
        const crdt_dot *dot = &vv->entries[i];
        print = crdti_mix(print ^ crdti_load64(dot->replica.b),
                          CRDTI_HASH_1 ^ crdti_load64(dot->replica.b + 8));
        print = crdti_mix(print ^ dot->seq, CRDTI_HASH_2);
    }
    return print;
}

/* A message ends where its bytes end. */
CRDTI_FN void crdti_get_end(crdti_reader *r)
{
    if (!r->err && r->ptr != r->end)
        crdti_reader_fail(r, CRDT_ERR_CORRUPT);
}

#endif
/* >> roster.h */
/*
 * The roster: who takes part in a document, and what each of them has.
 *
 *     members   we     a    counter 7   active    applied  floor  pact
 *               b      b    counter 12  active    applied  floor  pact
 *               c      c    counter 3   evicted by a
 *
 * A member is one incarnation of one replica. Its record is written by itself
 * alone and numbered by a counter that only it raises, so the newest record
 * wins, whichever way it came. Others may say one thing of it, that it is
 * evicted, under the counter it had; when it hears that, it raises the counter
 * and is back. So joining two rosters is commutative, associative and
 * idempotent, like everything here. (Das et al. 2002, SWIM)
 *
 * What every active member has applied is *stable*: no one will ask for less.
 * Each record also names the *view*, the set of active members its writer
 * knew. When all name the same view, nobody knows of a member that another
 * does not; only then do their floors mean all floors.
 *
 * A node with a store keeps the table in it (keep.h): whoever is told that we
 * are a member, or what we have accepted, must find us so after a crash. Then
 * we are another incarnation; the one before has left, and what it promised is
 * ours. Numbers leap then, beyond all that may have been said and not stored.
 *
 * With more active members than CRDTSYNC_MAX_MEMBERS the table is given up,
 * here and by everyone who hears of it: then nothing is forgotten by itself.
 */
#ifndef CRDTI_ROSTER_H
#define CRDTI_ROSTER_H


/* Two that go by one id say so no oftener, or they would all the time. */
#define CRDTI_TWIN_MS 1000u
#define CRDTI_ROSTER_LEAP ((uint64_t)1 << 32) /* of numbers, in a restart */

/* An attempt at a full sync: the higher one wins. Number 0: none. */
typedef struct crdti_ballot {
    uint64_t number;
    crdt_id proposer;
} crdti_ballot;

/* What a member has said about full syncs: epoch.h. */
typedef struct crdti_pact {
    uint64_t epoch;      /* how many were committed */
    crdti_ballot ballot; /* the highest it takes part in, or did */
    uint8_t phase;       /* crdt_phase */
    uint8_t is_strict;
    uint32_t lease_ms;
    crdti_ballot accepted; /* in which it last accepted a cut: */
    crdt_vv cut;
    crdt_digest digest; /* of the document at the cut, if */
    uint8_t is_exact;   /* it was just there, */
    uint8_t is_done;    /* and whether this is the cut of `epoch` */
} crdti_pact;

typedef struct crdti_member {
    crdt_id replica, node;
    uint64_t counter;
    uint8_t status; /* crdt_member_status */
    crdt_id by;     /* who evicted it */
    uint64_t view;
    crdt_vv applied, floor;
    crdti_pact pact;
    /* Not told to others: */
    uint64_t stamp;    /* `changes` of the roster when this record came */
    uint64_t from;     /* the link that it came through */
    uint64_t heard_ms; /* `awake_ms` of the roster when it came */
} crdti_member;

typedef struct crdti_roster {
    const crdt_alloc *alloc;
    CRDTI_ARRAY(crdti_member) members; /* none, or we first */
    uint64_t changes;                  /* of records, ours included */
    uint64_t urgent;   /* up to this one they are to be told at once */
    uint64_t promises; /* changes that a crash must not undo */
    uint64_t view;
    int is_off;       /* given up */
    uint64_t twin_ms; /* when we had to say again that we are we */
    /* tend.h: */
    uint64_t awake_ms; /* of the node */
    uint64_t renewed_at, renew_at;
    uint64_t said; /* sum of the seqs in our record when it was renewed */
    uint64_t stable, stable_at; /* sum of seqs, and since when */
    uint64_t swept;             /* the same, of the floors */
    uint64_t led_at;            /* when we truncated as the first */
    /* epoch.h: */
    uint64_t lease_until;
    uint64_t wanted_until; /* the program's wish; 0: none */
    uint64_t wanted_seq;   /* our changes when it was made */
    int wants_strict;
    int is_adopted;       /* the cut that we propose is an older one */
    uint64_t stepped;     /* `changes` when last looked at */
    uint64_t compared;    /* digests, at the last commit */
    uint64_t alarms;      /* that they differed, */
    crdti_ballot alarmed; /* the last time there; */
    crdti_ballot judged;  /* and all had said what they have; */
    crdt_digest model;    /* what most had then (crdti_epoch_model) */
} crdti_roster;

/* >>making and ending ----------------------------------------------------- */

CRDTI_FN void crdti_member_init(crdti_member *member, const crdt_alloc *alloc)
{
    crdti_zero(member, sizeof *member);
    member->applied.alloc = member->floor.alloc = alloc;
    member->pact.cut.alloc = alloc;
}

CRDTI_FN void crdti_member_free(crdti_member *member)
{
    crdt_vv_free(&member->applied);
    crdt_vv_free(&member->floor);
    crdt_vv_free(&member->pact.cut);
}

CRDTI_FN void crdti_roster_free(crdti_roster *r)
{
    size_t i;
    for (i = 0; i < r->members.len; i++)
        crdti_member_free(&r->members.ptr[i]);
    crdti_array_free(r->alloc, &r->members);
}

CRDTI_FN void crdti_roster_give_up(crdti_roster *r)
{
    crdti_roster_free(r);
    r->is_off = 1;
    r->urgent = ++r->changes;
    r->promises++;
}

/* >>reading --------------------------------------------------------------- */

CRDTI_FN crdti_member *crdti_roster_self(const crdti_roster *r)
{
    return r->members.ptr;
}

CRDTI_FN crdti_member *crdti_roster_find(const crdti_roster *r,
                                         const crdt_id *replica)
{
    size_t i;
    for (i = 0; i < r->members.len; i++)
        if (crdti_id_equal(&r->members.ptr[i].replica, replica))
            return &r->members.ptr[i];
    return NULL;
}

CRDTI_FN int crdti_is_active(const crdti_member *member)
{
    return member->status == CRDT_MEMBER_ACTIVE;
}

CRDTI_FN size_t crdti_roster_active(const crdti_roster *r)
{
    size_t i, active = 0;
    for (i = 0; i < r->members.len; i++)
        active += (size_t)crdti_is_active(&r->members.ptr[i]);
    return active;
}

/* The member at that node, or NULL: one that is active, or has left, which
 * goes on listening as long as it likes. */
CRDTI_FN const crdti_member *crdti_roster_at_node(const crdti_roster *r,
                                                  const crdt_id *node)
{
    size_t i;
    for (i = 0; i < r->members.len; i++)
        if (r->members.ptr[i].status != CRDT_MEMBER_EVICTED &&
            crdti_id_equal(&r->members.ptr[i].node, node))
            return &r->members.ptr[i];
    return NULL;
}

/* A number for the whole table: equal ones, equal tables. */
CRDTI_FN uint64_t crdti_roster_hash(const crdti_roster *r)
{
    uint64_t hash = 0;
    size_t i;
    for (i = 0; i < r->members.len; i++) {
        const crdti_member *member = &r->members.ptr[i];
        hash += crdti_hash(member->replica.b, 16,
                           crdti_mix(member->counter ^ CRDTI_HASH_1,
                                     member->status ^ CRDTI_HASH_2) ^
                               crdti_load64(member->node.b));
    }
    return hash;
}

CRDTI_FN void crdti_roster_look_around(crdti_roster *r)
{
    size_t i;
    r->view = 0;
    for (i = 0; i < r->members.len; i++)
        if (crdti_is_active(&r->members.ptr[i]))
            r->view += crdti_hash(r->members.ptr[i].replica.b, 16, 0);
}

/* Whether all active members know of the same ones. */
CRDTI_FN int crdti_roster_agrees(const crdti_roster *r)
{
    size_t i;
    for (i = 0; i < r->members.len; i++)
        if (crdti_is_active(&r->members.ptr[i]) &&
            r->members.ptr[i].view != r->view)
            return 0;
    return r->members.len > 0;
}

/* Whether we know nobody, and yet have what others wrote: who has lost the
 * table in a restart, say. Then we are not all there is. */
CRDTI_FN int crdti_roster_is_lost(const crdti_roster *r)
{
    const crdti_member *self = crdti_roster_self(r);
    return r->members.len == 1 && self->applied.len > 0 &&
           (self->applied.len > 1 ||
            !crdt_vv_get(&self->applied, &self->replica));
}

/* >>cuts ------------------------------------------------------------------ */

/* out := what all active members have applied, or, with `floor`, have as their
 * floor; of us that is as our record says. */
CRDTI_FN crdt_err crdti_roster_cut(const crdti_roster *r, int floor,
                                   crdt_vv *out)
{
    const crdti_member *self = crdti_roster_self(r);
    size_t i;
    crdt_err err;
    if (!self)
        return CRDT_ERR_LIMIT;
    err = crdt_vv_copy(out, floor ? &self->floor : &self->applied);
    for (i = 1; i < r->members.len && !err; i++) {
        const crdti_member *member = &r->members.ptr[i];
        if (crdti_is_active(member) && CRDTI_RULE(ALL_HAVE_IT))
            crdti_vv_meet(out, floor ? &member->floor : &member->applied);
    }
    return err;
}

/* Whether the floors are those of all, and nothing is under way that was
 * written before they were what they are. */
CRDTI_FN int crdti_roster_has_floors(const crdti_roster *r)
{
    const crdti_member *self = crdti_roster_self(r);
    size_t i;
    if (!crdti_roster_agrees(r))
        return 0;
    for (i = 1; i < r->members.len; i++) {
        const crdti_member *member = &r->members.ptr[i];
        if (crdti_is_active(member) &&
            crdt_vv_get(&self->applied, &member->replica) <
                crdt_vv_get(&member->applied, &member->replica))
            return 0;
    }
    return 1;
}

/* >>changing -------------------------------------------------------------- */

CRDTI_FN void crdti_roster_touch(crdti_roster *r, crdti_member *member,
                                 uint64_t from)
{
    member->stamp = ++r->changes;
    member->from = from;
    crdti_roster_look_around(r);
}

/* Our record as the document is now. NOMEM: it may be half so. */
CRDTI_FN crdt_err crdti_roster_refresh(crdti_roster *r, const crdt_doc *doc)
{
    crdti_member *self = crdti_roster_self(r);
    crdt_err err = crdt_doc_vv(doc, &self->applied);
    return err ? err : crdt_doc_floor(doc, &self->floor);
}

/* Our record says something new. */
CRDTI_FN void crdti_roster_renew(crdti_roster *r, int is_urgent)
{
    crdti_member *self = crdti_roster_self(r);
    self->counter++;
    crdti_roster_touch(r, self, 0);
    self->view = r->view;
    r->said = crdti_vv_sum(&self->applied) + crdti_vv_sum(&self->floor);
    if (!is_urgent)
        return;
    r->urgent = r->changes;
    r->promises++;
}

/* Room for one more. One that is gone makes place; when it comes back as if
 * nothing had been, it has to be evicted once more, and that is all. */
CRDTI_FN crdt_err crdti_roster_reserve(crdti_roster *r)
{
    size_t i;
    if (r->members.len < CRDTSYNC_MAX_MEMBERS)
        return crdti_array_reserve(r->alloc, &r->members, 1);
    for (i = 1; i < r->members.len; i++) {
        if (crdti_is_active(&r->members.ptr[i]))
            continue;
        crdti_member_free(&r->members.ptr[i]);
        r->members.ptr[i] = r->members.ptr[--r->members.len];
        return CRDT_OK;
    }
    return CRDT_ERR_LIMIT;
}

/* Of two records of one member, whether a is the newer. With equal counters
 * one of them was written before a restart without memory. */
CRDTI_FN int crdti_member_beats(const crdti_member *a, const crdti_member *b)
{
    int order;
    if (a->counter != b->counter)
        return a->counter > b->counter;
    if (a->status != b->status)
        return a->status > b->status;
    order = crdti_id_order(&a->node, &b->node);
    return order ? order > 0 : crdti_id_order(&a->by, &b->by) > 0;
}

CRDTI_FN int crdti_ballot_order(const crdti_ballot *a, const crdti_ballot *b)
{
    if (a->number != b->number)
        return a->number > b->number ? 1 : -1;
    return crdti_id_order(&a->proposer, &b->proposer);
}

/* Somebody has a record of ours. One that is newer is from before we lost our
 * memory: what we promised then still holds. */
CRDTI_FN void crdti_roster_hear_self(crdti_roster *r, crdti_member *heard)
{
    crdti_member *self = crdti_roster_self(r);
    int forgot = heard->counter > self->counter;
    if (!crdti_is_active(self) || !CRDTI_RULE(EVICTED_RETURN) ||
        (!crdti_member_beats(heard, self) &&
         (heard->counter < self->counter ||
          crdti_id_equal(&heard->node, &self->node))))
        return;
    self->counter = heard->counter;
    if (forgot &&
        (heard->pact.epoch > self->pact.epoch ||
         crdti_ballot_order(&heard->pact.ballot, &self->pact.ballot) > 0)) {
        crdti_pact pact = self->pact;
        self->pact = heard->pact;
        self->pact.phase = CRDT_PHASE_WORK;
        heard->pact = pact;
    }
    crdti_roster_renew(r, !r->twin_ms ||
                              r->awake_ms - r->twin_ms >= CRDTI_TWIN_MS);
    r->twin_ms = r->awake_ms + 1;
}

/* Whether others wait for what is new in the record. */
CRDTI_FN int crdti_member_is_pressing(const crdti_member *now,
                                      const crdti_member *before)
{
    const crdti_pact *a = &now->pact, *b = &before->pact;
    return now->status != before->status || a->phase != b->phase ||
           a->epoch != b->epoch || (a->phase && now->view != before->view) ||
           crdti_ballot_order(&a->ballot, &b->ballot) ||
           crdti_ballot_order(&a->accepted, &b->accepted);
}

/* A record has come; what it holds is taken out of it, or freed with it.
 * NOMEM: nothing has changed. */
CRDTI_FN crdt_err crdti_roster_join(crdti_roster *r, crdti_member *heard,
                                    uint64_t from)
{
    crdti_member *member = crdti_roster_find(r, &heard->replica), old;
    crdt_err err;
    if (!r->members.len)
        return CRDT_OK;
    if (member && member == crdti_roster_self(r)) {
        crdti_roster_hear_self(r, heard);
        return CRDT_OK;
    }
    if (member && !crdti_member_beats(heard, member))
        return CRDT_OK;
    if (!member) {
        err = crdti_roster_reserve(r);
        if (err == CRDT_ERR_LIMIT)
            crdti_roster_give_up(r);
        if (err)
            return err == CRDT_ERR_LIMIT ? CRDT_OK : err;
        member = &r->members.ptr[r->members.len++];
        crdti_member_init(member, r->alloc);
    }
    old = *member;
    *member = *heard;
    *heard = old;
    member->heard_ms = r->awake_ms;
    crdti_roster_touch(r, member, from);
    if (crdti_member_is_pressing(member, &old))
        r->urgent = r->changes;
    r->promises += !old.counter || member->status != old.status;
    return CRDT_OK;
}

/* Evicts it. It may well come back. */
CRDTI_FN void crdti_roster_evict(crdti_roster *r, crdti_member *member)
{
    member->status = CRDT_MEMBER_EVICTED;
    member->by = crdti_roster_self(r)->replica;
    crdti_roster_touch(r, member, 0);
    r->urgent = r->changes;
    r->promises++;
}

/* We take part from now on, under the document's replica id. NOMEM, LIMIT:
 * nothing has changed. */
CRDTI_FN crdt_err crdti_roster_enter(crdti_roster *r, const crdt_doc *doc,
                                     const crdt_id *node)
{
    crdti_member self;
    crdt_err err = crdti_roster_reserve(r);
    crdti_member_init(&self, r->alloc);
    if (!err)
        err = crdt_doc_vv(doc, &self.applied);
    if (!err)
        err = crdt_doc_floor(doc, &self.floor);
    if (err) {
        crdti_member_free(&self);
        return err;
    }
    self.replica = crdt_doc_replica(doc);
    self.node = *node;
    crdti_move(r->members.ptr + 1, r->members.ptr,
               r->members.len++ * sizeof self);
    r->members.ptr[0] = self;
    crdti_roster_renew(r, 0);
    r->promises++;
    return CRDT_OK;
}

/* That incarnation of ours writes no more, and what it promised is ours now. */
CRDTI_FN void crdti_roster_inherit(crdti_roster *r, crdti_member *old)
{
    crdti_member *self = crdti_roster_self(r);
    crdti_pact pact = self->pact;
    self->pact = old->pact;
    old->pact = pact;
    old->status = CRDT_MEMBER_LEFT;
    crdt_vv_clear(&old->applied);
    crdt_vv_clear(&old->floor);
}

/* The first record of the table that we had before a restart: who we were. */
CRDTI_FN void crdti_roster_recall(crdti_roster *r, crdti_member *was)
{
    was->counter += CRDTI_ROSTER_LEAP;
    was->pact.phase = CRDT_PHASE_WORK;
    if (r->members.len &&
        !crdti_id_equal(&was->replica, &crdti_roster_self(r)->replica))
        crdti_roster_inherit(r, was);
}

/* The document has a new replica id: the old one writes no more. */
CRDTI_FN crdt_err crdti_roster_reenter(crdti_roster *r, const crdt_doc *doc)
{
    crdti_member *self = crdti_roster_self(r);
    crdt_id node = self->node, id = crdt_doc_replica(doc);
    crdti_member *known = crdti_roster_find(r, &id);
    crdt_err err = known ? CRDT_ERR_FORK : crdti_roster_enter(r, doc, &node);
    if (err)
        return err;
    crdti_roster_inherit(r, &r->members.ptr[1]);
    r->members.ptr[1].counter++;
    r->wanted_seq = 0; /* that of another */
    crdti_roster_touch(r, &r->members.ptr[1], 0);
    crdti_roster_renew(r, 1);
    return CRDT_OK;
}

#endif
/* >> gossip.h */
/*
 * Gossip: how rosters (roster.h) come to be the same.
 *
 *     ROSTER  doc  id  message               or in pieces:
 *             doc  id  total  offset  bytes
 *
 *     message flags from news ack hash       what it covers
 *             ids                            named by number from here on
 *             records                        those changed in (from, to]
 *
 * Each side numbers the changes of its own table and tells each peer what has
 * changed since what that one has, but for what came from there. `ack` says
 * up to where the peer's numbers have arrived; where links lose, what is not
 * acknowledged is said again. Whoever finds a gap asks. Two that meet begin
 * with their own record and a hash of the table, two that meet again with the
 * hash, and when the hashes are equal that was all. Records may come in any
 * order, and twice.
 */
#ifndef CRDTI_GOSSIP_H
#define CRDTI_GOSSIP_H


#define CRDTI_GOSSIP_AGAIN_MS 250u /* when an acknowledgement is missing */
#define CRDTI_GOSSIP_FEW 4u        /* members that are told unasked */
#define CRDTI_GOSSIP_OVERHEAD (5 * CRDTI_VARINT_MAX)
#define CRDTI_GOSSIP_ASKS 1u
#define CRDTI_GOSSIP_OFF 2u
#define CRDTI_GOSSIP_TELLS 4u /* there are records */

/* What of a roster one peer knows, and we of its. */
typedef struct crdti_gossip {
    uint64_t told, acked; /* our changes, said and arrived */
    uint64_t heard;       /* theirs */
    uint64_t looked;      /* ours, and there was nothing for this peer */
    uint64_t said_at;
    crdt_buf out; /* message being cut into pieces */
    size_t out_at;
    uint64_t out_id;
    crdt_buf in; /* message being put together */
    uint64_t in_id, in_total;
    int has_said, owes, asks; /* began; is to acknowledge; lacks something */
} crdti_gossip;

/* The link that it goes over. */
typedef struct crdti_way {
    uint64_t nonce;
    int is_ordered; /* nothing gets lost or out of order */
    int is_known;   /* the peer was, before: then it may know us, too */
    uint32_t wait_ms;
} crdti_way;

CRDTI_FN void crdti_gossip_free(crdti_gossip *g)
{
    crdt_buf_free(&g->out);
    crdt_buf_free(&g->in);
}

/* >>records as bytes ------------------------------------------------------ */

/* An id by its place in the message's list. */
CRDTI_FN void crdti_put_place(crdti_writer *w, const crdt_vv *ids,
                              const crdt_id *id)
{
    crdti_put_varint(w, crdti_vv_place(ids, id));
}

CRDTI_FN void crdti_put_placed_vv(crdti_writer *w, const crdt_vv *ids,
                                  const crdt_vv *vv)
{
    size_t i, at = 0, next = 0;
    crdti_put_varint(w, vv->len);
    for (i = 0; i < vv->len; i++) {
        at = crdti_vv_place(ids, &vv->entries[i].replica);
        crdti_put_varint(w, at - next);
        crdti_put_varint(w, vv->entries[i].seq);
        next = at + 1;
    }
}

/* status 0-1, phase 2-3, strict 4, accepted 5, exact 6, done 7 */
CRDTI_FN uint8_t crdti_member_head(const crdti_member *m)
{
    const crdti_pact *pact = &m->pact;
    int accepted = pact->accepted.number != 0;
    return (uint8_t)(m->status | pact->phase << 2 | pact->is_strict << 4 |
                     accepted << 5 | pact->is_exact << 6 | pact->is_done << 7);
}

CRDTI_FN void crdti_put_pact(crdti_writer *w, const crdt_vv *ids,
                             const crdti_pact *pact)
{
    crdti_put_varint(w, pact->epoch);
    crdti_put_varint(w, pact->ballot.number);
    if (pact->ballot.number) {
        crdti_put_place(w, ids, &pact->ballot.proposer);
        crdti_put_varint(w, pact->lease_ms);
    }
    if (!pact->accepted.number)
        return;
    crdti_put_varint(w, pact->accepted.number);
    crdti_put_place(w, ids, &pact->accepted.proposer);
    crdti_put_placed_vv(w, ids, &pact->cut);
    if (pact->is_exact)
        crdti_put_digest(w, pact->digest);
}

CRDTI_FN void crdti_put_member(crdti_writer *w, const crdt_vv *ids,
                               const crdti_member *m)
{
    crdti_put_place(w, ids, &m->replica);
    crdti_put_raw(w, crdt_bytes_of(m->node.b, sizeof m->node.b));
    crdti_put_varint(w, m->counter);
    crdti_put_u8(w, crdti_member_head(m));
    if (m->status == CRDT_MEMBER_EVICTED)
        crdti_put_place(w, ids, &m->by);
    crdti_put_u64le(w, m->view);
    crdti_put_placed_vv(w, ids, &m->applied);
    crdti_put_placed_vv(w, ids, &m->floor);
    crdti_put_pact(w, ids, &m->pact);
}

/* Adds the ids that the record names. */
CRDTI_FN crdt_err crdti_member_ids(const crdti_member *m, crdt_vv *ids)
{
    crdt_err err = crdt_vv_merge(ids, &m->applied);
    if (!err)
        err = crdt_vv_merge(ids, &m->floor);
    if (!err)
        err = crdt_vv_merge(ids, &m->pact.cut);
    if (!err)
        err = crdt_vv_set(ids, &m->replica, 1);
    if (!err && m->status == CRDT_MEMBER_EVICTED)
        err = crdt_vv_set(ids, &m->by, 1);
    if (!err && m->pact.ballot.number)
        err = crdt_vv_set(ids, &m->pact.ballot.proposer, 1);
    if (!err && m->pact.accepted.number)
        err = crdt_vv_set(ids, &m->pact.accepted.proposer, 1);
    return err;
}

/* The list of ids of a message that is read. */
typedef struct crdti_ids {
    const uint8_t *ptr;
    size_t len;
} crdti_ids;

CRDTI_FN void crdti_get_ids(crdti_reader *r, crdti_ids *ids)
{
    size_t i;
    ids->len = crdti_get_count(r, CRDTSYNC_MAX_REPLICAS, 16);
    ids->ptr = crdti_get_raw(r, ids->len * 16).ptr;
    for (i = 1; i < ids->len && !r->err; i++)
        if (crdti_compare(ids->ptr + 16 * (i - 1), ids->ptr + 16 * i, 16) >= 0)
            crdti_reader_fail_at(r, ids->ptr + 16 * i, CRDT_ERR_CORRUPT);
}

CRDTI_FN void crdti_get_place(crdti_reader *r, const crdti_ids *ids,
                              crdt_id *id)
{
    uint64_t place = crdti_get_varint(r);
    if (place >= ids->len)
        crdti_reader_fail(r, CRDT_ERR_CORRUPT);
    else if (!r->err)
        crdti_copy(id->b, ids->ptr + 16 * place, 16);
}

/* A number from `least` up. */
CRDTI_FN uint64_t crdti_get_number(crdti_reader *r, uint64_t least)
{
    uint64_t number = crdti_get_varint(r);
    if (number < least)
        crdti_reader_fail(r, CRDT_ERR_CORRUPT);
    if (number > CRDTSYNC_MAX_SEQ)
        crdti_reader_fail(r, CRDT_ERR_LIMIT);
    return number;
}

CRDTI_FN void crdti_get_placed_vv(crdti_reader *r, const crdti_ids *ids,
                                  crdt_vv *vv)
{
    size_t i, count = crdti_get_count(r, ids->len, 2);
    uint64_t at = 0;
    vv->len = 0;
    if (!r->err && crdti_vv_reserve(vv, count))
        crdti_reader_fail(r, CRDT_ERR_NOMEM);
    for (i = 0; i < count && !r->err; i++) {
        uint64_t gap = crdti_get_varint(r), seq = crdti_get_number(r, 1);
        if (gap >= ids->len || at + gap >= ids->len)
            crdti_reader_fail(r, CRDT_ERR_CORRUPT);
        if (r->err)
            break;
        at += gap;
        crdti_copy(vv->entries[i].replica.b, ids->ptr + 16 * at, 16);
        vv->entries[i].seq = seq;
        vv->len = i + 1;
        at++;
    }
}

CRDTI_FN void crdti_get_pact(crdti_reader *r, const crdti_ids *ids,
                             uint8_t head, crdti_pact *pact)
{
    uint64_t lease;
    pact->epoch = crdti_get_number(r, 0);
    pact->ballot.number = crdti_get_number(r, 0);
    if (pact->ballot.number) {
        crdti_get_place(r, ids, &pact->ballot.proposer);
        lease = crdti_get_varint(r);
        pact->lease_ms = (uint32_t)lease;
        if (lease > UINT32_MAX)
            crdti_reader_fail(r, CRDT_ERR_LIMIT);
    }
    pact->phase = head >> 2 & 3;
    pact->is_strict = head >> 4 & 1;
    pact->is_exact = head >> 6 & 1;
    pact->is_done = head >> 7;
    if (pact->phase > CRDT_PHASE_READY ||
        (!pact->ballot.number && (pact->phase || pact->is_strict)) ||
        (!(head & 32) && (pact->is_exact || pact->is_done)))
        crdti_reader_fail(r, CRDT_ERR_CORRUPT);
    if (!(head & 32))
        return;
    pact->accepted.number = crdti_get_number(r, 1);
    crdti_get_place(r, ids, &pact->accepted.proposer);
    crdti_get_placed_vv(r, ids, &pact->cut);
    if (pact->is_exact)
        pact->digest = crdti_get_digest(r);
}

/* Into a member that may hold another record; it keeps its memory. */
CRDTI_FN void crdti_get_member(crdti_reader *r, const crdti_ids *ids,
                               crdti_member *m)
{
    crdti_member old = *m;
    uint8_t head;
    crdti_member_init(m, old.applied.alloc);
    m->applied = old.applied;
    m->floor = old.floor;
    m->pact.cut = old.pact.cut;
    m->pact.cut.len = 0;
    crdti_get_place(r, ids, &m->replica);
    m->node = crdti_get_id(r);
    m->counter = crdti_get_number(r, 1);
    if (m->counter > CRDTSYNC_MAX_SEQ / 2) /* the member could not go on */
        crdti_reader_fail(r, CRDT_ERR_LIMIT);
    head = crdti_get_u8(r);
    m->status = head & 3;
    if (m->status > CRDT_MEMBER_LEFT)
        crdti_reader_fail(r, CRDT_ERR_CORRUPT);
    if (m->status == CRDT_MEMBER_EVICTED)
        crdti_get_place(r, ids, &m->by);
    m->view = crdti_get_u64le(r);
    crdti_get_placed_vv(r, ids, &m->applied);
    crdti_get_placed_vv(r, ids, &m->floor);
    crdti_get_pact(r, ids, head, &m->pact);
}

/* >>messages -------------------------------------------------------------- */

typedef struct crdti_gossip_head {
    uint8_t flags;
    uint64_t from, to, ack, hash;
} crdti_gossip_head;

CRDTI_FN void crdti_put_gossip_head(crdti_writer *w,
                                    const crdti_gossip_head *head)
{
    crdti_put_u8(w, head->flags);
    crdti_put_varint(w, head->from);
    crdti_put_varint(w, head->to - head->from);
    crdti_put_varint(w, head->ack);
    crdti_put_u64le(w, head->hash);
}

CRDTI_FN void crdti_get_gossip_head(crdti_reader *r, crdti_gossip_head *head)
{
    head->flags = crdti_get_u8(r);
    if (head->flags > 7)
        crdti_reader_fail(r, CRDT_ERR_CORRUPT);
    head->from = crdti_get_number(r, 0);
    head->to = head->from + crdti_get_number(r, 0);
    head->ack = crdti_get_number(r, 0);
    head->hash = crdti_get_u64le(r);
}

/* Whether a message tells the i-th record: to begin with, ours, to those who do
 * not know it. */
CRDTI_FN int crdti_gossip_tells(const crdti_roster *r, size_t i,
                                const crdti_gossip *g, const crdti_way *way,
                                int begins)
{
    const crdti_member *m = &r->members.ptr[i];
    return begins ? i == 0 && !way->is_known
                  : m->stamp > g->told && m->from != way->nonce;
}

/* Whether there is something to tell. */
CRDTI_FN int crdti_gossip_has_news(const crdti_roster *r, crdti_gossip *g,
                                   const crdti_way *way)
{
    size_t i;
    if (r->is_off)
        return r->changes > g->told;
    if (g->looked == r->changes)
        return 0;
    for (i = 0; i < r->members.len; i++)
        if (crdti_gossip_tells(r, i, g, way, 0))
            return 1;
    g->looked = r->changes;
    return 0;
}

CRDTI_FN void crdti_put_records(crdti_writer *w, const crdti_roster *r,
                                const crdti_gossip *g, const crdti_way *way,
                                int begins)
{
    crdt_vv ids;
    size_t i, count = 0;
    crdti_zero(&ids, sizeof ids);
    ids.alloc = r->alloc;
    for (i = 0; i < r->members.len && !w->err; i++) {
        if (!crdti_gossip_tells(r, i, g, way, begins))
            continue;
        w->err = crdti_member_ids(&r->members.ptr[i], &ids);
        count++;
    }
    crdti_put_varint(w, ids.len);
    for (i = 0; i < ids.len; i++)
        crdti_put_raw(w, crdt_bytes_of(ids.entries[i].replica.b, 16));
    crdti_put_varint(w, count);
    for (i = 0; i < r->members.len && !w->err; i++)
        if (crdti_gossip_tells(r, i, g, way, begins))
            crdti_put_member(w, &ids, &r->members.ptr[i]);
    crdt_vv_free(&ids);
}

/* All of the table, we first; also of one that was given up. */
CRDTI_FN void crdti_put_table(crdti_writer *w, const crdti_roster *r)
{
    crdti_gossip all;
    crdti_way way;
    crdti_zero(&all, sizeof all);
    crdti_zero(&way, sizeof way);
    way.nonce = UINT64_MAX; /* it all comes from elsewhere */
    crdti_put_records(w, r, &all, &way, 0);
}

/* What to do with records: look whether they can be read; join them; or join
 * those that we had ourselves before a restart. */
typedef enum crdti_take { CRDTI_LOOK, CRDTI_TAKE, CRDTI_RECALL } crdti_take;

/* Records are joined as they are read; they have all been looked at before,
 * so only memory can fail, and then what was joined is none the worse. */
CRDTI_FN void crdti_join_records(crdti_reader *r, crdti_roster *roster,
                                 uint64_t from, crdti_take take)
{
    int is_first = 1;
    crdti_member m;
    crdti_ids ids;
    size_t count;
    crdti_get_ids(r, &ids);
    count = crdti_get_count(r, CRDTSYNC_MAX_MEMBERS, 30);
    crdti_member_init(&m, roster->alloc);
    for (; count > 0 && !r->err; count--) {
        crdt_err err = CRDT_OK;
        crdti_get_member(r, &ids, &m);
        if (take == CRDTI_RECALL && is_first && !r->err)
            crdti_roster_recall(roster, &m);
        if (take != CRDTI_LOOK && !r->err)
            err = crdti_roster_join(roster, &m, from);
        is_first = 0;
        if (err)
            crdti_reader_fail(r, err);
    }
    crdti_member_free(&m);
    crdti_get_end(r);
}

/* Reads a table that was put, all or nothing but for NOMEM. */
CRDTI_FN crdt_err crdti_roster_load(crdti_roster *roster, crdt_bytes table)
{
    crdti_reader r, look;
    crdti_reader_init(&r, table);
    look = r;
    crdti_join_records(&look, roster, 0, CRDTI_LOOK);
    if (!look.err)
        crdti_join_records(&r, roster, 0, CRDTI_RECALL);
    return look.err ? look.err : r.err;
}

/* >>telling --------------------------------------------------------------- */

CRDTI_FN int crdti_gossip_is_due(const crdti_roster *r, crdti_gossip *g,
                                 const crdti_way *way, uint64_t now)
{
    if (!r->changes)
        return 0;
    if (!g->has_said || g->owes || g->asks)
        return 1;
    if (!way->is_ordered && g->told > g->acked &&
        now - g->said_at >= CRDTI_GOSSIP_AGAIN_MS) {
        g->told = g->acked;
        return 1;
    }
    return r->changes > g->told &&
           (r->urgent > g->told || now - g->said_at >= way->wait_ms) &&
           crdti_gossip_has_news(r, g, way);
}

/* When there may be something to tell that there is not now. */
CRDTI_FN uint64_t crdti_gossip_wakes(const crdti_roster *r,
                                     const crdti_gossip *g,
                                     const crdti_way *way)
{
    if (g->out.len)
        return 0;
    if (!way->is_ordered && g->told > g->acked)
        return g->said_at + CRDTI_GOSSIP_AGAIN_MS;
    return r->changes > g->told && g->looked != r->changes
               ? g->said_at + way->wait_ms
               : UINT64_MAX;
}

/* Makes the next message. Only acknowledging it may be. */
CRDTI_FN crdt_err crdti_gossip_compose(const crdti_roster *r, crdti_gossip *g,
                                       const crdti_way *way, uint64_t now)
{
    int begins =
        !g->has_said && (way->is_known || r->members.len > CRDTI_GOSSIP_FEW);
    int tells;
    crdti_gossip_head head;
    crdti_writer w;
    crdti_writer_init(&w, &g->out);
    g->looked = 0;
    tells = crdti_gossip_has_news(r, g, way);
    head.to = tells ? r->changes : g->told;
    tells = !r->is_off && (begins ? !way->is_known : tells);
    head.from = begins ? head.to : g->told;
    head.ack = g->heard;
    head.hash = crdti_roster_hash(r);
    head.flags = (uint8_t)((g->asks ? CRDTI_GOSSIP_ASKS : 0) |
                           (r->is_off ? CRDTI_GOSSIP_OFF : 0) |
                           (tells ? CRDTI_GOSSIP_TELLS : 0));
    crdti_put_gossip_head(&w, &head);
    if (tells)
        crdti_put_records(&w, r, g, way, begins);
    if (w.err) {
        g->out.len = 0;
        return w.err;
    }
    g->told = head.to;
    g->said_at = now;
    g->has_said = 1;
    g->owes = g->asks = 0;
    g->out_at = 0;
    g->out_id++;
    return CRDT_OK;
}

/* Puts the next piece, if there is something to tell. */
CRDTI_FN void crdti_gossip_say(crdti_roster *r, crdti_gossip *g,
                               const crdti_way *way, size_t room, uint64_t now,
                               crdti_writer *w)
{
    size_t len;
    if (!g->out.len && crdti_gossip_is_due(r, g, way, now)) {
        w->err = crdti_gossip_compose(r, g, way, now);
        if (w->err == CRDT_ERR_LIMIT || g->out.len > CRDTSYNC_MAX_ROSTER) {
            g->out.len = 0;
            w->err = CRDT_OK;
            crdti_roster_give_up(r);
        }
    }
    if (w->err || !g->out.len)
        return;
    len = crdti_min_size(room, g->out.len - g->out_at);
    crdti_put_varint(w, g->out_id << 1 | (len < g->out.len));
    if (len < g->out.len) {
        crdti_put_varint(w, g->out.len);
        crdti_put_varint(w, g->out_at);
    }
    crdti_put_raw(w, crdt_bytes_of(g->out.ptr + g->out_at, len));
    if (w->err)
        return;
    g->out_at += len;
    if (g->out_at == g->out.len)
        g->out.len = 0;
}

/* >>hearing --------------------------------------------------------------- */

CRDTI_FN void crdti_gossip_take(crdti_roster *roster, crdti_gossip *g,
                                const crdti_way *way, crdti_reader *r)
{
    crdti_gossip_head head;
    crdti_reader look;
    crdti_get_gossip_head(r, &head);
    look = *r;
    if (head.flags & CRDTI_GOSSIP_TELLS)
        crdti_join_records(&look, roster, way->nonce, CRDTI_LOOK);
    else
        crdti_get_end(&look);
    if (look.err) {
        *r = look;
        return;
    }
    if (head.flags & CRDTI_GOSSIP_OFF && !roster->is_off)
        crdti_roster_give_up(roster);
    g->acked = crdti_max(g->acked, crdti_min(head.ack, g->told));
    if (head.flags & CRDTI_GOSSIP_ASKS) {
        g->told = crdti_min(g->told, head.ack);
        g->owes = 1;
    }
    if (head.flags & CRDTI_GOSSIP_TELLS)
        crdti_join_records(r, roster, way->nonce, CRDTI_TAKE);
    if (r->err)
        return;
    if (head.hash == crdti_roster_hash(roster)) {
        /* They have what we have, too. */
        g->told = g->acked = roster->changes;
    } else if (head.from > g->heard) {
        g->asks = !roster->is_off;
        return;
    }
    g->heard = crdti_max(g->heard, head.to);
    if (!way->is_ordered && head.flags & ~CRDTI_GOSSIP_ASKS)
        g->owes = 1;
}

/* A piece, behind the number of the document. Pieces of what did not arrive
 * whole are forgotten: it will be said again. */
CRDTI_FN void crdti_gossip_hear(crdti_roster *roster, crdti_gossip *g,
                                const crdti_way *way, crdti_reader *r)
{
    uint64_t id = crdti_get_varint(r), total = 0, offset = 0;
    crdt_bytes bytes;
    crdti_reader whole;
    crdti_writer w;
    if (id & 1) {
        total = crdti_get_varint(r);
        offset = crdti_get_varint(r);
    }
    bytes = crdti_get_raw(r, crdti_reader_left(r));
    if (!(id & 1))
        total = bytes.len;
    if (total > CRDTSYNC_MAX_ROSTER)
        crdti_reader_fail(r, CRDT_ERR_LIMIT);
    if (!bytes.len || offset > total || bytes.len > total - offset ||
        (id & 1 && bytes.len == total))
        crdti_reader_fail(r, CRDT_ERR_CORRUPT);
    if (r->err)
        return;
    if (offset == 0) {
        g->in.len = 0;
        g->in_id = id;
        g->in_total = total;
    }
    if (id != g->in_id || total != g->in_total || offset != g->in.len)
        return;
    if (bytes.len < total) {
        crdti_writer_init(&w, &g->in);
        crdti_put_raw(&w, bytes);
        if (w.err)
            crdti_reader_fail(r, w.err);
        if (w.err || g->in.len < total)
            return;
        bytes = crdt_buf_bytes(&g->in);
    }
    crdti_reader_init(&whole, bytes);
    crdti_gossip_take(roster, g, way, &whole);
    if (whole.err)
        crdti_reader_fail(r, whole.err);
    g->in.len = 0;
    g->in_total = 0;
}

#endif
/* >> epoch.h */
/*
 * Full syncs: all members agree on a cut that each of them has, compare their
 * documents there, and begin a new epoch.
 *
 *     WORK -> SYNC    answered: here is what I have
 *          -> READY   I have all of the cut; the digest there is this
 *          -> WORK    all have: the epoch is committed. Or the lease is over
 *
 * Nobody sends requests. What a member says stands in its record (roster.h),
 * which is gossiped, so it gets through in any topology and over any loss; and
 * each member steps by what it sees in the records of the others:
 *
 *     ballot    (number, proposer). The highest that anyone is in draws all
 *     cut       told by the proposer in its record, when all active members
 *               have answered it: the join of what they have; or the cut that
 *               one of them has accepted already, of the highest ballot
 *     accept    having applied the cut, which then is never disowned
 *     commit    all active members have accepted that ballot, and all name
 *               the same view of who is active; whoever sees that knows it,
 *               and who sees only that another knows it takes its word
 *
 * That is Paxos with every active member as quorum (Lamport 1998): two cuts
 * can be committed for one epoch only by two groups without a common member,
 * each of which has evicted the other. Even then nothing is lost: a commit
 * only permits to forget what everyone who took part has. Of two such cuts the
 * one of the higher ballot becomes that of all.
 *
 * Digests are those of members that were just at the cut when they accepted
 * it; who had written meanwhile has none to show. In the strict form nobody
 * writes meanwhile (CRDT_ERR_FROZEN), until commit, abort, or the lease ends.
 */
#ifndef CRDTI_EPOCH_H
#define CRDTI_EPOCH_H


#define CRDTI_LEASE_MS 10000u

CRDTI_FN int crdti_ballot_equal(const crdti_ballot *a, const crdti_ballot *b)
{
    return crdti_ballot_order(a, b) == 0;
}

/* What is typed goes the long way then, where that is asked. */
CRDTI_FN void crdti_doc_freeze(crdt_doc *doc)
{
    if (doc->typing)
        crdti_typing_end(doc);
    doc->is_frozen = 1;
}

/* >>our steps ------------------------------------------------------------- */

CRDTI_FN void crdti_epoch_enter(crdti_roster *r, crdt_doc *doc,
                                const crdti_ballot *ballot, int is_strict,
                                uint32_t lease_ms, uint64_t now)
{
    crdti_pact *pact = &crdti_roster_self(r)->pact;
    if (pact->phase == CRDT_PHASE_WORK)
        r->lease_until = now + lease_ms;
    pact->ballot = *ballot;
    pact->is_strict = is_strict != 0;
    pact->lease_ms = lease_ms;
    pact->phase = CRDT_PHASE_SYNC;
    r->is_adopted = 0;
    if (is_strict && CRDTI_RULE(STRICT_FREEZES))
        crdti_doc_freeze(doc);
    crdti_roster_renew(r, 1);
}

CRDTI_FN void crdti_epoch_thaw(crdti_roster *r, crdt_doc *doc)
{
    crdti_roster_self(r)->pact.phase = CRDT_PHASE_WORK;
    doc->is_frozen = 0;
    crdti_roster_renew(r, 1);
}

CRDTI_FN void crdti_epoch_propose(crdti_roster *r, crdt_doc *doc,
                                  int is_strict, uint64_t until, uint64_t now)
{
    crdti_ballot ballot;
    size_t i;
    ballot.proposer = crdti_roster_self(r)->replica;
    ballot.number = 0;
    for (i = 0; i < r->members.len; i++)
        ballot.number =
            crdti_max(ballot.number, r->members.ptr[i].pact.ballot.number);
    if (ballot.number++ < CRDTSYNC_MAX_SEQ)
        crdti_epoch_enter(r, doc, &ballot, is_strict,
                          (uint32_t)crdti_min(until - now, UINT32_MAX), now);
}

/* The epoch is over: what the cut covers need not be remembered. That may
 * fail, and is then done by and by (tend.h). */
CRDTI_FN void crdti_epoch_end(crdti_roster *r, crdt_doc *doc)
{
    crdti_member *self = crdti_roster_self(r);
    if (crdt_vv_get(&self->pact.cut, &self->replica) >= r->wanted_seq &&
        !r->is_adopted)
        r->wanted_until = 0;
    r->is_adopted = 0;
    if (self->pact.is_done && !crdt_truncate(doc, &self->pact.cut))
        (void)crdt_doc_floor(doc, &self->floor);
    crdti_epoch_thaw(r, doc);
}

/* >>what we see of others ------------------------------------------------- */

/* Another has seen a commit that we have not. NOMEM. */
CRDTI_FN crdt_err crdti_epoch_learn(crdti_roster *r, crdt_doc *doc,
                                    const crdti_member *from)
{
    crdti_pact *pact = &crdti_roster_self(r)->pact;
    crdt_err err = CRDT_OK;
    if (from->pact.is_done)
        err = crdt_vv_copy(&pact->cut, &from->pact.cut);
    if (err)
        return err;
    pact->epoch = from->pact.epoch;
    pact->is_exact = 0;
    pact->is_done = from->pact.is_done;
    pact->accepted = from->pact.accepted;
    if (!pact->is_done) {
        pact->accepted.number = 0;
        pact->cut.len = 0;
    }
    crdti_epoch_end(r, doc);
    return CRDT_OK;
}

/* Of an epoch that was committed more than once, by the same cut or in groups
 * that had evicted each other, the highest ballot counts. */
CRDTI_FN int crdti_epoch_is_news(const crdti_pact *own, const crdti_pact *pact)
{
    if (pact->epoch != own->epoch)
        return pact->epoch > own->epoch;
    return pact->is_done && !own->phase &&
           (own->is_done
                ? crdti_ballot_order(&pact->accepted, &own->accepted) > 0
                : !own->accepted.number);
}

CRDTI_FN crdt_err crdti_epoch_learn_all(crdti_roster *r, crdt_doc *doc)
{
    const crdti_pact *own = &crdti_roster_self(r)->pact;
    size_t i;
    crdt_err err = CRDT_OK;
    for (i = 1; i < r->members.len && !err; i++) {
        const crdti_pact *pact = &r->members.ptr[i].pact;
        if (crdti_epoch_is_news(own, pact))
            err = crdti_epoch_learn(r, doc, &r->members.ptr[i]);
    }
    return err;
}

/* Whether that ballot is over for someone: then it is for all. */
CRDTI_FN int crdti_epoch_is_over(const crdti_roster *r,
                                 const crdti_ballot *ballot)
{
    size_t i;
    for (i = 0; i < r->members.len; i++) {
        const crdti_pact *pact = &r->members.ptr[i].pact;
        if (crdti_is_active(&r->members.ptr[i]) &&
            pact->phase == CRDT_PHASE_WORK &&
            crdti_ballot_equal(&pact->ballot, ballot))
            return 1;
    }
    return 0;
}

/* Joins the highest ballot. */
CRDTI_FN void crdti_epoch_join(crdti_roster *r, crdt_doc *doc, uint64_t now)
{
    const crdti_pact *own = &crdti_roster_self(r)->pact, *best = own;
    size_t i;
    for (i = 1; i < r->members.len; i++) {
        const crdti_pact *pact = &r->members.ptr[i].pact;
        if (crdti_is_active(&r->members.ptr[i]) && pact->phase &&
            pact->epoch == own->epoch &&
            crdti_ballot_order(&pact->ballot, &best->ballot) > 0 &&
            !crdti_epoch_is_over(r, &pact->ballot))
            best = pact;
    }
    if (best != own && !(best->is_strict && crdt_doc_uncommitted(doc)))
        crdti_epoch_enter(r, doc, &best->ballot, best->is_strict,
                          best->lease_ms, now);
}

/* >>the cut --------------------------------------------------------------- */

/* Whether all active members are in our ballot, and agree who they are. */
CRDTI_FN int crdti_epoch_is_answered(const crdti_roster *r)
{
    const crdti_pact *own = &crdti_roster_self(r)->pact;
    size_t i;
    for (i = 0; i < r->members.len; i++) {
        const crdti_pact *pact = &r->members.ptr[i].pact;
        if (crdti_is_active(&r->members.ptr[i]) &&
            (!pact->phase || pact->epoch != own->epoch ||
             !crdti_ballot_equal(&pact->ballot, &own->ballot)))
            return 0;
    }
    return crdti_roster_agrees(r);
}

/* Whether a cut for the next epoch was accepted there, maybe by all. */
CRDTI_FN int crdti_epoch_has_accepted(const crdti_roster *r,
                                      const crdti_member *member)
{
    const crdti_pact *own = &crdti_roster_self(r)->pact;
    return crdti_is_active(member) && member->pact.epoch == own->epoch &&
           member->pact.accepted.number && !member->pact.is_done;
}

/* Whether it has said what it has at the cut of that ballot. */
CRDTI_FN int crdti_epoch_is_witness(const crdti_member *member,
                                    const crdti_ballot *ballot)
{
    return crdti_is_active(member) && member->pact.is_exact &&
           crdti_ballot_equal(&member->pact.accepted, ballot);
}

/* How many had that document there. */
CRDTI_FN size_t crdti_epoch_alike(const crdti_roster *r,
                                  const crdti_ballot *ballot,
                                  crdt_digest digest)
{
    size_t i, alike = 0;
    for (i = 0; i < r->members.len; i++)
        alike += (size_t)(crdti_epoch_is_witness(&r->members.ptr[i], ballot) &&
                          crdti_digest_equal(r->members.ptr[i].pact.digest,
                                             digest));
    return alike;
}

/* Of those who accepted that ballot the one whose document most had; where as
 * many had another, the least replica. Or NULL. */
CRDTI_FN const crdti_member *crdti_epoch_model(const crdti_roster *r,
                                               const crdti_ballot *ballot)
{
    const crdti_member *best = NULL;
    size_t i, alike, most = 0;
    for (i = 0; i < r->members.len; i++) {
        const crdti_member *member = &r->members.ptr[i];
        if (!crdti_epoch_is_witness(member, ballot))
            continue;
        alike = crdti_epoch_alike(r, ballot, member->pact.digest);
        if (best && (alike < most ||
                     (alike == most &&
                      crdti_id_order(&member->replica, &best->replica) > 0)))
            continue;
        best = member;
        most = alike;
    }
    return best;
}

/* Whether its document was another than that, when we compared: who has left
 * since then does not make another one odd. */
CRDTI_FN int crdti_epoch_is_odd(const crdti_roster *r,
                                const crdti_member *member)
{
    const crdti_ballot *ballot = &crdti_roster_self(r)->pact.accepted;
    return ballot->number && crdti_ballot_equal(ballot, &r->judged) &&
           crdti_epoch_is_witness(member, ballot) &&
           !crdti_digest_equal(r->model, member->pact.digest);
}

/* Whether two who accepted that ballot had unequal documents there. */
CRDTI_FN int crdti_epoch_differs(const crdti_roster *r,
                                 const crdti_ballot *ballot)
{
    const crdti_pact *first = NULL;
    size_t i;
    for (i = 0; i < r->members.len; i++) {
        const crdti_member *member = &r->members.ptr[i];
        if (!crdti_epoch_is_witness(member, ballot))
            continue;
        if (first && !crdti_digest_equal(first->digest, member->pact.digest))
            return 1;
        first = &member->pact;
    }
    return 0;
}

/* The cut that we have to propose again, as it may have been committed
 * already; or NULL: then a new one. */
CRDTI_FN const crdti_pact *crdti_epoch_bound(const crdti_roster *r)
{
    const crdti_pact *best = NULL;
    size_t i;
    for (i = 0; i < r->members.len && CRDTI_RULE(CUT_IS_KEPT); i++) {
        const crdti_pact *pact = &r->members.ptr[i].pact;
        if (crdti_epoch_has_accepted(r, &r->members.ptr[i]) &&
            (!best ||
             crdti_ballot_order(&pact->accepted, &best->accepted) > 0) &&
            !crdti_epoch_differs(r, &pact->accepted))
            best = pact;
    }
    return best;
}

/* out := what all active members have, together. NOMEM. */
CRDTI_FN crdt_err crdti_epoch_cut(const crdti_roster *r, crdt_vv *out)
{
    const crdti_pact *bound = crdti_epoch_bound(r);
    size_t i;
    crdt_err err = CRDT_OK;
    if (bound)
        return crdt_vv_copy(out, &bound->cut);
    for (i = 0; i < r->members.len && !err; i++)
        if (crdti_is_active(&r->members.ptr[i]))
            err = crdt_vv_merge(out, &r->members.ptr[i].applied);
    return err;
}

/* If we have all of the cut, we accept it, and say what we have there. */
CRDTI_FN crdt_err crdti_epoch_accept(crdti_roster *r, crdt_doc *doc,
                                     const crdt_vv *cut)
{
    crdti_member *self = crdti_roster_self(r);
    crdti_pact *pact = &self->pact;
    crdt_err err;
    if (!crdti_vv_is_in(cut, &self->applied) && CRDTI_RULE(CUT_IS_THERE))
        return CRDT_OK;
    err = crdt_vv_copy(&pact->cut, cut);
    if (err)
        return err;
    pact->accepted = pact->ballot;
    pact->is_done = 0;
    pact->is_exact = !crdt_doc_uncommitted(doc) &&
                     crdt_vv_compare(&self->applied, cut) == CRDT_EQUAL;
    pact->digest = crdti_audit(doc);
    pact->phase = CRDT_PHASE_READY;
    crdti_roster_renew(r, 1);
    return CRDT_OK;
}

/* The proposer's part of SYNC. */
CRDTI_FN crdt_err crdti_epoch_lead(crdti_roster *r, crdt_doc *doc)
{
    crdt_vv cut;
    crdt_err err;
    int is_bound = crdti_epoch_bound(r) != NULL;
    if (!crdti_epoch_is_answered(r))
        return CRDT_OK;
    crdti_zero(&cut, sizeof cut);
    cut.alloc = r->alloc;
    err = crdti_epoch_cut(r, &cut);
    if (!err)
        err = crdti_epoch_accept(r, doc, &cut);
    if (!err)
        r->is_adopted = is_bound;
    crdt_vv_free(&cut);
    return err;
}

/* The proposer is gone: the least of those who are there takes over. */
CRDTI_FN void crdti_epoch_succeed(crdti_roster *r, crdt_doc *doc, uint64_t now)
{
    const crdti_member *self = crdti_roster_self(r);
    size_t i;
    for (i = 1; i < r->members.len; i++)
        if (crdti_is_active(&r->members.ptr[i]) &&
            crdti_id_order(&r->members.ptr[i].replica, &self->replica) < 0)
            return;
    crdti_epoch_propose(r, doc, self->pact.is_strict, r->lease_until, now);
}

/* The part of the others. */
CRDTI_FN crdt_err crdti_epoch_follow(crdti_roster *r, crdt_doc *doc,
                                     uint64_t now)
{
    const crdti_pact *own = &crdti_roster_self(r)->pact;
    const crdti_member *leader = crdti_roster_find(r, &own->ballot.proposer);
    int is_told = leader && leader->pact.epoch == own->epoch &&
                  crdti_ballot_equal(&leader->pact.accepted, &own->ballot);
    if (leader && crdti_is_active(leader) &&
        leader->pact.phase == CRDT_PHASE_WORK &&
        crdti_ballot_order(&leader->pact.ballot, &own->ballot) >= 0)
        crdti_epoch_thaw(r, doc);
    else if (is_told && own->phase == CRDT_PHASE_SYNC)
        return crdti_epoch_accept(r, doc, &leader->pact.cut);
    else if (!is_told && leader && !crdti_is_active(leader))
        crdti_epoch_succeed(r, doc, now);
    return CRDT_OK;
}

/* >>commit ---------------------------------------------------------------- */

/* Whether all have accepted the ballot that we accepted last, and how many of
 * them with a digest. */
CRDTI_FN int crdti_epoch_is_accepted(const crdti_roster *r, uint64_t *exact)
{
    const crdti_pact *own = &crdti_roster_self(r)->pact;
    size_t i;
    *exact = 0;
    for (i = 0; i < r->members.len; i++) {
        const crdti_pact *pact = &r->members.ptr[i].pact;
        if (!crdti_is_active(&r->members.ptr[i]))
            continue;
        if (pact->epoch != own->epoch || !pact->accepted.number ||
            (!crdti_ballot_equal(&pact->accepted, &own->accepted) &&
             CRDTI_RULE(BALLOTS_EQUAL)))
            return 0;
        *exact += pact->is_exact;
    }
    return crdti_roster_agrees(r);
}

/* Who is odd at that ballot is known from now on. */
CRDTI_FN void crdti_epoch_judge(crdti_roster *r, const crdti_ballot *ballot)
{
    if (crdti_ballot_equal(ballot, &r->judged))
        return;
    r->judged = *ballot;
    r->model = crdti_epoch_model(r, ballot)->pact.digest;
}

/* An alarm, once for each ballot, when all have said what they have, so that
 * all see alike who is odd; or the lease is over, and nobody is yet. */
CRDTI_FN void crdti_epoch_compare(crdti_roster *r, int is_late)
{
    const crdti_pact *own = &crdti_roster_self(r)->pact;
    uint64_t exact;
    if (!crdti_epoch_differs(r, &own->accepted))
        return;
    if (crdti_epoch_is_accepted(r, &exact))
        crdti_epoch_judge(r, &own->accepted);
    else if (!is_late)
        return;
    if (crdti_ballot_equal(&own->accepted, &r->alarmed))
        return;
    r->alarmed = own->accepted;
    r->alarms++;
    r->wanted_until = 0;
}

CRDTI_FN void crdti_epoch_decide(crdti_roster *r, crdt_doc *doc)
{
    crdti_pact *own = &crdti_roster_self(r)->pact;
    uint64_t exact;
    if (!crdti_epoch_is_accepted(r, &exact))
        return;
    if (crdti_epoch_differs(r, &own->accepted)) {
        crdti_epoch_thaw(r, doc);
        return;
    }
    r->compared = exact;
    own->epoch++;
    own->is_done = 1;
    crdti_epoch_end(r, doc);
}

/* >>all of it ------------------------------------------------------------- */

CRDTI_FN crdt_err crdti_epoch_step_once(crdti_roster *r, crdt_doc *doc,
                                        uint64_t now)
{
    crdti_member *self = crdti_roster_self(r);
    crdt_err err = crdti_epoch_learn_all(r, doc);
    if (err)
        return err;
    if (self->pact.phase && self->view != r->view)
        crdti_roster_renew(r, 1);
    crdti_epoch_join(r, doc, now);
    crdti_epoch_compare(r, self->pact.phase == CRDT_PHASE_READY &&
                               now >= r->lease_until);
    if (self->pact.phase && now >= r->lease_until && CRDTI_RULE(LEASES_END))
        crdti_epoch_thaw(r, doc);
    if (!self->pact.phase && now < r->wanted_until &&
        !(r->wants_strict && crdt_doc_uncommitted(doc)) &&
        !crdti_roster_is_lost(r))
        crdti_epoch_propose(r, doc, r->wants_strict, r->wanted_until, now);
    if (self->pact.phase &&
        !crdti_id_equal(&self->pact.ballot.proposer, &self->replica))
        err = crdti_epoch_follow(r, doc, now);
    else if (self->pact.phase == CRDT_PHASE_SYNC)
        err = crdti_epoch_lead(r, doc);
    if (!err && self->pact.phase == CRDT_PHASE_READY)
        crdti_epoch_decide(r, doc);
    return err;
}

/* Does what is to be done by what is known. NOMEM: later. */
CRDTI_FN crdt_err crdti_epoch_step(crdti_roster *r, crdt_doc *doc,
                                   uint64_t now)
{
    crdt_err err = CRDT_OK;
    int idle = !crdti_roster_self(r)->pact.phase && !r->wanted_until;
    if (idle && r->stepped == r->changes)
        return CRDT_OK;
    if (r->wanted_until && now >= r->wanted_until)
        r->wanted_until = 0;
    err = crdti_roster_refresh(r, doc);
    do {
        r->stepped = r->changes;
        if (!err)
            err = crdti_epoch_step_once(r, doc, now);
    } while (!err && r->stepped != r->changes);
    if (err)
        r->stepped = 0;
    return err;
}

#endif
/* >> tend.h */
/*
 * What a node does for a document between syncs: keeps its record in the
 * roster true, evicts who is silent, takes its part in full syncs, and forgets
 * what everyone has.
 *
 *     applied by all      stable: kill records and content up to there go
 *     floor of all        tombstones that were dead below it go (sweep.h)
 *
 * One sweeps when nobody's floor is below one's own. As all would leapfrog, who
 * has something to sweep only follows the others until it has.
 *
 * Silence is counted by the time that the node was awake (node.h): after a
 * long sleep the others have not been silent, we have been deaf.
 */
#ifndef CRDTI_TEND_H
#define CRDTI_TEND_H


#define CRDTI_ROSTER_MS 10000u
#define CRDTI_FORGET_MIN 256u /* changes worth the walk over the document */
#define CRDTI_FORGET_QUIET 4u /* periods, after which any are */
#define CRDTI_FORGET_HOLD 16u /* periods that a sweep is waited for */

/* The settings of the node. */
typedef struct crdti_tend {
    uint32_t roster_ms, evict_ms;
    int forgets;
} crdti_tend;

/* >>forgetting ------------------------------------------------------------ */

/* Whether so much is stable that it is worth it, or it has been for long. */
CRDTI_FN int crdti_tend_is_worth(crdti_roster *r, const crdt_doc *doc,
                                 uint64_t stable, const crdti_tend *tend,
                                 uint64_t now)
{
    uint64_t known = crdti_vv_sum(&crdti_roster_self(r)->floor);
    uint64_t quiet = (uint64_t)tend->roster_ms * CRDTI_FORGET_QUIET;
    if (stable != r->stable) {
        r->stable = stable;
        r->stable_at = now;
    }
    if (stable <= known)
        return 0;
    return now - r->stable_at >= quiet ||
           stable - known >= crdti_max(CRDTI_FORGET_MIN,
                                       doc->ops.live / 4 + doc->rows.len / 4);
}

/* What died below the floor of everyone goes. AGAIN: not all are as far as we
 * are. LIMIT: a text has hardly any names left for that. */
CRDTI_FN crdt_err crdti_tend_sweep(crdti_roster *r, crdt_doc *doc,
                                   crdt_vv *cut)
{
    crdt_err err;
    if (!crdti_roster_has_floors(r))
        return CRDT_OK;
    err = crdti_roster_cut(r, 1, cut);
    if (err || crdti_vv_sum(cut) <= r->swept)
        return err;
    err = crdt_sweep(doc, cut);
    if (!err)
        r->swept = crdti_vv_sum(cut);
    return err == CRDT_ERR_AGAIN || err == CRDT_ERR_LIMIT ? CRDT_OK : err;
}

/* Whether the document may truncate further than any other has: if it is swept
 * up to where it is, or the others have not come there for long. */
CRDTI_FN int crdti_tend_may_lead(const crdti_roster *r, const crdt_doc *doc,
                                 const crdti_tend *tend, uint64_t now)
{
    return !doc->sequences ||
           r->swept >= crdti_vv_sum(&crdti_roster_self(r)->floor) ||
           now - r->led_at >= (uint64_t)tend->roster_ms * CRDTI_FORGET_HOLD;
}

/* Cuts down what is stable to what some member has truncated already. */
CRDTI_FN crdt_err crdti_tend_follow(const crdti_roster *r, crdt_vv *stable)
{
    crdt_vv ahead;
    size_t i;
    crdt_err err = CRDT_OK;
    crdti_zero(&ahead, sizeof ahead);
    ahead.alloc = r->alloc;
    for (i = 0; i < r->members.len && !err; i++)
        if (crdti_is_active(&r->members.ptr[i]))
            err = crdt_vv_merge(&ahead, &r->members.ptr[i].floor);
    crdti_vv_meet(stable, &ahead);
    crdt_vv_free(&ahead);
    return err;
}

/* Sweeps what is below all floors, and then forgets what is stable: on its own,
 * or as far as others have, so that all come to the same floor. */
CRDTI_FN crdt_err crdti_tend_forget(crdti_roster *r, crdt_doc *doc,
                                    const crdti_tend *tend, uint64_t now)
{
    crdt_vv cut;
    crdt_err err;
    int leads;
    crdti_zero(&cut, sizeof cut);
    cut.alloc = r->alloc;
    err = crdti_tend_sweep(r, doc, &cut);
    if (!err)
        err = crdti_roster_cut(r, 0, &cut);
    leads = !err &&
            crdti_tend_is_worth(r, doc, crdti_vv_sum(&cut), tend, now) &&
            crdti_tend_may_lead(r, doc, tend, now);
    if (leads)
        r->led_at = now;
    else if (!err)
        err = crdti_tend_follow(r, &cut);
    if (!err &&
        crdti_vv_sum(&cut) > crdti_vv_sum(&crdti_roster_self(r)->floor))
        err = crdt_truncate(doc, &cut);
    crdt_vv_free(&cut);
    return err == CRDT_ERR_AGAIN ? CRDT_OK : err;
}

/* >>members --------------------------------------------------------------- */

CRDTI_FN int crdti_tend_is_silent(const crdti_roster *r, size_t i, uint64_t ms)
{
    return i > 0 && crdti_is_active(&r->members.ptr[i]) &&
           r->awake_ms - r->members.ptr[i].heard_ms >= ms;
}

/* Evicts who has been silent, but only while we hear most of the members: of
 * two halves that do not hear each other at most one goes on without. Not all
 * fall silent at one moment, so half of the time is enough not to count. */
CRDTI_FN void crdti_tend_evict(crdti_roster *r, uint32_t evict_ms)
{
    size_t i, silent = 0;
    for (i = 1; i < r->members.len; i++)
        silent += (size_t)crdti_tend_is_silent(r, i, evict_ms / 2);
    if (!silent || 2 * silent >= crdti_roster_active(r))
        return;
    for (i = 1; i < r->members.len; i++)
        if (crdti_tend_is_silent(r, i, evict_ms))
            crdti_roster_evict(r, &r->members.ptr[i]);
}

/* Renews our record when it is no longer true, or to show that we live. */
CRDTI_FN crdt_err crdti_tend_renew(crdti_roster *r, const crdt_doc *doc,
                                   const crdti_tend *tend, uint64_t now)
{
    const crdti_member *self = crdti_roster_self(r);
    crdt_err err = crdti_roster_refresh(r, doc);
    if (!err &&
        (r->said !=
             crdti_vv_sum(&self->applied) + crdti_vv_sum(&self->floor) ||
         self->view != r->view ||
         (tend->evict_ms && now - r->renewed_at >= tend->evict_ms / 4))) {
        crdti_roster_renew(r, 0);
        r->renewed_at = now;
    }
    return err;
}

/* One that has left and writes again takes part again. */
CRDTI_FN int crdti_tend_is_in(crdti_roster *r, const crdt_doc *doc)
{
    crdti_member *self = crdti_roster_self(r);
    if (!crdti_is_active(self) &&
        doc->replicas.ptr[doc->self].seq >
            crdt_vv_get(&self->applied, &self->replica)) {
        self->status = CRDT_MEMBER_ACTIVE;
        crdti_roster_renew(r, 1);
    }
    return crdti_is_active(self);
}

/* >>all of it ------------------------------------------------------------- */

/* Every now and then, the oftener the better. `wait_ms` is until the next time
 * that our record may be renewed. NOMEM, FORK: the rest is done. */
CRDTI_FN crdt_err crdti_tend_roster(crdti_roster *r, crdt_doc *doc,
                                    const crdti_tend *tend, uint64_t wait_ms,
                                    uint64_t now)
{
    crdt_id id = crdt_doc_replica(doc);
    crdt_err err = CRDT_OK, other;
    if (!r->members.len)
        return CRDT_OK;
    if (!crdti_id_equal(&crdti_roster_self(r)->replica, &id))
        err = crdti_roster_reenter(r, doc);
    if (err || !crdti_tend_is_in(r, doc))
        return err;
    err = crdti_epoch_step(r, doc, now);
    if (now < r->renew_at)
        return err;
    r->renew_at = now + wait_ms;
    if (tend->evict_ms)
        crdti_tend_evict(r, tend->evict_ms);
    other = crdti_tend_renew(r, doc, tend, now);
    if (!other && tend->forgets && !crdti_roster_is_lost(r))
        other = crdti_tend_forget(r, doc, tend, now);
    return err ? err : other;
}

#endif
/* >> pace.h */
/*
 * How fast a link is: when an answer is overdue, and how much may be under way
 * where things get lost.
 *
 *     round trips   20  22  19  60        smoothed 27, deviation 14
 *     overdue after 27 + 4 x 14 = 83 ms, and twice that after each in vain
 *
 * (Jacobson & Karels 1988; RFC 6298)
 */
#ifndef CRDTI_PACE_H
#define CRDTI_PACE_H


#define CRDTI_OVERDUE_FIRST_MS 500u /* before anything has been measured */
#define CRDTI_OVERDUE_MIN_MS 50u
#define CRDTI_OVERDUE_MAX_MS 2000u
#define CRDTI_WINDOW_FIRST 32768u /* bytes, where things get lost */
#define CRDTI_WINDOW_MIN 16384u
#define CRDTI_VAIN_MAX 8u

typedef struct crdti_pace {
    uint64_t smooth8, deviation4; /* ms, times 8 and times 4; 0: unknown */
    unsigned vain;                /* times that all was lost, in a row */
    size_t window;                /* bytes unanswered */
} crdti_pace;

CRDTI_FN void crdti_pace_init(crdti_pace *pace)
{
    crdti_zero(pace, sizeof *pace);
    pace->window = CRDTI_WINDOW_FIRST;
}

/* An answer took so long, and confirms so many bytes. */
CRDTI_FN void crdti_pace_hear(crdti_pace *pace, uint64_t ms, size_t bytes)
{
    uint64_t smooth = pace->smooth8 / 8;
    uint64_t off = ms > smooth ? ms - smooth : smooth - ms;
    ms = crdti_min(ms, CRDTI_OVERDUE_MAX_MS);
    if (!pace->smooth8) {
        pace->smooth8 = 8 * ms + 1;
        pace->deviation4 = 2 * ms;
    } else {
        off = crdti_min(off, CRDTI_OVERDUE_MAX_MS);
        pace->smooth8 += ms - smooth;
        pace->deviation4 += off - pace->deviation4 / 4;
    }
    pace->vain = 0;
    if (pace->window < CRDTSYNC_MAX_WINDOW)
        pace->window += bytes;
}

CRDTI_FN void crdti_pace_lose(crdti_pace *pace)
{
    pace->vain += pace->vain < CRDTI_VAIN_MAX;
    pace->window = crdti_max_size(pace->window / 2, CRDTI_WINDOW_MIN);
}

/* How long to wait for an answer. */
CRDTI_FN uint64_t crdti_pace_patience(const crdti_pace *pace)
{
    uint64_t ms = pace->smooth8 ? pace->smooth8 / 8 + pace->deviation4
                                : CRDTI_OVERDUE_FIRST_MS;
    return crdti_min(crdti_max(ms, CRDTI_OVERDUE_MIN_MS) << pace->vain,
                     CRDTI_OVERDUE_MAX_MS);
}

#endif
/* >> parcel.h */
/*
 * Parcels: messages that are too long for one frame go in pieces, and are
 * heard when the last one has come. One at a time each way.
 *
 *     sender    [ said, got | said  | said, got | not yet   ]
 *                                               at
 *     receiver  [ ######### |       | ######### ]             have: two runs
 *
 * The receiver keeps what comes in any order and says what it has got when a
 * piece asks. The sender goes through the message from front to back, and then
 * again through what was not got; it asks at the end, and in between so often
 * that what is under way stays within the window. Where no answer comes in
 * time it tries one piece. So a piece that is lost costs a piece.
 */
#ifndef CRDTI_PARCEL_H
#define CRDTI_PARCEL_H


#define CRDTI_RUNS_MAX 4096u /* gaps and all, at either end */

/* On its way out. */
typedef struct crdti_parcel {
    crdt_buf bytes; /* a payload; empty: there is none */
    uint8_t kind;
    uint64_t id;
    crdti_ivset have; /* of the receiver, by its own word */
    size_t at;        /* said, or had, up to here in this round */
    size_t loose;     /* bytes said and not yet heard of */
    size_t unasked;   /* of them, behind the piece that asked last */
    size_t asked;     /* the end of that piece; 0: it is answered */
    uint64_t asked_at;
    int is_probe; /* one piece, after silence */
    /* Of an UPDATE: whose it is. */
    size_t number;
    uint64_t update;
} crdti_parcel;

/* On its way in. */
typedef struct crdti_staging {
    crdt_buf bytes;
    uint8_t kind;
    uint64_t id, done; /* done: of the last one that was whole */
    int is_old;        /* what another link left: park.h */
    uint64_t total, got;
    crdti_ivset have;
} crdti_staging;

/* >>out ------------------------------------------------------------------- */

CRDTI_FN void crdti_parcel_clear(const crdt_alloc *alloc, crdti_parcel *p)
{
    crdt_buf_free(&p->bytes);
    crdti_ivset_free(alloc, &p->have);
    p->at = p->loose = p->unasked = p->asked = 0;
    p->is_probe = 0;
}

/* The next piece: where it begins; its length is 0 at the end of the round. */
CRDTI_FN size_t crdti_parcel_next(const crdti_parcel *p, size_t room,
                                  size_t *len)
{
    size_t at = (size_t)crdti_ivset_gap(&p->have, p->at);
    size_t place = crdti_ivset_place(&p->have, at);
    size_t end =
        place < p->have.len ? (size_t)p->have.ptr[place].lo : p->bytes.len;
    *len = at < p->bytes.len ? crdti_min_size(room, end - at) : 0;
    return at;
}

/* Whether another piece may be said now. */
CRDTI_FN int crdti_parcel_may(const crdti_parcel *p, size_t window)
{
    size_t len;
    if (!p->bytes.len || (p->is_probe && p->asked))
        return 0;
    crdti_parcel_next(p, 1, &len);
    return len && p->loose < window;
}

/* A piece has been said, and whether it asked. */
CRDTI_FN void crdti_parcel_said(crdti_parcel *p, size_t end, size_t len,
                                int asks, uint64_t now)
{
    p->at = end;
    p->loose += len;
    p->unasked += len;
    if (!asks)
        return;
    p->unasked = 0;
    p->asked = end;
    p->asked_at = now;
}

/* A word on what has come; whether all has. Behind what asked more may be
 * under way, all else has been answered or is lost. */
CRDTI_FN crdt_err crdti_parcel_hear(const crdt_alloc *alloc, crdti_parcel *p,
                                    crdti_reader *r, uint64_t end, int *whole)
{
    uint64_t at = 0;
    size_t len;
    while (crdti_reader_left(r)) {
        uint64_t lo = at + crdti_get_varint(r), more = crdti_get_varint(r);
        if (!r->err && (lo >= p->bytes.len || more >= p->bytes.len - lo))
            crdti_reader_fail(r, CRDT_ERR_CORRUPT);
        if (r->err)
            return r->err;
        at = lo + more + 1;
        if (p->have.len < CRDTI_RUNS_MAX &&
            crdti_ivset_add(alloc, &p->have, lo, lo + more))
            return CRDT_ERR_NOMEM;
    }
    *whole = crdti_ivset_gap(&p->have, 0) >= p->bytes.len;
    p->loose = p->unasked;
    if (end != p->asked)
        return CRDT_OK;
    p->asked = 0;
    p->is_probe = 0;
    crdti_parcel_next(p, 1, &len);
    if (!len) /* another round */
        p->at = p->loose = p->unasked = 0;
    return CRDT_OK;
}

/* Nothing came back in time. */
CRDTI_FN void crdti_parcel_retry(crdti_parcel *p)
{
    p->at = p->loose = p->unasked = p->asked = 0;
    p->is_probe = 1;
}

/* >>in -------------------------------------------------------------------- */

CRDTI_FN void crdti_staging_clear(const crdt_alloc *alloc, crdti_staging *in)
{
    crdt_buf_free(&in->bytes);
    crdti_ivset_free(alloc, &in->have);
    in->got = in->total = in->id = 0;
}

/* Puts the bytes where they belong. What is far ahead of all that has come is
 * passed over: memory is taken for what was really sent, and as much again. */
CRDTI_FN crdt_err crdti_staging_keep(const crdt_alloc *alloc,
                                     crdti_staging *in,
                                     const crdti_parcel_piece *piece)
{
    uint64_t end = piece->offset + piece->bytes.len;
    uint64_t before = crdti_ivset_count(&in->have);
    crdt_err err;
    if (piece->total != in->total || piece->kind != in->kind)
        return CRDT_ERR_CORRUPT;
    if (end > 2 * before + 2 * CRDTSYNC_MAX_WINDOW ||
        in->have.len >= CRDTI_RUNS_MAX)
        return CRDT_OK;
    if (end > in->bytes.len) {
        err = crdti_buf_reserve(&in->bytes, (size_t)end - in->bytes.len);
        if (err)
            return err;
        in->bytes.len = (size_t)end;
    }
    err = crdti_ivset_add(alloc, &in->have, piece->offset, end - 1);
    if (!err)
        crdti_copy(in->bytes.ptr + piece->offset, piece->bytes.ptr,
                   piece->bytes.len);
    return err;
}

/* A piece has come. *whole: it was the last one; *is_new: of a message that is
 * not known to be whole. */
CRDTI_FN crdt_err crdti_staging_take(const crdt_alloc *alloc,
                                     crdti_staging *in,
                                     const crdti_parcel_piece *piece,
                                     int *whole)
{
    crdt_err err;
    *whole = 0;
    if (piece->id <= in->done || (piece->id < in->id && !in->is_old))
        return CRDT_OK; /* said again, or given up */
    in->is_old = 0;
    if (piece->id != in->id) {
        crdti_staging_clear(alloc, in);
        in->id = piece->id;
        in->total = piece->total;
        in->kind = piece->kind;
    }
    err = crdti_staging_keep(alloc, in, piece);
    if (!err && crdti_ivset_gap(&in->have, 0) >= in->total) {
        in->done = in->id;
        *whole = 1;
    }
    return err;
}

#endif
/* >> park.h */
/*
 * What was under way when a link broke: the rest of a parcel is sent, or heard,
 * when there is a link between the same two nodes again.
 *
 *     sender    [ got | got |     |     ]    waits for a link, and for a turn
 *     receiver  [ ### | ### |     |     ]    waits for the rest of it
 *
 * A node that has started anew has another id, and begins anew. What waits too
 * long is dropped, on either side: then all of it is sent again.
 */
#ifndef CRDTI_PARK_H
#define CRDTI_PARK_H


#define CRDTI_PARKED_MAX 4u
#define CRDTI_PARKED_MS 60000u

typedef struct crdti_parked {
    crdt_id node;
    uint64_t until;
    crdti_parcel out; /* or empty, and `in` is what waits */
    crdt_vv vv;       /* what the peer has when it has come */
    crdti_staging in;
} crdti_parked;

/* Of a node. */
typedef struct crdti_parking {
    crdti_parked all[CRDTI_PARKED_MAX];
    size_t len;
} crdti_parking;

/* Takes the i-th out, to be kept or freed by the caller. */
CRDTI_FN crdti_parked crdti_parking_take(crdti_parking *parking, size_t i)
{
    crdti_parked parked = parking->all[i];
    for (parking->len--; i < parking->len; i++)
        parking->all[i] = parking->all[i + 1];
    return parked;
}

CRDTI_FN void crdti_parking_drop(const crdt_alloc *alloc,
                                 crdti_parking *parking, size_t i)
{
    crdti_parked parked = crdti_parking_take(parking, i);
    crdti_parcel_clear(alloc, &parked.out);
    crdti_staging_clear(alloc, &parked.in);
    crdt_vv_free(&parked.vv);
}

CRDTI_FN void crdti_parking_sweep(const crdt_alloc *alloc,
                                  crdti_parking *parking, uint64_t now)
{
    size_t i = 0;
    while (i < parking->len)
        if (now >= parking->all[i].until)
            crdti_parking_drop(alloc, parking, i);
        else
            i++;
}

/* Which of that node waits, out or in; `len` when none does. */
CRDTI_FN size_t crdti_parking_find(const crdti_parking *parking,
                                   const crdt_id *node, int is_out)
{
    size_t i;
    for (i = 0; i < parking->len; i++)
        if (crdti_id_equal(&parking->all[i].node, node) &&
            (parking->all[i].out.bytes.len != 0) == is_out)
            break;
    return i;
}

/* A place for one more, of which there is one of each kind for each node; the
 * oldest goes when there is none. */
CRDTI_FN crdti_parked *crdti_parking_add(const crdt_alloc *alloc,
                                         crdti_parking *parking,
                                         const crdt_id *node, int is_out,
                                         uint64_t now)
{
    crdti_parked *parked;
    size_t i = crdti_parking_find(parking, node, is_out);
    if (i < parking->len)
        crdti_parking_drop(alloc, parking, i);
    if (parking->len == CRDTI_PARKED_MAX)
        crdti_parking_drop(alloc, parking, 0);
    parked = &parking->all[parking->len++];
    crdti_zero(parked, sizeof *parked);
    parked->node = *node;
    parked->until = now + CRDTI_PARKED_MS;
    return parked;
}

#endif
/* >> track.h */
/*
 * What is known of one document: everywhere (share), and at one peer (track).
 *
 *     known    a.7  b.3           the peer has said that it has this
 *     sent     a.9  b.3           it will, when all that is under way arrives
 *     flights  #5 -> a.8          deltas that are not answered yet
 *              #6 -> a.9
 *     held     #4, misses b.4     deltas of the peer that wait here
 *
 * What goes out is Delta(sent). What the peer sends raises both vectors, so
 * nothing goes back to where it came from, and nothing goes where it is.
 */
#ifndef CRDTI_TRACK_H
#define CRDTI_TRACK_H


#define CRDTI_NO_DOC UINT64_MAX
#define CRDTI_RETRY_MS 1000u    /* after a refusal that may soon be over */
#define CRDTI_REFUSED_MS 30000u /* after one that will last */
#define CRDTI_HELD_MAX 64u      /* deltas of one track */

/* A document that the node shares, and what is known of it everywhere. */
typedef struct crdti_share {
    crdt_doc *doc;
    uint8_t name[CRDTSYNC_MAX_NAME];
    size_t name_len;
    crdt_shipping shipping;
    crdt_vv vv;    /* of the document, as of `changes` */
    crdt_vv acked; /* confirmed by some peer at some time */
    uint64_t changes;
    uint64_t joined, refused; /* deltas, from all peers */
    uint64_t alarms;
    crdti_roster roster;
    /* Who is to tell what we lack, and until when the others need not. */
    const void *asked;
    uint64_t asked_until;
} crdti_share;

/* A delta under way: when it is answered the peer has `vv`, or, with what it
 * had before, `dot`. */
typedef struct crdti_flight {
    uint64_t id;
    crdt_dot dot; /* seq 0: `vv` */
    crdt_vv vv;
    size_t size;      /* bytes of the message */
    uint64_t said_at; /* UINT64_MAX: not all pieces have come */
    int is_late;
} crdti_flight;

/* A delta that cannot be joined yet. */
typedef struct crdti_held {
    uint64_t id;
    uint8_t how;
    crdt_dot missing; /* seq 0: it waits for our clock, or the one before */
    crdt_buf bytes;
} crdti_held;

/* One document of a session. What each keystroke needs comes first. */
typedef struct crdti_track {
    uint64_t theirs;         /* its number there, or CRDTI_NO_DOC */
    uint64_t last_id;        /* of deltas sent */
    uint64_t pushed;         /* `changes` of the share when last looked at */
    uint64_t retry_at;       /* not before: after a refusal */
    uint64_t heard_id;       /* the last of theirs that came */
    uint64_t joined_id;      /* the last of theirs that was joined */
    crdti_trail told, heard; /* where the last delta ended, each way */
    crdt_vv known, sent;     /* of the peer */
    size_t flights_len;
    int is_lazy;     /* relay.h */
    int needs_all;   /* what we named was swept there: it is to get it all */
    int is_told;     /* it is in the list that we told */
    int is_chained;  /* the next delta may follow the last */
    int is_doubted;  /* a large delta is not answered: what do they have? */
    int is_known;    /* the peer has said what it has */
    int wants_state; /* the peer is to be told what we have, */
    int state_asks;  /* and to be asked the same */
    CRDTI_ARRAY(crdti_held) held;
    crdti_flight flights[CRDTSYNC_MAX_IN_FLIGHT];
    uint64_t held_changes; /* of the document when they were last tried */
    uint64_t print;        /* that we told, when `is_told`, */
    uint64_t their_print;  /* and they */
    uint64_t ask_at;       /* what the peer has, again */
    /* Of a lazy link: */
    crdt_vv announced;                /* the peer knows that we have it */
    crdt_vv wanted;                   /* what it lacked when the hold began */
    uint64_t announce_at, hold_until; /* 0: not begun */
    crdti_gossip gossip;              /* of the roster */
} crdti_track;

typedef CRDTI_ARRAY(crdti_share) crdti_shares;

CRDTI_FN void crdti_vv_start(crdt_vv *vv, const crdt_alloc *alloc)
{
    crdti_zero(vv, sizeof *vv);
    vv->alloc = alloc;
}

CRDTI_FN void crdti_buf_start(crdt_buf *buf, const crdt_alloc *alloc)
{
    crdti_zero(buf, sizeof *buf);
    buf->alloc = alloc;
}

/* >>shares ---------------------------------------------------------------- */

CRDTI_FN void crdti_share_init(crdti_share *share, const crdt_alloc *alloc,
                               crdt_doc *doc, crdt_bytes name)
{
    crdti_zero(share, sizeof *share);
    crdti_vv_start(&share->vv, alloc);
    crdti_vv_start(&share->acked, alloc);
    share->roster.alloc = alloc;
    share->doc = doc;
    share->name_len = name.len;
    crdti_copy(share->name, name.ptr, name.len);
}

CRDTI_FN void crdti_share_free(crdti_share *share)
{
    crdt_vv_free(&share->vv);
    crdt_vv_free(&share->acked);
    crdti_roster_free(&share->roster);
}

CRDTI_FN crdt_bytes crdti_share_name(const crdti_share *share)
{
    return crdt_bytes_of(share->name, share->name_len);
}

/* The share's vector, brought up to date. */
CRDTI_FN crdt_err crdti_share_look(crdti_share *share)
{
    crdt_err err;
    if (share->changes == share->doc->changes)
        return CRDT_OK;
    err = crdt_doc_vv(share->doc, &share->vv);
    if (!err)
        share->changes = share->doc->changes;
    return err;
}

CRDTI_FN crdt_err crdti_share_print(crdti_share *share, uint64_t *print)
{
    crdt_err err = crdti_share_look(share);
    *print = crdti_print_of(&share->vv, crdt_doc_digest(share->doc));
    return err;
}

/* Some peer has the dot. Of replicas that we do not know that is hearsay. */
CRDTI_FN crdt_err crdti_share_confirm_dot(crdti_share *share,
                                          const crdt_dot *dot, size_t *place)
{
    if (!crdti_vv_is_at(&share->acked, *place, &dot->replica) &&
        crdti_replica_find(share->doc, &dot->replica) == UINT32_MAX)
        return CRDT_OK;
    return crdti_vv_raise(&share->acked, dot, place);
}

CRDTI_FN crdt_err crdti_share_confirm(crdti_share *share,
                                      const crdt_vv *theirs)
{
    size_t i, place = 0;
    crdt_err err = CRDT_OK;
    for (i = 0; i < theirs->len && !err; i++, place++)
        err = crdti_share_confirm_dot(share, &theirs->entries[i], &place);
    return err;
}

/* Equal vectors with unequal digests: the one thing that must not be. */
CRDTI_FN void crdti_share_compare(crdti_share *share, const crdt_vv *theirs,
                                  crdt_digest digest)
{
    if (!crdt_doc_uncommitted(share->doc) &&
        crdt_vv_compare(&share->vv, theirs) == CRDT_EQUAL &&
        !crdti_digest_equal(digest, crdt_doc_digest(share->doc)))
        share->alarms++;
}

/* >>tracks ---------------------------------------------------------------- */

CRDTI_FN void crdti_track_init(crdti_track *track, const crdt_alloc *alloc)
{
    size_t i;
    crdti_zero(track, sizeof *track);
    track->theirs = CRDTI_NO_DOC;
    crdti_vv_start(&track->known, alloc);
    crdti_vv_start(&track->sent, alloc);
    crdti_vv_start(&track->announced, alloc);
    crdti_vv_start(&track->wanted, alloc);
    crdti_buf_start(&track->gossip.out, alloc);
    crdti_buf_start(&track->gossip.in, alloc);
    for (i = 0; i < CRDTSYNC_MAX_IN_FLIGHT; i++)
        crdti_vv_start(&track->flights[i].vv, alloc);
}

CRDTI_FN void crdti_track_free(crdti_track *track, const crdt_alloc *alloc)
{
    size_t i;
    crdt_vv_free(&track->known);
    crdt_vv_free(&track->sent);
    crdt_vv_free(&track->announced);
    crdt_vv_free(&track->wanted);
    crdti_gossip_free(&track->gossip);
    for (i = 0; i < CRDTSYNC_MAX_IN_FLIGHT; i++)
        crdt_vv_free(&track->flights[i].vv);
    for (i = 0; i < track->held.len; i++)
        crdt_buf_free(&track->held.ptr[i].bytes);
    crdti_array_free(alloc, &track->held);
}

/* The peer has said that it has `vv`. */
CRDTI_FN crdt_err crdti_track_learn(crdti_share *share, crdti_track *track,
                                    const crdt_vv *vv)
{
    crdt_err err = crdt_vv_merge(&track->known, vv);
    if (!err)
        err = crdt_vv_merge(&track->sent, vv);
    return err ? err : crdti_share_confirm(share, vv);
}

/* The same of one dot more, with all before it of its replica. */
CRDTI_FN crdt_err crdti_track_learn_dot(crdti_share *share, crdti_track *track,
                                        const crdt_dot *dot)
{
    size_t place = 0;
    crdt_err err = crdti_vv_raise(&track->known, dot, &place);
    if (!err)
        err = crdti_vv_raise(&track->sent, dot, &place);
    return err ? err : crdti_share_confirm_dot(share, dot, &place);
}

/* The peer has all that we have. */
CRDTI_FN crdt_err crdti_track_equal(crdti_share *share, crdti_track *track)
{
    track->is_known = 1;
    return crdti_track_learn(share, track, &share->vv);
}

/* Takes the flight out, to behind the last; how many bytes are less under
 * way. */
CRDTI_FN size_t crdti_track_drop(crdti_track *track, size_t flight)
{
    crdti_flight landed;
    size_t i = flight;
    track->flights_len--;
    if (i == track->flights_len)
        return track->flights[i].size;
    landed = track->flights[flight];
    for (; i < track->flights_len; i++)
        track->flights[i] = track->flights[i + 1];
    track->flights[i] = landed; /* keeps its memory for the next */
    return landed.size;
}

/* Starts again from what the peer is known to have; how many bytes are less
 * under way. */
CRDTI_FN size_t crdti_track_rewind(crdti_track *track, crdt_err *err)
{
    size_t size = 0;
    while (track->flights_len)
        size += crdti_track_drop(track, track->flights_len - 1);
    track->pushed = 0;
    track->is_chained = track->is_doubted = 0;
    *err = crdt_vv_copy(&track->sent, &track->known);
    return size;
}

#endif
/* >> relay.h */
/*
 * Relay without repetition: what a node learns goes on to its other peers at
 * once, but only over links that form a tree; the others are *lazy*.
 *
 *         a ===== b          a change of a goes to b and c, and from b to d.
 *         ||     ||          c and d tell each other that they have it, and
 *         c - - - d          neither sends it.
 *
 * A link becomes lazy, in both directions, when a delta comes over it that
 * holds nothing new and was not known to be there. Over a lazy link goes what
 * we have (HAVE), some changes at a time; a delta goes only when the peer still
 * lacks something after a while. If that is news to it, the tree was broken,
 * and the link is none of the lazy ones any more.
 *
 * (Plumtree: Leitao, Pereira, Rodrigues 2007)
 */
#ifndef CRDTI_RELAY_H
#define CRDTI_RELAY_H


#define CRDTI_HOLD_MS 150u    /* and the time that an answer may take, twice */
#define CRDTI_ANNOUNCE_MS 40u /* changes of so long are announced together */

/* Nothing can have been announced that the peer does not have or get. */
CRDTI_FN crdt_err crdti_track_prune(crdti_track *track)
{
    if (track->is_lazy)
        return CRDT_OK;
    track->is_lazy = 1;
    track->hold_until = track->announce_at = 0;
    return crdt_vv_copy(&track->announced, &track->sent);
}

CRDTI_FN void crdti_track_graft(crdti_track *track)
{
    track->is_lazy = 0;
}

/* Whether what the peer lacks is left to others for now: until it lacks
 * something that it lacked `hold_ms` before. */
CRDTI_FN int crdti_track_waits(const crdti_share *share, crdti_track *track,
                               uint64_t now, uint64_t hold_ms, crdt_err *err)
{
    *err = CRDT_OK;
    if (track->hold_until && now < track->hold_until)
        return 1;
    if (track->hold_until && !crdti_vv_is_in(&track->wanted, &track->sent)) {
        track->hold_until = 0;
        return 0;
    }
    *err = crdt_vv_copy(&track->wanted, &share->vv);
    track->hold_until = now + hold_ms;
    return 1;
}

/* Puts what is in `vv` and not in `told`, as a vector. */
CRDTI_FN void crdti_put_have(crdti_writer *w, const crdt_vv *vv,
                             const crdt_vv *told)
{
    size_t i, count = 0;
    for (i = 0; i < vv->len; i++)
        count += !crdt_vv_covers(told, &vv->entries[i]);
    crdti_put_varint(w, count);
    for (i = 0; i < vv->len; i++) {
        const crdt_dot *dot = &vv->entries[i];
        if (crdt_vv_covers(told, dot))
            continue;
        crdti_put_raw(w, crdt_bytes_of(dot->replica.b, 16));
        crdti_put_varint(w, dot->seq);
    }
}

#endif
/* >> presence.h */
/*
 * Presence: a small value of each node for each document, such as where its
 * cursor is. It lives for a while, goes through any network, and is never
 * stored.
 *
 *     origin  document  counter  expires   value
 *     a       d         7        12:03:20  "line 4"
 *     b       d         2        12:03:05  ""         withdrawn
 *
 * The later counter of an origin wins and is passed on, once; whatever else
 * comes is known already. So it goes round no circle, also when its time is
 * over here and copies of it are still on their way: it is known for a while.
 */
#ifndef CRDTI_PRESENCE_H
#define CRDTI_PRESENCE_H


/* The longest that a copy may be on its way. */
#define CRDTI_PRESENCE_KNOWN_MS 60000u

typedef struct crdti_present {
    crdt_id origin;
    size_t number; /* of the share */
    uint64_t counter, expires_at;
    uint64_t serial; /* in the order of their coming, here */
    uint64_t from;   /* the nonce of the session that told it; 0: ours */
    size_t len;
    uint8_t value[CRDTSYNC_MAX_PRESENCE];
} crdti_present;

/* Of a node. */
typedef struct crdti_presences {
    CRDTI_ARRAY(crdti_present) all;
    uint64_t serial, counter; /* the last ones given */
} crdti_presences;

typedef struct crdti_told_presence {
    uint64_t doc;
    crdt_id origin;
    uint64_t counter, ttl_ms;
    crdt_bytes value;
} crdti_told_presence;

CRDTI_FN void crdti_put_presence(crdti_writer *w, uint64_t doc,
                                 const crdti_present *p, uint64_t now)
{
    crdti_put_varint(w, doc);
    crdti_put_raw(w, crdt_bytes_of(p->origin.b, sizeof p->origin.b));
    crdti_put_varint(w, p->counter);
    crdti_put_varint(w, p->expires_at - now);
    crdti_put_raw(w, crdt_bytes_of(p->value, p->len));
}

CRDTI_FN void crdti_get_presence(crdti_reader *r, crdti_told_presence *told)
{
    told->doc = crdti_get_varint(r);
    told->origin = crdti_get_id(r);
    told->counter = crdti_get_varint(r);
    told->ttl_ms = crdti_get_varint(r);
    if (crdti_reader_left(r) > CRDTSYNC_MAX_PRESENCE ||
        told->ttl_ms > CRDTSYNC_MAX_PRESENCE_MS)
        crdti_reader_fail(r, CRDT_ERR_LIMIT);
    told->value = crdti_get_raw(r, crdti_reader_left(r));
}

/* Forgets what has expired, so long ago or longer. */
CRDTI_FN void crdti_presences_sweep(crdti_presences *p, uint64_t now,
                                    uint64_t ago_ms)
{
    size_t i = 0;
    while (i < p->all.len) {
        if (now < p->all.ptr[i].expires_at + ago_ms)
            i++;
        else
            p->all.ptr[i] = p->all.ptr[--p->all.len];
    }
}

CRDTI_FN crdti_present *crdti_presences_find(crdti_presences *p,
                                             const crdt_id *origin,
                                             size_t number)
{
    size_t i;
    for (i = 0; i < p->all.len; i++) {
        crdti_present *at = &p->all.ptr[i];
        if (at->number == number && crdti_id_equal(&at->origin, origin))
            return at;
    }
    return NULL;
}

/* LIMIT: there are as many as may be. OK also for what is known. */
CRDTI_FN crdt_err crdti_presences_take(const crdt_alloc *alloc,
                                       crdti_presences *p, size_t number,
                                       const crdti_told_presence *told,
                                       uint64_t from, uint64_t now)
{
    crdti_present *at;
    crdti_presences_sweep(p, now, CRDTI_PRESENCE_KNOWN_MS);
    at = crdti_presences_find(p, &told->origin, number);
    if (at && told->counter <= at->counter)
        return CRDT_OK;
    if (!at) {
        if (p->all.len >= CRDTSYNC_MAX_PRESENT)
            crdti_presences_sweep(p, now, 0);
        if (p->all.len >= CRDTSYNC_MAX_PRESENT)
            return CRDT_ERR_LIMIT;
        if (crdti_array_reserve(alloc, &p->all, 1))
            return CRDT_ERR_NOMEM;
        at = &p->all.ptr[p->all.len++];
    }
    at->origin = told->origin;
    at->number = number;
    at->counter = told->counter;
    at->expires_at = now + told->ttl_ms;
    at->serial = ++p->serial;
    at->from = from;
    at->len = told->value.len;
    if (at->len)
        crdti_copy(at->value, told->value.ptr, at->len);
    return CRDT_OK;
}

#endif
/* >> session.h */
/*
 * A session: one peer, several documents, bytes in (hear.h) and bytes out
 * (push.h). It knows no transport and no clock; a node (node.h) gives it both.
 *
 *     HELLO, DOCS ->   <- HELLO, DOCS      who, which documents, how they are
 *     STATE ->            <- STATE         of those that differ: what we have
 *     UPDATE ->           <- UPDATE        each sends what the other lacks
 *     ANSWER ->           <- ANSWER        joined: both know that both have it
 *     UPDATE -> ...                        live: whatever is committed
 *
 * At most CRDTSYNC_MAX_IN_FLIGHT deltas of a document are unanswered, and at
 * most as many bytes as the peer grants; what is committed meanwhile gathers
 * in the next delta.
 *
 * A delta whose predecessor was joined, or is under way, says only what has
 * changed: that it *follows* stands for all the rest of its base. It is joined
 * right after its predecessor or not at all. Where nothing gets lost or out of
 * order, keystrokes are told in the short form (stroke.h).
 *
 * A delta that cannot be joined is refused, the refuser says what it has, and
 * the sender starts again from there. Where things get lost, one that came too
 * early waits, and one that is not answered in time is made anew from what the
 * peer is known to have: no case needs a memory of what was lost.
 */
#ifndef CRDTI_SESSION_H
#define CRDTI_SESSION_H


#define CRDTI_PIECE_MAX 65536u   /* longer messages go in pieces */
#define CRDTI_PIECES_UNASKED 24u /* then what has come is asked for */
#define CRDTI_ASK_MS 2000u       /* what a peer has that does not say it */
#define CRDTI_PRESENCE_MS 250u   /* to the next time that it is told, */
#define CRDTI_PRESENCE_AGAIN 2   /* and how often, where it may be lost */
#define CRDTI_HELLO_MS 250u      /* to the next HELLO, where one may be lost */

typedef struct crdti_session {
    const crdt_alloc *alloc;
    crdti_shares *shares;
    crdti_presences *presences; /* or NULL */
    crdti_parking *parking;     /* or NULL */
    crdt_id self, node;
    crdt_bytes self_name; /* borrowed */
    uint64_t nonce, their_nonce;
    uint64_t can;     /* what both can */
    size_t frame_max; /* payload that the peer takes at once, */
    size_t window;    /* and unanswered */
    size_t room;      /* payload that we send at once */
    uint8_t name[CRDTSYNC_MAX_NAME];
    size_t name_len;
    int is_greeted;     /* their HELLO came, */
    int is_heard;       /* and ours did, there */
    int wants_hello;    /* ours is to be said again */
    int is_spare;       /* another link to the same node is used */
    int is_ordered;     /* nothing gets lost or out of order */
    uint32_t roster_ms; /* how often rosters are told */
    uint64_t born_at, hello_at;
    int is_repeated;  /* our HELLO was said again */
    size_t docs_told; /* of ours, */
    uint64_t docs_told_at;
    size_t docs_heard, docs_theirs; /* of theirs; how many there are, */
    size_t docs_first;              /* and were when they greeted */
    crdt_buf in;                    /* the beginning of a frame */
    crdt_buf out;                   /* whole frames, to be sent */
    size_t out_at;
    crdt_buf draft; /* a payload, before it is clear how it goes */
    crdti_pace pace;
    size_t in_flight; /* bytes of deltas unanswered, parcels apart */
    crdti_parcel parcel;
    int has_parcels; /* was there one? */
    crdti_staging staging;
    CRDTI_ARRAY(crdti_track) tracks; /* by number of the share */
    uint64_t presence_told;          /* up to that one of the node's, */
    uint64_t presence_sure;          /* and need not be told again; */
    uint64_t presence_at;            /* when it is, and how often yet */
    int presence_left;
    uint64_t due; /* when there may be something to do, at the latest */
    uint64_t dice;
    uint64_t sent_deltas, sent_frames, waiting;
    uint64_t delta_bytes, news_bytes; /* received; of them, what was new */
    size_t held;                      /* bytes of deltas that wait */
    const char *complaint; /* why a receive failed, when bytes do not say */
} crdti_session;

/* >>making and ending ----------------------------------------------------- */

CRDTI_FN void crdti_session_init(crdti_session *s, const crdt_alloc *alloc,
                                 crdti_shares *shares)
{
    crdti_zero(s, sizeof *s);
    s->alloc = alloc;
    s->shares = shares;
    s->frame_max = CRDTI_FRAME_MIN;
    crdti_pace_init(&s->pace);
    crdti_buf_start(&s->in, alloc);
    crdti_buf_start(&s->out, alloc);
    crdti_buf_start(&s->draft, alloc);
    crdti_buf_start(&s->parcel.bytes, alloc);
    crdti_buf_start(&s->staging.bytes, alloc);
}

CRDTI_FN void crdti_session_free(crdti_session *s)
{
    size_t i;
    for (i = 0; i < s->tracks.len; i++) {
        crdti_track_free(&s->tracks.ptr[i], s->alloc);
        if (s->shares->ptr[i].asked == s)
            s->shares->ptr[i].asked = NULL;
    }
    crdti_array_free(s->alloc, &s->tracks);
    crdti_parcel_clear(s->alloc, &s->parcel);
    crdti_staging_clear(s->alloc, &s->staging);
    crdt_buf_free(&s->draft);
    crdt_buf_free(&s->in);
    crdt_buf_free(&s->out);
}

/* A track for each share. */
CRDTI_FN crdt_err crdti_session_cover(crdti_session *s)
{
    if (crdti_array_reserve(s->alloc, &s->tracks,
                            s->shares->len - s->tracks.len))
        return CRDT_ERR_NOMEM;
    while (s->tracks.len < s->shares->len)
        crdti_track_init(&s->tracks.ptr[s->tracks.len++], s->alloc);
    return CRDT_OK;
}

/* Between three quarters and five quarters. */
CRDTI_FN uint64_t crdti_session_jitter(crdti_session *s, uint64_t ms)
{
    s->dice = crdti_mix(s->dice ^ s->nonce ^ CRDTI_HASH_1, CRDTI_HASH_2);
    return ms - ms / 4 + s->dice % (ms / 2 + 1);
}

CRDTI_FN void crdti_session_wake(crdti_session *s, uint64_t at)
{
    s->due = crdti_min(s->due, at);
}

/* How many bytes may be unanswered. */
CRDTI_FN size_t crdti_session_window(const crdti_session *s)
{
    return s->is_ordered ? s->window
                         : crdti_min_size(s->window, s->pace.window);
}

CRDTI_FN size_t crdti_session_credit(const crdti_session *s)
{
    size_t window = crdti_session_window(s);
    size_t used = s->in_flight + s->parcel.loose;
    return window - crdti_min_size(used, window);
}

/* >>saying ---------------------------------------------------------------- */

/* Ends a message whose payload starts at `start`; drops it on an error. */
CRDTI_FN crdt_err crdti_say(crdti_session *s, crdti_writer *w, uint8_t kind,
                            size_t start)
{
    crdti_frame_wrap(w, kind, start);
    if (w->err)
        s->out.len = start;
    else
        s->sent_frames++;
    return w->err;
}

CRDTI_FN crdt_err crdti_say_hello(crdti_session *s)
{
    crdti_writer w;
    crdti_hello hello;
    size_t start = s->out.len;
    crdti_writer_init(&w, &s->out);
    hello.oldest = CRDTI_PROTOCOL_MIN;
    hello.newest = CRDTI_PROTOCOL_MAX;
    hello.node = s->self;
    hello.nonce = s->nonce;
    hello.heard = s->their_nonce;
    hello.can = CRDTI_CAN;
    hello.frame_max = CRDTSYNC_MAX_FRAME;
    hello.window = CRDTSYNC_MAX_WINDOW;
    hello.docs = s->shares->len;
    hello.docs_heard = s->docs_heard;
    hello.name = s->self_name;
    crdti_put_hello(&w, &hello);
    return crdti_say(s, &w, CRDTI_HELLO, start);
}

/* What is in the draft: as one message, or as a parcel, of which there is none
 * under way. */
CRDTI_FN crdt_err crdti_say_draft(crdti_session *s, uint8_t kind, size_t most)
{
    crdti_writer w;
    size_t start = s->out.len;
    crdt_buf draft = s->draft;
    if (draft.len <= most) {
        crdti_writer_init(&w, &s->out);
        crdti_put_raw(&w, crdt_buf_bytes(&draft));
        s->draft.len = 0;
        return crdti_say(s, &w, kind, start);
    }
    s->draft = s->parcel.bytes;
    s->parcel.bytes = draft;
    s->parcel.kind = kind;
    s->parcel.id++;
    s->has_parcels = 1;
    s->parcel.update = 0;
    return CRDT_OK;
}

/* AGAIN: it has to wait for the parcel that is under way. */
CRDTI_FN crdt_err crdti_say_state(crdti_session *s, size_t number, int asks)
{
    crdti_share *share = &s->shares->ptr[number];
    crdti_writer w;
    s->draft.len = 0;
    crdti_writer_init(&w, &s->draft);
    w.err = crdti_share_look(share);
    if (!w.err && s->parcel.bytes.len &&
        share->vv.len > s->room / CRDTI_VV_ENTRY_MAX - 2)
        return CRDT_ERR_AGAIN;
    crdti_put_varint(&w, number);
    crdti_put_u8(&w, (uint8_t)asks);
    crdti_put_digest(&w, crdt_doc_digest(share->doc));
    crdti_put_vv(&w, &share->vv);
    return w.err ? w.err : crdti_say_draft(s, CRDTI_STATE, s->room);
}

CRDTI_FN crdt_err crdti_say_digest(crdti_session *s, size_t number)
{
    crdti_writer w;
    size_t start = s->out.len;
    uint64_t print;
    crdti_writer_init(&w, &s->out);
    w.err = crdti_share_print(&s->shares->ptr[number], &print);
    crdti_put_varint(&w, number);
    crdti_put_u64le(&w, print);
    return crdti_say(s, &w, CRDTI_DIGEST, start);
}

/* A peer that sends and never reads would have answers pile up. */
CRDTI_FN crdt_err crdti_may_answer(crdti_session *s)
{
    if (s->out.len - s->out_at <= CRDTSYNC_MAX_FRAME + CRDTSYNC_MAX_BUFFERED)
        return CRDT_OK;
    s->complaint = "does not read what it is told";
    return CRDT_ERR_LIMIT;
}

CRDTI_FN crdt_err crdti_say_answer(crdti_session *s, size_t number,
                                   uint64_t id, uint64_t result)
{
    crdti_writer w;
    size_t start = s->out.len;
    crdti_writer_init(&w, &s->out);
    w.err = crdti_may_answer(s);
    crdti_put_varint(&w, number);
    crdti_put_varint(&w, id);
    crdti_put_varint(&w, result);
    return crdti_say(s, &w, CRDTI_ANSWER, start);
}

CRDTI_FN crdt_err crdti_say_got(crdti_session *s,
                                const crdti_parcel_piece *piece)
{
    crdti_writer w;
    size_t start = s->out.len;
    crdti_run all;
    crdti_ivset whole;
    int is_done = piece->id <= s->staging.done;
    all.lo = 0;
    all.hi = piece->total - 1;
    whole.ptr = &all;
    whole.len = whole.cap = 1;
    crdti_writer_init(&w, &s->out);
    w.err = crdti_may_answer(s);
    crdti_put_got(&w, piece->id, piece->offset + piece->bytes.len,
                  is_done ? &whole : &s->staging.have);
    return crdti_say(s, &w, CRDTI_GOT, start);
}

CRDTI_FN crdt_err crdti_say_alive(crdti_session *s)
{
    crdti_writer w;
    crdti_writer_init(&w, &s->out);
    return crdti_say(s, &w, CRDTI_ALIVE, s->out.len);
}

CRDTI_FN crdt_err crdti_say_bye(crdti_session *s, const char *why)
{
    crdti_writer w;
    size_t start = s->out.len;
    crdti_writer_init(&w, &s->out);
    crdti_put_bytes(&w, crdt_str(why));
    return crdti_say(s, &w, CRDTI_BYE, start);
}

/* >>lists of documents ---------------------------------------------------- */

/* Both have told a print of the document: equal ones end it, after unequal
 * ones both say what they have. */
CRDTI_FN crdt_err crdti_track_meet(crdti_share *share, crdti_track *track)
{
    crdt_err err;
    if (!track->is_told || track->theirs == CRDTI_NO_DOC || track->is_known)
        return CRDT_OK;
    if (!track->print || track->print != track->their_print) {
        track->wants_state = 1;
        return crdt_vv_copy(&track->sent, &track->known);
    }
    /* `sent` is the vector that was told. */
    err = crdt_vv_copy(&track->known, &track->sent);
    if (!err)
        err = crdti_share_confirm(share, &track->known);
    track->is_known = !err;
    return err;
}

/* Tells the print of a document, and notes it. 0 is none: there are changes
 * that are not committed. */
CRDTI_FN crdt_err crdti_track_tell(crdti_share *share, crdti_track *track,
                                   uint64_t *print)
{
    crdt_err err = crdti_share_print(share, print);
    if (crdt_doc_uncommitted(share->doc))
        *print = 0;
    if (err || track->is_known)
        return err;
    track->print = *print;
    track->is_told = 1;
    err = crdt_vv_copy(&track->sent, &share->vv);
    return err ? err : crdti_track_meet(share, track);
}

/* One message of documents that have not been told. */
CRDTI_FN crdt_err crdti_say_docs(crdti_session *s)
{
    crdti_writer w;
    size_t start = s->out.len, told = s->docs_told;
    uint64_t print;
    crdti_writer_init(&w, &s->out);
    w.err = crdti_session_cover(s);
    crdti_put_varint(&w, told);
    while (told < s->shares->len && !w.err) {
        crdti_share *share = &s->shares->ptr[told];
        if (s->out.len - start + share->name_len + 9 > s->room)
            break;
        w.err = crdti_track_tell(share, &s->tracks.ptr[told++], &print);
        crdti_put_bytes(&w, crdti_share_name(share));
        crdti_put_u64le(&w, print);
    }
    if (!w.err)
        s->docs_told = told;
    return crdti_say(s, &w, CRDTI_DOCS, start);
}

/* A document of the peer is also ours. Where we told ours before it was in
 * their list, they must hear it again. */
CRDTI_FN crdt_err crdti_track_match(crdti_session *s, size_t number,
                                    uint64_t theirs, uint64_t print)
{
    crdti_track *track = &s->tracks.ptr[number];
    if (track->theirs == CRDTI_NO_DOC && theirs >= s->docs_first &&
        track->is_told) {
        track->is_told = 0;
        s->docs_told = crdti_min_size(s->docs_told, number);
    }
    if (track->theirs == CRDTI_NO_DOC)
        s->presence_told = 0;
    track->theirs = theirs;
    track->their_print = print;
    return crdti_track_meet(&s->shares->ptr[number], track);
}

CRDTI_FN void crdti_hear_docs(crdti_session *s, crdti_reader *r)
{
    uint64_t first = crdti_get_varint(r), theirs = first;
    crdt_err err = crdti_session_cover(s);
    size_t i;
    if (theirs > CRDTSYNC_MAX_SHARED)
        err = CRDT_ERR_LIMIT;
    while (crdti_reader_left(r) && !err) {
        crdt_bytes name = crdti_get_bytes(r, CRDTSYNC_MAX_NAME);
        uint64_t print = crdti_get_u64le(r);
        if (theirs >= CRDTSYNC_MAX_SHARED)
            err = CRDT_ERR_LIMIT;
        for (i = 0; i < s->tracks.len && !r->err && !err; i++)
            if ((s->tracks.ptr[i].theirs == CRDTI_NO_DOC ||
                 s->tracks.ptr[i].theirs == theirs) &&
                crdt_bytes_equal(name, crdti_share_name(&s->shares->ptr[i])))
                err = crdti_track_match(s, i, theirs, print);
        theirs++;
    }
    if (err)
        crdti_reader_fail(r, err);
    if (!r->err && first <= s->docs_heard)
        s->docs_heard = crdti_max_size(s->docs_heard, (size_t)theirs);
}

#endif
/* >> hear.h */
/*
 * Hearing: what a session makes of what its peer says. Bytes may come cut
 * anyhow; each whole frame is one message, or a piece of one.
 */
#ifndef CRDTI_HEAR_H
#define CRDTI_HEAR_H


/* >>hearing: what the peer says of itself --------------------------------- */

/* The track for the peer's number of a document, or NULL: not ours. */
CRDTI_FN crdti_track *crdti_track_find(crdti_session *s, uint64_t theirs,
                                       size_t *number)
{
    size_t i;
    if (theirs == CRDTI_NO_DOC)
        return NULL;
    /* Most often both have the same list. */
    if (theirs < s->tracks.len && s->tracks.ptr[theirs].theirs == theirs) {
        *number = (size_t)theirs;
        return &s->tracks.ptr[theirs];
    }
    for (i = 0; i < s->tracks.len; i++) {
        if (s->tracks.ptr[i].theirs == theirs) {
            *number = i;
            return &s->tracks.ptr[i];
        }
    }
    return NULL;
}

/* They have heard our HELLO. When it was the first one, that was a round
 * trip. */
CRDTI_FN void crdti_session_heard(crdti_session *s, uint64_t now)
{
    if (!s->is_ordered && !s->is_heard && !s->is_repeated)
        crdti_pace_hear(&s->pace, now - s->born_at, 0);
    s->is_heard = 1;
}

/* Where HELLOs get lost: whether they have heard ours, and our list. That we
 * have heard theirs, our list tells, unless they say that they lack ours, or
 * there is none. */
CRDTI_FN void crdti_hear_echo(crdti_session *s, const crdti_hello *hello,
                              int is_first, uint64_t now)
{
    if (hello->heard == s->nonce)
        crdti_session_heard(s, now);
    else if (!is_first || s->docs_told == s->shares->len)
        s->wants_hello = 1;
    if (hello->docs_heard < s->docs_told &&
        now - s->docs_told_at >= crdti_pace_patience(&s->pace))
        s->docs_told = (size_t)hello->docs_heard;
}

CRDTI_FN void crdti_hear_hello(crdti_session *s, crdti_reader *r, uint64_t now)
{
    crdti_hello hello;
    int is_first = !s->is_greeted;
    crdti_get_hello(r, &hello);
    if (r->err)
        return;
    if (s->is_greeted && s->their_nonce != hello.nonce) {
        s->complaint = "has begun anew";
        crdti_reader_fail(r, CRDT_ERR_CLOSED);
        return;
    }
    if (is_first)
        s->docs_first = (size_t)hello.docs;
    s->docs_theirs = (size_t)hello.docs;
    s->node = hello.node;
    s->their_nonce = hello.nonce;
    s->can = hello.can & CRDTI_CAN;
    s->frame_max = (size_t)crdti_max(
        CRDTI_FRAME_MIN, crdti_min(hello.frame_max, CRDTSYNC_MAX_FRAME));
    s->window = (size_t)crdti_max(
        CRDTI_FRAME_MIN, crdti_min(hello.window, CRDTSYNC_MAX_WINDOW));
    s->name_len = hello.name.len;
    crdti_copy(s->name, hello.name.ptr, hello.name.len);
    s->is_greeted = 1;
    if (!s->is_ordered)
        crdti_hear_echo(s, &hello, is_first, now);
}

/* Of what is under way they may have some; and when we were in doubt, they
 * lack the rest. */
CRDTI_FN crdt_err crdti_track_settle(crdti_session *s, crdti_track *track)
{
    crdt_err err = CRDT_OK;
    size_t i = track->flights_len;
    while (i-- > 0) {
        const crdti_flight *flight = &track->flights[i];
        if (flight->dot.seq ? crdt_vv_covers(&track->known, &flight->dot)
                            : crdti_vv_is_in(&flight->vv, &track->known))
            s->in_flight -= crdti_track_drop(track, i);
    }
    if (track->is_doubted && track->flights_len)
        s->in_flight -= crdti_track_rewind(track, &err);
    track->is_doubted = 0;
    return err;
}

/* Where nothing gets lost, this is all there is when nothing is under way,
 * even if it is less than we thought. Else it may be old. */
CRDTI_FN crdt_err crdti_track_hear(crdti_session *s, size_t number,
                                   const crdt_vv *vv, crdt_digest digest)
{
    crdti_share *share = &s->shares->ptr[number];
    crdti_track *track = &s->tracks.ptr[number];
    crdt_err err = crdti_share_look(share);
    if (!err && !track->flights_len && (s->is_ordered || !track->is_known)) {
        err = crdt_vv_copy(&track->known, vv);
        if (!err)
            err = crdt_vv_copy(&track->sent, vv);
    }
    if (!err)
        err = crdti_track_learn(share, track, vv);
    if (!err && !s->is_ordered)
        err = crdti_track_settle(s, track);
    if (err)
        return err;
    crdti_share_compare(share, vv, digest);
    track->is_known = 1;
    track->pushed = 0;
    if (share->asked == s && crdti_vv_is_in(&track->known, &share->vv))
        share->asked = NULL;
    return CRDT_OK;
}

CRDTI_FN void crdti_hear_state(crdti_session *s, crdti_reader *r)
{
    size_t number;
    crdti_track *track = crdti_track_find(s, crdti_get_varint(r), &number);
    uint8_t asks = crdti_get_u8(r);
    crdt_digest digest = crdti_get_digest(r);
    crdt_vv vv;
    crdt_err err;
    crdti_vv_start(&vv, s->alloc);
    crdti_get_vv(r, &vv);
    crdti_get_end(r);
    if (!r->err && track) {
        track->wants_state |= asks & 1;
        err = crdti_track_hear(s, number, &vv, digest);
        if (err)
            crdti_reader_fail(r, err);
    }
    crdt_vv_free(&vv);
}

CRDTI_FN void crdti_hear_digest(crdti_session *s, crdti_reader *r)
{
    size_t number;
    crdti_track *track = crdti_track_find(s, crdti_get_varint(r), &number);
    uint64_t theirs = crdti_get_u64le(r), print;
    crdt_err err;
    crdti_get_end(r);
    if (r->err || !track)
        return;
    err = crdti_share_print(&s->shares->ptr[number], &print);
    if (!err && print != theirs)
        track->wants_state = track->state_asks = 1;
    else if (!err && !crdt_doc_uncommitted(s->shares->ptr[number].doc))
        err = crdti_track_equal(&s->shares->ptr[number], track);
    if (err)
        crdti_reader_fail(r, err);
}

CRDTI_FN void crdti_hear_have(crdti_session *s, crdti_reader *r)
{
    size_t number;
    crdti_track *track = crdti_track_find(s, crdti_get_varint(r), &number);
    crdt_err err = CRDT_OK;
    crdt_vv vv;
    crdti_vv_start(&vv, s->alloc);
    crdti_get_vv(r, &vv);
    crdti_get_end(r);
    if (!r->err && track)
        err = crdti_track_learn(&s->shares->ptr[number], track, &vv);
    if (err)
        crdti_reader_fail(r, err);
    crdt_vv_free(&vv);
}

CRDTI_FN void crdti_hear_presence(crdti_session *s, crdti_reader *r,
                                  uint64_t now)
{
    crdti_told_presence told;
    size_t number;
    crdt_err err;
    crdti_get_presence(r, &told);
    if (r->err || !s->presences || !crdti_track_find(s, told.doc, &number) ||
        crdti_id_equal(&told.origin, &s->self))
        return;
    err = crdti_presences_take(s->alloc, s->presences, number, &told, s->nonce,
                               now);
    if (err && err != CRDT_ERR_LIMIT) /* one that is not kept */
        crdti_reader_fail(r, err);
}

/* >>hearing: deltas ------------------------------------------------------- */

/* Refusals that the peer is not to blame for; others end the session. */
CRDTI_FN int crdti_is_forgivable(crdt_err err)
{
    return err == CRDT_ERR_CAUSAL || err == CRDT_ERR_SKEW ||
           err == CRDT_ERR_NOMEM || err == CRDT_ERR_FORK ||
           err == CRDT_ERR_LIMIT || err == CRDT_ERR_AGAIN ||
           err == CRDT_ERR_FORGOTTEN;
}

/* Answers a delta. An error ends the session. */
CRDTI_FN crdt_err crdti_track_answer(crdti_session *s, size_t number,
                                     uint64_t id, crdt_err result, int knew)
{
    crdti_share *share = &s->shares->ptr[number];
    crdti_track *track = &s->tracks.ptr[number];
    crdt_err err = CRDT_OK;
    if (result) {
        share->refused++;
        share->alarms += result == CRDT_ERR_FORK;
        track->wants_state |= result == CRDT_ERR_CAUSAL;
    } else {
        share->joined++;
        if (id < CRDTI_CAST_ID)
            track->joined_id = id;
    }
    if (knew)
        err = crdti_track_prune(track);
    if (!err)
        err = crdti_say_answer(s, number, id,
                               knew ? CRDTI_KNEW : (uint64_t)result);
    return !result || crdti_is_forgivable(result) ? err : result;
}

/* Something came from whom we asked: there may be more. Or it was all. */
CRDTI_FN void crdti_share_hear(crdti_share *share, const crdti_session *s,
                               const crdti_track *track, uint64_t now)
{
    if (share->asked != s)
        return;
    share->asked_until = now + CRDTI_ASK_MS;
    if (track->is_known && !crdti_share_look(share) &&
        crdti_vv_is_in(&track->known, &share->vv))
        share->asked = NULL;
}

/* The delta was joined, which brought us so far: learns what that tells of the
 * peer, and answers. It was in vain when we had it all, and not from them. */
CRDTI_FN crdt_err crdti_track_joined(crdti_session *s, size_t number,
                                     const crdti_update *update,
                                     const crdti_reach *reach, uint64_t now)
{
    crdti_share *share = &s->shares->ptr[number];
    crdti_track *track = &s->tracks.ptr[number];
    int knew = !reach->gain.news && (s->can & CRDTI_CAN_HAVE) &&
               !crdti_vv_is_in(&reach->top, &track->known);
    crdt_err err = crdti_track_learn(share, track, &reach->top);
    if (update->id < CRDTI_CAST_ID)
        track->heard = reach->trail;
    s->delta_bytes += update->delta.len;
    if (reach->gain.news)
        s->news_bytes +=
            update->delta.len * reach->gain.news / reach->gain.dots;
    if (reach->gain.news && update->how & CRDTI_LATE)
        crdti_track_graft(track);
    if (!err && track->is_lazy) /* the answer tells it */
        err = crdt_vv_merge(&track->announced, &reach->top);
    crdti_share_hear(share, s, track, now);
    return err ? err
               : crdti_track_answer(s, number, update->id, CRDT_OK, knew);
}

/* Whether the delta before this one is held back. */
CRDTI_FN int crdti_track_holds(const crdti_track *track, uint64_t id)
{
    size_t i;
    for (i = 0; i < track->held.len; i++)
        if (track->held.ptr[i].id == id)
            return 1;
    return 0;
}

/* Joins the delta and answers; *holds: it has to wait, and for what. An error
 * is one that ends the session. */
CRDTI_FN crdt_err crdti_track_join(crdti_session *s, size_t number,
                                   const crdti_update *update,
                                   crdt_dot *missing, int *holds, uint64_t now)
{
    crdti_track *track = &s->tracks.ptr[number];
    crdti_share *share = &s->shares->ptr[number];
    crdti_reach reach;
    crdt_err result = CRDT_ERR_CAUSAL, err;
    size_t offset;
    crdti_zero(&reach, sizeof reach);
    crdti_vv_start(&reach.top, s->alloc);
    if (!(update->how & CRDTI_FOLLOWS) || track->joined_id == update->id - 1)
        result =
            crdti_payload_join(share->doc, update->delta, &offset, &reach);
    *missing = reach.gain.missing;
    *holds = result == CRDT_ERR_SKEW ||
             (result == CRDT_ERR_CAUSAL &&
              (!s->is_ordered || crdti_track_holds(track, update->id - 1)));
    if (!result)
        err = crdti_track_joined(s, number, update, &reach, now);
    else
        err = *holds ? CRDT_OK
                     : crdti_track_answer(s, number, update->id, result, 0);
    crdt_vv_free(&reach.top);
    return err;
}

/* Ends the wait of the i-th delta. */
CRDTI_FN void crdti_track_unhold(crdti_session *s, crdti_track *track,
                                 size_t i)
{
    s->held -= track->held.ptr[i].bytes.len;
    s->waiting--;
    crdt_buf_free(&track->held.ptr[i].bytes);
    for (track->held.len--; i < track->held.len; i++)
        track->held.ptr[i] = track->held.ptr[i + 1];
}

/* Has the delta wait. Over the limit one is dropped: it will be sent again. */
CRDTI_FN crdt_err crdti_track_hold(crdti_session *s, size_t number,
                                   const crdti_update *update,
                                   const crdt_dot *missing)
{
    crdti_track *track = &s->tracks.ptr[number];
    crdti_held *held;
    crdti_writer w;
    crdt_err err = CRDT_OK;
    /* Where the order is kept, those behind it wait for it, and the peer for
     * an answer about them: then the latest goes. */
    while (!err && track->held.len && !s->is_ordered &&
           (track->held.len == CRDTI_HELD_MAX ||
            s->held + update->delta.len > CRDTSYNC_MAX_BUFFERED)) {
        uint64_t id = track->held.ptr[0].id;
        crdti_track_unhold(s, track, 0);
        err = crdti_track_answer(s, number, id, CRDT_ERR_AGAIN, 0);
    }
    if (err)
        return err;
    if (track->held.len == CRDTI_HELD_MAX ||
        s->held + update->delta.len > CRDTSYNC_MAX_BUFFERED)
        return crdti_track_answer(s, number, update->id, CRDT_ERR_AGAIN, 0);
    if (crdti_array_reserve(s->alloc, &track->held, 1))
        return CRDT_ERR_NOMEM;
    held = &track->held.ptr[track->held.len];
    crdti_zero(held, sizeof *held);
    crdti_buf_start(&held->bytes, s->alloc);
    crdti_writer_init(&w, &held->bytes);
    crdti_put_raw(&w, update->delta);
    if (w.err)
        return w.err;
    held->id = update->id;
    held->how = update->how;
    held->missing = *missing;
    track->held.len++;
    s->held += update->delta.len;
    s->waiting++;
    return CRDT_OK;
}

/* Tries the deltas that wait, until none of them can be joined. */
CRDTI_FN crdt_err crdti_track_retry(crdti_session *s, size_t number,
                                    uint64_t now)
{
    crdti_track *track = &s->tracks.ptr[number];
    crdt_doc *doc = s->shares->ptr[number].doc;
    size_t i = 0;
    crdt_err err = CRDT_OK;
    while (i < track->held.len && !err) {
        crdti_held *held = &track->held.ptr[i];
        crdti_update update;
        int holds = 1;
        uint32_t replica =
            held->missing.seq ? crdti_replica_find(doc, &held->missing.replica)
                              : doc->self;
        update.id = held->id;
        update.how = held->how;
        update.delta = crdt_buf_bytes(&held->bytes);
        if (replica != UINT32_MAX &&
            (!held->missing.seq ||
             doc->replicas.ptr[replica].seq >= held->missing.seq))
            err = crdti_track_join(s, number, &update, &held->missing, &holds,
                                   now);
        if (!err && !holds) /* else it has not been answered */
            crdti_track_unhold(s, track, i);
        i = holds ? i + 1 : 0;
    }
    track->held_changes = doc->changes;
    return err;
}

CRDTI_FN void crdti_hear_update(crdti_session *s, crdti_reader *r,
                                uint64_t now)
{
    crdti_update update;
    crdti_track *track;
    crdt_dot missing;
    size_t number = 0;
    int holds;
    crdt_err err;
    crdti_get_update(r, &update);
    track = r->err ? NULL : crdti_track_find(s, update.doc, &number);
    if (!track || crdti_track_holds(track, update.id))
        return;
    if (update.id < CRDTI_CAST_ID)
        track->heard_id = update.id;
    err = crdti_track_join(s, number, &update, &missing, &holds, now);
    if (!err && holds)
        err = crdti_track_hold(s, number, &update, &missing);
    else if (!err && track->held.len)
        err = crdti_track_retry(s, number, now);
    if (err)
        crdti_reader_fail(r, err);
}

/* The delta that the strokes stand for is joined, or refused: that is no
 * failure of the message, so the reader is a copy. */
CRDTI_FN crdt_err crdti_track_stroke(crdti_session *s, size_t number,
                                     crdti_reader r)
{
    crdti_share *share = &s->shares->ptr[number];
    crdti_track *track = &s->tracks.ptr[number];
    crdt_err result = CRDT_ERR_CAUSAL, err = CRDT_OK;
    uint64_t before = share->doc->changes;
    int is_idle = track->pushed == before, knew = 0;
    size_t len = crdti_reader_left(&r);
    crdt_dot dot;
    if (track->joined_id == track->heard_id - 1)
        result = crdti_strokes_join(share->doc, &track->heard, &r);
    if (!result) {
        dot.replica = share->doc->replicas.ptr[track->heard.replica].id;
        dot.seq = track->heard.seq;
        knew = before == share->doc->changes && (s->can & CRDTI_CAN_HAVE) &&
               !crdt_vv_covers(&track->known, &dot);
        s->delta_bytes += len;
        s->news_bytes += before == share->doc->changes ? 0 : len;
        err = crdti_track_learn_dot(share, track, &dot);
        if (is_idle) /* this is nothing that the peer has not */
            track->pushed = share->doc->changes;
    }
    return err ? err
               : crdti_track_answer(s, number, track->heard_id, result, knew);
}

/* They have the number behind that of the delta before them. */
CRDTI_FN void crdti_hear_strokes(crdti_session *s, crdti_reader *r)
{
    size_t number = 0;
    crdti_track *track = crdti_track_find(s, crdti_get_varint(r), &number);
    crdt_err err;
    if (r->err || !track)
        return;
    track->heard_id++;
    if (track->held.len)
        err =
            crdti_track_answer(s, number, track->heard_id, CRDT_ERR_AGAIN, 0);
    else
        err = crdti_track_stroke(s, number, *r);
    if (err)
        crdti_reader_fail(r, err);
}

/* A delta was refused: when it is to be sent anew. What was behind it, where
 * that waits for it, is given up too. */
CRDTI_FN void crdti_track_refused(crdti_session *s, crdti_track *track,
                                  uint64_t result, uint64_t now)
{
    track->pushed = 0;
    track->is_chained = 0;
    while (!s->is_ordered && track->flights_len)
        s->in_flight -= crdti_track_drop(track, track->flights_len - 1);
    if (result == CRDT_ERR_AGAIN || result == CRDT_ERR_NOMEM)
        track->retry_at = now + CRDTI_RETRY_MS;
    else if (result == CRDT_ERR_FORGOTTEN)
        track->needs_all = 1;
    else if (result != CRDT_ERR_CAUSAL)
        track->retry_at = now + CRDTI_REFUSED_MS;
}

/* The flight lands: what it carried is there, or all is to be sent anew. */
CRDTI_FN crdt_err crdti_track_land(crdti_session *s, size_t number,
                                   size_t flight, uint64_t result,
                                   uint64_t now)
{
    crdti_share *share = &s->shares->ptr[number];
    crdti_track *track = &s->tracks.ptr[number];
    crdti_flight *landed;
    size_t size = crdti_track_drop(track, flight);
    crdt_err err = CRDT_OK;
    landed = &track->flights[track->flights_len];
    s->in_flight -= size;
    if (landed->said_at <= now)
        crdti_pace_hear(&s->pace, now - landed->said_at, size);
    if (result && result != CRDTI_KNEW)
        crdti_track_refused(s, track, result, now);
    else if (landed->dot.seq)
        err = crdti_track_learn_dot(share, track, &landed->dot);
    else
        err = crdti_track_learn(share, track, &landed->vv);
    if (result == CRDTI_KNEW && s->can & CRDTI_CAN_HAVE && !err)
        err = crdti_track_prune(track);
    else if (!result && landed->is_late)
        crdti_track_graft(track);
    if (track->flights_len || track->is_chained || err)
        return err;
    /* One was refused, maybe before others landed; or deltas do not follow
     * each other here. */
    track->pushed = 0;
    return crdt_vv_copy(&track->sent, &track->known);
}

CRDTI_FN void crdti_hear_answer(crdti_session *s, crdti_reader *r,
                                uint64_t now)
{
    size_t number = 0, i;
    crdti_track *track = crdti_track_find(s, crdti_get_varint(r), &number);
    uint64_t id = crdti_get_varint(r);
    uint64_t result = crdti_get_varint(r);
    crdt_err err;
    if (result != CRDTI_KNEW)
        result = crdti_min(result, CRDT_ERR_COUNT);
    crdti_get_end(r);
    if (r->err || !track)
        return;
    for (i = 0; i < track->flights_len; i++) {
        if (track->flights[i].id != id)
            continue;
        err = crdti_track_land(s, number, i, result, now);
        if (err)
            crdti_reader_fail(r, err);
        return;
    }
}

/* >>members ---------------------------------------------------------------- */

CRDTI_FN crdti_way crdti_session_way(const crdti_session *s)
{
    crdti_way way;
    crdti_zero(&way, sizeof way);
    way.nonce = s->nonce;
    way.is_ordered = s->is_ordered;
    way.wait_ms = s->roster_ms;
    return way;
}

CRDTI_FN void crdti_hear_roster(crdti_session *s, crdti_reader *r)
{
    size_t number = 0;
    crdti_track *track = crdti_track_find(s, crdti_get_varint(r), &number);
    crdti_way way = crdti_session_way(s);
    const crdti_member *peer;
    crdti_share *share;
    if (r->err || !track)
        return;
    share = &s->shares->ptr[number];
    crdti_gossip_hear(&share->roster, &track->gossip, &way, r);
    peer = crdti_roster_at_node(&share->roster, &s->node);
    if (!r->err && peer && crdti_track_learn(share, track, &peer->applied))
        crdti_reader_fail(r, CRDT_ERR_NOMEM);
}

/* One who keeps no table of members: then nobody can. */
CRDTI_FN crdt_err crdti_say_roster(crdti_session *s, size_t number,
                                   uint64_t now)
{
    crdti_roster *roster = &s->shares->ptr[number].roster;
    crdti_gossip *gossip = &s->tracks.ptr[number].gossip;
    crdti_way way = crdti_session_way(s);
    const crdti_member *peer;
    size_t start = s->out.len, empty;
    crdti_writer w;
    if (!(s->can & CRDTI_CAN_ROSTER)) {
        if (roster->members.len)
            crdti_roster_give_up(roster);
        return CRDT_OK;
    }
    peer = crdti_roster_at_node(roster, &s->node);
    way.is_known = peer && peer->from != s->nonce;
    crdti_writer_init(&w, &s->out);
    crdti_put_varint(&w, number);
    empty = s->out.len;
    crdti_gossip_say(roster, gossip, &way, s->room - CRDTI_GOSSIP_OVERHEAD,
                     now, &w);
    crdti_session_wake(s, crdti_gossip_wakes(roster, gossip, &way));
    if (!w.err && s->out.len > empty)
        return crdti_say(s, &w, CRDTI_ROSTER, start);
    s->out.len = start;
    return w.err;
}

/* >>receiving ------------------------------------------------------------- */

/* What came of our parcel. */
CRDTI_FN void crdti_hear_got(crdti_session *s, crdti_reader *r, uint64_t now)
{
    crdti_parcel *p = &s->parcel;
    uint64_t id = crdti_get_varint(r), end = crdti_get_varint(r);
    uint64_t got = crdti_ivset_count(&p->have);
    int whole = 0, is_timed = end == p->asked && !p->is_probe;
    size_t i, number = p->number;
    crdt_err err;
    if (r->err || id != p->id || !p->bytes.len)
        return;
    err = crdti_parcel_hear(s->alloc, p, r, end, &whole);
    if (err) {
        crdti_reader_fail(r, err);
        return;
    }
    got = crdti_ivset_count(&p->have) - got;
    if (is_timed)
        crdti_pace_hear(&s->pace, now - p->asked_at, (size_t)got);
    else if (got)
        s->pace.vain = 0;
    if (!whole)
        return;
    for (i = 0; p->update && i < s->tracks.ptr[number].flights_len; i++)
        if (s->tracks.ptr[number].flights[i].id == p->update)
            s->tracks.ptr[number].flights[i].said_at = now;
    crdti_parcel_clear(s->alloc, p);
}

CRDTI_FN crdt_err crdti_session_hear(crdti_session *s,
                                     const crdti_frame *frame, uint64_t now);

/* A piece of a message; with the last one that is heard. */
CRDTI_FN void crdti_hear_piece(crdti_session *s, crdti_reader *r, uint64_t now)
{
    crdti_parcel_piece piece;
    crdti_frame frame;
    size_t i;
    int whole = 0;
    crdt_err err;
    crdti_get_piece(r, &piece);
    if (r->err)
        return;
    for (i = 0; i < s->tracks.len; i++)
        if (s->shares->ptr[i].asked == s)
            s->shares->ptr[i].asked_until = now + CRDTI_ASK_MS;
    err = crdti_staging_take(s->alloc, &s->staging, &piece, &whole);
    if (!err && (piece.asks || whole))
        err = crdti_say_got(s, &piece);
    if (!err && whole) {
        frame.kind = s->staging.kind;
        frame.payload = crdt_buf_bytes(&s->staging.bytes);
        frame.size = frame.payload.len;
        err = crdti_session_hear(s, &frame, now);
        crdti_staging_clear(s->alloc, &s->staging);
    }
    if (err)
        crdti_reader_fail(r, err);
}

/* HELLO comes first; where it may come late, others are passed over. */
CRDTI_FN int crdti_is_welcome(crdti_session *s, uint8_t kind, uint64_t now,
                              crdt_err *err)
{
    *err = CRDT_OK;
    if (kind == CRDTI_HELLO || kind == CRDTI_BYE)
        return 1;
    if (s->is_greeted) {
        crdti_session_heard(s, now);
        return 1;
    }
    if (!s->is_ordered)
        return 0;
    s->complaint = "did not greet";
    *err = CRDT_ERR_CORRUPT;
    return 0;
}

CRDTI_FN crdt_err crdti_session_hear(crdti_session *s,
                                     const crdti_frame *frame, uint64_t now)
{
    crdti_reader r;
    crdt_err err;
    crdti_reader_init(&r, frame->payload);
    if (!crdti_is_welcome(s, frame->kind, now, &err))
        return err;
    switch (frame->kind) {
    case CRDTI_HELLO:
        crdti_hear_hello(s, &r, now);
        break;
    case CRDTI_DOCS:
        crdti_hear_docs(s, &r);
        break;
    case CRDTI_STATE:
        crdti_hear_state(s, &r);
        break;
    case CRDTI_DIGEST:
        crdti_hear_digest(s, &r);
        break;
    case CRDTI_UPDATE:
        crdti_hear_update(s, &r, now);
        break;
    case CRDTI_STROKES:
        crdti_hear_strokes(s, &r);
        break;
    case CRDTI_ANSWER:
        crdti_hear_answer(s, &r, now);
        break;
    case CRDTI_ROSTER:
        crdti_hear_roster(s, &r);
        break;
    case CRDTI_HAVE:
        crdti_hear_have(s, &r);
        break;
    case CRDTI_PIECE:
        crdti_hear_piece(s, &r, now);
        break;
    case CRDTI_GOT:
        crdti_hear_got(s, &r, now);
        break;
    case CRDTI_PRESENCE:
        crdti_hear_presence(s, &r, now);
        break;
    case CRDTI_BYE:
        s->complaint = "said goodbye";
        return CRDT_ERR_CLOSED;
    default: /* ALIVE, and what only newer versions know */
        break;
    }
    return r.err;
}

/* Hears all whole frames at the front; *used is how many bytes they were. */
CRDTI_FN crdt_err crdti_session_frames(crdti_session *s, crdt_bytes bytes,
                                       uint64_t now, size_t *used,
                                       uint64_t *frames)
{
    crdti_frame frame;
    crdt_err err;
    *used = 0;
    for (;;) {
        err = crdti_frame_get(
            crdt_bytes_of(bytes.ptr + *used, bytes.len - *used),
            CRDTSYNC_MAX_FRAME, &frame, NULL);
        if (err && !s->is_ordered) { /* one more that is lost */
            *used = bytes.len;
            return CRDT_OK;
        }
        if (err == CRDT_ERR_TRUNCATED)
            return CRDT_OK;
        if (!err)
            err = crdti_session_hear(s, &frame, now);
        if (err)
            return err;
        *used += frame.size;
        ++*frames;
    }
}

/* Bytes have come, cut anyhow. An error ends the session. */
CRDTI_FN crdt_err crdti_session_receive(crdti_session *s, crdt_bytes bytes,
                                        uint64_t now, uint64_t *frames)
{
    size_t used = 0;
    crdti_writer w;
    crdt_err err = CRDT_OK;
    if (!s->in.len) {
        err = crdti_session_frames(s, bytes, now, &used, frames);
        if (err || used == bytes.len)
            return err;
        bytes = crdt_bytes_of(bytes.ptr + used, bytes.len - used);
    }
    crdti_writer_init(&w, &s->in);
    crdti_put_raw(&w, bytes);
    if (w.err)
        return w.err;
    err = crdti_session_frames(s, crdt_buf_bytes(&s->in), now, &used, frames);
    crdti_move(s->in.ptr, s->in.ptr + used, s->in.len - used);
    s->in.len -= used;
    return err;
}

#endif
/* >> push.h */
/*
 * Pushing: what a session says by itself. It puts as much into `out` as is to
 * be said now and as the peer takes; more only when that has gone.
 */
#ifndef CRDTI_PUSH_H
#define CRDTI_PUSH_H


/* >>pushing --------------------------------------------------------------- */

/* A delta has gone out, or become the parcel (of 0 bytes here). */
CRDTI_FN void crdti_track_depart(crdti_session *s, size_t number, uint64_t id,
                                 size_t size, int is_late, uint64_t now)
{
    crdti_track *track = &s->tracks.ptr[number];
    crdti_flight *flight = &track->flights[track->flights_len++];
    flight->id = id;
    flight->size = size;
    flight->said_at = size ? now : UINT64_MAX;
    flight->is_late = is_late;
    s->in_flight += size;
    track->is_chained = s->is_ordered;
    track->pushed = s->shares->ptr[number].doc->changes;
    track->hold_until = 0;
    s->sent_deltas++;
}

/* Says that dot and what is before it as strokes, where that is all there is
 * to say and it can be. Whether it was. */
CRDTI_FN int crdti_track_say_strokes(crdti_session *s, size_t number,
                                     const crdt_dot *dot, uint64_t now)
{
    crdti_track *track = &s->tracks.ptr[number];
    size_t start = s->out.len;
    size_t place = crdti_vv_place(&track->sent, &dot->replica);
    crdt_doc *doc = s->shares->ptr[number].doc;
    crdti_writer w;
    if (!(s->can & CRDTI_CAN_STROKES) || !track->is_chained ||
        !track->told.text || track->is_lazy ||
        !crdti_id_equal(&doc->replicas.ptr[track->told.replica].id,
                        &dot->replica) ||
        !crdti_vv_is_at(&track->sent, place, &dot->replica) ||
        track->sent.entries[place].seq != track->told.seq)
        return 0;
    crdti_writer_init(&w, &s->out);
    crdti_put_varint(&w, number);
    if (!crdti_strokes_put(doc, &track->told, dot->seq, &w) ||
        crdti_say(s, &w, CRDTI_STROKES, start)) {
        s->out.len = start;
        return 0;
    }
    track->flights[track->flights_len].dot = *dot;
    track->sent.entries[place].seq = dot->seq;
    crdti_track_depart(s, number, ++track->last_id, s->out.len - start, 0,
                       now);
    return 1;
}

/* The same, for what was just written here: as all before was sent, one change
 * since, and one of ours, is all there is. */
CRDTI_FN int crdti_track_type(crdti_session *s, size_t number, uint64_t now)
{
    const crdti_track *track = &s->tracks.ptr[number];
    const crdt_doc *doc = s->shares->ptr[number].doc;
    const crdti_replica *own = &doc->replicas.ptr[doc->self];
    crdt_dot dot;
    if (track->told.replica != doc->self || own->seq == track->told.seq ||
        track->pushed + 1 != doc->changes)
        return 0;
    dot.replica = own->id;
    dot.seq = own->seq;
    return crdti_track_say_strokes(s, number, &dot, now);
}

/* The draft := an UPDATE with what the peer lacks, which has `certain`. */
CRDTI_FN crdt_err crdti_track_draft(crdti_session *s, size_t number,
                                    uint64_t id, int is_late,
                                    const crdt_vv *certain)
{
    crdti_share *share = &s->shares->ptr[number];
    crdti_track *track = &s->tracks.ptr[number];
    int is_state = share->shipping == CRDT_SHIP_STATE || track->needs_all;
    int follows = track->is_chained && track->flights_len && !is_state;
    crdti_writer w;
    s->draft.len = 0;
    crdti_writer_init(&w, &s->draft);
    crdti_put_varint(&w, number);
    crdti_put_varint(&w, id);
    crdti_put_u8(&w, (uint8_t)((follows ? CRDTI_FOLLOWS : 0) |
                               (is_late ? CRDTI_LATE : 0)));
    if (!w.err)
        w.err = crdti_delta_put(share->doc, is_state ? NULL : &track->sent,
                                CRDTI_FOR_FOLLOWER, follows ? NULL : certain,
                                &s->draft);
    return w.err;
}

/* What is in the draft goes out, or becomes the parcel; and if it cannot now,
 * it is made anew later. */
CRDTI_FN crdt_err crdti_track_ship(crdti_session *s, size_t number,
                                   int is_late, uint64_t now)
{
    crdti_track *track = &s->tracks.ptr[number];
    size_t len = s->draft.len, start = s->out.len;
    size_t most = crdti_min_size(s->room, crdti_session_credit(s));
    int is_long = len > most;
    crdt_err err;
    if (is_long &&
        (s->parcel.bytes.len || (!s->is_ordered && track->flights_len))) {
        track->retry_at = now + crdti_pace_patience(&s->pace) / 2;
        return CRDT_ERR_AGAIN;
    }
    err = crdti_say_draft(s, CRDTI_UPDATE, most);
    if (err)
        return err;
    if (is_long) {
        s->parcel.number = number;
        s->parcel.update = track->last_id + 1;
    }
    crdti_track_depart(s, number, ++track->last_id,
                       is_long ? 0 : s->out.len - start, is_late, now);
    return CRDT_OK;
}

/* A link broke when a delta of this document was under way, in pieces: goes on
 * with that, if it can be the first parcel of this one, as its id is lower than
 * others. *resumes: it does. */
CRDTI_FN crdt_err crdti_track_resume(crdti_session *s, size_t number,
                                     int *resumes, uint64_t now)
{
    crdti_track *track = &s->tracks.ptr[number];
    crdti_parked *parked;
    crdti_flight *flight = &track->flights[0];
    size_t i = s->parking ? crdti_parking_find(s->parking, &s->node, 1) : 0;
    crdt_err err;
    *resumes = 0;
    if (!s->parking || i == s->parking->len || s->parcel.bytes.len ||
        track->flights_len || s->parking->all[i].out.number != number)
        return CRDT_OK;
    parked = &s->parking->all[i];
    if (parked->out.update <= track->last_id || s->has_parcels ||
        crdti_vv_is_in(&parked->vv, &track->known)) {
        crdti_parking_drop(s->alloc, s->parking, i);
        return CRDT_OK;
    }
    err = crdt_vv_copy(&flight->vv, &parked->vv);
    if (!err)
        err = crdt_vv_merge(&track->sent, &parked->vv);
    if (err)
        return err;
    crdt_buf_free(&s->parcel.bytes);
    s->parcel = parked->out;
    crdti_zero(&parked->out, sizeof parked->out);
    crdti_parking_drop(s->alloc, s->parking, i);
    crdti_ivset_free(s->alloc, &s->parcel.have);
    crdti_parcel_retry(&s->parcel);
    s->has_parcels = 1;
    track->last_id = s->parcel.update;
    flight->dot.seq = 0;
    crdti_track_depart(s, number, track->last_id, 0, 0, now);
    track->pushed = 0; /* there is more since */
    *resumes = 1;
    return CRDT_OK;
}

/* The flight of the parcel, when another link can go on with it: if it is a
 * delta, and one that stands by itself. */
CRDTI_FN crdti_flight *crdti_parcel_flight(crdti_session *s)
{
    crdti_track *track;
    crdti_update update;
    crdti_reader r;
    size_t i;
    if (!s->parcel.bytes.len || !s->parcel.update)
        return NULL;
    track = &s->tracks.ptr[s->parcel.number];
    crdti_reader_init(&r, crdt_buf_bytes(&s->parcel.bytes));
    crdti_get_update(&r, &update);
    for (i = 0; i < track->flights_len; i++)
        if (track->flights[i].id == s->parcel.update)
            return update.how & CRDTI_FOLLOWS ? NULL : &track->flights[i];
    return NULL;
}

/* The link is no more: keeps what another one can go on with. */
CRDTI_FN void crdti_session_park(crdti_session *s, uint64_t now)
{
    crdti_parked *parked;
    crdti_flight *flight;
    if (!s->is_greeted || !s->parking)
        return;
    flight = crdti_parcel_flight(s);
    if (flight) {
        parked = crdti_parking_add(s->alloc, s->parking, &s->node, 1, now);
        parked->out = s->parcel;
        parked->vv = flight->vv;
        crdti_zero(&s->parcel, sizeof s->parcel);
        crdti_zero(&flight->vv, sizeof flight->vv);
    }
    if (!s->staging.id)
        return;
    parked = crdti_parking_add(s->alloc, s->parking, &s->node, 0, now);
    parked->in = s->staging;
    crdti_zero(&s->staging, sizeof s->staging);
}

/* The first HELLO has come: is there anything of that node? */
CRDTI_FN void crdti_session_unpark(crdti_session *s)
{
    size_t i = crdti_parking_find(s->parking, &s->node, 0);
    crdti_parked parked;
    if (i == s->parking->len)
        return;
    parked = crdti_parking_take(s->parking, i);
    crdti_staging_clear(s->alloc, &s->staging);
    s->staging = parked.in;
    s->staging.done = 0;
    s->staging.is_old = 1;
    crdt_vv_free(&parked.vv);
}

/* Says what the peer lacks. */
CRDTI_FN crdt_err crdti_track_extract(crdti_session *s, size_t number,
                                      int is_late, uint64_t now)
{
    crdti_share *share = &s->shares->ptr[number];
    crdti_track *track = &s->tracks.ptr[number];
    crdti_flight *flight = &track->flights[track->flights_len];
    const crdt_dot *grown = crdti_vv_grown(&track->sent, &share->vv);
    crdti_trail told;
    crdt_err err;
    crdti_zero(&told, sizeof told);
    if (grown && crdti_track_say_strokes(s, number, grown, now))
        return CRDT_OK;
    if (grown)
        crdti_trail_start(share->doc,
                          crdti_replica_find(share->doc, &grown->replica),
                          grown->seq, &told);
    err = crdt_vv_copy(&flight->vv, &share->vv);
    if (!err)
        err = crdti_vv_reserve(&track->sent,
                               crdti_vv_fresh(&track->sent, &share->vv));
    if (!err)
        err = crdti_track_draft(s, number, track->last_id + 1, is_late,
                                &track->known);
    if (!err)
        err = crdti_track_ship(s, number, is_late, now);
    if (s->draft.cap > CRDTSYNC_MAX_FRAME)
        crdt_buf_free(&s->draft);
    if (err)
        return err == CRDT_ERR_AGAIN ? CRDT_OK : err;
    track->told = told;
    track->needs_all = 0;
    flight->dot.seq = 0;
    (void)crdt_vv_merge(&track->sent, &share->vv); /* there is room */
    return track->is_lazy ? crdt_vv_merge(&track->announced, &share->vv)
                          : CRDT_OK;
}

/* Whether there may be something new to say, and it may be said now. */
CRDTI_FN int crdti_track_may_send(const crdti_session *s, size_t number)
{
    const crdti_share *share = &s->shares->ptr[number];
    const crdti_track *track = &s->tracks.ptr[number];
    int is_state = share->shipping == CRDT_SHIP_STATE;
    return track->is_known && !crdt_doc_uncommitted(share->doc) &&
           track->pushed != share->doc->changes &&
           track->flights_len < (is_state ? 1 : CRDTSYNC_MAX_IN_FLIGHT) &&
           crdti_session_credit(s) &&
           !(s->parcel.bytes.len && s->parcel.update &&
             s->parcel.number == number);
}

/* Says what is new. */
CRDTI_FN crdt_err crdti_track_prepare(crdti_session *s, size_t number,
                                      uint64_t now)
{
    crdti_share *share = &s->shares->ptr[number];
    crdti_track *track = &s->tracks.ptr[number];
    int is_state = share->shipping == CRDT_SHIP_STATE;
    uint64_t hold_ms;
    int resumes;
    crdt_err err;
    if (!crdti_track_may_send(s, number))
        return CRDT_OK;
    if (now < track->retry_at) {
        crdti_session_wake(s, track->retry_at);
        return CRDT_OK;
    }
    if (!is_state && crdti_track_type(s, number, now))
        return CRDT_OK;
    err = crdti_share_look(share);
    if (err)
        return err;
    if (crdti_vv_is_in(&share->vv, &track->sent)) {
        track->pushed = share->changes;
        track->hold_until = 0;
        return CRDT_OK;
    }
    hold_ms = CRDTI_HOLD_MS + 2 * crdti_pace_patience(&s->pace);
    if (track->is_lazy &&
        crdti_track_waits(share, track, now, crdti_session_jitter(s, hold_ms),
                          &err)) {
        crdti_session_wake(s, track->hold_until);
        return err;
    }
    err = crdti_track_resume(s, number, &resumes, now);
    return err || resumes
               ? err
               : crdti_track_extract(s, number, track->is_lazy, now);
}

/* Over a lazy link: says what has come, some time after the first of it. */
CRDTI_FN crdt_err crdti_track_announce(crdti_session *s, size_t number,
                                       uint64_t now)
{
    crdti_share *share = &s->shares->ptr[number];
    crdti_track *track = &s->tracks.ptr[number];
    crdti_writer w;
    size_t start = s->out.len;
    crdt_err err = crdti_share_look(share);
    if (err || crdti_vv_is_in(&share->vv, &track->announced))
        return err;
    if (!track->announce_at)
        track->announce_at = now + crdti_session_jitter(s, CRDTI_ANNOUNCE_MS);
    if (now < track->announce_at) {
        crdti_session_wake(s, track->announce_at);
        return CRDT_OK;
    }
    crdti_writer_init(&w, &s->out);
    crdti_put_varint(&w, number);
    crdti_put_have(&w, &share->vv, &track->announced);
    if (s->out.len - start > s->room) { /* not what this is for */
        s->out.len = start;
        track->wants_state = 1;
    } else {
        err = crdti_say(s, &w, CRDTI_HAVE, start);
    }
    track->announce_at = 0;
    return err ? err : crdt_vv_copy(&track->announced, &share->vv);
}

/* Whether what we have is to be told now. A node that lacks much asks one peer
 * at a time, or all would send the same. */
CRDTI_FN int crdti_track_may_tell(crdti_session *s, size_t number,
                                  uint64_t now)
{
    crdti_share *share = &s->shares->ptr[number];
    const crdti_track *track = &s->tracks.ptr[number];
    if (crdt_doc_uncommitted(share->doc))
        return 0;
    if (track->is_known && !crdti_share_look(share) &&
        crdti_vv_is_in(&track->known, &share->vv))
        return 1; /* they have nothing for us */
    if (share->asked && share->asked != s && now < share->asked_until) {
        crdti_session_wake(s, share->asked_until);
        return 0;
    }
    share->asked = s;
    share->asked_until = now + CRDTI_ASK_MS / 2;
    return 1;
}

CRDTI_FN crdt_err crdti_track_state(crdti_session *s, size_t number,
                                    uint64_t now)
{
    crdti_track *track = &s->tracks.ptr[number];
    crdt_err err;
    if (!track->is_known) {
        if (!track->ask_at)
            track->ask_at =
                now +
                (s->is_ordered ? CRDTI_ASK_MS : crdti_pace_patience(&s->pace));
        if (now >= track->ask_at) {
            track->wants_state = track->state_asks = 1;
            track->ask_at = 0;
        } else {
            crdti_session_wake(s, track->ask_at);
        }
    }
    if (!track->wants_state || !crdti_track_may_tell(s, number, now))
        return CRDT_OK;
    err = crdti_say_state(s, number, track->state_asks);
    if (err)
        return err == CRDT_ERR_AGAIN ? CRDT_OK : err;
    track->wants_state = track->state_asks = 0;
    return CRDT_OK;
}

/* Where deltas get lost: those unanswered for too long are. A short one is
 * sent again; of a long one it is asked first whether it came. */
CRDTI_FN crdt_err crdti_track_overdue(crdti_session *s, size_t number,
                                      uint64_t now)
{
    crdti_track *track = &s->tracks.ptr[number];
    uint64_t oldest = UINT64_MAX;
    crdt_err err = CRDT_OK;
    size_t i;
    int is_long = 0;
    if (s->is_ordered)
        return CRDT_OK;
    for (i = 0; i < track->flights_len; i++) {
        oldest = crdti_min(oldest, track->flights[i].said_at);
        is_long |= !track->flights[i].size;
    }
    if (oldest == UINT64_MAX)
        return CRDT_OK;
    oldest += crdti_pace_patience(&s->pace);
    if (now < oldest) {
        crdti_session_wake(s, oldest);
        return CRDT_OK;
    }
    crdti_pace_lose(&s->pace);
    if (!is_long) {
        s->in_flight -= crdti_track_rewind(track, &err);
        return err;
    }
    for (i = 0; i < track->flights_len; i++)
        track->flights[i].said_at = now;
    track->is_doubted = track->wants_state = track->state_asks = 1;
    return CRDT_OK;
}

/* Puts into `out` what is to be said of one document. */
CRDTI_FN crdt_err crdti_track_push(crdti_session *s, size_t number,
                                   uint64_t now)
{
    crdti_track *track = &s->tracks.ptr[number];
    crdt_err err;
    if (track->theirs == CRDTI_NO_DOC)
        return CRDT_OK;
    err = crdti_say_roster(s, number, now);
    if (!err)
        err = crdti_track_overdue(s, number, now);
    if (!err)
        err = crdti_track_state(s, number, now);
    if (!err && track->is_lazy)
        err = crdti_track_announce(s, number, now);
    if (!err)
        err = crdti_track_prepare(s, number, now);
    return err;
}

/* Puts pieces of the parcel into `out`, as far as the peer's credit goes. */
CRDTI_FN crdt_err crdti_session_pieces(crdti_session *s, uint64_t now)
{
    crdti_parcel *p = &s->parcel;
    crdti_parcel_piece piece;
    crdti_writer w;
    size_t len, next, start, at;
    size_t window = crdti_session_window(s);
    window -= crdti_min_size(s->in_flight, window);
    if (!s->is_ordered && p->asked &&
        now >= p->asked_at + crdti_pace_patience(&s->pace)) {
        crdti_pace_lose(&s->pace);
        crdti_parcel_retry(p);
    }
    while (crdti_parcel_may(p, window) && s->out.len < CRDTSYNC_MAX_FRAME) {
        piece.offset = crdti_parcel_next(
            p, crdti_min_size(s->room - CRDTI_PIECE_HEAD, window - p->loose),
            &len);
        start = s->out.len;
        piece.id = p->id;
        piece.kind = p->kind;
        piece.total = p->bytes.len;
        piece.bytes = crdt_bytes_of(p->bytes.ptr + piece.offset, len);
        at = p->at;
        p->at = (size_t)piece.offset + len;
        crdti_parcel_next(p, 1, &next);
        piece.asks = p->is_probe || !next || p->loose + len >= window ||
                     p->unasked + len >= window / 2 ||
                     p->unasked + len >= CRDTI_PIECES_UNASKED * s->room;
        crdti_writer_init(&w, &s->out);
        crdti_put_piece(&w, &piece);
        if (crdti_say(s, &w, CRDTI_PIECE, start)) {
            p->at = at; /* it has not been said */
            return w.err;
        }
        crdti_parcel_said(p, p->at, len, piece.asks, now);
    }
    if (!s->is_ordered && p->asked)
        crdti_session_wake(s, p->asked_at + crdti_pace_patience(&s->pace));
    return CRDT_OK;
}

/* Tells what is present and came behind `first`. */
CRDTI_FN crdt_err crdti_say_presence(crdti_session *s, uint64_t first,
                                     uint64_t now)
{
    size_t i;
    crdt_err err = CRDT_OK;
    for (i = 0; i < s->presences->all.len && !err; i++) {
        const crdti_present *p = &s->presences->all.ptr[i];
        crdti_writer w;
        size_t start = s->out.len;
        if (p->serial <= first || p->from == s->nonce ||
            now >= p->expires_at || p->number >= s->tracks.len ||
            s->tracks.ptr[p->number].theirs == CRDTI_NO_DOC ||
            !(s->can & CRDTI_CAN_PRESENCE))
            continue;
        crdti_writer_init(&w, &s->out);
        crdti_put_presence(&w, p->number, p, now);
        err = crdti_say(s, &w, CRDTI_PRESENCE, start);
    }
    return err;
}

/* Passes on the presence of others, and tells our own; where it may be lost,
 * the latest of it a few times. */
CRDTI_FN crdt_err crdti_session_presence(crdti_session *s, uint64_t now)
{
    uint64_t first = s->presence_told;
    int has_news, is_again;
    crdt_err err;
    if (!s->presences || s->docs_heard < s->docs_theirs)
        return CRDT_OK;
    has_news = s->presence_told != s->presences->serial;
    is_again = s->presence_left && now >= s->presence_at;
    s->presence_sure = crdti_min(s->presence_sure, first);
    if (s->presence_left && !is_again)
        crdti_session_wake(s, s->presence_at);
    if (!has_news && !is_again)
        return CRDT_OK;
    err = crdti_say_presence(s, is_again ? s->presence_sure : first, now);
    if (err)
        return err;
    if (is_again || !s->presence_left)
        s->presence_at = now + CRDTI_PRESENCE_MS;
    s->presence_left = s->is_ordered ? 0
                       : has_news    ? CRDTI_PRESENCE_AGAIN
                                     : s->presence_left - 1;
    s->presence_told = s->presences->serial;
    if (s->presence_left)
        crdti_session_wake(s, s->presence_at);
    else
        s->presence_sure = s->presence_told;
    return CRDT_OK;
}

/* Where HELLOs get lost they are repeated until both have heard, also the
 * lists. */
CRDTI_FN void crdti_session_greet(crdti_session *s, uint64_t now)
{
    if (s->is_ordered || (s->is_greeted && s->is_heard &&
                          (s->is_spare || s->docs_heard >= s->docs_theirs)))
        return;
    if (!s->hello_at) {
        s->born_at = now;
        s->hello_at = now + CRDTI_HELLO_MS;
    }
    if (now >= s->hello_at)
        s->wants_hello = 1;
    crdti_session_wake(s, s->hello_at);
}

CRDTI_FN crdt_err crdti_session_introduce(crdti_session *s, uint64_t now)
{
    crdt_err err = CRDT_OK;
    crdti_session_greet(s, now);
    if (s->wants_hello) {
        err = crdti_say_hello(s);
        s->wants_hello = err != CRDT_OK;
        s->is_repeated = 1;
        s->hello_at = now + CRDTI_HELLO_MS;
    }
    if (s->is_spare || (!s->is_ordered && !s->is_greeted))
        return err;
    while (!err && s->docs_told < s->shares->len) {
        s->docs_told_at = now;
        err = crdti_say_docs(s);
    }
    return err;
}

/* Puts into `out` what is to be said; more only when that has gone. */
CRDTI_FN crdt_err crdti_session_push(crdti_session *s, size_t message_max,
                                     uint64_t now)
{
    size_t i;
    crdt_err err;
    s->due = UINT64_MAX;
    s->room = crdti_min_size(crdti_min_size(s->frame_max, CRDTI_PIECE_MAX),
                             message_max - CRDTI_FRAME_OVERHEAD);
    err = s->is_ordered && !s->wants_hello && s->docs_told == s->shares->len
              ? CRDT_OK
              : crdti_session_introduce(s, now);
    if (!s->is_greeted || s->is_spare)
        return err;
    for (i = 0; i < s->tracks.len && !err; i++)
        err = crdti_track_push(s, i, now);
    if (!err && s->parcel.bytes.len)
        err = crdti_session_pieces(s, now);
    if (!err)
        err = crdti_session_presence(s, now);
    return err;
}

/* Tries what is held back once more: all of it, or only where something has
 * come since. */
CRDTI_FN crdt_err crdti_session_retry(crdti_session *s, int all, uint64_t now)
{
    size_t i;
    crdt_err err = CRDT_OK;
    for (i = 0; i < s->tracks.len && !err; i++) {
        const crdti_track *track = &s->tracks.ptr[i];
        if (track->held.len &&
            (all || track->held_changes != s->shares->ptr[i].doc->changes))
            err = crdti_track_retry(s, i, now);
    }
    return err;
}

/* Both have said what they have, and it is the same. What they share is known
 * when their list has come. */
CRDTI_FN int crdti_session_is_synced(crdti_session *s)
{
    size_t i;
    if (!s->is_greeted || s->docs_heard < s->docs_theirs)
        return 0;
    for (i = 0; i < s->tracks.len; i++) {
        crdti_share *share = &s->shares->ptr[i];
        if (s->tracks.ptr[i].theirs == CRDTI_NO_DOC)
            continue;
        if (!s->tracks.ptr[i].is_known || crdti_share_look(share) ||
            crdt_doc_uncommitted(share->doc) ||
            crdt_vv_compare(&share->vv, &s->tracks.ptr[i].known) != CRDT_EQUAL)
            return 0;
    }
    return 1;
}

#endif
/* >> cast.h */
/*
 * Casting: what several peers lack alike goes to all of them as one message,
 * over a transport that reaches everyone at once (CRDT_BROADCAST).
 *
 *     b, c and d were sent a.1 to a.7; then a.8 is written:
 *
 *     a == UPDATE a.8 ==> b   ANSWER
 *                     ==> c            nothing came: it is sent anew, to c
 *                     ==> d   ANSWER
 *
 * In each track it is a flight as any other, so nothing has to be known of who
 * has heard it: who does not answer in time is told by himself. Its id is one
 * that no link uses, as all hear it, also those who were not meant: for these
 * it is no part of what they are told one after another.
 */
#ifndef CRDTI_CAST_H
#define CRDTI_CAST_H


#define CRDTI_CAST_TRIES 4

/* Whether the peer lacks something that could be cast: what it lacks since
 * `sent` (NULL: since anything). */
CRDTI_FN int crdti_cast_suits(const crdti_session *s, size_t number,
                              const crdt_vv *sent, uint64_t now)
{
    const crdti_track *track;
    if (!s->is_greeted || s->is_spare || s->out.len || number >= s->tracks.len)
        return 0;
    track = &s->tracks.ptr[number];
    return track->theirs != CRDTI_NO_DOC && !track->is_lazy &&
           !track->needs_all && now >= track->retry_at &&
           crdti_track_may_send(s, number) &&
           (!sent || crdt_vv_compare(&track->sent, sent) == CRDT_EQUAL);
}

/* The `out` of the session := one message, for all that suit. `certain`: what
 * each of them has. None, when it is longer than everyone takes at once. */
CRDTI_FN crdt_err crdti_cast_say(crdti_session *s, size_t number, uint64_t id,
                                 const crdt_vv *certain, size_t room)
{
    crdt_err err;
    s->tracks.ptr[number].is_chained = 0; /* it follows nothing, */
    err = crdti_track_draft(s, number, id, 0, certain);
    if (err || s->draft.len > crdti_min_size(CRDTI_FRAME_MIN, room))
        return err;
    return crdti_say_draft(s, CRDTI_UPDATE, CRDTI_FRAME_MIN);
}

/* It is under way to this peer too. On an error it is not: then it is sent
 * once more. */
CRDTI_FN void crdti_cast_depart(crdti_session *s, size_t number, uint64_t id,
                                size_t size, uint64_t now)
{
    crdti_share *share = &s->shares->ptr[number];
    crdti_track *track = &s->tracks.ptr[number];
    crdti_flight *flight = &track->flights[track->flights_len];
    if (crdt_vv_copy(&flight->vv, &share->vv) ||
        crdt_vv_merge(&track->sent, &share->vv))
        return;
    flight->dot.seq = 0;
    crdti_track_depart(s, number, id, size, 0, now);
    track->is_chained = 0; /* and nothing follows it */
}

#endif
/* 9 node */
/* >> keep.h */
/*
 * Keeping a document in a store: what is new since the last record becomes the
 * next one, and what is stored becomes a document again. The store itself
 * knows only bytes (crdt_store in api.h).
 *
 *     store   [ SELF r1, DELTA of all ] [ STROKES ] [ DELTA ] [ FLOOR, DELTA ]
 *              a snapshot                records behind it
 *
 * A record is one frame or more. A DELTA is one that follows: it is based on
 * all the records before it. STROKES are one in short (stroke.h). FLOOR says
 * what has been forgotten, before the delta behind it may count on that. SELF
 * says which replica id is the own one, and in which life of the store. MEMBERS
 * is the table of members (roster.h), whole, as soon as anybody may hear of it;
 * the last one counts.
 *
 * An id is used by one incarnation. As long as the store lives on (its life is
 * the one that SELF names) all that was ever written under the id is in it,
 * and nobody else writes under it: so the document may. After anything else, a
 * crash included, it goes on under a fresh id, and what was lost of the old
 * one and is at peers comes back by sync, as anybody's changes do.
 *
 * When the records behind the snapshot are half as long as it, there is a new
 * one. So a store holds 1.5 x of what is alive, and a constant. The store may
 * write it bit by bit, and lose it, so what is in it is in records, too; and as
 * who reads may find either, no strokes go on behind it.
 */
#ifndef CRDTI_KEEP_H
#define CRDTI_KEEP_H


#define CRDTI_KEEP_SLACK                                                      \
    4096u /* bytes of records that are worth no snapshot */

/* Kinds of frames that are only in stores; numbers count down from the top. */
enum {
    CRDTI_RECORD_SELF = 31,
    CRDTI_RECORD_FLOOR = 30,
    CRDTI_RECORD_MEMBERS = 29
};

typedef struct crdti_keep {
    crdt_doc *doc;
    crdt_vv stored;     /* what is in the store */
    crdti_trail trail;  /* where the last record ended */
    crdt_id self, life; /* as the store was told; zero: not yet */
    uint64_t changes, floors, restored; /* of the document, when last seen */
    size_t base, behind;        /* bytes of the snapshot, and behind it */
    uint64_t alarms;            /* of the share, when last looked at */
    int is_damaged;             /* only a snapshot helps */
    const crdti_roster *roster; /* while something is added; NULL: nobody has
                                   heard of it */
    uint64_t promises;          /* of the roster, when last stored */
    crdt_buf table;             /* as it was read, until it is recalled */
} crdti_keep;

CRDTI_FN void crdti_keep_init(crdti_keep *keep, crdt_doc *doc,
                              const crdt_alloc *alloc)
{
    crdti_zero(keep, sizeof *keep);
    keep->doc = doc;
    crdti_vv_start(&keep->stored, alloc);
    crdti_buf_start(&keep->table, alloc);
}

CRDTI_FN void crdti_keep_free(crdti_keep *keep)
{
    crdt_vv_free(&keep->stored);
    crdt_buf_free(&keep->table);
}

/* Whether the table is not stored as it is. */
CRDTI_FN int crdti_keep_promised(const crdti_keep *keep)
{
    return keep->roster && keep->roster->promises != keep->promises;
}

/* Whether the replica id is known to anybody. */
CRDTI_FN int crdti_keep_is_named(const crdti_keep *keep)
{
    return keep->doc->written || keep->roster;
}

/* >>writing --------------------------------------------------------------- */

CRDTI_FN void crdti_put_self(crdti_writer *w, const crdt_id *self,
                             const crdt_id *life)
{
    size_t start = w->buf->len;
    crdti_put_raw(w, crdt_bytes_of(self->b, sizeof self->b));
    crdti_put_raw(w, crdt_bytes_of(life->b, sizeof life->b));
    crdti_frame_wrap(w, CRDTI_RECORD_SELF, start);
}

CRDTI_FN void crdti_put_floor(crdti_writer *w, const crdt_doc *doc,
                              const crdt_alloc *alloc)
{
    size_t start = w->buf->len;
    crdt_vv floor;
    crdti_vv_start(&floor, alloc);
    if (!w->err)
        w->err = crdt_doc_floor(doc, &floor);
    crdti_put_vv(w, &floor);
    crdti_frame_wrap(w, CRDTI_RECORD_FLOOR, start);
    crdt_vv_free(&floor);
}

CRDTI_FN void crdti_put_members(crdti_writer *w, const crdti_roster *roster)
{
    size_t start = w->buf->len;
    crdti_put_table(w, roster);
    crdti_frame_wrap(w, CRDTI_RECORD_MEMBERS, start);
}

/* Whether what is new goes on with the trail, and is told so. */
CRDTI_FN int crdti_keep_strokes(const crdti_keep *keep, crdti_trail *trail,
                                const crdt_dot *grown, crdti_writer *w)
{
    size_t start = w->buf->len;
    if (!grown || !trail->text ||
        !crdti_id_equal(&keep->doc->replicas.ptr[trail->replica].id,
                        &grown->replica) ||
        crdt_vv_get(&keep->stored, &grown->replica) != trail->seq ||
        !crdti_strokes_put(keep->doc, trail, grown->seq, w))
        return 0;
    crdti_frame_wrap(w, CRDTI_STROKES, start);
    return 1;
}

/* The delta to `vv`; `trail` is where it leaves whoever reads it. */
CRDTI_FN void crdti_keep_delta(const crdti_keep *keep, const crdt_vv *vv,
                               int whole, crdti_trail *trail, crdti_writer *w)
{
    const crdt_dot *grown = whole ? NULL : crdti_vv_grown(&keep->stored, vv);
    size_t start = w->buf->len;
    if (w->err || crdti_keep_strokes(keep, trail, grown, w))
        return;
    trail->text = 0;
    w->err = crdti_delta_put(keep->doc, whole ? NULL : &keep->stored,
                             CRDTI_FOR_FOLLOWER, NULL, w->buf);
    if (w->err)
        return;
    if (grown && !(w->buf->ptr[start] & CRDTI_DELTA_SNAPSHOT))
        crdti_trail_start(keep->doc,
                          crdti_replica_find(keep->doc, &grown->replica),
                          grown->seq, trail);
    crdti_frame_wrap(w, CRDTI_FRAME_DELTA, start);
}

/* The next record of a document that is now at `vv`. Empty: nothing is new. */
CRDTI_FN crdt_err crdti_keep_write(const crdti_keep *keep,
                                   const crdt_store *store, const crdt_vv *vv,
                                   int whole, crdti_trail *trail,
                                   crdt_buf *out)
{
    crdt_doc *doc = keep->doc;
    crdt_id self = crdt_doc_replica(doc);
    int is_told = crdti_id_equal(&self, &keep->self) &&
                  crdti_id_equal(&store->life, &keep->life);
    int forgot = keep->floors != doc->floors;
    int grew = crdt_vv_compare(vv, &keep->stored) != CRDT_EQUAL;
    int promised = crdti_keep_promised(keep);
    crdti_writer w;
    crdti_writer_init(&w, out);
    if (!whole && !grew && !forgot && !promised)
        return CRDT_OK;
    if (crdti_keep_is_named(keep) && (whole || !is_told))
        crdti_put_self(&w, &self, &store->life);
    if (forgot && !whole)
        crdti_put_floor(&w, doc, keep->stored.alloc);
    if (whole || grew)
        crdti_keep_delta(keep, vv, whole, trail, &w);
    if (promised || (whole && keep->roster))
        crdti_put_members(&w, keep->roster);
    return w.err;
}

/* The record is in the store, and leaves it at `vv`, which goes to us. */
CRDTI_FN void crdti_keep_learn(crdti_keep *keep, const crdt_store *store,
                               crdt_vv *vv, int replaces, size_t len)
{
    crdt_doc *doc = keep->doc;
    crdt_vv before = keep->stored;
    keep->stored = *vv;
    *vv = before;
    keep->changes = doc->changes;
    keep->floors = doc->floors;
    keep->restored = doc->restored;
    keep->is_damaged = 0;
    keep->base = replaces ? len : keep->base;
    keep->behind = replaces ? 0 : keep->behind + len;
    if (keep->roster)
        keep->promises = keep->roster->promises;
    if (!crdti_keep_is_named(keep))
        return;
    keep->self = crdt_doc_replica(doc);
    keep->life = store->life;
}

/* Whether there is more in the document. */
CRDTI_FN int crdti_keep_is_behind(const crdti_keep *keep)
{
    const crdt_doc *doc = keep->doc;
    return keep->changes != doc->changes || keep->floors != doc->floors ||
           keep->restored != doc->restored || keep->is_damaged;
}

/* Puts one record into the store: what is new, or all; behind the others, or
 * instead of them. */
CRDTI_FN crdt_err crdti_keep_put(crdti_keep *keep, const crdt_store *store,
                                 crdt_bytes name, int replaces,
                                 crdt_buf *scratch)
{
    /* What was swept and came back is in no delta since. */
    int whole = replaces || keep->restored != keep->doc->restored;
    crdti_trail trail = keep->trail;
    crdt_vv vv;
    crdt_err err;
    crdti_vv_start(&vv, keep->stored.alloc);
    scratch->len = 0;
    /* What is not committed is not looked at. */
    err = crdti_keep_is_behind(keep) ? crdt_doc_vv(keep->doc, &vv)
                                     : crdt_vv_copy(&vv, &keep->stored);
    if (!err)
        err = crdti_keep_write(keep, store, &vv, whole, &trail, scratch);
    if (!err && scratch->len)
        err = (replaces ? store->snapshot : store->append)(
            store->ctx, name, crdt_buf_bytes(scratch));
    if (!err) {
        keep->trail = trail;
        crdti_keep_learn(keep, store, &vv, replaces, scratch->len);
    }
    crdt_vv_free(&vv);
    return err;
}

/* Adds to the store what the document has and the store has not; and all of it
 * in one, when that is due. `scratch` is for the bytes. *added is set when
 * there is something to sync. UNCOMMITTED: what is new cannot be told yet.
 * NOMEM, and what the store answers. */
CRDTI_FN crdt_err crdti_keep_add(crdti_keep *keep, const crdt_store *store,
                                 crdt_bytes name, crdt_buf *scratch,
                                 int *added)
{
    int is_behind = crdti_keep_is_behind(keep);
    crdt_err err;
    if (!is_behind && !crdti_keep_promised(keep))
        return CRDT_OK;
    if (is_behind && crdt_doc_uncommitted(keep->doc))
        return CRDT_ERR_UNCOMMITTED;
    err = crdti_keep_put(keep, store, name, keep->is_damaged, scratch);
    *added |= !err && scratch->len > 0;
    /* That one can wait for memory and room: it only saves some. */
    if (!err && keep->behind > keep->base / 2 + CRDTI_KEEP_SLACK &&
        !crdt_doc_uncommitted(keep->doc)) {
        err = crdti_keep_put(keep, store, name, 1, scratch);
        *added |= !err;
        err = err == CRDT_ERR_NOMEM || err == CRDT_ERR_FULL ? CRDT_OK : err;
    }
    if (scratch->cap > CRDTSYNC_MAX_FRAME)
        crdt_buf_free(scratch);
    return err;
}

/* >>reading --------------------------------------------------------------- */

typedef struct crdti_keep_reader {
    crdti_keep *keep;
    crdt_doc *doc; /* that the records are joined to */
} crdti_keep_reader;

CRDTI_FN void crdti_get_self(crdti_reader *r, crdti_keep *keep)
{
    crdt_bytes self = crdti_get_raw(r, sizeof keep->self.b);
    crdt_bytes life = crdti_get_raw(r, sizeof keep->life.b);
    crdti_get_end(r);
    if (r->err)
        return;
    crdti_copy(keep->self.b, self.ptr, self.len);
    crdti_copy(keep->life.b, life.ptr, life.len);
}

CRDTI_FN void crdti_get_floor(crdti_reader *r, crdt_doc *doc)
{
    crdt_vv floor;
    crdti_vv_start(&floor, &doc->alloc);
    crdti_get_vv(r, &floor);
    crdti_get_end(r);
    if (!r->err)
        r->err = crdt_truncate(doc, &floor);
    crdt_vv_free(&floor);
}

/* Keeps the table, if it can be read. */
CRDTI_FN void crdti_get_table(crdti_reader *r, crdti_keep *keep)
{
    crdt_bytes table = crdti_get_raw(r, crdti_reader_left(r));
    crdti_roster none;
    crdti_writer w;
    crdti_zero(&none, sizeof none);
    none.alloc = keep->table.alloc;
    r->err = crdti_roster_load(&none, table);
    keep->table.len = 0;
    crdti_writer_init(&w, &keep->table);
    crdti_put_raw(&w, table);
    keep->promises = UINT64_MAX; /* it is to be stored anew */
    r->err = r->err ? r->err : w.err;
}

CRDTI_FN crdt_err crdti_keep_frame(crdti_keep_reader *k,
                                   const crdti_frame *frame)
{
    crdti_keep *keep = k->keep;
    size_t offset;
    crdti_reach reach;
    crdti_reader r;
    crdt_err err;
    crdti_reader_init(&r, frame->payload);
    switch (frame->kind) {
    case CRDTI_RECORD_SELF:
        crdti_get_self(&r, keep);
        return r.err;
    case CRDTI_RECORD_FLOOR:
        crdti_get_floor(&r, k->doc);
        return r.err;
    case CRDTI_RECORD_MEMBERS:
        crdti_get_table(&r, keep);
        return r.err;
    case CRDTI_STROKES:
        return crdti_strokes_join(k->doc, &keep->trail, &r);
    case CRDTI_FRAME_DELTA:
        crdti_vv_start(&reach.top, &k->doc->alloc);
        reach.trail.text = 0;
        err = crdti_payload_join(k->doc, frame->payload, &offset, &reach);
        keep->trail = reach.trail;
        crdt_vv_free(&reach.top);
        return err;
    default:
        return CRDT_ERR_VERSION;
    }
}

/* What of our own making can only be wrong when the bytes are. */
CRDTI_FN crdt_err crdti_keep_judge(crdt_err err)
{
    return err == CRDT_ERR_CHECKSUM || err == CRDT_ERR_TRUNCATED ||
                   err == CRDT_ERR_CAUSAL || err == CRDT_ERR_FORK
               ? CRDT_ERR_CORRUPT
               : err;
}

CRDTI_FN crdt_err crdti_keep_hear(void *ctx, crdt_bytes record)
{
    crdti_keep_reader *k = (crdti_keep_reader *)ctx;
    size_t at = 0, len = record.len;
    crdt_err err = CRDT_OK;
    while (at < len && !err) {
        crdti_frame frame;
        err = crdti_frame_get(crdt_bytes_of(record.ptr + at, len - at),
                              SIZE_MAX, &frame, NULL);
        if (!err)
            err = crdti_keep_frame(k, &frame);
        if (!err)
            at += frame.size;
    }
    k->keep->behind += len;
    if (!k->keep->base)
        k->keep->base = len;
    return crdti_keep_judge(err);
}

/* Nothing was ever written, joined or read. */
CRDTI_FN int crdti_doc_is_fresh(const crdt_doc *doc)
{
    return doc->changes == 1 && !doc->written && doc->replicas.len == 1;
}

/* The one replica of a fresh document gets another id: a random one for NULL,
 * else without a way to fail. */
CRDTI_FN crdt_err crdti_doc_rename(crdt_doc *doc, const crdt_id *id)
{
    crdt_err err;
    crdti_replicas_trim(doc, 0);
    err = crdti_doc_become(doc, id);
    if (!err)
        return CRDT_OK;
    doc->replicas.len = doc->by_id.len = 1; /* which still lie there */
    doc->by_id.ptr[0] = 0;
    return err;
}

/* Goes on under an id that was ours. */
CRDTI_FN crdt_err crdti_doc_resume(crdt_doc *doc, const crdt_id *id)
{
    crdt_err err = CRDT_OK;
    uint32_t number = crdti_replica_find(doc, id);
    if (number == UINT32_MAX)
        err = crdti_replica_add(doc, id, &number);
    if (err)
        return err;
    doc->self = number;
    doc->written = doc->replicas.ptr[number].seq;
    return CRDT_OK;
}

/* Reads the records into a document that is empty. CORRUPT: what was whole has
 * been read. */
CRDTI_FN crdt_err crdti_keep_read(crdti_keep *keep, crdt_doc *doc,
                                  const crdt_store *store, crdt_bytes name)
{
    crdti_keep_reader k;
    crdt_err err;
    k.keep = keep;
    k.doc = doc;
    doc->is_loading = 1;
    err = store->load(store->ctx, name, crdti_keep_hear, &k);
    doc->is_loading = 0;
    keep->is_damaged = err == CRDT_ERR_CORRUPT;
    if (err && !keep->is_damaged)
        return err;
    keep->behind -= crdti_min_size(keep->base, keep->behind);
    keep->floors = doc->floors;
    keep->restored = doc->restored;
    err = crdt_doc_vv(doc, &keep->stored);
    return err;
}

/* A document that has something already gets what is stored by a join: records
 * are to be read one behind the other. */
CRDTI_FN crdt_err crdti_keep_merge(crdti_keep *keep, const crdt_store *store,
                                   crdt_bytes name)
{
    crdt_doc *doc = keep->doc, *stored;
    crdt_buf all = CRDT_BUF_INIT;
    crdt_config config;
    crdt_err err;
    if (crdt_doc_uncommitted(doc))
        return CRDT_ERR_UNCOMMITTED;
    crdti_zero(&config, sizeof config);
    config.alloc = all.alloc = &doc->alloc;
    config.clock = &doc->clock;
    config.random = &doc->random;
    err = crdt_doc_new(&stored, &config);
    if (err)
        return err;
    err = crdti_keep_read(keep, stored, store, name);
    if (!err)
        err = crdt_delta(stored, NULL, &all);
    doc->is_loading = 1;
    if (!err && keep->stored.len)
        err = crdt_join(doc, crdt_buf_bytes(&all));
    doc->is_loading = 0;
    keep->trail.text = 0; /* of another document */
    crdt_buf_free(&all);
    crdt_doc_free(stored);
    return err;
}

/* Reads what is stored of the document, which has it then and may have more.
 * An error: it may have a part. */
CRDTI_FN crdt_err crdti_keep_load(crdti_keep *keep, const crdt_store *store,
                                  crdt_bytes name)
{
    crdt_doc *doc = keep->doc;
    crdt_id given = crdt_doc_replica(doc);
    int lives;
    crdt_err err;
    if (!crdti_doc_is_fresh(doc))
        return crdti_keep_merge(keep, store, name);
    err = crdti_doc_rename(doc, NULL);
    if (!err)
        err = crdti_keep_read(keep, doc, store, name);
    if (err)
        return err;
    keep->changes = doc->changes;
    lives = (crdti_id_equal(&keep->life, &store->life) ||
             !CRDTI_RULE(RESTORED_IS_NEW)) &&
            !keep->is_damaged;
    if (lives)
        err = crdti_doc_resume(doc, &keep->self);
    else if (!keep->stored.len)
        err = crdti_doc_rename(doc, &given); /* nobody else can have it */
    return err;
}

#endif
/* >> node.h */
/*
 * A node: documents, peers, transports and timers; what a program opens.
 *
 *     program --> poll --+--> store   what is new becomes durable; only then
 *                        +--> push    what was committed goes to each link
 *                        +--> transports poll --> upcalls --> sessions
 *                        +--> timers  heartbeat, silence, anti-entropy
 *
 * A link is one connection of a transport, with its session. Two links to one
 * node (both dialled) are both kept, but only one is used; which one, both
 * sides read from the nonces of the HELLOs. When it dies the other takes over.
 *
 * Sessions only fill their buffers; a push empties them. As all that was
 * joined and committed is stored right before, nothing that is not durable is
 * ever sent, nor acknowledged.
 */
#ifndef CRDTI_NODE_H
#define CRDTI_NODE_H


#define CRDTI_HEARTBEAT_MS 2000u
#define CRDTI_SYNC_MS 30000u
#define CRDTI_SILENT_BEATS 3u /* without a sound, and a peer is dead */
#define CRDTI_LINK_NAME 80u
#define CRDTI_PARCELS 65536u /* ids of parcels of one link */
#define CRDTI_LINE 200u

struct crdti_port;

typedef struct crdti_link {
    struct crdti_port *port;
    crdt_peer peer;
    uint32_t id;
    crdti_session session;
    char name[CRDTI_LINK_NAME];
    int is_blocked; /* the transport's queue is full */
    int is_doomed;  /* to be dropped: nothing more is heard */
    int is_dropped; /* the transport has been told */
    int is_aboard;  /* of what is cast right now */
    uint64_t said_at, sync_at, retry_at;
    uint64_t born_at, heard_at; /* by the time that the node was awake, */
    uint64_t frame_at; /* also when a frame ended, or none was there */
    uint64_t sent_bytes, received_bytes, received_frames;
} crdti_link;

/* A transport, and what it calls up. */
typedef struct crdti_port {
    crdt_node *node;
    crdt_transport transport;
    crdt_upcalls upcalls;
} crdti_port;

struct crdt_node {
    crdt_alloc alloc;
    crdt_clock clock;
    crdt_random random;
    crdt_log log;
    crdt_id id;
    uint8_t name[CRDTSYNC_MAX_NAME];
    size_t name_len;
    uint32_t heartbeat_ms, sync_ms;
    crdti_tend tend;
    int no_members;
    uint32_t last_id;
    uint64_t awake_at, awake_ms; /* polled last; and for how long in all */
    uint64_t dice;               /* for jitter */
    crdt_shipping shipping;
    crdti_shares shares;
    crdti_presences presences;
    crdti_parking parking;
    uint64_t parcels; /* ids that were given to links */
    uint64_t casts;
    crdt_store store; /* append NULL: none */
    uint32_t store_ms;
    CRDTI_ARRAY(crdti_keep) keeps; /* by number of the share */
    crdt_buf record;               /* scratch */
    int is_dirty;                  /* something is not durable */
    int is_full;                   /* the last sync said so */
    int is_held;                   /* nothing is sent until it stores again */
    uint64_t dirty_at;             /* since when */
    uint64_t damaged;
    CRDTI_ARRAY(crdti_port *) ports;
    CRDTI_ARRAY(crdti_link *) links;
    crdt_node_stats gone; /* of links that are no more */
    uint64_t alarms_said;
    int is_busy; /* something happened in this round */
};

CRDTI_FN uint64_t crdti_node_now(const crdt_node *node)
{
    return node->clock.mono_ms(node->clock.ctx);
}

/* How long the node has been awake. While it did not listen nobody was silent:
 * more than a heartbeat between two polls is sleep. */
CRDTI_FN uint64_t crdti_node_awake(const crdt_node *node)
{
    return node->awake_ms + crdti_min(crdti_node_now(node) - node->awake_at,
                                      node->heartbeat_ms);
}

/* About `ms`: three quarters to five quarters of it, so that what began at
 * once does not go on at once. */
CRDTI_FN uint64_t crdti_node_jitter(crdt_node *node, uint64_t ms)
{
    node->dice = crdti_mix(node->dice ^ UINT64_C(0x2d358dccaa6c78a5),
                           UINT64_C(0x9e3779b97f4a7c15));
    return ms - ms / 4 + node->dice % (ms / 2 + 1);
}

/* >>log ------------------------------------------------------------------- */

CRDTI_FN size_t crdti_line_add(char *line, size_t at, const char *text,
                               size_t len)
{
    len = crdti_min_size(len, CRDTI_LINE - 1 - at);
    crdti_copy(line + at, text, len);
    line[at + len] = 0;
    return at + len;
}

/* "NAME (LINK): what" */
CRDTI_FN void crdti_node_say(crdt_node *node, const crdti_link *link,
                             const char *what)
{
    char line[CRDTI_LINE];
    size_t at = 0;
    if (!node->log.line)
        return;
    line[0] = 0;
    if (link) {
        at = crdti_line_add(line, at, (const char *)link->session.name,
                            link->session.name_len);
        at = crdti_line_add(line, at, " (", 2);
        at = crdti_line_add(line, at, link->name, crdt_str(link->name).len);
        at = crdti_line_add(line, at, "): ", 3);
    }
    crdti_line_add(line, at, what, crdt_str(what).len);
    node->log.line(node->log.ctx, line);
}

/* >>links ----------------------------------------------------------------- */

CRDTI_FN crdti_link *crdti_link_find(const crdti_port *port, crdt_peer peer,
                                     size_t *place)
{
    const crdt_node *node = port->node;
    size_t i;
    for (i = 0; i < node->links.len; i++) {
        crdti_link *link = node->links.ptr[i];
        if (link->peer != peer || link->port != port)
            continue;
        *place = i;
        return link;
    }
    return NULL;
}

CRDTI_FN void crdti_link_doom(crdt_node *node, crdti_link *link,
                              const char *why)
{
    if (link->is_doomed)
        return;
    crdti_node_say(node, link, why);
    crdti_say_bye(&link->session, why);
    link->is_doomed = 1;
    node->is_busy = 1;
}

/* Of two links, the one that both sides use. */
CRDTI_FN int crdti_link_beats(const crdti_link *a, const crdti_link *b)
{
    return (a->session.nonce ^ a->session.their_nonce) <
           (b->session.nonce ^ b->session.their_nonce);
}

CRDTI_FN void crdti_link_use(crdti_link *link, int use)
{
    size_t i;
    if (link->session.is_spare && use)
        for (i = 0; i < link->session.tracks.len; i++) {
            link->session.tracks.ptr[i].wants_state = 1;
            link->session.tracks.ptr[i].state_asks = 1;
        }
    link->session.is_spare = !use;
}

/* Chooses anew which link to the node of that id is used. */
CRDTI_FN void crdti_node_elect(crdt_node *node, const crdt_id *id)
{
    crdti_link *best = NULL;
    int is_self = crdti_id_equal(id, &node->id);
    size_t i;
    for (i = 0; i < node->links.len && !is_self; i++) {
        crdti_link *link = node->links.ptr[i];
        if (link->session.is_greeted && !link->is_doomed &&
            crdti_id_equal(&link->session.node, id) &&
            (!best || crdti_link_beats(link, best)))
            best = link;
    }
    for (i = 0; i < node->links.len; i++) {
        crdti_link *link = node->links.ptr[i];
        if (link->session.is_greeted &&
            crdti_id_equal(&link->session.node, id))
            crdti_link_use(link, link == best);
    }
}

CRDTI_FN void crdti_link_free(crdt_node *node, crdti_link *link)
{
    node->gone.sent_bytes += link->sent_bytes;
    node->gone.sent_frames += link->session.sent_frames;
    node->gone.received_bytes += link->received_bytes;
    node->gone.received_frames += link->received_frames;
    node->gone.deltas_sent += link->session.sent_deltas;
    node->gone.delta_bytes += link->session.delta_bytes;
    node->gone.news_bytes += link->session.news_bytes;
    crdti_session_free(&link->session);
    crdti_free(&node->alloc, link, sizeof *link);
}

CRDTI_FN crdt_err crdti_link_new(crdti_port *port, crdt_peer peer,
                                 const char *name)
{
    crdt_node *node = port->node;
    crdti_link *link;
    uint64_t now = crdti_node_now(node);
    crdt_bytes text = crdt_str(name);
    crdt_err err;
    if (node->links.len >= CRDTSYNC_MAX_LINKS)
        return CRDT_ERR_LIMIT;
    if (crdti_array_reserve(&node->alloc, &node->links, 1))
        return CRDT_ERR_NOMEM;
    link = (crdti_link *)crdti_alloc(&node->alloc, sizeof *link);
    if (!link)
        return CRDT_ERR_NOMEM;
    crdti_zero(link, sizeof *link);
    link->port = port;
    link->peer = peer;
    link->id = ++node->last_id;
    crdti_copy(link->name, text.ptr,
               crdti_min_size(text.len, sizeof link->name - 1));
    link->said_at = now;
    link->born_at = link->heard_at = link->frame_at = crdti_node_awake(node);
    link->sync_at = now + crdti_node_jitter(node, node->sync_ms);
    crdti_session_init(&link->session, &node->alloc, &node->shares);
    link->session.presences = &node->presences;
    link->session.parking = &node->parking;
    link->session.parcel.id = node->parcels += CRDTI_PARCELS;
    link->session.self = node->id;
    link->session.roster_ms = node->tend.roster_ms;
    link->session.self_name = crdt_bytes_of(node->name, node->name_len);
    link->session.is_ordered =
        (port->transport.properties & CRDT_RELIABLE) != 0 &&
        (port->transport.properties & CRDT_ORDERED) != 0;
    err = node->random.fill(node->random.ctx, &link->session.nonce,
                            sizeof link->session.nonce);
    if (!err)
        err = crdti_say_hello(&link->session);
    if (err)
        crdti_link_free(node, link);
    else
        node->links.ptr[node->links.len++] = link;
    return err;
}

/* >>upcalls --------------------------------------------------------------- */

CRDTI_FN void crdti_node_up(void *ctx, crdt_peer peer, const char *name)
{
    crdti_port *port = (crdti_port *)ctx;
    crdt_err err = crdti_link_new(port, peer, name);
    port->node->is_busy = 1;
    if (!err)
        return;
    crdti_node_say(port->node, NULL, crdt_err_text(err));
    port->transport.drop(port->transport.ctx, peer, crdt_err_name(err));
}

CRDTI_FN void crdti_node_down(void *ctx, crdt_peer peer, const char *why)
{
    crdti_port *port = (crdti_port *)ctx;
    crdt_node *node = port->node;
    size_t place, i;
    crdti_link *link = crdti_link_find(port, peer, &place);
    crdt_id id;
    if (!link)
        return;
    if (!link->is_doomed)
        crdti_node_say(node, link, why ? why : "gone");
    id = link->session.node;
    crdti_session_park(&link->session, crdti_node_now(node));
    crdti_link_free(node, link);
    node->links.len--;
    for (i = place; i < node->links.len; i++)
        node->links.ptr[i] = node->links.ptr[i + 1];
    crdti_node_elect(node, &id);
    node->is_busy = 1;
}

CRDTI_FN void crdti_node_received(void *ctx, crdt_peer peer, crdt_bytes bytes)
{
    crdti_port *port = (crdti_port *)ctx;
    crdt_node *node = port->node;
    size_t place;
    crdti_link *link = crdti_link_find(port, peer, &place);
    uint64_t frames;
    int was_greeted;
    crdt_err err;
    if (!link || link->is_doomed)
        return;
    was_greeted = link->session.is_greeted;
    frames = link->received_frames;
    link->heard_at = crdti_node_awake(node);
    link->received_bytes += bytes.len;
    err = crdti_session_receive(&link->session, bytes, crdti_node_now(node),
                                &link->received_frames);
    if (!link->session.in.len || link->received_frames > frames)
        link->frame_at = link->heard_at;
    /* The rest of what came whole will not come. */
    if (!err && link->session.in.len &&
        !(port->transport.properties & CRDT_STREAM))
        err = CRDT_ERR_TRUNCATED;
    if (link->session.is_greeted && !was_greeted) {
        crdti_session_unpark(&link->session);
        crdti_node_elect(node, &link->session.node);
        if (!link->session.is_spare)
            crdti_node_say(node, link, "connected");
    }
    if (err)
        crdti_link_doom(node, link,
                        link->session.complaint ? link->session.complaint
                                                : crdt_err_text(err));
    node->is_busy = 1;
}

CRDTI_FN void crdti_node_writable(void *ctx, crdt_peer peer)
{
    crdti_port *port = (crdti_port *)ctx;
    size_t place;
    crdti_link *link = crdti_link_find(port, peer, &place);
    if (link)
        link->is_blocked = 0;
    port->node->is_busy = 1;
}

/* >>storing --------------------------------------------------------------- */

/* Adds what is new of each document. *open: how many cannot tell it yet. */
CRDTI_FN crdt_err crdti_node_add(crdt_node *node, uint64_t now, size_t *open)
{
    crdt_err err = CRDT_OK;
    int added = 0;
    size_t i;
    for (i = 0; i < node->keeps.len && !err; i++) {
        crdti_keep *keep = &node->keeps.ptr[i];
        const crdti_share *share = &node->shares.ptr[i];
        /* From when anybody may hear of it. */
        keep->roster =
            keep->promises || (node->links.len && share->roster.members.len)
                ? &share->roster
                : NULL;
        err = crdti_keep_add(keep, &node->store, crdti_share_name(share),
                             &node->record, &added);
        if (err != CRDT_ERR_UNCOMMITTED)
            continue;
        err = CRDT_OK;
        ++*open;
    }
    if (added && !node->is_dirty)
        node->dirty_at = now;
    node->is_dirty |= added;
    return err;
}

/* Stores what is new; durably when it is time, or when forced. *ready: all
 * that a push may send is as safe as it is to be. */
CRDTI_FN crdt_err crdti_node_store(crdt_node *node, uint64_t now, int force,
                                   int *ready)
{
    size_t open = 0;
    int is_lazy = node->store_ms == CRDT_STORE_LAZY && !force;
    int is_due;
    crdt_err err = CRDT_OK;
    *ready = 1;
    if (!node->store.append)
        return CRDT_OK;
    /* On a full disk nothing is added to what waits for room. */
    if (node->is_full)
        err = node->store.sync(node->store.ctx, 0);
    node->is_full = err == CRDT_ERR_FULL;
    if (!err)
        err = crdti_node_add(node, now, &open);
    is_due = force || (!is_lazy && now - node->dirty_at >= node->store_ms);
    if (!err && node->is_dirty) {
        err = node->store.sync(node->store.ctx, is_due);
        node->is_full = err == CRDT_ERR_FULL;
        node->is_dirty = err || !is_due;
    }
    *ready = !err && !open &&
             (is_lazy || !node->is_dirty || !CRDTI_RULE(STORED_FIRST));
    return err;
}

/* What a document is stored as comes first. */
CRDTI_FN crdt_err crdti_node_load(crdt_node *node, crdt_bytes name,
                                  crdt_doc *doc)
{
    crdti_keep *keep;
    crdt_err err;
    if (!node->store.append)
        return CRDT_OK;
    if (crdti_array_reserve(&node->alloc, &node->keeps, 1))
        return CRDT_ERR_NOMEM;
    keep = &node->keeps.ptr[node->keeps.len];
    crdti_keep_init(keep, doc, &node->alloc);
    err = crdti_keep_load(keep, &node->store, name);
    if (err) {
        crdti_keep_free(keep);
        return err;
    }
    node->keeps.len++;
    if (keep->is_damaged) {
        node->damaged++;
        crdti_node_say(node, NULL,
                       "a part of a stored document was lost and is set "
                       "aside; peers may have it");
    }
    return CRDT_OK;
}

/* Takes back the last load. */
CRDTI_FN void crdti_node_unload(crdt_node *node)
{
    if (node->keeps.len > node->shares.len)
        crdti_keep_free(&node->keeps.ptr[--node->keeps.len]);
}

/* The replica ids stay with the store, for who opens it next. */
CRDTI_FN void crdti_node_store_end(crdt_node *node)
{
    int ready = 0, is_clean;
    size_t i;
    crdt_err err;
    if (!node->store.append)
        return;
    err = crdti_node_store(node, crdti_node_now(node), 1, &ready);
    is_clean = !err && ready;
    for (i = 0; i < node->keeps.len; i++) {
        crdti_keep *keep = &node->keeps.ptr[i];
        is_clean &= crdt_doc_reincarnate(keep->doc) == CRDT_OK;
        crdti_keep_free(keep);
    }
    node->store.close(node->store.ctx, is_clean);
    crdti_array_free(&node->alloc, &node->keeps);
    crdt_buf_free(&node->record);
}

/* >>sending --------------------------------------------------------------- */

/* The bytes that the next send may take: what fits on a stream, otherwise as
 * many whole frames. */
CRDTI_FN crdt_bytes crdti_link_next(const crdti_link *link)
{
    const crdt_buf *out = &link->session.out;
    crdt_bytes rest = crdt_bytes_of(out->ptr + link->session.out_at,
                                    out->len - link->session.out_at);
    size_t max = link->port->transport.message_max, len = 0;
    crdti_frame frame;
    if (link->port->transport.properties & CRDT_STREAM || rest.len <= max) {
        rest.len = crdti_min_size(rest.len, max);
        return rest;
    }
    while (!crdti_frame_get(crdt_bytes_of(rest.ptr + len, rest.len - len),
                            SIZE_MAX, &frame, NULL) &&
           (!len || frame.size <= max - len))
        len += frame.size;
    rest.len = len;
    return rest;
}

/* Hands what is in `out` to the transport, as far as it takes it. */
CRDTI_FN crdt_err crdti_link_send(crdt_node *node, crdti_link *link)
{
    crdt_transport *transport = &link->port->transport;
    crdt_buf *out = &link->session.out;
    while (link->session.out_at < out->len && !link->is_blocked) {
        crdt_bytes next = crdti_link_next(link);
        crdt_err err = transport->send(transport->ctx, link->peer, next);
        if (err == CRDT_ERR_AGAIN)
            link->is_blocked = 1;
        if (err)
            return err == CRDT_ERR_IO ? err : CRDT_OK;
        link->session.out_at += next.len;
        link->sent_bytes += next.len;
        link->said_at = crdti_node_now(node);
    }
    if (link->session.out_at < out->len)
        return CRDT_OK;
    link->session.out_at = out->len = 0;
    if (out->cap > 2 * CRDTSYNC_MAX_FRAME)
        crdt_buf_free(out);
    return CRDT_OK;
}

/* Pushes until there is nothing more, or the queue is full. */
CRDTI_FN crdt_err crdti_link_push(crdt_node *node, crdti_link *link,
                                  uint64_t now)
{
    crdt_err err = CRDT_OK;
    while (!err && !link->is_blocked) {
        if (!link->session.out.len && !link->is_doomed)
            err = crdti_session_push(&link->session,
                                     link->port->transport.message_max, now);
        if (err || !link->session.out.len)
            break;
        err = crdti_link_send(node, link);
        if (link->session.out.len)
            break;
    }
    if (link->is_doomed && !link->is_dropped) {
        link->is_dropped = 1;
        link->port->transport.drop(link->port->transport.ctx, link->peer,
                                   "dropped");
    }
    return err;
}

/* >>casting --------------------------------------------------------------- */

/* Those of the port that lack the same as `first`, and what they all have. */
CRDTI_FN size_t crdti_port_gather(crdti_port *port, const crdti_link *first,
                                  size_t number, crdt_vv *certain,
                                  uint64_t now)
{
    const crdt_vv *sent = &first->session.tracks.ptr[number].sent;
    size_t i, count = 0;
    for (i = 0; i < port->node->links.len; i++) {
        crdti_link *link = port->node->links.ptr[i];
        link->is_aboard = link->port == port && !link->is_doomed &&
                          !link->is_blocked &&
                          crdti_cast_suits(&link->session, number, sent, now);
        if (!link->is_aboard)
            continue;
        crdti_vv_meet(certain, &link->session.tracks.ptr[number].known);
        count++;
    }
    return count;
}

/* Says it once, to all that are aboard. What the transport does not take goes
 * to each by itself. */
CRDTI_FN crdt_err crdti_port_say(crdti_port *port, crdti_link *first,
                                 size_t number, const crdt_vv *certain,
                                 uint64_t now)
{
    crdt_transport *transport = &port->transport;
    crdti_session *s = &first->session;
    uint64_t id = CRDTI_CAST_ID + ++port->node->casts;
    crdt_err err = crdti_cast_say(
        s, number, id, certain, transport->message_max - CRDTI_FRAME_OVERHEAD);
    size_t size = s->out.len, i;
    s->out.len = 0;
    if (err || !size)
        return err;
    err = transport->send(transport->ctx, 0, crdt_bytes_of(s->out.ptr, size));
    if (err)
        return err == CRDT_ERR_IO ? err : CRDT_OK;
    first->sent_bytes += size;
    for (i = 0; i < port->node->links.len; i++) {
        crdti_link *link = port->node->links.ptr[i];
        if (link->is_aboard)
            crdti_cast_depart(&link->session, number, id, size, now);
    }
    return CRDT_OK;
}

CRDTI_FN crdt_err crdti_port_cast_as(crdti_port *port, crdti_link *first,
                                     size_t number, uint64_t now)
{
    crdti_share *share = &port->node->shares.ptr[number];
    const crdti_track *track = &first->session.tracks.ptr[number];
    crdt_err err = crdti_share_look(share);
    crdt_vv certain;
    if (err || crdti_vv_is_in(&share->vv, &track->sent))
        return err;
    crdti_vv_start(&certain, &port->node->alloc);
    err = crdt_vv_copy(&certain, &track->known);
    if (!err && crdti_port_gather(port, first, number, &certain, now) > 1)
        err = crdti_port_say(port, first, number, &certain, now);
    crdt_vv_free(&certain);
    return err;
}

/* What several links lack alike of a document; some tries, as the first may
 * be one that lacks more. */
CRDTI_FN crdt_err crdti_port_cast(crdti_port *port, size_t number,
                                  uint64_t now)
{
    crdt_node *node = port->node;
    crdt_err err = CRDT_OK;
    size_t i;
    int tries = 0;
    for (i = 0; i < node->links.len && !err && tries < CRDTI_CAST_TRIES; i++) {
        crdti_link *link = node->links.ptr[i];
        if (link->port != port || link->is_doomed || link->is_blocked ||
            !crdti_cast_suits(&link->session, number, NULL, now))
            continue;
        err = crdti_port_cast_as(port, link, number, now);
        tries++;
    }
    return err;
}

CRDTI_FN crdt_err crdti_node_cast(crdt_node *node, uint64_t now)
{
    crdt_err err = CRDT_OK;
    size_t i, number;
    for (i = 0; i < node->ports.len; i++)
        for (number = 0; number < node->shares.len && !err; number++)
            if (node->ports.ptr[i]->transport.properties & CRDT_BROADCAST)
                err = crdti_port_cast(node->ports.ptr[i], number, now);
    return err;
}

CRDT_API crdt_err crdt_node_flush(crdt_node *node)
{
    uint64_t now;
    size_t i;
    int ready;
    crdt_err first;
    if (!node)
        return CRDT_ERR_ARG;
    now = crdti_node_now(node);
    first = crdti_node_store(node, now, 0, &ready);
    node->is_held = !ready;
    if (!first && ready)
        first = crdti_node_cast(node, now);
    for (i = 0; i < node->links.len && ready; i++) {
        crdt_err err = crdti_link_push(node, node->links.ptr[i], now);
        first = first ? first : err;
    }
    return first;
}

/* >>forks ----------------------------------------------------------------- */

/* Whether a peer has said that it knows more of our replica than we do. */
CRDTI_FN int crdti_node_is_behind(const crdt_node *node, size_t number)
{
    const crdt_doc *doc = node->shares.ptr[number].doc;
    crdt_id self = crdt_doc_replica(doc);
    size_t i;
    for (i = 0; i < node->links.len; i++) {
        const crdti_session *s = &node->links.ptr[i]->session;
        if (number < s->tracks.len &&
            crdt_vv_get(&s->tracks.ptr[number].known, &self) > doc->written)
            return 1;
    }
    return 0;
}

/* The store is an image of before, or one that has a twin, though it could not
 * know: from now on under another id. What we lack of the old one comes from
 * who has it. */
CRDTI_FN void crdti_node_forks(crdt_node *node)
{
    size_t i;
    for (i = 0; i < node->keeps.len; i++) {
        crdti_keep *keep = &node->keeps.ptr[i];
        if (keep->alarms == node->shares.ptr[i].alarms ||
            crdt_doc_uncommitted(keep->doc))
            continue;
        keep->alarms = node->shares.ptr[i].alarms;
        if (crdti_node_is_behind(node, i) && !crdt_doc_reincarnate(keep->doc))
            crdti_node_say(node, NULL,
                           "a stored document is older than what peers have "
                           "of it: it goes on under a new replica id");
    }
}

/* >>timers ---------------------------------------------------------------- */

CRDTI_FN crdt_err crdti_link_sync(crdt_node *node, crdti_link *link)
{
    size_t i;
    crdt_err err = CRDT_OK;
    for (i = 0; i < link->session.tracks.len && !err; i++) {
        crdti_track *track = &link->session.tracks.ptr[i];
        if (track->theirs == CRDTI_NO_DOC || track->flights_len ||
            crdt_doc_uncommitted(node->shares.ptr[i].doc))
            continue;
        err = crdti_say_digest(&link->session, i);
    }
    return err;
}

CRDTI_FN crdt_err crdti_link_tick(crdt_node *node, crdti_link *link,
                                  uint64_t now)
{
    uint64_t silence = (uint64_t)node->heartbeat_ms * CRDTI_SILENT_BEATS;
    uint64_t awake = node->awake_ms;
    crdt_err err = CRDT_OK;
    if (link->is_doomed)
        return CRDT_OK;
    if (!link->session.is_greeted &&
        awake - link->born_at > CRDTSYNC_HANDSHAKE_MS)
        crdti_link_doom(node, link, "did not greet in time");
    else if (awake - link->heard_at > silence)
        crdti_link_doom(node, link, "silent for too long");
    else if (link->session.in.len &&
             awake - link->frame_at > CRDTSYNC_FRAME_MS)
        crdti_link_doom(node, link, "says what does not end");
    if (link->is_doomed || link->session.out.len)
        return CRDT_OK;
    err = crdti_session_retry(&link->session, now >= link->retry_at, now);
    if (now >= link->retry_at)
        link->retry_at = now + CRDTI_RETRY_MS;
    if (!err && now >= link->sync_at && link->session.is_greeted &&
        !link->session.is_spare) {
        link->sync_at = now + crdti_node_jitter(node, node->sync_ms);
        err = crdti_link_sync(node, link);
    }
    if (!err && now - link->said_at >= node->heartbeat_ms)
        err = crdti_say_alive(&link->session);
    return err;
}

CRDTI_FN uint64_t crdti_node_alarms(const crdt_node *node)
{
    uint64_t alarms = 0;
    size_t i;
    for (i = 0; i < node->shares.len; i++)
        alarms +=
            node->shares.ptr[i].alarms + node->shares.ptr[i].roster.alarms;
    return alarms;
}

CRDTI_FN crdt_err crdti_node_tick(crdt_node *node)
{
    uint64_t now = crdti_node_now(node);
    size_t i;
    crdt_err first = CRDT_OK;
    node->awake_ms = crdti_node_awake(node);
    node->awake_at = now;
    crdti_parking_sweep(&node->alloc, &node->parking, now);
    for (i = 0; i < node->links.len; i++) {
        crdt_err err = crdti_link_tick(node, node->links.ptr[i], now);
        first = first ? first : err;
    }
    crdti_node_forks(node);
    for (i = 0; i < node->shares.len; i++) {
        crdti_share *share = &node->shares.ptr[i];
        crdt_err err;
        share->roster.awake_ms = node->awake_ms;
        err = crdti_tend_roster(&share->roster, share->doc, &node->tend,
                                crdti_node_jitter(node, node->tend.roster_ms),
                                now);
        first = first ? first : err;
    }
    if (crdti_node_alarms(node) > node->alarms_said) {
        node->alarms_said = crdti_node_alarms(node);
        crdti_node_say(node, NULL,
                       "alarm: replicas that should be equal differ, or a "
                       "replica id has been used twice");
    }
    return first;
}

/* >>polling --------------------------------------------------------------- */

CRDTI_FN crdt_err crdti_node_ports(crdt_node *node, int timeout_ms)
{
    size_t i;
    crdt_err first = CRDT_OK;
    for (i = 0; i < node->ports.len; i++) {
        crdt_transport *transport = &node->ports.ptr[i]->transport;
        crdt_err err = transport->poll(transport->ctx, timeout_ms);
        first = first ? first : err;
    }
    return first;
}

/* How long to wait, so that no heartbeat is late, nor a link that waits for an
 * answer or has held something back, nor what is to be synced. */
CRDTI_FN int crdti_node_patience(const crdt_node *node, int timeout_ms)
{
    uint64_t now = crdti_node_now(node), wait = INT32_MAX;
    uint64_t sync_at = node->dirty_at + node->store_ms;
    size_t i;
    if (node->links.len)
        wait = crdti_min(node->heartbeat_ms / 2 + 1, 1000);
    for (i = 0; i < node->links.len && !node->is_held; i++) {
        uint64_t due = node->links.ptr[i]->session.due;
        if (!node->links.ptr[i]->is_blocked)
            wait = crdti_min(wait, due - crdti_min(due, now));
    }
    if (node->is_dirty && !node->is_full && node->store_ms != CRDT_STORE_LAZY)
        wait = crdti_min(wait, sync_at - crdti_min(sync_at, now));
    if (timeout_ms >= 0)
        wait = crdti_min(wait, (uint64_t)timeout_ms);
    /* With several transports, each gets a part of the time. */
    return node->ports.len > 1 && (int)wait > 10 ? 10 : (int)wait;
}

CRDT_API crdt_err crdt_node_poll(crdt_node *node, int timeout_ms)
{
    uint64_t until;
    crdt_err err, other;
    if (!node)
        return CRDT_ERR_ARG;
    until = crdti_node_now(node) + (uint64_t)(timeout_ms > 0 ? timeout_ms : 0);
    node->is_busy = 0;
    for (;;) {
        uint64_t now;
        err = crdt_node_flush(node);
        other = crdti_node_ports(node, crdti_node_patience(node, timeout_ms));
        err = err ? err : other;
        other = crdti_node_tick(node);
        err = err ? err : other;
        other = crdt_node_flush(node);
        err = err ? err : other;
        now = crdti_node_now(node);
        if (err || node->is_busy || now >= until || !node->ports.len)
            return err;
        timeout_ms = (int)crdti_min(until - now, INT32_MAX);
    }
}

/* >>making and ending ----------------------------------------------------- */

CRDTI_FN crdt_err crdti_node_tables(crdt_node *node,
                                    const crdt_node_config *config)
{
    const crdt_clock *clock =
        crdti_clock_or_default(config ? config->clock : NULL);
    const crdt_random *random =
        crdti_random_or_default(config ? config->random : NULL);
    crdt_err err;
    if (!clock || !random)
        return CRDT_ERR_ARG;
    node->clock = *clock;
    node->random = *random;
    if (config && config->log)
        node->log = *config->log;
    if (config)
        node->store_ms = config->store_ms;
    node->heartbeat_ms = config && config->heartbeat_ms ? config->heartbeat_ms
                                                        : CRDTI_HEARTBEAT_MS;
    node->sync_ms =
        config && config->sync_ms ? config->sync_ms : CRDTI_SYNC_MS;
    node->tend.roster_ms =
        config && config->roster_ms ? config->roster_ms : CRDTI_ROSTER_MS;
    node->tend.evict_ms = config ? config->evict_ms : 0;
    node->tend.forgets = !config || !config->keeps_history;
    node->no_members = config && config->no_members;
    node->shipping = config ? config->shipping : CRDT_SHIP_DELTA;
    err = random->fill(random->ctx, node->id.b, sizeof node->id.b);
    if (err)
        return err;
    node->awake_at = crdti_node_now(node);
    return random->fill(random->ctx, &node->dice, sizeof node->dice);
}

CRDT_API crdt_err crdt_node_new(crdt_node **out,
                                const crdt_node_config *config)
{
    const crdt_alloc *alloc =
        crdti_alloc_or_default(config ? config->alloc : NULL);
    crdt_node *node;
    crdt_err err;
    if (!out || !alloc)
        return CRDT_ERR_ARG;
    if (config && config->name.len > CRDTSYNC_MAX_NAME)
        return CRDT_ERR_LIMIT;
    node = (crdt_node *)crdti_alloc(alloc, sizeof *node);
    if (!node)
        return CRDT_ERR_NOMEM;
    crdti_zero(node, sizeof *node);
    node->alloc = *alloc;
    err = crdti_node_tables(node, config);
    if (err) {
        crdti_free(alloc, node, sizeof *node);
        return err;
    }
    if (config) {
        node->name_len = config->name.len;
        crdti_copy(node->name, config->name.ptr, config->name.len);
        if (config->store)
            node->store = *config->store;
        crdti_buf_start(&node->record, &node->alloc);
    }
    *out = node;
    return CRDT_OK;
}

CRDT_API void crdt_node_free(crdt_node *node)
{
    crdt_alloc alloc;
    size_t i;
    if (!node)
        return;
    for (i = 0; i < node->links.len; i++)
        crdti_say_bye(&node->links.ptr[i]->session, "goodbye");
    if (node->store_ms != CRDT_STORE_LAZY)
        node->store_ms = 0; /* nothing is to wait any more */
    crdt_node_flush(node);
    crdti_node_store_end(node);
    for (i = 0; i < node->ports.len; i++) {
        crdti_port *port = node->ports.ptr[i];
        port->transport.close(port->transport.ctx);
        crdti_free(&node->alloc, port, sizeof *port);
    }
    for (i = 0; i < node->links.len; i++)
        crdti_link_free(node, node->links.ptr[i]);
    for (i = 0; i < node->shares.len; i++) {
        if (node->shares.ptr[i].doc->committed_ctx == node)
            node->shares.ptr[i].doc->committed = NULL;
        node->shares.ptr[i].doc->is_frozen = 0;
        crdti_share_free(&node->shares.ptr[i]);
    }
    alloc = node->alloc;
    crdti_array_free(&alloc, &node->presences.all);
    while (node->parking.len)
        crdti_parking_drop(&alloc, &node->parking, 0);
    crdti_array_free(&alloc, &node->ports);
    crdti_array_free(&alloc, &node->links);
    crdti_array_free(&alloc, &node->shares);
    crdti_free(&alloc, node, sizeof *node);
}

CRDTI_FN crdti_share *crdti_node_find(const crdt_node *node, crdt_bytes name)
{
    size_t i;
    for (i = 0; i < node->shares.len; i++) {
        crdti_share *share = &node->shares.ptr[i];
        if (crdt_bytes_equal(name, crdti_share_name(share)))
            return share;
    }
    return NULL;
}

/* Shipping of ops: makes a delta of the commit at once, to be sent when the
 * node is polled. What fails here is made good then. */
CRDTI_FN void crdti_node_committed(void *ctx)
{
    crdt_node *node = (crdt_node *)ctx;
    uint64_t now = crdti_node_now(node);
    size_t i, number;
    for (i = 0; i < node->links.len; i++) {
        crdti_session *s = &node->links.ptr[i]->session;
        for (number = 0; number < s->tracks.len; number++)
            if (s->is_greeted && !s->is_spare && s->room &&
                s->tracks.ptr[number].theirs != CRDTI_NO_DOC)
                (void)crdti_track_prepare(s, number, now);
    }
}

/* Who takes part: we do, and whoever is in the table that was stored. */
CRDTI_FN crdt_err crdti_node_enroll(crdt_node *node, crdti_share *share)
{
    crdt_buf *table = NULL;
    crdt_err err;
    if (node->no_members) {
        crdti_roster_give_up(&share->roster);
        return CRDT_OK;
    }
    share->roster.awake_ms = node->awake_ms;
    err = crdti_roster_enter(&share->roster, share->doc, &node->id);
    if (node->store.append)
        table = &node->keeps.ptr[node->keeps.len - 1].table;
    if (!err && table && table->len)
        err = crdti_roster_load(&share->roster, crdt_buf_bytes(table));
    if (!err && table)
        crdt_buf_free(table);
    return err;
}

CRDT_API crdt_err crdt_node_share(crdt_node *node, crdt_bytes name,
                                  crdt_doc *doc)
{
    crdti_share *share;
    size_t i;
    crdt_err err;
    if (!node || !doc || crdti_node_find(node, name))
        return CRDT_ERR_ARG;
    if (name.len > CRDTSYNC_MAX_NAME ||
        node->shares.len >= CRDTSYNC_MAX_SHARED)
        return CRDT_ERR_LIMIT;
    if (crdti_array_reserve(&node->alloc, &node->shares, 1))
        return CRDT_ERR_NOMEM;
    err = crdti_node_load(node, name, doc);
    if (err)
        return err;
    share = &node->shares.ptr[node->shares.len];
    crdti_share_init(share, &node->alloc, doc, name);
    err = crdti_node_enroll(node, share);
    if (err) {
        crdti_share_free(share);
        crdti_node_unload(node);
        return err;
    }
    node->shares.len++;
    share->shipping = node->shipping;
    if (share->shipping == CRDT_SHIP_OPS) {
        doc->committed = crdti_node_committed;
        doc->committed_ctx = node;
    }
    for (i = 0; i < node->links.len; i++)
        node->links.ptr[i]->session.wants_hello = 1;
    return CRDT_OK;
}

CRDT_API crdt_err crdt_node_attach(crdt_node *node,
                                   const crdt_transport *transport)
{
    crdti_port *port;
    crdt_err err;
    if (!node || !transport)
        return CRDT_ERR_ARG;
    if (!(transport->properties & (CRDT_SEALED | CRDT_TRUSTED_PEERS)))
        return CRDT_ERR_TRUST;
    if (transport->message_max < 512)
        return CRDT_ERR_LIMIT;
    if (crdti_array_reserve(&node->alloc, &node->ports, 1))
        return CRDT_ERR_NOMEM;
    port = (crdti_port *)crdti_alloc(&node->alloc, sizeof *port);
    if (!port)
        return CRDT_ERR_NOMEM;
    crdti_zero(port, sizeof *port);
    port->node = node;
    port->transport = *transport;
    port->upcalls.version = 1;
    port->upcalls.ctx = port;
    port->upcalls.peer_up = crdti_node_up;
    port->upcalls.peer_down = crdti_node_down;
    port->upcalls.received = crdti_node_received;
    port->upcalls.writable = crdti_node_writable;
    err = transport->start(transport->ctx, &port->upcalls);
    if (err)
        crdti_free(&node->alloc, port, sizeof *port);
    else
        node->ports.ptr[node->ports.len++] = port;
    return err;
}

/* >>what it says of itself ------------------------------------------------ */

CRDTI_FN crdt_peer_state crdti_link_state(crdti_link *link)
{
    if (!link->session.is_greeted)
        return CRDT_PEER_GREETING;
    return crdti_session_is_synced(&link->session) ? CRDT_PEER_SYNCED
                                                   : CRDT_PEER_SYNCING;
}

CRDTI_FN void crdti_link_lag(crdti_link *link, crdt_peer_info *out)
{
    crdti_session *s = &link->session;
    size_t i;
    for (i = 0; i < s->tracks.len; i++) {
        crdti_share *share = &s->shares->ptr[i];
        const crdt_vv *known = &s->tracks.ptr[i].known;
        crdt_id self = crdt_doc_replica(share->doc);
        uint64_t own;
        if (s->tracks.ptr[i].theirs == CRDTI_NO_DOC || crdti_share_look(share))
            continue;
        own = crdt_vv_get(&share->vv, &self);
        out->unacked += own - crdti_min(own, crdt_vv_get(known, &self));
        out->lag += crdti_vv_excess(known, &share->vv);
    }
}

CRDT_API crdt_err crdt_node_peer(const crdt_node *node, size_t index,
                                 crdt_peer_info *out)
{
    size_t i;
    for (i = 0; i < node->links.len; i++) {
        crdti_link *link = node->links.ptr[i];
        if (link->session.is_spare || link->is_doomed || index-- > 0)
            continue;
        crdti_zero(out, sizeof *out);
        out->id = link->id;
        out->node = link->session.node;
        out->name = crdt_bytes_of(link->session.name, link->session.name_len);
        out->link = link->name;
        out->state = crdti_link_state(link);
        out->sent_bytes = link->sent_bytes;
        out->sent_frames = link->session.sent_frames;
        out->received_bytes = link->received_bytes;
        out->received_frames = link->received_frames;
        out->silent_ms = crdti_node_awake(node) - link->heard_at;
        crdti_link_lag(link, out);
        return CRDT_OK;
    }
    return CRDT_ERR_NOT_FOUND;
}

CRDT_API crdt_err crdt_node_acked(const crdt_node *node, crdt_bytes name,
                                  crdt_vv *out)
{
    const crdti_share *share = crdti_node_find(node, name);
    return share ? crdt_vv_copy(out, &share->acked) : CRDT_ERR_NOT_FOUND;
}

CRDT_API crdt_err crdt_node_set_presence(crdt_node *node, crdt_bytes name,
                                         crdt_bytes value, uint32_t ttl_ms)
{
    crdti_told_presence told;
    const crdti_share *share;
    if (!node || (!value.ptr && value.len))
        return CRDT_ERR_ARG;
    share = crdti_node_find(node, name);
    if (!share)
        return CRDT_ERR_NOT_FOUND;
    if (value.len > CRDTSYNC_MAX_PRESENCE || ttl_ms > CRDTSYNC_MAX_PRESENCE_MS)
        return CRDT_ERR_LIMIT;
    told.origin = node->id;
    told.counter = node->presences.counter + 1;
    told.ttl_ms = ttl_ms;
    told.value = value;
    node->presences.counter++;
    return crdti_presences_take(&node->alloc, &node->presences,
                                (size_t)(share - node->shares.ptr), &told, 0,
                                crdti_node_now(node));
}

CRDT_API crdt_err crdt_node_presence(const crdt_node *node, crdt_bytes name,
                                     size_t index, crdt_presence *out)
{
    const crdti_share *share = crdti_node_find(node, name);
    uint64_t now = crdti_node_now(node);
    size_t i;
    for (i = 0; share && i < node->presences.all.len; i++) {
        const crdti_present *p = &node->presences.all.ptr[i];
        if (&node->shares.ptr[p->number] != share || !p->len ||
            now >= p->expires_at || crdti_id_equal(&p->origin, &node->id) ||
            index-- > 0)
            continue;
        out->node = p->origin;
        out->value = crdt_bytes_of(p->value, p->len);
        out->ttl_ms = p->expires_at - now;
        return CRDT_OK;
    }
    return CRDT_ERR_NOT_FOUND;
}

CRDT_API void crdt_node_get_stats(const crdt_node *node, crdt_node_stats *out)
{
    size_t i;
    *out = node->gone;
    for (i = 0; i < node->links.len; i++) {
        const crdti_link *link = node->links.ptr[i];
        out->sent_bytes += link->sent_bytes;
        out->sent_frames += link->session.sent_frames;
        out->received_bytes += link->received_bytes;
        out->received_frames += link->received_frames;
        out->deltas_sent += link->session.sent_deltas;
        out->delta_bytes += link->session.delta_bytes;
        out->news_bytes += link->session.news_bytes;
        out->waiting += link->session.waiting;
    }
    for (i = 0; i < node->shares.len; i++) {
        out->deltas_joined += node->shares.ptr[i].joined;
        out->deltas_refused += node->shares.ptr[i].refused;
    }
    out->alarms = crdti_node_alarms(node);
    out->damaged = node->damaged;
}

#endif
/* >> member.h */
/*
 * Members and full syncs as the program asks for them; what is done about it
 * is in roster.h and epoch.h.
 */
#ifndef CRDTI_MEMBER_H
#define CRDTI_MEMBER_H


/* The share, if it has a roster. NOT_FOUND, LIMIT. */
CRDTI_FN crdt_err crdti_member_share(const crdt_node *node, crdt_bytes name,
                                     crdti_share **out)
{
    if (!node)
        return CRDT_ERR_ARG;
    *out = crdti_node_find(node, name);
    if (!*out)
        return CRDT_ERR_NOT_FOUND;
    return (*out)->roster.members.len ? CRDT_OK : CRDT_ERR_LIMIT;
}

/* >>members --------------------------------------------------------------- */

/* How long ago anything showed that the member lives. */
CRDTI_FN uint64_t crdti_member_silence(const crdt_node *node,
                                       const crdti_roster *r,
                                       const crdti_member *member)
{
    uint64_t silence = r->awake_ms - member->heard_ms;
    size_t i;
    for (i = 0; i < node->links.len; i++) {
        const crdti_link *link = node->links.ptr[i];
        if (link->session.is_greeted && !link->is_doomed &&
            crdti_id_equal(&link->session.node, &member->node))
            silence =
                crdti_min(silence, crdti_node_awake(node) - link->heard_at);
    }
    return silence;
}

CRDT_API crdt_err crdt_node_member(const crdt_node *node, crdt_bytes name,
                                   size_t index, crdt_member_info *out)
{
    crdti_share *share = NULL;
    const crdti_member *member, *self;
    crdt_err err = crdti_member_share(node, name, &share);
    if (!err && !out)
        err = CRDT_ERR_ARG;
    if (!err)
        err = crdti_share_look(share);
    if (err)
        return err;
    if (index >= share->roster.members.len)
        return CRDT_ERR_NOT_FOUND;
    self = crdti_roster_self(&share->roster);
    member = self + index;
    crdti_zero(out, sizeof *out);
    out->replica = member->replica;
    out->node = member->node;
    out->status = (crdt_member_status)member->status;
    out->evicted_by = member->by;
    out->phase = (crdt_phase)member->pact.phase;
    out->is_self = member == self;
    out->is_odd = crdti_epoch_is_odd(&share->roster, member);
    if (out->is_self)
        return CRDT_OK;
    out->missing = crdti_vv_excess(&share->vv, &member->applied);
    out->lag = crdti_vv_excess(&member->applied, &share->vv);
    out->unacked = crdt_vv_get(&share->vv, &self->replica) -
                   crdti_min(crdt_vv_get(&share->vv, &self->replica),
                             crdt_vv_get(&member->applied, &self->replica));
    out->silent_ms = crdti_member_silence(node, &share->roster, member);
    return CRDT_OK;
}

CRDT_API crdt_err crdt_node_stable(const crdt_node *node, crdt_bytes name,
                                   crdt_vv *out)
{
    crdti_share *share = NULL;
    crdt_err err = crdti_member_share(node, name, &share);
    return err ? err : crdti_roster_cut(&share->roster, 0, out);
}

CRDT_API crdt_err crdt_node_floors(const crdt_node *node, crdt_bytes name,
                                   crdt_vv *out)
{
    crdti_share *share = NULL;
    crdt_err err = crdti_member_share(node, name, &share);
    if (!err && !crdti_roster_has_floors(&share->roster))
        err = CRDT_ERR_AGAIN;
    return err ? err : crdti_roster_cut(&share->roster, 1, out);
}

CRDT_API crdt_err crdt_node_leave(crdt_node *node, crdt_bytes name)
{
    crdti_share *share = NULL;
    crdti_member *self;
    crdt_err err = crdti_member_share(node, name, &share);
    if (!err)
        err = crdti_roster_refresh(&share->roster, share->doc);
    if (err)
        return err;
    self = crdti_roster_self(&share->roster);
    self->pact.phase = CRDT_PHASE_WORK;
    self->status = CRDT_MEMBER_LEFT;
    share->doc->is_frozen = 0;
    share->roster.wanted_until = 0;
    crdti_roster_renew(&share->roster, 1);
    return CRDT_OK;
}

CRDT_API crdt_err crdt_node_evict(crdt_node *node, crdt_bytes name,
                                  const crdt_id *replica)
{
    crdti_share *share = NULL;
    crdti_member *member;
    crdt_err err = crdti_member_share(node, name, &share);
    if (err || !replica)
        return err ? err : CRDT_ERR_ARG;
    member = crdti_roster_find(&share->roster, replica);
    if (member == crdti_roster_self(&share->roster))
        return CRDT_ERR_ARG;
    if (!member)
        return CRDT_ERR_NOT_FOUND;
    if (crdti_is_active(member))
        crdti_roster_evict(&share->roster, member);
    return CRDT_OK;
}

/* >>full syncs ------------------------------------------------------------ */

CRDT_API crdt_err crdt_node_full_sync(crdt_node *node, crdt_bytes name,
                                      crdt_sync_mode mode, uint32_t lease_ms)
{
    crdti_share *share = NULL;
    const crdti_member *self;
    crdt_err err = crdti_member_share(node, name, &share);
    if (err)
        return err;
    if (mode != CRDT_SYNC_OPEN && mode != CRDT_SYNC_STRICT)
        return CRDT_ERR_ARG;
    self = crdti_roster_self(&share->roster);
    if (!crdti_is_active(self))
        return CRDT_ERR_UNSUPPORTED;
    if (self->pact.phase)
        return CRDT_OK;
    share->roster.wants_strict = mode == CRDT_SYNC_STRICT;
    share->roster.wanted_seq = share->doc->replicas.ptr[share->doc->self].seq;
    share->roster.wanted_until =
        crdti_node_now(node) + (lease_ms ? lease_ms : CRDTI_LEASE_MS);
    return CRDT_OK;
}

/* Who has yet to do what we wait for. */
CRDTI_FN void crdti_epoch_waits(const crdti_roster *r, crdt_epoch_info *out)
{
    const crdti_pact *own = &crdti_roster_self(r)->pact;
    size_t i;
    out->members = crdti_roster_active(r);
    for (i = r->members.len; i-- > 0 && own->phase;) {
        const crdti_member *member = &r->members.ptr[i];
        int is_done =
            own->phase == CRDT_PHASE_READY
                ? crdti_ballot_equal(&member->pact.accepted, &own->ballot)
                : crdti_ballot_equal(&member->pact.ballot, &own->ballot);
        if (!crdti_is_active(member) || is_done)
            continue;
        out->waiting++;
        out->waiting_for = member->replica;
    }
}

CRDT_API crdt_err crdt_node_epoch(const crdt_node *node, crdt_bytes name,
                                  crdt_epoch_info *out)
{
    crdti_share *share = NULL;
    const crdti_pact *own;
    uint64_t now;
    crdt_err err = crdti_member_share(node, name, &share);
    if (err || !out)
        return err ? err : CRDT_ERR_ARG;
    own = &crdti_roster_self(&share->roster)->pact;
    now = crdti_node_now(node);
    crdti_zero(out, sizeof *out);
    out->phase = (crdt_phase)own->phase;
    out->is_strict = own->phase && own->is_strict;
    out->number = own->epoch;
    out->proposer = own->ballot.proposer;
    out->compared = share->roster.compared;
    out->alarms = share->roster.alarms;
    if (own->phase && share->roster.lease_until > now)
        out->left_ms = share->roster.lease_until - now;
    if (own->is_done)
        out->cut = &own->cut;
    crdti_epoch_waits(&share->roster, out);
    return CRDT_OK;
}

/* >>over a restart -------------------------------------------------------- */

CRDT_API crdt_err crdt_node_members_save(const crdt_node *node,
                                         crdt_bytes name, crdt_buf *out)
{
    crdti_share *share = NULL;
    crdti_writer w;
    size_t start = out ? out->len : 0;
    crdt_err err = crdti_member_share(node, name, &share);
    if (err || !out)
        return err ? err : CRDT_ERR_ARG;
    crdti_writer_init(&w, out);
    crdti_put_table(&w, &share->roster);
    crdti_frame_wrap(&w, CRDTI_ROSTER, start);
    if (w.err)
        out->len = start;
    return w.err;
}

CRDT_API crdt_err crdt_node_members_load(crdt_node *node, crdt_bytes name,
                                         crdt_bytes bytes)
{
    crdti_share *share = NULL;
    crdti_frame frame;
    crdt_err err = crdti_member_share(node, name, &share);
    if (!err)
        err = crdti_frame_get(bytes, CRDTSYNC_MAX_ROSTER, &frame, NULL);
    if (err)
        return err;
    if (frame.kind != CRDTI_ROSTER || frame.size != bytes.len)
        return CRDT_ERR_CORRUPT;
    return crdti_roster_load(&share->roster, frame.payload);
}

#endif

#endif
