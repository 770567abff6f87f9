#!/bin/sh
# What a node published, as somebody sees it who has an id and an address:
# results, statements, whole batches and checkpoints from a localnet are shown
# and verified; what another signed, what was changed and what is missing are
# told.  The published data is made by tests/second_item.py, not by apus.
# part: san
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
octets='Content-Type: application/octet-stream'

# ---- a batch, published by hand -------------------------------------------
net_up && r=0 || r=1
report $r "a localnet"
APUS_CONFIG=$net/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_HTTP_RETRIES=0
export APUS_CONFIG APUS_MODELS APUS_SPOOL APUS_HTTP_RETRIES
"$apus" model add "$top/models/nano" nano >out 2>err
head -n 3 "$top/models/nano/eval.jsonl" >q.jsonl
url_v1='"method":"POST","url":"/v1/completions","body":{'
{
    printf '%s%s\n' '{"custom_id":"n",'"$url_v1" \
        '"prompt":"3 + 4 =","n":2,"temperature":1.7,"stop":["7","\n"]}}'
    printf '%s%s\n' '{"custom_id":"none",'"$url_v1"'"prompt":[]}}'
} >>q.jsonl
gives 0 "a batch" run q.jsonl -m nano -o got.jsonl --ranks 1
dir=$(echo spool/done/b*)
node=$(netcall address "$net/wallet.json")
mkdir made items
second make "$dir/part-0000.h5" q.jsonl "$node" made >out 2>err && r=0 || r=1
report $r "its data in its published form"
results=$(find made -name '*.json' | wc -l)

# sign WALLET DATA TAGS OUT: an item; its id is in OUT.id
sign() {
    # shellcheck disable=SC2046
    netcall sign "$1" - $(cat "$3") <"$2" >"$4"
    netcall id <"$4" >"$4.id"
}
up() { # ITEM
    netcall post "$url/bundler/v1/tx" "$octets" <"$1" >answer 2>err
    head -n 1 answer | grep -q '^20[02]$'
}
i=0
while [ $i -lt "$results" ]; do
    sign "$net/wallet.json" made/$i.json made/$i.tags items/$i
    i=$((i + 1))
done
sign "$net/wallet.json" made/statement made/statement.tags items/statement
bundle_tags() {
    printf 'Apus=bundle-1 %s' "$(sed 's/.*\(Batch=[^ ]*\).*/\1/' \
        made/statement.tags)"
    echo ' Bundle-Format=binary Bundle-Version=2.0.0'
}
bundle_tags >made/bundle.tags
# two bundles; one answer is in both
second bundle made/b1 items/0 items/1 items/2
second bundle made/b2 items/[2-9]
sign "$net/wallet.json" made/b1 made/bundle.tags items/b1
sign "$net/wallet.json" made/b2 made/bundle.tags items/b2
second check "$node" items/statement items/b1 items/b2 >out 2>err &&
    r=0 || r=1
report $r "a second reader agrees with what was made"
up items/b1 && up items/statement && r=0 || r=1
report $r "the first bundle and the statement are uploaded"
first=$(cat items/0.id)
statement=$(cat items/statement.id)

# ---- a result --------------------------------------------------------------
gives 0 "a result" verify "$first" --key "$node"
[ "$(grep -c '^ok' out)" -eq 10 ] && ! grep -q '^open' out && r=0 || r=1
report $r "ten claims hold, the last about its batch"
has out "its batch, against statement $statement" "its statement was found"
gives 0 "computed again" verify "$first" --key "$node" --recompute all
has out 'its answer computed again.*the same trace' "it is the same"
gives 0 "without a key" verify "$first"
has out "^open.*its owner.*$node.*--key" "the address is told, and is open"
other=$(netcall address "$net/dapp.json")
gives 3 "another key" verify "$first" --key "$other"
has out "^WRONG.*its owner.*$node" "who signed it is reported"
gives 2 "an invalid key" verify "$first" --key abc
gives 0 "with its statement named" verify "$first" --statement "$statement"
gives 0 "or as a file" verify "$first" --statement items/statement
gives 3 "another statement's file" verify "$first" --statement items/1
gives 0 "a file of its own" verify --item items/0 --key "$node"
gives 1 "an id that is nowhere" verify "$other"
gives 2 "nothing" verify
gives 2 "two things" verify "$first" --item items/0
gives 2 "--all of a result" verify "$first" --all
gives 2 "--trace of one" verify "$first" --trace "$first"
gives 2 "--requests of one" verify "$first" --requests q.jsonl
gives 0 "it is shown" show "$first"
has out "^owner.$node" "its owner"
has out '^tag.Apus.result-1' "its tags"
has out '^tokens.[0-9]' "its tokens"
gives 0 "from a file" show --item items/0
gives 2 "nothing to show" show

