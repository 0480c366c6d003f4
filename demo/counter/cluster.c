/*
 * counter-cluster, what `make demo` runs: three counters over TCP on this
 * machine, each with a file of operations of its own; one is killed half way
 * and comes back as a new incarnation. In the end all must hold the same, and
 * exactly what was acknowledged:
 *
 *     ana    creates the variables   operations 1 .. N
 *     ben    operations 1 .. ~N/2    SIGKILL
 *            the first P of them are at others, the rest is lost: there is no
 *            store yet. P is what the others' version vectors say of the dead
 *            incarnation, as each operation is one change.
 *     ben'   the operations that ben had not reported as made
 *     cleo   operations 1 .. N
 *
 *     expected = ana 1..N + ben 1..P + ben' + cleo 1..N
 */
#include "../common/posix.h"

#include "../common/dice.h"
#include "../common/member.h"
#include "../common/options.h"
#include "../common/tale.h"
#include "../common/text.h"
#include "../common/ticks.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PEERS = 3, LIVES = 4, VARIABLES = 8, OPS_MAX = 1000000 };
enum { ANA, BEN, CLEO, BEN_AGAIN }; /* lives; the first three are members */
#define ANSWER_SECONDS 10.0
#define CONVERGE_SECONDS 60.0

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
    int port;
    size_t first, count; /* operations of its file that it is to do */
    uint64_t applied, failed, acked;
    uint64_t sent_bytes, received_bytes;
    int is_loaded;
} life;

static struct {
    double ops, rate;
    int keep, help;
    char *counter; /* the program */
    char dir[64];
    member members[PEERS];
    life lives[LIVES];
    operation *operations[PEERS];
    size_t count; /* of operations, each */
    uint64_t fed_us, loaded_us, equal_us, back_us;
    uint64_t survived; /* of ben's first life */
} run;

/* >>talking --------------------------------------------------------------- */

