#!/bin/sh
# Batches in a real Slurm of four nodes, with the real worker: ranks and `apus`
# killed with -9 at random moments, preempted, requeued, cancelled, the
# controller down.  In the end every request has its answer, none is given up,
# all verify by recomputation, and nothing was computed after it was recorded.
# APUS_LONG=1: 1,000 requests and 50 kills instead of 300 and 4, stepd and
# slurmd are killed too, and a node is lost.
# part: all
set -eu
SLURMDTIMEOUT=5 KILLWAIT=5
export SLURMDTIMEOUT KILLWAIT
. "${top_srcdir:-.}/tests/slurm.sh"
. "$top/tests/slow.sh"
APUS_RANK_TIMEOUT=3
export APUS_RANK_TIMEOUT
clean_up() {
    kill $(jobs -p) 2>/dev/null || :
    clean
}
trap clean_up EXIT

# Answers of 48 tokens each, so that they can be stopped.
long_questions() {
    questions "$1" "$2" |
        sed 's/"body": {/&"apus": {"ignore_eos": true}, /'
}
state() { # of the batch $batch
    "$apus" status "$batch" 2>>status.err | cut -f 2
}
# Until the batch is in a state, or so many seconds, or four times as many on a
# slow machine, have gone by.
until_state() { # STATE SECONDS
    left=$(($2 * 20))
    while [ "$(state)" != "$1" ] && [ $left -gt 0 ]; do
        left=$((left - 1))
        sleep 0.2
    done
    [ "$(state)" = "$1" ]
}
started() { # a record is in a log
    left=1200
    while [ ! -d "spool/done/b$batch" ] && [ -z "$(find \
        "spool/running/b$batch" -name '*.log' -size +3k 2>/dev/null)" ] &&
        [ $left -gt 0 ]; do
        left=$((left - 1))
        sleep 0.1
    done
    # it never began: why
    [ $left -gt 0 ] || { squeue; sinfo -N -l; } | sed 's/^/# /'
}
submit() { # FILE ARGUMENT...
    "$apus" submit "$@" -m nano --nodes 4 >out 2>err || return 1
    batch=$(cut -f 1 out)
    job=$(cut -f 3 out)
}
finished() { # NAME: done and right
    r=0
    "$apus" verify "$batch" --recompute all >out 2>err || r=1
    report $r "$1: every answer verifies by recomputation"
    [ ! -s "spool/done/b$batch/refused.jsonl" ] && r=0 || r=1
    report $r "$1: nothing is given up"
}

# ---- what nothing happens to ----------------------------------------------
questions 60 plain >plain.jsonl
submit plain.jsonl && r=0 || r=1
report $r "apus submit"
until_state done 60 && r=0 || r=1
report $r "it is done"
finished "four ranks"
gives 0 "apus export" export "$batch" -o slurm.out
gives 0 "without Slurm" run plain.jsonl -m nano -o local.out \
    --spool "$tmp/spool2" --ranks 1
cmp slurm.out local.out >out 2>&1 && r=0 || r=1
report $r "the same answers"
cmp spool/done/b"$batch"/part-0000.h5 spool2/done/b"$batch"/part-0000.h5 \
    >out 2>&1 && r=0 || r=1
report $r "the same part"
gives 0 "submitted again" submit plain.jsonl -m nano
has err 'is done' "it says that it is done"

