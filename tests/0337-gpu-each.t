#!/bin/sh
# What a GPU may fail with, one by one (tests/worker-sim, an emulated one):
# memory that is refused at each call that asks for some, and each error after
# which a GPU is lost.  The start ends with 75 and one error; the next one gives
# the CPU's bytes.
# part: all
set -eu
. "${top_srcdir:-.}/tests/gpu.sh"

for i in 1 2; do
    echo '{"custom_id":"'$i'","method":"POST","url":"/v1/completions","body":'\
'{"prompt":"once","max_tokens":3,"temperature":1,"seed":'$i\
',"apus":{"ignore_eos":true}}}'
done >in.jsonl

work() { # SETTING=VALUE ARGUMENT...
    setting=$1
    shift
    got=0
    env "$setting" "$sim" --alone --threads=1 --batch=2 "$@" -- "$id" \
        >out 2>err </dev/null || got=$?
}
submit
work CUSIM_SEED=0 --kernel=reference
cp "spool/done/$id/part-0000.h5" part.h5
cp "spool/done/$id/checkpoint.json" .

# Calls that ask for memory are counted; a start for which none is refused has
# made fewer.  Without memory for a graph of its launches it makes none.
denied=0
graphs=0
bad=
got=75
for at in $(seq 0 299); do
    submit
    work CUSIM_FAIL="$at"
    if [ $got -eq 75 ] && [ "$(grep -c 'error:' err)" -eq 1 ] &&
        grep -q 'the GPU .*\(out of memory\|does not give\)' err; then
        denied=$((denied + 1))
    elif [ $got -eq 0 ] && grep -q 'the GPU makes no graph' err; then
        graphs=$((graphs + 1))
        cmp "spool/done/$id/part-0000.h5" part.h5 >out 2>&1 || bad="$bad $at"
    else
        break
    fi
done
[ $got -eq 0 ] && [ $denied -gt 40 ] && [ -z "$bad" ] && r=0 || r=1
report $r "memory is refused at call 0 to $((at - 1)) in turn: $denied starts \
end with 75, $graphs make no graph; exit status $got"
kept "the same part where none is refused"

# ERROR WORDS REMEDY: what stays of a kernel's mistake says where to look.
while read -r error remedy words; do
    submit
    work CUSIM_LOSE="60:$error"
    ends 75 "GPU-[0-9a-f-]* is lost in step [0-9]*: .*$words" "$error, $words"
    [ "$(grep -c compute-sanitizer err)" -eq "$remedy" ] &&
        [ "$(grep -c 'error:' err)" -eq 1 ] && r=0 || r=1
    report $r "one error, which says what to look at: $remedy"
    work CUSIM_SEED=0
    kept "$error: the next start gives the same part"
done <<'TXT'
46 0 busy or unavailable
214 0 uncorrectable ECC error
700 1 illegal memory access
715 0 illegal instruction
716 1 misaligned address
717 1 operation not supported on global/shared address space
718 1 invalid program counter
719 1 unspecified launch failure
TXT

# A model whose numbers no kernel of ours makes.
"$apus" model add "$top/vectors/x1/models/tiny-gemma2" gemma --no-tokenizer \
    >out 2>err
"$apus" model add "$top/vectors/x1/models/tiny-qwen3-moe" experts \
    --no-tokenizer >out 2>err
echo '{"custom_id":"1","method":"POST","url":"/v1/completions","body":'\
'{"prompt":[3,4],"max_tokens":3,"seed":1}}' >in.jsonl
alone() { # ARGUMENT...
    rm -rf spool
    "$apus" submit in.jsonl -m "$model" --todo >out 2>err
    id=$(basename "$(find spool/todo -mindepth 1 -maxdepth 1)")
    got=0
    APUS_LOG_LEVEL=info "$sim" --alone --threads=1 "$@" -- "$id" >out 2>err \
        </dev/null || got=$?
}
for model in gemma experts; do
    what='soft caps'
    [ $model = gemma ] || what=experts:
    alone --kernel=reference
    ends 0 'is done' "$model: the CPU"
    cp "spool/done/$id/part-0000.h5" part.h5
    alone
    ends 0 "the CPU computes: the GPU kernels do not support $what" \
        "$model: auto"
    [ "$(grep -c 'do not support' err)" -eq 1 ] && r=0 || r=1
    report $r "it is said once"
    kept "the same part"
    SLURM_JOB_GPUS=0
    export SLURM_JOB_GPUS
    alone
    unset SLURM_JOB_GPUS
    ends 1 "SLURM_JOB_GPUS promises a GPU: the GPU kernels do not support" \
        "$model, under a promise: another node would not help"
    [ "$(grep -c 'do not support' err)" -eq 1 ] && [ ! -e spool/log/no-gpu ] &&
        [ -d "spool/todo/$id" ] && r=0 || r=1
    report $r "one error, the batch waits, no node is left out"
    alone --kernel=cuda
    ends 1 "do not support $what" "$model, kernel = cuda"
    gives 1 "$model: refused as it is submitted" submit in.jsonl -m "$model" \
        --kernel cuda --dry-run
    has err "do not support $what" "by name"
    gives 1 "$model: for GPUs of nodes, too" submit in.jsonl -m "$model" \
        --launcher slurm --gpus 1 --dry-run
    has err "do not support $what" "by name, too"
done
finish
