/*
 * Histories of texts with the one right end, as others recorded or made them:
 * the list of text_model.h must end so, and documents must. And the two that
 * everybody knows: an insertion in a range that somebody else deletes, and
 * several who type at one spot.
 *
 *     text_merge.json.gz    40 of the vectors below, always
 *     $VECTORS              text-merge.json.gz: all 500
 *     $TRACES               recorded editing sessions, *.json.gz
 *
 * The vectors are random histories of three authors from the public reference
 * test data of eg-walker (Gentle & Kleppmann 2025), the recordings from the
 * public collection josephg/editing-traces.
 *
 * pkg-config: zlib
 */
#define CRDTSYNC_IMPLEMENTATION
#include "crdtsync.h"

#include "../test.h"
#include "../trace.h"
#include "text_model.h"

/* >>who writes ---------------------------------------------------------------
 * An agent may be concurrent with itself; then it goes on as another author,
 * and never again as the one before. Ids are in the order of agents, and the
 * authors of one in that of their seqs. */

struct cast {
    uint32_t *author_of; /* a txn: the seq that its author began with */
    uint32_t *begins;    /* whether its author does with it */
    uint32_t *last;      /* an agent's latest txn, + 1 */
    uint32_t *mark;      /* of txns that the txn has seen: its number + 1 */
    uint32_t *stack;
};

static uint32_t *numbers(size_t count)
{
    return (uint32_t *)trace_must(calloc(count + 1, sizeof(uint32_t)));
}

/* Marks what the txn has seen, itself not. */
static void cast_mark(struct cast *c, const struct trace *t, uint32_t txn)
{
    uint32_t at = txn, i;
    size_t len = 0;
    for (;;) {
        struct trace_part parents = t->txns[at].parents;
        for (i = 0; i < parents.count; i++) {
            uint32_t parent = t->parents[parents.from + i];
            if (c->mark[parent] == txn + 1)
                continue;
            c->mark[parent] = txn + 1;
            c->stack[len++] = parent;
        }
        if (len == 0)
            return;
        at = c->stack[--len];
    }
}

static void cast_begin(struct cast *c, const struct trace *t)
{
    c->author_of = numbers(t->txn_count);
    c->begins = numbers(t->txn_count);
    c->last = numbers(t->agent_count);
    c->mark = numbers(t->txn_count);
    c->stack = numbers(t->txn_count);
}

static void cast_free(struct cast *c)
{
    free(c->author_of);
    free(c->begins);
    free(c->last);
    free(c->mark);
    free(c->stack);
}

/* The seq behind the txn's last. */
static uint32_t end_seq(const struct trace *t, uint32_t txn)
{
    return t->txns[txn].seq + trace_txn_events(t, &t->txns[txn]);
}

/* Marks what the txn has seen, and says who writes it: the author of the
 * agent's last, if it has seen that and goes on with it. */
static void cast_next(struct cast *c, const struct trace *t, uint32_t txn)
{
    uint32_t *last = &c->last[t->txns[txn].agent];
    cast_mark(c, t, txn);
    c->begins[txn] = *last == 0 || c->mark[*last - 1] != txn + 1 ||
                     end_seq(t, *last - 1) != t->txns[txn].seq;
    c->author_of[txn] =
        c->begins[txn] ? t->txns[txn].seq : c->author_of[*last - 1];
    *last = txn + 1;
}

/* >>the model ------------------------------------------------------------- */

static void model_edit(text_list *l, text_vv *vv, uint32_t author,
                       const struct trace *t, const struct trace_edit *edit)
{
    const uint8_t *from = (const uint8_t *)t->text + edit->inserted.from;
    const uint8_t *end = from + edit->inserted.count;
    uint32_t i, code;
    for (i = 0; i < edit->deleted; i++)
        text_erase(l, vv, author, edit->at);
    for (i = edit->at; from < end; i++) {
        from += text_take(from, &code);
        text_type(l, vv, author, i, code);
    }
}

