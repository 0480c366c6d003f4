/*
 * The album's document: what two users find who did any two things at once.
 * docs/album.md has the same table for people.
 */
#include "../test.h"

#define CRDTSYNC_IMPLEMENTATION
#include "crdtsync.h"

#include "../../demo/album/album.c"

#define X "00000000000000aa"
#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* >>reading --------------------------------------------------------------- */

static void put(char *out, const char *form, const char *text, size_t len)
{
    size_t used = strlen(out);
    snprintf(out + used, 400 - used, form, (int)len, text);
}

static void put_bytes(char *out, const char *form, crdt_bytes text)
{
    put(out, form, (const char *)text.ptr, text.len);
}

static void put_files(crdt_doc *doc, char *out)
{
    crdt_cursor cursor = CRDT_CURSOR_INIT, votes;
    album_file file;
    crdt_bytes user;
    int64_t stars;
    while (album_next_file(doc, &cursor, &file) == CRDT_OK) {
        crdt_cursor begin = CRDT_CURSOR_INIT;
        votes = begin;
        put_bytes(out, "%.*s", file.name);
        put_bytes(out, "@%.*s", file.author);
        while (album_next_vote(doc, file.id, &votes, &user, &stars) ==
               CRDT_OK) {
            char digit = (char)('0' + stars);
            put_bytes(out, "+%.*s", user);
            put(out, "%.*s", &digit, 1);
        }
        put(out, "%.*s", " ", 1);
    }
}

/* "ana ben | x.jpg@ana+ben4 | hello" */
static const char *album_text(crdt_doc *doc, char out[400])
{
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    crdt_bytes user;
    album_message message;
    size_t i;
    *out = 0;
    while (album_next_member(doc, &cursor, &user) == CRDT_OK)
        put_bytes(out, "%.*s ", user);
    put(out, "%.*s", "| ", 2);
    put_files(doc, out);
    put(out, "%.*s", "|", 1);
    for (i = 0; album_chat_get(doc, i, &message) == CRDT_OK; i++)
        put_bytes(out, " %.*s", message.text);
    return out;
}

/* >>what a user does ------------------------------------------------------ */

typedef struct user {
    crdt_doc *doc;
    const char *name;
    const char *id; /* of what it adds */
    crdt_bytes word;
} user;

static crdt_err add(const user *u, const char *id, const char *name)
{
    album_file file;
    memset(&file, 0, sizeof file);
    memcpy(file.id, id, ALBUM_ID_LEN);
    memcpy(file.hash, HASH, ALBUM_HASH_LEN);
    file.name = crdt_str(name);
    file.author = crdt_str(u->name);
    file.size = 100;
    return album_add_file(u->doc, &file);
}

static crdt_err add_user(const user *u)
{
    return album_add_member(u->doc, "cleo");
}

static crdt_err remove_user(const user *u)
{
    return album_remove_member(u->doc, "cleo");
}

/* Out and in again: of what one has seen. */
static crdt_err readd_user(const user *u)
{
    crdt_err err = album_remove_member(u->doc, "cleo");
    return err ? err : album_add_member(u->doc, "cleo");
}

static crdt_err add_file(const user *u)
{
    return add(u, u->id, "y.jpg");
}

static crdt_err remove_file(const user *u)
{
    return album_remove_file(u->doc, X);
}

static crdt_err rate_file(const user *u)
{
    return album_rate(u->doc, X, u->name, u->name[0] == 'a' ? 1 : 4);
}

static crdt_err chat(const user *u)
{
    return album_say(u->doc, u->name, u->word, 1);
}

/* >>meeting --------------------------------------------------------------- */

static void bring(crdt_doc *from, crdt_doc *to)
{
    crdt_buf news = CRDT_BUF_INIT;
    crdt_vv vv = CRDT_VV_INIT;
    CHECK_INT(crdt_doc_vv(to, &vv), CRDT_OK);
    CHECK_INT(crdt_delta(from, &vv, &news), CRDT_OK);
    CHECK_INT(crdt_join(to, crdt_buf_bytes(&news)), CRDT_OK);
    crdt_buf_free(&news);
    crdt_vv_free(&vv);
}

static void meet(const user *a, const user *b)
{
    crdt_digest x, y;
    char left[400], right[400];
    bring(a->doc, b->doc);
    bring(b->doc, a->doc);
    x = crdt_doc_digest(a->doc);
    y = crdt_doc_digest(b->doc);
    CHECK(x.hi == y.hi && x.lo == y.lo);
    CHECK_STR(album_text(a->doc, left), album_text(b->doc, right));
}

