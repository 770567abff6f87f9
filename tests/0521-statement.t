#!/bin/sh
# Statements of a node that lies: everything that a key signs fits, but one
# request is answered twice, the answers stand in another order, one is of
# another model, or answers a message that says something else.  apus verify
# finds it in what is published, and in a part of the checkpoint.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/localnet.sh"
python=/usr/bin/python3
[ -x $python ] || python=python3
if ! $python -c 'import h5py' 2>/dev/null; then
    echo "1..0 # SKIP no python3-h5py"
    exit 0
fi
PYTHONDONTWRITEBYTECODE=1
export PYTHONDONTWRITEBYTECODE
second() { $python "$top/tests/second_item.py" "$@"; }

net_up && r=0 || r=1
report $r "a localnet"
APUS_CONFIG=$net/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_HTTP_RETRIES=0
export APUS_CONFIG APUS_MODELS APUS_SPOOL APUS_HTTP_RETRIES
"$apus" model add "$top/models/nano" nano >out 2>err
node=$(netcall address "$net/wallet.json")
process=$(printf x | netcall sign "$net/dapp.json" | netcall id)

# sign DATA TAGS OUT: an item of the node; its id is in OUT.id
sign() {
    # shellcheck disable=SC2046
    netcall sign "$net/wallet.json" - $(cat "$2") <"$1" >"$3"
    netcall id <"$3" >"$3.id"
}
up() { # ITEM
    netcall post "$url/bundler/v1/tx" \
        'Content-Type: application/octet-stream' <"$1" >answer
}
# A batch of three requests and four answers, `number` makes it another one;
# answered, but not published.  $part is its checkpoint.
batch() { # NAME NUMBER
    for a in 3 5 6; do
        printf '%s%s%s\n' '{"custom_id":"'$a'","method":"POST",' \
            '"url":"/v1/completions","body":{"prompt":"'"$a + $2"' =",' \
            '"max_tokens":9,"temperature":0,"seed":1,"n":'$((1 + (a == 6)))'}}'
    done >"$1.jsonl"
    "$apus" run "$1.jsonl" -m nano -o "$1.out" --ranks 1 --spool "$1" \
        >out 2>err
    part=$(ls "$1"/done/*/part-0000.h5)
    parts=$(echo "$1"/done/*/part-*.h5 | tr ' ' ,)
}
# Publish it, as second_item.py makes it in this MODE; $statement is the id.
publish() { # NAME MODE...
    made=$1.made
    mkdir "$made"
    file=$1.jsonl
    shift
    second make "$parts" "$file" "$node" "$made" "$@" >out 2>err
    set --
    for json in "$made"/*.json; do
        sign "$json" "${json%.json}.tags" "${json%.json}.item"
        set -- "$@" "${json%.json}.item"
    done
    second bundle "$made/bundle" "$@"
    echo "Apus=bundle-1 $(sed 's/.*\(Batch=[^ ]*\).*/\1/' \
        "$made/statement.tags") Bundle-Format=binary Bundle-Version=2.0.0" \
        >"$made/bundle.tags"
    sign "$made/bundle" "$made/bundle.tags" "$made/bundle.item"
    sign "$made/statement" "$made/statement.tags" "$made/statement.item"
    up "$made/bundle.item"
    up "$made/statement.item"
    statement=$(cat "$made/statement.item.id")
}

# ---- an honest one ----------------------------------------------------------
batch good 1
publish good
gives 0 "an honest batch" verify "$statement" --key "$node" --all
has out '^ok.*the order of its answers.*each pair once' "is in order"
! grep -q '^open' out && r=0 || r=1
report $r "nothing of it is open"
cp "$part" far.h5
gives 0 "its part" verify far.h5 --key "$node"
has out "^ok.*its results, against the root of statement $statement" \
    "has the results of its root"

# ---- order, and each once ---------------------------------------------------
batch double 2
publish double double
gives 3 "one request and choice twice" verify "$statement" --key "$node" \
    --all --recompute all
