#include "../common/posix.h"

#include "mode.h"
#include "../common/ticks.h"
#include "inputs.h"
#include "names.h"
#include "repair.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SENT_US = 20000 };

const char *mode_name(crdt_phase phase)
{
    switch (phase) {
    case CRDT_PHASE_WORK:
        return "work";
    case CRDT_PHASE_SYNC:
        return "sync";
    case CRDT_PHASE_READY:
        return "ready";
    }
    return "unknown";
}

static int look(const app *a, crdt_epoch_info *info)
{
    memset(info, 0, sizeof *info);
    return !crdt_node_epoch(a->node, CRDT_STR(DOCUMENT_NAME), info);
}

int mode_is_frozen(const app *a)
{
    crdt_epoch_info info;
    return look(a, &info) && info.is_strict && info.phase != CRDT_PHASE_WORK;
}

crdt_err mode_ask(app *a, crdt_sync_mode how)
{
    a->asked_ms = ticks_ms();
    return crdt_node_full_sync(a->node, CRDT_STR(DOCUMENT_NAME), how,
                               (uint32_t)(a->set.lease * 1000));
}

/* >>telling --------------------------------------------------------------- */

/* For tests: the end, or once a stop, at a step of a full sync. `sends`: what
 * there is to be said of it is said before, also by the thread of a transport.
 */
static void die_at(app *a, const char *step, int sends)
{
    int dies = a->set.die_at && strcmp(a->set.die_at, step) == 0;
    int stops = a->set.stop_at && strcmp(a->set.stop_at, step) == 0;
    if ((dies || stops) && sends) {
        crdt_node_poll(a->node, 0);
        usleep(SENT_US);
    }
    if (dies)
        raise(SIGKILL);
    if (stops) {
        *a->set.stop_at = 0;
        raise(SIGSTOP);
    }
}

static void tell_mode(app *a, const crdt_epoch_info *info)
{
    cJSON *event;
    if (a->mode.phase == info->phase)
        return;
    event = say_event(&a->say, "mode");
    json_text(event, "mode", mode_name(info->phase));
    json_bool(event, "strict", info->is_strict);
    json_uint64(event, "epoch", info->number);
    if (info->phase != CRDT_PHASE_WORK)
        json_text(event, "by", names_replica(a, &info->proposer));
    a->mode.phase = info->phase;
    inputs_prompt(a);
    say_notice(&a->say, event, NULL);
    die_at(a, mode_name(info->phase), 0);
    if (info->phase == CRDT_PHASE_SYNC)
        die_at(a, "answered", 1);
}

static void tell_committed(app *a, const crdt_epoch_info *info)
{
    cJSON *event = say_event(&a->say, "epoch");
    json_uint64(event, "epoch", info->number);
    json_number(event, "compared", (double)info->compared);
    json_number(event, "members", (double)info->members);
    json_text(event, "by", names_replica(a, &info->proposer));
    say_notice(&a->say, event,
               "full sync %" PRIu64 " is done; %s asked for it", info->number,
               names_replica(a, &info->proposer));
}

/* >>following ------------------------------------------------------------- */

static void save(app *a)
{
    if (*a->history_file && !history_save(&a->history, a->history_file))
        a->history_file[0] = 0; /* the disk is full: told by the store */
}

static void commit(app *a, const crdt_epoch_info *info)
{
    a->mode.number = info->number;
    a->synced_ms = ticks_ms();
    if (info->cut)
        history_cut(&a->history, info->number, info->cut);
    save(a);
    tell_committed(a, info);
    repair_over(a);
    if (a->mode.phase != CRDT_PHASE_READY) /* that was gone through at once */
        die_at(a, "ready", 0);
    die_at(a, "committed", 1);
}

/* Whether it is time, or the history too long, and nobody has asked lately. */
static int is_due(const app *a, const crdt_epoch_info *info)
{
    uint64_t now = ticks_ms();
    uint64_t every = (uint64_t)(a->set.sync_every * 1000);
    if (info->phase != CRDT_PHASE_WORK)
        return 0;
    if (every && now - a->synced_ms >= every && now - a->asked_ms >= every)
        return 1;
    return a->set.sync_size > 0 && (double)a->history.len > a->set.sync_size &&
           now - a->asked_ms >= (uint64_t)(a->set.lease * 1000);
}

void mode_update(app *a)
{
    crdt_epoch_info info;
    if (!look(a, &info))
        return;
    history_update(&a->history, a->doc);
    if (info.phase != CRDT_PHASE_WORK)
        tell_mode(a, &info);
    if (info.number > a->mode.number)
        commit(a, &info);
    tell_mode(a, &info);
    if (info.alarms > a->mode.alarms)
        repair_alarm(a);
    a->mode.alarms = info.alarms;
    if (info.waiting)
        a->mode.waiting_for = info.waiting_for;
    if (is_due(a, &info))
        mode_ask(a, a->set.strict ? CRDT_SYNC_STRICT : CRDT_SYNC_OPEN);
}

int mode_patience(const app *a)
{
    uint64_t every = (uint64_t)(a->set.sync_every * 1000);
    uint64_t since = ticks_ms() - a->synced_ms;
    if (!every)
        return -1;
    return since >= every ? 20 : (int)(every - since) + 1;
}

void mode_begin_anew(app *a)
{
    history_rewind(&a->history);
    save(a);
    a->mode.alarms = 0;
    a->mode.phase = CRDT_PHASE_WORK;
    a->confirm = 0; /* another has all that was made here */
}

/* >>start ----------------------------------------------------------------- */

static void changed(void *ctx, const history_row *row)
{
    app *a = (app *)ctx;
    const char *node, *name = history_name(&a->history, row->variable);
    cJSON *event;
    char nonces[48];
    if (!a->set.changes)
        return;
    node = names_replica(a, history_replica(&a->history, row->replica));
    event = say_event(&a->say, "change");
    json_text(event, "node", node);
    json_uint64(event, "from", row->from);
    json_uint64(event, "nonce", row->to);
    json_text(event, "name", name);
    json_int64(event, "value", row->value);
    say_notice(&a->say, event, "%s.%s: %+" PRId64 " %s", node,
               history_nonces(row, nonces), row->value, name);
}

void mode_start(app *a)
{
    crdt_epoch_info info;
    a->history.ctx = a;
    a->history.came = changed;
    a->synced_ms = ticks_ms();
    if (a->set.dir) {
        snprintf(a->history_file, sizeof a->history_file, "%.480s/history",
                 a->set.dir);
        history_load(&a->history, a->history_file, a->doc);
    }
    if (!look(a, &info))
        return;
    if (info.number > a->history.epoch && info.cut)
        commit(a, &info);
    a->mode.number = info.number;
}
