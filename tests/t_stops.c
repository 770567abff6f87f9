/*
 * src/dispute: stop strings.  What a judge decides about an answer's end is
 * what the engine does with the same ids; a node that ends elsewhere, shows a
 * text that is not its token's, or an offset that is not where the token lies
 * loses by statement 17; an honest one never does.  Nothing is computed: the
 * leaves of the traces are made up.
 *
 *     t_stops [DIR]     write the games into it, for other judges
 */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "dispute/prover.h"
#include "engine/sequence.h"
#include "proof/merkle.h"
#include "proof/digest.h"
#include "proof/model_record.h"
#include "proof/trace.h"
#include "tests/dispute_util.h"
#include "tests/models_util.h"
#include "tests/stops_util.h"
#include "tests/tap.h"
#include "text/tokenizer.h"

static uint64_t seed = 1;

static uint32_t below(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

/* ---- games --------------------------------------------------------------- */

static const char *save_dir;
static unsigned save_max = 124; /* games that are written */
static size_t most_shown, most_proof;
static unsigned most_shows;

static void note(const struct game *g)
{
    static unsigned n;
    static const char *const end[] = { "holds", "fault", "unjudged" };
    char *path;

    most_shown = g->most_shown > most_shown ? g->most_shown : most_shown;
    most_proof = g->proof > most_proof ? g->proof : most_proof;
    most_shows = g->n_shows > most_shows ? g->n_shows : most_shows;
    if (!save_dir || n >= save_max)
        return;
    path = xasprintf("%s/stops-%03u.%s", save_dir, n++,
                     g->stuck ? "refused" : end[g->verdict]);
    file_write(path, g->file.data, g->file.len, NULL);
    free(path);
}

static char last_why[200];

/* Whether it ends so, by statement 17. */
static bool ends(struct stopped *m, game_pick_fn *pick, void *picker,
                 game_show_fn *show, void *shower, enum judge_verdict want)
{
    struct game g;
    bool good;

    game_play(&g, &m->x, pick, picker, show, shower);
    good = !g.stuck && g.verdict == want &&
           (want == JUDGE_UNJUDGED || strstr(g.why, "statement 17 ("));
    snprintf(last_why, sizeof(last_why), "%s", g.why);
    if (!good)
        printf("# %s\n", g.why);
    note(&g);
    game_clear(&g);
    return good;
}

static enum found first_pick(struct stopped *m, char *choice)
{
    unsigned char model_bytes[MODEL_RECORD_SIZE];
    struct buf show;
    struct judge g;
    struct id result;
    enum found found = FOUND_FAILED;

    model_record_pack(model_bytes, &stopped_model.rec);
    digest(&result, m->x.result, RESULT_RECORD_SIZE);
    judge_init(&g, result);
    buf_init(&show, JUDGE_SHOW_MAX);
    if (prover_show(&show, &m->x, &g, NULL) == 0 &&
        judge_show(&g, (unsigned char *)show.data, show.len, NULL) == 0)
        found = prover_pick(choice, &m->x, &g, NULL);
    buf_clear(&show);
    judge_clear(&g);
    return found;
}

/* Picks "stop I", and then at random. */
struct random_picker {
    uint32_t index;
};

static int pick_random(void *self, const struct judge *g, char *choice)
{
    const struct random_picker *p = self;

    if (g->show != SHOW_RECORDS)
        return game_random(&seed, g, choice);
    snprintf(choice, JUDGE_PICK_MAX, "stop %u", p->index);
    return 1;
}

/* A random pick may be none that is taken. */
static int pick_any(void *self, const struct judge *g, char *choice)
{
    struct judge copy = *g;
    int i = 0;

    do {
        pick_random(self, g, choice);
        copy = *g;
    } while (i++ < 200 && judge_pick(&copy, choice, NULL));
    return 1;
}

/* The way to the record of a token. */
static int pick_way(void *self, const struct judge *g, char *choice)
{
    const char *const *way = self;

    snprintf(choice, JUDGE_PICK_MAX, "%s",
             way[g->show == SHOW_RECORDS ? 0 : g->show == SHOW_STOPS ? 1
                 : g->show == SHOW_OFFSETS ? 2 : g->number < 8 ? 3 : 4]);
    return 1;
}

/* ---- the engine's answer ------------------------------------------------- */

/* Whether an end of text is among the first n ids: statement 1 sees that. */
static bool ends_text(const struct stopped *m, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(m->flags & JOB_IGNORE_EOS) && m->output[i] == STOPPED_EOS)
            return true;
    return false;
}

