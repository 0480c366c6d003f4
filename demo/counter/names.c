#include "../common/posix.h"

#include "names.h"
#include "../common/text.h"
#include "../common/ticks.h"

#include <stdio.h>
#include <string.h>

enum { TTL_MS = 60000, RENEW_MS = 20000, PRESENCE_MAX = 96 };

/* >>nodes ----------------------------------------------------------------- */

static int peer_name(app *a, const crdt_id *node, char *out, size_t size)
{
    crdt_peer_info peer;
    size_t i;
    for (i = 0; crdt_node_peer(a->node, i, &peer) == CRDT_OK; i++)
        if (peer.name.len && crdt_id_compare(&peer.node, node) == 0) {
            text_clean(out, size, peer.name.ptr, peer.name.len);
            return 1;
        }
    return 0;
}

/* >>replicas -------------------------------------------------------------- */

static known_name *known(app *a, const crdt_id *replica)
{
    size_t i;
    for (i = 0; i < a->names_count; i++)
        if (crdt_id_compare(&a->names[i].replica, replica) == 0)
            return &a->names[i];
    return NULL;
}

static void remember(app *a, const crdt_id *replica, const char *name)
{
    known_name *entry = known(a, replica);
    if (!entry && a->names_count < NAMES_MAX) {
        entry = &a->names[a->names_count++];
        entry->replica = *replica;
    }
    if (entry)
        snprintf(entry->name, sizeof entry->name, "%s", name);
}

/* Our presence is our replica id and our name. */
static void say_name(app *a, const crdt_id *own)
{
    uint8_t value[PRESENCE_MAX];
    crdt_bytes bytes;
    size_t len = strlen(a->set.name);
    bytes.ptr = value;
    bytes.len = sizeof own->b + len;
    memcpy(value, own->b, sizeof own->b);
    memcpy(value + sizeof own->b, a->set.name, len);
    crdt_node_set_presence(a->node, CRDT_STR(DOCUMENT_NAME), bytes, TTL_MS);
    remember(a, own, a->set.name);
}

static void hear_names(app *a)
{
    crdt_presence other;
    crdt_id replica;
    char name[80];
    size_t i;
    for (i = 0; crdt_node_presence(a->node, CRDT_STR(DOCUMENT_NAME), i,
                                   &other) == CRDT_OK;
         i++) {
        if (other.value.len <= sizeof replica.b)
            continue;
        memcpy(replica.b, other.value.ptr, sizeof replica.b);
        if (!known(a, &replica))
            remember(a, &replica,
                     text_clean(name, sizeof name,
                                other.value.ptr + sizeof replica.b,
                                other.value.len - sizeof replica.b));
    }
}

void names_update(app *a)
{
    crdt_member_info member;
    crdt_id own = crdt_doc_replica(a->doc);
    char name[80];
    size_t i;
    uint64_t now = ticks_ms();
    if (!known(a, &own) || now - a->named_ms > RENEW_MS) {
        a->named_ms = now;
        say_name(a, &own);
    }
    hear_names(a);
    for (i = 1; crdt_node_member(a->node, CRDT_STR(DOCUMENT_NAME), i,
                                 &member) == CRDT_OK;
         i++)
        if (!known(a, &member.replica) &&
            peer_name(a, &member.node, name, sizeof name))
            remember(a, &member.replica, name);
}

const char *names_replica(app *a, const crdt_id *replica)
{
    static char short_id[9];
    const known_name *entry = known(a, replica);
    char id[33];
    if (entry)
        return entry->name;
    crdt_id_text(replica, id);
    memcpy(short_id, id, 8);
    return short_id;
}

int names_find(app *a, const char *name, crdt_id *replica)
{
    crdt_member_info member;
    char id[33];
    size_t i;
    for (i = 1; crdt_node_member(a->node, CRDT_STR(DOCUMENT_NAME), i,
                                 &member) == CRDT_OK;
         i++) {
        crdt_id_text(&member.replica, id);
        if (member.status != CRDT_MEMBER_ACTIVE ||
            (strcmp(names_replica(a, &member.replica), name) != 0 &&
             (strlen(name) < 8 || strncmp(id, name, strlen(name)) != 0)))
            continue;
        *replica = member.replica;
        return 1;
    }
    return 0;
}
