#include "../common/posix.h"

#include "history.h"
#include "../common/json.h"
#include "../common/text.h"

#include <errno.h>
#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crdtsync_readable.h"

enum { FILE_BYTES_MAX = 1 << 26 };

/* Of one replica and one variable: added less taken, modulo 2^64. */
typedef struct total {
    uint32_t replica, variable;
    uint64_t net;
} total;

typedef struct named {
    const char *name;
    uint32_t variable;
} named;

static void *grown(void *array, size_t len, size_t size)
{
    void *more = realloc(array, len * size);
    if (!more) {
        fputs("out of memory\n", stderr);
        exit(1);
    }
    return more;
}

/* >>who and what ---------------------------------------------------------- */

static uint32_t replica_index(history *h, const crdt_id *id)
{
    size_t i;
    for (i = 0; i < h->replicas_len; i++)
        if (crdt_id_compare(&h->replicas[i], id) == 0)
            return (uint32_t)i;
    h->replicas = (crdt_id *)grown(h->replicas, i + 1, sizeof *id);
    h->replicas[h->replicas_len++] = *id;
    return (uint32_t)i;
}

static int named_order(const void *a, const void *b)
{
    return strcmp(((const named *)a)->name, ((const named *)b)->name);
}

static uint32_t variable_index(history *h, const char *name)
{
    named key = { name, 0 }, *entry;
    void *found = tfind(&key, &h->names, named_order);
    if (found)
        return (*(named **)found)->variable;
    h->variables = (char **)grown(h->variables, h->variables_len + 1,
                                  sizeof *h->variables);
    h->late =
        (uint64_t *)grown(h->late, h->variables_len + 1, sizeof *h->late);
    h->variables[h->variables_len] = text_copy(name);
    h->late[h->variables_len] = 0;
    entry = (named *)grown(NULL, 1, sizeof *entry);
    entry->name = h->variables[h->variables_len];
    entry->variable = (uint32_t)h->variables_len++;
    tsearch(entry, &h->names, named_order);
    return entry->variable;
}

int64_t history_variable(const history *h, const char *name)
{
    named key = { name, 0 };
    void *found = tfind(&key, &h->names, named_order);
    return found ? (int64_t)(*(named **)found)->variable : -1;
}

const char *history_name(const history *h, uint32_t variable)
{
    return variable < h->variables_len ? h->variables[variable] : NULL;
}

const crdt_id *history_replica(const history *h, uint32_t replica)
{
    return replica < h->replicas_len ? &h->replicas[replica] : NULL;
}

/* >>totals ---------------------------------------------------------------- */

static int total_order(const void *a, const void *b)
{
    const total *x = (const total *)a, *y = (const total *)b;
    if (x->variable != y->variable)
        return x->variable < y->variable ? -1 : 1;
    return x->replica < y->replica ? -1 : x->replica > y->replica;
}

static total *total_of(history *h, uint32_t replica, uint32_t variable)
{
    total key = { replica, variable, 0 }, *entry;
    void *found = tfind(&key, &h->totals, total_order);
    if (found)
        return *(total **)found;
    entry = (total *)grown(NULL, 1, sizeof *entry);
    *entry = key;
    tsearch(entry, &h->totals, total_order);
    return entry;
}

/* >>rows ------------------------------------------------------------------ */

static int row_order(const void *a, const void *b)
{
    const history_row *x = (const history_row *)a, *y = (const history_row *)b;
    if (x->variable != y->variable)
        return x->variable < y->variable ? -1 : 1;
    if (x->replica != y->replica)
        return x->replica < y->replica ? -1 : 1;
    return x->from < y->from ? -1 : x->from > y->from;
}

