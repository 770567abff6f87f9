/*
 * The model store.  Files appear whole under their id, `names` and `checked`
 * are rewritten whole; two programs at once lose at worst a name or a line of
 * `checked`, never a model.
 */
#include <config.h>

#include "model/models.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/room.h"
#include "base/sys.h"
#include "base/vec.h"
#include "model/convert.h"
#include "model/import/formats.h"
#include "model/model.h"
#include "model/model_layout.h"
#include "model/models_internal.h"

#define MAX_NAME 64
#define MIN_PREFIX 6
#define ID_IN_NAME 8
#define SUFFIX ".apus"

/* Lines "name id". */
struct name {
    char name[MAX_NAME + 1];
    struct id id;
};
struct model_names {
    struct name *v;
    size_t n;
};

static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

static bool name_valid(const char *s)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVW"
                         "XYZ0123456789._-");

    return n && n <= MAX_NAME && !s[n] && *s != '-' && *s != '.';
}

static bool is_id(const char *what)
{
    struct id id;

    return id_parse(&id, what) == 0;
}

int models_name_check(const char *name, struct err *err)
{
    if (is_id(name))
        return err_set(err, ERR_INPUT, "\"%s\" cannot be a name: it is an id,"
                       " which stands for one model alone", name);
    if (name_valid(name))
        return 0;
    return err_set(err, ERR_INPUT, "\"%s\" cannot be a name: 1 to %d letters,"
                   " digits, '.', '_' and '-', the first no '.' or '-'", name,
                   MAX_NAME);
}

/* Two fields of a line: a name and an id. */
static int parse_name(struct name *out, const char *line, size_t n)
{
    const char *space = memchr(line, ' ', n);
    size_t len = space ? (size_t)(space - line) : 0;
    char id[ID_TEXT];

    if (len < 1 || len > MAX_NAME || n - len - 1 != ID_TEXT - 1)
        return -1;
    memcpy(out->name, line, len);
    out->name[len] = '\0';
    memcpy(id, space + 1, ID_TEXT - 1);
    id[ID_TEXT - 1] = '\0';
    return name_valid(out->name) ? id_parse(&out->id, id) : -1;
}

/* The store's file `file` appended to b; nothing if there is none. */
int models_read_text(struct buf *b, const char *store, const char *file,
                     struct err *err)
{
    char *path = file_join(store, file);
    int rc = 0;

    if (file_exists(path))
        rc = file_read(b, path, err);
    buf_put(b, "", 0);
    free(path);
    return rc;
}

int models_write_text(const struct buf *b, const char *store,
                      const char *file, struct err *err)
{
    char *path = file_join(store, file);
    int rc = file_write(path, b->data, b->len, err);

    free(path);
    return rc;
}

static int names_read(struct model_names *names, const char *store,
                      struct err *err)
{
    struct buf b;
    size_t line = 0;
    int rc = -1;

    names->v = NULL;
    names->n = 0;
    buf_init(&b, MODELS_MAX_TEXT);
    if (models_read_text(&b, store, "names", err))
        goto out;
    for (const char *p = b.data; p && *p; ) {
        size_t n = strcspn(p, "\n");

        line++;
        VEC_MORE(names->v, names->n);
        if (parse_name(&names->v[names->n], p, n)) {
            err_set(err, ERR_INPUT, "%s/names:%zu is not a line of a name and "
                    "an id", store, line);
            goto out;
        }
        names->n++;
        p += p[n] ? n + 1 : n;
    }
    rc = 0;
out:
    buf_clear(&b);
    if (rc) {
        free(names->v);
        names->v = NULL;
        names->n = 0;
    }
    return rc;
}

static int names_write(const struct model_names *names, const char *store,
                       struct err *err)
{
    struct buf b;
    int rc;

    buf_init(&b, MODELS_MAX_TEXT);
    for (size_t i = 0; i < names->n; i++) {
        buf_printf(&b, "%s %s\n", names->v[i].name, id_text(names->v[i].id).s);
    }
    rc = buf_check(&b, "the list of names", err);
    if (!rc)
        rc = models_write_text(&b, store, "names", err);
    buf_clear(&b);
    return rc;
}

static const struct name *names_find(const struct model_names *names,
                                     const char *name)
{
    for (size_t i = 0; i < names->n; i++)
        if (strcmp(names->v[i].name, name) == 0)
            return &names->v[i];
    return NULL;
}

int models_name(const char *store, const char *name, struct id id,
                struct err *err)
{
    struct model_names names;
    size_t i;
    int rc;

