/*
 * Files and batches by name.
 */
#include <config.h>

#include "cmd/named.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"
#include "node/work.h"
#include "spool/request_file.h"
#include "spool/file_split.h"
#include "spool/spool.h"
#include "verify/check.h"

bool named_is_file(const char *what)
{
    struct stat st;

    return strcmp(what, "-") == 0 ||
           (stat(what, &st) == 0 && !S_ISDIR(st.st_mode));
}

void named_report_both(const struct spool *s, const char *what)
{
    struct batch b = { .path = NULL };

    if (!s || strchr(what, '/') || spool_find(s, what, &b, NULL))
        return;
    log_info("\"%s\" is a file here, and batch %s begins so: the file is"
             " taken",
             what, id_text(b.id).s);
    batch_clear(&b);
}

void named_clear(struct named *n)
{
    for (size_t i = 0; i < n->n; i++)
        batch_clear(&n->batch[i]);
    free(n->batch);
    *n = (struct named){ .n = 0 };
}

/* Takes the batch. */
static void add_named(struct named *n, const struct batch *b)
{
    VEC_MORE(n->batch, n->n);
    n->batch[n->n++] = *b;
}

void named_add(struct named *n, const struct batch *b)
{
    struct batch copy = *b;

    copy.path = xstrdup(b->path);
    add_named(n, &copy);
}

/* ---- what a file is in ------------------------------------------------- */

/* A file as a whole that a batch was, or several were, made of. */
struct whole_input {
    struct id id, model;
    bool same_bytes;         /* else it has its path alone */
    bool has_batch, done;
    struct batch batch;      /* of the whole, if there is one */
    struct id *part;
    size_t n_parts;          /* 0: it was not split */
};

struct name_search {
    const char *what;
    char *source;
    bool is_there, some;     /* some: parts may be gone */
    struct id hash;          /* of a file that is there */
    const struct id *model;
    struct whole_input *whole;
    size_t n;
};

/* The one of this id, a new one if there is none. */
static struct whole_input *whole_of(struct name_search *f, struct id id,
                                    struct id model, bool same_bytes)
{
    struct whole_input *w;

    for (size_t i = 0; i < f->n; i++)
        if (id_equal(f->whole[i].id, id))
            return &f->whole[i];
    VEC_MORE(f->whole, f->n);
    w = &f->whole[f->n++];
    memset(w, 0, sizeof(*w));
    w->id = id;
    w->model = model;
    w->same_bytes = same_bytes;
    return w;
}

static bool fits(const struct name_search *f, struct id file, struct id model,
                 const char *source, bool *same_bytes)
{
    *same_bytes = f->is_there && id_equal(file, f->hash);
    if (f->model && !id_equal(*f->model, model))
        return false;
    return *same_bytes || (source && strcmp(source, f->source) == 0);
}

static int note_split(void *self, const struct file_split *p, struct err *err)
{
    struct name_search *f = self;
    struct whole_input *w;
    bool same;

    (void)err;
    if (!fits(f, p->file, p->model, p->source, &same))
        return 0;
    w = whole_of(f, p->id, p->model, same);
    w->part = xcalloc(p->n, sizeof(*w->part));
    memcpy(w->part, p->part, p->n * sizeof(*w->part));
    w->n_parts = p->n;
    return 0;
}

/* True if the search keeps the batch. */
static bool note_batch(struct name_search *f, const struct batch *b)
{
    struct batch_info info;
    struct whole_input *w;
    bool same, keeps = false;

    if (batch_info_read(&info, b->path, NULL))
        return false;
    if (fits(f, info.file, info.model, info.source, &same) &&
        !(same && info.ids == 3)) {
        w = whole_of(f, info.id, info.model, same);
        keeps = !w->has_batch;
        if (keeps) {
            w->batch = *b;
            w->has_batch = true;
            w->done = work_is_done(b);
        }
    }
    batch_info_clear(&info);
    return keeps;
}

static int search_all(struct name_search *f, const struct spool *s,
                      struct err *err)
{
    if (file_split_walk(s, note_split, f, err))
        return -1;
    for (int i = SPOOL_TODO; i < SPOOL_STATES; i++) {
        struct batch *list;
        size_t n;

        if (spool_list(s, (enum spool_state)i, &list, &n, err))
            return -1;
        for (size_t k = 0; k < n; k++)
            if (!note_batch(f, &list[k]))
                batch_clear(&list[k]);
        free(list);
    }
    return 0;
}

static void search_clear(struct name_search *f)
{
    for (size_t i = 0; i < f->n; i++) {
        batch_clear(&f->whole[i].batch);
        free(f->whole[i].part);
    }
    free(f->whole);
    free(f->source);
}

/* ---- which of them is meant ---------------------------------------------- */

static int several(const struct name_search *f, struct err *err)
{
    struct buf b;
    int rc;

    buf_init(&b, 400);
    for (size_t i = 0; i < f->n; i++) {
        if (f->whole[i].same_bytes != f->is_there)
            continue;
        buf_printf(&b, "%s%s of the model %.12s", b.len ? ", " : "",
                   id_text(f->whole[i].id).s, id_text(f->whole[i].model).s);
    }
    rc = err_set(err, ERR_INPUT, "\"%s\" is in several batches, name one (or"
                 " the model with -m): %s", f->what, b.len ? b.data : "");
    buf_clear(&b);
    return rc;
}