/* The texts of all sorts of tokens are proven. */
static bool texts_good(void)
{
    const char *way[] = { "stop 5", "5", "text", "", "" };
    bool good = true;

    for (uint32_t id = 0; id < n_stopped_tokens; id += id < 2 ? 1 : 37)
        for (uint32_t k = 0; k < 2; k++) {
            struct stopped m;

            stopped_init(&m);
            stopped_stop(&m, "zz", 2);
            m.output[5] = k ? n_stopped_tokens - 1 - id % 9 : id;
            m.flags = below(2) ? JOB_IGNORE_EOS : 0;
            stopped_answer(&m, 6, RESULT_LENGTH);
            good &= ends(&m, pick_way, way, NULL, NULL, JUDGE_HOLDS);
            stopped_clear(&m);
        }
    return good;
}

/* Every end that a node can claim of these ids, by what the engine does. */
static bool claims_good(struct stopped *m, size_t max)
{
    char choice[JUDGE_PICK_MAX + 1];
    bool good = true;

    for (size_t n = 1; n <= max; n++)
        for (uint32_t finish = RESULT_LENGTH; finish <= RESULT_STOP;
             finish++) {
            enum finish why;
            bool right = stopped_ends(m, n, &why) == n &&
                         (uint32_t)why == finish;
            struct random_picker p = { below((uint32_t)n) };
            enum found found;

            if (ends_text(m, n))
                continue;
            stopped_answer(m, n, finish);
            found = first_pick(m, choice);
            good &= found == (right ? FOUND_NONE : FOUND_ONE);
            if (found == FOUND_ONE)
                good &= ends(m, game_honest, &m->x, NULL, NULL, JUDGE_FAULT);
            else
                good &= ends(m, pick_any, &p, NULL, NULL, JUDGE_HOLDS);
        }
    return good;
}

static void random_answer(struct stopped *m)
{
    static const char letters[] = "aab \xe2\x96\x81";
    static char text[JOB_MAX_STOPS][8];
    size_t n = 1 + below(4);

    stopped_init(m);
    m->flags = below(2) ? JOB_IGNORE_EOS : 0;
    for (size_t i = 0; i < 8; i++) {
        uint32_t r = below(12);

        m->output[i] = STOPPED_BYTE(letters[below(7)]);
        if (r == 0)
            m->output[i] = below(3);
        else if (r == 1)
            m->output[i] = n_stopped_tokens - 1 - below(4);
        else if (r == 2)
            m->output[i] = STOPPED_VOCAB - 1;
    }
    for (size_t i = 0; i < n; i++) {
        size_t length = 1 + below(4);

        for (size_t k = 0; k < length; k++)
            text[i][k] = letters[below(7)];
        stopped_stop(m, text[i], length);
    }
}

static void try_random(unsigned rounds)
{
    static const struct {
        unsigned version;
        uint32_t kind;
    } all[] = { { 1, 0 }, { 1, 1 }, { 2, 0 }, { 2, 1 }, { 2, 2 } };

    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        bool good = true;

        tokens_make(all[i].version, all[i].kind, 0);
        save_max = 124 + 16 * ((unsigned)i + 1); /* of each kind */
        good = texts_good();
        for (unsigned k = 0; k < rounds; k++) {
            struct stopped m;

            random_answer(&m);
            good &= claims_good(&m, 8);
            stopped_clear(&m);
        }
        ok(good, "apustok%u, kind %u: an end is right where the engine ends,"
           " else a fault", all[i].version, all[i].kind);
    }
}

/* ---- liars --------------------------------------------------------------- */

/* An answer of which "ab" ends in output 5, after a dot. */
static void ab_answer(struct stopped *m)
{
    stopped_init(m);
    m->output[4] = STOPPED_BYTE('a');
    m->output[5] = STOPPED_BYTE('b');
    stopped_stop(m, "ab", 2);
    stopped_stop(m, "zz", 2);
}

