#!/bin/sh
# What we sign, the libraries of others verify, and the other way round:
# wallets, items, bundles, a transaction.  Needs APUS_WITH_NPM=1 (tests/npm.sh).
set -eu
. "${top_srcdir:-.}/tests/npm.sh"
apus=$build/apus
ours=$build/tests/arweave-exchange
[ -x "$apus" ] && [ -x "$ours" ] || skip_all "apus is not built"
npm=$build/tests/npm-arweave
npm_install "$npm" "$top/tests/arweave-peer/package.json"

n=0
failed=0
# number the lines of a side; a side that ends badly is a failure of its own
count() { # NAME STATUS FILE
    while read -r line; do
        n=$((n + 1))
        case $line in
        'ok '*) echo "ok $n - ${line#ok }" ;;
        'not ok '*) failed=1; echo "not ok $n - ${line#not ok }" ;;
        *) n=$((n - 1)); echo "# $line" ;;
        esac
    done <"$3"
    n=$((n + 1))
    if [ "$2" -eq 0 ]; then
        echo "ok $n - $1"
    else
        echo "not ok $n - $1: exit status $2"
        failed=1
    fi
}

"$apus" wallet new "$tmp/wallet.json" >"$tmp/address" 2>"$tmp/err"
mkdir "$tmp/d"
"$ours" make "$tmp/wallet.json" "$tmp/d"
status=0
NODE_PATH=$npm/node_modules node "$top/tests/arweave-peer/peer.cjs" \
    "$tmp/wallet.json" "$tmp/d" >"$tmp/out" 2>&1 || status=$?
count "the other side" $status "$tmp/out"
status=0
"$ours" check "$tmp/d" >"$tmp/out" 2>&1 || status=$?
count "our side" $status "$tmp/out"
echo "1..$n"
exit $failed
