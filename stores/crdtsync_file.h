/*
 * crdtsync_file - documents in a directory, on POSIX systems: one log for all
 * of them, cut into files, that is only ever written at its end.
 *
 *     #define CRDTSYNC_IMPLEMENTATION     // in one file, that of crdtsync.h;
 *     #include "crdtsync.h"               // adapters come behind it
 *     #include "crdtsync_file.h"
 *
 * SYNOPSIS
 *
 *     crdt_store store;
 *     crdt_file_config files = { 0 };
 *     crdt_node_config config = { 0 };
 *     files.dir = "data";                 // made when it is not there
 *     crdt_file_new(&store, &files);
 *     config.store = &store;
 *     crdt_node_new(&node, &config);      // which owns the store now
 *     crdt_node_share(node, CRDT_STR("notes"), doc);
 *
 * What happens when a disk, a process or a backup does what it should not:
 * docs/stores.md. What each byte is: >>bytes below.
 *
 * THREADS, PROCESSES
 *
 * One thread at a time, and one opener of a directory: the second one gets
 * CRDT_ERR_LOCKED, in this process and in any other of this machine.
 */
#ifndef CRDTSYNC_FILE_H
#define CRDTSYNC_FILE_H

#ifndef CRDTSYNC_VERSION
#error "include crdtsync.h before crdtsync_file.h"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes that identify() fills. */
#define CRDT_FILE_IDENTITY 64

/* What a store does to files: replaced by tests, and where a system has no
 * POSIX. Names are without directory. A file is a number from 0. */
typedef struct crdt_file_io {
    int version;
    void *ctx;
    /* Makes the directory when it is not there, and locks it until end.
     * LOCKED, IO. */
    crdt_err (*start)(void *ctx);
    /* Tells the name of each file. IO, and what fn answers. */
    crdt_err (*list)(void *ctx, crdt_bytes_fn *fn, void *to);
    /* For reading and writing. With `make` the file is new, and whatever had
     * the name is gone. NOT_FOUND, FULL, IO. */
    crdt_err (*open)(void *ctx, const char *name, int make, int *out);
    crdt_err (*size)(void *ctx, int file, uint64_t *out);
    /* All of it, or an error: TRUNCATED, IO. */
    crdt_err (*read)(void *ctx, int file, uint64_t at, void *out, size_t len);
    crdt_err (*write)(void *ctx, int file, uint64_t at, crdt_bytes bytes);
    crdt_err (*cut)(void *ctx, int file, uint64_t size);
    /* Durable are then the bytes and the size, but maybe not the name. */
    crdt_err (*sync)(void *ctx, int file);
    /* The names are. */
    crdt_err (*sync_names)(void *ctx);
    crdt_err (*rename)(void *ctx, const char *from, const char *to);
    crdt_err (*remove)(void *ctx, const char *name);
    /* What no copy of the file has, nor this one when anything was written to
     * it since, also its own old content. UNSUPPORTED: who knows. */
    crdt_err (*identify)(void *ctx, int file, uint8_t out[CRDT_FILE_IDENTITY]);
    void (*close)(void *ctx, int file);
    void (*end)(void *ctx); /* frees ctx too */
} crdt_file_io;

/* Zero means default. */
typedef struct crdt_file_config {
    const char *dir; /* copied */
    const crdt_alloc *alloc;
    const crdt_random *random;
    const crdt_log *log; /* says what was damaged or cut off */
    /* 1: images of this disk are never restored nor cloned, so a clean stop
     * is one across reboots too, and documents keep their replica ids. */
    int trusts_images;
    const crdt_file_io *io; /* NULL: POSIX, in dir. Copied, and owned */
} crdt_file_config;

/* Opens or makes a store; with its list of documents, but without reading any
 * of them. What is damaged is set aside first. ARG, NOMEM, IO (also: no
 * randomness), FULL, LOCKED; VERSION: it is of a newer version, and untouched.
 * O(bytes in the directory). */
CRDT_API crdt_err crdt_file_new(crdt_store *out,
                                const crdt_file_config *config);

/* What is on the disk, and what was done there. */
typedef struct crdt_file_stats {
    uint64_t documents, files;
    uint64_t bytes;      /* of all files */
    uint64_t live_bytes; /* of records that count */
    uint64_t set_aside;  /* files, since it was opened */
    uint64_t cut_bytes;  /* behind the last whole write, when it was opened */
    uint64_t written_bytes, syncs;
} crdt_file_stats;

/* Fills `out`. */
CRDT_API void crdt_file_get_stats(const crdt_store *store,
                                  crdt_file_stats *out);

/* The table of POSIX files in a directory, for tests that go between. */
CRDT_API crdt_err crdt_file_posix(crdt_file_io *out, const char *dir,
                                  int trusts_images, const crdt_alloc *alloc);

#ifdef __cplusplus
}
#endif

#endif /* CRDTSYNC_FILE_H */

#if defined(CRDTSYNC_IMPLEMENTATION) && !defined(CRDTSYNC_FILE_IMPLEMENTED)
#define CRDTSYNC_FILE_IMPLEMENTED

#ifndef CRDTSYNC_IMPLEMENTED
#error "define CRDTSYNC_IMPLEMENTATION before including crdtsync.h"
#endif

/* >>bytes -----------------------------------------------------------------
 * A directory holds segments, 00000001.log and so on. Only the last one, the
 * head, is written to, at its end. Numbers are little-endian.
 *
 *     segment   "crdtlog\n"  version u32  number u32  life 16  0 u64  crc u32
 *               batch, batch, ...
 *     batch     "crb1"  crc u32  place u64  length u32  durable u32  crc u32
 *               record, record, ...
 *     record    varint 2 x document + first   varint seq
 *               bytes of the name, of a first one only   bytes of the record
 *
 * A batch is one write. Its place is 2^32 x number of the segment + offset; its
 * first crc (CRC32C) is over the 20 bytes behind it, the second one over the
 * records. `durable` is how far the segment was synced when the batch was
 * written: so what is broken before that offset is damaged, and what is broken
 * at the end, with nothing behind it that says so, is a write that was not
 * finished, and never acknowledged.
 *
 * Records of a document count from 1: a missing one is seen. A first one takes
 * the place of all up to its seq. When a segment holds little that counts, that
 * is copied to the head, as it is, and the segment goes; of two copies the one
 * at the later place counts. So order is one of seqs, not of places.
 *
 * A large snapshot is written piece by piece while the head goes on: as a
 * segment of its own, one batch, that is called 00000003.new until it is
 * whole.
 *
 *     clean     "crdtend\n"  version u32  number u32  size u64  life 16
 *               files u64  identity 64  crc u32
 *
 * is there only while nobody has the store open: how it was left. `files` is a
 * hash of the numbers and sizes of all segments. */

#define CRDTI_LOG_VERSION 1u
#define CRDTI_LOG_HEAD 44u
#define CRDTI_LOG_BATCH 28u
#define CRDTI_LOG_MARK 116u
#define CRDTI_LOG_MAX ((uint64_t)16 << 20) /* bytes of a segment, at most */
#define CRDTI_LOG_WRITE ((size_t)1 << 20)  /* batches are not made longer */
#define CRDTI_LOG_DOCS ((uint64_t)1 << 24)
#ifndef CRDTI_LOG_MIN                       /* tests have smaller ones: */
#define CRDTI_LOG_MIN ((uint64_t)64 << 10)  /* of a segment, at least */
#define CRDTI_LOG_WINDOW ((size_t)64 << 10) /* that are read at once */
#define CRDTI_LOG_LARGE ((size_t)1 << 20)   /* of a snapshot that waits */
#define CRDTI_LOG_PIECE ((size_t)1 << 20)   /* of it, with each sync */
#endif
#define CRDTI_LOG_NAME 40

/* >>data ------------------------------------------------------------------ */

typedef struct crdti_log_segment {
    uint32_t number;
    int is_damaged; /* to be set aside */
    uint64_t size;  /* of what is whole */
    uint64_t live;  /* bytes of records that count */
} crdti_log_segment;

typedef struct crdti_log_record {
    uint64_t place, seq;
    uint32_t len; /* with its head */
    int is_first;
} crdti_log_record;

typedef struct crdti_log_doc {
    uint8_t *name; /* NULL: no first record was ever seen */
    size_t name_len;
    uint64_t first; /* seq of the first record; 0: it is not there */
    uint64_t last;  /* seq that was ever given */
    CRDTI_ARRAY(crdti_log_record) records; /* by seq; those that count */
    int is_broken; /* some are missing: next must be a first one */
    int is_mixed;  /* not in order yet */
} crdti_log_doc;

/* A snapshot that is being written; doc 0: none is. `bytes` is the whole
 * file. */
typedef struct crdti_log_large {
    uint32_t doc, number; /* of the segment */
    uint64_t seq;         /* that it goes up to */
    int file;
    crdt_buf bytes;
    size_t at; /* so much is on the disk */
} crdti_log_large;

typedef struct crdti_log_store {
    crdt_alloc alloc;
    crdt_random random;
    crdt_log log;
    crdt_file_io io;
    crdt_id life;
    int is_failed;
    CRDTI_ARRAY(crdti_log_segment) segments; /* by number */
    uint32_t newest;                         /* number that was ever given */
    CRDTI_ARRAY(crdti_log_doc) docs;         /* document n is at n - 1 */
    crdti_hash_table names;                  /* name -> document */
    /* The head is the last segment, while it is open. */
    int head;         /* file, or -1 */
    uint64_t durable; /* bytes of it */
    crdt_buf out;     /* the next batch */
    /* A window on one file. */
    int file;
    uint32_t file_number;
    uint64_t file_size, window_at;
    crdt_buf window;
    /* The segment that is being copied, or 0. */
    uint32_t victim;
    uint64_t victim_at, budget;
    crdti_log_large large;
    crdt_file_stats stats;
} crdti_log_store;

typedef struct crdti_log_batch {
    uint64_t at, end;
    uint32_t durable;
    crdt_bytes body; /* borrowed from the window */
} crdti_log_batch;

/* A record as it stands in a batch. */
typedef struct crdti_log_item {
    uint64_t number, seq, place;
    int is_first;
    crdt_bytes name, bytes;
    size_t len;
} crdti_log_item;

CRDTI_FN uint64_t crdti_log_place(uint32_t number, uint64_t at)
{
    return (uint64_t)number << 32 | at;
}

