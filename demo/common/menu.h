/*
 * The commands of a program: a table, out of which come help, usage,
 * completion and what was probably meant.
 *
 *     rate beach.jpg 5      /rate "my beach.jpg" 5      RATE beach.jpg 5
 *
 * The letters of commands may be small or great; quotes hold blanks together.
 */
#ifndef DEMO_MENU_H
#define DEMO_MENU_H

#include <stddef.h>

#include "say.h"

enum { MENU_WORDS_MAX = 8 };

typedef struct menu_row {
    const char *name, *arguments, *what;
    int least, most; /* words behind it; most -1: the last is the whole rest */
    /* word[0] is the command; word[words] is NULL. */
    void (*run)(void *ctx, int words, char **word);
    int completes; /* what the first argument is, for `word`; 0: nothing */
} menu_row;

typedef struct menu {
    const menu_row *rows;
    size_t count;
    say *say;
    void *ctx;
    /* The index-th thing of that kind, or NULL behind the last. */
    const char *(*word)(void *ctx, int kind, size_t index);
    /* `run` sets it, and has deleted say->answer: the answer comes later, with
     * a say_begin of its own. */
    int is_later;
} menu;

/* Does a line that begins with a command, and answers. 0: it begins with none
 * and has no slash: nothing was done. Blank lines and # comments are done. */
int menu_do(menu *m, char *line, const char *place);
/* The same, where all lines are commands. */
void menu_line(menu *m, char *line);
/* For a command that there is not: says so, and what was probably meant. */
void menu_unknown(menu *m, const char *name);
/* Lists all, or tells of one; for a row `help` of the table. */
void menu_help(menu *m, const char *only);
/* For completion; see edit_config. */
const char *menu_word(menu *m, const char *line, size_t index);

#endif
