/*
 * Parts with rows that are made up.
 */
#include <config.h>

#include "tests/checkpoint_util.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/mem.h"
#include "store/checkpoint.h"
#include "tests/helper_path.h"
#include "tests/record_util.h"
#include "tests/tap.h"

char *part_at(const char *name)
{
    static char *kept[8];
    static unsigned next;
    char **p = &kept[next++ % 8];

    free(*p);
    return *p = file_join(tap_tmp(), name);
}

const char *long_text(void)
{
    static char text[LONG + 1];

    memset(text, 'l', LONG);
    return text;
}

void of_kind(struct made *m, uint64_t i)
{
    static char text[64];

    switch (i % 5) {
    case 0: /* as published */
        break;
    case 1: /* longer than the context: nothing */
        m->n_leaves = m->n_output = 0;
        m->text = "";
        m->r.finish = RESULT_LONG;
        break;
    case 2: /* no stop strings, and as many as were asked for */
        m->stops_size = 0;
        m->j.max_tokens = 2;
        m->r.finish = RESULT_LENGTH;
        memset(text, 'a' + (int)(i % 26), sizeof(text) - 1);
        text[i * 7 % sizeof(text)] = '\0';
        m->text = i == LONG_ROW ? long_text() : text;
        break;
    case 3: /* stops of other lengths, 1 to 64 bytes */
        m->stops_size = 0;
        made_stop(m, "!");
        made_stop(m, "64 bytes ......................................"
                     ".................");
        made_stop(m, "\303\244\303\266");
        m->r.finish = RESULT_STOP;
        break;
    default: /* an activation is out of range */
        m->n_leaves = m->n_output = 0;
        m->text = "";
        m->r.finish = RESULT_RANGE;
        m->r.error_layer = 1;
        break;
    }
}

const char *name_of(struct maker *k, uint64_t i)
{
    i /= 2;
    if (i % 4 == 2)
        return "";
    snprintf(k->name, sizeof(k->name), "r\303\244-%ju%.*s", (uintmax_t)i,
             (int)(i % 4 == 3 ? 100 : 0), long_text());
    return k->name;
}

int make_row(void *self, uint64_t i, struct checkpoint_row *row,
             struct err *err)
{
    struct maker *k = self;
    struct made *m = &k->m;

    if (i == k->fail_at)
        return err_set(err, ERR_INPUT, "no such row");
    made_init(m);
    set_u32(m->r.request.b, (uint32_t)i);
    m->j.choice = i % 2;
    m->j.seed += i;
    of_kind(m, i);
    made_commit(m);
    made_record(m, &row->record);
    row->line = FIRST + (uint32_t)((i == k->swap_at ? i - 1 : i) / 2);
    for (int b = 0; b < DIM * 4; b++)
        k->last[b] = (unsigned char)(i + (uint64_t)b);
    row->last = m->n_leaves ? k->last : NULL;
    row->custom_id = name_of(k, i);
    row->custom_id_size = strlen(row->custom_id);
    return 0;
}

void maker_init(struct maker *k)
{
    memset(k, 0, sizeof(*k));
    k->fail_at = k->swap_at = UINT64_MAX;
}

void head_of(struct checkpoint_head *h, uint64_t n, bool with_last)
{
    struct checkpoint_row row;
    struct maker k;

    memset(h, 0, sizeof(*h));
    for (int i = 0; i < 32; i++)
        h->model.b[i] = (unsigned char)i;
    memset(h->batch.b, 9, 32);
    h->n_vocab = 32000;
    h->n_layers = 2;
    h->dim = DIM;
    h->first = FIRST;
    h->count = (n + 1) / 2;
    h->n_rows = n;
    h->with_last = with_last;
    maker_init(&k);
    for (uint64_t i = 0; i < n; i++) {
        struct record *r = &row.record;

        make_row(&k, i, &row, NULL);
        for (size_t s = 0; s < r->stops_size; s += 4 + get_u32(r->stops + s)) {
            h->n_stops++;
            h->stop_bytes += get_u32(r->stops + s);
        }
        h->n_prompt += r->n_prompt;
        h->n_leaves += r->n_leaves;
        h->n_output += r->n_output;
        h->text_bytes += r->text_size;
        if (row.custom_id_size > h->custom_id_size)
            h->custom_id_size = (uint32_t)row.custom_id_size;
    }
}

int make_bare_part(const char *path, uint64_t n, struct err *err)
{
    struct checkpoint_head h;
    struct maker k;

    head_of(&h, n, true);
    h.without_leaves = true;
    h.n_leaves = 0;
    maker_init(&k);
    return checkpoint_write(path, &h, make_row, &k, NULL, err);
}

int make_part(const char *path, uint64_t n, bool with_last, struct id *root,
              struct err *err)
{
    struct checkpoint_head h;
    struct maker k;

