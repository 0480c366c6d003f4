/*
 * The album server: accounts, albums and who is in them. It keeps a replica of
 * every album that somebody has open, and is a peer like any other there.
 *
 *     desk.c    connections: who one is             accounts.h, hasher.h
 *     hall.c    albums: who may enter, who is in    replica.h, census.h
 *     server.c  settings, commands, the loop
 */
#ifndef ALBUM_SERVER_H
#define ALBUM_SERVER_H

#include <stdint.h>

#include "../common/menu.h"
#include "../common/reader.h"
#include "accounts.h"
#include "census.h"
#include "channel.h"
#include "hasher.h"
#include "registry.h"
#include "replica.h"
#include "throttle.h"

enum {
    CONNS_MAX = 512,
    HALLS_MAX = 128,              /* albums open at once */
    ANONYMOUS_MS = 60 * 1000,     /* to log in */
    SILENT_MS = 20 * 1000,        /* clients say at least that they live */
    HALL_IDLE_MS = 60 * 1000,     /* an empty album is closed after that */
    REGISTRY_MS = 30 * 60 * 1000, /* passes are told anew */
    PASS_SECONDS = 3600
};

/* An album that is open here. */
typedef struct hall {
    album_row row;
    replica r;
    uint64_t empty_ms; /* since nobody is in it */
} hall;

/* Somebody connected. */
typedef struct conn {
    channel c;
    char address[80], host[80];
    uint64_t since_ms, heard_ms;
    char user[ALBUM_USER_MAX + 1]; /* logged in, or "" */
    hall *in;                      /* the album it is in, or NULL */
    char at[96];                   /* where its peer listens, or "" */
    /* A password is being hashed: */
    uint64_t ticket;
    int64_t asked; /* the number of the request */
    int is_register;
    char name[ALBUM_USER_MAX + 1];
} conn;

typedef struct server {
    char *dir, *listen, *data_listen, *transport, *name, *config;
    double copies, grace_days;
    int json, verbose, help, version;

    say say;
    accounts *people;
    hasher hashing;
    throttle attempts;
    channel_keys keys;
    registry *data;
    uint64_t told_ms; /* of the registry, all clients */
    census census;
    char counted[ALBUM_USER_MAX + 1]; /* the album that it has read last */
    int listener;
    conn *conns[CONNS_MAX];
    size_t conns_count;
    hall *halls[HALLS_MAX];
    size_t halls_count;
    uint64_t numbers;
    reader in;
    crdt_log log;
    int quits;
} server;

/* desk.c */
void desk_step(server *s);
void desk_close(server *s);
/* To one, to all that are logged in. Take the event. */
void desk_tell(conn *c, cJSON *event);
void desk_tell_data(server *s);
conn *desk_find(server *s, const char *user);
cJSON *desk_event(const char *name);
/* Answers a request that failed or succeeded. Take `answer`. */
void desk_refuse(conn *c, const cJSON *request, const char *why);
void desk_answer(conn *c, const cJSON *request, cJSON *answer);

/* hall.c: requests of those who are logged in. */
void hall_create(server *s, conn *c, const cJSON *request);
void hall_list(server *s, conn *c, const cJSON *request);
void hall_enter(server *s, conn *c, const cJSON *request);
void hall_here(server *s, conn *c, const cJSON *request);
void hall_leave(server *s, conn *c, const cJSON *request);
void hall_add(server *s, conn *c, const cJSON *request);
void hall_remove(server *s, conn *c, const cJSON *request);
void hall_members(server *s, conn *c, const cJSON *request);

/* Ends the part that c has in an album, and tells the others. */
void hall_out(server *s, conn *c, const char *why);
void hall_step(server *s);
void hall_close(server *s);
/* As census_config.next_album, with the server. */
int hall_count_next(void *ctx, census *to);
/* Opens it if it is not; NULL: `why` says it. */
hall *hall_open(server *s, const char *name, char *why, size_t size);

#endif
