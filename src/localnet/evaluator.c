/*
 * Three kinds of processes.  The maker (forked once, before there are
 * threads) forks an evaluator for each socket that it is sent.  An evaluator is
 * a sleeper, which has a state and waits for its child, and that child, the
 * worker, which evaluates.  On the socket: one byte what ('E' evaluate, 'D'
 * dry run, 'S' snapshot), u32 n, n bytes; back one byte ('k' good, 'e'
 * failed), u32 n, n bytes.  Before that the worker may ask for a file ('F': the
 * time u64, the name); it is told where it is ('f': at u64, n u64, the path) or
 * why there is none ('n': a text).
 */
#include <config.h>

#include "localnet/evaluator.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"
#include "localnet/vm.h"

#define SNAP_EVERY 32
#define EVAL_CPU_S 120 /* of processor time, where instructions do not tell */
#define LEFT 0         /* exit status: nobody is there any more */
#define REDO 3         /* .. the sleeper is to fork again */
#define FILE_MAX ((size_t)64 << 10)
#define REQUEST_MAX ((size_t)8 << 20)

struct evaluators {
    int fd; /* to the maker */
};

struct evaluator {
    int fd;
    vm_find_fn *find;
    void *self;
    struct buf *since; /* requests since the last snapshot */
    size_t n_since;
};

/* ---- bytes through sockets ----------------------------------------------- */

static int get_all(int fd, void *out, size_t n)
{
    char *p = out;

    while (n > 0) {
        ssize_t got = read(fd, p, n);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return -1;
        p += got;
        n -= (size_t)got;
    }
    return 0;
}

static int put_all(int fd, const void *data, size_t n)
{
    const char *p = data;

    while (n > 0) {
        ssize_t put = send(fd, p, n, MSG_NOSIGNAL);

        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return -1;
        p += put;
        n -= (size_t)put;
    }
    return 0;
}

static int put_frame(int fd, char what, const void *data, size_t n)
{
    unsigned char head[5] = { (unsigned char)what };

    set_u32(head + 1, (uint32_t)n);
    return put_all(fd, head, 5) || put_all(fd, data, n) ? -1 : 0;
}

/* b is emptied first. */
static int get_frame(int fd, char *what, struct buf *b)
{
    unsigned char head[5];
    size_t n;

    buf_reset(b);
    if (get_all(fd, head, 5))
        return -1;
    *what = (char)head[0];
    n = get_u32(head + 1);
    if (buf_reserve(b, n, "frame", NULL) || get_all(fd, b->data, n))
        return -1;
    b->len = n;
    return 0;
}

/* ---- the evaluator ------------------------------------------------------- */

/* The file that the process calls so; self is the socket. */
static int ask_file(void *self, const char *name, uint64_t now_ms,
                    struct vm_file *file, struct err *err)
{
    int fd = *(int *)self;
    struct buf b;
    char said;
    int rc = 0;

    buf_init(&b, FILE_MAX);
    buf_put_u64(&b, now_ms);
    buf_put(&b, name, strnlen(name, FILE_MAX / 2));
    if (put_frame(fd, 'F', b.data, b.len) || get_frame(fd, &said, &b))
        _exit(LEFT);
    if (said == 'f' && b.len > 16)
        *file = (struct vm_file){ xstrndup(b.data + 16, b.len - 16),
                                  get_u64(b.data), get_u64(b.data + 8) };
    else
        rc = err_set(err, ERR_INPUT, "%.*s", (int)b.len, b.data);
    buf_clear(&b);
    return rc;
}

static void limit_time(void)
{
    const struct itimerval limit = { .it_value = { EVAL_CPU_S, 0 } };

    setitimer(ITIMER_PROF, &limit, NULL); /* its signal ends the process */
}

static void say_crashed(int fd)
{
    struct buf reply;

    buf_init(&reply, EVALUATOR_REPLY_MAX);
    vm_put_failure(&reply, "the evaluation took too long, or broke its"
                   " evaluator");
    put_frame(fd, 'e', reply.data, reply.len);
    buf_clear(&reply);
}

/* Evaluate and answer: whether it failed. */
static bool answer_request(struct vm *vm, int fd, const struct buf *request)
{
    struct buf reply;
    bool failed;

    buf_init(&reply, EVALUATOR_REPLY_MAX);
    limit_time();
    failed = vm_eval(vm, request->data, request->len, &reply) != 0;
    if (put_frame(fd, failed ? 'e' : 'k', reply.data, reply.len))
        _exit(LEFT);
    buf_clear(&reply);
    return failed;
}

