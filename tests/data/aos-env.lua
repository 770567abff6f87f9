-- What a process of AOS can see and do, asked for by messages
-- (aos-env.json); tests/0930-aos-same.t sends them to the real module and to
-- the Lua of localnet.  Tags that are sent lie in arrays, since the order of
-- pairs() is no promise of either.

local json = require("json")
local match = Handlers.utils

local function say(target, data)
    ao.send({ Target = target, Data = data })
end

-- ---- patterns --------------------------------------------------------------

local function hit(name)
    return function() say(name) end
end
local function when(action, value)
    return function(msg) return msg.Action == action and value end
end

Handlers.add("tags", { Action = "Tags", Color = { "red", "blue" } },
    hit("tags"))
Handlers.add("pattern", { Action = "Pattern", ["X-N"] = "^%d+$" },
    hit("pattern"))
Handlers.add("any", { Action = "Any", Foo = "_" }, hit("any"))
Handlers.add("data", { Action = "Data", Data = function(v)
    return v == "x"
end }, hit("data"))
Handlers.add("tag", match.hasMatchingTag("Action", "Tag"), hit("tag"))
Handlers.add("tagof", match.hasMatchingTagOf("Action", { "T1", "T2" }),
    hit("tagof"))
Handlers.add("matchdata", match.hasMatchingData("open"), hit("matchdata"))
for _, value in ipairs({ "continue", "skip", "break", "yes" }) do
    Handlers.add("s-" .. value, when("S-" .. value, value), hit(value))
end
for _, value in ipairs({ -1, 0, 1, 5 }) do
    Handlers.add("n" .. value, when("N" .. value, value), hit("n" .. value))
end
Handlers.add("Short", function() say("short") end)
Handlers.once("once", "Once", hit("once"))
Handlers.prepend("first", when("First", "continue"), hit("first"))
Handlers.append("last", "Last", hit("last"))
Handlers.before("any").add("before", "Before", hit("before"))
Handlers.after("any").add("after", "After", hit("after"))
Handlers.add("gone", "Gone", hit("gone"))
Handlers.remove("gone")
Handlers.add("twice", "Twice", hit("old"))
Handlers.add("twice", "Twice", hit("new"))
Handlers.add("list", "List", function()
    local names = {}
    for i, h in ipairs(Handlers.list) do names[i] = h.name end
    say("list", table.concat(names, " "))
end)

-- ---- messages in -----------------------------------------------------------

