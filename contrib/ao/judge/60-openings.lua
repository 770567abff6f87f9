local lib = ApusQueue
local judge, sha256 = lib.judge, lib.sha256
local part, u32, put_u32, NONE = judge.part, judge.u32, judge.put_u32,
    judge.NONE
local ROW, VALUE = 2.0 ^ 41, 2.0 ^ 105 -- bounds of committed floats

-- ---- the proof file `apusprf1` (doc/dispute.md) ----
-- A proof p is read in order.  An unexpected opening sets p.refused, a number
-- that no correct node commits to sets p.fault; both read as zeros.

judge.ROLES = { leaf = 1, block = 2, row = 3, prompt = 4, output = 5,
    tensor = 6, scale = 7, weights = 8, values = 9, tokenizer = 10 }
local ROLES = judge.ROLES

function judge.read_proof(c, s)
    local place = c.state.place
    local head = "apusprf1" .. put_u32(place.code) ..
        put_u32(place.position) .. put_u32(place.layer) ..
        put_u32(place.head) .. put_u32(place.index) .. put_u32(place.part)
    if #s < 36 or part(s, 0, 32) ~= head then
        return nil
    end
    return { c = c, bytes = s, at = 36, left = u32(s, 32) }
end

-- Return data and path of the next opening.
local function next_opening(p, role, index, n)
    local s, at = p.bytes, p.at
    if p.refused or p.left == 0 or #s - at < 20 then
        return nil
    end
    local n_path = u32(s, at + 12)
    if u32(s, at) ~= role or u32(s, at + 4) ~= index or
        u32(s, at + 8) ~= 0 or u32(s, at + 16) ~= n or n_path > 64 or
        #s - at - 20 < 32 * n_path + n then
        return nil
    end
    p.left, p.at = p.left - 1, at + 20 + 32 * n_path + n
    return part(s, at + 20 + 32 * n_path, n), part(s, at + 20, 32 * n_path)
end

-- Return the root that follows from leaf `index` of n and its path (RFC 9162
-- section 2.1.3.2); nil if the path has another length.
local function climb(h, index, n, path)
    local last = n - 1
    for at = 0, #path - 32, 32 do
        local s = part(path, at, 32)
        if last == 0 then
            return nil
        elseif index % 2 == 1 or index == last then
            h = sha256("\1" .. s .. h)
            while index % 2 == 0 and index > 0 do
                index, last = index // 2, last // 2
            end
        else
            h = sha256("\1" .. h .. s)
        end
        index, last = index // 2, last // 2
    end
    return last == 0 and h or nil
end
judge.climb = climb

local function refuse(p, n)
    p.refused = true
    return ("\0"):rep(n)
end

-- Read the next opening: n bytes, leaf `index` of a tree of n_leaves with this
-- root.
local function open(p, role, index, n_leaves, n, root)
    local data, path = next_opening(p, role, index, n)
    if not data or index >= n_leaves then
        return refuse(p, n)
    end
    local leaf = role == ROLES.block and judge.list_root(data) or
        sha256("\0" .. data)
    if climb(leaf, index, n_leaves, path) ~= root then
        return refuse(p, n)
    end
    return data
end
judge.open_leaf = open

-- Read the next opening, which has no path.
function judge.open_bare(p, role, index, n)
    local data, path = next_opening(p, role, index, n)
    return data and path == "" and data or refuse(p, n)
end

-- ---- committed numbers ----

-- Return a committed binary32, which must be below a limit in magnitude.
function judge.committed(p, bits, limit)
    if bits >> 23 & 255 ~= 255 then
        local v = judge.float(bits)
        if v < limit and -v < limit then
            return v
        end
    end
    p.fault = true
    return 0.0
end

