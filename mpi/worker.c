/*
 * apus-worker: the program that runs on every rank of a job.  Rank 0 takes a
 * batch from the spool, hands its requests out (dispatch.c), and seals what
 * came of them; every rank, 0 too, answers (rank.c).
 *
 * The way of a batch is the list of steps in run_batch.  The way of a request
 * is the loop of compute.c.
 */
#include <config.h>

#include <inttypes.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "backend/cuda/cuda.h"
#include "backend/cuda/library.h"
#include "backend/cuda/slice.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/plural.h"
#include "base/program.h"
#include "base/settings.h"
#include "commit.h"
#include "dispute/pretended.h"
#include "jobs/slurm_answer.h"
#include "mpi/checking.h"
#include "mpi/pick_batch.h"
#include "mpi/dispatch.h"
#include "mpi/comm.h"
#include "mpi/rank_group.h"
#include "mpi/local_share.h"
#include "mpi/member.h"
#include "mpi/planning.h"
#include "mpi/rank.h"
#include "mpi/ranks.h"
#include "mpi/tokenizing.h"
#include "mpi/run_log.h"
#include "spool/heartbeat.h"
#include "spool/spool.h"
#include "store/seal.h"

#define HELP_MAX (1u << 20)
#define MIN_PAUSE_NS 500000
/* Longer than a turn of the scheduler: Linux 6.18 was seen to give a core to
 * nobody else while a sleeper woke there more often than that. */
#define MAX_PAUSE_NS 4000000

struct worker_run {
    struct settings *settings;
    const char *check; /* a file of requests */
    bool json, strict; /* of it */
    struct tokenizing tokenizing;
    bool alone, outcome, plan, show, gpus, pretend;
    const char *model_path, *time_left, *fault_place;
    struct pretended fault;
    const char **names; /* of batches; none: all in todo */
    size_t n_names;

    struct comm *comm;
    struct rank_group *group; /* NULL: tp = 1 */
    struct rank_side *rank;   /* NULL: of a member that is not the first */
    struct ranks *ranks;  /* rank 0's, as all that follows */
    struct spool *spool;
    bool must_save;       /* by a signal or by the time limit */
    double begun;         /* by the monotonic clock, as: */
    double end;           /* when to save; 0: only when a signal comes */
    long pause_ns;        /* the next one, while nothing comes */
};

/* ---- signals ------------------------------------------------------------- */

static volatile sig_atomic_t got_signal;

static void on_signal(int number)
{
    got_signal = number;
}

/* A preemption, a time limit and a person all want the same: save.  This is
 * for the first instruction: what comes while MPI starts is not lost, nor what
 * came while whoever started this had signals blocked. */
