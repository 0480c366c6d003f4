/*
 * crdtsync_chaos - a bad network on purpose, around any transport: to see that
 * a program survives it.
 *
 *     #define CRDTSYNC_IMPLEMENTATION     // in one file, that of crdtsync.h;
 *     #include "crdtsync.h"               // adapters come behind it
 *     #include "crdtsync_tcp.h"
 *     #include "crdtsync_chaos.h"
 *
 * SYNOPSIS
 *
 *     crdt_transport tcp, bad;
 *     crdt_tcp_new(&tcp, &tcp_config);
 *     crdt_chaos_new(&bad, &tcp, "loss=10%,delay=50ms", NULL);
 *     crdt_node_attach(node, &bad);       // the node closes both
 *
 * WHAT TO SAY
 *
 *     "loss=10%,delay=50ms,jitter=20ms; 10s: partition; 20s: heal,loss=0"
 *
 * Phases with a semicolon between, each with the time of its beginning,
 * counted from crdt_chaos_new; what a phase does not name stays as it was.
 *
 *     delay=TIME      everything comes later            5ms, 1.5s, 2m
 *     jitter=TIME     and as much as this more, at random
 *     bandwidth=RATE  bytes a second                    9600, 64k, 1.5M
 *     loss=SHARE      is lost                           10%, 0.5%, 0
 *     dup=SHARE       comes twice
 *     reorder=SHARE   comes later than what was sent after it
 *     corrupt=SHARE   comes with one bit turned over
 *     tear=SHARE      comes in part: what is behind is missing; of a stream:
 *                     comes in two parts
 *     cut=SHARE       half of it comes, and then the link ends
 *     mute, deaf      nothing goes out, nothing comes in
 *     partition       both
 *     heal            none of the three any more
 *     unreliable,     what the table says of the transport, also when the spec
 *     unordered       gives no reason for it (yet): for crdt_chaos_set
 *     seed=NUMBER     of all chance
 *
 * mute=NAME, deaf=NAME and partition=NAME concern the links only whose name
 * (the transport's, as "tcp:10.0.0.7:4711") holds NAME; several with | between.
 *
 * Shares are of messages that this end sends: put one around each end to hurt
 * both ways.
 *
 * A STREAM IS NOT MESSAGES
 *
 * What a bad network does to a stream (TCP) is other than what it does to
 * messages (UDP), and so it is here. Bytes of a stream are never lost, doubled
 * or reordered, or it would be none: the system sends them again. So `loss`
 * makes a piece, and all behind it, wait for one repetition (twice the delay,
 * 10 ms at least; the double when that is lost as well), a partition makes all
 * wait until it heals, jitter keeps the order, and `dup` and `reorder` are
 * refused. `corrupt`, `cut` and `tear` are what they say.
 *
 * The properties of the table are honest: around messages, one that may lose
 * some is not CRDT_RELIABLE, one that may double or reorder some is not
 * CRDT_ORDERED. It never is CRDT_BROADCAST: each peer has a fate of its own.
 *
 * The same seed, the same calls at the same times: the same chaos.
 */
#ifndef CRDTSYNC_CHAOS_H
#define CRDTSYNC_CHAOS_H

#ifndef CRDTSYNC_VERSION
#error "include crdtsync.h before crdtsync_chaos.h"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Zero means default. Tables are copied. */
typedef struct crdt_chaos_config {
    const crdt_alloc *alloc;
    const crdt_clock *clock;
    const crdt_log *log; /* what is wrong with a spec; NULL: silent */
    size_t queue_max;    /* bytes held back for one peer; 0: 4 MiB */
} crdt_chaos_config;

/* Takes the inner transport over: `out` closes it; on failure it stays the
 * caller's. `config` may be NULL. ARG (the log says what is wrong with the
 * spec), NOMEM. */
CRDT_API crdt_err crdt_chaos_new(crdt_transport *out,
                                 const crdt_transport *inner, const char *spec,
                                 const crdt_chaos_config *config);

/* Whether a spec makes sense; when not, `why` (of `size` bytes; may be NULL)
 * says in one line what is wrong. ARG. */
CRDT_API crdt_err crdt_chaos_check(const char *spec, char *why, size_t size);

/* From now on, on top of what is; phases still to come go on from there. No
 * times here. ARG, also when the table has promised what this would break. */
CRDT_API crdt_err crdt_chaos_set(const crdt_transport *chaos, const char *spec,
                                 char *why, size_t size);

/* For a program with a loop of its own: after how long the node is to be
 * polled though no descriptor of the inner transport is ready; -1: whenever.
 */
CRDT_API int crdt_chaos_due_ms(const crdt_transport *chaos);

/* What has been done to messages so far; of a stream, to pieces. */
typedef struct crdt_chaos_stats {
    uint64_t sent; /* whatever came of them */
    uint64_t lost, doubled, reordered, corrupted, torn, cut;
} crdt_chaos_stats;
CRDT_API void crdt_chaos_get_stats(const crdt_transport *chaos,
                                   crdt_chaos_stats *out);

#ifdef __cplusplus
}
#endif

#endif /* CRDTSYNC_CHAOS_H */

#if defined(CRDTSYNC_IMPLEMENTATION) && !defined(CRDTSYNC_CHAOS_IMPLEMENTED)
#define CRDTSYNC_CHAOS_IMPLEMENTED

#ifndef CRDTSYNC_IMPLEMENTED
#error "define CRDTSYNC_IMPLEMENTATION before including crdtsync.h"
#endif

#define CRDTI_CHAOS_PHASES_MAX 64
#define CRDTI_CHAOS_WHOM_MAX 128
#define CRDTI_CHAOS_TEXT_MAX 80
#define CRDTI_CHAOS_WHY_MAX 200
#define CRDTI_CHAOS_PIECE 16384u     /* of a stream, that has one fate */
#define CRDTI_CHAOS_REPEAT_US 10000u /* at least, until it is sent again */
#define CRDTI_CHAOS_LINGER_US 1000000u
#define CRDTI_CHAOS_CERTAIN 100000000u /* a share: millionths of a percent */
#define CRDTI_CHAOS_NEVER UINT64_MAX
#define CRDTI_CHAOS_NUMBER_MAX UINT64_C(1000000000000)

/* >>what is asked for ----------------------------------------------------- */

typedef struct crdti_chaos_whom {
    int any;
    char names[CRDTI_CHAOS_WHOM_MAX]; /* "" while any: all */
} crdti_chaos_whom;

