#!/bin/sh
# Ranks that hold one model together on GPUs (setting tp; tests/worker-sim, an
# emulated one each): the same bytes as one rank on a CPU; members that have no
# GPU or compute on a CPU; one whose GPU is lost or computes wrongly, after
# which the next start goes on to the same bytes.
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
APUS_LOG_LEVEL=warning
APUS_THREADS=1
export APUS_LOG_LEVEL APUS_THREADS

# The weights of nano as those of heads that are a quarter as long: 8 KV heads.
cp -R "$top/models/nano" heads
sed -e 's/"num_attention_heads": *4/"num_attention_heads": 16/' \
    -e 's/"num_key_value_heads": *2/"num_key_value_heads": 8/' \
    -e 's/"head_dim": *32/"head_dim": 8/' "$top/models/nano/config.json" \
    >heads/config.json
"$apus" model rm nano >out 2>err
gives 0 "a model of 8 KV heads" model add heads nano

for i in 1 2 3 4; do
    echo '{"custom_id":"'$i'","method":"POST","url":"/v1/completions","body":'\
'{"prompt":"once upon a time, and a king who had '$i'","max_tokens":6,'\
'"temperature":'$((i / 3))',"top_p":0.9,"seed":'$i\
',"logprobs":'$((i / 2))',"apus":{"ignore_eos":true}}}'
done >in.jsonl

ranks() { # N ARGUMENT...: exit status in $got
    size=$1
    shift
    got=0
    timeout -k 5 600 mpirun --oversubscribe -n "$size" "$program" --batch=3 \
        "$@" -- "$id" >out 2>err </dev/null || got=$?
}
well() { # NAME
    [ $got -eq 0 ] && r=0 || r=1
    report $r "$1: exit status $got"
}
program=$sim
submit
"$sim" --alone --kernel=reference --batch=3 -- "$id" >out 2>err </dev/null
cp "spool/done/$id/part-0000.h5" part.h5

# ---- the same bytes ----------------------------------------------------------
for tp in 2 4 8; do
    submit
    CUSIM_DEVICES=$tp
    export CUSIM_DEVICES
    ranks $tp --tp=$tp --kernel=cuda
    well "$tp ranks hold a model together"
    kept "the same part"
    [ $tp -gt 2 ] || continue
    submit
    ranks $tp --tp=$tp --kernel=reference
    well "$tp ranks on CPUs"
    kept "the same part"
done
CUSIM_DEVICES=2
submit
ranks 2 --tp=2 --kernel=cuda --check-gpu=no --cuda-libs=none
kept "without checks and libraries"

# Libraries that do not serve: without a function, or one that joins nobody.
# Each member opens it, and all go the same way.
nccl() { # NAME-OF-A-FUNCTION ...: a library that has it
    mkdir -p lib
    for f in "$@"; do
        echo "int $f(void) { return 2; }"
    done >nccl.c
    echo 'const char *ncclGetErrorString(int e) { return e ? "nobody" : 0; }' \
        >>nccl.c
    ${CC:-cc} -shared -fPIC -o lib/libnccl.so.2 nccl.c >out 2>err
}
with_nccl() { # ARGUMENT...
    submit
    APUS_LOG_LEVEL=info
    ranks 2 --tp=2 --kernel=cuda --cuda-libs="/none:$tmp/lib" "$@"
    APUS_LOG_LEVEL=warning
    cp err said
}
if nccl ncclGetUniqueId ncclCommInitRank; then
    with_nccl
    kept "a library that lacks a function: the same part"
    has said 'exchange through the host: .*libnccl.so.2 has no ncclAll' \
        "it is said"
    nccl ncclGetUniqueId ncclCommInitRank ncclAllReduce ncclCommDestroy \
        ncclCommAbort
    with_nccl
    kept "a library that fails: the same part"
    has said 'through the host: .*NCCL fails at ncclGetUniqueId: nobody' \
        "it is said, too"
    "$sim" --show-gpus --cuda-libs="/none:$tmp/lib" >out 2>err
    has out '^ok .*libnccl.so.2 found' "doctor looks where workers do"
    "$sim" --show-gpus --cuda-libs=none >out 2>err
    has out '^ok .*not used: cuda-libs = none' "or nowhere"
    with_nccl --gpu-nccl=no
    kept "gpu-nccl = no: the same part"
    grep -q 'NCCL fails' said && r=1 || r=0
    report $r "the library is left alone"
else
    report 0 "a library of our own # SKIP no compiler"
fi

