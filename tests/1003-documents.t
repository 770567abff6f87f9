#!/bin/sh
# Every relative link in the documents leads to a file that is there, every
# file that the source tour of README.md names exists, and so does every
# document and file that a comment of the sources cites.  doc/README.md lists
# every page of doc, and a release ships them all.  Documents, manual and
# messages have none of a few words.
set -eu
cd "${top_srcdir:-.}"
. ./tests/scratch.sh
failed=0

for doc in *.md doc/*.md models/*/README.md vectors/*/README.md; do
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
    tests/cusim -name '*.[chst]*' -type f >"$tmp/files"
find src contrib tests -name '*.lua' -type f ! -name 'queue*.lua' \
    ! -path '*/node_modules/*' >>"$tmp/files"
find contrib -type f -exec grep -Il '^#!/bin/sh' {} + >>"$tmp/files" || :
# "FILE CITED" of each, of all files at once
{
    xargs grep -oE '(doc/|[^A-Za-z0-9_./$-])[a-z]+[.]md' /dev/null \
        <"$tmp/files" | sed 's|:[^a-z]*| doc/|; s| doc/doc/| doc/|'
    xargs grep -E '/\*|^ *\*|^ *# |^[^:"]*-- ' /dev/null <"$tmp/files" |
        grep -E '^[^:]*\.lua:|/\*|:[^-]*\*|: *# ' |
        awk '{
            colon = index($0, ":")
            file = substr($0, 1, colon - 1)
            line = substr($0, colon + 1)
            sub(/^.*\/\*/, "", line)
            n = split(line, word, /[ ,;:()"*'\'']+/)
            for (i = 1; i <= n; i++) {
                sub(/[.]$/, "", word[i])
                if (word[i] ~ \
                    /^([a-z]+\/)*[a-z0-9][a-z_0-9-]*[.]([ch]|t|sh|lua|mjs)$/ ||
                    word[i] ~ /^([a-z]+\/)*[a-z_0-9]+[.](cuh?|cpp|py)$/ ||
                    word[i] ~ /^(src|mpi|jobs|kernels|contrib)\/[a-z0-9_\/-]+$/)
                    print file, word[i]
            }
        }' |
        grep -vE ' (linux/.*|slurm[.]h|llama[.]cpp|autogen[.]sh)$' |
        grep -vE ' (program|dir/chat|src/x/y)[.]lua$'
    # documents name files in `` alone
    for doc in README.md HACKING CONTRIBUTING.md doc/*.md; do
        tr '` ' '\n\n' <"$doc" |
            grep -E '^(src|mpi|jobs|kernels|tests|bench|contrib)/' |
            grep -E '^[a-z0-9_/.-]*$' |
            sed "s|[.]$||; s|^|$doc |" || :
    done
} | sort -u >"$tmp/cited"
find src kernels jobs mpi bench tests contrib -type f -o -type d |
    sed 's|.*/||' | sort -u >"$tmp/names"
while read -r file cited; do
    case $cited in
    llama2.c) ;; # a program of others
    *.a | src/commit.h | *queue.lua | *queue-?.lua | *-sim) ;; # made
    */*) [ -e "$cited" ] || [ -e "src/$cited" ] || [ -e "$cited.c" ] ;;
    *) echo "$file $cited" >&3 ;;
    esac || echo "# $file: no \"$cited\""
done <"$tmp/cited" >"$tmp/found" 3>"$tmp/plain"
awk 'NR == FNR { is_there[$0] = 1; next }
    !($2 in is_there) { print "# " $1 ": no \"" $2 "\"" }' \
    "$tmp/names" "$tmp/plain" >>"$tmp/found"
cat "$tmp/found"
if [ -s "$tmp/found" ]; then failed=1; printf 'not '; fi
echo "ok 3 - what comments cite exists"

for doc in doc/*.md; do
    grep -qF "](${doc#doc/})" doc/README.md ||
        [ "$doc" = doc/README.md ] || echo "# doc/README.md: no \"$doc\""
done >"$tmp/found"
cat "$tmp/found"
if [ -s "$tmp/found" ]; then failed=1; printf 'not '; fi
echo "ok 4 - the index has every page"

# the lists of documents, which may be continued
sed -n '/dist_doc_DATA = /{
:more
/\\$/{
N
b more
}
p
}' Makefile.am | tr ' \t' '\n\n' >"$tmp/shipped"
for doc in *.md HACKING LICENSE NEWS doc/*.md; do
    grep -qxF "$doc" "$tmp/shipped" || echo "# Makefile.am: no \"$doc\""
done >"$tmp/found"
cat "$tmp/found"
if [ -s "$tmp/found" ]; then failed=1; printf 'not '; fi
echo "ok 5 - a release ships them"

# Words that english readers stumble over: "X is no Y" for "is not a Y", "told",
# "held against".  "There is no Y" is fine.  Three files have reasons for
# requests that were refused: they are published, and compared with what was.
words='(^|[^a-z])((is|are) no |told([^a-z]|$)|held against)'
for doc in *.md NEWS HACKING doc/*.md man/*.[15]; do
    sed 's/[Tt]here \(is\|are\) no //g
        s/\(is\|are\) no \(longer\|reason\)//g' "$doc" | grep -nE "$words" |
        sed "s|^|# $doc:|" || :
done >"$tmp/found"
find src mpi jobs kernels contrib \( -name '*.[ch]' -o -name '*.cu*' \
    -o -name '*.lua' \) ! -path src/queue/ask.c ! -path src/queue/pull_line.c \
    ! -path contrib/ao/queue/50-dapps.lua ! -name 'queue*.lua' \
    ! -path 'src/node/rounds.*' | sort |
    xargs awk '
        {
            gsub(/\/\*.*\*\//, "")
            sub(/\/\*.*/, "")
            gsub(/[Tt]here (is|are) no /, "")
        }
        !/^ *(\*|--)/ && match($0, /".*"/) {
            print FILENAME ":" FNR ": " substr($0, RSTART, RLENGTH)
        }' | grep -E "$words" | sed 's/^/# /' >>"$tmp/found" || :
cat "$tmp/found"
if [ -s "$tmp/found" ]; then failed=1; printf 'not '; fi
echo "ok 6 - documents, the manual and messages say what they mean"

# "| question | `file` | `function` |"
sed -n 's/^| .* | `\([^`]*\)` | `\([^`]*\)` |$/\1 \2/p' doc/README.md |
    while read -r file function; do
    grep -qE "^[a-z].*[ *]$function[[(]" "$file" 2>/dev/null ||
        echo "# doc/README.md: no $function is defined in $file"
done >"$tmp/found"
cat "$tmp/found"
if [ -s "$tmp/found" ]; then failed=1; printf 'not '; fi
echo "ok 7 - the functions of doc/README.md are where it says"

# Tables and what is shown are as wide as their rows, and a word is not cut.
awk 'length($0) > 80 && !/^ *\|/ && !/^    / && $0 ~ /[^ ] +[^ ]/ {
    print "# " FILENAME ":" FNR ": " length($0)
}' *.md NEWS HACKING doc/*.md >"$tmp/found"
cat "$tmp/found"
if [ -s "$tmp/found" ]; then failed=1; printf 'not '; fi
echo "ok 8 - documents wrap at 80 columns"

echo 1..8
exit $failed
