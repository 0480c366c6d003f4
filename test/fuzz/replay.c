/*
 * A main for fuzz targets where there is no libFuzzer. It feeds the target
 * each file of its corpus, every beginning of it, and it with one byte changed,
 * so that `make test` keeps what `make fuzz` once found. CRDT_STRIDE=N does so
 * at every Nth byte only.
 *
 *     build/test/fuzz/NAME            the files of test/fuzz/corpus/NAME
 *     build/test/fuzz/NAME FILE...    those files, as they are
 */
#define _POSIX_C_SOURCE 200809L
#include "../test.h"

#include <dirent.h>
#include <signal.h>

/* Changed and cut are only files up to this size: the cost is its square. */
enum { VARIED_SIZE_MAX = 2048, PATH_LEN_MAX = 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* For the message when the target crashes. */
static const char *current_path = "";
static long current_byte = -1;

static void on_crash(int number)
{
    fprintf(stderr, "%s: crashed, varied at byte %ld (-1: as it is)\n",
            current_path, current_byte);
    signal(number, SIG_DFL);
    raise(number);
}

static uint8_t *read_file(const char *path, size_t *size)
{
    uint8_t *bytes = NULL;
    long len = -1;
    FILE *file = fopen(path, "rb");
    if (file && fseek(file, 0, SEEK_END) == 0)
        len = ftell(file);
    if (len >= 0 && fseek(file, 0, SEEK_SET) == 0)
        bytes = (uint8_t *)malloc((size_t)len + 1);
    if (!bytes || fread(bytes, 1, (size_t)len, file) != (size_t)len) {
        fprintf(stderr, "%s: cannot be read\n", path);
        exit(1);
    }
    fclose(file);
    *size = (size_t)len;
    return bytes;
}

/* A copy of its exact size, so that sanitizers see a read behind the end. */
static void feed(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = (uint8_t *)calloc(1, size ? size : 1);
    if (!copy)
        exit(1);
    memcpy(copy, bytes, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void feed_varied(uint8_t *bytes, size_t size)
{
    static const uint8_t changes[] = { 0x01, 0x80, 0xff };
    const size_t step = (size_t)test_env("CRDT_STRIDE", 1);
    size_t i, k;
    for (i = 0; i < size; i += step ? step : 1) {
        current_byte = (long)i;
        feed(bytes, i);
        for (k = 0; k < sizeof changes; k++) {
            bytes[i] ^= changes[k];
            feed(bytes, size);
            bytes[i] ^= changes[k];
        }
    }
    current_byte = -1;
}

static void replay(const char *path, int varied)
{
    size_t size;
    uint8_t *bytes = read_file(path, &size);
    current_path = path;
    feed(bytes, size);
    if (varied && size <= VARIED_SIZE_MAX)
        feed_varied(bytes, size);
    free(bytes);
}

/* No corpus is no error: then it is the empty input alone. */
static int replay_corpus(const char *program)
{
    char path[PATH_LEN_MAX];
    const char *slash = strrchr(program, '/');
    const char *name = slash ? slash + 1 : program;
    const struct dirent *entry;
    int files = 1;
    DIR *dir;
    feed((const uint8_t *)"", 0);
    snprintf(path, sizeof path, "test/fuzz/corpus/%s", name);
    dir = opendir(path);
    while (dir && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "test/fuzz/corpus/%s/%s", name,
                 entry->d_name);
        replay(path, 1);
        files++;
    }
    if (dir)
        closedir(dir);
    return files;
}

int main(int argc, char **argv)
{
    int i, files = argc - 1;
    signal(SIGSEGV, on_crash);
    signal(SIGABRT, on_crash);
    for (i = 1; i < argc; i++)
        replay(argv[i], 0);
    if (argc == 1)
        files = replay_corpus(argv[0]);
    printf("%d passed, 0 failed\n", files);
    return 0;
}
