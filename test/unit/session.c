/*
 * What a session does with what comes too early, too late, too long, in
 * another version, or from somebody who means harm. The scenarios of networks
 * and identities have their numbers in their names.
 */
#define CRDTSYNC_MAX_SHARED 4u /* small, so that a test meets them */
#include "../sessions.h"

static struct side a, b;
static struct pair pair;

/* Two that have met, and have "x" 1. Where nothing is ordered when `loose`. */
static void begin(int loose)
{
    side_init(&a, replica(1));
    side_init(&b, replica(2));
    CHECK(!crdt_map_put_int(crdt_root(a.doc), CRDT_STR("x"), 1));
    CHECK(!crdt_commit(a.doc));
    pair_up(&pair, &a, &b);
    pair.ends[0].is_ordered = pair.ends[1].is_ordered = !loose;
    CHECK(is_settled(&pair));
}

static void end(void)
{
    pair_down(&pair);
    side_free(&a);
    side_free(&b);
}

static void put(struct side *side, const char *key, int64_t value)
{
    CHECK(!crdt_map_put_int(crdt_root(side->doc), crdt_str(key), value));
    CHECK(!crdt_commit(side->doc));
}

static int64_t get(const struct side *side, const char *key)
{
    int64_t value = -1;
    crdt_map_get_int(crdt_root(side->doc), crdt_str(key), &value);
    return value;
}

static crdt_err hear(int to, uint8_t kind, crdt_bytes payload)
{
    crdti_frame frame;
    frame.kind = kind;
    frame.payload = payload;
    frame.size = payload.len;
    return crdti_session_hear(&pair.ends[to], &frame, sessions_now);
}

/* Takes the frame at the place out of what is under way, and hears it. */
static void deliver_at(int from, size_t place)
{
    crdt_buf *way = &pair.ways[from];
    crdti_frame frame;
    size_t at = 0;
    for (;; place--) {
        REQUIRE(!crdti_frame_get(crdt_bytes_of(way->ptr + at, way->len - at),
                                 SIZE_MAX, &frame, NULL));
        if (!place)
            break;
        at += frame.size;
    }
    CHECK_INT(hear(!from, frame.kind, frame.payload), CRDT_OK);
    way->len -= frame.size;
    memmove(way->ptr + at, way->ptr + at + frame.size, way->len - at);
}

/* >>the causal buffer ------------------------------------------------------ */

TEST(what_comes_too_early_waits)
{
    uint64_t deltas;
    begin(1);
    deltas = pair.deltas[0];
    put(&a, "x", 2);
    CHECK(push(&pair, 0));
    put(&a, "y", 3);
    CHECK(push(&pair, 0));
    put(&a, "z", 4);
    CHECK(push(&pair, 0));
    deliver_at(0, 2);
    deliver_at(0, 1);
    CHECK_INT(pair.ends[1].waiting, 2);
    CHECK(pair.ends[1].held > 0);
    CHECK_INT(get(&b, "z"), -1);
    deliver_at(0, 0);
    CHECK(is_settled(&pair));
    CHECK_INT(get(&b, "z"), 4);
    CHECK_INT(pair.ends[1].waiting, 0);
    CHECK_INT(pair.ends[1].held, 0);
    CHECK_INT(pair.deltas[0] - deltas, 3); /* none was sent again */
    CHECK_INT(pair.answers[CRDT_ERR_CAUSAL], 0);
    end();
}

TEST(what_comes_twice_is_harmless)
{
    crdt_buf copy = CRDT_BUF_INIT;
    crdti_writer w;
    begin(1);
    put(&a, "x", 2);
    put(&b, "y", 3);
    CHECK(push(&pair, 0));
    crdti_writer_init(&w, &copy);
    crdti_put_raw(&w, crdt_buf_bytes(&pair.ways[0]));
    crdti_put_raw(&w, crdt_buf_bytes(&pair.ways[0]));
    deliver(&pair, 0, 9);
    crdti_writer_init(&w, &pair.ways[0]);
    crdti_put_raw(&w, crdt_buf_bytes(&copy));
    CHECK(is_settled(&pair));
    CHECK(!track_of(&pair, 0)->is_lazy && !track_of(&pair, 1)->is_lazy);
    crdt_buf_free(&copy);
    end();
}

