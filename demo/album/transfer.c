#include "../common/posix.h"

#include "transfer.h"
#include "errand.h"
#include "../common/json.h"
#include "../common/ticks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    AT_ONCE = 2, /* transfers; others wait for their turn */
    SLOTS = 4    /* chunks of each under way, which is its memory */
};

typedef struct slot {
    errand errand;
    size_t number; /* which chunk */
    uint8_t *bytes;
} slot;

typedef enum phase {
    QUEUED,
    GETS_INDEX, /* of a download of more than a chunk */
    MOVES_CHUNKS,
    PUTS_INDEX, /* of an upload of more than a chunk */
    ENDED
} phase;

struct transfer {
    struct transfers *all;
    transfer *next; /* in the order they began */
    transfer_news news;
    transfer_told told; /* NULL: it is cancelled */
    void *ctx;
    phase phase;
    int has_news;
    char *path, *part;
    char why[160];
    int fd;
    uint64_t there;             /* what the unfinished file had at the start */
    chunk_hash *hashes;         /* the index */
    size_t count, at, finished; /* chunks: all; the next to begin; done */
    slot slots[SLOTS];
};

struct transfers {
    fleet fleet;
    transfer *first;
    int is_stepping;
};

/* >>all ------------------------------------------------------------------- */

transfers *transfers_new(void)
{
    transfers *all = (transfers *)calloc(1, sizeof *all);
    if (all && !fleet_open(&all->fleet)) {
        free(all);
        return NULL;
    }
    return all;
}

static void free_transfer(transfer *t)
{
    size_t i;
    for (i = 0; i < SLOTS; i++) {
        errand_end(&t->slots[i].errand, &t->all->fleet);
        free(t->slots[i].bytes);
    }
    if (t->fd >= 0)
        close(t->fd);
    free(t->hashes);
    free(t->path);
    free(t->part);
    free(t);
}

/* Frees those that have ended. */
static void sweep(transfers *all)
{
    transfer **at = &all->first;
    while (*at) {
        transfer *t = *at;
        if (t->told && t->phase != ENDED) {
            at = &t->next;
            continue;
        }
        *at = t->next;
        free_transfer(t);
    }
}

void transfer_cancel(transfer *one)
{
    one->told = NULL;
    if (!one->all->is_stepping)
        sweep(one->all);
}

void transfers_free(transfers *all)
{
    transfer *t;
    if (!all)
        return;
    for (t = all->first; t; t = t->next)
        t->told = NULL;
    sweep(all);
    fleet_close(&all->fleet);
    free(all);
}

int transfers_hear(transfers *all, const char *text)
{
    cJSON *object = json_parse(text, strlen(text));
    roll *r = (roll *)malloc(sizeof *r);
    pass bearer;
    int fine =
        object && r && roll_from_json(r, object) &&
        pass_from_json(&bearer,
                       cJSON_GetObjectItemCaseSensitive(object, "pass")) &&
        fleet_set(&all->fleet, r);
    if (fine)
        fleet_show(&all->fleet, &bearer);
    free(r);
    cJSON_Delete(object);
    return fine;
}

size_t transfers_servers(const transfers *all)
{
    return all->fleet.roll.count;
}

int transfers_fd(const transfers *all)
{
    return all->fleet.epoll;
}

/* >>telling --------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void fail(transfer *t,
                                                       const char *form, ...)
{
    va_list args;
    va_start(args, form);
    vsnprintf(t->why, sizeof t->why, form, args);
    va_end(args);
    t->phase = ENDED;
    t->news.state = TRANSFER_FAILED;
    t->has_news = 1;
}

static void progress(transfer *t, uint64_t bytes, int was_found)
{
    t->news.done += bytes;
    t->news.found += was_found ? bytes : 0;
    t->finished++;
    t->has_news = 1;
}

static void end(transfer *t, const chunk_hash *hash)
{
    t->news.hash = *hash;
    t->news.state = TRANSFER_DONE;
    t->phase = ENDED;
    t->has_news = 1;
}

/* Whether it waits is that one of its chunks does. */
static void note_waiting(transfer *t)
{
    const char *why = "";
    transfer_state state;
    size_t i;
    if (t->phase == ENDED)
        return;
    for (i = 0; i < SLOTS; i++)
        if (t->slots[i].errand.state == ERRAND_WAITS)
            why = t->slots[i].errand.why;
    state = *why ? TRANSFER_WAITS : TRANSFER_RUNS;
    if (state == t->news.state && strcmp(why, t->why) == 0)
        return;
    snprintf(t->why, sizeof t->why, "%s", why);
    t->news.state = state;
    t->has_news = 1;
}

static void tell(transfer *t)
{
    if (t->has_news && t->told)
        t->told(t->ctx, &t->news);
    t->has_news = 0;
}

/* >>files ----------------------------------------------------------------- */

