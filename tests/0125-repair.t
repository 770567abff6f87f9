#!/bin/sh
# A finished batch whose files a disk has changed: run, wait and export end with
# 3 and name the remedy, apus seal --again; they write no answer that does not
# fit its hashes, and all others to OUT.partial.  The repair keeps what is good,
# computes the rest, and makes the same files.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_LAUNCHER=local
APUS_PART_SIZE=1M
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
export APUS_MODELS APUS_SPOOL APUS_LAUNCHER APUS_PART_SIZE APUS_CONFIG

"$apus" model add "$top/models/nano" nano >out 2>err
# Long enough for two parts, the second of which is damaged.  A build with
# sanitizers computes slowly: there it is a short one, and the walk at the end
# is what counts.
n_rows=26 tokens=400 damaged=0001
walk=
if grep -q '^#define APUS_CRASH_TESTS 1' "$(dirname "$apus")/config.h"; then
    walk=1
    [ -n "$long" ] || n_rows=3 tokens=40 damaged=0000
fi
# the last line is refused
i=0
while [ $i -lt $n_rows ]; do
    i=$((i + 1))
    printf '{"custom_id":"r%d","method":"POST","url":"/v1/completions",' $i
    printf '"body":'
    printf '{"prompt":"count from %d:","max_tokens":%d,"temperature":1,' $i \
        $tokens
    printf '"seed":%d,"apus":{"ignore_eos":true}}}\n' $i
