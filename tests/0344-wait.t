#!/bin/sh
# apus wait and submit --wait: until a batch is done, whatever its state; exit
# status, -o, names of files; submit --split, and what puts its parts together.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/submitting.sh"
. "$top/tests/slow.sh"

same_answers() { # FILE FILE: but for ids
    for f in "$1" "$2"; do
        sed 's/"id":"[^"]*"//g; s/"request_id":"[^"]*"//g' "$f"
    done >both
    [ "$(sort both | uniq | wc -l)" -eq "$(wc -l <"$1")" ] &&
        [ "$(wc -l <"$1")" -eq "$(wc -l <"$2")" ]
}
last_has() { tail -n 1 err | grep -q -e "$1"; }

# ---- one batch -------------------------------------------------------------
head -n 7 all.jsonl >q.jsonl
gives 0 "submit and wait" submit q.jsonl -m nano -o o.jsonl --wait
batch=$(cut -f 1 out)
[ "$(grep -c '"error":null' o.jsonl)" -eq 7 ] && r=0 || r=1
report $r "the answers are there"
gives 0 "wait for what is done" wait "$batch" -o again.jsonl
cmp -s o.jsonl again.jsonl && r=0 || r=1
report $r "writes them again"
rm o.jsonl
gives 0 "wait by the name of the file" wait q.jsonl
cmp -s o.jsonl again.jsonl && r=0 || r=1
report $r "writes what submit -o named"
gives 0 "wait, to standard output" wait q.jsonl -o -
cmp -s out again.jsonl && r=0 || r=1
report $r "it is there"
gives 0 "export by the name of the file" export q.jsonl -o e.jsonl
cmp -s e.jsonl again.jsonl && r=0 || r=1
report $r "writes the same"
gives 0 "status by the name of the file" status q.jsonl
has out "^$batch.done.7 of 7" "is the batch's"
cp q.jsonl copy.jsonl
gives 0 "a copy of the file" export copy.jsonl
cmp -s out again.jsonl && r=0 || r=1
report $r "is the same batch"
mv q.jsonl kept.jsonl
gives 0 "a file that is gone" export q.jsonl
cmp -s out again.jsonl && r=0 || r=1
report $r "is what had its name"
head -n 3 all.jsonl >q.jsonl
gives 1 "another file of that name" export q.jsonl
has err 'was changed since' "is not the one that was submitted"
gives 1 "what is not there" wait absent.jsonl
gives 2 "-o with two names" wait "$batch" kept.jsonl -o x
gives 2 "submit --wait without a name" submit --wait
for o in - /dev/stdout /dev/fd/2; do
    gives 2 "submit -o $o" submit kept.jsonl -m nano -o $o
    has err "it needs --wait" "is refused"
done
sed -n 5p all.jsonl >one.jsonl
gives 0 "with --wait" submit one.jsonl -m nano -o - --wait
[ "$(wc -l <out)" -eq 1 ] && r=0 || r=1
report $r "nothing but the answer is on standard output"
has err "^[^ ]*.local.[0-9]" "the job is on standard error"
has out '"error":null' "the answer is there"
sed -n 6p all.jsonl >two.jsonl
gives 0 "run -o /dev/fd/2" run two.jsonl -m nano -q -o /dev/fd/2
[ "$(cat spool/done/*/batch.json | grep -c '"output"')" -eq 1 ] && r=0 || r=1
report $r "no batch has a descriptor for its output"

# ---- how it ends -----------------------------------------------------------
printf '{"custom_id":"x%s","method":"POST","url":"/v1/embeddings"}\n' $$ \
    >bad.jsonl
gives 4 "all refused" submit bad.jsonl -m nano --wait
cat bad.jsonl >>q.jsonl
gives 0 "one refused" submit q.jsonl -m nano --wait
has err 'refused, the first is line 4' "it says so"
gives 4 "one refused, strictly" wait q.jsonl --strict
head -n 1 all.jsonl | sed 's/custom_id": *"/&later/' >later.jsonl
gives 0 "one that is not started" submit later.jsonl -m nano --todo
later=$(cut -f 1 out)
gives 75 "nothing works on it" wait later.jsonl
last_has "batch $later is in todo and nothing works on it" && r=0 || r=1
report $r "it says so"
mkdir idle
cp "$apus" idle
printf '#!/bin/sh\necho "idle: error: cannot be loaded" >&2\nexit 127\n' \
    >idle/apus-worker
