#!/bin/sh
# AO on apus localnet: processes are spawned, messages evaluated in order, an
# error leaves no trace, a dry run neither; a process writes to another one;
# ids twice, strangers, damage and too long items are refused with the texts of
# the network; state and results are the same after kill -9; HyperBEAM.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/localnet.sh"

octets='Content-Type: application/octet-stream'
answers() { # STATUS NAME netcall-ARGUMENT...
    want=$1
    name=$2
    shift 2
    netcall "$@" >answer 2>err || echo none >answer
    { cat answer; echo; } >out
    [ "$(head -n 1 answer)" = "$want" ] && r=0 || r=1
    report $r "$name: $want"
}
conf() { sed -n "s/^$1 = //p" "$net/apus.conf"; }
item() { # TYPE TARGET TAG... <data: signed by the requester, into item
    type=$1
    target=$2
    shift 2
    netcall sign "$net/dapp.json" "$target" Data-Protocol=ao \
        Variant=ao.TN.1 "Type=$type" "$@" >item
    id=$(netcall id <item)
}
spawn() { # <lua: id is the process
    item Process - "Module=$(conf ao-module)" \
        "Scheduler=$(conf ao-scheduler)" "Authority=$(conf ao-authority)" \
        On-Boot=Data
    netcall post "$url/mu/" "$octets" <item >answer
}
result() { # MESSAGE PROCESS
    netcall get "$url/cu/result/$1?process-id=$2&no-busy=1" |
        sed 1d >result
    { cat result; echo; } >out
}
tell() { # PROCESS TAG... <data
    process=$1
    item Message "$@"
    netcall post "$url/mu/" "$octets" <item >answer
    result "$id" "$process"
}

cat >p.lua <<'LUA'
Count = 0
Handlers.add("Echo", "Echo", function(msg)
    Count = Count + 1
    ao.send({ Target = msg.From, Data = msg.Data .. " " .. Count,
        Tags = { { name = "Action", value = "Echoed" } } })
end)
Handlers.add("Boom", "Boom", function() Count = 1000 error("boom") end)
Handlers.add("Relay", "Relay", function(msg)
    ao.send({ Target = msg.To, Data = msg.Data,
        Tags = { { name = "Action", value = "Echo" } } })
end)
Handlers.add("Echoed", "Echoed", function(msg)
    Last = msg.From .. "/" .. msg.Owner .. "/" .. msg.Data
end)
Handlers.add("Pull", "Pull", function(msg)
    ao.send({ Target = msg.From, Data = '{"id":"i","prompt":"p"}\n', Tags = {
        { name = "Action", value = "Pull-Response" } } })
end)
Handlers.add("State", "State", function(msg)
    ao.send({ Target = msg.From, Data = Count .. " " .. tostring(Last) })
    ao.send({ device = "patch@1.0", cache = { Count = tostring(Count) } })
end)
LUA

# one that takes a minute for a message
net_up --delay 60000 && r=0 || r=1
report $r "it is ready"
spawn <p.lua
has answer '^202' "a process is spawned"
a=$id
echo x >x
item Message "$a" Action=Echo <x
answers 202 "a message is taken" post "$url/mu/" "$octets" <item
has answer "\"id\":\"$id\"" "its id is reported"
answers 202 "its result is not there at once" \
    get "$url/cu/result/$id?process-id=$a"
has answer 'in progress' "it says so"
net_down
rm -rf "$net"

net_up --delay 300 && r=0 || r=1
report $r "a faster one is ready"
spawn <p.lua
a=$id
spawn <p.lua
b=$id
item Message "$a" Action=Echo <x
answers 202 "a message is taken" post "$url/mu/" "$octets" <item
result "$id" "$a"
has result 'x.n 1' "then it is"
first=$id
cp result first
answers 500 "the same again" post "$url/mu/" "$octets" <item
has answer 'already exists' "it says so"

tell "$a" Action=Boom </dev/null
has result '"Error":".*boom' "an error is told"
has result '"Messages":\[\]' "it sends nothing"
printf '%s' "{\"Id\":\"1\",\"Target\":\"$a\",\"Owner\":\"me\",\"Data\":\"d\",
    \"Tags\":[{\"name\":\"Action\",\"value\":\"Echo\"}]}" >dry
answers 200 "a dry run" post "$url/cu/dry-run?process-id=$a" <dry
has answer '"d 2"' "the error left no trace"
answers 200 "again" post "$url/cu/dry-run?process-id=$a" <dry
has answer '"d 2"' "nor did the dry run"

echo two >data
tell "$a" Action=Relay "To=$b" <data
for i in $(seq 300); do
    tell "$a" Action=State </dev/null
    grep -q "$b" result && break
    sleep 0.2
