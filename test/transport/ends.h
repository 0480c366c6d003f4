/*
 * Ends of a transport, driven by hand: upcalls are noted, there is no node.
 * What a transport under test must bring is its kit.
 *
 *     end 1 ----.
 *     end 2 ------ end 0       all others reach end 0, and nobody else
 *     end 3 ----'
 *
 * Each message says its number and its length, so that one that was cut, lost,
 * doubled, overtaken or spoilt is noticed:
 *
 *     | number: 4 | length: 4 | bytes that follow from both |
 */
#ifndef ENDS_H
#define ENDS_H

#ifndef CRDTSYNC_VERSION
#error "include crdtsync.h, with its implementation, before ends.h"
#endif

#include "../test.h"

#include <poll.h>
#include <stddef.h>

enum {
    ENDS_MAX = 101,
    SEEN_MAX = 128,
    HEAD = 8,
    DEADLINE_MS = 20000,
    SILENCE_MS = 1000,
    WINDOW = 32768
};
#define MIB ((size_t)1 << 20)

/* What is NULL or 0 there is not. */
struct kit {
    const char *name;
    unsigned properties; /* that its table must promise, no more, no less */
    /* Makes end `number`; 0 comes first, and may be closed and made again at
     * the same place. */
    crdt_err (*make)(crdt_transport *out, size_t number,
                     const crdt_alloc *alloc);
    void (*finish)(void); /* all ends are closed */
    /* Somebody who knows no better sends this to end 0: whatever a connection
     * is, it opens one. */
    void (*stranger)(crdt_bytes bytes);
    size_t queue_max; /* bytes that may wait for one peer, in its memory */
    int forks;        /* ends may be in different processes */
    int waits;        /* poll waits, since others may be awake meanwhile */
    int loses;        /* on purpose: nothing but the engine makes it good */
    /* Where end 0 is, and what the adapter has besides its table. */
    const char *address;
    crdt_err (*add_peer)(const crdt_transport *t, const char *address);
    crdt_err (*remove_peer)(const crdt_transport *t, const char *address);
    size_t (*fds)(const crdt_transport *t, struct pollfd *out, size_t max,
                  int *timeout_ms);
    void (*wake)(const crdt_transport *t);
};

static const struct kit *kit;

/* After which an end that is made now takes another for dead. */
static uint32_t silence_ms = SILENCE_MS;

/* A peer, as one end sees it. */
struct seen {
    crdt_peer peer;
    uint32_t sent, got; /* messages; one that comes twice counts once */
    uint32_t highest;   /* number received */
    uint8_t recent[WINDOW / 8];
    int early; /* overtook another */
    int wrong; /* is not what was sent */
    int writable, down;
    crdt_buf in;   /* of a stream: not yet a message */
    crdt_buf late; /* echoes that were refused: length, bytes */
    char name[80], why[80];
};

struct end {
    crdt_transport t;
    crdt_upcalls up;
    size_t count, downs;
    uint64_t upcalls;
    int echo;     /* sends every message back */
    int drop_all; /* wants nobody */
    int in_poll;
    struct seen seen[SEEN_MAX]; /* the last member: it is large */
};

static struct end ends[ENDS_MAX];

static inline uint64_t now_ms(void)
{
    return crdti_mono_ms(NULL);
}

/* >>the log: its last line ------------------------------------------------ */

static char said[512];

static inline void note_line(void *ctx, const char *text)
{
    (void)ctx;
    snprintf(said, sizeof said, "%s", text);
}

static inline const crdt_log *said_log(void)
{
    static crdt_log log;
    log.version = 1;
    log.line = note_line;
    return &log;
}

/* >>messages -------------------------------------------------------------- */

static inline uint8_t message_byte(uint32_t number, size_t at)
{
    return (uint8_t)(number * 37 + at * 31 + (at >> 8) * 7 + (at >> 16));
}

/* The largest that the tests send in one go. */
static inline size_t message_max(const struct end *e)
{
    return e->t.message_max < MIB ? e->t.message_max : MIB;
}

static inline crdt_err send_message(struct end *e, struct seen *s, size_t len)
{
    static uint8_t bytes[MIB + HEAD];
    crdt_err err;
    size_t i;
    crdti_store32(bytes, s->sent + 1);
    crdti_store32(bytes + 4, (uint32_t)len);
    for (i = HEAD; i < len; i++)
        bytes[i] = message_byte(s->sent + 1, i);
    err = e->t.send(e->t.ctx, s->peer, crdt_bytes_of(bytes, len));
    s->sent += err == CRDT_OK;
    return err;
}

/* Whether that number came for the first time, so far as one remembers. */
static inline int is_new(struct seen *s, uint32_t number)
{
    uint8_t bit = (uint8_t)(1 << number % 8);
    uint8_t *at = &s->recent[number % WINDOW / 8];
    int was;
    if (number + WINDOW <= s->highest)
        return 0;
    while (s->highest < number) {
        s->highest++;
        s->recent[s->highest % WINDOW / 8] &= (uint8_t) ~(1 << s->highest % 8);
    }
    was = *at & bit;
    *at |= bit;
    return !was;
}

