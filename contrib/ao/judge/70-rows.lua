local lib = ApusQueue
local judge = lib.judge
local u32, NONE, bits, committed = judge.u32, judge.NONE, judge.bits,
    judge.committed
local ROLES, ROW = judge.ROLES, 2.0 ^ 41
local EMBED = 0

-- ---- statements about rows and linears: 1 to 7, 15, 18 ----
-- Each function returns whether the claim holds.

local statements = {}
judge.statements = statements

local function below_2_40(v)
    return v < 2.0 ^ 40 and -v < 2.0 ^ 40
end
judge.below_2_40 = below_2_40

-- Open id i of a blob of n ids.
local function id_of(p, role, root, n, i)
    return u32(judge.open_bytes(p, role, root, 4 * n, 4 * i, 4 * i + 4), 0)
end
judge.open_id = id_of

-- Return `next` of a leaf of the trace.
local function drawn_at(p, position)
    local c = p.c
    local s = judge.open_leaf(p, ROLES.leaf, position, c.r.n, 112, c.r.trace)
    if not judge.leaf_good(s) then
        p.fault = true
        return 0
    end
    return u32(s, 8)
end

local function ends_text(m, id)
    for i = 1, m.n_eos do
        if m.eos[i] == id then
            return true
        end
    end
    return false
end
judge.ends_text = ends_text

local function output_good(p, i)
    local c = p.c
    local r, j = c.r, c.j
    local id = id_of(p, ROLES.output, r.output, r.n_out, i)
    local next = drawn_at(p, c.state.place.position)
    local ends = j.flags % 2 == 0 and ends_text(c.m, id)
    if next ~= id then
        return false
    elseif i + 1 < r.n_out then
        return not ends
    elseif r.finish == 0 then
        return ends
    elseif r.finish == 2 then
        return not ends
    elseif r.finish == 1 then
        return not ends and r.n_out == j.max_tokens
    end
    return not ends and r.n_out < j.max_tokens and r.n == c.m.context
end

statements[1] = function (p)
    local c = p.c
    local place, t = c.state.place, c.state.place.position
    if place.index ~= NONE then
        return output_good(p, place.index)
    end
    local token = u32(c.state.leaf, 4)
    if t < c.j.n_prompt then
        return token == id_of(p, ROLES.prompt, c.j.prompt, c.j.n_prompt, t)
    end
    return token == drawn_at(p, t - 1)
end

-- Open up to 1024 weights of a row of `cols`.
local function weights(p, root, cols, piece)
    local from = 1024 * piece
    local to = cols - from < 1024 and cols or from + 1024
    return judge.open_bytes(p, ROLES.weights, root, cols, from, to), to - from
end

