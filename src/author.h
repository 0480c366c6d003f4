/*
 * Authors: what one replica wrote in one sequence (a text or a list), and how
 * the characters of a sequence are named.
 *
 *     author   insertions   seq 1..5  name 0  left -  right -   "hello"
 *                           seq 8     name 5  left 2  right 3   "y"
 *              deletions    seq 6..7  of names 4, 3               backwards
 *              content      h e l l o y
 *
 * A *name* is a number for a character that only this copy of the document
 * knows: half the size of a dot. Authors take names in extents, so what one
 * typed at a stretch is one insertion here, whoever else typed meanwhile, and
 * in an author names ascend with seqs:
 *
 *     extents   0..63 a   64..127 b   128..255 a
 *
 * In an insertion each character but the first has the one before it as its
 * left origin; the right origin is the same for all of them.
 */
#ifndef CRDTI_AUTHOR_H
#define CRDTI_AUTHOR_H

#include "state.h"
#include "utf8.h"

#define CRDTI_NO_CHAR                                                         \
    UINT32_MAX /* as left: the beginning; as right: the end */
#define CRDTI_NAMES_MAX 0x20000000u
#define CRDTI_EXTENT_FIRST 64u
#define CRDTI_WIDE_MAX 128u /* characters of an insertion that is not ASCII */
#define CRDTI_CONTENT_GONE UINT32_MAX
#define CRDTI_BACKWARDS 0x80000000u

typedef struct crdti_insertion {
    uint64_t seq;
    uint32_t name, len;
    uint32_t left, right;
    uint32_t content;                /* where in the author's, or GONE */
    uint16_t more_bytes, more_units; /* 0: all ASCII */
} crdti_insertion;

/* The i-th dot deletes name + i, or name - i. */
typedef struct crdti_deletion {
    uint64_t seq;
    uint32_t name, len; /* and CRDTI_BACKWARDS */
} crdti_deletion;

typedef struct crdti_author {
    uint32_t object, replica;
    uint32_t next;                    /* author of the sequence */
    uint32_t older, newer, is_listed; /* in the journal of the replica */
    uint32_t free_name, end_name;     /* what is left of its latest extent */
    uint32_t extent;                  /* how long that was */
    uint32_t party;                   /* scratch of an encoder: edit.h */
    uint32_t is_touched;              /* scratch of a join: graft.h */
    uint64_t last;                    /* its latest seq in this sequence */
    CRDTI_ARRAY(crdti_insertion) insertions;
    CRDTI_ARRAY(crdti_deletion) deletions;
    CRDTI_ARRAY(uint8_t) content;
} crdti_author;

typedef struct crdti_extent {
    uint32_t name, author;
} crdti_extent;

typedef CRDTI_ARRAY(crdti_extent) crdti_extents;

CRDTI_INLINE crdti_author *crdti_author_at(const crdt_doc *doc, uint32_t index)
{
    return CRDTI_POOL_AT(crdti_author, &doc->authors, index);
}

/* >>authors --------------------------------------------------------------- */

CRDTI_FN uint64_t crdti_author_hash(const crdt_doc *doc, uint32_t object,
                                    uint32_t replica)
{
    return crdti_mix(doc->seed ^ object, replica + UINT64_C(1));
}

CRDTI_FN uint32_t crdti_author_find(const crdt_doc *doc, uint32_t object,
                                    uint32_t replica)
{
    uint64_t hash = crdti_author_hash(doc, object, replica);
    size_t iter;
    uint32_t at = crdti_table_first(&doc->author_table, hash, &iter);
    for (; at; at = crdti_table_next(&doc->author_table, hash, &iter)) {
        const crdti_author *author = crdti_author_at(doc, at);
        if (author->object == object && author->replica == replica)
            return at;
    }
    return 0;
}

/* Finds or makes it. `list` is the first of the sequence. NOMEM, LIMIT. */
CRDTI_FN crdt_err crdti_author_get(crdt_doc *doc, uint32_t *list,
                                   uint32_t object, uint32_t replica,
                                   uint32_t *out)
{
    crdti_author *author;
    crdt_err err;
    *out = crdti_author_find(doc, object, replica);
    if (*out)
        return CRDT_OK;
    err = crdti_pool_reserve(&doc->alloc, &doc->authors, 1);
    if (!err)
        err = crdti_table_reserve(&doc->alloc, &doc->author_table, 1);
    if (err)
        return err;
    *out = crdti_pool_take(&doc->authors);
    author = crdti_author_at(doc, *out);
    author->object = object;
    author->replica = replica;
    author->next = *list;
    *list = *out;
    doc->replicas.ptr[replica].authors++;
    crdti_table_insert(&doc->author_table,
                       crdti_author_hash(doc, object, replica), *out);
    return CRDT_OK;
}

