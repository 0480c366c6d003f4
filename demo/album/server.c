/*
 * album-server: accounts, albums and their members; docs/album.md tells how to
 * use it.
 */
#include "../common/posix.h"

#include "server.h"
#include "../common/key.h"
#include "../common/loop.h"
#include "../common/options.h"
#include "../common/text.h"
#include "../common/ticks.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WAIT_MS = 500, ROWS_MAX = 12, DAY_S = 24 * 3600 };

/* >>settings -------------------------------------------------------------- */

static void table(options *all, option *rows, server *s)
{
    const option these[] = {
        { "dir", "DIR", "keep everything there; else ./album-server.data",
          OPTION_TEXT, &s->dir, 0, 0 },
        { "listen", "HOST:PORT", "for clients; else 127.0.0.1:4700",
          OPTION_TEXT, &s->listen, 0, 0 },
        { "data-listen", "HOST:PORT", "for data servers; else 127.0.0.1:4701",
          OPTION_TEXT, &s->data_listen, 0, 0 },
        { "copies", "N", "of each piece of a file; else 2", OPTION_NUMBER,
          &s->copies, 0, 0 },
        { "grace", "DAYS", "until chunks no file names go; else 30, 0: never",
          OPTION_NUMBER, &s->grace_days, 0, 0 },
        { "transport", "KIND", "of albums to clients; else tcp", OPTION_TEXT,
          &s->transport, 0, 0 },
        { "name", "NAME", "what peers call this one; else server", OPTION_TEXT,
          &s->name, 0, 0 },
        { "json", NULL, "answer in JSON, one object a line", OPTION_SWITCH,
          &s->json, 0, 0 },
        { "verbose", NULL, "tell on stderr what the engine logs",
          OPTION_SWITCH, &s->verbose, 0, 0 },
        OPTIONS_OF_ALL(&s->config, &s->help, &s->version),
    };
    options_table(all, "album-server", "CRDT_ALBUM_SERVER_", rows, these,
                  sizeof these / sizeof *these);
}

static void help(const options *all)
{
    puts("album-server: accounts and albums; clients meet here.\n\n"
         "usage: album-server [OPTION]...\n");
    options_help(all);
    puts("\nIt ends at `quit` or Ctrl-C; what it has is in DIR. Data servers "
         "need a copy of\nDIR/data.key.\n\n"
         "examples:\n"
         "  album-server --dir /var/lib/album --listen :4700 "
         "--data-listen :4701\n"
         "  CRDT_ALBUM_SERVER_LISTEN=127.0.0.1:0 album-server --json");
}

/* -1 to go on, or the exit status. */
static int settings(server *s, int argc, char **argv)
{
    options all;
    option rows[ROWS_MAX];
    table(&all, rows, s);
    s->copies = 2;
    s->grace_days = 30;
    if (!options_read(&all, argc, argv)) {
        fprintf(stderr, "album-server: %s\n", all.why);
        return 2;
    }
    if (s->help)
        help(&all);
    else if (s->version)
        puts("album-server " CRDTSYNC_VERSION);
    options_default(&s->dir, "album-server.data");
    options_default(&s->listen, "127.0.0.1:4700");
    options_default(&s->data_listen, "127.0.0.1:4701");
    options_default(&s->name, "server");
    return s->help || s->version ? 0 : -1;
}

static void settings_free(server *s)
{
    options all;
    option rows[ROWS_MAX];
    table(&all, rows, s);
    options_free(&all);
}

/* >>commands -------------------------------------------------------------- */

