/*
 * One open album: its document, the node that keeps it equal with the others,
 * their network, sealed with the album's key, and the store on disk. Server
 * and clients have the same.
 */
#ifndef ALBUM_REPLICA_H
#define ALBUM_REPLICA_H

#include <stddef.h>
#include <stdint.h>

#include "crdtsync.h"

#include "../common/network.h"
#include "album.h"

typedef struct replica_wish {
    const char *id;     /* of the album: the name of the document */
    const char *user;   /* what peers are told */
    const char *dir;    /* of the store */
    const uint8_t *key; /* NULL: it speaks to nobody */
    const char *transport, *listen, *chaos; /* network.h */
    crdt_shipping shipping;
    int is_readable; /* in JSON on the wire: common/spell.h */
    const crdt_log *log;
} replica_wish;

typedef struct replica {
    crdt_doc *doc;
    crdt_node *node;
    network net;
    char name[33]; /* of the document: the id of the album */
    crdt_id id;    /* of the document here */
} replica;

/* CRDT_OK, or what failed: `why` says it. */
crdt_err replica_open(replica *r, const replica_wish *wish, char *why,
                      size_t size);
/* Stores what is there, and says goodbye. */
void replica_close(replica *r);

/* Own changes: made, and of these confirmed to be at some other node. */
uint64_t replica_own(const replica *r);
uint64_t replica_acked(const replica *r);
/* 32 hex digits and a zero. */
void replica_digest(const replica *r, char out[33]);

#endif
