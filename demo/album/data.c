/*
 * album-data: keeps pieces of files for the album's members.
 * docs/album-data.md tells how to use it.
 */
#include "../common/posix.h"

#include "shelf.h"
#include "../common/json.h"
#include "../common/loop.h"
#include "../common/menu.h"
#include "../common/options.h"
#include "../common/reader.h"
#include "../common/text.h"
#include "../common/ticks.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROWS_MAX = 16, WAIT_MS = 1000 };

typedef struct data {
    char *dir, *listen, *address, *server, *key, *name, *config;
    double space_mb, settle, every, scrub_hours;
    int json, help, version;

    say say;
    shelf shelf;
    reader in;
    uint64_t scrubbed_ms; /* when the last was asked for */
    uint64_t changes;     /* of the fleet, that has been told */
    wire_reply told;      /* of the registry */
    uint64_t bad;         /* chunks, that have been told */
    int quits;
} data;

/* >>settings -------------------------------------------------------------- */

static void table(options *all, option *rows, data *d)
{
    const option these[] = {
        { "dir", "DIR", "keep chunks there; else ./album-data.data",
          OPTION_TEXT, &d->dir, 0, 0 },
        { "listen", "HOST:PORT", "for clients; else 127.0.0.1:0, any port",
          OPTION_TEXT, &d->listen, 0, 0 },
        { "address", "HOST:PORT", "where others find it; else as it listens",
          OPTION_TEXT, &d->address, 0, 0 },
        { "server", "HOST:PORT", "its --data-listen; else 127.0.0.1:4701",
          OPTION_TEXT, &d->server, 0, 0 },
        { "key", "FILE", "its DIR/data.key; else album-server.data/data.key",
          OPTION_TEXT, &d->key, 0, 0 },
        { "name", "NAME", "of this one, never to change; else DIR/name",
          OPTION_TEXT, &d->name, 0, 0 },
        { "space", "MB", "take at most so much of the disk; else all of it",
          OPTION_NUMBER, &d->space_mb, 0, 0 },
        { "settle", "SECONDS", "after a change, before chunks move; else 2",
          OPTION_NUMBER, &d->settle, 0, 0 },
        { "every", "SECONDS", "ask others what they lack; else 60",
          OPTION_NUMBER, &d->every, 0, 0 },
        { "scrub", "HOURS", "read all there is so often; else 24, 0: never",
          OPTION_NUMBER, &d->scrub_hours, 0, 0 },
        { "json", NULL, "answer in JSON, one object a line", OPTION_SWITCH,
          &d->json, 0, 0 },
        OPTIONS_OF_ALL(&d->config, &d->help, &d->version),
    };
    options_table(all, "album-data", "CRDT_ALBUM_DATA_", rows, these,
                  sizeof these / sizeof *these);
}

static void help(const options *all)
{
    puts("album-data: keeps pieces of files for an album's members.\n\n"
         "usage: album-data [OPTION]...\n");
    options_help(all);
    puts("\nHOST is of digits. It ends at `quit` or Ctrl-C, keeps what it "
         "has and comes back\nwith it; `leave` gives everything to the others "
         "first. It needs a copy of the\nalbum server's DIR/data.key.\n\n"
         "examples:\n"
         "  album-data --dir d1 --name d1\n"
         "  album-data --dir /srv/chunks --listen 10.0.0.7:4800 "
         "--server 10.0.0.1:4701 \\\n"
         "      --key data.key --space 500000");
}

/* -1 to go on, or the exit status. */
static int settings(data *d, int argc, char **argv)
{
    options all;
    option rows[ROWS_MAX];
    d->scrub_hours = 24;
    table(&all, rows, d);
    if (!options_read(&all, argc, argv)) {
        fprintf(stderr, "album-data: %s\n", all.why);
        return 2;
    }
    if (d->help)
        help(&all);
    else if (d->version)
        puts("album-data " CRDTSYNC_VERSION);
    options_default(&d->dir, "album-data.data");
    options_default(&d->listen, "127.0.0.1:0");
    options_default(&d->server, "127.0.0.1:4701");
    options_default(&d->key, "album-server.data/data.key");
    return d->help || d->version ? 0 : -1;
}

static void settings_free(data *d)
{
    options all;
    option rows[ROWS_MAX];
    table(&all, rows, d);
    options_free(&all);
}

/* >>commands -------------------------------------------------------------- */

static void do_help(void *ctx, int words, char **word);

static const char *stay_text(const shelf *s)
{
    if (s->stay != SHELF_STAYS)
        return "leaving";
    return s->registered == WIRE_OK ? "registered" : "not registered";
}

static void say_servers(data *d)
{
    roll *r = &d->shelf.fleet.roll;
    size_t i;
    for (i = 0; i < r->count; i++)
        say_line(
            &d->say, "  %-16s %s%s%s", r->servers[i].name,
            r->servers[i].address, r->servers[i].is_leaving ? ", leaving" : "",
            strcmp(r->servers[i].name, d->shelf.name) ? "" : "  (this one)");
    if (d->say.answer)
        cJSON_AddItemToObject(d->say.answer, "roll", roll_json(r));
}