# every byte of an item is signed
size=$(wc -c <items/0)
for at in 3 600 1100 $((size - 20)); do
    cp items/0 bad
    b=$(od -An -tu1 -j "$at" -N 1 bad)
    # shellcheck disable=SC2059
    printf "\\$(printf '%03o' $((b ^ 1)))" |
        dd of=bad bs=1 seek="$at" conv=notrunc 2>/dev/null
    got=0
    "$apus" verify --item bad >out 2>err || got=$?
    [ $got -eq 3 ] || [ $got -eq 1 ] && r=0 || r=1
    report $r "byte $at is another: exit $got"
done
head -c 1000 items/0 >bad
gives 1 "an item that was cut off" verify --item bad

# ---- a statement, a batch --------------------------------------------------
gives 0 "a statement" verify "$statement" --key "$node"
has out '^open.*its batch root.*--all' "its answers were not looked at"
gives 2 "with a statement" verify "$statement" --statement "$statement"
gives 0 "is shown" show "$statement"
has out '^part.part-0000.h5' "with its files"
gives 0 "a bundle is shown" show "$(cat items/b1.id)"
has out "^holds.$first" "with its items"
gives 1 "a batch of which a bundle is missing" verify "$statement" --all
has err "3 of $results answers are there" "it says so"
up items/b2 && r=0 || r=1
report $r "the second bundle is uploaded"
gives 0 "all answers" verify "$statement" --key "$node" --all
has out "^ok.*its count, against the answers found" "are there"
gives 0 "and computed again" verify "$statement" --recompute 2
[ "$(grep -c 'computed again' out)" -eq 2 ] && r=0 || r=1
report $r "two of them"

# ---- what was asked ---------------------------------------------------------
process=$(printf x | netcall sign "$net/dapp.json" | netcall id)
mkdir asked
printf '{"prompt":"3 + 4 ="}' | netcall sign "$net/dapp.json" "$process" \
    Action=Infer Content-Type=application/json X-Model=nano \
    'X-Options={"max_tokens":9,"temperature":0.5,"seed":5,"stop":"7"}' \
    >items/message
message=$(netcall id <items/message)
printf '%s%s\n' '{"custom_id":"q",'"$url_v1"'"prompt":"3 + 4 =",' \
    '"max_tokens":9,"temperature":0.5,"seed":5,"stop":"7"}}' >one.jsonl
