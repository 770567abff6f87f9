local lib = ApusQueue
local judge = lib.judge

-- ---- the operator table (doc/dispute.md) ----
-- Each entry has one name here; for three entries of the head it differs from
-- the name in picks.

local NONE = 4294967295
judge.NONE = NONE
judge.HEAD = NONE

-- Entries in the order of their role numbers: name, bytes in the table, and for
-- a vector its length and the kind of its elements.
local ENTRIES = {
    { "ex", 4 }, { "wx", 4 }, { "S", 8 }, { "inv", 4 }, { "ea", 4 },
    { "wa", 4 }, { "a", 32, "dim", "row" }, { "q", 32, "queries", "float" },
    { "k", 32, "keys", "float" }, { "v", 32, "keys", "float" },
    { "r", 32, "queries", "wide" }, { "heads", 32, "n_heads", "attended" },
    { "o", 32, "queries", "float" }, { "eo", 4 }, { "wo", 4 },
    { "b", 32, "queries", "row" }, { "y", 32, "dim", "float" }, { "ey", 4 },
    { "wy", 4 }, { "S2", 8 }, { "inv2", 4 }, { "ec", 4 }, { "wc", 4 },
    { "c", 32, "dim", "row" }, { "g", 32, "ffn_dim", "float" },
    { "u", 32, "ffn_dim", "float" }, { "eh", 4 }, { "wh", 4 },
    { "h", 32, "ffn_dim", "down" },
    { "ef", 4 }, { "wf", 4 }, { "Sf", 8 }, { "invf", 4 }, { "en", 4 },
    { "wn", 4 }, { "f", 32, "dim", "down" },
    { "logits", 32, "n_vocab", "float" }, { "mx", 4 }, { "wmx", 4 },
    { "wk", 4 }, { "idk", 4 }, { "wp", 4 }, { "idp", 4 }, { "W", 8 },
    { "W'", 8 }, { "draw", 8 }, { "before", 8 },
    { "x", 32, "dim", "float" }
}
local HEAD_NAMES = { S = "Sf", inv = "invf", r = "draw" }

local entries, LAYER, KEYS, OF_HEAD = {}, {}, {}, {}
for i, e in ipairs(ENTRIES) do
    entries[e[1]] = { number = i - 1, bytes = e[2], count = e[3],
        kind = e[4] }
    if i <= 29 then
        LAYER[#LAYER + 1] = e[1]
    elseif i < #ENTRIES then
        OF_HEAD[#OF_HEAD + 1] = e[1]
    end
    if i <= 10 and e[1] ~= "q" then
        KEYS[#KEYS + 1] = e[1]
    end
end
judge.entries = entries

-- Return the entries of a layer at a position that draws or does not.
local function table_of(m, layer, draws)
    if layer == NONE then
        return OF_HEAD
    end
    return layer + 1 == m.n_layers and not draws and KEYS or LAYER
end

-- Return the offset of an entry in the table, and the size of the table.
function judge.offset(m, layer, draws, entry)
    local at, found = 0, nil
    for _, name in ipairs(table_of(m, layer, draws)) do
        if name == entry then
            found = at
        end
        at = at + entries[name].bytes
    end
    return found, at
end

-- Return the entry that a pick names.
function judge.find(m, layer, draws, name)
    local list = table_of(m, layer, draws)
    if list == OF_HEAD then
        for _, other in pairs(HEAD_NAMES) do
            if name == other then
                return nil
            end
        end
        name = HEAD_NAMES[name] or name
    end
    for _, e in ipairs(list) do
        if e == name then
            return e
        end
    end
end

-- Return the number of elements of a vector, and the bytes of an element.
function judge.shape(m, entry)
    local e = entries[entry]
    local width = 4
    if e.kind == "attended" then
        width = 32
    elseif e.kind == "wide" then
        width = 2
    elseif e.kind == "row" then
        width = m.flags & 24 ~= 0 and 1 or 2
    elseif e.kind == "down" then
        width = m.flags & 8 ~= 0 and 1 or 2
    end
    return m[e.count], width
end

-- Return whether the row of an exponent is quantised as A8.
function judge.a8_row(m, exponent)
    if exponent == "ea" or exponent == "eo" or exponent == "ec" then
        return m.flags & 24 ~= 0
    end
    return (exponent == "eh" or exponent == "en") and m.flags & 8 ~= 0
end

-- ---- linears: matrix, bias (tensors of a layer), input, exponent, residual --

judge.linears = {
    q = { matrix = 1, bias = 5, input = "a", exponent = "ea" },
    k = { matrix = 2, bias = 6, input = "a", exponent = "ea" },
    v = { matrix = 3, bias = 7, input = "a", exponent = "ea" },
    y = { matrix = 4, input = "b", exponent = "eo", residual = "x" },
    g = { matrix = 11, input = "c", exponent = "ec" },
    u = { matrix = 12, input = "c", exponent = "ec" },
    x = { matrix = 13, input = "h", exponent = "eh", residual = "y" },
    logits = { matrix = 3, input = "f", exponent = "en" }
}

function judge.tensor(layer, index)
    return layer == NONE and index or 4 + 14 * layer + index
end

-- ---- ways: from an entry and a pick to a statement ----
-- "sums": the partial sums are shown first.  Fields of `heads` follow its name.

local ways = {
    wmx = { value = 15 }, mx = { witness = 15, exceeds = 15 },
    W = { value = "sums", term = 16, total = 16 },
    r = { element = 8 }, kv = { element = 9 },
    o = { element = "sums", term = 13, total = 14 },
    ["heads er"] = { value = 8 },
    ["heads m"] = { witness = 10, exceeds = 10 },
    ["heads ev"] = { witness = 11, exceeds = 11 },
    ["heads Z"] = { value = "sums", term = 12, total = 12 }
}
for _, e in ipairs({ "ex", "ea", "eo", "ey", "ec", "eh", "ef", "en" }) do
    ways[e] = { witness = 3, exceeds = 3, range = 18 }
end
for _, e in ipairs({ "S", "S2", "Sf" }) do
    ways[e] = { value = "sums", term = 4, total = 4 }
end
for _, e in ipairs({ "inv", "inv2", "invf" }) do
    ways[e] = { value = 4 }
end
for _, e in ipairs({ "a", "b", "c", "h", "f" }) do
    ways[e] = { element = 5 }
end
for e in pairs(judge.linears) do
    ways[e] = { element = "sums", term = 7, total = 6 }
end
for _, e in ipairs({ "q", "k", "v", "logits" }) do
    ways[e].range = 18
end

-- Return the number of the statement, "sums", or nil.
function judge.way(entry, field, kind)
    local way = ways[field and entry .. " " .. field or entry]
    return way and way[kind]
end