static void run_status(void *ctx, int words, char **word)
{
    server *s = (server *)ctx;
    size_t i, users = 0;
    char at[160];
    (void)words;
    (void)word;
    for (i = 0; i < s->conns_count; i++)
        users += *s->conns[i]->user != 0;
    text_at_port(at, sizeof at, s->data_listen, registry_port(s->data));
    json_text(s->say.answer, "data_listen", at);
    json_number(s->say.answer, "connections", (double)s->conns_count);
    json_number(s->say.answer, "users", (double)users);
    json_number(s->say.answer, "open_albums", (double)s->halls_count);
    json_number(s->say.answer, "data_servers",
                (double)registry_count(s->data));
    say_line(&s->say,
             "%zu connections, %zu users logged in, %zu albums open, %zu "
             "data servers",
             s->conns_count, users, s->halls_count, registry_count(s->data));
    for (i = 0; i < s->conns_count; i++)
        say_line(&s->say, "  %-16s %-21s %s",
                 *s->conns[i]->user ? s->conns[i]->user : "-",
                 s->conns[i]->address,
                 s->conns[i]->in ? s->conns[i]->in->row.name : "");
}

static void run_digest(void *ctx, int words, char **word)
{
    server *s = (server *)ctx;
    char why[300], digest[33];
    hall *h = hall_open(s, word[1], why, sizeof why);
    (void)words;
    if (!h) {
        say_fail(&s->say, NULL, "%s", why);
        return;
    }
    replica_digest(&h->r, digest);
    json_text(s->say.answer, "digest", digest);
    say_line(&s->say, "%s", digest);
}

static void run_quit(void *ctx, int words, char **word)
{
    (void)words;
    (void)word;
    ((server *)ctx)->quits = 1;
}

static void run_help(void *ctx, int words, char **word);

static menu *commands(server *s)
{
    static const menu_row rows[] = {
        { "status", "", "who is here", 0, 0, run_status, 0 },
        { "digest", "ALBUM", "128 bits of the replica here", 1, 1, run_digest,
          0 },
        { "help", "[COMMAND]", "this", 0, 1, run_help, 0 },
        { "quit", "", "end", 0, 0, run_quit, 0 },
    };
    static menu m;
    m.rows = rows;
    m.count = sizeof rows / sizeof *rows;
    m.say = &s->say;
    m.ctx = s;
    return &m;
}

static void run_help(void *ctx, int words, char **word)
{
    menu_help(commands((server *)ctx), words > 1 ? word[1] : NULL);
}

static void take_commands(server *s)
{
    menu *m = commands(s);
    char *line;
    reader_fill(&s->in);
    while (!s->quits && (line = reader_line(&s->in)))
        menu_line(m, line);
}

/* >>start and stop -------------------------------------------------------- */

static void log_line(void *ctx, const char *line)
{
    const server *s = (const server *)ctx;
    char clean[256];
    if (s->verbose)
        fprintf(stderr, "album-server: %s\n",
                text_clean(clean, sizeof clean, line, strlen(line)));
}

static void data_changed(void *ctx, const char *what)
{
    server *s = (server *)ctx;
    cJSON *event = say_event(&s->say, "data");
    json_text(event, "what", what);
    say_notice(&s->say, event, "%s", what);
    desk_tell_data(s);
    if (s->grace_days > 0)
        census_hear(&s->census, registry_roll(s->data));
}

static uint64_t named(void *ctx, const chunk_hash *names, size_t count,
                      uint8_t *is_named)
{
    return census_named(&((server *)ctx)->census, names, count, is_named);
}

static int open_census(server *s, const pass_key *key)
{
    census_config config;
    memset(&config, 0, sizeof config);
    config.grace_s = (uint64_t)(s->grace_days * DAY_S);
    config.key = *key;
    config.next_album = hall_count_next;
    config.ctx = s;
    return s->grace_days <= 0 || census_open(&s->census, &config);
}

static int open_registry(server *s, char *why, size_t size)
{
    registry_config config;
    char path[400];
    memset(&config, 0, sizeof config);
    snprintf(path, sizeof path, "%.300s/data.key", s->dir);
    if (!pass_key_read(&config.key, path, 1, why, size))
        return 0;
    config.listen = s->data_listen;
    config.copies = (unsigned)s->copies;
    config.changed = data_changed;
    config.named = s->grace_days > 0 ? named : NULL;
    config.ctx = s;
    s->data = registry_open(&config, why, size);
    if (s->data && !open_census(s, &config.key)) {
        snprintf(why, size, "no memory, or no descriptors");
        return 0;
    }
    return s->data != NULL;
}

