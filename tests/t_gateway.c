/*
 * src/arweave/gateway against gateways that lie, fail, stop and change bytes:
 * what comes out is what was signed, or nothing does.
 */
#include <config.h>

#include "arweave/gateway.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "arweave/bundle.h"
#include "arweave/gateway_head.h"
#include "arweave/gateway_internal.h"
#include "arweave/item.h"
#include "arweave/tx.h"
#include "base/base64.h"
#include "base/caller.h"
#include "base/id.h"
#include "base/json.h"
#include "base/program.h"
#include "base/settings.h"
#include "tests/arweave_util.h"
#include "tests/pretend_gateway.h"
#include "tests/tap.h"

#define N_DATA 300000
#define ROOM (4u << 20)

static struct world world;
static struct id small, large, holder, inner;
static struct id empty_value, bundle, packed;
static struct id nobody = { "nobody" };
static struct gateway_place place; /* of `inner` */
static char data[N_DATA];
static unsigned n_notes;
static char last_note[512];

static void note(void *self, bool warning, const char *text)
{
    (void)warning;
    (void)self;
    n_notes++;
    snprintf(last_note, sizeof(last_note), "%s", text);
}

/* ---- making the world ----- */

static void add(struct buf *b, const void *bytes, size_t n, const struct key *k,
                struct id *id)
{
    static const struct id target = { "target" }, anchor = { "anchor" };
    const struct item_text_tag tags[] = {
        { "Content-Type", "text/plain" }, { "lower", "Upper Case" },
        { "UPPER", "x" }, { "Count", "7" },
    };
    struct item_spec spec = { &target, &anchor, tags, 4 };
    struct err err = ERR_INIT;

    if (item_sign(b, &spec, bytes, n, k, id, &err))
        abort();
}

static void add_to_world(const struct buf *b, struct id id)
{
    struct item it;

    if (item_head(&it, b->data, b->len, NULL))
        abort();
    world_add(&world, id, b->data, b->len, it.head_n);
}

/* An item whose data are a bundle of two; the second is known by itself, but
 * not where it is. */
static void make_bundle(const struct key *k)
{
    struct bundle_entry e[2];
    struct buf items, b, raw;

    buf_init(&items, ROOM);
    buf_init(&raw, ROOM);
    buf_init(&b, ROOM);
    add(&items, "first", 5, k, &e[0].id);
    e[0].size = items.len;
    add(&items, data, 20000, k, &packed);
    e[1].id = packed;
    e[1].size = items.len - e[0].size;
    buf_put(&b, items.data + e[0].size, (size_t)e[1].size);
    add_to_world(&b, packed);
    buf_reset(&b);
    if (bundle_head(&b, e, 2, NULL))
        abort();
    buf_put(&b, items.data, items.len);
    add(&raw, b.data, b.len, k, &bundle);
    add_to_world(&raw, bundle);
    buf_clear(&raw);
    buf_clear(&items);
    buf_clear(&b);
}

static void make_world(void)
{
    struct key *k = test_key();
    struct item it;
    struct buf b, in;

    world_init(&world);
    buf_init(&b, ROOM);
    buf_init(&in, ROOM);
    for (size_t i = 0; i < N_DATA; i++)
        data[i] = (char)(i * 7 + i / 251);
    add(&b, "hello", 5, k, &small);
    add_to_world(&b, small);
    buf_reset(&b);
    add(&b, data, N_DATA, k, &large);
    add_to_world(&b, large);
    /* an item within an item */
    buf_reset(&b);
    buf_puts(&in, "front");
    place.at = in.len;
    add(&in, data, 50000, k, &inner);
    place.size = in.len - place.at;
    buf_puts(&in, "behind");
    add(&b, in.data, in.len, k, &holder);
    place.bundle = holder;
    add_to_world(&b, holder);
    /* one with a tag that has no value */
    buf_reset(&b);
    odd_item(&b, 3, 0, k);
    if (item_head(&it, b.data, b.len, NULL))
        abort();
    empty_value = it.id;
    add_to_world(&b, empty_value);
    make_bundle(k);
    buf_clear(&b);
    buf_clear(&in);
    key_free(k);
}

/* Settings with these gateways; waits are short. */
static struct gateways *open_gateways(struct pretend_gateway *p, size_t n)
{
    struct err err = ERR_INIT;
    struct gateways *g = NULL;
    struct settings *s;
    struct buf urls;
    bool stalls = false;

