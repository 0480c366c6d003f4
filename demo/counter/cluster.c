/*
 * counter-cluster, what `make demo` runs: three counters over TCP on this
 * machine, each with a directory and a file of operations of its own; one is
 * killed half way and comes back, as a new incarnation, with what it stored.
 * In the end all must hold the same, and nothing that was told is lost:
 *
 *     ana    creates the variables   operations 1 .. N
 *     ben    operations 1 .. P       SIGKILL, at about N/2
 *            P are stored, no fewer than it had reported as made. P is what
 *            its version vector says of the dead incarnation, as each
 *            operation is one change.
 *     ben'   operations P + 1 .. N
 *     cleo   operations 1 .. N
 */
#include "../common/posix.h"

#include "../common/cluster.h"
#include "../common/dice.h"
#include "../common/options.h"
#include "../common/tale.h"
#include "../common/text.h"
#include "../common/ticks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PEERS = 3, LIVES = 4, VARIABLES = 8, OPS_MAX = 1000000 };
enum { ANA, BEN, CLEO, BEN_AGAIN }; /* lives; the first three are members */

static const char *const variables[VARIABLES] = { "apples", "bread", "coffee",
                                                  "dates",  "eggs",  "figs",
                                                  "grapes", "honey" };

typedef struct operation {
    int variable;
    int amount;
} operation;

/* One incarnation, as far as it has told. */
typedef struct life {
    const char *name;
    char replica[33];
    size_t first, count; /* operations of its file that it is to do */
    uint64_t applied, failed, acked;
    uint64_t stored; /* changes that it began with */
    uint64_t sent_bytes, received_bytes;
    int is_loaded;
} life;

static struct {
    double ops, rate;
    char *transport;
    int keep, help;
    cluster c; /* large */
    life lives[LIVES];
    int ben; /* which of its lives it is in */
    operation *operations[PEERS];
    size_t count; /* of operations, each */
    uint64_t fed_us, loaded_us, equal_us, back_us;
    uint64_t survived; /* of ben's first life, on its disk */
} run;

static const cJSON *ask(int peer, const char *command)
{
    return cluster_ask(&run.c, run.lives[peer].name, "%s", command);
}

/* >>operations ------------------------------------------------------------ */

static operation *make_operations(uint64_t seed)
{
    operation *all = (operation *)calloc(run.count, sizeof *all);
    size_t i;
    if (!all)
        die("out of memory");
    for (i = 0; i < run.count; i++) {
        all[i].variable = (int)(dice_next(&seed) % VARIABLES);
        all[i].amount = dice_amount(&seed);
    }
    return all;
}

static char *path_of(const char *name, const char *suffix)
{
    static char path[160];
    snprintf(path, sizeof path, "%s/%s%s", run.c.dir, name, suffix);
    return path;
}

/* The operations of a life, as commands. */
static void write_operations(int peer, const life *l, const char *suffix)
{
    const char *path = path_of(l->name, suffix);
    FILE *file = fopen(path, "w");
    size_t i;
    if (!file)
        die("cannot write %s", path);
    for (i = l->first; i < l->first + l->count; i++) {
        const operation *op = &run.operations[peer][i];
        fprintf(file, "%+d %s\n", op->amount, variables[op->variable]);
    }
    if (fclose(file))
        die("cannot write %s", path);
}

/* The sum of a file, by variable. */
static void add_up(int64_t sums[VARIABLES], int peer)
{
    size_t i;
    for (i = 0; i < run.count; i++) {
        const operation *op = &run.operations[peer][i];
        sums[op->variable] += op->amount;
    }
}

static void make_operation_files(void)
{
    static const int peers[] = { ANA, BEN, CLEO };
    size_t i;
    for (i = 0; i < PEERS; i++) {
        life *l = &run.lives[peers[i]];
        run.operations[i] = make_operations(i + 1);
        l->count = run.count;
        write_operations(peers[i], l, ".ops");
    }
}

/* >>members --------------------------------------------------------------- */

static void learn_progress(life *l, const cJSON *event)
{
    l->applied = (uint64_t)json_get_number(event, "applied");
    l->failed = (uint64_t)json_get_number(event, "failed");
    l->acked = (uint64_t)json_get_int64(event, "acked");
    l->sent_bytes = (uint64_t)json_get_number(event, "sent_bytes");
    l->received_bytes = (uint64_t)json_get_number(event, "received_bytes");
}

static life *life_of(const member *m)
{
    int i = ANA;
    while (strcmp(run.lives[i].name, m->name) != 0)
        i++;
    return &run.lives[i == BEN ? run.ben : i];
}

