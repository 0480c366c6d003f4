/*
 * The examples of docs/semantics.md, run as they stand there. An example is a
 * table whose first cell is its name:
 *
 *     | S-AW-1 | a                            | b          | everyone   |
 *     |--------|------------------------------|------------|------------|
 *     | 9:00   | create s:aw-set; add s milk  |            | s = {milk} |
 *     | 9:01   | remove s milk                | add s milk | s = {milk} |
 *
 * A row is what replicas do at that time, without having heard of each other;
 * then all exchange what they have, and what the last cell says must be so at
 * each. Cells hold statements, divided by semicolons: the language is that of
 * `verbs` and `queries` below. Each example is run in eight ways: exchanged
 * forwards or backwards, by deltas or whole states, with removals remembered or
 * forgotten as soon as all know them.
 *
 * `semantics PATTERN` runs those whose name holds it, `--list` names all.
 */
#define CRDTSYNC_IMPLEMENTATION
#include "crdtsync.h"

#include "../test.h"

#include <ctype.h>
#include <stdarg.h>

enum {
    REPLICAS_MAX = 3,
    HELD_MAX = 8,
    WORDS_MAX = 5,
    CELLS_MAX = REPLICAS_MAX + 2,
    EXAMPLES_MAX = 200,
    ROW_MAX = 1000
};

#define DAY UINT64_C(1700000000000) /* on which all is done */

/* How an example is run, a bit each. */
enum { BACKWARDS = 1, WHOLE = 2, FORGETFUL = 4, WAYS = 8 };

typedef struct {
    char path[40];
    crdt_obj obj;
} handle;

typedef struct {
    crdt_doc *doc;
    uint64_t wall, ahead; /* ms: the true time, and how wrong the clock is */
    int is_away;
    handle held[HELD_MAX]; /* the last one of each path */
    int held_len;
} replica;

typedef struct {
    char id[32];
    int line, failures, checks;
    unsigned way;
    replica at[REPLICAS_MAX];
    int len;
    int held_back; /* somebody's clock is too far ahead for the others */
} example;

static void wrong(example *x, const char *form, ...)
{
    va_list args;
    printf("docs/semantics.md:%d: %s: ", x->line, x->id);
    va_start(args, form);
    vprintf(form, args);
    va_end(args);
    printf(" (way %u)\n", x->way);
    x->failures++;
}

/* >>text ------------------------------------------------------------------ */

typedef struct {
    char s[ROW_MAX];
    size_t len;
} text;

static void say(text *to, const char *form, ...)
{
    va_list args;
    int len;
    va_start(args, form);
    len = vsnprintf(to->s + to->len, sizeof to->s - to->len, form, args);
    va_end(args);
    if (len > 0 && (size_t)len < sizeof to->s - to->len)
        to->len += (size_t)len;
}

/* Without blanks and backticks around it; in place. */
static char *trim(char *s)
{
    char *end = s + strlen(s);
    while (end > s && strchr(" `\r\n", end[-1]))
        *--end = 0;
    return s + strspn(s, " `");
}

/* Cuts at each divider; pieces are trimmed. */
static int split(char *s, char divider, char **out, int max)
{
    int len = 0;
    while (s && len < max) {
        char *next = strchr(s, divider);
        if (next)
            *next++ = 0;
        out[len++] = trim(s);
        s = next;
    }
    return len;
}

/* >>values ---------------------------------------------------------------- */

static int is_plain(crdt_bytes word)
{
    static const char *const others[] = { "true", "false", "null", "NaN" };
    size_t i;
    for (i = 0; i < word.len; i++)
        if (!islower(word.ptr[i]))
            return 0;
    for (i = 0; i < sizeof others / sizeof *others; i++)
        if (crdt_bytes_equal(word, crdt_str(others[i])))
            return 0;
    return word.len > 0;
}

static void show_double(text *to, double number)
{
    char digits[40];
    if (number != number) {
        say(to, "NaN");
        return;
    }
    snprintf(digits, sizeof digits, "%.17g", number);
    say(to, strpbrk(digits, ".en") ? "%s" : "%s.0", digits);
}

static void show_object(text *to, crdt_obj obj);

