#!/bin/sh
# Start a private Slurm on this machine: munged, slurmctld and several slurmd,
# all of them on loopback and in one directory, as root, without systemd and
# without cgroups.
#
#   slurm-up.sh DIR     prints lines for a shell to eval
#   eval "$(slurm-up.sh DIR)"; sinfo; ...; slurm-down.sh DIR
#
# It takes ports that are free, so that several can run at once.  In the
# environment: NODES (4), CPUS (4 a node), GPUS (2 a node), KILLWAIT (2 s).  On
# failure run slurm-down.sh all the same.
set -eu
umask 022
dir=$1
nodes=${NODES:-4}
cpus=${CPUS:-4}
gpus=${GPUS:-2}
killwait=${KILLWAIT:-2}
PATH=/usr/sbin:/sbin:$PATH

die() { echo "slurm-up: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || die "must be root"
for p in munged slurmctld slurmd scontrol sinfo; do
    command -v $p >/dev/null || die "no $p"
done
getent hosts "$(hostname -s)" >/dev/null ||
    die "the name of this host does not resolve"
mkdir -p "$dir"/etc "$dir"/state "$dir"/log "$dir"/run
dir=$(cd "$dir" && pwd)
chmod 755 "$dir" "$dir"/run

# Print the first of $nodes + 1 free ports in a row.
free_ports() {
    used=$(sed -n 's/^ *[0-9]*: [0-9A-F]*:\([0-9A-F]*\) .*/\1/p' \
        /proc/net/tcp /proc/net/tcp6 2>/dev/null | tr '\n' ' ' || :)
    # two that search at the same time begin apart
    first=$((20000 + $$ % 1500 * 8))
    i=0
    while [ $i -le "$nodes" ]; do
        case " $used" in
        *" $(printf %04X $((first + i))) "*)
            first=$(((first - 20000 + 8) % 12000 + 20000)) i=0 ;;
        *) i=$((i + 1)) ;;
        esac
    done
    echo "$first"
}

start_munged() {
    key=$dir/etc/munge.key
    (umask 077 && head -c 128 /dev/urandom >"$key")
    # --force: it minds a parent directory that others can write
    munged --force --key-file="$key" --num-threads=2 \
        --socket="$dir/run/munge.sock" --pid-file="$dir/run/munged.pid" \
        --log-file="$dir/log/munged.log" \
        --seed-file="$dir/state/munged.seed" 2>>"$dir/log/munged.err" ||
        die "munged: $(cat "$dir/log/munged.err")"
}

# cred_expire: a requeued job is held until its credential has expired, by
# default two minutes.  NoInAddrAny, NoCtldInAddrAny: listen on the address
# given, and not on all.  TmpFS: PMIx keeps its files there, one for each
# fake node.  config_overrides: more CPUs than the machine has.
configure() {
    host=$(hostname -s)
    cat <<TXT
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$base
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/run/munge.sock,cred_expire=5
CredType=cred/munge
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/state/%n
TmpFS=$dir/tmp/%n
SlurmctldPidFile=$dir/run/slurmctld.pid
SlurmdPidFile=$dir/run/%n.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/%n.log
SlurmctldDebug=info
SlurmdDebug=info
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
PriorityType=priority/basic
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
SlurmdParameters=config_overrides
KillWait=$killwait
MinJobAge=300
InactiveLimit=0
SlurmctldTimeout=10
SlurmdTimeout=30
MessageTimeout=10
UnkillableStepTimeout=20
JobRequeue=1
RebootProgram=/bin/true
TXT
    gres=
    if [ "$gpus" -gt 0 ]; then
        echo GresTypes=gpu
        gres=Gres=gpu:$gpus
    fi
    # two sockets, where there are cores for them: with CPUs alone Slurm says
    # that each is one
    shape=
    if [ "$cpus" -ge 4 ] && [ $((cpus % 2)) -eq 0 ]; then
        shape="Sockets=2 CoresPerSocket=$((cpus / 2)) ThreadsPerCore=1"
    fi
    i=1
    while [ $i -le "$nodes" ]; do
        echo "NodeName=n$i NodeHostname=$host NodeAddr=127.0.0.1" \
            "Port=$((base + i)) CPUs=$cpus $shape RealMemory=1000 $gres"
        i=$((i + 1))
    done
    echo "PartitionName=batch Nodes=n[1-$nodes] Default=YES" \
        "MaxTime=INFINITE PriorityTier=1 PreemptMode=REQUEUE GraceTime=5"
    echo "PartitionName=urgent Nodes=n[1-$nodes]" \
        "MaxTime=INFINITE PriorityTier=10 PreemptMode=OFF"
}

# Devices that can be counted; a plain file counts too where mknod may not.
configure_gpus() {
    i=0
    while [ $i -lt "$gpus" ]; do
        mknod "$dir/run/gpu$i" c 1 3 2>/dev/null || : >"$dir/run/gpu$i"
        i=$((i + 1))
    done
    [ "$gpus" -eq 0 ] || echo "NodeName=n[1-$nodes] Name=gpu" \
        "File=$dir/run/gpu[0-$((gpus - 1))]"
}

start_nodes() {
    i=1
    while [ $i -le "$nodes" ]; do
        mkdir -p "$dir/state/n$i" "$dir/tmp/n$i"
        slurmd -N n$i || die "slurmd n$i, see $dir/log/n$i.log"
        i=$((i + 1))
    done
}

n_idle() { sinfo -h -N -p batch -t idle -o %N 2>/dev/null | wc -l; }

base=$(free_ports)
start_munged
configure >"$dir/etc/slurm.conf"
configure_gpus >"$dir/etc/gres.conf"
echo "IgnoreSystemd=yes" >"$dir/etc/cgroup.conf"
SLURM_CONF=$dir/etc/slurm.conf
export SLURM_CONF
slurmctld -i || die "slurmctld, see $dir/log/slurmctld.log"
start_nodes
end=$(($(date +%s) + 120)) # each question may itself take long
until [ "$(n_idle)" -eq "$nodes" ]; do
    [ "$(date +%s)" -lt $end ] || die "nodes not idle after 120 s"
    sleep 0.2
done
echo "SLURM_CONF='$SLURM_CONF'; export SLURM_CONF;"
