#!/bin/sh
# apus-slurm: exit codes, and a controller that is not there is "down" within
# the deadline.
set -eu
slurm=${top_builddir:-.}/apus-slurm
if [ ! -x "$slurm" ]; then
    echo "1..0 # SKIP built without Slurm"
    exit 0
fi
. "${top_srcdir:-.}/tests/scratch.sh"
n=0
failed=0
try() { # NAME EXPECTED-STATUS EXPECTED-OUTPUT ARGUMENTS...
    n=$((n + 1))
    name=$1
    want=$2,$3
    shift 3
    status=0
    got=$("$slurm" "$@" 2>"$tmp/err") || status=$?
    got=$status,${got%% *}
    if [ "$got" = "$want" ]; then
        echo "ok $n - $name"
    else
        sed 's/^/# /' "$tmp/err"
        echo "# got $got and not $want"
        echo "not ok $n - $name"
        failed=1
    fi
}
try "--version" 0 apus-slurm --version
try "no command is misuse" 2 ""
try "a deadline that is not a number is misuse" 2 "" ping soon
# a controller on a port where nobody listens
cat >"$tmp/slurm.conf" <<TXT
ClusterName=nobody
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=1
AuthType=auth/none
NodeName=localhost
TXT
SLURM_CONF=$tmp/slurm.conf
export SLURM_CONF
try "a controller that does not answer is down" 1 down ping 2
SLURM_CONF=$tmp/missing
try "so is one without a configuration" 1 down ping 2
echo "1..$n"
exit $failed
