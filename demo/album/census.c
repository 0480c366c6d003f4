#include "../common/posix.h"

#include "census.h"
#include "../common/ticks.h"

#include <stdlib.h>
#include <string.h>

/* Between two counts; or the grace time, when that is shorter. */
enum { REST_MS = 3600 * 1000 };

static uint64_t rest_ms(const census *c)
{
    uint64_t grace_ms = 1000 * c->config.grace_s;
    return grace_ms < REST_MS ? grace_ms : REST_MS;
}

/* First it rests, for data servers have to come. */
int census_open(census *c, const census_config *config)
{
    pass bearer;
    memset(c, 0, sizeof *c);
    c->config = *config;
    c->bytes = (uint8_t *)malloc(CHUNK_MAX);
    if (!c->bytes || !fleet_open(&c->fleet)) {
        free(c->bytes);
        c->bytes = NULL;
        return 0;
    }
    c->due_ms = ticks_ms() + rest_ms(c);
    pass_make(&bearer, &config->key, PASS_READ, UINT64_MAX);
    fleet_show(&c->fleet, &bearer);
    return 1;
}

void census_close(census *c)
{
    if (!c->bytes)
        return;
    errand_end(&c->errand, &c->fleet);
    fleet_close(&c->fleet);
    free(c->known.all);
    free(c->named.all);
    free(c->indexes.all);
    free(c->bytes);
    c->bytes = NULL;
}

void census_hear(census *c, const roll *servers)
{
    (void)fleet_set(&c->fleet, servers); /* without memory: the old ones */
}

/* >>noting ---------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(chunk_hash));
}

/* In order, and each once. */
static void merge(census_list *list)
{
    size_t i, kept = 0;
    if (list->count)
        qsort(list->all, list->count, sizeof *list->all, compare);
    for (i = 0; i < list->count; i++)
        if (!kept || compare(&list->all[kept - 1], &list->all[i]))
            list->all[kept++] = list->all[i];
    list->count = kept;
}

/* Of a full list that is merged half is free, else it grows: so it is merged
 * seldom. 0: it cannot be. */
static int make_room(census_list *list, size_t more)
{
    size_t room = list->room, needed;
    chunk_hash *all;
    if (list->count + more <= room)
        return 1;
    merge(list);
    needed = list->count + more;
    if (needed > CENSUS_MAX)
        return 0;
    while (room < 2 * needed)
        room = room ? 2 * room : 64;
    all = (chunk_hash *)realloc(list->all, room * sizeof *all);
    if (!all)
        return 0;
    list->all = all;
    list->room = room;
    return 1;
}

static void note(census *c, census_list *list, const void *hashes,
                 size_t count)
{
    if (c->has_failed || !count)
        return;
    if (!make_room(list, count)) {
        c->has_failed = 1;
        return;
    }
    memcpy(list->all + list->count, hashes, count * sizeof *list->all);
    list->count += count;
}

void census_file_is(census *c, const chunk_hash *hash, uint64_t size)
{
    note(c, &c->named, hash, 1);
    if (size > CHUNK_MAX)
        note(c, &c->indexes, hash, 1);
}

/* >>counting -------------------------------------------------------------- */

static void begin(census *c)
{
    c->begun_ms = ticks_ms();
    c->named.count = c->indexes.count = 0;
    c->has_failed = 0;
    c->phase = CENSUS_ALBUMS;
}

static void step_albums(census *c)
{
    int more = c->config.next_album(c->config.ctx, c);
    c->has_failed |= more < 0;
    if (more > 0)
        return;
    merge(&c->indexes);
    c->phase = CENSUS_INDEXES;
}

static void end(census *c)
{
    census_list old = c->known;
    c->phase = CENSUS_RESTS;
    c->due_ms = ticks_ms() + rest_ms(c);
    if (c->has_failed)
        return;
    merge(&c->named);
    c->known = c->named;
    c->named = old;
    c->known_ms = c->begun_ms;
    c->is_known = 1;
}

/* One after the other. What no data server has is as lost as the file is:
 * what it named is loose from now on, and has the grace time to be found. */
static int step_indexes(census *c)
{
    errand *e = &c->errand;
    int wait;
    if (e->state == ERRAND_NONE && (c->has_failed || !c->indexes.count)) {
        end(c);
        return 0;
    }
    if (e->state == ERRAND_NONE)
        errand_fetch(e, &c->indexes.all[--c->indexes.count], c->bytes,
                     ERRAND_ANY_LEN);
    wait = errand_step(e, &c->fleet);
    if (e->state != ERRAND_DONE && e->state != ERRAND_FAILED)
        return wait;
    if (e->state == ERRAND_DONE)
        note(c, &c->named, e->bytes, e->len / sizeof(chunk_hash));
    e->state = ERRAND_NONE;
    return 0;
}

int census_step(census *c)
{
    int wait = fleet_step(&c->fleet);
    uint64_t now = ticks_ms();
    switch (c->phase) {
    case CENSUS_RESTS:
        if (now < c->due_ms)
            return c->due_ms - now < 1000 ? (int)(c->due_ms - now) : 1000;
        begin(c);
        return 0;
    case CENSUS_ALBUMS:
        step_albums(c);
        return 0;
    case CENSUS_INDEXES:
        return ticks_sooner(wait, step_indexes(c));
    }
    return wait;
}

/* >>answers --------------------------------------------------------------- */

/* Rounded up, for ages are of whole seconds. */
uint64_t census_named(const census *c, const chunk_hash *names, size_t count,
                      uint8_t *is_named)
{
    size_t i;
    if (!c->is_known)
        return 0;
    for (i = 0; i < count; i++)
        is_named[i] =
            c->known.count && bsearch(&names[i], c->known.all, c->known.count,
                                      sizeof *names, compare) != NULL;
    return c->config.grace_s + (ticks_ms() - c->known_ms) / 1000 + 2;
}
