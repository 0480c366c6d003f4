/* The SQLite store: what every store must do, and that a database which was
 * left in the middle of something is whole. */
/* pkg-config: sqlite3 */
#define _POSIX_C_SOURCE 200809L

#if defined(__has_include)
#if __has_include(<sqlite3.h>)
#define HAS_SQLITE
#endif
#endif

#ifndef HAS_SQLITE
#include <stdio.h>

int main(void)
{
    puts("skipped: there is no SQLite");
    puts("0 passed, 0 failed, 1 skipped");
    return 0;
}
#else

#define CRDTSYNC_IMPLEMENTATION
#include "../../crdtsync.h"
#include "../../stores/crdtsync_sqlite.h"

#include "conformance.h"

static char dir[64];

static crdt_err opener(crdt_store *out)
{
    crdt_sqlite_config config;
    memset(&config, 0, sizeof config);
    config.dir = dir;
    return crdt_sqlite_new(out, &config);
}

static void wipe(void)
{
    static const char *const files[] = { "data.sqlite", "data.sqlite-wal",
                                         "data.sqlite-shm", "clean" };
    char path[100];
    size_t i;
    for (i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        unlink(path);
    }
}

static void sql(const char *what)
{
    char path[100];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/data.sqlite", dir);
    CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
    CHECK_INT(sqlite3_exec(db, what, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

TEST(a_changed_record_is_set_aside) /* 18 */
{
    crdt_store s;
    crdt_id life;
    struct heard heard;
    wipe();
    memset(&heard, 0, sizeof heard);
    s = store_open();
    append(&s, "a", "one");
    append(&s, "a", "two");
    append(&s, "a", "three");
    life = s.life;
    s.close(s.ctx, 1);
    sql("UPDATE records SET bytes = x'6f6e65' WHERE seq = 2");
    s = store_open();
    CHECK(!life_equal(s.life, life));
    CHECK_INT(s.load(s.ctx, CRDT_STR("a"), hear, &heard), CRDT_ERR_CORRUPT);
    CHECK_INT(heard.count, 1);
    snapshot(&s, "a", "anew");
    CHECK_STR(stored(&s, "a"), "anew|");
    s.close(s.ctx, 1);
}

TEST(a_newer_format_is_refused) /* 25 */
{
    crdt_store s;
    wipe();
    s = store_open();
    append(&s, "a", "one");
    s.close(s.ctx, 1);
    sql("PRAGMA user_version = 2");
    CHECK_INT(opener(&s), CRDT_ERR_VERSION);
    sql("PRAGMA user_version = 1");
    s = store_open();
    CHECK_STR(stored(&s, "a"), "one|");
    s.close(s.ctx, 1);
}

TEST(what_is_no_database_is_refused)
{
    crdt_store s;
    char path[100];
    FILE *file;
    wipe();
    snprintf(path, sizeof path, "%s/data.sqlite", dir);
    file = fopen(path, "w");
    REQUIRE(file);
    fputs("this has never been a database, and is far from being one", file);
    fclose(file);
    CHECK_INT(opener(&s), CRDT_ERR_CORRUPT);
    wipe();
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CONFORMANCE_CASES, CASE(a_changed_record_is_set_aside),
        CASE(a_newer_format_is_refused), CASE(what_is_no_database_is_refused)
    };
    int failed;
    snprintf(dir, sizeof dir, "/tmp/crdt-sqlite-XXXXXX");
    if (!mkdtemp(dir))
        return 1;
    failed = test_main(cases, sizeof cases / sizeof *cases, argc, argv);
    wipe();
    rmdir(dir);
    return failed;
}

#endif
