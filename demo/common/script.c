#include "posix.h"

#include "script.h"
#include "tale.h"
#include "text.h"
#include "ticks.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { KEPT_MAX = 16, LINE_MAX_BYTES = 1024, AGAIN_MS = 20 };

typedef struct script {
    cluster *c;
    char names[KEPT_MAX][32], values[KEPT_MAX][256];
    size_t kept;
} script;

/* >>names ----------------------------------------------------------------- */

static void keep(script *s, const char *name, const char *value)
{
    size_t i = 0;
    while (i < s->kept && strcmp(s->names[i], name) != 0)
        i++;
    if (i == KEPT_MAX)
        die("no more than %d values are kept", KEPT_MAX);
    s->kept += i == s->kept;
    snprintf(s->names[i], sizeof s->names[i], "%s", name);
    snprintf(s->values[i], sizeof s->values[i], "%s", value);
}

/* The value whose name the text begins with, the longest name first. */
static const char *kept_at(const script *s, const char *text, size_t *len)
{
    const char *value = NULL;
    size_t i;
    *len = 0;
    for (i = 0; i < s->kept; i++) {
        size_t name = strlen(s->names[i]);
        if (name > *len && strncmp(text, s->names[i], name) == 0) {
            *len = name;
            value = s->values[i];
        }
    }
    return value;
}

static void fill_in(const script *s, const char *line, char *out, size_t size)
{
    size_t used = 0, len;
    while (*line && used + 1 < size) {
        const char *value = *line == '$' ? kept_at(s, line + 1, &len) : NULL;
        if (strncmp(line, "%/", 2) == 0) {
            value = s->c->dir;
            len = 0;
        }
        if (value) {
            used += (size_t)snprintf(out + used, size - used, "%s", value);
            line += 1 + len;
        } else {
            out[used++] = *line++;
        }
    }
    if (*line || used >= size)
        die("that line is too long");
    out[used] = 0;
}

/* >>steps ----------------------------------------------------------------- */

/* Cuts the text at `mark`; answers what is behind it, or "". */
static char *cut(char *text, const char *mark)
{
    char *at = strstr(text, mark);
    if (!at)
        return text + strlen(text);
    *at = 0;
    return at + strlen(mark);
}

static void need(const cJSON *answer, const char *wanted)
{
    char *said;
    if (cluster_holds(answer, wanted))
        return;
    said = cJSON_PrintUnformatted(answer);
    die("%s does not hold: %s", wanted, said);
}

/* NAME: COMMAND => WANTED, also for several names, and for all. */
static void do_ask(script *s, const char *names, char *command)
{
    cluster *c = s->c;
    const char *wanted = cut(command, " => ");
    const char *whom = strcmp(names, "all") == 0 ? NULL : names;
    size_t i;
    if (whom && !strchr(whom, ' ')) {
        need(cluster_ask(c, whom, "%s", command), wanted);
        return;
    }
    cluster_ask_all(c, whom, command);
    for (i = 0; i < c->count && *wanted; i++)
        if (c->peers[i].is_running &&
            (!whom || strstr(whom, c->members[i].name)))
            need(c->members[i].answer, wanted);
}

static void do_fail(script *s, const char *name, char *command)
{
    const char *wanted = cut(command, " => ");
    const cJSON *answer = cluster_try(s->c, name, command);
    if (json_get_bool(answer, "ok"))
        die("%s did `%s`", name, command);
    need(answer, wanted);
}

/* NAME: COMMAND => WANTED */
static void do_until(script *s, char *rest)
{
    char *command = cut(rest, ": ");
    const char *wanted = cut(command, " => ");
    uint64_t until = ticks_ms() + (uint64_t)(CLUSTER_SECONDS * 1000);
    for (;;) {
        const cJSON *answer = cluster_try(s->c, rest, command);
        if (cluster_holds(answer, *wanted ? wanted : "ok=true"))
            return;
        if (ticks_ms() > until)
            need(answer, wanted);
        members_listen(s->c->members, s->c->count, AGAIN_MS);
    }
}

/* NAME EVENT WANTED */
static void do_hear(script *s, char *rest)
{
    char *event = cut(rest, " ");
    const char *wanted = cut(event, " ");
    cluster_hear(s->c, rest, event, wanted);
}

/* NAME COMMAND */
static void do_say(script *s, char *rest)
{
    char *command = cut(rest, " ");
    cluster_say(s->c, rest, command);
}

/* NAME WANTED */
static void do_answer(script *s, char *rest)
{
    const char *wanted = cut(rest, " ");
    need(cluster_answer(s->c, rest), wanted);
}

/* KEY NAME COMMAND => PATH */
static void do_keep(script *s, char *rest)
{
    char *name = cut(rest, " "), *command = cut(name, " ");
    const char *path = cut(command, " => ");
    keep(s, rest, cluster_at(cluster_ask(s->c, name, "%s", command), path));
}