/* Of the older half one row for each replica and variable stays. */
static void condense(history *h)
{
    size_t half = h->len / 2, i, kept = 0;
    qsort(h->rows, half, sizeof *h->rows, row_order);
    for (i = 1; i < half; i++) {
        history_row *last = &h->rows[kept], *row = &h->rows[i];
        if (last->replica != row->replica || last->variable != row->variable) {
            h->rows[++kept] = *row;
        } else {
            last->to = row->to;
            last->value =
                (int64_t)((uint64_t)last->value + (uint64_t)row->value);
        }
    }
    kept++;
    memmove(h->rows + kept, h->rows + half, (h->len - half) * sizeof *h->rows);
    h->len = kept + h->len - half;
}

static void add_row(history *h, const history_row *row)
{
    if (h->len == HISTORY_ROWS_MAX)
        condense(h);
    if (h->len == h->cap) {
        h->cap = h->cap ? 2 * h->cap : 64;
        h->rows = (history_row *)grown(h->rows, h->cap, sizeof *h->rows);
    }
    h->rows[h->len++] = *row;
}

void history_own(history *h, const crdt_dot *dot, const char *name,
                 int64_t value)
{
    history_row row;
    row.replica = replica_index(h, &dot->replica);
    row.variable = variable_index(h, name);
    row.from = row.to = dot->seq;
    row.value = value;
    add_row(h, &row);
    total_of(h, row.replica, row.variable)->net += (uint64_t)value;
    crdt_vv_set(&h->seen, &dot->replica, dot->seq);
}

char *history_nonces(const history_row *row, char *out)
{
    char *end = out;
    if (row->from < row->to)
        end += sprintf(end, "%" PRIu64 "-", row->from);
    sprintf(end, "%" PRIu64, row->to);
    return out;
}

int64_t history_sum(const history *h, uint32_t variable)
{
    uint64_t sum = 0;
    size_t i;
    for (i = 0; i < h->len; i++)
        if (h->rows[i].variable == variable)
            sum += (uint64_t)h->rows[i].value;
    return (int64_t)sum;
}

/* >>deltas ---------------------------------------------------------------- */

/* A number of the readable codec, which beyond 2^53 is a text. */
static uint64_t number_of(const cJSON *item)
{
    if (cJSON_IsString(item))
        return strtoull(item->valuestring, NULL, 10);
    return cJSON_IsNumber(item) ? (uint64_t)item->valuedouble : 0;
}

/* "HEX.SEQ" */
static int read_dot(const char *text, crdt_dot *dot)
{
    unsigned byte;
    size_t i;
    memset(dot, 0, sizeof *dot);
    if (!text || strlen(text) < 34 || text[32] != '.')
        return 0;
    for (i = 0; i < 16; i++) {
        if (sscanf(text + 2 * i, "%2x", &byte) != 1)
            return 0;
        dot->replica.b[i] = (uint8_t)byte;
    }
    dot->seq = strtoull(text + 33, NULL, 10);
    return dot->seq > 0;
}

/* The variable whose counter the object is, or NULL. */
static const char *name_of(const cJSON *objects, uint64_t id)
{
    const cJSON *object;
    cJSON_ArrayForEach(object, objects)
    {
        if (number_of(cJSON_GetObjectItemCaseSensitive(object, "id")) == id &&
            number_of(cJSON_GetObjectItemCaseSensitive(object, "parent")) == 0)
            return json_get_text(object, "key");
    }
    return NULL;
}

/* One replica's total of one counter, as it is now. */
static void take_total(history *h, const crdt_dot *dot, const char *name,
                       const cJSON *parts)
{
    history_row row;
    total *known;
    uint64_t net = number_of(cJSON_GetArrayItem(parts, 0)) -
                   number_of(cJSON_GetArrayItem(parts, 1));
    row.replica = replica_index(h, &dot->replica);
    row.variable = variable_index(h, name);
    row.from = crdt_vv_get(&h->seen, &dot->replica) + 1;
    row.to = dot->seq;
    known = total_of(h, row.replica, row.variable);
    row.value = (int64_t)(net - known->net);
    known->net = net;
    if (row.to < row.from) /* a snapshot tells also what is known */
        return;
    add_row(h, &row);
    if (h->came)
        h->came(h->ctx, &row);
}

