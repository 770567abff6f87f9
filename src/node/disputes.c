/*
 * The answer to `Dispute` is a line that describes the dispute, then a line for
 * each move.  This program's own judge replays the moves, so it detects a queue
 * whose description contradicts them.
 */
#include <config.h>

#include "node/disputes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ao/ao.h"
#include "base/base64.h"
#include "base/err.h"
#include "base/found.h"
#include "base/json.h"
#include "base/mem.h"
#include "dispute/prover.h"
#include "node/listed.h"
#include "node/rounds.h"
#include "proof/digest.h"
#include "queue/client.h"

/* Of a turn that is over a queue says that it ends now, by its own clock. */
#define SLACK_MS 3000

void dispute_clear(struct dispute *d)
{
    judge_clear(&d->judge);
    buf_clear(&d->file);
}

bool disputes_past(const struct dispute *d)
{
    return rounds_now() * 1000 + SLACK_MS >= d->until_ms;
}

void disputes_id(struct id *id, struct id result, struct id challenger)
{
    unsigned char bytes[72];

    memcpy(bytes, "apusdsp1", 8);
    memcpy(bytes + 8, result.b, 32);
    memcpy(bytes + 40, challenger.b, 32);
    digest(id, bytes, sizeof(bytes));
}

/* ---- lines --------------------------------------------------------------- */

/* Parse the line at *text and move on. */
static enum found next_line(const char **text, struct json **root,
                            struct err *err)
{
    const char *line = *text, *end = strchr(line, '\n');
    size_t n = end ? (size_t)(end - line) : strlen(line);

    if (n == 0)
        return FOUND_NONE;
    *text = end ? end + 1 : line + n;
    if (json_parse(root, line, n, err))
        return err_prefix(err, "the queue's answer");
    return FOUND_ONE;
}

static int odd(struct err *err, const char *what)
{
    return err_set(err, ERR_INPUT, "the queue's answer has no %s that can be",
                   what);
}

/* ---- the list ------------------------------------------------------------ */

int disputes_list(struct client *c, bool as_node, struct id **id, size_t *n,
                  struct err *err)
{
    struct id_text me = id_text(c->node);
    const struct listed_question q = {
        .action = "Disputes", .answer = "Disputes-Response",
        .tag = as_node ? "Node" : "Challenger", .value = me.s,
        .key = "dispute", .max = DISPUTES_MAX
    };

    return listed_ids(c, &q, id, n, err);
}

/* ---- one of them --------------------------------------------------------- */

static int read_u32(uint32_t *out, const struct json *v)
{
    uint64_t n;

    if (json_digits(v, &n) || n > UINT32_MAX)
        return -1;
    *out = (uint32_t)n;
    return 0;
}

/* Read what is disputed: a result by its hash, or a result of a file by its
 * index. */
static int read_disputed(struct dispute *d, const struct json *v,
                         struct id result, struct err *err)
{
    const char *index = json_string(json_get(v, "index"));
    struct judge_file f = { .root = result };

    if (!index || strcmp(index, "-1") == 0) {
        dispute_file_begin(&d->file, result);
        return 0;
    }
    if (read_u32(&f.index, json_get(v, "index")) ||
        read_u32(&f.count, json_get(v, "count")) ||
        read_u32(&f.lines, json_get(v, "lines")) ||
        json_id(json_get(v, "model"), &f.model) ||
        json_id(json_get(v, "sha256"), &f.sha256))
        return odd(err, "result of a file");
    dispute_file_begin_line(&d->file, &f);
    return 0;
}

