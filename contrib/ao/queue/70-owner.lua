local lib = ApusQueue
local MAX_MODELS, MAX_NODES = lib.MAX_MODELS, lib.MAX_NODES
local MAX_OPERATORS, U32, MANY, Q = lib.MAX_OPERATORS, lib.U32, lib.MANY, lib.Q
local clock, is_id, is_address = lib.clock, lib.is_id, lib.is_address
local integer, is_amount, id_list = lib.integer, lib.is_amount, lib.id_list
local end_leases, done_forget, send = lib.end_leases, lib.done_forget, lib.send
local answer, refuse, action = lib.answer, lib.refuse, lib.action
local model_of, ends = lib.model_of, lib.ends
local records, unbase64url = lib.records, lib.unbase64url
local split = lib.split

-- ---- what the owner says ---------------------------------------------------

local function is_owner(m)
    return Owner ~= "" and m.from == Owner
end

local function is_operator(m)
    for _, address in ipairs(Q.operators) do
        if address == m.from then
            return true
        end
    end
    return is_owner(m)
end

-- Whether the sender may command; if not, it has been answered.
local function commands(m, owner_only)
    if owner_only and is_owner(m) or not owner_only and is_operator(m) then
        return true
    end
    refuse(m, 403, owner_only and "only the owner may" or
        "only the owner and the operators may")
    return false
end

