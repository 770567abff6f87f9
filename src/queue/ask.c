/*
 * From the tags and the data of a message to what it asks.  Each function here
 * has its twin in contrib/ao/queue (20-texts, 30-prompts, 50-dapps and
 * 85-messages.lua), and they change together: tests/0441-ask.t sends the same
 * messages through both.
 */
#include <config.h>

#include "queue/ask.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "queue/ask_internal.h"
#include "store/request_fields.h"

#define MAX_JSON (4 * ASK_MAX_PROMPT) /* bytes of data that are JSON */
#define MAX_LIST 16384                /* of the value of the tag Models */
#define JSON_TYPE "application/json"

/* A message whose tags were judged, with their names as the queue spells
 * them. */
struct tagged_message {
    const struct ask_message *m;
    char name[ASK_MAX_TAGS][ASK_MAX_NAME + 1];
    size_t n;
};

/* ---- texts --------------------------------------------------------------- */

/* UTF-8 without NUL. */
static bool is_text(const char *s, size_t n, size_t max)
{
    return n <= max && utf8_valid(s, n) && !(n && memchr(s, 0, n));
}

/* .. and without control characters. */
static bool is_plain(const char *s, size_t n, size_t max)
{
    if (!is_text(s, n, max))
        return false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] < 32 || s[i] == 127)
            return false;
    return true;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_one_of(const char *name, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(*list, name) == 0)
            return true;
    return false;
}

/* ---- tags ---------------------------------------------------------------- */

/* The tag of this name, in any spelling. */
static const struct ask_tag *tag_of(const struct tagged_message *m,
                                    const char *name)
{
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->name[i], name) == 0)
            return &m->m->tag[i];
    return NULL;
}

/* A value as a text, cut to n - 1 bytes; "" if there is no such tag. */
static void tag_text(char *out, size_t n, const struct tagged_message *m,
                     const char *name)
{
    const struct ask_tag *t = tag_of(m, name);
    size_t len = t ? t->n_value : 0;

    if (len > n - 1)
        len = n - 1;
    memcpy(out, t ? t->value : "", len);
    out[len] = '\0';
}

/* 0 if there is such a tag and it is an id. */
static int tag_id(struct id *id, const struct tagged_message *m,
                  const char *name)
{
    char text[ID_TEXT + 1];

    tag_text(text, sizeof(text), m, name);
    return id_parse(id, text);
}

/* A tag whose name is in lower case. */
static int check_tag(const struct tagged_message *m, const char *name,
                     const struct ask_tag *t, struct err *err)
{
    static const char *const forged[] = {
        "id", "owner", "from", "module", "timestamp", "block-height", "nonce",
        "epoch", "hash-chain", "cron", "reply-to", "path", "method",
        "read-only", NULL
    };
    static const char *const pushed[] = { "reference", "from-process",
                                          "from-module", "pushed-for", NULL };
    static const char *const free_text[] = { "x-prompt", "x-options", NULL };
    bool good;

    if (is_one_of(name, forged) ||
        (!m->m->pushed && is_one_of(name, pushed)))
        return err_set(err, ERR_INPUT, "the tag %s is not yours to give",
                       name);
    if (tag_of(m, name))
        return err_set(err, ERR_INPUT, "the tag %s twice", name);
    good = is_one_of(name, free_text)
               ? is_text(t->value, t->n_value, ASK_MAX_VALUE)
               : is_plain(t->value, t->n_value, strcmp(name, "models") == 0
                                                    ? MAX_LIST
                                                    : ASK_MAX_VALUE);
    if (!good)
        return err_set(err, ERR_INPUT, "the tag %s is too long, or no plain"
                       " text", name);
    return 0;
}

static int read_tags(struct tagged_message *m, const struct ask_message *from,
                     struct err *err)
{
    m->m = from;
    m->n = 0;
    if (from->n_tags > ASK_MAX_TAGS)
        return err_set(err, ERR_INPUT, "more than %d tags", ASK_MAX_TAGS);
    for (size_t i = 0; i < from->n_tags; i++) {
        const struct ask_tag *t = &from->tag[i];
        char *name = m->name[i];

        if (!is_plain(t->name, t->n_name, ASK_MAX_NAME))
            return err_set(err, ERR_INPUT, "a tag's name is too long, or no"
                           " plain text");
        for (size_t k = 0; k < t->n_name; k++)
            name[k] = t->name[k] == '_' ? '-' : lower(t->name[k]);
        name[t->n_name] = '\0';
        if (check_tag(m, name, t, err))
            return -1;
        m->n++;
    }
    return 0;
}