static int read_head(struct dispute *d, const struct json *v, struct err *err)
{
    const char *turn = json_string(json_get(v, "turn"));
    const char *node = json_string(json_get(v, "node"));
    const char *challenger = json_string(json_get(v, "challenger"));
    struct id result, id;

    if (json_id(json_get(v, "dispute"), &id) || !id_equal(id, d->id) ||
        json_id(json_get(v, "request"), &d->request) ||
        json_id(json_get(v, "result"), &result) ||
        json_digits(json_get(v, "until"), &d->until_ms) || !turn || !node ||
        !challenger || strlen(node) >= sizeof(d->node) ||
        strlen(challenger) >= sizeof(d->challenger))
        return odd(err, "dispute");
    d->node_turn = strcmp(turn, "node") == 0;
    strcpy(d->node, node);
    strcpy(d->challenger, challenger);
    return read_disputed(d, v, result, err);
}

static int read_move(struct dispute *d, const struct json *v, struct err *err)
{
    static const char *const names[] = { "show", "pick", "prove" };
    const char *move = json_string(json_get(v, "move"));
    const char *data = json_string(json_get(v, "data"));
    unsigned char *bytes;
    unsigned kind = 0;
    size_t n;
    int rc = 0;

    while (move && kind < 3 && strcmp(move, names[kind]) != 0)
        kind++;
    if (!move || !data || kind == 3)
        return odd(err, "move");
    if (kind == 1) {
        dispute_file_put(&d->file, DISPUTE_PICK, data, strlen(data));
        return 0;
    }
    n = strlen(data);
    bytes = xmalloc(n + 1);
    if (base64url_decode(bytes, n, &n, data))
        rc = odd(err, "move");
    else
        dispute_file_put(&d->file, (enum dispute_move)(DISPUTE_SHOW + kind),
                         bytes, n);
    free(bytes);
    return rc;
}

static int read_lines(struct dispute *d, const char *text, struct err *err)
{
    struct json *root;
    enum found found;
    int lines = 0;

    while ((found = next_line(&text, &root, err)) == FOUND_ONE) {
        int rc = lines++ ? read_move(d, root, err) : read_head(d, root, err);

        json_free(root);
        if (rc)
            return -1;
    }
    if (found == FOUND_FAILED || lines == 0)
        return found == FOUND_FAILED ? -1 : odd(err, "dispute");
    if (buf_check(&d->file, "a dispute", err) ||
        dispute_file_play(&d->judge, (unsigned char *)d->file.data,
                          d->file.len, err))
        return err_prefix(err, "dispute %s, as the queue has it",
                          id_text(d->id).s);
    return 0;
}

int disputes_read(struct dispute *d, const char *text, struct err *err)
{
    int rc;

    buf_init(&d->file, DISPUTE_FILE_MAX);
    rc = read_lines(d, text, err);
    if (rc)
        buf_clear(&d->file);
    return rc;
}

enum found disputes_get(struct client *c, struct dispute *d, struct id id,
                        struct err *err)
{
    char text[ID_TEXT];
    const struct item_text_tag tag[] = { { "Action", "Dispute" },
                                         { "Dispute", text } };
    const struct ao_message m = { .tag = tag, .n_tags = 2 };
    const struct ao_out *out;
    struct ao_result r;
    int rc;

    base64url(text, id.b, 32);
    if (client_ask_or_say(c, &m, "Dispute-Response", &r, &out, err) < 0)
        return c->code == 404 ? FOUND_NONE : FOUND_FAILED;
    memset(d, 0, sizeof(*d));
    d->id = id;
    rc = disputes_read(d, out->data, err);
    ao_result_clear(&r);
    return rc ? FOUND_FAILED : FOUND_ONE;
}

/* ---- moves --------------------------------------------------------------- */

static void read_end(struct dispute_end *end, const struct ao_out *out)
{
    const char *verdict = ao_out_tag(out, "Verdict");
    const char *statement = ao_out_tag(out, "Statement");

    memset(end, 0, sizeof(*end));
    end->over = verdict != NULL;
    end->fault = verdict && strcmp(verdict, "fault") == 0;
    end->unjudged = verdict && strcmp(verdict, "unjudged") == 0;
    snprintf(end->statement, sizeof(end->statement), "%s",
             statement ? statement : "");
}

