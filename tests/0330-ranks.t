#!/bin/sh
# Batches on several threads and ranks: the same bytes from 1 to 4 ranks,
# with and without a restart, with a rank that is killed or silent, and with a
# request that ends every process which computes it.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/slow.sh"
build=$(dirname "$apus")
worker=$build/apus-worker
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_LOG_LEVEL=warning
export APUS_CONFIG APUS_MODELS APUS_SPOOL APUS_LOG_LEVEL

mpi=yes
grep -q '^#define HAVE_MPI 1' "$build/config.h" || mpi="built without MPI"
command -v mpirun >/dev/null 2>&1 || mpi="no mpirun"
if [ "$(id -u)" = 0 ] && [ -z "${OMPI_ALLOW_RUN_AS_ROOT:-}" ]; then
    mpi="mpirun refuses root without OMPI_ALLOW_RUN_AS_ROOT=1"
fi
skip() { # NAME REASON
    n=$((n + 1))
    echo "ok $n - $1 # SKIP $2"
}

# Ranks share packed weights with whoever has the same model on this machine:
# with one of its own nobody else's ranks are among those that are counted.
mkdir own
cp "$top"/models/nano/*.json "$top/models/nano/model.safetensors" own/
own=$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')
sed "s/\"rope_theta\": 10000.0/\"rope_theta\": $((10001 + own)).0/" \
    "$top/models/nano/config.json" >own/config.json
"$apus" model add own nano >out 2>err
cp "$top/models/nano/eval.jsonl" q.jsonl
cat >>q.jsonl <<'TXT'
{"custom_id":"three","method":"POST","url":"/v1/completions","body":\
{"prompt":"3 + 4 =","max_tokens":9,"n":3,"temperature":1.5,"stop":["7"]}}
not a request
TXT
sed -i 'N;/\\$/{s/\\\n//;P;D};P;D' q.jsonl
export APUS_THREADS=1
gives 0 "one rank" run q.jsonl -m nano -o want.jsonl --ranks 1
cp spool/done/b*/part-0000.h5 spool/done/b*/checkpoint.json .
id=$(basename spool/done/b*)
batch=${id#b}
mkdir fresh
cp -p spool/done/"$id"/batch.json spool/done/"$id"/requests.jsonl fresh
again() {
    rm -rf spool
    mkdir -p spool/todo/"$id"
    cp -p fresh/* spool/todo/"$id"
}
same() { # NAME
    if cmp spool/done/"$id"/part-0000.h5 part-0000.h5 >>err 2>&1 &&
        cmp spool/done/"$id"/checkpoint.json checkpoint.json >>err 2>&1; then
        report 0 "$1"
    else
        find spool >>err
        report 1 "$1"
    fi
}
ranks() { # N ARGUMENT...: exit status in $got
    size=$1
    shift
    got=0
    timeout -k 5 600 mpirun --oversubscribe -n "$size" "$worker" "$@" \
        >out 2>err </dev/null || got=$?
}

# ---- several threads -------------------------------------------------------
for threads in 0 3; do
    again
    APUS_THREADS=$threads
    gives 0 "threads = $threads" run q.jsonl -m nano -o got.jsonl --ranks 1
    same "threads = $threads: the same bytes"
done
unset APUS_THREADS

# ---- several ranks ---------------------------------------------------------
if [ "$mpi" = yes ]; then
    again
    got=0
    (
        ulimit -f 4000
        APUS_LOG_LEVEL=info timeout 600 "$apus" run q.jsonl -m nano \
            -o got.jsonl --ranks 2
    ) >out 2>err || got=$?
    [ $got -eq 0 ] && r=0 || r=1
    report $r "where no large file can be made, two ranks: exit status $got"
    has err 'one rank instead of 2: MPI needs files' "it is one, and says why"
    same "the same bytes"
else
    skip "where no large file can be made" "$mpi"
fi
for size in 2 3 4; do
    if [ "$mpi" != yes ]; then
        skip "$size ranks" "$mpi"
        continue
    fi
    again
    ranks $size -- "$batch"
    same "$size ranks: the same bytes (exit $got)"
    again
    APUS_LOG_LEVEL=info
    ranks $size -- "$batch"
    APUS_LOG_LEVEL=warning
    [ "$(grep -c 'shares the weights that process [0-9]* has packed$' err)" \
        -eq $((size - 1)) ] && r=0 || r=1
    report $r "$size ranks: one packs the weights, the others share them"
    again
    gives 0 "apus run on $size ranks" run q.jsonl -m nano -o got.jsonl \
        --ranks $size
    cmp want.jsonl got.jsonl >out 2>&1 && r=0 || r=1
    report $r "gives the same answers"
done

# ---- a rank is killed, and it goes on ----------------------------------------
if [ "$mpi" = yes ] && command -v pgrep >/dev/null; then
    again
    (sleep 0.6; for p in $(pgrep -x apus-worker); do
        tr '\0' '\n' <"/proc/$p/environ" >environ
        grep -qxF "TMPDIR=$tmp" environ &&
            grep -qx 'OMPI_COMM_WORLD_RANK=1' environ && kill -9 "$p"
    done; exit 0) >/dev/null 2>&1 &
    gives 0 "apus run, a rank of which is killed" run q.jsonl -m nano \
        -o got.jsonl --ranks 4
    wait
    same "the same bytes"
    cmp want.jsonl got.jsonl >out 2>&1 && r=0 || r=1
    report $r "and answers"
else
    skip "a rank is killed" "no MPI, or no pgrep"
fi

# ---- all that waits ----------------------------------------------------------
rm -rf spool
for count in 10 20 30; do
    head -n $count q.jsonl >q$count.jsonl
    "$apus" submit q$count.jsonl -m nano --launcher local --todo >out 2>err
done
if [ "$mpi" = yes ]; then
    ranks 2
else
    got=0
    "$worker" --alone >out 2>err || got=$?
fi
[ "$(ls spool/done | wc -l)" -eq 3 ] && [ $got -eq 0 ] && r=0 || r=1
report $r "without a batch it takes all that wait (exit $got)"
"$worker" --outcome >out 2>err && r=0 || r=1
report $r "and nothing is left to do"

# ---- parts, with made-up answers -------------------------------------------
i=0
while [ $i -lt 8 ]; do
    sed "s/\"custom_id\": *\"/&$i-/" "$top/models/nano/eval.jsonl"
    i=$((i + 1))
done >many.jsonl
rm -rf spool
gives 0 "a batch that waits" submit many.jsonl -m nano --launcher local \
    --todo
many=$(basename spool/todo/b*)
many=${many#b}
cp -r spool/todo/b"$many" fresh.many
"$worker" --alone --pretend-engine --part-size 1M -- "$many" >out 2>err &&
    r=0 || r=1
report $r "one rank seals parts of 1M"
parts=$(ls spool/done/b*/part-*.h5 | wc -l)
[ "$parts" -gt 3 ] && r=0 || r=1
report $r "it has $parts parts"
mv spool/done/b* parts
if [ "$mpi" = yes ]; then
    cp -r fresh.many spool/todo/b"$many"
    ranks 3 --pretend-engine --part-size 1M -- "$many"
    r=0
    for f in parts/part-*.h5 parts/part-*.idx parts/checkpoint.json; do
        cmp "$f" spool/done/b"$many"/"$(basename "$f")" >>err 2>&1 || r=1
    done
    report $r "three ranks seal the same parts (exit $got)"
else
    skip "three ranks seal the same parts" "$mpi"
    cp -r parts spool/done/b"$many"
fi
gives 0 "all parts are exported" export "$many" -o many.got
[ "$(grep -c '"error":null' many.got)" -eq 2400 ] && r=0 || r=1
report $r "with every answer"
gives 0 "all parts are verified" verify "$many"
gives 3 "made-up answers are found out" verify "$many" --recompute 1
has out '^WRONG.*computed again.*differs first at position 0' "at once"

# ---- a request that ends its process ---------------------------------------
poison="a request that ends every process is given up"
if ! grep -q '^#define APUS_CRASH_TESTS 1' "$build/config.h"; then
    skip "$poison" "not built with --enable-crash-tests"
else
    rm -rf spool
    head -n 12 q.jsonl >poison.jsonl
    APUS_CRASH_LINE=7
    export APUS_CRASH_LINE
    gives 0 "$poison" run poison.jsonl -m nano -o poison.out --ranks 1
    unset APUS_CRASH_LINE
    [ "$(grep -c '"error":null' poison.out)" -eq 11 ] && r=0 || r=1
    report $r "the other eleven are answered"
    sed -n 8p poison.out >line
    has line '"code":"given_up"' "its line says so"
    has spool/done/b*/refused.jsonl '"line":8' "and so does refused.jsonl"
    starts=$(sed -n '$=' spool/done/b*/run.jsonl)
    [ "$starts" -eq 6 ] && r=0 || r=1
    report $r "after five deaths: $starts starts"
fi

finish
