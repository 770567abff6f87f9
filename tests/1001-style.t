#!/bin/sh
# What HACKING asks of every file and can be counted: lines of a file, width,
# tabs, length of a function, typedefs that hide a struct, headers that
# compile alone.
set -eu
cd "${top_srcdir:-.}"
build=${top_builddir:-.}

n=0
failed=0
report() { # NAME FILE-OF-FINDINGS
    n=$((n + 1))
    if [ -s "$2" ]; then
        sed 's/^/# /' "$2"
        echo "not ok $n - $1"
        failed=1
    else
        echo "ok $n - $1"
    fi
}
skip() { # NAME REASON
    n=$((n + 1))
    echo "ok $n - $1 # SKIP $2"
}

. ./tests/scratch.sh
find src kernels jobs mpi bench tests \( -name '*.[ch]' -o -name '*.cu' \
    -o -name '*.cuh' -o -name '*.cpp' -o -name '*.sh' -o -name '*.t' \) \
    ! -name commit.h | sort >"$tmp/files"
find contrib -type f -exec grep -Il '^#!/bin/sh' {} + >>"$tmp/files" || :
# not queue.lua itself, which make puts together
find contrib/ao/queue contrib/ao/judge src tests -name '*.lua' >"$tmp/lua"
find tests -name '*.mjs' | cat "$tmp/lua" - >>"$tmp/files"
sed -nE '/\.([ch]|cuh?|cpp)$/p' "$tmp/files" >"$tmp/compiled"
# tests/cusim has names and forms of CUDA and of C++
grep -v '^tests/cusim/' "$tmp/compiled" >"$tmp/sources"
# One process for all files, not one for each: this test runs often.
all() { xargs "$@" <"$tmp/files" || :; }
sources() { xargs "$@" <"$tmp/sources" || :; }

all awk 'FNR == 800 { print FILENAME ": 800 lines or more" }' >"$tmp/found"
report "no file has 800 lines" "$tmp/found"

all awk 'length > 80 { print FILENAME ":" FNR ": " length " columns" }' \
    >"$tmp/found"
report "no line is wider than 80 columns" "$tmp/found"

tab=$(printf '\t')
all grep -n "$tab" /dev/null | sed 's|^\([^:]*:[0-9]*\):.*|\1|' >"$tmp/found"
report "no tabs" "$tmp/found"

all grep -nE ' $' /dev/null >"$tmp/found"
report "no blanks at the end of a line" "$tmp/found"

sources grep -nE '^[[:space:]]*typedef (struct|union)' /dev/null >"$tmp/found"
report "no typedef hides a struct" "$tmp/found"

grep '\.c$' "$tmp/sources" | xargs grep -L '^#include <config\.h>' \
    >"$tmp/found" || :
report "every source includes config.h" "$tmp/found"

# what each header has as a guard, and what it ought to have
grep '\.h$' "$tmp/sources" >"$tmp/headers"
sed 's|^src/||; s|^|#ifndef APUS_|' "$tmp/headers" | tr 'a-z/.-' 'A-Z___' |
    sed 's/^#IFNDEF/#ifndef/' | paste -d : "$tmp/headers" - | sort >"$tmp/want"
xargs grep -E '^#ifndef APUS_' /dev/null <"$tmp/headers" | sort >"$tmp/have"
comm -23 "$tmp/want" "$tmp/have" >"$tmp/found"
report "every header has the guard of its path" "$tmp/found"

grep -vx src/base/plural.h "$tmp/sources" |
    xargs grep -nE '[!=]= 1 [?] "(e?s)?"' /dev/null >"$tmp/found" || :
report "words after a count come from base/plural.h" "$tmp/found"

sources grep -nE '(^|[^[:alnum:]_])sizeof +[^ ]' /dev/null >"$tmp/found"
report "sizeof is written with parentheses" "$tmp/found"

inner='([^()]|\([^()]*\))*' # of a call, on one line
cmp='(str|mem|strn|strcase|strncase)cmp\('
sources grep -nE "!$cmp|$cmp$inner\\) *(&&|\\|\\||\\?|\\)+( \\{)?\$)" \
    /dev/null >"$tmp/found"
report "strcmp and its kin are compared with 0" "$tmp/found"

sources grep -n '%[0-9]*ll[dux]' /dev/null >"$tmp/found"
report "PRIu64 and its kin print what has 64 bits" "$tmp/found"

sources grep -nE 'xrealloc\(.*(cap|room)[a-z_]* \*' /dev/null >"$tmp/found"
report "arrays grow by base/vec.h" "$tmp/found"

