#!/bin/sh
# What time ends in a dispute on localnet: a silent node loses, a silent
# challenger does, each when it was reported twice, also over a result of a
# file; apus dispute says by its exit status who was wrong.  Time passes by the
# owner's Eval, which puts the turns of the queue back by hours.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/localnet.sh"
worker=$(dirname "$apus")/apus-worker
fault=3/0/q/5
mkdir node challenger

net_queue info
"$apus" queue set Window=864000 Turn=3600 >out 2>err

minutes_pass() { # N
    echo "for _, d in pairs(ApusQueue.Q.disputes) do
        d.began, d.ends = d.began - $1 * 60000, d.ends - $1 * 60000
    end" | netcall sign "$net/wallet.json" "$APUS_QUEUE" Data-Protocol=ao \
        Variant=ao.TN.1 Type=Message Action=Eval >item
    netcall post "$url/mu/" Content-Type:application/octet-stream <item >reply
    sleep 1
}
hours_pass() { minutes_pass $(($1 * 60)); } # N
# Ask for the answers to a file of one line: its request is printed.
ask_file() {
    printf '{"custom_id":"1","method":"POST","url":"%s","body":%s}\n' \
        /v1/completions '{"prompt":"5 + 3 =","max_tokens":4,"temperature":0}' \
        >q.jsonl
    netcall sign "$net/dapp.json" - Content-Type=application/jsonl <q.jsonl \
        >item
    netcall post "$url/bundler/v1/tx" Content-Type:application/octet-stream \
        <item >reply
    sha=$(openssl dgst -sha256 -binary q.jsonl | base64 | tr '+/' '-_' |
        tr -d '=')
    netcall sign "$net/dapp.json" "$APUS_QUEUE" Data-Protocol=ao \
        Variant=ao.TN.1 Type=Message Action=Infer-Batch \
        "X-Source=$(netcall id <item)" X-Count=1 "X-Sha256=$sha" X-Model=nano \
        X-Reference=file </dev/null >message
    netcall post "$url/mu/" Content-Type:application/octet-stream <message \
        >reply
    netcall id <message
}
# A wrong answer, published: $item is its result.
wrong_answer() { # NAME, or file
    if [ "$1" = file ]; then
        request=$(ask_file)
    else
        request=$("$apus" request "$1 + 3 =" --temperature 0 --max-tokens 4 \
            --wallet "$net/dapp.json" 2>err)
    fi
    batch=$(net_node pull 2>>err | sed 's/[[:space:]].*//')
    "$worker" --alone --spool "$tmp/node" --pretend-fault $fault -- "$batch" \
        >out 2>err
    net_node push -- "$batch" >out 2>err && r=0 || r=1
    report $r "answer $1, with a fault at $fault"
    item=$(sed -n 's/.*"item":"\([^"]*\)".*/\1/p' \
        "$tmp/node/sent/b$batch/items.jsonl" | head -n 1)
}
challenger() { # STATUS NAME ARGUMENT...
    want=$1
    name=$2
    shift 2
    gives "$want" "$name" dispute --spool "$tmp/challenger" \
        --wallet "$net/dapp.json" "$@"
}

