/*
 * The one file of a demo in which crdtsync and its adapters are compiled.
 */
#define CRDTSYNC_IMPLEMENTATION
#include "crdtsync.h"
#include "crdtsync_tcp.h"
#include "crdtsync_udp.h"
#include "crdtsync_zmq.h"
#include "crdtsync_chaos.h"
#include "crdtsync_sealed.h"
#include "crdtsync_file.h"
#include "crdtsync_dump.h"
#include "crdtsync_json.h"
#include "crdtsync_readable.h"
