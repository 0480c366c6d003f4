/*
 * The list of data servers, at the album server: they say that they are there,
 * and all who ask hear of all.
 *
 *     album-data  -- REGISTER name, address -->  registry
 *                 <-- all of them, N copies ---
 *     again every second; who is silent for lease_ms is no longer on the list
 *
 * They also ask it which chunks the files of albums name (NAMED): what no file
 * does they may delete after a while.
 *
 * They prove that they know the key (pass.h). Clients never talk to it: they
 * get registry_text from the album server, at login and when it has changed.
 */
#ifndef ALBUM_REGISTRY_H
#define ALBUM_REGISTRY_H

#include <stddef.h>
#include <stdint.h>

#include "chunk.h"
#include "pass.h"
#include "roll.h"

enum { REGISTRY_NAMES_MAX = 1024 /* asked about at once */ };

typedef struct registry registry;

typedef struct registry_config {
    const char *listen; /* "HOST:PORT", of digits; port 0: any */
    pass_key key;       /* pass_key_read(): shared with the data servers */
    unsigned copies;    /* of each chunk; 0: 2 */
    unsigned lease_ms;  /* 0: 10,000 */
    /* The list is another now: tell all clients. `what` is for people, as
     * "data server d1 is here". */
    void (*changed)(void *ctx, const char *what);
    /* Says of each chunk whether a file names it, and answers the seconds of
     * patience: who has been loose for longer (chunk.h) and is not named may
     * be deleted. 0: it is not known now. NULL: it never is. */
    uint64_t (*named)(void *ctx, const chunk_hash *names, size_t count,
                      uint8_t *is_named);
    void *ctx;
} registry_config;

/* NULL: `why` says it. */
registry *registry_open(const registry_config *config, char *why, size_t size);
void registry_close(registry *r);

unsigned registry_port(const registry *r);
/* As transfers_fd and transfers_step. */
int registry_fd(const registry *r);
int registry_step(registry *r);

size_t registry_count(const registry *r);
const roll *registry_roll(const registry *r);
/* For a client: the list, and a pass to read and write that is good for so
 * many seconds. One line of JSON, to be passed on as it is over a channel that
 * nobody else can read; to be freed. NULL: no memory. */
char *registry_text(const registry *r, unsigned seconds);

#endif