/* Whether the author of one comes before that of the other. */
static int is_before(const struct cast *c, const struct trace *t, uint32_t a,
                     uint32_t b)
{
    uint32_t x = t->txns[a].agent, y = t->txns[b].agent;
    return x < y || (x == y && c->author_of[a] < c->author_of[b]);
}

/* The author's number: how many come before. */
static uint32_t model_author(const struct cast *c, const struct trace *t,
                             uint32_t txn)
{
    uint32_t i, number = 0;
    for (i = 0; i < t->txn_count; i++)
        number += c->begins[i] && is_before(c, t, i, txn);
    if (number >= TEXT_AUTHORS)
        abort();
    return number;
}

/* What everyone has seen in the end. */
static text_vv model_play(text_list *l, const struct trace *t,
                          const struct cast *c)
{
    text_vv all = text_vv_none();
    text_vv *after = (text_vv *)trace_must(calloc(t->txn_count, sizeof all));
    uint32_t txn, i;
    for (txn = 0; txn < t->txn_count; txn++) {
        const struct trace_txn *at = &t->txns[txn];
        uint32_t author = model_author(c, t, txn);
        for (i = 0; i < at->parents.count; i++)
            text_vv_merge(&after[txn],
                          &after[t->parents[at->parents.from + i]]);
        for (i = 0; i < at->edits.count; i++)
            model_edit(l, &after[txn], author, t,
                       &t->edits[at->edits.from + i]);
        text_vv_merge(&all, &after[txn]);
    }
    free(after);
    return all;
}

static int ends_as(const struct trace *t, const uint8_t *bytes, size_t len)
{
    return crdt_bytes_equal(
        crdt_bytes_of(bytes, len),
        crdt_bytes_of(t->text + t->end.from, t->end.count));
}

static int model_is_right(const struct trace *t)
{
    text_list l = { NULL, 0, 0 };
    uint32_t txn;
    struct cast c;
    text_vv all;
    uint8_t *bytes;
    int is_right;
    cast_begin(&c, t);
    for (txn = 0; txn < t->txn_count; txn++)
        cast_next(&c, t, txn);
    all = model_play(&l, t, &c);
    bytes = (uint8_t *)trace_must(malloc(4 * l.len + 1));
    is_right = ends_as(t, bytes, text_read(&l, &all, bytes));
    cast_free(&c);
    text_free(&l);
    free(bytes);
    return is_right;
}

/* >>documents ----------------------------------------------------------------
 * Each agent's author is a document; a txn is what it commits, and its delta
 * goes to each that is to have seen it. */

struct play {
    const struct trace *t;
    struct cast c;
    crdt_doc **docs;  /* an agent's */
    uint8_t **has;    /* which txns it has */
    crdt_buf *deltas; /* of a txn */
    crdt_err err;
};

static crdt_doc *author_doc(uint32_t agent, uint32_t number)
{
    crdt_config config;
    crdt_doc *doc = NULL;
    crdt_id id;
    int i;
    memset(&id, 0, sizeof id);
    memset(&config, 0, sizeof config);
    for (i = 0; i < 4; i++) {
        id.b[i] = (uint8_t)(agent >> (24 - 8 * i));
        id.b[4 + i] = (uint8_t)(number >> (24 - 8 * i));
    }
    id.b[15] = 1;
    config.replica = &id;
    if (crdt_doc_new(&doc, &config))
        abort();
    return doc;
}

static crdt_obj doc_text(crdt_doc *doc)
{
    return crdt_map_text(crdt_root(doc), CRDT_STR("text"));
}

static void play_must(struct play *p, crdt_err err)
{
    if (!p->err)
        p->err = err;
}

static crdt_err doc_edit(crdt_obj text, const struct trace *t,
                         const struct trace_edit *edit)
{
    crdt_bytes inserted =
        crdt_bytes_of(t->text + edit->inserted.from, edit->inserted.count);
    if (inserted.len == 0)
        return crdt_text_delete(text, CRDT_CHARS, edit->at, edit->deleted);
    if (edit->deleted == 0)
        return crdt_text_insert(text, CRDT_CHARS, edit->at, inserted);
    return crdt_text_replace(text, CRDT_CHARS, edit->at, edit->deleted,
                             inserted);
}

