local lib = ApusQueue
local FORMAT, OLD = lib.FORMAT, lib.OLD
local U32, PAGE_BYTES, Q, clock = lib.U32, lib.PAGE_BYTES, lib.Q, lib.clock
local integer, object, scan = lib.integer, lib.object, lib.scan
local enqueue, new_lease, set_end = lib.enqueue, lib.new_lease, lib.set_end
local lease_out, key_of = lib.lease_out, lib.key_of
local open_request, done_get = lib.open_request, lib.done_get
local done_put, answer, refuse = lib.done_put, lib.answer, lib.refuse
local action, commands = lib.action, lib.commands
local answers, before = lib.answers, lib.before
local base64url, unbase64url = lib.base64url, lib.unbase64url
local disputes = lib.disputes

-- ---- moving to a new process -----------------------------------------------
-- A dump is lines, in an order that the state alone determines; a page begins
-- at the line of its number.  What is loaded gives the same dump.

-- Bytes of a line, within those of a message; one of an answer to a prompt of
-- quotes, which many have disputed, has over 80 kB.
local LINE = 98304

local CONFIG = {
    "default_model", "price", "token", "max_open", "max_requester",
    "max_prompt", "max_size", "max_done", "now", "height", "conflicts",
    "stopped", "stopped_at", "pending_days", "idle_days", "window", "turn",
    "audit_rate", "agreed"
}
local MODEL = { "name", "source", "bytes", "context", "price", "record" }
local NODE = { "max", "revoked", "models", "did", "hardware", "seen", "stood",
    "late", "faults" }
local OPEN = {
    "from", "reference", "session", "model", "node", "kind", "line", "sum",
    "had", "blame", "later", "came", "window", "wrong"
}
local ANSWERED = { "answer", "answered", "ends", "found", "disputes", "left",
    "lost", "count", "audit" }
for i, name in ipairs(OPEN) do
    table.insert(ANSWERED, i, name)
end
local INTEGER = {}
for name in ("max_open max_requester max_prompt max_size max_done now " ..
    "height conflicts bytes context max revoked sum stopped stopped_at " ..
    "pending_days idle_days seen came window turn stood late faults " ..
    "answered ends found disputes left count index length grace number " ..
    "used_node used_challenger began lines audit_rate agreed"):gmatch("%S+") do
    INTEGER[name] = true
end