static void show_value(text *to, crdt_value value)
{
    const char *chars = (const char *)value.as.bytes.ptr;
    switch (value.kind) {
    case CRDT_BOOL:
        say(to, value.as.boolean ? "true" : "false");
        return;
    case CRDT_INT:
        say(to, "%lld", (long long)value.as.integer);
        return;
    case CRDT_TIME:
        say(to, "@%lld", (long long)value.as.integer);
        return;
    case CRDT_DOUBLE:
        show_double(to, value.as.number);
        return;
    case CRDT_STRING:
        say(to, is_plain(value.as.bytes) ? "%.*s" : "\"%.*s\"",
            (int)value.as.bytes.len, chars);
        return;
    case CRDT_BYTES:
        say(to, "b\"%.*s\"", (int)value.as.bytes.len, chars);
        return;
    case CRDT_OBJECT:
        show_object(to, value.as.object);
        return;
    case CRDT_NULL:
    default:
        say(to, "null");
        return;
    }
}

static double parse_double(const char *word)
{
    double zero = 0.0;
    return strcmp(word, "NaN") == 0 ? zero / zero : strtod(word, NULL);
}

/* What show_value writes. */
static crdt_value parse_value(char *word)
{
    size_t len = strlen(word);
    if (strcmp(word, "null") == 0)
        return crdt_null();
    if (strcmp(word, "true") == 0 || strcmp(word, "false") == 0)
        return crdt_bool(*word == 't');
    if (*word == '@')
        return crdt_time(strtoll(word + 1, NULL, 10));
    if (len >= 2 && word[0] == '"')
        return crdt_string(crdt_bytes_of(word + 1, len - 2));
    if (len >= 3 && word[0] == 'b' && word[1] == '"')
        return crdt_blob(crdt_bytes_of(word + 2, len - 3));
    if (strcmp(word, "NaN") == 0 || (!islower(*word) && strchr(word, '.')))
        return crdt_double(parse_double(word));
    if (!islower(*word))
        return crdt_int(strtoll(word, NULL, 10));
    return crdt_string(crdt_str(word));
}

/* >>showing objects ------------------------------------------------------- */

static void show_map(text *to, crdt_obj map)
{
    crdt_cursor at = CRDT_CURSOR_INIT;
    const char *between = "";
    say(to, "{");
    for (; !crdt_map_next(map, &at); between = ", ") {
        say(to, "%s%.*s: ", between, (int)at.key.len,
            (const char *)at.key.ptr);
        show_value(to, at.value);
    }
    say(to, "}");
}

static void show_set(text *to, crdt_obj set)
{
    crdt_cursor at = CRDT_CURSOR_INIT;
    const char *between = "";
    size_t count = 0;
    say(to, "{");
    for (; !crdt_set_next(set, &at); between = ", ", count++) {
        say(to, "%s", between);
        show_value(to, at.value);
        if (!crdt_set_has(set, at.value))
            say(to, " (but not in)");
    }
    say(to, "}");
    if (count != crdt_set_size(set))
        say(to, " (but of size %u)", (unsigned)crdt_set_size(set));
}

static void show_list(text *to, crdt_obj list)
{
    crdt_list_cursor at = CRDT_LIST_CURSOR_INIT;
    const char *between = "";
    size_t count = 0;
    say(to, "[");
    for (; !crdt_list_next(list, &at); between = ", ", count++) {
        say(to, "%s", between);
        show_value(to, at.value);
    }
    say(to, "]");
    if (count != crdt_list_len(list))
        say(to, " (but %u long)", (unsigned)crdt_list_len(list));
}

static void show_text(text *to, crdt_obj obj)
{
    crdt_buf all = CRDT_BUF_INIT;
    if (crdt_text_get(obj, &all))
        say(to, "(not to be read)");
    else
        show_value(to, crdt_string(crdt_buf_bytes(&all)));
    crdt_buf_free(&all);
}

static void show_number(text *to, crdt_err err, int64_t number)
{
    say(to, "%lld", (long long)number);
    if (err)
        say(to, " and %s", crdt_err_name(err) + strlen("CRDT_ERR_"));
}

static void show_found(text *to, crdt_err err, crdt_value value)
{
    if (err)
        say(to, "nothing");
    else
        show_value(to, value);
}

