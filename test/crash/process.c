/*
 * Processes that are killed: at every write, sync, rename and removal of a
 * workload, by themselves; and, by test/crash/strace.sh, at system calls.
 *
 *     process                       the tests
 *     process --work DIR STEPS      writes, and says what is acknowledged
 *     process --check DIR ACKED     whether so much is there
 */
#define _POSIX_C_SOURCE 200809L
#define CRDTSYNC_IMPLEMENTATION
#include "../../crdtsync.h"
#include "../../stores/crdtsync_file.h"

#include "../test.h"

#include <signal.h>
#include <sys/wait.h>

/* >>a node of one document ------------------------------------------------ */

struct program {
    crdt_doc *doc;
    crdt_node *node;
    crdt_store store;
};

static crdt_err program_start(struct program *p, const char *dir,
                              const crdt_file_io *io)
{
    crdt_file_config files;
    crdt_node_config config;
    crdt_err err;
    memset(&files, 0, sizeof files);
    memset(&config, 0, sizeof config);
    files.dir = dir;
    files.io = io;
    config.store = &p->store;
    err = crdt_file_new(&p->store, &files);
    if (!err)
        err = crdt_doc_new(&p->doc, NULL);
    if (!err)
        err = crdt_node_new(&p->node, &config);
    if (!err)
        err = crdt_node_share(p->node, CRDT_STR("doc"), p->doc);
    return err;
}

static void program_stop(struct program *p)
{
    crdt_node_free(p->node);
    crdt_doc_free(p->doc);
}

/* Step n puts n at a key, counts, and types; now and then a lot. */
static void step(crdt_doc *doc, int n)
{
    static char large[3000];
    crdt_obj root = crdt_root(doc);
    crdt_obj text = crdt_map_text(root, CRDT_STR("text"));
    memset(large, 'a' + n % 26, sizeof large);
    crdt_map_put_int(root, CRDT_STR("n"), n);
    crdt_counter_add(crdt_map_counter(root, CRDT_STR("count")), 1);
    crdt_text_insert(text, CRDT_CHARS, crdt_text_len(text, CRDT_CHARS),
                     CRDT_STR("x"));
    if (n % 5 == 0)
        crdt_map_put_str(root, CRDT_STR("large"),
                         crdt_bytes_of(large, sizeof large));
    crdt_commit(doc);
}

static int64_t steps_done(crdt_doc *doc)
{
    int64_t n = 0, count = 0;
    crdt_obj root = crdt_root(doc);
    crdt_map_get_int(root, CRDT_STR("n"), &n);
    crdt_counter_get(crdt_map_counter(root, CRDT_STR("count")), &count);
    CHECK_INT(count, n); /* a step is there whole or not at all */
    CHECK_INT(crdt_text_len(crdt_map_text(root, CRDT_STR("text")), CRDT_CHARS),
              n);
    return n;
}

/* >>dying ----------------------------------------------------------------- */

struct killer {
    crdt_file_io real;
    int at; /* changes left */
};

static void maybe_die(struct killer *k)
{
    if (--k->at == 0)
        raise(SIGKILL);
}

/* Before, in the middle of, or after the change: three lives each. */
static crdt_err k_write(void *ctx, int file, uint64_t at, crdt_bytes bytes)
{
    struct killer *k = (struct killer *)ctx;
    crdt_err err;
    maybe_die(k);
    if (k->at == 1)
        k->real.write(k->real.ctx, file, at,
                      crdt_bytes_of(bytes.ptr, bytes.len / 2));
    maybe_die(k);
    err = k->real.write(k->real.ctx, file, at, bytes);
    maybe_die(k);
    return err;
}

static crdt_err k_sync(void *ctx, int file)
{
    struct killer *k = (struct killer *)ctx;
    crdt_err err;
    maybe_die(k);
    err = k->real.sync(k->real.ctx, file);
    maybe_die(k);
    return err;
}

static crdt_err k_sync_names(void *ctx)
{
    struct killer *k = (struct killer *)ctx;
    maybe_die(k);
    return k->real.sync_names(k->real.ctx);
}

