#!/bin/sh
# What we sign, the libraries of others verify, and the other way round:
# wallets, items, bundles, a transaction.  They are installed in the build
# directory, exact versions, no scripts of theirs run while that is done;
# without node, npm or a network this is skipped.
set -eu
top=$(cd "${top_srcdir:-.}" && pwd)
build=$(cd "${top_builddir:-.}" && pwd)
apus=$build/apus
ours=$build/tests/arweave-exchange

skip_all() { # REASON
    echo "1..0 # SKIP $1"
    exit 0
}
[ -x "$apus" ] && [ -x "$ours" ] || skip_all "apus is not built"
[ -z "${APUS_NO_NPM:-}" ] || skip_all "APUS_NO_NPM is set"
if grep -q 'fsanitize' "$build/config.status" 2>/dev/null; then
    skip_all "this build is for sanitizers"
fi
command -v node >/dev/null || skip_all "no node"
command -v npm >/dev/null || skip_all "no npm"

npm=$build/tests/npm-arweave
from=$top/tests/arweave-peer/package.json
if ! cmp -s "$from" "$npm/installed.json"; then
    rm -rf "$npm"
    mkdir -p "$npm"
    cp "$from" "$npm/package.json"
    (cd "$npm" && timeout 180 npm install --ignore-scripts --no-audit \
        --no-fund --no-package-lock --fetch-retries=1 \
        --fetch-timeout=30000) >"$npm/log" 2>&1 || {
        sed 's/^/# /' "$npm/log" | tail -n 5
        skip_all "npm cannot install what this needs"
    }
    cp "$from" "$npm/installed.json"
fi

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
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
