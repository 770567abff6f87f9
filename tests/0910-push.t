#!/bin/sh
# apus push on localnet: a batch goes up, is signed for, becomes permanent and
# is read back; bundlers and gateways that fail or lie; ceilings for money.
# Whatever happens, running it again goes on, and nothing is paid twice.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/localnet.sh"
. "$top/tests/slow.sh"
APUS_MODELS=$tmp/models
APUS_HTTP_RETRIES=0
APUS_HTTP_STALL_TIMEOUT=60
export APUS_MODELS APUS_HTTP_RETRIES APUS_HTTP_STALL_TIMEOUT

"$apus" model add "$top/models/nano" nano >out 2>err
head -n 5 "$top/models/nano/eval.jsonl" >q.jsonl
printf '%s\n' '{"custom_id":"bad"}' >>q.jsonl
: >apus.conf
APUS_CONFIG=$tmp/apus.conf APUS_SPOOL=$tmp/ready \
    "$apus" run q.jsonl -m nano -o want.jsonl --ranks 1 >out 2>err
id=$(basename ready/done/b*)
id=${id#b}
# so that keys are made once
net_up && r=0 || r=1
report $r "localnet is up"
net_down
cp -R net fresh

# A net of which nobody has heard, and the batch in done.
begin() { # HOSTILE...
    net_down
    rm -rf net spool
    cp -R fresh net
    cp -Rp ready spool
    set -- $(for c in "$@"; do echo "--hostile $c"; done)
    net_up "$@"
    APUS_CONFIG=$net/apus.conf
    APUS_SPOOL=$tmp/spool
    export APUS_CONFIG APUS_SPOOL
}
at() { # STATE: the batch is there
    [ -d "spool/$1/b$id" ] && r=0 || r=1
    report $r "the batch is in $1"
}
mine() { netcall post "$url/mine/$1" </dev/null >>out 2>&1; }
# What is on the account, as the bundler has it.
balance() {
    "$apus" push --check 2>&1 |
        sed -n 's/.*on the account are \([0-9]*\) .*/\1/p'
}
full=10000000000000
ledger() { echo "$net"/ledger/*-20*.jsonl; }
paid_once() { # NAME: each byte that was handed over, a hundred credits
    bytes=0
    for f in spool/sent/b"$id"/push/*.head; do
        bytes=$((bytes + $(wc -c <"$f")))
    done
    for f in spool/sent/b"$id"/push/*.items spool/sent/b"$id"/part-*.h5 \
        spool/sent/b"$id"/part-*.idx; do
        bytes=$((bytes + $(wc -c <"$f")))
    done
    left=$(balance)
    [ "$left" = $((full - 100 * bytes)) ] && r=0 || r=1
    echo "$bytes bytes, $left left" >>out
    report $r "$1: paid once"
}

# ---- as it should be -----------------------------------------------------
begin
gives 0 "push without a name" push
[ ! -s out ] && r=0 || r=1
report $r "leaves a batch of a file alone"
gives 0 "what it would cost" push --check q.jsonl
has out "$id.would be sent.5 results.4 uploads..* bytes.0 winc" "it says so"
has err 'on the account are 10000000000000' "with the account"
[ ! -d "spool/done/b$id/push" ] && r=0 || r=1
report $r "and nothing was signed"
cp -p "spool/done/b$id/part-0000.h5" whole.h5
chmod u+w "spool/done/b$id/part-0000.h5"
printf x | dd of="spool/done/b$id/part-0000.h5" bs=1 conv=notrunc \
    seek=$(($(wc -c <whole.h5) - 1)) 2>/dev/null
gives 3 "a part in which a byte changed" push "$id"
has err 'part-0000.h5.*differs; "apus seal --again' "is named, with the remedy"
mv -f whole.h5 "spool/done/b$id/part-0000.h5"
gives 0 "push it" push -- "$id"
has out "$id.sent.5 results.4 uploads..* bytes.0 winc" "what was sent"
at sent
b=spool/sent/b$id
[ "$(wc -l <"$b/items.jsonl")" -eq 5 ] && [ -s "$b/push/bundle-0000.items" ] &&
    r=0 || r=1
report $r "index and bundle are kept"
for f in bundle-0000 part-0000 idx-0000 statement; do
    grep -q '"signature"' "$b/push/$f.receipt" && r=0 || r=1
    report $r "the receipt of $f is kept"
done
[ "$(wc -c <spool/last-statement)" -eq 44 ] && r=0 || r=1
report $r "the statement is the last of this spool"
# one result as a stranger reads it
line=$(sed -n 3p "$b/items.jsonl")
field() { echo "$line" | sed "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/"; }
from=$(field offset)
to=$((from + $(field size) - 1))
netcall get "$url/raw/$(field bundle)" "Range: bytes=$from-$to" 2>err |
    sed 1d >item
[ "$(netcall id <item)" = "$(field item)" ] && r=0 || r=1
report $r "a result is where the index says"
has item "\"request\":\"$(field request)\",\"process\":\"AAAA" "it is that one"
gives 0 "status" status
has out "$id.sent." "says sent"
gives 0 "push again" push
has out "$id.sent" "it is not permanent yet"
[ ! -e "$b/confirmed" ] && r=0 || r=1
report $r "and not confirmed"
touch -t 202001010000 "$b"
gives 0 "clean" clean --older 30d
has err 'not confirmed' "keeps what is not confirmed"
at sent
mine 30
gives 0 "push after 30 blocks" push
has out "$id.confirmed" "it is read back and confirmed"
[ -e "$b/confirmed" ] && [ ! -e "$b/push/bundle-0000.items" ] && r=0 || r=1
report $r "the bundle is not needed any more"
gives 0 "status" status
has out "$id.confirmed." "says confirmed"
gives 0 "push once more" push
[ ! -s out ] && r=0 || r=1
report $r "has nothing to do"
touch -t 202001010000 "$b"
gives 0 "clean" clean --older 30d
[ ! -d "$b" ] && r=0 || r=1
report $r "takes it now"

# ---- hashes ----------------------------------------------------------------
begin
gives 0 "push hashes only" push --publish hashes -- "$id"
has out '.5 results.2 uploads.' "no parts"
text=$(sed -n 's/.*"content":"\([^"]*\)".*/\1/p' want.jsonl | head -n 1)
grep -q -F "\"text\":[" spool/sent/b"$id"/push/bundle-0000.items &&
    ! grep -q -F "\"text\":\"$text" spool/sent/b"$id"/push/bundle-0000.items &&
    r=0 || r=1
report $r "no text is in the bundle"

# ---- money -----------------------------------------------------------------
begin nothing-free
gives 1 "over max-winc" push --max-winc 1000 -- "$id"
has err 'over max-winc = 1000 (raise it' "says so"
at done
[ "$(balance)" = $full ] && [ ! -s "$(ledger)" ] && r=0 || r=1
report $r "nothing was handed over"
APUS_MAX_WINC_DAY=1000 gives 75 "over the ceiling of a day" push -- "$id"
has err 'over max-winc-day = 1000; run it again tomorrow' "says so"
gives 0 "go on without its name" push
has out "$id.sent..*00 winc" "says what it cost"
at sent
paid_once "within the ceilings"
cat "$(ledger)" >out
[ "$(grep -c asked out)" -eq 4 ] && [ "$(grep -c paid out)" -eq 4 ] &&
    r=0 || r=1
report $r "the ledger has it"

# free by its price, dear by its receipt: not one item more
begin over-charge:1
gives 1 "a bundler that charges more than its price" push -- "$id"
has err 'charged 5000000000000000 winston credits (5000.0 AR) for bundle-0000' \
    "says so"
has err '5000000000000000 so far: over max-winc' "and stops"
at done
[ "$(find spool/done/b"$id"/push -name '*.receipt' | wc -l)" -eq 1 ] &&
    r=0 || r=1
report $r "nothing was handed over after it"
gives 1 "nor by another push" push -- "$id"
gives 75 "nor with more for the batch" push --max-winc 9000000000000000 -- \
    "$id"
has err 'today by this wallet: over max-winc-day' "the day counts it"
cp -Rp ready "$tmp/second"
APUS_SPOOL=$tmp/second gives 75 "nor from another spool" push -- "$id"
rm -rf second
[ "$(find spool/done/b"$id"/push -name '*.receipt' | wc -l)" -eq 1 ] &&
    r=0 || r=1
report $r "and it was not"
APUS_MAX_WINC_DAY=9000000000000000 gives 0 "it ends with higher ceilings" \
    push --max-winc 9000000000000000 -- "$id"
begin over-charge bad-receipt
gives 75 "a receipt with an invalid signature" push -- "$id"
gives 1 "counts with what it says was charged" push -- "$id"
has err '5000000000000000 so far: over max-winc' "and ends it"

begin nameless-already lost-answer:1
gives 75 "an item that the bundler has and does not name" push -- "$id"
has err 'answers 202: Data item with ID ? has' "says what came"
at done

# where the ledger cannot be: that of the spool counts
begin over-charge:1
: >"$net/ledger"
gives 1 "no room beside the wallet" push -- "$id"
cat spool/ledger/*-20*.jsonl >out
has out '"paid":"5000000000000000"' "the spool has it"
rm "$net/ledger"
gives 75 "and it counts when there is room" push \
    --max-winc 9000000000000000 -- "$id"

begin empty-account:1 nothing-free
gives 1 "an empty account" push -- "$id"
has err 'payment required' "says so"
[ "$(grep -c . err)" -eq 1 ] && r=0 || r=1
report $r "in one line"
at done
gives 0 "with money it continues" push
paid_once "an empty account"

# ---- a bundler that fails or lies --------------------------------------------
for case in lost-answer:1 bundler/500:2 bundler/429:2 bad-receipt:1 \
    other-signer:1; do
    begin "$case" nothing-free
    status=0
    : >err.first
    tries=0
    while [ ! -d "spool/sent/b$id" ] && [ $tries -lt 5 ]; do
        tries=$((tries + 1))
        got=0
        "$apus" push -- "$id" >out 2>err || got=$?
        [ $got -eq 0 ] || status=$got
        [ $got -eq 0 ] || cp err err.first
        [ "$(grep -c 'apus: error' err)" -le 1 ] || status=many
    done
    # a bundler that is asked again says whether it has the item
    [ "$case$status" != lost-answer:10 ] || status=75
    [ "$status" = 75 ] && r=0 || r=1
    cat err.first >>err 2>&1 || :
    echo "last failure: $status, in $tries tries" >>out
    report $r "$case: exit 75, one message, then it continues"
    paid_once "$case"
    rm -f err.first
done

begin
sed '/^bundler-key/d' "$net/apus.conf" >conf
APUS_CONFIG=$tmp/conf
gives 0 "without bundler-key" push -- "$id"
has err 'must from now on be signed by' "the signer is pinned"
rm -rf spool/sent spool/last-statement
cp -Rp ready/done spool
sed 's/ [^ ]*$/ AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/' \
    spool/bundler-key >key
cp key spool/bundler-key
gives 1 "another signer than the pinned one" push -- "$id"
has err 'nothing is handed over' "it says so"
at done

# ---- what was lost ---------------------------------------------------------
begin nothing-free
gives 0 "push it" push -- "$id"
net_down
rm -rf net
cp -R fresh net
net_up --hostile nothing-free
# its port may be another now
gives 0 "the bundler has forgotten" push
has out "$id.sent" "too early to say"
touch -t 202001010000 spool/sent/b"$id"/push/bundle-0000.receipt
gives 0 "an hour later" push
has out "$id.handed over again" "it is handed over again"
mine 30
touch -t 202001010000 spool/sent/b"$id"/push/*.receipt
gives 0 "the others" push
has out "$id.handed over again" "too"
mine 30
gives 0 "and then" push
has out "$id.confirmed" "it is there to stay"

# ---- how deep ----------------------------------------------------------------
begin nothing-free
gives 0 "push it" push -- "$id"
mine 30
gives 0 "permanent for the bundler, not deep enough for us" \
    push --confirmations 5000
has out "$id.sent" "it is not believed alone"
has err 'permanent for the bundler, but a gateway says' "and says so"
mine 4999
gives 0 "deep enough" push --confirmations 5000
has out "$id.confirmed" "is confirmed"

begin nothing-free
gives 0 "push it" push -- "$id"
mine 1
gives 0 "at once" push --confirmations 12
has out "$id.sent" "it is not deep yet"
mine 11
gives 0 "before the bundler calls it permanent" push --confirmations 12
has out "$id.confirmed" "a gateway is asked"

begin gateway/500:1 second/500:1 nothing-free
gives 0 "push it" push -- "$id"
mine 30
gives 0 "no gateway tells" push
has out "$id.confirmed" "the bundler is believed"

begin second/wrong-bytes nothing-free
gives 0 "push it" push -- "$id"
mine 30
gives 1 "the second gateway gives other bytes" push
[ ! -e spool/sent/b"$id"/confirmed ] && r=0 || r=1
report $r "that confirms nothing"

begin second/stalled nothing-free
gives 0 "push it" push -- "$id"
mine 30
# long enough for those that do answer, however busy this machine is
APUS_HTTP_STALL_TIMEOUT=8 gives 0 "the second gateway stalls" push
has out "$id.sent" "it is asked again later"
has err 'not to be read back yet' "and says so"

# ---- another bundler from now on ---------------------------------------------
begin nothing-free
gives 0 "push it to one bundler" push -- "$id"
left=$(balance)
touch -d '2 hours ago' spool/sent/b"$id"/push/*.receipt
"$apus" localnet --dir other --hostile nothing-free >other.out 2>&1 &
other_job=$!
trap 'kill $other_job 2>/dev/null || :; net_down; scratch_end' EXIT
for i in $(seq 600); do
    ! grep -q ready other.out || break
    sleep 0.1
done
grep -v '^bundler' "$net/apus.conf" >two.conf
grep '^bundler' other/apus.conf >>two.conf
APUS_CONFIG=$tmp/two.conf
# a block comes every two seconds: it may be deep by now
gives 0 "another that has not heard of it" push --confirmations 5000
has out "$id.sent" "leaves it where it is"
APUS_CONFIG=$net/apus.conf
[ -n "$left" ] && [ "$(balance)" = "$left" ] && r=0 || r=1
report $r "nothing is handed over or paid again"
mine 60
APUS_CONFIG=$tmp/two.conf
gives 0 "when the gateways have it" push
has out "$id.confirmed" "it is there to stay"
finish
