/*
 * Who may ask a data server for something. Album server and data servers share
 * a key; out of it comes a pass, which has an end and a secret of its own:
 *
 *     secret = BLAKE2b(key, rights | until | serial)
 *
 * The bearer shows rights, end and serial, and the secret, which only he and
 * whoever has the key can know, seals all that is said (wire.h). So a pass
 * that is shown can be neither used by who listens, nor be made better. It
 * cannot be taken back before its end: keep that near.
 */
#ifndef ALBUM_PASS_H
#define ALBUM_PASS_H

#include <stddef.h>
#include <stdint.h>

#include <cJSON.h>

#include "../common/key.h"

enum { PASS_SERIAL_SIZE = KEY_SIZE };

typedef enum pass_right {
    PASS_READ = 1,
    PASS_WRITE = 2,
    PASS_PEER = 4 /* a data server: registers, moves chunks */
} pass_right;

typedef struct pass_key {
    uint8_t bytes[KEY_SIZE];
} pass_key;

typedef struct pass {
    uint8_t rights; /* of pass_right */
    uint8_t serial[PASS_SERIAL_SIZE];
    uint64_t until; /* seconds, as time(2) */
    pass_key secret;
} pass;

/* As key_read; when there is no file, and `make`, as key_make. */
int pass_key_read(pass_key *out, const char *path, int make, char *why,
                  size_t size);

/* A new one. */
void pass_make(pass *out, const pass_key *key, unsigned rights,
               uint64_t until);
/* The secret of one that is shown. */
void pass_derive(pass *shown, const pass_key *key);

/* As an object of JSON, with the secret. And back; 0: it is none. */
cJSON *pass_json(const pass *p);
int pass_from_json(pass *out, const cJSON *object);

#endif
