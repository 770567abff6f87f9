/*
 * src/localnet: the journal (records read back, a file cut at every length
 * and changed in every byte, a full disk, two at once), ranges, cases of
 * --hostile, the table of ids; an evaluation that runs out of instructions or
 * of memory, or ends its process, leaves the state as it was.
 */
#include <config.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/mem.h"
#include "localnet/evaluation.h"
#include "localnet/evaluator.h"
#include "localnet/faults.h"
#include "localnet/idmap.h"
#include "localnet/journal.h"
#include "localnet/range.h"
#include "localnet/vm.h"
#include "tests/tap.h"

/* ---- the journal --------------------------------------------------------- */

static const size_t sizes[] = { 0, 1, 100, 5 };
#define RECORDS (sizeof(sizes) / sizeof(sizes[0]))
static unsigned char bytes[200];

struct seen {
    size_t n;
    bool wrong;
};

static int see(void *self, const struct journal_record *r, struct err *err)
{
    struct seen *s = self;

    (void)err;
    if (s->n >= RECORDS || r->n != sizes[s->n] ||
        (size_t)r->type != s->n + 2 || memcmp(r->data, bytes, r->n) != 0)
        s->wrong = true;
    s->n++;
    return 0;
}

/* How many records a file has; -1 if it is refused. */
static int count(const char *path, bool *wrong, struct err *err)
{
    struct journal *j = NULL;
    struct seen s = { 0, false };

    if (journal_open(&j, path, see, &s, err))
        return -1;
    journal_close(j);
    *wrong = s.wrong;
    return (int)s.n;
}

static void overwrite(const char *path, const void *data, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    if (fd < 0 || write(fd, data, n) != (ssize_t)n || close(fd))
        abort();
}

static void make_journal(const char *path, struct buf *contents)
{
    struct err err = ERR_INIT;
    struct journal *j;
    struct seen s = { 0, false };
    bool good;

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(i * 7);
    good = journal_open(&j, path, see, &s, &err) == 0 && s.n == 0;
    for (size_t i = 0; i < RECORDS && good; i++)
        good = journal_put(j, (enum journal_type)(i + 2), bytes,
                           sizes[i] / 2, bytes + sizes[i] / 2,
                           sizes[i] - sizes[i] / 2, true, NULL, &err) == 0;
    ok(good, "a journal is written");
    ok(journal_open(&(struct journal *){ NULL }, path, see, &s, &err) &&
       err.code == ERR_INPUT && strstr(err.text, "in use"),
       "a second one is refused: %s", err.text);
    journal_close(j);
    buf_init(contents, 1 << 20);
    if (file_read(contents, path, &err))
        abort();
}

static void test_cuts(const char *path, const struct buf *all)
{
    struct err err = ERR_INIT;
    bool good = true, wrong = false;

    for (size_t n = 0; n <= all->len && good; n++) {
        size_t at = 8, whole = 0;

        while (whole < RECORDS && at + 16 + sizes[whole] <= n)
            at += 16 + sizes[whole++];
        overwrite(path, all->data, n);
        good = count(path, &wrong, &err) == (int)whole && !wrong;
        /* what was cut off is gone: the next record follows the last */
        good = good && count(path, &wrong, &err) == (int)whole && !wrong;
    }
    ok(good, "cut at every length it has what was whole");
}

static void test_damage(const char *path, struct buf *all)
{
    size_t last = all->len - 16 - sizes[RECORDS - 1];
    struct err err = ERR_INIT;
    bool good = true, wrong = false;

    for (size_t i = 0; i < last && good; i++) {
        int n;

        all->data[i] ^= 1;
        overwrite(path, all->data, all->len);
        n = count(path, &wrong, &err);
        /* a length may lead behind the end, as that of a torn record does */
        good = n < 0 || (n < (int)RECORDS && !wrong);
        all->data[i] ^= 1;
    }
    ok(good, "changed in every byte it is refused or ends there");
    overwrite(path, "APUSNET9", 8);
    ok(count(path, &wrong, &err) < 0 && strstr(err.text, "another version"),
       "another version: %s", err.text);
}

