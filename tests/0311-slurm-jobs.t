#!/bin/sh
# Jobs of a real Slurm: four nodes on this machine, each question with the
# helper apus-slurm and without it, and apus-batch.sh with a script as the
# worker.
set -eu
skip_all() { echo "1..0 # SKIP $*"; exit 0; }
top=$(cd "${top_srcdir:-.}" && pwd)
build=$(cd "${top_builddir:-.}" && pwd)
drive=$build/tests/t_launcher
[ -x "$drive" ] || skip_all "tests/t_launcher is not built"
[ "$(id -u)" = 0 ] || skip_all "a private Slurm needs root"
PATH=$PATH:/usr/sbin:/sbin
for p in munged slurmctld slurmd sbatch squeue scancel srun; do
    command -v $p >/dev/null || skip_all "no $p"
done
for v in $(env | sed -n 's/^\(\(SLURM\|SBATCH\|SQUEUE\)_[A-Z_]*\)=.*/\1/p'); do
    unset "$v"
done

. "${top_srcdir:-.}/tests/scratch.sh"
. "${top_srcdir:-.}/tests/slow.sh"
cd "$tmp"
clean() {
    [ ! -d slurm ] || sh "$top/tests/slurm-down.sh" "$tmp/slurm"
    scratch_end
}
trap clean EXIT
sh "$top/tests/slurm-up.sh" slurm >up 2>err ||
    skip_all "slurm-up.sh: $(tail -n 1 err)"
eval "$(cat up)"

# A directory and a colon before PATH, where Slurm's programs tell that they
# were asked, but by a job.
watched=
mkdir watch
for p in sbatch squeue scancel; do
    cat >watch/$p <<TXT
