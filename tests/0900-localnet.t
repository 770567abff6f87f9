#!/bin/sh
# apus localnet: an item goes up, is read back whole and in ranges, gets into
# a block and becomes permanent; strangers, damage and repetition are refused;
# everything is there after kill -9.
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/localnet.sh"

octets='Content-Type: application/octet-stream'
status() { head -n 1 answer; }
# The status of a call; its body is in answer, after a line with the status.
answers() { # STATUS NAME netcall-ARGUMENT...
    want=$1
    name=$2
    shift 2
    netcall "$@" >answer 2>err || echo none >answer
    { cat answer; echo; } >out
    [ "$(status)" = "$want" ] && r=0 || r=1
    report $r "$name: $want"
}

gives 2 "no directory" localnet
gives 2 "no port" localnet --dir d --port 70000
gives 2 "no case" localnet --dir "$net" --hostile nothing
has err 'wrong-bytes, short' "it names the cases"

"$apus" localnet --help >out
"$(dirname "$apus")/apus-localnet" --help | cmp - out >err 2>&1 && r=0 || r=1
report $r "apus localnet is apus-localnet"
"$(dirname "$apus")/apus-localnet" --version >out 2>err
has out "^apus-localnet $("$apus" --version | sed -n 's/^apus //p'), .*Lua" \
    "which says what it is"
mkdir bin
cp "$apus" bin/apus
if APUS_LIBEXEC=$tmp/bin bin/apus localnet --dir "$net" >out 2>err; then
    r=1
else
    [ $? = 1 ] && r=0 || r=1
fi
report $r "apus without it fails"
has err "no \"$tmp/bin/apus-localnet\": install it, or .* APUS_LIBEXEC" \
    "and says where it was looked for"
: >bin/apus-localnet
APUS_LIBEXEC=$tmp/bin bin/apus localnet --dir "$net" >out 2>err || :
has err 'cannot run .*apus-localnet": permission denied' "it cannot be run"

net_up && r=0 || r=1
report $r "it is ready"
[ -s "$net/apus.conf" ] && [ -s "$net/wallet.json" ] &&
    [ -s "$net/dapp.json" ] && [ "$(cat "$net/pid")" = "$net_job" ] &&
    r=0 || r=1
report $r "its files are there"
APUS_CONFIG=$net/apus.conf "$apus" settings >out 2>err && r=0 || r=1
report $r "apus takes its settings"

# ---- an item ------------------------------------------------------------
echo hello | netcall sign "$net/wallet.json" - A=b >item
id=$(netcall id <item)
answers 200 "an item is taken" post "$url/bundler/v1/tx" "$octets" <item
answers 202 "twice is once" post "$url/bundler/v1/tx" "$octets" <item
answers 200 "it is read" get "$url/raw/$id"
[ "$(sed 1d answer)" = hello ] && r=0 || r=1
report $r "it is what it was"
answers 206 "a range of it" get "$url/raw/$id" 'Range: bytes=1-2'
[ "$(sed 1d answer)" = el ] && r=0 || r=1
report $r "the range is right"
answers 416 "no range" get "$url/raw/$id" 'Range: bytes=6-'
answers 404 "another id" get "$url/raw/$(netcall address "$net/dapp.json")"

(cat item; echo more) >longer
answers 400 "a damaged item" post "$url/bundler/v1/tx" "$octets" <longer
echo x | HOME=$tmp netcall sign "$net/localnet.json" - A=b >item2
answers 200 "one of the net itself" post "$url/bundler/v1/tx" "$octets" <item2

# ---- what other clients ask -----------------------------------------------
price=$url/bundler/v1/price
answers 200 "what bytes cost" get "$price/bytes/1000000"
has answer '"winc":"' "in winston credits"
answers 404 "what money buys" get "$price/usd/500"
has answer 'no money but winston credits' "which is refused by its reason"
answers 404 "countries" get "$url/bundler/v1/countries"
answers 202 "a path with the token" post "$url/bundler/v1/tx/arweave" \
    "$octets" <item2
answers 501 "a transaction" post "$url/tx" </dev/null
has answer "upload data items to $url/bundler" "with the remedy"
answers 501 "a chunk of one" post "$url/chunk" </dev/null
has answer "upload data items to $url/bundler" "with the remedy"
answers 501 "by the second gateway" post "$url/second/chunk" </dev/null
answers 404 "a block" get "$url/block/current"
has answer 'by their height alone' "which is refused by its reason"
answers 404 "no chunk" get "$url/chunk/1"
answers 404 "no offset" get "$url/chunk/x"
answers 200 "a price for somebody" get "$url/price/1000/$id"

gives 0 "a wallet while it runs" localnet --dir "$net" --new-wallet new.json
has err 'making 1 key, .* a minute' "it says what takes so long"
echo new | netcall sign new.json - A=b >item3
answers 200 "its item is taken" post "$url/bundler/v1/tx" "$octets" <item3
gives 0 "a wallet of another net" localnet --dir other --new-wallet alien.json
echo alien | netcall sign alien.json - A=b >item4
answers 400 "its item is refused" post "$url/bundler/v1/tx" "$octets" <item4
has answer 'not made by this localnet' "it says why"