static void test_full_disk(const char *path, const struct buf *all)
{
    struct rlimit old, limit;
    struct err err = ERR_INIT;
    struct journal *j;
    struct seen s = { 0, false };
    bool good, wrong = true;

    overwrite(path, all->data, all->len);
    getrlimit(RLIMIT_FSIZE, &old);
    limit = old;
    signal(SIGXFSZ, SIG_IGN);
    good = journal_open(&j, path, see, &s, &err) == 0;
    limit.rlim_cur = all->len + 50;
    setrlimit(RLIMIT_FSIZE, &limit);
    good = good && journal_put(j, JOURNAL_ITEM, bytes, 100, NULL, 0, true,
                               NULL, &err) < 0 && err.code == ERR_FATAL;
    setrlimit(RLIMIT_FSIZE, &old);
    ok(good, "a full disk: %s", err.text);
    ok(journal_put(j, JOURNAL_ITEM, bytes, JOURNAL_MAX, bytes, 1, true, NULL,
                   &err) < 0, "too long: %s", err.text);
    journal_close(j);
    ok(count(path, &wrong, &err) == (int)RECORDS && !wrong,
       "the journal is as it was");
}

/* ---- the small ones ------------------------------------------------------ */

static void range(const char *text, uint64_t size, enum range want,
                  uint64_t want_at, uint64_t want_n)
{
    uint64_t at = 0, n = 0;
    enum range got = range_parse(text, size, &at, &n);

    ok(got == want && (got != RANGE_GOOD || (at == want_at && n == want_n)),
       "range %s of %u", text ? text : "(none)", (unsigned)size);
}

static void test_ranges(void)
{
    range(NULL, 10, RANGE_IGNORED, 0, 0);
    range("bytes=0-9", 10, RANGE_GOOD, 0, 10);
    range("bytes=3-3", 10, RANGE_GOOD, 3, 1);
    range("bytes=3-", 10, RANGE_GOOD, 3, 7);
    range("bytes=-3", 10, RANGE_GOOD, 7, 3);
    range("bytes=-30", 10, RANGE_GOOD, 0, 10);
    range("bytes=3-99", 10, RANGE_GOOD, 3, 7);
    range("bytes=10-", 10, RANGE_OUTSIDE, 0, 0);
    range("bytes=-0", 10, RANGE_OUTSIDE, 0, 0);
    range("bytes=0-0", 0, RANGE_OUTSIDE, 0, 0);
    range("bytes=5-3", 10, RANGE_OUTSIDE, 0, 0);
    range("bytes=1-2,4-5", 10, RANGE_IGNORED, 0, 0);
    range("bytes=-", 10, RANGE_IGNORED, 0, 0);
    range("bytes=a-b", 10, RANGE_IGNORED, 0, 0);
    range("bytes=18446744073709551616-", 10, RANGE_IGNORED, 0, 0);
    range("items=0-1", 10, RANGE_IGNORED, 0, 0);
}

static void test_faults(void)
{
    struct faults h = { .n = 0 };
    struct err err = ERR_INIT;
    char times[9] = "";

    ok(faults_add(&h, "short:2", &err) == 0 &&
       faults_add(&h, "cu/500:every-3", &err) == 0, "cases");
    for (int i = 0; i < 4; i++)
        times[i] = faults_now(&h, FAULTS_SHORT, UNIT_GATEWAY) ? 'x' : '.';
    for (int i = 4; i < 8; i++)
        times[i] = faults_now(&h, FAULTS_500, UNIT_CU) ? 'x' : '.';
    ok(strcmp(times, "xx....x.") == 0, "they happen when they should: %s",
       times);
    ok(!faults_now(&h, FAULTS_SHORT, UNIT_SECOND) &&
       !faults_now(&h, FAULTS_500, UNIT_MU), "and nowhere else");
    ok(faults_add(&h, "shorter", &err) && faults_add(&h, "x/short", &err) &&
       faults_add(&h, "short:0", &err) && faults_add(&h, "short:", &err) &&
       faults_add(&h, "short:every-x", &err) && faults_add(&h, "", &err),
       "what is not a case: %s", err.text);
}

