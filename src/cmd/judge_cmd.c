/*
 * apus judge: the verdict on a dispute file.
 */
#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/opt.h"
#include "cmd/cmd.h"
#include "dispute/dispute_file.h"
#include "dispute/judge.h"

static void print_number(const char *name, uint32_t v)
{
    if (v == JUDGE_NONE)
        printf("%s\t-\n", name);
    else
        printf("%s\t%" PRIu32 "\n", name, v);
}

static void print_place(const struct statement_place *p)
{
    print_number("statement", p->code);
    print_number("position", p->position);
    print_number("layer", p->layer);
    print_number("head", p->head);
    print_number("index", p->index);
    print_number("part", p->part);
}

/* How far the game is, where it is not over. */
static void print_turn(const struct judge *g)
{
    if (g->turn == JUDGE_SHOWS)
        printf("open\tthe node has to show: %s\n", judge_show_name(g->show));
    else if (g->turn == JUDGE_PICKS)
        printf("open\tthe challenger has to pick from: %s\n",
               judge_show_name(g->show));
    else
        printf("open\tstatement %" PRIu32 " has to be proven\n",
               g->place.code);
}

static int print_judged(const struct judge *g)
{
    printf("result\t%s\nmoves\t%" PRIu32 "\n", id_text(g->result).s,
           g->number);
    if (g->turn == JUDGE_PROVES || g->place.code)
        print_place(&g->place);
    if (g->turn != JUDGE_OVER) {
        print_turn(g);
        return CMD_FAILED;
    }
    printf("verdict\t%s\n", g->text);
    return g->verdict == JUDGE_FAULT ? CMD_NO : CMD_DONE;
}

static int judge_played(const char *path, struct err *err)
{
    struct judge g;
    struct buf file;
    int rc;

    buf_init(&file, DISPUTE_FILE_MAX);
    if (file_read(&file, path, err) ||
        dispute_file_play(&g, (unsigned char *)file.data, file.len, err)) {
        buf_clear(&file);
        return -1;
    }
    rc = print_judged(&g);
    judge_clear(&g);
    buf_clear(&file);
    return rc;
}

static const struct opt judge_opts[] = { { .name = NULL } };

static const struct opt_command judge_command = {
    .name = "apus judge",
    .synopsis = "FILE",
    .about = "Judge a dispute file: which statement it came to, and whether"
             " that holds.",
    .opts = judge_opts, .min_args = 1, .max_args = 1,
};

int cmd_judge(struct settings *s, int argc, char **argv)
{
    const char **args = xcalloc((size_t)argc, sizeof(*args));
    struct err err = ERR_INIT;
    size_t n_args;
    int status = cmd_begin(&judge_command, s, argc, argv, NULL, args, &n_args);

    if (status == CMD_GO) {
        status = judge_played(args[0], &err);
        if (status < 0)
            status = cmd_fail(&err);
    }
    free(args);
    return status;
}
