/*
 * Commands about people and albums: all are the server's business.
 */
#include "../common/posix.h"

#include "client.h"
#include "../common/text.h"

#include <stdio.h>
#include <string.h>

/* >>answers --------------------------------------------------------------- */

/* The plain end of a command: an error, or what it says. */
static void end(client *c, const cJSON *answer, const char *why,
                const char *line)
{
    input_answer(c);
    if (!link_failed(c, answer, why))
        say_line(&c->say, "%s", line);
    input_done(c);
}

static void ask(client *c, cJSON *request, answered *fn)
{
    input_later(c);
    link_ask(c, request, fn);
}

/* >>accounts -------------------------------------------------------------- */

static cJSON *with_password(const char *what, char **word)
{
    cJSON *request = link_request(what);
    json_text(request, "name", word[1]);
    cJSON_AddStringToObject(request, "password", word[2]);
    return request;
}

static void registered(client *c, const cJSON *answer, const char *why)
{
    end(c, answer, why, "registered: now login");
}

void run_register(void *ctx, int words, char **word)
{
    (void)words;
    ask((client *)ctx, with_password("register", word), registered);
}

static void logged_in(client *c, const cJSON *answer, const char *why)
{
    const char *user = answer ? json_get_text(answer, "user") : NULL;
    const char *token = answer ? json_get_text(answer, "token") : NULL;
    input_answer(c);
    if (!link_failed(c, answer, why) && user && token &&
        album_good_name(user)) {
        link_user(c, user, token);
        json_text(c->say.answer, "user", user);
        say_line(&c->say, "hello %s; `list` shows your albums", user);
    }
    input_done(c);
}

void run_login(void *ctx, int words, char **word)
{
    client *c = (client *)ctx;
    (void)words;
    session_close(c);
    ask(c, with_password("login", word), logged_in);
}

static void logged_out(client *c, const cJSON *answer, const char *why)
{
    link_user(c, "", "");
    end(c, answer, why, "logged out");
}

void run_logout(void *ctx, int words, char **word)
{
    client *c = (client *)ctx;
    (void)words;
    (void)word;
    session_close(c);
    ask(c, link_request("logout"), logged_out);
}

/* >>albums ---------------------------------------------------------------- */

static cJSON *about(const char *what, const char *album)
{
    cJSON *request = link_request(what);
    json_text(request, "album", album);
    return request;
}

static void created(client *c, const cJSON *answer, const char *why)
{
    end(c, answer, why, "made; enterAlbum opens it, addUser lets others in");
}

void run_create(void *ctx, int words, char **word)
{
    (void)words;
    ask((client *)ctx, about("create", word[1]), created);
}

/* Names from the server, as a list of the answer and a line each. */
static void tell_names(client *c, const cJSON *answer, const char *key)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(answer, key);
    const cJSON *item;
    cJSON *out =
        c->say.answer ? cJSON_AddArrayToObject(c->say.answer, key) : NULL;
    cJSON_ArrayForEach(item, list)
    {
        char name[200];
        if (!cJSON_IsString(item))
            continue;
        text_clean(name, sizeof name, item->valuestring,
                   strlen(item->valuestring));
        say_line(&c->say, "  %s", name);
        if (out)
            cJSON_AddItemToArray(out, cJSON_CreateString(name));
    }
}

/* Without the server: those that have been open here. */
static void tell_local(client *c)
{
    const cJSON *item;
    cJSON *out =
        c->say.answer ? cJSON_AddArrayToObject(c->say.answer, "albums") : NULL;
    say_line(&c->say, "the server cannot be reached; of those that have been "
                      "open here:");
    cJSON_ArrayForEach(item,
                       cJSON_GetObjectItemCaseSensitive(c->local, "albums"))
    {
        say_line(&c->say, "  %s", item->string);
        if (out)
            cJSON_AddItemToArray(out, cJSON_CreateString(item->string));
    }
}

static void listed(client *c, const cJSON *answer, const char *why)
{
    input_answer(c);
    if (!answer && *c->user)
        tell_local(c);
    else if (!link_failed(c, answer, why))
        tell_names(c, answer, "albums");
    input_done(c);
}

void run_albums(void *ctx, int words, char **word)
{
    (void)words;
    (void)word;
    ask((client *)ctx, link_request("list"), listed);
}

/* >>members --------------------------------------------------------------- */

/* NAME, of the open album or of ALBUM. */
static void ask_member(client *c, const char *what, int words, char **word,
                       int at, answered *fn)
{
    const char *album = words > at ? word[at] : c->in_album.name;
    cJSON *request;
    if (words <= at && !session_is_open(c))
        return;
    request = about(what, album);
    if (at > 1)
        json_text(request, "user", word[1]);
    ask(c, request, fn);
}

static void added(client *c, const cJSON *answer, const char *why)
{
    end(c, answer, why, "added: may enter from now on");
}

void run_add(void *ctx, int words, char **word)
{
    ask_member((client *)ctx, "add", words, word, 2, added);
}

static void removed(client *c, const cJSON *answer, const char *why)
{
    end(c, answer, why, "removed: can neither read nor write from now on");
}

void run_remove(void *ctx, int words, char **word)
{
    ask_member((client *)ctx, "remove", words, word, 2, removed);
}

/* Without the server: those that the document names. */
static void tell_members(client *c)
{
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    crdt_bytes user;
    cJSON *out = c->say.answer
                     ? cJSON_AddArrayToObject(c->say.answer, "members")
                     : NULL;
    while (album_next_member(c->in_album.r.doc, &cursor, &user) == CRDT_OK) {
        char name[200];
        text_clean(name, sizeof name, user.ptr, user.len);
        say_line(&c->say, "  %s", name);
        if (out)
            cJSON_AddItemToArray(out, cJSON_CreateString(name));
    }
}

static void members(client *c, const cJSON *answer, const char *why)
{
    input_answer(c);
    if (!answer && c->in_album.is_open) {
        tell_members(c);
    } else if (!link_failed(c, answer, why)) {
        tell_names(c, answer, "members");
        say_line(&c->say, "of these are in it now:");
        tell_names(c, answer, "present");
    }
    input_done(c);
}

void run_members(void *ctx, int words, char **word)
{
    ask_member((client *)ctx, "members", words, word, 1, members);
}
