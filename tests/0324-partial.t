#!/bin/sh
# A start that is told to save keeps the tokens of what it has in flight, and
# the next one goes on with them: a job whose time is shorter than one answer
# gets further with each start, and the answers are those of one that was never
# interrupted.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/slow.sh"
worker=$(dirname "$apus")/apus-worker
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
export APUS_CONFIG APUS_MODELS
"$apus" model add "$top/models/nano" nano >out 2>err

# Long answers, all in flight at once, so that none ends long before the rest;
# greedy, drawn, with choices and stops.
head -n 60 "$top/models/nano/eval.jsonl" |
    sed 's/"max_tokens": [0-9]*/"max_tokens": 300/
        s/"body": {/&"apus": {"ignore_eos": true}, /
        5,9s/"temperature": 0/"n": 2, "temperature": 1, "top_p": 0.9/
        20,29s/"temperature": 0/"temperature": 0.7, "seed": 7/
        30,32s/"temperature": 0/&, "stop": ["zzz", " 7 "]/' >long.jsonl
APUS_SPOOL=$tmp/whole
export APUS_SPOOL
gives 0 "never interrupted" run long.jsonl -m nano -o whole.out --ranks 1 \
    --batch 256

APUS_SPOOL=$tmp/spool
gives 0 "the same, interrupted" submit long.jsonl -m nano --todo
id=$(basename spool/todo/b*)

# Tokens that were kept, over all choices: a payload has 36 bytes and 4 a token.
kept() { # LOG
    "$apus" show "$1" | awk -F '\t' '
        $2 == "partial" { n += ($5 - 36) / 4 } END { print n + 0 }'
}
drawn() { # tokens of the start that runs, as it tells rank 0 now and then
    sed -n 's/.*"tokens":\([0-9]*\).*/\1/p' "spool/running/$id/progress" \
        2>/dev/null | head -n 1
}
# Have $pid save when it has drawn so many tokens; leaves its status in $got.
save_after() { # TOKENS
    left=1200
    while [ $left -gt 0 ] && kill -0 $pid 2>/dev/null; do
        some=$(drawn)
        [ "${some:-0}" -lt "$1" ] || break
        left=$((left - 1))
        sleep 0.05
    done
    kill -USR1 $pid 2>/dev/null || :
    got=0
    wait $pid || got=$?
}
before=0
starts=0
further=0
while [ ! -d "spool/done/$id" ] && [ $starts -lt 40 ]; do
    rm -f "spool/running/$id/progress" "spool/todo/$id/progress"
    "$worker" --alone --batch=256 -- "${id#b}" >out 2>err </dev/null &
    pid=$!
    save_after 1500
    starts=$((starts + 1))
    [ $got -eq 75 ] || break
    log=$(find spool -name 0000.log | sort | tail -n 1)
    now=$(kept "$log")
    "$apus" show "$log" | cut -f 2 | grep -q record && break
    [ "$now" -gt "$before" ] || {
        echo "# start $starts: $now tokens, $before before"
        further=1
    }
    before=$now
done
echo "# $starts starts, $before tokens kept by the last that saved"
[ $starts -gt 1 ] && [ "$before" -gt 0 ] && r=0 || r=1
report $r "tokens are kept"
report $further "each start that answers nothing keeps more than those before"
gives 0 "the last start" run long.jsonl -m nano -o parts.out --ranks 1 \
    --batch 256
same whole.out parts.out "the same answers"
gives 0 "all of it is recomputed" verify "${id#b}" --recompute all

# The whole checkpoint is the same, traces and rows too.
part=spool/done/$id/part-0000.h5
cmp -s "$part" "whole/done/$id/part-0000.h5" && r=0 || r=1
report $r "the part has the same bytes"

# Files end behind the first few frames that have tokens (some shells count in
# 1,024 bytes): the other tokens are lost, which is told once, and no answer is.
rm -rf spool
gives 0 "the same again, for a disk that gets full" submit long.jsonl -m nano \
    --todo
(
    trap '' XFSZ
    ulimit -f 12
    exec "$worker" --alone --batch=256 -- "${id#b}"
) >out 2>err </dev/null &
pid=$!
save_after 2000
[ $got -eq 75 ] && r=0 || r=1
report $r "a full disk while it saves: exit 75 ($got)"
has err 'tokens of [0-9]* unfinished answers cannot be kept and will be comp' \
    "what is lost is reported"
[ "$(grep -c 'cannot be kept' err)" -eq 1 ] && r=0 || r=1
report $r "once"
[ "$(kept "$(find spool -name 0000.log)")" -gt 0 ] && r=0 || r=1
report $r "what did fit is kept"
gives 0 "the next start" run long.jsonl -m nano -o full.out --ranks 1 \
    --batch 256
same whole.out full.out "the same answers"
finish
