-- Proofs about rows of made-up numbers, each of which one check decides alone:
-- statements 3, 4, 5, 7 and 15, and terms of 16.
local M = require("judge_made")
local W = require("judge_made_way")
local judge, NONE = M.judge, M.NONE
local ONE, HALF = 0x3f800000, 0x3f000000

-- A float that is a power of two, or its opposite: its bits.
local function power(e, negative)
    return (e + 127 << 23) + (negative and 1 << 31 or 0)
end

-- A row of n floats, all 0 but those given by index.
local function row(n, bits)
    local s = ("\0"):rep(4 * n)
    for i, v in pairs(bits) do
        s = M.set(s, 4 * i, M.u32(v))
    end
    return s
end

local function opening(entry, s)
    return { 16 + judge.entries[entry].number, 0, s }
end

-- Go a way and end with a proof of these openings.
local function prove(how, w, code, openings, place, sums)
    local g = W.game(w)
    if sums then
        g:show(sums):pick(w.last)
    end
    g:prove(M.proof(M.merged({ code = code, position = w.position or 28,
        layer = w.layer, head = NONE, index = NONE, part = NONE }, place),
        openings)):save(how)
end

-- ---- maxima: statement 3 ----

local function maximum(how, e, bits, more)
    local s = row(64, bits)
    local w = M.merged({ layer = 0, choice = "eo", roots = { o = M.leaf(s) },
        scalars = { eo = e, wo = 3 } }, more)
    prove(how, w, 3, { opening("o", s) }, { index = more and more.index or
        NONE })
end

local function try_maxima()
    local exceeds = { choice = "eo 5", index = 5 }
    local a8 = M.merged(exceeds, { model = { flags = 8 } })
    local scale = judge.bits(judge.a8_scale(1.0))
    maximum("holds", 1, { [3] = ONE })
    maximum("fault", 2, { [3] = ONE })
    maximum("holds", 1, { [5] = ONE }, exceeds)
    maximum("fault", 0, { [5] = ONE }, exceeds)
    maximum("fault", 41, { [5] = power(40) }, exceeds)
    maximum("fault", 41, { [5] = power(40, true) }, exceeds)
    maximum("fault", 42, { [5] = power(41) }, exceeds)
    maximum("holds", scale, { [5] = ONE }, a8)
    maximum("fault", scale - 1, { [5] = ONE }, a8)
    maximum("holds", scale, { [3] = ONE }, { model = { flags = 8 } })
    maximum("fault", scale + 1, { [3] = ONE }, { model = { flags = 8 } })
end

-- A product of gate and up at 2^41 or more, and its exponent.
local function try_gated()
    for i, up in ipairs({ power(18), power(20), power(20, true) }) do
        local g, u = row(128, { [3] = power(21) }), row(128, { [3] = up })
        prove(i == 1 and "holds" or "fault", { layer = 0, choice = "eh",
            roots = { g = M.leaf(g), u = M.leaf(u) }, scalars = {
            eh = i == 1 and 40 or 42, wh = 3 } }, 3, { opening("g", g),
            opening("u", u) })
    end
end

-- ---- sums of squares: statement 4 ----

local function try_squares()
    local model = { dim = 300, n_layers = 2 }
    for e = 0, 1 do
        local x = row(300, { [0] = ONE })
        local first = x:sub(1, 1024)
        local h = { M.leaf(first), M.leaf(x:sub(1025)) }
        prove(e == 1 and "holds" or "fault", { layer = 0, choice = "S",
            model = model, last = "0",
            scalars = { ex = e }, x = M.sha256("\1" .. h[1] .. h[2]) }, 4,
            { { 16 + judge.entries.x.number, 0, first, h[2] } }, { part = 0 },
            M.u64(1 << 28 - 2 * e) .. M.u64(0))
    end
    for _, squares in ipairs({ 5, -1, 1 << 53 }) do
        local inv = judge.inv(squares, 1, 64, judge.float(0x3727c5ac))
        prove(squares == 5 and "holds" or "fault", { layer = 0,
            choice = "inv", scalars = { ex = 1, S = squares,
            inv = judge.bits(inv) } }, 4, {})
    end
end

-- ---- dot products: statement 7 ----

