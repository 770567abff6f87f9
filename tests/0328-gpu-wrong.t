#!/bin/sh
# A GPU that computes wrongly (tests/worker-sim, an emulated one): small models
# find it before it serves; later the check of one product a step does, and all
# that the rank answered in that start is withdrawn; the next start computes it
# again, to the CPU's bytes.
# part: all
set -eu
. "${top_srcdir:-.}/tests/gpu.sh"

for i in 1 2 3 4; do
    echo '{"custom_id":"'$i'","method":"POST","url":"/v1/completions","body":'\
'{"prompt":"once","max_tokens":12,"temperature":1,"seed":'$i\
',"apus":{"ignore_eos":true}}}'
done >in.jsonl

work() { # SETTING=VALUE ARGUMENT...
    setting=$1
    shift
    got=0
    env "$setting" "$sim" --alone --threads=1 --batch=1 "$@" -- "$id" \
        >out 2>err </dev/null || got=$?
}
# What the log of the start that was withdrawn has.
show_log() {
    "$apus" show "$(find spool -name '0000.log' | head -n 1)" >out 2>err
}

submit
work CUSIM_SEED=0 --kernel=reference
cp "spool/done/$id/part-0000.h5" part.h5
cp "spool/done/$id/checkpoint.json" .

# From the start on: in products, and in what no check of a product sees.
for fault in WRONG=1 SKIP=k_commit SKIP=k_finish SKIP=k_sample; do
    submit
    SLURMD_NODENAME=n7 CUSIM_AFTER=0 work CUSIM_$fault --kernel=cuda
    ends 75 "$(uname -n).* promises a GPU: GPU-.*: it computes other numbers" \
        "$fault from the start on"
    [ "$(sed 's/.* //' spool/log/no-gpu)" = n7 ] && r=0 || r=1
    report $r "its host is left out"
done
CUSIM_AFTER=0 work CUSIM_WRONG=1
ends 0 'the CPU computes: GPU-.*: it computes other numbers' "not promised"
kept "what the CPU computes"

submit
work CUSIM_WRONG=1 --check-gpu=no
ends 0 'is done' "a wrong device that nobody checks"
cmp "spool/done/$id/part-0000.h5" part.h5 >out 2>&1 && r=1 || r=0
report $r "its answers are wrong"

# From the first product on, and after answers that were good.
for from in 1 60000; do
    submit
    SLURMD_NODENAME=n7
    export SLURMD_NODENAME
    work CUSIM_WRONG=$from
    unset SLURMD_NODENAME
    ends 75 'a product of layer .* is wrong' "wrong from product $from on"
    grep -q 'withdraws all that it answered' err && r=0 || r=1
    report $r "the rank withdraws all"
    grep '"withdrawn":0,"host":"..*","why":"GPU-[0-9a-f-]* .*a product of' \
        "spool/running/$id/run.jsonl" >out && [ "$(wc -l <out)" -eq 1 ] &&
        r=0 || r=1
    report $r "run.jsonl says where, of which GPU and why"
    grep -q '^[0-9]* n7$' spool/log/no-gpu && r=0 || r=1
    report $r "the next start leaves this node out"
    show_log
    [ "$(wc -l <out)" -eq 1 ] && grep -q withdrawn out && r=0 || r=1
    report $r "nothing of its log is read"
    # one record at least, or none
    least=1500
    [ $from -gt 1 ] || least=0
    bytes=$(sed -n 's/[^0-9]*withdrawn$//p' out)
    [ "$bytes" -gt $least ] && { [ $from -gt 1 ] || [ "$bytes" -lt 1500 ]; } &&
        r=0 || r=1
    report $r "wrong from product $from on: $bytes bytes are withdrawn"
    work CUSIM_SEED=0
    ends 0 'is done' "the next start"
    kept "the same part"
    same "spool/done/$id/checkpoint.json" checkpoint.json "the same root"
done

# The library is wrong: as it is opened, when it is not used; later.
sed 's/"once"/"once upon a time there was a king who had a fox and a hat"/
     s/"max_tokens":12/"max_tokens":2/' in.jsonl >long.jsonl
mv long.jsonl in.jsonl
submit
work CUSIM_SEED=0 --kernel=reference --batch=4
cp "spool/done/$id/part-0000.h5" part.h5
submit
work CUSIM_WRONG=1 --batch=4
grep -q 'kernels of our own.*cublasLt does not add exactly' err && r=0 || r=1
report $r "a library that is wrong as it is opened: exit status $got"
submit
work CUSIM_WRONG=200 --batch=4
ends 75 'a product of layer .* is wrong' "a library that is wrong later"
work CUSIM_SEED=0 --batch=4
ends 0 'is done' "the next start"
kept "the same part"

if ! command -v mpirun >/dev/null ||
    ! "$APUS_LIBEXEC/apus-worker" --version | grep -q MPI$; then
    finish
fi
submit
got=0
CUSIM_DEVICES=2 mpirun --oversubscribe \
    -n 1 "$sim" --threads=1 --batch=1 -- "$id" : \
    -n 1 env CUSIM_WRONG=400 "$sim" --threads=1 --batch=1 -- "$id" \
    >out 2>err </dev/null || got=$?
ends 75 'rank 1 on .* withdraws' "one of two ranks is wrong"
work CUSIM_SEED=0
ends 0 'is done' "the next start"
kept "the same part"
finish