static void take_delta(history *h, const cJSON *delta)
{
    const cJSON *objects = cJSON_GetObjectItemCaseSensitive(delta, "objects");
    const cJSON *ops = cJSON_GetObjectItemCaseSensitive(delta, "ops"), *op;
    cJSON_ArrayForEach(op, ops)
    {
        const cJSON *parts = cJSON_GetObjectItemCaseSensitive(op, "total");
        const char *name =
            parts
                ? name_of(objects, number_of(cJSON_GetObjectItemCaseSensitive(
                                       op, "object")))
                : NULL;
        crdt_dot dot;
        if (name && read_dot(json_get_text(op, "dot"), &dot))
            take_total(h, &dot, name, parts);
    }
}

void history_update(history *h, crdt_doc *doc)
{
    crdt_vv now = CRDT_VV_INIT;
    crdt_buf delta = CRDT_BUF_INIT, text = CRDT_BUF_INIT;
    cJSON *json = NULL;
    if (!crdt_doc_vv(doc, &now) &&
        crdt_vv_compare(&now, &h->seen) != CRDT_EQUAL &&
        !crdt_delta(doc, &h->seen, &delta) &&
        !crdt_readable_write(crdt_buf_bytes(&delta), &text))
        json = cJSON_ParseWithLength((const char *)text.ptr, text.len);
    if (json) {
        take_delta(h, cJSON_GetObjectItemCaseSensitive(json, "delta"));
        crdt_vv_merge(&h->seen, &now);
    }
    cJSON_Delete(json);
    crdt_buf_free(&text);
    crdt_buf_free(&delta);
    crdt_vv_free(&now);
}

/* >>cuts ------------------------------------------------------------------ */

void history_cut(history *h, uint64_t epoch, const crdt_vv *cut)
{
    size_t i, kept = 0;
    for (i = 0; i < h->variables_len; i++)
        h->late[i] = 0;
    for (i = 0; i < h->len; i++) {
        history_row row = h->rows[i];
        uint64_t end = crdt_vv_get(cut, &h->replicas[row.replica]);
        if (row.to <= end)
            continue;
        h->late[row.variable] += row.from <= end;
        h->rows[kept++] = row;
    }
    h->len = kept;
    h->epoch = epoch;
}

/* >>file ------------------------------------------------------------------ */

/* tsearch's walk carries no context. */
static struct {
    const history *h;
    cJSON *list;
} walk;

static void save_total(const void *node, VISIT visit, int depth)
{
    const total *t = *(total *const *)node;
    cJSON *object;
    char id[33];
    (void)depth;
    if (visit != postorder && visit != leaf)
        return;
    object = cJSON_CreateObject();
    crdt_id_text(&walk.h->replicas[t->replica], id);
    json_text(object, "replica", id);
    json_text(object, "name", walk.h->variables[t->variable]);
    json_uint64(object, "net", t->net);
    cJSON_AddItemToArray(walk.list, object);
}

/* Totals as they were before the rows that are left. */
static void rewind_rows(history *h, int back)
{
    size_t i;
    for (i = 0; i < h->len; i++) {
        total *t = total_of(h, h->rows[i].replica, h->rows[i].variable);
        uint64_t value = (uint64_t)h->rows[i].value;
        t->net += back ? 0 - value : value;
    }
}

/* What the replica had reached there: just before its first row. */
static uint64_t cut_of(const history *h, size_t replica)
{
    uint64_t end = crdt_vv_get(&h->seen, &h->replicas[replica]);
    size_t i;
    for (i = 0; i < h->len; i++)
        if (h->rows[i].replica == replica && h->rows[i].from <= end)
            end = h->rows[i].from - 1;
    return end;
}