/* What is refused is said later: echo_late(). */
static inline void echo(struct end *e, struct seen *s, crdt_bytes m)
{
    crdti_writer w;
    crdt_err err = CRDT_ERR_AGAIN;
    if (!s->late.len)
        err = e->t.send(e->t.ctx, s->peer, m);
    CHECK(!err || err == CRDT_ERR_AGAIN);
    if (!err)
        return;
    crdti_writer_init(&w, &s->late);
    crdti_put_u32le(&w, (uint32_t)m.len);
    crdti_put_raw(&w, m);
}

static inline void echo_late(struct end *e, struct seen *s)
{
    size_t at = 0, len;
    while (at < s->late.len) {
        len = crdti_load32(s->late.ptr + at);
        if (e->t.send(e->t.ctx, s->peer,
                      crdt_bytes_of(s->late.ptr + at + 4, len)))
            break;
        at += 4 + len;
    }
    memmove(s->late.ptr, s->late.ptr + at, s->late.len - at);
    s->late.len -= at;
}

static inline void take_message(struct end *e, struct seen *s, crdt_bytes m)
{
    uint32_t number;
    size_t i;
    if (m.len < HEAD || crdti_load32(m.ptr + 4) != m.len) {
        s->wrong++;
        return;
    }
    number = crdti_load32(m.ptr);
    for (i = HEAD; i < m.len; i++)
        if (m.ptr[i] != message_byte(number, i))
            break;
    s->wrong += i < m.len;
    s->early += number != s->highest + 1;
    if (!is_new(s, number))
        return;
    s->got++;
    if (e->echo)
        echo(e, s, m);
}

/* As many messages as are whole. */
static inline void take_stream(struct end *e, struct seen *s, crdt_bytes bytes)
{
    size_t at = 0;
    crdti_writer w;
    crdti_writer_init(&w, &s->in);
    crdti_put_raw(&w, bytes);
    while (s->in.len - at >= HEAD) {
        size_t len = crdti_load32(s->in.ptr + at + 4);
        if (len < HEAD || len > MIB)
            s->wrong++;
        if (len < HEAD || len > s->in.len - at)
            break;
        take_message(e, s, crdt_bytes_of(s->in.ptr + at, len));
        at += len;
    }
    memmove(s->in.ptr, s->in.ptr + at, s->in.len - at);
    s->in.len -= at;
}

/* >>upcalls --------------------------------------------------------------- */

static inline struct seen *seen_of(struct end *e, crdt_peer peer)
{
    size_t i;
    CHECK(e->in_poll);
    e->upcalls++;
    for (i = 0; i < e->count; i++)
        if (e->seen[i].peer == peer)
            return &e->seen[i];
    printf("an upcall for peer %u, which there is not\n", (unsigned)peer);
    abort();
}

static inline void on_up(void *ctx, crdt_peer peer, const char *name)
{
    struct end *e = (struct end *)ctx;
    struct seen *s = &e->seen[e->count];
    size_t i;
    CHECK(e->in_poll && name && peer > 0);
    for (i = 0; i < e->count; i++)
        CHECK(e->seen[i].peer != peer);
    e->upcalls++;
    if (e->count == SEEN_MAX)
        abort();
    e->count++;
    memset(s, 0, sizeof *s);
    s->peer = peer;
    snprintf(s->name, sizeof s->name, "%s", name);
    if (e->drop_all)
        e->t.drop(e->t.ctx, peer, "not wanted");
}

static inline void on_down(void *ctx, crdt_peer peer, const char *why)
{
    struct end *e = (struct end *)ctx;
    struct seen *s = seen_of(e, peer);
    CHECK(!s->down && why);
    s->down = 1;
    e->downs++;
    snprintf(s->why, sizeof s->why, "%s", why);
    CHECK_INT(e->t.send(e->t.ctx, peer, CRDT_STR("12345678")),
              CRDT_ERR_CLOSED);
}

static inline void on_received(void *ctx, crdt_peer peer, crdt_bytes bytes)
{
    struct end *e = (struct end *)ctx;
    struct seen *s = seen_of(e, peer);
    CHECK(!s->down && bytes.len > 0);
    if (e->t.properties & CRDT_STREAM)
        take_stream(e, s, bytes);
    else
        take_message(e, s, bytes);
}

static inline void on_writable(void *ctx, crdt_peer peer)
{
    struct seen *s = seen_of((struct end *)ctx, peer);
    CHECK(!s->down);
    s->writable++;
}

/* >>ends ------------------------------------------------------------------ */

/* A port that was closed and is to be opened again may be another program's for
 * a moment. */