# Whoever needs no reason passes NULL: who reads it takes err_or, but for those
# that get it to report it.
grep -E '^(src|mpi|jobs|kernels)/' "$tmp/sources" |
    grep -v '^src/base/err\.c$' | xargs awk '
        FNR == 1 { body = 0; head = "" }
        /^[a-z]/ { head = "" }
        !body { head = head $0 }
        /^\{/ {
            body = 1
            line = FNR
            reads = 0
            safe = head !~ /struct err \*err[,)]/ ||
                head ~ /const struct err \*err[,)]/
        }
        body && /(^|[^.>_a-z])err->/ { reads = 1 }
        body && /(^|[ (])\*err = / { reads = 1 }
        body && /err_or\(err, / { safe = 1 }
        /^\}/ {
            if (body && reads && !safe)
                print FILENAME ":" line ": reads what err points to"
            body = 0; head = ""
        }' >"$tmp/found"
report "err may be NULL" "$tmp/found"

# A function with three ends returns an enum: base/found.h, or its module's.
grep -E '^(src|mpi|jobs|kernels)/' "$tmp/headers" | xargs awk '
    FNR == 1 { text = "" }
    text == "" && !sub(/^.*\/\*/, "") { next }
    { text = text " " $0 }
    !/\*\// { next }
    text ~ /[Rr]eturns? 1[^0-9]/ ||
        (text ~ /[^-.0-9A-Za-z]1[ ,:;]/ && text ~ /[^-.0-9A-Za-z]0[ ,:;.]/ &&
         text ~ /[^0-9A-Za-z]-1[^0-9]/) { print FILENAME ":" FNR ":" text }
    { text = "" }' >"$tmp/found"
report "no header says what the numbers 1, 0 and -1 mean" "$tmp/found"

# Comments and what is in quotes are left out.
cat >"$tmp/shape.awk" <<'TXT'
function say(what) { print FILENAME ":" FNR ": " what }
FNR == 1 { comment = type = 0 }
/(^|[^A-Z_])(TODO|FIXME)([^A-Z_]|$)/ { say("an issue, not a comment") }
{
    gsub(/"([^"\\]|\\.)*"/, "\"\"")
    gsub(/\/\*.*\*\//, "")
}
comment && !sub(/^.*\*\//, "") { next }
{ comment = sub(/\/\*.*/, "") }
/\/\// { say("a comment that begins with //") }
/^[a-z].*\) \{$/ { say("the brace of a function") }
/^                 *(if|for|while|switch|do) / {
    say("nested deeper than three levels")
}
/[a-z0-9_] \(/ && !/^#/ {
    gsub(/(^|[^a-z0-9_])(if|for|while|switch|return|case) \(/, "")
    gsub(/[a-z0-9_] \(\*/, "")
    gsub(/[a-z0-9_] \(&[a-z_]+\)\[/, "") # of an array
    if (/[a-z0-9_] \(/)
        say("a blank before the parenthesis of a call")
}
/^typedef/ { type = 1; held = "" }
type { held = held $0 }
type && /;/ {
    if (held !~ /_fn[;(),]/)
        say("the type of a function without _fn")
    type = 0
}
TXT
xargs awk -f "$tmp/shape.awk" <"$tmp/sources" >"$tmp/found"
report "comments, braces, blanks and nesting are those of HACKING" "$tmp/found"

# <config.h>, its own header, <the system's>, "ours"; what stands under an #if
# is for itself.
# In "$tmp/first": the header that a source begins with, which so compiles alone
# there.
grep '\.c$' "$tmp/sources" | xargs awk -v headers="$tmp/headers" \
    -v first="$tmp/first" '
    BEGIN {
        while ((getline line < headers) > 0)
            is_there[line] = 1
    }
    FNR == 1 {
        n = ours = over = 0
        own = FILENAME
        sub(/\.c$/, "", own)
        if (!(own ".h" in is_there) && !(own "_internal.h" in is_there))
            own = ""
        sub(/^src\//, "", own)
    }
    /^#if/ { over = 1 }
    over { next }
    /^#include </ && ours { print FILENAME ":" FNR ": " $0 }
    /^#include "/ {
        if (n == 1)
            print $2 >first
        if (n == 1 && own != "" && $2 != "\"" own ".h\"" &&
            $2 != "\"" own "_internal.h\"" && $2 !~ /_internal\.h"$/)
            print FILENAME ":" FNR ": its own header stands before " $2
        if (n++ > 1 || $0 !~ own)
            ours = 1
    }
    /^#include </ { n++ }' >"$tmp/found"
report "includes stand in the order of HACKING" "$tmp/found"

# slurm-down.sh goes on, whatever it finds; autogen.sh has one command.
grep '\.\(sh\|t\)$' "$tmp/files" | xargs awk '
    function end() { if (script && !set) print name }
    FNR == 1 {
        end()
        name = FILENAME
        set = 0
        script = $0 == "#!/bin/sh"
    }
    /^set -eu/ { set = 1 }
    END { end() }' | grep -vx 'tests/slurm-down\.sh' >"$tmp/found" || :
report "scripts begin with set -eu" "$tmp/found"

if ctags --version 2>/dev/null | grep -q 'Universal Ctags'; then
    ctags -L "$tmp/compiled" --languages=C,C++ --langmap=C++:+.cu.cuh \
        --kinds-C=f --kinds-C++=f --fields=+ne -o - 2>/dev/null |
        awk -F '\t' '{
            from = to = 0
            for (i = 4; i <= NF; i++) {
                if ($i ~ /^line:/) from = substr($i, 6)
                if ($i ~ /^end:/) to = substr($i, 5)
            }
            if (to - from + 1 >= 70)
                print $2 ":" from ": " $1 "() has " to - from + 1 " lines"
        }' >"$tmp/found"
    report "no function has 70 lines" "$tmp/found"
    # of the two digests one is built
    grep -E '^(src|mpi|jobs|kernels)/' "$tmp/compiled" |
        grep -vx 'src/proof/digest_plain\.c' |
        ctags -L - --languages=C,C++ --langmap=C++:+.cu.cuh \
            --kinds-C=s --kinds-C++=s -o - 2>/dev/null |
        grep -v '^\(__anon\|!_TAG\)' | cut -f 1,2 | sort -u |
        awk -F '\t' '{
            if ($1 in seen)
                print $2 ": struct " $1 " is also that of " seen[$1]
            seen[$1] = $2
        }' >"$tmp/found"
    report "no two structs have one name" "$tmp/found"
else
    skip "no function has 70 lines" "no universal-ctags"
    skip "no two structs have one name" "no universal-ctags"
fi

# From `function` to the `end` that stands where it began.
xargs awk '
        FNR == 1 { from = 0 }
        match($0, /^ *(local )?[^-]*function[ (]/) && !/ end[,)]*$/ {
            match($0, /^ */)
            if (!from) { from = FNR; wide = RLENGTH; what = $0 }
        }
        from && match($0, /^ *end/) && RLENGTH - 3 == wide {
            if (FNR - from + 1 >= 70)
                print FILENAME ":" from ": " what " has " \
                    FNR - from + 1 " lines"
            from = 0
        }' <"$tmp/lua" >"$tmp/found"
report "no function in Lua has 70 lines" "$tmp/found"

# The headers that somebody ports from say what things are: at least 35 of 100
# lines in them are comments.  contrib/check quick prints the figures.
for d in kernels src/proof src/backend src/store; do
    grep "^$d/.*\.h\$" "$tmp/sources" | xargs awk -v d="$d" '
        FNR == 1 { inside = 0 }
        /^[ \t]*$/ { next }
        { n++ }
        inside || /^[ \t]*\/\*/ { comments++ }
        /\/\*/ { inside = 1 }
        /\*\// { inside = 0 }
        END {
            printf "# headers of %s: %d of 100 lines are comments\n", d,
                100 * comments / n
        }'
done | tee "$tmp/share" | sed -n 's/.*of \(.*\): \([0-9]*\) of.*/\1 \2/p' |
    awk '$2 < 35 { print $1 ": " $2 }' >"$tmp/found"
cat "$tmp/share"
report "headers to port from are explained" "$tmp/found"

if luac5.3 -v >/dev/null 2>&1; then
    while read -r file; do
        luac5.3 -p "$file" 2>&1 || :
    done <"$tmp/lua" >"$tmp/found"
    report "what is in Lua is Lua 5.3" "$tmp/found"
else
    skip "what is in Lua is Lua 5.3" "no luac5.3 (Debian: lua5.3)"
fi

for file in tests/*/package.json; do
    lock=${file%.json}-lock.json
    if [ ! -e "$lock" ]; then
        echo "$file: no package-lock.json"
        continue
    fi
    grep -n '://' "$lock" | sed "s|^|$lock:|" || :
    packages=$(grep -c '^    "node_modules/' "$lock")
    hashes=$(grep -c '^      "integrity": "sha512-' "$lock")
    [ "$packages" -gt 0 ] && [ "$packages" -eq "$hashes" ] ||
        echo "$lock: $packages packages, $hashes hashes"
done >"$tmp/found"
report "packages of npm are locked by hash, without hosts" "$tmp/found"

cc=${CC:-cc}
if $cc --version >/dev/null 2>&1; then
    echo >"$tmp/config.h"
    # but for those that a source begins with
    tr -d '"' <"$tmp/first" | sort -u >"$tmp/tried"
    sed 's|^src/||' "$tmp/headers" | sort | comm -23 - "$tmp/tried" |
        while read -r file; do
        echo "#include \"$file\"" >"$tmp/alone.c"
        $cc -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror \
            -Wno-unused-function -fsyntax-only \
            -I"$tmp" -I. -Isrc -I"$build/src" "$tmp/alone.c" \
            >"$tmp/out" 2>&1 || { echo "$file"; head -n 3 "$tmp/out"; }
    done >"$tmp/found"
    report "every header compiles alone" "$tmp/found"
else
    skip "every header compiles alone" "no compiler"
fi

echo "1..$n"
exit $failed