    buf_init(&urls, 4096);
    for (size_t i = 0; i < n; i++) {
        buf_printf(&urls, "%s%s", i ? ", " : "", pretend_url(p[i].server));
        stalls |= p[i].way == WAY_STALL || p[i].way == WAY_SILENT;
    }
    if (settings_new(&s, program_settings, &err) ||
        settings_set(s, "gateways", urls.data, &err) ||
        settings_set(s, "http-stall-timeout", stalls ? "1" : "60", &err) ||
        settings_set(s, "http-retries", "1", &err) ||
        gateways_new(&g, s, &err)) {
        printf("# %s\n", err.text);
        abort();
    }
    http_free(g->http);
    g->limits.wait_ms = 1;
    if (http_new(&g->http, &g->limits, &err))
        abort();
    gateways_caller(g, &(struct caller){ .note = note });
    n_notes = 0;
    settings_free(s);
    buf_clear(&urls);
    return g;
}

/* ---- items ----- */

/* One item from gateways of these ways: 0 if it is right, 1 if it is not,
 * -1 and err. */
static int ask(const enum gateway_way *way, size_t n, size_t skip, struct id id,
               const struct gateway_place *at, struct err *err)
{
    struct pretend_gateway p[4];
    struct gateways *g;
    struct item it;
    struct buf raw;
    int rc;

    for (size_t i = 0; i < n; i++)
        pretend_gateway_start(&p[i], &world, way[i]);
    g = open_gateways(p, n);
    buf_init(&raw, ROOM);
    buf_puts(&raw, "kept");
    err->code = ERR_NONE;
    err->text[0] = '\0';
    rc = at ? gateway_item_at(g, id, at, skip, &raw, &it, err)
            : gateway_item(g, id, skip, &raw, &it, err);
    if (memcmp(raw.data, "kept", 4) != 0 || (rc && raw.len != 4))
        rc = 2;
    if (!rc && (!id_equal(it.id, id) ||
                item_open(&it, raw.data + 4, raw.len - 4, err)))
        rc = 1;
    gateways_free(g);
    for (size_t i = 0; i < n; i++)
        pretend_gateway_end(&p[i]);
    buf_clear(&raw);
    return rc;
}

static void test_items(void)
{
    static const enum gateway_way good[] = { WAY_GOOD, WAY_OLD, WAY_PARTS,
                                             WAY_BUSY_ONCE };
    static const struct {
        enum gateway_way way;
        enum err_code code;
    } bad[] = {
        { WAY_FLIP, ERR_INPUT }, { WAY_SHORT, ERR_RETRY },
        { WAY_WHOLE, ERR_INPUT }, { WAY_ELSEWHERE, ERR_INPUT },
        { WAY_ENDLESS, ERR_INPUT }, { WAY_MISSING, ERR_RETRY },
        { WAY_BUSY, ERR_RETRY }, { WAY_STALL, ERR_RETRY },
        { WAY_SILENT, ERR_RETRY }, { WAY_PAGE, ERR_RETRY },
    };
    struct err err = ERR_INIT;

    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        ok(!ask(&good[i], 1, 0, small, NULL, &err), "way %d: small %s",
           good[i], err.text);
        ok(!ask(&good[i], 1, 0, large, NULL, &err), "way %d: large %s",
           good[i], err.text);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        enum gateway_way both[2] = { bad[i].way, WAY_GOOD };

        ok(ask(&bad[i].way, 1, 0, large, NULL, &err) == -1 &&
           err.code == bad[i].code, "way %d alone: %s", bad[i].way, err.text);
        ok(!ask(both, 2, 0, large, NULL, &err) && n_notes == 1,
           "way %d, then a good one: %s", bad[i].way, last_note);
    }
    ok(ask(good, 1, 0, nobody, NULL, &err) == -1 && err.code == ERR_RETRY,
       "an id that is nowhere: %s", err.text);
    for (size_t i = 0; i < 3; i++)
        ok(!ask(&good[i], 1, 0, empty_value, NULL, &err),
           "way %d: an empty tag %s", good[i], err.text);
}

/* ---- where the index says ----- */

