/*
 * src/dispute: a node that lies in one element loses against an honest
 * challenger, by the statement that this element is judged by; an honest node
 * never loses against random picks, nor where one pick of an honest challenger
 * is another: each that there is, or with arguments some.  With APUS_LONG of
 * more models, and with liars in places of 19 more seeds.
 */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "dispute/dispute_file.h"
#include "dispute/prover.h"
#include "proof/line_ids.h"
#include "proof/merkle.h"
#include "proof/merkle_path.h"
#include "proof/trace.h"
#include "tests/dispute_util.h"
#include "tests/models_util.h"

static struct played played;
static size_t most_shown, most_proof, most_shows;
static const char *save_dir; /* of game files, or NULL */
static uint64_t anywhere; /* seed of where liars lie; 0: at fixed places */
static unsigned n_lies, n_beaten;

static void note(const struct game *g)
{
    static unsigned n;

    if (g->most_shown > most_shown)
        most_shown = g->most_shown;
    if (g->proof > most_proof)
        most_proof = g->proof;
    if (g->n_shows > most_shows)
        most_shows = g->n_shows;
    if (save_dir) {
        char *path = xasprintf("%s/%05u.%s", save_dir, n++,
                               g->stuck                    ? "refused"
                               : g->verdict == JUDGE_FAULT ? "fault"
                                                           : "holds");

        file_write(path, g->file.data, g->file.len, NULL);
        free(path);
    }
}

/* ---- wrong picks --------------------------------------------------------- */

#define PATH_MAX_PICKS 16

/* The picks of the last honest challenger. */
static struct {
    char pick[PATH_MAX_PICKS][JUDGE_PICK_MAX + 1];
    size_t n;
} path;

static unsigned step;            /* each step-th wrong pick is played */
static unsigned n_wrong, n_held; /* of a model: games, those that held */
static uint64_t wrong_seed = 1;
static uint64_t seen[1 << 17];   /* hashes of picks, with those before them */
static size_t n_seen;

/* Plays the first `after` picks of the path, then another one and random ones;
 * or collects what could be picked after them. */
struct wrong {
    size_t after, at;
    const char *pick;
    struct buf all;
};

static int pick_and_keep(void *self, const struct judge *g, char *choice)
{
    int rc = game_honest(self, g, choice);

    if (rc == 1 && path.n < PATH_MAX_PICKS)
        strcpy(path.pick[path.n++], choice);
    return rc;
}

static int pick_wrong(void *self, const struct judge *g, char *choice)
{
    struct wrong *w = self;
    size_t at = w->at++;

    if (at > w->after)
        return game_any(&wrong_seed, g, choice);
    if (at == w->after && !w->pick) {
        game_picks(&w->all, g);
        return 0;
    }
    strcpy(choice, at < w->after ? path.pick[at] : w->pick);
    return 1;
}

/* Return whether this pick is the first of its kind after these. */
static bool is_new(size_t after, const char *pick)
{
    uint64_t h = 14695981039346656037u;
    size_t at;

    for (size_t i = 0; i <= after; i++)
        for (const char *c = i < after ? path.pick[i] : pick; ; c++) {
            h = (h ^ (unsigned char)*c) * 1099511628211u;
            if (!*c)
                break;
        }
    at = h >> 47;
    while (seen[at] && seen[at] != h)
        at = (at + 1) % (sizeof(seen) / sizeof(*seen));
    if (seen[at])
        return false;
    if (++n_seen > sizeof(seen) / sizeof(*seen) / 4 * 3)
        abort(); /* make it larger */
    seen[at] = h;
    return true;
}

static void play_wrong(struct execution *honest, size_t after,
                       const char *pick)
{
    struct wrong w = { .after = after, .pick = pick };
    struct game g;

    game_play(&g, honest, pick_wrong, &w, NULL, NULL);
    n_wrong++;
    if (!g.stuck && g.verdict == JUDGE_HOLDS)
        n_held++;
    else
        printf("# \"%s\" as pick %zu: %s\n", pick, after, g.why);
    game_clear(&g);
}

/* After each pick of the path, play what else could be picked. */
static void try_wrong_picks(struct execution *honest)
{
    static unsigned n;

    for (size_t after = 0; !anywhere && after < path.n; after++) {
        struct wrong w = { .after = after };
        struct game g;

        buf_init(&w.all, (size_t)4 << 20);
        game_play(&g, honest, pick_wrong, &w, NULL, NULL);
        game_clear(&g);
        for (const char *pick = w.all.data;
             pick && pick < w.all.data + w.all.len; pick += strlen(pick) + 1)
            if (is_new(after, pick) && n++ % step == 0)
                play_wrong(honest, after, pick);
        buf_clear(&w.all);
    }
    path.n = 0;
}

