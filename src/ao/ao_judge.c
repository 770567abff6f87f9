/*
 * What the answers of the network mean.  A status alone says little: the
 * messenger answers 500 with the text of whatever was thrown behind it.
 */
#include <config.h>

#include <string.h>

#include "ao/ao_internal.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/utf8.h"

#define SHOWN 160 /* bytes of an answer in a message */

/* Texts of the messenger, the scheduler and the compute unit. */
static const struct {
    const char *text;
    enum ao_said said;
    const char *remedy;
} sayings[] = {
    { "already exists", AO_SAID_DONE, "" },
    { "Rate limit exceeded", AO_SAID_LATER,
      ": it lets no more through for now, run it again later" },
    { "Nonce limit exceeded", AO_SAID_LATER,
      ": it is catching up, run it again later" },
    { "not found cached, and earlier than latest known nonce", AO_SAID_NO,
      ": this result is gone for good, ask for the state instead" },
    { "A valid and signed data item must be provided", AO_SAID_NO,
      ": the item is broken" },
    { "Message size exceeds maximum", AO_SAID_NO,
      ": upload the data and name its id in the message" },
    { "not whitelisted", AO_SAID_NO,
      ": this messenger serves certain processes only, name another with the"
      " setting ao-mu" },
    { "Invalid From-Process value", AO_SAID_NO, "" },
    { "Message is not valid", AO_SAID_NO,
      ": the node cannot schedule this item" },
};

static bool contains(const struct buf *b, const char *text)
{
    size_t n = strlen(text);

    for (size_t i = 0; i + n <= b->len; i++)
        if (memcmp(b->data + i, text, n) == 0)
            return true;
    return false;
}

/* The beginning of what came, for people. */
static void show(struct buf *out, const struct buf *body)
{
    size_t n = body->len < SHOWN ? body->len : SHOWN;

    if (n == 0)
        return;
    buf_puts(out, " \"");
    utf8_scrub(out, body->data, n);
    buf_puts(out, n < body->len ? "..\"" : "\"");
}

static enum ao_said by_status(int status)
{
    if (ao_status_good(status))
        return AO_SAID_DONE;
    /* 408 and 425 are timeouts by another name; 0 is a text without one */
    if (status == 0 || status >= 500 || status == 429 || status == 408 ||
        status == 425)
        return AO_SAID_LATER;
    return AO_SAID_NO;
}

/* Whether a success is the web page of a proxy or a portal on the way.  A
 * node's answer to a message has its slot, whatever its body is. */
static bool is_page(const struct http_answer *a)
{
    char slot[24];

    return http_is_page(a) && !http_header(a, "slot", slot, sizeof(slot));
}

enum ao_said ao_judge(const struct http_answer *a, const char *url,
                      struct err *err)
{
    enum ao_said said = by_status(a->status);
    const char *remedy = "";
    struct buf shown;

    if (said == AO_SAID_DONE && is_page(a)) {
        err_set(err, ERR_RETRY, "\"%s\" answered %d with a web page: look"
                " for a proxy or a login page on the way", url, a->status);
        return AO_SAID_LATER;
    }
    if (said == AO_SAID_DONE)
        return said;
    for (size_t i = 0; i < sizeof(sayings) / sizeof(sayings[0]); i++) {
        if (!contains(&a->body, sayings[i].text))
            continue;
        said = sayings[i].said;
        remedy = sayings[i].remedy;
        break;
    }
    if (said == AO_SAID_DONE)
        return said;
    buf_init(&shown, 4 * SHOWN);
    if (a->status)
        buf_printf(&shown, " %d", a->status);
    show(&shown, &a->body);
    err_set(err, said == AO_SAID_LATER ? ERR_RETRY : ERR_INPUT,
            "\"%s\" answered%s%s", url, shown.data, remedy);
    buf_clear(&shown);
    return said;
}

enum ao_said ao_judge_get(const struct http_answer *a, const char *url,
                          struct err *err)
{
    enum ao_said said = ao_judge(a, url, err);

    if (said == AO_SAID_DONE && !ao_status_good(a->status))
        return AO_SAID_LATER;
    return said;
}

enum ao_said ao_failed(const struct err *err)
{
    return err->code == ERR_RETRY ? AO_SAID_LATER : AO_SAID_NO;
}