static void do_status(void *ctx, int words, char **word)
{
    data *d = (data *)ctx;
    const shelf *s = &d->shelf;
    char size[28];
    (void)words;
    (void)word;
    json_text(d->say.answer, "name", s->name);
    json_text(d->say.answer, "address", s->address);
    json_number(d->say.answer, "port", serve_port(&s->serve));
    json_text(d->say.answer, "state", stay_text(s));
    json_number(d->say.answer, "chunks", (double)s->store.count);
    json_number(d->say.answer, "bytes", (double)s->store.bytes);
    json_number(d->say.answer, "bad", (double)s->store.bad);
    json_number(d->say.answer, "gets", (double)s->gets);
    json_number(d->say.answer, "puts", (double)s->puts);
    json_number(d->say.answer, "given", (double)s->tend.given);
    json_number(d->say.answer, "removed", (double)s->tend.removed);
    json_number(d->say.answer, "fetched", (double)s->tend.fetched);
    json_number(d->say.answer, "deleted", (double)s->tend.deleted);
    json_number(d->say.answer, "passes", (double)s->tend.passes);
    json_number(d->say.answer, "connections", (double)s->serve.count);
    json_number(d->say.answer, "servers", (double)s->fleet.roll.count);
    json_bool(d->say.answer, "settled", tend_is_done(&s->tend));
    say_line(&d->say, "%s at %s, %s; %u chunks, %s; %u found damaged", s->name,
             s->address, stay_text(s), (unsigned)s->store.count,
             text_size(size, s->store.bytes), (unsigned)s->store.bad);
    say_line(&d->say,
             "given to other servers %u, removed here %u, got again "
             "%u, deleted %u; %s",
             (unsigned)s->tend.given, (unsigned)s->tend.removed,
             (unsigned)s->tend.fetched, (unsigned)s->tend.deleted,
             tend_is_done(&s->tend) ? "all is where it belongs"
                                    : "not all is where it belongs yet");
    say_servers(d);
}

static void do_scrub(void *ctx, int words, char **word)
{
    data *d = (data *)ctx;
    (void)words;
    (void)word;
    d->scrubbed_ms = ticks_ms();
    tend_scrub(&d->shelf.tend);
    say_line(&d->say, "every chunk is read in the next pass");
}

static void do_leave(void *ctx, int words, char **word)
{
    data *d = (data *)ctx;
    (void)words;
    (void)word;
    shelf_leave(&d->shelf);
    say_line(&d->say, "giving everything to the others; ends by itself");
}

static void do_quit(void *ctx, int words, char **word)
{
    data *d = (data *)ctx;
    (void)words;
    (void)word;
    d->quits = 1;
}

static const menu_row rows[] = {
    { "status", "", "chunks, servers, what has moved", 0, 0, do_status, 0 },
    { "scrub", "", "reads every chunk; damaged ones are got again", 0, 0,
      do_scrub, 0 },
    { "leave", "", "gives everything to the other servers, then ends", 0, 0,
      do_leave, 0 },
    { "help", "[COMMAND]", "this", 0, 1, do_help, 0 },
    { "quit", "", "ends, and keeps what it has", 0, 0, do_quit, 0 },
};

static menu menu_of(data *d)
{
    menu m;
    memset(&m, 0, sizeof m);
    m.rows = rows;
    m.count = sizeof rows / sizeof *rows;
    m.say = &d->say;
    m.ctx = d;
    return m;
}

static void do_help(void *ctx, int words, char **word)
{
    menu m = menu_of((data *)ctx);
    (void)words;
    menu_help(&m, word[1]);
}

static void take_commands(data *d)
{
    menu m = menu_of(d);
    char *line;
    reader_fill(&d->in);
    while (!d->quits && (line = reader_line(&d->in)))
        menu_line(&m, line);
}

/* >>notices --------------------------------------------------------------- */

static void note_registry(data *d)
{
    wire_reply is = d->shelf.registered;
    cJSON *event;
    if (is == d->told)
        return;
    d->told = is;
    event = say_event(&d->say, "registry");
    json_bool(event, "ok", is == WIRE_OK);
    json_text(event, "reply", wire_reply_text(is));
    say_notice(&d->say, event, "album server: %s",
               is == WIRE_OK     ? "registered"
               : is == WIRE_LOST ? "cannot be reached, trying on"
                                 : wire_reply_text(is));
}

static void note_servers(data *d)
{
    roll *r = &d->shelf.fleet.roll;
    cJSON *event;
    if (d->changes == d->shelf.fleet.changes)
        return;
    d->changes = d->shelf.fleet.changes;
    event = say_event(&d->say, "servers");
    json_number(event, "count", (double)r->count);
    say_notice(&d->say, event, "data servers: %u, copies: %u",
               (unsigned)r->count, r->copies);
}