static void dry_run(struct vm *vm, int fd, const struct buf *request)
{
    pid_t child = fork();
    int status = -1;

    if (child == 0) {
        answer_request(vm, fd, request);
        _exit(LEFT);
    }
    if (child > 0)
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            continue;
    if (child < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != LEFT)
        say_crashed(fd);
}

/* The worker; returns when it is to be the sleeper. */
static void work(struct vm *vm, int fd)
{
    struct buf request;
    char what;

    buf_init(&request, REQUEST_MAX);
    for (;;) {
        if (get_frame(fd, &what, &request))
            _exit(LEFT);
        if (what == 'f' || what == 'n') {
            continue; /* to one that died when it had asked */
        } else if (what == 'D') {
            dry_run(vm, fd, &request);
        } else if (what == 'S') {
            put_frame(fd, 'k', "", 0);
            break;
        } else if (answer_request(vm, fd, &request)) {
            _exit(REDO);
        }
    }
    buf_clear(&request);
}

/* A worker that became the sleeper ends the old one, its parent, which only
 * waits for it.  The maker is never the parent of a worker. */
static void compute_messages(int fd)
{
    struct err err = ERR_INIT;
    struct vm *vm;

    signal(SIGCHLD, SIG_DFL);
    if (vm_new(&vm, VM_INSTRUCTIONS, VM_MEMORY, &err))
        _exit(1);
    vm_files(vm, ask_file, &fd);
    for (;;) {
        pid_t child = fork();
        int status = 0;

        if (child == 0) {
            work(vm, fd);
            kill(getppid(), SIGKILL);
            continue;
        }
        if (child < 0)
            _exit(1);
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            continue;
        if (WIFEXITED(status) && WEXITSTATUS(status) == LEFT)
            _exit(0);
        /* also one that had no memory: base/mem.h ends it */
        if (!WIFEXITED(status) || WEXITSTATUS(status) != REDO)
            say_crashed(fd);
    }
}

/* ---- the maker ----------------------------------------------------------- */

static int receive_fd(int from)
{
    char byte, space[CMSG_SPACE(sizeof(int))];
    struct iovec piece = { &byte, 1 };
    struct msghdr m = { .msg_iov = &piece, .msg_iovlen = 1,
                        .msg_control = space,
                        .msg_controllen = sizeof(space) };
    struct cmsghdr *c;
    ssize_t n;
    int fd = -1;

    do
        n = recvmsg(from, &m, 0);
    while (n < 0 && errno == EINTR);
    c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
    if (c && c->cmsg_type == SCM_RIGHTS)
        memcpy(&fd, CMSG_DATA(c), sizeof(fd));
    return fd;
}

static int send_fd(int to, int fd)
{
    char byte = 0, space[CMSG_SPACE(sizeof(int))] = { 0 };
    struct iovec piece = { &byte, 1 };
    struct msghdr m = { .msg_iov = &piece, .msg_iovlen = 1,
                        .msg_control = space,
                        .msg_controllen = sizeof(space) };
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(fd));
    memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    return sendmsg(to, &m, MSG_NOSIGNAL) == 1 ? 0 : -1;
}

/* Runs until the other end is gone, whatever signals the terminal sends. */
static void make_evaluators(int from)
{
    int null = open("/dev/null", O_RDWR), fd;

    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    /* its children need nobody to wait for them, nor do theirs */
    signal(SIGCHLD, SIG_IGN);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    dup2(null, 0);
    dup2(null, 1);
    while ((fd = receive_fd(from)) >= 0) {
        if (fork() == 0) {
            close(from);
            compute_messages(fd);
        }
        close(fd);
    }
    _exit(0);
}

int evaluators_new(struct evaluators **out, struct err *err)
{
    int fds[2];
    pid_t maker;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
        return err_errno(err, ERR_FATAL, "cannot make a socket");
    maker = fork();
    if (maker == 0) {
        close(fds[0]);
        make_evaluators(fds[1]);
    }
    close(fds[1]);
    if (maker < 0) {
        close(fds[0]);
        return err_errno(err, ERR_FATAL, "cannot fork");
    }
    *out = xcalloc(1, sizeof(**out));
    (*out)->fd = fds[0];
    return 0;
}

void evaluators_free(struct evaluators *c)
{
    if (!c)
        return;
    close(c->fd);
    free(c);
}

