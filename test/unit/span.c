/*
 * The B-tree of spans against an array of characters: put, hide, seek, rank,
 * order, next, with and without homes, in trees of one leaf and of several
 * levels. What holds within the tree is looked at by check_sequence.h.
 */
#include "../replicas.h"

enum { AUTHORS = 3, MOST = 40000 };

struct character {
    uint32_t name;
    uint8_t bytes; /* of its UTF-8 */
    uint8_t is_hidden;
};

static struct character all[MOST];
static size_t all_len;
static crdt_doc *doc;
static crdti_sequence *s;
static uint32_t authors[AUTHORS];

static void begin(void)
{
    crdt_obj text;
    int i;
    doc = replica(1);
    text = at_root(doc, CRDT_TEXT);
    REQUIRE(crdti_sequence_get(doc, text.index, &s) == CRDT_OK);
    for (i = 0; i < AUTHORS; i++) {
        crdt_id id = replica_id((uint8_t)(i + 2));
        uint32_t number;
        REQUIRE(crdti_replica_add(doc, &id, &number) == CRDT_OK);
        REQUIRE(crdti_author_get(doc, &s->authors, s->object, number,
                                 &authors[i]) == CRDT_OK);
    }
    all_len = 0;
}

static size_t units_of(const struct character *c, crdt_unit unit)
{
    if (c->is_hidden)
        return 0;
    return unit == CRDT_UTF8    ? c->bytes
           : unit == CRDT_UTF16 ? 1u + (c->bytes > 3)
                                : 1u;
}

/* How much is visible before the n-th. */
static size_t model_rank(size_t n, crdt_unit unit)
{
    size_t i, sum = 0;
    for (i = 0; i < n; i++)
        sum += units_of(&all[i], unit);
    return sum;
}

/* >>what is done ---------------------------------------------------------- */

static uint32_t name_at(size_t n)
{
    return n < all_len ? all[n].name : CRDTI_NO_CHAR;
}

/* Some bytes, of `chars` characters, all as many bytes long. */
static crdt_bytes some_text(uint32_t chars, uint32_t width)
{
    static const char *const of_width[] = { "x", "\xc3\xa9", "\xe2\x82\xac",
                                            "\xf0\x9f\x98\x80" };
    static uint8_t bytes[4 * CRDTI_WIDE_MAX];
    uint32_t i;
    for (i = 0; i < chars; i++)
        memcpy(bytes + i * width, of_width[width - 1], width);
    return crdt_bytes_of(bytes, chars * width);
}

/* Puts a piece before the n-th character; width 0: of dead ones. */
static void put(size_t n, uint32_t author, uint32_t chars, uint32_t width)
{
    crdti_author *at = crdti_author_at(doc, authors[author]);
    uint64_t seq = at->last + 1;
    crdti_origins origins;
    crdti_piece piece;
    crdti_spot spot;
    uint32_t i, name;
    memset(&origins, 0, sizeof origins);
    memset(&piece, 0, sizeof piece);
    origins.left = n ? all[n - 1].name : CRDTI_NO_CHAR;
    origins.right = name_at(n);
    origins.replica = at->replica;
    piece.width.chars = chars;
    if (width) {
        piece.bytes = some_text(chars, width);
        piece.width.more_bytes = chars * (width - 1);
        piece.width.more_units = width == 4 ? chars : 0;
    }
    REQUIRE(!crdti_insertions_reserve(doc, s, authors[author], 1, chars,
                                      piece.bytes.len));
    REQUIRE(!crdti_spans_reserve(doc, s, 1));
    spot = crdti_spot_behind(doc, s, origins.left);
    name = crdti_author_at(doc, authors[author])->free_name;
    crdti_insertion_put(doc, s, authors[author], seq, &origins, &piece, &spot);
    at = crdti_author_at(doc, authors[author]);
    doc->replicas.ptr[at->replica].seq = at->last;
    crdti_author_list(doc, authors[author]);
    CHECK_INT(crdti_leaf_at(doc, spot.leaf)->names[spot.at] + spot.off,
              name + chars);
    memmove(all + n + chars, all + n, (all_len - n) * sizeof *all);
    for (i = 0; i < chars; i++) {
        all[n + i].name = name + i;
        all[n + i].bytes = (uint8_t)width;
        all[n + i].is_hidden = !width;
    }
    all_len += chars;
}

