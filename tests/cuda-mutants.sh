#!/bin/sh
# Planted mistakes: each is put into a copy of the kernels for GPUs or of the
# backend over them, one at a time, and the test that must find it is built
# with it and run on the emulated device; where the plain program sees nothing,
# the checked one is tried.  A line each: what was planted, and which found it.
# The exit status is 1 if one is found by neither, or could not be planted.
#
#   cuda-mutants.sh BUILD [K/N [NAME]]  all, or every N-th from the K-th on, of
#                                       those that begin with NAME
#   cuda-mutants.sh -                   see whether each can be planted
#
# BUILD is a build directory with tests/libcusim.a; CXX, CC and TMPDIR count.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
build=-
[ "$1" = - ] || build=$(cd "$1" && pwd)
part=${2:-1/1}
names=${3:-}
CXX=${CXX:-g++}
CC=${CC:-gcc}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' HUP INT TERM
tried=0
number=0
missed=0

# The libraries of a test, as make has them; run in the build directory.
libraries() { # VARIABLE
    # shellcheck disable=SC2016
    make -s --no-print-directory -C "$build" \
        --eval 'mutant_libs: ; @echo $('"$1"') $(LIBS)' mutant_libs
}
[ "$build" = - ] || base_libs=$(libraries tests_t_cuda_linear_LDADD)
[ "$build" = - ] || checked_libs=$(libraries tests_t_cuda_linear_checked_LDADD)
flags="-std=c++17 -ffp-contract=off -w -DHAVE_CONFIG_H -I$tmp/over -I$build
    -I$build/src -I$top -I$top/src -I$top/tests"

# Whether a test is of the whole backend, in C.
of_backend() { # TEST
    case $1 in
    backend | engine | graphs | members) ;;
    *) return 1 ;;
    esac
}

# Build the test with what is in $tmp/over into $tmp/program.
build_plain() { # TEST
    if of_backend "$1"; then
        # shellcheck disable=SC2086
        $CXX $flags -O1 -c "$tmp/over/tests/cusim/backend.cpp" \
            -o "$tmp/b.o" || return 1
        # shellcheck disable=SC2086
        $CC -std=gnu11 -w -DHAVE_CONFIG_H -I"$tmp/over" -I"$tmp/over/src" \
            -I"$build" -I"$build/src" -I"$top" -I"$top/src" -O1 -c \
            "$tmp/over/src/backend/cuda/cuda_plan.c" -o "$tmp/p.o" || return 1
        objects="$build/tests/t_cuda_$1.o $tmp/b.o $tmp/p.o"
    else
        # shellcheck disable=SC2086
        $CXX $flags -O1 -c "$top/tests/t_cuda_$1.cpp" -o "$tmp/t.o" ||
            return 1
        objects=$tmp/t.o
    fi
    # shellcheck disable=SC2086
    (cd "$build" && $CXX $objects $base_libs -o "$tmp/program")
}
build_checked() { # TEST
    ! of_backend "$1" || return 1
    # shellcheck disable=SC2086
    $CXX $flags -O1 -fsanitize=thread -fno-tree-vectorize \
        -fno-store-merging -c "$top/tests/t_cuda_$1.cpp" -o "$tmp/t.o" ||
        return 1
    # shellcheck disable=SC2086
    (cd "$build" && $CXX "$tmp/t.o" $checked_libs -o "$tmp/program")
}

# Whether the program fails with one of these seeds.
finds() { # SEED...
    for seed in "$@"; do
        status=0
        CUSIM_SEED=$seed timeout 600 "$tmp/program" >"$tmp/out" 2>&1 ||
            status=$?
        [ "$status" -ne 0 ] || continue
        how="seed $seed, wrong"
        [ "$status" -ne 86 ] || how="seed $seed, a finding"
        [ "$status" -ne 124 ] || how="seed $seed, no end"
        return 0
    done
    return 1
}

