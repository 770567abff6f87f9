# A queue with two nodes for scenarios; sourced after scenario.sh and
# localnet.sh, when the net is up.
#
#     queue_up               model, queue and two nodes, A and B: $queue
#     ask N                  leaves N requests, ids in the file `ids`
#     drain NODE [ARG]...    a round of a node, its messages in NODE.log
#     age                    as if time had gone by for what has no owner
#     done_count             how many requests are answered
#     answered_once N        reports that N were, each once, and verify
#
# The settings of the net come from $APUS_CONFIG; what a node is, its spool and
# wallet, from its options.

APUS_CONFIG=$net/apus.conf
APUS_MODELS=$tmp/models
APUS_LAUNCHER=local
APUS_LOG_LEVEL=warning
# small batches, so that both nodes have some
APUS_PULL_MAX=4
APUS_PULL_TOTAL=8
export APUS_CONFIG APUS_MODELS APUS_LAUNCHER APUS_LOG_LEVEL
export APUS_PULL_MAX APUS_PULL_TOTAL
tab=$(printf '\t')

queue_up() {
    "$apus" model add "$top/models/nano" nano >out 2>err
    "$apus" localnet --dir "$net" --new-wallet "$net/b.json" >out 2>err
    cp "$net/wallet.json" A.json
    cp "$net/b.json" B.json
    source=$("$apus" model publish nano --yes 2>err | tail -n 1)
    queue=$("$apus" queue new --allow-self \
        --lua "$top/contrib/ao/queue.lua" 2>err)
    APUS_QUEUE=$queue
    export APUS_QUEUE
    "$apus" queue allow -- "$("$apus" wallet show B.json)" >out 2>err
    "$apus" queue model nano --source "$source" >out 2>err && r=0 || r=1
    report $r "a queue with a model and two nodes"
}

# The n-th of the model's own questions.
question() {
    sed -n "$(($1 % 300 + 1))"'s/^.*"content": "\(.*\)"}\], "max_tokens".*$/\1/p
        ' "$top/models/nano/eval.jsonl" | sed 's/\\n/ /g; s/\\"/"/g'
}
ask() {
    : >ids
    i=0
    while [ $i -lt "$1" ]; do
        "$apus" request "$(question $i)" --temperature 0 --max-tokens 20 \
            --wallet "$net/dapp.json" >>ids 2>err || :
        i=$((i + 1))
    done
    [ "$(sort -u ids | wc -l)" -eq "$1" ] && r=0 || r=1
    report $r "$1 requests are left there"
}

drain() {
    node=$1
    shift
    "$apus" drain --spool "$tmp/$node" --wallet "$tmp/$node.json" \
        --ranks 1 "$@" >>"$node.log" 2>&1 </dev/null
}
done_count() {
    "$apus" queue info 2>/dev/null | sed -n "s/^[Dd]one$tab//p"
}

# A batch whose claimer died before it could say who it is waits a quarter of
# an hour.  It has waited: those that have no owner for two seconds are aged.
age() {
    for state in tmp running sending; do
        for node in A B; do
            find "$node/$state" -mindepth 1 -maxdepth 1 -name 'b*' 2>/dev/null
        done
    done | while read -r b; do
        [ ! -e "$b/owner" ] || continue
        now=$(date +%s)
        made=$(stat -c %Y "$b" 2>/dev/null) || continue
        [ $((now - made)) -lt 2 ] || touch -d '1 hour ago' "$b" || :
    done
}

# Each Infer-Response that the queue sent, by what it answers.
responses() {
    cursor=
    while :; do
        netcall get "$ao_cu/results/$queue?limit=1000&sort=ASC&from=$cursor" \
            >page || return 1
        grep -o '"name":"X-Reference","value":"[^"]*"\|"Infer-Response"' \
            page | awk '/Infer-Response/ { n++; next }
                        { print substr($0, 31) }'
        grep -q '"hasNextPage":true' page || break
        cursor=$(grep -o '"cursor":"[^"]*"' page | tail -n 1 |
            sed 's/.*:"//; s/"$//')
    done
}

answered_once() {
    good=0
    while read -r id; do
        text=$("$apus" request --of "$id" --timeout 30 \
            --wallet "$net/dapp.json" 2>>err) && [ -n "$text" ] &&
            good=$((good + 1))
    done <ids
    [ "$good" -eq "$1" ] && r=0 || r=1
    report $r "$good of $1 answers reach the one who asked"
    responses >said
    sort said | uniq -d >twice
    [ "$(wc -l <said)" -eq "$1" ] && [ ! -s twice ] && r=0 || r=1
    cp said out
    report $r "$(wc -l <said) answers were sent, each once"
    : >out
    good=0
    all=0
    for node in A B; do
        for b in "$tmp/$node"/sent/b*; do
            [ -e "$b" ] || continue
            all=$((all + 1))
            b=${b##*/b}
            statement=$("$apus" show --spool "$tmp/$node" -- "$b" 2>>err |
                sed -n "s/^statement$tab//p")
            "$apus" verify --all --recompute all --spool "$tmp/none" \
                --key "$("$apus" wallet show "$node.json")" -- \
                "$statement" >>out 2>>err && good=$((good + 1))
        done
    done
    [ $all -gt 0 ] && [ $good -eq $all ] && r=0 || r=1
    report $r "$good of $all statements verify, every answer recomputed"
    for state in tmp todo running 'done' sending failed; do
        for node in A B; do
            [ -d "$node/$state" ] || continue
            find "$node/$state" -mindepth 1 -maxdepth 1 -name 'b*'
        done
    done >out
    [ ! -s out ] && r=0 || r=1
    report $r "nothing is left in the spools"
}
