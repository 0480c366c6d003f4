/*
 * The commands that tell what has been: history and before.
 */
#include "../common/posix.h"

#include "../common/text.h"
#include "call.h"
#include "names.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ROWS_SHOWN 100

/* >>history --------------------------------------------------------------- */

static void row_line(app *a, const history_row *row, cJSON *list)
{
    const crdt_id *id = history_replica(&a->history, row->replica);
    const char *node = names_replica(a, id);
    char nonces[48], replica[33];
    cJSON *object;
    say_line(&a->say, "  %12s.%-14s %+" PRId64, node,
             history_nonces(row, nonces), row->value);
    if (!list)
        return;
    object = cJSON_CreateObject();
    crdt_id_text(id, replica);
    json_text(object, "node", node);
    json_text(object, "replica", replica);
    json_uint64(object, "from", row->from);
    json_uint64(object, "nonce", row->to);
    json_int64(object, "value", row->value);
    cJSON_AddItemToArray(list, object);
}

/* How many rows the variable has. */
static size_t rows_of(const history *h, int64_t variable)
{
    size_t i, count = 0;
    for (i = 0; i < h->len; i++)
        count += (int64_t)h->rows[i].variable == variable;
    return count;
}

static void show_rows(app *a, int64_t variable, size_t shown)
{
    cJSON *list = a->say.answer
                      ? cJSON_AddArrayToObject(a->say.answer, "history")
                      : NULL;
    size_t count = rows_of(&a->history, variable), i, at = 0;
    if (count > shown)
        say_line(&a->say, "  %zu before these", count - shown);
    for (i = 0; i < a->history.len; i++) {
        const history_row *row = &a->history.rows[i];
        if ((int64_t)row->variable == variable && at++ + shown >= count)
            row_line(a, row, list);
    }
    json_number(a->say.answer, "rows", (double)count);
}

/* What is known of the value at the last full sync. */
static void show_before(app *a, const char *name, crdt_obj counter)
{
    int64_t variable = history_variable(&a->history, name), value = 0, before;
    int exact = variable < 0 || !a->history.late[variable];
    crdt_counter_get(counter, &value);
    before = variable < 0 ? value
                          : (int64_t)((uint64_t)value -
                                      (uint64_t)history_sum(
                                          &a->history, (uint32_t)variable));
    json_int64(a->say.answer, "before", before);
    json_bool(a->say.answer, "exact", exact);
    json_uint64(a->say.answer, "epoch", a->history.epoch);
    if (!a->history.epoch)
        say_line(&a->say, "%s = %" PRId64 " before: no full sync yet", name,
                 before);
    else
        say_line(&a->say, "%s = %" PRId64 " at full sync %" PRIu64 "%s", name,
                 before, a->history.epoch,
                 exact ? "" : ", less what came in one with later changes");
}

void run_before(call *c)
{
    crdt_obj counter = values_need(c, c->word[1]);
    if (crdt_is_null(counter))
        return;
    json_text(c->a->say.answer, "name", c->word[1]);
    history_update(&c->a->history, c->a->doc);
    show_before(c->a, c->word[1], counter);
}

void run_history(call *c)
{
    crdt_obj counter = values_need(c, c->word[1]);
    int64_t shown = ROWS_SHOWN;
    if (crdt_is_null(counter))
        return;
    if (c->words > 2 && (text_int64(c->word[2], &shown) <= 0 || shown < 0)) {
        say_fail(&c->a->say, "as in: history visitors 100",
                 "ROWS is a number of at least 0, not \"%s\"", c->word[2]);
        return;
    }
    history_update(&c->a->history, c->a->doc);
    show_before(c->a, c->word[1], counter);
    show_rows(c->a, history_variable(&c->a->history, c->word[1]),
              (size_t)shown);
    values_show(c->a, c->word[1], strlen(c->word[1]), counter,
                c->a->say.answer);
}
