#!/bin/sh
# Requests made again from answers: from a part, a batch and a result, of
# layout version 1 too, and what is said where the model is missing.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_RANKS=1
TMPDIR=$tmp
export APUS_CONFIG APUS_MODELS APUS_SPOOL APUS_RANKS TMPDIR
"$apus" model add "$top/models/nano" nano >out 2>err

# what an answer is made of: ids, text, and how it ended
answers() { # OUT.jsonl
    sed 's/.*"choices":\(\[.*\]\),"usage".*/\1/
        s/^.*"error":{/{/
        s/,"apus":{"part":true}}$/}/
        s/"message":{"role":"assistant","content":\("[^}]*\)}/"text":\1/' "$1"
}
cp "$top/tests/data/part-1-nano.jsonl" q.jsonl
"$apus" run q.jsonl -m nano -o want.jsonl >out 2>err
dir=$(echo spool/done/b*)
b=${dir#spool/done/b}
# the line that is malformed has no answer to be made of
sed '$d' want.jsonl >lines

gives 0 "from a part" run --from "$dir/part-0000.h5" -o part.jsonl
has err '6 requests from' "six requests"
answers lines >a
answers part.jsonl >c
cmp a c >out 2>&1 && r=0 || r=1
report $r "give the same answers"
has part.jsonl '"custom_id":"q000-add"' "under their names"
made=$(ls -d spool/done/b* | grep -v "$b")
has "$made/requests.jsonl" '"prompt":\[' "prompts are token ids"
has "$made/requests.jsonl" '"ignore_eos":true' "ignore_eos is kept"
has "$made/requests.jsonl" '"stop":\["\\n","7","xy"\]' "stop strings are"
has "$made/requests.jsonl" '"n":2' "and how many choices"
ls "$TMPDIR"/apus-from-* >out 2>&1 && r=1 || r=0
report $r "nothing is left beside it"

# jobs are the same records, bit for bit
gives 0 "a job" show "$dir/part-0000.h5"
job() { # BATCH-DIR
    while read -r _ _ request _; do
        "$apus" show "$1/part-0000.h5" --request "$request" |
            sed -n 's/^job.//p'
    done
}
sed -n '/^[0-9]/p' out | job "$dir" >a
"$apus" show "$made/part-0000.h5" | sed -n '/^[0-9]/p' | job "$made" >c
[ -s a ] && cmp a c >out 2>&1 && r=0 || r=1
report $r "the jobs are the same"

gives 0 "from a batch" run --from "${b%?????????}" -o batch.jsonl
cmp part.jsonl batch.jsonl >out 2>&1 && r=0 || r=1
report $r "the same"
has err 'already complete' "it is complete already"
gives 0 "without -o" run --from "$dir/part-0000.h5"
cmp part.jsonl part-0000.out.jsonl >out 2>&1 && r=0 || r=1
report $r "the answers are here"
gives 0 "from a batch by its directory" run --from "$dir"
cmp part.jsonl "./$(printf %.8s "$b").out.jsonl" >out 2>&1 && r=0 || r=1
report $r "they have its name, and are here"
gives 0 "from the file of requests" run --from q.jsonl -o file.jsonl
cmp part.jsonl file.jsonl >out 2>&1 && r=0 || r=1
report $r "the same answers"
# a worker of the same batch in another spool would be taken for one of ours
sed "s/\"custom_id\": *\"/&$$-/" q.jsonl >half.jsonl
echo >>half.jsonl
"$apus" submit half.jsonl -m nano --split 2 --wait >out 2>err
gives 0 "from a file that was split" run --from half.jsonl -o half.out
has err '6 requests from "half.jsonl"' "all of its requests"
gives 1 "from a file of answers" run --from part.jsonl
has err 'no batch of the file "part.jsonl"' "it says so"

# ---- version 1 --------------------------------------------------------------
cp "$top/tests/data/part-1-nano.h5" one.h5
gives 1 "a file from elsewhere" run --from one.h5 -o one.jsonl
has err '.--trust' "is asked about"
gives 0 "of version 1" run --from one.h5 --trust -o one.jsonl
# its lines have ids of version 1, and so other default seeds
gives 0 "what it answers" export one.h5 --trust -o old.jsonl
answers old.jsonl >a
answers one.jsonl >c
cmp a c >out 2>&1 && r=0 || r=1
report $r "gives the same answers"
id=$(sed -n '1s/.*"request_id":"\([^"]*\)".*/\1/p' old.jsonl)
[ "$(sed -n '1s/.*"custom_id":"\([^"]*\)".*/\1/p' one.jsonl)" = "$id" ] &&
    r=0 || r=1
report $r "called by the ids of their requests"

# ---- what it cannot be ------------------------------------------------------
gives 2 "from two things" run q.jsonl --from one.h5
gives 2 "from nothing" run -o x.jsonl
gives 1 "from a batch that is not there" run --from abcdef
gives 1 "from a part that is not there" run --from none.h5 --trust
"$apus" model add "$top/models/nano" other >out 2>err
mkdir empty
gives 1 "without the model" run --from "$dir/part-0000.h5" --models empty
has err "was answered by the model RcInmmNd.*which is needed" "it is named"
has err 'apus model' "with the remedy"
"$apus" model add "$top/models/nano" nano --source hf:who/nano@1 \
    >out 2>err && r=0 || r=1
report $r "it is said where the model is to be had"
gives 2 "which is not text with blanks" model add "$top/models/nano" nano \
    --source "a b"
hub=hub/models--who--na-no/snapshots/0f1e
mkdir -p "$hub"
cp "$top"/models/nano/*.json "$top"/models/nano/*.safetensors "$hub/"
"$apus" model add "$hub" hub --models other >out 2>err && r=0 || r=1
report $r "a model from a cache of Hugging Face"
has other/origins ' hf:who/na-no@0f1e$' "is known by its name there"
rm "$dir/part-0000.idx"
gives 0 "sealed again" seal --again "$b"
has "$dir/checkpoint.json" '"model_source":"hf:who/nano@1"' \
    "the checkpoint says it"
gives 0 "and show" show "$b"
has out '^model_source.hf:who/nano@1$' "does"
gives 1 "without the model" run --from "$dir/part-0000.h5" --models empty
has err 'said to be had at hf:who/nano@1, apus model add' "it says so"
sed 's/hf:who[^"]*/arweave:1234567890123456789012345678901234567890123/' \
    "$dir/checkpoint.json" >c
cp c "$dir/checkpoint.json"
gives 1 "of one on Arweave" run --from "$dir/part-0000.h5" --models empty
has err 'apus model fetch 1234567890123.* gets it' "the command"
at=$(sed -n 's/.*"\/text\/utf8".*"offset":\([0-9]*\),.*/\1/p' \
    "$dir/part-0000.idx")
cp "$dir/part-0000.h5" bad.h5
printf '\377' | dd of=bad.h5 bs=1 seek="$at" conv=notrunc 2>/dev/null
gives 3 "a damaged answer" run --from bad.h5 --trust
has err "the answer to line 1: .*text" "is named"
cp bad.h5 "$dir/part-0000.h5"
for what in "$dir/part-0000.h5" "$b"; do
    gives 3 "a damaged part: run --from $what" run --from "$what"
    has err 'its SHA-256 differs; "apus seal --again' "is named with the remedy"
done

finish