    if (names_read(&names, store, err))
        return -1;
    for (i = 0; i < names.n && strcmp(names.v[i].name, name) != 0; i++)
        continue;
    if (i == names.n) {
        VEC_MORE(names.v, names.n);
        names.n++;
    }
    snprintf(names.v[i].name, sizeof(names.v[i].name), "%s", name);
    names.v[i].id = id;
    rc = names_write(&names, store, err);
    free(names.v);
    return rc;
}

char *models_path(const char *store, struct id id)
{
    return xasprintf("%s/%s%s", store, id_text(id).s, SUFFIX);
}

/* The id in a file name ID.apus. */
static int parse_file_name(struct id *id, const char *name)
{
    size_t n = ID_TEXT - 1;
    char text[ID_TEXT];

    if (strlen(name) != n + strlen(SUFFIX) || strcmp(name + n, SUFFIX) != 0)
        return -1;
    memcpy(text, name, n);
    text[n] = '\0';
    return id_parse(id, text);
}

/* The ids of the store's files in order; the caller frees *ids. */
static int list_ids(struct id **ids, size_t *n, const char *store,
                    struct err *err)
{
    DIR *d = opendir(store);
    struct id *v = NULL;
    struct dirent *e;

    *n = 0;
    *ids = NULL;
    if (!d && errno == ENOENT)
        return 0;
    if (!d)
        return err_errno(err, ERR_INPUT, "cannot open \"%s\"", store);
    while ((e = readdir(d))) {
        struct id id;

        if (parse_file_name(&id, e->d_name))
            continue;
        VEC_MORE(v, *n);
        v[(*n)++] = id;
    }
    closedir(d);
    *ids = v;
    return 0;
}

/* Find a file of the store by its id or a prefix; FOUND_FAILED also if there
 * are several. */
static enum found find_prefix(struct id *id, const char *store,
                              const char *what, struct err *err)
{
    struct id *ids;
    size_t n, len = strlen(what), hits = 0;

    if (len < MIN_PREFIX || len >= ID_TEXT)
        return FOUND_NONE;
    if (list_ids(&ids, &n, store, err))
        return FOUND_FAILED;
    for (size_t i = 0; i < n; i++) {
        if (strncmp(id_text(ids[i]).s, what, len) != 0)
            continue;
        *id = ids[i];
        hits++;
    }
    free(ids);
    if (hits > 1)
        return err_set(err, ERR_INPUT, "\"%s\" begins %zu ids in \"%s\"; "
                       "give more characters", what, hits, store);
    return hits > 0 ? FOUND_ONE : FOUND_NONE;
}

int models_there(const char *store, struct err *err)
{
    if (access(store, R_OK | X_OK) == 0)
        return 0;
    if (errno == ENOENT || errno == ENOTDIR)
        return err_set(err, ERR_INPUT, "no model store at \"%s\": apus model"
                       " add makes one, the setting models names another",
                       store);
    return err_errno(err, ERR_INPUT, "cannot look into the model store"
                     " \"%s\"", store);
}

enum found models_stored(struct id *id, const char *store, const char *what,
                         struct err *err)
{
    struct id arweave;
    struct model_names names;
    const struct name *name;
    enum found found = FOUND_ONE;

    if (strchr(what, '/'))
        return FOUND_NONE;
    if (models_there(store, err))
        return file_exists(what) || !file_exists(store) ? FOUND_NONE
                                                        : FOUND_FAILED;
    if (names_read(&names, store, err))
        return FOUND_FAILED;
    name = is_id(what) ? NULL : names_find(&names, what);
    if (name)
        *id = name->id;
    else
        found = find_prefix(id, store, what, err);
    free(names.v);
    /* an id of Arweave, under which it was fetched */
    if (found == FOUND_NONE && !id_parse(&arweave, what))
        found = models_pointed(id, store, arweave, err);
    return found;
}

/* Cut `end` off the end of a name; digits match any. */
static void cut_end(char *name, const char *end)
{
    size_t n = strlen(name), k = strlen(end), i = 0;
    char *p = name + n - k;

    if (n <= k)
        return;
    while (i < k && (isdigit((unsigned char)end[i])
                         ? isdigit((unsigned char)p[i])
                         : p[i] == end[i]))
        i++;
    if (i == k)
        *p = '\0';
}

/* The name for a file or directory: its last component, without .apus, .gguf,
 * .bin and the number of a part, with '-' for what no name may have; of an id
 * its first characters. */
