#!/bin/sh
# apus doctor on localnet: all in order, and each check of what is elsewhere
# (wallet, gateways, clock, bundler, queue) failing once, with its remedy.  The
# checks of this machine are in 0346-doctor.t.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/localnet.sh"
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_LAUNCHER=local
APUS_HTTP_RETRIES=0
export APUS_CONFIG APUS_MODELS APUS_SPOOL APUS_LAUNCHER APUS_HTTP_RETRIES
# ranks that poll for each other, fifty times, are most of the time that a
# doctor takes, and stand still where something else has the cores
mkdir bin
printf '#!/bin/sh\necho rank 0 of 2 on here\n' >bin/mpirun
chmod +x bin/mpirun
PATH=$tmp/bin:$PATH
export PATH

# The doctor says this of the check, with a remedy that has the pattern.
finds() { # STATUS CHECK PATTERN REMEDY NAME ARGUMENT...
    status=$1 check=$2 pattern=$3 remedy=$4 name=$5
    shift 5
    [ "$status" = bad ] && want=3 || want=0
    gives $want "$name" doctor "$@"
    has out "^$status.$check.*$pattern.*remedy: .*$remedy" "$name: it says so"
}

net_up && r=0 || r=1
report $r "localnet is up"
APUS_CONFIG=$net/apus.conf
"$apus" model add "$top/models/nano" nano >out 2>err
model=$("$apus" model list | cut -f 2)
queue=$("$apus" queue new --lua "$top/contrib/ao/queue.lua" 2>err) && r=0 ||
    r=1
report $r "a queue"
node=$(netcall address "$net/wallet.json")

# ---- wallet -----------------------------------------------------------------
gives 0 "no queue" doctor
has out '^skipped.queue.none is set' "only files are answered"
has out "^ok.wallet.*address $node" "the wallet"
finds bad wallet 'no such file' 'apus wallet new makes it' \
    "a wallet that is named and missing" --wallet "$tmp/none.json"
has out '^skipped.balance' "nobody's balance is asked"
sed /^wallet/d "$net/apus.conf" >conf
APUS_CONFIG=$tmp/conf
if [ ! -e /etc/apus/wallet.json ]; then
    gives 0 "no wallet for files alone" doctor
    has out '^skipped.wallet' "is fine"
    finds bad wallet 'no wallet' 'apus wallet new' "no wallet for a queue" \
        --queue "$queue"
    has out '^skipped.node' "nobody is allowed"
fi
cp "$net/wallet.json" other.json
chmod 644 other.json
finds bad wallet 'the mode 644' 'chmod 600' "a wallet that all can read" \
    --wallet "$tmp/other.json"
echo '{"kty":"EC","crv":"P-256","x":"AA","y":"AA","d":"AA"}' >ec.json
chmod 600 ec.json
finds bad wallet 'an EC key' 'RSA-4096.*apus wallet new' \
    "a wallet of another kind" --wallet "$tmp/ec.json"
APUS_CONFIG=$net/apus.conf
gives 0 "with a wallet" doctor
has out "^ok.ledger.*$net/ledger" "where payments are put down"
: >"$net/ledger"
finds warning ledger 'of this spool alone' 'set ledger to a directory' \
    "a ledger that is not shared"
finds bad ledger 'is not a directory' 'set ledger' "a ledger that is a file" \
    --ledger "$net/ledger"
rm "$net/ledger"

# ---- gateways and bundler ---------------------------------------------------
nobody=http://127.0.0.1:1
finds bad gateway "$nobody" 'set gateways' "a gateway that does not answer" \
    --gateways "$nobody $url"
has out "^ok.gateway.*$url" "the other one does"
has out '^ok.clock' "and tells the time"
gives 3 "none that answers" doctor --gateways "$nobody $nobody"
has out '^skipped.clock' "nobody tells the time"
finds warning gateway 'only one' 'a second one' "one gateway" \
    --gateways "$url"
finds bad gateway 'none is set' 'set gateways' "no gateway" --gateways ' '
finds bad bundler 'answers 404' 'set bundler' "a URL of another thing" \
    --bundler "$url"
finds bad bundler "$nobody" 'set bundler' "a bundler that does not answer" \
    --bundler "$nobody"
finds bad bundler 'bundler-payment' 'set bundler' "no URL" \
    --bundler-payment nowhere
finds bad balance "$nobody" 'bundler-payment' "nobody tells the balance" \
    --bundler-payment "$nobody"
finds bad receipts "signs its receipts, and it was $node" 'ask whoever' \
    "another signer than is set" --bundler-key "$node"
sed '/^bundler-key/d' "$net/apus.conf" >conf
APUS_CONFIG=$tmp/conf
gives 0 "no signer is known" doctor
has out '^ok.receipts.the first push will pin' "it says so"
for d in tmp todo running done sending sent failed; do
    mkdir -p spool/$d
done
echo "$url/bundler $node" >spool/bundler-key
finds bad receipts 'SPOOL/bundler-key' 'ask whoever' \
    "another signer than is pinned"
