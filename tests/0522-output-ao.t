#!/bin/sh
# apus verify of an output file whose requests came over AO: the ids in it are
# those of messages, which are fetched and read as the queue reads them.
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/localnet.sh"
worker=$(dirname "$apus")/apus-worker
net_up && r=0 || r=1
report $r "a localnet"
APUS_CONFIG=$net/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_HTTP_RETRIES=0
APUS_RANKS=1
TMPDIR=$tmp/temporary
export APUS_CONFIG APUS_MODELS APUS_SPOOL APUS_HTTP_RETRIES APUS_RANKS TMPDIR
mkdir temporary
model=$("$apus" model add "$top/models/nano" nano 2>err)
process=$(printf x | netcall sign "$net/dapp.json" | netcall id)

ask() { # NUMBER OPTIONS: a message to the process, and its line
    printf '{"prompt":"%s + 5 ="}' "$1" | netcall sign "$net/dapp.json" \
        "$process" Action=Infer Content-Type=application/json \
        X-Options="{$2}" >"ask-$1"
    printf '{"custom_id":"%s","method":"POST","url":"/v1/completions",' \
        "$(netcall id <"ask-$1")"
    printf '"body":{"model":"%s","prompt":"%s + 5 =",%s}}\n' "$model" "$1" \
        "$(echo "$2" | sed 's/"top_k":40/"apus":{"top_k":40}/')"
}
ask 3 '"max_tokens":9,"temperature":0' >requests.jsonl
ask 4 '"max_tokens":9' >>requests.jsonl
ask 5 '"max_tokens":9,"seed":7,"stop":["1"]' >>requests.jsonl
batch=aaaaAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
mkdir -p "spool/todo/b$batch"
cp requests.jsonl "spool/todo/b$batch"
printf '{"format":"apus-batch-1","id":"%s","model":"%s","sha256":"%s",%s' \
    $batch "$model" "$(openssl dgst -sha256 -binary requests.jsonl |
        openssl base64 | tr +/ -_ | tr -d =)" \
    '"from_ao":true,"process":"'"$process"'","kind":"requests","requests":3}' \
    >"spool/todo/b$batch/batch.json"
"$worker" >out 2>err && r=0 || r=1
report $r "the worker answers them"
gives 0 "they are exported" export $batch -o answers.jsonl
gives 0 "the spool has the requests" verify answers.jsonl
gives 0 "a file with their ids" verify answers.jsonl --requests requests.jsonl
APUS_SPOOL=$tmp/none
gives 1 "elsewhere, before the messages are published" verify answers.jsonl
has err 'say with --requests in which file they are' "it says what to do"
for a in 3 4 5; do
    netcall post "$url/bundler/v1/tx" \
        'Content-Type: application/octet-stream' <"ask-$a" >answer
done
gives 0 "and after" verify answers.jsonl
has out 'computed again.*3 of 3 lines' "all are computed"
has err 'the requests are 3 messages' "from their messages"
sed '2s/"text":" /&7/' answers.jsonl >lie.jsonl
gives 3 "another text" verify lie.jsonl
has out '^WRONG.*line 2, ' "is named"
[ "$(ls temporary)" = "" ] && r=0 || r=1
report $r "nothing remains"

finish
