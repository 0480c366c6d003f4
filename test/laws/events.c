/*
 * What a watcher is told is what has changed: random histories of all types,
 * with every document watched. A watcher keeps what the document read when it
 * was told last, as a list of lines, and compares:
 *
 *     object 3 key "size" is 48213        line of before
 *     object 3 key "size" is 48214        line of now: a PUT must tell it
 *
 * and nothing else may be told, but in objects that are in only one of both
 * lists nothing is; nor in elements of lists that stand elsewhere now.
 */
#include "rule_names.h"

#include "histories.h"

enum { MAX_LINES = 400, MAX_WATCHERS = 64 };

typedef struct {
    uint32_t object;
    uint32_t above, stands; /* of an object's own: what it is in, and where */
    size_t key_len, value_len;
    uint8_t key[20], value[40];
    /* Of a text or list: where; `value` is a hash. */
    size_t text, text_len, elements, elements_len;
    int is_told;
} line;

/* An element of a list. */
typedef struct {
    uint32_t stands;
    uint8_t value[sizeof((line *)0)->value];
} list_element;

typedef struct {
    line lines[MAX_LINES];
    size_t len;
    uint8_t texts[4 * MODEL_CHARS];
    list_element elements[MODEL_CHARS];
    size_t texts_len, elements_len;
} reading;

typedef struct {
    world *w;
    crdt_doc *doc;
    reading before, now;
    uint64_t calls;
} watcher;

static watcher watchers[MAX_WATCHERS];
static size_t watchers_len;

/* >>reading all of a document --------------------------------------------- */

static void put_bytes(uint8_t *to, size_t room, size_t *len, const void *from,
                      size_t count)
{
    if (count > room - *len)
        exit(1);
    if (count)
        memcpy(to + *len, from, count);
    *len += count;
}

/* Equal values have equal bytes. */
static void put_value(line *l, const crdt_value *value)
{
    crdti_element element;
    uint32_t index = value->as.object.index;
    if (value->kind == CRDT_OBJECT) {
        put_bytes(l->value, sizeof l->value, &l->value_len, &index,
                  sizeof index);
        return;
    }
    if (crdti_element_encode(value, &element))
        exit(1);
    put_bytes(l->value, sizeof l->value, &l->value_len, element.bytes,
              element.len);
}

static line *put_line(reading *r, crdt_obj obj, crdt_bytes key)
{
    line *l = &r->lines[r->len++];
    if (r->len == MAX_LINES)
        exit(1);
    memset(l, 0, sizeof *l);
    l->object = obj.index;
    put_bytes(l->key, sizeof l->key, &l->key_len, key.ptr, key.len);
    return l;
}

static void put_text(reading *r, line *l, crdt_obj obj)
{
    crdt_buf all = CRDT_BUF_INIT;
    uint64_t hash;
    if (crdt_text_get(obj, &all))
        exit(1);
    l->text = r->texts_len;
    l->text_len = all.len;
    put_bytes(r->texts, sizeof r->texts, &r->texts_len, all.ptr, all.len);
    hash = crdti_hash(r->texts + l->text, all.len, 0);
    put_bytes(l->value, sizeof l->value, &l->value_len, &hash, sizeof hash);
    crdt_buf_free(&all);
}

static void read_object(reading *r, crdt_obj obj);

/* A number for a place of a list, by its dot; 0 for none. */
static uint32_t place_number(crdt_obj list, uint32_t name)
{
    crdti_position at;
    if (name == CRDTI_NO_CHAR)
        return 0;
    at = crdti_name_position(list.doc, crdti_sequence_at(list.doc, list.index),
                             name);
    return (at.replica + 1) << 20 | (uint32_t)at.seq;
}

/* What the object is in; and when that is a list, which of its places. */
static void put_stand(line *l, crdt_obj obj)
{
    uint32_t at = crdti_object_at(obj.doc, obj.index)->entry;
    const crdti_entry *entry = at ? crdti_entry_at(obj.doc, at) : NULL;
    if (!entry)
        return;
    l->above = entry->object;
    if (crdti_object_at(obj.doc, l->above)->type == CRDT_LIST)
        l->stands = place_number(
            crdti_obj(obj.doc, l->above),
            crdti_element_name(obj.doc, l->above, crdti_entry_key(entry).ptr));
}

/* Where the element that the cursor has come to stands. */
static uint32_t cursor_stands(crdt_obj list, const crdt_list_cursor *cursor)
{
    return place_number(
        list, crdti_leaf_at(list.doc, cursor->leaf)->names[cursor->span] +
                  cursor->off);
}

