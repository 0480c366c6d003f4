/*
 * An open album: entered through the server, or without it when it has been
 * open here before; left with the server up to date, or as far as that goes.
 *
 *     enter --> album, key, port --> replica opens --> here --> peers
 */
#include "../common/posix.h"

#include "client.h"
#include "../common/key.h"
#include "../common/text.h"
#include "../common/ticks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* >>opening --------------------------------------------------------------- */

static crdt_shipping shipping(const client *c)
{
    if (c->ship && strcmp(c->ship, "ops") == 0)
        return CRDT_SHIP_OPS;
    if (c->ship && strcmp(c->ship, "state") == 0)
        return CRDT_SHIP_STATE;
    return CRDT_SHIP_DELTA;
}

static int is_unix(const client *c)
{
    return c->transport && strcmp(c->transport, "unix") == 0;
}

/* Where it listened last, so that others find it again; else as told. */
static crdt_err open_replica(client *c, cJSON *known, char *why, size_t size)
{
    session *s = &c->in_album;
    const char *last = json_get_text(known, "listen");
    char dir[400];
    replica_wish wish;
    crdt_err err = CRDT_ERR_IO;
    snprintf(dir, sizeof dir, "%.300s/%s", c->dir, s->id);
    memset(&wish, 0, sizeof wish);
    wish.id = s->id;
    wish.user = c->user;
    wish.dir = dir;
    wish.key = s->key;
    wish.transport = c->transport;
    wish.chaos = c->chaos;
    wish.shipping = shipping(c);
    wish.is_readable = c->codec && strcmp(c->codec, "json") == 0;
    wish.log = &c->log;
    wish.listen = last;
    if (last && *last && !is_unix(c))
        err = replica_open(&s->r, &wish, why, size);
    wish.listen = c->listen;
    return err ? replica_open(&s->r, &wish, why, size) : err;
}

/* HOST of the server, PORT of the album there. */
static void dial_server(client *c)
{
    session *s = &c->in_album;
    char address[160];
    const char *peers[1];
    network_wish wish;
    if (s->has_up || !s->port)
        return;
    peers[0] = text_at_port(address, sizeof address, c->server, s->port);
    memset(&wish, 0, sizeof wish);
    wish.peers = peers;
    wish.peers_count = 1;
    wish.chaos = c->chaos;
    wish.group_key = s->key;
    if (network_open(&s->up, &wish, &c->log))
        return;
    s->has_up = crdt_node_attach(s->r.node, &s->up.outer) == CRDT_OK;
    if (!s->has_up)
        network_close(&s->up);
}

/* The listening address with the port that it has got. */
static void remember(client *c, cJSON *known)
{
    const session *s = &c->in_album;
    char text[KEY_TEXT], listen[200];
    key_text(text, s->key);
    local_replace(known, "id", s->id);
    local_replace(known, "key", text);
    local_replace(known, "user", c->user);
    cJSON_DeleteItemFromObjectCaseSensitive(known, "port");
    json_number(known, "port", s->port);
    if (!is_unix(c))
        local_replace(known, "listen",
                      text_at_port(listen, sizeof listen, c->listen,
                                   network_port(&s->r.net)));
    local_write(c);
}

/* What others have of ours is known until the process ends: so it is kept, for
 * as long as this one writes under the same replica id. */
static void keep_confirmed(client *c)
{
    session *s = &c->in_album;
    cJSON *known = local_album(c, s->name, 1);
    char id[33];
    crdt_id_text(&s->r.id, id);
    local_replace(known, "replica", id);
    cJSON_DeleteItemFromObjectCaseSensitive(known, "confirmed");
    json_uint64(known, "confirmed", replica_own(&s->r) - session_unsent(c));
    local_write(c);
}

static void recall_confirmed(client *c, const cJSON *known)
{
    session *s = &c->in_album;
    const char *last = json_get_text(known, "replica");
    int64_t confirmed = json_get_int64(known, "confirmed");
    char id[33];
    crdt_id_text(&s->r.id, id);
    if (last && strcmp(last, id) == 0 && confirmed > 0)
        s->confirmed = (uint64_t)confirmed;
}

uint64_t session_unsent(const client *c)
{
    const session *s = &c->in_album;
    uint64_t own = replica_own(&s->r), acked = replica_acked(&s->r);
    if (acked < s->confirmed)
        acked = s->confirmed;
    return own > acked ? own - acked : 0;
}

/* Name, id, key and port of the session are set. */
static int open_session(client *c, char *why, size_t size)
{
    session *s = &c->in_album;
    cJSON *known = local_album(c, s->name, 1);
    if (open_replica(c, known, why, size))
        return 0;
    s->is_open = 1;
    recall_confirmed(c, known);
    dial_server(c);
    remember(c, known);
    (void)album_sign(s->r.doc, c->user);
    news_start(c);
    return 1;
}

