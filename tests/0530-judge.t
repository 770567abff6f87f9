#!/bin/sh
# Judges in C, in PUC Lua and in Luerl give the same verdicts on disputes that
# t_dispute, t_hostile, t_stops and large-game play, and the first two on these
# with a bit changed; a changed proof is refused or gets the same verdict.  And
# on files of what no prover shows (judge_made.lua), where lua5.3 makes them.
# JUDGE_CHANGES: bits a file; in C a million of all files, too.  APUS_LONG: ten
# times as many games and bits in Lua.
# part: judge
set -eu
. "${top_srcdir:-.}/tests/scratch.sh"
top=${top_srcdir:-.}
build=${top_builddir:-.}
n=0
status=0
check() { # STATUS NAME
    n=$((n + 1))
    if [ "$1" = 0 ]; then
        echo "ok $n - $2"
    else
        echo "not ok $n - $2"
        status=1
    fi
}
skip() { # NAME REASON
    n=$((n + 1))
    echo "ok $n - $1 # SKIP $2"
}

more=${APUS_LONG:+0} # a digit
mkdir "$tmp/games"
"$build/tests/t_dispute" "${JUDGE_GAMES:-12$more}" "$tmp/games" \
    >"$tmp/played" ||
    sed 's/^/# /' "$tmp/played"
for program in t_hostile t_stops; do
    "$build/tests/$program" "$tmp/games" >>"$tmp/played" ||
        sed 's/^/# /' "$tmp/played"
done
if command -v node >/dev/null; then
    node "$top/tests/aos-run/large-game.mjs" "$tmp/large" "$tmp/games" |
        sed 's/^/# /'
else
    skip "a dispute with more than 128 sums" "no node"
fi
games=$(ls "$tmp/games" | wc -l)
[ "$games" -ge 500 ] && rc=0 || rc=1
check $rc "$games games were played"

rc=0
"$build/tests/judge-files" "${JUDGE_CHANGES:-4$more}" 1 "$tmp"/games/* \
    >"$tmp/c" 2>"$tmp/flipped" || rc=$?
mkdir "$tmp/made"
if lua5.3 -v >/dev/null 2>&1; then
    lua5.3 "$top/tests/judge_make.lua" "$top" "$tmp/made" || rc=1
    "$build/tests/judge-files" 0 1 "$tmp"/made/* >>"$tmp/c"
fi
sed 's/^/# /' "$tmp/flipped"
check $rc "C: $(wc -l <"$tmp/c") verdicts, no changed proof has another one"

{
    "$build/tests/judge-files" $((1000000 / games + 1)) 2 "$tmp"/games/* \
        2>"$tmp/flipped" || echo failed >>"$tmp/flipped"
} | wc -l >"$tmp/changed"
[ ! -s "$tmp/flipped" ] && [ "$(cat "$tmp/changed")" -ge 1000000 ] &&
    rc=0 || rc=1
head -n 3 "$tmp/flipped" | sed 's/^/# /'
check $rc "C: so of 1000000 changed bits"

# a file is named by how it has to end
awk '$2 == "-" { how = $1; sub(/.*[.]/, "", how); if (how != $3) print }' \
    "$tmp/c" >"$tmp/wrong"
[ -s "$tmp/wrong" ] && rc=1 || rc=0
head -n 3 "$tmp/wrong" | sed 's/^/# /'
check $rc "C: the verdicts are those of the games"

if lua5.3 -v >/dev/null 2>&1; then
    rc=0
    lua5.3 "$top/tests/judge_files.lua" "$top/contrib" <"$tmp/c" >"$tmp/lua" ||
        rc=1
    diff "$tmp/c" "$tmp/lua" >"$tmp/diff" || rc=1
    head -n 4 "$tmp/diff" | sed 's/^/# /'
    check $rc "lua5.3: the same $(wc -l <"$tmp/lua") verdicts"
else
    skip "lua5.3: the same verdicts" "no lua5.3"
fi

if [ -d /usr/lib/erlang/lib ] && ls -d /usr/lib/erlang/lib/luerl* \
    >/dev/null 2>&1 && escript 2>&1 | grep -q -i escript; then
    ls "$tmp"/games/* | awk -v n="$games" 'NR % int(n / 20) == 1' \
        >"$tmp/some"
    grep ' [0-9][0-9]* ' "$tmp/c" | grep -v ' text ' >"$tmp/bits"
    mkdir "$tmp/bit"
    ! lua5.3 -v >/dev/null 2>&1 ||
        lua5.3 - "$tmp" >>"$tmp/some" <<'TXT'
local dir, lines = arg[1], {}
for line in io.lines(dir .. "/bits") do
    lines[#lines + 1] = line
end
local to = io.open(dir .. "/c", "a")
for i = #lines // 20, #lines, #lines // 20 do
    local name, bit, verdict = lines[i]:match("^(.*) (%d+) (%S+)$")
    local from = io.open(name, "rb")
    local s, at = from:read("a"), bit // 8 + 1
    from:close()
    name = dir .. "/bit/" .. i
    local f = io.open(name, "wb")
    f:write(s:sub(1, at - 1), string.char(s:byte(at) ~ (1 << bit % 8)),
        s:sub(at + 1))
    f:close()
    print(name)
    to:write(name, " - ", verdict, "\n")
end
TXT
    rc=0
    # shellcheck disable=SC2046
    escript "$top/tests/luerl_judge.escript" "$top/contrib" \
        $(cat "$tmp/some") >"$tmp/luerl" 2>"$tmp/err" || rc=1
    sed 's/^/# /' "$tmp/err" | head -n 5
    while read -r file verdict ms; do
        grep -qxF "$file - $verdict" "$tmp/c" ||
            { echo "# $file: $verdict"; rc=1; }
    done <"$tmp/luerl"
    [ "$(wc -l <"$tmp/luerl")" -eq "$(wc -l <"$tmp/some")" ] || rc=1
    check $rc "Luerl: the same $(wc -l <"$tmp/luerl") verdicts"
else
    skip "Luerl: the same verdicts" "no luerl (Debian: erlang-luerl)"
fi

echo "1..$n"
exit $status