/* A new author of the agent takes the place of the one before. */
static void play_begin_author(struct play *p, uint32_t txn)
{
    uint32_t agent = p->t->txns[txn].agent;
    crdt_doc_free(p->docs[agent]);
    free(p->has[agent]);
    p->docs[agent] = author_doc(agent, p->c.author_of[txn]);
    p->has[agent] = (uint8_t *)trace_must(calloc(p->t->txn_count, 1));
}

static void play_join(struct play *p, uint32_t agent, uint32_t txn)
{
    if (!p->has[agent][txn])
        play_must(p,
                  crdt_join(p->docs[agent], crdt_buf_bytes(&p->deltas[txn])));
    p->has[agent][txn] = 1;
}

static void play_txn(struct play *p, uint32_t txn)
{
    const struct trace_txn *at = &p->t->txns[txn];
    crdt_vv seen = CRDT_VV_INIT;
    crdt_obj text;
    uint32_t i;
    cast_next(&p->c, p->t, txn);
    if (p->c.begins[txn])
        play_begin_author(p, txn);
    for (i = 0; i < txn; i++)
        if (p->c.mark[i] == txn + 1)
            play_join(p, at->agent, i);
    play_must(p, crdt_doc_vv(p->docs[at->agent], &seen));
    text = doc_text(p->docs[at->agent]);
    for (i = 0; i < at->edits.count; i++)
        play_must(p, doc_edit(text, p->t, &p->t->edits[at->edits.from + i]));
    play_must(p, crdt_commit(p->docs[at->agent]));
    play_must(p, crdt_delta(p->docs[at->agent], &seen, &p->deltas[txn]));
    p->has[at->agent][txn] = 1;
    crdt_vv_free(&seen);
}

static void play_begin(struct play *p, const struct trace *t)
{
    memset(p, 0, sizeof *p);
    p->t = t;
    cast_begin(&p->c, t);
    p->docs =
        (crdt_doc **)trace_must(calloc(t->agent_count + 1, sizeof *p->docs));
    p->has =
        (uint8_t **)trace_must(calloc(t->agent_count + 1, sizeof *p->has));
    p->deltas =
        (crdt_buf *)trace_must(calloc(t->txn_count + 1, sizeof *p->deltas));
}

static void play_free(struct play *p)
{
    size_t i;
    for (i = 0; i < p->t->agent_count; i++) {
        crdt_doc_free(p->docs[i]);
        free(p->has[i]);
    }
    for (i = 0; i < p->t->txn_count; i++)
        crdt_buf_free(&p->deltas[i]);
    free(p->docs);
    free(p->has);
    free(p->deltas);
    cast_free(&p->c);
}

static int doc_ends_as(const struct trace *t, crdt_doc *doc)
{
    crdt_buf got = CRDT_BUF_INIT;
    int is_right = crdt_text_get(doc_text(doc), &got) == CRDT_OK &&
                   ends_as(t, got.ptr, got.len);
    crdt_buf_free(&got);
    return is_right;
}

/* A document that joins the whole of another ends so too. */
static int copy_ends_as(const struct trace *t, crdt_doc *doc)
{
    crdt_buf whole = CRDT_BUF_INIT;
    crdt_doc *copy = author_doc(UINT32_MAX, 1);
    crdt_digest a = crdt_doc_digest(doc), b;
    int is_right = crdt_delta(doc, NULL, &whole) == CRDT_OK &&
                   crdt_join(copy, crdt_buf_bytes(&whole)) == CRDT_OK &&
                   doc_ends_as(t, copy);
    b = crdt_doc_digest(copy);
    crdt_doc_free(copy);
    crdt_buf_free(&whole);
    return is_right && a.hi == b.hi && a.lo == b.lo;
}

