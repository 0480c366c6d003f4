#include "posix.h"

#include "menu.h"
#include "text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NAMES_MAX = 64 };

static const menu_row *find(const menu *m, const char *name)
{
    size_t i;
    for (i = 0; i < m->count; i++)
        if (strcasecmp(m->rows[i].name, name) == 0)
            return &m->rows[i];
    return NULL;
}

/* >>lines ----------------------------------------------------------------- */

/* Takes a word off the front, quotes gone; moves *line behind it. */
static char *next_word(char **line)
{
    char *from = *line, *to, *word;
    int quoted = 0;
    while (isspace((unsigned char)*from))
        from++;
    if (!*from)
        return NULL;
    word = to = from;
    for (; *from && (quoted || !isspace((unsigned char)*from)); from++) {
        if (*from == '"')
            quoted = !quoted;
        else
            *to++ = *from;
    }
    *line = from + (*from != 0);
    *to = 0;
    return word;
}

/* `most`: how many arguments are words; -1: one, that is all the rest. */
static int split(char *line, int most, char **word)
{
    int words = 0;
    while (words < MENU_WORDS_MAX &&
           (word[words] = words && most < 0 ? text_trim(line)
                                            : next_word(&line)) != NULL) {
        if (words && most < 0)
            return *word[1] ? 2 : 1;
        words++;
    }
    word[words] = NULL;
    return words;
}

/* >>help ------------------------------------------------------------------ */

static void tell_row(menu *m, const menu_row *row, cJSON *list)
{
    char left[80];
    cJSON *object;
    snprintf(left, sizeof left, "%s %s", row->name, row->arguments);
    say_line(m->say, "  %-32s %s", left, row->what);
    if (!list)
        return;
    object = cJSON_CreateObject();
    json_text(object, "name", row->name);
    json_text(object, "arguments", row->arguments);
    json_text(object, "what", row->what);
    cJSON_AddItemToArray(list, object);
}

void menu_help(menu *m, const char *only)
{
    const menu_row *one = NULL;
    cJSON *list;
    size_t i;
    if (only) {
        one = find(m, only + (*only == '/'));
        if (!one) {
            menu_unknown(m, only + (*only == '/'));
            return;
        }
    }
    list = m->say->answer ? cJSON_AddArrayToObject(m->say->answer, "commands")
                          : NULL;
    for (i = 0; i < m->count; i++)
        if (!one || one == &m->rows[i])
            tell_row(m, &m->rows[i], list);
}

void menu_unknown(menu *m, const char *name)
{
    const char *names[NAMES_MAX], *near;
    const menu_row *row;
    char hint[100], clean[64];
    size_t i;
    for (i = 0; i < m->count && i < NAMES_MAX - 1; i++)
        names[i] = m->rows[i].name;
    names[i] = NULL;
    near = text_nearest(name, names);
    row = near ? find(m, near) : NULL;
    if (row)
        snprintf(hint, sizeof hint, "did you mean: %s %s", row->name,
                 row->arguments);
    else
        snprintf(hint, sizeof hint, "help lists what there is");
    say_fail(m->say, hint, "there is no command \"%s\"",
             text_clean(clean, sizeof clean, name, strlen(name)));
}

/* >>doing ----------------------------------------------------------------- */

static void usage(menu *m, const menu_row *row)
{
    char hint[100];
    snprintf(hint, sizeof hint, "type: %s%s%s", row->name,
             *row->arguments ? " " : "", row->arguments);
    say_fail(m->say, hint, "%s does not take that", row->name);
}

static void run(menu *m, const menu_row *row, char *line, const char *name)
{
    char *word[MENU_WORDS_MAX + 1];
    int words = row ? split(line, row->most, word) : 0;
    if (!row)
        menu_unknown(m, name);
    else if (words - 1 < row->least ||
             (row->most >= 0 && words - 1 > row->most))
        usage(m, row);
    else
        row->run(m->ctx, words, word);
}

int menu_do(menu *m, char *line, const char *place)
{
    char *whole, *copy, *rest, *name;
    const menu_row *row;
    int is_slash;
    line = text_trim(line);
    if (!*line || *line == '#')
        return 1;
    is_slash = *line == '/';
    whole = text_copy(line + is_slash);
    copy = rest = text_copy(whole);
    name = next_word(&rest);
    row = name ? find(m, name) : NULL;
    if (row || is_slash) {
        say_begin(m->say, whole, place, 0);
        m->is_later = 0;
        run(m, row, line + is_slash, name ? name : "");
        if (!m->is_later)
            say_end(m->say);
    }
    free(copy);
    free(whole);
    return row || is_slash;
}

void menu_line(menu *m, char *line)
{
    if (menu_do(m, line, ""))
        return;
    say_begin(m->say, line, "", 0);
    menu_unknown(m, line);
    say_end(m->say);
}

/* >>completion ------------------------------------------------------------ */

const char *menu_word(menu *m, const char *line, size_t index)
{
    char copy[256], *word[MENU_WORDS_MAX + 1];
    const menu_row *row;
    int words;
    snprintf(copy, sizeof copy, "%s", line + (*line == '/'));
    words = split(copy, MENU_WORDS_MAX, word);
    if (words == 0 || (words == 1 && strcasecmp(word[0], "help") == 0))
        return index < m->count ? m->rows[index].name : NULL;
    row = find(m, word[0]);
    if (words > 1 || !row || !row->completes || !m->word)
        return NULL;
    return m->word(m->ctx, row->completes, index);
}