typedef struct crdti_chaos_faults {
    uint64_t at_ms; /* when it begins */
    uint64_t loss, dup, reorder, corrupt, tear, cut;
    uint64_t delay_us, jitter_us, bandwidth;
    uint64_t seed;
    crdti_chaos_whom mute, deaf;
    int unreliable, unordered;
} crdti_chaos_faults;

typedef struct crdti_chaos_spec {
    crdti_chaos_faults phases[CRDTI_CHAOS_PHASES_MAX];
    size_t count;
} crdti_chaos_spec;

/* Reads at `at`; what is wrong goes to `why`. */
typedef struct crdti_chaos_reader {
    const char *at;
    char why[CRDTI_CHAOS_WHY_MAX];
} crdti_chaos_reader;

CRDTI_FN size_t crdti_chaos_len(const char *text)
{
    return crdt_str(text).len;
}

/* Appends as much of `text` as there is room for. */
CRDTI_FN void crdti_chaos_add(char *out, size_t size, const char *text,
                              size_t len)
{
    size_t at = crdti_chaos_len(out);
    len = crdti_min_size(len, size - 1 - at);
    crdti_copy(out + at, text, len);
    out[at + len] = 0;
}

CRDTI_FN void crdti_chaos_copy(char *out, size_t size, const char *text)
{
    out[0] = 0;
    crdti_chaos_add(out, size, text, crdti_chaos_len(text));
}

/* "WORD": what. Always 0. */
CRDTI_FN int crdti_chaos_refuse(crdti_chaos_reader *r, const char *word,
                                size_t len, const char *what)
{
    crdti_chaos_copy(r->why, sizeof r->why, "\"");
    crdti_chaos_add(r->why, sizeof r->why, word, crdti_min_size(len, 60));
    crdti_chaos_add(r->why, sizeof r->why, "\": ", 3);
    crdti_chaos_add(r->why, sizeof r->why, what, crdti_chaos_len(what));
    return 0;
}

CRDTI_FN int crdti_chaos_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

CRDTI_FN void crdti_chaos_spaces(crdti_chaos_reader *r)
{
    while (crdti_chaos_is_space(*r->at))
        r->at++;
}

/* Up to one of `stops`, without spaces at its ends. */
CRDTI_FN crdt_bytes crdti_chaos_word(crdti_chaos_reader *r, const char *stops)
{
    const char *from, *stop;
    size_t len;
    crdti_chaos_spaces(r);
    from = r->at;
    for (; *r->at; r->at++) {
        for (stop = stops; *stop && *stop != *r->at; stop++)
            continue;
        if (*stop)
            break;
    }
    len = (size_t)(r->at - from);
    while (len > 0 && crdti_chaos_is_space(from[len - 1]))
        len--;
    return crdt_bytes_of(from, len);
}

CRDTI_FN int crdti_chaos_is(crdt_bytes word, const char *text)
{
    return crdt_bytes_equal(word, crdt_str(text));
}

/* A number with at most six digits behind its point, in millionths; what is
 * behind it stays in `rest`. Whether it was one. */
CRDTI_FN int crdti_chaos_number(crdt_bytes word, uint64_t *out,
                                crdt_bytes *rest)
{
    uint64_t value = 0, unit = 0;
    size_t i;
    for (i = 0; i < word.len; i++) {
        uint8_t c = word.ptr[i];
        if (c == '.' && !unit && i > 0)
            unit = 1000000;
        else if (c < '0' || c > '9' || unit == 1 ||
                 value > CRDTI_CHAOS_NUMBER_MAX)
            break;
        else {
            value = value * 10 + (uint64_t)(c - '0');
            unit /= unit ? 10 : 1;
        }
    }
    *out = value * (unit ? unit : 1000000);
    *rest = word;
    if (i > 0)
        *rest = crdt_bytes_of(word.ptr + i, word.len - i);
    return i > 0;
}

typedef struct crdti_chaos_unit {
    const char *name;
    uint64_t size;
} crdti_chaos_unit;

/* A number and one of the units; the last unit has no name. */
CRDTI_FN int crdti_chaos_quantity(crdt_bytes word,
                                  const crdti_chaos_unit *units, uint64_t *out)
{
    uint64_t value;
    crdt_bytes rest;
    if (!crdti_chaos_number(word, &value, &rest))
        return 0;
    for (; units->name; units++) {
        if (!crdti_chaos_is(rest, units->name))
            continue;
        if (value / 1000000 > UINT64_MAX / 4 / units->size)
            return 0;
        *out = value / 1000000 * units->size +
               value % 1000000 * units->size / 1000000;
        return 1;
    }
    return 0;
}

CRDTI_FN int crdti_chaos_share(crdt_bytes word, uint64_t *out)
{
    static const crdti_chaos_unit units[] = { { "%", 1000000 }, { NULL, 0 } };
    *out = 0;
    if (crdti_chaos_is(word, "0"))
        return 1;
    return crdti_chaos_quantity(word, units, out) &&
           *out <= CRDTI_CHAOS_CERTAIN;
}

CRDTI_FN int crdti_chaos_time_us(crdt_bytes word, uint64_t *out)
{
    static const crdti_chaos_unit units[] = { { "us", 1 },
                                              { "ms", 1000 },
                                              { "s", 1000000 },
                                              { "m", 60000000 },
                                              { NULL, 0 } };
    *out = 0;
    return crdti_chaos_is(word, "0") ||
           (crdti_chaos_quantity(word, units, out) &&
            *out <= UINT64_C(3600000000) * 24);
}

CRDTI_FN int crdti_chaos_rate(crdt_bytes word, uint64_t *out)
{
    static const crdti_chaos_unit units[] = { { "", 1 },
                                              { "k", 1000 },
                                              { "M", 1000000 },
                                              { "G", 1000000000 },
                                              { NULL, 0 } };
    return crdti_chaos_quantity(word, units, out);
}

/* Which field a name sets; NULL when it has no number. */
CRDTI_FN uint64_t *crdti_chaos_share_of(crdti_chaos_faults *f, crdt_bytes name)
{
    if (crdti_chaos_is(name, "loss"))
        return &f->loss;
    if (crdti_chaos_is(name, "dup"))
        return &f->dup;
    if (crdti_chaos_is(name, "reorder"))
        return &f->reorder;
    if (crdti_chaos_is(name, "corrupt"))
        return &f->corrupt;
    if (crdti_chaos_is(name, "tear"))
        return &f->tear;
    if (crdti_chaos_is(name, "cut"))
        return &f->cut;
    return NULL;
}

