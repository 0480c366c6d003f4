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

#include "limits.h"

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
