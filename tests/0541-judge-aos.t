#!/bin/sh
# The judge in the module that AO runs gives the verdicts of the one in C on 100
# disputes and on 200 of these with a bit changed, 50 in a message.
# JUDGE_FILES: how many disputes.  Needs APUS_WITH_NPM=1 (tests/npm.sh).
# part: judge
set -eu
. "${top_srcdir:-.}/tests/aos-run.sh"

QUEUE_LUA=$top/contrib/ao/queue.lua
JUDGED=$tmp/judged
export QUEUE_LUA JUDGED
mkdir "$tmp/games"
"$build/tests/t_dispute" 1 "$tmp/games" >"$tmp/played" ||
    sed 's/^/# /' "$tmp/played"
for program in t_hostile t_stops; do
    "$build/tests/$program" "$tmp/games" >>"$tmp/played" ||
        sed 's/^/# /' "$tmp/played"
done
node "$top/tests/aos-run/large-game.mjs" "$tmp/large" "$tmp/games" |
    sed 's/^/# /'
games=$(ls "$tmp/games" | wc -l)
files=${JUDGE_FILES:-100}
[ -z "${APUS_LONG:-}" ] || files=$games
ls "$tmp"/games/* | awk -v n="$games" -v want="$files" \
    'int(NR * want / n) > int((NR - 1) * want / n)' >"$tmp/some"
xargs "$build/tests/judge-files" 2 1 <"$tmp/some" >"$tmp/all"
grep -v ' text ' "$tmp/all" >"$JUDGED"
aos_node judge-aos.mjs