CRDTI_FN int crdti_chaos_whom_set(crdti_chaos_whom *whom, crdt_bytes names)
{
    if (names.len >= sizeof whom->names)
        return 0;
    crdti_zero(whom, sizeof *whom);
    whom->any = 1;
    crdti_copy(whom->names, names.ptr, names.len);
    return 1;
}

/* One of the words that need no value. -1: it is another. */
CRDTI_FN int crdti_chaos_plain(crdti_chaos_faults *f, crdt_bytes name,
                               crdt_bytes value)
{
    int both = crdti_chaos_is(name, "partition"), fits = 1;
    if (both || crdti_chaos_is(name, "mute"))
        fits = crdti_chaos_whom_set(&f->mute, value);
    if (both || crdti_chaos_is(name, "deaf"))
        fits = crdti_chaos_whom_set(&f->deaf, value);
    if (both || crdti_chaos_is(name, "mute") || crdti_chaos_is(name, "deaf"))
        return fits;
    if (value.len)
        return -1;
    if (crdti_chaos_is(name, "heal"))
        f->mute.any = f->deaf.any = 0;
    else if (crdti_chaos_is(name, "unreliable"))
        f->unreliable = 1;
    else if (crdti_chaos_is(name, "unordered"))
        f->unordered = 1;
    else
        return -1;
    return 1;
}

/* NULL, or what is wrong. */
CRDTI_FN const char *crdti_chaos_value(crdti_chaos_faults *f, crdt_bytes name,
                                       crdt_bytes value)
{
    uint64_t *share = crdti_chaos_share_of(f, name);
    crdt_bytes rest;
    int plain = crdti_chaos_plain(f, name, value);
    if (plain >= 0)
        return plain ? NULL : "the names are too long";
    if (share)
        return crdti_chaos_share(value, share)
                   ? NULL
                   : "takes a share from 0% to 100%, as 10% or 0.5%";
    if (crdti_chaos_is(name, "delay") || crdti_chaos_is(name, "jitter"))
        return crdti_chaos_time_us(value, crdti_chaos_is(name, "delay")
                                              ? &f->delay_us
                                              : &f->jitter_us)
                   ? NULL
                   : "takes a time, as 50ms or 1.5s";
    if (crdti_chaos_is(name, "bandwidth"))
        return crdti_chaos_rate(value, &f->bandwidth)
                   ? NULL
                   : "takes bytes a second, as 9600, 64k or 1.5M";
    if (!crdti_chaos_is(name, "seed"))
        return "is none of loss, delay, jitter, bandwidth, dup, reorder, "
               "corrupt, tear, cut, mute, deaf, partition, heal, unreliable, "
               "unordered, seed";
    if (!crdti_chaos_number(value, &f->seed, &rest) || rest.len)
        return "takes a number";
    f->seed /= 1000000;
    return NULL;
}

/* "name" or "name=value", up to a comma or the end of the phase. */
CRDTI_FN int crdti_chaos_item(crdti_chaos_reader *r, crdti_chaos_faults *f)
{
    const char *from, *why;
    crdt_bytes name, value = { NULL, 0 };
    crdti_chaos_spaces(r);
    from = r->at;
    name = crdti_chaos_word(r, ",;=");
    if (*r->at == '=') {
        r->at++;
        value = crdti_chaos_word(r, ",;");
    }
    why = crdti_chaos_value(f, name, value);
    return !why || crdti_chaos_refuse(r, from, (size_t)(r->at - from), why);
}

/* "TIME:" before a phase, when it is there. */
CRDTI_FN int crdti_chaos_when(crdti_chaos_reader *r, uint64_t *at_ms)
{
    crdti_chaos_reader ahead = *r;
    crdt_bytes word = crdti_chaos_word(&ahead, ":,;=");
    const char *text = (const char *)word.ptr;
    uint64_t us;
    if (*ahead.at != ':')
        return 1;
    if (!crdti_chaos_time_us(word, &us))
        return crdti_chaos_refuse(r, text, word.len,
                                  "a phase begins at a time, as 10s:");
    if (us / 1000 < *at_ms)
        return crdti_chaos_refuse(r, text, word.len,
                                  "phases go forward in time");
    *at_ms = us / 1000;
    r->at = ahead.at + 1;
    return 1;
}

/* On top of `f`, up to the end of the phase. */
CRDTI_FN int crdti_chaos_phase(crdti_chaos_reader *r, crdti_chaos_faults *f)
{
    for (;;) {
        crdti_chaos_spaces(r);
        if (*r->at && *r->at != ';' && *r->at != ',' &&
            !crdti_chaos_item(r, f))
            return 0;
        if (*r->at != ',')
            return 1;
        r->at++;
    }
}

/* All of it; 0: no, and r->why says why. */
CRDTI_FN int crdti_chaos_read(crdti_chaos_reader *r, crdti_chaos_spec *out)
{
    crdti_zero(out, sizeof *out);
    while (out->count == 0 || *r->at) {
        crdti_chaos_faults *f = &out->phases[out->count];
        if (out->count == CRDTI_CHAOS_PHASES_MAX)
            return crdti_chaos_refuse(r, r->at, crdti_chaos_len(r->at),
                                      "too many phases");
        if (out->count)
            *f = f[-1];
        out->count++;
        if (!crdti_chaos_when(r, &f->at_ms) || !crdti_chaos_phase(r, f))
            return 0;
        r->at += *r->at == ';';
        crdti_chaos_spaces(r);
    }
    return 1;
}

/* What is left of the properties of `inner` under these faults. */
CRDTI_FN unsigned crdti_chaos_properties(unsigned inner,
                                         const crdti_chaos_faults *f)
{
    unsigned left = inner & ~(unsigned)CRDT_BROADCAST;
    int is_stream = (inner & CRDT_STREAM) != 0;
    if (f->unreliable)
        left &= ~(unsigned)CRDT_RELIABLE;
    if (f->unordered)
        left &= ~(unsigned)CRDT_ORDERED;
    if (is_stream)
        return left;
    if (f->loss || f->corrupt || f->tear || f->mute.any || f->deaf.any)
        left &= ~(unsigned)CRDT_RELIABLE;
    if (f->dup || f->reorder || f->jitter_us)
        left &= ~(unsigned)CRDT_ORDERED;
    return left;
}

/* >>data ------------------------------------------------------------------ */

/* Bytes on their way; they follow the head. In the order of `due_us`. */
typedef struct crdti_chaos_packet {
    struct crdti_chaos_packet *next, *before;
    uint64_t due_us;
    size_t len;
    int cuts; /* the link ends behind it */
} crdti_chaos_packet;

