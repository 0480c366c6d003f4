/* A hostile peer, from the inside of its frames, as no fuzzer guesses a CRC:
 * (kind, length, payload) again and again. Whatever it says, the session ends
 * with an error or goes on, and the document joins into a fresh one.
 *
 *     clang -g -O1 -I. -fsanitize=fuzzer,address,undefined \
 *         -o fuzz-session test/fuzz/session.c && ./fuzz-session
 */
#define CRDTSYNC_IMPLEMENTATION
#include "../../crdtsync.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t frozen_ms(void *ctx)
{
    (void)ctx;
    return 1000000;
}

static crdt_err counted_fill(void *ctx, void *out, size_t len)
{
    size_t i;
    (void)ctx;
    for (i = 0; i < len; i++)
        ((uint8_t *)out)[i] = (uint8_t)(i + 1);
    return CRDT_OK;
}

static void must(int holds)
{
    if (!holds)
        abort();
}

static crdt_doc *make_doc(uint8_t id_byte)
{
    static const crdt_clock clock = { 1, NULL, frozen_ms, frozen_ms };
    static const crdt_random random = { 1, NULL, counted_fill };
    crdt_config config = { NULL, NULL, NULL, NULL };
    crdt_id id = { { 0 } };
    crdt_doc *doc = NULL;
    id.b[0] = id_byte;
    config.clock = &clock;
    config.random = &random;
    config.replica = &id;
    must(!crdt_doc_new(&doc, &config));
    return doc;
}

static void add_share(crdti_shares *shares, crdt_doc *doc)
{
    crdti_share *share;
    must(!crdti_array_reserve(NULL, shares, 1));
    share = &shares->ptr[shares->len++];
    crdti_zero(share, sizeof *share);
    crdti_vv_start(&share->vv, NULL);
    crdti_vv_start(&share->acked, NULL);
    share->doc = doc;
    share->name[0] = 'd';
    share->name_len = 1;
}

/* The next message of the input; 0 at its end. */
static int next(const uint8_t **at, size_t *left, crdti_frame *frame)
{
    size_t len;
    if (*left < 3)
        return 0;
    len = (size_t)(*at)[1] | (size_t)(*at)[2] << 8;
    frame->kind = (*at)[0] & 31;
    *at += 3;
    *left -= 3;
    len = len < *left ? len : *left;
    frame->payload = crdt_bytes_of(*at, len);
    frame->size = len;
    *at += len;
    *left -= len;
    return 1;
}

static void check_joins(crdt_doc *doc)
{
    crdt_doc *fresh = make_doc(99);
    crdt_buf state = CRDT_BUF_INIT;
    must(!crdt_delta(doc, NULL, &state));
    if (crdt_join(fresh, crdt_buf_bytes(&state)) == CRDT_OK) {
        must(crdt_doc_digest(fresh).lo == crdt_doc_digest(doc).lo);
        must(crdt_doc_digest(fresh).hi == crdt_doc_digest(doc).hi);
    }
    crdt_buf_free(&state);
    crdt_doc_free(fresh);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    crdti_shares shares = { NULL, 0, 0 };
    crdti_session session;
    crdti_frame frame;
    crdt_doc *doc = make_doc(1);
    uint64_t now = 0;
    add_share(&shares, doc);
    must(!crdt_map_put_int(crdt_root(doc), CRDT_STR("k"), 1));
    must(!crdt_commit(doc));
    crdti_session_init(&session, NULL, &shares);
    session.nonce = 1;
    must(!crdti_say_hello(&session));
    while (next(&data, &size, &frame)) {
        if (crdti_session_hear(&session, &frame, now++))
            break;
        session.out.len = 0;
        must(!crdti_session_push(&session, 1024, now));
        if (crdti_session_retry(&session))
            break;
    }
    check_joins(doc);
    crdti_session_free(&session);
    crdt_vv_free(&shares.ptr[0].vv);
    crdt_vv_free(&shares.ptr[0].acked);
    crdti_array_free(NULL, &shares);
    crdt_doc_free(doc);
    return 0;
}
