#!/bin/sh
# What a DApp's message asks: the queue (contrib/ao/queue) in the Lua of apus
# localnet and src/queue/ask make the same line of it, or refuse it alike.
# part: san
# part: all
set -eu
top=$(cd "${top_srcdir:-.}" && pwd)
build=$(cd "${top_builddir:-.}" && pwd)
if [ ! -x "$build/tests/askrun" ]; then
    echo "1..0 # SKIP apus is built without localnet"
    exit 0
fi
. "$top/tests/scratch.sh"
# the table of members is the same in both
"$build/tests/askrun" names >"$tmp/names"
sed -n '/^local judge$/,/^\]\]/p' "$top/contrib/ao/queue/28-names.lua" |
    sed '1,/\[\[$/d; $d' >"$tmp/rows"
cmp "$tmp/names" "$tmp/rows"
"$build/tests/askrun" messages "$top/tests/data/ask-messages.jsonl" \
    "${APUS_ASK_SEED:-1}" "${APUS_ASK_N:-200}" >"$tmp/messages"
"$build/tests/aosrun" "$top/contrib/ao/queue.lua" \
    "$top"/contrib/ao/queue-?.lua "$tmp/messages" >"$tmp/results"
"$build/tests/askrun" compare "$tmp/messages" "$tmp/results"
