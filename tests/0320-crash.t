#!/bin/sh
# A worker that is ended, or whose disk is full, at each seventh of its writes,
# syncs, renames and sends, at each of them with APUS_LONG: the next one
# finishes the batch, and its part is byte for byte that of a batch which
# nothing happened to.  Needs a build with --enable-crash-tests; the others end
# a worker at odd moments only.
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
worker=$(dirname "$apus")/apus-worker
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_LOG_LEVEL=error
export APUS_CONFIG APUS_MODELS APUS_SPOOL APUS_LOG_LEVEL

"$apus" model add "$top/models/nano" nano >out 2>err
head -n 3 "$top/models/nano/eval.jsonl" >q.jsonl
printf '%s\n' '{"custom_id":"bad"}' >>q.jsonl
gives 0 "an undisturbed run" run q.jsonl -m nano -o want.jsonl --ranks 1
cp spool/done/b*/part-0000.h5 want.h5
cp spool/done/b*/checkpoint.json spool/done/b*/refused.jsonl .
id=$(basename spool/done/b*)
batch=${id#b}
mkdir fresh
cp -p spool/done/"$id"/batch.json spool/done/"$id"/requests.jsonl fresh

# A spool with the batch in todo, as apus run left it.
again() {
    rm -rf spool
    mkdir -p spool/todo/"$id"
    cp -p fresh/* spool/todo/"$id"
}
# What a worker says that works on nothing but this batch.
work() {
    got=0
    "$worker" --alone -- "$batch" >out 2>err </dev/null || got=$?
}
# One that is left alone, and what was cut off behind the last rename.
work_to_the_end() {
    work
    [ $got -ne 0 ] || "$apus" seal "$batch" >>out 2>>err || got=$?
}
same() { # NAME: the batch is done as it should be
    if cmp spool/done/"$id"/part-0000.h5 want.h5 >>err 2>&1 &&
        cmp spool/done/"$id"/checkpoint.json checkpoint.json >>err 2>&1 &&
        cmp spool/done/"$id"/refused.jsonl refused.jsonl >>err 2>&1 &&
        ! ls -d spool/done/"$id"/a* >>err 2>&1; then
        report 0 "$1"
    else
        find spool >>err
        report 1 "$1"
    fi
}

# Ends, or fails, at call N; then one that is left alone.
try() { # VARIABLE N
    again
    env "$1=$2" "$worker" --alone -- "$batch" >out 2>err </dev/null &&
        first=0 || first=$?
    work_to_the_end
    if [ $got -ne 0 ] || ! cmp -s spool/done/"$id"/part-0000.h5 want.h5 ||
        ! cmp -s spool/done/"$id"/checkpoint.json checkpoint.json ||
        ! cmp -s spool/done/"$id"/refused.jsonl refused.jsonl ||
        ls -d spool/done/"$id"/a* >>out 2>&1; then
        find spool >>err
        report 1 "$1=$2: the next worker finishes it (exit $first, $got)"
    fi
}

if grep -q '^#define APUS_CRASH_TESTS 1' "$(dirname "$apus")/config.h"; then
    echo "# seed $seed"
    step=7
    [ -z "$long" ] || step=1
    i=$((seed % step))
    tries=0
    first=137
    while [ $first -ne 0 ] && [ $i -lt 400 ]; do
        i=$((i + step))
        tries=$((tries + 1))
        try APUS_CRASH $i
    done
    [ $i -gt 30 ] && [ $i -lt 400 ] && r=0 || r=1
    report $r "ended at $((tries - 1)) calls up to $i: the same bytes"
    calls=$i
    i=$((seed % step))
    tries=0
    while [ $i -lt "$calls" ]; do
        i=$((i + step))
        tries=$((tries + 1))
        try APUS_ENOSPC $i
        case $first in
        0 | 75) ;;
        *) report 1 "a full disk at call $i: exit $first" ;;
        esac
    done
    report 0 "a full disk at $tries calls up to $i: the same bytes"
else
    step=0
    n=$((n + 1))
    echo "ok $n - a worker cut off at each call # SKIP not built with" \
        "--enable-crash-tests"
fi

# ---- killed at odd moments ----------------------------------------------
# the sanitizers make them slow
count=300
[ "$step" -le 1 ] || count=60
head -n $count "$top/models/nano/eval.jsonl" >many.jsonl
rm -rf spool
gives 0 "$count questions" run many.jsonl -m nano -o want.jsonl --ranks 1
cp spool/done/b*/part-0000.h5 want.h5
cp spool/done/b*/checkpoint.json spool/done/b*/refused.jsonl .
id=$(basename spool/done/b*)
batch=${id#b}
rm -f fresh/*
cp -p spool/done/"$id"/batch.json spool/done/"$id"/requests.jsonl fresh
again
# Wait until the newest start has a record: three that get nowhere, on a slow
# machine, would be the end of the batch.  Sixteen open requests alone are some
# 1,000 bytes of log, the shortest record is as many.
until_record() {
    left=1200
    while [ $left -gt 0 ] && kill -0 $pid 2>/dev/null; do
        newest=$(find spool/running -name '*.log' 2>/dev/null | sort |
            tail -n 1)
        [ -z "$newest" ] || [ "$(wc -c <"$newest")" -lt 2500 ] || return 0
        left=$((left - 1))
        sleep 0.05
    done
}
kills=0
for ms in 050 090 130 070 200 110; do
    "$worker" --alone -- "$batch" >out 2>err </dev/null &
    pid=$!
    until_record
    sleep "0.$ms"
    kill -9 $pid 2>/dev/null && kills=$((kills + 1))
    wait $pid 2>/dev/null || :
done
work_to_the_end
same "killed $kills times with -9: the same part (exit $got)"

again
saved=0
for ms in 060 100 080 120; do
    "$worker" --alone -- "$batch" >out 2>err </dev/null &
    pid=$!
    until_record
    sleep "0.$ms"
    kill -USR1 $pid 2>/dev/null || :
    got=0
    wait $pid || got=$?
    [ $got -ne 75 ] || saved=$((saved + 1))
done
[ $saved -gt 0 ] && r=0 || r=1
report $r "SIGUSR1 saves: exit status 75, $saved times"
work
same "and the same part in the end"

# ---- no room ---------------------------------------------------------------
# Files end at 512 bytes (1024 in some shells): the first record does not fit.
# That is not a death of its request, however often it happens.
mkdir many
mv fresh/* want.jsonl want.h5 checkpoint.json refused.jsonl many
many=$batch
head -n 1 many.jsonl >one.jsonl
rm -rf spool
gives 0 "one question" run one.jsonl -m nano -o want.jsonl --ranks 1
cp spool/done/b*/part-0000.h5 want.h5
cp spool/done/b*/checkpoint.json spool/done/b*/refused.jsonl .
id=$(basename spool/done/b*)
batch=${id#b}
cp -p spool/done/"$id"/batch.json spool/done/"$id"/requests.jsonl fresh
again
full=0
for try in 1 2 3 4 5 6 7; do
    got=0
    (
        trap '' XFSZ
        ulimit -f 1
        exec "$worker" --alone -- "$batch" >/dev/null 2>&1
    ) </dev/null || got=$?
    [ $got -ne 75 ] || full=$((full + 1))
done
[ $full -eq 7 ] && r=0 || r=1
report $r "seven times no room for a record: exit 75, $full times"
work
same "then it is answered, and not given up (exit $got)"
batch=$many
id=b$many
mv many/requests.jsonl many/batch.json fresh
mv many/* .

# ---- what is wrong with it ------------------------------------------------
again
"$worker" --alone -- "$batch" >out 2>err </dev/null &
pid=$!
i=0
while [ ! -e spool/running/"$id" ] && [ $i -lt 6000 ]; do
    i=$((i + 1))
    sleep 0.01
done
kill -STOP $pid
got=0
"$worker" --alone -- "$batch" >out 2>err </dev/null || got=$?
[ $got -eq 1 ] && r=0 || r=1
report $r "two workers on one batch: the second leaves with 1"
has err "worked on by process $pid" "and says who has it"
kill -CONT $pid
wait $pid && r=0 || r=1
report $r "the first is not disturbed"

again
mv models gone
got=0
"$worker" --alone -- "$batch" >out 2>err </dev/null || got=$?
[ $got -eq 1 ] && [ -d spool/todo/"$id" ] && r=0 || r=1
report $r "a model that vanished: exit 1, the batch stays in todo"
has err 'the model of this batch' "and says so"
got=0
"$worker" --outcome -- "$batch" >out 2>err || got=$?
[ $got -eq 1 ] && r=0 || r=1
report $r "there is nothing to come back for"
mv gone models
got=0
"$worker" --outcome -- "$batch" >out 2>err || got=$?
[ $got -eq 75 ] && r=0 || r=1
report $r "with its model there is"

again
printf 'x' >>spool/todo/"$id"/requests.jsonl
got=0
"$worker" --alone -- "$batch" >out 2>err </dev/null || got=$?
[ $got -eq 1 ] && r=0 || r=1
report $r "requests that were changed: exit 1"
has err 'it was changed' "and says so"
work
work
cp -p fresh/requests.jsonl spool/running/"$id"/requests.jsonl
work
[ $got -eq 1 ] && r=0 || r=1
report $r "mended after three starts that did nothing: exit 1"
has err 'name the batch again' "and it says what to do"
gives 0 "apus run, which names it again" run many.jsonl -m nano \
    -o got.jsonl --ranks 1
same "the same part"

finish
