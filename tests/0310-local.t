#!/bin/sh
# Starting a worker on this machine (jobs/local.c), with a script as the
# worker: exit codes, signals, the log, and finding it again.
set -eu
top=$(cd "${top_srcdir:-.}" && pwd)
drive=$(cd "${top_builddir:-.}" && pwd)/tests/t_launcher
if [ ! -x "$drive" ]; then
    echo "1..0 # SKIP tests/t_launcher is not built"
    exit 0
fi
. "${top_srcdir:-.}/tests/scratch.sh"
. "${top_srcdir:-.}/tests/slow.sh"
cd "$tmp"
batch=0310_$$_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
batch=$(echo "$batch" | cut -c1-43)
# every worker writes its process id: none may outlive the scenario
clean() {
    [ ! -f pids ] || while read -r pid; do
        ! grep -qaF "$tmp" "/proc/$pid/cmdline" 2>/dev/null ||
            kill -9 "$pid" || :
    done <pids
    scratch_end
}
trap clean EXIT

. "$top/tests/report.sh"
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
    "$drive" local "$@" >out 2>err || got=$?
    [ "$got" -eq "$want" ] && r=0 || r=1
    report $r "$name: exit status $want"
    [ $r = 0 ] || echo "# got $got"
}
# A file has a line, after a while.
comes() { # FILE PATTERN
    t=0
    until grep -q -e "$2" "$1" 2>/dev/null; do
        t=$((t + 1))
        [ $t -lt 1200 ] || return 1
        sleep 0.1
    done
}

cat >worker <<'TXT'
#!/bin/sh
trap 'echo "saved $$"; echo "saved $$" >>"$0.saved"; exit 75' USR1
echo $$ >>"${0%/*}/pids"
case $1 in
--alone) shift ;;
*) echo "rank ${OMPI_COMM_WORLD_RANK:-none}" ;;
esac
case $1 in
exit) exit "$2" ;;
die) kill -9 $$ ;;
lossy)
    trap 'trap "exit 75" USR1' USR1
    echo "working $$" >"$0.started"
    i=0
    while [ $i -lt 300 ]; do sleep 0.1; i=$((i + 1)); done ;;
linger)
    (while :; do echo more >&2; done) &
    echo $! >>"${0%/*}/pids"
    exit 0 ;;
words) printf '<%s>' "$@"; echo ;;
where) pwd; echo "job ${SLURM_JOB_ID:-none}" ;;
work)
    echo "working $$"
    echo "working $$" >"$0.started"
    i=0
    while [ $i -lt 300 ]; do sleep 0.1; i=$((i + 1)); done ;;
esac
TXT
chmod +x worker
w=--worker=$tmp/worker

# ---- in the foreground ---------------------------------------------------
gives 0 "the worker is done" wait "$w" -- exit 0
gives 7 "the worker failed" wait "$w" -- exit 7
gives 137 "the worker was killed" wait "$w" -- die
# it would be waited for until the timeout
got=0
timeout -s KILL 120 "$drive" local wait "$w" -- linger >out 2>linger.err ||
    got=$?
test_that "a worker that leaves a process which writes on" [ $got -eq 0 ]
test_that "what that wrote is passed on" grep -q '^more$' linger.err
gives 1 "no such worker" wait --worker="$tmp/missing" -- exit 0
test_that "it is named" grep -q "^input: .*missing" err
gives 1 "no such directory" wait "$w" --dir="$tmp/missing" -- exit 0
gives 0 "words stay words" wait "$w" -- words 'a b' '' '$x' "it's"
test_that "as they were" grep -qxF "<words><a b><><\$x><it's>" out
SLURM_JOB_ID=7
export SLURM_JOB_ID
mkdir elsewhere
gives 0 "in a directory" wait "$w" --dir=elsewhere -- where
test_that "it is there" grep -q '/elsewhere$' out
test_that "and in no surrounding job" grep -q '^job none$' out
unset SLURM_JOB_ID

