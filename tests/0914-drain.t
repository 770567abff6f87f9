#!/bin/sh
# Rounds of apus drain that meet with trouble: what it must leave alone, what
# it must give up, what was refused once, damage, and another queue.
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/localnet.sh"

net_up && r=0 || r=1
report $r "the net is up"
ao_cu=$url/cu
. "$top/tests/network.sh"
queue_up
round() { # STATUS NAME ARGUMENT...: of node A, all of it in out
    want=$1
    name=$2
    shift 2
    got=0
    : >A.log
    drain A "$@" || got=$?
    cp A.log out
    [ $got -eq "$want" ] && r=0 || r=1
    report $r "$name: exit status $want"
}
in_state() { # STATE NAME
    set -- "$1" "$2" "$tmp/A/$1"/b*
    [ -d "$3" ] && r=0 || r=1
    report $r "$2"
}
silent() {
    [ ! -s out ] && r=0 || r=1
    report $r "$1"
}

# ---- a file whose model has only a path -------------------------------------
printf '{"custom_id":"f","method":"POST","url":"/v1/completions",' >f.jsonl
printf '"body":{"prompt":"1 + 1 =","max_tokens":4}}\n' >>f.jsonl
APUS_SPOOL=$tmp/A "$apus" submit f.jsonl -m "$top/models/nano" \
    --launcher local --todo >out 2>err
mkdir none
round 0 "a file for apus run" --queue '' --models "$tmp/none"
silent "is not spoken of"
in_state todo "and left where it is"
rm -rf "$tmp"/A/todo/b*

# ---- a worker that gets nowhere ----------------------------------------------
# beside a copy of apus; it begins a start and fails
mkdir bin
cp "$apus" "$(dirname "$apus")/apus-part-index" bin
cat >bin/apus-worker <<'END'
#!/bin/sh
for id; do :; done
for i in 0 1 2 3 4 5 6 7 8 9; do
    mkdir "$FAKE_SPOOL/todo/b$id/a00$i" 2>/dev/null && break
done
exit 1
END
chmod +x bin/apus-worker
FAKE_SPOOL=$tmp/A
export FAKE_SPOOL
ask 1
real=$apus
apus=$tmp/bin/apus
for i in 1 2 3; do
    round 1 "a worker that fails, $i"
done
in_state todo "it may yet be tried"
round 1 "after three"
grep -q 'got nowhere' out && r=0 || r=1
report $r "it is given up"
in_state failed "and in failed"
apus=$real
rm -rf "$tmp"/A/failed/b*
[ "$("$apus" queue info | sed -n "s/^[Pp]ending$tab//p")" = 1 ] && r=0 || r=1
report $r "its request waits for another"
round 0 "with a worker that works"
[ "$(done_count)" = 0 ] && r=0 || r=1
report $r "it comes to this node later"
drain B && [ "$(done_count)" = 1 ] && r=0 || r=1
report $r "another answers it"

# ---- a queue that was paused -------------------------------------------------
ask 1
mkdir -p A
"$apus" pull --spool "$tmp/A" --wallet A.json >out 2>err
"$(dirname "$apus")/apus-worker" --alone --spool "$tmp/A" \
    -- "$(sed -n '1s/[[:space:]].*//p' out)" >out 2>err </dev/null
"$apus" queue pause all >out 2>err
round 75 "a queue that is paused"
in_state 'done' "keeps its batch waiting"
"$apus" queue pause no >out 2>err
set -- "$tmp"/A/done/b*/part-0000.h5
cp "$1" part.h5
truncate -s -100 "$1"
round 3 "a damaged checkpoint"
grep -q 'apus seal --again' out && r=0 || r=1
report $r "is named with its remedy"
in_state 'done' "and stays"
cp part.h5 "$1"
round 0 "once it is whole"
[ "$(done_count)" = 2 ] && r=0 || r=1
report $r "it takes the answer"

# ---- another queue -----------------------------------------------------------
ask 1
"$apus" pull --spool "$tmp/A" --wallet A.json >out 2>err
other=$("$apus" queue new --allow-self --lua "$top/contrib/ao/queue.lua" \
    2>err)
set -- "$tmp"/A/todo/b*/lease
sed 's/"taken":"[^"]*"/"taken":"1700000000"/' "$1" >lease
cp lease "$1"
mv "$1" kept
APUS_QUEUE=$other
mv kept "$1"
cat >bin/apus-worker <<'END'
#!/bin/sh
exit 75
END
apus=$tmp/bin/apus
round 75 "with another queue in the settings"
grep -q 'lease is over' out && r=1 || r=0
report $r "the lease is not called over"
grep -q '"taken":"1700000000"' "$1" && r=1 || r=0
report $r "but renewed where it was taken"
finish