/* ---- liars --------------------------------------------------------------- */

/* Adds 1 to the first of the sums that are shown. */
static void change_sums(void *self, const struct judge *g, struct buf *b)
{
    (void)self;
    if (g->show == SHOW_SUMS)
        set_u64(b->data, get_u64(b->data) + 1);
}

/* What leads the honest challenger to a lie of the head, which shows in no
 * leaf: the drawn id is another. */
static void lie_next(struct execution *node, uint32_t position)
{
    struct result_record r;
    unsigned char *leaf = node->leaves + position * TRACE_LEAF_SIZE;

    set_u32(leaf + 8, (get_u32(leaf + 8) + 1) % played.model->rec.n_vocab);
    if (result_record_unpack(&r, node->result))
        abort();
    execution_seal(node, &r);
}

/* Let a lie be anywhere that its kind can be, by the seed. */
static void move_lie(struct lie *l)
{
    const struct model_record *m = &played.model->rec;
    uint32_t drawn = game_below(&anywhere, (uint32_t)played.n_out);

    l->position = (uint32_t)played.n_prompt - 1 + drawn;
    if (l->layer != OPERATORS_HEAD && !l->embed)
        l->layer = game_below(&anywhere, m->n_layers);
    if (l->entry == ENTRY_HEADS)
        l->index += OPERATORS_ATTENDED * game_below(&anywhere, m->n_heads);
    else if (l->entry == ENTRY_KV)
        l->index += (size_t)65536 * game_below(&anywhere, m->n_kv_heads);
    else if (operators_is_vector(l->entry))
        l->index = game_below(&anywhere,
                              (uint32_t)operators_elements(m, l->entry));
}

static void try_liar(const char *name, struct execution *honest,
                     struct lie *lie, bool sums, unsigned code)
{
    struct execution *node;
    struct game g;
    bool good;

    if (anywhere)
        move_lie(lie);
    node = played_execution(&played, honest->in.deep, lie);
    if (lie->layer == OPERATORS_HEAD)
        lie_next(node, lie->position);
    if (anywhere && memcmp(node->result, honest->result,
                           sizeof(node->result)) == 0) {
        execution_free(node); /* rounded away, it shows nowhere */
        return;
    }
    game_play(&g, node, pick_and_keep, honest, sums ? change_sums : NULL,
              NULL);
    good = !g.stuck && g.verdict == JUDGE_FAULT && g.code == code;
    if (!anywhere || !good)
        ok(good, "%s, position %u: statement %u (%s)", name, lie->position,
           code, g.why);
    note(&g);
    game_clear(&g);
    execution_free(node);
    n_lies++;
    n_beaten += good;
    try_wrong_picks(honest);
}

