/*
 * What the model store remembers of where its models came from: sources
 * that were converted (`sources`) and ids on Arweave (`arweave`).
 */
#include <config.h>

#include "model/models.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/vec.h"
#include "model/convert.h"
#include "model/import/formats.h"
#include "model/models_internal.h"
#include "proof/digest.h"

/* ---- sources that were converted before ----- */

static int line_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The directory of a source, which the caller frees, and in *same how many
 * characters of `what` the names of its files begin with (0: it is a
 * directory). */
static char *source_dir(const char *what, size_t *same)
{
    static const char numbers[] = "-00001-of-00001.gguf";
    const char *slash = strrchr(what, '/');
    size_t tail = sizeof(numbers) - 1, n = strlen(what);

    *same = 0;
    if (file_is_dir(what))
        return xstrdup(what);
    *same = strlen(slash ? slash + 1 : what);
    if (*same > tail && strncmp(what + n - 14, "-of-", 4) == 0)
        *same -= tail; /* all files of the set */
    return slash ? xstrndup(what, (size_t)(slash - what) + 1) : xstrdup(".");
}

/* A digest of what stat says of every file of a source: while it stays, its
 * conversion does. */
static int source_key(char key[ID_TEXT], const char *what)
{
    const char *name = strrchr(what, '/') ? strrchr(what, '/') + 1 : what;
    static const char rule = '0' + CONVERT_RULE;
    struct digest *d = digest_new();
    size_t n = 0, same;
    char *dir = source_dir(what, &same), **line = NULL;
    DIR *list = opendir(dir);
    bool apart = formats_apart(what);
    struct dirent *e;
    struct id h;

    while (list && (e = readdir(list))) {
        char *path = file_join(dir, e->d_name);
        struct stat st;

        if ((strncmp(e->d_name, name, same) == 0 ||
             (apart && strcmp(e->d_name, "tokenizer.bin") == 0)) &&
            stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
            VEC_MORE(line, n);
            line[n++] = xasprintf("%s %ju %ju %jd %jd.%09ld", e->d_name,
                                  (uintmax_t)st.st_dev, (uintmax_t)st.st_ino,
                                  (intmax_t)st.st_size,
                                  (intmax_t)st.st_mtim.tv_sec,
                                  st.st_mtim.tv_nsec);
        }
        free(path);
    }
    if (n)
        qsort(line, n, sizeof(*line), line_order);
    digest_put(d, &rule, sizeof(rule));
    for (size_t i = 0; i < n; i++) {
        digest_put(d, line[i], strlen(line[i]) + 1);
        free(line[i]);
    }
    free(line);
    digest_end(d, &h);
    base64url(key, h.b, 32);
    if (list)
        closedir(list);
    free(dir);
    return list ? 0 : -1;
}

/* Whether `sources` has a line "key id" whose model is still in the store. */
static bool source_find(struct id *id, const char *store, const char *key)
{
    size_t n = ID_TEXT - 1;
    bool found = false;
    struct buf b;

    buf_init(&b, MODELS_MAX_TEXT);
    if (models_read_text(&b, store, "sources", NULL))
        buf_reset(&b);
    for (const char *p = b.data; p && !found && (p = strstr(p, key)); p++) {
        char text[ID_TEXT], *path;

        if (strlen(p) < 2 * n + 2 || p[n] != ' ' || p[2 * n + 1] != '\n')
            continue;
        memcpy(text, p + n + 1, n);
        text[n] = '\0';
        if (id_parse(id, text))
            continue;
        path = models_path(store, *id);
        found = file_exists(path);
        free(path);
    }
    buf_clear(&b);
    return found;
}

/* Not being able to costs time only. */
static void source_add(const char *store, const char *key, struct id id)
{
    struct buf b;

    buf_init(&b, MODELS_MAX_TEXT);
    if (models_read_text(&b, store, "sources", NULL) ||
        b.len > MODELS_MAX_CACHE)
        buf_reset(&b);
    buf_printf(&b, "%s %s\n", key, id_text(id).s);
    models_write_text(&b, store, "sources", NULL);
    buf_clear(&b);
}

int models_known_source(struct id *id, const char *store, const char *what,
                        struct err *err)
{
    char key[ID_TEXT];

    if (source_key(key, what) == 0 && source_find(id, store, key))
        return 0;
    return err_set(err, ERR_INPUT, "\"%s\" was not converted into \"%s\" yet:"
                   " apus model add does that", what, store);
}

typedef void say_fn(const char *line);

static void pass_on(void *user, const char *line)
{
    say_fn *say = *(say_fn **)user;

    if (say)
        say(line);
}

int models_of_source(struct id *id, const char *store, const char *what,
                     void (*say)(const char *line), struct err *err)
{
    struct convert_options o = { .needs_tokenizer = true, .note = pass_on,
                                 .user = (void *)&say };
    char key[ID_TEXT], after[ID_TEXT], *line;
    int known = !source_key(key, what);

    if (known && source_find(id, store, key))
        return 0;
    line = xasprintf("converting \"%s\" into the model store \"%s\"", what,
                     store);
    if (say)
        say(line);
    free(line);
    if (models_add(store, what, NULL, &o, id, err))
        return -1;
    if (known && !source_key(after, what) && strcmp(key, after) == 0)
        source_add(store, key, *id);
    return 0;
}

/* ---- ids on Arweave: lines "arweave-id model-id" ----- */

enum found models_pointed(struct id *id, const char *store, struct id arweave,
                          struct err *err)
{
    size_t n = ID_TEXT - 1;
    char text[ID_TEXT];
    bool found = false;
    struct buf b;

    buf_init(&b, MODELS_MAX_TEXT);
    if (models_read_text(&b, store, "arweave", err)) {
        buf_clear(&b);
        return FOUND_FAILED;
    }
    for (const char *p = b.data; p && *p && !found;) {
        size_t len = strcspn(p, "\n");

        if (len == 2 * n + 1 && memcmp(p, id_text(arweave).s, n) == 0 &&
            p[n] == ' ') {
            memcpy(text, p + n + 1, n);
            text[n] = '\0';
            found = id_parse(id, text) == 0;
        }
        p += p[len] ? len + 1 : len;
    }
    buf_clear(&b);
    return found ? FOUND_ONE : FOUND_NONE;
}

int models_point(const char *store, struct id arweave, struct id id,
                 struct err *err)
{
    struct id known;
    struct buf b;
    enum found found = models_pointed(&known, store, arweave, err);
    int rc;

    if (found == FOUND_FAILED)
        return -1;
    if (found == FOUND_ONE && id_equal(known, id))
        return 0;
    buf_init(&b, MODELS_MAX_TEXT);
    buf_printf(&b, "%s %s\n", id_text(arweave).s, id_text(id).s);
    rc = models_read_text(&b, store, "arweave", err) ||
         buf_check(&b, "the list of ids on Arweave", err) ||
         models_write_text(&b, store, "arweave", err) ? -1 : 0;
    buf_clear(&b);
    return rc;
}
