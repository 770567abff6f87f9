/*
 * src/verify/claims: signed results and statements hold in every claim; with
 * one thing changed at a time, and signed again, the claim that is about it
 * fails and says so.
 */
#include <config.h>

#include <string.h>

#include "base/base64.h"
#include "base/err.h"
#include "base/id.h"
#include "tests/arweave_util.h"
#include "tests/published_util.h"
#include "tests/tap.h"
#include "verify/claims.h"

#define MAX_TAGS 8

static struct key *key;
static struct id node;

/* An item to be signed, in pieces that can be changed. */
struct draft {
    struct pub p;
    struct item_text_tag tag[MAX_TAGS];
    char id[MAX_TAGS][ID_TEXT];
    size_t n_tags;
};

static struct item_text_tag *draft_tag(struct draft *d, const char *name)
{
    for (size_t i = 0; i < d->n_tags; i++)
        if (strcmp(d->tag[i].name, name) == 0)
            return &d->tag[i];
    d->tag[d->n_tags].name = name;
    return &d->tag[d->n_tags++];
}

static void draft_id(struct draft *d, const char *name, struct id id)
{
    struct item_text_tag *t = draft_tag(d, name);
    char *text = d->id[t - d->tag];

    base64url(text, id.b, 32);
    t->value = text;
}

static void draft_init(struct draft *d)
{
    memset(d, 0, sizeof(*d));
    pub_init(&d->p, &node);
    draft_tag(d, "Apus")->value = "result-1";
    draft_id(d, "Request", d->p.request);
    draft_id(d, "Model", d->p.model);
    draft_id(d, "Job", d->p.job);
    draft_id(d, "Result", d->p.result);
    draft_id(d, "Batch", d->p.batch);
    draft_tag(d, "Content-Type")->value = "application/json";
}

/* ---- what is told -------------------------------------------------------- */

struct told {
    int n, open;
    char wrong[1000]; /* "what: detail; " of each that fails */
};

static void on_claim(void *self, const struct check_claim *c)
{
    struct told *t = self;
    size_t n = strlen(t->wrong);

    t->n++;
    t->open += c->open;
    if (!c->holds)
        snprintf(t->wrong + n, sizeof(t->wrong) - n, "%s: %s; ", c->what,
                 c->detail);
}

/* Sign the data, open it; the bytes are raw's. */
static void sign(struct claims_item *it, struct buf *raw,
                 const struct item_text_tag *tag, size_t n_tags,
                 const void *data, size_t n)
{
    struct item_spec spec = { .tag = tag, .n_tags = n_tags };
    struct err err = ERR_INIT;
    struct id id;

    buf_reset(raw);
    if (item_sign(raw, &spec, data, n, key, &id, &err) ||
        item_open(&it->head, raw->data, raw->len, &err)) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    it->data = raw->data + it->head.head_n;
    it->n = raw->len - it->head.head_n;
}

static void sign_draft(struct claims_item *it, struct buf *raw,
                       const struct draft *d)
{
    struct buf json;

    buf_init(&json, 1u << 20);
    pub_json(&json, &d->p);
    sign(it, raw, d->tag, d->n_tags, json.data, json.len);
    buf_clear(&json);
}

static int report(struct told *t, struct published *p, const struct draft *d,
                  const struct id *who)
{
    struct claims c = { .report = on_claim, .self = t, .key = who };
    struct claims_item it;
    struct buf raw;
    int rc;

    memset(t, 0, sizeof(*t));
    buf_init(&raw, 1u << 20);
    sign_draft(&it, &raw, d);
    rc = claims_result(&c, &it, p);
    if (c.failed != (*t->wrong != '\0'))
        rc = -2;
    buf_clear(&raw);
    return rc;
}

/* ---- results ------------------------------------------------------------- */

static void test_good(void)
{
    struct published p;
    struct draft d;
    struct told t;

    published_init(&p);
    draft_init(&d);
    ok(report(&t, &p, &d, &node) == 0 && !*t.wrong && t.open == 0 && t.n == 9,
       "a result holds in nine claims %s", t.wrong);
    ok(report(&t, &p, &d, NULL) == 0 && !*t.wrong && t.open == 1,
       "without a key, who signed it is open");
    ok(report(&t, &p, &d, &d.p.batch) == 0 && strstr(t.wrong, "its owner"),
       "another key: %s", t.wrong);
    pub_hash(&d.p);
    ok(report(&t, &p, &d, &node) == 0 && !*t.wrong, "by hashes it holds too");
    pub_clear(&d.p);
    published_clear(&p);
}

/* Another value in the JSON: the first claim that fails. */
static void wrong_value(const char *k, const char *json, const char *claim)
{
    struct id other;
    struct published p;
    struct draft d;
    struct told t;

    published_init(&p);
    memset(other.b, 77, 32);
    draft_init(&d);
    if (json)
        pub_set(&d.p, k, json);
    else
        pub_set_id(&d.p, k, other);
    ok(report(&t, &p, &d, &node) != -2 &&
           strncmp(t.wrong, claim, strlen(claim)) == 0,
       "another %s: %.100s", k, t.wrong);
    pub_clear(&d.p);
    published_clear(&p);
}

