/*
 * The connection to the server: opened when it is needed, and again when it
 * broke; each request finds its answer by its number.
 */
#include "../common/posix.h"

#include "client.h"
#include "../common/key.h"
#include "../common/ticks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* >>asking ---------------------------------------------------------------- */

cJSON *link_request(const char *what)
{
    cJSON *request = cJSON_CreateObject();
    json_text(request, "do", what);
    return request;
}

static void answer(client *c, asked *one, const cJSON *object, const char *why)
{
    answered *fn = one->fn;
    int is_heard = !one->serial || (c->command && one->serial == c->serial);
    cJSON_Delete(one->request);
    memset(one, 0, sizeof *one);
    if (is_heard)
        fn(c, object, why);
}

static void ask_failed(client *c, const char *why)
{
    size_t i;
    for (i = 0; i < ASKED_MAX; i++)
        if (c->asked[i].id > 0)
            answer(c, &c->asked[i], NULL, why);
}

static void connect_now(client *c)
{
    c->is_connecting = channel_connect(&c->link, c->server);
    c->retry_ms = ticks_ms() + RETRY_MS;
    if (!c->is_connecting)
        link_close(c, c->link.why);
}

static void ask(client *c, cJSON *request, answered *fn, uint64_t serial)
{
    size_t i;
    for (i = 0; i < ASKED_MAX; i++) {
        asked *one = &c->asked[i];
        if (one->id > 0)
            continue;
        one->id = ++c->asks;
        one->fn = fn;
        one->serial = serial;
        one->until_ms = ticks_ms() + ASK_MS;
        json_number(request, "id", one->id);
        one->request = request;
        if (c->is_linked) {
            one->request = NULL;
            channel_say(&c->link, request);
        } else if (!c->is_connecting) {
            connect_now(c);
        }
        return;
    }
    cJSON_Delete(request);
    fn(c, NULL, "too much is asked at once");
}

void link_ask(client *c, cJSON *request, answered *fn)
{
    ask(c, request, fn, c->serial);
}

void link_ask_aside(client *c, cJSON *request, answered *fn)
{
    ask(c, request, fn, 0);
}

int link_failed(client *c, const cJSON *answer, const char *why)
{
    const char *error = answer ? json_get_text(answer, "error") : NULL;
    if (answer && json_get_bool(answer, "ok"))
        return 0;
    if (answer)
        say_fail(&c->say, NULL, "%s", error ? error : "it was refused");
    else
        say_fail(&c->say, "what is open can be edited meanwhile",
                 "the server %s cannot be reached: %s", c->server, why);
    return 1;
}

/* >>the server's key ------------------------------------------------------ */

/* Whether it is the one of before; the first one is believed, and kept. */
static int is_known(client *c)
{
    cJSON *servers = cJSON_GetObjectItemCaseSensitive(c->local, "servers");
    char shown[KEY_TEXT];
    const char *known = c->server_key;
    key_text(shown, c->link.server_key);
    if (!servers)
        servers = cJSON_AddObjectToObject(c->local, "servers");
    if (!known)
        known = json_get_text(servers, c->server);
    if (known)
        return strcmp(known, shown) == 0;
    json_text(servers, c->server, shown);
    local_write(c);
    say_notice(&c->say, say_event(&c->say, "new_server"),
               "%s is new here; its key, to be compared with what it says "
               "itself:\n%s",
               c->server, shown);
    return 1;
}

/* >>up and down ----------------------------------------------------------- */

void link_user(client *c, const char *user, const char *token)
{
    snprintf(c->user, sizeof c->user, "%s", user);
    c->is_logged_in = *user != 0;
    local_set(c, "user", user);
    if (token)
        local_set(c, "token", token);
    local_write(c);
}

static void resumed(client *c, const cJSON *object, const char *why)
{
    (void)why;
    if (object && json_get_bool(object, "ok")) {
        c->is_logged_in = 1;
        session_resume(c);
    } else if (object) {
        local_set(c, "token", "");
        local_write(c);
        say_notice(&c->say, say_event(&c->say, "logged_out"),
                   "the server does not know this login any more: login "
                   "again");
    }
}

