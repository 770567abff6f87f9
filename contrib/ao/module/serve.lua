-- Apus.serve(options): the process answers Infer as a queue does
-- (doc/queue.md), by itself.
--
--   max_open     how many may wait, the one at hand among them (100)
--   per_sender   and of one sender (10)
--   from         a list of the senders who may ask (nil: anybody)
--   name         what X-Model may say beside the id of the model (nil: nothing)
--   keep         how many answers Status still tells (100)
--
-- True, or nil and a text.  Again: other bounds for those that come.  Called
-- with apus.lua's table, what it shows to this file alone, and the text of the
-- queue's files that read messages, in an environment of their own.

local Apus, inside, text = ...
local engine = require("apus.engine")

local lib -- what the queue's files have
local waiting, first, last = {}, 1, 0 -- requests in their order
local open, n_open = {}, 0 -- by sender and reference
local of_sender = {}
local answered, oldest, newest = {}, 1, 0 -- that Status tells, in their order
local bounds

local function read_queue()
    lib = { sha256 = engine.sha256 }
    local world = setmetatable({ ApusQueue = lib, Queue = false },
        { __index = _G })
    assert(load(text, "=queue", "t", world))()
end

-- ---- answers ----------------------------------------------------------------

-- Remember what was said, and forget the oldest.
local function keep(r, tags, data)
    newest = newest + 1
    answered[newest] = { id = r.id, key = r.key, tags = tags, data = data }
    while newest - oldest >= bounds.keep do
        answered[oldest] = nil
        oldest = oldest + 1
    end
end

