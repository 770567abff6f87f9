#!/bin/sh
# apus run with nano, the model in the tree: its 300 questions are answered to
# the letter, how many are computed at once changes no byte, bad lines stand
# in their place, and what cannot be read or written is told at once.
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/slow.sh"
nano=$top/models/nano
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
export APUS_CONFIG APUS_MODELS

same() { # FILE FILE NAME
    cmp "$1" "$2" >out 2>&1 && r=0 || r=1
    report $r "$3"
}
nothing_aside() { # NAME
    left=$(find . -path ./models -prune -o -name '.*.*' -print)
    [ -z "$left" ] && r=0 || r=1
    report $r "$1: nothing half-written is left"
}

# ---- the 300 questions ---------------------------------------------------
cp "$nano/eval.jsonl" eval.jsonl
gives 0 "nano answers its questions" run eval.jsonl -m "$nano"
tail -n 1 err >last
has last '^300 answered, 0 refused' "the last line says how many"
[ "$(wc -l <eval.out.jsonl)" -eq 300 ] && r=0 || r=1
report $r "the default output is eval.out.jsonl, of 300 lines"

# custom_id, text, tokens and number of prompt tokens, one line each
expected() {
    id='"custom_id": "\([^"]*\)"'
    text='"answer": "\(.*\)"'
    ids='"prompt_tokens": \[\(.*\)\], "tokens": \[\(.*\)\]'
    sed "s/^{$id, .*, $text, $ids}\$/\1|\2|\4|\3/" "$1" |
        awk -F '|' '{ gsub(/ /, "", $3)
            print $1 "|" $2 "|" $3 "|" split($4, ids, ",") }'
}
answered() {
    id='"custom_id":"\([^"]*\)"'
    text='"content":"\(.*\)"},"logprobs":null'
    ids='"tokens":\[\([0-9,]*\)\]'
    count='"prompt_tokens":\([0-9]*\),'
    sed "s/^.*$id.*$text.*$ids.*$count.*\$/\1|\2|\3|\4/" "$1"
}
expected "$nano/eval.answers.jsonl" >expected
answered eval.out.jsonl >answered
[ "$(grep -c '^q[^|]*|[^|]*|[0-9,]*|[0-9]*$' expected)" -eq 300 ] &&
    r=0 || r=1
report $r "300 answers are expected"
same expected answered "text and tokens are those of eval.answers.jsonl"

# ---- in whatever company ----------------------------------------------------
sed -n '1,48p' eval.jsonl >some.jsonl
gives 0 "48 of them" run some.jsonl -m nano
for batch in 1 3 16 64; do
    APUS_SPOOL=$tmp/spool$batch
    export APUS_SPOOL
    gives 0 "batch $batch" run some.jsonl -m nano -o "b$batch.jsonl" \
        --batch "$batch" --quiet
    same some.out.jsonl "b$batch.jsonl" "batch $batch gives the same bytes"
done
[ ! -s err ] && r=0 || r=1
report $r "--quiet is quiet"
APUS_SPOOL=$tmp/spool-kv
gives 0 "little memory for the cache" run some.jsonl -m nano -o kv.jsonl \
    --kv-memory 1 --quiet
same some.out.jsonl kv.jsonl "it gives the same bytes"
# a few blocks: the newest request is put back again and again
APUS_SPOOL=$tmp/spool-blocks
gives 0 "a few blocks for the cache" run some.jsonl -m nano -o blocks.jsonl \
    --kv-memory 200K --quiet
same some.out.jsonl blocks.jsonl "it gives the same bytes"
APUS_SPOOL=$tmp/spool-job
APUS_JOB_MEMORY=1048576
export APUS_JOB_MEMORY
gives 0 "a job with less memory than weights" run some.jsonl -m nano \
    -o job.jsonl --quiet
unset APUS_JOB_MEMORY
same some.out.jsonl job.jsonl "it gives the same bytes"
unset APUS_SPOOL
cp some.out.jsonl first.jsonl
gives 0 "a second run" run some.jsonl -m nano
same some.out.jsonl first.jsonl "the second run gives the same bytes"