/* Takes it out of the order of its replica. */
CRDTI_FN void crdti_author_unlist(crdt_doc *doc, uint32_t index)
{
    crdti_author *author = crdti_author_at(doc, index);
    crdti_replica *replica = &doc->replicas.ptr[author->replica];
    if (!author->is_listed)
        return;
    if (author->older)
        crdti_author_at(doc, author->older)->newer = author->newer;
    if (author->newer)
        crdti_author_at(doc, author->newer)->older = author->older;
    else
        replica->newest_author = author->older;
    author->is_listed = 0;
}

/* It has the replica's latest seq: so of each replica the authors stand in the
 * order of their `last`, and what is new is found first. */
CRDTI_FN void crdti_author_list(crdt_doc *doc, uint32_t index)
{
    crdti_author *author = crdti_author_at(doc, index);
    crdti_replica *replica = &doc->replicas.ptr[author->replica];
    if (replica->newest_author == index)
        return;
    crdti_author_unlist(doc, index);
    author->older = replica->newest_author;
    author->newer = 0;
    author->is_listed = 1;
    if (author->older)
        crdti_author_at(doc, author->older)->newer = index;
    replica->newest_author = index;
}

/* Puts it where its `last` belongs. O(authors of the replica). */
CRDTI_FN void crdti_author_file(crdt_doc *doc, uint32_t index)
{
    crdti_author *author = crdti_author_at(doc, index);
    crdti_replica *replica = &doc->replicas.ptr[author->replica];
    author->newer = 0;
    author->older = replica->newest_author;
    while (author->older &&
           crdti_author_at(doc, author->older)->last > author->last) {
        author->newer = author->older;
        author->older = crdti_author_at(doc, author->older)->older;
    }
    if (author->older)
        crdti_author_at(doc, author->older)->newer = index;
    if (author->newer)
        crdti_author_at(doc, author->newer)->older = index;
    else
        replica->newest_author = index;
    author->is_listed = 1;
}

/* Frees the author, which is no longer, or not yet, in a list of authors. */
CRDTI_FN void crdti_author_free(crdt_doc *doc, uint32_t index)
{
    crdti_author *author = crdti_author_at(doc, index);
    crdti_author_unlist(doc, index);
    doc->replicas.ptr[author->replica].authors--;
    crdti_table_remove(&doc->author_table,
                       crdti_author_hash(doc, author->object, author->replica),
                       index);
    crdti_array_free(&doc->alloc, &author->insertions);
    crdti_array_free(&doc->alloc, &author->deletions);
    crdti_array_free(&doc->alloc, &author->content);
    crdti_pool_give(&doc->authors, index);
}

/* >>names ----------------------------------------------------------------- */

/* The next `n` names that the author takes follow on each other. `used` is how
 * many names the sequence has given away. LIMIT, NOMEM. */
CRDTI_FN crdt_err crdti_names_reserve(crdt_doc *doc, crdti_extents *extents,
                                      uint32_t *used, uint32_t index, size_t n)
{
    crdti_author *author = crdti_author_at(doc, index);
    uint32_t size, room = CRDTI_NAMES_MAX - 1 - *used;
    if (CRDTI_LIKELY(n <= author->end_name - author->free_name))
        return CRDT_OK;
    if (*used >= CRDTI_NAMES_MAX || n > room)
        return CRDT_ERR_LIMIT;
    size = (uint32_t)crdti_min(
        room, crdti_max(n, crdti_max(CRDTI_EXTENT_FIRST,
                                     author->extent * UINT64_C(2))));
    author->extent = size;
    if (extents->len && extents->ptr[extents->len - 1].author == index) {
        *used += size; /* the latest is its own: that grows */
        author->end_name = *used - 1;
        return CRDT_OK;
    }
    if (crdti_array_reserve(&doc->alloc, extents, 1))
        return CRDT_ERR_NOMEM;
    extents->ptr[extents->len].name = *used;
    extents->ptr[extents->len++].author = index;
    author->free_name = *used;
    author->end_name = *used + size;
    *used += size + 1; /* names of two authors never follow on each other */
    return CRDT_OK;
}

/* Whose character that is. O(log extents). */
CRDTI_FN uint32_t crdti_name_author(const crdti_extents *extents,
                                    uint32_t name)
{
    size_t low = 0, high = extents->len;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (extents->ptr[middle].name <= name)
            low = middle;
        else
            high = middle;
    }
    return extents->ptr[low].author;
}

