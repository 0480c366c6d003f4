/*
 * The program's state: one document, the node that keeps it equal with others,
 * two sources of commands, and what has been told of the peers.
 *
 *     keyboard or pipe ---+                       +--- say: answers
 *     --file, load -------+--> commands --> doc --+--- notices: who comes, goes
 *                                            |
 *                                          node <--> network
 */
#ifndef COUNTER_APP_H
#define COUNTER_APP_H

#include <stdint.h>

#include "crdtsync.h"

#include "../common/beacon.h"
#include "../common/network.h"
#include "../common/reader.h"
#include "../common/say.h"
#include "history.h"
#include "settings.h"

#define DOCUMENT_NAME "counters"

typedef enum hold_kind {
    HOLD_NONE,
    HOLD_SLEEP,
    HOLD_WAIT,    /* until synced with all connected peers */
    HOLD_SYNC,    /* until a full sync is over */
    HOLD_FROZEN,  /* until writing is allowed again */
    HOLD_POPULATE /* until all of its changes are made */
} hold_kind;

/* Why a source gives no commands for a while. */
typedef struct hold {
    hold_kind kind;
    uint64_t since_ms, until_ms; /* until 0: for ever */
    char *command;               /* to be answered when it ends */
    uint64_t epoch, persisted;   /* as they were, of HOLD_SYNC */
} hold;

/* A populate under way. */
typedef struct errand {
    char name[CRDTSYNC_MAX_KEY + 1];
    uint64_t count, made, seed, begun_us;
    int64_t sum;
} errand;

/* Where commands come from. */
typedef struct source {
    reader in;
    char *file; /* path; NULL: keyboard or pipe */
    int is_terminal, is_running;
    hold hold;
    errand errand;
    uint64_t line;            /* of the file, from 1 */
    uint64_t applied, failed; /* commands that changed something; errors */
    uint64_t begun_ms, told_ms;
    uint64_t paced_us, paced; /* since then so many: for the rate */
    double rate;
} source;

enum { KNOWN_MAX = 256, NAMES_MAX = 1024 };

/* A peer that has been told of. */
typedef struct known_peer {
    crdt_id node;
    char name[80];
    int is_here, was_synced;
} known_peer;

typedef struct known_name {
    crdt_id replica;
    char name[80];
} known_name;

/* As last told: mode.h. */
typedef struct mode_told {
    crdt_phase phase;
    uint64_t number, alarms;
    crdt_id waiting_for;
} mode_told;

typedef enum repair_state {
    REPAIR_NONE,
    REPAIR_WAITS,  /* until another has all that we have */
    REPAIR_FETCHES /* all of it, anew */
} repair_state;

/* repair.h */
typedef struct repair {
    repair_state state;
    uint64_t until_ms;  /* commands wait till then at most */
    crdt_vv had;        /* what the document had that is gone */
    int is_told;        /* a mismatch, since the last full sync; */
    int has_odd;        /* it was known who differs, */
    crdt_id odd;        /* one that did */
    int was_done;       /* since then */
    int persists;       /* so it is not tried again */
    uint64_t persisted; /* how often, ever */
} repair;

typedef struct app {
    settings set;
    say say;
    crdt_doc *doc;
    crdt_node *node;
    network net;
    crdt_id replica; /* at the start */
    history history;
    char history_file[512]; /* or "" */
    mode_told mode;
    repair repair;
    uint64_t synced_ms, asked_ms; /* full syncs: the last one; by us */
    known_name names[NAMES_MAX];
    size_t names_count;
    uint64_t named_ms;
    beacon *beacon; /* or NULL */
    source keys, load;
    known_peer known[KNOWN_MAX];
    size_t known_count;
    char log_line[256]; /* the last of the engine */
    uint64_t confirm;   /* own changes to tell of when a peer has them */
    uint64_t stored;    /* changes that were in the store at the start */
    crdt_err store_err; /* that has been told */
    int quits;
} app;

#endif
