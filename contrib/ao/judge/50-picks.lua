local lib = ApusQueue
local judge = lib.judge
local part, NONE = judge.part, judge.NONE
local LIST, SUMS = 64, 128

-- ---- picks of the challenger ----
-- A pick leads to the next show or to the statement to prove.  Each function
-- returns true if the pick is valid.

local picks = {}
judge.picks = picks

-- Split into one to four words, separated by single blanks.
local function split(choice)
    local w, at = {}, 1
    if #choice > 64 or choice:find("\0", 1, true) then
        return nil
    end
    repeat
        local blank = choice:find(" ", at, true) or #choice + 1
        w[#w + 1] = choice:sub(at, blank - 1)
        at = blank + 1
    until at > #choice + 1
    return #w <= 4 and w
end

-- Parse a number in [first, first + n).
local function number(word, first, n)
    if not word or #word > 10 or not word:match("^%d+$") or
        (#word > 1 and word:sub(1, 1) == "0") then
        return nil
    end
    local v = tonumber(word)
    return v >= first and v < first + n and v or nil
end

local function wants(state, show)
    state.show, state.turn = show, "shows"
    return true
end

local function proves(c, state, code, head, index, term)
    state.place = { code = code, position = c.position, layer = state.layer,
        head = head, index = index, part = term }
    state.turn = "proves"
    return true
end

-- ---- records, trace, leaf ----

function picks.records(c, w, state)
    local r = c.r
    state.layer = NONE
    if #w == 1 and w[1] == "job" then
        judge.decide(state, judge.records_good(r, c.j, c.m) and "holds" or
            "fault", 0)
        return true
    elseif #w == 1 and w[1] == "order" and state.file and
        state.file.index + 1 < state.file.count then
        return wants(state, "after")
    elseif r.n == 0 or r.n_out == 0 or r.n > c.m.context or r.n_out > r.n then
        return false -- only `job` can be disputed
    elseif #w == 1 and w[1] == "trace" then
        state.root, state.list = r.trace, { first = 0, n = 0, bytes = "" }
        return wants(state, r.n > 4096 and "chunks" or
            r.n > LIST and "blocks" or "leaves")
    end
    local i = #w == 2 and number(w[2], 0, r.n_out)
    if i and w[1] == "stop" and c.j.n_stops >= 1 and
        c.j.n_stops <= 16 then
        state.stops = { index = i }
        return wants(state, "stops")
    elseif i and w[1] == "finish" then
        c.position = r.n - r.n_out + i
        return proves(c, state, 1, NONE, i, NONE)
    end
end

-- Pick one of a list of hashes: it is the root of the next show.
local function pick_hash(state, list, w)
    local i = #w == 1 and number(w[1], list.first, list.n)
    if i then
        state.root = part(list.bytes, 32 * (i - list.first), 32)
    end
    return i
end

local function pick_trace(state, w, next, factor)
    local i = pick_hash(state, state.list, w)
    if i then
        state.list = { first = factor * i, n = 0, bytes = "" }
        return wants(state, next)
    end
end

function picks.chunks(c, w, state)
    return pick_trace(state, w, "blocks", LIST)
end

function picks.blocks(c, w, state)
    return pick_trace(state, w, "leaves", LIST)
end

function picks.leaves(c, w, state)
    return pick_trace(state, w, "leaf", 1)
end

function picks.leaf(c, w, state)
    local field, draws = w[1], judge.draws(c)
    if #w ~= 1 then
        return false
    elseif field == "token" then
        return proves(c, state, 1, NONE, NONE, NONE)
    elseif field == "next" and draws then
        state.layer = NONE
        return wants(state, "operators")
    end
    return (field == "kv" or (field == "fin" and draws) or
        (field == "deep" and judge.u32(state.leaf, 12) >= 2)) and
        wants(state, "layers")
end

-- ---- layers and operators ----

-- Continue with the vector of an entry, which has this root.
local function pick_vector(c, state, entry, root)
    local n, width = judge.shape(c.m, entry)
    state.entry, state.root = entry, root
    state.pieces = { first = 0, n = 0, bytes = "" }
    return wants(state, n * width > 1024 * LIST and "piece-blocks" or "pieces")
end

function picks.layers(c, w, state)
    if #w ~= 1 then
        return false
    elseif w[1] == "embed" then
        state.layer = NONE
        return pick_vector(c, state, "x", part(state.layers, 0, 32))
    elseif w[1] == "kv" then
        state.root = part(state.leaf, 16, 32)
        state.list = { first = 0, n = 0, bytes = "" }
        return wants(state, c.m.n_layers * c.m.n_kv_heads > LIST and
            "row-blocks" or "rows")
    end
    local layer = number(w[1], 0, c.m.n_layers)
    if layer then
        state.layer = layer
        return wants(state, "operators")
    end
end

picks["row-blocks"] = function (c, w, state)
    return pick_trace(state, w, "rows", LIST)
end

function picks.rows(c, w, state)
    local i = pick_hash(state, state.list, w)
    if i then
        state.layer = i // c.m.n_kv_heads
        return wants(state, "operators")
    end
end

-- Continue with the partial sums of an entry, or with its statement.
local function follow(c, state, entry, field, way, head, index)
    local code = judge.way(entry, field, way)
    if not code or (entry == "W" and c.j.temperature == 0) then
        return false
    end
    state.entry = entry
    if code ~= "sums" then
        return proves(c, state, code, head, index, NONE)
    end
    state.place = { code = 0, position = c.position, layer = state.layer,
        head = head, index = index, part = NONE }
    state.blocked = false
    return wants(state, judge.n_sums(c) > SUMS and "sum-blocks" or "sums")
end

-- Return the length of the row of an exponent or a maximum.
local function row_length(m, entry)
    return entry == "eo" and m.queries or entry == "eh" and m.ffn_dim or
        entry == "mx" and m.n_vocab or m.dim
end
judge.row_length = row_length

local function follow_scalar(c, state, entry, range, last)
    if last then
        local i = number(last, 0, row_length(c.m, entry))
        return i and follow(c, state, entry, nil,
            range and "range" or "exceeds", NONE, i)
    end
    local way = judge.way(entry, nil, "witness") and "witness" or "value"
    return follow(c, state, entry, nil, way, NONE, NONE)
end

function picks.operators(c, w, state)
    local m, layer, draws = c.m, state.layer, judge.draws(c)
    local range = w[1] == "range"
    local name, last = w[range and 2 or 1], w[range and 3 or 2]
    if #w > (range and 3 or 2) or not name then
        return false
    elseif not range and layer ~= NONE and name == "kv" then
        local g = number(last, 0, m.n_kv_heads)
        return g and follow(c, state, "kv", nil, "element", g, NONE)
    end
    local to = 32 * (layer + 1)
    local whole = layer ~= NONE and judge.offset(m, layer, draws, "h")
    if #w == 1 and whole and name == "x" and to < #state.layers then
        return pick_vector(c, state, "x", part(state.layers, to, 32))
    end
    local entry = judge.find(m, layer, draws, name)
    if not entry or (range and not last) then
        return false
    elseif judge.entries[entry].count then
        local at = judge.offset(m, layer, draws, entry)
        return #w == 1 and pick_vector(c, state, entry,
            part(state.table, at, 32))
    end
    return follow_scalar(c, state, entry, range, last)
end

-- ---- pieces, elements, sums ----

local function pick_piece(state, w, next, factor)
    local i = pick_hash(state, state.pieces, w)
    if i then
        state.pieces = { first = factor * i, n = 0, bytes = "" }
        return wants(state, next)
    end
end

picks["piece-blocks"] = function (c, w, state)
    return pick_piece(state, w, "pieces", LIST)
end

function picks.pieces(c, w, state)
    return pick_piece(state, w, "piece", 1)
end

-- Pick "HEAD FIELD", or "HEAD FIELD POSITION" of a key that exceeds it.
local function pick_attended(c, w, state)
    local piece, from = state.piece, judge.first_key(c)
    local head = #w >= 2 and number(w[1], piece.first, piece.n)
    if not head or #w > 3 then
        return false
    end
    state.element = head
    if w[3] then
        local key = number(w[3], from, c.position + 1 - from)
        return key and follow(c, state, "heads", w[2], "exceeds", head, key)
    end
    local way = judge.way("heads", w[2], "witness") and "witness" or "value"
    return follow(c, state, "heads", w[2], way, head, NONE)
end

function picks.piece(c, w, state)
    local entry, range = state.entry, w[1] == "range"
    if entry == "heads" then
        return pick_attended(c, w, state)
    end
    local i = #w == (range and 2 or 1) and
        number(w[#w], state.piece.first, state.piece.n)
    if not i then
        return false
    end
    state.element = i
    if state.layer == NONE and entry == "x" then
        return not range and proves(c, state, 2, NONE, i, NONE)
    end
    local head = NONE
    if entry == "r" or entry == "o" then
        head = i // c.m.head_dim
    end
    return follow(c, state, entry, nil, range and "range" or "element", head,
        i)
end

local function pick_sum(c, w, state, blocks)
    local entry, place, sums = state.entry, state.place, state.sums
    local field = entry == "heads" and "Z" or nil
    local _, _, width = judge.n_sums(c)
    if #w == 1 and w[1] == "total" and (blocks or not state.blocked) then
        return proves(c, state, judge.way(entry, field, "total"), place.head,
            place.index, NONE)
    end
    local i = #w == 1 and number(w[1], sums.first, sums.n)
    if not i then
        return false
    elseif not blocks then
        return proves(c, state, judge.way(entry, field, "term"), place.head,
            place.index, i)
    end
    -- keep only the sum that the terms of the block must add up to
    state.sums = { first = i, n = sums.n,
        bytes = part(sums.bytes, width * i, width) }
    state.blocked = true
    return wants(state, "sums")
end

picks["sum-blocks"] = function (c, w, state)
    return pick_sum(c, w, state, true)
end

function picks.sums(c, w, state)
    return pick_sum(c, w, state, false)
end

judge.split, judge.number = split, number
judge.wants, judge.proves = wants, proves
