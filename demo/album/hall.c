#include "../common/posix.h"

#include "server.h"
#include "../common/key.h"
#include "../common/text.h"
#include "../common/ticks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Said alike of albums that there are not, so that nobody can ask which there
 * are. */
#define NO_ALBUM "there is no such album, or you are no member of it"

/* >>open albums ----------------------------------------------------------- */

static hall *find(server *s, const char *id)
{
    size_t i;
    for (i = 0; i < s->halls_count; i++)
        if (strcmp(s->halls[i]->row.id, id) == 0)
            return s->halls[i];
    return NULL;
}

static int is_empty(const server *s, const hall *h)
{
    size_t i;
    for (i = 0; i < s->conns_count; i++)
        if (s->conns[i]->in == h)
            return 0;
    return 1;
}

static void shut(server *s, size_t index)
{
    replica_close(&s->halls[index]->r);
    free(s->halls[index]);
    s->halls[index] = s->halls[--s->halls_count];
}

/* Of an album that speaks to nobody; `dir` is where its store is. */
static replica_wish wish_of(const server *s, const album_row *row,
                            char dir[400])
{
    replica_wish wish;
    snprintf(dir, 400, "%.300s/albums", s->dir);
    mkdir(dir, 0700);
    snprintf(dir, 400, "%.300s/albums/%s", s->dir, row->id);
    memset(&wish, 0, sizeof wish);
    wish.id = row->id;
    wish.user = s->name;
    wish.dir = dir;
    wish.log = &s->log;
    return wish;
}

/* HOST of the server's own address, and the port of before if it is free. */
static crdt_err open_replica(const server *s, hall *h, char *why, size_t size)
{
    char listen[160], dir[400];
    replica_wish wish = wish_of(s, &h->row, dir);
    crdt_err err;
    text_at_port(listen, sizeof listen, s->listen, (unsigned)h->row.port);
    wish.key = h->row.key;
    wish.transport = s->transport;
    wish.listen = listen;
    err = replica_open(&h->r, &wish, why, size);
    if (!err || !h->row.port)
        return err;
    text_at_port(listen, sizeof listen, s->listen, 0);
    return replica_open(&h->r, &wish, why, size);
}

/* When all places are taken, an album that nobody is in makes room. */
static int make_room(server *s)
{
    size_t i;
    if (s->halls_count < HALLS_MAX)
        return 1;
    for (i = 0; i < s->halls_count; i++)
        if (is_empty(s, s->halls[i])) {
            shut(s, i);
            return 1;
        }
    return 0;
}

static hall *open_row(server *s, const album_row *row, char *why, size_t size)
{
    hall *h = find(s, row->id);
    if (h)
        return h;
    if (!make_room(s)) {
        snprintf(why, size, "too many albums are open: try again later");
        return NULL;
    }
    h = (hall *)calloc(1, sizeof *h);
    if (!h) {
        snprintf(why, size, "no memory");
        return NULL;
    }
    h->row = *row;
    if (open_replica(s, h, why, size)) {
        free(h);
        return NULL;
    }
    h->empty_ms = ticks_ms();
    h->row.port = network_port(&h->r.net);
    if (h->row.port != row->port)
        accounts_set_port(s->people, row->id, h->row.port);
    s->halls[s->halls_count++] = h;
    return h;
}

hall *hall_open(server *s, const char *name, char *why, size_t size)
{
    album_row row;
    if (accounts_album(s->people, name, &row) != 1) {
        snprintf(why, size, "there is no album %s", name);
        return NULL;
    }
    return open_row(s, &row, why, size);
}

void hall_step(server *s)
{
    uint64_t now = ticks_ms();
    size_t i;
    for (i = s->halls_count; i-- > 0;) {
        hall *h = s->halls[i];
        crdt_node_poll(h->r.node, 0);
        if (!is_empty(s, h))
            h->empty_ms = now;
        if (now - h->empty_ms >= HALL_IDLE_MS)
            shut(s, i);
    }
}

void hall_close(server *s)
{
    while (s->halls_count)
        shut(s, s->halls_count - 1);
}

/* >>what is in them ------------------------------------------------------- */

static crdt_err count_files(crdt_doc *doc, census *to)
{
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    album_file file;
    chunk_hash hash;
    crdt_err err;
    while (!(err = album_next_file(doc, &cursor, &file)))
        if (chunk_from_hex(&hash, file.hash))
            census_file_is(to, &hash, (uint64_t)file.size);
    return err == CRDT_ERR_NOT_FOUND ? CRDT_OK : err;
}

