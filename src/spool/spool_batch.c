/*
 * What a batch is made of: batch.json, and making one from a file.
 *
 * The id of a file is known only when it has been copied, so it is copied
 * into a directory that no other process knows,
 *
 *     tmp/.new-NAME/NAME/requests.jsonl, ids and batch.json
 *     tmp/.new-NAME/owner-0001
 *
 * with random letters for NAME.  Two renames make a batch of it: .new-NAME to
 * tmp/.b<id>, which only one of several can do (a directory that is not empty
 * is never replaced), and from there NAME to todo/b<id>, after a look whether
 * such a batch is anywhere.  One who died in between is put aside by the next.
 */
#include <config.h>

#include "spool/spool_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "base/json_write.h"
#include "base/mem.h"
#include "base/output.h"
#include "base/sys.h"
#include "base/utf8.h"
#include "proof/digest.h"
#include "proof/statement.h"
#include "spool/earlier.h"
#include "spool/ids_file.h"
#include "spool/lines.h"
#include "spool/source.h"

#define FORMAT "apus-batch-1"
#define KIND_REQUESTS "requests"
#define KIND_FILE "batch"
#define PATH_BYTES 4096
#define CHUNK (64u << 10)
#define WAIT_MS 10
#define WAITS 200          /* two seconds for one who adds the same file */
#define LEFTOVER_S 86400   /* what is left in tmp after a day is nobody's,
                              unless its owner is seen to live */
#define SILENT_MS 3600000

/* ---- batch.json --------------------------------------------------------- */

void batch_info_clear(struct batch_info *i)
{
    free(i->source);
    free(i->output);
    i->source = i->output = NULL;
}

/* A path that has to be found again is kept exactly or not at all. */
static int put_path(struct buf *out, const char *key, const char *path,
                    struct err *err)
{
    if (!path)
        return 0;
    if (strlen(path) > PATH_BYTES)
        return err_set(err, ERR_INPUT, "%s: a path of over %d bytes", key,
                       PATH_BYTES);
    if (!utf8_valid(path, strlen(path)))
        return err_set(err, ERR_INPUT,
                       "%s: the path \"%s\" is not UTF-8, name another", key,
                       path);
    json_put_text(out, key, path);
    return 0;
}

int batch_info_put(struct buf *out, const struct batch_info *i,
                   struct err *err)
{
    if (i->n_requests > UINT32_MAX || i->n_lines > UINT32_MAX ||
        i->lines_before > UINT32_MAX)
        return err_set(err, ERR_INPUT,
                       "%" PRIu64 " requests in %" PRIu64 " lines after %"
                       PRIu64 ", a batch has less than 2^32", i->n_requests,
                       i->n_lines, i->lines_before);
    buf_putc(out, '{');
    json_put_text(out, "format", FORMAT);
    json_put_id(out, "id", i->id);
    json_put_id(out, "model", i->model);
    json_put_id(out, "sha256", i->file);
    json_put_bool(out, "from_ao", i->from_ao);
    if (i->from_ao) {
        json_put_id(out, "process", i->process);
        json_put_text(out, "kind",
                      i->is_file_of_ao ? KIND_FILE : KIND_REQUESTS);
    }
    if (i->from_ao && i->is_file_of_ao)
        json_put_id(out, "request", i->request);
    json_put_number(out, "requests", i->n_requests);
    if (i->ids >= 2) {
        json_put_number(out, "ids", i->ids);
        json_put_number(out, "lines", i->n_lines);
    }
    if (i->ids == 3)
        json_put_id(out, "earlier", i->earlier);
    if (i->lines_before)
        json_put_number(out, "lines_before", i->lines_before);
    if (put_path(out, "source", i->source, err) ||
        put_path(out, "output", i->output, err))
        return -1;
    buf_puts(out, "}\n");
    return buf_check(out, "batch.json", err);
}

int batch_info_write(const char *batch_path, const struct batch_info *i,
                     struct err *err)
{
    struct buf text;
    int rc;

    buf_init(&text, BATCH_FILE_MAX);
    rc = batch_info_put(&text, i, err);
    if (rc == 0)
        rc = spool_write_in(batch_path, "batch.json", text.data, text.len,
                            err);
    buf_clear(&text);
    return rc;
}

