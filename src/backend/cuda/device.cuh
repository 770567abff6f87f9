/*
 * The state of the GPU backend, for its own files: load.cu has weights and
 * memory, order.cu the order of rows, layers.cu the forward pass, graphs.cu
 * launches that are made once, health.cu which device, waiting for it and its
 * failures, products.cu which way a linear is computed, blas_lt.cu the library
 * for large ones, tap.cu checks of them, rehash.cu of hashes, frames.cu the
 * host's memory of steps, members.cu what members of a group exchange and how
 * they follow the first, connect.cu which way they do that, nccl.cu the library
 * of one, device.cu steps and the backend's life, look.cu what
 * messages say.  The host orders and launches; all arrays of `at` are the
 * device's, the others pinned or the host's.  Functions return -1 with err set,
 * ERR_RETRY where the device fails.
 */
#ifndef APUS_BACKEND_CUDA_DEVICE_CUH
#define APUS_BACKEND_CUDA_DEVICE_CUH

#include "backend/cuda/blas.cuh"
#include "backend/cuda/nccl.cuh"
#include "kernels/cuda/launch.cuh"

extern "C" {
#include "backend/cuda/cuda.h"
#include "backend/cuda/cuda_plan.h"
#include "backend/cuda/freivalds.h"
#include "backend/cuda/nvml.h"
#include "backend/group/agree.h"
#include "backend/group/joined.h"
#include "backend/cpu/model_part.h"
#include "base/buf.h"
#include "base/caller.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "engine/backend.h"
#include "engine/group.h"
#include "kernels/kernels.h"
#include "model/model.h"
#include "model/model_layout.h"
}

#define LEAST_MAJOR 8 /* compute capability */

/* Every call of CUDA goes through it: -1 with the function's name where it
 * fails.  A variable has the error of an earlier launch, and no name is given.
 * The code is ERR_RETRY: another machine may do better. */
