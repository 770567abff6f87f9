-- Handlers of a process: a list that is gone through for each message.  What
-- a pattern says: nothing, false, 0 or "skip" no; 1, another positive number
-- or "continue" yes, and go on; true, a negative number or "break" yes, and
-- stop.  If nothing stopped it, the message goes to _default.

Handlers = { _version = "0.0.5", list = {}, coroutines = {}, onceNonce = 0 }

local utils = {}
Handlers.utils = utils

-- ---- patterns ---------------------------------------------------------------

local function matches_pattern(pattern, value, msg)
    if pattern == nil then return false end
    if pattern == "_" then return value ~= nil end
    if type(pattern) == "function" then return pattern(value, msg) end
    if type(pattern) == "string" then
        -- a dash alone is none of them: names of actions have it
        if pattern:find("[%^%$%(%)%%%.%[%]%*%+%?]") then
            return type(value) == "string" and value:match(pattern) ~= nil
        end
        return value == pattern
    end
    if type(pattern) == "table" then
        for _, one in ipairs(pattern) do
            if matches_pattern(one, value, msg) then return true end
        end
    end
    return false
end

function Handlers.matches(msg, spec)
    if type(spec) == "function" then return spec(msg) end
    if type(spec) == "string" then return msg.Action == spec end
    if type(spec) ~= "table" then return false end
    for key, pattern in pairs(spec) do
        local value, tag = msg[key], msg.Tags and msg.Tags[key]
        if not value and not tag then return false end
        if not matches_pattern(pattern, value, msg) and
            not (tag and matches_pattern(pattern, tag, msg)) then
            return false
        end
    end
    return true
end

function utils.hasMatchingTag(name, value)
    return function(msg) return msg.Tags[name] == value end
end

function utils.hasMatchingTagOf(name, values)
    return function(msg)
        for _, value in ipairs(values) do
            if msg.Tags[name] == value then return true end
        end
        return false
    end
end

function utils.hasMatchingData(value)
    return function(msg) return msg.Data == value end
end

function utils.reply(answer)
    return function(msg)
        if type(answer) == "string" then answer = { Data = answer } end
        msg.reply(answer)
    end
end

function utils.continue(pattern)
    return function(msg)
        local match = Handlers.matches(msg, pattern)
        if not match or match == 0 or match == "skip" then return match end
        return 1
    end
end

-- ---- the list ---------------------------------------------------------------

local function index_of(name)
    for i, h in ipairs(Handlers.list) do
        if h.name == name then return i end
    end
end

-- (name, pattern, handle, maxRuns), or (name, handle): the name is the action
local function handler(name, pattern, handle, max_runs)
    if handle == nil then pattern, handle = name, pattern end
    assert(type(name) == "string", "invalid name")
    assert(type(handle) == "function", "invalid handler: no function")
    local kind = type(pattern)
    assert(kind == "string" or kind == "table" or kind == "function",
        "invalid pattern")
    return { name = name, pattern = pattern, handle = handle,
        maxRuns = max_runs }
end

local function put(h, at)
    local i = index_of(h.name)
    if i then
        Handlers.list[i] = h
    else
        table.insert(Handlers.list, at or #Handlers.list + 1, h)
    end
    return #Handlers.list
end

function Handlers.add(...) return put(handler(...)) end
function Handlers.append(...) return put(handler(...)) end
function Handlers.prepend(...) return put(handler(...), 1) end

-- What AOS adds at each message; it stays where it is.
function Handlers.own(name, pattern, handle)
    put(handler(name, pattern, handle))
end

function Handlers.before(name)
    return { add = function(...)
        return put(handler(...), index_of(name))
    end }
end

function Handlers.after(name)
    return { add = function(...)
        local i = index_of(name)
        return put(handler(...), i and i + 1)
    end }
end

function Handlers.remove(name)
    local i = index_of(name)
    if i then table.remove(Handlers.list, i) end
end

function Handlers.once(name, pattern, handle)
    if handle == nil then
        pattern, handle = name, pattern
        name = "_once_" .. Handlers.onceNonce
        Handlers.onceNonce = Handlers.onceNonce + 1
    end
    return put(handler(name, pattern, handle, 1), 1)
end

function Handlers.receive(pattern)
    local me = coroutine.running()
    Handlers.once(pattern, function(msg)
        local alive, good, why = coroutine.resume(me, msg)
        if not alive then error(good, 0) end
        if good == false then error(why, 0) end
    end)
    return coroutine.yield(pattern)
end

-- ---- a message --------------------------------------------------------------

-- -1 stop, 1 go on, 0 no
local function meaning(match)
    if match == true or match == "break" then return -1 end
    if match == "continue" then return 1 end
    if type(match) == "number" then return match end
    return 0
end

local function run(h, msg, env)
    h.handle(msg, env)
    if not h.maxRuns then return end
    h.maxRuns = h.maxRuns - 1
    if h.maxRuns > 0 then return end
    -- a new list: the old one is being gone through
    local rest = {}
    for _, other in ipairs(Handlers.list) do
        if other ~= h then rest[#rest + 1] = other end
    end
    Handlers.list = rest
end

function Handlers.evaluate(msg, env)
    local default
    for _, h in ipairs(Handlers.list) do
        if h.name == "_default" then
            default = h
        else
            local match = meaning(Handlers.matches(msg, h.pattern))
            if match ~= 0 then run(h, msg, env) end
            if match < 0 then return "handled" end
        end
    end
    if default then run(default, msg, env) end
    return "default"
end