static void try_liars(void)
{
    static const struct {
        const char *name;
        size_t n_out;
        uint32_t finish;
    } lie[] = {
        { "a stop where no string is", 4, RESULT_STOP },
        { "a stop in the middle of the string", 5, RESULT_STOP },
        { "a stop one token late", 7, RESULT_STOP },
        { "past a stop, to max_tokens", 9, RESULT_LENGTH },
        { "at a stop, by max_tokens", 6, RESULT_LENGTH },
    };
    char pick[JUDGE_PICK_MAX + 1] = "";
    struct stopped m;

    ab_answer(&m);
    for (size_t i = 0; i < sizeof(lie) / sizeof(*lie); i++) {
        stopped_answer(&m, lie[i].n_out, lie[i].finish);
        ok(ends(&m, game_honest, &m.x, NULL, NULL, JUDGE_FAULT), "%s",
           lie[i].name);
    }
    stopped_answer(&m, 5, RESULT_CONTEXT);
    ok(first_pick(&m, pick) == FOUND_ONE && strcmp(pick, "finish 4") == 0,
       "cut short, by a context that is not full");
    stopped_answer(&m, 6, RESULT_STOP);
    ok(first_pick(&m, (char[JUDGE_PICK_MAX + 1]){ 0 }) == FOUND_NONE,
       "the right end");
    stopped_clear(&m);

    ab_answer(&m); /* the end of text comes first */
    m.flags = 0;
    m.output[9] = STOPPED_EOS;
    stopped_answer(&m, 10, RESULT_EOS);
    ok(ends(&m, game_honest, &m.x, NULL, NULL, JUDGE_FAULT),
       "past a stop, to the end of text");
    m.output[5] = STOPPED_EOS;
    stopped_answer(&m, 6, RESULT_EOS);
    ok(first_pick(&m, (char[JUDGE_PICK_MAX + 1]){ 0 }) == FOUND_NONE,
       "the end of text");
    stopped_clear(&m);
}

/* What a liar shows in place of what is right. */
struct lies {
    struct stopped *m;
    uint32_t at;        /* output id whose text is .. */
    const char *text;
    bool id;            /* .. shown with the id of another token */
    uint32_t other;
    uint32_t from;      /* records after this token are `by` bytes later */
    int32_t by;
};

static void lie_text(const struct lies *l, const struct judge *g,
                     struct buf *show)
{
    struct stops_shown s;
    struct buf b;

    if (stops_read(&s, g->j.n_stops, (unsigned char *)show->data, show->len))
        abort();
    buf_init(&b, JUDGE_SHOW_MAX);
    buf_put(&b, l->m->stops.data, l->m->stops.len);
    buf_put_u32(&b, (uint32_t)s.n_texts);
    for (size_t i = 0; i < s.n_texts; i++) {
        bool lies = g->stops.index + 1 - s.n_texts + i == l->at;
        size_t n = lies ? strlen(l->text) : s.text[i].n;

        buf_put_u32(&b, (uint32_t)n);
        buf_put(&b, lies ? (const void *)l->text : s.text[i].s, n);
    }
    buf_reset(show);
    buf_put(show, b.data, b.len);
    buf_clear(&b);
}

static void lie_offsets(const struct lies *l, const struct judge *g,
                        struct buf *show)
{
    uint32_t point[STOPS_POINTS];
    size_t n, skip = 0;
    char *at;

    if (g->show == SHOW_OFFSETS) {
        n = stops_points(point, get_u32(show->data));
    } else {
        n = stops_between(point, g->stops.point[g->stops.gap],
                          g->stops.point[g->stops.gap + 1]) - 2;
        skip = 1;
    }
    at = show->data + show->len - 4 * n;
    for (size_t i = 0; i < n; i++)
        if (point[i + skip] > l->from)
            set_u32(at + 4 * i, get_u32(at + 4 * i) + (uint32_t)l->by);
}

static void show_lies(void *self, const struct judge *g, struct buf *show)
{
    const struct lies *l = self;

    if (g->show == SHOW_STOPS && l->text)
        lie_text(l, g, show);
    if (g->show == SHOW_OFFSETS && l->id) {
        uint32_t own = l->m->output[l->at];

        l->m->output[l->at] = l->other;
        buf_reset(show);
        if (prover_show(show, &l->m->x, g, NULL))
            abort();
        l->m->output[l->at] = own;
    }
    if ((g->show == SHOW_OFFSETS || g->show == SHOW_BETWEEN) && l->by)
        lie_offsets(l, g, show);
}

