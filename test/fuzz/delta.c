/*
 * Any bytes, as a delta: refused without a trace, or joined and sound.
 *
 *     clang -std=c99 -O2 -g -fsanitize=fuzzer,address,undefined \
 *         test/fuzz/delta.c -o build/fuzz/delta
 *     build/fuzz/delta test/fuzz/corpus/delta
 */
#include "doc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Digest, counts and vectors each time; all bytes now and then. What an error
 * changed stays changed, so that is late, but not too late. */
static int is_same(crdt_doc *doc, struct fuzz_look *before)
{
    static struct fuzz_look after;
    static unsigned count;
    int whole = count++ % 64 == 0;
    fuzz_look(&after, doc, whole);
    return fuzz_same(before, &after, whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static crdt_doc *doc; /* made anew when an input has changed it */
    static struct fuzz_look before;
    crdt_bytes bytes = crdt_bytes_of(data, size);
    size_t offset = 0;
    crdt_err err;
    if (!doc) {
        doc = fuzz_doc();
        fuzz_look(&before, doc, 1);
    }
    err = crdt_join_at(doc, bytes, &offset);
    FUZZ_CHECK(offset <= size);
    if (err)
        err = crdti_payload_join(doc, bytes, &offset, NULL);
    FUZZ_CHECK(offset <= size);
    if (err)
        FUZZ_CHECK(is_same(doc, &before));
    if (err || is_same(doc, &before))
        return 0;
    fuzz_sound(doc);
    fuzz_reproduces(doc);
    crdt_doc_free(doc);
    doc = NULL;
    return 0;
}
