#!/bin/sh
# Modules of AO with nano inside, in the loader of ao's compute units: the
# records are those of apus run, metered and with SIMD, in one message and in
# many; apus.lua answers.  Needs `make module`.
#
# To begin in a format that meters takes the loader twelve seconds: where gas
# does not matter the plain module is in one that does not.
set -eu
. "${top_srcdir:-.}/tests/npm.sh"
for modules in "$build/module" "$build/../module" ''; do
    [ ! -f "$modules/apus-simd-nano.wasm" ] ||
        [ ! -f "$modules/apus-plain-nano.wasm" ] || break
done
[ "$modules" ] || skip_all "no modules: make module"
loader=$build/tests/npm-ao-module
npm_install "$loader" "$top/tests/ao-module/package.json"
cp "$top"/tests/ao-module/*.mjs "$loader"
. "$top/tests/scenario.sh"
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
export APUS_CONFIG APUS_MODELS APUS_SPOOL

metered=wasm32-unknown-emscripten-metering
unmetered=wasm32-unknown-emscripten4
module() { # VARIANT FORMAT REQUESTS STEP [LUA...]
    module_wasm=$modules/apus-$1-nano.wasm module_format=$2 file=$3
    module_step=$4
    shift 4
    node --experimental-wasm-memory64 --no-warnings "$loader/module.mjs" \
        "$module_wasm" $module_format "$file" "$file.ids" "$module_step" "$@"
}

# ---- records --------------------------------------------------------------
eval=$top/models/nano/eval.jsonl
if [ "$long" ]; then every=1; else every=50; fi
sed -n "1~${every}p" "$eval" >q.jsonl
# sampled ones too: the seed comes from the id
sed -n '7p;99p' "$eval" | sed 's/"temperature": 0/"temperature": 0.9/;
    s/"q/"s/' >>q.jsonl
gives 0 "nano answers" run q.jsonl -m "$top/models/nano"
batch=$(basename spool/done/b*)
batch=${batch#b}
sed -n 's/^{"id":"batch_req_\([^"]*\)".*/\1/p' q.out.jsonl >q.jsonl.ids
while read -r id; do
    "$apus" show "$batch" --request "$id" >out 2>err || :
    printf '%s\t%s\t%s\t%s\n' "$id" \
        "$(sed -n 's/^job\t//p' out)" "$(sed -n 's/^trace\t//p' out)" \
        "$(sed -n 's/^result\t//p' out)"
done <q.jsonl.ids >shown
[ "$(grep -c '[0-9a-f]\{64\}' shown)" -eq "$(wc -l <q.jsonl)" ] && r=0 || r=1
report $r "apus run has a record for each line"

module plain $metered q.jsonl 700 >out 2>err && r=0 || r=1
report $r "the plain module answers in a format that meters"
grep '^nothing\|^open\|^answer' err | sed 's/^/# plain: /' | head -n 4
same out shown "its records are those of apus run"
module simd $unmetered q.jsonl 700 >out 2>err && r=0 || r=1
report $r "the SIMD module answers in a format that does not"
sed 's/^/# simd: /' err | head -n 4
same out shown "its records are those of apus run"
head -n 2 q.jsonl >two.jsonl
head -n 2 q.jsonl.ids >two.jsonl.ids
module simd $unmetered two.jsonl 2 >out 2>err && r=0 || r=1
report $r "it answers in messages of two positions each"
head -n 2 shown >two
same out two "the same records"

