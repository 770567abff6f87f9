#!/bin/sh
# Vectors of X1, operators and one family of whole runs, bit for bit, through
# the kernels for GPUs on the emulated device (needs tests/x1vectors-sim); all
# families with APUS_LONG.  Then operators with the linears of many rows.
set -eu
program=${top_builddir:-.}/tests/x1vectors-sim
vectors=$(cd "${top_srcdir:-.}/vectors/x1" && pwd)
if [ ! -x "$program" ]; then
    echo "ok 1 - vectors on the emulated device # SKIP built without cusim"
    echo 1..1
    exit 0
fi
. "${top_srcdir:-.}/tests/scratch.sh"
if [ -n "${APUS_LONG:-}" ]; then
    cp "$vectors"/*.json "$tmp/"
else
    for name in ops edges rotate tiny-qwen2-a8r; do
        cp "$vectors/$name.json" "$tmp/"
    done
fi
ln -s "$vectors/models" "$tmp/models"
bad=0
vectors() { # NUMBER NAME FOLDER
    out=$("$program" "$3") && status=0 || status=$?
    echo "$out" | sed 's/^/# /' | tail -n 20
    last=$(echo "$out" | tail -n 1)
    case $status,$last in
    0,[1-9]*' passed, 0 failed, '*) echo "ok $1 - $2: $last" ;;
    *)
        echo "not ok $1 - $2: exit $status, \"$last\""
        bad=1
        ;;
    esac
}
vectors 1 "vectors on the emulated device" "$tmp"
mkdir "$tmp/large"
cp "$vectors/ops.json" "$vectors/edges.json" "$tmp/large/"
APUS_LARGE=1
export APUS_LARGE
vectors 2 "operators with the linears of many rows" "$tmp/large"
echo 1..2
exit $bad
