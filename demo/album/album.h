/*
 * An album as a document: who may enter, what files there are, what each
 * thinks of them, and what was said. Every change here is one commit.
 *
 *     name     "trip"
 *     members  { "ana", "ben" }                  a set in which removing wins
 *     files    id -> name, hash, size, author, added
 *                    ratings: user -> 0..5       the later vote of a user
 *     chat     [ who, text, at ]                 each behind what its writer
 *     devices  replica -> user                   had read
 *
 * A file has a key of its own that is never used again, so two of one name are
 * two files, and a removed one does not come back: a vote that was cast
 * meanwhile leaves a rest without a name, which is not shown.
 *
 * What is read comes from other people's programs: fields that are missing or
 * no sense make the record invisible, and texts are any bytes.
 */
#ifndef ALBUM_ALBUM_H
#define ALBUM_ALBUM_H

#include "crdtsync.h"

enum {
    ALBUM_USER_MAX = 32,   /* bytes of the name of a user or an album */
    ALBUM_FILE_MAX = 255,  /* of the name of a file */
    ALBUM_TEXT_MAX = 4096, /* of what is said at once */
    ALBUM_ID_LEN = 16,     /* hex digits of the key of a file */
    ALBUM_HASH_LEN = 64,   /* hex digits */
    ALBUM_STARS_MAX = 5
};

/* Names of users and albums: letters, digits, - _ and . between. */
int album_good_name(const char *name);
/* Names of files: anything to be read that is no path. */
int album_good_file(crdt_bytes name);

/* >>people */
crdt_err album_set_name(crdt_doc *doc, const char *name);
crdt_err album_add_member(crdt_doc *doc, const char *user);
crdt_err album_remove_member(crdt_doc *doc, const char *user);
/* In the order of their names; NOT_FOUND is the end. */
crdt_err album_next_member(crdt_doc *doc, crdt_cursor *cursor,
                           crdt_bytes *user);
/* Says that this replica is the user's, unless it is said already. */
crdt_err album_sign(crdt_doc *doc, const char *user);
/* Who writes under that replica, or empty. */
crdt_bytes album_author(crdt_doc *doc, const crdt_id *replica);

/* >>files */
typedef struct album_file {
    char id[ALBUM_ID_LEN + 1];
    char hash[ALBUM_HASH_LEN + 1];
    crdt_bytes name, author; /* borrowed */
    int64_t size, added_ms;
    unsigned votes;
    double mean; /* 0 without votes */
} album_file;

/* Adds what id, name, hash, size, author and added_ms say. ARG: they are not
 * what they should be. */
crdt_err album_add_file(crdt_doc *doc, const album_file *file);
crdt_err album_remove_file(crdt_doc *doc, const char *id);
/* NOT_FOUND when there is none, or no whole one. */
crdt_err album_get_file(crdt_doc *doc, const char *id, album_file *out);
/* In the order of their ids; NOT_FOUND is the end. */
crdt_err album_next_file(crdt_doc *doc, crdt_cursor *cursor, album_file *out);

/* ARG: not 0 to 5; NOT_FOUND: no such file. */
crdt_err album_rate(crdt_doc *doc, const char *id, const char *user,
                    int64_t stars);
/* The vote of each; NOT_FOUND is the end. */
crdt_err album_next_vote(crdt_doc *doc, const char *id, crdt_cursor *cursor,
                         crdt_bytes *user, int64_t *stars);

/* >>chat */
typedef struct album_message {
    crdt_bytes who, text; /* borrowed */
    int64_t at_ms;
} album_message;

crdt_err album_say(crdt_doc *doc, const char *user, crdt_bytes text,
                   int64_t at_ms);
/* How many there are, and the index-th; NOT_FOUND: it is none. */
size_t album_chat_len(crdt_doc *doc);
crdt_err album_chat_get(crdt_doc *doc, size_t index, album_message *out);

#endif
