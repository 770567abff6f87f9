/*
 * Where the wallet of this node is.
 */
#ifndef APUS_ARWEAVE_WALLET_H
#define APUS_ARWEAVE_WALLET_H

struct err;
struct settings;

/* The wallet that the commands use: the setting `wallet`, else
 * /etc/apus/wallet.json, else ~/.config/apus/wallet.json, whichever is there.
 * The caller frees it.  ERR_INPUT with the remedy if there is none; a file
 * that the setting names need not be there. */
int wallet_path(char **path, const struct settings *s, struct err *err);

/* Where a new one goes if no name is given: the setting, else the last of
 * these.  The caller frees it. */
char *wallet_new_path(const struct settings *s);

#endif