/* Of a file that is there its bytes count, else its path. */
static int pick(const struct name_search *f, const struct whole_input **w,
                struct err *err)
{
    *w = NULL;
    for (size_t i = 0; i < f->n; i++) {
        if (f->whole[i].same_bytes != f->is_there)
            continue;
        if (*w)
            return several(f, err);
        *w = &f->whole[i];
    }
    if (*w)
        return 0;
    if (f->n)
        return err_set(err, ERR_INPUT, "\"%s\" was changed since: no batch has"
                       " it as it is now (apus submit makes one; apus status"
                       " names the earlier ones)", f->what);
    return err_set(err, ERR_INPUT, "no batch of the file \"%s\"%s", f->what,
                   f->model ? " and this model" : "");
}

/* The whole if it is done or was not split, else the parts. */
static int add_whole(struct named *out, const struct name_search *f,
                     struct whole_input *w, const struct spool *s,
                     struct err *err)
{
    struct err gone = ERR_INIT;
    if (w->has_batch && (w->done || !w->n_parts)) {
        add_named(out, &w->batch);
        w->batch.path = NULL;
        return 0;
    }
    for (size_t i = 0; i < w->n_parts; i++) {
        struct batch b;

        if (spool_find(s, id_text(w->part[i]).s, &b, &gone) == 0) {
            add_named(out, &b);
            continue;
        }
        err_prefix(&gone, "part %zu of %zu of \"%s\"", i + 1, w->n_parts,
                   f->what);
        if (!f->some || gone.code != ERR_INPUT)
            return err_set(err, gone.code, "%s", gone.text);
    }
    return out->n ? 0 : err_set(err, ERR_INPUT, "no batch of the file \"%s\""
                                " is left in the spool", f->what);
}

static int find_file(struct named *out, const struct spool *s,
                     const struct name_search *what, struct err *err)
{
    struct name_search f = *what;
    const struct whole_input *w;
    struct request_file *lines;
    int rc = 0;

    if (f.is_there && request_file_open(&lines, f.what, err))
        return -1;
    if (f.is_there) {
        f.hash = request_file_hash(lines);
        request_file_close(lines);
    }
    f.source = spool_source_name(f.what);
    if (search_all(&f, s, err) || pick(&f, &w, err))
        rc = -1;
    if (rc == 0)
        rc = add_whole(out, &f, &f.whole[w - f.whole], s, err);
    out->is_file = rc == 0;
    search_clear(&f);
    return rc;
}

static int find_batches(struct named *n, const struct spool *s,
                        const char *what, const struct id *model, bool some,
                        struct err *err)
{
    struct name_search f = { .what = what, .model = model, .some = some };
    struct err why = ERR_INIT;
    struct named got = { .n = 0 };
    struct batch b;
    int rc;

    if (strcmp(what, "-") == 0)
        return err_set(err, ERR_INPUT, "\"-\" names no batch: give its id");
    if (named_is_file(what)) {
        named_report_both(s, what);
        f.is_there = true;
        rc = find_file(&got, s, &f, err);
    } else if (spool_find(s, what, &b, err) == 0) {
        add_named(&got, &b);
        rc = 0;
    } else {
        /* the error of the batch is the better one */
        rc = find_file(&got, s, &f, &why);
        if (rc && strncmp(why.text, "no batch", 8) != 0)
            err_copy(err, &why);
    }
    if (rc)
        named_clear(&got);
    else
        *n = got;
    return rc;
}

int named_find(struct named *n, const struct spool *s, const char *what,
               const struct id *model, struct err *err)
{
    return find_batches(n, s, what, model, false, err);
}

/* Those of `from` that are not in it yet; `from` is empty then. */
static void merge(struct named *n, struct named *from)
{
    for (size_t i = 0; i < from->n; i++) {
        size_t k = 0;

        while (k < n->n && !id_equal(n->batch[k].id, from->batch[i].id))
            k++;
        if (k < n->n)
            batch_clear(&from->batch[i]);
        else
            add_named(n, &from->batch[i]);
    }
    free(from->batch);
    *from = (struct named){ .n = 0 };
}

int named_find_all(struct named *n, const struct spool *s,
                   const char *const *what, size_t n_what, struct err *err)
{
    struct named got = { .n = 0 };

    for (size_t i = 0; i < n_what; i++) {
        struct named one = { .n = 0 };

        if (find_batches(&one, s, what[i], NULL, true, err)) {
            named_clear(&got);
            return -1;
        }
        merge(&got, &one);
    }
    *n = got;
    return 0;
}

bool named_is_answered(const char *what, const char *spool_dir)
{
    struct check_output_head h;
    struct spool *s;
    struct named n;
    bool found;

    if (check_output_head(&h, what, NULL) || h.has_request ||
        !file_is_dir(spool_dir) || spool_open_there(&s, spool_dir, NULL))
        return false;
    found = named_find(&n, s, what, NULL, NULL) == 0;
    if (found)
        named_clear(&n);
    spool_close(s);
    return found;
}
