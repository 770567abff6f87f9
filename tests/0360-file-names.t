#!/bin/sh
# A file of requests stands for its batch, or for the batches that it was split
# into, wherever a batch can be named; line numbers are those of the file.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/slow.sh"
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_LAUNCHER=local
APUS_RANKS=1
export APUS_CONFIG APUS_MODELS APUS_SPOOL APUS_LAUNCHER APUS_RANKS
tab=$(printf "\t")

"$apus" model add "$top/models/nano" nano >out 2>err
# jobs of this machine are found by batch: these are no other test's
sed "s/\"custom_id\": *\"/&$$-/" "$top/models/nano/eval.jsonl" >all.jsonl
head -n 6 all.jsonl >whole.jsonl
sed -n 11,19p all.jsonl >cut.jsonl
gives 0 "a file" run whole.jsonl -m nano -q
gives 0 "a file in three batches" submit cut.jsonl -m nano --split 3 --todo
cut -f 1 out >ids
same_ids() { # NAME: the ids in out, in the order of the file
    sort out | cmp -s - sorted && r=0 || r=1
    report $r "$1"
}
sort ids >sorted

# ---- show ------------------------------------------------------------------
gives 0 "show of a file" show whole.jsonl
has out "^source.*/whole.jsonl$" "its batch"
gives 0 "show of a file that was split" show cut.jsonl
sed -n "s/^batch$tab//p" out | cmp -s - ids && r=0 || r=1
report $r "its batches, in order"
[ "$(grep -c '^$' out)" -eq 2 ] && r=0 || r=1
report $r "with a line between"
for what in 'show typo.jsonl' 'wait typo.jsonl' 'submit typo.jsonl -m nano' \
    'export typo.jsonl' 'rm typo.jsonl'; do
    gives 1 "$what" $what
    has err 'no batch "typo.jsonl" .*, nor a file of that name$' \
        "a file may be meant"
done
gives 1 "a path" submit ./typo.jsonl -m nano
has err '"./typo.jsonl" .*, nor a file of that name$' "too"
mkdir data dir
for what in 'submit data -m nano' 'wait dir' 'rm ./dir' 'export data/'; do
    gives 1 "$what" $what
    has err '": that is a directory, name a file in it$' "a directory is named"
done
gives 1 "a file of no batch" show all.jsonl
has err 'no batch of the file "all.jsonl"' "is named"

# ---- du --------------------------------------------------------------------
gives 0 "du of a file that was split" du cut.jsonl
cut -f 2 out | head -n 3 | sort | cmp -s - sorted && r=0 || r=1
report $r "its batches"
mkdir typo
gives 1 "an id that is in no spool" show --spool "$tmp/typo" \
    --gateways http://127.0.0.1:1 --http-retries 0 "$(printf 'A%042d' 0)"
[ -z "$(ls typo)" ] && r=0 || r=1
report $r "makes none"

# ---- cancel, and go on -----------------------------------------------------
gives 0 "cancel of a file that was split" cancel cut.jsonl
cut -f 2 out | grep -cx failed >n
[ "$(cat n)" -eq 3 ] && r=0 || r=1
report $r "each of its batches"
gives 0 "its batches are answered" submit cut.jsonl -m nano --split 3 --wait \
    -o cut.out
request=$(sed -n '8s/.*"batch_req_\([^"]*\)".*/\1/p' cut.out)
gives 0 "show of one request" show cut.jsonl --request "$request"
has out "^custom_id$tab$$-" "whatever batch it is in"

# ---- verify ----------------------------------------------------------------
gives 0 "verify of a file" verify whole.jsonl --recompute all
has out '^ok.*6 answers' "its batch"
gives 0 "verify of a file that was split" verify cut.jsonl --recompute all
[ "$(grep -c 'against its part_root' out)" -eq 3 ] && r=0 || r=1
report $r "its batches"
[ "$(sed -n 's/.*info: batch //p' err)" = "$(cat ids)" ] && r=0 || r=1
report $r "in order, each named"
gives 0 "one of its requests" verify cut.jsonl --trace "$request"
[ "$(grep -c 'against its part_root' out)" -eq 3 ] &&
    grep -q '^position' out && r=0 || r=1
report $r "is traced in the batch that has it"
gives 1 "none of its requests" verify cut.jsonl --trace "$(sed -n 1p ids)"
has err 'no request of "cut.jsonl" has the id' "says so"
gives 2 "with an option of other things" verify cut.jsonl --key "$request"
has err 'is not for a batch' "says so"
gives 1 "verify of a file of no batch" verify all.jsonl
has err 'no line has the id of a request' "says what is expected"

# ---- seal ------------------------------------------------------------------
two=$(sed -n 2p ids)
chmod u+w "spool/done/b$two/part-0000.h5"
printf x >>"spool/done/b$two/part-0000.h5"
gives 3 "a damaged part" export cut.jsonl
has err "b$two/part-0000.h5.*left out.*apus seal --again" \
    "is named with the remedy"
sed '4,6d' cut.out >want
cmp -s out want && r=0 || r=1
report $r "and the answers of the other batches are there"
gives 3 "verify of the file" verify cut.jsonl
has out '^WRONG.*part-0000.h5' "finds it"
gives 0 "seal --again of the file" seal --again cut.jsonl
sed 's|.*/b||' out >now
mv now out
same_ids "all of it is sealed"
gives 0 "and exported" export cut.jsonl
cmp -s out cut.out && r=0 || r=1
report $r "with the same answers"