has out '^WRONG.*order of its answers.*both to request' "both are named"
cp "$part" far.h5
gives 3 "the part that it names" verify far.h5 --key "$node"
has out '^WRONG.*its results.*another root' "has other results"
gives 3 "the statement as a file" verify far.h5 --key "$node" \
    --statement double.made/statement.item
batch unsorted 3
publish unsorted unsorted
gives 3 "another order" verify "$statement" --all
[ "$(grep -c '^WRONG.*order of its answers.*belongs before' out)" -eq 3 ] &&
    r=0 || r=1
report $r "every place is named"
batch model 4
publish model model
gives 3 "an answer of another model" verify "$statement" --all
has out '^WRONG.*its batch.*another model' "is named"

# ---- other statements -------------------------------------------------------
# the same, but with another count, or with its file twice
batch again 9
publish again
good=$statement
head -c 72 again.made/statement >again.made/count
printf '\003\000\000\000' >>again.made/count
tail -c +77 again.made/statement >>again.made/count
sign again.made/count again.made/statement.tags again.made/count.item
cp "$part" far.h5
gives 3 "another count" verify far.h5 --key "$node" \
    --statement again.made/count.item
has out '^WRONG.*its results.*counts 3 results, the part has 4' "is named"
up again.made/count.item
gives 3 "two statements about a batch" verify "$good" --key "$node" --all
has out "^WRONG.*its batch.*$(cat again.made/count.item.id).*another count" \
    "the other one is named"
gives 3 "for its part, too" verify far.h5 --key "$node"
has out "^WRONG.*its batch.*what its node signed" "it is said"
gives 0 "but for the one that is named" verify far.h5 --key "$node" \
    --statement "$good"
second twice again.made/statement again.made/twice
sign again.made/twice again.made/statement.tags again.made/twice.item
gives 3 "a file twice in the list" verify --item again.made/twice.item
has out '^WRONG.*its list of files.*twice' "is found"

# ---- several parts ----------------------------------------------------------
# Parts have at least 1 MiB, and so have the leaves of 9362 positions.
long_batch() { # NAME NUMBER
    awk -v k="$2" 'BEGIN { for (i = 0; i < 20; i++) {
        printf "{\"custom_id\":\"%d\",\"method\":\"POST\",\"url\":\"/v1/" \
            "completions\",\"body\":{\"max_tokens\":1,\"prompt\":[%d", i, k
        for (j = 1; j < 500; j++)
            printf ",%d", 10 + (i + j) % 90
        print "]}}"
    } }' >"$1.jsonl"
    "$apus" run "$1.jsonl" -m nano -o "$1.out" --ranks 1 --spool "$1" \
        --part-size 1M >out 2>err
    part=$(ls "$1"/done/*/part-0000.h5)
    parts=$(echo "$1"/done/*/part-*.h5 | tr ' ' ,)
}
long_batch parts 10
[ "$(find parts -name 'part-*.h5' | wc -l)" -eq 2 ] && r=0 || r=1
report $r "a batch in two parts"
publish parts
cp "$part" far.h5
gives 0 "one of them" verify far.h5 --key "$node"
has out '^open.*its results.*one of 2 parts.*--all' "its results are open"
gives 2 "--all without a key" verify far.h5 --all
gives 0 "with what was published" verify far.h5 --key "$node" --all
has out '^ok.*its results, against the answers under' "they are compared"
long_batch lies 11
publish lies double
cp "$part" far.h5
gives 0 "one of a batch that lies" verify far.h5 --key "$node"
gives 3 "is found with what was published" verify far.h5 --key "$node" --all
has out '^WRONG.*the order of its answers' "by the order"
[ "$(grep -c '^WRONG.*request .*, choice 0.*not one of them' out)" -eq 1 ] &&
    r=0 || r=1
report $r "and by the one result that is not there"

# ---- a batch from AO --------------------------------------------------------
ask() { # NAME PROMPT [OPTIONS]: to the process; its id is in NAME.id
    printf '{"prompt":"%s"}' "$2" | netcall sign "$net/dapp.json" \
        "$process" Action=Infer Content-Type=application/json \
        X-Options="${3:-$options}" >"$1"
    netcall id <"$1" >"$1.id"
}
options='{"max_tokens":9,"temperature":0,"seed":1}'
# answers to three messages, as if they were the lines of a file; the third
# line has two answers, of which one message is
for a in 3 5 6; do
    ask "ao-$a" "$a + 5 ="
