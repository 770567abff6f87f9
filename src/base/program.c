/*
 * The table of settings, log level and umask, and the signals that end work.
 */
#include <config.h>

#include "base/program.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/log.h"
#include "base/settings.h"

/* Who has a setting: a worker gets it from the command that starts it. */
#define HERE false
#define WORKER true

const struct setting program_settings[] = {
    { "models", "path", "~/.local/share/apus/models", WORKER,
      "directory of the model store" },
    { "spool", "path", "~/.local/share/apus/spool", WORKER,
      "directory of the batches" },
    { "launcher", "auto|local|slurm", "auto", HERE,
      "where apus submit starts workers; auto: Slurm where there is one" },
    { "sbatch", "words", "", HERE,
      "further options for sbatch, such as -p gpu -t 4:00:00; as an option it"
      " may be given several times" },
    { "exclusive", "yes|no", "yes", HERE,
      "whether apus submit --nodes without --ranks asks Slurm for whole"
      " nodes" },
    { "ranks", "count 0..65536", "0", HERE,
      "processes on one machine or a node of Slurm; 0: one a socket, or one a"
      " GPU of a job, as far as memory and requests allow" },
    { "tp", "count 1..64", "1", WORKER,
      "ranks that hold one model together, each a part of it; divides the"
      " model's KV heads" },
    { "threads", "count 0..4096", "0", WORKER,
      "threads of a rank; 0: one for each of its cores" },
    { "batch", "count 1..65536", "16", WORKER,
      "sequences in flight on a rank, at least 1" },
    /* every level of kernels/levels.c, which this directory may not ask */
    { "kernel", "auto|cuda|amx|vnni|avxvnni|avx2|sdot|reference", "auto",
      WORKER,
      "which implementation of the arithmetic; the answers are the same" },
    { "check-gpu", "yes|no", "yes", WORKER,
      "check one product of each step of a GPU on the CPU" },
    { "gpu-graphs", "yes|no", "yes", WORKER,
      "launch the steps of a GPU that only draw as one graph of kernels" },
    { "gpu-nccl", "auto|no", "auto", WORKER,
      "let the GPUs of ranks that hold a model together exchange by NCCL" },
    { "cuda-libs", "text", "", WORKER,
      "directories of NVIDIA's libraries, with colons between; none: they are"
      " not used" },
    { "share-gpu", "yes|no", "no", WORKER,
      "let several ranks compute on one GPU; each plans what is free" },
    { "kv-memory", "size", "0", WORKER,
      "ceiling for the KV cache of a rank; 0: what weights leave of the"
      " memory that is free, less a tenth" },
    { "tensors", "none|last|topk|hidden|logits", "last", WORKER,
      "what a checkpoint has beside the answers; last: the last hidden row" },
    { "keep-trace", "leaves|roots", "leaves", WORKER,
      "what a checkpoint has of each trace; roots: about 110 bytes a position"
      " less, and less that others can check" },
    { "custom-ids", "yes|no", "yes", WORKER,
      "whether a checkpoint has the custom_id of its requests; never with"
      " publish = hashes" },
    { "reuse", "yes|no", "yes", WORKER,
      "whether answers that the spool has already are taken over" },
    { "part-size", "size 1M..", "8G", WORKER,
      "contents of a part of a checkpoint, at least 1M" },
    { "rank-timeout", "count 2..86400", "60", WORKER,
      "seconds of silence after which a rank is lost" },
    { "wallet", "path", "", HERE,
      "the node's wallet (a JWK); empty: /etc/apus/wallet.json, else"
      " ~/.config/apus/wallet.json" },
    { "gateways", "text", "https://arweave.net https://permagate.io", HERE,
      "where to read from Arweave, in this order" },
    { "bundler", "text", "https://upload.ardrive.io", HERE,
      "who takes signed items and brings them to Arweave" },
    { "bundler-payment", "text", "https://payment.ardrive.io", HERE,
      "where its prices and our balance stand; empty: at the bundler" },
    { "bundler-key", "text", "", HERE,
      "address that must sign its receipts; empty: the one that it names the"
      " first time" },
    { "max-winc", "count 0..", "1000000000000", HERE,
      "most winston credits that one push may cost" },
    { "max-winc-day", "count 0..", "5000000000000", HERE,
      "most winston credits that a wallet may pay in a day (UTC)" },
    { "ledger", "path", "", HERE,
      "directory of the wallet's ledger of each day; empty: ledger beside the"
      " wallet" },
    { "publish", "full|hashes", "full", WORKER,
      "what apus push shows of a file's requests and answers" },
    { "confirmations", "count", "18", HERE,
      "of the transaction that holds an upload, until it is permanent" },
    { "queue", "text", "", HERE,
      "id of the process on AO that has the requests" },
    { "ao-network", "legacynet|hyperbeam", "hyperbeam", HERE,
      "how the queue is spoken to; legacynet takes no new processes" },
    { "ao-mu", "text", "https://mu.ao-testnet.xyz", HERE,
      "messenger unit (legacynet)" },
    { "ao-cu", "text", "https://cu.ao-testnet.xyz", HERE,
      "compute unit (legacynet)" },
    { "ao-su", "text", "https://su-router.ao-testnet.xyz", HERE,
      "scheduler unit (legacynet)" },
    { "ao-node", "text", "", HERE, "URL of a node (hyperbeam)" },
    { "ao-module", "text", "ISShJH1ij-hPPt9St5UFFr_8Ys3Kj5cyg7zrMGt7H9s", HERE,
      "module of a new queue: aos 2.0.4" },
    { "ao-scheduler", "text", "", HERE,
      "scheduler of a new queue; empty: the node, or legacynet's" },
    { "ao-authority", "text", "", HERE,
      "who a new queue trusts to speak for other processes; empty: the node,"
      " or legacynet's messenger" },
    { "lease", "count 600..86400", "21600", HERE,
      "seconds for which requests are pulled" },
    { "requests", "path", "~/.local/share/apus/requests", HERE,
      "directory of the requests that apus request has sent" },
    { "ao-timeout", "count 0..86400", "300", HERE,
      "seconds to wait for what a process says to a message" },
    { "pull-max", "count 1..100", "100", HERE,
      "most requests of one message, to 100" },
    { "pull-total", "count 1..1000000", "2000", HERE,
      "most requests of a batch from AO" },
    { "pull-size", "size", "16G", HERE,
      "largest file of requests that is taken from Arweave" },
    { "http-connect-timeout", "count 1..3600", "10", HERE,
      "seconds to connect" },
    { "http-stall-timeout", "count 1..86400", "30", HERE,
      "seconds without a byte until an exchange is given up" },
    { "http-timeout", "count 0..2592000", "3600", HERE,
      "seconds for one exchange; 0: as long as bytes come" },
    { "http-retries", "count 0..100", "5", HERE,
      "further attempts of an exchange" },
    { "log-level", "error|warning|info|debug", "info", WORKER,
      "level of the messages on standard error" },
    { "umask", "text", "077", WORKER,
      "mode bits that new files do not get, octal" },
    { NULL, NULL, NULL, false, NULL }
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

/* ---- signals ------------------------------------------------------------- */

static volatile sig_atomic_t interrupted;

static void note_signal(int number)
{
    interrupted = number;
}

void program_catch_signals(void)
{
    struct sigaction sa = { .sa_handler = note_signal };

    sa.sa_flags = (int)SA_RESETHAND;
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGHUP, &sa, NULL);
}

bool program_interrupted(void)
{
    return interrupted != 0;
}
