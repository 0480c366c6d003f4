/*
 * amalgamate ROOT.in.h [-o OUT]: many headers in, one header out.
 *
 * An `#include "x.h"` of a module, which is a header beside the root, becomes
 * the text of that module the first time, and nothing every later time. All
 * other lines are copied byte for byte, and the output depends on them alone.
 *
 *     root.in.h             a.h                   b.h
 *     #include "a.h"        #ifndef CRDTI_A_H     #ifndef CRDTI_B_H
 *     #include "b.h"        #define CRDTI_A_H     #define CRDTI_B_H
 *                           ...                   #include "a.h"
 *                           #endif                ...
 *
 * It refuses, with file and line, whatever would make the one header mean
 * something else than the many: cycles; modules that are missing, or that
 * nothing includes; modules not wholly inside their guard CRDTI_<NAME>_H; and
 * own includes inside a conditional, but for the one section of the root that
 * begins with an #if of CRDTSYNC_IMPLEMENTATION.
 *
 * Lines are read as the compiler reads them: comments and strings hide what
 * is in them, and the line after a backslash is no directive.
 */
#define _POSIX_C_SOURCE 200809L
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECTION "CRDTSYNC_IMPLEMENTATION"
#define BANNER "/* Generated from src/ by tools/amalgamate.c; edit there. */\n"

#ifdef __GNUC__
#define NO_RETURN __attribute__((noreturn))
#else
#define NO_RETURN
#endif

enum { MODULES_MAX = 256, NAME_MAX_LEN = 64, PATH_MAX_LEN = 1024 };

/* >> errors, memory, files */

/* Says what is wrong and where and ends the program; nothing is written. */
static NO_RETURN void refuse(const char *path, int line, const char *format,
                             ...)
{
    va_list args;
    fprintf(stderr, "%s:%d: ", path, line);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

typedef struct text {
    char *ptr; /* with a zero behind `len` */
    size_t len, cap;
} text;

static void append(text *t, const char *ptr, size_t len)
{
    if (t->len + len + 1 > t->cap) {
        t->cap = 2 * (t->len + len + 1);
        t->ptr = (char *)realloc(t->ptr, t->cap);
        if (!t->ptr)
            abort();
    }
    memcpy(t->ptr + t->len, ptr, len);
    t->len += len;
    t->ptr[t->len] = 0;
}

static void append_str(text *t, const char *str)
{
    append(t, str, strlen(str));
}

static text read_file(const char *path)
{
    text t = { NULL, 0, 0 };
    char chunk[4096];
    size_t got;
    FILE *file = fopen(path, "rb");
    if (!file)
        refuse(path, 0, "%s", strerror(errno));
    append_str(&t, "");
    while ((got = fread(chunk, 1, sizeof chunk, file)) > 0)
        append(&t, chunk, got);
    if (ferror(file))
        refuse(path, 0, "%s", strerror(errno));
    fclose(file);
    return t;
}

/* To stdout when path is NULL. A file is there whole or not at all. */
static void write_file(const char *path, const text *t)
{
    FILE *file = path ? fopen(path, "wb") : stdout;
    int failed = !file || fwrite(t->ptr, 1, t->len, file) != t->len;
    failed |= file && fclose(file) != 0;
    if (failed && path)
        remove(path);
    if (failed)
        refuse(path ? path : "stdout", 0, "cannot be written");
}

/* >> modules */

typedef struct module {
    char name[NAME_MAX_LEN];
    enum { FOUND, OPEN, DONE } state;
    const struct module *includer; /* while it is open; NULL: the root */
} module;

typedef struct tree {
    char dir[PATH_MAX_LEN]; /* with its final slash, or empty */
    module modules[MODULES_MAX];
    int count;
    text out;
} tree;

static int ends_with(const char *str, const char *end)
{
    size_t len = strlen(str), end_len = strlen(end);
    return len >= end_len && strcmp(str + len - end_len, end) == 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const module *)a)->name, ((const module *)b)->name);
}

/* Every header of the directory is a module, but for roots. */
static void find_modules(tree *t)
{
    const struct dirent *entry;
    DIR *dir = opendir(*t->dir ? t->dir : ".");
    if (!dir)
        refuse(t->dir, 0, "%s", strerror(errno));
    while ((entry = readdir(dir)) != NULL) {
        const char *name = entry->d_name;
        if (*name == '.' || !ends_with(name, ".h") || ends_with(name, ".in.h"))
            continue;
        if (t->count == MODULES_MAX || strlen(name) >= NAME_MAX_LEN)
            refuse(name, 0, "too many modules, or too long a name");
        memcpy(t->modules[t->count++].name, name, strlen(name) + 1);
    }
    closedir(dir);
    qsort(t->modules, (size_t)t->count, sizeof *t->modules, by_name);
}

