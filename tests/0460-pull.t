#!/bin/sh
# apus pull and apus queue on a localnet, with the real queue: what DApps have
# left becomes a batch, once; what cannot be had goes back; a file of requests
# is a batch of its own; a compute unit that lies is refused; HyperBEAM too.
# part: san
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/localnet.sh"

net_up && r=0 || r=1
report $r "a localnet"
[ $r -eq 0 ] || finish
APUS_CONFIG=$net/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_HTTP_RETRIES=1
APUS_AO_NETWORK=legacynet
export APUS_AO_NETWORK
export APUS_CONFIG APUS_MODELS APUS_SPOOL APUS_HTTP_RETRIES
dapp="--wallet $net/dapp.json"
tab=$(printf '\t')
octets='Content-Type: application/octet-stream'

todo() { # how many requests wait in todo
    cat spool/todo/b*/requests.jsonl 2>/dev/null | wc -l
}
count() { # NAME: a number of queue info
    "$apus" queue info 2>err | sed -n "s/^$1$tab//p"
}
is() { # NAME GOT EXPECTED
    [ "$2" = "$3" ] && r=0 || r=1
    echo "$2, not $3" >out
    report $r "$1"
}
message() { # TAG...: its id; of the DApp, without data
    netcall sign "$net/dapp.json" "$queue" Data-Protocol=ao \
        Variant=ao.TN.1 Type=Message "$@" </dev/null >item
    netcall post "$url/mu" "$octets" <item >out
    result=$url/cu/result/$(netcall id <item)
    netcall get "$result?process-id=$queue&no-busy=1" >answer
    netcall id <item
}
ask() { # ARGUMENT...: the id of a new request
    # shellcheck disable=SC2086
    "$apus" request $dapp "$@" 2>err
}

# ---- a queue --------
gives 1 "a pull without a queue" pull
has err 'apus queue new' "it says what to do"
gives 1 "no code" queue new --lua none.lua
has err 'queue.lua\|none.lua' "it names the file"
gives 0 "a new queue" queue new --lua "$top/contrib/ao/queue.lua"
queue=$(cat out)
APUS_QUEUE=$queue
export APUS_QUEUE
is "its id is 43 characters" "${#queue}" 43
gives 1 "a pull without a model" pull
has err 'apus model add' "it says what to do"
model=$("$apus" model add "$top/models/nano" nano 2>err)
gives 1 "a pull into a spool that was mistyped" pull --spool "$tmp/typo/spool"
has err 'no spool at ".*/typo/spool"' "names it"
[ ! -e typo ] && r=0 || r=1
report $r "and makes none"
gives 1 "a pull of a node that is not allowed" pull
has err "apus queue allow $("$apus" wallet show)" "it says who can do what"
is "nothing is left of it" "$(ls spool/tmp)" ""
# shellcheck disable=SC2086
gives 1 "a stranger allows a node" queue allow "$queue" $dapp
gives 0 "the owner allows this one" queue allow "$("$apus" wallet show)" \
    --max 50
gives 2 "no address" queue allow me
for wrong in 0 50001 x -1 1.5 ''; do
    gives 2 "rejects --max \"$wrong\"" queue allow --max "$wrong" -- "$queue"
done
gives 2 "rejects --block" queue revoke --block tomorrow -- "$queue"
has err '--block "tomorrow": 0 to 999999999999 expected' "says what it takes"
gives 2 "a model that is nowhere" queue model nano
gives 0 "a model" queue model nano --source "$queue"
gives 0 "what the queue says" queue info
has out "^model$tab$model${tab}nano$tab$queue${tab}1298756${tab}512$tab" \
    "it has the model"
has out "^node$tab$("$apus" wallet show)${tab}50${tab}0$tab" "and the node"
gives 0 "a pull where nothing waits" pull -q
[ ! -s out ] && [ ! -s err ] && r=0 || r=1
report $r "is silent with -q"

# ---- requests --------
for i in 1 2 3 4 5; do
    ask "What is $i + 4?" --max-tokens 4
done >ids
is "five requests wait" "$(count Pending)" 5
gives 2 "a lease that is too short" pull --ttl 5
has err '^apus: error: .*--ttl: lease = "5": .*, 600 to 86400 expected' \
    "it names the option and the range"
