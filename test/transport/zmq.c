/* The suite of all transports, over ZeroMQ.
 * pkg-config: libzmq */
#define CRDTSYNC_IMPLEMENTATION
#include "crdtsync.h"
#include "crdtsync_zmq.h"
#include "zeromq.h"
#include "suite_main.h"

SUITE_MAIN(&zmq_kit, &zmq_pub_kit)
