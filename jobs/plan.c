/*
 * Ranks of a node, and reading what scontrol says of a job.
 */
#include <config.h>

#include "jobs/plan.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/plural.h"

#define TEXT_MAX ((size_t)64 << 20)
#define NUMBER_MAX ((uint64_t)1 << 32)
#define MIB ((uint64_t)1 << 20)

/* ---- the plan ------------------------------------------------------------ */

static uint64_t at_least_one(uint64_t n)
{
    return n ? n : 1;
}

static uint64_t divide_up(uint64_t n, uint64_t by)
{
    return n / by + (n % by != 0);
}

/* Weights of a rank: of its part of the model. */
static uint64_t part_of(const struct plan_need *need)
{
    return divide_up(need->model, at_least_one(need->tp));
}

/* How often the weights of a rank are in a node's memory: once for the ranks of
 * a socket, or of the node where a quarter of its memory does not hold them
 * (src/backend/cpu/weights.h). */
static uint64_t copies(const struct plan_job *j, const struct plan_need *need)
{
    return part_of(need) < j->memory / 4 ? at_least_one(j->sockets) : 1;
}

/* Bytes of a node that its ranks may have. */
static uint64_t most_of(const struct plan_job *j)
{
    return j->memory / 10 * 9;
}

/* .. for weights and the caches that were asked for. */
static uint64_t usable(const struct plan_job *j, const struct plan_need *need)
{
    uint64_t use = most_of(j);

    if (need->kv)
        return use;
    return use > j->memory / 4 ? use - j->memory / 4 : 0;
}

/* How many ranks a node's memory holds, each with its cache; UINT64_MAX: nobody
 * knows, or as many as there may be.  The next ones up to `most` bring weights
 * of their own: those of each part, and of each copy. */
static uint64_t memory_holds(const struct plan_job *j,
                             const struct plan_need *need)
{
    uint64_t use = usable(j, need), kv = need->kv, part = part_of(need);
    uint64_t most = copies(j, need) * at_least_one(need->tp), ranks;

    if (!j->memory || !need->model)
        return UINT64_MAX;
    if (kv > use || part > use - kv)
        return 0;
    ranks = use / (part + kv);
    if (ranks < most)
        return ranks;
    return kv ? (use - most * part) / kv : UINT64_MAX;
}

/* Bytes that n ranks of a node need at least. */
static uint64_t needs(const struct plan_job *j, const struct plan_need *need,
                      uint64_t n)
{
    uint64_t most = copies(j, need) * at_least_one(need->tp);

    return (n < most ? n : most) * part_of(need) + n * need->kv;
}

static void bound_by(struct plan *p, uint64_t most, enum plan_bound why)
{
    if (p->per_node <= most)
        return;
    p->per_node = at_least_one(most);
    p->bound = why;
}

/* Of as many nodes. */
static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

static uint64_t round_up(uint64_t n, uint64_t unit)
{
    return divide_up(at_least_one(n), unit) * unit;
}

uint64_t plan_whole_groups(uint64_t per_node, uint64_t nodes, unsigned tp)
{
    uint64_t of = at_least_one(tp);

    return round_up(per_node, of / common_divisor(of, at_least_one(nodes)));
}

/* As many ranks of a node as there may be, in groups on it or, where it is too
 * small for one, across nodes; or more, if only that makes whole groups. */
static void make_groups(struct plan *p, uint64_t nodes, uint64_t tp)
{
    uint64_t n = p->per_node, part = plan_whole_groups(1, nodes, (unsigned)tp);

    if (n >= part)
        n -= n % (n < tp ? part : tp);
    p->per_node = plan_whole_groups(n, nodes, (unsigned)tp);
    if (p->per_node > n)
        p->bound = PLAN_GROUP;
}

static void make_asked(struct plan *p, const struct plan_job *j,
                       const struct plan_need *need)
{
    uint64_t nodes = at_least_one(j->nodes), tp = at_least_one(need->tp);

    p->bound = PLAN_ASKED;
    if (j->per_node)
        p->per_node = plan_whole_groups(j->per_node, nodes, need->tp);
    p->ranks = j->per_node ? p->per_node * nodes : round_up(j->tasks, tp);
    if (!p->per_node && nodes == 1)
        p->per_node = p->ranks;
    p->cpus = at_least_one(j->cpus_per_task);
    p->overcommit = j->all_cpus && p->ranks * p->cpus > j->all_cpus;
}

