#include "../common/posix.h"

#include "registry.h"
#include "roll.h"
#include "serve.h"
#include "../common/json.h"
#include "../common/ticks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { COPIES = 2, LEASE_MS = 10000 };

/* Who is on the roll, and when he was last heard. */
typedef struct lease {
    char name[RING_NAME_MAX + 1];
    uint64_t heard_ms;
} lease;

struct registry {
    registry_config config;
    serve serve;
    roll roll;
    lease leases[ROLL_MAX]; /* roll.count of them, in any order */
};

static void change(registry *r, const char *name, const char *what)
{
    char text[128];
    snprintf(text, sizeof text, "data server %s %s", name, what);
    if (r->config.changed)
        r->config.changed(r->config.ctx, text);
}

/* >>leases ---------------------------------------------------------------- */

static lease *lease_of(registry *r, const char *name)
{
    size_t i;
    for (i = 0; i < r->roll.count; i++)
        if (strcmp(r->leases[i].name, name) == 0)
            return &r->leases[i];
    return NULL;
}

static void strike(registry *r, const char *name, const char *what)
{
    char copy[RING_NAME_MAX + 1]; /* the name may be in what goes */
    lease *held = lease_of(r, name);
    snprintf(copy, sizeof copy, "%s", name);
    if (!held)
        return;
    *held = r->leases[r->roll.count - 1];
    roll_remove(&r->roll, copy);
    change(r, copy, what);
}

static void strike_silent(registry *r)
{
    size_t i;
    for (i = r->roll.count; i-- > 0;)
        if (ticks_ms() - r->leases[i].heard_ms > r->config.lease_ms)
            strike(r, r->leases[i].name, "is silent");
}

/* Nobody else takes the name of one who is alive. */
static wire_reply enter(registry *r, const char *name, const char *address,
                        int is_leaving)
{
    roll_server *known = roll_find(&r->roll, name);
    const char *what = "is here";
    lease *held = lease_of(r, name);
    if (known && strcmp(known->address, address) != 0)
        return WIRE_TAKEN;
    if (known && known->is_leaving != is_leaving)
        what = is_leaving ? "is leaving" : "stays";
    else if (known)
        what = NULL;
    if (!roll_put(&r->roll, name, address, is_leaving))
        return WIRE_NONSENSE;
    if (!held)
        held = &r->leases[r->roll.count - 1];
    snprintf(held->name, sizeof held->name, "%s", name);
    held->heard_ms = ticks_ms();
    if (what)
        change(r, name, what);
    return WIRE_OK;
}

/* >>hearing --------------------------------------------------------------- */

static void answer_roll(const registry *r, wire *to)
{
    cJSON *object = roll_json(&r->roll);
    char *text = object ? cJSON_PrintUnformatted(object) : NULL;
    if (text)
        wire_answer(to, WIRE_OK, text, strlen(text));
    cJSON_free(text);
    cJSON_Delete(object);
}

static wire_reply take(registry *r, const cJSON *said)
{
    const char *name = json_get_text(said, "name");
    const char *address = json_get_text(said, "address");
    if (!name || !address)
        return WIRE_NONSENSE;
    if (!json_get_bool(said, "gone"))
        return enter(r, name, address, json_get_bool(said, "leaving"));
    strike(r, name, "has left");
    return WIRE_OK;
}

static void answer_register(registry *r, wire *from, const uint8_t *body,
                            size_t len)
{
    cJSON *said = json_parse((const char *)body, len);
    wire_reply reply = said ? take(r, said) : WIRE_NONSENSE;
    cJSON_Delete(said);
    if (reply == WIRE_OK)
        answer_roll(r, from);
    else
        wire_answer(from, reply, NULL, 0);
}

static void answer_named(const registry *r, wire *from, const uint8_t *body,
                         size_t len)
{
    chunk_hash names[REGISTRY_NAMES_MAX];
    uint8_t answer[sizeof(uint64_t) + REGISTRY_NAMES_MAX];
    size_t count = len / sizeof *names;
    uint64_t patience_s = 0;
    if (len % sizeof *names || count > REGISTRY_NAMES_MAX) {
        wire_answer(from, WIRE_NONSENSE, NULL, 0);
        return;
    }
    memcpy(names, body, len);
    if (r->config.named)
        patience_s = r->config.named(r->config.ctx, names, count,
                                     answer + sizeof patience_s);
    if (!patience_s) {
        wire_answer(from, WIRE_UNSURE, NULL, 0);
        return;
    }
    wire_put_number(answer, patience_s, sizeof patience_s);
    wire_answer(from, WIRE_OK, answer, sizeof patience_s + count);
}

static void hear(void *ctx, wire *from, wire_kind kind, const uint8_t *body,
                 size_t len)
{
    registry *r = (registry *)ctx;
    if (!(from->bearer.rights & PASS_PEER))
        wire_answer(from, WIRE_DENIED, NULL, 0);
    else if (kind == WIRE_REGISTER)
        answer_register(r, from, body, len);
    else if (kind == WIRE_NAMED)
        answer_named(r, from, body, len);
    else
        wire_answer(from, WIRE_NONSENSE, NULL, 0);
}

/* >>face ------------------------------------------------------------------ */

registry *registry_open(const registry_config *config, char *why, size_t size)
{
    registry *r = (registry *)calloc(1, sizeof *r);
    if (!r) {
        snprintf(why, size, "no memory");
        return NULL;
    }
    r->config = *config;
    if (!r->config.lease_ms)
        r->config.lease_ms = LEASE_MS;
    r->roll.copies = config->copies ? config->copies : COPIES;
    if (r->roll.copies > ROLL_COPIES_MAX)
        r->roll.copies = ROLL_COPIES_MAX;
    if (!serve_open(&r->serve, config->listen, &config->key, why, size)) {
        free(r);
        return NULL;
    }
    r->serve.hear = hear;
    r->serve.ctx = r;
    return r;
}

void registry_close(registry *r)
{
    if (r)
        serve_close(&r->serve);
    free(r);
}

unsigned registry_port(const registry *r)
{
    return serve_port(&r->serve);
}

int registry_fd(const registry *r)
{
    return r->serve.epoll;
}

int registry_step(registry *r)
{
    int wait = serve_step(&r->serve);
    strike_silent(r);
    return wait;
}

size_t registry_count(const registry *r)
{
    return r->roll.count;
}

const roll *registry_roll(const registry *r)
{
    return &r->roll;
}

char *registry_text(const registry *r, unsigned seconds)
{
    cJSON *object = roll_json(&r->roll);
    char *text;
    pass bearer;
    if (!object)
        return NULL;
    pass_make(&bearer, &r->config.key, PASS_READ | PASS_WRITE,
              (uint64_t)time(NULL) + seconds);
    cJSON_AddItemToObject(object, "pass", pass_json(&bearer));
    text = cJSON_PrintUnformatted(object);
    cJSON_Delete(object);
    return text;
}