-- The first 1024 of 1500 products, all 0: a piece of weights, two of a.
local function try_dot()
    local zeros, a = ("\0"):rep(1024), {}
    for i, size in ipairs({ 1024, 1024, 952 }) do
        a[i] = M.leaf(("\0"):rep(size))
    end
    local weights, w_path = M.blob(zeros, 0, 1500)
    local scale = M.u32(ONE) .. weights
    local root, s_path = M.climb(M.leaf(scale), 3, 64)
    local record = M.u32(2) .. M.u32(64) .. M.u32(1500) .. M.u32(0) .. root
    local tensors, t_path = M.climb(M.leaf(record), judge.tensor(0, 1), 32)
    local role = 16 + judge.entries.a.number
    for sum = 0, 1 do
        prove(sum == 0 and "holds" or "fault", { layer = 0, entry = "q",
            element = 3, model = { dim = 1500, tensors = tensors }, last = "0",
            roots = { a = M.sha256("\1" .. M.sha256("\1" .. a[1] .. a[2]) ..
            a[3]) } }, 7, { { judge.ROLES.tensor, 5, record, t_path },
            { judge.ROLES.scale, 3, scale, s_path },
            { judge.ROLES.weights, 0, zeros, w_path },
            { role, 0, zeros, a[2] .. a[3] }, { role, 1, zeros, a[1] ..
            a[3] } }, { index = 3, part = 0 }, M.u64(sum) .. M.u64(0))
    end
end

-- ---- quantised rows: statement 5 ----

local function quantised(how, flags, e, bits, shown)
    local s = row(64, bits)
    local a8 = flags ~= 0
    local w = { layer = 0, entry = "b", element = 5, model = { flags = flags },
        roots = { o = M.leaf(s) }, scalars = { eo = e, wo = 3 },
        content = M.set(("\0"):rep(a8 and 64 or 128), a8 and 5 or 10,
        string.pack(a8 and "<i1" or "<i2", shown)) }
    prove(how, w, 5, a8 and { opening("o", s), opening("o", s) } or
        { opening("o", s) }, { index = 5 })
end

local function try_quantised()
    local more = ONE + 0x2000 -- 1 + 2^-10
    quantised("holds", 0, 1, { [5] = HALF }, 4096)
    quantised("fault", 0, 1, { [5] = HALF }, 4097)
    quantised("fault", 0, 0, { [5] = ONE }, 16384)
    quantised("holds", 8, 0, { [3] = ONE, [5] = ONE }, 127)
    quantised("holds", 8, 0, { [3] = ONE, [5] = ONE + (1 << 31) }, -127)
    quantised("fault", 8, 0, { [3] = ONE, [5] = more }, 127)
    quantised("fault", 8, 0, { [3] = ONE, [5] = more + (1 << 31) }, -127)
    quantised("holds", 16, 0, { [3] = more + (1 << 31), [5] = more }, 127)
end

-- ---- greedy: statement 15 ----

local function greedy(how, choice, mx, wmx, bits, more)
    local s = row(200, bits or {})
    prove(how, M.merged({ layer = NONE, choice = choice,
        model = { n_vocab = 200 }, roots = { logits = M.leaf(s) },
        scalars = { mx = mx, wmx = wmx } }, more), 15,
        bits and { opening("logits", s) } or {},
        { index = tonumber(choice:match("%d+")) or NONE })
end

local function try_greedy()
    local drawn = { job = { temperature = 1000000 } }
    local best = { [20] = ONE }
    greedy("holds", "wmx", ONE, 7)
    greedy("fault", "wmx", ONE, 8)
    greedy("holds", "wmx", ONE, 8, nil, drawn)
    greedy("holds", "mx", ONE, 20, best)
    greedy("fault", "mx", ONE + 1, 20, best)
    greedy("holds", "mx 30", ONE, 20, { [30] = HALF })
    greedy("holds", "mx 30", ONE, 20, { [30] = ONE })
    greedy("holds", "mx 20", ONE, 20, best)
    greedy("fault", "mx 10", ONE, 20, { [10] = ONE })
    greedy("fault", "mx 30", ONE, 20, { [30] = ONE + 1 })
    greedy("holds", "mx 30", ONE, 20, { [30] = power(40, true) })
    greedy("fault", "mx 30", ONE, 20, { [30] = power(41, true) })
    greedy("fault", "mx 30", power(41), 20, { [30] = ONE })
end

-- ---- terms of a draw: statement 16 ----

-- Of three likely tokens the last one is past the cut of top_k, and the second
-- past that of top_p.
local function try_terms()
    local s = row(200, { [10] = ONE, [20] = HALF, [30] = HALF })
    local best = judge.draw_weight(1.0, 1.0, 1.0)
    local w = judge.draw_weight(0.5, 1.0, 1.0)
    local right = { 2, best + w, best, best }
    local way = { layer = NONE, choice = "W", last = "0",
        model = { n_vocab = 200 }, job = { temperature = 1000000 },
        leaf = { next = 20 }, roots = { logits = M.leaf(s) },
        scalars = { mx = ONE, wk = w, idk = 20, wp = best, idp = 10 } }
    for wrong = 0, 4 do
        local sums = {}
        for i, v in ipairs(right) do
            sums[i] = M.u64(i == wrong and v + 1 or v)
        end
        prove(wrong == 0 and "holds" or "fault", way, 16,
            { opening("logits", s) }, { part = 0 }, table.concat(sums))
    end
end

return function ()
    try_maxima()
    try_gated()
    try_squares()
    try_dot()
    try_quantised()
    try_greedy()
    try_terms()
end
