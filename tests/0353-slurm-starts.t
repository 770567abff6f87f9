#!/bin/sh
# Jobs of a real Slurm that get nowhere, and when they are requeued: a worker
# that cannot be loaded, time limits, one task of an array, a job that may not
# be requeued.  APUS_LONG=1: a real time limit of a minute too.
# part: all
set -eu
NODES=1 CPUS=8
export NODES CPUS
. "${top_srcdir:-.}/tests/slurm.sh"
. "$top/tests/slow.sh"
APUS_RANK_TIMEOUT=30
export APUS_RANK_TIMEOUT

# batch NAME COPIES: one in todo, of 300 answers, so many times, that are long,
# so that none of 256 at once ends soon
batch() {
    long_questions $((${2:-1} * 300)) "$1" >"$1.jsonl"
    queue "$1.jsonl"
}
job() { # NAME ARGUMENT...: submit with $PATH of now, the log is NAME.log
    name=$1
    shift
    sbatch --parsable -N1 -n1 -o "$name.log" "$@" 2>>err
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
case " $* " in *" %L"*) echo 0:16 ;; *) exit 1 ;; esac
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

a=$(batch a)
b=$(batch b)
c=$(batch c)
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
soon=$(job soon apus-batch.sh --batch=128 -- "$b")
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
# each start has some six seconds, and an answer takes longer
further() { grep -q 'asked to save: [1-9]' soon.log; }
comes further && r=0 || r=1
cp soon.log out
report $r "soon: starts that are shorter than an answer answer some"
scancel "$soon"
comes is_over "$soon" || :

# ---- one task of an array ----------------------------------------------------
APUS_SPOOL=$tmp/spool2
d=$(batch d)
e=$(batch e)
array=$(sbatch --parsable -N1 -n1 -a 0-1 -o array-%a.log apus-batch.sh \
    --batch=256 2>>err)
comes log_of "$d" && comes log_of "$e" && r=0 || r=1
report $r "array: each of two tasks has a batch"
scancel --signal=USR1 "${array}_1"
requeued() { [ "$(field "${array}_1" Restarts)" = 1 ]; }
comes requeued && r=0 || r=1
cat array-1.log >out
report $r "array: the task that was asked to save is requeued"
[ "$(field "${array}_0" Restarts)" = 0 ] &&
    [ "$(field "${array}_0" JobState)" = RUNNING ] && r=0 || r=1
cat array-0.log >out
report $r "array: the other continues"
scancel "$array"

# ---- a real time limit -------------------------------------------------------
if [ -n "$long" ]; then
    APUS_SPOOL=$tmp/spool3
    f=$(batch f 20)
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
