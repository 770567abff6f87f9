/*
 * The parameters of X-Options.  Private to the reader of messages.
 */
#ifndef APUS_STORE_ASK_OPTIONS_H
#define APUS_STORE_ASK_OPTIONS_H

#include <stddef.h>

struct ask;
struct err;

/* Set the parameters, over the defaults.  ERR_INPUT names what is wrong. */
int ask_options(struct ask *a, const char *text, size_t n, struct err *err);

#endif
