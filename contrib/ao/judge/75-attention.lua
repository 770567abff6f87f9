local lib = ApusQueue
local judge, sha256 = lib.judge, lib.sha256
local part, u32, NONE, f32, committed = judge.part, judge.u32, judge.NONE,
    judge.f32, judge.committed
local ROLES, statements = judge.ROLES, judge.statements
local ROW, VALUE, SCORE = 2.0 ^ 41, 2.0 ^ 105, 2.0 ^ 120
local LIMIT = 9007199254740992

-- ---- statements about attention: 8 to 14 ----

-- Open head `head` of q, k or v.
local function head_floats(p, entry, head)
    local hd = p.c.m.head_dim
    local s = judge.open_vector(p, entry, 4 * hd * head, 4 * hd * (head + 1))
    local x = {}
    for i = 1, hd do
        x[i] = committed(p, u32(s, 4 * i - 4), VALUE)
    end
    return x
end

-- Return the greatest magnitude in a row.
local function greatest(x)
    local most = 0.0
    for i = 1, #x do
        local v = x[i] < 0 and -x[i] or x[i]
        if v > most then
            most = v
        end
    end
    return most
end

-- Apply the norm of a head; return false if a value is out of range.
local function norm(x, gains, eps)
    local most = greatest(x)
    if not judge.below_2_40(most) then
        return false
    end
    local e, squares = judge.exponent(most, -112), 0
    for i = 1, #x do
        local q = judge.a14(x[i], e)
        squares = squares + q * q
    end
    local inv = judge.inv(squares, e, #x, eps)
    for i = 1, #x do
        x[i] = f32(f32(x[i] * inv) * gains[i])
    end
    return true
end

-- Return a head of q or k after norm and rope; a value out of range is a fault.
local function turned(p, entry, head, gains)
    local c = p.c
    local m, hd = c.m, c.m.head_dim
    local x, gain = head_floats(p, entry, head), nil
    if m.flags & 4 ~= 0 then
        gain = judge.values(p, judge.tensor(c.state.layer, gains), hd, 0, hd)
    end
    local half = hd // 2
    local freq = judge.values(p, 1, half, 0, half)
    for i = 1, half do
        if freq[i] < 0.0 or freq[i] > 1.0 then
            p.fault, freq[i] = true, 0.0
        end
    end
    if gain and not norm(x, gain, judge.float(m.eps)) then
        p.fault = true
        return x
    end
    for i = 1, half do
        local cos, sin = judge.turn(c.position, freq[i])
        local low, high = x[i], x[i + half]
        x[i] = f32(f32(low * cos) - f32(high * sin))
        x[i + half] = f32(f32(high * cos) + f32(low * sin))
    end
    if not judge.below_2_40(greatest(x)) then
        p.fault = true
    end
    return x
end

local function read_attended(s, at)
    return { er = judge.clamp(u32(s, at), -112), m = u32(s, at + 4),
        wm = u32(s, at + 8), ev = judge.clamp(u32(s, at + 12), -97),
        claimed_ev = judge.i32(s, at + 12), claimed_er = u32(s, at),
        wv = u32(s, at + 16), z = judge.i64(s, at + 24) }
end

-- Return the picked entry of `heads`, from a show or from an opening.
local function attended(p)
    local state = p.c.state
    if state.entry == "heads" then
        local piece = state.piece
        return read_attended(piece.bytes, 32 * (state.element - piece.first))
    end
    local at = 32 * state.place.head
    return read_attended(judge.open_vector(p, "heads", at, at + 32), 0)
end

statements[8] = function (p)
    local state, hd = p.c.state, p.c.m.head_dim
    local x = turned(p, "q", state.place.head, 8)
    if p.fault then
        return false
    end
    local e = judge.exponent(greatest(x), -112)
    if state.entry == "heads" then
        return e % 4294967296 == attended(p).claimed_er
    end
    return judge.a14(x[state.element % hd + 1], e) ==
        judge.shown_element(p.c)
end

-- Quantise a row of keys or values as A8: return its scale and its bytes.
local function quantised(x)
    local most, out = greatest(x), {}
    for i = 1, #x do
        out[i] = string.char(judge.a8(x[i], most) % 256)
    end
    return judge.put_u32(judge.bits(judge.a8_scale(most))), table.concat(out)
end

statements[9] = function (p)
    local state = p.c.state
    local head = state.place.head
    local k = turned(p, "k", head, 9)
    local v = head_floats(p, "v", head)
    if p.fault or not judge.below_2_40(greatest(v)) then
        return false
    end
    local s_k, keys = quantised(k)
    local s_v, values = quantised(v)
    return sha256("\0" .. s_k .. s_v .. keys .. values) ==
        part(state.rows, 32 * head, 32)
end

-- ---- keys ----

-- Open the integers of the picked head of r.
local function queries(p)
    local hd, head = p.c.m.head_dim, p.c.state.place.head
    local s = judge.open_vector(p, "r", 2 * hd * head, 2 * hd * (head + 1))
    local r = {}
    for i = 1, hd do
        r[i] = judge.i16(s, 2 * i - 2)
    end
    return r
end

-- Open a kv row under the root `kv`: return its bytes, s_k and s_v, or nil.
local function row_under(p, root)
    local m, state = p.c.m, p.c.state
    local kv = m.n_kv_heads
    local index = state.layer * kv + state.place.head // (m.n_heads // kv)
    local s = judge.open_leaf(p, ROLES.row, index, m.n_layers * kv,
        8 + 2 * m.head_dim, root)
    local s_k = committed(p, u32(s, 0), ROW)
    local s_v = committed(p, u32(s, 4), ROW)
    if p.fault or p.refused then
        return nil
    end
    return s, s_k, s_v
end

local function row_at(p, position)
    local r = p.c.r
    local leaf = judge.open_leaf(p, ROLES.leaf, position, r.n, 112, r.trace)
    return row_under(p, part(leaf, 16, 32))
end

local function score(p, r, er, row, s_k)
    local m, dot = p.c.m, 0
    for i = 1, m.head_dim do
        dot = dot + r[i] * judge.i8(row, 7 + i)
    end
    local step = f32(judge.POW[er - 14] * judge.float(m.scale))
    return f32(f32(f32(dot + 0.0) * s_k) * step)
end

-- A witness must be a key that the position attends to.
local function attends(p, key)
    if key >= judge.first_key(p.c) and key <= p.c.position then
        return true
    end
    p.fault = true
    return false
end

statements[10] = function (p)
    local a, index = attended(p), p.c.state.place.index
    local key = index == NONE and a.wm or index
    if not attends(p, key) then
        return false
    end
    local r = queries(p)
    local row, s_k = row_at(p, key)
    if not row then
        return false
    end
    local v = score(p, r, a.er, row, s_k) + 0.0
    if index == NONE then
        return judge.bits(v) == a.m
    end
    return v <= committed(p, a.m, SCORE)
end

statements[11] = function (p)
    local a, index = attended(p), p.c.state.place.index
    local key = index == NONE and a.wv or index
    if not attends(p, key) then
        return false
    end
    local row, _, s_v = row_at(p, key)
    if not row then
        return false
    end
    local ev = judge.exponent(s_v, -97)
    if index == NONE then
        return ev == a.claimed_ev
    end
    return ev <= a.claimed_ev
end

-- Return the contribution of one key to Z, or to the picked element of o.
local function key_term(p, a, m, r, root)
    local state, hd = p.c.state, p.c.m.head_dim
    local row, s_k, s_v = row_under(p, root)
    if not row then
        return 0
    end
    local v = score(p, r, a.er, row, s_k)
    if v > m or judge.exponent(s_v, -97) > a.ev then
        p.fault = true -- m or ev is not the maximum
        return 0
    elseif state.entry == "o" then
        return judge.u_term(v, m, s_v, a.ev) *
            judge.i8(row, 8 + hd + state.element % hd)
    end
    return judge.z_term(v, m)
end

-- Return the contribution of a group of 16 keys.
local function group(p, a)
    local c = p.c
    local term, n, from = c.state.place.part, c.r.n, judge.first_key(c)
    local first = 16 * term
    local count = n - first < 16 and n - first or 16
    local m, r = committed(p, a.m, SCORE), queries(p)
    local hashes = judge.open_leaf(p, ROLES.block, term, (n + 15) // 16,
        32 * count, c.r.trace)
    local sum = 0
    for i = 0, count - 1 do
        if first + i >= from and first + i <= c.position then
            local leaf = judge.open_bare(p, ROLES.leaf, first + i, 112)
            if sha256("\0" .. leaf) ~= part(hashes, 32 * i, 32) then
                p.refused = true
            end
            sum = sum + key_term(p, a, m, r, part(leaf, 16, 32))
        end
    end
    return sum
end

statements[12] = function (p)
    local a = attended(p)
    if p.c.state.place.part == NONE then
        return judge.shown_total(p.c) == a.z
    end
    return group(p, a) == judge.shown_term(p.c)
end

statements[13] = function (p)
    return group(p, attended(p)) == judge.shown_term(p.c)
end

statements[14] = function (p)
    local a, sum = attended(p), judge.shown_total(p.c)
    if a.z <= 0 or a.z >= LIMIT or sum >= LIMIT or sum <= -LIMIT then
        p.fault = true
        return false
    end
    local z = f32(f32(a.z + 0.0) * judge.POW[-24])
    local v = f32(f32(sum + 0.0) * f32(judge.POW[a.ev - 21] / z))
    return judge.bits(v) == judge.shown_element(p.c)
end