char *models_own_name(const char *path)
{
    char *real = realpath(path, NULL);
    const char *base = real ? real : path, *slash = strrchr(base, '/');
    char *name = xstrdup(slash ? slash + 1 : base);

    free(real);
    cut_end(name, SUFFIX);
    cut_end(name, ".gguf");
    cut_end(name, ".bin");
    cut_end(name, "-00001-of-00001");
    if (strlen(name) > MAX_NAME)
        name[MAX_NAME] = '\0';
    if (is_id(name))
        name[ID_IN_NAME] = '\0';
    for (char *p = name; *p; p++)
        if (!name_char(*p))
            *p = '-';
    if (*name == '-' || *name == '.')
        *name = '_';
    if (name_valid(name))
        return name;
    free(name);
    return xstrdup("model");
}

/* Convert into the store: under a name aside first, for the id is not known
 * before the end. */
static int add_source(const char *store, const char *what,
                      const struct convert_options *o, struct id *id,
                      struct err *err)
{
    char scratch[FILE_SCRATCH], *aside, *path = NULL;
    int rc;

    if (file_scratch(scratch, err))
        return -1;
    aside = xasprintf("%s/new.%s", store, scratch);
    rc = convert_model(what, aside, o, id, err);

    if (!rc) {
        path = models_path(store, *id);
        if (file_share_as(aside, path, err))
            rc = -1;
        else if (sys_rename(aside, path) || sys_sync_dir(store))
            rc = err_errno(err, ERR_RETRY, "cannot rename \"%s\"", aside);
    }
    if (rc)
        unlink(aside);
    free(aside);
    free(path);
    return rc;
}

/* Copy a file, which is read and checked whole. */
static int add_file(const char *store, const char *what, struct id *id,
                    struct err *err)
{
    struct model *m;
    char *path;
    int rc = -1;

    if (model_open(&m, what, NULL, err))
        return -1;
    path = models_path(store, m->id);
    if (room_check(path, m->size, ROOM_ANYWHERE, err) == 0)
        rc = file_write(path, m->data, m->size, err);
    *id = m->id;
    free(path);
    model_close(m);
    return rc;
}

static int resolve(char **path, const char *store, const char *what,
                   bool convert, void (*say)(const char *line),
                   struct err *err)
{
    struct id id;
    enum found found = models_stored(&id, store, what, err);

    if (found == FOUND_FAILED)
        return -1;
    if (found == FOUND_NONE && formats_known(what)) {
        if (convert ? models_of_source(&id, store, what, say, err)
                    : models_known_source(&id, store, what, err))
            return -1;
        found = FOUND_ONE;
    }
    if (found == FOUND_NONE && file_exists(what)) {
        *path = xstrdup(what);
        return 0;
    }
    if (found == FOUND_NONE)
        return models_missing(store, what, err);
    *path = models_path(store, id);
    return 0;
}

int models_resolve(char **path, const char *store, const char *what,
                   void (*say)(const char *line), struct err *err)
{
    return resolve(path, store, what, true, say, err);
}

int models_find(char **path, const char *store, const char *what,
                struct err *err)
{
    return resolve(path, store, what, false, NULL, err);
}

/* The line of `checked` for a file: whatever changes when its bytes do.  The
 * ctime is there because the mtime can be set back. */
static int checked_line(char **line, const char *path, const char *id,
                        struct err *err)
{
    struct stat st;

    if (stat(path, &st))
        return err_errno(err, ERR_INPUT, "cannot open \"%s\"", path);
    *line = xasprintf("%s %ju %ju %jd %jd.%09ld %jd.%09ld\n", id,
                      (uintmax_t)st.st_dev, (uintmax_t)st.st_ino,
                      (intmax_t)st.st_size, (intmax_t)st.st_mtim.tv_sec,
                      st.st_mtim.tv_nsec, (intmax_t)st.st_ctim.tv_sec,
                      st.st_ctim.tv_nsec);
    return 0;
}

/* Whether the text has this line; its lines for other ids go to *rest. */
static bool has_line(struct buf *rest, const char *text, const char *line)
{
    bool found = false;

    for (const char *p = text; p && *p; ) {
        size_t n = strcspn(p, "\n");

        n += p[n] == '\n';
        if (n == strlen(line) && memcmp(p, line, n) == 0)
            found = true;
        else if (strncmp(p, line, ID_TEXT - 1) != 0 && n > ID_TEXT)
            buf_put(rest, p, n);
        p += n;
    }
    return found;
}

/* Remember that a file was verified.  Not being able to costs time only. */
static void checked_add(const char *store, struct buf *rest,
                        const char *line)
{
    if (!file_is_dir(store))
        return;
    if (rest->full || rest->len > MODELS_MAX_CACHE)
        buf_reset(rest);
    buf_puts(rest, line);
    models_write_text(rest, store, "checked", NULL);
}

