/*
 * src/push/ledger and ledger_day: what was asked and what was paid, in any
 * order, again and again, with lines cut off at any byte; ceilings; several
 * processes and several spools at once.
 */
#include <config.h>

#include <inttypes.h>
#include <time.h>

#include "base/buf.h"
#include "base/id.h"
#include "base/program.h"
#include "base/settings.h"
#include "push/ledger.h"
#include "push/ledger_day.h"
#include "tests/spool_util.h"

#define ALL UINT64_MAX

static struct err err;

static uint64_t sum(const char *path)
{
    uint64_t winc = 1;

    err = (struct err)ERR_INIT;
    return ledger_sum(path, &winc, &err) ? ALL - 1 : winc;
}

static enum ledger_end ask(const char *path, char item, uint64_t price,
                           uint64_t most)
{
    struct id id;
    uint64_t was;

    memset(id.b, item, 32);
    err = (struct err)ERR_INIT;
    return ledger_ask(path, id, price, most, &was, &err);
}

static int paid(const char *path, char item, uint64_t winc)
{
    struct id id;

    memset(id.b, item, 32);
    return ledger_paid(path, id, winc, &err);
}

static void test_amounts(void)
{
    const char *path = at("a.jsonl");

    ok(sum(path) == 0, "a file that is not there: nothing");
    ok(ask(path, 'a', 10, ALL) == LEDGER_NOTED && sum(path) == 10,
       "a price counts");
    ok(ask(path, 'a', 12, ALL) == LEDGER_NOTED && sum(path) == 12,
       "asked again: the last price");
    ok(paid(path, 'a', 7) == 0 && sum(path) == 7, "what was paid");
    ok(ask(path, 'a', 5, ALL) == LEDGER_NOTED && sum(path) == 12,
       "handed over again: both");
    ok(paid(path, 'a', 0) == 0 && sum(path) == 7, "nothing for the second");
    ok(paid(path, 'b', 3) == 0 && sum(path) == 10,
       "paid without being asked");
    ok(ask(path, 'c', ALL, ALL) == LEDGER_OVER && sum(path) == 10,
       "no overflow");
    ok(ask(path, 'c', ALL - 10, ALL) == LEDGER_NOTED && sum(path) == ALL,
       "the largest sum");
}

static void test_ceiling(void)
{
    const char *path = at("b.jsonl");
    uint64_t was = 0;
    struct id id = { "x" };

    ok(ask(path, 'a', 10, 9) == LEDGER_OVER && !file_exists(path),
       "over the ceiling: nothing is put down");
    ok(ask(path, 'a', 10, 10) == LEDGER_NOTED, "up to it");
    ok(ask(path, 'b', 1, 10) == LEDGER_OVER && sum(path) == 10,
       "and not one more");
    ok(ask(path, 'a', 10, 10) == LEDGER_NOTED && sum(path) == 10,
       "the same item is not a second one");
    ok(ledger_ask(path, id, 5, 12, &was, &err) == LEDGER_OVER && was == 10,
       "what it comes to is reported");
    ok(ask(path, 'b', 0, 10) == LEDGER_NOTED, "nothing may always be asked");
}

/* Whole lines count, half ones do not, and what comes behind does. */
static void test_torn(void)
{
    const char *path = at("c.jsonl");
    struct err e = ERR_INIT;
    bool good = true;
    struct buf b;

    ask(path, 'a', 10, ALL);
    ask(path, 'b', 20, ALL);
    buf_init(&b, 1u << 16);
    if (file_read(&b, path, &e))
        good = false;
    for (size_t n = 0; good && n <= b.len; n++) {
        uint64_t want = n < b.len / 2 - 1 ? 0 : n < b.len - 1 ? 10 : 30;

        if (file_write(path, b.data, n, &e) || sum(path) != want)
            good = false;
        if (ask(path, 'c', 1, ALL) != LEDGER_NOTED || sum(path) != want + 1)
            good = false;
        if (!good)
            printf("# cut at %zu: %" PRIu64 "\n", n, sum(path));
    }
    ok(good, "cut off at each byte");
    buf_clear(&b);
}

