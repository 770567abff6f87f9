#!/bin/sh
# Which libraries a program loads: apus none that only jobs or apus-localnet
# have, a worker none that speaks to the network, apus-part-index HDF5 and what
# confines it, apus-slurm libslurm and nothing of ours.
set -eu
build=${top_builddir:-.}
n=0
failed=0
if ! command -v readelf >/dev/null; then
    echo "1..0 # SKIP no readelf"
    exit 0
fi
if readelf -d "$build/apus" | grep -q 'libclang_rt\|libasan'; then
    echo "1..0 # SKIP a build with sanitizers"
    exit 0
fi
# needs_not PROGRAM PATTERN: no library of the pattern
needs_not() {
    n=$((n + 1))
    if [ ! -f "$build/$1" ]; then
        echo "ok $n - $1 # SKIP not built"
        return
    fi
    if readelf -d "$build/$1" | grep NEEDED | grep -E "$2" |
        sed 's/^/# /' | grep .; then
        echo "not ok $n - $1 needs none of $2"
        failed=1
    else
        echo "ok $n - $1 needs none of $2"
    fi
}
needs_not apus 'lib(mpi|slurm|cuda|lua|microhttpd|pcre2|utf8proc)'
needs_not apus-worker 'lib(curl|slurm|lua|microhttpd|pcre2|utf8proc)'
needs_not apus-worker 'lib(cuda|cublas|nccl|nvidia)'
needs_not apus-part-index 'lib(mpi|slurm|lua|microhttpd)'
needs_not apus-slurm 'lib(curl|mpi|hdf5|crypto|lua|microhttpd)'
needs_not apus-localnet 'lib(mpi|slurm|hdf5|cuda)'
if grep -q -e '--without-slurm' "$build/config.log"; then
    n=$((n + 1))
    [ ! -e "$build/apus-slurm" ] || { printf 'not '; failed=1; }
    echo "ok $n - --without-slurm builds no apus-slurm"
fi
echo "1..$n"
exit $failed
