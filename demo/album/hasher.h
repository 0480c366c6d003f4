/*
 * Passwords are hashed by argon2id, which takes 64 MiB and a tenth of a second
 * on purpose: in processes of their own, HASHER_AT_ONCE of them at most, so
 * that neither a flood of logins eats the memory nor anybody waits for it. A
 * user that there is not costs the same: it is compared with nobody's hash.
 */
#ifndef ALBUM_HASHER_H
#define ALBUM_HASHER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "accounts.h"

enum {
    HASHER_AT_ONCE = 4,
    HASHER_QUEUE_MAX = 64, /* beyond that one is told to come again */
    HASHER_PASSWORD_MAX = 256
};

struct pollfd;

typedef struct hasher_job {
    uint64_t ticket; /* 0: free */
    pid_t pid;       /* 0: waits */
    int fd;
    int is_check;
    char password[HASHER_PASSWORD_MAX + 1], hash[HASH_MAX];
} hasher_job;

typedef struct hasher {
    hasher_job jobs[HASHER_QUEUE_MAX];
    char nobody[HASH_MAX];
} hasher;

/* 0: no memory for one hash. */
int hasher_start(hasher *h);
/* Kills what is under way. */
void hasher_stop(hasher *h);

/* Checks the password against the hash, or (NULL) nobody's; tickets are not
 * 0, and smaller ones first. 0: the queue is full. */
int hasher_check(hasher *h, uint64_t ticket, const char *password,
                 const char *hash);
/* Makes a hash. */
int hasher_make(hasher *h, uint64_t ticket, const char *password);

size_t hasher_fds(const hasher *h, struct pollfd *out, size_t max);
/* Tells what is done: of a check `fine` and "", else the hash. Begins what
 * waits. */
typedef void hasher_fn(void *ctx, uint64_t ticket, int fine, const char *hash);
void hasher_step(hasher *h, hasher_fn *fn, void *ctx);

#endif
