local lib = ApusQueue
local judge, sha256 = lib.judge, lib.sha256
local part, u32, NONE = judge.part, judge.u32, judge.NONE
local LIST, SUMS = 64, 128
local LIMIT = 9007199254740992 -- 2^53

-- ---- shows, checked against earlier shows ----
-- A context holds a state and its records.  Each function adds the shown bytes
-- to the new state, or returns why it refuses them.

local shows = {}
judge.shows = shows

-- Return the root over n leaf hashes of 32 bytes.
local function list_root(s)
    local function root(at, n)
        if n == 1 then
            return part(s, at, 32)
        end
        local k = 1
        while 2 * k < n do
            k = 2 * k
        end
        return sha256("\1" .. root(at, k) .. root(at + 32 * k, n - k))
    end
    return #s == 0 and sha256("") or root(0, #s // 32)
end
judge.list_root = list_root

local function blocks(n, size)
    return (n + size - 1) // size
end

local function least(a, b)
    return a < b and a or b
end

local function wrong_size(s, n)
    return #s .. " bytes, expected " .. n
end

function judge.draws(c)
    return u32(c.state.leaf, 12) % 2 == 1
end

-- Return the first position that this position attends to.
function judge.first_key(c)
    local to, window = c.position + 1, c.m.window
    return window > 0 and to > window and to - window or 0
end

-- Partial sums of the picked entry: return their count, the number of the first
-- one, and the bytes of each.
function judge.n_sums(c)
    local entry, m = c.state.entry, c.m
    local linear = judge.linears[entry]
    if linear then
        return blocks(judge.shape(m, linear.input), 1024), 0, 8
    elseif entry == "W" then
        return blocks(m.n_vocab, 256), 0, 32
    elseif entry == "o" or entry == "heads" then
        local first = judge.first_key(c) // 16
        return c.position // 16 + 1 - first, first, 8
    end
    return blocks(m.dim, 256), 0, 8
end

-- Take the three records of an answer; the first is known to be right.
local function take_records(s, state)
    local r, j, m = judge.records(s)
    if not r.good then
        return "not a result record"
    elseif sha256(part(s, 240, 152)) ~= r.job or not j.good then
        return "the job record is not that of the result"
    elseif sha256(part(s, 392, 224)) ~= r.model or not m.good then
        return "the model record is not that of the result"
    end
    state.records = s
    if not judge.knows(m) then
        judge.leave(state, "its model is of another kind or size")
    elseif r.finish > 3 then
        judge.leave(state, "it ends in an error")
    end
end

function shows.records(c, s, state)
    if #s ~= 616 then
        return wrong_size(s, 616)
    elseif sha256(part(s, 0, 240)) ~= state.result then
        return "the result record is not that of the answer"
    end
    return take_records(s, state)
end

-- Return the record of result `index` of a file and the rest of s, its path; or
-- nil.
local function open_result(s, file, index, from)
    local record, path = part(s, 0, 240), part(s, from, #s - from)
    local r = judge.records(record .. ("\0"):rep(376))
    return r.good and #path % 32 == 0 and #path <= 2048 and judge.climb(
        sha256("\0" .. record), index, file.count, path) == file.root and
        r or nil
end

-- Take the records of a result of a file, its line there (u64) and its path.
function shows.line(c, s, state)
    local file = state.file
    if #s < 624 then
        return #s .. " bytes, expected 624 and a path"
    end
    local r, line = open_result(s, file, file.index, 624), part(s, 616, 8)
    if not r then
        return "this is not result " .. file.index .. " of the file"
    elseif u32(line, 4) ~= 0 or u32(line, 0) >= file.lines or
        sha256("apusline" .. file.sha256 .. line) ~= r.request then
        return "the request is not this line of the file"
    elseif r.model ~= file.model then
        return "another model was asked"
    end
    state.show = "records"
    return take_records(part(s, 0, 616), state)
end

