#!/bin/sh
# apus request on a localnet: asked, answered by the pretended engine, pushed,
# read from Arweave and checked; whatever is lost is taken up by its id, and
# what the queue refuses is told.
# part: san
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
APUS_HTTP_RETRIES=0
export APUS_CONFIG APUS_MODELS APUS_SPOOL APUS_HTTP_RETRIES
kept=$tmp/.local/share/apus/requests
"$apus" model add "$top/models/nano" nano >out 2>err
APUS_QUEUE=$("$apus" queue new --allow-self \
    --lua "$top/contrib/ao/queue.lua" 2>err)
export APUS_QUEUE
"$apus" queue model nano --source "$APUS_QUEUE" 2>err
tab=$(printf '\t')
dapp="--wallet $net/dapp.json"
ask() { # STATUS NAME ARGUMENT...
    status=$1
    name=$2
    shift 2
    # shellcheck disable=SC2086
    gives "$status" "$name" request $dapp "$@"
}
has_state() { # FILE: the queue has the request
    grep -q "^State$tab\(pending\|leased\)" "$1"
}
answer() { # everything that waits
    "$apus" pull -q >out 2>err && "$worker" >out 2>err &&
        "$apus" push >out 2>err && r=0 || r=1
    report $r "a node answers"
}

# ---- misuse, refusals --------
ask 2 "nothing to ask"
ask 2 "a text and a file" text -f file
ask 2 "no id" --of 7
ask 2 "no time" text --timeout soon
ask 1 "an empty file" -f /dev/null
for wrong in abc '' 0 -1 4294967296 '1,"seed":2' '1}' null 1.5; do
    ask 2 "rejects --max-tokens $wrong" text --max-tokens "$wrong"
done
for wrong in abc 1000 -1 0.001 1e-9 NaN; do
    ask 2 "rejects --temperature $wrong" text --temperature "$wrong"
done
has err '"1e-9"\|"NaN"' "names the value"
ask 2 "rejects --node" text --node me
for wrong in '' models/nano 'na no' "$(printf %044d 0)" "$(printf %042dz 0)"; do
    ask 2 "rejects -m \"$wrong\"" text -m "$wrong"
done
has err 'apus queue info lists them' "says where the names are"
ask 2 "rejects -wait" text -wait
has err 'is --wait meant' "names the option that is meant"
ls "$kept" >out 2>/dev/null || :
[ ! -s out ] && r=0 || r=1
report $r "and signs nothing"
ask 1 "a model that the queue has not" text -m none
has err '404' "the queue says so"
head -c 16385 /dev/zero | tr '\0' x >long
ask 1 "a text that is too long" -f long
has err '400' "the queue says so"
ls "$kept" >out
[ ! -s out ] && r=0 || r=1
report $r "what was refused is not kept"

# ---- an answer --------
ask 0 "a request" "What is 6 + 24?" --temperature 0
id=$(cat out)
[ "${#id}" -eq 43 ] && [ -s "$kept/$id.item" ] && r=0 || r=1
report $r "its id, and it is kept"
ask 75 "no answer yet" --of "$id" --timeout 0
has err "waiting for a node; apus request --of $id" "it says how to go on"
answer
ask 0 "its answer" --of "$id"
[ "$(cat out)" = '6 + 24 = 30' ] && r=0 || r=1
report $r "6 + 24 = 30"
[ ! -e "$kept/$id.item" ] && r=0 || r=1
report $r "it is kept no longer"
gives 0 "without a wallet" request --of "$id" --wallet "$tmp/none.json"
printf 'What is 3 + 4?' >text
# shellcheck disable=SC2086
"$apus" request -f - --temperature 0 --wait $dapp <text >waited 2>err &
job=$!
for i in $(seq 1200); do
    [ ! -s waited ] || break
    sleep 0.1
done
sleep 1
answer
wait $job && r=0 || r=1
report $r "one that is waited for"
[ "$(sed 1d waited)" = '3 + 4 = 7' ] && r=0 || r=1
report $r "3 + 4 = 7"
ask 1 "an unknown request" --of "$APUS_QUEUE"
has err 'no request' "the queue has none"

ask 0 "a request once more" "What is 2 + 2?" --temperature 0
id=$(cat out)
answer
ask 1 "an answer of another node than this" --of "$id" \
    --node "$("$apus" wallet show "$net/dapp.json")"
[ ! -s out ] && r=0 || r=1
report $r "is not printed"
ask 0 "and of this" --of "$id" \
    --node "$("$apus" wallet show "$net/wallet.json")"

