#!/bin/sh
# Ranks that hold one model together (setting tp): the same bytes as one rank
# alone, with a member that is killed, falls silent or gets the signal to save,
# or cannot have the model; with a first rank that falls silent; settings that
# are refused.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
build=$(dirname "$apus")
worker=$build/apus-worker
grep -q '^#define HAVE_MPI 1' "$build/config.h" ||
    { echo "1..0 # SKIP built without MPI"; exit 0; }
command -v mpirun >/dev/null 2>&1 || { echo "1..0 # SKIP no mpirun"; exit 0; }
command -v pgrep >/dev/null || { echo "1..0 # SKIP no pgrep"; exit 0; }
if [ "$(id -u)" = 0 ] && [ -z "${OMPI_ALLOW_RUN_AS_ROOT:-}" ]; then
    echo "1..0 # SKIP mpirun refuses root without OMPI_ALLOW_RUN_AS_ROOT=1"
    exit 0
fi
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_LOG_LEVEL=warning
APUS_THREADS=1
export APUS_CONFIG APUS_MODELS APUS_SPOOL APUS_LOG_LEVEL APUS_THREADS

"$apus" model add "$top/models/nano" nano >out 2>err
head -n 180 "$top/models/nano/eval.jsonl" >q.jsonl
cat >>q.jsonl <<'TXT'
{"custom_id":"three","method":"POST","url":"/v1/completions","body":\
{"prompt":"3 + 4 =","max_tokens":9,"n":3,"temperature":1.5,"logprobs":4}}
not a request
TXT
sed -i 'N;/\\$/{s/\\\n//;P;D};P;D' q.jsonl
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

# ---- what is refused ---------------------------------------------------------
gives 1 "two KV heads and groups of 4" run q.jsonl -m nano -o got.jsonl --tp 4
has err 'tp = 4 does not divide the 2 KV heads of this model: set tp to a div' \
    "refused by name"
again
gives 1 "of a batch in todo" submit "$batch" --tp 4 --launcher local
has err 'tp = 4 does not divide the 2 KV heads' "too"
[ "$(grep -c 'error' err)" -eq 1 ] && r=0 || r=1
report $r "once"
ranks 3 --tp=2 -- "$batch"
[ $got -eq 1 ] && r=0 || r=1
report $r "three ranks in groups of 2: exit $got"
has err 'tp = 2 does not divide the 3 ranks of this job: start' "by name"
[ "$(grep -c 'tp = 2 does not' err)" -eq 1 ] && r=0 || r=1
report $r "once"

# ---- a member that has no part -----------------------------------------------
# What is said of rank 1 does not hold for the others.
unlike() { # NAME=VALUE
    cat >unlike <<TXT
#!/bin/sh
[ "\$OMPI_COMM_WORLD_RANK" != 1 ] || export "$1"
exec "$worker" "\$@"
TXT
    chmod +x unlike
    again
    whole=$worker
    worker=./unlike
    ranks 2 --tp=2 --rank-timeout=20 -- "$batch"
    worker=$whole
}
unset SLURM_JOB_ID SLURMD_NODENAME
host=$(uname -n)
unlike "APUS_MODELS=$tmp/none"
[ $got -eq 1 ] && r=0 || r=1
report $r "a member without the model: exit $got"
has err "rank 0: rank 1 on $host: the model of this group: .*$tmp/none" \
    "the first rank says whose it is, and why"
[ "$(grep -c 'the model of this group' err)" -eq 1 ] && r=0 || r=1
report $r "once"
level=sdot
[ "$(uname -m)" != aarch64 ] || level=avx2
unlike "APUS_KERNEL=$level"
[ $got -eq 1 ] && r=0 || r=1
report $r "a member that has no such kernel: exit $got"
has err "rank 0: rank 1 on $host: this build has no kernel \"$level\"" \
    "is named, too"

needs="tp = 2: the 2 ranks on $host need [0-9]* MiB at least for their parts of\
 the model, and have 0 MiB of memory: "
unlike APUS_JOB_MEMORY=100000
has err "rank 0: rank 1 on $host: the model of this group: $needs" \
    "a member that has no memory for its part"
[ $got -eq 1 ] && [ "$(grep -c 'MiB of memory' err)" -eq 1 ] && r=0 || r=1
report $r "is named once: exit $got"
again
APUS_JOB_MEMORY=100000
export APUS_JOB_MEMORY
ranks 2 --tp=2 -- "$batch"
unset APUS_JOB_MEMORY
has err "the model of this batch: $needs" "all have none: in one error"
[ $got -eq 1 ] && [ "$(grep -c 'MiB of memory' err)" -eq 1 ] && r=0 || r=1
report $r "and none is read: exit $got"
[ -d spool/todo/"$id" ] && r=0 || r=1
report $r "the batch is where it was"