/* The character behind the spot, or NO_CHAR. */
static uint32_t name_behind(crdti_spot spot)
{
    return crdti_spot_next(doc, &spot)
               ? crdti_leaf_at(doc, spot.leaf)->names[spot.at] + spot.off
               : CRDTI_NO_CHAR;
}

/* Hides up to `most` from the n-th on, which is visible. */
static void hide(size_t n, uint32_t most)
{
    crdti_spot spot;
    uint32_t count, i;
    REQUIRE(!crdti_spans_reserve(doc, s, 1));
    spot = crdti_spot_of(doc, s, all[n].name);
    count = crdti_span_hide(doc, s, &spot, most);
    CHECK(count > 0 && count <= most);
    for (i = 0; i < count; i++) {
        CHECK(!all[n + i].is_hidden);
        CHECK_INT(all[n + i].name, all[n].name + i);
        all[n + i].is_hidden = 1;
    }
    /* The spot stays before them. */
    CHECK_INT(name_behind(spot), all[n].name);
}

/* >>what is looked at ----------------------------------------------------- */

/* The spot before the n-th, which is there or the end. */
static crdti_spot spot_at(size_t n)
{
    return crdti_spot_behind(doc, s, n ? all[n - 1].name : CRDTI_NO_CHAR);
}

static void look_at(size_t n, size_t m)
{
    crdti_spot spot = spot_at(n), other = spot_at(m), found;
    crdti_width rank = crdti_spot_rank(doc, s, spot);
    uint32_t chars;
    size_t units;
    int unit;
    CHECK_INT(name_behind(spot), name_at(n));
    if (n < all_len && m < all_len) {
        spot = crdti_spot_of(doc, s, all[n].name);
        other = crdti_spot_of(doc, s, all[m].name);
        CHECK_INT(crdti_spot_order(doc, spot, other), (n > m) - (n < m));
    }
    for (unit = CRDT_CHARS; unit <= CRDT_UTF16; unit++) {
        units = model_rank(n, (crdt_unit)unit);
        CHECK_INT(crdti_width_in(rank, (crdt_unit)unit), units);
        s->cursor_is_known = 0;
        CHECK_INT(crdti_seek(doc, s, (crdt_unit)unit, units, &found, &chars),
                  CRDT_OK);
        CHECK_INT(chars, rank.chars);
        CHECK_INT(
            crdti_width_in(crdti_spot_rank(doc, s, found), (crdt_unit)unit),
            units);
    }
}

/* One behind each character but the last lies within it. */
static void look_within(size_t n)
{
    crdti_spot spot;
    uint32_t chars;
    size_t bytes = model_rank(n, CRDT_UTF8);
    if (n == all_len || all[n].is_hidden || all[n].bytes < 2)
        return;
    CHECK_INT(crdti_seek(doc, s, CRDT_UTF8, bytes + 1, &spot, &chars),
              CRDT_ERR_ARG);
}

/* All of it, from the beginning. */
static void walk(void)
{
    crdti_spot spot = spot_at(0);
    size_t n;
    for (n = 0; crdti_spot_next(doc, &spot); n++, spot.off++) {
        REQUIRE(n < all_len);
        REQUIRE(name_behind(spot) == all[n].name);
    }
    CHECK_INT(n, all_len);
    crdti_sequence_weigh(doc, s);
    (void)crdt_doc_digest(doc); /* is looked at too */
    CHECK(is_sound(doc));
    for (n = 0; n < 3; n++)
        CHECK_INT(crdti_width_in(s->total, (crdt_unit)n),
                  model_rank(all_len, (crdt_unit)n));
}

static void end(void)
{
    walk();
    done(doc);
}

/* >>loads ----------------------------------------------------------------- */

struct load {
    int steps;
    uint32_t longest, widest; /* of a piece; 1: all ASCII */
    uint32_t hides;           /* of 8 steps */
    int each;                 /* how often it is looked over */
    uint32_t height;          /* in the end, at least */
};