void session_close(client *c)
{
    session *s = &c->in_album;
    if (!s->is_open)
        return;
    if (c->transfer || c->synced)
        input_release(c); /* the command cannot be finished any more */
    keep_confirmed(c);
    s->is_open = 0;
    replica_close(&s->r);
    memset(s, 0, sizeof *s);
}

/* >>peers ----------------------------------------------------------------- */

/* An address is one of theirs: what is none is refused by the transport. */
static void add_peer(client *c, const char *address)
{
    session *s = &c->in_album;
    cJSON *known = local_album(c, s->name, 1), *list, *item;
    if (!s->is_open || network_add_peer(&s->r.net, address))
        return;
    list = cJSON_GetObjectItemCaseSensitive(known, "peers");
    if (!list)
        list = cJSON_AddArrayToObject(known, "peers");
    cJSON_ArrayForEach(item, list)
    {
        if (cJSON_IsString(item) && strcmp(item->valuestring, address) == 0)
            return;
    }
    while (cJSON_GetArraySize(list) >= PEERS_MAX)
        cJSON_DeleteItemFromArray(list, 0);
    cJSON_AddItemToArray(list, cJSON_CreateString(address));
    local_write(c);
}

static void add_peers(client *c, const cJSON *list)
{
    const cJSON *item;
    int left = PEERS_MAX;
    cJSON_ArrayForEach(item, list)
    {
        if (cJSON_IsString(item) && left-- > 0)
            add_peer(c, item->valuestring);
    }
}

/* Where the others find us: as the server sees us, but for a path, or a host
 * that we were told. */
static cJSON *here(const client *c)
{
    const session *s = &c->in_album;
    cJSON *request = link_request("here");
    const char *listen = c->listen;
    if (is_unix(c) || (*listen != ':' && strncmp(listen, "0.0.0.0:", 8) != 0 &&
                       strncmp(listen, "[::]:", 5) != 0))
        json_text(request, "address", s->r.net.listening);
    else
        json_number(request, "port", network_port(&s->r.net));
    return request;
}

/* >>keys ------------------------------------------------------------------ */

static void take_key(client *c, const cJSON *object)
{
    session *s = &c->in_album;
    const char *text = json_get_text(object, "key");
    uint8_t key[32];
    if (!text || !key_from_text(key, text) || memcmp(key, s->key, 32) == 0)
        return;
    memcpy(s->key, key, 32);
    network_rekey(&s->r.net, key);
    if (s->has_up)
        network_rekey(&s->up, key);
    remember(c, local_album(c, s->name, 1));
}

/* >>entering -------------------------------------------------------------- */

/* Of enter: 0 when it is not what a server says. */
static int take_entry(client *c, const cJSON *answer)
{
    session *s = &c->in_album;
    const char *name = json_get_text(answer, "album");
    const char *id = json_get_text(answer, "album_id");
    const char *key = json_get_text(answer, "key");
    double port = json_get_number(answer, "port");
    if (!name || !album_good_name(name) || !id || strlen(id) != 32 ||
        strspn(id, "0123456789abcdef") != 32 || !key || port < 0 ||
        port > 65535 || !key_from_text(s->key, key))
        return 0;
    snprintf(s->name, sizeof s->name, "%s", name);
    snprintf(s->id, sizeof s->id, "%s", id);
    s->port = (unsigned)port;
    return 1;
}

static void tell_entered(client *c, const char *how)
{
    session *s = &c->in_album;
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    album_file file;
    size_t files = 0;
    char digest[33];
    while (album_next_file(s->r.doc, &cursor, &file) == CRDT_OK)
        files++;
    replica_digest(&s->r, digest);
    json_text(c->say.answer, "album", s->name);
    json_text(c->say.answer, "listen", s->r.net.listening);
    json_bool(c->say.answer, "online", s->is_online);
    json_number(c->say.answer, "files", (double)files);
    json_text(c->say.answer, "digest", digest);
    say_line(&c->say,
             "%s%s: %zu files, %zu messages; help lists what you can do",
             s->name, how, files, album_chat_len(s->r.doc));
}

/* The server has us in the album. */
static void is_back(client *c, const cJSON *answer, const char *why)
{
    (void)why;
    if (!answer || !json_get_bool(answer, "ok") || !c->in_album.is_open)
        return;
    c->in_album.is_online = 1;
    take_key(c, answer);
    add_peers(c, cJSON_GetObjectItemCaseSensitive(answer, "peers"));
}

static void is_here(client *c, const cJSON *answer, const char *why)
{
    is_back(c, answer, why);
    input_answer(c);
    if (!c->in_album.is_open)
        say_fail(&c->say, NULL, "the album was closed meanwhile");
    else if (!answer || !link_failed(c, answer, why))
        tell_entered(c, answer ? "" : " (the server has gone meanwhile)");
    input_done(c);
}

