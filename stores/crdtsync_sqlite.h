/*
 * crdtsync_sqlite - documents in an SQLite database (WAL, synchronous=FULL):
 * for programs that have one anyway, want to look into it with other tools, or
 * have a system whose files are not to be trusted.
 *
 *     #define CRDTSYNC_IMPLEMENTATION     // in one file, that of crdtsync.h;
 *     #include "crdtsync.h"               // adapters come behind it
 *     #include "crdtsync_sqlite.h"        // needs crdtsync_file.h beside it
 *
 *     cc app.c -lsqlite3
 *
 * SYNOPSIS
 *
 *     crdt_store store;
 *     crdt_sqlite_config config = { 0 };
 *     config.dir = "data";                // made when it is not there
 *     crdt_sqlite_new(&store, &config);   // data/data.sqlite
 *
 * It promises what crdtsync_file.h does (docs/stores.md), but for two things:
 * every sync is durable, also a lazy one; and a database file that SQLite
 * calls malformed is CRDT_ERR_CORRUPT: remove it, and documents come back from
 * peers.
 *
 * One thread at a time, one opener of a directory: CRDT_ERR_LOCKED.
 */
#ifndef CRDTSYNC_SQLITE_H
#define CRDTSYNC_SQLITE_H

#ifndef CRDTSYNC_VERSION
#error "include crdtsync.h before crdtsync_sqlite.h"
#endif

#include "crdtsync_file.h" /* for the lock, and how the store was left */

#ifdef __cplusplus
extern "C" {
#endif

/* Zero means default. */
typedef struct crdt_sqlite_config {
    const char *dir; /* copied */
    const crdt_alloc *alloc;
    const crdt_random *random;
    int trusts_images; /* as crdt_file_config */
} crdt_sqlite_config;

/* ARG, NOMEM, IO (also: no randomness), FULL, LOCKED, CORRUPT; VERSION: it is
 * of a newer version. */
CRDT_API crdt_err crdt_sqlite_new(crdt_store *out,
                                  const crdt_sqlite_config *config);

#ifdef __cplusplus
}
#endif

#endif /* CRDTSYNC_SQLITE_H */

#if defined(CRDTSYNC_IMPLEMENTATION) && !defined(CRDTSYNC_SQLITE_IMPLEMENTED)
#define CRDTSYNC_SQLITE_IMPLEMENTED

#ifndef CRDTSYNC_IMPLEMENTED
#error "define CRDTSYNC_IMPLEMENTATION before including crdtsync.h"
#endif

#include <sqlite3.h>

/* >>data ------------------------------------------------------------------
 *
 *     docs      id, name
 *     records   doc, seq, crc, bytes     seq ascends; crc is CRC32C of bytes
 *     aside     the same: what was behind a record that was damaged
 *
 * What is added waits in memory and goes into one transaction, so that one
 * that fails, for want of room, can be tried again. The file `clean` is there
 * while nobody has the store open: life 16, identity 64, crc u32. */

#define CRDTI_SQL_VERSION 1
#define CRDTI_SQL_FILE "data.sqlite"
#define CRDTI_SQL_MARK 84u

enum {
    CRDTI_SQL_BEGIN,
    CRDTI_SQL_COMMIT,
    CRDTI_SQL_ROLLBACK,
    CRDTI_SQL_NAME,  /* a document, that there be one */
    CRDTI_SQL_ADD,   /* a record */
    CRDTI_SQL_CLEAR, /* all of a document */
    CRDTI_SQL_LOAD,  /* them, in order */
    CRDTI_SQL_ASIDE, /* those from a seq on, copied */
    CRDTI_SQL_CUT,   /* the same, removed */
    CRDTI_SQL_LIST,  /* documents */
    CRDTI_SQL_STATEMENTS
};

typedef struct crdti_sql_store {
    crdt_alloc alloc;
    crdt_file_io io;
    crdt_id life;
    sqlite3 *db;
    sqlite3_stmt *statements[CRDTI_SQL_STATEMENTS];
    crdt_buf out;   /* u8 is a snapshot, bytes name, bytes record; again */
    crdt_buf names; /* of documents whose next must be a snapshot */
    int is_failed;
} crdti_sql_store;

