/*
 * Files on their way to the data servers and back, without ever blocking.
 *
 *     file  --- cut every MiB --->  chunks, each named by its BLAKE2b-256
 *     1 chunk or less               the file's hash is that of its chunk
 *     more                          the file's hash is that of its index: a
 *                                   chunk that holds the hashes of the others
 *
 * So a document keeps 32 bytes and the size, whatever the size is, and every
 * byte that comes is checked against them. A program has one `transfers`:
 *
 *     transfers *all = transfers_new();
 *     transfers_hear(all, text)      whenever the album server has told anew
 *                                    which data servers there are
 *     poll() transfers_fd(all), at most transfers_step(all) ms, again and again
 *
 * What is half done goes on where it was: an upload asks first which chunks
 * are there, a download looks at what its unfinished file already holds.
 */
#ifndef ALBUM_TRANSFER_H
#define ALBUM_TRANSFER_H

#include <stddef.h>
#include <stdint.h>

#include "chunk.h"

/* An index is one chunk: 32 GiB. */
#define TRANSFER_SIZE_MAX ((uint64_t)(CHUNK_MAX / CHUNK_HASH_SIZE) * CHUNK_MAX)

typedef enum transfer_state {
    TRANSFER_RUNS,
    TRANSFER_WAITS, /* for a server that can be reached, and a pass */
    TRANSFER_DONE,
    TRANSFER_FAILED
} transfer_state;

typedef struct transfers transfers;
typedef struct transfer transfer;

typedef struct transfer_news {
    transfer *which;
    transfer_state state;
    const char *path;
    int is_upload;
    uint64_t size, done; /* bytes; of them */
    uint64_t found;      /* were there already and did not travel */
    chunk_hash hash;     /* of an upload: once it is DONE */
    const char *why;     /* of WAITS and FAILED, else "" */
} transfer_news;

/* Called by transfers_step when something has changed, the last time with DONE
 * or FAILED: then `which` is no more. May start and cancel transfers. */
typedef void (*transfer_told)(void *ctx, const transfer_news *news);

/* NULL: no memory. */
transfers *transfers_new(void);
void transfers_free(transfers *all);

/* Takes what registry_text of the album server has made: the data servers and
 * a pass for them. 0: it is nothing of the kind, and nothing has changed. */
int transfers_hear(transfers *all, const char *text);
/* How many servers are known; 0 also before the first word. */
size_t transfers_servers(const transfers *all);

/* Becomes readable when there is something to do; stays the same. */
int transfers_fd(const transfers *all);
/* Does what can be done now. Answers for how many ms at most to wait until
 * the next call; -1: until the descriptor is readable. */
int transfers_step(transfers *all);

/* Both answer NULL when there is no memory; all else is told. */
transfer *transfers_upload(transfers *all, const char *path,
                           transfer_told told, void *ctx);
/* The whole file appears at `path` at once, when it is whole; until then there
 * is path.HASH.part. FAILED when there is a file at `path`. */
transfer *transfers_download(transfers *all, const chunk_hash *hash,
                             uint64_t size, const char *path,
                             transfer_told told, void *ctx);
/* Not told of any more; may be begun again later. */
void transfer_cancel(transfer *one);

#endif