static void show_object(text *to, crdt_obj obj)
{
    crdt_value value = crdt_null();
    int64_t number = 0;
    crdt_err err;
    int on = 0;
    switch (crdt_type_of(obj)) {
    case CRDT_MAP:
        show_map(to, obj);
        return;
    case CRDT_REGISTER:
        err = crdt_register_get(obj, &value);
        show_found(to, err, value);
        return;
    case CRDT_MAX:
        err = crdt_max_get(obj, &value);
        show_found(to, err, value);
        return;
    case CRDT_MIN:
        err = crdt_min_get(obj, &value);
        show_found(to, err, value);
        return;
    case CRDT_COUNTER:
    case CRDT_GCOUNTER:
        err = crdt_counter_get(obj, &number);
        show_number(to, err, number);
        return;
    case CRDT_BOUNDED:
        err = crdt_bounded_get(obj, &number);
        show_number(to, err, number);
        return;
    case CRDT_EW_FLAG:
    case CRDT_DW_FLAG:
        say(to, !crdt_flag_get(obj, &on) && on ? "true" : "false");
        return;
    case CRDT_TEXT:
        show_text(to, obj);
        return;
    case CRDT_LIST:
        show_list(to, obj);
        return;
    case CRDT_NONE:
    case CRDT_AW_SET:
    case CRDT_RW_SET:
    case CRDT_GSET:
    case CRDT_2PSET:
    case CRDT_LWW_SET:
    case CRDT_LWW_SET_RM:
    case CRDT_TYPE_COUNT:
    default:
        show_set(to, obj);
        return;
    }
}

/* >>paths ------------------------------------------------------------------
 * "k/x": by keys, or in lists by index; "k:counter": the container of that type
 * at the key, which need not be the one that is shown. */

static crdt_type type_named(const char *name)
{
    int type = CRDT_TYPE_COUNT - 1;
    while (type > CRDT_NONE &&
           strcmp(crdt_type_name((crdt_type)type), name) != 0)
        type--;
    return (crdt_type)type;
}

/* One step: the value at "key", "key:type" or an index. */
static crdt_err step(crdt_obj map, char *name, crdt_value *out)
{
    char *type = strchr(name, ':');
    if (crdt_type_of(map) == CRDT_LIST)
        return crdt_list_get(map, strtoul(name, NULL, 10), out);
    if (!type)
        return crdt_map_get(map, crdt_str(name), out);
    *type++ = 0;
    out->kind = CRDT_OBJECT;
    out->as.object = crdt_map_find(map, crdt_str(name), type_named(type));
    return crdt_is_null(out->as.object) ? CRDT_ERR_NOT_FOUND : CRDT_OK;
}

static crdt_err value_at(replica *r, const char *path, crdt_value *out)
{
    char copy[80], *names[8];
    int i, len;
    crdt_err err = CRDT_OK;
    out->kind = CRDT_OBJECT;
    out->as.object = crdt_root(r->doc);
    if (strcmp(path, "doc") == 0)
        return CRDT_OK;
    snprintf(copy, sizeof copy, "%s", path);
    len = split(copy, '/', names, 8);
    for (i = 0; i < len && !err; i++)
        err = out->kind == CRDT_OBJECT ? step(out->as.object, names[i], out)
                                       : CRDT_ERR_TYPE;
    return err;
}

static handle *handle_of(replica *r, const char *path)
{
    int i = 0;
    while (i < r->held_len && strcmp(r->held[i].path, path) != 0)
        i++;
    if (i == HELD_MAX)
        exit(1);
    if (i == r->held_len) {
        memset(&r->held[i], 0, sizeof r->held[i]);
        snprintf(r->held[i].path, sizeof r->held[i].path, "%s", path);
        r->held_len++;
    }
    return &r->held[i];
}

/* The container at the path; when there is none, the one that was. */
static crdt_obj object_at(replica *r, const char *path)
{
    handle *held = handle_of(r, path);
    crdt_value value;
    if (!value_at(r, path, &value) && value.kind == CRDT_OBJECT)
        held->obj = value.as.object;
    return held->obj;
}

/* The map that holds the last name of the path, which is left in `name`. */
static crdt_obj parent_at(replica *r, char *path, char **name)
{
    char *slash = strrchr(path, '/');
    *name = slash ? slash + 1 : path;
    if (!slash)
        return crdt_root(r->doc);
    *slash = 0;
    return object_at(r, path);
}

/* >>verbs ----------------------------------------------------------------- */

static crdt_err do_create(replica *r, char **word)
{
    char *name, *type, path[40];
    crdt_obj map, obj;
    snprintf(path, sizeof path, "%s", word[1]);
    map = parent_at(r, word[1], &name);
    type = strchr(name, ':');
    if (!type)
        return CRDT_ERR_ARG;
    *type++ = 0;
    obj = crdt_map_object(map, crdt_str(name), type_named(type));
    if (crdt_is_null(obj))
        return crdt_doc_error(r->doc);
    *strrchr(path, ':') = 0;
    handle_of(r, path)->obj = obj;
    return CRDT_OK;
}