CRDTI_FN const char *crdti_sql_text(int which)
{
    static const char *const texts[CRDTI_SQL_STATEMENTS] = {
        "BEGIN IMMEDIATE",
        "COMMIT",
        "ROLLBACK",
        "INSERT OR IGNORE INTO docs(name) VALUES (?1)",
        "INSERT INTO records SELECT id, 1 + (SELECT ifnull(max(seq), 0) FROM "
        "records WHERE doc = id), ?2, ?3 FROM docs WHERE name = ?1",
        "DELETE FROM records WHERE doc = "
        "(SELECT id FROM docs WHERE name = ?1)",
        "SELECT seq, crc, bytes FROM records WHERE doc = "
        "(SELECT id FROM docs WHERE name = ?1) ORDER BY seq",
        "INSERT INTO aside SELECT * FROM records WHERE seq >= ?2 AND doc = "
        "(SELECT id FROM docs WHERE name = ?1)",
        "DELETE FROM records WHERE seq >= ?2 AND doc = "
        "(SELECT id FROM docs WHERE name = ?1)",
        "SELECT name FROM docs"
    };
    return texts[which];
}

CRDTI_FN crdt_err crdti_sql_err(int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return CRDT_OK;
    case SQLITE_NOMEM:
        return CRDT_ERR_NOMEM;
    case SQLITE_FULL:
        return CRDT_ERR_FULL;
    case SQLITE_TOOBIG:
        return CRDT_ERR_LIMIT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return CRDT_ERR_LOCKED;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return CRDT_ERR_CORRUPT;
    default:
        return CRDT_ERR_IO;
    }
}

/* >>statements ------------------------------------------------------------ */

CRDTI_FN void crdti_sql_bind(sqlite3_stmt *statement, int place,
                             crdt_bytes bytes)
{
    if (bytes.len)
        sqlite3_bind_blob64(statement, place, bytes.ptr, bytes.len,
                            SQLITE_STATIC);
    else
        sqlite3_bind_zeroblob(statement, place, 0);
}

CRDTI_FN crdt_bytes crdti_sql_column(sqlite3_stmt *statement, int place)
{
    return crdt_bytes_of(sqlite3_column_blob(statement, place),
                         (size_t)sqlite3_column_bytes(statement, place));
}

/* Runs a statement that tells nothing. */
CRDTI_FN crdt_err crdti_sql_run(crdti_sql_store *s, int which)
{
    int code = sqlite3_step(s->statements[which]);
    sqlite3_reset(s->statements[which]);
    return crdti_sql_err(code);
}

/* The same with the name of a document, and a seq where there is one. */
CRDTI_FN crdt_err crdti_sql_on(crdti_sql_store *s, int which, crdt_bytes name,
                               sqlite3_int64 seq)
{
    crdti_sql_bind(s->statements[which], 1, name);
    if (seq)
        sqlite3_bind_int64(s->statements[which], 2, seq);
    return crdti_sql_run(s, which);
}

/* >>table ----------------------------------------------------------------- */

/* Where the document stands among those that have lost something, with its
 * length; behind the last when it does not. */
CRDTI_FN crdt_bytes crdti_sql_broken(const crdti_sql_store *s, crdt_bytes name)
{
    crdti_reader r;
    const uint8_t *start;
    crdti_reader_init(&r, crdt_buf_bytes(&s->names));
    do
        start = r.ptr;
    while (crdti_reader_left(&r) &&
           !crdt_bytes_equal(crdti_get_bytes(&r, SIZE_MAX), name));
    return crdt_bytes_of(start, (size_t)(r.ptr - start));
}

CRDTI_FN crdt_err crdti_sql_add(crdti_sql_store *s, crdt_bytes name,
                                crdt_bytes record, int is_snapshot)
{
    size_t start = s->out.len, at;
    crdt_bytes broken;
    crdti_writer w;
    if (s->is_failed)
        return CRDT_ERR_IO;
    if (name.len > CRDTSYNC_MAX_NAME || record.len > CRDTSYNC_MAX_TRANSFER)
        return CRDT_ERR_LIMIT;
    broken = crdti_sql_broken(s, name);
    if (!is_snapshot && broken.len)
        return CRDT_ERR_CORRUPT;
    crdti_writer_init(&w, &s->out);
    crdti_put_u8(&w, (uint8_t)is_snapshot);
    crdti_put_bytes(&w, name);
    crdti_put_bytes(&w, record);
    if (w.err) {
        s->out.len = start;
    } else if (broken.len) {
        at = (size_t)(broken.ptr - s->names.ptr);
        s->names.len -= broken.len;
        crdti_move(s->names.ptr + at, s->names.ptr + at + broken.len,
                   s->names.len - at);
    }
    return w.err;
}

CRDTI_FN crdt_err crdti_sql_append(void *ctx, crdt_bytes name,
                                   crdt_bytes record)
{
    return crdti_sql_add((crdti_sql_store *)ctx, name, record, 0);
}

