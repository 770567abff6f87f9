/*
 * Downloading: each file grows as NAME.SIZE.part, in ranges where the server
 * has them, and gets its name when it is whole.  A directory belongs to one
 * process at a time, by a lock on it.
 */
#include <config.h>

#include "push/model_download.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/room.h"
#include "base/sys.h"
#include "proof/digest.h"

#define PIECE ((uint64_t)16 << 20)
#define MAX_SIZE ((uint64_t)1 << 42)
#define MAX_INDEX ((size_t)64 << 20)
#define MAX_PARTS 512

struct download {
    const struct model_download *d;
    struct http *http;
    char *base;  /* the URL up to the last slash */
    char *name;  /* what follows, without a query */
    char *query; /* "" or "?..." */
    char *top;   /* the directory of this URL */
    char *dir;   /* where files go: that, or one in it */
    int lock;
};

/* A file that grows. */
struct growing {
    const struct download *x;
    const char *name;
    char *part;
    int fd;
    uint64_t have, from, size; /* from: where this exchange began */
};

/* ---- addresses ----------------------------------------------------------- */

bool model_download_is(const char *what)
{
    return strncasecmp(what, "https://", 8) == 0 ||
           strncasecmp(what, "http://", 7) == 0;
}

int model_download_check(const char *sha256, struct err *err)
{
    if (strlen(sha256) == 64 &&
        strspn(sha256, "0123456789abcdefABCDEF") == 64)
        return 0;
    return err_set(err, ERR_INPUT, "\"%.80s\" is not a SHA-256: 64 hexadecimal"
                   " digits", sha256);
}

static bool ends(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);

    return n > k && strcasecmp(s + n - k, end) == 0;
}

/* A name that stays in its directory. */
static bool is_plain(const char *name)
{
    return *name && *name != '.' && !strpbrk(name, "/\\%?#") &&
           strlen(name) < 200;
}

static int take_apart(struct download *x, struct err *err)
{
    const char *url = x->d->url, *end = url + strcspn(url, "?#"), *slash = end;

    while (slash > url && *slash != '/')
        slash--;
    x->base = xstrndup(url, (size_t)(slash - url));
    x->name = slash < end ? xstrndup(slash + 1, (size_t)(end - slash - 1))
                          : xstrdup("");
    x->query = xstrndup(end, *end == '?' ? strcspn(end, "#") : 0);
    if (!is_plain(x->name) ||
        !(ends(x->name, ".gguf") || ends(x->name, ".safetensors") ||
          ends(x->name, ".safetensors.index.json")))
        return err_set(err, ERR_INPUT, "\"%s\" is not the address of a model:"
                       " it ends in .gguf, .safetensors or"
                       " .safetensors.index.json", url);
    return http_url_check(url, err);
}

/* What a model is called whose files lie here: ORG/NAME/resolve/REVISION/FILE
 * has its name before that, another address in its last directory. */
static char *directory_name(const char *base)
{
    const char *resolve = strstr(base, "/resolve/"), *end, *begin;
    char *name;

    end = resolve ? resolve : base + strlen(base);
    begin = end;
    while (begin > base && begin[-1] != '/')
        begin--;
    name = xstrndup(begin, (size_t)(end - begin));
    if (is_plain(name) && !strchr(name, ':'))
        return name;
    free(name);
    return xstrdup("model");
}

