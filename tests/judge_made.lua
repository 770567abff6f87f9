-- judge_made.lua: dispute files of what no prover shows, each named by how it
-- ends.  Whatever a show commits to is made from the end to the beginning, so
-- that hashes and paths fit and one check alone decides.
local M = {}
local judge, sha256, dir

function M.begin(top, to)
    dir = to
    dofile(top .. "/contrib/ao/queue/05-sha256.lua")
    for name in io.popen("ls " .. top .. "/contrib/ao/judge/*.lua"):lines() do
        dofile(name)
    end
    judge, sha256 = ApusQueue.judge, ApusQueue.sha256
    M.judge, M.sha256 = judge, sha256
end

-- ---- bytes and trees ----

local NONE = 4294967295
M.NONE = NONE

function M.u32(v)
    return string.pack("<I4", v & NONE)
end

function M.u64(v)
    return string.pack("<i8", v)
end

local state = 1
function M.random(n)
    local out = {}
    for i = 1, n do
        state = state * 6364136223846793005 + 1442695040888963407
        out[i] = string.char(state >> 33 & 255)
    end
    return table.concat(out)
end

function M.set(s, at, bytes)
    return s:sub(1, at) .. bytes .. s:sub(at + #bytes + 1)
end

function M.leaf(s)
    return sha256("\0" .. s)
end

-- Return the root over leaf `index` of n, whose other subtrees are made up, and
-- its path.
function M.climb(h, index, n)
    local path, last = {}, n - 1
    while last > 0 do
        local s = M.random(32)
        path[#path + 1] = s
        if index % 2 == 1 or index == last then
            h = sha256("\1" .. s .. h)
            while index % 2 == 0 and index > 0 do
                index, last = index // 2, last // 2
            end
        else
            h = sha256("\1" .. h .. s)
        end
        index, last = index // 2, last // 2
    end
    return h, table.concat(path)
end

-- Return the root of a blob of n bytes, of which only piece i is known, and the
-- path of the piece.
function M.blob(piece, i, n)
    return M.climb(M.leaf(piece), i, (n + 1023) // 1024)
end

-- ---- records ----

local MODEL = { numerics = 1, architecture = 1, n_layers = 2, dim = 64,
    n_heads = 4, n_kv_heads = 2, head_dim = 16, ffn_dim = 128, n_vocab = 300,
    context = 131072, window = 0, flags = 0, eps = 0x3727c5ac,
    scale = 0x3e800000, bos = 1, n_eos = 1, eos = { 2 }, tokenizer = 0,
    template = 0, zero = 0 }
local JOB = { numerics = 1, choice = 0, n_prompt = 10, max_tokens = 20,
    temperature = 0, top_p = 1000000, top_k = 0, flags = 1, seed = 77,
    zero = 0, n_stops = 0 }
local RESULT = { n = 29, n_out = 20, finish = 1, level = 0, choice = 0,
    zeros = ("\0"):rep(20) }

-- Return both; fields of b win.
local function merged(a, b)
    local out = {}
    for k, v in pairs(a) do
        out[k] = v
    end
    for k, v in pairs(b or {}) do
        out[k] = v
    end
    return out
end
M.merged = merged

local function numbers(t, names)
    local out = {}
    for name in names:gmatch("%S+") do
        out[#out + 1] = M.u32(t[name])
    end
    return table.concat(out)
end

local function model_record(t)
    local m, eos = merged(MODEL, t), {}
    for i = 1, 8 do
        eos[i] = M.u32(m.eos[i] or NONE)
    end
    return (m.magic or "apusmdl1") .. numbers(m, [[numerics architecture
        n_layers dim n_heads n_kv_heads head_dim ffn_dim n_vocab context window
        flags eps scale bos n_eos]]) .. table.concat(eos) ..
        M.u64(m.tokenizer) .. (m.tokenizer_root or sha256("")) ..
        M.u64(m.template) .. sha256("") ..
        M.u32(m.n_tensors or 4 + 14 * m.n_layers) .. M.u32(m.zero) ..
        (m.tensors or sha256("tensors"))
end

local function job_record(t, model)
    local j = merged(JOB, t)
    return (j.magic or "apusjob1") .. (j.model or model) ..
        numbers(j, "numerics choice n_prompt") ..
        (j.prompt or sha256("prompt")) ..
        numbers(j, "max_tokens temperature top_p top_k flags") ..
        M.u64(j.seed) .. numbers(j, "zero n_stops") ..
        (j.stops or sha256(""))
end

local function result_record(t, job, model)
    local r = merged(RESULT, t)
    return (r.magic or "apusres1") .. (r.request or sha256("request")) ..
        (r.job or job) .. (r.model or model) ..
        (r.trace or sha256("trace")) .. numbers(r, "n n_out") ..
        (r.output or sha256("output")) .. sha256("text") ..
        numbers(r, "finish level choice") .. r.zeros
end

-- Return the three records of an answer; t.model, t.job and t.result have
-- fields that are not as usual.
function M.records(t)
    local m = model_record(t.model)
    local j = job_record(t.job, sha256(m))
    return result_record(t.result, sha256(j), sha256(m)) .. j .. m
end

-- ---- games ----

local game = {}
game.__index = game

function M.file(head)
    return setmetatable({ head }, game)
end

function game:move(kind, bytes)
    self[#self + 1] = M.u32(kind) .. M.u32(#bytes) .. bytes
    return self
end

function game:show(bytes)
    return self:move(1, bytes)
end

function game:pick(choice)
    return self:move(2, choice)
end

function game:prove(bytes)
    return self:move(3, bytes)
end

local n_saved = 0
function game:save(how)
    n_saved = n_saved + 1
    local f = assert(io.open(("%s/made-%04d.%s"):format(dir, n_saved, how),
        "wb"))
    f:write(table.concat(self))
    f:close()
    return self
end

-- A game that begins with the records of an answer.
function M.game(t)
    local records = M.records(t)
    return M.file("apusdis1" .. sha256(records:sub(1, 240))):show(records)
end

-- A proof of a statement; openings are { role, index, data, path }.
function M.proof(place, openings)
    local out = { "apusprf1" .. numbers(place,
        "code position layer head index part") .. M.u32(#openings) }
    for _, o in ipairs(openings) do
        local path = o[4] or ""
        out[#out + 1] = M.u32(o[1]) .. M.u64(o[2]) .. M.u32(#path // 32) ..
            M.u32(#o[3]) .. path .. o[3]
    end
    return table.concat(out)
end

return M
