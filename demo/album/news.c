/*
 * What others do, told as it happens: who comes and goes on our links, and
 * what changes in the album.
 */
#include "../common/posix.h"

#include "client.h"
#include "../common/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    SILENT_MS = 4000,
    LINES_MAX = 24 /* to tell at once; beyond that only how many */
};

/* >>the album ------------------------------------------------------------- */

/* Who wrote a change: of that name, or of a replica that never said. */
static void author_of(crdt_doc *doc, const crdt_patch *patch, char out[200])
{
    crdt_bytes user = album_author(doc, &patch->author);
    if (user.len)
        text_clean(out, 200, user.ptr, user.len);
    else
        snprintf(out, 200, "somebody");
}

static int is_path(const crdt_patch *patch, const char *path)
{
    return crdt_bytes_equal(patch->path, crdt_str(path));
}

static void tell(client *c, const char *what, const char *who,
                 const char *file, const char *form)
{
    cJSON *event = say_event(&c->say, what);
    json_text(event, "user", who);
    json_text(event, "file", file);
    say_notice(&c->say, event, form, who, file);
}

/* A whole file has come, or gone: with what it was. */
static void tell_file(client *c, crdt_doc *doc, const crdt_patch *patch)
{
    char who[200], name[200], id[ALBUM_ID_LEN + 1];
    album_file file;
    author_of(doc, patch, who);
    snprintf(id, sizeof id, "%.*s", (int)patch->key.len,
             (const char *)patch->key.ptr);
    if (patch->kind == CRDT_PATCH_REMOVE) {
        tell(c, "file_removed", who, id, "%s removed a file (#%.4s)");
    } else if (album_get_file(doc, id, &file) == CRDT_OK) {
        text_clean(name, sizeof name, file.name.ptr, file.name.len);
        text_clean(who, sizeof who, file.author.ptr, file.author.len);
        tell(c, "file_added", who, name, "%s added %s");
    }
}

/* "files/ID/ratings" and the user as key, or "files/ID" and the first vote. */
static void tell_vote(client *c, crdt_doc *doc, const crdt_patch *patch)
{
    char id[ALBUM_ID_LEN + 1], who[200], name[200];
    album_file file;
    if (patch->path.len < 6 + ALBUM_ID_LEN)
        return;
    snprintf(id, sizeof id, "%.*s", ALBUM_ID_LEN,
             (const char *)patch->path.ptr + 6);
    if (album_get_file(doc, id, &file))
        return;
    author_of(doc, patch, who);
    text_clean(name, sizeof name, file.name.ptr, file.name.len);
    tell(c, "file_rated", who, name, "%s rated %s");
}

static void tell_member(client *c, const crdt_patch *patch)
{
    const crdt_value *value =
        patch->kind == CRDT_PATCH_ADD ? &patch->now : &patch->before;
    char name[200];
    if (value->kind != CRDT_STRING)
        return;
    text_clean(name, sizeof name, value->as.bytes.ptr, value->as.bytes.len);
    if (patch->kind == CRDT_PATCH_ADD)
        tell(c, "member_added", name, "", "%s is a member now%s");
    else
        tell(c, "member_removed", name, "", "%s is no member any more%s");
}

/* >>the chat -------------------------------------------------------------- */

static void tell_message(client *c, size_t index)
{
    album_message message;
    char who[200], text[4 * 1024];
    cJSON *event;
    if (album_chat_get(c->in_album.r.doc, index, &message))
        return;
    text_clean(who, sizeof who, message.who.ptr, message.who.len);
    text_clean(text, sizeof text, message.text.ptr, message.text.len);
    event = say_event(&c->say, "chat");
    json_text(event, "user", who);
    json_text(event, "text", text);
    say_notice(&c->say, event, "%s: %s", who, text);
}

/* Messages that were written at once with ours may stand in front of them. */
static void tell_messages(client *c, const crdt_patch *patch)
{
    size_t i, n, at = 0;
    for (i = 0; i < patch->steps_len; i++) {
        const crdt_step *step = &patch->steps[i];
        for (n = 0; step->kind == CRDT_STEP_INSERT && n < step->chars; n++)
            tell_message(c, at + n);
        if (step->kind != CRDT_STEP_DELETE)
            at += step->chars;
    }
}

/* >>all ------------------------------------------------------------------- */

