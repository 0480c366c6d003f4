/*
 * Programs of a demo on this machine, in one terminal, as one cluster: started,
 * driven, killed, restarted, kept apart, compared. What goes wrong ends the
 * run, and the run takes everything along: processes and files.
 *
 *     cluster_open(&c, "album", 0);
 *     cluster_start(&c, "server", "build/album-server --listen 127.0.0.1:0");
 *     cluster_start(&c, "ana", "build/album --peer @server --dir %/ana");
 *     cluster_ask(&c, "ana", "login ana secret");
 *     cluster_kill(&c, "ana");
 *     cluster_start(&c, "ana", NULL);         // as before, on the same port
 *     cluster_part(&c, "ana | server");       // till cluster_heal(&c)
 *     cluster_agree(&c, "digest", "digest");
 *     cluster_close(&c);
 *
 * A program takes part when it does what is told in member.h, takes --json and
 * --name, tells {"event":"ready","listen":"HOST:PORT"} first, and ends at
 * `quit`. To be kept apart from others it takes --chaos and a command of that
 * name (crdtsync_chaos.h).
 */
#ifndef DEMO_CLUSTER_H
#define DEMO_CLUSTER_H

#include "member.h"

enum { CLUSTER_MAX = 40, CLUSTER_WORDS_MAX = 48, CLUSTER_EVENTS_MAX = 4096 };
#define CLUSTER_SECONDS 60.0 /* for what has to happen */

/* A member that has been started once. */
typedef struct cluster_peer {
    char command[1024]; /* that started it */
    char listen[128];   /* where it listens, or did when it ran */
    cJSON *events;      /* an array of the last that it told, of this life */
    int heard;          /* how many of them have been looked at */
    int is_running;
} cluster_peer;

typedef struct cluster {
    char dir[128]; /* for files of the run */
    int keeps;     /* them, and what was said: DIR/NAME.log */
    int is_quiet;
    const char *bin;     /* where programs are that have no / in their name */
    const char *options; /* of each program, behind its own; or NULL */
    /* Hears each event too; or NULL. */
    void (*heard)(member *m, const cJSON *event);
    size_t count;
    member members[CLUSTER_MAX];
    cluster_peer peers[CLUSTER_MAX];
} cluster;

/* The directory of this program, for `bin`. */
const char *cluster_beside_me(void);

/* There is one cluster in a process. */
void cluster_open(cluster *c, const char *name, int keeps);
/* Ends all, politely, and checks that each ended well. */
void cluster_close(cluster *c);

/* Starts it and waits until it is ready. The command is words with blanks
 * between: in each "@NAME" stands for where NAME listens, and the "%" of "%/"
 * for the directory of the run. NULL: again as before. */
void cluster_start(cluster *c, const char *name, const char *command);
void cluster_kill(cluster *c, const char *name);
/* Says quit, and waits. */
void cluster_end(cluster *c, const char *name);
/* Stops it as Ctrl-Z does; lets it go on, once it has stopped. */
void cluster_stop(cluster *c, const char *name);
void cluster_continue(cluster *c, const char *name);
/* Waits until it has ended by itself. */
void cluster_ended(cluster *c, const char *name);

/* Its answer, which must be ok; valid until the next question to it. */
__attribute__((format(printf, 3, 4))) const cJSON *cluster_ask(
    cluster *c, const char *name, const char *form, ...);
/* Its answer, ok or not. */
const cJSON *cluster_try(cluster *c, const char *name, const char *command);
/* The halves of that, for questions that are not answered at once. */
void cluster_say(cluster *c, const char *name, const char *command);
const cJSON *cluster_answer(cluster *c, const char *name);
/* Asks all that are named (NULL: all that run) at once, and waits for the
 * answers, which are in member_of(...)->answer. */
void cluster_ask_all(cluster *c, const char *names, const char *command);

/* The next event of that kind that has not been looked at, which may be still
 * to come, and of which each "key=value" in `wanted` holds (or ""). */
const cJSON *cluster_hear(cluster *c, const char *name, const char *event,
                          const char *wanted);

/* Lets the links between those on different sides of a bar carry nothing: of
 * the two ends of a link the one that dialled does it. */
void cluster_part(cluster *c, const char *sides);
void cluster_heal(cluster *c);

/* Waits until all that run answer the command with the same value of `key`. */
void cluster_agree(cluster *c, const char *command, const char *key);

/* The member of that name; ends the run when there is none. */
member *cluster_member(cluster *c, const char *name);

/* What stands at a path of keys, indices and, for how many there are, "#":
 * "peers/0/name", "peers/#". Texts as they are, all else as JSON; "" for what
 * is not there. Valid until the next call. */
const char *cluster_at(const cJSON *object, const char *path);
/* Whether each of "path=value path!=value ..." holds. */
int cluster_holds(const cJSON *object, const char *wanted);

#endif