# ---- killed ------------------------------------------------------------------
count=300
kills=4
[ -z "$long" ] || { count=1000 kills=50; }
# answers that are long, so that there is something to kill
questions $count killed |
    sed 's/"max_tokens": [0-9]*/"max_tokens": 150, "n": 1/
        s/"body": {/&"apus": {"ignore_eos": true}, /' >killed.jsonl
submit killed.jsonl && r=0 || r=1
report $r "apus submit of $count requests"
mkdir links
# a second name for every log: they are removed in the end
link_logs() {
    for log in spool/*/b"$batch"/a*/*.log; do
        [ -e "$log" ] || continue
        to=links/$(echo "$log" | sed 's|.*/\(a[0-9]*\)/|\1-|')
        [ -e "$to" ] || ln "$log" "$to" 2>/dev/null || :
    done
}
(while :; do link_logs; sleep 0.05; done) &
linker=$!
random() { # below N
    awk -v n="$1" -v seed="$(od -An -tu4 -N 4 /dev/urandom)" \
        'BEGIN { srand(seed); print int(rand() * n) }'
}
ranks() { pgrep -f "apus-worker.*$batch" | while read -r p; do
    case $(tr '\0' ' ' <"/proc/$p/cmdline" 2>/dev/null) in
    *srun* | */bin/sh*) ;;
    *) echo "$p" ;;
    esac
done; }
# Requests of one length end together, and that may be soon: stop the ranks when
# the first are open in this start.  A log begins with 64 bytes of its own.
stopped() { # START
    left=2400
    while [ ! -d "spool/done/b$batch" ] && [ -z "$(find \
        "spool/running/b$batch/$1" -name '*.log' -size +64c 2>/dev/null)" ] &&
        [ $left -gt 0 ]; do
        left=$((left - 1))
        sleep 0.05
    done
    pkill -STOP -f "^[^ ]*apus-worker .*$batch" || :
}
stepds() { # of this Slurm, by its titles: all, or those that match
    pgrep -f "^slurmstepd: ${1:-}" | while read -r p; do
        ! tr '\0' ' ' 2>/dev/null <"/proc/$p/environ" |
            grep -q "SLURM_CONF=$tmp/" || echo "$p"
    done
}
one_of() { # of the words on standard input
    list=$(cat)
    n_list=$(echo "$list" | wc -w)
    [ "$n_list" -gt 0 ] || return 0
    echo "$list" | sed -n "$(($(random "$n_list") + 1))p"
}
# Of a node: a number in a file may be another process by now, and a zombie
# that nobody has reaped counts as gone.
node_of() { # PID of a slurmd, of this Slurm
    tr '\0' ' ' 2>/dev/null <"/proc/$1/environ" |
        grep -q "SLURM_CONF=$tmp/" || return 0
    tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline" | sed 's/.*-N \([^ ]*\).*/\1/'
}
slurmd_of() { # NODE: its pid, if it lives
    pid=$(cat "slurm/run/$1.pid" 2>/dev/null || :)
    [ -n "$pid" ] && grep -qx slurmd "/proc/$pid/comm" 2>/dev/null &&
        grep -q '^State:[[:space:]]*[^ZX]' "/proc/$pid/status" 2>/dev/null &&
        echo "$pid" || :
}
slurmd_up() { # start those that are gone, as a site's init would
    for i in 1 2 3 4; do
        [ -z "$(slurmd_of n$i)" ] || continue
        # a child that it forked just then holds the port
        for p in $(pgrep -x slurmd); do
            [ "$(node_of "$p")" != n$i ] || kill -9 "$p" 2>/dev/null || :
        done
        slurmd -N n$i 2>>err || :
    done
}
all_nodes() { # are idle again
    left=600
    while [ "$(sinfo -h -N -p batch -t idle -o %N | wc -l)" -ne 4 ] &&
        [ $left -gt 0 ]; do
        left=$((left - 1))
        slurmd_up
        sleep 0.5
    done
}
done_kills=0
tries=0
while [ $done_kills -lt $kills ] && [ $tries -lt $((kills * 60)) ]; do
    tries=$((tries + 1))
    case $(state) in
    done) break ;;
    todo | failed) "$apus" submit "$batch" --nodes 4 >out 2>>err || : ;;
    esac
    sleep "0.$(random 9)"
    victim=
    case $(random 10)$long in
    01) victim=$(stepds | one_of) ;;
    11) victim=$(slurmd_of "n$(($(random 4) + 1))") ;;
    2*) "$apus" status >/dev/null 2>&1 & victim=$! ;;
    *) victim=$(ranks | one_of) ;;
    esac
    if [ -n "$victim" ] && kill -9 "$victim" 2>/dev/null; then
        done_kills=$((done_kills + 1))
    fi
    slurmd_up
