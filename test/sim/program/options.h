/*
 * What a seed expands to: numbers with names, and how many actions of each
 * kind there are. They print as, and are read from, words like
 *
 *     seed=17 replicas=5 topology=chain loss=12 ... write=0-89 crash=0,2
 *
 * where what an action does follows from the seed, its kind and its number
 * alone: leaving out others does not change it.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "../../test.h"

#include <ctype.h>

/* X(name, what it is) */
#define SETTINGS(X)                                                           \
    X(replicas, "nodes at the start")                                         \
    X(time, "seconds of actions and faults")                                  \
    X(topology, "mesh, star, chain, ring, random or mesh4")                   \
    X(reliable, "1: links lose nothing and keep the order")                   \
    X(stream, "1: and bytes may come cut")                                    \
    X(tear, "percent of sends of a stream that come in pieces")               \
    X(loss, "percent lost; where links are reliable, late")                   \
    X(dup, "percent that come twice, where links are not reliable")           \
    X(reorder, "percent that are overtaken, the same")                        \
    X(corrupt, "of 10,000 messages, with a flipped bit; not of streams")      \
    X(delay, "milliseconds on the way, at most")                              \
    X(tick, "milliseconds between what comes and the poll, at most")          \
    X(queue, "bytes under way that a link takes")                             \
    X(message, "bytes of one send")                                           \
    X(heartbeat, "milliseconds")                                              \
    X(sync, "milliseconds between anti-entropy")                              \
    X(store, "1: each site has a disk")                                       \
    X(store_ms, "as crdt_node_config has it")                                 \
    X(shipping, "the same; 3: each node another way")                         \
    X(roster, "milliseconds, as crdt_node_config has roster_ms")              \
    X(evict, "the same of evict_ms")                                          \
    X(history, "1: nodes forget nothing by themselves")                       \
    X(table, "1: what is known of members is kept over a restart")            \
    X(check, "of the states, each so-manieth is compared with the model")     \
    X(types, "a bit each")

/* X(name, most of them in a minute, in percent of all seeds) */
#define ACTIONS(X)                                                            \
    X(write, 200, 100)                                                        \
    X(type, 6, 50)                                                            \
    X(commit, 30, 100)                                                        \
    X(bulk, 20, 40)                                                           \
    X(letter, 30, 50)                                                         \
    X(present, 10, 30)                                                        \
    X(truncate, 8, 40)                                                        \
    X(sweep, 6, 50)                                                           \
    X(reincarnate, 2, 20)                                                     \
    X(save, 5, 60)                                                            \
    X(stop, 4, 30)                                                            \
    X(full, 3, 30)                                                            \
    X(eio, 2, 20)                                                             \
    X(crash, 4, 40)                                                           \
    X(join, 2, 20)                                                            \
    X(leave, 1, 20)                                                           \
    X(sync, 4, 40)                                                            \
    X(upset, 3, 30)                                                           \
    X(evict, 4, 40)                                                           \
    X(exile, 2, 20)                                                           \
    X(retire, 2, 20)                                                          \
    X(cut, 8, 50)                                                             \
    X(storm, 2, 20)                                                           \
    X(partition, 3, 40)                                                       \
    X(oneway, 4, 40)                                                          \
    X(clog, 4, 40)                                                            \
    X(slow, 4, 40)                                                            \
    X(clock, 5, 40)                                                           \
    X(nomem, 4, 30)

typedef enum {
#define X(name, most, chance) ACT_##name,
    ACTIONS(X)
#undef X
        ACTION_KINDS
} action_kind;

enum { ACTIONS_MAX = 1024 }; /* of one kind */
enum { MIXED_SHIPPING = CRDT_SHIP_STATE + 1 };

typedef enum { MESH, STAR, CHAIN, RING, RANDOM, MESH4, TOPOLOGIES } topology;

typedef struct {
    uint64_t seed;
#define X(name, what) uint32_t name;
    SETTINGS(X)
#undef X
    uint32_t counts[ACTION_KINDS];
    uint8_t kept[ACTION_KINDS][ACTIONS_MAX]; /* whether it happens */
} options;

static const char *const topology_names[] = { "mesh", "star",   "chain",
                                              "ring", "random", "mesh4" };
static const char *const action_names[] = {
#define X(name, most, chance) #name,
    ACTIONS(X)
#undef X
};

/* Of which of the arguments it is a function, and of nothing else. */
static inline uint64_t dice_of(uint64_t seed, uint64_t a, uint64_t b)
{
    uint64_t state = seed * 0x9e3779b97f4a7c15u ^ a;
    state = test_random(&state) ^ b;
    return test_random(&state);
}

