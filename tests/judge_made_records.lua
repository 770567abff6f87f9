-- Records: of which answers a dispute is judged, statement 0, picks of an
-- answer, moves that are not due, and results of a file of requests.
local M = require("judge_made")

-- ---- answers ----

local function games(how, pick, list)
    for _, t in ipairs(list) do
        M.game(t):pick(pick):save(how)
    end
end

local function try_forms()
    local other = M.random(32)
    for _, t in ipairs({ { result = { magic = "apusres2" } },
        { job = { magic = "apusjob2" } }, { model = { magic = "apusmdl2" } },
        { job = { zero = 1 } }, { model = { zero = 1 } },
        { result = { zeros = ("\0"):rep(19) .. "\1" } },
        { result = { finish = 17, zeros = "\1" .. ("\0"):rep(19) } },
        { result = { job = other } }, { result = { model = other } } }) do
        M.game(t):save("refused")
    end
    for _, result in ipairs({ { finish = 4 }, { finish = 17 },
        { finish = 16 }, { finish = 16, zeros = M.random(20) } }) do
        M.game({ result = result }):save("unjudged")
    end
    local records = M.records({})
    M.file("apusdis1" .. other):show(records):save("refused")
    M.file("apusdis3" .. M.sha256(records)):show(records):save("refused")
end

local function both(field, v)
    return { job = { [field] = v }, result = { [field] = v } }
end

local function try_job()
    games("holds", "job", { {}, { result = { level = 1 } },
        { result = { finish = 0 } }, { result = { finish = 3 } },
        { job = { n_stops = 1 }, result = { finish = 2 } },
        { job = { n_stops = 16 } }, both("choice", 1),
        { job = { temperature = 10000 } },
        { job = { temperature = 100000000 } },
        { job = { top_p = 1 } }, { job = { flags = 0 } },
        { job = { n_prompt = 1 }, result = { n = 20 } },
        { job = { max_tokens = 1 }, result = { n_out = 1, n = 10 } },
        { model = { context = 29 } } })
    games("fault", "job", { { result = { n_out = 19, n = 28 } },
        { result = { finish = 2 } }, { job = { model = M.random(32) } },
        { job = { numerics = 2 } }, { job = { choice = 1 } },
        { result = { choice = 1 } }, { result = { level = 2 } },
        { job = { n_prompt = 0 }, result = { n = 19 } },
        { result = { n_out = 0, n = 9, finish = 0 } },
        { result = { n_out = 21, n = 30, finish = 0 } },
        { result = { n = 28 } }, { result = { n = 30 } },
        { model = { context = 28 } }, { job = { temperature = 9999 } },
        { job = { temperature = 100000001 } }, { job = { top_p = 0 } },
        { job = { top_p = 1000001 } }, { job = { flags = 2 } },
        { job = { n_stops = 17 } } })
end

local function try_picks()
    games("refused", "trace", { { result = { n = 0, n_out = 0 } },
        { result = { n_out = 0 } }, { result = { n = 19 } },
        { model = { context = 28 } }, { result = { n = 0 } } })
    games("open", "trace", { {}, { result = { n = 20 } },
        { model = { context = 29 } } })
    for _, pick in ipairs({ "", "job ", "job job", "jobs", "trace trace",
        "order", "finish", "finish 20", "finish 0 0", "finish 00", "finish x",
        "finish -1", "finish 4294967296", "stop 0", "start 0", "finish 1 2 3 4",
        ("trace"):rep(13), "job\0" }) do
        M.game({}):pick(pick):save("refused")
    end
    for _, pick in ipairs({ "finish 0", "finish 19" }) do
        M.game({}):pick(pick):save("open")
    end
    games("open", "stop 19", { { job = { n_stops = 1 } },
        { job = { n_stops = 16 } } })
    for _, pick in ipairs({ "stop 20", "stop", "stop 1 1", "stops 1" }) do
        M.game({ job = { n_stops = 1 } }):pick(pick):save("refused")
    end
    games("refused", "stop 1", { { job = { n_stops = 17 } } })
    games("refused", "order", { {} })
    M.game({ job = { n_stops = 1, stops = M.leaf("a") } }):pick("stop 0")
        :show(M.u32(1) .. "a"):save("refused") -- without a number of texts
end

-- ---- moves of a file ----

local function try_moves()
    local g = M.game({})
    local s = table.concat(g)
    for _, cut in ipairs({ 1, 616, 620 }) do
        M.file(s:sub(1, -cut - 1)):save("refused")
    end
    M.file(s .. M.u32(2) .. M.u32(4) .. "job"):save("refused")
    M.file(s .. M.u32(4) .. M.u32(3) .. "job"):save("refused")
    M.file(s .. M.u32(0) .. M.u32(3) .. "job"):save("refused")
    M.file(s .. M.u32(2) .. "job"):save("refused")
    M.file(s:sub(1, 39)):save("refused")
    M.file(s:sub(1, 40)):save("open")
    -- moves that are not due
    M.file(s):show("x"):save("refused")
    M.file(s):show(M.records({})):save("refused")
    M.file(s):prove("x"):save("refused")
    M.file(s:sub(1, 40)):pick("job"):save("refused")
    M.file(s):pick("job"):pick("job"):save("refused")
    M.file(s):pick("trace"):pick("0"):save("refused")
    M.file(s):pick("finish 0"):show("x"):save("refused")
    M.file(s):pick("finish 0"):prove(("\0"):rep(65537)):save("refused")