static int get_id(struct id *id, const struct json *root, const char *key,
                  struct err *err)
{
    if (json_id(json_get(root, key), id))
        return err_set(err, ERR_INPUT, "\"%s\": an id expected", key);
    return 0;
}

/* *path borrows; NULL if it is absent. */
static int get_path(const char **path, const struct json *root,
                    const char *key, struct err *err)
{
    const struct json *v = json_get(root, key);

    *path = json_string(v);
    if (v && !*path)
        return err_set(err, ERR_INPUT, "\"%s\": a string expected", key);
    if (v && strlen(*path) > PATH_BYTES)
        return err_set(err, ERR_INPUT, "\"%s\": a path of over %d bytes", key,
                       PATH_BYTES);
    return 0;
}

static int check_format(const struct json *root, struct err *err)
{
    const char *format = json_string(json_get(root, "format"));

    if (!format)
        return err_set(err, ERR_INPUT, "no \"format\"");
    if (strcmp(format, FORMAT) != 0)
        return err_set(err, ERR_INPUT, "format \"%s\", this version of apus"
                       " knows %s", format, FORMAT);
    return 0;
}

/* What is said of a batch from AO alone. */
static int get_ao(struct batch_info *i, const struct json *root,
                  struct err *err)
{
    const struct json *v = json_get(root, "kind");
    const char *kind = v ? json_string(v) : KIND_REQUESTS;

    if (!i->from_ao)
        return 0;
    if (!kind || (strcmp(kind, KIND_REQUESTS) != 0 &&
                  strcmp(kind, KIND_FILE) != 0))
        return err_set(err, ERR_INPUT, "\"kind\": " KIND_REQUESTS " or "
                       KIND_FILE " expected");
    i->is_file_of_ao = strcmp(kind, KIND_FILE) == 0;
    if (i->is_file_of_ao && get_id(&i->request, root, "request", err))
        return -1;
    return get_id(&i->process, root, "process", err);
}

/* How many requests there are, and how their lines have ids. */
static int get_lines(struct batch_info *i, const struct json *root,
                     struct err *err)
{
    const struct json *before = json_get(root, "lines_before");
    const struct json *v = json_get(root, "ids");
    uint64_t ids = 1;

    if (json_u64(json_get(root, "requests"), &i->n_requests) ||
        i->n_requests > UINT32_MAX)
        return err_set(err, ERR_INPUT,
                       "\"requests\": a number below 2^32 expected");
    if (v && (json_u64(v, &ids) || ids < 1 || ids > 3))
        return err_set(err, ERR_INPUT, "\"ids\": this version of apus knows"
                       " 1 to 3");
    if (before && (json_u64(before, &i->lines_before) ||
                   i->lines_before > UINT32_MAX))
        return err_set(err, ERR_INPUT, "\"lines_before\": a number below 2^32"
                       " expected");
    i->ids = (unsigned)ids;
    i->n_lines = i->n_requests;
    if (ids == 1)
        return 0;
    if (i->from_ao)
        return err_set(err, ERR_INPUT, "\"ids\": 1 expected of a batch from"
                       " AO");
    if (json_u64(json_get(root, "lines"), &i->n_lines) ||
        i->n_lines < i->n_requests || i->n_lines > UINT32_MAX)
        return err_set(err, ERR_INPUT, "\"lines\": a number below 2^32, and"
                       " not below \"requests\", expected");
    return ids == 3 ? get_id(&i->earlier, root, "earlier", err) : 0;
}

static int get_info(struct batch_info *i, const struct json *root,
                    struct err *err)
{
    const struct json *from_ao = json_get(root, "from_ao");
    const char *source, *output;
    struct id id;

    if (check_format(root, err) || get_id(&i->id, root, "id", err) ||
        get_id(&i->model, root, "model", err) ||
        get_id(&i->file, root, "sha256", err))
        return -1;
    if (!from_ao || json_type(from_ao) != JSON_BOOL)
        return err_set(err, ERR_INPUT, "\"from_ao\": true or false expected");
    i->from_ao = json_true(from_ao);
    if (get_ao(i, root, err) || get_lines(i, root, err))
        return -1;
    batch_info_id(&id, i);
    if (!i->from_ao && !id_equal(id, i->id))
        return err_set(err, ERR_INPUT,
                       "the id is not that of its model and file");
    if (get_path(&source, root, "source", err) ||
        get_path(&output, root, "output", err))
        return -1;
    /* so earlier versions called it */
    if (source && strcmp(source, "-") == 0)
        source = SOURCE_STDIN;
    i->source = source ? xstrdup(source) : NULL;
    i->output = output ? xstrdup(output) : NULL;
    return 0;
}