static const struct {
    const char *name;
    enum entry entry;
    size_t index;
    int add;
    bool sums, head; /* of the head */
    unsigned code;
} lies[] = {
    { "embedding", ENTRY_X, 5, 1, false, false, 2 },
    { "ex high", ENTRY_EX, 0, 1, false, false, 3 },
    { "ex low", ENTRY_EX, 0, -1, false, false, 3 },
    { "wx", ENTRY_WX, 0, 1 << 20, false, false, 3 },
    { "S", ENTRY_S, 0, 1, false, false, 4 },
    { "S, a term", ENTRY_S, 0, 1, true, false, 4 },
    { "inv", ENTRY_INV, 0, 1, false, false, 4 },
    { "ea", ENTRY_EA, 0, 1, false, false, 3 },
    { "a", ENTRY_A, 3, 1, false, false, 5 },
    { "q", ENTRY_Q, 2, 1, false, false, 6 },
    { "q, a term", ENTRY_Q, 2, 1, true, false, 7 },
    { "k", ENTRY_K, 2, 1, false, false, 6 },
    { "v", ENTRY_V, 2, 1, false, false, 6 },
    { "kv row", ENTRY_KV, 9, 1, false, false, 9 },
    { "kv row's scale", ENTRY_KV, 4, 1, false, false, 9 },
    { "r", ENTRY_R, 4, 1, false, false, 8 },
    { "er", ENTRY_HEADS, 0, 1, false, false, 8 },
    { "m high", ENTRY_HEADS, 4, 1, false, false, 10 },
    { "m low", ENTRY_HEADS, 4, -1, false, false, 10 },
    { "wm", ENTRY_HEADS, 8, 1 << 20, false, false, 10 },
    { "ev high", ENTRY_HEADS, 12, 1, false, false, 11 },
    { "ev low", ENTRY_HEADS, 12, -1, false, false, 11 },
    { "Z", ENTRY_HEADS, 24, 1, false, false, 12 },
    { "Z, a term", ENTRY_HEADS, 24, 1, true, false, 12 },
    { "o", ENTRY_O, 3, 1, false, false, 14 },
    { "o, a term", ENTRY_O, 3, 1, true, false, 13 },
    { "eo", ENTRY_EO, 0, 1, false, false, 3 },
    { "b", ENTRY_B, 1, 1, false, false, 5 },
    { "y", ENTRY_Y, 7, 1, false, false, 6 },
    { "ey", ENTRY_EY, 0, 1, false, false, 3 },
    { "S2", ENTRY_S2, 0, 1, false, false, 4 },
    { "inv2", ENTRY_INV2, 0, 1, false, false, 4 },
    { "ec", ENTRY_EC, 0, 1, false, false, 3 },
    { "c", ENTRY_C, 7, -1, false, false, 5 },
    { "g", ENTRY_G, 6, 1, false, false, 6 },
    { "u", ENTRY_U, 5, 1, false, false, 6 },
    { "eh", ENTRY_EH, 0, 1, false, false, 3 },
    { "h", ENTRY_H, 8, 1, false, false, 5 },
    { "ef", ENTRY_EF, 0, 1, false, true, 3 },
    { "en", ENTRY_EN, 0, 1, false, true, 3 },
    { "f", ENTRY_F, 8, 1, false, true, 5 },
    { "logits", ENTRY_LOGITS, 9, 1, false, true, 6 },
};

static void try_lies(struct execution *honest)
{
    uint32_t last = (uint32_t)honest->n - 1;
    uint32_t layers = played.model->rec.n_layers;

    for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
        bool embed = lies[i].code == 2;
        struct lie l = { last, lies[i].head ? OPERATORS_HEAD
                               : embed ? 0 : layers - 1,
                         lies[i].entry, lies[i].index, lies[i].add, embed };

        try_liar(lies[i].name, honest, &l, lies[i].sums, lies[i].code);
    }
}

static void try_draw_lies(struct execution *honest)
{
    static const struct {
        const char *name;
        enum entry entry;
        int add;
        bool sums;
        unsigned code;
    } lie[] = {
        { "mx high", ENTRY_MX, 1, false, 15 },
        { "mx low", ENTRY_MX, -1, false, 15 },
        { "wmx", ENTRY_WMX, 1 << 20, false, 15 },
        { "next", ENTRY_KV, 0, false, 16 },
        { "next, a term", ENTRY_KV, 0, true, 16 },
        { "wk", ENTRY_WK, 1, false, 16 },
        { "idk", ENTRY_IDK, -1, false, 16 },
        { "wp", ENTRY_WP, 1, false, 16 },
        { "idp", ENTRY_IDP, -1, false, 16 },
        { "W", ENTRY_SUM_K, 1, false, 16 },
        { "W'", ENTRY_SUM_P, -1, false, 16 },
        { "the drawn number", ENTRY_DRAW, 1, false, 16 },
        { "before", ENTRY_BEFORE, 1, false, 16 },
    };

    for (size_t i = 0; i < sizeof(lie) / sizeof(*lie); i++) {
        struct lie l = { (uint32_t)honest->n - 1, OPERATORS_HEAD,
                         lie[i].entry, 0, lie[i].add, false };

        if (lie[i].code == 16 && played.temperature == 0) {
            if (lie[i].entry != ENTRY_KV || lie[i].sums)
                continue;
            try_liar("next, greedy", honest, &l, false, 15);
        } else {
            try_liar(lie[i].name, honest, &l, lie[i].sums, lie[i].code);
        }
    }
}

/* Of an element the challenger says that it is too large. */
static int pick_range(void *self, const struct judge *g, char *choice)
{
    char element[JUDGE_PICK_MAX + 1];
    int rc = prover_pick(element, self, g, NULL);

    snprintf(choice, JUDGE_PICK_MAX, "%s%.40s",
             g->show == SHOW_PIECE ? "range " : "", element);
    return rc;
}

