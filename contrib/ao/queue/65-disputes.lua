local lib = ApusQueue
local HOUR_MS, U32, MANY, Q = lib.HOUR_MS, lib.U32, lib.MANY, lib.Q
local PAGE_LINES, clock, split = lib.PAGE_LINES, lib.clock, lib.split
local is_id, is_plain, integer = lib.is_id, lib.is_plain, lib.integer
local object, base64url = lib.object, lib.base64url
local unbase64url, sha256, put_u32 = lib.unbase64url, lib.sha256, lib.put_u32
local answer, refuse, send = lib.answer, lib.refuse, lib.send
local action, is_allowed, is_judged = lib.action, lib.is_allowed, lib.is_judged
local answers, ends, done_get = lib.answers, lib.ends, lib.done_get
local end_leases = lib.end_leases

-- ---- disputes: doc/dispute.md ----------------------------------------------
-- Who may say what, and when; what is said, lib.judge judges:
--
--     records(s)                 of 616 bytes; the third is the model's
--     knows(model)               whether all of that is judged
--     open(result)               a state: what is disputed is this result
--     open_file(file)            .. or a result of a file of requests
--     show(state, number, bytes) a new state, or nil and why not
--     pick(state, number, choice), prove(state, number, bytes)   the same
--
-- A state has turn: "shows", "picks", "proves" or "over"; and then verdict,
-- "fault", "holds" or "unjudged", and text, a sentence with the statement's
-- number.  It changes in none of these.

local disputes = {}

-- Bytes of a show and of a proof, as base64url; characters of a pick.
local MAX_SHOW, MAX_PROOF, MAX_PICK = 10924, 87384, 64
-- Places: of all, over one node, over one result, of all requesters, of one
-- challenger, of one requester.
local PLACES = { all = 1024, node = 256, result = 256, requesters = 16,
    challenger = 16, requester = 1 }

-- ---- time ------------------------------------------------------------------

-- Of a node whose turn it is the windows stand still from a part of its
-- window on.  Its time up to now is settled before a turn changes ..
function disputes.settle(address)
    local node = Q.nodes[address]
    if node.late >= 0 and clock() > node.late then
        node.stood = node.stood + clock() - node.late
    end
    node.late = -1
end

-- .. and then it is said from when on it is late.
function disputes.begin(address)
    local node = Q.nodes[address]
    for _, id in ipairs(Q.dispute_list) do
        local d = Q.disputes[id]
        if d.node == address and d.turn == "node" then
            local from = math.max(clock(), d.began + d.grace)
            node.late = node.late < 0 and from or math.min(node.late, from)
        end
    end
end

-- Whose turn it is by the judge; the proof is first the node's.
local function turn_of(state)
    return state.turn == "picks" and "challenger" or "node"
end

-- What the judge begins with.
function disputes.open(d)
    local result = unbase64url(d.result)
    if d.index < 0 then
        return lib.judge.open(result)
    end
    return lib.judge.open_file({ root = result, index = d.index,
        count = d.count, lines = d.lines, model = unbase64url(d.model),
        sha256 = unbase64url(d.sha256) })
end

-- Where a dispute stands.
function disputes.place(d, state)
    d.at, d.turn = state, turn_of(state)
end

-- A turn begins: a party has its length, and four for all of its turns.
local function begin_turn(d, state)
    disputes.place(d, state)
    d.began, d.found = clock(), 0
    d.ends = clock() + math.max(0, math.min(d.length,
        4 * d.length - d["used_" .. d.turn]))
end

-- Whether the turn is over: what a message finds over has an hour more.
local function is_over(d)
    if clock() < d.ends then
        return false
    elseif d.found == 1 then
        return true
    end
    d.found, d.ends = 1, clock() + HOUR_MS
    return false
end

-- When a turn is over, by the time of messages.
local function until_of(d)
    return Q.now + math.max(0, d.ends - clock())
end

-- ---- verdicts --------------------------------------------------------------

local function drop(id)
    for i, other in ipairs(Q.dispute_list) do
        if other == id then
            table.remove(Q.dispute_list, i)
            break
        end
    end
    Q.disputes[id] = nil
end

