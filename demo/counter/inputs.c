#include "../common/posix.h"

#include "inputs.h"
#include "../common/edit.h"
#include "../common/text.h"
#include "../common/ticks.h"
#include "call.h"
#include "commands.h"
#include "mode.h"
#include "names.h"
#include "notices.h"
#include "repair.h"
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Commands between two polls, so that the network never waits long. */
enum { BATCH_MAX = 256, WAIT_END_SECONDS = 60 };
enum { IDLE_MS = 1000, HELD_MS = 5 };

/* >>holds ----------------------------------------------------------------- */

void inputs_hold(const app *a, source *from, hold_kind kind, double seconds,
                 const char *command)
{
    from->hold.kind = kind;
    from->hold.since_ms = ticks_ms();
    from->hold.until_ms =
        seconds < 0 ? 0 : from->hold.since_ms + (uint64_t)(seconds * 1000);
    free(from->hold.command);
    from->hold.command = text_copy(command);
    from->hold.epoch = a->mode.number;
    from->hold.persisted = a->repair.persisted;
}

static void hold_end(source *from)
{
    from->hold.kind = HOLD_NONE;
    from->paced_us = ticks_us(); /* what was due meanwhile is not made up */
    from->paced = 0;
}

/* The answer to the command that waited. */
static void answer_wait(app *a, const source *from, const char *why)
{
    uint64_t ms = ticks_ms() - from->hold.since_ms;
    size_t peers = report_connected(a);
    say_begin(&a->say, from->hold.command, "", 0);
    if (*why)
        say_fail(&a->say, "`status` shows what is at whom",
                 "not synced after %.1f s: %s", (double)ms / 1000, why);
    json_number(a->say.answer, "peers", (double)peers);
    json_number(a->say.answer, "ms", (double)ms);
    if (!*why)
        say_line(&a->say, "synced with %zu peer%s after %.1f s", peers,
                 peers == 1 ? "" : "s", (double)ms / 1000);
    say_end(&a->say);
}

static void answer_sleep(app *a, const source *from)
{
    say_begin(&a->say, from->hold.command, "", 0);
    say_end(&a->say);
}

/* Until synced with all that are connected. */
static void check_wait(app *a, source *from, int late)
{
    char why[300] = "";
    if (from == &a->keys && a->load.is_running)
        snprintf(why, sizeof why, "%s is still being loaded", a->load.file);
    else if (report_synced(a, why, sizeof why))
        *why = 0;
    if (*why && !late) {
        if (from == &a->keys)
            say_bar(&a->say, -1, "%s", why);
        return;
    }
    answer_wait(a, from, why);
    hold_end(from);
}

/* Whom the full sync waited for in vain. */
static void answer_late(app *a)
{
    const char *name = names_replica(a, &a->mode.waiting_for);
    char hint[120];
    snprintf(hint, sizeof hint, "if it will not come back, type: evict %.64s",
             name);
    if (a->repair.is_told)
        say_fail(&a->say, "`digest` at each shows who differs",
                 "no full sync: the values differ");
    else
        say_fail(&a->say, hint, "no full sync: %s did not answer in time",
                 name);
}

static void answer_sync(app *a, const source *from)
{
    crdt_epoch_info info;
    uint64_t ms = ticks_ms() - from->hold.since_ms;
    say_begin(&a->say, from->hold.command, "", 0);
    if (crdt_node_epoch(a->node, CRDT_STR(DOCUMENT_NAME), &info))
        say_fail(&a->say, NULL, "there are too many members for full syncs");
    else if (a->repair.persisted > from->hold.persisted)
        say_fail(&a->say, "`digest` and `variables` at each show where",
                 "the values still differ after who differed from most has "
                 "taken them anew; the history is kept");
    else if (info.number <= from->hold.epoch)
        answer_late(a);
    else {
        json_uint64(a->say.answer, "epoch", info.number);
        json_number(a->say.answer, "members", (double)info.members);
        json_number(a->say.answer, "compared", (double)info.compared);
        json_number(a->say.answer, "ms", (double)ms);
        say_line(&a->say, "%zu member%s the same", info.members,
                 info.members == 1 ? " has" : "s have");
    }
    say_end(&a->say);
}

