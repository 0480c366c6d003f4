/*
 * What a node knows of who has what, as a picture: for each replica how many
 * changes of it are here, at some other node, at all members, and were part of
 * the last full sync. As SVG, or, when the path ends in .dot, for Graphviz.
 */
#ifndef DEMO_GRAPH_H
#define DEMO_GRAPH_H

#include "crdtsync.h"

typedef struct graph_subject {
    const crdt_node *node;
    const crdt_doc *doc;
    const char *document; /* its name */
    void *ctx;
    const char *(*name_of)(void *ctx, const crdt_id *replica);
} graph_subject;

/* 0: it cannot be written; errno says why. */
int graph_write(const graph_subject *subject, const char *path);

#endif
