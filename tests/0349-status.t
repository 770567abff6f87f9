#!/bin/sh
# apus status: tabs for programs, a table that fits on a terminal; what was
# refused, why a start failed, and tokens a second only while somebody works.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/submitting.sh"
. "$top/tests/slow.sh"

# Standard output is a terminal of so many columns.
terminal() { # COLUMNS ARGUMENT...
    columns=$1
    shift
    COLUMNS=$columns script -qec "'$apus' $*" /dev/null </dev/null 2>err |
        tr -d '\r' >out
}
field() { cut -f "$1" out; }
tab=$(printf '\t')

# ---- what was refused --------------------------------------------------------
{
    head -n 2 all.jsonl
    echo '{"custom_id":"x","method":"POST","url":"/v1/embeddings","body":{}}'
} >q.jsonl
gives 0 "a file with a line that is refused" run q.jsonl -m nano
rate=$(sed -n "s/.*, \([0-9]*\) tok.s$/\1/p" err)
[ -n "$rate" ] && grep -q "\"tok_s\":$rate," spool/done/b*/progress &&
    r=0 || r=1
report $r "run tells the rate that the worker has written"
gives 0 "status" status
[ "$(field 3)" = "3 of 3, 1 refused" ] && r=0 || r=1
report $r "tells how many were refused"
[ "$(field 2,4,5,6)" = "done$tab$tab$tab$tmp/q.jsonl" ] && r=0 || r=1
report $r "and no tokens a second of what is done"
id=$(field 1)
gives 0 "as JSON" status --json
has out '"refused":1,"refusal":"1 refused, the first is line 3: ' \
    "it tells why the first was"
has out '"tok_s":null' "and no tokens a second"
has out '"job":null,"error":null' "no job and no error"

# ---- why a start failed --------------------------------------------------
head -n 1 q.jsonl >gone.jsonl
cp "$(echo models/*.apus)" nano.apus
mkdir none
gives 0 "submit with a file for the model" submit gone.jsonl -m nano.apus \
    --models none
gone=$(field 1)
comes [ -d "spool/done/b$gone" ] || :
head -n 1 q.jsonl | sed 's/max_tokens": [0-9]*/max_tokens": 3/' >later.jsonl
mkdir idle
cp "$apus" idle
printf '#!/bin/sh\necho "idle: error: cannot be loaded" >&2\nexit 127\n' \
    >idle/apus-worker
chmod +x idle/apus-worker
idle/apus submit later.jsonl -m nano >out 2>err
later=$(field 1)
comes grep -q loaded "spool/log/$later.log" || :
gives 0 "a worker that cannot be loaded" status "$later"
[ "$(field 2)" = todo ] && r=0 || r=1
report $r "the batch is where it was"
[ "$(field 5)" = "last start: idle: error: cannot be loaded" ] && r=0 || r=1
report $r "status says why"
cat >idle/apus-worker <<'WORKER'
#!/bin/sh
echo "mpirun noticed that rank 1 exited on signal 9" >&2
exit 137
WORKER
idle/apus submit later.jsonl -m nano >out 2>err
comes grep -q noticed "spool/log/$later.log" || :
gives 0 "a worker of which a rank is killed" status "$later"
case $(field 5) in
"last start: "*"rank 1 exited on signal 9") r=0 ;;
*) r=1 ;;
esac
report $r "status says which"
cat >>"spool/log/$later.log" <<'TXT'
slurmstepd: error: *** STEP 33.0 ON n1 CANCELLED AT 2026-11-30T22:15:49 ***
srun: error: n1: task 0: Exited with exit code 75
TXT
gives 0 "one that was cancelled, and saved" status "$later"
case $(field 5) in
"last start: "*"STEP 33.0 ON n1 CANCELLED"*) r=0 ;;
*) r=1 ;;
esac
report $r "status says that, not how a rank that saved ended"
echo '{' >models/broken
mv models away
mkdir models
build=${apus%/*}
"$build/apus-worker" --alone -- "$later" >out 2>err || :
gives 0 "a worker without the model" status "$later"
case $(field 5) in
"last start: "*"$tmp/models"*) r=0 ;;
*) r=1 ;;
esac
report $r "status says why"
gives 0 "as JSON" status "$later" --json
has out '"error":"the model of this batch: .*/models' "it is there"
rm -r models
mv away models
gives 0 "it starts again" submit "$later"
comes [ -d "spool/done/b$later" ] && r=0 || r=1
report $r "and is done"
[ ! -e "spool/done/b$later/error" ] && r=0 || r=1
report $r "the error is forgotten"

# ---- while it works, and on a terminal --------------------------------------
i=0
while [ $i -lt 30 ]; do
    cat all.jsonl
    i=$((i + 1))
done >"a long name for a file of many requests.jsonl"
gives 0 "a long one" submit "a long name for a file of many requests.jsonl" \
    -m nano
batch=$(field 1)
works() {
    "$apus" status "$batch" 2>/dev/null | grep -q "$tab[0-9]* tok/s${tab}proc"
}
comes works && r=0 || r=1
"$apus" status "$batch" >out 2>err || :
report $r "tokens a second of a worker, and who it is"
if ! command -v script >/dev/null; then
    echo "# no script: not tried on a terminal"
    finish
fi
for columns in 200 100 80; do
    terminal $columns status
    grep -q "^BATCH  *STATE  *DONE  *TOK/S  *WORKER  *FILE\$" out && r=0 || r=1
    report $r "$columns columns: a head"
    [ "$(awk '{ if (length($0) > n) n = length($0) } END { print n }' out)" \
        -le $columns ] && r=0 || r=1
    report $r "$columns columns: no line is wider"
    grep -q "^$(printf %.8s "$id").* done  *3 of 3, 1 refused .*q.jsonl\$" \
        out && r=0 || r=1
    report $r "$columns columns: a row"
    has out '^4 batches: 1 running, 3 done; [0-9]* of [0-9]* requests, 1 ref' \
        "$columns columns: the sum"
done
terminal 200 status
has out "^$id " "where it fits the id is whole"
terminal 100 status "$id"
[ "$(wc -l <out)" -eq 2 ] && r=0 || r=1
report $r "one batch has no sum"
"$apus" cancel "$batch" >out 2>err || :
gives 0 "what was cancelled" status "$batch"
[ "$(field 5)" = "cancelled: apus submit or apus run begins it again" ] &&
    r=0 || r=1
report $r "tells why"

finish
