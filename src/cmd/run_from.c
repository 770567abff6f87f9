/*
 * apus run --from: requests out of answers, into a file of their own, which
 * is then answered like any other.
 */
#include <config.h>

#include "cmd/run_from_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/plural.h"
#include "base/room.h"
#include "base/settings.h"
#include "cmd/model_use.h"
#include "cmd/named.h"
#include "cmd/part.h"
#include "spool/spool.h"
#include "store/checkpoint.h"
#include "store/part_file.h"
#include "store/rebuild.h"
#include "store/seal.h"

_Static_assert(sizeof(((struct run_from *)0)->model_id) == ID_TEXT, "an id");

/* ---- parts --------------------------------------------------------------- */

/* What is said beside a part of where its model is to be had. */
static void take_hint(struct making *m, const char *part)
{
    const char *slash = strrchr(part, '/');
    char *dir = slash ? xstrndup(part, (size_t)(slash - part)) : xstrdup(".");
    struct seal_info i;

    if (!m->f->hint && seal_info_read(&i, dir, NULL) == 0) {
        if (i.model_source[0])
            m->f->hint = xstrdup(i.model_source);
        seal_info_clear(&i);
    }
    free(dir);
}

static int from_part(struct making *m, const struct part_file *file,
                     struct err *err)
{
    struct checkpoint *c;
    uint64_t n;
    int rc;

    if (checkpoint_open_file(&c, file, err))
        return -1;
    making_is_of(m, checkpoint_head(c)->model);
    take_hint(m, part_file_path(file));
    rc = rebuild_part(c, making_put, m, &n, err);
    checkpoint_close(c);
    if (rc)
        return err_prefix(err, "\"%s\"", part_file_path(file));
    return part_file_unchanged(file, err);
}

static int from_file(struct making *m, const struct spool *s,
                     const char *path, bool trust, struct err *err)
{
    struct part_file *file;
    int rc;

    if (part_open(&file, s, path, trust, err))
        return -1;
    rc = from_part(m, file, err);
    part_file_close(file);
    return rc;
}

/* "dir/part-0000.h5" gives part-0000.out.jsonl here, an id its beginning. */
static char *output_name(const char *what)
{
    const char *slash = strrchr(what, '/');

    if (!part_is_file(what))
        return xasprintf("%.8s.out.jsonl", what);
    what = slash ? slash + 1 : what;
    return xasprintf("%.*s.out.jsonl", (int)strlen(what) - 3, what);
}

static int from_batch(struct making *m, const struct spool *s,
                      const struct batch *b, struct err *err)
{
    struct seal_info i = { .n_parts = 0 };
    int rc = seal_info_read(&i, b->path, err);

    if (rc == 0 && !m->f->out) {
        /* whatever it was named by: its directory, a file */
        m->f->out = output_name(id_text(b->id).s);
    }
    for (size_t k = 0; rc == 0 && k < i.n_parts; k++) {
        char *path = seal_part_path(b->path, k, "h5");

        rc = from_file(m, s, path, false, err);
        free(path);
    }
    seal_info_clear(&i);
    return rc;
}

/* A batch, or those of a file of requests, in its order. */
static int from_named(struct making *m, const struct spool *s,
                      const char *what, struct err *err)
{
    struct named n;
    int rc = 0;

    if (named_find(&n, s, what, NULL, err))
        return -1;
    if (!named_is_file(what))
        m->f->source =
            xasprintf("answers of batch %s", id_text(n.batch[0].id).s);
    for (size_t i = 0; rc == 0 && i < n.n; i++)
        rc = from_batch(m, s, &n.batch[i], err);
    named_clear(&n);
    return rc;
}

/* ---- all of it ----------------------------------------------------------- */

static int make_run_file(struct making *m, const char *what, bool trust,
                         struct err *err)
{
    const char *dir = settings_text(m->settings, "spool");
    struct spool *s;
    int rc;

    if (part_is_item(what, dir))
        return making_from_item(m, what, err);
    if (part_is_file(what) && trust)
        return from_file(m, NULL, what, true, err);
    if (spool_open_there(&s, dir, err))
        return -1;
    rc = part_is_file(what) ? from_file(m, s, what, false, err)
                            : from_named(m, s, what, err);
    spool_close(s);
    return rc;
}

static int make_file(struct making *m, const char *what, bool trust,
                     struct err *err)
{
    const char *tmp = getenv("TMPDIR");
    int fd;

    m->f->path = xasprintf("%s/apus-from-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    fd = mkstemp(m->f->path);
    if (fd < 0) {
        room_fail(err, ERR_RETRY, "make", m->f->path);
        free(m->f->path);
        m->f->path = NULL;
        return -1;
    }
    close(fd);
    if (file_out_open(&m->out, m->f->path, err))
        return -1;
    if (make_run_file(m, what, trust, err)) {
        file_out_abort(m->out);
        return -1;
    }
    if (file_out_commit(m->out, err))
        return -1;
    if (m->n == 0)
        return err_set(err, ERR_INPUT, "\"%s\" has no answer", what);
    log_info("%" PRIu64 " request%s from \"%s\"", m->n, plural_s(m->n), what);
    return 0;
}

int run_from_make(struct run_from *f, const struct settings *s,
                  const char *what, bool trust, struct err *err)
{
    struct making m = { .f = f, .settings = s };
    char *path;

    memset(f, 0, sizeof(*f));
    if (make_file(&m, what, trust, err)) {
        run_from_clear(f);
        return -1;
    }
    if (!f->out)
        f->out = output_name(what);
    if (!f->source) {
        path = part_is_file(what) || named_is_file(what)
                   ? spool_source_name(what) : xstrdup(what);
        f->source = xasprintf("answers of %s", path);
        free(path);
    }
    return 0;
}

void run_from_clear(struct run_from *f)
{
    if (f->path)
        unlink(f->path);
    free(f->path);
    free(f->out);
    free(f->source);
    free(f->hint);
    memset(f, 0, sizeof(*f));
}

int run_from_no_model(const struct run_from *f, const char *what,
                      struct err *err)
{
    char *how = model_use_how(f->hint);
    struct err why = ERR_INIT;

    if (err)
        why = *err;
    err_set(err, why.code, "\"%.120s\" was answered by the model %s, which is"
            " needed: %s; %.120s", what, f->model_id, how, why.text);
    free(how);
    return -1;
}

int run_from_check_model(const struct run_from *f, struct id id,
                         const char *what, struct err *err)
{
    if (id_equal(id, f->model))
        return 0;
    return err_set(err, ERR_INPUT,
                   "\"%s\" was answered by the model %s, and"
                   " -m names %s: its token ids are not that model's",
                   what, f->model_id, id_text(id).s);
}
