-- Every kind of pick from each show, the first and the last number, and those
-- past them.
local M = require("judge_made")
local W = require("judge_made_way")
local NONE = M.NONE

-- dim 48, 64 queries, 32 keys, 128 of the ffn, 300 tokens
local MODEL = { dim = 48 }
local MANY = { result = { n = 6000, n_out = 20 }, model = MODEL }

local function way(w)
    return M.merged({ model = MODEL }, w)
end

-- Pick each after a show; those after "-" are refused.
local function picks(w, show, list)
    local g, how = table.concat(W.game(w, show)), "open"
    for _, pick in ipairs(list) do
        if pick == "-" then
            how = "refused"
        else
            M.file(g):pick(pick):save(how)
        end
    end
end

local function try_lists()
    local late = M.merged(MANY, { position = 5999 })
    picks(late, "chunks", { "0", "1", "-", "2", "0 0", "" })
    picks(late, "blocks", { "64", "93", "-", "63", "94", "0" })
    picks(late, "leaves", { "5952", "5999", "-", "5951", "6000", "x" })
    picks(way({ position = 3 }), "leaf", { "token", "kv", "-", "fin", "next",
        "deep", "kv 0", "" })
    picks(way({}), "leaf", { "token", "kv", "fin", "next", "-", "deep",
        "next 1", "token x" })
    picks(way({ deep = true }), "leaf", { "deep", "-", "deeper", "x" })
    local q = way({ layer = 0, entry = "q" })
    picks(q, "layers", { "embed", "kv", "0", "1", "-", "2", "0 0", "embed 0",
        "kv 0", "00", "x" })
    picks(way({ list = 3 }), "rows", { "0", "3", "-", "4", "0 0" })
    local wide = way({ list = 70, model = { n_layers = 40 } })
    picks(wide, "row-blocks", { "0", "1", "-", "2" })
    picks(wide, "rows", { "64", "79", "-", "63", "80", "0" })
end

local function try_operators()
    local q = way({ layer = 0 })
    picks(q, "operators", { "kv 0", "kv 1", "x", "q", "heads", "ex", "ex 47",
        "range ex 0", "range ex 47", "eo 63", "eh 127", "range eo 63", "inv",
        "S", "S2", "ey", "a", "-", "kv", "kv 2", "kv 0 0", "range kv 0", "x 0",
        "range x", "q 0", "q 0 0", "range q", "range q 0", "range", "range ex",
        "range ex 0 0", "ex 48", "range ex 48", "eo 64", "eh 128", "S 0",
        "range S 0", "wx", "wx 0", "ex 0 0", "mx", "logits", "W", "f", "ef",
        "", "ex x", "range range 0", "range eo 64", "inv 0", "Sf", "draw" })
    picks(way({ layer = 1 }), "operators", { "x", "q" })
    -- at a position that draws nothing the last layer has keys alone
    picks(way({ layer = 1, position = 3 }), "operators", { "k", "v", "kv 0",
        "a", "ea 1", "S", "-", "x", "q", "h", "heads", "r", "y", "eo" })
    picks(way({ layer = 0, position = 3 }), "operators", { "x", "q", "h" })
    picks(way({ layer = NONE }), "operators", { "logits", "f", "ef", "S",
        "inv", "mx", "mx 299", "wmx", "en 3", "range en 47", "-", "mx 300",
        "range mx 0", "wmx 0", "Sf", "invf", "draw", "r", "x", "kv 0", "kv",
        "W", "W'", "before", "wk", "idk", "wp", "idp", "ex", "q", "W 0",
        "range W", "range W 0" })
    local drawn = way({ layer = NONE, job = { temperature = 1000000 } })
    picks(drawn, "operators", { "W", "-", "W'", "r", "before", "wk", "W 0" })
end

local function try_pieces()
    local large = way({ layer = NONE, entry = "logits",
        model = { n_vocab = 40000 }, piece = 70 })
    picks(large, "piece-blocks", { "0", "2", "-", "3", "0 0" })
    picks(large, "pieces", { "64", "127", "-", "63", "128" })
    picks(large, "piece", { "17920", "18175", "range 17920", "range 18175",
        "-", "17919", "18176", "0", "range", "17920 0", "range 17920 0",
        "range x" })
    picks(way({ layer = 0, entry = "a" }), "piece", { "0", "47", "-", "48",
        "range 0", "range" })
    picks(way({ layer = NONE, entry = "x" }), "piece", { "0", "47", "-", "48",
        "range 0", "0 0" })
    picks(way({ layer = 0, entry = "x" }), "piece", { "0", "47", "-", "48",
        "range 0" })
    for _, entry in ipairs({ "o", "r" }) do
        picks(way({ layer = 0, entry = entry }), "piece", { "0", "63", "-",
            "64", "range 0" })
    end
    local heads = way({ layer = 0, entry = "heads" })
    picks(heads, "piece", { "0 er", "3 m", "1 ev", "2 Z", "0 m 0", "0 m 28",
        "3 ev 28", "-", "4 er", "0", "0 x", "0 m 29", "0 ev 29", "0 er 0",
        "0 Z 0", "0 m 0 0", "0 m x", "range 0", "range 0 er", "er" })
    local near = way({ layer = 0, entry = "heads", model = { window = 5 } })
    picks(near, "piece", { "0 m 24", "0 m 28", "-", "0 m 23", "0 ev 23",
        "0 m 29" })
    near.position = 4 -- which attends to all, or to all but one
    picks(near, "piece", { "0 m 0", "0 m 4", "-", "0 m 5" })
    near.position = 5
    picks(near, "piece", { "0 m 1", "0 m 5", "-", "0 m 0", "0 m 6" })
end

return function ()
    try_lists()
    try_operators()
    try_pieces()
end
