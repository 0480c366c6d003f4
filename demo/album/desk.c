#include "../common/posix.h"

#include "server.h"
#include "../common/text.h"
#include "../common/ticks.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Said alike to who is unknown and to who has another password. */
#define WRONG "the name or the password is wrong"

enum { REQUESTS_AT_ONCE = 32 }; /* of one, before it is others' turn */

/* >>telling --------------------------------------------------------------- */

cJSON *desk_event(const char *name)
{
    cJSON *event = cJSON_CreateObject();
    json_text(event, "event", name);
    return event;
}

void desk_tell(conn *c, cJSON *event)
{
    channel_say(&c->c, event);
}

/* Of the request with that number. Takes `answer`; NULL: nothing but that. */
static void answer_number(conn *c, double number, int ok, cJSON *answer)
{
    if (!answer)
        answer = cJSON_CreateObject();
    json_number(answer, "id", number);
    json_bool(answer, "ok", ok);
    channel_say(&c->c, answer);
}

static void refuse_number(conn *c, double number, const char *why)
{
    cJSON *answer = cJSON_CreateObject();
    json_text(answer, "error", why);
    answer_number(c, number, 0, answer);
}

void desk_answer(conn *c, const cJSON *request, cJSON *answer)
{
    answer_number(c, json_get_number(request, "id"), 1, answer);
}

void desk_refuse(conn *c, const cJSON *request, const char *why)
{
    refuse_number(c, json_get_number(request, "id"), why);
}

static void tell_data(const server *s, conn *c)
{
    cJSON *event = desk_event("data");
    char *text = s->data ? registry_text(s->data, PASS_SECONDS) : NULL;
    if (text)
        json_text(event, "text", text);
    free(text);
    desk_tell(c, event);
}

void desk_tell_data(server *s)
{
    size_t i;
    s->told_ms = ticks_ms();
    for (i = 0; i < s->conns_count; i++)
        if (*s->conns[i]->user)
            tell_data(s, s->conns[i]);
}

conn *desk_find(server *s, const char *user)
{
    size_t i;
    for (i = 0; i < s->conns_count; i++)
        if (*user && strcmp(s->conns[i]->user, user) == 0)
            return s->conns[i];
    return NULL;
}

/* >>coming in ------------------------------------------------------------- */

static void notice(server *s, const char *event, const conn *c)
{
    cJSON *object = say_event(&s->say, event);
    json_text(object, "user", c->user);
    json_text(object, "address", c->address);
    say_notice(&s->say, object, "%s (%s): %s", c->user, c->address, event);
}

static void log_out(server *s, conn *c, const char *why)
{
    if (!*c->user)
        return;
    hall_out(s, c, why);
    notice(s, "logout", c);
    *c->user = 0;
}

/* One user, one session: who logs in closes what was open. */
static void put_out(server *s, const conn *c, const char *user)
{
    conn *old = desk_find(s, user);
    cJSON *event;
    if (!old || old == c)
        return;
    event = desk_event("bye");
    json_text(event, "why", "you have logged in at another place");
    desk_tell(old, event);
    log_out(s, old, "logged in at another place");
}

static void log_in(server *s, conn *c, const char *user, double number,
                   const char *token)
{
    cJSON *answer = cJSON_CreateObject();
    put_out(s, c, user);
    log_out(s, c, "logged in anew");
    snprintf(c->user, sizeof c->user, "%s", user);
    json_text(answer, "user", user);
    if (token)
        json_text(answer, "token", token);
    answer_number(c, number, 1, answer);
    tell_data(s, c);
    notice(s, "login", c);
}

/* >>passwords ------------------------------------------------------------- */

static int is_good_password(const char *password)
{
    return *password && strlen(password) <= HASHER_PASSWORD_MAX;
}

