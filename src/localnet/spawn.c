/*
 * A client of the messenger and the compute unit, as any other.
 */
#include <config.h>

#include "localnet/spawn.h"

#include <stdlib.h>
#include <string.h>

#include "ao/ao.h"
#include "arweave/key.h"
#include "arweave/wallet.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/settings.h"
#include "localnet/vm.h"

#define WAIT_S 120
#define NAME_MAX_BYTES 200

static const char here[] = "http://127.0.0.1:";

/* Nothing that costs money, and nobody's real wallet, by accident. */
static int check_settings(const struct settings *s, struct err *err)
{
    static const char *const urls[] = { "ao-mu", "ao-cu" };

    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
        if (strncmp(settings_text(s, urls[i]), here, strlen(here)) != 0)
            return err_set(err, ERR_INPUT, "%s = \"%s\" is not a localnet:"
                           " name its directory with --dir", urls[i],
                           settings_text(s, urls[i]));
    return 0;
}

static int read_lua(struct buf *lua, const char *file, struct err *err)
{
    if (file_read(lua, file, err))
        return -1;
    return vm_check(file, lua->data ? lua->data : "", lua->len, err);
}

/* "dir/chat.lua" is chat. */
static char *name_of(const char *file)
{
    const char *base = strrchr(file, '/');
    char *name, *dot;

    base = base ? base + 1 : file;
    name = xstrndup(base, NAME_MAX_BYTES);
    dot = strrchr(name, '.');
    if (dot && dot != name)
        *dot = '\0';
    return name;
}

static int send(struct ao *ao, const struct settings *s, const char *owner,
                const char *file, const struct buf *lua, struct id *id,
                struct err *err)
{
    char *name = name_of(file);
    /* it may read what this wallet attests */
    const struct item_text_tag tag[] = {
        { "Name", name }, { "Attestor", owner },
        { "Availability-Type", "Individual" }
    };
    const struct ao_message m = { .tag = tag, .n_tags = 3, .data = lua->data,
                                  .n = lua->len };
    struct err why = ERR_INIT;
    struct buf item;
    int rc;

    buf_init(&item, AO_MAX_DATA + ITEM_HEAD_MAX);
    rc = ao_process(ao, &item, id, &m, err);
    if (rc == 0 && ao_spawn(ao, item.data, item.len, id, &why))
        rc = err_set(err, why.code, "no localnet took it at \"%s\" (apus"
                     " localnet --dir D starts one): %s",
                     settings_text(s, "ao-mu"), why.text);
    buf_clear(&item);
    free(name);
    return rc ? -1 : 0;
}

/* A process knows its code by another name than the file's. */
static char *name_chunk(const char *text, const char *file)
{
    static const char chunk[] = "[string \"aos\"]";
    struct buf out;
    const char *at;

    buf_init(&out, strlen(text) * (strlen(file) + 1) + 1);
    for (; (at = strstr(text, chunk)); text = at + strlen(chunk)) {
        buf_put(&out, text, (size_t)(at - text));
        buf_puts(&out, file);
    }
    buf_puts(&out, text);
    return buf_take(&out, NULL);
}

static int wait_for(struct ao *ao, struct spawned *out, const char *file,
                    struct id id, struct err *err)
{
    struct ao_result r;
    int rc = 0;

    if (ao_result(ao, &r, id, id, WAIT_S, err))
        return -1;
    if (r.error) {
        out->output = name_chunk(r.error, file);
        rc = err_set(err, ERR_INPUT, "process %s is there, but \"%s\" raised"
                     " an error%s", out->id, file,
                     strstr(r.error, "module 'apus.client' not found")
                         ? ": a process has one file, which must begin with"
                           " client.lua; doc/queue.md has the command" : "");
    } else if (*r.output) {
        out->output = xstrdup(r.output);
    }
    ao_result_clear(&r);
    return rc;
}

int spawn_file(struct spawned *out, struct settings *s, const char *file,
               struct err *err)
{
    struct id id;
    struct ao *ao = NULL;
    struct key *key = NULL;
    char *wallet = NULL;
    struct buf lua;
    int rc = -1;

    memset(out, 0, sizeof(*out));
    buf_init(&lua, AO_MAX_DATA);
    /* it is on this machine: there, or not */
    if (check_settings(s, err) || read_lua(&lua, file, err) ||
        settings_set(s, "ao-network", "legacynet", err) ||
        settings_set(s, "http-retries", "0", err) ||
        wallet_path(&wallet, s, err) || key_load(&key, wallet, err) ||
        ao_new(&ao, s, key, err))
        goto out;
    key_address(key, &id);
    if (send(ao, s, id_text(id).s, file, &lua, &id, err))
        goto out;
    base64url(out->id, id.b, 32);
    rc = wait_for(ao, out, file, id, err);
out:
    ao_free(ao);
    key_free(key);
    free(wallet);
    buf_clear(&lua);
    return rc;
}
