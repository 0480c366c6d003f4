#include "../common/posix.h"

#include "accounts.h"

#include <sodium.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define MONTH_SECONDS (30 * 24 * 3600)

struct accounts {
    sqlite3 *db;
};

static const char schema[] =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
    "PRAGMA foreign_keys = ON;"
    "CREATE TABLE IF NOT EXISTS users("
    "  name TEXT PRIMARY KEY, hash TEXT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS tokens("
    "  user TEXT PRIMARY KEY REFERENCES users,"
    "  hash BLOB NOT NULL UNIQUE, until INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS albums("
    "  id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    "  owner TEXT NOT NULL REFERENCES users, key BLOB NOT NULL,"
    "  epoch INTEGER NOT NULL, port INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS members("
    "  album TEXT NOT NULL REFERENCES albums,"
    "  user TEXT NOT NULL REFERENCES users,"
    "  PRIMARY KEY(album, user)) WITHOUT ROWID;";

/* >>statements ------------------------------------------------------------ */

/* Binds by letters: t text, i int64_t, k a key of 32 bytes. NULL: it cannot
 * be. */
static sqlite3_stmt *prepare(accounts *a, const char *sql, const char *kinds,
                             va_list args)
{
    sqlite3_stmt *s = NULL;
    int at, failed = sqlite3_prepare_v2(a->db, sql, -1, &s, NULL);
    for (at = 1; !failed && kinds[at - 1]; at++)
        switch (kinds[at - 1]) {
        case 't':
            failed = sqlite3_bind_text(s, at, va_arg(args, const char *), -1,
                                       SQLITE_TRANSIENT);
            break;
        case 'i':
            failed = sqlite3_bind_int64(s, at, va_arg(args, int64_t));
            break;
        default:
            failed = sqlite3_bind_blob(s, at, va_arg(args, const uint8_t *),
                                       32, SQLITE_TRANSIENT);
        }
    if (!failed)
        return s;
    sqlite3_finalize(s);
    return NULL;
}

/* The first row of a query. NULL with *answer 0 or -1. */
static sqlite3_stmt *first(accounts *a, int *answer, const char *sql,
                           const char *kinds, ...)
{
    sqlite3_stmt *s;
    va_list args;
    int step;
    va_start(args, kinds);
    s = prepare(a, sql, kinds, args);
    va_end(args);
    step = s ? sqlite3_step(s) : SQLITE_ERROR;
    *answer = step == SQLITE_ROW ? 1 : step == SQLITE_DONE ? 0 : -1;
    if (*answer == 1)
        return s;
    sqlite3_finalize(s);
    return NULL;
}

/* 1: rows have changed; 0: none, or there is one already. */
static int change(accounts *a, const char *sql, const char *kinds, ...)
{
    sqlite3_stmt *s;
    va_list args;
    int step;
    va_start(args, kinds);
    s = prepare(a, sql, kinds, args);
    va_end(args);
    step = s ? sqlite3_step(s) : SQLITE_ERROR;
    sqlite3_finalize(s);
    if (step == SQLITE_CONSTRAINT)
        return 0;
    return step != SQLITE_DONE ? -1 : sqlite3_changes(a->db) > 0;
}

static void column_text(sqlite3_stmt *s, int column, char *out, size_t size)
{
    const unsigned char *text = sqlite3_column_text(s, column);
    snprintf(out, size, "%s", text ? (const char *)text : "");
}

/* Whether a query finds anything. */
static int has(accounts *a, const char *sql, const char *x, const char *y)
{
    int answer;
    sqlite3_stmt *s = y ? first(a, &answer, sql, "tt", x, y)
                        : first(a, &answer, sql, "t", x);
    sqlite3_finalize(s);
    return answer;
}

/* >>opening --------------------------------------------------------------- */

accounts *accounts_open(const char *path, char *why, size_t size)
{
    accounts *a = (accounts *)calloc(1, sizeof *a);
    mode_t mask = umask(077);
    int failed = !a || sqlite3_open(path, &a->db);
    if (!failed) {
        sqlite3_busy_timeout(a->db, 2000);
        failed = sqlite3_exec(a->db, schema, NULL, NULL, NULL);
    }
    umask(mask);
    if (!failed)
        return a;
    snprintf(why, size, "cannot open %.200s: %s", path,
             a ? sqlite3_errmsg(a->db) : "no memory");
    accounts_close(a);
    return NULL;
}

void accounts_close(accounts *a)
{
    if (a)
        sqlite3_close(a->db);
    free(a);
}

const char *accounts_why(accounts *a)
{
    return sqlite3_errmsg(a->db);
}

/* >>users and tokens ------------------------------------------------------ */

int accounts_add_user(accounts *a, const char *user, const char *hash)
{
    return change(a, "INSERT INTO users VALUES(?, ?)", "tt", user, hash);
}

int accounts_has_user(accounts *a, const char *user)
{
    return has(a, "SELECT 1 FROM users WHERE name = ?", user, NULL);
}

int accounts_hash(accounts *a, const char *user, char out[HASH_MAX])
{
    int answer;
    sqlite3_stmt *s =
        first(a, &answer, "SELECT hash FROM users WHERE name = ?", "t", user);
    if (s)
        column_text(s, 0, out, HASH_MAX);
    sqlite3_finalize(s);
    return answer;
}

static void token_hash(const char *token, uint8_t out[32])
{
    crypto_generichash(out, 32, (const uint8_t *)token, strlen(token), NULL,
                       0);
}

