/* Somebody who knows no better. */
#ifndef STRANGER_H
#define STRANGER_H

#include "ends.h"

#include <unistd.h>

/* Says that to whoever is there, through a socket of that type. */
static void stranger_says(const char *address, int type, crdt_bytes bytes)
{
    crdti_sock_address to;
    size_t count;
    int fd;
    if (crdti_sock_resolve(address, type, 0, &to, 1, &count)) {
        CHECK_STR(address, "an address");
        return;
    }
    fd = socket(to.of.ss_family, type, 0);
    if (connect(fd, crdti_sock_generic(&to), to.len) == 0)
        (void)!send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
    close(fd);
}

#endif
