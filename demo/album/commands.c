/*
 * What one can type. A line that begins with no command is for the album's
 * members to read.
 */
#include "../common/posix.h"

#include "client.h"
#include "../common/text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_ALBUM = 1, WORD_FILE, WORD_USER };

static void run_help(void *ctx, int words, char **word)
{
    menu_help(&((client *)ctx)->menu, words > 1 ? word[1] : NULL);
}

static void run_quit(void *ctx, int words, char **word)
{
    (void)words;
    (void)word;
    ((client *)ctx)->quits = 1;
}

static const menu_row rows[] = {
    { "register", "NAME PASSWORD", "a new user", 2, 2, run_register, 0 },
    { "login", "NAME PASSWORD", "this is who you are, until logout", 2, 2,
      run_login, 0 },
    { "logout", "", "forget it here and at the server", 0, 0, run_logout, 0 },
    { "createAlbum", "NAME", "a new album, yours", 1, 1, run_create, 0 },
    { "list", "", "the albums that you may enter", 0, 0, run_albums, 0 },
    { "enterAlbum", "NAME", "open one, with the others or alone", 1, 1,
      run_enter, WORD_ALBUM },
    { "getAlbum", "NAME", "the same", 1, 1, run_enter, WORD_ALBUM },
    { "leaveAlbum", "", "close it; the server is brought up to date", 0, 0,
      run_leave, 0 },
    { "putAlbum", "", "the same", 0, 0, run_leave, 0 },
    { "addUser", "NAME [ALBUM]", "may enter the album from now on", 1, 2,
      run_add, WORD_USER },
    { "removeUser", "NAME [ALBUM]", "may not any more", 1, 2, run_remove,
      WORD_USER },
    { "listUsers", "[ALBUM]", "the members", 0, 1, run_members, WORD_ALBUM },
    { "addFile", "PATH [NAME]", "a photo, a video, anything", 1, 2,
      run_add_file, 0 },
    { "addImage", "NAME HASH SIZE", "only what describes it", 3, 3,
      run_add_image, 0 },
    { "removeFile", "NAME", "take it out of the album", 1, 1, run_remove_file,
      WORD_FILE },
    { "downloadFile", "NAME [TO]", "fetch it to a file or directory", 1, 2,
      run_download, WORD_FILE },
    { "listFiles", "", "what is in the album", 0, 0, run_files, 0 },
    { "getImages", "", "the same", 0, 0, run_files, 0 },
    { "rateFile", "NAME 0..5", "your vote, which you may change", 2, 2,
      run_rate, WORD_FILE },
    { "chat", "", "what was said", 0, 0, run_chat, 0 },
    { "say", "TEXT", "to the members; so is any line that is no command", 1,
      -1, run_say, 0 },
    { "gallery", "FILE.html", "a page of the album, to look at", 1, 1,
      run_gallery, 0 },
    { "graph", "FILE.svg", "who has what, as a picture; .dot for Graphviz", 1,
      1, run_graph, 0 },
    { "status", "", "what is where: server, peers, changes", 0, 0, run_status,
      0 },
    { "peers", "", "who is connected", 0, 0, run_peers, 0 },
    { "wait", "[SECONDS]", "until all have all (30 s)", 0, 1, run_wait, 0 },
    { "sleep", "[SECONDS]", "do nothing but sync (1 s)", 0, 1, run_sleep, 0 },
    { "digest", "", "128 bits: equal where all is equal", 0, 0, run_digest,
      0 },
    { "getMetadata", "", "the album as JSON", 0, 0, run_metadata, 0 },
    { "listReplica", "", "all that the engine keeps of it", 0, 0, run_replica,
      0 },
    { "getOrSet", "", "the same", 0, 0, run_replica, 0 },
    { "printVV", "", "the version vector: what has been seen of whom", 0, 0,
      run_vv, 0 },
    { "chaos", "SPEC", "a bad network, as loss=10%,delay=50ms", 1, 1,
      run_chaos, 0 },
    { "help", "[COMMAND]", "this", 0, 1, run_help, 0 },
    { "quit", "", "end; the album is as it was left", 0, 0, run_quit, 0 },
};

/* >>completion ------------------------------------------------------------ */

static const char *nth_album(const client *c, size_t index)
{
    const cJSON *albums = cJSON_GetObjectItemCaseSensitive(c->local, "albums");
    const cJSON *album = cJSON_GetArrayItem(albums, (int)index);
    return album ? album->string : NULL;
}

static crdt_err next_name(crdt_doc *doc, int kind, crdt_cursor *cursor,
                          crdt_bytes *name)
{
    album_file file;
    crdt_err err;
    if (kind == WORD_USER)
        return album_next_member(doc, cursor, name);
    err = album_next_file(doc, cursor, &file);
    if (!err)
        *name = file.name;
    return err;
}

static const char *nth_word(void *ctx, int kind, size_t index)
{
    static char text[ALBUM_FILE_MAX + 1];
    const client *c = (const client *)ctx;
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    crdt_bytes name;
    if (kind == WORD_ALBUM)
        return nth_album(c, index);
    do {
        if (!c->in_album.is_open ||
            next_name(c->in_album.r.doc, kind, &cursor, &name))
            return NULL;
    } while (index-- > 0);
    snprintf(text, sizeof text, "%.*s", (int)name.len, (const char *)name.ptr);
    return text;
}

/* >>lines ----------------------------------------------------------------- */

void commands_start(client *c)
{
    c->menu.rows = rows;
    c->menu.count = sizeof rows / sizeof *rows;
    c->menu.say = &c->say;
    c->menu.ctx = c;
    c->menu.word = nth_word;
}

void commands_line(client *c, char *line, const char *place)
{
    char *word[3], said[] = "say";
    if (menu_do(&c->menu, line, place))
        return;
    while (isspace((unsigned char)*line))
        line++;
    say_begin(&c->say, line, place, 0);
    if (c->in_album.is_open) {
        word[0] = said;
        word[1] = line;
        word[2] = NULL;
        run_say(c, 2, word);
    } else {
        menu_unknown(&c->menu, line);
    }
    say_end(&c->say);
}
