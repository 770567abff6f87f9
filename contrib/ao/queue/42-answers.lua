local lib = ApusQueue
local HOUR_MS, MANY, Q, clock = lib.HOUR_MS, lib.MANY, lib.Q, lib.clock
local before, heap, enqueue = lib.before, lib.heap, lib.enqueue
local lease_in, dequeue, done_put = lib.lease_in, lib.dequeue, lib.done_put
local done_text, done_read = lib.done_text, lib.done_read
local with_address, end_if_empty = lib.with_address, lib.end_if_empty
local sha256 = lib.sha256
local close_leased = lib.close_request

-- ---- answers that are not final --------------------------------------------
-- An answer stays open for its request's window.  The window runs in the time
-- of its node, which stands still while that is late in a dispute, and stands
-- still itself while a dispute over the answer is open (doc/dispute.md).

local answers = {}

-- A node's time: the clock without the time for which the node was late.
function answers.time(address)
    local node = Q.nodes[address]
    return clock() - node.stood -
        (node.late >= 0 and math.max(0, clock() - node.late) or 0)
end

local function by_end(address)
    return { list = Q.nodes[address].windows, of = Q.open, at = "slot",
        first = function(x, y, a, b)
            if x.ends ~= y.ends then
                return x.ends < y.ends
            end
            return before(a, b)
        end }
end

-- The node and what is kept of the answer to an open request, nil if there is
-- none yet.
function answers.get(id)
    local r = Q.open[id]
    return r and r.answer ~= "" and done_read(r.answer) or nil
end

-- Whether a dispute over the answer to a request is open, also when that is
-- cancelled: until it is over no other request has this id.
function answers.is_disputed(id)
    for _, dispute in ipairs(Q.dispute_list) do
        if Q.disputes[dispute].request == id then
            return true
        end
    end
    return false
end

-- Milliseconds that the window of an answer has left.
function answers.left(id)
    local r = Q.open[id]
    return math.max(0, r.disputes > 0 and r.left or
        r.ends - answers.time(answers.get(id).node))
end

-- What is answered does not count against its requester.
local function uncount(r)
    local n = Q.requesters[r.from] - 1
    Q.requesters[r.from] = n > 0 and n or nil
end

-- Answers that await the draw of an audit, by model, the oldest first.
local function by_answer(model)
    Q.audits[model] = Q.audits[model] or {}
    return { list = Q.audits[model], of = Q.open, at = "audit_at",
        first = function(x, y, a, b)
            if x.answered ~= y.answered then
                return x.answered < y.answered
            end
            return before(a, b)
        end }
end

-- Only what any node may answer, for nothing, is audited; a claim's model may
-- be one that this queue does not list.
local function may_audit(r)
    local model = Q.models[r.model]
    if Q.audit_rate == 0 or r.kind ~= "requests" or r.node ~= "" or
        not model then
        return false
    end
    return (model.price ~= "" and model.price or Q.price) == "0"
end

-- A window begins; the answer, d, is to a file with so many results.
local function begin(id, d, count)
    local r = Q.open[id]
    uncount(r)
    r.answer, r.answered, r.found, r.disputes = done_text(d), clock(), 0, 0
    r.ends, r.left, r.lost = answers.time(d.node) + r.window, 0, ""
    r.count = count
    Q.n_answered = Q.n_answered + 1
    heap.put(by_end(d.node), id)
    r.audit = ""
    if may_audit(r) then
        r.audit = "waits"
        heap.put(by_answer(r.model), id)
    end
end

-- Let a request that is leased or pending be answered.
function answers.put(id, d, count)
    if Q.open[id].lease ~= "" then
        lease_in(id)
    else
        dequeue(id)
    end
    begin(id, d, count)
end

-- Add an answer that was not requested here: a claim.
function answers.claim(id, r, d)
    lib.open_request(id, r)
    Q.n_claims = (Q.n_claims or 0) + 1
    begin(id, d, 0)
end

-- A change of what is kept of an answer.
function answers.change(id, d)
    Q.open[id].answer = done_text(d)
end

-- A dispute over an answer stops its window, which continues when the last
-- dispute ends.
function answers.stop(id)
    local r = Q.open[id]
    if r.disputes == 0 then
        r.left = answers.left(id)
        heap.drop(by_end(answers.get(id).node), id)
    end
    r.disputes = r.disputes + 1
end

function answers.go_on(id)
    local r, node = Q.open[id], answers.get(id).node
    r.disputes = r.disputes - 1
    if r.disputes == 0 then
        r.ends = answers.time(node) + r.left
        heap.put(by_end(node), id)
    end
end

-- How long the window of an answer stood still.
function answers.stood(id)
    local r = Q.open[id]
    return clock() - r.answered - (r.window + r.found * HOUR_MS -
        answers.left(id))
end

