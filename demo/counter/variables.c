#include "../common/posix.h"

#include "variables.h"

#include <string.h>

const char *variable_bad_name(const char *name)
{
    size_t len = strlen(name);
    if (!len)
        return "a name has at least one letter";
    if (len > CRDTSYNC_MAX_KEY)
        return "that name is too long";
    if (strchr("+-/#", *name))
        return "a name does not begin with + - / or #";
    return NULL;
}

crdt_obj variable_find(crdt_doc *doc, const char *name)
{
    return crdt_map_find(crdt_root(doc), crdt_str(name), CRDT_COUNTER);
}

crdt_err variable_create(crdt_doc *doc, const char *name)
{
    if (crdt_is_null(crdt_map_counter(crdt_root(doc), crdt_str(name))))
        return crdt_doc_error(doc);
    return crdt_commit(doc);
}

crdt_err variable_add(crdt_doc *doc, crdt_obj counter, int64_t amount)
{
    crdt_err err = crdt_counter_add(counter, amount);
    return err ? err : crdt_commit(doc);
}

crdt_err variable_next(crdt_doc *doc, crdt_cursor *cursor, crdt_obj *counter)
{
    crdt_err err;
    do {
        err = crdt_map_next(crdt_root(doc), cursor);
        if (err)
            return err;
        *counter = crdt_map_find(crdt_root(doc), cursor->key, CRDT_COUNTER);
    } while (crdt_is_null(*counter)); /* not all need be counters */
    return CRDT_OK;
}
