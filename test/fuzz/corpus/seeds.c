/*
 * Writes the seeds of the fuzz targets from real documents:
 *
 *     cc -std=c99 test/fuzz/corpus/seeds.c -o build/seeds && build/seeds
 *
 * Run it again when the wire format changes. crash-... files are not touched.
 */
#include "../../../src/session.h"
#include "../doc.h"

static void save(const char *name, int number, crdt_bytes head,
                 crdt_bytes bytes)
{
    char path[64];
    FILE *file;
    snprintf(path, sizeof path, "test/fuzz/corpus/%s-%02d", name, number);
    file = fopen(path, "wb");
    if (!file || fwrite(head.ptr, 1, head.len, file) != head.len ||
        fwrite(bytes.ptr, 1, bytes.len, file) != bytes.len || fclose(file)) {
        fprintf(stderr, "cannot write %s\n", path);
        exit(1);
    }
}

/* A message as fuzz/session.c takes it: kind, length, payload. */
static void put_message(crdti_writer *w, uint8_t kind, const crdt_buf *payload)
{
    crdti_put_u8(w, kind);
    crdti_put_u8(w, (uint8_t)payload->len);
    crdti_put_u8(w, (uint8_t)(payload->len >> 8));
    crdti_put_raw(w, crdt_buf_bytes(payload));
}

static void put_hello(crdti_writer *w)
{
    crdt_buf payload = CRDT_BUF_INIT;
    crdti_writer to;
    crdti_hello hello;
    memset(&hello, 0, sizeof hello);
    hello.oldest = hello.newest = 1;
    hello.node = fuzz_id(9);
    hello.can = CRDTI_CAN;
    hello.frame_max = CRDTSYNC_MAX_FRAME;
    hello.window = CRDTSYNC_MAX_WINDOW;
    hello.docs = 1;
    crdti_writer_init(&to, &payload);
    crdti_put_hello(&to, &hello);
    put_message(w, CRDTI_HELLO, &payload);
    payload.len = 0;
    crdti_put_varint(&to, 0);
    crdti_put_bytes(&to, CRDT_STR("d"));
    crdti_put_u64le(&to, 1);
    put_message(w, CRDTI_DOCS, &payload);
    crdt_buf_free(&payload);
}

/* The payload := an UPDATE. */
static void write_update(crdt_buf *payload, uint8_t id, crdt_bytes delta)
{
    crdti_writer to;
    payload->len = 0;
    crdti_writer_init(&to, payload);
    crdti_put_varint(&to, 0);
    crdti_put_varint(&to, id);
    crdti_put_u8(&to, 0);
    crdti_put_raw(&to, delta);
    FUZZ_CHECK(!to.err);
}

/* A peer that greets and sends the delta: at once, or in pieces, the last one
 * first. */
static void save_session(crdt_bytes delta, int number)
{
    const crdt_bytes none = { NULL, 0 };
    crdt_buf payload = CRDT_BUF_INIT, out = CRDT_BUF_INIT;
    crdt_buf message = CRDT_BUF_INIT;
    crdti_writer w, to;
    crdti_parcel_piece piece;
    size_t half;
    write_update(&payload, 1, delta);
    crdti_writer_init(&w, &out);
    put_hello(&w);
    put_message(&w, CRDTI_UPDATE, &payload);
    FUZZ_CHECK(!w.err);
    save("session/sent", number, none, crdt_buf_bytes(&out));
    out.len = 0;
    put_hello(&w);
    half = payload.len / 2;
    memset(&piece, 0, sizeof piece);
    piece.id = 1;
    piece.kind = CRDTI_UPDATE;
    piece.total = payload.len;
    for (piece.asks = 0; piece.asks < 2; piece.asks++) {
        piece.offset = piece.asks ? 0 : half;
        piece.bytes = crdt_bytes_of(payload.ptr + piece.offset,
                                    piece.asks ? half : payload.len - half);
        message.len = 0;
        crdti_writer_init(&to, &message);
        crdti_put_piece(&to, &piece);
        put_message(&w, CRDTI_PIECE, &message);
    }
    save("session/pieces", number, none, crdt_buf_bytes(&out));
    crdt_buf_free(&payload);
    crdt_buf_free(&message);
    crdt_buf_free(&out);
}

/* A peer that only talks: what it has, digests, answers to what is typed
 * here, presence. */