end

-- ---- results of a file ----

local SHA = ("sha256"):rep(6):sub(1, 32)

local function request(line)
    return M.sha256("apusline" .. SHA .. M.u64(line))
end

-- A game that begins with result `index` of a file; t.line is its line, t.more
-- follows its path.
local function filed(t)
    t = M.merged({ lines = 5, index = 1, count = 3, line = 4 }, t)
    local r = M.merged({ request = request(t.line) }, t.result)
    local records = M.records({ result = r, model = t.model })
    local root, path = M.climb(M.leaf(records:sub(1, 240)), t.index, t.count)
    local head = "apusdis2" .. (t.root or root) .. (t.asked or
        records:sub(73, 104)) .. SHA .. M.u32(t.lines) .. M.u32(t.index) ..
        M.u32(t.count)
    return M.file(head):show(t.show or
        records .. M.u64(t.line) .. path .. (t.more or ""))
end

local function try_lines()
    for _, t in ipairs({ {}, { index = 0 }, { index = 2 }, { index = 0,
        count = 1 }, { index = 7, count = 4294967295 } }) do
        filed(t):save("open")
    end
    for _, t in ipairs({ { line = 5 }, { line = 4 + (1 << 32) }, { more = "x" },
        { more = M.random(32) }, { more = M.random(2048) },
        { result = { request = request(3) } }, { asked = M.random(32) },
        { root = M.random(32) }, { result = { magic = "apusres2" } },
        { index = 3 } }) do
        filed(t):save("refused")
    end
    -- roots that follow from a path which is longer, or shorter
    local line = M.records({ result = { request = request(4) } })
    local leaf, beside = M.leaf(line:sub(1, 240)), M.random(32)
    filed({ root = leaf, index = 0, show = line .. M.u64(4) })
        :save("refused")
    filed({ root = M.sha256("\1" .. beside .. leaf), index = 0, count = 1,
        show = line .. M.u64(4) .. beside }):save("refused")
    filed({ result = { finish = 16 } }):save("unjudged")
    filed({ model = { flags = 32 } }):save("unjudged")
    -- too short for its line, in a file of one result
    local t = { index = 0, count = 1, line = 0 }
    local whole = table.concat(filed(t))
    for _, cut in ipairs({ 1, 4, 8, 9 }) do
        local s = whole:sub(1, -cut - 1)
        M.file(M.set(s, 120, M.u32(#s - 124))):save("refused")
    end
    M.file(whole:sub(1, 115)):save("refused")
    filed({}):pick("order"):save("open")
    filed({ index = 2 }):pick("order"):save("refused")
    filed({}):pick("order x"):save("refused")
end

-- The first of two results, and a show of the second one.
local function after(how, a, b, change)
    local first = M.records({ result = a })
    local second = M.records({ result = b }):sub(1, 240)
    second = change and change(second) or second
    local one, two = M.leaf(first:sub(1, 240)), M.leaf(second)
    local root = M.sha256("\1" .. one .. two)
    M.file("apusdis2" .. root .. first:sub(73, 104) .. SHA .. M.u32(9) ..
        M.u32(0) .. M.u32(2)):show(first .. M.u64(0) .. two):pick("order")
        :show(second .. one .. (a.more or "")):save(how)
end

local function try_order()
    local a = request(0)
    local low, high = M.set(a, 31, "\0"), M.set(a, 31, "\255")
    local function first(choice, more)
        return { request = a, choice = choice, more = more }
    end
    after("holds", first(0), { request = high })
    after("fault", first(0), { request = low })
    after("holds", first(0), { request = "\255" .. low:sub(2) })
    after("fault", first(0), { request = "\0" .. high:sub(2) })
    after("holds", first(1), { request = a, choice = 2 })
    after("fault", first(1), { request = a, choice = 1 })
    after("fault", first(1), { request = a, choice = 0 })
    after("fault", first(0), { request = low, choice = 1 })
    after("refused", first(0, "x"), { request = high })
    after("refused", first(0, M.random(32)), { request = high })
    after("refused", first(0), { request = high, magic = "apusres2" })
    after("refused", first(0), { request = high }, function (s)
        return s:sub(1, 200)
    end)
end

return function ()
    try_forms()
    try_job()
    try_picks()
    try_moves()
    try_lines()
    try_order()
end
