#!/bin/sh
# apus verify of an output file: every line is computed again from its request;
# whatever is changed in it, or in the requests, is found and named.
# part: san
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_LOG_LEVEL=warning
APUS_RANKS=1
APUS_GATEWAYS=http://127.0.0.1:1
APUS_HTTP_RETRIES=0
export APUS_CONFIG APUS_MODELS APUS_SPOOL APUS_LOG_LEVEL APUS_RANKS
export APUS_GATEWAYS APUS_HTTP_RETRIES

"$apus" model add "$top/models/nano" nano >out 2>err
v1='"method":"POST","url":"/v1'
{
    printf '{"custom_id":"a",%s/completions","body":{%s}}\n' "$v1" \
        '"prompt":"3 + 7 =","max_tokens":9,"temperature":0'
    printf '{"custom_id":"b",%s/completions","body":{%s}}\n' "$v1" \
        '"prompt":"5 + 4 =","max_tokens":9,"n":3,"model":"nano"'
    printf '{"custom_id":"c",%s/chat/completions","body":{%s}}\n' "$v1" \
        '"messages":[{"role":"user","content":"What is 3 + 4?"}]'
    printf '{"custom_id":"d",%s/completions","body":{"prompt":[]}}\n' "$v1"
    printf '%s\n' '{"custom_id":"e","method":"GET"}'
} >q.jsonl
gives 0 "a batch" run q.jsonl -m nano -o answers.jsonl
dir=$(echo spool/done/b*)

# ---- as it was written ------------------------------------------------------
gives 0 "the answers, with their requests" verify answers.jsonl \
    --requests q.jsonl
has out '^ok.answers.jsonl: answers computed again.*: 5 of 5 lines' "all lines"
has out '^ok.q.jsonl: an answer for each line.*5 lines' "and all requests"
gives 0 "the requests are found in the spool" verify answers.jsonl
gives 0 "two of them" verify answers.jsonl --recompute 2
has out '2 of 5 lines' "are computed"
has out '^open.*: 3 lines, not checked' "and it is said of the others"
gives 0 "another order" verify --requests q.jsonl "$(
    sort -r answers.jsonl >sorted
    echo sorted)"
gives 0 "another form" verify --requests q.jsonl "$(
    sed -e 's/,"error"/ , "error" /' \
        -e 's/^{\("id":[^,]*\),\("custom_id":[^,]*\),/{\2, \1,/' \
        answers.jsonl >formed
    echo formed)"
gives 0 "errors without a line, as earlier versions wrote them" verify \
    --requests q.jsonl "$(
        sed 's/,"line":[0-9]*}}$/}}/' answers.jsonl >earlier
        ! cmp -s earlier answers.jsonl && echo earlier)"
gives 0 "the export of a part" export "$dir/part-0000.h5" -o part.jsonl
gives 0 "has its requests too" verify part.jsonl
has out '^open.part.jsonl: the form and the model' "and not their form"
has part.jsonl '"custom_id":"a".*,"apus":{"part":true}}$' "it has custom_ids"
sed '1s/"custom_id":"a"/"custom_id":"z"/' part.jsonl >named.jsonl
gives 3 "another custom_id" verify named.jsonl
has out '^WRONG.*line 1.*custom_id is another' "is found"
sed 's/"custom_id":"[a-z]*"/"custom_id":null/
    s/,"apus":{"part":true}}$/}/' part.jsonl >unmarked.jsonl
gives 0 "an export of an earlier version" verify unmarked.jsonl
has out '^open.*: custom_id, the form and the model' "has no custom_id"
sed 's/,"apus":{"part":true}}$/}/' part.jsonl >whole.jsonl
gives 3 "a part that calls itself whole" verify whole.jsonl
APUS_CUSTOM_IDS=no "$apus" run q.jsonl -m nano --spool "$tmp/nameless" -q \
    -o unused.out >out 2>err || :
gives 0 "a part without custom_ids" export --trust -o nameless.jsonl \
    "$(echo nameless/done/b*/part-0000.h5)"
gives 0 "has its requests too" verify nameless.jsonl --requests q.jsonl
gives 0 "the export of a part" verify part.jsonl
has out '^open.*1 line, not checked: they are not in this part' "nor all"
# a line of a file may be in other batches, too
sed '5d' q.jsonl >fewer.jsonl
sed '2s/5 + 4/4 + 5/' q.jsonl >other.jsonl
for f in fewer other; do
    gives 0 "$f: a batch that shares lines" run $f.jsonl -m nano -q
done
for f in answers fewer.out other.out; do
    gives 0 "$f: the requests of its own batch" verify $f.jsonl
done
mv spool gone
gives 1 "without requests" verify answers.jsonl
has err 'say with --requests in which file' "it says what to do"
gives 1 "a file that has none of the answers" verify q.jsonl
has err 'not an output file' "it says what it is not"
gives 1 "a file that is not there" verify none.jsonl
has err 'cannot open "none.jsonl"' "is called one"
printf 'id,prompt\na,Hello\n' >q.csv
gives 1 "requests that are a table" verify answers.jsonl --requests q.csv
has err '"q.csv" is not JSONL (CSV' "are named"
gives 1 "requests that are not there" verify answers.jsonl --requests none
mv models away
gives 1 "no model" verify answers.jsonl --requests q.jsonl
has err 'to compute again' "it says so"
gives 0 "or one that is named" verify answers.jsonl --requests q.jsonl \
    -m "$(echo away/*.apus)"
mv away models
mv gone spool
gives 2 "no trace of what has none" verify answers.jsonl --trace "$(
    basename "$dir" | sed s/b//)"
