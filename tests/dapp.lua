-- A DApp: it asks a model through a process that speaks as Apus's router does
-- (Infer, Infer-Response), and keeps what it is told.
--
--     Router = "<process>"
--     ask("Why is the sky blue?", { max_tokens = 32 })

local json = require("json")

Router = Router or ""
Asked = Asked or 0
Answers = Answers or {}

-- The reference under which the answer will come.
function ask(prompt, options, session)
    Asked = Asked + 1
    local reference = "dapp-" .. Asked
    ao.send({
        Target = Router,
        Data = prompt,
        Tags = {
            Action = "Infer",
            ["X-Reference"] = reference,
            ["X-Session"] = session or "session-1",
            ["X-Options"] = json.encode(options or {})
        }
    })
    return reference
end

Handlers.add("infer-response", { Action = "Infer-Response" }, function(msg)
    if msg.From ~= Router then
        return
    end
    local answer = { session = msg.Tags["X-Session"] }
    if msg.Tags.Code then
        answer.code, answer.message = msg.Tags.Code, msg.Tags.Message
    else
        local data = json.decode(msg.Data)
        answer.result, answer.attestation = data.result, data.attestation
    end
    Answers[msg.Tags["X-Reference"]] = answer
end)

-- A user asks: the prompt is the data, options come as JSON.
Handlers.add("ask", { Action = "Ask" }, function(msg)
    ask(msg.Data, msg.Tags.Options and json.decode(msg.Tags.Options))
end)

Handlers.add("answer", { Action = "Answer" }, function(msg)
    ao.send({
        Target = msg.From,
        Action = "Answer-Response",
        Data = json.encode(Answers[msg.Tags.Name] or {})
    })
end)

return "dapp"