int accounts_new_token(accounts *a, const char *user, char out[TOKEN_TEXT])
{
    uint8_t secret[32], hash[32];
    randombytes_buf(secret, sizeof secret);
    sodium_bin2hex(out, TOKEN_TEXT, secret, sizeof secret);
    token_hash(out, hash);
    return change(a, "INSERT OR REPLACE INTO tokens VALUES(?, ?, ?)", "tki",
                  user, hash, (int64_t)time(NULL) + MONTH_SECONDS);
}

int accounts_token_user(accounts *a, const char *token,
                        char out[ALBUM_USER_MAX + 1])
{
    uint8_t hash[32];
    sqlite3_stmt *s;
    int answer;
    token_hash(token, hash);
    s = first(a, &answer,
              "SELECT name FROM tokens JOIN users ON user = name "
              "WHERE tokens.hash = ? AND until > ?",
              "ki", hash, (int64_t)time(NULL));
    if (s)
        column_text(s, 0, out, ALBUM_USER_MAX + 1);
    sqlite3_finalize(s);
    return answer;
}

int accounts_drop_token(accounts *a, const char *user)
{
    return change(a, "DELETE FROM tokens WHERE user = ?", "t", user);
}

/* >>albums ---------------------------------------------------------------- */

int accounts_add_album(accounts *a, const char *name, const char *owner,
                       album_row *out)
{
    uint8_t id[16];
    int answer;
    memset(out, 0, sizeof *out);
    randombytes_buf(id, sizeof id);
    randombytes_buf(out->key, sizeof out->key);
    sodium_bin2hex(out->id, sizeof out->id, id, sizeof id);
    if (change(a, "BEGIN IMMEDIATE", "") < 0)
        return -1;
    answer =
        change(a,
               "INSERT INTO albums SELECT ?1, ?2, ?3, ?4, 0, 0 WHERE "
               "(SELECT count(*) FROM albums WHERE owner = ?3) < ?5",
               "tttki", out->id, name, owner, out->key, (int64_t)ALBUMS_MAX);
    if (answer == 1)
        answer = accounts_add_member(a, out->id, owner);
    (void)change(a, answer == 1 ? "COMMIT" : "ROLLBACK", "");
    return answer == 1 ? accounts_album(a, name, out) : answer;
}

static int read_album(accounts *a, const char *sql, const char *name,
                      album_row *out)
{
    int answer;
    const void *key;
    sqlite3_stmt *s = first(a, &answer, sql, "t", name);
    if (!s)
        return answer;
    column_text(s, 0, out->id, sizeof out->id);
    column_text(s, 1, out->name, sizeof out->name);
    column_text(s, 2, out->owner, sizeof out->owner);
    key = sqlite3_column_blob(s, 3);
    if (key && sqlite3_column_bytes(s, 3) == ALBUM_KEY)
        memcpy(out->key, key, ALBUM_KEY);
    else
        answer = -1;
    out->epoch = sqlite3_column_int64(s, 4);
    out->port = sqlite3_column_int64(s, 5);
    sqlite3_finalize(s);
    return answer;
}

#define SELECT_ALBUM "SELECT id, name, owner, key, epoch, port FROM albums "

int accounts_album(accounts *a, const char *name, album_row *out)
{
    return read_album(a, SELECT_ALBUM "WHERE name = ?", name, out);
}

int accounts_next_album(accounts *a, const char *name, album_row *out)
{
    return read_album(a, SELECT_ALBUM "WHERE name > ? ORDER BY name LIMIT 1",
                      name, out);
}

int accounts_set_port(accounts *a, const char *id, int64_t port)
{
    return change(a, "UPDATE albums SET port = ? WHERE id = ?", "it", port,
                  id);
}

int accounts_rekey(accounts *a, album_row *row)
{
    uint8_t key[ALBUM_KEY];
    int answer;
    randombytes_buf(key, sizeof key);
    answer =
        change(a, "UPDATE albums SET key = ?, epoch = epoch + 1 WHERE id = ?",
               "kt", key, row->id);
    if (answer == 1) {
        memcpy(row->key, key, sizeof key);
        row->epoch++;
    }
    return answer;
}

int accounts_add_member(accounts *a, const char *id, const char *user)
{
    return change(a,
                  "INSERT INTO members SELECT ?, name FROM users "
                  "WHERE name = ?",
                  "tt", id, user);
}

int accounts_remove_member(accounts *a, const char *id, const char *user)
{
    return change(a, "DELETE FROM members WHERE album = ? AND user = ?", "tt",
                  id, user);
}

int accounts_is_member(accounts *a, const char *id, const char *user)
{
    return has(a, "SELECT 1 FROM members WHERE album = ? AND user = ?", id,
               user);
}

static int each(accounts *a, const char *sql, const char *about,
                accounts_fn *fn, void *ctx)
{
    int answer;
    sqlite3_stmt *s = first(a, &answer, sql, "t", about);
    char name[ALBUM_USER_MAX + 1];
    while (s && answer == 1) {
        int step;
        column_text(s, 0, name, sizeof name);
        fn(ctx, name);
        step = sqlite3_step(s);
        answer = step == SQLITE_ROW ? 1 : step == SQLITE_DONE ? 0 : -1;
    }
    sqlite3_finalize(s);
    return answer < 0 ? -1 : 1;
}

int accounts_members(accounts *a, const char *id, accounts_fn *fn, void *ctx)
{
    return each(a, "SELECT user FROM members WHERE album = ? ORDER BY user",
                id, fn, ctx);
}

int accounts_albums(accounts *a, const char *user, accounts_fn *fn, void *ctx)
{
    return each(a,
                "SELECT name FROM albums JOIN members ON id = album "
                "WHERE user = ? ORDER BY name",
                user, fn, ctx);
}