static void heard(member *m, const cJSON *event)
{
    life *l = life_of(m);
    const char *what = json_get_text(event, "event");
    const char *name = json_get_text(event, "name");
    if (strcmp(what, "ready") == 0) {
        snprintf(l->replica, sizeof l->replica, "%s",
                 json_get_text(event, "replica"));
        l->stored = (uint64_t)json_get_int64(event, "stored");
    } else if (strcmp(what, "progress") == 0) {
        learn_progress(l, event);
    } else if (strcmp(what, "loaded") == 0) {
        learn_progress(l, event);
        l->is_loaded = 1;
        tell("%s has done its file: %s operations", m->name,
             number(l->applied));
    } else if (strcmp(what, "peer_up") == 0) {
        tell("%s: %s is here", m->name, name);
    } else if (strcmp(what, "peer_down") == 0) {
        tell("%s: %s is gone: %s", m->name, name, json_get_text(event, "why"));
    }
}

static void start_all(void)
{
    static const char command[] =
        "counter --alone --listen 127.0.0.1:0 --dir %/";
    char words[200];
    snprintf(words, sizeof words, "%sana.data", command);
    cluster_start(&run.c, "ana", words);
    snprintf(words, sizeof words, "%sben.data --peer @ana", command);
    cluster_start(&run.c, "ben", words);
    snprintf(words, sizeof words, "%scleo.data --peer @ana --peer @ben",
             command);
    cluster_start(&run.c, "cleo", words);
}

static void listen_on(int timeout_ms)
{
    members_listen(run.c.members, run.c.count, timeout_ms);
}

/* How many changes of a life the member has seen. */
static uint64_t seen_of(int peer, int which)
{
    const cJSON *entry,
        *vv = cJSON_GetObjectItemCaseSensitive(ask(peer, "vv"), "vv");
    cJSON_ArrayForEach(entry, vv)
    {
        const char *replica = json_get_text(entry, "replica");
        if (replica && strcmp(replica, run.lives[which].replica) == 0)
            return (uint64_t)json_get_int64(entry, "seq");
    }
    return 0;
}

/* >>acts ------------------------------------------------------------------ */

static void wait_for_variables(int peer)
{
    uint64_t until = ticks_ms() + (uint64_t)(CLUSTER_SECONDS * 1000);
    for (;;) {
        const cJSON *list = cJSON_GetObjectItemCaseSensitive(
            ask(peer, "variables"), "variables");
        if (cJSON_GetArraySize(list) == VARIABLES)
            return;
        if (ticks_ms() > until)
            die("%s does not get the variables", run.lives[peer].name);
        listen_on(5);
    }
}

static void create_variables(void)
{
    char command[64];
    int i;
    for (i = 0; i < VARIABLES; i++) {
        snprintf(command, sizeof command, "create %s", variables[i]);
        ask(ANA, command);
    }
    wait_for_variables(BEN);
    wait_for_variables(CLEO);
    tell("ana made %d variables, and all have them", VARIABLES);
}

static void feed(int peer, const life *l, const char *suffix)
{
    char command[240];
    snprintf(command, sizeof command, "load %s %.0f", path_of(l->name, suffix),
             run.rate);
    ask(peer, command);
}

static void feed_all(void)
{
    char pace[48] = "as fast as they can";
    int i;
    if (run.rate > 0)
        snprintf(pace, sizeof pace, "%s a second", number((uint64_t)run.rate));
    tell("each gets its own file of %s operations, %s", number(run.count),
         pace);
    run.fed_us = ticks_us();
    for (i = 0; i < PEERS; i++)
        feed(i, &run.lives[i], ".ops");
}

static void kill_ben(void)
{
    life *l = &run.lives[BEN];
    while (l->applied < run.count / 2 && !l->is_loaded) {
        if (cluster_member(&run.c, "ben")->process.out.ended)
            die("ben ended by itself");
        listen_on(1000);
    }
    cluster_kill(&run.c, "ben"); /* and hears its last words */
    tell("it had reported %s operations, %s of them acknowledged",
         number(l->applied), number(l->acked));
}

