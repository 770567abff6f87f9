/*
 * By which rule of the converter a model was made, and of what: lines "id rule
 * source" in `made`, where a rule "2,fitted:1" is rule 2 with weights fitted by
 * rule 1 of fidelity/fit.h.  A model without a line was made by rule 1, before
 * there were lines.
 */
#include <config.h>

#include "model/models.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "model/convert.h"
#include "model/import/formats.h"
#include "model/import/import.h"
#include "model/model.h"
#include "model/model_layout.h"
#include "model/models_internal.h"
#include "text/chat.h"
#include "text/tokenizer.h"

#define FITTED ",fitted:"

/* A path in one line. */
static void put_path(struct buf *b, const char *path)
{
    for (; *path; path++) {
        unsigned char c = (unsigned char)*path;

        if (c <= ' ' || c == '%' || c == 0x7f)
            buf_printf(b, "%%%02X", c);
        else
            buf_putc(b, c);
    }
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static char *take_path(const char *s, size_t n)
{
    char *path = xmalloc(n + 1);
    size_t len = 0;

    for (size_t i = 0; i < n; i++) {
        if (s[i] == '%' && i + 2 < n && hex(s[i + 1]) >= 0 &&
            hex(s[i + 2]) >= 0) {
            path[len++] = (char)(hex(s[i + 1]) * 16 + hex(s[i + 2]));
            i += 2;
        } else {
            path[len++] = s[i];
        }
    }
    path[len] = '\0';
    return path;
}

/* Being unable to costs a mark in a list. */
void models_made(const char *store, struct id id, const char *source,
                 const struct convert_options *o)
{
    const struct convert_rounding *r = o ? o->rounding : NULL;
    unsigned fitted = r ? r->rule(r->self) : 0;
    char *real = realpath(source, NULL);
    struct buf b;

    if (formats_known(source)) { /* no model file, made elsewhere */
        buf_init(&b, MODELS_MAX_TEXT);
        buf_printf(&b, "%d", CONVERT_RULE);
        if (fitted)
            buf_printf(&b, FITTED "%u", fitted);
        buf_putc(&b, ' ');
        /* nothing says where its tokenizer was */
        if (!o || !o->tokenizer)
            put_path(&b, real ? real : source);
        if (!b.full)
            models_line_put(store, "made", id, b.data);
        buf_clear(&b);
    }
    free(real);
}

/* The rule, and the source, which the caller frees; NULL if nobody knows. */
static unsigned long rule_of(char **source, const char *store, struct id id)
{
    unsigned long rule = 1;
    struct buf line;
    char *end;

    *source = NULL;
    buf_init(&line, MODELS_MAX_TEXT);
    if (models_line_get(&line, store, "made", id)) {
        rule = strtoul(line.data, &end, 10);
        end += strcspn(end, " ");
        if (*end == ' ')
            *source = take_path(end + 1, strlen(end + 1));
    }
    buf_clear(&line);
    return rule;
}

int models_rounding(unsigned *rule, const char *store, struct id id)
{
    struct buf line;
    int known;

    buf_init(&line, MODELS_MAX_TEXT);
    known = models_line_get(&line, store, "made", id);
    *rule = 0;
    if (known) {
        const char *end = line.data + strspn(line.data, "0123456789");

        if (strncmp(end, FITTED, sizeof(FITTED) - 1) == 0)
            *rule = (unsigned)strtoul(end + sizeof(FITTED) - 1, NULL, 10);
    }
    buf_clear(&line);
    return known;
}

/* Whether the source would give another record or other texts today. */
static bool source_differs(const char *source, const struct model_record *r)
{
    struct model_record now;
    struct import *m;

    if (formats_open(&m, source, NULL))
        return false; /* it is gone, or something else */
    now = m->rec;
    import_free(m);
    /* what options may change, and tensors, which no rule changed */
    now.flags = r->flags;
    now.tensors = r->tensors;
    return now.bos != r->bos || now.n_eos != r->n_eos ||
           memcmp(now.eos, r->eos, sizeof(now.eos)) != 0 ||
           now.tokenizer_size != r->tokenizer_size ||
           !id_equal(now.tokenizer, r->tokenizer) ||
           now.template_size != r->template_size ||
           !id_equal(now.template_blob, r->template_blob);
}

/* What can be seen without a source: an end of turn that ends no text. */
static bool lacks_end(const char *path, const struct model_record *r)
{
    struct buf tok, chat;
    struct tokenizer *t;
    bool lacks = false;
    uint32_t end;

    buf_init(&tok, (size_t)MODEL_MAX_TOKENIZER);
    buf_init(&chat, (size_t)MODEL_MAX_TEMPLATE);
    if (r->template_size > 0 && r->tokenizer_size > 0 &&
        model_peek_texts(&tok, &chat, r, path, NULL) == 0 &&
        tokenizer_new(&t, (const unsigned char *)tok.data, tok.len, r->n_vocab,
                      NULL) == 0) {
        end = chat_turn_end(t, chat.data, chat.len, r->bos,
                            r->n_eos ? r->eos[0] : UINT32_MAX);
        lacks = end != UINT32_MAX;
        for (uint32_t i = 0; i < r->n_eos; i++)
            lacks &= r->eos[i] != end;
        tokenizer_free(t);
    }
    buf_clear(&tok);
    buf_clear(&chat);
    return lacks;
}

void models_mark(struct buf *out, const char *store, struct id id,
                 const struct model_record *rec)
{
    char *source, *path = models_path(store, id);
    unsigned long rule = rule_of(&source, store, id);

    if (rule < CONVERT_RULE &&
        (source && file_exists(source) ? source_differs(source, rec)
                                       : lacks_end(path, rec)))
        buf_printf(out, "\tmade by rule %lu, today's makes another: apus model"
                   " add %s", rule, source ? source : "its source");
    buf_putc(out, '\n');
    free(source);
    free(path);
}