# Plant a mistake by a script of sed, and look for it.
try() { # FILE TEST NAME SCRIPT
    case $3 in "$names"*) ;; *) return 0 ;; esac
    number=$((number + 1))
    [ $((number % ${part#*/})) -eq $((${part%/*} % ${part#*/})) ] || return 0
    tried=$((tried + 1))
    if [ "$build" = - ]; then
        sed "$4" "$top/$1" | cmp -s - "$top/$1" || return 0
        echo "NOT PLANTED: $3"
        missed=$((missed + 1))
        return 0
    fi
    rm -rf "$tmp/over"
    mkdir -p "$tmp/over/kernels" "$tmp/over/src/backend" "$tmp/over/tests"
    cp -r "$top/kernels/cuda" "$tmp/over/kernels/"
    cp -r "$top/src/backend/cuda" "$tmp/over/src/backend/"
    ln -s src/backend "$tmp/over/backend"
    mkdir "$tmp/over/tests/cusim"
    cp "$top/tests/cusim/backend.cpp" "$tmp/over/tests/cusim/"
    sed -i "$4" "$tmp/over/$1"
    if cmp -s "$top/$1" "$tmp/over/$1"; then
        echo "NOT PLANTED: $3"
        missed=$((missed + 1))
    elif ! build_plain "$2" 2>"$tmp/err"; then
        echo "DOES NOT COMPILE: $3: $(grep -m1 error "$tmp/err")"
        missed=$((missed + 1))
    elif finds 0 1; then
        echo "plain, $how: $3"
    elif build_checked "$2" 2>"$tmp/err" && finds 0 1; then
        echo "checked, $how: $3"
    else
        echo "NOT FOUND: $3"
        missed=$((missed + 1))
    fi
}

L=kernels/cuda/linear.cuh
try $L linear "linear: no barrier after the sums are zeroed" \
    '/d\[i\]\[j\]\[r\] = 0;/,/linear_sums/{/__syncthreads/d}'
try $L linear "linear: no barrier before the sums are read" \
    '/linear_meet<MT, NT>(part, d);/,/linear_join/{/__syncthreads/d}'
try $L linear "linear: no fence before the counter" \
    '/atomicAdd(&sum/,/last\[0\] =/{/__threadfence/d}'
try $L linear "linear: the counter is not reset" \
    '/a.count\[blockIdx.x\] = 0/d'
try $L linear "linear: sums of splits are not reset" '/ sum\[i\] = 0;/d'
try $L linear "linear: a copy is not waited for" \
    's/copy_wait<ST - 1>/copy_wait<ST>/'
try $L linear "linear: the ring is a slot too short" \
    's/ring + at % ST \*/ring + at % (ST - 1) */'
try $L linear "linear: the last row is not repeated" \
    's/(n < a.n ? n : a.n - 1)/n/'
try $L linear "linear: rows past the last are read" \
    's/(col < a.m \* S ? col : 0)/col/'
try $L linear "linear: hi and lo change places" \
    's/(int64_t)p\[0\] \* 256 + p\[1\]/(int64_t)p[1] * 256 + p[0]/'
try $L linear "linear: sums meet in 32 bits" \
    's/(int64_t)p\[0\] \* 256/(int64_t)(int32_t)((uint32_t)p[0] * 256u)/'
try $L linear "linear: the bias comes after the residual" \
    '/if (a.bias)/,/v = X1_ADD(v, c.bias/d
     s/^\( *\)a.y\[(size_t)r \* a.ldy + n\] = v;/\1if (a.bias)\
        v = X1_ADD(v, c.bias);\n&/'
try $L linear "linear: up has the scale of gate" 's/a.s_w2\[n\]/a.s_w[n]/'
try $L linear "linear: amax of signed values" 's/x1_bits(v) & 0x7fffffffu/\
x1_bits(v)/'
try $L linear "linear: the tap has the wrong row" \
    's/? a.tap->row :/? a.tap->row + 1 :/'
try $L linear "linear: the tap has gate's sums twice" \
    's/linear_tap<S>(a, u, n, 1)/linear_tap<S>(a, p, n, 1)/'
try $L linear "linear: the chunk of the last split is left out" \
    's/(a.ldk - k0 + stride - 1) \/ stride/(a.ldk - k0) \/ stride/'

try $L linear "linear: the highest of equal logits" \
    's/(0xffffffffu - (a.first + n))/n/'
try $L linear "linear: the limit of a logit is a fault late" \
    's/>= ROW_LIMIT) {/> ROW_LIMIT) {/'
try $L linear "linear: the fault of a logit is the first row's" \
    's/fault_note(a.fault, r, a.op/fault_note(a.fault, 0, a.op/'
try $L linear "linear: the best of half the outputs" \
    's/linear_best(key, 1, 16)/linear_best(key, 2, 16)/'
try $L linear "linear: no barrier before the best are read" \
    '/if (key \&\& i % 16 == 0)/,/if (a.amax \&\& threadIdx/{
     /__syncthreads/d
     }'
try $L linear "linear: rows that a step does not have" \
    's/return a.live \&\& \*a.live < a.m ? \*a.live : a.m;/return a.m;/'

M=kernels/cuda/large.cuh
try $M linear "large: a copy is not waited for" \
    's/copy_wait<F::ST - 2>/copy_wait<F::ST - 1>/'
try $M linear "large: no barrier between chunks" \
    '/all have what was copied/,/__syncthreads/{/__syncthreads/d}'
try $M linear "large: the ring is a chunk too short" \
    's/chunks + at % F::ST \* F::WORDS/chunks + at % (F::ST - 1) * F::WORDS/
     s/(at + 1) % F::ST \* F::WORDS/(at - F::ST + 1) % (F::ST - 1) * F::WORDS/'
try $M linear "large: the last row of weights is not repeated" \
    's/row = row < a.n ? row : a.n - 1;/;/'
try $M linear "large: rows past the last are read" \
    's/row = row < a.m \* S ? row : 0;/;/'
try $M linear "large: gate and up take turns of 32" \
    's/row \/ 16 % 2 ? a.w2/row \/ 32 % 2 ? a.w2/'
try $M linear "large: all warps have the first columns" \
    's/ + warp \/ F::WM \* (32 \* F::NT);/;/'
try $M linear "large: each split begins at the first chunk" \
    's/(first + at) \* LARGE_CHUNK/at * LARGE_CHUNK/'
try $M linear "large: the last chunk of a split is left out" \
    's/(blockIdx.z + 1) \/ gridDim.z) - first;/\
(blockIdx.z + 1) \/ gridDim.z) - first - (gridDim.z > 1);/'
try $M linear "large: no fence before the counter" \
    '/atomicAdd(&sum/,/last\[0\] =/{/__threadfence/d}'
try $M linear "large: the counter is not reset" '/a.count\[tile\] = 0;/d'
try $M linear "large: sums of splits are not reset" \
    '/sum\[e \* F::THREADS\] = 0;/d'
try $M linear "large: sums of all tiles meet in one" \
    's/(size_t)tile \* (F::ROWS \* F::COLS)/(size_t)0/'
try $M linear "large: rows of A8 are those of A14" \
    's/(col + 8 \* j) \/ S + e/(col + 8 * j) \/ 2 + e/'
try $M linear "large: rows past the last are written" \
    's/if (!valid || n >= a.n)/if (n >= a.n)/'
try $M linear "large: outputs past the last are written" \
    's/if (!valid || n >= a.n)/if (!valid)/'
try $M linear "large: hi is of another output" \
    's/p\[2\] = { d\[i\]\[j\]\[2 \* h + e\]/p[2] = { d[i][j][e]/'
try $M linear "large: up is gate" \
    's/const int up = GATE ? i + 1 : i;/const int up = i;/'
try $M linear "large: scales of another output" \
    's/linear_scales_of<GATE>(a, n < a.n ? n : a.n - 1)/\
linear_scales_of<GATE>(a, first < a.n ? first : 0)/'
try $M linear "large: amax of half the lanes" \
    's/linear_best(amax, 4, 32)/linear_best(amax, 8, 32)/'
try $M linear "large: the best of half the lanes" \
    's/linear_best(key, 4, 32)/linear_best(key, 8, 32)/'
try $M linear "large: rows that a step does not have" \
    's/ \&\& row_is_live(a.live, r)//'
try $M linear "large: no row is tapped" \
    's/tapped = linear_tapped(a);/tapped = TAP_NONE;/'
try $M linear "large: the step of the row before" \
    's/a.step\[r\] : 0/a.step[r ? r - 1 : 0] : 0/'
try kernels/cuda/large.cu linear "large: splits without room for their sums" \
    's/if (needs.sums > most.sums || needs.counts > most.counts)/if (false)/'
try kernels/cuda/large.cu linear "large: a scratch for fewer tiles" \
    's/return { tiles \* each, tiles };/\
return { (tiles + 1) \/ 2 * each, tiles };/'

G=kernels/cuda/gemm.cuh
try $G linear "gemm: hi is read twice" 's/r \* S + s) \*/r * S) */'
try $G linear "gemm: up has the sums of gate" 's/a.d2\[at\]/a.d[at]/'
try $G linear "gemm: outputs begin at the first" \
    's/n = a.first + i;/n = i;/'
try $G linear "gemm: the best of half a warp" \
    's/linear_best(key, 1, 32)/linear_best(key, 1, 16)/'
try $G linear "gemm: one row too many a piece" \
    's/if (i < a.some)/if (i <= a.some)/'
try $G linear "gemm: rows that a step does not have" \
    '/if (!row_is_live/,/return;/d'
try $G linear "gemm: the best is that of the first row" \
    's/a.of.draw\[r\].best/a.of.draw[0].best/'
try $G linear "gemm: the step of the first row" 's/a.of.step\[r\]/a.of.step[0]/'

A=kernels/cuda/attention.cuh
try $A attention "attention: rows of a step from its first on" \
    's/a.row + blockIdx.z/blockIdx.z/'
try $A attention "scores: no barrier after the queries are copied" \
    '/vmax\[0\] = 0;/,/pragma unroll/{/__syncthreads/d}'
try $A attention "scores: the greatest one includes keys that are out" \
    's/key\[i\] < p.from || key\[i\] >= p.to/key[i] < p.from/'
try $A attention "scores: keys before a window count" \
    's/if (key\[i\] < p.from || /if (/'
try $A attention "mix: u is read before it is written" \
    '/mix_weights((uint8_t/,/mix_products/{/__syncwarp/d}'
try $A attention "mix: u is written before it was read" \
    '/mix_products<MT, C>(d, a/,/^    }/{/__syncwarp/d}'
try $A attention "mix: keys in another order than u" \
    's/lane % 4 \* 4 + lane % 16 \/ 4/lane % 16/'
try $A attention "mix: the block of another key" \
    's/\* a.page + t % a.page;/* a.page + (t + 1) % a.page;/'
try $A attention "mix: Z from float weights" \
    's/(uint32_t)x1_z_term(w)/(uint32_t)(w * 16777215.0f)/'
try $A attention "mix: two slices only" 's/(uint8_t)(u >> 14)/0/'
try $A attention "mix: Z is added by each slab" 's/if (slab == 0)/if (1)/'
try $A attention "mix: the group's last head is left out" \
    's/if (row < 3 \* group)/if (row < 3 * group - 1)/'
try $A attention "finish: z is zeroed before all have read it" \
    '/finish_row(a, row, threadIdx.x/,/finish_zeros(a, row)/{/__syncthreads/d}'
try $A attention "finish: .. by the last block" \
    '/finish_row(a, first/,/finish_zeros(a, first/{/__syncthreads/d}'
try $A attention "finish: top is left for the next step" \
    '/a.top\[row\] = 0;/d'
try $A attention "finish: the greatest s_v is left for the next step" \
    '/a.vm\[row\] = 0;/d'
try $A attention "finish: num is left for the next step" \
    '/a.num\[row \* a.hdp + i\] = 0;/d'
try kernels/cuda/keys.cuh attention "keys: two words of a turn" \
    's/__byte_perm(c, d, 0x5410)/__byte_perm(c, d, 0x7632)/'
try kernels/cuda/keys.cuh attention "keys: negative scores in falling order" \
    's/u >> 31 ? 0xffffffffu : 0x80000000u/0x80000000u/'

E=kernels/cuda/last.cuh
try $E attention "last: no fence before the counter" \
    '/^DEV bool comes_last/,/__syncthreads/{/__threadfence/d}'
try $E attention "last: no fence after the counter" \
    '/return false;/,/return true;/{/__threadfence/d}'
try $E attention "last: it counts before all have written" \
    '/^DEV bool comes_last/,/atomicAdd/{/__syncthreads/d}'
try $E attention "last: the last but one goes on" \
    's/== n - 1;/== (n > 1 ? n - 2 : 0);/'
try $E attention "last: the counter is not reset" 's/\*done = 0;/;/'

try $E last "last: .. of a product: no fence before the counter" \
    '/^DEV bool comes_last/,/__syncthreads/{/__threadfence/d}'
try $E last "last: .. no fence after the counter" \
    '/return false;/,/return true;/{/__threadfence/d}'
try $E last "last: .. it counts before all have written" \
    '/^DEV bool comes_last/,/atomicAdd/{/__syncthreads/d}'
try $E last "last: .. the last but one goes on" \
    's/== n - 1;/== (n > 1 ? n - 2 : 0);/'
try $E last "last: .. the counter is not reset" 's/\*done = 0;/;/'
try $A last "mix: the last block quantises the row of another sequence" \
    's/row_pass<ATTN_THREADS>(a.then, a.row + seq,/\
row_pass<ATTN_THREADS>(a.then, seq,/'
try $A last "mix: blocks without keys do not count" \
    's/^    if (a.done \&\&$/    if (p.first < p.end \&\& a.done \&\&/'
try $A last "mix: sequences have one counter" \
    's/\&a.done\[blockIdx.z\]/a.done/'
try $L last "linear: all splits count for the last block" \
    's/comes_last(a.then.done, gridDim.x, /\
comes_last(a.then.done, gridDim.x * gridDim.y, /'
try $L last "linear: the last block goes on with the first row" \
    's/row_pass<32 \* W>(a.then.rows, r,/row_pass<32 * W>(a.then.rows, 0,/'
try $L graphs "linear: no block goes on with rows" \
    's/NT == 1 \&\& a.then.m/false/'

P=kernels/cuda/prefill.cuh
try $P prefill "prefill: a query sees the key after its own" \
    's/if (key < x.from || key >= x.to)/if (key < x.from || key > x.to)/'
try $P prefill "prefill: weights of keys that are out" \
    's/if (key < x\[h\].from || key >= x\[h\].to)/if (key >= x[h].to)/'
try $P backend "prefill: windows of one layer for all" \
    '/if (a.whole)/,/tile.from = 0;/d'
try $P prefill "prefill: maxima of two lanes" \
    's/for (int d = 1; d < 4; d \*= 2)/for (int d = 1; d < 2; d *= 2)/'
try $P prefill "prefill: Z of two lanes" \
    's/for (int e = 1; e < 4; e \*= 2)/for (int e = 1; e < 2; e *= 2)/'
try $P prefill "prefill: a query that is none is written" \
    's/if (t == 0 \&\& x\[h\].valid)/if (t == 0)/'
try $P prefill "prefill: heads of the next group" \
    's/kv \* group + i % group;/(kv + 1) % a.kv_heads * group + i % group;/'
try $P prefill "prefill: the padding of a head is written" \
    's/if (at < a.hd)/if (1)/'

H=kernels/cuda/heads.cuh
try $H heads "heads: the pairs of a rotation are neighbours" \
    's/normed(i < half ? i + half : j)/normed(i ^ 1)/'
try $H heads "heads: values are rotated, too" \
    's/heads_append(a, row, at - a.heads - a.kv_heads, true, normed)/\
heads_append(a, row, at - a.heads - a.kv_heads, true, turned)/'
try $H heads "heads: padding is not written" \
    's/for (uint32_t i = threadIdx.x % 32; i < a.hdp; i += 32) {/\
for (uint32_t i = threadIdx.x % 32; i < a.hd; i += 32) {/'
try $H heads "heads: the position after" \
    's/uint32_t position = a.fault.to\[row\] - 1;/\
uint32_t position = a.fault.to[row];/'
try $H heads "heads: the scale of k in place of that of v" \
    's/ring + (v ? 4 : 0)/ring + (v ? 0 : 4)/'
try $H heads "heads: no barrier before the inverse is read" \
    '/norm\[threadIdx.x\].inverse = /,/if (!mine)/{/__syncthreads/d}'
try $H heads "heads: the fault of a head has no number" \
    's/a.op\[HEADS_Q\], a.first + head, fault/a.op[HEADS_Q], 0, fault/'
try $H heads "heads: a norm's fault is lost" \
    's/fault_note(a.fault, row, a.op\[q ? HEADS_Q_NORM/\
fault_note(a.fault, row, a.op[0 ? HEADS_Q_NORM/'
try $H heads "heads: one ring for all frames" \
    's/\*a.frame \* a.frame_bytes/0 * a.frame_bytes/'

R=kernels/cuda/rowwise.cuh
W=kernels/cuda/row_pass.cuh
try $R rowwise "embed: rows that a step does not have" \
    '/^__global__ void k_embed/,/return;/{/if (!row_is_live/,/return;/d}'
try $W rowwise "rows: no barrier between two maxima" \
    '/v = __reduce_max_sync(0xffffffffu, v);/,/return v;/{
     /^    __syncthreads();\n    return/d
     }
     /shared\[threadIdx.x % (T \/ 32)\]/,/return v;/{/__syncthreads/d}'
try $W rowwise "rows: the last fault in place of the first" \
    's/(int32_t)~block_max<T>(~first, shared)/\
(int32_t)block_max<T>(first, shared)/'
try $W rowwise "rows: hi is cut off, not rounded" \
    's/(v + 128) >> 8/v >> 8/'
try $W rowwise "rows: gains before the inverse" \
    's/X1_MUL(X1_MUL(x\[i\], inv), g\[i\])/X1_MUL(X1_MUL(x[i], g[i]), inv)/'
try $W rowwise "rows: sums of squares in 32 bits" \
    's/        s += (uint32_t)(q \* q);/        s = (uint32_t)(s + q * q);/'
try $W rowwise "rows: the padding is not zero" \
    's/r == 0 || i >= a.k ? 0/r == 0 ? 0/'
try $W rowwise "rows: the tap has the row before" \
    's/a.tap->row == row/a.tap->row == row + 1/'
try $W rowwise "rows: one linear has the tap" \
    's/a.tap->number == a.reader\[1\]/false/'
try $W rowwise "rows: the tap has hi twice" \
    's/a.tapped_q\[a.ldk + i\] = (int8_t)(v - 256 \* hi);/\
a.tapped_q[a.ldk + i] = (int8_t)hi;/'
try $W rowwise "rows: those that a step does not have" \
    '/^DEV void row_pass/,/return;/{/if (!row_is_live/,/return;/d}'
try kernels/cuda/quantise.cuh rowwise "quantise: the limit is a fault late" \
    's/amax >= ROW_LIMIT ||/amax > ROW_LIMIT ||/'
try kernels/cuda/quantise.cuh rowwise "quantise: small rows of A8 stay" \
    's/(a8 \&\& amax < ROW_LEAST)/false/'
try kernels/cuda/quantise.cuh rowwise "quantise: the mean of one less" \
    's/__ddiv_rn(ms, (double)k)/__ddiv_rn(ms, (double)(k - 1))/'
try kernels/cuda/quantise.cuh rowwise "quantise: eps is left out" \
    's/__dadd_rn(ms, (double)eps)/ms/'

S=kernels/cuda/sample.cuh
try $S sample "sample: a fault is drawn from" \
    's/t == 0 || best == BEST_FAULT/t == 0/'
try $S sample "sample: the highest of equal ids" \
    's/0xffffffffu - (uint32_t)best/(uint32_t)best/'
try $S sample "sample: equals of the cut all stay" \
    's/return (\*e)++ < c.equals;/return true;/'
try $S sample "sample: top_p before top_k" \
    's/\*sum_k = c.sum;/;/'
try $S sample "sample: top_p is rounded down" \
    's/\* p->top_p + SAMPLE_MILLION - 1) \//* p->top_p) \//'
try $S sample "sample: the draw is of 64 bits" \
    's/(sample_bits(p) >> 1)/sample_bits(p)/'
try $S sample "sample: the choice is not of the counter" \
    's/{ p->position, 0, p->choice,/{ p->position, 0, 0,/'
try $S sample "sample: bins are not zeroed" 's/ b->count\[i\] = 0;/;/'
try $S sample "sample: no barrier before the bins are walked" \
    '/atomicAdd(&b->sum\[0\], zero_sum);/,/^}/{/__syncthreads/d}'
try $S sample "sample: rows that a step does not have" \
    '/if (!row_is_live/,/return;/d'
try $S sample "sample: equals of the chunks before are forgotten" \
    's/t.equals = e = (uint32_t)before;/t.equals = 0, e = (uint32_t)before;/'
try $S sample "sample: what one thread keeps is all" \
    's/(void)sample_scan(kept, word, &all);/all = kept;/'

C=kernels/cuda/hashes.cuh
try $C hashes "hashes: an odd last hash is lost" \
    's/if (n % 2 \&\& threadIdx.x < 8)/if (false)/'
try $C hashes "hashes: a level is read while it is written" \
    '/sha_node(s, h + 16/,/h\[8 \* i + j\] = s/{/__syncthreads/d}'
try $C hashes "hashes: leaves are nodes" \
    's/uint32_t before = 0, bytes/uint32_t before = 1, bytes/'
try $C hashes "hashes: the last piece is as long as all" \
    's/a.d - from < COMMIT_PIECE \/ 4 ? a.d - from : COMMIT_PIECE \/ 4/\
COMMIT_PIECE \/ 4/'
try $C hashes "hashes: the length is of the words alone" \
    's/w\[15\] = 8 \* bytes;/w[15] = 8 * (bytes - 1);/'
try $C hashes "hashes: no barrier before the tree" \
    '/h\[8 \* to + j\] = s\[j\];/,/sha_tree(h, n_rows)/{/__syncthreads/d}'

B=src/backend/cuda
try $B/order.cu backend "order: a slot's rows are tiled with another's" \
    's/if (d->f->row\[j\].r.slot != slot)/if (false)/'
try $B/order.cu backend "order: rows that draw come last" \
    's/r->logits ? 0 : r->fin ? 1 : 2/r->logits ? 2 : r->fin ? 1 : 0/'
try $B/order.cu backend "order: a tile ends at its first row" \
    's/tile->to = end > tile->to ? end : tile->to;/\
tile->to = tile->to ? tile->to : end;/'
try $B/order.cu backend "order: rows without logits leave the last layer" \
    's/tiles\[1\], d->f->n_single, d->f->n_going)/\
tiles[1], d->f->n_single, d->f->n_logits)/'
try $B/layers.cu backend "layers: down is A8 under A8R" \
    's/ &&$/ \&\&/; s/op != OP_DOWN/true/'
try $B/layers.cu backend "layers: keys of the first layer for all" \
    's/return (size_t)p->layer \* n->n_blocks/return (size_t)0 * n->n_blocks/'
try $B/layers.cu backend "layers: no window" \
    's/order_window(d, l->window) \* rows + i/WORDS_FROM * rows + i/'
try $B/layers.cu backend "layers: no window in tiles" \
    's/order_window(d, l->window) \* d->plan.rows/WORDS_FROM * d->plan.rows/'
try $B/order.cu engine "order: one window for all layers" \
    's/d->window\[k\] == window/1/'
try $B/order.cu engine "order: tiles begin where the least window does" \
    's/order_window(d, d->window\[0\])/order_window(d, d->window[1])/'
try $B/layers.cu backend "layers: the norm after is left out" \
    's/^    if (!gains)$/    if (true)/'
try $B/layers.cu backend "layers: one ring for all layers" \
    's/(size_t)p->layer \* (d->plan.ring_row/(size_t)0 * (d->plan.ring_row/'
try $B/layers.cu backend "layers: logits that are faults are drawn from" \
    '/of.logits = &sink;/d'
try $B/layers.cu backend "layers: GELU of gate times gate" \
    's/each_launch(g, g, u,/each_launch(g, g, g,/'
try $B/layers.cu backend "layers: x_L that is asked for has the first hashes" \
    's/(d->plan.trees \* d->plan.rows + from) \* 8/\
d->plan.trees * d->plan.rows * 8/'
try $B/layers.cu backend "layers: hashes of rows with logits alone" \
    's/f->n_going \* 32/f->n_logits * 32/'
try $B/layers.cu backend "layers: the norm after down is that after o" \
    's/y->ffn_after, OP_DOWN_OUT/y->attn_after, OP_DOWN_OUT/'
try $B/layers.cu graphs "layers: graphs do not know how many rows there are" \
    's/e->fewer ? step_words(d) : NULL/NULL/'
try $B/graphs.cu graphs "graphs: room for more is all there" \
    's/g->rows, g->rows, true }/g->rows, g->rows, false }/'
try $B/graphs.cu graphs "graphs: the first one serves all" \
    's/g->of\[i\].rows == rows)/g->of[i].rows > 0)/'
try $B/device.cu graphs "device: hashes of the first frame" \
    's/= (uint32_t)(f - d->frame);/= 0;/'
try $B/device.cu backend "device: the position of the draw" \
    's/w->position = r->position + 1;/w->position = r->position;/'
try $B/device.cu backend "device: half of the seed" \
    '/w->seed\[1\] = /d'
try $B/device.cu backend "device: x_L of an older step" \
    's/(d->begun - s) % PLAN_KEPT\]/(d->begun + s) % PLAN_KEPT]/'
try $B/device.cu backend "device: x_L of a row that is not kept" \
    's/f->row\[i\].r.position == p->position/true/'
try $B/device.cu backend "device: digests past a fault" \
    's/if (row->commit \&\& in_range(f, row))/if (row->commit)/'
try $B/device.cu backend "device: a draw past a fault" \
    's/g->drew = r->sampling \&\& in_range(f, r);/g->drew = r->sampling;/'
try $B/device.cu backend "device: a frame of the step that runs" \
    's/f = d->f = &d->frame\[d->begun % PLAN_KEPT\]/f = d->f = d->frame/'
try $B/device.cu backend "device: the first draw of a slot is its last" \
    's/^    for (size_t i = f->n_logits; i-- > 0;) {/\
    for (size_t i = 0; i < f->n_logits; i++) {/'
try $B/device.cu backend "device: hashes of the step are not waited for" \
    's/device_wait(d, hashed->hashed, err) ||/0 ||/'
try $B/layers.cu backend "layers: the hashes do not wait for the step" \
    '/cudaStreamWaitEvent(d->side/d'
try $B/device.cu backend "device: blocks are copied in the first layer" \
    's/for (uint32_t l = 0; l < layers; l++) {/\
for (uint32_t l = 0; l < 1; l++) {/'
try $B/device.cu backend "device: the scales of a block are not copied" \
    's/{ PLAN_K, PLAN_V, PLAN_S_K,/{ PLAN_K, PLAN_V, PLAN_V,/
     s/^ *PLAN_S_V };/PLAN_V };/'
