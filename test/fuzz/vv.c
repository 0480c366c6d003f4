/*
 * Any bytes, as a version vector: refused without a trace, or the one vector
 * that is written so.
 *
 *     clang -std=c99 -O2 -g -fsanitize=fuzzer,address,undefined \
 *         test/fuzz/vv.c -o build/fuzz/vv
 *     build/fuzz/vv test/fuzz/corpus/vv
 */
#include "../../src/vv.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const crdt_id known = { { 7 } };
    crdt_bytes bytes = crdt_bytes_of(data, size);
    crdt_vv vv = CRDT_VV_INIT;
    crdt_buf out = CRDT_BUF_INIT;
    size_t i;
    require(crdt_vv_set(&vv, &known, 9) == CRDT_OK);
    if (crdt_vv_decode(&vv, bytes)) {
        require(vv.len == 1 && crdt_vv_get(&vv, &known) == 9);
    } else {
        for (i = 0; i < vv.len; i++) {
            require(vv.entries[i].seq > 0);
            require(i == 0 || crdt_id_compare(&vv.entries[i - 1].replica,
                                              &vv.entries[i].replica) < 0);
        }
        require(crdt_vv_encode(&vv, &out) == CRDT_OK);
        require(crdt_bytes_equal(bytes, crdt_buf_bytes(&out)));
    }
    crdt_buf_free(&out);
    crdt_vv_free(&vv);
    return 0;
}
