/*
 * Which part of a model a member of a group computes (engine/group.h), and
 * what of each tensor it therefore holds.  Alone, that is everything.
 *
 *   tensor              a member has             of which it gives
 *   wq, wk, wv          rows of its heads        its heads of q, k, v
 *   wo                  columns of its heads     its share of each sum
 *   gate, up            rows                     its part of the ffn row
 *   down                columns, the same        its share of each sum
 *   head                rows                     its part of the logits
 *   embedding, router   all                      the same as the others
 *
 * A KV head and the query heads that share it stay together, so the size of a
 * group divides the number of KV heads.  The feed-forward part and the head
 * are cut at multiples of X1_GROUP, as equally as that allows; a member may
 * have nothing of them.  Of a model with experts each expert is cut so.
 *
 * On a CPU, where columns are cut, a row of the part has one column more, the
 * last, whose weights are zero: activations have the greatest size of the whole
 * row there, so that each member quantises its part by the scale of the whole.
 */
#ifndef APUS_BACKEND_CPU_MODEL_PART_H
#define APUS_BACKEND_CPU_MODEL_PART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proof/model_record.h"

struct err;
struct group;

/* Heads, elements of the feed-forward row and ids: [first, first + n). */
struct model_part {
    uint32_t rank, size; /* of the group; size 1: alone */
    size_t kv_first, kv_heads;
    size_t q_first, q_heads;
    size_t ffn_first, ffn;
    size_t vocab_first, vocab;
};

/* Rows and columns of a matrix that are held, of each expert if it is those of
 * experts.  `sums`: columns are cut, and `cols` counts one more. */
struct part_box {
    size_t row, rows, col, cols;
    bool sums;
};

/* The part of a member; g NULL: all of the model.  ERR_INPUT: the size does
 * not divide the number of KV heads. */
int part_init(struct model_part *p, const struct group *g,
              const struct model_record *rec, struct err *err);

/* What is held of tensor number `tensor`, a matrix of `rows` x `cols`, those
 * of one expert if it is one below the other. */
struct part_box part_box(const struct model_part *p,
                         const struct model_record *rec, uint32_t tensor,
                         size_t rows, size_t cols);

#endif
