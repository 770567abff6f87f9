-- ---- what ends without an answer -------------------------------------------

-- What the message at hand ends; its requesters hear after its sender.
local ends = { list = {} }

-- End a request with 503.  Why is the queue's own word: what a node says of
-- itself is not for strangers.
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

