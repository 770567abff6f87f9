/*
 * The chat template of a Hugging Face directory: chat_template.jinja, else
 * that of tokenizer_config.json, else that of chat_template.json, which older
 * models that see have; in JSON a text or a list of templates with names.  Of
 * these two are known: tool_use, where a request has tools, and default.  The
 * file additional_chat_templates/tool_use.jinja is the first of them, too.
 */
#ifndef APUS_MODEL_IMPORT_HF_TEMPLATE_H
#define APUS_MODEL_IMPORT_HF_TEMPLATE_H

struct err;
struct import;
struct json;

/* Put it into m->chat_template, as one (text/chat.h, chat_join), which stays
 * empty without any, and lines into m->notes of templates that are passed over.
 * `config` is that of tokenizer_config.json, or NULL.  ERR_INPUT names a file
 * that is too long, not UTF-8 or not JSON. */
int hf_template_read(struct import *m, const char *dir,
                     const struct json *config, struct err *err);

#endif
