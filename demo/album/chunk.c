#include "../common/posix.h"

#include "chunk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* The time of who is held. */
enum { HELD = 0 };

/* >>names ----------------------------------------------------------------- */

chunk_hash chunk_name(const void *bytes, size_t len)
{
    chunk_hash name;
    crypto_generichash(name.bytes, sizeof name.bytes, (const uint8_t *)bytes,
                       len, NULL, 0);
    return name;
}

int chunk_equal(const chunk_hash *a, const chunk_hash *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

chunk_text chunk_hex(const chunk_hash *hash)
{
    chunk_text text;
    sodium_bin2hex(text.hex, sizeof text.hex, hash->bytes, sizeof hash->bytes);
    return text;
}

int chunk_from_hex(chunk_hash *out, const char *text)
{
    size_t len = 0;
    const char *end = NULL;
    return strlen(text) == 2 * CHUNK_HASH_SIZE &&
           sodium_hex2bin(out->bytes, sizeof out->bytes, text,
                          2 * CHUNK_HASH_SIZE, NULL, &len, &end) == 0 &&
           len == CHUNK_HASH_SIZE;
}

uint64_t chunk_count(uint64_t size)
{
    return size ? (size - 1) / CHUNK_MAX + 1 : 1;
}

/* "chunks/3f/3f8a..." */
typedef struct chunk_path {
    char text[16 + 2 * CHUNK_HASH_SIZE];
} chunk_path;

static chunk_path folder_of(uint8_t first)
{
    chunk_path path;
    snprintf(path.text, sizeof path.text, "chunks/%02x", first);
    return path;
}

static chunk_path path_of(const chunk_hash *name)
{
    chunk_path path;
    snprintf(path.text, sizeof path.text, "chunks/%02x/%s", name->bytes[0],
             chunk_hex(name).hex);
    return path;
}

static chunk_path path_in(const char *folder, const chunk_hash *name)
{
    chunk_path path;
    snprintf(path.text, sizeof path.text, "%s/%s", folder,
             chunk_hex(name).hex);
    return path;
}

/* >>disk ------------------------------------------------------------------ */

static chunk_err from_errno(void)
{
    if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)
        return CHUNK_FULL;
    return errno == ENOENT ? CHUNK_MISSING : CHUNK_IO;
}

/* After that a name in the directory stays. 0: it may not. */
static int sync_dir(int at, const char *path)
{
    int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fine;
    if (fd < 0)
        return 0;
    fine = fsync(fd) == 0;
    close(fd);
    return fine;
}

/* 0: there is no such directory, and none can be made. */
static int make_dir(int at, const char *path, const char *parent)
{
    if (mkdirat(at, path, 0700) == 0)
        return sync_dir(at, parent);
    return errno == EEXIST;
}

static int write_all(int fd, const uint8_t *bytes, size_t len)
{
    while (len) {
        ssize_t wrote = write(fd, bytes, len);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return 0;
        bytes += wrote;
        len -= (size_t)wrote;
    }
    return 1;
}

