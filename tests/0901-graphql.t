#!/bin/sh
# GraphQL of localnet: each filter finds what it says, alone and with others;
# pages; variables; bundles and what lies in them; whatever is not known is
# refused by its name.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/localnet.sh"

octets='Content-Type: application/octet-stream'
json='Content-Type: application/json'
# The answer's body is in `out`, the ids of its nodes in `found`.
asks() { # STATUS QUERY [VARIABLES]
    printf '{"query":"%s","variables":%s}' \
        "$(printf %s "$2" | sed 's/"/\\"/g' | tr '\n' '~' | sed 's/~/\\n/g')" \
        "${3:-null}" >query
    netcall post "$url/graphql" "$json" <query >answer
    sed 1d answer >out
    [ "$(head -n 1 answer)" = "$1" ] || return 1
    tr ',' '\n' <out | sed -n 's/.*"node":{"id":"\([^"]*\)".*/\1/p' >found
}
finds() { # NAME ARGUMENTS ID...
    name=$1
    args=$2
    shift 2
    asks 200 "{transactions($args){edges{node{id}}}}" &&
        echo "$@" | tr ' ' '\n' | sed '/^$/d' | cmp -s - found && r=0 || r=1
    report $r "$name: $# of them"
}
refuses() { # NAME ARGUMENTS PATTERN
    asks 400 "{transactions($2){edges{node{id}}}}" && grep -q "$3" out &&
        r=0 || r=1
    report $r "refuses $1 by name"
}
put() { # NAME WALLET [TARGET [TAG...]]: its id is $NAME
    name=$1
    wallet=$2
    shift 2
    echo "$name" | netcall sign "$net/$wallet.json" "$@" >"$name"
    eval "$name=\$(netcall id <$name)"
    [ "${quiet:-}" ] || netcall post "$url/bundler/v1/tx" "$octets" <"$name" \
        >answer
}
# Into a block, unless it has become part of one by itself; prints its height.
mine() { # ID
    netcall post "$url/mine/1" </dev/null >answer
    asks 200 "{transaction(id: \"$1\") { block { height } }}" || :
    sed -n 's/.*"height":\([0-9]*\).*/\1/p' out
}

net_up && r=0 || r=1
report $r "it is ready"
node=$(netcall address "$net/wallet.json")
dapp=$(netcall address "$net/dapp.json")
t='tags:[{name:"T",values:["t"]}]'

put a wallet "$node" T=t Kind=x Content-Type=text/plain
first=$(mine "$a")
put b wallet "$dapp" T=t Kind=y
second=$(mine "$b")
put c dapp - T=t Kind=z
third=$(mine "$c")
put d dapp "$dapp" T=t

finds "all, newest first" "$t" "$d" "$c" "$b" "$a"
finds "oldest first" "$t, sort: HEIGHT_ASC" "$a" "$b" "$c" "$d"
finds "newest first by name" "$t, sort: HEIGHT_DESC" "$d" "$c" "$b" "$a"
finds "ids" "ids: [\"$c\", \"$a\"]" "$c" "$a"
finds "one id, no list" "ids: \"$c\"" "$c"
finds "an owner" "$t, owners: [\"$node\"]" "$b" "$a"
finds "owners" "$t, owners: [\"$node\", \"$dapp\"]" "$d" "$c" "$b" "$a"
finds "a recipient" "$t, recipients: [\"$dapp\"]" "$d" "$b"
finds "a value of a tag" 'tags:[{name:"Kind",values:["x","z"]}]' "$c" "$a"
finds "op EQ" "tags:[{name:\"Kind\",values:\"x\",op:EQ}]" "$a"
finds "op NEQ" 'tags:[{name:"T",values:["t"]},
    {name:"Kind",values:["x","z"],op:NEQ}]' "$d" "$b"
finds "two tags" 'tags:[{name:"T",values:["t"]},{name:"Kind",values:["x"]}]' \
    "$a"
finds "no value" 'tags:[{name:"T",values:[]}]'
finds "from a block on" "$t, block: {min: $second, max: $third}" "$c" "$b"
finds "block max" "$t, block: {max: $second}" "$b" "$a"
finds "block min and max" "$t, block:{min:$second,max:$second}" "$b"
finds "blocks before all" "$t, block: {min: 1, max: 2}"
finds "null is not given" "$t, ids: null, block: {min: null, max: $first}" \
    "$a"
mine "$d" >height
finds "nothing outside a bundle" "$t, bundledIn: null"
finds "block min alone" "$t, block: {min: $third}" "$d" "$c"

# ---- bundles --------------------------------------------------------------
quiet=1
put e wallet - T=inner
put f wallet - T=inner
netcall bundle e f >data
netcall sign "$net/wallet.json" - Bundle-Format=binary Bundle-Version=2.0.0 \
    T=inner <data >g
g=$(netcall id <g)
put h wallet - T=inner
netcall bundle g h >data
netcall sign "$net/wallet.json" - Bundle-Format=binary Bundle-Version=2.0.0 \
    T=outer <data >outer
