/*
 * A disk in memory, under the file store: what is written is there at once,
 * and durable only after a sync. When the power goes, of what was not synced
 * any part may be there, in any order, torn at any byte; of names that were
 * not synced, any.
 *
 *     struct disk disk;
 *     crdt_file_io io;
 *     disk_init(&disk, seed);
 *     disk_io(&disk, &io);
 *     disk.off_at = 17;         // the 17th change never happens, nor others
 *     ... crdt_file_new(&store, { ..., &io }) ...
 *     disk_power_off(&disk);    // and on again
 *
 * Of other faults it has: no room, syncs that fail, writes that land
 * elsewhere, and bits that flip (disk_flip).
 */
#ifndef DISK_H
#define DISK_H

#include "../test.h"

#define DISK_FILES 256
#define DISK_NAME 40
#define DISK_CHANGES 4096

struct disk_bytes {
    uint8_t *ptr;
    size_t len, cap;
};

/* A write; or, without bytes, a cut to `at`. */
struct disk_change {
    size_t at, len;
    uint8_t *bytes;
};

/* What has a name, and may have lost it. */
struct disk_file {
    struct disk_bytes now, safe;
    struct disk_change changes[DISK_CHANGES];
    size_t changes_len;
    uint64_t stamp; /* of the last change */
};

struct disk_entry {
    char name[DISK_NAME];
    int file; /* -1: there is none of that name */
};

struct disk {
    struct disk_file *files[DISK_FILES];
    int files_len;
    struct disk_entry now[DISK_FILES], safe[DISK_FILES];
    int now_len, safe_len;
    int handles[DISK_FILES]; /* file, or -1 */
    uint64_t dice, clock, machine;
    uint64_t changes;     /* calls that change something */
    uint64_t off_at;      /* the power goes at that one; 0: never */
    uint64_t full_at;     /* from that one on there is no room; 0: never */
    uint64_t sync_fails;  /* the sync among them fails; 0: none */
    uint64_t misdirected; /* the write among them lands elsewhere; 0: none */
    int is_off, is_locked;
    uint64_t syncs, written;
};

/* >>bytes ----------------------------------------------------------------- */

static inline void disk_grow(struct disk_bytes *b, size_t len)
{
    if (len > b->cap) {
        b->cap = 2 * len + 256;
        b->ptr = (uint8_t *)realloc(b->ptr, b->cap);
    }
    if (len > b->len) {
        memset(b->ptr + b->len, 0, len - b->len);
        b->len = len;
    }
}

static inline void disk_put(struct disk_bytes *b, size_t at,
                            const uint8_t *bytes, size_t len)
{
    if (!bytes) {
        disk_grow(b, at);
        b->len = at;
        return;
    }
    if (!len)
        return;
    disk_grow(b, at + len);
    memcpy(b->ptr + at, bytes, len);
}

static inline void disk_copy(struct disk_bytes *to,
                             const struct disk_bytes *from)
{
    to->len = 0;
    disk_put(to, 0, from->ptr ? from->ptr : (const uint8_t *)"", from->len);
}

static inline void disk_forget(struct disk_file *file)
{
    while (file->changes_len > 0)
        free(file->changes[--file->changes_len].bytes);
}

static inline void disk_change(struct disk *d, struct disk_file *file,
                               size_t at, const uint8_t *bytes, size_t len)
{
    struct disk_change *c = &file->changes[file->changes_len++];
    if (file->changes_len == DISK_CHANGES)
        abort();
    c->at = at;
    c->len = len;
    c->bytes = NULL;
    if (bytes) {
        c->bytes = (uint8_t *)malloc(len + 1);
        memcpy(c->bytes, bytes, len);
    }
    disk_put(&file->now, at, bytes, len);
    file->stamp = ++d->clock;
}

/* >>names ----------------------------------------------------------------- */

static inline int disk_find(const struct disk_entry *list, int len,
                            const char *name)
{
    int i;
    for (i = 0; i < len; i++)
        if (strcmp(list[i].name, name) == 0)
            return i;
    return -1;
}

static inline void disk_set(struct disk_entry *list, int *len,
                            const char *name, int file)
{
    int i = disk_find(list, *len, name);
    if (i < 0) {
        i = (*len)++;
        if (i == DISK_FILES)
            abort();
        snprintf(list[i].name, DISK_NAME, "%s", name);
    }
    list[i].file = file;
}

