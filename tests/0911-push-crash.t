#!/bin/sh
# A push that is ended, or whose disk is full, at some of its writes, syncs,
# renames and posts, at each of them with APUS_LONG: the next one finishes it,
# with the same items, each paid once.  Needs a build with --enable-crash-tests;
# the others end it at odd moments only.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/localnet.sh"
. "$top/tests/slow.sh"
worker=$(dirname "$apus")/apus-worker
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_HTTP_RETRIES=0
export APUS_CONFIG APUS_MODELS APUS_SPOOL APUS_HTTP_RETRIES
"$apus" model add "$top/models/nano" nano >out 2>err
net_up --hostile nothing-free && r=0 || r=1
report $r "localnet is up"
APUS_CONFIG=$net/apus.conf

# A batch in done that nobody has seen before: $id.
made=0
new_batch() { # LINES
    made=$((made + 1))
    awk -v n="$1" -v b=$made 'BEGIN { for (i = 0; i < n; i++)
        printf "{\"custom_id\":\"%d.%d\",\"method\":\"POST\",\"url\":" \
            "\"/v1/completions\",\"body\":{\"prompt\":\"%d\"," \
            "\"max_tokens\":3}}\n", b, i, b }' >"q.jsonl"
    "$apus" submit q.jsonl -m nano --launcher local --todo >out 2>err
    id=$(basename spool/todo/b*)
    id=${id#b}
    "$worker" --alone --pretend-engine -- "$id" >out 2>err </dev/null
}
all_bytes=0
# Push it; it must be sent, whole.
finish_push() { # NAME
    got=0
    "$apus" push -- "$id" >out 2>err </dev/null || got=$?
    # what was cut off behind the last rename is only looked after now
    b=spool/sent/b$id
    lines=$(cat "$b/items.jsonl" 2>>err | wc -l)
    [ -d "$b" ] && [ $got -eq 0 ] && [ "$lines" -eq 2 ] &&
        [ -s spool/last-statement ] &&
        [ "$(find "$b/push" -name '*.receipt' | wc -l)" -eq 4 ] ||
        report 1 "$1: the next push finishes it (exit $got)"
    # nothing half made is left, but what a kill has left beside
    n_bytes=$(cat "$b"/push/*.head "$b"/push/*.items "$b"/part-*.h5 \
        "$b"/part-*.idx 2>>err | wc -c)
    all_bytes=$((all_bytes + n_bytes))
}
paid_once() { # NAME
    "$apus" push --check >out 2>err || :
    left=$(sed -n 's/.*on the account are \([0-9]*\) .*/\1/p' err)
    echo "$all_bytes bytes were handed over, left are $left" >>out
    [ "$left" = $((10000000000000 - 100 * all_bytes)) ] && r=0 || r=1
    report $r "$1: every byte was paid once"
}

if grep -q '^#define APUS_CRASH_TESTS 1' "$(dirname "$apus")/config.h"; then
    # each third call, each fifth of a full disk; all with APUS_LONG
    echo "# seed $seed"
    step=3
    [ -z "$long" ] || step=1
    i=$((seed % step))
    first=137
    while [ $first -ne 0 ] && [ $i -lt 400 ]; do
        i=$((i + step))
        new_batch 2
        APUS_CRASH=$i "$apus" push -- "$id" >out 2>err </dev/null && first=0 ||
            first=$?
        finish_push "APUS_CRASH=$i (exit $first)"
    done
    [ $i -gt 40 ] && [ $i -lt 400 ] && r=0 || r=1
    report $r "ended at $((i / step)) calls"
    paid_once "ended"
    calls=$i
    step=5
    [ -z "$long" ] || step=1
    i=$((seed % step))
    while [ $i -lt "$calls" ]; do
        i=$((i + step))
        new_batch 2
        APUS_ENOSPC=$i "$apus" push -- "$id" >out 2>err </dev/null &&
            first=0 || first=$?
        case $first in
        0 | 75) ;;
        *) report 1 "a full disk at call $i: exit $first" ;;
        esac
        [ $first -eq 0 ] || grep -q 'o space left' err ||
            report 1 "a full disk at call $i is reported"
        finish_push "APUS_ENOSPC=$i (exit $first)"
    done
    report 0 "a full disk at $((i / step)) calls"
    paid_once "a full disk"
else
    n=$((n + 1))
    echo "ok $n - a push cut off at each call # SKIP not built with" \
        "--enable-crash-tests"
fi

# ---- killed at odd moments ----------------------------------------------
kills=0
for ms in 020 040 060 090 120; do
    new_batch 2
    "$apus" push -- "$id" >out 2>err </dev/null &
    pid=$!
    sleep "0.$ms"
    kill -9 $pid 2>/dev/null && kills=$((kills + 1))
    wait $pid 2>/dev/null || :
    finish_push "killed after $ms ms"
done
report 0 "killed $kills times with -9"
paid_once "killed"

# ---- two at once ---------------------------------------------------------
new_batch 2
"$apus" push -- "$id" >out1 2>err1 </dev/null &
one=$!
"$apus" push -- "$id" >out2 2>err2 </dev/null &
two=$!
wait $one && r1=0 || r1=$?
wait $two && r2=0 || r2=$?
cat out1 out2 >out
cat err1 err2 >err
echo "exit $r1, $r2" >>out
[ "$(grep -c 'sent.*results' out)" -eq 1 ] && r=0 || r=1
report $r "two at once: one of them pushes it"
finish_push "two at once"
paid_once "two at once"
finish
