/*
 * What has been done since the last full sync: rows of {node, nonce, value},
 * of which the nonces of each replica begin behind the cut of that sync.
 *
 *     cut: ana 4, ben 7           value before
 *     ana.5     apples  +5        one change, as it was made or came
 *     ben.8-12  apples  -3        what came as one delta: all of these nonces
 *                                 that concern apples together
 *
 * The document holds but one total of each replica for each counter. So rows
 * are differences of totals, taken from the delta since what was last seen.
 */
#ifndef COUNTER_HISTORY_H
#define COUNTER_HISTORY_H

#include <stddef.h>
#include <stdint.h>

#include "crdtsync.h"

enum { HISTORY_ROWS_MAX = 1 << 18 };

typedef struct history_row {
    uint32_t replica, variable; /* indices: history_replica, history_name */
    uint64_t from, to;          /* nonces */
    int64_t value;
} history_row;

typedef struct history {
    history_row *rows; /* in the order in which they came */
    size_t len, cap;
    crdt_vv seen; /* up to where rows have been taken */
    uint64_t epoch;
    void *totals, *names; /* trees: search.h */
    crdt_id *replicas;
    size_t replicas_len;
    char **variables;
    uint64_t *late; /* of each, rows that the last cut went through */
    size_t variables_len;
    /* Of each row that came from others. */
    void *ctx;
    void (*came)(void *ctx, const history_row *row);
} history;

void history_free(history *h);

/* One own change that has just been committed. */
void history_own(history *h, const crdt_dot *dot, const char *name,
                 int64_t value);
/* Takes up what has come since. */
void history_update(history *h, crdt_doc *doc);
/* A full sync has been committed: forgets all up to its cut. */
void history_cut(history *h, uint64_t epoch, const crdt_vv *cut);

/* The document begins anew: all since the cut comes again. */
void history_rewind(history *h);

/* "12", or "5-12", in a buffer of at least 48. */
char *history_nonces(const history_row *row, char *out);
/* NULL and -1 for what is unknown. */
const char *history_name(const history *h, uint32_t variable);
const crdt_id *history_replica(const history *h, uint32_t replica);
int64_t history_variable(const history *h, const char *name);
/* The sum of the rows of a variable. */
int64_t history_sum(const history *h, uint32_t variable);

/* A file keeps what was at the cut, so that after a restart all since is one
 * row for each replica and variable. 0: errno says why. */
int history_save(const history *h, const char *path);
int history_load(history *h, const char *path, crdt_doc *doc);

#endif