static inline struct disk_file *disk_named(struct disk *d, const char *name)
{
    int i = disk_find(d->now, d->now_len, name);
    return i < 0 || d->now[i].file < 0 ? NULL : d->files[d->now[i].file];
}

/* A slot that no name leads to. */
static inline int disk_file_new(struct disk *d)
{
    int i, j;
    for (i = 0; i < d->files_len; i++) {
        int used = 0;
        for (j = 0; j < d->now_len; j++)
            used |= d->now[j].file == i;
        for (j = 0; j < d->safe_len; j++)
            used |= d->safe[j].file == i;
        for (j = 0; j < DISK_FILES; j++)
            used |= d->handles[j] == i;
        if (!used)
            break;
    }
    if (i == DISK_FILES)
        abort();
    if (i == d->files_len)
        d->files[d->files_len++] =
            (struct disk_file *)calloc(1, sizeof(struct disk_file));
    disk_forget(d->files[i]);
    d->files[i]->now.len = d->files[i]->safe.len = 0;
    d->files[i]->stamp = ++d->clock;
    return i;
}

/* >>the table ------------------------------------------------------------- */

/* Before each change: whether it happens. */
static inline crdt_err disk_may(struct disk *d)
{
    if (d->is_off)
        return CRDT_ERR_IO;
    d->changes++;
    if (d->off_at && d->changes >= d->off_at) {
        d->is_off = 1;
        return CRDT_ERR_IO;
    }
    return CRDT_OK;
}

static inline int disk_is_full(const struct disk *d)
{
    return d->full_at && d->changes >= d->full_at;
}

static inline crdt_err disk_start(void *ctx)
{
    struct disk *d = (struct disk *)ctx;
    if (d->is_off)
        return CRDT_ERR_IO;
    if (d->is_locked)
        return CRDT_ERR_LOCKED;
    d->is_locked = 1;
    return CRDT_OK;
}

static inline crdt_err disk_list(void *ctx, crdt_bytes_fn *fn, void *to)
{
    struct disk *d = (struct disk *)ctx;
    crdt_err err = d->is_off ? CRDT_ERR_IO : CRDT_OK;
    int i;
    for (i = 0; i < d->now_len && !err; i++)
        if (d->now[i].file >= 0)
            err =
                fn(to, crdt_bytes_of(d->now[i].name, strlen(d->now[i].name)));
    return err;
}

static inline crdt_err disk_open(void *ctx, const char *name, int make,
                                 int *out)
{
    struct disk *d = (struct disk *)ctx;
    int i = disk_find(d->now, d->now_len, name), h, file;
    if (d->is_off)
        return CRDT_ERR_IO;
    if (!make && (i < 0 || d->now[i].file < 0))
        return CRDT_ERR_NOT_FOUND;
    if (make) {
        crdt_err err = disk_may(d);
        if (err || disk_is_full(d))
            return err ? err : CRDT_ERR_FULL;
        file = disk_file_new(d);
        disk_set(d->now, &d->now_len, name, file);
    } else {
        file = d->now[i].file;
    }
    for (h = 0; d->handles[h] >= 0; h++)
        if (h == DISK_FILES - 1)
            abort();
    d->handles[h] = file;
    *out = h;
    return CRDT_OK;
}

static inline struct disk_file *disk_of(struct disk *d, int handle)
{
    return d->files[d->handles[handle]];
}

static inline crdt_err disk_size(void *ctx, int file, uint64_t *out)
{
    struct disk *d = (struct disk *)ctx;
    *out = disk_of(d, file)->now.len;
    return d->is_off ? CRDT_ERR_IO : CRDT_OK;
}

static inline crdt_err disk_read(void *ctx, int file, uint64_t at, void *out,
                                 size_t len)
{
    struct disk *d = (struct disk *)ctx;
    const struct disk_bytes *now = &disk_of(d, file)->now;
    if (d->is_off)
        return CRDT_ERR_IO;
    if (at + len > now->len)
        return CRDT_ERR_TRUNCATED;
    if (len)
        memcpy(out, now->ptr + at, len);
    return CRDT_OK;
}

