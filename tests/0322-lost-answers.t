#!/bin/sh
# A file server that did what it was asked for and whose answer was lost: the
# client asks again and is told that there is no such file, or that there is
# one.  Each call of each command that renames, links, makes or removes a name
# is answered so in turn, and the command does what it does without.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/slow.sh"
lost=$tmp/lost.so
if ! ${CC:-cc} -shared -fPIC -I"$(dirname "$apus")" -o "$lost" \
    "$top/tests/lost_answers.c" -ldl >out 2>&1; then
    echo "1..0 # SKIP ${CC:-cc} makes no shared library"
    exit 0
fi
if ! LD_PRELOAD=$lost "$apus" --version >out 2>&1; then
    echo "1..0 # SKIP nothing can be put before this build's libraries"
    exit 0
fi
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_LOG_LEVEL=error
export APUS_CONFIG APUS_MODELS APUS_SPOOL APUS_LOG_LEVEL

"$apus" model add "$top/models/nano" nano >out 2>err
ls -A models >want.models
head -n 2 "$top/models/nano/eval.jsonl" >q.jsonl
gives 0 "an undisturbed run" run q.jsonl -m nano -o want.jsonl --ranks 1
cp spool/done/b*/part-0000.h5 want.h5
find models spool | sed 's/-[0-9]*$//' | sort >want.tree

# As `find` has it, but for the numbers of owners.
tree() {
    find models spool | sed 's/-[0-9]*$//' | sort
}

# Each call of `step` in turn; it sets got, and `check` says whether all is as
# it should be.
walk() { # NAME LEAST
    i=0
    wrong=0
    : >mark
    while [ -e mark ] && [ $i -lt 500 ]; do
        i=$((i + 1))
        prepare
        rm -f mark
        got=0
        step >out 2>err || got=$?
        if [ $got -ne 0 ] || ! check; then
            wrong=$((wrong + 1))
            report 1 "$1, answer $i is lost: exit $got"
        fi
    done
    [ $wrong -eq 0 ] && [ $i -gt "$2" ] && r=0 || r=1
    report $r "$1: any of $((i - 1)) answers may be lost"
}
with_loss() { # ARGUMENT...
    LOST=$i LOST_MARK=$tmp/mark LD_PRELOAD=$lost "$apus" "$@"
}

# ---- a batch, from the file to its answers -------------------------------
prepare() { rm -rf spool o.jsonl; }
step() { with_loss run q.jsonl -m nano -o o.jsonl --ranks 1; }
answered() {
    cmp -s o.jsonl want.jsonl && cmp -s spool/done/b*/part-0000.h5 want.h5 &&
        [ "$(wc -l <spool/done/"$(ls spool/done)"/run.jsonl)" -eq 1 ] &&
        tree | cmp -s - want.tree
}
check() { answered; }
walk run 20

# ---- put away, and begun again -------------------------------------------
rm -rf spool
gives 0 "a batch in todo" submit q.jsonl -m nano --todo
id=$(basename spool/todo/b*)
cp -Rp spool was
prepare() {
    rm -rf spool o.jsonl
    cp -Rp was spool
}
step() { with_loss cancel "${id#b}"; }
check() { [ -f spool/failed/"$id"/why ] && [ -z "$(ls spool/todo)" ]; }
walk cancel 2

rm -rf was
cp -Rp spool was
step() { with_loss run q.jsonl -m nano -o o.jsonl --ranks 1; }
check() { answered; }
walk "run of what was put away" 10

# ---- models and wallets --------------------------------------------------
prepare() { rm -rf models; }
step() { with_loss model add "$top/models/nano" nano; }
check() {
    ls -A models | cmp -s - want.models && "$apus" model list >out 2>err &&
        grep -q '^nano' out
}
walk "model add" 2
prepare() { rm -f w.json .w.json*; }
step() { with_loss wallet new w.json; }
check() {
    "$apus" wallet show w.json >out 2>err &&
        [ "$(find . -name '*w.json*' | wc -l)" -eq 1 ]
}
walk "wallet new" 1
finish
