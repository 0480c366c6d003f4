#include "../common/posix.h"

#include "repair.h"
#include "../common/ticks.h"
#include "mode.h"
#include "names.h"
#include "node.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ASIDE_MAX = 99 };

static uint64_t in_leases(const app *a, int count)
{
    return ticks_ms() + (uint64_t)(a->set.lease * 1000 * count);
}

/* >>who differs ----------------------------------------------------------- */

static int member_at(const app *a, size_t index, crdt_member_info *out)
{
    return !crdt_node_member(a->node, CRDT_STR(DOCUMENT_NAME), index, out);
}

/* "ben, cleo", and the list of them. Whether we are one. */
static int odd_names(app *a, char *out, size_t size, cJSON *list)
{
    crdt_member_info m;
    size_t i, len = 0;
    int is_self = 0;
    *out = 0;
    for (i = 0; member_at(a, i, &m); i++) {
        const char *name = names_replica(a, &m.replica);
        if (!m.is_odd)
            continue;
        is_self |= m.is_self;
        a->repair.has_odd = 1;
        a->repair.odd = m.replica;
        if (len + strlen(name) + 3 < size)
            len += (size_t)sprintf(out + len, "%s%s", len ? ", " : "", name);
        if (list)
            cJSON_AddItemToArray(list, cJSON_CreateString(name));
    }
    return is_self;
}

static int is_active(const app *a, const crdt_id *replica)
{
    crdt_member_info m;
    size_t i;
    for (i = 0; member_at(a, i, &m); i++)
        if (crdt_id_compare(&m.replica, replica) == 0)
            return m.status == CRDT_MEMBER_ACTIVE;
    return 0;
}

/* >>alarms ---------------------------------------------------------------- */

/* Who waits for the end of a full sync waits for the next: one lease to begin
 * anew, one to fetch all, one to compare it. */
static void be_patient(const app *a, hold *h)
{
    if (h->kind == HOLD_SYNC)
        h->until_ms = in_leases(a, 3);
}

static void tell(app *a, cJSON *event, const char *names, int is_self)
{
    if (a->repair.persists)
        say_notice(&a->say, event,
                   "%sthe values at %s still differ%s: `digest` and "
                   "`variables` at each show where; the history is kept",
                   say_red(&a->say), *names ? names : "somebody",
                   say_plain(&a->say));
    else if (!*names)
        say_notice(&a->say, event,
                   "%sthe values differ%s, though nothing is missing; not all "
                   "have said what they have",
                   say_red(&a->say), say_plain(&a->say));
    else if (is_self)
        say_notice(&a->say, event,
                   "%sthe values here are others than at most%s, though all "
                   "have the same changes: takes all of it anew",
                   say_red(&a->say), say_plain(&a->say));
    else
        say_notice(&a->say, event,
                   "%sthe values differ at %s%s, though all have the same "
                   "changes: it takes all of it anew",
                   say_red(&a->say), names, say_plain(&a->say));
}

/* It persists where who differed then has begun anew, and one differs again;
 * who that was may not have been known. */
void repair_alarm(app *a)
{
    repair *r = &a->repair;
    cJSON *event = say_event(&a->say, "mismatch");
    cJSON *list = event ? cJSON_AddArrayToObject(event, "odd") : NULL;
    crdt_id before = r->odd;
    char names[200];
    int had_odd = r->has_odd;
    int is_self = odd_names(a, names, sizeof names, list);
    r->persists =
        r->is_told && (r->was_done || (had_odd && !is_active(a, &before)));
    r->persisted += r->persists != 0;
    r->is_told = 1;
    json_bool(event, "persists", r->persists);
    be_patient(a, &a->keys.hold);
    be_patient(a, &a->load.hold);
    tell(a, event, names, is_self);
}

void repair_over(app *a)
{
    a->repair.is_told = a->repair.has_odd = 0;
    a->repair.was_done = a->repair.persists = 0;
}

int repair_holds(const app *a)
{
    return a->repair.state != REPAIR_NONE && ticks_ms() < a->repair.until_ms;
}

/* >>beginning anew -------------------------------------------------------- */

/* We are first of the members. */
static void begin(app *a)
{
    repair *r = &a->repair;
    crdt_member_info self;
    if (!r->is_told || r->was_done || !member_at(a, 0, &self) || !self.is_odd)
        return;
    r->state = REPAIR_WAITS;
    r->until_ms = in_leases(a, 1);
}

