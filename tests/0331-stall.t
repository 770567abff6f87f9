#!/bin/sh
# A file system that answers rank 0 late, later than the ranks would wait for a
# sign of life: they are told that it lives, wait, and go on with it.  A rank
# that comes late: the one that waits for it says so.
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
build=$(dirname "$apus")
worker=$build/apus-worker
late=$tmp/late.so
if ! grep -q '^#define HAVE_MPI 1' "$build/config.h" ||
    ! command -v mpirun >/dev/null 2>&1; then
    echo "1..0 # SKIP no MPI"
    exit 0
fi
if [ "$(id -u)" = 0 ] && [ -z "${OMPI_ALLOW_RUN_AS_ROOT:-}" ]; then
    echo "1..0 # SKIP mpirun refuses root without OMPI_ALLOW_RUN_AS_ROOT=1"
    exit 0
fi
if ! ${CC:-cc} -shared -fPIC -I"$build" -o "$late" \
    "$top/tests/stalled_disk.c" -ldl >out 2>&1 ||
    ! LD_PRELOAD=$late "$apus" --version >out 2>&1; then
    echo "1..0 # SKIP nothing can be put before this build's libraries"
    exit 0
fi
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_LAUNCHER=local
export APUS_CONFIG APUS_MODELS APUS_SPOOL APUS_LAUNCHER

"$apus" model add "$top/models/nano" nano >out 2>err
cp "$top/models/nano/eval.jsonl" q.jsonl
gives 0 "one rank" run q.jsonl -m nano -o want.jsonl --ranks 1
cp spool/done/b*/part-0000.h5 want.h5
rm -rf spool
gives 0 "a batch in todo" submit q.jsonl -m nano --todo
id=$(basename spool/todo/b*)
cp -Rp spool todo

# The stall is three times as long as the ranks' patience.
late() { # AT NAME
    rm -rf spool mark
    cp -Rp todo spool
    got=0
    LD_PRELOAD=$late STALL_AT=$1 STALL_S=18 STALL_MARK=$tmp/mark \
        timeout -k 5 600 mpirun --oversubscribe -n 2 "$worker" \
        --rank-timeout=6 -- "${id#b}" >out 2>err </dev/null || got=$?
    [ -e mark ] && [ $got -eq 0 ] && r=0 || r=1
    report $r "$2: done all the same (exit $got)"
    ! grep -q 'is lost' err && r=0 || r=1
    report $r "nobody is taken for dead"
    cmp spool/done/"$id"/part-0000.h5 want.h5 >>err 2>&1 && r=0 || r=1
    report $r "the same bytes"
}
late /progress "while the ranks ask for work"
grep -q '"rank":1,"host":"[^"]*","state":"left","done":[1-9]' \
    spool/done/"$id"/progress && r=0 || r=1
cat spool/done/"$id"/progress >>out
report $r "rank 1 went on afterwards"

# Rank 1 begins when it is missed.
cat >missed <<TXT
#!/bin/sh
tries=0
while [ "\$OMPI_COMM_WORLD_RANK" = 1 ] && [ \$tries -lt 6000 ] &&
    ! grep -q 'MPI has not started' err; do
    tries=\$((tries + 1))
    sleep 0.05
done
exec "$worker" "\$@"
TXT
chmod +x missed
rm -rf spool
cp -Rp todo spool
got=0
timeout -k 5 600 mpirun --oversubscribe -n 2 ./missed --rank-timeout=6 -- \
    "${id#b}" >out 2>err </dev/null || got=$?
[ $got -eq 0 ] && grep 'warning: MPI has not started for 6 s' err |
    grep -q ', and is given 54 more: a rank has not come' && r=0 || r=1
report $r "a rank that comes late is missed, and waited for (exit $got)"
finish
