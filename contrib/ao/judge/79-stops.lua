local lib = ApusQueue
local judge, sha256 = lib.judge, lib.sha256
local part, u32, NONE = judge.part, judge.u32, judge.NONE
local shows, picks = judge.shows, judge.picks
local TOKENS, TEXT, RECORD, STEP, PIECE = 64, 1024, 12, 64, 1024

-- ---- stop strings: statement 17 ----
-- state.stops has what was shown and picked of them: index is the output token
-- that a stop string may end in, texts are those of output tokens from `first`
-- on, `at` is the picked one of these and id its id; points are tokens with
-- their offsets, of which the one before the picked gap is number `gap`.

-- Return a string of u32 length and bytes at an offset, and the offset after
-- it; nothing if it is longer or shorter than it can be.
local function take(s, at, least, most)
    local n = at + 4 <= #s and u32(s, at)
    if not n or n < least or n > most or at + 4 + n > #s then
        return nil, nil
    end
    return part(s, at + 4, n), at + 4 + n
end

-- Read n_stops stop strings, and 1 to 64 texts after their count.
local function read(s, n_stops)
    local shown, at = { stops = {}, texts = {} }, 0
    for i = 1, n_stops do
        shown.stops[i], at = take(s, at, 1, 64)
        if not at then
            return nil
        end
    end
    local n = at + 4 <= #s and u32(s, at) or 0
    if n < 1 or n > TOKENS then
        return nil
    end
    at = at + 4
    for i = 1, n do
        shown.texts[i], at = take(s, at, 0, TEXT)
        if not at then
            return nil
        end
    end
    return at == #s and shown or nil
end

-- Return whether the texts from number `from` up to the last one have fewer
-- bytes than a stop string can have before the last one.
local function is_short(shown, from)
    local longest, n = 0, 0
    for _, stop in ipairs(shown.stops) do
        longest = #stop > longest and #stop or longest
    end
    for i = from, #shown.texts - 1 do
        n = n + #shown.texts[i]
    end
    return n + 1 < longest
end

-- Return whether as many texts are shown as a stop string can reach over.
local function enough(shown, index)
    local n = #shown.texts
    return n <= index + 1 and (n == 1 or is_short(shown, 2)) and
        (n == index + 1 or n == TOKENS or not is_short(shown, 1))
end

-- Return whether a stop string ends in the last text; nil if one that is not
-- seen may begin before the first text.
local function ends_there(shown, index)
    local n = #shown.texts
    local before = table.concat(shown.texts, "", 1, n - 1):sub(-63)
    local bytes = before .. shown.texts[n]
    for _, stop in ipairs(shown.stops) do
        local from = #before + 2 - #stop
        if bytes:find(stop, from > 1 and from or 1, true) then
            return true
        end
    end
    if n <= index and is_short(shown, 1) then
        return nil
    end
    return false
end