/* An UPDATE with so much text that builds on what nobody has. */
static crdt_buf absent_of(uint64_t id, size_t text_len)
{
    crdt_doc *c = replica(3);
    crdt_vv since = CRDT_VV_INIT;
    crdt_buf out = CRDT_BUF_INIT;
    crdti_writer w;
    char *text = (char *)malloc(text_len + 1);
    memset(text, 'x', text_len);
    CHECK(!crdt_map_put_int(crdt_root(c), CRDT_STR("n"), 1));
    CHECK(!crdt_commit(c));
    CHECK(!crdt_doc_vv(c, &since));
    CHECK(!crdt_map_put_str(crdt_root(c), CRDT_STR("s"),
                            crdt_bytes_of(text, text_len / 2)));
    CHECK(!crdt_map_put_str(crdt_root(c), CRDT_STR("t"),
                            crdt_bytes_of(text, text_len - text_len / 2)));
    CHECK(!crdt_commit(c));
    crdti_writer_init(&w, &out);
    crdti_put_varint(&w, 0);
    crdti_put_varint(&w, id);
    crdti_put_u8(&w, 0);
    CHECK(!crdti_delta_put(c, &since, CRDTI_FOR_ALL, NULL, &out));
    free(text);
    crdt_vv_free(&since);
    done(c);
    return out;
}

/* One with a delta of so many bytes. */
static crdt_buf absent(uint64_t id, size_t len)
{
    size_t text_len = len / 2, tries;
    crdt_buf out = absent_of(id, text_len);
    for (tries = 0; tries < 5 && out.len != len + 3; tries++) {
        text_len += len + 3 - out.len;
        crdt_buf_free(&out);
        out = absent_of(id, text_len);
    }
    CHECK_INT(out.len, len + 3);
    return out;
}

TEST(identity_40_what_builds_on_nothing_is_kept_within_a_limit)
{
    size_t len;
    for (len = CRDTSYNC_MAX_BUFFERED - 1; len <= CRDTSYNC_MAX_BUFFERED + 1;
         len++) {
        crdt_buf update = absent(1, len);
        begin(1);
        CHECK_INT(hear(1, CRDTI_UPDATE, crdt_buf_bytes(&update)), CRDT_OK);
        CHECK_INT(pair.ends[1].waiting, len <= CRDTSYNC_MAX_BUFFERED);
        CHECK_INT(pair.ends[1].held, len <= CRDTSYNC_MAX_BUFFERED ? len : 0);
        push(&pair, 1);
        CHECK_INT(pair.answers[CRDT_ERR_AGAIN], len > CRDTSYNC_MAX_BUFFERED);
        pair.ways[1].len = 0;
        crdt_buf_free(&update);
        end();
    }
}

TEST(over_the_limit_the_oldest_goes)
{
    uint64_t id;
    begin(1);
    for (id = 100; id < 100 + CRDTI_HELD_MAX + 1; id++) {
        crdt_buf update = absent(id, 200);
        CHECK_INT(pair.ends[1].waiting, id - 100);
        CHECK_INT(hear(1, CRDTI_UPDATE, crdt_buf_bytes(&update)), CRDT_OK);
        crdt_buf_free(&update);
    }
    CHECK_INT(pair.ends[1].waiting, CRDTI_HELD_MAX);
    CHECK_INT(track_of(&pair, 1)->held.ptr[0].id, 101);
    for (; id < 110 + CRDTI_HELD_MAX; id++) {
        crdt_buf update = absent(id, CRDTSYNC_MAX_BUFFERED / 3);
        CHECK_INT(hear(1, CRDTI_UPDATE, crdt_buf_bytes(&update)), CRDT_OK);
        CHECK(pair.ends[1].held <= CRDTSYNC_MAX_BUFFERED);
        crdt_buf_free(&update);
    }
    CHECK_INT(pair.ends[1].waiting, 3);
    put(&a, "x", 5); /* it is none the worse */
    CHECK(push(&pair, 0));
    deliver(&pair, 0, 9);
    CHECK_INT(get(&b, "x"), 5);
    end();
}

/* >>torn, huge, from the future -------------------------------------------- */

