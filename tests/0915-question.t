#!/bin/sh
# Messages that a queue takes, in all spellings, are answered, and `apus verify
# ID` says that the answers are to them.  A queue that reads them in another
# way, and a node that believes it, are found out.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/localnet.sh"

net_up && r=0 || r=1
report $r "a localnet"
[ $r -eq 0 ] || finish
APUS_CONFIG=$net/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
export APUS_CONFIG APUS_MODELS APUS_SPOOL
"$apus" model add "$top/models/nano" nano >out 2>err
dapp=$net/dapp.json
node=$("$apus" wallet show)

queue_new() { # LUA
    APUS_QUEUE=$("$apus" queue new --allow-self --lua "$1" 2>err)
    export APUS_QUEUE
    "$apus" queue model nano --source "$APUS_QUEUE" 2>err
}
item() { # WALLET TARGET PATH TAG...: sign what comes, send it, print its id
    wallet=$1
    target=$2
    path=$3
    shift 3
    netcall sign "$wallet" "$target" "$@" >item
    netcall post "$url$path" Content-Type:application/octet-stream \
        <item >reply
    netcall id <item
}
asks() { # DATA TAG...
    data=$1
    shift
    printf '%s' "$data" |
        item "$dapp" "$APUS_QUEUE" /mu/ Data-Protocol=ao Variant=ao.TN.1 \
            Type=Message "$@"
}
evaluated() { # MESSAGE: the queue has seen it
    netcall get "$url/cu/result/$1?process-id=$APUS_QUEUE&no-busy=1" >result
}
answer_of() { # MESSAGE: the item that answers it
    cat spool/sent/b*/items.jsonl | grep -F -e "$1" |
        sed 's/.*"item":"\([^"]*\)".*/\1/'
}
greedy='{"temperature":0,"max_tokens":12}'
json=application/json

# ---- as ours reads them ------------------------------------------------------
queue_new "$top/contrib/ao/queue.lua"
empty=$(printf '' | item "$dapp" - /bundler/tx X=1)
text=$(printf 'What is 6 + 24?' | item "$dapp" - /bundler/tx X=2)
body=$(printf '{"prompt":"6 + 24 ="}' | item "$dapp" - /bundler/tx X=3)
{
    asks "What is 6 + 25?" action=Infer x-options="$greedy"
    asks "What is 6 + 26?" Action=Infer X_Options="$greedy"
    asks '{"prompt":"6 + 27 ="}' Action=Infer \
        "Content-Type=$json; charset=utf-8" X-Options="$greedy"
    asks '{"prompt":"6 + 28 ="}' Action=Infer \
        Content_Type=Application/JSON X-Options="$greedy"
    asks "What is 6 + 29?" Action=Infer X-Options='[]'
    asks '{}' Action=Infer Content-Type=$json X-Options="$greedy" \
        X-Prompt="What is 6 + 30?"
    asks '' Action=Infer x_source="$text" X-Options="$greedy" X-Node="$node"
    asks '' Action=Infer X-Source="$empty" X-Options="$greedy"
    asks 'any' Action=Infer X-Source="$body" X-Options="$greedy" \
        Content-Type=APPLICATION/JSON
    asks '{"messages":[{"content":"6 + 31?","role":"developer"}]}' \
        Action=Infer Content-Type=$json \
        X-Options='{"temperature":7e-1,"seed":"7","top_k":4,"stop":["="]}'
} >ids 2>err
id=$(sed -n 2p ids)
asks '{"prompt":"a","prompt":"b"}' Action=Infer Content-Type=$json >twice
evaluated "$(cat twice)"
gives 0 "one round" drain --ranks 1
[ "$(cat spool/sent/b*/items.jsonl | grep -c '"item"')" -eq 10 ] &&
    r=0 || r=1
report $r "ten answers: a key twice is refused"
for i in $(cat ids); do
    gives 0 "an answer" verify --key "$node" --recompute all -- \
        "$(answer_of "$i")"
    has out 'its parameters.*the same' "to what was asked"
    has out 'its prompt.*the same' "from its text"
done
gives 0 "the one who asked gets it" request --of "$id"
[ ! -s err ] && r=0 || r=1
report $r "compared with the message"

# ---- another queue, that does not ------------------------------------------
for part in '' -2 -3 -4; do
    sed 's/options(p, m.tag\["x-options"\])/options(p, nil)/' \
        "$top/contrib/ao/queue$part.lua" >"other$part.lua"
done
cmp -s "$top/contrib/ao/queue-4.lua" other-4.lua && r=1 || r=0
report $r "a queue that passes options over"
queue_new other.lua
id=$(asks "What is 6 + 26?" Action=Infer X_Options="$greedy")
evaluated "$id"
rm -rf spool/sent/b*
gives 0 "its round" drain --ranks 1
gives 3 "its answer" verify --key "$node" --recompute all -- \
    "$(answer_of "$id")"
has out 'WRONG.*its parameters' "was computed with others"
gives 1 "the one who asked does not get it" request --of "$id"
has err 'its parameters: max_tokens' "and is told why"
finish