static void try_range(struct execution *honest)
{
    struct lie lie = { (uint32_t)honest->n - 1, OPERATORS_HEAD, ENTRY_LOGITS,
                       9, 64 << 23, false }; /* 2^64 times as large */
    struct execution *node = played_execution(&played, honest->in.deep, &lie);
    struct game g;

    lie_next(node, lie.position);
    game_play(&g, node, pick_range, honest, NULL, NULL);
    ok(!g.stuck && g.verdict == JUDGE_FAULT && g.code == 18,
       "a logit of 2^40 or more: statement 18 (%s)", g.why);
    note(&g);
    game_clear(&g);
    game_play(&g, honest, pick_range, node, NULL, NULL);
    ok(!g.stuck && g.verdict == JUDGE_HOLDS && g.code == 18,
       "no such logit: %s", g.why);
    note(&g);
    game_clear(&g);
    execution_free(node);
}

/* Tokens that are not those of the prompt, or not those drawn; an output that
 * was not drawn. */
static void try_tokens(struct execution *honest)
{
    for (int i = 0; i < 3; i++) {
        struct execution *node = played_execution(&played, honest->in.deep,
                                                  NULL);
        size_t at = i == 0 ? 0 : honest->n - 1;
        struct result_record r;
        struct game g;

        if (result_record_unpack(&r, node->result))
            abort();
        if (i < 2)
            node->leaves[at * TRACE_LEAF_SIZE + 4] ^= 1;
        execution_seal(node, &r);
        if (i == 2) {
            uint32_t ids[PLAYED_MAX];

            memcpy(ids, played.output, sizeof(ids));
            ids[played.n_out - 1] ^= 1;
            node->in.output = ids;
            execution_seal(node, &r);
            honest->in.output = ids; /* what was answered */
            game_play(&g, node, pick_and_keep, honest, NULL, NULL);
            honest->in.output = played.output;
        } else {
            game_play(&g, node, pick_and_keep, honest, NULL, NULL);
        }
        ok(!g.stuck && g.verdict == JUDGE_FAULT && g.code == 1,
           "token or output %d (%s)", i, g.why);
        note(&g);
        game_clear(&g);
        execution_free(node);
        try_wrong_picks(honest);
    }
}

/* An output id that no token has: both compute with it; it was not drawn. */
static void try_unknown_id(bool deep)
{
    struct played p = played;
    struct execution *node, *challenger;
    struct game g;

    p.output[0] = 0xfffffff0;
    node = played_execution(&p, deep, NULL);
    challenger = played_execution(&p, deep, NULL);
    game_play(&g, node, game_honest, challenger, NULL, NULL);
    ok(!g.stuck && g.verdict == JUDGE_FAULT && g.code == 1,
       "an id out of the vocabulary was not drawn (%s)", g.why);
    note(&g);
    game_clear(&g);
    execution_free(challenger);
    execution_free(node);
}

/* ---- results of a file --------------------------------------------------- */

#define RESULTS 3

/* A file of 5 lines, of which the first three have this answer. */
struct filed {
    unsigned char record[RESULTS][RESULT_RECORD_SIZE];
    unsigned char line[8 + 32 * MERKLE_PATH_MAX];
    unsigned char after[RESULT_RECORD_SIZE + 32 * MERKLE_PATH_MAX];
    struct execution_file file;
};

static int by_request(const void *a, const void *b)
{
    return memcmp((const char *)a + 8, (const char *)b + 8, 32);
}

/* Let x be result `index` of such a file: its records in order, the first two
 * not, or the second no result record at all. */
enum filing { IN_ORDER, SWAPPED, SPOILT };

static void put_in_file(struct filed *f, struct execution *x, uint32_t index,
                        enum filing how)
{
    unsigned char hash[RESULTS * 32];
    struct judge_file *of = &f->file.of;
    struct merkle m;
    struct id id;