/* A stream cut at each byte in turn: the same comes of it. */
TEST(network_8_torn_at_every_byte)
{
    size_t cut, len = 1;
    for (cut = 0; cut < len; cut++) {
        crdt_buf stream = CRDT_BUF_INIT;
        crdti_writer w;
        uint64_t frames = 0;
        begin(0);
        put(&a, "x", 2);
        push(&pair, 0);
        put(&a, "y", 3);
        push(&pair, 0);
        crdti_writer_init(&w, &stream);
        crdti_put_raw(&w, crdt_buf_bytes(&pair.ways[0]));
        pair.ways[0].len = 0;
        len = stream.len;
        CHECK(!crdti_session_receive(&pair.ends[1],
                                     crdt_bytes_of(stream.ptr, cut),
                                     sessions_now, &frames));
        CHECK(!crdti_session_receive(
            &pair.ends[1], crdt_bytes_of(stream.ptr + cut, len - cut),
            sessions_now, &frames));
        CHECK_INT(frames, 2);
        CHECK(is_settled(&pair));
        CHECK_INT(get(&b, "y"), 3);
        crdt_buf_free(&stream);
        end();
        REQUIRE(!test_failures_in_case);
    }
    CHECK(len > 50);
}

/* An allocator that counts what it gives. */
static size_t given;

static void *counting(void *ctx, void *ptr, size_t old, size_t size)
{
    (void)ctx;
    given += size > old ? size - old : 0;
    if (!size) {
        free(ptr);
        return NULL;
    }
    return realloc(ptr, size);
}

/* The message that the numbers and bytes make: 'v' a varint, 'b' a byte, 'w'
 * eight bytes, 'i' an id. */
static crdt_buf message(const char *form, const uint64_t *numbers)
{
    crdt_buf out = CRDT_BUF_INIT;
    crdti_writer w;
    crdti_writer_init(&w, &out);
    for (; *form; form++, numbers++) {
        if (*form == 'v')
            crdti_put_varint(&w, *numbers);
        else if (*form == 'b')
            crdti_put_u8(&w, (uint8_t)*numbers);
        else
            crdti_put_u64le(&w, *numbers);
        if (*form == 'i')
            crdti_put_u64le(&w, *numbers);
    }
    CHECK(!w.err);
    return out;
}

static void check_hostile(uint8_t kind, const char *form,
                          const uint64_t *numbers, crdt_err want)
{
    crdt_buf payload = message(form, numbers);
    crdt_alloc alloc;
    crdt_err err;
    begin(1);
    alloc.version = 1;
    alloc.ctx = NULL;
    alloc.resize = counting;
    pair.ends[1].alloc = &alloc;
    given = 0;
    err = hear(1, kind, crdt_buf_bytes(&payload));
    CHECK_STR(crdt_err_name(err), crdt_err_name(want));
    CHECK(given < 70000);
    pair.ends[1].alloc = &b.doc->alloc;
    crdt_buf_free(&payload);
    end();
}

static const uint64_t huge = UINT64_MAX;

TEST(network_9_huge_numbers_are_refused_before_memory_is_taken)
{
    static const uint64_t piece[] = { 1, 0, CRDTI_UPDATE, 0, 0, 7 };
    uint64_t n[6];
    begin(0);
    CHECK_INT(crdti_session_receive(&pair.ends[1],
                                    CRDT_STR("\xc7\x25\xff\xff\xff\xff\xff\xff"
                                             "\xff\xff\xff\x01"),
                                    0, n),
              CRDT_ERR_LIMIT);
    end();
    memcpy(n, piece, sizeof n);
    n[3] = huge;
    check_hostile(CRDTI_PIECE, "vbbvvb", n, CRDT_ERR_LIMIT);
    n[3] = CRDTSYNC_MAX_TRANSFER + 1u;
    check_hostile(CRDTI_PIECE, "vbbvvb", n, CRDT_ERR_LIMIT);
    n[3] = CRDTSYNC_MAX_TRANSFER; /* it may be, but far ahead is not kept */
    n[4] = CRDTSYNC_MAX_TRANSFER - 1u;
    check_hostile(CRDTI_PIECE, "vbbvvb", n, CRDT_OK);
    n[4] = huge;
    check_hostile(CRDTI_PIECE, "vbbvvb", n, CRDT_ERR_CORRUPT);
    n[3] = n[4] = 1;
    check_hostile(CRDTI_PIECE, "vbbvvb", n, CRDT_ERR_CORRUPT);
    n[2] = CRDTI_HELLO;
    n[4] = 0;
    check_hostile(CRDTI_PIECE, "vbbvvb", n, CRDT_ERR_CORRUPT);
    n[0] = 0;
    check_hostile(CRDTI_HAVE, "vv", (n[1] = huge, n), CRDT_ERR_LIMIT);
    check_hostile(CRDTI_DOCS, "v", &huge, CRDT_ERR_LIMIT);
    n[0] = CRDTSYNC_MAX_SHARED;
    check_hostile(CRDTI_DOCS, "v", n, CRDT_OK);
    n[0] = CRDTSYNC_MAX_SHARED + 1u;
    check_hostile(CRDTI_DOCS, "v", n, CRDT_ERR_LIMIT);
    n[0] = n[1] = n[2] = n[3] = 0;
    n[4] = CRDTSYNC_MAX_PRESENCE_MS + 1u;
    check_hostile(CRDTI_PRESENCE, "vivv", n + 1, CRDT_ERR_LIMIT);
}

