#!/bin/sh
# What can be given to apus run: files, pipes and standard input; and what is
# named before anything is made of it.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
nano=$top/models/nano
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
export APUS_CONFIG APUS_MODELS APUS_SPOOL

sed -n '1,5p' "$nano/eval.jsonl" >q.jsonl
gives 0 "a file" run q.jsonl -m "$nano" -q
mv q.out.jsonl want.jsonl

# ---- pipes -----------------------------------------------------------------
piped() { # NAME ARGUMENT...
    name=$1
    shift
    got=0
    cat q.jsonl | "$apus" "$@" >out 2>err || got=$?
    [ "$got" -eq 0 ] && r=0 || r=1
    report $r "$name"
    same out want.jsonl "$name: the answers go to standard output"
}
piped "run -" run - -m nano -q
piped "run /dev/stdin" run /dev/stdin -m nano -q
got=0
"$apus" run - -m nano -q <q.jsonl >out 2>err || got=$?
[ "$got" -eq 0 ] && r=0 || r=1
report $r "run - < FILE"
same out want.jsonl "run - < FILE: the answers go to standard output"
mkfifo fifo
cat q.jsonl >fifo &
gives 0 "run FIFO" run fifo -m nano -q
wait $!
same out want.jsonl "run FIFO: the answers go to standard output"
cat q.jsonl >fifo &
gives 0 "run FIFO -o FILE" run fifo -m nano -q -o got.jsonl
wait $!
same got.jsonl want.jsonl "run FIFO -o FILE: the answers are there"
[ "$(ls spool/done | wc -l)" -eq 1 ] && [ -z "$(ls spool/todo)" ] && r=0 || r=1
report $r "all of it is one batch"
left=$(find . -name '-*' -o -name '*stdin*' -o -name 'fifo.*')
[ -z "$left" ] && [ ! -e /dev/stdin.out.jsonl ] && r=0 || r=1
report $r "no file is named after a pipe"

# ---- what is not a file of requests ------------------------------------------
n_batches() {
    ls spool/todo spool/done spool/failed spool/tmp | grep -c . || :
}
before=$(n_batches)
refused() { # PATTERN FILE
    gives 1 "$2" run "$2" -m nano
    has err "^apus: error: \"$2\" $1" "$2: $1"
    [ "$(wc -l <err)" -eq 1 ] && [ "$(n_batches)" -eq "$before" ] && r=0 || r=1
    report $r "$2: one message, and nothing is queued"
}
: >empty.jsonl
refused 'is empty' empty.jsonl
printf '\n\n' >blank.jsonl
refused 'has no requests' blank.jsonl
gzip -c q.jsonl >q.jsonl.gz
refused 'is compressed with gzip: .*gzip -dc' q.jsonl.gz
iconv -f UTF-8 -t UTF-16 q.jsonl >utf16.jsonl
refused 'is UTF-16: .*iconv' utf16.jsonl
iconv -f UTF-8 -t UTF-32 q.jsonl >utf32.jsonl
refused 'is UTF-32: .*iconv' utf32.jsonl
{ echo '['; sed '$!s/$/,/' q.jsonl; echo ']'; } >array.json
refused "is a JSON array: .*jq -c '.\[\]'" array.json
printf '{\n  "custom_id": "a"\n}\n' >indented.json
refused 'is JSON over several lines: .*jq -c' indented.json
printf 'custom_id,prompt\na,Hello\n' >my.csv
refused 'is not JSONL (CSV' my.csv
sed -n 's/.* such as //p' err >example.jsonl
cp spool/done/b*/part-0000.h5 part.h5
refused 'is an HDF5 file: .*apus export' part.h5
cp want.jsonl answers.jsonl
refused 'is a file of answers, not of requests: apus verify' answers.jsonl
got=0
gives 0 "the line that the message shows is one" run example.jsonl -m nano
bom=$(printf '\357\273\277')
printf '%s\n' "$bom$(sed -n 1p q.jsonl)" "$bom$(sed -n 2p q.jsonl)" >two.jsonl
gives 0 "two files with a BOM each, one after the other" run two.jsonl -m nano
has err 'line 2: a byte order mark .*remove it' "the second is named"
second=$(sed -n '2s/.*"custom_id": *"\([^"]*\)".*/\1/p' q.jsonl)
has two.out.jsonl "\"$second\"" \
    "and the id of its line is kept"
