-- Random games over a queue, in the process that has it (queue-random.mjs):
-- whatever anybody says in whatever order, the queue's books agree with each
-- other after each message, no final result changes, none is final while it is
-- disputed, and a dump gives the same books.  Messages go straight to the
-- handlers, a whole game in one evaluation.
--
-- GameLines[name][trace] is the line of Complete for a request's name, and
-- GameClaims has records of other answers: {record, jobrecord, id}.

local STEPS, HOUR_MS = 150, 3600000
local began = 1700000100000

-- ---- the books: nil, or the first thing that is wrong -----------------------

local function size_of(t)
    local n = 0
    for _ in pairs(t) do
        n = n + 1
    end
    return n
end

local function part(text, at)
    for line in (text .. "\n"):gmatch("(.-)\n") do
        at = at - 1
        if at == 0 then
            return line
        end
    end
end

local function add(t, key)
    t[key] = (t[key] or 0) + 1
end

local function count()
    local c = { leases = {}, nodes = {}, from = {}, windows = {}, audits = {},
        disputes = {}, open = 0, pending = 0, leased = 0, answered = 0,
        size = 0 }
    for _, r in pairs(Queue.open) do
        c.open, c.size = c.open + 1, c.size + #r.line
        if r.lease ~= "" then
            c.leased = c.leased + 1
            add(c.leases, r.lease)
            add(c.nodes, Queue.leases[r.lease].node)
        elseif r.answer ~= "" then
            c.answered = c.answered + 1
            if r.disputes == 0 then
                add(c.windows, part(r.answer, 5))
            end
            if r.audit == "waits" then
                add(c.audits, r.model)
            end
        else
            c.pending = c.pending + 1
        end
        if r.answer == "" then
            add(c.from, r.from)
        end
    end
    for _, d in pairs(Queue.disputes) do
        add(c.disputes, d.request)
    end
    return c
end

local function same(what, a, b)
    return a ~= b and what .. ": " .. tostring(a) .. ", not " .. tostring(b) or
        nil
end

-- What waits, in rings of seats of lists.
local function seats(c)
    local waits = 0
    for _, ring in pairs(Queue.rings) do
        local n = 0
        for from, seat in pairs(ring.seats) do
            local id, last = seat.first, ""
            while id ~= "" do
                if Queue.open[id].from ~= from then
                    return "a seat of another"
                end
                id, last, n = Queue.open[id].next, id, n + 1
            end
            if last ~= seat.last then
                return "the end of a seat"
            end
        end
        if n ~= ring.n or n == 0 then
            return "a ring's number"
        end
        waits = waits + n
    end
    return same("what waits", waits, c.pending)
end