/* CPUs of a socket; a job may have a part of one. */
static uint64_t socket_cpus(const struct plan_job *j)
{
    uint64_t all = j->node_cpus ? j->node_cpus : j->cpus;

    return at_least_one(divide_up(all, at_least_one(j->sockets)));
}

/* Whole groups may be more than fit, and so may what was asked for. */
static void look_for_lack(struct plan *p, const struct plan_job *j,
                          const struct plan_need *need)
{
    uint64_t nodes = at_least_one(j->nodes);
    uint64_t n = p->per_node ? p->per_node : divide_up(p->ranks, nodes);

    if (need->tp > 1 && j->memory && needs(j, need, n) > most_of(j))
        p->lacks = needs(j, need, n);
}

static void make_plan(struct plan *p, const struct plan_job *j,
                      const struct plan_need *need)
{
    uint64_t nodes = at_least_one(j->nodes), cpus = at_least_one(j->cpus);
    uint64_t tp = at_least_one(need->tp);

    memset(p, 0, sizeof(*p));
    p->memory = j->memory;
    if (j->per_node || j->tasks > nodes) {
        make_asked(p, j, need);
        return;
    }
    if (j->gpus) {
        p->bound = PLAN_GPUS;
        p->per_node = j->gpus;
    } else if (j->cpus_per_task > at_least_one(j->threads)) {
        p->bound = PLAN_TASK_CPUS;
        p->per_node = at_least_one(cpus / j->cpus_per_task);
    } else {
        p->bound = PLAN_SOCKETS;
        p->per_node = divide_up(cpus, socket_cpus(j));
    }
    bound_by(p, memory_holds(j, need), PLAN_MEMORY);
    if (need->requests)
        bound_by(p, divide_up(tp * divide_up(need->requests, PLAN_REQUESTS),
                              nodes), PLAN_REQUEST_COUNT);
    make_groups(p, nodes, tp);
    p->ranks = p->per_node * nodes;
    /* all that there is, spread over them */
    p->cpus = at_least_one(cpus / p->per_node);
    p->overcommit = p->cpus * p->per_node > cpus;
}

void plan_make(struct plan *p, const struct plan_job *j,
               const struct plan_need *need)
{
    make_plan(p, j, need);
    look_for_lack(p, j, need);
}

static void report_bound(char *text, size_t n, const struct plan *p,
                         const struct plan_job *j, const struct plan_need *need)
{
    const char *where = copies(j, need) > 1 ? " a socket" : "";
    char kv[64] = "", parts[32] = "";

    switch (p->bound) {
    case PLAN_ASKED:
        snprintf(text, n, "as many as were asked for");
        break;
    case PLAN_GPUS:
        snprintf(text, n, "one a GPU");
        break;
    case PLAN_SOCKETS:
        snprintf(text, n, "one a socket");
        break;
    case PLAN_TASK_CPUS:
        snprintf(text, n, "one for each %" PRIu64 " CPUs, as was asked for",
                 j->cpus_per_task);
        break;
    case PLAN_MEMORY:
        if (need->kv)
            snprintf(kv, sizeof(kv), ", %" PRIu64 " MiB of kv-memory each",
                     need->kv / MIB);
        if (need->tp > 1)
            snprintf(parts, sizeof(parts), " in %u parts", need->tp);
        snprintf(text, n, "no more fit into %" PRIu64 " MiB of memory with"
                 " %" PRIu64 " MiB of weights%s%s%s", j->memory / MIB,
                 need->model / MIB, parts, where, kv);
        break;
    case PLAN_REQUEST_COUNT:
        if (need->requests > PLAN_REQUESTS)
            snprintf(text, n, "one for %d of %" PRIu64 " requests",
                     PLAN_REQUESTS, need->requests);
        else
            snprintf(text, n, "one for %" PRIu64 " request%s", need->requests,
                     plural_s(need->requests));
        break;
    case PLAN_GROUP:
        snprintf(text, n, "no fewer make whole groups");
        break;
    }
}

uint64_t plan_cache(uint64_t memory, uint64_t own, uint64_t shared,
                    uint64_t ranks)
{
    uint64_t part = ranks > 1 ? shared / ranks + (shared % ranks != 0) : shared;

    if (own >= memory || part >= memory - own)
        return 1;
    return memory - own - part;
}

