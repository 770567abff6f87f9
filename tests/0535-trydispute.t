#!/bin/sh
# contrib/trydispute: README's dispute, from the network to the verdict.
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/localnet.sh"

mkdir "$tmp/dir"
take_keys
[ ! -d "$net" ] || mv "$net" "$tmp/dir/net"
TRYDISPUTE_DIR=$tmp/dir "$top/contrib/trydispute" "$(dirname "$apus")" >out \
    2>err </dev/null && r=0 || r=1
report $r "it ends well"
has out '^challenge' "a dispute is opened"
has out '^0.node.shows records' "each move is a line"
has out '^verdict.fault: .*statement 6$' "the judge names the statement"
has out '^State.pending' "and the request waits again"
if command -v ps >/dev/null; then
    ps -eo args >left
    ! grep "$tmp/dir" left >out && r=0 || r=1
    report $r "nothing is left running"
else
    n=$((n + 1))
    echo "ok $n - nothing is left running # SKIP no ps"
fi
finish