static crdt_err do_put(replica *r, char **word)
{
    char *name;
    crdt_obj map = parent_at(r, word[1], &name);
    return crdt_map_put(map, crdt_str(name), parse_value(word[2]));
}

/* `remove KEY`, `remove SET ELEMENT`. */
static crdt_err do_remove(replica *r, char **word)
{
    char *name;
    crdt_obj map;
    if (word[2])
        return crdt_set_remove(object_at(r, word[1]), parse_value(word[2]));
    map = parent_at(r, word[1], &name);
    return crdt_map_remove(map, crdt_str(name));
}

/* `add COUNTER AMOUNT`, `add SET ELEMENT`. */
static crdt_err do_add(replica *r, char **word)
{
    crdt_obj obj = object_at(r, word[1]);
    crdt_type type = crdt_type_of(obj);
    int64_t amount = strtoll(word[2], NULL, 10);
    if (type == CRDT_COUNTER || type == CRDT_GCOUNTER)
        return crdt_counter_add(obj, amount);
    if (type == CRDT_BOUNDED)
        return crdt_bounded_add(obj, amount);
    return crdt_set_add(obj, parse_value(word[2]));
}

static crdt_err do_take(replica *r, char **word)
{
    return crdt_bounded_take(object_at(r, word[1]),
                             strtoll(word[2], NULL, 10));
}

static crdt_id id_named(const char *name)
{
    crdt_id id;
    memset(&id, *name, sizeof id);
    return id;
}

/* `give COUNTER AMOUNT REPLICA` */
static crdt_err do_give(replica *r, char **word)
{
    crdt_id to = id_named(word[3]);
    return crdt_bounded_transfer(object_at(r, word[1]), &to,
                                 strtoll(word[2], NULL, 10));
}

static crdt_err do_reset(replica *r, char **word)
{
    return crdt_counter_reset(object_at(r, word[1]));
}

/* `set REGISTER VALUE`, `set LIST AT VALUE` */
static crdt_err do_set(replica *r, char **word)
{
    crdt_obj obj = object_at(r, word[1]);
    crdt_value value = parse_value(word[word[3] ? 3 : 2]);
    if (word[3])
        return crdt_list_set(obj, strtoul(word[2], NULL, 10), value);
    if (crdt_type_of(obj) == CRDT_MAX)
        return crdt_max_set(obj, value);
    if (crdt_type_of(obj) == CRDT_MIN)
        return crdt_min_set(obj, value);
    return crdt_register_set(obj, value);
}

static crdt_err do_clear(replica *r, char **word)
{
    crdt_obj obj = object_at(r, word[1]);
    if (crdt_type_of(obj) == CRDT_MAP)
        return crdt_map_clear(obj);
    if (crdt_type_of(obj) == CRDT_REGISTER)
        return crdt_register_clear(obj);
    return crdt_set_clear(obj);
}

static crdt_err do_enable(replica *r, char **word)
{
    return crdt_flag_set(object_at(r, word[1]), 1);
}

static crdt_err do_disable(replica *r, char **word)
{
    return crdt_flag_set(object_at(r, word[1]), 0);
}

/* The word, or what is quoted in it. */
static crdt_bytes characters(const char *word)
{
    size_t len = strlen(word), quoted = *word == '"' && len >= 2;
    return crdt_bytes_of(word + quoted, len - 2 * quoted);
}

/* `insert TEXT AT CHARACTERS`, `insert LIST AT VALUE`, `insert LIST AT :map` */
static crdt_err do_insert(replica *r, char **word)
{
    crdt_obj obj = object_at(r, word[1]);
    size_t at = strtoul(word[2], NULL, 10);
    if (crdt_type_of(obj) == CRDT_TEXT)
        return crdt_text_insert(obj, CRDT_CHARS, at, characters(word[3]));
    if (*word[3] != ':')
        return crdt_list_insert(obj, at, parse_value(word[3]));
    obj = crdt_list_insert_object(obj, at, type_named(word[3] + 1));
    return crdt_is_null(obj) ? crdt_doc_error(r->doc) : CRDT_OK;
}

