#!/bin/sh
# Goal of this test: a machine that is not what the engine would like answers
# all the same, to the byte, or says in one line why not, and the batch stays:
# a CPU without AVX2 (by qemu-x86_64), half a core, an affinity mask that
# changes, less memory than the weights need, tiles of AMX that the system
# refuses, a self-test that fails.
# part: san
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
build=$(dirname "$apus")
worker=$build/apus-worker
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_RANKS=1
export APUS_CONFIG APUS_MODELS APUS_RANKS
skip() { n=$((n + 1)); echo "ok $n - $1 # SKIP $2"; }
built() { grep -q "^#define $1 1" "$build/config.h"; }

# A spool of its own with one batch in todo: its id is in $batch.
submit() { # SPOOL FILE MODEL
    APUS_SPOOL=$tmp/$1
    export APUS_SPOOL
    "$apus" submit "$2" -m "$3" --todo >out 2>err
    batch=$(basename "$APUS_SPOOL"/todo/b* | sed s/^b//)
}
answers() { # WANTED NAME: the batch is done and has these answers
    "$apus" export -o "$APUS_SPOOL.jsonl" -- "$batch" >out 2>err || :
    same "$1" "$APUS_SPOOL.jsonl" "$2: the same answers"
}

"$apus" model add "$top/models/nano" nano >out 2>err
head -n 12 "$top/models/nano/eval.jsonl" >q.jsonl
APUS_SPOOL=$tmp/native
export APUS_SPOOL
gives 0 "this machine" run q.jsonl -m nano -o want.jsonl

# ---- another CPU -----------------------------------------------------------
if ! command -v qemu-x86_64 >/dev/null || [ "$(uname -m)" != x86_64 ]; then
    skip "a CPU without AVX2" "no qemu-x86_64"
elif grep -q 'fsanitize=' "$build/config.status"; then
    # qemu would touch all the memory that the sanitizer reserves
    skip "a CPU without AVX2" "a build with sanitizers"
elif ! qemu-x86_64 -cpu Nehalem "$apus" --version >out 2>err; then
    skip "a CPU without AVX2" "qemu-x86_64 cannot run this build"
else
    has out '^kernels: reference$' "a CPU without AVX2 has the reference"
    submit nehalem q.jsonl nano
    got=0
    qemu-x86_64 -cpu Nehalem "$worker" --alone -- "$batch" >out 2>err ||
        got=$?
    report $got "a CPU without AVX2 works"
    answers want.jsonl "a CPU without AVX2"
fi

# ---- an affinity mask that changes -----------------------------------------
cpus=$(nproc)
if [ "$cpus" -lt 2 ] || ! command -v taskset >/dev/null; then
    skip "an affinity mask that changes" "one processor, or no taskset"
else
    sed 's/"body": {/&"apus": {"ignore_eos": true}, /' q.jsonl >long.jsonl
    APUS_SPOOL=$tmp/mask0
    gives 0 "long answers" run long.jsonl -m nano -o long.want
    submit mask long.jsonl nano
    "$worker" --alone -- "$batch" >out 2>err </dev/null &
    pid=$!
    first=$(taskset -cp $pid | sed 's/.*: *\([0-9]*\).*/\1/')
    taskset -acp "$first" $pid >mask.out 2>&1 || :
    got=0
    wait $pid || got=$?
    report $got "an affinity mask that changes"
    answers long.want "an affinity mask that changes"
fi

# ---- control groups --------------------------------------------------------
# Of version 1; of version 2 where this process may make groups.
group=apus-$$
cpu=/sys/fs/cgroup/cpu/$group
memory=/sys/fs/cgroup/memory/$group
if mkdir "$cpu" 2>/dev/null && mkdir "$memory" 2>/dev/null; then
    trap 'rmdir "$cpu" "$memory" 2>/dev/null || :; scratch_end' EXIT
    echo 100000 >"$cpu/cpu.cfs_period_us"
    echo 50000 >"$cpu/cpu.cfs_quota_us"
    echo 100000000 >"$memory/memory.limit_in_bytes"
else
    rmdir "$cpu" 2>/dev/null || :
    group=
fi
# What a command does in them: its exit status in $got.
in_group() {
    got=0
    sh -c 'for g; do
        case $g in -) shift; break ;; esac
        echo $$ >"$g/cgroup.procs" && shift
    done; exec "$@"' sh "$cpu" "$memory" - "$@" >out 2>err </dev/null || got=$?
}
if [ -z "$group" ]; then
    skip "half a core" "no control group can be made here"