static void test_idmap(void)
{
    struct id id = { 0 };
    struct idmap m;
    bool good = true;

    idmap_init(&m);
    ok(!idmap_get(&m, id), "nothing in an empty table");
    for (uint32_t i = 0; i < 5000; i++) {
        set_u32(id.b + 6, i);
        idmap_put(&m, id, bytes + i % 200);
    }
    for (uint32_t i = 0; i < 10000; i++) {
        set_u32(id.b + 6, i);
        good = good && idmap_get(&m, id) ==
                           (i < 5000 ? bytes + i % 200 : NULL);
    }
    ok(good && m.n == 5000, "5000 ids and no other");
    idmap_clear(&m, NULL);
}

/* ---- evaluators ---------------------------------------------------------- */

static struct evaluator *evaluator;
static struct buf reply;

/* An Eval by the owner; what was printed is in reply. */
static enum evaluator_end eval_lua(const char *lua, bool keep)
{
    static uint64_t nonce;
    const struct item_tag action = { "Action", "Eval", 6, 4 };
    const struct evaluation e = {
        .id = "process", .target = "process", .owner = "owner",
        .from = "owner", .anchor = "", .hash_chain = "", .tag = &action,
        .n_tags = 1, .data = lua, .n_data = strlen(lua), .nonce = nonce++,
        .timestamp_ms = 1, .height = 1, .process = "process",
        .process_owner = "owner", .module = "module"
    };
    struct err err = ERR_INIT;
    struct buf request;
    enum evaluator_end end;

    buf_init(&request, 1 << 20);
    evaluation_put(&request, &e);
    buf_reset(&reply);
    end = evaluator_eval(evaluator, request.data, request.len, keep, &reply,
                         &err);
    buf_clear(&request);
    return end;
}

static bool says(const char *lua, const char *what)
{
    return eval_lua(lua, false) == EVALUATOR_DONE &&
           strstr(reply.data + 4, what);
}

/* A file of so many bytes as its name says. */
static int find_file(void *self, const char *name, uint64_t now_ms,
                     struct vm_file *file, struct err *err)
{
    (void)self;
    (void)now_ms;
    if (strcmp(name, "none") == 0)
        return err_set(err, ERR_INPUT, "there is none");
    *file = (struct vm_file){ xstrdup("/dev/zero"), 0,
                              strtoull(name, NULL, 10) };
    return 0;
}

static void test_files(struct evaluators *c)
{
    struct err err = ERR_INIT;

    buf_init(&reply, EVALUATOR_REPLY_MAX);
    ok(evaluator_new(&evaluator, c, find_file, NULL, &err) == 0 &&
       eval_lua("E = require('apus.engine')"
                " function O(n) return select(2, E.open(n)) end", true) ==
           EVALUATOR_DONE, "an evaluator with files");
    ok(says("return O('none')", "there is none"), "none of this name");
    ok(says("return O('1000000000')", "a model of 1000000000 bytes: one"),
       "one that is too large");
    ok(says("return O('100')", "100\\\" is too short for a model"),
       "one that is too short, by its name");
    ok(says("return O('100000')", "it does not begin with apusmdl1"),
       "one that is no model");
    ok(says("return O(string.rep('0', 1 << 20))", "too short"),
       "a name without end");
    ok(eval_lua("local s = string.rep('[', 1 << 24) E.start(s)"
                " E.start(s) return O('1')", false) == EVALUATOR_FAILED &&
       strstr(reply.data + 4, "out of gas!"), "requests take gas, too");
    evaluator_free(evaluator);
    buf_clear(&reply);
}