/* `delete TEXT AT LENGTH`, `delete LIST AT LENGTH` */
static crdt_err do_delete(replica *r, char **word)
{
    crdt_obj obj = object_at(r, word[1]);
    size_t at = strtoul(word[2], NULL, 10), len = strtoul(word[3], NULL, 10);
    return crdt_type_of(obj) == CRDT_LIST
               ? crdt_list_delete(obj, at, len)
               : crdt_text_delete(obj, CRDT_CHARS, at, len);
}

/* `move LIST FROM TO` */
static crdt_err do_move(replica *r, char **word)
{
    return crdt_list_move(object_at(r, word[1]), strtoul(word[2], NULL, 10),
                          strtoul(word[3], NULL, 10));
}

/* `replace TEXT AT LENGTH CHARACTERS` */
static crdt_err do_replace(replica *r, char **word)
{
    return crdt_text_replace(object_at(r, word[1]), CRDT_CHARS,
                             strtoul(word[2], NULL, 10),
                             strtoul(word[3], NULL, 10), characters(word[4]));
}

/* `clock +1s`, `clock +1h`: from now on it is wrong by that much. */
static crdt_err do_clock(replica *r, char **word)
{
    char *unit;
    uint64_t amount = strtoull(word[1], &unit, 10);
    r->ahead = amount * (*unit == 'h' ? 3600000u : 1000u);
    return CRDT_OK;
}

/* Neither tells nor hears anything at the end of this row. */
static crdt_err do_away(replica *r, char **word)
{
    (void)word;
    r->is_away = 1;
    return CRDT_OK;
}

/* Forgets all removals, whoever has or has not heard of them. */
static crdt_err do_forget(replica *r, char **word)
{
    crdt_vv vv = CRDT_VV_INIT;
    crdt_err err = crdt_doc_vv(r->doc, &vv);
    (void)word;
    if (!err)
        err = crdt_truncate(r->doc, &vv);
    crdt_vv_free(&vv);
    return err;
}

static const struct verb {
    const char *name;
    int least, most; /* words */
    crdt_err (*run)(replica *r, char **word);
} verbs[] = {
    { "create", 2, 2, do_create },   { "put", 3, 3, do_put },
    { "remove", 2, 3, do_remove },   { "add", 3, 3, do_add },
    { "take", 3, 3, do_take },       { "give", 4, 4, do_give },
    { "reset", 2, 2, do_reset },     { "set", 3, 4, do_set },
    { "clear", 2, 2, do_clear },     { "enable", 2, 2, do_enable },
    { "disable", 2, 2, do_disable }, { "clock", 2, 2, do_clock },
    { "away", 1, 1, do_away },       { "forget", 1, 1, do_forget },
    { "insert", 4, 4, do_insert },   { "delete", 4, 4, do_delete },
    { "replace", 5, 5, do_replace }, { "move", 4, 4, do_move },
};

/* >>queries --------------------------------------------------------------- */

static void show_version(void *ctx, const crdt_version *version)
{
    text *to = (text *)ctx;
    if (to->len)
        say(to, ", ");
    if (version->value.kind == CRDT_OBJECT)
        say(to, "%s ", crdt_type_name(crdt_type_of(version->value.as.object)));
    show_value(to, version->value);
}

/* Who wrote it, and when by the writer's clock. */
static void show_writer(void *ctx, const crdt_version *version)
{
    text *to = (text *)ctx;
    unsigned s = (unsigned)(((version->stamp >> 16) - DAY) / 1000);
    if (to->len)
        say(to, ", ");
    say(to, "%c %u:%02u:%02u", version->dot.replica.b[0], s / 3600,
        s / 60 % 60, s % 60);
}

/* `versions KEY`, `versions REGISTER`, of a list `versions l/0`: the one that is shown comes first. The
 * same with `writers`. */
static void ask_versions(replica *r, char **word, text *to)
{
    crdt_version_fn *show = *word[0] == 'v' ? show_version : show_writer;
    crdt_value value;
    char *name;
    crdt_obj obj;
    if (!value_at(r, word[1], &value) && value.kind == CRDT_OBJECT &&
        crdt_type_of(value.as.object) == CRDT_REGISTER) {
        (void)crdt_register_versions(value.as.object, show, to);
        return;
    }
    obj = parent_at(r, word[1], &name);
    if (crdt_type_of(obj) == CRDT_LIST
            ? crdt_list_versions(obj, strtoul(name, NULL, 10), show, to)
            : crdt_map_versions(obj, crdt_str(name), show, to))
        say(to, "nothing");
}

