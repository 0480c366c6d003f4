/*
 * The disk of a site: the store of test/memory_store.h, and what may become of
 * it when the site goes down.
 *
 *     the process is killed   all that was appended is there
 *     power fails             what was not durable goes, from some record on;
 *                             the first of it may be there, and torn
 *     a backup is restored    all is as it was when it was made
 *     the disk is lost        there is nothing
 */
#ifndef DISK_H
#define DISK_H

#include "sim.h"

static inline struct memory_store *disk_new(uint64_t seed)
{
    struct memory_store *disk = (struct memory_store *)malloc(sizeof *disk);
    if (!disk)
        exit(1);
    memory_store_init(disk, seed);
    return disk;
}

static inline void disk_free(struct memory_store *disk)
{
    if (disk)
        memory_store_free(disk);
    free(disk);
}

/* There is room again, or another disk with what was on the old one. */
static inline void disk_mend(struct memory_store *disk)
{
    disk->fails = CRDT_OK;
    disk->dies_at = 0;
}

/* The records; the life stays that of the disk. */
static inline void disk_copy(struct memory_store *to,
                             const struct memory_store *from)
{
    size_t i, k;
    memory_store_free(to);
    to->docs_len = 0;
    memset(to->docs, 0, sizeof to->docs);
    to->is_clean = 0;
    disk_mend(to);
    for (i = 0; i < from->docs_len; i++) {
        const struct memory_doc *doc = &from->docs[i];
        for (k = 0; k < doc->len; k++)
            (void)memory_append(
                to, memory_text(doc->name),
                crdt_bytes_of(doc->records[k].ptr, doc->records[k].len));
    }
    (void)memory_sync(to, 1);
}

/* All that was appended is there when power fails. */
static inline int disk_is_durable(const struct memory_store *disk)
{
    size_t i;
    for (i = 0; i < disk->docs_len; i++)
        if (disk->docs[i].durable < disk->docs[i].len)
            return 0;
    return 1;
}

/* All but its last bytes were written: zeros are there, or nothing. A store
 * would tell; the engine sees it as well. */
static inline void disk_tear(struct memory_store *disk,
                             struct memory_record *record)
{
    size_t torn = 1 + test_below(&disk->dice, 6);
    torn = crdti_min_size(torn, record->len);
    memset(record->ptr + record->len - torn, 0, torn);
    if (test_below(&disk->dice, 2))
        record->len -= torn;
}

static inline void disk_power_fails(struct memory_store *disk)
{
    size_t i;
    for (i = 0; i < disk->docs_len; i++) {
        struct memory_doc *doc = &disk->docs[i];
        uint32_t loose = (uint32_t)(doc->len - doc->durable);
        size_t kept = doc->durable + test_below(&disk->dice, loose + 1);
        if (kept < doc->len && test_below(&disk->dice, 2))
            disk_tear(disk, &doc->records[kept++]);
        memory_drop(doc, kept);
        doc->durable = doc->len;
    }
    disk->is_clean = 0;
}

#endif