    head_of(&h, n, with_last);
    maker_init(&k);
    return checkpoint_write(path, &h, make_row, &k, root, err);
}

bool same(const void *a, size_t na, const void *b, size_t nb)
{
    return na == nb && (na == 0 || memcmp(a, b, na) == 0);
}

bool row_is(struct checkpoint *c, uint64_t i, struct err *err)
{
    static const unsigned char zeros[DIM * 4];
    struct checkpoint_row got, want;
    const struct record *a = &got.record, *b = &want.record;
    struct maker k;

    maker_init(&k);
    make_row(&k, i, &want, NULL);
    if (checkpoint_row(c, i, &got, err) || record_check(a, err))
        return false;
    if (checkpoint_head(c)->with_last
            ? !got.last || memcmp(got.last, want.last ? want.last : zeros,
                                  DIM * 4) != 0
            : got.last != NULL)
        return false;
    if (checkpoint_head(c)->custom_id_size &&
        !same(got.custom_id, got.custom_id_size, want.custom_id,
              want.custom_id_size))
        return false;
    return got.line == want.line && same(a->job, 152, b->job, 152) &&
           same(a->prompt, a->n_prompt * 4, b->prompt, b->n_prompt * 4) &&
           same(a->stops, a->stops_size, b->stops, b->stops_size) &&
           (checkpoint_head(c)->without_leaves
                ? !a->leaf && a->n_leaves == b->n_leaves
                : same(a->leaf, a->n_leaves * 112, b->leaf,
                       b->n_leaves * 112)) &&
           same(a->output, a->n_output * 4, b->output, b->n_output * 4) &&
           same(a->text, a->text_size, b->text, b->text_size) &&
           same(a->result, 240, b->result, 240);
}

int dir_entries(const char *path)
{
    DIR *d = opendir(path);
    int n = 0;

    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n - 2;
}

void contents(struct buf *b, const char *path)
{
    struct err err = ERR_INIT;

    buf_init(b, (size_t)1 << 26);
    if (file_read(b, path, &err))
        ok(0, "%s", err.text);
}

bool same_file(const char *a, const char *b)
{
    struct buf x, y;
    bool good;

    contents(&x, a);
    contents(&y, b);
    good = same(x.data, x.len, y.data, y.len);
    buf_clear(&x);
    buf_clear(&y);
    return good;
}

void overwrite(const char *path, const void *data, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    if (fd < 0 || write(fd, data, n) != (ssize_t)n || close(fd))
        abort();
}

void append(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_APPEND);

    if (fd < 0 || write(fd, text, strlen(text)) < 0 || close(fd))
        abort();
}

size_t offset_of(const char *index, const char *path)
{
    char *key = xasprintf("{\"path\":\"/%s\",", path);
    const char *line = strstr(index, key);

    line = line ? strstr(line, "\"offset\":") : NULL;
    free(key);
    return line ? strtoul(line + 9, NULL, 10) : 0;
}

int read_all(const char *path, struct err *err)
{
    struct checkpoint_row row;
    struct checkpoint *c;
    int rc = 0;

    if (checkpoint_open(&c, path, err))
        return -1;
    for (uint64_t i = 0; rc == 0 && i < checkpoint_head(c)->n_rows; i++)
        rc = checkpoint_row(c, i, &row, err);
    checkpoint_close(c);
    return rc;
}

int run(const char *variable, long v, const char *args)
{
    char *cmd = xasprintf("%s=%ld exec /proc/%d/exe %s >/dev/null", variable,
                          v, (int)getpid(), args);
    int st = system(cmd);

    free(cmd);
    return WIFEXITED(st) && WEXITSTATUS(st) < 128 ? WEXITSTATUS(st) : 99;
}

void leave(int status)
{
#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define LEAVE_AT_ONCE 1
#endif
#endif
#if defined LEAVE_AT_ONCE || defined __SANITIZE_ADDRESS__
    fflush(stdout);
    _exit(status);
#endif
    exit(status);
}

int serve(const char *verb, const char *path, const char *n)
{
    struct err err = ERR_INIT;
    struct buf b;
    int rc;

    if (strcmp(verb, "write") == 0 && n) {
        rc = make_part(path, strtoul(n, NULL, 10), true, NULL, &err);
    } else if (strcmp(verb, "bare") == 0 && n) {
        rc = make_bare_part(path, strtoul(n, NULL, 10), &err);
    } else if (strcmp(verb, "index") == 0) {
        buf_init(&b, 1u << 20);
        rc = checkpoint_index(path, &b, &err);
        fputs(rc ? "" : b.data, stdout);
        buf_clear(&b);
    } else {
        rc = read_all(path, &err);
    }
    if (rc)
        puts(err.text);
    return rc ? 1 : 0;
}
