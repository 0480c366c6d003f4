/* The whole core as one object, for looking at it: size, names, tidy. */
#define CRDTSYNC_IMPLEMENTATION
#include "crdtsync.h"
