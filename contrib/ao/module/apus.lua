-- require("apus") and require("llama") for processes: a model answers inside
-- the process.  What fails gives nil and a text.
--
--   Apus.load(name)             a model file: "/model" or "/data/ID"; its id
--   Apus.run(prompt, options)   the whole answer in this message: a table with
--                               text, tokens, finish, positions, line, request,
--                               model, job, trace, result
--   Apus.start(prompt, options) begin one; how many tokens its prompt has
--   Apus.step(n)                compute at most n positions: whether it is done
--   Apus.answer()               the table, once it is
--   Apus.serve(options)         answer Infer (serve.lua)
--   Apus.ask(prompt, options, done)  begin one that goes on by messages which
--                               the process sends itself; done(answer) or
--                               done(nil, text) ends it
--   Apus.stop()                 give up the answer of ask that is under way
--
-- A prompt is a text, which is a chat of one message of the user, or a list of
-- messages { role, content }; with options.raw, or by a model without a chat
-- template, a text to be continued.  Options are the members of the body of a
-- request: max_tokens, temperature, top_p, seed, stop.  `line` is the request
-- as apus run answers it, with the same record.

local engine, json = require("apus.engine"), require("json")

local Apus = {}

-- ---- gas --------------------------------------------------------------------

-- What a metered unit counts, from nano and stories260K at 25 and 475 keys.  A
-- message has 9e12 by default, of which half is used.
local GAS = {
    limit = 9e12 / 2,
    message = 3e8,
    position = 1.36e8, -- commitments, norms, sampling
    weight = 700,      -- that a position's row meets
    pair = 1560,       -- a query channel and a key, in all layers
    key = 17500,       -- a head and a key, besides
}
local UNMETERED = 10 -- times as many positions
local MAX_METERED = 200 << 20 -- bytes of a model, which one message loads

local function is_metered()
    local module = ao and ao.env and ao.env.Module
    for _, tag in ipairs(module and module.Tags or {}) do
        if tag.name == "Module-Format" then
            return tag.value:find("metering", 1, true) ~= nil
        end
    end
    return true
end

-- Positions that one message has gas for, the dearest at the context's end.
local function positions_of(f)
    local dearest = GAS.position + GAS.weight * f.weights +
        (GAS.pair * f.channels + GAS.key * f.heads) * f.context
    local n = (GAS.limit - GAS.message) / dearest
    return math.floor(is_metered() and n or n * UNMETERED)
end

-- ---- one answer -------------------------------------------------------------

local model -- figures of what is loaded, positions a message, its id

local waiting -- what is under way: { request, at, count, sent, halved, done }
local BUSY = "another answer is under way"

function Apus.load(name)
    if waiting then return nil, BUSY end
    model = nil
    local id, why = engine.open(name, nil, is_metered() and MAX_METERED or nil)
    if not id then return nil, why end
    local f = engine.figures()
    f.positions, f.id = positions_of(f), id
    if f.positions < 1 then
        return nil, "one position takes more gas than a message has"
    end
    model = f
    return id
end

-- What is known of the model that is loaded.
function Apus.figures()
    if not model then return nil, "no model is loaded" end
    local copy = {}
    for k, v in pairs(model) do copy[k] = v end
    return copy
end

local OURS = { each = true, id = true, raw = true } -- not of the request

-- The request as a line of JSON.
local function line_of(prompt, options)
    if not model then return nil, "no model is loaded" end
    if options ~= nil and type(options) ~= "table" then
        return nil, "options are not a table"
    end
    local body = { model = model.id }
    for k, v in pairs(options or {}) do
        if type(k) ~= "string" then return nil, "an option has no name" end
        if not OURS[k] then body[k] = v end
    end
    local raw = options and options.raw or not model.chat
    if type(prompt) == "string" and raw then
        body.prompt = prompt
    elseif type(prompt) == "string" then
        body.messages = { { role = "user", content = prompt } }
    elseif type(prompt) == "table" and not raw then
        body.messages = prompt
    else
        return nil, "a prompt is wanted: a text" ..
            (raw and "" or ", or a list of messages")
    end
    local good, line = pcall(json.encode, { custom_id = "0", method = "POST",
        url = raw and "/v1/completions" or "/v1/chat/completions",
        body = body })
    if not good then return nil, "options: " .. tostring(line) end
    return line
end

local current -- the line at hand

local function start_line(line, id)
    if waiting then return nil, BUSY end
    local n, why = engine.start(line, id)
    if not n then return nil, why end
    current = line
    return n
end

function Apus.start(prompt, options)
    local line, why = line_of(prompt, options)
    if not line then return nil, why end
    return start_line(line, options and options.id)
end

function Apus.step(n)
    if waiting then return nil, BUSY end
    n = n == nil and model and model.positions or n
    if model and math.type(n) == "integer" and n > model.positions then
        return nil, ("%d positions: one message has gas for %d")
            :format(n, model.positions)
    end
    return engine.step(n)
end