before=$(n_batches)
gzip -c q.jsonl | "$apus" run - -m nano >out 2>err || got=$?
[ "$got" -eq 1 ] && r=0 || r=1
report $r "compressed standard input: exit status 1"
has err '^apus: error: standard input is compressed with gzip' "is named too"
cp my.csv my.csv.jsonl
gives 1 "submit looks too" submit my.csv.jsonl -m nano
has err 'CSV' "and says what it is"
gives 1 "a dry run looks too" submit my.csv.jsonl -m nano --dry-run
has err 'CSV' "and says what it is"
[ "$(n_batches)" -eq "$before" ] && r=0 || r=1
report $r "and queues nothing"
sed 1d q.jsonl >r.jsonl
got=0
"$apus" submit - -m nano --dry-run --launcher local <r.jsonl >out 2>err ||
    got=$?
[ "$got" -eq 0 ] && grep -q apus-worker out && r=0 || r=1
report $r "a dry run of standard input"
[ "$(n_batches)" -eq "$before" ] && r=0 || r=1
report $r "queues nothing either"

# ---- a spool that is not there -----------------------------------------------
for what in run submit; do
    gives 1 "$what of no JSONL" $what my.csv -m nano --spool "$tmp/typo"
    has err 'CSV' "is refused"
    [ ! -e typo ] && r=0 || r=1
    report $r "and makes no spool"
done
refused() { # WHAT NAME
    got=0
    "$apus" $1 -m nano --spool "$tmp/typo" <refused >out 2>err || got=$?
    [ $got -eq 1 ] && grep -q '^apus: error: ' err && [ ! -e typo ] && r=0 ||
        r=1
    report $r "$1 of $2 is refused, and makes no spool"
}
for what in "run -" "submit -" "submit - /dev/stdin" "check -" \
    "run /dev/stdin"; do
    : >refused
    refused "$what" "an empty file"
    gzip -c q.jsonl >refused
    refused "$what" "a compressed file"
    cp my.csv refused
    refused "$what" CSV
done
# --todo: a worker would move the batch while it is looked at
for what in run "submit --todo"; do
    made=new-${what%% *}
    "$apus" $what - -m nano --spool "$tmp/$made" <q.jsonl >out 2>err &&
        [ "$(cat "$made"/*/b*/requests.jsonl)" = "$(cat q.jsonl)" ] && r=0 ||
        r=1
    report $r "$what of standard input makes a spool"
done
gives 1 "submit without a model" submit q.jsonl --spool "$tmp/typo"
has err 'needs a model' "is refused"
[ ! -e typo ] && r=0 || r=1
report $r "and makes no spool"
gives 1 "drain without a queue" drain --spool "$tmp/typo"
has err 'no spool at "' "has no spool"
gives 1 "drain with a queue, and a spool that was typed" drain \
    --spool "$tmp/typo" --queue "$(printf '%043d' 0)"
has err 'no spool at "' "has no spool"
[ ! -e typo ] && r=0 || r=1
report $r "and makes none"
for what in "run q.jsonl -m $nano" "submit q.jsonl -m $nano" status drain; do
    gives 1 "$what with a file as the spool" $what --spool "$tmp/my.csv"
    has err 'my.csv" is not a directory: name another with --spool' \
        "names the remedy"
done
# ---- a pipe that is silent for days ------------------------------------------
mkfifo slow
"$apus" submit slow -m nano --todo >slow.out 2>slow.err &
pid=$!
exec 9>slow
i=0
while [ $i -lt 4000 ]; do
    sed "s/\"custom_id\": *\"/&$i-/" q.jsonl
    i=$((i + 5))
done >&9
left=1200
until ls spool/tmp/.new-*/*/requests.jsonl >/dev/null 2>&1 ||
    [ $left -eq 0 ]; do
    left=$((left - 1))
    sleep 0.1
done
find spool/tmp -mindepth 1 -exec touch -d '3 days ago' {} +
sed -n 1,2p q.jsonl >two.jsonl
gives 0 "another file meanwhile" submit two.jsonl -m nano --todo
ls -d spool/tmp/.new-* >out 2>&1 && r=0 || r=1
report $r "what is copied for long stays"
exec 9>&-
wait $pid && r=0 || r=1
cp slow.out out
cp slow.err err
report $r "and becomes a batch when the pipe ends"
cp -r spool/todo spool/tmp/.new-AAAA
find spool/tmp -mindepth 1 -exec touch -d '3 days ago' {} +
sed -n 1p q.jsonl >one.jsonl
gives 0 "after what somebody left" submit one.jsonl -m nano --todo
[ -z "$(ls -A spool/tmp)" ] && r=0 || r=1
report $r "which is removed"

finish
