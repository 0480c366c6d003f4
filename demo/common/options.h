/*
 * Options of a program from four places, the first that says something wins:
 *
 *     command line    --listen 127.0.0.1:7000
 *     environment     CRDT_COUNTER_LISTEN=127.0.0.1:7000
 *     JSON file       { "listen": "127.0.0.1:7000" }
 *     the default     what the field held before
 *
 * A table says what there is; it is also what --help prints.
 */
#ifndef DEMO_OPTIONS_H
#define DEMO_OPTIONS_H

#include <stddef.h>

enum { OPTION_LIST_MAX = 64 };

/* Texts given several times; in the environment with commas between. */
typedef struct option_list {
    char *items[OPTION_LIST_MAX];
    size_t count;
} option_list;

typedef enum option_kind {
    OPTION_TEXT,   /* char * on the heap, NULL when not given */
    OPTION_LIST,   /* option_list */
    OPTION_NUMBER, /* double, 0 or more */
    OPTION_SWITCH  /* int */
} option_kind;

typedef struct option {
    const char *name;     /* "listen" */
    const char *argument; /* "HOST:PORT"; NULL for a switch */
    const char *help;
    option_kind kind;
    void *field;
    int only_flag; /* neither from the environment nor from a file */
    int given;     /* by someone who goes first */
} option;

typedef struct options {
    const char *program; /* "counter" */
    const char *prefix;  /* "CRDT_COUNTER_" */
    option *rows;
    size_t count;
    const char *config; /* name of the row that holds the file, or NULL */
    char why[512];      /* what was wrong */
} options;

/* The rows of every program: config, a char *; help and version, ints. */
/* clang-format off */
#define OPTIONS_OF_ALL(config, help, version)                                 \
    { "config", "FILE", "a JSON file with these options, less the --",        \
      OPTION_TEXT, config, 0, 0 },                                            \
    { "help", NULL, "this", OPTION_SWITCH, help, 1, 0 },                      \
    { "version", NULL, "the version", OPTION_SWITCH, version, 1, 0 }
/* clang-format on */

/* Fills it in, with a copy of the rows; that of the file is "config". */
void options_table(options *all, const char *program, const char *prefix,
                   option *rows, const option *these, size_t count);
/* Reads all places. 0: something was wrong, `why` says what. */
int options_read(options *all, int argc, char **argv);
/* What a text is that nobody gave. */
void options_default(char **field, const char *otherwise);
/* Prints the table. */
void options_help(const options *all);
/* Frees what the fields hold. */
void options_free(options *all);

#endif