/* Until the full sync is committed, or was given up. */
static void check_sync(app *a, source *from, int late)
{
    crdt_epoch_info info;
    if (!crdt_node_epoch(a->node, CRDT_STR(DOCUMENT_NAME), &info) && !late &&
        a->repair.persisted == from->hold.persisted &&
        (info.number <= from->hold.epoch || info.phase != CRDT_PHASE_WORK))
        return;
    answer_sync(a, from);
    hold_end(from);
}

/* What could not be written then, can be now. */
static void check_frozen(app *a, source *from)
{
    char *command = from->hold.command;
    int failures;
    if (mode_is_frozen(a) || repair_holds(a))
        return;
    from->hold.command = NULL;
    hold_end(from);
    failures = a->say.failures;
    commands_do(a, from, command);
    from->failed += a->say.failures != failures;
    free(command);
}

/* Ends the hold when its time has come. */
static void hold_check(app *a, source *from)
{
    int late = from->hold.until_ms && ticks_ms() >= from->hold.until_ms;
    if (from->hold.kind == HOLD_SLEEP && late) {
        answer_sleep(a, from);
        hold_end(from);
    } else if (from->hold.kind == HOLD_WAIT) {
        check_wait(a, from, late);
    } else if (from->hold.kind == HOLD_SYNC) {
        check_sync(a, from, late);
    } else if (from->hold.kind == HOLD_FROZEN) {
        check_frozen(a, from);
    } else if (from->hold.kind == HOLD_POPULATE && !repair_holds(a) &&
               populate_step(a, from)) {
        hold_end(from);
    }
}

/* What has been done of it is answered. */
static void give_up(app *a, source *from)
{
    if (from->hold.kind == HOLD_POPULATE && a->node)
        populate_stop(a, from);
    hold_end(from);
}

int inputs_release(app *a)
{
    if (!a->keys.is_terminal || !a->keys.hold.kind)
        return 0;
    say_bar_end(&a->say);
    putchar('\n');
    give_up(a, &a->keys);
    return 1;
}

/* >>sources --------------------------------------------------------------- */

static void take_line(void *ctx, char *line)
{
    app *a = (app *)ctx;
    if (line)
        commands_do(a, &a->keys, line);
    else
        a->keys.in.ended = 1;
}

static char *history_path(void)
{
    static char path[512];
    const char *own = getenv("CRDT_COUNTER_HISTORY");
    const char *home = getenv("HOME");
    if (own)
        return snprintf(path, sizeof path, "%s", own) > 0 ? path : NULL;
    if (!home)
        return NULL;
    snprintf(path, sizeof path, "%s/.crdt_counter_history", home);
    return path;
}

/* "ana> ", and in a full sync "ana (ready)> ". */
static char prompt[100];

static void write_prompt(const app *a)
{
    const char *mode = mode_name(a->mode.phase);
    int works = a->mode.phase == CRDT_PHASE_WORK;
    snprintf(prompt, sizeof prompt, "%s%s%s%s> ", a->set.name,
             works ? "" : " (", works ? "" : mode, works ? "" : ")");
}

void inputs_prompt(app *a)
{
    if (!a->keys.is_terminal)
        return;
    write_prompt(a);
    edit_prompt(prompt);
}

void inputs_start(app *a)
{
    edit_config config;
    a->keys.in.fd = STDIN_FILENO;
    a->keys.is_running = 1;
    a->keys.is_terminal =
        !a->set.json && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    if (!a->keys.is_terminal)
        return;
    write_prompt(a);
    config.prompt = prompt;
    config.history = history_path();
    config.ctx = a;
    config.line = take_line;
    config.word = commands_word;
    edit_start(&config);
}

static void source_free(source *from)
{
    reader_close(&from->in);
    free(from->file);
    free(from->hold.command);
    memset(from, 0, sizeof *from);
    from->in.fd = -1;
}

void inputs_stop(app *a)
{
    give_up(a, &a->keys);
    give_up(a, &a->load);
    edit_stop();
    source_free(&a->keys);
    source_free(&a->load);
}

int inputs_load(app *a, const char *path, double rate)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char byte;
    if (fd < 0)
        return 0;
    if (read(fd, &byte, 1) < 0 || lseek(fd, 0, SEEK_SET) < 0) {
        int error = errno;
        close(fd);
        errno = error;
        return 0;
    }
    source_free(&a->load);
    a->load.in.fd = fd;
    a->load.in.ended = 0;
    a->load.file = text_copy(path);
    a->load.rate = rate;
    a->load.is_running = 1;
    a->load.begun_ms = a->load.told_ms = ticks_ms();
    a->load.paced_us = ticks_us();
    return 1;
}

