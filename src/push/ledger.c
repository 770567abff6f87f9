/*
 * Ledgers: one line an event.
 */
#include <config.h>

#include "push/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/room.h"
#include "base/sys.h"
#include "base/vec.h"

#define LEDGER_MAX ((size_t)64 << 20)

/* A line. */
struct ledger_entry {
    struct id id;
    size_t line;
    bool asked; /* else it is what was charged */
    uint64_t winc;
};

struct entries {
    struct ledger_entry *list;
    size_t n, cap;
};

static void add_entry(struct entries *e, const struct ledger_entry *line)
{
    VEC_RESERVE(e->list, e->cap, e->n + 1);
    e->list[e->n] = *line;
    e->list[e->n].line = e->n;
    e->n++;
}

/* {"item":ID,"asked":"N"} or "paid"; half a line is not JSON. */
static void take_line(struct entries *e, const char *line, size_t n)
{
    struct ledger_entry l = { .asked = true };
    const struct json *winc;
    struct json *root;

    if (n == 0 || json_parse(&root, line, n, NULL))
        return;
    winc = json_get(root, "asked");
    if (!json_string(winc)) {
        winc = json_get(root, "paid");
        l.asked = false;
    }
    if (json_id(json_get(root, "item"), &l.id) == 0 &&
        json_digits(winc, &l.winc) == 0)
        add_entry(e, &l);
    json_free(root);
}

static int by_item(const void *a, const void *b)
{
    const struct ledger_entry *x = a, *y = b;
    int c = id_compare(x->id, y->id);

    return c ? c : (x->line > y->line) - (x->line < y->line);
}

static uint64_t plus(uint64_t a, uint64_t b)
{
    return b > UINT64_MAX - a ? UINT64_MAX : a + b;
}

/* Everything charged, and what was asked for and is not settled: of `id`
 * (NULL: none) in *of_id, of the others in the sum. */
static uint64_t add_up(struct entries *e, const struct id *id, uint64_t *of_id)
{
    uint64_t all = 0;

    *of_id = 0;
    if (e->n > 1)
        qsort(e->list, e->n, sizeof(*e->list), by_item);
    for (size_t i = 0; i < e->n; i++) {
        const struct ledger_entry *l = &e->list[i];
        bool last = i + 1 == e->n || !id_equal(l->id, l[1].id);

        if (l->asked && !last)
            continue; /* asked again, or settled */
        if (l->asked && id && id_equal(l->id, *id))
            *of_id = l->winc;
        else
            all = plus(all, l->winc);
    }
    return all;
}

static int sum_entries(const char *path, const struct id *id, uint64_t *winc,
                       uint64_t *of_id, struct err *err)
{
    struct entries e = { .n = 0 };
    struct buf text;
    int rc = 0;

    buf_init(&text, LEDGER_MAX);
    if (file_exists(path))
        rc = file_read(&text, path, err);
    for (size_t at = 0; rc == 0 && at < text.len;) {
        char *end = memchr(text.data + at, '\n', text.len - at);
        size_t n = end ? (size_t)(end - text.data) - at : text.len - at;

        take_line(&e, text.data + at, n);
        at += n + 1;
    }
    if (rc == 0)
        *winc = add_up(&e, id, of_id);
    free(e.list);
    buf_clear(&text);
    return rc;
}

int ledger_sum(const char *path, uint64_t *winc, struct err *err)
{
    uint64_t unused;

    return sum_entries(path, NULL, winc, &unused, err);
}

/* Whether the file ends in the middle of a line. */
static bool is_torn(int fd)
{
    struct stat st;
    char last;

    return fstat(fd, &st) == 0 && st.st_size > 0 &&
           pread(fd, &last, 1, st.st_size - 1) == 1 && last != '\n';
}

static int append_entry(const char *path, struct id id, const char *what,
                        uint64_t winc, struct err *err)
{
    char *dir = xstrdup(path), line[128];
    bool made = !file_exists(path);
    int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
                  0666);
    int n, rc = -1;

    *strrchr(dir, '/') = '\0';
    if (fd < 0)
        goto out;
    n = snprintf(line, sizeof(line),
                 "%s{\"item\":\"%s\",\"%s\":\"%" PRIu64 "\"}\n",
                 is_torn(fd) ? "\n" : "", id_text(id).s, what, winc);
    rc = sys_write(fd, line, (size_t)n) || sys_fdatasync(fd) ||
                 (made && sys_sync_dir(dir)) ? -1 : 0;
out:
    if (rc)
        room_fail(err, ERR_RETRY, "write", path);
    if (fd >= 0)
        close(fd);
    free(dir);
    return rc;
}

enum ledger_end ledger_ask(const char *path, struct id id, uint64_t price,
                           uint64_t most, uint64_t *winc, struct err *err)
{
    uint64_t others = 0, ours = 0;

    if (sum_entries(path, &id, winc, &ours, err))
        return LEDGER_FAILED;
    if (*winc > most || price > most - *winc)
        return LEDGER_OVER;
    /* put down first and looked at again, so that two of us see each other */
    if (append_entry(path, id, "asked", price, err) ||
        sum_entries(path, &id, &others, &ours, err))
        return LEDGER_FAILED;
    if (plus(others, ours) <= most)
        return LEDGER_NOTED;
    return append_entry(path, id, "paid", 0, err) ? LEDGER_FAILED
                                                     : LEDGER_OVER;
}

int ledger_paid(const char *path, struct id id, uint64_t winc, struct err *err)
{
    return append_entry(path, id, "paid", winc, err);
}