static inline crdt_err make_end(crdt_transport *out, size_t number,
                                const crdt_alloc *alloc)
{
    uint64_t until_ms = now_ms() + DEADLINE_MS;
    crdt_err err = kit->make(out, number, alloc);
    while (err == CRDT_ERR_IO && now_ms() < until_ms) {
        poll(NULL, 0, 10);
        err = kit->make(out, number, alloc);
    }
    return err;
}

static inline int end_open(size_t number, const crdt_alloc *alloc)
{
    struct end *e = &ends[number];
    memset(e, 0, offsetof(struct end, seen));
    if (make_end(&e->t, number, alloc) != CRDT_OK) {
        e->t.close = NULL;
        return 0;
    }
    e->up.version = 1;
    e->up.ctx = e;
    e->up.peer_up = on_up;
    e->up.peer_down = on_down;
    e->up.received = on_received;
    e->up.writable = on_writable;
    CHECK_INT(e->t.start(e->t.ctx, &e->up), CRDT_OK);
    return 1;
}

static inline void end_close(size_t number)
{
    struct end *e = &ends[number];
    size_t i;
    if (e->t.close)
        e->t.close(e->t.ctx);
    e->t.close = NULL;
    for (i = 0; i < e->count; i++) {
        crdt_buf_free(&e->seen[i].in);
        crdt_buf_free(&e->seen[i].late);
    }
}

/* What those that were closed have seen is forgotten. */
static inline void ends_forget(void)
{
    size_t i;
    for (i = 0; i < ENDS_MAX; i++)
        memset(&ends[i], 0, offsetof(struct end, seen));
}

static inline void ends_close(void)
{
    size_t i;
    for (i = 0; i < ENDS_MAX; i++)
        if (ends[i].t.close)
            end_close(i);
    if (kit->finish)
        kit->finish();
}

static inline crdt_err end_poll(size_t number, int timeout_ms)
{
    struct end *e = &ends[number];
    crdt_err err;
    size_t i;
    if (!e->t.close)
        return CRDT_OK;
    e->in_poll = 1;
    err = e->t.poll(e->t.ctx, timeout_ms);
    e->in_poll = 0;
    for (i = 0; i < e->count; i++)
        if (e->seen[i].late.len && !e->seen[i].down)
            echo_late(e, &e->seen[i]);
    return err;
}

/* One round of all; only the first end waits. */
static inline void ends_poll(void)
{
    size_t i;
    for (i = ENDS_MAX; i-- > 1;)
        CHECK_INT(end_poll(i, 0), CRDT_OK);
    CHECK_INT(end_poll(0, 1), CRDT_OK);
}

static inline void ends_poll_for(uint64_t ms)
{
    uint64_t until_ms = now_ms() + ms;
    while (now_ms() < until_ms)
        ends_poll();
}

/* Polls all until the condition holds; ends the test when it never does. */
#define UNTIL(cond)                                                           \
    do {                                                                      \
        uint64_t give_up_ms = now_ms() + DEADLINE_MS;                         \
        while (!(cond) && now_ms() < give_up_ms)                              \
            ends_poll();                                                      \
        if (!(cond))                                                          \
            ends_close();                                                     \
        REQUIRE(cond);                                                        \
    } while (0)

/* The link that came last. */
static inline struct seen *last(size_t number)
{
    struct end *e = &ends[number];
    return e->count ? &e->seen[e->count - 1] : NULL;
}

static inline int is_linked(size_t number)
{
    return last(number) && !last(number)->down;
}

static inline size_t links(size_t number)
{
    return ends[number].count - ends[number].downs;
}

/* End `number`, and its link at end 0. NULL: it did not come about. */
static inline struct seen *end_link(size_t number)
{
    uint64_t give_up_ms = now_ms() + DEADLINE_MS;
    size_t before = ends[0].count;
    if (!end_open(number, NULL))
        return NULL;
    while ((ends[0].count == before || !is_linked(0) || !is_linked(number)) &&
           now_ms() < give_up_ms)
        ends_poll();
    return ends[0].count > before ? last(0) : NULL;
}

#define LINK(var, number)                                                     \
    do {                                                                      \
        (var) = end_link(number);                                             \
        if (!(var))                                                           \
            ends_close();                                                     \
        REQUIRE(var);                                                         \
    } while (0)

#define OPEN(number)                                                          \
    do {                                                                      \
        int opened = end_open(number, NULL);                                  \
        if (!opened) {                                                        \
            printf("%s\n", said);                                             \
            ends_close();                                                     \
        }                                                                     \
        REQUIRE(opened);                                                      \
    } while (0)

/* Opens end 0. */
#define BEGIN()                                                               \
    do {                                                                      \
        ends_forget();                                                        \
        OPEN(0);                                                              \
    } while (0)

/* Whether what came is what was sent, as far as the transport promises. */
static inline int is_sound(const struct seen *s)
{
    int ordered = (kit->properties & CRDT_ORDERED) != 0;
    return !s->wrong && !(ordered && s->early);
}

#endif