/* `rights COUNTER REPLICA` */
static void ask_rights(replica *r, char **word, text *to)
{
    crdt_id who = id_named(word[2]);
    int64_t rights = 0;
    crdt_err err = crdt_bounded_rights(object_at(r, word[1]), &who, &rights);
    show_number(to, err, rights);
}

/* `length TEXT`: in code points, bytes, and units of UTF-16. */
static void ask_length(replica *r, char **word, text *to)
{
    crdt_obj obj = object_at(r, word[1]);
    say(to, "%u, %u, %u", (unsigned)crdt_text_len(obj, CRDT_CHARS),
        (unsigned)crdt_text_len(obj, CRDT_UTF8),
        (unsigned)crdt_text_len(obj, CRDT_UTF16));
}

/* How many removals are remembered. */
static void ask_remembered(replica *r, char **word, text *to)
{
    crdt_stats stats;
    (void)word;
    crdt_doc_stats(r->doc, &stats);
    say(to, "%u", (unsigned)(stats.removals + stats.kills));
}

/* PATH, or of a handle that there is nothing at: what it shows. */
static void ask_path(replica *r, const char *path, text *to)
{
    crdt_value value;
    crdt_err err = value_at(r, path, &value);
    show_found(to, err, value);
}

static void ask(replica *r, char **word, int len, text *to)
{
    to->len = 0;
    to->s[0] = 0;
    if (len == 2 &&
        (strcmp(word[0], "versions") == 0 || strcmp(word[0], "writers") == 0))
        ask_versions(r, word, to);
    else if (strcmp(word[0], "rights") == 0 && len == 3)
        ask_rights(r, word, to);
    else if (strcmp(word[0], "length") == 0 && len == 2)
        ask_length(r, word, to);
    else if (strcmp(word[0], "remembered") == 0 && len == 1)
        ask_remembered(r, word, to);
    else if (len == 1)
        ask_path(r, word[0], to);
    else
        say(to, "no query that this test knows");
}

/* >>statements ------------------------------------------------------------ */

/* The words; NULL behind the last. A quoted one may hold blanks. */
static int words(char *s, char **out)
{
    int len = 0;
    memset(out, 0, (WORDS_MAX + 1) * sizeof *out);
    for (s += strspn(s, " "); *s && len < WORDS_MAX; s += strspn(s, " ")) {
        char *quote = strchr(s, '"'), *end = strchr(s, ' ');
        out[len++] = s;
        if (quote && (!end || quote < end) && strchr(quote + 1, '"'))
            end = strchr(strchr(quote + 1, '"'), ' ');
        if (!end)
            break;
        *end = 0;
        s = end + 1;
    }
    return len;
}

/* QUERY = TEXT */
static void check(example *x, replica *r, char *query, const char *want)
{
    char *word[WORDS_MAX + 1];
    text got;
    int len = words(query, word);
    if (len == 1 && strcmp(query, "remembered") == 0 && x->way & FORGETFUL)
        return;
    ask(r, word, len, &got);
    x->checks++;
    if (strcmp(got.s, want) != 0)
        wrong(x, "%s at %c is %s, not %s", query, (char)('a' + (r - x->at)),
              got.s, want);
}

/* VERB ..., or VERB ... -> ERROR */
static void act(example *x, replica *r, char *statement)
{
    char *word[WORDS_MAX + 1], *arrow = strstr(statement, " -> ");
    const char *want = "CRDT_OK";
    char error[40];
    size_t i;
    int len;
    if (arrow) {
        *arrow = 0;
        snprintf(error, sizeof error, "CRDT_ERR_%s", trim(arrow + 4));
        want = error;
    }
    len = words(statement, word);
    for (i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        crdt_err err;
        if (len < verbs[i].least || len > verbs[i].most ||
            strcmp(word[0], verbs[i].name) != 0)
            continue;
        err = verbs[i].run(r, word);
        if (strcmp(crdt_err_name(err), want) != 0)
            wrong(x, "%s at %c answers %s, not %s", verbs[i].name,
                  (char)('a' + (r - x->at)), crdt_err_name(err), want);
        return;
    }
    wrong(x, "what is \"%s\"?", statement);
}

