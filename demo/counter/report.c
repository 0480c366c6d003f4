#include "../common/posix.h"

#include "report.h"
#include "../common/peer.h"
#include "../common/text.h"
#include "mode.h"
#include "names.h"
#include "variables.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* >>own changes ----------------------------------------------------------- */

uint64_t report_own(const app *a)
{
    crdt_vv vv = CRDT_VV_INIT;
    uint64_t own = 0;
    if (!crdt_doc_vv(a->doc, &vv))
        own = crdt_vv_get(&vv, &a->replica);
    crdt_vv_free(&vv);
    return own;
}

uint64_t report_acked(const app *a)
{
    crdt_vv vv = CRDT_VV_INIT;
    uint64_t acked = 0;
    if (!crdt_node_acked(a->node, CRDT_STR(DOCUMENT_NAME), &vv))
        acked = crdt_vv_get(&vv, &a->replica);
    crdt_vv_free(&vv);
    return acked;
}

/* >>synced ---------------------------------------------------------------- */

static char *peer_name(const crdt_peer_info *peer, char *out, size_t size)
{
    if (!peer->name.len)
        return text_clean(out, size, "(no name yet)", 13);
    return text_clean(out, size, peer->name.ptr, peer->name.len);
}

static int peer_synced(const crdt_peer_info *peer, char *why, size_t why_size)
{
    char name[80];
    if (peer->state == CRDT_PEER_SYNCED && !peer->unacked && !peer->lag)
        return 1;
    snprintf(why, why_size,
             "%s is %s: it lacks %" PRIu64
             " of the changes made here and has %" PRIu64 " that we lack",
             peer_name(peer, name, sizeof name), peer_state(peer->state),
             peer->unacked, peer->lag);
    return 0;
}

int report_synced(const app *a, char *why, size_t why_size)
{
    crdt_peer_info peer;
    uint64_t alone = report_own(a) - report_acked(a);
    size_t i;
    for (i = 0; crdt_node_peer(a->node, i, &peer) == CRDT_OK; i++)
        if (!peer_synced(&peer, why, why_size))
            return 0;
    if (i > 0 || (!alone && !a->set.peers.count))
        return 1;
    snprintf(why, why_size, "no peer is connected");
    if (alone)
        snprintf(why, why_size,
                 "no peer is connected and %" PRIu64 " changes are only here",
                 alone);
    return 0;
}

size_t report_connected(const app *a)
{
    crdt_peer_info peer;
    size_t i, count = 0;
    for (i = 0; crdt_node_peer(a->node, i, &peer) == CRDT_OK; i++)
        count += peer.state != CRDT_PEER_GREETING;
    return count;
}

/* >>peers ----------------------------------------------------------------- */

static void peer_line(app *a, const crdt_peer_info *peer)
{
    char name[80], link[100], in[28], out[28], lacks[28], lag[28];
    int synced = peer->state == CRDT_PEER_SYNCED;
    text_clean(link, sizeof link, peer->link, strlen(peer->link));
    say_line(
        &a->say,
        "  %-12s %-21s %s%-8s%s lacks %s of ours, we lack %s of its; "
        "in %s, out %s",
        peer_name(peer, name, sizeof name), link,
        synced ? say_green(&a->say) : "", peer_state(peer->state),
        synced ? say_plain(&a->say) : "", text_thousands(lacks, peer->unacked),
        text_thousands(lag, peer->lag), text_size(in, peer->received_bytes),
        text_size(out, peer->sent_bytes));
}

/* >>members --------------------------------------------------------------- */

static const char *member_mode(const crdt_member_info *m)
{
    switch (m->status) {
    case CRDT_MEMBER_ACTIVE:
        return mode_name(m->phase);
    case CRDT_MEMBER_EVICTED:
        return "evicted";
    case CRDT_MEMBER_LEFT:
        return "left";
    }
    return "unknown";
}

static void member_json(app *a, cJSON *list, const crdt_member_info *m)
{
    cJSON *object = cJSON_CreateObject();
    char id[33];
    crdt_id_text(&m->replica, id);
    json_text(object, "name", names_replica(a, &m->replica));
    json_text(object, "replica", id);
    json_text(object, "mode", member_mode(m));
    json_bool(object, "self", m->is_self);
    json_uint64(object, "unacked", m->unacked);
    json_uint64(object, "missing", m->missing);
    json_uint64(object, "lag", m->lag);
    json_number(object, "silent_ms", (double)m->silent_ms);
    cJSON_AddItemToArray(list, object);
}

/* Those who count: we, and who is active. */
static void report_members(app *a)
{
    cJSON *list = a->say.answer
                      ? cJSON_AddArrayToObject(a->say.answer, "members")
                      : NULL;
    crdt_member_info m;
    char lacks[28], lag[28];
    size_t i;
    for (i = 0;
         crdt_node_member(a->node, CRDT_STR(DOCUMENT_NAME), i, &m) == CRDT_OK;
         i++) {
        if (list)
            member_json(a, list, &m);
        if (m.status != CRDT_MEMBER_ACTIVE)
            continue;
        if (m.is_self)
            say_line(&a->say, "  %-12s %-6s this one", a->set.name,
                     member_mode(&m));
        else
            say_line(&a->say, "  %-12s %-6s lacks %s, we lack %s of its",
                     names_replica(a, &m.replica), member_mode(&m),
                     text_thousands(lacks, m.missing),
                     text_thousands(lag, m.lag));
    }
}

static void report_links(app *a)
{
    cJSON *list =
        a->say.answer ? cJSON_AddArrayToObject(a->say.answer, "peers") : NULL;
    crdt_peer_info peer;
    size_t i;
    for (i = 0; crdt_node_peer(a->node, i, &peer) == CRDT_OK; i++) {
        if (list)
            peer_json(list, &peer);
        peer_line(a, &peer);
    }
    if (!i)
        say_line(&a->say, "  nobody is connected%s",
                 a->set.peers.count || *a->net.listening || a->set.discover
                     ? ""
                     : "; start with --listen or --peer to meet others");
}

