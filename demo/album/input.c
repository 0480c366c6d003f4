/*
 * Lines as they come: from the keyboard, a pipe, a file; and the one command
 * that waits for its answer and holds back the others.
 */
#include "../common/posix.h"

#include "client.h"
#include "../common/edit.h"
#include "../common/text.h"
#include "../common/ticks.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { IDLE_MS = 500, HELD_MS = 20 };

/* >>answers that come later ----------------------------------------------- */

/* `command` is the line, as say has it. */
void input_later(client *c)
{
    c->command = text_copy(c->say.command);
    cJSON_Delete(c->say.answer);
    c->say.answer = NULL;
    c->serial++;
    c->since_ms = ticks_ms();
    c->menu.is_later = 1;
}

void input_answer(client *c)
{
    say_begin(&c->say, c->command, "", 0);
}

void input_done(client *c)
{
    say_end(&c->say);
    free(c->command);
    c->command = NULL;
    c->synced = NULL;
    c->sleeps = c->is_leaving = 0;
}

void input_sync(client *c, uint64_t ms, void (*fn)(client *, const char *))
{
    c->synced = fn;
    c->until_ms = ticks_ms() + ms;
}

static void check_sleep(client *c)
{
    if (!c->sleeps || ticks_ms() < c->until_ms)
        return;
    input_answer(c);
    input_done(c);
}

static void check_sync(client *c)
{
    char why[300] = "";
    void (*fn)(client *, const char *) = c->synced;
    int is_synced, is_late;
    if (!fn)
        return;
    is_late = ticks_ms() >= c->until_ms;
    is_synced = session_synced(c, c->is_leaving, why, sizeof why);
    if (!is_synced && !is_late)
        return;
    c->synced = NULL;
    fn(c, is_synced ? NULL : why);
}

int input_release(client *c)
{
    if (!c->command)
        return 0;
    files_release(c);
    if (c->is_terminal)
        putchar('\n');
    input_answer(c);
    say_fail(&c->say, NULL, "stopped waiting");
    input_done(c);
    return 1;
}

/* >>lines ----------------------------------------------------------------- */

static void take_line(void *ctx, char *line)
{
    client *c = (client *)ctx;
    if (line)
        commands_line(c, line, "");
    else
        c->in.ended = 1;
}

static const char *complete(void *ctx, const char *line, size_t index)
{
    return menu_word(&((client *)ctx)->menu, line, index);
}

static const char *history_path(const client *c)
{
    static char path[400];
    snprintf(path, sizeof path, "%.300s/history", c->dir);
    return path;
}

int input_open(client *c, char *why, size_t size)
{
    edit_config config;
    c->in.fd = STDIN_FILENO;
    c->script.fd =
        c->script_path ? open(c->script_path, O_RDONLY | O_CLOEXEC) : -1;
    c->script.ended = !c->script_path;
    if (c->script_path && c->script.fd < 0) {
        snprintf(why, size, "cannot read %.200s: %s", c->script_path,
                 strerror(errno));
        return 0;
    }
    c->is_terminal = !c->json && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    if (!c->is_terminal)
        return 1;
    config.prompt = "album> ";
    config.history = history_path(c);
    config.ctx = c;
    config.line = take_line;
    config.word = complete;
    edit_start(&config);
    return 1;
}

void input_close(client *c)
{
    edit_stop();
    reader_close(&c->in);
    reader_close(&c->script);
    free(c->command);
    c->command = NULL;
}

static void script_step(client *c)
{
    char place[300], *line;
    while (!c->command && !c->quits) {
        if (!reader_has_line(&c->script))
            reader_fill(&c->script);
        line = reader_line(&c->script);
        if (!line)
            return;
        snprintf(place, sizeof place, "%.200s:%" PRIu64 ": ", c->script_path,
                 ++c->script_line);
        commands_line(c, line, place);
    }
}

static int script_runs(const client *c)
{
    return !c->script.ended || reader_has_line(&c->script);
}

int input_step(client *c)
{
    char *line;
    check_sync(c);
    check_sleep(c);
    if (script_runs(c))
        script_step(c);
    while (!c->command && !script_runs(c) && !c->quits &&
           (line = reader_line(&c->in)))
        commands_line(c, line, "");
    if (!c->command && !script_runs(c) && c->in.ended &&
        !reader_has_line(&c->in))
        c->quits = 1;
    if (c->is_terminal && !c->command && !script_runs(c) && !c->quits)
        edit_resume();
    return c->command ? HELD_MS : IDLE_MS;
}

int input_fd(const client *c)
{
    return c->command || script_runs(c) || c->in.ended ? -1 : STDIN_FILENO;
}

void input_ready(client *c, int events)
{
    if (c->is_terminal && !(events & (POLLHUP | POLLERR | POLLNVAL)))
        edit_read();
    else if (c->is_terminal)
        c->in.ended = 1; /* its window was closed */
    else
        reader_fill(&c->in);
}

/* >>prompt ---------------------------------------------------------------- */

static void prompt_state(const client *c, char *out, size_t size)
{
    const session *s = &c->in_album;
    uint64_t alone = session_unsent(c);
    crdt_peer_info peer;
    char why[200];
    if (session_synced(c, 0, why, sizeof why))
        snprintf(out, size, "synced");
    else if (crdt_node_peer(s->r.node, 0, &peer) == CRDT_OK)
        snprintf(out, size, "syncing");
    else
        snprintf(out, size, "offline, %" PRIu64 " unsent", alone);
}

void input_prompt(client *c)
{
    char prompt[sizeof c->prompt], state[40];
    const char *user = *c->user ? c->user : "album";
    if (!c->is_terminal)
        return;
    if (c->in_album.is_open) {
        prompt_state(c, state, sizeof state);
        snprintf(prompt, sizeof prompt, "%s@%s [%s]> ", user, c->in_album.name,
                 state);
    } else {
        snprintf(prompt, sizeof prompt, "%s> ", user);
    }
    if (strcmp(prompt, c->prompt) == 0)
        return;
    memcpy(c->prompt, prompt, sizeof prompt);
    edit_prompt(c->prompt);
}
