#include "posix.h"

#include "options.h"
#include "json.h"
#include "text.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((format(printf, 2, 3))) static int refuse(options *all,
                                                        const char *form, ...)
{
    va_list args;
    va_start(args, form);
    vsnprintf(all->why, sizeof all->why, form, args);
    va_end(args);
    return 0;
}

/* >>setting one ----------------------------------------------------------- */

static void set_text(char **field, const char *value)
{
    free(*field);
    *field = text_copy(value);
}

static int set_list(option_list *list, const char *value)
{
    if (list->count == OPTION_LIST_MAX)
        return 0;
    list->items[list->count++] = text_copy(value);
    return 1;
}

static int set_switch(int *field, const char *value)
{
    static const char *const yes[] = { "1", "true", "yes", "on" };
    static const char *const no[] = { "0", "false", "no", "off", "" };
    size_t i;
    for (i = 0; i < sizeof yes / sizeof *yes; i++)
        if (strcmp(value, yes[i]) == 0)
            return *field = 1;
    for (i = 0; i < sizeof no / sizeof *no; i++)
        if (strcmp(value, no[i]) == 0) {
            *field = 0;
            return 1;
        }
    return 0;
}

/* `where` names the place for the message, as "--rate". */
static int set(options *all, option *row, const char *where, const char *value)
{
    switch (row->kind) {
    case OPTION_TEXT:
        set_text((char **)row->field, value);
        return 1;
    case OPTION_LIST:
        if (set_list((option_list *)row->field, value))
            return 1;
        return refuse(all, "%s is given more than %d times", where,
                      OPTION_LIST_MAX);
    case OPTION_NUMBER:
        if (text_number(value, (double *)row->field))
            return 1;
        return refuse(all, "%s takes a number of at least 0, not \"%s\"",
                      where, value);
    case OPTION_SWITCH:
        if (set_switch((int *)row->field, value))
            return 1;
        return refuse(all, "%s is 1 or 0, not \"%s\"", where, value);
    }
    return 0;
}

static option *find(options *all, const char *name, size_t len)
{
    size_t i;
    for (i = 0; i < all->count; i++)
        if (strlen(all->rows[i].name) == len &&
            memcmp(all->rows[i].name, name, len) == 0)
            return &all->rows[i];
    return NULL;
}

/* What an unknown name was probably meant to be, or NULL. */
static const char *guess(options *all, const char *name, size_t len)
{
    const char *names[64];
    char word[64];
    size_t i;
    for (i = 0; i < all->count && i < 63; i++)
        names[i] = all->rows[i].name;
    names[i] = NULL;
    snprintf(word, sizeof word, "%.*s", (int)len, name);
    return text_nearest(word, names);
}

/* >>command line ---------------------------------------------------------- */

static int refuse_flag(options *all, const char *name, size_t len)
{
    const char *near = guess(all, name, len);
    return near ? refuse(all, "there is no --%.*s; is it --%s?", (int)len,
                         name, near)
                : refuse(all, "there is no --%.*s; see %s --help", (int)len,
                         name, all->program);
}

/* One flag at argv[*at]; "--name=value" is allowed too. */
static int read_flag(options *all, int argc, char **argv, int *at)
{
    const char *name = argv[*at] + 2;
    size_t len = strcspn(name, "=");
    const char *value = name[len] ? name + len + 1 : NULL;
    option *row = find(all, name, len);
    char where[64];
    if (!row)
        return refuse_flag(all, name, len);
    snprintf(where, sizeof where, "--%s", row->name);
    row->given = 1;
    if (row->kind == OPTION_SWITCH)
        return set(all, row, where, value ? value : "1");
    if (!value && *at + 1 < argc)
        value = argv[++*at];
    if (!value)
        return refuse(all, "%s needs %s behind it", where, row->argument);
    return set(all, row, where, value);
}

static int read_flags(options *all, int argc, char **argv)
{
    int at;
    for (at = 1; at < argc; at++) {
        if (strncmp(argv[at], "--", 2) != 0 || !argv[at][2])
            return refuse(all, "\"%s\" is no option; see %s --help", argv[at],
                          all->program);
        if (!read_flag(all, argc, argv, &at))
            return 0;
    }
    return 1;
}

/* >>environment ----------------------------------------------------------- */

