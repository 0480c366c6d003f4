#include "../common/posix.h"

#include "shelf.h"
#include "../common/json.h"
#include "../common/text.h"
#include "../common/ticks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* >>requests -------------------------------------------------------------- */

static wire_reply reply_of(chunk_err err)
{
    switch (err) {
    case CHUNK_OK:
        return WIRE_OK;
    case CHUNK_MISSING:
        return WIRE_MISSING;
    case CHUNK_BAD:
        return WIRE_BAD;
    case CHUNK_FULL:
        return WIRE_FULL;
    case CHUNK_IO:
    case CHUNK_NOMEM:
        break;
    }
    return WIRE_IO;
}

/* Who wants to know it of just this roll is told nothing by another. */
static int is_our_roll(const shelf *s, const uint8_t id[ROLL_ID_SIZE])
{
    static const uint8_t any[ROLL_ID_SIZE] = { 0 };
    uint8_t ours[ROLL_ID_SIZE];
    roll_id(&s->fleet.roll, ours);
    return memcmp(id, any, ROLL_ID_SIZE) == 0 ||
           memcmp(id, ours, ROLL_ID_SIZE) == 0;
}

static void answer_has(shelf *s, wire *from, const uint8_t *body, size_t len)
{
    uint8_t has[SHELF_HAS_MAX];
    size_t count = (len - ROLL_ID_SIZE) / WIRE_ITEM_SIZE, i;
    if (len < ROLL_ID_SIZE || (len - ROLL_ID_SIZE) % WIRE_ITEM_SIZE ||
        count > SHELF_HAS_MAX) {
        wire_answer(from, WIRE_NONSENSE, NULL, 0);
        return;
    }
    if (!is_our_roll(s, body)) {
        wire_answer(from, WIRE_UNSURE, NULL, 0);
        return;
    }
    for (i = 0; i < count; i++) {
        chunk_hash name;
        uint32_t age_s =
            wire_get_item(body + ROLL_ID_SIZE + i * WIRE_ITEM_SIZE, &name);
        has[i] = chunks_freshen(&s->store, &name, age_s) == CHUNK_OK;
    }
    wire_answer(from, WIRE_OK, has, count);
}

/* What is not ours to keep is brought to where it belongs. */
static void see_to(shelf *s, const chunk_hash *name)
{
    uint8_t keepers[ROLL_COPIES_MAX];
    size_t count = fleet_keepers(&s->fleet, name, keepers);
    while (count--)
        if (strcmp(s->fleet.roll.servers[keepers[count]].name, s->name) == 0)
            return;
    tend_soon(&s->tend);
}

static void answer_put(shelf *s, wire *from, const uint8_t *body, size_t len)
{
    chunk_hash name;
    chunk_err err;
    uint32_t age_s = wire_get_item(body, &name);
    if (s->stay != SHELF_STAYS) { /* it would be gone with us */
        wire_answer(from, WIRE_UNSURE, NULL, 0);
        return;
    }
    err = chunks_put(&s->store, &name, body + WIRE_ITEM_SIZE,
                     len - WIRE_ITEM_SIZE, age_s);
    if (err == CHUNK_OK) {
        s->puts++;
        see_to(s, &name);
    }
    wire_answer(from, reply_of(err), NULL, 0);
}

static void answer_get(shelf *s, wire *from, const uint8_t *body)
{
    chunk_hash name;
    size_t len = 0;
    chunk_err err;
    memcpy(name.bytes, body, sizeof name.bytes);
    err = chunks_get(&s->store, &name, s->bytes, &len);
    if (err == CHUNK_BAD)
        tend_want(&s->tend, &name);
    s->gets += err == CHUNK_OK;
    wire_answer(from, reply_of(err), s->bytes, err == CHUNK_OK ? len : 0);
}

static void hear(void *ctx, wire *from, wire_kind kind, const uint8_t *body,
                 size_t len)
{
    shelf *s = (shelf *)ctx;
    unsigned may = from->bearer.rights, must = PASS_READ;
    if (may & PASS_PEER)
        may |= PASS_READ | PASS_WRITE;
    if (kind == WIRE_PUT || kind == WIRE_HAS) /* which keeps it there */
        must = PASS_WRITE;
    if (!(may & must))
        wire_answer(from, WIRE_DENIED, NULL, 0);
    else if (kind == WIRE_HAS)
        answer_has(s, from, body, len);
    else if (kind == WIRE_PUT && len >= WIRE_ITEM_SIZE)
        answer_put(s, from, body, len);
    else if (kind == WIRE_GET && len == CHUNK_HASH_SIZE)
        answer_get(s, from, body);
    else
        wire_answer(from, WIRE_NONSENSE, NULL, 0);
}

/* >>registry -------------------------------------------------------------- */

/* While it is asked, the old roll holds. */
static void take_roll(shelf *s, const uint8_t *body, size_t len)
{
    cJSON *object = json_parse((const char *)body, len);
    roll *r = (roll *)malloc(sizeof *r);
    if (r && object && roll_from_json(r, object))
        fleet_set(&s->fleet, r);
    free(r);
    cJSON_Delete(object);
}

