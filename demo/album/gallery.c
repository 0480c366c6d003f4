/*
 * The open album as a page: what are images as thumbnails, ratings and chat. A
 * static page, without a script; images are files beside it, named by their
 * hash and by nothing else.
 *
 *     trip.html
 *     trip_files/0123...cdef.jpg
 *
 * All texts come from other people: each goes through put_text.
 */
#include "../common/posix.h"

#include "client.h"
#include "../common/text.h"
#include "../common/ticks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    IMAGE_SIZE_MAX = 64 << 20, /* greater ones are not fetched */
    PATIENCE_MS = 15 * 1000    /* without any progress */
};

/* >>images ---------------------------------------------------------------- */

typedef struct kind {
    const char *end, *magic;
    size_t at, len;
} kind;

static const kind kinds[] = {
    { ".jpg", "\xff\xd8\xff", 0, 3 }, { ".jpeg", "\xff\xd8\xff", 0, 3 },
    { ".png", "\x89PNG\r\n", 0, 6 },  { ".gif", "GIF8", 0, 4 },
    { ".webp", "WEBP", 8, 4 },        { ".bmp", "BM", 0, 2 },
};

/* By the end of its name; NULL: it is not called an image. */
static const kind *kind_of(const album_file *file)
{
    size_t i;
    for (i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t len = strlen(kinds[i].end);
        const char *end = (const char *)file->name.ptr + file->name.len - len;
        if (file->name.len > len && strncasecmp(end, kinds[i].end, len) == 0)
            return &kinds[i];
    }
    return NULL;
}

/* Whether the file begins as such an image does. */
static int is_image(const char *path, const kind *k)
{
    char head[16] = { 0 };
    FILE *file = fopen(path, "rb");
    size_t got = file ? fread(head, 1, sizeof head, file) : 0;
    if (file)
        fclose(file);
    return got >= k->at + k->len &&
           memcmp(head + k->at, k->magic, k->len) == 0;
}

/* Of the directory beside the page, without the path in front. */
static void folder(const client *c, char *out, size_t size)
{
    const char *dot = strrchr(c->page, '.');
    const char *slash = strrchr(c->page, '/');
    size_t len = dot && (!slash || dot > slash) ? (size_t)(dot - c->page)
                                                : strlen(c->page);
    snprintf(out, size, "%.*s_files", (int)len, c->page);
}

static void image_path(const client *c, const album_file *file, const kind *k,
                       char *out, size_t size)
{
    char dir[1024];
    folder(c, dir, sizeof dir);
    snprintf(out, size, "%s/%s%s", dir, file->hash, k->end);
}

/* >>writing --------------------------------------------------------------- */

static void put_text(FILE *to, const void *bytes, size_t len)
{
    static const char special[] = "&<>\"'";
    static const char *const names[] = { "&amp;", "&lt;", "&gt;", "&quot;",
                                         "&#39;" };
    char *clean = (char *)malloc(len * 4 + 1), *at;
    if (!clean)
        return;
    text_clean(clean, len * 4 + 1, bytes, len);
    for (at = clean; *at; at++) {
        const char *found = strchr(special, *at);
        if (found)
            fputs(names[found - special], to);
        else
            putc(*at, to);
    }
    free(clean);
}

static void put_bytes(FILE *to, crdt_bytes bytes)
{
    put_text(to, bytes.ptr, bytes.len);
}

