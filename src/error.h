/*
 * What errors are called and what they say: the list in api.h, read twice.
 */
#ifndef CRDTI_ERROR_H
#define CRDTI_ERROR_H

#include "base.h"

CRDT_API const char *crdt_err_name(crdt_err err)
{
    switch (err) {
#define CRDTI_X(name, text)                                                   \
    case CRDT_##name:                                                         \
        return "CRDT_" #name;
        CRDT_ERRORS(CRDTI_X)
#undef CRDTI_X
    case CRDT_ERR_COUNT:
        break;
    }
    return "CRDT_ERR_?";
}

CRDT_API const char *crdt_err_text(crdt_err err)
{
    switch (err) {
#define CRDTI_X(name, text)                                                   \
    case CRDT_##name:                                                         \
        return text;
        CRDT_ERRORS(CRDTI_X)
#undef CRDTI_X
    case CRDT_ERR_COUNT:
        break;
    }
    return "an error that this version does not know";
}

CRDT_API const char *crdt_library_version(void)
{
    return CRDTSYNC_VERSION;
}

#endif
