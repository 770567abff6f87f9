#!/bin/sh
# A GPU that fails (tests/worker-sim, an emulated one): lost in mid-step,
# hanging, taken by another rank.  The rank says which device, keeps the tokens
# it has and ends with 75; the next start goes on to the same bytes.
# part: all
set -eu
. "${top_srcdir:-.}/tests/gpu.sh"

for i in 1 2 3 4; do
    echo '{"custom_id":"'$i'","method":"POST","url":"/v1/completions","body":'\
'{"prompt":"once upon","max_tokens":5,"temperature":1,"seed":'$i\
',"apus":{"ignore_eos":true}}}'
done >in.jsonl

# Work on the batch: its exit status in got, what it said in err.
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

uuid='GPU-[0-9a-f-]\{36\}'
fails='the GPU fails\( at [A-Za-z_]*\)\{0,1\}'
for launch in 1 70 300; do
    submit
    work CUSIM_LOSE=$launch
    ends 75 "$uuid is lost in step [0-9]*: $fails: unspecified launch" \
        "lost in launch $launch"
    grep -q 'compute-sanitizer' err && [ "$(grep -c 'error:' err)" -eq 1 ] &&
        r=0 || r=1
    report $r "one error, which says what to look at"
    work CUSIM_SEED=0
    ends 0 'is done' "the next start"
    kept "the same part after it"
done
for launch in 1 200; do
    submit
    work CUSIM_HANG=$launch
    ends 75 "$uuid is lost in step .*the GPU hangs" "launch $launch hangs"
    work CUSIM_SEED=0 --kernel=reference
    ends 0 'is done' "the CPU goes on"
    kept "the same part from it"
done

# A host that loses GPUs: once is chance, twice is not; the next start, as a
# job, goes elsewhere.
left_out() { # HOST or nothing
    hosts=$(awk 'NF == 2 { print $2 }' spool/log/no-gpu 2>/dev/null) || :
    [ "$hosts" = "$1" ] && r=0 || r=1
    report $r "left out by the next start: ${1:-no host}"
}
submit
SLURMD_NODENAME=n7
export SLURMD_NODENAME
work CUSIM_LOSE=60:214
ends 75 "$uuid is lost in step .*uncorrectable ECC error" "lost once"
left_out ''
work CUSIM_HANG=60
ends 75 'n7 has lost 2 GPUs within an hour: the next start leaves it out' \
    "lost again, by a hang"
left_out n7
unset SLURMD_NODENAME
"$apus" submit in.jsonl -m nano --dry-run --launcher slurm >out 2>err || :
has out '--exclude=n7 ' "as a job"
work CUSIM_SEED=0
ends 0 'is done' "the next start"
kept "the same part after it"

# Another program has most of the device: of weights, of keys and values; or it
# takes that while this one plans.
SLURMD_NODENAME=n7
export SLURMD_NODENAME
for taken in 1073600000 760000000; do
    submit
    work CUSIM_TAKEN=$taken
    left_out n7
    ends 75 "$(uname -n), $uuid: the GPU has .* other programs" \
        "another program has $taken bytes"
    [ "$(grep -c 'error:' err)" -eq 1 ] && r=0 || r=1
    report $r "one error says what there is, and what is needed"
    work CUSIM_SEED=0
    ends 0 'is done' "the next start"
    kept "the same part after it"
