#!/bin/sh
# apus wallet: a new one, where it goes, what is refused.  (Faults while it is
# written are in t_key.)
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"

id='^[A-Za-z0-9_-]\{43\}$'

gives 2 "wallet alone" wallet
gives 2 "an invalid verb" wallet frobnicate
gives 0 "wallet --help" wallet --help
has out '^  new ' "it has new"
if [ -e /etc/apus/wallet.json ]; then
    echo "# this machine has a wallet in /etc"
else
    gives 1 "show without a wallet" wallet show
    has err 'apus wallet new' "the remedy is reported"
fi

gives 0 "new" wallet new
has out "$id" "it prints an address"
has err "$tmp/.config/apus/wallet.json" "and where the wallet is"
address=$(cat out)
[ "$(stat -c %a .config/apus/wallet.json)" = 600 ] && r=0 || r=1
report $r "its mode is 600"
cp .config/apus/wallet.json kept
gives 1 "new over one that is there" wallet new
has err 'not written over' "is refused"
cmp -s kept .config/apus/wallet.json && r=0 || r=1
report $r "and it is as it was"
gives 0 "show" wallet show .config/apus/wallet.json
[ "$(cat out)" = "$address" ] && r=0 || r=1
report $r "the same address"

mkdir elsewhere
mv kept elsewhere/w.json
gives 0 "a wallet of the settings" wallet show --wallet elsewhere/w.json
[ "$(cat out)" = "$address" ] && r=0 || r=1
report $r "the same address"
chmod 644 elsewhere/w.json
gives 1 "one that others can read" wallet show elsewhere/w.json
has err 'chmod 600' "is refused with the remedy"
gives 1 "one that is not there" wallet show --wallet nothing.json
has err 'nothing.json' "is reported by its name"

if grep -q '^#define APUS_CRASH_TESTS 1' "$(dirname "$apus")/config.h"; then
    APUS_NO_LINKS=1
    export APUS_NO_LINKS
    mkdir linkless
    gives 1 "new on a disk without hard links" wallet new \
        --wallet linkless/w.json
    has err 'linkless/w.json.*no hard links, write it to another' "says so"
    [ -z "$(ls -A linkless)" ] && r=0 || r=1
    report $r "and leaves nothing there"
    unset APUS_NO_LINKS
else
    n=$((n + 1))
    echo "ok $n - a disk without hard links # SKIP no crash tests"
fi

finish