/* Reads just those bytes. 0: they are not there. */
static int read_at(int fd, uint8_t *out, size_t len, uint64_t offset)
{
    while (len) {
        ssize_t got = pread(fd, out, len, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return 0;
        out += got;
        offset += (uint64_t)got;
        len -= (size_t)got;
    }
    return 1;
}

static int write_at(int fd, const uint8_t *bytes, size_t len, uint64_t offset)
{
    while (len) {
        ssize_t wrote = pwrite(fd, bytes, len, (off_t)offset);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return 0;
        bytes += wrote;
        offset += (uint64_t)wrote;
        len -= (size_t)wrote;
    }
    return 1;
}

/* A file system that knows no such rename replaces what is there: it was not,
 * when the download began. */
static int give_name(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 1;
    return errno == EINVAL && rename(from, to) == 0;
}

static int sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = strndup(path, slash ? (size_t)(slash - path) + 1 : 0);
    int fd = folder ? open(slash ? folder : ".", O_RDONLY | O_DIRECTORY) : -1;
    int fine = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    free(folder);
    return fine;
}

/* >>chunks ---------------------------------------------------------------- */

static uint64_t offset_of(size_t number)
{
    return (uint64_t)number * CHUNK_MAX;
}

static size_t len_of(const transfer *t, size_t number)
{
    uint64_t left = t->news.size - offset_of(number);
    return left < CHUNK_MAX ? (size_t)left : (size_t)CHUNK_MAX;
}

/* Once the size is known. 0: it has failed. */
static int make_index(transfer *t)
{
    uint64_t size = t->news.size;
    if (size > TRANSFER_SIZE_MAX) {
        fail(t, "%s is larger than 32 GiB", t->path);
        return 0;
    }
    t->count = (size_t)chunk_count(size);
    t->hashes = (chunk_hash *)calloc(t->count, sizeof *t->hashes);
    if (!t->hashes)
        fail(t, "no memory");
    return t->hashes != NULL;
}

static size_t index_len(const transfer *t)
{
    return t->count * sizeof *t->hashes;
}

/* One that has nothing to do, with room for a chunk; or NULL. */
static slot *free_slot(transfer *t)
{
    size_t i;
    for (i = 0; i < SLOTS; i++) {
        slot *s = &t->slots[i];
        if (s->errand.state != ERRAND_NONE)
            continue;
        if (!s->bytes)
            s->bytes = (uint8_t *)malloc(CHUNK_MAX);
        if (!s->bytes)
            fail(t, "no memory");
        return s->bytes ? s : NULL;
    }
    return NULL;
}

/* >>upload ---------------------------------------------------------------- */