static char *index_of(struct id id)
{
    return xasprintf("{\"data\":{\"transactions\":{\"edges\":[{\"node\":{"
                     "\"bundledIn\":{\"id\":\"%s\"}}}]}}}",
                     id_text(id).s);
}

/* `packed` from a gateway that says this of it. */
static int ask_index(const char *json, struct err *err)
{
    struct pretend_gateway p;
    struct gateways *g;
    struct item it;
    struct buf raw;
    int rc;

    pretend_gateway_start(&p, &world, WAY_INDEX);
    p.placed = &bundle;
    p.index = json;
    g = open_gateways(&p, 1);
    buf_init(&raw, ROOM);
    err->code = ERR_NONE;
    err->text[0] = '\0';
    rc = gateway_item(g, packed, 0, &raw, &it, err);
    if (!rc && !id_equal(it.id, packed))
        rc = 1;
    gateways_free(g);
    pretend_gateway_end(&p);
    buf_clear(&raw);
    return rc;
}

static void test_index(void)
{
    static const struct {
        const char *json, *why;
    } bad[] = {
        { "{\"data\":{\"transactions\":{\"edges\":[]}}}", "does not say" },
        { "{\"data\":{\"transactions\":{\"edges\":[{\"node\":{"
          "\"bundledIn\":null}}]}}}", "does not say" },
        { "{\"data\":{\"transactions\":{\"edges\":[{\"node\":{"
          "\"bundledIn\":{\"id\":\"x\"}}}]}}}", "bundledIn has no id" },
        { "{\"errors\":[{\"message\":\"no\"}]}", "the gateway says: no" },
        { "{}", "no list of transactions" }, { "<html>", "web page" },
    };
    const unsigned char *others[] = { small.b, holder.b, packed.b, nobody.b };
    struct err err = ERR_INIT;
    char *json = index_of(bundle);

    ok(!ask_index(json, &err), "the table of the bundle that it names %s",
       err.text);
    free(json);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        ok(ask_index(bad[i].json, &err) == -1 && strstr(err.text, bad[i].why),
           "%s", err.text);
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        json = index_of(id_at(others[i]));
        ok(ask_index(json, &err) == -1, "another bundle: %s", err.text);
        free(json);
    }
}

static void test_skip(void)
{
    static const enum gateway_way way[] = { WAY_GOOD, WAY_MISSING };
    static const enum gateway_way rev[] = { WAY_MISSING, WAY_GOOD };
    struct err err = ERR_INIT;

    ok(ask(way, 2, 1, small, NULL, &err) == -1, "the first is left out");
    ok(!ask(rev, 2, 1, small, NULL, &err), "the second is asked");
    ok(ask(way, 2, 2, small, NULL, &err) == -1 && err.code == ERR_INPUT,
       "there is no third: %s", err.text);
}

static void test_place(void)
{
    static const enum gateway_way good[] = { WAY_GOOD, WAY_SILENT };
    static const enum gateway_way bad[] = { WAY_FLIP, WAY_GOOD };
    struct gateway_place wrong = place;
    struct err err = ERR_INIT;

    ok(!ask(good, 1, 0, inner, &place, &err), "an item within an item: %s",
       err.text);
    ok(!ask(good + 1, 1, 0, inner, &place, &err),
       "from one that knows no places");
    ok(!ask(bad, 2, 0, inner, &place, &err) && n_notes == 1,
       "from the second: %s", last_note);
    wrong.at++;
    ok(ask(good, 1, 0, inner, &wrong, &err) == -1, "at a wrong place: %s",
       err.text);
    wrong.at = UINT64_MAX - 1;
    ok(ask(good, 1, 0, inner, &wrong, &err) == -1, "beyond all bytes: %s",
       err.text);
    ok(!ask(good, 1, 0, small, &wrong, &err),
       "a wrong place of an item that the gateway knows");
}

static void test_ceiling(void)
{
    struct pretend_gateway p;
    struct err err = ERR_INIT;
    struct gateways *g;
    struct item it;
    struct buf raw;

    pretend_gateway_start(&p, &world, WAY_GOOD);
    g = open_gateways(&p, 1);
    buf_init(&raw, N_DATA);
    ok(gateway_item(g, large, 0, &raw, &it, &err) == -1 &&
       err.code == ERR_INPUT, "over the ceiling: %s", err.text);
    gateways_free(g);
    pretend_gateway_end(&p);
    buf_clear(&raw);
}

