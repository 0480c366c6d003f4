/* The file store on a disk that may do anything: bits that flip; writes that
 * land elsewhere; no room; syncs that fail; backups and clones. Crashes at
 * random places are in crashes.c. */
#define CRDTSYNC_IMPLEMENTATION
#include "../../crdtsync.h"
#include "../../stores/crdtsync_file.h"

#include "conformance.h"
#include "disk.h"

static struct disk disk;

static crdt_err open_on(struct disk *d, crdt_store *out)
{
    crdt_file_config config;
    crdt_file_io io;
    memset(&config, 0, sizeof config);
    disk_io(d, &io);
    config.io = &io;
    return crdt_file_new(out, &config);
}

static crdt_err opener(crdt_store *out)
{
    return open_on(&disk, out);
}

static void wipe(void)
{
    disk_free(&disk);
    disk_init(&disk, 1);
}

static crdt_file_stats stats_of(const crdt_store *s)
{
    crdt_file_stats stats;
    crdt_file_get_stats(s, &stats);
    return stats;
}

/* >>single faults --------------------------------------------------------- */

static struct disk image; /* of the disk, to begin with anew */

static void keep_image(void)
{
    disk_free(&image);
    disk_init(&image, 1);
    disk_restore(&image, &disk);
}

static void use_image(void)
{
    wipe();
    disk_restore(&disk, &image);
}

/* Three documents in two segments, with a snapshot. The first segment is of a
 * life that ended in a crash. */
static void make_small_store(int cleanly)
{
    crdt_store s;
    wipe();
    s = store_open();
    append(&s, "a", "a1");
    append(&s, "b", "b1");
    CHECK_INT(s.sync(s.ctx, 1), CRDT_OK);
    append(&s, "a", "a2");
    append(&s, "c", "c1");
    CHECK_INT(s.sync(s.ctx, 1), CRDT_OK);
    s.close(s.ctx, 0);
    disk_power_off(&disk);
    s = store_open();
    snapshot(&s, "c", "c1c2");
    append(&s, "a", "a3");
    CHECK_INT(s.sync(s.ctx, 1), CRDT_OK);
    append(&s, "b", "b2");
    CHECK_INT(s.sync(s.ctx, 1), CRDT_OK);
    s.close(s.ctx, cleanly);
    keep_image();
}

/* What is told of the document begins as `whole` does. Whether all is there,
 * or else it is said that it is not. */
static int load_damaged(crdt_store *s, const char *doc, const char *whole,
                        int *is_told)
{
    char text[200] = "";
    struct heard heard;
    int i;
    crdt_err err;
    memset(&heard, 0, sizeof heard);
    err = s->load(s->ctx, crdt_str(doc), hear, &heard);
    CHECK(err == CRDT_OK || err == CRDT_ERR_CORRUPT);
    *is_told |= err == CRDT_ERR_CORRUPT;
    for (i = 0; i < heard.count; i++) {
        strcat(text, heard.text[i]);
        strcat(text, "|");
    }
    /* Of the older state, too, when the newer one is lost. */
    if (strcmp(doc, "c") == 0 && strcmp(text, "c1|") == 0)
        return 0;
    CHECK(strncmp(text, whole, strlen(text)) == 0);
    return strcmp(text, whole) == 0;
}

static int load_all_damaged(crdt_store *s, int *is_told)
{
    int a = load_damaged(s, "a", "a1|a2|a3|", is_told);
    int b = load_damaged(s, "b", "b1|b2|", is_told);
    int c = load_damaged(s, "c", "c1c2|", is_told);
    return a && b && c;
}

/* It can be used, whatever has happened, and what is stored now stays. */
static void use_again(crdt_store *s)
{
    static const char *const docs[3] = { "a", "b", "c" };
    int i;
    for (i = 0; i < 3; i++)
        snapshot(s, docs[i], docs[i]);
    append(s, "a", "more");
    CHECK_INT(s->sync(s->ctx, 1), CRDT_OK);
    s->close(s->ctx, 1);
    *s = store_open();
    CHECK_STR(stored(s, "a"), "a|more|");
    CHECK_STR(stored(s, "b"), "b|");
    CHECK_STR(stored(s, "c"), "c|");
    CHECK_INT(stats_of(s).set_aside, 0);
}

