#!/bin/sh
# Starts of a worker that get nowhere: three in a row that had to save before
# anything was answered end the work on a batch, and so do ten of any kind.
# One message says what to do, and naming the batch again begins anew.  A
# worker saves on a signal, from its first instruction on, and before the time
# limit.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/slow.sh"
worker=$(dirname "$apus")/apus-worker
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
export APUS_CONFIG APUS_MODELS APUS_SPOOL

"$apus" model add "$top/models/nano" nano >out 2>err
# A batch in todo of the lines of a file: beside this copy of apus is a worker
# that begins nothing.
mkdir bin
cp "$apus" "$(dirname "$apus")/apus-part-index" bin
printf '#!/bin/sh\nexit 1\n' >bin/apus-worker
chmod +x bin/apus-worker
queue() { # FILE
    rm -rf spool
    bin/apus run "$1" -m nano -o unused --ranks 1 >out 2>err || :
    id=$(basename spool/todo/b*)
    batch=${id#b}
    : >err
}
# The newest start has a request in the engine; its worker is $pid.
until_open() {
    left=600
    while [ $left -gt 0 ] && kill -0 $pid 2>/dev/null; do
        newest=$(find spool/running -name '*.log' 2>/dev/null | sort |
            tail -n 1)
        if [ -n "$newest" ] && [ "$newest" != "$last" ] &&
            [ "$(cat "$newest" 2>/dev/null | wc -c)" -gt 100 ]; then
            break
        fi
        left=$((left - 1))
        sleep 0.05
    done
    last=$newest
}
outcome() { # STATUS NAME
    got=0
    "$worker" --outcome -- "$batch" >out 2>err || got=$?
    [ "$got" -eq "$1" ] && r=0 || r=1
    report $r "$2: outcome $1"
}

# ---- told to save before anything is answered --------------------------------
# long answers, all of them at once: none ends soon
sed 's/"max_tokens": [0-9]*/"max_tokens": 200/
    s/"body": {/&"apus": {"ignore_eos": true}, /' \
    "$top/models/nano/eval.jsonl" >all.jsonl
head -n 48 all.jsonl >long.jsonl
queue long.jsonl
last=
"$worker" --alone --batch=256 -- "$batch" >out 2>err </dev/null &
pid=$!
until_open
kill -USR1 $pid 2>/dev/null || :
got=0
wait $pid || got=$?
[ $got -eq 75 ] && r=0 || r=1
report $r "asked to save: exit status 75"
# as if it had to before it drew a token, and the next ones, too: the log ends
# after the first frame, which opens a request (checkpoint.md, Log)
start=$(find spool -name a000)
log=$start/0000.log
head -c 121 "$log" >log.cut
cat log.cut >"$log"
"$apus" show "$log" >out 2>err
[ "$(cut -f 2 out)" = open ] && r=0 || r=1
report $r "a log of one frame, which opens a request"
for i in 1 2; do
    outcome 75 "after $i starts that had to save"
    [ ! -s err ] && r=0 || r=1
    report $r "nothing is said of them"
    cp -r "$start" "${start%0}$i"
done
outcome 1 "after three"
has err 'longer time limit' "it names a longer limit"
has err 'smaller --batch' "and fewer requests at once"
[ "$(grep -c . err)" -eq 1 ] && r=0 || r=1
report $r "in one message"
got=0
"$worker" --alone -- "$batch" >out 2>err </dev/null || got=$?
[ $got -eq 1 ] && r=0 || r=1
report $r "a worker does not begin it: exit status 1"
has err 'smaller --batch' "and says the same"
head -n 3 "$top/models/nano/eval.jsonl" >short.jsonl
gives 0 "named again" run long.jsonl -m nano -o long.out --ranks 1

# ---- jobs that begin no batch ------------------------------------------------
# what a job of Slurm is told by its environment and by run.jsonl
outcome_of_job() { # RESTARTS STATUS NAME
    SLURM_JOB_ID=77
    SLURM_RESTART_COUNT=$1
    export SLURM_JOB_ID SLURM_RESTART_COUNT
    outcome "$2" "$3"
    got=0
    "$worker" --outcome >out 2>err.all || got=$?
    [ "$got" -eq "$2" ] && r=0 || r=1
    report $r "$3, without a name: outcome $2"
    unset SLURM_JOB_ID SLURM_RESTART_COUNT
}
queue short.jsonl
outcome_of_job 0 75 "one start of a job began nothing"
outcome_of_job 1 75 "two"
outcome_of_job 2 1 "three"
has err '3 starts in a row of Slurm job 77 got nowhere' "it says so"
[ "$(grep -c . err)" -eq 1 ] && [ "$(grep -c . err.all)" -eq 1 ] && r=0 || r=1
report $r "once"
# the job began it in its fourth start, others in later ones
cat >"spool/todo/$id/run.jsonl" <<'TXT'
{"start":0,"slurm_job":"7","slurm_restarts":9}
not JSON
{"start":1,"slurm_job":"77","slurm_restarts":3}
{"start":2,"slurm_job":"","slurm_restarts":0}
{"start":3,"slurm_job":"77","slurm_res
TXT
outcome_of_job 5 75 "two starts after the last that began a batch"
outcome_of_job 6 1 "three starts after it"
echo '{"start":4,"slurm_job":"78"}' >>"spool/todo/$id/run.jsonl"
SLURM_JOB_ID=78 SLURM_RESTART_COUNT=2 "$worker" --outcome >out 2>err &&
    got=0 || got=$?
[ $got -eq 75 ] && r=0 || r=1
report $r "a line of an older version is of the first start: outcome 75"

# ---- told to save before a batch is begun ------------------------------------
# A signal that is pending when the worker begins comes with the first
# instruction of its main().
in_todo() { # NAME
    [ "$got" -eq 75 ] && [ -d "spool/todo/$id" ] && r=0 || r=1
    report $r "$1: exit status 75, the batch is not begun"
}
queue short.jsonl
for signal in USR1 USR2 TERM HUP; do
    if ! env --block-signal=$signal true 2>/dev/null; then
        n=$((n + 1))
        echo "ok $n - $signal at the first instruction # SKIP env of this" \
            "machine cannot block signals"
        continue
    fi
    got=0
    env --default-signal=$signal --block-signal=$signal sh -c \
        'kill -s '$signal' $$; exec "$@"' sh "$worker" --alone -- "$batch" \
        >out 2>err </dev/null || got=$?
    in_todo "$signal at the first instruction"
done
for left in 0 10 0:10; do
    got=0
    "$worker" --alone --time-left=$left -- "$batch" >out 2>err </dev/null ||
        got=$?
    in_todo "--time-left=$left"
done
got=0
"$worker" --alone --time-left=soon -- "$batch" >out 2>err </dev/null || got=$?
[ $got -eq 2 ] && r=0 || r=1
report $r "an invalid time: exit status 2"
has err '"soon" is not a time' "it is named"
got=0
"$worker" --alone --time-left=UNLIMITED -- "$batch" >out 2>err </dev/null ||
    got=$?
[ $got -eq 0 ] && [ -d "spool/done/$id" ] && r=0 || r=1
report $r "without a limit it is done"

# ---- saved before the time limit ---------------------------------------------
queue all.jsonl
got=0
"$worker" --alone --batch=256 --time-left=12 -- "$batch" >out 2>err \
    </dev/null || got=$?
[ $got -eq 75 ] && r=0 || r=1
report $r "--time-left=12: it saves in time"
has err 'the time limit is near' "and says why"

# ---- ten of any kind ---------------------------------------------------------
# Files end at 512 bytes (1024 in some shells): no record fits.
queue short.jsonl
for i in 1 2 3 4 5 6 7 8 9 10; do
    if [ $i -eq 4 ] || [ $i -eq 10 ]; then
        outcome 75 "after $((i - 1)) starts without room"
    fi
    (
        trap '' XFSZ
        ulimit -f 1
        exec "$worker" --alone -- "$batch" >/dev/null 2>&1
    ) </dev/null || :
done
outcome 1 "after ten"
has err '10 starts in a row got nowhere' "it says so"
gives 0 "there is room again, and it is named" run short.jsonl -m nano \
    -o short.out --ranks 1

# ---- Slurm takes no job ------------------------------------------------------
# No worker died of that: the batch waits, however often it is tried; a job that
# was taken and is gone without a start counts.
queue short.jsonl
printf '#!/bin/sh\nexit 0\n' >bin/squeue
printf '#!/bin/sh\necho "sbatch: error: try later" >&2\nexit 1\n' >bin/sbatch
chmod +x bin/squeue bin/sbatch
round() { # the number of starts afterwards
    got=0
    PATH=$tmp/bin:$top/jobs:$PATH APUS_LAUNCHER=slurm APUS_LIBEXEC=$tmp/bin \
        bin/apus drain >out 2>err || got=$?
    find spool/todo/b* -name 'a[0-9]*' | wc -l | tr -d ' '
}
for i in 1 2 3 4 5; do
    starts=$(round)
done
[ -d "spool/todo/$id" ] && [ "$starts" = 0 ] && r=0 || r=1
report $r "Slurm takes no job: the batch waits, no start is counted ($starts)"
has err 'try later' "it is said"
printf '#!/bin/sh\necho 7\n' >bin/sbatch
starts=$(round)
[ "$starts" = 0 ] && r=0 || r=1
report $r "a job is taken"
starts=$(round)
[ "$starts" = 1 ] && r=0 || r=1
report $r "it is gone without a start: one is counted"
printf '#!/bin/sh\necho "sbatch: error: try later" >&2\nexit 1\n' >bin/sbatch
round >starts
starts=$(round)
[ "$starts" = 2 ] && r=0 || r=1
report $r "and one for each job, not for each round ($starts)"

finish
