#include "../common/posix.h"

#include "tend.h"
#include "../common/ticks.h"

#include <stdlib.h>
#include <string.h>

enum { SETTLE_MS = 2000, EVERY_MS = 60 * 1000, LAST_FOLDER = 255 };

/* What a keeper has said, or that it could not be asked; REFUSES: it lacks it,
 * and does not take it. */
enum { UNKNOWN, LACKS, REFUSES, HOLDS };
/* Whether a server has been asked. */
enum { NOT_YET, ASKED, TOLD };

int tend_open(tend *t, chunks *store, fleet *f, talk *registry,
              const char *self)
{
    memset(t, 0, sizeof *t);
    t->store = store;
    t->fleet = f;
    t->registry = registry;
    t->self = self;
    t->settle_ms = SETTLE_MS;
    t->every_ms = EVERY_MS;
    t->is_unfinished = 1;
    t->due_ms = UINT64_MAX;
    t->bytes = (uint8_t *)malloc(2 * CHUNK_MAX);
    return t->bytes != NULL;
}

static void forget_asked(tend *t)
{
    fleet_forget(t->fleet, t);
    talk_forget(t->registry, t);
}

void tend_close(tend *t)
{
    forget_asked(t);
    errand_end(&t->errand, t->fleet);
    free(t->names);
    free(t->bytes);
    t->names = NULL;
    t->bytes = NULL;
}

static void due_in(tend *t, uint64_t ms)
{
    uint64_t due = ticks_ms() + ms;
    if (due < t->due_ms)
        t->due_ms = due;
}

void tend_soon(tend *t)
{
    t->is_unfinished = 1;
    due_in(t, t->settle_ms);
}

void tend_scrub(tend *t)
{
    t->wants_scrub = 1;
    due_in(t, 0);
}

int tend_is_done(const tend *t)
{
    return t->phase == TEND_IDLE && t->passes && !t->is_unfinished &&
           t->changes == t->fleet->changes && !t->wanted_count &&
           t->errand.state == ERRAND_NONE;
}

static int is_self(const tend *t, size_t server)
{
    return strcmp(t->fleet->roll.servers[server].name, t->self) == 0;
}

/* >>damaged --------------------------------------------------------------- */

void tend_want(tend *t, const chunk_hash *name)
{
    if (t->wanted_count < TEND_WANTED_MAX)
        t->wanted[t->wanted_count++] = *name;
}

/* One after the other; one that nobody has is not asked for again. */
static int step_wanted(tend *t)
{
    errand *e = &t->errand;
    int wait;
    if (e->state == ERRAND_NONE && t->wanted_count)
        errand_fetch(e, &t->wanted[--t->wanted_count], t->bytes + CHUNK_MAX,
                     ERRAND_ANY_LEN);
    wait = errand_step(e, t->fleet);
    if (e->state != ERRAND_DONE && e->state != ERRAND_FAILED)
        return wait;
    if (e->state == ERRAND_DONE &&
        chunks_put(t->store, &e->name, e->bytes, e->len, 0) == CHUNK_OK)
        t->fetched++;
    e->state = ERRAND_NONE;
    return 0;
}

/* >>asking ---------------------------------------------------------------- */

static void begin_chunk(const tend *t, tend_chunk *c, const chunk_hash *name)
{
    size_t i;
    memset(c, 0, sizeof *c);
    c->count = (uint8_t)fleet_keepers(t->fleet, name, c->keepers);
    for (i = 0; i < c->count; i++)
        if (is_self(t, c->keepers[i])) {
            c->are_we = 1;
            c->has[i] = HOLDS;
        }
}

static void end_pass(tend *t)
{
    uint64_t took = ticks_ms() - t->begun_ms, again = 10 * took;
    if (again < TEND_AGAIN_MS)
        again = TEND_AGAIN_MS;
    t->phase = TEND_IDLE;
    t->passes++;
    t->due_ms = ticks_ms() + (t->is_unfinished ? again : t->every_ms);
}

/* The next folder with something in it. 0: there is none. */
static int next_folder(tend *t)
{
    do {
        free(t->names);
        t->names = NULL;
        t->count = t->at = 0;
        if (t->first > LAST_FOLDER)
            return 0;
        if (chunks_list(t->store, (uint8_t)t->first++, &t->names, &t->count))
            t->is_unfinished = 1;
    } while (!t->count);
    return 1;
}

static void next_batch(tend *t)
{
    size_t i;
    t->at += t->batch;
    t->batch = 0;
    if (t->at == t->count && !next_folder(t)) {
        end_pass(t);
        return;
    }
    t->batch = t->count - t->at;
    if (t->batch > TEND_BATCH)
        t->batch = TEND_BATCH;
    for (i = 0; i < t->batch; i++)
        begin_chunk(t, &t->chunks[i], &t->names[t->at + i]);
    memset(t->asked, NOT_YET, sizeof t->asked);
    t->asked_names = NOT_YET;
    t->phase = TEND_ASKS;
}

