/*
 * Files: added, fetched, removed and rated. What is in them goes to the data
 * servers; what describes them is in the album.
 */
#include "../common/posix.h"

#include "client.h"
#include "../common/edit.h"
#include "../common/text.h"
#include "../common/ticks.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PROGRESS_MS = 200, ID_SHORT = 4 };

int64_t files_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* >>finding --------------------------------------------------------------- */

/* Whether "NAME" or "NAME#ID" may mean it. */
static int is_meant(const char *name, const album_file *file)
{
    const char *sign = strrchr(name, '#');
    size_t len = strlen(name);
    if (file->name.len == len && memcmp(file->name.ptr, name, len) == 0)
        return 1;
    len = sign ? (size_t)(sign - name) : 0;
    return sign && strlen(sign + 1) >= ID_SHORT && file->name.len == len &&
           memcmp(file->name.ptr, name, len) == 0 &&
           strstr(file->id, sign + 1) == file->id;
}

int files_find(client *c, const char *name, album_file *out)
{
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    album_file file;
    size_t found = 0, used = 0;
    char hint[300] = "say which: ", clean[200];
    while (album_next_file(c->in_album.r.doc, &cursor, &file) == CRDT_OK) {
        if (!is_meant(name, &file))
            continue;
        if (!found++)
            *out = file;
        used = strlen(hint);
        snprintf(hint + used, sizeof hint - used, "%s%.80s#%.8s",
                 found > 1 ? " or " : "", name, file.id);
    }
    text_clean(clean, sizeof clean, name, strlen(name));
    if (!found)
        say_fail(&c->say, "listFiles shows those that there are",
                 "there is no file \"%s\"", clean);
    if (found > 1)
        say_fail(&c->say, hint, "%zu files have that name", found);
    return found == 1;
}

/* >>transfers ------------------------------------------------------------- */

void files_hear(client *c, const char *text)
{
    size_t before = transfers_servers(c->files), now;
    cJSON *event;
    if (!transfers_hear(c->files, text))
        return;
    now = transfers_servers(c->files);
    if (now == before)
        return;
    event = say_event(&c->say, "data_servers");
    json_number(event, "count", (double)now);
    say_notice(&c->say, event, "%zu data server%s now", now,
               now == 1 ? "" : "s");
}

void files_release(client *c)
{
    gallery_release(c);
    if (c->transfer)
        transfer_cancel(c->transfer);
    c->transfer = NULL;
    free(c->file_path);
    c->file_path = NULL;
}

/* "[=====.....] 1.2 MB of 3.0 MB" */
static void draw(client *c, const transfer_news *news)
{
    char done[28], size[28];
    say_bar(&c->say,
            news->size ? (double)news->done / (double)news->size : 1.0,
            "%s of %s %s", text_size(done, news->done),
            text_size(size, news->size),
            news->state == TRANSFER_WAITS ? news->why : "");
}

static void tell_progress(client *c, const transfer_news *news)
{
    uint64_t now = ticks_ms();
    cJSON *event;
    if (c->is_terminal)
        draw(c, news);
    if (!c->json || now - c->progress_ms < PROGRESS_MS)
        return;
    c->progress_ms = now;
    event = say_event(&c->say, "progress");
    json_text(event, "file", c->file_name);
    json_number(event, "done", (double)news->done);
    json_number(event, "size", (double)news->size);
    json_text(event, "why", news->why);
    say_notice(&c->say, event, NULL);
}

static void told(void *ctx, const transfer_news *news)
{
    client *c = (client *)ctx;
    if (news->state == TRANSFER_RUNS || news->state == TRANSFER_WAITS) {
        tell_progress(c, news);
        return;
    }
    c->transfer = NULL;
    say_bar_end(&c->say);
    c->fetched(c, news);
    files_release(c);
}

/* The answer comes when it is over. */
static void begin(client *c, transfer *one,
                  void (*fn)(client *, const transfer_news *))
{
    if (!one) {
        say_fail(&c->say, NULL, "no memory");
        files_release(c);
        return;
    }
    c->transfer = one;
    c->fetched = fn;
    c->progress_ms = ticks_ms();
    input_later(c);
}

/* >>adding ---------------------------------------------------------------- */

