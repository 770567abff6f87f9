/*
 * What a queue answers about a dispute, or about those of a node, and a case
 * in a file: refused, or a dispute whose moves a judge took.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "node/challenge.h"
#include "node/disputes.h"
#include "node/turns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = xstrndup((const char *)data, size);
    struct challenge_case c;
    struct err err = ERR_INIT;
    struct turns turns = { .list = NULL };
    struct dispute d;

    memset(&d, 0, sizeof(d));
    if (disputes_read(&d, text, &err) == 0)
        dispute_clear(&d);
    else if (err.code != ERR_INPUT)
        abort();
    err = (struct err)ERR_INIT;
    if (challenge_case_parse(&c, text, strlen(text), &err) &&
        err.code != ERR_INPUT)
        abort();
    err = (struct err)ERR_INIT;
    if (turns_parse(&turns, text, &err) && err.code != ERR_INPUT)
        abort();
    turns_clear(&turns);
    free(text);
    return 0;
}
