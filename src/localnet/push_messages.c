/*
 * An item that is pushed has no random part: it is the same each time that
 * its message is evaluated, so after a crash it is sent once, not twice.
 */
#include <config.h>

#include "localnet/push_messages.h"

#include <stdlib.h>
#include <string.h>

#include "arweave/item.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/vec.h"
#include "localnet/journal.h"
#include "localnet/net.h"
#include "localnet/units.h"

#define ADDED 5 /* tags of the messenger */

/* A message as it lies in a reply: texts, one after the other. */
struct outgoing {
    const char *kind, *target, *data, *anchor;
    struct item_text_tag tag[ADDED + ITEM_MAX_TAGS];
    size_t n_tags;
};

/* The next text of the reply, made a C string: NUL is not a part of it. */
static char *next_text(const char **p, const char *end)
{
    uint32_t n;
    char *text;

    if (end - *p < 4)
        return NULL;
    n = get_u32(*p);
    if (n > (size_t)(end - *p) - 4)
        return NULL;
    text = xstrndup(*p + 4, n);
    *p += 4 + n;
    return text;
}

static void clear(struct outgoing *o)
{
    free((char *)o->kind);
    free((char *)o->target);
    free((char *)o->data);
    free((char *)o->anchor);
    for (size_t i = 0; i < o->n_tags; i++) {
        free((char *)o->tag[i].name);
        free((char *)o->tag[i].value);
    }
}

/* false at the end. */
static bool read_next(struct outgoing *o, const char **p, const char *end)
{
    char *count;
    uint64_t n = 0;

    memset(o, 0, sizeof(*o));
    o->kind = next_text(p, end);
    o->target = next_text(p, end);
    o->data = next_text(p, end);
    o->anchor = next_text(p, end);
    count = next_text(p, end);
    if (!count || json_u64_text(count, &n)) {
        free(count);
        clear(o);
        return false;
    }
    free(count);
    for (uint64_t i = 0; i < n; i++) {
        char *name = next_text(p, end), *value = next_text(p, end);

        /* an item has no empty tags, and only so many */
        if (name && value && *name && *value && o->n_tags < ITEM_MAX_TAGS) {
            o->tag[o->n_tags++] = (struct item_text_tag){ name, value };
        } else {
            free(name);
            free(value);
        }
    }
    return true;
}

static const char *tag_of(const struct outgoing *o, const char *name)
{
    for (size_t i = 0; i < o->n_tags; i++)
        if (strcmp(o->tag[i].name, name) == 0)
            return o->tag[i].value;
    return NULL;
}

/* ---- to other processes -------------------------------------------------- */

static bool is_dropped(const char *name)
{
    static const char *const dropped[] = { "Data-Protocol", "Type",
                                           "From-Process", "From-Module",
                                           "Assignments", "Pushed-For" };

    for (size_t i = 0; i < sizeof(dropped) / sizeof(dropped[0]); i++)
        if (strcmp(name, dropped[i]) == 0)
            return true;
    return false;
}

static void send_on(struct net *net, const struct message *m,
                    const struct outgoing *o, const struct id *target,
                    const char *type)
{
    struct item_text_tag tag[ADDED + ITEM_MAX_TAGS];
    struct item_spec spec = { .target = target, .tag = tag };
    const struct process *p = m->process;
    struct id id;
    char pushed_for[ID_TEXT];
    struct message *sent;
    struct item it;
    struct buf raw;

    base64url(pushed_for, m->pushed_for.b, 32);
    tag[0] = (struct item_text_tag){ "Data-Protocol", "ao" };
    tag[1] = (struct item_text_tag){ "Type", type };
    tag[2] = (struct item_text_tag){ "From-Process", p->id_text };
    tag[3] = (struct item_text_tag){ "From-Module", p->module };
    tag[4] = (struct item_text_tag){ "Pushed-For", pushed_for };
    spec.n_tags = ADDED;
    for (size_t i = 0; i < o->n_tags && spec.n_tags < ITEM_MAX_TAGS; i++)
        if (!is_dropped(o->tag[i].name))
            tag[spec.n_tags++] = o->tag[i];
    if (strlen(o->anchor) == 32)
        spec.anchor = id_view(o->anchor);
    buf_init(&raw, JOURNAL_MAX);
    if (item_sign(&raw, &spec, o->data, strlen(o->data), net->key, &id,
                  NULL) == 0 &&
        raw.len <= UNITS_MAX_ITEM &&
        item_head(&it, raw.data, raw.len, NULL) == 0)
        units_put(net, raw.data, raw.len, &it, m->pushed_for, &sent, NULL);
    buf_clear(&raw);
}

/* ---- to readers ---------------------------------------------------------- */

static void set_patch(struct process *p, const char *key, const char *value)
{
    for (size_t i = 0; i < p->n_patches; i++) {
        if (strcmp(p->patch[i].key, key) == 0) {
            free(p->patch[i].value);
            p->patch[i].value = xstrdup(value);
            return;
        }
    }
    VEC_MORE(p->patch, p->n_patches);
    p->patch[p->n_patches++] = (struct patch){ xstrdup(key), xstrdup(value) };
}

/* cache = {"key":"value"}; keys are lower case there. */
static void keep_patch(struct process *p, const struct outgoing *o)
{
    const char *cache = tag_of(o, "cache");
    struct json *root;

    if (!cache || json_parse(&root, cache, strlen(cache), NULL))
        return;
    for (const struct json *v = json_first(root); v; v = json_next(v)) {
        char *key = json_key(v) ? xstrdup(json_key(v)) : NULL;

        for (char *c = key; c && *c; c++)
            if (*c >= 'A' && *c <= 'Z')
                *c = (char)(*c - 'A' + 'a');
        if (key && json_string(v))
            set_patch(p, key, json_string(v));
        else if (key && json_number(v))
            set_patch(p, key, json_number(v));
        free(key);
    }
    json_free(root);
}

void push_all(struct net *net, struct message *m, const struct buf *reply)
{
    const char *p = reply->data + 4 + get_u32(reply->data);
    const char *end = reply->data + reply->len;
    struct id target;
    struct outgoing o;

    while (read_next(&o, &p, end)) {
        const char *device = tag_of(&o, "device");

        if (device && strcmp(device, "patch@1.0") == 0)
            keep_patch(m->process, &o);
        else if (strcmp(o.kind, "spawn") == 0)
            send_on(net, m, &o, NULL, "Process");
        else if (id_parse(&target, o.target) == 0 && units_process(net, target))
            send_on(net, m, &o, &target, "Message");
        clear(&o);
    }
}