static void try_lie(const char *name, struct stopped *m, struct lies l)
{
    struct stopped challenger = *m; /* whose output stays as it is */

    l.m = m;
    challenger.x.in.output = challenger.output;
    challenger.x.tokenizer = NULL;
    ok(ends(m, game_honest, &challenger.x, show_lies, &l, JUDGE_FAULT), "%s",
       name);
    tokenizer_free(challenger.x.tokenizer);
}

/* A record that is cut, or not where the next one begins; its text is picked,
 * not its offset. */
static void try_short(struct stopped *m)
{
    const char *way[] = { "stop 5", "5", "text", "", "" };
    struct lies l = { .m = m, .at = 5, .text = "t499", .from = 4999,
                      .by = -1 };

    m->output[5] = 4999;
    stopped_answer(m, 6, RESULT_LENGTH);
    ok(ends(m, pick_way, way, show_lies, &l, JUDGE_FAULT),
       "a record that is cut");
    m->output[5] = l.from = STOPPED_USER - 1; /* the next one begins with 4 */
    l.text = "aba\4";
    l.by = 1;
    stopped_answer(m, 6, RESULT_LENGTH);
    ok(ends(m, pick_way, way, show_lies, &l, JUDGE_FAULT),
       "a record that is longer");
}

/* Whether a right node wins over output 5, which is this token. */
static bool token_good(uint32_t id, const char *last)
{
    char own[16];
    const char *way[] = { "stop 5", "5", last ? last : own, "", "" };
    struct stopped m;
    bool good;

    snprintf(own, sizeof(own), "%u", (unsigned)id);
    stopped_init(&m);
    stopped_stop(&m, "zz", 2);
    m.output[5] = id;
    stopped_answer(&m, 6, RESULT_LENGTH);
    good = ends(&m, pick_way, way, NULL, NULL, JUDGE_HOLDS);
    stopped_clear(&m);
    return good;
}

/* Records whose bytes, or whose first twelve, end where a piece does. */
static void try_edges(void)
{
    const char *way[] = { "stop 5", "4", "text", "", "" };
    size_t at = 28, n[2] = { 0, 0 };
    struct stopped m;
    bool good = true;

    for (uint32_t id = 0; id < n_stopped_tokens; id++) {
        size_t next = at + 12 + get_u32(stopped_tokenizer.data + at + 8);

        if (next % 1024 == 0 && n[0]++ < 2)
            good &= token_good(id, "text");
        if ((at + 12) % 1024 == 0 && n[1]++ < 2)
            good &= token_good(id, NULL);
        at = next;
    }
    ok(good && n[0] && n[1], "%zu records end with a piece, %zu heads of one",
       n[0], n[1]);
    ok(token_good(n_stopped_tokens, "text"), "an id after the last token");
    stopped_init(&m);
    stopped_stop(&m, "zz", 2);
    m.output[4] = STOPPED_BYTE('a');
    stopped_answer(&m, 6, RESULT_LENGTH);
    ok(ends(&m, pick_way, way, NULL, NULL, JUDGE_HOLDS),
       "a text that is not the last one");
    stopped_clear(&m);
}

static void try_shown(void)
{
    static const uint32_t ids[] = { 300, 4000, 4095, 4096, 4159, 8999 };
    static const struct {
        const char *name;
        uint32_t before, step; /* whose record is another's */
    } at[] = { { "a token", 1, 1 }, { "a block", 70, 64 },
               { "a chunk", 4500, 4096 } };
    struct stopped m;

    ab_answer(&m);
    stopped_answer(&m, 4, RESULT_STOP);
    try_lie("a text with the stop string", &m,
            (struct lies){ .at = 3, .text = "ab" });
    try_lie("a longer text", &m, (struct lies){ .at = 3, .text = ".ab" });
    stopped_answer(&m, 6, RESULT_LENGTH);
    try_lie("a text before it", &m, (struct lies){ .at = 4, .text = "c" });
    try_lie("no text", &m, (struct lies){ .at = 5, .text = "" });
    try_lie("the id of another token", &m,
            (struct lies){ .at = 5, .text = "c", .id = true,
                           .other = STOPPED_BYTE('c') });
    try_lie("an id of no token", &m,
            (struct lies){ .at = 5, .text = "", .id = true,
                           .other = STOPPED_VOCAB - 1 });
    for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++)
        for (size_t k = 0; k < 3; k++) {
            char name[80];
            uint32_t from = ids[i] - at[k].before % ids[i];

            m.output[5] = ids[i];
            m.output[4] = STOPPED_BYTE('b');
            stopped_answer(&m, 6, RESULT_STOP);
            snprintf(name, sizeof(name), "token %u, the offset after %u is"
                     " wrong", ids[i], from);
            try_lie(name, &m, (struct lies){ .at = 5, .text = "ab",
                                             .from = from,
                                             .by = i && !k ? -3 : 3 });
        }
    try_short(&m);
    stopped_clear(&m);
}