done
# Of what is not free CUDA itself has a fiftieth: where the weights of nano,
# 1277952 bytes, would not fit beside that, no other program is in the way.
for bytes in 1290000:20000:1 1310000:40000:75; do
    submit
    taken=${bytes#*:}
    CUSIM_MEM=${bytes%%:*}
    export CUSIM_MEM
    work CUSIM_TAKEN=${taken%:*}
    unset CUSIM_MEM
    ends ${taken#*:} 'the GPU has 1 of 1 MB free' "$bytes"
    has=$(grep -c 'other programs have the rest' err) || :
    [ "$has" -eq $((${taken#*:} / 75)) ] && r=0 || r=1
    report $r "other programs: said $has times"
done
for at in 2 20 45; do
    submit
    work CUSIM_FAIL=$at
    ends 75 'the GPU .*\(out of memory\|does not give\)' \
        "allocation $at is refused"
    [ $at -eq 2 ] || left_out n7
    [ "$(grep -c 'error:' err)" -eq 1 ] && r=0 || r=1
    report $r "one error"
    work CUSIM_SEED=0
    ends 0 'is done' "the next start"
    kept "the same part after it"
done

# The same where the GPU is shared, so that it is ranks of ours that have it:
# no later start would find more, but other settings do.
remedy='share-gpu = yes.*: set kv-memory, or start fewer ranks a GPU'
for setting in TAKEN=1073600000 TAKEN=760000000 FAIL=0 FAIL=1 FAIL=20 \
    FAIL=45; do
    submit
    work CUSIM_$setting --share-gpu=yes
    ends 1 "$(uname -n), $uuid: the GPU .*$remedy" "shared, $setting"
    left_out ''
    [ "$(grep -c 'error:' err)" -eq 1 ] && r=0 || r=1
    report $r "one error"
done
submit
work CUSIM_MEM=600000 --share-gpu=yes
ends 1 'the GPU has .* need' "shared, and too small for one rank"
grep -q 'kv-memory' err && r=1 || r=0
report $r "no setting helps"
unset SLURMD_NODENAME
# Slurm suspends jobs: the clock goes on, and the device, too.
for launch in 1 200; do
    submit
    work CUSIM_STOP=$launch
    ends 0 'is done' "stopped for an hour in launch $launch"
    kept "the same part after it"
done

# Two ranks of a machine, one device.
if ! command -v mpirun >/dev/null ||
    ! "$APUS_LIBEXEC/apus-worker" --version | grep -q MPI$; then
    finish
fi
both() { # SETTING=VALUE ARGUMENT...
    setting=$1
    shift
    submit
    got=0
    env "$setting" mpirun -n 2 --oversubscribe "$sim" --threads=1 --batch=1 \
        --kernel=cuda "$@" -- "$id" >out 2>err </dev/null || got=$?
}
SLURMD_NODENAME=n7
export SLURMD_NODENAME
both CUSIM_DEVICES=1
unset SLURMD_NODENAME
ends 0 "another rank computes on $uuid: start one rank a GPU" \
    "two ranks, one device: one is refused"
left_out ''
kept "the same part from the other"
both CUSIM_DEVICES=2
grep -q 'another rank' err && r=1 || r=0
report $r "two ranks, two devices"
kept "the same part from both"
# .. and slices of one, which a process sees one of.
slice() { printf 'MIG-%08x-0000-4000-8000-%012x' $$ "$1"; }
a=$(slice 1)
b=$(slice 2)
CUDA_VISIBLE_DEVICES=$a,$b
export CUDA_VISIBLE_DEVICES
both CUSIM_MIG=2
grep -q 'another rank' err && r=1 || r=0
report $r "two ranks, two slices"
for name in $a $b; do
    [ "$(grep -c "computes on $name, 512 of 512 MiB" err)" -eq 1 ] && r=0 || r=1
    report $r "one has $name"
done
kept "the same part from both"
CUDA_VISIBLE_DEVICES=$b
both CUSIM_MIG=2
ends 0 "another rank computes on $b: start one rank a GPU" \
    "two ranks, one slice: one is refused"
kept "the same part from the other"
both CUSIM_MIG=2 --share-gpu=yes
[ "$(grep -c "computes on $b" err)" -eq 2 ] && r=0 || r=1
report $r "one slice and share-gpu = yes"
# .. under the names that older drivers give them
gpu=$(printf 'MIG-GPU-%08x-0000-4000-8000-000000000000' $$)
CUDA_VISIBLE_DEVICES=$gpu/11/0,$gpu/12/0
both CUSIM_MIG=2
for name in $gpu/11/0 $gpu/12/0; do
    [ "$(grep -c "computes on $name, 512 of 512 MiB" err)" -eq 1 ] && r=0 || r=1
    report $r "one has $name"
done
kept "the same part from both"
CUDA_VISIBLE_DEVICES=$gpu/12/0
both CUSIM_MIG=2
ends 0 "another rank computes on $gpu/12/0: start one rank a GPU" \
    "two ranks, one of these: one is refused"
# What MPI sees when it starts, which may begin CUDA then.
cat >seen.c <<'TXT'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
int MPI_Init_thread(int *n, char ***argument, int required, int *provided)
{
    int (*next)(int *, char ***, int, int *) =
        (int (*)(int *, char ***, int, int *))dlsym(RTLD_NEXT,
                                                    "MPI_Init_thread");

    fprintf(stderr, "MPI sees %s\n", getenv("CUDA_VISIBLE_DEVICES"));
    return next(n, argument, required, provided);
}
TXT
CUDA_VISIBLE_DEVICES=$a,$b,
if ${CC:-cc} -shared -fPIC -o seen.so seen.c -ldl >out 2>&1; then
    cat >looks <<TXT
#!/bin/sh
LD_PRELOAD=$tmp/seen.so exec "$sim" "\$@"
TXT
    chmod +x looks
    with=$sim
    sim=./looks
    both CUSIM_MIG=2
    sim=$with
    for name in $a $b; do
        [ "$(grep -c "^MPI sees $name\$" err)" -eq 1 ] &&
            [ "$(grep -c "computes on $name, 512" err)" -eq 1 ] && r=0 || r=1
        report $r "MPI sees $name alone, as CUDA does"
    done
    kept "the same part from both"
else
    report 0 "what MPI sees # SKIP no compiler"
fi
unset CUDA_VISIBLE_DEVICES
both CUSIM_DEVICES=1 --share-gpu=yes
grep -q 'another rank' err && r=1 || r=0
report $r "share-gpu = yes"
kept "the same part from ranks that share"
finish