chmod +x idle/apus-worker
got=0
idle/apus submit later.jsonl -m nano --wait >out 2>err || got=$?
[ $got -eq 1 ] && last_has 'cannot be loaded' && r=0 || r=1
report $r "a worker that fails: exit status 1, and why"
"$apus" cancel "$later" >out 2>err
gives 1 "one that was cancelled" wait "$later"
has err 'cancelled' "it says so"
i=0
while [ $i -lt 30 ]; do
    cat all.jsonl
    i=$((i + 1))
done >many.jsonl
gives 0 "a long one" submit many.jsonl -m nano
many=$(cut -f 1 out)
comes [ -d "spool/running/b$many" ] || :
"$apus" wait many.jsonl >out 2>err &
waits=$!
comes grep -q 'process [0-9]* ' err && r=0 || r=1
report $r "it says who works"
kill -INT $waits
got=0
wait $waits || got=$?
[ $got -eq 75 ] && [ -d "spool/running/b$many" ] && r=0 || r=1
report $r "Ctrl-C ends the waiting, and not the work"
"$apus" wait many.jsonl >out 2>err &
waits=$!
comes grep -q 'process [0-9]* ' err || :
"$apus" cancel "$many" >cancelled 2>&1 || :
got=0
wait $waits || got=$?
[ $got -eq 1 ] && r=0 || r=1
report $r "one that is cancelled meanwhile: exit status 1"

# ---- parts -------------------------------------------------------------------
sed "s/custom_id\": *\"/&s/" all.jsonl | head -n 10 >s.jsonl
gives 0 "three batches of a file" submit s.jsonl -m nano --split 3 --wait \
    -o parts.jsonl
[ "$(wc -l <out)" -eq 3 ] && r=0 || r=1
report $r "a line for each"
[ "$(grep -c 'messages go to' err)" -eq 1 ] && r=0 || r=1
report $r "one for where their messages go"
sed 's/.*"custom_id": *"\([^"]*\)".*/\1/' s.jsonl >ids
sed 's/.*"custom_id": *"\([^"]*\)".*/\1/' parts.jsonl | diff ids - >out &&
    r=0 || r=1
report $r "the answers are in the order of the file"
gives 0 "status of the file" status s.jsonl
[ "$(cut -f 3 out | tr '\n' ';')" = "3 of 3;3 of 3;4 of 4;" ] && r=0 || r=1
report $r "has its parts in order"
has out 's.jsonl (part 2 of 3)$' "which say of what they are part"
gives 0 "export of the file" export s.jsonl
cmp -s out parts.jsonl && r=0 || r=1
report $r "puts them together"
mv s.jsonl t.jsonl
gives 0 "by its bytes" export t.jsonl
cmp -s out parts.jsonl && r=0 || r=1
report $r "whatever it is called"
gives 0 "by its name" export s.jsonl
cmp -s out parts.jsonl && r=0 || r=1
report $r "if it is gone"
gives 0 "split again, otherwise" submit t.jsonl -m nano --split 20 --wait \
    -o parts2.jsonl
[ "$(wc -l <out)" -eq 10 ] && same_answers parts.jsonl parts2.jsonl &&
    r=0 || r=1
