/*
 * Checksums, varints, version vectors and digests: what deltas and frames are
 * made of; and sessions for other subjects. The only one that sees the inside,
 * so that the implementation of crdtsync.h is compiled here.
 */
#define CRDTSYNC_IMPLEMENTATION
#include "bench.h"

#include "crdtsync_file.h"

#include <stdlib.h>

/* >>sessions --------------------------------------------------------------- */

struct bench_end {
    crdti_session session;
    crdti_shares shares;
    uint64_t sent;
};

struct bench_link {
    struct bench_end from, to;
};

static void link_end_init(struct bench_end *end, crdt_doc *doc, uint8_t number)
{
    bench_must(crdti_array_reserve(bench_alloc(), &end->shares, 1));
    crdti_share_init(&end->shares.ptr[end->shares.len++], bench_alloc(), doc,
                     CRDT_STR("d"));
    crdti_session_init(&end->session, bench_alloc(), &end->shares);
    end->session.self.b[0] = number;
    end->session.nonce = number;
    end->session.is_ordered = 1;
    bench_must(crdti_say_hello(&end->session));
}

static void link_end_free(struct bench_end *end)
{
    crdti_session_free(&end->session);
    crdti_share_free(end->shares.ptr);
    crdti_array_free(bench_alloc(), &end->shares);
}

/* Whether there was anything to say. */
static int link_go(struct bench_end *from, struct bench_end *to)
{
    crdt_buf *out = &from->session.out;
    uint64_t frames;
    bench_must(crdti_session_push(&from->session, CRDTSYNC_MAX_FRAME, 0));
    if (!out->len)
        return 0;
    bench_must(
        crdti_session_receive(&to->session, crdt_buf_bytes(out), 0, &frames));
    from->sent += out->len;
    out->len = 0;
    return 1;
}

struct bench_link *bench_link_new(crdt_doc *from, crdt_doc *to)
{
    struct bench_link *link =
        (struct bench_link *)bench_memory(sizeof(struct bench_link));
    crdti_zero(link, sizeof *link);
    link_end_init(&link->from, from, 1);
    link_end_init(&link->to, to, 2);
    while (link_go(&link->from, &link->to) | link_go(&link->to, &link->from))
        continue;
    link->from.sent = 0;
    return link;
}

void bench_link_send(struct bench_link *link)
{
    link_go(&link->from, &link->to);
    link_go(&link->to, &link->from);
}

uint64_t bench_link_sent(const struct bench_link *link)
{
    return link->from.sent;
}

void bench_link_free(struct bench_link *link)
{
    link_end_free(&link->from);
    link_end_free(&link->to);
    free(link);
}

/* >>crc32c ----------------------------------------------------------------- */

enum { CRC_BEST, CRC_PORTABLE };

static void bytes_setup(struct bench *b)
{
    uint8_t *bytes = (uint8_t *)bench_memory(b->n);
    size_t i;
    for (i = 0; i < b->n; i++)
        bytes[i] = (uint8_t)bench_random(b);
    b->state = bytes;
}

static void state_end(struct bench *b)
{
    free(b->state);
}

static void crc_run(struct bench *b, uint64_t ops)
{
    crdt_bytes bytes = crdt_bytes_of(b->state, b->n);
    uint32_t crc = 0;
    b->bytes = ops * b->n;
    bench_start(b);
    for (; ops > 0; ops--)
        crc = b->is->which == CRC_BEST ? crdti_crc32c(crc, bytes)
                                       : crdti_crc32c_portable(crc, bytes);
    bench_stop(b);
    bench_keep(crc);
}

/* >>varint ----------------------------------------------------------------- */

/* Numbers of every length, most of them short; and room for their bytes. */
struct numbers {
    uint64_t *all;
    crdt_buf buf;
};

static void numbers_put(struct numbers *numbers, size_t n)
{
    crdti_writer w;
    size_t i;
    numbers->buf.len = 0;
    crdti_writer_init(&w, &numbers->buf);
    for (i = 0; i < n; i++)
        crdti_put_varint(&w, numbers->all[i]);
    bench_must(w.err);
}

static void varint_setup(struct bench *b)
{
    struct numbers *numbers = (struct numbers *)bench_memory(sizeof *numbers);
    size_t i;
    numbers->all = (uint64_t *)bench_memory(b->n * sizeof *numbers->all);
    for (i = 0; i < b->n; i++) {
        size_t bits = 1 + bench_below(b, 1 + bench_below(b, 64));
        numbers->all[i] = bench_random(b) >> (64 - bits);
    }
    numbers_put(numbers, b->n);
    b->state = numbers;
}

static void varint_end(struct bench *b)
{
    struct numbers *numbers = (struct numbers *)b->state;
    free(numbers->all);
    crdt_buf_free(&numbers->buf);
    free(numbers);
}

/* An op is one number. */
static void varint_encode_run(struct bench *b, uint64_t ops)
{
    struct numbers *numbers = (struct numbers *)b->state;
    uint64_t rounds = (ops + b->n - 1) / b->n;
    b->ops = rounds * b->n;
    bench_start(b);
    for (; rounds > 0; rounds--)
        numbers_put(numbers, b->n);
    bench_stop(b);
    bench_keep(numbers->buf.len);
}

