-- Proofs of what no node answers: ends of an answer, and draws of which one
-- number is wrong.
local M = require("judge_made")
local W = require("judge_made_way")
local judge, NONE = M.judge, M.NONE
local ROLES = judge.ROLES

-- ---- statement 1 ----

-- Output id number i of an answer, and the leaf that drew it.
local function try_id(how, t, i, id, leaf)
    local l = M.merged({ next = id, flags = 1, fin = M.random(32),
        deep = ("\0"):rep(32) }, leaf)
    local r = judge.records(M.records(t))
    local position = r.n - r.n_out + i
    local ids = M.set(M.random(4 * r.n_out), 4 * i, M.u32(id))
    local bytes = M.u32(position) .. M.u32(5) .. M.u32(l.next) ..
        M.u32(l.flags) .. M.random(32) .. l.fin .. l.deep
    local trace, path = M.climb(M.leaf(bytes), position, r.n)
    t = M.merged(t, { result = M.merged(t.result or {}, { trace = trace,
        output = M.leaf(ids:sub(1, l.ids or -1)) }) })
    local proof = M.proof({ code = 1, position = position, layer = NONE,
        head = NONE, index = i, part = NONE }, { { ROLES.output, 0, ids },
        { ROLES.leaf, position, bytes, path } })
    M.game(t):pick("finish " .. i):prove(proof:sub(1, l.size or -1)):save(how)
end

local function ends(finish, more)
    return M.merged({ job = { flags = 0 }, result = { finish = finish } },
        more)
end

local function try_ends()
    local early = { job = { flags = 0, max_tokens = 21 } }
    local full = M.merged(early, { model = { context = 29 } })
    local zeros = ("\0"):rep(32)
    try_id("holds", ends(1), 3, 7)
    try_id("fault", ends(1), 3, 7, { next = 8 })
    try_id("fault", ends(1), 3, 2)
    try_id("holds", {}, 3, 2) -- which ends nothing
    try_id("holds", ends(0), 19, 2)
    try_id("fault", ends(0), 19, 7)
    try_id("fault", { result = { finish = 0 } }, 19, 2)
    try_id("holds", ends(2), 19, 7)
    try_id("fault", ends(2), 19, 2)
    try_id("holds", ends(1), 19, 7)
    try_id("fault", ends(1), 19, 2)
    try_id("fault", ends(1, early), 19, 7)
    try_id("holds", ends(3, full), 19, 7)
    try_id("fault", ends(3, full), 19, 2)
    try_id("fault", ends(3, early), 19, 7)
    try_id("fault", ends(3, { model = { context = 29 } }), 19, 7)
    try_id("holds", ends(1, { model = { n_eos = 0, eos = {} } }), 3, 2)
    try_id("fault", ends(1, { model = { n_eos = 2, eos = { 9, 2 } } }), 3, 2)
    try_id("holds", ends(0), 3, 7)
    for _, size in ipairs({ 31, 33, 35, 36, 46, 55, 100, 135, 137, 150 }) do
        try_id("refused", {}, 19, 7, { size = size })
    end
    try_id("refused", {}, 19, 7, { ids = 78, size = 134 })
    -- leaves that no node has
    try_id("fault", {}, 3, 7, { flags = 5 })
    try_id("fault", {}, 3, 7, { flags = 0, fin = zeros })
    try_id("fault", {}, 3, NONE, { flags = 0 })
    try_id("fault", {}, 3, NONE, { flags = 1 })
    try_id("fault", {}, 3, 7, { deep = M.random(32) })
    try_id("holds", {}, 3, 7, { flags = 3, deep = M.random(32) })
end

-- ---- statement 16 ----

local N, BEST, NEXT = 200, 10, 20
local LOGITS = M.set(M.set(("\0"):rep(4 * N), 4 * BEST, M.u32(0x3f800000)),
    4 * NEXT, M.u32(0x3f000000))

-- Return the value of a local of a function, or of one that it calls.
local function local_of(f, name)
    for i = 1, 20 do
        local key, v = debug.getupvalue(f, i)
        if key == name then
            return v
        elseif type(v) == "function" and key ~= "statements" then
            v = local_of(v, name)
            if v then
                return v
            end
        end
    end
end

local draw_bits = local_of(judge.statements[16], "draw_bits")

-- The weight of a token at temperature 1.
local function weight(id)
    return judge.draw_weight(judge.float(judge.u32(LOGITS, 4 * id)), 1.0, 1.0)
end