# ---- bad lines -------------------------------------------------------------
chat='"method":"POST","url":"/v1/chat/completions","body":{'
text='"method":"POST","url":"/v1/completions","body":{'
hi='"messages":[{"role":"user","content":"What is 6 + 24?"}]'
{
    printf '%s\n' '{"custom_id":"good",'"$chat$hi"',"temperature":0}}'
    printf ' \t\n'
    printf '%s\n' '{"custom_id":"foo",'"$chat$hi"',"foo":1}}'
    printf '%s\n' '{"custom_id":"utf8'"$(printf '\377')"'"}'
    printf '%s\n' '{"custom_id":"ids",'"$text"'"prompt":[1,512]}}'
    printf '%s\n' '{"custom_id":"none",'"$text"'"prompt":[]}}'
    printf '%s' '{"custom_id":"long",'"$text"'"max_tokens":4,"prompt":[1'
    i=0
    while [ $i -lt 512 ]; do
        printf ',24'
        i=$((i + 1))
    done
    printf ']}}\n'
    printf '%s\n' '{"custom_id":"two","custom_id":"two"}'
    printf '%s%s\n' '{"custom_id":"n",'"$chat$hi"',"n":3,"max_tokens":5,' \
        '"seed":7,"temperature":2,"model":"gpt-4o"}}'
    printf '%s%s' '{"custom_id":"last",'"$text"'"prompt":"6 + 24 =",' \
        '"max_tokens":3,"temperature":0,"stop":"3"}}'
} >bad.jsonl
gives 0 "a file with bad lines" run bad.jsonl -m nano -o bad.out
tail -n 1 err >last
has last '^3 answered, 6 refused' "three are answered, six refused"
"$apus" show "$(sed -n 's/^apus: info: batch \([^ ]*\)$/\1/p' err)" >shown
has shown '^answers.3$' "show counts the answers so"
has shown '^refused.6$' "and the refusals"
[ "$(wc -l <bad.out)" -eq 9 ] && r=0 || r=1
report $r "every line has its line, but for the blank one"
has err '^apus: warning: 6 refused, the first is line 3: unknown para.*foo"$' \
    "how many are refused, and the first of them"
gives 4 "with --strict" run bad.jsonl -m nano -o bad.out -q --strict
[ "$(wc -l <err)" -eq 1 ] && grep -q '6 refused, the first is line 3: ' err &&
    r=0 || r=1
report $r "and --quiet the refusals are one line"
line() { # NUMBER PATTERN NAME
    sed -n "${1}p" bad.out >line.txt
    has line.txt "$2" "$3"
}
refused() { # CUSTOM_ID CODE MESSAGE: a pattern
    printf '"custom_id":%s,"response":null,' "$1"
    printf '"error":{"code":"%s","message":"%s' "$2" "$3"
}
line 1 '"custom_id":"good".*"content":"6 + 24 = 30"' "the good one"
line 1 '"error":null}$' "has no error"
line 2 "$(refused '"foo"' invalid_request 'unknown parameter ..foo')" \
    "an unknown parameter, by its name"
line 3 "$(refused null invalid_request 'JSON, .*UTF-8.*","line":4}}$')" \
    "bad UTF-8, with the number of its line"
line 4 "$(refused '"ids"' invalid_request 'token id 512 ')" \
    "a token id that the model does not have"
line 5 "$(refused '"none"' prompt_empty '')" "an empty prompt"
line 6 "$(refused '"long"' prompt_too_long '.*513 tokens')" \
    "a prompt of more than the context"
line 7 "$(refused '"two"' invalid_request 'JSON, .*duplicate')" \
    "a duplicate key"
line 8 '"index":2,.*"completion_tokens":15,' "three choices"
line 8 '"model":"gpt-4o"' "the model's name is repeated"
line 9 '"custom_id":"last".*"text_completion".*"finish_reason"' \
    "the last line, without a newline"
for batch in 1 2; do
    "$apus" run bad.jsonl -m nano -o bad.again --batch $batch -q 2>err || :
    same bad.out bad.again "batch $batch gives the same bytes"
done

sed -n 6,7p bad.jsonl >errors.jsonl
gives 4 "answers that are all errors" run errors.jsonl -m nano
has err '2 refused, the first is line 1: the prompt has no tokens$' \
    "they are refusals"
find . -name refusals.json -exec rm {} +
gives 4 "of a batch without refusals.json" run errors.jsonl -m nano -q
has err '2 refused, the first is line 1: the prompt has no tokens$' \
    "they are counted again"
sed -n 3,6p bad.jsonl >none.jsonl
gives 4 "nothing but refused lines" run none.jsonl -m nano
has err '4 refused, the first is line 1: .*foo' "none of which is answered"
rm none.jsonl

awk 'BEGIN { printf "{\"custom_id\":\"huge\",\"x\":\""
    for (i = 0; i < 17 * 1024; i++) printf "%1024s", ""
    print "\"}" }' >huge.jsonl
sed -n 1p bad.jsonl >>huge.jsonl
gives 0 "a line of 17 MiB" run huge.jsonl -m nano
has huge.out.jsonl '"message":"the line is over 16777216 bytes"' \
    "it is refused by its size"
has huge.out.jsonl '"custom_id":"good"' "and the next one is answered"

# ---- files -----------------------------------------------------------------
cp bad.jsonl other.txt
gives 0 "another ending" run other.txt -m nano -q
same bad.out other.txt.out.jsonl "its output is FILE.out.jsonl"
ls -l bad.out >out
has out '^-rw-------' "only the owner can read the output"

