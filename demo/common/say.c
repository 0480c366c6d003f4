#include "posix.h"

#include "say.h"
#include "edit.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void say_start(say *s, int json)
{
    const char *terminal = getenv("TERM");
    memset(s, 0, sizeof *s);
    s->json = json;
    s->colour = !json && isatty(STDOUT_FILENO) && !getenv("NO_COLOR") &&
                terminal && strcmp(terminal, "dumb") != 0;
}

/* >>answers --------------------------------------------------------------- */

void say_begin(say *s, const char *command, const char *place, int quiet)
{
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
    va_start(args, form);
    fputs(say_dim(s), stdout);
    vprintf(form, args);
    puts(say_plain(s));
    va_end(args);
    edit_show();
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
