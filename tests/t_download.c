/*
 * Models that lie on a web server: a GGUF file, whole, in ranges, resumed; its
 * SHA-256; sets, indices with shards and what lies beside them; what is
 * refused.
 */
#include <config.h>

#include "proof/digest.h"
#include "push/model_download.h"
#include "tests/models_util.h"
#include "tests/pretend_server.h"

#define FILES 8

struct served {
    const char *name, *data;
};

struct site {
    struct served file[FILES];
    bool whole;      /* no ranges */
    size_t cut;      /* close after so many bytes of a body; 0: do not */
    unsigned gets;
    uint64_t from;   /* of the last GET: where its range began */
};

static void serve(struct pretend_call *c)
{
    struct site *s = c->self;
    const char *name = strrchr(c->path, '/') + 1;
    size_t n = strcspn(name, "?");
    bool head = strcmp(c->method, "HEAD") == 0;

    if (!head) {
        s->gets++;
        s->from = c->has_range ? c->range_at : 0;
    }
    for (size_t i = 0; i < FILES && s->file[i].name; i++) {
        const struct served *f = &s->file[i];

        if (strlen(f->name) != n || memcmp(f->name, name, n) != 0)
            continue;
        if (!head && s->cut) {
            char *text = xasprintf(
                "HTTP/1.1 206 Partial Content\r\nContent-Length: %zu\r\n"
                "Content-Range: bytes 0-%zu/%zu\r\n\r\n", strlen(f->data),
                strlen(f->data) - 1, strlen(f->data));

            pretend_puts(c, text);
            pretend_put(c, f->data, s->cut);
            c->close = true;
            free(text);
            return;
        }
        if (s->whole)
            c->has_range = false;
        pretend_file(c, s->whole ? "" : "Accept-Ranges: bytes\r\n", f->data,
                     strlen(f->data));
        return;
    }
    pretend_answer(c, "404 Not Found", "", "no", 2);
}

static char *store; /* of all tests */

static int bring(struct pretend *p, const char *name, const char *sum,
                 char **path, struct err *err)
{
    char *url = xasprintf("%s/org/model/resolve/main/%s", pretend_url(p),
                          name);
    struct model_download d = { .store = store, .url = url, .sha256 = sum,
                                .limits = { .connect_s = 10, .stall_s = 10 } };
    int rc;

    *err = (struct err)ERR_INIT;
    *path = NULL;
    rc = model_download(&d, path, err);
    free(url);
    return rc;
}

static bool has(const char *path, const char *text)
{
    struct buf b;
    bool good;

    buf_init(&b, (size_t)1 << 20);
    good = file_read(&b, path, NULL) == 0 && b.len == strlen(text) &&
           memcmp(b.data, text, b.len) == 0;
    buf_clear(&b);
    return good;
}

static bool has_in(const char *dir, const char *name, const char *text)
{
    char *path = file_join(dir, name);
    bool good = has(path, text);

    free(path);
    return good;
}

static void sum_of(char hex[65], const char *text)
{
    struct id h;

    digest(&h, text, strlen(text));
    digest_hex(hex, h);
}

/* ---- one file ------------------------------------------------------------ */

static void try_file(bool whole)
{
    struct site s = { .file = { { "m.gguf", "GGUF and so on" } },
                      .whole = whole };
    struct pretend *p = pretend_start(serve, &s);
    const char *how = whole ? "without ranges" : "in ranges";
    char *path, *again, hex[65];
    struct err err;

    sum_of(hex, "GGUF and so on");
    ok(bring(p, "m.gguf?download=true", hex, &path, &err) == 0 &&
       has(path, "GGUF and so on"), "a file %s %s", how, err.text);
    ok(path && strcmp(strrchr(path, '/'), "/m.gguf") == 0,
       "it has its name");
    ok(bring(p, "m.gguf?download=true", NULL, &again, &err) == 0 &&
       s.gets == 1, "what is here is not asked for again");
    if (path)
        model_download_drop(path);
    ok(path && !file_exists(path), "it is removed");
    free(path);
    free(again);
    pretend_end(p);
}

static void try_resume(void)
{
    struct site s = { .file = { { "m.gguf", "GGUF and so on" } }, .cut = 5 };
    struct pretend *p = pretend_start(serve, &s);
    char *path;
    struct err err;

    ok(bring(p, "m.gguf", NULL, &path, &err) && err.code == ERR_RETRY,
       "a download that is cut is to be resumed: %s", err.text);
    s.cut = 0;
    ok(bring(p, "m.gguf", NULL, &path, &err) == 0 &&
       has(path, "GGUF and so on"), "it is resumed %s", err.text);
    ok(s.from == 5, "from where it was");
    if (path)
        model_download_drop(path);
    free(path);
    s.cut = 5;
    bring(p, "m.gguf", NULL, &path, &err);
    s.cut = 0;
    s.file[0].data = "GGUF, which is another now";
    ok(bring(p, "m.gguf", NULL, &path, &err) == 0 && s.from == 0 &&
       has(path, "GGUF, which is another now"),
       "one of another size begins anew %s", err.text);
    if (path)
        model_download_drop(path);
    free(path);
    pretend_end(p);
}