static void run_statement(example *x, replica *r, const char *statement)
{
    char copy[ROW_MAX], *equals;
    snprintf(copy, sizeof copy, "%s", statement);
    equals = strstr(copy, " = ");
    if (equals) {
        *equals = 0;
        check(x, r, copy, equals + 3);
    } else {
        act(x, r, copy);
    }
}

static void run_cell(example *x, replica *r, const char *cell)
{
    char copy[ROW_MAX], *statements[16];
    int i, len;
    snprintf(copy, sizeof copy, "%s", cell);
    len = split(copy, ';', statements, 16);
    for (i = 0; i < len; i++)
        if (*statements[i])
            run_statement(x, r, statements[i]);
}

/* >>replicas -------------------------------------------------------------- */

static uint64_t replica_wall(void *ctx)
{
    const replica *r = (const replica *)ctx;
    return r->wall + r->ahead;
}

static void replica_begin(replica *r, char name)
{
    crdt_config config;
    crdt_clock clock;
    char named[2] = { name, 0 };
    crdt_id id = id_named(named);
    memset(&config, 0, sizeof config);
    memset(r, 0, sizeof *r);
    clock.version = 1;
    clock.ctx = r;
    clock.wall_ms = clock.mono_ms = replica_wall;
    config.clock = &clock;
    config.replica = &id;
    if (crdt_doc_new(&r->doc, &config))
        exit(1);
}

static void tell(example *x, const replica *from, const replica *to)
{
    crdt_vv vv = CRDT_VV_INIT;
    crdt_buf news = CRDT_BUF_INIT;
    crdt_err err = crdt_doc_vv(to->doc, &vv);
    if (!err)
        err = crdt_delta(from->doc, x->way & WHOLE ? NULL : &vv, &news);
    if (!err)
        err = crdt_join(to->doc, crdt_buf_bytes(&news));
    x->held_back |= err == CRDT_ERR_SKEW;
    if (err && err != CRDT_ERR_SKEW)
        wrong(x, "joining answers %s", crdt_err_name(err));
    crdt_buf_free(&news);
    crdt_vv_free(&vv);
}

/* All that are not away. */
static void exchange(example *x)
{
    int i, pairs = x->len * x->len;
    x->held_back = 0;
    for (i = 0; i < x->len; i++)
        (void)crdt_commit(x->at[i].doc);
    for (i = 0; i < pairs; i++) {
        int pair = x->way & BACKWARDS ? pairs - 1 - i : i;
        replica *from = &x->at[pair / x->len], *to = &x->at[pair % x->len];
        if (from != to && !from->is_away && !to->is_away)
            tell(x, from, to);
    }
}

/* Those who heard the same have the same digest; and when everyone has heard,
 * nobody need remember removals. */
static void settle(example *x)
{
    const replica *first = NULL;
    int i, all = !x->held_back;
    for (i = 0; i < x->len; i++)
        all &= !x->at[i].is_away;
    for (i = 0; i < x->len; i++) {
        replica *r = &x->at[i];
        crdt_digest one = crdt_doc_digest(r->doc), other = one;
        if (r->is_away || x->held_back)
            continue;
        if (first)
            other = crdt_doc_digest(first->doc);
        if (one.hi != other.hi || one.lo != other.lo)
            wrong(x, "%c and others differ", (char)('a' + i));
        first = r;
        if (all && x->way & FORGETFUL && do_forget(r, NULL))
            wrong(x, "%c cannot forget", (char)('a' + i));
    }
}

/* >>tables ---------------------------------------------------------------- */

/* "9:05" as milliseconds of some day. */
static uint64_t time_of(const char *clock)
{
    char *rest;
    uint64_t hours = strtoull(clock, &rest, 10);
    uint64_t minutes = *rest == ':' ? strtoull(rest + 1, NULL, 10) : 0;
    return DAY + (hours * 60 + minutes) * 60000;
}

static void run_row(example *x, char **cell, int cells)
{
    int i;
    if (cells != x->len + 2) {
        wrong(x, "a row of %d cells", cells);
        return;
    }
    for (i = 0; i < x->len; i++) {
        x->at[i].wall = time_of(cell[0]);
        x->at[i].is_away = 0;
        run_cell(x, &x->at[i], cell[i + 1]);
    }
    exchange(x);
    settle(x);
    for (i = 0; i < x->len; i++)
        if (!x->at[i].is_away)
            run_cell(x, &x->at[i], cell[x->len + 1]);
}

