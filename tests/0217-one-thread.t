#!/bin/sh
# What modules of AO are made of (contrib/ao/module/build) but their system:
# what looks at APUS_ONE_THREAD is compiled with it and names nothing of
# threads, shared memory or processes, nor does the rest; with Lua and what the
# shim says of a machine it links, so no file is missing from the list, and no
# function from the shim; and it answers as the library does.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scratch.sh"
top=$(cd "${top_srcdir:-.}" && pwd)
build=$(cd "${top_builddir:-.}" && pwd)
CC=${CC:-cc}
command -v nm >/dev/null || { echo "1..0 # SKIP no nm"; exit 0; }
case $(cat "$build/config.status") in
*fsanitize*) echo "1..0 # SKIP this build is for sanitizers"; exit 0 ;;
esac
lua_cflags=$(sed -n 's/^LOCALNET_CFLAGS = //p' "$build/Makefile")
lua_libs=$(sed -n 's/^LOCALNET_LIBS = //p' "$build/Makefile")

cd "$tmp"
n=0
status=0
report() { # STATUS NAME
    n=$((n + 1))
    [ "$1" = 0 ] && what=ok || { what="not ok"; status=1; }
    echo "$what $n - $2"
}
compile() { # OBJECT SOURCE
    # shellcheck disable=SC2086
    $CC -O1 -w -std=gnu11 -ffp-contract=off -DAPUS_ONE_THREAD \
        -DHAVE_CONFIG_H -I"$build" -I"$top" -I"$top/src" $lua_cflags \
        -c "$2" -o "$1" >>out 2>&1
}

# Of a file that does not depend on the flag the build has the object.
sh "$top/contrib/ao/module/build" --sources | grep -v '^contrib/' >list
mkdir new
: >objects
: >out
r=0
while read -r f; do
    object=$build/${f%/*}/libapus_a-$(basename "$f" .c).o
    case $f in
    src/backend/* | src/lua/* | kernels/*) object= ;;
    *) ! grep -q APUS_ONE_THREAD "$top/$f" || object= ;;
    esac
    if [ ! -f "$object" ]; then
        object=new/$(echo "${f%.c}" | tr / _).o
        case $f in
        src/lua/engine_lua.c) [ -n "$lua_libs" ] || continue ;;
        esac
        compile "$object" "$top/$f" || r=1
    fi
    echo "$object" >>objects
done <list
sed 's/^/# /' out
report $r "those that look at APUS_ONE_THREAD compile: $(find new -name '*.o' |
    wc -l) of $(wc -l <list)"
names='pthread_|sem_|mmap|munmap|memfd_|shm_|v?fork|clone|posix_spawn|exec[lv]'
xargs nm -u <objects | grep -E " ($names|flock|sched_)" >found || :
sed 's/^/# /' found
[ ! -s found ] && [ "$(wc -l <objects)" -gt 60 ] && r=0 || r=1
report $r "none names a thread, shared memory or a process"

if [ -x "$build/tests/enginelua" ]; then
    # what a module says of its machine
    { echo '#include "base/machine.h"'
      sed -n '/^[a-z0-9_]* machine_/,/^}/p' "$top/contrib/ao/module/shim.c"
    } >machine.c
    # kernels of CPUs are in no module: here they do nothing
    nm -u new/kernels_levels.o | sed -n 's/.* \(x1_[a-z0-9_]*\)$/\1/p' |
        while read -r f; do
            echo "__attribute__((weak)) int $f(void) { return 0; }"
        done >levels.c
    : >out
    compile machine.o machine.c
    compile levels.o levels.c
    compile enginelua.o "$top/tests/enginelua.c"
    # shellcheck disable=SC2046,SC2086
    $CC $(cat objects) machine.o levels.o enginelua.o -o one $lua_libs -lm \
        >out 2>&1 && r=0 || r=1
    grep -E 'undefined|multiple' out | sed 's/^/# /' | sort -u | head -n 10
    report $r "they link: no source is missing from the list"
    "$build/apus" model convert "$top/models/nano" -o nano.apus >out
    head -n 1 "$top/models/nano/eval.jsonl" >q.jsonl
    printf '%064d\n' 7 >ids
    for program in ./one "$build/tests/enginelua"; do
        "$program" "$top/tests/engine.lua" nano.apus q.jsonl ids 1 || :
    done >said 2>&1
    [ "$(wc -l <said)" = 2 ] && [ "$(sort -u said | wc -l)" = 1 ] &&
        r=0 || r=1
    [ $r = 0 ] || sed 's/^/# /' said
    report $r "the program answers as the library does"
fi
echo "1..$n"
exit $status
