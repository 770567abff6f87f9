#!/bin/sh
# Disputes that end unjudged at a queue on localnet: of a model whose decoder
# has steps the judge reads no text, and where 64 texts have no bytes it does
# not know where a stop string begins.  Neither side loses anything by it: the
# answer stands, the node goes on, the place is free, and somebody else may
# dispute the answer for what is judged.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/localnet.sh"
worker=$(dirname "$apus")/apus-worker
fault=3/0/q/5
mkdir node challenger watcher odd mute

net_queue info
dapp=$net/dapp.json
"$apus" localnet --dir "$net" --new-wallet third.json >out 2>err
third=$(netcall address third.json)
"$apus" queue set Window=86400 Turn=3600 Challengers="$third" >out 2>err

# nano with a step after its decoder, and with control tokens alone
for model in odd mute; do
    cp "$top/models/nano/config.json" "$top/models/nano/model.safetensors" \
        "$top/models/nano/tokenizer_config.json" $model
done
tr -d '\n' <"$top/models/nano/tokenizer.json" >one
sed 's/"decoder": *{\([^}]*\)}/"decoder":{"type":"Sequence","decoders":[{\1},'`
    `'{"type":"Replace","pattern":{"String":"a"},"content":"A"}]}/' one \
    >odd/tokenizer.json
sed -n '/"vocab": {/,/^ *}/s/^ *\("..*"\): \([0-9][0-9]*\),*$/'`
    `'{"id":\2,"content":\1,"special":true},/p' \
    "$top/models/nano/tokenizer.json" | tr -d '\n' | sed 's/,$//' >controls
[ "$(tr -cd '{' <controls | wc -c)" -ge 512 ] && r=0 || r=1
report $r "all tokens of nano"
sed 's/"added_tokens": *\[[^]]*\]/"added_tokens":[\n]/' one |
    sed 's/"merges": *\[.*/"merges":[]}}/' | sed '1r controls' |
    tr -d '\n' >mute/tokenizer.json
for model in odd mute; do
    gives 0 "a model, $model" model add $model $model
    model_item=$("$apus" model publish $model --yes 2>err | tail -n 1)
    "$apus" queue model $model --source "$model_item" >out 2>err
done

is() { # NAME VALUE WHAT: a tag of the answer
    [ "$(net_tag "$1")" = "$2" ] && r=0 || r=1
    [ $r = 0 ] || sed 's/^/# /' result
    report $r "$3"
}
# An answer with a fault to $request: its item is $item.
answer() { # NAME
    batch=$(net_node pull 2>>err | sed 's/[[:space:]].*//')
    "$worker" --alone --spool "$tmp/node" --pretend-fault $fault -- "$batch" \
        >out 2>err
    net_node push -- "$batch" >out 2>err && r=0 || r=1
    report $r "$1"
    item=$(sed -n 's/.*"item":"\([^"]*\)".*/\1/p' \
        "$tmp/node/sent/b$batch/items.jsonl")
}
drain() { # WHAT
    net_node drain --pretend-fault $fault >drained 2>&1 && r=0 || r=1
    cp drained out
    report $r "$1"
}
challenger() { # STATUS NAME
    gives "$1" "$2" dispute --spool "$tmp/challenger" --wallet "$dapp" "$item"
}
# Pick by hand what no judge decides, each after the node's show.
picks() { # CHOICE...
    number=1
    for choice; do
        drain "the node shows what is asked for"
        net_says Action=Pick "Dispute=$dispute" Number=$number \
            "Choice=$choice" </dev/null
        number=$((number + 2))
        is Code 200 "\"$choice\" is picked"
    done
}
# What an unjudged end leaves.
nothing_lost() {
    "$apus" request --status "$request" --wallet "$dapp" >out 2>err
    has out '^State.answered' "the answer stands"
    net_says Action=Dispute "Dispute=$dispute" </dev/null
    is Code 404 "the dispute is over"
    net_says Action=Disputes </dev/null
    is Count 0 "its place is free"
    net_says Action=Challenge "Request=$request" </dev/null
    is Code 409 "its challenger has had this answer"
    net_says Action=Nodes </dev/null
    grep -q 'revoked\\":\\"\\"' result && r=0 || r=1
    report $r "the node may lease"
}

# ---- by what the node shows --------------------------------------------------
printf 'What is 6 + 24?' | net_says Action=Infer X-Model=odd \
    'X-Options={"max_tokens":4,"temperature":0,"stop":["xyz"]}'
request=$(netcall id <item.bin)
answer "an answer with a fault"
challenger 75 "a dispute"
dispute=$(sed -n 's/^challenge.\([^[:space:]]*\).*/\1/p' out)
picks "stop 0" 0
drain "the node shows its tokenizer"
has out 'shows offsets and no judge decides it: the answer stands' \
    "which is not judged, and drain says so"
nothing_lost
challenger 3 "its challenger"
has out '^verdict.the answer stands: it holds, or no judge decides this' \
    "learns that the answer stands"
rounds=0
rc=75
: >moves
while [ $rc != 0 ] && [ $rounds -lt 20 ]; do
    rounds=$((rounds + 1))
    rc=0
    "$apus" watch --once --challenge --rate 1 --spool "$tmp/watcher" \
        --wallet third.json >>moves 2>err || rc=$?
    net_node drain --pretend-fault $fault >drained 2>&1 || :
done
cp moves out
[ $rc = 0 ] && r=0 || r=1
report $r "somebody else disputes it, $rounds rounds"
has out '^verdict.fault' "for what is judged, and wins"
node=$("$apus" wallet show "$net/wallet.json")
"$apus" queue allow -- "$node" >out 2>err
"$apus" request --cancel "$request" --wallet "$dapp" >out 2>err || :

# ---- by what the challenger picks --------------------------------------------
net_says Action=Infer Content-Type=application/json X-Model=mute <<'E'
{"prompt":[40,50,60],"max_tokens":80,"temperature":0,"stop":["xyz"],
"ignore_eos":true}
E
request=$(netcall id <item.bin)
answer "a long answer without a byte of text"
net_says Action=Challenge "Request=$request" </dev/null
dispute=$(net_tag Dispute)
picks "stop 70" total
is Verdict unjudged "nobody knows what began before 64 texts"
is Loser '' "and nobody loses"
nothing_lost
finish
