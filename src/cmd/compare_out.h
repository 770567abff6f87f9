/*
 * The results of apus model compare: a table or JSON on standard output, and a
 * picture in a file.
 */
#ifndef APUS_CMD_COMPARE_OUT_H
#define APUS_CMD_COMPARE_OUT_H

#include <stddef.h>

struct divergence;
struct divergence_summary;
struct err;

void compare_out_table(const struct divergence *d, size_t windows,
                       const struct divergence_summary *s);
void compare_out_json(const struct divergence *d, size_t windows,
                      const struct divergence_summary *s);

/* Draw into `path` (base/output.h); the names are for its title. */
int compare_out_plot(const char *path, const struct divergence *d,
                     const char *model, const char *reference,
                     struct err *err);

#endif
