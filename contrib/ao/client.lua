-- The client for DApps: ask a model through a queue; the answer, which arrives
-- in a later message, is passed to a function.
--
--     local apus = require("apus.client")
--     apus.ask(QUEUE, "Why is the sky blue?", { max_tokens = 64 },
--         function(answer, err) ... end)
--
-- doc/queue.md describes it, and the messages behind it.  Pending requests are
-- kept in the global ApusClient, so that reloading this file loses nothing.

local json = require("json")
local apus = { VERSION = "1.0", TIMEOUT = 86400 }

-- asked[reference] = { queue, deadline, number, call, status, cancel }: who
-- waits for which answer; the last two are lists.
ApusClient = ApusClient or { count = 0, now = 0, asked = {} }
local C = ApusClient

local function is_id(s)
    return type(s) == "string" and #s == 43 and
        not s:find("[^A-Za-z0-9_-]")
end

-- A mistake of the caller: an error at the line of the call.
local function must(good, what)
    if not good then
        error("apus.client: " .. what, 3)
    end
end

-- ---- what is said ----------------------------------------------------------

-- Options that are said in a tag, not among the parameters of the model.
local TAGS = { model = "X-Model", node = "X-Node", session = "X-Session" }

-- JSON in which integers keep all digits and names have a fixed order: every
-- evaluation of this process must give the same bytes.
local function encode(v)
    local names, out = {}, {}
    if type(v) ~= "table" then
        return math.type(v) == "integer" and tostring(v) or json.encode(v)
    elseif v[1] ~= nil or next(v) == nil then
        for i, one in ipairs(v) do
            out[i] = encode(one)
        end
        return "[" .. table.concat(out, ",") .. "]"
    end
    for name in pairs(v) do
        names[#names + 1] = tostring(name)
    end
    table.sort(names)
    for i, name in ipairs(names) do
        out[i] = json.encode(name) .. ":" .. encode(v[name])
    end
    return "{" .. table.concat(out, ",") .. "}"
end

local function put_options(options)
    local parameters = {}
    for name, value in pairs(options) do
        must(type(name) == "string", "an option's name must be a string")
        if not TAGS[name] and name ~= "timeout" then
            parameters[name] = value
        end
    end
    return next(parameters) and encode(parameters) or nil
end

local function tag(tags, name, value)
    if value ~= nil then
        tags[#tags + 1] = { name = name, value = tostring(value) }
    end
end

-- A text; a list of messages, { messages = .. } or { prompt = .. }, which no
-- chat template is put around; { source = ID } of an item on Arweave.
local function put_prompt(tags, prompt)
    if type(prompt) ~= "table" then
        return prompt
    elseif prompt.source then
        tag(tags, "X-Source", prompt.source)
        return ""
    end
    tag(tags, "Content-Type", "application/json")
    return encode(prompt[1] and { messages = prompt } or prompt)
end

-- Ask.  Options are parameters of the model (max_tokens, temperature, seed ..)
-- and model, node, session, timeout (seconds; a day).  Returns the reference of
-- the request, for status and cancel.
--
-- call(answer, nil) or call(nil, err), once.  answer: text, empty where it is
-- long; item, which has all of it on Arweave, signed; attestation, ids and
-- hashes; session.  err: code and message: rejected by the queue (400, 402,
-- 404, 409, 429, 503), impossible to answer (422, 503), no answer in time
-- (408), cancelled (499), unreadable (502).
function apus.ask(queue, prompt, options, call)
    options = options or {}
    must(is_id(queue), "queue must be an id of 43 characters")
    must(type(prompt) == "string" or type(prompt) == "table",
        "prompt must be a string or a table")
    must(type(options) == "table", "options must be a table")
    must(type(call) == "function", "the last argument must be a function")
    local timeout = options.timeout or apus.TIMEOUT
    must(type(timeout) == "number" and timeout > 0 and timeout <= 1e9,
        "timeout must be a number of seconds")
    local number = C.count + 1
    local reference = "apus-client-" .. number
    local tags = { { name = "Action", value = "Infer" },
        { name = "X-Reference", value = reference } }
    tag(tags, "X-Options", put_options(options))
    for _, name in ipairs({ "model", "node", "session" }) do
        tag(tags, TAGS[name], options[name])
    end
    local data = put_prompt(tags, prompt)
    local now = C.now > 0 and C.now or math.tointeger(os.time()) or 0
    C.count = number
    C.asked[reference] = {
        queue = queue, number = number, call = call, status = {},
        cancel = {}, deadline = now + math.floor(timeout * 1000)
    }
    ao.send({ Target = queue, Data = data, Tags = tags })
    return reference
end

local function say(action, reference, list, call)
    local a = C.asked[reference]
    if not a or not a.call then
        return call(nil, { code = 404,
            message = "nothing waits under " .. tostring(reference) })
    end
    table.insert(a[list], call)
    ao.send({ Target = a.queue, Data = "", Tags = {
        { name = "Action", value = action },
        { name = "X-Reference", value = reference }
    } })
end

-- Ask for the status of a pending request: call(status, nil), where
-- status.state is pending, leased, done or gone, beside the queue's other tags,
-- their names in lower case; or call(nil, err).
function apus.status(reference, call)
    must(type(call) == "function", "the last argument must be a function")
    say("Status", reference, "status", call)
end

-- Cancel a request: its own function gets code 499, then call(true) follows.
-- If a node has begun, call(nil, err) with code 409, and the answer still
-- comes.  call may be nil.
function apus.cancel(reference, call)
    must(call == nil or type(call) == "function",
        "the last argument must be a function or nil")
    say("Cancel", reference, "cancel", call or function() end)
end

-- ---- what is heard ---------------------------------------------------------

local LISTS = { ["Status-Response"] = "status", ["Cancel-Response"] = "cancel" }

-- Find the request that this message answers; only messages from its queue
-- count.
local function answered(msg)
    local tags = msg.Tags or {}
    local a = C.asked[tags["X-Reference"] or ""]
    if not a or msg.From ~= a.queue then
        return nil
    elseif tags.Action == "Infer-Response" then
        return a.call and a
    end
    local list = a[LISTS[tags.Action] or ""]
    return list and list[1] and a
end

-- Take a list of waiting functions, each of which is called once, and forget
-- the request when none waits any more.
local function take(a, reference, list)
    local call = list and table.remove(a[list], 1) or a.call
    if not list then
        a.call = nil
    end
    if not a.call and not a.status[1] and not a.cancel[1] then
        C.asked[reference] = nil
    end
    return call
end

local function error_of(tags)
    local code = tonumber(tags.Code or "")
    if code and code ~= 200 then
        return { code = math.tointeger(code) or code,
            message = tags.Message or "" }
    end
end

local function answer_of(msg)
    local data, good = msg.Data, true
    local err = error_of(msg.Tags)
    if err then
        return nil, err
    elseif type(data) ~= "table" then -- AOS decodes application/json
        good, data = pcall(json.decode, data)
    end
    if not good or type(data) ~= "table" or type(data.result) ~= "string" then
        return nil, { code = 502, message = "the answer cannot be read" }
    end
    local attestation = data.attestation or {}
    return { text = data.result, item = attestation.item,
        attestation = attestation, session = msg.Tags["X-Session"] }
end

local function status_of(tags)
    local status = {}
    for name, value in pairs(tags) do
        status[name:lower()] = value
    end
    return status
end

local function hear(msg)
    local tags = msg.Tags
    local reference = tags["X-Reference"]
    local a, err = C.asked[reference], error_of(tags)
    if tags.Action == "Infer-Response" then
        return take(a, reference)(answer_of(msg))
    elseif tags.Action == "Status-Response" then
        return take(a, reference, "status")(not err and status_of(tags) or nil,
            err)
    end
    take(a, reference, "cancel")(not err or nil, err)
    if not err and a.call then
        take(a, reference)(nil, { code = 499, message = "it was cancelled" })
    end
end

-- ---- time ------------------------------------------------------------------

-- The scheduler's time in ms; 0 if a tag replaces it.
local function time_of(msg)
    for _, t in ipairs(type(msg.TagArray) == "table" and msg.TagArray or {}) do
        if tostring(t.name):lower() == "timestamp" then
            return 0
        end
    end
    return math.tointeger(tonumber(msg.Timestamp)) or 0
end

local function expired()
    local list = {}
    for reference, a in pairs(C.asked) do
        if a.deadline <= C.now then
            list[#list + 1] = reference
        end
    end
    table.sort(list, function(x, y)
        return C.asked[x].number < C.asked[y].number
    end)
    return list
end

local function expire()
    local err = { code = 408, message = "no answer came in time" }
    for _, reference in ipairs(expired()) do
        local a = C.asked[reference]
        C.asked[reference] = nil
        for _, list in ipairs({ a.status, a.cancel, { a.call } }) do
            for _, call in ipairs(list) do
                call(nil, err)
            end
        end
    end
end

Handlers.prepend("apus-client-time", function(msg)
    C.now = math.max(C.now, time_of(msg))
    return #expired() > 0 and "continue" or false
end, expire)

Handlers.prepend("apus-client", function(msg)
    return answered(msg) and true or false
end, hear)

package.loaded["apus.client"] = apus
return apus
