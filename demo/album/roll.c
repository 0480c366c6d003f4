#include "../common/posix.h"

#include "roll.h"
#include "../common/json.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

static int is_name(const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t len = strlen(text);
    return len && len <= RING_NAME_MAX && strspn(text, letters) == len;
}

static int is_address(const char *text)
{
    size_t len = strlen(text);
    return len && len <= ROLL_ADDRESS_MAX && strchr(text, ':') &&
           strspn(text, "0123456789abcdefABCDEF.:[]") == len;
}

roll_server *roll_find(roll *r, const char *name)
{
    size_t i;
    for (i = 0; i < r->count; i++)
        if (strcmp(r->servers[i].name, name) == 0)
            return &r->servers[i];
    return NULL;
}

/* Room at its place by name. */
static roll_server *insert(roll *r, const char *name)
{
    size_t at = 0;
    while (at < r->count && strcmp(r->servers[at].name, name) < 0)
        at++;
    memmove(r->servers + at + 1, r->servers + at,
            (r->count - at) * sizeof *r->servers);
    r->count++;
    memset(&r->servers[at], 0, sizeof *r->servers);
    snprintf(r->servers[at].name, sizeof r->servers[at].name, "%s", name);
    return &r->servers[at];
}

int roll_put(roll *r, const char *name, const char *address, int is_leaving)
{
    roll_server *server = roll_find(r, name);
    if (!is_name(name) || !is_address(address) ||
        (!server && r->count == ROLL_MAX))
        return 0;
    if (!server)
        server = insert(r, name);
    snprintf(server->address, sizeof server->address, "%s", address);
    server->is_leaving = is_leaving;
    return 1;
}

void roll_remove(roll *r, const char *name)
{
    roll_server *server = roll_find(r, name);
    size_t behind;
    if (!server)
        return;
    behind = (size_t)(r->servers + r->count - server - 1);
    memmove(server, server + 1, behind * sizeof *server);
    r->count--;
}

int roll_equal(const roll *a, const roll *b)
{
    size_t i;
    if (a->copies != b->copies || a->count != b->count)
        return 0;
    for (i = 0; i < a->count; i++)
        if (strcmp(a->servers[i].name, b->servers[i].name) != 0 ||
            strcmp(a->servers[i].address, b->servers[i].address) != 0 ||
            a->servers[i].is_leaving != b->servers[i].is_leaving)
            return 0;
    return 1;
}

void roll_id(const roll *r, uint8_t out[ROLL_ID_SIZE])
{
    crypto_generichash_state state;
    uint8_t copies = (uint8_t)r->copies;
    size_t i;
    crypto_generichash_init(&state, NULL, 0, ROLL_ID_SIZE);
    crypto_generichash_update(&state, &copies, 1);
    for (i = 0; i < r->count; i++) {
        const roll_server *server = &r->servers[i];
        if (!server->is_leaving)
            crypto_generichash_update(&state, (const uint8_t *)server->name,
                                      strlen(server->name) + 1);
    }
    crypto_generichash_final(&state, out, ROLL_ID_SIZE);
}

/* >>JSON ------------------------------------------------------------------ */

static cJSON *server_json(const roll_server *server)
{
    cJSON *object = cJSON_CreateObject();
    json_text(object, "name", server->name);
    json_text(object, "address", server->address);
    if (server->is_leaving)
        json_bool(object, "leaving", 1);
    return object;
}

/* A list that lacks one would be believed. */
cJSON *roll_json(const roll *r)
{
    cJSON *object = cJSON_CreateObject();
    cJSON *servers = cJSON_AddArrayToObject(object, "servers");
    size_t i;
    json_number(object, "copies", r->copies);
    for (i = 0; i < r->count; i++) {
        cJSON *server = server_json(&r->servers[i]);
        if (!cJSON_AddItemToArray(servers, server)) {
            cJSON_Delete(server);
            cJSON_Delete(object);
            return NULL;
        }
    }
    return object;
}

int roll_from_json(roll *out, const cJSON *object)
{
    static roll r; /* large */
    double copies = json_get_number(object, "copies");
    const cJSON *server;
    const cJSON *servers = cJSON_GetObjectItemCaseSensitive(object, "servers");
    memset(&r, 0, sizeof r);
    if (!(copies >= 1 && copies <= ROLL_COPIES_MAX) || !cJSON_IsArray(servers))
        return 0;
    r.copies = (unsigned)copies;
    cJSON_ArrayForEach(server, servers)
    {
        const char *name = json_get_text(server, "name");
        const char *address = json_get_text(server, "address");
        if (!name || !address || roll_find(&r, name) ||
            !roll_put(&r, name, address, json_get_bool(server, "leaving")))
            return 0;
    }
    *out = r;
    return 1;
}