/* 0: too many come from there, which is said. */
static int may_try(server *s, conn *c, const cJSON *request)
{
    char why[100];
    uint64_t wait = throttle_take(&s->attempts, c->host, ticks_ms());
    if (!wait)
        return 1;
    snprintf(why, sizeof why, "too many attempts: try again in %u s",
             (unsigned)(wait / 1000 + 1));
    desk_refuse(c, request, why);
    return 0;
}

/* Who is not known takes as long as who is. 0: too many wait. */
static int begin_hash(server *s, const conn *c, const char *password)
{
    char hash[HASH_MAX] = "";
    if (c->is_register)
        return hasher_make(&s->hashing, c->ticket, password);
    return hasher_check(&s->hashing, c->ticket, password,
                        accounts_hash(s->people, c->name, hash) == 1 ? hash
                                                                     : NULL);
}

static void begin_password(server *s, conn *c, const cJSON *request,
                           int is_register)
{
    const char *name = json_get_text(request, "name");
    const char *password = json_get_text(request, "password");
    if (c->ticket || !name || !password || !album_good_name(name) ||
        !is_good_password(password)) {
        desk_refuse(c, request,
                    "a name has 1 to 32 letters, digits, - _ or ., a "
                    "password 1 to 256 bytes");
        return;
    }
    if (!may_try(s, c, request))
        return;
    c->ticket = ++s->numbers;
    c->asked = (int64_t)json_get_number(request, "id");
    c->is_register = is_register;
    snprintf(c->name, sizeof c->name, "%s", name);
    if (begin_hash(s, c, password))
        return;
    c->ticket = 0;
    throttle_give(&s->attempts, c->host, ticks_ms());
    desk_refuse(c, request, "the server is busy: try again in a moment");
}

static void end_register(server *s, conn *c, const char *hash)
{
    int added = accounts_add_user(s->people, c->name, hash);
    if (added == 1)
        answer_number(c, (double)c->asked, 1, NULL);
    else
        refuse_number(c, (double)c->asked,
                      added ? accounts_why(s->people) : "that name is taken");
}

/* The name as it was registered comes back with the token. */
static void end_login(server *s, conn *c)
{
    char token[TOKEN_TEXT], user[ALBUM_USER_MAX + 1];
    if (accounts_new_token(s->people, c->name, token) == 1 &&
        accounts_token_user(s->people, token, user) == 1)
        log_in(s, c, user, (double)c->asked, token);
    else
        refuse_number(c, (double)c->asked, accounts_why(s->people));
}

static void hashed(void *ctx, uint64_t ticket, int fine, const char *hash)
{
    server *s = (server *)ctx;
    size_t i;
    for (i = 0; i < s->conns_count; i++) {
        conn *c = s->conns[i];
        if (c->ticket != ticket)
            continue;
        c->ticket = 0;
        if (fine)
            throttle_give(&s->attempts, c->host, ticks_ms());
        if (!fine)
            refuse_number(c, (double)c->asked,
                          c->is_register ? "no memory for that now" : WRONG);
        else if (c->is_register)
            end_register(s, c, hash);
        else
            end_login(s, c);
    }
}

/* >>requests -------------------------------------------------------------- */

static void on_register(server *s, conn *c, const cJSON *request)
{
    begin_password(s, c, request, 1);
}

static void on_login(server *s, conn *c, const cJSON *request)
{
    begin_password(s, c, request, 0);
}

static void on_resume(server *s, conn *c, const cJSON *request)
{
    const char *token = json_get_text(request, "token");
    char user[ALBUM_USER_MAX + 1];
    if (token && accounts_token_user(s->people, token, user) == 1)
        log_in(s, c, user, json_get_number(request, "id"), NULL);
    else
        desk_refuse(c, request, "that session is over: log in again");
}

static void on_logout(server *s, conn *c, const cJSON *request)
{
    accounts_drop_token(s->people, c->user);
    log_out(s, c, "logged out");
    desk_answer(c, request, NULL);
}

static void on_alive(server *s, conn *c, const cJSON *request)
{
    (void)s;
    (void)c;
    (void)request;
}

