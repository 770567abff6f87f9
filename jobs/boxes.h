/*
 * The standard error of a worker or mpirun, passed on line by line.  When a
 * job ends as it was asked to, Open MPI draws boxes about ranks that returned
 * no zero, and each program says that it was asked; once told so both are left
 * out.
 */
#ifndef APUS_JOBS_BOXES_H
#define APUS_JOBS_BOXES_H

struct boxes;
struct err;

/* *fd is for the program to write to, and to be closed here once it has it. */
int boxes_open(struct boxes **out, int *fd, struct err *err);

/* From here on leave out boxes; only an atomic store, so at any time. */
void boxes_drop(struct boxes *b);

/* Once the program has ended: wait until its last words are passed on, at most
 * two seconds if another process that it left behind goes on writing.  NULL is
 * allowed. */
void boxes_close(struct boxes *b);

#endif
