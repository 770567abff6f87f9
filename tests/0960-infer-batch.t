#!/bin/sh
# A whole file by Infer-Batch: 2100 lines from the message to the answer on
# localnet, by the pretended engine; one POST a bundle, one answer, and the
# statement verifies.  APUS_LONG=1: 1000 and then 100000 lines, and memory does
# not grow with them.  Comments tell how long each step took and what memory.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/localnet.sh"
tab=$(printf '\t')
worker=$(dirname "$apus")/apus-worker
octets='Content-Type: application/octet-stream'
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_CONFIG=$tmp/apus.conf
: >apus.conf
export APUS_MODELS APUS_SPOOL APUS_CONFIG

now() { date +%s.%N; }
# Run it, output in out and err; leaves seconds in $took, the peak of its
# memory in kB (VmHWM) in $peak.
measured() { # COMMAND...
    began=$(now)
    peak=0
    "$@" >out 2>err </dev/null &
    pid=$!
    while kb=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' \
        "/proc/$pid/status" 2>/dev/null); do
        # one that has ended and was not waited for has no memory
        [ -n "$kb" ] || break
        peak=$kb
        sleep 0.05
    done
    got=0
    wait $pid || got=$?
    took=$(awk -v a="$began" -v b="$(now)" 'BEGIN { printf "%.1f", b - a }')
}
step() { # NAME COMMAND...: it is to succeed
    name=$1
    shift
    measured "$@"
    echo "# $count lines: $name: $took s, $peak kB"
    report $got "$count lines: $name"
}
say() { # WALLET TAG... <data: to the queue, the message's id is $id
    wallet=$1
    shift
    netcall sign "$wallet" "$queue" Data-Protocol=ao Variant=ao.TN.1 \
        Type=Message "$@" >item
    id=$(netcall id <item)
    netcall post "$url/mu/" "$octets" <item >answer
}
posts() { netcall get "$url/bundler/posts" | sed 1d; }

net_up && r=0 || r=1
report $r "localnet is up"
APUS_CONFIG=$net/apus.conf
model=$("$apus" model add "$top/models/nano" nano 2>err)
node=$(netcall address "$net/wallet.json")
queue=$("$apus" queue new --allow-self --lua "$top/contrib/ao/queue.lua" \
    2>err) && r=0 || r=1
report $r "a queue"
APUS_QUEUE=$queue
export APUS_QUEUE
gives 0 "its model" queue model nano --source "$model"

# What the queue sent under this reference.
said() {
    cursor=
    while :; do
        netcall get "$url/cu/results/$queue?limit=1000&sort=ASC&from=$cursor" \
            >page
        cat page
        grep -q '"hasNextPage":true' page || break
        cursor=$(grep -o '"cursor":"[^"]*"' page | tail -n 1 |
            sed 's/.*:"//; s/"$//')
    done
}

whole() { # LINES
    count=$1
    awk -v n="$count" 'BEGIN { for (i = 0; i < n; i++)
        printf "{\"custom_id\":\"r%d\",\"method\":\"POST\",\"url\":\"/v1/" \
            "chat/completions\",\"body\":{\"messages\":[{\"role\":\"user\"" \
            ",\"content\":\"What is %d + %d?\"}],\"max_tokens\":%d}}\n",
            i, i % 97, i % 89, 8 + i % 25 }' >q.jsonl
    APUS_SPOOL=$tmp/aside "$apus" submit q.jsonl -m "$model" \
        --launcher local --todo >out 2>err
    sha=$(sed 's/.*"sha256":"\([^"]*\)".*/\1/' aside/todo/b*/batch.json)
    rm -rf aside
    netcall sign "$net/dapp.json" - Content-Type=application/jsonl \
        <q.jsonl >item
    source=$(netcall id <item)
    netcall post "$url/bundler/v1/tx" "$octets" <item >answer
    say "$net/dapp.json" Action=Infer-Batch "X-Source=$source" \
        "X-Count=$count" "X-Sha256=$sha" "X-Model=$model" \
        "X-Reference=file-$count" </dev/null

    step pull "$apus" pull
    has out "${tab}$count$tab" "$count lines: are one batch"
    batch=$(sed -n '1s/[[:space:]].*//p' out)
    peaks=$peak
    cmp -s q.jsonl "spool/todo/b$batch/requests.jsonl" && r=0 || r=1
    report $r "$count lines: as they were uploaded"
    step answer "$worker" --alone --pretend-engine -- "$batch"
    peaks="$peaks $peak"
    before=$(posts)
    step push "$apus" push
    peaks="$peaks $peak"
    has out "^$batch.sent.$count results" "$count lines: are pushed"
    has err 'accepted 1, had 0 already' "$count lines: as one request"
    # besides the bundles the statement, and of the checkpoint and its index
    # what is below 10 MiB; what is not goes in parts of its own
    n_bundles=$(find "spool/sent/b$batch/push" -name 'bundle-*.receipt' |
        wc -l)
    small=$(find "spool/sent/b$batch" \( -name 'part-*.h5' -o \
        -name 'part-*.idx' \) -size -20480 | wc -l)
    posted=$(($(posts) - before))
    echo "# $count lines: $posted POSTs"
    [ "$n_bundles" -eq $(((count + 999) / 1000)) ] &&
        [ $posted -eq $((n_bundles + 1 + small)) ] && r=0 || r=1
    report $r "$count lines: one POST a bundle"

    said | tr '{' '\n' >sent
    [ "$(grep -c "\"value\":\"file-$count\"" sent)" -eq 1 ] && r=0 || r=1
    report $r "$count lines: one answer is sent"
    statement=$("$apus" show -- "$batch" 2>>err |
        sed -n "s/^statement[[:space:]]*//p")
    grep -q "\"name\":\"Statement\",\"value\":\"$statement\"" sent && r=0 ||
        r=1
    report $r "$count lines: it names the statement"
    APUS_SPOOL=$tmp/none step verify "$apus" verify --all --key "$node" \
        -- "$statement"
    peaks="$peaks $peak"
    rm -r "spool/sent/b$batch"
}