gives 1 "of a model that is not here" pull -m nothing
gives 0 "three of them" pull --max 3 --pull-max 2 -m nano
has out "${tab}3$tab$model\$" "it prints how many, and the model"
is "three are in todo" "$(todo)" 3
is "three are leased" "$(count Leased)" 3
gives 0 "the other two" pull
is "five are in todo" "$(todo)" 5
cat spool/todo/b*/requests.jsonl |
    sed 's/{"custom_id":"\([^"]*\)".*/\1/' | sort >got
sort ids >want
cmp got want >out 2>&1 && r=0 || r=1
report $r "they are those that were asked"
for b in spool/todo/b*; do
    [ -s "$b/lease" ] && [ -s "$b/wire/0000.item" ] && r=0 || r=1
    report $r "a lease and what was sent are kept"
done
gives 0 "revoke the node" queue revoke "$("$apus" wallet show)"
is "what it had goes back" "$(count Pending)" 5
gives 0 "allow it again" queue allow "$("$apus" wallet show)"
rm -r spool/todo/b*

# ---- sources --------
# two nodes: one alone ends nothing
gives 0 "allow another node" queue allow -- "$queue"
printf 'What is 7 + 8?' | netcall sign "$net/dapp.json" - A=b >item
source=$(netcall id <item)
netcall post "$url/bundler/v1/tx" "$octets" <item >out
good=$(ask --source "$source" --max-tokens 4)
bad=$(ask --source "$model" --max-tokens 4)
gives 0 "a pull with sources" pull
has spool/todo/b*/requests.jsonl \
    "\"$good\".*\"content\":\"What is 7 + 8?\"" "the text is on Arweave"
has err "$bad goes back, for others: " "one that is nowhere goes back"
is "all others are in todo" "$(todo)" 6
is "one waits again" "$(count Pending)" 1
gives 0 "the next pull" pull
has err 'comes to this node later' "is not given it again at once"
is "it waits for another node" "$(count Pending)" 1
gives 2 "drop what is not an id" queue drop "$bad"x
# shellcheck disable=SC2086
gives 1 "a stranger drops it" queue drop $dapp -- "$bad"
has err 'only the owner' "he may not"
gives 0 "its owner drops it" queue drop -- "$bad"
is "it waits no longer" "$(count Pending)" 0
gives 1 "drop it again" queue drop -- "$bad"
has err '404.*no such request' "it is gone"
# shellcheck disable=SC2086
gives 1 "who asked" request --of "$bad" --timeout 5 $dapp
has err "no request $bad (any more)" "learns that it is gone"
rm -r spool/todo/b*

# ---- a file of requests --------
lines=2000
[ -z "$long" ] || lines=100000
awk -v n=$lines 'BEGIN { for (i = 0; i < n; i++)
    printf "{\"custom_id\":\"q%d\",\"method\":\"POST\",\"url\":\"/v1/" \
        "completions\",\"body\":{\"prompt\":\"%d\"}}\n", i, i }' >file.jsonl