static void begin_pass(tend *t)
{
    t->begun_ms = ticks_ms();
    t->is_scrub = t->wants_scrub;
    t->wants_scrub = 0;
    t->is_unfinished = 0;
    t->first = 0;
    t->count = t->at = t->batch = 0;
    next_batch(t);
}

/* What that keeper has said of the chunk; NULL: it is none. */
static uint8_t *said_by(tend_chunk *c, size_t server)
{
    size_t i;
    for (i = 0; i < c->count; i++)
        if (c->keepers[i] == server)
            return &c->has[i];
    return NULL;
}

static void heard_has(void *ctx, size_t server, wire_reply reply,
                      const uint8_t *body, size_t len)
{
    tend *t = (tend *)ctx;
    size_t i, at = 0;
    t->asked[server] = TOLD;
    for (i = 0; i < t->batch; i++) {
        uint8_t *said = said_by(&t->chunks[i], server);
        if (said && reply == WIRE_OK && at < len)
            *said = body[at++] ? HOLDS : LACKS;
    }
    if (reply != WIRE_OK)
        t->is_unfinished = 1;
}

/* The patience holds for the moment in which it is heard. */
static void heard_named(void *ctx, size_t tag, wire_reply reply,
                        const uint8_t *body, size_t len)
{
    tend *t = (tend *)ctx;
    uint64_t patience_s;
    size_t i;
    (void)tag;
    t->asked_names = TOLD;
    if (reply != WIRE_OK || len != sizeof patience_s + t->batch)
        return;
    patience_s = wire_get_number(body, sizeof patience_s);
    for (i = 0; i < t->batch; i++) {
        const chunk_hash *name = &t->names[t->at + i];
        int is_named = body[sizeof patience_s + i] != 0;
        chunks_hold(t->store, name, is_named);
        if (is_named || chunks_age(t->store, name) <= patience_s ||
            chunks_remove(t->store, name))
            continue;
        t->chunks[i].is_gone = 1;
        t->deleted++;
    }
}

/* Of all in the batch, whether a file names them. Without an answer nothing is
 * deleted. */
static void ask_names(tend *t)
{
    talk_question q;
    if (talk_is_down(t->registry)) {
        t->asked_names = TOLD;
        return;
    }
    memset(&q, 0, sizeof q);
    q.kind = WIRE_NAMED;
    q.body = &t->names[t->at];
    q.body_len = t->batch * sizeof *t->names;
    q.heard = heard_named;
    q.ctx = t;
    if (talk_ask(t->registry, &t->fleet->bearer, t->fleet->epoll, &q))
        t->asked_names = ASKED;
}

/* Of all in the batch that it is to keep. */
static void ask_server(tend *t, size_t server)
{
    uint8_t items[TEND_BATCH][WIRE_ITEM_SIZE], id[ROLL_ID_SIZE];
    talk_question q;
    size_t count = 0, i;
    for (i = 0; i < t->batch; i++) {
        const chunk_hash *name = &t->names[t->at + i];
        if (said_by(&t->chunks[i], server))
            wire_put_item(items[count++], name, chunks_age(t->store, name));
    }
    if (!count || is_self(t, server) ||
        talk_is_down(t->fleet->talks[server])) {
        t->asked[server] = TOLD;
        return;
    }
    memset(&q, 0, sizeof q);
    roll_id(&t->fleet->roll, id);
    q.kind = WIRE_HAS;
    q.head = id;
    q.head_len = sizeof id;
    q.body = items;
    q.body_len = count * sizeof *items;
    q.heard = heard_has;
    q.ctx = t;
    q.tag = server;
    if (fleet_ask(t->fleet, server, &q))
        t->asked[server] = ASKED;
}

static void step_asking(tend *t)
{
    size_t i, open;
    if (t->asked_names == NOT_YET)
        ask_names(t);
    open = t->asked_names != TOLD;
    for (i = 0; i < t->fleet->roll.count; i++) {
        if (t->asked[i] == NOT_YET)
            ask_server(t, i);
        open += t->asked[i] != TOLD;
    }
    if (open)
        return;
    t->phase = TEND_GIVES;
    t->index = 0;
    t->gives = 0;
}

/* >>giving ---------------------------------------------------------------- */

/* The first keeper that has it is to give it; without one we are. Of one that
 * has not said anything it is not known whether it is the first: it will, or
 * goes off the list. */
