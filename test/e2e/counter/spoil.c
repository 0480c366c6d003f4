/*
 * The engine with bad memory, for a counter that tests of mismatches are done
 * with: linked in the place of demo/common/engine.c, with crdt_node_share and
 * crdt_node_poll wrapped.
 *
 *     SIGUSR1   a value of the document changes by itself
 *     SIGUSR2   and so does one in whatever document comes after it
 */
#include "../../../demo/common/posix.h"

#include "../../../demo/common/engine.c"

#include <signal.h>

static volatile sig_atomic_t wanted, persists;
static crdt_doc *shared;
static int is_spoilt;

static void want(int number)
{
    wanted = 1;
    persists = number == SIGUSR2;
}

__attribute__((constructor)) static void heed(void)
{
    signal(SIGUSR1, want);
    signal(SIGUSR2, want);
}

/* What somebody has added to a counter; 0: nobody has yet. */
static int spoil(crdt_doc *doc)
{
    size_t i;
    uint32_t at;
    for (i = 0; i < doc->replicas.len; i++)
        for (at = doc->replicas.ptr[i].oldest; at;
             at = crdti_op_at(doc, at)->newer)
            if (crdti_op_at(doc, at)->kind == CRDTI_ADD) {
                crdti_op_at(doc, at)->as.add.plus += 1000000;
                return 1;
            }
    return 0;
}

crdt_err __real_crdt_node_share(crdt_node *node, crdt_bytes name,
                                crdt_doc *doc);
crdt_err __wrap_crdt_node_share(crdt_node *node, crdt_bytes name,
                                crdt_doc *doc);
crdt_err __real_crdt_node_poll(crdt_node *node, int timeout_ms);
crdt_err __wrap_crdt_node_poll(crdt_node *node, int timeout_ms);

crdt_err __wrap_crdt_node_share(crdt_node *node, crdt_bytes name,
                                crdt_doc *doc)
{
    shared = doc;
    is_spoilt = 0;
    return __real_crdt_node_share(node, name, doc);
}

crdt_err __wrap_crdt_node_poll(crdt_node *node, int timeout_ms)
{
    crdt_err err = __real_crdt_node_poll(node, timeout_ms);
    if (wanted && !is_spoilt && spoil(shared)) {
        is_spoilt = 1;
        wanted = persists;
    }
    return err;
}
