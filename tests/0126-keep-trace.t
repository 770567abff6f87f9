#!/bin/sh
# Checkpoints that were sealed without the leaves of their traces: what is
# smaller, what verify can still tell, and a repair.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
python=/usr/bin/python3
[ -x $python ] || python=python3
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_RANKS=1
APUS_KEEP_TRACE=roots
PYTHONDONTWRITEBYTECODE=1
export APUS_CONFIG APUS_MODELS APUS_SPOOL APUS_RANKS APUS_KEEP_TRACE
export PYTHONDONTWRITEBYTECODE

head -n 3 "$top/models/nano/eval.jsonl" >q.jsonl
"$apus" model add "$top/models/nano" nano >out 2>err
gives 0 "a batch without leaves" run q.jsonl -m nano -o bare.jsonl
dir=$(echo spool/done/b*)
b=${dir#spool/done/b}
has "$dir/checkpoint.json" '"trace":"roots"' "its checkpoint says so"
gives 0 "and show" show "$dir/part-0000.h5"
has out '^leaves.no$' "does"
! grep -q '/trace/' "$dir/part-0000.idx" && r=0 || r=1
report $r "no leaves are in it"
if command -v h5dump >/dev/null; then
    h5dump -A -d /requests/trace "$dir/part-0000.h5" >out 2>err && r=0 || r=1
    report $r "h5dump looks at the roots"
    has out '"left out"' "which say that the leaves are left out"
fi
if $python -c 'import h5py' 2>/dev/null; then
    $python "$top/tests/second_part.py" "$dir/part-0000.h5" q.jsonl \
        >out 2>err && r=0 || r=1
    report $r "the second implementation agrees"
fi

gives 0 "verify" verify "$b"
has out '^open.*the leaves of each trace.*not checked: .*keep-trace = roots' \
    "tells what it cannot check"
gives 0 "computed again" verify "$b" --recompute all
has out '^ok.*answers computed again.*3 of 3' "all of it can"
id=$(sed -n '1s/.*"request_id":"\([^"]*\)".*/\1/p' bare.jsonl)
gives 0 "position by position" verify "$b" --trace "$id"
has out '^position 0.token [0-9]*.next -.kv -.fin -$' "there is no leaf"
cp -R "$dir" kept

# ---- a repair keeps the answers ---------------------------------------------
spoil() { # DATASET: its first byte, in the first row
    at=$(sed -n "s|.*\"$1\".*\"offset\":\([0-9]*\),.*|\1|p" \
        "$dir/part-0000.idx")
    byte=$(od -An -tu1 -j"$at" -N1 "$dir/part-0000.h5" | tr -d ' ')
    printf "\\$(printf %o $((byte ^ 1)))" |
        dd of="$dir/part-0000.h5" bs=1 seek="$at" conv=notrunc 2>/dev/null
}
sha() { sed -n 's/.*"sha256":"\([^"]*\)".*/\1/p' "$1/checkpoint.json"; }
same() { # NAME
    [ "$(sha "$dir")" = "$(sha kept)" ] && r=0 || r=1
    report $r "$1: the same bytes"
    gives 0 "$1: computed again" verify "$b" --recompute all
}
# no hash but that of the part covers a last row
for what in /last/value /text/utf8; do
    spoil $what
    gives 3 "$what: damage" verify "$b"
    gives 0 "$what: is repaired" seal --again "$b"
    has err ' 0 answers* kept' "$what: no last row is believed"
    same "$what"
done
rm "$dir/checkpoint.json"
spoil /last/value
gives 0 "without checkpoint.json, too" seal --again "$b"
same "without checkpoint.json"
rm "$dir/part-0000.idx"
APUS_KEEP_TRACE=leaves gives 0 "without its index, another setting" \
    seal --again "$b"
has err ' 3 answers* kept' "a part that has its SHA-256 is believed"
has err 'leaves.*left out' "it says that there are no leaves"
same "without its index"

# ---- without last rows ------------------------------------------------------
rm -rf spool kept
gives 0 "without last rows" run q.jsonl -m nano -o none.jsonl --tensors none
cp -R "$dir" kept
cp -R spool none
spoil /text/utf8
APUS_TENSORS=none gives 0 "no last rows: is repaired" seal --again "$b"
has err ' 2 answers* kept' "no last rows: the others are kept"
same "no last rows"
rm "$dir/part-0000.idx"
gives 0 "last rows are wanted" seal --again "$b"
has err 'no log has the last row' "it says that there are none"
same "last rows are wanted"

# The answers are taken over, and sealed with another setting: where the part
# should be, something is in the way of the first.
rm -rf spool
mv none spool
head -n 2 q.jsonl >two.jsonl
gives 0 "two of them" submit two.jsonl -m nano --todo
two=$(basename spool/todo/b*)
mkdir -p "spool/todo/$two/part-0000.h5/x"
rc=0
APUS_TENSORS=none "$(dirname "$apus")/apus-worker" --alone -- "${two#b}" \
    >out 2>err || rc=$?
[ $rc -ne 0 ] && r=0 || r=1
report $r "are not sealed ($rc)"
has err '2 of 2 lines answered before' "both were answered before"
rm -r spool/*/"$two"/part-0000.h5
gives 0 "seal them with last rows" seal "${two#b}"
has err 'no log has the last row' "of which there are none"
gives 0 "both" verify "${two#b}" --recompute all

# ---- with leaves ------------------------------------------------------------
rm -rf spool
APUS_KEEP_TRACE=leaves gives 0 "the same requests with leaves" \
    run q.jsonl -m nano -o whole.jsonl
cmp bare.jsonl whole.jsonl >out 2>&1 && r=0 || r=1
report $r "the answers are the same"
small=$(wc -c <kept/part-0000.h5)
[ "$(wc -c <"$dir/part-0000.h5")" -gt $((small + 112 * 60)) ] && r=0 || r=1
report $r "the part is larger"
gives 0 "verify" verify "$b"
! grep -q '^open.*leaves' out && r=0 || r=1
report $r "checks them"

finish
