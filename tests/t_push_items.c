/*
 * src/publish: the published form of a result, read back by the reader that
 * was written from doc/proof.md; and src/push: the journal, bundles, index,
 * parts and statement of a batch made by hand, cut off anywhere and gone on
 * with.
 */
#include <config.h>

#include <inttypes.h>

#include "arweave/bundle.h"
#include "arweave/item.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/found.h"
#include "base/id.h"
#include "proof/line_ids.h"
#include "proof/merkle_path.h"
#include "proof/merkle_tree.h"
#include "publish/published.h"
#include "publish/published_statement.h"
#include "publish/results.h"
#include "push/complete_answer.h"
#include "push/push_index.h"
#include "push/push_items.h"
#include "store/seal.h"
#include "tests/arweave_util.h"
#include "tests/batch_util.h"
#include "tests/helper_path.h"
#include "tests/record_util.h"

#define DIM 4
#define N_LINES 7 /* and one of two choices, and one without an answer */

static struct err err;
static struct key *key;
static struct batch_info info;

/* ---- the tree ------------------------------------------------------------ */

static void test_tree(void)
{
    struct id root;
    unsigned char hash[40 * 32], path[64 * 32], want[64 * 32];
    bool good = true;

    for (size_t i = 0; i < sizeof(hash); i++)
        hash[i] = (unsigned char)(i * 7 + i / 32);
    for (size_t n = 0; n <= 40; n++) {
        struct merkle_tree t;
        struct merkle m;

        must(merkle_tree_init(&t, n, &err), &err);
        memcpy(t.hash, hash, n * 32);
        merkle_tree_build(&t);
        merkle_init(&m);
        for (size_t i = 0; i < n; i++)
            merkle_hash(&m, id_at(hash + 32 * i));
        merkle_root(&m, id_in(want));
        merkle_tree_root(&t, &root);
        if (!id_equal(root, id_at(want)))
            good = false;
        for (size_t i = 0; i < n; i++) {
            size_t k = merkle_path(want, hash, n, i);

            if (merkle_tree_path(&t, path, i) != k ||
                memcmp(path, want, k * 32) != 0)
                good = false;
        }
        merkle_tree_clear(&t);
    }
    ok(good, "roots and paths of 0 to 40 leaves are those of merkle.h");
}

/* ---- JSON ---------------------------------------------------------------- */

#define A43 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define B43 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"
#define C43 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAI"
#define EXAMPLE_HEAD \
    "{\"apus\":\"result-1\"," \
    "\"request\":\"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc\"," \
    "\"process\":\"" A43 "\"," \
    "\"model\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\"," \
    "\"job\":\"wCmipJwsxp2GaRmS0BMsWy17ZMAVtiuMiETczNFAjYI\"," \
    "\"params\":{\"choice\":0,\"max_tokens\":256,\"temperature\":700000," \
    "\"top_p\":950000,\"top_k\":40,\"flags\":0," \
    "\"seed\":\"1234567890123456789\",\"stops\":[\"Cgo\"]},"

static void make_json(struct buf *out, const struct made *m, bool hashes)
{
    static const struct id zeros;
    struct id batch, node, root;
    struct published_batch b = { .process = &zeros,
                                   .batch = &batch,
                                   .root = &root,
                                   .node = &node,
                                   .count = 1,
                                   .hashes = hashes };
    struct made copy = *m;
    struct record r;

    memset(batch.b, 8, 32);
    memset(node.b, 10, 32);
    made_commit(&copy);
    made_record(&copy, &r);
    merkle_leaf_hash(&root, r.result, RECORD_RESULT);
    buf_reset(out);
    must(published_put(out, &r, &b, 0, NULL, 0, &err), &err);
}

static bool begins_with(const struct buf *b, const char *text)
{
    return b->len >= strlen(text) &&
           memcmp(b->data, text, strlen(text)) == 0;
}

/* Whether the other side makes the same record of it. */
static bool reads_back(const struct buf *json, const struct made *m)
{
    struct made copy = *m;
    struct published p;
    bool good;

    made_commit(&copy);
    published_init(&p);
    good = published_read(&p, json->data, json->len, &err) == 0 &&
           memcmp(p.result_bytes, copy.result, RECORD_RESULT) == 0 &&
           published_is_in(&p, p.root, 1);
    if (!good)
        printf("# %.*s\n# %s\n", (int)json->len, json->data, err.text);
    published_clear(&p);
    return good;
}