/* The directory of this URL in the store, locked. */
static int open_dir(struct download *x, struct err *err)
{
    struct id h;
    char *name;

    digest(&h, x->d->url, strlen(x->d->url));
    x->top = xasprintf("%s/download-%.16s", x->d->store, id_text(h).s);
    name = ends(x->name, ".gguf") ? NULL : directory_name(x->base);
    x->dir = name ? file_join(x->top, name) : xstrdup(x->top);
    free(name);
    if (file_mkdirs(x->dir, err))
        return -1;
    x->lock = open(x->top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (x->lock < 0)
        return err_errno(err, ERR_RETRY, "cannot open \"%s\"", x->dir);
    if (flock(x->lock, LOCK_EX | LOCK_NB))
        return err_set(err, ERR_RETRY, "another process is downloading"
                       " \"%s\"", x->d->url);
    return 0;
}

/* ---- one file ------------------------------------------------------------ */

static int write_bytes(void *self, const void *data, size_t n, struct err *err)
{
    struct growing *g = self;
    const struct model_download *d = g->x->d;

    if (n > MAX_SIZE - g->have)
        return err_set(err, ERR_INPUT, "\"%s\" is too long", g->name);
    if (sys_pwrite(g->fd, data, n, (off_t)g->have))
        return room_fail(err, ERR_RETRY, "write", g->part);
    g->have += n;
    if (d->progress)
        d->progress(d->self, g->name, g->have,
                    g->size ? g->size : g->have + 1);
    return 0;
}

static void again(void *self)
{
    struct growing *g = self;

    g->have = g->from;
}

/* A status that says failure. */
static int refused(const struct http_answer *a, const char *url,
                   struct err *err)
{
    enum err_code code = a->status == 429 || a->status >= 500 ? ERR_RETRY
                                                              : ERR_INPUT;

    return err_set(err, code, "\"%s\" answers %d %.60s%s", url, a->status,
                   a->reason, a->status == 401 || a->status == 403
                       ? ": it is not public, or its licence is to be accepted"
                       : "");
}

/* One exchange: a range, or all of it where n is 0. */
static int download_range(struct growing *g, const char *url, uint64_t n,
                          struct err *err)
{
    struct http_request r = { .method = "GET", .url = url, .sink = write_bytes,
                              .sink_self = g,
                              .max_body = n ? n : MAX_SIZE };
    struct http_answer a;
    int rc;

    r.range_at = n ? g->have : 0;
    r.range_n = n;
    g->from = g->have;
    http_answer_init(&a);
    rc = http_try(g->x->http, &r, again, g->x->d->stop, &a, err);
    if (rc == 0 && (a.status < 200 || a.status >= 300))
        rc = refused(&a, url, err);
    http_answer_clear(&a);
    return rc;
}

/* Size of the file and whether it comes in ranges; FOUND_NONE if there is none
 * such. */
static enum found probe_file(const struct growing *g, const char *url,
                             uint64_t *size, bool *ranges, struct err *err)
{
    struct http_request r = { .method = "HEAD", .url = url, .max_body = 1 };
    struct http_answer a;
    char text[64];
    enum found found = FOUND_FAILED;
    int rc;

    http_answer_init(&a);
    rc = http_try(g->x->http, &r, NULL, g->x->d->stop, &a, err);
    if (rc == 0 && (a.status == 404 || a.status == 410))
        found = FOUND_NONE;
    else if (rc == 0 && (a.status < 200 || a.status >= 300))
        refused(&a, url, err);
    else if (rc == 0)
        found = FOUND_ONE;
    *size = 0;
    if (found == FOUND_ONE &&
        http_header(&a, "content-length", text, sizeof(text)) &&
        isdigit((unsigned char)text[0]))
        *size = strtoull(text, NULL, 10);
    *ranges = *size > 0 && *size <= MAX_SIZE &&
              http_header(&a, "accept-ranges", text, sizeof(text)) &&
              strcasecmp(text, "bytes") == 0;
    http_answer_clear(&a);
    return found;
}

static int grow(struct growing *g, const char *url, bool ranges,
                struct err *err)
{
    uint64_t have = 0;

    if (ranges && file_size(g->part, &have, NULL) == 0 && have <= g->size)
        g->have = have;
    g->fd = open(g->part, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (g->fd < 0)
        return room_fail(err, err_code_of(errno), "make", g->part);
    if (room_check(g->x->dir, g->size > g->have ? g->size - g->have : 0,
                   "make room there, or name another directory with the"
                   " setting models", err))
        return -1;
    while (ranges && g->have < g->size) {
        uint64_t n = g->size - g->have;

        if (download_range(g, url, n < PIECE ? n : PIECE, err))
            return -1;
    }
    if (!ranges && download_range(g, url, 0, err))
        return -1;
    if (g->size && g->have != g->size)
        return err_set(err, ERR_RETRY, "\"%s\" gave %" PRIu64 " of %" PRIu64
                       " bytes", url, g->have, g->size);
    if (sys_ftruncate(g->fd, (off_t)g->have) || sys_fsync(g->fd))
        return room_fail(err, ERR_RETRY, "write", g->part);
    return 0;
}

/* Get file `name` beside the one of the URL; FOUND_NONE if the server has none.
 * What is here whole is not asked for again. */
static enum found fetch(const struct download *x, const char *name,
                        struct err *err)
{
    struct growing g = { .x = x, .name = name, .fd = -1 };
    char *url = xasprintf("%s/%s%s", x->base, name, x->query);
    char *path = file_join(x->dir, name);
    bool ranges = false;
    enum found found = FOUND_ONE;

    if (file_exists(path))
        goto out;
    found = probe_file(&g, url, &g.size, &ranges, err);
    if (found != FOUND_ONE)
        goto out;
    g.part = xasprintf("%s.%" PRIu64 ".part", path, g.size);
    if (grow(&g, url, ranges, err))
        found = FOUND_FAILED;
    else if (sys_rename(g.part, path) || sys_sync_dir(x->dir))
        found = err_errno(err, ERR_RETRY, "cannot rename \"%s\"", g.part);
    if (g.fd >= 0)
        close(g.fd);
out:
    free(g.part);
    free(path);
    free(url);
    return found;
}

static int need(const struct download *x, const char *name, struct err *err)
{
    enum found found = fetch(x, name, err);

    if (found == FOUND_NONE)
        return err_set(err, ERR_INPUT, "there is no \"%s/%s\"", x->base,
                       name);
    return found == FOUND_FAILED ? -1 : 0;
}

/* ---- which files --------------------------------------------------------- */

/* The file of the URL has the SHA-256 that was given. */
static int check_sum(const struct download *x, struct err *err)
{
    static char piece[1 << 16];
    char *path = file_join(x->dir, x->name), hex[65];
    struct digest *d = digest_new();
    int fd = open(path, O_RDONLY | O_CLOEXEC), rc = 0;
    uint64_t at = 0;
    ssize_t n = 0;
    struct id h;

    while (fd >= 0 && (n = file_read_at(fd, piece, sizeof(piece), at)) > 0) {
        digest_put(d, piece, (size_t)n);
        at += (uint64_t)n;
    }
    digest_end(d, &h);
    digest_hex(hex, h);
    if (fd < 0 || n < 0) {
        rc = err_errno(err, ERR_RETRY, "cannot read \"%s\"", path);
    } else if (strcasecmp(hex, x->d->sha256) != 0) {
        sys_unlink(path);
        rc = err_set(err, ERR_INPUT, "\"%s\" has the SHA-256 %s, not %s; it"
                     " is removed", x->d->url, hex, x->d->sha256);
    }
    if (fd >= 0)
        close(fd);
    free(path);
    return rc;
}

/* The other files of a set of GGUF. */
static int fetch_set(const struct download *x, struct err *err)
{
    static const char form[] = "-00001-of-00001.gguf";
    size_t n = strlen(x->name), k = sizeof(form) - 1;
    const char *end = x->name + n - k;
    unsigned long parts;

    if (n <= k || strspn(end + 1, "0123456789") != 5 || *end != '-' ||
        strncmp(end + 6, "-of-", 4) != 0 ||
        strspn(end + 10, "0123456789") != 5)
        return 0;
    parts = strtoul(end + 10, NULL, 10);
    if (parts > MAX_PARTS)
        return err_set(err, ERR_INPUT, "\"%s\" is one of %lu files, at most"
                       " %d are possible", x->name, parts, MAX_PARTS);
    for (unsigned long i = 1; i <= parts; i++) {
        char *name = xasprintf("%.*s-%05lu-of-%05lu.gguf", (int)(n - k),
                               x->name, i, parts);
        int rc = need(x, name, err);

        free(name);
        if (rc)
            return -1;
    }
    return 0;
}

/* The files that an index names. */
static int fetch_shards(const struct download *x, struct err *err)
{
    char *path = file_join(x->dir, x->name);
    struct json *root = NULL;
    struct buf b;
    int rc = -1;

    buf_init(&b, MAX_INDEX);
    if (file_read(&b, path, err) == 0 &&
        json_parse(&root, b.len ? b.data : "", b.len, err) == 0)
        rc = 0;
    for (const struct json *v = json_first(json_get(root, "weight_map"));
         v && rc == 0; v = json_next(v)) {
        const char *name = json_string(v);

        if (!name || !is_plain(name))
            rc = err_set(err, ERR_INPUT, "\"%s\": tensor \"%.80s\" is not in"
                         " a plain file name", x->name, json_key(v));
        else
            rc = need(x, name, err);
    }
    json_free(root);
    buf_clear(&b);
    free(path);
    return rc;
}

/* What lies beside safetensors. */
static int fetch_beside(const struct download *x, struct err *err)
{
    static const char *const names[] = {
        "generation_config.json", "tokenizer_config.json", "tokenizer.json",
        "tokenizer.model", "chat_template.jinja", "added_tokens.json",
        "special_tokens_map.json", "vocab.json", "merges.txt", "tekken.json",
    };

    if (need(x, "config.json", err))
        return -1;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (fetch(x, names[i], err) == FOUND_FAILED)
            return -1;
    return 0;
}

static int fetch_all(const struct download *x, struct err *err)
{
    if (need(x, x->name, err) || (x->d->sha256 && check_sum(x, err)))
        return -1;
    if (ends(x->name, ".gguf"))
        return fetch_set(x, err);
    if (ends(x->name, ".json") && fetch_shards(x, err))
        return -1;
    return fetch_beside(x, err);
}

int model_download(const struct model_download *d, char **path,
                   struct err *err)
{
    struct download x = { .d = d, .lock = -1 };
    int rc = -1;

    if (take_apart(&x, err) || file_mkdirs(d->store, err) ||
        http_new(&x.http, &d->limits, err))
        goto out;
    http_stop(x.http, d->stop);
    if (open_dir(&x, err) || fetch_all(&x, err))
        goto out;
    *path = ends(x.name, ".gguf") ? file_join(x.dir, x.name)
                                  : xstrdup(x.dir);
    rc = 0;
out:
    if (rc && x.lock >= 0) { /* what is empty */
        rmdir(x.dir);
        rmdir(x.top);
    }
    if (x.lock >= 0)
        close(x.lock);
    http_free(x.http);
    free(x.top);
    free(x.base);
    free(x.name);
    free(x.query);
    free(x.dir);
    return rc;
}

/* ---- afterwards ---------------------------------------------------------- */

static void remove_files(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;

    while (d && (e = readdir(d))) {
        char *path = file_join(dir, e->d_name);

        if (!file_is_dir(path))
            sys_unlink(path);
        free(path);
    }
    if (d)
        closedir(d);
    rmdir(dir);
}

void model_download_drop(const char *path)
{
    char *top = xstrdup(path), *slash = strrchr(top, '/');

    if (file_is_dir(path))
        remove_files(path);
    if (slash) {
        *slash = '\0';
        remove_files(top);
    }
    free(top);
}