CRDTI_FN void crdti_log_say(crdti_log_store *s, const char *what)
{
    if (s->log.line)
        s->log.line(s->log.ctx, what);
}

/* After this nothing on the disk is certain. */
CRDTI_FN crdt_err crdti_log_fail(crdti_log_store *s, crdt_err err)
{
    if (err == CRDT_ERR_IO)
        s->is_failed = 1;
    return err;
}

/* "0000002a.log" */
CRDTI_FN const char *crdti_log_name(char out[CRDTI_LOG_NAME], uint64_t number,
                                    const char *suffix)
{
    static const char digits[] = "0123456789abcdef";
    size_t i, len = crdt_str(suffix).len;
    for (i = 0; i < 8; i++)
        out[i] = digits[number >> (28 - 4 * i) & 15];
    crdti_copy(out + 8, suffix, len + 1);
    return out;
}

/* >>segments -------------------------------------------------------------- */

CRDTI_FN crdti_log_segment *crdti_log_segment_find(crdti_log_store *s,
                                                   uint64_t number)
{
    size_t low = 0, high = s->segments.len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->segments.ptr[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < s->segments.len && s->segments.ptr[low].number == number
               ? &s->segments.ptr[low]
               : NULL;
}

CRDTI_FN crdti_log_segment *crdti_log_last(crdti_log_store *s)
{
    return s->segments.len ? &s->segments.ptr[s->segments.len - 1] : NULL;
}

/* In order of numbers. NOMEM. */
CRDTI_FN crdt_err crdti_log_segment_add(crdti_log_store *s, uint32_t number)
{
    size_t i = s->segments.len;
    if (crdti_array_reserve(&s->alloc, &s->segments, 1))
        return CRDT_ERR_NOMEM;
    for (; i > 0 && s->segments.ptr[i - 1].number > number; i--)
        s->segments.ptr[i] = s->segments.ptr[i - 1];
    crdti_zero(&s->segments.ptr[i], sizeof s->segments.ptr[i]);
    s->segments.ptr[i].number = number;
    s->newest = number > s->newest ? number : s->newest;
    s->segments.len++;
    return CRDT_OK;
}

CRDTI_FN void crdti_log_segment_forget(crdti_log_store *s,
                                       crdti_log_segment *segment)
{
    size_t i = (size_t)(segment - s->segments.ptr);
    if (s->file >= 0 && s->file_number == segment->number) {
        s->io.close(s->io.ctx, s->file);
        s->file = -1;
    }
    for (s->segments.len--; i < s->segments.len; i++)
        s->segments.ptr[i] = s->segments.ptr[i + 1];
}

CRDTI_FN void crdti_log_count(crdti_log_store *s, uint64_t place, int64_t more)
{
    crdti_log_segment *segment = crdti_log_segment_find(s, place >> 32);
    if (segment)
        segment->live += (uint64_t)more;
    s->stats.live_bytes += (uint64_t)more;
}

/* >>reading --------------------------------------------------------------- */

/* Opens the segment for reading, instead of the one that is. */
CRDTI_FN crdt_err crdti_log_look(crdti_log_store *s, uint32_t number)
{
    char name[CRDTI_LOG_NAME];
    crdt_err err;
    if (s->file >= 0 && s->file_number == number)
        return CRDT_OK;
    if (s->file >= 0)
        s->io.close(s->io.ctx, s->file);
    s->file = -1;
    s->window.len = 0;
    s->file_size = 0;
    err = s->io.open(s->io.ctx, crdti_log_name(name, number, ".log"), 0,
                     &s->file);
    if (err)
        s->file = -1;
    s->file_number = number;
    return err;
}

/* The bytes there, borrowed until the next call. TRUNCATED: the file ends
 * before. */
CRDTI_FN crdt_err crdti_log_view(crdti_log_store *s, uint32_t number,
                                 uint64_t at, size_t len, crdt_bytes *out)
{
    size_t size;
    crdt_err err = crdti_log_look(s, number);
    if (err)
        return err;
    if (at < s->window_at || at + len > s->window_at + s->window.len) {
        if (at + len > s->file_size)
            err = s->io.size(s->io.ctx, s->file, &s->file_size);
        if (!err && at + len > s->file_size)
            return CRDT_ERR_TRUNCATED;
        size = (size_t)crdti_min(crdti_max_size(len, CRDTI_LOG_WINDOW),
                                 s->file_size - at);
        s->window.len = 0;
        if (!err)
            err = crdti_buf_reserve(&s->window, size);
        if (!err)
            err = s->io.read(s->io.ctx, s->file, at, s->window.ptr, size);
        if (err)
            return err;
        s->window.len = size;
        s->window_at = at;
    }
    *out = crdt_bytes_of(s->window.ptr + (at - s->window_at), len);
    return CRDT_OK;
}

/* The batch at that offset. CORRUPT: there is none that is whole; `end` is
 * then where to look on. */
CRDTI_FN crdt_err crdti_log_batch_get(crdti_log_store *s, uint32_t number,
                                      uint64_t at, crdti_log_batch *out)
{
    crdt_bytes head;
    uint32_t length, crc;
    crdt_err err = crdti_log_view(s, number, at, CRDTI_LOG_BATCH, &head);
    out->at = at;
    out->end = at + 1;
    if (err)
        return err == CRDT_ERR_TRUNCATED ? CRDT_ERR_CORRUPT : err;
    if (!crdti_equal(head.ptr, "crb1", 4) ||
        crdti_load32(head.ptr + 4) !=
            crdti_crc32c(0, crdt_bytes_of(head.ptr + 8, 20)) ||
        crdti_load64(head.ptr + 8) != crdti_log_place(number, at))
        return CRDT_ERR_CORRUPT;
    length = crdti_load32(head.ptr + 16);
    out->durable = crdti_load32(head.ptr + 20);
    crc = crdti_load32(head.ptr + 24);
    err = crdti_log_view(s, number, at + CRDTI_LOG_BATCH, length, &out->body);
    if (err)
        return err == CRDT_ERR_TRUNCATED ? CRDT_ERR_CORRUPT : err;
    if (crdti_crc32c(0, out->body) != crc)
        return CRDT_ERR_CORRUPT;
    out->end = at + CRDTI_LOG_BATCH + length;
    return CRDT_OK;
}

/* The offset of the next that may be a batch, or the end of the file. */
CRDTI_FN crdt_err crdti_log_seek(crdti_log_store *s, uint32_t number,
                                 uint64_t *at)
{
    crdt_bytes bytes = { NULL, 0 };
    crdt_err err = CRDT_OK;
    uint64_t size;
    err = crdti_log_view(s, number, 0, 0, &bytes);
    if (!err)
        err = s->io.size(s->io.ctx, s->file, &size);
    while (!err && *at + CRDTI_LOG_BATCH <= size) {
        size_t i, len = (size_t)crdti_min(size - *at, CRDTI_LOG_WINDOW);
        err = crdti_log_view(s, number, *at, len, &bytes);
        for (i = 0; !err && i + 4 <= len; i++)
            if (bytes.ptr[i] == 'c' && crdti_equal(bytes.ptr + i, "crb1", 4)) {
                *at += i;
                return CRDT_OK;
            }
        *at += len - 3;
    }
    *at = err ? *at : size;
    return err;
}

/* The first whole batch from there on. NOT_FOUND. */
CRDTI_FN crdt_err crdti_log_next(crdti_log_store *s, uint32_t number,
                                 uint64_t at, crdti_log_batch *out)
{
    crdt_err err = crdti_log_batch_get(s, number, at, out);
    while (err == CRDT_ERR_CORRUPT) {
        at = out->end;
        err = crdti_log_seek(s, number, &at);
        if (err)
            break;
        if (at + CRDTI_LOG_BATCH > s->file_size)
            return CRDT_ERR_NOT_FOUND;
        err = crdti_log_batch_get(s, number, at, out);
    }
    return err;
}

/* The next record of a batch; `r` goes through its body. */
CRDTI_FN void crdti_log_item_get(crdti_reader *r, uint32_t number,
                                 const crdti_log_batch *batch,
                                 crdti_log_item *out)
{
    const uint8_t *start = r->ptr;
    uint64_t head = crdti_get_varint(r);
    out->number = head >> 1;
    out->is_first = (int)(head & 1);
    out->seq = crdti_get_varint(r);
    out->name = crdti_no_key();
    if (out->is_first)
        out->name = crdti_get_bytes(r, CRDTSYNC_MAX_NAME);
    out->bytes = crdti_get_bytes(r, SIZE_MAX);
    if (!r->err &&
        (out->number == 0 || out->number > CRDTI_LOG_DOCS || out->seq == 0))
        crdti_reader_fail(r, CRDT_ERR_CORRUPT);
    out->len = (size_t)(r->ptr - start);
    out->place = crdti_log_place(number, batch->at + CRDTI_LOG_BATCH +
                                             (uint64_t)(start - r->start));
}

/* >>index ----------------------------------------------------------------- */

CRDTI_FN uint64_t crdti_log_hash(crdt_bytes name)
{
    return crdti_hash(name.ptr, name.len, 0);
}

CRDTI_FN crdt_bytes crdti_log_doc_name(const crdti_log_doc *doc)
{
    return crdt_bytes_of(doc->name, doc->name_len);
}

/* The number of the document, or 0. */
CRDTI_FN uint32_t crdti_log_doc_find(const crdti_log_store *s, crdt_bytes name)
{
    size_t i;
    uint32_t at = crdti_table_first(&s->names, crdti_log_hash(name), &i);
    while (at &&
           !crdt_bytes_equal(crdti_log_doc_name(&s->docs.ptr[at - 1]), name))
        at = crdti_table_next(&s->names, crdti_log_hash(name), &i);
    return at;
}

/* Room for the record in the index, so that it goes in without a way to
 * fail. */
CRDTI_FN crdt_err crdti_log_reserve(crdti_log_store *s,
                                    const crdti_log_item *item)
{
    size_t n = (size_t)item->number;
    crdti_log_doc *doc;
    if (n > s->docs.len) {
        if (crdti_array_reserve(&s->alloc, &s->docs, n - s->docs.len))
            return CRDT_ERR_NOMEM;
        crdti_zero(s->docs.ptr + s->docs.len,
                   (n - s->docs.len) * sizeof *s->docs.ptr);
        s->docs.len = n;
    }
    doc = &s->docs.ptr[n - 1];
    if (crdti_array_reserve(&s->alloc, &doc->records, 1))
        return CRDT_ERR_NOMEM;
    if (!item->is_first || doc->name)
        return CRDT_OK;
    if (crdti_table_reserve(&s->alloc, &s->names, 1))
        return CRDT_ERR_NOMEM;
    doc->name = (uint8_t *)crdti_alloc(&s->alloc, item->name.len + 1);
    if (!doc->name)
        return CRDT_ERR_NOMEM;
    doc->name_len = item->name.len;
    crdti_copy(doc->name, item->name.ptr, item->name.len);
    crdti_table_insert(&s->names, crdti_log_hash(item->name),
                       (uint32_t)item->number);
    s->stats.documents++;
    return CRDT_OK;
}

/* Where the first record of at least that seq is, or belongs. */
CRDTI_FN size_t crdti_log_record_place(const crdti_log_doc *doc, uint64_t seq)
{
    size_t low = 0, high = doc->records.len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (doc->records.ptr[middle].seq < seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Records [from, to) count no more. */
CRDTI_FN void crdti_log_drop(crdti_log_store *s, crdti_log_doc *doc,
                             size_t from, size_t to)
{
    size_t i;
    if (from == to)
        return;
    for (i = from; i < to; i++)
        crdti_log_count(s, doc->records.ptr[i].place,
                        -(int64_t)doc->records.ptr[i].len);
    crdti_move(doc->records.ptr + from, doc->records.ptr + to,
               (doc->records.len - to) * sizeof *doc->records.ptr);
    doc->records.len -= to - from;
}

CRDTI_FN void crdti_log_record_set(crdti_log_store *s,
                                   crdti_log_record *record,
                                   const crdti_log_item *item)
{
    record->place = item->place;
    record->seq = item->seq;
    record->len = (uint32_t)item->len;
    record->is_first = item->is_first;
    crdti_log_count(s, item->place, (int64_t)item->len);
}

/* Files a record that was put behind all that are there: it is new, or takes
 * the place of all, or is a copy of one. */
CRDTI_FN void crdti_log_file(crdti_log_store *s, const crdti_log_item *item)
{
    crdti_log_doc *doc = &s->docs.ptr[item->number - 1];
    size_t at = crdti_log_record_place(doc, item->seq);
    crdti_log_record *record = doc->records.ptr + at;
    if (at < doc->records.len && record->is_first == item->is_first) {
        crdti_log_count(s, record->place, -(int64_t)record->len);
        crdti_log_record_set(s, record, item);
        return;
    }
    doc->last = crdti_max(doc->last, item->seq);
    if (item->is_first) {
        crdti_log_drop(s, doc, 0, crdti_log_record_place(doc, item->seq + 1));
        doc->first = item->seq;
    }
    /* A record is the last one, and one that takes their place the first. */
    at = item->is_first ? 0 : doc->records.len;
    record = doc->records.ptr + at;
    crdti_move(record + 1, record, (doc->records.len++ - at) * sizeof *record);
    crdti_log_record_set(s, record, item);
}

/* The same while all is read, when copies come late: order is made when all
 * are there. */
CRDTI_FN void crdti_log_collect(crdti_log_store *s, const crdti_log_item *item)
{
    crdti_log_doc *doc = &s->docs.ptr[item->number - 1];
    if (!doc->records.len)
        doc->first = item->is_first ? item->seq : 0;
    else if (item->is_first || item->seq <= doc->last)
        doc->is_mixed = 1;
    doc->last = crdti_max(doc->last, item->seq);
    crdti_log_record_set(s, doc->records.ptr + doc->records.len++, item);
}

/* By seq; of equal ones the later place counts, and comes last. */
CRDTI_FN int crdti_log_order(const void *ctx, uint32_t a, uint32_t b)
{
    const crdti_log_record *x = (const crdti_log_record *)ctx + a;
    const crdti_log_record *y = (const crdti_log_record *)ctx + b;
    if (x->seq != y->seq)
        return x->seq < y->seq ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

/* Of the records in that order, those from the last first one on that count.
 * How many; `out` has room for all. */
CRDTI_FN size_t crdti_log_choose_records(crdti_log_doc *doc,
                                         const uint32_t *order,
                                         crdti_log_record *out)
{
    const crdti_log_record *all = doc->records.ptr;
    size_t i, len = 0, start = doc->records.len;
    while (start > 0 && !all[order[start - 1]].is_first)
        start--;
    doc->first = start ? all[order[start - 1]].seq : 0;
    if (start)
        out[len++] = all[order[start - 1]];
    for (i = start; i < doc->records.len; i++) {
        const crdti_log_record *record = &all[order[i]];
        if (record->seq == doc->first)
            continue;
        if (len && out[len - 1].seq == record->seq)
            len--;
        out[len++] = *record;
    }
    return len;
}

CRDTI_FN crdt_err crdti_log_sort(crdti_log_store *s, crdti_log_doc *doc)
{
    size_t i, len = doc->records.len, size = len * sizeof(uint32_t);
    uint32_t *order = (uint32_t *)crdti_alloc(&s->alloc, size);
    crdti_log_record *kept =
        (crdti_log_record *)crdti_alloc(&s->alloc, len * sizeof *kept);
    if (order && kept) {
        for (i = 0; i < len; i++) {
            order[i] = (uint32_t)i;
            crdti_log_count(s, doc->records.ptr[i].place,
                            -(int64_t)doc->records.ptr[i].len);
        }
        crdti_sort(crdti_log_order, doc->records.ptr, order, len);
        doc->records.len = crdti_log_choose_records(doc, order, kept);
        crdti_copy(doc->records.ptr, kept, doc->records.len * sizeof *kept);
        for (i = 0; i < doc->records.len; i++)
            crdti_log_count(s, kept[i].place, (int64_t)kept[i].len);
        doc->is_mixed = 0;
    }
    crdti_free(&s->alloc, order, size);
    crdti_free(&s->alloc, kept, len * sizeof *kept);
    return doc->is_mixed ? CRDT_ERR_NOMEM : CRDT_OK;
}

/* Whether this is the copy that counts. */
CRDTI_FN int crdti_log_is_live(const crdti_log_store *s,
                               const crdti_log_item *item)
{
    const crdti_log_doc *doc;
    size_t at;
    if (item->number > s->docs.len)
        return 0;
    doc = &s->docs.ptr[item->number - 1];
    at = crdti_log_record_place(doc, item->seq);
    return at < doc->records.len && doc->records.ptr[at].place == item->place;
}

/* >>writing --------------------------------------------------------------- */

/* Makes what is written so far durable, in the head. */
CRDTI_FN crdt_err crdti_log_settle(crdti_log_store *s)
{
    crdti_log_segment *head = crdti_log_last(s);
    crdt_err err = CRDT_OK;
    if (s->head < 0)
        return CRDT_OK;
    if (s->durable < head->size) {
        err = s->io.sync(s->io.ctx, s->head);
        s->stats.syncs++;
    }
    /* After a sync that failed, for whatever reason, the system may believe
     * that what it has not written is written. */
    if (err)
        return crdti_log_fail(s, CRDT_ERR_IO);
    s->durable = head->size;
    return CRDT_OK;
}

/* In front of `len` bytes of records. */
CRDTI_FN void crdti_log_batch_head(uint8_t *p, size_t len, uint64_t place,
                                   uint64_t durable)
{
    crdt_bytes body = crdt_bytes_of(p + CRDTI_LOG_BATCH, len);
    crdti_copy(p, "crb1", 4);
    crdti_store64(p + 8, place);
    crdti_store32(p + 16, (uint32_t)len);
    crdti_store32(p + 20, (uint32_t)durable);
    crdti_store32(p + 24, crdti_crc32c(0, body));
    crdti_store32(p + 4, crdti_crc32c(0, crdt_bytes_of(p + 8, 20)));
}

/* Writes the batch at the end of the head. FULL: it stays for the next try,
 * at the same place. */
CRDTI_FN crdt_err crdti_log_write(crdti_log_store *s)
{
    crdti_log_segment *head = crdti_log_last(s);
    crdt_err err;
    if (!s->out.len)
        return CRDT_OK;
    crdti_log_batch_head(s->out.ptr, s->out.len - CRDTI_LOG_BATCH,
                         crdti_log_place(head->number, head->size),
                         s->durable);
    err = s->io.write(s->io.ctx, s->head, head->size, crdt_buf_bytes(&s->out));
    if (err)
        return crdti_log_fail(s, err);
    head->size += s->out.len;
    s->stats.bytes += s->out.len;
    s->stats.written_bytes += s->out.len;
    s->out.len = 0;
    if (s->out.cap > 2 * CRDTI_LOG_WRITE)
        crdt_buf_free(&s->out);
    return CRDT_OK;
}

/* Closes the head for good; all in it is durable then. */
CRDTI_FN crdt_err crdti_log_close_head(crdti_log_store *s)
{
    crdt_err err = crdti_log_settle(s);
    if (s->head >= 0 && !err) {
        s->io.close(s->io.ctx, s->head);
        s->head = -1;
    }
    return err;
}

CRDTI_FN void crdti_log_head_make(const crdti_log_store *s, uint32_t number,
                                  uint8_t *head)
{
    crdti_zero(head, CRDTI_LOG_HEAD);
    crdti_copy(head, "crdtlog\n", 8);
    crdti_store32(head + 8, CRDTI_LOG_VERSION);
    crdti_store32(head + 12, number);
    crdti_copy(head + 16, s->life.b, sizeof s->life.b);
    crdti_store32(head + 40, crdti_crc32c(0, crdt_bytes_of(head, 40)));
}

/* Durable before anything stands behind it. */
CRDTI_FN crdt_err crdti_log_write_head(crdti_log_store *s, uint32_t number)
{
    uint8_t head[CRDTI_LOG_HEAD];
    crdt_err err;
    crdti_log_head_make(s, number, head);
    err = s->io.write(s->io.ctx, s->head, 0, crdt_bytes_of(head, sizeof head));
    if (!err)
        err = s->io.sync(s->io.ctx, s->head);
    return err ? err : s->io.sync_names(s->io.ctx);
}

/* A new head. FULL, NOMEM: there is none, as before. */
CRDTI_FN crdt_err crdti_log_open_head(crdti_log_store *s)
{
    uint32_t number = s->newest + 1;
    char name[CRDTI_LOG_NAME];
    crdt_err err = crdti_log_segment_add(s, number);
    if (err)
        return err;
    err = s->io.open(s->io.ctx, crdti_log_name(name, number, ".log"), 1,
                     &s->head);
    if (!err) {
        err = crdti_log_write_head(s, number);
        if (err) {
            s->io.close(s->io.ctx, s->head);
            s->io.remove(s->io.ctx, name);
        }
    }
    if (err) {
        s->head = -1;
        s->segments.len--;
        s->newest--; /* lest what is removed comes back as another's elder */
        return crdti_log_fail(s, err);
    }
    crdti_log_last(s)->size = CRDTI_LOG_HEAD;
    s->stats.bytes += CRDTI_LOG_HEAD;
    s->stats.files++;
    s->durable = CRDTI_LOG_HEAD;
    return CRDT_OK;
}

/* A tenth part of what counts: small stores have small segments. */
CRDTI_FN uint64_t crdti_log_segment_max(const crdti_log_store *s)
{
    return crdti_max(CRDTI_LOG_MIN,
                     crdti_min(CRDTI_LOG_MAX, s->stats.live_bytes / 10));
}

/* Makes sure that the next record has a place. */
CRDTI_FN crdt_err crdti_log_begin(crdti_log_store *s)
{
    crdt_err err = CRDT_OK;
    if (s->out.len >= CRDTI_LOG_WRITE)
        err = crdti_log_write(s);
    if (!err && !s->out.len && s->head >= 0 &&
        crdti_log_last(s)->size >= crdti_log_segment_max(s))
        err = crdti_log_close_head(s);
    if (!err && s->head < 0)
        err = crdti_log_open_head(s);
    return err;
}

CRDTI_FN void crdti_log_item_put(crdti_writer *w, const crdti_log_item *item)
{
    crdti_put_varint(w, item->number << 1 | (unsigned)item->is_first);
    crdti_put_varint(w, item->seq);
    if (item->is_first)
        crdti_put_bytes(w, item->name);
    crdti_put_bytes(w, item->bytes);
}

/* Puts a record into the next batch, and files it. */
CRDTI_FN crdt_err crdti_log_put(crdti_log_store *s, crdti_log_item *item)
{
    crdt_err err = crdti_log_begin(s);
    size_t start = s->out.len, at;
    crdti_writer w;
    if (err)
        return err;
    crdti_writer_init(&w, &s->out);
    if (!start && crdti_put_room(&w, CRDTI_LOG_BATCH))
        s->out.len = CRDTI_LOG_BATCH;
    at = s->out.len;
    crdti_log_item_put(&w, item);
    if (!w.err)
        w.err = crdti_log_reserve(s, item);
    if (w.err) {
        s->out.len = start;
        return w.err;
    }
    item->len = s->out.len - at;
    item->place = crdti_log_place(crdti_log_last(s)->number,
                                  crdti_log_last(s)->size + at);
    crdti_log_file(s, item);
    s->budget += item->len;
    return CRDT_OK;
}

/* >>large snapshots ------------------------------------------------------- */

/* What was written of it is of no use: the records before it are there. */
CRDTI_FN void crdti_log_large_drop(crdti_log_store *s)
{
    char name[CRDTI_LOG_NAME];
    if (!s->large.doc)
        return;
    s->io.close(s->io.ctx, s->large.file);
    s->io.remove(s->io.ctx, crdti_log_name(name, s->large.number, ".new"));
    crdt_buf_free(&s->large.bytes);
    s->large.doc = 0;
}

/* The file, in memory. */
CRDTI_FN crdt_err crdti_log_large_make(crdti_log_store *s,
                                       const crdti_log_item *item,
                                       uint32_t number)
{
    const size_t start = CRDTI_LOG_HEAD + CRDTI_LOG_BATCH;
    crdti_writer w;
    crdti_writer_init(&w, &s->large.bytes);
    if (!crdti_put_room(&w, start + item->bytes.len + 2 * CRDTSYNC_MAX_NAME))
        return w.err;
    s->large.bytes.len = start;
    crdti_log_item_put(&w, item);
    if (w.err)
        return w.err;
    crdti_log_head_make(s, number, s->large.bytes.ptr);
    crdti_log_batch_head(
        s->large.bytes.ptr + CRDTI_LOG_HEAD, s->large.bytes.len - start,
        crdti_log_place(number, CRDTI_LOG_HEAD), CRDTI_LOG_HEAD);
    return CRDT_OK;
}

CRDTI_FN crdt_err crdti_log_large_begin(crdti_log_store *s,
                                        const crdti_log_item *item)
{
    char name[CRDTI_LOG_NAME];
    uint32_t number = s->newest + 1;
    crdt_err err = crdti_log_large_make(s, item, number);
    if (!err)
        err = s->io.open(s->io.ctx, crdti_log_name(name, number, ".new"), 1,
                         &s->large.file);
    if (err) {
        crdt_buf_free(&s->large.bytes);
        return crdti_log_fail(s, err);
    }
    s->newest = s->large.number = number;
    s->large.doc = (uint32_t)item->number;
    s->large.seq = item->seq;
    s->large.at = 0;
    return CRDT_OK;
}

/* It is whole, and the head from here on; unless there is one already that
 * comes behind it. What was the head ends first: only the last segment may be
 * one that was not finished. */
CRDTI_FN crdt_err crdti_log_large_adopt(crdti_log_store *s)
{
    crdt_err err = CRDT_OK;
    s->large.doc = 0;
    if (s->head >= 0 && crdti_log_last(s)->number > s->large.number) {
        s->io.close(s->io.ctx, s->large.file);
        return CRDT_OK;
    }
    err = crdti_log_close_head(s);
    if (err) {
        s->io.close(s->io.ctx, s->large.file);
        return err;
    }
    s->head = s->large.file;
    s->durable = s->large.bytes.len;
    return CRDT_OK;
}

CRDTI_FN crdt_err crdti_log_large_end(crdti_log_store *s)
{
    char from[CRDTI_LOG_NAME], to[CRDTI_LOG_NAME];
    crdti_log_item item;
    crdt_err err;
    item.number = s->large.doc;
    item.seq = s->large.seq;
    item.is_first = 1;
    item.name = crdti_log_doc_name(&s->docs.ptr[s->large.doc - 1]);
    item.len = s->large.bytes.len - CRDTI_LOG_HEAD - CRDTI_LOG_BATCH;
    item.place =
        crdti_log_place(s->large.number, CRDTI_LOG_HEAD + CRDTI_LOG_BATCH);
    if (crdti_log_reserve(s, &item) ||
        crdti_array_reserve(&s->alloc, &s->segments, 1))
        return CRDT_OK; /* with the next sync */
    crdti_log_name(from, s->large.number, ".new");
    crdti_log_name(to, s->large.number, ".log");
    err = crdti_log_large_adopt(s);
    if (!err)
        err = s->io.rename(s->io.ctx, from, to);
    if (!err)
        err = s->io.sync_names(s->io.ctx);
    if (err)
        return crdti_log_fail(s, CRDT_ERR_IO);
    crdti_log_segment_add(s, s->large.number);
    crdti_log_segment_find(s, s->large.number)->size = s->large.bytes.len;
    s->stats.bytes += s->large.bytes.len;
    s->stats.written_bytes += s->large.bytes.len;
    s->stats.files++;
    crdti_log_file(s, &item);
    crdt_buf_free(&s->large.bytes);
    return CRDT_OK;
}

/* The next piece. On a full disk it can wait for another day. */
CRDTI_FN crdt_err crdti_log_large_step(crdti_log_store *s)
{
    size_t left = s->large.bytes.len - s->large.at, len;
    crdt_err err = CRDT_OK;
    if (!s->large.doc)
        return CRDT_OK;
    len = crdti_min_size(left, CRDTI_LOG_PIECE);
    if (len)
        err =
            s->io.write(s->io.ctx, s->large.file, s->large.at,
                        crdt_bytes_of(s->large.bytes.ptr + s->large.at, len));
    if (err == CRDT_ERR_FULL) {
        crdti_log_large_drop(s);
        return CRDT_OK;
    }
    if (!err)
        err = s->io.sync(s->io.ctx, s->large.file);
    if (err)
        return crdti_log_fail(s, CRDT_ERR_IO);
    s->large.at += len;
    return len < left ? CRDT_OK : crdti_log_large_end(s);
}

/* >>room ------------------------------------------------------------------
 * Segments of which nothing counts go. When a quarter of all is dead, what
 * counts in the deadest one is copied to the head, a piece with each sync. */

CRDTI_FN crdt_err crdti_log_remove(crdti_log_store *s,
                                   crdti_log_segment *segment)
{
    char name[CRDTI_LOG_NAME];
    crdt_err err;
    crdti_log_name(name, segment->number, ".log");
    s->stats.bytes -= segment->size;
    s->stats.files--;
    if (s->victim == segment->number)
        s->victim = 0;
    crdti_log_segment_forget(s, segment);
    err = s->io.remove(s->io.ctx, name);
    return crdti_log_fail(s, err);
}

/* Those that took the place of what is there are durable. */
CRDTI_FN crdt_err crdti_log_sweep(crdti_log_store *s)
{
    size_t i = s->segments.len;
    crdt_err err = CRDT_OK;
    while (i-- > 0 && !err)
        if (!s->segments.ptr[i].live && !s->segments.ptr[i].is_damaged &&
            (s->head < 0 || i + 1 < s->segments.len))
            err = crdti_log_remove(s, &s->segments.ptr[i]);
    return err;
}

/* The segment of which the least counts, of its size; or very short ones when
 * there are many. */
CRDTI_FN void crdti_log_choose(crdti_log_store *s)
{
    uint64_t max = crdti_log_segment_max(s), best = 0, score;
    size_t i, len = s->segments.len - (s->head >= 0);
    int is_wanted = s->stats.bytes > s->stats.live_bytes / 3 * 4 + 2 * max;
    int is_split = len > 32 && s->stats.bytes / len < max / 4;
    for (i = 0; i < len && (is_wanted || is_split); i++) {
        const crdti_log_segment *segment = &s->segments.ptr[i];
        if (segment->is_damaged)
            continue;
        score = (segment->size - segment->live) * 1000 / segment->size + 1;
        if (is_split && segment->size < max / 4)
            score += 1000;
        if (score <= best)
            continue;
        best = score;
        s->victim = segment->number;
        s->victim_at = CRDTI_LOG_HEAD;
    }
}

CRDTI_FN crdt_err crdti_log_copy_batch(crdti_log_store *s, uint32_t number,
                                       const crdti_log_batch *batch)
{
    crdti_reader r;
    crdt_err err = CRDT_OK;
    crdti_reader_init(&r, batch->body);
    while (!err && r.ptr < r.end) {
        crdti_log_item item;
        crdti_log_item_get(&r, number, batch, &item);
        err = r.err;
        if (!err && crdti_log_is_live(s, &item))
            err = crdti_log_put(s, &item);
    }
    return err;
}

/* Copies what counts of the victim, at most so many bytes of it. */
CRDTI_FN crdt_err crdti_log_copy(crdti_log_store *s, uint64_t bytes)
{
    const crdti_log_segment *segment = crdti_log_segment_find(s, s->victim);
    uint64_t until = s->victim_at + bytes;
    crdti_log_batch batch;
    crdt_err err = CRDT_OK;
    while (!err && s->victim_at < until && segment->live) {
        err = crdti_log_next(s, s->victim, s->victim_at, &batch);
        if (!err)
            err = crdti_log_copy_batch(s, s->victim, &batch);
        if (!err)
            s->victim_at = batch.end;
        segment = crdti_log_segment_find(s, s->victim); /* it may move */
    }
    if (err != CRDT_ERR_NOT_FOUND && segment->live)
        return err;
    /* Something that counts has become unreadable: who loads it will see. */
    if (segment->live)
        crdti_log_segment_find(s, s->victim)->is_damaged = 1;
    s->victim = 0;
    return err == CRDT_ERR_NOT_FOUND ? CRDT_OK : err;
}

/* Some of the work, in proportion to what was added. A full disk stops it. */
CRDTI_FN crdt_err crdti_log_clean_up(crdti_log_store *s)
{
    uint64_t bytes = CRDTI_LOG_WINDOW + 4 * s->budget;
    crdt_err err;
    s->budget = 0;
    if (!s->victim)
        crdti_log_choose(s);
    if (!s->victim)
        return CRDT_OK;
    err = crdti_log_copy(s, bytes);
    s->budget = 0;
    return s->is_failed ? err : CRDT_OK;
}

/* >>table ----------------------------------------------------------------- */

CRDTI_FN crdt_err crdti_log_add(crdti_log_store *s, crdt_bytes name,
                                crdt_bytes record, int is_snapshot)
{
    crdti_log_item item;
    const crdti_log_doc *doc = NULL;
    if (s->is_failed)
        return CRDT_ERR_IO;
    if (name.len > CRDTSYNC_MAX_NAME || record.len > CRDTSYNC_MAX_TRANSFER)
        return CRDT_ERR_LIMIT;
    item.number = crdti_log_doc_find(s, name);
    if (item.number)
        doc = &s->docs.ptr[item.number - 1];
    else if (s->docs.len == CRDTI_LOG_DOCS)
        return CRDT_ERR_LIMIT;
    else
        item.number = s->docs.len + 1;
    if (doc && doc->is_broken && !is_snapshot)
        return CRDT_ERR_CORRUPT;
    item.is_first = is_snapshot || !doc;
    item.seq = !doc ? 1 : doc->last + (is_snapshot ? 0 : 1);
    item.name = name;
    item.bytes = record;
    if (is_snapshot && s->large.doc == item.number)
        crdti_log_large_drop(s);
    if (is_snapshot && doc && !doc->is_broken && !s->large.doc &&
        record.len >= CRDTI_LOG_LARGE)
        return crdti_log_large_begin(s, &item);
    return crdti_log_put(s, &item);
}

CRDTI_FN crdt_err crdti_log_append(void *ctx, crdt_bytes name,
                                   crdt_bytes record)
{
    return crdti_log_add((crdti_log_store *)ctx, name, record, 0);
}

CRDTI_FN crdt_err crdti_log_snapshot(void *ctx, crdt_bytes name,
                                     crdt_bytes record)
{
    crdti_log_store *s = (crdti_log_store *)ctx;
    crdt_err err = crdti_log_add(s, name, record, 1);
    if (!err)
        s->docs.ptr[crdti_log_doc_find(s, name) - 1].is_broken = 0;
    return err;
}

CRDTI_FN crdt_err crdti_log_sync(void *ctx, int durably)
{
    crdti_log_store *s = (crdti_log_store *)ctx;
    crdt_err err;
    if (s->is_failed)
        return CRDT_ERR_IO;
    err = crdti_log_write(s);
    if (err)
        return err;
    /* Nor can a lazy store remove what it has not. */
    if (durably || s->stats.bytes >
                       2 * s->stats.live_bytes + 4 * crdti_log_segment_max(s))
        err = crdti_log_settle(s);
    if (!err && s->head >= 0 && s->durable == crdti_log_last(s)->size)
        err = crdti_log_sweep(s);
    if (!err)
        err = crdti_log_large_step(s);
    return err ? err : crdti_log_clean_up(s);
}

/* What is behind a gap, in a file of its own. */
CRDTI_FN crdt_err crdti_log_set_aside(crdti_log_store *s, uint32_t number,
                                      size_t from)
{
    crdti_log_doc *doc = &s->docs.ptr[number - 1];
    char name[CRDTI_LOG_NAME];
    uint64_t at = 0;
    size_t i;
    int file;
    crdt_err err = s->io.open(
        s->io.ctx, crdti_log_name(name, number, ".records"), 1, &file);
    if (err)
        return crdti_log_fail(s, err);
    for (i = from; i < doc->records.len && !err; i++) {
        const crdti_log_record *record = &doc->records.ptr[i];
        crdt_bytes bytes;
        /* What cannot be read is what is to be set aside: leave it out. */
        if (crdti_log_view(s, (uint32_t)(record->place >> 32),
                           record->place & UINT32_MAX, record->len, &bytes))
            continue;
        err = s->io.write(s->io.ctx, file, at, bytes);
        at += bytes.len;
    }
    if (!err)
        err = s->io.sync(s->io.ctx, file);
    s->io.close(s->io.ctx, file);
    if (!err)
        err = s->io.sync_names(s->io.ctx);
    if (err)
        return crdti_log_fail(s, err);
    crdti_log_drop(s, doc, from, doc->records.len);
    if (!from)
        doc->first = 0;
    doc->is_broken = 1;
    s->stats.set_aside++;
    crdti_log_say(s, "records of a document are missing; those behind them "
                     "are set aside");
    return CRDT_ERR_CORRUPT;
}

/* Tells one record; CORRUPT: it is not what it was. */
CRDTI_FN crdt_err crdti_log_tell(crdti_log_store *s,
                                 const crdti_log_record *record,
                                 crdt_bytes_fn *fn, void *to)
{
    uint32_t number = (uint32_t)(record->place >> 32);
    crdti_log_batch batch;
    crdti_log_item item;
    crdti_reader r;
    crdt_bytes bytes;
    crdt_err err = crdti_log_view(s, number, record->place & UINT32_MAX,
                                  record->len, &bytes);
    if (err)
        return err == CRDT_ERR_TRUNCATED || err == CRDT_ERR_NOT_FOUND
                   ? CRDT_ERR_CORRUPT
                   : err;
    batch.at = 0;
    crdti_reader_init(&r, bytes);
    crdti_log_item_get(&r, number, &batch, &item);
    if (r.err || item.seq != record->seq || item.len != record->len)
        return CRDT_ERR_CORRUPT;
    return fn(to, item.bytes);
}

CRDTI_FN crdt_err crdti_log_load(void *ctx, crdt_bytes name, crdt_bytes_fn *fn,
                                 void *to)
{
    crdti_log_store *s = (crdti_log_store *)ctx;
    uint32_t number = crdti_log_doc_find(s, name);
    const crdti_log_doc *doc;
    size_t i;
    crdt_err err = s->is_failed ? CRDT_ERR_IO : crdti_log_write(s);
    if (err || !number)
        return err;
    doc = &s->docs.ptr[number - 1];
    for (i = 0; i < doc->records.len && !err; i++) {
        const crdti_log_record *record = &doc->records.ptr[i];
        if (record->seq != doc->first + i)
            break;
        err = crdti_log_tell(s, record, fn, to);
        if (err)
            break;
    }
    if (err && err != CRDT_ERR_CORRUPT)
        return err;
    if (i == doc->records.len)
        return doc->is_broken ? CRDT_ERR_CORRUPT : CRDT_OK;
    return crdti_log_set_aside(s, number, i);
}

CRDTI_FN crdt_err crdti_log_list(void *ctx, crdt_bytes_fn *fn, void *to)
{
    const crdti_log_store *s = (const crdti_log_store *)ctx;
    size_t i;
    crdt_err err = CRDT_OK;
    for (i = 0; i < s->docs.len && !err; i++)
        if (s->docs.ptr[i].name)
            err = fn(to, crdti_log_doc_name(&s->docs.ptr[i]));
    return err;
}

/* >>the clean mark -------------------------------------------------------- */

#define CRDTI_LOG_CLEAN "clean"

typedef struct crdti_log_mark {
    uint32_t number;
    uint64_t size, files;
    crdt_id life;
    uint8_t identity[CRDT_FILE_IDENTITY];
} crdti_log_mark;

/* Differs when a segment is missing, or was cut where a batch ends. */
CRDTI_FN uint64_t crdti_log_files(const crdti_log_store *s)
{
    uint64_t hash = 0;
    size_t i;
    for (i = 0; i < s->segments.len; i++) {
        const crdti_log_segment *segment = &s->segments.ptr[i];
        hash = crdti_mix(hash ^ segment->number, segment->size ^ CRDTI_HASH_1);
    }
    return hash;
}

/* Says how the store is left. Without it the next opener takes it for a
 * crash, which does no harm; so errors are none. */
CRDTI_FN void crdti_log_mark_write(crdti_log_store *s)
{
    uint8_t mark[CRDTI_LOG_MARK];
    const crdti_log_segment *head = crdti_log_last(s);
    int file;
    crdti_zero(mark, sizeof mark);
    crdti_copy(mark, "crdtend\n", 8);
    crdti_store32(mark + 8, CRDTI_LOG_VERSION);
    crdti_store32(mark + 12, head->number);
    crdti_store64(mark + 16, head->size);
    crdti_copy(mark + 24, s->life.b, sizeof s->life.b);
    crdti_store64(mark + 40, crdti_log_files(s));
    if (s->io.identify(s->io.ctx, s->head, mark + 48) ||
        s->io.open(s->io.ctx, CRDTI_LOG_CLEAN, 1, &file))
        return;
    crdti_store32(mark + 112, crdti_crc32c(0, crdt_bytes_of(mark, 112)));
    if (!s->io.write(s->io.ctx, file, 0, crdt_bytes_of(mark, sizeof mark)) &&
        !s->io.sync(s->io.ctx, file))
        s->io.sync_names(s->io.ctx);
    s->io.close(s->io.ctx, file);
}

/* NOT_FOUND: there is none, or none that is whole. */
CRDTI_FN crdt_err crdti_log_mark_read(crdti_log_store *s, crdti_log_mark *out)
{
    uint8_t mark[CRDTI_LOG_MARK];
    int file;
    crdt_err err = s->io.open(s->io.ctx, CRDTI_LOG_CLEAN, 0, &file);
    crdti_zero(out, sizeof *out);
    if (err)
        return err;
    err = s->io.read(s->io.ctx, file, 0, mark, sizeof mark);
    s->io.close(s->io.ctx, file);
    if (err == CRDT_ERR_TRUNCATED)
        return CRDT_ERR_NOT_FOUND;
    if (err)
        return err;
    if (!crdti_equal(mark, "crdtend\n", 8) ||
        crdti_load32(mark + 8) != CRDTI_LOG_VERSION ||
        crdti_load32(mark + 112) != crdti_crc32c(0, crdt_bytes_of(mark, 112)))
        return CRDT_ERR_NOT_FOUND;
    out->number = crdti_load32(mark + 12);
    out->size = crdti_load64(mark + 16);
    crdti_copy(out->life.b, mark + 24, sizeof out->life.b);
    out->files = crdti_load64(mark + 40);
    crdti_copy(out->identity, mark + 48, sizeof out->identity);
    return CRDT_OK;
}

CRDTI_FN void crdti_log_free(crdti_log_store *s)
{
    crdt_alloc alloc = s->alloc;
    size_t i;
    if (s->head >= 0)
        s->io.close(s->io.ctx, s->head);
    if (s->file >= 0)
        s->io.close(s->io.ctx, s->file);
    s->io.end(s->io.ctx);
    for (i = 0; i < s->docs.len; i++) {
        crdti_log_doc *doc = &s->docs.ptr[i];
        if (doc->name)
            crdti_free(&alloc, doc->name, doc->name_len + 1);
        crdti_array_free(&alloc, &doc->records);
    }
    crdti_array_free(&alloc, &s->docs);
    crdti_array_free(&alloc, &s->segments);
    crdti_table_free(&alloc, &s->names);
    crdt_buf_free(&s->out);
    crdt_buf_free(&s->window);
    crdt_buf_free(&s->large.bytes);
    crdti_free(&alloc, s, sizeof *s);
}

CRDTI_FN void crdti_log_close(void *ctx, int cleanly)
{
    crdti_log_store *s = (crdti_log_store *)ctx;
    crdt_err err = s->is_failed ? CRDT_ERR_IO : crdti_log_write(s);
    if (!err && cleanly)
        err = crdti_log_settle(s);
    crdti_log_large_drop(s);
    if (!err && cleanly && s->head >= 0)
        crdti_log_mark_write(s);
    crdti_log_free(s);
}

/* >>opening --------------------------------------------------------------- */

/* 8 digits and the suffix: the number, or 0. */
CRDTI_FN uint32_t crdti_log_number(crdt_bytes name, const char *suffix)
{
    uint32_t number = 0;
    size_t i, len = crdt_str(suffix).len;
    if (name.len != 8 + len || !crdti_equal(name.ptr + 8, suffix, len))
        return 0;
    for (i = 0; i < 8; i++) {
        uint8_t c = name.ptr[i];
        if (c >= '0' && c <= '9')
            number = number << 4 | (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            number = number << 4 | (uint32_t)(c - 'a' + 10);
        else
            return 0;
    }
    return number;
}

CRDTI_FN crdt_err crdti_log_found(void *ctx, crdt_bytes name)
{
    crdti_log_store *s = (crdti_log_store *)ctx;
    uint32_t number = crdti_log_number(name, ".damaged");
    s->newest = number > s->newest ? number : s->newest;
    number = crdti_log_number(name, ".log");
    return number ? crdti_log_segment_add(s, number) : CRDT_OK;
}

/* Large snapshots that are not whole. */
CRDTI_FN crdt_err crdti_log_found_new(void *ctx, crdt_bytes name)
{
    crdti_log_store *s = (crdti_log_store *)ctx;
    uint32_t number = crdti_log_number(name, ".new");
    s->large.number = number ? number : s->large.number;
    return CRDT_OK;
}

CRDTI_FN crdt_err crdti_log_remove_new(crdti_log_store *s)
{
    char name[CRDTI_LOG_NAME];
    crdt_err err;
    do {
        s->large.number = 0;
        err = s->io.list(s->io.ctx, crdti_log_found_new, s);
        if (!err && s->large.number)
            err = s->io.remove(s->io.ctx,
                               crdti_log_name(name, s->large.number, ".new"));
    } while (!err && s->large.number);
    return err;
}

/* The head of a segment. CORRUPT: it is none; VERSION. */
CRDTI_FN crdt_err crdti_log_head_get(crdti_log_store *s, uint32_t number,
                                     crdt_id *life)
{
    crdt_bytes head;
    crdt_err err = crdti_log_view(s, number, 0, CRDTI_LOG_HEAD, &head);
    if (err)
        return err == CRDT_ERR_TRUNCATED ? CRDT_ERR_CORRUPT : err;
    if (!crdti_equal(head.ptr, "crdtlog\n", 8) ||
        crdti_load32(head.ptr + 40) !=
            crdti_crc32c(0, crdt_bytes_of(head.ptr, 40)))
        return CRDT_ERR_CORRUPT;
    if (crdti_load32(head.ptr + 8) != CRDTI_LOG_VERSION)
        return CRDT_ERR_VERSION;
    crdti_copy(life->b, head.ptr + 16, sizeof life->b);
    return crdti_load32(head.ptr + 12) == number ? CRDT_OK : CRDT_ERR_CORRUPT;
}

/* Before anything is touched: whether all of it is for us. */
CRDTI_FN crdt_err crdti_log_versions(crdti_log_store *s)
{
    size_t i;
    crdt_err err = CRDT_OK;
    for (i = 0; i < s->segments.len && !err; i++) {
        crdt_id life;
        err = crdti_log_head_get(s, s->segments.ptr[i].number, &life);
        if (err == CRDT_ERR_CORRUPT)
            err = CRDT_OK;
    }
    return err;
}

CRDTI_FN crdt_err crdti_log_scan_batch(crdti_log_store *s, uint32_t number,
                                       const crdti_log_batch *batch)
{
    crdti_reader r;
    crdt_err err = CRDT_OK;
    crdti_reader_init(&r, batch->body);
    while (!err && r.ptr < r.end) {
        crdti_log_item item;
        crdti_log_item_get(&r, number, batch, &item);
        err = r.err;
        if (!err)
            err = crdti_log_reserve(s, &item);
        if (!err)
            crdti_log_collect(s, &item);
    }
    return err == CRDT_ERR_TRUNCATED ? CRDT_ERR_CORRUPT : err;
}

/* Whether what is broken at `at` was whole once: when something behind it says
 * so. *next is the next whole batch, if any; else NOT_FOUND. */
CRDTI_FN crdt_err crdti_log_doubt(crdti_log_store *s, uint32_t number,
                                  uint64_t at, crdti_log_batch *next,
                                  int *was_whole)
{
    crdti_log_batch later;
    crdt_err err = crdti_log_next(s, number, at, next), other = err;
    later = *next;
    while (!other && !*was_whole) {
        *was_whole = later.durable > at;
        if (!*was_whole)
            other = crdti_log_next(s, number, later.end, &later);
    }
    if (err || (other && other != CRDT_ERR_NOT_FOUND))
        return err ? err : other;
    /* The search has moved the window. */
    return crdti_log_batch_get(s, number, next->at, next);
}

/* Files what is in the segment. `sure` is how much of it was durable, as the
 * mark says; of all but the last one it is everything. *proven is how much of
 * it batches say was durable. */
CRDTI_FN crdt_err crdti_log_scan(crdti_log_store *s, size_t i, uint64_t sure,
                                 uint64_t *proven)
{
    int is_last = i + 1 == s->segments.len, is_damaged;
    uint32_t number = s->segments.ptr[i].number;
    uint64_t at = CRDTI_LOG_HEAD, size = 0;
    crdti_log_batch batch;
    crdt_id life;
    crdt_err err = crdti_log_head_get(s, number, &life);
    is_damaged = err == CRDT_ERR_CORRUPT;
    if (!err || is_damaged)
        err = s->io.size(s->io.ctx, s->file, &size);
    while (!err && at < size) {
        int was_whole = !is_last || at < sure;
        err = crdti_log_batch_get(s, number, at, &batch);
        if (err == CRDT_ERR_CORRUPT) {
            err = crdti_log_doubt(s, number, at, &batch, &was_whole);
            if (!was_whole)
                break; /* a write that was not finished */
            is_damaged = 1;
            if (err == CRDT_ERR_NOT_FOUND)
                batch.end = size;
        }
        if (!err)
            err = crdti_log_scan_batch(s, number, &batch);
        is_damaged |= err == CRDT_ERR_CORRUPT;
        if (err == CRDT_ERR_CORRUPT || err == CRDT_ERR_NOT_FOUND)
            err = CRDT_OK;
        else if (!err)
            *proven = crdti_max(*proven, batch.durable);
        at = batch.end;
    }
    s->stats.bytes += size;
    s->stats.files++;
    s->segments.ptr[i].size = at;
    s->segments.ptr[i].is_damaged = is_damaged || at < sure;
    return err == CRDT_ERR_NOT_FOUND ? CRDT_OK : err;
}

/* Whether the store is as it was left, and where it was left. */
CRDTI_FN crdt_err crdti_log_is_same(crdti_log_store *s,
                                    const crdti_log_mark *mark, int *is_same)
{
    const crdti_log_segment *last = crdti_log_last(s);
    uint8_t identity[CRDT_FILE_IDENTITY];
    crdt_id life;
    crdt_err err;
    if (!last || last->number != mark->number || last->size != mark->size)
        return CRDT_OK;
    if (crdti_log_files(s) != mark->files) {
        crdti_log_say(s, "files are missing, or shorter than they were");
        return CRDT_OK;
    }
    err = crdti_log_head_get(s, last->number, &life);
    if (!err)
        err = s->io.identify(s->io.ctx, s->file, identity);
    if (err)
        return err == CRDT_ERR_UNSUPPORTED ? CRDT_OK : err;
    *is_same = s->file_size == mark->size &&
               crdti_equal(life.b, mark->life.b, sizeof life.b) &&
               crdti_equal(identity, mark->identity, sizeof identity);
    return CRDT_OK;
}

/* The end of the last segment, which may have been read from memory of the
 * system that never reached the disk, is written once more; and what is
 * broken behind it is cut off. */
CRDTI_FN crdt_err crdti_log_finish(crdti_log_store *s, uint64_t proven)
{
    crdti_log_segment *last = crdti_log_last(s);
    uint64_t at = crdti_max(proven, CRDTI_LOG_HEAD), size;
    crdt_bytes bytes;
    crdt_err err = crdti_log_view(s, last->number, 0, 0, &bytes);
    if (!err)
        err = s->io.size(s->io.ctx, s->file, &size);
    while (!err && at < last->size) {
        size_t len = (size_t)crdti_min(last->size - at, CRDTI_LOG_WINDOW);
        err = crdti_log_view(s, last->number, at, len, &bytes);
        if (!err)
            err = s->io.write(s->io.ctx, s->file, at, bytes);
        at += len;
    }
    /* Some systems want room even for that. Then the sync has to do. */
    if (err == CRDT_ERR_FULL)
        err = CRDT_OK;
    if (!err && size > last->size) {
        s->stats.cut_bytes = size - last->size;
        s->stats.bytes -= s->stats.cut_bytes;
        crdti_log_say(s, "a write that was not finished is cut off");
        s->window.len = 0;
        s->file_size = last->size;
        err = s->io.cut(s->io.ctx, s->file, last->size);
    }
    if (!err)
        err = s->io.sync(s->io.ctx, s->file);
    return err ? err : s->io.sync_names(s->io.ctx);
}

/* Records of which the first one is not there are nobody's. */
CRDTI_FN void crdti_log_orphans(crdti_log_store *s)
{
    size_t i, j;
    for (i = 0; i < s->docs.len; i++) {
        crdti_log_doc *doc = &s->docs.ptr[i];
        if (doc->first)
            continue;
        for (j = 0; j < doc->records.len; j++)
            crdti_log_segment_find(s, doc->records.ptr[j].place >> 32)
                ->is_damaged = 1;
        crdti_log_drop(s, doc, 0, doc->records.len);
    }
}

/* Gives the file another name: nobody reads it any more, but a person. */
CRDTI_FN crdt_err crdti_log_retire(crdti_log_store *s,
                                   crdti_log_segment *segment)
{
    char from[CRDTI_LOG_NAME], to[CRDTI_LOG_NAME];
    crdti_log_name(from, segment->number, ".log");
    crdti_log_name(to, segment->number, ".damaged");
    s->stats.bytes -= segment->size;
    s->stats.files--;
    s->stats.set_aside++;
    crdti_log_segment_forget(s, segment);
    crdti_log_say(s, "a file is damaged and set aside");
    return s->io.rename(s->io.ctx, from, to);
}

/* What is whole in damaged segments is copied before they are set aside. On a
 * full disk they stay until the next opening. */
CRDTI_FN crdt_err crdti_log_rescue(crdti_log_store *s)
{
    size_t i, retired = 0;
    crdt_err err = CRDT_OK;
    for (i = 0; i < s->segments.len && !err; i++) {
        if (!s->segments.ptr[i].is_damaged)
            continue;
        retired++;
        s->victim = s->segments.ptr[i].number;
        s->victim_at = CRDTI_LOG_HEAD;
        err = crdti_log_copy(s, UINT64_MAX / 2);
    }
    if (!err)
        err = crdti_log_write(s);
    if (!err)
        err = crdti_log_settle(s);
    for (i = s->segments.len; i-- > 0 && !err;)
        if (s->segments.ptr[i].is_damaged && !s->segments.ptr[i].live)
            err = crdti_log_retire(s, &s->segments.ptr[i]);
    if (!err && retired)
        err = s->io.sync_names(s->io.ctx);
    return err == CRDT_ERR_FULL ? CRDT_OK : err;
}

/* A head that nothing was ever written to, or not even a head. It must not
 * come back when it is no longer the last. */
CRDTI_FN crdt_err crdti_log_drop_stub(crdti_log_store *s)
{
    crdti_log_segment *last = crdti_log_last(s);
    crdt_err err;
    if (!last || last->is_damaged || last->size > CRDTI_LOG_HEAD)
        return CRDT_OK;
    err = crdti_log_remove(s, last);
    return err ? err : s->io.sync_names(s->io.ctx);
}

CRDTI_FN crdt_err crdti_log_scan_all(crdti_log_store *s,
                                     const crdti_log_mark *mark,
                                     uint64_t *proven, int *is_damaged)
{
    size_t i;
    crdt_err err = CRDT_OK;
    for (i = 0; i < s->segments.len && !err; i++) {
        uint64_t sure = s->segments.ptr[i].number == mark->number &&
                                i + 1 == s->segments.len
                            ? mark->size
                            : 0;
        *proven = 0;
        err = crdti_log_scan(s, i, sure, proven);
        /* A file that nobody has finished is no damage. */
        if (!sure && i + 1 == s->segments.len && !err &&
            s->segments.ptr[i].size == CRDTI_LOG_HEAD)
            s->segments.ptr[i].is_damaged = 0;
    }
    for (i = 0; i < s->docs.len && !err; i++)
        if (s->docs.ptr[i].is_mixed)
            err = crdti_log_sort(s, &s->docs.ptr[i]);
    crdti_log_orphans(s);
    for (i = 0; i < s->segments.len; i++)
        *is_damaged |= s->segments.ptr[i].is_damaged;
    return err;
}

/* Goes on where it was left. */
CRDTI_FN crdt_err crdti_log_resume(crdti_log_store *s,
                                   const crdti_log_mark *mark)
{
    char name[CRDTI_LOG_NAME];
    crdt_err err = s->io.open(
        s->io.ctx, crdti_log_name(name, mark->number, ".log"), 0, &s->head);
    s->life = mark->life;
    s->durable = mark->size;
    if (err)
        s->head = -1;
    return err;
}

/* Begins a new life. */
CRDTI_FN crdt_err crdti_log_recover(crdti_log_store *s, uint64_t proven)
{
    crdt_err err = s->random.fill(s->random.ctx, s->life.b, sizeof s->life.b);
    if (!err)
        err = crdti_log_drop_stub(s);
    if (!err && crdti_log_last(s) && !crdti_log_last(s)->is_damaged)
        err = crdti_log_finish(s, proven);
    return err ? err : crdti_log_rescue(s);
}

CRDTI_FN crdt_err crdti_log_open(crdti_log_store *s)
{
    crdti_log_mark mark;
    uint64_t proven = 0;
    int is_damaged = 0, is_same = 0, is_marked;
    crdt_err err = s->io.list(s->io.ctx, crdti_log_found, s);
    if (!err)
        err = crdti_log_versions(s);
    if (!err)
        err = crdti_log_remove_new(s);
    if (err)
        return err;
    err = crdti_log_mark_read(s, &mark);
    is_marked = !err;
    if (err && err != CRDT_ERR_NOT_FOUND)
        return err;
    err = crdti_log_scan_all(s, &mark, &proven, &is_damaged);
    if (!err && is_marked && !is_damaged)
        err = crdti_log_is_same(s, &mark, &is_same);
    if (!err && is_same)
        err = crdti_log_resume(s, &mark);
    else if (!err)
        err = crdti_log_recover(s, proven);
    /* From here on it is in use, and may be left in any way. */
    if (!err && is_marked)
        err = s->io.remove(s->io.ctx, CRDTI_LOG_CLEAN);
    return !err && is_marked ? s->io.sync_names(s->io.ctx) : err;
}

CRDTI_FN void crdti_log_table(crdt_store *out, crdti_log_store *s)
{
    out->version = 1;
    out->ctx = s;
    out->life = s->life;
    out->append = crdti_log_append;
    out->sync = crdti_log_sync;
    out->snapshot = crdti_log_snapshot;
    out->load = crdti_log_load;
    out->list = crdti_log_list;
    out->close = crdti_log_close;
}

CRDT_API crdt_err crdt_file_new(crdt_store *out,
                                const crdt_file_config *config)
{
    const crdt_alloc *alloc =
        crdti_alloc_or_default(config ? config->alloc : NULL);
    const crdt_random *random =
        crdti_random_or_default(config ? config->random : NULL);
    crdti_log_store *s;
    crdt_err err = CRDT_OK;
    if (!out || !alloc || !random || !config || (!config->dir && !config->io))
        return CRDT_ERR_ARG;
    s = (crdti_log_store *)crdti_alloc(alloc, sizeof *s);
    if (!s)
        return CRDT_ERR_NOMEM;
    crdti_zero(s, sizeof *s);
    s->alloc = *alloc;
    s->random = *random;
    if (config->log)
        s->log = *config->log;
    s->head = s->file = -1;
    s->out.alloc = s->window.alloc = s->large.bytes.alloc = &s->alloc;
    if (config->io)
        s->io = *config->io;
    else
        err =
            crdt_file_posix(&s->io, config->dir, config->trusts_images, alloc);
    if (err) {
        crdti_free(alloc, s, sizeof *s);
        return err;
    }
    err = s->io.start(s->io.ctx);
    if (!err)
        err = crdti_log_open(s);
    if (err)
        crdti_log_free(s);
    else
        crdti_log_table(out, s);
    return err;
}

CRDT_API void crdt_file_get_stats(const crdt_store *store,
                                  crdt_file_stats *out)
{
    *out = ((const crdti_log_store *)store->ctx)->stats;
}

/* >>posix -----------------------------------------------------------------
 * With -std=c99 (not gnu99) and without _POSIX_C_SOURCE, glibc hides some of
 * what is used here; and defining the macro now is too late when a system
 * header has come before. What is hidden is part of its binary interface and
 * cannot change, so it is declared here. In C++ nothing is hidden. */

#if defined(CRDTSYNC_FREESTANDING) || defined(_WIN32)

CRDT_API crdt_err crdt_file_posix(crdt_file_io *out, const char *dir,
                                  int trusts_images, const crdt_alloc *alloc)
{
    (void)out;
    (void)dir;
    (void)trusts_images;
    (void)alloc;
    return CRDT_ERR_UNSUPPORTED;
}

#else

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/types.h>

#if defined(__GLIBC__) && !defined(__cplusplus) &&                            \
    (!defined(_POSIX_C_SOURCE) || _POSIX_C_SOURCE + 0 < 200809L)
#if defined(_FILE_OFFSET_BITS) && !defined(__LP64__)
#error "define _POSIX_C_SOURCE 200809L before the first include"
#endif
extern ssize_t pread(int file, void *out, size_t len, off_t at);
extern ssize_t pwrite(int file, const void *bytes, size_t len, off_t at);
extern int fdatasync(int file);
extern int ftruncate(int file, off_t size);
#endif

typedef struct crdti_posix {
    crdt_alloc alloc;
    int dir; /* locked; -1: not yet */
    int trusts_images;
    size_t size, len;
    char *path; /* of the directory, and room for a name behind it */
} crdti_posix;

CRDTI_FN crdt_err crdti_posix_err(void)
{
    if (errno == ENOSPC || errno == EDQUOT)
        return CRDT_ERR_FULL;
    return errno == ENOENT ? CRDT_ERR_NOT_FOUND : CRDT_ERR_IO;
}

CRDTI_FN const char *crdti_posix_path(crdti_posix *p, const char *name)
{
    crdti_copy(p->path + p->len, "/", 1);
    crdti_copy(p->path + p->len + 1, name, crdt_str(name).len + 1);
    return p->path;
}

/* Programs that this one starts do not get it. */
CRDTI_FN int crdti_posix_file(const char *path, int how)
{
    int file = open(path, how, 0666);
    if (file >= 0)
        fcntl(file, F_SETFD, FD_CLOEXEC);
    return file;
}

CRDTI_FN crdt_err crdti_posix_start(void *ctx)
{
    crdti_posix *p = (crdti_posix *)ctx;
    p->path[p->len] = 0;
    if (mkdir(p->path, 0777) && errno != EEXIST)
        return crdti_posix_err() == CRDT_ERR_FULL ? CRDT_ERR_FULL
                                                  : CRDT_ERR_IO;
    p->dir = crdti_posix_file(p->path, O_RDONLY);
    if (p->dir < 0)
        return CRDT_ERR_IO;
    if (!flock(p->dir, LOCK_EX | LOCK_NB))
        return CRDT_OK;
    return errno == EWOULDBLOCK ? CRDT_ERR_LOCKED : CRDT_ERR_IO;
}

CRDTI_FN crdt_err crdti_posix_list(void *ctx, crdt_bytes_fn *fn, void *to)
{
    crdti_posix *p = (crdti_posix *)ctx;
    const struct dirent *entry;
    crdt_err err = CRDT_OK;
    DIR *dir;
    p->path[p->len] = 0;
    dir = opendir(p->path);
    if (!dir)
        return CRDT_ERR_IO;
    while (!err && (errno = 0, entry = readdir(dir)) != NULL)
        err = fn(to, crdt_str(entry->d_name));
    if (!err && errno)
        err = CRDT_ERR_IO;
    closedir(dir);
    return err;
}

CRDTI_FN crdt_err crdti_posix_open(void *ctx, const char *name, int make,
                                   int *out)
{
    crdti_posix *p = (crdti_posix *)ctx;
    *out = crdti_posix_file(crdti_posix_path(p, name),
                            make ? O_RDWR | O_CREAT | O_TRUNC : O_RDWR);
    return *out < 0 ? crdti_posix_err() : CRDT_OK;
}

CRDTI_FN crdt_err crdti_posix_size(void *ctx, int file, uint64_t *out)
{
    struct stat status;
    (void)ctx;
    if (fstat(file, &status))
        return CRDT_ERR_IO;
    *out = (uint64_t)status.st_size;
    return CRDT_OK;
}

CRDTI_FN crdt_err crdti_posix_read(void *ctx, int file, uint64_t at, void *out,
                                   size_t len)
{
    uint8_t *to = (uint8_t *)out;
    (void)ctx;
    while (len > 0) {
        ssize_t got = pread(file, to, len, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got ? CRDT_ERR_IO : CRDT_ERR_TRUNCATED;
        to += got;
        at += (uint64_t)got;
        len -= (size_t)got;
    }
    return CRDT_OK;
}

CRDTI_FN crdt_err crdti_posix_write(void *ctx, int file, uint64_t at,
                                    crdt_bytes bytes)
{
    (void)ctx;
    while (bytes.len > 0) {
        ssize_t put = pwrite(file, bytes.ptr, bytes.len, (off_t)at);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return crdti_posix_err();
        at += (uint64_t)put;
        bytes.ptr += put;
        bytes.len -= (size_t)put;
    }
    return CRDT_OK;
}

CRDTI_FN crdt_err crdti_posix_cut(void *ctx, int file, uint64_t size)
{
    (void)ctx;
    return ftruncate(file, (off_t)size) ? CRDT_ERR_IO : CRDT_OK;
}

CRDTI_FN crdt_err crdti_posix_sync(void *ctx, int file)
{
    (void)ctx;
    return fdatasync(file) ? CRDT_ERR_IO : CRDT_OK;
}

CRDTI_FN crdt_err crdti_posix_sync_names(void *ctx)
{
    crdti_posix *p = (crdti_posix *)ctx;
    return fsync(p->dir) ? CRDT_ERR_IO : CRDT_OK;
}

CRDTI_FN crdt_err crdti_posix_rename(void *ctx, const char *from,
                                     const char *to)
{
    crdti_posix *p = (crdti_posix *)ctx;
    /* One path buffer: the second lies behind the first. */
    char *other = p->path + p->size / 2;
    crdti_copy(other, p->path, p->len);
    crdti_copy(other + p->len, "/", 1);
    crdti_copy(other + p->len + 1, to, crdt_str(to).len + 1);
    return rename(crdti_posix_path(p, from), other) ? crdti_posix_err()
                                                    : CRDT_OK;
}

CRDTI_FN crdt_err crdti_posix_remove(void *ctx, const char *name)
{
    crdti_posix *p = (crdti_posix *)ctx;
    return unlink(crdti_posix_path(p, name)) ? crdti_posix_err() : CRDT_OK;
}

/* 16 bytes that stand for what a small file of the system says. */
CRDTI_FN crdt_err crdti_posix_hash(const char *path, uint8_t *out)
{
    char text[128];
    ssize_t len;
    int file = crdti_posix_file(path, O_RDONLY);
    if (file < 0)
        return CRDT_ERR_UNSUPPORTED;
    len = read(file, text, sizeof text);
    close(file);
    if (len <= 0)
        return CRDT_ERR_UNSUPPORTED;
    crdti_store64(out, crdti_hash(text, (size_t)len, 1));
    crdti_store64(out + 8, crdti_hash(text, (size_t)len, 2));
    return CRDT_OK;
}

CRDTI_FN uint64_t crdti_posix_changed_ns(const struct stat *status)
{
#if defined(__APPLE__)
    return (uint64_t)status->st_ctimespec.tv_nsec;
#elif defined(st_ctime)
    return (uint64_t)status->st_ctim.tv_nsec;
#elif defined(__GLIBC__)
    return (uint64_t)status->st_ctimensec;
#else
    return (uint64_t)status->st_ctim.tv_nsec;
#endif
}

/* The file itself, when it was last changed in any way (no program can set
 * that), the machine, and since when it runs: images of disks keep the rest. */
CRDTI_FN crdt_err crdti_posix_identify(void *ctx, int file,
                                       uint8_t out[CRDT_FILE_IDENTITY])
{
    const crdti_posix *p = (const crdti_posix *)ctx;
    struct stat status;
    crdti_zero(out, CRDT_FILE_IDENTITY);
    if (fstat(file, &status))
        return CRDT_ERR_IO;
    crdti_store64(out, (uint64_t)status.st_ino);
    crdti_store64(out + 8, (uint64_t)status.st_ctime);
    crdti_store64(out + 16, crdti_posix_changed_ns(&status));
    if (crdti_posix_hash("/etc/machine-id", out + 24))
        crdti_zero(out + 24, 16); /* containers have none */
    if (p->trusts_images)
        return CRDT_OK;
    crdti_store64(out + 56, (uint64_t)status.st_dev);
    return crdti_posix_hash("/proc/sys/kernel/random/boot_id", out + 40);
}

CRDTI_FN void crdti_posix_close(void *ctx, int file)
{
    (void)ctx;
    close(file);
}

CRDTI_FN void crdti_posix_end(void *ctx)
{
    crdti_posix *p = (crdti_posix *)ctx;
    crdt_alloc alloc = p->alloc;
    if (p->dir >= 0)
        close(p->dir); /* and unlocked */
    crdti_free(&alloc, p->path, p->size);
    crdti_free(&alloc, p, sizeof *p);
}

CRDTI_FN void crdti_posix_table(crdt_file_io *out, crdti_posix *p)
{
    out->version = 1;
    out->ctx = p;
    out->start = crdti_posix_start;
    out->list = crdti_posix_list;
    out->open = crdti_posix_open;
    out->size = crdti_posix_size;
    out->read = crdti_posix_read;
    out->write = crdti_posix_write;
    out->cut = crdti_posix_cut;
    out->sync = crdti_posix_sync;
    out->sync_names = crdti_posix_sync_names;
    out->rename = crdti_posix_rename;
    out->remove = crdti_posix_remove;
    out->identify = crdti_posix_identify;
    out->close = crdti_posix_close;
    out->end = crdti_posix_end;
}

CRDT_API crdt_err crdt_file_posix(crdt_file_io *out, const char *dir,
                                  int trusts_images, const crdt_alloc *alloc)
{
    size_t len = crdt_str(dir).len;
    crdti_posix *p;
    if (!out || !len)
        return CRDT_ERR_ARG;
    alloc = crdti_alloc_or_default(alloc);
    p = (crdti_posix *)crdti_alloc(alloc, sizeof *p);
    if (!p)
        return CRDT_ERR_NOMEM;
    p->alloc = *alloc;
    p->dir = -1;
    p->trusts_images = trusts_images;
    p->len = len;
    p->size = 2 * (len + CRDTI_LOG_NAME);
    p->path = (char *)crdti_alloc(alloc, p->size);
    if (!p->path) {
        crdti_free(alloc, p, sizeof *p);
        return CRDT_ERR_NOMEM;
    }
    crdti_copy(p->path, dir, len + 1);
    crdti_posix_table(out, p);
    return CRDT_OK;
}

#endif /* POSIX */

#endif /* CRDTSYNC_IMPLEMENTATION */
