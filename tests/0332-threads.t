#!/bin/sh
# Nothing that the thread sanitizer reports, in a build with it: a batch on two
# ranks, one that is saved and resumed, one rank below apus run.  What it says
# of Open MPI is left out by tests/tsan.supp.
# part: tsan
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
build=$(dirname "$apus")
worker=$build/apus-worker
skip_all() { echo "1..0 # SKIP $1"; exit 0; }
grep -q 'fsanitize=thread' "$build/config.status" ||
    skip_all "this build is without the thread sanitizer"
grep -q '^#define HAVE_MPI 1' "$build/config.h" || skip_all "built without MPI"
command -v mpirun >/dev/null || skip_all "no mpirun"
if [ "$(id -u)" = 0 ] && [ -z "${OMPI_ALLOW_RUN_AS_ROOT:-}" ]; then
    skip_all "mpirun refuses root without OMPI_ALLOW_RUN_AS_ROOT=1"
fi
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_LAUNCHER=local
export APUS_MODELS APUS_SPOOL APUS_LAUNCHER
mkdir reports
TSAN_OPTIONS="suppressions=$top/tests/tsan.supp log_path=$tmp/reports/r"
export TSAN_OPTIONS

silent() { # NAME: nobody reported anything
    cat reports/* >out 2>/dev/null || :
    [ ! -s out ] && r=0 || r=1
    rm -f reports/*
    report $r "$1: no report"
}
submit() { # FILE
    "$apus" submit "$1" -m nano --todo >out 2>err
    batch=$(basename spool/todo/b*)
    batch=${batch#b}
}
ranks() { # exit status in $got
    got=0
    mpirun --oversubscribe -n 2 "$worker" -- "$batch" >out 2>err \
        </dev/null || got=$?
}

"$apus" model add "$top/models/nano" nano >out 2>err
head -n 20 "$top/models/nano/eval.jsonl" >q.jsonl
submit q.jsonl
silent "before a worker starts"
ranks
[ $got = 0 ] && [ -d "spool/done/b$batch" ] && r=0 || r=1
report $r "two ranks answer a batch"
silent "two ranks"

sed 's/"body": {/&"apus": {"ignore_eos": true}, /' \
    "$top/models/nano/eval.jsonl" >long.jsonl
submit long.jsonl
mpirun --oversubscribe -n 2 "$worker" -- "$batch" >out 2>err </dev/null &
pid=$!
left=1200
while [ -z "$(find spool/running -name '*.log' -size +2k 2>/dev/null)" ] &&
    [ $left -gt 0 ]; do
    left=$((left - 1))
    sleep 0.1
done
kill -s USR1 $pid
got=0
wait $pid || got=$?
[ $got = 75 ] && r=0 || r=1
report $r "they save: exit status $got"
silent "saved"
rm -rf spool

gives 0 "a run on one rank" run q.jsonl -m nano --ranks 1
silent "apus and its worker"
finish
