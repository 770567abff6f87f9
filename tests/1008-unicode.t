#!/bin/sh
# The tables of characters are what their script makes of Unicode's own files.
set -eu
top=${top_srcdir:-.}
data=/usr/share/unicode
n=0
failed=0
echo 1..2
for what in classes nfc; do
    n=$((n + 1))
    name="$n - unicode_$what.c is what tables.lua writes"
    if ! command -v lua5.3 >/dev/null; then
        echo "ok $name # SKIP no lua5.3"
    elif ! head -n 1 $data/PropList.txt 2>/dev/null | grep -q 15.0.0; then
        echo "ok $name # SKIP no Unicode 15.0.0 (Debian 12: unicode-data)"
    elif lua5.3 "$top/contrib/unicode/tables.lua" $what |
        cmp - "$top/src/text/unicode_$what.c" >&2; then
        echo "ok $name"
    else
        echo "not ok $name"
        failed=1
    fi
done
exit $failed
