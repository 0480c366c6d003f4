/*
 * What client and server say to each other: JSON objects over TCP, sealed, so
 * that nobody between them reads or changes anything. The server has a key
 * pair; who knows its public key talks to it and to nobody else.
 *
 *     client                                server
 *     "ALB1" | ephemeral: 32     ------>
 *                                <------    "ALB1" | key: 32 | ephemeral: 32
 *     length: 4 | sealed JSON    <----->    length: 4 | sealed JSON
 *
 * Both hash (BLAKE2b) what the client's ephemeral key has in common with each
 * of the server's two (X25519), with all three public keys, into a key for
 * each way; only the holder of the server's secret key can do that, so what
 * the client says first is already safe (Noise NK: Perrin 2018). Sealed is
 * ChaCha20-Poly1305 with a count as nonce.
 */
#ifndef ALBUM_CHANNEL_H
#define ALBUM_CHANNEL_H

#include <stdint.h>

#include "../common/json.h"
#include "../common/stream.h"

enum {
    CHANNEL_KEY = 32,
    CHANNEL_HEARD_MAX = 65536, /* bytes of what a client may say at once */
    CHANNEL_SAID_MAX = 1 << 20,
    CHANNEL_QUEUE_MAX = 4 << 20 /* bytes that wait for who does not read */
};

typedef struct channel_keys {
    uint8_t secret[CHANNEL_KEY], open[CHANNEL_KEY]; /* X25519 */
} channel_keys;

typedef struct channel {
    stream s;
    const channel_keys *server;      /* NULL: we are the client */
    channel_keys own;                /* ephemeral */
    uint8_t server_key[CHANNEL_KEY]; /* that the server has shown */
    uint8_t to[CHANNEL_KEY], from[CHANNEL_KEY];
    uint64_t said, heard;
    int is_ready; /* keys are agreed on: one may say something */
    int is_over;
    char why[96];
} channel;

/* Reads the key pair, or makes one that only its owner can read. 0: `why`. */
int channel_keys_read(channel_keys *out, const char *path, char *why,
                      size_t size);

/* 0: c->why. Then, as for the others, channel_step until it is ready. */
int channel_connect(channel *c, const char *address);
/* 0: nobody waits. The keys must outlive it. */
int channel_accept(channel *c, int listener, const channel_keys *keys);
void channel_close(channel *c);

/* When poll says that stream_events(&c->s) are there. */
void channel_step(channel *c);
/* Takes the object. 0: it is over, or not ready. */
int channel_say(channel *c, cJSON *object);
/* The next object that has come, to be deleted; or NULL. What is no object
 * ends the channel. */
cJSON *channel_hear(channel *c);

#endif