static void flip_each_bit(int cleanly, const char *name)
{
    size_t bit, bits;
    int all = 0;
    crdt_id life;
    make_small_store(cleanly);
    bits = 8 * disk_named(&disk, name)->now.len;
    use_image();
    {
        crdt_store s = store_open();
        life = s.life;
        s.close(s.ctx, cleanly);
    }
    for (bit = 0; bit < bits; bit++) {
        crdt_store s;
        crdt_file_stats stats;
        int is_told = 0, is_whole;
        use_image();
        disk_flip(&disk, name, bit);
        s = store_open();
        is_whole = load_all_damaged(&s, &is_told);
        stats = stats_of(&s);
        all += is_whole;
        CHECK(is_whole || stats.set_aside || (!cleanly && stats.cut_bytes));
        CHECK(!life_equal(s.life, life));
        use_again(&s);
        s.close(s.ctx, 1);
        if (test_failures_in_case) {
            printf("bit %lu of %s\n", (unsigned long)bit, name);
            return;
        }
    }
    CHECK(all < (int)bits / 2 || strcmp(name, "clean") == 0);
}

TEST(every_flipped_bit_is_seen) /* 18 */
{
    flip_each_bit(1, "00000001.log");
    flip_each_bit(1, "00000002.log");
    flip_each_bit(1, "clean");
    flip_each_bit(0, "00000001.log");
    flip_each_bit(0, "00000002.log");
}

TEST(a_file_cut_short_anywhere_is_seen) /* 17 */
{
    int cleanly, number;
    for (cleanly = 0; cleanly < 2; cleanly++)
        for (number = 1; number <= 2; number++) {
            char name[CRDTI_LOG_NAME];
            size_t len;
            crdt_store s;
            crdt_id life;
            make_small_store(cleanly);
            crdti_log_name(name, (uint64_t)number, ".log");
            s = store_open();
            life = s.life;
            s.close(s.ctx, 0);
            use_image();
            len = disk_named(&disk, name)->now.len;
            while (len-- > 0) {
                crdt_file_stats stats;
                int is_told = 0, is_whole;
                use_image();
                disk_named(&disk, name)->now.len = len;
                disk_named(&disk, name)->safe.len = len;
                s = store_open();
                is_whole = load_all_damaged(&s, &is_told);
                stats = stats_of(&s);
                /* A whole write less is one that was never acknowledged, for
                 * all one can know; and of another file, what is missing. */
                CHECK(is_whole || is_told || stats.set_aside || !cleanly);
                CHECK(!cleanly || !life_equal(s.life, life));
                use_again(&s);
                s.close(s.ctx, 1);
            }
        }
}

/* A file that is gone. */
TEST(a_lost_file_is_no_end)
{
    crdt_store s;
    crdt_id life;
    int is_told = 0;
    make_small_store(1);
    s = store_open();
    life = s.life;
    s.close(s.ctx, 1);
    disk_remove(&disk, "00000001.log");
    s = store_open();
    CHECK(!load_all_damaged(&s, &is_told));
    CHECK(stats_of(&s).set_aside > 0);
    CHECK(!life_equal(s.life, life));
    use_again(&s);
    s.close(s.ctx, 1);
}

