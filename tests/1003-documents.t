#!/bin/sh
# Every relative link in the documents leads to a file that is there, and
# every file that the source tour of README.md names exists.
set -eu
cd "${top_srcdir:-.}"
. ./tests/scratch.sh
failed=0

for doc in README.md doc/*.md models/*/README.md vectors/*/README.md; do
    tr ')' '\n' <"$doc" | sed -n 's/.*\](\([^)#]*\).*/\1/p' |
        grep -v '://' | while read -r link; do
        [ -e "$(dirname "$doc")/$link" ] || echo "# $doc: no \"$link\""
    done
done >"$tmp/found"
cat "$tmp/found"
if [ -s "$tmp/found" ]; then failed=1; printf 'not '; fi
echo "ok 1 - relative links lead somewhere"

sed -n '/^## The source/,/^## /s/^[0-9. ]*`\([^` ]*\)`.*/\1/p' README.md |
    tr ' ' '\n' | while read -r file; do
    [ -e "$file" ] || echo "# README.md: no \"$file\""
done >"$tmp/found"
cat "$tmp/found"
if [ -s "$tmp/found" ]; then failed=1; printf 'not '; fi
echo "ok 2 - the files of the source tour exist"

echo 1..2
exit $failed