static int open_all(server *s, char *why, size_t size)
{
    char path[400];
    if (mkdir(s->dir, 0700) && errno != EEXIST) {
        snprintf(why, size, "cannot make %s: %s", s->dir, strerror(errno));
        return 0;
    }
    snprintf(path, sizeof path, "%.300s/server.key", s->dir);
    if (!channel_keys_read(&s->keys, path, why, size))
        return 0;
    snprintf(path, sizeof path, "%.300s/accounts.sqlite", s->dir);
    s->people = accounts_open(path, why, size);
    if (!s->people)
        return 0;
    snprintf(why, size, "no memory to hash passwords");
    if (!hasher_start(&s->hashing))
        return 0;
    s->listener = stream_listen(s->listen, why, size);
    return s->listener >= 0 && open_registry(s, why, size);
}

static void greet(server *s)
{
    cJSON *event = say_event(&s->say, "ready");
    char key[KEY_TEXT], listen[160];
    key_text(key, s->keys.open);
    text_at_port(listen, sizeof listen, s->listen, stream_port(s->listener));
    json_text(event, "name", s->name);
    json_text(event, "listen", listen);
    json_number(event, "port", stream_port(s->listener));
    json_number(event, "data_port", registry_port(s->data));
    json_text(event, "key", key);
    say_notice(&s->say, event,
               "album-server listens on %s, for data servers on port %u\n"
               "its key is %s",
               listen, registry_port(s->data), key);
}

static void stop(server *s)
{
    if (s->people) {
        desk_close(s);
        hall_close(s);
    }
    census_close(&s->census);
    if (s->data)
        registry_close(s->data);
    if (s->listener >= 0)
        close(s->listener);
    accounts_close(s->people);
    reader_close(&s->in);
    sodium_memzero(&s->keys, sizeof s->keys);
}

/* >>loop ------------------------------------------------------------------ */

static void gather(server *s, loop_set *set)
{
    size_t i;
    loop_add(set, s->in.ended ? -1 : s->in.fd, POLLIN);
    loop_add(set, s->listener, POLLIN);
    loop_add(set, registry_fd(s->data), POLLIN);
    loop_add(set, s->grace_days > 0 ? s->census.fleet.epoll : -1, POLLIN);
    for (i = 0; i < s->conns_count; i++)
        loop_add(set, s->conns[i]->c.s.fd, stream_events(&s->conns[i]->c.s));
    set->count += hasher_fds(&s->hashing, set->fds + set->count,
                             LOOP_FDS_MAX - set->count);
    for (i = 0; i < s->halls_count; i++) {
        crdt_node_flush(s->halls[i]->r.node);
        loop_add_network(set, &s->halls[i]->r.net);
    }
}

static void go(server *s)
{
    static loop_set set; /* large */
    while (!s->quits) {
        loop_begin(&set, WAIT_MS);
        loop_patience(&set, registry_step(s->data));
        if (s->grace_days > 0)
            loop_patience(&set, census_step(&s->census));
        gather(s, &set);
        loop_wait_for(&set);
        if (set.fds[0].revents)
            take_commands(s);
        desk_step(s);
        hall_step(s);
        if (loop_signalled(LOOP_INTERRUPTED))
            s->quits = 1;
    }
}

int main(int argc, char **argv)
{
    static server s; /* all zero */
    char why[500] = "";
    int status = settings(&s, argc, argv);
    s.listener = -1;
    if (status < 0) {
        status = 1;
        loop_signals();
        say_start(&s.say, s.json);
        s.log.version = 1;
        s.log.ctx = &s;
        s.log.line = log_line;
        s.in.fd = STDIN_FILENO;
        if (sodium_init() >= 0 && open_all(&s, why, sizeof why)) {
            greet(&s);
            go(&s);
            status = 0;
        } else {
            fprintf(stderr, "album-server: %s\n", why);
        }
        stop(&s);
    }
    settings_free(&s);
    return status;
}
