#!/bin/sh
# One rule for each command that reads a sealed checkpoint: if a file of it is
# not what was sealed, or is missing, the exit status is 3 and the remedy is
# named; a file that was only said to be trustworthy has no remedy.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
export APUS_CONFIG APUS_MODELS APUS_SPOOL
: >apus.conf

sed -n '1,3p' "$top/models/nano/eval.jsonl" >q.jsonl
gives 0 "a batch" run q.jsonl -m "$top/models/nano" -o good.jsonl -q
dir=$(echo spool/done/b*)
id=${dir##*/b}
part=$dir/part-0000.h5
request=$(sed -n '1s/.*"batch_req_\([^"]*\)".*/\1/p' good.jsonl)
cp -R "$dir" sound

# every way to name what is to be read, where there is one
cat >commands <<TXT
verify $id
verify $part
show $id
show $part
show q.jsonl --request batch_req_$request
export $id -o x.jsonl
export $part -o x.jsonl
export q.jsonl -o x.jsonl --partial
wait q.jsonl -o x.jsonl
run q.jsonl -m nano -o x.jsonl
submit q.jsonl -m nano --wait -o x.jsonl
run --from $id -o y.jsonl
run --from $part -o y.jsonl
diff $id good.jsonl
diff good.jsonl $part
prove $id --request $request --at 0/1/q -o p.dispute
prove $part --request $request --at 0/1/q -o p.dispute
TXT

# damaged NAME HOW...: do it; every command says so
damaged() {
    name=$1
    shift
    rm -rf "$dir"
    cp -R sound "$dir"
    "$@"
    : >wrong
    while read -r words; do
        rm -f x.jsonl x.jsonl.* y.jsonl
        got=0
        # shellcheck disable=SC2086
        "$apus" $words >out 2>err </dev/null || got=$?
        cat out err >both
        if [ $got -ne 3 ] || ! grep -q 'apus seal --again' both; then
            echo "apus $words: $got: $(tail -n 1 err)" >>wrong
        fi
    done <commands
    cp wrong out
    [ ! -s wrong ] && r=0 || r=1
    report $r "$name: each of $(wc -l <commands) commands ends with 3"
}
change() { # one byte of a text
    at=$(grep -abo '6 + 24' "$part" | tail -n 1 | cut -d: -f1)
    printf 'X' | dd of="$part" bs=1 seek="$at" conv=notrunc 2>/dev/null
}
damaged "a byte" change
damaged "a cut file" truncate -s -100 "$part"
damaged "no part" rm "$part"
no_file() { rm "$part" && mkdir "$part"; }
damaged "a directory" no_file
damaged "checkpoint.json is no JSON" cp q.jsonl "$dir/checkpoint.json"
damaged "checkpoint.json is missing" rm "$dir/checkpoint.json"
[ ! -s x.jsonl ] && r=0 || r=1
report $r "and no answers are written that are not there"

# ---- what --seal again does not repair --------------------------------------
rm -rf "$dir"
cp -R sound "$dir"
gives 0 "the batch is sound" verify "$id"
cp "$part" far.h5
printf 'X' | dd of=far.h5 bs=1 conv=notrunc \
    seek="$(grep -abo '6 + 24' far.h5 | tail -n 1 | cut -d: -f1)" 2>/dev/null
cp "$part" cut.h5
truncate -s -100 cut.h5
for f in far.h5 cut.h5; do
    gives 3 "verify $f" verify $f --trust
    gives 3 "show $f" show $f --trust --request "chatcmpl-$request"
    gives 3 "export $f" export $f --trust -o x.jsonl
    gives 3 "run --from $f" run --from $f --trust -o y.jsonl
    gives 3 "diff $f" diff $f good.jsonl --trust
    gives 3 "prove $f" prove $f --trust --request "$request" --at 0/1/q -o p
    ! grep -q 'seal --again' err && r=0 || r=1
    report $r "which names no remedy"
done
gives 1 "a file that is not there" show none.h5 --trust
gives 1 "or a part that never was" show "$dir/part-0001.h5"
gives 2 "an id that is none" show "$id" --request "x$request"
gives 2 "of no request" prove "$id" --request batch_req_ --at 0/1/q -o p
gives 0 "verify takes the id of a line" verify "$id" \
    --trace "batch_req_$request"

# ---- what this user may not read is not damaged -----------------------------
# root may read everything: another user has all this from here on
denied() { # FILE: no permission to read it; no command says damage
    as chmod 000 "$1"
    : >wrong
    while read -r words; do
        got=0
        # shellcheck disable=SC2086
        as "$apus" $words >out 2>err </dev/null || got=$?
        cat out err >both
        if [ $got -ne 1 ] || grep -q 'seal --again\|WRONG\|user write' both ||
            ! grep -q 'ermission denied' both; then
            echo "apus $words: $got: $(tail -n 1 err)" >>wrong
        fi
    done
    cp wrong out
    as chmod 600 "$1"
    [ ! -s wrong ] && r=0 || r=1
    report $r "${1##*/} is denied: an error, no damage"
}
if [ "$(id -u)" != 0 ]; then
    as() { "$@"; }
elif setpriv --reuid=65534 --regid=65534 --clear-groups \
    test -x "$apus" 2>/dev/null; then
    as() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
    chmod 755 "$tmp"
    chown -R 65534:65534 "$tmp"
else
    as() { false; }
fi
if as "$apus" show "$part" >out 2>err; then
    for file in "$part" "$dir/checkpoint.json"; do
        denied "$file" <<TXT
verify $id
verify $part
show $id --request batch_req_$request
export $id -o -
run --from $id -o -
prove $id --request $request --at 0/1/q -o -
seal --again $id
TXT
    done
    for file in requests.jsonl refused.jsonl part-0000.idx; do
        denied "$dir/$file" <<TXT
verify $id
seal --again $id
TXT
    done
else
    n=$((n + 1))
    echo "ok $n - permissions # SKIP root reads everything, no other user here"
fi
finish
