#!/bin/sh
# Jobs of a real Slurm on nodes one of which has a broken GPU (tests/worker-sim,
# an emulated one), or one that other programs fill: the start that finds it
# ends with 75, and the next one, of the same job too, leaves the node out,
# unless it has no other, a person chose the nodes or no GPU is used.
# part: all
set -eu
if [ ! -x "${top_builddir:-.}/tests/worker-sim" ]; then
    echo "1..0 # SKIP built without cusim"
    exit 0
fi
NODES=3 GPUS=2
export NODES GPUS
. "${top_srcdir:-.}/tests/slurm.sh"

# The nodes in BROKEN have no GPU that can be used, those in FILLED a full one,
# those in WRONG one that computes wrongly after a while.
program sim apus-worker <<TXT
#!/bin/sh
case " \$BROKEN " in *" \${SLURMD_NODENAME:-} "*) export CUSIM_DEVICES=0 ;; esac
case " \$FILLED " in
*" \${SLURMD_NODENAME:-} "*) export CUSIM_TAKEN=1073600000 ;;
esac
case " \$WRONG " in
*" \${SLURMD_NODENAME:-} "*) export CUSIM_WRONG=40000 CUSIM_AFTER=2 ;;
esac
exec "$build/tests/worker-sim" "\$@"
TXT
PATH=$tmp/sim:$PATH

# answers NAME RESTARTS RANKS NODES ARGUMENT...: a job on n1, n2 or both ends
# well after so many restarts, the last of which has so many ranks on so many
# nodes.
answers() {
    name=$1
    restarts=$2
    ranks=$3
    on=$4
    shift 4
    questions 4 "$name" | sed 's/"max_tokens": [0-9]*/"max_tokens": 3/' \
        >"$name.jsonl"
    batch=$(queue "$name.jsonl")
    job=$(sbatch --parsable -o "$name.log" --ntasks-per-node=1 -x n3 "$@" -- \
        "$batch" 2>>err)
    ends "$job" "$name" 0:0 "$restarts"
    state_is "$batch" done && r=0 || r=1
    report $r "$name: it is done"
    tail -n +1 "$name.log" >out
    grep ' ranks\{0,1\} on ' "$name.log" | tail -n 1 |
        grep -q " $ranks ranks\{0,1\} on $on node" && r=0 || r=1
    report $r "$name: $ranks ranks on $on nodes"
}
left_out() { # COUNT
    [ "$(grep -c 'leaving out n1, where no GPU could be used' "$name.log")" \
        -eq "$1" ] && r=0 || r=1
    report $r "$name: n1 is left out in $1 starts"
}

BROKEN=n1
FILLED=
export BROKEN FILLED
answers requeued 1 1 1 -N2 --gres=gpu:1 apus-batch.sh
left_out 1
has requeued.log 'n1 slurm:.* promises a GPU: cannot use' "the first start"
has requeued.log "n2 slurm:.*batch $batch is done" "the second, elsewhere"
rm -f spool/log/no-gpu
answers single 1 1 1 -N1 --gres=gpu:1 apus-batch.sh
left_out 0
has single.log "next start leaves out n1, where" "a job of one node moves"
has single.log "n2 slurm:.*batch $batch is done" "to the other"
rm -f spool/log/no-gpu
BROKEN=
FILLED=n1
answers filled 1 1 1 -N1 --gres=gpu:1 apus-batch.sh
has filled.log 'n1 slurm:.* the GPU has .*: other programs' "a full GPU"
has filled.log "next start leaves out n1, where" "the job moves from there"
has filled.log "n2 slurm:.*batch $batch is done" "to the other"
BROKEN=n1
FILLED=
# A job that a person keeps from the others has no other: it does not wait.
rm -f spool/log/no-gpu
questions 4 kept >kept.jsonl
batch=$(queue kept.jsonl)
job=$(sbatch --parsable -o kept.log -N1 -x 'n[2-3]' --gres=gpu:1 \
    apus-batch.sh "$batch" 2>>err)
