/*
 * src/push/model_fetch from gateways that lie, stop and change bytes: what
 * gets into the store is the model that was signed under that id, or nothing
 * does; and what came before a failure is not fetched again.
 */
#include <config.h>

#include "push/model_fetch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arweave/gateway.h"
#include "arweave/gateway_internal.h"
#include "arweave/item.h"
#include "base/base64.h"
#include "base/found.h"
#include "base/id.h"
#include "base/program.h"
#include "base/settings.h"
#include "model/models.h"
#include "publish/kinds.h"
#include "tests/arweave_util.h"
#include "tests/models_util.h"
#include "tests/pretend_gateway.h"

static struct world world;
static struct buf file;               /* the model's */
static struct id model_id;
static struct id good;  /* ids on Arweave: the model, */
static struct id other; /* with the tag of another, */
static struct id plain; /* without such tags, */
static struct id junk;  /* tagged, and no model */
static char *store, *model_path, *part_path;
static struct err err;
static char notes[8192];

static void note(void *self, bool warning, const char *text)
{
    (void)warning;
    (void)self;
    snprintf(notes + strlen(notes), sizeof(notes) - strlen(notes), "%s\n",
             text);
}

/* ---- the world ----- */

static void add(struct id *id, struct id model, const char *kind,
                const void *data, size_t n, const struct key *k)
{
    char text[ID_TEXT];
    const struct item_text_tag tags[] = {
        { KIND_TAG, kind }, { MODEL_TAG, text }
    };
    struct item_spec spec = { NULL, NULL, tags, 2 };
    struct item it;
    struct buf b;

    buf_init(&b, 16u << 20);
    base64url(text, model.b, 32);
    if (item_sign(&b, &spec, data, n, k, id, NULL) ||
        item_head(&it, b.data, b.len, NULL))
        abort();
    world_add(&world, *id, b.data, b.len, it.head_n);
    buf_clear(&b);
}

static void make_world(void)
{
    char *dir = tree_path("models/nano"), *path = tmp_path("nano.apus");
    struct convert_options o = { .a8 = false };
    struct key *k = test_key();
    struct id wrong;

    buf_init(&file, 16u << 20);
    if (convert_model(dir, path, &o, &model_id, &err) ||
        file_read(&file, path, &err)) {
        printf("# %s\n", err.text);
        abort();
    }
    wrong = model_id;
    wrong.b[5] ^= 1;
    world_init(&world);
    add(&good, model_id, KIND_MODEL, file.data, file.len, k);
    add(&other, wrong, KIND_MODEL, file.data, file.len, k);
    add(&plain, model_id, "something", file.data, file.len, k);
    add(&junk, model_id, KIND_MODEL, file.data + 1, file.len - 1, k);
    key_free(k);
    free(dir);
    free(path);
}

static struct gateways *open_gateways(struct pretend_gateway *p, size_t n)
{
    struct gateways *g = NULL;
    struct settings *s;
    struct buf urls;
    bool silent = false;

    buf_init(&urls, 4096);
    for (size_t i = 0; i < n; i++) {
        buf_printf(&urls, "%s ", pretend_url(p[i].server));
        silent |= p[i].way == WAY_SILENT;
    }
    if (settings_new(&s, program_settings, &err) ||
        settings_set(s, "gateways", urls.data, &err) ||
        settings_set(s, "http-stall-timeout", silent ? "1" : "60", &err) ||
        settings_set(s, "http-retries", "1", &err) ||
        gateways_new(&g, s, &err))
        abort();
    http_free(g->http);
    g->limits.wait_ms = 1;
    if (http_new(&g->http, &g->limits, &err))
        abort();
    settings_free(s);
    buf_clear(&urls);
    return g;
}

/* ---- fetching ----- */

static bool in_store(void)
{
    struct buf b;
    bool same;

    buf_init(&b, file.len + 1);
    same = !file_read(&b, model_path, NULL) && b.len == file.len &&
           memcmp(b.data, file.data, b.len) == 0;
    buf_clear(&b);
    return same;
}

static void empty_store(void)
{
    char *cmd = xasprintf("rm -rf %s", store);

    if (system(cmd))
        abort();
    free(cmd);
}