/* Takes what is kept here of the album. 0: it is not ours, or not here. */
static int take_known(client *c, const cJSON *known)
{
    session *s = &c->in_album;
    const char *id = json_get_text(known, "id");
    const char *key = json_get_text(known, "key");
    const char *user = json_get_text(known, "user");
    if (!id || !key || !user || strcmp(user, c->user) != 0 ||
        json_get_bool(known, "removed") || !key_from_text(s->key, key))
        return 0;
    snprintf(s->id, sizeof s->id, "%s", id);
    s->port = (unsigned)json_get_number(known, "port");
    return 1;
}

/* Without the server: the album of that name as it was left here. */
static void enter_local(client *c, const char *why)
{
    const cJSON *known = local_album(c, c->in_album.name, 0);
    char what[300];
    input_answer(c);
    if (!take_known(c, known)) {
        say_fail(&c->say, "it has to be open once with the server there",
                 "the server %s cannot be reached (%s), and the album is not "
                 "here",
                 c->server, why);
    } else if (!open_session(c, what, sizeof what)) {
        say_fail(&c->say, NULL, "%s", what);
    } else {
        cJSON *peers =
            cJSON_Duplicate(/* for the list changes */
                            cJSON_GetObjectItemCaseSensitive(known, "peers"),
                            1);
        add_peers(c, peers);
        cJSON_Delete(peers);
        tell_entered(c, " (without the server)");
    }
    input_done(c);
}

static void refuse_entry(client *c, const cJSON *answer, const char *why)
{
    input_answer(c);
    link_failed(c, answer, why);
    input_done(c);
}

static void entered(client *c, const cJSON *answer, const char *why)
{
    char what[300] = "the server says what makes no sense";
    cJSON *known;
    if (!answer) {
        enter_local(c, why);
        return;
    }
    if (!json_get_bool(answer, "ok")) {
        refuse_entry(c, answer, why);
        return;
    }
    if (!take_entry(c, answer) || !open_session(c, what, sizeof what)) {
        input_answer(c);
        say_fail(&c->say, NULL, "%s", what);
        input_done(c);
        return;
    }
    known = local_album(c, c->in_album.name, 1);
    cJSON_DeleteItemFromObjectCaseSensitive(known, "removed");
    link_ask(c, here(c), is_here);
}

static cJSON *enter_request(const char *name)
{
    cJSON *request = link_request("enter");
    json_text(request, "album", name);
    return request;
}

void run_enter(void *ctx, int words, char **word)
{
    client *c = (client *)ctx;
    (void)words;
    if (!*c->user) {
        say_fail(&c->say, "type: login NAME PASSWORD", "log in first");
        return;
    }
    if (!album_good_name(word[1])) {
        say_fail(&c->say, "`list` shows those that there are",
                 "that is no name of an album");
        return;
    }
    session_close(c);
    snprintf(c->in_album.name, sizeof c->in_album.name, "%s", word[1]);
    input_later(c);
    link_ask(c, enter_request(word[1]), entered);
}

/* >>back ------------------------------------------------------------------ */

static void reentered(client *c, const cJSON *answer, const char *why)
{
    session *s = &c->in_album;
    double port;
    (void)why;
    if (!answer || !s->is_open)
        return;
    if (!json_get_bool(answer, "ok")) {
        session_event(c, "removed", answer);
        return;
    }
    port = json_get_number(answer, "port");
    if (port > 0 && port <= 65535 && (unsigned)port != s->port) {
        char address[160];
        s->port = (unsigned)port;
        text_at_port(address, sizeof address, c->server, s->port);
        if (s->has_up)
            network_add_peer(&s->up, address);
    }
    dial_server(c);
    take_key(c, answer);
    link_ask_aside(c, here(c), is_back);
}

void session_resume(client *c)
{
    if (c->in_album.is_open && !c->in_album.is_online)
        link_ask_aside(c, enter_request(c->in_album.name), reentered);
}

/* >>what the server tells ------------------------------------------------- */

static void put_out(client *c, const char *album)
{
    cJSON *known = local_album(c, album, 0), *event;
    if (known) {
        cJSON_DeleteItemFromObjectCaseSensitive(known, "removed");
        json_bool(known, "removed", 1);
        local_write(c);
    }
    event = say_event(&c->say, "removed");
    json_text(event, "album", album);
    say_notice(&c->say, event, "you are no member of %s any more", album);
    if (c->in_album.is_open && strcmp(c->in_album.name, album) == 0) {
        session_close(c);
    }
}