try $B/device.cu backend "device: faults of the step before" \
    's/f->least, d->at\[PLAN_LEAST\], d->plan.slots \* 8/\
f->least, d->at[PLAN_LEAST], 8/'
try $B/members.cu members "members: sizes of rows are each one's own" \
    's/return agree_words(d, PLAN_AMAX, m, err);/return 0;/'
try $B/members.cu members "members: half of the sums, by NCCL" \
    's/NCCL_SUM_I32, d->at\[PLAN_SUMS\], n,/\
NCCL_SUM_I32, d->at[PLAN_SUMS], n \/ 2,/'
try $B/members.cu members "members: half of the sums, through the host" \
    's/sum_i32(g->self, sum, n, err)/sum_i32(g->self, sum, n \/ 2, err)/'
try $B/members.cu members "members: lower halves of lesser keys" \
    's/x\[i\] >> 32 == high\[i\] ? (uint32_t)x\[i\] : 0/(uint32_t)x[i]/'
try $B/members.cu members "members: others' logits are not zero, on the host" \
    '/memset(word, 0, p->vocab_first/d'
try $B/members.cu members "members: others' logits are not zero, by NCCL" \
    '/if (end < vocab)/,/ err);/d'
try $B/members.cu members "members: keys of the first row, by NCCL" \
    's/m \* sizeof(\*row) \/ sizeof(row->best)/\
sizeof(*row) \/ sizeof(row->best)/'
try $B/members.cu members "members: faults are each one's own" \
    's/if (worst == ENDED_FAULTY && /if (false \&\& /'