local function lists(c)
    for batch, lease in pairs(Queue.leases) do
        if lease.n ~= (c.leases[batch] or 0) or
            lease.n == 0 and lease.audits == "" then
            return "a lease's number"
        end
    end
    for address, node in pairs(Queue.nodes) do
        local why = same("leased of a node", node.leased,
            c.nodes[address] or 0) or
            same("windows of a node", #node.windows, c.windows[address] or 0)
        if why then
            return why
        end
    end
    for model, list in pairs(Queue.audits) do
        local why = same("audits", #list, c.audits[model] or 0)
        if why then
            return why
        end
    end
    return seats(c) or same("ages", #Queue.ages, c.pending) or
        same("leases", #Queue.heap, size_of(Queue.leases))
end

local kept = {} -- final results of this game

local function finals()
    local n = 0
    for id, text in pairs(Queue.done) do
        local is = part(text, 5) .. " " .. part(text, 8)
        if kept[id] and kept[id] ~= is then
            return "a final result changed"
        elseif Queue.open[id] then
            return "a final result is open"
        end
        kept[id], n = is, n + 1
    end
    return same("final ones", Queue.last - Queue.first + 1, n)
end

local function disputed(c)
    for _, d in pairs(Queue.disputes) do
        if Queue.done[d.request] then
            return "final while it is disputed"
        end
        local r = Queue.open[d.request] -- nil: it was cancelled
        if r and (r.answer == "" or part(r.answer, 8) ~= d.result) then
            return "a dispute over what is not answered"
        elseif r and r.disputes ~= c.disputes[d.request] then
            return "the number of disputes over an answer"
        end
    end
    return same("disputes", #Queue.dispute_list, size_of(Queue.disputes))
end

local function wrong()
    local c = count()
    for from, n in pairs(c.from) do
        if Queue.requesters[from] ~= n then
            return "a requester's number"
        end
    end
    return same("open", Queue.n_open, c.open) or
        same("pending", Queue.n_pending, c.pending) or
        same("leased", Queue.n_leased, c.leased) or
        same("answered", Queue.n_answered, c.answered) or
        same("size", Queue.size, c.size) or
        same("requesters", size_of(Queue.requesters), size_of(c.from)) or
        lists(c) or finals() or disputed(c)
end

-- ---- messages ---------------------------------------------------------------

local function id_of(name)
    return (name .. ("_"):rep(42)):sub(1, 42) .. "A"
end

local n_messages = 0

-- Tell the handlers a message, as AOS does; return its answer: code, tags by
-- name, data; and error.
local function tell(from, tags, data, ms, id)
    local list, named = {}, {}
    for name, value in pairs(tags) do
        list[#list + 1] = { name = name, value = value }
    end
    n_messages = n_messages + 1
    local msg = ao.normalize({ Id = id or id_of("message-" .. n_messages),
        Target = ao.id, Owner = from, From = from, Anchor = "", Tags = list,
        Data = data or "", Module = "module", Cron = false, Epoch = 0,
        Nonce = n_messages, Timestamp = began + ms,
        ["Block-Height"] = 1500100 + ms // 600000 })
    for _, tag in ipairs(msg.Tags) do
        named[tag.name] = tag.value
    end
    msg.TagArray, msg.Tags = msg.Tags, named
    ao.clearOutbox()
    local good, why = pcall(Handlers.evaluate, msg, ao.env)
    local first, a = ao.outbox.Messages[1], { error = not good and why or nil }
    for _, tag in ipairs(first and first.Tags or {}) do
        a[tag.name] = tag.value
    end
    a.data = first and first.Data
    return a
end

-- ---- a game -----------------------------------------------------------------
-- g has what is known of it, and numbers by chance.

local function below(g, n)
    g.seed = g.seed * 1664525 + 1013904223 & 0xffffffff
    return g.seed * n >> 32
end

local function one(g, list)
    return list[1 + below(g, #list)]
end

-- One of the last eight.
local function recent(g, list)
    local n = math.min(#list, 8)
    return n > 0 and list[#list - below(g, n)] or "none"
end

local function new_name(g, letter)
    g.n = g.n + 1
    return letter .. g.n - 1
end

local function a_request(g)
    return id_of(#g.names > 0 and one(g, g.names) or "none")
end

local function its_batch(g, node)
    return id_of(g.batches[node] or "none")
end

-- Each says a message of anybody: from, tags, data, id.
local moves = {}

function moves.Infer(g)
    local name = new_name(g, "r")
    g.names[#g.names + 1] = name
    return one(g, g.people), { Action = "Infer", ["X-Reference"] = name,
        ["X-Node"] = below(g, 6) == 0 and one(g, g.nodes) or nil }, name,
        id_of(name)
end

function moves.Pull(g)
    local node, batch = one(g, g.nodes), new_name(g, "b")
    g.batches[node] = batch
    return node, { Action = "Pull", Models = id_of("model-1"),
        Max = tostring(1 + below(g, 4)),
        TTL = one(g, { "600", "7200", "86400" }) }, "", id_of(batch)
end

function moves.Complete(g)
    local node, lines = one(g, g.nodes), {}
    g.sent = {}
    for i = math.max(1, #g.names - 7), #g.names do
        local trace = one(g, { "x", "x", "x", "y", "z" })
        if below(g, 3) > 0 then
            g.sent[#g.sent + 1] = g.names[i]
            lines[#lines + 1] = GameLines[g.names[i]][trace]
        end
    end
    return node, { Action = "Complete", Batch = its_batch(g, node),
        Statement = id_of("statement") }, table.concat(lines, "\n")
end

function moves.Release(g)
    local node = one(g, g.nodes)
    local more = one(g, { "", ',"reason":"why"', ',"later":"600"' })
    return node, { Action = "Release", Batch = its_batch(g, node) },
        below(g, 2) == 0 and "" or '{"request":"' .. a_request(g) .. '"' ..
        more .. "}"
end

function moves.Renew(g)
    local node = one(g, g.nodes)
    return node, { Action = "Renew", Batch = its_batch(g, node) }
end

function moves.Challenge(g)
    return one(g, one(g, { g.people, g.nodes })), { Action = "Challenge",
        Request = id_of(recent(g, g.answered)) }
end

-- A result that nobody requested here, and a dispute over one.
function moves.Claim(g)
    local c = one(g, GameClaims)
    return one(g, g.nodes), { Action = "Claim", Record = c.record,
        Jobrecord = c.jobrecord, Modelrecord = ("A"):rep(299),
        Challenger = below(g, 4) == 0 and one(g, g.people) or nil }
end

function moves.Doubt(g)
    return one(g, g.people), { Action = "Challenge",
        Request = one(g, GameClaims).id }
end

-- What the judge awaits, more often than not.
local function awaited(g, id)
    local d = Queue.disputes[id]
    local turn = d and below(g, 4) > 0 and d.at.turn
    return turn == "shows" and "Show" or turn == "picks" and "Pick" or
        turn == "proves" and "Prove" or one(g, { "Show", "Pick", "Prove" })
end

function moves.Move(g)
    if #g.disputes == 0 then
        return moves.Challenge(g)
    end
    local o = one(g, g.disputes)
    local number = below(g, 8) > 0 and o.number or tostring(below(g, 4))
    local word = one(g, { "more", "more", "end", "fault", "holds", "bad" })
    local node = below(g, 4) > 0 and o.node or one(g, g.nodes)
    local either = one(g, { node, o.from })
    local what = awaited(g, o.id)
    g.moved = o
    if below(g, 6) == 0 then
        return either, { Action = one(g, { "Concede", "Overdue" }),
            Dispute = o.id }
    end
    return what == "Show" and node or what == "Pick" and o.from or either,
        { Action = what, Dispute = o.id, Number = number,
            Choice = what == "Pick" and word or nil },
        what ~= "Pick" and ApusQueue.base64url(word) or ""
end

function moves.Cancel(g)
    if below(g, 2) == 0 then
        return one(g, g.people), { Action = "Cancel", Request = a_request(g) }
    end
    return one(g, g.nodes), { Action = "Cancel",
        Request = one(g, GameClaims).id }
end

function moves.Owner(g)
    return Owner, one(g, {
        { Action = "Drop", Request = a_request(g) },
        { Action = "Revoke", Node = one(g, g.nodes) },
        { Action = "Allow", Node = one(g, g.nodes) },
        { Action = "Allow", Node = one(g, g.nodes) },
        { Action = "Set", Window = one(g, { "0", "86400", "864000" }) },
        { Action = "Set",
            ["Audit-Rate"] = one(g, { "0", "500000", "1000000" }) },
        { Action = "Pause", Mode = one(g, { "yes", "all" }) },
        { Action = "Pause", Mode = "no" } })
end

local OFTEN = {}
for name, times in pairs({ Infer = 3, Pull = 3, Complete = 3, Challenge = 3,
    Move = 6, Release = 1, Renew = 1, Cancel = 1, Owner = 1, Claim = 1,
    Doubt = 1 }) do
    for _ = 1, times do
        OFTEN[#OFTEN + 1] = name
    end
end
table.sort(OFTEN)

-- What a message's answer lets everybody know.
local function learn(g, from, tags, a)
    if tags.Action == "Challenge" and a.Dispute then
        g.disputes[#g.disputes + 1] = { id = a.Dispute, from = from,
            number = "0", node = Queue.disputes[a.Dispute].node }
    elseif tags.Action == "Complete" and (tonumber(a.Accepted) or 0) > 0 then
        table.move(g.sent, 1, #g.sent, #g.answered + 1, g.answered)
    elseif tags.Dispute and a.Number then
        g.moved.number = a.Number
    elseif tags.Dispute and (a.Code == "404" or a.Verdict) then
        for i, o in ipairs(g.disputes) do
            if o == g.moved then
                table.remove(g.disputes, i)
                break
            end
        end
    end
end

-- What is known of a message's dispute before the message.
local function dispute_now(tags)
    local d = Queue.disputes[tags.Dispute or ""]
    local r = d and Queue.open[d.request]
    return d and { node = d.node, challenger = d.challenger, turn = d.turn,
        request = d.request, faults = Queue.nodes[d.node].faults,
        answer = r and r.answer or "" }
end

-- Whether a verdict is what was said, conceded or waited for, and what it leads
-- to: nil, or what is wrong.
local function verdict(was, from, tags, data, a)
    local said = tags.Choice or ApusQueue.unbase64url(data or "")
    local loser = tags.Action == "Concede" and from or
        tags.Action == "Overdue" and was[was.turn] or
        said == "fault" and was.node or said == "holds" and was.challenger
    local fault, r = loser == was.node, Queue.open[was.request]
    local why = same("the loser", a.Loser, loser) or
        same("the verdict", a.Verdict, fault and "fault" or "holds") or
        same("faults of the node", Queue.nodes[was.node].faults,
            was.faults + (fault and 1 or 0))
    if why or was.answer == "" then
        return why
    elseif fault then
        return r and r.answer == was.answer and "a wrong answer stays" or nil
    end
    return not (r and r.answer == was.answer) and "a right answer is gone" or
        not r.lost:find(was.challenger, 1, true) and "who lost" or nil
end

local WAITS = { 0, 0, 0, 0, 1000, 1000, 60000, 60000, 60000, HOUR_MS // 2,
    HOUR_MS // 2, HOUR_MS // 2, HOUR_MS, 4 * HOUR_MS, 4 * HOUR_MS }
local LONG_WAITS = { 25 * HOUR_MS, 25 * HOUR_MS, 25 * HOUR_MS, 190 * HOUR_MS }

local function step(g)
    local from, tags, data, id = moves[one(g, OFTEN)](g)
    g.ms = g.ms + one(g, below(g, 25) == 0 and LONG_WAITS or WAITS)
    local was = dispute_now(tags)
    local a = tell(from, tags, data, g.ms, id)
    learn(g, from, tags, a)
    if a.Code == "200" and tags.Action ~= "Complete" or
        (tonumber(a.Accepted) or 0) > 0 then
        add(g.seen, tags.Action)
    end
    if a.Verdict then
        add(g.seen, a.Verdict)
        local why = verdict(was, from, tags, data, a)
        if why then
            return why
        end
    end
    if Queue.paused ~= "no" and below(g, 3) == 0 then
        tell(Owner, { Action = "Pause", Mode = "no" }, "", g.ms)
    end
    return a.error or wrong()
end

-- ---- from one process to another --------------------------------------------

local function copy(v)
    if type(v) ~= "table" then
        return v
    end
    local new = {}
    for k, x in pairs(v) do
        new[k] = copy(x)
    end
    return new
end

local unused = copy(Queue)

-- Let the process be one that was never used.  The code keeps some tables of
-- the state, so they stay the same ones.
local function forget()
    for name, v in pairs(Queue) do
        if type(v) ~= "table" then
            Queue[name] = nil
        else
            for k in pairs(v) do
                v[k] = nil
            end
        end
    end
    for name, v in pairs(unused) do
        if type(v) ~= "table" then
            Queue[name] = v
        else
            for k, x in pairs(v) do
                Queue[name][k] = copy(x)
            end
        end
    end
end

local function owns(tags, ms, data)
    local a = tell(Owner, tags, data, ms)
    return a.Code == "200" and a or error(tags.Action .. ": " ..
        (a.error or a.Message or "no answer"))
end

-- The pages of a dump.
local function dump(ms)
    local pages, page = {}, "0"
    repeat
        local a = owns({ Action = "Dump", Page = page }, ms)
        pages[#pages + 1] = { page, a.data }
        page = a.Next
    until page == ""
    return pages
end

-- What is wrong after a move to another process, nil if nothing is.
local function move_on(ms)
    owns({ Action = "Pause", Mode = "all" }, ms)
    local pages = dump(ms)
    forget()
    owns({ Action = "Pause", Mode = "all" }, ms)
    for _, page in ipairs(pages) do
        owns({ Action = "Load", Page = page[1] }, ms, page[2])
    end
    local why, again = wrong(), dump(ms)
    why = why or same("pages of a dump", #again, #pages)
    for i, page in ipairs(again) do
        why = why or same("page " .. i .. " of a dump", page[2],
            (pages[i] or {})[2])
    end
    return why
end

-- ---- all of it --------------------------------------------------------------

local function begin(seed)
    local g = { seed = seed, ms = 0, n = 0, names = {}, batches = {},
        answered = {}, disputes = {}, seen = {}, sent = {},
        nodes = { id_of("node-1"), id_of("node-2"), id_of("node-3") },
        people = { id_of("alice"), id_of("carol"), id_of("bob") } }
    forget()
    kept = {}
    for _, node in ipairs(g.nodes) do
        owns({ Action = "Allow", Node = node }, 0)
    end
    owns({ Action = "Register-Model", Model = id_of("model-1"), Name = "nano",
        Source = id_of("source") }, 0)
    for _, model in pairs(Queue.models) do
        model.record = ("A"):rep(299)
    end
    owns({ Action = "Set", Window = "86400", Challengers = id_of("bob"),
        ["Audit-Rate"] = "500000" }, 0)
    return g
end

-- Play the game of a seed: JSON of what was done how often, and what is wrong.
function RandomGame(seed)
    local g = begin(seed)
    local why
    for i = 1, STEPS do
        why = step(g)
        if why then
            why = "message " .. i .. ": " .. why
            break
        end
    end
    if not why then
        local good, wrong_move = pcall(move_on, g.ms)
        why = wrong_move
    end
    ao.clearOutbox()
    return require("json").encode({ seen = g.seen, why = why or "" })
end
return "made"