/* One below, at it, and one above. */
TEST(a_frame_is_no_longer_than_may_be)
{
    uint32_t len;
    for (len = CRDTSYNC_MAX_FRAME - 1; len <= CRDTSYNC_MAX_FRAME + 1; len++) {
        crdt_buf frame = CRDT_BUF_INIT;
        crdti_writer w;
        uint64_t frames = 0;
        crdt_err err;
        begin(0);
        crdti_writer_init(&w, &frame);
        CHECK(!crdti_buf_reserve(&frame, len));
        memset(frame.ptr, 0, len);
        frame.len = len;
        crdti_frame_wrap(&w, 30, 0); /* of a kind to come */
        err = crdti_session_receive(&pair.ends[1], crdt_buf_bytes(&frame),
                                    sessions_now, &frames);
        CHECK_STR(crdt_err_name(err),
                  len > CRDTSYNC_MAX_FRAME ? "CRDT_ERR_LIMIT" : "CRDT_OK");
        CHECK_INT(frames, len <= CRDTSYNC_MAX_FRAME);
        crdt_buf_free(&frame);
        end();
    }
}

TEST(no_more_deltas_are_unanswered_than_may_be)
{
    uint64_t before;
    unsigned i;
    begin(0);
    before = pair.deltas[0];
    for (i = 1; i <= CRDTSYNC_MAX_IN_FLIGHT + 1; i++) {
        put(&a, "x", i);
        push(&pair, 0);
        CHECK_INT(pair.deltas[0] - before,
                  i <= CRDTSYNC_MAX_IN_FLIGHT ? i : CRDTSYNC_MAX_IN_FLIGHT);
    }
    CHECK(is_settled(&pair));
    CHECK_INT(pair.deltas[0] - before, CRDTSYNC_MAX_IN_FLIGHT + 1);
    CHECK_INT(get(&b, "x"), CRDTSYNC_MAX_IN_FLIGHT + 1);
    end();
}

TEST(identity_39_a_vector_of_a_million_is_refused_before_work)
{
    uint64_t n[5] = { 0, 0, 0, 0, 1000000 };
    check_hostile(CRDTI_STATE, "vbwwv", n, CRDT_ERR_LIMIT);
    n[4] = CRDTSYNC_MAX_REPLICAS + 1u;
    check_hostile(CRDTI_STATE, "vbwwv", n, CRDT_ERR_LIMIT);
    n[4] = CRDTSYNC_MAX_REPLICAS; /* it may be, and is not there */
    check_hostile(CRDTI_STATE, "vbwwv", n, CRDT_ERR_TRUNCATED);
}

/* One that claims to know of more replicas than there can be does not keep
 * others from being heard. */
TEST(hearsay_fills_nothing_that_others_need)
{
    crdt_buf payload = CRDT_BUF_INIT;
    crdti_writer w;
    uint64_t i;
    begin(0);
    crdti_writer_init(&w, &payload);
    crdti_put_varint(&w, 0);
    crdti_put_varint(&w, CRDTSYNC_MAX_REPLICAS);
    for (i = 0; i < CRDTSYNC_MAX_REPLICAS; i++) {
        uint8_t id[16] = { 200 };
        id[14] = (uint8_t)(i >> 8);
        id[15] = (uint8_t)i;
        crdti_put_raw(&w, crdt_bytes_of(id, 16));
        crdti_put_varint(&w, 1);
    }
    (void)hear(1, CRDTI_HAVE, crdt_buf_bytes(&payload));
    CHECK_INT(b.shares.ptr[0].acked.len, 1);
    crdt_buf_free(&payload);
    end();
}

