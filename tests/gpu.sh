# What scenarios with an emulated GPU share (tests/worker-sim); sourced in the
# place of scenario.sh, which it sources, with `set -eu` in force.  The model
# nano is there; a scenario writes the requests, in.jsonl.

sim=${top_builddir:-.}/tests/worker-sim
if [ ! -x "$sim" ]; then
    echo "1..0 # SKIP built without cusim"
    exit 0
fi
sim=$(cd "$(dirname "$sim")" && pwd)/worker-sim
. "${top_srcdir:-.}/tests/scenario.sh"
unset SLURM_STEP_GPUS SLURM_JOB_GPUS CUDA_VISIBLE_DEVICES
# What is to fail fails after the test of the device at its start, whose backend
# has two streams.
CUSIM_AFTER=2
export CUSIM_AFTER
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_LIBEXEC=$(dirname "$apus")
APUS_SPOOL=$tmp/spool
export APUS_CONFIG APUS_MODELS APUS_LIBEXEC APUS_SPOOL
"$apus" model add "$top/models/nano" nano >out 2>err

# The batch anew: $id.
submit() {
    rm -rf spool
    "$apus" submit in.jsonl -m nano --todo >out 2>err
    id=$(basename "$(find spool/todo -mindepth 1 -maxdepth 1)")
}
# How a worker ended, whose exit status is in $got and its messages in err.
ends() { # STATUS PATTERN NAME
    [ "$got" -eq "$1" ] && grep -q -e "$2" err && r=0 || r=1
    report $r "$3: exit status $got"
}
# Its part is the one in part.h5.
kept() { # NAME
    cmp "spool/done/$id/part-0000.h5" part.h5 >out 2>&1 && r=0 || r=1
    report $r "$1"
}