    memset(f, 0, sizeof(*f));
    *of = (struct judge_file){ .model = played.model->id, .sha256 = { { 9 } },
                               .lines = 5, .index = index, .count = RESULTS };
    for (uint32_t i = 0; i < RESULTS; i++) {
        memcpy(f->record[i], x->result, RESULT_RECORD_SIZE);
        line_id_by_file(&id, of->sha256, i);
        memcpy(f->record[i] + 8, id.b, 32);
    }
    qsort(f->record, RESULTS, RESULT_RECORD_SIZE, by_request);
    f->record[1][0] ^= how == SPOILT;
    if (how == SWAPPED) {
        memcpy(id.b, f->record[0] + 8, 32);
        memcpy(f->record[0] + 8, f->record[1] + 8, 32);
        memcpy(f->record[1] + 8, id.b, 32);
    }
    merkle_init(&m);
    for (uint32_t i = 0; i < RESULTS; i++) {
        merkle_leaf_hash(id_in(hash + 32 * i), f->record[i],
                         RESULT_RECORD_SIZE);
        merkle_hash(&m, id_at(hash + 32 * i));
    }
    merkle_root(&m, &of->root);
    memcpy(x->result, f->record[index], RESULT_RECORD_SIZE);
    for (uint64_t i = 0; i < RESULTS; i++) {
        line_id_by_file(&id, of->sha256, i);
        if (memcmp(id.b, x->result + 8, 32) == 0)
            set_u64(f->line, i);
    }
    f->file.line = f->line;
    f->file.n_line = 8 + 32 * merkle_path(f->line + 8, hash, RESULTS, index);
    if (index + 1 < RESULTS) {
        memcpy(f->after, f->record[index + 1], RESULT_RECORD_SIZE);
        f->file.after = f->after;
        f->file.n_after = RESULT_RECORD_SIZE +
            32 * merkle_path(f->after + RESULT_RECORD_SIZE, hash, RESULTS,
                             index + 1);
    }
    x->in.file = &f->file;
}

static int pick_word(void *self, const struct judge *g, char *choice)
{
    (void)g;
    snprintf(choice, JUDGE_PICK_MAX, "%s", (const char *)self);
    return 1;
}

/* A game over a result of a file where the challenger picks one word. */
static void try_word(const char *name, struct execution *x, const char *word,
                     bool stuck, enum judge_verdict verdict)
{
    char pick[16];
    struct game g;

    snprintf(pick, sizeof(pick), "%s", word);
    game_play(&g, x, pick_word, pick, NULL, NULL);
    ok(g.stuck == stuck && (stuck || (g.verdict == verdict && g.code == 0)),
       "a file, %s: %s", name, g.why);
    note(&g);
    game_clear(&g);
}

static void try_liar_of_file(struct execution *honest)
{
    struct lie lie = { (uint32_t)honest->n - 1,
                       played.model->rec.n_layers - 1, ENTRY_A, 3, 1, false };
    struct execution *node = played_execution(&played, honest->in.deep, &lie);
    struct filed f;
    struct game g;

    put_in_file(&f, node, 1, IN_ORDER);
    game_play(&g, node, game_honest, honest, NULL, NULL);
    ok(!g.stuck && g.verdict == JUDGE_FAULT && g.code == 5,
       "a file, an element of one answer: %s", g.why);
    note(&g);
    game_clear(&g);
    execution_free(node);
}

/* What is no result record comes after none: every judge refuses to see it. */
static void try_spoilt(struct execution *x)
{
    char pick[] = "order";
    struct filed f;
    struct game g;

    put_in_file(&f, x, 0, SPOILT);
    game_play(&g, x, pick_word, pick, NULL, NULL);
    ok(g.stuck, "a file, no record after it: %s", g.why);
    note(&g);
    game_clear(&g);
}

static void try_file(struct execution *honest)
{
    struct execution *x = played_execution(&played, honest->in.deep, NULL);
    struct result_record r;
    struct filed f;

    try_liar_of_file(honest);
    try_spoilt(x);
    put_in_file(&f, x, 1, IN_ORDER);
    try_word("fields that agree", x, "job", false, JUDGE_HOLDS);
    try_word("in order", x, "order", false, JUDGE_HOLDS);
    f.file.of.count = 2;
    try_word("a wrong count", x, "job", true, JUDGE_HOLDS);
    put_in_file(&f, x, 0, SWAPPED);
    try_word("out of order", x, "order", false, JUDGE_FAULT);
    put_in_file(&f, x, 2, IN_ORDER);
    try_word("the last has none after it", x, "order", true, JUDGE_HOLDS);
    f.file.of.model.b[0] ^= 1;
    try_word("another model", x, "job", true, JUDGE_HOLDS);
    put_in_file(&f, x, 2, IN_ORDER);
    f.file.of.lines = (uint32_t)get_u64(f.line);
    try_word("a line past the end", x, "job", true, JUDGE_HOLDS);
    put_in_file(&f, x, 0, IN_ORDER);
    f.line[0] ^= 1;
    try_word("another line", x, "job", true, JUDGE_HOLDS);
    put_in_file(&f, x, 0, IN_ORDER);
    f.file.n_line -= 32;
    try_word("a path cut short", x, "job", true, JUDGE_HOLDS);
    f.file.n_line = 4;
    try_word("no line", x, "job", true, JUDGE_HOLDS);
    put_in_file(&f, x, 0, IN_ORDER);
    f.file.n_after = 200;
    try_word("a record after it cut short", x, "order", true, JUDGE_HOLDS);
    if (result_record_unpack(&r, x->result))
        abort();
    r.finish = RESULT_STOP; /* without stop strings */
    result_record_pack(x->result, &r);
    put_in_file(&f, x, 1, IN_ORDER);
    try_word("fields that contradict each other", x, "job", false,
             JUDGE_FAULT);
    execution_free(x);
}