static void dispatch(server *s, conn *c, const cJSON *request)
{
    static const struct {
        const char *what;
        int anonymous;
        void (*run)(server *s, conn *c, const cJSON *request);
    } rows[] = {
        { "register", 1, on_register }, { "login", 1, on_login },
        { "resume", 1, on_resume },     { "alive", 1, on_alive },
        { "logout", 0, on_logout },     { "create", 0, hall_create },
        { "list", 0, hall_list },       { "enter", 0, hall_enter },
        { "here", 0, hall_here },       { "leave", 0, hall_leave },
        { "add", 0, hall_add },         { "remove", 0, hall_remove },
        { "members", 0, hall_members },
    };
    const char *what = json_get_text(request, "do");
    size_t i;
    for (i = 0; what && i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].what, what) == 0) {
            if (rows[i].anonymous || *c->user)
                rows[i].run(s, c, request);
            else
                desk_refuse(c, request, "log in first");
            return;
        }
    desk_refuse(c, request, "this server does not know that");
}

/* >>connections ----------------------------------------------------------- */

static void conn_end(server *s, size_t index)
{
    conn *c = s->conns[index];
    log_out(s, c, *c->c.why ? c->c.why : "gone");
    channel_close(&c->c);
    free(c);
    s->conns[index] = s->conns[--s->conns_count];
}

/* When all places are taken, who is not logged in makes room. */
static int make_room(server *s)
{
    size_t i, oldest = CONNS_MAX;
    if (s->conns_count < CONNS_MAX)
        return 1;
    for (i = 0; i < s->conns_count; i++)
        if (!*s->conns[i]->user &&
            (oldest == CONNS_MAX ||
             s->conns[i]->since_ms < s->conns[oldest]->since_ms))
            oldest = i;
    if (oldest == CONNS_MAX)
        return 0;
    conn_end(s, oldest);
    return 1;
}

static void take_conn(server *s, conn *c)
{
    char *colon;
    c->since_ms = c->heard_ms = ticks_ms();
    stream_peer(&c->c.s, c->address, sizeof c->address);
    snprintf(c->host, sizeof c->host, "%s", c->address);
    colon = strrchr(c->host, ':');
    if (colon)
        *colon = 0;
    s->conns[s->conns_count++] = c;
}

static void accept_all(server *s)
{
    int left = 64;
    while (left-- > 0 && make_room(s)) {
        conn *c = (conn *)calloc(1, sizeof *c);
        if (!c || !channel_accept(&c->c, s->listener, &s->keys)) {
            free(c);
            return;
        }
        take_conn(s, c);
    }
}

static void conn_step(server *s, conn *c, uint64_t now)
{
    uint64_t silent = now - c->heard_ms;
    int left = REQUESTS_AT_ONCE;
    cJSON *request;
    channel_step(&c->c);
    while (left-- > 0 && (request = channel_hear(&c->c))) {
        c->heard_ms = now;
        dispatch(s, c, request);
        cJSON_Delete(request);
    }
    if (silent > (*c->user ? SILENT_MS : ANONYMOUS_MS) && !c->c.is_over) {
        c->c.is_over = 1;
        snprintf(c->c.why, sizeof c->c.why, "went silent");
    }
}

void desk_step(server *s)
{
    uint64_t now;
    size_t i;
    accept_all(s);
    now = ticks_ms();
    hasher_step(&s->hashing, hashed, s);
    for (i = 0; i < s->conns_count; i++)
        conn_step(s, s->conns[i], now);
    for (i = s->conns_count; i-- > 0;)
        if (s->conns[i]->c.is_over)
            conn_end(s, i);
    if (now - s->told_ms >= REGISTRY_MS)
        desk_tell_data(s);
}

void desk_close(server *s)
{
    size_t i;
    for (i = 0; i < s->conns_count; i++)
        *s->conns[i]->at = 0; /* nobody has left: we do */
    while (s->conns_count)
        conn_end(s, s->conns_count - 1);
    hasher_stop(&s->hashing);
}
