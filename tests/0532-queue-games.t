#!/bin/sh
# Whole disputes of each statement in the queue with its own judge, in the Lua
# of apus localnet: games that t_dispute plays end with its verdicts.
# GAMES_EACH: games of a statement and verdict.
# part: judge
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
GAMES=$tmp/games
export AOSRUN QUEUE_LUA GAMES
mkdir "$GAMES"
"$build/tests/t_dispute" 1 "$GAMES" >"$tmp/played" ||
    sed 's/^/# /' "$tmp/played"
node --no-warnings "$top/tests/aos-run/queue-games.mjs"
