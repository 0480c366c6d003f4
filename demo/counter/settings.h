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
    char *transport, *discover, *chaos; /* or NULL: network.h */
    char *realm, *key;                  /* or NULL; a file */
    char *dir;                          /* where all is kept, or NULL */
    char *ship, *codec;                 /* or NULL: delta, binary */
    char *file;                         /* of commands, or NULL */
    double rate; /* commands a second from the file; 0: as they come */
    double sync_every, sync_size; /* seconds, rows of history; 0: never */
    double lease, evict;          /* seconds */
    char *die_at, *stop_at; /* for tests, a step of a full sync; or NULL */
    char *config;
    int looks_around; /* nobody said how to discover: it is no must */
    int strict, memory, changes, alone, json, wait, verbose, help, version;
} settings;

/* Reads all places. Answers -1 to go on, or the exit status: help was asked
 * for and given, or something was wrong and has been said. */
int settings_read(settings *set, int argc, char **argv);
void settings_free(settings *set);

#endif