void report_peers(app *a)
{
    report_links(a);
    say_line(&a->say, "members, and the mode of each:");
    report_members(a);
}

/* >>vectors and digests --------------------------------------------------- */

static void vv_entry(app *a, cJSON *list, const crdt_dot *entry)
{
    int own = crdt_id_compare(&entry->replica, &a->replica) == 0;
    char id[33];
    crdt_id_text(&entry->replica, id);
    say_line(&a->say, "  %s  %" PRIu64 "%s", id, entry->seq,
             own ? "  (this one)" : "");
    if (list) {
        cJSON *object = cJSON_CreateObject();
        json_text(object, "replica", id);
        json_uint64(object, "seq", entry->seq);
        json_bool(object, "own", own);
        cJSON_AddItemToArray(list, object);
    }
}

void report_vv(app *a)
{
    cJSON *list =
        a->say.answer ? cJSON_AddArrayToObject(a->say.answer, "vv") : NULL;
    crdt_vv vv = CRDT_VV_INIT;
    size_t i;
    crdt_err err = crdt_doc_vv(a->doc, &vv);
    if (err)
        say_fail(&a->say, NULL, "%s", crdt_err_text(err));
    for (i = 0; i < vv.len && !err; i++)
        vv_entry(a, list, &vv.entries[i]);
    if (!err && !vv.len)
        say_line(&a->say, "  nothing has been changed yet");
    crdt_vv_free(&vv);
}

static void digest_text(const app *a, char out[33])
{
    crdt_digest digest = crdt_doc_digest(a->doc);
    snprintf(out, 33, "%016" PRIx64 "%016" PRIx64, digest.hi, digest.lo);
}

void report_digest(app *a)
{
    char digest[33];
    digest_text(a, digest);
    json_text(a->say.answer, "digest", digest);
    say_line(&a->say, "%s", digest);
}

/* >>status ---------------------------------------------------------------- */

static void status_json(app *a, const crdt_node_stats *stats)
{
    cJSON *answer = a->say.answer;
    char text[33];
    json_text(answer, "name", a->set.name);
    crdt_id_text(&a->replica, text);
    json_text(answer, "replica", text);
    json_text(answer, "listen", a->net.listening);
    digest_text(a, text);
    json_text(answer, "digest", text);
    json_text(answer, "mode", mode_name(a->mode.phase));
    json_uint64(answer, "epoch", a->mode.number);
    json_number(answer, "history", (double)a->history.len);
    json_number(answer, "variables", (double)crdt_map_size(crdt_root(a->doc)));
    json_uint64(answer, "own", report_own(a));
    json_uint64(answer, "acked", report_acked(a));
    json_uint64(answer, "unacked", report_own(a) - report_acked(a));
    json_number(answer, "sent_bytes", (double)stats->sent_bytes);
    json_number(answer, "received_bytes", (double)stats->received_bytes);
    json_number(answer, "deltas_sent", (double)stats->deltas_sent);
    json_number(answer, "deltas_joined", (double)stats->deltas_joined);
    json_number(answer, "deltas_refused", (double)stats->deltas_refused);
    json_number(answer, "waiting", (double)stats->waiting);
    json_number(answer, "alarms", (double)stats->alarms);
}

static void status_head(app *a)
{
    char id[33], digest[33];
    size_t count = crdt_map_size(crdt_root(a->doc));
    crdt_id_text(&a->replica, id);
    digest_text(a, digest);
    say_line(&a->say, "%s%s%s, replica %s%s%s", say_bold(&a->say), a->set.name,
             say_plain(&a->say), id,
             *a->net.listening ? ", listening on " : "", a->net.listening);
    say_line(&a->say, "%zu variable%s, digest %s", count,
             count == 1 ? "" : "s", digest);
    say_line(&a->say,
             "mode %s, %" PRIu64 " full syncs, %zu rows of history since",
             mode_name(a->mode.phase), a->mode.number, a->history.len);
}

/* The least that survives when this process dies now. */
static void status_unacked(app *a)
{
    uint64_t own = report_own(a), acked = report_acked(a);
    char made[28], alone[28];
    text_thousands(made, own);
    text_thousands(alone, own - acked);
    if (own == acked)
        say_line(&a->say, "%s changes made here, all confirmed by a peer",
                 made);
    else
        say_line(&a->say,
                 "%s changes made here, %s%s of them not yet confirmed by "
                 "anyone%s",
                 made, say_red(&a->say), alone, say_plain(&a->say));
}

static void status_traffic(app *a, const crdt_node_stats *stats)
{
    char in[28], out[28];
    say_line(&a->say,
             "in %s, out %s; deltas: %" PRIu64 " sent, %" PRIu64
             " joined, %" PRIu64 " refused, %" PRIu64 " waiting",
             text_size(in, stats->received_bytes),
             text_size(out, stats->sent_bytes), stats->deltas_sent,
             stats->deltas_joined, stats->deltas_refused, stats->waiting);
    if (stats->alarms)
        say_line(&a->say, "%salarms: %" PRIu64 "%s", say_red(&a->say),
                 stats->alarms, say_plain(&a->say));
}

void report_status(app *a)
{
    crdt_node_stats stats;
    crdt_node_get_stats(a->node, &stats);
    if (a->say.answer)
        status_json(a, &stats);
    status_head(a);
    status_unacked(a);
    status_traffic(a, &stats);
    say_line(&a->say, "peers:");
    report_peers(a);
    say_line(&a->say, "version vector:");
    report_vv(a);
}
