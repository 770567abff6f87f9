#!/bin/sh
# From a request on AO to its acknowledged answer, on localnet: pull, answer,
# push; refused requests go back with the reason; an answer that another node
# gave otherwise; units that fail or lie; a whole file by Infer-Batch; texts of
# quotes.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/localnet.sh"
. "$top/tests/slow.sh"
worker=$(dirname "$apus")/apus-worker
octets='Content-Type: application/octet-stream'
APUS_MODELS=$tmp/models
APUS_HTTP_RETRIES=0
export APUS_MODELS APUS_HTTP_RETRIES

: >apus.conf
APUS_CONFIG=$tmp/apus.conf
export APUS_CONFIG
model=$("$apus" model add "$top/models/nano" nano 2>err)
net_up && r=0 || r=1
report $r "localnet is up"
node=$(netcall address "$net/wallet.json")
conf() { sed -n "s/^$1 = //p" "$net/apus.conf"; }

# ---- a queue, its owner the requester --------------------------------------
item() { # WALLET TARGET TAG... <data: into item, its id is $id
    wallet=$1
    target=$2
    shift 2
    netcall sign "$wallet" "$target" Data-Protocol=ao Variant=ao.TN.1 "$@" \
        >item
    id=$(netcall id <item)
}
say() { # WALLET TAG... <data: to the queue; what it answers is in result
    wallet=$1
    shift
    item "$wallet" "$queue" Type=Message "$@"
    netcall post "$url/mu/" "$octets" <item >answer
    netcall get "$url/cu/result/$id?process-id=$queue&no-busy=1" |
        sed 1d >result
    cat answer result >out
}
queue=$(APUS_CONFIG=$net/apus.conf "$apus" queue new --ao-network legacynet \
    --wallet "$net/dapp.json" --lua "$top/contrib/ao/queue.lua" 2>err) &&
    r=0 || r=1
cp err out
report $r "a queue is spawned"
say "$net/dapp.json" Action=Allow "Node=$node" Max=1000 </dev/null
has result '"value":"200"' "this node is allowed"
# what a node refuses waits for one that has not been asked yet
say "$net/dapp.json" Action=Allow "Node=$model" </dev/null
has result '"value":"200"' "and another"
say "$net/dapp.json" Action=Register-Model "Model=$model" Name=nano \
    "Source=$model" Bytes=1 Context=512 Price=0 </dev/null
has result '"value":"200"' "the model is there"

again() { # HOSTILE...: the same net, misbehaving
    net_down
    set -- $(for c in "$@"; do echo "--hostile $c"; done)
    net_up "$@"
    cp "$net/apus.conf" conf
    echo "queue = $queue" >>conf
    APUS_CONFIG=$tmp/conf
}
again
APUS_SPOOL=$tmp/spool
export APUS_SPOOL
ask() { # REFERENCE TEXT: the request's id is $id
    printf '%s' "$2" >text
    say "$net/dapp.json" Action=Infer "X-Reference=$1" \
        'X-Options={"max_tokens":8}' <text
}
state() { # REQUEST: as the queue says
    say "$net/dapp.json" Action=Status "Request=$1" </dev/null
}
# All that waits is pulled and answered: $batch.
answer_all() {
    "$apus" pull >out 2>err || { cat err; return 1; }
    batch=$(sed -n '1s/[[:space:]].*//p' out)
    "$worker" --alone -- "$batch" >out 2>err </dev/null
}

# ---- three requests --------------------------------------------------------
ask q1 '3 + 4 ='
r1=$id
ask q2 'Why is the sky blue?'
ask q3 '12 - 5 ='
answer_all
gives 0 "push without a name" push
has out "^$batch.sent.3 results" "takes what came from AO"
has err 'the queue accepted 3, had 0 already, does not know 0; 0 released' \
    "the queue has it"
state "$r1"
has result '"value":"done"' "a request is done"
has result "\"value\":\"$node\"" "by this node"
[ -s "spool/sent/b$batch/push/quoted-0000.answer" ] && r=0 || r=1
report $r "the answer is kept"
item=$(sed -n "s/.*\"request\":\"$r1\".*\"item\":\"\([^\"]*\)\".*/\1/p" \
    "spool/sent/b$batch/items.jsonl")
