#!/bin/sh
# Whole disputes in the queue with its own judge, in the Lua of apus localnet:
# games that t_dispute and t_stops play, of each statement, end with its
# verdicts; every other message at every moment of one is refused; the largest
# dispute takes less than 40 kB.  GAMES_EACH: games of a statement and verdict.
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
. "$top/tests/scratch.sh"

AOSRUN=$build/tests/aosrun
QUEUE_LUA=$top/contrib/ao/queue.lua
GAMES=$tmp/games
LARGE_GAME=$tmp/large
export AOSRUN QUEUE_LUA GAMES LARGE_GAME
mkdir "$GAMES"
"$build/tests/t_dispute" 1 "$GAMES" >"$tmp/played" ||
    sed 's/^/# /' "$tmp/played"
"$build/tests/t_stops" "$GAMES" >>"$tmp/played" || sed 's/^/# /' "$tmp/played"
node "$top/tests/aos-run/large-game.mjs" "$LARGE_GAME" >"$tmp/out"
sed 's/^/# /' "$tmp/out"
node --no-warnings "$top/tests/aos-run/queue-games.mjs"