static void test_json(void)
{
    struct made m;
    struct buf b;

    buf_init(&b, 1u << 20);
    made_init(&m);
    make_json(&b, &m, false);
    ok(begins_with(&b, EXAMPLE_HEAD "\"prompt\":[1,15043,29991],\"tokens\":"
                   "[306,2],\"text\":\" the\",\"finish\":0,\"error\":[],"
                   "\"trace\":\""),
       "the example of doc/proof.md, with ids computed elsewhere");
    ok(reads_back(&b, &m), "is read back");
    make_json(&b, &m, true);
    ok(begins_with(&b, EXAMPLE_HEAD "\"prompt\":[3,\"") &&
           reads_back(&b, &m), "as hashes");
    m.text = "\"\\\n\x01\x7f\xc3\xa9\xf0\x9f\x98\x80";
    make_json(&b, &m, false);
    ok(reads_back(&b, &m), "a text of odd characters");
    m.r.finish = RESULT_RANGE;
    m.r.error_position = 3;
    m.r.error_layer = RESULT_HEAD;
    m.r.error_op = 1;
    m.r.error_row = 0;
    m.r.error_index = 77;
    make_json(&b, &m, false);
    ok(strstr(b.data, "\"finish\":16,\"error\":[3,4294967295,1,0,77],") &&
           reads_back(&b, &m), "an error and its place");
    buf_clear(&b);
}

static void test_bad_text(void)
{
    struct id id = { 0 };
    struct published_batch part = { &id, &id, &id, &id, 1, false };
    struct record r;
    struct made m;
    struct buf b;

    buf_init(&b, 1u << 20);
    made_init(&m);
    m.text = "\xff";
    made_commit(&m);
    made_record(&m, &r);
    ok(published_put(&b, &r, &part, 0, NULL, 0, &err) == -1 &&
           err.code == ERR_INPUT, "a text that is not UTF-8: %s", err.text);
    buf_clear(&b);
}

/* ---- a batch ------------------------------------------------------------- */

static void put_answer(struct worklog *w, uint32_t line, uint32_t choice)
{
    char text[32];
    struct record r;
    struct made m;
    struct buf b;

    made_init(&m);
    snprintf(text, sizeof(text), " %u.%u", (unsigned)line, (unsigned)choice);
    m.j.choice = choice;
    m.text = text;
    line_id_by_file(&m.r.request, info.file, line);
    made_commit(&m);
    made_record(&m, &r);
    buf_init(&b, 1u << 16);
    record_put(&b, &r);
    log_frame(w, FRAME_RECORD, line, choice, b.data, b.len);
    buf_clear(&b);
}

static void make_sealed(void)
{
    struct seal_options o = { .part_size = 1u << 12, .n_vocab = 32000,
                              .n_layers = 2, .dim = DIM,
                              .model_source = "hf:who/model@1" };
    char *lines = lines_of(LINE, N_LINES), *all;
    struct worklog *w;

    all = xasprintf("%s%s%s", lines, LINE_OF_TWO, LINE);
    batch_make(&info, "batch", all);
    w = log_begin(&info, 0, 0);
    for (uint32_t i = 0; i < N_LINES; i++)
        put_answer(w, i, 0);
    put_answer(w, N_LINES, 0);
    put_answer(w, N_LINES, 1);
    log_frame(w, FRAME_GIVEN_UP, N_LINES + 1, 0, "why\nso", 6);
    log_end(w);
    must(seal_batch(info.source, &info, &o, 0, 1, true, &err), &err);
    free(lines);
    free(all);
}

static const struct push_signing *signing(void)
{
    static struct push_signing s;

    s = (struct push_signing){ .key = key, .version = "1", .commit = "abc",
                               .threads = 2, .bundle_items = 4 };
    return &s;
}

