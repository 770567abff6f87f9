#!/bin/sh
# kernel = auto: a GPU computes where one answers (tests/worker-sim, an emulated
# one); without it the CPU does, which is said once; a rank that was promised a
# GPU and can use none ends with 75 and one line.  The bytes are the same.
# part: all
set -eu
. "${top_srcdir:-.}/tests/gpu.sh"

for i in 1 2; do
    echo '{"custom_id":"'$i'","method":"POST","url":"/v1/completions","body":'\
'{"prompt":"once","max_tokens":3,"seed":'$i'}}'
done >in.jsonl

# Answer the batch anew: its exit status in got, what it said in err.
answer() { # WORKER ARGUMENT...
    submit
    program=$1
    shift
    got=0
    "$program" --alone --threads=1 "$@" -- "$id" >out 2>err </dev/null ||
        got=$?
}

answer "$sim" --kernel=reference
cp "spool/done/$id/part-0000.h5" part.h5
answer "$sim"
[ "$(grep -c 'the CPU computes' err)" -eq 0 ] && r=0 || r=1
report $r "auto takes the device and says nothing"
kept "the same part from the device"
# .. it did not compute on the CPU in silence: no launch, no answer
CUSIM_MEM=100000
export CUSIM_MEM
answer "$sim"
unset CUSIM_MEM
ends 1 'the GPU has' "a device that is full: one error"
has err 'set kernel to one of the CPU, or tp to let several GPUs hold it' \
    "what helps"

CUSIM_DEVICES=0
export CUSIM_DEVICES
answer "$sim"
ends 0 'the CPU computes: cannot use a GPU on this machine' "auto without one"
[ "$(grep -c 'GPU' err)" -eq 1 ] && r=0 || r=1
report $r "it is said once"
kept "the same part from the CPU"
for name in SLURM_STEP_GPUS SLURM_JOB_GPUS CUDA_VISIBLE_DEVICES; do
    eval "$name=0; export $name"
    answer "$sim"
    ends 75 "$(uname -n), where $name promises a GPU: cannot use" "$name"
    [ "$(grep -c . err)" -eq 1 ] && [ -d "spool/todo/$id" ] && r=0 || r=1
    report $r "one line, and the batch waits"
    answer "$sim" --kernel=reference
    ends 0 'is done' "$name, and a kernel of the CPU"
    unset "$name"
done
CUDA_VISIBLE_DEVICES=-1
export CUDA_VISIBLE_DEVICES
answer "$sim"
ends 0 'the CPU computes' "CUDA_VISIBLE_DEVICES=-1 promises nothing"
unset CUDA_VISIBLE_DEVICES
answer "$sim" --kernel=cuda
ends 75 "$(uname -n), where kernel = cuda promises a GPU: cannot use" \
    "kernel = cuda"
# the next start, as a job, goes elsewhere, unless a person chose hosts
[ ! -e spool/log/no-gpu ] && r=0 || r=1
report $r "a host that Slurm does not name is not left out"
SLURMD_NODENAME=n7
export SLURMD_NODENAME
answer "$sim" --kernel=cuda
unset SLURMD_NODENAME
next() { # ARGUMENT...
    "$apus" submit in.jsonl -m nano --dry-run --launcher slurm "$@" \
        >out 2>err || :
}
next
has out "sbatch .*--exclude=n7 " "the next start leaves this node out"
has err "leaving out n7, where no GPU could be used" "it is said"
for words in --exclude=other '-x other' '-w n7' --nodelist=n7 '-F file'; do
    next --sbatch="$words"
    grep -q "exclude=n7" out && r=1 || r=0
    report $r "hosts that a person chooses are the only ones: $words"
done
next --kernel reference
grep -q exclude out && r=1 || r=0
report $r "a kernel of the CPU needs no GPU"
unset CUSIM_DEVICES

# A driver that is too old, and a slice of a device.
CUSIM_DRIVER=12040
export CUSIM_DRIVER
answer "$sim"
ends 0 'the CPU computes: cannot use a GPU.*CUDA 13 needs driver 580' \
    "auto with an old driver"
answer "$sim" --kernel=cuda
ends 75 "$(uname -n), where kernel = cuda promises.*needs driver 580" \
    "kernel = cuda with an old driver"