/* As a part of an address. */
static void put_address(FILE *to, const char *text)
{
    for (; *text; text++)
        if (strchr("-_./", *text) || (*text >= '0' && *text <= '9') ||
            (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z'))
            putc(*text, to);
        else
            fprintf(to, "%%%02X", (unsigned)(unsigned char)*text);
}

static const char head[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src "
    "'none'; style-src 'unsafe-inline'; img-src 'self' file:\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n<title>";
static const char style[] =
    "</title>\n<style>\n"
    "body{font:16px/1.5 sans-serif;margin:2rem auto;max-width:72rem;"
    "padding:0 1rem;color:#222;background:#fafafa}\n"
    ".grid{display:grid;gap:1rem;"
    "grid-template-columns:repeat(auto-fill,minmax(14rem,1fr))}\n"
    "figure{margin:0;background:#fff;border:1px solid #ddd;"
    "border-radius:8px;overflow:hidden}\n"
    "figure img,figure .none{width:100%;height:10rem;object-fit:cover;"
    "display:block;background:#eee}\n"
    "figure .none{line-height:10rem;text-align:center;color:#888}\n"
    "figcaption{padding:.5rem .75rem;overflow-wrap:anywhere}\n"
    ".stars{color:#c70}small{color:#666}\n"
    "li{overflow-wrap:anywhere}\n"
    "</style></head><body>\n";

static void put_stars(FILE *to, const client *c, const album_file *file)
{
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    crdt_bytes user;
    int64_t stars;
    int i;
    if (!file->votes) {
        fputs("<small>not rated</small>", to);
        return;
    }
    fputs("<span class=\"stars\" title=\"", to);
    while (album_next_vote(c->in_album.r.doc, file->id, &cursor, &user,
                           &stars) == CRDT_OK) {
        put_bytes(to, user);
        fprintf(to, ": %d ", (int)stars);
    }
    fputs("\">", to);
    for (i = 0; i < ALBUM_STARS_MAX; i++)
        fputs(file->mean >= i + 0.5 ? "&#9733;" : "&#9734;", to);
    fprintf(to, "</span> <small>%.1f (%u)</small>", file->mean, file->votes);
}

static void put_file(FILE *to, const client *c, const album_file *file)
{
    const kind *k = kind_of(file);
    char path[1200], size[28];
    const char *slash;
    fputs("<figure>", to);
    if (k)
        image_path(c, file, k, path, sizeof path);
    if (k && is_image(path, k)) {
        slash = strrchr(path, '/');
        while (slash > path && slash[-1] != '/')
            slash--;
        fputs("<a href=\"", to);
        put_address(to, slash);
        fputs("\"><img loading=\"lazy\" src=\"", to);
        put_address(to, slash);
        fputs("\" alt=\"", to);
        put_bytes(to, file->name);
        fputs("\"></a>", to);
    } else {
        fputs("<div class=\"none\">no picture here</div>", to);
    }
    fputs("<figcaption><b>", to);
    put_bytes(to, file->name);
    fprintf(to, "</b><br><small>%s, by ",
            text_size(size, (uint64_t)file->size));
    put_bytes(to, file->author);
    fputs("</small><br>", to);
    put_stars(to, c, file);
    fputs("</figcaption></figure>\n", to);
}

static void put_chat(FILE *to, const client *c)
{
    size_t i, len = album_chat_len(c->in_album.r.doc);
    album_message message;
    fputs("<h2>What was said</h2>\n<ul class=\"chat\">\n", to);
    for (i = 0; i < len; i++) {
        if (album_chat_get(c->in_album.r.doc, i, &message))
            continue;
        fputs("<li><b>", to);
        put_bytes(to, message.who);
        fputs("</b>: ", to);
        put_bytes(to, message.text);
        fputs("</li>\n", to);
    }
    fputs("</ul>\n", to);
}

static size_t put_page(FILE *to, const client *c)
{
    crdt_cursor files = CRDT_CURSOR_INIT, members = CRDT_CURSOR_INIT;
    crdt_bytes user;
    album_file file;
    char digest[33];
    size_t count = 0;
    replica_digest(&c->in_album.r, digest);
    fputs(head, to);
    put_bytes(to, crdt_str(c->in_album.name));
    fputs(style, to);
    fputs("<h1>", to);
    put_bytes(to, crdt_str(c->in_album.name));
    fputs("</h1>\n<p><small>", to);
    while (album_next_member(c->in_album.r.doc, &members, &user) == CRDT_OK) {
        put_bytes(to, user);
        fputs(" ", to);
    }
    fputs("</small></p>\n<div class=\"grid\">\n", to);
    for (; album_next_file(c->in_album.r.doc, &files, &file) == CRDT_OK;
         count++)
        put_file(to, c, &file);
    fputs("</div>\n", to);
    put_chat(to, c);
    fprintf(to, "<p><small>%zu files; digest %s</small></p>\n</body></html>\n",
            count, digest);
    return count;
}

/* Aside, and then in its place. -1: errno says why it cannot be. */
static int write_page(const client *c)
{
    char aside[1100];
    FILE *to;
    size_t count;
    int failed;
    snprintf(aside, sizeof aside, "%s.new", c->page);
    to = fopen(aside, "w");
    if (!to)
        return -1;
    count = put_page(to, c);
    failed = ferror(to);
    failed |= fclose(to) != 0;
    if (failed || rename(aside, c->page))
        return -1;
    return (int)count;
}

/* >>fetching -------------------------------------------------------------- */

static void finish(client *c)
{
    int count = write_page(c);
    input_answer(c);
    if (count < 0)
        say_fail(&c->say, NULL, "cannot write %s: %s", c->page,
                 strerror(errno));
    json_text(c->say.answer, "path", c->page);
    json_number(c->say.answer, "files", count);
    say_line(&c->say, "%s: %d files", c->page, count);
    input_done(c);
    gallery_release(c);
}

void gallery_release(client *c)
{
    if (c->page && c->transfer)
        transfer_cancel(c->transfer);
    if (c->page)
        c->transfer = NULL;
    free(c->page);
    c->page = NULL;
}

static void fetch_next(client *c);

static void told(void *ctx, const transfer_news *news)
{
    client *c = (client *)ctx;
    if (news->state == TRANSFER_RUNS)
        c->until_ms = ticks_ms() + PATIENCE_MS;
    if (news->state != TRANSFER_DONE && news->state != TRANSFER_FAILED)
        return;
    c->transfer = NULL;
    fetch_next(c);
}

/* The next image that is not here yet; behind the last the page is written.
 * One that cannot be had is not asked for again: the walk goes on. */
static void fetch_next(client *c)
{
    album_file file;
    char path[1200];
    chunk_hash hash;
    while (album_next_file(c->in_album.r.doc, &c->walk, &file) == CRDT_OK) {
        const kind *k = kind_of(&file);
        if (!k || file.size > IMAGE_SIZE_MAX || !transfers_servers(c->files))
            continue;
        image_path(c, &file, k, path, sizeof path);
        if (access(path, F_OK) == 0 || !chunk_from_hex(&hash, file.hash))
            continue;
        c->until_ms = ticks_ms() + PATIENCE_MS;
        c->transfer = transfers_download(c->files, &hash, (uint64_t)file.size,
                                         path, told, c);
        if (c->transfer)
            return;
    }
    finish(c);
}

void gallery_step(client *c)
{
    if (!c->page || !c->transfer || ticks_ms() < c->until_ms)
        return;
    transfer_cancel(c->transfer);
    c->transfer = NULL;
    fetch_next(c);
}

void run_gallery(void *ctx, int words, char **word)
{
    static const crdt_cursor start = CRDT_CURSOR_INIT;
    client *c = (client *)ctx;
    char dir[1024];
    (void)words;
    if (!session_is_open(c))
        return;
    if (strlen(word[1]) > 900) {
        say_fail(&c->say, NULL, "that path is too long");
        return;
    }
    c->page = text_copy(word[1]);
    folder(c, dir, sizeof dir);
    if (mkdir(dir, 0777) && errno != EEXIST) {
        say_fail(&c->say, NULL, "cannot make %s: %s", dir, strerror(errno));
        gallery_release(c);
        return;
    }
    c->walk = start;
    input_later(c);
    fetch_next(c);
}