int batch_info_parse(struct batch_info *i, const char *text, size_t n,
                     struct err *err)
{
    struct batch_info got = { .n_requests = 0 };
    struct json *root;
    int rc;

    if (json_parse(&root, text, n, err))
        return -1;
    rc = get_info(&got, root, err);
    json_free(root);
    if (rc == 0)
        *i = got;
    return rc;
}

int batch_info_read(struct batch_info *i, const char *batch_path,
                    struct err *err)
{
    const char *slash = strrchr(batch_path, '/');
    struct batch_info got = { .n_requests = 0 };
    struct id id;
    struct buf text;
    int rc;

    buf_init(&text, BATCH_FILE_MAX);
    rc = spool_read_in(&text, batch_path, "batch.json", NULL, err);
    if (rc == 0)
        rc = err_set(err, ERR_INPUT, "no \"%s/batch.json\"", batch_path);
    else if (rc > 0 &&
             (rc = batch_info_parse(&got, text.len ? text.data : "", text.len,
                                    err)) != 0)
        err_prefix(err, "\"%s/batch.json\"", batch_path);
    buf_clear(&text);
    if (rc)
        return -1;
    if (batch_name_id(&id, slash ? slash + 1 : batch_path) == 0 &&
        !id_equal(id, got.id)) {
        batch_info_clear(&got);
        return err_set(err, ERR_INPUT, "\"%s/batch.json\" is of another"
                       " batch", batch_path);
    }
    *i = got;
    return 0;
}

void batch_info_id(struct id *id, const struct batch_info *i)
{
    if (i->ids == 3)
        batch_part_id(id, i->model, i->file, i->earlier);
    else
        batch_file_id(id, i->model, i->file);
}

int batch_lines_open(struct lines **out, const struct batch_info *i,
                     const char *batch_path, struct err *err)
{
    char *path = file_join(batch_path, "requests.jsonl");
    struct earlier e = { .line = NULL };
    struct lines *f = NULL;
    int rc = i->ids >= 2 ? lines_open_requests(&f, path, i->model, err)
                         : lines_open(&f, path, err);

    if (rc == 0 && i->ids == 3)
        rc = earlier_read(&e, batch_path, i->earlier, i->n_lines, err) ||
             lines_begin_after(f, &e, err) ? -1 : 0;
    earlier_clear(&e);
    free(path);
    if (rc)
        lines_close(f);
    else
        *out = f;
    return rc;
}

int batch_request_id(struct id *id, const struct batch_info *i, struct id line,
                     const char *custom_id, struct err *err)
{
    if (!i->from_ao || i->is_file_of_ao) {
        memmove(id, line.b, 32); /* it may be the same */
        return 0;
    }
    if (!custom_id || id_parse(id, custom_id))
        return err_set(err, ERR_INPUT, "\"custom_id\" is not the id of a"
                       " request");
    return 0;
}

/* ---- copying ------------------------------------------------------------ */

/* One who adds a file: where its copy is, and what it is. */
struct adding {
    const struct spool *s;
    const char *file;
    struct source *from;           /* NULL: not opened yet */
    const struct batch_part *part; /* of a file that was looked at */
    char name[FILE_SCRATCH];
    char *tmp;    /* SPOOL/tmp */
    char *own;    /* SPOOL/tmp/.new-NAME */
    char *copy;   /* SPOOL/tmp/.new-NAME/NAME */
    char *taken;  /* SPOOL/tmp/.b<id>, NULL as long as the id is unknown */
    char *placed; /* SPOOL/tmp/.b<id>/NAME */
    char *path;   /* SPOOL/todo/b<id> */
    struct batch_info info;
};

/* A pipe may be silent for days; on other machines the directory's time tells
 * that somebody waits for it. */
static void wait_for(const struct adding *a, const struct source *from)
{
    struct timespec now;

    while (!source_wait(from, SILENT_MS))
        spool_now(a->own, &now, NULL);
}