static void save_talk(void)
{
    const crdt_bytes none = { NULL, 0 };
    crdt_buf payload = CRDT_BUF_INIT, out = CRDT_BUF_INIT;
    crdti_writer to, w;
    crdti_present present;
    crdti_ivset have = { NULL, 0, 0 };
    crdt_vv vv = CRDT_VV_INIT;
    crdt_id id = fuzz_id(9);
    int i;
    crdti_writer_init(&w, &out);
    put_hello(&w);
    FUZZ_CHECK(!crdt_vv_set(&vv, &id, 3));
    crdti_writer_init(&to, &payload);
    crdti_put_varint(&to, 0);
    crdti_put_vv(&to, &vv);
    put_message(&w, CRDTI_HAVE, &payload);
    payload.len = 0;
    crdti_put_varint(&to, 0);
    crdti_put_u64le(&to, 5);
    put_message(&w, CRDTI_DIGEST, &payload);
    for (i = 1; i < 4; i++) {
        payload.len = 0;
        crdti_put_raw(&to, CRDT_STR("keys"));
        put_message(&w, 31, &payload);
        payload.len = 0;
        crdti_put_varint(&to, 0);
        crdti_put_varint(&to, (uint64_t)i);
        crdti_put_varint(&to, i == 2 ? CRDTI_KNEW : 0);
        put_message(&w, CRDTI_ANSWER, &payload);
    }
    payload.len = 0;
    FUZZ_CHECK(!crdti_ivset_add(NULL, &have, 0, 9));
    crdti_put_got(&to, 1, 10, &have);
    put_message(&w, CRDTI_GOT, &payload);
    memset(&present, 0, sizeof present);
    present.origin = id;
    present.counter = 1;
    present.expires_at = 1000;
    present.len = 2;
    payload.len = 0;
    crdti_put_presence(&to, 0, &present, 0);
    put_message(&w, CRDTI_PRESENCE, &payload);
    payload.len = 0;
    crdti_put_bytes(&to, CRDT_STR("done"));
    put_message(&w, CRDTI_BYE, &payload);
    FUZZ_CHECK(!w.err && !to.err);
    save("session/talk", 0, none, crdt_buf_bytes(&out));
    crdti_ivset_free(NULL, &have);
    crdt_vv_free(&vv);
    crdt_buf_free(&payload);
    crdt_buf_free(&out);
}

/* A peer that types: a delta, then strokes. And one to which we type. */
static void save_strokes(void)
{
    const crdt_bytes none = { NULL, 0 };
    crdt_doc *doc = fuzz_doc_new(9);
    crdt_obj text = crdt_map_text(crdt_root(doc), CRDT_STR("t"));
    crdt_buf delta = CRDT_BUF_INIT, payload = CRDT_BUF_INIT;
    crdt_buf out = CRDT_BUF_INIT, state = CRDT_BUF_INIT;
    crdti_trail trail;
    crdti_writer to, w;
    int i;
    FUZZ_CHECK(!crdt_text_insert(text, CRDT_CHARS, 0, CRDT_STR("hello")));
    FUZZ_CHECK(!crdt_commit(doc));
    FUZZ_CHECK(!crdti_delta_put(doc, NULL, CRDTI_FOR_ALL, NULL, &delta));
    crdti_trail_start(doc, doc->self, 6, &trail);
    write_update(&payload, 1, crdt_buf_bytes(&delta));
    crdti_writer_init(&to, &payload);
    crdti_writer_init(&w, &out);
    put_hello(&w);
    put_message(&w, CRDTI_UPDATE, &payload);
    for (i = 0; i < 6; i++) {
        payload.len = 0;
        FUZZ_CHECK(!crdt_text_replace(
            text, CRDT_CHARS, (size_t)i % 3 * 2, (size_t)i % 2 * 2,
            i % 4 ? CRDT_STR("\xc3\xa9") : CRDT_STR("abc")));
        FUZZ_CHECK(!crdt_commit(doc));
        crdti_put_varint(&to, 0);
        FUZZ_CHECK(crdti_strokes_put(doc, &trail,
                                     doc->replicas.ptr[doc->self].seq, &to));
        put_message(&w, CRDTI_STROKES, &payload);
    }
    save("session/strokes", 0, none, crdt_buf_bytes(&out));
    out.len = 0;
    put_hello(&w);
    crdti_writer_init(&to, &state);
    crdti_put_varint(&to, 0);
    crdti_put_u8(&to, 1);
    crdti_put_u64le(&to, 0);
    crdti_put_u64le(&to, 0);
    crdti_put_varint(&to, 0);
    put_message(&w, CRDTI_STATE, &state);
    for (i = 0; i < 8; i++) {
        payload.len = 0;
        crdti_writer_init(&to, &payload);
        crdti_put_raw(&to, i % 3 ? CRDT_STR("k") : CRDT_STR("\xff\xff"));
        put_message(&w, 31, &payload);
    }
    save("session/strokes", 1, none, crdt_buf_bytes(&out));
    crdt_buf_free(&state);
    crdt_buf_free(&delta);
    crdt_buf_free(&payload);
    crdt_buf_free(&out);
    crdt_doc_free(doc);
}

