#!/bin/sh
# apus prove and apus judge: numbers of an answer of a batch are proven and
# hold, in the judge of the program and in the one in Lua; a file with one byte
# changed is refused or found out; what cannot be proven is named.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"

APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_RANKS=1
APUS_LOG_LEVEL=warning
export APUS_MODELS APUS_SPOOL APUS_RANKS APUS_LOG_LEVEL
"$apus" model add "$top/models/nano" nano >out 2>err
head -n 2 "$top/tests/data/part-1-nano.jsonl" >two.jsonl
gives 0 "answer a file" run two.jsonl -m nano -o answers.jsonl
dir=$(echo spool/done/b*)
b=${dir#spool/done/b}
"$apus" show "$dir/part-0000.h5" >rows 2>err
id=$(awk -F '\t' '$1 == 2 { print $3 }' rows)
drawn=$(awk -F '\t' '$1 == 2 { print $5 }' rows) # a position that draws

n_files=0
for place in 5/0/q/17/total 5/0/q/17/0 6/1/heads/1\ Z/0 7/1/o/40/total \
    "$drawn/head/wmx" 5/0/inv 5/0/ex 5/0/S/total 5/0/kv\ 0 5/1/h/9 \
    5/1/x/3/0 5/token 5/embed/8 "$drawn/head/logits/9/total" "finish 4" job; do
    n_files=$((n_files + 1))
    rc=0
    "$apus" prove "$b" --request "$id" --at "$place" -o "p$n_files" >out \
        2>err || rc=$?
    [ $rc = 0 ] || sed 's/^/# /' err
    rc=0
    "$apus" judge "p$n_files" >judged 2>err || rc=$?
    [ $rc = 0 ] && grep -q '^verdict.*holds' judged || rc=1
    [ $rc = 0 ] || sed 's/^/# /' judged err
    report $rc "$place: $(sed -n 's/^verdict.//p' judged)"
done

# ---- stop strings ----------------------------------------------------------
printf '{"custom_id":"s","method":"POST","url":"%s","body":%s}\n' \
    /v1/chat/completions '{"messages":[{"role":"user","content":"What is '\
'6 + 24?"}],"max_tokens":20,"temperature":0,"stop":["= 3","zz"]}' \
    >stops.jsonl
"$apus" run stops.jsonl -m nano -o stopped.jsonl >out 2>err
cp stopped.jsonl out
has out '"tokens":.24,298,223,20,22,297,223,21.' "an answer that stops"
for stopped in spool/done/b*; do
    [ "$stopped" = "$dir" ] || break
done
"$apus" show "$stopped/part-0000.h5" >rows 2>err
stopped_id=$(awk -F '\t' '$1 == 1 { print $3 }' rows)
for place in total 7/text 6/text 5/text 7/0 7/20 5/0/20 5/296; do
    rc=0
    "$apus" prove "${stopped#spool/done/b}" --request "$stopped_id" \
        --at "stop 7/$place" -o stop >out 2>err || rc=$?
    "$apus" judge stop >judged 2>>err || rc=$?
    [ $rc = 0 ] && grep -q '^verdict.statement 17 (stop) holds' judged || rc=1
    [ $rc = 0 ] || sed 's/^/# /' err judged
    report $rc "stop 7/$place"
done
gives 1 "a text that is not shown" prove "${stopped#spool/done/b}" \
    --request "$stopped_id" --at "stop 7/4" -o stop
has err 'invalid pick' "is refused"
gives 1 "an answer without stop strings" prove "$b" --request "$id" \
    --at "stop 0" -o stop

gives 0 "a place in the middle" prove "$b" --request "$id" --at 5/1 -o open
gives 1 "is open" judge open
has out '^open.the challenger has to pick from: operators' "and says at what"

# ---- where it goes ---------------------------------------------------------
ln -s far link
gives 0 "to the target of a link" prove "$b" --request "$id" --at 5/1 -o link
[ -h link ] && cmp -s far open && r=0 || r=1
report $r "the link stays one"
gives 0 "to standard output" prove "$b" --request "$id" --at 5/1 -o -
cmp -s out open && [ ! -e - ] && r=0 || r=1
report $r "which gets it alone"
gives 0 "to a device" prove "$b" --request "$id" --at 5/1 -o /dev/null

cp p1 changed
printf '\377' | dd of=changed bs=1 seek=1500 conv=notrunc 2>/dev/null
gives 1 "a changed file is refused" judge changed
has err 'move [0-9]*: ' "by its move"
head -c 900 p1 >cut
gives 1 "a cut file is refused" judge cut

gives 2 "without --at" prove "$b" --request "$id" -o x
gives 1 "an unknown entry" prove "$b" --request "$id" --at 5/0/zz -o x
has err '"zz" of the operators' "is named"
gives 1 "a position past the end" prove "$b" --request "$id" --at 999 -o x
has err 'position 999: .* has [0-9]* positions' "is named"
for at in x -1 99999999999999999999 "" 5x "finish x" "stop x"; do
    gives 2 "no position: \"$at\"" prove "$b" --request "$id" --at "$at" -o x
done
gives 1 "a name that is of nothing" prove unknown --request "$id" --at 5 -o x
has err '"unknown"' "is named"
for out in missing/x .; do
    gives 1 "-o $out" prove "$b" --request "$id" --at 5 -m none -o "$out"
    ! grep -q 'to compute again' err && r=0 || r=1
    report $r "is refused before the model is looked for"
done
gives 1 "no such request" prove "$b" \
    --request AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA --at 5 -o x
gives 1 "an invalid file" judge two.jsonl
has err 'not a dispute file' "is named"

# models of which a judge does not know all
echo '{"custom_id":"a","method":"POST","url":"/v1/completions",' \
    '"body":{"prompt":[1,2,3],"max_tokens":2}}' >ids.jsonl
for made in "gemma3:GELU" "glm4:norms before and after a sublayer" \
    "olmo2:norms after a sublayer" "smollm3:layers that differ" \
    "gemma2:soft caps" "qwen3-moe:experts"; do
    family=tiny-${made%%:*}
    APUS_SPOOL=$tmp/$family
    "$apus" model add --no-tokenizer "$top/vectors/x1/models/$family" \
        "$family" >out 2>err
    "$apus" run ids.jsonl -m "$family" -o "$family.jsonl" >out 2>err
    part=$(echo "$family"/done/b*/part-0000.h5)
    "$apus" show "$part" >rows 2>err
    id=$(awk -F '\t' '$1 == 1 { print $3 }' rows)
    gives 1 "$family" prove "$part" --request "$id" --at 0/0/q/0 -o x
    has err "not.* of models with ${made#*:} are not judged" "is refused"
done
if lua5.3 -v >/dev/null 2>&1; then
    cat >knows.lua <<'EOF'
dofile(arg[1] .. "/ao/queue/05-sha256.lua")
for name in io.popen("ls " .. arg[1] .. "/ao/judge/*.lua"):lines() do
    dofile(name)
end
local judge, n = ApusQueue.judge, 0
for i = 2, #arg do
    local record = io.open(arg[i], "rb"):read(224)
    local _, _, m = judge.records(("\0"):rep(392) .. record)
    assert(m.good)
    n = n + (judge.knows(m) and 1 or 0)
end
print(n .. " of " .. #arg - 1)
EOF
    lua5.3 knows.lua "$top/contrib" models/*.apus >out 2>err || :
    has out '^1 of 7$' "the judge in Lua knows one of these seven models"
else
    echo "# no lua5.3: what the judge in Lua knows is not asked"
fi
finish