/*
 *     HIDDEN --> UP --> LEAVING --> DEAD
 *                '------------------^
 *
 * HIDDEN came up while cut off: told when that is over. A link of which
 * peer_down was told while the inner one could not be told so (cut off) is a
 * ghost: it waits for the end of the partition.
 */
typedef enum crdti_chaos_state {
    CRDTI_CHAOS_HIDDEN,
    CRDTI_CHAOS_UP,
    CRDTI_CHAOS_LEAVING,
    CRDTI_CHAOS_DEAD
} crdti_chaos_state;

typedef struct crdti_chaos_link {
    struct crdti_chaos_link *next;
    crdt_peer peer; /* the inner number is ours */
    crdti_chaos_state state;
    crdti_chaos_packet *first, *last;
    size_t queued;     /* bytes in packets */
    size_t refused;    /* bytes of the last send; 0: it was taken */
    uint64_t since_us; /* LEAVING */
    uint64_t free_us;  /* when the bandwidth is free for more */
    uint64_t last_us;  /* when what was sent last is due */
    unsigned losses;   /* in a row, of a stream */
    crdt_buf held;     /* of a stream: came while deaf */
    int is_blocked;    /* the inner queue is full */
    int is_gone;       /* the inner link has ended */
    int is_dropped;    /* the inner transport was told */
    char name[CRDTI_CHAOS_TEXT_MAX], why[CRDTI_CHAOS_TEXT_MAX];
} crdti_chaos_link;

typedef struct crdti_chaos {
    crdt_alloc alloc;
    crdt_clock clock;
    crdt_transport inner;
    crdt_upcalls mine;
    const crdt_upcalls *up;
    crdti_chaos_link *links, **last;
    crdti_chaos_spec spec;
    crdti_chaos_faults now; /* in force */
    size_t phase;           /* the next to begin */
    uint64_t start_ms, now_us;
    uint64_t random;
    uint64_t upcalls;
    size_t queue_max;
    unsigned properties;
    crdt_err err;
    crdt_chaos_stats stats;
    int polling;
} crdti_chaos;

