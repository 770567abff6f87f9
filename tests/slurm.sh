# What scenarios with a Slurm of their own share; sourced, with `set -eu` in
# force, and with NODES, CPUS and the like set for slurm-up.sh.  It sources
# tests/scenario.sh, and skips where a Slurm cannot be had.

skip_all() { echo "1..0 # SKIP $*"; exit 0; }
build=$(cd "${top_builddir:-.}" && pwd)
[ "$(id -u)" = 0 ] || skip_all "a private Slurm needs root"
PATH=$PATH:/usr/sbin:/sbin
for p in munged slurmctld slurmd sbatch squeue scancel scontrol srun; do
    command -v $p >/dev/null || skip_all "no $p"
done
grep -q '^#define HAVE_MPI 1' "$build/config.h" ||
    skip_all "built without MPI"
for v in $(env | sed -n 's/^\(S[A-Z]*_[A-Z_]*\)=.*/\1/p'); do
    case $v in
    SLURM* | SBATCH* | SQUEUE* | SRUN* | SALLOC*) unset "$v" ;;
    esac
done
. "${top_srcdir:-.}/tests/scenario.sh"

# Nothing that has this test's configuration in its environment is left.
clean() {
    [ ! -d slurm ] || sh "$top/tests/slurm-down.sh" "$tmp/slurm" || :
    for p in $(pgrep -x apus-worker || :); do
        ! tr '\0' '\n' 2>/dev/null <"/proc/$p/environ" |
            grep -q "^SLURM_CONF=$tmp/" || kill -9 "$p" 2>/dev/null || :
    done
    scratch_end
}
trap clean EXIT
sh "$top/tests/slurm-up.sh" slurm >up 2>err ||
    skip_all "slurm-up.sh: $(tail -n 1 err)"
eval "$(cat up)"

# four nodes that are one machine: shared memory would take some of them for
# one node, and others not
: >apus.conf
PATH=$top/jobs:$build:$PATH
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_LAUNCHER=slurm
APUS_LIBEXEC=$build
OMPI_MCA_pml=ob1
OMPI_MCA_btl=self,tcp
OMPI_MCA_btl_tcp_if_include=lo
OMPI_MCA_oob_tcp_if_include=lo
export PATH APUS_CONFIG APUS_MODELS APUS_SPOOL APUS_LAUNCHER APUS_LIBEXEC \
    OMPI_MCA_pml OMPI_MCA_btl OMPI_MCA_btl_tcp_if_include \
    OMPI_MCA_oob_tcp_if_include
"$apus" model add "$top/models/nano" nano >out 2>err

# program DIR NAME: a script, from standard input, in a directory for PATH
program() {
    mkdir -p "$1"
    cat >"$1/$2"
    chmod +x "$1/$2"
}
# questions N NAME: so many, each with a custom_id of its own
questions() {
    i=0
    while [ $((i * 300)) -lt "$1" ]; do
        sed "s/\"custom_id\": *\"/&$2-$i-/" "$top/models/nano/eval.jsonl"
        i=$((i + 1))
    done | head -n "$1"
}
# Whose answers take a while, so that they can be stopped.
long_questions() {
    questions "$1" "$2" |
        sed 's/"max_tokens": [0-9]*/"max_tokens": 200/
            s/"body": {/&"apus": {"ignore_eos": true}, /'
}
# A batch in todo of a file: beside this copy of apus is a worker that begins
# nothing.  Prints its id.
mkdir queue
cp "$apus" "$build/apus-part-index" queue
program queue apus-worker <<'TXT'
#!/bin/sh
exit 1
TXT
queue() { # FILE
    queue/apus run "$1" -m nano -o unused --ranks 1 >run.out 2>run.err || :
    sed -n 's/.*batch \([A-Za-z0-9_-]\{43\}\).*/\1/p' run.err | head -n 1
}
# The state of a batch.
state() { # BATCH
    "$apus" status "$1" 2>>status.err | cut -f 2
}
state_is() { [ "$(state "$1")" = "$2" ]; }
field() { # JOB FIELD
    scontrol show job "$1" 2>/dev/null |
        sed -n "s/.*[[:space:]]$2=\([^[:space:]]*\).*/\1/p" | head -n 1
}
is_over() { # JOB
    case $(field "$1" JobState) in
    PENDING | RUNNING | COMPLETING) return 1 ;;
    esac
}
# It comes true, within two minutes or so.
comes() { # COMMAND...
    left=600
    until "$@" >/dev/null 2>&1; do
        left=$((left - 1))
        [ $left -gt 0 ] || return 1
        sleep 0.2
    done
}
# A job ends, and so.
ends() { # JOB NAME EXIT-CODE RESTARTS: its log is NAME.log
    comes is_over "$1" || :
    got="$(field "$1" ExitCode), $(field "$1" Restarts) restarts"
    cp "$2.log" out 2>/dev/null || :
    [ "$got" = "$3, $4 restarts" ] && r=0 || r=1
    report $r "$2: it ends with $3 after $4 restarts"
    [ $r -eq 0 ] || echo "# got $got"
}
said_once() { # NAME PATTERN
    [ "$(grep -c -e "$2" "$1.log")" -eq 1 ] && r=0 || r=1
    cp "$1.log" out
    report $r "$1: it says once \"$2\""
}