static void put_list(reading *r, line *l, crdt_obj list)
{
    crdt_list_cursor cursor = CRDT_LIST_CURSOR_INIT;
    uint64_t hash;
    l->elements = r->elements_len;
    while (!crdt_list_next(list, &cursor)) {
        list_element *element = &r->elements[r->elements_len++];
        line read;
        memset(&read, 0, sizeof read);
        put_value(&read, &cursor.value);
        memcpy(element->value, read.value, sizeof read.value);
        element->stands = cursor_stands(list, &cursor);
    }
    l->elements_len = r->elements_len - l->elements;
    hash = crdti_hash((const uint8_t *)(r->elements + l->elements),
                      l->elements_len * sizeof *r->elements, 0);
    put_bytes(l->value, sizeof l->value, &l->value_len, &hash, sizeof hash);
}

static void read_list_objects(reading *r, crdt_obj list)
{
    crdt_list_cursor cursor = CRDT_LIST_CURSOR_INIT;
    while (!crdt_list_next(list, &cursor))
        if (cursor.value.kind == CRDT_OBJECT)
            read_object(r, cursor.value.as.object);
}

static void read_map_lines(reading *r, crdt_obj map)
{
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    while (!crdt_map_next(map, &cursor)) {
        put_value(put_line(r, map, cursor.key), &cursor.value);
        if (cursor.value.kind == CRDT_OBJECT)
            read_object(r, cursor.value.as.object);
    }
}

static void read_set_lines(reading *r, crdt_obj set)
{
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    while (!crdt_set_next(set, &cursor)) {
        crdti_element element;
        if (crdti_element_encode(&cursor.value, &element))
            exit(1);
        put_line(r, set, crdti_element_key(&element));
    }
}

static void read_object(reading *r, crdt_obj obj)
{
    crdt_type type = crdt_type_of(obj);
    crdt_value value = crdt_int(0);
    crdt_err err = CRDT_OK;
    if (type == CRDT_MAP)
        read_map_lines(r, obj);
    else if (CRDTI_SETS >> type & 1)
        read_set_lines(r, obj);
    else if (type == CRDT_REGISTER)
        err = crdt_register_get(obj, &value);
    else if (type == CRDT_MAX)
        err = crdt_max_get(obj, &value);
    else if (type == CRDT_MIN)
        err = crdt_min_get(obj, &value);
    else if (type == CRDT_BOUNDED)
        (void)crdt_bounded_get(obj, &value.as.integer);
    else if (type == CRDT_COUNTER || type == CRDT_GCOUNTER)
        (void)crdt_counter_get(obj, &value.as.integer);
    else if (type == CRDT_LIST)
        read_list_objects(r, obj);
    else if (type != CRDT_TEXT) {
        int on = 0;
        (void)crdt_flag_get(obj, &on);
        value = crdt_bool(on);
    }
    /* An object that has nothing has a line too: that it is there. */
    put_stand(put_line(r, obj, crdt_bytes_of(NULL, 0)), obj);
    if (type == CRDT_TEXT)
        put_text(r, &r->lines[r->len - 1], obj);
    else if (type == CRDT_LIST)
        put_list(r, &r->lines[r->len - 1], obj);
    else if (type != CRDT_MAP && !(CRDTI_SETS >> type & 1) && !err)
        put_value(&r->lines[r->len - 1], &value);
    r->lines[r->len - 1].key_len = SIZE_MAX; /* is no key */
}

/* >>comparing ------------------------------------------------------------- */

static line *find_line(reading *r, uint32_t object, const uint8_t *key,
                       size_t key_len)
{
    size_t i;
    for (i = 0; i < r->len; i++) {
        line *l = &r->lines[i];
        if (l->object == object && l->key_len == key_len &&
            (key_len == SIZE_MAX || !memcmp(l->key, key, key_len)))
            return l;
    }
    return NULL;
}

static int same_line(const line *a, const line *b)
{
    return a->value_len == b->value_len &&
           !memcmp(a->value, b->value, a->value_len);
}

static int value_is(const line *l, const crdt_value *value)
{
    line other;
    memset(&other, 0, sizeof other);
    put_value(&other, value);
    return same_line(l, &other);
}

static int is_one_value(const crdt_patch *p)
{
    crdt_type type = crdt_type_of(p->object);
    return type != CRDT_MAP && !(CRDTI_SETS >> type & 1);
}

/* The lines that the patch is about; either may be missing. */
static void lines_of(watcher *x, const crdt_patch *p, line **before,
                     line **now)
{
    crdti_element element;
    const uint8_t *key = p->key.ptr;
    size_t len = is_one_value(p) ? SIZE_MAX : p->key.len;
    if (p->kind == CRDT_PATCH_ADD || p->kind == CRDT_PATCH_DROP) {
        const crdt_value *value =
            p->kind == CRDT_PATCH_ADD ? &p->now : &p->before;
        if (crdti_element_encode(value, &element))
            exit(1);
        key = element.bytes;
        len = element.len;
    }
    *before = find_line(&x->before, p->object.index, key, len);
    *now = find_line(&x->now, p->object.index, key, len);
}

