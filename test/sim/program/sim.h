/*
 * One seed as it runs. The model, its dice and what went wrong are those of
 * the laws (world.h); a site has a member of it.
 *
 *     sim ---- sites    a node with its document, clock, memory and links
 *          '-- edges    who is to be linked with whom
 *          '-- lines    links that are, or were; a line has two ends
 *          '-- queue    what will happen
 *          '-- history  who committed what, and what each vector stands for
 *          '-- epochs   which cuts were committed, and by whom
 */
#ifndef SIM_H
#define SIM_H

#define MODEL_EVENTS 512
#define MODEL_AUTHORS 24
/* Small enough to be met. */
#define CRDTSYNC_MAX_BUFFERED 4096u
#define CRDTSYNC_MAX_TRANSFER 524288u
#define CRDTSYNC_IMPLEMENTATION
#include "../../laws/rule_names.h"

#include "../../../crdtsync.h"
#include "../../laws/histories.h"

#include "../../memory_store.h"

#include "memory.h"
#include "options.h"
#include "queue.h"
#include "trace.h"

#define SITE_EPOCH_MS UINT64_C(1700000000000)
enum { SITE_MEMORY = 32 << 20, STATES = 4096 };

typedef struct sim sim;
typedef struct site site;
typedef struct line line;
typedef struct edge edge;

/* >>network --------------------------------------------------------------- */

/* On its way to an end of a line, and then in its inbox. */
typedef struct packet {
    struct packet *next;
    struct line_end *to;
    size_t len;
    int is_end; /* the other side has hung up */
    uint8_t bytes[1];
} packet;

typedef struct line_end {
    line *on;
    site *at;
    crdt_peer peer;
    packet *first, **last; /* inbox */
    struct line_end *next; /* of those with something to be told */
    size_t queued;         /* bytes on the way here, and in the inbox */
    uint64_t last_at;      /* what is to keep its order comes no sooner */
    uint64_t held;         /* nor gets in before that */
    size_t refused;        /* bytes of the last send from here, or 0 */
    uint64_t packets;      /* sent here so far */
    uint8_t is_ready, is_told, has_room;
    uint8_t is_ended, is_dropped, is_dead;
} line_end;

struct line {
    line_end ends[2];
    edge *of;
    line *next;
    uint64_t dice;
};

struct edge {
    uint32_t number, sites[2]; /* the first one dials */
    line *now;
    uint64_t blocked[2]; /* until when nothing gets to that site */
    uint64_t clogged;    /* until when all is late */
    uint32_t dials;
    int is_gone;
};

/* >>sites ----------------------------------------------------------------- */

typedef enum { SITE_DOWN, SITE_UP, SITE_GONE } site_state;

struct site {
    sim *s;
    uint32_t number;
    site_state state;
    member m;
    crdt_node *node;
    crdt_doc *bulk; /* another document, of large values and no model */
    memory mem;
    int64_t clock_off;
    uint64_t boots, drawn; /* drawn: of random bytes */
    uint64_t wake_at, slow_until, nomem_until;
    uint64_t changes; /* of the document when last looked at */
    crdt_vv vv;
    crdt_buf saved;
    bits saved_done;           /* what a start must bring back, at least */
    struct memory_store *disk; /* NULL: there is `saved` */
    struct memory_store *backup;
    bits backup_done;
    bits stored, durable; /* what is in the disk for sure */
    int was_safe;         /* what was sent is to be there at the next start */
    crdt_vv posted;       /* what was told in letters */
    bits posted_done;
    crdt_buf table;  /* of members, as saved */
    uint64_t tabled; /* `changes` of the roster when last looked at */
    uint64_t floors; /* the same, of the document */
    uint8_t phase;
    uint64_t epoch; /* its number when last looked at */
    int is_in;      /* a member that all others wait for */
    crdt_id member; /* which */
    uint32_t shown; /* presences set */
    const crdt_upcalls *up;
    line_end **ends; /* by peer number, from 1 */
    crdt_peer ends_len, ends_cap;
    line_end *ready, **last_ready;
};

/* >>history --------------------------------------------------------------- */

typedef struct {
    uint64_t seq; /* of its last change */
    bits own;     /* all that its author committed so far */
    bits seen;    /* and all that it had seen */
} commit;

typedef struct {
    commit *ptr;
    size_t len, cap;
    int scanned; /* events */
    bits open;   /* of its events, those not committed */
} writer;

/* A cut that was committed, and the authors who were then members. */
typedef struct {
    uint64_t number;
    crdt_vv cut;
    bits by;
} committed;

/* A set of events that some document has had, and the digest of it then. */
typedef struct {
    uint64_t hash, seed; /* seed: 0 is free */
    crdt_digest digest;
} known_state;

typedef struct {
    uint64_t sent, bytes, lost, polls, lines;
    uint64_t writes, commits, states, models, letters, crashes, refused;
    uint64_t asked, epochs, evictions, forgotten;
    uint64_t heal_ms; /* until all were equal */
    uint64_t memory;  /* the most that a site had */
} counts;

struct sim {
    options o;
    world *w;
    trace t;
    uint64_t now, runs;
    queue q;
    site *sites;
    uint32_t sites_len, sites_cap;
    edge **edges;
    uint32_t edges_len, edges_cap;
    line *lines;
    writer writers[MODEL_AUTHORS];
    bits lost; /* committed, and gone with the sites that had it */
    known_state *states;
    committed *epochs;
    size_t epochs_len, epochs_cap;
    crdt_vv forgotten; /* by whoever was first */
    uint64_t before;   /* the last epoch before that of the end */
    uint32_t lease_ms; /* the longest asked for */
    int is_lax;        /* a program has forgotten what another may need */
    counts n;
    int has_model;         /* 0: too many sites for it */
    int is_healed;         /* no more faults */
    int is_concluded;      /* by a last full sync */
    const char *failed_at; /* which phase */
};

static inline void sim_fail(sim *s, const char *what)
{
    trace_line(&s->t, s->now, 0, "WRONG: %s", what);
    say(s->w, what);
}

#define SIM_EXPECT(cond)                                                      \
    do {                                                                      \
        if (!(cond))                                                          \
            sim_fail(s, #cond);                                               \
    } while (0)

#endif