done
batch ao 5
publish ao "$process" "$(cat ao-3.id)" "$(cat ao-5.id)" "$(cat ao-6.id)"
gives 0 "no message is published" verify "$statement" --all --key "$node"
has out '^open.*the messages of its answers.*4 of 4 cannot be fetched' \
    "all four are open"
up ao-3
up ao-5
gives 0 "two are" verify "$statement" --all --key "$node"
has out '^open.*2 of 4 cannot be fetched' "two are open"
has out '^ok.*the messages they answer: 2 of 4 compared' "two are not"
has out '^open.*its prompt.*of 2 answers' "but for their prompts"
has out '^open.*its model.*of 2 answers' "and their models"

# the same parameters, another question; and the other way round
ask other-prompt "3 + 7 ="
batch prompt 6
publish prompt "$process" "$(cat other-prompt.id)"
up other-prompt
gives 0 "another question, without the model" verify "$statement" --all
has out '^open.*its prompt' "is open"
gives 3 "with the model" verify "$statement" --all --recompute 1
has out '^WRONG.*its prompt, against the message' "it is named"
has out '^WRONG.*1 of 4 answer something else' "and counted"
ask other-options "3 + 7 =" '{"max_tokens":9,"temperature":1,"seed":1}'
batch options 7
publish options "$process" "$(cat other-options.id)"
up other-options
gives 3 "other parameters" verify "$statement" --all
has out '^WRONG.*its parameters.*temperature' "are named"
batch queue 8
ask elsewhere "3 + 8 ="
process=$(printf z | netcall sign "$net/dapp.json" | netcall id)
publish queue "$process" "$(cat elsewhere.id)"
up elsewhere
gives 3 "a message to another queue" verify "$statement" --all
has out '^WRONG.*its process.*went elsewhere' "is named"
# no queue at all: what is not said to come from AO is compared with nothing
ask hidden "3 + 9 ="
batch none 13
publish none AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA "$(cat hidden.id)"
item=$(grep -l "Request=$(cat hidden.id)" none.made/*.tags)
item=${item%.tags}.item
result=$(cat "$item.id")
up "$item"
gives 0 "a request that is nowhere" verify "$statement" --all
gives 0 "its answer by itself" verify "$result" --key "$node"
up hidden
gives 3 "a message that came to no queue" verify "$statement" --all
has out "^WRONG.$result: its process.*no process is named" "is named"
gives 3 "its answer by itself" verify "$result" --key "$node"
has out '^WRONG.*its process, against its request' "is wrong, too"

# ---- a repair that makes other bytes than were signed -----------------------
dir=$(echo good/done/b*)
mkdir "$dir/push"
cp good.made/statement.item "$dir/push/statement.head"
statement=$(cat good.made/statement.item.id)
APUS_SPOOL=good
b=${dir##*/b}
gives 0 "the honest batch with its statement" verify "$b"
has out '^ok.*statement.head: its batch, root, count and files' "which fits"
rm "$dir/part-0000.idx"
gives 0 "repaired" seal --again "$b"
! grep -q 'SHA-256' err && r=0 || r=1
report $r "into the same bytes"
rm "$dir/part-0000.idx"
APUS_TENSORS=none gives 0 "repaired with another setting" seal --again "$b"
has err "the statement $statement that was signed names what" "it says so"
gives 3 "verify" verify "$b"
has out 'its files are not the parts, though its root is' "does, too"
sed 's/apus-checkpoint-2/apus-checkpoint-1/' "$dir/checkpoint.json" >c
cp c "$dir/checkpoint.json"
rm "$dir/part-0000.idx"
APUS_CUSTOM_IDS=no gives 0 "of version 1" seal --again "$b"
has err 'layout version 1, which is read and no longer written' "the reason"
has err "statement $statement.*cannot come again" "and what that means"

finish