local function respond(r, tags, data)
    if r.taken then keep(r, tags, data or "") end
    local out = { { name = "Action", value = "Infer-Response" },
        { name = "X-Reference", value = r.reference } }
    if r.session ~= "" then
        out[#out + 1] = { name = "X-Session", value = r.session }
    end
    for i = 1, #tags, 2 do
        out[#out + 1] = { name = tags[i], value = tostring(tags[i + 1]) }
    end
    ao.send({ Target = r.from, Data = data or "", Tags = out })
end

local function reject(r, code, why)
    respond(r, { "Code", code, "Message", why })
end

local function id_of(hex)
    return lib.base64url((hex:gsub("%x%x", function(two)
        return string.char(tonumber(two, 16))
    end)))
end

-- Ends of answers that are none.
local WHY_NONE = {
    activation_out_of_range = "activation out of range",
    prompt_too_long = "prompt longer than the context",
    prompt_empty = "prompt empty or not UTF-8",
}

local function ids_text(tokens)
    local out = {}
    for i, id in ipairs(tokens) do out[i] = lib.put_u32(id) end
    return ',"ids":' .. lib.quote(lib.base64url(table.concat(out)))
end

local function respond_done(r, a)
    local why = WHY_NONE[a.finish]
    respond(r, why and { "Code", 422, "Message", why } or {},
        '{"result":' .. lib.quote(a.text) ..
        (r.ids and ids_text(a.tokens) or "") .. ',"attestation":' ..
        lib.object("request", r.id, "node", ao.id, "model", a.model, "job",
            id_of(a.job), "result", id_of(a.result), "batch", "", "item", "") ..
        "}")
end

-- ---- one at a time ----------------------------------------------------------

local function close(r)
    waiting[first] = nil
    first, n_open = first + 1, n_open - 1
    open[r.key] = nil
    local n = of_sender[r.from] - 1
    of_sender[r.from] = n > 0 and n or nil
end

-- The next begins when nothing else is computed.  A want of memory, and all
-- else that may end it, ends this request alone.
local function go_on()
    while first <= last and not inside.is_busy() do
        local r = waiting[first]
        local n, why = inside.ask(r.line, r.id, function(a, wrong, code)
            close(r)
            if a then respond_done(r, a) else reject(r, code or 422, wrong) end
        end)
        if not n then
            close(r)
            reject(r, 422, why)
        end
    end
end
inside.idle = go_on

-- ---- from a message to a line -----------------------------------------------

local function millionths(n)
    return ("%d.%06d"):format(n // 1000000, n % 1000000)
end

-- The prompt as members of a body, whether it is a chat, and its date.
local function prompt_of(form, prompt)
    if form == "chat" then
        return '"messages":[{"role":"user","content":' .. lib.quote(prompt) ..
            "}]", true
    elseif form == "prompt" then
        return '"prompt":' .. lib.quote(prompt), false
    elseif form == "ids" then
        return '"prompt":' .. prompt, false
    elseif prompt:sub(1, 1) == "[" then
        return '"messages":' .. prompt, true
    end
    -- the queue wrote it: the date is at its end
    local date = prompt:match(',"apus":{"date":"([-%d]+)"}}$')
    local tail = date and #',"apus":{"date":""}}' + #date or 1
    return prompt:sub(2, -tail - 1), true, date
end

-- The line that a node makes of the same message (src/queue/ask_line.c).
local function line_of(r, form, prompt, p)
    local stops = {}
    local body, chat, date = prompt_of(form, prompt)
    for s in p.stops:gmatch('"([^"]*)"') do
        stops[#stops + 1] = lib.quote(lib.unbase64url(s))
    end
    return table.concat({
        '{"custom_id":"', r.id, '","method":"POST","url":"/v1/',
        chat and "chat/completions" or "completions", '","body":{"model":"',
        r.model, '",', body, ',"max_tokens":', ("%d"):format(p.max_tokens),
        ',"temperature":', millionths(p.temperature), ',"top_p":',
        millionths(p.top_p), p.seed ~= "" and ',"seed":"' .. p.seed .. '"' or
        "", #stops > 0 and ',"stop":[' .. table.concat(stops, ",") .. "]" or
        "", ',"apus":{"top_k":', ("%d"):format(p.top_k),
        p.flags == 1 and ',"ignore_eos":true' or "",
        date and ',"date":"' .. date .. '"' or "", "}}}" })
end

-- The code and why a message is refused; nil, and r has its line.
local function take(m, r)
    local f = Apus.figures()
    local tagged, named, p = m.tag["x-model"], nil, lib.defaults()
    local function is_ours(name)
        return f and (name == f.id or name == bounds.name)
    end
    if bounds.from and not bounds.from[m.from] then
        return 403, "this process does not answer you"
    elseif r.bad then
        return 400, "X-Reference and X-Session have at most 128 bytes"
    elseif not f or tagged and not is_ours(tagged) then
        return 404, "no such model"
    elseif (m.tag["x-node"] or "") ~= "" then
        return 404, "X-Node: this process has no nodes"
    end
    local form, prompt = lib.content(m, p)
    local why = not form and prompt or lib.options(p, m.tag["x-options"])
    named = p.model
    if why then
        return 400, why
    elseif form:find("^source") then
        return 400, "X-Source: this process takes prompts in messages"
    elseif p.ids and p.max_tokens > lib.MANY.ids then
        return 400, "max_tokens: at most " .. lib.MANY.ids ..
            " where the prompt is token ids"
    elseif named and tagged and named ~= tagged then
        return 400, '"model" is not what X-Model says'
    elseif named and not is_ours(named) then
        return 400, '"model" is not that of this process'
    end
    r.model, r.ids = f.id, form == "ids"
    r.line = line_of(r, form, prompt, p)
end

-- ---- messages ---------------------------------------------------------------

local function head_of(m)
    local max = lib.MAX_REFERENCE
    local reference, session = m.tag["x-reference"], m.tag["x-session"]
    local good = reference == nil or lib.is_plain(reference, max) and
        reference ~= ""
    local r = { from = m.from, id = m.id, session = "" }
    r.bad = not good or not lib.is_plain(session or "", max)
    r.reference = good and reference or m.id
    if lib.is_plain(session, max) then r.session = session end
    r.key = r.from .. "/" .. r.reference
    return r
end

local function infer(m)
    local r = head_of(m)
    local code, why = nil, m.wrong
    if why then return reject(r, 400, why) end
    code, why = take(m, r)
    if code then return reject(r, code, why) end
    local other = open[r.key]
    if other then
        local at = #'{"custom_id":"' + #r.id + 1
        local same = other.line:sub(at) == r.line:sub(at)
        return not same and
            reject(r, 409, "X-Reference is that of an open request")
    elseif n_open >= bounds.max_open then
        return reject(r, 429, "too many open requests")
    elseif (of_sender[r.from] or 0) >= bounds.per_sender then
        return reject(r, 429, "too many open requests of this requester")
    end
    r.taken = true
    last, n_open = last + 1, n_open + 1
    waiting[last], open[r.key] = r, r
    of_sender[r.from] = (of_sender[r.from] or 0) + 1
    go_on()
end

local function on_infer(msg)
    inside.tick(msg)
    local m = lib.read(msg)
    -- an authority itself says nothing
    if not lib.is_plain(m.from, lib.MAX_VALUE) or
        not lib.is_plain(m.owner, lib.MAX_VALUE) or lib.is_authority(m.from)
    then
        return
    end
    m.wrong = lib.wrong_sender(m) or m.wrong
    if lib.is_id(m.id) then infer(m) end
end

-- ---- Status -----------------------------------------------------------------

local function is_meant(m, e)
    local id, reference = m.tag.request, m.tag["x-reference"]
    if id then return e.id == id end
    return reference ~= nil and e.key == m.from .. "/" .. reference
end

-- Where a request is, and what was answered, tags and data.
local function where_is(m)
    for i = first, last do
        if is_meant(m, waiting[i]) then
            return waiting[i].id, "pending", { "Before", i - first, "Position",
                i == first and inside.position() or 0 }, ""
        end
    end
    for i = newest, oldest, -1 do
        local e = answered[i]
        if is_meant(m, e) then return e.id, "done", e.tags, e.data end
    end
    return m.tag.request or "", "gone", {}, ""
end

local function on_status(msg)
    inside.tick(msg)
    local m = lib.read(msg)
    local wrong = m.wrong or lib.wrong_sender(m)
    local id, state, tags, data = where_is(m)
    local out = { { name = "Action", value = "Status-Response" } }
    if wrong then
        id, state, data = "", nil, ""
        tags = { "Code", 400, "Message", wrong }
    else
        out[2] = { name = "Request", value = id }
        out[3] = { name = "State", value = state }
    end
    for i = 1, #tags, 2 do
        local name = state == "done" and "Answer-" .. tags[i] or tags[i]
        out[#out + 1] = { name = name, value = tostring(tags[i + 1]) }
    end
    ao.send({ Target = m.from, Data = data, Tags = out })
end

-- ---- the bounds -------------------------------------------------------------

local function count(options, name, default)
    local n = options[name]
    if n == nil then return default end
    return math.type(n) == "integer" and n >= 1 and n <= 10000 and n or nil
end

local function senders(list)
    if list == nil then return nil end
    if type(list) ~= "table" then return nil, "from is not a list" end
    local set = {}
    for _, address in ipairs(list) do
        if not lib.is_address(address) then
            return nil, "from: not the address of a sender"
        end
        set[address] = true
    end
    return set
end

local KNOWN = { max_open = true, per_sender = true, from = true, name = true,
    keep = true }

return function(options)
    options = options == nil and {} or options
    if type(options) ~= "table" then return nil, "options are not a table" end
    for name in pairs(options) do
        if not KNOWN[name] then
            return nil, "no option of serve: " .. tostring(name)
        end
    end
    if not Apus.figures() then return nil, "no model is loaded" end
    if not lib then read_queue() end
    local set, why = senders(options.from)
    if why then return nil, why end
    local max_open = count(options, "max_open", 100)
    local per_sender = count(options, "per_sender", 10)
    local kept = count(options, "keep", 100)
    if not max_open or not per_sender or not kept then
        return nil, "max_open, per_sender and keep are from 1 to 10000"
    elseif options.name ~= nil and not lib.is_plain(options.name, 43) then
        return nil, "name is the name of a model"
    end
    bounds = { max_open = max_open, per_sender = per_sender, from = set,
        name = options.name, keep = kept }
    Handlers.prepend("apus-status", function(msg)
        return lib.read(msg).action == "Status"
    end, on_status)
    Handlers.prepend("apus-infer", function(msg)
        return lib.read(msg).action == "Infer"
    end, on_infer)
    return true
end