static void heard_roll(void *ctx, size_t tag, wire_reply reply,
                       const uint8_t *body, size_t len)
{
    shelf *s = (shelf *)ctx;
    (void)tag;
    s->is_asked = 0;
    s->register_ms = ticks_ms() + SHELF_REGISTER_MS;
    s->registered = reply;
    if (reply == WIRE_OK && s->stay == SHELF_GOES)
        s->stay = SHELF_GONE;
    else if (reply == WIRE_OK)
        take_roll(s, body, len);
}

static char *register_text(const shelf *s)
{
    cJSON *object = cJSON_CreateObject();
    char *text;
    json_text(object, "name", s->name);
    json_text(object, "address", s->address);
    json_bool(object, "leaving", s->stay == SHELF_LEAVES);
    json_bool(object, "gone", s->stay == SHELF_GOES);
    text = cJSON_PrintUnformatted(object);
    cJSON_Delete(object);
    return text;
}

static void ask_registry(shelf *s)
{
    char *text = register_text(s);
    talk_question q;
    if (!text)
        return;
    memset(&q, 0, sizeof q);
    q.kind = WIRE_REGISTER;
    q.body = text;
    q.body_len = strlen(text);
    q.heard = heard_roll;
    q.ctx = s;
    s->is_asked = talk_ask(&s->registry, &s->bearer, s->fleet.epoll, &q);
    cJSON_free(text);
}

/* Once everything is where it belongs, and that is not here. */
static void see_whether_gone(shelf *s)
{
    roll_server *we = roll_find(&s->fleet.roll, s->name);
    if (s->stay != SHELF_LEAVES || !we || !we->is_leaving || s->store.count ||
        !tend_is_done(&s->tend))
        return;
    s->stay = SHELF_GOES;
    s->register_ms = 0;
}

static int step_registry(shelf *s)
{
    int wait = talk_step(&s->registry, s->fleet.epoll);
    see_whether_gone(s);
    if (s->is_asked)
        return wait;
    if (talk_is_down(&s->registry))
        s->registered = WIRE_LOST;
    if (ticks_ms() >= s->register_ms)
        ask_registry(s);
    return s->is_asked ? wait : 50;
}

void shelf_leave(shelf *s)
{
    if (s->stay == SHELF_STAYS)
        s->stay = SHELF_LEAVES;
    s->register_ms = 0;
}

/* >>face ------------------------------------------------------------------ */

/* HOST of HOST:PORT, with the port that the system chose for 0. */
static int note_address(shelf *s, const shelf_config *config, char *why,
                        size_t size)
{
    const char *listen = config->listen;
    if (config->address) {
        snprintf(s->address, sizeof s->address, "%s", config->address);
        return 1;
    }
    if (*listen == ':' || strncmp(listen, "0.0.0.0:", 8) == 0 ||
        strncmp(listen, "[::]:", 5) == 0) {
        snprintf(why, size,
                 "--listen takes connections from everywhere: say "
                 "by --address where others find it");
        return 0;
    }
    text_at_port(s->address, sizeof s->address, listen, serve_port(&s->serve));
    return 1;
}

static int open_parts(shelf *s, const shelf_config *config, char *why,
                      size_t size)
{
    roll_server registry;
    if (!chunks_open(&s->store, config->dir, config->bytes_max, why, size) ||
        !serve_open(&s->serve, config->listen, &config->key, why, size) ||
        !note_address(s, config, why, size))
        return 0;
    s->bytes = (uint8_t *)malloc(CHUNK_MAX);
    if (!s->bytes || !fleet_open(&s->fleet) ||
        !tend_open(&s->tend, &s->store, &s->fleet, &s->registry, s->name)) {
        snprintf(why, size, "no memory, or no descriptors");
        return 0;
    }
    memset(&registry, 0, sizeof registry);
    snprintf(registry.name, sizeof registry.name, "registry");
    snprintf(registry.address, sizeof registry.address, "%s",
             config->registry);
    talk_init(&s->registry, &registry);
    return 1;
}

int shelf_open(shelf *s, const shelf_config *config, char *why, size_t size)
{
    memset(s, 0, sizeof *s);
    s->store.dir = s->store.lock = -1;
    s->serve.listener = s->serve.epoll = s->fleet.epoll = -1;
    s->registered = WIRE_LOST;
    snprintf(s->name, sizeof s->name, "%s", config->name);
    if (!open_parts(s, config, why, size)) {
        shelf_close(s);
        return 0;
    }
    s->serve.hear = hear;
    s->serve.ctx = s;
    if (config->settle_ms)
        s->tend.settle_ms = config->settle_ms;
    if (config->every_ms)
        s->tend.every_ms = config->every_ms;
    pass_make(&s->bearer, &config->key, PASS_PEER, UINT64_MAX);
    fleet_show(&s->fleet, &s->bearer);
    return 1;
}

void shelf_close(shelf *s)
{
    if (s->tend.fleet)
        tend_close(&s->tend);
    talk_forget(&s->registry, s);
    talk_close(&s->registry);
    fleet_close(&s->fleet);
    serve_close(&s->serve);
    chunks_close(&s->store);
    free(s->bytes);
    s->bytes = NULL;
}

int shelf_step(shelf *s)
{
    int wait = serve_step(&s->serve);
    wait = ticks_sooner(wait, fleet_step(&s->fleet));
    wait = ticks_sooner(wait, step_registry(s));
    return ticks_sooner(wait, tend_step(&s->tend));
}
