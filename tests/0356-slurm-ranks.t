#!/bin/sh
# How many ranks a job starts, and what bounds them; whole nodes; an mpirun
# that is started by root; none at all.
# part: all
set -eu
NODES=2
export NODES
. "${top_srcdir:-.}/tests/slurm.sh"
unset OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM || :
# the GPUs of these nodes are a line in gres.conf
APUS_KERNEL=reference
export APUS_KERNEL

tab=$(printf '\t')
# submit NAME REQUESTS ARGUMENT...: done, and its log is in out
submit() {
    name=$1
    questions "$2" "$name" | sed 's/"max_tokens": [0-9]*/"max_tokens": 3/' \
        >"$name.jsonl"
    shift 2
    "$apus" submit "$name.jsonl" -m nano "$@" >"$name.out" 2>err && r=0 || r=1
    report $r "$name: apus submit"
    batch=$(cut -f 1 "$name.out")
    job=$(cut -f 3 "$name.out")
    comes is_over "$job" || :
    cp "spool/log/$batch.log" out
    [ "$(field "$job" ExitCode)" = 0:0 ] && r=0 || r=1
    report $r "$name: it is done"
}
cpus() { # COUNT: that the last job had
    [ "$(field "$job" NumCPUs)" = "$1" ] && r=0 || r=1
    report $r "$name: $1 CPUs"
}
submit whole 257 --nodes 2
cpus 8
has out ' 4 ranks on 2 nodes, 2 on each, with 4 cores a node: one a socket' \
    "a rank a socket of whole nodes"
# a rank that Open MPI loses while it begins has the job start again
[ "$(grep -c ' ranks on ' out)" -eq $(($(field "$job" Restarts) + 1)) ] &&
    r=0 || r=1
report $r "in one line a start"
has out ' 257 requests, 4 ranks' "and so many work"
! grep -v "^20[0-9-]*T[0-9:]*Z n[12] slurm:$job apus-[a-z]*[][0-9]*: " out \
    >err && r=0 || r=1
report $r "each line of the log has time, node and job"
submit shared 257 --nodes 2 --exclusive no
cpus 2
has out ' 2 ranks on 2 nodes, .*, with 1 of 4 cores a node: one a socket' \
    "a rank of what the job has"
submit memory 257 --nodes 2 --kv-memory 600M
has out ' 2 ranks on 2 nodes, 1 on each, .*: no more fit into 1000 MiB' \
    "as many as fit into memory"
submit few 20 --nodes 1
has out ' 1 rank on 1 node, .*: one for 20 requests' \
    "no more than the requests need"
submit gpus 257 --nodes 1 --sbatch --gres=gpu:2
has out ' 2 ranks on 1 node, with 4 cores: one a GPU' "a rank a GPU"
head -n 1 gpus.jsonl >more.jsonl
gives 1 "GPUs that no node has" submit more.jsonl -m nano --gpus 3
has err 'slurm: .*: does a node of this partition have 3 GPUs' "has a remedy"
if [ -x "$build/tests/worker-sim" ]; then
    APUS_WORKER=$build/tests/worker-sim
    CUSIM_DEVICES=2
    export APUS_WORKER CUSIM_DEVICES
    submit sim 4 --gpus 2
    cpus 4
    has out ' 2 ranks on 1 node, .*: as many as were asked for' "one a GPU"
    unset APUS_WORKER CUSIM_DEVICES
else
    n=$((n + 1))
    echo "ok $n - one a GPU # SKIP built without cusim"
fi
submit asked 40 --nodes 2 --ranks 2
cpus 4
has out ' 4 ranks on 2 nodes, .*: as many as were asked for' "as --ranks says"
submit pair 40 --nodes 2 --ranks 1 --tp 2
has out ' 2 ranks on 2 nodes, 1 on each, in groups of 2, .*asked for' \
    "two nodes hold a model together"
gives 0 "their answers" export "$batch" -o pair.got
gives 0 "one rank here" run pair.jsonl -m nano --spool one --ranks 1 \
    -o one.got --launcher local
cmp pair.got one.got >out 2>&1 && r=0 || r=1
report $r "the same answers"
submit words 40 --nodes 1 --sbatch '-n 3'
cpus 3
has out ' 3 ranks on 1 node, .*: as many as were asked for' "as sbatch was told"

# ---- without PMIx ------------------------------------------------------------
program nopmix srun <<TXT
#!/bin/sh
[ "\$1" != --mpi=list ] || { echo none; exit; }
exec $(command -v srun) "\$@"
TXT
plain=$PATH
PATH=$tmp/nopmix:$plain
submit mpirun 40 --nodes 1
has out 'starting the ranks with mpirun' "mpirun starts the ranks"
has out ' 40 requests, 2 ranks' "both, for root too"
# all programs but mpirun
mkdir programs
ln -s /usr/bin/* /bin/* programs 2>/dev/null || :
rm -f programs/mpirun* programs/srun programs/apus*
PATH=$tmp/nopmix:$top/jobs:$build:$tmp/programs:/usr/sbin:/sbin
submit alone 40 --nodes 1
has out 'no pmix here and there is no mpirun: one rank' \
    "without mpirun there is one rank, and it says so"
has out ' 40 requests, 1 rank$' "which answers"

# ---- what a node has ---------------------------------------------------------
limited=$PATH
PATH=$plain
srun -N2 "$apus" doctor --node >out 2>err && r=0 || r=1
report $r "apus doctor --node on two nodes"
for what in node cores memory gpus spool writing clock models worker parser; do
    [ "$(grep -c "^ok$tab$what${tab}n[12]: " out)" -eq 2 ] && r=0 || r=1
    report $r "each node: $what"
done
[ -z "$(find spool/tmp -name 'doctor*')" ] && r=0 || r=1
report $r "nothing is left in the spool"
srun -N1 "$apus" doctor --node --spool "$tmp/apus.conf" >out 2>err && r=1 ||
    r=0
has out "^bad${tab}spool${tab}n1: .*remedy: " "what is wrong has a remedy"
PATH=$limited

# ---- here --------------------------------------------------------------------
questions 70 here | sed 's/"max_tokens": [0-9]*/"max_tokens": 3/' >here.jsonl
gives 0 "here, without mpirun" run here.jsonl -m nano --spool none --ranks 2
has err 'one rank instead of 2: there is no mpirun' "it says so"
PATH=$plain
gives 0 "here, as root" run here.jsonl -m nano --spool all --ranks 2
has err ' 70 requests, 2 ranks' "mpirun takes root"
! grep -qi 'run as root' err && r=0 || r=1
report $r "and has nothing to say about it"
gives 0 "here, little memory" run here.jsonl -m nano --spool memory \
    --kv-memory 1000T
has err '1 rank on 1 node, .*: no more fit into' "one rank, and why"
sockets=$(sort -u /sys/devices/system/cpu/cpu*/topology/physical_package_id |
    wc -l)
if [ "$sockets" -eq 1 ]; then
    gives 0 "here, on one socket" run here.jsonl -m nano --spool cores
    has err ' 70 requests, 1 rank$' "one rank"
fi
finish
