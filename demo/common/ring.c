#include "posix.h"

#include "ring.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* A hash is as many places as a key has probes. */
enum { PLACE_SIZE = 16, HASH_SIZE = PLACE_SIZE * RING_PROBES };

/* >>places ---------------------------------------------------------------- */

static uint64_t big_endian(const uint8_t *bytes)
{
    uint64_t value = 0;
    size_t i;
    for (i = 0; i < 8; i++)
        value = value << 8 | bytes[i];
    return value;
}

static void places(ring_place out[RING_PROBES], const void *bytes, size_t len,
                   const char *of)
{
    uint8_t hash[HASH_SIZE];
    size_t i;
    crypto_generichash(hash, sizeof hash, (const uint8_t *)bytes, len,
                       (const uint8_t *)of, strlen(of));
    for (i = 0; i < RING_PROBES; i++) {
        out[i].high = big_endian(hash + PLACE_SIZE * i);
        out[i].low = big_endian(hash + PLACE_SIZE * i + 8);
    }
}

static int compare(const ring_place *a, const ring_place *b)
{
    if (a->high != b->high)
        return a->high < b->high ? -1 : 1;
    return a->low < b->low ? -1 : a->low > b->low;
}

/* Two at one place, which nobody will see, go by name. */
static int compare_points(const void *a, const void *b)
{
    const ring_point *p = (const ring_point *)a, *q = (const ring_point *)b;
    int order = compare(&p->at, &q->at);
    return order ? order : strcmp(p->server->name, q->server->name);
}

/* How far it is clockwise. */
static ring_place distance(const ring_place *from, const ring_place *to)
{
    ring_place far;
    far.low = to->low - from->low;
    far.high = to->high - from->high - (to->low < from->low);
    return far;
}

/* >>servers --------------------------------------------------------------- */

void ring_free(ring *r)
{
    static const ring empty = RING_INIT;
    size_t i;
    for (i = 0; i < r->count; i++)
        free(r->servers[i]);
    free(r->servers);
    free(r->points);
    *r = empty;
}

/* Where it is by name, or has to be put. */
static size_t lower_bound(const ring *r, const char *name)
{
    size_t from = 0, to = r->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (strcmp(r->servers[middle]->name, name) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

int ring_has(const ring *r, const char *name)
{
    size_t at = lower_bound(r, name);
    return at < r->count && strcmp(r->servers[at]->name, name) == 0;
}

static void put_points(ring *r, const ring_server *server)
{
    uint8_t text[RING_NAME_MAX + 2];
    size_t len = strlen(server->name), i, j;
    memcpy(text, server->name, len);
    for (i = 0; i < RING_POINTS / RING_PROBES; i++) {
        ring_place at[RING_PROBES];
        text[len] = (uint8_t)i;
        places(at, text, len + 1, "ring server");
        for (j = 0; j < RING_PROBES; j++) {
            r->points[r->points_count].at = at[j];
            r->points[r->points_count++].server = server;
        }
    }
    qsort(r->points, r->points_count, sizeof *r->points, compare_points);
}

/* Room for one more server; what is there stays valid also when it fails. */
static int reserve(ring *r)
{
    ring_server **servers = (ring_server **)realloc(
        r->servers, (r->count + 1) * sizeof(ring_server *));
    ring_point *points;
    if (!servers)
        return 0;
    r->servers = servers;
    points = (ring_point *)realloc(r->points, (r->count + 1) * RING_POINTS *
                                                  sizeof *points);
    if (!points)
        return 0;
    r->points = points;
    return 1;
}

ring_err ring_add(ring *r, const char *name)
{
    size_t len = strlen(name), at = lower_bound(r, name);
    ring_server *server;
    if (!len || len > RING_NAME_MAX)
        return RING_ARG;
    if (ring_has(r, name))
        return RING_OK;
    if (r->count == RING_SERVERS_MAX)
        return RING_LIMIT;
    server = (ring_server *)malloc(sizeof *server);
    if (!server || !reserve(r)) {
        free(server);
        return RING_NOMEM;
    }
    memcpy(server->name, name, len + 1);
    memmove(r->servers + at + 1, r->servers + at,
            (r->count - at) * sizeof(ring_server *));
    r->servers[at] = server;
    r->count++;
    put_points(r, server);
    return RING_OK;
}

int ring_remove(ring *r, const char *name)
{
    size_t at = lower_bound(r, name), from, to = 0;
    if (!ring_has(r, name))
        return 0;
    for (from = 0; from < r->points_count; from++)
        if (r->points[from].server != r->servers[at])
            r->points[to++] = r->points[from];
    r->points_count = to;
    free(r->servers[at]);
    r->count--;
    memmove(r->servers + at, r->servers + at + 1,
            (r->count - at) * sizeof(ring_server *));
    return 1;
}

/* >>keys ------------------------------------------------------------------ */

/* The first point at or behind that place. */
static size_t next_point(const ring *r, const ring_place *place)
{
    size_t from = 0, to = r->points_count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (compare(&r->points[middle].at, place) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from == r->points_count ? 0 : from;
}

/* A walk clockwise from a place: the next point, and how far it is. */
typedef struct ring_walk {
    ring_place from, far;
    size_t point;
} ring_walk;

static void walk_to(ring_walk *w, const ring *r, size_t point)
{
    w->point = point;
    w->far = distance(&w->from, &r->points[point].at);
}

static ring_walk *least_far(ring_walk walks[RING_PROBES])
{
    ring_walk *least = walks;
    size_t i;
    for (i = 1; i < RING_PROBES; i++)
        if (compare(&walks[i].far, &least->far) < 0)
            least = walks + i;
    return least;
}

static int is_among(const char *name, const char *const *names, size_t count)
{
    while (count--)
        if (names[count] == name)
            return 1;
    return 0;
}

/* No walk goes round: before that it has met every server. */
size_t ring_find(const ring *r, const void *key, size_t len,
                 const char **names, size_t max)
{
    ring_walk walks[RING_PROBES];
    ring_place from[RING_PROBES];
    size_t count = 0, i;
    places(from, key, len, "ring key");
    for (i = 0; i < RING_PROBES && r->count; i++) {
        walks[i].from = from[i];
        walk_to(&walks[i], r, next_point(r, &from[i]));
    }
    while (count < max && count < r->count) {
        ring_walk *next = least_far(walks);
        const char *name = r->points[next->point].server->name;
        if (!is_among(name, names, count))
            names[count++] = name;
        walk_to(next, r, (next->point + 1) % r->points_count);
    }
    return count;
}
