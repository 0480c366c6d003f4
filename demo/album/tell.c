/*
 * What the engine tells of the open album, the chat, and waiting.
 */
#include "../common/posix.h"

#include "client.h"
#include "../common/graph.h"
#include "../common/peer.h"
#include "../common/text.h"
#include "../common/ticks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crdtsync_dump.h"
#include "crdtsync_json.h"

enum { WAIT_SECONDS = 30 };

/* >>chat ------------------------------------------------------------------ */

static void say_it(client *c, const char *text)
{
    crdt_err err =
        album_say(c->in_album.r.doc, c->user, crdt_str(text), files_now_ms());
    if (err == CRDT_ERR_LIMIT)
        say_fail(&c->say, "send it as a file: addFile PATH",
                 "a message has 1 to %d bytes", ALBUM_TEXT_MAX);
    else if (err)
        say_fail(&c->say, NULL, "%s", crdt_err_text(err));
    else
        session_store(c);
}

void run_say(void *ctx, int words, char **word)
{
    client *c = (client *)ctx;
    (void)words;
    if (session_is_open(c))
        say_it(c, word[1]);
}

static void tell_message(client *c, size_t index, cJSON *list)
{
    album_message message;
    char who[200], text[4 * ALBUM_TEXT_MAX + 1], when[32] = "";
    time_t seconds;
    struct tm day;
    cJSON *object;
    if (album_chat_get(c->in_album.r.doc, index, &message))
        return;
    text_clean(who, sizeof who, message.who.ptr, message.who.len);
    text_clean(text, sizeof text, message.text.ptr, message.text.len);
    seconds = (time_t)(message.at_ms / 1000);
    if (localtime_r(&seconds, &day))
        strftime(when, sizeof when, "%Y-%m-%d %H:%M", &day);
    say_line(&c->say, "  %s%s%s %s: %s", say_dim(&c->say), when,
             say_plain(&c->say), who, text);
    if (!list)
        return;
    object = cJSON_CreateObject();
    json_text(object, "user", who);
    json_text(object, "text", text);
    json_number(object, "at_ms", (double)message.at_ms);
    cJSON_AddItemToArray(list, object);
}

void run_chat(void *ctx, int words, char **word)
{
    client *c = (client *)ctx;
    cJSON *list;
    size_t i, len;
    (void)words;
    (void)word;
    if (!session_is_open(c))
        return;
    list =
        c->say.answer ? cJSON_AddArrayToObject(c->say.answer, "chat") : NULL;
    len = album_chat_len(c->in_album.r.doc);
    for (i = 0; i < len; i++)
        tell_message(c, i, list);
    if (!len)
        say_line(&c->say, "  nothing yet: type what is no command");
}

/* >>inner state ----------------------------------------------------------- */

static void fail(client *c, crdt_err err)
{
    if (err)
        say_fail(&c->say, NULL, "%s", crdt_err_text(err));
}

void run_metadata(void *ctx, int words, char **word)
{
    client *c = (client *)ctx;
    crdt_json_options plain;
    crdt_buf text = CRDT_BUF_INIT;
    crdt_err err;
    cJSON *object;
    char *pretty;
    (void)words;
    (void)word;
    if (!session_is_open(c))
        return;
    memset(&plain, 0, sizeof plain);
    plain.plain = 1;
    err = crdt_json_write(crdt_root(c->in_album.r.doc), &plain, &text);
    fail(c, err);
    object = err ? NULL : cJSON_ParseWithLength((char *)text.ptr, text.len);
    crdt_buf_free(&text);
    pretty = c->say.answer ? NULL : cJSON_Print(object);
    say_line(&c->say, "%s", pretty ? pretty : "");
    cJSON_free(pretty);
    if (c->say.answer && object)
        cJSON_AddItemToObject(c->say.answer, "metadata", object);
    else
        cJSON_Delete(object);
}

void run_replica(void *ctx, int words, char **word)
{
    client *c = (client *)ctx;
    crdt_buf text = CRDT_BUF_INIT;
    crdt_err err;
    (void)words;
    (void)word;
    if (!session_is_open(c))
        return;
    err = crdt_dump(c->in_album.r.doc, &text);
    fail(c, err);
    if (!err && c->say.answer)
        json_bytes(c->say.answer, "state", text.ptr, text.len);
    else if (!err)
        fwrite(text.ptr, 1, text.len, stdout);
    crdt_buf_free(&text);
}