/* The first file, or the first message, comes with what holds them. */
static void look_root(client *c, crdt_doc *doc, const crdt_patch *patch)
{
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    album_file file;
    size_t i, len = album_chat_len(doc);
    if (crdt_bytes_equal(patch->key, CRDT_STR("files")))
        while (album_next_file(doc, &cursor, &file) == CRDT_OK) {
            char who[200], name[200];
            text_clean(name, sizeof name, file.name.ptr, file.name.len);
            text_clean(who, sizeof who, file.author.ptr, file.author.len);
            tell(c, "file_added", who, name, "%s added %s");
        }
    if (crdt_bytes_equal(patch->key, CRDT_STR("chat")))
        for (i = 0; i < len; i++)
            tell_message(c, i);
}

static void look(client *c, crdt_doc *doc, const crdt_patch *patch)
{
    if (patch->is_local)
        return;
    if (patch->kind == CRDT_PATCH_LIST && is_path(patch, "chat"))
        tell_messages(c, patch);
    else if (is_path(patch, ""))
        look_root(c, doc, patch);
    else if (is_path(patch, "files"))
        tell_file(c, doc, patch);
    else if (is_path(patch, "members"))
        tell_member(c, patch);
    else if (patch->path.len > 6 && memcmp(patch->path.ptr, "files/", 6) == 0)
        tell_vote(c, doc, patch);
}

/* How many lines it would take to tell. */
static size_t weight(crdt_doc *doc, const crdt_patch *patches, size_t len)
{
    size_t i, k, sum = 0;
    for (i = 0; i < len; i++) {
        const crdt_patch *patch = &patches[i];
        int is_root = is_path(patch, "");
        for (k = 0; k < patch->steps_len; k++)
            sum += patch->steps[k].kind == CRDT_STEP_INSERT
                       ? patch->steps[k].chars
                       : 0;
        if (is_root && crdt_bytes_equal(patch->key, CRDT_STR("files")) &&
            patch->now.kind == CRDT_OBJECT)
            sum += crdt_map_size(patch->now.as.object);
        else if (is_root && crdt_bytes_equal(patch->key, CRDT_STR("chat")))
            sum += album_chat_len(doc);
        else
            sum++;
    }
    return sum;
}

static void changed(void *ctx, crdt_doc *doc, const crdt_patch *patches,
                    size_t len)
{
    client *c = (client *)ctx;
    size_t i, sum = weight(doc, patches, len);
    cJSON *event;
    if (len && patches[0].is_local)
        return;
    if (sum <= LINES_MAX) {
        for (i = 0; i < len; i++)
            look(c, doc, &patches[i]);
        return;
    }
    event = say_event(&c->say, "caught_up");
    json_number(event, "changes", (double)sum);
    say_notice(&c->say, event,
               "%zu changes came at once; listFiles and chat show them", sum);
}

void news_start(client *c)
{
    crdt_doc_watch(c->in_album.r.doc, changed, c);
}

/* >>links ----------------------------------------------------------------- */

static known_peer *find(session *s, const crdt_id *node)
{
    size_t i;
    for (i = 0; i < s->known_count; i++)
        if (crdt_id_compare(&s->known[i].node, node) == 0)
            return &s->known[i];
    return NULL;
}

static void tell_peer(client *c, const char *what, const known_peer *peer,
                      const char *form)
{
    cJSON *event = say_event(&c->say, what);
    json_text(event, "name", peer->name);
    say_notice(&c->say, event, form, peer->name);
}

static void look_peer(client *c, const crdt_peer_info *info)
{
    session *s = &c->in_album;
    known_peer *peer;
    int is_silent = info->silent_ms > SILENT_MS;
    if (info->state == CRDT_PEER_GREETING)
        return;
    peer = find(s, &info->node);
    if (!peer) {
        if (s->known_count == PEERS_MAX)
            return;
        peer = &s->known[s->known_count++];
        memset(peer, 0, sizeof *peer);
        peer->node = info->node;
        text_clean(peer->name, sizeof peer->name, info->name.ptr,
                   info->name.len);
        tell_peer(c, "peer_up", peer, "connected with %s");
    }
    if (is_silent && !peer->is_silent)
        tell_peer(c, "peer_silent", peer, "%s has gone silent");
    peer->is_silent = is_silent;
    peer->is_here = 1;
}

static void look_peers(client *c)
{
    session *s = &c->in_album;
    crdt_peer_info info;
    size_t i;
    for (i = 0; i < s->known_count; i++)
        s->known[i].is_here = 0;
    for (i = 0; crdt_node_peer(s->r.node, i, &info) == CRDT_OK; i++)
        look_peer(c, &info);
    for (i = s->known_count; i-- > 0;)
        if (!s->known[i].is_here) {
            tell_peer(c, "peer_down", &s->known[i],
                      "not connected with %s any more");
            s->known[i] = s->known[--s->known_count];
        }
}

void news_step(client *c)
{
    look_peers(c);
}