report $r "the last split counts; no part without a line"
gives 0 "as a whole" run t.jsonl -m nano -o whole.jsonl -q
gives 0 "export of the file" export t.jsonl
cmp -s out whole.jsonl && r=0 || r=1
report $r "is the whole, once that is done"
same_answers whole.jsonl parts.jsonl && r=0 || r=1
report $r "with the same answers"
{ head -n 1 t.jsonl; head -n 1 t.jsonl; } >twice.jsonl
gives 0 "equal parts" submit twice.jsonl -m nano --split 2 --wait -o tw.jsonl
[ "$(cut -d '"' -f 4 tw.jsonl | sort -u | wc -l)" -eq 2 ] && r=0 || r=1
report $r "are two batches, whose answers have ids of their own"
gives 0 "their answers" verify tw.jsonl
has out 'ok.*an answer for each line.*2 lines' "verify together"
old_split() { # FILE: as a version that counted in each part alone did it
    b1=$(head -n 1 "$1" >one.jsonl && "$apus" run one.jsonl -m nano -o o1 2>&1)
    b1=$(echo "$b1" | sed -n 's/.*batch \([^ ,]*\).*/\1/p' | head -n 1)
    python3 - "$b1" "$1" <<'TXT'
import base64, glob, hashlib, json, os, sys
b, name = sys.argv[1:]
info = json.load(open(glob.glob('spool/*/b%s/batch.json' % b)[0]))
raw = lambda t: base64.urlsafe_b64decode(t + '=')
data = open(name, 'rb').read()
whole = hashlib.sha256(b'apusbtch' + raw(info['model'])
                       + hashlib.sha256(data).digest()).digest()
text = lambda b: base64.urlsafe_b64encode(b).decode().rstrip('=')
json.dump({'format': 'apus-split-1', 'model': info['model'],
           'sha256': text(hashlib.sha256(data).digest()),
           'source': os.path.abspath(name), 'batches': [b, b]},
          open('spool/split/%s.json' % text(whole), 'w'))
TXT
    cat o1 o1 >old.jsonl
}
if old_split twice.jsonl 2>err; then
    gives 0 "answers of parts of an older version" verify old.jsonl
    has out '2 of 2 lines, kernel' "verify as they were computed"
    gives 0 "with the file" verify old.jsonl --requests twice.jsonl
    has out '2 of 2 lines, kernel' "they do, too"
    has out '^open.*1 id, which is that of an earlier equal line' \
        "one id is open: only such a version gives it twice"
    head -n 1 old.jsonl | cat old.jsonl - >three.jsonl
    gives 3 "three answers to two equal lines" verify three.jsonl \
        --requests twice.jsonl
    has out 'WRONG.*line 3.*another line answers' "the third is wrong"
    sed '2s/"tokens":\[[0-9]*/"tokens":[7/' old.jsonl >false.jsonl
    gives 3 "a false second one" verify false.jsonl --requests twice.jsonl
    has out 'WRONG.*line 2' "is wrong"
fi
gives 0 "the same file as a whole" run twice.jsonl -m nano -o tw2.jsonl -q
cmp -s tw.jsonl tw2.jsonl && r=0 || r=1
report $r "has the same answers"
{ head -n 3 t.jsonl; sed -n 2,4p t.jsonl; head -n 2 t.jsonl; } >again.jsonl
gives 0 "lines that come again in other parts" submit again.jsonl -m nano \
    --split 3 --wait -o ag.jsonl
gives 0 "that file as a whole" run again.jsonl -m nano -o ag2.jsonl -q
cmp -s ag.jsonl ag2.jsonl && [ "$(wc -l <ag.jsonl)" -eq 8 ] && r=0 || r=1
report $r "has the same answers"
part=$(grep -l '"ids":3' spool/*/*/batch.json | head -n 1)
part=$(dirname "${part:-none}")
gives 0 "a part with such lines" verify "$(basename "$part")" --recompute all
rm -f "$part/ids"
gives 0 "export of it" export "$(basename "$part")"
cp "$part/earlier" kept
printf x >>"$part/earlier"
gives 1 "export with another list of them" export "$(basename "$part")"
has err 'earlier": it is not the file whose SHA-256 is in' "is refused"
cp kept "$part/earlier"
bom=$(printf '\357\273\277')
for how in "sed s/^/$bom/" "sed 2s/^/$bom/" "sed 1,3s/^/$bom/" \
    "sed 2s/^/$bom$bom/;3s/^/$bom/" "sed 2,3s/^/\\t$bom/"; do
    $how t.jsonl | head -n 4 >bom.jsonl
    gives 0 "BOMs ($how)" submit bom.jsonl -m nano --split 4 --wait -o bom.out
    rm -f spool/split/*
    gives 0 "as a whole" run bom.jsonl -m nano -o bom2.out -q --no-reuse
    cmp -s bom.out bom2.out && [ "$(wc -l <bom.out)" -eq 4 ] && r=0 || r=1
    report $r "a BOM inside the file stays a part of its line"
done
{ head -n 3 t.jsonl | sed 's/custom_id": *"/&b/'; yes '' | head -n 30; } \
    >b.jsonl
gives 0 "blank lines" submit b.jsonl -m nano --split 3 --todo
[ "$(wc -l <out)" -eq 3 ] && r=0 || r=1
report $r "are not part"
gives 0 "each part" status b.jsonl
[ "$(cut -f 3 out | tr '\n' ';')" = "0 of 1;0 of 1;0 of 1;" ] && r=0 || r=1
report $r "has a request"
{ sed -n '11s/custom_id": *"/&c/p' all.jsonl; echo 'no request'; } >bad.jsonl
gives 0 "a part without a good line" submit bad.jsonl -m nano --split 2 --wait \
    -o bad.out
[ "$(grep -c '"error":null' bad.out)" -eq 1 ] &&
    [ "$(wc -l <bad.out)" -eq 2 ] && r=0 || r=1
report $r "is answered as in the whole"
# refusals of parts, as an earlier version counted their lines
for i in 1 2 3 4 5 6; do
    case $i in
    1|3) sed -n "${i}s/custom_id\": *\"/&part/p" all.jsonl ;;
    *) echo "no request $i" ;;
    esac
done >parts.jsonl
gives 0 "a file with refusals in two parts" submit parts.jsonl -m nano \
    --split 2 --wait -o parts.out
gives 0 "their lines are those of the file" verify parts.out \
    --requests parts.jsonl
grep -q 'the line in' out && r=1 || r=0
report $r "none is open"
sed '4s/"line":4/"line":1/; 5s/"line":5/"line":2/; 6s/"line":6/"line":3/' \
    parts.out >old.out
for how in '' '--requests parts.jsonl'; do
    gives 0 "an earlier version counted in its part ($how)" verify old.out $how
    has out '^open.*the line in 3 errors' "that is open"
done
for edit in '4s/"line":4/"line":5/' '5s/"line":5/"line":3/' \
    '4s/"line":4/"line":3/; 5s/"line":5/"line":3/' '6s/"line":6/"line":0/'; do
    sed "$edit" parts.out >old.out
    gives 3 "no part can begin so: $edit" verify old.out --requests parts.jsonl
    has out '^WRONG.*error.line' "it is wrong"
done
gives 1 "an invalid file" submit ids -m nano --split 2
has err '"ids" is not JSONL' "is named"
for what in - /dev/stdin; do
    gives 2 "$what" submit $what -m nano --split 2 --todo <t.jsonl
    has err "needs a file, and \"$what\" is none" "is not a file to be split"
done
mkfifo pipe
cat t.jsonl >pipe 2>/dev/null &
gives 2 "a pipe" submit pipe -m nano --split 2 --todo
kill $! 2>/dev/null || :
gives 2 "no part" submit t.jsonl -m nano --split 0
gives 2 "too many" submit t.jsonl -m nano --split 100000
gives 2 "no dry run" submit t.jsonl -m nano --split 2 --dry-run
has err 'has no dry run' "is said"
gives 2 "an output that no job writes" submit t.jsonl -m nano --split 2 -o o.out
has err 'needs --wait' "is said"

# ---- parts that cannot be made -----------------------------------------------
if grep -q '^#define APUS_CRASH_TESTS 1' "$(dirname "$apus")/config.h"; then
    head -n 3 t.jsonl | sed 's/custom_id": *"/&f/' >f.jsonl
    ls spool/todo spool/split >before
    n_split=$(ls spool/split | wc -l)
    i=1 left=0 unnamed=0
    until APUS_ENOSPC=$i "$apus" submit f.jsonl -m nano --split 3 --todo \
        >out 2>err || [ $i -gt 300 ]; do
        [ "$(ls spool/split | wc -l)" -eq "$n_split" ] || break
        ls spool/todo spool/split | cmp -s before - || left=$i
        grep -q 'f.jsonl' err || { unnamed=$i; cp err unnamed; }
        i=$((i + 1))
    done
    [ $i -gt 10 ] && [ $i -le 300 ] && [ $left -eq 0 ] && r=0 || r=1
    report $r "a disk that is full at any time: no part is left ($i, $left)"
    [ $unnamed -eq 0 ] && r=0 || r=1
    [ $r -eq 0 ] || cp unnamed err
    report $r "the file is named ($unnamed)"
    # more parts than are synced one by one; what is there of them is whole
    for part in g h; do
        sed "s/custom_id\": *\"/&$part/" t.jsonl
    done >g.jsonl
    rm -rf spool/todo/b* spool/split
    i=1 step=1 bad=
    while [ $i -le 2000 ]; do
        got=0
        APUS_CRASH=$i "$apus" submit g.jsonl -m nano --split 20 --todo \
            >out 2>err || got=$?
        [ $got -ne 0 ] || break
        there=$(ls spool/todo | wc -l)
        "$apus" status >rows 2>err &&
            [ "$(grep -c 'todo.0 of 1' rows)" -eq "$there" ] &&
            "$apus" submit g.jsonl -m nano --split 20 --todo >out 2>err &&
            "$apus" status g.jsonl >rows 2>err &&
            [ "$(grep -c 'todo.0 of 1' rows)" -eq 20 ] || bad="$bad $i"
        rm -rf spool/todo/b* spool/split
        [ $i -lt 10 ] || step=11
        i=$((i + step))
    done
    [ $i -gt 100 ] && [ $i -le 2000 ] && [ -z "$bad" ] && r=0 || r=1
    report $r "killed at any time: each part is whole, again makes all ($i$bad)"
fi

finish
