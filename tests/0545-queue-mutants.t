#!/bin/sh
# Each check that is taken out of Complete in the queue, one at a time, is seen
# by the tests of the queue (0443).  All with APUS_LONG, in some minutes;
# else each 50th.  QUEUE_MUTANTS: K/N, another part.
# part: judge
# part: all
set -eu
top=$(cd "${top_srcdir:-.}" && pwd)
build=$(cd "${top_builddir:-.}" && pwd)

skip_all() { # REASON
    echo "1..0 # SKIP $1"
    exit 0
}
[ -x "$build/tests/aosrun" ] || skip_all "apus is built without localnet"
command -v node >/dev/null || skip_all "no node"
lua5.3 -v >/dev/null 2>&1 || skip_all "no lua5.3"
. "$top/tests/scratch.sh"

AOSRUN=$build/tests/aosrun
QUEUE_LUA=$tmp/queue.lua
OPTIONS_JSON=$top/tests/data/queue-options.json
MESSAGES_JSON=$top/tests/data/queue-messages.json
DUMP_1=$top/tests/data/queue-dump-1.jsonl
export AOSRUN QUEUE_LUA OPTIONS_JSON MESSAGES_JSON DUMP_1
parts="bound in_ids results wrong_results model_records batches moves"
parts="$parts files faults windows audits"
run="timeout 300 node --no-warnings '$top/tests/aos-run/queue-test.mjs' $parts"
part=${QUEUE_MUTANTS:-7/50}
[ -z "${APUS_LONG:-}" ] || part=${QUEUE_MUTANTS:-1/1}
rc=0
lua5.3 "$top/tests/queue_mutants.lua" "$top" "$top/contrib/ao/queue.lua" \
    "$tmp" "$run >'$tmp/tap' 2>&1" "$part" >"$tmp/mutants" || rc=1
grep -v '^found' "$tmp/mutants" | sed 's/^/# /'
if [ $rc = 0 ]; then
    echo "ok 1 - each check of Complete is seen"
else
    echo "not ok 1 - each check of Complete is seen"
fi
echo "1..1"
exit $rc