/* At most `max` bytes. 0: it cannot be read. */
static int read_all(int fd, uint8_t *out, size_t max, size_t *len)
{
    *len = 0;
    while (*len < max) {
        ssize_t got = read(fd, out + *len, max - *len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return 0;
        if (got == 0)
            break;
        *len += (size_t)got;
    }
    return 1;
}

static uint64_t size_of(const chunks *c, const char *path)
{
    struct stat about;
    if (fstatat(c->dir, path, &about, AT_SYMLINK_NOFOLLOW))
        return 0;
    return (uint64_t)about.st_size;
}

/* >>opening --------------------------------------------------------------- */

/* Half a chunk of a process that was killed is nothing to keep. */
static void empty_new(const chunks *c)
{
    int fd = openat(c->dir, "new", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;
    while (dir && (entry = readdir(dir)))
        if (*entry->d_name != '.')
            unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        closedir(dir);
}

static chunk_err count_all(chunks *c)
{
    unsigned first;
    for (first = 0; first < 256; first++) {
        chunk_hash *names;
        size_t count, i;
        chunk_err err = chunks_list(c, (uint8_t)first, &names, &count);
        if (err)
            return err;
        for (i = 0; i < count; i++)
            c->bytes += size_of(c, path_of(&names[i]).text);
        c->count += count;
        free(names);
    }
    return CHUNK_OK;
}

static const char *open_parts(chunks *c, const char *path)
{
    if (mkdir(path, 0700) && errno != EEXIST)
        return "cannot be made";
    c->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (c->dir < 0)
        return "cannot be opened";
    c->lock = openat(c->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (c->lock < 0)
        return "cannot be written to";
    if (flock(c->lock, LOCK_EX | LOCK_NB))
        return "is in use by another process";
    if (!make_dir(c->dir, "chunks", ".") || !make_dir(c->dir, "new", ".") ||
        !make_dir(c->dir, "bad", "."))
        return "cannot be written to";
    empty_new(c);
    return count_all(c) ? "cannot be read" : NULL;
}

int chunks_open(chunks *c, const char *path, uint64_t bytes_max, char *why,
                size_t size)
{
    const char *wrong;
    memset(c, 0, sizeof *c);
    c->dir = c->lock = -1;
    c->bytes_max = bytes_max;
    wrong = open_parts(c, path);
    if (!wrong)
        return 1;
    snprintf(why, size, "%s %s", path, wrong);
    chunks_close(c);
    return 0;
}

void chunks_close(chunks *c)
{
    if (c->lock >= 0)
        close(c->lock);
    if (c->dir >= 0)
        close(c->dir);
    c->dir = c->lock = -1;
}

/* >>one chunk ------------------------------------------------------------- */

/* Since when it is loose; HELD; -1: it is not there. */
static time_t loose_since(const chunks *c, const chunk_hash *name)
{
    struct stat about;
    if (fstatat(c->dir, path_of(name).text, &about, AT_SYMLINK_NOFOLLOW) ||
        !S_ISREG(about.st_mode))
        return -1;
    return about.st_mtime > HELD ? about.st_mtime : HELD;
}

int chunks_has(const chunks *c, const chunk_hash *name)
{
    return loose_since(c, name) >= HELD;
}

/* It is no longer among what is there. */
static void forget(chunks *c, uint64_t size)
{
    c->count--;
    c->bytes -= size < c->bytes ? size : c->bytes;
}

chunk_err chunks_remove(chunks *c, const chunk_hash *name)
{
    chunk_path path = path_of(name);
    uint64_t size = size_of(c, path.text);
    if (unlinkat(c->dir, path.text, 0))
        return from_errno();
    forget(c, size);
    return CHUNK_OK;
}

static void set_aside(chunks *c, const chunk_hash *name)
{
    chunk_path path = path_of(name);
    uint64_t size = size_of(c, path.text);
    if (renameat(c->dir, path.text, c->dir, path_in("bad", name).text))
        return;
    c->bad++;
    forget(c, size);
}

chunk_err chunks_get(chunks *c, const chunk_hash *name, void *out, size_t *len)
{
    chunk_hash is;
    int fine;
    int fd =
        openat(c->dir, path_of(name).text, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return from_errno();
    fine = read_all(fd, (uint8_t *)out, CHUNK_MAX, len);
    close(fd);
    is = chunk_name(out, *len);
    if (fine && chunk_equal(&is, name))
        return CHUNK_OK;
    set_aside(c, name); /* what cannot be read is as bad */
    return CHUNK_BAD;
}

/* >>held and loose -------------------------------------------------------- */

static time_t ago(uint32_t age_s)
{
    return time(NULL) - (time_t)age_s;
}

static int set_time(int fd, time_t since)
{
    struct timespec times[2];
    memset(times, 0, sizeof times);
    times[0].tv_nsec = UTIME_OMIT;
    times[1].tv_sec = since;
    return futimens(fd, times) == 0;
}

static int mark(const chunks *c, const chunk_hash *name, time_t since,
                int is_durable)
{
    int fd =
        openat(c->dir, path_of(name).text, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    int fine = fd >= 0 && set_time(fd, since) && (!is_durable || !fsync(fd));
    if (fd >= 0)
        close(fd);
    return fine;
}

/* Of a clock that was set back: as if it had just been uploaded. */
uint32_t chunks_age(const chunks *c, const chunk_hash *name)
{
    time_t since = loose_since(c, name), now = time(NULL);
    if (since == HELD)
        return 0;
    if (since < HELD)
        return UINT32_MAX;
    if (since > now)
        return 1;
    return now - since >= UINT32_MAX ? UINT32_MAX
                                     : (uint32_t)(now - since) + 1;
}

chunk_err chunks_freshen(chunks *c, const chunk_hash *name, uint32_t age_s)
{
    time_t since = loose_since(c, name);
    if (since < HELD)
        return CHUNK_MISSING;
    if (since == HELD || since >= ago(age_s))
        return CHUNK_OK;
    return mark(c, name, ago(age_s), 1) ? CHUNK_OK : CHUNK_IO;
}

/* What a crash takes back here is said again in the next pass. */
void chunks_hold(chunks *c, const chunk_hash *name, int is_held)
{
    time_t since = loose_since(c, name);
    if (is_held ? since > HELD : since == HELD)
        (void)mark(c, name, is_held ? HELD : time(NULL), 0);
}

/* >>putting --------------------------------------------------------------- */

/* Written aside and synced, not yet there by its name. */
static chunk_err write_aside(const chunks *c, const char *aside,
                             const void *bytes, size_t len, time_t since)
{
    int fd =
        openat(c->dir, aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    chunk_err err = CHUNK_OK;
    if (fd < 0)
        return from_errno();
    if (!write_all(fd, (const uint8_t *)bytes, len) || !set_time(fd, since) ||
        fsync(fd))
        err = from_errno();
    if (close(fd) && !err)
        err = from_errno();
    return err;
}

/* A name that may not last must not be taken for one that does. */
static chunk_err give_name(const chunks *c, const char *aside,
                           const chunk_hash *name)
{
    chunk_path folder = folder_of(name->bytes[0]), path = path_of(name);
    if (!make_dir(c->dir, folder.text, "chunks") ||
        renameat(c->dir, aside, c->dir, path.text))
        return from_errno();
    if (sync_dir(c->dir, folder.text))
        return CHUNK_OK;
    unlinkat(c->dir, path.text, 0);
    return CHUNK_IO;
}

/* OK: it is there, and whole. MISSING: the new bytes are needed, and their name
 * is free; what was damaged is set aside. NOMEM, IO: nobody knows. */
static chunk_err look_at(chunks *c, const chunk_hash *name)
{
    uint8_t *bytes;
    size_t len;
    chunk_err err;
    if (!chunks_has(c, name))
        return CHUNK_MISSING;
    bytes = (uint8_t *)malloc(CHUNK_MAX);
    err = bytes ? chunks_get(c, name, bytes, &len) : CHUNK_NOMEM;
    free(bytes);
    if (err == CHUNK_BAD)
        return chunks_has(c, name) ? CHUNK_IO : CHUNK_MISSING;
    return err;
}

chunk_err chunks_put(chunks *c, const chunk_hash *name, const void *bytes,
                     size_t len, uint32_t age_s)
{
    chunk_path aside = path_in("new", name);
    chunk_hash is = chunk_name(bytes, len);
    chunk_err err;
    if (len > CHUNK_MAX || !chunk_equal(&is, name))
        return CHUNK_BAD;
    err = look_at(c, name);
    if (err == CHUNK_OK)
        return chunks_freshen(c, name, age_s);
    if (err != CHUNK_MISSING)
        return err;
    if (c->bytes_max && c->bytes + len > c->bytes_max)
        return CHUNK_FULL;
    err = write_aside(c, aside.text, bytes, len, ago(age_s));
    if (!err)
        err = give_name(c, aside.text, name);
    if (err) {
        unlinkat(c->dir, aside.text, 0);
        return err == CHUNK_MISSING ? CHUNK_IO : err;
    }
    c->count++;
    c->bytes += len;
    return CHUNK_OK;
}

/* >>all chunks ------------------------------------------------------------ */

static int compare_names(const void *a, const void *b)
{
    return memcmp(a, b, CHUNK_HASH_SIZE);
}

/* What is no chunk's name is none of ours. */
static chunk_err gather(DIR *dir, uint8_t first, chunk_hash **out,
                        size_t *count)
{
    const struct dirent *entry;
    size_t room = 0;
    while ((entry = readdir(dir))) {
        chunk_hash name;
        if (!chunk_from_hex(&name, entry->d_name) || name.bytes[0] != first ||
            (entry->d_type != DT_REG && entry->d_type != DT_UNKNOWN))
            continue;
        if (*count == room) {
            chunk_hash *more;
            room = room ? 2 * room : 64;
            more = (chunk_hash *)realloc(*out, room * sizeof *more);
            if (!more)
                return CHUNK_NOMEM;
            *out = more;
        }
        (*out)[(*count)++] = name;
    }
    return CHUNK_OK;
}

chunk_err chunks_list(const chunks *c, uint8_t first, chunk_hash **out,
                      size_t *count)
{
    int fd = openat(c->dir, folder_of(first).text,
                    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir;
    chunk_err err;
    *out = NULL;
    *count = 0;
    if (fd < 0)
        return errno == ENOENT ? CHUNK_OK : CHUNK_IO;
    dir = fdopendir(fd);
    if (!dir) {
        close(fd);
        return CHUNK_NOMEM;
    }
    err = gather(dir, first, out, count);
    closedir(dir);
    if (err) {
        free(*out);
        *out = NULL;
        *count = 0;
    }
    if (*count)
        qsort(*out, *count, sizeof **out, compare_names);
    return err;
}
