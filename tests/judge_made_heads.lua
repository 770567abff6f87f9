-- Proofs about the one head of a made-up model, of two elements, at position 0
-- or 1: statements 8, 9 and 11 to 13.
local M = require("judge_made")
local W = require("judge_made_way")
local judge, NONE = M.judge, M.NONE
local ROLES = judge.ROLES
local ONE = 0x3f800000

local function floats(...)
    return string.pack("<" .. ("f"):rep(select("#", ...)), ...)
end

-- An entry of heads.
local function head(h)
    h = M.merged({ er = 1, m = 0, wm = 0, ev = 1, wv = 0, z = 0 }, h)
    return string.pack("<i4I4I4i4I4I4i8", h.er, h.m, h.wm, h.ev, h.wv, 0, h.z)
end

-- A kv row: s_v is 1, v is 3 and 4.
local ROW = floats(1, 1) .. "\1\2\3\4"

-- A way at the last position but `after`, of n.
local function way(n, after, more)
    local model = M.merged({ n_layers = 1, n_heads = 1, n_kv_heads = 1,
        head_dim = 2 }, more.model)
    return M.merged({ layer = 0, position = n - 1 - after,
        rows = M.leaf(ROW), job = { n_prompt = 1, max_tokens = n },
        result = { n = n, n_out = n } }, M.merged(more, { model = model }))
end

local function opening(entry, s)
    return { 16 + judge.entries[entry].number, 0, s }
end

local function prove(how, g, w, code, place, openings)
    g:prove(M.proof(M.merged({ code = code, position = w.position, layer = 0,
        head = 0, index = NONE, part = NONE }, place), openings)):save(how)
end

-- The hashes of all leaves that a game shows, and its own leaf.
local function shown(g)
    return g[4]:sub(9), g[6]:sub(9)
end

-- ---- groups of keys ----

-- One key of score 0, by which Z is 2^24 and o of v[0] = 3 is 3 2^20.
local function group(how, n, after, h, entry, sum)
    local r, content = "\0\0\0\0", head(h)
    local heads = entry == "heads"
    local w = way(n, after, { entry = entry, element = heads and "0 Z" or 0,
        content = heads and content, roots = { r = M.leaf(r),
        heads = not heads and M.leaf(content) or nil } })
    local g = W.game(w)
    local leaves, leaf = shown(g)
    local list = { opening("r", r), { ROLES.block, 0, leaves },
        { ROLES.leaf, w.position, leaf }, { ROLES.row, 0, ROW } }
    if not heads then
        table.insert(list, 1, opening("heads", content))
    end
    g:show(M.u64(sum)):pick("0")
    prove(how, g, w, heads and 12 or 13, { index = not heads and 0 or nil,
        part = 0 }, list)
end

local function try_groups()
    for n = 1, 2 do -- whose second key comes after the position
        group("holds", n, n - 1, {}, "heads", 1 << 24)
        group("fault", n, n - 1, {}, "heads", 1 << 24 | 1)
        group("holds", n, n - 1, {}, "o", 3 << 20)
        group("fault", n, n - 1, {}, "o", 1 << 24)
        group("fault", n, n - 1, { ev = 0 }, "heads", 1 << 24)
        group("fault", n, n - 1, { m = ONE | 1 << 31 }, "heads", 1 << 24)
    end
end

-- ---- the greatest value ----

local function value(how, pick, h, model, key)
    local w = way(2, 0, { entry = "heads", element = pick, content = head(h),
        model = model })
    local g = W.game(w)
    local leaves, leaf = shown(g)
    prove(how, g, w, 11, { index = tonumber(pick:match(" (%d+)$")) },
        key and { { ROLES.leaf, key, leaf, leaves:sub(1, 32) },
        { ROLES.row, 0, ROW } } or {})
end

local function try_values()
    value("holds", "0 ev 1", {}, nil, 1)
    value("fault", "0 ev 1", { ev = 0 }, nil, 1)
    value("holds", "0 ev 1", { ev = 2 }, nil, 1)
    value("holds", "0 ev", { wv = 1 }, nil, 1)
    value("fault", "0 ev", { wv = 1, ev = 2 }, nil, 1)
    value("fault", "0 ev", { wv = 0 }, { window = 1 })
    value("fault", "0 ev", { wv = 2 })
    value("refused", "0 ev", { wv = 0 })
end

-- ---- rope at position 0, which turns nothing ----

-- The openings of the frequency; the model that has it.
local function frequency(f)
    local s = floats(f)
    local record = M.u32(1) .. M.u32(1) .. M.u32(1) .. M.u32(0) .. M.leaf(s)
    local root, path = M.climb(M.leaf(record), 1, 18)
    return { tensors = root }, { ROLES.tensor, 1, record, path },
        { ROLES.values, 0, s }
end

local function turned(how, q, er, f)
    local model, tensor, values = frequency(f or 1)
    local w = way(1, 0, { entry = "heads", element = "0 er", model = model,
        content = head({ er = er }), roots = { q = M.leaf(q) } })
    prove(how, W.game(w), w, 8, {}, { opening("q", q), tensor, values })
end

-- A kv row that follows from k and v, or one that does not.
local function kv(how, k, v, row, f)
    local model, tensor, values = frequency(f or 1)
    local w = way(1, 0, { choice = "kv 0", model = model,
        roots = { k = M.leaf(k), v = M.leaf(v) }, rows = M.leaf(row) })
    prove(how, W.game(w), w, 9, {}, { opening("k", k), tensor, values,
        opening("v", v) })
end

local function try_turned()
    local scale = M.u32(judge.bits(judge.a8_scale(1.0)))
    local one = scale .. scale
    turned("holds", floats(1, -0.25), 1)
    turned("holds", floats(-1, 0.25), 1)
    turned("fault", floats(1, -0.25), 2)
    turned("fault", floats(1, -0.25), 1, 2)
    turned("fault", floats(1, -0.25), 1, -1)
    turned("holds", floats(1, -0.25), 1, 0)
    turned("fault", floats(2.0 ^ 40, 0), 41)
    for sign = 1, -1, -2 do
        local k, v = floats(sign, -sign / 2), floats(-sign / 2, sign)
        local row = one .. string.pack("<i1i1i1i1", 127 * sign, -64 * sign,
            -64 * sign, 127 * sign)
        kv("holds", k, v, row)
        kv("fault", k, v, M.set(row, 9, "\1"))
        kv("fault", k, v, M.set(row, 0, "\1"))
        kv("fault", k, v, row, 2)
        kv("fault", k, v, row, -0.5)
    end
end

return function ()
    try_groups()
    try_values()
    try_turned()
end