netcall sign "$net/dapp.json" - A=b <file.jsonl >item
source=$(netcall id <item)
netcall post "$url/bundler/v1/tx" "$octets" <item >out
# base64url of a hash: three hexadecimal digits are two of 64
sha=$(sha256sum <file.jsonl | awk '
    function digit(i) { return index("0123456789abcdef", substr(h, i, 1)) - 1 }
    function letter(v) { return substr(c, int(v) + 1, 1) }
    { c = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
      h = substr($1, 1, 64) "00"
      for (i = 1; i < 67; i += 3) {
          v = 256 * digit(i) + 16 * digit(i + 1) + digit(i + 2)
          t = t letter(v / 64) letter(v % 64)
      }
      print substr(t, 1, 43) }')
batch() { # SHA256 COUNT: an Infer-Batch
    message Action=Infer-Batch "X-Source=$source" "X-Count=$2" \
        "X-Sha256=$1" X-Model=nano
}
request=$(batch "$sha" $lines)
gives 0 "a pull of a file" pull
has out "${tab}$lines$tab$model\$" "it has all lines"
has spool/todo/b*/batch.json "\"kind\":\"batch\",\"request\":\"$request\"" \
    "it says which request that is"
cmp file.jsonl spool/todo/b*/requests.jsonl >out 2>&1 && r=0 || r=1
report $r "the file is what was asked"
rm -r spool/todo/b*
batch "$sha" 1999 >id
gives 0 "a file of another length" pull
has err "goes back: the file has $lines lines and not 1999" "goes back"
is "and is not a batch" "$(todo)" 0
message Action=Cancel "Request=$(cat id)" >out

# ---- a compute unit that lies --------
# another question than was asked (cu-false-requests) looks like any other:
# 0912 tells who finds out
cases='cu-twice cu-absurd-numbers'
[ -z "$long" ] || cases="$cases cu-wrong-ids cu-huge-prompt"
for case in $cases; do
    ask "What is 1 + 1?" >ids
    ask "What is 2 + 1?" >ids
    net_down
    net_up --hostile $case
    status=0
    "$apus" pull >out 2>err || status=$?
    [ $status -eq 1 ] && [ "$(todo)" -eq 0 ] && r=0 || r=1
    report $r "$case is refused"
    [ "$(grep -c 'error: ' err)" -eq 1 ] && r=0 || r=1
    report $r "$case: one message: $(sed -n 's/.*error: //p' err | cut -c1-60)"
    net_down
    net_up
    "$apus" pull -q >out 2>err || :
    [ "$(todo)" -ge 2 ] && r=0 || r=1
    report $r "$case: nothing is lost"
    rm -r spool/todo/b* 2>/dev/null || :
done

# ---- a messenger whose answers get lost, and limits --------
net_down
net_up --hostile lost-answer
ask "What is 3 + 1?" >ids
gives 0 "a pull whose answers are lost" pull
has out "${tab}1$tab$model\$" "it comes through"

# ---- HyperBEAM, as it answers today and as it did until 2025 --------
APUS_AO_NETWORK=hyperbeam
for form in '' --old-node; do
    net_down
    # shellcheck disable=SC2086
    net_up $form
    rm -rf spool/todo/b*
    ask "What is 4 + 1?" >ids
    gives 0 "a pull from a HyperBEAM node $form" pull
    has out "${tab}1$tab$model\$" "it comes through"
done
# an answer of neither form, to the pull and to what gives it back
net_down
net_up --hostile no-result:4
rm -rf spool/todo/b*
ask "What is 4 + 2?" --ao-network legacynet >ids
gives 1 "a node whose results are nowhere" pull
has err 'has results (outbox), and neither results.raw nor results.json.body' \
    "it says what is there instead"
has err 'what it leased goes back' "what was leased goes back"
has err 'message that gives back was sent.*cannot be read' "and how sure it is"
is "nothing is left of it" "$(ls spool/tmp)" ""
gives 0 "and again" pull
has out "${tab}1$tab$model\$" "what went back is there"
# with the push and asked for, an answer that is too large to be read
net_down
net_up --hostile cu-huge-prompt:2
rm -rf spool/todo/b*
ask "What is 4 + 3?" >ids
before=$(count Leased)
gives 1 "a node's answer that is too large" pull
has err 'at most.*\|what it leased goes back' "what was leased goes back"
is "nothing more is leased" "$(count Leased)" "$before"
gives 0 "and again" pull
has out "${tab}1$tab$model\$" "what went back is there"
# a new one knows nothing but a node
grep '^wallet\|^gateways\|^ao-node' "$net/apus.conf" >conf
address=$(netcall get "$url/hb/~meta@1.0/info/address" | sed 1d)
unset APUS_AO_NETWORK
APUS_CONFIG=$tmp/conf
gives 0 "a queue of a node" queue new --lua "$top/contrib/ao/queue.lua"
other=$(cat out)
netcall get "$url/su/processes/$other" >out
for tag in Scheduler Authority; do
    has out "\"name\":\"$tag\",\"value\":\"$address\"" "$tag is the node"
done
has out '"name":"Variant","value":"ao.N.1"' "which is HyperBEAM's"
gives 1 "a node that does not say its address" queue new --ao-node "$url" \
    --lua "$top/contrib/ao/queue.lua"
has err 'set ao-scheduler and ao-authority.*404' "it says what to set"
gives 1 "no node" queue info --ao-node ''
has err 'ao-node.*legacynet: set ao-network' "it says what to set"
APUS_CONFIG=$net/apus.conf
gives 0 "pause" queue pause all
gives 1 "a pull while it is paused" pull
has err 'paused' "it says so"
gives 0 "go on" queue pause no
gives 2 "freeze without --yes" queue freeze
gives 1 "freeze without operators" queue freeze --yes
finish
