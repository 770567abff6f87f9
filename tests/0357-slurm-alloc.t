#!/bin/sh
# apus run inside a job of Slurm: a shell of salloc, a batch script, tasks of
# an srun, and variables of a job that is over.
# part: all
set -eu
NODES=2
export NODES
. "${top_srcdir:-.}/tests/slurm.sh"
. "$top/tests/slow.sh"
APUS_LAUNCHER=auto
export APUS_LAUNCHER
questions 70 alloc | sed 's/"max_tokens": [0-9]*/"max_tokens": 3/' >q.jsonl
nodes_of() { # SPOOL: how many nodes its ranks were on
    sed 's/"host"/\n&/g' "$1"/done/*/progress |
        sed -n 's/^"host":"\([^"]*\)","state".*/\1/p' | sort -u | wc -l
}
answered() { # NAME
    [ "$(grep -c '"error":null' "$1.out")" -eq 70 ] && r=0 || r=1
    report $r "$1: all is answered"
}
run() { # NAME COMMAND...: with apus run behind it
    name=$1
    shift
    got=0
    "$@" "$apus" run q.jsonl -m nano -o "$name.out" --spool "$tmp/$name" \
        >out 2>err || got=$?
    [ $got -eq 0 ] && r=0 || r=1
    report $r "$name: apus run"
}
run salloc salloc -Q -N2
has err 'Slurm job [0-9]*: 2 ranks on 2 nodes, 1 on each' "it takes both nodes"
has err ' 70 requests, 2 ranks' "with a rank on each"
answered salloc
run whole salloc -Q -N2 --exclusive
has err 'Slurm job [0-9]*: 4 ranks on 2 nodes, .*: one a socket' \
    "whole nodes, a rank a socket"
answered whole
sbatch -W -N2 -n3 -o script.log --wrap "exec '$apus' run q.jsonl -m nano \
    -o script.out --spool '$tmp/script'" >out 2>err && r=0 || r=1
cp script.log out
report $r "script: apus run in a batch script"
has out ': 3 ranks on 2 nodes, .*: as many as were asked for' "as many as tasks"
answered script
mkdir tasks
sbatch -W -N1 -n2 --array=4-5 -o 'tasks/%a.log' --wrap "exec '$apus' run \
    q.jsonl -m nano -o \$SLURM_ARRAY_TASK_ID.out --spool \
    '$tmp/tasks/'\$SLURM_ARRAY_TASK_ID" >out 2>err && r=0 || r=1
report $r "tasks: apus run in each task of an array"
for task in 4 5; do
    cp tasks/$task.log out
    has out 'Slurm job [0-9]*\(_5\)\{0,1\}: 2 ranks on 1 node,' "on all it has"
    answered $task
done

# ---- tasks of an srun --------------------------------------------------------
run twins srun -N2 -n2
answered twins
[ "$(grep -c 'that were started together' err)" -eq 1 ] && r=0 || r=1
report $r "twins: the other task says that it ends"
[ "$(grep -c ' 70 requests, ' err)" -eq 1 ] && r=0 || r=1
report $r "twins: one has worked"
run task salloc -Q -N1 srun -n1
answered task

# ---- without PMIx, and after a job -------------------------------------------
program nopmix srun <<TXT
#!/bin/sh
[ "\$1" != --mpi=list ] || { echo none; exit; }
exec $(command -v srun) "\$@"
TXT
plain=$PATH
PATH=$tmp/nopmix:$plain
run mpirun salloc -Q -N2
has err ' 70 requests, 2 ranks' "mpirun starts them"
answered mpirun
run left env SLURM_JOB_ID=4000000 SLURM_JOB_NODELIST='n[1-2]' SLURM_NNODES=2
has err 'SLURM_JOB_ID = 4000000 is left over' "a job that is over is reported"
answered left
# the last task of an array has the array's number
array=$(sbatch --parsable --array=1-2 -o '%a.log' --wrap \
    "[ \$SLURM_ARRAY_TASK_ID = 2 ] || while :; do sleep 1; done" 2>err)
comes is_over "${array}_2" && r=0 || r=1
report $r "a task of an array is over"
run array env SLURM_JOB_ID="$array" SLURM_ARRAY_JOB_ID="$array" \
    SLURM_ARRAY_TASK_ID=2