# ---- lines -------------------------------------------------------------------
lines() { # FILE: where its errors are
    sed -n 's/.*"line":\([0-9]*\)}}$/\1/p' "$1" | tr '\n' ' '
}
{
    sed -n 21,22p all.jsonl
    echo
    echo 'no request at all'
    sed -n 23,25p all.jsonl
    echo '{"custom_id": "no"}'
    sed -n 26p all.jsonl
    echo 'no request'
} >bad.jsonl
gives 0 "a file with refusals, in three" submit bad.jsonl -m nano --split 3 \
    --wait -o bad.out
has err '3 refused, the first is line 4: ' "the first is counted in the file"
cut -f 1 out >ids
[ "$(lines bad.out)" = '4 8 10 ' ] && r=0 || r=1
lines bad.out >out
report $r "so are all in the answers"
gives 4 "wait" wait bad.jsonl --strict
has err '3 refused, the first is line 4: ' "says so too"
gives 0 "the answers with the whole file" verify bad.out --requests bad.jsonl
gives 0 "the answers, whose parts are in the spool" verify bad.out
has out '^ok.*an answer for each line.*9 lines' "all of them"
three=$(sed -n 3p ids)
gives 0 "status --json of a part" status --json -- "$three"
has out '"refusal":"2 refused, the first is line 8: ' "counts in the file"
gives 0 "export of a part" export -o three.out -- "$three"
[ "$(lines three.out)" = '8 10 ' ] && r=0 || r=1
lines three.out >out
report $r "counts in the file"
gives 0 "which is verified" verify three.out
info=spool/done/b$three/batch.json
cp "$info" kept
for before in 4294967296 -1 '"9"'; do
    sed "s/\"lines_before\":[0-9]*/\"lines_before\":$before/" kept >"$info"
    gives 1 "$before lines before it" export -- "$three"
    has err '"lines_before": a number below' "is refused"
done
cp kept "$info"
gives 0 "show of a part" show "spool/done/b$three/part-0000.h5"
[ "$(sed '1,/^line/d' out | cut -f 1 | tr '\n' ' ')" = '9 ' ] && r=0 || r=1
report $r "counts in the file"
cp "spool/done/b$three/requests.jsonl" own.jsonl
gives 0 "a file of these lines" run own.jsonl -m nano -o own.out
[ "$(lines own.out)" = '1 3 ' ] && r=0 || r=1
lines own.out >out
report $r "has its own"
gives 0 "which is verified" verify own.out
gives 0 "its batches go" rm bad.jsonl

# ---- what a batch was made of ------------------------------------------------
head -n 1 all.jsonl >one.jsonl
"$apus" run - -m nano -q <one.jsonl >out 2>err && r=0 || r=1
report $r "standard input"
gives 0 "its batch" status one.jsonl
has out "${tab}standard input$" "is of standard input"
sed 's/"source":"[^"]*"/"source":"-"/' "$(
    find spool/done -name "b$(cut -f 1 out)")/batch.json" >old
cp old "$(find spool/done -name "b$(cut -f 1 out)")/batch.json"
gives 0 "one of an earlier version" status one.jsonl
has out "${tab}standard input$" "is, too"
whole=$("$apus" status whole.jsonl | cut -f 1)
gives 0 "run --from a batch" run --from "$whole" -q
"$apus" status >out 2>err
has out "${tab}answers of batch $whole$" "status names the batch"
"$apus" rm -- "$(sed -n "s/$tab.*answers of batch $whole$//p" out)" >out 2>err
gives 0 "run --from a file" run --from whole.jsonl -q
"$apus" status >out 2>err
has out "${tab}answers of $tmp/whole.jsonl$" "status names the file"
"$apus" rm -- "$(sed -n "s/$tab.*answers of .*//p" out)" >out 2>err
gives 0 "run --from a part" run --from "spool/done/b$whole/part-0000.h5" -q
"$apus" status >out 2>err
has out "${tab}answers of $tmp/spool/done/b$whole/part-0000.h5$" \
    "status names the part"
again=$(sed -n "s/$tab.*answers of .*//p" out)
one=$("$apus" status one.jsonl | cut -f 1)
gives 0 "their batches go" rm -- "$again" "$one"

# ---- rm and clean ----------------------------------------------------------
gives 0 "one part goes" rm -- "$two"
gives 0 "a dry run" clean cut.jsonl --dry-run
[ "$(wc -l <out)" -eq 2 ] && r=0 || r=1
report $r "has the others"
gives 0 "status" status cut.jsonl
[ "$(wc -l <out)" -eq 2 ] && r=0 || r=1
report $r "has the others too"
gives 1 "export does not" export cut.jsonl
has err 'part 2 of 3 of "cut.jsonl"' "it names what is missing"
gives 0 "rm of the file" rm cut.jsonl
[ "$(grep -c '^removed' out)" -eq 2 ] && [ -f cut.jsonl ] && r=0 || r=1
report $r "removes its batches, and not the file"
gives 1 "rm again" rm cut.jsonl
has err 'cut.jsonl"' "names the file"
gives 0 "clean of a file" clean whole.jsonl
[ -z "$(ls spool/done)" ] && [ -f whole.jsonl ] && r=0 || r=1
report $r "removes its batch"

# ---- custom_id twice ---------------------------------------------------------
{ head -n 2 all.jsonl; sed -n 2p all.jsonl | sed 's/max_tokens": */&1/'; } \
    >twice.jsonl
for how in '' '--split 2'; do
    gives 0 "submit $how of a custom_id twice" submit twice.jsonl -m nano \
        --todo $how
    has err 'warning: lines 2 and 3 have the same custom_id' "warns"
done
gives 0 "submit again" submit twice.jsonl -m nano --todo
! grep -q warning err && r=0 || r=1
report $r "warns once"
gives 0 "run of it" run twice.jsonl -m nano -q --spool "$tmp/other"
has err 'warning: lines 2 and 3 have the same custom_id' "warns"

finish