CRDTI_FN crdt_err crdti_sql_snapshot(void *ctx, crdt_bytes name,
                                     crdt_bytes record)
{
    return crdti_sql_add((crdti_sql_store *)ctx, name, record, 1);
}

/* All that waits, within a transaction. */
CRDTI_FN crdt_err crdti_sql_write(crdti_sql_store *s)
{
    sqlite3_stmt *add = s->statements[CRDTI_SQL_ADD];
    crdti_reader r;
    crdt_err err = CRDT_OK;
    crdti_reader_init(&r, crdt_buf_bytes(&s->out));
    while (!err && crdti_reader_left(&r)) {
        int is_snapshot = crdti_get_u8(&r);
        crdt_bytes name = crdti_get_bytes(&r, SIZE_MAX);
        crdt_bytes record = crdti_get_bytes(&r, SIZE_MAX);
        err =
            is_snapshot ? crdti_sql_on(s, CRDTI_SQL_CLEAR, name, 0) : CRDT_OK;
        if (!err)
            err = crdti_sql_on(s, CRDTI_SQL_NAME, name, 0);
        crdti_sql_bind(add, 3, record);
        if (!err)
            err = crdti_sql_on(s, CRDTI_SQL_ADD, name,
                               (sqlite3_int64)crdti_crc32c(0, record) + 1);
    }
    return err;
}

CRDTI_FN crdt_err crdti_sql_sync(void *ctx, int durably)
{
    crdti_sql_store *s = (crdti_sql_store *)ctx;
    crdt_err err;
    (void)durably;
    if (s->is_failed)
        return CRDT_ERR_IO;
    if (!s->out.len)
        return CRDT_OK;
    err = crdti_sql_run(s, CRDTI_SQL_BEGIN);
    if (!err)
        err = crdti_sql_write(s);
    if (!err)
        err = crdti_sql_run(s, CRDTI_SQL_COMMIT);
    if (!err) {
        s->out.len = 0;
        return CRDT_OK;
    }
    if (!sqlite3_get_autocommit(s->db) && crdti_sql_run(s, CRDTI_SQL_ROLLBACK))
        err = CRDT_ERR_IO;
    /* What was added stays for the next try; but not on a disk that fails. */
    s->is_failed = err != CRDT_ERR_FULL && err != CRDT_ERR_NOMEM;
    return s->is_failed ? CRDT_ERR_IO : err;
}

CRDTI_FN crdt_err crdti_sql_set_aside(crdti_sql_store *s, crdt_bytes name,
                                      sqlite3_int64 seq)
{
    crdti_writer w;
    crdt_err err = crdti_sql_run(s, CRDTI_SQL_BEGIN);
    if (!err)
        err = crdti_sql_on(s, CRDTI_SQL_ASIDE, name, seq);
    if (!err)
        err = crdti_sql_on(s, CRDTI_SQL_CUT, name, seq);
    if (!err)
        err = crdti_sql_run(s, CRDTI_SQL_COMMIT);
    if (err && !sqlite3_get_autocommit(s->db))
        crdti_sql_run(s, CRDTI_SQL_ROLLBACK);
    crdti_writer_init(&w, &s->names);
    if (!err)
        crdti_put_bytes(&w, name);
    return err ? err : w.err ? w.err : CRDT_ERR_CORRUPT;
}

/* Tells the records. *seq is that of the one that is damaged, or 0. */
CRDTI_FN crdt_err crdti_sql_tell(crdti_sql_store *s, crdt_bytes name,
                                 crdt_bytes_fn *fn, void *to,
                                 sqlite3_int64 *seq)
{
    sqlite3_stmt *load = s->statements[CRDTI_SQL_LOAD];
    crdt_err err = CRDT_OK;
    int code = SQLITE_DONE;
    crdti_sql_bind(load, 1, name);
    while (!err && (code = sqlite3_step(load)) == SQLITE_ROW) {
        crdt_bytes bytes = crdti_sql_column(load, 2);
        *seq = sqlite3_column_int64(load, 0);
        err = sqlite3_column_int64(load, 1) ==
                      (sqlite3_int64)crdti_crc32c(0, bytes) + 1
                  ? fn(to, bytes)
                  : CRDT_ERR_CORRUPT;
        *seq = err == CRDT_ERR_CORRUPT ? *seq : 0;
    }
    sqlite3_reset(load);
    return err ? err : crdti_sql_err(code);
}

