/*
 * Requests: OpenAI Batch lines {custom_id, method, url, body} with our own
 * parameters under body.apus, turned into what determines an answer
 * (proof.md section 3).  What changes no answer is accepted: null, empty and
 * neutral values of every member that request_names.c knows.  All other values
 * are refused by name, never ignored.  Prompt text is not tokenised here.
 */
#ifndef APUS_STORE_REQUEST_H
#define APUS_STORE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "store/request_fields.h"

struct err;
struct json;

/* Parse one line (without its newline).  On failure (ERR_INPUT) r is cleared
 * but for custom_id, which is kept if it could be read (of a line that is no
 * JSON, too), so that the error can be put into that line's answer;
 * request_clear is due in both cases.  The
 * line, which is not needed afterwards, is scanned by base/json: UTF-8, no
 * duplicate key and so on.  It takes a few bytes for each token id of a
 * prompt and a node for each other value. */
int request_parse(struct request *r, const char *line, size_t n,
                  struct err *err);
void request_clear(struct request *r);

/* The seed of a request without one: the first 8 bytes, little-endian, of
 * H("apussed1" || request id). */
uint64_t request_default_seed(struct id id);

#endif