TEST(a_write_that_lands_elsewhere_is_seen) /* 19 */
{
    uint64_t seed;
    int seen = 0;
    for (seed = 1; seed <= 400; seed++) {
        crdt_store s;
        int is_told = 0, i, is_whole;
        wipe();
        disk.dice = seed;
        s = store_open();
        disk.misdirected = 3 + test_below(&disk.dice, 20);
        for (i = 0; i < 3; i++) {
            append(&s, "a", i == 0 ? "a1" : i == 1 ? "a2" : "a3");
            CHECK_INT(s.sync(s.ctx, 1), CRDT_OK);
            if (i < 2)
                append(&s, "b", i == 0 ? "b1" : "b2");
            CHECK_INT(s.sync(s.ctx, 1), CRDT_OK);
        }
        append(&s, "c", "c1c2");
        s.close(s.ctx, 1);
        disk.misdirected = 0;
        s = store_open();
        is_whole = load_all_damaged(&s, &is_told);
        CHECK(is_whole || is_told || stats_of(&s).set_aside ||
              stats_of(&s).cut_bytes);
        seen += !is_whole;
        use_again(&s);
        s.close(s.ctx, 1);
    }
    CHECK(seen > 50);
}

/* Batches of one length, each whole, in each other's places. */
TEST(a_batch_knows_its_place) /* 19 */
{
    uint8_t spare[60];
    struct disk_file *file;
    crdt_store s;
    int i, is_told = 0;
    wipe();
    s = store_open();
    for (i = 0; i < 4; i++) {
        static const char *const docs[4] = { "a", "b", "a", "b" };
        static const char *const records[4] = { "a1", "b1", "a2", "b2" };
        append(&s, docs[i], records[i]);
        CHECK_INT(s.sync(s.ctx, 1), CRDT_OK);
    }
    s.close(s.ctx, 1);
    file = disk_named(&disk, "00000001.log");
    i = (int)(file->now.len - CRDTI_LOG_HEAD) / 2; /* two and two */
    CHECK_INT(i, 28 + 7 + 28 + 5);
    memcpy(spare, file->now.ptr + CRDTI_LOG_HEAD, 35);
    memcpy(file->now.ptr + CRDTI_LOG_HEAD, file->now.ptr + CRDTI_LOG_HEAD + 35,
           35);
    memcpy(file->now.ptr + CRDTI_LOG_HEAD + 35, spare, 35);
    s = store_open();
    CHECK(!load_all_damaged(&s, &is_told));
    CHECK(stats_of(&s).set_aside > 0);
    s.close(s.ctx, 1);
}

/* What can be rescued is, though the power goes at any time of it. */
TEST(a_crash_while_damage_is_set_aside) /* 23 */
{
    uint64_t at, seed, opens = 0;
    for (seed = 1; seed <= 40; seed++)
        for (at = 1; at < 40; at++) {
            crdt_store s;
            crdt_err err;
            make_small_store(seed % 2 == 0);
            /* The batch of a2 and c1, so that a1, b1 and all of c remain. */
            disk_flip(&disk, "00000001.log", 8 * 120);
            disk.dice = seed;
            disk.off_at = disk.changes + at;
            err = opener(&s);
            opens += !err;
            if (!err)
                s.close(s.ctx, 0);
            disk_power_off(&disk);
            s = store_open();
            CHECK_STR(stored(&s, "b"), "b1|b2|");
            CHECK_STR(stored(&s, "c"), "c1c2|");
            s.close(s.ctx, 1);
            if (test_failures_in_case) {
                printf("seed %u, change %u\n", (unsigned)seed, (unsigned)at);
                return;
            }
        }
    CHECK(opens > 0 && opens < 40 * 39);
}

TEST(a_full_disk_is_an_error_and_no_end) /* 20 */
{
    uint64_t at;
    for (at = 1; at < 40; at++) {
        crdt_store s;
        char want[200] = "";
        int i, fulls = 0;
        wipe();
        s = store_open();
        disk.full_at = at;
        for (i = 0; i < 12; i++) {
            char record[8];
            crdt_err err;
            snprintf(record, sizeof record, "r%d", i);
            err = s.append(s.ctx, CRDT_STR("a"), crdt_str(record));
            if (err) { /* nothing has changed */
                CHECK_INT(err, CRDT_ERR_FULL);
                fulls++;
                disk.full_at = 0;
                append(&s, "a", record);
            }
            strcat(want, record);
            strcat(want, "|");
            err = s.sync(s.ctx, 1);
            if (err) {
                CHECK_INT(err, CRDT_ERR_FULL);
                CHECK_INT(s.sync(s.ctx, 1), CRDT_ERR_FULL);
                fulls++;
                disk.full_at = 0; /* and readable when there is room */
                CHECK_STR(stored(&s, "a"), want);
                CHECK_INT(s.sync(s.ctx, 1), CRDT_OK);
            }
        }
        CHECK(fulls == 1 || at > 25);
        CHECK_STR(stored(&s, "a"), want);
        s.close(s.ctx, 1);
        s = store_open();
        CHECK_STR(stored(&s, "a"), want);
        s.close(s.ctx, 1);
    }
}

