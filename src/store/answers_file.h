/*
 * Which batch an output file is of: known by the ids of its requests and by the
 * model that its answers name.
 */
#ifndef APUS_STORE_ANSWERS_FILE_H
#define APUS_STORE_ANSWERS_FILE_H

struct err;

enum answers_relation {
    ANSWERS_OTHER, /* of another batch or model, or no answers at all */
    ANSWERS_SAME,  /* of the same requests, with the same model */
    ANSWERS_SOME   /* of some of them: it is not complete */
};

/* What `old` is to the answers in `new`, two files of lines: an enum
 * answers_relation, or -1.  A file without any line is ANSWERS_SOME. */
int answers_relate(const char *old, const char *new, struct err *err);

#endif