static int set_each(options *all, option *row, const char *where,
                    const char *value)
{
    char *copy, *word, *rest = NULL;
    int fine = 1;
    if (row->kind != OPTION_LIST)
        return set(all, row, where, value);
    copy = text_copy(value);
    for (word = strtok_r(copy, ",", &rest); word && fine;
         word = strtok_r(NULL, ",", &rest))
        fine = set(all, row, where, word);
    free(copy);
    return fine;
}

static int read_environment(options *all)
{
    size_t i;
    for (i = 0; i < all->count; i++) {
        option *row = &all->rows[i];
        char variable[80], *c;
        const char *value;
        snprintf(variable, sizeof variable, "%s%s", all->prefix, row->name);
        for (c = variable; *c; c++)
            *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
        value = getenv(variable);
        if (row->only_flag || row->given || !value || !*value)
            continue;
        row->given = 1;
        if (!set_each(all, row, variable, value))
            return 0;
    }
    return 1;
}

/* >>file ------------------------------------------------------------------ */

static int set_from_json(options *all, option *row, const char *where,
                         const cJSON *value)
{
    char number[40];
    if (cJSON_IsString(value))
        return set(all, row, where, value->valuestring);
    if (cJSON_IsBool(value) && row->kind == OPTION_SWITCH)
        return set(all, row, where, cJSON_IsTrue(value) ? "1" : "0");
    if (cJSON_IsNumber(value) && row->kind == OPTION_NUMBER) {
        snprintf(number, sizeof number, "%.17g", value->valuedouble);
        return set(all, row, where, number);
    }
    return refuse(all, "%s is not what --%s takes", where, row->name);
}

static int read_member(options *all, const char *path, const cJSON *member)
{
    option *row = find(all, member->string, strlen(member->string));
    char where[300];
    const cJSON *item;
    snprintf(where, sizeof where, "\"%.60s\" in %.200s", member->string, path);
    if (!row || row->only_flag)
        return refuse(all, "%s is no option; see %s --help", where,
                      all->program);
    if (row->given == 2)
        return refuse(all, "%s is there twice", where);
    if (row->given)
        return 1;
    row->given = 2;
    if (!cJSON_IsArray(member) || row->kind != OPTION_LIST)
        return set_from_json(all, row, where, member);
    cJSON_ArrayForEach(item, member)
    {
        if (!set_from_json(all, row, where, item))
            return 0;
    }
    return 1;
}

static int read_file(options *all, const char *path)
{
    cJSON *object = json_read_file(path, all->why, sizeof all->why);
    const cJSON *member;
    int fine = object != NULL;
    cJSON_ArrayForEach(member, object)
    {
        if (fine)
            fine = read_member(all, path, member);
    }
    cJSON_Delete(object);
    return fine;
}

/* >>all ------------------------------------------------------------------- */

void options_table(options *all, const char *program, const char *prefix,
                   option *rows, const option *these, size_t count)
{
    memset(all, 0, sizeof *all);
    all->program = program;
    all->prefix = prefix;
    all->rows = rows;
    all->count = count;
    all->config = "config";
    memcpy(rows, these, count * sizeof *rows);
}

int options_read(options *all, int argc, char **argv)
{
    option *config =
        all->config ? find(all, all->config, strlen(all->config)) : NULL;
    const char *path;
    if (!read_flags(all, argc, argv) || !read_environment(all))
        return 0;
    path = config ? *(char **)config->field : NULL;
    return !path || read_file(all, path);
}

void options_help(const options *all)
{
    size_t i;
    for (i = 0; i < all->count; i++) {
        const option *row = &all->rows[i];
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s", row->name,
                 row->argument ? " " : "", row->argument ? row->argument : "");
        printf("  %-22s %s\n", left, row->help);
    }
}

void options_free(options *all)
{
    size_t i, j;
    for (i = 0; i < all->count; i++) {
        option *row = &all->rows[i];
        option_list *list = (option_list *)row->field;
        if (row->kind == OPTION_TEXT)
            free(*(char **)row->field);
        for (j = 0; row->kind == OPTION_LIST && j < list->count; j++)
            free(list->items[j]);
    }
}

void options_default(char **field, const char *otherwise)
{
    if (!*field)
        *field = text_copy(otherwise);
}
