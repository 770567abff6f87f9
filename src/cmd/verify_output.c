/*
 * apus verify of an output file: which requests it answers, and with which
 * model.  The requests are a file, those of a batch in the spool, or messages
 * to a queue, whose ids name them.
 */
#include <config.h>

#include "cmd/verify.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/caller.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/room.h"
#include "base/settings.h"
#include "base/vec.h"
#include "cmd/part.h"
#include "model/model.h"
#include "queue/ask_item.h"
#include "proof/line_ids.h"
#include "spool/file_split.h"
#include "spool/ids_file.h"
#include "spool/source.h"
#include "spool/spool.h"
#include "store/request.h"
#include "verify/lookup.h"

#define LINE_MAX ((size_t)REQUEST_MAX_LINE)

/* The ids of the requests that the lines of a file answer, sorted. */
struct output_wanted {
    struct id *id;
    size_t n, capacity;
};

static int compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, 32);
}

static int want(void *self, struct id id, struct err *err)
{
    struct output_wanted *w = self;

    (void)err;
    VEC_RESERVE(w->id, w->capacity, w->n + 1);
    w->id[w->n++] = id;
    return 0;
}

/* How many of a batch's requests, which no file tells of, are wanted. */
static int count_lines(uint64_t *hits, const struct batch_info *info,
                       const char *batch_path, const struct output_wanted *w,
                       struct err *err)
{
    struct ids_file *f = NULL;
    struct id line;
    int rc = info->ids >= 2
                 ? ids_file_open(&f, batch_path, info->n_lines, err) : 0;

    *hits = 0;
    for (uint64_t i = 0; rc == 0 && i < info->n_lines; i++) {
        if (f)
            rc = ids_file_get(f, i, &line, err);
        else
            line_id_by_file(&line, info->file, i);
        if (rc == 0 && bsearch(line.b, w->id, w->n, 32, compare_ids))
            ++*hits;
    }
    ids_file_close(f);
    return rc;
}

/* The requests that a file answers. */
struct request_source {
    char *path;              /* to be freed .. */
    bool made;               /* .. and removed .. */
    char *ids;               /* .. as is the list of their ids, if any */
    bool has_model;
    struct id model;         /* of the batch that has them */
    uint64_t lines_before;   /* that a person counts before the first */
    uint64_t hits, others;   /* requests of the batch that are wanted, or not */
};

static void source_take(struct request_source *a, char *path, bool made)
{
    if (a->made && a->path)
        unlink(a->path);
    if (a->ids)
        unlink(a->ids);
    free(a->path);
    free(a->ids);
    a->path = path;
    a->made = made;
    a->ids = NULL;
}

/* Take the batch if it has more of the requests than the one that was found,
 * or as many and fewer others: batches share the lines that are the same. */
static int try_batch(struct request_source *a, const struct batch *b,
                     const struct output_wanted *w, struct err *err)
{
    struct batch_info info = { .n_requests = 0 };
    char *path = file_join(b->path, "requests.jsonl");
    uint64_t hits = 0, others = 0;
    int rc = batch_info_read(&info, b->path, err);

    if (rc == 0 && info.from_ao && !info.is_file_of_ao) {
        enum found found = check_requests_have(path, w->id[0], err);

        rc = found == FOUND_FAILED ? -1 : 0;
        hits = found == FOUND_ONE ? w->n : 0;
    } else if (rc == 0) {
        rc = count_lines(&hits, &info, b->path, w, err);
        others = info.n_requests - hits;
    }
    if (rc >= 0 && hits && (hits > a->hits ||
                            (hits == a->hits && others < a->others))) {
        source_take(a, path, false);
        path = NULL;
        a->has_model = true;
        a->model = info.model;
        a->lines_before = info.lines_before;
        a->hits = hits;
        a->others = others;
    }
    batch_info_clear(&info);
    free(path);
    return rc;
}

/* ---- several batches of a file ------------------------------------------- */

/* Make an empty file to be removed. */
static int make_file(char **path, struct err *err)
{
    const char *tmp = getenv("TMPDIR");
    char *made = xasprintf("%s/apus-requests-XXXXXX",
                           tmp && *tmp ? tmp : "/tmp");
    int fd = mkstemp(made);

    if (fd < 0) {
        room_fail(err, ERR_RETRY, "make", made);
        free(made);
        return -1;
    }
    close(fd);
    *path = made;
    return 0;
}

