#!/bin/sh
# How far apus run is, while it runs: a line soon where there is no terminal,
# a bar that nothing is written behind; and what an end before the first answer
# leaves.
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/slow.sh"
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_RANKS=1
APUS_BATCH=512
export APUS_MODELS APUS_SPOOL APUS_RANKS APUS_BATCH
trap 'pkill -9 -f "$tmp/spool" 2>/dev/null || :; scratch_end' EXIT
"$apus" model add "$top/models/nano" nano >out 2>err

# all are in flight at once, and each is long: no answer for many seconds
sed 's/"max_tokens": *[0-9]*/"max_tokens": 450/
    s/"body": *{/&"apus": {"ignore_eos": true}, /' \
    "$top/models/nano/eval.jsonl" >long.jsonl
comes() { # COMMAND...
    left=1200
    until "$@" >/dev/null 2>&1; do
        left=$((left - 1))
        [ $left -gt 0 ] || return 1
        sleep 0.1
    done
}
interrupt() { # PATTERN: of apus's command line
    comes pgrep -f "$1"
    kill -TERM $(pgrep -f "$1")
}

# ---- no terminal -------------------------------------------------------------
"$apus" run long.jsonl -m nano >out 2>err &
pid=$!
comes grep -q 'tok/s' err && r=0 || r=1
report $r "there is a line before the first answer"
has err '^0 of 300, [0-9]* tokens, [0-9]* tok/s, at most [0-9:]* left$' \
    "with tokens and an estimate"
has err 'batch [^/]*, start 0, 300 requests' "no path stands before it"
kill -TERM $pid
got=0
wait $pid || got=$?
[ $got -eq 75 ] && r=0 || r=1
report $r "an end before the first answer: exit status 75"
has err 'saved before the first answer: run it again' "that is said"
[ -z "$(ls long.out.jsonl* 2>/dev/null)" ] && r=0 || r=1
report $r "and leaves no output"

# ---- a terminal --------------------------------------------------------------
COLUMNS=80 script -qefc "'$apus' run long.jsonl -m nano --spool '$tmp/spool'" \
    tty >out 2>err </dev/null &
pid=$!
comes grep -q 'tok/s, at most' tty && r=0 || r=1
report $r "a bar comes"
interrupt "^$apus run long.jsonl .*$tmp/spool"
wait $pid || :
# the worker says that it is done while a bar stands there
script -qefc "'$apus' run '$top/models/nano/eval.jsonl' -m nano -o o.jsonl" \
    tty2 >out 2>err </dev/null && r=0 || r=1
report $r "a run to its end"
cat tty2 >>tty
# each row that ends with a message begins it where the bar was taken away
tr -d '\n' <tty | tr '\r' '\n' >rows
grep -q 'left' rows && ! grep -q 'left.*\(info\|warning\):' rows && r=0 || r=1
report $r "and no message stands behind it"
finish
