#!/bin/sh
# Questions to a queue are dry runs: they sign and schedule nothing, on either
# network.  Where a unit makes none, what must be known is asked by a signed
# message, and what only looks says why it cannot.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/localnet.sh"
. "$top/tests/slow.sh"
worker=$(dirname "$apus")/apus-worker

net_up && r=0 || r=1
report $r "a localnet"
[ $r -eq 0 ] || finish
APUS_CONFIG=$net/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_LAUNCHER=local
APUS_HTTP_RETRIES=0
export APUS_CONFIG APUS_MODELS APUS_SPOOL APUS_LAUNCHER APUS_HTTP_RETRIES
tab=$(printf '\t')
"$apus" model add "$top/models/nano" nano >out 2>err
APUS_QUEUE=$("$apus" queue new --allow-self \
    --lua "$top/contrib/ao/queue.lua" 2>err) && r=0 || r=1
report $r "a queue"
export APUS_QUEUE
"$apus" queue model nano --source "$APUS_QUEUE" 2>err

slots() { netcall get "$url/hb/$APUS_QUEUE/slot/current" | sed 1d; }
ask() { # ARGUMENT...: the id of a new request
    "$apus" request --wallet "$net/dapp.json" "$@" 2>err
}
again() { # ARGUMENT...: the same net otherwise
    net_down
    net_up "$@" || report 1 "the net is up again"
}

# ---- nothing is scheduled --------
looks() { # NAME
    before=$(slots)
    gives 0 "$1: doctor" doctor
    has out '^ok.queue.it answers' "the queue answers"
    has out '^ok.node' "the node is allowed"
    has out '^ok.served' "its model is served"
    gives 0 "$1: what the queue says" queue info
    has out "^Pending$tab" "it says it"
    gives 0 "$1: and without a wallet" queue info --wallet "$tmp/none.json"
    [ "$before" = "$(slots)" ] && [ -n "$before" ] && r=0 || r=1
    echo "$before, then $(slots)" >out
    report $r "$1: nothing is scheduled"
}
APUS_AO_NETWORK=legacynet
export APUS_AO_NETWORK
looks legacynet
APUS_AO_NETWORK=hyperbeam
looks hyperbeam
again --old-node
looks 'hyperbeam until 2025'

# what clients send that name no owner, as they send it
printf '{"Id":"1234","Target":"%s","Owner":"1234","Anchor":"0","Data":"1234",
    "Tags":[{"name":"Action","value":"Info"},{"name":"Type","value":"Message"},
    {"name":"Variant","value":"ao.TN.1"}]}' "$APUS_QUEUE" >dry
netcall post "$url/cu/dry-run?process-id=$APUS_QUEUE" \
    'Content-Type: application/json' <dry >out
has out '"value":"Info-Response"' "a question of nobody"
for what in '[]' '"x"' '{"Tags":{"Action":"Info"}}' \
    '{"Tags":[{"name":"Action","value":1}]}'; do
    printf '%s' "$what" |
        netcall post "$url/cu/dry-run?process-id=$APUS_QUEUE" \
            'Content-Type: application/json' >out
    has out '^400' "no message is refused, not answered by nothing: $what"
done
netcall get "$url/hb/$APUS_QUEUE~process@1.0/as=execution/compute&Action=Info" \
    >out
has out 'Info-Response' "and at a node"

# ---- no dry runs --------
answers() { # NAME: of everything that waits, with a push and a question
    id=$(ask 'What is 6 + 24?' --temperature 0)
    "$apus" pull -q >out 2>err && "$worker" >out 2>err </dev/null &&
        r=0 || r=1
    report $r "$1: pulled and answered"
    before=$(slots)
    gives 0 "$1: push" push
    has err 'the queue accepted 1' "it ends as sent"
    echo "$before, then $(slots)" >out
    [ "$(slots)" -gt $((before + 1)) ] && r=0 || r=1
    report $r "it has asked by a message"
    gives 0 "$1: the answer" request --of "$id"
    has out '^6 + 24 = 30$' "6 + 24 = 30"
    # a limit passes
    [ "$2" = 429 ] && want=75 || want=1
    gives $want "$1: the answer without a wallet" request --of "$id" \
        --wallet "$tmp/none.json" --timeout 0
    has err 'there is no wallet.*makes no dry runs' "takes a wallet"
    gives 0 "$1: doctor" doctor
    has out '^warning.queue.*makes no dry runs.*remedy: .*ao-node' \
        "it says what it cannot look at"
    gives 1 "$1: what the queue says" queue info
    has err "ao-node.*makes no dry runs.*$2" "and so does this"
}
for status in 403 404 429; do
    again --hostile "dry-run-$status"
    APUS_AO_NETWORK=legacynet
    answers "legacynet, $status" $status
    APUS_AO_NETWORK=hyperbeam
    answers "hyperbeam, $status" $status
done
# each look is a message, so there are few of them
id=$(ask 'What is 3 + 4?')
before=$(slots)
gives 75 "no answer yet" request --of "$id" --timeout 4
echo "$before, then $(slots)" >out
[ "$(slots)" -gt "$before" ] && [ "$(slots)" -le $((before + 2)) ] &&
    r=0 || r=1
report $r "it looks twice: at once and at the end"
# the version of the queue is asked before what it may not know is said
ask 'What is 1 + 2?' >out
gives 0 "pull" pull
batch=$(sed -n '1s/[[:space:]].*//p' out)
gives 0 "cancel what came from AO" cancel -- "$batch"
gives 0 "pull again" pull
has err 'comes to this node later' "it went back with a time"
finish
