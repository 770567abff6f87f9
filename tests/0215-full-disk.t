#!/bin/sh
# A full disk: whatever writes there says what is free, where, and what to do,
# and leaves nothing behind; run ends as submit does, to be run again.
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
mkdir small
if ! mount -t tmpfs -o size=128k none small 2>/dev/null; then
    echo "1..0 # SKIP cannot mount a small disk"
    exit 0
fi
trap 'umount "$tmp/small"; scratch_end' EXIT
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
export APUS_MODELS APUS_SPOOL
"$apus" model add "$top/models/nano" nano >out 2>err
"$apus" model convert "$top/models/nano" -o nano.apus >out 2>err
printf '%s\n' '{"custom_id":"a","method":"POST","url":"/v1/completions","body":{
"prompt":"Hello","max_tokens":4}}' | tr -d '\n' >a.jsonl
gives 0 "answered" run a.jsonl -m nano
where='are free on its file system (".*/small"): make room there and run it'

# nano has over 128 KiB: it is seen before anything is written
for what in "model add $top/models/nano n" "model add nano.apus n" \
    "model convert $top/models/nano -o small/n.apus"; do
    gives 1 "$what" $what --models "$tmp/small/m"
    has err "no room for .*: it takes [0-9]* bytes, [0-9]* $where" \
        "says how much it takes, what is there and what to do"
done

dd if=/dev/zero of=small/fill bs=1k 2>/dev/null || :
"$apus" wallet new small/w.json >out 2>err && r=1 || r=0
report $r "a wallet"
has err "0 bytes $where" "says so"
gives 75 "run with its output there" run a.jsonl -m nano -o small/out
has err "0 bytes $where" "says so"
gives 1 "export there" export a.jsonl -o small/out
has err "0 bytes $where" "says so"
for what in run submit; do
    gives 75 "$what with its spool there" $what a.jsonl -m nano \
        --spool "$tmp/small/spool"
    has err "0 bytes $where.*apus clean" "says so"
done
request=$(sed -n 's/.*"batch_req_\([^"]*\)".*/\1/p' a.out.jsonl)
gives 1 "prove" prove a.jsonl --request "$request" --at 0 -o small/proof
[ ! -s out ] && r=0 || r=1
report $r "which says nothing of a file that is not there"
has err "0 bytes $where" "but why"
got=0
(ulimit -f 4 && exec "$apus" model convert "$top/models/nano" -o n2) \
    >out 2>err || got=$?
[ $got -eq 1 ] && r=0 || r=1
report $r "a limit of the size of a file: exit status 1"
has err 'too large: allow larger files (ulimit -f)' "says what raises it"
gives 1 "a device that is full" export a.jsonl -o /dev/full
has err 'left on device: make room there' "has no file system"
[ "$(find small -type f)" = small/fill ] && r=0 || r=1
report $r "nothing was left there"
rm small/fill
gives 0 "run, once there is room" run a.jsonl -m nano -o small/out
same small/out a.out.jsonl "has the answers"
finish
