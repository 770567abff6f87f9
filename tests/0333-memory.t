#!/bin/sh
# A line of 16 MiB of token ids, the longest there can be, takes at most four
# times its size in a worker, however short the ids are.
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
bin=$(cd "${top_builddir:-.}" && pwd)
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
export APUS_CONFIG APUS_MODELS
"$apus" model add "$top/models/nano" nano >out 2>err

line() { # IDS COUNT: a request whose prompt is these ids, so often
    printf '{"custom_id":"a","method":"POST","url":"/v1/completions",'
    printf '"body":{"max_tokens":5,"prompt":['
    awk -v ids="$1" -v n="$2" 'BEGIN {
        while (length(ids) < 4096) { ids = ids ids; n /= 2 }
        for (i = 0; i < n; i++) printf "%s", ids }'
    printf '1]}}\n'
}
# Answer a file with a worker; what it took is in $kb.
answer() { # NAME
    APUS_SPOOL=$tmp/$1
    export APUS_SPOOL
    "$apus" submit "$1.jsonl" -m nano --todo >out 2>err
    id=$(basename "$APUS_SPOOL"/todo/b*)
    kb=$("$bin/tests/peak" "$bin/apus-worker" --alone -- "${id#b}" 2>err) &&
        r=0 || r=1
    report $r "$1: answered"
    [ -d "$APUS_SPOOL/done/$id" ] && r=0 || r=1
    report $r "$1: and sealed"
}

line 1, 1 >short.jsonl
answer short
base=$kb
line 1, 8380000 >one.jsonl
line 123, 4190000 >three.jsonl
for f in one three; do
    size=$(wc -c <$f.jsonl)
    [ "$size" -gt 16700000 ] && [ "$size" -le 16777216 ] && r=0 || r=1
    report $r "$f: a line of $size bytes"
    answer $f
    if [ "$base" -gt 60000 ]; then
        n=$((n + 1))
        echo "ok $n - $f: memory # SKIP $base kB for a short line:" \
            "a build with sanitizers"
        continue
    fi
    # neither peak is exact: some pages more or less lie in the allocator
    [ $(((kb - base - 512) * 1024)) -le $((4 * size)) ] && r=0 || r=1
    echo "$kb kB, $base kB with a short line" >out
    report $r "$f: at most four times its size"
    "$apus" export -- "$(basename "$tmp/$f/done"/b* | sed s/^b//)" >out 2>err
    has out '"code":"prompt_too_long"' "$f: it is answered: too long"
done
finish
