#!/bin/sh
# Who has a batch, where nobody can look at its worker: in a container that
# shares host name and kernel, or written down by an older version.  Its
# touches tell then, and everybody who waits for it says until when.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/slow.sh"
worker=$(dirname "$apus")/apus-worker
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_LAUNCHER=local
export APUS_CONFIG APUS_MODELS APUS_SPOOL APUS_LAUNCHER

"$apus" model add "$top/models/nano" nano >out 2>err
# long answers: no worker is done before it is stopped
head -n 20 "$top/models/nano/eval.jsonl" |
    sed 's/"max_tokens": [0-9]*/"max_tokens": 200/
        s/"body": {/&"apus": {"ignore_eos": true}, /' >q.jsonl
gives 0 "a batch in todo" submit q.jsonl -m nano --todo
id=$(basename spool/todo/b*)
batch=${id#b}

tab=$(printf '\t')
free='free at [0-2][0-9]:[0-5][0-9]'
in_running() { # NAME
    [ -d spool/running/"$id" ] && r=0 || r=1
    find spool -name 'owner*' >>err
    report $r "$1"
}
# All who find it in running, and may not take it.
refused() { # STATUS-OF-CANCEL WHAT-IT-SAYS
    gives 0 status status
    has out "${tab}running$tab" "it stays in running"
    gives 1 run run q.jsonl -m nano -o o.jsonl --ranks 1
    has err "is worked on by .*$free" "says until when"
    gives 1 seal seal "$batch"
    has err "$free" "says so too"
    gives "$1" cancel cancel "$batch"
    has err "$2" "says what helps"
    has err "$free" "and until when"
    in_running "nobody has taken it"
}
# What status, drain and doctor say of one that is silent.
silent() {
    gives 0 status status
    has out "${tab}running$tab.*$free" "says until when"
    gives 0 "status --json" status --json
    has out "\"free\":\"$free\"" "says so too"
    gives 0 drain drain
    has err "$free" "says it"
    "$apus" doctor --offline >out 2>err || :
    has out "batches.*$free" "doctor says it"
}
older() { # HOW-MUCH
    touch -d "$1 ago" "$(find spool/running/"$id" -name 'owner*' |
        sort | tail -n 1)"
}

# ---- in another PID namespace --------------------------------------------
inside="unshare --pid --fork --mount-proc"
if ! $inside true >out 2>err; then
    n=$((n + 1))
    echo "ok $n - a container # SKIP unshare: $(head -n 1 err)"
else
    $inside "$worker" --alone -- "$batch" >inside 2>&1 </dev/null &
    job=$!
    trap 'kill -9 $pid $job 2>/dev/null || :; scratch_end' EXIT
    pid=$job
    for i in $(seq 600); do
        [ ! -s spool/running/"$id"/a000/0000.log ] || break
        sleep 0.1
    done
    pid=$(cat /proc/$job/task/$job/children)
    kill -STOP $pid
    in_running "a worker in a container"
    refused 1 'another namespace'
    older '5 minutes'
    silent
    # while this is open no other container is given the same number
    exec 7<"/proc/${pid% }/ns/pid"
    kill -9 $pid
    wait $job || :
    $inside "$apus" status >out 2>err 7<&-
    in_running "nor does another container take it"
    exec 7<&-
    older '20 minutes'
    gives 0 "silent for long" status
    has out "${tab}todo$tab" "it is dead"
    trap scratch_end EXIT

    "$worker" --alone -- "$batch" >outside 2>&1 </dev/null &
    job=$!
    for i in $(seq 600); do
        [ ! -s spool/running/"$id"/a001/0000.log ] || break
        sleep 0.1
    done
    kill -STOP $job
    $inside "$apus" status >out 2>err
    in_running "a container takes nothing from its host"
    other="unshare --time --boottime 100000 --fork"
    if $other true >out 2>err; then
        $other "$apus" status >out 2>err
        in_running "nor one with another time of boot"
    else
        n=$((n + 1))
        echo "ok $n - another time of boot # SKIP $(head -n 1 err)"
    fi
    kill -9 $job
    wait $job || :
    gives 0 "its host" status
    has out "${tab}todo$tab" "sees that it is dead"
fi

# ---- written by an older version -----------------------------------------
# Format 1 does not say in which namespace its numbers are, and before there
# was a log there was one file.
host=$(uname -n)
boot=$(cat /proc/sys/kernel/random/boot_id)
for file in owner-0001 owner; do
    rm -f spool/todo/"$id"/owner*
    mv spool/todo/"$id" spool/running
    printf '{"format":"apus-owner-1","host":"%s","boot":"%s","pid":%s,%s}\n' \
        "$host" "$boot" 99999999 \
        '"start":"1","slurm_job":"","slurm_restarts":0' \
        >spool/running/"$id"/$file
    refused 75 'when it is free'
    silent
    older '20 minutes'
    gives 0 "silent for long: $file" status
    has out "${tab}todo$tab" "it is dead"
done
rm -f spool/todo/"$id"/owner*
mv spool/todo/"$id" spool/running
refused 75 'an unknown owner'
silent
touch -d '20 minutes ago' spool/running/"$id"
gives 0 "it ends as it should" run q.jsonl -m nano -o o.jsonl --ranks 1

# ---- taken away ----------------------------------------------------------
# Another owner is written down just before the batch is done.
head -n 2 q.jsonl >two.jsonl
gives 0 "a batch in todo" submit two.jsonl -m nano --todo
id=$(basename spool/todo/b*)
printf '{"format":"apus-owner-1","host":"%s","boot":"%s","pid":%s,%s}\n' \
    elsewhere "$boot" 99 '"start":"1","slurm_job":"","slurm_restarts":0' >other
if ${CC:-cc} -shared -fPIC -I"$(dirname "$apus")" -o moved.so \
    "$top/tests/moved_meanwhile.c" -ldl >out 2>&1 &&
    LD_PRELOAD=$tmp/moved.so "$apus" --version >out 2>&1; then
    got=0
    LD_PRELOAD=$tmp/moved.so MOVE_AT=/checkpoint.json MOVE_FROM=$tmp/other \
        MOVE_TO=$tmp/spool/running/$id/owner-0002 \
        "$worker" --alone -- "${id#b}" >out 2>err || got=$?
    [ $got -eq 75 ] && r=0 || r=1
    report $r "a worker whose batch was taken away: exit status 75"
    has err 'was taken away' "says so"
    [ -d "spool/running/$id" ] && [ ! -e "spool/running/$id/error" ] &&
        r=0 || r=1
    report $r "and writes no error into it"
else
    echo "# nothing can be put before this build's libraries"
fi
finish
