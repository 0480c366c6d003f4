/*
 * What the server knows of people: who they are, which albums there are and
 * who may enter them. In SQLite; each call is durable when it has returned.
 */
#ifndef ALBUM_ACCOUNTS_H
#define ALBUM_ACCOUNTS_H

#include <stddef.h>
#include <stdint.h>

#include "album.h"

enum {
    ALBUMS_MAX = 256, /* of one owner */
    HASH_MAX = 128,
    TOKEN_TEXT = 65,
    ALBUM_KEY = 32,
    ALBUM_NAME_HEX = 33
};

typedef struct accounts accounts;

/* Who may enter an album has its key; its epoch counts how often that was
 * another. */
typedef struct album_row {
    char id[ALBUM_NAME_HEX], name[ALBUM_USER_MAX + 1];
    char owner[ALBUM_USER_MAX + 1];
    uint8_t key[ALBUM_KEY];
    int64_t epoch, port; /* where the server listened last, or 0 */
} album_row;

/* NULL: `why` says it. */
accounts *accounts_open(const char *path, char *why, size_t size);
void accounts_close(accounts *a);
/* Why a call answered -1. */
const char *accounts_why(accounts *a);

/* All others answer 1; 0 for taken, or not there; -1 when it cannot be. */
int accounts_add_user(accounts *a, const char *user, const char *hash);
int accounts_has_user(accounts *a, const char *user);
/* Of the password, as crypto_pwhash_str makes it. */
int accounts_hash(accounts *a, const char *user, char out[HASH_MAX]);

/* A token stands for a password until it is dropped or a month old. A user
 * has one: a new one ends the old. Only its hash is kept. */
int accounts_new_token(accounts *a, const char *user, char out[TOKEN_TEXT]);
int accounts_token_user(accounts *a, const char *token,
                        char out[ALBUM_USER_MAX + 1]);
int accounts_drop_token(accounts *a, const char *user);

/* Makes id, key and the first member, its owner. 0: taken, or he has
 * ALBUMS_MAX. */
int accounts_add_album(accounts *a, const char *name, const char *owner,
                       album_row *out);
int accounts_album(accounts *a, const char *name, album_row *out);
/* The next by name; "" is before the first. */
int accounts_next_album(accounts *a, const char *name, album_row *out);
int accounts_set_port(accounts *a, const char *id, int64_t port);
/* A new key, into `row`. */
int accounts_rekey(accounts *a, album_row *row);
int accounts_add_member(accounts *a, const char *id, const char *user);
int accounts_remove_member(accounts *a, const char *id, const char *user);
int accounts_is_member(accounts *a, const char *id, const char *user);

/* Names of members of the album `id`, or of albums of the user, in order. */
typedef void accounts_fn(void *ctx, const char *name);
int accounts_members(accounts *a, const char *id, accounts_fn *fn, void *ctx);
int accounts_albums(accounts *a, const char *user, accounts_fn *fn, void *ctx);

#endif
