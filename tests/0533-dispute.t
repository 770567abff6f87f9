#!/bin/sh
# Disputes at a queue on localnet: a node that computed one element wrongly
# loses against apus dispute, which is ended and goes on; over an honest answer
# nothing can be opened, and a node whose answer was changed after it was
# computed concedes.
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/localnet.sh"
forge() { APUS_LIBEXEC=$(dirname "$apus") "$(dirname "$apus")/tests/forge" \
    "$@"; }
crashes=$(grep '^#define APUS_CRASH_TESTS 1' "$(dirname "$apus")/config.h" ||
    :)
worker=$(dirname "$apus")/apus-worker
fault=9/0/q/5
mkdir node challenger

net_queue info
gives 0 "answers can be disputed for a day" queue set Window=86400 Turn=3600
gives 2 "a name that Set has not" queue set Widow=1
gives 1 "a value that it has not" queue set Window=x

# An answer of the node, with a fault: $item is its result, $request the
# request's id.
answer() { # [PLACE]
    request=$("$apus" request "3 + $n =" --temperature 0 --max-tokens 4 \
        --wallet "$net/dapp.json" 2>err)
    batch=$(net_node pull 2>>err | sed 's/[[:space:]].*//')
    "$worker" --alone --spool "$tmp/node" ${1:+--pretend-fault "$1"} \
        -- "$batch" >out 2>err && r=0 || r=1
    report $r "an answer${1:+ with a fault at $1}"
}
publish() {
    net_node push -- "$batch" >out 2>err && r=0 || r=1
    report $r "is pushed"
    item=$(sed -n 's/.*"item":"\([^"]*\)".*/\1/p' \
        "$tmp/node/sent/b$batch/items.jsonl")
}
# A step of the challenger.
challenger() { # STATUS NAME ARGUMENT...
    want=$1
    name=$2
    shift 2
    gives "$want" "$name" dispute --spool "$tmp/challenger" \
        --wallet "$net/dapp.json" "$@"
}

# ---- nothing to dispute ------------------------------------------------------
answer
publish
gives 0 "it can be read" request --of "$request" --wallet "$net/dapp.json"
gives 0 "before it is final" request --status "$request"
has out '^State.answered' "which it is not yet"
challenger 0 "an honest answer" --dry "$item"
has out '^first.pick.none' "differs in nothing"
challenger 1 "is not disputed" "$item"
has err 'is what the model gives' "which is said"
challenger 2 "what is none" nothing

# ---- a node that finds its own answer wrong ----------------------------------
answer $fault
publish
challenger 75 "an answer with a fault" "$item"
challenger 0 "those that are open" list
has out 'challenger.request '"$request"'.move 0.turn node' "are listed"
net_node drain >drained 2>&1 || :
challenger 75 "the node has shown its records" "$item"
got=0
net_node drain >out 2>&1 || got=$?
[ $got = 1 ] && r=0 || r=1
report $r "a node that computes it again: exit status 1"
has out 'has another trace than its checkpoint' "sees it"
has out 'this node conceded and lost' "and concedes"
challenger 0 "the challenger" "$item"
has out '^verdict.fault' "has won"
"$apus" queue allow -- "$("$apus" wallet show "$net/wallet.json")" >out 2>err

# the same job again is computed: what the spool has of it was proven wrong
batch=$(net_node pull 2>>err | sed 's/[[:space:]].*//')
"$worker" --alone --spool "$tmp/node" -- "$batch" >out 2>err
publish
"$apus" request --status "$request" --wallet "$net/dapp.json" >out 2>err
has out '^State.answered' "a node that is allowed again answers it rightly"

# ---- a fault -----------------------------------------------------------------
answer $fault
publish
challenger 0 "what it would do" --dry "$item"
has out '^first.pick.trace' "it would look at the trace"
dispute=$(sed -n 's/^dispute.//p' out)
# ended before each of its writes, where the build can do that
writes=0
rc=134
while [ -n "$crashes" ] && [ $rc != 75 ] && [ $writes -lt 40 ]; do
    writes=$((writes + 1))
    rc=0
    APUS_CRASH=$writes "$apus" dispute --spool "$tmp/challenger" \
        --wallet "$net/dapp.json" "$item" >out 2>err || rc=$?
done
[ -z "$crashes" ] || [ $rc = 75 ] && r=0 || r=1
report $r "the command that opens it is ended $writes times"
challenger 75 "the dispute is open" "$item"
"$apus" dispute list --wallet "$net/dapp.json" >out 2>err
has out "^$dispute" "under the id that was said"
moves=0
: >moves
while [ $moves -lt 20 ]; do
    moves=$((moves + 1))
    net_node drain --pretend-fault $fault >drained 2>&1 || :
    rc=0
    "$apus" dispute --spool "$tmp/challenger" --wallet "$net/dapp.json" \
        "$dispute" >out 2>err || rc=$?
    cat out >>moves
    [ $rc = 75 ] || break
done
cp moves out
[ $rc = 0 ] && r=0 || r=1
report $r "it ends after $moves rounds, and the judge agrees"
has out '^verdict.fault: .*statement [67]$' "a product or a sum is wrong"
has out 'node.shows piece' "what the node showed is reported"
challenger 0 "once more" "$item"
has out '^verdict.won' "it is over"
"$apus" request --status "$request" --wallet "$net/dapp.json" >out 2>err
has out 'pending' "the request waits for another node"
finish