try $B/members.cu members "members: digests of the first row" \
    's/f->hash + i \* d->plan.trees \* 8/f->hash/'
try $B/members.cu members "members: each plans all of a shared GPU" \
    's/d->sharers += memcmp.*/d->sharers = 1;/'
try $B/members.cu members "members: GPUs that two share are apart" \
    's/d->apart = d->apart && memcmp/d->apart = d->apart || memcmp/'
try $B/connect.cu members "connect: no trial of NCCL" 's/i < 5 \&\&/i < 4 \&\&/'
try $B/connect.cu members "connect: a library that is no use is kept" \
    '/^    close_library(d, true);/d'
try $B/connect.cu members "connect: a trial without an end is not given up" \
    's/close_library(d, true)/close_library(d, false)/'
try $B/connect.cu members "connect: who waited in a trial is lost" \
    's/!device_drains(d)/true/'
try $B/connect.cu members "connect: closed while it exchanges" \
    '/!d->out && device_wait(d, NULL, NULL)/,/d->out = true;/d'
try $B/health.cu members "health: more launches than a stream holds" \
    's/#define NEAR 256/#define NEAR 256000/'
try $B/health.cu members "health: a member that left is waited for" \
    's/if (members_whole(d, err))/if (0)/'
try $B/health.cu members "health: a device is lost by NCCL" \
    's/d->nccl_failed \&\& !d->lost/false/'
