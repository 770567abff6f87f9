/*
 * A pretended backend, for tests of everything around the real ones: a token
 * by a table, no arithmetic, every answer as long as max_tokens allows.  Its
 * digests are well-formed and prove nothing.  A program asks for it
 * (apus-worker --pretend-engine); no setting ever chooses it.
 */
#ifndef APUS_BACKEND_PRETEND_PRETEND_H
#define APUS_BACKEND_PRETEND_PRETEND_H

struct backend;

/* The caller closes it with backend_close. */
struct backend *pretend_new(void);

#endif
