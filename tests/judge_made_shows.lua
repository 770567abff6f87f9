-- Shows of another size or form.
local M = require("judge_made")
local W = require("judge_made_way")
local NONE = M.NONE

-- dim 48, 64 queries, 32 keys, 128 of the ffn, 300 tokens
local MODEL = { dim = 48 }
local MANY = { result = { n = 6000, n_out = 20 }, model = MODEL }

local function way(w)
    return M.merged({ model = MODEL }, w)
end

-- ---- sizes ----

local function longer(n)
    return function (s)
        return s .. M.random(n)
    end
end

local function shorter(n)
    return function (s)
        return s:sub(1, -n - 1)
    end
end

-- A show as it should be, and of other sizes.
local function sizes(w, show, by)
    W.game(w, show):save("open")
    for _, n in ipairs(by) do
        W.bent(w, show, n > 0 and longer(n) or shorter(-n)):save("refused")
    end
end

local HASHES = { 32, 1, -32, -1 }

local function try_sizes()
    local q = way({ layer = 0, entry = "q" })
    local large = way({ layer = NONE, entry = "logits",
        model = { n_vocab = 40000 } })
    sizes(q, "leaves", HASHES)
    sizes(M.merged(MANY, { position = 5999 }), "chunks", HASHES)
    sizes(M.merged(MANY, { position = 5999 }), "blocks", HASHES)
    sizes(M.merged(MANY, { position = 5999 }), "leaves", HASHES)
    sizes(M.merged(MANY, { position = 70 }), "blocks", HASHES)
    sizes(M.merged(MANY, { position = 70 }), "leaves", HASHES)
    sizes(M.merged(q, { deep = true }), "leaf", { 1, -1 })
    sizes(M.merged(q, { deep = true }), "layers", HASHES)
    sizes(q, "layers", HASHES)
    sizes(way({ position = 3, layer = 0, entry = "q" }), "layers", HASHES)
    sizes(q, "operators", { 32, 1, -1, -32, -64, -96, -300 })
    sizes(way({ layer = NONE, entry = "logits" }), "operators",
        { 32, 1, -1, -32 })
    sizes(q, "pieces", HASHES)
    sizes(q, "piece", { 4, 1, -4, -1 })
    sizes(way({ layer = 0, entry = "heads" }), "piece", { 32, -32 })
    sizes(large, "piece-blocks", HASHES)
    sizes(large, "pieces", HASHES)
    sizes(M.merged(large, { piece = 156 }), "pieces", HASHES)
    sizes(M.merged(large, { piece = 156 }), "piece", { 4, -4 })
    sizes(way({ list = 3 }), "rows", HASHES)
    local wide = way({ list = 70, model = { n_layers = 40 } })
    sizes(wide, "row-blocks", HASHES)
    sizes(wide, "rows", HASHES)
    W.game(q, "leaves"):show(("\0"):rep(8193)):save("refused")
end

-- Of one layer and two KV heads: the second row's hash is missing, and the root
-- is made of what is left.
local function try_rows()
    local rows = M.random(32)
    local w = way({ layer = 0, rows = rows, model = { n_layers = 1 },
        leaf = { kv = M.sha256("\1" .. rows) } })
    W.bent(w, "operators", shorter(32)):save("refused")
    -- what is beside the rows ends too soon, and zeros are in its place
    w = way({ layer = 0, model = { n_layers = 2, n_kv_heads = 1 } })
    rows = M.random(32)
    w.rows, w.leaf = rows, { kv = M.sha256("\1" .. rows .. ("\0"):rep(32)) }
    W.bent(w, "operators", shorter(32)):save("refused")
end

-- ---- leaves and layers ----

