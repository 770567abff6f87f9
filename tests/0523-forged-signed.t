#!/bin/sh
# A node that signs what it forged: an answer of a batch is changed, every hash
# is made to fit (tests/forge.c), and all of it is signed and published.
# Computed again, nothing of it passes; nor does what is honest under the
# statement, the key or the batch of another.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/localnet.sh"
build=$(dirname "$apus")
forge() { APUS_LIBEXEC=$build "$build/tests/forge" "$@"; }
net_up && r=0 || r=1
report $r "a localnet"
APUS_CONFIG=$net/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_HTTP_RETRIES=0
APUS_RANKS=1
export APUS_CONFIG APUS_MODELS APUS_SPOOL APUS_HTTP_RETRIES APUS_RANKS
"$apus" model add "$top/models/nano" nano >out 2>err
node=$(netcall address "$net/wallet.json")
someone=$(netcall address "$net/dapp.json")

# A batch of three answers, forged so, signed and published.
publish() { # NUMBER CHANGE [OTHER]
    for a in 3 5 6; do
        printf '%s%s%s\n' '{"custom_id":"'$a'","method":"POST",' \
            '"url":"/v1/completions","body":{"prompt":"'"$a + $1"' =",' \
            '"max_tokens":9,"seed":7}}'
    done >q.jsonl
    "$apus" run q.jsonl -m nano -o out.jsonl >out 2>err
    dir=$(echo spool/done/b*)
    id=${dir#spool/done/b}
    shift
    forge "$1" 1 "$dir" ${2+"$2"} >>out 2>>err && r=0 || r=1
    report $r "$1: forged"
    gives 0 "$1: pushed" push -- "$id"
    dir=spool/sent/b$id
    statement=$(netcall id <"$dir/push/statement.head")
    results=$(sed -n 's/.*"item":"\([^"]*\)".*/\1/p' "$dir/items.jsonl")
}
refused() { # NAME ARGUMENT...
    name=$1
    shift
    got=0
    "$apus" verify "$@" >out 2>err || got=$?
    [ $got -eq 3 ] || [ $got -eq 1 ] && r=0 || r=1
    report $r "$name: exit status $got"
}

publish 1 nothing
good=$statement
good_result=$(echo "$results" | head -n 1)
cp "$dir/push/statement.head" good.item
cp "$dir/part-0000.h5" good.h5
cp -R "$dir" other
gives 0 "an honest batch" verify "$good" --all --recompute all --key "$node"
gives 0 "an answer of it" verify "$good_result" --recompute all --key "$node"
gives 0 "its part" verify good.h5 --key "$node" --recompute all

# ---- of another -------------------------------------------------------------
publish 2 nothing
refused "the statement of another batch" "$good_result" \
    --statement "$statement" --key "$node"
refused "the part of another batch" good.h5 --statement "$statement" \
    --key "$node"
refused "an answer of another node" "$good_result" --key "$someone"
refused "a statement of another node" "$good" --all --key "$someone"
refused "a part of another node" good.h5 --key "$someone"
refused "a part under a statement of another node" good.h5 \
    --statement good.item --key "$someone"
# Byte N with the next value in its place: a byte of a signature can be any.
other_byte() { # FILE N
    head -c "$2" "$1"
    b=$(tail -c +$(($2 + 1)) "$1" | head -c 1 | od -An -tu1)
    # shellcheck disable=SC2059
    printf "\\$(printf %03o $(((b + 1) % 256)))"
    tail -c +$(($2 + 2)) "$1"
}
# the last byte is of the list of files, the first ones are of the signature
other_byte good.item $(($(wc -c <good.item) - 1)) >bad.item
refused "a statement of another byte" --item bad.item --key "$node"
other_byte good.item 40 >bad.item
refused "a statement of another signature" --item bad.item --key "$node"
netcall sign "$net/dapp.json" - Apus=statement-1 <good.item >bad.item
refused "a statement within an item" --item bad.item --key "$someone"

# ---- forged after it was signed ---------------------------------------------
# the statement of a batch lies beside it
mv "$dir" kept
for change in text-other output-drawn trace-kv row-of-other-renamed \
    rows-swapped finish-context; do
    rm -rf "$dir"
    cp -R kept "$dir"
    forge $change 1 "$dir" other >out 2>err && r=0 || r=1
    report $r "$change: forged"
    gives 3 "$change, not computed again" verify "$id"
    has out '^WRONG.*statement.head: .*its root is not that' "is against it"
done
rm -rf "$dir"
cp -R kept "$dir"
gives 0 "what was signed" verify "$id"
has out "^ok.*statement.head: .*signed by $node" "names who signed it"
cp other/push/statement.head "$dir/push"
refused "a batch with the statement of another" "$id"
cp bad.item "$dir/push/statement.head"
refused "with what is not a statement" "$id"
# 208 bytes, and 40 for its one part
tail -c 248 kept/push/statement.head |
    netcall sign "$net/dapp.json" - Apus=statement-1 "Batch=$id" \
        >"$dir/push/statement.head"
gives 3 "what somebody else signed" verify "$id"
has out '^WRONG.*statement.head: .*its node is another' "is not of its node"
cp kept/push/statement.head "$dir/push"

# ---- signed lies ------------------------------------------------------------
number=3
for change in text-other output-drawn trace-kv trace-deep last-row \
    finish-context finish-range job-seed job-prompt; do
    publish $number $change other
    number=$((number + 1))
    cp "$dir/part-0000.h5" lie.h5
    refused "$change, of the statement" "$statement" --all --recompute all \
        --key "$node"
    refused "$change, of the part" lie.h5 --key "$node" --recompute all
    refused "$change, of the batch" "$id" --recompute all
    said=0
    for result in $results; do
        "$apus" verify "$result" --recompute all --key "$node" >out 2>err ||
            said=$((said + 1))
    done
    report $((said == 0)) "$change, of $said answers"
done

finish
