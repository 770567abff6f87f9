-- ---- what nodes say --------------------------------------------------------

-- A node that may speak, or nil when it was refused.
local function node_of(m, paused)
    if not is_allowed(m.from) then
        return refuse(m, 403, "this address is no node of the queue")
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

-- Take the request whose turn it is out of a ring.
local function take_turn(key)
    local ring = Q.rings[key]
    local seat = ring.seats[ring.turn]
    ring.served = serial()
    ring.turn = seat.next
    local id = seat.first
    -- the seat is given up with its last request; the turn has passed on
    dequeue(id)
    return id
end

-- Requests for a node, all of one model, in the order of doc/queue.md.
local function choose(m, q, want)
    local ids, size, full = {}, 0, {}
    local keys = rings_for(m.from, q.models, q.lease and q.lease.model)
    while #ids < want do
        local key = longest(keys, full)
        if not key then
            break
        end
        local ring = Q.rings[key]
        local r = Q.open[ring.seats[ring.turn].first]
        local more = size + #r.line + 1
        if r.kind == "batch" and (#ids > 0 or q.lease) or
            #ids > 0 and more > q.bytes then
            full[key] = true
        else
            if #ids == 0 then
                keys = rings_for(m.from, { r.model }, r.model)
            end
            ids[#ids + 1] = take_turn(key)
            size = more
            if r.kind == "batch" then
                break
            end
        end
    end
    return ids
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
    if #ids > 0 and not lease then
        local r = Q.open[ids[1]]
        lease = new_lease(q.batch, m.from, r.model, r.kind)
    end
    for i, id in ipairs(ids) do
        if not q.again then
            lease_out(id, q.batch)
        end
        lines[i] = Q.open[id].line .. "\n"
    end
    if lease then
        set_end(q.batch, Q.now + q.ttl * 1000)
    end
    local _, more = rings_for(m.from, q.models)
    local tags = { "Batch", q.batch, "Until", lease and lease.ends or Q.now,
        "More", more, "Kind", lease and lease.kind or "requests" }
    if #ids == 0 then
        tags[#tags + 1] = "Message"
        tags[#tags + 1] = room > 0 and "nothing is pending" or
            "as many are leased as this node may have: " .. node.max
    end
    answer(m, #ids > 0 and 200 or 204, tags, table.concat(lines))
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
    answer(m, 200, { "Count", lease.n, "Until", lease.ends })
end

-- ---- Release ---------------------------------------------------------------

local RELEASE = { request = true, reason = true }

-- Lines of a Release, or nil and why not.
local function release_lines(data)
    if type(data) ~= "string" or #data > MAX_LINES then
        return nil, "lines of at most 80 kB expected"
    end
    local lines, why = scan_lines(data, RELEASE)
    for i, l in ipairs(lines or {}) do
        if not is_id(l.request) or not is_text(l.reason or "", MAX_REASON) then
            return nil, "line " .. i .. ": request and reason expected"
        end
    end
    return lines, why
end

-- Put one back; true if it was given up.
local function release_one(l)
    local r = Q.open[l.request]
    if (l.reason or "") ~= "" then
        r.reasons = r.reasons + 1
    end
    if r.reasons >= RELEASES then
        close_request(l.request)
        forget_key(r.from, r.reference, l.request)
        return true
    end
    lease_in(l.request)
    enqueue(l.request, true)
    return false
end

function action.Release(m)
    local batch, given_up, n = m.tag.batch or "", {}, 0
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
            if release_one(lines[i]) then
                given_up[#given_up + 1] = { r = r, why = lines[i].reason }
            end
        end
    end
    answer(m, 200, { "Count", n })
    for i = #given_up, 1, -1 do
        local r = given_up[i].r
        respond(r.kind, r.from, r.reference, r.session, { "Code", 503,
            "Message", (given_up[i].why:gsub("[\1-\31\127]", " ")) }, "")
    end
end

-- ---- Complete --------------------------------------------------------------

local RESULT = {
    request = true, choice = true, job = true, result = true, item = true,
    finish = true, text = true
}
local FINISH = {
    ["0"] = true, ["1"] = true, ["2"] = true, ["3"] = true, ["16"] = true,
    ["17"] = true, ["18"] = true
}

-- A request has a job, a batch has none.
local function is_result(l)
    local r = Q.open[l.request]
    return is_id(l.request) and l.choice == "0" and is_id(l.result) and
        is_id(l.item) and FINISH[l.finish] and
        is_text(l.text or "", MAX_TEXT) and
        (l.job == "" or is_id(l.job)) and
        not (r and (r.kind == "batch") ~= (l.job == ""))
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
            return nil, "line " .. i .. ": request, choice (0), job," ..
                " result, item, finish and text of at most 2048 bytes expected"
        end
    end
    return lines, why
end

-- A result for a request that has one.
local function compare(m, l, d)
    if d.result == l.result then
        return "Repeated"
    end
    Q.conflicts = Q.conflicts + 1
    if d.conflict == "" then
        d.conflict = m.from .. " " .. l.result
        Q.done[l.request] = done_text(d)
    end
    return "Conflicts"
end

-- Take one in: what it counts as, and what there is to tell.
local function take_result(m, l)
    local r, d = Q.open[l.request], done_get(l.request)
    if d then
        return compare(m, l, d)
    elseif not r or not r.had:find(m.from, 1, true) then
        return "Unknown"
    end
    d = {
        from = r.from, reference = r.reference, kind = r.kind, sum = r.sum,
        node = m.from, batch = m.tag.batch, job = l.job, result = l.result,
        item = l.item, finish = l.finish, at = Q.now, conflict = ""
    }
    close_request(l.request)
    done_put(l.request, done_text(d))
    d.model = r.model
    return "Accepted", { id = l.request, d = d, session = r.session,
        text = l.text or "" }
end

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
    local n = { Accepted = 0, Repeated = 0, Conflicts = 0, Unknown = 0 }
    local tell, out = {}, {}
    for _, l in ipairs(lines) do
        local what, news = take_result(m, l)
        n[what] = n[what] + 1
        tell[#tell + 1] = news
        if what == "Conflicts" or what == "Unknown" then
            out[#out + 1] = object("request", l.request, "why",
                what == "Unknown" and "unknown" or "conflict") .. "\n"
        end
    end
    done_forget()
    answer(m, 200, { "Accepted", n.Accepted, "Repeated", n.Repeated,
        "Conflicts", n.Conflicts, "Unknown", n.Unknown }, table.concat(out))
    for _, t in ipairs(tell) do
        respond_done(t.id, t.d, t.session, t.text)
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