static void tell_entry(client *c, const crdt_dot *entry, cJSON *list)
{
    crdt_bytes user = album_author(c->in_album.r.doc, &entry->replica);
    int own = crdt_id_compare(&entry->replica, &c->in_album.r.id) == 0;
    char id[33], name[200];
    cJSON *object;
    crdt_id_text(&entry->replica, id);
    text_clean(name, sizeof name, user.ptr, user.len);
    say_line(&c->say, "  %s %8" PRIu64 "  %s%s", id, entry->seq, name,
             own ? " (this one)" : "");
    if (!list)
        return;
    object = cJSON_CreateObject();
    json_text(object, "replica", id);
    json_uint64(object, "seq", entry->seq);
    json_text(object, "user", name);
    json_bool(object, "own", own);
    cJSON_AddItemToArray(list, object);
}

static void tell_vv(client *c)
{
    cJSON *list =
        c->say.answer ? cJSON_AddArrayToObject(c->say.answer, "vv") : NULL;
    crdt_vv vv = CRDT_VV_INIT;
    size_t i;
    fail(c, crdt_doc_vv(c->in_album.r.doc, &vv));
    for (i = 0; i < vv.len; i++)
        tell_entry(c, &vv.entries[i], list);
    crdt_vv_free(&vv);
}

void run_vv(void *ctx, int words, char **word)
{
    client *c = (client *)ctx;
    (void)words;
    (void)word;
    if (session_is_open(c))
        tell_vv(c);
}

void run_digest(void *ctx, int words, char **word)
{
    client *c = (client *)ctx;
    char digest[33];
    (void)words;
    (void)word;
    if (!session_is_open(c))
        return;
    replica_digest(&c->in_album.r, digest);
    json_text(c->say.answer, "digest", digest);
    say_line(&c->say, "%s", digest);
}

static const char *user_of(void *ctx, const crdt_id *id)
{
    static char name[200];
    const client *c = (const client *)ctx;
    crdt_bytes user = album_author(c->in_album.r.doc, id);
    return text_clean(name, sizeof name, user.ptr, user.len);
}

void run_graph(void *ctx, int words, char **word)
{
    client *c = (client *)ctx;
    graph_subject subject;
    (void)words;
    if (!session_is_open(c))
        return;
    subject.node = c->in_album.r.node;
    subject.doc = c->in_album.r.doc;
    subject.document = c->in_album.r.name;
    subject.ctx = c;
    subject.name_of = user_of;
    if (graph_write(&subject, word[1])) {
        json_text(c->say.answer, "path", word[1]);
        say_line(&c->say, "%s", word[1]);
    } else {
        say_fail(&c->say, NULL, "cannot write %s: %s", word[1],
                 strerror(errno));
    }
}

/* >>peers ----------------------------------------------------------------- */

static void tell_peer(client *c, const crdt_peer_info *peer)
{
    char name[100], link[120], in[28], out[28];
    text_clean(name, sizeof name, peer->name.ptr, peer->name.len);
    text_clean(link, sizeof link, peer->link, strlen(peer->link));
    say_line(&c->say,
             "  %-12s %-8s lacks %" PRIu64 " of ours, we %" PRIu64
             " of its; in %s, out %s; %s",
             name, peer_state(peer->state), peer->unacked, peer->lag,
             text_size(in, peer->received_bytes),
             text_size(out, peer->sent_bytes), link);
}

static void tell_peers(client *c)
{
    cJSON *list =
        c->say.answer ? cJSON_AddArrayToObject(c->say.answer, "peers") : NULL;
    crdt_peer_info peer;
    size_t i;
    for (i = 0; crdt_node_peer(c->in_album.r.node, i, &peer) == CRDT_OK; i++) {
        tell_peer(c, &peer);
        if (list)
            peer_json(list, &peer);
    }
    if (!i)
        say_line(&c->say, "  nobody is connected");
}

void run_peers(void *ctx, int words, char **word)
{
    client *c = (client *)ctx;
    (void)words;
    (void)word;
    if (session_is_open(c))
        tell_peers(c);
}

/* >>status ---------------------------------------------------------------- */

