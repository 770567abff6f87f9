#!/bin/sh
# Every relative link in the documents leads to a file that is there, every
# file that the source tour of README.md names exists, and so does every
# document and file that a comment of the sources cites.
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

find src kernels jobs mpi bench tests/*.[ch] tests/*.t tests/*.sh tests/fuzz \
    -name '*.[chst]*' -type f >"$tmp/files"
while read -r file; do
    grep -oE '(doc/|[^A-Za-z0-9_./$-])[a-z]+[.]md' "$file" |
        sed 's|^[^a-z]*||; s|^doc/||; s|^|'"$file"' doc/|' || :
    sed -n 's|^ *//*\*||p; s|^ \*||p' "$file" |
        tr ' ,;:()"' '\n\n\n\n\n\n\n' |
        grep -E '^(src/)?[a-z]+/[a-z_0-9]+[.][ch]$' | grep -v '^linux/' |
        sed "s|^|$file |" || :
done <"$tmp/files" | sort -u | while read -r file cited; do
    [ -e "$cited" ] || [ -e "src/$cited" ] || echo "# $file: no \"$cited\""
done >"$tmp/found"
cat "$tmp/found"
if [ -s "$tmp/found" ]; then failed=1; printf 'not '; fi
echo "ok 3 - what comments cite exists"

echo 1..3
exit $failed