# ---- a large one, blocks ------------------------------------------------
head -c 3000000 /dev/zero | netcall sign "$net/wallet.json" - A=b >large
large=$(netcall id <large)
answers 200 "a large item" post "$url/bundler/v1/tx" "$octets" <large
has answer '"winc":"300' "it costs"
answers 200 "mine" post "$url/mine/18" </dev/null
answers 200 "the first chunk" get "$url/chunk/350000000000000"
has answer '"data_path":"[A-Za-z0-9_-]\{86\}"' "has its path"
answers 200 "its status" get "$url/bundler/v1/tx/$large/status"
has answer FINALIZED "it is permanent"
root=$(sed -n 's/.*"bundleId":"\([^"]*\)".*/\1/p' answer)
at=$(sed -n 's/.*"startOffsetInRootBundle":\([0-9]*\).*/\1/p' answer)
answers 206 "the item out of its root" get "$url/raw/$root" \
    "Range: bytes=$at-$((at + $(wc -c <large) - 1))"
sed 1d answer | cmp -s - large && r=0 || r=1
report $r "it is the same"
answers 200 "the transaction" get "$url/tx/$root"
[ "$(sed 1d answer | netcall tx)" = "$root" ] && r=0 || r=1
report $r "it is signed"

# ---- finding items ------------------------------------------------------
finds() { # NAME BODY ID...
    name=$1
    printf '%s' "$2" | tr '\n' ' ' >query
    shift 2
    answers 200 "$name" post "$url/graphql" 'Content-Type: application/json' \
        <query
    sed 1d answer | tr ',' '\n' |
        sed -n 's/.*"node":{"id":"\([^"]*\)".*/\1/p' >found
    echo "$@" | tr ' ' '\n' | sed '/^$/d' | cmp -s - found && r=0 || r=1
    report $r "it is $# of them"
}
echo one | netcall sign "$net/wallet.json" - A=c Kind=x >c1
echo two | netcall sign "$net/wallet.json" - A=c Kind=y >c2
echo two | netcall sign "$net/dapp.json" - A=c Kind=y >c3
for i in 1 2 3; do
    answers 200 "item $i" post "$url/bundler/v1/tx" "$octets" <c$i
    eval "c$i=\$(netcall id <c$i)"
done
finds "by tags, newest first" \
    '{"query":"{transactions(tags:[{name:\"A\",values:[\"c\"]}])
        {edges{node{id}}}}"}' $c3 $c2 $c1
finds "oldest first, of an owner, with variables" \
    '{"query":"query($o:[String!],$t:[TagFilter!]){transactions(owners:$o,
        tags:$t,sort:HEIGHT_ASC){edges{node{id}}}}","variables":{"o":["'"$(
        netcall address "$net/wallet.json")"'"],"t":[{"name":"Kind","values":[
        "x","y"]},{"name":"A","values":["c"]}]}}' $c1 $c2
page='{"query":"{transactions(ids:[\"'$c1'\",\"'$c2'\"],first:1AFTER){'
page=$page'pageInfo{hasNextPage}edges{cursor node{id}}}}"}'
finds "a page of one" "$(echo "$page" | sed 's/AFTER//')" $c2
has answer '"hasNextPage":true' "there is another"
cursor=$(sed -n 's/.*"cursor":"\([^"]*\)".*/\1/p' answer)
finds "the next page" "$(echo "$page" |
    sed "s/AFTER/,after:\\\\\"$cursor\\\\\"/")" $c1
has answer '"hasNextPage":false' "it is the last"
finds "none" '{"query":"{transactions(tags:[{name:\"A\",values:[]}]){edges}}"}'
echo '{"query":"{blocks{edges}}"}' >query
answers 400 "something else" post "$url/graphql" <query

# ---- kill -9 ------------------------------------------------------------
kill -9 "$net_job"
wait "$net_job" 2>/dev/null || :
printf 'torn' >>"$net/journal"
net_up && r=0 || r=1
report $r "it starts again after kill -9 and a torn journal"
answers 200 "the item is there" get "$url/raw/$id"
answers 200 "the root is there" get "$url/raw/$root"
answers 202 "it is not taken again" post "$url/bundler/v1/tx" "$octets" <item
answers 200 "what was paid" get \
    "$url/bundler/v1/account/balance/arweave?address=$(
        netcall address "$net/wallet.json")"
has answer '"winc":"99996' "it is still paid"
gives 1 "two at once" localnet --dir "$net"
has err 'in use' "it says so"
net_down

rm "$net/dapp.json"
net_up && r=0 || r=1
report $r "it starts without one of its wallets"
cp net.err err
has err 'making 1 key, .* a minute' "and says that it makes a key"
net_down

# ---- hostile ------------------------------------------------------------
net_up --hostile wrong-bytes:1 --hostile gateway/500:1 && r=0 || r=1
report $r "it starts hostile"
answers 500 "an error" get "$url/raw/$id"
answers 200 "wrong bytes" get "$url/raw/$id"
[ "$(sed 1d answer)" != hello ] && r=0 || r=1
report $r "they are wrong"
answers 200 "the next time" get "$url/raw/$id"
[ "$(sed 1d answer)" = hello ] && r=0 || r=1
report $r "they are right"
answers 200 "the second gateway" get "$url/second/raw/$id"
finish