gives 0 "a batch of one" run one.jsonl -m nano -o one.out --ranks 1
one=$(ls spool/done/*/part-0000.h5 | grep -v -F "$dir/")
second make "$one" one.jsonl "$node" asked "$process" "$message" >out 2>err
sign "$net/wallet.json" asked/0.json asked/0.tags items/asked
sign "$net/wallet.json" asked/statement asked/statement.tags items/asked-s
up items/asked && up items/asked-s && r=0 || r=1
report $r "an answer to a message is uploaded"
asked=$(cat items/asked.id)
gives 0 "before the message is" verify "$asked" --key "$node"
has out '^open.*its job.*cannot be had' "it is open what was asked"
up items/message && r=0 || r=1
report $r "the message is uploaded"
gives 0 "the message is compared with it" verify "$asked" --key "$node"
has out '^ok.*its parameters, against the message' "its parameters"
has out '^open.*its prompt.*--recompute' "the prompt's ids take the model"
gives 0 "with the model" verify "$asked" --recompute all
has out '^ok.*its prompt, against the message: [0-9]* ids' "they are the same"
printf '{"prompt":"3 + 5 ="}' | netcall sign "$net/dapp.json" "$process" \
    Action=Infer Content-Type=application/json \
    'X-Options={"max_tokens":9,"temperature":0.5,"seed":5,"stop":"7"}' \
    >items/message
up items/message
second make "$one" one.jsonl "$node" asked "$process" \
    "$(netcall id <items/message)" >out 2>err
sign "$net/wallet.json" asked/0.json asked/0.tags items/asked
sign "$net/wallet.json" asked/statement asked/statement.tags items/asked-s
up items/asked
gives 3 "an answer to another question" verify "$(cat items/asked.id)" \
    --statement items/asked-s --recompute all
has out '^WRONG.*its prompt, against the message' "is found out"

# ---- somebody else, and what is wrong --------------------------------------
# a stranger's bundle and statement under the same tags are passed over
sign "$net/dapp.json" made/statement made/statement.tags items/stranger
sign "$net/dapp.json" made/0.json made/0.tags items/s0
second bundle made/b3 items/s0
sign "$net/dapp.json" made/b3 made/bundle.tags items/b3
up items/stranger && up items/b3 && r=0 || r=1
report $r "a stranger uploads under the same tags"
gives 0 "the batch is as it was" verify "$statement" --key "$node" --all
gives 0 "the result too" verify "$first" --key "$node"
gives 3 "the stranger's statement" verify "$(cat items/stranger.id)"
has out '^WRONG.*its node' "is not its node's"
# an answer that was changed, signed by the node itself
sed 's/"max_tokens":[0-9]*/"max_tokens":99/' made/1.json >made/bad.json
sign "$net/wallet.json" made/bad.json made/1.tags items/bad
up items/bad && r=0 || r=1
report $r "a changed result is uploaded"
gives 3 "it is found out" verify "$(cat items/bad.id)" --key "$node"
has out '^WRONG.*its job' "by its job"
second bundle made/b4 items/bad
sign "$net/wallet.json" made/b4 made/bundle.tags items/b4
up items/b4
gives 3 "and the batch with it" verify "$statement" --all
has out "^WRONG.*$(cat items/bad.id).*its job" "the item is named"

# ---- a checkpoint from elsewhere -------------------------------------------
cp "$dir/part-0000.h5" far.h5
APUS_SPOOL=$tmp/nowhere
gives 0 "that the key signed" verify far.h5 --key "$node"
has out 'size and SHA-256.*statement' "by its statement"
gives 0 "named" verify far.h5 --key "$node" --statement items/statement
gives 3 "another key" verify far.h5 --key "$other" --statement items/statement
gives 0 "computed again" verify far.h5 --key "$node" --recompute 1
gives 2 "a statement without a key" verify far.h5 --statement items/statement

# The name stands for another file from the moment the first one was closed.
cat >swap.py <<'PY'
import ctypes, os, subprocess, sys, threading
libc = ctypes.CDLL(None)
fd = libc.inotify_init()
libc.inotify_add_watch(fd, b"swapped.h5", 0x10)  # IN_CLOSE_NOWRITE
def swap():
    os.read(fd, 4096)
    os.rename("none.h5", "swapped.h5")
threading.Thread(target=swap, daemon=True).start()
sys.exit(subprocess.call(sys.argv[1:]))
PY
cp far.h5 swapped.h5
echo "not a part" >none.h5
r=0
$python swap.py "$apus" verify swapped.h5 --key "$node" \
    --statement items/statement >out 2>err || r=$?
report $r "a file that is replaced while it is read: the one that was hashed"

b=$(od -An -tu1 -j 3000 -N 1 far.h5)
# shellcheck disable=SC2059
printf "\\$(printf '%03o' $((b ^ 1)))" |
    dd of=far.h5 bs=1 seek=3000 conv=notrunc 2>/dev/null
gives 3 "a byte of it is another" verify far.h5 --key "$node"
has err 'it is not opened' "libhdf5 never sees it"
[ ! -e nowhere ] && r=0 || r=1
report $r "no spool was made for that"

# ---- two statements ---------------------------------------------------------
# a second statement of the node about the same batch
head -c 72 made/statement >made/again
printf '\001\000\000\000' >>made/again
tail -c +77 made/statement >>made/again
sign "$net/wallet.json" made/again made/statement.tags items/again
up items/again
gives 3 "two statements about one batch" verify "$first" --key "$node"
has out "^WRONG.*its batch.*$(cat items/again.id)" "the other one is named"

# ---- without a good network ------------------------------------------------
net_down
net_up --hostile gateway/wrong-bytes && r=0 || r=1
report $r "a gateway that changes bytes"
gives 0 "the second one is asked" verify "$first" --key "$node" \
    --statement "$statement"
has err 'signature is wrong' "the first one was found out"
net_down
net_up --hostile gateway/wrong-bytes --hostile second/wrong-bytes &&
    r=0 || r=1
report $r "two of them"
gives 1 "nothing of them is believed" verify "$first" --key "$node"
net_down
gives 1 "no gateway" verify "$first"
gives 0 "a file needs none" verify --item items/0 --statement items/statement
gives 0 "nor does it without a statement" verify --item items/0
has out '^open.*its batch' "and says so"

# ---- by hashes -------------------------------------------------------------
mkdir hashed
second make "$dir/part-0000.h5" q.jsonl "$node" hashed hashes >out 2>err
sign "$net/wallet.json" hashed/0.json hashed/0.tags items/h
gives 0 "a result by hashes" verify --item items/h \
    --statement items/statement --key "$node"
[ "$(grep -c '^ok' out)" -ge 10 ] && r=0 || r=1
report $r "holds in as many claims"
gives 1 "it cannot be computed" verify --item items/h --recompute all \
    --statement items/statement
gives 0 "it is shown" show --item items/h
has out '^text.by its hash' "without its text"

finish
