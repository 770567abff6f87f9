# A localnet for scenarios; sourced after scenario.sh.
#
#     net_up [ARGUMENT]...   start one in $net; $url is where it is
#     net_down               end it, as everything does that ends the scenario
#     net_queue LEVEL        the same with a queue, $APUS_QUEUE, for the model
#                            nano, which is published ($source), and with
#                            APUS_LOG_LEVEL as it is then
#     net_node COMMAND ...   a command of the node: its spool is $tmp/node
#     net_says TAG...        send the queue a message of the key $dapp; its data
#                            are the input; what comes of it is in `result`
#     net_tag NAME           that tag of the first message in `result`
#     netcall ...            tests/netcall.c

net=$tmp/net
url=
net_job=
netcall() { "$(dirname "$apus")/tests/netcall" "$@"; }

"$apus" localnet --dir "$tmp/none" --port no >out 2>err || :
if grep -q 'built without localnet' err; then
    echo "1..0 # SKIP apus is built without localnet"
    exit 0
fi

# Three RSA keys take seconds: the first net of a build keeps its own for the
# others, which have nothing else of it.
keys=$(dirname "$apus")/tests/net-keys
take_keys() {
    if [ ! -e "$net" ] && [ -d "$keys" ]; then
        (umask 077 && cp -rp "$keys" "$net")
    fi
}
keep_keys() {
    [ ! -d "$keys" ] || return 0
    (umask 077 && mkdir "$keys.$$" && cd "$net" &&
        cp -rp localnet.json wallet.json dapp.json wallets "$keys.$$" &&
        mv -T "$keys.$$" "$keys") 2>/dev/null || rm -rf "$keys.$$"
}

net_up() {
    : >net.out
    take_keys
    "$apus" localnet --dir "$net" "$@" >net.out 2>net.err &
    net_job=$!
    url=
    for i in $(seq 3000); do
        url=$(sed -n 's/^ready //p' net.out)
        [ -z "$url" ] || break
        kill -0 "$net_job" 2>/dev/null || break
        sleep 0.1
    done
    if [ -z "$url" ]; then
        sed 's/^/# /' net.err
        return 1
    fi
    keep_keys
}
net_down() {
    [ -z "$net_job" ] || kill "$net_job" 2>/dev/null || :
    wait "$net_job" 2>/dev/null || :
    net_job=
}
net_queue() { # LEVEL
    net_up && r=0 || r=1
    report $r "localnet is up"
    APUS_CONFIG=$net/apus.conf
    APUS_MODELS=$tmp/models
    APUS_LOG_LEVEL=$1
    APUS_HTTP_RETRIES=0
    export APUS_CONFIG APUS_MODELS APUS_LOG_LEVEL APUS_HTTP_RETRIES
    "$apus" model add "$top/models/nano" nano >out 2>err
    source=$("$apus" model publish nano --yes 2>err | tail -n 1)
    APUS_QUEUE=$("$apus" queue new --allow-self \
        --lua "$top/contrib/ao/queue.lua" 2>err) && r=0 || r=1
    export APUS_QUEUE
    report $r "a queue"
    "$apus" queue model nano --source "$source" >out 2>err
}
net_node() { # COMMAND ...
    what=$1
    shift
    "$apus" "$what" --spool "$tmp/node" --wallet "$net/wallet.json" "$@"
}
trap 'net_down; scratch_end' EXIT

net_says() { # TAG...
    netcall sign "$dapp" "$APUS_QUEUE" Data-Protocol=ao Variant=ao.TN.1 \
        Type=Message "$@" >item.bin
    netcall post "$url/mu/" Content-Type:application/octet-stream <item.bin \
        >reply
    id=$(netcall id <item.bin)
    netcall get "$url/cu/result/$id?process-id=$APUS_QUEUE" >result
}
net_tag() { # NAME
    sed 's/.*"Messages":\[{//' result | tr '{}' '\n\n' |
        sed -n "s/.*\"name\":\"$1\",\"value\":\"\([^\"]*\)\".*/\1/p" |
        head -n 1
}
