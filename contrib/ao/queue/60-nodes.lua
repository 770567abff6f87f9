local lib = ApusQueue
local MAX_TEXT, MAX_LINES, U32 = lib.MAX_TEXT, lib.MAX_LINES, lib.U32
local MAX_REASON, MAX_MODELS, MANY = lib.MAX_REASON, lib.MAX_MODELS, lib.MANY
local HOUR_MS, Q, clock, is_id = lib.HOUR_MS, lib.Q, lib.clock, lib.is_id
local is_text, is_plain, integer = lib.is_text, lib.is_plain, lib.integer
local id_list, object, scan_lines = lib.id_list, lib.object, lib.scan_lines
local serial, enqueue, dequeue = lib.serial, lib.enqueue, lib.dequeue
local new_lease, set_end = lib.new_lease, lib.set_end
local with_address, lease_out = lib.with_address, lib.lease_out
local lease_in, end_lease = lib.lease_in, lib.end_lease
local close_request, done_text = lib.close_request, lib.done_text
local done_get, done_put = lib.done_get, lib.done_put
local done_forget, answer, refuse = lib.done_forget, lib.answer, lib.refuse
local respond_done, action = lib.respond_done, lib.action
local is_allowed, ends = lib.is_allowed, lib.ends
local base64url, records = lib.base64url, lib.records
local answers = lib.answers

-- ---- what nodes say --------------------------------------------------------

-- Return the node that sent the message, or nil if it was rejected.
local function node_of(m, paused)
    if not is_allowed(m.from) then
        return refuse(m, 403, "this address is not a node of the queue")
    elseif Q.paused == "all" or Q.paused == paused then
        return refuse(m, 503, "the queue is paused")
    end
    return Q.nodes[m.from]
end

-- What a Pull asks for: a table, or nil, the code and why not.
local function pull_question(m)
    local t = m.tag
    local models = id_list(t.models or "", MAX_MODELS)
    local q = {
        models = models, batch = t.batch or m.id, lease = nil, again = false,
        max = integer(t.max or "100", 1, 100),
        bytes = integer(t["max-bytes"] or "262144", 1024, 262144),
        ttl = integer(t.ttl or "21600", 600, 86400)
    }
    if not models or #models == 0 then
        return nil, 400, "Models: 1 to 256 ids, separated by commas, expected"
    elseif not q.max or not q.bytes or not q.ttl then
        return nil, 400, "Max 1 .. 100, Max-Bytes 1024 .. 262144 and TTL" ..
            " 600 .. 86400 expected"
    elseif t.batch then
        q.lease = Q.leases[t.batch]
        if not q.lease or q.lease.node ~= m.from then
            return nil, 404, "no such lease (any more): begin a new batch"
        elseif q.lease.kind == "batch" then
            return nil, 409, "a file of requests is a batch of its own"
        end
    else
        -- a scheduler may have taken the same message twice
        q.lease = Q.leases[m.id]
        q.again = q.lease ~= nil
    end
    return q
end

