/*
 * What a batch asks for, line by line: where each request lies in
 * requests.jsonl and how much it may cost.  A few bytes a line are kept, no
 * text.
 */
#ifndef APUS_STORE_SCAN_H
#define APUS_STORE_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct batch_info;
struct err;

struct scan_line {
    uint64_t at;         /* offset in requests.jsonl */
    uint32_t n;          /* bytes, without the newline */
    uint32_t max_tokens; /* UINT32_MAX: what is left of the context */
    uint8_t n_choices;   /* 1 to 8; 1 if it is malformed, 0 if it is blank */
    bool malformed;      /* it will be refused, by this version */
};

struct scan {
    struct scan_line *line;
    uint32_t n;
    uint32_t n_requests; /* lines that are not blank */
};

/* Read requests.jsonl of a batch.  ERR_INPUT if it is not the file that
 * batch.json names: other hash, other number of lines.  The file `ids`, if the
 * batch has one, is compared with them, and made again where it differs or is
 * missing. */
int scan_read(struct scan *s, const char *batch_path,
              const struct batch_info *info, struct err *err);
void scan_clear(struct scan *s);

/* All choices of a line as a mask: bit c for choice c.  A line that is blank
 * has none. */
uint8_t scan_choices(const struct scan_line *l);

#endif