/* Of one that is not open here. */
static int count_closed(server *s, const album_row *row, census *to)
{
    char dir[400], why[300];
    replica_wish wish = wish_of(s, row, dir);
    replica r;
    cJSON *event;
    if (!replica_open(&r, &wish, why, sizeof why)) {
        crdt_err err = count_files(r.doc, to);
        replica_close(&r);
        return err ? -1 : 1;
    }
    event = say_event(&s->say, "not_counted");
    json_text(event, "album", row->name);
    json_text(event, "why", why);
    say_notice(&s->say, event,
               "nothing is deleted from data servers: album %s: %s", row->name,
               why);
    return -1;
}

/* The one that comes after s->counted, by name. */
static int count_after(server *s, census *to)
{
    album_row row;
    hall *h;
    int found = accounts_next_album(s->people, s->counted, &row);
    if (found < 1)
        return found;
    snprintf(s->counted, sizeof s->counted, "%s", row.name);
    h = find(s, row.id);
    if (!h)
        return count_closed(s, &row, to);
    return count_files(h->r.doc, to) ? -1 : 1;
}

/* However a count ends, the next begins with the first: behind one that cannot
 * be read it would be taken for whole. */
int hall_count_next(void *ctx, census *to)
{
    server *s = (server *)ctx;
    int answer = count_after(s, to);
    if (answer < 1)
        *s->counted = 0;
    return answer;
}

/* >>who is in ------------------------------------------------------------- */

/* To all that are in, but for one. Takes the event. */
static void tell_others(server *s, const hall *h, const conn *but,
                        cJSON *event)
{
    size_t i;
    for (i = 0; i < s->conns_count; i++)
        if (s->conns[i]->in == h && s->conns[i] != but && *s->conns[i]->at)
            desk_tell(s->conns[i], cJSON_Duplicate(event, 1));
    cJSON_Delete(event);
}

static cJSON *about(const char *name, const hall *h, const char *user)
{
    cJSON *event = desk_event(name);
    json_text(event, "album", h->row.name);
    json_text(event, "user", user);
    return event;
}

void hall_out(server *s, conn *c, const char *why)
{
    cJSON *event;
    hall *h = c->in;
    if (!h)
        return;
    c->in = NULL;
    if (!*c->at)
        return;
    *c->at = 0;
    event = about("left", h, c->user);
    json_text(event, "why", why);
    tell_others(s, h, c, event);
}

static void add_key(cJSON *to, const hall *h)
{
    char key[KEY_TEXT];
    key_text(key, h->row.key);
    json_text(to, "key", key);
    json_int64(to, "epoch", h->row.epoch);
}

/* >>asking ---------------------------------------------------------------- */

/* The album that is asked for, if c is a member; else it is refused. */
static int asked_for(server *s, conn *c, const cJSON *request, album_row *row)
{
    const char *name = json_get_text(request, "album");
    if (name && accounts_album(s->people, name, row) == 1 &&
        accounts_is_member(s->people, row->id, c->user) == 1)
        return 1;
    desk_refuse(c, request, NO_ALBUM);
    return 0;
}

/* The same, and open. */
static hall *asked_hall(server *s, conn *c, const cJSON *request)
{
    album_row row;
    char why[300];
    hall *h;
    if (!asked_for(s, c, request, &row))
        return NULL;
    h = open_row(s, &row, why, sizeof why);
    if (!h)
        desk_refuse(c, request, why);
    return h;
}

void hall_create(server *s, conn *c, const cJSON *request)
{
    const char *name = json_get_text(request, "album");
    album_row row;
    char why[300];
    hall *h;
    int made;
    if (!name || !album_good_name(name)) {
        desk_refuse(c, request,
                    "a name has 1 to 32 letters, digits, - _ or .");
        return;
    }
    made = accounts_add_album(s->people, name, c->user, &row);
    h = made == 1 ? open_row(s, &row, why, sizeof why) : NULL;
    if (h && !album_set_name(h->r.doc, row.name) &&
        !album_add_member(h->r.doc, c->user)) {
        desk_answer(c, request, NULL);
        return;
    }
    desk_refuse(c, request,
                made == 0  ? "that name is taken, or you have too many"
                : made < 0 ? accounts_why(s->people)
                           : why);
}

static void add_name(void *ctx, const char *name)
{
    cJSON_AddItemToArray((cJSON *)ctx, cJSON_CreateString(name));
}

void hall_list(server *s, conn *c, const cJSON *request)
{
    cJSON *answer = cJSON_CreateObject();
    accounts_albums(s->people, c->user, add_name,
                    cJSON_AddArrayToObject(answer, "albums"));
    desk_answer(c, request, answer);
}

