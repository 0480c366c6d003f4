/* The audit of a document: the digest again, as long as no value has changed
 * by itself; and each bit of each value that has shows. */
#include "../../src/audit.h"
#include "../replicas.h"

/* One of everything that is alive by itself, most of it zero, one or empty:
 * what hides a bit where it can. */
static crdt_doc *begin(void)
{
    crdt_doc *doc = replica(1);
    crdt_obj root = crdt_root(doc), set;
    int i;
    CHECK_INT(crdt_counter_add(crdt_map_counter(root, CRDT_STR("up")), 1),
              CRDT_OK);
    CHECK_INT(crdt_counter_add(crdt_map_counter(root, CRDT_STR("down")), -1),
              CRDT_OK);
    CHECK_INT(crdt_map_put_int(root, CRDT_STR("zero"), 0), CRDT_OK);
    CHECK_INT(crdt_map_put_int(root, CRDT_STR("minus"), -1), CRDT_OK);
    CHECK_INT(crdt_map_put_double(root, CRDT_STR("double"), 0.0), CRDT_OK);
    CHECK_INT(crdt_map_put_bool(root, CRDT_STR("bool"), 0), CRDT_OK);
    CHECK_INT(crdt_map_put_str(root, CRDT_STR("text"), CRDT_STR("word")),
              CRDT_OK);
    set = crdt_map_object(root, CRDT_STR("set"), CRDT_AW_SET);
    for (i = 0; i < 3; i++)
        CHECK_INT(crdt_set_add(set, crdt_int(i)), CRDT_OK);
    CHECK_INT(crdt_text_insert(crdt_map_text(root, CRDT_STR("page")),
                               CRDT_CHARS, 0, CRDT_STR("page")),
              CRDT_OK);
    CHECK_INT(crdt_commit(doc), CRDT_OK);
    return doc;
}

static int is_same(crdt_digest a, crdt_digest b)
{
    return a.lo == b.lo && a.hi == b.hi;
}

TEST(an_audit_is_the_digest)
{
    crdt_doc *doc = begin();
    crdt_digest digest = crdt_doc_digest(doc);
    CHECK(is_same(crdti_audit(doc), digest));
    CHECK(is_same(crdt_doc_digest(doc), digest));
    done(doc);
}

/* Flips that bit for a look; whether it shows, and is gone again with it. */
static int is_seen(crdt_doc *doc, uint64_t *word, int bit)
{
    crdt_digest before = crdti_audit(doc), spoilt;
    *word ^= (uint64_t)1 << bit;
    spoilt = crdti_audit(doc);
    *word ^= (uint64_t)1 << bit;
    return !is_same(before, spoilt) && is_same(before, crdti_audit(doc));
}

TEST(each_bit_of_each_value_shows)
{
    crdt_doc *doc = begin();
    uint32_t at = doc->replicas.ptr[doc->self].oldest;
    int bit, seen = 0;
    for (; at; at = crdti_op_at(doc, at)->newer) {
        crdti_op *op = crdti_op_at(doc, at);
        uint64_t *second = op->kind == CRDTI_ADD
                               ? &op->as.add.minus
                               : (uint64_t *)&op->as.value.as.integer;
        for (bit = 0; bit < 64; bit++) {
            seen += is_seen(doc, &op->as.add.plus, bit);
            if (op->kind == CRDTI_ADD ||
                (op->kind == CRDTI_VALUE && !crdti_op_has_bytes(op)))
                seen += is_seen(doc, second, bit);
        }
    }
    /* Two words of six values; the stamps of a string and four objects. */
    CHECK_INT(seen, 64 * (6 * 2 + 5));
    done(doc);
}

TEST(a_character_shows)
{
    crdt_doc *doc = begin();
    crdt_digest digest = crdti_audit(doc);
    crdti_author *author =
        crdti_author_at(doc, crdti_sequence_at(doc, doc->sequences)->authors);
    author->content.ptr[0] ^= 1;
    CHECK(is_same(crdt_doc_digest(doc), digest));
    CHECK(!is_same(crdti_audit(doc), digest));
    author->content.ptr[0] ^= 1;
    CHECK(is_same(crdti_audit(doc), digest));
    done(doc);
}

TEST_MAIN(CASE(an_audit_is_the_digest), CASE(each_bit_of_each_value_shows),
          CASE(a_character_shows))