/* ---- what no judge takes ------------------------------------------------- */

struct edit {
    const char *name;
    enum show show;
    int at;          /* from the end if below 0 */
    int add;         /* to this byte */
    int grow;        /* bytes more, or fewer */
    size_t cut;      /* bytes away from byte 16 on */
};

static void show_edit(void *self, const struct judge *g, struct buf *show)
{
    const struct edit *e = self;
    size_t at = e->at < 0 ? show->len - (size_t)-e->at : (size_t)e->at;

    if (g->show != e->show)
        return;
    show->data[at] = (char)(show->data[at] + e->add);
    for (int i = 0; i < e->grow; i++)
        buf_putc(show, 0);
    if (e->grow < 0)
        show->len -= (size_t)-e->grow;
    show->len -= e->cut;
    memmove(show->data + 16, show->data + 16 + e->cut, show->len - 16);
}

static void try_edit(struct stopped *m, const char **way, const struct edit *e)
{
    struct edit copy = *e;
    struct game g;

    game_play(&g, &m->x, pick_way, way, show_edit, &copy);
    ok(g.stuck, "%s: %s", e->name, g.why);
    note(&g);
    game_clear(&g);
}

static void try_edits(void)
{
    static const struct edit edit[] = {
        { "a stop string of no bytes", SHOW_STOPS, 0, -2, 0, 0 },
        { "another stop string", SHOW_STOPS, 4, 1, 0, 0 },
        { "no texts", SHOW_STOPS, 12, -2, -14, 0 },
        { "a text too few", SHOW_STOPS, 12, -1, 0, 5 },
        { "a longer text", SHOW_STOPS, 16, 1, 0, 0 },
        { "a text too many", SHOW_STOPS, 12, 1, 4, 0 },
        { "more after the texts", SHOW_STOPS, 0, 0, 1, 0 },
        { "another beginning", SHOW_OFFSETS, 4 + 30, 1, 0, 0 },
        { "another path", SHOW_OFFSETS, 4 + 1024 + 1, 1, 0, 0 },
        { "an offset more", SHOW_OFFSETS, 0, 0, 4, 0 },
        { "an offset fewer", SHOW_OFFSETS, 0, 0, -4, 0 },
        { "offsets that descend", SHOW_OFFSETS, -1, -1, 0, 0 },
        { "a token of 1280 bytes more", SHOW_OFFSETS, -3, 5, 0, 0 },
        { "a token of 7 bytes", SHOW_OFFSETS, -4, -10, 0, 0 },
        { "an id with other offsets", SHOW_OFFSETS, 0, 1, 0, 0 },
        { "an offset between more", SHOW_BETWEEN, 0, 0, 4, 0 },
        { "an offset between fewer", SHOW_BETWEEN, 0, 0, -4, 0 },
        { "offsets between that descend", SHOW_BETWEEN, -1, 1, 0, 0 },
        { "offsets before the first token", SHOW_OFFSETS, 4 + 1024 + 32 * 8,
          -4, 0, 0 },
    };
    const char *way[] = { "stop 5", "5", "0", "64", "65" };
    struct stopped m;

    ab_answer(&m);
    m.output[5] = 4999;
    stopped_answer(&m, 6, RESULT_LENGTH);
    for (size_t i = 0; i < sizeof(edit) / sizeof(*edit); i++)
        try_edit(&m, way, &edit[i]);
    m.output[5] = n_stopped_tokens - 1;
    stopped_answer(&m, 6, RESULT_LENGTH);
    try_edit(&m, way, &(struct edit){ "a token past the end", SHOW_OFFSETS, -4,
                                      5, 0, 0 });
    m.output[5] = 0;
    stopped_answer(&m, 6, RESULT_LENGTH);
    try_edit(&m, way, &(struct edit){ "a first token of 5 bytes", SHOW_OFFSETS,
                                      -4, -10, 0, 0 });
    stopped_clear(&m);
}

