#!/bin/sh
# GPUs of several ranks, one of which fails (tests/worker-sim, an emulated one
# each): of ranks that compute alone the others go on; in groups (setting tp)
# what one member's wrong number has touched is withdrawn, all that its group
# answered in that start and nothing of another group, and the next start, on
# CPUs, gives the bytes of a CPU.
# part: all
set -eu
. "${top_srcdir:-.}/tests/gpu.sh"
if ! command -v mpirun >/dev/null ||
    ! "$APUS_LIBEXEC/apus-worker" --version | grep -q MPI$; then
    echo "1..0 # SKIP no mpirun, or a build without MPI"
    exit 0
fi
if [ "$(id -u)" = 0 ] && [ -z "${OMPI_ALLOW_RUN_AS_ROOT:-}" ]; then
    echo "1..0 # SKIP mpirun refuses root without OMPI_ALLOW_RUN_AS_ROOT=1"
    exit 0
fi
unset SLURM_JOB_ID SLURMD_NODENAME || :
APUS_THREADS=1
export APUS_THREADS

for i in 1 2 3 4 5 6; do
    echo '{"custom_id":"'$i'","method":"POST","url":"/v1/completions","body":'\
'{"prompt":"once '$i'","max_tokens":5,"temperature":1,"seed":'$i\
',"apus":{"ignore_eos":true}}}'
done >in.jsonl

# What is said of rank ODD does not hold for the others.
cat >unlike <<TXT
#!/bin/sh
[ "\$OMPI_COMM_WORLD_RANK" != "\$ODD" ] || export "\$SAID"
[ -z "\$NODES" ] || export SLURMD_NODENAME=node\$OMPI_COMM_WORLD_RANK
exec "$sim" "\$@"
TXT
chmod +x unlike
ranks() { # N ODD NAME=VALUE ARGUMENT...: exit status in $got
    size=$1 ODD=$2 SAID=$3
    shift 3
    export ODD SAID
    got=0
    CUSIM_DEVICES=$size timeout -k 5 600 mpirun --oversubscribe -n "$size" \
        ./unlike --batch=1 --rank-timeout=20 --gpu-nccl=no "$@" -- "$id" \
        >out 2>err </dev/null || got=$?
}
# What a start's log of a rank has: lines of its frames that count, or the
# offset up to where they were withdrawn.
frames() { # RANK
    "$apus" show "$(find spool -name "000$1.log" | sort | tail -n 1)" \
        >out 2>&1 || :
}
withdrawn() {
    sed -n 's/[^0-9]*withdrawn$//p' out
}
# The next start, on a CPU, gives its bytes.
then_cpu() { # NAME
    got=0
    "$sim" --alone --kernel=reference --batch=2 -- "$id" >out 2>err \
        </dev/null || got=$?
    kept "$1: the same part from a CPU: exit status $got"
    same "spool/done/$id/checkpoint.json" checkpoint.json "$1: the same root"
}

submit
"$sim" --alone --kernel=reference --batch=2 -- "$id" >out 2>err </dev/null
cp "spool/done/$id/part-0000.h5" part.h5
cp "spool/done/$id/checkpoint.json" .

# ---- ranks that compute alone ------------------------------------------------
uuid='GPU-[0-9a-f-]\{36\}'
for rank in 0 1; do
    for what in LOSE HANG; do
        submit
        ranks 2 $rank CUSIM_$what=150 --kernel=cuda
        ends 0 "rank $rank: $uuid is lost in step" \
            "$what, rank $rank: the other one goes on"
        kept "the same part"
    done
done

# ---- groups ------------------------------------------------------------------
for rank in 0 1; do
    submit
    ranks 2 $rank CUSIM_HANG=400 --tp=2 --kernel=cuda
    ends 75 "rank $rank on .*: $uuid is lost in step .*the GPU hangs" \
        "a group: the GPU of rank $rank hangs"
    [ "$(grep -c 'error:' err)" -eq 1 ] && r=0 || r=1
    report $r "one error"
    then_cpu "after it"
    # .. is wrong, once some answers were good
    submit
    ranks 2 $rank CUSIM_WRONG=20000 --tp=2 --kernel=cuda
    ends 75 "rank $rank on .*: $uuid .*a product of layer .* is wrong" \
        "that of rank $rank is wrong"
    frames 0
    [ "$(wc -l <out)" -eq 1 ] && [ "$(withdrawn)" -gt 1500 ] && r=0 || r=1
    report $r "all that the group had answered is withdrawn: $(withdrawn) bytes"
    then_cpu "after that"
done

# Of two groups that of ranks 2 and 3 is wrong.
submit
ranks 4 3 CUSIM_WRONG=3000 --tp=2 --kernel=cuda
ends 75 'rank 2 on .* withdraws all that it answered' "one of two groups"
[ "$(grep -c 'withdraws all' err)" -eq 1 ] && r=0 || r=1
report $r "it alone"
frames 2
[ "$(wc -l <out)" -eq 1 ] && [ "$(withdrawn)" -gt 64 ] && r=0 || r=1
report $r "all that it wrote is withdrawn: $(withdrawn) bytes"
frames 0
grep -q 'record\|partial' out && [ -z "$(withdrawn)" ] && r=0 || r=1
report $r "the other one's answers count"
then_cpu "after that"

