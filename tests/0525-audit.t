#!/bin/sh
# apus audit: the block two above that of a statement draws answers, which are
# computed again; until it is there the command ends with 75; an answer that is
# not the model's is found where it is drawn.
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/localnet.sh"

build=$(dirname "$apus")
forge() { APUS_LIBEXEC=$build "$build/tests/forge" "$@"; }

net_up && r=0 || r=1
report $r "localnet is up"
APUS_CONFIG=$net/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_HTTP_RETRIES=0
export APUS_CONFIG APUS_MODELS APUS_SPOOL APUS_HTTP_RETRIES
node=$(netcall address "$net/wallet.json")
"$apus" model add "$top/models/nano" nano >out 2>err
head -n 4 "$top/models/nano/eval.jsonl" >four.jsonl
gives 0 "a batch" run four.jsonl -m nano -o four.out --ranks 1
dir=$(echo spool/done/b*)
id=${dir#spool/done/b}
APUS_PUBLISH=full gives 0 "is pushed" push -- "$id"
statement=$(netcall id <"spool/sent/b$id/push/statement.head")

rc=0
"$apus" audit "$statement" >out 2>err || rc=$?
# its block may have come meanwhile, and two more
[ $rc = 75 ] || [ $rc = 0 ] && r=0 || r=1
report $r "before its blocks: 75, unless they came already"
netcall post "$url/mine/3" </dev/null >mined
gives 0 "all of it" audit "$statement" --key "$node" --rate 1
has out '^drawn.4 of 4 answers' "is drawn"
[ "$(grep -c '^ok.*its answer computed again' out)" = 4 ] && r=0 || r=1
report $r "and computed again"
cp out first
gives 0 "once more" audit "$statement" --key "$node" --rate 1
same first out "draws the same"
gives 0 "half" audit "$statement" --rate 0.5 --cells 3
n_drawn=$(sed -n 's/^drawn.\([0-9]*\) of.*/\1/p' out)
n_computed=$(grep -c '^ok.*its answer computed again' out) || :
[ "$n_drawn" = "$n_computed" ] && r=0 || r=1
report $r "computes what it draws, $n_drawn"

gives 2 "no id" audit nothing
gives 2 "no rate" audit "$statement" --rate 2
has err 'rate "2": above 0' "is named"
result=$(sed -n '2s/.*"item":"\([^"]*\)".*/\1/p' "spool/sent/b$id/items.jsonl")
gives 3 "a result" audit "$result"
has out '^WRONG.*its form' "it is not a statement"
gives 3 "another key" audit "$statement" \
    --key AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA

# a node that signs an answer with other keys and values
head -n 8 "$top/models/nano/eval.jsonl" | tail -n 4 >other.jsonl
"$apus" run other.jsonl -m nano -o other.out --ranks 1 >out 2>err
dir=$(echo spool/done/b*)
id=${dir#spool/done/b}
forge trace-kv 1 "$dir" >>out 2>>err && r=0 || r=1
report $r "a forged batch"
APUS_PUBLISH=full gives 0 "is pushed" push -- "$id"
statement=$(netcall id <"spool/sent/b$id/push/statement.head")
netcall post "$url/mine/3" </dev/null >mined
gives 3 "its answers" audit "$statement" --rate 1
has out '^WRONG.*its answer computed again' "are not the model's"
gives 0 "that one is not drawn" audit "$statement" --rate 0.000000001
has out '^drawn.0 of 4 answers' "and so not found"
finish
