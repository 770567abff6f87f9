#!/bin/sh
# A batch that apus run works on in somebody's job: apus cancel ends the work
# and not the job, and a second apus run there leaves the first alone.
# part: all
set -eu
NODES=2
export NODES
. "${top_srcdir:-.}/tests/slurm.sh"
. "$top/tests/slow.sh"
APUS_LAUNCHER=auto
export APUS_LAUNCHER
program nopmix srun <<TXT
#!/bin/sh
[ "\$1" != --mpi=list ] || { echo none; exit; }
exec $(command -v srun) "\$@"
TXT
# as on the first node of a job: nothing is a step
program nopmix mpirun <<TXT
#!/bin/sh
exec $(command -v mpirun) --mca plm ^slurm --mca ras ^slurm "\$@"
TXT
plain=$PATH
cat >shell.sh <<TXT
echo \$SLURM_JOB_ID >\$1.job
got=0
"$apus" run \$1.jsonl -m nano -o \$1.out --spool "$tmp/\$1" >\$1.log 2>&1 ||
    got=\$?
echo \$got >\$1.rc
until [ -e \$1.go ]; do sleep 0.1; done
: >\$1.after
TXT
begun() { # NAME
    [ -n "$(find "$1/running" -name '*.log' -size +3k 2>/dev/null)" ]
}
# A shell of salloc that works on a batch, and then waits for NAME.go.
shell() { # NAME OPTION...
    name=$1
    shift
    salloc -Q "$@" sh shell.sh "$name" >"$name.shell" 2>&1 &
    pid=$!
    comes begun "$name" && r=0 || r=1
    report $r "$name: apus run works in a shell of salloc"
    batch=$(basename "$(echo "$name"/running/b*)")
    batch=${batch#b}
}
shell_goes_on() { # NAME
    comes [ -s "$1.rc" ] || :
    [ "$(field "$(cat "$1.job")" JobState)" = RUNNING ] && r=0 || r=1
    : >"$1.go"
    wait $pid || r=1
    [ -e "$1.after" ] || r=1
    report $r "$1: the job and its shell go on"
}
cancelled() { # NAME
    "$apus" cancel "$batch" --spool "$tmp/$1" >out 2>err && r=0 || r=1
    report $r "$1: apus cancel ends the work"
    has out "$batch.failed" "$1: the batch is put away"
    [ -n "$(find "$1/failed/b$batch" -name '*.log' -size +3k)" ] && r=0 || r=1
    report $r "$1: with what is answered"
    shell_goes_on "$1"
    [ "$(cat "$1.rc")" = 75 ] && r=0 || r=1
    cp "$1.log" out
    report $r "$1: apus run has ended with 75"
}

# ---- cancelled ---------------------------------------------------------------
long_questions 1000 step >step.jsonl
shell step -N2
cancelled step
long_questions 1000 process >process.jsonl
PATH=$tmp/nopmix:$plain
shell process -N1 -n2
if unshare -u true 2>/dev/null; then
    got=0
    unshare -u sh -c "hostname elsewhere
        exec '$apus' cancel '$batch' --spool '$tmp/process'" >out 2>err ||
        got=$?
    [ $got -ne 0 ] && begun process && r=0 || r=1
    report $r "process: it cannot be cancelled on another machine"
    has err "cancel it there" "process: which says where"
fi
cancelled process
PATH=$plain
long_questions 1000 other >other.jsonl
batch=$(queue other.jsonl)
job=$(sbatch --parsable --job-name=other -o other.log \
    "$top/jobs/apus-batch.sh" "$batch")
comes begun spool && r=0 || r=1
report $r "other: a job for batches that has another name works"
"$apus" cancel "$batch" >out 2>err && r=0 || r=1
has out "$batch.failed" "other: apus cancel puts the batch away"
comes is_over "$job" && r=0 || r=1
report $r "other: and ends that job"
PATH=$tmp/nopmix:$plain

# ---- a second one ------------------------------------------------------------
long_questions 150 second >second.jsonl
shell second -N1 -n2
ranks=$(pgrep -f "^[^ ]*apus-worker .*$tmp/second")
kill -STOP $ranks && begun second && r=0 || r=1
report $r "second: its ranks stand still"
got=0
SLURM_JOB_ID=$(cat second.job) SLURM_JOB_NODELIST=n1 \
    "$apus" run second.jsonl -m nano -o second2.out --spool "$tmp/second" \
    >out 2>err || got=$?
[ $got -eq 1 ] && r=0 || r=1
report $r "second: another apus run in the job says no"
has err 'is worked on by Slurm job' "second: as it is worked on"
kill -CONT $ranks || :
shell_goes_on second
[ "$(cat second.rc)" = 0 ] && r=0 || r=1
report $r "second: the first finishes"
[ "$(grep -c '"error":null' second.out)" -eq 150 ] && r=0 || r=1
report $r "second: all is answered"
[ "$(sed -n '$=' second/done/b*/run.jsonl)" -eq 1 ] && r=0 || r=1
report $r "second: by one start"
finish
