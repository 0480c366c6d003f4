/*
 * What a cluster does, as text: one step a line.
 *
 *     # a remark
 *     start ana counter --listen 127.0.0.1:0
 *     start ben counter --peer @ana --dir %/ben
 *     ana: create x                    # must be ok
 *     ana ben: sync                    # both at once; all: everybody
 *     until ben: get x => value=0      # again, until that is so
 *     ben: peers => peers/#=1 peers/0/name=ana
 *     ben! create x => error=...       # must be refused
 *     ask ana sync                     # its answer is waited for later:
 *     answer ana epoch=1
 *     hear ana peer_up name=ben        # an event, since the last one heard
 *     signal ben INT                   # or USR1, USR2
 *     kill ben | start ben | end ben | stop ben | go ben | ended ben
 *     part ana | ben cleo
 *     heal
 *     agree [COMMAND KEY]              # digest digest
 *     wait SECONDS
 *     keep TOTAL ana get x => value    # remembers it: $TOTAL in what follows
 *
 * "$1" to "$9" stand for arguments of the run, the "%" of "%/" for its
 * directory.
 */
#ifndef DEMO_SCRIPT_H
#define DEMO_SCRIPT_H

#include "cluster.h"

enum { SCRIPT_ARGUMENTS_MAX = 9 };

/* Does the file, step by step; the first that fails ends the process, having
 * said which. */
void script_run(cluster *c, const char *path, const char *const *arguments,
                size_t count);

#endif
