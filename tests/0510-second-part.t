#!/bin/sh
# A part of a checkpoint as somebody sees it who has never had apus: all its
# hashes computed again by second_part.py, and the README's lines of h5py.
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
python=/usr/bin/python3
[ -x $python ] || python=python3
if ! $python -c 'import h5py' 2>/dev/null; then
    echo "1..0 # SKIP no python3-h5py"
    exit 0
fi
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
PYTHONDONTWRITEBYTECODE=1
export APUS_CONFIG APUS_MODELS APUS_SPOOL PYTHONDONTWRITEBYTECODE

head -n 40 "$top/models/nano/eval.jsonl" >q.jsonl
url='"method":"POST","url":"/v1/completions","body":{'
{
    printf '%s%s\n' '{"custom_id":"n",'"$url" \
        '"prompt":"3 + 4 =","n":4,"temperature":1.7,"stop":["7","\n","xy"]}}'
    printf '%s%s\n' '{"custom_id":"top",'"$url" \
        '"prompt":"a","top_p":0.5,"max_tokens":7,"apus":{"ignore_eos":true}}}'
    printf '%s\n' '{"custom_id":"none",'"$url"'"prompt":[]}}'
    printf '%s\n' '{"custom_id":"bad"}'
} >>q.jsonl
gives 0 "a batch" run q.jsonl -m "$top/models/nano" -o got.jsonl --ranks 1
dir=$(echo spool/done/b*)
$python "$top/tests/second_part.py" "$dir/part-0000.h5" q.jsonl >out 2>err &&
    r=0 || r=1
report $r "a second implementation agrees with every hash"
has out 'agrees: 46 answers' "of 46 answers"
cat out >first
root=$(sed -n 's/.*"root":"\([^"]*\)".*/\1/p' "$dir/checkpoint.json")
hex=$(printf '%s=' "$root" | tr -- '-_' '+/' | base64 -d | od -An -tx1 |
    tr -d ' \n')
has first "root $hex" "and with checkpoint.json"

# h5dump, without our code
tokens=$(sed -n '1s/.*"tokens":\[\([0-9,]*\)\].*/\1/p' got.jsonl)
if command -v h5dump >/dev/null; then
    h5dump -d /output/token -s 0 -c "$(echo "$tokens" | tr ',' '\n' | wc -l)" \
        "$dir/part-0000.h5" >out 2>err || :
    sed -n 's/^ *([0-9]*): \([0-9, ]*\)$/\1/p' out | tr -d ' \n' >dumped
    [ "$(cat dumped)" = "$tokens" ] && r=0 || r=1
    report $r "h5dump reads the first answer's tokens"
fi

# README: three lines
sed -n 's/^    \(import h5py\)$/\1/p; s/^    \(f = h5py.File.*\)/\1/p
    s/^    \(print(bytes(f\["text.*\)/\1/p' "$top/README.md" >lines
[ "$(wc -l <lines)" -eq 3 ] && r=0 || r=1
report $r "README has three lines of h5py"
{ echo 'i = 5'; cat lines; } >three.py
(cd "$dir" && $python "$tmp/three.py") >out 2>err && r=0 || r=1
report $r "they run"
answer=$(sed -n '6s/.*"content":"\([^"]*\)".*/\1/p' got.jsonl)
[ -n "$answer" ] && [ "$(cat out)" = "$answer" ] && r=0 || r=1
report $r "and print the answer: $answer"

finish
