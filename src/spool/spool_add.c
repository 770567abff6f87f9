/*
 * Making a batch of a file.
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
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/output.h"
#include "base/sys.h"
#include "base/utf8.h"
#include "proof/digest.h"
#include "spool/earlier.h"
#include "spool/ids_file.h"
#include "spool/request_file.h"
#include "spool/source.h"

#define CHUNK (64u << 10)
#define WAIT_MS 10
#define WAITS 200          /* two seconds for one who adds the same file */
#define LEFTOVER_S 86400   /* what is left in tmp after a day is nobody's,
                              unless its owner is seen to live */
#define SILENT_MS 3600000
#define FEW 16             /* copies that are synced file by file */

/* ---- copying ------------------------------------------------------------ */

/* One who adds a file: where its copy is, and what it is. */
struct adding {
    const struct spool *s;
    const char *file;
    struct source *from;           /* NULL: not opened yet */
    bool looked_at;                /* the file, by first_look.h */
    const struct earlier *earlier; /* lines in the parts before, or NULL */
    char name[FILE_SCRATCH];
    char *tmp;    /* SPOOL/tmp */
    char *own;    /* SPOOL/tmp/.new-NAME */
    char *copy;   /* SPOOL/tmp/.new-NAME/NAME */
    char *taken;  /* SPOOL/tmp/.b<id>; this and the next: NULL as long as the id
                     is unknown */
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
        (a->looked_at ? source_open_part : source_open)(&a->from, a->file,
                                                        err))
        return -1;
    if (sys_mkdir_own(a->own) || sys_mkdir_own(a->copy))
        return spool_fail(err, "make directory", a->copy);
    to_path = file_join(a->copy, "requests.jsonl");
    owner_self_process(&self);
    rc = claim_begin(a->own, &self, err);
    if (rc == 0)
        rc = copy_to(a, a->from, to_path, err);
    free(to_path);
    return rc;
}

/* The ids of the copy's lines. */
static int write_ids(struct adding *a, struct err *err)
{
    const struct earlier *e = a->earlier;

    a->info.ids = e && e->n ? 3 : 2;
    a->info.n_lines = e ? e->n : 0; /* as many at least */
    if (a->info.ids == 3 && earlier_write(a->copy, e, &a->info.earlier, err))
        return -1;
    return ids_file_write(a->copy, &a->info, true, &a->info.n_lines,
                          &a->info.n_requests, err);
}

static int write_info(struct adding *a, struct err *err)
{
    char name[BATCH_NAME];
    struct buf text;
    int rc;

    batch_info_id(&a->info.id, &a->info);
    batch_name(name, a->info.id);
    a->taken = xasprintf("%s/.%s", a->tmp, name);
    a->placed = file_join(a->taken, a->name);
    a->path = spool_path(a->s, SPOOL_TODO, a->info.id);
    buf_init(&text, BATCH_FILE_MAX);
    rc = batch_info_put(&text, &a->info, err) ||
         spool_put_in(a->copy, "batch.json", text.data, text.len, err) ? -1 : 0;
    buf_clear(&text);
    return rc;
}

/* ---- one sync for many --------------------------------------------------- */

/* Of a few copies each file is synced.  Of more all that the file system has,
 * where it can: that takes as long as one, and what others wrote meanwhile is
 * less than what we did. */
