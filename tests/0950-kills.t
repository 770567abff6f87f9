#!/bin/sh
# Two clusters drain one queue, and everything is killed with -9 again and
# again, the net itself too: each request is answered once, to the one who
# asked, with an answer that verifies.
#
# 40 requests and 8 kills; with APUS_LONG 1,000 and 50.  The moments come from
# a seed, which is printed; APUS_SEED gives another.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/localnet.sh"
n_requests=40
n_kills=8
[ -z "$long" ] || { n_requests=1000; n_kills=50; }

net_up --delay 20 && r=0 || r=1
report $r "the net is up"
ao_cu=$url/cu
. "$top/tests/network.sh"
trap 'nodes_end; net_down; scratch_end' EXIT
queue_up
ask $n_requests
kills $n_kills $n_requests
answered_once $n_requests
finish
