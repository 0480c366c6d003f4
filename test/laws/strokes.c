/*
 * Two to four documents, linked by sessions in a chain, a ring or each to
 * each. What they type, rub out and jump about in two texts, and now and then
 * something else, goes from session to session, some frames at a time; links
 * break, stamps come from the future. In the end all have the same, and nobody
 * has raised an alarm.
 */
#include "../../src/diff.h"
#include "../sessions.h"

enum { SIDES_MAX = 4, PAIRS_MAX = 6, STEPS = 300 };

typedef struct world {
    struct side sides[SIDES_MAX];
    struct pair pairs[PAIRS_MAX];
    size_t sides_len, pairs_len;
    size_t carets[SIDES_MAX];  /* where each is in its text */
    int is_second[SIDES_MAX];  /* in which of both texts */
    uint64_t ahead[SIDES_MAX]; /* of its clock */
    uint64_t randoms;
    uint64_t strokes, deltas, joined, refused, broken; /* of all seeds */
} world;

static uint32_t below(world *w, size_t bound)
{
    return test_below(&w->randoms, (uint32_t)bound);
}

/* >>writing --------------------------------------------------------------- */

static crdt_obj text_of(world *w, size_t i)
{
    return crdt_map_text(crdt_root(w->sides[i].doc),
                         w->is_second[i] ? CRDT_STR("b") : CRDT_STR("a"));
}

/* At the caret, which is behind it then. */
static void replace(world *w, size_t i, size_t gone, const char *utf8)
{
    crdt_obj text = text_of(w, i);
    size_t len = crdt_text_len(text, CRDT_CHARS), at = w->carets[i];
    at = at < len ? at : len;
    gone = gone < len - at ? gone : len - at;
    CHECK(!crdt_text_replace(text, CRDT_CHARS, at, gone, crdt_str(utf8)));
    w->carets[i] = at + crdt_text_len(text, CRDT_CHARS) - (len - gone);
}

static void type(world *w, size_t i)
{
    static const char *const words[] = {
        "a", "b", "c", "d", "\xc3\xa9", "\xf0\x9f\x98\x80", "a few words", ""
    };
    replace(w, i, below(w, 8) ? 0 : below(w, 4), words[below(w, 8)]);
}

static void type_much(world *w, size_t i)
{
    char much[400] = "";
    uint32_t len = 80 + below(w, 80);
    while (len-- > 0)
        strcat(much, below(w, 2) ? "x" : "\xc3\xa9");
    replace(w, i, below(w, 300), much);
}

/* What has no strokes. */
static void write_else(world *w, size_t i)
{
    crdt_doc *doc = w->sides[i].doc;
    crdt_obj root = crdt_root(doc);
    uint32_t what = below(w, 40);
    later();
    if (what < 10)
        CHECK(!crdt_map_put_int(root, CRDT_STR("n"), what));
    else if (what < 20)
        CHECK(!crdt_list_insert(crdt_map_list(root, CRDT_STR("l")), 0,
                                crdt_int(what)));
    else if (what < 22)
        (void)crdt_map_remove(root, CRDT_STR("a")); /* if it is there */
    else if (what < 23)
        CHECK(!crdt_commit(doc) && !crdt_doc_reincarnate(doc));
    else if (what < 24)
        CHECK(!crdt_text_set(text_of(w, i), CRDT_STR("a few more words")));
    else
        w->is_second[i] = !w->is_second[i];
}

static void write_some(world *w, size_t i)
{
    uint32_t what = below(w, 100);
    if (what < 60) {
        type(w, i);
    } else if (what < 85) {
        if (w->carets[i])
            w->carets[i]--;
        replace(w, i, 1, "");
    } else if (what < 94) {
        w->carets[i] = below(w, crdt_text_len(text_of(w, i), CRDT_CHARS) + 1);
    } else if (what < 95) {
        type_much(w, i);
    } else {
        write_else(w, i);
    }
    if (below(w, 8))
        CHECK(!crdt_commit(w->sides[i].doc));
}

/* >>sending --------------------------------------------------------------- */

static void count(world *w, struct pair *pair)
{
    int i;
    for (i = 0; i < 2; i++) {
        w->strokes += pair->strokes[i];
        w->deltas += pair->deltas[i];
    }
    w->joined += pair->answers[CRDT_OK];
    w->refused += pair->answers[CRDT_ERR_CAUSAL];
}

static void break_pair(world *w, struct pair *pair)
{
    struct side *x = pair->sides[0], *y = pair->sides[1];
    w->broken++;
    count(w, pair);
    pair_down(pair);
    pair_up(pair, x, y);
}

/* Past all sessions. */
static void copy(world *w)
{
    size_t from = below(w, w->sides_len), to = below(w, w->sides_len);
    crdt_buf delta = news(w->sides[from].doc, w->sides[to].doc);
    crdt_err err = crdt_join(w->sides[to].doc, crdt_buf_bytes(&delta));
    CHECK(!err || err == CRDT_ERR_SKEW);
    crdt_buf_free(&delta);
}

