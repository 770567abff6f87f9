/*
 * They are taken as uploads of the net's own key.  The module has nothing
 * random in it: it is the same item at each start.  A location is said anew
 * when the port is another one, since the newest counts.
 */
#include <config.h>

#include "localnet/ours.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "arweave/item.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "localnet/stored.h"
#include "localnet/net.h"

#define URL_SIZE 80
#define DATA_SIZE 120

#define AO { "Data-Protocol", "ao" }, { "Variant", "ao.TN.1" }

/* Sign it and take it; being there already is as good. */
static int put_signed_item(struct net *net, const struct item_text_tag *tag,
                           size_t n_tags, const char *data, struct id *id,
                           struct err *err)
{
    const struct item_spec spec = { .tag = tag, .n_tags = n_tags };
    struct upload *u = NULL;
    struct stored *h;
    struct buf raw;
    enum accepted end = ACCEPT_FAILED;

    buf_init(&raw, ITEM_HEAD_MAX + DATA_SIZE);
    if (item_sign(&raw, &spec, data, strlen(data), net->key, id, err) == 0)
        u = upload_new(net, raw.len, err);
    if (u) {
        upload_put(u, raw.data, raw.len);
        pthread_mutex_lock(&net->lock);
        end = upload_end(net, u, &h, err);
        pthread_mutex_unlock(&net->lock);
    }
    upload_free(u);
    buf_clear(&raw);
    if (end == ACCEPT_FAILED)
        return err_prefix(err, "an item of this net's own");
    return 0;
}

/* ---- where the scheduler is ---------------------------------------------- */

/* Whether the last location that this net said is `url`. */
static bool is_said(const struct net *net, const char *url)
{
    bool said = false, found = false;
    struct item it;
    struct buf head;

    buf_init(&head, ITEM_HEAD_MAX);
    for (size_t i = net->n_found; i-- > 0 && !found;) {
        const struct stored *h = net->found[i];

        if (!id_equal(h->owner, net->address) ||
            stored_head(h, &head, &it, NULL) ||
            !item_tag_is(&it, "Type", "Scheduler-Location"))
            continue;
        found = true;
        said = item_tag_is(&it, "Url", url);
    }
    buf_clear(&head);
    return said;
}

static int say_location(struct net *net, struct err *err)
{
    char url[URL_SIZE], now[24];
    const struct item_text_tag tag[] = {
        AO, { "Type", "Scheduler-Location" }, { "Url", url },
        { "Time-To-Live", "3600000" }, { "Said-At", now }
    };
    struct id id;
    bool said;

    snprintf(url, sizeof(url), "%s/su", net->url);
    pthread_mutex_lock(&net->lock);
    said = is_said(net, url);
    snprintf(now, sizeof(now), "%" PRIu64, net_now_ms(net));
    pthread_mutex_unlock(&net->lock);
    return said ? 0
                : put_signed_item(net, tag, sizeof(tag) / sizeof(tag[0]), url,
                                  &id, err);
}

int ours_put(struct net *net, struct id *module, struct err *err)
{
    static const struct item_text_tag tag[] = {
        AO, { "Type", "Module" }, { "Module-Format", "lua-5.3-localnet" },
        { "Input-Encoding", "JSON-V1" }, { "Output-Encoding", "JSON-V1" },
        { "Memory-Limit", "512-mb" }, { "Compute-Limit", "1000000000" },
        { "Content-Type", "text/plain" }
    };

    if (put_signed_item(net, tag, sizeof(tag) / sizeof(tag[0]),
                        "AOS in Lua 5.3, as apus localnet computes it", module,
                        err))
        return -1;
    return say_location(net, err);
}