done >q.jsonl
echo '{"custom_id":"bad"}' >>q.jsonl
gives 0 "answer a file" run q.jsonl -m nano -o good.jsonl --ranks 1
id=$(basename spool/done/b*)
id=${id#b}
done=$tmp/spool/done/b$id
parts=$(find "$done" -name 'part-*.h5' | wc -l)
[ "$parts" -eq $((1 + ${damaged#000})) ] && r=0 || r=1
report $r "in so many parts: $parts"
cp -Rp spool ready
# all but run.jsonl, which tells when each start began
sums() {
    (cd "$done" && find . -name 'part-*' -o -name '*.json*' | sort |
        grep -v run.jsonl | xargs sha256sum)
}
sums >sums

fresh() {
    rm -rf spool
    cp -Rp ready spool
}
# Change the byte at an offset.
flip() { # FILE OFFSET
    byte=$(od -An -tu1 -j"$2" -N1 "$1" | tr -d ' ')
    printf "\\$(printf %o $((byte ^ 1)))" |
        dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}
# Where a dataset of a part lies, by its index.
offset() { # PART DATASET
    sed -n "s|.*\"$2\".*\"offset\":\([0-9]*\).*|\1|p" "$done/part-$1.idx"
}
same() { # NAME
    sums >now
    cmp -s sums now && r=0 || r=1
    diff sums now >>out || :
    report $r "$1: the same files as before"
    gives 0 "$1: export" export -o again.jsonl -- "$id"
    cmp -s good.jsonl again.jsonl && r=0 || r=1
    report $r "$1: the same answers"
    [ -z "$(find "$done" -name 'a[0-9]*')" ] && r=0 || r=1
    report $r "$1: no log is left"
}

gives 0 "nothing to repair" seal --again -- "$id"
has err 'nothing is damaged' "says so"
same "nothing to repair"

# Every answer but one is in bad.jsonl.partial.
others() { # NAME
    diff good.jsonl bad.jsonl.partial >lost || :
    [ "$(grep -c '^<' lost)" -eq 1 ] && [ "$(grep -c '^>' lost)" -eq 0 ] &&
        r=0 || r=1
    report $r "$1: the other answers are in OUT.partial"
    rm -f bad.jsonl.partial
}

damage='text/utf8 output/token requests/result requests/job prompt/token'
lost='part-0000.h5 refused.jsonl checkpoint.json'
for what in $damage; do
    fresh
    at=$(offset $damaged "/$what")
    [ -n "$at" ] || continue
    flip "$done/part-$damaged.h5" $((at + 8))
    gives 3 "$what: export" export -o bad.jsonl -- "$id"
    has err "part-$damaged.h5.*1 answer left out" "$what: names the part"
    has err 'apus seal --again' "$what: names the remedy"
    [ ! -e bad.jsonl ] && r=0 || r=1
    report $r "$what: no output that lacks an answer"
    others "$what"
    gives 3 "$what: run" run q.jsonl -m nano -o bad.jsonl
    has err 'apus seal --again' "$what: run names it, too"
    others "$what, run"
    gives 3 "$what: to standard output" export -- "$id"
    diff good.jsonl out >lost || :
    [ "$(grep -c '^<' lost)" -eq 1 ] && [ "$(grep -c '^>' lost)" -eq 0 ] &&
        r=0 || r=1
    report $r "$what: has the other answers"
    gives 3 "$what: show of the batch" show "$id"
    has out '^answers' "$what: what it is"
    has err "part-$damaged.h5.*apus seal --again" "$what: and what is wrong"
    gives 3 "$what: show of the part" show "$done/part-$damaged.h5"
    gives 3 "$what: the part" export "$done/part-$damaged.h5"
    has err 'differs; "apus seal --again' "$what: which names the remedy, too"
    gives 3 "$what: verify of it" verify "$done/part-$damaged.h5"
    has out '^WRONG.part-.*SHA-256 differs; "apus seal --again' \
        "$what: says the same"
    gives 3 "$what: verify of the batch" verify "$id"
    has out '^WRONG.part-.*SHA-256 differs; "apus seal --again' \
        "$what: has the remedy, too"
    line=$(sed -n 's/^\([0-9]*\)d.*/\1/p' lost)
    request=$(sed -n "${line}s/.*\"batch_req_\([^\"]*\)\".*/\1/p" good.jsonl)
    gives 3 "$what: show of the answer" show "$id" --request "$request"
    has err "part-$damaged.h5.*apus seal --again" "$what: it is not shown"
    gives 0 "$what: show of another" show "$id" --request \
        "$(sed -n '2s/.*"batch_req_\([^"]*\)".*/\1/p' good.jsonl)"
    gives 0 "$what: repair" seal --again -- "$id"
    has err "1 of $parts parts* damaged" "$what: says how much"
    same "$what"
done

# what no answer depends on
fresh
flip "$done/part-$damaged.h5" $(($(offset $damaged /trace/leaf) + 8))
for how in "export -o all.jsonl -- $id" "run q.jsonl -m nano -o all.jsonl" \
    "wait q.jsonl -o all.jsonl" "export --partial -o all.jsonl -- $id"; do
    rm -f all.jsonl
    # shellcheck disable=SC2086
    gives 3 "a trace, ${how%% *}" $how
    has err "part-$damaged.h5.*every answer is intact.*apus seal --again" \
        "a trace, ${how%% *}: names the part and the remedy"
    cmp -s good.jsonl all.jsonl && r=0 || r=1
    report $r "a trace, ${how%% *}: all answers are written"
done

# a part without an answer
sed -n '$p' q.jsonl >refused.jsonl
gives 4 "all is refused" run refused.jsonl -m nano -o refused.out
none=$(ls -d spool/done/b* | grep -v "$id")
flip "$none/part-0000.h5" 100
gives 3 "a part without an answer" export refused.jsonl -o refused.out
has err 'part-0000.h5.*every answer is intact.*apus seal --again' "is named"

sed -i 's/,"output":"[^"]*"//' "$done/batch.json"
gives 3 "a wait that writes nothing" wait "$id"
has err "part-$damaged.h5.*differs; \"apus seal --again" "says it, too"

# a part that cannot be read at all
fresh
cp good.jsonl kept.jsonl
printf x >"$done/part-$damaged.h5"
gives 3 "a part that is cut off: wait" wait q.jsonl -o kept.jsonl
has err "part-$damaged.h5.*answers* left out.*apus seal --again" \
    "a part that is cut off: named with the remedy"
cmp -s good.jsonl kept.jsonl && r=0 || r=1
report $r "a part that is cut off: an output that was complete stays"
if [ "$damaged" != 0000 ]; then
    count=$(sed -n 's/.*"first":0,"count":\([0-9]*\).*/\1/p' \
        "$done/checkpoint.json")
    head -n "$count" good.jsonl >want
    tail -n 1 good.jsonl >>want
    cmp -s want kept.jsonl.partial && r=0 || r=1
    report $r "a part that is cut off: the answers of the other part"
fi
gives 0 "a part that is cut off: repair" seal --again -- "$id"
same "a part that is cut off"
gives 0 "a part that is cut off: wait again" wait q.jsonl -o kept.jsonl
[ ! -e kept.jsonl.partial ] && r=0 || r=1
report $r "a part that is cut off: the partial output is removed"

for f in $lost part-$damaged.idx; do
    fresh
    rm "$done/$f"
    case $f in
    part-0000.h5 | refused.jsonl)
        gives 3 "without $f: export" export -o bad.jsonl -- "$id"
        has err "$f.*left out.*apus seal --again" "without $f: names it"
        ;;
    esac
    gives 0 "without $f: repair" seal --again -- "$id"
    same "without $f"
done

fresh
sed 's/"rows":[0-9]*/"rows":2/' "$done/checkpoint.json" >c
cp c "$done/checkpoint.json"
echo '{"line":1,"code":"x","message":"y"}' >>"$done/refused.jsonl"
gives 0 "a reason too many: repair" seal --again -- "$id"
same "a reason too many"

fresh
sed "s/\"line\":$((n_rows + 1))/\"line\":$n_rows/" "$done/refused.jsonl" >c
cmp -s c "$done/refused.jsonl" && r=1 || r=0
report $r "a reason at another line"
cp c "$done/refused.jsonl"
gives 0 "a reason at another line: repair" seal --again -- "$id"
same "a reason at another line"

# whoever repaired it died
fresh
flip "$done/part-$damaged.h5" $(($(offset $damaged /text/utf8) + 8))
rm "$done/checkpoint.json"
mv "$done" spool/sending
gives 0 "left in sending: repair" seal --again -- "$id"
same "left in sending"

fresh
echo >>"$done/requests.jsonl"
gives 1 "other requests" seal --again -- "$id"
has err 'requests.jsonl.*put back' "other requests: says what helps"
[ -e "$done/checkpoint.json" ] && r=0 || r=1
report $r "other requests: nothing is taken apart"

fresh
mv models away
flip "$done/part-$damaged.h5" $(($(offset $damaged /text/utf8) + 8))
gives 1 "without the model" seal --again -- "$id"
mv away models
[ -e "$done/checkpoint.json" ] && [ -e "$done/part-$damaged.h5" ] && r=0 || r=1
report $r "nothing is taken apart without the model"

# The column of lines is in no hash: an answer that moved to the line of a
# request without one stays out, and is computed again.
rm -rf spool
sed -n '1p;$p;2p' q.jsonl >few.jsonl
gives 0 "a line between: answer" run few.jsonl -m nano -o good-few.jsonl \
    --ranks 1
few=$(basename spool/done/b*)
few=$tmp/spool/done/$few
at=$(sed -n 's|.*"/requests/index".*"offset":\([0-9]*\).*|\1|p' \
    "$few/part-0000.idx")
printf '\001' | dd of="$few/part-0000.h5" bs=1 seek=$((at + 4)) \
    conv=notrunc 2>/dev/null
gives 0 "a line between: repair" seal --again -- "${few##*/b}"
gives 0 "a line between: verify" verify "${few##*/b}"
gives 0 "a line between: export" export -o again.jsonl -- "${few##*/b}"
cmp -s good-few.jsonl again.jsonl && r=0 || r=1
report $r "a line between: the same answers"

# ended anywhere, it goes on when it is run again; each ninth of the calls, all
# with APUS_LONG
if [ -n "$walk" ]; then
    i=$((seed % 9))
    step=9
    [ -z "$long" ] || i=0 step=1
    calls=0
    rc=137
    while [ $rc -ne 0 ] && [ $i -lt 200 ]; do
        i=$((i + step))
        calls=$((calls + 1))
        fresh
        flip "$done/part-$damaged.h5" $(($(offset $damaged /text/utf8) + 8))
        rc=0
        APUS_CRASH=$i "$apus" seal --again -- "$id" >out 2>err </dev/null ||
            rc=$?
        "$apus" status >out 2>&1 || :
        for try in 1 2; do
            [ $rc -eq 0 ] || [ ! -d "$done" ] ||
                "$apus" seal --again -- "$id" >>out 2>>err || :
        done
        "$apus" run q.jsonl -m nano -o again.jsonl >>out 2>>err &&
            cmp -s good.jsonl again.jsonl || {
            report 1 "ended at call $i (exit $rc)"
            break
        }
    done
    [ $rc -eq 0 ] && [ $i -gt 5 ] && r=0 || r=1
    report $r "ended at $((calls - 1)) of its calls"
else
    n=$((n + 1))
    echo "ok $n - a repair cut off at each call # SKIP not built with" \
        "--enable-crash-tests"
fi
finish
