/* The file store on a disk whose power goes at random places, also while it
 * recovers from that; with small files, so that all of it happens. */
#define CRDTI_LOG_MIN ((uint64_t)500)
#define CRDTI_LOG_WINDOW ((size_t)128)
#define CRDTI_LOG_LARGE ((size_t)300)
#define CRDTI_LOG_PIECE ((size_t)200)

#define CRDTSYNC_IMPLEMENTATION
#include "../../crdtsync.h"
#include "../../stores/crdtsync_file.h"

#include "../test.h"

#include "disk.h"

static struct disk disk;

static crdt_err opener(crdt_store *out)
{
    crdt_file_config config;
    crdt_file_io io;
    memset(&config, 0, sizeof config);
    disk_io(&disk, &io);
    config.io = &io;
    return crdt_file_new(out, &config);
}

static crdt_file_stats stats_of(const crdt_store *s)
{
    crdt_file_stats stats;
    crdt_file_get_stats(s, &stats);
    return stats;
}

/* * What was done, in order. After a crash the store must be as it was after
 * some number of these, and no fewer than were synced. */

#define DOCS 4
#define STEPS 600

struct step {
    uint8_t doc, is_snapshot;
    uint16_t number, len;
};

struct past {
    struct step steps[STEPS];
    int len, durable;
    uint16_t next;
};

/* Bytes that no other record has. */
static size_t record_bytes(const struct step *step, uint8_t *out)
{
    size_t i;
    for (i = 0; i < step->len; i++)
        out[i] = (uint8_t)(step->number * 31u + i * 7u + step->doc);
    if (step->len >= 2) {
        out[0] = (uint8_t)step->number;
        out[1] = (uint8_t)(step->number >> 8);
    }
    return step->len;
}

static char *doc_name(int doc)
{
    static char name[8];
    snprintf(name, sizeof name, "doc%d", doc);
    return name;
}

/* What is told of one document: steps by number. */
struct told {
    const struct past *past;
    int doc, len, fine;
    uint16_t numbers[STEPS];
};

static const struct step *step_of(const struct past *past, uint16_t number)
{
    int i;
    for (i = 0; i < past->len; i++)
        if (past->steps[i].number == number)
            return &past->steps[i];
    return NULL;
}

static crdt_err tell(void *ctx, crdt_bytes record)
{
    struct told *t = (struct told *)ctx;
    static uint8_t bytes[70000];
    const struct step *step = NULL;
    if (record.len >= 2)
        step =
            step_of(t->past, (uint16_t)(record.ptr[0] | record.ptr[1] << 8));
    if (!step || step->doc != t->doc || t->len == STEPS ||
        record_bytes(step, bytes) != record.len ||
        memcmp(bytes, record.ptr, record.len) != 0) {
        t->fine = 0;
        return CRDT_OK;
    }
    t->numbers[t->len++] = step->number;
    return CRDT_OK;
}

/* It begins with a snapshot, or with the first of all, and goes on with all
 * records behind that: snapshots in between may be written later, or never. */
static int is_told(const struct told *t, int upto)
{
    int i, at = 0, is_first = 1;
    for (i = 0; i < upto; i++) {
        const struct step *step = &t->past->steps[i];
        if (step->doc != t->doc)
            continue;
        if (at < t->len && t->numbers[at] == step->number) {
            if (step->is_snapshot ? at > 0 : at == 0 && !is_first)
                return 0;
            at++;
        } else if (at > 0 && !step->is_snapshot) {
            return 0;
        }
        is_first = 0;
    }
    return at == t->len && (at > 0 || is_first);
}

static int is_after(crdt_store *s, const struct past *past, int upto)
{
    static struct told t;
    t.past = past;
    t.fine = 1;
    for (t.doc = 0; t.doc < DOCS; t.doc++) {
        t.len = 0;
        if (s->load(s->ctx, crdt_str(doc_name(t.doc)), tell, &t) || !t.fine ||
            !is_told(&t, upto))
            return 0;
    }
    return 1;
}

/* How many steps the store is after, or -1. */
static int steps_of(crdt_store *s, const struct past *past)
{
    int upto;
    for (upto = past->len; upto >= past->durable; upto--)
        if (is_after(s, past, upto))
            return upto;
    return -1;
}

