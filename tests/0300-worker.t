#!/bin/sh
# apus-worker shows its ranks: one alone, and two under mpirun where it was
# built with MPI.
set -eu
. "${top_srcdir:-.}/tests/scratch.sh"
worker=${top_builddir:-.}/apus-worker
n=0
failed=0
is() { # NAME GOT EXPECTED
    n=$((n + 1))
    if [ "$2" = "$3" ]; then
        echo "ok $n - $1"
    else
        echo "# got \"$2\" and not \"$3\""
        echo "not ok $n - $1"
        failed=1
    fi
}
skip() { # NAME REASON
    n=$((n + 1))
    echo "ok $n - $1 # SKIP $2"
}
ranks() { sed 's/ on .*//' | sort | tr '\n' ','; }

is "alone it is one rank" "$("$worker" --alone --show-ranks | ranks)" \
    "rank 0 of 1,"
status=0
"$worker" --nonsense >/dev/null 2>&1 || status=$?
is "an unknown option is misuse" "$status" 2
is "--version names the program" \
    "$("$worker" --version | sed 's/ .*//')" apus-worker

two="two ranks under mpirun"
if ! grep -q '^#define HAVE_MPI 1' "${top_builddir:-.}/config.h"; then
    skip "$two" "built without MPI"
    is "without MPI it is one rank, too" \
        "$("$worker" --show-ranks | ranks)" "rank 0 of 1,"
elif ! command -v mpirun >/dev/null 2>&1; then
    skip "$two" "no mpirun"
elif [ "$(id -u)" = 0 ] && [ -z "${OMPI_ALLOW_RUN_AS_ROOT:-}" ]; then
    skip "$two" "mpirun refuses root without OMPI_ALLOW_RUN_AS_ROOT=1"
else
    is "$two" "$(timeout 600 mpirun --oversubscribe -n 2 "$worker" \
        --show-ranks |
        ranks)" "rank 0 of 2,rank 1 of 2,"
fi

echo "1..$n"
exit $failed
