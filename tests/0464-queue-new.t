#!/bin/sh
# apus queue new: a process is sent the parts of the queue's code and says their
# hash; ended at any moment, the same command continues with the same process;
# files that are not parts of it are refused.
# part: san
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/localnet.sh"

net_up && r=0 || r=1
report $r "a localnet"
[ $r -eq 0 ] || finish
APUS_CONFIG=$net/apus.conf
APUS_SPOOL=$tmp/spool
APUS_HTTP_RETRIES=1
export APUS_CONFIG APUS_SPOOL APUS_HTTP_RETRIES
lua=$top/contrib/ao/queue
tab=$(printf '\t')

is() { # NAME GOT EXPECTED
    [ "$2" = "$3" ] && r=0 || r=1
    echo "\"$2\", not \"$3\"" >out
    report $r "$1"
}
tag() { # NAME: what the queue says of itself
    "$apus" queue info --queue "$queue" 2>err | sed -n "s/^$1$tab//p"
}
begun() { find spool/new-queue -type f 2>/dev/null | wc -l; }

# ---- whole ------------------------------------------------------------------
for network in legacynet hyperbeam; do
    APUS_AO_NETWORK=$network
    export APUS_AO_NETWORK
    gives 0 "a queue on $network" queue new --lua "$lua.lua"
    queue=$(cat out)
    sum=$(for part in 2 3 4; do sed '1,2d; $d' "$lua-$part.lua"; done |
        sha256sum | sed 's/ .*//')
    got=$(printf '%s=' "$(tag Code-Sha256)" | tr '_-' '/+' |
        base64 -d | od -An -v -tx1 | tr -d ' \n')
    is "its code has the hash of these files" "$got" "$sum"
    is "nothing is left of making it" "$(begun)" 0
    first=$queue
    gives 0 "the same command again" queue new --lua "$lua.lua"
    [ "$(cat out)" != "$first" ] && r=0 || r=1
    report $r "makes another queue"
done

# ---- interrupted ------------------------------------------------------------
# Run to the end what was interrupted after CALLS; it must be one process.
go_on() { # NAME
    id=$(cat spool/new-queue/*.item 2>/dev/null | netcall id 2>/dev/null) ||
        id=
    gives 0 "$1: the same command" queue new --allow-self --lua "$lua.lua"
    queue=$(cat out)
    case $id in
    '' | "$queue") ;;
    *) report 1 "$1: $id was made, and then $queue" ;;
    esac
    [ "$(tag Code-Sha256)" = "$code" ] && [ "$(begun)" = 0 ] ||
        report 1 "$1: a whole queue, and nothing left"
}
code=$(tag Code-Sha256)
if grep -q '^#define APUS_CRASH_TESTS 1' "$(dirname "$apus")/config.h"; then
    calls=0
    first=1
    while [ $first -ne 0 ] && [ $calls -lt 100 ]; do
        calls=$((calls + 1))
        APUS_CRASH=$calls "$apus" queue new --allow-self --lua "$lua.lua" \
            >out 2>err </dev/null && first=0 || first=$?
        [ $first -eq 0 ] || go_on "APUS_CRASH=$calls (exit $first)"
    done
    [ $calls -gt 8 ] && [ $calls -lt 100 ] && r=0 || r=1
    report $r "ended at $calls calls"
    # a full disk at each of them with APUS_LONG
    step=4
    [ -z "$long" ] || step=1
    i=$((seed % step))
    while [ $i -lt $calls ]; do
        i=$((i + step))
        APUS_ENOSPC=$i "$apus" queue new --allow-self --lua "$lua.lua" \
            >out 2>err </dev/null && first=0 || first=$?
        [ $first -eq 0 ] || go_on "APUS_ENOSPC=$i (exit $first)"
    done
else
    for ms in 5 30 60 90 120 160 200 250; do
        "$apus" queue new --allow-self --lua "$lua.lua" >out 2>err \
            </dev/null &
        job=$!
        sleep "$(awk "BEGIN { print $ms / 1000 }")"
        kill -9 $job 2>/dev/null || :
        wait $job 2>/dev/null || :
        go_on "killed after $ms ms"
    done
fi

# ---- other code -------------------------------------------------------------
mkdir code
cp "$lua.lua" code/q.lua
gives 1 "the other parts are not there" queue new --lua code/q.lua
has err 'q-2.lua' "it names what is missing"
for part in 2 3 4; do cp "$lua-$part.lua" code/q-$part.lua; done
cp "$lua-3.lua" code/q-2.lua
gives 1 "another part under this name" queue new --lua code/q.lua
has err 'q-2.lua" is not part 2 of 4' "it says so"
gives 1 "a part that is not the first" queue new --lua code/q-3.lua
has err 'is part 3 of 4: name the first' "it says so"
head -n 2 "$lua-2.lua" >code/q-2.lua
gives 1 "a part without text" queue new --lua code/q.lua
{
    head -n 2 "$lua-2.lua"
    head -c 90000 /dev/zero | tr '\0' '-'
} >code/q-2.lua
gives 1 "a part that no message has room for" queue new --lua code/q.lua
sed 's/of 4/of 17/' "$lua.lua" >code/q.lua
gives 1 "too many parts" queue new --lua code/q.lua
is "nothing was made" "$(begun)" 0
# what raises an error can be mended: the process stays
for part in '' -2 -3 -4; do cp "$lua$part.lua" "code/q$part.lua"; done
sed 's/^do$/do error("no")/' "$lua-4.lua" >code/q-4.lua
gives 1 "code that raises an error" queue new --lua code/q.lua
has err 'part 4 of the queue.s code raised an error.*no' "it says so"
is "it was begun" "$(begun)" 2
echo 'damaged' >"$(ls spool/new-queue/*.process)"
gives 1 "a file of it is damaged" queue new --lua code/q.lua
has err 'is damaged: remove it' "it says what to do"
gives 0 "other code is another process" queue new --lua "$lua.lua"
finish