CRDTI_FN crdt_err crdti_sql_load(void *ctx, crdt_bytes name, crdt_bytes_fn *fn,
                                 void *to)
{
    crdti_sql_store *s = (crdti_sql_store *)ctx;
    sqlite3_int64 seq = 0;
    crdt_err err = crdti_sql_sync(s, 1);
    if (!err)
        err = crdti_sql_tell(s, name, fn, to, &seq);
    if (err == CRDT_ERR_CORRUPT && !seq)
        return CRDT_ERR_IO; /* that is for SQLite to say, of the database */
    if (err == CRDT_ERR_CORRUPT)
        return crdti_sql_set_aside(s, name, seq);
    return !err && crdti_sql_broken(s, name).len ? CRDT_ERR_CORRUPT : err;
}

CRDTI_FN crdt_err crdti_sql_list(void *ctx, crdt_bytes_fn *fn, void *to)
{
    crdti_sql_store *s = (crdti_sql_store *)ctx;
    sqlite3_stmt *list = s->statements[CRDTI_SQL_LIST];
    crdt_err err = crdti_sql_sync(s, 1);
    int code = SQLITE_DONE;
    while (!err && (code = sqlite3_step(list)) == SQLITE_ROW)
        err = fn(to, crdti_sql_column(list, 0));
    sqlite3_reset(list);
    return err ? err : crdti_sql_err(code);
}

/* >>how it is left -------------------------------------------------------- */

/* Of the database, which nobody has open: SQLite's locks would go with it. */
CRDTI_FN crdt_err crdti_sql_identify(crdti_sql_store *s,
                                     uint8_t out[CRDT_FILE_IDENTITY])
{
    int file;
    crdt_err err = s->io.open(s->io.ctx, CRDTI_SQL_FILE, 0, &file);
    if (err)
        return err;
    err = s->io.identify(s->io.ctx, file, out);
    s->io.close(s->io.ctx, file);
    return err;
}

/* Without a mark the next opener takes it for a crash, which does no harm. */
CRDTI_FN void crdti_sql_mark_write(crdti_sql_store *s)
{
    uint8_t mark[CRDTI_SQL_MARK];
    int file;
    crdti_copy(mark, s->life.b, sizeof s->life.b);
    if (crdti_sql_identify(s, mark + 16) ||
        s->io.open(s->io.ctx, "clean", 1, &file))
        return;
    crdti_store32(mark + 80, crdti_crc32c(0, crdt_bytes_of(mark, 80)));
    if (!s->io.write(s->io.ctx, file, 0, crdt_bytes_of(mark, sizeof mark)) &&
        !s->io.sync(s->io.ctx, file))
        s->io.sync_names(s->io.ctx);
    s->io.close(s->io.ctx, file);
}

/* The life goes on when all is as it was left; the mark goes. */
CRDTI_FN crdt_err crdti_sql_mark_read(crdti_sql_store *s,
                                      const crdt_random *random)
{
    uint8_t mark[CRDTI_SQL_MARK], identity[CRDT_FILE_IDENTITY];
    int file;
    crdt_err err = random->fill(random->ctx, s->life.b, sizeof s->life.b);
    if (!err)
        err = s->io.open(s->io.ctx, "clean", 0, &file);
    if (err)
        return err == CRDT_ERR_NOT_FOUND ? CRDT_OK : err;
    err = s->io.read(s->io.ctx, file, 0, mark, sizeof mark);
    s->io.close(s->io.ctx, file);
    if (!err && !crdti_sql_identify(s, identity) &&
        crdti_load32(mark + 80) == crdti_crc32c(0, crdt_bytes_of(mark, 80)) &&
        crdti_equal(mark + 16, identity, sizeof identity))
        crdti_copy(s->life.b, mark, sizeof s->life.b);
    err = s->io.remove(s->io.ctx, "clean");
    return err ? err : s->io.sync_names(s->io.ctx);
}

/* >>opening and closing --------------------------------------------------- */

CRDTI_FN void crdti_sql_free(crdti_sql_store *s)
{
    crdt_alloc alloc = s->alloc;
    s->io.end(s->io.ctx);
    crdt_buf_free(&s->out);
    crdt_buf_free(&s->names);
    crdti_free(&alloc, s, sizeof *s);
}

/* Whether all that SQLite holds is in the one file. */
CRDTI_FN int crdti_sql_end(crdti_sql_store *s)
{
    int i;
    for (i = 0; i < CRDTI_SQL_STATEMENTS; i++)
        sqlite3_finalize(s->statements[i]);
    return sqlite3_close(s->db) == SQLITE_OK;
}