done
has result "1 $b/$(conf ao-authority)/two.n 1" "a process wrote to another"
answers 200 "the schedule" get "$url/su/$b?process-id=$b&from-nonce=0"
has answer '"name":"From-Process","value":"'"$a" "the messenger says for whom"
has answer '"name":"Pushed-For"' "and of what it comes"

# ---- refused ------------------------------------------------------------
head -c 101500 /dev/zero | tr '\0' x >data
item Message "$a" Action=Echo <data
answers 500 "too long" post "$url/mu/" "$octets" <item
has answer 'exceeds maximum of 102400 bytes' "it says so"
echo x >x
item Message "$a" Action=Echo <x
(sed '$d' item; echo y) >item2
answers 500 "damaged" post "$url/mu/" "$octets" <item2
has answer 'valid and signed data item' "it says so"
item Message "$(netcall address "$net/dapp.json")" Action=Echo <x
answers 500 "to nobody" post "$url/mu/" "$octets" <item
gives 0 "a stranger" localnet --dir other --new-wallet alien.json
netcall sign alien.json "$a" Data-Protocol=ao Type=Message A=b <x >item
answers 403 "its message" post "$url/mu/" "$octets" <item
has answer 'not made by this localnet' "it says why"

# ---- kill -9 ------------------------------------------------------------
for i in $(seq 40); do
    echo "$i" >x
    item Message "$a" Action=Echo <x
    netcall post "$url/mu/" "$octets" <item >/dev/null
done
result "$id" "$a"
has result '40.n 41' "forty more"
cp result last
last=$id
tell "$a" Action=State </dev/null
kill -9 "$net_job"
wait "$net_job" 2>/dev/null || :
net_up && r=0 || r=1
report $r "it starts again after kill -9"
result "$last" "$a"
cmp -s result last && r=0 || r=1
report $r "the last result is the same"
result "$first" "$a"
cmp -s result first && r=0 || r=1
report $r "so is the first"
tell "$a" Action=State </dev/null
has result '"41 '"$b" "the state is the same"
tell "$b" Action=State </dev/null
has result '"1 nil"' "nothing was sent twice"

# ---- HyperBEAM ----------------------------------------------------------
answers 200 "the address of the node" get "$url/hb/~meta@1.0/info/address"
has answer "$(conf ao-scheduler)" "it is that of the scheduler"
netcall sign "$net/dapp.json" "$a" Data-Protocol=ao Variant=ao.N.1 \
    Type=Message Action=Echo <x >item
answers 200 "push" post "$url/hb/$a~process@1.0/push" \
    'Content-Type: application/ans104' 'codec-device: ans104@1.0' <item
has answer '"results":{"raw":{"Messages":\[{.*"outbox":{"1":{"target"' \
    "what its compute unit said, decoded, and the outbox"
slot=$(sed -n 's/.*"slot":"\([0-9]*\)".*/\1/p' answer)
for path in "compute/results=$slot" "compute=$slot/results"; do
    answers 200 "$path" get "$url/hb/$a~process@1.0/$path" \
        'require-codec: application/json'
    has answer '^{"raw":{.*Echoed' "its results alone"
done
answers 200 "compute" get "$url/hb/$a~process@1.0/compute?slot=$slot"
has answer '^{"results":{"raw":{.*Echoed' "all of it"
answers 200 "slot" get "$url/hb/$a/slot/current"
has answer "^$slot" "the current slot"
answers 200 "a patched key" get "$url/hb/$a~process@1.0/now/cache/count"
has answer '^41' "its value"

net_down
net_up --old-node && r=0 || r=1
report $r "a node as they were until 2025"
answers 200 "compute" get "$url/hb/$a~process@1.0/compute?slot=$slot"
has answer '^{"results":{"json":{.*"body":"{.*Echoed' "a text of JSON"

# ---- a net that lies ----------------------------------------------------
net_down
net_up --hostile cu-twice:1 --hostile mu/429:1 --hostile lost-answer:1 &&
    r=0 || r=1
report $r "it starts hostile"
item Message "$a" Action=Pull <x
answers 500 "too many" post "$url/mu/" "$octets" <item
has answer 'Rate limit exceeded' "the messenger wraps it"
answers none "the answer is lost" post "$url/mu/" "$octets" <item
answers 500 "the item was taken" post "$url/mu/" "$octets" <item
has answer 'already exists' "it says so"
result "$id" "$a"
has result 'id\\".*id\\"' "a line comes twice"
result "$id" "$a"
grep -q 'id\\".*id\\"' result && r=1 || r=0
report $r "the next time it does not"
finish
