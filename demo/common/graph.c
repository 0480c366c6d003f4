#include "posix.h"

#include "graph.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { LANE = 34, LEFT = 130, WIDTH = 600, TOP = 64 };

/* The vectors of a picture, the greatest first. */
typedef struct picture {
    crdt_vv here, acked, stable, cut;
    uint64_t most;
} picture;

/* >>looking --------------------------------------------------------------- */

static void look(const graph_subject *s, picture *p)
{
    crdt_bytes name = crdt_str(s->document);
    crdt_epoch_info info;
    size_t i;
    memset(p, 0, sizeof *p);
    p->most = 1;
    crdt_doc_vv(s->doc, &p->here);
    crdt_node_acked(s->node, name, &p->acked);
    crdt_node_stable(s->node, name, &p->stable);
    if (!crdt_node_epoch(s->node, name, &info) && info.cut)
        crdt_vv_copy(&p->cut, info.cut);
    for (i = 0; i < p->here.len; i++)
        if (p->here.entries[i].seq > p->most)
            p->most = p->here.entries[i].seq;
}

static void forget(picture *p)
{
    crdt_vv_free(&p->here);
    crdt_vv_free(&p->acked);
    crdt_vv_free(&p->stable);
    crdt_vv_free(&p->cut);
}

/* The name, with what XML and dot would read otherwise left out. */
static const char *label(const graph_subject *s, const crdt_id *replica)
{
    static char text[80];
    const char *name = s->name_of(s->ctx, replica);
    size_t i = 0;
    for (; *name && i + 1 < sizeof text; name++)
        text[i++] = strchr("<>&\"\\'{}|", *name) ? '_' : *name;
    text[i] = 0;
    return text;
}

/* >>SVG ------------------------------------------------------------------- */

static void bar(FILE *out, const picture *p, size_t lane, uint64_t seq,
                int height, const char *colour)
{
    double width = (double)seq / (double)p->most * WIDTH;
    int top = TOP + (int)lane * LANE + (22 - height) / 2;
    fprintf(out,
            "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" "
            "fill=\"%s\"/>\n",
            LEFT, top, width, height, colour);
}

static void lane(FILE *out, const graph_subject *s, const picture *p, size_t i)
{
    const crdt_dot *entry = &p->here.entries[i];
    const crdt_id *id = &entry->replica;
    int base = TOP + (int)i * LANE + 16;
    bar(out, p, i, entry->seq, 22, "#d9d9d9");
    bar(out, p, i, crdt_vv_get(&p->acked, id), 16, "#9ecae1");
    bar(out, p, i, crdt_vv_get(&p->stable, id), 10, "#4292c6");
    bar(out, p, i, crdt_vv_get(&p->cut, id), 4, "#084594");
    fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n",
            LEFT - 8, base, label(s, id));
    fprintf(out, "<text x=\"%d\" y=\"%d\">%" PRIu64 "</text>\n",
            LEFT + WIDTH + 8, base, entry->seq);
}

static void write_svg(FILE *out, const graph_subject *s, const picture *p)
{
    static const char *const words[] = { "here", "at another node",
                                         "at all members",
                                         "in the last full sync" };
    static const char *const colours[] = { "#d9d9d9", "#9ecae1", "#4292c6",
                                           "#084594" };
    size_t i;
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" "
            "height=\"%d\" font-family=\"sans-serif\" font-size=\"13\">\n",
            LEFT + WIDTH + 110, TOP + (int)p->here.len * LANE + 10);
    fprintf(out, "<text x=\"%d\" y=\"20\">changes of each replica</text>\n",
            LEFT);
    for (i = 0; i < 4; i++) {
        int x = LEFT + (int)i * 155;
        fprintf(out,
                "<rect x=\"%d\" y=\"34\" width=\"12\" height=\"12\" "
                "fill=\"%s\"/><text x=\"%d\" y=\"45\">%s</text>\n",
                x, colours[i], x + 18, words[i]);
    }
    for (i = 0; i < p->here.len; i++)
        lane(out, s, p, i);
    fputs("</svg>\n", out);
}

/* >>dot ------------------------------------------------------------------- */

static const char *status_name(crdt_member_status status)
{
    switch (status) {
    case CRDT_MEMBER_ACTIVE:
        return "active";
    case CRDT_MEMBER_EVICTED:
        return "evicted";
    case CRDT_MEMBER_LEFT:
        return "left";
    }
    return "unknown";
}

/* Members around us: what each lacks, and what it has and we lack. */
static void write_members(FILE *out, const graph_subject *s)
{
    crdt_member_info m;
    size_t i;
    for (i = 0;
         crdt_node_member(s->node, crdt_str(s->document), i, &m) == CRDT_OK;
         i++) {
        fprintf(out, "  m%zu [label=\"%s\\n%s\"];\n", i, label(s, &m.replica),
                m.is_self ? "we" : status_name(m.status));
        if (!m.is_self && m.status == CRDT_MEMBER_ACTIVE)
            fprintf(out,
                    "  m0 -> m%zu [label=\"lacks %" PRIu64
                    "\"];\n  m%zu -> m0 [label=\"we lack %" PRIu64 "\"];\n",
                    i, m.missing, i, m.lag);
    }
}

static void write_dot(FILE *out, const graph_subject *s, const picture *p)
{
    size_t i;
    fputs("digraph replicas {\n  rankdir=LR;\n  vectors [shape=record, "
          "label=\"{replica|here|at another|at all|full sync}",
          out);
    for (i = 0; i < p->here.len; i++) {
        const crdt_id *id = &p->here.entries[i].replica;
        fprintf(out, "|{%s|%" PRIu64 "|%" PRIu64 "|%" PRIu64 "|%" PRIu64 "}",
                label(s, id), p->here.entries[i].seq,
                crdt_vv_get(&p->acked, id), crdt_vv_get(&p->stable, id),
                crdt_vv_get(&p->cut, id));
    }
    fputs("\"];\n", out);
    write_members(out, s);
    fputs("}\n", out);
}

/* >>files ----------------------------------------------------------------- */

int graph_write(const graph_subject *s, const char *path)
{
    size_t len = strlen(path);
    FILE *out = fopen(path, "we");
    picture p;
    if (!out)
        return 0;
    look(s, &p);
    if (len > 4 && strcmp(path + len - 4, ".dot") == 0)
        write_dot(out, s, &p);
    else
        write_svg(out, s, &p);
    forget(&p);
    return !fclose(out);
}