static int are_we_giver(const tend *t, const tend_chunk *c)
{
    size_t i;
    for (i = 0; i < c->count; i++)
        if (c->has[i] == UNKNOWN || c->has[i] == HOLDS)
            return is_self(t, c->keepers[i]);
    return 1;
}

/* The keeper that is to be given it next, as its place; -1: none. */
static int next_receiver(const tend *t, const tend_chunk *c)
{
    int i;
    if (!are_we_giver(t, c))
        return -1;
    for (i = 0; i < c->count; i++)
        if (c->has[i] == LACKS)
            return i;
    return -1;
}

/* A tag is the place of the keeper; the chunk is the one being given. */
static void heard_put(void *ctx, size_t place, wire_reply reply,
                      const uint8_t *body, size_t len)
{
    tend *t = (tend *)ctx;
    (void)body;
    (void)len;
    t->gives = 0;
    t->chunks[t->index].has[place] = reply == WIRE_OK ? HOLDS : REFUSES;
    if (reply == WIRE_OK)
        t->given++;
}

/* 0: it cannot be read; what is damaged is got from others. */
static int read_chunk(tend *t, const chunk_hash *name, size_t *len)
{
    chunk_err err = chunks_get(t->store, name, t->bytes, len);
    if (err == CHUNK_BAD)
        tend_want(t, name);
    return err == CHUNK_OK;
}

/* Tried again until the keeper can be asked; not read before. */
static void give(tend *t, tend_chunk *c, size_t place)
{
    const chunk_hash *name = &t->names[t->at + t->index];
    uint8_t item[WIRE_ITEM_SIZE];
    size_t server = c->keepers[place], len;
    talk_question q;
    if (talk_is_down(t->fleet->talks[server])) {
        c->has[place] = REFUSES;
        return;
    }
    if (!fleet_is_ready(t->fleet, server))
        return;
    if (!read_chunk(t, name, &len)) {
        t->index++;
        return;
    }
    wire_put_item(item, name, chunks_age(t->store, name));
    memset(&q, 0, sizeof q);
    q.kind = WIRE_PUT;
    q.head = item;
    q.head_len = sizeof item;
    q.body = t->bytes;
    q.body_len = len;
    q.heard = heard_put;
    q.ctx = t;
    q.tag = place;
    t->gives = fleet_ask(t->fleet, server, &q);
}

/* Nobody is to be given it by us. */
static void finish_chunk(tend *t, const tend_chunk *c)
{
    const chunk_hash *name = &t->names[t->at + t->index];
    size_t i, holds = 0, len;
    for (i = 0; i < c->count; i++)
        holds += c->has[i] == HOLDS;
    if (t->is_scrub)
        read_chunk(t, name, &len);
    if (holds < c->count || !c->count)
        t->is_unfinished = 1;
    else if (!c->are_we && chunks_remove(t->store, name) == CHUNK_OK)
        t->removed++;
    t->index++;
}

/* One chunk at most. */
static void step_giving(tend *t)
{
    tend_chunk *c = &t->chunks[t->index];
    int place;
    if (t->index == t->batch) {
        next_batch(t);
        return;
    }
    if (c->is_gone) {
        t->index++;
        return;
    }
    place = next_receiver(t, c);
    if (place >= 0)
        give(t, c, (size_t)place);
    else
        finish_chunk(t, c);
}

/* >>steps ----------------------------------------------------------------- */

/* What was asked under another roll counts no more. */
static void start_anew(tend *t)
{
    forget_asked(t);
    t->changes = t->fleet->changes;
    t->wants_scrub |= t->phase != TEND_IDLE && t->is_scrub;
    t->phase = TEND_IDLE;
    t->gives = 0;
    t->is_unfinished = 1;
    t->due_ms = ticks_ms() + t->settle_ms;
}

static int until_due(const tend *t)
{
    uint64_t now = ticks_ms(), wait = t->due_ms - now;
    if (t->due_ms <= now)
        return 0;
    return wait > 60000 ? 60000 : (int)wait;
}

/* While a question is under way, or cannot be asked, there is no hurry. */
static int step_pass(tend *t)
{
    switch (t->phase) {
    case TEND_IDLE:
        if (until_due(t) || !roll_find(&t->fleet->roll, t->self))
            return until_due(t) ? until_due(t) : 1000;
        begin_pass(t);
        return 0;
    case TEND_ASKS:
        step_asking(t);
        return t->phase == TEND_ASKS ? 50 : 0;
    case TEND_GIVES:
        if (!t->gives)
            step_giving(t);
        return t->gives ? -1 : t->phase == TEND_GIVES ? 1 : 0;
    }
    return -1;
}

int tend_step(tend *t)
{
    int wait;
    if (t->changes != t->fleet->changes)
        start_anew(t);
    wait = step_wanted(t);
    return ticks_sooner(wait, step_pass(t));
}
