#!/bin/sh
# apus status and submit of batches whose jobs in a real Slurm wait, are held,
# were requeued, or are tasks of an array.
# part: all
set -eu
NODES=2
CPUS=2
export NODES CPUS
. "${top_srcdir:-.}/tests/slurm.sh"
. "$top/tests/slow.sh"

field_of() { # BATCH COLUMN
    "$apus" status "$1" 2>err | tee out | cut -f "$2"
}
says() { # BATCH PATTERN NAME: who has it
    field_of "$1" 5 | grep -qx -e "$2" && r=0 || r=1
    report $r "$3"
}
worker_is() { field_of "$1" 5 | grep -qx -e "$2"; }
questions 3 a >a.jsonl
questions 4 b >b.jsonl
long_questions 300 c >c.jsonl
long_questions 301 d >d.jsonl
long_questions 302 e >e.jsonl

# ---- one that waits ------------------------------------------------------
gives 0 "more nodes than there are" submit a.jsonl -m nano --nodes 9
a=$(cut -f 1 out)
job=$(cut -f 3 out)
comes worker_is "$a" "Slurm job $job waits (PartitionConfig)" && r=0 || r=1
report $r "status tells that it waits, and why"
gives 0 "as JSON" status "$a" --json
has out "\"state\":\"pending\",\"name\":\"$job\",\"reason\":\"PartitionConfig" \
    "it is there too"
gives 0 "submit it again" submit a.jsonl -m nano
has err "job $job waits already (PartitionConfig); apus cancel" "it says so"
[ "$(cut -f 3 out)" = "$job" ] && r=0 || r=1
report $r "and prints the job that there is"
gives 1 "with other options" submit a.jsonl -m nano --nodes 2
has err 'nothing was submitted, and --nodes was not used' "it says so"
[ "$(squeue -h | wc -l)" -eq 1 ] && r=0 || r=1
report $r "there is one job"
APUS_LIBEXEC=$tmp/none
says "$a" "Slurm job $job waits (PartitionConfig)" "the same without helper"
APUS_LIBEXEC=$build
gives 0 "cancel" cancel "$a"
gives 0 "held" submit b.jsonl -m nano --sbatch --hold
b=$(cut -f 1 out)
comes worker_is "$b" 'Slurm job [0-9]* held (JobHeldUser)' && r=0 || r=1
report $r "status tells that it is held"
gives 0 "cancel" cancel "$b"

# ---- one that another worker has done meanwhile ----------------------------
questions 5 f >f.jsonl
gives 0 "held again" submit f.jsonl -m nano --sbatch --hold
f=$(cut -f 1 out)
job=$(cut -f 3 out)
gives 0 "but answered here" run f.jsonl -m nano -q
gives 0 "cancel" cancel "$f"
has err "is done: job $job, which waited for it, is cancelled" "ends its job"
[ -z "$(squeue -h)" ] && r=0 || r=1
report $r "no job is left"
gives 0 "cancel" cancel "$f"
has err 'nothing to cancel' "again does nothing"

# ---- one that is removed -----------------------------------------------------
questions 7 h >h.jsonl
gives 0 "held again" submit h.jsonl -m nano --sbatch --hold
h=$(cut -f 1 out)
job=$(cut -f 3 out)
gives 0 "but answered here" run h.jsonl -m nano -q
gives 0 "a dry run of rm" rm "$h" --dry-run
has err "batch $h: job $job, which waits for it, would be cancelled" "tells it"
[ -n "$(squeue -h)" ] && r=0 || r=1
report $r "and leaves it"
gives 0 "rm of what is done" rm "$h"
has err "batch $h: job $job, which waits for it, is cancelled" "ends its job"
for f in i j k; do
    questions 8 $f >$f.jsonl
done
gives 0 "held, three of them" submit i.jsonl j.jsonl k.jsonl -m nano \
    --sbatch --hold
program counting apus-slurm <<TXT
#!/bin/sh
echo "\$1" >>$tmp/calls
exec $build/apus-slurm "\$@"
TXT
APUS_LIBEXEC=$tmp/counting
gives 0 "clean of what is in todo" clean --state todo
APUS_LIBEXEC=$build
[ "$(grep -c "which waits for it, is cancelled" err)" = 3 ] && r=0 || r=1
report $r "ends their jobs"
[ "$(grep -c cancel calls)" = 1 ] && r=0 || r=1
report $r "with one call"
[ -z "$(squeue -h)" ] && r=0 || r=1
report $r "no job is left"

# ---- one that Slurm refuses ------------------------------------------------
questions 6 g >g.jsonl
gives 1 "no such partition" submit g.jsonl -m nano --sbatch '-p nosuch'
has err 'slurm: .*partition' "is refused"
g=$(sed -n 's/.*info: batch \([^ ]*\) stays in todo: .*/\1/p' err)
[ -n "$g" ] && state_is "$g" todo && r=0 || r=1
report $r "its batch stays in todo, and it says so"
gives 0 "cancel" cancel "$g"

# ---- one that was requeued -----------------------------------------------
gives 0 "a long one" submit c.jsonl -m nano --ranks 1
c=$(cut -f 1 out)
job=$(cut -f 3 out)
speed() { field_of "$c" 4 | grep -qx '[0-9]* tok/s'; }
comes speed && r=0 || r=1
report $r "it computes"
got=0
"$apus" doctor --offline >out 2>err || got=$?
has out '^ok.slurm.*the controller answers' "doctor: nodes take jobs"
scontrol update nodename=ALL state=drain reason=test
scontrol requeue "$job"
comes worker_is "$c" "Slurm job $job .*waits (.*)" && r=0 || r=1
report $r "it waits again"
[ -z "$(field_of "$c" 4)" ] && r=0 || r=1
report $r "and there are no tokens a second"
"$apus" doctor --offline >out 2>err || got=$?
has out '^warning.slurm.*all nodes are drained or down' \
    "doctor notices drained nodes"
scontrol update nodename=ALL state=resume
gives 0 "cancel" cancel "$c"

# ---- tasks of an array ---------------------------------------------------
for f in d e; do
    "$apus" submit $f.jsonl -m nano --todo >out 2>err
    cut -f 1 out
done >ids
array=$(sbatch --parsable -n1 -a 0-1 -o array-%a.log apus-batch.sh 2>>err)
tasks() {
    "$apus" status $(cat ids) 2>err | cut -f 5 >tasks
    grep -q "^Slurm job ${array}_0 on" tasks &&
        grep -q "^Slurm job ${array}_1 on" tasks
}
comes tasks && r=0 || r=1
cat tasks >out
report $r "tasks of an array are called as squeue does"
zero=$("$apus" status $(cat ids) 2>err | grep "job ${array}_0 on" | cut -f 1)
only_one() { [ "$(squeue -h -o %i)" = "${array}_1" ]; }
# Slurm gives the last task the number of the array, and others their own
gives 0 "cancel the batch of the first task" cancel "$zero"
has out 'failed$' "ends that task"
comes only_one && r=0 || r=1
report $r "and no other"
scancel "$array"

finish