has result "\"value\":\"$item\"" "with the id of its item"
# all of it again, but for the answer: the same message says the same
mv "spool/sent/b$batch" spool/done
gives 0 "a reported answer is not reported again" push
has err 'the queue accepted 3,' "it counts as before"
mv "spool/sent/b$batch" spool/done
rm spool/done/b"$batch"/push/quoted-*
gives 0 "acknowledged twice" push
has err 'the queue accepted 0, had 3 already' "nothing changes"

# ---- a prompt in token ids: its answer comes in ids, too -------------------
printf '{"prompt":[3,1,4,1,5],"max_tokens":4}' >text
say "$net/dapp.json" Action=Infer X-Reference=ids \
    Content-Type=application/json <text
ids=$id
printf '{"prompt":[3,1],"max_tokens":8193}' >text
say "$net/dapp.json" Action=Infer Content-Type=application/json <text
has result '"value":"400"' "as many tokens as a message holds"
answer_all
gives 0 "push an answer in ids" push
has err 'the queue accepted 1,' "it is taken"
f=spool/sent/b$batch/push/quoted-0000.item
tr -d '\0' <"$f" | sed -n 's/.*"ids":"\([^"]*\)".*/\1/p' >out
[ "$(wc -c <out)" -ge 7 ] && r=0 || r=1
report $r "with the ids of its tokens"
item=$(sed -n "s/.*\"request\":\"$ids\".*\"item\":\"\([^\"]*\)\".*/\1/p" \
    "spool/sent/b$batch/items.jsonl")
gives 0 "a verifier makes the same of the message" verify "$item" --key "$node"

# ---- what cannot be answered ---------------------------------------------
ask q4 '1 + 1 ='
good=$id
ask q5 '2 + 2 ='
bad=$id
"$apus" pull >out 2>err
batch=$(sed -n '1s/[[:space:]].*//p' out)
# as a version would that does not know a parameter
f=spool/todo/b$batch
key='"max_tokens"'
sed "/\"custom_id\":\"$bad\"/s/$key/\"no_such\":1,$key/" \
    "$f/requests.jsonl" >req.jsonl
cp req.jsonl "$f/requests.jsonl"
# the hash of it, as the batch of a file has it
hash_of() { # FILE: SHA-256, as batch.json has it
    rm -rf aside
    APUS_SPOOL=$tmp/aside "$apus" submit "$1" -m "$model" --launcher local \
        --todo >out 2>err
    sed 's/.*"sha256":"\([^"]*\)".*/\1/' aside/todo/b*/batch.json
}
sha=$(hash_of req.jsonl)
sed "s/\"sha256\":\"[^\"]*\"/\"sha256\":\"$sha\"/" "$f/batch.json" >b.json
cp b.json "$f/batch.json"
"$worker" --alone -- "$batch" >out 2>err </dev/null
gives 0 "push one answer and one refusal" push
has err 'accepted 1, had 0 already, does not know 0; 1 released' "it says both"
state "$good"
has result '"value":"done"' "one is done"
state "$bad"
has result '"value":"pending"' "the other waits for another node"

# ---- another answer ----------------------------------------------------------
# which this node is not given again so soon
ask q6 '2 + 2 ='
bad=$id
answer_all
a=$batch
say "$net/wallet.json" Action=Release "Batch=$a" </dev/null
has result '"name":"Count","value":"1"' "it goes back after all"
say "$net/wallet.json" Action=Pull "Models=$model" Max=10 Max-Bytes=100000 \
    TTL=600 </dev/null
other=$id
netcall answer "$bad" "$model" 9 4 >line
say "$net/wallet.json" Action=Complete "Batch=$other" "Statement=$model" <line
has result '"name":"Refused","value":"1"' "an answer to something else"
netcall answer "$bad" "$model" 8 4 >line
say "$net/wallet.json" Action=Complete "Batch=$other" "Statement=$model" <line
has result '"name":"Accepted","value":"1"' "another answer comes first"
# a compute unit that calls it accepted is found out by asking again
again cu-false-ack:1
got=0
"$apus" push >out 2>err || got=$?
if [ $got -eq 75 ]; then
    has err 'it is not believed' "a false acknowledgement is noticed"
    got=0
    "$apus" push >out 2>err || got=$?
