/*
 * The data servers there are: what the registry tells, and all agree on.
 *
 *     {"copies":2,"servers":[{"name":"d1","address":"10.0.0.7:4800"},
 *                            {"name":"d2","address":...,"leaving":true}]}
 *
 * Who is leaving keeps nothing any more, but still has what nobody has taken
 * over yet.
 */
#ifndef ALBUM_ROLL_H
#define ALBUM_ROLL_H

#include <stddef.h>
#include <stdint.h>

#include <cJSON.h>

#include "../common/ring.h"

enum {
    ROLL_MAX = 64, /* servers */
    ROLL_COPIES_MAX = 8,
    ROLL_ADDRESS_MAX = 63,
    ROLL_ID_SIZE = 16
};

typedef struct roll_server {
    char name[RING_NAME_MAX + 1];
    char address[ROLL_ADDRESS_MAX + 1]; /* HOST:PORT, of digits */
    int is_leaving;
} roll_server;

typedef struct roll {
    unsigned copies;
    size_t count;
    roll_server servers[ROLL_MAX]; /* by name */
} roll;

/* Which is there already, by name; NULL: it is not. */
roll_server *roll_find(roll *r, const char *name);
/* Adds it, or takes its address and whether it leaves. 0: a name or an address
 * that cannot be, or too many. */
int roll_put(roll *r, const char *name, const char *address, int is_leaving);
void roll_remove(roll *r, const char *name);
int roll_equal(const roll *a, const roll *b);

/* The same for those who would place every chunk the same. */
void roll_id(const roll *r, uint8_t out[ROLL_ID_SIZE]);

/* NULL: no memory. And back; 0: it is none, and nothing has changed. */
cJSON *roll_json(const roll *r);
int roll_from_json(roll *out, const cJSON *object);

#endif
