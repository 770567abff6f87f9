-- serve.lua TOP QUEUE MODEL [MESSAGES NAME]: a module's Lua (boot.lua) in a
-- plain Lua, with Apus.serve; QUEUE is what contrib/ao/module/queue-text
-- prints.  With MESSAGES, the id and the line of each Infer of that file, as
-- askrun prints them, NAME being the model's id there; else its own tests.
local top, queue, model, messages, name = ...
local open, exit, print = io.open, os.exit, print
local engine = require("apus.engine")

local function read(path)
    local f = assert(open(path, "rb"))
    local text = f:read("a")
    f:close()
    return text
end

local texts = { queue = read(queue) }
for key, file in pairs({ json = "src/localnet/json.lua",
    bint = "src/localnet/bint.lua", handlers = "src/localnet/handlers.lua",
    process = "src/localnet/aos.lua", apus = "contrib/ao/module/apus.lua",
    serve = "contrib/ao/module/serve.lua" }) do
    texts[key] = read(top .. "/" .. file)
end
local all = messages and read(messages)

-- of the file of messages only the lines are wanted
local real, taken = engine.start, nil
if messages then
    engine.start = function(line) taken = line return nil, "not begun" end
end
local handle = assert(loadfile(top .. "/contrib/ao/module/boot.lua"))(engine,
    texts)
local json = require("json")
local encode, decode = json.encode, json.decode