int adding_sync(struct adding *const *a, size_t n, struct err *err)
{
    int rc = 0;

    if (n > FEW && spool_sync_all(a[0]->s) == 0)
        return 0;
    if (n > FEW && errno != ENOTSUP)
        return spool_fail(err, "sync", a[0]->tmp);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = spool_sync_tree(a[i]->own, err);
    return rc;
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

/* .new-NAME to .b<id>; TAKING_LATE if there is such a batch (*state). */
static enum taking claim_batch(struct adding *a, enum spool_state *state,
                               struct err *err)
{
    const struct timespec pause = { .tv_nsec = WAIT_MS * 1000000L };

    for (int i = 0; i < WAITS; i++) {
        enum found there = spool_locate(a->s, a->info.id, state, err);

        if (there != FOUND_NONE)
            return there == FOUND_ONE ? TAKING_LATE : TAKING_FAILED;
        if (sys_rename(a->own, a->taken) == 0)
            return TAKING_DONE;
        if (!is_taken_already(errno))
            return spool_fail(err, "move", a->own);
        if (put_dead_aside(a, err))
            return TAKING_FAILED;
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

/* Out of .b<id>, which is ours, to todo; TAKING_LATE if there is such a batch
 * (*state). */
static enum taking publish_batch(struct adding *a, bool sync_later,
                                 enum spool_state *state, struct err *err)
{
    enum found there = spool_locate(a->s, a->info.id, state, err);
    enum taking end;

    if (there != FOUND_NONE)
        return there == FOUND_ONE ? TAKING_LATE : TAKING_FAILED;
    *state = SPOOL_TODO;
    if (sys_rename(a->placed, a->path) == 0) {
        end = sync_later || spool_sync_added(a->s, err) == 0 ? TAKING_DONE
                                                             : TAKING_FAILED;
        /* a caller that sees it fail has no batch by that */
        if (end == TAKING_FAILED)
            sys_rename(a->path, a->placed);
    } else if (errno == ENOENT) {
        end = err_set(err, ERR_RETRY, "no \"%s\": another took it away, run it"
                     " again", a->placed);
    } else {
        end = is_taken_already(errno) ? TAKING_LATE
                                      : spool_fail(err, "make", a->path);
    }
    return end;
}

/* As publish_batch, for a copy that is not in its place yet. */
static enum taking place(struct adding *a, bool sync_later,
                         enum spool_state *state, struct err *err)
{
    enum taking end = claim_batch(a, state, err);

    if (end != TAKING_DONE)
        return end;
    end = publish_batch(a, sync_later, state, err);
    if (end != TAKING_DONE)
        spool_remove_tree(a->placed, NULL);
    let_go(a);
    return end;
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
    struct request_file *lines;
    enum found there = FOUND_NONE;
    bool copied;
    int rc;
    char *path;

    if (source_path(&path, &copied, file, err))
        return -1;
    rc = request_file_open_v2(&lines, path, model, err);
    if (copied)
        unlink(path);
    free(path);
    if (rc)
        return -1;
    plan.model = model;
    plan.file = request_file_hash(lines);
    plan.ids = 2;
    plan.n_requests = request_file_requests(lines);
    plan.n_lines = request_file_count(lines);
    request_file_close(lines);
    batch_info_id(&plan.id, &plan);
    if (s)
        there = spool_locate(s, plan.id, &state, err);
    if (there == FOUND_FAILED)
        return -1;
    plan.source = spool_source_name(file);
    *info = plan;
    *existed = there == FOUND_ONE;
    b->state = there == FOUND_ONE ? state : SPOOL_TODO;
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
static bool may_live(char *path, unsigned stale_s)
{
    const struct batch b = { .state = SPOOL_TMP, .path = path };

    return owner_judge(&b, NULL, NULL, stale_s) != OWNER_DEAD;
}

/* Whether an entry of tmp is one that who adds a file makes. */
static bool is_adding(const char *name)
{
    return strncmp(name, ".new-", 5) == 0 || strncmp(name, ".b", 2) == 0;
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

        if (!is_adding(name) &&
            strncmp(name, SPOOL_GONE, strlen(SPOOL_GONE)) != 0)
            continue;
        if (now.tv_sec - last_change(tmp, name) < LEFTOVER_S)
            continue;
        path = file_join(tmp, name);
        if (!may_live(path, OWNER_STALE_S))
            put_aside(tmp, path, NULL);
        free(path);
    }
    if (d)
        closedir(d);
}

/* One whose process cannot be asked after, since it is of another machine or
 * had not yet said who it is, has the same day. */
int spool_clear_unfinished(const struct spool *s, bool remove, size_t *n,
                           struct err *err)
{
    char *tmp = file_join(spool_dir(s), spool_state_name(SPOOL_TMP));
    DIR *d = opendir(tmp);
    struct dirent *e;
    int rc = d ? 0 : spool_fail(err, "open directory", tmp);

    *n = 0;
    while (rc == 0 && (e = readdir(d)) != NULL) {
        char *path = file_join(tmp, e->d_name);

        if (is_adding(e->d_name) && !may_live(path, LEFTOVER_S)) {
            rc = remove ? put_aside(tmp, path, err) : 0;
            *n += rc == 0;
        }
        free(path);
    }
    if (d)
        closedir(d);
    free(tmp);
    return rc;
}

static int copy(struct adding *a, struct err *err)
{
    return copy_file(a, err) || write_ids(a, err) || write_info(a, err)
               ? -1 : 0;
}

/* What was copied and synced: to todo. */
static int move_to_todo(struct adding *a, bool sync_later, struct batch *b,
                        bool *existed, struct err *err)
{
    enum spool_state state = SPOOL_TODO;
    enum taking end = place(a, sync_later, &state, err);

    if (end == TAKING_FAILED)
        return -1;
    b->state = state;
    b->id = a->info.id;
    b->path = spool_path(a->s, state, a->info.id);
    *existed = end == TAKING_LATE;
    return 0;
}

static int add_batch(struct adding *a, struct batch *b, bool *existed,
                     struct err *err)
{
    int rc;

    spool_remove_leftovers(a->tmp);
    rc = copy(a, err) || adding_sync(&a, 1, err) ||
                 move_to_todo(a, false, b, existed, err)
             ? -1
             : 0;
    end_adding(a);
    return rc;
}

int spool_add_file(const struct spool *s, const char *file, struct id model,
                   const char *output, struct batch *b, bool *existed,
                   struct err *err)
{
    struct adding a;

    return begin_adding(&a, s, file, model, output, err)
               ? -1
               : add_batch(&a, b, existed, err);
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
    return add_batch(&a, b, existed, err);
}

/* As begin_adding; the part's source is closed at the end, or here. */
static int begin_part(struct adding *a, const struct spool *s, const char *file,
                      const struct batch_part *part, struct id model,
                      const char *output, struct err *err)
{
    if (begin_adding(a, s, file, model, output, err)) {
        source_close(part->from);
        return -1;
    }
    a->from = part->from;
    free(a->info.source);
    a->info.source = xstrdup(part->source);
    a->info.lines_before = part->lines_before;
    a->looked_at = true;
    a->earlier = part->earlier;
    return 0;
}

int spool_add_part(const struct spool *s, const char *file,
                   const struct batch_part *part, struct id model,
                   const char *output, struct batch *b, bool *existed,
                   struct err *err)
{
    struct adding a;

    return begin_part(&a, s, file, part, model, output, err)
               ? -1
               : add_batch(&a, b, existed, err);
}

/* ---- many ---------------------------------------------------------------- */

int adding_new(struct adding **out, const struct spool *s, const char *file,
               const struct batch_part *part, struct id model,
               struct err *err)
{
    struct adding *a = xcalloc(1, sizeof(*a));

    if (begin_part(a, s, file, part, model, NULL, err)) {
        free(a);
        return -1;
    }
    if (copy(a, err)) {
        adding_free(a);
        return -1;
    }
    source_close(a->from); /* many are held, and few can be open */
    a->from = NULL;
    *out = a;
    return 0;
}

int adding_publish(struct adding *a, struct batch *b, bool *existed,
                   struct err *err)
{
    return move_to_todo(a, true, b, existed, err);
}

void adding_free(struct adding *a)
{
    if (a)
        end_adding(a);
    free(a);
}
