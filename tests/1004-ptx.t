#!/bin/sh
# The device code of kernels/cuda is exact, compiled with the flags of the
# build: no fused multiply-add, no flushing of subnormals, no approximate
# operation, no saturation, no atomic of floats, and no addition, subtraction
# or multiplication without .rn, which ptxas may contract.  And it fits: no
# register is spilled to memory, and no kernel has more registers than its
# block allows.  Files that break a rule each show that the rule is kept.
# Numbers of NCCL, of which no header is included, are those of the toolkit's.
#
# APUS_CUDA_ARCHS: the architectures, 80 by default; `contrib/check cuda` takes
# more, and compiles src/backend/cuda, too.
# part: all
set -eu

top=${top_srcdir:-.}
nvcc=${NVCC:-nvcc}
# those of the build, without its architectures; where there is none -O3
flags=
for word in ${APUS_CUDA_FLAGS:-$(sed -n 's/^cuda_flags = //p' \
    "$top/Makefile.am")}; do
    case $word in
    -gencode* | -arch* | --compress-mode*) ;;
    *) flags="$flags $word" ;;
    esac
done
case $flags in
*-O*) ;;
*) flags="-O3$flags" ;;
esac
command -v "$nvcc" >/dev/null 2>&1 || nvcc=/usr/local/cuda/bin/nvcc
if ! command -v "$nvcc" >/dev/null 2>&1; then
    echo "ok 1 - PTX is exact # SKIP nvcc not found"
    echo 1..1
    exit 0
