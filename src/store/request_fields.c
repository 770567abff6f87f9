/*
 * The parameters of a body that are read; request_names.c says which these
 * are.  Messages and prompts are request.c.
 */
#include <config.h>

#include "store/request_fields.h"

#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/utf8.h"
#include "store/request_names.h"

#define SHOWN 64 /* bytes of a name */
#define MAX_STOP 64

int request_shown(const char *name)
{
    size_t n = strlen(name);

    if (n > SHOWN) {
        n = SHOWN;
        n -= utf8_pending(name, n);
    }
    return (int)n;
}

int request_must(struct err *err, const char *name, const char *what)
{
    return err_set(err, ERR_INPUT, "\"%s\" must be %s", name, what);
}

bool request_is_empty(const struct json *v)
{
    if (!v || json_type(v) == JSON_NULL)
        return true;
    if (json_type(v) == JSON_STRING)
        return !*json_string(v);
    return (json_type(v) == JSON_ARRAY || json_type(v) == JSON_OBJECT) &&
           json_count(v) == 0;
}

/* ---- values that are said once ----------------------------------------- */

/* What was given: by one of two names, or by one of two bodies. */
enum {
    GIVEN_MAX_TOKENS = 1,
    GIVEN_TEMPERATURE = 2,
    GIVEN_TOP_P = 4,
    GIVEN_TOP_K = 8,
    GIVEN_SEED = 16,
    GIVEN_STOP = 32,
    GIVEN_IGNORE_EOS = 64,
    GIVEN_LOGPROBS = 128,
    GIVEN_TOP_LOGPROBS = 256
};

static int differs(const char *name, struct err *err)
{
    return err_set(err, ERR_INPUT, "\"%s\" is given twice, and differs",
                   name);
}

static bool was_given(struct request *r, unsigned bit)
{
    bool was = r->given & bit;

    r->given |= bit;
    return was;
}

static int set_u32(struct request *r, unsigned bit, uint32_t *at, uint32_t v,
                   const char *name, struct err *err)
{
    if (was_given(r, bit) && *at != v)
        return differs(name, err);
    *at = v;
    return 0;
}

/* ---- parameters that determine the answer ----------------------------- */

static int take_model(struct request *r, const char *name,
                      const struct json *v, struct err *err)
{
    const char *model = json_string(v);

    if (!model)
        return request_must(err, name, "a string");
    if (!*model)
        return 0;
    if (r->model && strcmp(r->model, model) != 0)
        return differs(name, err);
    r->model = model;
    return 0;
}

static int take_max_tokens(struct request *r, const char *name,
                           const struct json *v, struct err *err)
{
    uint64_t n;

    if (json_u64(v, &n) || n < 1 || n > UINT32_MAX)
        return request_must(err, name, "an integer from 1 to 4294967295");
    return set_u32(r, GIVEN_MAX_TOKENS, &r->max_tokens, (uint32_t)n, name,
                   err);
}

/* .. and not only near it: 0 is the choice of the likeliest. */
static bool is_zero(const struct json *v)
{
    uint64_t u;

    return json_u64(v, &u) == 0 && u == 0;
}

static int take_temperature(struct request *r, const char *name,
                            const struct json *v, struct err *err)
{
    int64_t t;

    if (json_nearest_millionths(v, &t) || t > 100000000 ||
        (t < 10000 && !(t == 0 && is_zero(v))))
        return request_must(err, name, "0 or a number from 0.01 to 100");
    return set_u32(r, GIVEN_TEMPERATURE, &r->temperature, (uint32_t)t, name,
                   err);
}

static int take_top_p(struct request *r, const char *name,
                      const struct json *v, struct err *err)
{
    int64_t p;

    if (json_nearest_millionths(v, &p) || p < 1 || p > 1000000)
        return request_must(err, name, "a number from 0.000001 to 1");
    return set_u32(r, GIVEN_TOP_P, &r->top_p, (uint32_t)p, name, err);
}

static int take_n(struct request *r, const char *name, const struct json *v,
                  struct err *err)
{
    uint64_t n;

    if (json_u64(v, &n) || n < 1 || n > REQUEST_MAX_CHOICES)
        return request_must(err, name, "an integer from 1 to 8");
    r->n_choices = (uint32_t)n;
    return 0;
}

static int take_seed(struct request *r, const char *name,
                     const struct json *v, struct err *err)
{
    const char *text = json_string(v);
    uint64_t seed;
    int64_t none;

    /* "" and, of others, -1: any */
    if ((text && !*text) || (json_i64(v, &none) == 0 && none == -1))
        return 0;
    if (text ? json_u64_text(text, &seed) : json_u64(v, &seed))
        return request_must(err, name, "an integer from 0 to"
                                       " 18446744073709551615, or a string"
                                       " of its digits");
    if (was_given(r, GIVEN_SEED) && r->seed != seed)
        return differs(name, err);
    r->seed = seed;
    r->has_seed = true;
    return 0;
}