# ---- from a process, as doc/queue.md tells it -------------------------------
conf() { sed -n "s/^$1 = //p" "$APUS_CONFIG"; }
eval_lua() { # LUA: in the process; prints what it returned
    printf '%s' "$1" >lua
    netcall sign "$net/dapp.json" "$process" Data-Protocol=ao \
        Variant=ao.TN.1 Type=Message Action=Eval <lua >item
    id=$(netcall id <item)
    netcall post "$url/mu/" "$octets" <item >answer
    netcall get "$url/cu/result/$id?process-id=$process&no-busy=1"
}
# Messages between processes take their time.
until_out() { # PATTERN COMMAND...: until it prints this
    pattern=$1
    shift
    for i in $(seq 1200); do
        "$@" >out 2>err || :
        if grep -q "$pattern" out; then
            break
        fi
        sleep 0.5
    done
}
from_process() { # a file and a question, by a DApp
    sed -n '/^## Without the client/,/^## For/s/^    //p' \
        "$top/doc/queue.md" | sed "s/\"QUEUE\"/\"$queue\"/" >dapp.lua
    netcall sign "$net/dapp.json" - Data-Protocol=ao Variant=ao.TN.1 \
        Type=Process "Module=$(conf ao-module)" \
        "Scheduler=$(conf ao-scheduler)" "Authority=$(conf ao-authority)" \
        On-Boot=Data <dapp.lua >item
    process=$(netcall id <item)
    netcall post "$url/mu/" "$octets" <item >answer
    eval_lua 'ask("q1", "3 + 4 =")' >out
    eval_lua "ask_file(\"f1\", \"$source\", $count, \"$sha\")" >out
    until_out '^Pending[[:space:]]*2$' "$apus" queue info
    has out '^Pending[[:space:]]*2$' "a process asks two things"
    # a file is a batch of its own
    "$apus" pull >pulled 2>err
    "$apus" pull >>pulled 2>err
    for batch in $(sed "s/$tab.*//" pulled); do
        "$worker" --alone --pretend-engine -- "$batch" >out 2>err </dev/null
    done
    gives 0 "what a process asked is pushed" push
    until_out '"data":"pretended"' eval_lua \
        'return Answers.q1 and Answers.q1.text'
    has out '"data":"pretended"' "the process has its answer"
    until_out '"data":"true"' eval_lua \
        'local a = Answers.f1 return a and a.statement == a.attestation.item'
    has out '"data":"true"' "and the statement of the file"
}

if [ -z "${APUS_LONG:-}" ]; then
    whole 2100
    from_process
else
    whole 1000
    low=$peaks
    whole 100000
    # 64 MB more at most: what is kept of a line is some hundred bytes
    awk -v low="$low" -v high="$peaks" 'BEGIN {
        n = split(low, a)
        split(high, b)
        for (i = 1; i <= n; i++)
            if (b[i] > a[i] + 65536)
                exit 1
    }' && r=0 || r=1
    echo "kB of pull, worker, push, verify: $low, then $peaks" >out
    report $r "memory does not grow with the lines"
fi
finish