CUSIM_DRIVER=0
answer "$sim"
ends 0 'the CPU computes: .*it has no driver of NVIDIA; CUDA 13 needs driver' \
    "auto without a driver"
unset CUSIM_DRIVER
CUDA_VISIBLE_DEVICES=MIG-1
export CUDA_VISIBLE_DEVICES
answer "$sim"
ends 0 'is done' "a MIG slice"
kept "the same part from it"
"$sim" --show-gpus >out 2>err
has out 'device 0: emulated device, MIG-[0-9a-f]' "it has a name of its own"

# Slices of one GPU, which a process sees one of.
slice() { printf 'MIG-%08x-0000-4000-8000-%012x' $$ "$1"; }
a=$(slice 1)
b=$(slice 2)
CUSIM_MIG=2
CUDA_VISIBLE_DEVICES=$b
export CUSIM_MIG
answer "$sim"
ends 0 "computes on $b, 512 of 512 MiB free" "its log names it, and its memory"
kept "the same part from it"
CUSIM_MEM=600000000
export CUSIM_MEM
answer "$sim"
ends 1 'the GPU has' "what a GPU holds and its slice does not"
CUSIM_MIG=1
answer "$sim"
ends 0 'is done' "the GPU holds it"
unset CUSIM_MEM CUSIM_MIG
CUSIM_MIG=2 CUDA_VISIBLE_DEVICES=$b,$a "$sim" --show-gpus >out 2>err
has out '^ok 2 slices of GPUs (MIG), one a rank' "doctor's words: how many"
has out "device 0: emulated device MIG, $b, .* 512 of 512 MiB free" \
    "the first one"
unset CUDA_VISIBLE_DEVICES

# What a device does not give.
answer "$sim" --tensors=hidden
ends 0 'the CPU computes: a GPU gives no hidden rows' "auto, hidden rows"
SLURM_JOB_GPUS=0
export SLURM_JOB_GPUS
answer "$sim" --tensors=hidden
ends 1 'promises a GPU: a GPU gives no hidden rows' "under a promise"
unset SLURM_JOB_GPUS
answer "$sim" --tensors=hidden --kernel=cuda
ends 1 'a GPU gives no hidden rows' "with kernel = cuda"

# The worker that is installed, on a machine without a driver.
if "$APUS_LIBEXEC/apus-worker" --show-gpus | grep -q '^ok no driver'; then
    answer "$APUS_LIBEXEC/apus-worker"
    ends 0 'the CPU computes.*has no driver' "a build with CUDA, no driver"
    [ "$(grep -c 'the CPU computes' err)" -eq 1 ] && r=0 || r=1
    report $r "it is said once"
    kept "the same part"
    answer "$APUS_LIBEXEC/apus-worker" --kernel=cuda
    ends 75 'promises a GPU' "a build with CUDA, no driver, kernel = cuda"
    [ "$(grep -c . err)" -eq 1 ] && [ -d "spool/todo/$id" ] && r=0 || r=1
    report $r "one line, and the batch waits"
fi

# doctor says what there is.
APUS_WORKER=$sim
export APUS_WORKER
"$apus" doctor --offline >out 2>err || :
has out 'gpu.*device 0: emulated device, GPU-.*MiB free' "doctor: a device"
has out '^ok.gpu.device 0 computes X1' "doctor: what it computes"
CUSIM_AFTER=0 CUSIM_WRONG=1 "$apus" doctor --offline --kernel cuda >out 2>err ||
    :
has out '^warning.gpu.GPU.* other numbers than X1.*remedy: drain' \
    "doctor: a device that is wrong"
has out '^bad.gpu.no device that can be used' "doctor: none is left"
CUSIM_DEVICES=0 "$apus" doctor --offline >out 2>err || :
has out 'gpu.*no driver' "doctor: no driver"
has out '^ok.gpu.workers compute on the CPU: no device that can be used$' \
    "doctor: what follows"
CUSIM_DEVICES=0 "$apus" doctor --offline --kernel cuda >out 2>err || :
has out '^bad.gpu.no device .* kernel = cuda.*remedy: set kernel' \
    "doctor: no device, and kernel = cuda"