/* splitmix64 */
CRDTI_FN uint64_t crdti_chaos_random(crdti_chaos *c)
{
    uint64_t z = (c->random += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

CRDTI_FN uint64_t crdti_chaos_below(crdti_chaos *c, uint64_t bound)
{
    return bound ? crdti_chaos_random(c) % bound : 0;
}

CRDTI_FN int crdti_chaos_happens(crdti_chaos *c, uint64_t share)
{
    return share && crdti_chaos_below(c, CRDTI_CHAOS_CERTAIN) < share;
}

/* Times and phases. */
CRDTI_FN void crdti_chaos_tick(crdti_chaos *c)
{
    uint64_t now_ms = c->clock.mono_ms(c->clock.ctx);
    c->now_us = now_ms * 1000;
    while (c->phase < c->spec.count &&
           now_ms - c->start_ms >= c->spec.phases[c->phase].at_ms)
        c->now = c->spec.phases[c->phase++];
}

/* One of the names, with | between, is in that of the link. */
CRDTI_FN int crdti_chaos_names(const char *names, const char *link)
{
    crdt_bytes name = crdt_str(link);
    size_t len, at;
    for (; *names; names += len + (names[len] == '|')) {
        for (len = 0; names[len] && names[len] != '|'; len++)
            continue;
        for (at = 0; at + len <= name.len; at++)
            if (crdti_equal(name.ptr + at, names, len))
                return 1;
    }
    return 0;
}

CRDTI_FN int crdti_chaos_concerns(const crdti_chaos_whom *whom,
                                  const crdti_chaos_link *link)
{
    return whom->any &&
           (!whom->names[0] || crdti_chaos_names(whom->names, link->name));
}

CRDTI_FN int crdti_chaos_is_stream(const crdti_chaos *c)
{
    return (c->inner.properties & CRDT_STREAM) != 0;
}

CRDTI_FN crdti_chaos_link *crdti_chaos_find(const crdti_chaos *c,
                                            crdt_peer peer)
{
    crdti_chaos_link *link;
    for (link = c->links; link; link = link->next)
        if (link->peer == peer)
            return link;
    return NULL;
}

/* >>packets --------------------------------------------------------------- */

CRDTI_FN uint8_t *crdti_chaos_bytes(crdti_chaos_packet *packet)
{
    void *behind = packet + 1;
    return (uint8_t *)behind;
}

CRDTI_FN crdti_chaos_packet *crdti_chaos_packet_new(crdti_chaos *c,
                                                    crdt_bytes bytes)
{
    crdti_chaos_packet *packet = (crdti_chaos_packet *)crdti_alloc(
        &c->alloc, sizeof *packet + bytes.len);
    if (!packet)
        return NULL;
    crdti_zero(packet, sizeof *packet);
    packet->len = bytes.len;
    crdti_copy(crdti_chaos_bytes(packet), bytes.ptr, bytes.len);
    return packet;
}

CRDTI_FN void crdti_chaos_packet_free(crdti_chaos *c,
                                      crdti_chaos_packet *packet)
{
    crdti_free(&c->alloc, packet, sizeof *packet + packet->len);
}

CRDTI_FN void crdti_chaos_insert(crdti_chaos_link *link,
                                 crdti_chaos_packet *packet)
{
    crdti_chaos_packet *before = link->last;
    while (before && before->due_us > packet->due_us)
        before = before->before;
    packet->before = before;
    packet->next = before ? before->next : link->first;
    *(before ? &before->next : &link->first) = packet;
    *(packet->next ? &packet->next->before : &link->last) = packet;
    link->queued += packet->len;
}

CRDTI_FN void crdti_chaos_remove_first(crdti_chaos *c, crdti_chaos_link *link)
{
    crdti_chaos_packet *packet = link->first;
    link->first = packet->next;
    *(link->first ? &link->first->before : &link->last) = NULL;
    link->queued -= packet->len;
    crdti_chaos_packet_free(c, packet);
}

CRDTI_FN void crdti_chaos_clear(crdti_chaos *c, crdti_chaos_link *link)
{
    while (link->first)
        crdti_chaos_remove_first(c, link);
}

/* Whether so many bytes more may wait; an empty queue takes any message. */
CRDTI_FN int crdti_chaos_fits(const crdti_chaos *c,
                              const crdti_chaos_link *link, size_t len)
{
    return !link->queued ||
           (link->queued < c->queue_max && len <= c->queue_max - link->queued);
}

/* >>fate ------------------------------------------------------------------ */

/* When it has passed through the bandwidth and the delay. */
CRDTI_FN uint64_t crdti_chaos_due_us(crdti_chaos *c, crdti_chaos_link *link,
                                     size_t len)
{
    link->free_us = crdti_max(link->free_us, c->now_us);
    if (c->now.bandwidth)
        link->free_us += len * UINT64_C(1000000) / c->now.bandwidth;
    return link->free_us + c->now.delay_us +
           crdti_chaos_below(c, c->now.jitter_us + 1);
}

CRDTI_FN void crdti_chaos_spoil(crdti_chaos *c, crdti_chaos_packet *packet)
{
    uint64_t bit = crdti_chaos_below(c, packet->len * 8);
    crdti_chaos_bytes(packet)[bit / 8] ^= (uint8_t)(1u << bit % 8);
    c->stats.corrupted++;
}

/* Of a stream: the piece is sent again, and all behind it waits. */
CRDTI_FN uint64_t crdti_chaos_repeat_us(crdti_chaos *c, crdti_chaos_link *link)
{
    uint64_t once = crdti_max(2 * c->now.delay_us, CRDTI_CHAOS_REPEAT_US);
    uint64_t wait = 0;
    while (link->losses < 6 && crdti_chaos_happens(c, c->now.loss)) {
        wait += once << link->losses++;
        c->stats.lost++;
    }
    link->losses = 0;
    return wait;
}

/* Behind all that was sent before, where the order is promised. */
CRDTI_FN void crdti_chaos_launch(crdti_chaos *c, crdti_chaos_link *link,
                                 crdti_chaos_packet *packet, uint64_t due_us)
{
    if ((c->properties & CRDT_ORDERED) || crdti_chaos_is_stream(c))
        due_us = crdti_max(due_us, link->last_us);
    else if (packet->len && crdti_chaos_happens(c, c->now.reorder)) {
        due_us += 1000 + crdti_chaos_below(
                             c, crdti_max(c->now.delay_us, UINT64_C(10000)));
        c->stats.reordered++;
    }
    packet->due_us = due_us;
    link->last_us = due_us;
    crdti_chaos_insert(link, packet);
}

CRDTI_FN void crdti_chaos_send_piece(crdti_chaos *c, crdti_chaos_link *link,
                                     crdti_chaos_packet *packet)
{
    uint64_t due_us = crdti_chaos_due_us(c, link, packet->len);
    c->stats.sent++;
    if (packet->len && crdti_chaos_happens(c, c->now.corrupt))
        crdti_chaos_spoil(c, packet);
    if (crdti_chaos_happens(c, c->now.cut)) {
        packet->cuts = 1;
        c->stats.cut++;
    }
    due_us += crdti_chaos_repeat_us(c, link);
    crdti_chaos_launch(c, link, packet, due_us);
}

/* A message that is lost has still passed through the bandwidth. */
CRDTI_FN void crdti_chaos_send_message(crdti_chaos *c, crdti_chaos_link *link,
                                       crdti_chaos_packet *packet)
{
    uint64_t due_us = crdti_chaos_due_us(c, link, packet->len);
    crdti_chaos_packet *twin = NULL;
    c->stats.sent++;
    if (crdti_chaos_concerns(&c->now.mute, link) ||
        crdti_chaos_happens(c, c->now.loss)) {
        c->stats.lost++;
        crdti_chaos_packet_free(c, packet);
        return;
    }
    if (packet->len && crdti_chaos_happens(c, c->now.corrupt))
        crdti_chaos_spoil(c, packet);
    if (crdti_chaos_happens(c, c->now.cut)) {
        packet->cuts = 1;
        c->stats.cut++;
    }
    if (crdti_chaos_happens(c, c->now.dup) &&
        crdti_chaos_fits(c, link, 2 * packet->len))
        twin = crdti_chaos_packet_new(
            c, crdt_bytes_of(crdti_chaos_bytes(packet), packet->len));
    crdti_chaos_launch(c, link, packet, due_us);
    if (!twin)
        return;
    c->stats.doubled++;
    crdti_chaos_launch(c, link, twin,
                       due_us + crdti_chaos_below(c, c->now.jitter_us + 1));
}

/* What is left of a message that is torn, or 0: all. */
CRDTI_FN size_t crdti_chaos_torn(crdti_chaos *c, size_t len)
{
    if (len < 2 || !crdti_chaos_happens(c, c->now.tear))
        return len;
    c->stats.torn++;
    return 1 + (size_t)crdti_chaos_below(c, len - 1);
}

/* >>table ----------------------------------------------------------------- */

CRDTI_FN crdt_err crdti_chaos_start(void *ctx, const crdt_upcalls *up)
{
    crdti_chaos *c = (crdti_chaos *)ctx;
    if (!up || up->version < 1 || c->up)
        return CRDT_ERR_ARG;
    c->up = up;
    crdti_chaos_tick(c);
    return c->inner.start(c->inner.ctx, &c->mine);
}

/* The pieces of a stream, chained; NULL: no memory, and none was taken. */
CRDTI_FN crdti_chaos_packet *crdti_chaos_pieces(crdti_chaos *c,
                                                crdt_bytes bytes)
{
    crdti_chaos_packet *first = NULL, **last = &first, *next;
    while (bytes.len) {
        size_t len = crdti_min_size(bytes.len, CRDTI_CHAOS_PIECE);
        *last = crdti_chaos_packet_new(c, crdt_bytes_of(bytes.ptr, len));
        if (!*last)
            break;
        last = &(*last)->next;
        bytes = crdt_bytes_of(bytes.ptr + len, bytes.len - len);
    }
    for (; bytes.len && first; first = next) {
        next = first->next;
        crdti_chaos_packet_free(c, first);
    }
    return first;
}

CRDTI_FN crdt_err crdti_chaos_send_stream(crdti_chaos *c,
                                          crdti_chaos_link *link,
                                          crdt_bytes bytes)
{
    crdti_chaos_packet *piece, *next;
    if (!bytes.len)
        return CRDT_OK;
    piece = crdti_chaos_pieces(c, bytes);
    if (!piece)
        return CRDT_ERR_NOMEM;
    for (; piece; piece = next) {
        next = piece->next;
        crdti_chaos_send_piece(c, link, piece);
    }
    return CRDT_OK;
}

CRDTI_FN crdt_err crdti_chaos_send(void *ctx, crdt_peer peer, crdt_bytes bytes)
{
    crdti_chaos *c = (crdti_chaos *)ctx;
    crdti_chaos_link *link = crdti_chaos_find(c, peer);
    crdti_chaos_packet *packet;
    if (!link || link->state != CRDTI_CHAOS_UP)
        return CRDT_ERR_CLOSED;
    if (link->is_gone && !crdti_chaos_concerns(&c->now.deaf, link))
        return CRDT_ERR_CLOSED;
    if (bytes.len > c->inner.message_max)
        return CRDT_ERR_LIMIT;
    if (!crdti_chaos_fits(c, link, bytes.len)) {
        link->refused = bytes.len;
        return CRDT_ERR_AGAIN;
    }
    crdti_chaos_tick(c);
    if (crdti_chaos_is_stream(c))
        return crdti_chaos_send_stream(c, link, bytes);
    bytes.len = crdti_chaos_torn(c, bytes.len);
    packet = crdti_chaos_packet_new(c, bytes);
    if (!packet)
        return CRDT_ERR_NOMEM;
    crdti_chaos_send_message(c, link, packet);
    return CRDT_OK;
}

CRDTI_FN void crdti_chaos_inner_drop(crdti_chaos *c, crdti_chaos_link *link,
                                     const char *why)
{
    if (!link->is_dropped && !link->is_gone)
        c->inner.drop(c->inner.ctx, link->peer, why);
    link->is_dropped = 1;
}

/* What is due, or in a `hurry` all, goes to the inner transport. */
CRDTI_FN void crdti_chaos_release(crdti_chaos *c, crdti_chaos_link *link,
                                  int hurry)
{
    if (crdti_chaos_concerns(&c->now.mute, link) && crdti_chaos_is_stream(c))
        return;
    while (link->first && (hurry || link->first->due_us <= c->now_us)) {
        crdti_chaos_packet *packet = link->first;
        crdt_bytes bytes =
            crdt_bytes_of(crdti_chaos_bytes(packet), packet->len);
        crdt_err err = CRDT_ERR_CLOSED;
        int cuts = packet->cuts;
        if (cuts)
            bytes.len /= 2;
        if (!link->is_gone && !link->is_dropped && !link->is_blocked)
            err = c->inner.send(c->inner.ctx, link->peer, bytes);
        link->is_blocked |= err == CRDT_ERR_AGAIN;
        if (link->is_blocked && !hurry)
            return;
        if (err == CRDT_ERR_NOMEM || err == CRDT_ERR_IO)
            c->err = err;
        if (err == CRDT_ERR_NOMEM)
            return;
        crdti_chaos_remove_first(c, link);
        if (cuts)
            crdti_chaos_inner_drop(c, link, "cut");
    }
}

/* >>upcalls --------------------------------------------------------------- */

CRDTI_FN void crdti_chaos_tell_up(crdti_chaos *c, crdti_chaos_link *link)
{
    if (link->state != CRDTI_CHAOS_HIDDEN ||
        crdti_chaos_concerns(&c->now.mute, link) ||
        crdti_chaos_concerns(&c->now.deaf, link))
        return;
    link->state = CRDTI_CHAOS_UP;
    c->upcalls++;
    c->up->peer_up(c->up->ctx, link->peer, link->name);
}

CRDTI_FN void crdti_chaos_up(void *ctx, crdt_peer peer, const char *name)
{
    crdti_chaos *c = (crdti_chaos *)ctx;
    crdti_chaos_link *link =
        (crdti_chaos_link *)crdti_alloc(&c->alloc, sizeof *link);
    if (!link) {
        c->err = CRDT_ERR_NOMEM;
        c->inner.drop(c->inner.ctx, peer, "no memory");
        return;
    }
    crdti_zero(link, sizeof *link);
    link->peer = peer;
    link->held.alloc = &c->alloc;
    crdti_chaos_copy(link->name, sizeof link->name, name);
    *c->last = link;
    c->last = &link->next;
    crdti_chaos_tell_up(c, link);
}

CRDTI_FN void crdti_chaos_tell_down(crdti_chaos *c, crdti_chaos_link *link)
{
    int told =
        link->state == CRDTI_CHAOS_UP || link->state == CRDTI_CHAOS_LEAVING;
    link->state = CRDTI_CHAOS_DEAD;
    crdti_chaos_clear(c, link);
    if (!told)
        return;
    c->upcalls++;
    c->up->peer_down(c->up->ctx, link->peer, link->why);
}

/* Told when the last bytes have been, and when one can hear of it. */
CRDTI_FN void crdti_chaos_down(void *ctx, crdt_peer peer, const char *why)
{
    crdti_chaos *c = (crdti_chaos *)ctx;
    crdti_chaos_link *link = crdti_chaos_find(c, peer);
    if (!link)
        return;
    link->is_gone = 1;
    if (link->state != CRDTI_CHAOS_LEAVING)
        crdti_chaos_copy(link->why, sizeof link->why, why ? why : "gone");
    if (link->state != CRDTI_CHAOS_UP ||
        (!link->held.len && !crdti_chaos_concerns(&c->now.deaf, link)))
        crdti_chaos_tell_down(c, link);
}

/* Two parts, when it is torn. */
CRDTI_FN void crdti_chaos_hand_on(crdti_chaos *c, crdti_chaos_link *link,
                                  crdt_bytes bytes)
{
    size_t len = bytes.len;
    if (crdti_chaos_is_stream(c))
        len = crdti_chaos_torn(c, len);
    c->upcalls++;
    c->up->received(c->up->ctx, link->peer, crdt_bytes_of(bytes.ptr, len));
    if (len < bytes.len && link->state == CRDTI_CHAOS_UP)
        c->up->received(c->up->ctx, link->peer,
                        crdt_bytes_of(bytes.ptr + len, bytes.len - len));
}

/* Bytes of a stream that come while we are deaf come later. */
CRDTI_FN void crdti_chaos_hold(crdti_chaos *c, crdti_chaos_link *link,
                               crdt_bytes bytes)
{
    crdti_writer w;
    if (!crdti_chaos_is_stream(c))
        return;
    crdti_writer_init(&w, &link->held);
    crdti_put_raw(&w, bytes);
    if (!w.err && link->held.len <= c->queue_max)
        return;
    crdti_chaos_copy(link->why, sizeof link->why, "cut off for too long");
    crdti_chaos_inner_drop(c, link, "cut off for too long");
}

CRDTI_FN void crdti_chaos_received(void *ctx, crdt_peer peer, crdt_bytes bytes)
{
    crdti_chaos *c = (crdti_chaos *)ctx;
    crdti_chaos_link *link = crdti_chaos_find(c, peer);
    if (!link || link->is_dropped)
        return;
    if (link->state == CRDTI_CHAOS_HIDDEN || link->held.len ||
        crdti_chaos_concerns(&c->now.deaf, link))
        crdti_chaos_hold(c, link, bytes);
    else if (link->state == CRDTI_CHAOS_UP)
        crdti_chaos_hand_on(c, link, bytes);
}

CRDTI_FN void crdti_chaos_writable(void *ctx, crdt_peer peer)
{
    crdti_chaos_link *link = crdti_chaos_find((crdti_chaos *)ctx, peer);
    if (link)
        link->is_blocked = 0;
}

/* >>poll ------------------------------------------------------------------ */

CRDTI_FN void crdti_chaos_hear(crdti_chaos *c, crdti_chaos_link *link)
{
    crdt_buf held = link->held;
    if (!held.len || link->state != CRDTI_CHAOS_UP ||
        crdti_chaos_concerns(&c->now.deaf, link))
        return;
    crdti_zero(&link->held, sizeof link->held);
    link->held.alloc = held.alloc;
    crdti_chaos_hand_on(c, link, crdt_buf_bytes(&held));
    crdt_buf_free(&held);
}

/* Its queue has gone out, or it had its time; while cut off, the inner link
 * ends later. */
CRDTI_FN void crdti_chaos_leave_step(crdti_chaos *c, crdti_chaos_link *link)
{
    int is_cut_off = crdti_chaos_concerns(&c->now.mute, link);
    if (link->state == CRDTI_CHAOS_DEAD && !is_cut_off)
        crdti_chaos_inner_drop(c, link, link->why);
    if (link->state != CRDTI_CHAOS_LEAVING || link->is_dropped)
        return;
    if (!link->first && !is_cut_off)
        crdti_chaos_inner_drop(c, link, link->why);
    else if (c->now_us - link->since_us >= CRDTI_CHAOS_LINGER_US)
        crdti_chaos_tell_down(c, link);
}

CRDTI_FN void crdti_chaos_tell_writable(crdti_chaos *c, crdti_chaos_link *link)
{
    if (link->state != CRDTI_CHAOS_UP || link->is_gone || !link->refused ||
        link->queued > c->queue_max / 2 ||
        !crdti_chaos_fits(c, link, link->refused))
        return;
    link->refused = 0;
    c->upcalls++;
    c->up->writable(c->up->ctx, link->peer);
}

CRDTI_FN void crdti_chaos_step(crdti_chaos *c, crdti_chaos_link *link)
{
    crdti_chaos_release(c, link, 0);
    crdti_chaos_tell_up(c, link);
    crdti_chaos_hear(c, link);
    crdti_chaos_tell_writable(c, link);
    crdti_chaos_leave_step(c, link);
    if (link->is_gone && link->state != CRDTI_CHAOS_DEAD && !link->held.len &&
        !crdti_chaos_concerns(&c->now.deaf, link))
        crdti_chaos_tell_down(c, link);
}

CRDTI_FN void crdti_chaos_link_free(crdti_chaos *c, crdti_chaos_link *link)
{
    crdti_chaos_clear(c, link);
    crdt_buf_free(&link->held);
    crdti_free(&c->alloc, link, sizeof *link);
}

/* Frees links of which neither side will hear again. */
CRDTI_FN void crdti_chaos_bury(crdti_chaos *c)
{
    crdti_chaos_link **at = &c->links, *link;
    while ((link = *at) != NULL) {
        if (link->state != CRDTI_CHAOS_DEAD || !link->is_gone) {
            at = &link->next;
            continue;
        }
        *at = link->next;
        crdti_chaos_link_free(c, link);
    }
    c->last = at;
}

CRDTI_FN void crdti_chaos_steps(crdti_chaos *c)
{
    crdti_chaos_link *link;
    crdti_chaos_tick(c);
    for (link = c->links; link; link = link->next)
        crdti_chaos_step(c, link);
    crdti_chaos_bury(c);
}

/* When time alone makes something happen to the link. */
CRDTI_FN uint64_t crdti_chaos_link_due(const crdti_chaos *c,
                                       const crdti_chaos_link *link)
{
    uint64_t due = CRDTI_CHAOS_NEVER;
    int is_cut_off = crdti_chaos_concerns(&c->now.mute, link);
    if (link->first && !link->is_blocked &&
        !(is_cut_off && crdti_chaos_is_stream(c)))
        due = link->first->due_us;
    if (link->state == CRDTI_CHAOS_LEAVING && !link->is_dropped)
        due = crdti_min(due, link->since_us + CRDTI_CHAOS_LINGER_US);
    return due;
}

/* Milliseconds from now, at most `most`. */
CRDTI_FN uint64_t crdti_chaos_patience(const crdti_chaos *c, uint64_t most)
{
    const crdti_chaos_link *link;
    uint64_t due = CRDTI_CHAOS_NEVER;
    for (link = c->links; link; link = link->next)
        due = crdti_min(due, crdti_chaos_link_due(c, link));
    if (c->phase < c->spec.count)
        due = crdti_min(due,
                        (c->start_ms + c->spec.phases[c->phase].at_ms) * 1000);
    if (due <= c->now_us)
        return 0;
    return crdti_min(most, (due - c->now_us + 999) / 1000);
}

CRDTI_FN crdt_err crdti_chaos_poll(void *ctx, int timeout_ms)
{
    crdti_chaos *c = (crdti_chaos *)ctx;
    uint64_t upcalls = c->upcalls, wait_ms;
    crdt_err err;
    if (!c->up || c->polling)
        return CRDT_ERR_ARG;
    c->polling = 1;
    c->err = CRDT_OK;
    crdti_chaos_steps(c);
    wait_ms =
        crdti_chaos_patience(c, timeout_ms > 0 ? (uint64_t)timeout_ms : 0);
    if (c->upcalls != upcalls)
        wait_ms = 0; /* something has happened */
    err = c->inner.poll(c->inner.ctx, (int)wait_ms);
    crdti_chaos_steps(c);
    c->polling = 0;
    return err ? err : c->err;
}

CRDTI_FN void crdti_chaos_drop(void *ctx, crdt_peer peer, const char *why)
{
    crdti_chaos *c = (crdti_chaos *)ctx;
    crdti_chaos_link *link = crdti_chaos_find(c, peer);
    if (!link || link->state != CRDTI_CHAOS_UP)
        return;
    crdti_chaos_tick(c);
    link->state = CRDTI_CHAOS_LEAVING;
    link->since_us = c->now_us;
    crdti_chaos_copy(link->why, sizeof link->why, why ? why : "");
    crdt_buf_free(&link->held);
}

CRDTI_FN void crdti_chaos_close(void *ctx)
{
    crdti_chaos *c = (crdti_chaos *)ctx;
    crdt_alloc alloc = c->alloc;
    crdti_chaos_link *link;
    CRDTI_ASSERT(!c->polling);
    for (link = c->links; link; link = link->next)
        crdti_chaos_release(c, link, 1);
    c->inner.close(c->inner.ctx);
    while ((link = c->links) != NULL) {
        c->links = link->next;
        crdti_chaos_link_free(c, link);
    }
    crdti_free(&alloc, c, sizeof *c);
}

/* >>public ---------------------------------------------------------------- */

CRDTI_FN crdti_chaos *crdti_chaos_of(const crdt_transport *transport)
{
    if (!transport || transport->close != crdti_chaos_close)
        return NULL;
    return (crdti_chaos *)transport->ctx;
}

CRDTI_FN crdt_err crdti_chaos_parse(const char *text, crdti_chaos_spec *spec,
                                    char *why, size_t size)
{
    crdti_chaos_reader r;
    int fine;
    r.at = text ? text : "";
    r.why[0] = 0;
    fine = crdti_chaos_read(&r, spec);
    if (why && size)
        crdti_chaos_copy(why, size, r.why);
    return fine ? CRDT_OK : CRDT_ERR_ARG;
}

/* A stream cannot do all that is in a spec; the rest may not break what is
 * `promised`. NULL, or what is wrong. */
CRDTI_FN const char *crdti_chaos_unfit(unsigned inner, unsigned promised,
                                       const crdti_chaos_faults *f)
{
    if ((inner & CRDT_STREAM) && (f->dup || f->reorder))
        return "dup, reorder: not of a stream, which has no messages";
    if (promised & ~crdti_chaos_properties(inner, f))
        return "the transport has promised better: say unreliable or "
               "unordered from the start";
    return NULL;
}

CRDT_API crdt_err crdt_chaos_check(const char *spec, char *why, size_t size)
{
    crdti_chaos_spec parsed;
    return crdti_chaos_parse(spec, &parsed, why, size);
}

CRDTI_FN void crdti_chaos_table(crdt_transport *out, crdti_chaos *c)
{
    crdti_zero(out, sizeof *out);
    out->version = 1;
    out->ctx = c;
    out->properties = c->properties;
    out->message_max = c->inner.message_max;
    out->start = crdti_chaos_start;
    out->send = crdti_chaos_send;
    out->poll = crdti_chaos_poll;
    out->drop = crdti_chaos_drop;
    out->close = crdti_chaos_close;
    c->mine.version = 1;
    c->mine.ctx = c;
    c->mine.peer_up = crdti_chaos_up;
    c->mine.peer_down = crdti_chaos_down;
    c->mine.received = crdti_chaos_received;
    c->mine.writable = crdti_chaos_writable;
}

/* The spec, and what it leaves of the properties. */
CRDTI_FN crdt_err crdti_chaos_open(crdti_chaos *c, const char *spec, char *why,
                                   size_t size)
{
    unsigned properties = c->inner.properties;
    const char *unfit;
    size_t i;
    crdt_err err = crdti_chaos_parse(spec, &c->spec, why, size);
    if (err)
        return err;
    for (i = 0; i < c->spec.count; i++) {
        unfit = crdti_chaos_unfit(properties, 0, &c->spec.phases[i]);
        if (unfit) {
            crdti_chaos_copy(why, size, unfit);
            return CRDT_ERR_ARG;
        }
        c->properties &=
            crdti_chaos_properties(properties, &c->spec.phases[i]);
    }
    c->random = c->spec.phases[0].seed;
    return CRDT_OK;
}

CRDT_API crdt_err crdt_chaos_new(crdt_transport *out,
                                 const crdt_transport *inner, const char *spec,
                                 const crdt_chaos_config *config)
{
    static const crdt_chaos_config defaults = { NULL, NULL, NULL, 0 };
    const crdt_chaos_config *given = config ? config : &defaults;
    const crdt_alloc *alloc = crdti_alloc_or_default(given->alloc);
    const crdt_clock *clock = crdti_clock_or_default(given->clock);
    char why[CRDTI_CHAOS_WHY_MAX];
    crdti_chaos *c;
    crdt_err err;
    if (!out || !inner || !alloc || !clock)
        return CRDT_ERR_ARG;
    c = (crdti_chaos *)crdti_alloc(alloc, sizeof *c);
    if (!c)
        return CRDT_ERR_NOMEM;
    crdti_zero(c, sizeof *c);
    c->alloc = *alloc;
    c->clock = *clock;
    c->inner = *inner;
    c->last = &c->links;
    c->queue_max = given->queue_max ? given->queue_max : (size_t)4 << 20;
    c->properties = ~0u;
    c->start_ms = clock->mono_ms(clock->ctx);
    err = crdti_chaos_open(c, spec, why, sizeof why);
    if (err && given->log && given->log->line)
        given->log->line(given->log->ctx, why);
    if (err)
        crdti_free(alloc, c, sizeof *c);
    else
        crdti_chaos_table(out, c);
    return err;
}

CRDT_API crdt_err crdt_chaos_set(const crdt_transport *chaos, const char *spec,
                                 char *why, size_t size)
{
    crdti_chaos *c = crdti_chaos_of(chaos);
    crdti_chaos_reader r;
    crdti_chaos_faults next;
    const char *unfit = NULL;
    if (!c || !spec)
        return CRDT_ERR_ARG;
    crdti_chaos_tick(c);
    next = c->now;
    r.at = spec;
    r.why[0] = 0;
    if (!crdti_chaos_phase(&r, &next))
        unfit = r.why;
    else if (*r.at)
        unfit = "there is one phase only, from now on";
    else
        unfit = crdti_chaos_unfit(c->inner.properties, c->properties, &next);
    if (unfit) {
        if (why && size)
            crdti_chaos_copy(why, size, unfit);
        return CRDT_ERR_ARG;
    }
    c->now = next;
    return CRDT_OK;
}

CRDT_API int crdt_chaos_due_ms(const crdt_transport *chaos)
{
    crdti_chaos *c = crdti_chaos_of(chaos);
    uint64_t patience;
    if (!c)
        return -1;
    crdti_chaos_tick(c);
    patience = crdti_chaos_patience(c, INT32_MAX);
    return patience == INT32_MAX ? -1 : (int)patience;
}

CRDT_API void crdt_chaos_get_stats(const crdt_transport *chaos,
                                   crdt_chaos_stats *out)
{
    const crdti_chaos *c = crdti_chaos_of(chaos);
    crdti_zero(out, sizeof *out);
    if (c)
        *out = c->stats;
}

#endif /* CRDTSYNC_IMPLEMENTATION */
