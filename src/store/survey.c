/*
 * The survey of a batch's requests: each is parsed once and forgotten.
 */
#include <config.h>

#include "store/survey.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "store/lines.h"
#include "store/request.h"
#include "store/spool.h"

static void look(struct survey_line *l, const char *text, size_t n)
{
    struct err unused = ERR_INIT;
    struct request r;

    l->n = (uint32_t)n;
    l->n_choices = 1;
    l->malformed = request_parse(&r, text, n, &unused) != 0;
    if (!l->malformed) {
        l->n_choices = (uint8_t)r.n_choices;
        l->max_tokens = r.max_tokens ? r.max_tokens : UINT32_MAX;
    }
    request_clear(&r);
}

static int check(const struct lines *f, const struct batch_info *info,
                 const char *path, struct err *err)
{
    if (memcmp(lines_hash(f), info->file, 32) != 0)
        return err_set(err, ERR_INPUT, "\"%s\" is not the file that this"
                       " batch was made of: it was changed", path);
    if (lines_count(f) != info->n_requests)
        return err_set(err, ERR_INPUT, "\"%s\" has %" PRIu64 " lines,"
                       " batch.json says %" PRIu64, path, lines_count(f),
                       info->n_requests);
    return 0;
}

int survey_read(struct survey *s, const char *batch_path,
                const struct batch_info *info, struct err *err)
{
    char *path = file_join(batch_path, "requests.jsonl");
    struct survey got = { .n = (uint32_t)info->n_requests };
    struct lines *f = NULL;
    const char *text;
    void *line = NULL;
    int rc = -1;
    size_t n;

    if (lines_open(&f, path, err) || check(f, info, path, err) ||
        mem_big(&line, got.n, sizeof(*got.line), "the survey of a batch",
                err))
        goto out;
    got.line = line;
    memset(got.line, 0, got.n * sizeof(*got.line));
    for (uint32_t i = 0; i <= got.n; i++) {
        if (lines_next(f, &text, &n, err))
            goto out;
        if (!text)
            break;
        if (i < got.n) {
            look(&got.line[i], text, n);
            got.line[i].at = lines_offset(f);
        }
    }
    *s = got;
    got.line = NULL;
    rc = 0;
out:
    free(got.line);
    lines_close(f);
    free(path);
    return rc;
}

void survey_clear(struct survey *s)
{
    free(s->line);
    s->line = NULL;
    s->n = 0;
}

uint8_t survey_choices(const struct survey_line *l)
{
    return (uint8_t)((1u << l->n_choices) - 1);
}