function Apus.answer()
    local a, why = engine.answer()
    if not a then return nil, why end
    a.line = current
    return a
end

-- How many positions an answer may come to.
local function most_of(n, options)
    local max = options and options.max_tokens or
        options and options.max_completion_tokens
    local left = model.context - n + 1
    return n + (math.type(max) == "integer" and max < left and max or left) - 1
end

function Apus.run(prompt, options)
    local n, why = Apus.start(prompt, options)
    if not n then return nil, why end
    local most = most_of(n, options)
    if most > model.positions then
        return nil, ("%d positions may take %d messages: use start or ask")
            :format(most, (most + model.positions - 1) // model.positions)
    end
    local done
    done, why = engine.step()
    if done == nil then return nil, why end
    return Apus.answer()
end

-- ---- over many messages -----------------------------------------------------

local WAIT_MS = 600000 -- a step that was sent so long ago ran out of gas
local HALVINGS = 8

local function send_step(now)
    waiting.sent = now
    ao.send({ Target = ao.id, Action = "Apus-Step",
        Request = tostring(waiting.request), Position = tostring(waiting.at),
        Count = tostring(waiting.count) })
end

local inside = {} -- for serve.lua

local function finish(answer, why, code)
    local done = waiting.done
    waiting = nil
    if done then done(answer, why, code) end
    if inside.idle then inside.idle() end
end

-- What is under way ends without an answer.  A step that was sent for it does
-- nothing when it comes.
function Apus.stop()
    if not waiting then return nil, "no answer is under way" end
    finish(nil, "the answer was stopped", 499)
    return true
end

local asked = 0

local function go(each, done)
    asked = asked + 1
    waiting = { request = asked, at = 0, halved = 0, done = done,
        count = math.min(each, model.positions) }
    send_step(Apus.now or 0)
end

function Apus.ask(prompt, options, done)
    if waiting then return nil, BUSY end
    if done ~= nil and type(done) ~= "function" then
        return nil, "done is not a function"
    end
    local n, why = Apus.start(prompt, options)
    if not n then return nil, why end
    local each = math.tointeger(options and options.each) or model.positions
    if each < 1 then return nil, "each is less than 1" end
    go(each, done)
    return n
end

-- The same of a line, under a request's id.
function inside.ask(line, id, done)
    local n, why = start_line(line, id)
    if not n then return nil, why end
    go(model.positions, done)
    return n
end

function inside.is_busy() return waiting ~= nil end

-- How many positions of what is under way are computed.
function inside.position() return waiting and waiting.at or 0 end

-- Whether a message is the step that is waited for.
local function is_awaited(m)
    local w = waiting
    return w and m.Action == "Apus-Step" and
        m.Request == tostring(w.request) and m.Position == tostring(w.at)
end

-- From anybody: it goes on with what waits, or it does nothing.
local function on_step(m)
    local w = waiting
    if not is_awaited(m) then return end
    local count = math.tointeger(tonumber(m.Count))
    if not count or count < 1 or count > w.count then count = w.count end
    local done, computed = engine.step(count)
    if done == nil then return finish(nil, computed) end
    if done then return finish(Apus.answer()) end
    w.at, w.halved = w.at + computed, 0
    send_step(Apus.now)
end

-- Before every message: a step that was lost is sent again, half as long.  One
-- that comes late was not lost.  A tag Timestamp stands where the scheduler's
-- time would: such a message does not count as time.
local function on_any(m)
    local w = waiting
    if m.Tags and m.Tags.Timestamp then return end
    Apus.now = math.tointeger(tonumber(m.Timestamp)) or Apus.now or 0
    if not w or is_awaited(m) or Apus.now - w.sent < WAIT_MS then return end
    w.halved, w.count = w.halved + 1, w.count // 2
    if w.halved > HALVINGS or w.count < 1 then
        return finish(nil, "a position takes more gas than a message has")
    end
    send_step(Apus.now)
end
inside.tick = on_any

if Handlers then
    Handlers.prepend("apus-step", { Action = "Apus-Step" }, on_step)
    Handlers.prepend("apus-waits", function(m)
        on_any(m)
        return false
    end, function() end)
end

-- ---- the names of aos-llama -------------------------------------------------

local Llama = { load = Apus.load }
local text -- what was said so far

function Llama.setPrompt(prompt)
    if type(prompt) ~= "string" then return nil, "a prompt is not text" end
    text = prompt
    return true
end
Llama.set_prompt = Llama.setPrompt

function Llama.add(more)
    if type(more) ~= "string" then return nil, "what is added is not text" end
    text = (text or "") .. more
    return true
end

-- At most n tokens more.
function Llama.run(n)
    if not text then return nil, "no prompt is set" end
    local a, why = Apus.run(text, { raw = true, temperature = 0,
        max_tokens = n or 128 })
    if not a then return nil, why end
    text = text .. a.text
    return a.text
end

function Llama.next()
    return Llama.run(1)
end

function Llama.stop()
    text = nil
end

return Apus, Llama, inside