-- Return whether a sorts before b, bytewise.
local function is_before(a, b)
    for i = 1, #a do
        if a:byte(i) ~= b:byte(i) then
            return a:byte(i) < b:byte(i)
        end
    end
    return false
end

-- Take the next result record and its path: request ids must ascend.
function shows.after(c, s, state)
    local index = state.file.index + 1
    if #s < 240 then
        return #s .. " bytes, expected 240 and a path"
    end
    local r = open_result(s, state.file, index, 240)
    if not r then
        return "this is not result " .. index .. " of the file"
    end
    local good = is_before(c.r.request, r.request) or
        c.r.request == r.request and c.r.choice < r.choice
    judge.decide(state, good and "holds" or "fault", 0)
end

-- Take `count` hashes under the picked root, numbered from `first`.
local function take_list(state, key, s, first, count)
    if #s ~= 32 * count then
        return wrong_size(s, 32 * count)
    elseif list_root(s) ~= state.root then
        return "the hashes are not those of the root"
    end
    state[key] = { first = first, n = count, bytes = s }
end

local function take_trace(c, s, state, size)
    local all, first = blocks(c.r.n, size), state.list.first
    local most = size == 4096 and all or LIST
    return take_list(state, "list", s, first, least(all - first, most))
end

function shows.chunks(c, s, state)
    return take_trace(c, s, state, 4096)
end

function shows.blocks(c, s, state)
    return take_trace(c, s, state, LIST)
end

function shows.leaves(c, s, state)
    return take_trace(c, s, state, 1)
end

-- Return whether the flags of a leaf match its hashes.
function judge.leaf_good(s)
    local next, flags = u32(s, 8), u32(s, 12)
    local zeros = ("\0"):rep(32)
    return flags < 4 and (flags % 2 == 1) == (next ~= NONE) and
        (flags % 2 == 1 or part(s, 48, 32) == zeros) and
        (flags >= 2 or part(s, 80, 32) == zeros)
end

function shows.leaf(c, s, state)
    local at = state.list.first
    local draws = at + 1 >= c.j.n_prompt
    if #s ~= 112 then
        return wrong_size(s, 112)
    elseif sha256("\0" .. s) ~= state.root then
        return "the leaf has another hash"
    elseif not judge.leaf_good(s) or u32(s, 0) ~= at or
        draws ~= (u32(s, 8) ~= NONE) or
        (c.r.level == 1) ~= (u32(s, 12) >= 2) then
        return "the fields of leaf " .. at .. " contradict it"
    end
    state.leaf = s
end

