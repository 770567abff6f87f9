#!/bin/sh
# Engine, CPU backend and kernels, built with APUS_ONE_THREAD for modules of AO,
# name nothing of threads, shared memory or processes.
set -eu
. "${top_srcdir:-.}/tests/scratch.sh"
top=$(cd "${top_srcdir:-.}" && pwd)
build=$(cd "${top_builddir:-.}" && pwd)
CC=${CC:-cc}
command -v nm >/dev/null || { echo "1..0 # SKIP no nm"; exit 0; }
case $(cat "$build/config.status") in
*fsanitize*) echo "1..0 # SKIP this build is for sanitizers"; exit 0 ;;
esac

cd "$tmp"
status=0
# shellcheck disable=SC2086
$CC -O0 -w -std=gnu11 -ffp-contract=off -DAPUS_ONE_THREAD -DHAVE_CONFIG_H \
    -I"$build" -I"$top" -I"$top/src" -c "$top"/src/engine/*.c \
    "$top"/src/backend/*.c "$top"/src/backend/cpu/*.c "$top"/src/lua/solo.c \
    "$top"/kernels/levels.c "$top"/kernels/reference.c "$top"/kernels/pack.c \
    "$top"/kernels/selftest.c "$top"/kernels/x1common.c \
    "$top"/kernels/wasm/*.c >out 2>&1 || status=$?
sed 's/^/# /' out
[ $status = 0 ] && echo "ok 1 - they compile" || echo "not ok 1 - they compile"
names='pthread_|sem_|mmap|munmap|memfd_|shm_|v?fork|clone|posix_spawn|exec[lv]'
nm -u ./*.o | grep -E " ($names|flock|sched_)" >found || :
sed 's/^/# /' found
n=$(find . -name '*.o' | wc -l)
if [ "$n" -gt 15 ] && [ ! -s found ]; then
    echo "ok 2 - none of $n objects names a thread or shared memory"
else
    echo "not ok 2 - $n objects, or one names a thread or shared memory"
    status=1
fi
echo 1..2
exit $status
