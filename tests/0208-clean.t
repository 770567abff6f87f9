#!/bin/sh
# apus clean, rm and du: one batch, a state, an age; what is at work stays.
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
nano=$top/models/nano
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
export APUS_CONFIG APUS_MODELS APUS_SPOOL

i=0
for name in one two three four five; do
    i=$((i + 1))
    sed -n "${i}p" "$nano/eval.jsonl" >$name.jsonl
    "$apus" run $name.jsonl -m "$nano" -q 2>err || :
done
mkdir -p spool/log
b() { # NAME: its id
    grep -l "/$1.jsonl\"" spool/*/b*/batch.json | sed 's|/batch.*||; s|.*/b||'
}
is_gone() { # ID NAME
    [ -z "$(find spool -name "*$1*")" ] && r=0 || r=1
    report $r "$2"
}
one=$(b one) two=$(b two) three=$(b three) four=$(b four) five=$(b five)
mv "spool/done/b$two" "spool/done/b$three" spool/failed/
echo 'cancelled: by hand' >"spool/failed/b$three/why"
mv "spool/done/b$four" spool/todo/
mv "spool/done/b$five" spool/running/
echo log >"spool/log/$one.log"
echo log >"spool/log/$two.log"

# ---- du ---------------------------------------------------------------------
gives 0 "du" du
[ "$(wc -l <out)" -eq 8 ] && r=0 || r=1
report $r "five batches, logs, halves and all"
awk -F '\t' '$2 == "total" { t = $1; next } { s += $1 } END { exit s != t }' \
    out && r=0 || r=1
report $r "the sum is right"
has out "^[1-9][0-9]*.$two.failed..*two.jsonl$" "a line"
gives 0 "du of one" du "$one"
[ "$(wc -l <out)" -eq 2 ] && r=0 || r=1
report $r "it and the total"
gives 0 "du --json" du --json
python3 -c 'import json, sys
d = json.load(open("out"))
assert len(d["batches"]) == 5
assert sum(b["bytes"] for b in d["batches"]) + d["log"] + d["tmp"] \
    == d["total"]' >py.out 2>&1 && r=0 || r=1
report $r "is an object"

# ---- rm ---------------------------------------------------------------------
gives 0 "rm --dry-run" rm "$one" --dry-run
has out "^would remove.$one.done.0d.1..*one.jsonl$" "says what"
[ -d "spool/done/b$one" ] && r=0 || r=1
report $r "and removes nothing"
gives 1 "rm of what is worked on" rm "$five"
has err "batch $five is worked on (apus cancel" "says what helps"
[ -d "spool/running/b$five" ] && r=0 || r=1
report $r "and leaves it"
gives 1 "rm of several, one of them unknown" rm "$one" nobody
[ -d "spool/done/b$one" ] && r=0 || r=1
report $r "removes none"
gives 0 "rm" rm -- "$(echo "$one" | cut -c 1-8)"
is_gone "$one" "it is gone, with its log"
gives 2 "rm of nothing" rm

# ---- clean ------------------------------------------------------------------
gives 2 "clean of nothing" clean
gives 2 "a state that is none" clean --state running
gives 0 "clean --state cancelled --json" clean --state cancelled --json
has out "{\"batch\":\"$three\",\"state\":\"cancelled\",.*\"removed\":true" \
    "an object"
is_gone "$three" "it is gone"
[ -d "spool/failed/b$two" ] && r=0 || r=1
report $r "what failed is there"
touch -d '40 days ago' "spool/failed/b$two" "spool/todo/b$four" \
    "spool/running/b$five"
gives 0 "clean --older" clean --older 30d
is_gone "$two" "what failed is gone, with its log"
[ -d "spool/todo/b$four" ] && [ -d "spool/running/b$five" ] && r=0 || r=1
report $r "what waits and what is worked on is there"
gives 0 "clean of one that waits" clean "$four"
is_gone "$four" "it is gone"
gives 1 "clean of one that is worked on" clean "$five"
has err 'is kept' "it is kept"
finish