function shows.layers(c, s, state)
    local count = c.m.n_layers + (judge.draws(c) and 1 or 0)
    if #s ~= 32 * count then
        return wrong_size(s, 32 * count)
    elseif judge.draws(c) and part(s, #s - 32, 32) ~= part(state.leaf, 48, 32)
    then
        return "the last row is not that of the leaf"
    end
    if u32(state.leaf, 12) >= 2 then -- the leaves of `deep` are the roots
        local leaves = {}
        for i = 0, count - 1 do
            leaves[i + 1] = sha256("\0" .. part(s, 32 * i, 32))
        end
        if list_root(table.concat(leaves)) ~= part(state.leaf, 80, 32) then
            return "the rows are not those of the leaf"
        end
    end
    state.layers = s
end

shows["row-blocks"] = function (c, s, state)
    local all = c.m.n_layers * c.m.n_kv_heads
    return take_list(state, "list", s, 0, blocks(all, LIST))
end

function shows.rows(c, s, state)
    local all, first = c.m.n_layers * c.m.n_kv_heads, state.list.first
    return take_list(state, "list", s, first, least(all - first, LIST))
end

-- Return the root over n leaves, given leaves [from, to) in `rows` and the
-- subtrees outside them, left to right, in `beside`; nil if that has another
-- length.
local function range_root(rows, beside, from, to, n)
    local at = 0
    local function root(first, count)
        if first >= to or first + count <= from then
            at = at + 32
            return at <= #beside and part(beside, at - 32, 32) or
                ("\0"):rep(32)
        elseif count == 1 then
            return part(rows, 32 * (first - from), 32)
        end
        local k = 1
        while 2 * k < count do
            k = 2 * k
        end
        local left = root(first, k)
        return sha256("\1" .. left .. root(first + k, count - k))
    end
    local h = root(0, n)
    return at == #beside and h or nil
end

function shows.operators(c, s, state)
    local m, layer = c.m, state.layer
    local _, size = judge.offset(m, layer, judge.draws(c))
    local rows = layer == NONE and 0 or 32 * m.n_kv_heads
    if #s < size + rows or (#s - size) % 32 ~= 0 or
        (rows == 0 and #s ~= size) then
        return wrong_size(s, size + rows)
    end
    if rows > 0 then
        local from = layer * m.n_kv_heads
        local root = range_root(part(s, size, rows),
            part(s, size + rows, #s - size - rows), from,
            from + m.n_kv_heads, m.n_layers * m.n_kv_heads)
        if not root then
            return "the opening of the kv rows has another length"
        elseif root ~= part(state.leaf, 16, 32) then
            return "the kv rows are not those of the leaf"
        end
    end
    state.table, state.rows = part(s, 0, size), part(s, size, rows)
end

local function vector_bytes(c)
    local n, width = judge.shape(c.m, c.state.entry)
    return n * width, width
end

shows["piece-blocks"] = function (c, s, state)
    local all = blocks(vector_bytes(c), 1024)
    return take_list(state, "pieces", s, 0, blocks(all, LIST))
end

function shows.pieces(c, s, state)
    local all, first = blocks(vector_bytes(c), 1024), state.pieces.first
    return take_list(state, "pieces", s, first, least(all - first, LIST))
end

function shows.piece(c, s, state)
    local all, width = vector_bytes(c)
    local first = state.pieces.first
    local want = least(all - 1024 * first, 1024)
    if #s ~= want then
        return wrong_size(s, want)
    elseif sha256("\0" .. s) ~= state.root then
        return "the piece has another hash"
    end
    for at = 20, state.entry == "heads" and #s - 1 or 0, 32 do
        if u32(s, at) ~= 0 then
            return "an entry of a head has no zeros"
        end
    end
    state.piece = { first = 1024 * first // width, n = #s // width,
        bytes = s }
end

-- Sums must be below 2^53 in magnitude; those of a block must add up to the
-- picked sum of the block.
local function sums_wrong(state, s, width)
    local sum = { 0, 0, 0, 0 }
    local each = width // 8
    for i = 0, #s // 8 - 1 do
        local v = judge.i64(s, 8 * i)
        if v <= -LIMIT or v >= LIMIT then
            return "a sum of 2^53 or more"
        end
        sum[i % each + 1] = sum[i % each + 1] + v
    end
    for i = 1, state.blocked and each or 0 do
        if sum[i] ~= judge.i64(state.sums.bytes, 8 * i - 8) then
            return "the sums are not those of the block"
        end
    end
end

local function take_sums(state, s, first, count, width)
    if #s ~= count * width then
        return wrong_size(s, count * width)
    end
    local why = sums_wrong(state, s, width)
    if not why then
        state.sums = { first = first, n = count, bytes = s }
    end
    return why
end

shows["sum-blocks"] = function (c, s, state)
    local all, _, width = judge.n_sums(c)
    return take_sums(state, s, 0, blocks(all, SUMS), width)
end

function shows.sums(c, s, state)
    local all, start, width = judge.n_sums(c)
    if not state.blocked then
        return take_sums(state, s, start, all, width)
    end
    local block = state.sums.first
    return take_sums(state, s, start + SUMS * block,
        least(all - SUMS * block, SUMS), width)
end