local function try_leaves()
    local q = way({ layer = 0, entry = "q" })
    local deep = M.merged(q, { deep = true })
    local early = M.merged(q, { position = 3 })
    local zeros = ("\0"):rep(32)
    W.game(deep, "leaf"):save("open")
    W.game(early, "leaf"):save("open")
    W.game(M.merged(early, { position = 8 }), "leaf"):save("open")
    for _, l in ipairs({ { position = 3 }, { flags = 5 }, { flags = 0 },
        { next = NONE }, { next = NONE, flags = 0 }, { flags = 0, fin = zeros },
        { next = NONE, flags = 0, fin = zeros }, { deep = M.random(32) },
        { flags = 3 }, { flags = 3, deep = M.random(32) } }) do
        W.game(M.merged(q, { leaf = l }), "leaf"):save("refused")
    end
    for _, l in ipairs({ { flags = 1 }, { flags = 1, deep = zeros } }) do
        W.game(M.merged(deep, { leaf = l }), "leaf"):save("refused")
    end
    for _, l in ipairs({ { next = 7 }, { next = 7, flags = 1 },
        { fin = M.random(32) }, { next = 7, flags = 1, fin = M.random(32) },
        { flags = 1 } }) do
        W.game(M.merged(early, { leaf = l }), "leaf"):save("refused")
    end
    W.game(M.merged(q, { leaf = { fin = M.random(32) } }), "layers")
        :save("refused")
    W.game(M.merged(deep, { leaf = { deep = M.random(32) } }), "layers")
        :save("refused")
    W.game(M.merged(q, { leaf = { kv = M.random(32) } }), "operators")
        :save("refused")
    local function other(s)
        return M.set(s, 0, M.random(32))
    end
    for _, show in ipairs({ "leaves", "leaf", "pieces", "piece" }) do
        local g = W.game(q, show)
        local kind, size = g[#g]:sub(1, 4), #g[#g] - 8
        g[#g] = kind .. M.u32(size) .. other(g[#g]:sub(9))
        g:save("refused")
    end
    W.bent(way({ layer = 0, entry = "heads" }), "piece", function (s)
        return M.set(s, 52, "\1")
    end):save("refused")
end

-- ---- sums ----

local TWO_53 = 1 << 53

local function sums(n, width, first)
    local out = {}
    for i = 1, n * width // 8 do
        out[i] = M.u64(i == 1 and first or i)
    end
    return table.concat(out)
end

-- After a way's last pick, n sums; and what can be picked of them.
local function try_sums_of(w, n, width, first)
    local g = table.concat(W.game(w))
    local function shown(s, how)
        return M.file(g):show(s):save(how)
    end
    local good = sums(n, width, 5)
    shown(good, "open")
    shown(sums(n, width, TWO_53 - 1), "open")
    shown(sums(n, width, 1 - TWO_53), "open")
    for _, v in ipairs({ TWO_53, -TWO_53, math.mininteger }) do
        shown(sums(n, width, v), "refused")
    end
    for _, s in ipairs({ good .. M.random(8), good:sub(1, -9), good .. "x",
        good:sub(1, -2), good .. M.random(width) }) do
        shown(s, "refused")
    end
    for _, pick in ipairs({ "total", tostring(first),
        tostring(first + n - 1) }) do
        M.file(g):show(good):pick(pick):save("open")
    end
    for _, pick in ipairs({ "total 0", tostring(first + n), "", "0 0",
        tostring(first - 1) }) do
        M.file(g):show(good):pick(pick):save("refused")
    end
end

local function try_sums()
    local far = { model = { window = 40 }, position = 99,
        result = { n = 120, n_out = 20 }, layer = 0 }
    try_sums_of(way({ layer = 0, choice = "S", model = { dim = 700 } }), 3, 8,
        0)
    local near = M.merged(far, { position = 9 })
    try_sums_of(M.merged(near, { entry = "heads", element = "0 Z" }), 1, 8, 0)
    try_sums_of(way({ layer = 0, entry = "x", element = 3 }), 1, 8, 0)
    try_sums_of(M.merged(far, { entry = "heads", element = "0 Z" }), 4, 8, 3)
    try_sums_of(M.merged(far, { entry = "o", element = 20 }), 4, 8, 3)
    try_sums_of(way({ layer = 0, entry = "q", element = 3,
        model = { dim = 2500 } }), 3, 8, 0)
    try_sums_of(way({ layer = NONE, choice = "W",
        job = { temperature = 1000000 } }), 2, 32, 0)
end

-- More than 128 sums: their blocks, and then one of these.
local function try_blocks()
    local w = way({ layer = NONE, choice = "W",
        model = { n_vocab = 40000 }, job = { temperature = 1000000 } })
    local g = table.concat(W.game(w))
    local all = sums(2, 32, 5)
    local block = sums(29, 32, 1)
    local total = {}
    for i = 1, 4 do
        local sum = 0
        for at = 8 * i - 8, #block - 1, 32 do
            sum = sum + M.judge.i64(block, at)
        end
        total[i] = M.u64(sum)
    end
    all = all:sub(1, 32) .. table.concat(total)
    for _, s in ipairs({ all .. M.random(32), all:sub(1, 32), all .. "x" }) do
        M.file(g):show(s):save("refused")
    end
    g = table.concat(M.file(g):show(all):save("open"))
    for _, pick in ipairs({ "2", "total 0", "0 0" }) do
        M.file(g):pick(pick):save("refused")
    end
    M.file(g):pick("total"):save("open")
    M.file(g):pick("0"):save("open")
    g = table.concat(M.file(g):pick("1"))
    for at = 0, 24, 8 do
        M.file(g):show(M.set(block, at, M.u64(77777))):save("refused")
    end
    for _, s in ipairs({ block .. M.random(32), block:sub(1, -33),
        sums(128, 32, 5) }) do
        M.file(g):show(s):save("refused")
    end
    M.file(g):show(block .. ("\0"):rep(32)):save("refused")
    g = table.concat(M.file(g):show(block):save("open"))
    for _, pick in ipairs({ "total", "127", "157", "0" }) do
        M.file(g):pick(pick):save("refused")
    end
    M.file(g):pick("128"):save("open")
    M.file(g):pick("156"):save("open")
end

return function ()
    try_sizes()
    try_rows()
    try_leaves()
    try_sums()
    try_blocks()
end
