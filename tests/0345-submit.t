#!/bin/sh
# apus submit, status, cancel and show on one machine: a worker in the
# background, how far it is, ending it, going on.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/submitting.sh"
. "$top/tests/slow.sh"

state() { "$apus" status "$batch" 2>/dev/null | cut -f 2; }
until_state() { # STATE
    left=1800
    while [ "$(state)" != "$1" ] && [ $left -gt 0 ]; do
        left=$((left - 1))
        sleep 0.1
    done
    [ "$(state)" = "$1" ] && r=0 || r=1
    report $r "it comes to $1"
}

gives 1 "a status of no spool" status
has err 'no spool at' "says so"
mkdir -p spool/todo
gives 0 "a status of nothing" status
[ ! -s out ] && r=0 || r=1
report $r "is empty"
gives 0 "as JSON" status --json
has out '^\[\]$' "an empty array"
gives 0 "nothing to submit" submit

head -n 30 all.jsonl >q.jsonl
head -n 3 q.jsonl >few.jsonl
gives 1 "a file without a model" submit q.jsonl
has err 'needs a model' "it says so"
gives 0 "a dry run" submit q.jsonl -m nano --dry-run
has out 'apus-worker.*--alone' "prints the command"
gives 0 "submit" submit q.jsonl -m nano
batch=$(cut -f 1 out)
has out '.local.[0-9]*:[0-9]*$' "a line with its process"
until_state 'done'
# it says so after the rename
for i in 1 2 3 4 5 6 7 8 9 10; do
    grep -q 'is done' "spool/log/$batch.log" && break
    sleep 0.5
done
has "spool/log/$batch.log" 'is done' "its messages are in its log"
gives 0 "export" export "$batch" -o got.jsonl
[ "$(grep -c '"error":null' got.jsonl)" -eq 30 ] && r=0 || r=1
report $r "gives thirty answers"
gives 0 "status" status
has out "^$batch.done.30 of 30.*$tmp/q.jsonl\$" "is one line"
gives 0 "status as JSON" status --json
has out '"state":"done".*"done":30,.*"progress":{"done":30,' "is an object"
gives 1 "status of what is not there" status zzzz
gives 0 "submit of what is done" submit "$batch"
[ ! -s out ] && r=0 || r=1
report $r "starts nothing"

# ---- words for sbatch ------------------------------------------------------
gives 0 "a dry run for Slurm" submit few.jsonl -m nano --dry-run \
    --launcher slurm --sbatch '-p urgent' --sbatch \
    '--constraint="a&b" --comment="two words"' --spool words
has out "sbatch .* -p urgent '--constraint=a&b' '--comment=two words' .*sh " \
    "every --sbatch, and quotes as in a shell"
has out "sbatch .* '--comment=two words' --job-name=apus-[^ ]* [^ ]*sh " \
    "the name by which a job is found again comes last"
gives 2 "a quote that is not closed" submit few.jsonl -m nano --dry-run \
    --launcher slurm --sbatch '--comment="two words'
has err 'sbatch = .*the quote " is not closed' "is refused by name"
for wrong in script.sh '--export=ALL,A=a b' '-p gpu run.sh' '-- x' '--wrap=id' \
    '--wrap id' -; do
    gives 2 "sbatch = $wrong" submit few.jsonl -m nano --dry-run \
        --launcher slurm --sbatch="$wrong"
done
gives 2 "a script" submit few.jsonl -m nano --dry-run --sbatch 'x.sh'
has err 'sbatch: "x.sh" is not an option.*for the script' "is named"
gives 0 "options with values" submit few.jsonl -m nano --dry-run \
    --launcher slurm --sbatch '-p gpu --time 4:00:00 -n2 --comment=""'

gives 0 "GPUs of Slurm" submit few.jsonl -m nano --dry-run \
    --launcher slurm --gpus 2 --ranks 0
has out ' --ntasks-per-node=2 --gres=gpu:2 --cpus-per-task=2 .*=cuda ' \
    "a rank each, with two cores"
for own in --gres=gpu:1 '--gres tmpdisk:3' -G2 '-G 2' --gpus=2 \
    --gpus-per-node=2 '--gpus-per-task 1' --ntasks-per-node=3 \
    --ntasks-per-gpu=1; do
    gives 2 "GPUs twice: $own" submit few.jsonl -m nano --dry-run \
        --launcher slurm --gpus 2 --sbatch "-p gpu $own"
    [ "$(grep -c "^apus: error: apus submit: --gpus 2 with sbatch \"${own%% *}\
\": .*; leave one of them out" err)" -eq 1 ] && r=0 || r=1
    report $r "one error, with both"