static void new_id(char out[ALBUM_ID_LEN + 1])
{
    uint8_t id[ALBUM_ID_LEN / 2];
    randombytes_buf(id, sizeof id);
    sodium_bin2hex(out, ALBUM_ID_LEN + 1, id, sizeof id);
}

static void tell_file(client *c, const album_file *file)
{
    char name[4 * ALBUM_FILE_MAX + 1];
    text_clean(name, sizeof name, file->name.ptr, file->name.len);
    json_text(c->say.answer, "name", name);
    json_text(c->say.answer, "file", file->id);
    json_text(c->say.answer, "hash", file->hash);
    json_number(c->say.answer, "size", (double)file->size);
}

static void add(client *c)
{
    album_file *file = &c->file;
    crdt_err err;
    char size[28];
    new_id(file->id);
    file->name = crdt_str(c->file_name);
    file->author = crdt_str(c->user);
    file->added_ms = files_now_ms();
    err = album_add_file(c->in_album.r.doc, file);
    if (err)
        say_fail(&c->say, NULL, "cannot add it: %s", crdt_err_text(err));
    else
        session_store(c);
    tell_file(c, file);
    say_line(&c->say, "%s#%.*s is in the album, %s", c->file_name, ID_SHORT,
             file->id, text_size(size, (uint64_t)file->size));
}

static void uploaded(client *c, const transfer_news *news)
{
    input_answer(c);
    if (news->state == TRANSFER_FAILED) {
        say_fail(&c->say, NULL, "%s is not added: %s", c->file_name,
                 news->why);
    } else {
        chunk_text hash = chunk_hex(&news->hash);
        memcpy(c->file.hash, hash.hex, sizeof c->file.hash);
        c->file.size = (int64_t)news->size;
        add(c);
        json_number(c->say.answer, "already_there", (double)news->found);
    }
    input_done(c);
}

/* Keeps the name of the file to be added; 0: it is none, said. */
static int take_name(client *c, const char *name)
{
    if (album_good_file(crdt_str(name))) {
        snprintf(c->file_name, sizeof c->file_name, "%s", name);
        return 1;
    }
    say_fail(&c->say, "type: addFile PATH NAME",
             "a name has 1 to 255 bytes and no slash");
    return 0;
}

void run_add_file(void *ctx, int words, char **word)
{
    client *c = (client *)ctx;
    const char *slash = strrchr(word[1], '/');
    struct stat about;
    if (!session_is_open(c) || !take_name(c, words > 2 ? word[2]
                                             : slash   ? slash + 1
                                                       : word[1]))
        return;
    if (stat(word[1], &about) || !S_ISREG(about.st_mode)) {
        say_fail(&c->say, "addImage NAME HASH SIZE adds what is not here",
                 "%s is no file that can be read", word[1]);
        return;
    }
    c->file_path = text_copy(word[1]);
    begin(c, transfers_upload(c->files, c->file_path, told, c), uploaded);
}

/* Only what describes it. */
void run_add_image(void *ctx, int words, char **word)
{
    client *c = (client *)ctx;
    int64_t size;
    chunk_hash hash;
    (void)words;
    if (!session_is_open(c) || !take_name(c, word[1]))
        return;
    if (!chunk_from_hex(&hash, word[2]) || text_int64(word[3], &size) != 1 ||
        size < 0) {
        say_fail(&c->say, "type: addImage NAME HASH SIZE",
                 "HASH is 64 hex digits and SIZE a number of bytes");
        return;
    }
    memcpy(c->file.hash, chunk_hex(&hash).hex, sizeof c->file.hash);
    c->file.size = size;
    add(c);
}

/* >>fetching -------------------------------------------------------------- */

static void downloaded(client *c, const transfer_news *news)
{
    char size[28];
    input_answer(c);
    if (news->state == TRANSFER_FAILED) {
        say_fail(&c->say, NULL, "%s is not here: %s", c->file_name, news->why);
    } else {
        json_text(c->say.answer, "path", news->path);
        json_number(c->say.answer, "size", (double)news->size);
        say_line(&c->say, "%s, %s", news->path, text_size(size, news->size));
    }
    input_done(c);
}

void files_safe_name(const album_file *file, char *out, size_t size)
{
    char *at;
    text_clean(out, size, file->name.ptr, file->name.len);
    for (at = out; *at; at++)
        if (strchr("/\\", *at))
            *at = '_';
    if (strchr(".-", *out))
        *out = '_';
}

