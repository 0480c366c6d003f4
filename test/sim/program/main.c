/*
 * build/sim: the engine in a world that is made up, and as bad as it can be.
 * docs/testing.md tells how it is used.
 */
#include "batch.h"
#include "scale.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
    "build/sim [OPTION...]: runs nodes over a network that does not exist,\n"
    "and looks whether they keep what crdtsync promises\n"
    "  --seeds N      how many (1000)       --start S    the first (0)\n"
    "  --replicas R   so many nodes         --time S     virtual seconds "
    "(60)\n"
    "  --topology T   mesh star chain ring random mesh4\n"
    "  --faults LIST  no others than these, by commas: loss dup reorder\n"
    "                 corrupt tear, and actions as --replay names them; none\n"
    "  --loss P       percent lost, and links that lose\n"
    "  --types LIST   text,map,aw_set: no others, but maps\n"
    "  --rule NAME    plants a bug; list: names them\n"
    "  --jobs N       processes at once (1)\n"
    "  --twice        each seed twice: both must do the same\n"
    "  --trace        tells all that happens\n"
    "  --replay WORDS what a failed seed has printed, or a file with that\n";

typedef struct {
    uint64_t seeds, start;
    uint32_t replicas, time, types, jobs;
    int topology, loss, twice;
    const char *faults, *rule, *replay;
    FILE *out;
} arguments;

/* >>arguments ------------------------------------------------------------- */

static uint32_t read_types(const char *list)
{
    uint32_t types = 0;
    int type;
    for (; *list; list += strcspn(list, ",") + (strchr(list, ',') != NULL))
        for (type = 1; type < CRDT_TYPE_COUNT; type++) {
            const char *name = crdt_type_name((crdt_type)type);
            size_t len = strcspn(list, ",");
            if (strlen(name) == len && !strncmp(name, list, len))
                types |= 1u << type;
        }
    return types;
}

static void list_bugs(void)
{
    int i;
    for (i = 0; i < NAMED_BUGS; i++)
        printf("%-15s %s\n", named_bugs[i].name, named_bugs[i].is.what);
    for (i = 0; i < BUGS; i++)
        printf("%-15d %s: %s\n", i, crdt_type_name(bugs[i].type),
               bugs[i].what);
}

/* One option with its value. Whether it is one. */
static int read_option(arguments *a, const char *name, const char *value)
{
    uint64_t number = strtoull(value, NULL, 10);
    if (!strcmp(name, "--seeds"))
        a->seeds = number;
    else if (!strcmp(name, "--start"))
        a->start = number;
    else if (!strcmp(name, "--replicas"))
        a->replicas = (uint32_t)number;
    else if (!strcmp(name, "--time"))
        a->time = (uint32_t)number;
    else if (!strcmp(name, "--topology"))
        a->topology =
            number_in(topology_names, TOPOLOGIES, value, strlen(value));
    else if (!strcmp(name, "--faults"))
        a->faults = value;
    else if (!strcmp(name, "--loss"))
        a->loss = (int)number;
    else if (!strcmp(name, "--types"))
        a->types = read_types(value);
    else if (!strcmp(name, "--rule"))
        a->rule = value;
    else if (!strcmp(name, "--jobs"))
        a->jobs = (uint32_t)number;
    else if (!strcmp(name, "--replay"))
        a->replay = value;
    else
        return 0;
    return 1;
}

static int read_arguments(arguments *a, int argc, char **argv)
{
    int i;
    memset(a, 0, sizeof *a);
    a->seeds = 1000;
    a->time = 60;
    a->jobs = 1;
    a->topology = a->loss = -1;
    for (i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--trace"))
            a->out = stdout;
        else if (!strcmp(argv[i], "--twice"))
            a->twice = 1;
        else if (i + 1 == argc || !read_option(a, argv[i], argv[i + 1]))
            return 0;
        else
            i++;
    }
    return a->jobs &&
           (!a->rule || !strcmp(a->rule, "list") || bug_find(a->rule));
}

static void expand(const arguments *a, uint64_t seed, options *o)
{
    options_choose(o, seed, a->time);
    if (a->replicas)
        o->replicas = a->replicas;
    if (a->topology >= 0)
        o->topology = (uint32_t)a->topology;
    if (a->faults)
        options_only(o, a->faults);
    if (a->loss >= 0) {
        o->loss = (uint32_t)a->loss;
        o->reliable = o->stream = o->loss == 0;
    }
    if (a->types)
        o->types = a->types;
}