/* ana and ben, who both see cleo, a file and a word. */
static void begin(user *a, user *b)
{
    a->name = "ana";
    a->id = "00000000000000bb";
    a->word = CRDT_STR("A");
    b->name = "ben";
    b->id = "00000000000000cc";
    b->word = CRDT_STR("B");
    CHECK_INT(crdt_doc_new(&a->doc, NULL), CRDT_OK);
    CHECK_INT(crdt_doc_new(&b->doc, NULL), CRDT_OK);
    CHECK_INT(album_set_name(a->doc, "trip"), CRDT_OK);
    CHECK_INT(album_add_member(a->doc, "ana"), CRDT_OK);
    CHECK_INT(album_add_member(a->doc, "cleo"), CRDT_OK);
    CHECK_INT(add(a, X, "x.jpg"), CRDT_OK);
    CHECK_INT(album_say(a->doc, "ana", CRDT_STR("hi"), 1), CRDT_OK);
    meet(a, b);
}

static void end(user *a, user *b)
{
    crdt_doc_free(a->doc);
    crdt_doc_free(b->doc);
}

/* >>pairs ----------------------------------------------------------------- */

typedef crdt_err deed(const user *u);
typedef struct pair {
    deed *first, *second;
    const char *outcome;
} pair;

static const pair pairs[] = {
    { add_user, add_user, "ana cleo | x.jpg@ana | hi" },
    { add_user, remove_user, "ana | x.jpg@ana | hi" },
    { readd_user, remove_user, "ana | x.jpg@ana | hi" },
    { add_user, add_file, "ana cleo | x.jpg@ana y.jpg@ben | hi" },
    { add_user, remove_file, "ana cleo | | hi" },
    { add_user, rate_file, "ana cleo | x.jpg@ana+ben4 | hi" },
    { add_user, chat, "ana cleo | x.jpg@ana | hi B" },
    { remove_user, remove_user, "ana | x.jpg@ana | hi" },
    { remove_user, add_file, "ana | x.jpg@ana y.jpg@ben | hi" },
    { remove_user, remove_file, "ana | | hi" },
    { remove_user, rate_file, "ana | x.jpg@ana+ben4 | hi" },
    { remove_user, chat, "ana | x.jpg@ana | hi B" },
    { add_file, add_file, "ana cleo | x.jpg@ana y.jpg@ana y.jpg@ben | hi" },
    { add_file, remove_file, "ana cleo | y.jpg@ana | hi" },
    { add_file, rate_file, "ana cleo | x.jpg@ana+ben4 y.jpg@ana | hi" },
    { add_file, chat, "ana cleo | x.jpg@ana y.jpg@ana | hi B" },
    { remove_file, remove_file, "ana cleo | | hi" },
    { remove_file, rate_file, "ana cleo | | hi" },
    { remove_file, chat, "ana cleo | | hi B" },
    { rate_file, rate_file, "ana cleo | x.jpg@ana+ana1+ben4 | hi" },
    { rate_file, chat, "ana cleo | x.jpg@ana+ana1 | hi B" },
};

/* Each of the two does either: which of them has the lower replica id is
 * chance, so some rounds see both. */
TEST(each_pair)
{
    size_t i, round;
    for (i = 0; i < 8 * (sizeof pairs / sizeof *pairs); i++) {
        const pair *p = &pairs[i / 8];
        user a, b;
        char text[400];
        round = i % 8;
        begin(&a, &b);
        CHECK_INT(round % 2 ? p->second(&b) : p->first(&a), CRDT_OK);
        CHECK_INT(round % 2 ? p->first(&a) : p->second(&b), CRDT_OK);
        meet(&a, &b);
        CHECK_STR(album_text(a.doc, text), p->outcome);
        end(&a, &b);
    }
}

/* Of two things said at once either may come first, at all alike; an answer
 * comes behind what it answers, whoever hears of it first. */
TEST(chats)
{
    user a, b;
    char text[400];
    const char *said;
    int i;
    for (i = 0; i < 16; i++) {
        begin(&a, &b);
        CHECK_INT(chat(&a), CRDT_OK);
        CHECK_INT(chat(&b), CRDT_OK);
        meet(&a, &b);
        said = strstr(album_text(a.doc, text), "hi");
        CHECK(!strcmp(said, "hi A B") || !strcmp(said, "hi B A"));
        b.word = CRDT_STR("answer");
        CHECK_INT(chat(&b), CRDT_OK);
        CHECK_INT(album_say(a.doc, "ana", CRDT_STR("next"), 1), CRDT_OK);
        CHECK_INT(album_say(a.doc, "ana", CRDT_STR("last"), 1), CRDT_OK);
        meet(&a, &b);
        said = strstr(album_text(a.doc, text), "hi");
        CHECK(strstr(said, "answer") > strstr(said, "A"));
        CHECK(strstr(said, "answer") > strstr(said, "B"));
        CHECK(strstr(said, "next last") != NULL);
        end(&a, &b);
    }
}

/* One user at two devices: the later vote, whoever hears of it last. */
static uint64_t clock_ms;

static uint64_t tell_ms(void *ctx)
{
    (void)ctx;
    return clock_ms;
}