try $B/nccl.cu members "nccl: greatest of signed keys" \
    's/{ UINT64, MAX }/{ 4, MAX }/'
try $B/nccl.cu members "nccl: greatest sums" 's/{ INT32, SUM }/{ INT32, MAX }/'
try $B/nccl.cu members "nccl: an exchange that fails is none" \
    's/return result ? failed(n, "ncclAllReduce"/\
return 0 ? failed(n, "ncclAllReduce"/'
try $B/load.cu backend "load: the first part of q, k and v thrice" \
    's/of->w + (p->at + r) \* of->ldk/of->w + r * of->ldk/'
try $B/load.cu backend "load: a stage is filled before it was sent" \
    's/device_wait(d, w->copied\[w->next\], &w->why)/0/'
try $B/device.cu backend "device: refused memory fails the next launch" \
    's/cudaGetLastError();.*//'
try $B/load.cu backend "load: the bias of k for v" \
    's/append_part(v, from->bv, /append_part(v, from->bk, /'
try $B/products.cu backend "products: all pieces have the first weights" \
    's/size_t at = (size_t)s->first \* s->of.ldk;/size_t at = 0;/'
try $B/products.cu backend "products: sums of gate and up overlap" \
    's/s.d + bytes \/ 4 \/ 4 \* 4;/s.d;/'
