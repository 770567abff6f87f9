#!/bin/sh
# The same as 0532 with the module that AO runs; with APUS_LONG, in the metered
# one the last proof of the largest dispute and a full Complete, whatever its
# texts are, each cost less than 1e11 gas.  Needs APUS_WITH_NPM=1
# (tests/npm.sh).
# part: judge
set -eu
. "${top_srcdir:-.}/tests/aos-run.sh"

QUEUE_LUA=$top/contrib/ao/queue.lua
GAMES=$tmp/games
LARGE_GAME=$tmp/large
export QUEUE_LUA GAMES LARGE_GAME
mkdir "$GAMES"
"$build/tests/t_dispute" 1 "$GAMES" >"$tmp/played" ||
    sed 's/^/# /' "$tmp/played"
"$build/tests/t_stops" "$GAMES" >>"$tmp/played" || sed 's/^/# /' "$tmp/played"
node "$top/tests/aos-run/large-game.mjs" "$LARGE_GAME" >"$tmp/out"
if [ -z "${APUS_LONG:-}" ]; then
    aos_node queue-games.mjs && exit 0 || exit 1
fi

# ---- and what it costs ------------------------------------------------------
aos_node queue-games.mjs >"$tmp/tap" && status=0 || status=1
GAS=1 aos_node queue-games.mjs >>"$tmp/tap" || status=1
aos_node gas.mjs 20 384 2000 2000:quotes 2000:slashes 2000:lines 2000:control \
    2000:wide 2000:emoji >"$tmp/complete" 2>&1 && not= || not='not '
sed 's/^/# /' "$tmp/complete"
echo "${not}ok - a full Complete costs less than 1e11 gas" >>"$tmp/tap"
[ -z "$not" ] || status=1
grep -v '^1\.\.' "$tmp/tap" | sed 's/^\(not \)\{0,1\}ok [0-9]* /\1ok /'
echo "1..$(grep -c '^\(not \)\{0,1\}ok' "$tmp/tap")"
exit $status