/* >>gaps and stamps -------------------------------------------------------- */

TEST(identity_35_a_gap_is_no_change)
{
    crdt_buf update = absent(1, 300);
    begin(0);
    CHECK_INT(hear(1, CRDTI_UPDATE, crdt_buf_bytes(&update)), CRDT_OK);
    push(&pair, 1);
    CHECK_INT(pair.answers[CRDT_ERR_CAUSAL], 1);
    CHECK(!crdt_map_has(crdt_root(b.doc), CRDT_STR("s")));
    crdt_buf_free(&update);
    end();
}

/* A snapshot of no changes whose one replica has that many. */
static void check_seq(uint64_t seq, crdt_err want)
{
    uint64_t n[] = { 0, 1, 0, 1, 1, huge, seq, 0, 0 };
    crdt_buf payload = message("vvbbviv", n);
    crdti_writer w;
    crdti_writer_init(&w, &payload);
    crdti_put_raw(&w, CRDT_STR("\0\0")); /* objects, ops */
    begin(0);
    CHECK_STR(crdt_err_name(hear(1, CRDTI_UPDATE, crdt_buf_bytes(&payload))),
              crdt_err_name(want));
    crdt_buf_free(&payload);
    pair.ways[0].len = 0;
    end();
}

/* Beyond the limit it is refused, and the sender told so. */
TEST(identity_35_a_seq_beyond_the_limit_is_refused)
{
    check_seq(CRDTSYNC_MAX_SEQ, CRDT_OK);
    check_seq(CRDTSYNC_MAX_SEQ + 1, CRDT_OK);
    check_seq(UINT64_MAX, CRDT_OK);
    begin(0);
    {
        uint64_t n[] = { 0, 1, 0, 1, 1, huge, UINT64_MAX };
        crdt_buf payload = message("vvbbviv", n);
        CHECK_INT(hear(1, CRDTI_UPDATE, crdt_buf_bytes(&payload)), CRDT_OK);
        push(&pair, 1);
        CHECK_INT(pair.answers[CRDT_ERR_LIMIT], 1);
        crdt_buf_free(&payload);
    }
    end();
}

TEST(identity_38_a_stamp_of_the_year_9999_waits)
{
    uint64_t now = replicas_now;
    begin(0);
    replicas_now = UINT64_C(253370764800000); /* 9999-01-01 */
    put(&a, "x", 9999);
    replicas_now = now;
    CHECK(push(&pair, 0));
    deliver(&pair, 0, 9);
    CHECK_INT(pair.ends[1].waiting, 1);
    CHECK_INT(get(&b, "x"), 1);
    put(&b, "x", 2); /* has a stamp of today */
    CHECK_INT(get(&b, "x"), 2);
    replicas_now = UINT64_C(253370764800000) - CRDTSYNC_MAX_SKEW_MS - 1;
    CHECK(!crdti_session_retry(&pair.ends[1], 1, sessions_now));
    CHECK_INT(pair.ends[1].waiting, 1);
    replicas_now += 1;
    CHECK(!crdti_session_retry(&pair.ends[1], 1, sessions_now));
    CHECK_INT(pair.ends[1].waiting, 0);
    CHECK_INT(get(&b, "x"), 9999);
    CHECK(is_settled(&pair));
    replicas_now = now;
    end();
}

/* >>negotiation ------------------------------------------------------------ */

/* The golden bytes of a version to come: it speaks 1 to 7, can much that we
 * cannot, and says more than we know. */
static const char future[] = /* */
    "\xc7\x22\x3e\1\7"
    "ffffffffffffffff"         /* node */
    "\1\2\3\4\5\6\7\x08"       /* nonce */
    "\0\0\0\0\0\0\0\0"         /* has heard nobody */
    "\xff\xff\x03"             /* can 16 things */
    "\x80\x80\x80\x08"         /* takes 16 MiB at once */
    "\xff\xff\xff\xff\xff\x07" /* and more than all unanswered */
    "\1\0\6"
    "future"     /* one document */
    "\5\4\3\2\1" /* what only it knows */
    "\0\0\0\0";