/* Whether one who is not odd has all that we have. */
static int is_elsewhere(const app *a)
{
    crdt_member_info m;
    size_t i;
    for (i = 1; member_at(a, i, &m); i++)
        if (m.status == CRDT_MEMBER_ACTIVE && !m.is_odd && !m.missing)
            return 1;
    return 0;
}

/* Whether all others have compared too, so that they know who differs. */
static int is_over(const app *a)
{
    crdt_member_info m;
    size_t i;
    for (i = 1; member_at(a, i, &m); i++)
        if (m.status == CRDT_MEMBER_ACTIVE && m.phase != CRDT_PHASE_WORK)
            return 0;
    return 1;
}

/* Whether DIR can get another name, as far as that can be seen before. */
static int can_set_aside(const app *a)
{
    const char *dir = a->set.dir, *slash = dir ? strrchr(dir, '/') : NULL;
    const char *name = slash ? slash + 1 : dir;
    char above[1100];
    if (!dir)
        return 1;
    if (strlen(dir) > 1000 || !*name || strcmp(name, ".") == 0 ||
        strcmp(name, "..") == 0)
        return 0;
    snprintf(above, sizeof above, "%.*s", (int)(name - dir), dir);
    return access(slash ? above : ".", W_OK | X_OK) == 0;
}

/* DIR becomes DIR.odd, or DIR.odd2, ... */
static int set_aside(app *a)
{
    char path[1100];
    int i;
    for (i = 1; i <= ASIDE_MAX; i++) {
        snprintf(path, sizeof path, i > 1 ? "%.1000s.odd%d" : "%.1000s.odd",
                 a->set.dir, i);
        if (!rename(a->set.dir, path)) {
            say_notice(&a->say, NULL, "what was here is in %s", path);
            return 1;
        }
        if (errno != ENOTEMPTY && errno != EEXIST)
            break;
    }
    fprintf(stderr, "counter: cannot set %s aside: %s\n", a->set.dir,
            strerror(errno));
    return 0;
}

static int begin_anew(app *a)
{
    repair *r = &a->repair;
    if (crdt_doc_vv(a->doc, &r->had))
        return 1; /* it has left already, and comes here again */
    node_close(a);
    if ((a->set.dir && !set_aside(a)) || !node_open(a))
        return 0;
    mode_begin_anew(a);
    r->state = REPAIR_FETCHES;
    r->was_done = 1;
    r->until_ms = in_leases(a, 1);
    return 1;
}

static int give_up(app *a, const char *why)
{
    a->repair.state = REPAIR_NONE;
    /* The next alarm tries again. */
    a->repair.is_told = a->repair.has_odd = 0;
    say_notice(&a->say, NULL, "%s, so it does not begin anew", why);
    return 1;
}

/* Who has left stays that until it writes; and nothing is written now. */
static int leave(app *a)
{
    if (ticks_ms() >= a->repair.until_ms)
        return give_up(a, "nobody else has all changes of this one");
    if (!can_set_aside(a))
        return give_up(a, "its directory cannot be set aside");
    if (!is_over(a) || !is_elsewhere(a))
        return 1;
    node_leave(a);
    return is_elsewhere(a) ? begin_anew(a) : 1;
}

/* >>fetching -------------------------------------------------------------- */

static int has_all(const app *a)
{
    crdt_vv vv = CRDT_VV_INIT;
    crdt_order order = CRDT_BEFORE;
    if (!crdt_doc_vv(a->doc, &vv))
        order = crdt_vv_compare(&vv, &a->repair.had);
    crdt_vv_free(&vv);
    return order == CRDT_EQUAL || order == CRDT_AFTER;
}

static void fetched(app *a)
{
    cJSON *event = say_event(&a->say, "repaired");
    a->repair.state = REPAIR_NONE;
    crdt_vv_free(&a->repair.had);
    say_notice(&a->say, event, "all of it is here again");
    mode_ask(a, a->set.strict ? CRDT_SYNC_STRICT : CRDT_SYNC_OPEN);
}

int repair_step(app *a)
{
    switch (a->repair.state) {
    case REPAIR_NONE:
        begin(a);
        break;
    case REPAIR_WAITS:
        return leave(a);
    case REPAIR_FETCHES:
        if (has_all(a))
            fetched(a);
        break;
    }
    return 1;
}