function action.Allow(m)
    local address, max = m.tag.node, integer(m.tag.max or "1000", 1, 50000)
    if not commands(m) then
        return
    elseif not is_id(address) or not max then
        return refuse(m, 400, "Node (an address) and Max 1 .. 50000 expected")
    elseif not Q.nodes[address] and #Q.node_list >= MAX_NODES then
        return refuse(m, 429, "there are " .. MAX_NODES .. " nodes")
    end
    if not Q.nodes[address] then
        Q.node_list[#Q.node_list + 1] = address
        Q.nodes[address] = { leased = 0, waits = 0, models = "", did = "",
            hardware = "", windows = {}, stood = 0, late = -1, faults = 0 }
    end
    Q.nodes[address].max = max
    Q.nodes[address].revoked = -1
    Q.nodes[address].seen = clock()
    answer(m, 200)
end

function action.Revoke(m)
    local node = Q.nodes[m.tag.node or ""]
    local block = integer(m.tag.block or "0", 0, 999999999999)
    if not commands(m) then
        return
    elseif not node or not block then
        return refuse(m, node and 400 or 404, "Node (one of the queue) and" ..
            " Block (a height) expected")
    end
    node.revoked = block
    if block <= Q.height then
        end_leases(m.tag.node)
    end
    answer(m, 200)
end

-- Drop a request that cannot be answered, to free its place.
function action.Drop(m)
    local id = m.tag.request or ""
    if not commands(m) then
        return
    elseif Q.paused == "all" then
        return refuse(m, 503, "the queue is paused")
    elseif not Q.open[id] then
        return refuse(m, Q.done[id] and 409 or 404,
            Q.done[id] and "it is done" or "no such request")
    elseif Q.open[id].answer ~= "" then
        return refuse(m, 409, "it is answered")
    end
    ends.give_up(id, "the owner of the queue has dropped it")
    answer(m, 200, { "Request", id })
end

-- What is wrong with the tags of a model, if anything.
local function wrong_model(t)
    local name = t.name or ""
    if not is_id(t.model) then
        return "Model must be a model id"
    elseif #name < 1 or #name > 42 or name:find("[^A-Za-z0-9._-]") then
        return "Name must be 1 to 42 of A-Z a-z 0-9 . _ -"
    elseif Q.names[name] and Q.names[name] ~= t.model then
        return "this name is of another model"
    elseif not is_id(t.source) then
        return "Source must be an Arweave id"
    elseif t.price and not is_amount(t.price) then
        return "Price must be 1 to 30 digits"
    elseif not integer(t.bytes or "0", 0, 999999999999999) or
        not integer(t.context or "0", 0, U32) then
        return "Bytes and Context must be numbers"
    elseif t.record then
        local why, context = records.wrong_model(unbase64url(t.record), t.model)
        return why or (t.context and t.context ~= tostring(context)) and
            "Context is not that of Record" or nil
    end
    return nil
end

action["Register-Model"] = function(m)
    local t = m.tag
    if not commands(m) then
        return
    end
    local why, old = wrong_model(t), Q.models[t.model or ""]
    if why then
        return refuse(m, 400, why)
    elseif not old and #Q.model_list >= MAX_MODELS then
        return refuse(m, 429, "there are " .. MAX_MODELS .. " models")
    end
    if old then
        Q.names[old.name] = nil
    else
        Q.model_list[#Q.model_list + 1] = t.model
    end
    Q.names[t.name] = t.model
    local record = t.record or old and old.record or ""
    local _, context = records.wrong_model(unbase64url(record), t.model)
    Q.models[t.model] = {
        id = t.model, name = t.name, source = t.source, record = record,
        bytes = integer(t.bytes or "0", 0, 999999999999999),
        context = context or integer(t.context or "0", 0, U32),
        price = t.price or ""
    }
    if Q.default_model == "" then
        Q.default_model = t.model
    end
    answer(m, 200)
end

local limits = {
    { "max-open", "max_open", 1, 50000 },
    { "max-requester", "max_requester", 1, 50000 },
    { "max-prompt", "max_prompt", 1, MANY.prompt },
    { "max-size", "max_size", 1, 268435456 },
    { "max-done", "max_done", 0, 100000 },
    { "pending-days", "pending_days", 1, 3650 },
    { "idle-days", "idle_days", 1, 3650 },
    { "audit-rate", "audit_rate", 0, 1000000 }
}
-- Of the owner alone, in seconds; kept in milliseconds.
local spans = {
    { "window", "window", 0, 2592000 },
    { "turn", "turn", 3600, 172800 }
}

-- Addresses separated by commas, nil if anything else is among them.
local function address_list(s)
    local list = s ~= "" and split(s, ",") or {}
    for _, address in ipairs(list) do
        if not is_address(address) then
            return nil
        end
    end
    return #list <= MAX_OPERATORS and list or nil
end

-- New values from the tags of a Set, or nil and why not.
local function set_values(t)
    local new, why = {}, nil
    for _, l in ipairs(limits) do
        if t[l[1]] then
            new[l[2]] = integer(t[l[1]], l[3], l[4])
            why = why or not new[l[2]] and
                l[1] .. ": " .. l[3] .. " .. " .. l[4] .. " expected"
        end
    end
    for _, l in ipairs(spans) do
        local s = t[l[1]] and integer(t[l[1]], l[3], l[4])
        new[l[2]] = s and 1000 * s
        why = why or t[l[1]] and not s and
            l[1] .. ": " .. l[3] .. " .. " .. l[4] .. " seconds expected"
    end
    if t.challengers then
        new.challengers = address_list(t.challengers)
        why = why or not new.challengers and
            "challengers: at most 32 addresses, separated by commas, expected"
    end
    if t["default-model"] then
        new.default_model = (model_of(t["default-model"]) or {}).id
        why = why or not new.default_model and "default-model: no such model"
    end
    if t.price then
        new.price = t.price
        why = why or not is_amount(t.price) and "price: 1 to 30 digits expected"
    end
    if t.token then
        new.token = t.token
        why = why or t.token ~= "" and not is_id(t.token) and
            "token: an id or nothing expected"
    end
    if t.operators then
        new.operators = id_list(t.operators, MAX_OPERATORS)
        why = why or not new.operators and
            "operators: at most 32 addresses, separated by commas, expected"
    end
    return new, why
end

local SET = { "max_open", "max_requester", "max_prompt", "max_size",
    "max_done", "pending_days", "idle_days", "default_model", "price", "token",
    "operators", "window", "turn", "challengers", "audit_rate" }

function action.Set(m)
    local t = m.tag
    if not commands(m, t.operators ~= nil or t.window ~= nil or
        t.turn ~= nil) then
        return
    end
    local new, why = set_values(m.tag)
    if why then
        return refuse(m, 400, why)
    end
    for _, name in ipairs(SET) do
        if new[name] ~= nil then
            Q[name] = new[name]
        end
    end
    done_forget()
    answer(m, 200)
end

-- What stood still while all was paused has the time left that it had.
local function go_on()
    local ms = Q.now - Q.stopped_at
    Q.stopped = Q.stopped + ms
    for _, batch in ipairs(Q.heap) do
        Q.leases[batch].ends = Q.leases[batch].ends + ms
    end
end

function action.Pause(m)
    local mode = m.tag.mode or "yes"
    if not commands(m) then
        return
    elseif mode ~= "yes" and mode ~= "all" and mode ~= "no" then
        return refuse(m, 400, "Mode yes, all or no expected")
    end
    if mode == "all" and Q.paused ~= "all" then
        Q.stopped_at = Q.now
    elseif mode ~= "all" and Q.paused == "all" then
        go_on()
    end
    Q.paused = mode
    answer(m, 200, { "Paused", mode })
end

-- An empty Owner means no one; without Owner the next sender would become the
-- owner.
function action.Freeze(m)
    if not commands(m, true) then
        return
    elseif #Q.operators == 0 then
        return refuse(m, 409, "name operators first: nobody could do anything")
    end
    Owner = ""
    Q.frozen = "yes"
    answer(m, 200)
end

-- Payment is not implemented: return what is paid.
action["Credit-Notice"] = function(m)
    if Q.token ~= "" and m.from == Q.token and is_amount(m.tag.quantity) and
        is_address(m.tag.sender) then
        send(Q.token, "", { "Action", "Transfer", "Recipient", m.tag.sender,
            "Quantity", m.tag.quantity, "X-Reason", "no payment yet" })
    end
end

-- ---- for the files after this one -------------------------------------------

lib.commands = commands
