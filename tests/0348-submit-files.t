#!/bin/sh
# apus submit: a dry run makes nothing, any file that exists is a file, a model
# that is missing is said before anything is queued, a batch that is worked on
# gets no second worker.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/submitting.sh"
. "$top/tests/slow.sh"

head -n 3 all.jsonl >q.jsonl
nothing_in() { # DIR
    [ -z "$(find "$1"/todo "$1"/tmp -mindepth 1 2>/dev/null)" ]
}

# ---- a dry run ---------------------------------------------------------------
gives 0 "a dry run without a spool" submit q.jsonl -m nano --dry-run
has out 'apus-worker.*--alone' "it prints the command"
planned=$(sed 's/.*-- \([A-Za-z0-9_-]\{43\}\) .*/\1/' out)
[ ! -e spool ] && r=0 || r=1
report $r "and makes no spool"
cp -r "$top/models/nano" hf
gives 1 "a dry run with a directory for the model" submit q.jsonl -m ./hf \
    --dry-run
has err 'apus model add' "that is not converted"
[ "$("$apus" model list | wc -l)" -eq 1 ] && r=0 || r=1
report $r "and is not now"
mkdir -p spool/todo
"$apus" status >out 2>err
gives 0 "a dry run" submit q.jsonl -m nano --dry-run
nothing_in spool && r=0 || r=1
find spool >out
report $r "leaves no batch"
gives 0 "it makes it" submit q.jsonl -m nano
[ "$(cut -f 1 out)" = "$planned" ] && r=0 || r=1
report $r "it is the batch that was printed"
comes is_done "$planned" && r=0 || r=1
report $r "and done"
gives 0 "a dry run of what is done" submit q.jsonl -m nano --dry-run
has err 'is done' "says so"

# ---- the same output twice ---------------------------------------------------
head -n 2 all.jsonl >twice.jsonl
gives 0 "an output" submit twice.jsonl -m nano --todo -o twice.out
gives 0 "and again" submit twice.jsonl -m nano --todo -o twice.out
gives 0 "by another name" submit twice.jsonl -m nano --todo \
    -o "./../${tmp##*/}/twice.out"
[ ! -s err ] && r=0 || r=1
report $r "are the same output"
gives 0 "another output" submit twice.jsonl -m nano --todo -o twice2.out
has err "was there before, with -o .*twice.out\": apus wait -o" "is warned of"
"$apus" rm "$(cut -f 1 out)" >out 2>err

# ---- files by any name ---------------------------------------------------
head -n 2 q.jsonl >q.ndjson
gives 0 "a file with another ending" submit q.ndjson -m nano
batch=$(cut -f 1 out)
[ "$batch" != "$planned" ] && comes is_done "$batch" && r=0 || r=1
report $r "is a batch"
head -n 1 q.jsonl >bare
gives 0 "a file without one" submit bare -m nano
gives 1 "a file without a model" submit bare
has err '"bare" is a file and needs a model' "it says so"
prefix=$(printf %.6s "$planned")
gives 1 "a name that is neither a file nor a batch" submit absent.jsonl -m nano
# which may begin with a dash
gives 0 "the beginning of a batch" submit -- "$prefix"
has err "$planned is done" "is that batch"
head -n 1 q.jsonl >"$prefix"
gives 0 "a file of that name" submit "./$prefix" -m nano
gives 0 "a file where a batch begins so too" submit -m nano -- "$prefix"
has err "is a file here, and batch $planned begins so" "it says what it took"
rm -f ./"$prefix"

# ---- models ------------------------------------------------------------------
gives 1 "another model for a batch" submit "$planned" -m absent
has err 'no model "absent"' "that is missing"
printf '%s\n' "$(sed -n 4p all.jsonl)" >later.jsonl
gives 0 "a batch that is not started" submit later.jsonl -m nano --todo
has out '^[A-Za-z0-9_-]*.-.-$' "has no job"
[ "$(find spool/todo -mindepth 1 -maxdepth 1 | wc -l)" -eq 1 ] && r=0 || r=1
report $r "a batch waits"
waits=$(basename "$(echo spool/todo/b*)" | cut -c 2-)
mv models away
mkdir models
for what in "$waits" ''; do
    gives 1 "its model is gone: ${what:-all}" submit $what
    has err "batch $waits needs the model" "it says so"
    [ -d "spool/todo/b$waits" ] && [ ! -s "spool/log/$waits.log" ] &&
        r=0 || r=1
    report $r "and starts nothing"
done
gives 0 "with its file" submit "$waits" -m "$(echo away/*.apus)"
comes is_done "$waits" && r=0 || r=1
report $r "it is answered"
rm -rf models
mv away models

# ---- a worker that there is ----------------------------------------------
i=0
while [ $i -lt 30 ]; do
    cat all.jsonl
    i=$((i + 1))
done >many.jsonl
gives 0 "a long one" submit many.jsonl -m nano
cp out first
batch=$(cut -f 1 out)
comes [ -d "spool/running/b$batch" ] && r=0 || r=1
report $r "it runs"
gives 0 "submit it again" submit many.jsonl -m nano
has err "process [0-9]* works on it already; apus cancel" "it says so"
cmp -s first out && r=0 || r=1
report $r "and prints the worker that there is"
gives 1 "with an option of the worker" submit "$batch" --ranks 2
has err 'nothing was submitted, and --ranks was not used' "it says so"
"$apus" cancel "$batch" >out 2>err || :

finish