fi
. "${top_srcdir:-.}/tests/scratch.sh"
n=0
failed=0
result() { # STATUS NAME [FILE-OF-FINDINGS]
    n=$((n + 1))
    if [ "$1" = 0 ]; then
        echo "ok $n - $2"
    else
        [ $# = 2 ] || head -n 20 "$3" | sed 's/^/# /'
        echo "not ok $n - $2"
        failed=1
    fi
}

# What a line of PTX may not have.
float='b?f(16|32|64)(x2)?'
cat >"$tmp/forbidden" <<TXT
(^|[^a-z])fma\\.
(^|[^a-z])mad\\.[a-z.]*$float
\\.ftz
\\.approx
\\.full
\\.sat
(^|[^a-z])(atom|red)\\.[A-Za-z0-9_.:]*\\.$float
(^|[^a-z])(add|sub|mul)(\\.r[zmps])?\\.$float
(^|[^a-z])(ex2|lg2|sin|cos|rsqrt|tanh)\\.
(^|[^a-z])(div|rcp|sqrt)\\.(rz|rm|rp)
TXT
# One instruction and more for each line of that, and some that are exact.
cat >"$tmp/inexact" <<'TXT'
fma.rn.f32 %f1, %f2, %f3, %f4;
mad.rn.f32 %f1, %f2, %f3, %f4;
mad.f64 %fd1, %fd2, %fd3, %fd4;
add.rn.ftz.f32 %f1, %f2, %f3;
cvt.ftz.f32.f16 %f1, %rs1;
rcp.approx.f32 %f1, %f2;
div.full.f32 %f1, %f2, %f3;
add.sat.s32 %r1, %r2, %r3;
cvt.rn.sat.f32.s32 %f1, %r1;
atom.global.add.f32 %f1, [%rd1], %f2;
atom.global.add.noftz.f16x2 %r1, [%rd1], %r2;
atom.global.add.v2.f32 {%f1, %f2}, [%rd1], {%f3, %f4};
atom.add.noftz.bf16 %rs1, [%rd1], %rs2;
red.global.add.f64 [%rd1], %fd1;
red.global.add.L2::cache_hint.f32 [%rd1], %f1, %rd2;
red.relaxed.gpu.global.add.v4.f32 [%rd1], {%f1, %f2, %f3, %f4};
add.f32 %f1, %f2, %f3;
sub.f64 %fd1, %fd2, %fd3;
mul.f32 %f1, %f2, %f3;
mul.bf16 %rs1, %rs2, %rs3;
add.f16x2 %r1, %r2, %r3;
add.rz.f32 %f1, %f2, %f3;
sub.rm.f32 %f1, %f2, %f3;
mul.rp.f64 %fd1, %fd2, %fd3;
ex2.f32 %f1, %f2;
lg2.f32 %f1, %f2;
sin.f32 %f1, %f2;
cos.f32 %f1, %f2;
rsqrt.f64 %fd1, %fd2;
tanh.f32 %f1, %f2;
div.rz.f32 %f1, %f2, %f3;
rcp.rm.f64 %fd1, %fd2;
sqrt.rp.f32 %f1, %f2;
TXT
cat >"$tmp/allowed" <<'TXT'
add.rn.f32 %f1, %f2, %f3;
mul.rn.f64 %fd1, %fd2, %fd3;
sqrt.rn.f64 %fd1, %fd2;
div.rn.f32 %f1, %f2, %f3;
cvt.rn.f32.s64 %f1, %rd1;
st.shared.v2.f32 [%r1], {%f1, %f2};
ld.shared.f32 %f1, [%r1];
atom.global.add.u64 %rd1, [%rd2], %rd3;
red.global.max.u32 [%rd1], %r1;
mad.lo.s32 %r1, %r2, %r3, %r4;
add.s32 %r1, %r2, %r3;
mov.f32 %f1, 0f3F800000;
TXT
grep -vnE -f "$tmp/forbidden" "$tmp/inexact" >"$tmp/found" && status=1 ||
    status=0
result $status "the rule refuses each inexact instruction" "$tmp/found"
grep -nE -f "$tmp/forbidden" "$tmp/allowed" >"$tmp/found" && status=1 ||
    status=0
result $status "and none that is exact" "$tmp/found"
: >"$tmp/found"
i=0
while read -r line; do
    i=$((i + 1))
    sed "${i}d" "$tmp/forbidden" >"$tmp/fewer"
    grep -qvE -f "$tmp/fewer" "$tmp/inexact" || echo "$line" >>"$tmp/found"
done <"$tmp/forbidden"
[ ! -s "$tmp/found" ] && status=0 || status=1
result $status "no line of it could be left out" "$tmp/found"

# compile FILE ARCH: its PTX in $tmp/ptx
compile() {
    # shellcheck disable=SC2086
    "$nvcc" $flags -arch="compute_$2" -I"$top" -I"$top/src" -ptx "$1" \
        -o "$tmp/ptx" 2>"$tmp/log" || { cat "$tmp/log" >&2; return 1; }
}
# exact: nothing forbidden in $tmp/ptx; what there is goes to $tmp/found.
# Lines of a file's name and comments are no instructions.
exact() {
    grep -vE '^[[:space:]]*(//|\.file|\.loc)' "$tmp/ptx" |
        grep -nE -f "$tmp/forbidden" >"$tmp/found" && return 1
    return 0
}

# The most registers of a kernel of a file, on any architecture.
registers='attention.cu 248
gemm.cu 64
hashes.cu 128
heads.cu 64
large.cu 216
linear.cu 240
prefill.cu 255
rowwise.cu 48
sample.cu 96'

archs=${APUS_CUDA_ARCHS:-80}
for file in "$top"/kernels/cuda/*.cu; do
    name=${file##*/}
    for arch in $archs; do
        compile "$file" "$arch" || exit 1
        exact && status=0 || status=1
        result $status "PTX of $name for compute_$arch is exact" "$tmp/found"
        # shellcheck disable=SC2086
        "$nvcc" $flags -arch="sm_$arch" -I"$top" -I"$top/src" -cubin "$file" \
            -Xptxas -v -o "$tmp/cubin" 2>"$tmp/log" || {
            cat "$tmp/log" >&2
            exit 1
        }
        grep -E '[1-9][0-9]* bytes (spill|stack)' "$tmp/log" >"$tmp/found" &&
            status=1 || status=0
        result $status "$name spills nothing on sm_$arch" "$tmp/found"
        most=$(sed -n 's/.*Used \([0-9]*\) registers.*/\1/p' "$tmp/log" |
            sort -n | tail -n 1)
        limit=$(echo "$registers" | sed -n "s/^$name //p")
        [ "$most" -le "${limit:-0}" ] && status=0 || status=1
        result $status \
            "$name: $most registers on sm_$arch, limit ${limit:-0}"
    done
done

# What launches them compiles by itself, with no header that configure writes.
for file in "$top"/src/backend/cuda/*.cu; do
    for arch in ${APUS_CUDA_ARCHS:-}; do
        compile "$file" "$arch" && status=0 || status=1
        result $status "${file##*/} compiles for compute_$arch"
    done
