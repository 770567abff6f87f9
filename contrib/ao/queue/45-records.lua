local lib = ApusQueue
local U32, integer, scan = lib.U32, lib.integer, lib.scan
local unbase64url, sha256 = lib.unbase64url, lib.sha256

-- ---- the records of an answer: proof.md sections 3 and 5 -------------------
-- What a line of Complete brings is taken if the two records are of one answer,
-- the answer is to this request, and the text is the one that they name.

local records = {}

local NUMERICS, LINE = 1, 262144

-- The u32 at an offset of a record.
local function u32(s, at)
    local a, b, c, d = s:byte(at + 1, at + 4)
    return a | b << 8 | c << 16 | d << 24
end

local function put_u32(n)
    return string.char(n & 255, n >> 8 & 255, n >> 16 & 255, n >> 24 & 255)
end

-- The eight bytes of a number in decimal, which is below 2^64.
local function put_u64(digits)
    local low, high = 0, 0
    for i = 1, #digits do
        low = low * 10 + digits:byte(i) - 48
        high = high * 10 + (low >> 32)
        low = low & U32
    end
    return put_u32(low) .. put_u32(high)
end

-- The root over a list of texts, as leaves in their order.
local function mth(list)
    local function root(from, n)
        if n == 1 then
            return sha256("\0" .. list[from])
        end
        local k = 1
        while 2 * k < n do
            k = 2 * k
        end
        return sha256("\1" .. root(from, k) .. root(from + k, n - k))
    end
    return #list > 0 and root(1, #list) or sha256("")
end

-- What a job record has from max_tokens on, for a request of this id with this
-- line of a pull.  It is kept with the request and not in a dump, since it
-- follows from both.
local TAIL = 84
function records.tail(id, line)
    local l = scan(line, LINE).object
    local stops, out = {}, {}
    for i, s in ipairs(l.stops.array) do
        stops[i] = unbase64url(s)
    end
    for i, name in ipairs({ "max_tokens", "temperature", "top_p", "top_k",
        "flags" }) do
        out[i] = put_u32(integer(l[name], 0, U32))
    end
    return table.concat(out) .. (l.seed ~= "" and put_u64(l.seed) or
        sha256("apussed1" .. (unbase64url(id) or id)):sub(1, 8)) ..
        put_u32(0) .. put_u32(#stops) .. mth(stops)
end

-- Name, offset and end of what a job record has of the parameters.
local PARAMETERS = {
    { "max_tokens", 84, 88 }, { "temperature", 88, 92 }, { "top_p", 92, 96 },
    { "top_k", 96, 100 }, { "flags", 100, 104 }, { "seed", 104, 112 },
    { "stops", 112, 152 }
}

-- Why a job record is not of a request for this model with this tail, or nil.
local function wrong_job(job, model, tail)
    if job:sub(1, 8) ~= "apusjob1" then
        return "no job record"
    elseif job:sub(9, 40) ~= model then
        return "the model of the job"
    elseif u32(job, 40) ~= NUMERICS then
        return "numerics"
    elseif u32(job, 44) ~= 0 then
        return "the choice of the job"
    end
    for _, p in ipairs(PARAMETERS) do
        if job:sub(p[2] + 1, p[3]) ~= tail:sub(p[2] + 1 - TAIL, p[3] - TAIL)
        then
            return p[1]
        end
    end
    return nil
end

-- Why finish, counts and the place of an error cannot be those of one answer to
-- this job, or nil.  A context of 0 is not known.
local function wrong_end(record, job, context)
    local finish, n, n_out = u32(record, 208), u32(record, 136),
        u32(record, 140)
    local most = u32(job, 84)
    if finish == 16 then
        return nil
    elseif record:sub(221) ~= ("\0"):rep(20) then
        return "the place of an error"
    elseif finish == 17 or finish == 18 then
        return (n ~= 0 or n_out ~= 0) and "n of an answer without one" or nil
    elseif finish > 3 then
        return "finish"
    elseif n_out < 1 or n_out > most or finish == 1 and n_out ~= most or
        finish == 2 and u32(job, 116) == 0 then
        return "n_out"
    elseif n ~= u32(job, 48) + n_out - 1 or context > 0 and n > context then
        return "n"
    end
    return nil
end

-- Why the records of a line are not of an answer to the request of its id, or
-- nil: r is the request, and context that of its model.
function records.wrong(l, r, context)
    local record, job = l.records.record, l.records.job
    local model = unbase64url(r.model)
    r.tail = r.tail or records.tail(l.request, r.line)
    local why = wrong_job(job, model, r.tail)
    if why then
        return why
    elseif record:sub(1, 8) ~= "apusres1" then
        return "no result record"
    elseif record:sub(9, 40) ~= unbase64url(l.request) then
        return "the request"
    elseif record:sub(41, 72) ~= l.records.job_id then
        return "the job"
    elseif record:sub(73, 104) ~= model then
        return "the model"
    elseif u32(record, 216) ~= 0 then
        return "the choice"
    elseif u32(record, 212) > 1 then
        return "level"
    elseif l.text and sha256(l.text) ~= record:sub(177, 208) then
        return "the text"
    end
    return wrong_end(record, job, context)
end

-- The bytes of the records of a line, and what an answer is known by: a table,
-- or nil if they have not the size of records.
function records.read(l)
    local record, job = unbase64url(l.record or ""),
        unbase64url(l.jobrecord or "")
    if not record or #record ~= 240 or not job or #job ~= 152 then
        return nil
    end
    return { record = record, job = job, finish = u32(record, 208),
        job_id = sha256(job), result = sha256(record) }
end

-- How many lines the file of an Infer-Batch has, by its line of a pull.
function records.count(line)
    return integer(scan(line, LINE).object.count, 1, U32)
end

-- ---- for the files after this one -------------------------------------------

lib.records = records
