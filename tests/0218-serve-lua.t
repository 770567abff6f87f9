#!/bin/sh
# Apus.serve, in a plain Lua: it answers Infer in order and within its bounds,
# and makes of messages the lines that src/queue/ask makes of them.
# part: all
set -eu
top=$(cd "${top_srcdir:-.}" && pwd)
build=$(cd "${top_builddir:-.}" && pwd)
if [ ! -x "$build/tests/enginelua" ]; then
    echo "1..0 # SKIP apus is built without Lua"
    exit 0
fi
. "$top/tests/scratch.sh"
"$build/apus" model convert "$top/models/nano" -o "$tmp/nano.apus" >"$tmp/out"
sh "$top/contrib/ao/module/queue-text" >"$tmp/queue.lua"
serve() {
    "$build/tests/enginelua" "$top/tests/serve.lua" "$top" "$tmp/queue.lua" \
        "$tmp/nano.apus" "$@"
}
serve >"$tmp/said"
grep -v '^1\.\.' "$tmp/said"
n=$(grep -c '^ok\|^not ok' "$tmp/said")
! grep -q '^not ok' "$tmp/said" || status=1

"$build/tests/askrun" messages "$top/tests/data/ask-messages.jsonl" 1 200 \
    >"$tmp/messages"
"$build/tests/askrun" lines "$tmp/messages" >"$tmp/ours"
model=$(sed -n 's/.*"body":{"model":"\([^"]*\)".*/\1/p' "$tmp/ours" |
    head -n 1)
# JSON has two spellings of two characters
serve "$tmp/messages" "$model" |
    sed 's/\\u0008/\\b/g; s/\\u000c/\\f/g' >"$tmp/served"
n=$((n + 1))
if cmp -s "$tmp/ours" "$tmp/served"; then
    echo "ok $n - $(grep -vc refused "$tmp/ours") lines the same," \
        "$(grep -c refused "$tmp/ours") refused alike"
else
    diff "$tmp/ours" "$tmp/served" | head -n 20 | sed 's/^/# /'
    echo "not ok $n - the lines of messages"
    status=1
fi
echo "1..$n"
exit ${status:-0}
