#!/bin/sh
# apus-batch.sh: answer batches of requests as a job of Slurm.
#
#     sbatch [options of sbatch] apus-batch.sh [arguments of apus-worker]
#
# Partition, account, time and GPUs are not set here: give them to sbatch as
# options, or as SBATCH_... variables.  Without an argument it takes every
# batch that waits, oldest first, until its time is over.
#
# APUS_MAX_REQUEUES in the environment bounds how often a job puts itself back
# into the queue to go on with what is left (100).

# The name in squeue; `apus submit` gives apus-BATCH instead.
#SBATCH --job-name=apus
# Where the output goes, if nothing else is said: NAME-JOBID.out.
#SBATCH --output=%x-%j.out
# After a requeue go on with the same log instead of emptying it.
#SBATCH --open-mode=append
# Slurm may requeue the job: after the loss of a node, or a preemption.
#SBATCH --requeue
# When a node is lost the others go on.
#SBATCH --no-kill

set -eu

say() { echo "apus-batch: $*" >&2; }

# Without a job there is nothing to requeue, and no nodes to run on.
if [ -z "${SLURM_JOB_ID:-}" ]; then
    say "this is no job of Slurm: start it with sbatch"
    exit 2
fi

# The worker by its full name: a relative PATH means something else in a step.
worker=$(command -v apus-worker) || {
    say "no apus-worker in PATH ($PATH) on this node"
    exit 1
}
case $worker in
/*) ;;
*) worker=$(pwd)/$worker ;;
esac

# The name of this job alone.  One task of a job array has the number of the
# array, and whatever is done to that number is done to all of them.
job=$SLURM_JOB_ID
if [ "${SLURM_ARRAY_JOB_ID:-}" = "$job" ]; then
    job=${job}_${SLURM_ARRAY_TASK_ID:-}
fi

# What the controller says of it: "REQUEUE RESTARTS", or nothing.
ask() {
    scontrol show job "$job" 2>/dev/null |
        sed -n 's/^ *Requeue=\([01]\) Restarts=\([0-9][0-9]*\) .*/\1 \2/p' |
        head -n 1
}
about=$(ask) || about=

# How often this job was requeued.  Slurm sets SLURM_RESTART_COUNT from the
# first requeue on; before, it may be a leftover of the shell that submitted
# the job, so that the controller is asked first.
restarts=${about#* }
[ -n "$restarts" ] || restarts=${SLURM_RESTART_COUNT:-0}
case $restarts in
*[!0-9]* | '') restarts=0 ;;
esac
SLURM_RESTART_COUNT=$restarts
export SLURM_RESTART_COUNT

# Leftovers that would change what squeue answers.
for v in $(env | sed -n 's/^\(SQUEUE_[A-Z0-9_]*\)=.*/\1/p'); do
    unset "$v"
done

# CPU binding of a job around the submitting shell would squeeze every rank of
# this one onto the same few cores.
unset SLURM_CPU_BIND SLURM_CPU_BIND_LIST SLURM_CPU_BIND_TYPE \
    SLURM_CPU_BIND_VERBOSE SLURM_MEM_BIND SLURM_MEM_BIND_LIST \
    SLURM_MEM_BIND_TYPE SLURM_MEM_BIND_VERBOSE

# Pass on what a step says: 1 if Slurm could not launch it, 0 otherwise.  It
# ends with the step, whatever signal the job gets.
pass_on() {
    trap '' HUP INT TERM USR1 USR2
    not_launched=0
    while IFS= read -r line || [ -n "$line" ]; do
        printf '%s\n' "$line" >&2
        case $line in
        'srun: error: '*' launch failed: '*) not_launched=1 ;;
        esac
    done
    return $not_launched
}

# The time until this job is ended, from which rank 0 knows when to save.
# Without an answer, or without a limit, signals alone say so.
time_left() {
    left=$(squeue -h -j "$job" -o %L 2>/dev/null | head -n 1) || left=
    case $left in
    *[!0-9:-]*) left= ;;
    esac
}

# Work.  With srun the other ranks go on when one is lost (rank 0 hands out
# its shards again); srun then has exit status 137, which means nothing here.
# Where this Slurm has no PMIx, mpirun starts the ranks: a lost rank then ends
# them all, and the next start goes on.  --cpus-per-task is repeated because
# srun does not take it over from sbatch in every release.
step() {
    time_left
    { srun --mpi=pmix --no-kill --kill-on-bad-exit=0 \
        ${SLURM_CPUS_PER_TASK:+--cpus-per-task="$SLURM_CPUS_PER_TASK"} \
        "$worker" ${left:+--time-left="$left"} "$@" 2>&1 >&3 3>&- |
        pass_on 3>&-; } 3>&1
}

# A slurmstepd that is killed leaves its PMIx socket on its node, under the
# number of the job and the step, which are the same after a requeue: no step
# 0 of this job can be launched there again.  The next step has the next
# number, and there were no more steps before than starts.
if srun --mpi=list 2>&1 | grep -q pmix; then
    tries=$restarts
    [ "$tries" -le 9 ] || tries=9
    while ! step "$@" && [ "$tries" -gt 0 ]; do
        tries=$((tries - 1))
        say "the step was not launched: trying the next one"
    done
else
    say "srun has no pmix here: starting the ranks with mpirun"
    time_left
    mpirun "$worker" ${left:+--time-left="$left"} "$@" || :
fi

# The spool knows how it went, not srun: 0 done, 75 there is more to do, 1 it
# makes no progress.  A worker that cannot even say so cannot work either.
rc=0
"$worker" --outcome "$@" || rc=$?
if [ "$rc" -ge 126 ]; then
    say "$worker --outcome ended with status $rc: it cannot run on this node"
    rc=1
fi

# Into the queue again, under the same job id.  A busy controller is asked
# again; one that says no has said so.
requeue() {
    for pause in 5 15 0; do
        [ -n "$about" ] || about=$(ask) || about=
        if [ "${about% *}" = 0 ]; then
            say "this job cannot be requeued: submit again to go on"
            return
        fi
        why=$(scontrol requeue "$job" 2>&1) && return
        case $why in
        *[Uu]nable\ to\ contact* | *timed\ out* | *[Zz]ero\ [Bb]ytes* | \
            *[Cc]onnection* | *[Cc]ommunication* | *[Ss]ocket* | \
            *[Tt]emporarily* | *not\ responding* | *backup\ controller*) ;;
        *)
            say "this job cannot be requeued ($why): submit again to go on"
            return
            ;;
        esac
        sleep $pause
    done
    say "the controller does not answer ($why): submit again to go on"
}

# More to do: a bounded number of times.
max=${APUS_MAX_REQUEUES:-100}
case $max in
*[!0-9]* | '') max=100 ;;
esac
if [ "$rc" -eq 75 ] && [ "$restarts" -ge "$max" ]; then
    say "requeued $restarts times, and no more (APUS_MAX_REQUEUES): submit" \
        "again to go on"
elif [ "$rc" -eq 75 ]; then
    requeue
fi

# The job ends as the work did.
exit "$rc"
