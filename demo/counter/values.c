/*
 * The commands that make, change and show variables.
 */
#include "../common/posix.h"

#include "call.h"
#include "../common/dice.h"
#include "../common/text.h"
#include "../common/ticks.h"
#include "inputs.h"
#include "report.h"
#include "variables.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NAMES_SHOWN 10u
#define POPULATE_COUNT 1000u
#define POPULATE_MAX 10000000u
#define POPULATE_BATCH 1000u /* changes between two polls */

/* >>variables ------------------------------------------------------------- */

/* "; there are: a, b" for whoever asked for one that is not there. */
static void names_hint(app *a, const char *wanted, char *out, size_t size)
{
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    crdt_obj counter;
    char name[64];
    size_t shown = 0, at = 0;
    while (!variable_next(a->doc, &cursor, &counter) && at < size) {
        int wrote;
        if (shown++ == NAMES_SHOWN)
            break;
        text_clean(name, sizeof name, cursor.key.ptr, cursor.key.len);
        wrote = snprintf(out + at, size - at, "%s%s",
                         shown == 1 ? "there are: " : ", ", name);
        at += (size_t)(wrote > 0 ? wrote : 0);
    }
    if (at >= size)
        return;
    snprintf(out + at, size - at, "%stype: create %.64s",
             shown > NAMES_SHOWN ? ", ...; or "
             : shown             ? "; or "
                                 : "there are none yet; ",
             wanted);
}

/* The variable, or the null object, having said so. */
crdt_obj values_need(call *c, const char *name)
{
    crdt_obj counter = variable_find(c->a->doc, name);
    char hint[1024] = "", clean[100];
    if (!crdt_is_null(counter))
        return counter;
    names_hint(c->a, name, hint, sizeof hint);
    say_fail(&c->a->say, hint, "there is no variable \"%s\"",
             text_clean(clean, sizeof clean, name, strlen(name)));
    return counter;
}

/* An answer says that the change is there to stay. */
static void store(app *a)
{
    crdt_err err =
        a->set.dir && !a->say.quiet ? crdt_node_flush(a->node) : CRDT_OK;
    if (err)
        say_fail(&a->say, "it is still in memory", "cannot be stored: %s",
                 crdt_err_text(err));
}

void values_show(app *a, const char *key, size_t len, crdt_obj counter,
                 cJSON *object)
{
    int64_t value = 0;
    crdt_err err = crdt_counter_get(counter, &value);
    char name[256];
    text_clean(name, sizeof name, key, len);
    json_bytes(object, "name", key, len);
    json_int64(object, "value", value);
    if (err)
        json_bool(object, "beyond", 1);
    say_line(&a->say, "%s%s%s = %" PRId64 "%s", say_bold(&a->say), name,
             say_plain(&a->say), value,
             err ? " and beyond: more than 64 bits hold" : "");
}

void run_create(call *c)
{
    const char *name = c->word[1], *bad = variable_bad_name(name);
    crdt_obj counter = variable_find(c->a->doc, name);
    crdt_err err;
    if (bad) {
        say_fail(&c->a->say, "as in: create visitors", "%s", bad);
        return;
    }
    if (!crdt_is_null(counter)) {
        say_fail(&c->a->say, "change it by +N or -N",
                 "there is a variable \"%s\" already", name);
        return;
    }
    err = variable_create(c->a->doc, name);
    if (err) {
        say_fail(&c->a->say, NULL, "cannot create it: %s", crdt_err_text(err));
        return;
    }
    store(c->a);
    values_show(c->a, name, strlen(name), variable_find(c->a->doc, name),
                c->a->say.answer);
}

void run_get(call *c)
{
    crdt_obj counter = values_need(c, c->word[1]);
    if (!crdt_is_null(counter))
        values_show(c->a, c->word[1], strlen(c->word[1]), counter,
                    c->a->say.answer);
}

void run_variables(call *c)
{
    app *a = c->a;
    cJSON *list = a->say.answer
                      ? cJSON_AddArrayToObject(a->say.answer, "variables")
                      : NULL;
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    crdt_obj counter;
    size_t count = 0;
    for (; !variable_next(a->doc, &cursor, &counter); count++) {
        cJSON *object = list ? cJSON_CreateObject() : NULL;
        values_show(a, (const char *)cursor.key.ptr, cursor.key.len, counter,
                    object);
        if (object)
            cJSON_AddItemToArray(list, object);
    }
    if (!count)
        say_line(&a->say, "there are none yet; type: create NAME");
}

/* >>adding ---------------------------------------------------------------- */

static void fail_add(app *a, crdt_err err)
{
    if (err == CRDT_ERR_OVERFLOW)
        say_fail(&a->say,
                 "a value, and all that one replica ever adds or takes, goes "
                 "to 9223372036854775807",
                 "that would be more than 64 bits hold, so nothing changed");
    else
        say_fail(&a->say, NULL, "cannot: %s", crdt_err_text(err));
}