# slices of a GPU (MIG), one a rank; two ranks of one share it
slice() { printf 'MIG-%08x-0000-4000-8000-%012x' $$ "$1"; }
CUSIM_MIG=2
CUDA_VISIBLE_DEVICES=$(slice 1),$(slice 2)
export CUSIM_MIG CUDA_VISIBLE_DEVICES
submit
ranks 2 --tp=2 --kernel=cuda
well "a group of two slices"
kept "the same part"
CUDA_VISIBLE_DEVICES=$(slice 2)
submit
ranks 2 --tp=2 --kernel=cuda
ends 75 "another rank computes on $(slice 2): start one" "a group of one slice"
ranks 2 --tp=2 --kernel=cuda --share-gpu=yes
ends 1 'the GPU has no room .* of 1 MB that may' "each has half of its 512 MiB"
CUSIM_MEM=1400000000
export CUSIM_MEM
ranks 2 --tp=2 --kernel=cuda --share-gpu=yes
well "of a larger one"
kept "the same part"
unset CUSIM_MEM CUSIM_MIG CUDA_VISIBLE_DEVICES

# auto takes GPUs where they are promised, and CPUs else
CUSIM_MEM=100000
export CUSIM_MEM
submit
ranks 2 --tp=2
kept "auto without a promise: CPUs, the same part"
submit
CUDA_VISIBLE_DEVICES=0,1
export CUDA_VISIBLE_DEVICES
ranks 2 --tp=2
ends 1 'the GPU has' "GPUs that are promised: they are used"
unset CUSIM_MEM
ranks 2 --tp=2
well "with memory"
kept "the same part"
unset CUDA_VISIBLE_DEVICES

# ---- members that are not alike ----------------------------------------------
# What is said of rank 1, or of RANK, does not hold for the others.
unlike() { # NAME=VALUE [RANK]
    cat >unlike <<TXT
#!/bin/sh
[ "\$OMPI_COMM_WORLD_RANK" != ${2:-1} ] || export "$1"
[ -z "\$NODES" ] || export SLURMD_NODENAME=node\$OMPI_COMM_WORLD_RANK
exec "$sim" "\$@"
TXT
    chmod +x unlike
    submit
    program=./unlike
    ranks 2 --tp=2 --rank-timeout=20 --kernel=cuda
    program=$sim
}
host=$(uname -n)
unlike CUSIM_DEVICES=0
ends 75 "rank 1 on $host: $host, where kernel = cuda promises a GPU: cannot" \
    "a member without a GPU"
unlike CUSIM_DEVICES=1
ends 75 "another rank computes on GPU-" "one GPU for two"
unlike CUSIM_MEM=300000
ends 1 "the GPU has" "a member whose GPU is full"
NODES=own
export NODES
for taken in 1073600000 760000000; do
    unlike CUSIM_TAKEN=$taken
    ends 75 "rank 1 on $host: .*GPU-.*: the GPU has .* other programs" \
        "one that another program fills"
    [ "$(cut -d ' ' -f 2 spool/log/no-gpu)" = node1 ] && r=0 || r=1
    report $r "its node alone is left out"
    rm -f spool/log/no-gpu
done
NODES=
ranks 2 --tp=2 --kernel=cuda
well "without that program"
kept "the same part"
cat >unlike <<TXT
#!/bin/sh
[ "\$OMPI_COMM_WORLD_RANK" != 1 ] || set -- --kernel=reference "\$@"
[ "\$OMPI_COMM_WORLD_RANK" = 1 ] || set -- --kernel=cuda "\$@"
exec "$sim" "\$@"
TXT
submit
program=./unlike
ranks 2 --tp=2
program=$sim
ends 1 "rank 1 on $host: this member of the group computes on the CPU, its" \
    "a member on a CPU"

# ---- members that fail -------------------------------------------------------
uuid='GPU-[0-9a-f-]\{36\}'
for rank in 0 1; do
    NODES=own
    export NODES
    unlike CUSIM_LOSE=400 $rank
    NODES=
    ends 75 "$uuid is lost in step .*unspecified launch failure" \
        "the GPU of rank $rank is lost"
    [ "$(cut -d ' ' -f 2- spool/log/no-gpu)" = "node$rank lost" ] && r=0 || r=1
    report $r "which is noted of its node alone"
    ranks 2 --tp=2 --kernel=cuda
    well "the next start"
    kept "the same part after it"
    rm -f spool/log/no-gpu
    NODES=own
    export NODES
    unlike CUSIM_WRONG=3000 $rank
    NODES=
    left_out=$(cut -d ' ' -f 2 spool/log/no-gpu)
    ends 75 'a product of layer .* is wrong' "that of rank $rank is wrong"
    [ "$left_out" = "node$rank" ] && r=0 || r=1
    report $r "its node alone is left out: $left_out"
    grep -q 'withdraws all that it answered' err && r=0 || r=1
    report $r "all is withdrawn"
    its=$(uname -n)
    find spool -path "*$id*" -name run.jsonl -exec cat {} + >out
    [ "$(grep -c '"withdrawn"' out)" -eq 1 ] &&
        grep -q '"withdrawn":0,"host":"'"$its"'","why":".*a product of' out &&
        r=0 || r=1
    report $r "run.jsonl names $its, and why: $(grep '"withdrawn"' out)"
    ranks 2 --tp=2 --kernel=cuda
    well "the next start"
    kept "the same part"
done
finish
