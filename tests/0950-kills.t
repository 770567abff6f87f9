#!/bin/sh
# Two clusters drain one queue, and everything is killed with -9 again and
# again, the net itself too: each request is answered once, to the one who
# asked, with an answer that verifies.
#
# 40 requests and 8 kills; with APUS_LONG 1,000 and 50.  The moments come from
# a seed, which is printed; APUS_SEED gives another.
set -eu
seed=${APUS_SEED:-$$}
long=${APUS_LONG:-}
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/localnet.sh"
n_requests=40
n_kills=8
[ -z "$long" ] || { n_requests=1000; n_kills=50; }

net_up --delay 20 && r=0 || r=1
report $r "the net is up"
port=${url##*:}
ao_cu=$url/cu
. "$top/tests/network.sh"
queue_up
ask $n_requests

# ---- kills ------------------------------------------------------------------
node() { # NAME
    while [ ! -e stop ]; do
        drain "$1" || :
        sleep 0.2
    done
}
kill_nodes() {
    pkill -9 -f -- "--spool[ =]$tmp/[AB]" 2>/dev/null || :
}
trap ': >"$tmp/stop"; kill_nodes; net_down; rm -rf "$tmp"' EXIT
moments=$(awk -v seed="$seed" -v n=$n_kills 'BEGIN { srand(seed)
    for (i = 0; i < n; i++)
        printf "%.2f:%d ", 0.1 + 1.9 * rand(), int(4 * rand()) }')
echo "# seed $seed: $moments"
node A &
job_a=$!
node B &
job_b=$!
for m in $moments; do
    sleep "${m%:*}"
    case ${m#*:} in
    0) # the net and everything else
        kill -9 "$net_job" 2>/dev/null || :
        wait "$net_job" 2>/dev/null || :
        kill_nodes
        net_up --delay 20 --port "$port" || report 1 "the net is up again"
        ;;
    1) pkill -9 -f -- "--spool[ =]$tmp/A" 2>/dev/null || : ;;
    2) pkill -9 -f -- "--spool[ =]$tmp/B" 2>/dev/null || : ;;
    3) kill_nodes ;;
    esac
done
left=600
[ -z "$long" ] || left=6000
until [ "$(done_count)" = $n_requests ] || [ $left = 0 ]; do
    left=$((left - 1))
    age
    sleep 0.2
done
[ "$(done_count)" = $n_requests ] && r=0 || r=1
{ "$apus" queue info; tail -n 5 A.log B.log; } >out 2>err || :
report $r "after $n_kills kills the queue has $(done_count) answers"
: >stop
wait $job_a $job_b || :
# what was on its way
age
drain A && drain B && r=0 || r=1
report $r "a last round has nothing to say"

answered_once $n_requests
finish