static const cJSON *ask(int peer, const char *command)
{
    const cJSON *answer = member_ask(run.members, PEERS, &run.members[peer],
                                     command, ANSWER_SECONDS);
    if (!answer)
        die("%s gave no answer to `%s`", run.members[peer].name, command);
    if (!json_get_bool(answer, "ok"))
        die("%s to `%s`: %s", run.members[peer].name, command,
            json_get_text(answer, "error"));
    return answer;
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
    snprintf(path, sizeof path, "%s/%s%s", run.dir, name, suffix);
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

/* The sum of the first `count` operations of a life, by variable. */
static void add_up(int64_t sums[VARIABLES], int peer, size_t first,
                   size_t count)
{
    size_t i;
    for (i = first; i < first + count; i++) {
        const operation *op = &run.operations[peer][i];
        sums[op->variable] += op->amount;
    }
}

/* >>files ----------------------------------------------------------------- */

static const char *const kept_files[] = { "ana.ops",  "ben.ops", "ben-2.ops",
                                          "cleo.ops", "ana.log", "ben.log",
                                          "cleo.log" };

/* May run in a signal handler: unlink and rmdir alone. */
static void remove_files(void)
{
    char path[160];
    size_t i, dir = strlen(run.dir);
    if (!dir || run.keep)
        return;
    memcpy(path, run.dir, dir);
    path[dir] = '/';
    for (i = 0; i < sizeof kept_files / sizeof *kept_files; i++) {
        memcpy(path + dir + 1, kept_files[i], strlen(kept_files[i]) + 1);
        unlink(path);
    }
    rmdir(run.dir);
    run.dir[0] = 0;
}

static void make_files(void)
{
    static const int peers[] = { ANA, BEN, CLEO };
    size_t i;
    snprintf(run.dir, sizeof run.dir, "/tmp/counter-cluster-XXXXXX");
    if (!mkdtemp(run.dir))
        die("cannot make a directory below /tmp");
    atexit(remove_files);
    children_on_signal(remove_files);
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

static void heard(member *m, const cJSON *event)
{
    life *l = (life *)m->ctx;
    const char *what = json_get_text(event, "event");
    const char *name = json_get_text(event, "name");
    if (strcmp(what, "ready") == 0) {
        snprintf(l->replica, sizeof l->replica, "%s",
                 json_get_text(event, "replica"));
        l->port = (int)json_get_number(event, "port");
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

static void dial(const char **argv, int *argc, char addresses[PEERS][32],
                 int peer)
{
    snprintf(addresses[peer], 32, "127.0.0.1:%d", run.lives[peer].port);
    argv[(*argc)++] = "--peer";
    argv[(*argc)++] = addresses[peer];
}

/* Starts the member with that life, dialling those below `dialled`. */
static void start(int peer, int which, int dialled)
{
    member *m = &run.members[peer];
    life *l = &run.lives[which];
    char listen[32], addresses[PEERS][32];
    const char *argv[16];
    int argc = 0, i;
    uint64_t until = ticks_ms() + (uint64_t)(ANSWER_SECONDS * 1000);
    snprintf(listen, sizeof listen, "127.0.0.1:%d", l->port);
    argv[argc++] = run.counter;
    argv[argc++] = "--json";
    argv[argc++] = "--name";
    argv[argc++] = m->name;
    argv[argc++] = "--listen";
    argv[argc++] = listen;
    for (i = 0; i < dialled; i++)
        dial(argv, &argc, addresses, i);
    argv[argc] = NULL;
    m->ctx = l;
    m->heard = heard;
    if (!child_start(&m->process, argv))
        die("cannot start %s", run.counter);
    if (run.keep)
        m->process.log = fopen(path_of(m->name, ".log"), "a");
    while (!*l->replica && !m->process.out.ended && ticks_ms() < until)
        members_listen(run.members, PEERS, 100);
    if (!*l->replica)
        die("%s did not start", m->name);
    tell("%s runs: process %d, 127.0.0.1:%d, replica %.8s", m->name,
         (int)m->process.pid, l->port, l->replica);
}

static void start_all(void)
{
    int i;
    for (i = 0; i < PEERS; i++) {
        snprintf(run.members[i].name, sizeof run.members[i].name, "%s",
                 run.lives[i].name);
        start(i, i, i);
    }
}

/* >>acts ------------------------------------------------------------------ */

static void wait_for_variables(int peer)
{
    uint64_t until = ticks_ms() + (uint64_t)(ANSWER_SECONDS * 1000);
    for (;;) {
        const cJSON *list = cJSON_GetObjectItemCaseSensitive(
            ask(peer, "variables"), "variables");
        if (cJSON_GetArraySize(list) == VARIABLES)
            return;
        if (ticks_ms() > until)
            die("%s does not get the variables", run.members[peer].name);
        members_listen(run.members, PEERS, 5);
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
    member *m = &run.members[BEN];
    while (l->applied < run.count / 2 && !l->is_loaded) {
        if (m->process.out.ended)
            die("ben ended by itself");
        members_listen(run.members, PEERS, 1000);
    }
    child_signal(&m->process, SIGKILL);
    tell("ben is killed (SIGKILL) after it reported %s operations, %s of "
         "them acknowledged",
         number(l->applied), number(l->acked));
    while (!m->process.out.ended) /* its last words count */
        members_listen(run.members, PEERS, 1000);
    member_end(m, 1);
}

static void restart_ben(void)
{
    life *before = &run.lives[BEN], *again = &run.lives[BEN_AGAIN];
    again->port = before->port;
    again->first = (size_t)before->applied;
    again->count = run.count - again->first;
    write_operations(BEN, again, "-2.ops");
    run.back_us = ticks_us();
    start(BEN, BEN_AGAIN, 1);
    wait_for_variables(BEN);
    tell("ben is back with empty hands, and has got all from the others "
         "within %.0f ms",
         (double)(ticks_us() - run.back_us) / 1000);
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
        ticks_ms() + (uint64_t)((CONVERGE_SECONDS + 2 * seconds) * 1000);
    int i;
    while (!all_loaded()) {
        members_listen(run.members, PEERS, 1000);
        for (i = 0; i < PEERS; i++)
            if (run.members[i].process.out.ended)
                die("%s ended by itself", run.members[i].name);
        if (ticks_ms() > until)
            die("the files are not done in time");
    }
    run.loaded_us = ticks_us();
}

static int digests_equal(void)
{
    char first[64] = "";
    int i, equal = 1;
    for (i = 0; i < PEERS; i++) {
        const char *digest = json_get_text(ask(i, "digest"), "digest");
        if (i == 0)
            snprintf(first, sizeof first, "%s", digest);
        equal &= strcmp(first, digest) == 0;
    }
    return equal;
}

static void wait_for_equal(void)
{
    uint64_t until = ticks_ms() + (uint64_t)(CONVERGE_SECONDS * 1000);
    while (!digests_equal()) {
        if (ticks_ms() > until)
            die("the digests are not equal after %.0f s", CONVERGE_SECONDS);
        members_listen(run.members, PEERS, 2);
    }
    run.equal_us = ticks_us();
    tell("all three digests are equal");
}

/* >>accounts -------------------------------------------------------------- */

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

/* Every life's changes have reached everyone, none more, none less. */
static void check_vectors(void)
{
    int peer;
    run.survived = seen_of(ANA, BEN);
    for (peer = 0; peer < PEERS; peer++) {
        const char *name = run.members[peer].name;
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
              "%s has seen %s changes of ben's first life, ana %s", name,
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
    check(run.survived >= l->acked,
          "operation %s of ben's first life was acknowledged, yet is lost",
          number(run.survived + 1));
    check(run.survived <= run.count, "ben's first life has too many changes");
}

/* "operation 7", "operations 7 to 9 (3)" */
static const char *span(uint64_t first, uint64_t last)
{
    static char text[100];
    if (first == last)
        snprintf(text, sizeof text, "operation %s", number(first));
    else
        snprintf(text, sizeof text, "operations %s to %s (%s)", number(first),
                 number(last), number(last - first + 1));
    return text;
}

static void tell_lost(void)
{
    uint64_t applied = run.lives[BEN].applied, survived = run.survived;
    printf("\nben's first life: it reported %s operations as made, %s of "
           "them acknowledged\nby a peer; %s survived it.\n",
           number(applied), number(run.lives[BEN].acked), number(survived));
    if (survived < applied)
        printf("Lost with its memory, as there is no store yet: %s, never "
               "acknowledged.\n",
               span(survived + 1, applied));
    else
        puts("Nothing that it had reported as made was lost.");
    if (survived > applied)
        printf("Sent before it could report them, so done once more by its "
               "second life:\n%s.\n",
               span(applied + 1, survived));
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
    const life *again = &run.lives[BEN_AGAIN];
    int v, peer;
    add_up(expected, ANA, 0, run.count);
    add_up(expected, BEN, 0, (size_t)run.survived);
    add_up(expected, BEN, again->first, again->count);
    add_up(expected, CLEO, 0, run.count);
    printf("\n%-10s %10s %10s %10s %12s\n", "", "ana", "ben", "cleo",
           "sum of files");
    for (v = 0; v < VARIABLES; v++) {
        printf("%-10s", variables[v]);
        for (peer = 0; peer < PEERS; peer++) {
            int64_t value = value_at(peer, v);
            printf(" %10" PRId64, value);
            check(value == expected[v], "%s is %" PRId64 " at %s",
                  variables[v], value, run.members[peer].name);
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
    for (i = 0; i < PEERS; i++) {
        run.members[i].heard = NULL;
        child_say(&run.members[i].process, "quit");
    }
    for (i = 0; i < PEERS; i++) {
        member_end(&run.members[i], 5);
        check(run.members[i].process.status == 0,
              "%s ended with wait status %d", run.members[i].name,
              run.members[i].process.status);
        free(run.operations[i]);
    }
}

static int verdict(void)
{
    if (run.keep)
        printf("\nfiles and logs are in %s\n", run.dir);
    if (check_failures())
        printf("\nFAILED: %d checks\n", check_failures());
    else
        puts("\nOK: all three agree, and with the sum of what was "
             "acknowledged.");
    return check_failures() != 0;
}

static void find_counter(void)
{
    char path[4096];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 16);
    char *slash;
    if (len < 0)
        die("cannot tell where I am: %s", "/proc/self/exe");
    path[len] = 0;
    slash = strrchr(path, '/');
    memcpy(slash + 1, "counter", 8);
    run.counter = text_copy(path);
    if (access(run.counter, X_OK))
        die("there is no %s", run.counter);
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
        { "keep", NULL, "keep the files and the JSON logs", OPTION_SWITCH,
          &run.keep, 0, 0 },
        { "help", NULL, "this", OPTION_SWITCH, &run.help, 1, 0 },
    };
    options all = { "counter-cluster", "CRDT_CLUSTER_", rows, 4, NULL, "" };
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
    int i, status = read_options(argc, argv);
    if (status >= 0)
        return status;
    tale_begin();
    for (i = 0; i < LIVES; i++)
        run.lives[i].name = names[i];
    find_counter();
    make_files();
    start_all();
    create_variables();
    feed_all();
    kill_ben();
    restart_ben();
    wait_for_files();
    wait_for_equal();
    check_vectors();
    check_ben();
    tell_lost();
    check_values();
    tell_figures();
    stop_all();
    free(run.counter);
    return verdict();
}
