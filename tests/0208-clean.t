#!/bin/sh
# apus clean, rm and du: one batch, a state, an age; what is at work stays.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/slow.sh"
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
# ---- a worker that is dead ---------------------------------------------------
# as Ctrl-C in the first second leaves a batch: its owner has just died
abandoned() { # NAME DIRECTORY
    "$apus" submit "$1.jsonl" -m "$nano" --todo >out 2>err
    gone=$(b "$1")
    mv "spool/todo/b$gone" "spool/$2/"
    sleep 0 & # a process that is over
    wait $!
    sed "s/\"pid\":[0-9]*/\"pid\":$!/" owner >"spool/$2/b$gone/owner-0009"
}
sed -n 6p "$nano/eval.jsonl" >six.jsonl
cp "spool/done/b$(b one)/owner-0001" owner
abandoned six running
gives 0 "rm --dry-run of a batch whose worker is dead" rm "$gone" --dry-run
has out "^would remove.$gone" "would remove it"
gives 0 "rm of it" rm "$gone"
is_gone "$gone" "removes it"
abandoned six running
gives 0 "clean --state todo" clean --state todo
is_gone "$gone" "removes it, too"

one=$(b one) two=$(b two) three=$(b three) four=$(b four) five=$(b five)
mv "spool/done/b$two" "spool/done/b$three" spool/failed/
echo 'cancelled: by hand' >"spool/failed/b$three/why"
mv "spool/done/b$four" spool/todo/
mv "spool/done/b$five" spool/running/
# this shell has it
start=$(sed 's/.*) //' /proc/$$/stat | cut -d ' ' -f 20)
sed "s/\"pid\":[0-9]*,\"start\":\"[0-9]*/\"pid\":$$,\"start\":\"$start/" \
    owner >"spool/running/b$five/owner-0009"
echo log >"spool/log/$one.log"
echo log >"spool/log/$two.log"

# as a submit that was killed while it copied files leaves them
mkdir -p spool/tmp/.new-dead/dead spool/tmp/.new-busy/busy
sed "s/\"pid\":[0-9]*/\"pid\":$!/" owner >spool/tmp/.new-dead/owner-0001
cp "spool/running/b$five/owner-0009" spool/tmp/.new-busy/owner-0001
gives 0 "clean --dry-run beside copies" clean --state todo --older 9w --dry-run
has err "1 unfinished copy of files in \".*tmp\", .* would be removed" \
    "finds one of a process that ended"
gives 0 "clean beside copies" clean --state todo --older 9w
[ ! -e spool/tmp/.new-dead ] && [ -d spool/tmp/.new-busy/busy ] && r=0 || r=1
report $r "removes it, and not that of one which lives"
rm -r spool/tmp/.new-busy

# ---- du ---------------------------------------------------------------------
gives 0 "du" du
[ "$(wc -l <out)" -eq 9 ] && r=0 || r=1
report $r "five batches, logs, lists of parts, halves and all"
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
assert sum(b["bytes"] for b in d["batches"]) + d["log"] + d["split"] \
    + d["tmp"] == d["total"]' >py.out 2>&1 && r=0 || r=1
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
gives 2 "an invalid state" clean --state running
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

# ---- parts of a file ---------------------------------------------------------
head -n 3 "$nano/eval.jsonl" >parts.jsonl
gives 0 "a file of three parts" submit parts.jsonl -m "$nano" --split 3 --todo
first=$(sed -n 1p out | cut -f 1) last=$(sed -n 3p out | cut -f 1)
gives 0 "du" du
awk -F '\t' '$2 == "split" { exit $1 == 0 }' out && r=0 || r=1
report $r "counts the list of them"
gives 0 "rm of a part" rm -- "$first"
[ "$(ls spool/split | wc -l)" -eq 1 ] && r=0 || r=1
report $r "the list stays"
gives 0 "a dry run of all" clean --state todo --dry-run
[ "$(ls spool/split | wc -l)" -eq 1 ] && r=0 || r=1
report $r "so it does"
gives 0 "clean" clean --state todo
[ "$(ls spool/split | wc -l)" -eq 0 ] && r=0 || r=1
report $r "with the last part it is gone"
gives 1 "the file" status parts.jsonl
is_gone "$last" "no part is left"

