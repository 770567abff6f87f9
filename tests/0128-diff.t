#!/bin/sh
# apus diff: checkpoints and output files that are the same, that differ in a
# token, in how they were asked for, in what is there, and by name.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_RANKS=1
APUS_LOG_LEVEL=warning
export APUS_CONFIG APUS_MODELS APUS_SPOOL APUS_RANKS APUS_LOG_LEVEL
"$apus" model add "$top/models/nano" nano >out 2>err
data=$top/tests/data/part-1-nano

cp "$data.jsonl" q.jsonl
"$apus" run q.jsonl -m nano -o q.out.jsonl >out 2>err
dir=$(echo spool/done/b*)
b=${dir#spool/done/b}
part=$dir/part-0000.h5

gives 0 "with itself" diff "$b" "$part"
has out '^same.7 the same, 0 different' "seven answers"
gives 0 "with what it is exported to" diff "$b" q.out.jsonl
has out '^same.7 the same' "of which one is an error"
gives 0 "and the other way round" diff q.out.jsonl "$b"
gives 0 "two output files" diff q.out.jsonl q.out.jsonl
has out '^same.8 the same' "and the errors in them"
cp "$data.h5" one.h5
# a batch of before, whose lines have ids of version 1 as those of the file
mkdir -p old/todo
cp -r "$dir" old/todo
(cd "old/todo/b$b" && sed 's/,"ids":2,"lines":[0-9]*//' batch.json >new &&
    mv new batch.json && rm -f ids checkpoint.json ref* part-* run.jsonl owner*)
gives 0 "a batch of before" run q.jsonl -m nano -o old.jsonl --spool old
gives 0 "with one of version 1" diff --trust --spool old "$b" one.h5
has out '^same.7 the same' "the same"

gives 0 "computed again" run --from "$b" -o from.jsonl
other=$(ls -d spool/done/b* | grep -v "$b")
gives 0 "a batch of its own" diff "$b" "${other##*/b}"
has out '^same.7 the same' "by their names"
gives 0 "from version 1" run --from one.h5 --trust -o from.jsonl
gives 0 "with what it is from" diff --trust one.h5 from.jsonl
has out '^same.7 the same' "by the ids of its requests"

# ---- what differs -----------------------------------------------------------
sed '1s/"tokens":\[24,298,/"tokens":[24,299,/
    4s/"text":"/"text":"x/
    5s/"finish_reason":"length"/"finish_reason":"stop"/' q.out.jsonl >bad.jsonl
gives 3 "other answers" diff "$b" bad.jsonl
has out '^differs.line 1, choice 0 (q000-add); token 2 is 298 and 299$' \
    "the first token that differs"
has out '^differs.line 4, choice 0 (n); the text differs at byte 1' "a text"
has out '^differs.line 5, choice 0 (top); it ends by length and stop' "an end"
has out '^total.4 the same, 3 different' "counted"
sed '1s/"tokens":\[24,298,[0-9,]*\]/"tokens":[24]/' q.out.jsonl >bad.jsonl
gives 3 "a shorter one" diff bad.jsonl "$b"
has out 'token 2 is none and 298$' "ends before"
sed 2d q.out.jsonl >bad.jsonl
gives 3 "one less" diff "$b" bad.jsonl
has out '^only.line 2, choice 0 (q001-sort); only in ' "is named"
gives 3 "one more" diff bad.jsonl "$b" --json
has out '"only":"b"' "in JSON, too"
has out '"only_b":1' "and counted"

# the same names, asked for otherwise
sed '1s/"temperature": 0/"temperature": 0.7, "seed": 3/
    4s/"n":2/"n":3/; 5s/"ignore_eos":true/"ignore_eos":false/
    2s/7 5 0/7 5 1/' q.jsonl >r.jsonl
"$apus" run r.jsonl -m nano -o r.out.jsonl >out 2>err
asked=$(ls -td spool/done/b* | head -n 1)
gives 3 "other requests" diff "$b" "${asked##*/b}"
has out 'line 1, choice 0 (q000-add).*temperature is 0 and 0.7; seed is' \
    "parameters"
has out 'line 2.*the prompt differs at token' "a prompt"
has out 'ignore_eos is 1 and 0' "a flag"
has out '^only.line 4, choice 2 (n); only in' "a choice"
gives 3 "in JSON" diff "$b" "${asked##*/b}" --json
has out '"temperature":\[0,0.7\]' "parameters in pairs"
if command -v python3 >/dev/null; then
    python3 -c 'import json, sys
d = json.load(open("out"))
assert d["parameters"] == len([x for x in d["differences"] if len(
    {"temperature", "seed", "prompt", "ignore_eos"} & set(x))])' >c 2>&1 &&
        r=0 || r=1
    report $r "which another program reads"
fi

gives 0 "the file of its requests" diff "$b" q.jsonl
has out 'the same, 0 different' "stands for the batch"
gives 3 "on both sides" diff q.jsonl r.jsonl

gives 2 "one thing" diff "$b"
gives 1 "a file from elsewhere" diff "$b" one.h5
gives 1 "no such batch" diff "$b" abcdef
echo '{"id":1}' >none.jsonl
gives 1 "no output file" diff "$b" none.jsonl
has err 'line 1' "its line"

finish
