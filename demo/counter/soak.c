/*
 * counter-soak: many counters on this machine that all populate the same
 * variables, with a full sync every second, for minutes. In the end all hold
 * the sum of what was acknowledged to whoever asked for it, and a last full
 * sync finds nothing to differ.
 *
 *     p0 <- p1 <- p2 <- p3 ...      each dials the one before it, and the one
 *      ^-----------'                with half its number
 */
#include "../common/posix.h"

#include "../common/cluster.h"
#include "../common/options.h"
#include "../common/tale.h"
#include "../common/text.h"
#include "../common/ticks.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { VARIABLES = 8, TELL_MS = 10000, EPOCH_SECONDS = 60 };

static struct {
    double peers, seconds, every, rate, count;
    int strict, keep, help;
    char *transport, *options;
    cluster c;                    /* large */
    uint64_t due_ms[CLUSTER_MAX]; /* when it gets its next populate */
    int variable[CLUSTER_MAX];    /* of the one under way */
    int64_t sums[VARIABLES];      /* of what was acknowledged */
    uint64_t changes, populates;
} soak;

static const char *name_of(int peer)
{
    return soak.c.members[peer].name;
}

/* >>starting -------------------------------------------------------------- */

static void start(int peer)
{
    char name[16], command[600];
    size_t used;
    snprintf(name, sizeof name, "p%d", peer);
    snprintf(command, sizeof command,
             "counter --listen 127.0.0.1:0 --dir %%/%s --transport %.8s "
             "--sync-every %g --alone%s %.200s",
             name, soak.transport ? soak.transport : "tcp", soak.every,
             soak.strict ? " --strict" : "", soak.options ? soak.options : "");
    used = strlen(command);
    if (peer > 0)
        snprintf(command + used, sizeof command - used,
                 " --peer @p%d --peer @p%d", peer - 1, peer / 2);
    cluster_start(&soak.c, name, command);
}

static void wait_for_variables(int peer)
{
    uint64_t until = ticks_ms() + (uint64_t)(CLUSTER_SECONDS * 1000);
    while (!cluster_holds(cluster_ask(&soak.c, name_of(peer), "variables"),
                          "variables/#=8")) {
        if (ticks_ms() > until)
            die("%s does not get the variables", name_of(peer));
        members_listen(soak.c.members, soak.c.count, 20);
    }
}

static void start_all(void)
{
    int i;
    for (i = 0; i < (int)soak.peers; i++)
        start(i);
    for (i = 0; i < VARIABLES; i++)
        cluster_ask(&soak.c, "p0", "create v%d", i);
    for (i = 1; i < (int)soak.peers; i++)
        wait_for_variables(i);
    tell("%d peers run, and have the %d variables", (int)soak.peers,
         VARIABLES);
}

/* >>populating ------------------------------------------------------------ */

static void ask(int peer, uint64_t now)
{
    char command[64];
    soak.variable[peer] = (int)((soak.populates + (uint64_t)peer) % VARIABLES);
    snprintf(command, sizeof command, "populate v%d %.0f", soak.variable[peer],
             soak.count);
    cluster_say(&soak.c, name_of(peer), command);
    soak.populates++;
    soak.due_ms[peer] = now + (uint64_t)(1000 / soak.rate);
}

/* Takes up the answer, if there is one. */
static void take(int peer)
{
    member *m = &soak.c.members[peer];
    if (!m->answer)
        return;
    if (!json_get_bool(m->answer, "ok"))
        die("%s: %s", m->name, json_get_text(m->answer, "error"));
    soak.sums[soak.variable[peer]] += json_get_int64(m->answer, "sum");
    soak.changes += (uint64_t)json_get_number(m->answer, "count");
    cJSON_Delete(m->answer);
    m->answer = NULL;
}

static uint64_t epochs(void)
{
    return (uint64_t)json_get_int64(cluster_ask(&soak.c, "p0", "status"),
                                    "epoch");
}

static void populate_all(void)
{
    uint64_t begun = ticks_ms(), told = begun, now;
    uint64_t until = begun + (uint64_t)(soak.seconds * 1000);
    int i, busy = 0;
    do {
        now = ticks_ms();
        for (i = 0, busy = 0; i < (int)soak.peers; i++) {
            const member *m = &soak.c.members[i];
            take(i);
            if (!*m->asked && now < until && now >= soak.due_ms[i])
                ask(i, now);
            busy += *m->asked != 0;
            if (m->process.out.ended)
                die("%s ended by itself", m->name);
        }
        members_listen(soak.c.members, soak.c.count, 10);
        if (now - told >= TELL_MS) {
            told = now;
            tell("%s changes acknowledged", number(soak.changes));
        }
    } while (busy || now < until);
    tell("%s changes acknowledged, in %s populates, %.0f a second",
         number(soak.changes), number(soak.populates),
         (double)soak.changes * 1000 / (double)(ticks_ms() - begun));
}

