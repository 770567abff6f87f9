#!/bin/sh
# require("apus.engine") in a plain Lua 5.3: its records are those of apus run,
# in steps of any size, and what it cannot do is nil and a text.
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
lua=$(dirname "$apus")/tests/enginelua
if [ ! -x "$lua" ]; then
    echo "1..0 # SKIP apus is built without Lua"
    exit 0
fi
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
export APUS_CONFIG APUS_MODELS APUS_SPOOL

engine() { "$lua" "$top/tests/engine.lua" "$@"; }

# ---- records --------------------------------------------------------------
eval=$top/models/nano/eval.jsonl
if [ "$long" ]; then every=1; else every=30; fi
sed -n "1~${every}p" "$eval" >q.jsonl
# sampled ones too: the seed comes from the id
sed -n '7p;99p' "$eval" | sed 's/"temperature": 0/"temperature": 0.9/;
    s/"q/"s/' >>q.jsonl
gives 0 "nano answers" run q.jsonl -m "$top/models/nano"
model=$(ls models/*.apus)
batch=$(basename spool/done/b*)
batch=${batch#b}
sed -n 's/^{"id":"batch_req_\([^"]*\)".*/\1/p' q.out.jsonl >ids

engine "$model" q.jsonl ids 1 >whole 2>err &&
    r=0 || r=1
report $r "each line is answered by Lua"
[ "$(wc -l <whole)" -eq "$(wc -l <q.jsonl)" ] && r=0 || r=1
report $r "and there are as many answers"
while read -r id job trace result; do
    "$apus" show "$batch" --request "$id" >out 2>err || :
    printf '%s\t%s\t%s\t%s\n' "$id" \
        "$(sed -n 's/^job\t//p' out)" "$(sed -n 's/^trace\t//p' out)" \
        "$(sed -n 's/^result\t//p' out)"
done <whole >shown
same whole shown "job, trace and result are those of apus run"
engine "$model" q.jsonl ids 3 7 >some 2>err && r=0 || r=1
report $r "again in steps of 7 positions"
sed -n '1~3p' whole >third
same some third "the same records"
engine "$model" q.jsonl ids 9 1 >some 2>err && r=0 || r=1
report $r "again in steps of 1 position"
sed -n '1~9p' whole >ninth
same some ninth "the same records"

# ---- what is refused -------------------------------------------------------
cat >bad.lua <<'TXT'
local e, model, line, short, whole = require("apus.engine"), ...
local id, n = ("ab"):rep(32), 0
local function refuses(name, pattern, ...)
    local value, text = ...
    n = n + 1
    local good = value == nil and type(text) == "string" and
        text:find(pattern) ~= nil
    print((good and "good" or "bad"), name, tostring(value), tostring(text))
end
refuses("a start before a model is open", "no model is open", e.start(line, id))
refuses("a step before a model is open", "no model is open", e.step())
refuses("an answer before that", "no model is open", e.answer())
refuses("figures before that", "no model is open", e.figures())
refuses("a file that is missing", "cannot open", e.open("/none/such"))
refuses("a file that is too short", "too short", e.open(short))
refuses("a name with a NUL", "name of a file", e.open(model .. "\0"))
refuses("a name that is none", "name of a file", e.open({}))
refuses("a kernel that is unknown", "no kernel", e.open(model, "nosuch"))
refuses("a file that is too large", "1000 at most", e.open(model, nil, 1000))
refuses("a size that is none", "number of bytes", e.open(model, nil, "x"))
refuses("a size below 0", "number of bytes", e.open(model, nil, -1))
assert(#e.open(model) == 43)
refuses("a step before a start", "no answer was begun", e.step(1))
refuses("an answer before a start", "not done", e.answer())
refuses("a line that is none", "JSON", e.start("{", id))
refuses("no line", "one line of JSON", e.start(nil, id))
refuses("an id that is too short", "request id", e.start(line, "ab"))
refuses("an id that is not hexadecimal", "request id",
    e.start(line, ("zz"):rep(32)))
refuses("an id that is none", "request id", e.start(line, 7))
refuses("invalid UTF-8", "UTF%-8", e.start(line:gsub("What", "\xff"), id))
refuses("a NUL in a prompt", "u0000", e.start(line:gsub("What", "\\u0000"), id))
refuses("two choices", "one choice",
    e.start(line:gsub('"max_tokens"', '"n": 2, "max_tokens"'), id))
refuses("logprobs", "logprobs",
    e.start(line:gsub('"max_tokens"', '"logprobs": true, "max_tokens"'), id))
assert(e.start(line, id))
refuses("an answer that is not done", "not done", e.answer())
refuses("a step of nothing", "at least 1", e.step(0))
refuses("a step of less", "at least 1", e.step(-5))
refuses("a step of a half", "at least 1", e.step(0.5))
refuses("a step of a text", "at least 1", e.step("7"))
refuses("a hash of a table", "string", e.sha256({}))
-- after all that it still answers, and an id may have its other form
assert(e.step(5) == false)
assert(e.step() == true)
local a = e.answer()
refuses("a start with a bad line", "JSON", e.start("[", id))
assert(e.answer().result == a.result, "what was there stays")
assert(e.start(line) and e.step() and e.answer().result == whole)
assert(e.start(line, a.request) and e.step() and e.answer().result == a.result)
local f = e.figures()
assert(f.weights > 1000000 and f.weights < f.bytes and f.context == 512)
assert(f.channels > 0 and f.chat and #f.kernel > 0)
assert(e.open(model, "reference") == a.model)
assert(e.figures().kernel == "reference")
assert(e.start(line, id) and e.step() and e.answer().result == a.result)
print("end", n)
TXT
: >short.apus
"$lua" bad.lua "$model" "$(sed -n 1p q.jsonl)" short.apus \
    "$(sed -n '1s/.*\t//p' whole)" >refused 2>err && r=0 || r=1
report $r "what is refused does not end it"
! grep -q '^bad' refused && grep -q '^end' refused && r=0 || r=1
cp refused out
report $r "nil and a text for each, and it answers after that"
finish
