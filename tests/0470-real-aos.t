#!/bin/sh
# The client against the module that AO runs, over HTTP: a queue is spawned,
# a request left, pulled, answered by nano, pushed and read.  Gateway and
# bundler are localnet's, messenger and compute unit tests/aos-run/aos-net.mjs.
# Needs APUS_WITH_NPM=1 (tests/npm.sh).
set -eu
. "${top_srcdir:-.}/tests/aos-run.sh"
. "$top/tests/scenario.sh"
. "$top/tests/localnet.sh"
worker=$(dirname "$apus")/apus-worker

trap 'aos_net_down; net_down; scratch_end' EXIT
net_up && r=0 || r=1
report $r "gateway and bundler"
[ $r -eq 0 ] || finish
aos_net_up && r=0 || r=1
report $r "messenger and compute unit"
[ $r -eq 0 ] || finish

APUS_CONFIG=$net/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_AO_NETWORK=legacynet
APUS_AO_MU=$ao
APUS_AO_CU=$ao
export APUS_AO_NETWORK
export APUS_CONFIG APUS_MODELS APUS_SPOOL APUS_AO_MU APUS_AO_CU
dapp="--wallet $net/dapp.json"
ask() { # STATUS NAME ARGUMENT...
    status=$1
    name=$2
    shift 2
    # shellcheck disable=SC2086
    gives "$status" "$name" request $dapp "$@"
}

"$apus" model add "$top/models/nano" nano >out 2>err
gives 0 "spawn a queue" queue new --allow-self \
    --lua "$top/contrib/ao/queue.lua"
APUS_QUEUE=$(cat out)
export APUS_QUEUE
gives 0 "register a model" queue model nano --source "$APUS_QUEUE"
# shellcheck disable=SC2086
gives 1 "a stranger cannot pause it" queue pause $dapp
has err '403\|does not allow' "it says so"
ask 0 "a request" "What is 6 + 24?" --temperature 0
id=$(cat out)
ask 1 "one that is refused" "What?" -m nobody
has err '404' "with the reason"
gives 0 "what the queue says" queue info
has out "^Pending.1$" "one waits"
gives 0 "pull it" pull
grep -q "$id" spool/todo/b*/requests.jsonl && r=0 || r=1
report $r "it is in todo"
gives 0 "nothing waits then" pull -q
"$worker" >out 2>err && r=0 || r=1
report $r "nano answers"
gives 0 "push it" push
ask 0 "its answer" --of "$id"
[ "$(cat out)" = '6 + 24 = 30' ] && r=0 || r=1
report $r "6 + 24 = 30"
gives 0 "what the queue says then" queue info
has out "^Done.1$" "one is done"
finish
