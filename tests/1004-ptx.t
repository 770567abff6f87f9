#!/bin/sh
# Goal of this test: the device code of kernels/*.cu has no fused
# multiply-add, no flushing of subnormals and no approximate operation.
set -eu

top=${top_srcdir:-.}
nvcc=${NVCC:-nvcc}
command -v "$nvcc" >/dev/null 2>&1 || nvcc=/usr/local/cuda/bin/nvcc
if ! command -v "$nvcc" >/dev/null 2>&1; then
    echo "ok 1 - PTX is exact # SKIP nvcc not found"
    echo 1..1
    exit 0
fi
. "${top_srcdir:-.}/tests/scratch.sh"
n=0
for file in "$top"/kernels/*.cu; do
    n=$((n + 1))
    name=${file##*/}
    "$nvcc" -fmad=false -I"$top" -I"$top/src" -ptx "$file" -o "$tmp/ptx"
    if grep -nE 'fma|\.ftz|approx' "$tmp/ptx" >"$tmp/found"; then
        sed 's/^/# /' "$tmp/found"
        echo "not ok $n - PTX of $name is exact"
    else
        echo "ok $n - PTX of $name is exact"
    fi
done
# The check itself: contraction allowed, it must find some.
n=$((n + 1))
cat >"$tmp/fused.cu" <<'EOF'
__global__ void f(float *x) { *x = x[1] * x[2] + x[3]; }
EOF
"$nvcc" -ptx "$tmp/fused.cu" -o "$tmp/ptx"
if grep -q fma "$tmp/ptx"; then
    echo "ok $n - a contracted kernel would be found"
else
    echo "not ok $n - a contracted kernel would be found"
fi
echo "1..$n"