static void test_values(void)
{
    wrong_value("apus", "\"result-2\"", "its form");
    wrong_value("request", NULL, "its tag Result");
    wrong_value("model", NULL, "its job");
    wrong_value("job", NULL, "its job");
    wrong_value("choice", "1", "its job");
    wrong_value("max_tokens", "255", "its job");
    wrong_value("temperature", "7", "its job");
    wrong_value("top_p", "7", "its job");
    wrong_value("top_k", "7", "its job");
    wrong_value("flags", "1", "its job");
    wrong_value("seed", "\"7\"", "its job");
    wrong_value("stops", "[]", "its job");
    wrong_value("prompt", "[1]", "its job");
    wrong_value("tokens", "[306]", "its tag Result");
    wrong_value("text", "\"the\"", "its tag Result");
    wrong_value("finish", "2", "its tag Result");
    wrong_value("error", "[1]", "its form");
    wrong_value("trace", NULL, "its tag Result");
    wrong_value("n", "3", "its tag Result");
    wrong_value("level", "1", "its tag Result");
    wrong_value("batch_id", NULL, "its tags");
    wrong_value("batch_root", NULL, "its path");
    wrong_value("index", "1", "its path");
    wrong_value("count", "2", "its path");
    wrong_value("path", "[\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"]",
                "its path");
    wrong_value("node", NULL, "its node");
}

static void test_tags(void)
{
    static const char *const rows[][2] = {
        { "Apus", "its form" }, { "Request", "its tags" },
        { "Model", "its tags" }, { "Job", "its tags" },
        { "Result", "its tag Result" }, { "Batch", "its tags" },
    };
    struct id other;
    struct published p;
    struct draft d;
    struct told t;

    published_init(&p);
    memset(other.b, 77, 32);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct item_text_tag *tag;

        draft_init(&d);
        draft_id(&d, rows[i][0], other);
        report(&t, &p, &d, &node);
        ok(strncmp(t.wrong, rows[i][1], strlen(rows[i][1])) == 0,
           "another tag %s: %.100s", rows[i][0], t.wrong);
        pub_clear(&d.p);
        draft_init(&d);
        draft_tag(&d, rows[i][0])->name = "X";
        report(&t, &p, &d, &node);
        ok(strncmp(t.wrong, rows[i][1], strlen(rows[i][1])) == 0,
           "no tag %s: %.100s", rows[i][0], t.wrong);
        pub_clear(&d.p);
        draft_init(&d);
        tag = draft_tag(&d, rows[i][0]);
        d.tag[d.n_tags++] = *tag;
        report(&t, &p, &d, &node);
        ok(strncmp(t.wrong, rows[i][1], strlen(rows[i][1])) == 0,
           "the tag %s twice: %.100s", rows[i][0], t.wrong);
        pub_clear(&d.p);
    }
    published_clear(&p);
}

/* Values that fit each other but that no answer has. */
static void test_finish(void)
{
    struct result_record r;
    struct published p;
    struct id id;
    struct draft d;
    struct told t;

    published_init(&p);
    draft_init(&d);
    report(&t, &p, &d, &node);
    r = p.result;
    r.finish = RESULT_LENGTH;
    result_record_id(&id, &r);
    draft_id(&d, "Result", id);
    pub_set(&d.p, "finish", "1");
    report(&t, &p, &d, &node);
    ok(strncmp(t.wrong, "its finish", 10) == 0, "an invalid length: %s",
       t.wrong);
    pub_clear(&d.p);
    published_clear(&p);
}

/* ---- statements ---------------------------------------------------------- */

struct paper {
    struct statement s;
    unsigned char data[STATEMENT_SIZE + 2 * PUBLISHED_FILE];
    size_t n_data; /* files that are there */
    struct draft tags;
};

static void paper_pack(struct paper *w)
{
    statement_pack(w->data, &w->s);
}

static void paper_init(struct paper *w)
{
    struct merkle files;

    memset(w, 0, sizeof(*w));
    draft_init(&w->tags);
    w->s.batch = w->tags.p.batch;
    w->s.root = w->tags.p.root;
    w->s.node = node;
    w->s.count = 1;
    w->s.n_files = 1;
    w->n_data = 1;
    set_u64(w->data + STATEMENT_SIZE, 7);
    memset(w->data + STATEMENT_SIZE + 8, 3, 32);
    merkle_init(&files);
    statement_file(&files, 7, id_at(w->data + STATEMENT_SIZE + 8));
    merkle_root(&files, &w->s.files);
    w->tags.n_tags = 0;
    draft_tag(&w->tags, "Apus")->value = "statement-1";
    draft_id(&w->tags, "Batch", w->s.batch);
    draft_id(&w->tags, "Process", w->s.process);
    paper_pack(w);
}

