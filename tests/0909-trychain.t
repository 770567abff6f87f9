#!/bin/sh
# contrib/trychain: from the network to an answer that is computed again.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/localnet.sh"

mkdir "$tmp/dir"
take_keys
[ ! -d "$net" ] || mv "$net" "$tmp/dir/net"
TRYCHAIN_DIR=$tmp/dir "$top/contrib/trychain" "$(dirname "$apus")" >out \
    2>err </dev/null && r=0 || r=1
report $r "it ends well"
has out '^6 + 24 = 30$' "the process answers"
has out '^result.*the same$' "and the answer is the same"
has out 'no WebAssembly' "it says what took no part"
finish
