#!/bin/sh
# Vectors of X1, operators and one family of whole runs, bit for bit, through
# the kernels for GPUs on the emulated device (needs tests/x1vectors-sim); all
# families with APUS_LONG.
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
out=$("$program" "$tmp") && status=0 || status=$?
echo "$out" | sed 's/^/# /' | tail -n 20
last=$(echo "$out" | tail -n 1)
case $status,$last in
0,[1-9]*' passed, 0 failed, '*)
    echo "ok 1 - vectors on the emulated device: $last" ;;
*)
    echo "not ok 1 - vectors on the emulated device: exit $status, \"$last\"" ;;
esac
echo 1..1
exit "$status"