TEST(network_10_a_newer_version_is_understood)
{
    char bytes[sizeof future];
    uint32_t sum;
    uint64_t frames = 0;
    size_t len = sizeof future - 1;
    crdti_session *s = &pair.ends[1];
    begin(0);
    crdti_session_free(s);
    crdti_session_init(s, &b.doc->alloc, &b.shares);
    s->is_ordered = 1;
    memcpy(bytes, future, len);
    bytes[2] = (char)(len - 3 - 4);
    sum = crdti_crc32c(0, crdt_bytes_of(bytes, len - 4));
    crdti_store32(bytes + len - 4, sum);
    CHECK_INT(crdti_session_receive(s, crdt_bytes_of(bytes, len), 0, &frames),
              CRDT_OK);
    CHECK_INT(frames, 1);
    CHECK(s->is_greeted);
    CHECK_INT(s->can, CRDTI_CAN);
    CHECK_INT(s->frame_max, CRDTSYNC_MAX_FRAME);
    CHECK_INT(s->window, CRDTSYNC_MAX_WINDOW);
    CHECK(crdt_bytes_equal(crdt_bytes_of(s->name, s->name_len),
                           CRDT_STR("future")));
    /* And kinds that we do not know are passed over. */
    CHECK_INT(hear(1, 30, CRDT_STR("?")), CRDT_OK);
    /* One that no longer speaks ours. */
    bytes[3] = 2;
    sum = crdti_crc32c(0, crdt_bytes_of(bytes, len - 4));
    crdti_store32(bytes + len - 4, sum);
    CHECK_STR(crdt_err_name(crdti_session_receive(s, crdt_bytes_of(bytes, len),
                                                  0, &frames)),
              "CRDT_ERR_VERSION");
    end();
}

/* An older one, which can nothing but what all can: no strokes, no HAVE. */
TEST(network_10_an_older_version_gets_what_it_knows)
{
    crdt_obj text;
    int i;
    begin(0);
    pair.ends[0].can = pair.ends[1].can = 0;
    text = crdt_map_text(crdt_root(a.doc), CRDT_STR("t"));
    for (i = 0; i < 5; i++) {
        CHECK(!crdt_text_insert(text, CRDT_CHARS, (size_t)i, CRDT_STR("a")));
        CHECK(!crdt_commit(a.doc));
        settle(&pair, 1);
    }
    CHECK(is_settled(&pair));
    CHECK_INT(pair.strokes[0], 0);
    end();
}

/* What we say of ourselves, byte by byte as docs/wire-format.md has it. */
TEST(a_hello_has_these_bytes)
{
    static const char want[] = "\xc7\x22\x2c\1\1"
                               "\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                               "\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                               "\x0f\x80\x80\x40\x80\x80\x40\1\0\0";
    crdti_session s;
    side_init(&a, replica(1));
    crdti_session_init(&s, &a.doc->alloc, &a.shares);
    s.self.b[0] = 1;
    s.nonce = 1;
    CHECK(!crdti_say_hello(&s));
    CHECK_INT(s.out.len, sizeof want - 1 + 4);
    CHECK(!memcmp(s.out.ptr, want, sizeof want - 1));
    crdti_session_free(&s);
    side_free(&a);
}

/* >>credit ----------------------------------------------------------------- */

/* How many bytes of deltas are under way from a. */
static size_t under_way(void)
{
    size_t at = 0, sum = 0;
    crdti_frame frame;
    const crdt_buf *way = &pair.ways[0];
    for (; !crdti_frame_get(crdt_bytes_of(way->ptr + at, way->len - at),
                            SIZE_MAX, &frame, NULL);
         at += frame.size)
        if (frame.kind == CRDTI_UPDATE || frame.kind == CRDTI_PIECE)
            sum += frame.payload.len;
    return sum;
}