local function over_request(request)
    local list = {}
    for _, id in ipairs(Q.dispute_list) do
        if Q.disputes[id].request == request then
            list[#list + 1] = id
        end
    end
    return list
end

-- The answer was wrong: its request waits again, or ends.
local function undo(d)
    local r = Q.open[d.request]
    if not r or r.answer == "" then
        return
    end
    if r.kind == "claim" then
        return lib.close_request(d.request)
    end
    answers.undo(d.request)
    if r.node == d.node then
        ends.give_up(d.request, "the answer of its X-Node was proven wrong")
    elseif #split(r.wrong, " ") >= MANY.faults then
        ends.give_up(d.request, "the answers of " .. MANY.faults ..
            " nodes were proven wrong")
    end
end

-- Send the verdict to everyone involved, once each.
local function tell(id, d, fault, statement)
    local told = {}
    local parties = { d.requester, d.node, d.challenger }
    for _, to in ipairs(parties) do
        if not told[to] then
            told[to] = true
            disputes.news[#disputes.news + 1] = { to, { "Action", "Verdict",
                "Request", d.request, "Dispute", id, "Fault",
                fault and "yes" or "no", "Statement", statement } }
        end
    end
end

-- What is kept of a dispute without a fault, so that it does not come again.
local function lost_by(d)
    return d.challenger .. (d.index >= 0 and ":" .. d.index or "")
end

