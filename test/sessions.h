/*
 * Documents that are linked by sessions, without nodes and transports: bytes
 * lie on their way until the test delivers them, and a clock goes as it says.
 *
 *     struct side a, b;
 *     struct pair pair;
 *     side_init(&a, replica(1)), side_init(&b, replica(2));
 *     pair_up(&pair, &a, &b);
 *     ...                          // write and commit
 *     push(&pair, 0);              // a's session says what is new
 *     deliver(&pair, 0, 1);        // one frame of it arrives at b
 *     settle(&pair, 1);            // all that is left to say
 *     pair_down(&pair), side_free(&a), side_free(&b);
 */
#ifndef SESSIONS_H
#define SESSIONS_H

#include "../src/push.h"
#include "replicas.h"

/* A document, shared. */
struct side {
    crdt_doc *doc;
    crdti_shares shares;
};

/* Two sessions, and what is under way from each. */
struct pair {
    struct side *sides[2];
    crdti_session ends[2];
    crdt_buf ways[2];
    uint64_t strokes[2], deltas[2], bytes[2]; /* that were said */
    uint64_t answers[CRDTI_KNEW + 1];         /* by result */
    crdt_err err;                             /* why it is no more of use */
};

static uint64_t sessions_now = 1000;

static inline void side_init(struct side *side, crdt_doc *doc)
{
    memset(side, 0, sizeof *side);
    side->doc = doc;
    CHECK(!crdti_array_reserve(&doc->alloc, &side->shares, 1));
    crdti_share_init(&side->shares.ptr[side->shares.len++], &doc->alloc, doc,
                     CRDT_STR("d"));
}

static inline void side_free(struct side *side)
{
    CHECK_INT(side->shares.ptr->alarms, 0);
    crdti_share_free(side->shares.ptr);
    crdti_array_free(&side->doc->alloc, &side->shares);
    done(side->doc);
}

static inline void pair_up(struct pair *pair, struct side *a, struct side *b)
{
    int i;
    memset(pair, 0, sizeof *pair);
    pair->sides[0] = a;
    pair->sides[1] = b;
    for (i = 0; i < 2; i++) {
        crdti_session *s = &pair->ends[i];
        crdti_session_init(s, &pair->sides[i]->doc->alloc,
                           &pair->sides[i]->shares);
        s->self.b[0] = (uint8_t)(i + 1);
        s->nonce = (uint64_t)i + 1;
        s->is_ordered = 1;
        if (crdti_say_hello(s))
            pair->err = CRDT_ERR_NOMEM;
    }
}

static inline void pair_down(struct pair *pair)
{
    int i;
    for (i = 0; i < 2; i++) {
        crdti_session_free(&pair->ends[i]);
        crdt_buf_free(&pair->ways[i]);
    }
}

static inline crdti_track *track_of(struct pair *pair, int from)
{
    return &pair->ends[from].tracks.ptr[0];
}

/* Counts what the frames are. */
static inline void look_at_frames(struct pair *pair, int from,
                                  crdt_bytes bytes)
{
    crdti_frame frame;
    pair->bytes[from] += bytes.len;
    while (!crdti_frame_get(bytes, SIZE_MAX, &frame, NULL)) {
        pair->strokes[from] += frame.kind == CRDTI_STROKES;
        pair->deltas[from] += frame.kind == CRDTI_UPDATE;
        if (frame.kind == CRDTI_ANSWER)
            pair->answers[frame.payload.ptr[frame.payload.len - 1]]++;
        bytes = crdt_bytes_of(bytes.ptr + frame.size, bytes.len - frame.size);
    }
}

/* One end says what it has to say. Whether it said anything. */
static inline int push(struct pair *pair, int from)
{
    crdti_session *s = &pair->ends[from];
    crdt_err err =
        pair->err ? pair->err : crdti_session_push(s, 32768, sessions_now);
    crdti_writer w;
    CHECK(!err || err == CRDT_ERR_NOMEM);
    if (!s->out.len || pair->err)
        return 0;
    look_at_frames(pair, from, crdt_buf_bytes(&s->out));
    crdti_writer_init(&w, &pair->ways[from]);
    crdti_put_raw(&w, crdt_buf_bytes(&s->out));
    s->out.len = 0;
    return 1;
}

/* The frame that is next to arrive from there. */
static inline crdti_frame next_frame(const struct pair *pair, int from)
{
    crdti_frame frame;
    memset(&frame, 0, sizeof frame);
    (void)crdti_frame_get(crdt_buf_bytes(&pair->ways[from]), SIZE_MAX, &frame,
                          NULL);
    return frame;
}

/* The next frames arrive, `most` at most. Whether any did. */
static inline int deliver(struct pair *pair, int from, size_t most)
{
    crdt_buf *way = &pair->ways[from];
    uint64_t frames = 0;
    int any = way->len > 0;
    for (; way->len && most > 0 && !pair->err; most--) {
        crdti_frame frame = next_frame(pair, from);
        pair->err = crdti_session_receive(&pair->ends[!from],
                                          crdt_bytes_of(way->ptr, frame.size),
                                          sessions_now, &frames);
        memmove(way->ptr, way->ptr + frame.size, way->len - frame.size);
        way->len -= frame.size;
    }
    return any;
}

/* Until nobody has more to say, however long that takes. */
static inline void settle(struct pair *pairs, size_t count)
{
    int idle = 0, rounds = 0, from;
    size_t i;
    while (idle < 2 && rounds++ < 1000) {
        int busy = 0;
        for (i = 0; i < count; i++)
            for (from = 0; from < 2; from++) {
                busy |= push(&pairs[i], from);
                busy |= deliver(&pairs[i], from, SIZE_MAX);
            }
        idle = busy ? 0 : idle + 1;
        if (busy)
            continue;
        sessions_now += CRDTI_REFUSED_MS;
        for (i = 0; i < count; i++)
            for (from = 0; from < 2; from++)
                CHECK(!crdti_session_retry(&pairs[i].ends[from], 1,
                                           sessions_now));
    }
    CHECK(rounds < 1000);
}

/* All is said, and both have the same. */
static inline int is_settled(struct pair *pair)
{
    settle(pair, 1);
    return !pair->err && same(pair->sides[0]->doc, pair->sides[1]->doc) &&
           crdti_session_is_synced(&pair->ends[0]) &&
           crdti_session_is_synced(&pair->ends[1]);
}

#endif