static crdt_err k_rename(void *ctx, const char *from, const char *to)
{
    struct killer *k = (struct killer *)ctx;
    maybe_die(k);
    return k->real.rename(k->real.ctx, from, to);
}

static crdt_err k_remove(void *ctx, const char *name)
{
    struct killer *k = (struct killer *)ctx;
    maybe_die(k);
    return k->real.remove(k->real.ctx, name);
}

static crdt_err k_cut(void *ctx, int file, uint64_t size)
{
    struct killer *k = (struct killer *)ctx;
    maybe_die(k);
    return k->real.cut(k->real.ctx, file, size);
}

static crdt_err k_start(void *ctx)
{
    struct killer *k = (struct killer *)ctx;
    return k->real.start(k->real.ctx);
}

static crdt_err k_list(void *ctx, crdt_bytes_fn *fn, void *to)
{
    struct killer *k = (struct killer *)ctx;
    return k->real.list(k->real.ctx, fn, to);
}

static crdt_err k_open(void *ctx, const char *name, int make, int *out)
{
    struct killer *k = (struct killer *)ctx;
    if (make)
        maybe_die(k);
    return k->real.open(k->real.ctx, name, make, out);
}

static crdt_err k_size(void *ctx, int file, uint64_t *out)
{
    struct killer *k = (struct killer *)ctx;
    return k->real.size(k->real.ctx, file, out);
}

static crdt_err k_read(void *ctx, int file, uint64_t at, void *out, size_t len)
{
    struct killer *k = (struct killer *)ctx;
    return k->real.read(k->real.ctx, file, at, out, len);
}

static crdt_err k_identify(void *ctx, int file,
                           uint8_t out[CRDT_FILE_IDENTITY])
{
    struct killer *k = (struct killer *)ctx;
    return k->real.identify(k->real.ctx, file, out);
}

static void k_close(void *ctx, int file)
{
    struct killer *k = (struct killer *)ctx;
    k->real.close(k->real.ctx, file);
}

static void k_end(void *ctx)
{
    struct killer *k = (struct killer *)ctx;
    k->real.end(k->real.ctx);
}

static crdt_file_io killing(struct killer *k, const char *dir, int at)
{
    crdt_file_io io = { 1,        k,          k_start,      k_list,
                        k_open,   k_size,     k_read,       k_write,
                        k_cut,    k_sync,     k_sync_names, k_rename,
                        k_remove, k_identify, k_close,      k_end };
    CHECK_INT(crdt_file_posix(&k->real, dir, 0, NULL), CRDT_OK);
    k->at = at;
    return io;
}

/* >>working --------------------------------------------------------------- */

/* Says each step that is acknowledged, as a byte; 0: done without dying. */
static int work(const char *dir, const crdt_file_io *io, int steps, int out)
{
    struct program p;
    int64_t n;
    if (program_start(&p, dir, io))
        return 1;
    n = steps_done(p.doc);
    for (; steps > 0; steps--) {
        step(p.doc, (int)++n);
        if (crdt_node_flush(p.node))
            return 1;
        if (write(out, "a", 1) != 1)
            return 1;
    }
    program_stop(&p);
    return 0;
}

/* A child that dies at its n-th change. How many steps it said; *died. */
static int64_t run_child(const char *dir, int at, int steps, int *died)
{
    int ends[2], status;
    int64_t acked = 0;
    char byte;
    pid_t pid;
    if (pipe(ends))
        abort();
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        struct killer k;
        crdt_file_io io = killing(&k, dir, at);
        close(ends[0]);
        _exit(work(dir, &io, steps, ends[1]));
    }
    close(ends[1]);
    while (read(ends[0], &byte, 1) == 1)
        acked++;
    close(ends[0]);
    waitpid(pid, &status, 0);
    *died = WIFSIGNALED(status);
    CHECK(*died ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0);
    return acked;
}

static char dir_name[64];

