local lib = ApusQueue
local VERSION, HOUR_MS, MAX_VALUE = lib.VERSION, lib.HOUR_MS, lib.MAX_VALUE
local BLOCK_MS, Q, clock = lib.BLOCK_MS, lib.Q, lib.clock
local is_plain, pass_time, refuse = lib.is_plain, lib.pass_time, lib.refuse
local action, reject, ends, answers = lib.action, lib.reject, lib.ends,
    lib.answers
local disputes, read, is_authority = lib.disputes, lib.read, lib.is_authority
local may_ask, wrong_sender = lib.may_ask, lib.wrong_sender

-- ---- who may say anything: ahead of all that is above ----------------------

local function integer_of(v)
    if type(v) == "string" then
        v = #v <= 18 and v:find("^%d+$") and tonumber(v) or nil
    end
    return type(v) == "number" and math.tointeger(v) or nil
end

local function guard(msg)
    local m = read(msg)
    if Owner == nil then
        Owner = "" -- or the next message could take the process
    end
    -- an authority itself says nothing: a stranger may have written its name
    if not is_plain(m.from, MAX_VALUE) or not is_plain(m.owner, MAX_VALUE) or
        is_authority(m.from) and not may_ask(m) then
        return "drop"
    end
    m.wrong = wrong_sender(m) or m.wrong
    return m.wrong and "refuse" or "pass", m
end

local function patch()
    ao.send({ Tags = {
        { name = "device", value = "patch@1.0" },
        { name = "cache", value = { pending = tostring(Q.n_pending) } }
    } })
end

-- Time and height never go back, whatever a scheduler says; time moves on with
-- a message by at most an hour, and ten minutes a block since the last one.
local function move_time(msg)
    local now = integer_of(msg.Timestamp) or 0
    local height = integer_of(msg["Block-Height"]) or 0
    local blocks = math.min(math.max(height - Q.height, 0), 1000000)
    if Q.now > 0 then
        now = math.min(now, Q.now + blocks * BLOCK_MS + HOUR_MS)
    end
    Q.now, Q.height = math.max(Q.now, now), math.max(Q.height, height)
end

-- What shows that a node is alive.
local SIGNS = { Pull = true, Renew = true, Release = true, Complete = true,
    ["Register-Node"] = true }

local function dispatch(msg)
    local m, pending = read(msg), Q.n_pending
    move_time(msg)
    ends.list, disputes.news = {}, {}
    if SIGNS[m.action] and Q.nodes[m.from] then
        Q.nodes[m.from].seen = clock()
    end
    if Q.paused ~= "all" then
        pass_time()
        answers.look()
        ends.look()
    end
    action[m.action](m)
    if Q.paused ~= "all" then
        ends.look()
    end
    ends.tell()
    disputes.tell()
    if Q.n_pending ~= pending then
        patch()
    end
end

Handlers.prepend("apus-guard", function(msg)
    return guard(msg) ~= "pass" and -1 or 0
end, function(msg)
    local what, m = guard(msg)
    if what ~= "refuse" or not action[m.action] then
        return
    elseif m.action == "Infer" or m.action == "Infer-Batch" then
        return reject(m, 400, m.wrong)
    end
    refuse(m, 400, m.wrong)
end)

Handlers.add("apus-queue", function(msg)
    return action[read(msg).action] ~= nil
end, dispatch)

-- Do not keep other messages in an inbox.
Handlers.add("apus-rest", function() return true end, function() end)
Inbox = {}

patch()
return "apus queue " .. VERSION