CRDTI_FN void crdti_sql_close(void *ctx, int cleanly)
{
    crdti_sql_store *s = (crdti_sql_store *)ctx;
    int is_done = !crdti_sql_sync(s, 1);
    is_done &= crdti_sql_end(s);
    if (is_done && cleanly)
        crdti_sql_mark_write(s);
    crdti_sql_free(s);
}

/* The format of the database; 0 when it is new. */
CRDTI_FN crdt_err crdti_sql_version(crdti_sql_store *s, int *version)
{
    sqlite3_stmt *statement;
    int code =
        sqlite3_prepare_v2(s->db, "PRAGMA user_version", -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *version = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return crdti_sql_err(code);
}

CRDTI_FN crdt_err crdti_sql_make(crdti_sql_store *s)
{
    return crdti_sql_err(sqlite3_exec(
        s->db,
        "BEGIN;"
        "CREATE TABLE docs(id INTEGER PRIMARY KEY, name BLOB UNIQUE);"
        "CREATE TABLE records(doc INTEGER, seq INTEGER, crc INTEGER,"
        " bytes BLOB, PRIMARY KEY(doc, seq)) WITHOUT ROWID;"
        "CREATE TABLE aside(doc INTEGER, seq INTEGER, crc INTEGER,"
        " bytes BLOB);"
        "PRAGMA user_version = 1;"
        "COMMIT",
        NULL, NULL, NULL));
}

CRDTI_FN crdt_err crdti_sql_open(crdti_sql_store *s, const char *path)
{
    int code = sqlite3_open(path, &s->db), version = 0, i;
    crdt_err err = crdti_sql_err(code);
    if (!err)
        err = crdti_sql_version(s, &version);
    if (!err && version > CRDTI_SQL_VERSION)
        return CRDT_ERR_VERSION;
    if (!err)
        err = crdti_sql_err(sqlite3_exec(s->db,
                                         "PRAGMA locking_mode = EXCLUSIVE;"
                                         "PRAGMA journal_mode = WAL;"
                                         "PRAGMA synchronous = FULL",
                                         NULL, NULL, NULL));
    if (!err && !version)
        err = crdti_sql_make(s);
    for (i = 0; i < CRDTI_SQL_STATEMENTS && !err; i++)
        err = crdti_sql_err(sqlite3_prepare_v2(s->db, crdti_sql_text(i), -1,
                                               &s->statements[i], NULL));
    return err;
}

CRDTI_FN crdt_err crdti_sql_start(crdti_sql_store *s, const char *dir,
                                  const crdt_random *random)
{
    size_t len = crdt_str(dir).len, size = len + sizeof CRDTI_SQL_FILE + 1;
    char *path;
    crdt_err err = s->io.start(s->io.ctx);
    if (!err)
        err = crdti_sql_mark_read(s, random);
    if (err)
        return err;
    path = (char *)crdti_alloc(&s->alloc, size);
    if (!path)
        return CRDT_ERR_NOMEM;
    crdti_copy(path, dir, len);
    crdti_copy(path + len, "/" CRDTI_SQL_FILE, sizeof CRDTI_SQL_FILE + 1);
    err = crdti_sql_open(s, path);
    crdti_free(&s->alloc, path, size);
    return err;
}

CRDT_API crdt_err crdt_sqlite_new(crdt_store *out,
                                  const crdt_sqlite_config *config)
{
    const crdt_alloc *alloc =
        crdti_alloc_or_default(config ? config->alloc : NULL);
    const crdt_random *random =
        crdti_random_or_default(config ? config->random : NULL);
    crdti_sql_store *s;
    crdt_err err;
    if (!out || !alloc || !random || !config || !config->dir)
        return CRDT_ERR_ARG;
    s = (crdti_sql_store *)crdti_alloc(alloc, sizeof *s);
    if (!s)
        return CRDT_ERR_NOMEM;
    crdti_zero(s, sizeof *s);
    s->alloc = *alloc;
    s->out.alloc = s->names.alloc = &s->alloc;
    err = crdt_file_posix(&s->io, config->dir, config->trusts_images, alloc);
    if (err) {
        crdti_free(alloc, s, sizeof *s);
        return err;
    }
    err = crdti_sql_start(s, config->dir, random);
    if (err) {
        crdti_sql_end(s);
        crdti_sql_free(s);
        return err;
    }
    out->version = 1;
    out->ctx = s;
    out->life = s->life;
    out->append = crdti_sql_append;
    out->sync = crdti_sql_sync;
    out->snapshot = crdti_sql_snapshot;
    out->load = crdti_sql_load;
    out->list = crdti_sql_list;
    out->close = crdti_sql_close;
    return CRDT_OK;
}

#endif /* CRDTSYNC_IMPLEMENTATION */
