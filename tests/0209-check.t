#!/bin/sh
# apus check: what would be refused, and how many tokens there are.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
nano=$top/models/nano
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
export APUS_CONFIG APUS_MODELS APUS_SPOOL
"$apus" model add "$nano" nano >out 2>err

{
    printf '{"custom_id":"a","method":"POST","url":"/v1/completions",'
    printf '"body":{"prompt":[1,2,3],"max_tokens":20,"n":2}}\n\n'
    printf '{"custom_id":"b","method":"POST","url":"/v1/completions",'
    printf '"body":{"prompt":[1,2,3],"foo":1}}\n'
    printf '{"custom_id":"c","method":"POST","url":"/v1/completions",'
    printf '"body":{"prompt":[1,512]}}\n'
    printf '{"custom_id":"d","method":"POST","url":"/v1/completions",'
    printf '"body":{"prompt":[]}}\n'
    printf '{"custom_id":"e","method":"POST","url":"/v1/completions",'
    printf '"body":{"prompt":[5]}}\n'
} >q.jsonl
gives 0 "check" check q.jsonl -m nano
[ "$(cut -f 1 out | head -n 3 | tr '\n' ' ')" = 'line 3 line 4 line 5 ' ] &&
    r=0 || r=1
report $r "three lines would be refused"
has out '^line 3.invalid_request.*foo' "each says why"
has out '^line 5.prompt_empty' "also where it is the engine that refuses"
# 2 * 20, and what is left of a context of 512 after one
has out '^5 requests, 3 refused, 4 prompt tokens, at most 552 tokens' \
    "the sums"
has err '3 refused, the first is line 3: .*foo' "the first is named"
[ ! -e spool ] && r=0 || r=1
report $r "there is no spool"
gives 4 "check --strict" check q.jsonl -m nano --strict
gives 0 "check --json" check q.jsonl -m nano --json
python3 -c 'import json
rows = [json.loads(l) for l in open("out")]
assert [r["line"] for r in rows[:-1]] == [3, 4, 5], rows
assert rows[0]["custom_id"] == "b" and "foo" in rows[0]["message"]
assert rows[-1] == {"requests": 5, "refused": 3, "prompt_tokens": 4,
                    "most_tokens": 552}, rows[-1]' >py.out 2>&1 && r=0 || r=1
report $r "is JSON"
# 552 tokens of 512 logits; 3 prompts of 3, 3 and 1 ids and all but the last
# token, 7 rows of 128 numbers
gives 0 "check with logits" check q.jsonl -m nano --json --tensors logits
has out '"tensor_bytes":1130496}' "what they take"
gives 0 "check with hidden states" check q.jsonl -m nano --tensors hidden
has out '^at most about 2 MiB of tensors .*(tensors = hidden)$' "what they take"
sed -n 3,5p q.jsonl >bad.jsonl
gives 4 "nothing but refused lines" check bad.jsonl -m nano
"$apus" check - -m nano <q.jsonl >piped 2>err
"$apus" check q.jsonl -m nano >out 2>err
cmp -s out piped && r=0 || r=1
report $r "standard input gives the same"
cat q.jsonl | "$apus" check /dev/stdin -m nano >piped 2>err
cmp -s out piped && r=0 || r=1
report $r "and so does a pipe"
head -n 20 "$nano/eval.jsonl" >eval.jsonl
gives 0 "requests with text" check eval.jsonl -m nano
cp out checked
"$apus" run eval.jsonl -m nano -q 2>err
want=$(sed 's/.*"prompt_tokens":\([0-9]*\).*/\1/' eval.out.jsonl |
    awk '{ n += $1 } END { print n }')
has checked "^20 requests, 0 refused, $want prompt tokens" \
    "have the tokens that the answers tell"
if [ -w /dev/full ]; then
    got=0
    "$apus" check eval.jsonl -m nano >/dev/full 2>err || got=$?
    [ "$got" = 1 ] && r=0 || r=1
    : >out
    report $r "a full disk is a failure"
    has err 'cannot write to standard output: No space' "and is named"
fi
# more than a pipe holds, half of it bad
awk '{ print; print "{" }' "$nano/eval.jsonl" >pair
for _ in 1 2 3 4 5 6 7 8 9 10; do cat pair; done >many.jsonl
{
    got=0
    "$apus" check many.jsonl -m nano 2>err || got=$?
    echo "$got" >rc
} | head -n 1 >out
[ "$(cat rc)" = 141 ] && [ ! -s err ] && r=0 || r=1
report $r "a reader that leaves does not matter: status 141, no word"
gives 1 "a file that is missing" check none.jsonl -m nano
printf 'a,b\n' >my.csv
gives 1 "no JSONL" check my.csv -m nano
has err 'CSV' "is named"
gives 1 "a model that is missing" check q.jsonl -m nobody
gives 2 "no model" check q.jsonl
# ---- custom_id twice ---------------------------------------------------------
sed -n 1,4p "$top/models/nano/eval.jsonl" >three.jsonl
{ cat three.jsonl; echo; sed -n 2p three.jsonl; } >twice.jsonl
gives 0 "no custom_id twice" check three.jsonl -m nano
[ ! -s err ] && r=0 || r=1
report $r "no warning"
gives 0 "a custom_id twice" check twice.jsonl -m nano
has err 'warning: lines 2 and 6 have the same custom_id$' "both lines"
sed -n 1,2p three.jsonl >>twice.jsonl
gives 0 "several" check twice.jsonl -m nano
has err 'lines 2 and 6 have .* (3 lines have that of an earlier one)$' \
    "are counted"

finish