/* The power may go in the middle of a write. */
static inline crdt_err disk_write(void *ctx, int file, uint64_t at,
                                  crdt_bytes bytes)
{
    struct disk *d = (struct disk *)ctx;
    int was_off = d->is_off;
    crdt_err err = disk_may(d);
    if (was_off)
        return err;
    if (err || disk_is_full(d)) { /* a part of it happens */
        size_t part = test_below(&d->dice, (uint32_t)bytes.len + 1);
        disk_change(d, disk_of(d, file), (size_t)at, bytes.ptr, part);
        return err ? err : CRDT_ERR_FULL;
    }
    if (d->misdirected && d->changes >= d->misdirected) {
        struct disk_file *to =
            d->files[test_below(&d->dice, (uint32_t)d->files_len)];
        d->misdirected = 0;
        disk_change(d, to, test_below(&d->dice, (uint32_t)to->now.len + 1),
                    bytes.ptr, bytes.len);
        return CRDT_OK;
    }
    d->written += bytes.len;
    disk_change(d, disk_of(d, file), (size_t)at, bytes.ptr, bytes.len);
    return CRDT_OK;
}

static inline crdt_err disk_cut(void *ctx, int file, uint64_t size)
{
    struct disk *d = (struct disk *)ctx;
    crdt_err err = disk_may(d);
    if (!err)
        disk_change(d, disk_of(d, file), (size_t)size, NULL, 0);
    return err;
}

/* After one that fails, the system takes what it has not written for
 * written. */
static inline crdt_err disk_sync(void *ctx, int file)
{
    struct disk *d = (struct disk *)ctx;
    crdt_err err = disk_may(d);
    struct disk_file *f = disk_of(d, file);
    size_t i;
    if (err)
        return err;
    if (d->sync_fails && d->changes >= d->sync_fails) {
        d->sync_fails = 0;
        disk_forget(f);
        return CRDT_ERR_IO;
    }
    /* What a sync that failed has dropped is not written by the next. */
    for (i = 0; i < f->changes_len; i++)
        disk_put(&f->safe, f->changes[i].at, f->changes[i].bytes,
                 f->changes[i].len);
    disk_forget(f);
    d->syncs++;
    return CRDT_OK;
}

static inline crdt_err disk_sync_names(void *ctx)
{
    struct disk *d = (struct disk *)ctx;
    crdt_err err = disk_may(d);
    int i, len = 0;
    if (err)
        return err;
    for (i = 0; i < d->now_len; i++)
        if (d->now[i].file >= 0)
            d->now[len++] = d->now[i];
    d->now_len = d->safe_len = len;
    memcpy(d->safe, d->now, (size_t)len * sizeof *d->now);
    return CRDT_OK;
}

static inline crdt_err disk_rename(void *ctx, const char *from, const char *to)
{
    struct disk *d = (struct disk *)ctx;
    crdt_err err = disk_may(d);
    int i = disk_find(d->now, d->now_len, from);
    if (err || i < 0)
        return err ? err : CRDT_ERR_NOT_FOUND;
    disk_set(d->now, &d->now_len, to, d->now[i].file);
    d->now[i].file = -1;
    return CRDT_OK;
}

static inline crdt_err disk_remove(void *ctx, const char *name)
{
    struct disk *d = (struct disk *)ctx;
    crdt_err err = disk_may(d);
    int i = disk_find(d->now, d->now_len, name);
    if (!err && (i < 0 || d->now[i].file < 0))
        err = CRDT_ERR_NOT_FOUND;
    if (!err)
        d->now[i].file = -1;
    return err;
}

static inline crdt_err disk_identify(void *ctx, int file,
                                     uint8_t out[CRDT_FILE_IDENTITY])
{
    struct disk *d = (struct disk *)ctx;
    memset(out, 0, CRDT_FILE_IDENTITY);
    memcpy(out, &disk_of(d, file)->stamp, 8);
    memcpy(out + 8, &d->machine, 8);
    out[16] = (uint8_t)d->handles[file];
    return d->is_off ? CRDT_ERR_IO : CRDT_OK;
}

static inline void disk_close(void *ctx, int file)
{
    ((struct disk *)ctx)->handles[file] = -1;
}