/* >>checking -------------------------------------------------------------- */

static void check_values(int peer)
{
    int v;
    for (v = 0; v < VARIABLES; v++) {
        const cJSON *answer =
            cluster_ask(&soak.c, name_of(peer), "get v%d", v);
        check(json_get_int64(answer, "value") == soak.sums[v],
              "v%d is %" PRId64 " at %s, and not %" PRId64, v,
              json_get_int64(answer, "value"), name_of(peer), soak.sums[v]);
    }
}

static void check_peer(int peer)
{
    const cJSON *status = cluster_ask(&soak.c, name_of(peer), "status");
    check(cluster_holds(status, "alarms=0"), "%s has alarms", name_of(peer));
    check_values(peer);
}

/* That of its neighbours may be under way when we ask. */
static void last_sync(void)
{
    uint64_t until = ticks_ms() + EPOCH_SECONDS * 1000;
    while (!json_get_bool(cluster_try(&soak.c, "p0", "sync"), "ok"))
        if (ticks_ms() > until)
            die("no full sync in the end");
}

static void check_all(uint64_t before)
{
    uint64_t done = epochs() - before;
    int i;
    cluster_agree(&soak.c, "digest", "digest");
    last_sync();
    for (i = 0; i < (int)soak.peers; i++)
        check_peer(i);
    tell("%s full syncs meanwhile; all agree after the last one",
         number(done));
    check(done >= 1, "no full sync was done");
}

/* >>main ------------------------------------------------------------------ */

/* -1: go on; else the exit status. */
static int read_options(int argc, char **argv)
{
    option rows[] = {
        { "peers", "N", "how many (20)", OPTION_NUMBER, &soak.peers, 0, 0 },
        { "seconds", "N", "how long they populate (300)", OPTION_NUMBER,
          &soak.seconds, 0, 0 },
        { "every", "SECONDS", "a full sync so often (1)", OPTION_NUMBER,
          &soak.every, 0, 0 },
        { "rate", "N", "populates a second for each (5)", OPTION_NUMBER,
          &soak.rate, 0, 0 },
        { "count", "N", "changes in each (1,000)", OPTION_NUMBER, &soak.count,
          0, 0 },
        { "transport", "KIND", "as of counter (tcp)", OPTION_TEXT,
          &soak.transport, 0, 0 },
        { "options", "TEXT", "more options of counter", OPTION_TEXT,
          &soak.options, 0, 0 },
        { "strict", NULL, "full syncs hold up writing", OPTION_SWITCH,
          &soak.strict, 0, 0 },
        { "keep", NULL, "keep the files, and what was said", OPTION_SWITCH,
          &soak.keep, 0, 0 },
        { "help", NULL, "this", OPTION_SWITCH, &soak.help, 1, 0 },
    };
    options all = { "counter-soak", "CRDT_SOAK_", rows, 10, NULL, "" };
    if (!options_read(&all, argc, argv) || soak.peers < 2 ||
        soak.peers > CLUSTER_MAX || soak.rate <= 0 || soak.count < 1) {
        fprintf(stderr, "counter-soak: %s\n",
                *all.why ? all.why : "2 to 40 peers, a rate and a count");
        return 2;
    }
    if (!soak.help)
        return -1;
    puts("counter-soak: many counters that populate, with full syncs all the "
         "while;\nin the end they must agree with what was acknowledged.\n\n"
         "usage: counter-soak [OPTION]...\n");
    options_help(&all);
    return 0;
}

int main(int argc, char **argv)
{
    uint64_t before;
    int status;
    soak.peers = 20;
    soak.seconds = 300;
    soak.every = 1;
    soak.rate = 5;
    soak.count = 1000;
    status = read_options(argc, argv);
    if (status >= 0)
        return status;
    tale_begin();
    cluster_open(&soak.c, "counter-soak", soak.keep);
    soak.c.bin = cluster_beside_me();
    soak.c.is_quiet = 1;
    start_all();
    before = epochs();
    populate_all();
    check_all(before);
    cluster_close(&soak.c);
    puts(check_failures() ? "FAILED"
                          : "OK: all agree, and with the sum of "
                            "what was acknowledged.");
    return check_failures() != 0;
}
