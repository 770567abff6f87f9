local lib = ApusQueue
local VERSION, MAX_REFERENCE, U32 = lib.VERSION, lib.MAX_REFERENCE, lib.U32
local DAY_MS, PAGE_LINES, MANY = lib.DAY_MS, lib.PAGE_LINES, lib.MANY
local Q = lib.Q
local clock, is_id, is_plain = lib.clock, lib.is_id, lib.is_plain
local integer, quote, object = lib.integer, lib.quote, lib.object
local base64url, sum_of, defaults = lib.base64url, lib.sum_of, lib.defaults
local options, unbase64url = lib.options, lib.unbase64url
local data_of, content, enqueue = lib.data_of, lib.content, lib.enqueue
local key_of, open_request = lib.key_of, lib.open_request
local close_request, forget_key = lib.close_request, lib.forget_key
local done_get, records = lib.done_get, lib.records
local answers = lib.answers

-- ---- answers ---------------------------------------------------------------

-- Tags as an array: their order is part of the bytes.
local function send(target, data, tags)
    local out = {}
    for i = 1, #tags, 2 do
        out[#out + 1] = { name = tags[i], value = tostring(tags[i + 1]) }
    end
    ao.send({ Target = target, Data = data, Tags = out })
end

local function answer(m, code, tags, data)
    local out = { "Action", m.action .. "-Response", "Code", code }
    for _, v in ipairs(tags or {}) do
        out[#out + 1] = v
    end
    local reference = m.tag["x-reference"] or
        m.by_process and m.tag.reference
    if reference then
        out[#out + 1] = "X-Reference"
        out[#out + 1] = reference
    end
    send(m.from, data or "", out)
end

local function refuse(m, code, why)
    answer(m, code, { "Message", why })
end

-- The answer to a request, in the shape of Apus's SDK: no Code if all is well.
local function respond(kind, from, reference, session, tags, data)
    local out = {
        "Action", kind == "batch" and "Infer-Batch-Response" or
            "Infer-Response", "X-Reference", reference
    }
    if session ~= "" then
        out[#out + 1] = "X-Session"
        out[#out + 1] = session
    end
    for _, v in ipairs(tags) do
        out[#out + 1] = v
    end
    send(from, data, out)
end

local why_none = {
    ["16"] = "activation out of range",
    ["17"] = "prompt longer than the context",
    ["18"] = "prompt empty or not UTF-8"
}

-- Token ids only where the prompt was in ids, else nil.
-- An answer that is not final says until when.
local function respond_done(id, d, session, text, ids)
    local tags = {}
    if d.kind == "batch" then
        tags = { "Statement", d.item }
    elseif why_none[d.finish] then
        tags = { "Code", 422, "Message", why_none[d.finish] }
    end
    if answers.get(id) then
        tags[#tags + 1] = "Until"
        tags[#tags + 1] = Q.now + answers.left(id)
    end
    local more = ids and ',"ids":' .. quote(ids) or ""
    respond(d.kind, d.from, d.reference, session, tags,
        '{"result":' .. quote(text) .. more .. ',"attestation":' ..
            object("request", id, "node", d.node, "model", d.model, "job",
                d.job, "result", d.result, "batch", d.batch, "item", d.item) ..
            "}")
end

-- ---- what DApps say --------------------------------------------------------

local action = {}

-- Refuse a request at once.
local function reject(m, code, why)
    local session, reference = m.tag["x-session"], m.tag["x-reference"]
    respond(m.action == "Infer-Batch" and "batch" or "requests", m.from,
        is_plain(reference, MAX_REFERENCE) and reference or m.id,
        is_plain(session, MAX_REFERENCE) and session or "",
        { "Code", code, "Message", why }, "")
end

local function model_of(name)
    name = name or Q.default_model
    return Q.models[name] or Q.models[Q.names[name] or ""]
end

local function price_of(model)
    return model.price ~= "" and model.price or Q.price
end

-- Whether a node is allowed; Revoke names the block at which that ends.
local function is_allowed(address)
    local node = Q.nodes[address]
    return node ~= nil and (node.revoked < 0 or Q.height < node.revoked)
end

-- Whether a node has sent no message for Idle-Days.
local function is_silent(address)
    return Q.nodes[address].seen + Q.idle_days * DAY_MS <= clock()
end

-- Node, reference and session of a request: a table, or nil, the code and why
-- it is refused.  Its model is taken later, by take_model.
local function request_head(m)
    local reference = m.tag["x-reference"] or m.id
    local session = m.tag["x-session"] or ""
    local node = m.tag["x-node"] or ""
    local model = m.tag["x-model"]
    if Q.paused ~= "no" then
        return nil, 503, "the queue is paused"
    elseif not is_plain(reference, MAX_REFERENCE) or reference == "" or
        not is_plain(session, MAX_REFERENCE) then
        return nil, 400, "X-Reference and X-Session have at most 128 bytes"
    elseif model and not model_of(model) then
        return nil, 404, "no such model (Models lists them)"
    elseif node ~= "" and not (is_id(node) and is_allowed(node)) then
        return nil, 404, "X-Node is no node of this queue"
    elseif node ~= "" and is_silent(node) then
        return nil, 503, "X-Node has been silent for " .. Q.idle_days .. " days"
    end
    return {
        from = m.from, reference = reference, session = session,
        node = node, lease = "", prev = "", next = "",
        had = "", blame = "", later = "", came = clock(),
        window = Q.window, answer = "", wrong = ""
    }
end

-- Whether this request was made before: "" no, "same", or "other" for another
-- that is open under the same reference.
local function repeated(m, r)
    local id = Q.keys[key_of(r.from, r.reference)]
    if Q.open[m.id] or Q.done[m.id] or answers.is_disputed(m.id) then
        return "same", m.id
    elseif not id then
        return ""
    elseif Q.open[id] then
        return Q.open[id].sum == r.sum and "same" or "other", id
    end
    return done_get(id).sum == tostring(r.sum) and "same" or "", id
end

-- The line of a pull, and the sum over what makes it this request.
local function finish_line(m, r, tail)
    r.sum = sum_of(r.kind .. r.model .. r.node .. tail)
    r.line = '{"id":' .. quote(m.id) .. ',"from":' .. quote(r.from) ..
        ',"reference":' .. quote(r.reference) .. ',"model":' ..
        quote(r.model) .. tail .. ',"fee":"0"}'
end

local function add_request(m, r)
    local again, id = repeated(m, r)
    if again == "other" then
        return reject(m, 409, "X-Reference is that of an open request")
    elseif again == "same" then
        local d = done_get(id) or answers.get(id)
        if d then
            d.model = r.model
            respond_done(id, d, r.session, "")
        end
        return
    elseif Q.n_open >= Q.max_open or Q.size + #r.line > Q.max_size then
        return reject(m, 429, "the queue is full")
    elseif (Q.requesters[r.from] or 0) >= Q.max_requester then
        return reject(m, 429, "too many open requests of this requester")
    end
    open_request(m.id, r)
    enqueue(m.id, "last")
end

-- The model of a request into r: what its body or options name (nil: nothing),
-- as the tag does, else the tag's, else the default; or the code and why it is
-- refused.
local function take_model(m, r, name)
    local tagged = m.tag["x-model"]
    local model = model_of(name or tagged)
    if name and tagged and tagged ~= name then
        return 400, '"model" is not what X-Model says'
    elseif name and not model then
        return 400, '"model" is none of this queue (Models lists them)'
    elseif not model then
        return 404, "no such model (Models lists them)"
    elseif price_of(model) ~= "0" then
        return 402, "this model has a price, and there is no payment yet"
    end
    r.model = model.id
    return nil
end

-- Why a model cannot take these token ids, and so many of an answer, or nil.
local function wrong_ids(ids, p, model)
    if p.max_tokens > MANY.ids then
        return "max_tokens: at most " .. MANY.ids ..
            " where the prompt is token ids"
    elseif model.context > 0 and ids.n > model.context then
        return "the prompt has " .. ids.n .. " token ids, and the context of" ..
            " the model " .. model.context
    elseif model.record ~= "" and
        ids.most >= records.vocabulary(model.record) then
        return "the model has no token " .. ids.most
    end
    return nil
end

function action.Infer(m)
    local r, code, why = request_head(m)
    if not r then
        return reject(m, code, why)
    end
    local p = defaults()
    local form, prompt = content(m, p)
    if not form then
        return reject(m, 400, prompt)
    end
    why = options(p, m.tag["x-options"])
    if why then
        return reject(m, 400, why)
    end
    code, why = take_model(m, r, p.model)
    if code then
        return reject(m, code, why)
    end
    why = p.ids and wrong_ids(p.ids, p, Q.models[r.model])
    if why then
        return reject(m, 400, why)
    end
    r.kind = "requests"
    local apart = p.ids and p.ids.apart and string.format(
        ',"prompt_count":"%d","prompt_root":"%s"', p.ids.n,
        base64url(p.ids.root)) or ""
    finish_line(m, r, string.format(',"form":"%s","prompt":%s%s,' ..
        '"max_tokens":"%d","temperature":"%d","top_p":"%d","top_k":"%d",' ..
        '"flags":"%d","seed":"%s","stops":[%s]', form, quote(prompt), apart,
        p.max_tokens, p.temperature, p.top_p, p.top_k, p.flags, p.seed,
        p.stops))
    records.expect(r, m.id)
    add_request(m, r)
end

action["Infer-Batch"] = function(m)
    local r, code, why = request_head(m)
    local n = integer(m.tag["x-count"], 1, U32)
    local _, _, _, wrong = data_of(m)
    if not r then
        return reject(m, code, why)
    elseif wrong then
        return reject(m, 400, wrong)
    elseif not is_id(m.tag["x-source"]) or not is_id(m.tag["x-sha256"]) or
        not n then
        return reject(m, 400, "X-Source, X-Count and X-Sha256 expected: an" ..
            " id, the lines of the file, its SHA-256 in base64url")
    end
    code, why = take_model(m, r)
    if code then
        return reject(m, code, why)
    end
    r.kind = "batch"
    finish_line(m, r, ',"form":"batch","prompt":' ..
        quote(m.tag["x-source"]) .. ',"count":"' .. n .. '","sha256":' ..
        quote(m.tag["x-sha256"]))
    add_request(m, r)
end

-- The request that a message names, by its id or its requester's reference.
local function named(m)
    if m.tag.request then
        return m.tag.request
    end
    return Q.keys[key_of(m.from, m.tag["x-reference"] or "")] or ""
end

function action.Cancel(m)
    local id = named(m)
    local r, d = Q.open[id], done_get(id)
    if r and r.from ~= m.from or d and d.from ~= m.from or not (r or d) then
        return refuse(m, 404, "no such request of yours")
    elseif d or r.lease ~= "" then
        return refuse(m, 409, d and "it is done" or "it is leased")
    elseif r.answer ~= "" and answers.stood(id) < MANY.stood * DAY_MS then
        return refuse(m, 409, "it is answered, and its window has not stood" ..
            " still for " .. MANY.stood .. " days")
    elseif Q.paused == "all" then
        return refuse(m, 503, "the queue is paused")
    end
    close_request(id)
    forget_key(r.from, r.reference, id)
    answer(m, 200, { "Request", id })
end

function action.Status(m)
    local id = named(m)
    local r, d = Q.open[id], done_get(id)
    local tags = { "Request", id, "State", "gone" }
    if r and r.lease ~= "" then
        local lease = Q.leases[r.lease]
        tags = { "Request", id, "State", "leased", "Node", lease.node,
            "Until", lease.ends }
    elseif r and r.answer == "" then
        tags = { "Request", id, "State", "pending" }
    elseif r or d then
        d = d or answers.get(id)
        tags = { "Request", id, "State", r and "answered" or "done", "Node",
            d.node, "Batch",
            d.batch, "Job", d.job, "Result", d.result, "Item", d.item,
            "Finish", d.finish }
        if d.conflict ~= "" then
            tags[#tags + 1] = "Conflict"
            tags[#tags + 1] = d.conflict
        end
        if r then
            tags[#tags + 1] = "Until"
            tags[#tags + 1] = Q.now + answers.left(id)
        end
    end
    answer(m, 200, tags)
end

function action.Info(m)
    answer(m, 200, {
        "Version", VERSION, "Paused", Q.paused, "Frozen", Q.frozen,
        "Default-Model", Q.default_model, "Price", Q.price,
        "Token", Q.token, "Open", Q.n_open, "Pending", Q.n_pending,
        "Leased", Q.n_leased, "Done", Q.last - Q.first + 1,
        "Conflicts", Q.conflicts, "Max-Open", Q.max_open,
        "Max-Requester", Q.max_requester, "Max-Prompt", Q.max_prompt,
        "Max-Done", Q.max_done, "Size", Q.size, "Max-Size", Q.max_size,
        "Pending-Days", Q.pending_days, "Idle-Days", Q.idle_days,
        "Code-Sha256", base64url(lib.code), "Answered", Q.n_answered,
        "Window", Q.window // 1000, "Turn", Q.turn // 1000,
        "Challengers", table.concat(Q.challengers, ","),
        "Disputes", #Q.dispute_list, "Audit-Rate", Q.audit_rate,
        "Agreed", Q.agreed
    })
end

-- A page of a list, a line each.
local function answer_page(m, list, line)
    local page = integer(m.tag.page or "0", 0, U32)
    local out = {}
    if not page then
        return refuse(m, 400, "Page must be a number")
    end
    local from = page * PAGE_LINES
    for i = from + 1, math.min(from + PAGE_LINES, #list) do
        out[#out + 1] = line(list[i]) .. "\n"
    end
    answer(m, 200, {
        "Count", #list,
        "Next", from + PAGE_LINES < #list and page + 1 or ""
    }, table.concat(out))
end

-- Whether the judge knows all of a model.
local function is_judged(model)
    if model.record == "" then
        return false
    end
    local _, _, m = lib.judge.records(("\0"):rep(392) ..
        unbase64url(model.record))
    return m.good and lib.judge.knows(m)
end

function action.Models(m)
    answer_page(m, Q.model_list, function(id)
        local model, ring = Q.models[id], Q.rings[id]
        return object("model", id, "name", model.name, "source",
            model.source, "bytes", model.bytes, "context", model.context,
            "price", price_of(model), "pending", ring and ring.n or 0,
            "judged", is_judged(model) and "yes" or "no")
    end)
end

function action.Nodes(m)
    answer_page(m, Q.node_list, function(address)
        local node = Q.nodes[address]
        return object("node", address, "max", node.max, "leased",
            node.leased, "revoked", is_allowed(address) and "" or
            node.revoked, "models", node.models, "did", node.did,
            "hardware", node.hardware)
    end)
end

function action.Balance(m)
    answer(m, 200, { "Balance", "0", "Account", m.from }, "0")
end

-- ---- for the files after this one -------------------------------------------

lib.send, lib.answer, lib.refuse, lib.respond = send, answer, refuse, respond
lib.respond_done, lib.action, lib.reject = respond_done, action, reject
lib.model_of, lib.is_allowed, lib.is_silent = model_of, is_allowed, is_silent
lib.is_judged = is_judged
