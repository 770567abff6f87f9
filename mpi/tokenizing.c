/*
 * A text goes the way of a completion's prompt, messages that of a request:
 * through its parser and the chat template.
 */
#include <config.h>

#include "mpi/tokenizing.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer/prompt.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "model/import/formats.h"
#include "model/import/import.h"
#include "model/model.h"
#include "model/model_layout.h"
#include "store/request.h"

#define MAX_INPUT ((size_t)64 << 20)
#define MAX_VOCAB 262144u

/* The model or the tokenizer that encodes the text. */
struct own {
    struct model model; /* its record and texts alone */
    struct prompt_model with;
    struct buf tokenizer, chat_template;
};

/* ---- the tokenizer ------------------------------------------------------- */

static int open_model(struct own *o, const char *path, struct err *err)
{
    struct model *m = &o->model;

    if (model_peek(&m->rec, &m->id, path, err) ||
        model_peek_texts(&o->tokenizer, &o->chat_template, &m->rec, path, err))
        return -1;
    if (o->tokenizer.len == 0)
        return err_set(err, ERR_INPUT, "the model has no tokenizer");
    m->tokenizer = (unsigned char *)o->tokenizer.data;
    m->chat_template = o->chat_template.data;
    return prompt_model_init(&o->with, m, err);
}

/* A directory or a GGUF file, with its chat template. */
static int open_source(struct own *o, const char *path, struct err *err)
{
    struct model *m = &o->model;
    struct import *from;

    if (formats_texts(&from, path, MAX_VOCAB, err))
        return -1;
    m->rec = from->rec;
    buf_put(&o->tokenizer, from->tokenizer.data, from->tokenizer.len);
    buf_put(&o->chat_template, from->chat_template.data,
            from->chat_template.len);
    import_free(from);
    if (o->tokenizer.len == 0)
        return err_set(err, ERR_INPUT, "\"%s\" has no tokenizer", path);
    m->tokenizer = (unsigned char *)o->tokenizer.data;
    m->chat_template = o->chat_template.data;
    return prompt_model_init(&o->with, m, err);
}

static int open_tokenizer(struct own *o, const char *path, bool chat,
                          struct err *err)
{
    struct tokenizer_source source = { MAX_VOCAB, UINT32_MAX, false, NULL };

    if (formats_known(path))
        return open_source(o, path, err);
    if (chat)
        return err_set(err, ERR_INPUT, "\"%s\" has no chat template: give"
                       " its directory, or a GGUF file", path);
    if (tokenizer_import_file(&o->tokenizer, path, &source, err))
        return -1;
    if (o->tokenizer.len == 0)
        return err_set(err, ERR_INPUT, "\"%s\" has no tokenizer", path);
    o->model.rec.bos = source.bos;
    o->model.rec.n_vocab = MAX_VOCAB;
    o->with.model = &o->model;
    return tokenizer_new(&o->with.tokenizer,
                         (const unsigned char *)o->tokenizer.data,
                         o->tokenizer.len, MAX_VOCAB, err);
}

static void clear(struct own *o)
{
    o->with.model = NULL; /* it is not one that was opened */
    prompt_model_clear(&o->with);
    buf_clear(&o->tokenizer);
    buf_clear(&o->chat_template);
}

/* ---- what is read -------------------------------------------------------- */

static int read_input(struct buf *b, const char *file, struct err *err)
{
    char part[16384];
    size_t n;

    if (strcmp(file, "-") != 0)
        return file_read(b, file, err);
    while ((n = fread(part, 1, sizeof(part), stdin)) > 0)
        buf_put(b, part, n);
    if (ferror(stdin))
        return err_errno(err, ERR_RETRY, "cannot read standard input");
    return buf_check(b, "standard input", err);
}

/* The line of a request with these messages, or this body. */
static void put_line(struct buf *b, const struct buf *text)
{
    size_t at = text->len > 0 ? strspn(text->data, " \t\r\n") : 0;
    bool list = text->len > 0 && text->data[at] == '[';

    buf_puts(b, "{\"custom_id\":\"1\",\"method\":\"POST\",\"url\":"
             "\"/v1/chat/completions\",\"body\":");
    buf_puts(b, list ? "{\"messages\":" : "");
    buf_put(b, text->data ? text->data : "", text->len);
    buf_puts(b, list ? "}}" : "}");
}

static int encode_chat(const struct own *o, const struct buf *text,
                       struct tokens *ids, struct err *err)
{
    struct id none = { { 0 } };
    struct request r;
    struct prompt p;
    struct buf line;
    int rc;

