#!/bin/sh
# apus drain with workers in a real Slurm: a round pulls and submits and waits
# for nothing, a second one starts no second job, one after the job pushes; and
# --wait does all of it.  Jobs that end before a worker begins count as starts.
# part: all
set -eu
skip_all() { echo "1..0 # SKIP $*"; exit 0; }
build=$(cd "${top_builddir:-.}" && pwd)
[ "$(id -u)" = 0 ] || skip_all "a private Slurm needs root"
PATH=$PATH:/usr/sbin:/sbin
for p in munged slurmctld slurmd sbatch squeue scancel srun pgrep; do
    command -v $p >/dev/null || skip_all "no $p"
done
grep -q '^#define HAVE_MPI 1' "$build/config.h" ||
    skip_all "built without MPI"
for v in $(env | sed -n 's/^\(\(SLURM\|SBATCH\|SQUEUE\)_[A-Z_]*\)=.*/\1/p'); do
    unset "$v"
done
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/localnet.sh"

clean() {
    [ ! -d slurm ] || sh "$top/tests/slurm-down.sh" "$tmp/slurm" || :
    pkill -9 -f "$tmp/[AB]" 2>/dev/null || :
    net_down
    scratch_end
}
trap clean EXIT
NODES=1 sh "$top/tests/slurm-up.sh" slurm >up 2>err ||
    skip_all "slurm-up.sh: $(tail -n 1 err)"
eval "$(cat up)"
net_up && r=0 || r=1
report $r "the net is up"
. "$top/tests/network.sh"
. "$top/tests/slow.sh"
PATH=$top/jobs:$build:$PATH
APUS_LAUNCHER=slurm
APUS_LIBEXEC=$build
export PATH APUS_LAUNCHER APUS_LIBEXEC
queue_up
ask 4

jobs_now() { squeue -h | wc -l; }
drain A >out 2>err && r=0 || r=1
report $r "a round"
[ -n "$(find A/todo A/running A/done -mindepth 1 -maxdepth 1)" ] && r=0 || r=1
report $r "has pulled a batch, and waits for nothing"
first=$(jobs_now)
drain A >out 2>err && r=0 || r=1
report $r "another round"
[ "$first" -le 1 ] && [ "$(jobs_now)" -le "$first" ] && r=0 || r=1
squeue >out 2>err
report $r "starts no second job"
left=3000
while [ -z "$(find A/done -mindepth 1 -maxdepth 1)" ] && [ $left -gt 0 ]; do
    left=$((left - 1))
    sleep 0.1
done
drain A >out 2>err && r=0 || r=1
report $r "a round after the job"
[ "$(done_count)" = 4 ] && r=0 || r=1
cat A.log >out
report $r "has brought the answers"

: >A.log
drain A && [ ! -s A.log ] && r=0 || r=1
cat A.log >out
report $r "with nothing to do it says nothing"
mv ids ids.first
ask 3
drain A --wait && r=0 || r=1
report $r "a round that waits"
[ "$(done_count)" = 7 ] && r=0 || r=1
cat A.log >out
report $r "has brought these too"

# ---- jobs that end before a worker begins ------------------------------------
mv ids ids.second
ask 1
scontrol update nodename=ALL state=drain reason=test >out 2>err
for i in 1 2 3 4; do
    drain A || report 1 "a round, $i"
    [ "$(jobs_now)" -eq 1 ] || report 1 "its job, $i"
    scancel -u "$(id -un)" >out 2>err
    left=300
    while [ "$(jobs_now)" -gt 0 ] && [ $left -gt 0 ]; do
        left=$((left - 1))
        sleep 0.1
    done
done
: >A.log
drain A && r=1 || r=0
cp A.log out
report $r "after three such jobs in a row"
has out 'starts' "the batch is given up"
[ "$("$apus" queue info | sed -n "s/^Pending$tab//p")" = 1 ] && r=0 || r=1
report $r "and its request left to others"
finish