elif grep -q 'fsanitize=address' "$build/config.status"; then
    skip "half a core" "100 MB are too little for the address sanitizer"
else
    submit half q.jsonl nano
    in_group "$worker" --alone -- "$batch"
    report $got "half a core and 100 MB"
    answers want.jsonl "half a core and 100 MB"
fi

# ---- memory ----------------------------------------------------------------
# A model of SmolLM 135M's shape: 137 MB of weights, packed.
if [ ! -x "$build/tests/shapegguf" ]; then
    skip "less memory than weights" "no tests/shapegguf"
elif grep -q 'fsanitize=' "$build/config.status"; then
    skip "less memory than weights" "a build with sanitizers"
else
    "$build/tests/shapegguf" smollm-135m smol.gguf
    "$apus" model add smol.gguf smol --no-tokenizer >out 2>err
    rm smol.gguf
    cat >one.jsonl <<'TXT'
{"custom_id":"a","method":"POST","url":"/v1/completions","body":{"prompt":\
[1,2,3],"max_tokens":2}}
TXT
    sed -i 'N;s/\\\n//' one.jsonl
    submit limit one.jsonl smol
    got=0
    (ulimit -v 130000 && "$worker" --alone -- "$batch") >out 2>err || got=$?
    [ $got = 1 ] && [ "$(grep -c error err)" = 1 ] && r=0 || r=1
    report $r "no memory while weights are packed: one line"
    has err 'no memory for weights: [0-9]* bytes' "it names the bytes"
    [ -d "$APUS_SPOOL/todo/b$batch" ] &&
        r=0 || r=1
    report $r "the batch stays"
    if [ -n "$group" ]; then
        in_group "$worker" --alone -- "$batch"
        [ $got = 1 ] && [ "$(grep -c error err)" = 1 ] && r=0 || r=1
        report $r "a control group below the weights: one line, not killed"
        has err 'bytes of 9[0-9]* that this process may use' "it names both"
        # room for the weights, and for little else
        echo 140000000 >"$memory/memory.limit_in_bytes"
        # of the two in the group the kernel may end apus itself, which is
        # not what is tried here
        for try in 1 2 3 4; do
            APUS_LAUNCHER=local in_group "$apus" run one.jsonl -m smol
            [ $got = 137 ] && [ $try -lt 4 ] || break
        done
        [ $got = 1 ] && [ -d "$APUS_SPOOL/todo/b$batch" ] && r=0 || r=1
        report $r "a control group that holds the weights alone: it ends"
        has err 'killed a worker for want of memory, of which .* 133 MiB' \
            "it says why its workers end"
    fi
    got=0
    "$worker" --alone -- "$batch" >out 2>err || got=$?
    report $got "with memory it is answered"
fi

# ---- what only a build for crash tests can have ----------------------------
if ! built APUS_CRASH_TESTS; then
    skip "AMX refused, a self-test that fails" \
        "this build is without --enable-crash-tests"
    finish
fi
submit amx q.jsonl nano
APUS_AMX_REFUSED=1 "$worker" --alone -- "$batch" >out 2>err && r=0 || r=1
report $r "AMX without permission"
[ "$(grep -c 'warning: this CPU has AMX' err)" = 1 ] && r=0 || r=1
report $r "it says so in one line, and what computes"
answers want.jsonl "AMX without permission"
submit forced q.jsonl nano
got=0
APUS_AMX_REFUSED=1 APUS_KERNEL=amx "$worker" --alone -- "$batch" >out 2>err ||
    got=$?
[ $got = 1 ] && r=0 || r=1
report $r "kernel = amx is an error then"
has err 'kernel "amx" cannot be used here: this CPU has AMX' "with the reason"

submit selftest q.jsonl nano
got=0
APUS_SELFTEST_FAILS=1 "$worker" --alone -- "$batch" >out 2>err || got=$?
[ $got = 1 ] && [ -d "$APUS_SPOOL/todo/b$batch" ] && r=0 || r=1
report $r "a self-test that fails: the batch stays"
has err 'fails its test' "it says so"
if built HAVE_MPI && command -v mpirun >/dev/null; then
    OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 \
        mpirun --oversubscribe -n 1 "$worker" -- "$batch" : \
        -n 1 env APUS_SELFTEST_FAILS=1 "$worker" -- "$batch" \
        >out 2>err </dev/null && r=0 || r=1
    report $r "one of two nodes fails its self-test"
    has err 'rank 1.*fails its test' "its rank leaves and says so"
    answers want.jsonl "the other one works on"
else
    skip "one of two nodes" "no mpirun"
fi
finish
