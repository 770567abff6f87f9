#!/bin/sh
# Disputes about stop strings at a queue on localnet: a node whose answer stops
# where no stop string ends loses against apus dispute; over a right answer the
# node's apus drain shows and proves what a challenger doubts, and wins.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/localnet.sh"
worker=$(dirname "$apus")/apus-worker
mkdir node challenger

net_queue info
"$apus" queue set Window=86400 Turn=3600 >out 2>err
dapp=$net/dapp.json

# An answer of the node to a request with a stop string: its batch is $batch.
answer() { # STOP
    printf 'What is 6 + 24?' | net_says Action=Infer \
        "X-Options={\"max_tokens\":5,\"temperature\":0,\"stop\":[\"$1\"]}"
    request=$(netcall id <item.bin)
    batch=$(net_node pull 2>>err | sed 's/[[:space:]].*//')
    "$worker" --alone --spool "$tmp/node" -- "$batch" >out 2>err && r=0 || r=1
    report $r "an answer to a request with the stop string \"$1\""
}
publish() {
    net_node push -- "$batch" >out 2>err && r=0 || r=1
    report $r "is pushed"
    item=$(sed -n 's/.*"item":"\([^"]*\)".*/\1/p' \
        "$tmp/node/sent/b$batch/items.jsonl")
}

# ---- a stop where no string is -----------------------------------------------
answer xyz
APUS_LIBEXEC=$(dirname "$apus") "$(dirname "$apus")/tests/forge" \
    output-stopped 0 "$tmp/node/done/b$batch" >out 2>err && r=0 || r=1
report $r "which the node cuts, as if it were there"
publish
gives 0 "what its challenger would do" dispute --spool "$tmp/challenger" \
    --wallet "$dapp" --dry "$item"
has out '^first.pick.stop 3$' "it would doubt the end"
moves=0
: >moves
while [ $moves -lt 20 ]; do
    moves=$((moves + 1))
    rc=0
    "$apus" dispute --spool "$tmp/challenger" --wallet "$dapp" "$item" >out \
        2>err || rc=$?
    cat out >>moves
    [ $rc = 75 ] || break
    net_node drain >drained 2>&1 || :
done
[ $rc = 0 ] && r=0 || r=1
report $r "the dispute ends after $moves rounds"
cp moves out
has out 'node.shows stops' "texts of the last tokens were shown"
has out '^verdict.fault: .*statement 17$' "and no stop string ends there"
"$apus" queue allow -- "$("$apus" wallet show "$net/wallet.json")" >out 2>err
"$apus" request --cancel "$request" --wallet "$dapp" >out 2>err || :

# ---- a right answer ----------------------------------------------------------
answer '6'
publish
gives 0 "an honest answer" dispute --spool "$tmp/challenger" --wallet "$dapp" \
    --dry "$item"
has out '^first.pick.none' "differs in nothing"
net_says Action=Challenge "Request=$request" </dev/null
dispute=$(net_tag Dispute)
number=1
for choice in "stop 0" 0 0 end; do
    net_node drain >out 2>&1 && r=0 || r=1
    [ "$choice" != end ] || break
    net_says Action=Pick "Dispute=$dispute" Number=$number "Choice=$choice" \
        </dev/null
    [ "$(net_tag Code)" = 200 ] || r=1
    report $r "\"$choice\" is answered and picked"
    number=$((number + 2))
done
has out 'this node proves statement 17 and won' "the node has won"
finish