static void varint_decode_run(struct bench *b, uint64_t ops)
{
    const struct numbers *numbers = (const struct numbers *)b->state;
    uint64_t sum = 0, rounds = (ops + b->n - 1) / b->n;
    b->ops = rounds * b->n;
    bench_start(b);
    for (; rounds > 0; rounds--) {
        crdti_reader r;
        crdti_reader_init(&r, crdt_buf_bytes(&numbers->buf));
        while (crdti_reader_left(&r))
            sum += crdti_get_varint(&r);
        bench_must(r.err);
    }
    bench_stop(b);
    bench_keep(sum);
}

/* >>vv --------------------------------------------------------------------- */

struct vectors {
    crdt_vv a, b;
};

/* The same replicas in both, each ahead for half of them. */
static void vv_setup(struct bench *b)
{
    struct vectors *v = (struct vectors *)bench_memory(sizeof *v);
    crdt_id id;
    size_t i, at;
    for (i = 0; i < b->n; i++) {
        for (at = 0; at < sizeof id.b; at++)
            id.b[at] = (uint8_t)bench_random(b);
        bench_must(crdt_vv_set(&v->a, &id, 1 + bench_below(b, 1000)));
        bench_must(crdt_vv_set(&v->b, &id, 1 + bench_below(b, 1000)));
    }
    b->state = v;
}

static void vv_end(struct bench *b)
{
    struct vectors *v = (struct vectors *)b->state;
    crdt_vv_free(&v->a);
    crdt_vv_free(&v->b);
    free(v);
}

static void vv_merge_run(struct bench *b, uint64_t ops)
{
    struct vectors *v = (struct vectors *)b->state;
    bench_start(b);
    for (; ops > 0; ops--) {
        v->b.entries[ops % b->n].seq++;
        bench_must(crdt_vv_merge(&v->a, &v->b));
    }
    bench_stop(b);
    bench_keep(v->a.entries[0].seq);
}

static void vv_get_run(struct bench *b, uint64_t ops)
{
    struct vectors *v = (struct vectors *)b->state;
    uint64_t sum = 0;
    bench_start(b);
    for (; ops > 0; ops--) {
        const crdt_dot *entry = &v->b.entries[bench_below(b, b->n)];
        sum += crdt_vv_get(&v->a, &entry->replica);
    }
    bench_stop(b);
    bench_keep(sum);
}

/* >>digest ----------------------------------------------------------------- */

static void digest_setup(struct bench *b)
{
    crdt_doc *doc = bench_doc(1);
    char key[BENCH_KEY];
    size_t i;
    for (i = 0; i < b->n; i++)
        bench_must(
            crdt_map_put_int(crdt_root(doc), bench_key(key, i), (int64_t)i));
    bench_must(crdt_commit(doc));
    b->state = doc;
}

static void digest_end(struct bench *b)
{
    crdt_doc_free((crdt_doc *)b->state);
}

/* The share of one op, which every birth adds and every death takes off. */
static void digest_op_run(struct bench *b, uint64_t ops)
{
    const crdt_doc *doc = (const crdt_doc *)b->state;
    crdt_digest sum = { 0, 0 };
    uint32_t at = 1;
    bench_start(b);
    for (; ops > 0; ops--) {
        crdti_digest_add(&sum, crdti_op_digest(doc, crdti_op_at(doc, at)));
        at = at == b->n ? 1 : at + 1;
    }
    bench_stop(b);
    bench_keep(sum.hi ^ sum.lo);
}

static void digest_read_run(struct bench *b, uint64_t ops)
{
    crdt_doc *doc = (crdt_doc *)b->state;
    uint64_t sum = 0;
    bench_start(b);
    for (; ops > 0; ops--) {
        doc->digest.lo ^= ops;
        sum ^= crdt_doc_digest(doc).lo;
    }
    bench_stop(b);
    bench_keep(sum);
}

#define CRC(name, n, which)                                                   \
    {                                                                         \
        name, BENCH_RATE, n, which, bytes_setup, crc_run, state_end, NULL,    \
            NULL                                                              \
    }
#define VV(name, n, run)                                                      \
    {                                                                         \
        name, BENCH_NS, n, 0, vv_setup, run, vv_end, NULL, NULL               \
    }

const struct bench_case bench_core[] = {
    CRC("crc32c.64", 64, CRC_BEST),
    CRC("crc32c.4k", 4096, CRC_BEST),
    CRC("crc32c.1M", 1 << 20, CRC_BEST),
    CRC("crc32c.portable.64", 64, CRC_PORTABLE),
    CRC("crc32c.portable.4k", 4096, CRC_PORTABLE),
    CRC("crc32c.portable.1M", 1 << 20, CRC_PORTABLE),
    { "varint.encode", BENCH_NS, 1024, 0, varint_setup, varint_encode_run,
      varint_end, NULL, NULL },
    { "varint.decode", BENCH_NS, 1024, 0, varint_setup, varint_decode_run,
      varint_end, NULL, NULL },
    VV("vv.merge.2", 2, vv_merge_run),
    VV("vv.merge.8", 8, vv_merge_run),
    VV("vv.merge.100", 100, vv_merge_run),
    VV("vv.merge.1k", 1000, vv_merge_run),
    VV("vv.merge.10k", 10000, vv_merge_run),
    VV("vv.get.100", 100, vv_get_run),
    { "digest.op", BENCH_NS, 1000, 0, digest_setup, digest_op_run, digest_end,
      NULL, NULL },
    { "digest.read", BENCH_NS, 1000, 0, digest_setup, digest_read_run,
      digest_end, NULL, NULL },
    BENCH_END
};
