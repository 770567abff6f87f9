/*
 * "apusdis1", the result, then moves: kind u32, length u32, bytes.
 */
#include <config.h>

#include "dispute/dispute_file.h"

#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "dispute/judge.h"

#define MAGIC "apusdis1"
#define HEAD 40

void dispute_file_begin(struct buf *out, struct id result)
{
    buf_put(out, MAGIC, 8);
    buf_put(out, result.b, sizeof(result.b));
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

int dispute_file_play(struct judge *g, const unsigned char *file, size_t n,
                      struct err *err)
{
    size_t at = HEAD;

    if (n < HEAD || n > DISPUTE_FILE_MAX || memcmp(file, MAGIC, 8) != 0)
        return err_set(err, ERR_INPUT, "this is not a dispute file");
    judge_init(g, id_at(file + 8));
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
