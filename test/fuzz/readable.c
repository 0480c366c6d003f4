/*
 * Any bytes, made readable, and any text, made bytes. A first byte below 31 is
 * the kind of a frame, and its payload follows; 31 stands before a whole
 * frame; any other is the first of a text.
 *
 *     bytes -> JSON -> the same bytes           or refused
 *     JSON -> bytes -> JSON -> the same bytes   or refused, and where
 */
/* pkg-config: libcjson */
#define CRDTSYNC_IMPLEMENTATION
#include "../../crdtsync.h"
#include "../../codecs/crdtsync_readable.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int holds)
{
    if (!holds)
        abort();
}

/* What can be written in JSON is read from there as it was. */
static void comes_back(crdt_bytes binary, int is_ours)
{
    crdt_buf json = CRDT_BUF_INIT, again = CRDT_BUF_INIT;
    crdt_err err = crdt_readable_write(binary, &json);
    must(!err || !is_ours);
    must(!err || !json.len);
    if (!err) {
        err = crdt_readable_read(crdt_buf_bytes(&json), &again, NULL);
        must(!err || err == CRDT_ERR_LIMIT); /* of the JSON */
        must(err || crdt_bytes_equal(binary, crdt_buf_bytes(&again)));
    }
    crdt_buf_free(&json);
    crdt_buf_free(&again);
}

static void read_text(crdt_bytes json)
{
    crdt_buf binary = CRDT_BUF_INIT;
    size_t fault = SIZE_MAX;
    crdt_err err = crdt_readable_read(json, &binary, &fault);
    if (err) {
        must(fault <= json.len && !binary.len);
        must(err != CRDT_ERR_NOMEM && err != CRDT_ERR_ARG);
    } else {
        comes_back(crdt_buf_bytes(&binary), 1);
    }
    crdt_buf_free(&binary);
}

static void frame_payload(uint8_t kind, crdt_bytes payload, crdt_buf *out)
{
    crdti_writer w;
    crdti_writer_init(&w, out);
    crdti_put_raw(&w, payload);
    crdti_frame_wrap(&w, kind, 0);
    must(!w.err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    crdt_buf frame = CRDT_BUF_INIT;
    crdt_bytes rest =
        crdt_bytes_of(size ? data + 1 : data, size ? size - 1 : 0);
    if (!size || data[0] > 31) {
        read_text(crdt_bytes_of(data, size));
    } else if (data[0] == 31) {
        comes_back(rest, 0);
    } else {
        frame_payload(data[0], rest, &frame);
        comes_back(crdt_buf_bytes(&frame), 0);
        crdt_buf_free(&frame);
    }
    return 0;
}
