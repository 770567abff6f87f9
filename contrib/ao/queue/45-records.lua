local lib = ApusQueue
local U32, integer, scan = lib.U32, lib.integer, lib.scan
local base64url, unbase64url = lib.base64url, lib.unbase64url
local sha256, u32, put_u32, put_u64 = lib.sha256, lib.u32, lib.put_u32,
    lib.put_u64
local mth, blob = lib.mth, lib.blob

-- ---- the records of an answer: proof.md sections 3 and 5 -------------------
-- What a line of Complete brings is taken if the two records are of one answer,
-- the answer is to this request, and the text is the one that they name.

local records = {}

local NUMERICS, LINE = 1, 262144

-- What the queue knows of a job record from its request's id and line of a
-- pull: "tail" from max_tokens on, and, of a prompt in token ids, "head" with
-- their count and root, else "".  They are kept with the request and not in a
-- dump, since they follow from both.
local HEAD, TAIL = 48, 84

local function head_of(l)
    local bytes = {}
    if l.form == "source-ids" then
        return put_u32(integer(l.prompt_count, 1, U32)) ..
            unbase64url(l.prompt_root)
    elseif l.form ~= "ids" then
        return ""
    end
    for digits in l.prompt:gmatch("%d+") do
        bytes[#bytes + 1] = put_u32(integer(digits, 0, U32))
    end
    return put_u32(#bytes) .. blob(table.concat(bytes))
end

local function tail_of(id, l)
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

function records.expect(r, id)
    local l = scan(r.line, LINE).object
    r.head, r.tail = head_of(l), tail_of(id, l)
end

-- Name, offset and end of what a job record has of the parameters.
local PARAMETERS = {
    { "max_tokens", 84, 88 }, { "temperature", 88, 92 }, { "top_p", 92, 96 },
    { "top_k", 96, 100 }, { "flags", 100, 104 }, { "seed", 104, 112 },
    { "stops", 112, 152 }
}

-- Why a job record is not of a request for this model with this head and tail,
-- or nil.
local function wrong_job(job, model, head, tail)
    if job:sub(1, 8) ~= "apusjob1" then
        return "no job record"
    elseif job:sub(9, 40) ~= model then
        return "the model of the job"
    elseif u32(job, 40) ~= NUMERICS then
        return "numerics"
    elseif u32(job, 44) ~= 0 then
        return "the choice of the job"
    elseif head ~= "" and job:sub(HEAD + 1, TAIL) ~= head then
        return "the prompt"
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
-- this job, or nil.  A context of 0 is not known; whether a prompt in ids is
-- too long is.
local function wrong_end(record, job, context, in_ids)
    local finish, n, n_out = u32(record, 208), u32(record, 136),
        u32(record, 140)
    local most = u32(job, 84)
    if finish == 16 then
        return nil
    elseif record:sub(221) ~= ("\0"):rep(20) then
        return "the place of an error"
    elseif (finish == 17 or finish == 18) and not in_ids then
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
    if not r.tail then
        records.expect(r, l.request)
    end
    local why = wrong_job(job, model, r.head, r.tail)
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
    elseif r.head ~= "" and not l.ids then
        return "no ids"
    elseif l.ids and (#l.records.ids ~= 4 * u32(record, 140) or
        blob(l.records.ids) ~= record:sub(145, 176)) then
        return "the ids"
    end
    return wrong_end(record, job, context, r.head ~= "")
end

-- Why 224 bytes are not the record of the model of this id, or nil; and its
-- context.
function records.wrong_model(record, id)
    if not record or #record ~= 224 or record:sub(1, 8) ~= "apusmdl1" then
        return "Record must be a model record of 224 bytes in base64url"
    elseif base64url(sha256(record)) ~= id then
        return "Model is not the hash of Record"
    end
    return nil, u32(record, 44)
end

-- How many token ids the model of a record knows.
function records.vocabulary(record)
    return u32(unbase64url(record), 40)
end

-- The bytes of the records of a line, and what an answer is known by: a table,
-- or nil if they have not the size of records.
function records.read(l)
    local record, job = unbase64url(l.record or ""),
        unbase64url(l.jobrecord or "")
    local ids = unbase64url(l.ids or "")
    if not record or #record ~= 240 or not job or #job ~= 152 or not ids or
        #ids % 4 ~= 0 then
        return nil
    end
    return { record = record, job = job, ids = ids, finish = u32(record, 208),
        job_id = sha256(job), result = sha256(record) }
end

-- How many lines the file of an Infer-Batch has, and its SHA-256, by its line
-- of a pull.
function records.file(line)
    local l = scan(line, LINE).object
    return integer(l.count, 1, U32), l.sha256
end

-- ---- for the files after this one -------------------------------------------

lib.records = records
