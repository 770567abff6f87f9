#!/bin/sh
# A node that lacks something: its requests wait for others, whatever is wrong
# and however often it drains; it pulls little until it has answered one; and
# a store of models that cannot be read ends no batch.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/localnet.sh"

net_up && r=0 || r=1
report $r "the net is up"
# shellcheck disable=SC2034 # network.sh
ao_cu=$url/cu
. "$top/tests/network.sh"
. "$top/tests/slow.sh"
queue_up
APUS_HTTP_RETRIES=0
export APUS_HTTP_RETRIES
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
is() { # NAME GOT EXPECTED
    [ "$2" = "$3" ] && r=0 || r=1
    [ $r -eq 0 ] || echo "$2, not $3" >>out
    report $r "$1"
}
count() { # NAME
    "$apus" queue info 2>/dev/null | sed -n "s/^$1$tab//p"
}
lost() { # what the file of the last rounds counts
    sed -n 's/.*"lost":"\([0-9]*\)".*/\1/p' A/rounds 2>/dev/null || :
}
source_at() { # leave a request whose text is on Arweave
    "$apus" request --source "$queue" --wallet "$net/dapp.json" >>of 2>err
}

# ---- workers that die before they make a start -------------------------------
mkdir bin
cp "$apus" bin/apus
printf '#!/bin/sh\nkill -9 $$\n' >bin/apus-worker
chmod +x bin/apus-worker
ask 1
real=$apus
apus=$tmp/bin/apus
for i in 1 2 3; do
    round 1 "a worker that dies at once, $i"
done
[ -d "$(echo A/todo/b*)" ] && r=0 || r=1
report $r "its batch is tried again"
# a part of apus is missing, so it cannot be sealed either
sed -i 's/"taken":"[^"]*"/"taken":"1700000000"/' A/todo/b*/lease
round 1 "without the program that reads parts"
has out 'cannot start .*apus-part-index' "it cannot be given up"
grep -q '"taken":"1700000000"' A/todo/b*/lease && r=0 || r=1
report $r "and what it keeps from others is not renewed"
cp "$(dirname "$real")/apus-part-index" bin
round 1 "after three"
has out 'starts' "it is given up"
apus=$real
is "its request waits" "$(count Pending)" 1
is "one round has given everything back" "$(lost)" 1
round 0 "the node again"
is "is not given it at once" "$(count Pending)" 1
drain B && r=0 || r=1
report $r "another node"
is "answers it" "$(done_count)" 1

# ---- a node without gateways -----------------------------------------------
: >of
none='--gateways http://127.0.0.1:9'
for i in 2 3; do
    source_at
    # shellcheck disable=SC2086
    round 0 "a node without gateways, $i" $none
    has out "goes back, for others" "gives a request back"
    is "and counts that" "$(lost)" $i
done
source_at
# shellcheck disable=SC2086
round 75 "after three such rounds" $none
has out 'one request an hour .*--resume' "it says so"
is "it tries one" "$(lost)" 4
ask 1
round 75 "the next round"
[ ! -s out ] && r=0 || r=1
report $r "has nothing to say"
is "and pulls nothing" "$(count Pending)" 4
"$apus" doctor --offline --spool "$tmp/A" --wallet "$tmp/A.json" >out 2>err || :
has out "^warning${tab}rounds.*--resume" "apus doctor knows"
sed 's/"pulled":"[^"]*"/"pulled":"1700000000"/
    s/"told":"[^"]*"/"told":"1700000000"/' A/rounds >rounds
cp rounds A/rounds
round 75 "an hour and a day later"
has out 'one request an hour' "it says so again"
is "one is answered" "$(done_count)" 2
[ ! -e A/rounds ] && r=0 || r=1
report $r "and that was that"
echo x >A/rounds
round 1 "a damaged file of rounds"
has out 'A/rounds" is damaged.*--resume' "is named, with what helps"
cp rounds A/rounds
ask 1
round 0 "a person who knows better" --resume
is "pulls as before" "$(done_count)" 3
while read -r id; do
    "$apus" request --of "$id" --timeout 1 --wallet "$net/dapp.json"
done <of >out 2>&1 || :
has out 'no answer yet\|is pending\|waits' "what it gave back waits"
grep -q 'any more' out && r=1 || r=0
report $r "all of it"

# ---- a store of models that cannot be read ---------------------------------
ask 1
"$apus" pull --spool "$tmp/A" --wallet A.json >out 2>err
mv models away
round 75 "no store"
has out 'is it mounted' "it says so"
mkdir models
round 75 "an empty store"
rmdir models
: >models
round 75 "no directory"
rm models
cp -r away models
rm models/*.apus
mkdir "models/$(ls away | grep apus)"
round 75 "no file"
for i in 1 2 3; do round 75 "however often, $i"; done
rm -r models
mv away models
round 0 "the store is back"
is "its batch is answered" "$(done_count)" 4
finish