static int compare_stops(const struct request_stop *a,
                         const struct request_stop *b)
{
    int c = memcmp(a->text, b->text, a->n < b->n ? a->n : b->n);

    if (c)
        return c;
    return a->n < b->n ? -1 : a->n > b->n;
}

struct stops {
    struct request_stop stop[REQUEST_MAX_STOPS];
    size_t n;
};

/* Put one stop in its place; one that is there already is not repeated. */
static int add_stop(struct stops *l, const char *name, const struct json *v,
                    struct err *err)
{
    struct request_stop s = { json_string(v), 0 };
    size_t at = 0;
    int c = 1;

    if (s.text)
        s.n = strlen(s.text);
    if (s.n < 1 || s.n > MAX_STOP)
        return request_must(err, name, "a string of 1 to 64 bytes, or an"
                                       " array of at most 16 of them");
    while (at < l->n && (c = compare_stops(&l->stop[at], &s)) < 0)
        at++;
    if (at < l->n && c == 0)
        return 0;
    memmove(&l->stop[at + 1], &l->stop[at], (l->n - at) * sizeof(s));
    l->stop[at] = s;
    l->n++;
    return 0;
}

static int set_stops(struct request *r, const struct stops *l,
                     const char *name, struct err *err)
{
    bool was = was_given(r, GIVEN_STOP);

    if (was && r->n_stops != l->n)
        return differs(name, err);
    for (size_t i = 0; was && i < l->n; i++)
        if (compare_stops(&r->stop[i], &l->stop[i]) != 0)
            return differs(name, err);
    memcpy(r->stop, l->stop, sizeof(r->stop));
    r->n_stops = l->n;
    return 0;
}

static int take_stop(struct request *r, const char *name,
                     const struct json *v, struct err *err)
{
    bool list = json_type(v) == JSON_ARRAY;
    struct stops l = { .n = 0 };

    if (request_is_empty(v))
        return 0;
    if (list && json_count(v) > REQUEST_MAX_STOPS)
        return request_must(err, name, "at most 16 strings");
    for (const struct json *s = list ? json_first(v) : v; s;
         s = list ? json_next(s) : NULL)
        if (add_stop(&l, name, s, err))
            return -1;
    return set_stops(r, &l, name, err);
}

static int take_top_k(struct request *r, const char *name,
                      const struct json *v, struct err *err)
{
    int64_t k;

    if (json_i64(v, &k) || k < -1 || k > UINT32_MAX)
        return request_must(err, name, "an integer from 0 to 4294967295, or"
                                       " -1");
    /* of others: -1 is not a limit, as our 0 */
    return set_u32(r, GIVEN_TOP_K, &r->top_k, k < 0 ? 0 : (uint32_t)k, name,
                   err);
}

static int take_ignore_eos(struct request *r, const char *name,
                           const struct json *v, struct err *err)
{
    if (json_type(v) != JSON_BOOL)
        return request_must(err, name, "true or false");
    if (was_given(r, GIVEN_IGNORE_EOS) && r->ignore_eos != json_true(v))
        return differs(name, err);
    r->ignore_eos = json_true(v);
    return 0;
}

static int set_top_logprobs(struct request *r, uint64_t n, const char *name,
                            struct err *err)
{
    return set_u32(r, GIVEN_TOP_LOGPROBS, &r->top_logprobs, (uint32_t)n, name,
                   err);
}

/* true or false of a chat; of a completion, how many of the likeliest. */
static int take_logprobs(struct request *r, const char *name,
                         const struct json *v, struct err *err)
{
    bool flag = json_type(v) == JSON_BOOL;
    uint64_t n;

    if (!flag && (json_u64(v, &n) || n > REQUEST_MAX_LOGPROBS))
        return request_must(err, name, "true, false or an integer from 0 to"
                                       " 20");
    if (was_given(r, GIVEN_LOGPROBS) &&
        r->logprobs != (!flag || json_true(v)))
        return differs(name, err);
    r->logprobs = !flag || json_true(v);
    return flag ? 0 : set_top_logprobs(r, n, name, err);
}

static int take_top_logprobs(struct request *r, const char *name,
                             const struct json *v, struct err *err)
{
    uint64_t n;

    if (json_u64(v, &n) || n > REQUEST_MAX_LOGPROBS)
        return request_must(err, name, "an integer from 0 to 20");
    return set_top_logprobs(r, n, name, err);
}

/* The likeliest are listed beside the token itself. */
static int check_logprobs(struct request *r, enum request_place place,
                          struct err *err)
{
    if (r->top_logprobs && !(r->given & GIVEN_LOGPROBS))
        r->logprobs = true;
    if (r->top_logprobs && !r->logprobs)
        return request_must(err, "top_logprobs", "0 where \"logprobs\" is"
                                                 " false");
    if (r->logprobs && place >= REQUEST_DATA)
        return request_must(err, "logprobs", "false: the answer to a message"
                                             " has none");
    return 0;
}

/* ---- members ----------------------------------------------------------- */

typedef int take_fn(struct request *r, const char *name,
                    const struct json *v, struct err *err);