/* Every agent's document gets what it lacks and ends as it should. */
static int play_is_right(const struct trace *t)
{
    struct play p;
    uint32_t txn, agent, few;
    int is_right = 1;
    play_begin(&p, t);
    for (txn = 0; txn < t->txn_count; txn++)
        play_txn(&p, txn);
    few = t->agent_count < 4 ? (uint32_t)t->agent_count : 1;
    for (agent = 0; agent < few; agent++) {
        for (txn = 0; txn < t->txn_count; txn++)
            play_join(&p, agent, txn);
        is_right &= !p.err && doc_ends_as(t, p.docs[agent]);
    }
    is_right &= copy_ends_as(t, p.docs[0]);
    if (p.err)
        puts(crdt_err_name(p.err));
    play_free(&p);
    return is_right;
}

/* One author, all in one document; commits are few. */
static int sequence_is_right(const struct trace *t)
{
    crdt_doc *doc = author_doc(0, 0);
    crdt_obj text = doc_text(doc);
    crdt_err err = CRDT_OK;
    size_t i;
    int is_right;
    if (t->start.count > 0)
        err = crdt_text_insert(
            text, CRDT_CHARS, 0,
            crdt_bytes_of(t->text + t->start.from, t->start.count));
    for (i = 0; i < t->edit_count && !err; i++) {
        err = doc_edit(text, t, &t->edits[i]);
        if (!err && i % 1000 == 0)
            err = crdt_commit(doc);
    }
    if (!err)
        err = crdt_commit(doc);
    is_right = !err && doc_ends_as(t, doc) && copy_ends_as(t, doc);
    crdt_doc_free(doc);
    return is_right;
}

/* >>files ----------------------------------------------------------------- */

static int loads(struct trace_file *file, const char *path)
{
    int err = trace_load(file, path);
    if (err)
        printf("%s: %s\n", path, file->error);
    return !err;
}

static void check_vectors(const char *path, size_t count)
{
    struct trace_file file;
    size_t i;
    REQUIRE(loads(&file, path));
    CHECK_INT(file.count, count);
    for (i = 0; i < file.count; i++) {
        int model = model_is_right(&file.traces[i]);
        int docs = play_is_right(&file.traces[i]);
        if (!model || !docs)
            printf("%s: %u: %s\n", path, (unsigned)i,
                   model ? "documents end otherwise" : "the model is wrong");
        CHECK(model && docs);
    }
    trace_free(&file);
}

/* The path of a file in the directory that the environment names; NULL when
 * it does not. */
