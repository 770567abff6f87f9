#!/bin/sh
# Stop what slurm-up.sh started in DIR: slurm-down.sh DIR
#
# Daemons by their own pid files; jobs, and the steps' keepers, by this
# Slurm's configuration in their environment.
set -u
dir=$(cd "$1" && pwd) || exit 1
SLURM_CONF=$dir/etc/slurm.conf

# Is it such a daemon?  A number may have found another owner, and a zombie
# that nobody has reaped counts as gone.
alive() { # PID
    grep -qE '^(munged|slurmd|slurmctld)$' "/proc/$1/comm" 2>/dev/null &&
        grep -q '^State:[[:space:]]*[^ZX]' "/proc/$1/status" 2>/dev/null
}

pids() { cat "$@" 2>/dev/null; }

# All of them at once, and then five seconds for each.
stop() { # PID...
    for pid; do
        ! alive "$pid" || kill "$pid" 2>/dev/null
    done
    for pid; do
        t=0
        while alive "$pid" && [ $t -lt 50 ]; do
            t=$((t + 1))
            sleep 0.1
        done
        ! alive "$pid" || kill -9 "$pid" 2>/dev/null
    done
}

# Processes with this configuration that are in a job, or keep a step.
of_jobs() {
    grep -laF "SLURM_CONF=$SLURM_CONF" /proc/[0-9]*/environ 2>/dev/null |
        while read -r f; do
            pid=${f#/proc/}
            pid=${pid%/environ}
            if grep -qaF SLURM_JOB_ID= "$f" 2>/dev/null ||
                grep -q slurmstepd "/proc/$pid/comm" 2>/dev/null; then
                echo "$pid"
            fi
        done
}

# shellcheck disable=SC2046
stop $(pids "$dir"/run/n*.pid "$dir"/run/slurmctld.pid)
for pid in $(of_jobs); do
    kill -9 "$pid" 2>/dev/null
done
# shellcheck disable=SC2046
stop $(pids "$dir"/run/munged.pid)
exit 0