struct try_split {
    struct request_source *a;
    const struct spool *spool;
    const struct output_wanted *w;
};

/* Add how many of a part's requests are wanted; -1 if it cannot be read. */
static int count_part(uint64_t *sum, const struct try_split *t, struct id part)
{
    struct batch_info info;
    struct batch b;
    uint64_t hits = 0;
    int rc;

    if (spool_find(t->spool, id_text(part).s, &b, NULL))
        return -1;
    rc = batch_info_read(&info, b.path, NULL);
    if (rc == 0) {
        rc = count_lines(&hits, &info, b.path, t->w, NULL);
        batch_info_clear(&info);
    }
    batch_clear(&b);
    *sum += hits;
    return rc;
}

/* The requests of all parts, and their ids, into files to be removed. */
static int join(char **path, char **ids, const struct file_split *p,
                const struct spool *s, struct err *err)
{
    struct file_out *out = NULL, *id_out = NULL;
    int rc;

    *path = *ids = NULL;
    rc = make_file(path, err) || make_file(ids, err) ||
         file_out_open(&out, *path, err) || file_out_open(&id_out, *ids, err)
             ? -1 : 0;
    if (rc == 0)
        rc = file_split_join(p, s, out, id_out, err);
    if (rc) {
        file_out_abort(out);
        file_out_abort(id_out);
    } else {
        rc = file_out_commit(out, err);
        if (rc)
            file_out_abort(id_out);
        else
            rc = file_out_commit(id_out, err);
    }
    return rc;
}

/* Take the parts of a file if together they have more of the requests than
 * what was found. */
static int try_split(void *self, const struct file_split *p, struct err *err)
{
    struct try_split *t = self;
    struct request_source *a = t->a;
    uint64_t hits = 0;
    char *path, *ids;

    for (size_t i = 0; i < p->n; i++)
        if (count_part(&hits, t, p->part[i]))
            return 0;
    if (hits <= a->hits)
        return 0;
    if (join(&path, &ids, p, t->spool, err) == 0) {
        source_take(a, path, true);
        a->ids = ids;
        a->has_model = true;
        a->model = p->model;
        a->lines_before = 0;
        a->hits = hits;
        return 0;
    }
    if (path)
        unlink(path);
    if (ids)
        unlink(ids);
    free(path);
    free(ids);
    return -1;
}

/* Find the batch in the spool whose answers these are.  A batch that cannot be
 * read is passed over. */
static enum found search(struct request_source *a, const char *dir,
                         const struct output_wanted *w, struct err *err)
{
    struct spool *s;
    int rc = 0;

    if (!file_is_dir(dir))
        return FOUND_NONE;
    if (spool_open_there(&s, dir, err))
        return FOUND_FAILED;
    for (int state = SPOOL_TODO; rc == 0 && state < SPOOL_STATES; state++) {
        struct batch *list = NULL;
        size_t n = 0;

        rc = spool_list(s, state, &list, &n, err);
        for (size_t i = 0; i < n; i++) {
            if (rc == 0 && !(a->hits == w->n && !a->others))
                try_batch(a, &list[i], w, NULL);
            batch_clear(&list[i]);
        }
        free(list);
    }
    if (rc == 0 && a->hits < w->n)
        rc = file_split_walk(s, try_split,
                             &(struct try_split){ a, s, w }, err);
    spool_close(s);
    if (rc)
        return FOUND_FAILED;
    return a->path ? FOUND_ONE : FOUND_NONE;
}

/* ---- messages ------------------------------------------------------------ */

struct fetched {
    struct lookup *lookup;
    struct file_out *out; /* the lines that a node makes of the messages */
    uint64_t n;
};