Handlers.add("fields", "Fields", function(msg)
    local out = {}
    for _, k in ipairs({ "Id", "From", "Owner", "Target", "Timestamp",
        "Block-Height", "Nonce", "Epoch", "Cron", "Module", "Hash-Chain",
        "Anchor", "Reference", "Reply-To", "From-Process", "Pushed-For",
        "Read-Only", "Variant", "Type", "X", "A-B-Cd", "Data" }) do
        out[#out + 1] = k .. "=" .. type(msg[k]) .. ":" .. tostring(msg[k]) ..
            "/" .. tostring(msg.Tags[k])
    end
    out[#out + 1] = tostring(os.time()) .. type(os.time())
    say("fields", table.concat(out, "\n"))
    for i, tag in ipairs(msg.TagArray) do
        say("tag" .. i, tag.name .. "=" .. tag.value)
    end
end)
Handlers.add("json", "Json", function(msg)
    say("json", type(msg.Data) .. json.encode(msg.Data))
end)
Handlers.add("env", "Env", function()
    say("env", ao.id .. ao._module .. ao.env.Process.Id .. Owner .. Name ..
        #Inbox .. ao.authorities[1] .. ao.env.Process.Tags.Authority ..
        ao.env.Process.TagArray[1].name .. ao.reference)
end)

-- ---- messages out ----------------------------------------------------------

Handlers.add("send", "Send", function()
    Send({ Target = "a", Data = "d", Tags = {
        { name = "B", value = "1" }, { name = "A", value = "2" } } })
    Send({ Target = "b", Data = { a = { 1, 2.5, "x" } }, Z = "1", Tags = {
        { name = "n", value = 5 } } })
    ao.send({ Target = "c", Tags = { One = "1" } })
    ao.send({ Target = "d", One = "1", Data = 5 })
    ao.send({ Target = "e", Data = true, Anchor = "no", From = "no" })
    ao.send({ device = "patch@1.0", Tags = {
        { name = "cache", value = { pending = "12" } } } })
    ao.spawn("module", { Data = "x", Tags = {
        { name = "Authority", value = "z" } } })
    Spawn("module", {})
    Assign({ Processes = { "p" }, Message = "m" })
end)
Handlers.add("reply", "Reply", function(msg)
    msg.reply({ Data = "x" })
    msg.reply({ Target = "z", Data = "y" })
end)
Handlers.add("ask", "Ask", function()
    local answer = Send({ Target = "server" }).receive()
    say("answered", answer.Data)
end)
Handlers.add("wait", "Wait", function()
    local answer = Receive({ Action = "Woken" })
    say("woken", answer.Data)
end)
Handlers.add("later", "Later", function()
    Send({ Target = "server" }).onReply(function(m) say("got", m.Data) end)
end)
Handlers.add("print", "Print", function()
    print("text")
    print(1)
    print(1.5)
    print(true)
    print(nil)
    print({ 1, 2 })
    print({ 1, "a", { b = { c = 2 } }, {}, { 1 } })
    return "not shown"
end)

-- ---- errors ----------------------------------------------------------------

Count = 0
Handlers.add("fail", "Fail", function()
    Count = Count + 1
    say("fail")
    error("on purpose")
end)
Handlers.add("nil", "Nil", function() return Count.x.y end)
Handlers.add("caught", "Caught", function()
    local _, why = pcall(function() error("here") end)
    say("caught", why)
    _, why = pcall(function() local t; return t.x end)
    say("caught", why)
    say("count", tostring(Count))
end)

-- ---- modules ---------------------------------------------------------------

local function try(f, ...)
    local good, v = pcall(f, ...)
    if good and math.type(v) then v = math.type(v) .. " " .. v end
    if good and type(v) == "string" then
        v = v:gsub("[^ -~]", function(c)
            return ("<%02x>"):format(c:byte())
        end)
    end
    if type(v) == "table" then v = "table " .. #v end
    say(tostring(good), tostring(v))
end

Handlers.add("encode", "Encode", function()
    local circle = {}
    circle.circle = circle
    for _, v in ipairs({ { 123456789012345, 1 / 3, 10, 10.0, 2 ^ 53, -0.0,
        1e100, true, 12345678901234567, 0.1 }, "a\n\"\\/\0\1\127\u{e9}\u{2028}",
        { [1] = 1, [3] = 3 }, 1 / 0, print, { 1, a = 2 }, { [1.5] = 1 }, {},
        { b = {} }, { [3] = "x" }, circle, false, { { { {} } } } }) do
        try(json.encode, v)
    end
end)
Handlers.add("decode", "Decode", function(msg)
    for _, text in ipairs({ '{"a":1,', "[1,2] x", "nul", "", "  1", "[1,]",
        '{"a" 1}', '"a\nb"', '"\\x"', '"\\ud83d"', '"\\u12"', "01", "1.", "-",
        "+1", ".5", "1e5", "0x10", "NaN", "tru", "[1 2]", '"abc', "{1:2}",
        '{"a":1 "b":2}', '"\\ud83d\\ude00\\/\\b"', " [ ] ", "null",
        '"\\u0000"', "1 ", "9223372036854775808", "-9223372036854775808",
        "1e400", '{"a":1,"a":2}', "infinity", '"\\udc00"', "[[],{}]",
        "9007199254740993", "-0", "-0.0", "[1,[2,[3]]]", "true false" }) do
        try(json.decode, text)
    end
    try(json.decode, nil)
    try(json.decode, string.rep("[", 100000))
end)
Handlers.add("sha", "Sha", function(msg)
    local stream = require(".crypto.util.stream")
    local sum = require(".crypto").digest.sha2_256
    say("sha", sum(stream.fromString(msg.Data)).asHex())
end)
Handlers.add("bint", "Bint", function()
    local bint = require(".bint")(256)
    local big = bint("123456789012345678901234567890")
    for _, v in ipairs({ big * bint(3) // bint(7), big - 1, big + big,
        big % bint(97), -big, bint(5) - bint(7), bint("-9") // bint(2),
        bint(0), bint(-7) % bint(3) }) do
        say("bint", tostring(v))
    end
    say("order", tostring(bint(10) < bint(9)) ..
        tostring(bint(2) == bint("2")) .. tostring(bint.zero() <= bint.one()))
    try(bint, "1.5")
    try(bint, "1e3")
end)
Handlers.add("numbers", "Numbers", function()
    say("numbers", string.pack("<I4d", 7, 1.5):byte(-1) ..
        string.format("%.14g %d %q", 0.1, 3, "x") .. (7 // 2) .. (7 / 2) ..
        (1 << 62) .. math.maxinteger .. math.tointeger(3.0) .. 5 % -3 ..
        string.format("%s", 1e15) .. 2 ^ 53 .. tostring(0 / 1) ..
        string.unpack("<f", string.pack("<f", 0.1)) .. bit32.band(12, 10))
end)
return "loaded"
