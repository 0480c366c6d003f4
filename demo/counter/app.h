/*
 * The program's state: one document, the node that keeps it equal with others,
 * two sources of commands, and what has been told of the peers.
 *
 *     keyboard or pipe ---+                       +--- say: answers
 *     --file, load -------+--> commands --> doc --+--- notices: who comes, goes
 *                                            |
 *                                          node <--> TCP
 */
#ifndef COUNTER_APP_H
#define COUNTER_APP_H

#include <stdint.h>

#include "crdtsync.h"

#include "../common/reader.h"
#include "say.h"
#include "settings.h"

#define DOCUMENT_NAME "counters"

typedef enum hold_kind {
    HOLD_NONE,
    HOLD_SLEEP,
    HOLD_SYNC /* until synced with all connected peers */
} hold_kind;

/* Why a source gives no commands for a while. */
typedef struct hold {
    hold_kind kind;
    uint64_t since_ms, until_ms; /* until 0: for ever */
    char *command;               /* to be answered when it ends */
} hold;

/* Where commands come from. */
typedef struct source {
    reader in;
    char *file; /* path; NULL: keyboard or pipe */
    int is_terminal, is_running;
    hold hold;
    uint64_t line;            /* of the file, from 1 */
    uint64_t applied, failed; /* commands that changed something; errors */
    uint64_t begun_ms, told_ms;
    uint64_t paced_us, paced; /* since then so many: for the rate */
    double rate;
} source;

enum { KNOWN_MAX = 256 };

/* A peer that has been told of. */
typedef struct known_peer {
    crdt_id node;
    char name[80];
    int is_here, was_synced;
} known_peer;

typedef struct app {
    settings set;
    say say;
    crdt_doc *doc;
    crdt_node *node;
    crdt_transport tcp;
    crdt_id replica;
    char listening[128]; /* HOST:PORT, or "" */
    source keys, load;
    known_peer known[KNOWN_MAX];
    size_t known_count;
    char log_line[256]; /* the last of the engine */
    uint64_t confirm;   /* own changes to tell of when a peer has them */
    int quits;
} app;

#endif
