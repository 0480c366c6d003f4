/*
 * Any bytes, as a delta: refused without a trace, or joined and sound.
 *
 *     clang -std=c99 -O2 -g -fsanitize=fuzzer,address,undefined \
 *         test/fuzz/delta.c -o build/fuzz/delta
 *     build/fuzz/delta test/fuzz/corpus/delta
 */
#include "doc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static crdt_doc *doc; /* made anew when an input has changed it */
    static struct fuzz_look before, after;
    crdt_bytes bytes = crdt_bytes_of(data, size);
    size_t offset = 0;
    crdt_err framed, err;
    if (!doc) {
        doc = fuzz_doc();
        fuzz_look(&before, doc);
    }
    framed = crdt_join_at(doc, bytes, &offset);
    FUZZ_CHECK(offset <= size);
    err = framed ? crdti_payload_join(doc, bytes, &offset) : CRDT_OK;
    FUZZ_CHECK(offset <= size);
    fuzz_look(&after, doc);
    if (err)
        FUZZ_CHECK(fuzz_same(&before, &after));
    if (err || crdt_vv_compare(&before.vv, &after.vv) == CRDT_EQUAL)
        return 0;
    fuzz_sound(doc);
    fuzz_reproduces(doc);
    crdt_doc_free(doc);
    doc = NULL;
    return 0;
}
