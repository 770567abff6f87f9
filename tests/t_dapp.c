/*
 * src/verify/dapp_answer: an answer is printed only if it is signed by the node
 * that the queue names, answers this request of this queue, and is the result
 * that the queue has.
 */
#include <config.h>

#include "verify/dapp_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arweave/key.h"
#include "base/base64.h"
#include "base/err.h"
#include "base/id.h"
#include "queue/dapp.h"
#include "tests/published_util.h"
#include "tests/tap.h"
#include "verify/claims.h"

static struct key *key;
static struct id process;

/* A result item as a node would publish it. */
struct made_item {
    struct pub p;
    struct dapp_status s;
    struct claims_item it;
    struct buf raw;
};

static void begin(struct made_item *m)
{
    struct id node;

    memset(m, 0, sizeof(*m));
    key_address(key, &node);
    pub_init(&m->p, &node);
    pub_set_id(&m->p, "process", process);
    buf_init(&m->raw, 1u << 20);
    m->s.state = DAPP_DONE;
    m->s.node = node;
    m->s.result = m->p.result;
}

static void sign(struct made_item *m)
{
    char text[5][ID_TEXT];
    const struct item_text_tag tag[] = {
        { "Apus", "result-1" }, { "Request", text[0] },
        { "Model", text[1] }, { "Job", text[2] }, { "Result", text[3] },
        { "Batch", text[4] }, { "Content-Type", "application/json" },
    };
    struct item_spec spec = { .tag = tag, .n_tags = 7 };
    struct err err = ERR_INIT;
    struct id id;
    struct buf json;

    base64url(text[0], m->p.request.b, 32);
    base64url(text[1], m->p.model.b, 32);
    base64url(text[2], m->p.job.b, 32);
    base64url(text[3], m->p.result.b, 32);
    base64url(text[4], m->p.batch.b, 32);
    buf_init(&json, 1u << 20);
    pub_json(&json, &m->p);
    if (item_sign(&m->raw, &spec, json.data, json.len, key, &id, &err) ||
        item_open(&m->it.head, m->raw.data, m->raw.len, &err))
        abort();
    m->s.item = id;
    m->it.data = m->raw.data + m->it.head.head_n;
    m->it.n = m->raw.len - m->it.head.head_n;
    buf_clear(&json);
}

/* Check it and be done with it: whether the text came out. */
static void ends(struct made_item *m, const struct id *request,
                 const char *want, const char *name)
{
    struct err err = ERR_INIT;
    struct buf text;
    int rc;

    buf_init(&text, 1000);
    rc = dapp_answer_check(process, &m->s, *request, &m->it, &text, &err);
    if (want)
        ok(rc == 0 && text.len == strlen(want) &&
           memcmp(text.data, want, text.len) == 0, "%s %s", name, err.text);
    else
        ok(rc == -1 && err.code == ERR_INPUT && text.len == 0, "%s: %s",
           name, err.text);
    buf_clear(&text);
    buf_clear(&m->raw);
    pub_clear(&m->p);
}

static void test_values(void)
{
    static const char *const wrong[][2] = {
        { "text", "\" they\"" }, { "tokens", "[307,2]" }, { "finish", "1" },
        { "prompt", "[1,15043,29992]" }, { "seed", "\"7\"" },
        { "text", "" }, { "n", "5" },
    };
    struct made_item m;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        begin(&m);
        pub_set(&m.p, wrong[i][0], wrong[i][1]);
        sign(&m);
        ends(&m, &m.p.request, NULL, wrong[i][0]);
    }
    begin(&m);
    pub_hash(&m.p);
    sign(&m);
    ends(&m, &m.p.request, NULL, "hashes alone");
}

static void test_others(void)
{
    static const struct id other = { { 1 } };
    struct made_item m;

    begin(&m);
    sign(&m);
    ends(&m, &other, NULL, "another request");
    begin(&m);
    sign(&m);
    m.s.node.b[0] ^= 1;
    ends(&m, &m.p.request, NULL, "another node");
    begin(&m);
    sign(&m);
    m.s.result.b[0] ^= 1;
    ends(&m, &m.p.request, NULL, "another result");
    begin(&m);
    pub_set_id(&m.p, "process", other);
    sign(&m);
    ends(&m, &m.p.request, NULL, "another queue");
}

int main(void)
{
    struct err err = ERR_INIT;
    struct made_item m;

    if (key_new(&key, &err))
        return 1;
    memset(process.b, 9, 32);
    begin(&m);
    sign(&m);
    ends(&m, &m.p.request, " the", "the answer");
    test_values();
    test_others();
    key_free(key);
    return done();
}