try $B/products.cu backend "products: the last piece has rows of the others" \
    's/s.ld = full ? each : rest;/s.ld = each;/'
try $B/products.cu backend "products: the library serves A8 as A14" \
    's/scale_launch(s, a8, d->stream)/scale_launch(s, false, d->stream)/'
try $B/products.cu backend "products: many rows are those of the library" \
    's/large_launch(&a, p->a8,/large_launch(\&a, false,/'
try $B/products.cu backend "products: no bias" 's/a.bias = p->bias;/;/'
try $B/products.cu backend "products: gate without up" \
    's/a.w2 = p->up ? p->up->w : NULL;/a.w2 = NULL;/'
try $B/products.cu backend "products: a fault of logits is of their norm" \
    's/a.op = HEAD_LOGITS;/a.op = HEAD_NORM;/'
try $B/products.cu backend "products: columns of half the rows" \
    's/p->m \* (p->a8 ? 1 : 2)/p->m/'
try $B/cuda_plan.c backend "plan: a block of 32 above 256 channels" \
    's/rec->head_dim > 256 ? 16 : 32/32/'
try $B/cuda_plan.c backend "plan: soft caps are let through" \
    's/if (rec->flags & MODEL_SOFT_CAPS)/if (0)/
     s/MODEL_WIDE_NORM | MODEL_NORM_BOTH/MODEL_SOFT_CAPS | &/'
