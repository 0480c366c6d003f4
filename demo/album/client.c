/*
 * album: share albums of photos and videos, rate and discuss them;
 * docs/album.md tells how to use it.
 */
#include "../common/posix.h"

#include "client.h"
#include "../common/edit.h"
#include "../common/loop.h"
#include "../common/text.h"

#include <locale.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_MAX = 16 };

/* >>settings -------------------------------------------------------------- */

static void table(options *all, option *rows, client *c)
{
    const option these[] = {
        { "server", "HOST:PORT", "of the album server; else 127.0.0.1:4700",
          OPTION_TEXT, &c->server, 0, 0 },
        { "server-key", "HEX", "its key; else what it shows the first time",
          OPTION_TEXT, &c->server_key, 0, 0 },
        { "dir", "DIR", "keep everything there; else ~/.crdt_album",
          OPTION_TEXT, &c->dir, 0, 0 },
        { "transport", "KIND",
          "between clients: " NETWORK_TRANSPORTS "; else zmq", OPTION_TEXT,
          &c->transport, 0, 0 },
        { "listen", "HOST:PORT", "for other clients; else any free port",
          OPTION_TEXT, &c->listen, 0, 0 },
        { "ship", "MODE", "delta, ops or state; else delta", OPTION_TEXT,
          &c->ship, 0, 0 },
        { "codec", "KIND", "between clients: binary or json; else binary",
          OPTION_TEXT, &c->codec, 0, 0 },
        { "chaos", "SPEC", "a bad network, as loss=10%,delay=50ms",
          OPTION_TEXT, &c->chaos, 0, 0 },
        { "name", "NAME", "of this client in what it says of itself",
          OPTION_TEXT, &c->name, 0, 0 },
        { "file", "FILE", "do the commands of the file first", OPTION_TEXT,
          &c->script_path, 0, 0 },
        { "json", NULL, "answer in JSON, one object a line", OPTION_SWITCH,
          &c->json, 0, 0 },
        { "verbose", NULL, "tell on stderr what the engine logs",
          OPTION_SWITCH, &c->verbose, 0, 0 },
        OPTIONS_OF_ALL(&c->config, &c->help, &c->version),
    };
    options_table(all, "album", "CRDT_ALBUM_", rows, these,
                  sizeof these / sizeof *these);
}

static void help(const options *all)
{
    puts("album: share albums of photos and videos, rate and discuss them, "
         "also offline.\n\n"
         "usage: album [OPTION]...\n");
    options_help(all);
    puts("\nCommands come from the keyboard, a pipe or --file; `help` lists "
         "them. Each user of one\nmachine needs a --dir.\n\n"
         "examples:\n"
         "  album --server photos.example:4700\n"
         "  album --dir ana.data\n"
         "  printf 'login ana secret\\nenterAlbum trip\\naddFile a.jpg\\n"
         "leaveAlbum\\n' | album");
}

static void set_defaults(client *c)
{
    const char *home = getenv("HOME");
    char path[300];
    snprintf(path, sizeof path, "%.200s/.crdt_album", home ? home : ".");
    options_default(&c->dir, path);
    snprintf(path, sizeof path, "%.200s/peers", c->dir);
    if (c->transport && strcmp(c->transport, "unix") == 0)
        options_default(&c->listen, path);
    options_default(&c->server, "127.0.0.1:4700");
    options_default(&c->transport, "zmq");
    options_default(&c->listen, "0.0.0.0:0");
    options_default(&c->name, "album");
}

/* NULL: what was chosen is there. */
static const char *bad_choice(const client *c)
{
    static const char *const transports[] = { "tcp", "unix", "udp", "zmq" };
    size_t i, known = 0;
    for (i = 0; i < 4; i++)
        known += strcmp(c->transport, transports[i]) == 0;
    if (!known)
        return "--transport is " NETWORK_TRANSPORTS;
    if (c->ship && strcmp(c->ship, "delta") != 0 &&
        strcmp(c->ship, "ops") != 0 && strcmp(c->ship, "state") != 0)
        return "--ship is ops, delta or state";
    if (c->codec && strcmp(c->codec, "binary") != 0 &&
        strcmp(c->codec, "json") != 0)
        return "--codec is binary or json";
    return NULL;
}