has err "SLURM_JOB_ID = $array is left over: job ${array}_2 does not" \
    "another task runs, and it does not"
scancel "$array"
run local env APUS_LAUNCHER=local salloc -Q -N2
! grep -q 'Slurm job' err && r=0 || r=1
report $r "launcher = local takes this machine"
answered local

# ---- saved, and a rank that is killed ----------------------------------------
PATH=$plain
long_questions 200 long >q.jsonl
salloc -Q -N2 "$apus" run q.jsonl -m nano -o long.out --spool "$tmp/long" \
    >out 2>err &
pid=$!
begun() { [ -n "$(find long/running -name '*.log' -size +3k 2>/dev/null)" ]; }
comes begun && r=0 || r=1
report $r "a long one works"
worker=$(pgrep -f "apus-worker.*$tmp/long" | while read -r p; do
    ! tr '\0' '\n' 2>/dev/null <"/proc/$p/environ" |
        grep -q '^SLURM_PROCID=0$' || echo "$p"
done | head -n 1)
kill -9 "$worker" && r=0 || r=1
report $r "its rank 0 is killed"
again() { [ "$(sed -n '$=' long/*/b*/run.jsonl)" -ge 2 ]; }
comes again && r=0 || r=1
report $r "it is started again"
comes begun || :
# salloc hands no signal on: to apus itself
kill -TERM "$(pgrep -f "^$apus run q.jsonl.*$tmp/long")" && r=0 || r=1
got=0
wait $pid || got=$?
[ $r -eq 0 ] && [ $got -eq 75 ] && r=0 || r=1
report $r "asked to end it saves, with 75"
[ -n "$(find long/todo -mindepth 1 -maxdepth 1)" ] && r=0 || r=1
report $r "and the batch is in todo"
cat >beside.sh <<TXT
srun --overlap -n1 -J orted sleep 300 &
until squeue -h -s -j \$SLURM_JOB_ID -o %j | grep -q orted; do sleep 0.1; done
"$apus" run q.jsonl -m nano -o beside.out --spool "$tmp/beside"
TXT
# a step that Slurm lists for some time after its ranks have ended
program nopmix squeue <<TXT
#!/bin/sh
n=\$(cat "$tmp/lingers" 2>/dev/null) || n=0
case "\$*" in
*'%i %j'*)
    if [ "\$n" -gt 0 ]; then
        echo \$((n - 1)) >"$tmp/lingers"
        echo "\$SLURM_JOB_ID.9 apus-\$(cat "$tmp/lingering")"
        exit
    fi ;;
esac
exec $(command -v squeue) "\$@"
TXT
PATH=$tmp/nopmix:$plain
salloc -Q -N2 sh beside.sh >out 2>err &
pid=$!
begun() { [ -n "$(find beside/running -name '*.log' -size +3k 2>/dev/null)" ]; }
comes begun && r=0 || r=1
report $r "one works beside a step of something else"
batch=$(basename "$(echo beside/running/b*)")
squeue -h -s -o %j | grep -qx "apus-${batch#b}" && r=0 || r=1
report $r "its step has the name of its batch, also where mpirun starts it"
echo "${batch#b}" >lingering
echo 30 >lingers
kill -TERM "$(pgrep -f "^$apus run q.jsonl.*$tmp/beside")" || r=1
got=0
wait $pid || got=$?
[ $r -eq 0 ] && [ $got -eq 75 ] && r=0 || r=1
report $r "asked to end it saves, with 75"
[ -n "$(find beside/todo -mindepth 1 -maxdepth 1)" ] && r=0 || r=1
report $r "and the batch is in todo, though its step ends late"
has err 'waiting until Slurm has ended the step' "says what it waits for"
PATH=$plain
cat >again.sh <<TXT
got=0
timeout -s TERM \$1 "$apus" run q.jsonl -m nano -o again.out --spool \
    "$tmp/again" || got=\$?
"$apus" run q.jsonl -m nano -o again.out --spool "$tmp/again"
TXT
questions 70 again | sed 's/"max_tokens": [0-9]*/"max_tokens": 3/' >q.jsonl
salloc -Q -N1 sh again.sh 0.7 >out 2>err && r=0 || r=1
report $r "ended and run again in the same job, it continues"
answered again
finish
