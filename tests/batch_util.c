/*
 * Batches and logs that a test makes by hand.
 */
#include <config.h>

#include "tests/batch_util.h"

#include "proof/digest.h"
#include "proof/statement.h"
#include "spool/spool.h"
#include "store/resume.h"
#include "store/worklog.h"
#include "tests/spool_util.h"

void must(int rc, const struct err *err)
{
    if (rc == 0)
        return;
    printf("# %s\n", err->text);
    exit(1);
}

void batch_make(struct batch_info *info, const char *name, const char *lines)
{
    struct err err = ERR_INIT;
    struct owner self;

    memset(info, 0, sizeof(*info));
    for (int i = 0; i < 32; i++)
        info->model.b[i] = (unsigned char)i;
    digest(&info->file, lines, strlen(lines));
    batch_file_id(&info->id, info->model, info->file);
    for (const char *p = lines; (p = strchr(p, '\n')) != NULL; p++)
        info->n_lines = ++info->n_requests;
    info->source = xstrdup(at("%s", name));
    scratch_remove(name);
    owner_self(&self);
    must(file_mkdirs(info->source, &err), &err);
    put(at("%s/requests.jsonl", name), lines);
    must(batch_info_write(info->source, info, &err), &err);
    must(owner_write(info->source, &self, &err), &err);
}

char *lines_of(const char *line, size_t n)
{
    size_t len = strlen(line);
    char *all = xmalloc(n * len + 1);

    for (size_t i = 0; i < n; i++)
        memcpy(all + i * len, line, len);
    all[n * len] = '\0';
    return all;
}

struct worklog *log_begin(const struct batch_info *info, uint32_t start,
                          uint32_t rank)
{
    char *dir = start_path(info->source, start);
    char *path = start_log_path(info->source, start, rank);
    struct err err = ERR_INIT;
    struct worklog *w = NULL;

    must(file_mkdirs(dir, &err), &err);
    must(worklog_create(&w, path, info->id, rank, start, &err), &err);
    free(path);
    free(dir);
    return w;
}

void log_frame(struct worklog *w, enum frame_type type, uint32_t line,
               uint32_t choice, const void *payload, size_t n)
{
    struct err err = ERR_INIT;

    must(worklog_put(w, type, frame_index(line, choice), payload, n, &err),
         &err);
}

void log_end(struct worklog *w)
{
    struct err err = ERR_INIT;

    must(worklog_close(w, &err), &err);
}

void log_make(const struct batch_info *info, uint32_t start, uint32_t rank,
              const char *text)
{
    struct worklog *w = log_begin(info, start, rank);

    for (; text[0] && text[1]; text += text[2] == ' ' ? 3 : 2) {
        uint32_t line = (uint32_t)(text[1] - '0');
        uint32_t choice = text[0] < 'a';

        switch (text[0] | 0x20) {
        case 'o':
            log_frame(w, FRAME_OPEN, line, choice, "", 1);
            break;
        case 'a':
            log_frame(w, FRAME_OPEN, line, choice, "\1", 1);
            break;
        case 'p':
            log_frame(w, FRAME_PARKED, line, choice, "", 0);
            break;
        case 'r':
            log_frame(w, FRAME_RECORD, line, choice, "record", 6);
            break;
        case 'g':
            log_frame(w, FRAME_GIVEN_UP, line, choice, "why\nso", 6);
            break;
        default:
            log_frame(w, FRAME_LAST, line, choice, "last", 4);
            break;
        }
    }
    log_end(w);
}