done
for own in --cpus-per-gpu=4 '--cpus-per-gpu 4' -c4; do
    gives 0 "GPUs and $own" submit few.jsonl -m nano --dry-run \
        --launcher slurm --gpus 2 --sbatch "$own --gres-flags=enforce-binding"
    ! grep -q 'cpus-per-task' out && r=0 || r=1
    report $r "no other number of cores"
done
for own in GRES GPUS GPUS_PER_NODE GPUS_PER_SOCKET GPUS_PER_TASK \
    NTASKS_PER_GPU TRES_PER_TASK; do
    eval "SBATCH_$own=gpu:3; export SBATCH_$own"
    gives 2 "GPUs, and SBATCH_$own" submit few.jsonl -m nano --dry-run \
        --launcher slurm --gpus 2
    [ "$(grep -c "^apus: error: apus submit: --gpus 2 with SBATCH_$own=gpu:3 \
in the environment: .*; unset it, or" err)" -eq 1 ] && r=0 || r=1
    report $r "one error, with both"
    gives 0 "SBATCH_$own alone" submit few.jsonl -m nano --dry-run \
        --launcher slurm
    unset "SBATCH_$own"
done
SBATCH_GRES=
SBATCH_CPUS_PER_GPU=4
export SBATCH_GRES SBATCH_CPUS_PER_GPU
gives 0 "GPUs, and cores of the environment" submit few.jsonl -m nano \
    --dry-run --launcher slurm --gpus 2
has out ' --gres=gpu:2 --job-name' "no other number of cores"
unset SBATCH_GRES SBATCH_CPUS_PER_GPU
gives 2 "fewer GPUs than ranks" submit few.jsonl -m nano --dry-run \
    --launcher slurm --gpus 2 --ranks 4
has err '^apus: error: .*--gpus 2 with --ranks 4: .*leave --ranks out' \
    "the error says so"
gives 0 "which share them" submit few.jsonl -m nano --dry-run \
    --launcher slurm --gpus 2 --ranks 4 --share-gpu yes
has out ' --ntasks-per-node=4 --gres=gpu:2 ' "as many as were asked for"
APUS_RANKS=7
export APUS_RANKS
gives 0 "GPUs, and ranks in the settings" submit few.jsonl -m nano --dry-run \
    --launcher slurm --gpus 2
unset APUS_RANKS
has out ' --ntasks-per-node=2 --gres=gpu:2 ' "a rank a GPU"
gives 0 "of whole nodes" submit few.jsonl -m nano --dry-run \
    --launcher slurm --gpus 2 --ranks 0 --nodes 3 --exclusive yes
has out ' --nodes=3 --exclusive --gres=gpu:2 --job' "the job plans its ranks"
gives 2 "GPUs of this machine" submit few.jsonl -m nano --gpus 2 \
    --launcher local
has err '--gpus asks Slurm for GPUs.*--kernel cuda --ranks 2' "names a way"
gives 2 "GPUs for a kernel of the CPU" submit few.jsonl -m nano --gpus 2 \
    --launcher slurm --kernel reference
gives 0 "GPUs for a group" submit few.jsonl -m nano --dry-run --gpus 2 \
    --launcher slurm --tp 2
has out ' --ntasks-per-node=2 --gres=gpu:2 .*=cuda ' "a rank each"
gives 2 "GPUs for a group and a half" submit few.jsonl -m nano --dry-run \
    --gpus 3 --launcher slurm --tp 2
has err '--gpus 3 with tp = 2: each rank of a group has a GPU; ask for as' \
    "are refused by name"
gives 0 "of two nodes" submit few.jsonl -m nano --dry-run --gpus 3 --nodes 2 \
    --launcher slurm --tp 2
gives 0 "a group that shares one GPU" submit few.jsonl -m nano --dry-run \
    --gpus 1 --ranks 2 --share-gpu yes --launcher slurm --tp 2
has out ' --ntasks-per-node=2 --gres=gpu:1 ' "of two ranks"
gives 2 "a group and a half of ranks" submit few.jsonl -m nano --dry-run \
    --gpus 2 --ranks 3 --share-gpu yes --launcher slurm --tp 2
has err '^apus: error: .*--ranks 3 with tp = 2: a group has that many ranks; ' \
    "the error names both"
grep -q -e '--gpus' err && r=1 || r=0
report $r "and not GPUs, which would be enough"
gives 0 "of two nodes" submit few.jsonl -m nano --dry-run --gpus 2 --nodes 2 \
    --ranks 3 --share-gpu yes --launcher slurm --tp 2
gives 1 "GPUs for more members than KV heads" submit few.jsonl -m nano \
    --dry-run --gpus 4 --launcher slurm --tp 4
