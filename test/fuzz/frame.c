/*
 * Any stream of bytes, as frames, cut anywhere: where it is cut must never
 * change what is read. The first byte of the input says how it is cut.
 *
 *     clang -std=c99 -O2 -g -fsanitize=fuzzer,address,undefined \
 *         test/fuzz/frame.c -o build/fuzz/frame
 *     build/fuzz/frame test/fuzz/corpus/frame
 */
#include "../../src/frame.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PAYLOAD_MAX = 1000 };

static void require(int holds)
{
    if (!holds)
        abort();
}

/* The frame at the front of what has come, in memory of just that size, so
 * that a read behind it is seen. */
static crdt_err get(crdt_bytes come, crdti_frame *frame, size_t *offset)
{
    uint8_t *copy = (uint8_t *)malloc(come.len ? come.len : 1);
    crdt_err err;
    require(copy != NULL);
    crdti_copy(copy, come.ptr, come.len);
    err = crdti_frame_get(crdt_bytes_of(copy, come.len), PAYLOAD_MAX, frame,
                          offset);
    if (!err) {
        require(frame->size <= come.len);
        require(frame->payload.len <= PAYLOAD_MAX);
        require(frame->payload.ptr >= copy &&
                frame->payload.ptr + frame->payload.len + 4 ==
                    copy + frame->size);
        frame->payload.ptr = come.ptr + (frame->payload.ptr - copy);
    }
    free(copy);
    return err;
}

/* Gives the stream piece by piece until it says something other than that it
 * needs more; that must be what it says of the whole. */
static size_t step(crdt_bytes stream, size_t piece)
{
    crdti_frame whole = { 0, { NULL, 0 }, 0 }, cut = { 0, { NULL, 0 }, 0 };
    size_t come = 0, whole_at = 0, cut_at = 0;
    crdt_err err = get(stream, &whole, &whole_at), cut_err;
    do {
        come = crdti_min_size(come + piece, stream.len);
        cut_err = get(crdt_bytes_of(stream.ptr, come), &cut, &cut_at);
    } while (cut_err == CRDT_ERR_TRUNCATED && come < stream.len);
    require(cut_err == err && (!err || cut_at == whole_at));
    if (err)
        return 0;
    require(cut.kind == whole.kind && cut.size == whole.size &&
            cut.payload.ptr == whole.payload.ptr &&
            cut.payload.len == whole.payload.len);
    return whole.size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    crdt_bytes stream;
    size_t piece, taken = 1;
    if (size == 0)
        return 0;
    piece = 1u + data[0] % 64;
    stream = crdt_bytes_of(data + 1, size - 1);
    while (stream.len && taken) {
        taken = step(stream, piece);
        stream.ptr += taken;
        stream.len -= taken;
    }
    return 0;
}
