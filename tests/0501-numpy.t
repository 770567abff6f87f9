#!/bin/sh
# The vectors of X1 are what their second implementation makes of them: the
# operators, the rotation, soft caps and four families, made again with NumPy,
# byte for byte, and the edge cases and GELU from their inputs; every family and
# nano with APUS_LONG.
set -eu
top=$(cd "${top_srcdir:-.}" && pwd)
python=/usr/bin/python3
[ -x "$python" ] || python=python3
if ! $python -c 'import numpy' 2>/dev/null; then
    echo "1..0 # SKIP no NumPy (Debian: python3-numpy)"
    exit 0
fi
. "$top/tests/scratch.sh"
x1=$top/vectors/x1
names='tiny-qwen3 tiny-gemma3 tiny-gemma2 tiny-qwen3-moe-all'
[ -z "${APUS_LONG:-}" ] ||
    names=$(cd "$x1" && ls tiny-*.json | sed 's/\.json$//')
set --
for name in $names; do
    set -- "$@" "$name=$x1/models/$name,$x1/$name.json"
done
[ -z "${APUS_LONG:-}" ] || {
    set -- "$@" "nano=$top/models/nano,$x1/nano.json"
    names="$names nano"
}
export PYTHONDONTWRITEBYTECODE=1
$python "$x1/numpy/gen.py" 7 "$tmp/made" "$@" \
    >"$tmp/log" 2>&1 || { tail -n 5 "$tmp/log" | sed 's/^/# /'; exit 1; }
$python "$x1/numpy/again.py" "$tmp/made" "$x1/edges.json" "$x1/gelu.json"
n=0
failed=0
for name in ops rotate caps edges gelu $names; do
    n=$((n + 1))
    if cmp -s "$tmp/made/$name.json" "$x1/$name.json"; then
        echo "ok $n - NumPy makes $name.json"
    else
        echo "not ok $n - NumPy makes $name.json"
        failed=1
    fi
done
$python "$x1/numpy/models.py" "$tmp/models"
for name in tiny-gemma2 tiny-qwen3-moe tiny-qwen3-moe-all; do
    n=$((n + 1))
    if diff -r "$tmp/models/$name" "$x1/models/$name"; then
        echo "ok $n - NumPy makes the model $name"
    else
        echo "not ok $n - NumPy makes the model $name"
        failed=1
    fi
done
echo "1..$n"
exit $failed
