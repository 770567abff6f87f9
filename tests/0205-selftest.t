#!/bin/sh
# Goal of this test: a build that contracts or reorders is refused by the
# start-up self-test; one that is merely optimised is not.
# part: all
set -eu

top=${top_srcdir:-.}
cc=${CC:-cc}
. "${top_srcdir:-.}/tests/scratch.sh"
cat >"$tmp/main.c" <<'EOF'
#include <stdio.h>
#include "kernels/kernels.h"
int main(void)
{
    char text[200] = "accepted";
    struct x1_kernels k;
    int r;
    x1_thread_init();
    x1_kernels_init(&k, 0);
    r = x1_selftest(&k, text, sizeof(text));
    puts(text);
    return r != 0;
}
EOF
: >"$tmp/config.h"
kernels=$(ls "$top"/kernels/*.c | grep -v '/check[^/]*$')
n=0

# The levels of this CPU are linked and not run: the self-test below is that of
# the reference.
(cd "$tmp" && case $top in /*) ;; *) top=$OLDPWD/$top ;; esac &&
    $cc -std=c11 -D_GNU_SOURCE -O1 -I. -I"$top" -I"$top/src" \
        -ffp-contract=off -c "$top"/kernels/x86/*.c) >"$tmp/log" 2>&1 || :

# build NAME FLAGS..: the self-test's word in $word; false if it cannot run
build() {
    rm -f "$tmp/a.out"
    $cc -std=c11 -D_GNU_SOURCE -I"$tmp" -I"$top" -I"$top/src" "$@" \
        -o "$tmp/a.out" "$tmp/main.c" $kernels "$tmp"/*.o -lm \
        >"$tmp/log" 2>&1 || return 1
    word=$("$tmp/a.out" 2>&1) || [ $? -eq 1 ]
}

expect() {
    what=$1
    shift
    n=$((n + 1))
    if ! build "$@"; then
        echo "ok $n - $* is $what # SKIP $cc cannot build or run that here"
    elif { [ "$what" = accepted ] && [ "$word" = accepted ]; } ||
        { [ "$what" = refused ] && [ "$word" != accepted ]; }; then
        echo "ok $n - $* is $what: $word"
    else
        echo "not ok $n - $* is $what: $word"
    fi
}

fma=-mno-fma
grep -q ' fma ' /proc/cpuinfo 2>/dev/null && fma=-mfma
expect accepted -O0 -ffp-contract=off
expect accepted -O3 -ffp-contract=off
expect accepted -O3 -march=native -ffp-contract=off
expect refused -O2 -ffast-math
expect refused -O2 -ffp-contract=off -fassociative-math -fno-signed-zeros \
    -fno-trapping-math
if [ $fma = -mfma ]; then
    expect refused -O2 -mfma -ffp-contract=fast
else
    n=$((n + 1))
    echo "ok $n - contraction is refused # SKIP no FMA on this machine"
fi
echo "1..$n"
