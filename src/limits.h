/*
 * Every limit has a name. To change one, define it before crdtsync.h, and the
 * same in each file that includes it. All members of a group should agree on
 * those that guard what arrives, or one sends what another refuses
 * (CRDT_ERR_LIMIT).
 *
 *     what arrives   frame -> delta -> ops -> keys, values, nesting
 *     what it costs  buffered bytes, replicas, links, deltas under way
 *     time           skew of clocks, length of a handshake
 */
#ifndef CRDTI_LIMITS_H
#define CRDTI_LIMITS_H

#include <stdint.h>

/* Bytes of one frame on the wire; a larger delta travels in several. */
#ifndef CRDTSYNC_MAX_FRAME
#define CRDTSYNC_MAX_FRAME 1048576u
#endif

/* Changes in one commit, which others must take whole. */
#ifndef CRDTSYNC_MAX_COMMIT_OPS
#define CRDTSYNC_MAX_COMMIT_OPS 1048576u
#endif

/* Replica ids a document has ever seen: the length of a version vector. */
#ifndef CRDTSYNC_MAX_REPLICAS
#define CRDTSYNC_MAX_REPLICAS 65536u
#endif

/* Bytes of one map key. */
#ifndef CRDTSYNC_MAX_KEY
#define CRDTSYNC_MAX_KEY 1024u
#endif

/* Bytes of one value. */
#ifndef CRDTSYNC_MAX_VALUE
#define CRDTSYNC_MAX_VALUE 1048576u
#endif

/* Characters, and places of lists, of which one delta tells that they are dead:
 * a few bytes may stand for many. What that takes is 40 MiB. */
#ifndef CRDTSYNC_MAX_DEAD
#define CRDTSYNC_MAX_DEAD 134217728u
#endif

/* Containers inside containers, the root not counted. */
#ifndef CRDTSYNC_MAX_DEPTH
#define CRDTSYNC_MAX_DEPTH 64u
#endif

/* Bytes a peer may make us hold until what they build on has arrived. */
#ifndef CRDTSYNC_MAX_BUFFERED
#define CRDTSYNC_MAX_BUFFERED 1048576u
#endif

/* How far a stamp may lie ahead of our clock (CRDT_ERR_SKEW): ten minutes. */
#ifndef CRDTSYNC_MAX_SKEW_MS
#define CRDTSYNC_MAX_SKEW_MS 600000u
#endif

/* Bytes of one delta between nodes, which the receiver must stage whole. */
#ifndef CRDTSYNC_MAX_TRANSFER
#define CRDTSYNC_MAX_TRANSFER 268435456u
#endif

/* Deltas sent to a peer and not answered yet; further changes then gather in
 * the next one. */
#ifndef CRDTSYNC_MAX_IN_FLIGHT
#define CRDTSYNC_MAX_IN_FLIGHT 8u
#endif

/* Bytes of deltas that a peer may send us before we have answered any. */
#ifndef CRDTSYNC_MAX_WINDOW
#define CRDTSYNC_MAX_WINDOW 1048576u
#endif

/* Documents of one node, its links, and the bytes of a name of either. */
#ifndef CRDTSYNC_MAX_SHARED
#define CRDTSYNC_MAX_SHARED 1024u
#endif
#ifndef CRDTSYNC_MAX_LINKS
#define CRDTSYNC_MAX_LINKS 4096u
#endif
#ifndef CRDTSYNC_MAX_NAME
#define CRDTSYNC_MAX_NAME 64u
#endif

/* Members of a document whose versions are kept track of; with more that are
 * active nothing is forgotten by itself. Bytes of what is told of them. */
#ifndef CRDTSYNC_MAX_MEMBERS
#define CRDTSYNC_MAX_MEMBERS 128u
#endif
#ifndef CRDTSYNC_MAX_ROSTER
#define CRDTSYNC_MAX_ROSTER 1048576u
#endif

/* Presence: bytes of one value, values that are kept for one node (over all
 * its documents), and how long one may live. */
#ifndef CRDTSYNC_MAX_PRESENCE
#define CRDTSYNC_MAX_PRESENCE 256u
#endif
#ifndef CRDTSYNC_MAX_PRESENT
#define CRDTSYNC_MAX_PRESENT 1024u
#endif
#ifndef CRDTSYNC_MAX_PRESENCE_MS
#define CRDTSYNC_MAX_PRESENCE_MS 600000u
#endif

/* How long a new peer may take to introduce itself. */
#ifndef CRDTSYNC_HANDSHAKE_MS
#define CRDTSYNC_HANDSHAKE_MS 5000u
#endif

/* How long a frame may take to come whole, once it has begun: bytes that go on
 * without an end are no sign of life. */
#ifndef CRDTSYNC_FRAME_MS
#define CRDTSYNC_FRAME_MS 30000u
#endif

/* Changes of one replica: far beyond reach, and sums of two never overflow. */
#ifndef CRDTSYNC_MAX_SEQ
#define CRDTSYNC_MAX_SEQ ((uint64_t)1 << 62)
#endif

#endif
