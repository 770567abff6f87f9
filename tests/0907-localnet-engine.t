#!/bin/sh
# require("apus") in a process of apus localnet: models by /data/ID, if they are
# attested; its records are those of apus run; what cannot be done is nil and a
# text, what never ends runs out of gas, and the process lives on.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/localnet.sh"
octets='Content-Type: application/octet-stream'
conf() { sed -n "s/^$1 = //p" "$net/apus.conf"; }
upload() { # WALLET TAG... <data: its id is in $id
    wallet=$1
    shift
    netcall sign "$wallet" - "$@" >item
    id=$(netcall id <item)
    netcall post "$url/bundler/v1/tx" "$octets" <item >answer
}
attest() { # WALLET ID
    upload "$1" Data-Protocol=WeaveDrive Type=Available "ID=$2" </dev/null
}
message() { # WALLET TAG... <data: to $process; its id is in $id
    wallet=$1
    shift
    netcall sign "$wallet" "$process" Data-Protocol=ao Variant=ao.TN.1 \
        Type=Message "$@" >item
    id=$(netcall id <item)
    netcall post "$url/mu/" "$octets" <item >answer
}
result() {
    for i in $(seq 100); do
        netcall get "$url/cu/result/$id?process-id=$process&no-busy=1" |
            sed 1d >out
        grep -q 'is in progress' out || break
    done
    echo >>out
}
eval_lua() { # CODE: what it gives is in out
    printf '%s' "$1" >code
    message "$net/wallet.json" Action=Eval "N=$n" <code
    result
}
# Until the process says this, steps on its way.
says() { # CODE PATTERN NAME
    for k in $(seq 300); do
        eval_lua "$1"
        ! grep -q "$2" out || break
        sleep 0.1
    done
    has out "$2" "$3"
}

net_up && r=0 || r=1
report $r "localnet is up"
APUS_CONFIG=$net/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
export APUS_CONFIG APUS_MODELS APUS_SPOOL
gives 0 "a model" model add "$top/models/nano" nano
model=$(tail -n 1 out)
source=$("$apus" model publish nano --yes 2>err | tail -n 1)

cat >p.lua <<'LUA'
Apus = require("apus")
function Load(id) return tostring(select(2, Apus.load("/data/" .. id))) end
LUA
gives 0 "a process" localnet spawn p.lua
process=$(cat out)

# ---- which models ----------------------------------------------------------
eval_lua "return Load('$source')"
has out 'nobody whom this process trusts has attested it' \
    "a model that nobody attested is refused"
