/*
 * Chunks on a disk: whole or not there, and never something else.
 */
/* pkg-config: libsodium */
#include "../../demo/common/posix.h"

#include <stdlib.h>

static int has_no_memory;

static void *scarce(size_t size)
{
    return has_no_memory ? NULL : malloc(size);
}

#define malloc(size) scarce(size)
#include "../../demo/album/chunk.c"
#undef malloc

#include "../test.h"

#include <signal.h>
#include <sys/resource.h>

static char place[64], why[200];
static uint8_t out[CHUNK_MAX];

static int open_in(chunks *c, const char *path, uint64_t bytes_max)
{
    return chunks_open(c, path, bytes_max, why, sizeof why);
}

static chunks fresh(uint64_t bytes_max)
{
    chunks c;
    char command[128];
    snprintf(place, sizeof place, "/tmp/chunks-%d", (int)getpid());
    snprintf(command, sizeof command, "rm -rf %s", place);
    CHECK_INT(system(command), 0);
    CHECK(open_in(&c, place, bytes_max));
    return c;
}

static void done(chunks *c)
{
    char command[128];
    chunks_close(c);
    snprintf(command, sizeof command, "rm -rf %s", place);
    CHECK_INT(system(command), 0);
}

static chunk_err put(chunks *c, const char *text)
{
    chunk_hash name = chunk_name(text, strlen(text));
    return chunks_put(c, &name, text, strlen(text), 0);
}

static chunk_err get(chunks *c, const char *text, size_t *len)
{
    chunk_hash name = chunk_name(text, strlen(text));
    return chunks_get(c, &name, out, len);
}

static void path_to(char *path, size_t size, const char *text)
{
    chunk_hash name = chunk_name(text, strlen(text));
    snprintf(path, size, "%s/%s", place, path_of(&name).text);
}

TEST(what_is_put_is_there)
{
    chunks c = fresh(0);
    size_t len;
    CHECK_INT(put(&c, "apples"), CHUNK_OK);
    CHECK_INT(put(&c, "apples"), CHUNK_OK);
    CHECK_INT(put(&c, ""), CHUNK_OK);
    CHECK_INT(c.count, 2);
    CHECK_INT(c.bytes, 6);
    CHECK_INT(get(&c, "apples", &len), CHUNK_OK);
    CHECK_INT(len, 6);
    CHECK(memcmp(out, "apples", 6) == 0);
    CHECK_INT(get(&c, "pears", &len), CHUNK_MISSING);
    chunks_close(&c);
    CHECK(open_in(&c, place, 0));
    CHECK_INT(c.count, 2);
    CHECK_INT(c.bytes, 6);
    CHECK_INT(get(&c, "", &len), CHUNK_OK);
    done(&c);
}

static void set_since(const char *text, time_t since)
{
    struct timespec times[2];
    char path[256];
    memset(times, 0, sizeof times);
    times[0].tv_nsec = UTIME_OMIT;
    times[1].tv_sec = since;
    path_to(path, sizeof path, text);
    CHECK_INT(utimensat(AT_FDCWD, path, times, 0), 0);
}