done
left=600
while [ "$(state)" != done ] && [ $left -gt 0 ]; do
    left=$((left - 1))
    slurmd_up
    case $(state) in
    todo | failed) "$apus" submit "$batch" --nodes 4 >out 2>>err || : ;;
    esac
    sleep 1
done
[ "$(state)" = done ] && r=0 || r=1
[ $r -eq 0 ] || { cat spool/log/"$batch".log; squeue; sinfo; } >>err 2>&1
report $r "$done_kills kills: it is done"
kill $linker 2>/dev/null || :
wait $linker 2>/dev/null || :
finished "$done_kills kills"
starts=$(sed -n '$=' spool/done/b"$batch"/run.jsonl)
echo "# $starts starts"
# start, rank, order in it, type, line and choice of every frame
for log in links/*.log; do
    [ -e "$log" ] || continue
    "$apus" show "$log" 2>/dev/null |
        awk -v name="$(basename "$log")" '{ split(name, w, "[-a.]")
            print w[2] + 0, $2, $3 "/" $4 }'
done >frames
awk '$2 == "record" && (!($3 in first) || $1 < first[$3]) { first[$3] = $1 }
    { type[NR] = $2; start[NR] = $1; what[NR] = $3 }
    END { for (i = 1; i <= NR; i++)
            if (type[i] == "open" && what[i] in first &&
                start[i] > first[what[i]])
                print what[i], "recorded in", first[what[i]], \
                    "and begun again in", start[i] }' frames >again
records=$(grep -c ' record ' frames || :)
echo "# $records records in $(ls links | wc -l) logs"
# on a busy machine a log may be gone before it is linked
[ ! -s again ] && [ "$records" -ge $((count / 4)) ] && r=0 || r=1
[ $r -eq 0 ] || cp again out
report $r "nothing is computed after it was recorded"

# ---- killed while MPI starts -----------------------------------------------
long_questions 90 early >early.jsonl
submit early.jsonl && r=0 || r=1
left=3000
while [ ! -d "spool/done/b$batch" ] && [ "$(ranks | wc -l)" -lt 4 ] &&
    [ $left -gt 0 ]; do
    left=$((left - 1))
    sleep 0.02
done
for p in $(ranks); do
    tr '\0' '\n' <"/proc/$p/environ" 2>/dev/null | grep -q '^SLURM_PROCID=1$' ||
        kill -9 "$p" 2>/dev/null || :
done
until_state 'done' 120 && r=0 || r=1
[ $r -eq 0 ] || { cat spool/log/"$batch".log; squeue; sinfo; } >>err
report $r "all ranks but one are killed at the start: it is done"
finished "killed at the start"

# ---- cancel, preemption, requeue ---------------------------------------------
long_questions 300 cancelled >cancelled.jsonl
submit cancelled.jsonl && r=0 || r=1
stopped a000
gives 0 "apus cancel" cancel "$batch"
has out 'failed' "puts it away"
[ -z "$(ranks)" ] && r=0 || r=1
report $r "and leaves nothing running"
gives 0 "its state" status "$batch"
has out '.failed.' "is failed"
submit cancelled.jsonl && r=0 || r=1
report $r "submitted again"
stopped a001
scontrol requeue "$job" >>out 2>&1 && r=0 || r=1
report $r "requeued by an admin"
until_state done 90 && r=0 || r=1
[ $r -eq 0 ] || cat spool/log/"$batch".log >>err
report $r "it continues and is done"
finished "cancelled and requeued"

# sockets stay behind, and nothing else can have their names; the ranks are
# killed since they would go on without the daemons
long_questions 300 spoiled >spoiled.jsonl
submit spoiled.jsonl && r=0 || r=1
stopped a000
kill -9 $(stepds "\\[$job\\.0\\]") 2>/dev/null || r=1
for p in $(ranks); do # unless one has seen it and ended
    kill -9 "$p" 2>/dev/null || :
done
report $r "the daemons of a step are killed, and the ranks"
# one that was found too late has taken its socket with it
for node in slurm/state/n[0-9]*/; do
    socket=${node}stepd.slurm.pmix.$job.0
    [ -e "$socket" ] || : >"$socket"