static void refuse_unused(const tree *t)
{
    char path[PATH_MAX_LEN + NAME_MAX_LEN];
    int i;
    for (i = 0; i < t->count; i++) {
        snprintf(path, sizeof path, "%s%s", t->dir, t->modules[i].name);
        if (t->modules[i].state != DONE)
            refuse(path, 1, "unused: nothing includes this module");
    }
}

/* >> lines */

/* Where the reading of one file stands. */
typedef struct reader {
    char path[PATH_MAX_LEN + NAME_MAX_LEN];
    module *self;                 /* NULL: the root */
    char guard[NAME_MAX_LEN + 9]; /* of a module */
    text code;                    /* the line, comments as blanks */
    int line, directives, depth;  /* counts; of open conditionals */
    int in_comment, continued;    /* as the line before left it */
    int sections, in_section;     /* of the root */
} reader;

/* Appends the string or character constant at p; returns what follows. */
static const char *take_quoted(text *code, const char *p, const char *end)
{
    const char *start = p++;
    while (p < end && *p != *start)
        p += *p == '\\' && p + 1 < end ? 2 : 1;
    p += p < end;
    append(code, start, (size_t)(p - start));
    return p;
}

/* Leaves in r->code what the compiler sees of the line from p to end. */
static void strip_comments(reader *r, const char *p, const char *end)
{
    text *code = &r->code;
    code->len = 0;
    append_str(code, "");
    while (p < end) {
        if (r->in_comment) {
            r->in_comment = strncmp(p, "*/", 2) != 0;
            p += r->in_comment ? 1 : 2;
        } else if (strncmp(p, "/*", 2) == 0) {
            r->in_comment = 1;
            append_str(code, " ");
            p += 2;
        } else if (strncmp(p, "//", 2) == 0) {
            break;
        } else if (*p == '"' || *p == '\'') {
            p = take_quoted(code, p, end);
        } else {
            append(code, p++, 1);
        }
    }
    while (code->len && isspace((unsigned char)code->ptr[code->len - 1]))
        code->ptr[--code->len] = 0;
}

static const char *skip_blanks(const char *p)
{
    return p + strspn(p, " \t");
}

/* `# include <x>` is the word "include" with the rest "<x>". */
static int is_directive(const reader *r, char word[16], const char **rest)
{
    const char *p = skip_blanks(r->code.ptr);
    if (r->continued || *p != '#')
        return 0;
    p = skip_blanks(p + 1);
    *rest = p + strcspn(p, " \t\"<(");
    snprintf(word, 16, "%.*s", (int)(*rest - p), p);
    *rest = skip_blanks(*rest);
    return 1;
}

/* >> rules */

/* A module is #ifndef GUARD, #define GUARD, ..., #endif, and comments around
 * it. `word` is empty for a line of code. */
static void check_guard(const reader *r, const char *word, const char *rest)
{
    static const char *const opening[] = { "ifndef", "define" };
    int n = r->directives;
    if (n < 2 &&
        (strcmp(word, opening[n]) != 0 || strcmp(rest, r->guard) != 0))
        refuse(r->path, r->line, "include guard expected: #%s %s", opening[n],
               r->guard);
    if (n >= 2 && r->depth == 0)
        refuse(r->path, r->line, "outside of the include guard");
    if (n >= 2 && r->depth == 1 && strncmp(word, "el", 2) == 0)
        refuse(r->path, r->line, "an include guard has no #%s", word);
}

static void track_conditionals(reader *r, const char *word, const char *rest)
{
    if (strncmp(word, "if", 2) == 0) {
        if (r->depth++ == 0 && strcmp(word, "ifndef") != 0 &&
            strstr(rest, SECTION))
            r->in_section = r->sections++ == 0;
    } else if (strncmp(word, "el", 2) == 0 && r->depth == 1) {
        r->in_section = 0;
    } else if (strcmp(word, "endif") == 0) {
        if (r->depth-- == 0)
            refuse(r->path, r->line, "#endif without #if");
        r->in_section &= r->depth > 0;
    }
}