/* ---- files ----- */

static uint64_t told_done, told_size;

static void progress(void *self, uint64_t done, uint64_t size)
{
    (void)self;
    told_done = done;
    told_size = size;
}

static bool file_is(const char *path, const void *want, size_t n)
{
    struct buf b;
    bool same;

    buf_init(&b, ROOM);
    same = !file_read(&b, path, NULL) && b.len == n &&
           memcmp(b.data, want, n) == 0;
    buf_clear(&b);
    return same;
}

/* The data of `large` into a file, from these gateways, which stay. */
static int fetch(struct pretend_gateway *p, size_t n, const char *path,
                 struct err *err)
{
    struct gateways *g = open_gateways(p, n);
    struct buf head;
    int rc;

    buf_init(&head, ITEM_HEAD_MAX);
    err->code = ERR_NONE;
    err->text[0] = '\0';
    rc = gateway_file(g, large, path, N_DATA, &head, progress, NULL, err);
    if (!rc && (!file_is(path, data, N_DATA) || !head.len ||
                told_done != N_DATA || told_size != N_DATA))
        rc = 1;
    gateways_free(g);
    buf_clear(&head);
    return rc;
}

static void test_files(const char *path, const char *part)
{
    static const enum gateway_way good[] = { WAY_GOOD, WAY_OLD, WAY_PARTS };
    static const enum gateway_way bad[] = { WAY_FLIP, WAY_SHORT_FLIP,
                                            WAY_WHOLE, WAY_MISSING };
    struct pretend_gateway p[2];
    struct err err = ERR_INIT;

    for (size_t i = 0; i < 3; i++) {
        pretend_gateway_start(p, &world, good[i]);
        ok(!fetch(p, 1, path, &err) && !file_exists(part),
           "a file, way %d: %s", good[i], err.text);
        pretend_gateway_end(p);
        unlink(path);
    }
    for (size_t i = 0; i < 4; i++) {
        pretend_gateway_start(p, &world, bad[i]);
        ok(fetch(p, 1, path, &err) == -1 && !file_exists(path),
           "no file, way %d: %s", bad[i], err.text);
        unlink(part);
        pretend_gateway_start(p + 1, &world, WAY_GOOD);
        ok(!fetch(p, 2, path, &err), "and a good one: %s", err.text);
        pretend_gateway_end(p);
        pretend_gateway_end(p + 1);
        unlink(path);
    }
}

static void test_resume(const char *path, const char *part)
{
    struct pretend_gateway p[2];
    struct err err = ERR_INIT;
    uint64_t at, size;
    int fd;

    /* goes forward while each attempt brings something, then gives up */
    pretend_gateway_start(p, &world, WAY_SHORT);
    pretend_gateway_start(p + 1, &world, WAY_GOOD);
    ok(!fetch(p, 2, path, &err) && p[0].n_reads == 1 && p[1].n_reads == 1 &&
       p[1].first_at == p[0].first_at + N_DATA / 2 &&
       p[1].n_bytes == N_DATA / 2, "the second continues in the middle");
    pretend_gateway_end(p);
    unlink(path);
    file_write(part, data, 100001, NULL);
    p[1].n_reads = 0;
    ok(!fetch(p + 1, 1, path, &err) && p[1].n_reads == 1, "begun before");
    at = p[1].first_at;
    unlink(path);
    file_write(part, "wrong", 5, NULL);
    p[1].n_reads = 0;
    ok(!fetch(p + 1, 1, path, &err) && p[1].n_reads == 2 &&
       p[1].first_at + 100001 == at + 5,
       "begun with other bytes: once more from the front");
    unlink(path);
    file_write(part, world.data.data, world.data.len, NULL);
    ok(!fetch(p + 1, 1, path, &err), "begun with more bytes than there are");
    unlink(path);
    fd = open(part, O_RDWR | O_CREAT, 0600);
    flock(fd, LOCK_EX);
    ok(fetch(p + 1, 1, path, &err) == -1 && err.code == ERR_RETRY,
       "another process is at it: %s", err.text);
    close(fd);
    file_write(part, data, 100001, NULL);
    p[1].way = WAY_BUSY;
    ok(fetch(p + 1, 1, path, &err) == -1 && err.code == ERR_RETRY &&
       !file_exists(path) && !file_size(part, &size, NULL) &&
       size == 100001, "what came before a failure is kept: %s", err.text);
    pretend_gateway_end(p + 1);
    unlink(part);
}

