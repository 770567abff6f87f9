/*
 * mpi/queue: the order of work, what is done already, what comes back from a
 * rank that is lost, what runs alone and when that ends.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "mpi/queue.h"
#include "store/resume.h"
#include "store/scan.h"
#include "tests/tap.h"

#define LINES 6

/* A batch of six lines; the queue borrows both. */
static struct scan_line line[LINES];
static struct resume_line state[LINES];
static struct scan scan = { line, LINES, LINES };
static struct resume resume = { .line = state, .n = LINES };

static void reset(void)
{
    memset(state, 0, sizeof(state));
    for (uint32_t i = 0; i < LINES; i++)
        line[i] = (struct scan_line){
            .at = 100 * i, .n = 10, .max_tokens = 5, .n_choices = 1
        };
}

static struct queue *queue_of(void)
{
    struct err err = ERR_INIT;
    struct queue *q = NULL;

    if (queue_new(&q, &scan, &resume, &err)) {
        printf("# %s\n", err.text);
        exit(1);
    }
    return q;
}

/* What is taken with others, as a text: "3 0 1". */
static const char *taken(struct queue *q, size_t max)
{
    static char text[64];
    struct work w[LINES];
    size_t n = queue_take(q, w, max), len = 0;

    text[0] = '\0';
    for (size_t i = 0; i < n; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%u%s",
                                i ? " " : "", (unsigned)w[i].line,
                                w[i].kind == WORK_WITH_OTHERS ? "" : "!");
    return text;
}

static bool is(const char *a, const char *b)
{
    if (strcmp(a, b) != 0)
        printf("# \"%s\" and not \"%s\"\n", a, b);
    return strcmp(a, b) == 0;
}

static void test_order(void)
{
    struct queue *q;
    struct work w;

    reset();
    line[1].max_tokens = 7;
    line[2].n = 30;
    line[3].max_tokens = UINT32_MAX;
    line[4].max_tokens = 7;
    line[4].n = 11;
    q = queue_of();
    ok(queue_waiting(q) == LINES && queue_waiting_alone(q) == 0,
       "six lines wait");
    ok(is(taken(q, 2), "3 4"), "most tokens first, then the longest");
    ok(is(taken(q, 3), "1 2 0"), "equal ones as they are in the file");
    ok(queue_waiting(q) == 1 && is(taken(q, LINES), "5") &&
           is(taken(q, LINES), ""), "and none twice");
    ok(!queue_take_alone(q, &w), "none runs alone");
    queue_free(q);
    queue_free(NULL);
}

static void test_work(void)
{
    struct queue *q;
    struct work w;

    reset();
    line[0].n_choices = 3;
    state[0].done = 2;
    for (uint32_t i = 1; i < LINES; i++)
        state[i].done = 1;
    q = queue_of();
    ok(queue_take(q, &w, 1) == 1 && w.line == 0 && w.n == 10 && w.at == 0 &&
           w.skip == 2 && w.kind == WORK_WITH_OTHERS,
       "of a line with some of its choices done these are skipped");
    ok(queue_take(q, &w, 1) == 0, "what is done is not handed out");
    queue_free(q);
}

static void test_done(void)
{
    struct queue *q;

    reset();
    q = queue_of();
    line[0].n_choices = 2;
    ok(!queue_line_done(q, 0), "nothing is done");
    state[0].done = 1;
    ok(!queue_line_done(q, 0), "one choice of two");
    state[0].done = 3;
    ok(queue_line_done(q, 0), "both");
    state[1].given_up = true;
    ok(queue_line_done(q, 1), "what was given up is done");
    state[2].done = 0x81;
    ok(queue_line_done(q, 2), "an unrequested choice does not matter");
    queue_free(q);
}

static void test_back(void)
{
    struct queue *q;

    reset();
    q = queue_of();
    taken(q, 4);
    queue_put_back(q, 1);
    queue_put_back(q, 2);
    state[3].done = 1;
    queue_put_back(q, 3);
    ok(queue_waiting(q) == 4, "what is done does not come back");
    ok(is(taken(q, 3), "2 1 4"), "what came back goes first");
    queue_put_back(q, 4);
    ok(is(taken(q, LINES), "4 5"), "and can come back again");
    queue_free(q);
}

/* A rank that was lost and woke up finishes what waits here again. */
static void test_done_meanwhile(void)
{
    struct queue *q;
    struct work w;

    reset();
    state[5].dead = RESUME_DEATHS;
    state[4].dead = RESUME_DEATHS;
    q = queue_of();
    taken(q, 2);
    queue_put_back(q, 0);
    queue_put_back(q, 1);
    state[0].done = 1;
    state[2].done = 1;
    ok(is(taken(q, LINES), "1 3"), "a line that is done by now is left out");
    state[5].given_up = true;
    ok(queue_take_alone(q, &w) && w.line == 4,
       "also of those that run alone");
    ok(!queue_take_alone(q, &w), "and that was all");
    queue_free(q);
}

static void test_alone(void)
{
    struct queue *q;
    struct work w;

    reset();
    for (uint32_t i = 1; i < LINES; i++)
        state[i].done = 1;
    state[0].dead = RESUME_DEATHS - 1;
    q = queue_of();
    ok(queue_waiting(q) == 1 && is(taken(q, 1), "0"),
       "one death: still with others");
    state[0].dead++;
    queue_put_back(q, 0);
    ok(queue_waiting(q) == 0 && queue_waiting_alone(q) == 1 &&
           is(taken(q, 1), ""), "two: it does not run with others");
    ok(queue_take_alone(q, &w) && w.line == 0 && w.kind == WORK_ALONE,
       "but alone");
    for (int i = 0; i < RESUME_DEATHS_ALONE - 1; i++) {
        state[0].alone++;
        queue_put_back(q, 0);
        ok(queue_take_alone(q, &w) && w.kind == WORK_ALONE,
           "%d deaths alone: once more", i + 1);
    }
    state[0].alone++;
    queue_put_back(q, 0);
    ok(queue_take_alone(q, &w) && w.kind == WORK_GIVE_UP,
       "the third: it is to be given up");
    state[0].given_up = true;
    queue_put_back(q, 0);
    ok(!queue_take_alone(q, &w), "given up: nothing is left");
    queue_free(q);
    state[0].given_up = false;
    q = queue_of();
    ok(queue_take_alone(q, &w) && w.kind == WORK_GIVE_UP,
       "the same from the logs of earlier starts");
    queue_free(q);
}

static void test_empty(void)
{
    struct scan none = { NULL, 0, 0 };
    struct resume nothing = { .n = 0 };
    struct err err = ERR_INIT;
    struct queue *q;
    struct work w;

    if (!ok(queue_new(&q, &none, &nothing, &err) == 0, "an empty batch"))
        return;
    ok(queue_waiting(q) == 0 && queue_take(q, &w, 1) == 0 &&
           !queue_take_alone(q, &w), "has nothing to do");
    queue_free(q);
}

int main(void)
{
    test_order();
    test_work();
    test_done();
    test_back();
    test_done_meanwhile();
    test_alone();
    test_empty();
    return done();
}