/* "a.h <- c.h <- b.h <- a.h": each is included by the next. */
static void refuse_cycle(const reader *r, const module *m)
{
    const module *i;
    text way = { NULL, 0, 0 };
    for (i = r->self; i && i != m; i = i->includer) {
        append_str(&way, i->name);
        append_str(&way, " <- ");
    }
    refuse(r->path, r->line, "cycle: %s <- %s%s", m->name,
           way.ptr ? way.ptr : "", m->name);
}

/* The module that `rest`, as in #include rest, names; NULL for <x.h>. */
static module *own_include(tree *t, const reader *r, const char *rest)
{
    size_t len = strlen(rest);
    int i;
    if (*rest == '<')
        return NULL;
    if (len < 3 || *rest != '"' || rest[len - 1] != '"')
        refuse(r->path, r->line, "#include \"x.h\" or <x.h> expected");
    if (r->depth > (r->self || r->in_section))
        refuse(r->path, r->line, "conditional own include: %s", rest);
    for (i = 0; i < t->count; i++) {
        module *m = &t->modules[i];
        int same = strlen(m->name) == len - 2 &&
                   strncmp(m->name, rest + 1, len - 2) == 0;
        if (same && m->state == OPEN)
            refuse_cycle(r, m);
        if (same)
            return m;
    }
    refuse(r->path, r->line, "missing module: %s", rest);
}

/* >> expansion */

static void expand(tree *t, reader *r);

static void expand_module(tree *t, module *m, const module *includer)
{
    reader r;
    char *c;
    memset(&r, 0, sizeof r);
    r.self = m;
    snprintf(r.path, sizeof r.path, "%s%s", t->dir, m->name);
    snprintf(r.guard, sizeof r.guard, "CRDTI_%s", m->name);
    for (c = r.guard; *c; c++)
        *c = (char)(isalnum((unsigned char)*c) ? toupper((unsigned char)*c)
                                               : '_');
    m->includer = includer;
    m->state = OPEN;
    append_str(&t->out, "/* >> ");
    append_str(&t->out, m->name);
    append_str(&t->out, " */\n");
    expand(t, &r);
    if (r.directives < 2)
        check_guard(&r, "", "");
    m->state = DONE;
}

/* Copies the line to the output, or puts the module there that it includes. */
static void expand_line(tree *t, reader *r, const char *line, const char *end)
{
    char word[16] = "";
    const char *rest = "";
    module *m = NULL;
    int directive;
    strip_comments(r, line, end);
    directive = is_directive(r, word, &rest);
    if (r->self && *skip_blanks(r->code.ptr))
        check_guard(r, word, rest);
    if (directive) {
        track_conditionals(r, word, rest);
        if (strcmp(word, "include") == 0)
            m = own_include(t, r, rest);
        r->directives++;
    }
    r->continued = ends_with(r->code.ptr, "\\");
    if (!m)
        append(&t->out, line, (size_t)(end - line));
    else if (m->state == FOUND)
        expand_module(t, m, r->self);
}

static void expand(tree *t, reader *r)
{
    text source = read_file(r->path);
    const char *line = source.ptr, *end = source.ptr + source.len;
    while (line < end) {
        const char *newline = strchr(line, '\n');
        r->line++;
        if (!newline)
            refuse(r->path, r->line, "the line does not end in a newline");
        expand_line(t, r, line, newline + 1);
        line = newline + 1;
    }
    if (r->depth || r->in_comment)
        refuse(r->path, r->line, "ends inside of a %s",
               r->depth ? "conditional" : "comment");
    free(source.ptr);
    free(r->code.ptr);
}

int main(int argc, char **argv)
{
    static tree t;
    static reader root;
    const char *slash;
    if (!(argc == 2 || (argc == 4 && strcmp(argv[2], "-o") == 0)) ||
        !ends_with(argv[1], ".in.h") || strlen(argv[1]) >= PATH_MAX_LEN) {
        fputs("usage: amalgamate ROOT.in.h [-o OUT]\n", stderr);
        return 2;
    }
    memcpy(root.path, argv[1], strlen(argv[1]));
    slash = strrchr(argv[1], '/');
    if (slash)
        memcpy(t.dir, argv[1], (size_t)(slash + 1 - argv[1]));
    find_modules(&t);
    append_str(&t.out, BANNER);
    expand(&t, &root);
    refuse_unused(&t);
    write_file(argc == 4 ? argv[3] : NULL, &t.out);
    return 0;
}