static void tell_state(client *c)
{
    const session *s = &c->in_album;
    uint64_t own = replica_own(&s->r), unsent = session_unsent(c);
    crdt_node_stats stats;
    char digest[33], in[28], out[28], why[300] = "";
    int synced = session_synced(c, 0, why, sizeof why);
    crdt_node_get_stats(s->r.node, &stats);
    replica_digest(&s->r, digest);
    json_text(c->say.answer, "album", s->name);
    json_text(c->say.answer, "digest", digest);
    json_bool(c->say.answer, "synced", synced);
    json_uint64(c->say.answer, "own", own);
    json_uint64(c->say.answer, "unacked", unsent);
    json_number(c->say.answer, "waiting", (double)stats.waiting);
    json_number(c->say.answer, "alarms", (double)stats.alarms);
    json_number(c->say.answer, "sent_bytes", (double)stats.sent_bytes);
    json_number(c->say.answer, "received_bytes", (double)stats.received_bytes);
    say_line(&c->say, "album %s, digest %s", s->name, digest);
    say_line(&c->say, "%s%s%s", synced ? "synced" : "not synced: ", why,
             s->is_online ? "" : "; the server does not have us in it");
    say_line(&c->say,
             "%" PRIu64 " changes made here, %" PRIu64
             " of them not confirmed by anyone",
             own, unsent);
    say_line(&c->say,
             "in %s, out %s; deltas: %" PRIu64 " sent, %" PRIu64
             " joined, %" PRIu64 " refused, %" PRIu64 " waiting for causes",
             text_size(in, stats.received_bytes),
             text_size(out, stats.sent_bytes), stats.deltas_sent,
             stats.deltas_joined, stats.deltas_refused, stats.waiting);
    if (stats.alarms)
        say_line(&c->say, "%salarms: %" PRIu64 "%s", say_red(&c->say),
                 stats.alarms, say_plain(&c->say));
    say_line(&c->say, "peers:");
    tell_peers(c);
    say_line(&c->say, "version vector:");
    tell_vv(c);
}

void run_status(void *ctx, int words, char **word)
{
    client *c = (client *)ctx;
    size_t servers = transfers_servers(c->files);
    (void)words;
    (void)word;
    json_text(c->say.answer, "user", c->user);
    json_text(c->say.answer, "server", c->server);
    json_bool(c->say.answer, "online", c->is_logged_in);
    json_number(c->say.answer, "data_servers", (double)servers);
    say_line(&c->say, "%s, server %s: %s; %zu data servers",
             *c->user ? c->user : "not logged in", c->server,
             c->is_linked ? "connected" : "not connected", servers);
    if (c->in_album.is_open)
        tell_state(c);
}

/* >>waiting --------------------------------------------------------------- */

static double seconds_of(client *c, int words, char **word, double otherwise)
{
    double seconds = otherwise;
    if (words > 1 && !text_number(word[1], &seconds))
        say_fail(&c->say, NULL,
                 "SECONDS is a number of at least 0, not \"%s\"", word[1]);
    return seconds;
}

static void waited(client *c, const char *why)
{
    double seconds = (double)(ticks_ms() - c->since_ms) / 1000;
    input_answer(c);
    if (why)
        say_fail(&c->say, "`status` shows what is at whom",
                 "not synced after %.1f s: %s", seconds, why);
    else
        say_line(&c->say, "synced after %.1f s", seconds);
    input_done(c);
}

void run_wait(void *ctx, int words, char **word)
{
    client *c = (client *)ctx;
    double seconds = seconds_of(c, words, word, WAIT_SECONDS);
    if (c->say.failed || !session_is_open(c))
        return;
    input_later(c);
    input_sync(c, (uint64_t)(seconds * 1000), waited);
}

void run_sleep(void *ctx, int words, char **word)
{
    client *c = (client *)ctx;
    double seconds = seconds_of(c, words, word, 1);
    if (c->say.failed)
        return;
    input_later(c);
    c->until_ms = ticks_ms() + (uint64_t)(seconds * 1000);
    c->sleeps = 1;
}

void run_chaos(void *ctx, int words, char **word)
{
    client *c = (client *)ctx;
    char why[200] = "";
    crdt_err err;
    (void)words;
    if (!session_is_open(c))
        return;
    err = network_chaos(&c->in_album.r.net, word[1], why, sizeof why);
    if (!err && c->in_album.has_up)
        err = network_chaos(&c->in_album.up, word[1], why, sizeof why);
    if (err)
        say_fail(&c->say, "start with --chaos SPEC or --chaos \"\"", "%s",
                 *why ? why : crdt_err_text(err));
}