fi
[ $got -eq 3 ] && r=0 || r=1
report $r "then push ours: exit status 3"
has err "batch $a: 1 results differ from what another node" "it warns"
has err "request $bad: node .* gave another result, item .*apus dispute" \
    "and names the other result's item"
grep -q -e "$bad.*conflict" "spool/sent/b$a/push/quoted-0000.answer" &&
    r=0 || r=1
report $r "and kept"

# ---- a file ------------------------------------------------------------------
for i in 1 2 3; do
    printf '{"custom_id":"f%d","method":"POST","url":"/v1/completions",' $i
    printf '"body":{"prompt":"%d + 1 =","max_tokens":4}}\n' $i
done >file.jsonl
sha=$(hash_of file.jsonl)
item "$net/dapp.json" - Content-Type=application/jsonl <file.jsonl
source=$id
netcall post "$url/bundler/v1/tx" "$octets" <item >answer
say "$net/dapp.json" Action=Infer-Batch "X-Source=$source" X-Count=3 \
    "X-Sha256=$sha" "X-Model=$model" X-Reference=file </dev/null
whole=$id
answer_all
gives 0 "push the answers of a file" push
has out "^$batch.sent.3 results" "three of them"
has err 'the queue accepted 1, had 0' "as one line"
state "$whole"
has result '"value":"done"' "the request for the file is done"

# ---- a batch that nobody goes on with ----------------------------------------
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
    printf 'Tell me of %d' $i >text
    say "$net/dapp.json" Action=Infer "X-Reference=g$i" \
        'X-Options={"max_tokens":400}' <text
done
"$apus" pull >out 2>err
batch=$(sed -n '1s/[[:space:]].*//p' out)
APUS_BATCH=1 APUS_KERNEL=reference "$worker" --alone -- "$batch" \
    >out 2>err </dev/null &
pid=$!
i=0
log=spool/running/b$batch/a000/0000.log
while [ $i -lt 6000 ] && [ "$(cat "$log" 2>err | wc -c)" -lt 3000 ]; do
    i=$((i + 1))
    sleep 0.01
done
kill -9 $pid 2>/dev/null || :
wait $pid 2>/dev/null || :
gives 0 "its worker is dead" status
mkdir -p "spool/todo/b$batch/a001" "spool/todo/b$batch/a002" \
    "spool/todo/b$batch/a003"
# and it gets nowhere, again and again
gives 1 "drain gives it up" drain --launcher local
has err 'got nowhere' "says so"
f=spool/failed/b$batch
[ -s "$f/why" ] && [ -s "$f/items.jsonl" ] &&
    [ -s "$f/push/statement.receipt" ] && r=0 || r=1
report $r "what it had answered is published"
done=$(cat "$f/items.jsonl" 2>>err | wc -l)
rest=$(cat "$f/refused.jsonl" 2>>err | wc -l)
echo "$done answered, $rest given up" >>out
[ "$done" -ge 1 ] && [ "$rest" -ge 1 ] && [ $((done + rest)) -eq 12 ] &&
    r=0 || r=1
report $r "and the rest given up"
n_done=0
n_pending=0
for id in $(sed 's/.*"custom_id":"\([^"]*\)".*/\1/' "$f/requests.jsonl"); do
    state "$id"
    if grep -q '"value":"done"' result; then n_done=$((n_done + 1)); fi
    if grep -q '"value":"pending"' result; then n_pending=$((n_pending + 1)); fi
done
[ $n_done -eq "$done" ] && [ $n_pending -eq "$rest" ] && r=0 || r=1
echo "the queue: $n_done done, $n_pending pending" >>out
report $r "the queue knows both"

