#!/bin/sh
# Every kind of part, and the programs that people have: h5py, the tools of
# HDF5 with a filter, netCDF.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
python=/usr/bin/python3
[ -x $python ] || python=python3
if ! $python -c 'import h5py' 2>/dev/null; then
    echo "1..0 # SKIP no python3-h5py"
    exit 0
fi
. "$top/tests/hdf5_parts.sh"

skip() { # NAME REASON
    n=$((n + 1))
    echo "ok $n - $1 # SKIP $2"
}
values() { # FILE TO
    $python "$top/tests/hdf5_values.py" "$1" >"$2" 2>err
}
for p in $parts; do
    values "$p.h5" "$p.values" && r=0 || r=1
    report $r "$p: h5py reads every value"
    gives 0 "$p: so does verify" verify --trust "$p.h5"
done
has kinds.values '^/requests/custom_id 5 ä,ä,ä,plain,greedy$' \
    "names are text"
has nothing.values '^/requests/finish 1 18$' "an end without a token"
has empty.values '^/text/start 2 0,0$' "a text of no bytes"
! grep -q '/text/utf8' empty.values nothing.values && r=0 || r=1
report $r "and no dataset for it"
! grep -q '^/requests/[a-z]' refused.values && r=0 || r=1
report $r "no column without an answer"
! grep -q '^/last' nostop.values && r=0 || r=1
report $r "no last rows without them"

for p in $parts; do
    command -v h5repack >/dev/null || continue
    got=0
    h5repack -f GZIP=4 "$p.h5" "$p.gz.h5" >out 2>err || got=$?
    [ $got -eq 0 ] && values "$p.gz.h5" c && cmp c "$p.values" >out 2>&1 &&
        r=0 || r=1
    report $r "$p: h5repack compresses it, and it has the same values"
    # as little as h5repack, which knows no bound, can we take it for ours
    gives 3 "$p: which is not a part" verify --trust "$p.gz.h5"
done
command -v h5repack >/dev/null || skip "h5repack" "no hdf5-tools"

# ncdump of a whole file ends over any array of fixed strings, before 4.9.3;
# so it is asked for what is not text
for p in $parts; do
    command -v ncdump >/dev/null || continue
    ncdump -h "$p.h5" >header 2>err && r=0 || r=1
    report $r "$p: ncdump -h"
    grep -q '^/requests/finish' "$p.values" || continue
    has header 'uint finish(' "$p: finish is there"
    has header 'flag_meanings = "end_of_text length stop context activa' \
        "$p: with what it means"
    ncdump -v /requests/finish "$p.h5" 2>err |
        sed -n 's/^ *finish = \(.*\) ;$/\1/p' | tr -d ' ' >c
    want=$(sed -n 's/^\/requests\/finish [0-9]* \([0-9,]*\)$/\1/p' "$p.values")
    [ "$(cat c)" = "$want" ] && r=0 || r=1
    report $r "$p: and its values: $(cat c)"
done
command -v ncdump >/dev/null || skip "ncdump" "no netcdf-bin"

finish
