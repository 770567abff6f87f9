#!/bin/sh
# A node on a net that lies: a compute unit that gives other requests than
# there are, gateways that never end, a scheduler whose clock is wrong.  Each
# time apus drain, pull and push say so in one line and with the right exit
# status, nothing is lost, and when it is over the next drain finishes.  What
# apus model fetch does then is in 0420-models.t.
# part: san
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/localnet.sh"

net_up && r=0 || r=1
report $r "the net is up"
port=${url##*:}
ao_cu=$url/cu
. "$top/tests/network.sh"
# a node's lies come twice, with the push and when they are asked for
APUS_AO_NETWORK=legacynet
export APUS_AO_NETWORK
APUS_HTTP_RETRIES=0
APUS_HTTP_STALL_TIMEOUT=60
export APUS_HTTP_RETRIES APUS_HTTP_STALL_TIMEOUT
queue_up
mkdir A

again() { # CASE...: the same net, with these
    net_down
    set -- $(for c in "$@"; do echo "--hostile $c"; done)
    net_up --port "$port" "$@" || report 1 "the net is up again"
}
# A command of node A ends like this, with one error at most, which says so.
ends() { # STATUS NAME PATTERN COMMAND ARGUMENT...
    want=$1
    name=$2
    pattern=$3
    command=$4
    shift 4
    got=0
    "$apus" "$command" --spool "$tmp/A" --wallet "$tmp/A.json" "$@" >out \
        2>err </dev/null || got=$?
    errors=$(grep -c 'apus: error: ' err) || :
    [ "$got" -eq "$want" ] && [ "$errors" -le 1 ] &&
        { [ -z "$pattern" ] || grep -q -e "$pattern" err; } && r=0 || r=1
    echo "exit status $got, $errors errors" >>out
    report $r "$name: exit status $want, one line"
}
is() { # NAME GOT EXPECTED
    [ "$2" = "$3" ] && r=0 || r=1
    echo "$2, not $3" >out
    report $r "$1"
}
confirmed() { find A/sent -name confirmed | wc -l; }
leased() { "$apus" queue info 2>err | sed -n "s/^Leased$tab//p"; }

# ---- requests that are none -------------------------------------------------
ask 3
# one after the other, each once
again cu-wrong-ids:1 cu-twice:1 cu-huge-prompt:1 cu-absurd-numbers:1
refused='is refused, and what it leased goes back'
ends 1 "an id that is a path" "$refused.*\"id\"" drain --ranks 1
ends 1 "a request twice" "$refused.*twice" drain --ranks 1
ends 1 "a prompt of 5 MB" "$refused.*at most" pull
ends 1 "numbers beyond all" "$refused.*max_tokens" pull
is "none of it is in the spool" "$(find A -name 'b*' | wc -l)" 0
is "nothing stays leased" "$(leased)" 0
ends 0 "when it is over" '' drain --ranks 1
is "all are answered" "$(done_count)" 3

# ---- gateways ---------------------------------------------------------------
printf 'What is 7 + 8?' | netcall sign "$net/dapp.json" - A=b >item
source=$(netcall id <item)
netcall post "$url/bundler/v1/tx" 'Content-Type: application/octet-stream' \
    <item >out
asks() { # ARGUMENT...: one more request, its id in id
    "$apus" request "$@" --temperature 0 --max-tokens 20 \
        --wallet "$net/dapp.json" >id 2>err
    echo "$(cat id) $net/dapp.json" >>ids
}
netcall post "$url/mine/20" </dev/null >out
# What was handed over cannot be read back, nor the text of a request: a new
# one each time, for this node is not given it again so soon.
for case in stalled endless-body redirect-loop; do
    status=1
    said='error: batch .*/second/raw/'
    APUS_HTTP_STALL_TIMEOUT=60
    case $case in
    stalled)
        APUS_HTTP_STALL_TIMEOUT=1
        status=0
        said='goes back, for others: .*nothing came for 1 '
        ;;
    endless-body) said="$said.* sends over [0-9]* bytes" ;;
    *) said="$said.*more than 3 redirects" ;;
    esac
    again "gateway/$case" "second/$case"
    asks --source "$source"
    [ $case != endless-body ] ||
        ends $status "$case, push" "$said" push
    ends $status "$case, drain" "$said" drain --ranks 1
    has err "warning: request $(cat id) goes back, for others: " \
        "the request goes back"
    is "$case: nothing is confirmed" "$(confirmed)" 0
    is "$case: it is not answered" "$(done_count)" 3
done

# ---- clocks -----------------------------------------------------------------
again
ends 0 "when it is over, push" '' push
is "what is on Arweave to stay is confirmed" "$(confirmed)" 1
asks 'What is 8 + 8?'
ends 0 "and pull" '' pull --ttl 600
is "the request is leased" "$(leased)" 1
again clock-ahead
# ten minutes: the lease is over for the scheduler
drain B && r=0 || r=1
cp B.log err
report $r "another node drains"
is "it has answered" "$(done_count)" 7
ends 0 "the first one answers too" '' drain --ranks 1
again clock-behind
"$apus" request "What is 9 + 8?" --temperature 0 --max-tokens 20 \
    --wallet "$net/other.json" >id 2>err
echo "$(cat id) $net/other.json" >>ids
ends 0 "a scheduler that is behind" '' drain --ranks 1
is "it is answered" "$(done_count)" 8

answered_once 8
finish
