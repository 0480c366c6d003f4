/*
 * Chunks: at most 1 MiB each, named by what they are (BLAKE2b-256), so that
 * nobody can give something else for one, and the same twice is there once.
 * Kept in a directory:
 *
 *     lock                     held while open: a second opener is refused
 *     chunks/3f/3f8a..64 hex   whole: written aside, synced, renamed, and the
 *                              directory synced
 *     new/                     written aside; emptied when opened
 *     bad/                     what was found damaged, to be looked at
 *
 * A path is made of the 32 bytes of a hash and of nothing else.
 *
 * A chunk is held while a file of an album names it; else it is loose, since
 * it was uploaded, or since nobody names it any more. When that was is the
 * time of the file (mtime); 0, which is 1970: it is held.
 */
#ifndef ALBUM_CHUNK_H
#define ALBUM_CHUNK_H

#include <stddef.h>
#include <stdint.h>

enum { CHUNK_MAX = 1 << 20, CHUNK_HASH_SIZE = 32 };

typedef struct chunk_hash {
    uint8_t bytes[CHUNK_HASH_SIZE];
} chunk_hash;

typedef struct chunk_text {
    char hex[2 * CHUNK_HASH_SIZE + 1];
} chunk_text;

chunk_hash chunk_name(const void *bytes, size_t len);
int chunk_equal(const chunk_hash *a, const chunk_hash *b);
chunk_text chunk_hex(const chunk_hash *hash);
/* 0: it is not exactly 64 hex digits. */
int chunk_from_hex(chunk_hash *out, const char *text);
/* In how many a file of that size is cut. */
uint64_t chunk_count(uint64_t size);

typedef enum chunk_err {
    CHUNK_OK,
    CHUNK_MISSING,
    CHUNK_BAD,  /* not what its name says */
    CHUNK_FULL, /* the disk, or what it may take of it */
    CHUNK_IO,
    CHUNK_NOMEM
} chunk_err;

typedef struct chunks {
    int dir, lock;         /* the directory, and the lock in it */
    uint64_t count, bytes; /* of what is there */
    uint64_t bytes_max;    /* 0: as much as the disk takes */
    uint64_t bad;          /* found since it was opened */
} chunks;

/* Makes the directory when it is not there. 0: `why` says it. */
int chunks_open(chunks *c, const char *path, uint64_t bytes_max, char *why,
                size_t size);
void chunks_close(chunks *c);

/* On the disk when it answers OK; loose, for so many seconds. BAD, FULL, IO,
 * NOMEM. */
chunk_err chunks_put(chunks *c, const chunk_hash *name, const void *bytes,
                     size_t len, uint32_t age_s);
/* Into `out`, of CHUNK_MAX bytes. MISSING, BAD (and set aside), IO. */
chunk_err chunks_get(chunks *c, const chunk_hash *name, void *out,
                     size_t *len);
int chunks_has(const chunks *c, const chunk_hash *name);
/* For how many seconds it is loose, rounded up; 0: it is held. For ever when
 * it is not there, so that what others have does not become younger. */
uint32_t chunks_age(const chunks *c, const chunk_hash *name);
/* Who is loose is so for at most that long, also after a crash. MISSING, IO. */
chunk_err chunks_freshen(chunks *c, const chunk_hash *name, uint32_t age_s);
/* Some file names it, or none does any more. */
void chunks_hold(chunks *c, const chunk_hash *name, int is_held);
chunk_err chunks_remove(chunks *c, const chunk_hash *name);

/* The names that begin with that byte, in order, to be freed. NOMEM, IO. */
chunk_err chunks_list(const chunks *c, uint8_t first, chunk_hash **out,
                      size_t *count);

#endif