static int pump(struct adding *a, struct source *from, int to,
                const char *to_path, struct err *err)
{
    struct digest *d = digest_new();
    char *chunk = xmalloc(CHUNK);
    size_t n = 1;
    int rc = 0;

    while (rc == 0 && n > 0) {
        wait_for(a, from);
        rc = source_read(from, chunk, CHUNK, &n, err);
        if (rc || n == 0)
            break;
        digest_put(d, chunk, n);
        if (sys_write(to, chunk, n))
            rc = spool_fail(err, "write", to_path);
    }
    if (rc == 0 && sys_fsync(to))
        rc = spool_fail(err, "write", to_path);
    digest_end(d, &a->info.file);
    free(chunk);
    return rc;
}

static int copy_to(struct adding *a, struct source *from, const char *to_path,
                   struct err *err)
{
    int to, rc;

    to = open(to_path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
              0666);
    if (to < 0)
        return spool_fail(err, "write", to_path);
    rc = pump(a, from, to, to_path, err);
    /* NFS reports a full disk here at the latest */
    if (close(to) && rc == 0)
        rc = spool_fail(err, "write", to_path);
    return rc;
}

/* The file into a directory of our own, with its hash. */
static int copy_file(struct adding *a, struct err *err)
{
    struct owner self;
    char *to_path;
    int rc;

    if (!a->from &&
        (a->part ? source_open_part : source_open)(&a->from, a->file, err))
        return -1;
    if (sys_mkdir_own(a->own) || sys_mkdir_own(a->copy))
        return spool_fail(err, "make directory", a->copy);
    to_path = file_join(a->copy, "requests.jsonl");
    owner_self_process(&self);
    rc = owner_write(a->own, &self, err);
    if (rc == 0)
        rc = copy_to(a, a->from, to_path, err);
    free(to_path);
    return rc;
}

/* The ids of the copy's lines. */
static int write_ids(struct adding *a, struct err *err)
{
    const struct earlier *e = a->part ? a->part->earlier : NULL;

    a->info.ids = e && e->n ? 3 : 2;
    a->info.n_lines = e ? e->n : 0; /* as many at least */
    if (a->info.ids == 3 && earlier_write(a->copy, e, &a->info.earlier, err))
        return -1;
    return ids_file_write(a->copy, &a->info, &a->info.n_lines,
                          &a->info.n_requests, err);
}

/* ---- two renames -------------------------------------------------------- */

static bool is_taken_already(int why)
{
    return why == ENOTEMPTY || why == EEXIST;
}

/* Rename to a name that no process knows, and remove. */
static int put_aside(const char *tmp, const char *path, struct err *err)
{
    char name[FILE_SCRATCH], *gone;
    int rc = 0;

    if (file_scratch(name, err))
        return -1;
    gone = xasprintf("%s/" SPOOL_GONE "%s", tmp, name);
    if (sys_rename(path, gone) == 0)
        rc = spool_remove_tree(gone, err);
    else if (errno != ENOENT)
        rc = spool_fail(err, "move", path);
    free(gone);
    return rc;
}

/* Put .b<id> aside if its owner is dead. */
static int put_dead_aside(const struct adding *a, struct err *err)
{
    struct batch held = { .state = SPOOL_TMP, .path = a->taken };

    if (owner_judge(&held, NULL, NULL, OWNER_STALE_S) != OWNER_DEAD)
        return 0;
    return put_aside(a->tmp, a->taken, err);
}

/* .new-NAME to .b<id>: 0 it is ours, 1 there is such a batch (*state), -1. */
static int take(struct adding *a, enum spool_state *state, struct err *err)
{
    const struct timespec pause = { .tv_nsec = WAIT_MS * 1000000L };

    for (int i = 0; i < WAITS; i++) {
        int there = spool_locate(a->s, a->info.id, state, err);

        if (there)
            return there;
        if (sys_rename(a->own, a->taken) == 0)
            return 0;
        if (!is_taken_already(errno))
            return spool_fail(err, "move", a->own);
        if (put_dead_aside(a, err))
            return -1;
        nanosleep(&pause, NULL);
    }
    return err_set(err, ERR_RETRY, "\"%s\" is being added by another process"
                   " (see \"%s\"), run it again", a->file, a->taken);
}

/* Only one has .b<id>: when its batch is in todo, nothing is left there. */
static void let_go(const struct adding *a)
{
    claim_drop(a->taken);
    rmdir(a->taken);
}

