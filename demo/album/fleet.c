#include "../common/posix.h"

#include "fleet.h"
#include "../common/ticks.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

int fleet_open(fleet *f)
{
    static const ring empty = RING_INIT;
    memset(f, 0, sizeof *f);
    f->ring = empty;
    f->roll.copies = 1;
    f->epoll = sodium_init() < 0 ? -1 : epoll_create1(EPOLL_CLOEXEC);
    return f->epoll >= 0;
}

static void drop(talk *t)
{
    if (t)
        talk_close(t);
    free(t);
}

void fleet_close(fleet *f)
{
    size_t i;
    for (i = 0; i < f->roll.count; i++)
        drop(f->talks[i]);
    ring_free(&f->ring);
    if (f->epoll >= 0)
        close(f->epoll);
    memset(f, 0, sizeof *f);
    f->epoll = -1;
}

void fleet_show(fleet *f, const pass *bearer)
{
    f->bearer = *bearer;
}

/* >>another roll ---------------------------------------------------------- */

/* The old one of that server, or NULL. */
static talk **old_talk(fleet *f, const roll_server *server)
{
    size_t i;
    for (i = 0; i < f->roll.count; i++)
        if (f->talks[i] && strcmp(f->talks[i]->name, server->name) == 0 &&
            strcmp(f->talks[i]->address, server->address) == 0)
            return &f->talks[i];
    return NULL;
}

/* The ring, and talks with those that have none yet. 0: no memory. */
static int prepare(fleet *f, const roll *r, ring *made, talk *fresh[ROLL_MAX])
{
    size_t i;
    int fine = 1;
    memset(fresh, 0, ROLL_MAX * sizeof *fresh);
    for (i = 0; i < r->count && fine; i++) {
        if (!r->servers[i].is_leaving)
            fine = ring_add(made, r->servers[i].name) == RING_OK;
        if (!fine || old_talk(f, &r->servers[i]))
            continue;
        fresh[i] = (talk *)malloc(sizeof *fresh[i]);
        if (fresh[i])
            talk_init(fresh[i], &r->servers[i]);
        fine = fresh[i] != NULL;
    }
    for (i = 0; i < r->count && !fine; i++)
        free(fresh[i]);
    if (!fine)
        ring_free(made);
    return fine;
}

int fleet_set(fleet *f, const roll *r)
{
    ring made = RING_INIT;
    talk *talks[ROLL_MAX], *gone[ROLL_MAX];
    size_t i, gone_count = f->roll.count;
    if (roll_equal(r, &f->roll))
        return 1;
    if (!prepare(f, r, &made, talks))
        return 0;
    for (i = 0; i < r->count; i++) {
        talk **old = old_talk(f, &r->servers[i]);
        if (!old)
            continue;
        talks[i] = *old;
        *old = NULL;
    }
    memcpy(gone, f->talks, sizeof gone);
    memcpy(f->talks, talks, sizeof talks);
    ring_free(&f->ring);
    f->ring = made;
    f->roll = *r;
    f->changes++;
    for (i = 0; i < gone_count; i++)
        drop(gone[i]);
    return 1;
}

/* >>asking ---------------------------------------------------------------- */

static size_t index_of(const fleet *f, const char *name)
{
    size_t i = 0;
    while (strcmp(f->roll.servers[i].name, name) != 0)
        i++;
    return i;
}

size_t fleet_order(const fleet *f, const chunk_hash *name,
                   size_t out[ROLL_MAX])
{
    const char *names[ROLL_MAX];
    size_t count =
        ring_find(&f->ring, name->bytes, sizeof name->bytes, names, ROLL_MAX);
    size_t i;
    for (i = 0; i < count; i++)
        out[i] = index_of(f, names[i]);
    for (i = 0; i < f->roll.count; i++)
        if (f->roll.servers[i].is_leaving)
            out[count++] = i;
    return count;
}

size_t fleet_copies(const fleet *f)
{
    return f->roll.copies < f->ring.count ? f->roll.copies : f->ring.count;
}

int fleet_is_ready(fleet *f, size_t at)
{
    return talk_is_ready(f->talks[at], &f->bearer, f->epoll);
}

int fleet_ask(fleet *f, size_t at, const talk_question *q)
{
    return talk_ask(f->talks[at], &f->bearer, f->epoll, q);
}

void fleet_forget(fleet *f, const void *ctx)
{
    size_t i;
    for (i = 0; i < f->roll.count; i++)
        talk_forget(f->talks[i], ctx);
}

size_t fleet_keepers(const fleet *f, const chunk_hash *name,
                     uint8_t out[ROLL_COPIES_MAX])
{
    const char *names[ROLL_COPIES_MAX];
    size_t count = ring_find(&f->ring, name->bytes, sizeof name->bytes, names,
                             fleet_copies(f));
    size_t i;
    for (i = 0; i < count; i++)
        out[i] = (uint8_t)index_of(f, names[i]);
    return count;
}

int fleet_step(fleet *f)
{
    int wait = -1;
    size_t i;
    uint64_t changes = f->changes;
    for (i = 0; i < f->roll.count && changes == f->changes; i++)
        wait = ticks_sooner(wait, talk_step(f->talks[i], f->epoll));
    return changes == f->changes ? wait : 0;
}