-- Open bytes [from, to) of a blob of n bytes.
local function open_bytes(p, role, root, n, from, to)
    local out = {}
    while from < to do
        local i = from // 1024
        local size = n - 1024 * i < 1024 and n - 1024 * i or 1024
        local data = open(p, role, i, (n + 1023) // 1024, size, root)
        local stop = 1024 * i + 1024 < to and 1024 * i + 1024 or to
        out[#out + 1] = part(data, from - 1024 * i, stop - from)
        from = stop
    end
    return table.concat(out)
end
judge.open_bytes = open_bytes

-- Return the root of a vector of the table, or of the row x.
local function root_of(c, entry)
    local state = c.state
    if entry ~= "x" then
        local at = judge.offset(c.m, state.layer, judge.draws(c), entry)
        return part(state.table, at, 32)
    elseif state.layer == NONE then
        return part(state.leaf, 48, 32)
    end
    return part(state.layers, 32 * state.layer, 32)
end

-- Open bytes [from, to) of a vector of the table.
function judge.open_vector(p, entry, from, to)
    local n, width = judge.shape(p.c.m, entry)
    return open_bytes(p, 16 + judge.entries[entry].number,
        root_of(p.c, entry), n * width, from, to)
end

-- Open element i of a vector of floats.
local function element(p, entry, i, limit)
    local s = judge.open_vector(p, entry, 4 * i, 4 * i + 4)
    return judge.committed(p, u32(s, 0), limit)
end
judge.element = element

-- Open the record of a tensor and return its root.
local function tensor_root(p, index)
    local m = p.c.m
    local s = open(p, ROLES.tensor, index, m.n_tensors, 48, m.tensors)
    if u32(s, 12) ~= 0 then
        p.refused = true
    end
    return part(s, 16, 32)
end

-- Open floats [from, from + n) of a vector of the model with `length` elements.
function judge.values(p, index, length, from, n)
    local s = open_bytes(p, ROLES.values, tensor_root(p, index), 4 * length,
        4 * from, 4 * (from + n))
    local out = {}
    for i = 1, n do
        out[i] = judge.committed(p, u32(s, 4 * i - 4), ROW)
    end
    return out
end

-- Open row i of a matrix: return its scale and the root of its weights.
function judge.scale(p, index, rows, i)
    local s = open(p, ROLES.scale, i, rows, 36, tensor_root(p, index))
    return judge.committed(p, u32(s, 0), ROW), part(s, 4, 32)
end

-- Return a scalar of the table.
function judge.scalar(c, entry)
    local at = judge.offset(c.m, c.state.layer, judge.draws(c), entry)
    local s = c.state.table
    return judge.entries[entry].bytes == 8 and judge.i64(s, at) or u32(s, at)
end

function judge.clamp(bits, least)
    local e = bits < 2147483648 and bits or bits - 4294967296
    return e < least and least or e > 41 and 41 or e
end

-- (x * inv) * g, the output of a norm
local function normed(p, row, inv, gain, j)
    local c, f32 = p.c, judge.f32
    local x = element(p, row, j, ROW)
    local factor = judge.committed(p, judge.scalar(c, inv), 2.0 ^ 21)
    local g = judge.values(p, judge.tensor(c.state.layer, gain), c.m.dim, j,
        1)
    return f32(f32(x * factor) * g[1])
end

local function gated(p, j)
    local g, u = element(p, "g", j, VALUE), element(p, "u", j, VALUE)
    local v = judge.silu(g) * u
    if v >= ROW or v <= -ROW then
        p.fault = true
        return 0.0
    end
    return judge.f32(v)
end

-- Open element j of the row of an exponent, before quantisation.
function judge.source(p, exponent, j)
    if exponent == "ea" then
        return normed(p, "x", "inv", 0, j)
    elseif exponent == "ec" then
        return normed(p, "y", "inv2", 10, j)
    elseif exponent == "en" then
        return normed(p, "x", "invf", 2, j)
    elseif exponent == "eh" then
        return gated(p, j)
    end
    return element(p, exponent == "eo" and "o" or exponent == "ey" and "y" or
        "x", j, ROW)
end

-- ---- shown values ----

function judge.shown_term(c)
    local s = c.state.sums
    return judge.i64(s.bytes, 8 * (c.state.place.part - s.first))
end

function judge.shown_total(c)
    local s, sum = c.state.sums, 0
    for i = 0, s.n - 1 do
        sum = sum + judge.i64(s.bytes, 8 * i)
    end
    return sum
end

-- Return the picked element as an integer, or as the bits of a float.
function judge.shown_element(c)
    local _, width = judge.shape(c.m, c.state.entry)
    local piece = c.state.piece
    local at = width * (c.state.element - piece.first)
    if width == 1 then
        return judge.i8(piece.bytes, at)
    elseif width == 2 then
        return judge.i16(piece.bytes, at)
    end
    return u32(piece.bytes, at)
end
