-- What a process of AO finds around it, as AOS 2.0.4 gives it: normalised
-- messages, handlers, an outbox.  Written from what that module was seen to do
-- (tests/0930-aos-same.t compares the two); where the order of pairs() shows,
-- ours is fixed and its is not.
--
-- Called with a table of functions from C: sha256(s), as bytes.  Gives
-- handle(msg, env), which gives the result.

local native = ...
local json = require("json")

-- ---- a world that is the same each time ------------------------------------

-- Keys in a fixed order: numbers, then strings; others as they come.
local raw_next = next
local rank = { number = 1, string = 2, boolean = 3 }
local function before(a, b)
    local ra, rb = rank[type(a)] or 4, rank[type(b)] or 4
    if ra ~= rb then return ra < rb end
    return ra < 3 and a < b
end

local function array_next(t, i)
    i = i + 1
    local v = rawget(t, i)
    if v ~= nil then return i, v end
end

-- Whether its keys are 1 to n, so that no sorting is needed.
local function is_list(t)
    local n = rawlen(t)
    local count = 0
    for _ in raw_next, t do
        count = count + 1
        if count > n then return false end
    end
    return count == n
end

function pairs(t)
    local meta = getmetatable(t)
    if type(meta) == "table" and meta.__pairs then return meta.__pairs(t) end
    if is_list(t) then return array_next, t, 0 end
    local keys = {}
    for k in raw_next, t do keys[#keys + 1] = k end
    table.sort(keys, before)
    local at = 0
    return function()
        while at < #keys do
            at = at + 1
            local v = rawget(t, keys[at])
            if v ~= nil then return keys[at], v end
        end
    end, t, nil
end

-- Text only: the machine's own code is not checked when it is loaded.
local raw_load = load
function load(chunk, name, _, ...)
    return raw_load(chunk, name, "t", ...)
end

-- xorshift64*, seeded by the process: the same numbers at each replay
local seed = 0x2545f4914f6cdd1d
local function random_bits()
    seed = seed ~ (seed >> 12)
    seed = seed ~ (seed << 25)
    seed = seed ~ (seed >> 27)
    return (seed * 0x2545f4914f6cdd1d) >> 11
end
function math.random(m, n)
    local bits = random_bits()
    if not m then return bits / (1 << 53) end
    if not n then m, n = 1, m end
    assert(m <= n, "interval is empty")
    return m + bits % (n - m + 1)
end
function math.randomseed() end

-- ---- texts ------------------------------------------------------------------

Colors = {
    red = "\27[31m", green = "\27[32m", blue = "\27[34m", reset = "\27[0m",
    gray = "\27[90m",
}

local pretty

local function pretty_value(v, indent, seen)
    if type(v) == "table" then return pretty(v, indent, seen) end
    if type(v) == "string" then
        return Colors.green .. '"' .. v .. '"' .. Colors.reset
    end
    return Colors.blue .. tostring(v) .. Colors.reset
end

local function pretty_list(t, indent, seen)
    local out, numbers = {}, true
    for i, v in ipairs(t) do
        out[i] = pretty_value(v, indent + 2, seen)
        numbers = numbers and type(v) == "number"
    end
    if numbers then return "{ " .. table.concat(out, ", ") .. " }" end
    local space = string.rep(" ", indent)
    return "{\n" .. space .. "  " ..
        table.concat(out, ",\n" .. space .. "  ") .. "\n" .. space .. " }"
end

pretty = function(t, indent, seen)
    if seen[t] then return "<circular reference>" end
    seen[t] = true
    local text
    if is_list(t) then
        text = pretty_list(t, indent, seen)
    else
        local out, space = {}, string.rep(" ", indent)
        for k, v in pairs(t) do
            out[#out + 1] = space .. "   " .. Colors.red .. tostring(k) ..
                Colors.reset .. " = " .. pretty_value(v, indent + 2, seen)
        end
        text = "{\n" .. table.concat(out, ",\n") .. "\n" .. space .. "}"
    end
    seen[t] = nil
    return text
end

HANDLER_PRINT_LOGS = {}

function print(v)
    if type(v) == "table" then
        v = pretty(v, 0, {})
    elseif type(v) == "number" then
        v = Colors.green .. v .. Colors.reset
    elseif type(v) == "boolean" then
        v = Colors.blue .. tostring(v) .. Colors.reset
    elseif v == nil then
        v = Colors.red .. "nil" .. Colors.reset
    elseif type(v) ~= "string" then
        error("attempt to concatenate a " .. type(v) .. " value")
    end
    table.insert(HANDLER_PRINT_LOGS, v)
end

function Prompt()
    return Colors.green .. Name .. Colors.gray .. "@" .. Colors.blue ..
        "aos-2.0.4" .. Colors.gray .. "[Inbox:" .. Colors.red .. #Inbox ..
        Colors.gray .. "]" .. Colors.reset .. "> "
end

-- ---- ao ---------------------------------------------------------------------

ao = {
    _version = "0.0.6", id = "", _module = "", authorities = {},
    reference = 0, env = nil, assignables = {},
    outbox = { Output = {}, Messages = {}, Spawns = {}, Assignments = {} },
}

local function names(list)
    local set = {}
    for name in list:gmatch("%S+") do set[name] = true end
    return set
end

local not_fields = names("Data-Protocol Variant From-Process From-Module Type"
    .. " From Owner Anchor Target Data Tags Read-Only")
local not_forwarded = names("Data-Protocol Variant From-Process From-Module"
    .. " Type From Owner Anchor Target Tags TagArray Hash-Chain Timestamp"
    .. " Nonce Epoch Signature Forwarded-By Pushed-For Read-Only Cron"
    .. " Block-Height Reference Id Reply-To")
local not_tags = names("Target Data Anchor Tags From")

-- "x_foo-BAR" is X-Foo-Bar
local function title(name)
    return (name:gsub("_", "-"):gsub("[^-]+", function(word)
        return word:sub(1, 1):upper() .. word:sub(2):lower()
    end))
end

local function first_of(tags)
    local t = {}
    for _, tag in ipairs(tags) do
        if t[tag.name] == nil then t[tag.name] = tag.value end
    end
    return t
end

-- Tags become fields, and may put something else into those that are there.
function ao.normalize(msg)
    for _, tag in ipairs(msg.Tags) do
        tag.name = title(tag.name)
        if not not_fields[tag.name] then msg[tag.name] = tag.value end
    end
    return msg
end

function ao.clearOutbox()
    ao.outbox = { Output = {}, Messages = {}, Spawns = {}, Assignments = {} }
end

local function is_array(t)
    return #t > 0 or next(t) == nil
end

local function put_tags(list, msg)
    for k, v in pairs(msg) do
        if not not_tags[k] then table.insert(list, { name = k, value = v }) end
    end
    if type(msg.Data) == "table" then
        table.insert(list,
            { name = "Content-Type", value = "application/json" })
    end
    if msg.Tags and is_array(msg.Tags) then
        for _, tag in ipairs(msg.Tags) do table.insert(list, tag) end
    elseif msg.Tags then
        for k, v in pairs(msg.Tags) do
            table.insert(list, { name = k, value = v })
        end
    end
    return list
end

local function data_of(msg)
    if type(msg.Data) == "table" then return json.encode(msg.Data) end
    return msg.Data
end

local function next_reference()
    ao.reference = ao.reference + 1
    return tostring(ao.reference), string.format("%032d", ao.reference)
end

function ao.send(msg)
    assert(type(msg) == "table", "msg should be a table")
    local reference, anchor = next_reference()
    local out = {
        Target = msg.Target, Data = data_of(msg), Anchor = anchor,
        Tags = put_tags({
            { name = "Data-Protocol", value = "ao" },
            { name = "Variant", value = "ao.TN.1" },
            { name = "Type", value = "Message" },
            { name = "Reference", value = reference },
        }, msg),
    }
    table.insert(ao.outbox.Messages, out)
    local sent = {}
    for k, v in pairs(out) do sent[k] = v end
    local function answer(from)
        return { From = from or out.Target, ["X-Reference"] = reference }
    end
    sent.receive = function(from) return Handlers.receive(answer(from)) end
    sent.onReply = function(a, b)
        Handlers.once(answer(b and a), b or a)
    end
    return sent
end

function ao.spawn(module, msg)
    assert(type(module) == "string", "module is not a string")
    assert(type(msg) == "table", "msg should be a table")
    local reference, anchor = next_reference()
    local out = {
        Data = msg.Data or "NODATA", Anchor = anchor,
        Tags = put_tags({
            { name = "Data-Protocol", value = "ao" },
            { name = "Variant", value = "ao.TN.1" },
            { name = "Type", value = "Process" },
            { name = "From-Process", value = ao.id },
            { name = "From-Module", value = ao._module },
            { name = "Module", value = module },
            { name = "Reference", value = reference },
        }, msg),
    }
    table.insert(ao.outbox.Spawns, out)
    return out
end

function ao.assign(a)
    assert(type(a) == "table", "assignment should be a table")
    assert(type(a.Processes) == "table", "Processes should be a table")
    assert(type(a.Message) == "string", "Message should be a string")
    table.insert(ao.outbox.Assignments, a)
end

function ao.isTrusted(msg)
    for _, who in ipairs(ao.authorities) do
        if msg.From == who or msg.Owner == who then return true end
    end
    return false
end

function ao.sanitize(msg)
    local out = {}
    for k, v in pairs(msg) do
        if not not_forwarded[k] then out[k] = v end
    end
    return out
end

function ao.isAssignment(msg)
    return msg.Target ~= ao.id
end

function ao.addAssignable(name, pattern)
    if pattern == nil then name, pattern = "", name end
    table.insert(ao.assignables, { name = name, pattern = pattern })
end

function ao.removeAssignable(name)
    for i, a in ipairs(ao.assignables) do
        if a.name == name or i == name then
            table.remove(ao.assignables, i)
            return
        end
    end
end

function ao.isAssignable(msg)
    for _, a in ipairs(ao.assignables) do
        if Handlers.matches(msg, a.pattern) then return true end
    end
    return false
end

function ao.log(text)
    if type(ao.outbox.Output) == "string" then ao.outbox.Output = {} end
    table.insert(ao.outbox.Output, text)
end

function Send(msg)
    if not msg.Target then print("WARN: No target specified for message." ..
        " Data will be stored, but no process will receive it.") end
    return ao.send(msg)
end

function Spawn(...)
    local module, msg = ...
    if select("#", ...) == 1 then module, msg = ao._module, module end
    return ao.spawn(module, msg)
end

function Assign(a)
    ao.assign(a)
    print("Assignment added to outbox.")
    return "Assignment added to outbox."
end

function Receive(pattern)
    return Handlers.receive(pattern)
end

function Tab(msg)
    return first_of(msg.Tags)
end

function Dump(v)
    return pretty_value(v, 0, {})
end

function Version()
    print("version: 2.0.4")
end

-- ---- the messages -----------------------------------------------------------

local function add_reply(msg)
    msg.reply = function(answer)
        answer.Target = msg["Reply-To"] or answer.Target or msg.From
        answer["X-Reference"] = msg["X-Reference"] or msg.Reference
        answer["X-Origin"] = msg["X-Origin"]
        return ao.send(answer)
    end
    msg.forward = function(target, more)
        local copy = {}
        for k, v in pairs(ao.sanitize(msg)) do
            if type(v) ~= "function" then copy[k] = v end
        end
        for k, v in pairs(more or {}) do copy[k] = v end
        copy.Target = target
        copy["Reply-To"] = msg["Reply-To"] or msg.From
        copy["X-Reference"] = msg["X-Reference"] or msg.Reference
        copy["X-Origin"] = msg["X-Origin"] or msg.From
        return ao.send(copy)
    end
end

-- Once in the life of the process, and what belongs to it from then on.
local function begin(msg, env)
    if not Seeded then
        Seeded = true
        for c in (msg.Id .. msg.Owner):gmatch(".") do
            seed = seed * 31 + c:byte()
        end
        if seed == 0 then seed = 1 end
    end
    Errors = Errors or {}
    Inbox = Inbox or {}
    if env.Process.Id == msg.Id and not Owner then
        Owner = first_of(env.Process.Tags)["From-Process"] or msg.From
    end
    if not Name then Name = first_of(env.Process.Tags).Name or "aos" end
end

local function init(env)
    ao.id = env.Process.Id
    ao._module = first_of(env.Process.Tags).Module or ""
    if #ao.authorities == 0 then
        for _, tag in ipairs(env.Process.Tags) do
            if tag.name == "Authority" then
                table.insert(ao.authorities, tag.value)
            end
        end
    end
    env.Process.TagArray = env.Process.Tags
    env.Process.Tags = first_of(env.Process.Tags)
    ao.env = env
end

local function run_code(msg)
    local f, why = load("return " .. msg.Data, "aos")
    if not f then f, why = load(msg.Data, "aos") end
    if not f then
        ao.outbox.Error = why
        return
    end
    local value, second = f()
    if second then
        ao.outbox.Error = second
    elseif type(value) == "table" then
        print(value)
    elseif value then
        table.insert(HANDLER_PRINT_LOGS, tostring(value))
    end
end

local function store(msg)
    table.insert(Inbox, msg)
    if #Inbox > 10000 then table.remove(Inbox, 1) end
    if msg.Id == ao.id then return end
    local what
    if msg.Action then
        what = Colors.gray .. "Action = " .. Colors.blue ..
            tostring(msg.Action):sub(1, 20)
    else
        local data = msg.Data
        if type(data) == "table" then data = json.encode(data) end
        what = Colors.gray .. "Data = " .. Colors.blue ..
            tostring(data):sub(1, 20)
    end
    table.insert(HANDLER_PRINT_LOGS, Colors.gray .. "New Message From " ..
        Colors.green .. msg.From:sub(1, 3) .. "..." .. msg.From:sub(-3) ..
        Colors.gray .. ": " .. what .. Colors.reset)
end

local function own_handlers(msg)
    Handlers.own("_eval", function(m)
        return m.Action == "Eval" and Owner == m.From
    end, run_code)
    Handlers.own("_default", function() return true end, store)
    if msg.Id == ao.id and msg.Tags["On-Boot"] == "Data" then
        Handlers.once("_boot", function(m)
            return m.Id == ao.id and Owner == m.From and "continue"
        end, run_code)
    end
end

local function refuse(kind, msg, answered)
    if answered and msg.From ~= ao.id then
        ao.send({ Target = msg.From,
            Data = kind .. " is not trusted by this process!" })
    end
    print(kind .. " is not trusted! From: " .. msg.From .. " - Owner: " ..
        msg.Owner)
end

local function printed()
    for i, line in ipairs(HANDLER_PRINT_LOGS) do
        HANDLER_PRINT_LOGS[i] = tostring(line)
    end
    return table.concat(HANDLER_PRINT_LOGS, "\n")
end

-- Handlers run in a coroutine, which goes to sleep where they wait for an
-- answer.
local function evaluate(msg)
    local co = coroutine.create(function()
        return pcall(Handlers.evaluate, msg, ao.env)
    end)
    local alive, good, why = coroutine.resume(co)
    if not alive then return false, good end
    if coroutine.status(co) == "suspended" then return true end
    return good, why
end

local function handle(msg, env)
    HANDLER_PRINT_LOGS = {}
    ao.clearOutbox()
    init(env)
    msg = ao.normalize(msg)
    os.time = function() return msg.Timestamp end
    begin(msg, { Process = { Id = env.Process.Id,
        Tags = env.Process.TagArray } })
    msg.TagArray = msg.Tags
    msg.Tags = first_of(msg.Tags)
    if msg.Tags["Content-Type"] == "application/json" then
        msg.Data = json.decode(msg.Data or "{}")
    end
    ao.Nonce = msg.Nonce
    if msg.From ~= msg.Owner and not ao.isTrusted(msg) then
        refuse("Message", msg, false)
        return { data = printed() }
    end
    if ao.isAssignment(msg) and not ao.isAssignable(msg) then
        refuse("Assignment", msg, true)
        return { data = printed() }
    end
    add_reply(msg)
    own_handlers(msg)
    local good, why = evaluate(msg)
    if not good or ao.outbox.Error then
        return { error = tostring(not good and why or ao.outbox.Error),
            data = printed() }
    end
    return { data = printed(), eval = msg.Action == "Eval" }
end

-- ---- modules ----------------------------------------------------------------

local stream = {}
function stream.fromString(s) return { text = s } end
function stream.fromArray(a) return { text = string.char(table.unpack(a)) } end

local function hex(s)
    return (s:gsub(".", function(c) return string.format("%02x", c:byte()) end))
end

local function sha2_256(input)
    local sum = native.sha256(type(input) == "table" and input.text or input)
    return {
        asHex = function() return hex(sum) end,
        asString = function() return sum end,
        asBytes = function() return { sum:byte(1, -1) } end,
    }
end

native.module("json", json)
native.module(".crypto.util.stream", stream)
native.module(".crypto.digest.sha2_256", sha2_256)
native.module(".crypto", {
    _version = "localnet", digest = { sha2_256 = sha2_256 },
    utils = { stream = stream, hex = { stringToHex = hex } },
})
native.module("ao", ao)
native.module(".ao", ao)

-- ---- the result, as text ----------------------------------------------------

local function text_of(v)
    if type(v) == "table" then return json.encode(v) end
    if v == nil then return "" end
    return tostring(v)
end

local function put_message(out, flat, m, kind)
    local tags = {}
    for i, tag in ipairs(m.Tags) do
        tags[i] = '{"name":' .. json.encode(tag.name) .. ',"value":' ..
            json.encode(tag.value) .. "}"
    end
    local fields = {}
    for _, k in ipairs({ "Target", "Data", "Anchor" }) do
        if m[k] ~= nil then
            fields[#fields + 1] = '"' .. k .. '":' .. json.encode(m[k])
        end
    end
    fields[#fields + 1] = '"Tags":[' .. table.concat(tags, ",") .. "]"
    out[#out + 1] = "{" .. table.concat(fields, ",") .. "}"
    flat[#flat + 1] = kind
    flat[#flat + 1] = text_of(m.Target)
    flat[#flat + 1] = text_of(m.Data)
    flat[#flat + 1] = text_of(m.Anchor)
    flat[#flat + 1] = tostring(#m.Tags)
    for _, tag in ipairs(m.Tags) do
        flat[#flat + 1] = text_of(tag.name)
        flat[#flat + 1] = text_of(tag.value)
    end
end

local function messages(flat, list, kind)
    local out = {}
    for _, m in ipairs(list) do put_message(out, flat, m, kind) end
    return "[" .. table.concat(out, ",") .. "]"
end

-- Whether it failed, the JSON of a compute unit, and what is to be sent on as
-- a flat list of texts: kind, target, data, anchor, how many tags, the tags.
return function(msg, env)
    local r = handle(msg, env)
    local flat = {}
    if r.error then
        return true, '{"Messages":[],"Spawns":[],"Assignments":[],' ..
            '"Output":[],"Error":' .. json.encode((r.data ~= "" and
            r.data .. "\n\n" or "") .. r.error) .. ',"GasUsed":0}', flat
    end
    local box = ao.outbox
    local text = '{"Messages":' .. messages(flat, box.Messages, "message") ..
        ',"Spawns":' .. messages(flat, box.Spawns, "spawn") ..
        ',"Assignments":' .. json.encode(box.Assignments) ..
        ',"Output":{"data":' .. json.encode(r.data) .. ',"prompt":' ..
        json.encode(Prompt()) .. (r.eval and "" or ',"print":true') ..
        '},"GasUsed":0}'
    return false, text, flat
end