int spool_sync_added(const struct spool *s, struct err *err)
{
    static const enum spool_state states[] = { SPOOL_TODO, SPOOL_TMP };
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < sizeof(states) / sizeof(*states); i++) {
        char *dir = file_join(spool_dir(s), spool_state_name(states[i]));

        rc = spool_sync_dir(dir, err);
        free(dir);
    }
    return rc;
}

/* Out of .b<id>, which is ours, to todo: 0 done, 1 there is such a batch
 * (*state), -1. */
static int publish(struct adding *a, enum spool_state *state, struct err *err)
{
    int rc = spool_locate(a->s, a->info.id, state, err);

    if (rc)
        return rc;
    *state = SPOOL_TODO;
    if (sys_rename(a->placed, a->path) == 0) {
        rc = a->part && a->part->sync_later ? 0
                                            : spool_sync_added(a->s, err);
        /* a caller that sees it fail has no batch by that */
        if (rc)
            sys_rename(a->path, a->placed);
    } else if (errno == ENOENT) {
        rc = err_set(err, ERR_RETRY, "no \"%s\": another took it away, run it"
                     " again", a->placed);
    } else {
        rc = is_taken_already(errno) ? 1 : spool_fail(err, "make", a->path);
    }
    return rc;
}

/* As publish, for a copy that is not in its place yet. */
static int place(struct adding *a, enum spool_state *state, struct err *err)
{
    char text[BATCH_NAME];
    int rc;

    batch_info_id(&a->info.id, &a->info);
    batch_name(text, a->info.id);
    a->taken = xasprintf("%s/.%s", a->tmp, text);
    a->placed = file_join(a->taken, a->name);
    a->path = spool_path(a->s, SPOOL_TODO, a->info.id);
    if (batch_info_write(a->copy, &a->info, err))
        return -1;
    rc = take(a, state, err);
    if (rc)
        return rc;
    rc = publish(a, state, err);
    if (rc) {
        spool_remove_tree(a->placed, NULL);
    }
    let_go(a);
    return rc;
}

/* ---- adding ------------------------------------------------------------- */

/* "here/PATH" for people and for later; the caller frees it. */
static char *absolute(const char *path)
{
    char here[PATH_MAX];

    if (path[0] == '/' || !getcwd(here, sizeof(here)))
        return xstrdup(path);
    return file_join(here, path);
}

/* For people: ill-formed bytes of it may be replaced. */
char *spool_source_name(const char *file)
{
    char *path = source_is_stdin(file) ? xstrdup(SOURCE_STDIN)
                                       : absolute(file), *text;
    struct buf b;
    size_t n;

    buf_init(&b, 3 * strlen(path));
    utf8_scrub(&b, path, strlen(path));
    text = b.len ? buf_take(&b, &n) : xstrdup("");
    buf_clear(&b);
    free(path);
    return text;
}

int spool_plan_file(const struct spool *s, const char *file, struct id model,
                    struct batch *b, struct batch_info *info, bool *existed,
                    struct err *err)
{
    enum spool_state state = SPOOL_TODO;
    struct batch_info plan = { .n_requests = 0 };
    struct lines *lines;
    int there = 0, rc;
    bool copied;
    char *path;

    if (source_path(&path, &copied, file, err))
        return -1;
    rc = lines_open_requests(&lines, path, model, err);
    if (copied)
        unlink(path);
    free(path);
    if (rc)
        return -1;
    plan.model = model;
    plan.file = lines_hash(lines);
    plan.ids = 2;
    plan.n_requests = lines_requests(lines);
    plan.n_lines = lines_count(lines);
    lines_close(lines);
    batch_info_id(&plan.id, &plan);
    if (s)
        there = spool_locate(s, plan.id, &state, err);
    if (there < 0)
        return -1;
    plan.source = spool_source_name(file);
    *info = plan;
    *existed = there > 0;
    b->state = there ? state : SPOOL_TODO;
    b->id = plan.id;
    b->path = s ? spool_path(s, b->state, plan.id) : NULL;
    return 0;
}

