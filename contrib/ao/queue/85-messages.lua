local lib = ApusQueue
local MAX_TAGS, MAX_NAME = lib.MAX_TAGS, lib.MAX_NAME
local MAX_VALUE, MAX_LIST = lib.MAX_VALUE, lib.MAX_LIST
local is_address, is_text, is_plain = lib.is_address, lib.is_text, lib.is_plain

-- ---- what is taken of a message, and from whom ------------------------------

-- Tags that AOS would take for what the scheduler says of a message.
local FORGED = {}
for name in ("id owner from module timestamp block-height nonce epoch " ..
    "hash-chain cron reply-to path method read-only"):gmatch("%S+") do
    FORGED[name] = true
end
-- Tags that only the messenger puts on what a process sent.
local PUSHED = {}
for name in ("reference from-process from-module pushed-for"):gmatch("%S+") do
    PUSHED[name] = true
end
local FREE_TEXT = { ["x-prompt"] = true, ["x-options"] = true }
local LONG = { models = true }

local function is_authority(address)
    for _, a in ipairs(ao.authorities or {}) do
        if a == address then
            return true
        end
    end
    return false
end

-- Why a tag is refused, nil if it is not.  A dry run leaves no trace, so
-- nothing can be forged there; nodes put path, method and more into it.
local function wrong_tag(m, name, value)
    if not m.is_dry and
        (FORGED[name] or PUSHED[name] and not m.by_authority) then
        return "the tag " .. name .. " is not yours to give"
    elseif m.tag[name] ~= nil then
        return "the tag " .. name .. " twice"
    elseif FREE_TEXT[name] and not is_text(value, MAX_VALUE) or
        not FREE_TEXT[name] and
        not is_plain(value, LONG[name] and MAX_LIST or MAX_VALUE) then
        return "the tag " .. name .. " is too long, or no plain text"
    end
    return nil
end

local function plain_name(name)
    return (name:lower():gsub("_", "-"))
end

-- A unit says that it is a dry run; a tag of that name is a stranger's.
local function is_dry(msg, tags)
    for _, tag in ipairs(tags) do
        if type(tag.name) == "string" and
            plain_name(tag.name) == "read-only" then
            return false
        end
    end
    return msg["Read-Only"] and true or false
end

-- What we take of a message: nothing that a tag may have overwritten.  Names
-- of tags in lower case, for AOS spells them as it likes.
local function read(msg)
    local tags = type(msg.TagArray) == "table" and msg.TagArray or {}
    local m = {
        from = msg.From, owner = msg.Owner, id = msg.Id,
        data = msg.Data or "", tag = {}, by_authority = is_authority(msg.Owner),
        is_dry = is_dry(msg, tags)
    }
    -- a dry run may have one of the two, or neither
    if m.from == nil or m.from == "" then
        m.from = m.owner or ""
    end
    if m.owner == nil or m.owner == "" then
        m.owner = m.from
    end
    if #tags > MAX_TAGS then
        m.wrong = "more than " .. MAX_TAGS .. " tags"
    end
    for i = 1, math.min(#tags, MAX_TAGS) do
        local name, value = tags[i].name, tags[i].value
        if not is_plain(name, MAX_NAME) then
            m.wrong = m.wrong or "a tag's name is too long, or no plain text"
        else
            name = plain_name(name)
            local why = wrong_tag(m, name, value)
            m.wrong = m.wrong or why
            if not why then
                m.tag[name] = value
            end
        end
    end
    m.action = m.tag.action or ""
    m.by_process = m.by_authority and m.owner ~= m.from
    return m
end

-- Messages that change nothing are also answered without an address: a client's
-- dry run has none, or an invented one.
local QUESTIONS = { Info = true, Models = true, Nodes = true, Status = true,
    Balance = true, Disputes = true, Dispute = true }

local function may_ask(m)
    return QUESTIONS[m.action] and (m.is_dry or not is_address(m.from))
end

-- A wallet signs for itself; a process speaks through an authority.  Why a
-- sender is refused, nil if it is not.
local function wrong_sender(m)
    if may_ask(m) then
        return nil
    elseif m.owner ~= m.from and not m.by_process then
        -- the answer is for the one who signed
        m.from = m.owner
        return "From is not who signed this"
    elseif not is_address(m.from) then
        return "a sender is 1 to 64 of A-Za-z0-9_-"
    end
    return nil
end

-- ---- for the files after this one -------------------------------------------

lib.read, lib.is_authority, lib.may_ask = read, is_authority, may_ask
lib.wrong_sender = wrong_sender
