#!/bin/sh
# Who asks with a key of Ethereum: items of tests/ethereum_item.py, signed with
# the key of EIP-155's example, through messenger and node; what the process
# sees, the answer that goes back to the address, and what is refused.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/localnet.sh"
if ! python3 -c 'pow(2, -1, 5)' 2>/dev/null; then
    echo "1..0 # SKIP no python3, or one before 3.8"
    exit 0
fi
octets='Content-Type: application/octet-stream'
key=4646464646464646464646464646464646464646464646464646464646464646
mine=0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F
ethereum() { python3 "$top/tests/ethereum_item.py" "$@"; }

[ "$(ethereum address $key)" = $mine ] && r=0 || r=1
report $r "the address of EIP-155's example"
printf x | ethereum sign $key - a=b >item
gives 1 "an item" verify --item item
has out "its signature.*good\$" "is signed"
net_up && r=0 || r=1
report $r "a localnet"
[ $r -eq 0 ] || finish
APUS_CONFIG=$net/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_HTTP_RETRIES=1
APUS_AO_NETWORK=legacynet
export APUS_CONFIG APUS_MODELS APUS_SPOOL APUS_HTTP_RETRIES APUS_AO_NETWORK
model=$("$apus" model add "$top/models/nano" nano 2>err)
queue=$("$apus" queue new --allow-self --lua "$top/contrib/ao/queue.lua" \
    2>err)
APUS_QUEUE=$queue
export APUS_QUEUE
gives 0 "a model" queue model nano --source "$queue"

say() { # TAG... <data: by the key of Ethereum, to the queue
    ethereum sign $key "$queue" Data-Protocol=ao Variant=ao.TN.1 \
        Type=Message "$@" >item
}
post() { # what the queue says is in out
    id=$(netcall id <item)
    netcall post "$url/mu" "$octets" <item >answer
    netcall get "$url/cu/result/$id?process-id=$queue&no-busy=1" >out
}

# ---- a wallet that the net does not know --------
say Action=Infer X-Model=nano <item
wallet=$(ethereum wallet $key)
netcall post "$url/mu" "$octets" <item >answer
has answer '^403' "an unknown wallet is refused"
has answer "$wallet.*not made by this localnet" "by its name"
has answer "an empty file wallets/$wallet .* lets it in" "with the remedy"
netcall post "$url/bundler/v1/tx" "$octets" <item >answer
has answer '^400' "by the bundler, too"
: >"$net/wallets/$wallet"

# ---- to the messenger --------
printf 'What is 3 + 4?' | say Action=Infer X-Model=nano X-Reference=r1 \
    'X-Options={"max_tokens":4}'
post
has out '"cache","value":{"pending":"1"}' "is taken by the process"
first=$id
gives 0 "the queue" queue info
has out '^Pending.1$' "it waits"
{ head -c 2 item && head -c 20 /dev/zero && tail -c +23 item; } >other
netcall post "$url/mu" "$octets" <other >answer
cp answer out
has out "valid and signed data item" "a signature of somebody else is refused"

# ---- to a node --------
printf 'What is 5 + 4?' | say Action=Infer X-Model=nano X-Reference=r2
netcall post "$url/hb/$queue~process@1.0/push" "$octets" <item >out
has out '^200' "a node takes it"
second=$(netcall id <item)
printf x | say Action=Info
post
has out "\"Target\":\"$mine\".*Info-Response" \
    "a question is answered to the address of Ethereum"
printf x | say Action=Allow "Node=$model"
post
has out '"Allow-Response".*"403"' "what only the owner may is refused"

# ---- the answer --------
gives 0 "pull" pull
has out "2.$model" "both requests"
grep -q "\"custom_id\":\"$first\"" spool/todo/b*/requests.jsonl &&
    grep -q "\"custom_id\":\"$second\"" spool/todo/b*/requests.jsonl &&
    r=0 || r=1
report $r "by their ids"
gives 0 "answer and push" drain
for i in 1 2 3; do
    netcall post "$url/mine/20" "$octets" </dev/null >answer
    "$apus" drain >out 2>err || :
done
gives 0 "the queue again" queue info
has out '^Done.2$' "both are answered"
netcall get "$url/cu/results/$queue?sort=DESC&limit=20" >out
has out "Infer-Response.*$mine\|$mine.*Infer-Response" \
    "and the answer goes to that address"
finish