local function id(s) return s .. ("_"):rep(42 - #s) .. "A" end
local own, owner, now = id("process"), id("owner"), 1700000000000
local trusted = ("messenger"):rep(5):sub(1, 43)
local tags_of_own = { { name = "Name", value = "serve" },
    { name = "Authority", value = trusted } }
local env = encode({ Process = { Id = own, Owner = owner, Tags = tags_of_own },
    Module = { Id = id("module"), Owner = owner, Tags = { { name =
        "Module-Format", value = "wasm32-unknown-emscripten-metering" } } } })
local count = 0

local function send(from, tags, data, more)
    count, now = count + 1, now + 1000
    local list = {}
    for k, v in pairs(tags) do list[#list + 1] = { name = k, value = v } end
    if tags[1] then list = tags end
    local m = { Id = id("n" .. count), From = from, Owner = from,
        Target = own, Tags = list, Data = data or "", Timestamp = now,
        ["Block-Height"] = 1500000, Nonce = count, Epoch = 0 }
    for k, v in pairs(more or {}) do m[k] = v end
    local r = decode(handle(encode(m), env))
    assert(r.ok, r.response)
    return r.response.Messages or {}, r.response
end

local function tag(m, wanted)
    for _, t in ipairs(m.Tags) do
        if t.name == wanted then return t.value end
    end
end

send(owner, { Type = "Process" }, "", { Id = own })
local function eval(code)
    local _, r = send(owner, { Action = "Eval" }, code)
    assert(not r.Error, r.Error)
    local data = r.Output.data
    return type(data) == "table" and data.output or data
end
local loaded = eval(('Apus = require("apus") return Apus.load(%q)'):format(
    model))
assert(#loaded == 43, loaded)

if messages then
    assert(eval('return tostring(Apus.serve({ name = "nano" }))') == "true")
    for _, m in ipairs(decode((all:gsub(name, loaded)))) do
        taken = nil
        local list, infer = { { name = "Data-Protocol", value = "ao" },
            { name = "Variant", value = "ao.TN.1" },
            { name = "Type", value = "Message" } }, false
        if m.tags[1] then
            for _, t in ipairs(m.tags) do list[#list + 1] = t end
        else
            for k, v in pairs(m.tags) do
                list[#list + 1] = { name = k, value = v }
            end
        end
        local out = send(m.from, list, m.data, { Id = m.id,
            Owner = m.owner and trusted or m.from })
        if taken then
            local at, to = taken:find(loaded, 1, true)
            taken = taken:sub(1, at - 1) .. name .. taken:sub(to + 1)
        end
        for _, o in ipairs(out) do
            infer = infer or tag(o, "Action") == "Infer-Response"
        end
        if infer then print(m.id .. "\t" .. (taken or "refused")) end
    end
    exit(0)
end

-- ---- its own tests ----------------------------------------------------------
local n = 0
local function check(good, what)
    n = n + 1
    print((good and "ok " or "not ok ") .. n .. " - " .. what)
end

-- What comes of it, steps and all: the answers, in their order.
local function follow(list, answers)
    answers = answers or {}
    for _, m in ipairs(list) do
        if m.Target == own then
            follow(send(own, m.Tags, m.Data), answers)
        else
            answers[#answers + 1] = m
        end
    end
    return answers
end

local a, b, c = id("alice"), id("bob"), id("carol")
local options = '{"temperature":0,"max_tokens":12}'
local function infer(from, reference, prompt, more)
    local tags = { Action = "Infer", ["X-Options"] = options,
        ["X-Reference"] = reference }
    for k, v in pairs(more or {}) do tags[k] = v end
    return send(from, tags, prompt)
end
local function code(list)
    return #list == 1 and tag(list[1], "Code") or "none"
end

check(eval('local g, w = Apus.serve({ most = 1 }) return tostring(g) .. w')
    :find("nilno option of serve: most"), "an option that is none")
check(eval('local g, w = Apus.serve({ max_open = 0 }) return tostring(g) .. w')
    :find("from 1 to 10000"), "a bound that is none")
check(eval('local g, w = Apus.serve({ from = { "?" } }) return tostring(g)..w')
    :find("address"), "a sender that is none")
check(eval(('return tostring(Apus.serve({ max_open = 3, per_sender = 2, ' ..
    'from = { %q, %q } }))'):format(a, b)) == "true", "it serves")

check(code(infer(c, "c1", "What is 6 + 24?")) == "403", "a stranger: 403")
check(code(infer(a, "x", "q", { ["X-Model"] = id("other") })) == "404",
    "another model: 404")
check(code(infer(a, "x", "q", { ["X-Options"] = '{"top_p":7}' })) == "400",
    "an option out of range: 400")
check(code(infer(a, "x", "a\0b")) == "400", "a NUL: 400")
check(code(infer(a, "x", "\xff")) == "400", "no UTF-8: 400")
check(code(infer(a, "x", "", { ["X-Source"] = id("source") })) == "400",
    "a prompt that is elsewhere: 400")
check(code(infer(a, "x", "{", { ["Content-Type"] = "application/json" })) ==
    "400", "no JSON: 400")

local begun = infer(a, "a1", "What is 6 + 24?", { ["X-Session"] = "s",
    ["X-Model"] = loaded })
local first = id("n" .. count)
check(#begun == 1 and begun[1].Target == own, "the first begins")
check(#infer(a, "a1", "What is 6 + 24?", { ["X-Session"] = "s",
    ["X-Model"] = loaded }) == 0, "the same again is the same request")
check(code(infer(a, "a1", "What is 6 + 25?")) == "409",
    "another under its reference: 409")
check(#infer(a, "a2", "What is 7 + 24?") == 0, "the second waits")
check(code(infer(a, "a3", "What is 8 + 24?")) == "429",
    "too many of one sender: 429")
check(#infer(b, "b1", "What is 9 + 24?") == 0, "another sender's waits")
check(code(infer(b, "b2", "What is 9 + 25?")) == "429", "too many: 429")
check(eval('local g, w = Apus.run("x") return tostring(g) .. w') ==
    "nilanother answer is under way", "its owner cannot disturb it")

local got = follow(begun)
local order, result = {}, {}
for i, m in ipairs(got) do
    order[i] = tag(m, "X-Reference")
    result[i] = decode(m.Data)
end
check(table.concat(order, " ") == "a1 a2 b1", "all are answered, in order: " ..
    table.concat(order, " "))
check(result[1] and result[1].result == "6 + 24 = 30" and
    got[1].Target == a and tag(got[1], "X-Session") == "s" and
    not tag(got[1], "Code"), "with the text")
check(result[3] and result[3].result == "9 + 24 = 33" and
    got[3].Target == b, "each its own")

-- the same line, under the same id, by the engine alone
local line = ('{"custom_id":"%s","method":"POST",' ..
    '"url":"/v1/chat/completions","body":{"model":"%s","messages":' ..
    '[{"role":"user","content":"What is 6 + 24?"}],"max_tokens":12,' ..
    '"temperature":0.000000,"top_p":1.000000,"apus":{"top_k":0}}}')
    :format(first, loaded)
assert(real(line, first) and engine.step())
local hash = result[1] and require("apus") and result[1].attestation or {}
local hex = engine.answer().result
local set = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" ..
    "0123456789-_"
local bits, k, out = 0, 0, {}
for letter in (hash.result or ""):gmatch(".") do
    bits, k = (bits << 6 | set:find(letter, 1, true) - 1) & 0xffff, k + 6
    if k >= 8 then
        k = k - 8
        out[#out + 1] = ("%02x"):format(bits >> k & 255)
    end
end
check(table.concat(out) == hex and hash.request == first and
    hash.model == loaded and hash.node == own, "and its record")
check(code(follow(infer(b, "b3", ("x "):rep(4000)))) == "422",
    "a prompt that outgrows the context: 422")
got = follow(infer(b, "b4", "What is 9 + 25?"))
check(#got == 1 and decode(got[1].Data).result == "9 + 25 = 34",
    "it lives on")
got = follow(infer(b, "b5", '{"prompt":[1,2,3]}',
    { ["Content-Type"] = "application/json" }))
check(#got == 1 and #decode(got[1].Data).ids > 4, "token ids get token ids")

-- a clock that is slow, and one that is no clock
local function late(list, ms)
    while #list == 1 and tag(list[1], "Action") == "Apus-Step" do
        now = now + ms
        list = send(own, list[1].Tags, "")
    end
    return list
end
local function ask()
    local _, r = send(owner, { Action = "Eval" }, 'Said = nil Apus.ask(' ..
        '"What is 6 + 24?", { each = 4, temperature = 0, max_tokens = 12 },' ..
        ' function(x, why) Said = x and x.text or why end)')
    return r.Messages
end
late(ask(), 600001)
check(eval("return tostring(Said)") == "6 + 24 = 30",
    "steps that come after ten minutes were not lost")
local steps = ask()
for _ = 1, 12 do
    now = now + 600001
    send(b, { Action = "Nothing", Timestamp = tostring(now + 9e15) }, "")
end
late(steps, 1)
check(eval("return tostring(Said)") == "6 + 24 = 30",
    "a tag Timestamp is not the time")

-- Status, and an answer that is stopped
local function status(of)
    local out = send(c, { Action = "Status", Request = of }, "")
    return out[1] and tag(out[1], "State"), out[1]
end
local state, said = status(first)
check(state == "done" and decode(said.Data).result == "6 + 24 = 30" and
    not tag(said, "Answer-Code"), "Status has an answer")
check(status(id("none")) == "gone", "and knows what it does not know")
got = send(a, { Action = "Status", ["X-Reference"] = "a2" }, "")
check(decode(got[1].Data).result == "7 + 24 = 31", "by its reference, too")
got = send(b, { Action = "Status", ["X-Reference"] = "a2" }, "")
check(tag(got[1], "State") == "gone", "which is its sender's own")
steps = infer(a, "s1", "What is 6 + 26?")
local stopped = id("n" .. count)
state, said = status(stopped)
check(state == "pending" and tag(said, "Before") == "0" and
    tag(said, "Position") == "0", "Status of one that is computed")
infer(a, "s2", "What is 6 + 27?")
state, said = status(id("n" .. count))
check(state == "pending" and tag(said, "Before") == "1", "of one that waits")
local _, after = send(owner, { Action = "Eval" }, "return Apus.stop()")
check(#after.Messages == 2 and tag(after.Messages[1], "Code") == "499" and
    after.Messages[1].Target == a, "stop ends the one at hand with 499")
check(#send(own, steps[1].Tags, "") == 0, "whose step does nothing any more")
state, said = status(stopped)
check(state == "done" and tag(said, "Answer-Code") == "499", "so says Status")
got = follow({ after.Messages[2] })
check(#got == 1 and decode(got[1].Data).result == "6 + 27 = 33",
    "and the next is answered")
check(eval('local g, w = Apus.stop() return tostring(g) .. w') ==
    "nilno answer is under way", "nothing to stop")
check(eval('return tostring(Apus.serve({ keep = 1 }))') == "true" and
    #follow(infer(a, "k1", "What is 1 + 2?")) == 1 and
    #follow(infer(a, "k2", "What is 1 + 3?")) == 1 and
    status(id("n" .. count)) == "gone" and status(first) == "gone",
    "it keeps as many answers as it is told")

-- a step that is lost again and again
eval('Said = nil Apus.ask("x", { each = 4 }, function(x, why)' ..
    ' Said = why end)')
local counts = {}
for _ = 1, 5 do
    now = now + 600001
    local again = send(b, { Action = "Nothing" }, "")
    counts[#counts + 1] = again[1] and tag(again[1], "Count") or "-"
end
check(table.concat(counts, " ") == "2 1 - - -" and
    eval("return Said") == "a position takes more gas than a message has",
    "is sent again with half the positions, down to one: " ..
    table.concat(counts, " "))
print("1.." .. n)
