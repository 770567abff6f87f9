#!/bin/sh
# Goal of this test: the level "amx" computes X1 to the bit, every operation
# and every vector, with the tile instructions emulated in C (needs
# tests/emulated_check and tests/emulated_x1vectors).  No other program has
# that level on a CPU without AMX.
set -eu

top=${top_srcdir:-.}
build=${top_builddir:-.}
n=0

# expect NAME COMMAND..: its exit code is 0; what it printed is in the log
expect() {
    n=$((n + 1))
    name=$1
    shift
    if out=$("$@" 2>&1); then
        echo "ok $n - $name: $(echo "$out" | tail -n 1)"
    else
        echo "$out" | sed 's/^/# /' | grep -v '^# ok' | tail -n 20
        echo "not ok $n - $name"
    fi
}

if ! "$build/kernels/check" --op silu --level vnni >/dev/null; then
    echo "1..0 # SKIP the level amx needs a CPU with AVX-512 VNNI beside tiles"
    exit 0
fi
expect "every operation" "$build/tests/emulated_check" --level amx --cases 40
expect "every vector" "$build/tests/emulated_x1vectors" --kernel amx \
    "$top/vectors/x1"
if grep -q ' amx_int8 ' /proc/cpuinfo; then
    echo "ok 3 - only these programs know it # SKIP this CPU has AMX"
elif "$build/kernels/check" --op silu --level amx >/dev/null; then
    echo "not ok 3 - only these programs know it"
else
    echo "ok 3 - only these programs know it"
fi
echo 1..3
