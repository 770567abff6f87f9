/*
 * The table of settings, and log level and umask.
 */
#include <config.h>

#include "base/program.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/log.h"
#include "base/settings.h"

const struct setting program_settings[] = {
    { "models", "path", "~/.local/share/apus/models",
      "directory of the model store" },
    { "spool", "path", "~/.local/share/apus/spool",
      "directory of the batches" },
    { "launcher", "auto|local|slurm", "auto",
      "where apus submit starts workers; auto: Slurm where there is one" },
    { "sbatch", "text", "",
      "further options for sbatch, such as -p gpu -t 4:00:00" },
    { "ranks", "count", "0",
      "processes on one machine (0: one a core), or tasks on a node of Slurm"
      " (0: one)" },
    { "batch", "count", "16", "sequences in flight on a rank, at least 1" },
    { "kernel", "auto|reference", "auto",
      "which arithmetic; the answers are the same" },
    { "kv-memory", "size", "0",
      "ceiling for the KV cache of a rank; 0: a quarter of the machine's"
      " memory for all of them" },
    { "tensors", "none|last", "last",
      "what a checkpoint has beside the answers; last: the last hidden row" },
    { "part-size", "size", "8G",
      "contents of a part of a checkpoint, at least 1M" },
    { "rank-timeout", "count", "60",
      "seconds of silence after which a rank is lost" },
    { "wallet", "path", "",
      "the node's wallet (a JWK); empty: /etc/apus/wallet.json, else"
      " ~/.config/apus/wallet.json" },
    { "gateways", "text", "https://arweave.net https://permagate.io",
      "where to read from Arweave, in this order" },
    { "bundler", "text", "https://upload.ardrive.io",
      "who takes signed items and brings them to Arweave" },
    { "bundler-payment", "text", "https://payment.ardrive.io",
      "where its prices and our balance stand; empty: at the bundler" },
    { "bundler-key", "text", "",
      "address that must sign its receipts; empty: the one that it names the"
      " first time" },
    { "max-winc", "text", "1000000000000",
      "most winston credits that one push may cost" },
    { "max-winc-day", "text", "5000000000000",
      "most winston credits that a wallet may pay in a day (UTC)" },
    { "ledger", "path", "",
      "directory of the wallet's ledger of each day; empty: ledger beside the"
      " wallet" },
    { "publish", "full|hashes", "full",
      "what apus push shows of a file's requests and answers" },
    { "confirmations", "count", "18",
      "of the transaction that holds an upload, until it is permanent" },
    { "queue", "text", "", "id of the process on AO that has the requests" },
    { "ao-network", "legacynet|hyperbeam", "legacynet",
      "how the queue is spoken to" },
    { "ao-mu", "text", "https://mu.ao-testnet.xyz",
      "messenger unit (legacynet)" },
    { "ao-cu", "text", "https://cu.ao-testnet.xyz",
      "compute unit (legacynet)" },
    { "ao-su", "text", "https://su-router.ao-testnet.xyz",
      "scheduler unit (legacynet)" },
    { "ao-node", "text", "", "URL of a node (hyperbeam)" },
    { "ao-module", "text", "ISShJH1ij-hPPt9St5UFFr_8Ys3Kj5cyg7zrMGt7H9s",
      "module of a new queue: aos 2.0.4" },
    { "ao-scheduler", "text", "_GQ33BkPtZrqxA84vM8Zk-N2aO0toNNu_C-l-rawrBA",
      "scheduler of a new queue" },
    { "ao-authority", "text", "fcoN_xJeisVsPXA-trzVAuIiqO3ydLQxM-L4XbrQKzY",
      "messenger that a new queue trusts to speak for other processes" },
    { "lease", "count", "21600", "seconds for which requests are pulled" },
    { "requests", "path", "~/.local/share/apus/requests",
      "directory of the requests that apus request has sent" },
    { "ao-timeout", "count", "300",
      "seconds to wait for what a process says to a message" },
    { "pull-max", "count", "100", "most requests of one message, to 100" },
    { "pull-total", "count", "2000", "most requests of a batch from AO" },
    { "pull-size", "size", "16G",
      "largest file of requests that is taken from Arweave" },
    { "http-connect-timeout", "count", "10", "seconds to connect" },
    { "http-stall-timeout", "count", "30",
      "seconds without a byte until an exchange is given up" },
    { "http-timeout", "count", "3600",
      "seconds for one exchange; 0: as long as bytes come" },
    { "http-retries", "count", "5", "further attempts of an exchange" },
    { "log-level", "error|warning|info|debug", "info",
      "what is told on standard error" },
    { "umask", "text", "077", "mode bits that new files do not get, octal" },
    { NULL, NULL, NULL, NULL }
};

static int set_umask(const char *text, struct err *err)
{
    size_t n = strspn(text, "01234567");

    if (n < 1 || n > 4 || text[n] || strtoul(text, NULL, 8) > 0777)
        return err_set(err, ERR_INPUT,
                       "umask = \"%s\": octal digits such as 077 expected",
                       text);
    umask((mode_t)strtoul(text, NULL, 8));
    return 0;
}

int program_apply(const struct settings *s, const char *name,
                  struct err *err)
{
    enum log_level level = LOG_LEVEL_INFO;

    log_level_parse(settings_text(s, "log-level"), &level);
    log_init(name, level);
    return set_umask(settings_text(s, "umask"), err);
}