/* Picks that are none. */
static void try_picks(void)
{
    static const char *const way[][5] = {
        { "stop", "", "", "", "" }, { "stop 6", "", "", "", "" },
        { "stop 5 5", "", "", "", "" }, { "stop 5", "3", "", "", "" },
        { "stop 5", "6", "", "", "" }, { "stop 5", "total 5", "", "", "" },
        { "stop 5", "text", "", "", "" }, { "stop 5", "5", "total", "", "" },
        { "stop 5", "5", "1", "", "" }, { "stop 5", "5", "5000", "", "" },
        { "stop 5", "5", "0", "text", "" }, { "stop 5", "5", "0", "1", "" },
        { "stop 5", "5 5", "", "", "" }, { "stop 5", "5", "0 0", "", "" },
        { "stop 5", "5", "00", "", "" }, { "stop 5", "5", "text 5", "", "" },
        { "stop 5", "5", "0", "4096", "" },
        { "stop 5", "5", "0", "64", "63" },
        { "stop 5", "5", "0", "64", "128" },
    };
    struct stopped m;
    unsigned good = 0;

    ab_answer(&m);
    m.output[5] = 4999;
    stopped_answer(&m, 6, RESULT_LENGTH);
    for (size_t i = 0; i < sizeof(way) / sizeof(*way); i++) {
        struct game g;

        game_play(&g, &m.x, pick_way, (void *)way[i], NULL, NULL);
        good += g.stuck;
        note(&g);
        game_clear(&g);
    }
    ok(good == sizeof(way) / sizeof(*way), "%u picks that are none", good);
    m.n_stops = 0;
    stopped_answer(&m, 6, RESULT_LENGTH);
    {
        const char *none[] = { "stop 5", "", "", "", "" };
        struct game g;

        game_play(&g, &m.x, pick_way, none, NULL, NULL);
        ok(g.stuck, "of an answer without stop strings");
        note(&g);
        game_clear(&g);
    }
    stopped_clear(&m);
}

/* ---- what is not judged -------------------------------------------------- */

static void try_unjudged(void)
{
    const char *way[] = { "stop 5", "5", "text", "", "" };
    struct random_picker p = { 5 };
    struct stopped m;

    ab_answer(&m);
    tokens_begin(2, 1);
    stopped_tokenizer.len -= 4; /* the list of decoders: a step */
    buf_put_u32(&stopped_tokenizer, 1);
    for (int i = 0; i < 2; i++)
        buf_put_u32(&stopped_tokenizer, i ? 0 : 1);
    buf_put_u32(&stopped_tokenizer, 1);
    buf_puts(&stopped_tokenizer, "b");
    buf_put_u32(&stopped_tokenizer, 1);
    buf_puts(&stopped_tokenizer, "c");
    tokens_controls();
    tokens_bytes(1);
    buf_put_u32(&stopped_tokenizer, 0);
    tokens_end();
    stopped_answer(&m, 6, RESULT_LENGTH);
    ok(first_pick(&m, (char[JUDGE_PICK_MAX + 1]){ 0 }) == FOUND_NONE,
       "steps of a decoder: nothing is disputed");
    ok(ends(&m, pick_way, way, NULL, NULL, JUDGE_UNJUDGED) &&
           strstr(last_why, "not judged: the texts of its tokenizer"),
       "and nothing judged: %s", last_why);
    stopped_clear(&m);

    /* no tokenizer: no text, and so no stop string */
    stopped_model.rec.tokenizer_size = 0;
    merkle_blob(&stopped_model.rec.tokenizer, NULL, 0);
    model_record_id(&stopped_model.id, &stopped_model.rec);
    ab_answer(&m);
    stopped_answer(&m, 6, RESULT_LENGTH);
    ok(ends(&m, pick_any, &p, NULL, NULL, JUDGE_HOLDS),
       "without a tokenizer nothing stops");
    stopped_answer(&m, 6, RESULT_STOP);
    ok(ends(&m, game_honest, &m.x, NULL, NULL, JUDGE_FAULT),
       "and a stop is a fault");
    try_edit(&m, way, &(struct edit){ "nor is a token", SHOW_BETWEEN, 0, 0, 0,
                                      0 });
    stopped_clear(&m);
}