static void step(world *w)
{
    struct pair *pair = &w->pairs[below(w, w->pairs_len)];
    size_t i = below(w, w->sides_len);
    uint32_t what = below(w, 1000);
    int from = (int)below(w, 2);
    if (what < 400)
        write_some(w, i);
    else if (what < 650)
        push(pair, from);
    else if (what < 990)
        deliver(pair, from, 1 + below(w, 4));
    else if (what < 992)
        break_pair(w, pair);
    else if (what < 994)
        copy(w);
    else if (what < 995)
        w->ahead[i] = w->ahead[i] ? 0 : 2 * CRDTSYNC_MAX_SKEW_MS;
    else
        sessions_now += CRDTI_RETRY_MS;
    if (pair->err)
        break_pair(w, pair);
}

/* >>worlds ---------------------------------------------------------------- */

static crdt_err fill(void *ctx, void *out, size_t len)
{
    uint8_t *to = (uint8_t *)out;
    while (len-- > 0)
        *to++ = (uint8_t)test_random((uint64_t *)ctx);
    return CRDT_OK;
}

static uint64_t clock_ms(void *ahead)
{
    return replicas_now + *(const uint64_t *)ahead;
}

static crdt_doc *doc_of(world *w, size_t i)
{
    crdt_clock clock;
    crdt_random random;
    crdt_config config;
    crdt_doc *doc = NULL;
    crdt_id id = replica_id((uint8_t)(1 + 5 * i + below(w, 5)));
    memset(&config, 0, sizeof config);
    clock.version = random.version = 1;
    clock.ctx = &w->ahead[i];
    clock.wall_ms = clock.mono_ms = clock_ms;
    random.ctx = &w->randoms;
    random.fill = fill;
    config.clock = &clock;
    config.random = &random;
    config.replica = &id;
    CHECK(!crdt_doc_new(&doc, &config));
    return doc;
}

static void add_pair(world *w, size_t i, size_t k)
{
    pair_up(&w->pairs[w->pairs_len++], &w->sides[i], &w->sides[k]);
}

static void begin(world *w, uint64_t seed)
{
    size_t i, k;
    w->randoms = seed;
    w->sides_len = 2 + below(w, SIDES_MAX - 1);
    w->pairs_len = 0;
    for (i = 0; i < w->sides_len; i++) {
        w->carets[i] = w->ahead[i] = 0;
        w->is_second[i] = 0;
        side_init(&w->sides[i], doc_of(w, i));
    }
    if (below(w, 3)) {
        for (i = 1; i < w->sides_len; i++)
            add_pair(w, i - 1, i);
        if (w->sides_len > 2 && below(w, 2))
            add_pair(w, w->sides_len - 1, 0);
        return;
    }
    for (i = 0; i < w->sides_len; i++)
        for (k = i + 1; k < w->sides_len; k++)
            add_pair(w, i, k);
}

static void end(world *w)
{
    size_t i;
    replicas_now += 3 * CRDTSYNC_MAX_SKEW_MS;
    for (i = 0; i < w->sides_len; i++)
        CHECK(!crdt_commit(w->sides[i].doc));
    settle(w->pairs, w->pairs_len);
    for (i = 0; i < w->pairs_len; i++) {
        CHECK_INT(w->pairs[i].err, CRDT_OK);
        CHECK(is_settled(&w->pairs[i]));
        count(w, &w->pairs[i]);
        pair_down(&w->pairs[i]);
    }
    for (i = 0; i < w->sides_len; i++)
        side_free(&w->sides[i]);
}

/* >>seeds ----------------------------------------------------------------- */

static world *world_new(void)
{
    return (world *)calloc(1, sizeof(world));
}

static void world_free(world *w)
{
    printf("%llu strokes, %llu other frames; %llu joined, %llu refused; "
           "%llu times broken\n",
           (unsigned long long)w->strokes, (unsigned long long)w->deltas,
           (unsigned long long)w->joined, (unsigned long long)w->refused,
           (unsigned long long)w->broken);
    CHECK(w->strokes > w->joined / 10);
    CHECK(w->refused < w->joined / 10);
    free(w);
}

static const char *run_seed(world *w, uint64_t seed, int slow)
{
    int i, failures = test_failures_in_case;
    begin(w, seed);
    for (i = 0; i < (slow ? 10 : 1) * STEPS; i++)
        step(w);
    end(w);
    return test_failures_in_case > failures ? "it fails" : NULL;
}

#include "seeds.h"

TEST(all_have_the_same_in_the_end)
{
    CHECK(run_seeds(2000) == 0);
}

TEST_MAIN(CASE(all_have_the_same_in_the_end))
