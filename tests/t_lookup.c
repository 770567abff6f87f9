/*
 * src/verify/lookup with an index that lies: whatever is asked, it names every
 * item there is.  What is of another owner, kind or batch is passed over; what
 * the node itself signed and is wrong is told.
 */
#include <config.h>

#include <string.h>
#include <unistd.h>

#include "arweave/bundle.h"
#include "arweave/item.h"
#include "base/base64.h"
#include "base/caller.h"
#include "base/found.h"
#include "base/id.h"
#include "base/program.h"
#include "base/settings.h"
#include "tests/arweave_util.h"
#include "tests/pretend_gateway.h"
#include "tests/published_util.h"
#include "tests/tap.h"
#include "verify/lookup.h"

static struct key *key, *stranger;
static struct world world;
static struct pub pub;
static char batch[ID_TEXT];
static struct id statement_id_;

/* Sign into `out`. */
static void sign(struct buf *out, const struct key *k, const char *kind,
                 const void *data, size_t n, struct id *id)
{
    char text[4][ID_TEXT];
    const struct item_text_tag tag[] = {
        { "Apus", kind }, { "Batch", batch }, { "Request", text[0] },
        { "Model", text[1] }, { "Job", text[2] }, { "Result", text[3] },
    };
    struct item_spec spec = { .tag = tag, .n_tags = 6 };

    base64url(text[0], pub.request.b, 32);
    base64url(text[1], pub.model.b, 32);
    base64url(text[2], pub.job.b, 32);
    base64url(text[3], pub.result.b, 32);
    if (item_sign(out, &spec, data, n, k, id, NULL))
        abort();
}

/* Sign, and let the gateway have it. */
static void publish(const struct key *k, const char *kind, const void *data,
                    size_t n, struct id *id)
{
    struct buf raw;
    struct item it;

    buf_init(&raw, 1u << 20);
    sign(&raw, k, kind, data, n, id);
    if (item_open(&it, raw.data, raw.len, NULL))
        abort();
    world_add(&world, *id, raw.data, raw.len, it.head_n);
    buf_clear(&raw);
}

/* A bundle of one result, signed by `inner`; `wrong_id` in its table. */
static void publish_bundle(const struct key *outer, const struct key *inner,
                           bool wrong_id)
{
    struct bundle_entry e = { .at = 0 };
    struct buf json, item, bundle;
    struct id id;

    buf_init(&json, 1u << 20);
    buf_init(&item, 1u << 20);
    buf_init(&bundle, 1u << 20);
    pub_json(&json, &pub);
    sign(&item, inner, "result-1", json.data, json.len, &e.id);
    e.size = item.len;
    if (wrong_id)
        e.id.b[7] ^= 1;
    if (bundle_head(&bundle, &e, 1, NULL))
        abort();
    buf_put(&bundle, item.data, item.len);
    publish(outer, "bundle-1", bundle.data, bundle.len, &id);
    buf_clear(&json);
    buf_clear(&item);
    buf_clear(&bundle);
}

static void publish_statement(const struct key *k, uint32_t count)
{
    unsigned char data[STATEMENT_SIZE];
    struct statement s = { .count = count };
    struct merkle none;

    s.batch = pub.batch;
    s.root = pub.root;
    s.node = pub.node;
    merkle_init(&none);
    merkle_root(&none, &s.files);
    statement_pack(data, &s);
    publish(k, "statement-1", data, sizeof(data), &statement_id_);
}

/* ---- the index ----------------------------------------------------------- */

static void on_call(struct pretend_call *c)
{
    struct buf b;

    if (strcmp(c->path, "/graphql") != 0) {
        pretend_answer(c, "404 Not Found", "", "", 0);
        return;
    }
    buf_init(&b, 1u << 16);
    buf_puts(&b, "{\"data\":{\"transactions\":{\"pageInfo\":{\"hasNextPage\":"
                 "false},\"edges\":[");
    for (size_t i = 0; i < world.n_items; i++) {
        buf_printf(&b, "%s{\"cursor\":\"%zu\",\"node\":{\"id\":\"%s\"}}",
                   i ? "," : "", i, id_text(world.item[i].id).s);
    }
    buf_puts(&b, "]}}}");
    pretend_answer(c, "200 OK", "", b.data, b.len);
    buf_clear(&b);
}

static char wrong[1000];
static int n_told, n_passed;

static void on_claim(void *self, const struct check_claim *c)
{
    size_t n = strlen(wrong);

    (void)self;
    n_told++;
    if (!c->holds)
        snprintf(wrong + n, sizeof(wrong) - n, "%s: %s; ", c->what,
                 c->detail);
}

static void on_note(void *self, bool warning, const char *text)
{
    (void)warning;
    (void)self;
    n_passed += strstr(text, "passed over") != NULL;
}

static const struct caller hearing = { .note = on_note };

static enum found on_statement(void *self, const struct lookup_item *i,
                               const struct published_statement *s,
                               struct err *err)
{
    (void)i;
    (void)s;
    (void)err;
    ++*(int *)self;
    return FOUND_NONE;
}

/* The statement's batch as the world has it.  say: NULL if all is well, what
 * is in a claim that fails, or "missing"; passed: items that are passed
 * over, statements: those of the node about this batch. */
