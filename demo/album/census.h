/*
 * Which chunks the files of all albums name: what data servers must not
 * delete. Counted anew again and again, at the album server:
 *
 *     albums --> files --> hash            of a chunk, or of the index
 *                index --> hashes          of files of more than a chunk; the
 *                                          data servers have it
 *
 * A count knows what was in the albums when it began. A chunk that it does not
 * know may go when it has been loose (chunk.h) for longer than the grace time
 * and the age of the count: then nobody has uploaded it within the grace time
 * before the count began. So a change of an album may take just that time to
 * come from whoever made it, and nothing that it names is gone.
 *
 * When an album cannot be read, or there is more than CENSUS_MAX, the count
 * ends without a result, and the one before holds. Where none holds, nothing
 * may go.
 */
#ifndef ALBUM_CENSUS_H
#define ALBUM_CENSUS_H

#include "errand.h"

/* Chunks that a count tells apart: 256 MiB of names. */
enum { CENSUS_MAX = 1 << 23 };

typedef enum census_phase {
    CENSUS_RESTS,
    CENSUS_ALBUMS,
    CENSUS_INDEXES
} census_phase;

typedef struct census_list {
    chunk_hash *all;
    size_t count, room;
} census_list;

typedef struct census census;

typedef struct census_config {
    uint64_t grace_s;
    pass_key key;
    /* Says by census_file_is what is in the next album. 0: that was the last;
     * -1: it cannot be read. */
    int (*next_album)(void *ctx, census *c);
    void *ctx;
} census_config;

struct census {
    census_config config;
    fleet fleet;
    errand errand;
    uint8_t *bytes; /* an index on its way */
    census_phase phase;
    uint64_t due_ms, begun_ms;
    census_list named, indexes; /* of this count; to be got yet */
    int has_failed;             /* it lacks something */
    census_list known;          /* of the last that did not, in order */
    uint64_t known_ms;          /* when that had begun */
    int is_known;
};

/* 0: no memory, or no descriptor. */
int census_open(census *c, const census_config *config);
void census_close(census *c);

/* The data servers to ask for indexes. */
void census_hear(census *c, const roll *servers);
/* An album has that file. */
void census_file_is(census *c, const chunk_hash *hash, uint64_t size);

/* Does a little; answers the ms until the next call, or until fleet.epoll is
 * readable. */
int census_step(census *c);

/* As registry_config.named. */
uint64_t census_named(const census *c, const chunk_hash *names, size_t count,
                      uint8_t *is_named);

#endif