/* The cells of "| x | y |"; 0 when it is no row, or the ruler of a table. */
static int cells_of(char *line, char **cell)
{
    char *end = strrchr(line, '|');
    if (line[0] != '|' || end == line || strncmp(line, "|--", 3) == 0)
        return 0;
    *end = 0;
    return split(line + 1, '|', cell, CELLS_MAX);
}

typedef struct {
    char *lines[5000];
    int len;
    char bytes[400000];
} page;

/* The first line at or behind `at` that is the head of an example, or len. */
static int find_example(const page *p, int at)
{
    while (at < p->len && strncmp(p->lines[at], "| S-", 4) != 0)
        at++;
    return at;
}

static void example_begin(example *x, const page *p, int at, unsigned way)
{
    char head[ROW_MAX], *cell[CELLS_MAX];
    int i, cells;
    memset(x, 0, sizeof *x);
    snprintf(head, sizeof head, "%s", p->lines[at]);
    cells = cells_of(head, cell);
    snprintf(x->id, sizeof x->id, "%s", cell[0]);
    x->line = at + 1;
    x->way = way;
    for (i = 1; i < cells - 1; i++)
        replica_begin(&x->at[x->len++], *cell[i]);
}

/* In one way; what is wrong is told. */
static int run_in(const page *p, int at, unsigned way)
{
    example x;
    char row[ROW_MAX], *cell[CELLS_MAX];
    int i;
    example_begin(&x, p, at, way);
    for (at++; at < p->len && p->lines[at][0] == '|'; at++) {
        int cells;
        snprintf(row, sizeof row, "%s", p->lines[at]);
        cells = cells_of(row, cell);
        x.line = at + 1;
        if (cells)
            run_row(&x, cell, cells);
    }
    if (!x.checks)
        wrong(&x, "it says nothing");
    for (i = 0; i < x.len; i++)
        crdt_doc_free(x.at[i].doc);
    return x.failures == 0;
}

static int run_example(const page *p, int at)
{
    unsigned way;
    int good = 1;
    for (way = 0; way < WAYS && good; way++)
        good = run_in(p, at, way);
    return good;
}

/* >>the page -------------------------------------------------------------- */

static int page_read(page *p, const char *name)
{
    FILE *file = fopen(name, "rb");
    size_t len;
    if (!file)
        return 0;
    len = fread(p->bytes, 1, sizeof p->bytes - 1, file);
    fclose(file);
    p->bytes[len] = 0;
    p->len = split(p->bytes, '\n', p->lines, 5000);
    return 1;
}

/* No name twice, and no type without an example. */
static int page_is_complete(const page *p)
{
    int type, at, good = 1;
    for (type = CRDT_NONE + 1; type < CRDT_TYPE_COUNT; type++) {
        char wanted[40];
        snprintf(wanted, sizeof wanted, ":%s",
                 crdt_type_name((crdt_type)type));
        at = 0;
        while (at < p->len && !strstr(p->lines[at], wanted))
            at++;
        if (at < p->len)
            continue;
        printf("no example creates a %s\n", wanted + 1);
        good = 0;
    }
    for (at = find_example(p, 0); at < p->len; at = find_example(p, at + 1)) {
        size_t name = strcspn(p->lines[at] + 2, " ") + 3;
        int other = at;
        while ((other = find_example(p, other + 1)) < p->len)
            if (strncmp(p->lines[at], p->lines[other], name) == 0) {
                printf("docs/semantics.md:%d: that name again\n", other + 1);
                good = 0;
            }
    }
    return good;
}

int main(int argc, char **argv)
{
    static page p;
    const char *pattern = argc > 1 ? argv[1] : "";
    int list = strcmp(pattern, "--list") == 0;
    int passed = 0, failed = 0, at;
    if (!page_read(&p, "docs/semantics.md")) {
        puts("there is no docs/semantics.md here\n0 passed, 1 failed");
        return 1;
    }
    for (at = find_example(&p, 0); at < p.len; at = find_example(&p, at + 1)) {
        char name[32];
        int good;
        snprintf(name, sizeof name, "%.*s", (int)strcspn(p.lines[at] + 2, " "),
                 p.lines[at] + 2);
        if (list)
            puts(name);
        if (list || !strstr(name, pattern))
            continue;
        good = run_example(&p, at);
        passed += good;
        failed += !good;
        if (!good)
            printf("FAIL %s\n", name);
    }
    if (!list && !*pattern)
        *(page_is_complete(&p) ? &passed : &failed) += 1;
    if (!list)
        printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