static void add(call *c, const char *number, const char *name)
{
    int64_t amount;
    int fine = text_int64(number, &amount);
    uint64_t before = report_own(c->a);
    crdt_obj counter;
    crdt_dot dot;
    crdt_err err;
    if (fine <= 0) {
        say_fail(&c->a->say,
                 fine ? "from -9223372036854775808 to 9223372036854775807"
                      : "as in: +5 visitors",
                 fine ? "%s is out of range" : "%s is no whole number",
                 number);
        return;
    }
    counter = values_need(c, name);
    if (crdt_is_null(counter))
        return;
    err = variable_add(c->a->doc, counter, amount);
    if (err) {
        fail_add(c->a, err);
        return;
    }
    dot.replica = crdt_doc_replica(c->a->doc);
    dot.seq = report_own(c->a);
    if (dot.seq > before)
        history_own(&c->a->history, &dot, name, amount);
    if (!c->a->say.quiet) {
        store(c->a);
        values_show(c->a, name, strlen(name), counter, c->a->say.answer);
    }
}

void run_add(call *c)
{
    add(c, c->word[2], c->word[1]);
}

/* +5 NAME and -5 NAME. */
void run_sign(call *c)
{
    char hint[64];
    snprintf(hint, sizeof hint, "as in: %.20s NAME",
             c->word[0][1] ? c->word[0] : "+5");
    if (c->words == 2 && c->word[0][1])
        add(c, c->word[0], c->word[1]);
    else if (c->words == 1)
        say_fail(&c->a->say, hint, "say which variable");
    else
        say_fail(&c->a->say, hint, "that is not one number and one name");
}

/* >>populate -------------------------------------------------------------- */

static void answer_populate(app *a, const source *from)
{
    const errand *e = &from->errand;
    double ms = (double)(ticks_us() - e->begun_us) / 1000;
    crdt_obj counter = variable_find(a->doc, e->name);
    char text[28];
    json_number(a->say.answer, "count", (double)e->made);
    json_int64(a->say.answer, "sum", e->sum);
    json_number(a->say.answer, "ms", ms);
    say_line(&a->say, "%s random changes, %+" PRId64 " in all, in %.1f ms",
             text_thousands(text, e->made), e->sum, ms);
    values_show(a, e->name, strlen(e->name), counter, a->say.answer);
}

/* The next so many; stops at what cannot be. */
static crdt_err populate_batch(app *a, errand *e)
{
    crdt_obj counter = variable_find(a->doc, e->name);
    crdt_err err = CRDT_OK;
    crdt_dot dot;
    uint64_t i;
    dot.replica = crdt_doc_replica(a->doc);
    dot.seq = report_own(a);
    for (i = 0; i < POPULATE_BATCH && e->made < e->count && !err; i++) {
        uint64_t seed = e->seed;
        int64_t amount = dice_amount(&seed);
        err = variable_add(a->doc, counter, amount);
        if (err)
            break;
        dot.seq++;
        history_own(&a->history, &dot, e->name, amount);
        e->seed = seed;
        e->sum += amount;
        e->made++;
    }
    return err;
}

/* Where a prompt is being typed at, there is no room for it. */
static void show_progress(app *a, const source *from)
{
    const errand *e = &from->errand;
    char made[28], count[28];
    if (from == &a->keys)
        say_bar(&a->say, (double)e->made / (double)e->count,
                "%s of %s changes", text_thousands(made, e->made),
                text_thousands(count, e->count));
}

int populate_step(app *a, source *from)
{
    errand *e = &from->errand;
    crdt_err err = populate_batch(a, e);
    show_progress(a, from);
    if (err == CRDT_ERR_FROZEN || (!err && e->made < e->count))
        return 0;
    say_begin(&a->say, from->hold.command, "", 0);
    if (err)
        fail_add(a, err);
    else
        store(a);
    if (!a->say.failed)
        answer_populate(a, from);
    say_end(&a->say);
    return 1;
}

void populate_stop(app *a, const source *from)
{
    const errand *e = &from->errand;
    char made[28], count[28];
    say_begin(&a->say, from->hold.command, "", 0);
    store(a);
    say_fail(&a->say, NULL,
             "stopped: %s of %s changes are made, %+" PRId64 " in all",
             text_thousands(made, e->made), text_thousands(count, e->count),
             e->sum);
    json_number(a->say.answer, "count", (double)e->made);
    json_int64(a->say.answer, "sum", e->sum);
    say_end(&a->say);
}

void run_populate(call *c)
{
    crdt_obj counter = values_need(c, c->word[1]);
    int64_t count = POPULATE_COUNT, seed = (int64_t)ticks_us() ^ getpid();
    errand *e = &c->from->errand;
    if (crdt_is_null(counter))
        return;
    if (c->words > 2 && (text_int64(c->word[2], &count) <= 0 || count < 1 ||
                         count > POPULATE_MAX)) {
        say_fail(&c->a->say, "as in: populate visitors 1000",
                 "COUNT is a number from 1 to 10,000,000, not \"%s\"",
                 c->word[2]);
        return;
    }
    if (c->words > 3 && text_int64(c->word[3], &seed) <= 0) {
        say_fail(&c->a->say, NULL, "SEED is a whole number, not \"%s\"",
                 c->word[3]);
        return;
    }
    memset(e, 0, sizeof *e);
    snprintf(e->name, sizeof e->name, "%s", c->word[1]);
    e->count = (uint64_t)count;
    e->seed = (uint64_t)seed;
    e->begun_us = ticks_us();
    say_later(&c->a->say);
    inputs_hold(c->a, c->from, HOLD_POPULATE, -1, c->line);
}