void hall_members(server *s, conn *c, const cJSON *request)
{
    cJSON *answer, *in;
    album_row row;
    size_t i;
    if (!asked_for(s, c, request, &row))
        return;
    answer = cJSON_CreateObject();
    json_text(answer, "owner", row.owner);
    accounts_members(s->people, row.id, add_name,
                     cJSON_AddArrayToObject(answer, "members"));
    in = cJSON_AddArrayToObject(answer, "present");
    for (i = 0; i < s->conns_count; i++)
        if (s->conns[i]->in && strcmp(s->conns[i]->in->row.id, row.id) == 0)
            add_name(in, s->conns[i]->user);
    desk_answer(c, request, answer);
}

void hall_enter(server *s, conn *c, const cJSON *request)
{
    hall *h = asked_hall(s, c, request);
    cJSON *answer;
    if (!h)
        return;
    hall_out(s, c, "left");
    c->in = h;
    answer = cJSON_CreateObject();
    json_text(answer, "album", h->row.name);
    json_text(answer, "album_id", h->row.id);
    add_key(answer, h);
    json_number(answer, "port", (double)h->row.port);
    desk_answer(c, request, answer);
}

/* "HOST:PORT" as the client says, or the port at the address that it has. */
static void note_address(conn *c, const cJSON *request)
{
    const char *at = json_get_text(request, "address");
    double port = json_get_number(request, "port");
    if (at && strlen(at) < sizeof c->at)
        snprintf(c->at, sizeof c->at, "%s", at);
    else if (port >= 1 && port <= 65535)
        snprintf(c->at, sizeof c->at, "%.80s:%u", c->host, (unsigned)port);
}

/* The client listens: it hears who is there, and they hear of it. */
void hall_here(server *s, conn *c, const cJSON *request)
{
    cJSON *answer, *list, *event;
    size_t i;
    note_address(c, request);
    if (!c->in || !*c->at) {
        desk_refuse(c, request, "enter an album first");
        return;
    }
    answer = cJSON_CreateObject();
    add_key(answer, c->in); /* it may be another since c entered */
    list = cJSON_AddArrayToObject(answer, "peers");
    for (i = 0; i < s->conns_count; i++)
        if (s->conns[i]->in == c->in && s->conns[i] != c && *s->conns[i]->at)
            add_name(list, s->conns[i]->at);
    desk_answer(c, request, answer);
    event = about("came", c->in, c->user);
    json_text(event, "address", c->at);
    tell_others(s, c->in, c, event);
}

void hall_leave(server *s, conn *c, const cJSON *request)
{
    hall_out(s, c, "left");
    desk_answer(c, request, NULL);
}

/* >>members --------------------------------------------------------------- */

void hall_add(server *s, conn *c, const cJSON *request)
{
    const char *user = json_get_text(request, "user");
    hall *h = asked_hall(s, c, request);
    int added;
    conn *other;
    if (!h)
        return;
    if (!user || accounts_has_user(s->people, user) != 1) {
        desk_refuse(c, request, "there is no user of that name");
        return;
    }
    added = accounts_add_member(s->people, h->row.id, user);
    if (added < 1 || album_add_member(h->r.doc, user)) {
        desk_refuse(c, request,
                    added ? "the server cannot write that"
                          : "that is a member already");
        return;
    }
    other = desk_find(s, user);
    if (other)
        desk_tell(other, about("added", h, c->user));
    desk_answer(c, request, NULL);
}

/* Who is left has a new key before anything new is written. */
static void rekey(server *s, hall *h)
{
    cJSON *event;
    accounts_rekey(s->people, &h->row);
    event = about("key", h, "");
    add_key(event, h);
    tell_others(s, h, NULL, event);
    network_rekey(&h->r.net, h->row.key);
}

static void put_out(server *s, hall *h, const char *user)
{
    conn *other = desk_find(s, user);
    if (other)
        desk_tell(other, about("removed", h, user));
    if (other && other->in == h)
        hall_out(s, other, "is no member any more");
    rekey(s, h);
}

void hall_remove(server *s, conn *c, const cJSON *request)
{
    const char *user = json_get_text(request, "user");
    hall *h = asked_hall(s, c, request);
    int removed;
    if (!h)
        return;
    if (!user ||
        (strcmp(c->user, h->row.owner) != 0 && strcmp(c->user, user) != 0)) {
        desk_refuse(c, request,
                    "only who made the album removes others from it");
        return;
    }
    if (strcmp(user, h->row.owner) == 0) {
        desk_refuse(c, request, "who made the album stays in it");
        return;
    }
    removed = accounts_remove_member(s->people, h->row.id, user);
    if (removed < 1) {
        desk_refuse(c, request,
                    removed ? accounts_why(s->people) : "that is no member");
        return;
    }
    put_out(s, h, user);
    (void)album_remove_member(h->r.doc, user);
    desk_answer(c, request, NULL);
}