# ---- members that are not alike ----------------------------------------------
host=$(uname -n)
CUDA_VISIBLE_DEVICES=0,1
export CUDA_VISIBLE_DEVICES
for rank in 0 1; do
    for said in APUS_KERNEL=reference CUDA_VISIBLE_DEVICES=-1; do
        its='the CPU, its first one on a GPU'
        [ $rank -eq 1 ] || its='a GPU, its first one on the CPU'
        submit
        ranks 2 $rank $said --tp=2
        ends 1 "rank 1 on $host: this member of the group computes on $its" \
            "$said of rank $rank"
        [ "$(grep -c 'error:' err)" -eq 1 ] && r=0 || r=1
        report $r "one error, by name"
    done
done
then_cpu "after that"
submit
ranks 4 3 APUS_KERNEL=reference --tp=2
ends 0 "rank 3 on $host: this member of the group computes on the CPU" \
    "in one of two groups"
[ "$(grep -c 'error:' err)" -eq 1 ] && r=0 || r=1
report $r "one error, by name"
kept "the other group does it"
unset CUDA_VISIBLE_DEVICES

# One that was promised a GPU and has none: its node is left out by the next
# start, the other member's is not.
for rank in 0 1; do
    submit
    NODES=own
    export NODES
    ranks 2 $rank CUSIM_DEVICES=0 --tp=2 --kernel=cuda
    NODES=
    ends 75 "where kernel = cuda promises a GPU: cannot use a GPU" \
        "rank $rank has no GPU"
    out=$(cut -d ' ' -f 2 spool/log/no-gpu)
    [ "$(grep -c 'error:' err)" -eq 1 ] && [ "$out" = node$rank ] && r=0 || r=1
    report $r "one error, and its node is left out: $out"
done

# ---- who hears of it late, or never ------------------------------------------
# What a rank gets of another one is looked at: at the end of a step four bytes,
# of which 3 is a wrong number.  WRONG says what the first member makes of it:
# "missed", it takes that member for well and learns of it when its group has
# ended; "killed", it does nothing more.
cat >hear.c <<'TXT'
#include <signal.h>
#include <stdlib.h>
#include <string.h>
static unsigned char *room;
int PMPI_Irecv(void *, int, void *, int, int, void *, void *);
int PMPI_Get_count(const void *, void *, int *);
int MPI_Irecv(void *a, int n, void *t, int from, int tag, void *c, void *r)
{
    room = a;
    return PMPI_Irecv(a, n, t, from, tag, c, r);
}
int MPI_Get_count(const void *status, void *type, int *n)
{
    int rc = PMPI_Get_count(status, type, n);

    if (*n != 4 || !room || memcmp(room, "\3\0\0", 4) != 0)
        return rc;
    if (strcmp(getenv("WRONG"), "killed") == 0)
        raise(SIGKILL);
    room[0] = 0;
    return rc;
}
TXT
if ! ${CC:-cc} -shared -fPIC -o hear.so hear.c >out 2>err; then
    report 0 "a member that hears nothing # SKIP no compiler"
    finish
fi
cat >unlike <<TXT
#!/bin/sh
case \$((\$OMPI_COMM_WORLD_RANK - \$FIRST)) in
0) export LD_PRELOAD="$tmp/hear.so" ;;
1) export CUSIM_WRONG=\$AFTER ;;
esac
exec "$sim" "\$@"
TXT
late() { # missed | killed FIRST AFTER ARGUMENT...
    submit
    WRONG=$1 FIRST=$2 AFTER=$3
    shift 3
    export WRONG FIRST AFTER
    CUSIM_DEVICES=$((FIRST + 2)) timeout -k 5 600 mpirun "$@" \
        --oversubscribe -n $((FIRST + 2)) ./unlike --batch=1 --rank-timeout=10 \
        --gpu-nccl=no --tp=2 --kernel=cuda -- "$id" >out 2>err </dev/null || :
    cp err said
    mark=$(find spool -name "000$FIRST.log.withdrawn")
    [ -n "$mark" ] && r=0 || r=1
    report $r "$WRONG: who found it withdraws all"
}
late missed 0 20000
[ "$(grep -c 'rank 0 on .* withdraws all' said)" -eq 1 ] && r=0 || r=1
report $r "the first member hears of it after its group's end"
rm -f "$mark"
frames 0
[ "$(wc -l <out)" -eq 1 ] && [ "$(withdrawn)" -gt 1500 ] && r=0 || r=1
report $r "its log says that all is withdrawn: $(withdrawn) bytes"
then_cpu "after that"
if mpirun --enable-recovery -n 1 true >out 2>err; then
    late killed 0 20000 --enable-recovery
    frames 0
    [ "$(wc -l <out)" -eq 1 ] && [ "$(withdrawn)" -gt 1500 ] && r=0 || r=1
    report $r "it is killed as it hears of it: nothing of its log is read"
    then_cpu "after that"
    # the other group could seal, and does not
    late killed 2 3000 --enable-recovery
    grep -q 'rank 2 on .* withdraws all.*the next one computes it again' said &&
        [ -d "spool/running/$id" ] && r=0 || r=1
    report $r "the first one of two groups is killed: nothing is sealed"
    then_cpu "after that, too"
fi
finish