signer=$(netcall address "$net/localnet.json")
echo "$url/bundler $signer" >spool/bundler-key
gives 0 "the one that is pinned" doctor
has out "^ok.receipts.$signer signs them" "is right"
APUS_CONFIG=$net/apus.conf

# ---- queue ------------------------------------------------------------------
finds bad queue '43 characters' 'apus queue new printed' "no id" --queue abc
finds bad queue '.' 'ao-network' "a process that is not there" --queue "$model"
finds bad queue "$nobody" 'ao-network' "a unit that does not answer" \
    --queue "$queue" --ao-node "$nobody"
finds bad queue "$nobody" 'ao-network' "nor one of the legacynet" \
    --queue "$queue" --ao-network legacynet --ao-cu "$nobody"
finds bad queue '.' 'ao-network' "a network without its node" \
    --queue "$queue" --ao-node ''
APUS_QUEUE=$queue
export APUS_QUEUE
finds bad node 'does not allow this node' 'apus queue allow' \
    "a node that is not allowed"
has out "^bad.node.*allow.*$node" "its address is there"
has out '^bad.served.*none of the models' "a queue without models"
# the remedies, as they are told
# shellcheck disable=SC2046
gives 0 "its owner allows it" $(sed -n \
    's/^bad.node.*remedy: its owner: apus //p' out)
gives 3 "still without a model" doctor
has out "^ok.node.the queue allows $node" "it is allowed"
has out '^bad.served.*remedy: .*apus queue model' "no model"
gives 0 "its owner adds one" queue model nano --source "$model"
gives 0 "all is in order" doctor
has out '^ok.served.*for 1 of the models' "the model"
has out '^ok.queue.it answers, 0 requests' "the queue"
has out '^ok.balance.[0-9]' "the balance"
grep -q '^bad\|^warning' out && r=1 || r=0
report $r "nothing is wrong"
gives 0 "a window for disputes" queue set Window=86400 Turn=21600
gives 0 "nothing was sent" doctor
grep -q '[[:space:]]drain[[:space:]]' out && r=1 || r=0
report $r "drain needs not run"
mkdir "spool/sent/b$model"
finds warning drain 'never ran' 'cron line' "an answer was sent"
drained() { # AGE GAP
    printf '{"format":"apus-drained-1","at":"%s","gap":"%s"}\n' \
        $(($(date +%s) - $1)) "$2" >spool/drained
}
drained 1200 1800
gives 0 "cron runs each half an hour" doctor
has out '^ok.drain.the last round was 20 min ago.* every 30 min' "is enough"
finds warning checkpoints 'would remove .* wanted for 8 days' 'apus drain' \
    "a drain of an earlier version knows no Window"
drained 2400 600
finds warning drain 'was 4[01] min ago' 'apus drain every 30 min' \
    "the last round is too long ago"
drained 60 3600
finds warning drain '60 min after the one before' 'every 30 min' \
    "cron runs once an hour"
gives 0 "a shorter turn" queue set Turn=3600
drained 60 600
finds warning drain '10 min after' 'every 5 min' "wants more rounds"
echo '{' >spool/drained
finds warning drain 'is damaged' 'apus drain' "a file that is damaged"
gives 0 "a round" drain
gives 0 "has noted its time" doctor
has out '^ok.drain.the last round was 0 min ago' "in that file"
has out '^ok.checkpoints.*for 8 days' "and the Window"
gives 0 "turns of 2 days" queue set Turn=172800
finds warning checkpoints 'wanted for 19 days' 'apus drain' \
    "keep an answer longer than drain knows"
gives 0 "another round" drain
gives 0 "knows them" doctor
has out '^ok.checkpoints.*for 19 days' "from the queue"
gives 0 "turns of an hour again" queue set Turn=3600
gives 0 "and a round" drain
gives 0 "do not shorten it" doctor
has out '^ok.checkpoints.*for 19 days' "as long as a dispute may run"
printf '{"format":"apus-drained-2","at":"%s","gap":"600","window":"86400"}\n' \
    "$(date +%s)" >spool/drained
gives 0 "a file without a Turn" doctor
has out '^ok.checkpoints.*for 8 days' "is read"
rm -r spool/sent/b*
gives 0 "its owner revokes it" queue revoke -- "$node"
finds bad node 'allows this node no longer' 'apus queue allow' \
    "a node that is revoked"
gives 0 "its owner allows it again" queue allow -- "$node"
gives 0 "its owner pauses it" queue pause yes
finds warning queue 'it is paused (yes)' 'apus queue pause no' "paused"

# ---- what only the net can do -----------------------------------------------
net_down
net_up --hostile clock-ahead --hostile empty-account
finds bad clock '\(599\|60[0-9]\) s ahead of it' 'set this machine' \
    "a clock that is 10 minutes off"
has out "^warning.balance.*$node has no credits.*remedy: buy" "no credits"
finish