# a signal to the caller is USR1 to the worker
hup=HUP
# what is ignored here (as under nohup) stays ignored below
case $(sed -n 's/^SigIgn:.*\(.\)$/\1/p' /proc/self/status) in
[13579bdf]) hup= ;;
esac
for signal in USR1 USR2 TERM $hup; do
    rm -f worker.started
    "$drive" local wait "$w" --batch="$batch" -- work >out 2>err &
    caller=$!
    comes worker.started working || :
    if [ $signal = USR1 ]; then
        test_that "found while it works" "$drive" local find "$batch"
    fi
    kill -s $signal $caller
    got=0
    wait $caller || got=$?
    test_that "$signal: saved, 75" [ $got = 75 ]
    test_that "$signal: the worker saw USR1" grep -q '^saved' out
done
rm -f worker.started worker.saved
"$drive" local wait "$w" -- work >out 2>err &
caller=$!
comes worker.started working || :
kill -9 $caller
wait $caller 2>/dev/null || :
test_that "the caller is killed: the worker saves" comes worker.saved saved
rm -f worker.started
(trap '' HUP; exec "$drive" local wait "$w" -- work) >out 2>err &
caller=$!
comes worker.started working || :
kill -s HUP $caller
sleep 0.3
test_that "a signal that is ignored is not passed on" \
    sh -c '! grep -q saved out'
kill -s TERM $caller
wait $caller || :

# as mpirun, before its ranks are there
rm -f worker.started
"$drive" local wait "$w" -- lossy >out 2>err &
caller=$!
comes worker.started working || :
kill -s TERM $caller
got=0
wait $caller || got=$?
test_that "a signal that is lost is sent again" [ $got = 75 ]

# ---- in the background ---------------------------------------------------
log=--log=$tmp/deep/er/log
gives 4 "nothing there yet" find "$batch"
gives 1 "no log" submit "$w" --batch="$batch" -- work
gives 1 "a worker that is missing" submit --worker="$tmp/missing" "$log" \
    --batch="$batch" -- work
gives 0 "submit" submit "$w" "$log" --batch="$batch" -- work
id=$(cat out)
test_that "the directory of the log is made" comes deep/er/log working
gives 0 "find" find "$batch"
test_that "it is the one" grep -q "^$id running" out
gives 0 "list" list
test_that "it is among all jobs" grep -q "^$batch [0-9]*\$" out
gives 0 "submit it again" submit "$w" "$log" --batch="$batch" -- work
test_that "that gives the one that runs" grep -qx "$id" out
gives 0 "states" states "$id" 1:1 "${id%:*}:7"
test_that "running" grep -q "^$id running" out
test_that "another with its number is over" grep -q ":7 over" out
gives 0 "cancel" cancel "$id"
test_that "it saved" comes deep/er/log saved
t=0
while "$drive" local find "$batch" >out 2>err && [ $t -lt 1200 ]; do
    t=$((t + 1))
    sleep 0.1
done
gives 4 "found no more" find "$batch"
gives 0 "states after the end" states "$id"
test_that "over" grep -q "^$id over" out
gives 0 "cancel after the end" cancel "$id"
gives 0 "the next start" submit "$w" "$log" --batch="$batch" -- words next
test_that "the log continues" comes deep/er/log next
test_that "and keeps what it had" grep -q saved deep/er/log

# ---- with mpirun ---------------------------------------------------------
if command -v mpirun >/dev/null &&
    mpirun --version 2>/dev/null | grep -q 'Open MPI'; then
    OMPI_ALLOW_RUN_AS_ROOT=1
    OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    export OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM
    gives 0 "three ranks" wait "$w" --ranks=3 -- exit 0
    test_that "there are three" [ "$(grep -c '^rank [012]$' out)" = 3 ]
    gives 7 "a rank that fails" wait "$w" --ranks=2 -- exit 7
    rm -f worker.started
    "$drive" local wait "$w" --ranks=2 -- work >out 2>err &
    caller=$!
    comes worker.started working || :
    kill -s TERM $caller
    got=0
    wait $caller || got=$?
    test_that "ranks save when told" [ $got = 75 ]
    gives 0 "ranks in the background" submit "$w" --ranks=2 \
        --log="$tmp/ranks.log" -- exit 7
    test_that "mpirun says in the log that one failed" comes ranks.log \
        'non-zero'
    stamp='^[0-9-]*T[0-9:]*Z [^ ]* local:[0-9]* '
    test_that "each line says when" [ -z "$(grep -v "$stamp" ranks.log)" ]
else
    n=$((n + 1))
    echo "ok $n - ranks # SKIP no mpirun of Open MPI"
fi
echo "1..$n"
exit $failed
