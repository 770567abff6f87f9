#!/bin/sh
# apus doctor: a machine in order, and each check failing once, with its
# remedy.  What is elsewhere is 0940-doctor.t.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_LAUNCHER=local
APUS_WALLET=$tmp/wallet.json
export APUS_CONFIG APUS_MODELS APUS_SPOOL APUS_LAUNCHER APUS_WALLET
(umask 077 && cat "$top/vectors/arweave/wallet-rsa4096.TEST-ONLY.jwk.json" \
    >wallet.json)

# The doctor says "no" because of this check, and what to do.
finds() { # STATUS CHECK PATTERN NAME ARGUMENT...
    status=$1 check=$2 pattern=$3 name=$4
    shift 4
    [ "$status" = bad ] && want=3 || want=0
    gives $want "$name" doctor --offline "$@"
    has out "^$status.$check.*$pattern.*remedy: ." "$name: it says so"
}

gives 3 "no models yet" doctor --offline
has out '^bad.models.*remedy: apus model add' "says how to get one"
has out '^warning.spool.no spool at ".*/spool"' "and no spool"
[ ! -e spool ] && [ ! -e models ] && r=0 || r=1
report $r "none is made by asking"
"$apus" model add "$top/models/nano" nano >out 2>err
mkdir -p spool/todo
gives 0 "a machine in order" doctor --offline
has out '^ok.spool' "the spool"
if [ "$(id -u)" -ne 0 ]; then
    chmod a-w spool/tmp
    finds bad spool 'cannot write in ".*/tmp"' "a spool that is only to be read"
    gives 1 "run there" run "$top/models/nano/eval.jsonl" -m nano -o x
    has err 'permission denied: let this user write there' "says what helps"
    chmod u+w spool/tmp
    gives 0 "a machine in order" doctor --offline
fi
has out '^ok.space' "its disk"
has out '^ok.batches' "its batches"
has out '^ok.models.1 in' "the models"
has out '^ok.arithmetic.reference' "the arithmetic"
has out '^ok.worker' "the worker"
has out '^ok.parser.*HDF5' "the parser of checkpoints"
grep -v '^warning.ranks.this is a build without MPI' out |
    grep -q '^bad\|^warning.[^w]' && r=1 || r=0
report $r "nothing is wrong"

other=sdot
[ "$(uname -m)" = x86_64 ] || other=avx2
finds bad arithmetic "kernel = $other" "a kernel of another CPU" \
    --kernel "$other"
if grep -q '^ok.gpu.*workers compute on the CPU' out; then
    finds bad gpu 'kernel = cuda' "no GPU that can be used" --kernel cuda
    finds bad gpu 'kernel = cuda' "nor on a node" --kernel cuda --node
fi

finds bad spool 'apus.conf' "a file for a spool" --spool "$tmp/apus.conf"
finds warning space 'MiB left' "a disk for less than a part" \
    --part-size 100000T
mkdir -p small
if mount -t tmpfs -o size=1m none small 2>/dev/null; then
    finds bad space 'MiB left' "a full disk" --spool "$tmp/small/spool"
    umount small
else
    n=$((n + 1))
    echo "ok $n - a full disk # SKIP cannot mount one"
fi

head -n 2 "$top/models/nano/eval.jsonl" >q.jsonl
if grep -q '^#define APUS_CRASH_TESTS 1' "$(dirname "$apus")/config.h"; then
    APUS_NO_LINKS=1
    export APUS_NO_LINKS
    finds warning spool 'no spool at' "a spool that is not made" \
        --spool "$tmp/none"
    finds warning spool 'no spool at' "nor does the doctor" --spool "$tmp/none"
    gives 1 "nor is a file taken there" run q.jsonl -m nano --ranks 1 \
        --spool "$tmp/none"
    has err 'no hard links, put the spool on another' "and why"
    unset APUS_NO_LINKS
    gives 0 "the disk of a spool is another" doctor --offline \
        --spool "$tmp/none"
    has out '^ok.spool' "it is in order"
    [ -z "$(ls -A none/tmp)" ] && r=0 || r=1
    report $r "nothing of the trial is left"
else
    n=$((n + 1))
    echo "ok $n - a disk without hard links # SKIP no crash tests"
fi

"$apus" run q.jsonl -m nano --ranks 1 >out 2>err
b=$(ls spool/done)
mv "spool/done/$b" spool/failed/
finds warning batches '1 failed' "a batch that failed"
echo 'cancelled: by hand' >"spool/failed/$b/why"
gives 0 "a batch that somebody cancelled is not trouble" doctor --offline
has out '^ok.batches.*1 cancelled; .*apus clean removes' "it says what there is"
has out '^ok.batches.*none failed' "and that nothing failed"
rm "spool/failed/$b/why"
mv "spool/failed/$b" spool/todo/
touch -d '3 days ago' "spool/todo/$b"
finds warning batches 'wait for two days' "a batch that no worker takes"
mv "spool/todo/$b" spool/running/
printf '{"host":"%s","boot":"%s","pid":1,"pid_start":"1"}\n' \
    "$(uname -n)" "$(cat /proc/sys/kernel/random/boot_id)" >owner
mv owner "spool/running/$b/owner-0099"
touch -d '3 days ago' "spool/running/$b/owner-0099" "spool/running/$b"
finds warning batches 'lost their worker' "a batch whose worker is dead"
rm -r "spool/running/$b"

for f in models/*.apus; do dd if=/dev/zero of="$f" bs=1 count=8 \
    conv=notrunc 2>/dev/null; done
finds bad model 'damaged' "a damaged model"
rm -r models
"$apus" model add "$top/models/nano" nano >out 2>err

# a program by itself, without its worker, or with another one
mkdir bin
cp "$apus" bin/apus
real=$apus
apus=$tmp/bin/apus
finds bad worker 'apus-worker' "no worker"
printf '#!/bin/sh\necho apus-worker 0.0 "(old), MPI"\n' >bin/apus-worker
chmod +x bin/apus-worker
finds bad worker 'old' "a worker of another build"
finds bad parser 'apus-part-index' "no parser"
printf '#!/bin/sh\necho "apus-part-index 0.0 (old), HDF5"\n' \
    >bin/apus-part-index
chmod +x bin/apus-part-index
finds bad parser 'old' "a parser of another build"
apus=$real

if "$(dirname "$apus")/apus-worker" --version | grep -q '), MPI'; then
    OMPI_ALLOW_RUN_AS_ROOT=1
    OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    export OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM
    old=$PATH
    printf '#!/bin/sh\nexit 1\n' >bin/mpirun
    chmod +x bin/mpirun
    PATH=$tmp/bin:$PATH
    finds bad ranks 'mpirun ended' "an mpirun that fails"
    PATH=$old
    gives 0 "a real one" doctor --offline
    has out '^ok.ranks' "two ranks see each other"
else
    n=$((n + 1))
    echo "ok $n - ranks # SKIP built without MPI"
fi
SLURM_CONF=$tmp/no-slurm.conf APUS_SLURM_TIMEOUT=2
export SLURM_CONF APUS_SLURM_TIMEOUT
finds bad slurm '' "no Slurm" --launcher slurm
finish