/* Open, with hashing if the file is not known or `hash` says so; the file must
 * be the same before and after. */
static int open_checked(struct model **out, const char *store, const char *path,
                        struct id id, bool hash, const struct model_sink *sink,
                        struct err *err)
{
    char text[ID_TEXT], *before = NULL, *after = NULL;
    struct buf all, rest;
    struct model *m;
    bool known;
    int rc = -1;

    base64url(text, id.b, 32);
    buf_init(&all, MODELS_MAX_TEXT);
    buf_init(&rest, MODELS_MAX_TEXT);
    if (checked_line(&before, path, text, err))
        goto out;
    if (models_read_text(&all, store, "checked", NULL))
        buf_reset(&all);
    known = has_line(&rest, all.data, before);
    if (model_open_into(&m, path, &id, hash || !known, sink, err))
        goto out;
    if (checked_line(&after, path, text, err) || strcmp(before, after) != 0) {
        err_set(err, ERR_RETRY, "\"%s\" changed while it was read", path);
        model_close(m);
        goto out;
    }
    if (!known)
        checked_add(store, &rest, before);
    *out = m;
    rc = 0;
out:
    buf_clear(&all);
    buf_clear(&rest);
    free(before);
    free(after);
    return rc;
}

/* Remember that a file of the store has the bytes of its id. */
static int remember(const char *store, struct id id, struct err *err)
{
    char *path = models_path(store, id), *line = NULL;
    struct buf all, rest;
    int rc = -1;

    buf_init(&all, MODELS_MAX_TEXT);
    buf_init(&rest, MODELS_MAX_TEXT);
    if (checked_line(&line, path, id_text(id).s, err))
        goto out;
    if (models_read_text(&all, store, "checked", NULL))
        buf_reset(&all);
    if (!has_line(&rest, all.data, line))
        checked_add(store, &rest, line);
    rc = 0;
out:
    buf_clear(&all);
    buf_clear(&rest);
    free(line);
    free(path);
    return rc;
}

int models_adopt(const char *store, const char *from, struct id id,
                 struct err *err)
{
    char *path = models_path(store, id);
    int rc = 0;

    if (file_share_as(from, path, err))
        rc = -1;
    else if (sys_rename(from, path) || sys_sync_dir(store))
        rc = err_errno(err, ERR_RETRY, "cannot rename \"%s\" to \"%s\"", from,
                       path);
    free(path);
    return rc ? rc : remember(store, id, err);
}

int models_put(const char *store, const char *what,
               const struct convert_options *o, struct id *id, struct err *err)
{
    char source[MODELS_SOURCE];
    struct id h;
    int rc;

    if (file_mkdirs(store, err) ||
        (formats_known(what) ? add_source(store, what, o, &h, err)
                             : add_file(store, what, &h, err)))
        return -1;
    /* those who share a store can read it, and seldom write it */
    rc = remember(store, h, err);
    models_made(store, h, what, o);
    models_sampling_keep(store, h, what);
    models_source_of_path(source, what);
    if (rc == 0 && source[0])
        rc = models_source_set(store, h, source, err);
    if (rc == 0)
        *id = h;
    return rc;
}

int models_add(const char *store, const char *what, const char *name,
               const struct convert_options *o, struct id *id, struct err *err)
{
    char *called = name ? xstrdup(name) : models_own_name(what);
    struct id h;
    int rc = models_name_check(called, err) ||
                     models_put(store, what, o, &h, err) ||
                     models_name(store, called, h, err)
                 ? -1 : 0;

    if (rc == 0)
        *id = h;
    free(called);
    return rc;
}

static int open_model(struct model **out, const char *store,
                      const char *what, const struct model_sink *sink,
                      void (*say)(const char *line), bool hash,
                      struct err *err)
{
    struct model_record rec;
    struct id id, named;
    const char *base;
    char *path = NULL;
    int rc = -1;

    if (models_resolve(&path, store, what, say, err))
        return -1;
    base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    if (model_peek(&rec, &id, path, err))
        goto out;
    if (!parse_file_name(&named, base) && !id_equal(named, id)) {
        err_set(err, ERR_INPUT, "\"%s\" is another model than its name says",
                path);
        goto out;
    }
    rc = open_checked(out, store, path, id, hash, sink, err);
out:
    free(path);
    return rc;
}

int models_open(struct model **out, const char *store, const char *what,
                const struct model_sink *sink, void (*say)(const char *line),
                struct err *err)
{
    return open_model(out, store, what, sink, say, false, err);
}