# ---- a silent challenger -----------------------------------------------------
for of in 1 file; do
    wrong_answer $of
    challenger 75 "a dispute" "$item"
    dispute=$(sed -n 's/^challenge.\([^[:space:]]*\).*/\1/p' out)
    net_node status >out 2>&1
    ! grep -q 'run apus drain' out && r=0 || r=1
    report $r "a turn that has begun is nothing to warn of"
    minutes_pass 40
    net_node status >out 2>&1
    has out "$dispute waits for this node's move, \(19\|20\) min left of its" \
        "but one that is half over, in apus status"
    net_node status --json >out 2>err
    turn="\"dispute\":\"$dispute\",\"request\":\"$request\",\"number\":0"
    turns="\"batch\":\"$batch\".*{$turn,.*\"turn_s\":3600}\]"
    [ "$(grep -c "$turns" out)" = 1 ] &&
        [ "$(grep -c '"dispute":' out)" = 1 ] && r=0 || r=1
    report $r "as JSON, too, of its batch"
    has err "$dispute waits" "beside the warning"
    if [ $of = file ]; then
        mv "node/sent/b$batch" away
        net_node status --json >out 2>err
        has out "{\"batch\":null,\"disputes\":\[{$turn" "or of none"
        mv away "node/sent/b$batch"
    fi
    net_node drain --pretend-fault $fault >drained 2>&1 || :
    cp drained out
    has out "dispute $dispute: more than half .* is over, \(19\|20\) min left" \
        "and in the log of apus drain"
    has out 'this node shows [rl]' "the node has shown records, or their line"
    net_node drain >drained 2>&1 || :
    ! grep -q silent drained && r=0 || r=1
    report $r "whose challenger is not late yet"
    hours_pass 2
    net_node drain >drained 2>&1 || :
    ! grep -q silent drained && r=0 || r=1
    report $r "who has an hour more when that is reported"
    hours_pass 2
    net_node drain >out 2>&1 || :
    has out 'reports a silent challenger and won' "and loses then"
    challenger 3 "the challenger" "$dispute"
    has out '^verdict.\(holds\|the answer stands\)' "learns so"
    challenger 3 "once more" "$item"
    has out '^verdict.lost' "it is over"
    "$apus" request --status "$request" --wallet "$net/dapp.json" >out 2>err
    has out '^State.answered' "the answer stands"
done

# ---- a silent node -----------------------------------------------------------
wrong_answer 2
challenger 75 "another dispute" "$item"
challenger 75 "whose node has its turn" "$item"
hours_pass 2
challenger 75 "is late" "$item"
grep -q 'reports a silent node' out && r=1 || r=0
report $r "and has an hour more"
hours_pass 2
challenger 0 "and then" "$item"
has out 'reports a silent node' "is reported"
has out '^verdict.fault: the node.s answer is wrong$' "and loses"
"$apus" request --status "$request" --wallet "$net/dapp.json" >out 2>err
has out 'pending' "the request waits for another node"

# ---- what may yet be disputed ------------------------------------------------
netcall post "$url/mine/40" </dev/null >mined
net_node push >out 2>err || :
kept() { # STATUS NAME COMMAND ...: of the last batch
    gives "$1" "$2" "$3" --spool "$tmp/node" "$batch" --dry-run
}
kept 1 "a batch that may be disputed" rm
has err 'may yet be disputed.*--disputable removes it' "is kept"
gives 0 "like all of these" clean --spool "$tmp/node" --state sent --json
[ "$(grep -c 'may yet be disputed' out)" = 3 ] && r=0 || r=1
report $r "three batches"
sed 's/"window":"864000"/"window":"0"/' node/drained >drained
cp drained node/drained
kept 0 "without a Window" rm
sed 's/"window":"0"/"window":"864000"/' drained >node/drained
touch -d '16 days ago' "node/sent/b$batch"
kept 1 "16 days later" rm
touch -d '18 days ago' "node/sent/b$batch"
kept 0 "18 days later" rm
grep -q '"turn":"3600"' node/drained && r=0 || r=1
report $r "drain notes the queue's Turn"
sed 's/"turn":"3600"/"turn":"172800"/' drained |
    sed 's/"window":"0"/"window":"864000"/' >node/drained
kept 1 "turns of 2 days" rm
touch -d '27 days ago' "node/sent/b$batch"
kept 1 "both sides may use four" rm
touch -d '29 days ago' "node/sent/b$batch"
kept 0 "and no more" rm
touch "node/sent/b$batch"
gives 0 "or because it was said" rm --spool "$tmp/node" "$batch" --disputable

# ---- a queue that forgets ----------------------------------------------------
# the challenger was not there for the verdict, nor for as long as the request
set -- "$(grep -l "\"request\":\"$request\"" challenger/disputes/*.json)"
sed -i 's/"state":"won"/"state":"open"/' "$1"
gives 0 "the requester" request --cancel "$request" --wallet "$net/dapp.json"
challenger 1 "without the request" "$item"
has err 'forgotten' "nobody is said to have won"
grep -q '"state":"refused"' "$1" && r=0 || r=1
report $r "and apus watch leaves the case"
finish