static void test_evaluator(struct evaluators *c)
{
    struct err err = ERR_INIT;
    bool good = true;

    buf_init(&reply, EVALUATOR_REPLY_MAX);
    ok(evaluator_new(&evaluator, c, NULL, NULL, &err) == 0, "an evaluator");
    ok(eval_lua("N = 0", true) == EVALUATOR_DONE &&
       eval_lua("return 1", true) == EVALUATOR_DONE,
       "it evaluates");
    for (int i = 0; i < 100; i++) {
        good = good &&
               eval_lua("N = (N or 0) + 1 return N", true) == EVALUATOR_DONE;
        if (i % 7 == 3)
            good = good &&
                   eval_lua("N = 1000 error('no')", true) == EVALUATOR_FAILED;
        if (i % 11 == 3)
            good = good && eval_lua("N = 1000", false) == EVALUATOR_DONE;
    }
    ok(good && says("return 'N' .. N", "N100"),
       "failures and dry runs between a hundred leave no trace");
    ok(eval_lua("N = 0 string.rep('x', 1 << 30)", true) == EVALUATOR_FAILED &&
           strstr(reply.data + 4, "not enough memory"),
       "too much memory");
    ok(eval_lua("N = 0 local t = {} while true do"
                " t[#t + 1] = #t .. string.rep('x', 1 << 22) end",
                true) == EVALUATOR_FAILED,
       "too much, in pieces");
    ok(says("return 'N' .. N", "N100"), "the state is as it was");
    ok(eval_lua("return io", true) == EVALUATOR_DONE &&
           eval_lua("return os.execute", true) == EVALUATOR_DONE &&
           says("return tostring(io) .. tostring(os.execute) .. "
                "tostring(package.loadlib) .. tostring(debug.setmetatable)",
                "nilnilnilnil"),
       "nothing reaches out of it");
    ok(eval_lua("return load(string.dump(function() end))()", true) ==
           EVALUATOR_FAILED,
       "nor in as machine code");
    evaluator_free(evaluator);
    buf_clear(&reply);
}

static void test_gas(void)
{
    struct err err = ERR_INIT;
    const struct item_tag action = { "Action", "Eval", 6, 4 };
    struct evaluation e = {
        .id = "process", .target = "process", .owner = "owner",
        .from = "owner", .anchor = "", .hash_chain = "", .tag = &action,
        .n_tags = 1, .process = "process", .process_owner = "owner",
        .module = "module"
    };
    struct buf request, out;
    struct vm *vm;

    buf_init(&request, 1 << 20);
    buf_init(&out, 1 << 20);
    ok(vm_new(&vm, 5000000, VM_MEMORY, &err) == 0, "a state");
    e.data = "while true do pcall(function() while true do end end) end";
    e.n_data = strlen(e.data);
    evaluation_put(&request, &e);
    ok(vm_eval(vm, request.data, request.len, &out) == -1 &&
       strstr(out.data + 4, "out of gas!"), "too many instructions");
    ok(vm_eval(vm, "{", 1, &out) == -1 && vm_eval(vm, "", 0, &out) == -1 &&
       vm_eval(vm, "{\xff\xff\xff\xff", 5, &out) == -1,
       "an invalid request");
    vm_free(vm);
    buf_clear(&request);
    buf_clear(&out);
}

int main(void)
{
    struct evaluators *evaluators;
    struct err err = ERR_INIT;
    struct buf all;
    char *path;

    if (evaluators_new(&evaluators, &err))
        return 1;
    path = file_join(tap_tmp(), "journal");
    make_journal(path, &all);
    test_cuts(path, &all);
    test_damage(path, &all);
    test_full_disk(path, &all);
    test_ranges();
    test_faults();
    test_idmap();
    test_files(evaluators);
    test_evaluator(evaluators);
    test_gas();
    evaluators_free(evaluators);
    unlink(path);
    rmdir(tap_tmp());
    free(path);
    buf_clear(&all);
    return done();
}
