#include "../common/posix.h"

#include "notices.h"
#include "../common/text.h"
#include "../common/ticks.h"
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROGRESS_JSON_MS = 50, PROGRESS_TEXT_MS = 2000 };

/* >>peers ----------------------------------------------------------------- */

static known_peer *find(app *a, const crdt_id *node)
{
    size_t i;
    for (i = 0; i < a->known_count; i++)
        if (crdt_id_compare(&a->known[i].node, node) == 0)
            return &a->known[i];
    return NULL;
}

static cJSON *peer_event(app *a, const char *event, const known_peer *peer)
{
    cJSON *object = say_event(&a->say, event);
    char id[33];
    crdt_id_text(&peer->node, id);
    json_text(object, "name", peer->name);
    json_text(object, "node", id);
    return object;
}

static known_peer *arrive(app *a, const crdt_peer_info *info)
{
    known_peer *peer = &a->known[a->known_count];
    char link[100];
    cJSON *event;
    if (a->known_count == KNOWN_MAX)
        return NULL;
    a->known_count++;
    memset(peer, 0, sizeof *peer);
    peer->node = info->node;
    text_clean(peer->name, sizeof peer->name, info->name.ptr, info->name.len);
    text_clean(link, sizeof link, info->link, strlen(info->link));
    event = peer_event(a, "peer_up", peer);
    json_text(event, "link", link);
    say_notice(&a->say, event, "%s is here (%s)", peer->name, link);
    return peer;
}

/* The engine logs "NAME (LINK): why" when a link ends. */
static const char *reason(const app *a)
{
    const char *why = strstr(a->log_line, "): ");
    return why ? why + 3 : "";
}

static void leave(app *a, known_peer *peer)
{
    cJSON *event = peer_event(a, "peer_down", peer);
    const char *why = reason(a);
    json_text(event, "why", why);
    say_notice(&a->say, event, "%s is gone%s%s", peer->name, *why ? ": " : "",
               why);
    *peer = a->known[--a->known_count];
}

static void look(app *a, const crdt_peer_info *info)
{
    known_peer *peer;
    if (info->state == CRDT_PEER_GREETING)
        return;
    peer = find(a, &info->node);
    if (!peer)
        peer = arrive(a, info);
    if (!peer)
        return;
    peer->is_here = 1;
    if (peer->was_synced || info->state != CRDT_PEER_SYNCED)
        return;
    peer->was_synced = 1;
    say_notice(&a->say, peer_event(a, "peer_synced", peer), NULL);
}

static void confirm(app *a)
{
    uint64_t acked = a->confirm ? report_acked(a) : 0;
    cJSON *event;
    char count[28];
    if (!a->confirm || acked < a->confirm)
        return;
    event = say_event(&a->say, "confirmed");
    json_uint64(event, "seq", a->confirm);
    json_uint64(event, "acked", acked);
    say_notice(&a->say, event,
               "all %s changes made here are confirmed by a peer",
               text_thousands(count, a->confirm));
    a->confirm = 0;
}

void notices_update(app *a)
{
    crdt_peer_info info;
    size_t i;
    for (i = 0; i < a->known_count; i++)
        a->known[i].is_here = 0;
    for (i = 0; crdt_node_peer(a->node, i, &info) == CRDT_OK; i++)
        look(a, &info);
    for (i = a->known_count; i-- > 0;)
        if (!a->known[i].is_here)
            leave(a, &a->known[i]);
    confirm(a);
}

/* >>progress -------------------------------------------------------------- */

static cJSON *progress_event(app *a, const char *name)
{
    cJSON *event = say_event(&a->say, name);
    crdt_node_stats stats;
    crdt_node_get_stats(a->node, &stats);
    json_text(event, "file", a->load.file);
    json_number(event, "applied", (double)a->load.applied);
    json_number(event, "failed", (double)a->load.failed);
    json_number(event, "ms", (double)(ticks_ms() - a->load.begun_ms));
    json_uint64(event, "seq", report_own(a));
    json_uint64(event, "acked", report_acked(a));
    json_number(event, "sent_bytes", (double)stats.sent_bytes);
    json_number(event, "received_bytes", (double)stats.received_bytes);
    return event;
}

void notices_progress(app *a, int is_last)
{
    uint64_t now = ticks_ms();
    uint64_t pause = a->say.json ? PROGRESS_JSON_MS : PROGRESS_TEXT_MS;
    char applied[28], failed[28];
    if (!is_last && now - a->load.told_ms < pause)
        return;
    a->load.told_ms = now;
    notices_store(a); /* what is told is there */
    text_thousands(applied, a->load.applied);
    text_thousands(failed, a->load.failed);
    say_notice(&a->say, progress_event(a, is_last ? "loaded" : "progress"),
               "%s: %s changes made%s%s%s%s", a->load.file, applied,
               is_last ? ", done" : " so far", a->load.failed ? ", " : "",
               a->load.failed ? failed : "",
               a->load.failed ? " commands failed" : "");
}

/* >>store ----------------------------------------------------------------- */

crdt_err notices_store(app *a)
{
    crdt_err err = a->set.dir ? crdt_node_flush(a->node) : CRDT_OK;
    cJSON *event;
    if (err == a->store_err)
        return err;
    a->store_err = err;
    event = say_event(&a->say, "store");
    json_bool(event, "ok", !err);
    json_text(event, "error", err ? crdt_err_text(err) : "");
    say_notice(&a->say, event,
               err ? "cannot store in %s: %s; nothing is sent until it can be"
                   : "what is new is stored in %s again%s",
               a->set.dir, err ? crdt_err_text(err) : "");
    return err;
}

/* >>log ------------------------------------------------------------------- */

void notices_log(void *ctx, const char *line)
{
    app *a = (app *)ctx;
    text_clean(a->log_line, sizeof a->log_line, line, strlen(line));
    if (!a->set.verbose)
        return;
    fflush(stdout);
    fprintf(stderr, "counter: %s\n", a->log_line);
}