/* ---- the head ------------------------------------------------------------ */

static int take_reference(struct ask *a, const struct tagged_message *m,
                          struct err *err)
{
    const struct ask_tag *reference = tag_of(m, "x-reference");
    const struct ask_tag *session = tag_of(m, "x-session");

    if ((reference && (reference->n_value < 1 ||
                       reference->n_value > ASK_MAX_REFERENCE)) ||
        (session && session->n_value > ASK_MAX_REFERENCE))
        return err_set(err, ERR_INPUT, "X-Reference and X-Session have at"
                       " most 128 bytes");
    tag_text(a->reference, sizeof(a->reference), m, "x-reference");
    tag_text(a->session, sizeof(a->session), m, "x-session");
    return 0;
}

static int take_model(struct ask *a, const struct tagged_message *m,
                      struct err *err)
{
    const struct ask_tag *t = tag_of(m, "x-model");

    tag_text(a->model, sizeof(a->model), m, "x-model");
    if (t && (t->n_value > ASK_MAX_MODEL || !ask_is_model(a->model)))
        return err_set(err, ERR_INPUT, "no such model (Models lists them)");
    return 0;
}

static int take_node(struct ask *a, const struct tagged_message *m,
                     struct err *err)
{
    const struct ask_tag *t = tag_of(m, "x-node");
    struct id id;

    if (t && t->n_value > 0 && tag_id(&id, m, "x-node"))
        return err_set(err, ERR_INPUT, "X-Node is no node of this queue");
    tag_text(a->node, sizeof(a->node), m, "x-node");
    return 0;
}

/* ---- data ---------------------------------------------------------------- */

/* What the data are, by their media type. */
struct data {
    bool json;         /* they are JSON, or the item that X-Source names is */
    struct json *root; /* if they were looked at as that */
};

/* A media type has parameters after a semicolon or a space, and its case is
 * nothing. */
