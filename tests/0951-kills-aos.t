#!/bin/sh
# As 0950-kills.t, with the queue in the module that AO runs: messenger and
# compute unit are tests/aos-run/aos-net.mjs and stay alive, since no journal
# brings them back; gateway and bundler are localnet's and are killed like the
# nodes.
#
# 12 requests and 3 kills; with APUS_LONG 200 and 50.  Needs APUS_WITH_NPM=1
# (tests/npm.sh).
set -eu
. "${top_srcdir:-.}/tests/aos-run.sh"
. "$top/tests/scenario.sh"
. "$top/tests/localnet.sh"
n_requests=12
n_kills=3
[ -z "$long" ] || { n_requests=200; n_kills=50; }

trap 'aos_net_down; net_down; scratch_end' EXIT
net_up --delay 20 && r=0 || r=1
report $r "gateway and bundler"
[ $r -eq 0 ] || finish
aos_net_up --delay 20 && r=0 || r=1
report $r "messenger and compute unit"
[ $r -eq 0 ] || finish
APUS_AO_NETWORK=legacynet
APUS_AO_MU=$ao
APUS_AO_CU=$ao
export APUS_AO_NETWORK APUS_AO_MU APUS_AO_CU
ao_cu=$ao
. "$top/tests/network.sh"
# so that the work lasts as long as the killing
APUS_PULL_MAX=2
APUS_PULL_TOTAL=4
trap 'nodes_end; aos_net_down; net_down; scratch_end' EXIT
queue_up
ask $n_requests
kills $n_kills $n_requests
answered_once $n_requests
finish