void plan_describe(char text[PLAN_TEXT], const struct plan *p,
                   const struct plan_job *j, const struct plan_need *need)
{
    uint64_t nodes = at_least_one(j->nodes);
    uint64_t threads = at_least_one(j->threads);
    uint64_t cores = at_least_one(at_least_one(j->cpus) / threads);
    uint64_t all = j->node_cpus / threads;
    char why[160], of[64] = "", each[64] = "", groups[64] = "", lack[160] = "";

    report_bound(why, sizeof(why), p, j, need);
    if (p->lacks)
        snprintf(lack, sizeof(lack), "; those of a node need %" PRIu64 " MiB of"
                 " memory at least, and have %" PRIu64 ": more nodes, or a"
                 " greater tp", p->lacks / MIB, most_of(j) / MIB);
    if (all > cores)
        snprintf(of, sizeof(of), " of %" PRIu64, all);
    if (p->per_node && nodes > 1)
        snprintf(each, sizeof(each), ", %" PRIu64 " on each", p->per_node);
    if (need->tp > 1)
        snprintf(groups, sizeof(groups), ", in groups of %u", need->tp);
    snprintf(text, PLAN_TEXT, "%" PRIu64 " rank%s on %" PRIu64 " node%s%s%s,"
             " with %" PRIu64 "%s core%s%s: %s%s%s", p->ranks,
             plural_s(p->ranks),
             nodes, plural_s(nodes), each, groups, cores, of,
             plural_s(all ? all : cores),
             nodes > 1 ? " a node" : "", why,
             all > cores && (p->bound == PLAN_SOCKETS ||
                             p->bound == PLAN_TASK_CPUS)
                 ? " (--exclusive asks for whole nodes)" : "", lack);
}

/* ---- scontrol ------------------------------------------------------------ */

/* Walks over "NAME=VALUE" of a text. */
struct named_value {
    const char *name, *value;
    size_t n_name, n_value;
};

/* Blanks and line ends separate; a word without '=' has no value. */
static bool next_field(struct named_value *f, const char **at, const char *end)
{
    const char *p = *at, *equals;

    while (p < end && (*p == ' ' || *p == '\n' || *p == '\t'))
        p++;
    if (p == end)
        return false;
    f->name = p;
    while (p < end && *p != ' ' && *p != '\n' && *p != '\t')
        p++;
    *at = p;
    equals = memchr(f->name, '=', (size_t)(p - f->name));
    f->n_name = (size_t)((equals ? equals : p) - f->name);
    f->value = equals ? equals + 1 : p;
    f->n_value = (size_t)(p - f->value);
    return true;
}

static bool is_named(const struct named_value *f, const char *name)
{
    return f->n_name == strlen(name) && memcmp(f->name, name, f->n_name) == 0;
}

/* The number that a text begins with, 0 if none; *used: of its bytes. */
static uint64_t number(const char *p, size_t n, size_t *used)
{
    uint64_t v = 0;
    size_t i = 0;

    for (; i < n && p[i] >= '0' && p[i] <= '9' && v < NUMBER_MAX; i++)
        v = 10 * v + (uint64_t)(p[i] - '0');
    if (used)
        *used = i;
    return v;
}

static uint64_t value(const struct named_value *f)
{
    return number(f->value, f->n_value, NULL);
}

/* "100M", "1.50G", "4000": bytes; a number alone is MiB. */
static uint64_t memory(const struct named_value *f)
{
    size_t used, more = 0;
    uint64_t whole = number(f->value, f->n_value, &used), part = 0, unit = MIB;
    const char *p = f->value + used, *end = f->value + f->n_value;

    if (p < end && *p == '.') {
        part = number(p + 1, (size_t)(end - p - 1), &more);
        p += 1 + more;
    }
    if (p < end)
        unit = *p == 'K' ? MIB >> 10 : *p == 'G' ? MIB << 10
               : *p == 'T' ? MIB << 20 : MIB;
    for (; more > 2; more--)
        part /= 10;
    return whole * unit + unit / 100 * (more == 1 ? part * 10 : part);
}

/* "0-3,8,10-11": how many. */
static uint64_t count_ids(const struct named_value *f)
{
    const char *p = f->value, *end = p + f->n_value;
    uint64_t n = 0;

    while (p < end) {
        size_t used;
        uint64_t from = number(p, (size_t)(end - p), &used), to = from;

        if (used == 0)
            break;
        p += used;
        if (p < end && *p == '-') {
            to = number(p + 1, (size_t)(end - p - 1), &used);
            p += 1 + used;
        }
        n += to >= from ? to - from + 1 : 1;
        if (p < end)
            p++; /* a comma */
    }
    return n;
}