    buf_init(&line, MAX_INPUT + 256);
    put_line(&line, text);
    rc = buf_check(&line, "the messages", err);
    if (rc == 0) {
        rc = request_parse(&r, line.data, line.len, err);
        if (rc == 0)
            rc = prompt_make(&p, &o->with, &r, none, err);
        if (rc == 0) {
            for (size_t i = 0; i < p.ids.n; i++)
                tokens_put(ids, p.ids.id[i]);
            prompt_clear(&p);
        }
        request_clear(&r);
    }
    buf_clear(&line);
    return rc;
}

static int encode_text(const struct own *o, const struct buf *text,
                       struct tokens *ids, struct err *err)
{
    uint32_t first[TOKENIZER_FIRST];
    size_t n = tokenizer_first(o->with.tokenizer, o->model.rec.bos, first);

    for (size_t i = 0; i < n; i++)
        tokens_put(ids, first[i]);
    return tokenizer_encode(o->with.tokenizer, text->data ? text->data : "",
                            text->len, true, ids, err);
}

/* Numbers, with white space, commas or brackets between. */
static int parse_ids(struct tokens *ids, const struct buf *text,
                     uint32_t n_vocab, struct err *err)
{
    const char *p = text->len > 0 ? text->data : "";
    unsigned long long id;
    size_t n;
    char *end;

    for (p += strspn(p, " \t\r\n,[]"); *p; p += strspn(p, " \t\r\n,[]")) {
        id = strtoull(p, &end, 10);
        n = strcspn(p, " \t\r\n,[]");
        if (*p < '0' || *p > '9' || id >= n_vocab)
            return err_set(err, ERR_INPUT, "\"%.*s\" is not an id below %u",
                           (int)(n < 20 ? n : 20), p, n_vocab);
        tokens_put(ids, (uint32_t)id);
        p = end;
    }
    if ((size_t)(p - (text->len > 0 ? text->data : "")) != text->len)
        return err_set(err, ERR_INPUT, "there is a NUL among the ids");
    return 0;
}

/* ---- what is printed ----------------------------------------------------- */

static void put_ids(struct buf *out, const struct tokens *ids)
{
    for (size_t i = 0; i < ids->n; i++)
        buf_printf(out, "%s%u", i > 0 ? " " : "", ids->id[i]);
    buf_putc(out, '\n');
}

static void put_decoded(struct buf *out, const struct tokenizer *t,
                        const struct tokens *ids)
{
    struct detok d;

    detok_init(&d, t);
    for (size_t i = 0; i < ids->n; i++)
        detok_put(&d, ids->id[i], out);
    detok_end(&d, out);
}

static int print(const struct buf *out, struct err *err)
{
    if ((out->len == 0 || fwrite(out->data, 1, out->len, stdout) == out->len) &&
        fflush(stdout) == 0)
        return 0;
    if (errno == EPIPE)
        return err_set(err, ERR_CLOSED, "standard output has no reader");
    return err_errno(err, ERR_FATAL, "cannot write to standard output");
}

static int translate(const struct tokenizing *t, const struct own *o,
                     const struct buf *text, struct buf *out, struct err *err)
{
    struct tokens ids;
    int rc;

    tokens_init(&ids);
    rc = t->decode ? parse_ids(&ids, text, o->model.rec.n_vocab, err)
         : t->chat ? encode_chat(o, text, &ids, err)
                   : encode_text(o, text, &ids, err);
    if (rc == 0 && t->decode)
        put_decoded(out, o->with.tokenizer, &ids);
    else if (rc == 0)
        put_ids(out, &ids);
    tokens_clear(&ids);
    return rc ? rc : buf_check(out, "what is printed", err);
}

int tokenizing(const struct tokenizing *t, struct err *err)
{
    struct own *o = xcalloc(1, sizeof(*o));
    struct buf text, out;
    int rc;

    buf_init(&o->tokenizer, (size_t)MODEL_MAX_TOKENIZER);
    buf_init(&o->chat_template, (size_t)MODEL_MAX_TEMPLATE);
    buf_init(&text, MAX_INPUT);
    buf_init(&out, 16 * MAX_INPUT);
    rc = t->model ? open_model(o, t->model, err)
                  : open_tokenizer(o, t->tokenizer, t->chat, err);
    if (rc == 0)
        rc = read_input(&text, t->file, err) ||
             translate(t, o, &text, &out, err) || print(&out, err) ? -1 : 0;
    clear(o);
    free(o);
    buf_clear(&text);
    buf_clear(&out);
    return rc;
}
