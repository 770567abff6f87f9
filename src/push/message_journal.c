/*
 * Messages with a journal.
 */
#include <config.h>

#include "push/message_journal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ao/ao.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "base/json_write.h"
#include "base/sys.h"
#include "push/push_items.h"
#include "queue/client.h"

#define ITEM_MAX (AO_MAX_DATA + ITEM_HEAD_MAX)
#define ANSWER_MAX ((size_t)1 << 20)

/* ---- the message --------------------------------------------------------- */

static int sign_kept(const struct message_journal *a,
                     const struct kept_message *x, const struct buf *data,
                     const char *path, struct buf *item, struct err *err)
{
    const struct ao_message m = { .process = *x->process, .tag = x->tag,
                                  .n_tags = x->n_tags, .data = data->data,
                                  .n = data->len };
    struct id id;

    return ao_sign(a->ao, item, &id, &m, err) ||
                   buf_check(item, "a message", err) ||
                   file_write(path, item->data, item->len, err)
               ? -1
               : 0;
}

/* ---- its answer ---------------------------------------------------------- */

/* The i-th number of the answer: decimal digits. */
static int take_count(const struct kept_message *x, size_t i,
                      const struct ao_out *o, uint64_t *count,
                      struct err *err)
{
    const char *text = ao_out_tag(o, x->count[i]);

    count[i] = 0;
    if (!text && i >= x->n_always)
        return 0;
    if (!text || json_u64_text(text, &count[i]))
        return err_set(err, ERR_RETRY, "its answer has no number %s",
                       x->count[i]);
    return 0;
}

/* *refused: it was looked at and did nothing. */
static int judge_result(const struct message_journal *a,
                        const struct kept_message *x, const struct ao_result *r,
                        const struct ao_out **out, uint64_t *count,
                        bool *refused, struct err *err)
{
    struct client t = { .ao = a->ao };

    t.node = *a->node;
    t.process = *x->process;
    if (client_judge(&t, r, x->action, out, err) < 0) {
        *refused = r->error || t.code;
        return -1;
    }
    for (size_t i = 0; i < x->n_counts; i++)
        if (take_count(x, i, *out, count, err))
            return -1;
    return x->judge(x->self, count, (*out)->data, err);
}

static int keep_answer(const struct kept_message *x, const char *path,
                       struct id id, const uint64_t *count, const char *data,
                       struct err *err)
{
    struct buf b;
    int rc;

    buf_init(&b, ANSWER_MAX);
    buf_putc(&b, '{');
    json_put_id(&b, "message", id);
    for (size_t i = 0; i < x->n_counts; i++)
        json_put_digits(&b, x->count[i], count[i]);
    json_put_text(&b, "data", data);
    buf_puts(&b, "}\n");
    rc = buf_check(&b, "an answer of the queue", err) ||
         file_write(path, b.data, b.len, err) ? -1 : 0;
    buf_clear(&b);
    return rc;
}

static int read_answer(const struct kept_message *x, const char *path,
                       uint64_t *count, struct err *err)
{
    struct json *root = NULL;
    struct buf b;
    int rc;

    buf_init(&b, ANSWER_MAX);
    rc = file_read(&b, path, err) || json_parse(&root, b.data, b.len, err)
             ? -1 : 0;
    for (size_t i = 0; rc == 0 && i < x->n_counts; i++) {
        const char *text = json_string(json_get(root, x->count[i]));

        count[i] = 0;
        if (!text && i >= x->n_always)
            continue;
        if (!text || json_u64_text(text, &count[i]))
            rc = err_set(err, ERR_INPUT, "\"%s\" is damaged: remove it",
                         path);
    }
    json_free(root);
    buf_clear(&b);
    return rc;
}

/* ---- both ---------------------------------------------------------------- */

enum said {
    SAID_DONE,
    SAID_LOST,  /* its result is gone for good, or was never one */
    SAID_FAILED /* err says why */
};

/* Send what is signed and wait.  What is lost is to be signed anew.  So it is,
 * but only next time, after a refusal (paused, not allowed): the same message
 * has the same answer for ever. */
static enum said send_message(const struct message_journal *a,
                              const struct kept_message *x,
                              const struct buf *item, const char *answer,
                              uint64_t *count, bool *refused, struct err *err)
{
    const struct ao_out *out = NULL;
    struct err own = ERR_INIT;
    struct ao_result r;
    struct item it;
    int rc;

    err = err_or(err, &own);
    if (item_head(&it, item->data, item->len, err)) {
        err_set(err, ERR_INPUT, "a kept message in \"%s\" is damaged: remove"
                " push/%s-%04zu.item", a->batch_path, x->kind, x->number);
        return SAID_FAILED;
    }
    sys_crash_point();
    if (ao_send(a->ao, item->data, item->len, err))
        return SAID_FAILED;
    sys_crash_point();
    memset(&r, 0, sizeof(r));
    if (ao_result(a->ao, &r, *x->process, it.id, a->wait_s, err))
        return err->code == ERR_INPUT ? SAID_LOST : SAID_FAILED;
    rc = judge_result(a, x, &r, &out, count, refused, err);
    if (rc == 0)
        rc = keep_answer(x, answer, it.id, count, out->data, err);
    ao_result_clear(&r);
    return rc ? SAID_FAILED : SAID_DONE;
}

/* SAID_LOST: a message that was signed before is, and has been removed. */
static enum said say_anew(const struct message_journal *a,
                          const struct kept_message *x,
                          const struct buf *data, const char *path,
                          const char *answer, uint64_t *count,
                          struct err *err)
{
    struct buf item;
    bool old = file_exists(path), refused = false;
    enum said said = SAID_FAILED;

    buf_init(&item, ITEM_MAX);
    if ((old ? file_read(&item, path, err)
             : sign_kept(a, x, data, path, &item, err)) == 0)
        said = send_message(a, x, &item, answer, count, &refused, err);
    if (said == SAID_FAILED && refused)
        unlink(path);
    if (said == SAID_LOST && sys_unlink(path)) {
        err_errno(err, ERR_RETRY, "cannot remove \"%s\"", path);
        said = SAID_FAILED;
    } else if (said == SAID_LOST) {
        /* repeating is harmless: a result counts once */
        err_turn(err, ERR_RETRY);
        said = old ? SAID_LOST : SAID_FAILED;
    }
    buf_clear(&item);
    return said;
}

int message_send(const struct message_journal *a, const struct kept_message *x,
                 const struct buf *data, uint64_t *count, struct err *err)
{
    char *path = push_path_of(a->batch_path, x->kind, x->number, "item");
    char *answer = push_path_of(a->batch_path, x->kind, x->number, "answer");
    enum said said;
    int rc;

    if (file_exists(answer)) {
        rc = read_answer(x, answer, count, err);
    } else {
        said = say_anew(a, x, data, path, answer, count, err);
        if (said == SAID_LOST)
            said = say_anew(a, x, data, path, answer, count, err);
        rc = said == SAID_DONE ? 0 : -1;
    }
    if (rc)
        err_prefix(err, "%s-%04zu", x->kind, x->number);
    free(path);
    free(answer);
    return rc;
}