/* Whether so many bytes are as wide as the step says. */
static int step_is(const crdt_step *step, const uint8_t *at)
{
    size_t bytes = 0, chars = 0, utf16 = 0;
    for (; bytes < step->bytes; chars++) {
        uint32_t code;
        bytes += text_take(at + bytes, &code);
        utf16 += code < 0x10000 ? 1 : 2;
    }
    return bytes > 0 && bytes == step->bytes && chars == step->chars &&
           utf16 == step->utf16;
}

/* Neither leaves work to the one before it. Only insertions of several pieces
 * stand side by side, as each is borrowed from where it is kept. */
static int step_is_needed(const crdt_step *step, const crdt_step *before)
{
    if (before->kind != step->kind)
        return 1;
    return step->kind == CRDT_STEP_INSERT &&
           before->text.ptr + before->text.len != step->text.ptr;
}

static int stands_in(const reading *r, const line *l, uint32_t name)
{
    size_t i;
    for (i = 0; i < l->elements_len; i++)
        if (r->elements[l->elements + i].stands == name)
            return 1;
    return 0;
}

/* What stays stands where it stood, and is the same or set; nothing stood
 * where one was inserted, or stands where one was deleted. */
static void check_element(watcher *x, crdt_step_kind kind,
                          const list_element *from, const list_element *to,
                          const line *before, const line *now)
{
    world *w = x->w;
    if (kind == CRDT_STEP_INSERT)
        EXPECT(!stands_in(&x->before, before, to->stands));
    else if (kind == CRDT_STEP_DELETE)
        EXPECT(!stands_in(&x->now, now, from->stands));
    else
        EXPECT(from->stands == to->stands &&
               (kind == CRDT_STEP_SET) ==
                   (memcmp(from->value, to->value, sizeof to->value) != 0));
}

/* The same of a list. */
static void check_list_steps(watcher *x, const crdt_patch *p,
                             const line *before, const line *now)
{
    world *w = x->w;
    const list_element *from = x->before.elements + before->elements;
    const list_element *to = x->now.elements + now->elements;
    size_t old = before->elements_len, new_ = now->elements_len, i, n;
    EXPECT(p->steps_len > 0);
    for (i = 0; i < p->steps_len && !w->wrong; i++) {
        const crdt_step *step = &p->steps[i];
        size_t gone = step->kind == CRDT_STEP_INSERT ? 0 : step->chars;
        size_t came = step->kind == CRDT_STEP_DELETE ? 0 : step->chars;
        EXPECT(step->chars && gone <= old && came <= new_);
        EXPECT(i == 0 || step[-1].kind != step->kind);
        for (n = 0; n < step->chars && !w->wrong; n++)
            check_element(x, step->kind, from + n, to + n, before, now);
        from += gone;
        old -= gone;
        to += came;
        new_ -= came;
    }
    EXPECT(w->wrong || p->steps[i - 1].kind != CRDT_STEP_RETAIN);
    EXPECT(w->wrong || (old == new_ && !memcmp(from, to, old * sizeof *from)));
}

/* The steps lead from what was read to what is read. */
static void check_steps(watcher *x, const crdt_patch *p, const line *before,
                        const line *now)
{
    world *w = x->w;
    const uint8_t *from = x->before.texts + before->text;
    const uint8_t *to = x->now.texts + now->text;
    size_t old = before->text_len, new_ = now->text_len, i;
    EXPECT(p->steps_len > 0);
    for (i = 0; i < p->steps_len && !w->wrong; i++) {
        const crdt_step *step = &p->steps[i];
        size_t gone = step->kind == CRDT_STEP_INSERT ? 0 : step->bytes;
        size_t came = step->kind == CRDT_STEP_DELETE ? 0 : step->bytes;
        EXPECT(gone <= old && came <= new_);
        if (w->wrong)
            return;
        EXPECT(step_is(step, gone ? from : to));
        EXPECT(i == 0 || step_is_needed(step, step - 1));
        EXPECT(!gone || !came || !memcmp(from, to, came));
        EXPECT(step->kind != CRDT_STEP_INSERT ||
               crdt_bytes_equal(step->text, crdt_bytes_of(to, came)));
        from += gone;
        old -= gone;
        to += came;
        new_ -= came;
    }
    EXPECT(w->wrong || p->steps[i - 1].kind != CRDT_STEP_RETAIN);
    EXPECT(w->wrong || (old == new_ && !memcmp(from, to, old)));
}

