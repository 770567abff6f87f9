#!/bin/sh
# What apus show and apus verify say of bytes that are not items of ours: odd
# tags, signatures that are not checked, bundles, transactions; and of items
# from a gateway that does not say where they lie.
# part: san
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/localnet.sh"

vectors=$top/vectors/arweave
bytes() { # COUNT OCTAL
    head -c "$1" /dev/zero | tr '\0' "\\$2"
}
not() { # NAME FILE PATTERN
    gives 1 "verify $1" verify --item "$2"
    has err "$3" "it says so"
    ! grep -q WRONG out && r=0 || r=1
    report $r "and nothing of wrong"
    gives 1 "show $1" show --item "$2"
    has err "$3" "it says so, too"
}

# ---- another signature -------------------------------------------------------
{ cat "$vectors/items/02-one-tag.bin"; echo more; } >longer
gives 1 "show of an item that was changed" show --item longer
has err '"longer": item: its owner did not sign this' "names the file"
gives 3 "verify of it" verify --item longer
has out 'WRONG.*its signature' "finds it"

# ---- files -----------------------------------------------------------------
for type in 005:96:'5 (Aptos)' 006:3077:'6 (several Aptos)' \
    007:107:'7 (typed Ethereum)' 145:130:'101 (KYVE)'; do
    size=${type#*:}
    what=${size#*:}
    { printf "\\${type%%:*}\\000" && bytes "${size%:*}" 007 && bytes 18 000 &&
        echo data; } >odd
    not "a signature of type $what" odd "not checked: signature type $what"
done
not "a bundle of none" "$vectors/bundles/bundle-00-empty.bin" \
    'is a bundle of 0 items, not an item'
not "a bundle of one" "$vectors/bundles/bundle-01-one.bin" \
    'is a bundle of 1 item, not an item'
not "a large bundle" "$vectors/bundles/bundle-02-all-items.bin" \
    'is a bundle of 16 items, not an item'
head -c 100 "$vectors/bundles/bundle-02-all-items.bin" >cut
not "the beginning of a bundle" cut 'is a bundle of 16 items, not an item'
not "a transaction" "$vectors/tx/tx-00-small.json" \
    'is a transaction, not an item'
echo '{"a":1}' >json
not "other JSON" json 'is JSON, not an item'
: >empty
not "a file of no bytes" empty 'is empty, not an item'
head -c 600 "$vectors/items/02-one-tag.bin" >cut
not "half an item" cut 'is not an item: .*ends in its head'

gives 0 "a tag without a value is read" show --item \
    "$vectors/negative/n09-empty-tag-value.bin"
has err 'warning: .*the value of tag 1 has 0 bytes' "with a warning"
has out '^signature.good, type 1' "and verified"
gives 1 "it is not a result" verify --item \
    "$vectors/negative/n09-empty-tag-value.bin"
has err 'warning: .*the value of tag 1' "which has a warning, too"
has out '^ok.*its signature' "but it is signed"
has err 'neither a result nor a statement' "and says what it is not"
gives 0 "a bundle in an item is listed" show --item \
    "$vectors/items/16-nested-bundle.bin"
has out '^holds' "its items"
gives 1 "and is not a result" verify --item \
    "$vectors/items/16-nested-bundle.bin"
has err 'is a bundle of [0-9]* items*, neither' "it is a bundle"

# ---- a gateway that does not say where an item lies -------------------------
net_up --hostile no-place && r=0 || r=1
report $r "a net whose gateway says nothing"
octets='Content-Type: application/octet-stream'
echo hello | netcall sign "$net/wallet.json" - A=b >item
id=$(netcall id <item)
netcall post "$url/bundler/v1/tx" "$octets" <item >out 2>err && r=0 || r=1
report $r "an item is taken"
netcall post "$url/mine/3" </dev/null >out 2>err && r=0 || r=1
report $r "and its bundle is in a block"
APUS_CONFIG=$net/one.conf
export APUS_CONFIG
sed "s|^gateways.*|gateways = $url|" "$net/apus.conf" >"$APUS_CONFIG"
netcall get "$url/raw/$id" >out 2>err && r=0 || r=1
report $r "it is there"
gives 0 "it is found in its bundle" show "$id"
has out "^item.$id" "and is the item"
root=$(netcall post "$url/graphql" 'Content-Type: application/json' <<END |
{"query":"{transactions(ids:[\"$id\"]){edges{node{id bundledIn{id}}}}}"}
END
    sed -n 's/.*"bundledIn":{"id":"\([^"]*\)".*/\1/p')
gives 1 "what holds it is not an item" show "$root"
has err 'is a transaction with a bundle of [0-9]* items*, not an item' \
    "it is named"
gives 1 "nor to be verified" verify "$root"
has err 'is a transaction with a bundle' "as that"
finish