static char *target(const album_file *file, const char *to)
{
    char name[4 * ALBUM_FILE_MAX + 1], path[2048];
    struct stat about;
    files_safe_name(file, name, sizeof name);
    if (!to)
        return text_copy(name);
    if (stat(to, &about) || !S_ISDIR(about.st_mode))
        return text_copy(to);
    snprintf(path, sizeof path, "%.900s/%.1100s", to, name);
    return text_copy(path);
}

void run_download(void *ctx, int words, char **word)
{
    client *c = (client *)ctx;
    album_file file;
    chunk_hash hash;
    if (!session_is_open(c) || !files_find(c, word[1], &file) ||
        !chunk_from_hex(&hash, file.hash))
        return;
    text_clean(c->file_name, sizeof c->file_name, file.name.ptr,
               file.name.len);
    c->file_path = target(&file, words > 2 ? word[2] : NULL);
    if (access(c->file_path, F_OK) == 0) {
        say_fail(&c->say, "type: downloadFile NAME TO",
                 "there is a file %s already", c->file_path);
        files_release(c);
        return;
    }
    begin(c,
          transfers_download(c->files, &hash, (uint64_t)file.size,
                             c->file_path, told, c),
          downloaded);
}

/* >>what is there --------------------------------------------------------- */

static void tell_row(client *c, const album_file *file, cJSON *list)
{
    char name[4 * ALBUM_FILE_MAX + 1], author[200], size[28], votes[60];
    cJSON *object;
    text_clean(name, sizeof name, file->name.ptr, file->name.len);
    text_clean(author, sizeof author, file->author.ptr, file->author.len);
    snprintf(votes, sizeof votes, "not rated");
    if (file->votes)
        snprintf(votes, sizeof votes, "%.1f of 5 (%u)", file->mean,
                 file->votes);
    say_line(&c->say, "  %-24s %9s  %-10s  %-13s  #%.*s  %.8s..", name,
             text_size(size, (uint64_t)file->size), author, votes, ID_SHORT,
             file->id, file->hash);
    if (!list)
        return;
    object = cJSON_CreateObject();
    json_text(object, "name", name);
    json_text(object, "file", file->id);
    json_text(object, "hash", file->hash);
    json_number(object, "size", (double)file->size);
    json_text(object, "author", author);
    json_number(object, "votes", file->votes);
    json_number(object, "mean", file->mean);
    cJSON_AddItemToArray(list, object);
}

void run_files(void *ctx, int words, char **word)
{
    client *c = (client *)ctx;
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    album_file file;
    cJSON *list;
    size_t count = 0;
    (void)words;
    (void)word;
    if (!session_is_open(c))
        return;
    list =
        c->say.answer ? cJSON_AddArrayToObject(c->say.answer, "files") : NULL;
    while (album_next_file(c->in_album.r.doc, &cursor, &file) == CRDT_OK) {
        tell_row(c, &file, list);
        count++;
    }
    json_number(c->say.answer, "count", (double)count);
    if (!count)
        say_line(&c->say, "  nothing yet: addFile PATH");
}

static void finish(client *c, crdt_err err, const char *what)
{
    if (err)
        say_fail(&c->say, NULL, "%s", crdt_err_text(err));
    else
        session_store(c);
    if (!c->say.failed)
        say_line(&c->say, "%s", what);
}

void run_remove_file(void *ctx, int words, char **word)
{
    client *c = (client *)ctx;
    album_file file;
    (void)words;
    if (session_is_open(c) && files_find(c, word[1], &file))
        finish(c, album_remove_file(c->in_album.r.doc, file.id), "removed");
}

void run_rate(void *ctx, int words, char **word)
{
    client *c = (client *)ctx;
    album_file file;
    int64_t stars;
    (void)words;
    if (!session_is_open(c) || !files_find(c, word[1], &file))
        return;
    if (text_int64(word[2], &stars) != 1 || stars < 0 ||
        stars > ALBUM_STARS_MAX) {
        say_fail(&c->say, "as in: rateFile beach.jpg 5",
                 "a rating is a number from 0 to 5");
        return;
    }
    finish(c, album_rate(c->in_album.r.doc, file.id, c->user, stars), "rated");
}