/* Send a message about a dispute; the data is in base64url. */
static int say(struct client *c, struct id id, const char *action,
               const struct item_text_tag *more, size_t n_more,
               const char *data, struct dispute_end *end, struct err *err)
{
    char text[ID_TEXT], response[32];
    struct item_text_tag tag[4] = { { "Action", action },
                                    { "Dispute", text } };
    struct ao_message m = { .tag = tag, .n_tags = 2 + n_more, .data = data,
                            .n = data ? strlen(data) : 0 };
    const struct ao_out *out;
    struct ao_result r;

    base64url(text, id.b, 32);
    snprintf(response, sizeof(response), "%s-Response", action);
    for (size_t i = 0; i < n_more; i++)
        tag[2 + i] = more[i];
    if (client_say(c, &m, response, &r, &out, err) < 0) {
        /* the turn has changed meanwhile, or is not overdue yet */
        if (c->code == 409 || c->code == 404)
            err_turn(err, ERR_RETRY);
        return err_prefix(err, "dispute %s: %s", text, action);
    }
    read_end(end, out);
    ao_result_clear(&r);
    return 0;
}

static int move(struct client *c, const struct dispute *d, const char *action,
                const char *choice, const void *bytes, size_t n,
                struct dispute_end *end, struct err *err)
{
    char number[16], *data = NULL;
    const struct item_text_tag more[] = { { "Number", number },
                                          { "Choice", choice } };
    int rc;

    snprintf(number, sizeof(number), "%" PRIu32, d->judge.number);
    if (!choice) {
        data = xmalloc(n / 3 * 4 + 5);
        base64url(data, bytes, n);
    }
    rc = say(c, d->id, action, more, choice ? 2 : 1, data, end, err);
    free(data);
    return rc;
}

int disputes_records(struct client *c, const struct dispute *d,
                     const unsigned char *bytes, size_t n,
                     struct dispute_end *end, struct err *err)
{
    return move(c, d, "Show", NULL, bytes, n, end, err);
}

int disputes_answer(struct client *c, const struct dispute *d,
                    struct execution *x, char what[DISPUTE_WHAT],
                    struct dispute_end *end, struct err *err)
{
    bool proves = d->judge.turn == JUDGE_PROVES;
    struct buf b;
    int rc;

    if (proves)
        snprintf(what, DISPUTE_WHAT, "proves statement %" PRIu32,
                 d->judge.place.code);
    else
        snprintf(what, DISPUTE_WHAT, "shows %s",
                 judge_show_name(d->judge.show));
    buf_init(&b, JUDGE_PROOF_MAX);
    rc = proves ? prover_prove(&b, x, &d->judge, err)
                : prover_show(&b, x, &d->judge, err);
    if (rc == 0)
        rc = move(c, d, proves ? "Prove" : "Show", NULL, b.data, b.len, end,
                  err);
    buf_clear(&b);
    return rc;
}

int disputes_pick(struct client *c, const struct dispute *d,
                  struct execution *x, char what[DISPUTE_WHAT],
                  struct dispute_end *end, struct err *err)
{
    char choice[JUDGE_PICK_MAX + 1];
    enum found found = prover_pick(choice, x, &d->judge, err);

    if (found == FOUND_FAILED)
        return -1;
    if (found == FOUND_NONE)
        return err_set(err, ERR_INPUT, "dispute %s: the last show, %s, has no"
                       " difference", id_text(d->id).s,
                       judge_show_name(d->judge.show));
    snprintf(what, DISPUTE_WHAT, "picks %s of %s", choice,
             judge_show_name(d->judge.show));
    return move(c, d, "Pick", choice, NULL, 0, end, err);
}

int disputes_end(struct client *c, struct id id, const char *action,
                 struct dispute_end *end, struct err *err)
{
    return say(c, id, action, NULL, 0, NULL, end, err);
}