static const char *path_in(const char *variable, const char *name)
{
    static char path[1024];
    const char *directory = getenv(variable);
    if (!directory || !*directory) {
        printf("SKIPPED %s: %s is not set\n", name, variable);
        return NULL;
    }
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

TEST(forty_vectors)
{
    check_vectors("test/laws/text_merge.json.gz", 40);
}

TEST(all_vectors)
{
    const char *path = path_in("VECTORS", "text-merge.json.gz");
    if (path)
        check_vectors(path, 500);
}

static void check_trace(const char *name)
{
    const char *path = path_in("TRACES", name);
    struct trace_file file;
    if (!path)
        return;
    REQUIRE(loads(&file, path));
    CHECK_INT(file.count, 1);
    if (trace_is_sequence(&file.traces[0]))
        CHECK(sequence_is_right(&file.traces[0]));
    else
        CHECK(play_is_right(&file.traces[0]));
    trace_free(&file);
}

TEST(recorded_in_sequence)
{
    check_trace("automerge-paper.json.gz");
    check_trace("rustcode.json.gz");
    check_trace("friendsforever_flat.json.gz");
}

/* Not git-makefile: who of two agents comes first where they insert at one
 * spot was said by their names, in its positions and in what it ends as; it
 * has numbers instead, and so ends otherwise, whoever plays it. */
TEST(recorded_at_once)
{
    check_trace("friendsforever.json.gz");
}

/* >>two that everybody knows ---------------------------------------------- */

struct writer {
    crdt_doc *doc;
    text_vv vv;
};

static crdt_buf news(crdt_doc *doc, const crdt_vv *since)
{
    crdt_buf delta = CRDT_BUF_INIT;
    CHECK_INT(crdt_commit(doc), CRDT_OK);
    CHECK_INT(crdt_delta(doc, since, &delta), CRDT_OK);
    return delta;
}

/* `to` joins what `from` has. */
static void pull(crdt_doc *to, crdt_doc *from)
{
    crdt_vv vv = CRDT_VV_INIT;
    crdt_buf delta;
    CHECK_INT(crdt_doc_vv(to, &vv), CRDT_OK);
    delta = news(from, &vv);
    CHECK_INT(crdt_join(to, crdt_buf_bytes(&delta)), CRDT_OK);
    crdt_buf_free(&delta);
    crdt_vv_free(&vv);
}

static int doc_reads(crdt_doc *doc, const char *want)
{
    crdt_buf got = CRDT_BUF_INIT;
    int is_right = crdt_text_get(doc_text(doc), &got) == CRDT_OK &&
                   crdt_bytes_equal(crdt_buf_bytes(&got), crdt_str(want));
    if (!is_right)
        printf("reads \"%.*s\", not \"%s\"\n", (int)got.len,
               got.len ? (const char *)got.ptr : "", want);
    crdt_buf_free(&got);
    return is_right;
}

/* One deletes [from, to) of "abcdef", the other inserts before the at-th. */
static void insert_beside_delete(size_t from, size_t to, size_t at,
                                 uint32_t first)
{
    crdt_doc *a = author_doc(first, 0), *b = author_doc(1 - first, 0);
    char want[16] = "";
    size_t i;
    for (i = 0; i <= 6; i++) {
        if (i == at)
            strcat(want, "XY");
        if (i < 6 && (i < from || i >= to))
            strncat(want, &"abcdef"[i], 1);
    }
    CHECK(!crdt_text_insert(doc_text(a), CRDT_CHARS, 0, CRDT_STR("abcdef")));
    pull(b, a);
    CHECK(!crdt_text_delete(doc_text(a), CRDT_CHARS, from, to - from));
    CHECK(!crdt_text_insert(doc_text(b), CRDT_CHARS, at, CRDT_STR("XY")));
    pull(b, a);
    pull(a, b);
    CHECK(doc_reads(a, want) && doc_reads(b, want));
    crdt_doc_free(a);
    crdt_doc_free(b);
}

TEST(an_insertion_in_a_deleted_range_stays)
{
    size_t from, to, at;
    for (from = 0; from < 6; from++)
        for (to = from + 1; to <= 6; to++)
            for (at = 0; at <= 6; at++) {
                insert_beside_delete(from, to, at, 0);
                insert_beside_delete(from, to, at, 1);
            }
}

enum { WRITERS = 3, WORD = 6 };

static const char *const words[WRITERS] = { "abcdef", "ABCDEF", "012345" };

static void write_at(struct writer *x, text_list *l, uint32_t author,
                     size_t at, char letter)
{
    CHECK_INT(crdt_text_insert(doc_text(x->doc), CRDT_CHARS, at,
                               crdt_bytes_of(&letter, 1)),
              CRDT_OK);
    text_type(l, &x->vv, author, at, (uint8_t)letter);
}

static void erase_at(struct writer *x, text_list *l, uint32_t author,
                     size_t at)
{
    CHECK_INT(crdt_text_delete(doc_text(x->doc), CRDT_CHARS, at, 1), CRDT_OK);
    text_erase(l, &x->vv, author, at);
}

/* How a spot is typed at: BACKWARDS << author, and what else. */
enum { BACKWARDS = 1, SLIPS = 8, DEAD = 16, FRAMED = 32 };

/* The i-th letter typed at the spot, and maybe one too many before. */
static void type_letter(struct writer *x, text_list *l, uint32_t author,
                        unsigned how, size_t spot, size_t i)
{
    int back = (how >> author & BACKWARDS) != 0;
    size_t at = back ? spot : spot + i;
    if (how & SLIPS) {
        write_at(x, l, author, at, '?');
        erase_at(x, l, author, at);
    }
    write_at(x, l, author, at, words[author][back ? WORD - 1 - i : i]);
}

/* Everyone types a word in so many commits, the deltas of which come in the
 * order of the permutation, and all of one writer or one of each first. */
struct spot {
    struct writer writers[WRITERS];
    text_list list;
    crdt_buf deltas[WRITERS][WORD];
    size_t commits;
};

static void spot_begin(struct spot *s, unsigned how)
{
    const char *frame = how & DEAD ? "[xyz]" : how & FRAMED ? "[]" : "";
    uint32_t i;
    memset(s, 0, sizeof *s);
    for (i = 0; i < WRITERS; i++)
        s->writers[i].doc = author_doc(i, 0);
    for (i = 0; frame[i]; i++)
        write_at(&s->writers[1], &s->list, 1, i, frame[i]);
    for (i = 0; how & DEAD && i < 3; i++)
        erase_at(&s->writers[1], &s->list, 1, 1);
    for (i = 0; i < WRITERS; i += 2) {
        pull(s->writers[i].doc, s->writers[1].doc);
        s->writers[i].vv = s->writers[1].vv;
    }
}

static void spot_type(struct spot *s, uint32_t author, unsigned how,
                      size_t commits)
{
    struct writer *x = &s->writers[author];
    size_t i, spot = how & (DEAD | FRAMED) ? 1 : 0;
    crdt_vv since = CRDT_VV_INIT;
    for (i = 0; i < WORD; i++) {
        if (i % (WORD / commits) == 0)
            CHECK_INT(crdt_doc_vv(x->doc, &since), CRDT_OK);
        type_letter(x, &s->list, author, how, spot, i);
        if ((i + 1) % (WORD / commits) == 0)
            s->deltas[author][i * commits / WORD] = news(x->doc, &since);
    }
    s->commits = commits;
    crdt_vv_free(&since);
}

/* A copy of what `at` had, which the deltas of the others come to. */
static void spot_check(struct spot *s, const int *order, int in_turn,
                       const char *want)
{
    crdt_doc *copy = author_doc(WRITERS, 0);
    size_t i, n = WRITERS * s->commits;
    pull(copy, s->writers[order[0]].doc);
    for (i = 0; i < n; i++) {
        size_t who = in_turn ? i % WRITERS : i / s->commits;
        size_t which = in_turn ? i / WRITERS : i % s->commits;
        CHECK_INT(
            crdt_join(copy, crdt_buf_bytes(&s->deltas[order[who]][which])),
            CRDT_OK);
    }
    CHECK(doc_reads(copy, want));
    crdt_doc_free(copy);
}

static void spot_end(struct spot *s)
{
    int i, k;
    for (i = 0; i < WRITERS; i++) {
        crdt_doc_free(s->writers[i].doc);
        for (k = 0; k < WORD; k++)
            crdt_buf_free(&s->deltas[i][k]);
    }
    text_free(&s->list);
}

static void type_at_one_spot(unsigned how, size_t commits)
{
    static const int orders[6][WRITERS] = { { 0, 1, 2 }, { 0, 2, 1 },
                                            { 1, 0, 2 }, { 1, 2, 0 },
                                            { 2, 0, 1 }, { 2, 1, 0 } };
    struct spot s;
    text_vv all = text_vv_none();
    uint8_t want[256];
    uint32_t i;
    spot_begin(&s, how);
    for (i = 0; i < WRITERS; i++) {
        spot_type(&s, i, how, commits);
        text_vv_merge(&all, &s.writers[i].vv);
    }
    want[text_read(&s.list, &all, want)] = 0;
    for (i = 0; i < WRITERS; i++)
        CHECK(strstr((const char *)want, words[i]) != NULL);
    for (i = 0; i < 6; i++) {
        spot_check(&s, orders[i], 0, (const char *)want);
        spot_check(&s, orders[i], 1, (const char *)want);
    }
    spot_end(&s);
}

TEST(what_is_typed_at_one_spot_never_mixes)
{
    unsigned how;
    for (how = 0; how < 64; how++) {
        type_at_one_spot(how, 1);
        type_at_one_spot(how, 2);
        type_at_one_spot(how, WORD);
    }
}

TEST_MAIN(CASE(forty_vectors), CASE(all_vectors), CASE(recorded_in_sequence),
          CASE(recorded_at_once), CASE(an_insertion_in_a_deleted_range_stays),
          CASE(what_is_typed_at_one_spot_never_mixes))
