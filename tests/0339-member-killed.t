#!/bin/sh
# A member of a group (setting tp) that is killed while it reads an order of the
# first one, or in an exchange, and no mpirun that ends the others: they end by
# themselves, and the next start goes on from all that was recorded.  And the
# first one of two groups: the other one seals all, once its members have said
# that nothing is withdrawn, or are silent.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
build=$(dirname "$apus")
skip() { echo "1..0 # SKIP $*"; exit 0; }
grep -q '^#define HAVE_MPI 1' "$build/config.h" || skip "built without MPI"
command -v mpirun >/dev/null 2>&1 || skip "no mpirun"
if [ "$(id -u)" = 0 ] && [ -z "${OMPI_ALLOW_RUN_AS_ROOT:-}" ]; then
    skip "mpirun refuses root without OMPI_ALLOW_RUN_AS_ROOT=1"
fi
mpirun --enable-recovery -n 1 true >out 2>err ||
    skip "this mpirun ends all ranks when one is killed"
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_LOG_LEVEL=warning
APUS_THREADS=1
export APUS_CONFIG APUS_MODELS APUS_SPOOL APUS_LOG_LEVEL APUS_THREADS

# KILL_AT is "order:N" or "exchange:N": a receive is an exchange's if something
# was sent since the one before it.
cat >kill.c <<'TXT'
#include <signal.h>
#include <stdlib.h>
#include <string.h>
static int sent, orders, exchanges;
int PMPI_Isend(void *, int, void *, int, int, void *, void *);
int PMPI_Irecv(void *, int, void *, int, int, void *, void *);
int MPI_Isend(void *a, int n, void *t, int to, int tag, void *c, void *r)
{
    sent = 1;
    return PMPI_Isend(a, n, t, to, tag, c, r);
}
int MPI_Irecv(void *a, int n, void *t, int from, int tag, void *c, void *r)
{
    const char *at = getenv("KILL_AT");
    int *of = sent ? &exchanges : &orders;

    sent = 0;
    if (++*of == atoi(strchr(at, ':') + 1) &&
        *at == (of == &orders ? 'o' : 'e'))
        raise(SIGKILL);
    return PMPI_Irecv(a, n, t, from, tag, c, r);
}
TXT
${CC:-cc} -shared -fPIC -o kill.so kill.c >out 2>err || skip "no compiler"
cat >member <<TXT
#!/bin/sh
case " \$KILLED " in
*" \$OMPI_COMM_WORLD_RANK "*) export LD_PRELOAD="$tmp/kill.so" ;;
esac
got=0
"$build/apus-worker" "\$@" || got=\$?
echo \$got >"status.\$OMPI_COMM_WORLD_RANK"
TXT
chmod +x member

"$apus" model add "$top/models/nano" nano >out 2>err
head -n 60 "$top/models/nano/eval.jsonl" >q.jsonl
submit() {
    rm -rf spool status.*
    "$apus" submit q.jsonl -m nano --todo >out 2>err
    id=$(basename "$(find spool/todo -mindepth 1 -maxdepth 1)")
}
alone() {
    got=0
    "$build/apus-worker" --alone -- "$id" >out 2>err </dev/null || got=$?
    # tokens that this start has drawn
    tokens=$(sed -n 's/.*"tokens":\([0-9]*\).*/\1/p' "spool/done/$id/progress")
}
submit
alone
all=$tokens
cp "spool/done/$id/part-0000.h5" "spool/done/$id/checkpoint.json" .

KILLED=1
export KILLED
for at in order:2 exchange:2 order:60 exchange:300; do
    submit
    KILL_AT=$at timeout -k 5 300 mpirun --enable-recovery --oversubscribe -n 2 \
        ./member --tp=2 --rank-timeout=10 -- "$id" >out 2>err </dev/null || :
    statuses=$(cat status.0 status.1 2>&1 | tr '\n' ' ')
    [ "$statuses" = "75 137 " ] && r=0 || r=1
    report $r "$at: one is killed, the other saves: $statuses"
    [ "$(grep -c 'rank 0: rank 1 of this group is silent' err)" -eq 1 ] &&
        r=0 || r=1
    report $r "it says once why"
    "$apus" show "$(find spool -name 0000.log)" >frames 2>&1 || :
    had=$(grep -c record frames) || :
    alone
    [ $got -eq 0 ] && same "spool/done/$id/part-0000.h5" part-0000.h5 \
        "the next start gives the same part"
    same "spool/done/$id/checkpoint.json" checkpoint.json "and the same root"
    case $at in
    *:2) continue ;;
    esac
    [ "$had" -gt 0 ] && [ "$tokens" -lt "$all" ] && r=0 || r=1
    report $r "from $had answers that are there: $tokens tokens of $all"
done

# ---- the first one of a group, alone and with its member ---------------------
for KILLED in 2 "2 3"; do
    submit
    KILL_AT=exchange:300 timeout -k 5 300 mpirun --enable-recovery \
        --oversubscribe -n 4 ./member --tp=2 --rank-timeout=10 --batch=2 \
        -- "$id" >out 2>err </dev/null || :
    case $KILLED in
    2) expected="0 0 137 0 " ;;
    *) expected="0 0 137 137 " ;;
    esac
    statuses=$(cat status.0 status.1 status.2 status.3 2>&1 | tr '\n' ' ')
    [ "$statuses" = "$expected" ] && r=0 || r=1
    report $r "ranks $KILLED are killed, the other group goes on: $statuses"
    lost=$(sed -n 's/.*rank \([0-9]\) on .* is lost.*/\1/p' err | tr '\n' ' ')
    [ "$lost" = "$KILLED " ] && r=0 || r=1
    report $r "lost, as they are missed: $lost"
    same "spool/done/$id/part-0000.h5" part-0000.h5 "it seals the same part"
done
finish
