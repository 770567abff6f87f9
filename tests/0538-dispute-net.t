#!/bin/sh
# A whole dispute over HTTP, on apus localnet: nano answers a request of a
# queue, the requester disputes it, and the moves that `apus prove` makes of the
# node's batch lead to the verdict of the queue's own judge.  While the answer
# is open its requester can read it.
# part: judge
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
APUS_RANKS=1
export APUS_CONFIG APUS_MODELS APUS_SPOOL APUS_RANKS
worker=$(dirname "$apus")/apus-worker

says() { # WALLET TAG...: a message with the input as data; its first answer
    wallet=$1
    shift
    netcall sign "$wallet" "$APUS_QUEUE" Data-Protocol=ao Variant=ao.TN.1 \
        Type=Message "$@" >item
    netcall post "$url/mu/" Content-Type:application/octet-stream <item >reply
    netcall get "$url/cu/result/$(netcall id <item)?process-id=$APUS_QUEUE" \
        >result
}
tag() { # NAME: of the answer
    sed 's/.*"Messages":\[{//' result | tr '{}' '\n\n' |
        sed -n "s/.*\"name\":\"$1\",\"value\":\"\([^\"]*\)\".*/\1/p" |
        head -n 1
}
is() { # NAME GOT EXPECTED
    [ "$2" = "$3" ] && r=0 || r=1
    echo "\"$2\", not \"$3\"" >out
    report $r "$1"
}
owner=$net/wallet.json
dapp=$net/dapp.json

model=$("$apus" model add "$top/models/nano" nano 2>err)
gives 0 "a queue" queue new --allow-self --lua "$top/contrib/ao/queue.lua"
APUS_QUEUE=$(cat out)
export APUS_QUEUE
gives 0 "its model" queue model nano --source "$APUS_QUEUE"
says "$owner" Action=Set Window=86400 </dev/null
is "a window of a day" "$(tag Code)" 200
says "$dapp" Action=Models </dev/null
grep -q 'judged\\":\\"yes' result && r=0 || r=1
report $r "the model is judged"
gives 0 "a request" request --wallet "$dapp" "What is 6 + 24?" --temperature 0
id=$(cat out)
gives 0 "pull it" pull
"$worker" >out 2>err && r=0 || r=1
report $r "nano answers"
batch=$(basename spool/done/b*)
gives 0 "push it" push

# ---- the moves of a dispute ------------------------------------------------
u32() { od -An -tu4 -j "$2" -N 4 "$1" | tr -d ' '; }
base64url() { base64 -w 0 | tr '+/' '-_' | tr -d '='; }
play() { # FILE: send its moves; what the last is answered with
    at=40
    number=0
    while [ "$at" -lt "$(wc -c <"$1")" ]; do
        size=$(u32 "$1" $((at + 4)))
        tail -c +$((at + 9)) "$1" | head -c "$size" >bytes
        base64url <bytes >data
        case $(u32 "$1" "$at") in
        1) says "$owner" Action=Show "Dispute=$dispute" Number=$number <data ;;
        2) says "$dapp" Action=Pick "Dispute=$dispute" Number=$number \
            "Choice=$(cat bytes)" </dev/null ;;
        3) says "$owner" Action=Prove "Dispute=$dispute" Number=$number <data ;;
        esac
        [ "$(tag Code)" = 200 ] || return 1
        at=$((at + 8 + size))
        number=$((number + 1))
    done
}
gives 0 "a number of it" prove "${batch#b}" --request "$id" \
    --at 5/2/o/40/0 -o game
says "$dapp" Action=Challenge "Request=$id" Part=kv </dev/null
is "the requester disputes it" "$(tag Code)" 200
dispute=$(tag Dispute)
play game && r=0 || r=1
cp result out
report $r "$number moves are taken"
is "the node was right" "$(tag Verdict) $(tag Statement)" "holds 13"
says "$dapp" Action=Challenge "Request=$id" </dev/null
is "the requester cannot come again" "$(tag Code)" 409

# ---- the answer -------------------------------------------------------------
says "$owner" Action=Challenge "Request=$id" </dev/null
is "nor can the node dispute its own" "$(tag Code)" 403
gives 0 "the answer is there" request --wallet "$dapp" --of "$id"
is "as before" "$(cat out)" "6 + 24 = 30"
gives 0 "its state" request --status "$id"
has out "^State.answered$" "it is not final"
has out "^Until.[0-9]*$" "it says until when"

# ---- a file ------------------------------------------------------------------
# Its node answers by drain: which line result 0 is of, and that the next one
# comes after it.
for i in 1 2 3 4 5 6 7; do
    printf '{"custom_id":"%s","method":"POST","url":"%s","body":%s}\n' \
        $i /v1/completions \
        "{\"prompt\":\"$i + 3 =\",\"max_tokens\":4,\"temperature\":0}"
done >q.jsonl
netcall sign "$dapp" - Content-Type=application/jsonl <q.jsonl >item
source=$(netcall id <item)
netcall post "$url/bundler/v1/tx" Content-Type:application/octet-stream \
    <item >reply
sha=$(APUS_SPOOL=$tmp/aside "$apus" submit q.jsonl -m nano --todo >out 2>err &&
    sed 's/.*"sha256":"\([^"]*\)".*/\1/' aside/todo/b*/batch.json)
says "$dapp" Action=Infer-Batch "X-Source=$source" X-Count=7 "X-Sha256=$sha" \
    "X-Model=$model" X-Reference=file </dev/null
cp result out
id=$(netcall id <item)
gives 0 "pull a file" pull
batch=$(sed -n '1s/[[:space:]].*//p' out)
"$worker" --pretend-fault 3/0/q/5 >out 2>err && r=0 || r=1
report $r "nano answers it"
gives 0 "push its answer" push
item=$(sed -n '1s/.*"item":"\([^"]*\)".*/\1/p' "spool/sent/b$batch/items.jsonl")
gives 0 "a wrong result of it" dispute --dry "$item" --wallet "$dapp"
has out "^request.$id" "apus dispute finds the request of the file"
has out '^first.pick.trace' "and where it would look"
says "$dapp" Action=Challenge "Request=$id" Index=0 </dev/null
is "a result of the file is disputed" "$(tag Code)" 200
dispute=$(tag Dispute)
gives 0 "the node's move" drain
has err 'this node shows line$' "is which line it is"
says "$dapp" Action=Pick "Dispute=$dispute" Number=1 Choice=order </dev/null
is "the order is disputed" "$(tag Code)" 200
gives 0 "the node's last move" drain
has err 'this node shows after and won' "is the result after it"

# It would go on so for ever, and the answer would never be final.
for index in 1 2 3 4; do
    says "$dapp" Action=Challenge "Request=$id" Index=$index </dev/null
    says "$dapp" Action=Concede "Dispute=$(tag Dispute)" </dev/null
done
is "five are lost" "$(tag Verdict)" holds
says "$dapp" Action=Challenge "Request=$id" Index=5 </dev/null
is "who lost five has no more" "$(tag Code)" 429
finish