static void note_damage(data *d)
{
    cJSON *event;
    if (d->bad == d->shelf.store.bad)
        return;
    d->bad = d->shelf.store.bad;
    event = say_event(&d->say, "damaged");
    json_number(event, "chunks", (double)d->bad);
    say_notice(&d->say, event, "%u chunks found damaged and set aside in %s",
               (unsigned)d->bad, d->dir);
}

static void scrub_by_time(data *d)
{
    uint64_t every = (uint64_t)(d->scrub_hours * 3600 * 1000);
    if (!every || ticks_ms() - d->scrubbed_ms < every)
        return;
    d->scrubbed_ms = ticks_ms();
    tend_scrub(&d->shelf.tend);
}

/* >>start and stop -------------------------------------------------------- */

/* Without --name, one that stays with the directory. */
static int read_name(data *d, char *why, size_t size)
{
    char path[1024], name[RING_NAME_MAX + 2] = "";
    FILE *file;
    if (d->name)
        return 1;
    snprintf(path, sizeof path, "%.1000s/name", d->dir);
    mkdir(d->dir, 0700);
    file = fopen(path, "r");
    if (!file) {
        snprintf(name, sizeof name, "data-%08x\n", randombytes_random());
        file = fopen(path, "wx");
        if (!file || fputs(name, file) < 0 || fsync(fileno(file))) {
            snprintf(why, size, "cannot write %.400s", path);
            if (file)
                fclose(file);
            return 0;
        }
    } else if (!fgets(name, sizeof name, file)) {
        *name = 0;
    }
    fclose(file);
    name[strcspn(name, "\n")] = 0;
    d->name = text_copy(name);
    return 1;
}

static int check_name(const data *d, char *why, size_t size)
{
    roll r;
    memset(&r, 0, sizeof r);
    if (roll_put(&r, d->name, "127.0.0.1:1", 0))
        return 1;
    snprintf(why, size, "a name is 1 to 63 letters, digits, dots and dashes");
    return 0;
}

static int open_shelf(data *d, char *why, size_t size)
{
    shelf_config config;
    memset(&config, 0, sizeof config);
    if (sodium_init() < 0 || !read_name(d, why, size) ||
        !check_name(d, why, size) ||
        !pass_key_read(&config.key, d->key, 0, why, size))
        return 0;
    config.dir = d->dir;
    config.listen = d->listen;
    config.address = d->address;
    config.registry = d->server;
    config.name = d->name;
    config.bytes_max = (uint64_t)(d->space_mb * 1000000);
    config.settle_ms = (unsigned)(d->settle * 1000);
    config.every_ms = (unsigned)(d->every * 1000);
    return shelf_open(&d->shelf, &config, why, size);
}

static void greet(data *d)
{
    const shelf *s = &d->shelf;
    cJSON *event = say_event(&d->say, "ready");
    json_text(event, "name", s->name);
    json_text(event, "listen", s->address);
    json_number(event, "port", serve_port(&s->serve));
    json_number(event, "chunks", (double)s->store.count);
    json_text(event, "version", CRDTSYNC_VERSION);
    say_notice(&d->say, event, "%s listens on %s, with %u chunks", s->name,
               s->address, (unsigned)s->store.count);
}

static void watch(struct pollfd *out, int fd)
{
    out->fd = fd;
    out->events = POLLIN;
    out->revents = 0;
}

static void go(data *d)
{
    struct pollfd fds[3];
    while (!d->quits) {
        int wait = shelf_step(&d->shelf);
        note_registry(d);
        note_servers(d);
        note_damage(d);
        scrub_by_time(d);
        if (d->shelf.stay == SHELF_GONE)
            return;
        watch(&fds[0], d->in.ended ? -1 : d->in.fd);
        watch(&fds[1], d->shelf.serve.epoll);
        watch(&fds[2], d->shelf.fleet.epoll);
        loop_wait(fds, 3, wait < 0 || wait > WAIT_MS ? WAIT_MS : wait);
        if (fds[0].revents)
            take_commands(d);
        if (loop_signalled(LOOP_INTERRUPTED))
            d->quits = 1;
    }
}

int main(int argc, char **argv)
{
    static const reader fresh = READER_INIT;
    static data d; /* all zero */
    char why[500] = "";
    int status = settings(&d, argc, argv);
    if (status < 0) {
        loop_signals();
        say_start(&d.say, d.json);
        d.in = fresh;
        d.in.fd = STDIN_FILENO;
        d.told = WIRE_LOST;
        d.scrubbed_ms = ticks_ms();
        status = 1;
        if (open_shelf(&d, why, sizeof why)) {
            greet(&d);
            go(&d);
            if (d.shelf.stay == SHELF_GONE)
                say_notice(&d.say, say_event(&d.say, "left"),
                           "everything is at the others");
            shelf_close(&d.shelf);
            status = 0;
        } else {
            fprintf(stderr, "album-data: %s\n", why);
        }
        reader_close(&d.in);
    }
    settings_free(&d);
    return status;
}