static take_fn take_apus;

static unsigned days_in(unsigned year, unsigned month)
{
    static const unsigned char days[] = { 31, 28, 31, 30, 31, 30,
                                          31, 31, 30, 31, 30, 31 };
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (leap && month == 2);
}

/* n digits of a text: a number, or 0 if others are there. */
static unsigned digits(const char *s, size_t n)
{
    unsigned v = 0;

    for (; n > 0; n--, s++) {
        if (*s < '0' || *s > '9')
            return 0;
        v = 10 * v + (unsigned)(*s - '0');
    }
    return v;
}

static bool is_date(const char *s)
{
    unsigned year, month, day;

    if (strlen(s) != 10 || s[4] != '-' || s[7] != '-')
        return false;
    year = digits(s, 4);
    month = digits(s + 5, 2);
    day = digits(s + 8, 2);
    return year > 0 && month >= 1 && month <= 12 && day >= 1 &&
           day <= days_in(year, month);
}

static int take_date(struct request *r, const char *name,
                     const struct json *v, struct err *err)
{
    const char *date = json_string(v);

    if (request_is_empty(v))
        return 0;
    if (!date || !is_date(date))
        return request_must(err, name, "a date, YYYY-MM-DD");
    r->date = date;
    return 0;
}

static const struct {
    const char *name;
    take_fn *take;
} fields[] = {
    { "model", take_model },
    { "max_tokens", take_max_tokens },
    { "max_completion_tokens", take_max_tokens },
    { "temperature", take_temperature },
    { "top_p", take_top_p },
    { "top_k", take_top_k },
    { "n", take_n },
    { "seed", take_seed },
    { "stop", take_stop },
    { "ignore_eos", take_ignore_eos },
    { "logprobs", take_logprobs },
    { "top_logprobs", take_top_logprobs },
    { "date", take_date },
    { "apus", take_apus },
};

static int take_field(struct request *r, const struct json *v,
                      struct err *err)
{
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if (strcmp(fields[i].name, json_key(v)) == 0)
            return fields[i].take(r, json_key(v), v, err);
    return 0;
}

static int take_apus(struct request *r, const char *name,
                     const struct json *v, struct err *err)
{
    if (json_type(v) != JSON_OBJECT && !request_is_empty(v))
        return request_must(err, name, "an object");
    for (const struct json *m = json_first(v); m; m = json_next(m)) {
        enum request_member use = request_name_judge("apus.", "apus.", m,
                                                     err);

        if (use == REQUEST_MEMBER_BAD ||
            (use == REQUEST_MEMBER_READ && take_field(r, m, err)))
            return -1;
    }
    return 0;
}

static int misplaced(const char *name, enum request_place place,
                     struct err *err)
{
    static const char *const names[] = { "/v1/chat/completions",
                                         "/v1/completions", "", "X-Options" };

    return err_set(err, ERR_INPUT, "\"%s\" does not belong in %s", name,
                   names[place]);
}

/* What is for a chat template, and the prompt, stand where they are asked for,
 * or are empty. */
static int check_place(const struct json *v, enum request_place place,
                       struct err *err)
{
    static const char *const names[] = { "prompt", "messages", "tools",
                                         "documents", "chat_template_kwargs" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(json_key(v), names[i]) == 0 && place != REQUEST_DATA &&
            place != (i > 0 ? REQUEST_CHAT : REQUEST_COMPLETION) &&
            !request_is_empty(v))
            return misplaced(names[i], place, err);
    return 0;
}

static bool has_date(const struct json *body)
{
    return !request_is_empty(json_get(json_get(body, "apus"), "date"));
}

void request_defaults(struct request *r)
{
    r->n_choices = 1;
    r->temperature = 1000000;
    r->top_p = 1000000;
}

/* Of vLLM: whether the tokenizer puts a token before the text, as it does here
 * before a completion, and not where the template says all. */
static bool is_usual(const struct json *v, enum request_place place)
{
    return strcmp(json_key(v), "add_special_tokens") == 0 &&
           json_type(v) == JSON_BOOL && place <= REQUEST_COMPLETION &&
           json_true(v) == (place == REQUEST_COMPLETION);
}

int request_fields(struct request *r, const struct json *body,
                   enum request_place place, struct err *err)
{
    for (const struct json *m = json_first(body); m; m = json_next(m)) {
        enum request_member use = REQUEST_MEMBER_IDLE;

        if (!is_usual(m, place))
            use = request_name_judge("", "", m, err);
        if (use == REQUEST_MEMBER_BAD ||
            (use == REQUEST_MEMBER_READ &&
             (check_place(m, place, err) || take_field(r, m, err))))
            return -1;
    }
    if ((place == REQUEST_COMPLETION || place == REQUEST_OPTIONS) &&
        has_date(body))
        return misplaced("apus.date", place, err);
    if (place >= REQUEST_DATA && r->n_choices != 1)
        return request_must(err, "n", "1: a message has one answer");
    return check_logprobs(r, place, err);
}