/* >>from a seed ----------------------------------------------------------- */

static inline uint32_t between(uint64_t *dice, uint32_t low, uint32_t high)
{
    return low + test_below(dice, high - low + 1);
}

/* `most` at most, but nothing in most seeds. */
static inline uint32_t sometimes(uint64_t *dice, uint32_t chance,
                                 uint32_t most)
{
    uint32_t value = between(dice, 1, most);
    return test_below(dice, 100) < chance ? value : 0;
}

/* Of a kind of actions: others may come and go. */
static inline uint64_t kind_dice(uint64_t seed, uint32_t kind)
{
    const char *name = action_names[kind];
    uint64_t dice = dice_of(seed, 2, 0);
    for (; *name; name++)
        dice = dice_of(dice, (uint64_t)*name, 0);
    return dice;
}

static inline void choose_actions(options *o)
{
    static const uint32_t most[][2] = {
#define X(name, most, chance) { most, chance },
        ACTIONS(X)
#undef X
    };
    uint32_t k;
    for (k = 0; k < ACTION_KINDS; k++) {
        uint64_t dice = kind_dice(o->seed, k);
        uint64_t many = sometimes(&dice, most[k][1], most[k][0]);
        many = (many * o->time + 59) / 60;
        o->counts[k] = many > ACTIONS_MAX ? ACTIONS_MAX : (uint32_t)many;
        memset(o->kept[k], 1, o->counts[k]);
    }
}

/* What members do by themselves. */
static inline void choose_members(options *o, uint64_t *dice)
{
    o->roster = between(dice, 200, test_below(dice, 2) ? 2000 : 10000);
    if (test_below(dice, 5) == 0)
        o->evict = 4 * o->roster + between(dice, 4000, 12000);
    o->history = test_below(dice, 5) == 0;
    o->table = test_below(dice, 2);
}

static inline void options_choose(options *o, uint64_t seed, uint32_t time)
{
    uint64_t dice = dice_of(seed, 1, 0);
    memset(o, 0, sizeof *o);
    o->seed = seed;
    o->time = time;
    o->replicas = between(&dice, 2, 5);
    o->topology = test_below(&dice, MESH4);
    o->reliable = test_below(&dice, 3) != 0;
    o->stream = o->reliable && test_below(&dice, 3) != 0;
    o->tear = sometimes(&dice, 50, 60);
    o->loss = sometimes(&dice, 60, 30);
    o->dup = sometimes(&dice, 50, 50);
    o->reorder = sometimes(&dice, 50, 50);
    o->corrupt = sometimes(&dice, o->stream ? 0 : 20, 50);
    o->delay = between(&dice, 1, test_below(&dice, 4) ? 50 : 1000);
    o->tick = between(&dice, 1, 30);
    o->message = between(&dice, 512, test_below(&dice, 2) ? 1500 : 65536);
    o->queue =
        o->message + between(&dice, 0, test_below(&dice, 2) ? 4096 : 1 << 20);
    o->heartbeat = between(&dice, 500, 2000);
    o->sync = between(&dice, 2000, 20000);
    o->store = test_below(&dice, 2);
    o->store_ms = sometimes(&dice, 50, 200);
    if (test_below(&dice, 5) == 0)
        o->store_ms = CRDT_STORE_LAZY;
    o->shipping = test_below(&dice, 4) ? CRDT_SHIP_DELTA : CRDT_SHIP_OPS;
    if (test_below(&dice, 4) == 0)
        o->shipping = between(&dice, CRDT_SHIP_STATE, MIXED_SHIPPING);
    choose_members(o, &dice);
    o->check = 4;
    o->types = ~0u;
    choose_actions(o);
}

/* So many of a kind, each for as long as its dice say. */
static inline void often(options *o, action_kind kind, uint32_t times)
{
    o->counts[kind] = times;
    memset(o->kept[kind], 1, times);
}

/* >>some of them ---------------------------------------------------------- */

static inline int is_listed(const char *list, const char *name)
{
    size_t len = strlen(name);
    for (; list; list = strchr(list, ',') ? strchr(list, ',') + 1 : NULL)
        if (!strncmp(list, name, len) && (!list[len] || list[len] == ','))
            return 1;
    return 0;
}