#!/bin/sh
[ -n "\${SLURM_JOB_ID:-}" ] || echo $p >>$tmp/asked
exec $(command -v $p) "\$@"
TXT
done
chmod +x watch/*

. "$top/tests/report.sh"
skip() { # NAME REASON
    n=$((n + 1))
    echo "ok $n - $1 # SKIP $2"
}
test_that() { # NAME COMMAND...
    name=$1
    shift
    "$@" && r=0 || r=1
    report $r "$name"
}
gives() { # STATUS NAME ARGUMENT...
    want=$1
    name=$2
    shift 2
    got=0
    PATH=$watched$PATH "$drive" slurm "$@" >out 2>err || got=$?
    [ "$got" -eq "$want" ] && r=0 || r=1
    report $r "$name: exit status $want"
    [ $r = 0 ] || echo "# got $got"
}
# A command succeeds, within so many seconds.
within() { # SECONDS COMMAND...
    left=$(($1 * 10))
    shift
    until "$@" >/dev/null 2>&1; do
        left=$((left - 1))
        [ $left -gt 0 ] || return 1
        sleep 0.1
    done
}
in_file() { grep -q -e "$2" "$1"; }
state_is() { # ID STATE
    "$drive" slurm states "$1" | grep -q "^$1 $2"
}
tasks_are() { # ID COUNT: so many of an array run
    [ "$(squeue -h -t R -j "$1" -o %i | wc -l)" -eq "$2" ]
}
batch_id() { printf '%-43s\n' "$1-$$" | tr ' ' x; }

# ---- the worker -----------------------------------------------------------
# work NAME: until told to save, at most half a minute; twice NAME: there is
# more to do after the first start; always NAME: after every start
mkdir bin
cp "$top/jobs/apus-batch.sh" bin/
cat >bin/apus-worker <<TXT
#!/bin/sh
here=$tmp
TXT
cat >>bin/apus-worker <<'TXT'
case $1 in
--time-left=*) shift ;;
esac
case $1 in
--outcome)
    case $2 in
    twice) [ "$(grep -c . "$here/$3.starts")" -ge 2 ] || exit 75 ;;
    always) exit 75 ;;
    fails) exit 1 ;;
    esac
    exit 0 ;;
esac
trap 'echo saved; exit 75' USR1 TERM
echo "task $SLURM_PROCID of $SLURM_NTASKS on $SLURMD_NODENAME," \
    "start $SLURM_RESTART_COUNT, secret ${SECRET:-none}, words $*"
[ "$SLURM_PROCID" != 0 ] || echo "$SLURM_JOB_ID" >>"$here/$2.starts"
[ "$1" = work ] || exit 0
i=0
while [ $i -lt 300 ]; do sleep 0.1; i=$((i + 1)); done
TXT
chmod +x bin/*
w=--worker=bin/apus-worker
SECRET=s
export SECRET

# ---- one round of everything ----------------------------------------------
round() { # LABEL
    b=$(batch_id "$1")
    log=$tmp/logs/$1/50%.log
    gives 4 "$1: nothing there yet" find "$b"
    gives 0 "$1: submit" submit "$w" --batch="$b" --log="$log" --nodes=2 \
        --ranks=2 --option=--gres=gpu:1 --option=--time=30 -- work "$1" 'a b'
    id=$(cat out)
    gives 0 "$1: find" find "$b"
    test_that "$1: it is the one" grep -q "^$id " out
    gives 0 "$1: list" list
    test_that "$1: it is among all jobs" grep -q "^$b $id\$" out
    test_that "$1: squeue knows its name" \
        [ "$(squeue -h -n "apus-$b" -o %A)" = "$id" ]
    scontrol show job "$id" >out
    test_that "$1: it may be requeued" grep -q "Requeue=1" out
    test_that "$1: the batch is in its comment" grep -q "Comment=apus-$b" out
    test_that "$1: a GPU on each node" \
        grep -q 'TresPerNode=gres:gpu:1' out
    test_that "$1: it runs" within 100 state_is "$id" running
    test_that "$1: two tasks on each of two nodes" within 100 in_file \
        "$log" '^task 3 of 4 .*secret none, words work .* a b$'
    gives 0 "$1: submit it again" submit "$w" --batch="$b" --log="$log" -- \
        work "$1"
    test_that "$1: that gives the one there is" grep -qx "$id" out
    gives 0 "$1: states" states 4000000 "$id"
    test_that "$1: one runs" grep -q "^$id running" out
    test_that "$1: one is unknown" grep -q "^4000000 over" out
    gives 0 "$1: the state of an unknown job" states 4000000
    test_that "$1: over" grep -q "^4000000 over unknown" out
    gives 0 "$1: cancel" cancel "$id"
    test_that "$1: it is over" within 100 state_is "$id" over
    test_that "$1: it saved" in_file "$log" '^saved'
    gives 0 "$1: cancel again" cancel "$id"
    gives 0 "$1: cancel an unknown job" cancel 4000000
    gives 4 "$1: found no more" find "$b"

    # of two tasks the last has the number of the array
    id=$(sbatch --parsable -a 0-1 -o /dev/null --wrap 'sleep 60')
    test_that "$1: two tasks of an array run" within 100 tasks_are "$id" 2
    gives 0 "$1: cancel the one that has the number of the array" cancel "$id"
    test_that "$1: one task of the array runs" within 100 tasks_are "$id" 1
    test_that "$1: it is the other" \
        [ "$(squeue -h -t R -j "$id" -o %i)" = "${id}_0" ]
    # and the other a number of its own
    gives 0 "$1: cancel the other, and one that is unknown" cancel 4000000 \
        "$(squeue -h -t R -j "$id" -o %A)"
    test_that "$1: no task runs" within 100 tasks_are "$id" 0

    gives 1 "$1: no such partition" submit "$w" --batch="$b" --log="$log" \
        --option=--partition=nowhere -- work "$1"
    test_that "$1: that is refused" grep -q '^input: .*partition' err
    gives 0 "$1: more nodes than there are" submit "$w" --batch="$b" \
        --log="$log" --nodes=99 -- work "$1"
    id=$(cat out)
    test_that "$1: it waits" within 50 state_is "$id" pending
    gives 0 "$1: cancel what waits" cancel "$id"
    test_that "$1: it waits no more" within 50 state_is "$id" over
}
helper() { # STATUS PATTERN NAME ARGUMENT...
    want=$1
    pattern=$2
    name=$3
    shift 3
    got=0
    conf=$SLURM_CONF
    case $name in
    "no configuration"*) conf=$tmp/missing ;;
    esac
    SLURM_CONF=$conf "$build/apus-slurm" "$@" >out 2>err || got=$?
    [ "$got" -eq "$want" ] && grep -q -e "$pattern" out && r=0 || r=1
    [ "$want" != 2 ] || [ "$got" != 2 ] || [ -s out ] || r=0
    report $r "helper: $name"
}
if [ -x "$build/apus-slurm" ]; then
    APUS_LIBEXEC=$build
    export APUS_LIBEXEC
    helper 0 '^{"jobs":\[\]}$' "the helper itself answers" find nobody
    helper 0 '^{"jobs":\[\]}$' "one unknown job" status 4000000
    helper 0 '^{"jobs":\[\]}$' "two of them" status 4000000 4000001
    helper 2 '' "no job" status
    helper 2 '' "no number" status 1x
    helper 2 '' "no script" submit --nodes=1
    helper 2 '' "no nodes" submit --nodes=0 bin/apus-batch.sh
    helper 2 '' "no such option" submit --mem=1 bin/apus-batch.sh
    helper 1 '"retry":false' "a script that is missing" submit missing
    echo 'exit 0' >plain
    helper 1 'not begin with.*"retry":false' "it is not a script" submit plain
    printf '#!/bin/sh\r\n' >dos
    helper 1 'DOS.*"retry":false' "it is a script of DOS" submit dos
    helper 1 '"retry":true' "no configuration, within the deadline" \
        find --timeout=1 nobody
    watched=$tmp/watch:
    round helper
    cp asked out 2>/dev/null || :
    test_that "helper: no program was asked" [ ! -e asked ]
    gives 0 "helper: a word that it does not know" submit "$w" \
        --batch="$(batch_id words)" --option=--mem=10 -- fails words
    cp asked out 2>/dev/null || :
    test_that "helper: that is for sbatch" grep -qx sbatch asked
    watched=
else
    skip "with the helper" "built without Slurm"
fi
APUS_LIBEXEC=$tmp/missing
export APUS_LIBEXEC
round programs
# a helper that libslurm ended
mkdir broken
printf '#!/bin/sh\necho fatal >&2\nexit 1\n' >broken/apus-slurm
chmod +x broken/apus-slurm
APUS_LIBEXEC=$tmp/broken
gives 4 "a helper that is broken is not an answer" find "$(batch_id broken)"

# ---- a submit without an answer, which came through -----------------------
cat >broken/apus-slurm <<TXT
#!/bin/sh
if [ "\$1" = submit ]; then
    echo once >>$tmp/submits
    sbatch -Q --job-name=apus-$(batch_id lost) --wrap='sleep 600'
    echo '{"error":"the controller does not answer","retry":true}'
    exit 1
fi
exit 3
TXT
gives 0 "a submit without an answer" submit "$w" \
    --batch="$(batch_id lost)" --log="$tmp/lost.log" -- work lost
test_that "gives the job that it made" [ "$(cat out)" = \
    "$(squeue -h -n "apus-$(batch_id lost)" -o %A)" ]
test_that "and makes no other" [ "$(grep -c once submits)" = 1 ]
"$drive" slurm cancel "$(cat out)" || :

# ---- requeues --------------------------------------------------------------
# by hand, from a shell inside another job, with a relative PATH
APUS_LIBEXEC=$build
PATH=bin:$PATH SLURM_RESTART_COUNT=200 SLURM_ARRAY_TASK_ID=3 \
    SLURM_CPU_BIND=quiet,mask_cpu:0x1 \
    sbatch --parsable -N1 -n1 -o twice.log bin/apus-batch.sh twice twice \
    >out 2>err || :
twice=$(cat out)
APUS_MAX_REQUEUES=0
export APUS_MAX_REQUEUES
gives 0 "a job that may not be requeued" submit "$w" \
    --batch="$(batch_id always)" --log="$tmp/always.log" --nodes=1 \
    --ranks=1 -- always always
always=$(cat out)
unset APUS_MAX_REQUEUES
gives 0 "a job that fails" submit "$w" --batch="$(batch_id fails)" \
    --log="$tmp/fails.log" --nodes=1 --ranks=1 -- fails fails
fails=$(cat out)
cp twice.log out 2>/dev/null || :
test_that "75 puts it back into the queue" within 250 in_file twice.log \
    'start 1,'
test_that "and then it is over" within 100 state_is "$twice" over
cp twice.log out
test_that "the first start was no restart" in_file twice.log 'start 0,'
test_that "two starts" [ "$(grep -c "^$twice$" twice.starts)" = 2 ]
scontrol show job "$twice" >out
test_that "it was done" in_file out 'JobState=COMPLETED'
scontrol show job "$always" >out
test_that "at its bound 75 ends a job" in_file out 'ExitCode=75:0'
test_that "and says so" in_file always.log 'requeued 0 times, and no more'
scontrol show job "$fails" >out
test_that "a worker that fails ends a job" in_file out 'ExitCode=1:0'
test_that "auto finds this Slurm" [ "$("$drive" auto name)" = slurm ]

# ---- no controller ---------------------------------------------------------
pid=$(cat slurm/run/slurmctld.pid)
kill "$pid"
within 50 sh -c "! kill -0 $pid || grep -q '^State:.Z' /proc/$pid/status" || :
APUS_SLURM_TIMEOUT=2
export APUS_SLURM_TIMEOUT
for APUS_LIBEXEC in "$build" "$tmp/missing"; do
    case $APUS_LIBEXEC in
    */missing) label="programs, no controller" ;;
    *) label="helper, no controller" ;;
    esac
    gives 1 "$label: submit" submit "$w" --batch="$(batch_id down)" \
        --log="$tmp/down.log" -- work down
    test_that "$label: try again later" grep -q '^retry:' err
    gives 1 "$label: find" find "$(batch_id down)"
    gives 0 "$label: states" states 1 2
    test_that "$label: nobody knows" \
        [ "$(grep -c '^[12] unanswered' out)" = 2 ]
    gives 1 "$label: cancel" cancel 1
    test_that "$label: cancel may work later" grep -q '^retry:' err
done
echo "1..$n"
exit $failed
