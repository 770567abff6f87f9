/*
 * "apusdis1" and the result, or "apusdis2" and the description of a file of
 * requests; then moves: kind u32, length u32, bytes.
 */
#include <config.h>

#include "dispute/dispute_file.h"

#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "dispute/judge.h"

#define MAGIC "apusdis1"
#define MAGIC_FILE "apusdis2"
#define HEAD 40
#define HEAD_FILE 116

void dispute_file_begin(struct buf *out, struct id result)
{
    buf_put(out, MAGIC, 8);
    buf_put(out, result.b, sizeof(result.b));
}

void dispute_file_begin_line(struct buf *out, const struct judge_file *file)
{
    buf_put(out, MAGIC_FILE, 8);
    buf_put(out, file->root.b, sizeof(file->root.b));
    buf_put(out, file->model.b, sizeof(file->model.b));
    buf_put(out, file->sha256.b, sizeof(file->sha256.b));
    buf_put_u32(out, file->lines);
    buf_put_u32(out, file->index);
    buf_put_u32(out, file->count);
}

void dispute_file_put(struct buf *out, enum dispute_move move,
                      const void *bytes, size_t n)
{
    buf_put_u32(out, move);
    buf_put_u32(out, (uint32_t)n);
    buf_put(out, bytes, n);
}

static int play_pick(struct judge *g, const unsigned char *bytes, size_t n,
                     struct err *err)
{
    char choice[JUDGE_PICK_MAX + 1] = "";

    if (n > JUDGE_PICK_MAX || memchr(bytes, '\0', n))
        return err_set(err, ERR_INPUT, "a pick of %zu bytes", n);
    memcpy(choice, bytes, n);
    return judge_pick(g, choice, err);
}

static int play_move(struct judge *g, uint32_t move,
                     const unsigned char *bytes, size_t n, struct err *err)
{
    switch (move) {
    case DISPUTE_SHOW: return judge_show(g, bytes, n, err);
    case DISPUTE_PICK: return play_pick(g, bytes, n, err);
    case DISPUTE_PROVE: return judge_prove(g, bytes, n, err);
    default: return err_set(err, ERR_INPUT, "a move of unknown kind");
    }
}

/* Read the head into *g.  Return its size, 0 if the file begins with none. */
static size_t begin(struct judge *g, const unsigned char *file, size_t n)
{
    if (n >= HEAD && n <= DISPUTE_FILE_MAX && memcmp(file, MAGIC, 8) == 0) {
        judge_init(g, id_at(file + 8));
        return HEAD;
    }
    if (n >= HEAD_FILE && n <= DISPUTE_FILE_MAX &&
        memcmp(file, MAGIC_FILE, 8) == 0) {
        struct judge_file f = {
            .root = id_at(file + 8), .model = id_at(file + 40),
            .sha256 = id_at(file + 72), .lines = get_u32(file + 104),
            .index = get_u32(file + 108), .count = get_u32(file + 112)
        };

        if (f.index >= f.count)
            return 0;
        judge_init_file(g, &f);
        return HEAD_FILE;
    }
    return 0;
}

int dispute_file_play(struct judge *g, const unsigned char *file, size_t n,
                      struct err *err)
{
    size_t at = begin(g, file, n);

    if (!at)
        return err_set(err, ERR_INPUT, "this is not a dispute file");
    for (unsigned i = 0; at < n; i++) {
        uint32_t size = n - at < 8 ? 0 : get_u32(file + at + 4);

        if (n - at < 8 || n - at - 8 < size) {
            err_set(err, ERR_INPUT, "move %u is cut", i);
            goto refused;
        }
        if (play_move(g, get_u32(file + at), file + at + 8, size, err)) {
            err_prefix(err, "move %u", i);
            goto refused;
        }
        at += 8 + (size_t)size;
    }
    return 0;
refused:
    judge_clear(g);
    return -1;
}
