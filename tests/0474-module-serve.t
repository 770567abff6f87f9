#!/bin/sh
# Apus.serve in the loader of ao's compute units: strangers' questions are
# answered with the records of apus run, though a unit that does not meter is
# killed before every step; what is refused, and a flood; an answer over 17
# messages.  Needs `make module` and APUS_WITH_NPM=1 (tests/npm.sh).
set -eu
. "${top_srcdir:-.}/tests/module.sh"

sed -n '1p;60p' "$top/models/nano/eval.jsonl" >q.jsonl
# a sampled one: the seed comes from the id
sed -n 's/"temperature": 0/"temperature": 0.9/; s/"q/"s/; 7p' \
    "$top/models/nano/eval.jsonl" >>q.jsonl
records q.jsonl
cut -f 1,2,4 shown | sed 's/$/\ttrue/' >wanted
tr '|' '\t' >refused <<'T'
a NUL|400
a NUL in JSON|400
half a character|400
another model|404
an option out of range|400
a prompt that is too long|422
it answers after that|an answer
a flood|waits|waits|429|waits|429
answers of the flood|3
messages|17|the same record
T
for variant in simd plain; do
    format=$unmetered
    [ $variant = simd ] || format=$metered
    drive serve $variant $format q.jsonl q.jsonl.ids >said 2>err &&
        r=0 || r=1
    cp said out
    report $r "the $variant module serves"
    head -n 3 said | cut -f 1-4 >answers
    same answers wanted "job and result are those of apus run"
    sed -n 1p said | grep -q '6 + 24 = 30$' && r=0 || r=1
    report $r "the text: $(sed -n 1p said | cut -f 5)"
    sed 1,3d said >others
    same others refused "refused, the flood, 17 messages: as wanted"
done
finish
