#!/bin/sh
# A batch of requests from AO, as apus pull makes it: the id of a request is
# its custom_id, in its record, in its answer, for apus verify, and for the
# seed of one that gives none; that of a line of a file from AO is the line's.
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

model=$("$apus" model add "$top/models/nano" nano 2>err)
id() { # LETTER: an id
    printf '%s' "$1$1$1$1AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
}
line() { # CUSTOM_ID BODY
    printf '{"custom_id":"%s","method":"POST","url":"/v1/completions",' "$1"
    printf '"body":{%s}}\n' "$2"
}
{
    line "$(id q)" '"prompt":"3 + 4 =","max_tokens":5'
    line "$(id r)" '"prompt":"3 + 4 =","max_tokens":5'
    line "$(id s)" '"prompt":"3 + 4 =","max_tokens":5,"n":2'
    line "$(id t)" '"prompt":[]'
    line "$(id u)" '"prompt":"x","foo":1'
} >q.jsonl
# the same as a file tells its hash
gives 0 "the same file" run q.jsonl -m nano -o file.jsonl
sha=$(sed 's/.*"sha256":"\([^"]*\)".*/\1/' spool/done/b*/batch.json)

batch() { # ID MORE: a batch in todo
    mkdir -p "spool/todo/b$1"
    cp q.jsonl "spool/todo/b$1/requests.jsonl"
    printf '{"format":"apus-batch-1","id":"%s","model":"%s",' "$1" "$model" \
        >"spool/todo/b$1/batch.json"
    printf '"sha256":"%s","from_ao":true,"process":"%s",%s"requests":5}' \
        "$sha" "$(id p)" "$2" >>"spool/todo/b$1/batch.json"
}
batch "$(id a)" '"kind":"requests",'
batch "$(id b)" '"kind":"batch","request":"'"$(id z)"'",'
"$worker" >out 2>err && r=0 || r=1
report $r "the worker answers both"
gives 0 "the requests are exported" export aaaa
cp out requests
gives 0 "the lines are exported" export bbbb
cp out lines
for c in q r s t u; do
    has requests "\"id\":\"batch_req_$(id $c)\",\"custom_id\":\"$(id $c)\"" \
        "request $c has its id"
done
# proof.md section 5: lines of a file that came by Infer-Batch have ids of
# version 1, H("apusline" || SHA-256(file) || line u64 from 0)
if command -v python3 >/dev/null; then
    python3 - <<'TXT' >want
import base64, hashlib
file = hashlib.sha256(open("q.jsonl", "rb").read()).digest()
for i in range(5):
    h = hashlib.sha256(b"apusline" + file + i.to_bytes(8, "little")).digest()
    print(base64.urlsafe_b64encode(h).decode().rstrip("="))
TXT
    sed 's/^{"id":"batch_req_\([^"]*\)".*/\1/' lines | uniq >out
    cmp -s want out && r=0 || r=1
    report $r "lines of a file from AO have ids of version 1"
else
    n=$((n + 1))
    echo "ok $n - lines of a file from AO # SKIP no python3"
fi
text() { # LETTER
    sed -n "s/.*\"custom_id\":\"$(id "$1")\".*\"tokens\":\(\[[0-9,]*\]\).*/\1/p
        " requests
}
[ "$(text q)" != "$(text r)" ] && r=0 || r=1
report $r "two ids are two seeds"
gives 0 "verify the requests" verify aaaa --recompute all
gives 0 "verify the lines" verify bbbb --recompute all
sed "s/$(id q)/$(id v)/" q.jsonl >"spool/done/b$(id a)/requests.jsonl"
gives 3 "verify after an id was changed" verify aaaa
has out 'its id is not that of the line' "says which"
finish