/* -1 to go on, or the exit status. */
static int settings(client *c, int argc, char **argv)
{
    options all;
    option rows[ROWS_MAX];
    table(&all, rows, c);
    if (!options_read(&all, argc, argv)) {
        fprintf(stderr, "album: %s\n", all.why);
        return 2;
    }
    if (c->help)
        help(&all);
    else if (c->version)
        puts("album " CRDTSYNC_VERSION);
    set_defaults(c);
    if (c->help || c->version)
        return 0;
    if (!bad_choice(c))
        return -1;
    fprintf(stderr, "album: %s\n", bad_choice(c));
    return 2;
}

static void settings_free(client *c)
{
    options all;
    option rows[ROWS_MAX];
    table(&all, rows, c);
    options_free(&all);
}

/* >>start and stop -------------------------------------------------------- */

static void log_line(void *ctx, const char *line)
{
    const client *c = (const client *)ctx;
    char clean[256];
    if (c->verbose)
        fprintf(stderr, "album: %s\n",
                text_clean(clean, sizeof clean, line, strlen(line)));
}

static int start(client *c, char *why, size_t size)
{
    cJSON *event;
    say_start(&c->say, c->json);
    c->log.version = 1;
    c->log.ctx = c;
    c->log.line = log_line;
    c->link.s.fd = -1;
    if (sodium_init() < 0 || !local_read(c, why, size))
        return 0;
    snprintf(why, size, "no memory");
    c->files = transfers_new();
    if (!c->files || !input_open(c, why, size))
        return 0;
    if (album_good_name(local_text(c, "user")) && *local_text(c, "token"))
        snprintf(c->user, sizeof c->user, "%s", local_text(c, "user"));
    commands_start(c);
    event = say_event(&c->say, "ready");
    json_text(event, "name", c->name);
    json_text(event, "user", c->user);
    json_text(event, "listen", "");
    say_notice(&c->say, event,
               c->is_terminal ? "album server %s; help lists the commands"
                              : NULL,
               c->server);
    return 1;
}

static void stop(client *c)
{
    files_release(c);
    session_close(c);
    link_close(c, "quit");
    if (c->files)
        transfers_free(c->files);
    input_close(c);
    cJSON_Delete(c->local);
}

/* >>loop ------------------------------------------------------------------ */

static void gather(client *c, loop_set *set)
{
    loop_add(set, input_fd(c), POLLIN);
    loop_add(set, c->link.s.fd, stream_events(&c->link.s));
    loop_add(set, transfers_fd(c->files), POLLIN);
    if (!c->in_album.is_open)
        return;
    crdt_node_flush(c->in_album.r.node);
    loop_add_network(set, &c->in_album.r.net);
    if (c->in_album.has_up)
        loop_add_network(set, &c->in_album.up);
}

static void heed_signals(client *c)
{
    if (loop_signalled(LOOP_RESIZED))
        edit_resize();
    if (loop_signalled(LOOP_CONTINUED))
        edit_again();
    if (loop_signalled(LOOP_INTERRUPTED) &&
        (!c->is_terminal || !input_release(c)))
        c->quits = 1;
}

static void go(client *c)
{
    static loop_set set; /* large */
    for (;;) {
        loop_begin(&set, input_step(c));
        if (c->quits)
            return;
        loop_patience(&set, transfers_step(c->files));
        gather(c, &set);
        loop_wait_for(&set);
        if (set.fds[0].revents)
            input_ready(c, set.fds[0].revents);
        link_step(c);
        session_step(c);
        gallery_step(c);
        input_prompt(c);
        heed_signals(c);
    }
}

int main(int argc, char **argv)
{
    static client c; /* all zero */
    char why[500] = "";
    int status;
    setlocale(LC_CTYPE, "");
    status = settings(&c, argc, argv);
    if (status < 0) {
        loop_signals();
        status = 1;
        if (start(&c, why, sizeof why)) {
            go(&c);
            /* Who reads JSON, or sits there, has been told of each. */
            status = c.say.failures && !c.json && !c.is_terminal;
        } else {
            fprintf(stderr, "album: %s\n", why);
        }
        stop(&c);
    }
    settings_free(&c);
    return status;
}
