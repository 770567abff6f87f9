#!/bin/sh
# Ways to make apus verify say ok of what is wrong: one thing of a sealed batch
# is changed at a time, and every hash that needs no key is made to fit
# (tests/forge.c).  Computed again, none of them passes.
# part: san
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
build=$(dirname "$apus")
forge() { APUS_LIBEXEC=$build "$build/tests/forge" "$@"; }
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_LOG_LEVEL=warning
APUS_RANKS=1
export APUS_CONFIG APUS_MODELS APUS_SPOOL APUS_LOG_LEVEL APUS_RANKS

"$apus" model add "$top/models/nano" nano >out 2>err
requests() { # NUMBER
    for a in 3 5 6; do
        printf '%s%s%s\n' '{"custom_id":"'$a'","method":"POST",' \
            '"url":"/v1/completions","body":{"prompt":"'"$a + $1"' =",' \
            '"max_tokens":9,"seed":7}}'
    done
}
requests 4 >q.jsonl
requests 2 >other.jsonl
gives 0 "a batch" run other.jsonl -m nano -o other.out
mv spool/done/b* other
gives 0 "another" run q.jsonl -m nano -o out.jsonl
dir=$(echo spool/done/b*)
batch=${dir#spool/done/b}
mv "$dir" keep

fresh() { # COPY
    rm -rf "$dir"
    cp -R "$1" "$dir"
}
# A check says no or cannot be done; it is not killed, and never says yes.
refused() { # NAME
    got=0
    "$apus" verify "$batch" --recompute all >out 2>err || got=$?
    [ $got -eq 3 ] || [ $got -eq 1 ] && r=0 || r=1
    report $r "$1: exit status $got"
    got=0
    "$apus" verify "$batch" >out 2>err || got=$?
    [ $got -lt 4 ] && r=0 || r=1
    report $r "without the model: $got"
}

# ---- the parts, and what fits them -------------------------------------------
fresh keep
forge nothing 1 "$dir" >out 2>err && r=0 || r=1
report $r "the batch is written again"
cmp keep/part-0000.h5 "$dir/part-0000.h5" >out 2>&1 && r=0 || r=1
report $r "in the same bytes"
gives 0 "which verify" verify "$batch" --recompute all
has out 'computed again.*3 of 3 answers' "with three answers"
for change in $(forge list); do
    [ "$change" != nothing ] || continue
    fresh keep
    forge "$change" 1 "$dir" other >out 2>err && r=0 || r=1
    report $r "$change can be forged"
    refused "$change"
    # what follows from the request and the ids needs no model
    case $change in
    name-other | output-alone | output-less | trace-token | last-free | \
        trace-position | trace-none | \
        job-seed | job-temp* | job-top* | job-max* | job-flags | job-stop | \
        request-* | row-removed | row-doubled | row-of-other | places-* | \
        part-* | all-* | head-batch | head-count)
        [ $got -eq 3 ] && r=0 || r=1
        report $r "which tells of it"
        ;;
    esac
done

# ---- the requests, and what fits them ---------------------------------------
sha_of() { # FILE, in base64url
    openssl dgst -sha256 -binary "$1" | openssl base64 | tr +/ -_ | tr -d =
}
another() { # FIELD VALUE: in batch.json
    sed "s|\"$1\":\"[^\"]*\"|\"$1\":\"$2\"|" "$dir/batch.json" >new
    cp new "$dir/batch.json"
}
value() { # FIELD FILE
    sed -n "s/.*\"$1\":\"\([^\"]*\).*/\1/p" "$2"
}
fresh keep
cp other.jsonl "$dir/requests.jsonl"
refused "other requests"
another sha256 "$(value sha256 other/batch.json)"
refused "with their hash"
another id "$(value id other/batch.json)"
refused "and their batch id"
fresh other
refused "another batch, under this id"
another id "$batch"
refused "which it says is its own"
fresh keep
cp other/part-0000.h5 other/part-0000.idx other/checkpoint.json "$dir"
refused "the part of another batch"
fresh keep
cp other/part-0000.h5 "$dir/part-0001.h5"
cp other/part-0000.idx "$dir/part-0001.idx"
refused "a part of another batch beside its own"
fresh keep
cp keep/part-0000.h5 "$dir/part-0001.h5"
refused "its part twice"
fresh keep
mv "$dir/part-0000.h5" "$dir/part-0001.h5"
refused "its part with another number"
fresh keep
head -n 2 q.jsonl >"$dir/requests.jsonl"
refused "a request less"
fresh keep
echo '{"custom_id":"7"}' >>"$dir/requests.jsonl"
refused "a request more"
fresh keep
sed 's/"from_ao":false/"from_ao":true,"process":"'"$batch"'"/' \
    keep/batch.json >"$dir/batch.json"
refused "a batch from AO"
for file in requests.jsonl batch.json checkpoint.json refused.jsonl \
    part-0000.h5 part-0000.idx; do
    fresh keep
    rm "$dir/$file"
    refused "no $file"
    fresh keep
    : >"$dir/$file"
    [ $file = refused.jsonl ] || refused "$file of no bytes"
    fresh keep
    rm "$dir/$file"
    mkfifo "$dir/$file"
    refused "$file that is a pipe"
done
fresh keep
gives 0 "nothing is changed" verify "$batch" --recompute all

finish
