local lib = ApusQueue

-- ---- the loader ------------------------------------------------------------
-- The queue is larger than a message on AO may be.  So a process begins with
-- this part, and its owner sends the others as Evals, each of which calls
-- take() with its text.  They run when all have arrived.  Until then every
-- request gets 503, and the old code is no longer active.

local MAX_PART, MAX_ECHO = 81920, 128

local parts = { n = 0, text = {} } -- how many there are with the first

local function missing()
    local list = {}
    for i = 2, parts.n do
        if not parts.text[i] then
            list[#list + 1] = i
        end
    end
    return table.concat(list, ",")
end

-- The first part says how many there are.
function lib.begin(n)
    parts.n = n
    return "apus queue: part 1 of " .. n
end

-- Take part i.  The last missing one runs all of them; an error then undoes its
-- message, so that it is missing again.
function lib.take(i, text)
    assert(not lib.code, "the queue is whole: new code begins with part 1")
    assert(math.type(i) == "integer" and i >= 2 and i <= parts.n,
        "no such part")
    assert(type(text) == "string" and #text <= MAX_PART, "no text of a part")
    local run = { [i] = assert(load(text, "=queue-" .. i, "t")) }
    parts.text[i] = text
    if missing() ~= "" then
        return "apus queue: part " .. i .. " of " .. parts.n
    end
    local said
    lib.code = lib.sha256(table.concat(parts.text, "", 2, parts.n))
    for k = 2, parts.n do
        said = (run[k] or load(parts.text[k], "=queue-" .. k, "t"))()
    end
    parts.text = {}
    return said
end

-- ---- what is said before the queue is whole --------------------------------

-- The tags that an answer echoes, as the queue reads them, "" if a tag is
-- missing or cannot be echoed.
local function spoken(msg)
    local said = { action = "", reference = "", ["x-reference"] = "" }
    local tags = type(msg.TagArray) == "table" and msg.TagArray or {}
    for _, tag in ipairs(tags) do
        local name = type(tag.name) == "string" and
            tag.name:lower():gsub("_", "-")
        if said[name] == "" and type(tag.value) == "string" and
            #tag.value <= MAX_ECHO and not tag.value:find("[^ -~]") then
            said[name] = tag.value
        end
    end
    return said
end

-- Return who gets the answer: the signer, or the process that an authority
-- speaks for; nil for an authority itself.  And whether it is a process.
local function asker(msg)
    for _, address in ipairs(ao.authorities or {}) do
        if address == msg.Owner then
            return msg.From ~= msg.Owner and msg.From or nil, true
        end
    end
    return msg.Owner or msg.From or "", false
end

local function refuse(msg)
    local said = spoken(msg)
    local to, by_process = asker(msg)
    local action, reference = said.action, said["x-reference"]
    -- an answer is not answered
    if not to or not action:find("^%a[%a-]*$") or
        action:find("%-Response$") then
        return
    elseif reference == "" and action:find("^Infer") then
        reference = msg.Id
    elseif reference == "" and by_process then
        reference = said.reference
    end
    local tags = {
        { name = "Action", value = action .. "-Response" },
        { name = "Code", value = "503" },
        { name = "Message", value = "the code of the queue is being loaded" },
        { name = "Missing", value = missing() }
    }
    if reference ~= "" then
        tags[#tags + 1] = { name = "X-Reference", value = reference }
    end
    ao.send({ Target = to, Data = "", Tags = tags })
end

-- In the place of the queue's own guard, which takes it back.
Handlers.prepend("apus-guard", function(msg)
    return not (msg.Action == "Eval" and msg.From == Owner)
end, refuse)
