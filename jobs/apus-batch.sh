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

# Every line of the log has time, node and job.
job=${SLURM_JOB_ID:-}
stamp() {
    printf '%s %s slurm:%s' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" \
        "${SLURMD_NODENAME:-$(uname -n)}" "$job"
}
say() { echo "$(stamp) apus-batch: $*" >&2; }

# Without a job there is nothing to requeue, and no nodes to run on.
if [ -z "${SLURM_JOB_ID:-}" ]; then
    say "not running inside a Slurm job: start it with sbatch"
    exit 2
fi

# The name of this job alone.  One task of a job array has the number of the
# array, and whatever is done to that number is done to all of them.
job=$SLURM_JOB_ID
if [ "${SLURM_ARRAY_JOB_ID:-}" = "$job" ]; then
    job=${job}_${SLURM_ARRAY_TASK_ID:-}
fi
APUS_LOG_JOB=slurm:$job
export APUS_LOG_JOB

# What is to be known where the controller does not answer.
restarts=${SLURM_RESTART_COUNT:-0}
per_node=${SLURM_NTASKS_PER_NODE:-0}
tasks=${SLURM_NTASKS:-0}
cpus=${SLURM_CPUS_PER_TASK:-0}

# What a job, an salloc, an mpirun or a tmux in one of them has left in the
# shell that submitted this job came along, and would be obeyed by srun, mpirun
# and squeue.  Of Slurm's variables those stay that are set anew in every job;
# what this job was given besides is asked from the controller below, and said
# to srun.  What a person sets for Open MPI stays, what mpirun sets does not.
for v in $(env | sed -n 's/^\([A-Z][A-Za-z0-9_]*\)=.*/\1/p'); do
    case $v in
    SLURM_CONF | SLURM_CLUSTER_NAME | SLURM_WORKING_CLUSTER | \
        SLURM_JOB_ID | SLURM_JOBID | SLURM_JOB_NAME | SLURM_JOB_PARTITION | \
        SLURM_JOB_UID | SLURM_JOB_GID | SLURM_JOB_USER | \
        SLURM_JOB_NODELIST | SLURM_NODELIST | SLURM_NODE_ALIASES | \
        SLURM_JOB_NUM_NODES | SLURM_NNODES | SLURM_JOB_CPUS_PER_NODE | \
        SLURM_TASKS_PER_NODE | SLURM_CPUS_ON_NODE | SLURM_NODEID | \
        SLURM_SUBMIT_DIR | SLURM_SUBMIT_HOST | SLURM_TASK_PID) ;;
    OMPI_ALLOW_RUN_AS_ROOT* | PRTE_ALLOW_RUN_AS_ROOT*) ;;
    OMPI_MCA_orte_* | OMPI_MCA_ess | OMPI_MCA_ess_* | OMPI_MCA_pmix | \
        OMPI_MCA_initial_wdir | OMPI_MCA_mpi_oversubscribe | \
        OMPI_MCA_shmem_RUNTIME_QUERY_hint) unset "$v" ;;
    PRTE_MCA_prte_* | PRTE_MCA_ess | PRTE_MCA_ess_*) unset "$v" ;;
    OMPI_MCA_* | PRTE_MCA_* | PMIX_MCA_*) ;;
    SLURM_* | SRUN_* | SALLOC_* | SBATCH_* | SQUEUE_* | SCONTROL_* | \
        SLURMD_DEBUG | OMPI_* | ORTE_* | OPAL_* | PRTE_* | PMIX_* | PMI_* | \
        PMI2_* | HYDI_* | HYDRA_* | MPI_LOCAL* | MV2_COMM_* | PALS_*)
        unset "$v"
        ;;
    esac
done

# A directory of that job alone is gone with it, or is not on this node.
[ -d "${TMPDIR:-/}" ] || unset TMPDIR

# What the controller says of this job, or nothing.
look() { scontrol show job -d "$job" 2>/dev/null || :; }
facts=$(look)

# field NAME: what stands behind it, or nothing.  The first line has the name
# of the job, which may look like anything.
field() {
    printf '%s\n' "$facts" |
        sed -n "1d; s|^\(.* \)\{0,1\}$1=\([^ ]*\).*|\2|p" | head -n 1
}

# number TEXT OTHER: the first number in TEXT, else OTHER.
number() {
    case ${1%%[!0-9]*} in
    '') echo "$2" ;;
    *) echo "${1%%[!0-9]*}" ;;
    esac
}

