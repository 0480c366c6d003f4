/*
 * What the user wants: options from the command line, environment and file.
 */
#ifndef COUNTER_SETTINGS_H
#define COUNTER_SETTINGS_H

#include "../common/options.h"

typedef struct settings {
    char *name;   /* what peers are told */
    char *listen; /* HOST:PORT, or NULL */
    option_list peers;
    char *file;  /* of commands, or NULL */
    double rate; /* commands a second from the file; 0: as they come */
    char *config;
    int json, wait, verbose, help, version;
} settings;

/* Reads all places. Answers -1 to go on, or the exit status: help was asked
 * for and given, or something was wrong and has been said. */
int settings_read(settings *set, int argc, char **argv);
void settings_free(settings *set);

#endif
