# A queue with two nodes for scenarios; sourced after scenario.sh and
# localnet.sh, when the net is up.  $ao_cu is its compute unit.
#
#     queue_up               model, queue and two nodes, A and B: $queue
#     ask N                  leaves N requests of two requesters: their ids and
#                            wallets in the file `ids`
#     drain NODE [ARG]...    a round of a node, its messages in NODE.log
#     kills K N              both nodes drain while K times something is killed,
#                            until N requests are answered
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
    for w in b other; do
        "$apus" localnet --dir "$net" --new-wallet "$net/$w.json" >out 2>err
    done
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
ask() { # N
    : >ids
    i=0
    while [ $i -lt "$1" ]; do
        w=$net/dapp.json
        [ $((i % 2)) = 0 ] || w=$net/other.json
        id=$("$apus" request "$(question $i)" --temperature 0 \
            --max-tokens 20 --wallet "$w" 2>err) || :
        echo "$id $w" >>ids
        i=$((i + 1))
    done
    [ "$(sed 's/ .*//; /^$/d' ids | sort -u | wc -l)" -eq "$1" ] && r=0 || r=1
    report $r "$1 requests are left there"
}

drain() {
    node=$1
    shift
    mkdir -p "$tmp/$node"
    "$apus" drain --spool "$tmp/$node" --wallet "$tmp/$node.json" \
        --ranks 1 "$@" >>"$node.log" 2>&1 </dev/null
}
done_count() {
    "$apus" queue info 2>/dev/null | sed -n "s/^[Dd]one$tab//p"
}

# ---- kills ------------------------------------------------------------------
drain_on() { # NODE
    while [ ! -e stop ]; do
        drain "$1" || :
        sleep 0.2
    done
}
kill_nodes() { # PATTERN of their names
    pkill -9 -f -- "--spool[ =]$tmp/$1" 2>/dev/null || :
}
nodes_end() {
    : >"$tmp/stop"
    kill_nodes '[AB]'
}
# The net and everything else; it is back at once.
kill_net() {
    kill -9 "$net_job" 2>/dev/null || :
    wait "$net_job" 2>/dev/null || :
    kill_nodes '[AB]'
    net_up --delay 20 --port "$port" || report 1 "the net is up again"
}
kills() { # KILLS REQUESTS
    port=${url##*:}
    # so soon one after the other that work is left for the last
    moments=$(awk -v seed="$seed" -v n="$1" 'BEGIN { srand(seed)
        for (i = 0; i < n; i++)
            printf "%.2f:%d ", 0.1 + 0.9 * rand(), int(4 * rand()) }')
    echo "# seed $seed: $moments"
    drain_on A &
    job_a=$!
    drain_on B &
    job_b=$!
    for m in $moments; do
        sleep "${m%:*}"
        case ${m#*:} in
        0) kill_net ;;
        1) kill_nodes A ;;
        2) kill_nodes B ;;
        3) kill_nodes '[AB]' ;;
        esac
    done
    echo "# $(done_count) of $2 are answered when the killing ends"
    left=1200
    [ -z "$long" ] || left=2400
    until [ "$(done_count)" = "$2" ] || [ $left = 0 ]; do
        left=$((left - 1))
        sleep 0.5
    done
    [ "$(done_count)" = "$2" ] && r=0 || r=1
    { "$apus" queue info; tail -n 5 A.log B.log; } >out 2>err || :
    report $r "after $1 kills the queue has $(done_count) answers"
    : >stop
    wait $job_a $job_b || :
    # what was on its way
    drain A && drain B && r=0 || r=1
    report $r "a last round has nothing to say"
}

# ---- what came of it --------------------------------------------------------
# Each Infer-Response that the queue sent: what it answers, to whom.
responses() {
    cursor=
    while :; do
        netcall get "$ao_cu/results/$queue?limit=1000&sort=ASC&from=$cursor" \
            >page || return 1
        # a message a line: its tags stand behind its target
        sed 's/"Target":/\n&/g' page | sed -n '/"Infer-Response"/ {
            s/^"Target":"\([^"]*\)".*"X-Reference","value":"/\1 /
            s/^\([^ ]*\) \([^"]*\).*/\2 \1/p
        }'
        grep -q '"hasNextPage":true' page || break
        cursor=$(grep -o '"cursor":"[^"]*"' page | tail -n 1 |
            sed 's/.*:"//; s/"$//')
    done
}

answered_once() { # N
    good=0
    while read -r id w; do
        text=$("$apus" request --of "$id" --timeout 30 --wallet "$w" \
            2>>err) && [ -n "$text" ] && good=$((good + 1))
    done <ids
    [ "$good" -eq "$1" ] && r=0 || r=1
    report $r "$good of $1 answers reach the one who asked"
    while read -r id w; do
        echo "$id $("$apus" wallet show "$w")"
    done <ids | sort >asked
    responses | sort >said
    cmp asked said >out 2>&1 && r=0 || r=1
    diff asked said >>out || :
    report $r "$(wc -l <said) answers were sent, each once, to who asked"
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
