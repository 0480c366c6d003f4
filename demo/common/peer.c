#include "posix.h"

#include "peer.h"
#include "json.h"

const char *peer_state(crdt_peer_state state)
{
    switch (state) {
    case CRDT_PEER_GREETING:
        return "greeting";
    case CRDT_PEER_SYNCING:
        return "syncing";
    case CRDT_PEER_SYNCED:
        return "synced";
    }
    return "unknown";
}

void peer_json(cJSON *list, const crdt_peer_info *peer)
{
    cJSON *object = cJSON_CreateObject();
    char id[33];
    crdt_id_text(&peer->node, id);
    json_bytes(object, "name", peer->name.ptr, peer->name.len);
    json_text(object, "link", peer->link);
    json_text(object, "node", id);
    json_text(object, "state", peer_state(peer->state));
    json_uint64(object, "unacked", peer->unacked);
    json_uint64(object, "lag", peer->lag);
    json_number(object, "sent_bytes", (double)peer->sent_bytes);
    json_number(object, "received_bytes", (double)peer->received_bytes);
    json_number(object, "silent_ms", (double)peer->silent_ms);
    cJSON_AddItemToArray(list, object);
}