done
grep -l 'include.*config\.h' "$top"/kernels/cuda/*.cu* \
    "$top"/src/backend/cuda/*.cu* "$top"/kernels/x1.h >"$tmp/found" &&
    status=1 || status=0
result $status "no .cu and no header of theirs has what configure writes" \
    "$tmp/found"

# One file for each rule, which it breaks: it has to be refused.
bad() { # NAME, the body of a kernel on standard input
    {
        echo '#include <cuda_fp16.h>'
        echo '__global__ void k(float *x, double *d, int *i) {'
        cat
        echo '}'
    } >"$tmp/bad.cu"
    compile "$tmp/bad.cu" "${archs%% *}" || exit 1
    exact && status=1 || status=0
    result $status "refuses $1"
}
bad "an explicit fma" <<'TXT'
    x[0] = __fmaf_rn(x[1], x[2], x[3]);
TXT
bad "an atomic addition of floats" <<'TXT'
    atomicAdd(x, 1.5f);
TXT
bad "an atomic addition of doubles" <<'TXT'
    atomicAdd(d, 1.5);
TXT
bad "a saturating conversion" <<'TXT'
    x[0] = __saturatef(x[1]);
TXT
bad "a saturating product of integers" <<'TXT'
    asm volatile("add.sat.s32 %0, %0, %1;" : "+r"(i[0]) : "r"(i[1]));
TXT
bad "an approximate quotient" <<'TXT'
    x[0] = __fdividef(x[1], x[2]);
TXT
bad "an approximate exponential" <<'TXT'
    x[0] = __expf(x[1]);
TXT
bad "a quotient rounded down" <<'TXT'
    x[0] = __fdiv_rd(x[1], x[2]);
TXT
bad "half precision" <<'TXT'
    __half2 h = __floats2half2_rn(x[0], x[1]);
    x[0] = __low2float(__hadd2(h, h));
TXT

# Flags that somebody may lose or add: before those of the build they change
# nothing, after them they do.
exactly=$flags
flags="-use_fast_math $exactly"
compile "$top/kernels/cuda/heads.cu" "${archs%% *}" || exit 1
exact && status=0 || status=1
result $status "PTX is exact where NVCCFLAGS has -use_fast_math" "$tmp/found"
flags="$exactly -prec-div=false"
bad "quotients that are not exact" <<'TXT'
    x[0] = x[1] / x[2];
TXT
flags="$exactly -prec-sqrt=false"
bad "roots that are not exact" <<'TXT'
    x[0] = sqrtf(x[1]);
TXT
flags="$exactly -ftz=true"
bad "subnormals flushed to zero" <<'TXT'
    x[0] = __fadd_rn(x[1], x[2]);
TXT
flags=$(echo "$exactly" | sed 's/-fmad=false//')
bad "a multiplication that an addition may join" <<'TXT'
    x[0] = __fmul_rn(x[1], x[2]) + x[3];
TXT
bad "plain operators of doubles" <<'TXT'
    d[0] = d[1] * d[2] + d[3];
TXT
bad "a difference of floats" <<'TXT'
    x[0] = x[1] - x[2];
TXT
# The kernels need no such flag: their operations are intrinsics and integers.
for file in "$top"/kernels/cuda/*.cu; do
    compile "$file" "${archs%% *}" || exit 1
    exact && status=0 || status=1
    result $status "PTX of ${file##*/} is exact without -fmad=false" \
        "$tmp/found"
done

# Numbers of NCCL that the source has, against those of its header.
numbers() { # ADDED-TO-ONE
    {
        echo '#include <nccl.h>'
        echo 'namespace ours {'
        sed -n "/^enum { INT32/s/INT32 = 2/&$1/p; /^enum { SUM/p" \
            "$top/src/backend/cuda/nccl.cu"
        sed -n '/^#define NCCL_ID/p' "$top/src/backend/cuda/nccl.cuh"
        cat <<'TXT'
}
static_assert(ours::INT32 == (int)ncclInt32, "");
static_assert(ours::UINT32 == (int)ncclUint32, "");
static_assert(ours::UINT64 == (int)ncclUint64, "");
static_assert(ours::SUM == (int)ncclSum && ours::MAX == (int)ncclMax, "");
static_assert(ncclSuccess == 0 && sizeof(ncclUniqueId) == NCCL_ID, "");
static_assert(sizeof(ncclDataType_t) == sizeof(int), "");
static_assert(sizeof(ncclRedOp_t) == sizeof(int), "");
static_assert(sizeof(ncclResult_t) == sizeof(int), "");
TXT
    } >"$tmp/nccl.cu"
    "$nvcc" -std=c++17 -c "$tmp/nccl.cu" -o "$tmp/nccl.o" >"$tmp/found" 2>&1
}
echo '#include <nccl.h>' >"$tmp/there.cu"
if "$nvcc" -c "$tmp/there.cu" -o "$tmp/there.o" >/dev/null 2>&1; then
    numbers '' && status=0 || status=1
    result $status "numbers of NCCL are those of its header" "$tmp/found"
    numbers ' + 1' && status=1 || status=0
    result $status "another number is refused"
fi
echo "1..$n"
exit $failed
