#!/bin/sh
# The same messages through the real module of AOS and through the Lua of
# apus localnet give the same outputs, byte for byte: messages of every kind
# to the queue, and a program that looks at everything a process can see.
set -eu
top=$(cd "${top_srcdir:-.}" && pwd)
build=$(cd "${top_builddir:-.}" && pwd)
ours=$build/tests/aosrun
from=$top/tests/aos-run

skip_all() { # REASON
    echo "1..0 # SKIP $1"
    exit 0
}
[ -x "$ours" ] || skip_all "apus is built without localnet"
[ -f "$from/run.mjs" ] || skip_all "no tests/aos-run"
command -v node >/dev/null || skip_all "no node"
command -v npm >/dev/null || skip_all "no npm"
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ] ||
    skip_all "node is older than 20"

npm=$build/tests/npm-aos
if ! cmp -s "$from/package.json" "$npm/installed.json"; then
    rm -rf "$npm"
    mkdir -p "$npm"
    cp "$from/package.json" "$npm/package.json"
    (cd "$npm" && timeout 300 npm install --ignore-scripts --no-audit \
        --no-fund --no-package-lock --fetch-retries=1 \
        --fetch-timeout=30000) >"$npm/log" 2>&1 || {
        sed 's/^/# /' "$npm/log" | tail -n 5
        skip_all "npm cannot install what this needs"
    }
    cp "$from/package.json" "$npm/installed.json"
fi
cp "$from"/*.mjs "$npm"

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
n=0
failed=0
same() { # NAME PROGRAM MESSAGES
    n=$((n + 1))
    # an evaluation that ends in an error is what is looked for, too
    node --no-warnings --experimental-wasm-memory64 "$npm/run.mjs" \
        "$2" "$3" >"$tmp/real" 2>"$tmp/err" || :
    "$ours" "$2" "$3" >"$tmp/ours" 2>>"$tmp/err" || :
    if node "$top/tests/aos-same.mjs" "$tmp/real" "$tmp/ours" >"$tmp/out"
    then
        echo "ok $n - $1"
    else
        sed 's/^/# /' "$tmp/err"
        echo "not ok $n - $1"
        failed=1
    fi
    cat "$tmp/out"
}
data=$top/tests/data
same "the queue answers alike" "$top/contrib/ao/queue.lua" \
    "$data/queue-messages.json"
same "a process finds the same around it" "$data/aos-env.lua" \
    "$data/aos-env.json"
echo "1..$n"
exit $failed
