/*
 * The readable codec on the wire: around any transport, messages travel as one
 * JSON object a line (docs/readable.md), for people and other programs to read.
 * Both ends need it.
 *
 *     node <-- frames --> spell <-- {"crdtsync": 1, "update": {...}}\n --> net
 *
 * What would be too long that way for one send, as much is in a datagram, goes
 * as {"crdtsync": 1, "frame": "base64 of the bytes"}.
 */
#ifndef DEMO_SPELL_H
#define DEMO_SPELL_H

#include "crdtsync.h"

/* Takes the inner transport over; on failure it stays the caller's. NOMEM. */
crdt_err spell_new(crdt_transport *out, const crdt_transport *inner);

#endif
