#!/bin/sh
# apus model publish and fetch on a localnet: what it costs, hostile bundlers
# and gateways, a fetch that is killed, certificates, and, in a build with
# --enable-crash-tests, an end or a full disk at each write, sync, rename and
# send: the model in the store is the one that was published, or there is none.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/localnet.sh"

net_up && r=0 || r=1
report $r "a localnet"
APUS_CONFIG=$net/apus.conf
APUS_SPOOL=$tmp/spool
APUS_HTTP_STALL_TIMEOUT=60
APUS_HTTP_RETRIES=0
export APUS_CONFIG APUS_SPOOL APUS_HTTP_STALL_TIMEOUT APUS_HTTP_RETRIES
store() { # NAME: a store of its own
    APUS_MODELS=$tmp/$1
    export APUS_MODELS
}
same() { # NAME: the store has the model
    cmp "$APUS_MODELS/$model.apus" "$tmp/a/$model.apus" >>err 2>&1 &&
        ! ls "$APUS_MODELS"/*.part >>err 2>&1 && r=0 || r=1
    report $r "$1"
}
none() { # NAME: the store has it not
    ! ls "$APUS_MODELS"/*.apus >>err 2>&1 && r=0 || r=1
    report $r "$1"
}

# ---- publish --------------------------------------------------------------
store a
"$apus" model add "$top/models/nano" nano >out 2>err
model=$(cat out)
gives 1 "without --yes" model publish nano </dev/null
has err 'costs [0-9]* winston credits ([0-9.]* AR): say --yes' \
    "what it costs is reported"
gives 1 "over the ceiling" model publish nano --yes --max-winc 7
has err 'max-winc' "the setting is reported"
gives 1 "what is not a model" model publish nothing --yes
gives 0 "with --yes" model publish nano --yes
id=$(cat out)
[ ${#id} -eq 43 ] && r=0 || r=1
report $r "an id of Arweave is printed"
gives 0 "again" model publish nano
[ "$(cat out)" = "$id" ] && r=0 || r=1
report $r "the same id"
has err 'published before' "and nothing is paid"
gives 0 "by its id on Arweave" model info "$id"

# ---- fetch ----------------------------------------------------------------
store b
gives 2 "no id of Arweave" model fetch nano
gives 75 "an id that is nowhere" model fetch "$model"
gives 0 "fetch" model fetch "$id" mine
[ "$(cat out)" = "$model" ] && r=0 || r=1
report $r "the model's id is printed"
same "the same bytes"
gives 0 "by its name" model info mine
gives 0 "fetch it again, from nowhere" model fetch "$id" \
    --gateway http://127.0.0.1:1
gives 2 "a gateway that is not an option" model fetch "$id" --gateway
gives 1 "a gateway that is not a URL" model fetch "$model" --gateway ftp://x/
gives 1 "plain http" model fetch "$model" --gateway http://192.0.2.1

# ---- something else under an id -------------------------------------------
octets='Content-Type: application/octet-stream'
sign() { # FILE ARGUMENT...: an item of the node's with the model's tags
    file=$1
    shift
    netcall sign "$net/wallet.json" - "$@" <"$file" >item
    netcall post "$url/bundler/v1/tx" "$octets" <item >answer 2>err
    netcall id <item
}
head -c 100000 "$tmp/a/$model.apus" >half
store c
what=$(sign half Apus=model-1 Model="$model")
gives 1 "half of a model" model fetch "$what"
none "which is not taken"
what=$(sign half Apus=model-1 Model="$id")
gives 1 "another model than its tag says" model fetch "$what"
none "which is not taken"
what=$(sign half Apus=other Model="$model")
gives 1 "no model" model fetch "$what"
has err 'not a model' "and says so"
none "and not taken"

# ---- hostile --------------------------------------------------------------
hostile() { # CASE..: the same localnet, with these
    net_down
    set -- $(for c in "$@"; do echo "--hostile $c"; done)
    net_up "$@" || report 1 "a localnet that is hostile"
}
for case in wrong-bytes short stalled 200-to-range redirect-loop \
    endless-body; do
    rm -rf h
    store h
    hostile "gateway/$case"
    [ $case = stalled ] && APUS_HTTP_STALL_TIMEOUT=1 ||
        APUS_HTTP_STALL_TIMEOUT=60
    # half of the rest comes each time it stalls: that would take long
    if [ $case != stalled ]; then
        got=0
        "$apus" model fetch "$id" --gateway "$url" >out 2>err || got=$?
        [ $got -ne 0 ] && r=0 || r=1
        report $r "$case: nothing is fetched (exit $got)"
        none "$case: nothing is in the store"
    fi
    gives 0 "$case, then a second gateway" model fetch "$id" \
        --gateway "$url $url/second"
    same "$case: the same bytes"
done
rm -rf h
hostile gateway/500:1 gateway/429:2
APUS_HTTP_RETRIES=5 "$apus" model fetch "$id" >out 2>err && r=0 || r=1
report $r "500 and 429"
same "the same bytes"

rm -rf h
store h
"$apus" model convert "$top/models/nano" -o h.apus --activations A8 >out 2>err
h=$(cat out)
hostile bundler/lost-answer:1 bundler/500:1 bundler/429:1
APUS_HTTP_RETRIES=5 "$apus" model publish h.apus --yes >out 2>err &&
    r=0 || r=1
report $r "a lost answer, 500 and 429: it is published"
what=$(cat out)
gives 0 "and fetched" model fetch "$what"
cmp "h/$h.apus" h.apus >>err 2>&1 && r=0 || r=1
report $r "the same bytes"
# another wallet, so that it is another item
gives 0 "a wallet" localnet --dir "$net" --new-wallet 8.json
hostile bundler/empty-account
gives 1 "an empty account" model publish h.apus --yes --wallet 8.json
has err '^apus: .*payment required' "payment is required"
hostile bundler/other-signer
gives 75 "a receipt of another" model publish h.apus --yes --wallet 8.json
has err 'receipt' "and says so"

# ---- killed ---------------------------------------------------------------
rm -rf k
store k
# where the item is is asked twice, with two calls each; then it is read
hostile gateway/stalled:every-5
APUS_HTTP_STALL_TIMEOUT=60 "$apus" model fetch "$id" --gateway "$url" \
    >out 2>err &
job=$!
for i in $(seq 1200); do
    [ -s "k/$id.part" ] && break
    sleep 0.1
done
sleep 0.3
kill -9 $job
wait $job 2>err || :
[ -s "k/$id.part" ] && r=0 || r=1
report $r "killed: what came is there"
none "and not in the store"
net_down
net_up
gives 0 "and gone on with" model fetch "$id"
same "the same bytes"
nano_id=$id

# ---- in parts ---------------------------------------------------------------
# nano with 100,000 rows of embedding and no tokenizer: 14 MB
mkdir large
sed 's/"vocab_size": 512/"vocab_size": 100000/' "$top/models/nano/config.json" \
    >large/config.json
if python3 - "$top/models/nano/model.safetensors" >large/model.safetensors \
    2>err <<'PY'; then
import json, struct, sys
file = open(sys.argv[1], "rb").read()
n = struct.unpack("<Q", file[:8])[0]
head, data = json.loads(file[8:8 + n]), file[8 + n:]
rows, old = 100000, head["model.embed_tokens.weight"]["data_offsets"][1]
more = rows * 256 - old
for name, t in head.items():
    if name != "__metadata__":
        t["data_offsets"] = [at and at + more for at in t["data_offsets"]]
head["model.embed_tokens.weight"]["shape"][0] = rows
text = json.dumps(head).encode()
out = sys.stdout.buffer
out.write(struct.pack("<Q", len(text)) + text)
out.write((data[:old] * (rows // 512 + 1))[:rows * 256] + data[old:])
PY
    store l
    gives 0 "a large model" model add large --no-tokenizer
    large=$(cat out)
    # the third part fails, then the last question
    hostile bundler/500:every-7
    tries=0
    got=75
    kept=0
    while [ $got -eq 75 ] && [ $tries -lt 20 ]; do
        tries=$((tries + 1))
        got=0
        "$apus" model publish large --yes >out 2>err || got=$?
        ! ls l/publish/*/push/*.upload >/dev/null 2>&1 || kept=$((kept + 1))
    done
    [ $got -eq 0 ] && [ $tries -gt 1 ] && [ $kept -gt 0 ] && r=0 || r=1
    report $r "in parts, with failures: $tries calls, $kept times gone on with"
    id=$(cat out)
    store m
    gives 0 "and fetched" model fetch "$id"
    cmp "m/$large.apus" "l/$large.apus" && r=0 || r=1
    report $r "the same bytes"
else
    n=$((n + 1))
    echo "ok $n - in parts # SKIP no python3"
fi
rm -rf large l m

# ---- certificates ---------------------------------------------------------
if command -v openssl >/dev/null &&
    openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out crt.pem \
        -days 2 -subj /CN=localhost >out 2>err; then
    port=$((20000 + $$ % 20000))
    openssl s_server -quiet -accept "127.0.0.1:$port" -key key.pem \
        -cert crt.pem -www >out 2>&1 &
    job=$!
    sleep 0.5
    gives 75 "a certificate with an invalid signature" model fetch "$model" \
        --gateway "https://localhost:$port"
    kill $job
    wait $job 2>/dev/null || :
    has err 'certificate' "and says so"
else
    n=$((n + 1))
    echo "ok $n - certificates # SKIP no openssl"
fi

# ---- ended at each call -----------------------------------------------------
if grep -q '^#define APUS_CRASH_TESTS 1' "$(dirname "$apus")/config.h"; then
    net_down
    net_up
    gives 0 "a wallet" localnet --dir "$net" --new-wallet 9.json
    id=$nano_id
    step=7
    [ -z "$long" ] || step=1
    for what in CRASH ENOSPC; do
        store k
        i=1
        first=1
        while [ $first -ne 0 ] && [ $i -lt 2000 ]; do
            rm -rf k
            first=0
            env APUS_$what=$i "$apus" model fetch "$id" >out 2>err ||
                first=$?
            got=0
            "$apus" model fetch "$id" >out 2>err || got=$?
            [ $got -eq 0 ] && cmp "k/$model.apus" "a/$model.apus" ||
                report 1 "fetch, $what at call $i (exit $first, $got)"
            [ $i -lt 10 ] && i=$((i + 1)) || i=$((i + step))
        done
        [ $i -gt 10 ] && r=0 || r=1
        report $r "fetch: $what at calls up to $i"
        i=0
        first=1
        rm -rf p
        store p
        while [ $first -ne 0 ] && [ $i -lt 100 ]; do
            i=$((i + 1))
            first=0
            env APUS_$what=$i "$apus" model publish h.apus --yes \
                --wallet 9.json >out 2>err || first=$?
            # one time in three from the front
            [ $((i % 3)) -ne 0 ] || [ $first -eq 0 ] || rm -rf p
        done
        [ $i -gt 5 ] && [ $i -lt 100 ] && r=0 || r=1
        report $r "publish: $what at calls up to $i"
        what_id=$(cat out)
        store k
        gives 0 "and it is there" model fetch "$what_id"
    done
else
    n=$((n + 1))
    echo "ok $n - ended at each call # SKIP not built with" \
        "--enable-crash-tests"
fi
net_down
finish
