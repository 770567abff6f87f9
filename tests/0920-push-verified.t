#!/bin/sh
# What apus push publishes is what apus verify and a second implementation
# read: every result, the statement, the checkpoint; in full and by hashes.
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/localnet.sh"
python=/usr/bin/python3
[ -x $python ] || python=python3
if ! $python -c '' 2>/dev/null; then
    echo "1..0 # SKIP no python3"
    exit 0
fi
PYTHONDONTWRITEBYTECODE=1
export PYTHONDONTWRITEBYTECODE

net_up && r=0 || r=1
report $r "localnet is up"
APUS_CONFIG=$net/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_HTTP_RETRIES=0
export APUS_CONFIG APUS_MODELS APUS_SPOOL APUS_HTTP_RETRIES
node=$(netcall address "$net/wallet.json")
"$apus" model add "$top/models/nano" nano >out 2>err
url_v1='"method":"POST","url":"/v1/completions","body":{'
{
    head -n 4 "$top/models/nano/eval.jsonl"
    # texts with every kind of byte
    printf '%s%s\n' '{"custom_id":"hot",'"$url_v1" \
        '"prompt":"3 + 4 =","n":4,"temperature":100,"max_tokens":60,"top_p":1}}'
    printf '%s%s\n' '{"custom_id":"stops",'"$url_v1" \
        '"prompt":"1 2 3","temperature":0,"stop":["9","\n","é","\u0001"]}}'
    printf '%s%s\n' '{"custom_id":"none",'"$url_v1"'"prompt":[]}}'
} >full.jsonl
{
    head -n 3 "$top/models/nano/eval.jsonl"
    printf '%s%s\n' '{"custom_id":"s",'"$url_v1" \
        '"prompt":"1 2 3","seed":18446744073709551615,"stop":["9","x"]}}'
} >hashes.jsonl

publish() { # NAME: answered and pushed; $dir is the batch
    gives 0 "$1: a batch" run "$1.jsonl" -m nano -o "$1.out" --ranks 1
    dir=$(echo spool/done/b*)
    id=$(basename "$dir")
    id=${id#b}
    APUS_PUBLISH=$1 gives 0 "$1: is pushed" push -- "$id"
    dir=spool/sent/b$id
    results=$(wc -l <"$dir/items.jsonl")
    cp "$dir/push/statement.head" "$1.statement"
    statement=$(netcall id <"$1.statement")
    cat "$dir/push/bundle-0000.head" "$dir/push/bundle-0000.items" >"$1.bundle"
    $python "$top/tests/second_item.py" check "$node" "$1.statement" \
        "$1.bundle" >out 2>err && r=0 || r=1
    report $r "$1: a second implementation agrees"
    has out "agrees: $results results" "$1: with all $results of them"
    gives 0 "$1: every answer of the statement" verify "$statement" \
        --key "$node" --all
    has out "^ok.*the results in this bundle.*: $results results" \
        "$1: is in its bundle"
    has out "^ok.*its count" "$1: none is missing"
    ! grep -q '^open' out && r=0 || r=1
    report $r "$1: nothing is open"
    result=$(sed -n '2s/.*"item":"\([^"]*\)".*/\1/p' "$dir/items.jsonl")
    gives 0 "$1: one result" verify "$result" --key "$node"
    has out "^ok.*its batch, against statement $statement" \
        "$1: belongs to the statement"
    gives 0 "$1: it is shown" show "$result"
}
publish full
gives 0 "the request of a result again" run --from "$result" -o one.jsonl
gives 0 "all of a statement" run --from "$statement" -o again.jsonl
gives 0 "give the same answers" diff "$id" again.jsonl
has out "^same.$results the same" "all of them"
grep -a -q '"text":"[^"]*\\[un\\]' full.bundle && r=0 || r=1
report $r "some texts have what JSON escapes"
gives 0 "all of them computed again" verify "$statement" --key "$node" \
    --recompute all
[ "$(grep -c '^ok.*its answer computed again' out)" -eq "$results" ] &&
    r=0 || r=1
report $r "are the same"
cp "$dir/part-0000.h5" far.h5
APUS_SPOOL=$tmp/none gives 0 "its checkpoint elsewhere" verify far.h5 \
    --key "$node"
has out "^ok.*of statement $statement" "is one of the statement's files"

publish hashes
gives 1 "they cannot be computed again" verify "$statement" --recompute all
has err 'published by its hash alone' "and says so"

finish
