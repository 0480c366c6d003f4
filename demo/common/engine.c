/*
 * The one file of a demo in which crdtsync and its adapters are compiled.
 */
#define CRDTSYNC_IMPLEMENTATION
#include "crdtsync.h"
#include "crdtsync_tcp.h"
