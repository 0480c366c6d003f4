/* A program of one file: no public name leaves it. */
#define CRDTSYNC_STATIC
#define CRDTSYNC_IMPLEMENTATION
#include "crdtsync.h"

int main(void)
{
    return crdt_err_text(CRDT_OK) == NULL;
}