try $B/cuda_plan.c backend "plan: no room for one sequence" \
    's/p->n_blocks = p->stride;/;/'
try $B/rehash.cu backend "rehash: x_L of another row" \
    's/cuda_array<float>(d, PLAN_X) + row \* dim/cuda_array<float>(d, PLAN_X)/'
try $B/rehash.cu backend "rehash: the hash of the first row" \
    's/f->hash + (row \* d->plan.trees + t) \* 8/f->hash + t * 8/'
try $B/rehash.cu backend "rehash: the ring of the first frame" \
    's/frame_part(d, d->f, PLAN_RING) +/d->at[PLAN_RING] +/'
try $B/rehash.cu backend "rehash: no row is ever hashed" \
    's/at < d->f->n;/at > d->f->n;/'
try $B/tap.cu backend "tap: no linear has a number of its own" \
    's/a->number = w->number;/a->number = 0;/'
try $B/tap.cu backend "tap: rows of the last layer that stopped" \
    's/return (uint32_t)f->n_going;/return (uint32_t)f->n;/'
try $B/tap.cu backend "tap: up is not said to read" \
    's/up ? up->number : w->number/w->number/'
try $B/load.cu backend "tap: weights of q, k and v at one place" \
    's/p->at + i - skip, 1)/i, 1)/'
try $B/cuda_plan.c backend "plan: the ceiling of keys is forgotten" \
    's/if (want->kv_bytes \&\&/if (0 \&\&/'

echo "$tried planted, $missed not found"
[ "$missed" -eq 0 ]
