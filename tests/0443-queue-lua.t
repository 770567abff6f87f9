#!/bin/sh
# What 0440 does with the module that AO runs, with the Lua of apus localnet:
# the queue says the same there, and no package is needed, only node.  With
# APUS_LONG 1,000 random games keep its books, from a seed that is printed.
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
. "$top/tests/scratch.sh"

AOSRUN=$build/tests/aosrun
QUEUE_LUA=$top/contrib/ao/queue.lua
OPTIONS_JSON=$top/tests/data/queue-options.json
MESSAGES_JSON=$top/tests/data/queue-messages.json
DUMP_1=$top/tests/data/queue-dump-1.jsonl
if [ -n "${APUS_LONG:-}" ]; then
    RANDOM_GAMES=1000
    RANDOM_SEED=${RANDOM_SEED:-$(date +%s)} # other games each time
    export RANDOM_SEED
fi
export AOSRUN QUEUE_LUA OPTIONS_JSON MESSAGES_JSON DUMP_1
[ -z "${RANDOM_GAMES:-}" ] || export RANDOM_GAMES
node --no-warnings "$top/tests/aos-run/queue-test.mjs"