function shows.stops(c, s, state)
    local shown, leaves, length = read(s, c.j.n_stops), {}, 0
    if not shown then
        return "these are not " .. c.j.n_stops ..
            " stop strings, and 1 to 64 texts"
    end
    for i, stop in ipairs(shown.stops) do
        leaves[i] = sha256("\0" .. stop)
    end
    for _, text in ipairs(shown.texts) do
        length = length + #text
    end
    local index = state.stops.index
    if judge.list_root(table.concat(leaves)) ~= c.j.stops then
        return "the stop strings are not those of the job"
    elseif c.m.tokenizer == 0 and length > 0 then
        return "a text, and the model has no tokenizer"
    elseif not enough(shown, index) then
        return #shown.texts .. " texts are not as many as a stop string can " ..
            "reach over"
    end
    state.stops = { index = index, shown = s, n = #shown.texts,
        first = index + 1 - #shown.texts }
end

-- ---- tokenizer bytes ----

-- Return a count at an offset that is at most `most`.
local function count(s, at, most)
    local n = at + 4 <= #s and u32(s, at)
    return n and n <= most and n or nil
end

-- Return the offset after a text of a step.
local function after_text(s, at)
    if not at then
        return nil
    end
    local _, to = take(s, at, 0, 256)
    return to
end

-- Return the offset after a list of steps.
local function after_steps(s, at)
    local n = count(s, at, 16)
    at = n and at + 4
    for _ = 1, n or 0 do
        at = after_text(s, at and at + 8)
        at = after_text(s, at)
    end
    return at
end

-- Return the offset after the lists of apustok2, the last of which is empty.
local function after_lists(s, at)
    local n = count(s, at, 8)
    at = n and after_steps(s, at + 4 + 4 * n)
    at = at and after_steps(s, at)
    return at and count(s, at, 0) and at + 4
end

-- Read the head of tokenizer bytes from their first piece; nil if texts of its
-- tokens are not judged.
local function tokenizer(s, n_vocab)
    local magic, head = part(s, 0, 8), 28
    if #s < 28 or magic ~= "apustok1" and magic ~= "apustok2" then
        return nil
    end
    local kind, n = u32(s, 8), u32(s, 24)
    local kinds = magic == "apustok2" and 2 or 1
    if kind > kinds or n < 1 or n > 262144 or n > n_vocab then
        return nil
    elseif magic == "apustok2" then
        head = after_lists(s, 28)
    end
    return head and { kind = kind, n = n, head = head }
end

-- Return the tokens whose offsets lead to that of token id.
local function points_to(id)
    local list, at, step = { 0 }, 0, STEP * STEP
    while step > 0 do
        while id - at >= step do
            at = at + step
            list[#list + 1] = at
        end
        step = step // STEP
    end
    list[#list + 1] = id + 1
    return list
end

-- Read an offset for each point, of which the first and the last may be given.
-- Return nil if no tokens can have these.
local function offsets_of(points, s, first, last)
    local list, at = { first }, 0
    while #list < #points - (last and 1 or 0) do
        list[#list + 1] = u32(s, at)
        at = at + 4
    end
    list[#points] = last or list[#points]
    for i = 2, #points do
        local n, size = points[i] - points[i - 1], list[i] - list[i - 1]
        if size < RECORD * n or size > (RECORD + TEXT) * n then
            return nil
        end
    end
    return list
end

local function blocks(n)
    return (n + PIECE - 1) // PIECE
end

-- The first piece of the tokenizer, and its path, in the bytes after the id.
local function open_head(m, s)
    local piece, path, n = m.tokenizer < PIECE and m.tokenizer or PIECE, 0,
        blocks(m.tokenizer)
    while n > 1 do
        path, n = path + 32, (n + 1) // 2
    end
    local all = 4 + piece + path
    if #s < all then
        return nil, #s .. " bytes, expected " .. all .. " and offsets"
    end
    local data = part(s, 4, piece)
    if judge.climb(sha256("\0" .. data), 0, blocks(m.tokenizer),
        part(s, 4 + piece, path)) ~= m.tokenizer_root then
        return nil, "this is not the beginning of the tokenizer"
    end
    return data, all
end

local function copy(stops)
    local new = {}
    for k, v in pairs(stops) do
        new[k] = v
    end
    return new
end

function shows.offsets(c, s, state)
    local m, new = c.m, copy(state.stops)
    local data, all = open_head(m, s)
    if not data then
        return all
    end
    local t = tokenizer(data, m.n_vocab)
    new.id, new.tokenizer, new.points = u32(s, 0), t, {}
    if t and new.id < t.n then
        new.points = points_to(new.id)
    end
    local n = #new.points
    if #s ~= all + 4 * n then
        return #s .. " bytes, expected " .. all + 4 * n
    elseif not t then
        judge.leave(state, "the texts of its tokenizer are of another kind")
        return
    end
    if n > 0 then
        new.offsets = offsets_of(new.points, part(s, all, 4 * n))
        if not new.offsets then
            return "no tokens can have these offsets"
        elseif new.offsets[1] ~= t.head or new.offsets[n] > m.tokenizer then
            return "the offsets are not within the tokenizer"
        end
    end
    state.stops = new
end

function shows.between(c, s, state)
    local new, points = copy(state.stops), {}
    local gap = new.gap
    local from, to = new.points[gap], new.points[gap + 1]
    if #s ~= 4 * (STEP - 1) then
        return #s .. " bytes, expected " .. 4 * (STEP - 1)
    end
    for i = 0, STEP do
        points[i + 1] = from + (to - from) // STEP * i
    end
    local offsets = offsets_of(points, s, new.offsets[gap],
        new.offsets[gap + 1])
    if not offsets then
        return "no tokens can have these offsets"
    end
    new.points, new.offsets = points, offsets
    state.stops = new
end

-- ---- picks ----

local function proves(c, state, head)
    local stops = state.stops
    c.position = c.r.n - c.r.n_out + stops.index
    return judge.proves(c, state, 17, head, stops.index, stops.at)
end

-- A stop string ends in the picked token if and only if it is the last one and
-- the answer stops at a stop string.
local function decide(c, state)
    local index, r = state.stops.index, c.r
    local ends = ends_there(read(state.stops.shown, c.j.n_stops), index)
    if ends == nil then
        judge.leave(state, "a stop string may begin before what is shown")
        return true
    end
    local stops = r.finish == 2 and index + 1 == r.n_out
    judge.decide(state, ends == stops and "holds" or "fault", 17)
    return true
end

function picks.stops(c, w, state)
    local stops = copy(state.stops)
    if #w == 1 and w[1] == "total" then
        return decide(c, state)
    elseif #w ~= 1 or c.m.tokenizer == 0 then
        return false
    end
    stops.at = judge.number(w[1], stops.first, stops.n)
    state.stops = stops
    return stops.at and judge.wants(state, "offsets")
end

local function pick_gap(c, w, state)
    local stops = copy(state.stops)
    local points = stops.points
    local point = #w == 1 and judge.number(w[1], 0, 262144)
    stops.gap = nil
    for i = 1, #points - 1 do
        if points[i] == point then
            stops.gap = i
        end
    end
    if not stops.gap then
        return false
    end
    state.stops = stops
    if points[stops.gap + 1] - point == 1 then
        return proves(c, state, point)
    end
    return judge.wants(state, "between")
end

function picks.offsets(c, w, state)
    if #w == 1 and w[1] == "text" then
        return proves(c, state, NONE)
    end
    return pick_gap(c, w, state)
end

picks.between = pick_gap

-- ---- what is proven ----

local function read_tokenizer(p, from, to)
    local m = p.c.m
    return judge.open_bytes(p, judge.ROLES.tokenizer, m.tokenizer_root,
        m.tokenizer, from, to)
end

-- The record of a token ends where that of the next one begins.
local function offset_good(p)
    local stops = p.c.state.stops
    local at = stops.offsets[stops.gap]
    local record = read_tokenizer(p, at, at + RECORD)
    return at + RECORD + u32(record, 8) == stops.offsets[stops.gap + 1]
end

-- Open the record of the picked token and return its text; nil if it has
-- another length.
local function open_text(p)
    local c, stops = p.c, p.c.state.stops
    local t, n = stops.tokenizer, #stops.points
    if c.j.flags % 2 == 0 and judge.ends_text(c.m, stops.id) or n == 0 then
        return ""
    end
    local from, to = stops.offsets[n - 1], stops.offsets[n]
    local record = read_tokenizer(p, from, to)
    local text = part(record, RECORD, to - from - RECORD)
    if u32(record, 8) ~= #text then
        return nil
    elseif u32(record, 0) % 2 == 1 then
        return "" -- a control token
    elseif t.kind ~= 0 then
        text = text:gsub("\226\150\129", " ")
    end
    return text
end

judge.statements[17] = function (p)
    local c, stops = p.c, p.c.state.stops
    if c.state.place.head ~= NONE then
        return offset_good(p)
    end
    local id = judge.open_id(p, judge.ROLES.output, c.r.output, c.r.n_out,
        stops.at)
    if id ~= stops.id then
        return false -- and whose text it is does not matter
    end
    local shown = read(stops.shown, c.j.n_stops)
    return open_text(p) == shown.texts[stops.at - stops.first + 1]
end
