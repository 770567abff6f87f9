# A localnet for scenarios; sourced after scenario.sh.
#
#     net_up [ARGUMENT]...   start one in $net; $url is where it is
#     net_down               end it, as everything does that ends the scenario
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
trap 'net_down; scratch_end' EXIT
