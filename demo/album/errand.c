#include "../common/posix.h"

#include "errand.h"
#include "../common/ticks.h"

#include <string.h>

/* What a server has said. */
typedef enum voice {
    UNASKED,
    ASKED,
    LACKS, /* is to be given it */
    HOLDS, /* has it on its disk */
    REFUSES
} voice;

static void begin(errand *e, int is_store, const chunk_hash *name,
                  uint8_t *bytes, size_t len)
{
    memset(e, 0, sizeof *e);
    e->state = ERRAND_RUNS;
    e->is_store = is_store;
    e->name = *name;
    e->bytes = bytes;
    e->len = len;
    e->why = "";
}

void errand_store(errand *e, const chunk_hash *name, uint8_t *bytes,
                  size_t len)
{
    begin(e, 1, name, bytes, len);
}

void errand_fetch(errand *e, const chunk_hash *name, uint8_t *bytes,
                  size_t len)
{
    begin(e, 0, name, bytes, len);
}

void errand_end(errand *e, fleet *f)
{
    fleet_forget(f, e);
    e->state = ERRAND_NONE;
}

/* >>questions ------------------------------------------------------------- */

static void ask(errand *e, fleet *f, size_t server, wire_kind kind,
                talk_heard heard)
{
    static const uint8_t any_roll[ROLL_ID_SIZE] = { 0 };
    uint8_t item[WIRE_ITEM_SIZE];
    talk_question q;
    memset(&q, 0, sizeof q);
    wire_put_item(item, &e->name, 0);
    q.kind = kind;
    q.head = item;
    q.head_len = kind == WIRE_GET ? CHUNK_HASH_SIZE : sizeof item;
    if (kind == WIRE_HAS) {
        q.head = any_roll;
        q.head_len = sizeof any_roll;
        q.body = item;
        q.body_len = sizeof item;
    } else if (kind == WIRE_PUT) {
        q.body = e->bytes;
        q.body_len = e->len;
    }
    q.heard = heard;
    q.ctx = e;
    q.tag = server;
    if (fleet_ask(f, server, &q))
        e->voices[server] = ASKED;
}

static void refuse(errand *e, size_t server, wire_reply reply)
{
    e->voices[server] = reply == WIRE_LOST ? UNASKED : REFUSES;
    if (reply != WIRE_LOST)
        e->last = reply;
}

static void heard_put(void *ctx, size_t server, wire_reply reply,
                      const uint8_t *body, size_t len)
{
    errand *e = (errand *)ctx;
    (void)body;
    (void)len;
    e->voices[server] = HOLDS;
    e->travelled = 1;
    if (reply != WIRE_OK)
        refuse(e, server, reply);
}

static void heard_has(void *ctx, size_t server, wire_reply reply,
                      const uint8_t *body, size_t len)
{
    errand *e = (errand *)ctx;
    if (reply != WIRE_OK || len != 1) {
        refuse(e, server, reply == WIRE_OK ? WIRE_NONSENSE : reply);
        return;
    }
    e->voices[server] = *body ? HOLDS : LACKS;
    e->state = ERRAND_RUNS; /* somebody is there again */
}

static void heard_get(void *ctx, size_t server, wire_reply reply,
                      const uint8_t *body, size_t len)
{
    errand *e = (errand *)ctx;
    chunk_hash is;
    if (reply != WIRE_OK) {
        refuse(e, server, reply);
        return;
    }
    is = chunk_name(body, len);
    if (!chunk_equal(&is, &e->name) ||
        (e->len != ERRAND_ANY_LEN && e->len != len)) {
        refuse(e, server, WIRE_BAD);
        return;
    }
    e->len = len;
    memcpy(e->bytes, body, len);
    e->state = ERRAND_DONE;
}

/* >>steps ----------------------------------------------------------------- */

/* Why one that cannot be asked cannot. */
static void note_down(errand *e, const talk *t)
{
    e->why = t->refused == WIRE_EXPIRED ? wire_reply_text(WIRE_EXPIRED)
                                        : "a data server cannot be reached";
}

/* Waits while some may come back; without them it has failed. */
static void give_up(errand *e, int may_come, const char *why)
{
    e->state = may_come ? ERRAND_WAITS : ERRAND_FAILED;
    if (!may_come)
        e->why = e->last ? wire_reply_text(e->last) : why;
}

static void store_at(errand *e, fleet *f, size_t server)
{
    if (e->voices[server] == UNASKED)
        ask(e, f, server, WIRE_HAS, heard_has);
    else if (e->voices[server] == LACKS)
        ask(e, f, server, WIRE_PUT, heard_put);
}

/* On whose disks it is by now, whoever they are. */
static size_t count_holds(const errand *e, const fleet *f)
{
    size_t holds = 0, i;
    for (i = 0; i < f->roll.count; i++)
        holds += e->voices[i] == HOLDS && !f->roll.servers[i].is_leaving;
    return holds;
}

static void step_store(errand *e, fleet *f)
{
    size_t order[ROLL_MAX], tried = 0, downs = 0, i;
    size_t count = fleet_order(f, &e->name, order), want = fleet_copies(f);
    if (want && count_holds(e, f) >= want) {
        e->state = ERRAND_DONE;
        return;
    }
    for (i = 0; i < count && tried < want; i++) {
        const talk *t = f->talks[order[i]];
        voice said = (voice)e->voices[order[i]];
        if (f->roll.servers[order[i]].is_leaving || said == REFUSES)
            continue;
        if (said != HOLDS && talk_is_down(t)) {
            note_down(e, t);
            downs++;
            continue;
        }
        tried++;
        store_at(e, f, order[i]);
    }
    if (tried < want || !want)
        give_up(e, downs != 0, "no data server takes it");
}

/* All have been asked: they are again, after a while. */
static void next_round(errand *e, int may_come)
{
    uint64_t now = ticks_ms();
    size_t i;
    if (!e->again_ms)
        e->again_ms = now + ERRAND_ROUND_MS;
    if (now < e->again_ms)
        return;
    e->again_ms = 0;
    for (i = 0; i < ROLL_MAX; i++)
        if (e->voices[i] == REFUSES)
            e->voices[i] = UNASKED;
    if (may_come || ++e->rounds == ERRAND_ROUNDS_MAX)
        give_up(e, may_come, "no data server has it");
}

static void step_fetch(errand *e, fleet *f)
{
    size_t order[ROLL_MAX], downs = 0, i;
    size_t count = fleet_order(f, &e->name, order);
    for (i = 0; i < count; i++) {
        const talk *t = f->talks[order[i]];
        voice said = (voice)e->voices[order[i]];
        if (said == ASKED)
            return;
        if (said == REFUSES)
            continue;
        if (!talk_is_down(t)) {
            ask(e, f, order[i], WIRE_GET, heard_get);
            return;
        }
        note_down(e, t);
        downs++;
    }
    next_round(e, downs != 0);
}

int errand_step(errand *e, fleet *f)
{
    if (e->state != ERRAND_RUNS && e->state != ERRAND_WAITS)
        return -1;
    if (e->changes != f->changes) {
        fleet_forget(f, e);
        memset(e->voices, UNASKED, sizeof e->voices);
        e->changes = f->changes;
    }
    if (!f->roll.count) {
        e->state = ERRAND_WAITS;
        e->why = "no data server is known";
    } else if (e->is_store) {
        step_store(e, f);
    } else {
        step_fetch(e, f);
    }
    return e->again_ms ? ERRAND_ROUND_MS : -1;
}