TEST(a_full_disk_can_be_opened)
{
    crdt_store s;
    make_small_store(0);
    disk.full_at = 1;
    s = store_open();
    CHECK_STR(stored(&s, "a"), "a1|a2|a3|");
    CHECK_INT(s.append(s.ctx, CRDT_STR("a"), CRDT_STR("a4")), CRDT_ERR_FULL);
    s.close(s.ctx, 1);
    use_image(); /* also when something is to be set aside */
    disk_flip(&disk, "00000001.log", 8 * 60);
    disk.full_at = 1;
    s = store_open();
    CHECK_STR(stored(&s, "c"), "c1c2|");
    s.close(s.ctx, 1);
    disk.full_at = 0;
    s = store_open();
    CHECK(stats_of(&s).set_aside > 0);
    s.close(s.ctx, 1);
}

TEST(a_sync_that_fails_is_the_end) /* 21 */
{
    uint64_t at;
    for (at = 1; at < 20; at++) {
        crdt_store s;
        crdt_err err = CRDT_OK;
        char last[40] = "";
        int i;
        wipe();
        s = store_open();
        disk.sync_fails = at;
        for (i = 0; i < 8 && !err; i++) {
            char record[8];
            snprintf(record, sizeof record, "r%d", i);
            err = s.append(s.ctx, CRDT_STR("a"), crdt_str(record));
            if (!err)
                err = s.sync(s.ctx, 1);
        }
        if (!err) {
            s.close(s.ctx, 1);
            continue;
        }
        /* For good: the next sync would succeed, and mean nothing. */
        CHECK_INT(err, CRDT_ERR_IO);
        CHECK_INT(s.sync(s.ctx, 1), CRDT_ERR_IO);
        CHECK_INT(s.append(s.ctx, CRDT_STR("a"), CRDT_STR("x")), CRDT_ERR_IO);
        s.close(s.ctx, 1);
        /* What is read now may be in memory alone; what is said to be there
         * is there after the power went. */
        s = store_open();
        snprintf(last, sizeof last, "%s", stored(&s, "a"));
        s.close(s.ctx, 0);
        disk_power_off(&disk);
        s = store_open();
        CHECK_STR(stored(&s, "a"), last);
        s.close(s.ctx, 1);
    }
}

TEST(a_newer_format_is_refused_and_untouched) /* 25 */
{
    crdt_store s;
    struct disk_file *file;
    uint8_t before[4096];
    size_t len;
    uint64_t changes;
    make_small_store(1);
    file = disk_named(&disk, "00000002.log");
    file->now.ptr[8] = 2;
    crdti_store32(file->now.ptr + 40,
                  crdti_crc32c(0, crdt_bytes_of(file->now.ptr, 40)));
    len = file->now.len;
    memcpy(before, file->now.ptr, len);
    changes = disk.changes;
    CHECK_INT(opener(&s), CRDT_ERR_VERSION);
    CHECK_INT(disk.changes, changes);
    CHECK(memcmp(before, file->now.ptr, len) == 0);
    CHECK(!disk.is_locked);
}

TEST(a_backup_begins_a_new_life) /* 29 */
{
    crdt_store s;
    crdt_id life;
    int i;
    make_small_store(1);
    s = store_open();
    life = s.life;
    append(&s, "a", "a4");
    s.close(s.ctx, 1);
    use_image();
    for (i = 0; i < disk.files_len; i++) /* no tool brings these back */
        disk.files[i]->stamp += 1000;
    s = store_open();
    CHECK_STR(stored(&s, "a"), "a1|a2|a3|");
    CHECK(!life_equal(s.life, life));
    s.close(s.ctx, 1);
}