TEST(chunks_are_loose_until_they_are_held)
{
    chunks c = fresh(0);
    chunk_hash name = chunk_name("apples", 6), other = chunk_name("pears", 5);
    CHECK_INT(chunks_freshen(&c, &other, 0), CHUNK_MISSING);
    CHECK_INT(chunks_age(&c, &other), UINT32_MAX);
    CHECK_INT(put(&c, "apples"), CHUNK_OK);
    CHECK(chunks_age(&c, &name) >= 1 && chunks_age(&c, &name) < 900);
    set_since("apples", time(NULL) - 1000);
    CHECK(chunks_age(&c, &name) >= 1001);
    CHECK_INT(chunks_freshen(&c, &name, 2000), CHUNK_OK); /* as it is */
    CHECK(chunks_age(&c, &name) >= 1001);
    CHECK_INT(chunks_freshen(&c, &name, 500), CHUNK_OK);
    CHECK(chunks_age(&c, &name) >= 501 && chunks_age(&c, &name) < 1000);
    CHECK_INT(put(&c, "apples"), CHUNK_OK);
    CHECK(chunks_age(&c, &name) < 500);
    set_since("apples", time(NULL) - 1000);
    chunks_hold(&c, &name, 0); /* it was loose before */
    CHECK(chunks_age(&c, &name) >= 1001);
    chunks_hold(&c, &name, 1);
    CHECK_INT(chunks_age(&c, &name), 0);
    CHECK_INT(chunks_freshen(&c, &name, 5), CHUNK_OK);
    CHECK_INT(chunks_age(&c, &name), 0);
    chunks_hold(&c, &name, 0);
    CHECK(chunks_age(&c, &name) >= 1 && chunks_age(&c, &name) < 900);
    set_since("apples", time(NULL) + 1000); /* a clock was set back */
    CHECK_INT(chunks_age(&c, &name), 1);
    done(&c);
}

TEST(names_are_what_it_is)
{
    chunks c = fresh(0);
    chunk_hash name = chunk_name("apples", 6), other;
    CHECK_STR(
        chunk_hex(&name).hex,
        "689973fcde3f2fb98c6474cf1537a1bab8e11f6180c25a345bc2cb00c479fa95");
    CHECK_INT(chunks_put(&c, &name, "pears", 5, 0), CHUNK_BAD);
    CHECK(!chunks_has(&c, &name));
    CHECK(chunk_from_hex(&other, chunk_hex(&name).hex));
    CHECK(chunk_equal(&name, &other));
    CHECK(!chunk_from_hex(&other, "../../../../etc/passwd"));
    CHECK(!chunk_from_hex(&other, "3f"));
    CHECK(!chunk_from_hex(&other, "../../../../../../../../../../../../../../"
                                  "../../../../../../tmp"));
    done(&c);
}

/* Also where a writer was killed, or a stranger has put something. */
TEST(only_chunks_are_chunks)
{
    chunks c = fresh(0);
    char path[256], link_path[256];
    FILE *file;
    size_t len;
    CHECK_INT(put(&c, "apples"), CHUNK_OK);
    snprintf(path, sizeof path, "%s/new/half", place);
    file = fopen(path, "w");
    REQUIRE(file);
    fclose(file);
    path_to(link_path, sizeof link_path, "pears");
    *strrchr(link_path, '/') = 0;
    mkdir(link_path, 0700);
    path_to(link_path, sizeof link_path, "pears");
    CHECK_INT(symlink("/etc/passwd", link_path), 0);
    chunks_close(&c);
    CHECK(open_in(&c, place, 0));
    CHECK(access(path, F_OK) != 0);
    CHECK_INT(get(&c, "pears", &len) == CHUNK_OK, 0);
    CHECK_INT(get(&c, "apples", &len), CHUNK_OK);
    done(&c);
}

TEST(damage_is_set_aside)
{
    chunks c = fresh(0);
    char path[256];
    size_t len;
    int fd;
    CHECK_INT(put(&c, "apples"), CHUNK_OK);
    path_to(path, sizeof path, "apples");
    fd = open(path, O_WRONLY);
    CHECK_INT(pwrite(fd, "b", 1, 0), 1);
    close(fd);
    CHECK_INT(get(&c, "apples", &len), CHUNK_BAD);
    CHECK_INT(c.bad, 1);
    CHECK_INT(c.count, 0);
    CHECK_INT(get(&c, "apples", &len), CHUNK_MISSING);
    CHECK_INT(put(&c, "apples"), CHUNK_OK);
    fd = open(path, O_WRONLY | O_TRUNC);
    close(fd);
    CHECK_INT(put(&c, "apples"), CHUNK_OK); /* mends it on the way */
    CHECK_INT(get(&c, "apples", &len), CHUNK_OK);
    CHECK_INT(c.bad, 2);
    done(&c);
}

