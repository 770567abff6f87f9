#!/bin/sh
# Outputs of run, export and model convert: "-" and everything that is no
# regular file are written through, links lead to their target, and a reader
# that leaves costs no word.
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
nano=$top/models/nano
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
export APUS_CONFIG APUS_MODELS APUS_SPOOL

is() { # TEST FILE NAME: -p, -h, -c
    [ "$1" "$2" ] && r=0 || r=1
    report $r "$3"
}

sed -n '1,8p' "$nano/eval.jsonl" >q.jsonl
gives 0 "eight questions" run q.jsonl -m "$nano" -o want.jsonl -q
batch=$(ls spool/done)
batch=${batch#b}

# ---- standard output -------------------------------------------------------
for o in - /dev/stdout /dev/fd/1; do
    gives 0 "run -o $o" run q.jsonl -m nano -q -o "$o"
    same out want.jsonl "run -o $o prints the answers"
done
"$apus" run q.jsonl -m nano -q -o - 2>err | cat >piped
same piped want.jsonl "run -o - into a pipe"
echo before >log
"$apus" export "$batch" -o /dev/stdout >>log 2>err
{ echo before; cat want.jsonl; } >want.log
same log want.log "export -o /dev/stdout appends where it is redirected"
gives 0 "export -o -" export "$batch" -o -
same out want.jsonl "export -o - prints the answers"
[ ! -e ./- ] && [ ! -s err ] && r=0 || r=1
report $r "there is no file of that name, and no message"

# ---- links, pipes, devices -------------------------------------------------
mkdir elsewhere
ln -s elsewhere/target link
gives 0 "run -o a link" run q.jsonl -m nano -q -o link
is -h link "it is a link still"
same elsewhere/target want.jsonl "its target has the answers"
gives 0 "export -o a link" export "$batch" -o link
is -h link "and after export"
for what in run export model; do
    mkfifo "fifo.$what"
    cat "fifo.$what" >"got.$what" &
    case $what in
    run) gives 0 "run -o a pipe" run q.jsonl -m nano -q -o fifo.run ;;
    export) gives 0 "export -o a pipe" export "$batch" -o fifo.export ;;
    model) gives 0 "model convert -o a pipe" model convert "$nano" \
        -o fifo.model
        cp out id ;;
    esac
    wait $!
    is -p "fifo.$what" "$what: it is a pipe still"
done
same got.run want.jsonl "run wrote through it"
same got.export want.jsonl "export wrote through it"
gives 0 "model convert" model convert "$nano" -o nano.apus
same out id "the same model"
same got.model nano.apus "model convert wrote through it"
gives 0 "model convert -o -" model convert "$nano" -o -
same out nano.apus "prints the model"
has err "model $(cat id)" "and says which it is"
if [ "$(id -u)" -eq 0 ] && mknod null c 1 3 2>/dev/null &&
    (: >null) 2>/dev/null; then
    gives 0 "run -o a device" run q.jsonl -m nano -q -o null
    is -c null "run leaves it a device"
    gives 0 "export -o a device" export "$batch" -o null
    is -c null "export leaves it a device"
    gives 0 "model convert -o a device" model convert "$nano" -o null
    is -c null "model convert leaves it a device"
fi
gives 0 "export -o /dev/null" export "$batch" -o /dev/null
is -c /dev/null "it is a device still"
gives 1 "a full device" export "$batch" -o /dev/full
has err 'cannot write "/dev/full": no space' "says so"
[ "$(wc -l <err)" -eq 1 ] && r=0 || r=1
report $r "once"

# ---- readers that leave ----------------------------------------------------
# Nobody reads from the first byte on: the reader has closed before apus runs.
mkfifo gone
unread() { # NAME ARGUMENT...
    name=$1
    shift
    (
        exec 4<>gone 3>gone 4<&-
        code=0
        "$apus" "$@" >&3 2>err || code=$?
        echo "$code" >code
    )
    [ ! -s err ] && r=0 || r=1
    report $r "$name prints nothing without a reader"
    [ "$(cat code)" -eq 141 ] && r=0 || r=1
    report $r "$name ends as by SIGPIPE"
}
unread "run -o -" run q.jsonl -m nano -q -o -
unread "export" export "$batch"
unread "status" status
unread "status --watch" status --watch
unread "status --json" status --json
unread "show" show "$batch"
unread "show FILE.h5" show "spool/done/b$batch/part-0000.h5" --trust
unread "model list" model list
unread "settings" settings
unread "--help" --help
unread "--version" --version
unread "run --help" run --help
unread "model convert -o -" model convert "$nano" -o - --log-level=error

# ---- a limit on the size of files -------------------------------------------
# limited COMMAND...: files of 2 KiB, in units of 512 bytes or of 1024
limited() {
    got=0
    (ulimit -f 4 && [ "$(ulimit -f)" = 4 ] && exec "$apus" "$@") \
        >out 2>err || got=$?
    [ $got -eq 1 ] && r=0 || r=1
    report $r "limited: $*"
    has err '^apus: error: .*file too large' "says why"
    [ -z "$(ls -A | grep '^\.big')" ] && r=0 || r=1
    report $r "and leaves nothing aside"
}
cp want.jsonl big.out
limited export "$batch" -o big.out
same big.out want.jsonl "what was there is there"
limited model convert "$nano" -o big.apus
limited run "$nano/eval.jsonl" -m nano -q -o big.new --spool limit
[ -z "$(find limit -name 'b*' -o -name '.new-*')" ] && r=0 || r=1
find limit >out
report $r "and no batch"
head -n 12 "$nano/eval.jsonl" >few.jsonl
got=0
(ulimit -f 8 && [ "$(ulimit -f)" = 8 ] && exec "$apus" run few.jsonl \
    -m nano --spool limit) >out 2>err || got=$?
[ $got -eq 75 ] && r=0 || r=1
report $r "a worker that may not write its log: exit status $got"
has err 'limited to [48] KiB in a file (ulimit -f)' "it says what limits it"
finish
