#!/bin/sh
# apus seal, export and verify: a batch that was answered is sealed, exported
# and verified; what is changed afterwards is found and named; files of
# strangers are not opened unasked.
# part: san
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
worker=$(dirname "$apus")/apus-worker
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_LOG_LEVEL=warning
APUS_RANKS=1
export APUS_CONFIG APUS_MODELS APUS_SPOOL APUS_LOG_LEVEL APUS_RANKS

"$apus" model add "$top/models/nano" nano >out 2>err
head -n 20 "$top/models/nano/eval.jsonl" >q.jsonl
{
    printf '%s%s\n' '{"custom_id":"n","method":"POST","url":"/v1/' \
        'completions","body":{"prompt":"3 + 4 =","n":3,"seed":5,"stop":"7"}}'
    printf '%s%s\n' '{"custom_id":"none","method":"POST","url":"/v1/' \
        'completions","body":{"prompt":[]}}'
    printf '%s\n' '{"custom_id":"bad","method":"GET"}'
} >>q.jsonl
gives 0 "a batch" run q.jsonl -m nano -o want.jsonl
dir=$(echo spool/done/b*)
batch=${dir#spool/done/b}
part=$dir/part-0000.h5
request=$(sed -n '1s/.*"request_id":"\([^"]*\)".*/\1/p' want.jsonl)

# ---- export --------------------------------------------------------------
gives 0 "export to standard output" export "$batch"
cmp out want.jsonl >err 2>&1 && r=0 || r=1
report $r "gives the answers of apus run"
gives 0 "export to a file" export "$batch" -o got.jsonl
cmp got.jsonl want.jsonl >out 2>&1 && r=0 || r=1
report $r "gives the same"
gives 0 "export of the part by itself" export "$part"
[ "$(wc -l <out)" -eq 22 ] && r=0 || r=1
report $r "has every request that has an answer"
has out '"custom_id":"[^"]*","response"' "and its custom_id"
gives 1 "export of a batch that is not there" export zzzz
gives 1 "export to where nothing can be" export "$batch" -o missing/x

# ---- verify ---------------------------------------------------------------
gives 0 "verify the batch" verify "$batch"
[ "$(grep -c '^ok' out)" -eq 11 ] && r=0 || r=1
report $r "eleven claims hold"
has out 'refused.jsonl: .*1 reasons$' "a reason is looked at"
has out '23 lines, 1 without an answer: lines 23$' "what has no answer is said"
gives 0 "verify the part" verify "$part"
[ "$(wc -l <out)" -eq 2 ] && r=0 || r=1
report $r "two claims hold"
gives 0 "compute everything again" verify "$batch" --recompute all
has out 'answers computed again.*24 of 24 answers' "all answers"
gives 0 "compute three again" verify "$part" --recompute 3
has out '3 of 24 answers' "three of them"
gives 0 "a trace" verify "$batch" --trace "$request"
[ "$(grep -c '^position' out)" -eq 26 ] && r=0 || r=1
report $r "has a line for each position"
gives 2 "a trace of what is not an id" verify "$batch" --trace 7
gives 1 "a trace of another request" verify "$batch" \
    --trace AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
for use in "--all" "--key $request" "--statement $request" \
    "--requests q.jsonl"; do
    # shellcheck disable=SC2086
    gives 2 "${use%% *} of a batch" verify "$batch" $use
    has err "${use%% *} is not for a batch" "it is said"
done
gives 2 "a trace of an item" verify "$request" --trace "$request"
gives 2 "--all of a part without --key" verify "$part" --all
gives 0 "a model that is named is looked at" verify "$batch" -m nano
has out '^ok.*the shape of the model' "its shape is compared"
gives 0 "of a part, too" verify "$part" -m nano
has out '^ok.*the shape of the model' "is its shape"
gives 1 "one that is not there" verify "$batch" -m missing
has err 'to compare the model' "is missed"
gives 2 "of an item, with nothing to compute" verify "$request" -m nano
has err '.--model without --recompute is not for an item' "it is said"
gives 2 "an invalid number" verify "$batch" --recompute few
mv models gone
gives 0 "without the model the hashes can be checked" verify "$batch"
gives 1 "computing needs it" verify "$batch" --recompute 1
has err 'to compute again' "and says so"
gives 0 "or it is named" verify "$batch" --recompute 1 \
    -m "$(echo gone/*.apus)"
mv gone models

# ---- what was changed -------------------------------------------------------
# the byte at an offset of a dataset, xor 1
flip() { # FILE DATASET OFFSET
    at=$(sed -n "s|.*\"$2\".*\"offset\":\([0-9]*\).*|\1|p" "$dir"/*.idx)
    at=$((at + $3))
    b=$(od -An -tu1 -j $at -N 1 "$1")
    # shellcheck disable=SC2059
    printf "\\$(printf '%03o' $((b ^ 1)))" |
        dd of="$1" bs=1 seek=$at conv=notrunc 2>/dev/null
}
cp "$part" keep.h5
for what in "/trace/leaf 120" "/output/token 8" "/prompt/token 0" \
    "/text/utf8 3" "/requests/result 140" "/requests/seed 8" \
    "/requests/id 2" "/last/value 5" "/stop/utf8 0"; do
    # shellcheck disable=SC2086
    flip "$part" $what
    gives 3 "a byte of ${what% *} is another" verify "$batch"
    has out '^WRONG.*SHA-256 differs' "the file is not what was sealed"
    gives 3 "by itself too" verify "$part" --trust
    gives 3 "also if it was to be computed" verify "$batch" --recompute 1
    cp keep.h5 "$part"
done
# a row is 8 bytes of that column
for row in 2 5 22; do
    flip "$part" /requests/seed $((8 * row))
done
for file in "$batch" "$part --trust"; do
    # shellcheck disable=SC2086
    gives 3 "three rows that were changed" verify $file
    for line in "3, choice 0" "6, choice 0" "21, choice 2"; do
        has out "^WRONG.*: line $line, against its columns: .*seed" \
            "line $line is named"
    done
    has out '^WRONG.*result of each answer.*24 answers, 3 wrong$' "and counted"
done
cp keep.h5 "$part"
row=0
while [ $row -lt 24 ]; do
    flip "$part" /requests/seed $((8 * row))
    row=$((row + 1))
done
gives 3 "24 rows that were changed" verify "$batch"
[ "$(grep -c '^WRONG.*: line ' out)" -eq 20 ] && r=0 || r=1
report $r "20 are named"
has out '24 answers, 24 wrong, of which the first are named' "all are counted"
head -c 5000 keep.h5 >"$part"
gives 3 "a part that was cut off" verify "$batch"
gives 3 "is left out of an export" export "$batch"
cp keep.h5 "$part"
sed 's/What/Whut/' "$dir/requests.jsonl" >x && cp x "$dir/requests.jsonl"
gives 3 "requests that were changed" verify "$batch"
has out '^WRONG.*requests.jsonl.*SHA-256' "they are named"
gives 1 "and not exported" export "$batch"
cp q.jsonl "$dir/requests.jsonl"
mv "$part" gone.h5
gives 3 "a part that is missing" verify "$batch"
mv gone.h5 "$part"
gives 0 "all is well again" verify "$batch"

# ---- files that nobody signed ------------------------------------------------
# what they say is compared with what is counted
lie() { # FILE EXPRESSION NAME
    cp "$dir/$1" true
    sed "$2" true >"$dir/$1"
    cmp -s true "$dir/$1" && echo "nothing changed" >out && r=1 || r=0
    report $r "$1: $3"
    got=0
    "$apus" verify "$batch" --recompute 1 >out 2>err || got=$?
    [ $got -eq 3 ] || [ $got -eq 1 ] && r=0 || r=1
    report $r "exit status $got"
    cp true "$dir/$1"
}
other=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
for rows in 0 1 25 18446744073709551615 18446744073709551616 -1; do
    lie checkpoint.json "s/\"rows\":24/\"rows\":$rows/" "$rows rows"
done
for key in batch model sha256 root; do
    lie checkpoint.json "s/\"$key\":\"[^\"]*\"/\"$key\":\"$other\"/" \
        "another $key"
done
for key in requests refused first count; do
    lie checkpoint.json "s/\"$key\":[0-9]*/&1/" "another $key"
done
lie checkpoint.json 's/"size":"/&1/' "another size"
lie checkpoint.json 's/^{"first.*/&,&/' "a part more"
lie checkpoint.json 's/^{"first.*//' "no parts"
lie checkpoint.json 's/apus-checkpoint-2/apus-checkpoint-3/' "another format"
lie refused.jsonl 's/"line":23/"line":22/' "a reason for what has an answer"
lie refused.jsonl 's/"line":23/"line":24/' "a reason for no line"
lie refused.jsonl 's/invalid_request/given_up/' "another code"
lie refused.jsonl 's/"message":"/&no /' "another message"
lie refused.jsonl 'p' "a reason twice"
lie refused.jsonl 's/}//' "no JSON"
lie refused.jsonl 'd' "no reason"
# what an earlier version refused, which knew fewer parameters
cp "$dir/refused.jsonl" true
old='s/"message":"\([^"\\]\|\\.\)*"/"message":"unknown parameter'
old="$old \\\\\"method\\\\\"\"/"
sed "$old" true >"$dir/refused.jsonl"
gives 0 "a reason of an earlier version" verify "$batch"
has out '1 of its reasons.*an earlier version refused' "and says so"
cp "$dir/refusals.json" counted
sed "s/\"line\":22/\"line\":23/; $old
    s/\"code\":\"[^\"]*\"/\"code\":\"invalid_request\"/" counted \
    >"$dir/refusals.json"
gives 0 "run of that file" run q.jsonl -m nano -o again.jsonl
has err "an earlier version refused line [0-9]*: apus rm $(echo "$batch" |
    cut -c 1-8)" "says how to ask this version"
cp counted "$dir/refusals.json"
cp true "$dir/refused.jsonl"
sed "/\"custom_id\":\"bad\"/$old" want.jsonl >old.jsonl
gives 0 "and in an output file" verify old.jsonl --requests q.jsonl
has out 'why 1 request has no answer.*an earlier version' "and says so, too"
lie batch.json 's/"requests":/&1/' "another number of lines"
lie batch.json 's/"from_ao":false/"from_ao":true,"process":"'$other'"/' "AO"
for key in id model sha256; do
    lie batch.json "s/\"$key\":\"[^\"]*\"/\"$key\":\"$other\"/" \
        "another $key"
done
lie part-0000.idx 's/"offset":/&1/' "another place"
lie part-0000.idx '1d' "a dataset less"
for file in refused.jsonl part-0000.idx; do
    mv "$dir/$file" gone
    gives 3 "no $file" verify "$batch"
    mv gone "$dir/$file"
done
gives 0 "all is well again" verify "$batch" --recompute all
gives 2 "to compute none is not a check" verify "$batch" --recompute 0
gives 0 "as many as there are" verify "$batch" --recompute 24
gives 1 "more than there are" verify "$batch" --recompute 25
has err 'has 24 answers, which were all computed.*--recompute all' \
    "says how many there are"
has out 'answers computed again.*24 of 24 answers' "and computes those"

# ---- files of strangers ----------------------------------------------------
cp "$part" part-0000.h5
gives 1 "a file from elsewhere" verify part-0000.h5
has err 'was not made in this spool.*--trust' "it says what to do"
gives 0 "trusted" verify part-0000.h5 --trust
gives 1 "export refuses it too" export part-0000.h5
gives 0 "unless it is trusted" export part-0000.h5 --trust
APUS_SPOOL=$tmp/q.jsonl
gives 0 "which needs no spool" export part-0000.h5 --trust
gives 0 "nor does verify" verify part-0000.h5 --trust
APUS_SPOOL=$tmp/spool
cp keep.h5 "$dir/part-0001.h5"
gives 1 "a part more than was sealed" verify "$dir/part-0001.h5"
rm "$dir/part-0001.h5"

# ---- what is replaced while it is read ---------------------------------
# once NAME was closed it is another file
cat >swap.py <<'PY'
import ctypes, os, subprocess, sys, threading
name, by = sys.argv[1:3]
libc = ctypes.CDLL(None)
fd = libc.inotify_init()
libc.inotify_add_watch(fd, name.encode(), 0x10)  # IN_CLOSE_NOWRITE
def swap():
    os.read(fd, 4096)
    os.rename(by, name)
threading.Thread(target=swap, daemon=True).start()
sys.exit(subprocess.call(sys.argv[3:]))
PY
if python3 -c 'import ctypes' 2>/dev/null; then
    head -c 5000 keep.h5 >by.h5
    got=0
    python3 swap.py "$part" by.h5 "$apus" verify "$part" >out 2>err || got=$?
    [ $got = 0 ] && r=0 || r=1
    report $r "a part that is replaced: the one that was hashed: exit $got"
    cp keep.h5 "$part"
else
    n=$((n + 1))
    echo "ok $n - files that are replaced # SKIP no python3"
fi

# ---- seal --------------------------------------------------------------------
gives 0 "seal what is sealed" seal "$batch"
has out "$batch\$" "says where it is"
rm -rf spool/todo/* fresh
mkdir fresh
cp "$dir"/batch.json "$dir"/requests.jsonl fresh
rm -rf "$dir"
mkdir spool/todo/b"$batch"
cp fresh/* spool/todo/b"$batch"
gives 1 "seal what has no answers" seal "$batch"
has err '23 of 23 requests have no answer' "it says how many"
[ -d spool/todo/b"$batch" ] && r=0 || r=1
report $r "and it stays in todo"
bad=spool/todo/bAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
mkdir $bad
echo '{}' >$bad/batch.json
touch -t 202001010000 $bad
got=0
"$worker" --alone --batch 1 >out 2>err </dev/null || got=$?
[ $got -eq 1 ] && [ -d $bad ] && r=0 || r=1
report $r "a worker continues after a batch that cannot be started: exit 1"
rm -r $bad
gives 0 "answered and sealed again" verify "$batch"
cmp "$part" keep.h5 >out 2>&1 && r=0 || r=1
report $r "it is the same part"

finish