TEST(votes_of_two_devices)
{
    crdt_clock clock;
    crdt_config config;
    user a, b;
    char text[400];
    int i;
    memset(&config, 0, sizeof config);
    clock.version = 1;
    clock.ctx = NULL;
    clock.wall_ms = clock.mono_ms = tell_ms;
    config.clock = &clock;
    for (i = 0; i < 8; i++) {
        a.name = b.name = "ana";
        clock_ms = 1000;
        CHECK_INT(crdt_doc_new(&a.doc, &config), CRDT_OK);
        CHECK_INT(crdt_doc_new(&b.doc, &config), CRDT_OK);
        CHECK_INT(add(&a, X, "x.jpg"), CRDT_OK);
        meet(&a, &b);
        clock_ms = 3000;
        CHECK_INT(album_rate(a.doc, X, "ana", 5), CRDT_OK);
        clock_ms = 2000;
        CHECK_INT(album_rate(b.doc, X, "ana", 0), CRDT_OK);
        meet(&a, &b);
        CHECK_STR(album_text(b.doc, text), "| x.jpg@ana+ana5 |");
        end(&a, &b);
    }
}

/* >>sense ----------------------------------------------------------------- */

TEST(means)
{
    user a, b;
    album_file file;
    begin(&a, &b);
    CHECK_INT(album_rate(a.doc, X, "ana", 2), CRDT_OK);
    CHECK_INT(album_rate(b.doc, X, "ben", 5), CRDT_OK);
    CHECK_INT(album_rate(b.doc, X, "ben", 3), CRDT_OK);
    meet(&a, &b);
    CHECK_INT(album_get_file(a.doc, X, &file), CRDT_OK);
    CHECK_INT(file.votes, 2);
    CHECK_INT((int)(file.mean * 10), 25);
    end(&a, &b);
}

TEST(refused)
{
    user a, b;
    begin(&a, &b);
    CHECK_INT(album_rate(a.doc, X, "ana", 6), CRDT_ERR_ARG);
    CHECK_INT(album_rate(a.doc, X, "ana", -1), CRDT_ERR_ARG);
    CHECK_INT(album_rate(a.doc, "00000000000000ab", "ana", 1),
              CRDT_ERR_NOT_FOUND);
    CHECK_INT(album_remove_file(a.doc, "nothing"), CRDT_ERR_NOT_FOUND);
    CHECK_INT(add(&a, "00000000000000dd", "../x"), CRDT_ERR_ARG);
    CHECK_INT(add(&a, "00000000000000dd", ".."), CRDT_ERR_ARG);
    CHECK_INT(add(&a, "00000000000000dd", "a\nb"), CRDT_ERR_ARG);
    CHECK_INT(add(&a, "00000000000000DD", "fine"), CRDT_ERR_ARG);
    CHECK(album_good_name("ana-2") && !album_good_name("../ana"));
    CHECK(!album_good_name("") && !album_good_name("a b"));
    end(&a, &b);
}

/* What another program may have written: nothing of it is shown. */
TEST(nonsense)
{
    user a, b;
    char text[400];
    crdt_obj files, record, chat_list;
    begin(&a, &b);
    files = crdt_map_map(crdt_root(a.doc), CRDT_STR("files"));
    crdt_map_put_int(files, CRDT_STR("00000000000000ee"), 7);
    record = crdt_map_map(files, CRDT_STR("00000000000000ef"));
    crdt_map_put_str(record, CRDT_STR("name"), CRDT_STR("../../etc/passwd"));
    crdt_map_put_str(record, CRDT_STR("hash"), CRDT_STR(HASH));
    crdt_map_put_str(record, CRDT_STR("author"), CRDT_STR("eve"));
    crdt_map_put_int(record, CRDT_STR("size"), 1);
    crdt_map_put(record, CRDT_STR("added"), crdt_time(1));
    record = crdt_map_map(files, CRDT_STR(X));
    record = crdt_map_map(record, CRDT_STR("ratings"));
    crdt_map_put_int(record, CRDT_STR("eve"), 1000000);
    crdt_map_put_str(record, CRDT_STR("mallory"), CRDT_STR("five"));
    crdt_set_add(
        crdt_map_object(crdt_root(a.doc), CRDT_STR("members"), CRDT_RW_SET),
        crdt_int(5));
    chat_list = crdt_map_list(crdt_root(a.doc), CRDT_STR("chat"));
    crdt_list_insert(chat_list, 1, crdt_int(3));
    CHECK_INT(crdt_commit(a.doc), CRDT_OK);
    meet(&a, &b);
    CHECK_STR(album_text(b.doc, text), "ana cleo | x.jpg@ana | hi");
    CHECK_INT(crdt_map_put_int(crdt_root(a.doc), CRDT_STR("files"), 3),
              CRDT_OK);
    CHECK_INT(crdt_commit(a.doc), CRDT_OK);
    meet(&a, &b);
    CHECK_STR(album_text(b.doc, text), "ana cleo | | hi");
    end(&a, &b);
}

TEST_MAIN(CASE(each_pair), CASE(chats), CASE(votes_of_two_devices),
          CASE(means), CASE(refused), CASE(nonsense))
