/*
 * The ends of a text, for all formats.
 */
#include <config.h>

#include "model/import/ends.h"

#include "base/err.h"
#include "model/import/import.h"
#include "text/chat.h"

int ends_add(struct model_record *r, uint32_t id, struct err *err)
{
    for (uint32_t i = 0; i < r->n_eos; i++)
        if (r->eos[i] == id)
            return 0;
    if (r->n_eos == MODEL_EOS)
        return err_set(err, ERR_INPUT, "more than %d tokens end a text: those"
                       " that the source names, and what closes a turn of the"
                       " chat template", MODEL_EOS);
    r->eos[r->n_eos++] = id;
    return 0;
}

int ends_of_template(struct import *m, const struct tokenizer *t,
                     struct err *err)
{
    struct model_record *r = &m->rec;
    struct err why = ERR_INIT;
    uint32_t end;

    if (!m->chat_template.len)
        return 0;
    end = chat_turn_end(t, m->chat_template.data, m->chat_template.len,
                        r->bos, r->n_eos ? r->eos[0] : MODEL_NONE);
    if (end != MODEL_NONE)
        return ends_add(r, end, err);
    /* a template that cannot be run is refused for that alone */
    if (chat_check(m->chat_template.data, m->chat_template.len, &why))
        return 0;
    buf_puts(&m->notes, "no token closes a turn of the chat template: a chat"
             " may go on to max_tokens\n");
    return 0;
}