/* >>seeds ----------------------------------------------------------------- */

static options running;

enum { SEED_SECONDS = 120 }; /* of real time, before it is taken for stuck */

/* The engine has failed an assertion, or worse: how to see it again. */
static void on_crash(int number)
{
    signal(number, SIG_DFL);
    printf("CRASH, signal %d\n  replay: build/sim --trace --replay '", number);
    options_print(stdout, &running);
    printf("'\n");
    fflush(stdout);
    raise(number);
}

static void expand_and_run(sim *s, const arguments *a, uint64_t seed, tally *t)
{
    expand(a, seed, &running);
    alarm(SEED_SECONDS);
    batch_run(s, &running, a->twice, a->rule, t);
}

/* Every jobs-th seed, from the first of this job on. */
static int run_job(const arguments *a, uint32_t job)
{
    static crdti_type table[CRDT_TYPE_COUNT];
    sim *s = sim_new();
    tally t;
    clock_t start = clock();
    uint64_t i;
    memset(&t, 0, sizeof t);
    s->t.out = a->out;
    bug_plant(s, table, a->rule ? bug_find(a->rule) : NULL);
    for (i = job; i < a->seeds && t.failed < 10; i += a->jobs)
        expand_and_run(s, a, a->start + i, &t);
    tally_print(&t, (double)(clock() - start) / CLOCKS_PER_SEC);
    sim_free(s);
    return t.failed != 0;
}

static int run_jobs(const arguments *a)
{
    uint32_t job;
    int failed = 0, status;
    if (a->jobs == 1)
        return run_job(a, 0);
    fflush(stdout);
    for (job = 0; job < a->jobs; job++)
        if (fork() == 0)
            exit(run_job(a, job));
    while (wait(&status) > 0)
        failed |= status != 0;
    return failed;
}

/* >>replay ---------------------------------------------------------------- */

/* The words, or those in the file of that name. */
static const char *replay_words(const char *words, char *room, size_t size)
{
    FILE *in = strchr(words, '=') ? NULL : fopen(words, "r");
    size_t len;
    if (!in)
        return words;
    len = fread(room, 1, size - 1, in);
    room[len] = 0;
    fclose(in);
    return room;
}

static int replay(const arguments *a)
{
    static crdti_type table[CRDT_TYPE_COUNT];
    static char room[16384];
    sim *s = sim_new();
    const char *wrong =
        options_read(&s->o, replay_words(a->replay, room, sizeof room));
    if (wrong) {
        printf("not understood: %s\n", wrong);
        return 2;
    }
    s->t.out = a->out;
    bug_plant(s, table, a->rule ? bug_find(a->rule) : NULL);
    wrong = sim_run(s);
    printf("%s; hash %016llx\n", wrong ? wrong : "nothing is wrong",
           (unsigned long long)s->t.hash);
    sim_free(s);
    return wrong != NULL;
}

/* So many sites that no model keeps up. */
static int run_scale(const arguments *a)
{
    sim *s = sim_new();
    const char *wrong;
    scale_options(&s->o, a->replicas,
                  a->topology < 0 ? MESH4 : (uint32_t)a->topology,
                  a->loss < 0 ? 0 : (uint32_t)a->loss);
    s->t.out = a->out;
    wrong = scale_run(s);
    if (wrong)
        puts(wrong);
    sim_free(s);
    return wrong != NULL;
}

int main(int argc, char **argv)
{
    arguments a;
    if (!read_arguments(&a, argc, argv)) {
        fputs(usage, stdout);
        return argc == 2 && !strcmp(argv[1], "--help") ? 0 : 2;
    }
    if (a.rule && !strcmp(a.rule, "list")) {
        list_bugs();
        return 0;
    }
    signal(SIGABRT, on_crash);
    signal(SIGSEGV, on_crash);
    signal(SIGALRM, on_crash);
    if (a.replicas > MODEL_AUTHORS)
        return run_scale(&a);
    return a.replay ? replay(&a) : run_jobs(&a);
}