static int begin_adding(struct adding *a, const struct spool *s,
                        const char *file, struct id model, const char *output,
                        struct err *err)
{
    memset(a, 0, sizeof(*a));
    if (file_scratch(a->name, err))
        return -1;
    a->s = s;
    a->file = file;
    a->tmp = file_join(spool_dir(s), spool_state_name(SPOOL_TMP));
    a->own = xasprintf("%s/.new-%s", a->tmp, a->name);
    a->copy = file_join(a->own, a->name);
    a->info.model = model;
    a->info.source = spool_source_name(file);
    a->info.output = output && !output_is_descriptor(output)
                         ? absolute(output) : NULL;
    return 0;
}

/* Nothing of ours is left but the batch. */
static void end_adding(struct adding *a)
{
    spool_remove_tree(a->own, NULL);
    source_close(a->from);
    batch_info_clear(&a->info);
    free(a->tmp);
    free(a->own);
    free(a->copy);
    free(a->taken);
    free(a->placed);
    free(a->path);
}

static time_t newer(const char *path, time_t than)
{
    struct stat st;

    return lstat(path, &st) == 0 && st.st_mtim.tv_sec > than
               ? st.st_mtim.tv_sec : than;
}

/* When something in an entry of tmp was changed; a copy grows for long. */
static time_t last_change(const char *tmp, const char *entry)
{
    const char *dash = strchr(entry, '-');
    char *path = file_join(tmp, entry), *copy;
    time_t t = newer(path, 0);

    copy = xasprintf("%s/%s/requests.jsonl", path, dash ? dash + 1 : "");
    t = newer(copy, t);
    free(path);
    free(copy);
    return t;
}

/* Whether the maker of an entry of tmp is not known to be dead. */
static bool may_live(char *path)
{
    const struct batch b = { .state = SPOOL_TMP, .path = path };

    return owner_judge(&b, NULL, NULL, OWNER_STALE_S) != OWNER_DEAD;
}

/* Errors are ignored: nothing depends on it. */
void spool_remove_leftovers(const char *tmp)
{
    struct timespec now;
    struct dirent *e;
    DIR *d;

    if (spool_now(tmp, &now, NULL))
        return;
    d = opendir(tmp);
    while (d && (e = readdir(d)) != NULL) {
        const char *name = e->d_name;
        char *path;

        if (strncmp(name, ".new-", 5) != 0 &&
            strncmp(name, SPOOL_GONE, strlen(SPOOL_GONE)) != 0 &&
            strncmp(name, ".b", 2) != 0)
            continue;
        if (now.tv_sec - last_change(tmp, name) < LEFTOVER_S)
            continue;
        path = file_join(tmp, name);
        if (!may_live(path))
            put_aside(tmp, path, NULL);
        free(path);
    }
    if (d)
        closedir(d);
}

static int add(struct adding *a, struct batch *b, bool *existed,
               struct err *err)
{
    enum spool_state state = SPOOL_TODO;
    int rc;

    spool_remove_leftovers(a->tmp);
    rc = copy_file(a, err) || write_ids(a, err) ? -1 : 0;
    if (rc == 0)
        rc = place(a, &state, err);
    if (rc >= 0) {
        b->state = state;
        b->id = a->info.id;
        b->path = spool_path(a->s, state, a->info.id);
        *existed = rc == 1;
    }
    end_adding(a);
    return rc < 0 ? -1 : 0;
}

int spool_add_file(const struct spool *s, const char *file, struct id model,
                   const char *output, struct batch *b, bool *existed,
                   struct err *err)
{
    struct adding a;

    return begin_adding(&a, s, file, model, output, err)
               ? -1 : add(&a, b, existed, err);
}

int spool_add_opened(const struct spool *s, const char *file,
                     struct source *from, struct id model, const char *output,
                     struct batch *b, bool *existed, struct err *err)
{
    struct adding a;

    if (begin_adding(&a, s, file, model, output, err)) {
        source_close(from);
        return -1;
    }
    a.from = from;
    return add(&a, b, existed, err);
}

int spool_add_part(const struct spool *s, const char *file,
                   const struct batch_part *part, struct id model,
                   const char *output, struct batch *b, bool *existed,
                   struct err *err)
{
    struct adding a;

    if (begin_adding(&a, s, file, model, output, err)) {
        source_close(part->from);
        return -1;
    }
    a.from = part->from;
    free(a.info.source);
    a.info.source = xstrdup(part->source);
    a.info.lines_before = part->lines_before;
    a.part = part;
    return add(&a, b, existed, err);
}