/* What waited is sent; first of all who we are. */
static void up(client *c)
{
    const char *token = local_text(c, "token");
    size_t i;
    c->is_connecting = 0;
    c->is_linked = 1;
    c->alive_ms = ticks_ms() + ALIVE_MS;
    if (*token && *c->user) {
        cJSON *request = link_request("resume");
        json_text(request, "token", token);
        link_ask_aside(c, request, resumed);
    }
    for (i = 0; i < ASKED_MAX; i++)
        if (c->asked[i].id > 0 && c->asked[i].request) {
            channel_say(&c->link, c->asked[i].request);
            c->asked[i].request = NULL;
        }
    if (c->was_told)
        say_notice(&c->say, say_event(&c->say, "server_up"),
                   "the server is back");
    c->was_told = 0;
}

void link_close(client *c, const char *why)
{
    char reason[100];
    int was = c->is_linked;
    snprintf(reason, sizeof reason, "%s", *why ? why : "it has gone");
    channel_close(&c->link);
    c->is_linked = c->is_connecting = c->is_logged_in = 0;
    c->in_album.is_online = 0;
    if (was && *c->user && !c->quits) {
        cJSON *event = say_event(&c->say, "server_down");
        json_text(event, "why", reason);
        say_notice(&c->say, event,
                   "the server is gone (%s); go on, all is "
                   "kept here",
                   reason);
        c->was_told = 1;
    }
    ask_failed(c, reason);
}

/* >>hearing --------------------------------------------------------------- */

static void log_out(client *c, const cJSON *event)
{
    const char *why = json_get_text(event, "why");
    session_close(c);
    link_user(c, "", "");
    say_notice(&c->say, say_event(&c->say, "logged_out"),
               "you are logged out: %s", why ? why : "the server says so");
}

static void hear_event(client *c, const char *what, const cJSON *event)
{
    const char *text = json_get_text(event, "text");
    if (strcmp(what, "bye") == 0)
        log_out(c, event);
    else if (strcmp(what, "data") == 0 && text)
        files_hear(c, text);
    else
        session_event(c, what, event);
}

static void hear(client *c, const cJSON *object)
{
    const char *event = json_get_text(object, "event");
    double id = json_get_number(object, "id");
    size_t i;
    if (event) {
        hear_event(c, event, object);
        return;
    }
    for (i = 0; i < ASKED_MAX; i++)
        if (id > 0 && c->asked[i].id <= id && c->asked[i].id >= id) {
            answer(c, &c->asked[i], object, "");
            return;
        }
}

static void hear_all(client *c)
{
    cJSON *object;
    while (!c->link.is_over && (object = channel_hear(&c->link))) {
        hear(c, object);
        cJSON_Delete(object);
    }
    if (c->link.is_over && (c->is_linked || c->is_connecting))
        link_close(c, c->link.why);
}

/* >>time ------------------------------------------------------------------ */

static void check_times(client *c, uint64_t now)
{
    size_t i;
    if (c->is_linked && now >= c->alive_ms) {
        c->alive_ms = now + ALIVE_MS;
        channel_say(&c->link, link_request("alive"));
    }
    for (i = 0; i < ASKED_MAX; i++)
        if (c->asked[i].id > 0 && now >= c->asked[i].until_ms)
            answer(c, &c->asked[i], NULL, "it does not answer");
    /* Who has logged in once, or has an album open, wants to be connected. */
    if (!c->is_linked && !c->is_connecting && now >= c->retry_ms && *c->user &&
        *local_text(c, "token"))
        connect_now(c);
}

void link_step(client *c)
{
    if (c->is_linked || c->is_connecting) {
        channel_step(&c->link);
        if (c->is_connecting && c->link.is_ready) {
            if (is_known(c))
                up(c);
            else
                link_close(c, "its key is another one than before; if that "
                              "is right, delete it from local.json");
        }
        hear_all(c);
    }
    check_times(c, ticks_ms());
}