local function dump_line(what, id, t, names)
    local pair = { "what", what, "id", id }
    for _, name in ipairs(names) do
        pair[#pair + 1] = name
        pair[#pair + 1] = t[name]
    end
    return object(table.unpack(pair))
end

local function each_owned(emit)
    emit("queue", FORMAT, Q, CONFIG)
    for _, address in ipairs(Q.operators) do
        emit("operator", address, {}, {})
    end
    for _, address in ipairs(Q.challengers) do
        emit("challenger", address, {}, {})
    end
    for _, id in ipairs(Q.model_list) do
        emit("model", id, Q.models[id], MODEL)
    end
    for _, address in ipairs(Q.node_list) do
        emit("node", address, Q.nodes[address], NODE)
    end
end

-- Rings in the order in which they will be served; sorted, so that of pairs()
-- does not show.
local function each_pending(emit)
    local keys = {}
    for key in pairs(Q.rings) do
        keys[#keys + 1] = key
    end
    table.sort(keys, function(a, b)
        return Q.rings[a].served < Q.rings[b].served
    end)
    for _, key in ipairs(keys) do
        local ring = Q.rings[key]
        local from = ring.turn
        repeat
            local id = ring.seats[from].first
            while id ~= "" do
                emit("open", id, Q.open[id], OPEN)
                id = Q.open[id].next
            end
            from = ring.seats[from].next
        until from == ring.turn
    end
end

local function each_leased(emit)
    local list = {}
    for i, batch in ipairs(Q.heap) do
        list[i] = batch
    end
    table.sort(list, function(a, b)
        return Q.leases[a].serial < Q.leases[b].serial
    end)
    for _, batch in ipairs(list) do
        local lease = Q.leases[batch]
        emit("lease", batch, lease, { "node", "model", "kind", "ends",
            "audits" })
        local id = lease.first
        while id ~= "" do
            emit("leased", id, Q.open[id], OPEN)
            id = Q.open[id].next
        end
    end
end

-- Disputes, each with its moves; where it stands follows from these.
local DISPUTE = { "request", "index", "result", "node", "challenger",
    "requester", "kind", "part", "count", "lines", "model", "sha256",
    "length", "grace", "number", "used_node", "used_challenger", "began",
    "ends", "found" }

local function each_dispute(emit)
    for _, id in ipairs(Q.dispute_list) do
        local d = Q.disputes[id]
        emit("dispute", id, d, DISPUTE)
        for _, move in ipairs(d.moves) do
            emit("move", id, { kind = move[1], data = base64url(move[2]) },
                { "kind", "data" })
        end
    end
end

-- Answers that are not final, in an order that does not show that of pairs().
local function each_answered(emit)
    local list = {}
    for id, r in pairs(Q.open) do
        if r.answer ~= "" then
            list[#list + 1] = id
        end
    end
    table.sort(list, before)
    for _, id in ipairs(list) do
        emit("answered", id, Q.open[id], ANSWERED)
    end
end

function action.Dump(m)
    local from = integer(m.tag.page or "0", 0, U32)
    if not commands(m) then
        return
    elseif Q.paused ~= "all" then
        return refuse(m, 409, "pause it first, with Mode=all")
    elseif not from then
        return refuse(m, 400, "Page must be a number")
    end
    local n, size, out, full = 0, 0, {}, false
    local function emit(what, id, t, names)
        if n >= from and not full then
            local line = dump_line(what, id, t, names) .. "\n"
            full = size > 0 and size + #line > PAGE_BYTES
            size = size + #line
            out[#out + 1] = not full and line or nil
        end
        n = n + (full and 0 or 1)
    end
    each_owned(emit)
    each_pending(emit)
    each_leased(emit)
    each_answered(emit)
    each_dispute(emit)
    for i = Q.first, Q.last do
        emit("done", Q.order[i], { text = Q.done[Q.order[i]] }, { "text" })
    end
    answer(m, 200, { "Next", full and n or "" }, table.concat(out))
end

-- ---- Load: what is wrong raises, and leaves nothing ------------------------

local load_line = {}

-- What dumps of older formats do not say: 1; 1 and 2; 1 to 3.
local UNSAID_1 = { stopped = "0", stopped_at = "0", pending_days = "30",
    idle_days = "7", blame = "", later = "", came = clock, seen = clock }
local UNSAID_2 = { record = "", window = "0", wrong = "", turn = "21600000",
    stood = "0", late = "-1", faults = "0" }
local UNSAID_3 = { audit_rate = "0", agreed = "0", audit = "" }

local function values(l, names)
    local t = {}
    for _, name in ipairs(names) do
        local from = OLD[Q.load_from] or 4
        local v = l[name] or from < 2 and UNSAID_1[name] or
            from < 3 and UNSAID_2[name] or from < 4 and UNSAID_3[name] or
            error(l.what .. ": no " .. name)
        v = type(v) == "function" and v() or v
        t[name] = v
        if INTEGER[name] then
            t[name] = math.tointeger(tonumber(v)) or error("no number: " .. v)
        end
    end
    return t
end

function load_line.queue(l)
    assert(l.id == FORMAT or OLD[l.id], "a dump of another format")
    Q.load_from = l.id
    for name, v in pairs(values(l, CONFIG)) do
        Q[name] = v
    end
    if OLD[l.id] == 1 then
        Q.stopped_at = Q.now
    end
end

function load_line.operator(l)
    Q.operators[#Q.operators + 1] = l.id
end

function load_line.challenger(l)
    Q.challengers[#Q.challengers + 1] = l.id
end

function load_line.model(l)
    Q.models[l.id] = values(l, MODEL)
    Q.models[l.id].id = l.id
    Q.names[l.name] = l.id
    Q.model_list[#Q.model_list + 1] = l.id
end

function load_line.node(l)
    Q.nodes[l.id] = values(l, NODE)
    Q.nodes[l.id].leased, Q.nodes[l.id].waits = 0, 0
    Q.nodes[l.id].windows = {}
    Q.node_list[#Q.node_list + 1] = l.id
end

function load_line.open(l)
    local r = values(l, OPEN)
    r.lease, r.prev, r.next, r.answer = "", "", "", ""
    open_request(l.id, r)
    enqueue(l.id, "last")
end

function load_line.answered(l)
    local r = values(l, ANSWERED)
    r.lease, r.prev, r.next = "", "", ""
    open_request(l.id, r)
    answers.load(l.id)
end

function load_line.dispute(l)
    local d = values(l, DISPUTE)
    d.moves = {}
    disputes.place(d, disputes.open(d))
    Q.disputes[l.id] = d
    Q.dispute_list[#Q.dispute_list + 1] = l.id
end

function load_line.move(l)
    local d, bytes = Q.disputes[l.id], unbase64url(l.data)
    disputes.place(d, assert(lib.judge[l.kind](d.at, #d.moves, bytes)))
    d.moves[#d.moves + 1] = { l.kind, bytes }
end

function load_line.lease(l)
    new_lease(l.id, l.node, l.model, l.kind)
    set_end(l.id, math.tointeger(tonumber(l.ends)))
    Q.leases[l.id].audits = l.audits or ""
    Q.load_into = l.id
end

function load_line.leased(l)
    local r = values(l, OPEN)
    r.lease, r.prev, r.next, r.answer = "", "", "", ""
    open_request(l.id, r)
    lease_out(l.id, Q.load_into)
end

function load_line.done(l)
    done_put(l.id, l.text)
    local d = done_get(l.id)
    local key = key_of(d.from, d.reference)
    -- under one reference an open request, else the last that was done
    if not Q.open[Q.keys[key] or ""] then
        Q.keys[key] = l.id
    end
end

local function is_unused()
    return Q.loaded > 0 or Q.n_open == 0 and Q.last == 0 and
        #Q.model_list == 0 and #Q.node_list == 0
end

function action.Load(m)
    local from = integer(m.tag.page or "0", 0, U32)
    if not commands(m) then
        return
    elseif Q.paused ~= "all" or not is_unused() then
        return refuse(m, 409, "load into a new process, paused with Mode=all")
    elseif from ~= Q.loaded or type(m.data) ~= "string" then
        return refuse(m, 409, "page " .. Q.loaded .. " of the dump is next")
    end
    for line in m.data:gmatch("[^\n]+") do
        local v, why = scan(line, LINE)
        local l = type(v) == "table" and v.object or error(why or "no object")
        local take = load_line[l.what] or error("an unknown line")
        take(l)
        Q.loaded = Q.loaded + 1
    end
    answer(m, 200, { "Next", Q.loaded })
end