/* The line of one message into the file. */
static int fetch(void *self, struct id id, struct err *err)
{
    struct lookup_item message, source;
    struct fetched *f = self;
    struct id source_id;
    bool elsewhere = false;
    struct buf line;
    int rc;

    buf_init(&line, LINE_MAX);
    lookup_item_init(&message, PUBLISHED_MAX);
    lookup_item_init(&source, PUBLISHED_MAX);
    rc = lookup_get(f->lookup, id, &message, err);
    if (rc == 0 && (elsewhere = ask_item_source(&source_id, &message.it.head,
                                                message.it.data, message.it.n)))
        rc = lookup_get(f->lookup, source_id, &source, err);
    if (rc == 0)
        rc = ask_item_line(&line, &message.it.head, message.it.data,
                           message.it.n, elsewhere ? source.it.data : NULL,
                           source.it.n, err);
    if (rc == 0) {
        buf_putc(&line, '\n');
        rc = buf_check(&line, "a request", err) ||
                     file_out_put(f->out, line.data, line.len, err) ? -1 : 0;
    }
    f->n++;
    lookup_item_clear(&message);
    lookup_item_clear(&source);
    buf_clear(&line);
    return rc;
}

/* Make a file of the requests that are messages, to be removed. */
static int fetch_requests(char **path, struct verify *v, struct err *err)
{
    const struct caller caller = { .note = log_note };
    struct fetched f = { .n = 0 };
    int rc = -1;

    if (make_file(path, err))
        return -1;
    if (lookup_new(&f.lookup, v->settings, &caller, err) ||
        file_out_open(&f.out, *path, err))
        goto out;
    if (check_output_ids(v->what, fetch, &f, err))
        file_out_abort(f.out);
    else
        rc = file_out_commit(f.out, err);
out:
    lookup_free(f.lookup);
    if (rc)
        unlink(*path);
    if (rc)
        return err_prefix(err, "no batch of the spool has the requests that"
                          " \"%s\" answers (say with --requests in which file"
                          " they are), and as messages of AO", v->what);
    log_info("the requests are %" PRIu64 " messages", f.n);
    return 0;
}

/* The requests where none are named. */
static int find_requests(struct request_source *a, struct verify *v,
                         struct err *err)
{
    struct output_wanted w = { .n = 0 };
    enum found found = FOUND_FAILED;

    if (check_output_ids(v->what, want, &w, err) == 0) {
        qsort(w.id, w.n, sizeof(*w.id), compare_ids);
        found = search(a, settings_text(v->settings, "spool"), &w, err);
    }
    free(w.id);
    if (found == FOUND_FAILED)
        return -1;
    if (found == FOUND_NONE) {
        a->made = true;
        return fetch_requests(&a->path, v, err);
    }
    if (a->made)
        log_info("the requests are those of a file that was split");
    else
        log_info("the requests are in \"%s\"", a->path);
    return 0;
}

static enum verdict check_found(struct verify *v,
                                const struct request_source *a,
                                const struct check_output_head *h,
                                struct err *err)
{
    const struct id *model = h->has_model ? &h->model : NULL;
    struct check_requests r = { a->path, a->ids, a->lines_before, NULL };

    if (!v->recompute)
        v->o.recompute = CHECK_ALL;
    if ((model || v->model_name) && verify_open_model(v, model, err))
        return VERDICT_NONE;
    if (!model && v->o.model)
        model = &v->o.model->model->id;
    if (!model && a->has_model)
        model = &a->model;
    r.model = model;
    return check_output(v->what, &r, &v->o, err);
}

static bool is_empty(const char *path)
{
    uint64_t n = 0;

    return file_size(path, &n, NULL) == 0 && n == 0;
}

enum verdict verify_output(struct verify *v, struct err *err)
{
    struct request_source a = { .path = NULL };
    enum verdict verdict = VERDICT_NONE;
    struct check_output_head h;
    int rc = 0;

    if (check_output_head(&h, v->what, err) ||
        (v->requests && source_look(v->requests, err)))
        return VERDICT_NONE;
    /* an empty one claims that nothing was answered */
    if (!h.has_request && (!v->requests || !is_empty(v->what))) {
        err_set(err, ERR_INPUT, "\"%s\" is not an output file (JSONL of apus"
                " run or export, not compressed) nor a file of requests that"
                " a batch answers: no line has the id of a request", v->what);
        return VERDICT_NONE;
    }
    if (v->requests)
        a.path = xstrdup(v->requests);
    else
        rc = find_requests(&a, v, err);
    if (rc == 0)
        verdict = check_found(v, &a, &h, err);
    source_take(&a, NULL, false);
    return verdict;
}