static void test_size(const char *path, const char *part)
{
    struct pretend_gateway p;
    struct err err = ERR_INIT;
    struct gateways *g;

    pretend_gateway_start(&p, &world, WAY_GOOD);
    g = open_gateways(&p, 1);
    ok(gateway_file(g, large, path, N_DATA - 1, NULL, NULL, NULL, &err) ==
       -1 && err.code == ERR_INPUT, "too large: %s", err.text);
    ok(gateway_file(g, large, tap_missing("x"), N_DATA, NULL, NULL, NULL,
                    &err) == -1 && err.code == ERR_RETRY, "no directory: %s",
       err.text);
    gateways_free(g);
    pretend_gateway_end(&p);
    unlink(part);
}

/* A transaction that arweave-js made and signed. */
static void test_transaction(const char *path, const char *part)
{
    struct pretend_gateway p;
    struct world w;
    struct err err = ERR_INIT;
    struct gateways *g;
    struct json *root;
    unsigned char *bytes = xmalloc(ROOM);
    struct item it;
    struct buf b;
    size_t n;

    world_init(&w);
    buf_init(&b, ROOM);
    arweave_file(&b, "tx/tx-01-bundle.json");
    if (json_parse(&root, b.data, b.len, &err) ||
        id_parse(&w.root, json_string(json_get(root, "id"))) ||
        base64url_decode(bytes, ROOM, &n, json_string(json_get(root, "data"))))
        abort();
    buf_put(&w.data, bytes, n);
    w.tx = b.data;
    w.n_tx = b.len;
    pretend_gateway_start(&p, &w, WAY_GOOD);
    g = open_gateways(&p, 1);
    ok(!gateway_file(g, w.root, path, n, NULL, NULL, NULL, &err) &&
       file_is(path, bytes, n), "the data of a transaction: %s", err.text);
    unlink(path);
    p.way = WAY_FLIP;
    ok(gateway_file(g, w.root, path, n, NULL, NULL, NULL, &err) == -1 &&
       err.code == ERR_INPUT && !file_exists(path), "with a wrong byte: %s",
       err.text);
    p.way = WAY_GOOD;
    {
        struct buf raw;

        buf_init(&raw, ROOM);
        ok(gateway_item(g, w.root, 0, &raw, &it, &err) == -1 &&
           err.code == ERR_INPUT, "it is not an item: %s", err.text);
        buf_clear(&raw);
    }
    gateways_free(g);
    pretend_gateway_end(&p);
    json_free(root);
    buf_clear(&b);
    world_clear(&w);
    free(bytes);
    unlink(part);
}

static void test_settings(void)
{
    struct err err = ERR_INIT;
    struct gateways *g;
    struct settings *s;

    if (settings_new(&s, program_settings, &err))
        abort();
    settings_set(s, "gateways", "http://arweave.net", NULL);
    ok(gateways_new(&g, s, &err) == -1 && err.code == ERR_INPUT,
       "an invalid gateway: %s", err.text);
    settings_set(s, "gateways", " , ", NULL);
    ok(gateways_new(&g, s, &err) == -1 && err.code == ERR_INPUT,
       "no gateway: %s", err.text);
    settings_set(s, "gateways", "https://a.b https://c.d/,https://e.f", NULL);
    ok(!gateways_new(&g, s, &err) && gateways_count(g) == 3, "three");
    gateways_free(g);
    settings_free(s);
}

int main(void)
{
    char *path = file_join(tap_tmp(), "file");
    char *part = file_join(tap_tmp(), "file.part");
    char *conf = file_join(tap_tmp(), "conf");

    file_write(conf, "", 0, NULL);
    setenv("APUS_CONFIG", conf, 1);
    make_world();
    test_settings();
    test_items();
    test_index();
    test_skip();
    test_place();
    test_ceiling();
    test_files(path, part);
    test_resume(path, part);
    test_size(path, part);
    test_transaction(path, part);
    world_clear(&world);
    unlink(conf);
    rmdir(tap_tmp());
    free(path);
    free(part);
    free(conf);
    return done();
}
