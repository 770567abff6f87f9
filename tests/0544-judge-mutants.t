#!/bin/sh
# Each check that is taken out of the judge in Lua, one at a time, is seen by a
# file of 0530: what is judged otherwise.  Those that nothing can see are in
# judge_mutants_known.lua with the reason.  All with APUS_LONG; else a part of
# those about records.  JUDGE_MUTANTS: K/N, a part of all.
# part: judge
set -eu
. "${top_srcdir:-.}/tests/scratch.sh"
top=${top_srcdir:-.}
build=${top_builddir:-.}

if ! lua5.3 -v >/dev/null 2>&1; then
    echo "1..0 # SKIP no lua5.3"
    exit 0
fi

mkdir "$tmp/made" "$tmp/games"
lua5.3 "$top/tests/judge_make.lua" "$top" "$tmp/made"
"$build/tests/judge-files" 0 1 "$tmp"/made/* >"$tmp/expected"
if [ -n "${APUS_LONG:-}${JUDGE_MUTANTS:-}" ]; then
    "$build/tests/t_dispute" 12 "$tmp/games" >"$tmp/played"
    "$build/tests/t_hostile" "$tmp/games" >>"$tmp/played"
    "$build/tests/t_stops" "$tmp/games" >>"$tmp/played"
    "$build/tests/judge-files" 2 1 "$tmp"/games/* >>"$tmp/expected"
    set -- "${JUDGE_MUTANTS:-1/1}"
else
    set -- 1/2 30-records.lua
fi
rc=0
lua5.3 "$top/tests/judge_mutants.lua" "$top" "$tmp/expected" "$@" \
    >"$tmp/mutants" || rc=1
grep -v -E '^(found|known)' "$tmp/mutants" | sed 's/^/# /'
if [ $rc = 0 ]; then
    echo "ok 1 - each check of the judge is seen"
else
    echo "not ok 1 - each check of the judge is seen"
fi
echo "1..1"
exit $rc