/* The insertion that the character came with; it is the author's. */
CRDTI_FN crdti_insertion *crdti_insertion_of(const crdti_author *author,
                                             uint32_t name)
{
    size_t low = 0, high = author->insertions.len;
    if (author->insertions.ptr[high - 1].name <= name) /* often the latest */
        return &author->insertions.ptr[high - 1];
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (author->insertions.ptr[middle].name <= name)
            low = middle;
        else
            high = middle;
    }
    return &author->insertions.ptr[low];
}

/* The place of the first insertion that ends at or behind `seq`. */
CRDTI_FN size_t crdti_insertion_place(const crdti_author *author, uint64_t seq)
{
    const crdti_insertion *ptr = author->insertions.ptr;
    size_t low = 0, high = author->insertions.len;
    if (high && ptr[high - 1].seq <= seq)
        return high - (ptr[high - 1].seq + ptr[high - 1].len > seq);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ptr[middle].seq + ptr[middle].len <= seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

CRDTI_INLINE uint32_t crdti_deletion_len(const crdti_deletion *deletion)
{
    return deletion->len & ~CRDTI_BACKWARDS;
}

/* The place of the first deletion that ends at or behind `seq`. */
CRDTI_FN size_t crdti_deletion_place(const crdti_author *author, uint64_t seq)
{
    const crdti_deletion *ptr = author->deletions.ptr;
    size_t low = 0, high = author->deletions.len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ptr[middle].seq + crdti_deletion_len(&ptr[middle]) <= seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The name of the character of that seq, or NO_CHAR. */
CRDTI_FN uint32_t crdti_seq_name(const crdti_author *author, uint64_t seq)
{
    size_t place = crdti_insertion_place(author, seq);
    const crdti_insertion *at;
    if (place == author->insertions.len)
        return CRDTI_NO_CHAR;
    at = &author->insertions.ptr[place];
    if (at->seq > seq)
        return CRDTI_NO_CHAR;
    return at->name + (uint32_t)(seq - at->seq);
}

/* How many characters the author has with seqs from `first` to `last`, and in
 * how many insertions. */
CRDTI_FN uint64_t crdti_author_count(const crdti_author *author,
                                     uint64_t first, uint64_t last,
                                     size_t *insertions)
{
    size_t start = crdti_insertion_place(author, first), i = start;
    uint64_t count = 0;
    for (; i < author->insertions.len; i++) {
        const crdti_insertion *at = &author->insertions.ptr[i];
        if (at->seq > last)
            break;
        count += crdti_min(at->seq + at->len - 1, last) -
                 crdti_max(at->seq, first) + 1;
    }
    *insertions = i - start;
    return count;
}

/* >>content --------------------------------------------------------------- */

/* Where the bytes of a character begin that is not gone. O(1) in ASCII; at
 * most CRDTI_WIDE_MAX steps elsewhere. */
CRDTI_FN const uint8_t *crdti_content_at(const crdti_author *author,
                                         const crdti_insertion *insertion,
                                         uint32_t name)
{
    const uint8_t *at = author->content.ptr + insertion->content;
    uint32_t skip = name - insertion->name;
    if (!insertion->more_bytes)
        return at + skip;
    for (; skip > 0; skip--)
        at += crdti_utf8_size(*at);
    return at;
}

/* How wide `len` characters of one insertion are, from `name` on. */
CRDTI_FN crdti_width crdti_content_width(const crdti_author *author,
                                         const crdti_insertion *insertion,
                                         uint32_t name, uint32_t len)
{
    crdti_width width;
    const uint8_t *at;
    uint32_t i;
    crdti_zero(&width, sizeof width);
    width.chars = len;
    if (!insertion->more_bytes)
        return width;
    width.more_bytes = insertion->more_bytes;
    width.more_units = insertion->more_units;
    if (len == insertion->len)
        return width;
    crdti_zero(&width, sizeof width);
    at = crdti_content_at(author, insertion, name);
    for (i = 0; i < len; i++, at += crdti_utf8_size(*at))
        crdti_width_add(&width, crdti_utf8_width(*at));
    return width;
}

/* The bytes of `len` characters of one insertion that are not gone. */
CRDTI_FN crdt_bytes crdti_content_bytes(const crdti_author *author,
                                        const crdti_insertion *insertion,
                                        uint32_t name, uint32_t len)
{
    return crdt_bytes_of(
        crdti_content_at(author, insertion, name),
        crdti_width_in(crdti_content_width(author, insertion, name, len),
                       CRDT_UTF8));
}

#endif