static int make_all(const struct push_plan *plan)
{
    struct results *r = NULL;
    int rc;

    err = (struct err)ERR_INIT;
    if (results_open(&r, info.source, &err))
        return -1;
    rc = push_items_make(info.source, r, plan, signing(), &err);
    results_close(r);
    return rc;
}

static void read_into(struct buf *b, const char *path)
{
    if (path)
        must(file_read(b, path, &err), &err);
}

/* Item and data of an upload, verified. */
static bool upload_is_good(const struct push_upload *u, struct buf *whole,
                           struct item *it)
{
    buf_reset(whole);
    buf_put(whole, u->head, u->n_head);
    read_into(whole, u->data);
    return whole->len == u->n_head + u->n_data &&
           item_open(it, whole->data, whole->len, &err) == 0 &&
           id_equal(it->id, u->id);
}

static bool has_tag(const struct item *it, const char *name,
                    const char *value)
{
    char text[200];

    return item_tag_text(it, name, text, sizeof(text)) == 0 &&
           strcmp(text, value) == 0;
}

/* One result item within the data of its bundle. */
static bool result_is_good(const char *data, const struct push_index_line *l,
                           struct id root, uint32_t count)
{
    char id[ID_TEXT];
    struct published p;
    struct item it;
    bool good;

    published_init(&p);
    digest(&p.node, "", 0);
    good = item_open(&it, data + l->offset, (size_t)l->size, &err) == 0 &&
           id_equal(it.id, l->item) && it.n_tags == 7 &&
           has_tag(&it, "Apus", "result-1") &&
           has_tag(&it, "Request", id_text(l->request).s) &&
           has_tag(&it, "Content-Type", "application/json") &&
           published_read(&p, data + l->offset + it.head_n,
                          (size_t)l->size - it.head_n, &err) == 0 &&
           published_is_in(&p, root, count) && id_equal(p.node, it.address);
    if (good) {
        struct id h;

        digest(&h, p.result_bytes, RECORD_RESULT);
        base64url(id, h.b, 32);
        good = has_tag(&it, "Result", id);
        base64url(id, p.result.job.b, 32);
        good = good && has_tag(&it, "Job", id);
        good = good && id_equal(p.result.request, l->request) &&
               p.result.choice == l->choice;
    }
    published_clear(&p);
    return good;
}

/* The next results of the index, at most four: are they in this bundle? */
static bool results_are_good(struct push_index *x, struct id bundle,
                             const char *data, struct results *r, size_t *n)
{
    struct id root = id_at(results_root(r));
    struct push_index_line l;
    bool good = true;

    for (int k = 0; k < 4 &&
    push_index_next(x, &l, &err) == FOUND_ONE; k++, ++*n)
        if (!id_equal(l.bundle, bundle) ||
            !result_is_good(data, &l, root, (uint32_t)results_count(r)))
            good = false;
    return good;
}

/* Everything that is in the journal; the ids in a row. */
static void look_at_all(const struct push_plan *plan, size_t n_parts,
                        struct buf *ids, const char *say)
{
    struct push_index *x = NULL;
    struct push_upload u;
    struct results *r = NULL;
    struct buf whole;
    size_t bundles = 0, results = 0, others = 0;
    bool good = true;
    struct item it;
    int rc;

    buf_init(&whole, 1u << 24);
    must(results_open(&r, info.source, &err), &err);
    must(push_index_open(&x, info.source, &err), &err);
    for (size_t i = 0; (rc = push_upload_get(&u, info.source, plan, n_parts,
                                             i, &err)) == FOUND_ONE; i++) {
        buf_put(ids, u.id.b, 32);
        if (!upload_is_good(&u, &whole, &it)) {
            printf("# %s: %s\n", u.name, err.text);
            good = false;
        } else if (strncmp(u.name, "bundle", 6) == 0) {
            const char *data = whole.data + it.head_n;

            bundles++;
            good = good && has_tag(&it, "Bundle-Format", "binary") &&
                   has_tag(&it, "Bundle-Version", "2.0.0") &&
                   has_tag(&it, "Apus", "bundle-1") &&
                   bundle_check(data, whole.len - it.head_n, &err) == 0;
            good = results_are_good(x, u.id, data, r, &results) && good;
        } else {
            others++;
        }
        push_upload_clear(&u);
    }
    ok(rc == 0 && good && bundles == 3 && results == N_LINES + 2 &&
           others == (plan->hashes ? 1 : 2 * n_parts + 1),
       "%s: %zu bundles, %zu results, %zu others %s", say, bundles, results,
       others, err.text);
    push_index_close(x);
    results_close(r);
    buf_clear(&whole);
}

