#!/bin/sh
# Waiting for jobs of a real Slurm: apus wait, submit --wait, --split and -o.
# part: all
set -eu
NODES=2
export NODES
. "${top_srcdir:-.}/tests/slurm.sh"
. "$top/tests/slow.sh"

# whole FILE OUT NAME: OUT has an answer to each line of FILE, in its order
whole() {
    sed 's/.*"custom_id": *"\([^"]*\)".*/\1/' "$1" >want
    sed 's/.*"custom_id":"\([^"]*\)".*"error":null.*/\1/' "$2" >out 2>err || :
    cmp want out >>err 2>&1 && r=0 || r=1
    report $r "$3: an answer to each line, in their order"
}
questions 9 now >now.jsonl
gives 0 "submit --wait -o" submit now.jsonl -m nano --wait -o now.out
has out '.slurm.[0-9]*$' "a job has done it"
whole now.jsonl now.out now

questions 9 later >later.jsonl
gives 0 "submit -o" submit later.jsonl -m nano -o later.out
gives 0 "apus wait" wait later.jsonl
whole later.jsonl later.out later
gives 0 "wait for what is done, with another output" wait later.jsonl -o other
whole later.jsonl other other

questions 10 parts >parts.jsonl
gives 0 "submit --split --wait -o" submit parts.jsonl -m nano --split 3 \
    --wait -o parts.out
[ "$(cut -f 3 out | sort -u | wc -l)" -eq 3 ] && r=0 || r=1
report $r "three jobs"
whole parts.jsonl parts.out parts
questions 10 halves >halves.jsonl
gives 0 "submit --split" submit halves.jsonl -m nano --split 2
gives 0 "wait for all parts, on standard output" wait halves.jsonl -o -
mv out halves.out
whole halves.jsonl halves.out halves

# ---- a job that waits --------------------------------------------------------
# waits NAME ARGUMENT...: in the background, until it has said why
waits() {
    name=$1
    shift
    "$apus" "$@" >"$name.log" 2>"$name.err" &
    pid=$!
    comes grep -q 'held (JobHeldUser)' "$name.err" && r=0 || r=1
    cp "$name.err" err
    report $r "$name: says that the job is held"
}
ended() { # STATUS NAME
    got=0
    wait $pid || got=$?
    cp "$2.err" err
    [ $got -eq "$1" ] && r=0 || r=1
    report $r "$2: ends with $1"
}
questions 9 held >held.jsonl
waits held submit held.jsonl -m nano --sbatch --hold --wait -o held.out
scontrol release "$(squeue -h -t PD -o %A)"
ended 0 held
whole held.jsonl held.out held

questions 9 ended >ended.jsonl
gives 0 "another one is held" submit ended.jsonl -m nano --sbatch --hold
waits ended wait ended.jsonl
scancel "$(squeue -h -t PD -o %A)"
ended 75 ended
has err 'is in todo and nothing works on it' "it says why"
gives 0 "submitted and waited for again" submit ended.jsonl -m nano --wait \
    -o ended.out
whole ended.jsonl ended.out ended

# the same file and model in two spools: one batch id, two jobs
questions 9 twins >twins.jsonl
gives 0 "a file in one spool" submit twins.jsonl -m nano --sbatch --hold
batch=$(cut -f 1 out)
first=$(cut -f 3 out)
other="--spool $tmp/spool2"
# shellcheck disable=SC2086
gives 0 "in another, without a job" submit twins.jsonl -m nano $other --todo
# shellcheck disable=SC2086
gives 0 "its state" status "$batch" $other
grep -q "$first" out && r=1 || r=0
report $r "does not show the job of the first"
# shellcheck disable=SC2086
gives 0 "submitted there" submit "$batch" $other --sbatch --hold
second=$(cut -f 3 out)
[ "$(cut -f 1 out)" = "$batch" ] && [ "$second" != "$first" ] && r=0 || r=1
report $r "it has a job of its own"
# shellcheck disable=SC2086
gives 0 "submitted there again" submit "$batch" $other
has out "slurm.$second\$" "it is found again"
# shellcheck disable=SC2086
gives 0 "cancelled there" cancel "$batch" $other
[ "$(squeue -h -t PD -o %A)" = "$first" ] && r=0 || r=1
squeue >out
report $r "the job of the first spool stays"
gives 0 "submitted again in the first" submit "$batch"
has out "slurm.$first\$" "it has that job"
gives 0 "cancelled there, too" cancel "$batch"

questions 9 cancelled >cancelled.jsonl
gives 0 "one more" submit cancelled.jsonl -m nano --sbatch --hold
waits cancelled wait cancelled.jsonl
gives 0 "apus cancel" cancel "$(squeue -h -t PD -o %j | sed 's/apus-//')"
ended 1 cancelled
[ -z "$(squeue -h -t PD)" ] && r=0 || r=1
squeue >out
report $r "no job is left"
finish
