#!/bin/sh
# apus watch on localnet: it computes the answers of a queue's statements again,
# each once, writes a case of a wrong one, and with --challenge plays its
# dispute against the node's drain, though it is ended again and again; so it
# does with results of a file (Infer-Batch).  What a stranger says of the queue
# is not looked at, and a case that the queue refuses is left.  Statements whose
# model is not here wait for it.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/localnet.sh"
worker=$(dirname "$apus")/apus-worker
fault=9/0/q/5
mkdir node watcher

net_queue warning
watcher=$(netcall address "$net/dapp.json")
"$apus" queue set Window=86400 Challengers="$watcher" >out 2>err

batch() { # NAME [PLACE]: two answers, with a fault
    for i in 1 2; do
        "$apus" request "$1 $i + 3 =" --temperature 0 --max-tokens 4 \
            --wallet "$net/dapp.json" >out 2>err
    done
    batch=$(net_node pull 2>>err | sed 's/[[:space:]].*//')
    "$worker" --alone --spool "$tmp/node" ${2:+--pretend-fault "$2"} \
        -- "$batch" >out 2>err
    net_node push -- "$batch" >out 2>err && r=0 || r=1
    report $r "$1 answers are published"
}
watches() { # STATUS NAME ARGUMENT...
    want=$1
    name=$2
    shift 2
    gives "$want" "$name" watch --once --spool "$tmp/watcher" \
        --wallet "$net/dapp.json" "$@"
}

batch honest
watches 0 "a round" --rate 1
has out '^statement.*2 of 2 answers computed' "computes two answers"
watches 0 "another round" --rate 1
[ ! -s out ] && r=0 || r=1
report $r "looks at no statement twice"

# a stranger's, of which there may be any number
echo 'no statement' | netcall sign "$net/dapp.json" - Apus=statement-1 \
    "Process=$APUS_QUEUE" >item
netcall post "$url/bundler/v1/tx" Content-Type:application/octet-stream \
    <item >reply
watches 0 "a stranger's statement" --rate 1
[ ! -s out ] && r=0 || r=1
report $r "is not looked at"

batch faulty $fault
watches 3 "a round that finds something" --rate 1
[ "$(grep -c '^found' out)" = 2 ] && r=0 || r=1
report $r "names both answers"
set -- watcher/disputes/*.json
[ $# = 2 ] && grep -q '"state":"found"' "$@" && r=0 || r=1
report $r "and writes their cases"
gives 0 "a case" dispute --dry "$1" --spool "$tmp/watcher" \
    --wallet "$net/dapp.json"
has out '^first.pick.trace' "is one of apus dispute"
: >moves
rounds=0
rc=75
while [ $rc = 75 ] && [ $rounds -lt 20 ]; do
    rounds=$((rounds + 1))
    rc=0
    "$apus" watch --once --challenge --rate 1 --spool "$tmp/watcher" \
        --wallet "$net/dapp.json" >>moves 2>err || rc=$?
    net_node drain --pretend-fault $fault >drained 2>&1 || :
done
cp moves out
[ $rc = 0 ] && r=0 || r=1
report $r "with --challenge, after $rounds rounds nothing is open"
[ "$(grep -c '^verdict.fault' out)" = 2 ] && r=0 || r=1
report $r "both were faults"

# ---- a file ------------------------------------------------------------------
# Its results are wrong, all of them; the first verdict takes the whole back.
"$apus" queue allow -- "$("$apus" wallet show "$net/wallet.json")" >out 2>err
batch=$(net_node pull 2>>err | sed 's/[[:space:]].*//')
# what is in the spool is wrong
APUS_REUSE=no "$worker" --alone --spool "$tmp/node" -- "$batch" >out 2>err
net_node push -- "$batch" >out 2>err && r=0 || r=1
report $r "the two are answered again"
for i in 1 2 3; do
    printf '{"custom_id":"%s","method":"POST","url":"%s","body":%s}\n' \
        $i /v1/completions \
        "{\"prompt\":\"$i + 3 =\",\"max_tokens\":4,\"temperature\":0}"
done >q.jsonl
netcall sign "$net/dapp.json" - Content-Type=application/jsonl <q.jsonl >item
netcall post "$url/bundler/v1/tx" Content-Type:application/octet-stream \
    <item >reply
sha=$(APUS_SPOOL=$tmp/aside "$apus" submit q.jsonl -m nano --todo >out 2>err &&
    sed 's/.*"sha256":"\([^"]*\)".*/\1/' aside/todo/b*/batch.json)
netcall sign "$net/dapp.json" "$APUS_QUEUE" Data-Protocol=ao \
    Variant=ao.TN.1 Type=Message Action=Infer-Batch \
    "X-Source=$(netcall id <item)" X-Count=3 "X-Sha256=$sha" X-Model=nano \
    X-Reference=file </dev/null >message