static void tell_presence(client *c, const char *what, const cJSON *event)
{
    const char *user = json_get_text(event, "user");
    const char *why = json_get_text(event, "why");
    char name[100], reason[100] = "";
    cJSON *object = say_event(&c->say, what);
    text_clean(name, sizeof name, user ? user : "", user ? strlen(user) : 0);
    if (why)
        text_clean(reason, sizeof reason, why, strlen(why));
    json_text(object, "user", name);
    json_text(object, "why", reason);
    say_notice(&c->say, object, "%s %s%s%s", name,
               strcmp(what, "came") == 0 ? "came" : "left",
               *reason ? ": " : "", reason);
}

void session_event(client *c, const char *what, const cJSON *event)
{
    const char *album = json_get_text(event, "album");
    const char *address = json_get_text(event, "address");
    int is_ours;
    if (!album && strcmp(what, "removed") == 0)
        album = c->in_album.name; /* as an answer says it */
    if (!album || !album_good_name(album))
        return;
    is_ours = c->in_album.is_open && strcmp(c->in_album.name, album) == 0;
    if (strcmp(what, "removed") == 0) {
        char name[ALBUM_USER_MAX + 1];
        snprintf(name, sizeof name, "%s", album);
        put_out(c, name);
    } else if (strcmp(what, "added") == 0) {
        cJSON *object = say_event(&c->say, "added");
        json_text(object, "album", album);
        say_notice(&c->say, object, "you may enter %s now", album);
    } else if (is_ours && strcmp(what, "key") == 0) {
        take_key(c, event);
    } else if (is_ours &&
               (strcmp(what, "came") == 0 || strcmp(what, "left") == 0)) {
        if (address)
            add_peer(c, address);
        tell_presence(c, what, event);
    }
}

/* >>leaving --------------------------------------------------------------- */

int session_is_open(client *c)
{
    if (!c->in_album.is_open)
        say_fail(&c->say, "type: enterAlbum NAME", "no album is open");
    return c->in_album.is_open;
}

void session_store(client *c)
{
    crdt_err err = crdt_node_flush(c->in_album.r.node);
    if (err)
        say_fail(&c->say, "it is tried again, and nothing is sent meanwhile",
                 "cannot be stored: %s", crdt_err_text(err));
}

/* By the port that it was dialled at. */
static int is_server(const session *s, const crdt_peer_info *peer)
{
    const char *colon = strrchr(peer->link, ':');
    char port[16];
    snprintf(port, sizeof port, ":%u", s->port);
    return colon && strcmp(colon, port) == 0;
}

int session_synced(const client *c, int server_only, char *why, size_t size)
{
    const session *s = &c->in_album;
    crdt_peer_info peer;
    uint64_t alone;
    size_t i, servers = 0;
    if (!s->is_open)
        return 1;
    server_only = server_only && s->is_online;
    for (i = 0; crdt_node_peer(s->r.node, i, &peer) == CRDT_OK; i++) {
        servers += (size_t)is_server(s, &peer);
        if (peer.state != CRDT_PEER_SYNCED &&
            (!server_only || is_server(s, &peer))) {
            char name[80];
            text_clean(name, sizeof name, peer.name.ptr, peer.name.len);
            snprintf(why, size, "not yet with %s",
                     *name ? name : "who is just coming");
            return 0;
        }
    }
    alone = session_unsent(c);
    if (i > 0 && !alone && (servers || !s->is_online))
        return 1;
    if (s->is_online && !servers)
        snprintf(why, size, "not yet with the server");
    else
        snprintf(why, size,
                 i ? "%" PRIu64 " changes are not confirmed"
                   : "nobody is connected; %" PRIu64 " changes are only here",
                 alone);
    return 0;
}

static void left(client *c, const cJSON *answer, const char *why)
{
    (void)answer;
    (void)why;
    input_answer(c);
    if (c->is_unsent)
        say_line(&c->say, "the album is closed; what has not gone out is "
                          "kept, and goes when it is open again");
    else
        say_line(&c->say, "the album is closed, and all of it is at others");
    json_bool(c->say.answer, "unsent", c->is_unsent);
    input_done(c);
}

/* All that could be has been brought to the others. */
static void ready_to_leave(client *c, const char *why)
{
    c->is_unsent = why != NULL;
    session_close(c);
    if (c->is_logged_in)
        link_ask(c, link_request("leave"), left);
    else
        left(c, NULL, NULL);
}

void run_leave(void *ctx, int words, char **word)
{
    client *c = (client *)ctx;
    (void)words;
    (void)word;
    if (!session_is_open(c))
        return;
    input_later(c);
    input_sync(c, SYNC_MS, ready_to_leave);
    c->is_leaving = 1;
}

void session_step(client *c)
{
    session *s = &c->in_album;
    if (!s->is_open)
        return;
    crdt_node_poll(s->r.node, 0);
    news_step(c);
}
