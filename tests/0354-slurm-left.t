#!/bin/sh
# What a job finds in its environment: leftovers of another job, an salloc or
# an mpirun around the shell that submitted it, or nothing at all.
# part: all
set -eu
NODES=2
export NODES
. "${top_srcdir:-.}/tests/slurm.sh"

questions 2 left >left.jsonl
# left NAME VARIABLE=VALUE...: a job from such a shell is done at once
left() {
    name=$1
    shift
    sed "s/left-/$name-/" left.jsonl >"$name.jsonl"
    batch=$(queue "$name.jsonl")
    eval "batch_$name=\$batch"
    id=$(env "$@" sbatch --parsable -o "$name.log" apus-batch.sh "$batch" \
        2>>err) || id=
    echo "$name $id $batch" >>left.jobs
}
left cpu SLURM_MEM_PER_CPU=100 SLURM_MEM_PER_NODE=500
left tasks SLURM_NTASKS_PER_NODE=7
left export SLURM_EXPORT_ENV=NONE
left gpus SLURM_GPUS_PER_NODE=1
# an srun: numbers, places and habits of its step
left step SLURM_NTASKS=9 SLURM_NPROCS=9 SLURM_CPUS_PER_TASK=9 \
    SRUN_CPUS_PER_TASK=9 SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=9 \
    SLURM_STEP_TASKS_PER_NODE=9 SLURM_PROCID=5 SLURM_LOCALID=5 \
    SLURM_DISTRIBUTION=cyclic SLURM_UMASK=0777 \
    SLURM_RESTART_COUNT=200 SLURM_ARRAY_JOB_ID=1 SLURM_ARRAY_TASK_ID=4
# options of an srun or an salloc that were set as variables
left words SLURM_CONSTRAINT=no SLURM_PARTITION=none SLURM_RESERVATION=none \
    SLURM_GRES=gpu:9 SLURM_STEP_GRES=gpu:9 SLURM_GPUS_PER_TASK=9 \
    SLURM_TASK_PROLOG=/nowhere SLURM_REMOTE_CWD=/nowhere SLURM_WAIT=1 \
    SLURM_TIMELIMIT=1 SLURM_EXCLUSIVE=yes SLURM_THREADS_PER_CORE=9 \
    SLURM_CPU_BIND=quiet,mask_cpu:0x80 SRUN_CONTAINER=/nowhere \
    SALLOC_PARTITION=none SLURM_MPI_TYPE=none SLURM_TEST_EXEC=1
# ranks of an mpirun and of PMI
left ranks PMIX_RANK=7 PMIX_NAMESPACE=1 PMIX_SERVER_URI41=1.0\;tcp4://0:1 \
    PMI_RANK=7 PMI_SIZE=9 PMI_FD=9 OMPI_COMM_WORLD_RANK=7 \
    OMPI_COMM_WORLD_LOCAL_SIZE=9 OMPI_COMM_WORLD_SIZE=9 \
    OMPI_MCA_ess=^singleton OMPI_MCA_ess_base_jobid=1 \
    OMPI_MCA_ess_base_vpid=7 OMPI_MCA_orte_launch=1 \
    OMPI_MCA_orte_hnp_uri=1.0\;tcp://0:1 OMPI_MCA_initial_wdir=/nowhere \
    TMPDIR=/nowhere
while read -r name id batch; do
    ends "$id" "$name" 0:0 0
    [ -d "spool/done/b$batch" ] && r=0 || r=1
    report $r "$name: its batch is done"
done <left.jobs
cp cpu.log out
has out 'is done' "the log says so"

# ---- what was asked for is still given ---------------------------------------
program ranks apus-worker <<TXT
#!/bin/sh
case " \$* " in
*" --outcome "*) exit 0 ;;
*" --plan "*) exec $build/apus-worker "\$@" ;;
esac
exec $build/apus-worker --show-ranks
TXT
asked() { # NAME RANKS WORD...: so many, with these words for sbatch
    name=$1
    want=$2
    shift 2
    id=$(PATH=$tmp/ranks:$PATH SLURM_NTASKS=9 SLURM_NTASKS_PER_NODE=9 \
        SLURM_MEM_PER_CPU=9 sbatch --parsable -o "$name.log" "$@" \
        apus-batch.sh 2>>err)
    ends "$id" "$name" 0:0 0
    [ "$(grep -c "rank [0-9]* of $want on" "$name.log")" -eq "$want" ] &&
        r=0 || r=1
    report $r "$name: $want ranks"
}
asked pernode 4 -N2 --ntasks-per-node=2
asked ntasks 3 -N2 -n3
asked wide 2 -n2 -c2
asked over 6 -N1 -n6 -O
asked memory 2 -n2 --mem=100

# ---- hardly any environment --------------------------------------------------
mkdir bin
cp "$top/jobs/apus-batch.sh" bin
ln -s "$build/apus-worker" bin/apus-worker
# HOME and PATH are those of a login then
questions 2 bare >bare.jsonl
batch=$(queue bare.jsonl)
id=$(sbatch --parsable --export=NONE -o bare.log bin/apus-batch.sh \
    --spool="$APUS_SPOOL" --models="$APUS_MODELS" -- "$batch" 2>>err) || id=
ends "$id" bare 0:0 0
[ -d "spool/done/b$batch" ] && r=0 || r=1
report $r "bare: its batch is done"
questions 2 site >site.jsonl
SBATCH_EXPORT=NONE "$apus" submit site.jsonl -m nano >site.out 2>err && r=0 ||
    r=1
report $r "apus submit where the site exports nothing"
batch=$(cut -f 1 site.out)
comes is_over "$(cut -f 3 site.out)" || :
cp "spool/log/$batch.log" out
[ -d "spool/done/b$batch" ] && r=0 || r=1
report $r "it is done"

# ---- nothing to do -----------------------------------------------------------
mkdir -p none/todo
id=$(sbatch --parsable -o empty.log apus-batch.sh --spool="$tmp/none" \
    2>>err) || id=
ends "$id" empty 0:0 0
said_once empty 'nothing is to be done'
# a name that was mistyped is not one
id=$(sbatch --parsable -o typo.log apus-batch.sh --spool="$tmp/typo" \
    2>>err) || id=
ends "$id" typo 1:0 0
[ ! -e typo ] && r=0 || r=1
report $r "typo: no spool is made"
finish