static bool is_json(const struct ask_tag *type)
{
    size_t n = strlen(JSON_TYPE);

    if (!type || type->n_value < n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (lower(type->value[i]) != JSON_TYPE[i])
            return false;
    return type->n_value == n || type->value[n] == ';' ||
           type->value[n] == ' ';
}

/* Beside a tag that has or names the prompt, data are passed over: libraries
 * fill them with anything.  But AOS decodes them under the very type, so that
 * then they have to be JSON. */
static int read_data(struct data *d, const struct tagged_message *m,
                     struct err *err)
{
    const struct ask_tag *type = tag_of(m, "content-type");
    bool exact = type && type->n_value == strlen(JSON_TYPE) &&
                 memcmp(type->value, JSON_TYPE, type->n_value) == 0;

    *d = (struct data){ .json = is_json(type) };
    if (!exact && (!d->json || tag_of(m, "x-source") || tag_of(m, "x-prompt")))
        return 0;
    if (m->m->n > MAX_JSON)
        return err_set(err, ERR_INPUT, "Data: a text of at most %d bytes of"
                       " UTF-8 expected", MAX_JSON);
    if (json_parse(&d->root, m->m->data, m->m->n, err))
        return err_prefix(err, "Data");
    return 0;
}

/* ---- prompts ------------------------------------------------------------- */

/* A line of a pull holds it as a string, whose length has a limit, too. */
static bool is_prompt(const struct buf *text)
{
    struct buf quoted;
    bool good;

    if (text->full || text->len == 0 ||
        !is_text(text->data, text->len, ASK_MAX_PROMPT))
        return false;
    buf_init(&quoted, ASK_MAX_QUOTED + 2);
    ask_put_quoted(&quoted, text->data);
    good = !quoted.full;
    buf_clear(&quoted);
    return good;
}

static int take_text(struct ask *a, struct request *r,
                     const struct tagged_message *m, const struct data *d,
                     struct err *err)
{
    const struct ask_tag *tagged = tag_of(m, "x-prompt");
    struct buf text;
    int rc = 0;

    buf_init(&text, ASK_MAX_PROMPT);
    if (tagged)
        buf_put(&text, tagged->value, tagged->n_value);
    else if (d->json)
        rc = ask_body(&text, &a->form, r, d->root, m->m->n, err)
                 ? err_prefix(err, "Data") : 0;
    else
        buf_put(&text, m->m->data, m->m->n);
    if (rc == 0 && !is_prompt(&text))
        rc = err_set(err, ERR_INPUT, "a prompt must have 1 to %d bytes of"
                     " UTF-8 without NUL, at most %d as JSON (X-Source takes"
                     " longer ones)", ASK_MAX_PROMPT, ASK_MAX_QUOTED);
    if (rc == 0)
        a->prompt = buf_take(&text, NULL);
    buf_clear(&text);
    return rc;
}

/* An item that holds token ids, whose count and root the message says. */
static int take_source_ids(struct ask *a, const struct tagged_message *m,
                           bool may, struct err *err)
{
    char count[20];

    tag_text(count, sizeof(count), m, "x-prompt-count");
    if (!may || tag_id(&a->sha256, m, "x-prompt-root") ||
        json_u64_text(count, &a->count) || a->count < 1 ||
        a->count > UINT32_MAX)
        return err_set(err, ERR_INPUT, "X-Prompt-Count and X-Prompt-Root"
                       " belong to an X-Source of token ids: their number, and"
                       " their root, an id");
    a->form = ASK_SOURCE_IDS;
    return 0;
}

static int take_prompt(struct ask *a, struct request *r,
                       const struct tagged_message *m, const struct data *d,
                       struct err *err)
{
    const struct ask_tag *source = tag_of(m, "x-source");

    if (source && (tag_id(&a->source, m, "x-source") || tag_of(m, "x-prompt")))
        return err_set(err, ERR_INPUT, "X-Source must be an id, and alone");
    if (tag_of(m, "x-prompt-count") || tag_of(m, "x-prompt-root"))
        return take_source_ids(a, m, source && !d->json, err);
    if (!source)
        return take_text(a, r, m, d, err);
    a->form = d->json ? ASK_SOURCE_JSON : ASK_SOURCE;
    return 0;
}

/* ---- what is asked ------------------------------------------------------- */

static int take_infer(struct ask *a, const struct tagged_message *m,
                      const struct data *d, struct err *err)
{
    const struct ask_tag *t = tag_of(m, "x-options");
    struct request r = { .line = NULL };
    struct json *options = NULL;
    int rc;

    request_defaults(&r);
    rc = take_prompt(a, &r, m, d, err);
    if (rc == 0 && t)
        rc = ask_options(&r, &options, t->value, t->n_value, err);
    if (rc == 0)
        rc = ask_parameters(a, &r, err);
    if (rc == 0 && (a->form == ASK_IDS || a->form == ASK_SOURCE_IDS) &&
        a->max_tokens > ASK_MAX_IDS)
        rc = err_set(err, ERR_INPUT, "max_tokens: at most %d where the prompt"
                     " is token ids", ASK_MAX_IDS);
    request_clear(&r);
    json_free(options);
    return rc;
}

static int take_batch(struct ask *a, const struct tagged_message *m,
                      struct err *err)
{
    char count[20];

    tag_text(count, sizeof(count), m, "x-count");
    if (tag_id(&a->source, m, "x-source") ||
        tag_id(&a->sha256, m, "x-sha256") || json_u64_text(count, &a->count) ||
        a->count < 1 || a->count > UINT32_MAX)
        return err_set(err, ERR_INPUT, "X-Source, X-Count and X-Sha256"
                       " expected: an id, the lines of the file, its SHA-256"
                       " in base64url");
    a->form = ASK_BATCH;
    return 0;
}

static int take_message(struct ask *a, const struct tagged_message *m,
                        struct err *err)
{
    char action[16];
    struct data d;
    bool batch;
    int rc;

    tag_text(action, sizeof(action), m, "action");
    batch = strcmp(action, "Infer-Batch") == 0;
    if (!batch && strcmp(action, "Infer") != 0)
        return err_set(err, ERR_INPUT, "its tag Action is not \"Infer\" or"
                       " \"Infer-Batch\"");
    if (take_reference(a, m, err) || take_model(a, m, err) ||
        take_node(a, m, err) || read_data(&d, m, err))
        return -1;
    if (batch)
        rc = take_batch(a, m, err);
    else
        rc = take_infer(a, m, &d, err);
    json_free(d.root);
    return rc;
}

bool ask_has_source(const struct ask *a)
{
    return a->form == ASK_SOURCE || a->form == ASK_SOURCE_JSON ||
           a->form == ASK_SOURCE_IDS;
}

int ask_read(struct ask *a, const struct ask_message *from, struct err *err)
{
    struct tagged_message *m = xmalloc(sizeof(*m));
    struct ask *got = xcalloc(1, sizeof(*got));
    int rc = read_tags(m, from, err) || take_message(got, m, err) ? -1 : 0;

    if (rc)
        ask_clear(got);
    else
        *a = *got;
    free(got);
    free(m);
    return rc;
}
