/*
 * Any text as JSON of a document: it is refused and nothing has changed, or it
 * is in, and what is written then is read again to the same.
 *
 *     make fuzz   pkg-config: libcjson
 */
#define CRDTSYNC_IMPLEMENTATION
#include "crdtsync.h"
#include "crdtsync_json.h"

#include "doc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static crdt_buf written(crdt_doc *doc, int plain)
{
    crdt_json_options options = { 0, 0 };
    crdt_buf out = CRDT_BUF_INIT;
    options.plain = plain;
    FUZZ_CHECK(!crdt_json_write(crdt_root(doc), &options, &out));
    return out;
}

/* Into an empty document, and from there into another. */
static crdt_err check_empty(crdt_bytes text)
{
    crdt_doc *doc = fuzz_doc_new(1), *other = fuzz_doc_new(2);
    size_t fault = SIZE_MAX;
    crdt_err err = crdt_json_read(crdt_root(doc), text, &fault);
    crdt_buf first = written(doc, 0), again, plain = written(doc, 1);
    cJSON *tree = cJSON_ParseWithLength((const char *)plain.ptr, plain.len);
    FUZZ_CHECK(tree || memchr(plain.ptr, '\\', plain.len)); /* \u0000 */
    FUZZ_CHECK(err ? fault <= text.len : fault == SIZE_MAX);
    FUZZ_CHECK(!err || (first.len == 2 && !crdt_doc_uncommitted(doc)));
    FUZZ_CHECK(
        !crdt_json_read(crdt_root(other), crdt_buf_bytes(&first), NULL));
    again = written(other, 0);
    FUZZ_CHECK(
        crdt_bytes_equal(crdt_buf_bytes(&first), crdt_buf_bytes(&again)));
    fuzz_sound(doc);
    cJSON_Delete(tree);
    crdt_buf_free(&first);
    crdt_buf_free(&again);
    crdt_buf_free(&plain);
    crdt_doc_free(doc);
    crdt_doc_free(other);
    return err;
}

/* Into a document with something of everything, which others have a part in.
 */
static void check_full(crdt_bytes text, crdt_err expected)
{
    static struct fuzz_look before, after;
    crdt_doc *doc = fuzz_doc();
    crdt_buf now;
    crdt_err err;
    fuzz_look(&before, doc, 1);
    err = crdt_json_read(crdt_root(doc), text, NULL);
    FUZZ_CHECK(err == expected || err == CRDT_ERR_TYPE ||
               err == CRDT_ERR_RIGHTS);
    if (err) {
        fuzz_look(&after, doc, 1);
        FUZZ_CHECK(fuzz_same(&before, &after, 1));
    }
    now = written(doc, 0);
    fuzz_sound(doc);
    crdt_buf_free(&now);
    crdt_doc_free(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    crdt_bytes text = crdt_bytes_of(data, size);
    crdt_err err = check_empty(text);
    check_full(text, err);
    return 0;
}