outer=$(netcall id <outer)
netcall post "$url/bundler/v1/tx" "$octets" <outer >answer
inner() {
    finds "$1 what lies in bundles" 'tags:[{name:"T",values:["inner"]}]' \
        "$h" "$f" "$e" "$g"
    finds "$1 in the inner bundle" "bundledIn: [\"$g\"]" "$f" "$e"
    finds "$1 in the outer bundle" "bundledIn: [\"$outer\"]" "$h" "$g"
    finds "$1 in either" "bundledIn: [\"$outer\", \"$g\"], sort: HEIGHT_ASC" \
        "$g" "$e" "$f" "$h"
}
inner "at once:"
mine "$outer" >height
asks 200 "{transaction(id: \"$outer\") { bundledIn { id } parent { id } }}" || :
root=$(sed -n 's/.*"bundledIn":{"id":"\([^"]*\)".*/\1/p' out)
[ ${#root} = 43 ] && r=0 || r=1
report $r "the outer bundle is in a transaction"
finds "what is in that" "bundledIn: [\"$root\"], tags: [{name: \"T\",
    values: [\"outer\"]}]" "$outer"

# ---- pages ----------------------------------------------------------------
page='query($n: Int = 3, $after: String) { # a page
    transactions(tags: [{name: "T", values: ["t"]}], first: $n, after: $after)
    { pageInfo { hasNextPage } edges { cursor node { id } } } }'
pages() { # N
    cursor=null
    : >all
    for _ in 1 2 3 4 5; do
        asks 200 "$page" "{\"n\":$1,\"after\":$cursor}" || break
        cat found >>all
        grep -q '"hasNextPage":true' out || break
        cursor=$(grep -o '"cursor":"[^"]*"' out | tail -n 1 | sed 's/.*://')
        # what comes meanwhile is not in it, and moves nothing
        put "p$1" wallet - T=t "N=$1"
    done
}
quiet=
pages 3
printf '%s\n' "$d" "$c" "$b" "$a" | cmp -s - all && r=0 || r=1
report $r "pages of three"
asks 200 "$page" null && [ "$(wc -l <found)" -eq 3 ] && r=0 || r=1
report $r "the default of a variable"
finds "a page of none" "$t, first: 0"
has out '"hasNextPage":true' "which is not all"

# ---- fields ---------------------------------------------------------------
asks 200 "query Two { one: transaction(id: \"$a\") { ...All }
    two: transactions(ids: [\"$b\"]) { edges { node { ...All } } }
    three: transaction(id: \"$root\") { id } }
    fragment All on Transaction { id tags { name } }" && r=0 || r=1
report $r "two fields, by other names, with a fragment"
has out "^{\"data\":{\"one\":{\"id\":\"$a\"" "the first"
has out "\"two\":{\"edges\":\\[{\"cursor\":\"[0-9]*\",\"node\":{\"id\":\"$b\"" \
    "the second"
has out '"three":null}}$' "one that is not an item"
has out '"data":{"size":"2","type":"text/plain"}' "size and type"
has out "\"block\":{\"id\":\"[^\"]*\",\"height\":$first,\"timestamp\":[0-9]*" \
    "its block"
has out '"owner":{"address":"'"$node"'","key":"[^"]\{683\}"}' "its owner"

# ---- refused --------------------------------------------------------------
refuses "an unknown argument" "$t, ingested_at: {min: 1}" ingested_at
refuses "an unknown operator" 'tags:[{name:"T",values:["t"],op:GT}]' 'op \\"GT'
refuses "a way to match" 'tags:[{name:"T",values:["t"],match:WILDCARD}]' match
refuses "a tag without values" 'tags:[{name:"T"}]' tags
refuses "an unknown order" "$t, sort: INGESTED_AT_DESC" sort
refuses "a strange cursor" "$t, after: \"WyIyMDIw\"" after
refuses "an invalid first" "$t, first: \"many\"" first
refuses "a first below none" "$t, first: -1" first
refuses "an unknown end of blocks" "$t, block: {from: 1}" 'from'
refuses "an invalid height" "$t, block: {min: \"x\"}" min
refuses "invalid ids" "ids: [1]" ids
refuses "an argument twice" "first: 1, first: 2" first
refuses "an undeclared variable" 'ids: $ids' '\$ids'
asks 400 '{blocks(first: 1) {edges {node {id}}}}' && r=0 || r=1
report $r "another field"
has out 'blocks' "by its name"
asks 400 'query($ids: [ID!]!) {transactions(ids: $ids) {edges}}' && r=0 || r=1
report $r "a variable that is not given"
has out '\$ids is not given' "by its name"
asks 400 'mutation { transactions { edges } }' && r=0 || r=1
report $r "a mutation"
asks 400 "{transactions($t" && r=0 || r=1
report $r "half a query"

net_down
net_up && r=0 || r=1
report $r "it starts again"
inner "then:"
finish
