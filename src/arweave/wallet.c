/*
 * The places where a wallet may be, in their order.
 */
#include <config.h>

#include "arweave/wallet.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/settings.h"

#define SYSTEM_WALLET "/etc/apus/wallet.json"
#define USER_WALLET "~/.config/apus/wallet.json"

int wallet_path(char **path, const struct settings *s, struct err *err)
{
    const char *set = settings_text(s, "wallet");
    char *user = settings_expand(USER_WALLET);

    if (*set)
        *path = xstrdup(set);
    else if (file_exists(SYSTEM_WALLET))
        *path = xstrdup(SYSTEM_WALLET);
    else if (file_exists(user))
        *path = xstrdup(user);
    else
        *path = NULL;
    free(user);
    if (!*path)
        return err_set(err, ERR_INPUT, "no wallet: neither " SYSTEM_WALLET
                       " nor " USER_WALLET " is there; make one with apus"
                       " wallet new, or name one by the setting wallet");
    return 0;
}

char *wallet_new_path(const struct settings *s)
{
    const char *set = settings_text(s, "wallet");

    return *set ? xstrdup(set) : settings_expand(USER_WALLET);
}
