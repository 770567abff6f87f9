#!/bin/sh
# Both sides of a dispute on localnet, ended before each of their writes: apus
# watch from the statement to the verdict, and the node's drain.  What runs
# again goes on; nothing is lost, and no move comes with two contents.  A build
# with --enable-crash-tests can end them.
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/localnet.sh"
worker=$(dirname "$apus")/apus-worker
fault=9/0/q/5
grep -q '^#define APUS_CRASH_TESTS 1' "$(dirname "$apus")/config.h" || {
    echo "1..0 # SKIP built without --enable-crash-tests"
    exit 0
}
mkdir node watcher

net_queue warning
"$apus" queue set Window=86400 \
    Challengers="$(netcall address "$net/dapp.json")" >out 2>err
for i in 1 2; do
    "$apus" request "$i + 3 =" --temperature 0 --max-tokens 4 \
        --wallet "$net/dapp.json" >out 2>err
done
batch=$("$apus" pull --spool "$tmp/node" 2>>err | sed 's/[[:space:]].*//')
"$worker" --alone --spool "$tmp/node" --pretend-fault $fault -- "$batch" \
    >out 2>err
"$apus" push --spool "$tmp/node" -- "$batch" >out 2>err && r=0 || r=1
report $r "two wrong answers are published"

# Run a command until it is not ended; its status is in $rc, and how often it
# was ended is added to $ends.
ends=0
over_and_over() { # COMMAND...
    writes=0
    rc=134
    while [ $rc = 134 ] || [ $rc = 137 ]; do
        writes=$((writes + 1))
        rc=0
        APUS_CRASH=$writes "$@" >>said 2>err || rc=$?
    done
    ends=$((ends + writes - 1))
}
: >said
rounds=0
open=yes
while [ $open = yes ] && [ $rounds -lt 24 ]; do
    rounds=$((rounds + 1))
    over_and_over "$apus" watch --once --challenge --rate 1 \
        --spool "$tmp/watcher" --wallet "$net/dapp.json"
    [ $rc = 75 ] || [ $rounds = 1 ] || open=no
    [ $open = no ] || over_and_over "$apus" drain --spool "$tmp/node" \
        --wallet "$net/wallet.json" --pretend-fault $fault
done
cp said out
[ $open = no ] && [ $rc = 0 ] && r=0 || r=1
report $r "nothing is open after $rounds rounds, ended $ends times"
[ $ends -ge 6 ] && r=0 || r=1
report $r "they were ended often enough"
set -- watcher/disputes/*.json
[ $# = 2 ] && [ "$(cat "$@" | grep -c '"state":"won"')" = 2 ] && r=0 || r=1
report $r "both disputes were won"

# ---- what the schedule has --------------------------------------------------
netcall get "$url/su/$APUS_QUEUE?limit=5000" >schedule
python3 -c '
import json, sys
text = open("schedule").read()
edges = json.loads(text[text.index("{"):])["edges"]
moves = {}
for e in edges:
    m = e["node"]["message"]
    tag = {t["name"]: t["value"] for t in m["tags"]}
    if tag.get("Action") not in ("Show", "Pick", "Prove"):
        continue
    key = tag["Dispute"], tag.get("Number")
    what = tag["Action"], tag.get("Choice"), m.get("data")
    if moves.setdefault(key, what) != what:
        print("another content:", key)
print("moves", len(moves))
' >out 2>&1 && ! grep -q another out && grep -q '^moves [1-9][0-9]' out &&
    r=0 || r=1
report $r "no move has two contents"
finish