static void test_statement(const struct push_plan *plan, size_t n_parts)
{
    struct published_statement p;
    struct seal_info seal;
    struct push_upload u;
    struct buf whole;
    struct item it;
    size_t i = 0;

    buf_init(&whole, 1u << 24);
    while (push_upload_get(&u, info.source, plan, n_parts, i, &err) ==
               FOUND_ONE &&
           strcmp(u.name, "statement") != 0) {
        push_upload_clear(&u);
        i++;
    }
    must(seal_info_read(&seal, info.source, &err), &err);
    ok(upload_is_good(&u, &whole, &it) &&
           published_statement_read(&p, whole.data + it.head_n,
                                    whole.len - it.head_n, &err) == 0 &&
           published_files_fit(&p) && p.s.count == N_LINES + 2 &&
           p.s.n_files == n_parts && id_equal(p.s.node, it.address) &&
           id_equal(p.s.previous, plan->previous) &&
           published_has_file(&p, seal.part[0].size, seal.part[0].sha256) &&
           has_tag(&it, "Apus", "statement-1") &&
           has_tag(&it, "Version", "1") && has_tag(&it, "Commit", "abc") &&
           has_tag(&it, "Model-Source", "hf:who/model@1") &&
           has_tag(&it, "Process", A43),
       "the statement, and its files %s", err.text);
    seal_info_clear(&seal);
    push_upload_clear(&u);
    buf_clear(&whole);
}

static void test_batch(void)
{
    static const char *const lost[] = {
        "items.jsonl push/bundle-0000.head push/bundle-0001.head "
        "push/bundle-0002.head", "items.jsonl push/bundle-0002.head "
        "push/bundle-0002.items", "push/statement.head push/idx-0000.head",
    };
    struct push_plan plan = { .hashes = false }, other;
    struct buf ids, again;
    size_t n_parts;
    struct seal_info seal;

    make_sealed();
    must(seal_info_read(&seal, info.source, &err), &err);
    n_parts = seal.n_parts;
    seal_info_clear(&seal);
    key_address(key, &plan.node);
    memset(plan.previous.b, 3, 32);
    buf_init(&ids, 1u << 16);
    buf_init(&again, 1u << 16);
    must(push_plan_settle(&plan, info.source, &err), &err);
    ok(n_parts > 1 && make_all(&plan) == 0, "all is made, of %zu parts %s",
       n_parts, err.text);
    look_at_all(&plan, n_parts, &ids, "what is there");
    test_statement(&plan, n_parts);
    for (size_t i = 0; i < sizeof(lost) / sizeof(*lost); i++) {
        char *cmd = xasprintf("cd '%s' && rm -f %s", info.source, lost[i]);

        /* indexes of bundles go with items.jsonl */
        if (i == 1) {
            free(cmd);
            cmd = xasprintf("cd '%s' && rm -f items.jsonl push/bundle-*",
                            info.source);
        }
        if (system(cmd))
            abort();
        free(cmd);
        buf_reset(&again);
        ok(make_all(&plan) == 0, "made again %s", err.text);
        look_at_all(&plan, n_parts, &again, "the same");
        ok(again.len == ids.len && memcmp(again.data, ids.data, ids.len) == 0,
           "with the same ids");
    }
    other = plan;
    memset(other.previous.b, 9, 32);
    ok(push_plan_settle(&other, info.source, &err) == 0 &&
           other.previous.b[0] == 3,
       "what was settled stays");
    other.node.b[0] ^= 1;
    ok(push_plan_settle(&other, info.source, &err) == -1 &&
           err.code == ERR_INPUT, "another wallet: %s", err.text);
    other.node.b[0] ^= 1;
    other.hashes = true;
    ok(push_plan_settle(&other, info.source, &err) == -1 &&
           err.code == ERR_INPUT, "another way: %s", err.text);
    buf_clear(&ids);
    buf_clear(&again);
}

