/*
 * A pretended engine, for tests of everything around the real one: a token by
 * a table, no arithmetic.  Its records are well-formed and prove nothing.  It
 * is asked for by name (apus-worker --pretend-engine) and never otherwise.
 */
#ifndef APUS_MPI_PRETEND_H
#define APUS_MPI_PRETEND_H

struct answer;
struct commit;
struct model;
struct sequence;

/* Answer a sequence at once with max_tokens tokens, each the table's for the
 * one before it, and tell `finished`, which may free both. */
void pretend_answer(const struct model *m, const struct sequence *s,
                    struct commit *c,
                    void (*finished)(void *self, const struct answer *a),
                    void *self);

#endif