/* >>the file -------------------------------------------------------------- */

/* How many commands the rate allows now. */
static uint64_t load_due(const source *from)
{
    double seconds = (double)(ticks_us() - from->paced_us) / 1000000;
    uint64_t due = BATCH_MAX;
    if (from->rate > 0) {
        due = (uint64_t)(seconds * from->rate);
        due = due > from->paced ? due - from->paced : 0;
    }
    return due < BATCH_MAX ? due : BATCH_MAX;
}

static void load_end(app *a)
{
    notices_progress(a, 1);
    a->confirm = report_own(a);
    a->load.is_running = 0;
    reader_close(&a->load.in);
}

static void load_line(app *a, char *line)
{
    int failures = a->say.failures;
    a->load.line++;
    a->load.paced++;
    commands_do(a, &a->load, line);
    a->load.failed += a->say.failures != failures;
}

static void load_step(app *a)
{
    uint64_t due = load_due(&a->load);
    char *line = NULL;
    while (due-- > 0 && !a->load.hold.kind && !a->quits) {
        if (!reader_has_line(&a->load.in) && !a->load.in.ended)
            reader_fill(&a->load.in);
        line = reader_line(&a->load.in);
        if (!line)
            break;
        load_line(a, line);
    }
    if (!line && a->load.in.ended && !reader_has_line(&a->load.in))
        load_end(a);
    else
        notices_progress(a, 0);
}

/* >>all ------------------------------------------------------------------- */

/* Whether what is typed or piped may go on. */
static int keys_may(const app *a)
{
    int waits = a->load.is_running && a->set.file && !a->keys.is_terminal &&
                strcmp(a->load.file, a->set.file) == 0;
    return a->keys.is_running && !a->keys.hold.kind && !waits && !a->quits &&
           !repair_holds(a);
}

static void keys_step(app *a)
{
    char *line;
    int left = BATCH_MAX;
    while (left-- > 0 && keys_may(a) && (line = reader_line(&a->keys.in)))
        commands_do(a, &a->keys, line);
    if (keys_may(a) && a->keys.in.ended && !reader_has_line(&a->keys.in))
        a->keys.is_running = 0;
}

/* All input has ended: --wait waits once more. */
static void end(app *a)
{
    if (!a->set.wait) {
        a->quits = 1;
        return;
    }
    a->set.wait = 0;
    a->keys.is_running = 1;
    inputs_hold(a, &a->keys, HOLD_WAIT, WAIT_END_SECONDS, "wait");
}

static int patience(const app *a)
{
    if (a->repair.state != REPAIR_NONE && !a->quits)
        return HELD_MS;
    if (a->quits || (keys_may(a) && reader_has_line(&a->keys.in)))
        return 0;
    if ((a->load.hold.kind == HOLD_POPULATE ||
         a->keys.hold.kind == HOLD_POPULATE) &&
        !mode_is_frozen(a))
        return 0;
    if (a->load.hold.kind || a->keys.hold.kind)
        return a->load.is_running && !a->load.hold.kind ? 1 : HELD_MS;
    if (a->load.is_running)
        return a->load.rate > 0 ? 1 : 0;
    return mode_patience(a) < 0 ? IDLE_MS : mode_patience(a);
}

int inputs_step(app *a)
{
    hold_check(a, &a->load);
    hold_check(a, &a->keys);
    if (a->load.is_running && !a->load.hold.kind && !repair_holds(a))
        load_step(a);
    keys_step(a);
    if (!a->keys.is_running && !a->load.is_running)
        end(a);
    if (a->keys.is_terminal && keys_may(a))
        edit_resume();
    return patience(a);
}

int inputs_fd(const app *a)
{
    return keys_may(a) && !a->keys.in.ended ? STDIN_FILENO : -1;
}

void inputs_ready(app *a, int events)
{
    if (a->keys.is_terminal && !(events & (POLLHUP | POLLERR | POLLNVAL)))
        edit_read();
    else if (a->keys.is_terminal)
        a->keys.in.ended = 1; /* its window was closed */
    else
        reader_fill(&a->keys.in);
}
