#!/bin/sh
# A job on the emulated GPU (tests/worker-sim): answers, traces and rows are
# those of the CPU, byte for byte, also when a start that was told to save is
# followed by one on the CPU.  Without a device kernel = cuda ends with 75.
set -eu
sim=${top_builddir:-.}/tests/worker-sim
if [ ! -x "$sim" ]; then
    echo "1..0 # SKIP built without cusim"
    exit 0
fi
sim=$(cd "$(dirname "$sim")" && pwd)/worker-sim
. "${top_srcdir:-.}/tests/scenario.sh"
worker=$(dirname "$apus")/apus-worker
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_LIBEXEC=$(dirname "$apus")
export APUS_CONFIG APUS_MODELS APUS_LIBEXEC
"$apus" model add "$top/models/nano" nano >out 2>err

# Prompts that begin alike, and draws of several kinds.  The first step has more
# rows than our own kernel for products takes at a time.
for i in 1 2 3; do
    echo '{"custom_id":"'$i'","method":"POST","url":"/v1/completions","body":'\
'{"prompt":"once upon a time, and once more, there was a king who had '$i\
'","max_tokens":6,"temperature":'$((i / 2))',"top_p":0.9,"seed":'$i\
',"apus":{"ignore_eos":true}}}'
done >in.jsonl

APUS_SPOOL=$tmp/cpu
export APUS_SPOOL
gives 0 "on the CPU" run in.jsonl -m nano -o cpu.out --ranks 1 --batch 2
APUS_SPOOL=$tmp/gpu
APUS_WORKER=$sim
export APUS_WORKER
gives 0 "on the emulated GPU" run in.jsonl -m nano -o gpu.out --ranks 1 \
    --batch 2 --kernel cuda
id=$(basename gpu/done/b*)
same cpu.out gpu.out "the same answers"
same "cpu/done/$id/part-0000.h5" "gpu/done/$id/part-0000.h5" \
    "the same part: traces and last rows"
[ "$(grep -c 'large products' err)" = 0 ] && r=0 || r=1
report $r "the library makes large products"
APUS_SPOOL=$tmp/own
CUSIM_BLAS=0
export CUSIM_BLAS
gives 0 "without the library" run in.jsonl -m nano -o own.out --ranks 1 \
    --batch 2 --kernel cuda
unset CUSIM_BLAS
same "cpu/done/$id/part-0000.h5" "own/done/$id/part-0000.h5" "the same part"
[ "$(grep -c 'no graph' err)" = 0 ] && r=0 || r=1
report $r "the GPU makes graphs"
APUS_SPOOL=$tmp/single
gives 0 "kernel by kernel" run in.jsonl -m nano -o single.out --ranks 1 \
    --batch 2 --kernel cuda --gpu-graphs no
same "cpu/done/$id/part-0000.h5" "single/done/$id/part-0000.h5" "the same part"
APUS_SPOOL=$tmp/none
CUSIM_GRAPHS=0
export CUSIM_GRAPHS
gives 0 "a GPU that makes no graph" run in.jsonl -m nano -o none.out \
    --ranks 1 --batch 2 --kernel cuda
unset CUSIM_GRAPHS
has err 'the GPU makes no graph of launches' "it is said"
same "cpu/done/$id/part-0000.h5" "none/done/$id/part-0000.h5" "the same part"

# A start that is told to save, one that finds no device, one on the CPU.
APUS_SPOOL=$tmp/spool
unset APUS_WORKER
gives 0 "the same, interrupted" submit in.jsonl -m nano --todo
"$sim" --alone --batch=2 --kernel=cuda -- "${id#b}" >out 2>err </dev/null &
pid=$!
left=1200
while [ $left -gt 0 ] && kill -0 $pid 2>/dev/null; do
    some=$(sed -n 's/.*"tokens":\([0-9]*\).*/\1/p' \
        "spool/running/$id/progress" 2>/dev/null | head -n 1)
    [ "${some:-0}" -eq 0 ] || break
    left=$((left - 1))
    sleep 0.05
done
kill -USR1 $pid 2>/dev/null || :
got=0
wait $pid || got=$?
[ $got -eq 75 ] && r=0 || r=1
report $r "a start on the GPU is saved: $got"
got=0
CUSIM_DEVICES=0 "$sim" --alone --kernel=cuda -- "${id#b}" >out 2>err \
    </dev/null || got=$?
[ $got -eq 75 ] && [ "$(grep -c . err)" = 1 ] &&
    grep -q 'cannot use a GPU on this machine: no device is' err && r=0 || r=1
report $r "no GPU: one line, exit status $got"
got=0
"$worker" --alone -- "${id#b}" >out 2>err </dev/null || got=$?
[ $got -eq 0 ] && r=0 || r=1
report $r "the CPU continues: $got"
same "cpu/done/$id/part-0000.h5" "spool/done/$id/part-0000.h5" \
    "the same part of both"
finish
