/*
 * The album client: one prompt, one connection to the server, at most one open
 * album, and files on their way.
 *
 *     keyboard, pipe, --file --> input.c --> commands.c
 *                                              |
 *              people.c  accounts, members ----+--> link.c    the server
 *              session.c entering, leaving ----+--> replica.h the album
 *              files.c   files, votes ---------+--> transfer.h data servers
 *              tell.c    what is where --------+
 *              news.c    what others do
 *              local.c   what outlives the process
 *
 * A command that has to wait holds back the input until it is answered; all
 * else goes on meanwhile.
 */
#ifndef ALBUM_CLIENT_H
#define ALBUM_CLIENT_H

#include <stdint.h>

#include "../common/menu.h"
#include "../common/options.h"
#include "../common/reader.h"
#include "album.h"
#include "channel.h"
#include "replica.h"
#include "transfer.h"

enum {
    ASKED_MAX = 8,
    ASK_MS = 15 * 1000,  /* for an answer of the server */
    RETRY_MS = 1000,     /* to find the server again */
    ALIVE_MS = 4000,     /* we say at least that we live */
    SYNC_MS = 10 * 1000, /* to bring the server up to date when leaving */
    PEERS_MAX = 64
};

typedef struct client client;

/* The answer, or NULL: there is none, and `why` says why. */
typedef void answered(client *c, const cJSON *answer, const char *why);

typedef struct asked {
    double id;       /* 0: free */
    uint64_t serial; /* of the command that waits for it; 0: none does */
    cJSON *request;  /* not sent yet, or NULL */
    answered *fn;
    uint64_t until_ms;
} asked;

/* Who is in the album, as the node sees it. */
typedef struct known_peer {
    crdt_id node;
    char name[80];
    int is_here, is_silent;
} known_peer;

typedef struct session {
    int is_open;
    int is_online; /* the server has us in the album */
    char name[ALBUM_USER_MAX + 1];
    char id[33];
    uint8_t key[32];
    unsigned port; /* of the server's replica */
    replica r;
    network up; /* to the server's replica */
    int has_up;
    uint64_t confirmed; /* own changes that others had before it was opened */
    known_peer known[PEERS_MAX];
    size_t known_count;
} session;

struct client {
    /* settings */
    char *server, *server_key, *dir, *transport, *ship, *listen, *chaos;
    char *name, *script_path, *config, *codec;
    int json, verbose, help, version;

    say say;
    menu menu;
    crdt_log log;
    cJSON *local; /* local.c */

    /* input.c */
    reader in, script;
    int is_terminal, quits;
    uint64_t script_line;
    char *command;   /* that waits for its answer, or NULL */
    uint64_t serial; /* of the last such */
    uint64_t since_ms, until_ms;
    int sleeps;     /* until then */
    int is_leaving; /* so it is enough that the server has all */

    void (*synced)(client *c, const char *why); /* why: NULL when it is */
    char prompt[160];

    /* link.c */
    channel link;
    int is_linked, is_connecting, was_told;
    uint64_t retry_ms, alive_ms;
    double asks;
    asked asked[ASKED_MAX];
    char user[ALBUM_USER_MAX + 1]; /* who we are; "" nobody */
    int is_logged_in;              /* as the server knows */

    session in_album;
    int is_unsent; /* of the album that is being left */

    transfers *files;
    transfer *transfer; /* of the command under way */
    album_file file;    /* that is being added, or downloaded */
    char file_name[ALBUM_FILE_MAX + 1], *file_path;
    uint64_t progress_ms;
    void (*fetched)(client *c, const transfer_news *news);

    char *page; /* gallery.c: being made, or NULL */
    crdt_cursor walk;
};

/* >>input.c */
/* 0: `why` says what is wrong with --file. */
int input_open(client *c, char *why, size_t size);
void input_close(client *c);
/* Does the commands that are there; answers for how many ms there is nothing
 * to do. */
int input_step(client *c);
int input_fd(const client *c);
void input_ready(client *c, int events);
void input_prompt(client *c);
/* Ctrl-C: ends the command that waits. 0: there is none. */
int input_release(client *c);
/* The command under way is answered later, between the other two. */
void input_later(client *c);
void input_answer(client *c);
void input_done(client *c);
/* Answers when the album is synced, or it is too late. */
void input_sync(client *c, uint64_t ms, void (*fn)(client *, const char *));

/* >>commands.c */
void commands_start(client *c);
void commands_line(client *c, char *line, const char *place);

/* >>link.c */
/* Sends the request, now or when the server is found. Takes it. The first is
 * for the command under way: when that is given up, nobody hears the answer. */
void link_ask(client *c, cJSON *request, answered *fn);
void link_ask_aside(client *c, cJSON *request, answered *fn);
cJSON *link_request(const char *what);
void link_step(client *c);
void link_close(client *c, const char *why);
/* From now on this is who we are. */
void link_user(client *c, const char *user, const char *token);
/* Says what the server answered when it is an error. 0: it is none. */
int link_failed(client *c, const cJSON *answer, const char *why);

/* >>session.c */
/* At once: nothing is waited for. */
void session_close(client *c);
/* The server is back: go on. */
void session_resume(client *c);
void session_step(client *c);
/* What the server tells of albums. */
void session_event(client *c, const char *what, const cJSON *event);
/* 1: all that are connected have all, and we what they have, and nothing is
 * only here; else `why` says what is missing. With `server_only`, and when the
 * server has us in the album, it is enough that the server has all. */
int session_synced(const client *c, int server_only, char *why, size_t size);
/* What was changed is on the disk before it is answered; else it is said why
 * not. */
void session_store(client *c);
/* Own changes that nobody has confirmed. */
uint64_t session_unsent(const client *c);
/* Says so when no album is open. */
int session_is_open(client *c);

/* >>news.c */
void news_start(client *c);
void news_step(client *c);

/* >>gallery.c */
void gallery_step(client *c);
void gallery_release(client *c);

/* >>local.c */
int local_read(client *c, char *why, size_t size);
void local_write(client *c);
const char *local_text(const client *c, const char *key);
void local_set(client *c, const char *key, const char *text);
/* What is known of the album of that name; `make`: made when there is none. */
cJSON *local_album(client *c, const char *name, int make);
void local_replace(cJSON *object, const char *key, const char *text);

/* >>people.c, session.c, files.c, tell.c, gallery.c: commands */
typedef void command(void *ctx, int words, char **word);
command run_register, run_login, run_logout, run_create, run_albums, run_add,
    run_remove, run_members, run_enter, run_leave, run_chat, run_say;
command run_add_file, run_add_image, run_remove_file, run_download, run_files,
    run_rate;
command run_metadata, run_replica, run_vv, run_status, run_digest, run_peers,
    run_graph, run_wait, run_sleep, run_chaos, run_gallery;

/* >>files.c */
int64_t files_now_ms(void);
/* As a name in a directory: nothing hidden, no path, nothing that begins an
 * option, no bytes that a terminal would act on. */
void files_safe_name(const album_file *file, char *out, size_t size);
/* The file that is meant by "NAME" or "NAME#ID". 0: none or several; said. */
int files_find(client *c, const char *name, album_file *out);
/* What the server tells of data servers. */
void files_hear(client *c, const char *text);
void files_release(client *c);

#endif
