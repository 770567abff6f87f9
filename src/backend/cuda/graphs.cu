/*
 * Launches that are made once.  A step whose rows all draw, one a slot, is the
 * same launches as the next: for each of some numbers of rows, with room for so
 * many, they are captured into a graph, which later steps launch as a whole.
 * What changes between steps (which rows, how many, their tables, the frame,
 * the product that is checked) lies in device memory.  Steps with parts of
 * prompts are launched kernel by kernel, and so are all where the device makes
 * no graph, and all of a member of a group: what it exchanges passes through
 * the host between two kernels, or is launched by NCCL.
 */
#include "backend/cuda/device.cuh"

#include <stdio.h>

/* Rows of the launches for a step of n: the next of 1 2 4 8 12 16 24 32 48 ..,
 * but not more than `most`. */
static uint32_t room_for(uint32_t n, uint32_t most)
{
    uint32_t room = 1;

    while (room < n)
        room = room < 8 ? 2 * room : room % 3 ? room / 2 * 3 : room / 3 * 4;
    return room < most ? room : most;
}

/* The launches for n rows; NULL: the table of graphs is full. */
static struct cuda_graph *find_graph(struct device *d, uint32_t n)
{
    const struct cuda_plan *p = &d->plan;
    struct cuda_graphs *g = &d->graphs;
    uint32_t most = (uint32_t)(p->rows < p->draws ? p->rows : p->draws);
    uint32_t rows = room_for(n, most);

    for (size_t i = 0; i < g->n; i++)
        if (g->of[i].rows == rows)
            return &g->of[i];
    if (g->n == GRAPHS_MOST)
        return NULL;
    g->of[g->n] = { rows, NULL };
    return &g->of[g->n++];
}

void graphs_drop(struct device *d)
{
    struct cuda_graphs *g = &d->graphs;

    for (size_t i = 0; i < g->n && !d->lost; i++)
        if (g->of[i].exec)
            cudaGraphExecDestroy(g->of[i].exec);
    g->n = 0;
}

/* Capture these launches, none of which runs; *err without a code: CUDA's
 * error says why not. */
static cudaError_t capture(struct device *d, const struct cuda_extent *e,
                           cudaGraphExec_t *exec, struct err *err)
{
    cudaError_t rc =
        cudaStreamBeginCapture(d->stream, cudaStreamCaptureModeThreadLocal);
    cudaError_t end;
    cudaGraph_t graph = NULL;

    if (rc)
        return rc;
    d->graphs.captures = true;
    if (forward_launch(d, e, err))
        rc = cudaErrorUnknown;
    d->graphs.captures = false;
    /* it ends in any case, or the stream takes nothing else */
    end = cudaStreamEndCapture(d->stream, &graph);
    if (!rc)
        rc = end;
    if (!rc)
        rc = cudaGraphInstantiate(exec, graph, 0);
    if (graph)
        cudaGraphDestroy(graph);
    return rc;
}

/* The first step is launched kernel by kernel, since what CUDA loads when a
 * kernel is first used cannot be loaded in a capture; then, while the device
 * works, the graph of the later ones is made. */
static int launch_first(struct device *d, struct cuda_graph *g,
                        struct err *err)
{
    const struct cuda_extent e = { g->rows, g->rows, g->rows, g->rows, true };
    struct err why = ERR_INIT;
    char text[sizeof(why.text) + 100];
    cudaError_t rc;

    if (forward_launch(d, &e, err))
        return -1;
    rc = capture(d, &e, &g->exec, &why);
    if (rc == cudaSuccess)
        return 0;
    g->exec = NULL;
    d->graphs.off = true;
    cudaGetLastError();
    if (cudaGetLastError() == cudaSuccess) { /* or the device is lost */
        snprintf(text, sizeof(text), "the GPU makes no graph of launches (%s):"
                 " each kernel is launched by itself",
                 why.code ? why.text : cudaGetErrorString(rc));
        caller_note(&d->caller, false, text);
    }
    return 0;
}

int graphs_launch(struct device *d, struct err *err)
{
    const struct cuda_frame *f = d->f;
    const struct cuda_extent e = { (uint32_t)f->n, (uint32_t)f->n_going,
                                   (uint32_t)f->n_logits,
                                   (uint32_t)f->n_single, false };
    struct cuda_graph *g = NULL;

    if (!d->graphs.off && !d->in_group && e.n_logits == e.n &&
        e.n_single == e.n)
        g = find_graph(d, e.n);
    if (!g)
        return forward_launch(d, &e, err);
    if (!g->exec)
        return launch_first(d, g, err);
    CUDA_TRY(cudaGraphLaunch(g->exec, d->stream), err);
    return 0;
}