int models_open_hashed(struct model **out, const char *store,
                       const char *what, const struct model_sink *sink,
                       struct err *err)
{
    return open_model(out, store, what, sink, NULL, true, err);
}

enum found models_named(struct id *id, const char *store, const char *name,
                        struct err *err)
{
    const struct name *found;
    struct model_names names;

    if (names_read(&names, store, err))
        return FOUND_FAILED;
    found = names_find(&names, name);
    if (found)
        *id = found->id;
    free(names.v);
    return found ? FOUND_ONE : FOUND_NONE;
}

enum models_rm_takes models_rm_takes(struct id *id, const char *store,
                                     const char *what, struct err *err)
{
    struct model_names names;
    size_t n_same = 0;
    bool by_name;
    enum found found = models_stored(id, store, what, err);

    if (found == FOUND_NONE)
        err_set(err, ERR_INPUT, "there is no model \"%s\" in \"%s\" (apus"
                " model list shows those that there are)", what, store);
    if (found != FOUND_ONE || names_read(&names, store, err))
        return MODELS_RM_FAILED;
    by_name = names_find(&names, what) != NULL;
    for (size_t i = 0; i < names.n; i++)
        n_same += id_equal(names.v[i].id, *id);
    free(names.v);
    return !by_name || n_same == 1 ? MODELS_RM_FILE : MODELS_RM_NAME;
}

int models_rm(const char *store, const char *what, struct err *err)
{
    struct id id;
    struct model_names names;
    bool by_name, used = false;
    size_t kept = 0;
    char *path = NULL;
    enum found found = models_stored(&id, store, what, err);
    int rc = 0;

    if (found == FOUND_FAILED)
        return -1;
    if (found == FOUND_NONE)
        return err_set(err, ERR_INPUT, "there is no model \"%s\" in \"%s\""
                       " (apus model list shows those that there are)", what,
                       store);
    if (names_read(&names, store, err))
        return -1;
    by_name = names_find(&names, what) != NULL;
    /* By its name: that name.  By its id: every name of it. */
    for (size_t i = 0; i < names.n; i++) {
        bool same = id_equal(names.v[i].id, id);

        if (by_name ? strcmp(names.v[i].name, what) == 0 : same)
            continue;
        used |= same;
        names.v[kept++] = names.v[i];
    }
    if (kept != names.n) {
        names.n = kept;
        rc = names_write(&names, store, err);
    }
    path = models_path(store, id);
    if (!rc && !used && sys_unlink(path))
        rc = err_errno(err, ERR_RETRY, "cannot remove \"%s\"", path);
    free(path);
    free(names.v);
    return rc;
}

static void put_line(struct buf *out, const char *store, const char *name,
                     struct id id)
{
    char *path = models_path(store, id);
    struct model_record rec;
    struct id h;
    uint64_t size = 0;

    buf_printf(out, "%s\t%s\t", name, id_text(id).s);
    if (file_size(path, &size, NULL) || model_peek(&rec, &h, path, NULL) ||
        !id_equal(h, id)) {
        buf_printf(out, "-\t%s\n", file_exists(path) ? "damaged" : "missing");
    } else {
        buf_printf(out, "%" PRIu64 "\t%" PRIu64, model_parameters(&rec), size);
        models_mark(out, store, id, &rec);
    }
    free(path);
}

static int name_order(const void *a, const void *b)
{
    return strcmp(((const struct name *)a)->name,
                  ((const struct name *)b)->name);
}

static int id_order(const void *a, const void *b)
{
    return memcmp(a, b, 32);
}

int models_ids(struct id **ids, size_t *n, const char *store, struct err *err)
{
    if (list_ids(ids, n, store, err))
        return -1;
    if (*n)
        qsort(*ids, *n, sizeof(**ids), id_order);
    return 0;
}

int models_list(const char *store, struct buf *out, struct err *err)
{
    struct id *ids;
    struct model_names names;
    size_t n;

    if (names_read(&names, store, err))
        return -1;
    if (list_ids(&ids, &n, store, err)) {
        free(names.v);
        return -1;
    }
    if (names.n)
        qsort(names.v, names.n, sizeof(*names.v), name_order);
    if (n)
        qsort(ids, n, sizeof(*ids), id_order);
    for (size_t i = 0; i < names.n; i++)
        put_line(out, store, names.v[i].name, names.v[i].id);
    for (size_t i = 0; i < n; i++) {
        bool named = false;

        for (size_t k = 0; k < names.n; k++)
            named |= id_equal(names.v[k].id, ids[i]);
        if (!named)
            put_line(out, store, "-", ids[i]);
    }
    free(names.v);
    free(ids);
    return buf_check(out, "the list of models", err);
}
