/* A hostile peer, from the inside of its frames, as no fuzzer guesses a CRC:
 * (kind, length, payload) again and again; kind 31 is what is typed here
 * meanwhile. Whatever it says, the session ends with an error or goes on, and
 * the document joins into a fresh one.
 *
 *     clang -std=c99 -O2 -g -fsanitize=fuzzer,address,undefined \
 *         test/fuzz/session.c -o build/fuzz/session
 *     build/fuzz/session test/fuzz/corpus/session
 */
#define CHECK_HONEST 0
#include "../../src/session.h"
#include "doc.h"

enum { TYPED = 31 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add_share(crdti_shares *shares, crdt_doc *doc)
{
    crdti_share *share;
    FUZZ_CHECK(!crdti_array_reserve(NULL, shares, 1));
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

/* What is no UTF-8 deletes so much. */
static void type(crdt_doc *doc, crdt_bytes utf8)
{
    crdt_obj text = crdt_map_text(crdt_root(doc), CRDT_STR("t"));
    size_t len = crdt_text_len(text, CRDT_CHARS),
           at = utf8.len * 7 % (len + 1);
    crdt_err err = crdt_text_insert(text, CRDT_CHARS, at, utf8);
    if (err == CRDT_ERR_ARG && utf8.len < len - at)
        err = crdt_text_delete(text, CRDT_CHARS, at, utf8.len);
    FUZZ_CHECK(!crdt_commit(doc));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    crdti_shares shares = { NULL, 0, 0 };
    crdti_session session;
    crdti_frame frame;
    crdt_doc *doc = fuzz_doc();
    uint64_t now = 0;
    add_share(&shares, doc);
    crdti_session_init(&session, NULL, &shares);
    session.nonce = 1;
    session.is_ordered = 1;
    FUZZ_CHECK(!crdti_say_hello(&session));
    while (next(&data, &size, &frame)) {
        if (frame.kind == TYPED)
            type(doc, frame.payload);
        else if (crdti_session_hear(&session, &frame, now++))
            break;
        session.out.len = 0;
        FUZZ_CHECK(!crdti_session_push(&session, 1024, now));
        if (crdti_session_retry(&session))
            break;
    }
    fuzz_sound(doc);
    fuzz_reproduces(doc);
    crdti_session_free(&session);
    crdt_vv_free(&shares.ptr[0].vv);
    crdt_vv_free(&shares.ptr[0].acked);
    crdti_array_free(NULL, &shares);
    crdt_doc_free(doc);
    return 0;
}