# ---- what others move meanwhile ----------------------------------------------
preload=$tmp/moved.so
aside() { # FROM TO STATUS NAME: rm of a batch that goes there just before
    mkdir -p "$(dirname "$1")"
    mv spool/*/b"$five" "$1" 2>/dev/null || :
    got=0
    LD_PRELOAD=$preload MOVE_AT=/.gone- MOVE_FROM=$1 MOVE_TO=$2 \
        "$apus" rm "$five" >out 2>err || got=$?
    [ $got -eq "$3" ] && r=0 || r=1
    report $r "$4: exit status $3"
}
if ${CC:-cc} -shared -fPIC -I"$(dirname "$apus")" -o "$preload" \
    "$top/tests/moved_meanwhile.c" -ldl >out 2>&1 &&
    LD_PRELOAD=$preload "$apus" --version >out 2>&1; then
    aside "spool/todo/b$five" "spool/running/b$five" 1 \
        "rm of one that a worker takes meanwhile"
    has err "batch $five is worked on.*it is kept" "says so"
    [ -d "spool/running/b$five" ] && r=0 || r=1
    report $r "and leaves it"
    aside "spool/todo/b$five" "spool/done/b$five" 0 \
        "rm of one that is done meanwhile"
    has out "^removed.$five.done" "removes it"
    is_gone "$five" "it is gone"
else
    echo "# nothing can be put before this build's libraries"
fi

# ---- ended anywhere ----------------------------------------------------------
# ---- many --------------------------------------------------------------------
rm -rf spool
sed -n 1,120p "$nano/eval.jsonl" >many.jsonl
"$apus" submit many.jsonl -m "$nano" --split 120 --todo >out 2>err
gives 0 "clean of 120 batches" clean --state todo
count=$(grep -c ^removed out)
[ "$count" -eq 120 ] && [ -z "$(ls spool/todo)" ] && r=0 || r=1
report $r "120 are printed, none is in todo"
i=0
while [ -n "$(ls -A spool/tmp)" ] && [ $i -lt 600 ]; do
    sleep 0.1
    i=$((i + 1))
done
[ $i -lt 600 ] && r=0 || r=1
report $r "their files are removed, after it has ended perhaps"
"$apus" submit many.jsonl -m "$nano" --split 120 --todo >out 2>err
gives 0 "clean --wait of 120" clean --state todo --wait
[ -z "$(ls -A spool/tmp)" ] && r=0 || r=1
report $r "all files are removed when it ends"
! grep -q background err && r=0 || r=1
report $r "nothing is left to another process"

if grep -q '^#define APUS_CRASH_TESTS 1' "$(dirname "$apus")/config.h"; then
    rm -rf spool models
    "$apus" model add "$nano" nano >out 2>err
    for name in one two three; do
        "$apus" submit $name.jsonl -m nano --todo >out 2>err
    done
    cp -Rp spool whole
    try() { # VARIABLE N: clean with it, and clean again
        rm -rf spool
        cp -Rp whole spool
        got=0
        env "$1=$2" "$apus" clean --state todo >out 2>err || got=$?
        # said, though files are still there
        [ "$(grep -c ^removed out)" -ne 3 ] || [ $got -eq 0 ] || early=1
        # what was said to be removed is, and of the others none is half gone
        for b in spool/todo/b*; do
            [ ! -d "$b" ] || [ -e "$b/batch.json" ] || bad=1
            ! grep -q "$(basename "$b" | sed 's/^b//')" out || bad=1
        done
        "$apus" clean --state todo >>out 2>>err || bad=1
        [ -z "$(find spool/todo spool/tmp -mindepth 1)" ] || bad=1
    }
    i=0 got=1 bad=0 early=0
    while [ $got -ne 0 ] && [ $i -lt 100 ]; do
        i=$((i + 1))
        try APUS_CRASH $i
    done
    [ $bad -eq 0 ] && [ $i -gt 10 ] && [ $i -lt 100 ] && r=0 || r=1
    report $r "ended at each of $i calls: the next clean removes all"
    report $((1 - early)) "what is removed is printed before its files go"
    bad=0
    for i in 1 2 3 4 5 6; do
        try APUS_ENOSPC $i
        # no room for a directory, or for a name in it
        [ $i -gt 2 ] || [ $got -eq 0 ] || bad=1
    done
    [ $bad -eq 0 ] && r=0 || r=1
    report $r "with a full disk at each of $i calls: the same"
fi
finish