gives 2 "nor a key" verify answers.jsonl --key "$(
    basename "$dir" | sed s/b//)"
gives 2 "and no requests of a batch" verify "$(basename "$dir" | sed s/b//)" \
    --requests q.jsonl

# ---- lies -------------------------------------------------------------------
lie() { # NAME FILE EXPRESSION [WHERE]
    cp answers.jsonl lie.jsonl
    cp q.jsonl asked.jsonl
    sed "$3" "$2" >lied
    cmp -s "$2" lied && echo "nothing changed" >out && r=1 || r=0
    [ "$2" = q.jsonl ] && cp lied asked.jsonl || cp lied lie.jsonl
    if [ $r -eq 0 ]; then
        got=0
        "$apus" verify lie.jsonl --requests asked.jsonl >out 2>err || got=$?
        [ $got -eq 3 ] && r=0 || r=1
    fi
    report $r "$1"
    [ $# -lt 4 ] || has out "$4" "is named"
}
other=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
a=answers.jsonl
lie "another text" $a '1s/"text":" /&7/' 'line 1, .*choices.0.text is another'
lie "another text of a chat" $a '3s/"content":"/&7/' 'line 3'
lie "another token" $a '1s/"tokens":\[[0-9]*/&1/' \
    'line 1, .*choice 0: token 1 is [0-9]*1 in the file'
lie "an invalid token" $a '1s/"tokens":\[[0-9]*/"tokens":[-1/'
lie "a token over all" $a '1s/"tokens":\[[0-9]*/"tokens":[4294967295/'
lie "a token more" $a '1s/\]}/,2&/' 'token 5 is 2 in the file and none computed'
lie "a token less" $a '1s/,[0-9]*\]}/]}/' 'token 4 is none in the file'
lie "no tokens" $a '1s/"tokens":\[[^]]*/"tokens":[/'
lie "no apus" $a '1s/"apus"/"other"/'
lie "another end" $a '1s/"stop"/"length"/' 'finish_reason is another'
lie "another index" $a '2s/"index":2/"index":1/' 'choices.2.index'
lie "choices in another order" $a \
    '2s/\({"index":0.*}}\),\({"index":1.*}}\),\({"index":2\)/\2,\1,\3/'
lie "a choice less" $a '2s/{"index":0[^]]*\]}},//' 'it has 2 choices'
lie "a choice twice" $a '2s/{"index":0[^]]*\]}},/&&/' 'it has 4 choices'
lie "a log probability" $a '1s/"logprobs":null/"logprobs":0/'
lie "another count" $a '1s/"prompt_tokens":/&1/' 'usage.prompt_tokens'
lie "another sum" $a '1s/"total_tokens":/&1/'
lie "another model" $a '3s/"model":"[^"]*"/"model":"x"/'
lie "another fingerprint" $a "3s/x1-[^\"]*/x1-$other/"
lie "another custom_id" $a '1s/"custom_id":"a"/"custom_id":"b"/'
lie "no custom_id" $a '1s/"custom_id":"a"/"custom_id":null/'
lie "no custom_id, later" $a '3s/"custom_id":"c"/"custom_id":null/'
lie "another request_id" $a \
    "1s/\"request_id\":\"[^\"]*/\"request_id\":\"$other/"
lie "another id" $a "1s/batch_req_[^\"]*/batch_req_$other/" 'none has its id'
lie "another status" $a '1s/200/500/'
lie "another time" $a '1s/"created":0/"created":1/'
lie "another kind" $a '1s/text_completion/chat.completion/'
lie "a member more" $a '1s/"created"/"more":1,&/' 'response.body.more'
lie "a member twice" $a '1s/"created"/"created":0,&/'
lie "an error beside the answer" $a '1s/"error":null/"error":"no"/'
lie "another reason" $a '5s/"message":"/&not /' 'line 5.*error.message'
lie "another line of an error" $a '5s/"line":5/"line":4/' 'error.line'
lie "another code" $a '5s/invalid_request/given_up/'
lie "another error" $a '4s/prompt_empty/prompt_too_long/'
lie "an error for an answer" $a \
    '3s/"response".*/"response":null,"error":{"code":"x","message":"y"}}/'
lie "an answer for an error" $a '4s/.*//;3{p;x;s/.*//;x}'
lie "a line less" $a '2d' '^WRONG.asked.jsonl: line 2, .*it has none'
lie "a line twice" $a '2p' 'another line answers request 2, too'
lie "an empty line" $a '2s/^/\n/'
lie "no JSON" $a '2s/}//'
lie "no lines" $a 'd'
id_of() { sed -n "$1s/.*\"request_id\":\"\([^\"]*\).*/\1/p" $a; }
lie "the answer of another line" $a "s/$(id_of 1)/X/g; s/$(id_of 3)/$(id_of 1)/g
    s/X/$(id_of 3)/g"
lie "another prompt" q.jsonl '1s/3 + 7/3 + 8/'
lie "a request more" q.jsonl '5p'
lie "a blank in a request" q.jsonl '5s/}$/ }/'

# what is not an output file claims nothing that could be wrong
gzip -c answers.jsonl >answers.gz
gives 1 "a compressed file" verify answers.gz --requests q.jsonl
has err 'not an output file (JSONL .*, not compressed)' "it says so"
! grep -q WRONG out && r=0 || r=1
report $r "and calls nothing wrong"
gives 1 "the requests for the answers" verify q.jsonl --requests q.jsonl
gives 2 "standard input" verify - --requests q.jsonl
has err 'standard input cannot be read twice, name a file' "it says so"

finish