static void restart_ben(void)
{
    life *before = &run.lives[BEN], *again = &run.lives[BEN_AGAIN];
    run.ben = BEN_AGAIN;
    run.back_us = ticks_us();
    cluster_start(&run.c, "ben", NULL);
    tell("ben is back after %.0f ms, with %s changes from its disk",
         (double)(ticks_us() - run.back_us) / 1000, number(again->stored));
    run.survived = seen_of(BEN, BEN);
    check(run.survived >= before->applied,
          "ben had reported %s operations, and %s are on its disk",
          number(before->applied), number(run.survived));
    again->first = (size_t)run.survived;
    again->count = run.count - again->first;
    write_operations(BEN, again, "-2.ops");
    tell("ben goes on with operation %s of its file",
         number(again->first + 1));
    feed(BEN, again, "-2.ops");
}

static int all_loaded(void)
{
    return run.lives[ANA].is_loaded && run.lives[CLEO].is_loaded &&
           run.lives[BEN_AGAIN].is_loaded;
}

static void wait_for_files(void)
{
    double seconds = run.rate > 0 ? (double)run.count / run.rate : 0;
    uint64_t until =
        ticks_ms() + (uint64_t)((CLUSTER_SECONDS + 2 * seconds) * 1000);
    int i;
    while (!all_loaded()) {
        listen_on(1000);
        for (i = 0; i < PEERS; i++)
            if (run.c.members[i].process.out.ended)
                die("%s ended by itself", run.c.members[i].name);
        if (ticks_ms() > until)
            die("the files are not done in time");
    }
    run.loaded_us = ticks_us();
}

static void wait_for_equal(void)
{
    cluster_agree(&run.c, "digest", "digest");
    run.equal_us = ticks_us();
    tell("all three digests are equal");
}

/* Ben's first life is not waited for: its second has said that it is over. */
static void full_sync(void)
{
    const cJSON *answer = ask(ANA, "sync");
    tell("ana asked for a full sync: all %.0f agree, history begins anew",
         json_get_number(answer, "members"));
    check(json_get_number(answer, "members") == PEERS,
          "the full sync was one of %.0f", json_get_number(answer, "members"));
}

/* >>accounts -------------------------------------------------------------- */

/* Every life's changes have reached everyone, none more, none less. */
static void check_vectors(void)
{
    int peer;
    for (peer = 0; peer < PEERS; peer++) {
        const char *name = run.lives[peer].name;
        uint64_t ana = seen_of(peer, ANA), cleo = seen_of(peer, CLEO);
        uint64_t ben = seen_of(peer, BEN), again = seen_of(peer, BEN_AGAIN);
        check(ana == run.count + VARIABLES, "%s has seen %s changes of ana",
              name, number(ana));
        check(cleo == run.count, "%s has seen %s changes of cleo", name,
              number(cleo));
        check(again == run.lives[BEN_AGAIN].count,
              "%s has seen %s changes of ben's second life", name,
              number(again));
        check(ben == run.survived,
              "%s has seen %s changes of ben's first life, not %s", name,
              number(ben), number(run.survived));
    }
}

static void check_ben(void)
{
    const life *l = &run.lives[BEN];
    int i;
    for (i = 0; i < LIVES; i++)
        check(run.lives[i].failed == 0, "%s operations of %s failed",
              number(run.lives[i].failed), run.lives[i].name);
    check(run.survived >= l->applied,
          "operation %s of ben's first life was reported, yet is lost",
          number(run.survived + 1));
    check(run.survived <= run.count, "ben's first life has too many changes");
}

static void tell_lost(void)
{
    printf("\nben's first life: it reported %s operations as made, %s of "
           "them acknowledged\nby a peer; %s were on its disk, and it went "
           "on behind those.\n",
           number(run.lives[BEN].applied), number(run.lives[BEN].acked),
           number(run.survived));
    puts("Nothing was lost, and nothing was done twice.");
}

static int64_t value_at(int peer, int variable)
{
    char command[64];
    snprintf(command, sizeof command, "get %s", variables[variable]);
    return json_get_int64(ask(peer, command), "value");
}

/* The table of values; any that differs from the sum is wrong. */
static void check_values(void)
{
    int64_t expected[VARIABLES] = { 0 };
    int v, peer;
    for (peer = 0; peer < PEERS; peer++)
        add_up(expected, peer);
    printf("\n%-10s %10s %10s %10s %12s\n", "", "ana", "ben", "cleo",
           "sum of files");
    for (v = 0; v < VARIABLES; v++) {
        printf("%-10s", variables[v]);
        for (peer = 0; peer < PEERS; peer++) {
            int64_t value = value_at(peer, v);
            printf(" %10" PRId64, value);
            check(value == expected[v], "%s is %" PRId64 " at %s",
                  variables[v], value, run.lives[peer].name);
        }
        printf(" %12" PRId64 "\n", expected[v]);
    }
    printf("%-10s", "digest");
    for (peer = 0; peer < PEERS; peer++)
        printf(" %10.8s", json_get_text(ask(peer, "digest"), "digest"));
    puts(" (first 8 of 32 digits)");
}