fails() { # STATUS PATTERN NAME ARGUMENT...
    status=$1
    pattern=$2
    name=$3
    shift 3
    gives "$status" "$name" "$@"
    has err "$pattern" "$name: $pattern"
    [ "$(wc -l <err)" -eq 1 ] && [ ! -s out ] && r=0 || r=1
    report $r "$name: one message"
    nothing_aside "$name"
}
mkdir dir
fails 1 'none.jsonl' "a file that is missing" run none.jsonl -m nano
fails 1 'is a directory' "a directory as file" run dir -m nano
fails 1 'none/x.jsonl' "an output in no directory" \
    run bad.jsonl -m nano -o none/x.jsonl
fails 1 'is a directory' "a directory as output" \
    run bad.jsonl -m nano -o dir
fails 2 'input and output' "the same file twice" \
    run bad.jsonl -m nano -o ./bad.jsonl
ln -s bad.jsonl link.jsonl
fails 2 'input and output' "the same file by a link" \
    run bad.jsonl -m nano -o link.jsonl
fails 1 'nobody' "a model that is missing" run bad.jsonl -m nobody
if [ "$(id -u)" -ne 0 ]; then
    chmod 500 dir
    fails 1 'dir/x.jsonl' "an output that may not be written" \
        run bad.jsonl -m nano -o dir/x.jsonl
else
    n=$((n + 1))
    echo "ok $n - an output that may not be written # SKIP root may"
fi

# ---- interruption ------------------------------------------------------------
i=0
while [ $i -lt 2 ]; do
    cat eval.jsonl
    i=$((i + 1))
done >many.jsonl
# two ranks are done with these before anybody has looked at their logs
if grep -q '^#define HAVE_MPI 1' "$(dirname "$apus")/config.h"; then
    sed 's/"max_tokens": *[0-9]*/"max_tokens": 50/
        s/"body": *{/&"apus": {"ignore_eos": true}, /' many.jsonl many.jsonl \
        >long.jsonl
    mv long.jsonl many.jsonl
fi
APUS_SPOOL=$tmp/spool-many
export APUS_SPOOL
APUS_BATCH=1 "$apus" run many.jsonl -m nano >out 2>err &
pid=$!
i=0
# looking at a log, and the way of the signal by mpirun, may take longer than
# all the answers: workers go on only while nobody looks
workers=
while [ -z "$(find spool-many -name '*.log' -size +9k 2>/dev/null)" ] &&
    [ $i -lt 1500 ]; do
    kill -CONT $workers 2>/dev/null || :
    sleep 0.02
    kill -STOP $workers 2>/dev/null || :
    workers=$(pgrep -f -- "^[^ ]*apus-worker --spool=$tmp/spool-many" || :)
    kill -STOP $workers 2>/dev/null || :
    i=$((i + 1))
done
kill -TERM $pid 2>/dev/null || :
# until the signal waits for each of them
i=0
while left=no && [ $i -lt 1200 ]; do
    for p in $workers; do
        case $(sed -n 's/^ShdPnd:.*\(.\)..$/\1/p' "/proc/$p/status" \
            2>/dev/null) in
        '' | [2367abef]) ;;
        *) left=yes ;;
        esac
    done
    [ $left = yes ] || break
    i=$((i + 1))
    sleep 0.1
done
kill -CONT $workers 2>/dev/null || :
got=0
wait $pid || got=$?
[ $got -eq 75 ] && r=0 || r=1
report $r "SIGTERM: exit status 75"
has err 'saved.*run it again' "it says so"
[ "$(grep -c 'saved' err)" -eq 1 ] && ! grep -q -e '----' -e mpirun err &&
    r=0 || r=1
report $r "in one line"
[ ! -e many.out.jsonl ] && r=0 || r=1
report $r "there is no output"
cp many.out.jsonl.partial part.jsonl
n_part=$(grep -c '"error":null' part.jsonl || :)
[ "$n_part" -gt 0 ] && [ "$n_part" -lt "$(wc -l <many.jsonl)" ] && r=0 || r=1
report $r "but what is answered is in many.out.jsonl.partial"
has err "saved: $n_part of $(wc -l <many.jsonl) are in \"many.out.jsonl.part" \
    "which it names"
batch=$(find spool-many -name 'b???????????????????????????????????????????' |
    sed 's|.*/||')
gives 1 "export of what is not done" export "${batch#b}"
has err 'not sealed (apus status .*); --partial writes' "says what helps"
gives 0 "export --partial" export "${batch#b}" --partial -o part2.jsonl
same part.jsonl part2.jsonl "gives the same"
nothing_aside "SIGTERM"
gives 0 "run again it continues" run many.jsonl -m nano
has err 'resuming batch' "it says so"
[ "$(grep -c '"error":null' many.out.jsonl)" -eq "$(wc -l <many.jsonl)" ] &&
    r=0 || r=1
report $r "and all is answered"
[ ! -e many.out.jsonl.partial ] && r=0 || r=1
report $r "many.out.jsonl.partial is gone"
grep -F -x -f many.out.jsonl part.jsonl >found.jsonl
same part.jsonl found.jsonl "each line of it is in the output"

finish
