/* Two units, one program: this one holds the implementation, and includes the
 * header before and after as well. unit_b.c uses it. */
#include "crdtsync.h"
#define CRDTSYNC_IMPLEMENTATION
#include "crdtsync.h"
#include "crdtsync.h"
