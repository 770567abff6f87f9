#!/bin/sh
# Jobs of a real Slurm that get nowhere, and when they are requeued: a worker
# that cannot be loaded, time limits, one task of an array, a job that may not
# be requeued.  APUS_LONG=1: a real time limit of a minute too.
set -eu
skip_all() { echo "1..0 # SKIP $*"; exit 0; }
build=$(cd "${top_builddir:-.}" && pwd)
[ "$(id -u)" = 0 ] || skip_all "a private Slurm needs root"
PATH=$PATH:/usr/sbin:/sbin
for p in munged slurmctld slurmd sbatch squeue scancel srun; do
    command -v $p >/dev/null || skip_all "no $p"
done
grep -q '^#define HAVE_MPI 1' "$build/config.h" ||
    skip_all "built without MPI"
for v in $(env | sed -n 's/^\(\(SLURM\|SBATCH\|SQUEUE\)_[A-Z_]*\)=.*/\1/p'); do
    unset "$v"
done
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/slow.sh"

clean() {
    [ ! -d slurm ] || sh "$top/tests/slurm-down.sh" "$tmp/slurm" || :
    for p in $(pgrep -x apus-worker); do
        ! tr '\0' '\n' 2>/dev/null <"/proc/$p/environ" |
            grep -q "^APUS_CONFIG=$tmp/" || kill -9 "$p" 2>/dev/null || :
    done
    rm -rf "$tmp"
}
trap clean EXIT
trap 'exit 1' HUP INT TERM
NODES=1 CPUS=8 sh "$top/tests/slurm-up.sh" slurm >up 2>err ||
    skip_all "slurm-up.sh: $(tail -n 1 err)"
eval "$(cat up)"

: >apus.conf
PATH=$top/jobs:$build:$PATH
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_RANK_TIMEOUT=30
OMPI_MCA_pml=ob1
OMPI_MCA_btl=self,tcp
OMPI_MCA_btl_tcp_if_include=lo
OMPI_MCA_oob_tcp_if_include=lo
export PATH APUS_CONFIG APUS_MODELS APUS_SPOOL APUS_RANK_TIMEOUT \
    OMPI_MCA_pml OMPI_MCA_btl OMPI_MCA_btl_tcp_if_include \
    OMPI_MCA_oob_tcp_if_include

"$apus" model add "$top/models/nano" nano >out 2>err
# A batch in todo: beside this copy of apus is a worker that begins nothing.
mkdir bin
cp "$apus" "$(dirname "$apus")/apus-part-index" bin
printf '#!/bin/sh\nexit 1\n' >bin/apus-worker
chmod +x bin/apus-worker
# queue NAME COPIES: 300 answers, so many times, that are long, so that none of
# 256 at once ends soon
queue() {
    for i in $(seq "${2:-1}"); do
        cat "$top/models/nano/eval.jsonl"
    done | sed "s/\"custom_id\": *\"/&$1-/"'
        s/"max_tokens": [0-9]*/"max_tokens": 200/
        s/"body": {/&"apus": {"ignore_eos": true}, /' >"$1.jsonl"
    bin/apus run "$1.jsonl" -m nano -o unused --ranks 1 >run.out 2>run.err ||
        :
    sed -n 's/.*batch \([A-Za-z0-9_-]\{43\}\).*/\1/p' run.err | head -n 1
}
# program DIR NAME: a script, from standard input, in a directory for PATH
program() {
    mkdir -p "$1"
    cat >"$1/$2"
    chmod +x "$1/$2"
}
job() { # NAME ARGUMENT...: submit with $PATH of now, the log is NAME.log
    name=$1
    shift
    sbatch --parsable -N1 -n1 -o "$name.log" "$@" 2>>err
}
field() { # JOB FIELD
    scontrol show job "$1" 2>/dev/null |
        sed -n "s/.*[[:space:]]$2=\([^[:space:]]*\).*/\1/p" | head -n 1
}
is_over() {
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
ends() { # JOB NAME EXIT-CODE RESTARTS
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
log_of() { # BATCH: it has opened a request
    [ -n "$(find spool*/running/b"$1" -name '*.log' -size +0 2>/dev/null)" ]
}

# ---- what is submitted -------------------------------------------------------
REAL=$build/apus-worker
export REAL
plain=$PATH
program cannot apus-worker <<'TXT'
#!/bin/sh
case " $* " in *" --outcome "*) exec "$REAL" "$@" ;; esac
echo "apus-worker: error while loading shared libraries: libx.so.1" >&2
exit 127
TXT
for how in 126 127 KILL; do
    program "outcome$how" apus-worker <<TXT
#!/bin/sh
case " \$* " in *" --outcome "*) ;; *) exit 0 ;; esac
[ $how != KILL ] || kill -9 \$\$
exit $how
TXT
done
program words apus-worker <<'TXT'
#!/bin/sh
case " $* " in
*" --outcome "*) ;;
*) echo "words: $*" ;;
esac
TXT
# what squeue says of the time that is left: of some jobs not what it is
program soon squeue <<'TXT'
#!/bin/sh
case " $* " in *" %L"*) echo 0:12 ;; *) exit 1 ;; esac
TXT
program unlimited squeue <<'TXT'
#!/bin/sh
echo UNLIMITED
TXT
program silent squeue <<'TXT'
#!/bin/sh
echo "slurm_load_jobs error: Unable to contact slurm controller" >&2
exit 1
TXT