"$apus" doctor --offline --kernel cuda >out 2>err || :
grep -q '^bad.gpu' out && r=1 || r=0
report $r "doctor: a device, and kernel = cuda"
CUSIM_DRIVER=12040 "$apus" doctor --offline >out 2>err || :
has out 'the driver is for CUDA 12.4, the runtime is CUDA 13.0' \
    "doctor: an old driver"
has out 'driver 580 or later' "what helps"
has out '^ok.gpu.workers .* no device that can be used: the driver' \
    "doctor: the reason"
has out '^ok.gpu.libcublasLt' "doctor: libraries, without a device"

# A management library of our own, with a driver and errors as we like.
cat >nvml.c <<'TXT'
#include <stdio.h>
#include <stdlib.h>
static int one;
int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
int nvmlSystemGetDriverVersion(char *v, unsigned n)
{
    snprintf(v, n, "%s", getenv("NVML_DRIVER"));
    return 0;
}
int nvmlDeviceGetHandleByUUID(const char *u, void **d)
{
    *d = &one;
    return *u != 'G';
}
int nvmlDeviceGetTotalEccErrors(void *d, int t, int c, unsigned long long *n)
{
    *n = strtoull(getenv("NVML_ECC"), NULL, 10);
    return d != &one || t != 1 || c != 0;
}
int nvmlDeviceGetRemappedRows(void *d, unsigned *c, unsigned *u, unsigned *w,
                              unsigned *f)
{
    const char *rows = getenv("NVML_ROWS");

    *c = *u = 5;
    *w = rows && *rows == 'w';
    *f = rows && *rows == 'f';
    return d != &one;
}
int nvmlEventSetCreate(void **set) { *set = &one; return 0; }
int nvmlEventSetFree(void *set) { return set != &one; }
int nvmlDeviceRegisterEvents(void *d, unsigned long long types, void *set)
{
    return d != &one || types != 8 || set != &one;
}
struct event {
    void *device;
    unsigned long long type, data;
    unsigned instance[2];
};
int nvmlEventSetWait_v2(void *set, struct event *e, unsigned ms)
{
    static int n;
    const char *xid = getenv("NVML_XID");

    if (!xid || n++ > 1)
        return 10;
    *e = (struct event){ &one, n == 1 ? 8 : 1, strtoull(xid, NULL, 10), { 0 } };
    return 0;
}
TXT
mkdir lib
if ! ${CC:-cc} -shared -fPIC -o lib/libnvidia-ml.so.1 nvml.c >out 2>err; then
    report 0 "NVML # SKIP no compiler"
    finish
fi
look() { # DRIVER ERRORS
    NVML_DRIVER=$1 NVML_ECC=$2 LD_LIBRARY_PATH=$tmp/lib \
        "$sim" --show-gpus >out 2>err
}
look 580.65.06 0
has out 'ok the driver 580.65.06 is for CUDA 13.0' "the driver's version"
grep -q warning out && r=1 || r=0
report $r "nothing is wrong"
look 550.54.15 0
has out 'warning driver 550.54.15 is too old: CUDA 13 needs 580' "550 for 13"
look 580.65.06 7
has out 'warning device 0: 7 uncorrected errors of its memory' "ECC"
NVML_ROWS=w
export NVML_ROWS
look 580.65.06 0
has out 'warning device 0: bad rows of its memory wait' "rows to be replaced"
NVML_ROWS=f
look 580.65.06 0
has out 'warning device 0: a bad row of its memory could not' "rows that fail"
unset NVML_ROWS
NVML_DRIVER=580
NVML_ECC=3
LD_LIBRARY_PATH=$tmp/lib
CUSIM_LOSE=40
export NVML_DRIVER NVML_ECC LD_LIBRARY_PATH CUSIM_LOSE
answer "$sim"
ends 75 'is lost in step .*: its memory has had 3 uncorrected errors' \
    "a device is lost"
NVML_XID=79
export NVML_XID
answer "$sim"
ends 75 'lost in step .*: the driver reports Xid 79 (the GPU has fallen off' \
    "the driver reports why"
NVML_XID=1000
answer "$sim"
ends 75 'lost in step .*: the driver reports Xid 1000: ' "or what"
finish
