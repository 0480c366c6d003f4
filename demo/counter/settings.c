#include "../common/posix.h"

#include "settings.h"
#include "../common/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crdtsync.h"

enum { NAME_MAX_BYTES = 64, ROWS_MAX = 16 };

static size_t rows_fill(option *rows, settings *s)
{
    const option all[] = {
        { "name", "NAME", "what peers call this one; else user@host",
          OPTION_TEXT, &s->name, 0, 0 },
        { "listen", "HOST:PORT", "take connections there; port 0: any free",
          OPTION_TEXT, &s->listen, 0, 0 },
        { "peer", "HOST:PORT", "connect to it, again and again; may repeat",
          OPTION_LIST, &s->peers, 0, 0 },
        { "file", "FILE", "do the commands of the file first", OPTION_TEXT,
          &s->file, 0, 0 },
        { "rate", "N", "commands a second from files; else all at once",
          OPTION_NUMBER, &s->rate, 0, 0 },
        { "json", NULL, "answer in JSON, one object a line", OPTION_SWITCH,
          &s->json, 0, 0 },
        { "wait", NULL, "do not end before a peer has all of it (60 s)",
          OPTION_SWITCH, &s->wait, 0, 0 },
        { "verbose", NULL, "tell on stderr what the engine logs",
          OPTION_SWITCH, &s->verbose, 0, 0 },
        { "config", "FILE", "a JSON file with these options, less the --",
          OPTION_TEXT, &s->config, 0, 0 },
        { "help", NULL, "this", OPTION_SWITCH, &s->help, 1, 0 },
        { "version", NULL, "the version", OPTION_SWITCH, &s->version, 1, 0 },
    };
    memcpy(rows, all, sizeof all);
    return sizeof all / sizeof *all;
}

static void table(options *all, option *rows, settings *s)
{
    memset(all, 0, sizeof *all);
    all->program = "counter";
    all->prefix = "CRDT_COUNTER_";
    all->rows = rows;
    all->count = rows_fill(rows, s);
    all->config = "config";
}

static void help(const options *all)
{
    puts("counter: integers that everyone may change at once, kept equal "
         "between peers.\n\n"
         "usage: counter [OPTION]...\n");
    options_help(all);
    puts("\nThe same by environment, as CRDT_COUNTER_LISTEN or "
         "CRDT_COUNTER_PEER=A:1,B:2, or\nin the JSON file of --config: "
         "{\"listen\": \"127.0.0.1:7001\", \"peer\": [\"...\"]}.\n"
         "The command line wins over the environment, that over the file.\n\n"
         "Commands come from the keyboard, a pipe or --file; "
         "`help` lists them.\n\n"
         "examples:\n"
         "  counter --name ana --listen 127.0.0.1:7001\n"
         "  counter --name ben --listen 127.0.0.1:7002 "
         "--peer 127.0.0.1:7001\n"
         "  printf 'create x\\n+5 x\\nget x\\n' | counter "
         "--peer 127.0.0.1:7001 --wait\n"
         "  counter --file operations.txt --rate 1000 --json "
         "--peer 127.0.0.1:7001");
}

static char *default_name(void)
{
    char host[48] = "here", name[96];
    const char *user = getenv("USER");
    gethostname(host, sizeof host);
    host[sizeof host - 1] = 0;
    snprintf(name, NAME_MAX_BYTES + 1, "%.20s@%s", user ? user : "someone",
             host);
    return text_copy(name);
}

static int refuse(const char *why)
{
    fprintf(stderr, "counter: %s\n", why);
    return 2;
}

int settings_read(settings *s, int argc, char **argv)
{
    options all;
    option rows[ROWS_MAX];
    memset(s, 0, sizeof *s);
    table(&all, rows, s);
    if (!options_read(&all, argc, argv))
        return refuse(all.why);
    if (s->help)
        help(&all);
    else if (s->version)
        puts("counter " CRDTSYNC_VERSION);
    if (s->help || s->version)
        return 0;
    if (!s->name)
        s->name = default_name();
    if (!*s->name || strlen(s->name) > NAME_MAX_BYTES)
        return refuse("--name takes 1 to 64 bytes");
    return -1;
}

void settings_free(settings *s)
{
    options all;
    option rows[ROWS_MAX];
    table(&all, rows, s);
    options_free(&all);
}