# How often this job was requeued.  Slurm sets SLURM_RESTART_COUNT from the
# first requeue on; before, it may be a leftover, so that the controller is
# asked first.  The same is true of the tasks that were asked for.
restarts=$(number "$(field Restarts)" "$(number "$restarts" 0)")
SLURM_RESTART_COUNT=$restarts
export SLURM_RESTART_COUNT
per_node=$(number "$(field NtasksPerN:B:S:C)" "$(number "$per_node" 0)")
tasks=$(number "$(field NumTasks)" "$(number "$tasks" 0)")
cpus=$(number "$(field CPUs/Task)" "$(number "$cpus" 1)")

# The worker: named by `apus submit`, else from PATH, else beside this script
# where sbatch found it (this is a copy): with --export=NONE PATH is that of a
# login on this node.  By its full name, as a relative PATH means something
# else in a step.
worker=
case ${1:-} in
--worker=*)
    worker=$(command -v "${1#--worker=}") || worker=
    shift
    ;;
esac
script=$(field Command)
[ -n "$worker" ] || worker=$(command -v apus-worker) ||
    worker=$(command -v "${script%/*}/apus-worker") || {
    say "no apus-worker in PATH ($PATH) on this node, nor beside $script"
    exit 1
}
case $worker in
/*) ;;
*) worker=$(pwd)/$worker ;;
esac

# Pass on what a step says, with a stamp where it has none: 1 if Slurm could not
# launch it, 0 otherwise.  It ends with the step, whatever signal the job gets.
pass_on() {
    trap '' HUP INT TERM USR1 USR2
    not_launched=0
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in
        [0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T*) ;;
        *) line="$(stamp) $line" ;;
        esac
        printf '%s\n' "$line" >&2
        case $line in
        *' srun: error: '*' launch failed: '*) not_launched=1 ;;
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

# How many ranks: as many as were asked for, else one a GPU or one a socket,
# whose cores are its threads, as far as memory and requests allow; the worker
# says which in one line.  Where it cannot, what was asked for.  Nodes where a
# rank found no GPU that it was promised are left out, while others are left,
# also of a job that Slurm has requeued onto them.
plan=$({
    printf '%s\n' "$facts"
    scontrol show node "${SLURM_JOB_NODELIST:-}" 2>/dev/null || :
} | "$worker" --plan "$@") || plan=
case ${plan%% --exclude=*} in
'' | *[!0-9\ ]*)
    [ "$per_node" -eq 0 ] || tasks=$((per_node * ${SLURM_JOB_NUM_NODES:-1}))
    plan="${SLURM_JOB_NUM_NODES:-1} $tasks $per_node $cpus 0 0"
    ;;
esac
read -r nodes ranks per_node cpus over memory without <<TEXT
$plan
TEXT
[ "$memory" -eq 0 ] || {
    APUS_JOB_MEMORY=$memory
    export APUS_JOB_MEMORY
}

# The plan for srun: nothing of it is left in the environment.
shape() {
    echo "--nodes=$nodes"
    [ "$ranks" -eq 0 ] || echo "--ntasks=$ranks"
    [ "$per_node" -eq 0 ] || echo "--ntasks-per-node=$per_node"
    [ "$cpus" -eq 0 ] || echo "--cpus-per-task=$cpus"
    [ "$over" -eq 0 ] || echo --overcommit
    [ -z "$without" ] || echo "$without"
}

# The nodes that are left, as mpirun wants them, which fills one after another:
# each with room for its ranks, or for its part of all where they differ.
hosts() {
    slots=${per_node:-$(((${ranks:-1} + nodes - 1) / nodes))}
    scontrol show hostnames "${SLURM_JOB_NODELIST:-}" | while read -r host; do
        case ,${without#--exclude=}, in
        *,"$host",*) ;;
        *) echo "$host:$slots" ;;
        esac
    done | head -n "$nodes" | paste -s -d , -
}

# Work.  With srun the other ranks go on when one is lost (rank 0 hands out
# its shards again); srun then has exit status 137, which means nothing here.
step() {
    time_left
    { srun --mpi=pmix --no-kill --kill-on-bad-exit=0 --export=ALL $(shape) \
        "$worker" ${left:+--time-left="$left"} "$@" 2>&1 >&3 3>&- |
        pass_on 3>&-; } 3>&1
}

# Where this Slurm has no PMIx, mpirun starts the ranks: a lost rank then ends
# them all, and the next start goes on.  It refuses root, who has begun this
# job on purpose, unless it is told twice.
step_of_mpirun() {
    time_left
    if [ "$(id -u)" -eq 0 ]; then
        OMPI_ALLOW_RUN_AS_ROOT=1
        OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
        PRTE_ALLOW_RUN_AS_ROOT=1
        PRTE_ALLOW_RUN_AS_ROOT_CONFIRM=1
        export OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM \
            PRTE_ALLOW_RUN_AS_ROOT PRTE_ALLOW_RUN_AS_ROOT_CONFIRM
    fi
    [ "$ranks" -ne 0 ] || ranks=
    [ "$per_node" -ne 0 ] || per_node=
    { mpirun ${ranks:+-np "$ranks"} ${per_node:+-npernode "$per_node"} \
        ${without:+--host "$(hosts)"} \
        "$worker" ${left:+--time-left="$left"} "$@" 2>&1 >&3 3>&- |
        pass_on 3>&-; } 3>&1 || :
}

# A node alone, without MPI.
step_alone() {
    time_left
    { "$worker" --alone ${left:+--time-left="$left"} "$@" 2>&1 >&3 3>&- |
        pass_on 3>&-; } 3>&1 || :
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
elif command -v mpirun >/dev/null; then
    say "srun has no pmix here: starting the ranks with mpirun"
    step_of_mpirun "$@"
else
    say "srun has no pmix here and there is no mpirun: one rank on $(uname -n)"
    step_alone "$@"
fi

# The spool knows how it went, not srun: 0 done, 75 there is more to do, 1 it
# makes no progress.  A worker that cannot even say so cannot work either.  With
# 75 it also names the hosts where no GPU could be used.
rc=0
avoid=$("$worker" --outcome "$@") || rc=$?
if [ "$rc" -ge 126 ]; then
    say "$worker --outcome ended with status $rc: it cannot run on this node"
    rc=1
fi

hosts_of() { # LIST of Slurm's: ,host,host,
    printf ',%s,' "$(scontrol show hostnames "$1" | paste -s -d , -)"
}
# How many nodes of the partition, beside these and those left out, have the
# same GPUs and features as one of these: on others the job may not fit.
count_others() { # THESE OUT
    nodes=$(sinfo -h -N -p "$(field Partition)" -o '%N %t %G %f') || return
    printf '%s\n' "$nodes" | sort -u |
        awk -v these="$(hosts_of "$1")" -v out="${2:+$(hosts_of "$2")}" '
            index(these, "," $1 ",") { bad[$3 " " $4] = 1; next }
            index(out, "," $1 ",") { next }
            $2 ~ /^(idle|alloc|mix|comp)[^*]*$/ && $3 ~ /gpu/ {
                n[$3 " " $4]++
            }
            END { for (kind in bad) sum += n[kind]; print sum + 0 }'
}

# A job that asked for GPUs, and for no node by its name, is to have others the
# next time than those hosts, if there are enough beside all that it leaves out
# then: with too few, or in a reservation, it might wait for ever.  Only a job
# that waits can be changed so.  What it leaves out it does to its end: nothing
# says which nodes of its list a person wanted to be there.
avoid_hosts() {
    [ -n "$avoid" ] && [ "$(field ReqNodeList)" = '(null)' ] || return 0
    printf '%s\n' "$facts" | grep -q '^ *TresPer[A-Za-z]*=.*gpu' || return 0
    case $(field Reservation) in '' | '(null)') ;; *) return 0 ;; esac
    has=$(field ExcNodeList)
    [ "$has" != '(null)' ] || has=
    others=$(count_others "$avoid" "$has") || return 0
    [ "$others" -ge "${SLURM_JOB_NUM_NODES:-1}" ] || {
        say "too few other nodes for the next start to leave out $avoid," \
            "where no GPU could be used"
        return 0
    }
    scontrol update "JobId=$job" "ExcNodeList=${has:+$has,}$avoid" &&
        say "the next start leaves out $avoid, where no GPU could be used"
}

# Into the queue again, under the same job id.  A busy controller is asked
# again; one that says no has said so.
requeue() {
    for pause in 5 15 0; do
        [ -n "$facts" ] || facts=$(look)
        if [ "$(field Requeue)" = 0 ]; then
            say "this job cannot be requeued: submit again to go on"
            return
        fi
        # a requeue ends this script, after this
        trap '' TERM
        if why=$(scontrol requeue "$job" 2>&1); then
            avoid_hosts || :
            return
        fi
        trap - TERM
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