static int report_paper(struct told *t, struct paper *w)
{
    struct claims c = { .report = on_claim, .self = t, .key = &node };
    struct published_statement s;
    struct claims_item it;
    struct buf raw;
    int rc;

    memset(t, 0, sizeof(*t));
    buf_init(&raw, 1u << 20);
    sign(&it, &raw, w->tags.tag, w->tags.n_tags, w->data,
         STATEMENT_SIZE + w->n_data * PUBLISHED_FILE);
    rc = claims_statement(&c, &it, &s);
    buf_clear(&raw);
    return rc;
}

/* The file once more, and the root that fits. */
static void paper_twice(struct paper *w)
{
    unsigned char *file = w->data + STATEMENT_SIZE;
    struct merkle files;

    memcpy(file + PUBLISHED_FILE, file, PUBLISHED_FILE);
    merkle_init(&files);
    statement_file(&files, 7, id_at(file + 8));
    statement_file(&files, 7, id_at(file + 8));
    merkle_root(&files, &w->s.files);
    w->s.n_files = w->n_data = 2;
    paper_pack(w);
}

static void test_statements(void)
{
    struct paper w;
    struct told t;

    paper_init(&w);
    ok(report_paper(&t, &w) == 0 && !*t.wrong && t.n == 6, "a statement holds"
       " %s", t.wrong);
    w.tags.n_tags--;
    ok(report_paper(&t, &w) == 0 && !*t.wrong, "without a process, too");
    w.s.process.b[3] = 1;
    paper_pack(&w);
    ok(report_paper(&t, &w) == 0 && strstr(t.wrong, "Process"),
       "but not with one that is not a tag: %s", t.wrong);
    w.s.process.b[3] = 0;
    w.s.batch.b[0] ^= 1;
    paper_pack(&w);
    ok(report_paper(&t, &w) == 0 && strncmp(t.wrong, "its tags", 8) == 0,
       "another batch: %s", t.wrong);
    w.s.batch.b[0] ^= 1;
    w.s.node.b[0] ^= 1;
    paper_pack(&w);
    ok(report_paper(&t, &w) == 0 && strncmp(t.wrong, "its node", 8) == 0,
       "another node: %s", t.wrong);
    w.s.node.b[0] ^= 1;
    paper_pack(&w);
    w.data[STATEMENT_SIZE] ^= 1;
    ok(report_paper(&t, &w) == 0 && strncmp(t.wrong, "its list", 8) == 0,
       "another file: %s", t.wrong);
    w.data[STATEMENT_SIZE] ^= 1;
    w.s.n_files = 2;
    paper_pack(&w);
    ok(report_paper(&t, &w) == -1 && strncmp(t.wrong, "its form", 8) == 0,
       "another number of files: %s", t.wrong);
    w.s.n_files = 1;
    paper_pack(&w);
    draft_tag(&w.tags, "Apus")->value = "result-1";
    ok(report_paper(&t, &w) == -1, "another kind: %s", t.wrong);
    draft_tag(&w.tags, "Apus")->value = "statement-1";
    paper_twice(&w);
    ok(report_paper(&t, &w) == 0 && strstr(t.wrong, "a file is there twice"),
       "a file twice: %s", t.wrong);
    pub_clear(&w.tags.p);
}

/* A result and the statement of its batch. */
static void test_together(void)
{
    struct published_statement s;
    struct claims_item a, b;
    struct buf raw_a, raw_b;
    struct published p;
    struct paper w;
    struct draft d;
    struct told t;
    struct {
        unsigned char *at;
        const char *say;
    } rows[] = { { s.s.root.b, "root" },
                 { s.s.batch.b, "batch" },
                 { s.s.process.b, "process" },
                 { s.s.node.b, "node" },
                 { p.path, NULL },
                 { p.result_bytes + 200, "path" },
                 { b.head.address.b, "node" } };

    published_init(&p);
    paper_init(&w);
    draft_init(&d);
    buf_init(&raw_a, 1u << 20);
    buf_init(&raw_b, 1u << 20);
    report(&t, &p, &d, &node);
    sign_draft(&a, &raw_a, &d);
    sign(&b, &raw_b, w.tags.tag, w.tags.n_tags, w.data,
         STATEMENT_SIZE + PUBLISHED_FILE);
    if (published_statement_read(&s, b.data, b.n, NULL))
        abort();
    ok(!claims_not_in(&p, &a, &s, &b), "a result is in its batch");
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const char *out;

        *rows[i].at ^= 1;
        out = claims_not_in(&p, &a, &s, &b);
        ok(rows[i].say ? out && strstr(out, rows[i].say) : !out,
           "not with another %zu: %s", i, out ? out : "(nothing of it)");
        *rows[i].at ^= 1;
    }
    s.s.count = 2;
    ok(claims_not_in(&p, &a, &s, &b) != NULL, "nor with another count");
    buf_clear(&raw_a);
    buf_clear(&raw_b);
    published_clear(&p);
    pub_clear(&d.p);
    pub_clear(&w.tags.p);
}

int main(void)
{
    key = test_key();
    key_address(key, &node);
    test_good();
    test_values();
    test_tags();
    test_finish();
    test_statements();
    test_together();
    key_free(key);
    return done();
}