static void begin_upload(transfer *t)
{
    struct stat about;
    t->fd = open(t->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (t->fd < 0 || fstat(t->fd, &about)) {
        fail(t, "cannot read %s: %s", t->path, strerror(errno));
        return;
    }
    if (!S_ISREG(about.st_mode)) {
        fail(t, "%s is no file", t->path);
        return;
    }
    t->news.size = (uint64_t)about.st_size;
    if (make_index(t))
        t->phase = MOVES_CHUNKS;
}

/* The next chunk of the file. */
static void send_next(transfer *t, slot *s)
{
    size_t len = len_of(t, t->at);
    if (!read_at(t->fd, s->bytes, len, offset_of(t->at))) {
        fail(t, "%s cannot be read, or was changed", t->path);
        return;
    }
    s->number = t->at++;
    t->hashes[s->number] = chunk_name(s->bytes, len);
    errand_store(&s->errand, &t->hashes[s->number], s->bytes, len);
}

static void send_index(transfer *t)
{
    slot *s = free_slot(t);
    chunk_hash name = chunk_name(t->hashes, index_len(t));
    if (!s)
        return;
    memcpy(s->bytes, t->hashes, index_len(t));
    errand_store(&s->errand, &name, s->bytes, index_len(t));
    t->phase = PUTS_INDEX;
}

static void finish_upload(transfer *t)
{
    if (t->count == 1)
        end(t, &t->hashes[0]);
    else
        send_index(t);
}

static void is_sent(transfer *t, const slot *s)
{
    if (t->phase == PUTS_INDEX)
        end(t, &s->errand.name);
    else
        progress(t, s->errand.len, !s->errand.travelled);
}

/* >>download -------------------------------------------------------------- */

static int open_part(transfer *t)
{
    struct stat about;
    if (access(t->path, F_OK) == 0) {
        fail(t, "%s is there already", t->path);
        return 0;
    }
    t->fd = open(t->part, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (t->fd < 0 || fstat(t->fd, &about)) {
        fail(t, "cannot write %s: %s", t->part, strerror(errno));
        return 0;
    }
    if (flock(t->fd, LOCK_EX | LOCK_NB)) {
        fail(t, "%s is being downloaded already", t->path);
        return 0;
    }
    t->there = (uint64_t)about.st_size;
    return 1;
}

static void begin_download(transfer *t)
{
    slot *s;
    if (!make_index(t) || !open_part(t) || !(s = free_slot(t)))
        return;
    if (t->count == 1) {
        t->hashes[0] = t->news.hash;
        t->phase = MOVES_CHUNKS;
        return;
    }
    errand_fetch(&s->errand, &t->news.hash, s->bytes, index_len(t));
    t->phase = GETS_INDEX;
}

/* Whether the unfinished file has it: whatever it holds, the hash tells. */
static int is_there(const transfer *t, uint8_t *bytes)
{
    size_t len = len_of(t, t->at);
    chunk_hash is;
    if (offset_of(t->at) + len > t->there ||
        !read_at(t->fd, bytes, len, offset_of(t->at)))
        return 0;
    is = chunk_name(bytes, len);
    return chunk_equal(&is, &t->hashes[t->at]);
}

static void get_next(transfer *t, slot *s)
{
    size_t len = len_of(t, t->at);
    if (is_there(t, s->bytes)) {
        progress(t, len, 1);
    } else {
        s->number = t->at;
        errand_fetch(&s->errand, &t->hashes[t->at], s->bytes, len);
    }
    t->at++;
}

static void has_come(transfer *t, const slot *s)
{
    if (t->phase == GETS_INDEX) {
        memcpy(t->hashes, s->bytes, index_len(t));
        t->phase = MOVES_CHUNKS;
    } else if (write_at(t->fd, s->bytes, s->errand.len,
                        offset_of(s->number))) {
        progress(t, s->errand.len, 0);
    } else {
        fail(t, "cannot write %s: %s", t->part, strerror(errno));
    }
}

static void finish_download(transfer *t)
{
    chunk_hash hash = t->news.hash;
    if (ftruncate(t->fd, (off_t)t->news.size) || fsync(t->fd) ||
        !give_name(t->part, t->path) || !sync_folder(t->path))
        fail(t, "cannot write %s: %s", t->path, strerror(errno));
    else
        end(t, &hash);
}

/* >>steps ----------------------------------------------------------------- */

static void step_slot(transfer *t, slot *s, int *wait)
{
    *wait = ticks_sooner(*wait, errand_step(&s->errand, &t->all->fleet));
    if (s->errand.state == ERRAND_FAILED)
        fail(t, "%s: %s", t->path, s->errand.why);
    if (s->errand.state != ERRAND_DONE)
        return;
    if (t->news.is_upload)
        is_sent(t, s);
    else
        has_come(t, s);
    s->errand.state = ERRAND_NONE;
    *wait = 0;
}

/* One chunk at most, so that a program is not held up. 1: there is more. */
static int begin_next(transfer *t)
{
    slot *s;
    if (t->phase != MOVES_CHUNKS || t->at == t->count || !(s = free_slot(t)))
        return 0;
    if (t->news.is_upload)
        send_next(t, s);
    else
        get_next(t, s);
    return 1;
}

static int step_one(transfer *t)
{
    int wait = -1;
    size_t i;
    if (t->phase == QUEUED && t->news.is_upload)
        begin_upload(t);
    else if (t->phase == QUEUED)
        begin_download(t);
    if (begin_next(t))
        wait = 0;
    for (i = 0; i < SLOTS && t->phase != ENDED; i++)
        step_slot(t, &t->slots[i], &wait);
    if (t->phase == MOVES_CHUNKS && t->finished == t->count) {
        if (t->news.is_upload)
            finish_upload(t);
        else
            finish_download(t);
        wait = 0;
    }
    note_waiting(t);
    return wait;
}

int transfers_step(transfers *all)
{
    transfer *t;
    size_t running = 0;
    int wait;
    all->is_stepping = 1;
    wait = fleet_step(&all->fleet);
    for (t = all->first; t && running < AT_ONCE; t = t->next) {
        wait = ticks_sooner(wait, t->told ? step_one(t) : 0);
        running++;
        tell(t);
    }
    all->is_stepping = 0;
    sweep(all);
    return wait;
}

/* >>beginning ------------------------------------------------------------- */

static transfer *begin(transfers *all, const char *path, transfer_told told,
                       void *ctx)
{
    transfer *t = (transfer *)calloc(1, sizeof *t), **at = &all->first;
    if (!t)
        return NULL;
    t->all = all;
    t->fd = -1;
    t->told = told;
    t->ctx = ctx;
    t->path = strdup(path);
    t->news.which = t;
    t->news.path = t->path;
    t->news.why = t->why;
    if (!t->path) {
        free_transfer(t);
        return NULL;
    }
    while (*at)
        at = &(*at)->next;
    *at = t;
    return t;
}

transfer *transfers_upload(transfers *all, const char *path,
                           transfer_told told, void *ctx)
{
    transfer *t = begin(all, path, told, ctx);
    if (t)
        t->news.is_upload = 1;
    return t;
}

transfer *transfers_download(transfers *all, const chunk_hash *hash,
                             uint64_t size, const char *path,
                             transfer_told told, void *ctx)
{
    char *part = (char *)malloc(strlen(path) + 32);
    transfer *t = part ? begin(all, path, told, ctx) : NULL;
    if (!t) {
        free(part);
        return NULL;
    }
    sprintf(part, "%s.%.16s.part", path, chunk_hex(hash).hex);
    t->part = part;
    t->news.hash = *hash;
    t->news.size = size;
    return t;
}
