/*
 * cluster: does what a script (common/script.h) tells a cluster of our demos
 * to do, and says whether all of it held.
 */
#include "../common/posix.h"

#include "../common/options.h"
#include "../common/script.h"
#include "../common/tale.h"
#include "../common/text.h"

#include <stdlib.h>
#include <string.h>

static struct {
    char *options;
    int keep, quiet, help;
} set;

static void help(const options *all)
{
    puts("cluster: starts programs of a demo on this machine, drives them by "
         "a script,\nkills, restarts and parts them, and checks what they "
         "say.\n\n"
         "usage: cluster [OPTION]... SCRIPT [ARGUMENT]...\n");
    options_help(all);
    puts("\nexample:\n"
         "  build/cluster --options '--transport udp' "
         "test/e2e/counter/epoch.cluster");
}

/* How many of argv are options; the script is behind them. */
static int options_end(int argc, char **argv)
{
    int at = 1;
    while (at < argc && strncmp(argv[at], "--", 2) == 0)
        at += strcmp(argv[at], "--options") == 0 ? 2 : 1;
    return at < argc ? at : argc;
}

static void run(const char *path, char **arguments, int count)
{
    static cluster c; /* large */
    tale_begin();
    cluster_open(&c, "cluster", set.keep);
    c.bin = cluster_beside_me();
    c.options = set.options;
    c.is_quiet = set.quiet;
    script_run(&c, path, (const char *const *)arguments, (size_t)count);
    cluster_close(&c);
    if (set.keep)
        printf("files and logs are in %s\n", c.dir);
}

int main(int argc, char **argv)
{
    option rows[] = {
        { "options", "TEXT", "given to each program, behind its own",
          OPTION_TEXT, &set.options, 0, 0 },
        { "keep", NULL, "keep the files, and what was said", OPTION_SWITCH,
          &set.keep, 0, 0 },
        { "quiet", NULL, "do not tell of each step", OPTION_SWITCH, &set.quiet,
          0, 0 },
        { "help", NULL, "this", OPTION_SWITCH, &set.help, 1, 0 },
    };
    options all = { "cluster", "CRDT_CLUSTER_", rows, 4, NULL, "" };
    int end = options_end(argc, argv);
    if (!options_read(&all, end, argv) || (!set.help && end == argc)) {
        fprintf(stderr, "cluster: %s\n",
                *all.why ? all.why : "it needs a script; see --help");
        return 2;
    }
    if (set.help)
        help(&all);
    else
        run(argv[end], argv + end + 1, argc - end - 1);
    options_free(&all);
    return check_failures() != 0;
}