/* "gpu:2(IDX:0-1)" or "gpu:a100:2(IDX:0-1),gpu:..": how many GPUs. */
static uint64_t count_gpus(const struct named_value *f)
{
    const char *p = f->value, *end = p + f->n_value;
    uint64_t n = 0;

    while (p < end) {
        const char *stop = p;
        size_t depth = 0;

        while (stop < end && (*stop != ',' || depth)) {
            depth += *stop == '(';
            depth -= *stop == ')' && depth;
            stop++;
        }
        if (stop - p > 4 && memcmp(p, "gpu:", 4) == 0) {
            const char *last = memchr(p, '(', (size_t)(stop - p)), *from;

            if (!last)
                last = stop;
            for (from = last; from > p && from[-1] != ':';)
                from--;
            n += number(from, (size_t)(last - from), NULL);
        }
        p = stop < end ? stop + 1 : end;
    }
    return n;
}

/* "gres:gpu:2", "gres/gpu:a100:1". */
static bool names_gpus(const struct named_value *f)
{
    for (size_t i = 0; i + 3 <= f->n_value; i++)
        if (memcmp(f->value + i, "gpu", 3) == 0)
            return true;
    return false;
}

/* The end of a text that somebody wrote, in which anything may look like a
 * field: that of its line, or where the job's next line begins. */
static const char *skip_text(const struct named_value *f, const char *end)
{
    static const char next[] = "\n   UserId=";
    const char *stop = NULL;

    if (is_named(f, "JobName"))
        stop = memmem(f->value, (size_t)(end - f->value), next,
                      strlen(next));
    if (!stop)
        stop = memchr(f->value, '\n', (size_t)(end - f->value));
    return stop ? stop : end;
}