/* ---- trolls -------------------------------------------------------------- */

static void try_trolls(struct execution *honest, unsigned n, uint64_t seed)
{
    unsigned good = 0, codes[19] = { 0 };
    char text[160] = "";
    size_t at = 0;

    for (unsigned i = 0; i < n; i++) {
        struct game g;

        game_play(&g, honest, game_random, &seed, NULL, NULL);
        if (!g.stuck && g.verdict == JUDGE_HOLDS)
            good++;
        else
            printf("# game %u: %s\n", i, g.why);
        codes[g.code]++;
        note(&g);
        game_clear(&g);
    }
    for (size_t i = 0; i < 19; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, " %u", codes[i]);
    ok(good == n, "%u of %u random games are held; by statement%s", good, n,
       text);
}

static void try_model(const char *name, uint32_t run, bool deep,
                      unsigned games)
{
    struct execution *honest;

    played_init(&played, name, run, 12);
    printf("# %s, run %u: %zu + %zu ids%s\n", name, run, played.n_prompt,
           played.n_out, deep ? ", deep" : "");
    honest = played_execution(&played, deep, NULL);
    memset(seen, 0, sizeof(seen));
    n_seen = 0;
    n_wrong = n_held = 0;
    try_lies(honest);
    try_draw_lies(honest);
    try_tokens(honest);
    ok(n_held == n_wrong && n_wrong > 0,
       "%u of %u games with a wrong pick are held", n_held, n_wrong);
    try_unknown_id(deep);
    try_range(honest);
    try_file(honest);
    try_trolls(honest, games, run + 1);
    execution_free(honest);
}

/* Liars of 19 seeds, each over another run of the model. */
static void try_anywhere(const char *name, uint32_t n_runs, bool deep)
{
    for (uint32_t s = 1; s < 20; s++) {
        struct execution *honest;

        played_init(&played, name, s % n_runs, 12);
        honest = played_execution(&played, deep, NULL);
        n_lies = n_beaten = 0;
        anywhere = s;
        try_lies(honest);
        try_draw_lies(honest);
        ok(n_beaten == n_lies && n_lies > 0,
           "%s, run %u, seed %u: %u of %u lies are beaten", name, s % n_runs,
           s, n_beaten, n_lies);
        execution_free(honest);
    }
    anywhere = 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        uint32_t run, n_runs;
        bool deep, more;
    } model[] = {
        { "nano", 1, 10, false, false },
        { "nano", 2, 10, true, false },
        { "tiny-qwen2", 2, 4, false, false },
        { "tiny-qwen3", 3, 4, true, true },
        { "tiny-mistral", 2, 4, false, true },
        { "tiny-llama-a8", 2, 4, false, true },
        { "tiny-qwen2-a8r", 3, 4, true, true },
    };
    unsigned games = argc > 1 ? (unsigned)atoi(argv[1]) : 100;
    bool is_long = argc == 1 && getenv("APUS_LONG");

    step = argc > 1 ? 31 : 1;
    save_dir = argc > 2 ? argv[2] : NULL;
    for (size_t i = 0; i < sizeof(model) / sizeof(*model); i++) {
        if (model[i].more && argc == 1 && !is_long)
            continue;
        try_model(model[i].name, model[i].run, model[i].deep, games);
        if (is_long)
            try_anywhere(model[i].name, model[i].n_runs, model[i].deep);
    }
    printf("# at most %zu shows, %zu bytes a show, %zu bytes a proof\n",
           most_shows, most_shown, most_proof);
    tmp_remove();
    return done();
}