a=$(queue a)
b=$(queue b)
c=$(queue c)
[ -n "$a" ] && [ -n "$b" ] && [ -n "$c" ] && r=0 || r=1
report $r "three batches"
PATH=$tmp/cannot:$plain
cannot=$(job cannot apus-batch.sh -- "$a")
for how in 126 127 KILL; do
    PATH=$tmp/outcome$how:$plain
    eval "outcome$how=\$(job outcome$how apus-batch.sh -- $a)"
done
PATH=$tmp/words:$plain
limit=$(job limit -t 1:30:00 apus-batch.sh x 'y z')
PATH=$tmp/unlimited:$tmp/words:$plain
nolimit=$(job nolimit apus-batch.sh x)
PATH=$tmp/silent:$tmp/words:$plain
silent=$(job silent -t 1:30:00 apus-batch.sh x)
PATH=$tmp/soon:$plain
soon=$(job soon apus-batch.sh --batch=256 -- "$b")
PATH=$plain
fixed=$(job fixed --no-requeue apus-batch.sh --batch=256 -- "$c")

# ---- what becomes of it ------------------------------------------------------
for how in 126 127; do
    eval "ends \$outcome$how outcome$how 1:0 0"
    said_once outcome$how "ended with status $how"
done
ends "$outcomeKILL" outcomeKILL 1:0 0
said_once outcomeKILL 'ended with status 137'
ends "$limit" limit 0:0 0
said_once limit '^words: --time-left=1:[0-9][0-9]:[0-9][0-9] x y z$'
ends "$nolimit" nolimit 0:0 0
said_once nolimit '^words: x$'
ends "$silent" silent 0:0 0
said_once silent '^words: x$'
comes log_of "$c" || :
scancel --signal=USR2 "$fixed"
ends "$fixed" fixed 75:0 0
said_once fixed 'submit again'
ends "$cannot" cannot 1:0 2
said_once cannot 'got nowhere'
[ -d "spool/todo/b$a" ] && r=0 || r=1
report $r "cannot: its batch is where it was"
comes is_over "$soon" || :
cp soon.log out
[ "$(field "$soon" ExitCode)" = 1:0 ] && r=0 || r=1
report $r "soon: a time limit that is too short ends with 1"
said_once soon 'longer time limit'

# ---- one task of an array ----------------------------------------------------
APUS_SPOOL=$tmp/spool2
d=$(queue d)
e=$(queue e)
array=$(sbatch --parsable -N1 -n1 -a 0-1 -o array-%a.log apus-batch.sh \
    --batch=256 2>>err)
comes log_of "$d" && comes log_of "$e" && r=0 || r=1
report $r "array: each of two tasks has a batch"
scancel --signal=USR1 "${array}_1"
requeued() { [ "$(field "${array}_1" Restarts)" = 1 ]; }
comes requeued && r=0 || r=1
cat array-1.log >out
report $r "array: the task that was told to save is requeued"
[ "$(field "${array}_0" Restarts)" = 0 ] &&
    [ "$(field "${array}_0" JobState)" = RUNNING ] && r=0 || r=1
cat array-0.log >out
report $r "array: the other goes on"
scancel "$array"

# ---- a real time limit -------------------------------------------------------
if [ -n "$long" ]; then
    APUS_SPOOL=$tmp/spool3
    f=$(queue f 20)
    real=$(job real -t 1 apus-batch.sh --batch=16 -- "$f")
    twice() { [ "$(sed -n '$=' spool3/*/b"$f"/run.jsonl)" -ge 2 ]; }
    comes twice || :
    cp real.log out
    twice && r=0 || r=1
    report $r "real: a limit of a minute, it is requeued"
    said_once real 'the time limit is near'
    set -- $(sed -n 's/.*"time":\([0-9]*\).*/\1/p' spool3/*/b"$f"/run.jsonl)
    [ $(($2 - $1)) -ge 40 ] && r=0 || r=1
    report $r "real: after $(($2 - $1)) s"
    scancel "$real"
fi

finish