static void catch_signals(void)
{
    static const int saves[] = { SIGUSR1, SIGUSR2, SIGTERM, SIGHUP };
    struct sigaction sa = { .sa_handler = on_signal,
                            .sa_flags = SA_RESTART };
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(saves) / sizeof(saves[0]); i++) {
        sigaction(saves[i], &sa, NULL);
        sigaddset(&set, saves[i]);
    }
    /* a second Ctrl-C ends it */
    sa.sa_flags = SA_RESTART | (int)SA_RESETHAND;
    sigaction(SIGINT, &sa, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* Whether to save.  The time limit is rank 0's to mind. */
static bool must_save(struct worker_run *w)
{
    if (w->must_save)
        return true;
    if (got_signal) {
        w->must_save = true;
        if (comm_rank(w->comm) != 0)
            rank_signalled(w->rank);
    } else if (w->end > 0 && comm_rank(w->comm) == 0 && clock_s() >= w->end) {
        w->must_save = true;
        log_info("the time limit is near: saving");
    }
    return w->must_save;
}

/* ---- the loop of every rank ---------------------------------------------- */

/* Twice as long as the last time, unless something came. */
static void rest(struct worker_run *w, bool any)
{
    const struct timespec pause = { .tv_nsec = w->pause_ns };

    if (!any)
        nanosleep(&pause, NULL);
    w->pause_ns = any || !w->pause_ns ? MIN_PAUSE_NS : 2 * w->pause_ns;
    if (w->pause_ns > MAX_PAUSE_NS)
        w->pause_ns = MAX_PAUSE_NS;
}

/* Take what has arrived and do what time asks for.  d is NULL but on rank 0
 * with a batch. */
static void turn(struct worker_run *w, struct dispatch *d)
{
    struct payload p;
    bool any = false;

    while (comm_poll(w->comm, &p)) {
        any = true;
        if (p.tag < TAG_READY)
            rank_take(w->rank, &p);
        else if (p.tag == TAG_HELLO && w->ranks)
            ranks_hello(w->ranks, &p);
        else if (d)
            dispatch_take(d, &p);
    }
    if (must_save(w) && d)
        dispatch_save(d);
    rank_tick(w->rank);
    if (d)
        dispatch_tick(d);
    rest(w, any);
}

/* A member of a group that is not its first. */
static int run_member(struct worker_run *w, const struct rank_options *o,
                      struct err *err)
{
    struct member *m;
    int status;

    if (member_new(&m, w->comm, w->group, o, err))
        return -1;
    while (!member_ends(m, got_signal != 0, &status))
        rest(w, false);
    member_free(m);
    return status;
}

static int follow(struct worker_run *w)
{
    int status;

    while (!rank_quits(w->rank, &status))
        turn(w, NULL);
    return status;
}

/* ---- a batch, on rank 0 -------------------------------------------------- */

/* Hand out, answer, record, seal: until there is nothing more to do. */
static int answer_batch(struct worker_run *w, const struct batch *b,
                        const struct batch_info *info,
                        struct heartbeat *heartbeat, uint32_t start,
                        enum dispatch_phase *end, struct err *err)
{
    struct dispatch_options o = {
        .batch_path = b->path, .info = info, .start = start,
        .heartbeat = heartbeat,
        .lost_s = (unsigned)settings_count(w->settings, "rank-timeout"),
        .part_size = settings_count(w->settings, "part-size"),
        .tp = (unsigned)settings_count(w->settings, "tp"),
    };
    struct dispatch *d;

    if (dispatch_new(&d, w->comm, w->ranks, &o, err))
        return -1;
    do
        turn(w, d);
    while ((*end = dispatch_phase(d)) < DISPATCH_DONE);
    dispatch_error(d, err);
    dispatch_free(d);
    return 0;
}

/* The checkpoint is there: the batch is done, its logs may go. */
static int finish_batch(struct worker_run *w, struct batch *b, struct err *err)
{
    if (spool_leave(w->spool, b, SPOOL_DONE, err) ||
        seal_tidy(b->path, err))
        return -1;
    log_info("batch %s is done: \"%s\"", id_text(b->id).s, b->path);
    return 0;
}

enum start_end {
    START_FAILED = -1,
    START_DONE, /* the batch has its checkpoint */
    START_SAVED
};

static enum start_end start_batch(struct worker_run *w, const struct batch *b,
                                  const struct batch_info *info,
                                  struct heartbeat *heartbeat,
                                  struct err *err)
{
    enum dispatch_phase end;
    uint32_t start;

    if (seal_is_done(b->path))
        return START_DONE;
    if (batch_new_start(b->path, &start, err))
        return START_FAILED;
    run_log_add(b->path, start, comm_size(w->comm),
                settings_text(w->settings, "kernel"));
    log_info("batch %s, start %" PRIu32 ", %" PRIu64 " request%s, %d"
             " rank%s",
             id_text(b->id).s, start, info->n_requests,
             plural_s(info->n_requests), comm_size(w->comm),
             plural_s((uint64_t)comm_size(w->comm)));
    if (answer_batch(w, b, info, heartbeat, start, &end, err))
        return START_FAILED;
    return end == DISPATCH_DONE ? START_DONE
           : end == DISPATCH_SAVED ? START_SAVED : START_FAILED;
}

static enum start_end go_on(struct worker_run *w, struct batch *b,
                            const struct batch_info *info, struct err *err)
{
    struct heartbeat heartbeat;
    enum start_end end;

    heartbeat_start(&heartbeat, b->path);
    end = start_batch(w, b, info, &heartbeat, err);
    heartbeat_stop(&heartbeat);
    if (end == START_DONE && finish_batch(w, b, err))
        return START_FAILED;
    return end;
}

/* Another time the disk may have room, the file system be there again. */
static int status_of(const struct err *err)
{
    return err->code == ERR_RETRY ? EXIT_SAVED : EXIT_FAILED;
}

/* Why a start failed, for apus status; nothing depends on it.  A batch that
 * was taken away is another's, which has not failed. */
static void note_error(const struct batch *b, bool claimed,
                       const struct err *failed)
{
    if (claimed && !owner_is_self(b->path))
        return;
    batch_file_write(b->path, "error", failed->text, strlen(failed->text),
                     NULL);
}

/* That was an earlier start. */
static void forget_error(const struct batch *b)
{
    char *path = file_join(b->path, "error");

    unlink(path);
    free(path);
}

/* The model is opened before the batch is claimed: without it the batch
 * stays where it is, and so it does if there is no time left by then.
 * *lost: another was faster. */
static int run_batch(struct worker_run *w, struct batch *b, bool *lost)
{
    struct batch_info info = { .n_requests = 0 };
    struct err err = ERR_INIT;
    bool claimed = false;
    enum start_end end = START_FAILED;
    int rc;

    *lost = false;
    rc = batch_info_read(&info, b->path, &err) ||
         rank_open_model(w->rank, info.model, &err) ? -1 : 0;
    if (rc == 0 && must_save(w)) {
        log_info("asked to save before the batch was started");
        batch_info_clear(&info);
        return EXIT_SAVED;
    }
    if (rc == 0) {
        enum taking taken = pick_batch_claim(w->spool, b, &err);

        *lost = taken == TAKING_LATE;
        claimed = taken == TAKING_DONE;
    }
    if (claimed) {
        forget_error(b);
        end = go_on(w, b, &info, &err);
    }
    batch_info_clear(&info);
    if (end == START_FAILED && !*lost)
        note_error(b, claimed, &err);
    if (end == START_FAILED) {
        /* what a rank told was reported when it came */
        if (strncmp(err.text, "rank ", 5) != 0)
            log_err(&err);
        return status_of(&err);
    }
    return end == START_SAVED ? EXIT_SAVED : EXIT_DONE;
}

static int run_named(struct worker_run *w, const char *name)
{
    struct err err = ERR_INIT;
    struct batch b = { .path = NULL };
    int status = EXIT_DONE;
    bool lost;
    enum found found = pick_batch_named(w->spool, name, &b, &err);

    if (found == FOUND_FAILED) {
        log_err(&err);
        status = status_of(&err);
    } else if (found == FOUND_ONE) {
        status = run_batch(w, &b, &lost);
    }
    batch_clear(&b);
    return status;
}

/* All of todo: 0, or 1 if some failed, or saved. */
static int run_all(struct worker_run *w)
{
    struct err err = ERR_INIT;
    int status = EXIT_DONE, worst = EXIT_DONE;
    enum found found;
    struct pick_batch_list list = { .todo = NULL };
    struct batch b;
    size_t n = 0;
    bool lost;

    while (!must_save(w) && status != EXIT_SAVED) {
        b.path = NULL;
        found = pick_batch_next(&list, w->spool, &b, &err);
        if (found == FOUND_FAILED)
            log_err(&err);
        if (found == FOUND_NONE && n == 0)
            log_info("nothing is to be done in \"%s\"",
                     settings_text(w->settings, "spool"));
        if (found != FOUND_ONE) {
            status = found == FOUND_FAILED ? status_of(&err) : worst;
            break;
        }
        /* one that cannot be begun shall not stop those behind it */
        status = run_batch(w, &b, &lost);
        batch_clear(&b);
        n++;
        if (lost)
            status = EXIT_DONE;
        if (status == EXIT_FAILED)
            worst = EXIT_FAILED;
    }
    if (w->must_save)
        status = EXIT_SAVED;
    pick_batch_list_clear(&list);
    return status;
}

static int lead(struct worker_run *w)
{
    int status = EXIT_DONE;

    if (w->n_names == 0)
        return run_all(w);
    for (size_t i = 0; i < w->n_names && status == EXIT_DONE; i++)
        status = must_save(w) ? EXIT_SAVED : run_named(w, w->names[i]);
    return status;
}

static void send_quit(struct worker_run *w, int status)
{
    struct buf b;

    buf_init(&b, 16);
    buf_put_u32(&b, (uint32_t)status);
    for (int i = 1; i < comm_size(w->comm); i++)
        comm_send(w->comm, i, TAG_QUIT, b.data, b.len);
    buf_clear(&b);
}

static int lead_all(struct worker_run *w)
{
    unsigned lost_s = (unsigned)settings_count(w->settings, "rank-timeout");
    struct err err = ERR_INIT;
    int status;

    w->ranks = ranks_new(comm_size(w->comm));
    comm_pulse(w->comm, TAG_PULSE, beat_s(lost_s), START_FACTOR * lost_s);
    if (spool_open_there(&w->spool, settings_text(w->settings, "spool"),
                         &err)) {
        log_err(&err);
        status = status_of(&err);
    } else {
        status = lead(w);
    }
    send_quit(w, status);
    spool_close(w->spool);
    ranks_free(w->ranks);
    return status;
}

/* ---- options ------------------------------------------------------------- */

static void fill_options(struct worker_run *w, struct rank_options *o)
{
    const struct settings *s = w->settings;
    int n = comm_size(w->comm);

    *o = (struct rank_options){
        .models = settings_text(s, "models"),
        .model_path = w->model_path,
        .kernel = settings_text(s, "kernel"),
        .threads = rank_threads(settings_count(s, "threads"), n),
        .max_sequences = settings_count(s, "batch"),
        .kv_bytes = settings_count(s, "kv-memory"),
        .memory = rank_memory(n),
        .share_gpu = strcmp(settings_text(s, "share-gpu"), "yes") == 0,
        .check_gpu = strcmp(settings_text(s, "check-gpu"), "yes") == 0,
        .gpu_graphs = strcmp(settings_text(s, "gpu-graphs"), "yes") == 0,
        .gpu_nccl = strcmp(settings_text(s, "gpu-nccl"), "no") != 0,
        .cuda_libs = settings_text(s, "cuda-libs"),
        .spool = settings_text(s, "spool"),
        .pretend = w->pretend,
        .fault = w->fault_place ? &w->fault : NULL,
        .sharers = local_ranks(n) / settings_count(s, "tp"),
        .group = w->group ? rank_group_view(w->group) : NULL,
        .reuse = strcmp(settings_text(s, "reuse"), "yes") == 0
                     ? settings_text(s, "spool") : NULL,
        .lost_s = (unsigned)settings_count(s, "rank-timeout"),
    };
    seal_settings(&o->seal, s);
}

/* When to save, if the job has a time limit. */
static int set_end(struct worker_run *w, struct err *err)
{
    uint64_t left;
    enum found found;

    if (!w->time_left)
        return 0;
    found = slurm_parse_time_left(&left, w->time_left, err);
    if (found == FOUND_FAILED)
        return err_prefix(err, "--time-left");
    if (found == FOUND_ONE)
        w->end = w->begun + (double)slurm_work_seconds(left);
    return 0;
}

/* Before anything that takes its time, or may end it. */
static void say_hello(const struct worker_run *w)
{
    char node[256];

    local_node(node, sizeof(node));
    if (comm_rank(w->comm) != 0)
        comm_send(w->comm, 0, TAG_HELLO, node, strlen(node));
}

/* All ranks do so, or none: they have the same settings. */
static int join_group(struct worker_run *w, unsigned lost_s, struct err *err)
{
    unsigned tp = (unsigned)settings_count(w->settings, "tp");

    if (tp <= 1)
        return 0;
    if (comm_size(w->comm) > 1 &&
        comm_second(w->comm, START_FACTOR * lost_s, err))
        return -1;
    return rank_group_new(&w->group, w->comm, tp, lost_s, err);
}

static int run_rank(struct worker_run *w)
{
    struct err err = ERR_INIT;
    struct rank_options o;
    int status;

    fill_options(w, &o);
    if (w->group && o.group->rank != 0) {
        status = run_member(w, &o, &err);
        if (status < 0)
            log_err(&err);
        status = status < 0 ? EXIT_FAILED : status;
    } else {
        w->rank = rank_new(w->comm, &o);
        status = comm_rank(w->comm) == 0 ? lead_all(w) : follow(w);
        rank_free(w->rank);
    }
    rank_group_free(w->group);
    return status;
}

static int work(struct worker_run *w)
{
    char name[32] = "apus-worker";
    struct err err = ERR_INIT;
    unsigned lost_s;
    int status;

    lost_s = (unsigned)settings_count(w->settings, "rank-timeout");
    slice_keep(local_rank()); /* before MPI, which may begin CUDA */
    library_settle();
    if (comm_open(&w->comm, w->alone, START_FACTOR * lost_s, lost_s,
                  EXIT_SAVED, &err)) {
        log_err(&err);
        return EXIT_FAILED;
    }
    catch_signals(); /* whatever MPI has made of them */
    if (!w->show)
        say_hello(w);
    if (comm_rank(w->comm) != 0)
        snprintf(name, sizeof(name), "apus-worker[%d]", comm_rank(w->comm));
    program_apply(w->settings, name, &err);
    if (w->show) {
        local_show(comm_rank(w->comm), comm_size(w->comm));
        status = EXIT_DONE;
    } else if (join_group(w, lost_s, &err)) {
        status = EXIT_FAILED;
        /* a number of ranks that is wrong is wrong for all */
        if (err.code != ERR_INPUT || comm_rank(w->comm) == 0)
            log_err(&err);
    } else {
        status = run_rank(w);
    }
    comm_close(w->comm, status);
    return status;
}

static int report_outcome(const struct worker_run *w)
{
    struct spool *spool = NULL;
    struct err err = ERR_INIT;
    enum outcome outcome = OUTCOME_UNKNOWN;

    if (spool_open_there(&spool, settings_text(w->settings, "spool"),
                         &err) == 0)
        outcome = pick_batch_outcome(spool, w->names, w->n_names,
                                     w->model_path ? NULL
                                         : settings_text(w->settings, "models"),
                                     &err);
    spool_close(spool);
    if (outcome == OUTCOME_MORE)
        planning_print_no_gpu(w->settings);
    /* why the last start was the last one: no worker will say it */
    if (outcome == OUTCOME_UNKNOWN || (outcome == OUTCOME_NOWHERE && err.code))
        log_err(&err);
    return outcome == OUTCOME_UNKNOWN ? EXIT_FAILED : (int)outcome;
}

static int show_gpus(const struct worker_run *w)
{
    struct buf text;

    buf_init(&text, HELP_MAX);
    cuda_look(&text, settings_text(w->settings, "cuda-libs"));
    fwrite(text.data, 1, text.len, stdout);
    buf_clear(&text);
    return EXIT_DONE;
}

static void print_version(void)
{
    printf("apus-worker %s (%s), %s\n", PACKAGE_VERSION, APUS_COMMIT,
#ifdef HAVE_MPI
           "MPI"
#else
           "one rank: built without MPI"
#endif
    );
}

/* Who starts this in the background says in APUS_LOG_JOB which job it is: its
 * log is read after days and many starts. */
static void stamp_log(void)
{
    const char *job = getenv("APUS_LOG_JOB");
    char words[160], node[64];

    if (!job || !*job)
        return;
    local_node(node, sizeof(node));
    if (strcmp(job, "local") == 0)
        snprintf(words, sizeof(words), "%s local:%ld", node, (long)getpid());
    else
        snprintf(words, sizeof(words), "%s %.63s", node, job);
    log_stamp(words);
}

static int check_requests(const struct worker_run *w)
{
    struct err err = ERR_INIT;
    int status;

    if (!w->model_path) {
        log_error("--check needs --model");
        return EXIT_MISUSED;
    }
    log_init("apus", LOG_LEVEL_INFO);
    status = checking(w->settings, w->model_path, w->check, w->json,
                      w->strict, &err);
    if (status < 0 && err.code == ERR_CLOSED) {
        signal(SIGPIPE, SIG_DFL);
        raise(SIGPIPE);
    } else if (status < 0) {
        log_err(&err);
    }
    return status < 0 ? EXIT_FAILED : status;
}

static int tokenize(struct worker_run *w)
{
    struct err err = ERR_INIT;

    w->tokenizing.model = w->model_path;
    if (!w->model_path == !w->tokenizing.tokenizer) {
        log_error("--tokenize needs --model or --tokenizer");
        return EXIT_MISUSED;
    }
    log_init("apus", LOG_LEVEL_INFO);
    if (tokenizing(&w->tokenizing, &err) == 0)
        return EXIT_DONE;
    if (err.code == ERR_CLOSED) {
        signal(SIGPIPE, SIG_DFL);
        raise(SIGPIPE);
    }
    log_err(&err);
    return EXIT_FAILED;
}

static int choose_task(struct worker_run *w)
{
    struct err err = ERR_INIT;

    if (w->gpus)
        return show_gpus(w);
    if (w->check)
        return check_requests(w);
    if (w->tokenizing.file)
        return tokenize(w);
    if (w->plan && planning(w->settings, w->model_path, w->names, w->n_names,
                            &err)) {
        log_err(&err);
        return EXIT_FAILED;
    }
    return w->plan ? EXIT_DONE : w->outcome ? report_outcome(w) : work(w);
}

static const struct opt worker_opts[] = {
    { 0, "alone", NULL, "one rank, without MPI",
      offsetof(struct worker_run, alone) },
    { 0, "outcome", NULL,
      "work on nothing; exit 0 if the batches are"
      " done, 75 if there is more to do, 1 if it got nowhere; with 75 print the"
      " hosts where no GPU could be used",
      offsetof(struct worker_run, outcome) },
    { 0, "plan", NULL,
      "work on nothing; print how many ranks a job starts"
      " for the batches, of which scontrol tells on standard input",
      offsetof(struct worker_run, plan) },
    { 0, "check", "FILE",
      "work on nothing; tell what a file of requests"
      " would ask for of --model (apus check)",
      offsetof(struct worker_run, check) },
    { 0, "json", NULL, "of --check: print objects",
      offsetof(struct worker_run, json) },
    { 0, "strict", NULL,
      "of --check: exit status 4 if any request would"
      " be refused",
      offsetof(struct worker_run, strict) },
    { 0, "tokenize", "FILE",
      "work on nothing; print the ids of a text"
      " (apus tokenize)",
      offsetof(struct worker_run, tokenizing.file) },
    { 0, "tokenizer", "FILE", "of --tokenize: in place of --model",
      offsetof(struct worker_run, tokenizing.tokenizer) },
    { 0, "chat", NULL, "of --tokenize: of messages",
      offsetof(struct worker_run, tokenizing.chat) },
    { 0, "decode", NULL, "of --tokenize: print the text of ids",
      offsetof(struct worker_run, tokenizing.decode) },
    { 0, "show-ranks", NULL, "work on nothing; print a line a rank",
      offsetof(struct worker_run, show) },
    { 0, "show-gpus", NULL, "work on nothing; print what there is of GPUs"
      " (apus doctor)", offsetof(struct worker_run, gpus) },
    { 0, "time-left", "TIME",
      "until the job is ended, DAYS-HH:MM:SS or"
      " seconds: save before",
      offsetof(struct worker_run, time_left) },
    { 0, "model", "FILE",
      "the model of these batches, if it is not in"
      " the store",
      offsetof(struct worker_run, model_path) },
    { 0, "pretend-engine", NULL, "for tests: answer with made-up tokens",
      offsetof(struct worker_run, pretend) },
    { 0, "pretend-fault", "PLACE", "for tests: commit to traces with a fault"
      " at POSITION/LAYER/ENTRY/INDEX",
      offsetof(struct worker_run, fault_place) },
    { .name = NULL }
};

static const struct opt_command worker_command = {
    .name = "apus-worker",
    .synopsis = "[--alone] [--outcome] [BATCH ...]",
    .about = "Answer the batches named, else all that are in todo, the"
             " oldest first.\nOn SIGUSR1, SIGUSR2, SIGTERM and SIGHUP it"
             " saves and leaves with 75: run it\nagain.",
    .opts = worker_opts, .max_args = SIZE_MAX,
};

static int parse_and_work(struct worker_run *w, int argc, char **argv)
{
    struct err err = ERR_INIT;
    struct buf text;
    bool help = false;

    if (opt_parse(&worker_command, w->settings, argc, argv, w, w->names,
                  &w->n_names, &help, &err) ||
        set_end(w, &err) ||
        (w->fault_place && pretended_init(&w->fault, w->fault_place, &err)) ||
        program_apply(w->settings, "apus-worker", &err)) {
        log_err(&err);
        return EXIT_MISUSED;
    }
    if (help) {
        buf_init(&text, HELP_MAX);
        opt_help(&worker_command, w->settings, &text);
        fwrite(text.data, 1, text.len, stdout);
        buf_clear(&text);
        return EXIT_DONE;
    }
    return choose_task(w);
}

int main(int argc, char **argv)
{
    struct worker_run w = { .settings = NULL };
    struct err err = ERR_INIT;
    int status;

    catch_signals();
    w.begun = clock_s();
    mem_give_back();
    log_init("apus-worker", LOG_LEVEL_INFO);
    stamp_log();
    umask(077);
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        print_version();
        return EXIT_DONE;
    }
    if (settings_new(&w.settings, program_settings, &err)) {
        log_err(&err);
        return EXIT_MISUSED;
    }
    w.names = xcalloc((size_t)argc, sizeof(*w.names));
    status = parse_and_work(&w, argc, argv);
    free(w.names);
    settings_free(w.settings);
    return status;
}
