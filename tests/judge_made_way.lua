-- The way of a dispute from the records to a vector's piece, or a part of it:
-- what each show has follows from what comes after it.
local M = require("judge_made")
local judge, NONE = M.judge, M.NONE
local W = {}

local function bent(w, show, s)
    local change = w.bend and w.bend[show]
    return change and change(s) or s
end

local function prepend(moves, show, s, pick)
    table.insert(moves, 1, { show = show, s = s, pick = tostring(pick) })
end

-- Prepend shows of lists: n hashes of which number `index` is h, in blocks of
-- 64 if they are more.  Names of shows: the last list first.  Return the root.
local function lists(w, moves, names, n, index, h)
    for i, show in ipairs(names) do
        local first, count = 0, n
        if n > 64 and names[i + 1] then
            first = index // 64 * 64
            count = math.min(64, n - first)
        end
        local s = bent(w, show, M.random(32 * (index - first)) .. h ..
            M.random(32 * (first + count - index - 1)))
        prepend(moves, show, s, index)
        h = judge.list_root(#s < 32 and M.random(32) or s)
        if count == n then
            return h
        end
        n, index = (n + 63) // 64, index // 64
    end
end

-- Return the root over n leaves, given those from number `from` on, and hashes
-- of the subtrees beside them, which are made up.
local function range(rows, from, n)
    local beside, to = {}, from + #rows // 32
    local function root(first, count)
        if first >= to or first + count <= from then
            beside[#beside + 1] = M.random(32)
            return beside[#beside]
        elseif count == 1 then
            return judge.part(rows, 32 * (first - from), 32)
        end
        local k = 1
        while 2 * k < count do
            k = 2 * k
        end
        local left = root(first, k)
        return M.sha256("\1" .. left .. root(first + k, count - k))
    end
    return root(0, n), table.concat(beside)
end

local function piece(w, moves, m)
    local n, width = judge.shape(m, w.entry)
    local i, all = w.piece or 0, n * width
    local size = math.min(1024, all - 1024 * i)
    local s = w.content or M.random(size)
    for at = 20, not w.content and w.entry == "heads" and size - 1 or 0, 32 do
        s = M.set(s, at, ("\0"):rep(4))
    end
    s = bent(w, "piece", s)
    prepend(moves, "piece", s, w.element or 1024 * i // width)
    return lists(w, moves, { "pieces", "piece-blocks" }, (all + 1023) // 1024,
        i, M.leaf(s))
end

-- Prepend the operator table; return the root of the kv rows.
local function operators(w, moves, m, draws, root)
    local _, size = judge.offset(m, w.layer, draws)
    local t, kv, beside, rows = M.random(size), nil, "", ""
    for name, v in pairs(w.scalars or {}) do
        t = M.set(t, (judge.offset(m, w.layer, draws, name)),
            judge.entries[name].bytes == 8 and M.u64(v) or M.u32(v))
    end
    if root and w.entry ~= "x" then
        t = M.set(t, (judge.offset(m, w.layer, draws, w.entry)), root)
    end
    for name, r in pairs(w.roots or {}) do
        t = M.set(t, (judge.offset(m, w.layer, draws, name)), r)
    end
    if w.layer ~= NONE then
        rows = w.rows or M.random(32 * m.n_kv_heads)
        kv, beside = range(rows, w.layer * m.n_kv_heads,
            m.n_layers * m.n_kv_heads)
    end
    prepend(moves, "operators", bent(w, "operators", t .. rows .. beside),
        w.choice or w.entry)
    return kv
end

-- Prepend the layer table; return the root of its rows, and the last one.
local function layers(w, moves, m, draws, root)
    local count = m.n_layers + (draws and 1 or 0)
    local s = M.random(32 * count)
    if root and w.entry == "x" then
        s = M.set(s, w.layer == NONE and 0 or 32 * (w.layer + 1), root)
    elseif w.x then
        s = M.set(s, 32 * w.layer, w.x)
    end
    s = bent(w, "layers", s)
    prepend(moves, "layers", s, w.list and "kv" or w.layer == NONE and
        "embed" or w.layer)
    local leaves = {}
    for at = 0, #s - 32, 32 do
        leaves[#leaves + 1] = M.leaf(judge.part(s, at, 32))
    end
    return judge.list_root(table.concat(leaves)), s:sub(-32)
end

local function leaf(w, position, draws, deep, kv, fin)
    local zeros = ("\0"):rep(32)
    local l = M.merged({ position = position, token = 5,
        next = draws and 7 or NONE, flags = (draws and 1 or 0) +
        (w.deep and 2 or 0), kv = kv or M.random(32),
        fin = draws and (fin or M.random(32)) or zeros,
        deep = w.deep and (deep or M.random(32)) or zeros }, w.leaf)
    return bent(w, "leaf", M.u32(l.position) .. M.u32(l.token) ..
        M.u32(l.next) .. M.u32(l.flags) .. l.kv .. l.fin .. l.deep)
end

-- Return the moves of a way, from the trace on, and the root of the trace.
-- w.layer: a layer or NONE (the head, or the embedding of entry "x"); w.entry:
-- the vector whose piece is shown, w.choice what else is picked of the table;
-- w.roots are those of other vectors, w.x that of the layer's row.
local function moves_of(w)
    local moves, root, kv, deep, fin = {}, nil, nil, nil, nil
    local r, j, m = judge.records(M.records(w))
    local position = w.position or r.n - 1
    local draws = position + 1 >= j.n_prompt
    local embed = w.layer == NONE and w.entry == "x"
    local field = w.field or w.layer == NONE and not embed and "next" or "kv"
    if w.entry then
        root = piece(w, moves, m)
    end
    if w.list then -- of all kv rows
        kv = lists(w, moves, { "rows", "row-blocks" },
            m.n_layers * m.n_kv_heads, w.list, M.random(32))
    elseif w.layer and not embed then
        kv = operators(w, moves, m, draws, root)
    end
    if w.layer and field ~= "next" or w.list then
        deep, fin = layers(w, moves, m, draws, root)
    end
    local s = leaf(w, position, draws, deep, kv, fin)
    prepend(moves, "leaf", s, field)
    return moves, lists(w, moves, { "leaves", "blocks", "chunks" }, r.n,
        position, M.leaf(s))
end

-- Return a game up to a show, or to the end of its way.
function W.game(w, upto)
    w = M.merged(w)
    if w.deep then
        w.result = M.merged({ level = 1 }, w.result)
    end
    local moves, trace = moves_of(w)
    w.result = M.merged(w.result or {}, { trace = trace })
    local g = M.game(w):pick("trace")
    g.records = M.records(w)
    for _, move in ipairs(moves) do
        g:show(move.s)
        if move.show == upto then
            return g
        end
        g:pick(move.pick)
    end
    return g
end

-- The same where a show is changed before anything depends on it.
function W.bent(w, show, change)
    return W.game(M.merged(w, { bend = { [show] = change } }), show)
end

return W