# ---- by WeaveDrive -----------------------------------------------------------
MODEL=$(ls models/*.apus)
export MODEL
module plain $unmetered two.jsonl 700 >out 2>err && r=0 || r=1
report $r "the model comes from a gateway"
same out two "the same records"
# it has 1.3 MB and some 40 tensors
requests=$(sed -n 's/^open .* requests \([0-9]*\)$/\1/p' err)
[ "${requests:-99}" -le 4 ] && r=0 || r=1
report $r "in ${requests:-no} requests"
unset MODEL

# ---- what is not as it should be ---------------------------------------------
tr '|' '\t' >wanted <<'TXT'
another beginning|is not a model file
a changed record|does not repeat the embedding
a changed weight|do not have its root
its end is missing|its record says
its records alone|its record says
an error page|too short
nothing|too short
no length|too short
a range that is all of it|layer
a range that is an error|is not a model file
a range without bytes|cannot read
nothing after a while|cannot read
more than a message loads|314572800 bytes: one message loads 209715200
more than there is memory|no memory for weights
it answers|^6 + 24 = 30$
TXT
node --experimental-wasm-memory64 --no-warnings "$loader/bad.mjs" \
    "$modules/apus-simd-nano.wasm" $unmetered "$(ls models/*.apus)" \
    >said 2>err && r=0 || r=1
cat said err >out
report $r "bad models and gateways that lie do not end the process"
while IFS=$(printf '\t') read -r what text; do
    sed -n "s/^$what\t//p" said | grep -q "$text" && r=0 || r=1
    cp said out
    report $r "$what: $text"
done <wanted

# ---- sizes ------------------------------------------------------------------
for m in plain simd; do
    size=$(wc -c <"$modules/apus-$m-nano.wasm")
    [ "$size" -lt 3000000 ] && r=0 || r=1
    report $r "the $m module with nano has $size bytes, fewer than 3,000,000"
done

# ---- apus.lua --------------------------------------------------------------
cat >apus.lua <<'TXT'
local Apus, json = require("apus"), require("json")
local wrong = {}
local function check(good, what)
    if not good then wrong[#wrong + 1] = what end
end
local function refuses(pattern, ...)
    local value, why = ...
    check(value == nil and tostring(why):find(pattern), pattern .. ": " ..
        tostring(why))
end
refuses("no model is loaded", Apus.run("What is 6 + 24?"))
refuses("cannot open", Apus.load("/etc/passwd"))
refuses("too short", Apus.load("/data/" .. ("x"):rep(43))) -- an error page
check(#(Apus.load("/model") or "") == 43, "load")
check(Apus.figures().positions > 100, "positions")
local a = Apus.run("What is 6 + 24?", { max_tokens = 32, temperature = 0 })
check(a and a.text == "6 + 24 = 30", "run: " .. tostring(a and a.text))
check(a and json.decode(a.line).body.model == a.model, "its line")
refuses("prompt is wanted", Apus.run())
refuses("not a table", Apus.run("x", 7))
refuses("u0000", Apus.run("x\0y"))
refuses("UTF%-8", Apus.run("\xff"))
refuses("max_tokens", Apus.run("x", { max_tokens = -1 }))
refuses("options", Apus.run("x", { stop = print }))
refuses("nosuch", Apus.run("x", { nosuch = 1 }))
local b = Apus.run({ { role = "user", content = "What is 6 + 24?" } },
    { max_tokens = 32, temperature = 0 })
check(b and b.result == a.result, "messages")
check(Apus.start("What is 6 + 24?", { max_tokens = 32, temperature = 0 }))
repeat local done = Apus.step(3) until done
check(Apus.answer().result == a.result, "steps")
refuses("one message has gas for", Apus.step(1 << 40))
local llama = require("llama")
check(llama.setPrompt("What is") and type(llama.run(4)) == "string", "llama")
check(type(llama.next()) == "string" and llama.add(" 7") and
    type(llama.next()) == "string", "llama.next")
llama.stop()
refuses("no prompt", llama.next())
return #wrong == 0 and "good " .. a.line or table.concat(wrong, "; ")
TXT
sed -n 1p two.jsonl >none.jsonl
sed -n 1p two.jsonl.ids >none.jsonl.ids
module plain $unmetered none.jsonl 700 "$tmp/apus.lua" >out 2>err || :
tail -n 1 out >line
grep -q '^good {' line && r=0 || r=1
report $r "apus.lua answers, and says what it cannot"

cat >ask.lua <<'TXT'
Got, Calls = nil, 0
local Apus = require("apus")
assert(Apus.load("/model"))
assert(Apus.ask("What is 6 + 24?", { max_tokens = 32, temperature = 0,
    each = 4 }, function(a) Got, Calls = a, Calls + 1 end))
local again, why = Apus.ask("x")
return tostring(again) .. " " .. why
TXT
cp ask.lua lost.lua
echo 'return Calls .. " " .. Got.result' >got.lua
module simd $unmetered none.jsonl 700 "$tmp/ask.lua" "$tmp/got.lua" \
    "$tmp/lost.lua" "$tmp/got.lua" >out 2>err || :
tail -n 4 out >said
sed 's/^good //' line >line.jsonl
gives 0 "the line that apus.lua gives is a request" run line.jsonl -m nano
id=$(sed -n 's/^{"id":"batch_req_\([^"]*\)".*/\1/p' line.out.jsonl)
for batch in spool/done/b*; do
    "$apus" show "${batch#spool/done/b}" --request "$id" 2>/dev/null || :
done >shown
result=$(sed -n 's/^result\t//p' shown)
printf '%s\n' "nil another answer is under way" "1 $result" \
    "nil another answer is under way" "1 $result" >asked
same said asked "steps that come twice, are lost, or a stranger's: the same"

# ---- a twentieth of the gas -------------------------------------------------
cat >tight.lua <<'TXT'
local Apus = require("apus")
Got, Calls = nil, 0
if not Apus.figures() then assert(Apus.load("/model")) end
assert(Apus.ask("What is 6 + 24?", { max_tokens = 460, temperature = 0,
    apus = { ignore_eos = true } }, function(a) Got, Calls = a, Calls + 1 end))
return "asked"
TXT
echo 'return Calls .. " " .. Got.positions .. " " .. Got.result' >got.lua
module plain $unmetered none.jsonl 700 "$tmp/tight.lua" "$tmp/got.lua" \
    >out 2>err || :
tail -n 2 out >whole
LIMIT=4.5e11
export LIMIT
module plain $metered none.jsonl 700 "$tmp/tight.lua" "$tmp/got.lua" \
    >out 2>err || :
unset LIMIT
grep '^lost' err | cut -c1-100 | sed 's/^/# /'
tail -n 2 out >pressed
[ "$(sed -n 1p whole)" = "lost 0" ] &&
    sed -n 1p pressed | grep -q '^lost [1-9]' && r=0 || r=1
report $r "with a twentieth of the gas steps are lost"
sed 1d whole >one
sed 1d pressed >other
grep -q '^1 [34]' one && r=0 || r=1
report $r "the answer: $(cat one)"
same one other "it comes all the same, with its record"
finish