#define CUDA_TRY(call, err)                                                  \
    do {                                                                     \
        cudaError_t cuda_e = (call);                                         \
        if (cuda_e != cudaSuccess)                                           \
            return cuda_failed(cuda_e, #call, (err));                        \
    } while (0)

/* Fill err, ERR_RETRY, of an error and the text of a call. */
int cuda_failed(cudaError_t e, const char *call, struct err *err);

/* rows of ldk bytes, zeros after the columns. */
struct cuda_matrix {
    int8_t *w;
    float *scale;
    uint32_t rows, cols, ldk;
    uint32_t number;         /* among the matrices */
    struct freivalds *check; /* or NULL: nothing is checked */
};

/* q, k and v are one matrix, in this order, and so are their biases.  Vectors
 * are NULL where the model has none. */
struct cuda_layer {
    struct cuda_matrix qkv, o, gate, up, down;
    const float *bias, *q_norm, *k_norm;
    const float *attn_norm, *attn_after, *ffn_norm, *ffn_after;
};

#define DEVICE_UUID 64 /* bytes of its text, or of that of a slice */
#define HANG_S 30      /* a wait of so many seconds, and .. */
#define HANG_STEPS 10  /* .. so many usual ones, is a device that hangs */

#define STAGES 2 /* pinned buffers that rows pass through */

/* Weights on the device. */
struct cuda_weights {
    struct model_record rec;
    bool there;          /* memory for such a model is taken .. */
    bool whole;          /* .. and all of its matrices came */
    struct id id;        /* of the model that came */
    struct cuda_matrix embed, head;
    struct cuda_layer *layer;
    const float *final_norm;
    int8_t *matrices;    /* of all matrices */
    float *scales, *vectors;
    uint64_t bytes;      /* of these three */
    int8_t *stage[STAGES];
    cudaEvent_t copied[STAGES];
    size_t next;         /* stage */
    struct freivalds *check; /* one for each of .. */
    size_t n_checks;     /* .. the matrices */
    bool has_vectors;    /* they are there */
    cudaError_t failed;  /* a copy, while rows came .. */
    struct err why;      /* .. for which the host waited */
};

/* The product of a step that is checked. */
struct cuda_tap {
    const struct cuda_matrix *w, *up; /* up NULL: one matrix */
    uint32_t layer, row;              /* layer n_layers: the head */
    size_t S;                         /* slices of the row; 0: none is */
};

/* The library for large products, and the shapes that were asked of it. */
struct cuda_shape;
struct cuda_products {
    bool tried;        /* to open it */
    struct blas *blas; /* NULL: there is none to use */
    bool mixed;        /* it serves steps that decode alone */
    struct cuda_shape *shape;
    size_t n_shapes;
};

/* y = w times the quantised rows, m of them, or as many as `live` has of these
 * where it is not NULL; with `up` as in linear_args, and with `add` y is added
 * to. */
struct cuda_product {
    const struct cuda_matrix *w, *up; /* up NULL: one matrix */
    const float *bias;                /* or NULL */
    float *y;
    const uint32_t *live;
    uint32_t m;
    bool add, a8;
    const struct fault_sink *logits; /* y are logits, whose faults these are;
                                        NULL: they are not */
    int32_t *sums; /* not y is made but these, as in linear_args; or NULL */
    uint32_t ldy;  /* floats from a row of y to the next; 0: its outputs */
    uint32_t first; /* the id of the first logit */
    /* the input of the next linear, which the first n_then rows of y become in
     * the same launch, of at most LAST_ROWS rows; n_then 0: they do not */
    struct rows_args then;
    uint32_t n_then;
};

/* The row of a step that is hashed twice, if there is one. */
struct cuda_again {
    bool is;
    size_t row;
};

/* A row of the step and where it came in it. */
struct cuda_row {
    struct backend_row r;
    size_t given;
};

/* Tiles of a frame's. */
struct cuda_tiles {
    size_t first, n;
};

/* A step from its launch to its digests.  Steps take the frames in turn: one
 * runs, one is given to the host, and of the one before it the digests leave.
 * The host writes what the device has not read, and reads what it does not
 * write, since each frame has memory of its own. */
struct cuda_frame {
    uint64_t number;       /* of the step, from 0 */
    unsigned char *pinned; /* all that follows, for copies */
    uint32_t *words, *entry, *list;
    struct prefill_tile *tile;
    float *angles, *last_x;
    struct sample_row *draws;
    uint32_t *hash;
    unsigned long long *least;
    unsigned char *again_rows; /* what was hashed of a row .. */
    float *again_x;            /* .. and its x_L */
    struct linear_tap *tap_at; /* TAP, TAPPED, TAP_Q */
    int32_t *tapped;
    int8_t *tap_q;
    /* rows in the order of the device, first those with logits, then those
     * whose x_L is asked for; no rows: only blocks and x_L move */
    struct cuda_row *row;
    size_t n, n_logits, n_going;
    size_t n_single;           /* that attend one by one; the others in .. */
    struct cuda_tiles tiles[2]; /* .. these, and in the last layer these */
    size_t n_listed;           /* of list */
    size_t *where;             /* of the step's i-th row among them */
    struct cuda_tap tap;
    struct cuda_again again;
    struct backend_last *last;  /* x_L that was asked for */
    size_t n_last;
    cudaEvent_t done, hashed;   /* all but hashes is here; these are */
};

/* Rows that the launches of a forward pass have room for: all; those whose x_L
 * is computed; those that draw; those that attend one by one.  fewer: a step
 * may have fewer rows, which are alike; the device knows how many. */
struct cuda_extent {
    uint32_t n, n_going, n_logits, n_single;
    bool fewer;
};

/* The launches of steps that only draw, with room for so many rows; exec NULL:
 * no graph of them is made yet. */
struct cuda_graph {
    uint32_t rows;
    cudaGraphExec_t exec;
};
#define GRAPHS_MOST 40 /* numbers of rows */
struct cuda_graphs {
    bool off; /* they are not wanted, or the device makes none */
    bool captures; /* what is launched now is for a graph */
    struct cuda_graph of[GRAPHS_MOST];
    size_t n;
};

struct device {
    struct backend base;
    struct model_sink sink;
    cudaStream_t stream;
    cudaStream_t side;         /* of hashes, beside the next step */
    char uuid[DEVICE_UUID];
    char text[DEVICE_UUID + 64]; /* .. and its memory at first */
    uint64_t others;           /* bytes that other programs had then */
    int number;                /* of the device in this process */
    char *libs;                /* where libraries are, or "none" */
    enum cuda_gemm gemm;
    struct caller caller;
    struct cuda_products products;
    struct cuda_graphs graphs;
    struct nvml_watch *xids;   /* errors that the driver reports, or NULL */
    int claim;                 /* a socket that no other rank has, or -1 .. */
    bool shares;               /* .. since this one lets others compute there */
    bool lost;                 /* no call of CUDA may be made any more */
    double usual;              /* seconds that waits took lately */
    cudaEvent_t near[2];       /* by turns, in launches: .. */
    uint32_t since_near, nears; /* .. so many ago, and so many events */
    uint64_t steps;            /* begun */
    uint64_t begun, given;     /* since the load, and those collected */
    bool checks;               /* one product a step .. */
    uint32_t key[2];           /* .. by this secret; .. */
    uint64_t draws_made;       /* .. so many numbers came of it */
    uint32_t hash_every;       /* of so many rows one is hashed twice */
    uint32_t processors;       /* multiprocessors */
    struct cuda_weights weights;
    const struct model *model; /* NULL: nothing is loaded */
    struct model_part part;    /* of a model that this device computes .. */
    struct model_record mine;  /* .. and the record of that */
    uint32_t window[PLAN_WINDOWS]; /* of its layers, the widest first */
    size_t n_windows;
    struct cuda_plan plan;
    unsigned char *at[PLAN_ARRAYS]; /* on the device */
    struct cuda_frame frame[PLAN_KEPT];
    struct cuda_frame *f;      /* of the step that is being launched */
    struct cuda_frame *hashing; /* whose digests are given next, or NULL */
    float *logits[2];          /* pinned: of steps in turn, or NULL */
    uint32_t *in_slot;         /* rows of this step, a slot each */
    bool *taken;               /* a row each: it is in a tile */
    bool *told;                /* a slot each, while they are passed */
    /* of the result that collect hands out */
    struct backend_draw *draw;
    struct backend_fault *fault;
    struct backend_digest *digest;
    struct backend_result result;
    /* of a member of a group: */
    struct group group;
    bool in_group;
    uint32_t sharers;          /* members on this device; alone: 1 */
    bool apart;                /* no two members are on one device */
    bool may_nccl;             /* .. and it may bring what they exchange */
    bool connected;            /* whether it does is decided: .. */
    struct nccl *nccl;         /* .. it does, or NULL: through the host */
    bool nccl_failed;          /* .. and a call of it has */
    unsigned char nccl_id[NCCL_ID];
    unsigned wait_s;           /* for others to join; 0: as long as is usual */
    struct trial *trial;       /* what is exchanged then, pinned .. */
    unsigned char *trial_at;   /* .. and on the device; both NULL later */
    bool hangs;                /* a wait for the device has had no end */
    bool out;                  /* a call has failed: members are not in step */
    bool broken;               /* .. and that call was an exchange */
    struct buf order;          /* of the first member */
    struct joined joined;      /* hashes of this member and the others */
    unsigned char *met;        /* pinned: what the device exchanges */
    uint64_t *keys;            /* of draws or slots, and as many again */
    cudaEvent_t here;          /* what is exchanged has come */
};

template <typename T> static inline T *cuda_array(const struct device *d,
                                                  enum plan_array a)
{
    return (T *)d->at[a];
}

/* The part of an array with one for each frame, on the device. */
static inline unsigned char *frame_part(const struct device *d,
                                        const struct cuda_frame *f,
                                        enum plan_array a)
{
    return d->at[a] +
           (size_t)(f - d->frame) * (d->plan.bytes[a] / PLAN_KEPT);
}

/* The name of a device that stays with it. */
void device_uuid(char out[DEVICE_UUID], const struct cudaDeviceProp *p);
/* Take a device that the kernels run on, for the rank of this number on this
 * machine, and make its stream.  ERR_RETRY: none can be used, or, unless they
 * share, another process has it. */
int device_find(struct device *d, unsigned local, bool share, struct err *err);

/* Compute small models on d's device by a backend of its own (tested.cu).  -1:
 * the numbers are wrong, or the device is lost. */
int device_start_test(struct device *d, const struct cuda_options *o,
                      struct err *err);
/* Bytes that others have of a device with so many free and in all, while this
 * one has its weights at most: other ranks where it is shared, else, from the
 * beginning on, other programs. */
uint64_t device_others(const struct device *d, uint64_t free_bytes,
                       uint64_t all);
/* Wait for an event, or, NULL, for all work, with a deadline: past it the
 * device is lost.  A member whose device may wait for others' does not wait
 * once one of them has left: `broken`, and err has its reason. */
int device_wait(struct device *d, cudaEvent_t event, struct err *err);
/* Whether all work is over soon, once that was given up for which it waits. */
bool device_drains(struct device *d);
/* Before about so many launches: wait until not too many of those before them
 * are left, some hundred.  A stream holds about 1,024, and a launch after these
 * waits without a deadline.  Does nothing before a load. */
int device_keep_near(struct device *d, uint32_t launches, struct err *err);
/* A call of CUDA failed in a step, and err says how: the device is lost, unless
 * it is well and NCCL has failed.  Adds its name, and the step; returns -1. */
int device_failed(struct device *d, struct err *err);
/* Add machine and device to what err says of memory, and remember an error of
 * ERR_RETRY as that of a device that others fill; returns -1. */
int device_full(struct device *d, struct err *err);
/* Allocate n bytes of the device, which were free, for the pointer at `at`.
 * ERR_RETRY if it does not give them, or, where ranks share it, ERR_INPUT with
 * the remedy. */
int device_take(struct device *d, void *at, uint64_t n, struct err *err);
/* At the beginning of a call, which any thread may make: CUDA's current device
 * is a thread's.  -1 and err if the device was lost, or is now. */
int device_enter(struct device *d, struct err *err);

/* Allocate the matrices of a model of this record, after freeing those of the
 * last one.  ERR_INPUT if they do not fit. */
int weights_take(struct device *d, const struct model_record *rec,
                 struct err *err);
/* Copy rows [from, to) of a tensor to the device, as struct model_sink hands
 * them over; m is free for reuse on return. */
void weights_put(struct device *d, uint32_t tensor, const struct x1_matrix *m,
                 size_t from, size_t to);
/* Copy the vectors of a model, and its matrices unless they were streamed. */
int weights_finish(struct device *d, const struct model *m, struct err *err);
void weights_drop(struct device *d);

/* Of a member of a group.  Whether this one has orders for the others. */
static inline bool device_leads(const struct device *d)
{
    return d->in_group && d->group.rank == 0;
}
/* -1 and err if this member cannot be in step with the others any more. */
int members_check(const struct device *d, struct err *err);
/* After a load so far: whether all are well, `mine` being how this one is;
 * alone, too. */
enum agreed members_agree(struct device *d, const struct err *mine,
                          struct err *err);
/* How many share this one's device, once all have their weights. */
int members_places(struct device *d, struct err *err);
/* Decide, once, which way the members exchange what is on their devices: all
 * the same.  It fails where the group has ended, or a member's device is lost
 * in a trial. */
enum agreed members_connect(struct device *d, struct err *err);
/* Before the device is closed, or once the first member has closed its own.
 * Work that waits for members is given up if one has failed. */
void members_disconnect(struct device *d);
/* Where the device may wait for others': whether none has left, else -1 with
 * `out` and `broken`. */
int members_whole(struct device *d, struct err *err);
/* As many blocks as each has room for, in the plan. */
int members_blocks(struct device *d, struct err *err);
/* What the exchanges of a loaded model need. */
int members_take(struct device *d, const struct backend_load *want,
                 struct err *err);
void members_drop(struct device *d);
/* PLAN_AMAX of m rows, PLAN_SUMS of n sums, become those of all members. */
int members_amax(struct device *d, uint32_t m, struct err *err);
int members_sums(struct device *d, size_t n, struct err *err);
/* m rows of PLAN_WHOLE, of which each member has its columns and zeros. */
int members_rows(struct device *d, uint32_t m, uint32_t width,
                 struct err *err);
/* The greatest logit of m rows, and all logits of those that need them. */
int members_draws(struct device *d, uint32_t m, struct err *err);
/* At the end of a step, which `mine` says of: its least faults and the digests
 * of `hashed` (or NULL).  A member that failed fails all of them. */
int members_collect(struct device *d, const struct cuda_frame *f,
                    const struct cuda_frame *hashed, const struct err *mine,
                    struct err *err);
/* After a step or its end has failed: whether members that are gone have found
 * a wrong number decides what the first one's answers are worth. */
void members_ended(struct device *d);
/* struct backend_ops. */
int device_follow(struct backend *b, backend_find_fn *find, void *self,
                  struct err *err);

/* The calls of a backend that a member makes without an order of its own: of
 * the others as they hear them, of the first one after it has said them.  m
 * NULL: there is none, and `none` says why; `device` is one, for follow_ops. */
enum agreed device_load_part(void *device, const struct model *m,
                             const struct err *none,
                             const struct backend_load *want,
                             struct err *err);
int device_step_part(struct device *d, const struct backend_step *s,
                     struct err *err);
int device_collect_part(struct device *d, struct err *err);
int device_copy_part(struct device *d, uint32_t from, uint32_t to,
                     struct err *err);
void device_unload(struct device *d);

/* Open the library for large products, once: it serves only if its sums of the
 * longest rows are right here.  What keeps it from serving is said to the
 * caller; -1: the device fails. */
int products_open(struct device *d, struct err *err);
void products_close(struct device *d);
/* Bytes that the sums of a piece may take and stay in L2; 0: no library. */
uint64_t products_slab(const struct device *d);
/* Launch a linear, whichever way is best. */
int product_launch(struct device *d, const struct cuda_product *p,
                   struct err *err);

/* A number below n that nobody outside this process knows. */
uint32_t draw_below(struct device *d, uint32_t n);

/* Choose the row of a step that is hashed twice, once its rows are ordered;
 * bring what was hashed to the host; and, once its hashes are there, hash it on
 * the host: -1 and ERR_RETRY where the device hashed wrongly. */
void rehash_choose(struct device *d);
int rehash_receive(struct device *d, struct err *err);
int rehash_check(struct device *d, const struct cuda_frame *f,
                 struct err *err);

/* Choose the product of a step that is checked, once its rows are ordered, and
 * tell the device, whose kernels look whether it is theirs: what they are
 * launched with is the same for every step. */
int tap_send(struct device *d, struct err *err);
/* Of the kernel of a linear, where it looks and where the sums go; of the
 * kernel of its input, which linears read that: w, and `up` unless it is
 * NULL. */
void tap_linear(const struct device *d, const struct cuda_matrix *w,
                struct linear_args *a);
void tap_rows(const struct device *d, const struct cuda_matrix *w,
              const struct cuda_matrix *up, struct rows_args *a);
/* Bring all that to the host; then, once the step is done, check it: -1 and
 * ERR_RETRY where the product is wrong. */
int tap_receive(struct device *d, struct err *err);
int tap_check(struct device *d, const struct cuda_frame *f, struct err *err);

/* Order the rows of a step in its frame; then, once their words are set, make
 * their tiles. */
void order_rows(struct device *d, const struct backend_step *s);
void order_tiles(struct device *d);

/* Find which windows the layers have.  ERR_INPUT: too many. */
int order_windows(struct device *d, const struct model *m, struct err *err);

/* Which word of a row has the first key of a layer with this window; 0: with
 * none. */
size_t order_window(const struct device *d, uint32_t window);

/* Whether the input of the linear with this operator is A8; layer FAULT_HEAD:
 * of the head. */
bool forward_is_a8(const struct model_record *rec, uint32_t layer, uint32_t op);
/* Launch everything for the rows of d->f up to logits; their words and angles
 * are being copied.  Returns before the device is done. */
int forward_launch(struct device *d, const struct cuda_extent *e,
                   struct err *err);
/* The same for all rows of d->f, by a graph where one serves the step.  To be
 * dropped before any array or matrix is. */
int graphs_launch(struct device *d, struct err *err);
void graphs_drop(struct device *d);

/* Launch the hashes of x_L that is asked for and not kept, in the stream of the
 * step, before the next one writes over it; then, in the side stream after the
 * step, all others, and bring all to the host. */
int fin_launch(struct device *d, struct err *err);
int hashes_launch(struct device *d, struct err *err);

/* Take the host's memory of steps, and the events of their frames; after -1
 * what was taken is to be dropped. */
int frames_take(struct device *d, unsigned taps, struct err *err);
void frames_drop(struct device *d);

#endif