static void run(uint64_t seed, const struct load *load)
{
    int step;
    begin();
    for (step = 0; step < load->steps && !test_failures_in_case; step++) {
        size_t n = test_below(&seed, (uint32_t)all_len + 1);
        if (test_below(&seed, 8) >= load->hides || !all_len)
            put(test_below(&seed, 4) ? n : all_len, test_below(&seed, AUTHORS),
                1 + test_below(&seed, load->longest),
                test_below(&seed, load->widest + 1));
        else if (n < all_len && !all[n].is_hidden)
            hide(n, 1 + test_below(&seed, 10));
        if (test_below(&seed, 50) == 0)
            crdti_homes_make(doc, s);
        if (test_below(&seed, 400) == 0)
            crdti_homes_drop(&doc->alloc, &s->homes);
        if (test_below(&seed, 100) == 0)
            (void)crdt_doc_digest(doc);
        if (step % load->each == 0) {
            look_at(test_below(&seed, (uint32_t)all_len + 1),
                    test_below(&seed, (uint32_t)all_len + 1));
            look_within(test_below(&seed, (uint32_t)all_len + 1));
        }
        if (step % (load->each * 20) == 0)
            walk();
    }
    CHECK(s->height >= load->height);
    end();
}

TEST(small_trees)
{
    static const struct load loads[] = { { 60, 3, 1, 2, 1, 0 },
                                         { 120, 6, 4, 3, 1, 1 },
                                         { 200, 1, 4, 5, 1, 1 } };
    uint64_t seed;
    for (seed = 1; seed <= test_env("CRDT_SEEDS", 300) / 3; seed++)
        run(seed, &loads[seed % 3]);
}

TEST(trees_of_two_levels)
{
    static const struct load loads[] = { { 1500, 4, 4, 2, 10, 2 },
                                         { 1500, 1, 1, 3, 10, 2 } };
    uint64_t seed;
    for (seed = 1; seed <= 6; seed++)
        run(seed, &loads[seed % 2]);
}

TEST(trees_of_three_levels)
{
    static const struct load load = { 14000, 2, 4, 1, 200, 3 };
    run(1, &load);
}

/* Where documents grow, leaves and forks stay full. */
TEST(what_grows_at_the_end_fills_its_leaves)
{
    size_t leaves = 0;
    uint32_t at;
    int i;
    begin();
    for (i = 0; i < 6000; i++)
        put(all_len, (uint32_t)i % 2, 1, 1);
    for (at = s->first; at; at = crdti_leaf_at(doc, at)->next)
        leaves++;
    CHECK(leaves <= 6000 / (CRDTI_LEAF_SPANS - 3) + 2);
    CHECK_INT(s->height, 2);
    end();
}

/* And what is typed before the beginning, over and over. */
TEST(what_grows_at_the_beginning)
{
    int i;
    begin();
    for (i = 0; i < 3000; i++)
        put(0, (uint32_t)i % 3, 1 + (uint32_t)i % 2, 1 + (uint32_t)i % 4);
    look_at(0, all_len);
    look_at(1, all_len / 2);
    end();
}

/* What is hidden side by side is one span, in whatever order it was hidden. */
TEST(hidden_spans_merge)
{
    static const int orders[] = { 1, 8, 13, 19 };
    size_t k, i;
    for (k = 0; k < sizeof orders / sizeof *orders; k++) {
        begin();
        put(0, 0, 20, 1);
        put(10, 1, 1, 1);
        for (i = 0; i < 21; i++) {
            size_t n = i * (size_t)orders[k] % 21;
            if (n != 10)
                hide(n, 1);
        }
        CHECK_INT(crdti_leaf_at(doc, s->first)->len, 3);
        CHECK_INT(s->total.chars, 1);
        end();
    }
}

TEST(no_position_behind_the_end)
{
    crdti_spot spot;
    uint32_t chars;
    begin();
    CHECK_INT(crdti_seek(doc, s, CRDT_UTF8, 1, &spot, &chars), CRDT_ERR_RANGE);
    put(0, 0, 3, 4);
    CHECK_INT(crdti_seek(doc, s, CRDT_CHARS, 4, &spot, &chars),
              CRDT_ERR_RANGE);
    CHECK_INT(crdti_seek(doc, s, CRDT_UTF8, 13, &spot, &chars),
              CRDT_ERR_RANGE);
    CHECK_INT(crdti_seek(doc, s, CRDT_UTF16, 6, &spot, &chars), CRDT_OK);
    CHECK_INT(chars, 3);
    CHECK_INT(crdti_seek(doc, s, CRDT_UTF16, 5, &spot, &chars), CRDT_ERR_ARG);
    end();
}

TEST_MAIN(CASE(small_trees), CASE(trees_of_two_levels),
          CASE(trees_of_three_levels),
          CASE(what_grows_at_the_end_fills_its_leaves),
          CASE(what_grows_at_the_beginning), CASE(hidden_spans_merge),
          CASE(no_position_behind_the_end))