/* Of one that cannot be looked at nobody knows whether it is there: it is not
 * replaced, and not counted again. */
TEST(what_cannot_be_looked_at_stays_as_it_is)
{
    chunks c = fresh(0);
    char path[256], bad[256];
    FILE *file;
    int fd;
    CHECK_INT(put(&c, "apples"), CHUNK_OK);
    has_no_memory = 1;
    CHECK_INT(put(&c, "apples"), CHUNK_NOMEM);
    has_no_memory = 0;
    path_to(path, sizeof path, "apples");
    fd = open(path, O_WRONLY);
    CHECK_INT(pwrite(fd, "b", 1, 0), 1);
    close(fd);
    snprintf(bad, sizeof bad, "%s/bad", place);
    CHECK_INT(rmdir(bad), 0);
    file = fopen(bad, "w"); /* nothing can be set aside there */
    REQUIRE(file);
    fclose(file);
    CHECK_INT(put(&c, "apples"), CHUNK_IO);
    CHECK_INT(c.count, 1);
    CHECK_INT(c.bytes, 6);
    CHECK_INT(c.bad, 0);
    done(&c);
}

/* Nothing half written is left, and what was there can be read. */
TEST(a_full_disk_is_answered)
{
    chunks c = fresh(10);
    struct rlimit none, was;
    size_t len;
    CHECK_INT(put(&c, "apples"), CHUNK_OK);
    CHECK_INT(put(&c, "pears"), CHUNK_FULL);
    CHECK_INT(put(&c, "figs"), CHUNK_OK);
    c.bytes_max = 0;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &was);
    none = was;
    none.rlim_cur = 2;
    setrlimit(RLIMIT_FSIZE, &none);
    CHECK_INT(put(&c, "pears"), CHUNK_FULL);
    setrlimit(RLIMIT_FSIZE, &was);
    CHECK_INT(get(&c, "pears", &len), CHUNK_MISSING);
    CHECK_INT(get(&c, "apples", &len), CHUNK_OK);
    CHECK_INT(put(&c, "pears"), CHUNK_OK);
    CHECK_INT(c.count, 3);
    done(&c);
}

TEST(one_opener)
{
    chunks c = fresh(0), second;
    CHECK(!open_in(&second, place, 0));
    CHECK(strstr(why, "in use") != NULL);
    CHECK(!open_in(&second, "/proc/nowhere", 0));
    done(&c);
}

TEST(all_are_listed_in_order)
{
    chunks c = fresh(0);
    unsigned first, i, count = 0;
    for (i = 0; i < 100; i++) {
        char text[16];
        snprintf(text, sizeof text, "chunk %u", i);
        CHECK_INT(put(&c, text), CHUNK_OK);
    }
    for (first = 0; first < 256; first++) {
        chunk_hash *names;
        size_t len;
        CHECK_INT(chunks_list(&c, (uint8_t)first, &names, &len), CHUNK_OK);
        for (i = 0; i < len; i++) {
            CHECK_INT(names[i].bytes[0], first);
            CHECK(!i || compare_names(&names[i - 1], &names[i]) < 0);
            CHECK_INT(chunks_remove(&c, &names[i]), CHUNK_OK);
        }
        count += (unsigned)len;
        free(names);
    }
    CHECK_INT(count, 100);
    CHECK_INT(c.count, 0);
    CHECK_INT(c.bytes, 0);
    done(&c);
}

TEST_MAIN(CASE(what_is_put_is_there), CASE(names_are_what_it_is),
          CASE(chunks_are_loose_until_they_are_held),
          CASE(only_chunks_are_chunks), CASE(damage_is_set_aside),
          CASE(what_cannot_be_looked_at_stays_as_it_is),
          CASE(a_full_disk_is_answered), CASE(one_opener),
          CASE(all_are_listed_in_order))
