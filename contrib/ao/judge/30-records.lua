local lib = ApusQueue
local judge = lib.judge
local u32, part, NONE = judge.u32, judge.part, judge.NONE

-- ---- records (doc/proof.md sections 2, 3 and 5) ----

-- Read consecutive u32 fields, given their names, from an offset.
local function fields(record, s, at, names)
    for i = 1, #names do
        record[names[i]] = u32(s, at + 4 * i - 4)
    end
end

local function result_record(s)
    local r = { request = part(s, 8, 32), job = part(s, 40, 32),
        model = part(s, 72, 32), trace = part(s, 104, 32),
        output = part(s, 144, 32) }
    fields(r, s, 136, { "n", "n_out" })
    fields(r, s, 208, { "finish", "level", "choice" })
    r.good = part(s, 0, 8) == "apusres1"
    if r.finish ~= 16 then
        r.good = r.good and part(s, 220, 20) == ("\0"):rep(20)
    end
    return r
end

local function job_record(s)
    local j = { model = part(s, 8, 32), prompt = part(s, 52, 32) }
    fields(j, s, 40, { "numerics", "choice", "n_prompt" })
    fields(j, s, 84, { "max_tokens", "temperature", "top_p", "top_k", "flags" })
    j.seed_low, j.seed_high = u32(s, 104), u32(s, 108)
    j.n_stops, j.stops = u32(s, 116), part(s, 120, 32)
    j.good = part(s, 0, 8) == "apusjob1" and u32(s, 112) == 0
    return j
end

local function model_record(s)
    local m = { tensors = part(s, 192, 32), eos = {},
        tokenizer_root = part(s, 112, 32) }
    fields(m, s, 8, { "numerics", "architecture", "n_layers", "dim", "n_heads",
        "n_kv_heads", "head_dim", "ffn_dim", "n_vocab", "context", "window",
        "flags", "eps", "scale", "bos", "n_eos" })
    for i = 1, 8 do
        m.eos[i] = u32(s, 68 + 4 * i)
    end
    m.tokenizer = u32(s, 104) + u32(s, 108) * 4294967296
    m.template = u32(s, 144) + u32(s, 148) * 4294967296
    m.n_tensors = u32(s, 184)
    m.queries = m.n_heads * m.head_dim
    m.keys = m.n_kv_heads * m.head_dim
    m.good = part(s, 0, 8) == "apusmdl1" and u32(s, 188) == 0
    return m
end

-- Parse the three records from their 616 bytes.
function judge.records(s)
    return result_record(part(s, 0, 240)), job_record(part(s, 240, 152)),
        model_record(part(s, 392, 224))
end

local function within(n, low, high)
    return n >= low and n <= high
end

local function sizes_good(m)
    return within(m.n_layers, 1, 1024) and within(m.dim, 1, 131072) and
        m.n_kv_heads >= 1 and m.n_heads >= 1 and
        m.n_heads % m.n_kv_heads == 0 and within(m.head_dim, 2, 1024) and
        m.head_dim % 2 == 0 and m.queries <= 131072 and
        within(m.ffn_dim, 1, 131072) and within(m.n_vocab, 1, 262144) and
        within(m.context, 1, 131072) and m.window <= 131072
end

local function ids_good(m)
    if m.n_eos > 8 or (m.bos ~= NONE and m.bos >= m.n_vocab) then
        return false
    end
    for i = 1, 8 do
        if i <= m.n_eos and m.eos[i] >= m.n_vocab or
            i > m.n_eos and m.eos[i] ~= NONE then
            return false
        end
    end
    return true
end

-- Return whether every show of this model fits into 8 KiB: its rows (32 bytes a
-- layer), its kv rows in blocks of 64, and the hashes of a layer's kv rows,
-- which follow the operator table.
local function shows_fit(m)
    return m.n_layers <= 255 and m.n_kv_heads <= 192 and
        m.n_layers * m.n_kv_heads <= 16384
end

-- Return whether the judge supports everything that this model uses.
function judge.knows(m)
    return m.numerics == 1 and m.architecture == 1 and sizes_good(m) and
        shows_fit(m) and m.flags < 32 and m.flags & 24 ~= 24 and
        within(m.eps, 0x2b800000, 0x537fffff) and
        within(m.scale, 1, 0x497fffff) and ids_good(m) and
        m.tokenizer <= 67108864 and m.template <= 1048576 and
        m.n_tensors == 4 + 14 * m.n_layers
end

-- Statement 0: return whether the records agree.
function judge.records_good(r, j, m)
    local finish = true
    if r.finish == 1 then
        finish = r.n_out == j.max_tokens
    elseif r.finish == 2 then
        finish = j.n_stops > 0
    end
    return finish and j.model == r.model and j.numerics == m.numerics and
        j.choice == r.choice and r.level <= 1 and
        within(j.n_prompt, 1, m.context) and
        within(r.n_out, 1, j.max_tokens) and
        r.n == j.n_prompt + r.n_out - 1 and r.n <= m.context and
        (j.temperature == 0 or within(j.temperature, 10000, 100000000)) and
        within(j.top_p, 1, 1000000) and j.flags <= 1 and j.n_stops <= 16
end