/* What is not listed does not happen. */
static inline void options_only(options *o, const char *list)
{
    uint32_t k;
    o->loss = is_listed(list, "loss") ? o->loss : 0;
    o->dup = is_listed(list, "dup") ? o->dup : 0;
    o->reorder = is_listed(list, "reorder") ? o->reorder : 0;
    o->corrupt = is_listed(list, "corrupt") ? o->corrupt : 0;
    o->tear = is_listed(list, "tear") ? o->tear : 0;
    o->evict = is_listed(list, "evict") ? o->evict : 0;
    for (k = ACT_commit + 1; k < ACTION_KINDS; k++)
        if (!is_listed(list, action_names[k]))
            o->counts[k] = 0;
    o->reliable |= !o->loss && !o->dup && !o->reorder;
}

/* >>as words -------------------------------------------------------------- */

static inline int number_in(const char *const *names, uint32_t count,
                            const char *name, size_t len)
{
    uint32_t i;
    for (i = 0; i < count; i++)
        if (strlen(names[i]) == len && !strncmp(names[i], name, len))
            return (int)i;
    return -1;
}

/* "0,3-7,9" */
static inline void print_kept(FILE *out, const uint8_t *kept, uint32_t count)
{
    const char *comma = "";
    uint32_t i, first;
    for (i = 0; i < count; i++) {
        if (!kept[i])
            continue;
        for (first = i; i + 1 < count && kept[i + 1];)
            i++;
        fprintf(out, first < i ? "%s%u-%u" : "%s%u", comma, first, i);
        comma = ",";
    }
}

static inline void options_print(FILE *out, const options *o)
{
    uint32_t k, i, any;
    fprintf(out, "seed=%llu", (unsigned long long)o->seed);
#define X(name, what)                                                         \
    if (!strcmp(#name, "topology"))                                           \
        fprintf(out, " topology=%s", topology_names[o->topology]);            \
    else                                                                      \
        fprintf(out, " " #name "=%u", o->name);
    SETTINGS(X)
#undef X
    for (k = 0; k < ACTION_KINDS; k++) {
        for (any = i = 0; i < o->counts[k]; i++)
            any |= o->kept[k][i];
        if (!any)
            continue;
        fprintf(out, " %s=", action_names[k]);
        print_kept(out, o->kept[k], o->counts[k]);
    }
}

static inline int read_kept(options *o, int kind, const char *text)
{
    while (isdigit((unsigned char)*text)) {
        char *end;
        unsigned long first = strtoul(text, &end, 10), last = first;
        if (*end == '-')
            last = strtoul(end + 1, &end, 10);
        for (; first <= last && first < ACTIONS_MAX; first++) {
            o->kept[kind][first] = 1;
            if (o->counts[kind] <= first)
                o->counts[kind] = (uint32_t)first + 1;
        }
        text = *end == ',' ? end + 1 : end;
    }
    return 1;
}

/* One word, NAME=VALUE. Whether it is one. */
static inline int read_word(options *o, const char *name, size_t len,
                            const char *value)
{
    uint32_t number = (uint32_t)strtoul(value, NULL, 10);
    int found = number_in(action_names, ACTION_KINDS, name, len);
    if (found >= 0)
        return read_kept(o, found, value);
    if (len == 4 && !strncmp(name, "seed", 4)) {
        o->seed = strtoull(value, NULL, 10);
        return 1;
    }
    if (len == 8 && !strncmp(name, "topology", 8)) {
        found = number_in(topology_names, TOPOLOGIES, value,
                          strcspn(value, " \n"));
        o->topology = (uint32_t)(found < 0 ? 0 : found);
        return found >= 0;
    }
#define X(setting, what)                                                      \
    if (strlen(#setting) == len && !strncmp(name, #setting, len)) {           \
        o->setting = number;                                                  \
        return 1;                                                             \
    }
    SETTINGS(X)
#undef X
    return 0;
}

/* What is not named is as the seed has it, but of actions only those named
 * happen. NULL, or the word that is none. */
static inline const char *options_read(options *o, const char *text)
{
    const char *at = strstr(text, "seed=");
    uint32_t k;
    options_choose(o, at ? strtoull(at + 5, NULL, 10) : 0, 60);
    for (k = 0; k < ACTION_KINDS; k++)
        o->counts[k] = 0;
    memset(o->kept, 0, sizeof o->kept);
    for (at = text; *(at += strspn(at, " \n")); at += strcspn(at, " \n")) {
        const char *value = strchr(at, '=');
        if (!value || !read_word(o, at, (size_t)(value - at), value + 1))
            return at;
    }
    return NULL;
}

#endif