-- What is leased in a batch, in its order.
local function leased_in(lease)
    local ids, id = {}, lease.first
    while id ~= "" do
        ids[#ids + 1] = id
        id = Q.open[id].next
    end
    return ids
end

-- The keys of the rings that this node may be served from, and how many
-- requests wait there; with a model, those of this one.
local function rings_for(address, models, model)
    local keys, n, seen = {}, 0, {}
    for _, id in ipairs(models) do
        for _, key in ipairs({ id, id .. address }) do
            if Q.rings[key] and not seen[key] then
                seen[key] = true
                n = n + Q.rings[key].n
                if not model or id == model then
                    keys[#keys + 1] = key
                end
            end
        end
    end
    return keys, n
end

-- The ring that has waited longest since it was served.
local function longest(keys, full)
    local best
    for _, key in ipairs(keys) do
        local ring = Q.rings[key]
        if ring and not full[key] and
            (not best or ring.served < Q.rings[best].served) then
            best = key
        end
    end
    return best
end

-- What a node has put off: no request is given to it before its time.
local off = {}

-- Until when this one; 0 if the node never said "later".
function off.ends(r, node)
    local at = r.later:find(node, 1, true)
    return at and math.tointeger(tonumber(r.later:match("^ (%d+)", at + 43)))
        or 0
end

function off.put(r, node, seconds)
    local list = {}
    for address, at in r.later:gmatch("(%S+) (%d+)") do
        if address ~= node and tonumber(at) > clock() then
            list[#list + 1] = address .. " " .. at
        end
    end
    list[#list + 1] = node .. " " .. clock() + seconds * 1000
    r.later = table.concat(list, " ", math.max(1, #list - MANY.later + 1))
end

-- The first request of a seat that this node may be given now, "" if none is
-- found; `look` counts what it looks past.
local function first_of(seat, node, look)
    local id = seat.first
    while id ~= "" and off.ends(Q.open[id], node) > clock() do
        if not look[id] then
            if look.left == 0 then
                return ""
            end
            look[id], look.left = true, look.left - 1
        end
        id = Q.open[id].next
    end
    return id
end

-- The request of a ring that is this node's turn, "" if none is found.  A
-- requester who has none for it is passed over and keeps the turn.
local function turn_of(ring, node, look)
    local from, id = ring.turn, ""
    for _ = 0, MANY.passed do
        id = first_of(ring.seats[from], node, look)
        from = ring.seats[from].next
        if id ~= "" or from == ring.turn then
            break
        end
    end
    return id
end

-- Take a request out of a ring; its requester is the last to have its turn.
local function take_turn(key, id)
    local ring, from = Q.rings[key], Q.open[id].from
    local seat, turn = ring.seats[from], ring.seats[ring.turn]
    ring.served = serial()
    if seat == turn then
        ring.turn = seat.next
    else
        ring.seats[seat.prev].next, ring.seats[seat.next].prev =
            seat.next, seat.prev
        seat.prev, seat.next = turn.prev, ring.turn
        ring.seats[turn.prev].next, turn.prev = from, from
    end
    -- the seat is given up with its last request; the turn has passed on
    dequeue(id)
    return id
end

-- Requests for a node, all of one model, in the order of doc/queue.md.
local function choose(m, q, want)
    local ids, size, full, look = {}, 0, {}, { left = MANY.passed }
    local keys = rings_for(m.from, q.models, q.lease and q.lease.model)
    while #ids < want do
        local key = longest(keys, full)
        if not key then
            break
        end
        local id = turn_of(Q.rings[key], m.from, look)
        local r = Q.open[id]
        local more = size + #(r and r.line or "") + 1
        if not r or r.kind == "batch" and (#ids > 0 or q.lease) or
            #ids > 0 and more > q.bytes then
            full[key] = true
        else
            if #ids == 0 then
                keys = rings_for(m.from, { r.model }, r.model)
            end
            ids[#ids + 1] = take_turn(key, id)
            size = more
            if r.kind == "batch" then
                break
            end
        end
    end
    return ids
end

-- Answers for a node's audit, beside the requests that it gets: of their model,
-- else of the first of its models that has some.
local function choose_audits(m, q, ids, room)
    local first, size = Q.open[ids[1]], 0
    local found = {}
    for _, id in ipairs(ids) do
        size = size + #Q.open[id].line + 1
    end
    if q.lease or first and first.kind ~= "requests" then
        return found
    end
    for _, model in ipairs(first and { first.model } or q.models) do
        if #found == 0 and Q.models[model] then
            found = answers.draw(m.from, q.batch, model,
                math.min(q.max, room) - #ids, q.bytes - size)
        end
    end
    return found
end

function action.Pull(m)
    local node = node_of(m, "yes")
    if not node then
        return
    end
    local q, code, why = pull_question(m)
    if not q then
        return refuse(m, code, why)
    end
    local room = node.max - node.leased
    local lines, lease = {}, q.lease
    local ids = q.again and leased_in(lease) or
        room > 0 and choose(m, q, math.min(q.max, room)) or {}
    local audits = q.again and answers.leased(q.batch) or
        room > 0 and choose_audits(m, q, ids, room) or {}
    if (#ids > 0 or #audits > 0) and not lease then
        local r = Q.open[ids[1] or audits[1]]
        lease = new_lease(q.batch, m.from, r.model, r.kind)
    end
    for i, id in ipairs(ids) do
        if not q.again then
            lease_out(id, q.batch)
        end
        lines[i] = Q.open[id].line .. "\n"
    end
    for _, id in ipairs(audits) do
        if not q.again then
            answers.lease(id, q.batch)
        end
        lines[#lines + 1] = Q.open[id].line .. "\n"
    end
    if lease then
        set_end(q.batch, Q.now + q.ttl * 1000)
    end
    local _, more = rings_for(m.from, q.models)
    local tags = { "Batch", q.batch, "Until", lease and lease.ends or Q.now,
        "More", more, "Kind", lease and lease.kind or "requests" }
    if #lines == 0 then
        tags[#tags + 1] = "Message"
        tags[#tags + 1] = room <= 0 and
            "as many are leased as this node may have: " .. node.max or
            more > 0 and "what is pending comes to this node later" or
            "nothing is pending"
    end
    answer(m, #lines > 0 and 200 or 204, tags, table.concat(lines))
end

function action.Renew(m)
    if not node_of(m) then
        return
    end
    local ttl = integer(m.tag.ttl or "21600", 600, 86400)
    local lease = Q.leases[m.tag.batch or ""]
    if not ttl then
        return refuse(m, 400, "TTL 600 .. 86400 expected")
    elseif not lease or lease.node ~= m.from then
        return refuse(m, 404, "no such lease (any more)")
    end
    set_end(m.tag.batch, Q.now + ttl * 1000)
    answer(m, 200, { "Count", lease.n + #answers.leased(m.tag.batch), "Until",
        lease.ends })
end

-- ---- Release ---------------------------------------------------------------

local RELEASE = { request = true, reason = true, later = "number" }

-- Lines of a Release, or nil and why not.
local function release_lines(data)
    if type(data) ~= "string" or #data > MAX_LINES then
        return nil, "lines of at most 80 kB expected"
    end
    local lines, why = scan_lines(data, RELEASE)
    for i, l in ipairs(lines or {}) do
        if not is_id(l.request) or
            not is_text(l.reason or "", MAX_REASON) or
            not integer(l.later or "0", 0, HOUR_MS // 1000) then
            return nil, "line " .. i .. ": request, reason of at most " ..
                MAX_REASON .. " bytes and later (0 .. 3600) expected"
        end
    end
    return lines, why
end

-- Whether everybody who may answer a request blames it, or enough do.
local function is_blamed(r)
    local _, n = r.blame:gsub("%S+", "")
    if n >= MANY.blames or r.node ~= "" then
        return n > 0
    end
    for _, address in ipairs(Q.node_list) do
        if is_allowed(address) and not r.blame:find(address, 1, true) then
            return false
        end
    end
    return true
end

-- Put one back.  A reason blames the request; "later" says that the node
-- cannot take it now.
local function release_one(l, node)
    local r = Q.open[l.request]
    local seconds = integer(l.later or "0", 0, HOUR_MS // 1000)
    lease_in(l.request)
    enqueue(l.request, l.later and "first" or "next")
    if seconds > 0 then
        off.put(r, node, seconds)
    end
    if (l.reason or "") ~= "" then
        r.blame = with_address(r.blame, node, MANY.blames)
        if is_blamed(r) then
            ends.give_up(l.request, "every node that tried it gave it back")
        end
    end
end

function action.Release(m)
    local batch, n = m.tag.batch or "", 0
    if not node_of(m) then
        return
    end
    local lines, why = release_lines(m.data)
    if not lines or not is_id(batch) then
        return refuse(m, 400, why or "Batch must be an id")
    end
    local lease = Q.leases[batch]
    if lease and lease.node ~= m.from then
        return refuse(m, 403, "this lease is of another node")
    elseif lease and #lines == 0 then
        n = end_lease(batch)
    end
    for i = #lines, 1, -1 do
        local r = Q.open[lines[i].request]
        if lease and r and r.lease == batch then
            n = n + 1
            release_one(lines[i], m.from)
        end
    end
    answer(m, 200, { "Count", n })
end

-- ---- Complete --------------------------------------------------------------

local RESULT = {
    request = true, choice = true, record = true, jobrecord = true,
    result = true, count = true, item = true, text = true, ids = true
}

-- An answer has its records, a file of requests its root and their number.
local function is_result(l)
    local r = Q.open[l.request]
    local is_file = l.result ~= nil
    if not is_id(l.request) or l.choice ~= "0" or not is_id(l.item) or
        not is_text(l.text or "", MAX_TEXT) or
        r and (r.kind == "batch") ~= is_file then
        return false
    elseif is_file then
        return is_id(l.result) and integer(l.count or "", 1, U32) and
            not l.record and not l.jobrecord and not l.text and not l.ids
    end
    l.records = not l.count and records.read(l)
    return l.records
end

-- Lines of a Complete, or nil and why not.
local function result_lines(data)
    if type(data) ~= "string" or #data > MAX_LINES then
        return nil, "lines of at most 80 kB expected"
    end
    local lines, why = scan_lines(data, RESULT)
    if lines and #lines == 0 then
        return nil, "a line for each result expected"
    end
    for i, l in ipairs(lines or {}) do
        if not is_result(l) then
            return nil, "line " .. i .. ": request, choice (0), record," ..
                " jobrecord, item, ids (4 bytes each, in base64url) and" ..
                " text of at most 2048 bytes expected," ..
                " or of a file request, choice, result, count and item"
        end
    end
    return lines, why
end

-- Why a line is not of an answer to its request, or nil.
local function wrong_result(l, r)
    if l.records then
        return records.wrong(l, r, Q.models[r.model].context)
    end
    local n = records.file(r.line)
    return integer(l.count, 1, n) == nil and "more results than lines" or nil
end

-- A result for a request that has one, final or not.  A result from a node that
-- never leased the request is not a conflict.
local function compare(m, l, d, result)
    if d.result == result then
        return "Repeated"
    elseif not d.had:find(m.from, 1, true) then
        return "Unknown"
    end
    Q.conflicts = Q.conflicts + 1
    if d.conflict == "" then
        d.conflict = m.from .. " " .. result
        if Q.done[l.request] then
            Q.done[l.request] = done_text(d)
        else
            answers.change(l.request, d)
        end
    end
    return "Conflicts"
end

-- Take a result: return what it counts as, and the reason if it is rejected.
local function take_result(m, l)
    local r = Q.open[l.request]
    local d = done_get(l.request) or answers.get(l.request)
    local result = l.result or base64url(l.records.result)
    if d then
        local what = compare(m, l, d, result)
        if r and r.audit == m.from then
            answers.compared(l.request, m.tag.batch, what == "Repeated")
        end
        return what
    elseif not r or not r.had:find(m.from, 1, true) then
        return "Unknown"
    end
    local why = wrong_result(l, r) or
        r.wrong:find(result, 1, true) and "this result was proven wrong"
    if why then
        return "Refused", why
    end
    d = {
        from = r.from, reference = r.reference, kind = r.kind, sum = r.sum,
        node = m.from, batch = m.tag.batch,
        job = l.records and base64url(l.records.job_id) or "",
        result = result, item = l.item,
        finish = l.records and l.records.finish or 0, at = Q.now,
        conflict = "", had = r.had
    }
    if r.window > 0 then
        answers.put(l.request, d, integer(l.count or "0", 0, U32))
    else
        close_request(l.request)
        done_put(l.request, done_text(d))
    end
    d.model, d.finish = r.model, tostring(d.finish)
    return "Accepted", { id = l.request, d = d, session = r.session,
        text = l.text or "", ids = (r.head or "") ~= "" and l.ids or nil }
end

local WHY = { Conflicts = "conflict", Unknown = "unknown", Refused = "refused" }

function action.Complete(m)
    if not node_of(m) then
        return
    end
    local lines, why = result_lines(m.data)
    if not lines or not is_id(m.tag.batch) or not is_id(m.tag.statement) then
        return refuse(m, 400, why or "Batch and Statement must be ids")
    end
    local lease = Q.leases[m.tag.batch]
    if lease and lease.node ~= m.from then
        return refuse(m, 403, "this lease is of another node")
    end
    local n = { Accepted = 0, Repeated = 0, Conflicts = 0, Unknown = 0,
        Refused = 0 }
    local tell, out = {}, {}
    for _, l in ipairs(lines) do
        local what, news = take_result(m, l)
        n[what] = n[what] + 1
        if what == "Accepted" then
            tell[#tell + 1] = news
        elseif what == "Refused" then
            out[#out + 1] = object("request", l.request, "why", WHY[what],
                "reason", news) .. "\n"
        elseif WHY[what] then
            out[#out + 1] = object("request", l.request, "why", WHY[what]) ..
                "\n"
        end
    end
    done_forget()
    answer(m, 200, { "Accepted", n.Accepted, "Repeated", n.Repeated,
        "Conflicts", n.Conflicts, "Unknown", n.Unknown, "Refused", n.Refused },
        table.concat(out))
    for _, t in ipairs(tell) do
        respond_done(t.id, t.d, t.session, t.text, t.ids)
    end
end

action["Register-Node"] = function(m)
    local node = node_of(m)
    if not node then
        return
    end
    local models = m.tag.models or ""
    local did, hardware = m.tag.did or "", m.tag.hardware or ""
    if not id_list(models, MAX_MODELS) or not is_plain(did, 256) or
        not is_plain(hardware, 1024) then
        return refuse(m, 400, "Models (ids, separated by commas), Did of at" ..
            " most 256 bytes and Hardware of at most 1024 expected")
    end
    node.models, node.did, node.hardware = models, did, hardware
    answer(m, 200)
end