/* ---- from our side ------------------------------------------------------- */

int evaluator_new(struct evaluator **out, struct evaluators *c,
                  vm_find_fn *find, void *self, struct err *err)
{
    int fds[2], rc;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
        return err_errno(err, ERR_FATAL, "cannot make a socket");
    rc = send_fd(c->fd, fds[1]);
    close(fds[1]);
    if (rc) {
        close(fds[0]);
        return err_set(err, ERR_FATAL, "the maker of evaluators is gone");
    }
    *out = xcalloc(1, sizeof(**out));
    (*out)->fd = fds[0];
    (*out)->find = find;
    (*out)->self = self;
    (*out)->since = xcalloc(SNAP_EVERY, sizeof(struct buf));
    return 0;
}

static void forget(struct evaluator *c)
{
    for (size_t i = 0; i < c->n_since; i++)
        buf_clear(&c->since[i]);
    c->n_since = 0;
}

void evaluator_free(struct evaluator *c)
{
    if (!c)
        return;
    forget(c);
    free(c->since);
    close(c->fd);
    free(c);
}

void evaluator_stop(struct evaluator *c)
{
    shutdown(c->fd, SHUT_RDWR);
}

/* Tell where the file is that was asked for. */
static int answer_file(struct evaluator *c, const struct buf *asked)
{
    struct vm_file f = { NULL, 0, 0 };
    struct err why = ERR_INIT;
    struct buf b;
    char *name;
    int rc;

    if (asked->len < 8)
        return -1;
    name = xstrndup(asked->data + 8, asked->len - 8);
    rc = c->find ? c->find(c->self, name, get_u64(asked->data), &f, &why)
                 : err_set(&why, ERR_INPUT, "there are no files here");
    buf_init(&b, FILE_MAX);
    if (rc == 0) {
        buf_put_u64(&b, f.at);
        buf_put_u64(&b, f.n);
    }
    buf_puts(&b, rc == 0 ? f.path : why.text);
    rc = put_frame(c->fd, rc == 0 ? 'f' : 'n', b.data, b.len);
    buf_clear(&b);
    free(f.path);
    free(name);
    return rc;
}

static int call(struct evaluator *c, char what, const void *request, size_t n,
                char *said, struct buf *reply, struct err *err)
{
    bool there = put_frame(c->fd, what, request, n) == 0;

    while (there) {
        if (get_frame(c->fd, said, reply))
            break;
        if (*said != 'F')
            return 0;
        there = answer_file(c, reply) == 0;
    }
    return err_set(err, ERR_FATAL, "an evaluator of localnet is gone");
}

/* The old state plus what was evaluated since. */
static int redo(struct evaluator *c, struct err *err)
{
    struct buf reply;
    int rc = 0;
    char said;

    buf_init(&reply, EVALUATOR_REPLY_MAX);
    for (size_t i = 0; i < c->n_since && rc == 0; i++) {
        rc = call(c, 'E', c->since[i].data, c->since[i].len, &said, &reply,
                  err);
        if (rc == 0 && said != 'k')
            rc = err_set(err, ERR_FATAL, "an evaluator of localnet gave another"
                         " result the second time");
    }
    buf_clear(&reply);
    return rc;
}

/* Remember it, or have the evaluator keep its state. */
static int kept(struct evaluator *c, const void *request, size_t n,
                struct err *err)
{
    struct buf reply, *b;
    int rc;
    char said;

    if (c->n_since + 1 < SNAP_EVERY) {
        b = &c->since[c->n_since++];
        buf_init(b, REQUEST_MAX);
        buf_put(b, request, n);
        return 0;
    }
    buf_init(&reply, EVALUATOR_REPLY_MAX);
    rc = call(c, 'S', "", 0, &said, &reply, err);
    buf_clear(&reply);
    if (rc == 0)
        forget(c);
    return rc;
}

enum evaluator_end evaluator_eval(struct evaluator *c, const void *request,
                                  size_t n, bool keep, struct buf *reply,
                                  struct err *err)
{
    char said;

    if (call(c, keep ? 'E' : 'D', request, n, &said, reply, err))
        return EVALUATOR_GONE;
    if (said == 'k')
        return keep && kept(c, request, n, err) ? EVALUATOR_GONE
                                                : EVALUATOR_DONE;
    return keep && redo(c, err) ? EVALUATOR_GONE : EVALUATOR_FAILED;
}