static void try_sum(void)
{
    struct site s = { .file = { { "m.gguf", "GGUF and so on" } } };
    struct pretend *p = pretend_start(serve, &s);
    char *path, hex[65];
    struct err err;

    sum_of(hex, "something else");
    ok(bring(p, "m.gguf", hex, &path, &err) && err.code == ERR_INPUT &&
       strstr(err.text, hex), "a wrong SHA-256 is named");
    sum_of(hex, "GGUF and so on");
    ok(bring(p, "m.gguf", hex, &path, &err) == 0 && s.gets == 2,
       "and the file fetched again");
    if (path)
        model_download_drop(path);
    free(path);
    ok(!model_download_check(hex, &err) && model_download_check("12", &err) &&
       model_download_check("zz", &err), "what a SHA-256 is");
    pretend_end(p);
}

/* ---- several ------------------------------------------------------------- */

static void try_set(void)
{
    struct site s = { .file = { { "m-00001-of-00002.gguf", "one" },
                                { "m-00002-of-00002.gguf", "two" } } };
    struct pretend *p = pretend_start(serve, &s);
    char *path, *dir;
    struct err err;

    ok(bring(p, "m-00002-of-00002.gguf", NULL, &path, &err) == 0 &&
       has(path, "two"), "a set by any of its files %s", err.text);
    dir = path ? xstrndup(path, (size_t)(strrchr(path, '/') - path)) : NULL;
    ok(dir && has_in(dir, "m-00001-of-00002.gguf", "one"), "has the other");
    if (path)
        model_download_drop(path);
    free(path);
    free(dir);
    s.file[0].name = "other";
    ok(bring(p, "m-00002-of-00002.gguf", NULL, &path, &err) &&
       strstr(err.text, "there is no") &&
       strstr(err.text, "m-00001-of-00002.gguf"), "one that is missing is"
       " named");
    pretend_end(p);
}

static void try_index(void)
{
    static const char index[] = "model.safetensors.index.json";
    struct site s = {
        .file = {
            { index, "{\"weight_map\": {\"a\": \"m-1.safetensors\","
                     " \"b\": \"m-2.safetensors\"}}" },
            { "m-1.safetensors", "one" }, { "m-2.safetensors", "two" },
            { "config.json", "{}" }, { "tokenizer.json", "[]" } } };
    struct pretend *p = pretend_start(serve, &s);
    char *path;
    struct err err;

    ok(bring(p, index, NULL, &path, &err) == 0 &&
       has_in(path, "m-1.safetensors", "one") &&
       has_in(path, "m-2.safetensors", "two") &&
       has_in(path, "config.json", "{}") &&
       has_in(path, "tokenizer.json", "[]"), "an index with its shards %s",
       err.text);
    ok(path && strcmp(strrchr(path, '/'), "/model") == 0,
       "the name is that of the repository");
    if (path)
        model_download_drop(path);
    ok(path && !file_exists(path), "all of it is removed");
    free(path);
    s.file[0].data = "{\"weight_map\": {\"a\": \"../up.safetensors\"}}";
    ok(bring(p, index, NULL, &path, &err) && err.code == ERR_INPUT &&
       strstr(err.text, "plain file name"), "a shard that leaves the"
       " directory is refused");
    s.file[3].name = "other";
    s.file[0].name = "model.safetensors";
    ok(bring(p, "model.safetensors", NULL, &path, &err) &&
       strstr(err.text, "config.json"), "weights without a config");
    pretend_end(p);
}

static void try_refused(void)
{
    struct site s = { .file = { { "m.gguf", "x" } } };
    struct pretend *p = pretend_start(serve, &s);
    char *path, *full = store;
    struct err err;

    store = tmp_path("refused");
    ok(bring(p, "m.zip", NULL, &path, &err) && err.code == ERR_INPUT &&
       strstr(err.text, "not the address of a model"), "another file");
    ok(bring(p, "n.gguf", NULL, &path, &err) && err.code == ERR_INPUT &&
       strstr(err.text, "there is no"), "a file that is not there");
    ok(rmdir(store) == 0, "nothing is left of them");
    free(store);
    store = full;
    ok(model_download_is("https://x/y") && model_download_is("HTTP://x/y") &&
       !model_download_is("nano") && !model_download_is("ftp://x/y"),
       "what is an address");
    pretend_end(p);
}

int main(void)
{
    store = tmp_path("store");
    try_file(false);
    try_file(true);
    try_resume();
    try_sum();
    try_set();
    try_index();
    try_refused();
    free(store);
    tmp_remove();
    return done();
}
