#!/bin/sh
# The official client of AO, of an exact version, against localnet: in legacy
# mode and against its HyperBEAM node it spawns a process from the module of
# apus.conf, sends messages, reads each result at once, dry-runs, and pages
# results.  arweave-js reads from its gateway.  Needs APUS_WITH_NPM=1
# (tests/npm.sh).
set -eu
. "${top_srcdir:-.}/tests/npm.sh"
npm=$build/tests/npm-ao-client
npm_install "$npm" "$top/tests/ao-client/package.json"
. "$top/tests/scenario.sh"
. "$top/tests/localnet.sh"

# number the lines of a client
count() { # NAME STATUS
    while read -r line; do
        case $line in
        'ok '*) r=0 ;;
        'not ok '*) r=1 ;;
        *) echo "# $line"; continue ;;
        esac
        : >out
        report $r "${line#*ok }"
    done <lines
    report "$2" "$1 ends well"
}
client() { # MODE
    status=0
    NODE_PATH=$npm/node_modules node "$top/tests/ao-client/client.mjs" \
        "$net" "$1" >lines 2>err || status=$?
    count "$1" $status
}

# a result is not there before the client asks for it
net_up --delay 500 && r=0 || r=1
report $r "it is ready"
client legacy
client mainnet

head -c 700000 "$npm/log" >data
head -c 700000 /dev/zero >>data
netcall sign "$net/wallet.json" - A=b <data >item
netcall post "$url/bundler/v1/tx/arweave" \
    'Content-Type: application/octet-stream' <item >out
netcall post "$url/mine/1" </dev/null >out
status=0
NODE_PATH=$npm/node_modules node "$top/tests/ao-client/arweave.mjs" "$url" \
    "$net" "$(netcall id <item)" >lines 2>err || status=$?
count "arweave-js" $status
net_down

# the same net at another port
net_up && r=0 || r=1
report $r "it starts again"
client legacy
finish