/* From gateways that stay: 0 and the right model in the store. */
static int fetch_from(struct pretend_gateway *p, size_t n, struct id id,
                      const char *name)
{
    struct model_fetch f = { .store = store, .name = name,
                             .caller = { .note = note } };
    struct id got;
    int rc;

    notes[0] = '\0';
    err.code = ERR_NONE;
    err.text[0] = '\0';
    f.gateways = open_gateways(p, n);
    rc = model_fetch(&f, id, &got, &err);
    gateways_free(f.gateways);
    if (!rc &&
        (!in_store() || !id_equal(got, model_id) || file_exists(part_path)))
        rc = 1;
    return rc;
}

static int fetch(const enum gateway_way *way, size_t n, struct id id)
{
    struct pretend_gateway p[3];
    int rc;

    for (size_t i = 0; i < n; i++)
        pretend_gateway_start(&p[i], &world, way[i]);
    rc = fetch_from(p, n, id, NULL);
    for (size_t i = 0; i < n; i++)
        pretend_gateway_end(&p[i]);
    return rc;
}

static void test_good(void)
{
    static const enum gateway_way way[] = { WAY_GOOD, WAY_PARTS,
                                            WAY_BUSY_ONCE };

    for (size_t i = 0; i < 3; i++) {
        empty_store();
        ok(!fetch(&way[i], 1, good), "way %d: %s", way[i], err.text);
    }
}

static void test_bad(void)
{
    static const enum gateway_way way[] = {
        WAY_FLIP, WAY_WHOLE, WAY_ELSEWHERE, WAY_ENDLESS, WAY_MISSING,
        WAY_BUSY, WAY_SILENT
    };

    for (size_t i = 0; i < sizeof(way) / sizeof(*way); i++) {
        enum gateway_way both[2] = { way[i], WAY_GOOD };

        empty_store();
        /* the last part is short, and that one leaves it as it is */
        ok(fetch(&way[i], 1, good) == -(way[i] != WAY_FLIP) &&
           file_exists(model_path) == (way[i] == WAY_FLIP),
           "way %d alone: %s", way[i], err.text);
        empty_store();
        ok(!fetch(both, 2, good), "way %d, then a good one: %s", way[i],
           err.text);
    }
}

static void test_refused(void)
{
    static const enum gateway_way way[] = { WAY_GOOD, WAY_GOOD };

    empty_store();
    ok(fetch(way, 2, other) == -1 && err.code == ERR_INPUT &&
       !file_exists(model_path), "another model than its tag says: %s",
       err.text);
    ok(fetch(way, 2, plain) == -1 && err.code == ERR_INPUT &&
       !file_exists(model_path), "no tags of a model: %s", err.text);
    ok(fetch(way, 2, junk) == -1 && err.code == ERR_INPUT &&
       !file_exists(model_path), "no model file: %s", err.text);
}

/* A wrong byte in the middle costs its part and no more; two gateways that
 * spoil each other's parts do not do so for ever. */
static void test_mixed(void)
{
    struct pretend_gateway p[2];

    pretend_gateway_start(p, &world, WAY_SHORT_FLIP);
    pretend_gateway_start(p + 1, &world, WAY_GOOD);
    empty_store();
    ok(!fetch_from(p, 2, good, NULL) && p[0].n_reads >= 1,
       "one stops with a wrong byte: %s", err.text);
    ok(p[1].n_bytes < file.len, "the other does not begin at the front");
    printf("# %" PRIu64 " of %zu bytes from it; %s", p[1].n_bytes, file.len,
           notes);
    pretend_gateway_end(p);
    pretend_gateway_end(p + 1);
}