# where the model is gone and others are here, all of it goes back
ask m1 '1 + 6 ='
"$apus" pull >out 2>err
batch=$(sed -n '1s/[[:space:]].*//p' out)
mv models gone
mkdir models
: >"models/$queue.apus"
gives 1 "drain without the model" drain --launcher local
rm -r models
mv gone models
[ -s "spool/failed/b$batch/why" ] && r=0 || r=1
report $r "the batch is in failed"
state "$(sed -n '1s/.*"custom_id":"\([^"]*\)".*/\1/p' \
    "spool/failed/b$batch/requests.jsonl")"
has result '"value":"pending"' "its requests are pending"
gives 0 "pull again" pull
has err 'comes to this node later' "for another"

# ---- cancelled ---------------------------------------------------------------
ask c1 '1 + 2 ='
cancelled=$id
"$apus" pull >out 2>err
batch=$(sed -n '1s/[[:space:]].*//p' out)
gives 0 "cancel a batch from AO" cancel -- "$batch"
has out "^$batch.failed" "it is in failed"
has err '0 answers pushed, 1 request returned to' "its request went back"
state "$cancelled"
has result '"value":"pending"' "and waits"
gives 0 "pull what was cancelled" pull
has err 'comes to this node later' "for another, too"

# ---- units that fail or lie --------------------------------------------------
for case in mu/lost-answer:1 mu/500:1 cu/500:1 mu/429:1 hb/lost-answer:1 \
    hb/500:1 hb/429:1; do
    APUS_AO_NETWORK=legacynet
    case $case in hb/*) APUS_AO_NETWORK=hyperbeam ;; esac
    export APUS_AO_NETWORK
    ask "h-$case" "5 + 6 ="
    answer_all
    again "$case"
    status=0
    tries=0
    while [ ! -d "spool/sent/b$batch" ] && [ $tries -lt 5 ]; do
        tries=$((tries + 1))
        got=0
        "$apus" push >out 2>err || got=$?
        [ $got -eq 0 ] || status=$got
        [ $got -eq 0 ] || cp err first
        [ "$(grep -c 'apus: error' err)" -le 1 ] || status=many
    done
    cat first >>err 2>/dev/null || :
    echo "last failure: $status, in $tries tries" >>out
    case $status in 0 | 75) r=0 ;; *) r=1 ;; esac
    [ -d "spool/sent/b$batch" ] || r=1
    report $r "$case: at worst exit 75, then it continues"
    rm -f first
    again
    state "$(sed 's/.*"custom_id":"\([^"]*\)".*/\1/' \
        "spool/sent/b$batch/requests.jsonl")"
    has result '"value":"done"' "$case: the request is done"
done

# a unit can make a node answer what nobody asked; whoever checks the answer
# holds it against the message that was signed
ask false '3 + 4 ='
again cu-false-requests
answer_all
again
gives 0 "an answer to a false question is pushed" push
item=$(sed -n 's/.*"item":"\([^"]*\)".*/\1/p' "spool/sent/b$batch/items.jsonl")
gives 3 "whoever computes it again finds out" verify --recompute 1 "$item"
has out "^WRONG.*its prompt" "that nobody asked that"

# ---- a result that the queue refuses -----------------------------------------
ask wrong '5 + 3 ='
wrong=$id
answer_all
echo 'ApusQueue.records.right = ApusQueue.records.wrong
ApusQueue.records.wrong = function() return "a test" end' >refuse.lua
say "$net/dapp.json" Action=Eval <refuse.lua
gives 3 "push what the queue refuses" push
has err 'the queue refused 1 results' "says so"
has err '0 already, does not know 0; 1 released' "and gives the request back"
has "spool/sent/b$batch/push/quoted-0000.answer" 'a test' "the reason is kept"
state "$wrong"
has result '"value":"pending"' "another node may answer it"
mv "spool/sent/b$batch" spool/done
gives 3 "a reported answer is not reported again" push
has err '1 released' "it counts as before"
echo 'ApusQueue.records.wrong = ApusQueue.records.right' >right.lua
say "$net/dapp.json" Action=Eval <right.lua

# ---- texts that JSON quotes --------------------------------------------------
i=0
while [ $i -lt 40 ]; do
    i=$((i + 1))
    ask "t$i" "$i + 4 ="
done
APUS_RANKS=1 answer_all
kept=spool/done/b$batch
sent=spool/sent/b$batch
APUS_LIBEXEC=$(dirname "$apus") "$(dirname "$apus")/tests/forge" \
    texts-quotes 0 "$kept" >out 2>err && r=0 || r=1
cp err out
report $r "40 answers of 1000 quotes"
gives 0 "push them" push
has err 'the queue accepted 40, had 0 already, does not know 0; 0 released' \
    "the queue has all"
wc -c "$sent"/push/quoted-*.item >out 2>&1 || :
[ -e "$sent/push/quoted-0002.item" ] && r=0 || r=1
report $r "of three messages"
r=0
for f in "$sent"/push/quoted-*.item; do
    # a signature and tags of less than 2 kB
    bytes=$(cat "$f" | wc -c)
    quoted=$(tr -dc '"\\\n' <"$f" | wc -c)
    echo "$f: $bytes bytes, $quoted of them quoted" >>out
    [ $((bytes + quoted)) -lt 82000 ] || r=1
done
report $r "each less than 80 kB in JSON"

# an older apus put 80 kB of lines in a message, quoted as they were, and came
# as far as the answer to the first
line=$(tail -n 1 "$sent/push/quoted-0002.item" | wc -c)
first=$((80000 / (line + (line == 0))))
mv "$sent" spool/done
sed "s/\"Accepted\":\"[0-9]*\"/\"Accepted\":\"$first\"/" \
    "$kept/push/quoted-0000.answer" >answer
rm "$kept"/push/quoted-*
cp answer "$kept/push/results-0000.answer"
gives 0 "what an older apus has half acknowledged" push
has err "the queue accepted $first, had $((40 - first)) already" \
    "goes on behind its last line"
[ ! -e "$sent/push/results-0001.item" ] &&
    [ -e "$sent/push/quoted-0001.answer" ] &&
    [ ! -e "$sent/push/quoted-0000.item" ] && r=0 || r=1
report $r "and divides what it had not signed as AOS takes it"

# ---- a queue of before 2.0 ---------------------------------------------------
cat >old.lua <<'TXT'
local lib = ApusQueue
local LINE = { request = true, choice = true, job = true, result = true,
    item = true, finish = true, text = true }
function lib.action.Info(m)
    lib.answer(m, 200, { "Version", "1.3" })
end
function lib.action.Complete(m)
    local lines = assert(lib.scan_lines(m.data, LINE))
    for _, l in ipairs(lines) do
        local r, d = lib.Q.open[l.request], { at = lib.Q.now, conflict = "" }
        for _, name in ipairs({ "from", "reference", "kind", "sum", "had" }) do
            d[name] = r[name]
        end
        for _, name in ipairs({ "job", "result", "item", "finish" }) do
            d[name] = assert(l[name])
        end
        d.node, d.batch = m.from, m.tag.batch
        lib.close_request(l.request)
        lib.done_put(l.request, lib.done_text(d))
    end
    lib.answer(m, 200, { "Accepted", #lines, "Repeated", 0, "Conflicts", 0,
        "Unknown", 0 })
end
TXT
say "$net/dapp.json" Action=Eval <old.lua
ask old '5 + 4 ='
old=$id
answer_all
gives 0 "push to an older queue" push
has err 'the queue accepted 1, had 0' "in the lines that it takes"
state "$old"
has result '"value":"done"' "its request is done"
# as older ones have begun it
was=quoted
for older in results complete; do
    mv "spool/sent/b$batch" spool/done
    for f in spool/done/b"$batch"/push/$was-0000.*; do
        mv "$f" "${f%/*}/$older-0000.${f##*.}"
    done
    was=$older
    gives 0 "what an older apus acknowledged as $older" push
    has err 'the queue accepted 1, had 0' "counts as it did"
    [ ! -e "spool/sent/b$batch/push/quoted-0000.item" ] && r=0 || r=1
    report $r "and is not said again"
done
finish