statements[2] = function (p)
    local c = p.c
    local i, token = c.state.element, u32(c.state.leaf, 4)
    if token >= c.m.n_vocab then
        p.fault = true
        return false
    end
    local scale, root = judge.scale(p, EMBED, c.m.n_vocab, token)
    local w = weights(p, root, c.m.dim, i // 1024)
    return bits(judge.f32((judge.i8(w, i % 1024) + 0.0) * scale)) ==
        judge.shown_element(c)
end

-- Return the witness of a maximum, which is the next entry.
local function witness(c, entry)
    local at = judge.offset(c.m, c.state.layer, judge.draws(c), entry)
    return u32(c.state.table, at + 4)
end

statements[3] = function (p)
    local c = p.c
    local entry, w = c.state.entry, c.state.place.index
    local e, a8 = judge.scalar(c, entry), judge.a8_row(c.m, entry)
    if w == NONE then
        w = witness(c, entry)
        if w >= judge.row_length(c.m, entry) then
            p.fault = true
            return false
        end
        local v = judge.source(p, entry, w)
        if a8 then
            return e == bits(judge.a8_scale(v))
        end
        return e == judge.exponent(v, -112) % 4294967296
    end
    local v = judge.source(p, entry, w)
    if not below_2_40(v) then
        return false
    elseif a8 then -- magnitudes compare like their bits
        return bits(judge.a8_scale(v)) <= e
    end
    return judge.exponent(v, -112) <= (e < 2147483648 and e or e - 4294967296)
end

statements[18] = function (p)
    local c = p.c
    local entry, v = c.state.entry, nil
    if judge.entries[entry].count then
        v = committed(p, judge.shown_element(c), 2.0 ^ 105)
    else
        v = judge.source(p, entry, c.state.place.index)
    end
    return below_2_40(v)
end

local NORMS = { S = { "ex", "S", "x" }, inv = { "ex", "S", "x" },
    S2 = { "ey", "S2", "y" }, inv2 = { "ey", "S2", "y" },
    Sf = { "ef", "Sf", "x" }, invf = { "ef", "Sf", "x" } }

statements[4] = function (p)
    local c = p.c
    local entry, term, n = c.state.entry, c.state.place.part, c.m.dim
    local norm = NORMS[entry]
    local e = judge.clamp(judge.scalar(c, norm[1]), -112)
    if entry:sub(1, 3) == "inv" then
        local squares = judge.scalar(c, norm[2])
        if squares < 0 or squares >= 9007199254740992 then
            p.fault = true
            return false
        end
        return bits(judge.inv(squares, e, n, judge.float(c.m.eps))) ==
            judge.scalar(c, entry)
    elseif term == NONE then
        return judge.shown_total(c) == judge.scalar(c, entry)
    end
    local from, sum = 256 * term, 0
    n = n - from < 256 and n - from or 256
    local s = judge.open_vector(p, norm[3], 4 * from, 4 * (from + n))
    for i = 0, n - 1 do
        local v = committed(p, u32(s, 4 * i), ROW)
        if judge.exponent(v, -112) > e then
            p.fault = true
        else
            local q = judge.a14(v, e)
            sum = sum + q * q
        end
    end
    return sum == judge.shown_term(c)
end

local EXPONENTS = { a = "ea", b = "eo", c = "ec", h = "eh", f = "en" }

statements[5] = function (p)
    local c = p.c
    local exponent = EXPONENTS[c.state.entry]
    local v = judge.source(p, exponent, c.state.element)
    local e = judge.clamp(judge.scalar(c, exponent), -112)
    if judge.a8_row(c.m, exponent) then
        local w = witness(c, exponent)
        if w >= judge.row_length(c.m, exponent) then
            p.fault = true
            return false
        end
        local most = judge.source(p, exponent, w)
        most = most < 0 and -most or most
        if v > most or -v > most then
            return false -- the witness is not the maximum
        end
        return judge.a8(v, most) == judge.shown_element(c)
    elseif judge.exponent(v, -112) > e then
        return false
    end
    return judge.a14(v, e) == judge.shown_element(c)
end

-- Return the tensor number of the matrix of a linear, and its rows.
local function matrix(c, linear)
    return judge.tensor(c.state.layer, linear.matrix),
        (judge.shape(c.m, c.state.entry))
end

statements[6] = function (p)
    local c, f32 = p.c, judge.f32
    local linear, i = judge.linears[c.state.entry], c.state.element
    local step = judge.scalar(c, linear.exponent)
    local acc = judge.shown_total(c)
    local tensor, rows = matrix(c, linear)
    local scale = judge.scale(p, tensor, rows, i)
    if judge.a8_row(c.m, linear.exponent) then
        step = committed(p, step, ROW)
    else
        step = judge.POW[judge.clamp(step, -112) - 14]
    end
    if acc >= 2 ^ 39 or acc <= -2 ^ 39 then
        p.fault, acc = true, 0
    end
    local v = judge.linear(acc, scale, step)
    if linear.bias and c.m.flags & 2 ~= 0 then
        local b = judge.values(p, judge.tensor(c.state.layer, linear.bias),
            rows, i, 1)
        v = f32(v + b[1])
    end
    if linear.residual then
        v = f32(judge.element(p, linear.residual, i, ROW) + v)
    end
    return bits(v) == judge.shown_element(c)
end

statements[7] = function (p)
    local c = p.c
    local linear, piece = judge.linears[c.state.entry], c.state.place.part
    local cols, width = judge.shape(c.m, linear.input)
    local tensor, rows = matrix(c, linear)
    local _, root = judge.scale(p, tensor, rows, c.state.element)
    local w, n = weights(p, root, cols, piece)
    local from = 1024 * piece * width
    local q = judge.open_vector(p, linear.input, from, from + n * width)
    local read, sum = width == 1 and judge.i8 or judge.i16, 0
    for i = 0, n - 1 do
        sum = sum + read(q, width * i) * judge.i8(w, i)
    end
    return sum == judge.shown_term(c)
end

statements[15] = function (p)
    local c = p.c
    local n, w = c.m.n_vocab, judge.scalar(c, "wmx")
    local max, j = judge.scalar(c, "mx"), c.state.place.index
    if c.state.entry == "wmx" then
        return c.j.temperature ~= 0 or u32(c.state.leaf, 8) == w
    elseif w >= n then
        p.fault = true
        return false
    end
    local v = judge.element(p, "logits", j == NONE and w or j, ROW) + 0.0
    if j == NONE then
        return bits(v) == max
    end
    local best = committed(p, max, ROW)
    return v < best or (v == best and j >= w)
end
