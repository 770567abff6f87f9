#!/bin/sh
# The same messages through the real module of AOS and through the Lua of
# apus localnet give the same outputs, byte for byte: messages of every kind
# to the queue, and a program that looks at everything a process can see.
set -eu
. "${top_srcdir:-.}/tests/aos-run.sh"
ours=$build/tests/aosrun
[ -x "$ours" ] || skip_all "apus is built without localnet"

n=0
failed=0
same() { # NAME PROGRAM... MESSAGES
    n=$((n + 1))
    name=$1
    shift
    # an evaluation that ends in an error is what is looked for, too
    aos_node run.mjs "$@" >"$tmp/real" 2>"$tmp/err" || :
    "$ours" "$@" >"$tmp/ours" 2>>"$tmp/err" || :
    if node "$top/tests/aos-same.mjs" "$tmp/real" "$tmp/ours" >"$tmp/out"
    then
        echo "ok $n - $name"
    else
        sed 's/^/# /' "$tmp/err"
        echo "not ok $n - $name"
        failed=1
    fi
    cat "$tmp/out"
}
data=$top/tests/data
same "the queue answers alike" "$top/contrib/ao/queue.lua" \
    "$top"/contrib/ao/queue-?.lua "$data/queue-messages.json"
same "a process finds the same around it" "$data/aos-env.lua" \
    "$data/aos-env.json"
{
    echo 'package.preload["apus.client"] = function(...)'
    cat "$top/contrib/ao/client.lua"
    echo end
    cat "$top/tests/client.lua"
} >"$tmp/all.lua"
same "a DApp asks alike" "$tmp/all.lua" "$data/client-messages.json"
echo "1..$n"
exit $failed