attest "$net/dapp.json" "$source"
eval_lua "return Load('$source')"
has out 'nobody whom' "nor one that a stranger attested"
gives 0 "attested by its owner" model publish nano --yes --attest
[ "$(cat out)" = "$source" ] && r=0 || r=1
report $r "it is the same item"
posts=$(netcall get "$url/bundler/posts" | sed 1d)
gives 0 "again" model publish nano --yes --attest
[ "$(netcall get "$url/bundler/posts" | sed 1d)" = "$posts" ] && r=0 || r=1
report $r "nothing is sent twice"
eval_lua "return Apus.load('/data/$source')"
has out "\"data\":\"$model\"" "one that its owner attested is loaded"
eval_lua "return Load('$model')"
has out 'there is no such item' "an id of nothing"
eval_lua 'return tostring(select(2, Apus.load("/etc/passwd")))'
has out 'opens /data/ID' "a path of the machine is none of its files"
echo '<html>not found</html>' >page.html
upload "$net/wallet.json" A=b <page.html
page=$id
attest "$net/wallet.json" "$page"
eval_lua "return Load('$page')"
has out "/data/$page.* is too short for a model" "a page of a gateway"
file=$(ls models/*.apus)
cp "$file" changed.apus
byte=$(od -An -tu1 -j 700000 -N 1 changed.apus | tr -d ' ')
if [ $((byte)) = 1 ]; then with='\002'; else with='\001'; fi
printf "$with" | dd of=changed.apus bs=1 seek=700000 conv=notrunc 2>/dev/null
upload "$net/wallet.json" A=b <changed.apus
changed=$id
attest "$net/wallet.json" "$changed"
eval_lua "return Load('$changed')"
has out 'do not have its root' "one changed byte"
eval_lua 'return tostring(select(2, Apus.run("x")))'
has out 'no model is loaded' "and then there is none"

# ---- what WeaveDrive asks of a gateway ------------------------------------
netcall post "$url/mine/1" </dev/null >answer
size=$(wc -c <"$file")
netcall head "$url/$source" >out
has out '^200$' "the head of a model"
grep -qi "^content-length: $size" out && r=0 || r=1
report $r "has its length"
netcall get "$url/$source" "Range: bytes=0-7" >out
has out '^206$' "a range"
has out '^apusmdl1' "has its bytes"
netcall get "$url/$source" "Range: bytes=$((size - 8))-$size" >answer
sed 1d answer >got
tail -c 8 "$file" | cmp -s - got && r=0 || r=1
report $r "one that ends a byte past the end is cut"
netcall get "$url/$page" >out
has out 'not found' "a page is data like any other"
owner=$("$apus" wallet show)
height=$(netcall get "$url/height" | sed 1d)
attested() { # TAGS OWNERS MAX: what admits is in out
    printf '{"query":"query { transactions(tags: %s, owners: %s, block: ' \
        "$1" "$2" >query
    printf '{min: 0, max: %s}) { edges { node { id tags ' "$3" >>query
    printf '{ name value } block { height } } } } }"}' >>query
    netcall post "$url/graphql" <query >out
}
tags='[{name: \"Data-Protocol\", values: [\"WeaveDrive\"]}'
tags="$tags"', {name: \"Type\", values: [\"Available\"]}'
tags="$tags, {name: \\\"ID\\\", values: [\\\"$source\\\"]}]"
attested "$tags" "[\\\"$owner\\\", \\\"$(conf ao-scheduler)\\\"]" "$height"
has out "\"value\":\"$source\"" "its attestation is found"
attested "$tags" "[\\\"$(conf ao-scheduler)\\\"]" "$height"
has out '"edges":\[\]' "not as that of another"
attested "$tags" "[\\\"$owner\\\"]" 1700000
has out '"edges":\[\]' "nor before its block"

# ---- records ---------------------------------------------------------------
eval_lua "assert(Apus.load('/data/$source')) return Apus.figures().positions"
cat >run.lua <<'LUA'
A = assert(Apus.run("What is 6 + 24?", { max_tokens = 32, temperature = 0 }))
B = assert(Apus.run("Say something.", { max_tokens = 40, temperature = 0.9 }))
return A.line .. "|" .. A.result .. "|" .. B.line .. "|" .. B.result .. "|" ..
    A.text .. "|"
LUA
eval_lua "$(cat run.lua)"
has out '|6 + 24 = 30|' "it answers"
sed 's/.*"Output":{"data":"//; s/","prompt":.*//; s/\\"/"/g; s/\\\\/\\/g' out \
    >said
cut -d '|' -f 1 said >q.jsonl
cut -d '|' -f 3 said | sed 's/"custom_id":"0"/"custom_id":"1"/' >>q.jsonl
sed 's/"custom_id":"1"/"custom_id":"0"/' q.jsonl >q0.jsonl
sed -n 2p q0.jsonl >b.jsonl
sed -n 1p q0.jsonl >a.jsonl
for q in a b; do
    gives 0 "apus run answers the line of $q" run $q.jsonl -m nano
    request=$(sed -n 's/^{"id":"batch_req_\([^"]*\)".*/\1/p' $q.out.jsonl)
    batch=$("$apus" status 2>err | sed -n '$s/\t.*//p')
    for b in spool/done/b*; do
        batch=$(basename "$b")
        "$apus" show "${batch#b}" --request "$request" >out 2>err && break
    done
    sed -n 's/^result\t//p' out >>ours
done
{ cut -d '|' -f 2 said; cut -d '|' -f 4 said; } >theirs
same ours theirs "with the same result records"

# ---- what cannot be done ---------------------------------------------------
eval_lua 'return tostring(select(2, Apus.run("a\0b")))'
has out 'u0000' "a NUL in a prompt"
eval_lua 'return tostring(select(2, Apus.run("\xff")))'
has out 'UTF-8' "no UTF-8"
eval_lua 'local e = require("apus.engine")
    for i = 1, 1e9 do e.open("/data/'"$source"'") end'
has out '"Error":".*out of gas!' "opening for ever runs out of gas"
eval_lua 'local e = require("apus.engine")
    local line = A.line:gsub("\"max_tokens\":32", "\"max_tokens\":500")
    while true do e.start(line) pcall(e.step) end'
has out '"Error":".*out of gas!' "so does answering for ever"
eval_lua 'local c = coroutine.wrap(function()
        local e = require("apus.engine")
        while true do pcall(e.start, A.line) pcall(e.step) end
    end)
    pcall(c) return "survived"'