static void test_resume(void)
{
    struct pretend_gateway p;
    char *wrong = xmalloc(file.len);
    size_t half = file.len / 2;

    pretend_gateway_start(&p, &world, WAY_GOOD);
    empty_store();
    file_mkdirs(store, NULL);
    file_write(part_path, file.data, half, NULL);
    ok(!fetch_from(&p, 1, good, NULL) && p.n_bytes == file.len - half,
       "begun before: only the rest comes");
    empty_store();
    file_mkdirs(store, NULL);
    memcpy(wrong, file.data, file.len);
    wrong[half] ^= 1;
    file_write(part_path, wrong, file.len, NULL);
    p.n_bytes = 0;
    ok(!fetch_from(&p, 1, good, NULL) && p.n_bytes < file.len &&
       p.n_bytes >= file.len - half, "begun with a wrong byte: from there");
    empty_store();
    file_mkdirs(store, NULL);
    file_write(part_path, world.data.data, world.data.len, NULL);
    ok(!fetch_from(&p, 1, good, NULL), "begun with other bytes: %s",
       err.text);
    p.n_bytes = 0;
    ok(!fetch_from(&p, 1, good, "nano") && !p.n_bytes,
       "what is there is not fetched");
    pretend_gateway_end(&p);
    free(wrong);
}

/* A second publication of a model that is there costs no bytes; one that is
 * signed for other bytes is refused. */
static void test_there(void)
{
    struct pretend_gateway p;
    char *path = NULL;
    struct id got;
    char *pointers = file_join(store, "arweave");

    pretend_gateway_start(&p, &world, WAY_GOOD);
    ok(!models_resolve(&path, store, "nano", NULL, &err) &&
       strcmp(path, model_path) == 0, "by its name: %s", err.text);
    free(path);
    path = NULL;
    ok(!models_resolve(&path, store, id_text(good).s, NULL, &err) &&
           strcmp(path, model_path) == 0,
       "by its id on Arweave: %s", err.text);
    free(path);
    unlink(pointers);
    ok(!fetch_from(&p, 1, good, NULL) && p.n_reads == 0 &&
           models_pointed(&got, store, good, &err) == FOUND_ONE &&
           id_equal(got, model_id),
       "in the store by another way: only the signature is checked");
    ok(fetch_from(&p, 1, junk, NULL) == -1 && err.code == ERR_INPUT &&
           models_pointed(&got, store, junk, &err) == FOUND_NONE,
       "signed for other bytes: %s", err.text);
    ok(fetch_from(&p, 1, good, "-no") == -1 && err.code == ERR_INPUT,
       "an invalid name: %s", err.text);
    pretend_gateway_end(&p);
    free(pointers);
}

/* A gateway that gives a head with the right signature and other tags. */
static void test_false_head(void)
{
    struct world lie;
    struct pretend_gateway p[2];
    size_t at;

    world_init(&lie);
    buf_put(&lie.data, world.data.data, world.data.len);
    memcpy(lie.item, world.item, sizeof(lie.item));
    lie.n_items = world.n_items;
    /* a tag of the first item; the model id stays what it is */
    at = lie.item[0].at + lie.item[0].head_n - ID_TEXT - 8;
    while (memcmp(lie.data.data + at, "model-1", 7) != 0)
        at--;
    ok(at > lie.item[0].at, "there is a tag to be changed");
    /* the owner: nothing that is read before all is there */
    lie.data.data[lie.item[0].at + 2 + 512 + 100] ^= 1;
    pretend_gateway_start(p, &lie, WAY_GOOD);
    pretend_gateway_start(p + 1, &world, WAY_GOOD);
    empty_store();
    ok(fetch_from(p, 1, good, NULL) == -1 && err.code == ERR_INPUT &&
       !file_exists(model_path), "a head with a bad signature: %s", err.text);
    ok(!fetch_from(p, 2, good, NULL) && strstr(notes, "not of the item"),
       "and that of the next: %s", err.text);
    pretend_gateway_end(p);
    pretend_gateway_end(p + 1);
    world_clear(&lie);
}

int main(void)
{
    char *conf = tmp_path("conf");

    file_write(conf, "", 0, NULL);
    setenv("APUS_CONFIG", conf, 1);
    make_world();
    store = tmp_path("store");
    model_path = models_path(store, model_id);
    part_path = xasprintf("%s/%s.part", store, id_text(good).s);
    test_good();
    test_bad();
    test_refused();
    test_mixed();
    test_resume();
    test_there();
    test_false_head();
    world_clear(&world);
    buf_clear(&file);
    tmp_remove();
    free(conf);
    free(store);
    free(model_path);
    free(part_path);
    return done();
}