has err 'tp = 4 does not divide the 2 KV heads' "are refused by name"
for wish in "--gpus 1 --launcher slurm" "--kernel cuda"; do
    # shellcheck disable=SC2086
    gives 1 "hidden rows: $wish" submit few.jsonl -m nano --dry-run \
        --tensors hidden $wish
    has err 'a GPU gives no hidden rows (tensors = hidden): set kernel to' \
        "are refused by name"
done
gives 0 "hidden rows, of a CPU" submit few.jsonl -m nano --dry-run \
    --tensors hidden --launcher slurm

# ---- cancel ----------------------------------------------------------------
i=0
while [ $i -lt 60 ]; do
    cat all.jsonl
    i=$((i + 1))
done >many.jsonl
gives 0 "a long one" submit many.jsonl -m nano
batch=$(cut -f 1 out)
until_state running
left=1800
while [ -z "$(find spool/running -name '*.log' -size +9k)" ] &&
    [ $left -gt 0 ]; do
    left=$((left - 1))
    sleep 0.1
done
job=$(cut -f 3 out)
other="--spool $tmp/other"
# shellcheck disable=SC2086
gives 0 "the same file in another spool" submit many.jsonl -m nano $other
[ "$(cut -f 1 out)" = "$batch" ] && [ "$(cut -f 3 out)" != "$job" ] &&
    r=0 || r=1
report $r "has the same id, and a worker of its own"
comes test -d "other/running/b$batch" && r=0 || r=1
report $r "which works in that spool"
# shellcheck disable=SC2086
gives 0 "cancel there" cancel "$batch" $other
[ -d "other/failed/b$batch" ] && [ -d "spool/running/b$batch" ] && r=0 || r=1
report $r "ends that one alone"
gives 1 "apus run of the same" run many.jsonl -m nano
has err 'is worked on by process' "tells who has it"
gives 0 "cancel" cancel "$batch"
has out "^$batch.failed\$" "it is put away"
! pgrep -f "apus-worker.*$batch" >out && r=0 || r=1
report $r "nothing is left running"
gives 0 "show" show "$batch"
has out '^why.cancelled' "says why"
has out '^starts.1' "and how often it was started"
gives 0 "the frames of its log" show spool/failed/b"$batch"/a000/0000.log
has out '.record.' "records"
has out '.parked.' "and what was parked"
head -n 200 many.jsonl >few.jsonl
# one after the other: it is not done before it is seen to run
gives 0 "another" submit few.jsonl -m nano --batch 1 --kernel reference
batch=$(cut -f 1 out)
until_state running
pkill -9 -f "apus-worker.*$batch" || :
until_state todo
gives 0 "what a dead worker left is submitted again" submit
has out "^$batch.local" "it is the one"
until_state 'done'
gives 0 "cancel of what is done" cancel "$batch"
has out "^$batch.done\$" "changes nothing"

# ---- show ------------------------------------------------------------------
part=spool/done/b$batch/part-0000.h5
gives 0 "show a batch" show "$batch"
has out '^answers.200' "how many answers"
has out '^part.part-0000.h5.1.200.' "its parts"
gives 0 "show a part" show "$part"
[ "$(grep -c '.end_of_text.' out)" -gt 150 ] && r=0 || r=1
report $r "a line for each answer"
request=$(awk '$1 == 7 && $2 == 0 { print $3 }' out)
gives 0 "show an answer" show "$batch" --request "$request"
has out '^line.7$' "its line"
has out '^seed.[0-9]*$' "its seed"
# answers with an escape and, the second, a control of C1
for s in 0 71; do
    printf '%s%s%s\n' '{"custom_id":"'$s'","method":"POST","url":"/v1/' \
        'completions","body":{"prompt":"3 + 4 =","seed":'$s',"temperature"' \
        ':100,"max_tokens":60,"top_p":1}}'
done >hot.jsonl
gives 0 "two that a terminal would obey" run hot.jsonl -m nano -o hot.out \
    --spool hot --ranks 1
has hot.out 'u001b' "one has an escape"
c1=$(printf '\302[\200-\237]')
LC_ALL=C grep -q "$c1" hot.out && r=0 || r=1
report $r "the other one a C1 control"
: >shown
for id in $(sed 's/.*"request_id":"\([^"]*\)".*/\1/' hot.out); do
    gives 0 "they are shown" show "$(echo hot/done/*/part-0000.h5)" \
        --spool hot --request "$id"
    cat out >>shown
done
control=$(printf '[\001-\010\013-\037\177]')
! LC_ALL=C grep -q -e "$control" -e "$c1" shown && r=0 || r=1
report $r "without any of it"

gives 1 "of a request that is not there" show "$batch" \
    --request AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
gives 2 "of what is not an id" show "$batch" --request 7
gives 1 "what is not a log" show q.log
echo "no log, and longer than the header of one would be: 64 bytes or so." \
    >q.log
gives 1 "nor is this one" show q.log

finish