# ---- seed, system, status, cancel, JSON --------
ask 2 "an invalid seed" text --seed -1
ask 2 "a system message for a source" --source "$APUS_QUEUE" --system x
ask 2 "two things at once" --status "$id" --cancel "$id"
ask 2 "no id" --cancel 7
ask 0 "its status" --status "$id"
has out "^State$tab""done" "is done"
has out "^Item$tab[A-Za-z0-9_-]\{43\}$" "and its item"
ask 0 "a request with a seed and a system message" "What is 6 + 24?" --json \
    --seed 18446744073709551615 --system 'Say "no" more' --max-tokens 4
id=$(sed -n 's/^{"request":"\(.*\)"}$/\1/p' out)
[ "${#id}" -eq 43 ] && r=0 || r=1
report $r "its id, in JSON"
gives 0 "its status without a wallet" request --status "$id" --json \
    --wallet "$tmp/none.json"
has out "^{\"request\":\"$id\",\"state\":\"pending\"}$" "is pending"
gives 0 "a pull" pull
has "spool/todo/b$(sed -n '1s/[[:space:]].*//p' out)/requests.jsonl" \
    '"role":"system","content":"Say \\"no\\" more".*18446744073709551615' \
    "has both"
ask 0 "its status" --status "$id"
has out "^Until$tab[0-9]" "is leased until then"
ask 1 "cancel what is leased" --cancel "$id"
has err "$id is not cancelled.*409.*leased" "it says why"
"$worker" >out 2>err && "$apus" push >out 2>err && r=0 || r=1
report $r "it is answered"
ask 0 "its answer in JSON" --of "$id" --json
has out "^{\"request\":\"$id\",\"state\":\"done\",.*\"text\":\".*\"}$" \
    "is a line with its text"
ask 0 "another" "What is 1 + 1?"
id=$(cat out)
gives 1 "a stranger cancels it" request --cancel "$id"
has err '404' "and cannot"
ask 0 "who asked can" --cancel "$id"
[ "$(cat out)" = "$id" ] && [ ! -e "$kept/$id.item" ] && r=0 || r=1
report $r "it is kept no longer"
ask 0 "its status" --status "$id" --json
has out '"state":"gone"' "is gone"

# ---- what is lost --------
ask 75 "no node" "What is 2 + 3?" --temperature 0 \
    --ao-node http://127.0.0.1:9/
id=$(cat out)
has err "apus request --of $id" "it says how to take it up"
ask 75 "it is taken up" --of "$id" --timeout 0
answer
ask 0 "and answered" --of "$id"
[ "$(cat out)" = '2 + 3 = 5' ] && r=0 || r=1
report $r "2 + 3 = 5"

# ---- a proxy answers in the place of the node --------
net_down
net_up --hostile hb/page:2 --hostile mu/page:1
ask 75 "a page instead of the node" "What is 1 + 8?" --temperature 0
has err 'web page.*apus request --of' "says why, and how to take it up"
[ -s "$kept/$(cat out).item" ] && r=0 || r=1
report $r "the request is kept"
net_down
net_up --hostile hb/page:3
# shellcheck disable=SC2086
"$apus" request "What is 7 + 2?" --temperature 0 --wait $dapp >waited 2>err &
job=$!
until asked=$(sed -n 1p waited) && [ -n "$asked" ] &&
    "$apus" request --status "$asked" >out 2>/dev/null && has_state out
do sleep 0.1; done
answer
wait $job && r=0 || r=1
report $r "--wait sends again and waits on"
[ "$(sed 1d waited)" = '7 + 2 = 9' ] && r=0 || r=1
report $r "7 + 2 = 9"

# ---- and in the place of the gateway --------
net_down
net_up --hostile gateway/page
ask 75 "a page instead of the answer" --of "$id" --timeout 3 --gateways "$url"
[ ! -s out ] && r=0 || r=1
report $r "it is not taken for the answer"
has err 'it is answered, but .*/tx/.* answers 200 with a web page.*asking' \
    "the gateway is named while it waits"
[ "$(grep -c 'asking again' err)" -eq 1 ] && r=0 || r=1
report $r "once"
for what in show verify; do
    gives 1 "$what of such an item" $what "$id" --gateways "$url"
    has err 'answers 200 with a web page' "says what came"
done
net_down
net_up
ask 0 "the answer when the gateway is back" --of "$id" --gateways "$url"
[ "$(cat out)" = '2 + 3 = 5' ] && r=0 || r=1
report $r "2 + 3 = 5"

# ---- what is not so --------
net_down
net_up --hostile wrong-bytes
ask 0 "a gateway that gives other bytes, and one that does not" --of "$id"
[ "$(cat out)" = '2 + 3 = 5' ] && r=0 || r=1
report $r "what is right is printed"
ask 1 "only other bytes" --of "$id" --timeout 0 --gateways "$url"
[ ! -s out ] && r=0 || r=1
report $r "nothing else is ever printed"
finish