TEST(a_copy_and_a_clone_begin_new_lives) /* 30 */
{
    static struct disk copy;
    crdt_store s, other;
    crdt_id life;
    make_small_store(1);
    disk_init(&copy, 2);
    disk_restore(&copy, &disk);
    copy.machine = 7; /* or the same one, started anew */
    s = store_open();
    life = s.life;
    CHECK_INT(open_on(&copy, &other), CRDT_OK);
    CHECK(!life_equal(other.life, life));
    other.close(other.ctx, 1);
    s.close(s.ctx, 1);
    /* A copy of one that is open is as one that crashed. */
    s = store_open();
    append(&s, "a", "a4");
    CHECK_INT(s.sync(s.ctx, 1), CRDT_OK);
    disk_restore(&copy, &disk);
    copy.machine = disk.machine;
    CHECK_INT(open_on(&copy, &other), CRDT_OK);
    CHECK(!life_equal(other.life, s.life));
    CHECK_STR(stored(&other, "a"), "a1|a2|a3|a4|");
    other.close(other.ctx, 1);
    s.close(s.ctx, 1);
    disk_free(&copy);
}

/* >>room ------------------------------------------------------------------ */

/* Overwritten again and again, and the files hold no more than twice what
 * counts, and a constant; nor is more than a few times as much ever written. */
TEST(what_is_dead_is_given_back)
{
    static uint8_t bytes[20000];
    crdt_store s;
    crdt_file_stats stats;
    uint64_t most = 0, asked = 0;
    int i;
    wipe();
    memset(bytes, 7, sizeof bytes);
    s = store_open();
    for (i = 0; i < 4000; i++) {
        char name[8];
        size_t len = 100 + test_below(&disk.dice, 19000);
        uint32_t doc = test_below(&disk.dice, 100);
        snprintf(name, sizeof name, "%u", doc);
        CHECK_INT((doc % 3 ? s.snapshot : s.append)(
                      s.ctx, crdt_str(name),
                      crdt_bytes_of(bytes, doc % 3 ? len : 30)),
                  CRDT_OK);
        asked += doc % 3 ? len : 30;
        CHECK_INT(s.sync(s.ctx, 1), CRDT_OK);
        stats = stats_of(&s);
        if (stats.bytes > 2 * stats.live_bytes + 400000)
            most = stats.bytes;
    }
    CHECK_INT(most, 0);
    CHECK(stats.written_bytes < 3 * asked);
    CHECK(stats.files < 20);
    s.close(s.ctx, 1);
    s = store_open();
    CHECK_INT(stats_of(&s).live_bytes, stats.live_bytes);
    s.close(s.ctx, 1);
}

TEST(restarts_leave_no_heap_of_small_files)
{
    int i;
    wipe();
    for (i = 0; i < 200; i++) {
        crdt_store s = store_open();
        append(&s, "a", "one");
        CHECK_INT(s.sync(s.ctx, 1), CRDT_OK);
        CHECK(stats_of(&s).files < 40);
        s.close(s.ctx, 0);
    }
}

TEST_MAIN(CONFORMANCE_CASES, CASE(every_flipped_bit_is_seen),
          CASE(a_file_cut_short_anywhere_is_seen), CASE(a_lost_file_is_no_end),
          CASE(a_write_that_lands_elsewhere_is_seen),
          CASE(a_batch_knows_its_place),
          CASE(a_crash_while_damage_is_set_aside),
          CASE(a_full_disk_is_an_error_and_no_end),
          CASE(a_full_disk_can_be_opened), CASE(a_sync_that_fails_is_the_end),
          CASE(a_newer_format_is_refused_and_untouched),
          CASE(a_backup_begins_a_new_life),
          CASE(a_copy_and_a_clone_begin_new_lives),
          CASE(what_is_dead_is_given_back),
          CASE(restarts_leave_no_heap_of_small_files))