static void check_patch(watcher *x, const crdt_patch *p)
{
    world *w = x->w;
    line *before, *now;
    crdt_value at;
    crdt_id self = crdt_doc_replica(x->doc);
    lines_of(x, p, &before, &now);
    EXPECT(p->kind != CRDT_PATCH_LOST);
    EXPECT(!crdt_at(x->doc, p->path, &at) && at.kind == CRDT_OBJECT &&
           at.as.object.index == p->object.index);
    EXPECT(before || now);
    if (before)
        before->is_told++;
    if (now)
        now->is_told++;
    if (p->kind == CRDT_PATCH_PUT)
        EXPECT(now && value_is(now, &p->now));
    EXPECT((p->kind == CRDT_PATCH_TEXT) ==
           (crdt_type_of(p->object) == CRDT_TEXT));
    EXPECT((p->kind == CRDT_PATCH_LIST) ==
           (crdt_type_of(p->object) == CRDT_LIST));
    if (p->kind == CRDT_PATCH_TEXT && before && now)
        check_steps(x, p, before, now);
    if (p->kind == CRDT_PATCH_LIST && before && now)
        check_list_steps(x, p, before, now);
    if (p->kind == CRDT_PATCH_ADD)
        EXPECT(now && !before);
    if (p->kind == CRDT_PATCH_DROP)
        EXPECT(before && !now);
    if (p->kind == CRDT_PATCH_REMOVE)
        EXPECT(is_one_value(p) ? now && !now->value_len : !now);
    if (p->had_before && p->kind <= CRDT_PATCH_REMOVE)
        EXPECT(before && value_is(before, &p->before));
    EXPECT(p->is_local == (crdt_id_compare(&p->author, &self) == 0));
}

/* Whether the object was there, and is, and what it is in stands where it did.
 */
static int in_both(watcher *x, uint32_t object)
{
    uint8_t none = 0;
    while (object) {
        const line *before = find_line(&x->before, object, &none, SIZE_MAX);
        const line *now = find_line(&x->now, object, &none, SIZE_MAX);
        if (!before || !now || before->stands != now->stands)
            return 0;
        object = now->above;
    }
    return 1;
}

/* Each line of `these` that the others have not like that was told. */
static void check_told(watcher *x, reading *these, reading *others)
{
    world *w = x->w;
    size_t i;
    for (i = 0; i < these->len; i++) {
        const line *l = &these->lines[i];
        const line *other = find_line(others, l->object, l->key, l->key_len);
        int differs = !other || !same_line(l, other);
        /* Other characters may make the same text. */
        if (differs || !l->text_len)
            EXPECT(l->is_told == (differs && in_both(x, l->object)));
    }
}

static void read_now(watcher *x)
{
    x->now.len = x->now.texts_len = x->now.elements_len = 0;
    read_object(&x->now, crdt_root(x->doc));
}

static void told(void *ctx, crdt_doc *doc, const crdt_patch *patches,
                 size_t len)
{
    watcher *x = (watcher *)ctx;
    size_t i;
    x->calls++;
    x->doc = doc;
    read_now(x);
    for (i = 0; i < len && !x->w->wrong; i++)
        check_patch(x, &patches[i]);
    check_told(x, &x->before, &x->now);
    check_told(x, &x->now, &x->before);
    for (i = 0; i < x->now.len; i++)
        x->now.lines[i].is_told = 0;
    x->before = x->now;
}

static void watch(world *w, crdt_doc *doc)
{
    watcher *x = &watchers[watchers_len++];
    if (watchers_len == MAX_WATCHERS)
        exit(1);
    x->w = w;
    x->doc = doc;
    x->calls = 0;
    read_now(x);
    x->before = x->now;
    if (crdt_doc_watch(doc, told, x))
        exit(1);
}

TEST(a_watcher_is_told_what_has_changed)
{
    uint64_t first = test_env("CRDT_SEED", 0);
    uint64_t count = test_env("CRDT_SEEDS", first ? 1 : 4000), i;
    uint64_t calls = 0;
    world *w = world_new();
    w->made = watch;
    for (i = 0; i < count; i++) {
        const char *wrong;
        watchers_len = 0;
        wrong = run_seed(w, first + i, 0);
        while (watchers_len > 0)
            calls += watchers[--watchers_len].calls;
        if (!wrong)
            continue;
        printf("%s; replay with CRDT_SEED=%llu\n", wrong,
               (unsigned long long)(first + i));
        CHECK(!wrong);
        break;
    }
    world_free(w);
    printf("%llu calls\n", (unsigned long long)calls);
    CHECK(calls > count);
}

TEST_MAIN(CASE(a_watcher_is_told_what_has_changed))
