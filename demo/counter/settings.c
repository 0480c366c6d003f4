#include "../common/posix.h"

#include "settings.h"
#include "../common/network.h"
#include "../common/network.h"
#include "../common/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crdtsync.h"

/* Of the block that is free for use within an organisation (RFC 2365). */
#define DISCOVER_GROUP "239.192.47.11:4712"

enum { NAME_MAX_BYTES = 64, ROWS_MAX = 40, EVICT_MAX = 1000000 };

static void table(options *all, option *rows, settings *s)
{
    const option these[] = {
        { "name", "NAME", "what peers call this one; else user@host",
          OPTION_TEXT, &s->name, 0, 0 },
        { "listen", "HOST:PORT", "take connections there; port 0: any free",
          OPTION_TEXT, &s->listen, 0, 0 },
        { "peer", "HOST:PORT", "connect to it, again and again; may repeat",
          OPTION_LIST, &s->peers, 0, 0 },
        { "transport", "KIND", NETWORK_TRANSPORTS "; else tcp", OPTION_TEXT,
          &s->transport, 0, 0 },
        { "discover", "GROUP:PORT",
          "meet who says the same there; else " DISCOVER_GROUP, OPTION_TEXT,
          &s->discover, 0, 0 },
        { "realm", "WORD", "of these, only who says the same", OPTION_TEXT,
          &s->realm, 0, 0 },
        { "alone", NULL, "meet nobody who is not named by --peer",
          OPTION_SWITCH, &s->alone, 0, 0 },
        { "key", "FILE", "only who has this key comes in; made if not there",
          OPTION_TEXT, &s->key, 0, 0 },
        { "chaos", "SPEC", "a bad network, as loss=10%,delay=50ms",
          OPTION_TEXT, &s->chaos, 0, 0 },
        { "ship", "MODE", "what is sent: ops, delta or state; else delta",
          OPTION_TEXT, &s->ship, 0, 0 },
        { "codec", "KIND", "how: binary or json; else binary", OPTION_TEXT,
          &s->codec, 0, 0 },
        { "dir", "DIR", "keep all of it there; else below XDG_DATA_HOME",
          OPTION_TEXT, &s->dir, 0, 0 },
        { "memory", NULL, "keep nothing: all ends with the process",
          OPTION_SWITCH, &s->memory, 0, 0 },
        { "sync-every", "SECONDS", "a full sync so often; else when asked",
          OPTION_NUMBER, &s->sync_every, 0, 0 },
        { "sync-size", "ROWS", "a full sync when the history is so long",
          OPTION_NUMBER, &s->sync_size, 0, 0 },
        { "strict", NULL, "full syncs hold up writing", OPTION_SWITCH,
          &s->strict, 0, 0 },
        { "lease", "SECONDS", "how long a full sync may take (10)",
          OPTION_NUMBER, &s->lease, 0, 0 },
        { "evict", "SECONDS", "wait no longer for who is silent so long (60)",
          OPTION_NUMBER, &s->evict, 0, 0 },
        { "changes", NULL, "tell of each change that comes", OPTION_SWITCH,
          &s->changes, 0, 0 },
        { "die-at", "STEP",
          "for tests: sync, answered, ready, committed, work", OPTION_TEXT,
          &s->die_at, 0, 0 },
        { "stop-at", "STEP", "for tests: the same, as Ctrl-Z", OPTION_TEXT,
          &s->stop_at, 0, 0 },
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
        OPTIONS_OF_ALL(&s->config, &s->help, &s->version),
    };
    options_table(all, "counter", "CRDT_COUNTER_", rows, these,
                  sizeof these / sizeof *these);
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
         "  counter --name cleo --dir cleo.data --peer 127.0.0.1:7002\n"
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

/* XDG_DATA_HOME/crdtsync/counter/NAME, all but the last made; or NULL. */
static char *default_dir(const char *name)
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    char path[1024], *at;
    size_t begin;
    if ((!data || *data != '/') && (!home || *home != '/'))
        return NULL;
    if (data && *data == '/')
        snprintf(path, sizeof path, "%.800s/crdtsync/counter/", data);
    else
        snprintf(path, sizeof path, "%.800s/.local/share/crdtsync/counter/",
                 home);
    for (at = strchr(path + 1, '/'); at; at = strchr(at + 1, '/')) {
        *at = 0;
        mkdir(path, 0700);
        *at = '/';
    }
    begin = strlen(path);
    snprintf(path + begin, sizeof path - begin, "%s", name);
    for (at = path + begin; (at = strchr(at, '/'));)
        *at = '_';
    if (path[begin] == '.')
        path[begin] = '_';
    return text_copy(path);
}

static int is_one_of(const char *word, const char *a, const char *b,
                     const char *c)
{
    return strcmp(word, a) == 0 || strcmp(word, b) == 0 ||
           strcmp(word, c) == 0;
}

static int refuse(const char *why)
{
    fprintf(stderr, "counter: %s\n", why);
    return 2;
}

/* What makes no sense, or NULL. */
static const char *wrong(const settings *s)
{
    if (!*s->name || strlen(s->name) > NAME_MAX_BYTES)
        return "--name takes 1 to 64 bytes";
    if (s->lease < 0.1 || s->lease > 3600)
        return "--lease is from 0.1 to 3600 seconds";
    if (s->evict > EVICT_MAX)
        return "--evict is at most 1000000 seconds";
    if (s->ship && !is_one_of(s->ship, "ops", "delta", "state"))
        return "--ship is ops, delta or state";
    if (s->codec && !is_one_of(s->codec, "binary", "json", "json"))
        return "--codec is binary or json";
    if (s->realm && (strlen(s->realm) > 60 || strchr(s->realm, ' ')))
        return "--realm is a word of at most 60 bytes";
    return NULL;
}

/* As completion in a shell adds them: "DIR/.odd" would be in DIR. */
static void trim_slashes(char *dir)
{
    size_t len = strlen(dir);
    while (len > 1 && dir[len - 1] == '/')
        dir[--len] = 0;
}

/* Who is told of nobody looks around; who is told no place has its own. */
static void fill_in(settings *s)
{
    int is_unix = s->transport && strcmp(s->transport, "unix") == 0;
    s->looks_around =
        !s->listen && !s->peers.count && !s->alone && !s->discover && !is_unix;
    if (s->looks_around)
        s->discover = text_copy(DISCOVER_GROUP);
    if (!s->dir && !s->memory)
        s->dir = default_dir(s->name);
    if (s->dir)
        trim_slashes(s->dir);
}

int settings_read(settings *s, int argc, char **argv)
{
    options all;
    option rows[ROWS_MAX];
    memset(s, 0, sizeof *s);
    s->lease = 10;
    s->evict = 60;
    s->sync_size = 100000;
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
    if (wrong(s))
        return refuse(wrong(s));
    fill_in(s);
    if (!s->dir && !s->memory)
        return refuse("there is no HOME to keep anything in: --dir DIR, or "
                      "--memory");
    return -1;
}

void settings_free(settings *s)
{
    options all;
    option rows[ROWS_MAX];
    table(&all, rows, s);
    options_free(&all);
}
