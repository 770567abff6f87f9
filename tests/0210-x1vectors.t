#!/bin/sh
# Every vector of vectors/x1, operators and whole runs, bit for bit, on every
# backend of this machine (needs tests/x1vectors).
set -eu
out=$("${top_builddir:-.}/tests/x1vectors" "${top_srcdir:-.}/vectors/x1") &&
    status=0 || status=$?
echo "$out" | sed 's/^/# /' | tail -n 20
last=$(echo "$out" | tail -n 1)
n=${last%% passed*}
case $status,$last in
0,[1-9]*' passed, 0 failed, '*)
    echo "ok 1 - x1vectors: $last" ;;
*)
    echo "not ok 1 - x1vectors: exit $status, \"$last\"" ;;
esac
echo 1..1
case $n in
'' | *[!0-9]*) exit 1 ;;
esac
exit "$status"