static void finds(const char *what, const char *say, int passed,
                  int statements)
{
    struct pretend *index = pretend_start(on_call, NULL);
    struct pretend_gateway g;
    struct claims c = { .report = on_claim };
    struct published_statement s;
    struct lookup_item i;
    struct lookup *l = NULL;
    struct settings *set;
    struct err err = ERR_INIT;
    enum found found;
    int rc = -2, seen = 0;
    char *urls;

    pretend_gateway_start(&g, &world, WAY_GOOD);
    urls = xasprintf("%s %s", pretend_url(index), pretend_url(g.server));
    wrong[0] = '\0';
    n_told = n_passed = 0;
    lookup_item_init(&i, 1u << 20);
    if (settings_new(&set, program_settings, &err) ||
        settings_set(set, "gateways", urls, &err) ||
        settings_set(set, "http-retries", "0", &err) ||
        lookup_new(&l, set, &hearing, &err) ||
        lookup_get(l, statement_id_, &i, &err) ||
        published_statement_read(&s, i.it.data, i.it.n, &err))
        ok(0, "%s: %s", what, err.text);
    else
        rc = lookup_batch(l, &c, &i, &s, &(struct lookup_visit){ .self = NULL },
                          &err);
    if (!say)
        ok(rc == 0 && !c.failed && n_told == 3 && n_passed == passed,
           "%s: %d passed over %s%s", what, n_passed, wrong, err.text);
    else if (strcmp(say, "missing") == 0)
        ok(rc == -1 && err.code == ERR_RETRY && !c.failed &&
           n_passed == passed, "%s: %d passed over, %s", what, n_passed,
           err.text);
    else
        ok(rc == 0 && c.failed && strstr(wrong, say), "%s: %s%s", what, wrong,
           err.text);
    found = lookup_statements(l, pub.node, &pub.batch, on_statement, &seen,
                              &err);
    ok(found == FOUND_NONE && seen == statements, "%s: %d statements", what,
       seen);
    wrong[0] = '\0';
    c.failed = false;
    rc = lookup_others(l, &c, &i, &s, &err);
    ok(rc == 0 && c.failed == (statements > 1), "%s: %s", what,
       c.failed ? wrong : "they say the same");
    lookup_free(l);
    lookup_item_clear(&i);
    settings_free(set);
    pretend_gateway_end(&g);
    pretend_end(index);
    free(urls);
}

static void begin(void)
{
    world_clear(&world);
    world_init(&world);
    publish_statement(key, 1);
}

/* One answer at both places of a batch of two. */
static void publish_twice(void)
{
    char path[ID_TEXT + 4];

    snprintf(path, sizeof(path), "[\"%s\"]", id_text(pub.root).s);
    merkle_node_hash(&pub.root, pub.root, pub.root);
    world_clear(&world);
    world_init(&world);
    publish_statement(key, 2);
    pub_set(&pub, "count", "2");
    pub_set(&pub, "path", path);
    pub_set_id(&pub, "batch_root", pub.root);
    publish_bundle(key, key, false);
    pub_set(&pub, "index", "1");
    publish_bundle(key, key, false);
}

int main(void)
{
    char *conf = file_join(tap_tmp(), "apus.conf");
    struct id node, id;

    if (file_write(conf, "", 0, NULL))
        abort();
    setenv("APUS_CONFIG", conf, 1);
    key = test_key();
    if (key_new(&stranger, NULL))
        abort();
    key_address(key, &node);
    pub_init(&pub, &node);
    base64url(batch, pub.batch.b, 32);
    world_init(&world);

    begin();
    finds("no bundle", "missing", 1, 1);
    publish_bundle(key, key, false);
    finds("one bundle", NULL, 1, 1);
    publish_bundle(stranger, stranger, false);
    publish(key, "result-1", "x", 1, &id);
    finds("a stranger's, and another kind", NULL, 3, 1);
    publish_bundle(key, key, false);
    finds("the same answer twice", NULL, 3, 1);
    publish(stranger, "statement-1", "x", 1, &id);
    publish(key, "statement-1", "x", 1, &id);
    finds("statements of a stranger, and none", NULL, 5, 1);

    begin();
    batch[3] ^= 1;
    publish_bundle(key, key, false);
    batch[3] ^= 1;
    finds("the bundle of another batch", "missing", 2, 1);
    begin();
    publish_bundle(key, stranger, false);
    finds("a stranger's result in our bundle", "its owner", 0, 1);
    begin();
    publish_bundle(key, key, true);
    finds("another id in the table", "bundle's table", 0, 1);
    begin();
    publish(key, "bundle-1", "no bundle", 9, &id);
    finds("an invalid bundle", "bundle", 0, 1);
    begin();
    world_clear(&world);
    world_init(&world);
    publish_statement(key, 0);
    finds("a root, but no answers", "no answers has another root", 0, 1);
    begin();
    publish_bundle(key, key, false);
    publish_statement(key, 1);
    finds("the same statement again", NULL, 1, 1);
    publish_statement(key, 2);
    finds("another count", "its batch", 1, 2);
    publish_twice();
    finds("one answer at two places", "answers 0 and 1 are both to", 0, 1);
    pub_set(&pub, "seed", "\"7\"");
    publish_bundle(key, key, false);
    finds("a result that was changed", "its job", 0, 1);

    pub_clear(&pub);
    world_clear(&world);
    key_free(key);
    key_free(stranger);
    unlink(conf);
    rmdir(tap_tmp());
    free(conf);
    return done();
}