-- Remember one more; of many the last ones, since an answer's line of a dump
-- has a limit.
local function remember(lost, one)
    local list = split(lost .. " " .. one, " ")
    local from = math.max(2, #list - MANY.losers + 1)
    return " " .. table.concat(list, " ", from)
end

-- Whether a challenger lost as many over the results of one file as it may.
local function lost_enough(r, challenger)
    local n, own = 0, challenger .. ":"
    for _, lost in ipairs(split(r.lost, " ")) do
        n = n + (lost:sub(1, #own) == own and 1 or 0)
    end
    return n >= MANY.lost
end

-- A dispute ends: with a fault all over this answer do, and the node leases
-- nothing any more, until the owner allows it again.
local function decide(id, fault, statement)
    local d = Q.disputes[id]
    local node, r = Q.nodes[d.node], Q.open[d.request]
    disputes.settle(d.node)
    for _, other in ipairs(fault and over_request(d.request) or { id }) do
        tell(other, Q.disputes[other], fault, statement)
        drop(other)
        if r and r.answer ~= "" then
            answers.go_on(d.request)
        end
    end
    if fault then
        node.faults, node.revoked = node.faults + 1, Q.height
        end_leases(d.node)
        undo(d)
    elseif r and r.answer ~= "" then
        r.lost = remember(r.lost, lost_by(d))
    end
    disputes.begin(d.node)
end

-- ---- who may ---------------------------------------------------------------

local function is_among(list, address)
    for _, a in ipairs(list) do
        if a == address then
            return true
        end
    end
    return false
end

-- The sender's role in the queue, nil for a stranger: challenges are free for
-- those with a role.
local function challenger_of(m, r)
    if r.kind == "claim" then
        return (r.session == "" or r.session == m.from) and "challenger" or nil
    elseif is_allowed(m.from) or is_among(Q.operators, m.from) or
        is_among(Q.challengers, m.from) or Owner ~= "" and m.from == Owner then
        return "challenger"
    end
    return r.from == m.from and "requester" or nil
end

-- The reason that refuses one more dispute, or nil.
local function no_place(d, kind)
    local claim = Q.open[d.request].kind == "claim"
    local n = { all = 0, node = 0, result = 0, requesters = 0, own = 0 }
    for _, id in ipairs(Q.dispute_list) do
        local e = Q.disputes[id]
        n.all = n.all + 1
        n.node = n.node + (e.node == d.node and 1 or 0)
        n.result = n.result + (e.request == d.request and 1 or 0)
        n.requesters = n.requesters + (e.kind == "requester" and 1 or 0)
        n.own = n.own + (e.challenger == d.challenger and 1 or 0)
    end
    if n.own >= PLACES[kind] then
        return "a " .. kind .. " has at most " .. PLACES[kind] ..
            " open disputes"
    elseif n.all >= PLACES.all or n.node >= PLACES.node or
        n.result >= (claim and 1 or PLACES.result) or
        kind == "requester" and n.requesters >= PLACES.requesters then
        return "every place for disputes is taken: try again later"
    end
    return nil
end

-- The answer that a Challenge names: its request and answer; or nil, the code
-- and why it cannot be disputed.
local function disputed(m)
    local id = m.tag.request or ""
    local r, a = Q.open[id], answers.get(id)
    if Q.paused == "all" then
        return nil, 503, "the queue is paused"
    elseif done_get(id) then
        return nil, 409, "the answer is final"
    elseif not r then
        return nil, 404, "no such request"
    elseif not a then
        return nil, 409, "the request has no answer"
    elseif m.from == a.node then
        return nil, 403, "the answer is your own"
    elseif not challenger_of(m, r) then
        return nil, 403, "only its requester, nodes, operators," ..
            " Challengers and the challenger of a claim may dispute it"
    elseif r.kind ~= "claim" and not is_judged(Q.models[r.model]) or
        math.tointeger(tonumber(a.finish)) > 3 then
        return nil, 409, "an answer of this kind, or of its model, is not" ..
            " judged"
    end
    return r, a
end

-- ---- messages --------------------------------------------------------------

local function address_bytes(address)
    return is_id(address) and unbase64url(address) or address
end

function action.Challenge(m)
    local r, a, why = disputed(m)
    local part = m.tag.part or ""
    if not r then
        return refuse(m, a, why)
    end
    local index = r.kind == "batch" and integer(m.tag.index or "", 0, U32) or -1
    if r.kind == "batch" and (index == -1 or not index or
        index >= r.count) or r.kind ~= "batch" and m.tag.index or
        not is_plain(part, MAX_PICK) then
        return refuse(m, 400, "Index of a file of requests, below the number" ..
            " of its results, and Part, a word, expected")
    end
    local id = base64url(sha256("apusdsp1" .. unbase64url(a.result) ..
        (index >= 0 and put_u32(index) or "") .. address_bytes(m.from)))
    local kind = challenger_of(m, r)
    local d = {
        request = m.tag.request, index = index, result = a.result,
        node = a.node, challenger = m.from, requester = r.from, kind = kind,
        part = part, length = Q.turn, grace = r.window // 24, number = 0,
        used_node = 0, used_challenger = 0, moves = {}, count = r.count,
        lines = 0, model = r.model, sha256 = ""
    }
    if index >= 0 then
        d.lines, d.sha256 = lib.records.file(r.line)
    end
    if Q.disputes[id] or
        (r.lost .. " "):find(" " .. lost_by(d) .. " ", 1, true) then
        return refuse(m, 409, "you have disputed this answer")
    elseif lost_enough(r, m.from) then
        return refuse(m, 429, "you have lost " .. MANY.lost ..
            " disputes over results of this file")
    end
    why = no_place(d, kind)
    if why then
        return refuse(m, 429, why)
    end
    answers.stop(d.request)
    disputes.settle(d.node)
    Q.disputes[id] = d
    Q.dispute_list[#Q.dispute_list + 1] = id
    begin_turn(d, disputes.open(d))
    disputes.begin(d.node)
    answer(m, 200, { "Dispute", id, "State", "running", "Number", 0, "Until",
        until_of(d) })
end

-- Return the dispute that a move of one of these parties belongs to; or
-- nothing, if the move was rejected.
local function dispute_of(m, parties, turn)
    local d = Q.disputes[m.tag.dispute or ""]
    if Q.paused == "all" then
        return refuse(m, 503, "the queue is paused")
    elseif not d then
        return refuse(m, 404, "no such dispute")
    elseif not (parties.node and m.from == d.node or
        parties.challenger and m.from == d.challenger) then
        return refuse(m, 403, "only a party of the dispute may do this")
    elseif not turn then
        return d
    elseif m.tag.number ~= tostring(d.number) or d.at.turn ~= turn then
        return refuse(m, 409, "expected move " .. d.number ..
            ", by the side that " .. d.at.turn)
    elseif is_over(d) then
        return refuse(m, 409, "the turn is over")
    end
    return d
end

-- Take a move that the judge took.
local function move_on(m, d, state, kind, bytes)
    disputes.settle(d.node)
    local used = "used_" .. d.turn
    d[used] = d[used] + clock() - d.began
    d.number = d.number + 1
    d.moves[d.number] = { kind, bytes }
    begin_turn(d, state)
    if state.turn == "over" then
        local loser = { fault = d.node, holds = d.challenger }
        local statement = state.text:match("^statement (%d+)") or ""
        decide(m.tag.dispute, state.verdict == "fault", statement)
        return answer(m, 200, { "Verdict", state.verdict, "Loser",
            loser[state.verdict] or "", "Statement", statement })
    end
    disputes.begin(d.node)
    answer(m, 200, { "Number", d.number, "Until", until_of(d), "Turn", d.turn })
end

-- Bytes of a move from its data, nil if they are not so many in base64url.
local function bytes_of(m, max)
    local data = m.data
    return type(data) == "string" and #data <= max and unbase64url(data) or nil
end

local function take_bytes(m, d, kind, max)
    local bytes = bytes_of(m, max)
    if not bytes then
        return refuse(m, 422, "at most " .. max ..
            " characters of base64url expected")
    end
    local state, why = lib.judge[kind](d.at, d.number, bytes)
    if not state then
        return refuse(m, 422, why)
    end
    move_on(m, d, state, kind, bytes)
end

function action.Show(m)
    local d = dispute_of(m, { node = true }, "shows")
    if d then
        take_bytes(m, d, "show", MAX_SHOW)
    end
end

function action.Prove(m)
    local d = dispute_of(m, { node = true, challenger = true }, "proves")
    if d then
        take_bytes(m, d, "prove", MAX_PROOF)
    end
end

function action.Pick(m)
    local d = dispute_of(m, { challenger = true }, "picks")
    local choice = m.tag.choice or ""
    if not d then
        return
    elseif #choice > MAX_PICK then
        return refuse(m, 422, "invalid pick")
    end
    local state, why = lib.judge.pick(d.at, d.number, choice)
    if not state then
        return refuse(m, 422, why)
    end
    move_on(m, d, state, "pick", choice)
end

-- End a dispute against one of its parties, whatever the judge would say.
local function end_against(m, id, d, loser)
    local fault = loser == "node"
    decide(id, fault, "")
    answer(m, 200, { "Verdict", fault and "fault" or "holds", "Loser",
        d[loser] })
end

function action.Concede(m)
    local d = dispute_of(m, { node = true, challenger = true })
    if d then
        end_against(m, m.tag.dispute, d,
            m.from == d.node and "node" or "challenger")
    end
end

function action.Overdue(m)
    local id = m.tag.dispute or ""
    local d = Q.disputes[id]
    if Q.paused == "all" then
        return refuse(m, 503, "the queue is paused")
    elseif not d then
        return refuse(m, 404, "no such dispute")
    elseif not is_over(d) then
        return answer(m, 409, { "Message", "the turn is not over", "Until",
            until_of(d) })
    end
    end_against(m, id, d, d.turn)
end

local function line_of(id)
    local d = Q.disputes[id]
    return object("dispute", id, "request", d.request, "state", "running",
        "turn", d.turn, "number", d.number, "until", until_of(d), "at",
        d.at.turn) .. "\n"
end

function action.Disputes(m)
    local page = integer(m.tag.page or "0", 0, U32)
    local list, out = {}, {}
    if not page then
        return refuse(m, 400, "Page must be a number")
    end
    for _, id in ipairs(Q.dispute_list) do
        local d = Q.disputes[id]
        if (m.tag.node or d.node) == d.node and
            (m.tag.challenger or d.challenger) == d.challenger then
            list[#list + 1] = id
        end
    end
    local from = page * PAGE_LINES
    for i = from + 1, math.min(from + PAGE_LINES, #list) do
        out[#out + 1] = line_of(list[i])
    end
    answer(m, 200, { "Count", #list,
        "Next", from + PAGE_LINES < #list and page + 1 or "" },
        table.concat(out))
end

-- A dispute with all its moves, which is what a judge elsewhere needs.
function action.Dispute(m)
    local id = m.tag.dispute or ""
    local d = Q.disputes[id]
    if not d then
        return refuse(m, 404, "no such dispute")
    end
    local out = { object("dispute", id, "request", d.request, "index", d.index,
        "result", d.result, "node", d.node, "challenger", d.challenger,
        "part", d.part, "model", d.model, "count", d.count, "lines", d.lines,
        "sha256", d.sha256, "turn", d.turn, "at", d.at.turn, "number", d.number,
        "until", until_of(d)) .. "\n" }
    for _, move in ipairs(d.moves) do
        out[#out + 1] = object("move", move[1], "data", move[1] == "pick" and
            move[2] or base64url(move[2])) .. "\n"
    end
    answer(m, 200, { "Number", d.number, "Until", until_of(d), "Turn", d.turn },
        table.concat(out))
end

-- The verdicts of the current message, sent after its answer.
disputes.news = {}
function disputes.tell()
    for _, news in ipairs(disputes.news) do
        send(news[1], "", news[2])
    end
    disputes.news = {}
end

-- ---- for the files after this one -------------------------------------------

lib.disputes = disputes