static void dir_make(void)
{
    snprintf(dir_name, sizeof dir_name, "/tmp/crdt-process-XXXXXX");
    if (!mkdtemp(dir_name))
        abort();
}

static void dir_remove(void)
{
    char path[400];
    const struct dirent *entry;
    DIR *dir = opendir(dir_name);
    while (dir && (entry = readdir(dir)) != NULL) {
        snprintf(path, sizeof path, "%s/%s", dir_name, entry->d_name);
        unlink(path);
    }
    if (dir)
        closedir(dir);
    rmdir(dir_name);
}

TEST(killed_at_every_change) /* 15 */
{
    int at, died = 1, lives = 0;
    for (at = 1; died && !test_failures_in_case; at++) {
        struct program p;
        int64_t acked;
        dir_make();
        acked = run_child(dir_name, at, 8, &died);
        acked += run_child(dir_name, 1 + at % 17, 3, &died); /* once more */
        acked += run_child(dir_name, at, 8, &died);
        CHECK_INT(program_start(&p, dir_name, NULL), CRDT_OK);
        CHECK(steps_done(p.doc) >= acked);
        CHECK(steps_done(p.doc) <= acked + 3);
        program_stop(&p);
        dir_remove();
        lives++;
    }
    CHECK(lives > 50);
}

TEST(a_child_is_no_second_opener)
{
    struct program p, other;
    int died;
    dir_make();
    CHECK_INT(program_start(&p, dir_name, NULL), CRDT_OK);
    memset(&other, 0, sizeof other);
    CHECK_INT(program_start(&other, dir_name, NULL), CRDT_ERR_LOCKED);
    step(p.doc, 1);
    program_stop(&p);
    CHECK_INT(run_child(dir_name, 0, 2, &died), 2);
    CHECK_INT(program_start(&p, dir_name, NULL), CRDT_OK);
    CHECK_INT(steps_done(p.doc), 3);
    program_stop(&p);
    dir_remove();
}

/* As with cp -a; and as of the copy, moved back to where it was taken. */
TEST(copied_files_are_another_life) /* 29, 30 */
{
    struct program p;
    crdt_id id;
    char command[500];
    dir_make();
    CHECK_INT(program_start(&p, dir_name, NULL), CRDT_OK);
    id = crdt_doc_replica(p.doc);
    step(p.doc, 1);
    program_stop(&p);
    snprintf(command, sizeof command,
             "cp -a %s %s.copy && rm -r %s && mv %s.copy %s", dir_name,
             dir_name, dir_name, dir_name, dir_name);
    CHECK_INT(system(command), 0);
    CHECK_INT(program_start(&p, dir_name, NULL), CRDT_OK);
    CHECK_INT(steps_done(p.doc), 1);
    {
        crdt_id now = crdt_doc_replica(p.doc);
        CHECK(crdt_id_compare(&id, &now) != 0);
    }
    step(p.doc, 2);
    id = crdt_doc_replica(p.doc);
    program_stop(&p);
    CHECK_INT(program_start(&p, dir_name, NULL), CRDT_OK);
    {
        crdt_id now = crdt_doc_replica(p.doc);
        CHECK(crdt_id_compare(&id, &now) == 0); /* nothing was copied */
    }
    program_stop(&p);
    dir_remove();
}

static int check_dir(const char *dir, int64_t acked)
{
    struct program p;
    if (program_start(&p, dir, NULL))
        return 1;
    acked -= steps_done(p.doc);
    program_stop(&p);
    return acked > 0 || test_failures_in_case;
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(killed_at_every_change), CASE(a_child_is_no_second_opener),
        CASE(copied_files_are_another_life)
    };
    if (argc == 4 && strcmp(argv[1], "--work") == 0)
        return work(argv[2], NULL, atoi(argv[3]), 1);
    if (argc == 4 && strcmp(argv[1], "--check") == 0)
        return check_dir(argv[2], atoi(argv[3]));
    return test_main(cases, sizeof cases / sizeof *cases, argc, argv);
}