/* Ten at once with room for three. */
static void test_race(void)
{
    const char *path = at("d.jsonl");
    int won = 0, status;

    for (int i = 0; i < 10; i++) {
        pid_t child = fork();

        if (child == 0)
            _exit(ask(path, (char)('a' + i), 10, 30) == LEDGER_NOTED ? 0 : 1);
    }
    while (wait(&status) > 0)
        won += WIFEXITED(status) && WEXITSTATUS(status) == 0;
    ok(won <= 3 && sum(path) == (uint64_t)won * 10,
       "ten at once never go over (%d had room)", won);
}

/* ---- the ledger of a day ------------------------------------------------- */

static struct settings *settings_with(const char *wallet, const char *ledger)
{
    struct settings *s;

    if (settings_new(&s, program_settings, &err) ||
        settings_set(s, "wallet", wallet, &err) ||
        settings_set(s, "ledger", ledger, &err))
        abort();
    return s;
}

/* Put `price` down for an item under a ceiling; *was. */
static enum ledger_end day_ask(const struct settings *s, const char *spool,
                               char item, uint64_t price, uint64_t most,
                               uint64_t *was)
{
    static const struct id address = { "wallet" };
    struct ledger_day *d;
    struct id id;
    enum ledger_end end;

    memset(id.b, item, 32);
    err = (struct err)ERR_INIT;
    if (ledger_day_open(&d, s, spool, address, &err))
        return LEDGER_FAILED;
    end = ledger_day_ask(d, id, price, most, was, &err);
    ledger_day_close(d);
    return end;
}

static void test_day(void)
{
    struct settings *s, *set;
    const char *one = at("one"), *two = at("two"), *link = at("link.json");
    const char *wallet = at("w/wallet.json");
    char *place;
    uint64_t was = 0;
    bool in_spool;
    int won = 0, status;

    if (file_mkdirs(at("w"), &err) || file_mkdirs(one, &err) ||
        file_mkdirs(two, &err) || file_write(wallet, "x", 1, &err) ||
        symlink("w/wallet.json", link))
        abort();
    s = settings_with(wallet, "");
    set = settings_with(link, "");
    ok(ledger_dir(&place, &in_spool, s, one, false, &err) == 0 && !in_spool &&
       strcmp(place, at("w/ledger")) == 0 && !file_exists(place),
       "beside the wallet; looking makes nothing");
    free(place);
    ok(day_ask(s, one, 'a', 10, 15, &was) == LEDGER_NOTED &&
       day_ask(set, two, 'b', 10, 15, &was) == LEDGER_OVER && was == 10,
       "two spools share it, by whatever link the wallet is named");
    for (int i = 0; i < 10; i++)
        if (fork() == 0)
            _exit(day_ask(i % 2 ? s : set, i % 2 ? one : two, (char)('c' + i),
                          10, 40, &was) == LEDGER_NOTED ? 0 : 1);
    while (wait(&status) > 0)
        won += WIFEXITED(status) && WEXITSTATUS(status) == 0;
    ok(won == 3, "ten at once with room for three: %d", won);
    settings_free(set);
    set = settings_with(wallet, at("set"));
    ok(day_ask(set, one, 'a', 10, 15, &was) == LEDGER_NOTED && was == 0 &&
       file_is_dir(at("set")), "the setting names another place");
    settings_free(set);
    settings_free(s);
}

/* The ledger that earlier versions kept in the spool. */
static void test_day_before(void)
{
    struct settings *s = settings_with(at("w/wallet.json"), at("new"));
    time_t now = time(NULL);
    char date[16], *path;
    uint64_t was = 0;
    struct tm tm;

    gmtime_r(&now, &tm);
    strftime(date, sizeof(date), "%Y-%m-%d", &tm);
    path = xasprintf("%s/ledger/%s.jsonl", at("old"), date);
    ok(file_mkdirs(at("old/ledger"), &err) == 0 &&
       ask(path, 'z', 30, ALL) == LEDGER_NOTED &&
       day_ask(s, at("old"), 'a', 10, 35, &was) == LEDGER_OVER && was == 30 &&
       day_ask(s, at("old"), 'a', 5, 35, &was) == LEDGER_NOTED,
       "what an earlier version paid today counts");
    free(path);
    settings_free(s);
}

int main(void)
{
    test_amounts();
    test_ceiling();
    test_torn();
    test_race();
    test_day();
    test_day_before();
    all_remove();
    return done();
}
