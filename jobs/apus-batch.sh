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
# Five minutes before the time limit: USR1 to every rank, which makes it save.
#SBATCH --signal=USR1@300

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

# How often this job was requeued.  Slurm sets SLURM_RESTART_COUNT from the
# first requeue on; before, it may be a leftover of the shell that submitted
# the job, so that the controller is asked first.
restarts=$(scontrol show job "$SLURM_JOB_ID" 2>/dev/null |
    sed -n 's/.*Restarts=\([0-9][0-9]*\).*/\1/p' | head -n 1) || restarts=
[ -n "$restarts" ] || restarts=${SLURM_RESTART_COUNT:-0}
case $restarts in
*[!0-9]* | '') restarts=0 ;;
esac
SLURM_RESTART_COUNT=$restarts
export SLURM_RESTART_COUNT

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

# Work.  With srun the other ranks go on when one is lost (rank 0 hands out
# its shards again); srun then has exit status 137, which means nothing here.
# Where this Slurm has no PMIx, mpirun starts the ranks: a lost rank then ends
# them all, and the next start goes on.  --cpus-per-task is repeated because
# srun does not take it over from sbatch in every release.
step() {
    { srun --mpi=pmix --no-kill --kill-on-bad-exit=0 \
        ${SLURM_CPUS_PER_TASK:+--cpus-per-task="$SLURM_CPUS_PER_TASK"} \
        "$worker" "$@" 2>&1 >&3 3>&- | pass_on 3>&-; } 3>&1
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
    mpirun "$worker" "$@" || :
fi

# The spool knows how it went, not srun: 0 done, 75 there is more to do, 1 it
# makes no progress.
rc=0
"$worker" --outcome "$@" || rc=$?

# More to do: back into the queue, under the same job id, a bounded number of
# times.  A busy controller is asked again.
max=${APUS_MAX_REQUEUES:-100}
case $max in
*[!0-9]* | '') max=100 ;;
esac
if [ "$rc" -eq 75 ] && [ "$restarts" -ge "$max" ]; then
    say "requeued $restarts times, and no more (APUS_MAX_REQUEUES)"
elif [ "$rc" -eq 75 ]; then
    for pause in 5 15 0; do
        scontrol requeue "$SLURM_JOB_ID" && break
        sleep $pause
    done
fi

# The job ends as the work did.
exit "$rc"
