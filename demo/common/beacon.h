/*
 * Programs of one kind that find each other on the local network, whatever
 * transport they then talk over: each says now and then, to a multicast group
 * or broadcast address, where it listens.
 *
 *     "crdtsync" id realm "HOST:PORT"     one datagram
 *
 * Whom it hears of the same realm, `hear` is told as "ADDRESS:PORT"; a HOST
 * that stands for all interfaces is replaced by where the datagram came from.
 * Nothing that is heard is trusted with more than being dialled.
 */
#ifndef DEMO_BEACON_H
#define DEMO_BEACON_H

#include <stdint.h>

typedef struct beacon beacon;

/* Of "239.192.47.11:4712", or a broadcast address. NULL: `why` says what is
 * wrong. */
beacon *beacon_open(const char *group, const char *realm, const char *listens,
                    char *why, unsigned long why_size);
int beacon_fd(const beacon *b);
/* Says what is due, hears what has come. How long until something is due. */
int beacon_step(beacon *b, void (*hear)(void *ctx, const char *address),
                void *ctx);
void beacon_close(beacon *b);

#endif
