#!/bin/sh
# Includes point downward only, and each foreign library has one door
# (the picture of the layers is in README.md).
set -eu
cd "${top_srcdir:-.}"

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

. ./tests/scratch.sh
find src kernels jobs mpi bench tests \( -name '*.[ch]' -o -name '*.cu' \
    -o -name '*.cuh' -o -name '*.cpp' \) | sort >"$tmp/files"

# file, line, header of every include, <> and "" told apart by the bracket
xargs awk '
    /^[ \t]*#[ \t]*include[ \t]*[<"]/ {
        sub(/^[^<"]*/, "")
        if (match($0, /^.[^>"]*/))
            print FILENAME, substr($0, 1, RLENGTH)
    }' <"$tmp/files" >"$tmp/includes"

# ---- layers -----------------------------------------------------------
# A directory may include itself and what is on a lower line.  dev.cuh alone
# knows the emulated device, which takes the place of <cuda_runtime.h>.
cat >"$tmp/layers" <<'TXT'
0 src/base
1 src/proof
1 src/text
1 src/net
1 kernels
1 jobs
2 src/model
2 src/spool
2 src/arweave
3 src/engine
3 src/store
3 src/ao
4 src/backend
4 src/answer
4 src/publish
4 src/queue
5 src/push
5 src/dispute
5 src/verify
5 src/fidelity
5 src/lua
6 src/node
7 src/cmd
7 mpi
7 src/localnet
8 bench
8 tests/cusim
9 tests
9 tests/fuzz
TXT
awk -v layers="$tmp/layers" '
    BEGIN {
        while ((getline line < layers) > 0) {
            split(line, w, " ")
            layer[w[2]] = w[1]
        }
    }
    function dir(path) {
        sub("/[^/]*$", "", path)
        sub("^src/model/import$", "src/model", path)
        sub("^kernels/(arm|cuda|wasm|x86)$", "kernels", path)
        sub("^model/import$", "model", path)
        sub("^src/backend/(cpu|cuda|group|pretend)$", "src/backend", path)
        sub("^backend/(cpu|cuda|group|pretend)$", "backend", path)
        return path
    }
    {
        from = dir($1)
        what = substr($2, 2)
        if (substr($2, 1, 1) != "\"" || what == "commit.h")
            next
        if (index(what, "/") == 0) {
            print $1 ": \"" what "\" is not written from src/ or the top"
            next
        }
        to = dir(what)
        if (!(to in layer) && ("src/" to) in layer)
            to = "src/" to
        if (!(to in layer))
            print $1 ": \"" what "\" is in no known layer"
        else if (!(from in layer))
            print $1 ": its directory is in no known layer"
        else if (from != to && layer[to] >= layer[from] &&
                 !(from == "tests/fuzz" && to == "tests") &&
                 !($1 == "kernels/cuda/dev.cuh" && to == "tests/cusim"))
            print $1 ": " from " may not include " to
    }' "$tmp/includes" >"$tmp/found"
report "includes point downward only" "$tmp/found"

# A module includes what its source and header do, an _internal.h too, and none
# of that includes the module in turn.  A sequence is the engine's own half: it
# is opaque to everybody else.
sed -nE 's!^(src/)?([a-z0-9_/]+)\.[a-z]+ "([a-z0-9_/]+)\.(h|cuh)$!\2 \3!p' \
    "$tmp/includes" |
    sed 's/_internal//g; s!engine/sequence!engine/engine!g' |
    awk '$1 != $2' | sort -u >"$tmp/knows"
tsort "$tmp/knows" 2>&1 >/dev/null | sed 's/^tsort: //; s/^.*knows: //' \
    >"$tmp/found" || :
report "no two modules need each other" "$tmp/found"

# What is internal is for the files of a directory.
awk '{
        from = $1
        to = substr($2, 2)
        sub("^src/", "", from)
        sub("/[^/]*$", "", from)
        if (to ~ /_internal\.h$/ && from !~ /^tests/) {
            sub("/[^/]*$", "", to)
            if (from != to)
                print $1 ": " substr($2, 2)
        }
    }' "$tmp/includes" >"$tmp/found"
report "what is internal stays in its directory" "$tmp/found"

# Formats of models from elsewhere are behind two headers, and know of ours no
# more than its layout.
awk '{
        import = $1 ~ /^src\/model\/import\//
        to = substr($2, 2)
        if (to ~ /^model\/import\// && !import && $1 !~ /^tests\// &&
            to !~ /^model\/import\/(import|formats)\.h$/)
            print $1 ": " to
        if (import && to ~ /^model\// && to != "model/model_layout.h" &&
            to !~ /^model\/import\//)
            print $1 ": " to
    }' "$tmp/includes" >"$tmp/found"
report "no format of a model is known outside model/import" "$tmp/found"

# What an item is has its name in one header.
grep -nE '"(result|statement|bundle|part|idx|model)-1"|"Apus"' \
    $(grep -E '^(src|mpi)/' "$tmp/files") /dev/null |
    grep -v '^src/publish/kinds\.h:' >"$tmp/found" || :
report "kinds of items are named by publish/kinds.h" "$tmp/found"

# A header without a .c of its name would hide that two modules of localnet
# need each other; routes.h has what localnet.c alone calls.
for h in src/localnet/*.h; do
    [ -e "${h%.h}.c" ] || [ "$h" = src/localnet/routes.h ] ||
        echo "$h: no .c of this name"
done >"$tmp/found"
report "every header of localnet has its source" "$tmp/found"

# One name of a file is in one directory, so that a backtrace tells which.
# kernels/check is a program of its own.
grep -E '^(src|jobs|kernels|mpi)/' "$tmp/files" |
    sed '/^src\/commit\.h$/d; /^kernels\/check\.c$/d; s/\.[a-z]*$//' |
    sort -u | awk -F/ '{
        if ($NF in seen)
            print $0 ": the name of " seen[$NF]
        seen[$NF] = $0
    }' >"$tmp/found"
report "no two files have one name" "$tmp/found"

# Code that two directories share belongs in a lower one.  Six equal lines in a
# row are a copy; blank lines, includes and indentation do not count.  What a
# build leaves beside its sources is not looked at.
cat >"$tmp/copies.awk" <<'TXT'
FNR == 1 { n = 0; dir = FILENAME; sub("/[^/]*$", "", dir) }
{
    gsub(/^[ \t]+|[ \t]+$/, "")
    if ($0 == "" || /^# *include /)
        next
    text[n++ % 6] = $0
    if (n < 6)
        next
    run = ""
    for (i = n - 6; i < n; i++)
        run = run text[i % 6] "\n"
    if (!(run in where)) {
        where[run] = FILENAME ":" FNR
        from[run] = dir
    } else if (from[run] != dir) {
        print FILENAME ":" FNR ": six lines as those to " where[run]
    }
}
TXT
find src kernels jobs mpi contrib -type f ! -name commit.h \
    ! -path '*/.deps/*' ! -name 'queue*.lua' -exec grep -Il . {} + | sort |
    xargs awk -f "$tmp/copies.awk" >"$tmp/found"
report "no two directories have six lines in common" "$tmp/found"

# ---- doors ------------------------------------------------------------
# door HEADERS FILES: both extended regular expressions, anchored.
door() {
    awk -v header="^<($1)$" -v file="^($2)$" '
        $2 ~ header && $1 !~ file { print $1 ": " $2 ">" }
    ' "$tmp/includes" >"$tmp/found"
    report "$3 has one door" "$tmp/found"
}
door 'pcre2.*' 'tests/t_pretokenize\.c' PCRE2
door 'openssl/.*' 'src/proof/digest\.c|src/arweave/key\.c' OpenSSL
door 'mpi\.h' 'mpi/comm\.c' MPI
door 'slurm/.*' 'jobs/apus-slurm\.c' libslurm
door 'cuda.*|cublas.*' 'kernels/cuda/.*|src/backend/cuda/.*' CUDA
door 'hdf5.*|H5.*' 'src/store/checkpoint_[a-z0-9]*\.[ch]' HDF5
door 'seccomp\.h' 'src/base/sandbox\.c' libseccomp
door 'curl/.*' 'src/net/http\.c' libcurl
door 'lua.*|lauxlib\.h' \
    'src/localnet/.*|src/lua/engine_lua\.c|tests/(fuzz/fuzz_)?engine_?lua\.c' \
    Lua
door 'microhttpd\.h' 'src/localnet/[a-z_]*\.c' libmicrohttpd

# Theirs are loaded where they are, by declarations of our own.
awk '$2 ~ /^<(nccl|nvml|mkl|cblas)/ { print $1 ": " $2 ">" }' \
    "$tmp/includes" >"$tmp/found"
report "NCCL, NVML and BLAS have no door" "$tmp/found"

# Nothing that computes or parses prints or exits.
printers='(f|v|vf)?printf|f?puts|f?putc|putchar|perror|fwrite'
grep -nE "(^|[^a-z_])(($printers) ?\\(|exit ?\\()" \
    $(grep -E '^(src/[a-z]*|kernels|jobs)/' "$tmp/files" |
        grep -vE '^src/(cmd/|localnet/main\.c)|^kernels/check\.c' |
        grep -vE '^jobs/apus-slurm\.c') /dev/null |
    grep -vE '^src/base/(mem|log|plain)\.c:' |
    grep -vE ':[0-9]+: *(/?\*)' >"$tmp/found" || :
report "libraries neither print nor exit" "$tmp/found"

# What a file server did and its answer was lost is known to base/sys.
names='rename|renameat|renameat2|link|linkat'
grep -nE "(^|[^a-z_])($names)\\(" \
    $(grep -E '^(src|mpi|jobs)/' "$tmp/files") /dev/null |
    grep -vE ':[0-9]+: *(/?\*)' |
    grep -vE '^src/base/sys\.c:' >"$tmp/found" || :
report "names move through base/sys alone" "$tmp/found"

# A clock that somebody sets decides no wait.  The time of day is for people,
# and for what others sign; whoever needs it stands here.
waits='(pthread_cond_timedwait|gettimeofday)\(|time\((NULL|&)|CLOCK_REALTIME'
grep -nE "(^|[^a-z_])($waits)" \
    $(grep -E '^(src|mpi|jobs)/' "$tmp/files") /dev/null |
    grep -vE ':[0-9]+: *(/?\*)' |
    grep -vE '^src/base/(clock|log)\.c:|^src/localnet/(localnet|net)\.c:' |
    grep -vE '^mpi/(dispatch|run_log)\.c:' |
    grep -vE '^src/spool/(heartbeat|no_gpu|owner)\.c:' |
    grep -vE '^src/push/(ledger_day|push_confirm)\.c:|^src/queue/lease\.c:' |
    grep -vE '^src/node/rounds\.c:' |
    grep -vE '^src/cmd/doctor_(net|node)\.c:' >"$tmp/found" || :
report "waits ask base/clock alone" "$tmp/found"

echo "1..$n"
exit $failed