done
scontrol requeue "$job" >>out 2>&1 && r=0 || r=1
report $r "its job is requeued"
until_state done 90 && r=0 || r=1
[ $r -eq 0 ] || cat spool/log/"$batch".log >>err
report $r "another step is done with it"
cp "spool/log/$batch.log" out
has out 'trying the next one' "the first cannot be launched"
finished "killed daemons"

questions 300 preempted >preempted.jsonl
submit preempted.jsonl
started
sbatch -p urgent -N4 --ntasks-per-node=4 --wrap 'sleep 3' -o /dev/null >out \
    2>err && r=0 || r=1
report $r "an urgent job for all nodes"
until_state done 120 && r=0 || r=1
[ $r -eq 0 ] || { cat spool/log/"$batch".log; squeue; } >>err
report $r "preempted, it continues and is done"
finished "preempted"

# ---- cancelled behind our back, and a controller that is down ----------------
long_questions 300 scancelled >scancelled.jsonl
submit scancelled.jsonl && r=0 || r=1
started
scancel "$job"
until_state todo 60 && r=0 || r=1
report $r "after scancel it is in todo"
[ -z "$(ranks)" ] && r=0 || r=1
report $r "and nothing runs"
parked=$(for log in spool/todo/b"$batch"/a*/*.log; do
    "$apus" show "$log" 2>>err
done | grep -c parked || :)
[ "$parked" -gt 0 ] && r=0 || r=1
[ $r -eq 0 ] || cat spool/log/"$batch".log >>err 2>&1 || :
report $r "the ranks have saved: $parked parked"
submit scancelled.jsonl && until_state 'done' 90 && r=0 || r=1
report $r "submitted again it is done"
finished "scancel"

questions 30 down >down.jsonl
kill -STOP "$(cat slurm/run/slurmctld.pid)"
APUS_SLURM_TIMEOUT=3
export APUS_SLURM_TIMEOUT
gives 75 "the controller is down at submit" submit down.jsonl -m nano --nodes 4
has err 'slurm' "it says so"
kill -CONT "$(cat slurm/run/slurmctld.pid)"
unset APUS_SLURM_TIMEOUT
sleep 1
submit down.jsonl && r=0 || r=1
report $r "submitted again when it is back"
until_state done 60 && r=0 || r=1
report $r "it is done"
starts=$(sed -n '$=' spool/done/b"$batch"/run.jsonl)
[ "$starts" -eq 1 ] && r=0 || r=1
report $r "by one job: $starts starts"

# ---- a node is lost: the last, since it may not come back --------------------
if [ -n "$long" ]; then
questions 300 lost | sed 's/"body": {/&"apus": {"ignore_eos": true}, /' \
    >lost.jsonl
submit lost.jsonl && r=0 || r=1
started
# all that runs on one node at once: what makes it a node is its daemons
node=$(for p in $(ranks); do
    tr '\0' '\n' <"/proc/$p/environ" | sed -n 's/^SLURMD_NODENAME=//p'
done | sort -u | tail -n 1)
echo "# node $node"
for p in $(pgrep -x slurmd); do
    [ "$(node_of "$p")" != "$node" ] || kill -9 "$p" 2>/dev/null || :
done
for p in $(stepds) $(ranks); do
    if tr '\0' '\n' <"/proc/$p/environ" 2>/dev/null |
        grep -q "^SLURMD_NODENAME=$node\$"; then
        kill -9 "$p" 2>/dev/null || :
    fi
done
until_state 'done' 120 && r=0 || r=1
[ $r -eq 0 ] || { cat spool/log/"$batch".log; squeue; sinfo; } >>err
report $r "a node is lost, the batch is done"
finished "a lost node"
fi

finish
