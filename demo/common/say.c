#include "posix.h"

#include "say.h"
#include "edit.h"
#include "ticks.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLEAR_LINE "\r\033[K"

enum { BAR = 30, BAR_MS = 200 };

void say_start(say *s, int json)
{
    const char *terminal = getenv("TERM");
    memset(s, 0, sizeof *s);
    s->json = json;
    s->has_screen = !json && isatty(STDOUT_FILENO) && terminal &&
                    strcmp(terminal, "dumb") != 0;
    s->colour = s->has_screen && !getenv("NO_COLOR");
}

/* >>answers --------------------------------------------------------------- */

void say_begin(say *s, const char *command, const char *place, int quiet)
{
    say_bar_end(s);
    s->command = command;
    s->place = place;
    s->quiet = quiet;
    s->failed = 0;
    s->answer = s->json && !quiet ? cJSON_CreateObject() : NULL;
    if (s->answer)
        json_text(s->answer, "command", command);
}

void say_line(say *s, const char *form, ...)
{
    va_list args;
    if (s->json || s->quiet)
        return;
    va_start(args, form);
    vprintf(form, args);
    va_end(args);
    putchar('\n');
}

static void fail_json(say *s, const char *what, const char *hint)
{
    cJSON_Delete(s->answer);
    s->answer = cJSON_CreateObject();
    json_text(s->answer, "command", s->command);
    if (*s->place)
        json_text(s->answer, "place", s->place);
    json_bool(s->answer, "ok", 0);
    json_text(s->answer, "error", what);
    if (hint)
        json_text(s->answer, "hint", hint);
}

void say_fail(say *s, const char *hint, const char *form, ...)
{
    char what[1024];
    va_list args;
    va_start(args, form);
    vsnprintf(what, sizeof what, form, args);
    va_end(args);
    s->failed = 1;
    s->failures++;
    if (s->json) {
        fail_json(s, what, hint);
        return;
    }
    fflush(stdout);
    fprintf(stderr, "%s%s%s%s", say_red(s), s->place, what, say_plain(s));
    fprintf(stderr, hint ? "; %s\n" : "\n", hint);
}

void say_end(say *s)
{
    if (s->answer) {
        if (!s->failed)
            json_bool(s->answer, "ok", 1);
        json_print(s->answer);
    }
    s->answer = NULL;
    fflush(stdout);
}

void say_later(say *s)
{
    cJSON_Delete(s->answer);
    s->answer = NULL;
}

/* >>notices --------------------------------------------------------------- */

cJSON *say_event(const say *s, const char *event)
{
    cJSON *object = s->json ? cJSON_CreateObject() : NULL;
    json_text(object, "event", event);
    return object;
}

void say_notice(const say *s, cJSON *event, const char *form, ...)
{
    va_list args;
    if (s->json && event)
        json_print(event);
    if (s->json || !form)
        return;
    edit_hide();
    if (s->has_bar)
        fputs(CLEAR_LINE, stdout);
    va_start(args, form);
    fputs(say_dim(s), stdout);
    vprintf(form, args);
    puts(say_plain(s));
    va_end(args);
    edit_show();
}

/* >>progress -------------------------------------------------------------- */

static void draw(const say *s, double part)
{
    char bar[BAR + 1];
    memset(bar, '.', BAR);
    memset(bar, '=', part < 1 ? (size_t)(part * BAR) : BAR);
    bar[BAR] = 0;
    printf("[%s%s%s] ", say_green(s), bar, say_plain(s));
}

void say_bar(say *s, double part, const char *form, ...)
{
    uint64_t now = ticks_ms();
    va_list args;
    if (!s->bar_ms)
        s->bar_ms = now;
    if (!s->has_screen || now - s->bar_ms < BAR_MS)
        return;
    s->bar_ms = now;
    s->has_bar = 1;
    fputs(CLEAR_LINE, stdout);
    if (part >= 0)
        draw(s, part);
    va_start(args, form);
    vprintf(form, args);
    va_end(args);
    fflush(stdout);
}

void say_bar_end(say *s)
{
    if (s->has_bar)
        fputs(CLEAR_LINE, stdout);
    s->has_bar = 0;
    s->bar_ms = 0;
}

/* >>colour ---------------------------------------------------------------- */

static const char *only(const say *s, const char *sequence)
{
    return s->colour ? sequence : "";
}

const char *say_dim(const say *s)
{
    return only(s, "\033[2m");
}

const char *say_bold(const say *s)
{
    return only(s, "\033[1m");
}

const char *say_red(const say *s)
{
    return only(s, "\033[31m");
}

const char *say_green(const say *s)
{
    return only(s, "\033[32m");
}

const char *say_plain(const say *s)
{
    return only(s, "\033[0m");
}