TEST(no_more_is_under_way_than_the_peer_grants)
{
    char key[16];
    int i, loose;
    for (loose = 0; loose < 2; loose++) {
        begin(loose);
        pair.ends[0].window = 5000;
        for (i = 0; i < 3000; i++) {
            snprintf(key, sizeof key, "key %d", i);
            CHECK(!crdt_map_put_int(crdt_root(a.doc), crdt_str(key), i));
            if (i == 0 && !loose) {
                CHECK(!crdt_commit(a.doc));
                push(&pair, 0);
            }
        }
        CHECK(!crdt_commit(a.doc));
        while (push(&pair, 0))
            continue;
        CHECK(under_way() > 4000 && under_way() < 5200); /* heads of pieces */
        CHECK_INT(crdti_session_credit(&pair.ends[0]), 0);
        CHECK(is_settled(&pair));
        CHECK_INT(pair.ends[0].in_flight, 0);
        end();
    }
}

/* One that grants nothing gets little by little, as if it granted the least. */
TEST(a_peer_that_grants_nothing_gets_the_least)
{
    crdti_hello hello;
    crdt_buf payload = CRDT_BUF_INIT;
    crdti_writer w;
    begin(0);
    crdti_zero(&hello, sizeof hello);
    hello.oldest = hello.newest = 1;
    hello.nonce = pair.ends[1].their_nonce;
    crdti_writer_init(&w, &payload);
    crdti_put_hello(&w, &hello);
    CHECK_INT(hear(1, CRDTI_HELLO, crdt_buf_bytes(&payload)), CRDT_OK);
    CHECK_INT(pair.ends[1].window, CRDTI_FRAME_MIN);
    CHECK_INT(pair.ends[1].frame_max, CRDTI_FRAME_MIN);
    crdt_buf_free(&payload);
    end();
}

/* >>shipping --------------------------------------------------------------- */

TEST(whatever_is_shipped_the_same_comes_of_it)
{
    int mode, loose;
    for (mode = CRDT_SHIP_DELTA; mode <= CRDT_SHIP_STATE; mode++)
        for (loose = 0; loose < 2; loose++) {
            int i;
            begin(loose);
            a.shares.ptr->shipping = b.shares.ptr->shipping =
                (crdt_shipping)mode;
            for (i = 0; i < 20; i++) {
                put(i % 3 ? &a : &b, "x", i);
                put(i % 2 ? &a : &b, "y", i);
                push(&pair, i & 1);
                deliver(&pair, i & 1, 3);
            }
            CHECK(is_settled(&pair));
            end();
        }
}

TEST(as_state_everything_goes_each_time)
{
    uint64_t before;
    int i;
    begin(0);
    a.shares.ptr->shipping = CRDT_SHIP_STATE;
    for (i = 0; i < 100; i++) {
        char key[16];
        snprintf(key, sizeof key, "key %d", i);
        put(&a, key, i);
    }
    CHECK(is_settled(&pair));
    before = pair.bytes[0];
    put(&a, "x", 2);
    CHECK(is_settled(&pair));
    CHECK(pair.bytes[0] - before > 1000);
    a.shares.ptr->shipping = CRDT_SHIP_DELTA;
    before = pair.bytes[0];
    put(&a, "x", 3);
    CHECK(is_settled(&pair));
    CHECK(pair.bytes[0] - before < 80);
    end();
}

TEST_MAIN(CASE(what_comes_too_early_waits), CASE(what_comes_twice_is_harmless),
          CASE(identity_40_what_builds_on_nothing_is_kept_within_a_limit),
          CASE(over_the_limit_the_oldest_goes),
          CASE(network_8_torn_at_every_byte),
          CASE(network_9_huge_numbers_are_refused_before_memory_is_taken),
          CASE(identity_39_a_vector_of_a_million_is_refused_before_work),
          CASE(a_frame_is_no_longer_than_may_be),
          CASE(no_more_deltas_are_unanswered_than_may_be),
          CASE(hearsay_fills_nothing_that_others_need),
          CASE(identity_35_a_gap_is_no_change),
          CASE(identity_35_a_seq_beyond_the_limit_is_refused),
          CASE(identity_38_a_stamp_of_the_year_9999_waits),
          CASE(network_10_a_newer_version_is_understood),
          CASE(network_10_an_older_version_gets_what_it_knows),
          CASE(a_hello_has_these_bytes),
          CASE(no_more_is_under_way_than_the_peer_grants),
          CASE(a_peer_that_grants_nothing_gets_the_least),
          CASE(whatever_is_shipped_the_same_comes_of_it),
          CASE(as_state_everything_goes_each_time))
