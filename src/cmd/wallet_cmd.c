/*
 * apus wallet: new, show.
 */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arweave/key.h"
#include "arweave/wallet.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/settings.h"
#include "cmd/cmd.h"

static void print_address(const struct key *k)
{
    struct id address;

    key_address(k, &address);
    printf("%s\n", id_text(address).s);
}

/* The directories above a file, as mkdir -p makes them. */
static int make_parents(const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash ? xstrndup(path, (size_t)(slash - path)) : NULL;
    int rc = dir ? file_mkdirs(dir, err) : 0;

    free(dir);
    return rc;
}

static int make_wallet(const char *path, struct err *err)
{
    struct key *k = NULL;
    int rc;

    /* A key takes seconds; key_save asks again, and rightly. */
    if (file_exists(path))
        return err_set(err, ERR_INPUT, "wallet \"%s\" is there and is not"
                       " written over: apus wallet show tells its address",
                       path);
    if (make_parents(path, err))
        return -1;
    log_info("making a key, which takes up to 20 seconds on a slow machine");
    if (key_new(&k, err))
        return -1;
    rc = key_save(k, path, err);
    if (rc == 0) {
        print_address(k);
        log_info("the wallet is \"%s\": keep a copy, it cannot be made"
                 " again", path);
    }
    key_free(k);
    return rc;
}

static const struct opt_command wallet_new_command = {
    .name = "apus wallet new",
    .synopsis = "[FILE]",
    .about = "Make a new key, write it to FILE (mode 0600, never over one"
             " that is there) and\nprint its address.  Without FILE it is"
             " the setting wallet, or\n~/.config/apus/wallet.json.",
    .max_args = 1,
};

static int wallet_new(struct settings *s, int argc, char **argv)
{
    const char *args[1] = { NULL };
    struct err err = ERR_INIT;
    size_t n = 0;
    int status = cmd_begin(&wallet_new_command, s, argc, argv, NULL, args, &n);
    char *path;

    if (status == CMD_GO) {
        path = n > 0 ? xstrdup(args[0]) : wallet_new_path(s);
        status = make_wallet(path, &err) ? cmd_fail(&err) : CMD_DONE;
        free(path);
    }
    return status;
}

static int show_wallet(const char *path, struct err *err)
{
    struct key *k = NULL;

    if (key_load(&k, path, err))
        return -1;
    print_address(k);
    key_free(k);
    return 0;
}

static const struct opt_command wallet_show_command = {
    .name = "apus wallet show",
    .synopsis = "[FILE]",
    .about = "Print the address of a wallet: of FILE, or of the one that"
             " the commands use,\nwhich is the setting wallet, else"
             " /etc/apus/wallet.json, else\n~/.config/apus/wallet.json.",
    .max_args = 1,
};

static int wallet_show(struct settings *s, int argc, char **argv)
{
    const char *args[1] = { NULL };
    struct err err = ERR_INIT;
    char *path = NULL;
    size_t n = 0;
    int status = cmd_begin(&wallet_show_command, s, argc, argv, NULL, args, &n);

    if (status == CMD_GO) {
        if (n > 0)
            path = xstrdup(args[0]);
        status = (!path && wallet_path(&path, s, &err)) ||
                 show_wallet(path, &err) ? cmd_fail(&err) : CMD_DONE;
        free(path);
    }
    return status;
}

const struct command cmd_wallet_verbs[] = {
    { "new", "make a new one", .run = wallet_new },
    { "show", "print the address", .run = wallet_show },
    { .name = NULL },
};
