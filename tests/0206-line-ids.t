#!/bin/sh
# What a line is, and its id: blanks and a BOM change no answer, a line more
# changes none of the others, a batch of before goes on with the ids that it
# was begun with, and the ids are those of second_hash.py.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_RANKS=1
APUS_LOG_LEVEL=warning
PYTHONDONTWRITEBYTECODE=1
export APUS_CONFIG APUS_MODELS APUS_SPOOL APUS_RANKS APUS_LOG_LEVEL
export PYTHONDONTWRITEBYTECODE

same() { # FILE FILE NAME
    cmp "$1" "$2" >out 2>&1 && r=0 || r=1
    report $r "$3"
}
other_spool() {
    APUS_SPOOL=$tmp/$1
}

"$apus" model add "$top/models/nano" nano >out 2>err
# drawn answers, whose default seed is that of the line; one line twice
for i in 1 2 3 4 5 3; do
    printf '{"custom_id":"c%s","method":"POST","url":"/v1/completions",' $i
    printf '"body":{"prompt":"%s + 4 =","max_tokens":12,' $i
    printf '"temperature":2}}\n'
done >plain.jsonl
gives 0 "plain lines" run plain.jsonl -m nano -o want.jsonl
[ "$(sed 's/.*"request_id":"\([^"]*\).*/\1/' want.jsonl | sort -u | wc -l)" \
    -eq 6 ] && r=0 || r=1
report $r "equal lines are distinguished"
{
    printf '\357\273\277'
    sed 's/^/ /; s/$/\t\r/' plain.jsonl
    printf '\r\n\n'
} >dos.jsonl
other_spool dos
gives 0 "the same with a BOM, CRLF and blank lines" run dos.jsonl -m nano \
    -o got.jsonl
same want.jsonl got.jsonl "gives the same answers"
gives 0 "verify it" verify "$(basename dos/done/b* | sed s/b//)"
has out 'requests.jsonl: an answer or a reason .*6 lines' "six requests"
gives 0 "and compute it again" verify --recompute all -- "$(
    basename dos/done/b* | sed s/b//)"
gives 0 "verify the answers" verify got.jsonl --requests plain.jsonl
gives 0 "of both files" verify got.jsonl --requests dos.jsonl
gives 0 "and the requests are found" verify got.jsonl
gives 0 "export" export -o exported -- "$(basename dos/done/b* | sed s/b//)"
same want.jsonl exported "gives them too"

other_spool more
{
    printf '%s\n' '{"custom_id":"new"}'
    cat plain.jsonl
} >more.jsonl
gives 0 "a line more, in front" run more.jsonl -m nano -o more.out
sed 1d more.out >got.jsonl
same want.jsonl got.jsonl "changes no other answer"

# line numbers are those of the file
{
    printf '\n\n'
    printf '%s\n' nonsense
    cat plain.jsonl
} >third.jsonl
gives 0 "a bad line behind blank ones" run third.jsonl -m nano -o third.out
has third.out '"line":3}' "keeps its number"
has err 'the first is line 3: ' "in messages too"
gives 0 "verify says so" verify third.out --requests third.jsonl
sed 's/"line":3/"line":4/' third.out >lie
gives 3 "and to no other number" verify lie --requests third.jsonl

# ---- the second implementation ------------------------------------------
if python3 -c 'import hashlib, struct' 2>/dev/null; then
    cat >ids.py <<TXT
import json
import sys
sys.path.insert(0, '$top/tests')
from second_hash import H, ZERO, file_ids_2
import base64
batch, data = json.load(open(sys.argv[1])), open(sys.argv[2], 'rb').read()
assert batch['ids'] == 2
model = base64.urlsafe_b64decode(batch['model'] + '=')
ids = file_ids_2(model, data)
sys.stdout.buffer.write(b''.join(i or ZERO for i in ids))
TXT
    for spool in spool dos; do
        b=$(echo $spool/done/b*)
        python3 ids.py "$b/batch.json" "$b/requests.jsonl" >ids 2>err &&
            cmp ids "$b/ids" >out 2>&1 && r=0 || r=1
        report $r "$spool: the ids of second_hash.py"
    done
fi

# ---- a batch of before ------------------------------------------------------
other_spool spool
dir=$(echo spool/done/b*)
id=$(basename "$dir")
mkdir fresh old
cp "$dir"/requests.jsonl "$dir"/ids "$dir"/batch.json fresh
sed 's/,"ids":2,"lines":[0-9]*//' fresh/batch.json >old/batch.json
cp fresh/requests.jsonl old
grep -q ids old/batch.json && r=1 || r=0
report $r "a batch that says nothing of ids"
again() { # FOLDER
    rm -rf spool
    mkdir -p spool/todo
    cp -r "$1" "spool/todo/$id"
}
again old
gives 0 "continues" run plain.jsonl -m nano -o old.out
[ ! -e "spool/done/$id/ids" ] && r=0 || r=1
report $r "and gets none"
cmp -s old.out want.jsonl && r=1 || r=0
report $r "its answers are those of before"
if python3 -c 'import hashlib, struct' 2>/dev/null; then
    python3 -c "
import base64, sys
sys.path.insert(0, '$top/tests')
from second_hash import H, line_id
data = open('plain.jsonl', 'rb').read()
for k in range(6):
    print(base64.urlsafe_b64encode(line_id(H(data), k)).decode()[:43])
" >ids 2>err
    sed 's/.*"request_id":"\([^"]*\).*/\1/' old.out >got
    same ids got "with the ids of version 1"
fi
gives 0 "verify it" verify -- "${id#b}"
gives 0 "verify the answers" verify old.out --requests plain.jsonl
gives 0 "and the others" verify want.jsonl --requests plain.jsonl
gives 0 "once more: it is done" run plain.jsonl -m nano -o again.out
same old.out again.out "the same answers"

# ---- ids that are damaged -------------------------------------------------
again fresh
printf 'x' | dd of="spool/todo/$id/ids" bs=1 seek=40 conv=notrunc 2>/dev/null
gives 0 "a changed id" run plain.jsonl -m nano -o got.jsonl
same want.jsonl got.jsonl "is made again"
for what in "truncate -s 100" "truncate -s 0" rm; do
    again fresh
    $what "spool/todo/$id/ids"
    gives 0 "$what" run plain.jsonl -m nano -o got.jsonl
    same want.jsonl got.jsonl "$what: the same answers"
    same "spool/done/$id/ids" fresh/ids "$what: and ids"
done

# ---- cut off while a batch is made ----------------------------------------
if grep -q '^#define APUS_CRASH_TESTS 1' "$(dirname "$apus")/config.h"; then
    # each seventh call, all with APUS_LONG
    echo "# seed $seed"
    step=7
    [ -z "${APUS_LONG:-}" ] || step=1
    calls=0
    for how in APUS_CRASH APUS_ENOSPC; do
        i=$((seed % step))
        first=1
        bad=
        # a full disk does not always end it: as often as there were calls
        while { [ $first -ne 0 ] || [ $i -lt $calls ]; } && [ $i -lt 300 ]; do
            i=$((i + step))
            rm -rf spool
            first=0
            env $how=$i "$apus" run plain.jsonl -m nano -o got.jsonl \
                >out 2>err || first=$?
            "$apus" run plain.jsonl -m nano -o got.jsonl >out 2>err &&
                cmp -s want.jsonl got.jsonl &&
                cmp -s "spool/done/$id/ids" fresh/ids || bad="$bad $i"
        done
        [ -z "$bad" ] && [ $i -gt 10 ] && [ $i -lt 300 ] && r=0 || r=1
        report $r "$how, up to call $i: the same batch$bad"
        calls=$i
    done
fi

finish