# ---- a member that is gone ---------------------------------------------------
process_of() { # RANK: of this test's job; two programs look at all of them
    mine=$(grep -szlxF "TMPDIR=$tmp" /proc/[0-9]*/environ) || :
    [ -n "$mine" ] || return 0
    # shellcheck disable=SC2086
    for p in $(grep -szlxF "OMPI_COMM_WORLD_RANK=$1" $mine); do
        p=${p%/environ}
        grep -qsx apus-worker "$p/comm" || continue
        echo "${p#/proc/}"
        return
    done
}
# Send a signal to the process of this number in the job once its group, whose
# first rank is FIRST, has answered something.  The process is looked for
# before: the answers may take no longer than that.
signal() { # SIGNAL RANK FIRST
    tries=0
    found=
    while [ $tries -lt 6000 ] && [ ! -e ended ]; do
        tries=$((tries + 1))
        sleep 0.02
        [ -n "$found" ] || found=$(process_of "$2")
        [ -n "$found" ] || continue
        n=$(cat spool/running/"$id"/a*/000"$3".log 2>/dev/null | wc -c)
        [ "$n" -gt 1000 ] || continue
        if kill "-$1" "$found"; then
            echo "$found" >signalled
            return
        fi
        found=
    done
}
# Run what the signal is to meet; again where it came too late.
meet() { # SIGNAL RANK FIRST SIGN COMMAND...
    sig=$1 to=$2 first=$3 sign=$4
    shift 4
    for round in 1 2 3 4 5 6 7 8; do
        again
        rm -f ended signalled
        signal "$sig" "$to" "$first" >/dev/null 2>&1 &
        "$@"
        : >ended
        wait
        ! $sign || return 0
    done
}
restarts() { grep -q 'restarting' err; }
saves() { [ $got -eq 75 ]; }
is_silent() { grep -q 'is silent for' err; }
run_pair() {
    got=0
    "$apus" run q.jsonl -m nano -o got.jsonl --tp 2 >out 2>err || got=$?
}
meet KILL 1 0 restarts run_pair
[ $got -eq 0 ] && r=0 || r=1
report $r "apus run --tp 2, a member of which is killed: exit $got"
has err 'restarting' "it starts again"
same "and gives the same bytes"
cmp want.jsonl got.jsonl >out 2>&1 && r=0 || r=1
report $r "and answers"

meet USR1 1 0 saves ranks 2 --tp=2 -- "$batch"
[ $got -eq 75 ] && r=0 || r=1
report $r "a member that is told to save: exit $got"
gives 0 "one rank goes on" run q.jsonl -m nano -o got.jsonl --ranks 1
same "to the same bytes"

# It is ended, and with it mpirun, when all is done.
end_it() {
    tries=0
    while [ $tries -lt 3000 ] && [ ! -e ended ]; do
        tries=$((tries + 1))
        sleep 0.1
        [ -e spool/done/"$id"/checkpoint.json ] || continue
        [ ! -e signalled ] || kill -KILL "$(cat signalled)"
    done
}
two_pairs() {
    end_it >/dev/null 2>&1 &
    ranks 4 --tp=2 --rank-timeout=10 -- "$batch"
}
meet STOP 3 2 is_silent two_pairs
has err 'rank 3 of this group is silent for 10 s' \
    "two groups: of one a member is silent, its first rank says so"
same "the other group does its work: the same bytes"


# The first rank of a group: its members have nothing to do, and wait.
is_lost() { grep -q 'rank 2 on .* is lost' err; }
meet STOP 2 2 is_lost two_pairs
has err 'rank 2 on .* is lost' "a first rank is silent: it is lost"
same "the other group does its work: the same bytes"

# Rank 0 is silent, and ended when the others have left, or long after.
wake_it() {
    tries=0
    while [ $tries -lt 450 ] && [ ! -e ended ]; do
        tries=$((tries + 1))
        sleep 0.1
        [ -e signalled ] && grep -q 'rank 0 is lost' err && break
    done
    [ ! -e signalled ] || kill -KILL "$(cat signalled)"
}
without_first() {
    wake_it >/dev/null 2>&1 &
    ranks 2 --tp=2 --rank-timeout=6 -- "$batch"
}
leaves() { grep -q 'rank 0 is lost' err; }
meet STOP 0 0 leaves without_first
has err 'apus-worker.1.: .*rank 0 is lost: silent for 9 s; this rank leaves' \
    "rank 0 is silent: a member waits no longer than others"

finish