netcall post "$url/mu/" Content-Type:application/octet-stream <message >reply
file=$(netcall id <message)
batch=$(net_node pull 2>>err | sed 's/[[:space:]].*//')
"$worker" --alone --spool "$tmp/node" --pretend-fault 3/0/q/5 -- "$batch" \
    >out 2>err
net_node push -- "$batch" >out 2>err && r=0 || r=1
report $r "a file is answered wrongly"
rm -f watcher/disputes/*
cp -r watcher third
watches 3 "a round that finds that" --rate 1
[ "$(grep -c '^found' out)" = 3 ] && r=0 || r=1
report $r "names its three results"
grep -q "\"request\":\"$file\"" watcher/disputes/*.json && r=0 || r=1
report $r "as those of the file"
: >moves
rounds=0
rc=75
while [ $rc != 0 ] && [ $rounds -lt 20 ]; do
    rounds=$((rounds + 1))
    rc=0
    "$apus" watch --once --challenge --rate 1 --spool "$tmp/watcher" \
        --wallet "$net/dapp.json" >>moves 2>>err || rc=$?
    net_node drain --pretend-fault 3/0/q/5 >drained 2>&1 || :
done
cp moves out
[ $rc = 0 ] && r=0 || r=1
report $r "a result of the file is disputed, $rounds rounds"
has out '^verdict.fault: .*statement [67]$' "up to one product or sum"
has out 'node.shows records$' "from the records and their line"
"$apus" request --status "$file" --wallet "$net/dapp.json" >out 2>err
has out 'pending' "the file waits for another node"

# a unit that says of the file that it has 4 G lines, none of which is this one
net_down
net_up --hostile cu-absurd-numbers && r=0 || r=1
report $r "a hostile localnet"
watches 3 "a round without end" --rate 1 --spool "$tmp/third"
has err '4294967295 lines: at most' "is none"
grep -q 'computed again' err && r=0 || r=1
cp err out
report $r "what was found counts, though its statement has to wait"
net_down
net_up && r=0 || r=1
report $r "an honest one"

# ---- a case that cannot be disputed any more ---------------------------------
set -- watcher/disputes/*.json
sed -i 's/"state":"[a-z]*"/"state":"found"/' "$1"
watches 0 "one that the queue refuses" --challenge
has err 'the request has no answer' "is said"
grep -q '"state":"refused"' "$1" && r=0 || r=1
report $r "and then kept as refused"
watches 0 "another round" --challenge
[ ! -s err ] && r=0 || r=1
report $r "leaves it"

# ---- models that are not here ------------------------------------------------
APUS_MODELS=$tmp/none watches 75 "without a store" --rate 1 \
    --spool "$tmp/other"
[ "$(grep -c 'is it mounted' err)" = 1 ] && r=0 || r=1
cp err out
report $r "it is reported once, not for each statement"
"$apus" model add "$top/vectors/x1/models/tiny-qwen3" tiny --no-tokenizer \
    --models "$tmp/few" >out 2>err
watches 0 "with another model alone" --rate 1 --models "$tmp/few" \
    --spool "$tmp/other"
[ "$(grep -c '^statement.*0 of . answers computed, model .* is missing' out)" \
    = 4 ] && r=0 || r=1
report $r "no answer is computed"
grep -q "in the store \"$tmp/few\".*apus model fetch $source gets it" err &&
    [ "$(grep -c 'is not in the store' err)" = 1 ] && r=0 || r=1
cp err out
report $r "the model is named once, and how to get it"
watches 0 "another round" --rate 1 --models "$tmp/few" --spool "$tmp/other"
[ ! -s out ] && [ ! -s err ] && r=0 || r=1
report $r "does not look at these statements"
cp -r "$tmp/other" "$tmp/unread"
watches 75 "a store that is not there" --rate 1 --models "$tmp/none" \
    --spool "$tmp/unread"
watches 3 "once the model is here" --rate 1 --spool "$tmp/other"
[ "$(grep -c '^statement' out)" = 4 ] && r=0 || r=1
report $r "they are checked"
watches 3 "a model that is named" --rate 1 --models "$tmp/few" -m \
    "$(echo "$APUS_MODELS"/*.apus)" --spool "$tmp/named"
[ "$(grep -c '^statement.*[1-9] of . answers computed$' out)" = 4 ] &&
    r=0 || r=1
report $r "is used where the store lacks it"
gives 1 "one that is not there" watch --once --spool "$tmp/named" \
    -m "$tmp/none.apus" --wallet "$net/dapp.json"
gives 2 "without a queue" watch --once --queue ''
printf x >watcher/watch/secret
watches 1 "a damaged secret" --rate 1
has err 'has 1 bytes and not 32' "is named"
finish
