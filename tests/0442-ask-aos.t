#!/bin/sh
# The same as 0441 with the module that AO runs.  Needs APUS_WITH_NPM=1
# (tests/npm.sh).
set -eu
. "${top_srcdir:-.}/tests/aos-run.sh"
[ -x "$build/tests/askrun" ] || skip_all "apus is built without localnet"

"$build/tests/askrun" messages "$top/tests/data/ask-messages.jsonl" \
    "${APUS_ASK_SEED:-1}" "${APUS_ASK_N:-200}" >"$tmp/messages"
QUEUE_LUA=$top/contrib/ao/queue.lua
export QUEUE_LUA
aos_node many.mjs "$tmp/messages" >"$tmp/results"
"$build/tests/askrun" compare "$tmp/messages" "$tmp/results"
