#!/bin/sh
# apus localnet spawn: a file of Lua becomes a process that answers; what it
# prints is shown; a file that is missing, not Lua or raises an error, another
# network and a localnet that does not run are named with the remedy.
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/localnet.sh"

cat >ok.lua <<'LUA'
print("begun")
print("as " .. Name)
Handlers.add("Ping", "Ping", function(msg) msg.reply({ Data = "pong" }) end)
LUA
echo "local x = = 1" >bad.lua
printf 'print("before")\nlocal t = nil\nt.x = 1\n' >raises.lua
head -c 100000 /dev/zero | tr '\0' '#' | sed 's/^/--/' >long.lua

gives 1 "no localnet was ever there" localnet spawn ok.lua --dir "$net"
has err "apus localnet --dir $net makes it" "it says what to do"
net_up && r=0 || r=1
report $r "it is ready"

gives 0 "a process" localnet spawn ok.lua --dir "$net"
process=$(cat out)
[ ${#process} = 43 ] && r=0 || r=1
report $r "its id is printed"
printf 'begun\nas ok\n' | cmp - err >out 2>&1 && r=0 || r=1
report $r "what it prints is shown"
netcall sign "$net/dapp.json" "$process" Data-Protocol=ao Type=Message \
    Variant=ao.TN.1 Action=Ping </dev/null >item
netcall post "$url/mu/" 'Content-Type: application/octet-stream' <item >out
netcall get "$url/cu/result/$(netcall id <item)?process-id=$process" >out
has out '"Data":"pong"' "it answers"
netcall get "$url/su/$process" >out
has out "\"owner\":{\"address\":\"$("$apus" wallet show "$net/wallet.json")" \
    "the wallet of the settings owns it"

APUS_CONFIG=$net/apus.conf
export APUS_CONFIG
gives 0 "by the settings alone" localnet spawn ok.lua
gives 0 "as the requester" localnet spawn --wallet "$net/dapp.json" ok.lua
netcall get "$url/su/$(cat out)" >out
has out "\"owner\":{\"address\":\"$("$apus" wallet show "$net/dapp.json")" \
    "who owns it"
gives 1 "an error" localnet spawn raises.lua
has err '^before$' "what it printed before"
has err '^raises.lua:3: attempt to index a nil value' "the line of the error"
has err 'process .* is there, but "raises.lua" raised an error' "it says so"
echo 'local apus = require("apus.client")' >asks.lua
gives 1 "a file without the client before it" localnet spawn asks.lua
has err 'one file, which must begin with client.lua' "says what helps"
gives 1 "not Lua" localnet spawn bad.lua
has err "bad.lua:1: unexpected symbol near '='" "its line"
gives 1 "no file" localnet spawn none.lua
has err 'cannot open "none.lua"' "its name"
gives 1 "a file over the size of a message" localnet spawn long.lua
has err 'long.lua.* at most 90000' "what fits"
gives 2 "no argument" localnet spawn
gives 2 "a command with a slip" localnet spwan ok.lua
has err 'is "localnet spawn" meant' "which names the one that is meant"
gives 1 "another network" localnet spawn ok.lua \
    --ao-mu https://mu.ao-testnet.xyz
has err 'is not a localnet: name its directory' "nothing is sent there"

# a net that was started again evaluates all messages again, and a question
# waits for that
cat >slow.lua <<'LUA'
Count = 0
Handlers.add("Ping", "Ping", function(msg)
    for i = 1, 3000000 do Count = Count + 1 - 1 end
    Count = Count + 1
    msg.reply({ Data = "count " .. Count })
end)
Handlers.add("Get", "Get", function(msg)
    msg.reply({ Data = "there are " .. Count })
end)
LUA
gives 0 "a slow process" localnet spawn slow.lua
process=$(cat out)
for i in 1 2 3 4 5 6; do
    netcall sign "$net/dapp.json" "$process" Data-Protocol=ao Type=Message \
        Variant=ao.TN.1 Action=Ping N=$i </dev/null >item
    netcall post "$url/mu/" 'Content-Type: application/octet-stream' \
        <item >out
done
netcall get "$url/cu/result/$(netcall id <item)?process-id=$process" >out
has out '"Data":"count 6"' "has counted six messages"
net_down
net_up && r=0 || r=1
report $r "it is started again"
printf '{"Id":"1","Target":"%s","Owner":"me","Data":"",
    "Tags":[{"name":"Action","value":"Get"}]}' "$process" >dry
netcall post "$url/cu/dry-run?process-id=$process" \
    'Content-Type: application/json' <dry >out
has out '"Data":"there are 6"' "a question at once is asked of all six"
net_down
gives 1 "it does not run" localnet spawn ok.lua
has err "apus localnet --dir D starts one" "it says what to do"
finish