-- The request has no answer any more; it is in no list.
local function take_out(id)
    local r = Q.open[id]
    if r.disputes == 0 then
        heap.drop(by_end(answers.get(id).node), id)
    end
    Q.n_answered = Q.n_answered - 1
    Q.requesters[r.from] = (Q.requesters[r.from] or 0) + 1
    if r.audit == "waits" then
        heap.drop(by_answer(r.model), id)
    end
    r.answer, r.disputes, r.audit = "", 0, ""
end

-- The answer was wrong: the request is pending again, ahead of the others, and
-- this result is rejected from now on.
function answers.undo(id)
    local r, d = Q.open[id], answers.get(id)
    r.wrong = r.wrong == "" and d.result or r.wrong .. " " .. d.result
    take_out(id)
    enqueue(id, "next")
end

function lib.close_request(id)
    local r = Q.open[id]
    if r.kind == "claim" then
        Q.n_claims = Q.n_claims - 1
    end
    if r.answer ~= "" then
        take_out(id)
        r.lease = ""
        enqueue(id, "last")
    end
    close_leased(id)
end

local function finish(id)
    local d = answers.get(id)
    lib.close_request(id)
    d.at = Q.now
    done_put(id, done_text(d))
end

-- Windows close in two steps: one found expired gets another hour, so that
-- after an outage everybody has that hour.
function answers.look()
    local left = MANY.ended
    for _, address in ipairs(Q.node_list) do
        local h = by_end(address)
        local now = #h.list > 0 and answers.time(address) or 0
        while left > 0 and h.list[1] and Q.open[h.list[1]].ends <= now do
            local id = h.list[1]
            local r = Q.open[id]
            if r.found == 1 then
                finish(id)
            else
                r.found, r.ends = 1, now + HOUR_MS
                heap.settle(h, 1, id)
            end
            left = left - 1
        end
    end
end

-- The same out of a dump.
function answers.load(id)
    local r = Q.open[id]
    Q.n_answered = Q.n_answered + 1
    uncount(r)
    if r.kind == "claim" then
        Q.n_claims = (Q.n_claims or 0) + 1
    end
    if r.disputes == 0 then
        heap.put(by_end(answers.get(id).node), id)
    end
    if r.audit == "waits" then
        heap.put(by_answer(r.model), id)
    end
end

-- ---- audits ----------------------------------------------------------------
-- Of the answers of other nodes the id of a node's Pull draws a share, and this
-- node gets them, too.  Each answer is drawn for once, and stays what it is:
-- equal results are counted, and another one is a conflict.

-- Whether this Pull draws the answer to a request.
local function draws(batch, id)
    local hash = sha256("apusaud1" .. batch .. id)
    local a, b, c, d = hash:byte(1, 4)
    return (((a * 256 + b) * 256 + c) * 256 + d) * 1000000 <
        Q.audit_rate * 4294967296
end

-- At most `want` answers of a model, of so many bytes, that the first Pull of a
-- batch draws for its node.
function answers.draw(node, batch, model, want, bytes)
    local h, ids, own = by_answer(model), {}, {}
    for _ = 1, MANY.passed do
        local id = h.list[1]
        local r = id and Q.open[id]
        if not id or #ids == want or #r.line >= bytes then
            break
        end
        heap.drop(h, id)
        if answers.get(id).node == node then
            own[#own + 1] = id
        elseif draws(batch, id) then
            ids[#ids + 1] = id
            bytes = bytes - #r.line - 1
        else
            r.audit = ""
        end
    end
    for _, id in ipairs(own) do
        heap.put(h, id)
    end
    return ids
end

-- Let a node have an answered request, too.
function answers.lease(id, batch)
    local r, lease = Q.open[id], Q.leases[batch]
    local d = answers.get(id)
    d.had = with_address(d.had, lease.node, MANY.had)
    r.had = with_address(r.had, lease.node, MANY.had)
    r.audit = lease.node
    lease.audits = with_address(lease.audits, id, 100)
    answers.change(id, d)
end

-- What a lease has of these.
function answers.leased(batch)
    local lease, ids = Q.leases[batch], {}
    for id in lease.audits:gmatch("%S+") do
        local r = Q.open[id]
        ids[#ids + 1] = r and r.audit == lease.node and id or nil
    end
    return ids
end

-- The node that has it has sent a result, which is the same or is not.
function answers.compared(id, batch, same)
    local lease, out = Q.leases[batch], {}
    Q.open[id].audit = ""
    Q.agreed = Q.agreed + (same and 1 or 0)
    for other in (lease and lease.audits or ""):gmatch("%S+") do
        out[#out + 1] = other ~= id and other or nil
    end
    if lease then
        lease.audits = table.concat(out, " ")
        end_if_empty(batch)
    end
end

-- ---- for the files after this one -------------------------------------------

lib.answers = answers