static crdt_err add(crdt_store *s, struct past *past)
{
    static uint8_t bytes[70000];
    struct step *step = &past->steps[past->len];
    crdt_bytes record, name;
    crdt_err err;
    uint32_t how = test_below(&disk.dice, 40);
    step->doc = (uint8_t)test_below(&disk.dice, DOCS);
    step->number = ++past->next;
    step->len = (uint16_t)(2 + test_below(&disk.dice, how == 0   ? 30000
                                                      : how < 12 ? 1000
                                                                 : 60));
    step->is_snapshot = test_below(&disk.dice, 6) == 0;
    record = crdt_bytes_of(bytes, record_bytes(step, bytes));
    name = crdt_str(doc_name(step->doc));
    err = step->is_snapshot ? s->snapshot(s->ctx, name, record)
                            : s->append(s->ctx, name, record);
    if (!err)
        past->len++;
    return err;
}

/* Works until it is told that the power has gone. */
static crdt_err work(crdt_store *s, struct past *past)
{
    crdt_err err = CRDT_OK;
    while (!err && past->len < STEPS) {
        uint32_t how = test_below(&disk.dice, 12);
        int len = past->len;
        if (how > 3) {
            err = add(s, past);
        } else if (how > 2) {
            err = s->sync(s->ctx, 0);
        } else {
            err = s->sync(s->ctx, 1);
            if (!err)
                past->durable = len;
        }
        if (test_below(&disk.dice, 60) == 0)
            break;
    }
    return err;
}

/* Files that were never finished. */
static int count_new(void)
{
    int i, count = 0;
    for (i = 0; i < disk.now_len; i++)
        count += disk.now[i].file >= 0 && strstr(disk.now[i].name, ".new");
    return count;
}

/* Whether the life must go on. */
enum { MAYBE = -1, NO = 0, YES = 1 };

/* One life and its end. */
static void live(struct past *past, crdt_id *life, int *was_clean)
{
    crdt_store s;
    crdt_err err = CRDT_OK;
    int upto, tries, clean = test_below(&disk.dice, 4) == 0;
    for (tries = 0; tries < 6; tries++) { /* it may crash while it recovers */
        if (tries < 5 && test_below(&disk.dice, 3) == 0)
            disk.off_at = disk.changes + 1 + test_below(&disk.dice, 12);
        err = opener(&s);
        if (!err)
            break;
        CHECK_INT(err, CRDT_ERR_IO);
        *was_clean = NO;
        disk_power_off(&disk);
    }
    REQUIRE(!err);
    CHECK_INT(count_new(), 0);
    upto = steps_of(&s, past);
    if (!disk.is_off) {
        CHECK(upto >= past->durable);
        CHECK_INT(stats_of(&s).set_aside, 0);
        CHECK(*was_clean == MAYBE ||
              *was_clean == (crdt_id_compare(&s.life, life) == 0));
        past->len = past->durable = upto < 0 ? 0 : upto;
    }
    *life = s.life;
    if (!disk.off_at && !clean)
        disk.off_at = disk.changes + 1 + test_below(&disk.dice, 60);
    upto = past->len;
    work(&s, past);
    s.close(s.ctx, clean);
    *was_clean = clean && !disk.is_off ? MAYBE : NO;
    for (; *was_clean == MAYBE && upto < past->len; upto++)
        /* A large snapshot that was not finished leaves no trace. */
        if (past->steps[upto].len < CRDTI_LOG_LARGE)
            *was_clean = YES;
    if (clean && !disk.is_off)
        past->durable = past->len;
    else
        disk_power_off(&disk);
    disk.off_at = 0;
}

static void crash_rounds(uint64_t seed, int rounds)
{
    static struct past past;
    int failed = test_failures_in_case, was_clean = 0;
    crdt_id life;
    memset(&past, 0, sizeof past);
    memset(&life, 0, sizeof life);
    disk_free(&disk);
    disk_init(&disk, seed);
    while (rounds-- > 0 && test_failures_in_case == failed)
        live(&past, &life, &was_clean);
    if (test_failures_in_case > failed)
        printf("seed %llu, %d rounds left\n", (unsigned long long)seed,
               rounds);
}

#define ROUNDS 10 /* a seed */

TEST(crashes_at_random) /* 15, 16, 17, 22, 23 */
{
    uint64_t seed = test_env("CRDT_SEED", 1);
    uint64_t rounds = test_env("CRDT_SEEDS", 5000);
    for (; rounds > 0; rounds -= rounds < ROUNDS ? rounds : ROUNDS)
        crash_rounds(seed++, ROUNDS);
    disk_free(&disk);
}

TEST_MAIN(CASE(crashes_at_random))