ends "$job" kept 1:0 2
has kept.log 'too few other nodes .* leave out n1, where' "why it is not moved"
# Nor is one of a reservation, which other nodes may not be in.
rm -f spool/log/no-gpu
questions 4 reserved >reserved.jsonl
batch=$(queue reserved.jsonl)
scontrol create reservation ReservationName=ours Nodes=n1 Users=root \
    StartTime=now Duration=60 >out 2>&1 && r=0 || r=1
report $r "a reservation of n1"
job=$(sbatch --parsable -o reserved.log -N1 --reservation=ours --gres=gpu:1 \
    apus-batch.sh "$batch" 2>>err)
ends "$job" reserved 1:0 2
grep -q 'leaves out' reserved.log && r=1 || r=0
report $r "a job of a reservation is not moved"
scontrol delete ReservationName=ours >>err 2>&1 || :
answers next 0 1 1 -N2 --gres=gpu:1 apus-batch.sh
left_out 1
answers cpu 0 2 2 -N2 --gres=gpu:1 apus-batch.sh --kernel=reference
left_out 0

# A wrong number is found after some answers: all of them are made elsewhere.
rm -f spool/log/no-gpu
BROKEN= WRONG=n1
export WRONG
answers wrong 1 1 1 -N1 --gres=gpu:1 apus-batch.sh --reuse=no --batch=1
has wrong.log 'n1 slurm:.*a product of layer .* is wrong' "wrong: it is found"
has wrong.log 'rank 0 on .* withdraws all that it answered' "wrong: withdrawn"
has wrong.log "next start leaves out n1, where" "wrong: the job moves"
has wrong.log "n2 slurm:.*batch $batch is done" "wrong: to the other node"
APUS_SPOOL=$tmp/cpu
gives 0 "a CPU" run wrong.jsonl -m nano -o cpu.out --ranks 1 --launcher local \
    --kernel reference
APUS_SPOOL=$tmp/spool
for file in part-0000.h5 checkpoint.json; do
    same "cpu/done/b$batch/$file" "spool/done/b$batch/$file" \
        "wrong: the CPU's $file"
done
rm -f spool/log/no-gpu
BROKEN=n1 WRONG=
answers again 1 1 1 -N2 --gres=gpu:1 apus-batch.sh

# Without PMIx.
program nopmix srun <<TXT
#!/bin/sh
[ "\$1" != --mpi=list ] || { echo none; exit; }
exec $(command -v srun) "\$@"
TXT
with=$PATH
PATH=$tmp/nopmix:$PATH
answers mpirun 0 1 1 -N2 --gres=gpu:1 apus-batch.sh
left_out 1
has mpirun.log "n2 slurm:.*batch $batch is done" "by mpirun"
# Ranks that are not as many on every node are spread over those that are left.
program nopmix mpirun <<TXT
#!/bin/sh
echo "mpirun \$*" >"$tmp/mpirun.arguments"
TXT
questions 4 spread >spread.jsonl
batch=$(queue spread.jsonl)
job=$(sbatch --parsable -o spread.log --no-requeue -N3 -n4 --gres=gpu:2 \
    apus-batch.sh "$batch" 2>>err)
ends "$job" spread 75:0 0
has mpirun.arguments 'mpirun -np 4 --host n2:2,n3:2 ' "four ranks on two nodes"
PATH=$with

# The GPU is mended, which nobody has said.
BROKEN=
answers chosen 0 2 2 -N2 -w 'n[1-2]' --gres=gpu:1 apus-batch.sh
left_out 0
answers only 0 1 1 -N1 -x n2,n3 --gres=gpu:1 apus-batch.sh
left_out 0
rm -f spool/log/no-gpu
answers mended 0 2 2 -N2 --gres=gpu:1 apus-batch.sh
left_out 0
finish