/* A delta with its frame, without it, and cut in two pieces of a stream. */
static void save_delta(const crdt_buf *buf, int number)
{
    const crdt_bytes none = { NULL, 0 };
    crdti_frame frame;
    if (crdti_frame_get(crdt_buf_bytes(buf), SIZE_MAX, &frame, NULL))
        abort();
    save("delta/framed", number, none, crdt_buf_bytes(buf));
    save("delta/payload", number, none, frame.payload);
    if (buf->len < 700)
        save("frame/twice", number, crdt_buf_bytes(buf), crdt_buf_bytes(buf));
    save("frame/once", number, CRDT_STR("\7"), crdt_buf_bytes(buf));
    if (number % 6 == 5)
        save_session(frame.payload, number);
}

static void save_vv(crdt_doc *doc, int number)
{
    const crdt_bytes none = { NULL, 0 };
    crdt_vv vv = CRDT_VV_INIT;
    crdt_buf buf = CRDT_BUF_INIT;
    FUZZ_CHECK(crdt_doc_vv(doc, &vv) == CRDT_OK);
    FUZZ_CHECK(crdt_vv_encode(&vv, &buf) == CRDT_OK);
    save("vv/vector", number, none, crdt_buf_bytes(&buf));
    crdt_buf_free(&buf);
    crdt_vv_free(&vv);
}

/* What replicas that know all of fuzz_doc go on to write. */
static void save_deltas(void)
{
    crdt_doc *base = fuzz_doc(), *docs[3];
    crdt_vv vv = CRDT_VV_INIT;
    crdt_buf buf = CRDT_BUF_INIT;
    int i, number = 0;
    FUZZ_CHECK(crdt_doc_vv(base, &vv) == CRDT_OK);
    fuzz_history(docs, FUZZ_ROUNDS);
    for (i = 0; i < 3; i++) {
        fuzz_pull(docs[i], docs[(i + 1) % 3]);
        fuzz_pull(docs[i], docs[(i + 2) % 3]);
        fuzz_pull(docs[i], base);
    }
    for (i = 0; i < 16; i++) {
        fuzz_write(docs[i % 3], (unsigned)i * 9);
        fuzz_write(docs[(i + 1) % 3], (unsigned)i * 35 + 16);
        crdt_commit(docs[i % 3]);
        crdt_commit(docs[(i + 1) % 3]);
        fuzz_pull(docs[i % 3], docs[(i + 1) % 3]);
        if (i == 10)
            FUZZ_CHECK(crdt_truncate(docs[i % 3], &vv) == CRDT_OK);
        buf.len = 0;
        FUZZ_CHECK(crdt_delta(docs[i % 3], &vv, &buf) == CRDT_OK);
        save_delta(&buf, number++);
        save_vv(docs[i % 3], i);
    }
    for (i = 0; i < 3; i++) {
        buf.len = 0;
        FUZZ_CHECK((i ? crdt_delta(docs[i], NULL, &buf)
                      : crdt_canonical(docs[i], &buf)) == CRDT_OK);
        save_delta(&buf, number++);
        crdt_doc_free(docs[i]);
    }
    crdt_buf_free(&buf);
    crdt_vv_free(&vv);
    crdt_doc_free(base);
}

static void random_bytes(uint8_t *bytes, size_t len, uint64_t *state)
{
    size_t i;
    for (i = 0; i < len; i++) {
        *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
        bytes[i] = (uint8_t)(*state >> 56);
    }
}

/* A peer that tells of members, by choices that fuzz/session.c makes records
 * of, between wishes and what is typed here. */
static void save_members(void)
{
    const crdt_bytes none = { NULL, 0 };
    uint8_t bytes[3 * 14];
    uint64_t state = 2;
    int number, i;
    for (number = 0; number < 3; number++) {
        crdt_buf payload = CRDT_BUF_INIT, out = CRDT_BUF_INIT;
        crdti_writer to, w;
        crdti_writer_init(&to, &payload);
        crdti_writer_init(&w, &out);
        put_hello(&w);
        for (i = 0; i < 8; i++) {
            static const uint8_t kinds[] = { 29, 30, 29, 31, 29, 29 };
            random_bytes(bytes, sizeof bytes, &state);
            bytes[0] = (uint8_t)(bytes[0] & (kinds[i % 6] == 30 ? 1 : 255));
            payload.len = 0;
            crdti_put_raw(
                &to,
                crdt_bytes_of(bytes, kinds[i % 6] == 29 ? sizeof bytes : 1));
            put_message(&w, kinds[i % 6], &payload);
        }
        save("session/members", number, none, crdt_buf_bytes(&out));
        crdt_buf_free(&payload);
        crdt_buf_free(&out);
    }
}

/* Rows of choices: any bytes will do. */
static void save_choices(void)
{
    const crdt_bytes none = { NULL, 0 };
    uint8_t bytes[300];
    uint64_t state = 1;
    int number;
    for (number = 0; number < 8; number++) {
        random_bytes(bytes, sizeof bytes, &state);
        save("hostile/choices", number, none,
             crdt_bytes_of(bytes, sizeof bytes));
    }
}

int main(void)
{
    save_deltas();
    save_strokes();
    save_talk();
    save_members();
    save_choices();
    return 0;
}
