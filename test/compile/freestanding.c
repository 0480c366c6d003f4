/* The core where there is no libc. */
#define CRDTSYNC_FREESTANDING
#define CRDTSYNC_IMPLEMENTATION
#include "crdtsync.h"