static bool is_text(const struct named_value *f)
{
    static const char *const names[] = { "JobName", "Command", "WorkDir",
        "StdErr", "StdIn", "StdOut", "Comment", "AdminComment",
        "SystemComment", "Reason", "Extra", "OS" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (is_named(f, names[i]))
            return true;
    return false;
}

/* The next field that is a fact. */
static bool next_fact(struct named_value *f, const char **at, const char *end)
{
    while (next_field(f, at, end)) {
        if (!is_text(f))
            return true;
        *at = skip_text(f, end);
    }
    return false;
}

static void least(uint64_t *to, uint64_t v)
{
    if (v && (!*to || v < *to))
        *to = v;
}

/* What is read beside the facts. */
struct parse {
    bool is_job, in_nodes, any_group, asked_gpus;
    uint64_t group_memory, gpus, memory_node, memory_cpu, node_memory;
    uint64_t sockets, socket_cores; /* of the node that has fewest */
};

/* Of the nodes: what the smallest has. */
static void take_node(struct plan_job *j, struct parse *s,
                      const struct named_value *f)
{
    if (is_named(f, "CPUTot"))
        least(&j->node_cpus, value(f));
    else if (is_named(f, "RealMemory") && memory(f) > MIB)
        /* 1 is the default, and says nothing */
        least(&s->node_memory, memory(f));
    else if (is_named(f, "Sockets"))
        least(&s->sockets, value(f));
    else if (is_named(f, "CoresPerSocket"))
        least(&s->socket_cores, value(f));
    else if (is_named(f, "ThreadsPerCore") && value(f) > j->threads)
        j->threads = value(f);
}

static void take_job(struct plan_job *j, struct parse *s,
                     const struct named_value *f)
{
    if (is_named(f, "JobId"))
        s->is_job = true;
    else if (is_named(f, "NumNodes"))
        j->nodes = value(f);
    else if (is_named(f, "NumCPUs"))
        j->all_cpus = value(f);
    else if (is_named(f, "NumTasks"))
        j->tasks = value(f);
    else if (is_named(f, "CPUs/Task"))
        j->cpus_per_task = value(f);
    else if (is_named(f, "NtasksPerN:B:S:C"))
        j->per_node = value(f);
    else if (is_named(f, "MinMemoryNode"))
        s->memory_node = memory(f);
    else if (is_named(f, "MinMemoryCPU"))
        s->memory_cpu = memory(f);
    else if (f->n_name > 7 && memcmp(f->name, "TresPer", 7) == 0)
        s->asked_gpus = s->asked_gpus || names_gpus(f);
    else if (is_named(f, "CPU_IDs"))
        least(&j->cpus, count_ids(f));
    else if (is_named(f, "Mem"))
        least(&s->group_memory, memory(f));
    else if (is_named(f, "GRES")) {
        uint64_t n = count_gpus(f);

        /* one group without any: none can be counted on */
        s->gpus = s->any_group && n > s->gpus ? s->gpus : n;
        s->any_group = true;
    }
}

int plan_job_parse(struct plan_job *out, const char *text, size_t n,
                   struct err *err)
{
    struct parse s = { .is_job = false };
    struct plan_job j = { .nodes = 0 };
    const char *at = text, *end = text + n;
    struct named_value f;

    if (n > TEXT_MAX)
        return err_set(err, ERR_INPUT, "%zu bytes about a job", n);
    while (next_fact(&f, &at, end)) {
        if (is_named(&f, "NodeName"))
            s.in_nodes = true;
        if (s.in_nodes)
            take_node(&j, &s, &f);
        else
            take_job(&j, &s, &f);
    }
    if (!s.is_job || !j.nodes || j.nodes > NUMBER_MAX)
        return err_set(err, ERR_INPUT, "no job is described");
    if (!j.cpus)
        j.cpus = j.all_cpus / j.nodes;
    /* a node that was configured with a number of CPUs alone has as many
     * sockets of one core */
    j.sockets = s.socket_cores > 1 ? s.sockets : 0;
    /* who asks for whole nodes gets those of them too, and steps do not */
    j.gpus = s.asked_gpus ? s.gpus : 0;
    j.memory = s.group_memory ? s.group_memory : s.memory_node;
    if (!j.memory && s.memory_cpu < UINT64_MAX / NUMBER_MAX)
        j.memory = s.memory_cpu * j.cpus;
    if (!j.memory || (s.node_memory && s.node_memory < j.memory))
        j.memory = s.node_memory;
    *out = j;
    return 0;
}

/* ---- nodes that are left out --------------------------------------------- */

static bool is_value(const struct named_value *f, const char *text, size_t n)
{
    return f->n_value == n && memcmp(f->value, text, n) == 0;
}

/* Whether a list with commas has it. */
static bool is_listed(const struct named_value *f, const char *list)
{
    while (*list) {
        size_t n = strcspn(list, ",");

        if (is_value(f, list, n))
            return true;
        list += n + (list[n] == ',');
    }
    return false;
}

/* Of the nodes that are left as many as make whole groups of `tp` with a GPU
 * for each rank, if it is known how many there are; 0: they make none. */
static uint64_t nodes_of_groups(const struct plan_job *j, uint64_t left,
                                unsigned tp)
{
    while (j->gpus && left > 0 && plan_whole_groups(1, left, tp) > j->gpus)
        left--;
    return left;
}

/* As if the job had so many nodes, each with its part of what it has; a GPU
 * gets no second rank, nor one to make groups whole. */
static void keep_nodes(struct plan_job *j, uint64_t left, unsigned tp)
{
    uint64_t gpus = j->gpus - j->gpus % plan_whole_groups(1, left, tp);
    uint64_t whole = plan_whole_groups(j->per_node, left, tp);

    if (j->tasks > j->nodes)
        j->tasks = divide_up(j->tasks, j->nodes) * left;
    else
        j->tasks = left;
    if (j->gpus && j->tasks > gpus * left)
        j->tasks = gpus * left;
    if (j->gpus && j->per_node && whole > j->per_node && whole > gpus)
        j->per_node = gpus;
    j->all_cpus = j->all_cpus / j->nodes * left;
    j->nodes = left;
}

char *plan_leave_out(struct plan_job *j, const char *hosts, unsigned tp,
                     const char *text, size_t n)
{
    const char *at = text, *end = text + n;
    uint64_t left = j->nodes;
    struct named_value f;
    bool chosen = false;
    struct buf out;

    buf_init(&out, n + 1);
    while (next_fact(&f, &at, end)) {
        if (is_named(&f, "ReqNodeList"))
            chosen = !is_value(&f, "(null)", 6);
        if (!is_named(&f, "NodeName") || !is_listed(&f, hosts) || left == 0)
            continue;
        buf_puts(&out, out.len ? "," : "");
        buf_put(&out, f.value, f.n_value);
        left--;
    }
    if (left < j->nodes)
        left = nodes_of_groups(j, left, tp);
    if (chosen || left == 0 || left == j->nodes) {
        buf_clear(&out);
        return NULL;
    }
    keep_nodes(j, left, tp);
    return buf_take(&out, NULL);
}