has out '"Error":".*out of gas!' "and in a coroutine"
eval_lua 'return Apus.run("What is 7 + 24?", { temperature = 0 }).text'
has out '7 + 24 = 31' "it lives on"

# ---- over many messages ----------------------------------------------------
eval_lua 'Said = nil return Apus.ask("What is 8 + 24?", { each = 8,
    temperature = 0, max_tokens = 32 }, function(a, why)
    Said = a and a.text or why end)'
says 'return tostring(Said)' '"data":"8 + 24 = 32"' "an answer over messages"
eval_lua 'Said = nil Handlers.add("none", "none", function() end)
    local send = ao.send
    ao.send = function() end
    Apus.ask("What is 9 + 24?", { each = 8, temperature = 0 },
        function(a, why) Said = a and a.text or why end)
    ao.send = send'
for step in 'Request=2 Position=0 Count=4' 'Request=2 Position=0 Count=4' \
    'Request=2 Position=3 Count=1' 'Request=1 Position=4 Count=9' \
    'Request=2 Position=x Count=-1' 'Request=2 Position=4 Count=1e99'; do
    # shellcheck disable=SC2086
    message "$net/dapp.json" Action=Apus-Step $step "N=$step" </dev/null
done
says 'return tostring(Said)' '"data":"9 + 24 = 33"' \
    "steps of a stranger, twice or of no position, do no harm"

# ---- Infer -----------------------------------------------------------------
eval_lua 'return tostring(Apus.serve({ max_open = 5, per_sender = 3 }))'
has out '"data":"true"' "it serves"
# none is computed while the last ones come
eval_lua 'Send = ao.send
    ao.send = function(m) if m.Action ~= "Apus-Step" then Send(m) end end'
codes=
for k in 1 2 3 4 5 6 7 8; do
    printf 'What is %s + 30?' $k >prompt
    message "$net/dapp.json" Action=Infer "X-Reference=r$k" \
        'X-Options={"temperature":0,"max_tokens":32}' <prompt
    result
    code=$(sed -n 's/.*{"name":"Code","value":"\([0-9]*\)"}.*/\1/p' out)
    codes="$codes ${code:--}"
done
[ "$codes" = " - - - 429 429 429 429 429" ] && r=0 || r=1
report $r "a flood of Infer gets 429:$codes"
eval_lua 'ao.send = Send return Apus.figures().id'
has out "$model" "it lives on"

# ---- again -----------------------------------------------------------------
kill -9 "$net_job"
net_job=
net_up && r=0 || r=1
report $r "localnet is killed and started again"
eval_lua "return A.result .. ' ' .. Apus.figures().id"
has out "$(head -n 1 theirs) $model" "the process is as it was"
printf '{"Id":"1","Target":"%s","Owner":"%s","From":"%s","Data":"%s",
    "Tags":[{"name":"Action","value":"Eval"}]}' "$process" \
    "$("$apus" wallet show)" "$("$apus" wallet show)" \
    'return Apus.run(\"What is 1 + 2?\", { temperature = 0 })' >dry
netcall post "$url/cu/dry-run?process-id=$process" \
    'Content-Type: application/json' <dry >out
has out 'another answer is under way' "a dry run sees what waits"
finish