static void test_hashes(void)
{
    struct push_plan plan = { .hashes = true };
    char *cmd = xasprintf("cd '%s' && rm -rf items.jsonl push", info.source);
    struct buf ids;

    if (system(cmd))
        abort();
    free(cmd);
    buf_init(&ids, 1u << 16);
    key_address(key, &plan.node);
    must(push_plan_settle(&plan, info.source, &err), &err);
    ok(make_all(&plan) == 0, "as hashes %s", err.text);
    look_at_all(&plan, 2, &ids, "no parts");
    buf_clear(&ids);
}

/* A part that was changed is not published. */
static void test_damage(void)
{
    struct push_plan plan = { .hashes = false };
    char *cmd = xasprintf("cd '%s' && rm -rf items.jsonl push && printf x |"
                          " dd of=part-0000.h5 bs=1 seek=7000 conv=notrunc"
                          " 2>/dev/null", info.source);

    if (system(cmd))
        abort();
    free(cmd);
    key_address(key, &plan.node);
    must(push_plan_settle(&plan, info.source, &err), &err);
    ok(make_all(&plan) == -1 && err.code == ERR_INPUT, "a changed part: %s",
       err.text);
}

/* ---- what the queue says ------------------------------------------------- */

static int answer_of(uint64_t accepted, uint64_t repeated, uint64_t conflicts,
                     uint64_t unknown, uint64_t refused, const char *data)
{
    static const char message[] =
        "{\"request\":\"" A43 "\",\"choice\":\"0\"}\n"
        "{\"request\":\"" B43 "\",\"choice\":\"0\"}\n";
    uint64_t count[COMPLETE_COUNTS] = { accepted, repeated, conflicts,
                                        unknown, refused };

    err = (struct err)ERR_INIT;
    return complete_answer(message, 2, count, data, &err);
}

static int answer(uint64_t accepted, uint64_t repeated, uint64_t conflicts,
                  uint64_t unknown, const char *data)
{
    return answer_of(accepted, repeated, conflicts, unknown, 0, data);
}

static void test_answers(void)
{
    static const char conflict[] = "{\"request\":\"" B43
                                   "\",\"why\":\"conflict\"}\n";
    static const char unknown[] = "{\"request\":\"" A43
                                  "\",\"why\":\"unknown\"}";
    static const char refused[] = "{\"request\":\"" A43 "\",\"why\":"
                                  "\"refused\",\"reason\":\"the text\"}";
    static const char others[] = "{\"request\":\"" C43
                                 "\",\"why\":\"conflict\"}";

    ok(answer(2, 0, 0, 0, "") == 0 && answer(1, 1, 0, 0, "\n") == 0,
       "both accepted, or one repeated");
    ok(answer(1, 0, 1, 0, conflict) == 0 && answer(0, 1, 0, 1, unknown) == 0,
       "one a conflict, or unknown");
    ok(answer_of(1, 0, 0, 0, 1, refused) == 0 &&
           answer_of(1, 0, 1, 0, 0, refused) &&
           answer_of(1, 0, 0, 0, 1, conflict), "one refused, with a reason");
    ok(answer(1, 0, 0, 0, "") && err.code == ERR_RETRY &&
           answer(3, 0, 0, 0, ""),
       "one too few, one too many");
    ok(answer(UINT64_MAX, 3, 0, 0, "") && answer(0, 0, UINT64_MAX, 3, ""),
       "numbers that overflow");
    ok(answer(2, 0, 0, 0, conflict) && answer(1, 0, 1, 0, "") &&
           answer(1, 0, 0, 1, conflict), "other names than numbers");
    ok(answer(1, 0, 1, 0, others) && strstr(err.text, "not in our message"),
       "a request of somebody else: %s", err.text);
    ok(answer(1, 0, 1, 0, "{") && err.code == ERR_RETRY, "no JSON: %s",
       err.text);
}

int main(void)
{
    key = test_key();
    test_tree();
    test_json();
    test_bad_text();
    test_batch();
    test_hashes();
    test_damage();
    test_answers();
    batch_info_clear(&info);
    key_free(key);
    all_remove();
    return done();
}
