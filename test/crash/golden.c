/*
 * The format of the file store does not change by accident: a node with fixed
 * ids, clock and randomness writes the files under test/golden, and reads
 * those back. A later version of the store must still do the second.
 *
 *     CRDT_GOLDEN_WRITE=1 build/test/crash/golden    writes them anew
 */
#define CRDTSYNC_IMPLEMENTATION
#include "../../crdtsync.h"
#include "../../stores/crdtsync_file.h"

#include "../test.h"

#include "disk.h"

static struct disk disk;
static uint8_t next_byte;

static uint64_t fixed_ms(void *ctx)
{
    (void)ctx;
    return UINT64_C(1700000000000);
}

static crdt_err fixed_fill(void *ctx, void *out, size_t len)
{
    (void)ctx;
    memset(out, next_byte, len);
    next_byte = (uint8_t)(next_byte + 0x11);
    return CRDT_OK;
}

static const crdt_clock fixed_clock = { 1, NULL, fixed_ms, fixed_ms };
static const crdt_random fixed_random = { 1, NULL, fixed_fill };

struct program {
    crdt_store store;
    crdt_node *node;
    crdt_doc *notes, *counts;
};

static crdt_doc *share(struct program *p, const char *name)
{
    crdt_config config;
    crdt_doc *doc = NULL;
    memset(&config, 0, sizeof config);
    config.clock = &fixed_clock;
    config.random = &fixed_random;
    CHECK_INT(crdt_doc_new(&doc, &config), CRDT_OK);
    CHECK_INT(crdt_node_share(p->node, crdt_str(name), doc), CRDT_OK);
    return doc;
}

static void program_start(struct program *p)
{
    crdt_file_config files;
    crdt_node_config config;
    crdt_file_io io;
    memset(&files, 0, sizeof files);
    memset(&config, 0, sizeof config);
    disk_io(&disk, &io);
    files.io = &io;
    files.random = config.random = &fixed_random;
    config.clock = &fixed_clock;
    CHECK_INT(crdt_file_new(&p->store, &files), CRDT_OK);
    config.store = &p->store;
    CHECK_INT(crdt_node_new(&p->node, &config), CRDT_OK);
    p->notes = share(p, "notes");
    p->counts = share(p, "counts");
}

static void program_stop(struct program *p)
{
    crdt_node_free(p->node);
    crdt_doc_free(p->notes);
    crdt_doc_free(p->counts);
}

static void flush(struct program *p)
{
    crdt_commit(p->notes);
    crdt_commit(p->counts);
    CHECK_INT(crdt_node_flush(p->node), CRDT_OK);
}

/* A batch with both documents, strokes, a floor, a snapshot, and a second life
 * in a file of its own. */
static void write_all(void)
{
    struct program p;
    crdt_obj text;
    crdt_vv all = CRDT_VV_INIT;
    int i;
    program_start(&p);
    text = crdt_map_text(crdt_root(p.notes), CRDT_STR("text"));
    crdt_text_insert(text, CRDT_CHARS, 0, CRDT_STR("Hello"));
    crdt_counter_add(crdt_map_counter(crdt_root(p.counts), CRDT_STR("n")), 1);
    flush(&p);
    crdt_text_insert(text, CRDT_CHARS, 5, CRDT_STR("!"));
    flush(&p);
    crdt_map_put_int(crdt_root(p.counts), CRDT_STR("gone"), 1);
    crdt_map_remove(crdt_root(p.counts), CRDT_STR("gone"));
    flush(&p);
    crdt_doc_vv(p.counts, &all);
    CHECK_INT(crdt_truncate(p.counts, &all), CRDT_OK);
    flush(&p);
    for (i = 0; i < 120; i++) { /* until it is worth a snapshot */
        crdt_counter_add(crdt_map_counter(crdt_root(p.counts), CRDT_STR("n")),
                         1);
        flush(&p);
    }
    crdt_vv_free(&all);
    disk.is_off = 1;
    program_stop(&p);
    disk_power_off(&disk);
}

static void write_more(void)
{
    struct program p;
    program_start(&p);
    crdt_counter_add(crdt_map_counter(crdt_root(p.counts), CRDT_STR("n")),
                     100);
    flush(&p);
    program_stop(&p);
}

