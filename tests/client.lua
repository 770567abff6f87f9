-- A DApp that asks with contrib/ao/client.lua, for tests: Ask, Status and
-- Cancel do that and note what came of it, Heard tells all of it.

local apus = require("apus.client")

QUEUE = QUEUE or ("queue" .. ("_"):rep(38))
Heard = Heard or {}

local function note(what)
    return function(answer, err)
        local text = err and "error " .. err.code .. " " .. err.message or
            type(answer) ~= "table" and tostring(answer) or
            answer.state or answer.text .. " " .. tostring(answer.item)
        Heard[#Heard + 1] = what .. ": " .. text
    end
end

Handlers.add("ask", "Ask", function(msg)
    apus.ask(QUEUE, msg.Tags.Source and { source = msg.Tags.Source } or
        msg.Tags.System and { { role = "system", content = msg.Tags.System } }
        or msg.Data, {
            max_tokens = 8, seed = 1234567890123456789, temperature = 0.5,
            top_p = msg.Tags.Wrong, session = msg.Tags.Session,
            timeout = tonumber(msg.Tags.Timeout or "600")
        }, note(msg.Data))
end)
Handlers.add("status", "Status", function(msg)
    apus.status(msg.Tags.Of, note("status"))
end)
Handlers.add("cancel", "Cancel", function(msg)
    apus.cancel(msg.Tags.Of, note("cancel"))
end)
Handlers.add("heard", "Heard", function(msg)
    ao.send({ Target = msg.From, Data = table.concat(Heard, "\n") })
    Heard = {}
end)
return "client"
