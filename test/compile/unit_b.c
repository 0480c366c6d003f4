/* Two units, one program: see unit_a.c. */
#include "crdtsync.h"
#include "crdtsync.h"

int main(void)
{
    return crdt_err_text(CRDT_OK) == NULL;
}