static void save_cut(const history *h, cJSON *list)
{
    size_t i;
    char id[33];
    for (i = 0; i < h->replicas_len; i++) {
        cJSON *object = cJSON_CreateObject();
        crdt_id_text(&h->replicas[i], id);
        json_text(object, "replica", id);
        json_uint64(object, "seq", cut_of(h, i));
        cJSON_AddItemToArray(list, object);
    }
}

void history_rewind(history *h)
{
    crdt_vv cut = CRDT_VV_INIT;
    size_t i;
    for (i = 0; i < h->replicas_len; i++)
        crdt_vv_set(&cut, &h->replicas[i], cut_of(h, i));
    rewind_rows(h, 1);
    h->len = 0;
    crdt_vv_free(&h->seen);
    h->seen = cut;
}

static cJSON *file_object(const history *h)
{
    history copy = *h; /* its totals are the same ones */
    cJSON *object = cJSON_CreateObject();
    json_uint64(object, "epoch", h->epoch);
    save_cut(h, cJSON_AddArrayToObject(object, "cut"));
    walk.h = h;
    walk.list = cJSON_AddArrayToObject(object, "totals");
    rewind_rows(&copy, 1);
    twalk(h->totals, save_total);
    rewind_rows(&copy, 0);
    return object;
}

int history_save(const history *h, const char *path)
{
    char temporary[600];
    cJSON *object = file_object(h);
    char *text = cJSON_PrintUnformatted(object);
    FILE *file;
    int fine;
    snprintf(temporary, sizeof temporary, "%.590s.new", path);
    file = fopen(temporary, "we");
    fine = file && text && fputs(text, file) >= 0 && !fflush(file) &&
           !fsync(fileno(file));
    fine = !(file && fclose(file)) && fine && !rename(temporary, path);
    cJSON_free(text);
    cJSON_Delete(object);
    return fine;
}

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t cap = 0;
    if (file && getdelim(&text, &cap, 0, file) > FILE_BYTES_MAX)
        text[0] = 0;
    if (file)
        fclose(file);
    return text;
}

static void load_row(history *h, const cJSON *item, int is_total)
{
    const char *name = json_get_text(item, "name");
    const char *id = json_get_text(item, "replica");
    char text[40];
    crdt_dot dot;
    snprintf(text, sizeof text, "%.32s.1", id ? id : "");
    if (!read_dot(text, &dot) || (is_total && !name))
        return;
    if (is_total)
        total_of(h, replica_index(h, &dot.replica), variable_index(h, name))
            ->net = number_of(cJSON_GetObjectItemCaseSensitive(item, "net"));
    else
        crdt_vv_set(&h->seen, &dot.replica,
                    number_of(cJSON_GetObjectItemCaseSensitive(item, "seq")));
}

int history_load(history *h, const char *path, crdt_doc *doc)
{
    char *text = read_text(path);
    cJSON *object = text ? cJSON_Parse(text) : NULL;
    const cJSON *item;
    void (*came)(void *ctx, const history_row *row) = h->came;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(object, "cut"))
    {
        load_row(h, item, 0);
    }
    cJSON_ArrayForEach(item,
                       cJSON_GetObjectItemCaseSensitive(object, "totals"))
    {
        load_row(h, item, 1);
    }
    if (object)
        h->epoch =
            number_of(cJSON_GetObjectItemCaseSensitive(object, "epoch"));
    h->came = NULL; /* that is no news */
    history_update(h, doc);
    h->came = came;
    cJSON_Delete(object);
    free(text);
    return object != NULL;
}

/* >>end ------------------------------------------------------------------- */

void history_free(history *h)
{
    size_t i;
    for (i = 0; i < h->variables_len; i++)
        free(h->variables[i]);
    tdestroy(h->names, free);
    tdestroy(h->totals, free);
    free(h->variables);
    free(h->late);
    free(h->replicas);
    free(h->rows);
    crdt_vv_free(&h->seen);
}