/* Texts of nothing, further than is shown. */
static void try_far(void)
{
    static uint32_t output[80];
    struct stopped m;

    tokens_make(1, 0, 5000);
    stopped_init(&m);
    stopped_stop(&m, "ab", 2);
    for (size_t i = 0; i < 80; i++)
        output[i] = 0;
    output[5] = STOPPED_BYTE('a');
    output[79] = STOPPED_BYTE('b');
    memcpy(m.output, output, sizeof(m.output));
    stopped_answer(&m, STOPPED_OUT, RESULT_LENGTH);
    free(m.x.leaves);
    m.x.in.output = output;
    m.x.n_out = 80;
    m.x.n = 81;
    m.x.j.max_tokens = 80;
    job_record_pack(m.job, &m.x.j);
    m.x.leaves = xcalloc(m.x.n, TRACE_LEAF_SIZE);
    stopped_leaves(&m.x);
    execution_seal(&m.x, &(struct result_record){ .request = { { 7 } },
                                                  .finish = RESULT_LENGTH });
    ok(first_pick(&m, (char[JUDGE_PICK_MAX + 1]){ 0 }) == FOUND_NONE,
       "74 tokens without a text within a stop string");
    {
        const char *way[] = { "stop 79", "total", "", "", "" };

        ok(ends(&m, pick_way, way, NULL, NULL, JUDGE_UNJUDGED) &&
               strstr(last_why, "not judged: a stop string may begin before"),
           "are not judged: %s", last_why);
    }
    stopped_clear(&m);
}

/* Long stop strings over many tokens, and the longest texts. */
static void try_long(void)
{
    char text[64];
    struct stopped m;
    size_t n;
    enum finish why;

    memset(text, '.', sizeof(text));
    text[63] = 'b';
    for (uint32_t big = 0; big < 2; big++) {
        stopped_init(&m);
        stopped_stop(&m, text + (big ? 0 : 30), big ? 64 : 34);
        m.output[35] = STOPPED_BYTE('b');
        if (big) /* x .. x before 63 dots are enough */
            for (size_t i = 0; i < 35; i++)
                m.output[i] = i < 4 ? STOPPED_BYTES + 256 + 4
                                    : STOPPED_BYTE('.');
        n = stopped_ends(&m, STOPPED_OUT, &why);
        stopped_answer(&m, n, (uint32_t)why);
        ok(first_pick(&m, (char[JUDGE_PICK_MAX + 1]){ 0 }) == FOUND_NONE,
           "a long stop string %u, after %zu tokens by %u", big, n, why);
        if (n == STOPPED_OUT)
            stopped_answer(&m, 36, RESULT_STOP);
        else
            stopped_answer(&m, 37, RESULT_LENGTH);
        ok(ends(&m, game_honest, &m.x, NULL, NULL, JUDGE_FAULT),
           "and where it is not");
        stopped_clear(&m);
    }
}

int main(int argc, char **argv)
{
    struct played nano;

    save_dir = argc > 1 ? argv[1] : NULL;
    buf_init(&stopped_tokenizer, 1 << 22);
    played_init(&nano, "nano", 1, 1);
    stopped_model.rec = nano.model->rec;
    stopped_model.rec.n_vocab = STOPPED_VOCAB;
    stopped_model.rec.n_eos = 1;
    stopped_model.rec.eos[0] = STOPPED_EOS;
    for (int i = 1; i < MODEL_EOS; i++)
        stopped_model.rec.eos[i] = MODEL_NONE;
    tokens_make(1, 0, 9100);
    try_liars();
    try_shown();
    try_edges();
    try_edits();
    try_picks();
    stopped_try_shows(save_dir);
    stopped_try_heads(save_dir);
    tokens_make(1, 0, 9100);
    try_long();
    try_far();
    try_unjudged();
    try_random(6);
    printf("# at most %u shows, %zu bytes a show, %zu bytes a proof\n",
           most_shows, most_shown, most_proof);
    ok(most_shows <= 5 && most_shown <= JUDGE_SHOW_MAX && most_proof <= 16384,
       "shows and proofs are as small as others");
    buf_clear(&stopped_tokenizer);
    tmp_remove();
    return done();
}
