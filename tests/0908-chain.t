#!/bin/sh
# apus chain: a process that answers by itself is made, asked, and computed
# again, with what was kept and from the network; one that lies is found; what
# cannot be is refused with the remedy.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/localnet.sh"
octets='Content-Type: application/octet-stream'
eval_lua() { # CODE: in $process, as its owner
    printf '%s' "$1" >code
    netcall sign "$net/wallet.json" "$process" Data-Protocol=ao \
        Variant=ao.TN.1 Type=Message Action=Eval "N=$n" <code >item
    netcall post "$url/mu/" "$octets" <item >answer
    netcall get "$url/cu/result/$(netcall id <item)?process-id=$process" >out
}
ask() { # ARGUMENT...: of apus chain ask; the message is in $message
    gives 0 "ask" chain ask "$process" "$@" --wallet "$net/dapp.json"
    message=$(grep -x '[A-Za-z0-9_-]\{43\}' err)
}

net_up && r=0 || r=1
report $r "localnet is up"
APUS_CONFIG=$net/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
APUS_REQUESTS=$tmp/requests
export APUS_CONFIG APUS_MODELS APUS_SPOOL APUS_REQUESTS
gives 0 "a model" model add "$top/models/nano" nano
model=$(tail -n 1 out)

# ---- new -------------------------------------------------------------------
gives 0 "published without an attestation" model publish nano --yes
source=$(cat out)
gives 1 "a process that may not read it" chain new "$source" --name nano
has err 'nobody whom this process trusts has attested it' "says why"
process=$(sed -n 's/.*with --process \([A-Za-z0-9_-]*\) .*/\1/p' err)
gives 0 "attested" model publish nano --yes --attest
[ "$(cat out)" = "$source" ] && r=0 || r=1
report $r "it is the same item"
has err 'was published before' "which is paid once"
posts=$(netcall get "$url/bundler/posts" | sed 1d)
gives 0 "attested again" model publish nano --yes --attest
[ "$(netcall get "$url/bundler/posts" | sed 1d)" = "$posts" ] && r=0 || r=1
report $r "nothing is sent twice"
gives 0 "the process is set up" chain new "$source" --name nano \
    --process "$process"
[ "$(cat out)" = "$process" ] && r=0 || r=1
report $r "its id is printed"
has err "it answers by model $model" "it says which model it has"
gives 2 "no item" chain new nano
gives 2 "no bound" chain new "$source" --max-open 0
gives 2 "no name" chain new "$source" --name 'a"b'
gives 2 "no address" chain new "$source" --from me
gives 1 "no model inside" chain new
has err 'cannot open "/model"' "says what is missing"

# ---- ask, verify -----------------------------------------------------------
ask 'What is 6 + 24?' --temperature 0 --max-tokens 32
has out '^6 + 24 = 30$' "the text is printed"
first=$message
gives 0 "verified" chain verify "$message"
has out "^model.$model$" "the model"
has out '^result.[A-Za-z0-9_-]*.the same$' "the result"
has err 'owner of the process can change' "and what it is worth"
rm requests/*
gives 0 "verified from the network" chain verify "$message"
has out '^result.*the same$' "the same"
has out '^6 + 24 = 30$' "with the text, which was kept nowhere"
ask 'Say something.' --temperature 0.9 --seed 7 --max-tokens 20 -m nano
gives 0 "one that is drawn" chain verify "$message"
ask 'What is 7 + 24?' --system 'Be short.' -m "$model" \
    --ao-network legacynet
gives 0 "one with a system message" chain verify "$message" \
    --ao-network legacynet
sed -i 's/"result":"/"result":"x/' "requests/$message.answer"
gives 3 "another text" chain verify "$message"
has err 'the text differs' "is found"

# ---- what goes wrong -------------------------------------------------------
gives 1 "another model" chain ask "$process" x -m other
has err 'the process answered 404.*no such model' "says so"
gives 1 "a text that outgrows the context" chain ask "$process" \
    "$(head -c 6000 /dev/zero | tr '\0' x)"
has err '422' "says so"
gives 2 "no process" chain ask nano x
gives 2 "an empty text" chain ask "$process" ''
gives 2 "no number" chain ask "$process" x --temperature hot
gives 2 "no message" chain verify x
gives 75 "a message of nobody" chain verify \
    "$("$apus" wallet show "$net/dapp.json")" --http-retries 0
has err "message $("$apus" wallet show "$net/dapp.json")" "is named"
gives 1 "an item that is no message" chain verify "$source" --http-retries 0
printf 'print("a process like any other")\n' >other.lua
gives 0 "a process that does not answer" localnet spawn other.lua
gives 1 "asked" chain ask "$(cat out)" x
has err 'has no Status-Response: is it one of apus chain new' "says so"

# ---- one that lies ---------------------------------------------------------
eval_lua 'local json, send = require("json"), ao.send
    ao.send = function(m)
        if type(m.Data) == "string" and m.Data:find("attestation") then
            m.Data = m.Data:gsub("(\"job\":\"[^\"]*\",\"result\":\")(.)",
                function(before, c)
                    return before .. (c == "_" and "-" or "_")
                end)
        end
        return send(m)
    end'
ask 'What is 8 + 24?' --temperature 0
rm requests/*
gives 3 "an answer that is changed" chain verify "$message"
has err 'differs' "is found"
gives 3 "an older one, from now on" chain verify "$first"
gives 0 "it answers somebody else alone" chain new "$source" \
    --process "$process" --from "$source"
gives 1 "asked" chain ask "$process" x --wallet "$net/dapp.json"
has err "the process does not answer .*apus chain new --from" "says who can"

# ---- modules ---------------------------------------------------------------
printf '\0asm\1\0\0\0' >apus-simd.wasm
gives 0 "a module is published" chain publish apus-simd.wasm --yes
module=$(cat out)
netcall post "$url/mine/1" </dev/null >answer
printf '{"query":"{transactions(ids:[\\"%s\\"])%s"}' "$module" \
    '{edges{node{tags{name value}}}}}' >query
netcall post "$url/graphql" <query >out
has out 'wasm32-unknown-emscripten4' "its format is by its name"
has out '"WeaveDrive"' "it may read from Arweave"
gives 0 "and one that needs no WeaveDrive" chain publish apus-simd.wasm \
    --format wasm32-unknown-emscripten3 --no-weavedrive --yes
[ "$(cat out)" != "$module" ] && r=0 || r=1
report $r "is another item"
cp apus-simd.wasm other.wasm
gives 2 "a name that says nothing" chain publish other.wasm
has err 'say --format' "what to do"
echo text >apus-simd.wasm
gives 1 "a file that is none" chain publish apus-simd.wasm --yes
has err 'not a module' "says so"
gives 1 "no sources" chain build --source "$tmp"
has err 'name their directory with --source' "what to do"
truncate -s 70M large.apus
gives 1 "a model too large to be inside" chain build -m large.apus \
    --source "$top"
has err 'apus model publish --attest' "what to do"
finish