static void read_all(void)
{
    struct program p;
    crdt_buf text = CRDT_BUF_INIT;
    crdt_file_stats stats;
    crdt_vv floor = CRDT_VV_INIT;
    crdt_id id, second;
    int64_t n = 0;
    next_byte = 0x77;
    program_start(&p);
    crdt_text_get(crdt_map_text(crdt_root(p.notes), CRDT_STR("text")), &text);
    CHECK(crdt_bytes_equal(crdt_buf_bytes(&text), CRDT_STR("Hello!")));
    crdt_counter_get(crdt_map_counter(crdt_root(p.counts), CRDT_STR("n")), &n);
    CHECK_INT(n, 221);
    crdt_doc_floor(p.counts, &floor);
    CHECK_INT(floor.len, 1);
    crdt_file_get_stats(&p.store, &stats);
    CHECK_INT(stats.set_aside + stats.cut_bytes, 0);
    /* It was left cleanly, so the last one to write goes on. */
    id = crdt_doc_replica(p.counts);
    second = floor.entries[0].replica;
    CHECK(crdt_id_compare(&id, &second) != 0);
    CHECK(id.b[0] < 0x77);
    crdt_buf_free(&text);
    crdt_vv_free(&floor);
    program_stop(&p);
}

/* >>files: hex, 16 bytes a line ------------------------------------------- */

static const char *const names[] = { "00000001.log", "00000002.log", "clean" };
#define NAMES (sizeof names / sizeof *names)

static FILE *open_hex(size_t i, const char *how)
{
    char path[100];
    snprintf(path, sizeof path, "test/golden/store-%s.hex", names[i]);
    return fopen(path, how);
}

static void write_hex(size_t i)
{
    FILE *file = open_hex(i, "w");
    const struct disk_file *from = disk_named(&disk, names[i]);
    size_t at;
    for (at = 0; file && at < from->now.len; at++)
        fprintf(file, "%02x%c", from->now.ptr[at],
                at % 16 == 15 || at + 1 == from->now.len ? '\n' : ' ');
    CHECK(file && fclose(file) == 0);
}

/* Into a file of that name on the disk. */
static void read_hex(size_t i)
{
    FILE *file = open_hex(i, "r");
    struct disk_file *to;
    unsigned byte;
    int handle;
    CHECK_INT(disk_open(&disk, names[i], 1, &handle), CRDT_OK);
    to = disk_of(&disk, handle);
    while (file && fscanf(file, "%2x", &byte) == 1) {
        uint8_t one = (uint8_t)byte;
        disk_put(&to->now, to->now.len, &one, 1);
    }
    CHECK(file && fclose(file) == 0);
    disk_copy(&to->safe, &to->now);
    to->stamp = 0;
    disk_close(&disk, handle);
}

static void make(void)
{
    disk_free(&disk);
    disk_init(&disk, 1);
    next_byte = 0x11;
    write_all();
    write_more();
}

TEST(the_files_are_what_they_were)
{
    static struct disk kept;
    size_t i;
    make();
    for (i = 0; i < NAMES && test_env("CRDT_GOLDEN_WRITE", 0); i++)
        write_hex(i);
    disk_init(&kept, 1);
    disk_restore(&kept, &disk);
    disk_free(&disk);
    disk_init(&disk, 1);
    for (i = 0; i < NAMES; i++) {
        const struct disk_bytes *made, *want;
        read_hex(i);
        made = &disk_named(&kept, names[i])->now;
        want = &disk_named(&disk, names[i])->now;
        if (made->len != want->len ||
            memcmp(made->ptr, want->ptr, made->len) != 0) {
            printf("%s differs\n", names[i]);
            test_failures_in_case++;
        }
    }
    disk_free(&kept);
    disk_free(&disk);
}

/* As they are kept, byte for byte, whoever wrote them. */
TEST(files_of_version_1_are_read)
{
    struct disk_file *file;
    size_t i;
    disk_init(&disk, 1);
    for (i = 0; i < NAMES; i++)
        read_hex(i);
    /* The mark knows the files by what the disk says of them. */
    file = disk_named(&disk, "clean");
    memcpy(&disk_named(&disk, "00000002.log")->stamp, file->now.ptr + 48, 8);
    memcpy(&disk.machine, file->now.ptr + 56, 8);
    for (i = 0; i < DISK_FILES; i++)
        disk.handles[i] = -1;
    read_all();
    disk_free(&disk);
}

TEST_MAIN(CASE(the_files_are_what_they_were),
          CASE(files_of_version_1_are_read))