-- The total of a draw.  c has claims of the table that are not as they follow,
-- and sums that are not; opened ids are those that the judge looks at.
local function try_total(how, job, c, opened)
    job = M.merged({ temperature = 1000000 }, job)
    local model = { n_vocab = N }
    local _, j = judge.records(M.records({ job = job, model = model }))
    local bits = draw_bits(j, 29)
    local k = M.merged({ mx = 0x3f800000, wk = 0, idk = N - 1, wp = 0,
        idp = N - 1, W = 1 << 40, kept = 5, next = NEXT }, c)
    k.p = c["W'"] or k.W
    k.draw = c.draw or k.p ~= 0 and bits % k.p or 0
    k.before = c.before or k.draw + (c.add or 0)
    local w = W.game({ layer = NONE, choice = "W", job = job, model = model,
        leaf = { next = k.next }, roots = { logits = M.leaf(LOGITS) },
        scalars = { mx = k.mx, wk = k.wk, idk = k.idk, wp = k.wp, idp = k.idp,
        W = k.W, ["W'"] = k.p, draw = k.draw, before = k.before } })
    local openings = {}
    for i = 1, opened do
        openings[i] = { 16 + judge.entries.logits.number, 0, LOGITS }
    end
    w:show(M.u64(k.kept) .. M.u64(k.sum or k.W) .. M.u64(k.sum_p or k.p) ..
        M.u64(k.sum_before or k.before)):pick("total"):prove(M.proof({
        code = 16, position = 28, layer = NONE, head = NONE, index = NONE,
        part = NONE }, openings)):save(how)
end

local function try_whole()
    local w = weight(NEXT)
    try_total("holds", {}, {}, 1)
    try_total("holds", { top_k = N }, {}, 1)
    try_total("holds", {}, { add = 1 - w }, 1)
    try_total("holds", {}, { W = 1, before = 0 }, 1)
    for _, c in ipairs({ { add = 1 }, { add = -w }, { sum = 1 }, { sum_p = 1 },
        { sum_before = 1 }, { draw = 1 }, { draw = 7, before = 7 },
        { wk = 1, wp = 1 }, { idk = N - 2, idp = N - 2 }, { wp = 1 },
        { idp = N - 2 }, { W = 1, before = -1 },
        { ["W'"] = 1 << 41, sum_p = 1 << 40 } }) do
        try_total("fault", {}, c, 1)
    end
    for _, c in ipairs({ { W = -1, ["W'"] = 5 }, { W = 1 << 53, ["W'"] = 5,
        sum = 0 }, { ["W'"] = 0, before = 0 }, { ["W'"] = -5, before = 0 },
        { ["W'"] = 1 << 53, sum_p = 0 } }) do
        try_total("fault", {}, c, 0)
        try_total("refused", {}, c, 1)
    end
    try_total("fault", {}, { next = N }, 0)
end

local function try_cuts()
    local best, w, low = weight(BEST), weight(NEXT), weight(0)
    local k = { top_k = 5 }
    local at = { wk = w, idk = NEXT, wp = w, idp = NEXT }
    local function claim(c)
        return M.merged(at, c)
    end
    try_total("holds", k, at, 2)
    try_total("holds", k, claim({ next = BEST, W = best }), 2)
    try_total("fault", k, claim({ kept = 6 }), 2)
    try_total("fault", k, claim({ kept = 4 }), 2)
    try_total("fault", k, claim({ wk = w - 1, wp = w - 1 }), 2)
    try_total("fault", k, claim({ next = 0 }), 2) -- which is not kept
    try_total("fault", k, claim({ idk = N, idp = N }), 1)
    local p = { top_p = 500000 }
    at = { wk = 0, idk = N - 1, wp = w, idp = NEXT, W = 3 * w, next = NEXT,
        ["W'"] = 2 * w }
    local enough = (at.W + 1) // 2
    try_total("holds", p, at, 2)
    try_total("holds", p, claim({ ["W'"] = enough }), 2)
    try_total("holds", p, claim({ ["W'"] = enough + w - 1 }), 2)
    try_total("fault", p, claim({ ["W'"] = enough - 1 }), 2)
    try_total("fault", p, claim({ ["W'"] = enough + w }), 2)
    try_total("fault", p, claim({ wp = w + 1, next = BEST }), 2)
    try_total("fault", p, claim({ W = 2, ["W'"] = w - 1 }), 2)
    try_total("fault", p, claim({ wk = 1 }), 2)
    try_total("fault", p, claim({ idk = N - 2 }), 2)
    try_total("fault", p, claim({ next = 0 }), 2)
    try_total("fault", p, claim({ idp = N }), 1)
    -- the token of top_p is not among those of top_k
    try_total("fault", { top_k = 1, top_p = 500000 }, claim({ wk = best,
        idk = BEST, kept = 1 }), 3)
    try_total("holds", { top_k = 5, top_p = 500000 }, claim({ wk = low,
        idk = 3, kept = 5 }), 3)
    try_total("fault", { top_k = 5, top_p = 500000 }, claim({ wk = low,
        idk = 3, kept = 6 }), 3)
end

return function ()
    try_ends()
    try_whole()
    try_cuts()
end
