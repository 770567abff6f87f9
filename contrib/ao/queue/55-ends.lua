local lib = ApusQueue
local MANY, DAY_MS, Q, clock = lib.MANY, lib.DAY_MS, lib.Q, lib.clock
local close_request, forget_key = lib.close_request, lib.forget_key
local respond, is_allowed = lib.respond, lib.is_allowed
local is_silent = lib.is_silent

-- ---- what ends without an answer -------------------------------------------

-- The requests that the current message ends; their requesters are answered
-- after its sender.
local ends = { list = {} }

-- End a request with 503.  The reason is the queue's own: a node's text is not
-- shown to strangers.
function ends.give_up(id, why)
    local r = Q.open[id]
    close_request(id)
    forget_key(r.from, r.reference, id)
    ends.list[#ends.list + 1] = { r = r, why = why }
end

function ends.tell()
    for _, e in ipairs(ends.list) do
        respond(e.r.kind, e.r.from, e.r.reference, e.r.session,
            { "Code", 503, "Message", e.why }, "")
    end
    ends.list = {}
end

-- End the requests for a node that will not come back.
local function end_of_node(address, why, left)
    for _, model in ipairs(Q.model_list) do
        local ring = Q.rings[model .. address]
        while ring and left > 0 do
            ends.give_up(ring.seats[ring.turn].first, why)
            ring, left = Q.rings[model .. address], left - 1
        end
    end
    return left
end

-- End pending requests that will not be answered; a message ends at most
-- MANY.ended of them, and the next one continues.
function ends.look()
    local left = MANY.ended
    while left > 0 and Q.ages[1] and
        Q.open[Q.ages[1]].came + Q.pending_days * DAY_MS <= clock() do
        ends.give_up(Q.ages[1], "nobody has answered it in " ..
            Q.pending_days .. " days")
        left = left - 1
    end
    for _, address in ipairs(Q.node_list) do
        if Q.nodes[address].waits == 0 then
            -- as nearly always
        elseif not is_allowed(address) then
            left = end_of_node(address, "its X-Node is not allowed any more",
                left)
        elseif is_silent(address) then
            left = end_of_node(address, "its X-Node has been silent for " ..
                Q.idle_days .. " days", left)
        end
    end
end

-- ---- for the files after this one -------------------------------------------

lib.ends = ends