static inline void disk_end(void *ctx)
{
    ((struct disk *)ctx)->is_locked = 0;
}

static inline void disk_io(struct disk *d, crdt_file_io *io)
{
    io->version = 1;
    io->ctx = d;
    io->start = disk_start;
    io->list = disk_list;
    io->open = disk_open;
    io->size = disk_size;
    io->read = disk_read;
    io->write = disk_write;
    io->cut = disk_cut;
    io->sync = disk_sync;
    io->sync_names = disk_sync_names;
    io->rename = disk_rename;
    io->remove = disk_remove;
    io->identify = disk_identify;
    io->close = disk_close;
    io->end = disk_end;
}

/* >>faults ---------------------------------------------------------------- */

/* A write arrives whole, torn, or not at all. */
static inline void disk_settle_file(struct disk *d, struct disk_file *file)
{
    size_t i;
    int how = (int)test_below(&d->dice, 4);
    for (i = 0; i < file->changes_len; i++) {
        const struct disk_change *c = &file->changes[i];
        int this_how = how < 3 ? how : (int)test_below(&d->dice, 3);
        if (this_how == 0 || (c->bytes && !c->len))
            continue;
        if (this_how == 2 && c->bytes && i + 1 == file->changes_len) {
            size_t from = test_below(&d->dice, (uint32_t)c->len);
            size_t len = 1 + test_below(&d->dice, (uint32_t)(c->len - from));
            disk_put(&file->safe, c->at + from, c->bytes + from, len);
        } else {
            disk_put(&file->safe, c->at, c->bytes, c->len);
        }
    }
    disk_forget(file);
    disk_copy(&file->now, &file->safe);
    file->stamp = ++d->clock;
}

/* What names were is what they are, or were when last synced. */
static inline void disk_settle_names(struct disk *d)
{
    int i, how = (int)test_below(&d->dice, 3);
    for (i = 0; i < d->now_len; i++) {
        int keep = how == 2 ? (int)test_below(&d->dice, 2) : how;
        if (keep)
            disk_set(d->safe, &d->safe_len, d->now[i].name, d->now[i].file);
    }
    memcpy(d->now, d->safe, sizeof d->safe);
    d->now_len = d->safe_len;
}

/* Off, and on again. */
static inline void disk_power_off(struct disk *d)
{
    int i;
    for (i = 0; i < d->files_len; i++)
        disk_settle_file(d, d->files[i]);
    disk_settle_names(d);
    for (i = 0; i < DISK_FILES; i++)
        d->handles[i] = -1;
    d->off_at = d->full_at = d->sync_fails = d->misdirected = 0;
    d->is_off = d->is_locked = 0;
}

/* Flips a bit where the disk keeps it. */
static inline void disk_flip(struct disk *d, const char *name, size_t bit)
{
    struct disk_file *file = disk_named(d, name);
    file->now.ptr[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    disk_copy(&file->safe, &file->now);
}

static inline void disk_init(struct disk *d, uint64_t seed)
{
    int i;
    memset(d, 0, sizeof *d);
    d->dice = seed;
    for (i = 0; i < DISK_FILES; i++)
        d->handles[i] = -1;
}

/* All that is on the other, as a backup or an image of it has it. */
static inline void disk_restore(struct disk *to, const struct disk *from)
{
    int i;
    for (i = 0; i < from->files_len; i++) {
        if (i == to->files_len)
            to->files[to->files_len++] =
                (struct disk_file *)calloc(1, sizeof(struct disk_file));
        disk_forget(to->files[i]);
        disk_copy(&to->files[i]->now, &from->files[i]->now);
        disk_copy(&to->files[i]->safe, &from->files[i]->now);
        to->files[i]->stamp = from->files[i]->stamp;
    }
    memcpy(to->now, from->now, sizeof to->now);
    memcpy(to->safe, from->now, sizeof to->safe);
    to->now_len = to->safe_len = from->now_len;
    to->machine = from->machine;
}

static inline void disk_free(struct disk *d)
{
    int i;
    for (i = 0; i < d->files_len; i++) {
        disk_forget(d->files[i]);
        free(d->files[i]->now.ptr);
        free(d->files[i]->safe.ptr);
        free(d->files[i]);
    }
    d->files_len = 0;
}

#endif
