local lib = ApusQueue
local MANY, KEEP_MS, Q, before = lib.MANY, lib.KEEP_MS, lib.Q, lib.before
local split = lib.split

-- ---- heaps: the first one is on top ----------------------------------------
-- `list` is the heap of ids; in `of` stands what they name, which says under
-- `at` where in the heap it is; `first` is an order without equals.

local heap = {}

local function place(h, at, id)
    h.list[at] = id
    h.of[id][h.at] = at
end

-- Move an id from a free place to where it belongs.
function heap.settle(h, at, id)
    local list, of = h.list, h.of
    while at > 1 and h.first(of[id], of[list[at // 2]], id, list[at // 2]) do
        place(h, at, list[at // 2])
        at = at // 2
    end
    while 2 * at <= #list do
        local child = 2 * at
        if child < #list and h.first(of[list[child + 1]], of[list[child]],
            list[child + 1], list[child]) then
            child = child + 1
        end
        if not h.first(of[list[child]], of[id], list[child], id) then
            break
        end
        place(h, at, list[child])
        at = child
    end
    place(h, at, id)
end

function heap.put(h, id)
    heap.settle(h, #h.list + 1, id)
end

function heap.drop(h, id)
    local at, last = h.of[id][h.at], h.list[#h.list]
    h.list[#h.list] = nil
    if last ~= id then
        heap.settle(h, at, last)
    end
end

-- Leases, the one that ends first on top; requests that wait, the oldest.
local by_end = { list = Q.heap, of = Q.leases, at = "at",
    first = function(x, y)
        if x.ends ~= y.ends then
            return x.ends < y.ends
        end
        return x.serial < y.serial
    end }
local by_age = { list = Q.ages, of = Q.open, at = "slot",
    first = function(x, y, a, b)
        if x.came ~= y.came then
            return x.came < y.came
        end
        return before(a, b)
    end }

-- Fill the heap of an older state: the same request comes first in any order of
-- insertion.
if #Q.ages == 0 then
    for id, r in pairs(Q.open) do
        if r.lease == "" and r.answer == "" then
            heap.put(by_age, id)
        end
    end
end

-- ---- what is linked: lists of requests, rings of requesters ----------------

-- A list is a table with first and last; its requests have prev and next.
local function put(list, id, front)
    local r = Q.open[id]
    r.prev, r.next = front and "" or list.last, front and list.first or ""
    if r.prev ~= "" then
        Q.open[r.prev].next = id
    else
        list.first = id
    end
    if r.next ~= "" then
        Q.open[r.next].prev = id
    else
        list.last = id
    end
end

local function cut(list, id)
    local r = Q.open[id]
    if r.prev ~= "" then
        Q.open[r.prev].next = r.next
    else
        list.first = r.next
    end
    if r.next ~= "" then
        Q.open[r.next].prev = r.prev
    else
        list.last = r.prev
    end
    r.prev, r.next = "", ""
end

local function serial()
    Q.serial = Q.serial + 1
    return Q.serial
end

-- The requester's seat in a ring; a new one is the last to have its turn.
local function seat_of(ring, from)
    local seat, turn = ring.seats[from], ring.seats[ring.turn]
    if seat then
        return seat
    end
    seat = { first = "", last = "", prev = from, next = from }
    if turn then
        seat.prev, seat.next = turn.prev, ring.turn
        ring.seats[turn.prev].next = from
        turn.prev = from
    end
    ring.seats[from] = seat
    if not turn then
        ring.turn = from
    end
    return seat
end

-- Let a request wait: "last"; what waited before "first", before its
-- requester's others, or "next", before all others.
local function enqueue(id, where)
    local r = Q.open[id]
    local key = r.model .. r.node
    local ring = Q.rings[key]
    if not ring then
        ring = { n = 0, served = serial(), turn = "", seats = {} }
        Q.rings[key] = ring
    end
    put(seat_of(ring, r.from), id, where ~= "last")
    if where == "next" then
        ring.turn = r.from
    end
    ring.n = ring.n + 1
    Q.n_pending = Q.n_pending + 1
    heap.put(by_age, id)
    if r.node ~= "" then
        Q.nodes[r.node].waits = Q.nodes[r.node].waits + 1
    end
end

-- Take a request that waits out of its ring.
local function dequeue(id)
    local r = Q.open[id]
    local key = r.model .. r.node
    local ring = Q.rings[key]
    local seat = ring.seats[r.from]
    cut(seat, id)
    ring.n = ring.n - 1
    Q.n_pending = Q.n_pending - 1
    heap.drop(by_age, id)
    if r.node ~= "" then
        Q.nodes[r.node].waits = Q.nodes[r.node].waits - 1
    end
    if ring.n == 0 then
        Q.rings[key] = nil
    elseif seat.first == "" then
        ring.seats[seat.prev].next = seat.next
        ring.seats[seat.next].prev = seat.prev
        ring.seats[r.from] = nil
        if ring.turn == r.from then
            ring.turn = seat.next
        end
    end
end

-- ---- leases ----------------------------------------------------------------

local function new_lease(batch, node, model, kind)
    local lease = {
        node = node, model = model, kind = kind, ends = Q.now, n = 0,
        first = "", last = "", serial = serial(), audits = ""
    }
    Q.leases[batch] = lease
    heap.put(by_end, batch)
    return lease
end

local function set_end(batch, ends)
    Q.leases[batch].ends = ends
    heap.settle(by_end, Q.leases[batch].at, batch)
end

local function drop_lease(batch)
    heap.drop(by_end, batch)
    Q.leases[batch] = nil
end

-- A list of addresses with this one at its end, which loses its first ones if
-- there are more than `max`.
local function with_address(list, address, max)
    local out = {}
    for a in list:gmatch("%S+") do
        out[#out + 1] = a ~= address and a or nil
    end
    out[#out + 1] = address
    return table.concat(out, " ", math.max(1, #out - max + 1))
end

local function lease_out(id, batch)
    local r, lease = Q.open[id], Q.leases[batch]
    local node = Q.nodes[lease.node]
    put(lease, id, false)
    r.lease = batch
    lease.n = lease.n + 1
    node.leased = node.leased + 1
    Q.n_leased = Q.n_leased + 1
    r.had = with_address(r.had, lease.node, MANY.had)
end

-- A lease ends with its last request and its last audit.
local function end_if_empty(batch)
    if Q.leases[batch].n == 0 and Q.leases[batch].audits == "" then
        drop_lease(batch)
    end
end

-- Take a request out of its lease.
local function lease_in(id)
    local r = Q.open[id]
    local batch = r.lease
    local lease = Q.leases[batch]
    cut(lease, id)
    r.lease = ""
    lease.n = lease.n - 1
    Q.nodes[lease.node].leased = Q.nodes[lease.node].leased - 1
    Q.n_leased = Q.n_leased - 1
    end_if_empty(batch)
end

-- All of a lease waits again, in its order, before what else waits.
local function end_lease(batch)
    local lease = Q.leases[batch]
    local n = lease.n
    if n == 0 then
        drop_lease(batch)
    end
    lease.audits = ""
    for _ = 1, n do
        local id = lease.last
        lease_in(id)
        enqueue(id, "next")
    end
    return n
end

-- All leases of a node.
local function end_leases(address)
    local list = {}
    for _, batch in ipairs(Q.heap) do
        if Q.leases[batch].node == address then
            list[#list + 1] = batch
        end
    end
    for _, batch in ipairs(list) do
        end_lease(batch)
    end
end

-- ---- requests come and go --------------------------------------------------

local function key_of(from, reference)
    return from .. " " .. reference
end

local function open_request(id, r)
    Q.open[id] = r
    Q.keys[key_of(r.from, r.reference)] = id
    Q.requesters[r.from] = (Q.requesters[r.from] or 0) + 1
    Q.n_open = Q.n_open + 1
    Q.size = Q.size + #r.line
end

-- Remove a request from every list; it is no longer open.
local function close_request(id)
    local r = Q.open[id]
    if r.lease ~= "" then
        lease_in(id)
    else
        dequeue(id)
    end
    Q.open[id] = nil
    local n = Q.requesters[r.from] - 1
    Q.requesters[r.from] = n > 0 and n or nil
    Q.n_open = Q.n_open - 1
    Q.size = Q.size - #r.line
end

local function forget_key(from, reference, id)
    local key = key_of(from, reference)
    if Q.keys[key] == id then
        Q.keys[key] = nil
    end
end

local DONE = {
    "from", "reference", "kind", "sum", "node", "batch", "job", "result",
    "item", "finish", "at", "conflict", "had"
}

local function done_text(d)
    local out = {}
    for i, name in ipairs(DONE) do
        out[i] = tostring(d[name])
    end
    return table.concat(out, "\n")
end

-- What such a text says.
local function done_read(text)
    local d, part = {}, split(text, "\n")
    for i, name in ipairs(DONE) do
        d[name] = part[i]
    end
    -- of format 1: who else had it is not known
    d.had = d.had or d.node
    return d
end

-- Return a finished request, nil if no such id is known.
local function done_get(id)
    return Q.done[id] and done_read(Q.done[id])
end

local function done_put(id, text)
    Q.last = Q.last + 1
    Q.order[Q.last] = id
    Q.done[id] = text
end

local function done_drop()
    local id = Q.order[Q.first]
    local d = done_get(id)
    Q.order[Q.first] = nil
    Q.first = Q.first + 1
    Q.done[id] = nil
    forget_key(d.from, d.reference, id)
end

local function done_forget()
    while Q.last - Q.first + 1 > Q.max_done do
        done_drop()
    end
    while Q.first <= Q.last and
        tonumber(done_get(Q.order[Q.first]).at) + KEEP_MS <= Q.now do
        done_drop()
    end
end

-- Apply the passing of time.  Of leases that end together the older one comes
-- first.
local function pass_time()
    local ended = {}
    while Q.heap[1] and Q.leases[Q.heap[1]].ends <= Q.now do
        ended[#ended + 1] = Q.heap[1]
        set_end(Q.heap[1], math.maxinteger)
    end
    for i = #ended, 1, -1 do
        end_lease(ended[i])
    end
    done_forget()
end

-- ---- for the files after this one -------------------------------------------

lib.heap, lib.done_read, lib.end_leases = heap, done_read, end_leases
lib.serial, lib.enqueue, lib.dequeue = serial, enqueue, dequeue
lib.new_lease, lib.set_end, lib.with_address = new_lease, set_end, with_address
lib.lease_out, lib.lease_in, lib.end_lease = lease_out, lease_in, end_lease
lib.end_if_empty = end_if_empty
lib.key_of, lib.open_request = key_of, open_request
lib.close_request, lib.forget_key = close_request, forget_key
lib.done_text, lib.done_get, lib.done_put = done_text, done_get, done_put
lib.done_forget, lib.pass_time = done_forget, pass_time