static void do_agree(script *s, char *rest)
{
    char *key = strrchr(rest, ' ');
    if (!key) {
        cluster_agree(s->c, "digest", "digest");
        return;
    }
    *key++ = 0;
    cluster_agree(s->c, rest, key);
}

static void do_wait(script *s, const char *seconds)
{
    uint64_t until = ticks_ms() + (uint64_t)(atof(seconds) * 1000);
    while (ticks_ms() < until)
        members_listen(s->c->members, s->c->count,
                       (int)(until - ticks_ms()) + 1);
}

static void do_start(script *s, char *rest)
{
    char *command = cut(rest, " ");
    cluster_start(s->c, rest, *command ? command : NULL);
}

/* NAME INT: as Ctrl-C does it. */
static void do_signal(script *s, char *rest)
{
    const char *word = cut(rest, " ");
    int number = strcmp(word, "INT") == 0    ? SIGINT
                 : strcmp(word, "USR1") == 0 ? SIGUSR1
                 : strcmp(word, "USR2") == 0 ? SIGUSR2
                                             : 0;
    if (!number)
        die("\"%s\" is no signal to send", word);
    child_signal(&cluster_member(s->c, rest)->process, number);
}

/* A word and what is behind it. 0: there is no such word. */
static int do_word(script *s, const char *word, char *rest)
{
    static const struct {
        const char *word;
        void (*step)(cluster *c, const char *name);
    } simple[] = {
        { "kill", cluster_kill },   { "end", cluster_end },
        { "ended", cluster_ended }, { "stop", cluster_stop },
        { "part", cluster_part },   { "go", cluster_continue },
    };
    static const struct {
        const char *word;
        void (*step)(script *s, char *rest);
    } more[] = { { "start", do_start },   { "until", do_until },
                 { "hear", do_hear },     { "keep", do_keep },
                 { "agree", do_agree },   { "ask", do_say },
                 { "answer", do_answer }, { "signal", do_signal } };
    size_t i;
    for (i = 0; i < sizeof simple / sizeof *simple; i++)
        if (strcmp(word, simple[i].word) == 0) {
            simple[i].step(s->c, rest);
            return 1;
        }
    for (i = 0; i < sizeof more / sizeof *more; i++)
        if (strcmp(word, more[i].word) == 0) {
            more[i].step(s, rest);
            return 1;
        }
    if (strcmp(word, "heal") == 0)
        cluster_heal(s->c);
    else if (strcmp(word, "wait") == 0)
        do_wait(s, rest);
    else
        return 0;
    return 1;
}

/* Names are all in front of a colon or an exclamation mark. */
static void do_line(script *s, char *line)
{
    size_t names = strspn(line, "abcdefghijklmnopqrstuvwxyz0123456789- ");
    char mark = line[names], *rest;
    if ((mark == ':' || mark == '!') && line[names + 1] == ' ' &&
        strncmp(line, "until ", 6) != 0) {
        line[names] = 0;
        if (mark == ':')
            do_ask(s, line, line + names + 2);
        else
            do_fail(s, line, line + names + 2);
        return;
    }
    rest = cut(line, " ");
    if (!do_word(s, line, rest))
        die("there is no step \"%s\"", line);
}

/* >>files ----------------------------------------------------------------- */

/* Where the run is, for whoever it ends with. */
static char place[300];

static void say_place(void)
{
    if (*place)
        printf("        in %s\n", place);
}

/* Without blanks around it, and without a remark, which has one before it. */
static char *trimmed(char *line)
{
    char *remark;
    size_t len;
    line += strspn(line, " \t");
    remark = *line == '#' ? line : strstr(line, " #");
    len = remark ? (size_t)(remark - line) : strcspn(line, "\r\n");
    while (len && (line[len - 1] == ' ' || line[len - 1] == '\t'))
        len--;
    line[len] = 0;
    return line;
}

void script_run(cluster *c, const char *path, const char *const *arguments,
                size_t count)
{
    FILE *file = fopen(path, "r");
    char line[LINE_MAX_BYTES], filled[LINE_MAX_BYTES], name[2] = "0";
    script s;
    size_t i, number = 0;
    if (!file)
        die("cannot read %s: %s", path, strerror(errno));
    memset(&s, 0, sizeof s);
    s.c = c;
    for (i = 0; i < count && i < SCRIPT_ARGUMENTS_MAX; i++) {
        name[0]++;
        keep(&s, name, arguments[i]);
    }
    atexit(say_place);
    while (fgets(line, sizeof line, file)) {
        char *step = trimmed(line);
        if (!c->is_quiet && *step)
            tell("%s", step);
        snprintf(place, sizeof place, "%.150s:%zu: %.100s", path, ++number,
                 step);
        fill_in(&s, step, filled, sizeof filled);
        if (*filled)
            do_line(&s, filled);
    }
    *place = 0;
    fclose(file);
}
