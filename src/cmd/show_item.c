/*
 * apus show of an item from Arweave: what it says, and that it is whole and
 * signed; whether it is right is apus verify's.
 */
#include <config.h>

#include "cmd/show.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arweave/bundle.h"
#include "base/base64.h"
#include "base/bytes.h"
#include "base/caller.h"
#include "base/err.h"
#include "base/id.h"
#include "base/log.h"
#include "base/plain.h"
#include "base/utf8.h"
#include "publish/kinds.h"
#include "publish/published.h"
#include "publish/published_statement.h"
#include "verify/lookup.h"

#define TEXT_MAX 65536 /* bytes of an unknown item that are printed */

static void show_head(const struct claims_item *it)
{
    const struct item *h = &it->head;

    show_id("item", h->id);
    show_id("owner", h->address);
    printf("signature\tgood, type %u\n", h->type);
    if (h->target)
        show_id("target", *h->target);
    for (size_t i = 0; i < h->n_tags; i++) {
        printf("tag\t");
        plain_write(stdout, h->tag[i].name, h->tag[i].n_name);
        putchar('\t');
        plain_write(stdout, h->tag[i].value, h->tag[i].n_value);
        putchar('\n');
    }
    printf("data\t%zu bytes\n", it->n);
}

/* ---- kinds --------------------------------------------------------------- */

static void show_params(const struct job_record *j)
{
    printf("choice\t%" PRIu32 "\nmax_tokens\t%" PRIu32 "\ntemperature\t%"
           PRIu32 ".%06" PRIu32 "\ntop_p\t%" PRIu32 ".%06" PRIu32 "\ntop_k\t%"
           PRIu32 "\nseed\t%" PRIu64 "\nstop_strings\t%" PRIu32 "\n",
           j->choice, j->max_tokens, j->temperature / 1000000,
           j->temperature % 1000000, j->top_p / 1000000, j->top_p % 1000000,
           j->top_k, j->seed, j->n_stops);
}

/* Everything that is short, and the text last: it may have lines. */
static int show_result(const struct claims_item *it, struct err *err)
{
    struct published p;
    int rc;

    published_init(&p);
    rc = published_read(&p, it->data, it->n, err);
    if (rc == 0) {
        show_id("request", p.result.request);
        show_id("process", p.process);
        show_id("model", p.result.model);
        printf("finish\t%s\n", result_finish_name(p.result.finish));
        show_params(&p.job);
        show_id("job", p.said_job);
        show_id("trace", p.result.trace);
        printf("positions\t%" PRIu32 "\n", p.result.n);
        show_id("batch", p.batch);
        show_id("root", p.root);
        printf("place\t%" PRIu32 " of %" PRIu32 "\n", p.index, p.count);
        show_id("node", p.node);
    }
    if (rc == 0 && p.hashed) {
        printf("prompt\t%" PRIu32 " ids, by their hash\ntokens\t%" PRIu32
               " ids, by their hash\ntext\tby its hash\n", p.job.n_prompt,
               p.result.n_out);
    } else if (rc == 0) {
        show_tokens("prompt", p.prompt.data, p.prompt.len / 4);
        show_tokens("tokens", p.output.data, p.output.len / 4);
        printf("text\t%zu bytes\n", p.text.len);
        show_text(p.text.data, p.text.len);
    }
    published_clear(&p);
    return rc;
}

static int show_statement(const struct claims_item *it, struct err *err)
{
    struct published_statement s;
    struct id id;

    if (published_statement_read(&s, it->data, it->n, err))
        return -1;
    statement_id(&id, &s.s);
    show_id("statement", id);
    show_id("batch", s.s.batch);
    show_id("root", s.s.root);
    printf("answers\t%" PRIu32 "\n", s.s.count);
    show_id("process", s.s.process);
    show_id("node", s.s.node);
    show_id("previous", s.s.previous);
    for (uint32_t i = 0; i < s.s.n_files; i++) {
        const unsigned char *f = s.files + (size_t)i * PUBLISHED_FILE;
        char sha[ID_TEXT];

        base64url(sha, f + 8, 32);
        printf("part\tpart-%04" PRIu32 ".h5\t%" PRIu64 "\t%s\n", i,
               get_u64(f), sha);
    }
    return 0;
}

static int show_bundle(const struct claims_item *it, struct err *err)
{
    struct bundle_entry *e = NULL;
    size_t n = 0;

    if (bundle_table(&e, &n, it->data, it->n, it->n, err))
        return -1;
    printf("items\t%zu\n", n);
    for (size_t i = 0; i < n; i++) {
        printf("holds\t%s\t%" PRIu64 "\t%" PRIu64 "\n", id_text(e[i].id).s,
               e[i].at, e[i].size);
    }
    free(e);
    return 0;
}

/* Text is printed, anything else is left alone. */
static void show_other(const struct claims_item *it)
{
    if (it->n > 0 && it->n <= TEXT_MAX && utf8_valid(it->data, it->n))
        show_text(it->data, it->n);
}

static int get_shown(const struct settings *s, const char *what, int is_file,
                     struct lookup_item *i, struct err *err)
{
    const struct caller caller = { .note = log_note };
    struct lookup *l = NULL;
    struct id id;
    int rc;

    if (is_file) {
        enum lookup_found found = lookup_file(what, i, err);

        if (found == LOOKUP_FORGED)
            err_prefix(err, "\"%s\"", what);
        return found == LOOKUP_GOOD ? 0 : -1;
    }
    if (id_parse(&id, what))
        return err_set(err, ERR_INPUT, "\"%s\" is not an id: 43 characters"
                       " expected", what);
    rc = lookup_new(&l, s, &caller, err) ||
                 lookup_get(l, id, i, err)
             ? -1 : 0;
    lookup_free(l);
    return rc;
}

int show_item(const struct settings *s, const char *what, int is_file,
              struct err *err)
{
    struct lookup_item i;
    char kind[32], odd[128];
    uint64_t n_items;
    int rc;

    lookup_item_init(&i, LOOKUP_BUNDLE_MAX);
    rc = get_shown(s, what, is_file, &i, err);
    if (rc == 0) {
        if (item_is_odd(&i.it.head, odd, sizeof(odd)))
            log_warning("item \"%s\": %s", what, odd);
        show_head(&i.it);
        claims_kind(kind, &i.it.head);
        if (strcmp(kind, KIND_RESULT) == 0)
            rc = show_result(&i.it, err);
        else if (strcmp(kind, KIND_STATEMENT) == 0)
            rc = show_statement(&i.it, err);
        else if (strcmp(kind, KIND_BUNDLE) == 0 ||
                 bundle_begins(i.it.data, i.it.n, &n_items))
            rc = show_bundle(&i.it, err);
        else
            show_other(&i.it);
    }
    lookup_item_clear(&i);
    return rc;
}