/* >>figures --------------------------------------------------------------- */

static uint64_t total_operations(void)
{
    return 2 * run.count + run.survived + run.lives[BEN_AGAIN].count;
}

static uint64_t total_bytes(void)
{
    uint64_t bytes = run.lives[BEN].sent_bytes; /* as it last told */
    int peer;
    for (peer = 0; peer < PEERS; peer++)
        bytes += (uint64_t)json_get_number(ask(peer, "status"), "sent_bytes");
    return bytes;
}

static void tell_figures(void)
{
    double seconds = (double)(run.loaded_us - run.fed_us) / 1000000;
    uint64_t operations = total_operations(), bytes = total_bytes();
    char size[28], rate[28];
    printf("\n%s operations in %.2f s: %s a second, all peers together\n",
           number(operations), seconds,
           number((uint64_t)((double)operations / seconds)));
    printf("%s sent, by all to all: %s a second, %.1f bytes an operation\n",
           text_size(size, bytes),
           text_size(rate, (uint64_t)((double)bytes / seconds)),
           (double)bytes / (double)operations);
    printf("equal %.0f ms after the last operation\n",
           (double)(run.equal_us - run.loaded_us) / 1000);
}

/* >>main ------------------------------------------------------------------ */

static void stop_all(void)
{
    int i;
    run.c.heard = NULL;
    cluster_close(&run.c);
    for (i = 0; i < PEERS; i++)
        free(run.operations[i]);
}

static int verdict(void)
{
    if (run.keep)
        printf("\nfiles and logs are in %s\n", run.c.dir);
    if (check_failures())
        printf("\nFAILED: %d checks\n", check_failures());
    else
        puts("\nOK: all three agree, and with the sum of the files.");
    return check_failures() != 0;
}

static void help(const options *all)
{
    puts("counter-cluster: three counters on this machine, one of them "
         "killed half way;\nin the end they must agree.\n\n"
         "usage: counter-cluster [OPTION]...\n");
    options_help(all);
}

/* -1: go on; else the exit status. */
static int read_options(int argc, char **argv)
{
    option rows[] = {
        { "ops", "N", "operations for each (10,000)", OPTION_NUMBER, &run.ops,
          0, 0 },
        { "rate", "N", "operations a second for each (5,000); 0: no limit",
          OPTION_NUMBER, &run.rate, 0, 0 },
        { "transport", "KIND", "tcp, udp or zmq; else tcp", OPTION_TEXT,
          &run.transport, 0, 0 },
        { "keep", NULL, "keep the files and the JSON logs", OPTION_SWITCH,
          &run.keep, 0, 0 },
        { "help", NULL, "this", OPTION_SWITCH, &run.help, 1, 0 },
    };
    options all = { "counter-cluster", "CRDT_CLUSTER_", rows, 5, NULL, "" };
    run.ops = 10000;
    run.rate = 5000;
    if (!options_read(&all, argc, argv)) {
        fprintf(stderr, "counter-cluster: %s\n", all.why);
        return 2;
    }
    if (run.help) {
        help(&all);
        return 0;
    }
    if (run.ops < 2 || run.ops > OPS_MAX) {
        fprintf(stderr, "counter-cluster: --ops is from 2 to 1000000\n");
        return 2;
    }
    run.count = (size_t)run.ops;
    return -1;
}

int main(int argc, char **argv)
{
    static const char *const names[LIVES] = { "ana", "ben", "cleo", "ben" };
    static char words[80];
    int i, status = read_options(argc, argv);
    if (status >= 0)
        return status;
    tale_begin();
    for (i = 0; i < LIVES; i++)
        run.lives[i].name = names[i];
    run.ben = BEN;
    cluster_open(&run.c, "counter-cluster", run.keep);
    run.c.bin = cluster_beside_me();
    run.c.heard = heard;
    if (run.transport) {
        snprintf(words, sizeof words, "--transport %.40s", run.transport);
        run.c.options = words;
    }
    make_operation_files();
    start_all();
    create_variables();
    feed_all();
    kill_ben();
    restart_ben();
    wait_for_files();
    wait_for_equal();
    full_sync();
    check_vectors();
    check_ben();
    tell_lost();
    check_values();
    tell_figures();
    stop_all();
    return verdict();
}
