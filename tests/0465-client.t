#!/bin/sh
# contrib/ao/client.lua, what authors of DApps require: answers, errors, status,
# cancel and time, and what is not believed, message by message; then with a
# queue and a node on localnet.  0930-aos-same does the first in AO's module.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/localnet.sh"
. "$top/tests/slow.sh"
worker=$(dirname "$apus")/apus-worker
aosrun=$(dirname "$apus")/tests/aosrun

# as doc/queue.md tells it
{
    echo 'package.preload["apus.client"] = function(...)'
    cat "$top/contrib/ao/client.lua"
    echo end
    cat "$top/tests/client.lua"
} >all.lua

# ---- message by message --------
"$aosrun" all.lua "$top/tests/data/client-messages.json" >results 2>err &&
    r=0 || r=1
report $r "messages to a DApp"
sed -n 's/.*"Target":"bob_*","Data":"\([^"]*\)".*/\1/p' results |
    sed 's/\\n/\n/g' >heard
none=apus-client-
cat >want <<EOF

why: blue item_______________________________________
wrong: error 400 top_p must be a number
pay: error 402 payment is needed
broken: error 502 the answer cannot be read
status: pending
cancel: error 409 it is leased
cancel: true
later: error 499 it was cancelled
cancel: error 404 nothing waits under ${none}5

slow: error 408 no answer came in time
slower: error 408 no answer came in time
status: error 404 nothing waits under ${none}6

EOF
diff want heard >out && r=0 || r=1
report $r "each is heard once, from the queue that was asked"
sed 's/\\//g' results >plain
has plain '{"max_tokens":8,"seed":1234567890123456789,"temperature":0.5}' \
    "numbers keep their digits, names their order"
has plain '"Data":"{"messages":\[{.*be brief.*"value":"application/json"' \
    "messages are JSON"
has results '"X-Source","value":"source_*"' "a source is a tag"

# ---- with a queue --------
net_up && r=0 || r=1
report $r "a localnet"
[ $r -eq 0 ] || finish
APUS_CONFIG=$net/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
export APUS_CONFIG APUS_MODELS APUS_SPOOL
"$apus" model add "$top/models/nano" nano >out 2>err
APUS_QUEUE=$("$apus" queue new --allow-self \
    --lua "$top/contrib/ao/queue.lua" 2>err) && r=0 || r=1
report $r "a queue"
export APUS_QUEUE
"$apus" queue model nano --source "$APUS_QUEUE" 2>err
gives 0 "a DApp" localnet spawn all.lua --wallet "$net/dapp.json"
process=$(grep -o '^[A-Za-z0-9_-]\{43\}' out | head -n 1)
tell() { # TAG... <data
    netcall sign "$net/dapp.json" "$process" Data-Protocol=ao \
        Variant=ao.TN.1 Type=Message "$@" >item
    netcall post "$url/mu/" 'Content-Type: application/octet-stream' \
        <item >answer
    id=$(netcall id <item)
    netcall get "$url/cu/result/$id?process-id=$process&no-busy=1" >out
}
# Messages between processes take their time.
until_heard() { # PATTERN NAME
    : >heard
    for i in $(seq 600); do
        tell Action=Heard </dev/null
        cat out >>heard
        if grep -q -e "$1" heard; then
            break
        fi
        sleep 0.2
    done
    has heard "$1" "$2"
}
printf 'QUEUE = "%s"' "$APUS_QUEUE" >lua
tell Action=Eval <lua
printf 'What is 6 + 24?' >text
tell Action=Ask <text
tell Action=Ask Wrong=x <text
until_heard '"Data":"What is 6 + 24?: error 400 .*top_p' "what is wrong is told"
tell Action=Status Of=apus-client-1 </dev/null
until_heard '"Data":"status: pending' "it waits"
printf 'To be cancelled' >text
tell Action=Ask <text
tell Action=Cancel Of=apus-client-3 </dev/null
until_heard 'error 499' "it is cancelled"
"$apus" pull -q >out 2>err && "$worker" >out 2>err && "$apus" push >out 2>err &&
    r=0 || r=1
report $r "a node answers"
until_heard '"Data":"What is 6 + 24?: [^"]* [A-Za-z0-9_-]\{43\}"' \
    "the answer, and where it is on Arweave"
finish
