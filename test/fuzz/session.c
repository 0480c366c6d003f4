/* A hostile peer, from the inside of its frames, as no fuzzer guesses a CRC:
 * (kind, length, payload) again and again; kind 31 is what is typed here
 * meanwhile, 30 what is wished of the members, and 29 a ROSTER, of which the
 * payload only makes choices: fourteen bytes a record. Whatever it says, the
 * session ends with an error or goes on, the table of members can be stored
 * and read back, and the document joins into a fresh one.
 *
 *     clang -std=c99 -O2 -g -fsanitize=fuzzer,address,undefined \
 *         test/fuzz/session.c -o build/fuzz/session
 *     build/fuzz/session test/fuzz/corpus/session
 */
#define CHECK_HONEST 0
#include "../../src/push.h"
#include "../../src/tend.h"
#include "doc.h"

enum { TYPED = 31, WISHED = 30, CHOSEN = 29, CHOICES = 14 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add_share(crdti_shares *shares, crdt_doc *doc)
{
    crdti_share *share;
    crdt_id node = fuzz_id(1);
    FUZZ_CHECK(!crdti_array_reserve(NULL, shares, 1));
    share = &shares->ptr[shares->len++];
    crdti_share_init(share, NULL, doc, CRDT_STR("d"));
    FUZZ_CHECK(!crdti_roster_enter(&share->roster, doc, &node));
}

/* >>members --------------------------------------------------------------- */

/* One of few, of which the first is ours. */
static crdt_id member_id(const crdti_share *share, uint8_t choice)
{
    return choice % 5 ? fuzz_id(choice % 5 + 1)
                      : crdti_roster_self(&share->roster)->replica;
}

static void choose_vv(const crdti_share *share, uint8_t choice, crdt_vv *vv)
{
    const crdti_member *self = crdti_roster_self(&share->roster);
    crdt_id id;
    int i;
    FUZZ_CHECK(!crdt_vv_copy(vv, &self->applied));
    for (i = 0; i < 3; i++) { /* as ours, or so much more, or nothing */
        int more = choice >> 2 * i & 3;
        id = member_id(share, (uint8_t)i);
        if (more == 3)
            FUZZ_CHECK(!crdt_vv_set(vv, &id, 0));
        else if (more)
            FUZZ_CHECK(
                !crdt_vv_set(vv, &id, crdt_vv_get(vv, &id) + (uint64_t)more));
    }
}

static void choose_ballot(const crdti_share *share, uint8_t choice,
                          crdti_ballot *ballot)
{
    const crdti_pact *own = &crdti_roster_self(&share->roster)->pact;
    *ballot = own->ballot;
    if (choice & 1)
        return;
    ballot->number = choice >> 1 & 7;
    ballot->proposer = member_id(share, choice >> 4);
}

static void choose_pact(const crdti_share *share, const uint8_t *choices,
                        crdti_pact *pact)
{
    const crdti_pact *own = &crdti_roster_self(&share->roster)->pact;
    pact->epoch = own->epoch + choices[0] % 3;
    choose_ballot(share, choices[1], &pact->ballot);
    if (pact->ballot.number) {
        pact->phase = choices[2] % 3;
        pact->is_strict = choices[2] >> 4 & 1;
        pact->lease_ms = choices[3] * 10u;
    }
    choose_ballot(share, choices[4], &pact->accepted);
    if (!pact->accepted.number)
        return;
    choose_vv(share, choices[5], &pact->cut);
    pact->is_done = choices[6] & 1;
    pact->is_exact = choices[6] >> 1 & 1;
    if (choices[6] & 4)
        pact->digest = crdt_doc_digest(share->doc);
}

/* The payload of a ROSTER with records of members that may be. */
static void choose_roster(const crdti_share *share, const uint8_t *choices,
                          size_t count, uint64_t id, crdt_buf *out)
{
    crdti_roster r;
    crdti_gossip_head head;
    crdti_writer w;
    memset(&r, 0, sizeof r);
    memset(&head, 0, sizeof head);
    FUZZ_CHECK(!crdti_array_reserve(NULL, &r.members, count));
    for (; count > 0; count--, choices += CHOICES) {
        crdti_member *m = &r.members.ptr[r.members.len++];
        crdti_member_init(m, NULL);
        m->stamp = 1;
        m->replica = member_id(share, choices[0]);
        m->node = fuzz_id(choices[1] % 4);
        m->counter = 1u + choices[2];
        m->status = choices[3] % 3;
        m->by = member_id(share, choices[3] >> 4);
        m->view = choices[4] & 1 ? share->roster.view : choices[4];
        choose_vv(share, choices[5], &m->applied);
        choose_vv(share, choices[6], &m->floor);
        choose_pact(share, choices + 7, &m->pact);
    }
    head.flags = CRDTI_GOSSIP_TELLS;
    head.to = id;
    crdti_writer_init(&w, out);
    crdti_put_varint(&w, 0);
    crdti_put_varint(&w, id << 1);
    crdti_put_gossip_head(&w, &head);
    crdti_put_table(&w, &r);
    FUZZ_CHECK(!w.err);
    crdti_roster_free(&r);
}

static crdt_err hear_chosen(crdti_session *s, crdt_bytes choices, uint64_t now)
{
    crdt_buf payload = CRDT_BUF_INIT;
    crdti_frame frame;
    size_t count = choices.len / CHOICES;
    crdt_err err;
    if (!s->shares->ptr[0].roster.members.len)
        return CRDT_OK;
    choose_roster(&s->shares->ptr[0], choices.ptr, count < 8 ? count : 8, now,
                  &payload);
    frame.kind = CRDTI_ROSTER;
    frame.payload = crdt_buf_bytes(&payload);
    frame.size = payload.len;
    err = crdti_session_hear(s, &frame, now);
    crdt_buf_free(&payload);
    return err;
}

/* A full sync, an eviction, or another replica id. */
static void wish(crdti_share *share, crdt_bytes how, uint64_t now)
{
    crdti_roster *r = &share->roster;
    size_t which;
    if (!how.len || !r->members.len)
        return;
    which = (how.ptr[0] >> 2) % r->members.len;
    if (how.ptr[0] % 4 == 3)
        FUZZ_CHECK(!crdt_doc_reincarnate(share->doc));
    else if (how.ptr[0] % 4 == 2 && which)
        crdti_roster_evict(r, &r->members.ptr[which]);
    else
        r->wanted_until = now + 400;
    r->wants_strict = how.ptr[0] & 1;
}

/* As a node does by and by. */
static void tend(crdti_share *share, uint64_t now)
{
    static const crdti_tend often = { 20, 200, 1 };
    crdt_err err;
    share->roster.awake_ms = now;
    err = crdti_tend_roster(&share->roster, share->doc, &often, 20, now);
    FUZZ_CHECK(!err || err == CRDT_ERR_FORK);
}

/* What is stored of the table is read back, by us or another incarnation. */
static void recall(const crdti_share *share)
{
    const crdti_roster *r = &share->roster;
    crdti_roster again;
    crdt_buf table = CRDT_BUF_INIT;
    crdti_writer w;
    crdt_id node = fuzz_id(7);
    size_t i, j;
    for (i = 0; i < r->members.len; i++)
        for (j = 0; j < i; j++)
            FUZZ_CHECK(!crdti_id_equal(&r->members.ptr[i].replica,
                                       &r->members.ptr[j].replica));
    if (!r->members.len)
        return;
    memset(&again, 0, sizeof again);
    crdti_writer_init(&w, &table);
    crdti_put_table(&w, r);
    FUZZ_CHECK(!w.err);
    FUZZ_CHECK(!crdti_roster_enter(&again, share->doc, &node));
    FUZZ_CHECK(!crdti_roster_load(&again, crdt_buf_bytes(&table)));
    for (i = 0; i < r->members.len; i++)
        FUZZ_CHECK(crdti_roster_find(&again, &r->members.ptr[i].replica));
    FUZZ_CHECK(crdti_roster_self(&again)->pact.epoch ==
               crdti_roster_self(r)->pact.epoch);
    crdti_roster_free(&again);
    crdt_buf_free(&table);
}

/* >>messages -------------------------------------------------------------- */

/* The next message of the input; 0 at its end. */
static int next(const uint8_t **at, size_t *left, crdti_frame *frame)
{
    size_t len;
    if (*left < 3)
        return 0;
    len = (size_t)(*at)[1] | (size_t)(*at)[2] << 8;
    frame->kind = (*at)[0] & 31;
    *at += 3;
    *left -= 3;
    len = len < *left ? len : *left;
    frame->payload = crdt_bytes_of(*at, len);
    frame->size = len;
    *at += len;
    *left -= len;
    return 1;
}

/* What is no UTF-8 deletes so much. */
static void type(crdt_doc *doc, crdt_bytes utf8)
{
    crdt_obj text = crdt_map_text(crdt_root(doc), CRDT_STR("t"));
    size_t len = crdt_text_len(text, CRDT_CHARS),
           at = utf8.len * 7 % (len + 1);
    crdt_err err = crdt_text_insert(text, CRDT_CHARS, at, utf8);
    if (err == CRDT_ERR_ARG && utf8.len < len - at)
        err = crdt_text_delete(text, CRDT_CHARS, at, utf8.len);
    FUZZ_CHECK(!crdt_commit(doc));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    crdti_shares shares = { NULL, 0, 0 };
    crdti_presences presences = { { NULL, 0, 0 }, 0, 0 };
    crdti_session session;
    crdti_frame frame;
    crdt_doc *doc = fuzz_doc();
    uint64_t now = 0;
    add_share(&shares, doc);
    crdti_session_init(&session, NULL, &shares);
    session.nonce = 1;
    session.is_ordered = !(size & 1);
    session.presences = &presences;
    FUZZ_CHECK(!crdti_say_hello(&session));
    while (next(&data, &size, &frame)) {
        now += 20;
        if (frame.kind == TYPED)
            type(doc, frame.payload);
        else if (frame.kind == WISHED)
            wish(&shares.ptr[0], frame.payload, now);
        else if (frame.kind == CHOSEN
                     ? hear_chosen(&session, frame.payload, now)
                     : crdti_session_hear(&session, &frame, now))
            break;
        tend(&shares.ptr[0], now);
        session.out.len = 0;
        FUZZ_CHECK(!crdti_session_push(&session, 1024, now));
        if (crdti_session_retry(&session, 1, now))
            break;
    }
    recall(&shares.ptr[0]);
    fuzz_sound(doc);
    fuzz_reproduces(doc);
    crdti_session_free(&session);
    crdti_array_free(NULL, &presences.all);
    crdti_share_free(&shares.ptr[0]);
    crdti_array_free(NULL, &shares);
    crdt_doc_free(doc);
    return 0;
}
